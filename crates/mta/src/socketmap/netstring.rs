//! Netstrings: a decimal length, a colon, so many bytes, a comma.
//!
//! Incremental: [`take`] looks at what has come so far and says that it needs more, or where the payload is. A length
//! beyond the bound is refused as soon as its digits show it, before the bytes are waited for.

use std::ops::Range;

/// Why what came is no netstring. Where the next one begins is not known then: answer, and close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NetstringError {
    /// It does not begin with a digit.
    #[error("a netstring begins with its length, not with byte 0x{0:02x}")]
    NoLength(u8),
    /// `01:`. Accepting it would give one text two spellings.
    #[error("the length of a netstring has no leading zero")]
    LeadingZero,
    /// Something else where the length should go on or end in a colon.
    #[error("the length of a netstring ends in a colon, not in byte 0x{0:02x}")]
    NoColon(u8),
    /// Longer than the bound.
    #[error("the netstring is longer than {limit} bytes")]
    TooLong {
        /// The bound.
        limit: usize,
    },
    /// The byte behind the payload.
    #[error("a netstring ends in a comma, not in byte 0x{0:02x}")]
    NoComma(u8),
}

/// A whole netstring at the front of some input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Where the payload is.
    pub payload: Range<usize>,
    /// How many bytes of the input the netstring has.
    pub length: usize,
}

/// Looks for a netstring at the front of `input`, of `limit` bytes of payload at most. `None`: more is needed.
///
/// # Errors
/// [`NetstringError`] as soon as it is certain.
pub fn take(input: &[u8], limit: usize) -> Result<Option<Taken>, NetstringError> {
    let mut length: usize = 0;
    let mut at = 0;
    loop {
        let Some(&byte) = input.get(at) else { return Ok(None) };
        match byte {
            b'0'..=b'9' => {
                if at == 1 && input[0] == b'0' {
                    return Err(NetstringError::LeadingZero);
                }
                length = length.saturating_mul(10).saturating_add(usize::from(byte - b'0'));
                if length > limit {
                    return Err(NetstringError::TooLong { limit });
                }
                at += 1;
            }
            b':' if at > 0 => break,
            _ if at == 0 => return Err(NetstringError::NoLength(byte)),
            _ => return Err(NetstringError::NoColon(byte)),
        }
    }
    let payload = at + 1..at + 1 + length;
    match input.get(payload.end) {
        None => Ok(None),
        Some(b',') => Ok(Some(Taken { length: payload.end + 1, payload })),
        Some(&byte) => Err(NetstringError::NoComma(byte)),
    }
}

/// Appends `payload` as a netstring.
pub fn put(payload: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(payload.len()).as_bytes());
    out.push(b':');
    out.extend_from_slice(payload);
    out.push(b',');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

    #[test]
    fn what_is_no_netstring_is_refused_by_name_of_the_fault() {
        for (input, expected) in [
            ("x", NetstringError::NoLength(b'x')),
            (":,", NetstringError::NoLength(b':')),
            (" 1:a,", NetstringError::NoLength(b' ')),
            ("-1:a,", NetstringError::NoLength(b'-')),
            ("01:a,", NetstringError::LeadingZero),
            ("00:,", NetstringError::LeadingZero),
            ("1 :a,", NetstringError::NoColon(b' ')),
            ("1;a,", NetstringError::NoColon(b';')),
            ("11:", NetstringError::TooLong { limit: 10 }),
            ("11", NetstringError::TooLong { limit: 10 }),
            ("99999999999999999999999999", NetstringError::TooLong { limit: 10 }),
            ("1:ab", NetstringError::NoComma(b'b')),
            ("0:a", NetstringError::NoComma(b'a')),
        ] {
            assert_eq!(take(input.as_bytes(), 10), Err(expected), "{input}");
        }
    }

    #[test]
    fn the_bound_itself_is_taken() {
        assert_eq!(take(b"10:0123456789,", 10), Ok(Some(Taken { payload: 3..13, length: 14 })));
        assert_eq!(take(b"0:,rest", 10), Ok(Some(Taken { payload: 2..2, length: 3 })));
    }

    proptest! {
        #[test]
        fn what_is_put_is_taken_and_no_part_of_it(payload in prop::collection::vec(any::<u8>(), 0..300), tail in any::<u8>()) {
            let mut wire = Vec::new();
            put(&payload, &mut wire);
            for cut in 0..wire.len() {
                prop_assert_eq!(take(&wire[..cut], 300), Ok(None));
            }
            let whole = wire.len();
            wire.push(tail);
            let taken = take(&wire, 300).unwrap().unwrap();
            prop_assert_eq!(&wire[taken.payload], payload.as_slice());
            prop_assert_eq!(taken.length, whole);
        }

        #[test]
        fn noise_is_refused_or_waited_for(noise in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(Some(taken)) = take(&noise, 32) {
                prop_assert!(taken.length <= noise.len() && taken.payload.len() <= 32);
            }
        }
    }
}
