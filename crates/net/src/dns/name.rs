//! Names, as text and as DNS holds them.
//!
//! Text is lower-case A-labels without a dot at the end. A byte that is not usual in a name is written `\DDD`
//! (RFC 1035 §5.1), on the way out and on the way in, so that what one answer names can be asked for next.
//! What can fail: a text that DNS cannot hold.

use std::fmt::Write as _;

use hickory_proto::rr::Name;

/// The longest label (RFC 1035 §2.3.4).
const LABEL_BYTES: usize = 63;
/// The longest name on the wire, with its length bytes and the root's (RFC 1035 §2.3.4).
const NAME_BYTES: usize = 255;

/// Reads a name. `None` if DNS cannot hold it: an empty label, one above 63 bytes, more than 255 in all, an
/// escape that is none, or a character outside ASCII, which only an A-label could stand for.
pub(crate) fn parse(text: &str) -> Option<Name> {
    let text = text.strip_suffix('.').filter(|rest| !rest.ends_with('\\')).unwrap_or(text);
    let mut labels: Vec<Vec<u8>> = Vec::with_capacity(6);
    let mut label = Vec::with_capacity(16);
    let mut wire_bytes = 1;
    let mut bytes = text.bytes();
    loop {
        let byte = bytes.next();
        match byte {
            None | Some(b'.') => {
                wire_bytes += label.len() + 1;
                if label.is_empty() || label.len() > LABEL_BYTES || wire_bytes > NAME_BYTES {
                    return None;
                }
                labels.push(std::mem::take(&mut label));
                if byte.is_none() {
                    break;
                }
            }
            Some(b'\\') => label.push(unescape(&mut bytes)?),
            Some(byte) if byte.is_ascii() => label.push(byte.to_ascii_lowercase()),
            Some(_) => return None,
        }
        if label.len() > LABEL_BYTES {
            return None;
        }
    }
    Name::from_labels(labels.iter().map(Vec::as_slice)).ok()
}

/// What follows a backslash: three digits, or one character that stands for itself.
fn unescape(bytes: &mut std::str::Bytes<'_>) -> Option<u8> {
    let first = bytes.next()?;
    if !first.is_ascii_digit() {
        return first.is_ascii().then_some(first.to_ascii_lowercase());
    }
    let mut value = u16::from(first - b'0');
    for _ in 0..2 {
        let digit = bytes.next().filter(u8::is_ascii_digit)?;
        value = value * 10 + u16::from(digit - b'0');
    }
    u8::try_from(value).ok().map(|byte| byte.to_ascii_lowercase())
}

/// Writes a name. The root is empty.
pub(crate) fn write(name: &Name) -> String {
    let mut text = String::with_capacity(name.len());
    for label in name.iter() {
        if !text.is_empty() {
            text.push('.');
        }
        for &byte in label {
            match byte.to_ascii_lowercase() {
                usual @ (b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'*' | b'/') => {
                    text.push(char::from(usual));
                }
                // Writing to a string cannot fail.
                odd => drop(write!(text, "\\{odd:03}")),
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{parse, write};

    #[test]
    fn names_come_out_lower_case_without_a_dot_at_the_end() {
        for (given, expected) in [
            ("Example.COM", "example.com"),
            ("example.com.", "example.com"),
            ("_25._tcp.mx.example", "_25._tcp.mx.example"),
            (r"a\.b.example", r"a\046b.example"),
            (r"a\046b.example", r"a\046b.example"),
            (r"\000\255.example", r"\000\255.example"),
            (r"sp\032ace.example", r"sp\032ace.example"),
            (r"back\\slash", r"back\092slash"),
            (r"dot\.", r"dot\046"),
            ("*.example", "*.example"),
        ] {
            let name = parse(given).unwrap_or_else(|| panic!("{given}"));
            assert_eq!(write(&name), expected, "{given}");
            assert_eq!(parse(&write(&name)), Some(name), "{given}");
        }
    }

    #[test]
    fn what_dns_cannot_hold_is_refused() {
        let label63 = "a".repeat(63);
        let name255 = format!("{label63}.{label63}.{label63}.{}", "b".repeat(61));
        assert!(parse(&label63).is_some());
        assert!(parse(&name255).is_some());
        for bad in [
            String::new(),
            ".".to_owned(),
            "a..b".to_owned(),
            ".a".to_owned(),
            "a..".to_owned(),
            "a".repeat(64),
            format!("{name255}b"),
            format!("{name255}.c"),
            "bücher.example".to_owned(),
            r"a\25".to_owned(),
            r"a\256".to_owned(),
            "a\\".to_owned(),
            "x.".repeat(100_000),
        ] {
            assert_eq!(parse(&bad), None, "{bad:.80}");
        }
    }
}
