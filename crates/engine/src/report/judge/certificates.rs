//! Chains by the fingerprint of their leaf.
//!
//! A log tells a certificate's fingerprint; whether the certificate is good for a name takes the certificate itself. It
//! is had by a handshake of our own with the same host at the same address. Only if the leaf that is shown then has that
//! very fingerprint is it the one of the session: anything else leaves the session unjudged, and is kept for those that
//! saw it. Kept in memory, bounded; what is dropped, or lost in a restart, is asked for again.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{Either, select};
use futures_util::stream::{self, StreamExt as _};
use sha2::{Digest as _, Sha256};
use smtp_dane::pkix::{self, TrustRoots};
use smtp_dane::{MAX_CERTIFICATE_BYTES, MAX_CHAIN};
use tls_rpt::Text;

use super::{Told, What};
use crate::facts::UnixTime;
use crate::ports::{LoggedTrust, MtaLogEvent, SessionPeer, Smtp, SmtpOutcome, SmtpTarget, Timer};

/// Bytes of all chains together.
const MAX_BYTES: usize = 32 * 1024 * 1024;
/// After so many seconds a host is asked again for a certificate that it did not show.
const ASK_AGAIN_SECONDS: i64 = 600;
/// Questions that are remembered.
const MAX_ASKED: usize = 16_384;
/// Certificates asked for in one round.
const MAX_WANTED: usize = 256;
/// Handshakes at the same time.
const AT_ONCE: usize = 8;
/// One round.
const ROUND: Duration = Duration::from_secs(60);

/// By host and fingerprint: hosts may show one leaf with other intermediates.
type Key = (Text, [u8; 32]);

/// A certificate that a session saw and that is not known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// The MX host.
    pub host: Text,
    /// Its address.
    pub address: IpAddr,
    /// SHA-256 of the certificate in DER.
    pub fingerprint: [u8; 32],
}

/// The chains that were seen.
#[derive(Debug, Default)]
pub struct Certificates {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    chains: BTreeMap<Key, Shown>,
    /// The order in which they were last used.
    used: BTreeMap<u64, Key>,
    clock: u64,
    bytes: usize,
    asked: BTreeMap<Wanted, UnixTime>,
    log_trusts: bool,
}

#[derive(Debug)]
struct Shown {
    chain: Vec<Bytes>,
    used: u64,
}

impl Certificates {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The certificates that these sessions saw, that are not known, and that nobody was asked for of late.
    #[must_use]
    pub fn wanted(&self, told: &[Told], now: UnixTime) -> Vec<Wanted> {
        let kept = self.lock();
        let mut wanted = std::collections::BTreeSet::new();
        for peer in told.iter().filter_map(seen) {
            let SessionPeer { mx_host: Some(host), address: Some(address), fingerprint: Some(fingerprint) } =
                peer
            else {
                continue;
            };
            let one = Wanted { host: host.clone(), address: *address, fingerprint: *fingerprint };
            let is_known = kept.chains.contains_key(&(one.host.clone(), one.fingerprint));
            let asked = kept.asked.get(&one).is_some_and(|at| now - *at < ASK_AGAIN_SECONDS && now >= *at);
            if !is_known && !asked {
                wanted.insert(one);
                if wanted.len() >= MAX_WANTED {
                    break;
                }
            }
        }
        wanted.into_iter().collect()
    }

    /// Asks the hosts for them, a bounded time long. The guard against private addresses is the adapter's: hosts are
    /// named by strangers.
    pub async fn fetch<W: Smtp + Timer>(&self, world: &W, wanted: &[Wanted], now: UnixTime) {
        if wanted.is_empty() {
            return;
        }
        self.note_asked(wanted, now);
        let each = stream::iter(wanted).for_each_concurrent(AT_ONCE, |one| self.ask(world, one));
        let limit = world.sleep(ROUND);
        match select(std::pin::pin!(each), std::pin::pin!(limit)).await {
            Either::Left(_) | Either::Right(_) => {}
        }
    }

