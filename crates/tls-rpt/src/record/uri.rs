//! The URI syntax of RFC 3986, as far as a `rua` needs it: is this a URI, and what are its parts.
//!
//! Performs no normalisation and resolves nothing. In a TLSRPT record `,`, `!` and `;` must be percent-encoded
//! (RFC 8460 §3), so they are refused here although RFC 3986 allows them.

use std::net::Ipv6Addr;

/// Why a `rua` entry is not a URI. The owner mends the record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// An address or host without `mailto:` or `https:` in front.
    #[error("it has no scheme: write mailto: before an address, https: before a web address")]
    NoScheme,
    /// `!` as in a DMARC size limit, which TLSRPT does not have; or one that belongs there and must be `%21`.
    #[error("an exclamation mark must be written %21, and there are no size limits as in DMARC")]
    Exclamation,
    /// A character that no URI may have as it stands.
    #[error("it has a character that a URI may not have")]
    Character,
    /// `%` without two hexadecimal digits.
    #[error("it has a % that is not followed by two hexadecimal digits")]
    PercentEncoding,
    /// A host or port that RFC 3986 does not allow.
    #[error("its host or port is malformed")]
    Authority,
}

/// The parts of a URI, as they stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    pub(super) scheme: &'a str,
    pub(super) authority: Option<Authority<'a>>,
    pub(super) path: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Authority<'a> {
    pub(super) userinfo: Option<&'a str>,
    pub(super) host: Host<'a>,
    pub(super) port: Option<&'a str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Host<'a> {
    V6(Ipv6Addr),
    Future,
    /// A registered name or an IPv4 address.
    Name(&'a str),
}

/// Splits and checks a URI (RFC 3986 §3, Appendix A: `URI`, not `URI-reference`).
pub(super) fn split(uri: &[u8]) -> Result<Parts<'_>, UriError> {
    let text = std::str::from_utf8(uri).map_err(|_| UriError::Character)?;
    if text.contains('!') {
        return Err(UriError::Exclamation);
    }
    let colon = text.find(':').ok_or(UriError::NoScheme)?;
    let (scheme, rest) = (&text[..colon], &text[colon + 1..]);
    let mut letters = scheme.bytes();
    if !letters.next().is_some_and(|byte| byte.is_ascii_alphabetic())
        || !letters.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
    {
        return Err(UriError::NoScheme);
    }
    let (rest, fragment) = cut(rest, '#');
    let (hierarchy, query) = cut(rest, '?');
    for tail in [fragment, query].into_iter().flatten() {
        check(tail, |byte| is_pchar(byte) || matches!(byte, b'/' | b'?'))?;
    }
    let (authority, path) = match hierarchy.strip_prefix("//") {
        Some(after) => {
            let slash = after.find('/').unwrap_or(after.len());
            (Some(split_authority(&after[..slash])?), &after[slash..])
        }
        None => (None, hierarchy),
    };
    check(path, |byte| is_pchar(byte) || byte == b'/')?;
    Ok(Parts { scheme, authority, path })
}

/// `[ userinfo "@" ] host [ ":" port ]`.
fn split_authority(text: &str) -> Result<Authority<'_>, UriError> {
    let (userinfo, host_port) = match text.find('@') {
        Some(at) => (Some(&text[..at]), &text[at + 1..]),
        None => (None, text),
    };
    check(userinfo.unwrap_or(""), |byte| is_unreserved(byte) || is_sub_delim(byte) || byte == b':')?;
    let (host, port) = if let Some(literal) = host_port.strip_prefix('[') {
        let close = literal.find(']').ok_or(UriError::Authority)?;
        let port = match &literal[close + 1..] {
            "" => None,
            rest => Some(rest.strip_prefix(':').ok_or(UriError::Authority)?),
        };
        (ip_literal(&literal[..close])?, port)
    } else {
        let (name, port) = cut(host_port, ':');
        check(name, |byte| is_unreserved(byte) || is_sub_delim(byte))?;
        (Host::Name(name), port)
    };
    if !port.unwrap_or("").bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(UriError::Authority);
    }
    Ok(Authority { userinfo, host, port })
}

/// What stands between `[` and `]`: an IPv6 address, or the form kept for the future.
fn ip_literal(text: &str) -> Result<Host<'_>, UriError> {
    if let Ok(address) = text.parse::<Ipv6Addr>() {
        return Ok(Host::V6(address));
    }
    let future = text.strip_prefix(['v', 'V']).and_then(|rest| rest.split_once('.'));
    match future {
        Some((version, rest))
            if !version.is_empty()
                && version.bytes().all(|byte| byte.is_ascii_hexdigit())
                && !rest.is_empty()
                && rest.bytes().all(|byte| is_unreserved(byte) || is_sub_delim(byte) || byte == b':') =>
        {
            Ok(Host::Future)
        }
        _ => Err(UriError::Authority),
    }
}

/// Replaces `%XX`; the text was checked by [`split`], so every `%` has its digits.
pub(super) fn percent_decode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        match (bytes[index], bytes.get(index + 1).and_then(hex), bytes.get(index + 2).and_then(hex)) {
            (b'%', Some(high), Some(low)) => {
                out.push(high << 4 | low);
                index += 3;
            }
            (byte, ..) => {
                out.push(byte);
                index += 1;
            }
        }
    }
    out
}

fn hex(byte: &u8) -> Option<u8> {
    char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Every byte allowed, every `%` followed by two hexadecimal digits.
fn check(text: &str, allowed: impl Fn(u8) -> bool) -> Result<(), UriError> {
    let bytes = text.as_bytes();
    for (index, &byte) in bytes.iter().enumerate() {
        if byte == b'%' {
            let digits = bytes.get(index + 1..index + 3).unwrap_or_default();
            if digits.len() != 2 || !digits.iter().all(u8::is_ascii_hexdigit) {
                return Err(UriError::PercentEncoding);
            }
        } else if !allowed(byte) {
            return Err(UriError::Character);
        }
    }
    Ok(())
}

/// Cuts at the first `mark`; the mark itself goes.
fn cut(text: &str, mark: char) -> (&str, Option<&str>) {
    match text.split_once(mark) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

/// RFC 3986 §2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// RFC 3986 §2.2 without `!`, `,` and `;`, which RFC 8460 §3 wants encoded.
fn is_sub_delim(byte: u8) -> bool {
    matches!(byte, b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b'=')
}

fn is_pchar(byte: u8) -> bool {
    is_unreserved(byte) || is_sub_delim(byte) || matches!(byte, b':' | b'@')
}
