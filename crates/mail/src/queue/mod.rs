//! The queue that gives kept mail its verdict.
//!
//! The store is the queue: what was kept and has no verdict is pending, before a crash and after it. A [`Worker`] reads
//! such mail to its verdict and settles it; doing so twice changes nothing, so a crash between the two does no harm.
//! Small mail comes straight from the listener's memory through an [`Inlet`]; what does not fit there, what is large,
//! and what was left by an earlier run is fetched from the store, one at a time, so that memory stays bounded.
//!
//! What can fail: the store, for a while: then everything pauses, longer each time, and nothing is lost. The reading of
//! a mail that nobody foresaw: then that mail is set aside as unreadable and the others go on. If reading it ends the
//! whole process, the store knows: what an earlier run left is noted there before it is read, what was noted once is read
//! alone, and what ended [`READING_ATTEMPTS`] processes is not read any more.

mod work;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tlsward_engine::facts::{RawInput, Receipt, Road, Verdict};
use tlsward_engine::ports::{Intake, StoreError, Unread};
use tlsward_engine::receive::{CurrentRules, READING_ATTEMPTS, Rules, examine};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use self::work::{Done, Task, judge};
use crate::{QueueLimits, Shutdown, told_to_stop};

/// How an input is read to its verdict.
pub(crate) type Examine = Arc<dyn Fn(&RawInput, &Rules) -> Verdict + Send + Sync>;

/// Who is told of every verdict that the store has taken, to count it.
pub type Told = Arc<dyn Fn(Road, &Receipt) + Send + Sync>;

/// Where kept mail is announced. Clones share it.
#[derive(Debug, Clone)]
pub struct Inlet {
    waiting: mpsc::Sender<(i64, RawInput)>,
    wake: Arc<Wake>,
    hand_over_bytes: usize,
}

/// Tells the worker that the store holds mail which it was not handed.
#[derive(Debug, Default)]
struct Wake {
    look: AtomicBool,
    notify: Notify,
}

impl Inlet {
    /// A copy of `raw`, if it is small enough to be handed over from memory once it is kept.
    pub fn copy_of(&self, raw: &RawInput) -> Option<RawInput> {
        (raw.bytes.len() <= self.hand_over_bytes && self.waiting.capacity() > 0).then(|| raw.clone())
    }

    /// Announces mail that the store keeps under `id`, with its copy if there is one. Never waits.
    pub fn kept(&self, id: i64, copy: Option<RawInput>) {
        let handed_over = copy.is_some_and(|raw| self.waiting.try_send((id, raw)).is_ok());
        if !handed_over {
            self.look();
        }
    }

    /// Has the worker look through the store for mail without a verdict.
    pub fn look(&self) {
        self.wake.look.store(true, Ordering::Release);
        self.wake.notify.notify_one();
    }
}

/// Reads kept mail to its verdict.
pub struct Worker<S> {
    store: Arc<S>,
    rules: CurrentRules,
    told: Told,
    examine: Examine,
    limits: QueueLimits,
    waiting: mpsc::Receiver<(i64, RawInput)>,
    wake: Arc<Wake>,
    /// Where to look on in the store; `None` when nothing is known to be there.
    look_after: Option<i64>,
    at_work: JoinSet<Done>,
    /// The ids in `at_work`.
    ids: BTreeSet<i64>,
    /// Bytes of the mails at work, but for a large one.
    bytes_at_work: usize,
    /// Whether a large mail is at work: then nothing is fetched, for it might be another.
    large_at_work: bool,
    /// Mail that an earlier process began to read and brought no verdict: it waits until nothing else is at work, so
    /// that it alone is to blame if this process ends too.
    suspect: Option<Unread>,
    /// Whether a suspect is at work: then nothing else begins.
    suspect_at_work: bool,
    /// Ids that the store has noted as begun by this process. What it fails to settle is begun once all the same.
    noted: BTreeSet<i64>,
    /// Ids whose row the store calls damaged: left alone until the next start.
    damaged: BTreeSet<i64>,
    pause: Pause,
}

/// Where a mail came from.
#[derive(Debug, Clone, Copy)]
enum Origin {
    /// From the listener, just kept. If reading it ends the process, the next one finds it in the store.
    Memory,
    /// From the store.
    Store { attempts: u32 },
}

