//! The store on SQLite: one file, one thread that writes, a few that read.
//!
//! The file is in write-ahead mode with `synchronous=FULL`: a commit has been synced when it returns, and readers never
//! wait for it. A lock on a file beside it keeps a second server out. No mmap: an I/O error would then be a
//! signal, and not an error.

mod audits;
mod books;
mod certificates;
mod change;
mod columns;
mod digests;
mod domains;
mod failure;
mod lists;
mod load;
mod outgoing;
mod packed;
mod pages;
mod policies;
mod publications;
mod queue;
mod readers;
mod rows;
mod schema;
mod shelve;
mod statements;
mod sweep;
#[cfg(test)]
mod tests;
mod writer;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::thread::JoinHandle;

use futures_channel::oneshot;
use rusqlite::{Connection, OpenFlags};
use tlsward_engine::facts::{RawInput, Receipt, Verdict};
use tlsward_engine::ports::{
    DayRange, DomainDetail, DomainLine, Evidence, FailureLine, Intake, Page, RawOf, ReportDetail, ReportLine,
    ReportQuery, SetAsideLine, StoreError, Totals, Unread,
};

use self::books::Books;
use self::change::Closure;
use self::failure::Failure;
pub(crate) use self::packed::PackedRows;
use self::queue::{Bounds, Input, Job, Queue, Submission};
use self::readers::Readers;
use self::writer::{Setup, Writer};
use crate::Quotas;
use crate::filing::{Filing, sha256};

/// What tests make smaller.
#[derive(Debug, Clone, Copy)]
struct Tuning {
    queue: Bounds,
    /// Pages of the file at most; a full disk looks like this.
    max_pages: Option<u32>,
    checkpoint_pages: u32,
}

impl Default for Tuning {
    fn default() -> Self {
        let queue = Bounds { jobs: 8192, bytes: 96 * 1024 * 1024 };
        Self { queue, max_pages: None, checkpoint_pages: 8192 }
    }
}

/// The store on SQLite.
///
/// Futures of [`Intake`] resolve after the transaction that holds their input has been synced. Dropping one does not
/// take its input back. When more waits than the queue holds, the answer is [`StoreError::Unavailable`] at once.
pub struct SqliteStore {
    queue: Arc<Queue>,
    readers: Readers,
    /// Comes back with its connection, which is closed last: only one that may write can put the log away.
    writer: Mutex<Option<JoinHandle<Connection>>>,
    /// Seals and opens private keys, once it is given.
    sealing: OnceLock<Arc<crate::SealingKey>>,
    /// Held as long as the store is open.
    lock: Mutex<Option<File>>,
}

impl SqliteStore {
    /// Opens the file, or makes it.
    ///
    /// [`StoreError::Unavailable`]: another process has it, or the disk refuses. [`StoreError::Damaged`]: it is no
    /// database, of another program, of a newer version, or broken.
    pub fn open(path: impl AsRef<Path>, quotas: Quotas) -> Result<Self, StoreError> {
        Self::open_tuned(path.as_ref(), quotas, Tuning::default())
    }

