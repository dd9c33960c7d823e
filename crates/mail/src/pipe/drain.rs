//! Moves spooled mail into the store.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tlsward_engine::facts::{RawInput, Road, UnixTime};
use tlsward_engine::ports::{Clock, Intake, StoreError};
use tlsward_engine::receive::{Budget, MAX_INPUT_BYTES};
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::name::{SpoolName, Stage};
use crate::queue::Inlet;
use crate::{Shutdown, told_to_stop};

/// Files looked at in one pass over the folder, oldest first.
const PASS: usize = 1000;
/// A partial file older than this was left behind: no writer takes a day.
const PARTIAL_SECONDS: i64 = 24 * 60 * 60;
/// Files known to be left alone; beyond, they are complained about again.
const LEFT_ALONE: usize = 10_000;

/// Why draining ended early. What was not moved is still there; try again later.
#[derive(Debug, thiserror::Error)]
pub enum DrainError {
    /// The folder cannot be listed. An operator must look.
    #[error("cannot list the spool folder `{}`: {source}", .path.display())]
    List {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The store could not take a mail.
    #[error("spooled mail has to wait: {0}")]
    Store(#[from] StoreError),
}

/// What one draining came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Drained {
    /// Mails moved into the store.
    pub kept: usize,
    /// Files with our names that could not be read, or not be deleted once kept. They stay.
    pub left_alone: usize,
    /// Whether the memory budget was spent before the folder was empty.
    pub budget_spent: bool,
}

/// Moves spooled mail into a store.
pub struct Drain<S, C> {
    folder: PathBuf,
    store: Arc<S>,
    clock: Arc<C>,
    budget: Budget,
    inlet: Inlet,
    /// Files not to be tried again in this run.
    left_alone: BTreeSet<String>,
}

impl<S: Intake, C: Clock> Drain<S, C> {
    /// Moves what is spooled in `folder` into `store` and announces it to `inlet`.
    pub fn new(folder: PathBuf, store: Arc<S>, clock: Arc<C>, budget: Budget, inlet: Inlet) -> Self {
        Self { folder, store, clock, budget, inlet, left_alone: BTreeSet::new() }
    }

    /// Drains at once, then whenever `wake` is notified or `every` has passed, until told to stop.
    pub async fn run(mut self, wake: Arc<Notify>, every: Duration, mut shutdown: Shutdown) {
        loop {
            tokio::select! {
                biased;
                () = told_to_stop(&mut shutdown) => return,
                drained = self.drain() => match drained {
                    Ok(Drained { budget_spent: true, .. }) => {
                        tracing::info!("spooled mail has to wait: too much mail in transfer");
                    }
                    Ok(_) => {}
                    Err(error) => tracing::warn!(%error, "the spool folder is not drained"),
                },
            }
            tokio::select! {
                () = told_to_stop(&mut shutdown) => return,
                () = wake.notified() => {}
                () = sleep(every) => {}
            }
        }
    }

    /// Moves everything that is there, oldest first: kept, synced, then deleted. A folder that is not there is empty.
    pub async fn drain(&mut self) -> Result<Drained, DrainError> {
        let mut drained = Drained::default();
        loop {
            let (folder, now) = (self.folder.clone(), self.clock.now());
            let left_alone = std::mem::take(&mut self.left_alone);
            let (left_alone, listed) = spawn_blocking(move || {
                let listed = list(&folder, now, &left_alone);
                (left_alone, listed)
            })
            .await
            .unwrap_or_else(|error| (BTreeSet::new(), Err(io::Error::other(error))));
            self.left_alone = left_alone;
            let names = listed.map_err(|source| DrainError::List { path: self.folder.clone(), source })?;
            if names.is_empty() {
                return Ok(drained);
            }
            for name in names {
                match self.take(&name, now).await? {
                    Taken::Kept => drained.kept += 1,
                    Taken::Gone => {}
                    Taken::LeftAlone => {
                        drained.left_alone += 1;
                        if self.left_alone.len() >= LEFT_ALONE {
                            return Ok(drained);
                        }
                        self.left_alone.insert(name.whole());
                    }
                    Taken::NoRoom => {
                        drained.budget_spent = true;
                        return Ok(drained);
                    }
                }
            }
        }
    }

    async fn take(&self, name: &SpoolName, now: UnixTime) -> Result<Taken, StoreError> {
        let path = self.folder.join(name.whole());
        let budget = self.budget.clone();
        let from = path.clone();
        let read = spawn_blocking(move || {
            let Some(mut file) = open(&from)? else { return Ok(None) };
            let size = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
            if size > MAX_INPUT_BYTES {
                return Err(io::Error::new(
                    io::ErrorKind::FileTooLarge,
                    "larger than any mail that is taken",
                ));
            }
            let Some(share) = budget.take(size) else { return Ok(Some(None)) };
            let mut bytes = vec![0; size];
            // A file that shrinks is cut short here, one that grows is not ours: nothing changes once it is named.
            file.read_exact(&mut bytes)?;
            Ok(Some(Some((bytes, share))))
        })
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)));
        let (bytes, share) = match read {
            Ok(Some(Some(read))) => read,
            Ok(Some(None)) => return Ok(Taken::NoRoom),
            Ok(None) => return Ok(Taken::Gone),
            Err(error) => {
                tracing::warn!(file = name.whole(), %error, "a spooled file is left alone: it cannot be read");
                return Ok(Taken::LeftAlone);
            }
        };
        let size = bytes.len();
        let raw = RawInput {
            road: Road::Pipe,
            received_at: name.time().min(now),
            peer: None,
            label: "tlsward receive".to_owned(),
            bytes: Bytes::from(bytes),
        };
        let copy = self.inlet.copy_of(&raw);
        let id = self.store.keep(raw).await?;
        drop(share);
        self.inlet.kept(id, copy);
        tracing::info!(id, bytes = size, file = name.whole(), "spooled mail kept");
        let deleted = spawn_blocking(move || fs::remove_file(path)).await;
        match deleted.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(()) => Ok(Taken::Kept),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Taken::Kept),
            Err(error) => {
                tracing::error!(file = name.whole(), %error, "spooled mail is kept, but its file cannot be deleted");
                Ok(Taken::LeftAlone)
            }
        }
    }
}

/// What came of one file.
enum Taken {
    Kept,
    /// Someone else took it.
    Gone,
    LeftAlone,
    NoRoom,
}

/// The oldest whole mails of the folder. Clears away partial files that were left behind.
fn list(folder: &Path, now: UnixTime, left_alone: &BTreeSet<String>) -> io::Result<BTreeSet<SpoolName>> {
    let mut names = BTreeSet::new();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(names),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let file_name = entry.file_name();
        let Some((name, stage)) = file_name.to_str().and_then(SpoolName::parse) else { continue };
        match stage {
            Stage::Partial if name.time() < now - PARTIAL_SECONDS => {
                let _ = fs::remove_file(entry.path());
            }
            Stage::Partial => {}
            Stage::Whole => {
                if !left_alone.contains(&name.whole()) {
                    names.insert(name);
                    if names.len() > PASS {
                        names.pop_last();
                    }
                }
            }
        }
    }
    Ok(names)
}

/// Opens a plain file; `None` if it is gone. Anything else under that name is an error: a link could lead anywhere,
/// and opening a pipe would wait for its other end.
fn open(path: &Path) -> io::Result<Option<File>> {
    let opened = fs::symlink_metadata(path).and_then(|metadata| {
        if metadata.is_file() { File::open(path) } else { Err(io::Error::other("not a plain file")) }
    });
    match opened {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
