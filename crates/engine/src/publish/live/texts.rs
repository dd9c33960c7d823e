//! Texts: whether one is the other, and what people paste around it.

/// The longest text that is shown whole, in characters.
const SHOWN: usize = 200;

/// What a text is beside the one that should be. Better comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Text {
    /// It, or written otherwise with the same meaning.
    Same,
    /// It, with something around that spoils it.
    Pasted(&'static str),
    /// Something else.
    Other,
}

/// Compares.
pub(super) fn compare(wanted: &str, found: &[u8]) -> Text {
    if wanted.as_bytes() == found || means_the_same(wanted, found) {
        return Text::Same;
    }
    let Ok(found) = std::str::from_utf8(found) else { return Text::Other };
    // In the order of what is easily overlooked; a guess that fits names the trouble.
    let is = |text: &str| text == wanted || means_the_same(wanted, text.as_bytes());
    let trimmed = found.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}' || c == '\u{200b}');
    if is(trimmed) {
        return Text::Pasted("white space before or after it");
    }
    let quote =
        |c: char| matches!(c, '"' | '\'' | '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{ab}' | '\u{bb}');
    let bare = trimmed.replace("\\\"", "\"");
    let bare = bare.trim_matches(|c: char| quote(c) || c.is_whitespace());
    if is(bare) {
        return Text::Pasted("quotation marks in the value");
    }
    if is(&bare.replace('\\', "")) {
        return Text::Pasted("backslashes in the value");
    }
    if trimmed.contains(wanted) {
        return Text::Pasted("more text in the value (a whole line of a zone file?)");
    }
    Text::Other
}

/// Senders read records by their fields, and panels respell them.
fn means_the_same(wanted: &str, found: &[u8]) -> bool {
    let policy = |text: &[u8]| mta_sts::record::parse(text).strict().ok().cloned();
    if let Some(wanted) = policy(wanted.as_bytes()) {
        return policy(found).is_some_and(|found| found == wanted);
    }
    match tls_rpt::record::parse(wanted.as_bytes()).strict {
        Ok(wanted) => tls_rpt::record::parse(found).strict.is_ok_and(|found| found == wanted),
        Err(_) => false,
    }
}

/// `v=STSv1` of `v=STSv1; id=1;`: what a text is a record of.
pub(super) fn tag(text: &str) -> Option<&str> {
    let tag = text.split(';').next().unwrap_or_default().trim();
    tag.starts_with("v=").then_some(tag)
}

/// Whether a text means to be a record of this kind, also a spoilt one. Without a kind nothing does.
pub(super) fn is_of_kind(text: &[u8], kind: Option<&str>) -> bool {
    let Some(kind) = kind else { return false };
    let plain: Vec<u8> =
        text.iter().filter(|byte| byte.is_ascii_graphic() && !br#""'\"#.contains(byte)).copied().collect();
    plain.get(..kind.len()).is_some_and(|start| start.eq_ignore_ascii_case(kind.as_bytes()))
}

/// For a person: printable, in one line, not endless.
pub(super) fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let mut line: String =
        text.chars().take(SHOWN).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(SHOWN).is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::{Text, compare, is_of_kind, shown, tag};

    const RECORD: &str = "v=STSv1; id=20261124T162300Z;";

    #[test]
    fn a_text_that_means_the_same_is_the_same() {
        for same in [RECORD, "v=STSv1;id=20261124T162300Z", "v=STSv1; id=20261124T162300Z; "] {
            assert_eq!(compare(RECORD, same.as_bytes()), Text::Same, "{same:?}");
        }
        let reports = "v=TLSRPTv1; rua=mailto:a@example.org";
        assert_eq!(compare(reports, b"v=TLSRPTv1;rua=mailto:a@example.org;"), Text::Same);
        assert_eq!(compare(reports, b"v=TLSRPTv1;rua=mailto:b@example.org"), Text::Other);
        assert_eq!(compare(RECORD, b"v=STSv1; id=20261124T162300;"), Text::Other);
        assert_eq!(compare("token", b"token"), Text::Same);
        assert_eq!(compare("token", b"Token"), Text::Other);
    }

    #[test]
    fn what_was_pasted_around_a_text_is_named() {
        let table = [
            (format!("{RECORD}\n"), "white space"),
            (format!(" {RECORD}"), "white space"),
            (format!("{RECORD}\u{a0}"), "white space"),
            (format!("\"{RECORD}\""), "quotation marks"),
            (format!("\\\"{RECORD}\\\""), "quotation marks"),
            (format!("\u{201c}{RECORD}\u{201d}"), "quotation marks"),
            (RECORD.replace(';', "\\;"), "backslashes"),
            (format!("_mta-sts IN TXT \"{RECORD}\""), "more text"),
        ];
        for (found, expected) in table {
            let Text::Pasted(with) = compare(RECORD, found.as_bytes()) else { panic!("{found:?}") };
            assert!(with.contains(expected), "{found:?}: {with}");
        }
        assert_eq!(compare(RECORD, b"\xff"), Text::Other);
    }

    #[test]
    fn a_spoilt_record_is_still_of_its_kind_and_another_is_not() {
        assert_eq!(tag(RECORD), Some("v=STSv1"));
        assert_eq!(tag("a-token-of-a-challenge"), None);
        for text in ["v=STSv1; id=1", "\"v=stsv1; id=1\"", " v = STSv1"] {
            assert!(is_of_kind(text.as_bytes(), Some("v=STSv1")), "{text}");
        }
        assert!(!is_of_kind(b"v=spf1 -all", Some("v=STSv1")));
        assert!(!is_of_kind(b"anything", None));
    }

    #[test]
    fn what_is_shown_is_one_printable_line() {
        assert_eq!(shown(b"a\nb\xff"), "a\u{fffd}b\u{fffd}");
        assert_eq!(shown(&[b'x'; 1000]).chars().count(), 201);
    }
}
