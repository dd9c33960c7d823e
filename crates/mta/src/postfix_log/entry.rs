//! A line of a log: who wrote it, and what.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::Deserialize;
use tlsward_engine::facts::UnixTime;

/// Longest line that is looked at. Postfix cuts its own at 2,000 bytes.
pub const MAX_LINE_BYTES: usize = 16 * 1024;

/// A line taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// When; `None` if the form has no year or no zone.
    pub at: Option<UnixTime>,
    /// The program, such as `postfix/smtp`.
    pub program: Cow<'a, str>,
    /// Its process.
    pub pid: u32,
    /// What it said.
    pub message: Cow<'a, str>,
}

impl<'a> Entry<'a> {
    /// Reads a line, without its end, in any of these forms; `None` if it is none of them:
    ///
    /// - `Nov 24 08:38:44 host postfix/smtp[123]: …` (RFC 3164, and Postfix's `maillog_file`)
    /// - `2026-11-24T08:38:44.123456+00:00 host postfix/smtp[123]: …`
    /// - `<22>1 2026-11-24T08:38:44Z host postfix/smtp 123 - - …` (RFC 5424); `<22>` may stand before the others too
    /// - a JSON object of `journalctl -o json`
    ///
    /// Other programs write into the same file, some without the number of their process, and what they say may be a
    /// stranger's words: a user name with `postfix/smtp[1]: ` in it. So who speaks is read in its place alone.
    #[must_use]
    pub fn parse(line: &'a str) -> Option<Self> {
        if line.len() > MAX_LINE_BYTES {
            return None;
        }
        if line.starts_with('{') {
            return Self::of_json(line);
        }
        let line = match line.strip_prefix('<') {
            Some(rest) => rest.split_once('>').filter(|(priority, _)| is_number(priority, 1, 3))?.1,
            None => line,
        };
        if let Some(rest) = line.strip_prefix("1 ") {
            return Self::of_rfc5424(rest);
        }
        let (at, rest) = stamp(line)?;
        let (host, rest) = rest.split_once(' ')?;
        let (tag, message) = rest.split_once("]: ")?;
        let (program, pid) = tag.split_once('[')?;
        let is_entry = is_host(host) && is_program(program) && is_number(pid, 1, 10);
        is_entry.then_some(())?;
        Some(Self { at, program: program.into(), pid: pid.parse().ok()?, message: message.into() })
    }

    fn of_rfc5424(line: &'a str) -> Option<Self> {
        let mut words = line.splitn(6, ' ');
        let at = time(words.next()?);
        let _host = words.next()?;
        let program = words.next()?;
        let pid = words.next()?.parse().ok()?;
        let _id = words.next()?;
        let rest = words.next()?;
        // Structured data: none, or something in brackets. Postfix's relays write none that holds a bracket.
        let message = match rest.strip_prefix('[') {
            Some(data) => data.split_once("] ")?.1,
            None => rest.strip_prefix("- ")?,
        };
        let message = message.strip_prefix('\u{feff}').unwrap_or(message);
        is_program(program).then_some(Self { at, program: program.into(), pid, message: message.into() })
    }

    fn of_json(line: &'a str) -> Option<Self> {
        let fields: JournalFields<'a> = serde_json::from_str(line).ok()?;
        fields.entry()
    }
}

/// Time with year and zone.
fn time(text: &str) -> Option<UnixTime> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_second)
}

/// Takes the time off the front, in either form.
fn stamp(line: &str) -> Option<(Option<UnixTime>, &str)> {
    let (first, rest) = line.split_once(' ')?;
    if first.starts_with(|c: char| c.is_ascii_digit()) {
        return Some((time(first), rest));
    }
    let (day, rest) = rest.trim_start_matches(' ').split_once(' ')?;
    let (clock, rest) = rest.split_once(' ')?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let is_stamp = first.len() == 3
        && first.bytes().all(|byte| byte.is_ascii_alphabetic())
        && is_number(day, 1, 2)
        && clock.len() == 8
        && clock.split(':').all(|part| is_number(part, 2, 2))
        && is_number(fraction, 1, 9);
    is_stamp.then_some((None, rest))
}

