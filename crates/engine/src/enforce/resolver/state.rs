//! What the resolver remembers: policy domains with their cached policies, next hops with what DANE asks of them.
//!
//! Both live in memory behind one lock that is never held over a wait. A policy domain costs some 500 bytes and its
//! policy, of four patterns, some 700; a next hop some 250 bytes. Next hops are bounded in number, and with the last
//! of them goes what is remembered of a domain without a policy; a policy goes only when it is over.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use futures_channel::oneshot;
use mta_sts::Timestamp;
use mta_sts::freshness::{BACK_OFF_SECS, REFRESH_SECS};
use mta_sts::policy::{Mode, Policy};
use mta_sts::policy_domain::PolicyDomain;
use mta_sts::record::PolicyId;

use super::domain::{Domain, heeded, large};
use super::flight::MOST_SECS;
use crate::enforce::answer::{Answer, DaneWhy, NoPolicyWhy, Why};
use crate::enforce::decision::{Sts, dane_line, decide};
use crate::enforce::mail_facts::DaneSeen;
use crate::enforce::next_hop::NextHop;
use crate::enforce::status::DomainStatus;
use crate::facts::UnixTime;
use crate::ports::MtaPolicy;

/// Everything that is remembered.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Boxed, because the nodes of a map are half empty.
    pub(super) domains: BTreeMap<PolicyDomain, Box<Domain>>,
    hops: BTreeMap<NextHop, Hop>,
    /// When a domain has to be looked after, whether anybody asks or not.
    wakes: BTreeSet<(UnixTime, PolicyDomain)>,
    /// Hops by when they were asked for last, longest ago first.
    recent: BTreeMap<u64, NextHop>,
    next_touch: u64,
    /// Hops that are being looked up.
    flying: usize,
    /// Domains that hold a policy.
    holding: usize,
    /// What the large ones among the policies take, in bytes.
    large: usize,
}

/// What is known of a next hop.
#[derive(Debug, Default)]
struct Hop {
    /// `None`: it was not looked up yet.
    seen: Option<DaneSeen>,
    /// Until when that need not be looked up again.
    until: UnixTime,
    /// Those who wait for the flight that is under way.
    flying: Option<Vec<oneshot::Sender<Answer>>>,
    touched: u64,
}

/// How somebody who asks is served.
pub(super) enum Joined {
    /// At once.
    Known(Answer),
    /// By a flight that was under way already.
    Waits(oneshot::Receiver<Answer>),
    /// By a flight that has to be started.
    Starts(oneshot::Receiver<Answer>),
    /// Too many wait.
    Full,
}

impl State {
    /// Serves somebody who asks.
    pub(super) fn join(&mut self, hop: &NextHop, now: UnixTime, limits: (usize, usize)) -> Joined {
        let (waiting_at_most, remembered_at_most) = limits;
        if let Some(answer) = self.answer(hop, now, None).filter(|answer| answer.good_until > now) {
            self.touch(hop);
            return Joined::Known(answer);
        }
        let (sender, receiver) = oneshot::channel();
        if let Some(waiters) = self.hops.get_mut(hop).and_then(|seen| seen.flying.as_mut()) {
            // Those who gave up go now and then, not at each question.
            if waiters.len().is_power_of_two() {
                waiters.retain(|waiter| !waiter.is_canceled());
            }
            waiters.push(sender);
            return Joined::Waits(receiver);
        }
        if self.flying >= waiting_at_most {
            return Joined::Full;
        }
        self.touch(hop);
        self.flying += 1;
        if let Some(seen) = self.hops.get_mut(hop) {
            seen.flying = Some(vec![sender]);
        }
        self.shrink(remembered_at_most);
        Joined::Starts(receiver)
    }

    /// Those who wait for the hop's flight, which is over.
    pub(super) fn land(&mut self, hop: &NextHop) -> Vec<oneshot::Sender<Answer>> {
        let waiters = self.hops.get_mut(hop).and_then(|seen| seen.flying.take());
        self.flying -= usize::from(waiters.is_some());
        waiters.unwrap_or_default()
    }

    /// Makes it the hop that was asked for last, and a remembered one.
    fn touch(&mut self, hop: &NextHop) {
        self.next_touch += 1;
        let touch = self.next_touch;
        if let Some(seen) = self.hops.get_mut(hop) {
            let key = self.recent.remove(&seen.touched).unwrap_or_else(|| hop.clone());
            seen.touched = touch;
            self.recent.insert(touch, key);
            return;
        }
        // The name as it is held already, so that its text is there once.
        let held = self.domains.get_key_value(&hop.domain).map(|(domain, _)| domain.clone());
        let hop = NextHop { domain: held.unwrap_or_else(|| hop.domain.clone()), ..*hop };
        self.hops.insert(hop.clone(), Hop { touched: touch, ..Hop::default() });
        self.recent.insert(touch, hop);
    }

