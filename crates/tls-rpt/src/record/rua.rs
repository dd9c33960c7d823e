//! One place to which reports go: an entry of a `rua` field.
//!
//! What: a URI becomes an address to mail to, a URI to post to, or neither with the reason. Why: a sender skips
//! what it cannot use and keeps the rest (RFC 8460 §3). What can fail: what is no URI makes the whole record invalid.

use super::uri::{self, Host, UriError};
use crate::text::Text;

/// The longest mail address that SMTP carries (RFC 5321 §4.5.3.1.3, without the angle brackets).
const MAX_ADDRESS_BYTES: usize = 254;
/// The longest local part (RFC 5321 §4.5.3.1.1).
const MAX_LOCAL_BYTES: usize = 64;

/// An entry of a `rua` field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rua {
    /// Mail the report to this address.
    Mailto {
        /// The entry as the record has it.
        uri: Text,
        /// The decoded address, its domain in lower-case A-labels: safe in an SMTP command and a header.
        address: Text,
    },
    /// Post the report to this URI.
    Https {
        /// The entry as the record has it: the URI to request.
        uri: Text,
        /// Its host in lower case; an IPv6 address without brackets. The caller guards against private addresses.
        host: Text,
        /// The port; 443 where the URI names none.
        port: u16,
    },
    /// A scheme that RFC 8460 does not know: skipped, the others are kept.
    Unsupported {
        /// The entry as the record has it.
        uri: Text,
        /// The scheme in lower case.
        scheme: Text,
    },
    /// `mailto:` or `https:`, and a URI, but nowhere a report could go: skipped, the others are kept.
    Unusable {
        /// The entry as the record has it.
        uri: Text,
        /// What keeps it from being used.
        why: Unusable,
    },
}

/// What keeps a well-formed `mailto:` or `https:` URI from being used. The owner mends the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// `mailto:` without exactly one mail address before any `?`.
    #[error("it does not name one mail address")]
    NoAddress,
    /// `https:` without a host that DNS or an address could stand for.
    #[error("it does not name a host")]
    NoHost,
    /// `https:` with a user name or password, which a client must distrust (RFC 9110 §4.2.4).
    #[error("it has a user name or password in it")]
    UserInfo,
    /// `https:` with a port that does not exist.
    #[error("its port is not 1 to 65535")]
    Port,
}

impl Rua {
    /// Reads one entry, without white space around it.
    pub(super) fn parse(entry: &[u8]) -> Result<Self, UriError> {
        let parts = uri::split(entry)?;
        let uri = super::ascii(entry);
        // RFC 3986 §3.1: schemes are case-insensitive.
        if parts.scheme.eq_ignore_ascii_case("mailto") {
            let address = match parts.authority {
                None => mail_address(&uri::percent_decode(parts.path)),
                Some(_) => None,
            };
            return Ok(match address {
                Some(address) => Self::Mailto { uri, address },
                None => Self::Unusable { uri, why: Unusable::NoAddress },
            });
        }
        if parts.scheme.eq_ignore_ascii_case("https") {
            return Ok(match https(&parts) {
                Ok((host, port)) => Self::Https { uri, host, port },
                Err(why) => Self::Unusable { uri, why },
            });
        }
        Ok(Self::Unsupported { uri, scheme: Text::from(parts.scheme.to_ascii_lowercase()) })
    }

    /// Whether a report can be sent there.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        matches!(self, Self::Mailto { .. } | Self::Https { .. })
    }

    /// The entry as the record has it.
    #[must_use]
    pub fn uri(&self) -> &str {
        match self {
            Self::Mailto { uri, .. }
            | Self::Https { uri, .. }
            | Self::Unsupported { uri, .. }
            | Self::Unusable { uri, .. } => uri,
        }
    }
}

/// Host and port to connect to.
fn https(parts: &uri::Parts<'_>) -> Result<(Text, u16), Unusable> {
    let authority = parts.authority.ok_or(Unusable::NoHost)?;
    if authority.userinfo.is_some() {
        return Err(Unusable::UserInfo);
    }
    let host = match authority.host {
        Host::V6(address) => compact_str::format_compact!("{address}"),
        Host::Future => return Err(Unusable::NoHost),
        Host::Name(name) if is_host_name(name) => Text::from(name.to_ascii_lowercase()),
        Host::Name(_) => return Err(Unusable::NoHost),
    };
    let port = match authority.port {
        None | Some("") => 443,
        Some(digits) => match digits.parse::<u16>() {
            Ok(port) if port != 0 => port,
            _ => return Err(Unusable::Port),
        },
    };
    Ok((host, port))
}

/// Labels of letters, digits, `-` and `_`, each 1 to 63 bytes; 253 in all; one dot may stand at the end.
fn is_host_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.len() <= 253
        && name.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        })
}

/// The address of a `mailto:` (RFC 6068 §2: `to`, percent-decoded, one addr-spec). Nothing that comes out has a
/// control character, so it cannot break out of a command or a header.
fn mail_address(decoded: &[u8]) -> Option<Text> {
    let text = std::str::from_utf8(decoded).ok()?;
    let (local, domain) = text.rsplit_once('@')?;
    if local.len() > MAX_LOCAL_BYTES || !(is_dot_atom(local) || is_quoted_string(local)) {
        return None;
    }
    // A domain in the reader's script is decoded UTF-8 here; mail wants A-labels. Address literals are refused: a
    // stranger's record must not name an address to connect to.
    let domain = if domain.is_ascii() {
        domain.to_ascii_lowercase()
    } else {
        idna::domain_to_ascii_strict(domain).ok()?
    };
    if !is_host_name(&domain) || domain.ends_with('.') {
        return None;
    }
    let address = compact_str::format_compact!("{local}@{domain}");
    (address.len() <= MAX_ADDRESS_BYTES).then_some(address)
}

/// RFC 5322 §3.2.3: atoms with single dots between them.
fn is_dot_atom(text: &str) -> bool {
    text.split('.').all(|atom| {
        !atom.is_empty()
            && atom.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte))
    })
}

/// RFC 5322 §3.2.4 without folding: printable ASCII and spaces, `"` and `\` only behind a `\`.
fn is_quoted_string(text: &str) -> bool {
    let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return false };
    let mut escaped = false;
    for byte in inner.bytes() {
        if !(byte == b' ' || byte.is_ascii_graphic()) || (byte == b'"' && !escaped) {
            return false;
        }
        escaped = byte == b'\\' && !escaped;
    }
    !escaped
}
