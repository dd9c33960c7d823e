//! One step of a domain's policy: the state machine's input, what it says to do, and the chores that follow (the store,
//! alerts, those who listen for changes).

use std::sync::Arc;

use bytes::Bytes;
use mta_sts::Timestamp;
use mta_sts::freshness::{self, Action, FetchOutcome, Input};
use mta_sts::policy::Policy;
use mta_sts::policy_domain::PolicyDomain;
use mta_sts::record::PolicyId;

use super::Inner;
use super::domain::Domain;
use super::state::State;
use crate::alert::Rule;
use crate::enforce::status::{LastFailure, Rechecked};
use crate::facts::UnixTime;
use crate::ports::{Clock, Dnssec, Keeping, KeptPolicy, Policies, World};

/// What follows for the flight.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) next: Next,
    /// Whether what is in force has changed.
    pub(super) is_changed: bool,
    pub(super) rechecked: Option<Rechecked>,
}

/// What a flight does next.
#[derive(Debug)]
pub(super) enum Next {
    Nothing,
    LookUp,
    Fetch(PolicyId),
}

/// What the store has to do.
enum Chore {
    Keep(KeptPolicy),
    NoteFailures {
        fetched_at: UnixTime,
        failures: u32,
    },
    /// Of policies fetched until then.
    Forget(UnixTime),
}

impl<W: World, P: Policies, C: Clock> Inner<W, P, C> {
    /// Feeds the domain's state. `body`: that of a policy that was fetched.
    pub(super) async fn step(&self, domain: &PolicyDomain, input: Input, body: Bytes) -> Followed {
        let now = self.clock.now();
        let (followed, chores) = self.step_in_memory(&mut self.state(), domain, now, input, body);
        for chore in chores {
            self.see_to(domain, chore).await;
        }
        if followed.is_changed {
            self.changes.tell(domain);
        }
        followed
    }

    fn step_in_memory(
        &self,
        state: &mut State,
        domain: &PolicyDomain,
        now: UnixTime,
        input: Input,
        body: Bytes,
    ) -> (Followed, Vec<Chore>) {
        let spread = self.spread(domain);
        let entry = state.domains.entry(domain.clone()).or_default();
        let is_awaited = entry.freshness.is_in_flight();
        if let Input::Fetch { outcome, .. } = &input
            && is_awaited
        {
            entry.last_failure = match outcome {
                FetchOutcome::Policy(_) => None,
                FetchOutcome::Failed(failure) => {
                    Some(LastFailure { failure: *failure, at: now, is_reportable: false })
                }
            };
        }
        let before = entry.freshness.held().cloned();
        let retries = entry.is_unkept && input == Input::Timer;
        let freshness = std::mem::take(&mut entry.freshness);
        let (freshness, actions) = freshness.step(Timestamp::from_unix(now), spread, input);
        entry.freshness = freshness;

        let mut followed = Followed { next: Next::Nothing, is_changed: false, rechecked: None };
        let mut chores = Vec::new();
        let mut body = Some(body);
        for action in actions {
            match action {
                Action::LookUpRecord => followed.next = Next::LookUp,
                Action::Fetch { id } => followed.next = Next::Fetch(id),
                // Asked of the state at the end.
                Action::WakeAt(_) => {}
                Action::Store => {
                    chores.extend(kept(domain, entry, body.take().unwrap_or_default()).map(Chore::Keep));
                    let done = "The policy was fetched anew.";
                    self.alerts.resolve(Rule::PolicyRefreshFailing, domain.as_str(), now, done);
                    self.alerts.resolve(Rule::PolicyExpired, domain.as_str(), now, done);
                }
                Action::Forget => {
                    let fetched_at = before.as_ref().map_or(now, |held| held.fetched_at().as_unix());
                    chores.push(Chore::Forget(fetched_at));
                    entry.is_unkept = false;
                    // Whoever asks next has it fetched.
                    entry.record_until = now;
                    let over = "The policy has run out.";
                    self.alerts.resolve(Rule::PolicyRefreshFailing, domain.as_str(), now, over);
                    self.alerts.resolve(Rule::PolicyNotKept, domain.as_str(), now, over);
                }
                Action::Alert(alert) => self.raise(domain, now, alert),
                Action::Report(_) => {
                    if let Some(last) = &mut entry.last_failure {
                        last.is_reportable = true;
                    }
                }
                Action::Rechecked(answer) => followed.rechecked = Some(answer),
            }
        }
        let after = entry.freshness.held();
        followed.is_changed =
            differs(before.as_ref().map(freshness::Held::policy), after.map(freshness::Held::policy));
        if let (Some(before), Some(after)) = (&before, after)
            && before.fetched_at() == after.fetched_at()
            && before.failures() != after.failures()
        {
            let fetched_at = after.fetched_at().as_unix();
            chores.push(Chore::NoteFailures { fetched_at, failures: after.failures() });
        }
        if retries && !chores.iter().any(|chore| matches!(chore, Chore::Keep(_))) {
            let body = after.map(|held| held.policy().lines().collect::<Vec<_>>().join("\n"));
            chores.extend(kept(domain, entry, body.unwrap_or_default().into()).map(Chore::Keep));
        }
        (followed, chores)
    }

