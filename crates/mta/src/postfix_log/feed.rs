//! From Postfix's log into the journal, each event at most once.
//!
//! The place in the log is kept in a file of its own, and is on the medium *before* the events go to the journal: a kill
//! between the two loses what one look brought, and the sessions of those lines stay unjudged. The other order would
//! tell of one session twice, and a doubled line can make a success of a session that was none. What can fail: the log
//! cannot be read, or the place cannot be kept; then nothing is told, and it is tried again.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tlsward_engine::ports::{Clock, MtaLogEvent, Timer};

use super::entry::Entry;
use super::follow::{Cursor, Follower};
use super::record;
use super::track::Tracker;
use crate::Shutdown;
use crate::journal::RecordKind;
use crate::session::Inlet;

/// Events that are gathered before they are told.
const TELL_EACH: usize = 1_000;
/// So many successes without any fingerprint are no chance.
const MANY: u64 = 10;

/// Counts, for metrics.
#[derive(Debug, Default)]
pub struct FeedStats {
    sessions: AtomicU64,
    with_fingerprint: AtomicU64,
    without_fingerprint: AtomicU64,
    passed_over: AtomicU64,
    failed_looks: AtomicU64,
}

impl FeedStats {
    /// Sessions that the log told of.
    pub fn sessions(&self) -> u64 {
        self.sessions.load(Ordering::Relaxed)
    }

    /// Of them, successes without the fingerprint of a certificate: with many of them, `smtp_tls_loglevel` is below 2.
    pub fn without_fingerprint(&self) -> u64 {
        self.without_fingerprint.load(Ordering::Relaxed)
    }

    /// MX hosts that were passed over.
    pub fn passed_over(&self) -> u64 {
        self.passed_over.load(Ordering::Relaxed)
    }

    /// Looks at the log that failed.
    pub fn failed_looks(&self) -> u64 {
        self.failed_looks.load(Ordering::Relaxed)
    }

    /// Whether the log has told of a good number of sessions, and of no certificate.
    fn looks_short(&self) -> bool {
        self.without_fingerprint() >= MANY && self.with_fingerprint.load(Ordering::Relaxed) == 0
    }

    fn count(&self, event: &MtaLogEvent) {
        let one = |counter: &AtomicU64| _ = counter.fetch_add(1, Ordering::Relaxed);
        match event {
            MtaLogEvent::Session(session) => {
                one(&self.sessions);
                match session.peer.fingerprint {
                    Some(_) => one(&self.with_fingerprint),
                    None if !session.failed => one(&self.without_fingerprint),
                    None => {}
                }
            }
            MtaLogEvent::MxNotInPolicy { .. } => one(&self.passed_over),
        }
    }
}

/// Reads the log and tells the journal.
pub struct Feed<C> {
    log: PathBuf,
    place: PathBuf,
    follower: Follower,
    tracker: Tracker,
    kept: Option<Cursor>,
    inlet: Inlet<C>,
    stats: Arc<FeedStats>,
}

impl<C: Clock> Feed<C> {
    /// Follows `log`, and keeps in the file `place` how far it was read. Without that file it begins at the end of the log.
    #[must_use]
    pub fn new(log: &Path, place: &Path, inlet: Inlet<C>) -> Self {
        let kept = fs::read_to_string(place).ok().and_then(|text| read_place(&text));
        Self {
            log: log.to_owned(),
            place: place.to_owned(),
            follower: Follower::new(log, kept),
            tracker: Tracker::default(),
            kept,
            inlet,
            stats: Arc::default(),
        }
    }

    /// Its counts.
    #[must_use]
    pub fn stats(&self) -> Arc<FeedStats> {
        Arc::clone(&self.stats)
    }

    /// Tells what came since the last look.
    ///
    /// # Errors
    /// The disk's. What was read and could not be told is lost, and what it was about stays unjudged.
    pub fn look(&mut self) -> io::Result<()> {
        let Self { place, follower, tracker, kept, inlet, stats, .. } = self;
        let mut events = Vec::new();
        let mut failed = None;
        follower.look_at(|line, cursor| {
            events.extend(Entry::parse(line).and_then(|entry| tracker.entry(&entry)));
            if events.len() >= TELL_EACH && failed.is_none() {
                failed = keep_place(place, cursor, true).err();
                *kept = Some(cursor);
                if failed.is_none() {
                    tell(&events, inlet, stats);
                }
                events.clear();
            }
        })?;
        if let Some(error) = failed {
            return Err(error);
        }
        if let Some(cursor) = follower.cursor().filter(|cursor| Some(*cursor) != *kept) {
            // Where nothing is told, a place that gets lost costs nothing but reading it again.
            keep_place(place, cursor, !events.is_empty())?;
            *kept = Some(cursor);
        }
        tell(&events, inlet, stats);
        Ok(())
    }

    /// Looks again and again, `interval` apart, until told to stop, and then once more.
    pub async fn run(mut self, timer: impl Timer, interval: Duration, mut shutdown: Shutdown)
    where
        Self: Send,
    {
        let (mut is_failing, mut is_short, mut is_last) = (false, false, false);
        loop {
            let looked = tokio::task::spawn_blocking(move || {
                let result = self.look();
                (self, result)
            });
            let result;
            match looked.await {
                Ok(back) => (self, result) = back,
                Err(error) => {
                    tracing::error!(%error, "reading the mail log broke; it is not read any more");
                    return crate::told_to_stop(&mut shutdown).await;
                }
            }
            match result {
                Ok(()) => {
                    if std::mem::take(&mut is_failing) {
                        tracing::info!(log = %self.log.display(), "the mail log can be read again");
                    }
                }
                Err(error) => {
                    self.stats.failed_looks.fetch_add(1, Ordering::Relaxed);
                    // Said once, not each second.
                    if !std::mem::replace(&mut is_failing, true) {
                        tracing::warn!(
                            log = %self.log.display(), %error,
                            "cannot follow the mail log: sessions under testing policies stay unjudged; trying again"
                        );
                    }
                }
            }
            if self.stats.looks_short() && !std::mem::replace(&mut is_short, true) {
                tracing::warn!(
                    log = %self.log.display(),
                    "the mail log tells no fingerprints of certificates, so that sessions under testing policies stay \
                     unjudged: set smtp_tls_loglevel = 2 in Postfix"
                );
            }
            if is_last {
                return;
            }
            tokio::select! {
                () = crate::told_to_stop(&mut shutdown) => is_last = true,
                () = timer.sleep(interval) => {}
            }
        }
    }
}

fn tell<C: Clock>(events: &[MtaLogEvent], inlet: &Inlet<C>, stats: &FeedStats) {
    for event in events {
        stats.count(event);
        // `None`: the intake was stopped, and what it is about stays unjudged.
        let _ = inlet.offer_blocking(RecordKind::Log, &record::write(event));
    }
}

fn read_place(text: &str) -> Option<Cursor> {
    let mut numbers = text.split_ascii_whitespace().map(str::parse);
    let mut next = || numbers.next()?.ok();
    Some(Cursor { device: next()?, inode: next()?, offset: next()? })
}

fn keep_place(path: &Path, cursor: Cursor, synced: bool) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    writeln!(file, "{} {} {}", cursor.device, cursor.inode, cursor.offset)?;
    if synced {
        file.sync_data()?;
    }
    fs::rename(&new, path)?;
    if synced && let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "feed_tests.rs"]
mod tests;
