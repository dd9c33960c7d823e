//! From a file that Postfix logs to into the journal, each event at most once.
//!
//! The place in the log is kept in a file of its own, before the events go on: a kill between the two loses what one
//! look brought, and the sessions of those lines stay unjudged. What can fail: the log cannot be read, or the place
//! cannot be kept; then nothing is told, and it is tried again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tlsward_engine::ports::{Clock, Timer};

use super::entry::Entry;
use super::follow::{Cursor, Follower};
use super::telling::{FeedStats, OnHeldBack, TELL_EACH, heed, keep_place, tell};
use super::track::Tracker;
use crate::Shutdown;
use crate::session::Inlet;

/// Reads the log and tells the journal.
pub struct Feed<C> {
    log: PathBuf,
    place: PathBuf,
    follower: Follower,
    tracker: Tracker,
    kept: Option<Cursor>,
    inlet: Inlet<C>,
    stats: Arc<FeedStats>,
    on_held_back: Option<OnHeldBack>,
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
            on_held_back: None,
        }
    }

    /// With somebody who hears of mail that was held back.
    #[must_use]
    pub fn on_held_back(self, on_held_back: Option<OnHeldBack>) -> Self {
        Self { on_held_back, ..self }
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
        let Self { place, follower, tracker, kept, inlet, stats, on_held_back, .. } = self;
        let mut events = Vec::new();
        let mut failed = None;
        follower.look_at(|line, cursor| {
            if let Some(entry) = Entry::parse(line) {
                heed(&entry, on_held_back.as_ref());
                events.extend(tracker.entry(&entry));
            }
            if events.len() >= TELL_EACH && failed.is_none() {
                failed = keep_place(place, &write_place(cursor), true).err();
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
            keep_place(place, &write_place(cursor), !events.is_empty())?;
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
                    self.stats.look_failed();
                    // Said once, not each second.
                    if !std::mem::replace(&mut is_failing, true) {
                        tracing::warn!(
                            log = %self.log.display(), %error,
                            "cannot follow the mail log: sessions under testing policies stay unjudged; trying again"
                        );
                    }
                }
            }
            self.stats.warn_if_short(&self.log.display().to_string(), &mut is_short);
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

fn read_place(text: &str) -> Option<Cursor> {
    let mut numbers = text.split_ascii_whitespace().map(str::parse);
    let mut next = || numbers.next()?.ok();
    Some(Cursor { device: next()?, inode: next()?, offset: next()? })
}

fn write_place(cursor: Cursor) -> String {
    format!("{} {} {}", cursor.device, cursor.inode, cursor.offset)
}

#[cfg(test)]
#[path = "feed_tests.rs"]
mod tests;
