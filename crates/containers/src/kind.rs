//! What some bytes are, told by the bytes. Names and media types are often wrong and only break ties.

use memchr::memchr;

/// What some bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Begins with `{` or `[`, after white space and a byte order mark; or with the mark of UTF-16.
    Json,
    /// RFC 1952.
    Gzip,
    /// RFC 1950.
    Zlib,
    /// A zip archive.
    Zip,
    /// A mail: header fields, one of them a usual one.
    Mail,
    /// A mailbox: begins with a `From ` line. May hold a single mail.
    Mbox,
    /// None of these.
    Unknown,
}

impl Kind {
    pub(crate) fn is_binary(self) -> bool {
        matches!(self, Kind::Gzip | Kind::Zlib | Kind::Zip)
    }
}

/// Fields at least one of which nearly every mail has in its first lines. `http://…` is no header field for us.
const USUAL_FIELDS: [&str; 16] = [
    "from",
    "to",
    "date",
    "subject",
    "received",
    "return-path",
    "delivered-to",
    "message-id",
    "mime-version",
    "content-type",
    "dkim-signature",
    "authentication-results",
    "arc-seal",
    "x-original-to",
    "tls-report-domain",
    "tls-report-submitter",
];

/// Looks at the beginning of `bytes`; `name` decides only where the bytes leave it open.
pub fn sniff(name: &str, bytes: &[u8]) -> Kind {
    match magic(bytes) {
        Kind::Unknown => {}
        known => return known,
    }
    if bytes.starts_with(b"From ") || bytes.starts_with(b">From ") {
        return Kind::Mbox;
    }
    let first = memchr(b'\n', bytes).map_or(bytes, |end| &bytes[..end]);
    let named_mail = has_suffix(name, ".eml") || has_suffix(name, ".msg");
    if looks_like_mail(bytes) || (named_mail && field_name(first).is_some()) {
        return Kind::Mail;
    }
    if is_zlib(bytes) && (has_suffix(name, ".gz") || has_suffix(name, ".zlib") || has_suffix(name, ".zz")) {
        return Kind::Zlib;
    }
    // An archive may have other bytes before it; only its end tells.
    if has_suffix(name, ".zip") && crate::zip::has_directory(bytes) {
        return Kind::Zip;
    }
    Kind::Unknown
}

/// The kinds that the first few bytes tell.
pub(crate) fn magic(bytes: &[u8]) -> Kind {
    match bytes {
        // RFC 1952 §2.3.1: ID1 and ID2; deflate is the only method there is.
        [0x1f, 0x8b, ..] => Kind::Gzip,
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] | [b'P', b'K', 7, 8, ..] => Kind::Zip,
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Kind::Json,
        // The usual window of 32 KiB, any level; the printable `x^` needs a name (see `sniff`).
        [0x78, 0x01 | 0x9c | 0xda, ..] => Kind::Zlib,
        _ if is_json(bytes) => Kind::Json,
        _ => Kind::Unknown,
    }
}

fn is_json(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let first = bytes.iter().find(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c));
    // A `{` that belongs to UTF-16 without a mark has a zero before or behind it.
    match first {
        Some(b'{' | b'[') => true,
        Some(0) => matches!(bytes, [0, b'{' | b'[', ..]),
        _ => false,
    }
}

/// Stricter than `is_json`, for text that people also write: `[image: …]` and `{name}` are no reports.
pub(crate) fn is_surely_json(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    match bytes.split_first() {
        Some((b'{', rest)) => rest.trim_ascii_start().starts_with(b"\""),
        Some((b'[', rest)) => rest.trim_ascii_start().starts_with(b"{"),
        _ => false,
    }
}

/// RFC 1950 §2.2: method 8, window at most 32 KiB, the check bits, no preset dictionary.
fn is_zlib(bytes: &[u8]) -> bool {
    match bytes {
        [cmf, flg, ..] => {
            cmf & 0x0f == 8
                && cmf >> 4 <= 7
                && (u16::from(*cmf) << 8 | u16::from(*flg)) % 31 == 0
                && flg & 0x20 == 0
        }
        _ => false,
    }
}

