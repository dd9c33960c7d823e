//! DNS names of hosts and domains, in the one form in which they are compared.
//!
//! RFC 8461 compares names by the rules of RFC 6125: without regard to case and as A-labels. A [`DnsName`]
//! is a name already in that form, so nothing compares raw text again. Fails on what can be no host or
//! domain.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// Longest name in presentation form, without the dot at its end (RFC 1035 §3.1: 255 octets on the wire).
pub const MAX_NAME_BYTES: usize = 253;
/// Longest label (RFC 1035 §3.1).
pub const MAX_LABEL_BYTES: usize = 63;
/// Longer text is refused before any conversion is tried: a name of 253 bytes in A-labels is never longer
/// than this in U-labels.
const MAX_INPUT_BYTES: usize = 1024;

/// A host or domain name: lower-case A-labels of letters, digits, `-` and `_`, without a dot at its end.
///
/// The underscore is no host name character, but MX hosts with one exist and must be compared, not lost. Clones share
/// the text: a cache has each name in several places.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DnsName(Arc<str>);

/// Why a text is no [`DnsName`]. The caller treats the name as one that matches nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing there, or nothing but a dot (the root).
    #[error("name is empty")]
    Empty,
    /// Longer than DNS allows, as a whole or in one label.
    #[error("name or one of its labels is longer than DNS allows")]
    TooLong,
    /// Two dots in a row, or a dot at the beginning.
    #[error("name has an empty label")]
    EmptyLabel,
    /// A character that no host or domain name holds.
    #[error("name holds a character that no host name may have")]
    Character,
    /// U-labels that IDNA refuses.
    #[error("name cannot be converted to A-labels")]
    NotIdna,
}

impl DnsName {
    /// Reads a name as DNS, an MTA or a person writes it: any case, U-labels or A-labels, with or without
    /// one dot at its end.
    ///
    /// # Errors
    /// [`NameError`] when it can be no name of a host or domain.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.len() > MAX_INPUT_BYTES {
            return Err(NameError::TooLong);
        }
        let ascii: Cow<'_, str> = if text.is_ascii() {
            Cow::Borrowed(text)
        } else {
            // RFC 8461 §3.2, RFC 6125 §6.4.2: U-labels are converted before anything is compared.
            Cow::Owned(idna::domain_to_ascii(text).map_err(|_| NameError::NotIdna)?)
        };
        // After the conversion, which also maps the other full stops of IDNA to a dot.
        let bare = ascii.strip_suffix('.').unwrap_or(&ascii);
        if bare.is_empty() {
            return Err(NameError::Empty);
        }
        if bare.len() > MAX_NAME_BYTES {
            return Err(NameError::TooLong);
        }
        for label in bare.split('.') {
            if label.is_empty() {
                return Err(NameError::EmptyLabel);
            }
            if label.len() > MAX_LABEL_BYTES {
                return Err(NameError::TooLong);
            }
            if !label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
                return Err(NameError::Character);
            }
        }
        Ok(Self(bare.to_ascii_lowercase().into()))
    }

    /// The name: lower-case A-labels, no dot at the end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves: S17
    #[test]
    fn one_name_has_one_form_however_it_is_written() {
        for (text, expected) in [
            ("MAIL.Example.COM", "mail.example.com"),
            ("mail.example.com.", "mail.example.com"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("BÜCHER.example.", "xn--bcher-kva.example"),
            ("XN--bcher-KVA.example", "xn--bcher-kva.example"),
            ("my_host.example", "my_host.example"),
            ("mx\u{3002}example\u{3002}", "mx.example"),
        ] {
            assert_eq!(DnsName::parse(text).as_ref().map(DnsName::as_str), Ok(expected), "{text}");
        }
    }

    /// Hostile or broken names are refused by name of the fault, at the limit and just past it.
    #[test]
    fn what_can_be_no_name_is_refused() {
        let label = "a".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        assert!(DnsName::parse(&longest).is_ok());
        assert!(DnsName::parse(&format!("{longest}.")).is_ok());
        for (text, expected) in [
            ("", NameError::Empty),
            (".", NameError::Empty),
            ("..", NameError::EmptyLabel),
            (".example", NameError::EmptyLabel),
            ("a..example", NameError::EmptyLabel),
            ("a.example..", NameError::EmptyLabel),
            ("*.example", NameError::Character),
            ("a b.example", NameError::Character),
            ("a\0.example", NameError::Character),
            ("[192.0.2.1]", NameError::Character),
            (&format!("{longest}a"), NameError::TooLong),
            (&format!("{}.example", "a".repeat(64)), NameError::TooLong),
            (&"ü".repeat(4096), NameError::TooLong),
        ] {
            assert_eq!(DnsName::parse(text), Err(expected), "{text}");
        }
    }
}
