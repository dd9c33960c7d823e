//! The policies of other domains, kept fresh, and what the MTA is told from them.
//!
//! [`Resolver`] is a cheap handle. [`Resolver::known`] answers from memory and asks nobody; [`Resolver::resolve`] looks up
//! what is not known, once however many ask, and answers within [`Options::answer_limit`] while the look-ups go on.
//! Somebody has to run the [`Driver`]: it does the look-ups, renews each policy about daily, and ends those that are
//! over. The engine has no runtime: both are plain futures, and time passes through the ports.
//!
//! **What holds.** A policy in force goes only when another one was fetched over a valid certificate, when its max_age is
//! over, or by the owner's command; no failure of DNS, of the policy host or of the network takes it away (RFC 8461 §3.3,
//! §5.1), nor a restart without network. Without a policy, mail goes as if there were no MTA-STS (§3.3); a failed look-up
//! of TLSA records is never taken for their absence (RFC 7672 §2.1.2).
//!
//! **What it costs.** In memory some 1,200 bytes a policy of usual size with its domain: its lines once, and its patterns
//! read. Policies are not bounded in number; those that are much larger than any honest one are, together
//! ([`Options::large_policies_bytes`]), and next hops ([`Options::remembered_hops`]). A look-up under way costs some
//! 8 KB, of which there are [`Options::waiting_at_most`]. Side by side go [`Options::flights_at_once`] look-ups and as many fetches, of
//! which [`Options::fetches_per_address`] to one address. That there is no record, or that DNS does not answer, is
//! remembered for 30 seconds to an hour, as the TTL says; a record for 30 seconds to a day.
//!
//! **What can fail** to be done: the store cannot write (an alert; the policy holds in memory and is tried again).

mod domain;
mod driver;
mod flight;
mod load;
mod state;
mod step;

use std::future::Future;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_channel::{mpsc, oneshot};
use futures_util::future::{Either, select};
use mta_sts::freshness::Spread;
use mta_sts::policy_domain::PolicyDomain;
use smtp_dane::pkix::TrustRoots;

pub use driver::Driver;

use self::domain::RecordSeen;
use self::driver::Job;
use self::flight::{Errand, Flown};
use self::state::{Joined, State};
use super::answer::{Answer, Why};
use super::next_hop::NextHop;
use super::options::Options;
use super::status::{DomainStatus, Forgotten, Rechecked, Refreshed};
use crate::alert::Board;
use crate::facts::UnixTime;
use crate::feed::{Feed, Teller};
use crate::gate::{Gate, Gates};
use crate::ports::{Clock, Policies, StoreError, World};

/// Domains that are looked at in one go for a list: answers wait meanwhile.
const LOOKS_AT_ONCE: usize = 1_000;

/// Answers for next hops.
pub struct Resolver<W, P, C> {
    inner: Arc<Inner<W, P, C>>,
    jobs: mpsc::UnboundedSender<Job>,
}

impl<W, P, C> Clone for Resolver<W, P, C> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), jobs: self.jobs.clone() }
    }
}

impl<W, P, C> std::fmt::Debug for Resolver<W, P, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

/// What handles and driver share.
struct Inner<W, P, C> {
    world: Arc<W>,
    roots: Arc<TrustRoots>,
    policies: Arc<P>,
    clock: C,
    options: Options,
    state: Mutex<State>,
    look_ups: Gate,
    fetches: Gate,
    /// By the first address of a policy host.
    addresses: Gates<IpAddr>,
    changes: Teller<PolicyDomain>,
    alerts: Arc<Board>,
    draws: AtomicU64,
    unreadable: u64,
}

/// How much is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remembered {
    /// Next hops.
    pub hops: usize,
    /// Policies in force.
    pub policies: usize,
}

