//! The look-ups for a next hop: MTA-STS and DANE side by side, each once however many ask.
//!
//! The policy's side is driven by [`mta_sts::freshness`], which says what to look up, fetch, keep and tell; the other
//! side asks for the hosts' TLSA records. A flight ends by itself within the bounds of the adapters and of
//! [`LOOK_UP_LIMIT`] and [`FETCH_LIMIT`].

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_channel::oneshot;
use futures_util::future::join;
use mta_sts::Timestamp;
use mta_sts::freshness::{BACK_OFF_SECS, FetchOutcome, Input, REFRESH_SECS, RecordOutcome};
use mta_sts::policy::Policy;
use mta_sts::policy_domain::PolicyDomain;
use mta_sts::record::PolicyId;
use mta_sts::response::FetchFailure;
use mta_sts::rrset::{self, NoRecord};

use super::Inner;
use super::domain::RecordSeen;
use super::step::{Followed, Next};
use crate::check::gather::{Within, look_up_mail};
use crate::enforce::answer::Why;
use crate::enforce::fetch;
use crate::enforce::mail_facts::{DaneSeen, ttl_of};
use crate::enforce::next_hop::NextHop;
use crate::enforce::status::Rechecked;
use crate::ports::{Clock, DnsFailure, DnsReply, Policies, RecordKind, World};

/// Bound of the look-ups of one side together.
const LOOK_UP_LIMIT: Duration = Duration::from_secs(30);
/// Bound of one fetch: RFC 8461 §3.3 has a minute, and connecting comes before it.
const FETCH_LIMIT: Duration = Duration::from_secs(75);
/// What DNS says is remembered for so long at least, in seconds, also where its TTL is less; and so is that it said
/// nothing.
pub(super) const LEAST_SECS: u32 = 30;
/// That nothing is there is remembered for so long at most, and so are hosts and their TLSA records.
pub(super) const MOST_SECS: u32 = 3_600;

/// Why a domain's policy is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Errand {
    /// Mail goes there.
    Needed,
    /// Its time has come.
    Timer,
    /// The owner wants it fetched.
    Refresh,
    /// A message is about to be given up.
    Recheck,
}

/// What came of a flight to the policy's side.
#[derive(Debug, Clone, Default)]
pub(super) struct Flown {
    /// The policy that was fetched.
    pub(super) fetched: Option<(Arc<Policy>, PolicyId)>,
    /// Whether what is in force has changed.
    pub(super) is_changed: bool,
    /// Why the fetch failed, if one did.
    pub(super) failure: Option<FetchFailure>,
    /// The answer to [`Errand::Recheck`].
    pub(super) rechecked: Option<Rechecked>,
}

/// How somebody gets to a flight.
enum Boarding {
    /// What is known is good enough.
    Unneeded,
    /// One is under way.
    UnderWay(oneshot::Receiver<Flown>),
    /// It has to be flown.
    Ours,
}

impl<W: World, P: Policies, C: Clock> Inner<W, P, C> {
    /// Looks up what is not known of a next hop, and tells everybody who waits.
    pub(super) async fn fly(&self, hop: &NextHop) {
        // Should it come to no end, those who wait learn that.
        let landing = OnDrop(|| drop(self.state().land(hop)));
        let (flown, ()) = join(self.policy_side(&hop.domain, Errand::Needed), self.mail_side(hop)).await;
        let now = self.clock.now();
        let (waiters, answer) = {
            let mut state = self.state();
            let known = state.answer(hop, now, flown.fetched.as_ref());
            let answer = known.unwrap_or_else(|| state.late(hop, now, Why::Pending));
            (state.land(hop), answer)
        };
        // It has landed; the next one may have begun already.
        std::mem::forget(landing);
        for waiter in waiters {
            // Who no longer listens was told something else already.
            drop(waiter.send(answer.clone()));
        }
    }