    /// Drops hops that nobody has asked for for the longest time, and with them what is remembered of domains that hold
    /// no policy.
    fn shrink(&mut self, remembered_at_most: usize) {
        while self.hops.len() > remembered_at_most.max(self.flying) {
            let Some((touched, hop)) = self.recent.pop_first() else { return };
            if self.hops.get(&hop).is_some_and(|seen| seen.flying.is_some()) {
                // Somebody waits for it: it is no longer idle.
                self.recent.insert(touched, hop.clone());
                self.touch(&hop);
                continue;
            }
            self.hops.remove(&hop);
            self.tidy(&hop.domain);
        }
    }

    /// Forgets the domain's policy, and every look-up that is under way for it; whether there was one.
    pub(super) fn forget(&mut self, domain: &PolicyDomain, now: UnixTime) -> bool {
        let Some(entry) = self.domains.get_mut(domain) else { return false };
        let was_held = entry.freshness.held().is_some();
        let flying = entry.flying.take();
        let (wake, is_counted, large) = (entry.wake, entry.is_counted, entry.large);
        // A flight that is under way ends without an effect.
        **entry = Domain { flying, wake, is_counted, large, ..Domain::default() };
        self.reschedule(domain, now);
        self.tidy(domain);
        was_held
    }

    fn drop_domain(&mut self, domain: &PolicyDomain) {
        let Some(gone) = self.domains.remove(domain) else { return };
        let Domain { wake, is_counted, large, .. } = *gone;
        self.holding -= usize::from(is_counted);
        self.large -= large;
        if let Some(wake) = wake {
            self.wakes.remove(&(wake, domain.clone()));
        }
    }

    /// Drops what is remembered of a domain that holds no policy and that no hop asks for.
    pub(super) fn tidy(&mut self, domain: &PolicyDomain) {
        let first = NextHop { domain: domain.clone(), is_host: false, port: 0 };
        let is_asked_for = self.hops.range(first..).next().is_some_and(|(hop, _)| hop.domain == *domain);
        if !is_asked_for && self.domains.get(domain).is_some_and(|entry| entry.is_idle()) {
            self.drop_domain(domain);
        }
    }

    /// What is known of DANE at the hop, until then; whether it differs from what was known before.
    pub(super) fn see(&mut self, hop: &NextHop, seen: DaneSeen, until: UnixTime) -> bool {
        let Some(remembered) = self.hops.get_mut(hop) else { return false };
        remembered.until = until;
        // A look-up that fails takes nothing back: DANE that was known to apply goes on to be asked for.
        let keeps = seen.is_unknown() && remembered.seen.as_ref().is_some_and(DaneSeen::has_usable);
        if keeps || remembered.seen.as_ref() == Some(&seen) {
            return false;
        }
        remembered.seen.replace(seen).is_some()
    }

    /// Whether the hop's hosts have to be looked up.
    pub(super) fn is_stale(&self, hop: &NextHop, now: UnixTime) -> bool {
        self.hops.get(hop).is_none_or(|seen| seen.seen.is_none() || heeded(seen.until, now, MOST_SECS) <= now)
    }

    /// The answer from what is known. `fetched`: a policy that was fetched for this very question counts, however short
    /// its life.
    pub(super) fn answer(
        &self,
        hop: &NextHop,
        now: UnixTime,
        fetched: Option<&(Arc<Policy>, PolicyId)>,
    ) -> Option<Answer> {
        let remembered = self.hops.get(hop)?;
        let seen = remembered.seen.as_ref()?;
        let domain = self.domains.get(&hop.domain)?;
        let mut good_until = heeded(remembered.until, now, MOST_SECS).min(domain.record_until(now));
        let in_force = domain.freshness.in_force(Timestamp::from_unix(now));
        let (sts, is_held) = match (in_force, fetched) {
            (Some(held), _) => {
                // From the next second on it is over.
                good_until = good_until.min(held.expires_at().as_unix().saturating_add(1));
                (sts_of(held.policy(), held.id()), true)
            }
            (None, Some((policy, id))) => {
                good_until = now;
                (sts_of(policy, id), true)
            }
            // While it is being looked for, nobody knows that there is none.
            (None, None) if domain.flying.is_some() => return None,
            (None, None) => (Sts::None(domain.no_policy()?), false),
        };
        let (policy, why) = decide(&hop.domain, sts, seen);
        // What is not held, and word that there is trouble, is told while it is good and no longer.
        let may_be_stale = is_held && !matches!(policy, MtaPolicy::TryLater(_));
        (may_be_stale || good_until > now).then_some(Answer { policy, good_until, why })
    }

    /// The answer for somebody who can wait no longer: an enforced policy holds, whatever else is not known.
    pub(super) fn late(&self, hop: &NextHop, now: UnixTime, why: Why) -> Answer {
        if let Some(answer) = self.answer(hop, now, None) {
            return answer;
        }
        let domain = self.domains.get(&hop.domain);
        let held = domain.and_then(|domain| domain.freshness.in_force(Timestamp::from_unix(now)));
        if let Some(held) = held.filter(|held| held.policy().mode() == Mode::Enforce) {
            let nothing = DaneSeen::Hosts { special: Box::default(), plain: 0 };
            let (policy, _) = decide(&hop.domain, sts_of(held.policy(), held.id()), &nothing);
            let why = Why::Enforce { id: held.id().as_wire().to_owned(), dane: DaneWhy::Pending };
            return Answer { policy, good_until: now, why };
        }
        Answer { policy: MtaPolicy::TryLater(why.text()), good_until: now, why }
    }