impl<W: World + 'static, P: Policies, C: Clock> Resolver<W, P, C> {
    /// Takes up what is kept. From then on every policy that is not over holds, with the network down too. Alerts go to
    /// `alerts`.
    ///
    /// # Errors
    /// The store's.
    pub async fn open(
        world: Arc<W>,
        roots: Arc<TrustRoots>,
        policies: Arc<P>,
        clock: C,
        alerts: Arc<Board>,
        options: Options,
    ) -> Result<(Self, Driver<W, P, C>), StoreError> {
        let inner = Inner {
            look_ups: Gate::new(options.flights_at_once),
            fetches: Gate::new(options.flights_at_once),
            addresses: Gates::new(options.fetches_per_address),
            world,
            roots,
            policies,
            clock,
            options,
            state: Mutex::default(),
            changes: Teller::default(),
            alerts,
            draws: AtomicU64::new(0),
            unreadable: 0,
        };
        let inner = Arc::new(inner.load().await?);
        inner.tell_of_dnssec(&inner.world.dnssec());
        let (sender, jobs) = mpsc::unbounded();
        Ok((Self { inner: Arc::clone(&inner), jobs: sender }, Driver { inner, jobs, spawn: None }))
    }

    /// The answer from what is known; asks nobody. One whose [`Answer::good_until`] has passed comes from a policy that is
    /// in force: it may be told, while somebody should ask.
    #[must_use]
    pub fn known(&self, hop: &NextHop) -> Option<Answer> {
        self.inner.state().answer(hop, self.inner.clock.now(), None)
    }

    /// The answer, looked up where it is not known, within [`Options::answer_limit`].
    pub fn resolve(&self, hop: NextHop) -> impl Future<Output = Answer> + Send + use<W, P, C> {
        let this = self.clone();
        async move {
            let limits = (this.inner.options.waiting_at_most, this.inner.options.remembered_hops);
            let joined = this.inner.state().join(&hop, this.inner.clock.now(), limits);
            let flight = match joined {
                Joined::Known(answer) => return answer,
                Joined::Full => return this.late(&hop, Why::Busy),
                Joined::Waits(flight) => flight,
                Joined::Starts(flight) => {
                    if this.jobs.unbounded_send(Job::Hop(hop.clone())).is_err() {
                        this.inner.state().land(&hop);
                        return this.late(&hop, Why::Stopping);
                    }
                    flight
                }
            };
            let limit = std::pin::pin!(this.inner.world.sleep(this.inner.options.answer_limit));
            match select(flight, limit).await {
                Either::Left((Ok(answer), _)) => answer,
                Either::Left((Err(oneshot::Canceled), _)) => this.late(&hop, Why::Stopping),
                Either::Right(((), _)) => this.late(&hop, Why::Pending),
            }
        }
    }

    /// Fetches the domain's policy now, by the owner's command.
    pub fn refresh(&self, domain: &PolicyDomain) -> impl Future<Output = Refreshed> + Send + use<W, P, C> {
        let (this, domain) = (self.clone(), domain.clone());
        async move {
            let Some(flown) = this.errand(&domain, Errand::Refresh).await else { return Refreshed::Stopping };
            match flown {
                Flown { failure: Some(failure), .. } => Refreshed::Failed(failure),
                Flown { fetched: Some(_), is_changed, .. } => Refreshed::Fetched { is_changed },
                _ => {
                    let state = this.inner.state();
                    let entry = state.domains.get(&domain);
                    let is_held = entry.is_some_and(|entry| entry.freshness.held().is_some());
                    match entry.map(|entry| &entry.record) {
                        _ if is_held => Refreshed::TooSoon,
                        Some(RecordSeen::Found) => Refreshed::TooSoon,
                        Some(RecordSeen::Unknown(reason)) => Refreshed::RecordUnknown(reason.to_string()),
                        _ => Refreshed::NoRecord,
                    }
                }
            }
        }
    }

    /// Asks for a newer policy before a message is given up for good because of the one in force (RFC 8461 §5).
    pub fn recheck(&self, domain: &PolicyDomain) -> impl Future<Output = Rechecked> + Send + use<W, P, C> {
        let (this, domain) = (self.clone(), domain.clone());
        async move {
            let flown = this.errand(&domain, Errand::Recheck).await;
            flown.and_then(|flown| flown.rechecked).unwrap_or(Rechecked::Unknown)
        }
    }

    /// Forgets the domain's policy, here and in the store. Only by the owner's command: from then on mail to the domain is
    /// as unprotected as the first one.
    pub fn forget(&self, domain: &PolicyDomain) -> impl Future<Output = Forgotten> + Send + use<W, P, C> {
        let (this, domain) = (self.clone(), domain.clone());
        async move { this.inner.forget(&domain).await }
    }

    /// What is known of a policy domain, if a policy is in force, DANE asks something, or a fetch has failed.
    #[must_use]
    pub fn status(&self, domain: &PolicyDomain) -> Option<DomainStatus> {
        let now = self.inner.clock.now();
        self.inner.state().status(domain, now)
    }

    /// The same for all, by name, of names after `after`.
    ///
    /// Of hundreds of thousands of domains few may have anything to show: the lock is let go now and then, so that
    /// answers do not wait for a page.
    #[must_use]
    pub fn statuses(&self, after: Option<&PolicyDomain>, limit: usize) -> Vec<DomainStatus> {
        let now = self.inner.clock.now();
        let (mut statuses, mut after) = (Vec::new(), after.cloned());
        while statuses.len() < limit {
            let bounds = (limit - statuses.len(), LOOKS_AT_ONCE);
            let (found, next) = self.inner.state().statuses(after.as_ref(), bounds, now);
            statuses.extend(found);
            after = next;
            if after.is_none() {
                break;
            }
        }
        statuses
    }

    /// Domains whose answers have changed, from now on: what was told for their next hops before is out of date.
    #[must_use]
    pub fn listen_to_changes(&self) -> Feed<PolicyDomain> {
        self.inner.changes.listen()
    }

    /// How much is remembered.
    #[must_use]
    pub fn remembered(&self) -> Remembered {
        let (hops, policies) = self.inner.state().counts();
        Remembered { hops, policies }
    }

    /// How many kept policies could not be read when the store was opened: they do not hold. None of this version's
    /// writing should be among them.
    #[must_use]
    pub fn unreadable(&self) -> u64 {
        self.inner.unreadable
    }

    fn late(&self, hop: &NextHop, why: Why) -> Answer {
        self.inner.state().late(hop, self.inner.clock.now(), why)
    }

    async fn errand(&self, domain: &PolicyDomain, errand: Errand) -> Option<Flown> {
        let (sender, receiver) = oneshot::channel();
        self.jobs.unbounded_send(Job::Errand(domain.clone(), errand, sender)).ok()?;
        receiver.await.ok()
    }
}

