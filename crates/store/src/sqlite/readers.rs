//! Threads that read, each with a connection of its own.
//!
//! A reader sees the database as of the last commit and neither waits for the writer nor holds it up. Questions queue,
//! bounded; each is answered within one read transaction, so what it says belongs together.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use futures_channel::oneshot;
use rusqlite::{Connection, OpenFlags};
use tlsward_engine::ports::StoreError;

use super::failure::Failure;

/// Threads.
const READERS: usize = 3;
/// Questions that may wait.
const MAX_WAITING: usize = 1024;
/// Statements that a connection keeps compiled.
const STATEMENTS: usize = 64;

/// A reader's view of the database.
pub(crate) struct View<'a> {
    pub(crate) connection: &'a Connection,
    /// Reports that are not shown: still coming in, or going. Nearly always none.
    pub(crate) hidden: BTreeSet<i64>,
}

type Question = Box<dyn FnOnce(&Connection) + Send>;

pub(crate) struct Readers {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    state: Mutex<State>,
    ready: Condvar,
}

struct State {
    questions: VecDeque<Question>,
    is_open: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<Question> {
        let mut state = self.lock();
        loop {
            if let Some(question) = state.questions.pop_front() {
                return Some(question);
            }
            if !state.is_open {
                return None;
            }
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// A connection that cannot write.
pub(crate) fn open_for_reading(path: &Path) -> Result<Connection, Failure> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.execute_batch(
        "PRAGMA query_only = ON; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA cache_size = -8192;",
    )?;
    Ok(connection)
}

impl Readers {
    pub(crate) fn start(path: &Path) -> Result<Self, StoreError> {
        let state = State { questions: VecDeque::new(), is_open: true };
        let shared = Arc::new(Shared { state: Mutex::new(state), ready: Condvar::new() });
        let readers = Self { shared, threads: Mutex::new(Vec::new()) };
        for number in 0..READERS {
            let connection = open_for_reading(path)?;
            let shared = Arc::clone(&readers.shared);
            let thread = std::thread::Builder::new().name(format!("store-read-{number}")).spawn(move || {
                while let Some(question) = shared.next() {
                    question(&connection);
                }
            });
            match thread {
                Ok(thread) => readers.threads().push(thread),
                Err(error) => {
                    readers.stop();
                    return Err(StoreError::Unavailable(format!("no thread to read with: {error}")));
                }
            }
        }
        Ok(readers)
    }

    fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has `question` answered by one of the threads.
    pub(crate) fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&View<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> impl Future<Output = Result<T, StoreError>> + Send {
        let (reply, answer) = oneshot::channel();
        let boxed: Question = Box::new(move |connection| {
            drop(reply.send(look(connection, question).map_err(StoreError::from)));
        });
        let taken = {
            let mut state = self.shared.lock();
            let is_taken = state.is_open && state.questions.len() < MAX_WAITING;
            if is_taken {
                state.questions.push_back(boxed);
            }
            is_taken
        };
        self.shared.ready.notify_one();
        async move {
            if !taken {
                return Err(StoreError::Unavailable("too many questions wait, or it is closing".to_owned()));
            }
            answer.await.unwrap_or_else(|_| Err(StoreError::Unavailable("it is closing".to_owned())))
        }
    }

    /// Answers what waits, then ends the threads.
    pub(crate) fn stop(&self) {
        self.shared.lock().is_open = false;
        self.shared.ready.notify_all();
        for thread in self.threads().drain(..) {
            if thread.join().is_err() {
                tracing::error!("a reading thread of the store panicked");
            }
        }
    }
}

fn look<T>(
    connection: &Connection,
    question: impl FnOnce(&View<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    // Dropping it ends the transaction; there is nothing to commit.
    let transaction = connection.unchecked_transaction()?;
    let hidden = connection
        .prepare_cached("SELECT id FROM report WHERE state <> 0")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let answer = question(&View { connection, hidden });
    drop(transaction);
    answer
}
