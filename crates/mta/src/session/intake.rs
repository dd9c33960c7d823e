//! From the socket into the journal, without ever making the socket wait for the disk.
//!
//! Three threads: one takes datagrams off the socket into memory ([`Inlet`] is its sink), one writes what has gathered
//! to the journal in one call, one syncs, a bounded time after the first write that was not synced. Memory between the
//! first two is bounded; beyond it, datagrams are dropped and counted. What can fail: the disk. Then the group is kept
//! and tried again, and [`IntakeStats`] says so.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::Clock;

use super::receiver::DatagramSink;
use crate::journal::{Journal, Position, Record, RecordKind, SyncHandle};

/// Datagrams of a burst after which the writer begins.
const WAKE_EACH: usize = 256;

/// The bounds.
#[derive(Debug, Clone)]
pub struct IntakeOptions {
    /// Bytes that may wait in memory for the disk.
    pub waiting_bytes: usize,
    /// From a write to its sync, at most, as far as the disk allows.
    pub sync_interval: Duration,
    /// Before a failed write is tried again.
    pub retry_interval: Duration,
}

impl Default for IntakeOptions {
    fn default() -> Self {
        Self {
            waiting_bytes: 64 * 1024 * 1024,
            sync_interval: Duration::from_millis(500),
            retry_interval: Duration::from_secs(1),
        }
    }
}

/// Counts, for metrics.
#[derive(Debug, Default)]
pub struct IntakeStats {
    appended: AtomicU64,
    dropped: AtomicU64,
    failed_writes: AtomicU64,
    failed_syncs: AtomicU64,
    is_failing: AtomicBool,
}

impl IntakeStats {
    /// Whether the last write failed. What is taken meanwhile waits in memory, so that who can send it again is better
    /// told to.
    pub fn is_failing(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed)
    }

    /// Records in the journal.
    pub fn appended(&self) -> u64 {
        self.appended.load(Ordering::Relaxed)
    }

    /// Records that came while memory was full, and are lost.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Writes that failed (and were tried again).
    pub fn failed_writes(&self) -> u64 {
        self.failed_writes.load(Ordering::Relaxed)
    }

    /// Syncs that failed.
    pub fn failed_syncs(&self) -> u64 {
        self.failed_syncs.load(Ordering::Relaxed)
    }
}

/// How far the journal reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The place behind the last record.
    pub position: Position,
    /// So many records were appended in all: those up to the number that [`Inlet::offer`] gave.
    pub records: u64,
}

/// Hears, on the writing thread, how far the journal reaches: time to count.
pub type OnAppended = Box<dyn FnMut(&mut Journal, Appended) + Send>;

/// The writing and the syncing thread.
pub struct Intake {
    shared: Arc<Shared>,
    writer: JoinHandle<Journal>,
    syncer: JoinHandle<()>,
}

/// Where records go in. Cheap to clone; a sink for a [`Receiver`](super::Receiver).
pub struct Inlet<C> {
    shared: Arc<Shared>,
    clock: Arc<C>,
}

struct Shared {
    waiting: Mutex<Waiting>,
    came: Condvar,
    /// What waited was taken to be written.
    took: Condvar,
    dirty: Mutex<Dirty>,
    wrote: Condvar,
    stats: IntakeStats,
    options: IntakeOptions,
}

/// Records one behind the other: no allocation for each.
#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    records: Vec<(UnixTime, RecordKind, usize)>,
    /// Records that were ever taken.
    taken: u64,
    /// The time of the first record that is being written.
    being_written: Option<UnixTime>,
    is_closed: bool,
}

#[derive(Default)]
struct Dirty {
    is_dirty: bool,
    is_closed: bool,
}

