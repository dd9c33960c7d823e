//! The domains of a run: from the command line and from files, read as they are needed so that a million of them
//! take no memory; without those that an earlier run has done.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use mta_sts::policy_domain::PolicyDomain;
use tlsward_engine::check::{Level, Verdict};

/// A line of a list beyond this is no domain.
const LONGEST_LINE: usize = 4096;
/// A line of results beyond this is none.
const LONGEST_RESULT: u64 = 16 << 20;
/// How every line of results begins.
const BEGINNING: &[u8] = b"{\"domain\":\"";

/// A domain as it was written; `None` if it is none that could take mail.
pub(crate) fn normal(written: &str) -> Option<PolicyDomain> {
    let domain = PolicyDomain::parse(written).ok()?;
    // One label is a top-level domain or a slip.
    domain.as_str().contains('.').then_some(domain)
}

/// Something in a list that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ListError {
    /// The list cannot be read.
    #[error("{}: {source}", file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line is no domain; the others go on.
    #[error("{}:{line}: '{written}' is no domain", file.display())]
    NoDomain {
        /// Which list.
        file: PathBuf,
        /// Where.
        line: u64,
        /// What stands there.
        written: String,
    },
}

/// Domains line by line: empty lines and what follows a `#` do not count.
pub(crate) struct List {
    file: PathBuf,
    lines: Box<dyn BufRead + Send>,
    line: u64,
}

impl List {
    /// Opens a list; `-` is standard input.
    pub(crate) fn open(file: &Path) -> Result<Self, ListError> {
        let lines: Box<dyn BufRead + Send> = if file == Path::new("-") {
            Box::new(BufReader::new(io::stdin()))
        } else {
            let opened =
                File::open(file).map_err(|source| ListError::Unreadable { file: file.to_owned(), source })?;
            Box::new(BufReader::new(opened))
        };
        Ok(Self { file: file.to_owned(), lines, line: 0 })
    }
}

impl Iterator for List {
    type Item = Result<PolicyDomain, ListError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.line += 1;
            let bytes = match bounded_line(self.lines.as_mut()) {
                Err(source) => {
                    // Nothing more can come from it.
                    self.lines = Box::new(io::empty());
                    return Some(Err(ListError::Unreadable { file: self.file.clone(), source }));
                }
                Ok(None) => return None,
                Ok(Some(bytes)) => bytes,
            };
            let text = String::from_utf8_lossy(&bytes);
            let written = text.split('#').next().unwrap_or_default().trim();
            if written.is_empty() {
                continue;
            }
            return Some(normal(written).ok_or_else(|| ListError::NoDomain {
                file: self.file.clone(),
                line: self.line,
                written: crate::present::visible::shown(written).into_owned(),
            }));
        }
    }
}

/// The next line, of which no more than a bounded part is held; `None` at the end.
fn bounded_line(lines: &mut (dyn BufRead + Send)) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let mut is_there = false;
    loop {
        let available = match lines.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if available.is_empty() {
            return Ok(is_there.then_some(line));
        }
        is_there = true;
        let end = available.iter().position(|byte| *byte == b'\n');
        let piece = &available[..end.unwrap_or(available.len())];
        let room = LONGEST_LINE.saturating_sub(line.len());
        line.extend_from_slice(&piece[..piece.len().min(room)]);
        let used = end.map_or(available.len(), |end| end + 1);
        lines.consume(used);
        if end.is_some() {
            return Ok(Some(line));
        }
    }
}

/// What an earlier run has left: which domains are done, and what they came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Done {
    /// Their names.
    pub(crate) domains: BTreeSet<String>,
    /// Whether a finding is an error.
    pub(crate) error: bool,
    /// Whether a verdict is `unknown`.
    pub(crate) untold: bool,
}