    fn open_tuned(path: &Path, quotas: Quotas, tuning: Tuning) -> Result<Self, StoreError> {
        let lock = lock(path)?;
        let mut connection = open_for_writing(path, tuning)?;
        let queue = Arc::new(Queue::new(tuning.queue));
        let log_pages = Arc::new(AtomicU32::new(0));
        let pages = Arc::clone(&log_pages);
        connection
            .wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, in_log: std::ffi::c_int| {
                pages.store(u32::try_from(in_log).unwrap_or(0), Ordering::Relaxed);
                Ok(())
            }))
            .map_err(Failure::from)?;
        let setup = Setup {
            path: path.to_path_buf(),
            quotas,
            queue: Arc::clone(&queue),
            log_pages,
            checkpoint_pages: tuning.checkpoint_pages,
        };
        let (started, starts) = mpsc::sync_channel(1);
        let writer = std::thread::Builder::new()
            .name("store-write".to_owned())
            .spawn(move || write(connection, setup, &started))
            .map_err(|error| StoreError::Unavailable(format!("no thread to write with: {error}")))?;
        let gone = StoreError::Unavailable("the writing thread ended at once".to_owned());
        starts.recv().unwrap_or(Err(gone))?;
        let readers = Readers::start(path).inspect_err(|_| queue.close())?;
        Ok(Self {
            queue,
            readers,
            writer: Mutex::new(Some(writer)),
            sealing: OnceLock::new(),
            lock: Mutex::new(Some(lock)),
        })
    }

    /// Takes nothing more, finishes what it has taken, moves the log into the file and closes it. Blocks meanwhile.
    /// A second call does nothing.
    pub fn close(&self) -> Result<(), StoreError> {
        self.queue.close();
        self.readers.stop();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let ended = writer.map_or(Ok(()), |writer| match writer.join() {
            Ok(connection) => put_away(connection).map_err(StoreError::from),
            Err(_) => Err(StoreError::Unavailable("the writing thread panicked".to_owned())),
        });
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner).take());
        ended
    }

    fn submit<T: Send>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, StoreError>>) -> Job,
    ) -> impl Future<Output = Result<T, StoreError>> + Send {
        let (reply, answer) = oneshot::channel();
        let pushed = self.queue.push(job(reply));
        async move {
            pushed?;
            answer.await.unwrap_or_else(|_| Err(StoreError::Unavailable("it was not written".to_owned())))
        }
    }
}

impl SqliteStore {
    /// Has `run` done in the writer's next transaction; resolves after that has been synced. `bytes`: what it holds.
    /// It may run more than once, of which one counts.
    pub(crate) fn change<T: Send + 'static>(
        &self,
        bytes: usize,
        run: impl FnMut(&Connection) -> Result<T, Failure> + Send + 'static,
    ) -> impl Future<Output = Result<T, StoreError>> + Send {
        self.submit(move |reply| Job::Change(Box::new(Closure { run, value: None, bytes, reply })))
    }

    /// Those who answer questions.
    pub(crate) fn readers(&self) -> &Readers {
        &self.readers
    }
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore").finish_non_exhaustive()
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(%error, "the store did not close cleanly");
        }
    }
}

/// Keeps every other process, and every other store of this one, away from the file until it is dropped.
fn lock(path: &Path) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let refused = |error: std::io::Error| {
        StoreError::Unavailable(format!("the lock file {} cannot be used: {error}", name.display()))
    };
    let file = File::options().write(true).create(true).truncate(false).open(&name).map_err(refused)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(StoreError::Unavailable(format!("another process is using {}", path.display())))
        }
        Err(TryLockError::Error(error)) => Err(refused(error)),
    }
}

fn open_for_writing(path: &Path, tuning: Tuning) -> Result<Connection, StoreError> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(Failure::from)?;
    let set = |pragmas: &str| connection.execute_batch(pragmas).map_err(Failure::from);
    set("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA foreign_keys = OFF; \
         PRAGMA cache_size = -8192;")?;
    // Before the journal: that rewrites the file, which may be another program's.
    let done = schema::recognise(&connection)?;
    set("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;")?;
    if let Some(pages) = tuning.max_pages {
        connection.pragma_update(None, "max_page_count", pages).map_err(Failure::from)?;
    }
    schema::migrate(&mut connection, done)?;
    Ok(connection)
}

/// The writing thread. Gives its connection back, so that it outlives every reader's.
fn write(
    connection: Connection,
    setup: Setup,
    started: &mpsc::SyncSender<Result<(), StoreError>>,
) -> Connection {
    match Writer::new(&connection, setup) {
        Ok(mut writer) => {
            drop(started.send(Ok(())));
            writer.run();
        }
        Err(failure) => drop(started.send(Err(failure.into()))),
    }
    connection
}

/// Moves the log into the file and closes it.
fn put_away(connection: Connection) -> Result<(), Failure> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    connection.close().map_err(|(_, error)| Failure::from(error))
}

