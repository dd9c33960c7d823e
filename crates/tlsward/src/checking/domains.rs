//! The domains of a run: from the command line and from files, read as they are needed so that a million of them
//! take no memory; without those that an earlier run has done.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use mta_sts::policy_domain::PolicyDomain;

/// A line of a list beyond this is no domain.
const LONGEST_LINE: u64 = 4096;

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
    lines: Box<dyn BufRead>,
    line: u64,
}

impl List {
    /// Opens a list; `-` is standard input.
    pub(crate) fn open(file: &Path) -> Result<Self, ListError> {
        let lines: Box<dyn BufRead> = if file == Path::new("-") {
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
            let mut bytes = Vec::new();
            let read = (&mut self.lines).take(LONGEST_LINE).read_until(b'\n', &mut bytes);
            self.line += 1;
            match read {
                Err(source) => {
                    // Nothing more can come from it.
                    self.lines = Box::new(io::empty());
                    return Some(Err(ListError::Unreadable { file: self.file.clone(), source }));
                }
                Ok(0) => return None,
                Ok(_) => {}
            }
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

/// Opens the results of a run that may have been interrupted, to go on after them: the domains that are done, and the
/// file, ready to be appended to. A last line that was cut off is taken away: its domain is done again.
pub(crate) fn resume(file: &Path) -> io::Result<(BTreeSet<String>, File)> {
    let mut opened = OpenOptions::new().read(true).append(true).create(true).open(file)?;
    let mut done = BTreeSet::new();
    let mut whole = 0;
    let mut reader = BufReader::new(&opened);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line)?;
        if read == 0 || line.last() != Some(&b'\n') {
            break;
        }
        let Some(domain) = domain_of(&line) else {
            let text = "holds a line that is no result of check --json, so nothing is written into it";
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        };
        done.insert(domain);
        whole += read as u64;
    }
    drop(reader);
    opened.set_len(whole)?;
    opened.seek(SeekFrom::End(0))?;
    Ok((done, opened))
}

fn domain_of(line: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Line {
        domain: String,
        #[serde(rename = "verdict")]
        _verdict: String,
    }
    serde_json::from_slice::<Line>(line).ok().map(|line| line.domain)
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
    fn an_interrupted_run_goes_on_after_its_last_whole_line() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("results");
        let whole = "{\"domain\":\"a.example\",\"verdict\":\"none\"}\n";
        std::fs::write(&file, format!("{whole}{{\"domain\":\"b.exam")).unwrap();
        let (done, _) = resume(&file).unwrap();
        assert!(done.contains("a.example") && done.len() == 1);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), whole);
    }

    #[test]
    fn a_file_that_holds_something_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("letter");
        std::fs::write(&file, "Dear all,\nregards").unwrap();
        assert!(resume(&file).is_err());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "Dear all,\nregards");
    }
}
