//! Text of strangers, made safe to show: cut, and without characters that move the cursor or turn the line round.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::ports::{RecordData, SmtpOutcome, TlsFailure};

/// Longest text of a stranger in a finding, in characters.
const MAX_CHARS: usize = 200;

/// The text, cut to one readable line.
pub(crate) fn tame(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_CHARS && text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Cow::Borrowed(text);
    }
    let mut tame = String::new();
    for (count, character) in text.chars().enumerate() {
        if count == MAX_CHARS {
            tame.push('…');
            break;
        }
        if is_dangerous(character) {
            tame.extend(character.escape_unicode());
        } else {
            tame.push(character);
        }
    }
    Cow::Owned(tame)
}

/// Bytes that should be text.
pub(crate) fn tame_bytes(bytes: &[u8]) -> String {
    // Four bytes a character at most: what is beyond is cut anyway.
    let bytes = bytes.get(..4 * (MAX_CHARS + 1)).unwrap_or(bytes);
    tame(&String::from_utf8_lossy(bytes)).into_owned()
}

/// Controls, and marks that are invisible or reorder what stands around them.
fn is_dangerous(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}')
        || matches!(character, '\u{feff}' | '\u{061c}' | '\u{00ad}')
}

/// A record's data as in a zone file.
pub(super) fn record_value(record: &RecordData) -> String {
    match record {
        RecordData::A(address) => address.to_string(),
        RecordData::Aaaa(address) => address.to_string(),
        RecordData::Mx { preference, exchange } => format!("{preference} {}.", tame(exchange)),
        RecordData::Ns(name) => format!("{}.", tame(name)),
        RecordData::Txt(strings) => {
            format!("\"{}\"", tame_bytes(&strings.concat()).replace('\\', "\\\\").replace('"', "\\\""))
        }
        RecordData::Tlsa { usage, selector, matching, data } => {
            let mut text = format!("{usage} {selector} {matching} ");
            for byte in data.iter().take(MAX_CHARS / 2) {
                // Writing to a String cannot fail.
                let _ = write!(text, "{byte:02X}");
            }
            text
        }
        RecordData::Caa { flags, tag, value } => {
            let value = tame_bytes(value).replace('\\', "\\\\").replace('"', "\\\"");
            format!("{flags} {} \"{value}\"", tame(tag))
        }
    }
}

/// Items as a person lists them.
pub(crate) fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    const MOST: usize = 8;
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    if items.len() <= MOST {
        return items.join(", ");
    }
    format!("{} and {} more", items[..MOST].join(", "), items.len() - MOST)
}

/// How far a probe came, in one line.
pub(super) fn outcome(outcome: &SmtpOutcome) -> String {
    match outcome {
        SmtpOutcome::NotReached(failure) => tame(&failure.to_string()).into_owned(),
        SmtpOutcome::Refused { code, text } => format!("refused with {code} {}", tame(text)),
        SmtpOutcome::Broken(text) => tame(text).into_owned(),
        SmtpOutcome::NoStartTls => "STARTTLS is not offered".to_owned(),
        SmtpOutcome::StartTlsRefused { code, text } => {
            format!("STARTTLS is answered with {code} {}", tame(text))
        }
        SmtpOutcome::TlsFailed(failure) => tls_failure(failure),
        SmtpOutcome::Tls(session) => version(session.version).to_owned(),
    }
}

/// Why there was no TLS session, in one line.
pub(crate) fn tls_failure(failure: &TlsFailure) -> String {
    match failure {
        TlsFailure::NothingInCommon { offered: Some((version_offered, suite)) } => format!(
            "no TLS version and cipher in common: the server offers {} with cipher 0x{suite:04X}",
            version(*version_offered)
        ),
        other => tame(&other.to_string()).into_owned(),
    }
}

/// A protocol version in words.
pub(super) fn version(version: u16) -> &'static str {
    match version {
        0x0304 => "TLS 1.3",
        0x0303 => "TLS 1.2",
        0x0302 => "TLS 1.1",
        0x0301 => "TLS 1.0",
        0x0300 => "SSL 3.0",
        _ => "an unknown version of TLS",
    }
}

/// A day as people write it; empty where the number is no time.
pub(super) fn day(unix: i64) -> String {
    match jiff::Timestamp::from_second(unix) {
        Ok(time) => time.to_string().split('T').next().unwrap_or_default().to_owned(),
        Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a stranger writes neither moves a cursor nor fills a screen.
    #[test]
    fn text_of_strangers_is_one_short_line_without_controls() {
        assert_eq!(tame("250 mail.example ready"), "250 mail.example ready");
        assert_eq!(tame("\u{1b}[2Jx\r\n"), "\\u{1b}[2Jx\\u{d}\\u{a}");
        assert_eq!(tame("a\u{202e}b"), "a\\u{202e}b");
        let long = tame_bytes(&vec![b'a'; 100_000]);
        assert_eq!(long.chars().count(), MAX_CHARS + 1);
        assert!(tame_bytes(&[0xff; 10_000]).chars().count() <= MAX_CHARS + 1);
    }
}