impl Intake {
    /// Starts writing to `journal`.
    ///
    /// # Errors
    /// If the system has no thread left.
    pub fn start(journal: Journal, options: IntakeOptions, on_appended: OnAppended) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            waiting: Mutex::default(),
            came: Condvar::new(),
            took: Condvar::new(),
            dirty: Mutex::default(),
            wrote: Condvar::new(),
            stats: IntakeStats::default(),
            options,
        });
        let sync = journal.sync_handle();
        let (for_syncer, for_writer) = (Arc::clone(&shared), Arc::clone(&shared));
        let syncer = thread::Builder::new()
            .name("journal-sync".to_owned())
            .spawn(move || for_syncer.sync_all(&sync))?;
        let writer = thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || for_writer.write_all(journal, on_appended))?;
        Ok(Self { shared, writer, syncer })
    }

    /// Where records go in.
    pub fn inlet<C: Clock>(&self, clock: Arc<C>) -> Inlet<C> {
        Inlet { shared: Arc::clone(&self.shared), clock }
    }

    /// Its counts.
    #[must_use]
    pub fn stats(&self) -> &IntakeStats {
        &self.shared.stats
    }

    /// Whether its threads are at work. They are until [`Intake::stop`], unless one panicked.
    #[must_use]
    pub fn is_running(&self) -> bool {
        !self.writer.is_finished() && !self.syncer.is_finished()
    }

    /// Writes and syncs what is there, and gives the journal back. `None`: a thread panicked. If the disk does not
    /// take what is there, it is tried once more and then dropped, counted.
    pub fn stop(self) -> Option<Journal> {
        lock(&self.shared.waiting).is_closed = true;
        self.shared.came.notify_all();
        self.shared.took.notify_all();
        let journal = self.writer.join().ok();
        lock(&self.shared.dirty).is_closed = true;
        self.shared.wrote.notify_all();
        self.syncer.join().ok()?;
        journal
    }
}

impl<C> Clone for Inlet<C> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), clock: Arc::clone(&self.clock) }
    }
}

impl<C> Inlet<C> {
    /// The counts of its intake.
    #[must_use]
    pub fn stats(&self) -> &IntakeStats {
        &self.shared.stats
    }

    /// When the oldest record that is not yet in the journal came in. `None`: all that came before this call is there,
    /// and was told of.
    #[must_use]
    pub fn oldest_waiting(&self) -> Option<UnixTime> {
        let waiting = lock(&self.shared.waiting);
        waiting.being_written.or_else(|| waiting.records.first().map(|(at, _, _)| *at))
    }
}

impl<C: Clock> Inlet<C> {
    /// Takes a record; `false`: it was dropped, because the disk has been too slow for too long.
    pub fn put(&self, kind: RecordKind, payload: &[u8]) -> bool {
        let taken = self.offer(kind, payload).is_some();
        self.shared.stats.dropped.fetch_add(u64::from(!taken), Ordering::Relaxed);
        taken
    }

    /// Takes a record, and gives the number by which [`Appended`] tells that it is in the journal. `None`: there is no
    /// room now. Nothing is counted as dropped: whoever offers still has it.
    #[must_use]
    pub fn offer(&self, kind: RecordKind, payload: &[u8]) -> Option<u64> {
        let mut waiting = lock(&self.shared.waiting);
        let gathered = self.gather(&mut waiting, kind, payload)?;
        if gathered == 1 {
            self.shared.came.notify_one();
        }
        Some(waiting.taken)
    }

