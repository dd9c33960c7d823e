//! A policy in the words of `smtp_tls_policy_maps`.
//!
//! Postfix defers mail for an attribute that it does not know or cannot read, and applies whatever it can read, so
//! nothing that a stranger wrote may reach it unchecked. Names and patterns are typed (ASCII letters, digits, `-`,
//! `.`, `*`). Quoted policy lines go in braces; one that cannot be quoted without change is left out, never mended:
//! braces, control characters, nothing in it, or more than [`MAX_LINE_BYTES`]. Tabs become spaces, as Postfix itself
//! would have it.
//!
//! What is over [`MAX_REPLY_BYTES`] loses, in this order: the quoted `mx` lines (the patterns say the same), all
//! quoted lines, the patterns. The `match` list, which enforces, is never cut: rather `TEMP`.
//!
//! The order of everything is the policy's own, so that equal policies are equal answers.

use tlsward_engine::ports::{Level, MtaPolicy, PolicyFailure, PolicyReply, StsAttributes};

use mta_sts::mx::MxPattern;

use super::reply::{Encoded, MAX_REPLY_BYTES, Reply};

/// Longest policy line that is quoted.
pub const MAX_LINE_BYTES: usize = 2048;

/// Matches no certificate (RFC 6761 §6.4): for patterns that Postfix would take for a keyword.
const MATCHES_NOTHING: &str = "nothing.invalid";

/// What the asking Postfix understands. The map's name chooses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `tlsward`: Postfix 3.4 and later.
    Classic,
    /// `tlsward-tlsrpt`: Postfix 3.10 and later, with what its TLS reports need.
    TlsRpt,
}

impl Dialect {
    /// The dialect of a map's name; `None` for any other name.
    #[must_use]
    pub fn of_map(name: &str) -> Option<Self> {
        match name {
            "tlsward" => Some(Self::Classic),
            "tlsward-tlsrpt" => Some(Self::TlsRpt),
            _ => None,
        }
    }

    /// The map's name.
    #[must_use]
    pub fn map_name(self) -> &'static str {
        match self {
            Self::Classic => "tlsward",
            Self::TlsRpt => "tlsward-tlsrpt",
        }
    }
}

/// An answer, and what had no place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendering {
    /// The answer.
    pub reply: Encoded,
    /// For the log.
    pub left_out: LeftOut,
}

/// What a report will lack.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// So many policy lines.
    pub lines: usize,
    /// All patterns, for size: Postfix then compares the certificate alone.
    pub patterns: bool,
    /// The policy domain, because Postfix would not take it for a host name.
    pub domain: bool,
}

/// Spells a policy.
#[must_use]
pub fn render(policy: &MtaPolicy, dialect: Dialect) -> Rendering {
    let plain = |reply: Reply<'_>| Rendering { reply: reply.encode(), left_out: LeftOut::default() };
    match policy {
        MtaPolicy::NotFound => plain(Reply::NotFound),
        MtaPolicy::TryLater(reason) => plain(Reply::Temp(reason)),
        MtaPolicy::Apply(policy) => {
            let mut value = enforcement(policy);
            let mut left_out = LeftOut::default();
            // Without TLS, Postfix warns of every attribute.
            if let (Dialect::TlsRpt, Some(sts), false) =
                (dialect, &policy.sts, matches!(policy.level, Level::None))
            {
                describe(sts, &mut value, &mut left_out);
            }
            Rendering { reply: Reply::Ok(&value).encode(), left_out }
        }
    }
}

/// Level, match and servername: what is done.
fn enforcement(policy: &PolicyReply) -> String {
    let mut value = String::from(match &policy.level {
        Level::None => "none",
        Level::May => "may",
        Level::Encrypt => "encrypt",
        Level::Dane => "dane",
        Level::DaneOnly => "dane-only",
        Level::Secure(_) => "secure",
    });
    if let Level::Secure(patterns) = &policy.level
        && !patterns.is_empty()
    {
        value.push_str(" match=");
        value.push_str(&match_list(patterns));
    }
    // DANE sends the TLSA base domain by itself, and without TLS there is no SNI.
    if policy.send_server_name && matches!(policy.level, Level::May | Level::Encrypt | Level::Secure(_)) {
        value.push_str(" servername=hostname");
    }
    value
}

