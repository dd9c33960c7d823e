//! What waits for the writer.
//!
//! Bounded in number and bytes. A full queue refuses at once ([`StoreError::Unavailable`]) and does not make callers
//! wait: the sender then hears 503 or 452 and comes back, and memory stays bounded whatever the callers do.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc};

use futures_channel::oneshot;
use tls_rpt::report::FailureDetails;
use tlsward_engine::facts::{RawInput, Receipt};
use tlsward_engine::ports::StoreError;

use super::change::Change;
use super::packed::PackedPolicy;
use crate::filing::{Filing, HeldHead};
use crate::session::{Details, Session};

/// Jobs of one transaction at most.
const GROUP_JOBS: usize = 512;
/// Bytes of one transaction, about; a single larger job has one of its own.
const GROUP_BYTES: usize = 8 * 1024 * 1024;

/// Whom to tell, once it is synced.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// An input and its verdict.
pub(crate) struct Submission {
    pub(crate) input: Input,
    pub(crate) filing: Filing,
    pub(crate) reply: Reply<Receipt>,
}

/// Where a submission's raw input is.
pub(crate) enum Input {
    /// Here.
    Fresh { raw: RawInput, digest: [u8; 32] },
    /// Kept earlier, under this id.
    Kept(i64),
    /// Set aside earlier, under this id.
    Shelved(i64),
    /// In the store, under this id, while its large reports come in.
    Loading(i64),
}

/// Some rows of a large report.
#[derive(Default)]
pub(crate) struct RowBatch {
    pub(crate) report: i64,
    /// Index, policy, and what its failure rows came to.
    pub(crate) policies: Vec<(u64, PackedPolicy, Details)>,
    /// Index through the whole report, index of the policy, row.
    pub(crate) failures: Vec<(u64, u64, FailureDetails)>,
}

/// Sessions of a large report.
pub(crate) struct SessionBatch {
    pub(crate) report: i64,
    pub(crate) sessions: Vec<Session>,
}

/// Something for the writer to do.
pub(crate) enum Job {
    File(Submission),
    Keep {
        raw: RawInput,
        digest: [u8; 32],
        reply: Reply<i64>,
    },
    Rows {
        batch: RowBatch,
        done: mpsc::SyncSender<bool>,
    },
    Sessions {
        batch: SessionBatch,
        done: mpsc::SyncSender<bool>,
    },
    /// A small write of another room.
    Change(Box<dyn Change>),
    /// Every row of a load is in: which report has which domains.
    Finish {
        load: u64,
        heads: Vec<(i64, HeldHead)>,
    },
    /// A load cannot be finished.
    Abandon {
        load: u64,
    },
}

impl Job {
    fn cost(&self) -> usize {
        match self {
            Self::File(Submission { input: Input::Fresh { raw, .. }, .. }) | Self::Keep { raw, .. } => {
                1024 + raw.bytes.len()
            }
            Self::Change(change) => 4096 + change.bytes(),
            // A batch takes about as long to write as so many bytes.
            Self::Rows { .. } | Self::Sessions { .. } => GROUP_BYTES / 4,
            Self::File(_) | Self::Finish { .. } | Self::Abandon { .. } => 4096,
        }
    }
}

/// Bounds of the queue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) jobs: usize,
    pub(crate) bytes: usize,
}

pub(crate) struct Queue {
    state: Mutex<State>,
    ready: Condvar,
    bounds: Bounds,
}

struct State {
    jobs: VecDeque<Job>,
    bytes: usize,
    open: bool,
}

/// What a look into the queue came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    Some,
    /// Nothing is there now.
    Nothing,
    /// Nothing is there, and nothing will be from outside.
    Closed,
}

impl Queue {
    pub(crate) fn new(bounds: Bounds) -> Self {
        let state = State { jobs: VecDeque::new(), bytes: 0, open: true };
        Self { state: Mutex::new(state), ready: Condvar::new(), bounds }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job of a caller.
    pub(crate) fn push(&self, job: Job) -> Result<(), StoreError> {
        let cost = job.cost();
        let mut state = self.lock();
        if !state.open {
            return Err(StoreError::Unavailable("it is closing".to_owned()));
        }
        // One job always fits, however large.
        let full = state.jobs.len() >= self.bounds.jobs
            || (state.bytes > 0 && state.bytes.saturating_add(cost) > self.bounds.bytes);
        if full {
            return Err(StoreError::Unavailable("too much is waiting to be written".to_owned()));
        }
        state.bytes += cost;
        let idle = state.jobs.is_empty();
        state.jobs.push_back(job);
        drop(state);
        if idle {
            self.ready.notify_one();
        }
        Ok(())
    }

    /// Adds a job of our own threads, which hold few each: never refused.
    pub(crate) fn push_own(&self, job: Job) {
        let mut state = self.lock();
        state.bytes += job.cost();
        state.jobs.push_back(job);
        drop(state);
        self.ready.notify_one();
    }

    /// Puts jobs back at the front, first one first.
    pub(crate) fn push_front(&self, jobs: Vec<Job>) {
        let mut state = self.lock();
        for job in jobs.into_iter().rev() {
            state.bytes += job.cost();
            state.jobs.push_front(job);
        }
        drop(state);
        self.ready.notify_one();
    }

    /// Takes what makes one transaction. With `wait`, comes back only with jobs or when the queue is closed.
    pub(crate) fn take(&self, group: &mut Vec<Job>, wait: bool) -> Taken {
        let mut state = self.lock();
        while wait && state.open && state.jobs.is_empty() {
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let mut bytes = 0;
        while group.len() < GROUP_JOBS {
            let Some(cost) = state.jobs.front().map(Job::cost) else { break };
            if !group.is_empty() && bytes + cost > GROUP_BYTES {
                break;
            }
            bytes += cost;
            group.extend(state.jobs.pop_front());
        }
        state.bytes = state.bytes.saturating_sub(bytes);
        match (group.is_empty(), state.open) {
            (false, _) => Taken::Some,
            (true, true) => Taken::Nothing,
            (true, false) => Taken::Closed,
        }
    }

    /// Waits for a job of our own threads after the queue was closed.
    pub(crate) fn wait_own(&self) {
        let mut state = self.lock();
        while state.jobs.is_empty() {
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Refuses callers from now on.
    pub(crate) fn close(&self) {
        self.lock().open = false;
        self.ready.notify_all();
    }
}