/// Opens the results of a run that may have been interrupted, to go on after them: what is done, and the file, ready
/// to be appended to. A last line that was cut off is taken away: its domain is done again. A file that holds anything
/// else is left as it is.
pub(crate) fn resume(file: &Path) -> io::Result<(Done, File)> {
    let mut opened = OpenOptions::new().read(true).append(true).create(true).open(file)?;
    let foreign = || {
        let text = "holds a line that is no result of check --json, so nothing is written into it";
        io::Error::new(io::ErrorKind::InvalidData, text)
    };
    let mut done = Done::default();
    let mut whole = 0;
    let mut reader = BufReader::new(&opened);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut reader).take(LONGEST_RESULT).read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            // The tail of a run that was cut off, or of something else.
            let shared = line.len().min(BEGINNING.len());
            if line[..shared] != BEGINNING[..shared] || read as u64 == LONGEST_RESULT {
                return Err(foreign());
            }
            break;
        }
        done.add(&line).ok_or_else(foreign)?;
        whole += read as u64;
    }
    drop(reader);
    opened.set_len(whole)?;
    opened.seek(SeekFrom::End(0))?;
    Ok((done, opened))
}

impl Done {
    /// Adds a line of results; `None` if it is none.
    fn add(&mut self, line: &[u8]) -> Option<()> {
        #[derive(serde::Deserialize)]
        struct Line {
            domain: String,
            verdict: String,
            findings: Vec<Finding>,
        }
        #[derive(serde::Deserialize)]
        struct Finding {
            level: String,
        }
        let line: Line = serde_json::from_slice(line).ok()?;
        self.error |= line.findings.iter().any(|finding| finding.level == Level::Error.as_wire());
        self.untold |= line.verdict == Verdict::Unknown.as_wire();
        self.domains.insert(line.domain);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_becomes_lower_case_a_labels_and_what_is_none_is_told() {
        let rows = [
            ("Example.COM.", Some("example.com")),
            ("bücher.example", Some("xn--bcher-kva.example")),
            ("localhost", None),
            ("127.0.0.1", None),
            ("exa mple.com", None),
            ("user@example.com", None),
            ("", None),
        ];
        for (written, expected) in rows {
            assert_eq!(normal(written).as_ref().map(PolicyDomain::as_str), expected, "{written}");
        }
    }

    #[test]
    fn a_list_skips_comments_and_names_the_line_that_is_no_domain() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("domains");
        std::fs::write(&file, "# mine\n\na.example  # first\nnot a domain\r\nB.example\r\n").unwrap();
        let found: Vec<_> = List::open(&file).unwrap().collect();
        assert_eq!(found[0].as_ref().unwrap().as_str(), "a.example");
        assert!(
            found[1].as_ref().unwrap_err().to_string().ends_with("domains:4: 'not a domain' is no domain")
        );
        assert_eq!(found[2].as_ref().unwrap().as_str(), "b.example");
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn a_long_line_is_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("domains");
        let text = format!("# {}a.example\n{}\nb.example", "long ".repeat(2000), "x".repeat(9000));
        std::fs::write(&file, text).unwrap();
        let found: Vec<_> = List::open(&file).unwrap().collect();
        assert!(matches!(found[0], Err(ListError::NoDomain { line: 2, .. })));
        assert_eq!(found[1].as_ref().unwrap().as_str(), "b.example");
        assert_eq!(found.len(), 2);
    }

    const WHOLE: &str =
        "{\"domain\":\"a.example\",\"verdict\":\"unknown\",\"findings\":[{\"level\":\"error\"}]}\n";

    #[test]
    fn an_interrupted_run_goes_on_after_its_last_whole_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("results");
        for tail in ["", "{", "{\"domain\":\"b.exam"] {
            std::fs::write(&file, format!("{WHOLE}{tail}")).unwrap();
            let (done, _) = resume(&file).unwrap();
            assert_eq!(done, Done { domains: ["a.example".to_owned()].into(), error: true, untold: true });
            assert_eq!(std::fs::read_to_string(&file).unwrap(), WHOLE);
        }
    }

    #[test]
    fn a_file_that_holds_something_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("letter");
        for text in ["Dear all,\nregards", "a.example", &format!("{WHOLE}b.example")] {
            std::fs::write(&file, text).unwrap();
            assert!(resume(&file).is_err(), "{text}");
            assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
        }
    }
}