impl<W: World, P: Policies, C: Clock> Inner<W, P, C> {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_due(&self, now: UnixTime) -> Option<PolicyDomain> {
        self.state().take_due(now)
    }

    fn next_wake(&self) -> Option<UnixTime> {
        self.state().next_wake()
    }

    async fn forget(&self, domain: &PolicyDomain) -> Forgotten {
        let was_kept = match self.policies.forget(domain.as_str(), UnixTime::MAX).await {
            Ok(was_kept) => was_kept,
            Err(error) => return Forgotten::Failed(error),
        };
        let now = self.clock.now();
        let was_held = self.state().forget(domain, now);
        for rule in crate::alert::Rule::ALL {
            self.alerts.resolve(rule, domain.as_str(), now, "The policy was forgotten by command.");
        }
        if was_held {
            self.changes.tell(domain);
        }
        if was_kept || was_held { Forgotten::Gone } else { Forgotten::Nothing }
    }

    /// A fraction, another one at each call, the same in each run with one seed.
    fn spread(&self, domain: &PolicyDomain) -> Spread {
        let draw = self.draws.fetch_add(1, Ordering::Relaxed);
        let named = domain.as_str().bytes().fold(self.options.seed ^ draw, |hash, byte| {
            // FNV-1a: spreads, no more.
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        // SplitMix64.
        let mut mixed = named.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Spread::from_fraction(u16::try_from(mixed >> 48).unwrap_or(0))
    }
}
