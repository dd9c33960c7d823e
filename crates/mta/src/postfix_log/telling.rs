//! What the log said goes on to the journal, and is counted.
//!
//! How far the log was read is on the medium *before* its events go to the journal. The other order would tell of one
//! session twice after a kill, and a doubled line can make a success of a session that was none.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tlsward_engine::ports::{Clock, MtaLogEvent};

use super::entry::Entry;
use super::message::held_back;
use super::record;
use super::track::is_client;
use crate::journal::RecordKind;
use crate::session::Inlet;

/// Events that are gathered before they are told.
pub(super) const TELL_EACH: usize = 1_000;
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

    pub(super) fn look_failed(&self) {
        self.failed_looks.fetch_add(1, Ordering::Relaxed);
    }

    /// Says once, to whom `is_told` belongs, that the log tells of a good number of sessions, and of no certificate.
    pub(super) fn warn_if_short(&self, log: &str, is_told: &mut bool) {
        let is_short =
            self.without_fingerprint() >= MANY && self.with_fingerprint.load(Ordering::Relaxed) == 0;
        if is_short && !std::mem::replace(is_told, true) {
            tracing::warn!(
                log,
                "the mail log tells no fingerprints of certificates, so that sessions under testing policies stay \
                 unjudged: set smtp_tls_loglevel = 2 in Postfix"
            );
        }
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

/// Hears of domains whose mail Postfix held back, or returned, because TLS was not what the policy asks for. Called again
/// and again for one domain; must not wait.
pub type OnHeldBack = Arc<dyn Fn(&str) + Send + Sync>;

/// Passes on what an entry says to whoever hears of mail that was held back.
pub(super) fn heed(entry: &Entry<'_>, on_held_back: Option<&OnHeldBack>) {
    if let Some(on_held_back) = on_held_back
        && is_client(&entry.program)
        && let Some(domain) = held_back(&entry.message)
    {
        on_held_back(&domain);
    }
}

pub(super) fn tell<C: Clock>(events: &[MtaLogEvent], inlet: &Inlet<C>, stats: &FeedStats) {
    for event in events {
        stats.count(event);
        // `None`: the intake was stopped, and what it is about stays unjudged.
        let _ = inlet.offer_blocking(RecordKind::Log, &record::write(event));
    }
}

/// Keeps how far the log was read. `synced`: it is on the medium.
pub(super) fn keep_place(path: &Path, place: &str, synced: bool) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    writeln!(file, "{place}")?;
    if synced {
        file.sync_data()?;
    }
    fs::rename(&new, path)?;
    if synced && let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}