    /// Takes a record as soon as there is room, and blocks until then. `None`: the intake was stopped.
    #[must_use]
    pub fn offer_blocking(&self, kind: RecordKind, payload: &[u8]) -> Option<u64> {
        let mut waiting = lock(&self.shared.waiting);
        loop {
            if let Some(gathered) = self.gather(&mut waiting, kind, payload) {
                if gathered == 1 {
                    self.shared.came.notify_one();
                }
                return Some(waiting.taken);
            }
            // A record that no room is enough for would wait for ever.
            if waiting.is_closed || waiting.records.is_empty() {
                return None;
            }
            waiting = self.shared.took.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Takes a record without waking the writer; how many wait now.
    fn gather(&self, waiting: &mut Waiting, kind: RecordKind, payload: &[u8]) -> Option<usize> {
        // The bookkeeping counts too: a flood of empty datagrams must not take memory without bound.
        let cost = waiting.bytes.len() + waiting.records.len() * 32 + payload.len();
        if waiting.is_closed || cost > self.shared.options.waiting_bytes {
            return None;
        }
        // Under the lock, so that `oldest_waiting` is never behind a time that was already given.
        let at = self.clock.now();
        waiting.bytes.extend_from_slice(payload);
        waiting.records.push((at, kind, payload.len()));
        waiting.taken += 1;
        Some(waiting.records.len())
    }
}

impl<C: Clock> DatagramSink for Inlet<C> {
    /// In a burst, waking the writer for each datagram would cost more than taking it: it is woken when the socket is
    /// empty, or for each so many.
    fn take(&mut self, datagram: &[u8]) {
        let gathered = self.gather(&mut lock(&self.shared.waiting), RecordKind::Datagram, datagram);
        match gathered {
            None => _ = self.shared.stats.dropped.fetch_add(1, Ordering::Relaxed),
            Some(gathered) if gathered % WAKE_EACH == 0 => self.shared.came.notify_one(),
            Some(_) => {}
        }
    }

    fn pause(&mut self) {
        self.shared.came.notify_one();
    }
}

impl Waiting {
    fn records(&self) -> impl Iterator<Item = Record<'_>> {
        let mut start = 0;
        self.records.iter().map(move |&(at, kind, length)| {
            let payload = &self.bytes[start..start + length];
            start += length;
            Record { at, kind, payload }
        })
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.records.clear();
        // One burst must not hold its memory for ever.
        self.bytes.shrink_to(1024 * 1024);
        self.records.shrink_to(16 * 1024);
    }
}

impl Shared {
    fn write_all(&self, mut journal: Journal, mut on_appended: OnAppended) -> Journal {
        // The receiving thread waits for the lock that this one holds for moments: whoever sends must not put it off then.
        super::receiver::hurry();
        let mut group = Waiting::default();
        loop {
            let mut waiting = lock(&self.waiting);
            while waiting.records.is_empty() && !waiting.is_closed {
                waiting = self.came.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
            if waiting.records.is_empty() {
                return journal;
            }
            std::mem::swap(&mut waiting.bytes, &mut group.bytes);
            std::mem::swap(&mut waiting.records, &mut group.records);
            waiting.being_written = group.records.first().map(|(at, _, _)| *at);
            drop(waiting);
            self.took.notify_all();
            let count = u64::try_from(group.records.len()).unwrap_or(0);
            match self.append(&mut journal, &group) {
                Some(position) => {
                    let records = self.stats.appended.fetch_add(count, Ordering::Relaxed) + count;
                    let mut dirty = lock(&self.dirty);
                    if !std::mem::replace(&mut dirty.is_dirty, true) {
                        self.wrote.notify_one();
                    }
                    drop(dirty);
                    on_appended(&mut journal, Appended { position, records });
                }
                None => _ = self.stats.dropped.fetch_add(count, Ordering::Relaxed),
            }
            group.clear();
            // After it was told of: whoever finds nothing waiting has heard of everything.
            lock(&self.waiting).being_written = None;
        }
    }

    /// Appends the group, again and again until the disk takes it; `None` if it does not and the intake is closed. Trouble
    /// is told once, and when it is over.
    fn append(&self, journal: &mut Journal, group: &Waiting) -> Option<Position> {
        let dropped_before = self.stats.dropped();
        let (mut is_told, mut is_loss_told) = (false, false);
        loop {
            match journal.append(group.records()) {
                Ok(position) => {
                    self.stats.is_failing.store(false, Ordering::Relaxed);
                    if is_told {
                        let lost = self.stats.dropped() - dropped_before;
                        tracing::warn!(lost, "sessions are written to the journal again");
                    }
                    return Some(position);
                }
                Err(error) => {
                    self.stats.failed_writes.fetch_add(1, Ordering::Relaxed);
                    self.stats.is_failing.store(true, Ordering::Relaxed);
                    if !std::mem::replace(&mut is_told, true) {
                        tracing::error!(
                            %error,
                            "cannot write sessions to the journal; they wait in memory, and it is tried again"
                        );
                    }
                }
            }
            if self.stats.dropped() > dropped_before && !std::mem::replace(&mut is_loss_told, true) {
                tracing::error!(
                    "no more sessions fit into memory while the journal cannot be written: from now on sessions are lost, \
                     and are in no report"
                );
            }
            let waiting = lock(&self.waiting);
            if waiting.is_closed {
                let written = journal.append(group.records()).ok();
                if written.is_none() {
                    let records = group.records.len();
                    tracing::error!(
                        records,
                        "the journal could not be written until the end: sessions are lost"
                    );
                }
                return written;
            }
            let interval = self.options.retry_interval;
            drop(self.came.wait_timeout_while(waiting, interval, |waiting| !waiting.is_closed));
        }
    }

    fn sync_all(&self, journal: &SyncHandle) {
        loop {
            let mut dirty = lock(&self.dirty);
            while !dirty.is_dirty && !dirty.is_closed {
                dirty = self.wrote.wait(dirty).unwrap_or_else(PoisonError::into_inner);
            }
            if !dirty.is_dirty {
                return;
            }
            // Others gather meanwhile. A stop ends the wait.
            let interval = self.options.sync_interval;
            let waited = self.wrote.wait_timeout_while(dirty, interval, |dirty| !dirty.is_closed);
            waited.unwrap_or_else(PoisonError::into_inner).0.is_dirty = false;
            if let Err(error) = journal.sync() {
                self.stats.failed_syncs.fetch_add(1, Ordering::Relaxed);
                tracing::error!(%error, "cannot sync the journal: sessions may be lost if the machine goes down");
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is under these locks is whole at every moment: a panic elsewhere does not spoil it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "intake_tests.rs"]
mod tests;
