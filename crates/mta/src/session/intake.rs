//! From the socket into the journal, without ever making the socket wait for the disk.
//!
//! Three threads: one takes datagrams off the socket into memory ([`Inlet`] is its sink), one writes what has gathered
//! to the journal in one call, one syncs, a bounded time after the first write that was not synced. Memory between the
//! first two is bounded; beyond it, datagrams are dropped and counted. What can fail: the disk. Then the group is kept
//! and tried again, and [`IntakeStats`] says so.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
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
}

impl IntakeStats {
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

/// Hears, on the writing thread, how far the journal reaches: time to count.
pub type OnAppended = Box<dyn FnMut(&mut Journal, Position) + Send>;

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

    /// Writes and syncs what is there, and gives the journal back. `None`: a thread panicked. If the disk does not
    /// take what is there, it is tried once more and then dropped, counted.
    pub fn stop(self) -> Option<Journal> {
        lock(&self.shared.waiting).is_closed = true;
        self.shared.came.notify_all();
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

impl<C: Clock> Inlet<C> {
    /// Takes a record; `false`: it was dropped, because the disk has been too slow for too long.
    pub fn put(&self, kind: RecordKind, payload: &[u8]) -> bool {
        match self.gather(kind, payload) {
            None => false,
            Some(gathered) => {
                if gathered == 1 {
                    self.shared.came.notify_one();
                }
                true
            }
        }
    }

    /// Takes a record without waking the writer; how many wait now.
    fn gather(&self, kind: RecordKind, payload: &[u8]) -> Option<usize> {
        let at = self.clock.now();
        let mut waiting = lock(&self.shared.waiting);
        // The bookkeeping counts too: a flood of empty datagrams must not take memory without bound.
        let cost = waiting.bytes.len() + waiting.records.len() * 32 + payload.len();
        if waiting.is_closed || cost > self.shared.options.waiting_bytes {
            self.shared.stats.dropped.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        waiting.bytes.extend_from_slice(payload);
        waiting.records.push((at, kind, payload.len()));
        Some(waiting.records.len())
    }
}

impl<C: Clock> DatagramSink for Inlet<C> {
    /// In a burst, waking the writer for each datagram would cost more than taking it: it is woken when the socket is
    /// empty, or for each so many.
    fn take(&mut self, datagram: &[u8]) {
        if self.gather(RecordKind::Datagram, datagram).is_some_and(|gathered| gathered % WAKE_EACH == 0) {
            self.shared.came.notify_one();
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
            drop(waiting);
            let count = u64::try_from(group.records.len()).unwrap_or(0);
            match self.append(&mut journal, &group) {
                Some(position) => {
                    self.stats.appended.fetch_add(count, Ordering::Relaxed);
                    let mut dirty = lock(&self.dirty);
                    if !std::mem::replace(&mut dirty.is_dirty, true) {
                        self.wrote.notify_one();
                    }
                    drop(dirty);
                    on_appended(&mut journal, position);
                }
                None => _ = self.stats.dropped.fetch_add(count, Ordering::Relaxed),
            }
            group.clear();
        }
    }

    /// Appends the group, again and again until the disk takes it; `None` if it does not and the intake is closed.
    fn append(&self, journal: &mut Journal, group: &Waiting) -> Option<Position> {
        loop {
            match journal.append(group.records()) {
                Ok(position) => return Some(position),
                Err(error) => {
                    self.stats.failed_writes.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(%error, "cannot write sessions to the journal; trying again");
                }
            }
            let waiting = lock(&self.waiting);
            if waiting.is_closed {
                return journal.append(group.records()).ok();
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