    /// The policy's side, for one errand. One flight a domain at a time.
    pub(super) async fn policy_side(&self, domain: &PolicyDomain, errand: Errand) -> Flown {
        loop {
            match self.board(domain, errand) {
                Boarding::Unneeded => return Flown::default(),
                Boarding::UnderWay(flight) => {
                    let flown = flight.await.unwrap_or_default();
                    match errand {
                        Errand::Needed | Errand::Timer => return flown,
                        // What these want may not be what was done.
                        Errand::Refresh | Errand::Recheck => {}
                    }
                }
                Boarding::Ours => break,
            }
        }
        let mut flown = Flown::default();
        let landing = OnDrop(|| drop(self.land(domain, &Flown::default())));
        self.fly_policy(domain, errand, &mut flown).await;
        if self.state().has_no_room(domain, self.options.large_policies_bytes) {
            // Should the store not forget it, the next process has it.
            drop(self.forget(domain).await);
        }
        std::mem::forget(landing);
        for waiter in self.land(domain, &flown) {
            drop(waiter.send(flown.clone()));
        }
        flown
    }

    fn board(&self, domain: &PolicyDomain, errand: Errand) -> Boarding {
        let now = self.clock.now();
        let mut state = self.state();
        let entry = state.domains.entry(domain.clone()).or_default();
        if let Some(waiters) = &mut entry.flying {
            let (sender, receiver) = oneshot::channel();
            waiters.push(sender);
            return Boarding::UnderWay(receiver);
        }
        if errand == Errand::Needed && now < entry.record_until(now) {
            return Boarding::Unneeded;
        }
        entry.flying = Some(Vec::new());
        Boarding::Ours
    }

    fn land(&self, domain: &PolicyDomain, flown: &Flown) -> Vec<oneshot::Sender<Flown>> {
        let now = self.clock.now();
        let mut state = self.state();
        let Some(entry) = state.domains.get_mut(domain) else { return Vec::new() };
        let waiters = entry.flying.take().unwrap_or_default();
        let is_in_force = entry.freshness.in_force(Timestamp::from_unix(now)).is_some();
        if flown.failure.is_some() || !is_in_force && entry.record == RecordSeen::Found {
            // RFC 8461 §3.3: then it may be fetched again.
            entry.record_until = entry.record_until.min(now + i64::from(BACK_OFF_SECS));
        }
        state.reschedule(domain, now);
        state.tidy(domain);
        waiters
    }

    async fn fly_policy(&self, domain: &PolicyDomain, errand: Errand, flown: &mut Flown) {
        let input = match errand {
            Errand::Needed | Errand::Refresh => Input::Needed,
            Errand::Timer => Input::Timer,
            Errand::Recheck => Input::AboutToFail,
        };
        if errand == Errand::Refresh {
            self.make_due(domain);
        }
        let mut followed = self.step(domain, input, Bytes::new()).await;
        loop {
            flown.note(&followed);
            followed = match followed.next {
                Next::Nothing => return,
                Next::LookUp => {
                    let outcome = self.look_up_record(domain).await;
                    self.step(domain, Input::Record(outcome), Bytes::new()).await
                }
                Next::Fetch(id) => match self.fetch(domain).await {
                    Ok((policy, body)) => {
                        let policy = Arc::new(policy);
                        flown.fetched = Some((Arc::clone(&policy), id.clone()));
                        let outcome = FetchOutcome::Policy(policy);
                        self.step(domain, Input::Fetch { id, outcome }, body).await
                    }
                    Err(failure) => {
                        flown.failure = Some(failure);
                        let outcome = FetchOutcome::Failed(failure);
                        self.step(domain, Input::Fetch { id, outcome }, Bytes::new()).await
                    }
                },
            };
        }
    }

    async fn look_up_record(&self, domain: &PolicyDomain) -> RecordOutcome {
        let reply = {
            let _pass = self.look_ups.enter().await;
            let within = Within::new(&*self.world, LOOK_UP_LIMIT);
            within.look_up(&domain.record_name(), RecordKind::Txt).await
        };
        let (seen, outcome, ttl) = read_record(&reply);
        let until = self.clock.now() + i64::from(ttl);
        let mut state = self.state();
        if let Some(entry) = state.domains.get_mut(domain) {
            let announces_nothing = matches!(seen, RecordSeen::Absent | RecordSeen::Bad(_));
            if announces_nothing && entry.freshness.held().is_none() {
                // RFC 8461 §6: a failure belongs into reports while a policy is announced or held.
                entry.last_failure = None;
            }
            (entry.record, entry.record_until) = (seen, until);
        }
        outcome
    }

