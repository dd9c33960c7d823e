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
    /// - `postfix/smtp[123]: …`
    /// - a JSON object of `journalctl -o json`
    #[must_use]
    pub fn parse(line: &'a str) -> Option<Self> {
        if line.len() > MAX_LINE_BYTES {
            return None;
        }
        if line.starts_with('{') {
            return Self::of_json(line);
        }
        let line = match line.strip_prefix('<') {
            Some(rest) => rest.split_once('>')?.1,
            None => line,
        };
        if let Some(rest) = line.strip_prefix("1 ") {
            return Self::of_rfc5424(rest);
        }
        let (before, message) = line.split_once("]: ")?;
        let (before, pid) = before.rsplit_once('[')?;
        let pid = pid.parse().ok()?;
        let (stamp, program) = before.rsplit_once(' ').unwrap_or(("", before));
        let at = stamp.split_once(' ').and_then(|(first, _)| time(first));
        is_program(program).then_some(Self { at, program: program.into(), pid, message: message.into() })
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

fn is_program(text: &str) -> bool {
    !text.is_empty() && text.len() <= 128 && text.bytes().all(|byte| byte.is_ascii_graphic())
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
            ("postfix/smtp[123]: TLSRPT: a]: b", None),
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
        let long = format!("postfix/smtp[1]: {}", "x".repeat(MAX_LINE_BYTES));
        for line in
            ["", "x", "postfix/smtp[x]: y", "postfix/smtp[123] y", "]: ", "[1]: y", "<22", "{", "{}", &long]
        {
            assert_eq!(Entry::parse(line), None, "{line:.40}");
        }
        let mut export = ExportReader::default();
        for line in ["SYSLOG_IDENTIFIER=postfix/smtp", "_PID=1", "MESSAGE", "binary"] {
            assert_eq!(export.line(line), None);
        }
        assert_eq!(export.line(""), None);
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in "\\PC{0,80}", form in 0..4_usize) {
            let before = ["", "<1>", "1 ", "{"][form];
            let _ = Entry::parse(&format!("{before}{line}"));
            let mut export = ExportReader::default();
            let _ = export.line(&line);
            let _ = export.line("");
        }
    }
}