/// Names that the certificate must hold one of. Postfix's `.x` covers any number of labels below, where RFC 8461 §4.1
/// has exactly one: Postfix ≥ 3.10.5 with `mx_host_pattern` is exact, the classic words cannot be.
fn match_list(patterns: &[MxPattern]) -> String {
    let mut items: Vec<String> = Vec::with_capacity(patterns.len());
    let mut seen = std::collections::BTreeSet::new();
    for pattern in patterns {
        let wire = pattern.as_wire();
        let item = match wire.strip_prefix('*') {
            Some(suffix) => suffix.to_owned(),
            // A host of such a name would be read as "whatever the MX host is called".
            None if matches!(&*wire, "hostname" | "nexthop" | "dot-nexthop") => MATCHES_NOTHING.to_owned(),
            None => wire.into_owned(),
        };
        if seen.insert(item.clone()) {
            items.push(item);
        }
    }
    items.join(":")
}

/// What a report says of the policy.
fn describe(sts: &StsAttributes, value: &mut String, left_out: &mut LeftOut) {
    let mut head = String::from(" policy_type=sts");
    if is_hostname(&sts.policy_domain) {
        head.push_str(" policy_domain=");
        head.push_str(&sts.policy_domain);
    } else {
        left_out.domain = true;
    }
    if let Some(failure) = sts.failure {
        head.push_str(" policy_failure=");
        head.push_str(failure_word(failure));
    }
    let mut patterns = String::new();
    for pattern in &sts.mx_patterns {
        patterns.push_str(" mx_host_pattern=");
        patterns.push_str(&pattern.as_wire());
    }
    let lines: Vec<String> = sts.policy_strings.iter().filter_map(|line| quotable(line)).collect();
    let quote = |lines: &mut dyn Iterator<Item = &String>| {
        lines.fold(String::new(), |all, line| all + " { policy_string = " + line + " }")
    };
    let all = quote(&mut lines.iter());
    let without_mx = quote(&mut lines.iter().filter(|line| !is_mx(line)));

    let room = (MAX_REPLY_BYTES - 3).saturating_sub(value.len() + head.len());
    let (patterns, quoted, kept) = if patterns.len() + all.len() <= room {
        (patterns.as_str(), all.as_str(), lines.len())
    } else if patterns.len() + without_mx.len() <= room {
        (patterns.as_str(), without_mx.as_str(), lines.iter().filter(|line| !is_mx(line)).count())
    } else if patterns.len() <= room {
        (patterns.as_str(), "", 0)
    } else {
        left_out.patterns = true;
        ("", "", 0)
    };
    left_out.lines = sts.policy_strings.len() - kept;
    value.push_str(&head);
    value.push_str(patterns);
    value.push_str(quoted);
}

fn is_mx(line: &str) -> bool {
    line.starts_with("mx:")
}

fn failure_word(failure: PolicyFailure) -> &'static str {
    match failure {
        PolicyFailure::Fetch => "sts-policy-fetch-error",
        PolicyFailure::Invalid => "sts-policy-invalid",
        PolicyFailure::WebPki => "sts-webpki-invalid",
        PolicyFailure::Validation => "validation-failure",
    }
}

/// The line as it can stand in `{ policy_string = … }`.
fn quotable(line: &str) -> Option<String> {
    let line = line.trim_matches([' ', '\t', '\r', '\n']);
    let is_fit = |c: char| c == '\t' || !(c.is_control() || matches!(c, '{' | '}'));
    if line.is_empty() || line.len() > MAX_LINE_BYTES || !line.chars().all(is_fit) {
        return None;
    }
    Some(line.replace('\t', " "))
}

/// Postfix's `valid_hostname`: anything else in `policy_domain` makes it throw the whole policy away.
fn is_hostname(name: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    name.len() <= 255
        && name.split('.').all(is_label)
        && !name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