    async fn ask<W: Smtp>(&self, world: &W, wanted: &Wanted) {
        // An MTA under our policy sends the name (RFC 8461 §7.1); under another one it may not have.
        for sni in [true, false] {
            let target = SmtpTarget { host: &wanted.host, address: wanted.address, sni };
            let SmtpOutcome::Tls(session) = world.probe(target).await else { return };
            if self.keep(&wanted.host, session.chain) == Some(wanted.fingerprint) {
                return;
            }
        }
    }

    /// Keeps a chain that a host showed; the fingerprint of its leaf.
    pub(super) fn keep(&self, host: &Text, chain: Vec<Bytes>) -> Option<[u8; 32]> {
        let leaf = chain.first()?;
        let fingerprint: [u8; 32] = Sha256::digest(leaf).into();
        if chain.iter().any(|certificate| certificate.len() > MAX_CERTIFICATE_BYTES) {
            return None;
        }
        // One more than is judged tells that there were too many.
        let chain: Vec<Bytes> = chain.into_iter().take(MAX_CHAIN + 1).collect();
        let mut kept = self.lock();
        let key = (host.clone(), fingerprint);
        kept.forget(&key);
        kept.bytes += size(&chain);
        kept.clock += 1;
        let used = kept.clock;
        kept.used.insert(used, key.clone());
        kept.chains.insert(key, Shown { chain, used });
        while kept.bytes > MAX_BYTES
            && let Some((_, oldest)) = kept.used.first_key_value().map(|(used, key)| (*used, key.clone()))
        {
            kept.forget(&oldest);
        }
        Some(fingerprint)
    }

    /// What the chain behind a fingerprint is worth for that host at that time, if it is known.
    pub(super) fn worth(
        &self,
        host: &Text,
        fingerprint: [u8; 32],
        roots: &TrustRoots,
        at: UnixTime,
    ) -> Option<pkix::Verdict> {
        let chain = self.lock().used(&(host.clone(), fingerprint))?;
        Some(pkix::judge(&chain, roots, host, at))
    }

    /// Notes whether the log calls any certificate trusted; whether it ever did.
    pub(super) fn note_trust(&self, told: &[Told]) -> bool {
        let trusts = |told: &Told| match &told.what {
            What::Log(MtaLogEvent::Session(session)) => {
                matches!(session.trust, Some(LoggedTrust::Trusted | LoggedTrust::Verified))
            }
            _ => false,
        };
        let mut kept = self.lock();
        kept.log_trusts = kept.log_trusts || told.iter().any(trusts);
        kept.log_trusts
    }

    fn note_asked(&self, wanted: &[Wanted], now: UnixTime) {
        let mut kept = self.lock();
        if kept.asked.len() + wanted.len() > MAX_ASKED {
            kept.asked.retain(|_, at| (0..ASK_AGAIN_SECONDS).contains(&(now - *at)));
        }
        if kept.asked.len() + wanted.len() > MAX_ASKED {
            // Asking once more is the lesser evil; memory stays bounded.
            kept.asked.clear();
        }
        kept.asked.extend(wanted.iter().map(|one| (one.clone(), now)));
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // What is under it is whole between calls.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn forget(&mut self, key: &Key) {
        if let Some(shown) = self.chains.remove(key) {
            self.bytes -= size(&shown.chain);
            self.used.remove(&shown.used);
        }
    }

    /// A chain, marked as used. Certificates are shared, not copied.
    fn used(&mut self, key: &Key) -> Option<Vec<Bytes>> {
        let shown = self.chains.get_mut(key)?;
        self.clock += 1;
        self.used.remove(&shown.used);
        shown.used = self.clock;
        self.used.insert(self.clock, key.clone());
        Some(shown.chain.clone())
    }
}

/// With what is needed to keep it.
fn size(chain: &[Bytes]) -> usize {
    chain.iter().map(|certificate| certificate.len() + 64).sum::<usize>() + 512
}

/// The other side of a session whose certificate counts.
fn seen(told: &Told) -> Option<&SessionPeer> {
    match &told.what {
        What::Log(MtaLogEvent::Session(session)) if !session.failed => Some(&session.peer),
        What::Line(event) if event.policies.iter().any(|policy| !policy.failed) => Some(&event.peer),
        _ => None,
    }
}
