//! The ledger: a file beside the database to which every version is written before it is served, every id before it is
//! announced, and every removal.
//!
//! It is only appended to, and a backup of the database does not bring back an older one: so what it knows and the database does
//! not tells of a restored backup ([`super::rewind`]). One line of JSON an entry. Reading is bounded and tolerant: the last
//! line may be torn by a kill, unknown kinds and fields are of later programs; a line in the middle that cannot be read is
//! counted and passed over.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read as _};

use mta_sts::policy::MAX_BODY_BYTES;
use serde::{Deserialize, Serialize};

use crate::facts::UnixTime;

/// Longest line that is read. JSON writes a control character of a body in six bytes.
pub const MAX_LINE_BYTES: usize = 6 * MAX_BODY_BYTES + 4_096;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Entry {
    /// A version is about to be served.
    Served {
        /// The policy domain.
        domain: String,
        /// Of the version.
        number: u32,
        /// As served.
        body: String,
        /// Of the policy, in seconds: the time for which it can be held.
        max_age: u32,
        /// When.
        at: UnixTime,
    },
    /// An id is about to be announced.
    Announced {
        /// The policy domain.
        domain: String,
        /// Of the version.
        number: u32,
        /// The id.
        id: String,
        /// When.
        at: UnixTime,
    },
    /// The policy was taken away, or the whole domain.
    Ended {
        /// The policy domain.
        domain: String,
        /// The highest number it had.
        number: u32,
        /// When.
        at: UnixTime,
    },
    /// Of a later program.
    #[serde(other)]
    Unknown,
}

/// What the ledger says of a domain, all its lines together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Newest {
    /// The highest number.
    pub number: u32,
    /// Its body, if it was not taken away since.
    pub body: Option<String>,
    /// When it was written.
    pub at: UnixTime,
    /// The longest time in seconds for which any version can be held, by number: those above what the store knows count.
    pub max_age: BTreeMap<u32, u32>,
    /// The newest id, and the number it was for.
    pub id: Option<(u32, String)>,
}

/// What was read.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// By domain.
    pub domains: BTreeMap<String, Newest>,
    /// Lines that could not be read, the torn last one apart.
    pub unreadable: u64,
}

impl Entry {
    /// The line, with its end.
    #[must_use]
    pub fn to_line(&self) -> String {
        // Plain values: writing them cannot fail.
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }
}

/// Versions of a domain of which the time they can be held is remembered; of more the oldest share theirs.
const AGES: usize = 32;

impl Ledger {
    /// Takes in one entry; later ones are newer.
    pub fn take(&mut self, entry: Entry) {
        match entry {
            Entry::Served { domain, number, body, max_age, at } => {
                let newest = self.domains.entry(domain).or_default();
                newest.max_age.insert(number, max_age);
                if newest.max_age.len() > AGES
                    && let Some((_, oldest)) = newest.max_age.pop_first()
                    && let Some(mut next) = newest.max_age.first_entry()
                {
                    let longest = oldest.max(*next.get());
                    next.insert(longest);
                }
                if number >= newest.number {
                    (newest.number, newest.body, newest.at) = (number, Some(body), at);
                }
            }
            Entry::Announced { domain, number, id, .. } => {
                self.domains.entry(domain).or_default().id = Some((number, id));
            }
            Entry::Ended { domain, number, at } => {
                let newest = self.domains.entry(domain).or_default();
                if number >= newest.number {
                    (newest.number, newest.body, newest.at) = (number, None, at);
                    newest.max_age.clear();
                }
            }
            Entry::Unknown => {}
        }
    }

    /// Reads a whole ledger.
    ///
    /// # Errors
    /// Those of `from`. What cannot be understood is no error.
    pub fn read(mut from: impl BufRead) -> io::Result<Self> {
        let mut ledger = Self::default();
        let mut line = Vec::new();
        loop {
            line.clear();
            let limit = u64::try_from(MAX_LINE_BYTES).unwrap_or(u64::MAX);
            let read = from.by_ref().take(limit).read_until(b'\n', &mut line)?;
            if read == 0 {
                return Ok(ledger);
            }
            if line.last() != Some(&b'\n') {
                if read < MAX_LINE_BYTES {
                    // Torn by a kill, before anything it speaks of was done.
                    return Ok(ledger);
                }
                ledger.unreadable += 1;
                skip_line(&mut from)?;
                continue;
            }
            match serde_json::from_slice::<Entry>(&line) {
                Ok(entry) => ledger.take(entry),
                Err(_) if line.trim_ascii().is_empty() => {}
                Err(_) => ledger.unreadable += 1,
            }
        }
    }
}

fn skip_line(from: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = from.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let length = end.map_or(buffer.len(), |at| at + 1);
        from.consume(length);
        if end.is_some() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(number: u32, max_age: u32) -> Entry {
        let body = format!("version: STSv1\r\nmax_age: {max_age}\r\n");
        Entry::Served { domain: "a.test".to_owned(), number, body, max_age, at: i64::from(number) }
    }

    fn read(text: &[u8]) -> Ledger {
        Ledger::read(text).unwrap()
    }

    #[test]
    fn what_is_written_reads_back_and_the_newest_counts() {
        let id = Entry::Announced { domain: "a.test".to_owned(), number: 2, id: "x".to_owned(), at: 3 };
        let entries = [served(1, 900), served(2, 100), id.clone()];
        for entry in &entries {
            assert_eq!(&serde_json::from_str::<Entry>(&entry.to_line()).unwrap(), entry);
        }
        let text: String = entries.iter().map(Entry::to_line).collect();
        let newest = read(text.as_bytes()).domains.remove("a.test").unwrap();
        assert_eq!((newest.number, newest.id), (2, Some((2, "x".to_owned()))));
        assert!(newest.body.unwrap().contains("max_age: 100\r\n"));
        assert_eq!(newest.max_age, BTreeMap::from([(1, 900), (2, 100)]));
    }

    #[test]
    fn a_torn_last_line_is_as_if_it_was_never_begun() {
        let whole = served(1, 900).to_line() + &served(2, 100).to_line();
        for cut in 0..served(2, 100).to_line().len() {
            let ledger = read(&whole.as_bytes()[..whole.len() - 1 - cut]);
            assert_eq!((ledger.domains["a.test"].number, ledger.unreadable), (1, 0));
        }
    }

    #[test]
    fn lines_that_cannot_be_read_are_counted_and_hide_no_others() {
        let mut text = b"{\"is\":\"served\"}\nnoise\xff\n\n{\"is\":\"of-later\",\"x\":1}\n".to_vec();
        text.extend(vec![b'x'; 2 * MAX_LINE_BYTES]);
        text.push(b'\n');
        text.extend_from_slice(served(7, 1).to_line().as_bytes());
        let ledger = read(&text);
        assert_eq!((ledger.domains["a.test"].number, ledger.unreadable), (7, 3));
    }

    #[test]
    fn what_ended_has_no_body_and_keeps_its_number() {
        let mut ledger = Ledger::default();
        ledger.take(served(3, 900));
        ledger.take(Entry::Ended { domain: "a.test".to_owned(), number: 3, at: 9 });
        assert_eq!(ledger.domains["a.test"], Newest { number: 3, at: 9, ..Newest::default() });
        for number in 4..4 + 2 * u32::try_from(AGES).unwrap() {
            ledger.take(served(number, 10_000 - number));
        }
        let ages = &ledger.domains["a.test"].max_age;
        assert_eq!((ages.len(), ages.values().max()), (AGES, Some(&9_996)));
    }
}
