//! Names as the zone keeps them: in wire form (RFC 1035 §3.1), lower case, without the root, and where they are kept,
//! relative to the apex.
//!
//! Names of our own are letters, digits, `-` and `_` alone. The proofs of absence rest on it ([`super::denial`]): whatever
//! else a question may hold, no name that exists lies beside it.

use hickory_proto::rr::Name;

/// Longest name in the zone, in wire form with the root. A name asked for may have one label more than one that exists,
/// and the names round it in a proof of absence two octets more than that: 255 in all (RFC 1035 §2.3.4).
pub(super) const MAX_NAME: usize = 189;

/// Reads a name in text form, with or without the dot at its end. `None`: not a name of letters, digits, `-` and `_`, or
/// too long for any name.
pub(super) fn wire(text: &str) -> Option<Vec<u8>> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let mut wire = Vec::with_capacity(text.len() + 1);
    for label in text.split('.') {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if label.is_empty() || label.len() > 63 || !label.bytes().all(good) {
            return None;
        }
        wire.push(u8::try_from(label.len()).ok()?);
        wire.extend(label.bytes().map(|byte| byte.to_ascii_lowercase()));
    }
    (wire.len() < 255).then_some(wire)
}

/// The text of a name in wire form, without a dot at its end.
pub(super) fn text(wire: &[u8]) -> String {
    let labels: Vec<_> = labels(wire).map(String::from_utf8_lossy).collect();
    labels.join(".")
}

/// The labels, without their lengths.
pub(super) fn labels(wire: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = wire;
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first()?;
        let (label, after) = after.split_at_checked(usize::from(*length))?;
        rest = after;
        Some(label)
    })
}

/// The name itself, and all above it up to the empty one.
pub(super) fn upwards(wire: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut next = Some(wire);
    std::iter::from_fn(move || {
        let this = next?;
        next = above(this);
        Some(this)
    })
}

/// The name without its first label.
pub(super) fn above(wire: &[u8]) -> Option<&[u8]> {
    let (length, after) = wire.split_first()?;
    after.get(usize::from(*length)..)
}

/// What stands before `end` in a name that ends with it, by whole labels.
pub(super) fn before<'a>(wire: &'a [u8], end: &[u8]) -> Option<&'a [u8]> {
    let at = wire.len().checked_sub(end.len())?;
    upwards(wire).any(|name| name.len() == end.len() && name == end).then(|| &wire[..at])
}

/// A name of a question, in lower case.
pub(super) fn of_query(name: &Name) -> Vec<u8> {
    let mut wire = Vec::with_capacity(name.len());
    for label in name.iter() {
        // A label has at most 63 octets: the decoder sees to it.
        wire.push(u8::try_from(label.len()).unwrap_or_default());
        wire.extend(label.iter().map(u8::to_ascii_lowercase));
    }
    wire
}

/// A name for a packet. `None` for one longer than a name may be.
pub(super) fn of_wire(wire: &[u8]) -> Option<Name> {
    let mut name = Name::from_labels(labels(wire)).ok()?;
    name.set_fqdn(true);
    (wire.len() < 255).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_lower_case_and_written_back() {
        let name = wire("_MTA-STS.Example.Org.").unwrap();
        assert_eq!(name, b"\x08_mta-sts\x07example\x03org");
        assert_eq!(text(&name), "_mta-sts.example.org");
        assert_eq!(of_query(&of_wire(&name).unwrap()), name);
    }

    #[test]
    fn what_is_no_host_name_is_no_name_of_ours() {
        for text in ["", ".", "a..b", "*.a", "a b", "ä.de", "a.", "."] {
            assert_eq!(wire(text).is_some(), text == "a.", "{text}");
        }
        assert!(wire(&"a".repeat(64)).is_none());
        assert!(wire(&["a"; 127].join(".")).is_some());
        assert!(wire(&["a"; 128].join(".")).is_none());
    }

    #[test]
    fn a_name_ends_with_another_by_whole_labels() {
        let (name, end) = (wire("a.example.org").unwrap(), wire("example.org").unwrap());
        assert_eq!(before(&name, &end), Some(b"\x01a".as_slice()));
        assert_eq!(before(&end, &end), Some(b"".as_slice()));
        assert_eq!(before(&end, b""), Some(end.as_slice()));
        assert_eq!(before(&wire("notexample.org").unwrap(), &end), None);
        assert_eq!(before(&wire("org").unwrap(), &end), None);
        assert_eq!(upwards(&end).map(<[u8]>::len).collect::<Vec<_>>(), [12, 4, 0]);
    }
}