impl Intake for SqliteStore {
    fn accept(
        &self,
        raw: RawInput,
        verdict: Verdict,
    ) -> impl Future<Output = Result<Receipt, StoreError>> + Send {
        let digest = sha256(&raw.bytes);
        let filing = Filing::prepare(verdict).packed();
        self.submit(move |reply| Job::File(Submission { input: Input::Fresh { raw, digest }, filing, reply }))
    }

    fn keep(&self, raw: RawInput) -> impl Future<Output = Result<i64, StoreError>> + Send {
        let digest = sha256(&raw.bytes);
        self.submit(move |reply| Job::Keep { raw, digest, reply })
    }

    fn pending(
        &self,
        after: i64,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Unread>, StoreError>> + Send {
        self.readers.ask(move |view| view.pending(after, limit))
    }

    fn begin(&self, id: i64) -> impl Future<Output = Result<(), StoreError>> + Send {
        self.change(0, move |connection| {
            let note = |table: &str| {
                let update = format!("UPDATE {table} SET attempts = attempts + 1 WHERE id = ?1");
                Ok::<_, Failure>(connection.prepare_cached(&update)?.execute([id])?)
            };
            if note("pending")? == 0 {
                note("set_aside")?;
            }
            Ok(())
        })
    }

    fn settle(&self, id: i64, verdict: Verdict) -> impl Future<Output = Result<Receipt, StoreError>> + Send {
        let filing = Filing::prepare(verdict).packed();
        self.submit(move |reply| Job::File(Submission { input: Input::Kept(id), filing, reply }))
    }

    fn set_aside_by_others(
        &self,
        reader: &str,
        after: i64,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Unread>, StoreError>> + Send {
        let reader = reader.to_owned();
        self.readers.ask(move |view| view.set_aside_by_others(&reader, after, limit))
    }

    fn reconsider(
        &self,
        id: i64,
        verdict: Verdict,
    ) -> impl Future<Output = Result<Receipt, StoreError>> + Send {
        let filing = Filing::prepare(verdict).packed();
        self.submit(move |reply| Job::File(Submission { input: Input::Shelved(id), filing, reply }))
    }
}

impl Evidence for SqliteStore {
    fn domains(
        &self,
        range: DayRange,
        after: Option<String>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<DomainLine>, StoreError>> + Send {
        self.readers.ask(move |view| view.domains(range, after.as_deref(), limit))
    }

    fn domain(
        &self,
        domain: &str,
        range: DayRange,
    ) -> impl Future<Output = Result<Option<DomainDetail>, StoreError>> + Send {
        let domain = domain.to_owned();
        self.readers.ask(move |view| view.domain(&domain, range))
    }

    fn reports(
        &self,
        query: ReportQuery,
    ) -> impl Future<Output = Result<Page<ReportLine>, StoreError>> + Send {
        self.readers.ask(move |view| view.reports(&query))
    }

    fn report(
        &self,
        id: i64,
        rows: usize,
    ) -> impl Future<Output = Result<Option<ReportDetail>, StoreError>> + Send {
        self.readers.ask(move |view| view.report(id, rows))
    }

    fn raw(&self, of: RawOf) -> impl Future<Output = Result<Option<RawInput>, StoreError>> + Send {
        self.readers.ask(move |view| view.raw(of))
    }

    fn failures(
        &self,
        query: ReportQuery,
    ) -> impl Future<Output = Result<Page<FailureLine>, StoreError>> + Send {
        self.readers.ask(move |view| view.failures(&query))
    }

    fn set_aside(
        &self,
        cursor: Option<String>,
        limit: usize,
    ) -> impl Future<Output = Result<Page<SetAsideLine>, StoreError>> + Send {
        self.readers.ask(move |view| view.set_aside(cursor.as_deref(), limit))
    }

    fn totals(&self) -> impl Future<Output = Result<Totals, StoreError>> + Send {
        self.readers.ask(|view| Ok(Books::read(view.connection)?.totals()))
    }
}
