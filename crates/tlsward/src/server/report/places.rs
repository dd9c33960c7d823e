//! How far files of sessions were read. The truth is in the journal, where each line stands with its place
//! ([`FromFile`](tlsward_mta::journal::FromFile)); what is kept here is what the journal forgets when it is retired.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tlsward_mta::postfix_log::Cursor;

use super::kept;

/// Files that are remembered; those of an earlier configuration go first.
const MOST: usize = 1024;

/// The places.
#[derive(Debug, Clone)]
pub(super) struct Places {
    file: PathBuf,
    known: BTreeMap<String, Cursor>,
    is_changed: bool,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    path: String,
    device: u64,
    inode: u64,
    offset: u64,
}

impl Places {
    /// Those that were kept, and then those of the journal.
    pub(super) fn open(folder: &Path, journal: BTreeMap<String, Cursor>) -> anyhow::Result<Self> {
        let file = folder.join("places.json");
        // What cannot be read is as good as not there: then files are read from their beginning once more.
        let wire: Vec<Wire> = match kept::read(&file)? {
            Some(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::warn!(file = %file.display(), %error, "how far files of sessions were read is not known");
                Vec::new()
            }),
            None => Vec::new(),
        };
        let mut known: BTreeMap<String, Cursor> = wire
            .into_iter()
            .map(|Wire { path, device, inode, offset }| (path, Cursor { device, inode, offset }))
            .collect();
        let is_changed = !journal.is_empty();
        known.extend(journal);
        Ok(Self { file, known, is_changed })
    }

    /// The place in a file.
    pub(super) fn of(&self, path: &str) -> Option<Cursor> {
        self.known.get(path).copied()
    }

    /// What is counted reaches there.
    pub(super) fn reached(&mut self, path: String, cursor: Cursor) {
        if self.known.len() >= MOST && !self.known.contains_key(&path) {
            self.known.pop_first();
        }
        self.known.insert(path, cursor);
        self.is_changed = true;
    }

    /// Keeps them, synced.
    pub(super) fn keep(&self) -> io::Result<()> {
        if !self.is_changed {
            return Ok(());
        }
        let wire: Vec<Wire> = self
            .known
            .iter()
            .map(|(path, Cursor { device, inode, offset })| Wire {
                path: path.clone(),
                device: *device,
                inode: *inode,
                offset: *offset,
            })
            .collect();
        kept::replace(&self.file, &serde_json::to_vec(&wire)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_journal_says_goes_before_what_was_kept() {
        let folder = tempfile::tempdir().unwrap();
        let at = |offset| Cursor { device: 1, inode: 2, offset };
        let mut places = Places::open(folder.path(), BTreeMap::new()).unwrap();
        places.keep().unwrap();
        assert!(!folder.path().join("places.json").exists(), "nothing to keep");
        places.reached("a".to_owned(), at(5));
        places.reached("b".to_owned(), at(6));
        places.keep().unwrap();
        let places = Places::open(folder.path(), BTreeMap::from([("b".to_owned(), at(9))])).unwrap();
        assert_eq!((places.of("a"), places.of("b"), places.of("c")), (Some(at(5)), Some(at(9)), None));
        std::fs::write(folder.path().join("places.json"), "[").unwrap();
        assert_eq!(Places::open(folder.path(), BTreeMap::new()).unwrap().of("a"), None);
    }
}