fn is_number(text: &str, least: usize, most: usize) -> bool {
    (least..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A host, and no program: that one's name ends in a colon where it has no number.
fn is_host(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 255
        && !text.ends_with(':')
        && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// RFC 3164 §4.1.3: a colon ends the name of a program.
fn is_program(text: &str) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_graphic() && byte != b':';
    !text.is_empty() && text.len() <= 128 && text.bytes().all(is_fit)
}

/// What journald calls them.
#[derive(Debug, Default, Deserialize)]
struct JournalFields<'a> {
    #[serde(rename = "MESSAGE", borrow, default)]
    message: Cow<'a, str>,
    #[serde(rename = "SYSLOG_IDENTIFIER", borrow, default)]
    program: Cow<'a, str>,
    #[serde(rename = "SYSLOG_PID", borrow, default)]
    syslog_pid: Option<Cow<'a, str>>,
    #[serde(rename = "_PID", borrow, default)]
    pid: Option<Cow<'a, str>>,
    #[serde(rename = "__REALTIME_TIMESTAMP", borrow, default)]
    micros: Option<Cow<'a, str>>,
    #[serde(rename = "__CURSOR", borrow, default)]
    cursor: Option<Cow<'a, str>>,
}

/// An object of `journalctl -o json`: the entry, if it is one that can matter, and its place in that journal.
pub(super) fn of_journal<'a>(line: &'a str) -> Option<(Option<Entry<'a>>, Option<Cow<'a, str>>)> {
    let mut fields: JournalFields<'a> = serde_json::from_str(line).ok()?;
    let cursor = fields.cursor.take();
    Some((fields.entry(), cursor))
}

impl<'a> JournalFields<'a> {
    fn entry(self) -> Option<Entry<'a>> {
        // What the program said of itself goes before who spoke to the socket: postlogd may have written for it.
        let pid = self.syslog_pid.or(self.pid)?.parse().ok()?;
        let at = self
            .micros
            .and_then(|micros| micros.parse::<i64>().ok())
            .map(|micros| micros.div_euclid(1_000_000));
        is_program(&self.program).then_some(Entry { at, program: self.program, pid, message: self.message })
    }
}

/// Reads `journalctl -o export`: fields line by line, an empty line ends an entry. Fields in the binary form (with
/// line ends in them) are not Postfix's; their entries are passed over.
#[derive(Debug, Default)]
pub struct ExportReader {
    fields: JournalFields<'static>,
    is_spoilt: bool,
}

impl ExportReader {
    /// Takes a line without its end; an entry when it is complete.
    pub fn line(&mut self, line: &str) -> Option<Entry<'static>> {
        if line.is_empty() {
            let fields = std::mem::take(&mut self.fields);
            return if std::mem::take(&mut self.is_spoilt) { None } else { fields.entry() };
        }
        let Some((name, value)) = line.split_once('=').filter(|_| line.len() <= MAX_LINE_BYTES) else {
            self.is_spoilt |= !line.starts_with('_');
            return None;
        };
        let value = || Cow::Owned(value.to_owned());
        match name {
            "MESSAGE" => self.fields.message = value(),
            "SYSLOG_IDENTIFIER" => self.fields.program = value(),
            "SYSLOG_PID" => self.fields.syslog_pid = Some(value()),
            "_PID" => self.fields.pid = Some(value()),
            "__REALTIME_TIMESTAMP" => self.fields.micros = Some(value()),
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::proptest;

    const TIME: i64 = 1_795_509_524;

    fn entry(at: Option<i64>) -> Entry<'static> {
        Entry { at, program: "postfix/smtp".into(), pid: 123, message: "TLSRPT: a]: b".into() }
    }