    /// Has the policy's refresh done at the next step.
    pub(super) fn make_due(&self, domain: &PolicyDomain) {
        let now = Timestamp::from_unix(self.clock.now());
        if let Some(entry) = self.state().domains.get_mut(domain) {
            entry.freshness = std::mem::take(&mut entry.freshness).due(now);
        }
    }

    async fn see_to(&self, domain: &PolicyDomain, chore: Chore) {
        match chore {
            Chore::Keep(policy) => self.keep(domain, policy).await,
            Chore::NoteFailures { fetched_at, failures } => {
                // Of little weight: a count that is too low after a restart delays an alert by one failure.
                drop(self.policies.note_failures(domain.as_str(), fetched_at, failures).await);
            }
            // What is over is also told from its own time when it is loaded.
            Chore::Forget(until) => drop(self.policies.forget(domain.as_str(), until).await),
        }
    }

    /// Writes a policy to the store. One that cannot be written holds all the same, and is tried again.
    async fn keep(&self, domain: &PolicyDomain, policy: KeptPolicy) {
        let (fetched_at, name) = (policy.fetched_at, domain.as_str());
        let mut kept = self.policies.keep(policy.clone()).await;
        if let Ok(Keeping::Newer(at)) = kept
            && at > self.clock.now()
        {
            // The clock was set back: what is there was fetched in a future that has not come.
            kept = match self.policies.forget(name, at).await {
                Ok(_) => self.policies.keep(policy).await,
                Err(error) => Err(error),
            };
        }
        let now = self.clock.now();
        let is_held = {
            let mut state = self.state();
            let entry = state.domains.get_mut(domain);
            let is_this = |entry: &&mut Box<Domain>| {
                entry.freshness.held().is_some_and(|held| held.fetched_at().as_unix() == fetched_at)
            };
            let entry = entry.filter(is_this);
            let is_held = entry.is_some();
            if let Some(entry) = entry {
                entry.is_unkept = kept.is_err();
            }
            is_held
        };
        match kept {
            Err(error) => {
                let text = format!(
                    "The policy of {name} could not be written to the store ({error}). It is applied, and lost in a \
                     restart until it can be written."
                );
                self.alerts.raise(Rule::PolicyNotKept, name, now, text);
            }
            Ok(_) => self.alerts.resolve(Rule::PolicyNotKept, name, now, "The policy was written."),
        }
        if !is_held {
            // The owner had it forgotten meanwhile.
            drop(self.policies.forget(name, fetched_at).await);
        }
    }

    fn raise(&self, domain: &PolicyDomain, now: UnixTime, alert: freshness::Alert) {
        match alert {
            freshness::Alert::RefreshFailing { failures, expires_at, failure } => {
                let left = days(expires_at.as_unix().saturating_sub(now));
                let text = format!(
                    "The MTA-STS policy of {domain} could not be fetched anew {failures} times in a row, last because: \
                     {failure}. The held policy is applied for another {left}; then mail to the domain loses its \
                     protection."
                );
                self.alerts.raise(Rule::PolicyRefreshFailing, domain.as_str(), now, text);
            }
            freshness::Alert::ExpiredUnrefreshed { failures } => {
                let text = format!(
                    "The MTA-STS policy of {domain} has run out after {failures} failed refreshes in a row: mail to the \
                     domain is no longer protected by it."
                );
                self.alerts.raise(Rule::PolicyExpired, domain.as_str(), now, text);
            }
        }
    }

    /// DNSSEC that does not work takes DANE away, and is said aloud.
    pub(super) fn tell_of_dnssec(&self, dnssec: &Dnssec) {
        let now = self.clock.now();
        match dnssec {
            Dnssec::Unusable(seen) => {
                let text = format!(
                    "DNSSEC does not work here, so DANE is out of use and MTA-STS alone protects mail: {seen}."
                );
                self.alerts.raise(Rule::DnssecUnusable, "", now, text);
            }
            Dnssec::Off | Dnssec::TrustedResolver | Dnssec::Validated => {
                self.alerts.resolve(Rule::DnssecUnusable, "", now, "DNSSEC works.");
            }
        }
    }
}

/// A duration as a person says it.
fn days(seconds: i64) -> String {
    match seconds / 86_400 {
        0 => format!("{} hours", seconds / 3_600),
        days => format!("{days} days"),
    }
}

fn kept(domain: &PolicyDomain, entry: &Domain, body: Bytes) -> Option<KeptPolicy> {
    let held = entry.freshness.held()?;
    Some(KeptPolicy {
        domain: domain.as_str().to_owned(),
        id: held.id().as_wire().to_owned(),
        fetched_at: held.fetched_at().as_unix(),
        failures: held.failures(),
        body,
    })
}

fn differs(before: Option<&Arc<Policy>>, after: Option<&Arc<Policy>>) -> bool {
    match (before, after) {
        (None, None) => false,
        (Some(before), Some(after)) => !Arc::ptr_eq(before, after) && before != after,
        _ => true,
    }
}
