//! `published.log` in the data folder: what was served and announced, line by line, beside the database. A backup of the
//! database that is put back does not bring back an older one.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tlsward_engine::ports::StoreError;
use tlsward_engine::ports::publish::Ledger;

/// The file.
pub(super) struct LedgerFile {
    path: PathBuf,
    /// Opened at the first line.
    file: Arc<Mutex<Option<File>>>,
}

impl LedgerFile {
    pub(super) fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), file: Arc::default() }
    }
}

impl Ledger for LedgerFile {
    async fn append(&self, lines: Vec<String>) -> Result<(), StoreError> {
        let (path, file) = (self.path.clone(), Arc::clone(&self.file));
        let written = tokio::task::spawn_blocking(move || {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            let outcome = append(&path, &mut file, &lines);
            if outcome.is_err() {
                // What of it is there is not known: the next line looks at the end of the file first.
                *file = None;
            }
            outcome
                .map_err(|error| StoreError::Unavailable(format!("cannot write {}: {error}", path.display())))
        });
        written.await.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())))
    }

    async fn read(&self) -> Result<Box<dyn BufRead + Send>, StoreError> {
        match File::open(&self.path) {
            Ok(file) => Ok(Box::new(BufReader::with_capacity(1 << 16, file))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Box::new(io::empty())),
            Err(error) => {
                let text = format!("cannot read {}: {error}", self.path.display());
                Err(StoreError::Unavailable(text))
            }
        }
    }
}

fn append(path: &Path, open: &mut Option<File>, lines: &[String]) -> io::Result<()> {
    let file = match open {
        Some(file) => file,
        None => open.insert(opened(path)?),
    };
    file.write_all(lines.concat().as_bytes())?;
    file.sync_data()
}

/// Opens the file for appending; a torn last line is ended, so that the next one stands by itself.
fn opened(path: &Path) -> io::Result<File> {
    let is_new = !path.exists();
    let mut file = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    if is_new && let Some(folder) = path.parent() {
        // The name of the file itself has to outlast a crash too.
        File::open(folder)?.sync_all()?;
    }
    if file.seek(SeekFrom::End(0))? > 0 {
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
        }
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(ledger: &LedgerFile) -> String {
        std::fs::read_to_string(&ledger.path).unwrap()
    }

    #[tokio::test]
    async fn lines_are_appended_and_a_torn_one_is_ended_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("published.log");
        let ledger = LedgerFile::at(&path);
        let mut nothing = String::new();
        ledger.read().await.unwrap().read_to_string(&mut nothing).unwrap();
        assert_eq!(nothing, "");
        ledger.append(vec!["one\n".to_owned(), "two\n".to_owned()]).await.unwrap();
        assert_eq!(text(&ledger), "one\ntwo\n");
        std::fs::write(&path, "one\ntw").unwrap();
        let again = LedgerFile::at(&path);
        again.append(vec!["three\n".to_owned()]).await.unwrap();
        assert_eq!(text(&again), "one\ntw\nthree\n");
    }

    #[tokio::test]
    async fn a_folder_that_is_gone_is_told_of_and_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("data");
        let ledger = LedgerFile::at(&inside.join("published.log"));
        let error = ledger.append(vec!["one\n".to_owned()]).await.unwrap_err();
        assert!(error.to_string().contains("published.log"), "{error}");
        std::fs::create_dir(&inside).unwrap();
        ledger.append(vec!["one\n".to_owned()]).await.unwrap();
        assert_eq!(text(&ledger), "one\n");
    }
}