    /// Whether there is no room for the domain's policy, which is new: it is a large one, and such ones take more than
    /// `most` already.
    pub(super) fn has_no_room(&self, domain: &PolicyDomain, most: usize) -> bool {
        let Some(entry) = self.domains.get(domain) else { return false };
        let new = entry.freshness.held().map_or(0, |held| large(held.policy()));
        new > 0 && !entry.is_counted && self.large + new > most
    }

    /// Whether the domain's policy would grow into what is not there by taking this one in its place.
    pub(super) fn is_overgrown(&self, domain: &PolicyDomain, policy: &Policy, most: usize) -> bool {
        let Some(entry) = self.domains.get(domain).filter(|entry| entry.is_counted) else { return false };
        let new = large(policy);
        new > entry.large && self.large - entry.large + new > most
    }

    /// Sets the time at which the domain has to be looked after, after `now`; to be called after every change of it.
    pub(super) fn reschedule(&mut self, domain: &PolicyDomain, now: UnixTime) {
        let Some(entry) = self.domains.get_mut(domain) else { return };
        let wake = entry.freshness.held().map(|held| {
            let over = held.expires_at().as_unix().saturating_add(1);
            let due = held.refresh_at().as_unix().min(over);
            let due = if entry.is_unkept { due.min(now + i64::from(BACK_OFF_SECS)) } else { due };
            due.max(now + 1)
        });
        match (entry.is_counted, wake.is_some()) {
            (false, true) => self.holding += 1,
            (true, false) => self.holding -= 1,
            _ => {}
        }
        entry.is_counted = wake.is_some();
        self.large -= entry.large;
        entry.large = entry.freshness.held().map_or(0, |held| large(held.policy()));
        self.large += entry.large;
        if entry.wake == wake {
            return;
        }
        if let Some(before) = entry.wake.take() {
            self.wakes.remove(&(before, domain.clone()));
        }
        entry.wake = wake;
        if let Some(wake) = wake {
            self.wakes.insert((wake, domain.clone()));
        }
    }

    /// The clock was set back: what was to be looked after in a day at most is, within an hour.
    pub(super) fn heed_clock_set_back(&mut self, now: UnixTime) {
        let limit = now + i64::from(REFRESH_SECS);
        let far: Vec<_> = self.wakes.iter().rev().take_while(|(at, _)| *at > limit).cloned().collect();
        for (wake, spread) in far.into_iter().zip((0..3_600).cycle()) {
            self.wakes.remove(&wake);
            let (_, domain) = wake;
            if let Some(entry) = self.domains.get_mut(&domain) {
                entry.wake = Some(now + spread);
                self.wakes.insert((now + spread, domain));
            }
        }
    }

    /// Takes a domain whose time has come.
    pub(super) fn take_due(&mut self, now: UnixTime) -> Option<PolicyDomain> {
        let (at, _) = self.wakes.first()?;
        if *at > now {
            return None;
        }
        let (_, domain) = self.wakes.pop_first()?;
        if let Some(entry) = self.domains.get_mut(&domain) {
            entry.wake = None;
        }
        Some(domain)
    }

    /// When the next domain has to be looked after.
    pub(super) fn next_wake(&self) -> Option<UnixTime> {
        self.wakes.first().map(|(at, _)| *at)
    }

    /// What is known of a domain, for whoever shows it or judges by it.
    pub(super) fn status(&self, domain: &PolicyDomain, now: UnixTime) -> Option<DomainStatus> {
        self.status_of(domain, self.domains.get(domain)?, now)
    }

    /// The same for up to `limit` domains behind `after`, in the order of their names; at most `looks` are looked at. With
    /// the domain to go on behind, if there may be more.
    pub(super) fn statuses(
        &self,
        after: Option<&PolicyDomain>,
        (limit, looks): (usize, usize),
        now: UnixTime,
    ) -> (Vec<DomainStatus>, Option<PolicyDomain>) {
        let range = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let (mut found, mut looked) = (Vec::new(), 0);
        for (domain, entry) in self.domains.range::<PolicyDomain, _>(range) {
            found.extend(self.status_of(domain, entry, now));
            looked += 1;
            if found.len() >= limit || looked >= looks {
                return (found, Some(domain.clone()));
            }
        }
        (found, None)
    }

    fn status_of(&self, domain: &PolicyDomain, entry: &Domain, now: UnixTime) -> Option<DomainStatus> {
        let hop = self.hops.get(&NextHop::of_domain(domain.clone()));
        let dane = hop.and_then(|hop| hop.seen.as_ref()).and_then(dane_line);
        entry.status(domain, dane, now)
    }

    /// How many next hops are remembered, and how many policies.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.hops.len(), self.holding)
    }
}

/// What a policy in force asks for.
fn sts_of<'a>(policy: &'a Policy, id: &'a PolicyId) -> Sts<'a> {
    if policy.mode() == Mode::None { Sts::None(NoPolicyWhy::Withdrawn) } else { Sts::Policy(policy, id) }
}