    async fn fetch(&self, domain: &PolicyDomain) -> Result<(Policy, Bytes), FetchFailure> {
        let (replies, addresses) = {
            let _pass = self.look_ups.enter().await;
            let within = Within::new(&*self.world, LOOK_UP_LIMIT);
            fetch::policy_host(&within, domain).await
        };
        let Some(address) = addresses.first() else {
            let in_time = replies.failure() != Some(&DnsFailure::TimedOut);
            return Err(if in_time { FetchFailure::Unreachable } else { FetchFailure::TimedOut });
        };
        // In this order: who waits for a busy host keeps nobody from another.
        let fetch = async {
            let _pass = self.fetches.enter().await;
            let within = Within::new(&*self.world, FETCH_LIMIT);
            let now = self.clock.now();
            fetch::outcome(fetch::get_policy(&within, &self.roots, domain, &addresses, now).await)
        };
        let (policy, body) = self.addresses.within(*address, fetch).await?;
        if self.state().is_overgrown(domain, &policy, self.options.large_policies_bytes) {
            return Err(FetchFailure::TooLarge);
        }
        Ok((policy, body))
    }

    /// The side of DANE.
    async fn mail_side(&self, hop: &NextHop) {
        if !self.state().is_stale(hop, self.clock.now()) {
            return;
        }
        let dnssec = self.world.dnssec();
        self.tell_of_dnssec(&dnssec);
        let (seen, secs) = match DaneSeen::without(&dnssec, self.options.mta_does_dane) {
            Some(seen) => (seen, LEAST_SECS),
            None => {
                let _pass = self.look_ups.enter().await;
                let within = Within::new(&*self.world, LOOK_UP_LIMIT);
                let mail = look_up_mail(&within, hop.domain.as_str(), hop.is_host, hop.port).await;
                let ttl = ttl_of(hop, &mail).map_or(LEAST_SECS, |ttl| ttl.clamp(LEAST_SECS, MOST_SECS));
                (DaneSeen::of(hop, &mail), ttl)
            }
        };
        let until = self.clock.now() + i64::from(secs);
        let is_changed = self.state().see(hop, seen, until);
        if is_changed {
            self.changes.tell(&hop.domain);
        }
    }
}

/// Does something when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// What a reply says, and for how many seconds that may be remembered.
fn read_record(reply: &DnsReply) -> (RecordSeen, RecordOutcome, u32) {
    match reply {
        DnsReply::Failed(failure) => {
            (RecordSeen::Unknown(failure.to_string().into()), RecordOutcome::DnsFailed, LEAST_SECS)
        }
        DnsReply::Absent(absence) => {
            (RecordSeen::Absent, RecordOutcome::Absent, absence.ttl.clamp(LEAST_SECS, MOST_SECS))
        }
        DnsReply::Found(answer) => {
            let choice = rrset::choose(&reply.texts());
            match choice.usable() {
                // The id is looked at again as its TTL ends, and at the daily refresh anyway.
                Ok(_) => (RecordSeen::Found, choice.outcome(), answer.ttl.clamp(LEAST_SECS, REFRESH_SECS)),
                Err(reason) => {
                    let seen = match reason {
                        NoRecord::Absent => RecordSeen::Absent,
                        other => RecordSeen::Bad(other.to_string().into()),
                    };
                    (seen, choice.outcome(), answer.ttl.clamp(LEAST_SECS, MOST_SECS))
                }
            }
        }
    }
}

impl Flown {
    fn note(&mut self, followed: &Followed) {
        self.is_changed |= followed.is_changed;
        self.rechecked = followed.rechecked.or(self.rechecked);
    }
}