/// Whether the store gets a rest.
#[derive(Debug, Clone, Copy)]
enum Pause {
    /// It did what it was last asked.
    None,
    /// It could not, `failures` times in a row.
    Until { at: Instant, failures: u32 },
    /// The rest is over; it has not yet shown that it can again.
    Trying { failures: u32 },
}

/// A queue over `store`: its worker, and where to announce mail to it. Each mail is read by the rules of that moment.
pub fn queue<S: Intake>(
    store: Arc<S>,
    rules: CurrentRules,
    told: Told,
    limits: QueueLimits,
) -> (Worker<S>, Inlet) {
    queue_with(store, rules, told, limits, Arc::new(examine))
}

pub(crate) fn queue_with<S: Intake>(
    store: Arc<S>,
    rules: CurrentRules,
    told: Told,
    limits: QueueLimits,
    examine: Examine,
) -> (Worker<S>, Inlet) {
    let (sender, waiting) = mpsc::channel(limits.waiting.max(1));
    let wake = Arc::new(Wake::default());
    let inlet = Inlet { waiting: sender, wake: Arc::clone(&wake), hand_over_bytes: limits.hand_over_bytes };
    let worker = Worker {
        store,
        rules,
        told,
        examine,
        limits,
        waiting,
        wake,
        look_after: Some(i64::MIN),
        at_work: JoinSet::new(),
        ids: BTreeSet::new(),
        bytes_at_work: 0,
        large_at_work: false,
        suspect: None,
        suspect_at_work: false,
        noted: BTreeSet::new(),
        damaged: BTreeSet::new(),
        pause: Pause::None,
    };
    (worker, inlet)
}

impl<S: Intake> Worker<S> {
    /// Works until told to stop, then finishes what it has begun. Whatever is not done stays pending in the store.
    pub async fn run(mut self, mut shutdown: Shutdown) {
        let wake = Arc::clone(&self.wake);
        loop {
            if *shutdown.borrow() {
                break;
            }
            self.fill().await;
            let pause_ends = match self.pause {
                Pause::Until { at, .. } => Some(at),
                Pause::None | Pause::Trying { .. } => None,
            };
            let may_begin = self.may_begin();
            tokio::select! {
                () = told_to_stop(&mut shutdown) => break,
                Some(done) = self.at_work.join_next() => self.done(done),
                Some((id, raw)) = self.waiting.recv(), if may_begin => self.begin(id, raw, Origin::Memory),
                () = wake.notify.notified() => {}
                () = until(pause_ends) => {
                    if let Pause::Until { failures, .. } = self.pause {
                        self.pause = Pause::Trying { failures };
                    }
                }
            }
        }
        self.drain().await;
    }

    /// Begins as much as there is room for: first what was handed over, then what the store holds.
    async fn fill(&mut self) {
        loop {
            if self.at_work.is_empty()
                && self.has_room()
                && let Some(unread) = self.suspect.take()
            {
                self.suspect_at_work = true;
                self.begin(unread.id, unread.raw, Origin::Store { attempts: unread.attempts });
            }
            if !self.may_begin() {
                return;
            }
            if let Ok((id, raw)) = self.waiting.try_recv() {
                self.begin(id, raw, Origin::Memory);
                continue;
            }
            if self.wake.look.swap(false, Ordering::AcqRel) {
                self.look_after = Some(i64::MIN);
            }
            let Some(after) = self.look_after else { return };
            if self.large_at_work {
                return;
            }
            // One at a time: it may be large, and then it is to be the only one.
            match self.store.pending(after, 1).await {
                Ok(found) => match found.into_iter().next() {
                    None => self.look_after = None,
                    Some(unread) => {
                        let Unread { id, attempts, .. } = unread;
                        self.look_after = Some(id);
                        let is_suspect = attempts > 0 && !self.noted.contains(&id);
                        if !is_suspect {
                            self.begin(id, unread.raw, Origin::Store { attempts });
                        } else if !self.ids.contains(&id) {
                            self.suspect = Some(unread);
                        }
                    }
                },
                Err(error) => self.give_a_rest(after, &error),
            }
        }
    }

    fn may_begin(&self) -> bool {
        self.suspect.is_none() && !self.suspect_at_work && self.has_room()
    }

