//! Answers on the wire.

use bytes::Bytes;

use super::netstring;
use crate::text;

/// Longest payload that Postfix reads (`socketmap_max_reply_size`).
pub const MAX_REPLY_BYTES: usize = 100_000;
/// Longest reason that Postfix logs.
const MAX_REASON_BYTES: usize = 200;

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply<'a> {
    /// The value.
    Ok(&'a str),
    /// There is none.
    NotFound,
    /// Not now: Postfix keeps the mail. The reason is for its log.
    Temp(&'a str),
    /// Not in time: Postfix keeps the mail.
    Timeout(&'a str),
    /// Never: Postfix keeps the mail, and its log says that the configuration is wrong.
    Perm(&'a str),
}

impl Reply<'_> {
    /// The whole netstring. A reason is cut to one line of printable ASCII. A value that is too long, or not one line,
    /// becomes `TEMP`: half a policy must never be applied.
    #[must_use]
    pub fn encode(&self) -> Encoded {
        let (word, text) = match *self {
            Self::Ok(value) if value.len() + 3 > MAX_REPLY_BYTES => {
                return Reply::Temp("the answer is longer than Postfix reads").encode();
            }
            Self::Ok(value) if value.chars().any(char::is_control) => {
                return Reply::Temp("the answer holds control characters").encode();
            }
            Self::Ok(value) => ("OK ", value.to_owned()),
            // The space behind it is required.
            Self::NotFound => return Encoded::NOT_FOUND,
            Self::Temp(reason) => ("TEMP ", text::printable(reason, MAX_REASON_BYTES)),
            Self::Timeout(reason) => ("TIMEOUT ", text::printable(reason, MAX_REASON_BYTES)),
            Self::Perm(reason) => ("PERM ", text::printable(reason, MAX_REASON_BYTES)),
        };
        let mut out = Vec::with_capacity(word.len() + text.len() + 8);
        netstring::put(&[word.as_bytes(), text.as_bytes()].concat(), &mut out);
        Encoded(Bytes::from(out))
    }
}

/// An answer ready to be sent, a whole netstring. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded(Bytes);

impl Encoded {
    /// [`Reply::NotFound`].
    pub const NOT_FOUND: Self = Self(Bytes::from_static(b"9:NOTFOUND ,"));

    /// The bytes to send.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(reply: Reply<'_>) -> String {
        String::from_utf8(reply.encode().as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn every_answer_is_one_netstring_of_the_protocol() {
        assert_eq!(wire(Reply::Ok("secure match=mx.example")), "26:OK secure match=mx.example,");
        assert_eq!(wire(Reply::NotFound), "9:NOTFOUND ,");
        assert_eq!(wire(Reply::Temp("")), "5:TEMP ,");
        assert_eq!(wire(Reply::Timeout("slow")), "12:TIMEOUT slow,");
        assert_eq!(wire(Reply::Perm("no such map")), "16:PERM no such map,");
    }

    #[test]
    fn a_reason_is_one_short_line() {
        assert_eq!(wire(Reply::Temp("a\r\nb\u{202e}ü")), "11:TEMP a??b??,");
        let long = "x".repeat(1000);
        assert_eq!(Reply::Temp(&long).encode().as_bytes().len(), "205:TEMP ,".len() + 200);
    }

    #[test]
    fn a_value_that_postfix_would_not_read_becomes_temp() {
        let longest = "x".repeat(MAX_REPLY_BYTES - 3);
        assert!(wire(Reply::Ok(&longest)).starts_with("100000:OK x"));
        let over = "x".repeat(MAX_REPLY_BYTES - 2);
        assert!(wire(Reply::Ok(&over)).contains(":TEMP "));
        assert!(wire(Reply::Ok("may\nnone")).contains(":TEMP "));
    }
}