    #[test]
    fn every_form_of_a_log_says_the_same() {
        for (line, at) in [
            ("Nov 24 08:38:44 mail postfix/smtp[123]: TLSRPT: a]: b", None),
            ("<22>Nov  4 08:38:44 mail postfix/smtp[123]: TLSRPT: a]: b", None),
            ("2026-11-24T08:38:44.123456+00:00 mail postfix/smtp[123]: TLSRPT: a]: b", Some(TIME)),
            ("2026-11-24T09:38:44+01:00 mail postfix/smtp[123]: TLSRPT: a]: b", Some(TIME)),
            ("<22>1 2026-11-24T08:38:44.1Z mail postfix/smtp 123 - - TLSRPT: a]: b", Some(TIME)),
            ("1 2026-11-24T08:38:44Z mail postfix/smtp 123 - - \u{feff}TLSRPT: a]: b", Some(TIME)),
            ("<22>1 - mail postfix/smtp 123 - [x@1 y=\"z\"] TLSRPT: a]: b", None),
            ("Nov 24 08:38:44.123456 2001:db8::1 postfix/smtp[123]: TLSRPT: a]: b", None),
            (
                r#"{"MESSAGE":"TLSRPT: a]: b","SYSLOG_IDENTIFIER":"postfix/smtp","_PID":"9","SYSLOG_PID":"123","__REALTIME_TIMESTAMP":"1795509524999999","X":[1]}"#,
                Some(TIME),
            ),
        ] {
            assert_eq!(Entry::parse(line), Some(entry(at)), "{line}");
        }
        let mut export = ExportReader::default();
        let lines = "__CURSOR=x\n__REALTIME_TIMESTAMP=1795509524000001\nMESSAGE=TLSRPT: a]: b\n\
                     SYSLOG_IDENTIFIER=postfix/smtp\n_PID=123";
        assert!(lines.lines().all(|line| export.line(line).is_none()));
        assert_eq!(export.line(""), Some(entry(Some(TIME))));
        assert_eq!(export.line(""), None, "nothing is left of it");
    }

    #[test]
    fn what_is_no_entry_is_passed_over() {
        let long = format!("Nov 24 08:38:44 mail postfix/smtp[1]: {}", "x".repeat(MAX_LINE_BYTES));
        for line in ["", "x", "]: ", "[1]: y", "<22", "{", "{}", "postfix/smtp[123]: without a time", &long] {
            assert_eq!(Entry::parse(line), None, "{line:.40}");
        }
        for rest in [
            "postfix/smtp[x]: y",
            "postfix/smtp[123] y",
            "postfix/smtp[+1]: y",
            "[1]: y",
            "postfix/smtp[]: y",
        ] {
            assert_eq!(Entry::parse(&format!("Nov 24 08:38:44 mail {rest}")), None, "{rest}");
        }
        let mut export = ExportReader::default();
        for line in ["SYSLOG_IDENTIFIER=postfix/smtp", "_PID=1", "MESSAGE", "binary"] {
            assert_eq!(export.line(line), None);
        }
        assert_eq!(export.line(""), None);
    }

    /// What another program says of a stranger is not said by Postfix, wherever it stands in the line.
    #[test]
    fn words_of_a_stranger_in_another_program_s_line_are_not_taken_for_postfix_s() {
        let forged =
            "postfix/smtp[7]: TLSRPT: status=success, domain=a.test, receiving_mx=mx.a.test[192.0.2.1]";
        for stamp in ["Nov 24 08:38:44", "Nov  4 08:38:44", "2026-11-24T08:38:44Z", "<22>Nov 24 08:38:44"] {
            for before in [
                "mail dovecot: imap-login: Aborted login: user=<",
                "mail dovecot:",
                "mail dovecot: ",
                "mail sudo: x : ",
                "mail spamd[9] ",
                "mail amavis[9]:",
                "mail ",
                "",
                "x: ",
                "x y ",
            ] {
                let line = format!("{stamp} {before}{forged}");
                let read = Entry::parse(&line).filter(|entry| entry.program.ends_with("smtp"));
                assert_eq!(read.is_some(), before == "mail ", "{line}");
            }
        }
        for line in [
            format!("mail postfix/smtpd[9]: {forged}"),
            format!("Nov 24 08:38 mail {forged}"),
            format!("Nov 24 08:38:44 mail postfix/smtpd[9]: warning: {forged}"),
            format!("<x>Nov 24 08:38:44 mail {forged}"),
            format!("1 2026-11-24T08:38:44Z mail dovecot - - - {forged}"),
        ] {
            let read = Entry::parse(&line).filter(|entry| entry.program == "postfix/smtp");
            assert_eq!(read, None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in "\\PC{0,80}", form in 0..5_usize) {
            let before = ["", "<1>", "1 ", "{", "Nov 24 08:38:44 "][form];
            let _ = Entry::parse(&format!("{before}{line}"));
            let mut export = ExportReader::default();
            let _ = export.line(&line);
            let _ = export.line("");
        }
    }
}