    fn has_room(&self) -> bool {
        let room = match self.pause {
            Pause::None => self.limits.at_work,
            Pause::Until { .. } => 0,
            // One to see whether it goes again, not all at once.
            Pause::Trying { .. } => 1,
        };
        self.at_work.len() < room && self.bytes_at_work < self.limits.at_work_bytes
    }

    fn begin(&mut self, id: i64, raw: RawInput, origin: Origin) {
        if self.damaged.contains(&id) || !self.ids.insert(id) {
            self.suspect_at_work &= !self.at_work.is_empty();
            return;
        }
        let task = match origin {
            Origin::Memory => Task::Read,
            Origin::Store { attempts } if attempts >= READING_ATTEMPTS && !self.noted.contains(&id) => {
                Task::GiveUp { attempts }
            }
            Origin::Store { .. } if self.noted.insert(id) => Task::NoteAndRead,
            Origin::Store { .. } => Task::Read,
        };
        let large = raw.bytes.len() > self.limits.large_bytes;
        if large {
            self.large_at_work = true;
        } else {
            self.bytes_at_work += raw.bytes.len();
        }
        let work =
            judge(Arc::clone(&self.store), id, raw, large, task, self.rules.get(), Arc::clone(&self.examine));
        self.at_work.spawn(work);
    }

    fn done(&mut self, done: Result<Done, tokio::task::JoinError>) {
        let done = match done {
            Ok(done) => done,
            Err(error) => {
                // The store's own code broke. Whose mail it was is in the store: look again, after a rest.
                self.ids.clear();
                self.bytes_at_work = 0;
                self.large_at_work = false;
                self.suspect_at_work = false;
                self.give_a_rest(i64::MIN, &StoreError::Unavailable(error.to_string()));
                return;
            }
        };
        self.ids.remove(&done.id);
        if !done.noted {
            self.noted.remove(&done.id);
        }
        // It is alone.
        self.suspect_at_work = false;
        if done.large {
            self.large_at_work = false;
        } else {
            self.bytes_at_work = self.bytes_at_work.saturating_sub(done.bytes);
        }
        match done.outcome {
            Ok(receipt) => {
                self.pause = Pause::None;
                self.noted.remove(&done.id);
                (self.told)(done.road, &receipt);
                log(done.id, done.bytes, &receipt);
            }
            Err(error @ StoreError::Damaged(_)) => {
                tracing::error!(id = done.id, %error, "mail cannot be settled; it is left alone until the next start");
                self.damaged.insert(done.id);
            }
            Err(error) => self.give_a_rest(done.id.saturating_sub(1), &error),
        }
    }

    /// Leaves the store alone for a while, then looks again from `after` on.
    fn give_a_rest(&mut self, after: i64, error: &StoreError) {
        self.look_after = Some(self.look_after.map_or(after, |look| look.min(after)));
        let failures = match self.pause {
            Pause::None => 0,
            Pause::Trying { failures } => failures.saturating_add(1),
            // Several at work fail together: one failure.
            Pause::Until { .. } => return,
        };
        let span = self.limits.pause_first.saturating_mul(2_u32.saturating_pow(failures.min(20)));
        let span = span.min(self.limits.pause_longest);
        tracing::warn!(%error, pause_ms = span.as_millis(), "kept mail has to wait for its verdict");
        self.pause = Pause::Until { at: Instant::now() + span, failures };
    }

    async fn drain(mut self) {
        let span = self.limits.drain;
        let finish = async {
            while let Some(done) = self.at_work.join_next().await {
                self.done(done);
            }
        };
        if timeout(span, finish).await.is_err() {
            tracing::warn!("stopped with mail still being read; it is read again after the next start");
        }
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn log(id: i64, bytes: usize, receipt: &Receipt) {
    match receipt {
        Receipt::Stored { ids } => {
            tracing::info!(id, bytes, reports = ids.len(), "mail filed");
        }
        Receipt::Duplicate { ids } => {
            tracing::info!(id, bytes, reports = ids.len(), "mail repeats what is there");
        }
        Receipt::SetAside { reason, .. } => {
            tracing::info!(id, bytes, reason = reason.as_wire(), "mail set aside");
        }
    }
}
