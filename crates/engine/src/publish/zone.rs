//! Records as text: lines of a master file (RFC 1035 §5.1) for a zone file, and single values for a form.
//!
//! Names are absolute, so the lines mean the same under every `$ORIGIN`. Texts are cut into strings of at most 255 bytes
//! (RFC 1035 §3.3.14), which readers join again (RFC 8461 §3.1). Nothing that a name or text holds can end a line, begin a
//! comment or stand for another record. Never fails.

use std::fmt::Write as _;

use serde::Serialize;

use crate::ports::publish::{RecordSet, RecordType, RecordValue};

/// Most bytes of one string of a TXT record.
const MAX_STRING_BYTES: usize = 255;

/// One record, ready to copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordLine {
    /// Its name, without a dot at the end.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Seconds.
    pub ttl: u32,
    /// What a form of a DNS provider asks for: without quotes around it. `None`: every record of this name and type
    /// is to be taken away.
    pub value: Option<String>,
    /// The line of a zone file.
    pub line: String,
}

/// The records of these sets, one by one. A set without values gives one line, a comment.
#[must_use]
pub fn lines(sets: &[RecordSet]) -> Vec<RecordLine> {
    sets.iter().flat_map(lines_of).collect()
}

fn lines_of(set: &RecordSet) -> Vec<RecordLine> {
    let line = |value: Option<&RecordValue>| RecordLine {
        name: set.name.clone(),
        kind: set.kind.as_wire(),
        ttl: set.ttl,
        value: value.map(plain),
        line: match value {
            Some(value) => {
                format!("{} {} IN {} {}", absolute(&set.name), set.ttl, kind_of(value).as_wire(), data(value))
            }
            None => format!("; no {} record at {}", set.kind.as_wire(), absolute(&set.name)),
        },
    };
    if set.values.is_empty() {
        return vec![line(None)];
    }
    set.values.iter().map(|value| line(Some(value))).collect()
}

/// A piece of a zone file with these records.
#[must_use]
pub fn snippet(sets: &[RecordSet]) -> String {
    let mut text = String::new();
    for record in lines(sets) {
        text.push_str(&record.line);
        text.push('\n');
    }
    text
}

fn kind_of(value: &RecordValue) -> RecordType {
    match value {
        RecordValue::A(_) => RecordType::A,
        RecordValue::Aaaa(_) => RecordType::Aaaa,
        RecordValue::Cname(_) => RecordType::Cname,
        RecordValue::Txt(_) => RecordType::Txt,
        RecordValue::Caa { .. } => RecordType::Caa,
    }
}

/// As a form asks for it.
fn plain(value: &RecordValue) -> String {
    match value {
        RecordValue::A(address) => address.to_string(),
        RecordValue::Aaaa(address) => address.to_string(),
        RecordValue::Cname(target) => target.clone(),
        RecordValue::Txt(text) => text.clone(),
        RecordValue::Caa { flags, tag, value } => format!("{flags} {tag} {}", quoted(value.as_bytes())),
    }
}

/// As a zone file has it.
fn data(value: &RecordValue) -> String {
    match value {
        RecordValue::A(address) => address.to_string(),
        RecordValue::Aaaa(address) => address.to_string(),
        RecordValue::Cname(target) => absolute(target),
        RecordValue::Txt(text) if text.is_empty() => quoted(b""),
        RecordValue::Txt(text) => {
            let strings = text.as_bytes().chunks(MAX_STRING_BYTES).map(quoted);
            strings.collect::<Vec<_>>().join(" ")
        }
        // RFC 8659 §4.1: tags are letters and digits.
        RecordValue::Caa { flags, tag, value } => {
            let tag: String = tag.chars().filter(char::is_ascii_alphanumeric).collect();
            format!("{flags} {tag} {}", quoted(value.as_bytes()))
        }
    }
}

/// RFC 1035 §5.1: quoted, `"` and `\` behind a backslash, what is no printable ASCII as three digits.
fn quoted(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + 2);
    text.push('"');
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => {
                text.push('\\');
                text.push(char::from(byte));
            }
            b' '..=b'~' => text.push(char::from(byte)),
            // Writing to a String cannot fail.
            _ => {
                let _ = write!(text, "\\{byte:03}");
            }
        }
    }
    text.push('"');
    text
}

/// The name with the dot at its end. Dots separate labels; everything that is special in a master file is escaped.
fn absolute(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 1);
    for byte in name.strip_suffix('.').unwrap_or(name).bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => text.push(char::from(byte)),
            _ => {
                let _ = write!(text, "\\{byte:03}");
            }
        }
    }
    text.push('.');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn txt(name: &str, text: &str) -> RecordSet {
        RecordSet {
            name: name.to_owned(),
            kind: RecordType::Txt,
            ttl: 300,
            values: vec![RecordValue::Txt(text.to_owned())],
        }
    }

    #[test]
    fn a_record_is_one_line_with_an_absolute_name() {
        let sets = [txt("_mta-sts.example.org", "v=STSv1; id=20261124T162300Z;")];
        assert_eq!(snippet(&sets), "_mta-sts.example.org. 300 IN TXT \"v=STSv1; id=20261124T162300Z;\"\n");
        let line = &lines(&sets)[0];
        assert_eq!(line.value.as_deref(), Some("v=STSv1; id=20261124T162300Z;"));
        assert_eq!(line.kind, "TXT");
    }

    /// Proves: D4
    #[test]
    fn a_long_text_is_cut_into_strings_of_at_most_255_bytes() {
        let line = snippet(&[txt("a.example", &"x".repeat(255))]);
        assert_eq!(line.matches('"').count(), 2);
        let line = snippet(&[txt("a.example", &"x".repeat(256))]);
        assert!(line.ends_with(&format!("\"{}\" \"x\"\n", "x".repeat(255))), "{line}");
        assert!(snippet(&[txt("a.example", "")]).ends_with(" TXT \"\"\n"));
    }

    #[test]
    fn nothing_in_a_text_or_name_ends_its_line_or_begins_another() {
        let sets = [txt("a b;c\n.example", "say \"hi\" \\ \n$INCLUDE /etc/passwd\u{7f}é")];
        assert_eq!(
            snippet(&sets),
            "a\\032b\\059c\\010.example. 300 IN TXT \"say \\\"hi\\\" \\\\ \\010$INCLUDE /etc/passwd\\127\\195\\169\"\n"
        );
    }

    #[test]
    fn what_is_to_be_taken_away_is_a_comment() {
        let gone = RecordSet { values: Vec::new(), ..txt("_mta-sts.example.org", "") };
        assert_eq!(snippet(std::slice::from_ref(&gone)), "; no TXT record at _mta-sts.example.org.\n");
        assert_eq!(lines(&[gone])[0].value, None);
    }
}
