//! TLSA records, RFC 6698 §2, and which of them an SMTP client can use, RFC 7672 §3.1.

mod usable;

use std::fmt;
use std::str::FromStr;

pub use usable::{PassedOver, Unusable, Usable, usable};

/// A TLSA record, as it stands in DNS: any numbers, any data.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tlsa {
    /// Certificate usage. SMTP knows 2, DANE-TA, and 3, DANE-EE.
    pub usage: u8,
    /// Selector: 0 is the whole certificate, 1 its public key.
    pub selector: u8,
    /// Matching type: 0 is the thing itself, 1 its SHA-256, 2 its SHA-512.
    pub matching: u8,
    /// Certificate association data.
    pub data: Vec<u8>,
}

impl Tlsa {
    /// From the numbers and bytes of the record.
    #[must_use]
    pub fn new(usage: u8, selector: u8, matching: u8, data: impl Into<Vec<u8>>) -> Self {
        Self { usage, selector, matching, data: data.into() }
    }

    /// The presentation format of RFC 6698 §2.2 without white space in the data, as RFC 8460 §4.4 wants it in
    /// reports: `3 1 1 2A0B…`.
    #[must_use]
    pub fn as_policy_string(&self) -> String {
        use fmt::Write as _;

        let mut text = format!("{} {} {} ", self.usage, self.selector, self.matching);
        for byte in &self.data {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02X}");
        }
        text
    }
}

impl fmt::Debug for Tlsa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tlsa({})", self.as_policy_string())
    }
}

/// Why a text is no TLSA record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotTlsa {
    /// Of the three numbers and the data something is absent.
    #[error("a TLSA record has a usage, a selector, a matching type and data; the {0} is missing")]
    Missing(&'static str),
    /// No number from 0 to 255, and none of the names of RFC 7218.
    #[error("the {field} is not a number from 0 to 255")]
    Number {
        /// Which.
        field: &'static str,
    },
    /// Not pairs of hexadecimal digits.
    #[error("the data are not pairs of hexadecimal digits")]
    Data,
    /// More than a DNS record can hold.
    #[error("the data are larger than a DNS record")]
    TooLarge,
}

/// RFC 6698 §2.2: three numbers, and hexadecimal data in which white space does not count. Instead of numbers
/// the names of RFC 7218 are understood (`DANE-EE SPKI SHA2-256`).
impl FromStr for Tlsa {
    type Err = NotTlsa;

    fn from_str(text: &str) -> Result<Self, NotTlsa> {
        let mut words = text.split_ascii_whitespace();
        let usage =
            number(words.next(), "usage", &[("PKIX-TA", 0), ("PKIX-EE", 1), ("DANE-TA", 2), ("DANE-EE", 3)])?;
        let selector = number(words.next(), "selector", &[("Cert", 0), ("SPKI", 1)])?;
        let matching =
            number(words.next(), "matching type", &[("Full", 0), ("SHA2-256", 1), ("SHA2-512", 2)])?;
        let digits: Vec<u8> = words.flat_map(str::bytes).collect();
        if digits.is_empty() {
            return Err(NotTlsa::Missing("data"));
        }
        if digits.len() > 2 * usize::from(u16::MAX) {
            return Err(NotTlsa::TooLarge);
        }
        let data = digits.chunks(2).map(byte).collect::<Option<Vec<u8>>>().ok_or(NotTlsa::Data)?;
        Ok(Self { usage, selector, matching, data })
    }
}

fn number(word: Option<&str>, field: &'static str, names: &[(&str, u8)]) -> Result<u8, NotTlsa> {
    let word = word.ok_or(NotTlsa::Missing(field))?;
    if let Some((_, value)) = names.iter().find(|(name, _)| word.eq_ignore_ascii_case(name)) {
        return Ok(*value);
    }
    let digits = word.bytes().all(|byte| byte.is_ascii_digit());
    word.parse().ok().filter(|_| digits).ok_or(NotTlsa::Number { field })
}

fn byte(pair: &[u8]) -> Option<u8> {
    let [high, low] = pair else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? << 4 | digit(low)?)
}