fn looks_like_mail(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    // Mails saved by hand often begin with an empty line.
    while let Some(tail) = rest.strip_prefix(b"\n").or_else(|| rest.strip_prefix(b"\r\n")) {
        rest = tail;
    }
    let mut fields = 0;
    while fields < 200 && !rest.is_empty() {
        let end = memchr(b'\n', rest).unwrap_or(rest.len());
        let line = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
        if matches!(line, [b' ' | b'\t', ..]) && fields > 0 {
            continue;
        }
        let Some(name) = field_name(line) else { return false };
        if USUAL_FIELDS.iter().any(|usual| name.eq_ignore_ascii_case(usual.as_bytes())) {
            return true;
        }
        fields += 1;
    }
    false
}

/// RFC 5322 §3.6.8 and §4.5: printable, no colon; white space before the colon is obsolete and met.
pub(crate) fn field_name(line: &[u8]) -> Option<&[u8]> {
    let colon = memchr(b':', line.get(..line.len().min(1_000))?)?;
    let name = line[..colon].trim_ascii_end();
    (!name.is_empty() && name.iter().all(|byte| (33..=126).contains(byte))).then_some(name)
}

/// Whether `name` ends in `suffix` (lower case), whatever its own case.
pub(crate) fn has_suffix(name: &str, suffix: &str) -> bool {
    let (name, suffix) = (name.as_bytes(), suffix.as_bytes());
    name.len() >= suffix.len() && name[name.len() - suffix.len()..].eq_ignore_ascii_case(suffix)
}

/// What a name announces; `None` where it announces nothing we know.
pub(crate) fn announced(name: &str) -> Option<Kind> {
    [
        (".json", Kind::Json),
        (".gz", Kind::Gzip),
        (".zip", Kind::Zip),
        (".eml", Kind::Mail),
        (".mbox", Kind::Mbox),
        (".zlib", Kind::Zlib),
    ]
    .into_iter()
    .find(|(suffix, _)| has_suffix(name, suffix))
    .map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Contents decide, names break ties.
    ///
    /// Proves: R3
    #[test]
    fn contents_decide_and_names_break_ties() {
        let table: &[(&str, &[u8], Kind)] = &[
            ("a.gz", b"{}", Kind::Json),
            ("a", b"\xef\xbb\xbf\r\n [", Kind::Json),
            ("a", b"\xff\xfe{\0", Kind::Json),
            ("a", b"\xfe\xff\0{", Kind::Json),
            ("a", b"{\0\"\0", Kind::Json),
            ("a", b"\0{\0\"", Kind::Json),
            ("a.json", b"\x1f\x8b\x08", Kind::Gzip),
            ("a.json", b"\x1f\x8b", Kind::Gzip),
            ("a.json.gz", b"\x78\x9c..", Kind::Zlib),
            ("a.json.gz", b"\x78\x5e..", Kind::Zlib),
            ("a.txt", b"x^2", Kind::Unknown),
            ("a.txt", b"80", Kind::Unknown),
            ("a", b"PK\x03\x04", Kind::Zip),
            ("a", b"PK\x05\x06", Kind::Zip),
            ("a", b"From x Sat Jan  3 01:02:03 2026\n", Kind::Mbox),
            ("a", b"X-Spam: no\r\nSubject: hi\r\n\r\n", Kind::Mail),
            ("a", b"\r\n\nReceived: by\r\n\tb\r\n", Kind::Mail),
            ("a.txt", b"http://example.com\n", Kind::Unknown),
            ("a.eml", b"X-Own: 1\n\n", Kind::Mail),
            ("a.txt", b"X-Own: 1\n\n", Kind::Unknown),
            ("a.txt", b"hello world: to\nTo: x\n", Kind::Unknown),
            ("a", b"", Kind::Unknown),
            ("a", b"\n\n", Kind::Unknown),
        ];
        for (name, bytes, kind) in table {
            assert_eq!(sniff(name, bytes), *kind, "{name} {}", bytes.escape_ascii());
        }
    }

    #[test]
    fn text_with_brackets_is_not_surely_json() {
        for (bytes, sure) in [
            (&b"{\"a\":1}"[..], true),
            (b"\r\n[ {\"a\":1}]", true),
            (b"[image: x]", false),
            (b"{name}", false),
            (b"", false),
        ] {
            assert_eq!(is_surely_json(bytes), sure, "{}", bytes.escape_ascii());
        }
    }
}
