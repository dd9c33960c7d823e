//! MX patterns of a policy, and whether an MX host matches one: RFC 8461 §4.1.
//!
//! A pattern is a whole name, or `*.` and a name, where the star covers exactly one label. What is compared
//! is the name in the MX record, before any CNAME. Fails closed: a host name that cannot be read matches
//! nothing.

use std::borrow::Cow;

use crate::name::DnsName;

/// One `mx` pattern that a policy may hold: the `Domain` of RFC 5321 §4.1.2 in ASCII, perhaps behind `*.`.
///
/// The grammar sets no length, so a pattern may be longer than any DNS name: it then matches nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MxPattern {
    /// The host itself.
    Exact(PatternDomain),
    /// Any host one label below the domain.
    Wildcard(PatternDomain),
}

/// The domain in a pattern, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PatternDomain(Box<str>);

/// Why a text is no MX pattern. The policy that holds it is invalid as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// No text.
    #[error("mx pattern is empty")]
    Empty,
    /// A star that is not the whole left-most label, or a star alone.
    #[error("mx pattern has a star that is not the whole left-most label")]
    Star,
    /// Characters outside ASCII: the pattern was written in U-labels.
    #[error("mx pattern is not written in A-labels")]
    NotALabel,
    /// A dot at the end of an otherwise good pattern.
    #[error("mx pattern ends in a dot")]
    DotAtEnd,
    /// A label is empty, begins or ends with a hyphen, or holds anything but letters, digits and hyphens.
    #[error("mx pattern has a malformed label")]
    Label,
}

impl MxPattern {
    /// Parses a pattern by the policy grammar.
    ///
    /// # Errors
    /// [`PatternError`] when a policy may not hold it.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        // RFC 8461 §3.2: internationalised names stand as A-labels.
        if !text.is_ascii() {
            return Err(PatternError::NotALabel);
        }
        let (is_wildcard, domain) = match text.strip_prefix("*.") {
            Some(domain) => (true, domain),
            None => (false, text),
        };
        if domain.contains('*') {
            return Err(PatternError::Star);
        }
        if !domain.split('.').all(is_sub_domain) {
            let without_dot = domain.strip_suffix('.').unwrap_or_default();
            let only_the_dot = without_dot.split('.').all(is_sub_domain);
            return Err(if only_the_dot { PatternError::DotAtEnd } else { PatternError::Label });
        }
        let domain = PatternDomain(domain.to_ascii_lowercase().into_boxed_str());
        Ok(if is_wildcard { Self::Wildcard(domain) } else { Self::Exact(domain) })
    }

    /// Whether the host of an MX record is covered.
    #[must_use]
    pub fn matches(&self, host: &DnsName) -> bool {
        match self {
            Self::Exact(domain) => *domain.0 == *host.as_str(),
            Self::Wildcard(domain) => wildcard_covers(&domain.0, host),
        }
    }

    /// The pattern as it stands in a policy and in a report's `mx-host`, in lower case.
    #[must_use]
    pub fn as_wire(&self) -> Cow<'_, str> {
        match self {
            Self::Exact(domain) => Cow::Borrowed(&domain.0),
            Self::Wildcard(domain) => Cow::Owned(format!("*.{}", domain.0)),
        }
    }
}

/// RFC 8461 §4.1: the star covers the entire left-most label, and exactly one.
fn wildcard_covers(domain: &str, host: &DnsName) -> bool {
    // A `DnsName` has no empty label, so something stands before the dot.
    host.as_str().split_once('.').is_some_and(|(_, parent)| parent == domain)
}

/// RFC 5321 §4.1.2: `sub-domain = Let-dig [Ldh-str]`, ending in a letter or digit.
fn is_sub_domain(label: &str) -> bool {
    let bytes = label.as_bytes();
    let ends_well = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    ends_well(bytes.first())
        && ends_well(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
}

/// Whether the host of an MX record matches at least one pattern of a policy. A name that is none matches
/// nothing.
#[must_use]
pub fn matches_any(patterns: &[MxPattern], mx: &str) -> bool {
    let Ok(host) = DnsName::parse(mx) else { return false };
    patterns.iter().any(|pattern| pattern.matches(&host))
}

/// Compares a host with one pattern as somebody typed it, also with patterns that no policy may hold, such as
/// ones in U-labels. For tools that explain; what a policy admits is decided by [`MxPattern::matches`].
#[must_use]
pub fn matches_as_typed(mx: &str, pattern: &str) -> bool {
    let Ok(host) = DnsName::parse(mx) else { return false };
    match pattern.strip_prefix("*.") {
        Some(domain) => DnsName::parse(domain).is_ok_and(|domain| wildcard_covers(domain.as_str(), &host)),
        None => DnsName::parse(pattern).is_ok_and(|exact| exact == host),
    }
}
