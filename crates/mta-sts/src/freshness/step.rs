//! The transitions of [`Freshness`]: one input at one time, what follows from it.
//!
//! Inputs that nothing is waiting for (an answer that came twice, or after it was given up) change nothing.

use std::sync::Arc;

use super::{
    ALERT_FROM_FAILURES, Action, Alert, BACK_OFF_SECS, FLIGHT_LIMIT_SECS, FailedFetch, FetchOutcome, Flight,
    Freshness, Held, Holding, Input, MAX_FAILED_IDS, MAX_RETRY_SECS, REFRESH_SECS, Recheck, Rechecked,
    RecordOutcome, RecordState, Spread, UNCHANGED_REFETCH_SECS, Why,
};
use crate::Timestamp;
use crate::policy::{Mode, Policy};
use crate::record::PolicyId;
use crate::response::FetchFailure;

impl Freshness {
    /// What becomes of the state at `now` by this input, and what the caller has to do, in this order.
    #[must_use]
    pub fn step(mut self, now: Timestamp, spread: Spread, input: Input) -> (Self, Vec<Action>) {
        let mut actions = Vec::new();
        let step = &mut Step { state: &mut self, now, spread, actions: &mut actions };
        step.heed_clock_set_back();
        step.expire();
        match input {
            Input::Needed => {
                step.give_up_lost_flight();
                step.needed();
            }
            Input::Timer => {
                step.give_up_lost_flight();
                step.timer();
            }
            Input::AboutToFail => step.about_to_fail(),
            Input::Record(outcome) => step.record(&outcome),
            Input::Fetch { id, outcome } => step.fetched(&id, outcome),
        }
        (self, actions)
    }
}

struct Step<'a> {
    state: &'a mut Freshness,
    now: Timestamp,
    spread: Spread,
    actions: &'a mut Vec<Action>,
}

impl Step<'_> {
    /// No time that is in the past by its meaning may lie in the future: after the clock was set back, a
    /// back-off lasts five minutes more at most, a policy max_age at most, and a refresh comes within a
    /// day.
    fn heed_clock_set_back(&mut self) {
        let now = self.now;
        if let Holding::Policy(held) = &mut self.state.holding {
            held.fetched_at = held.fetched_at.min(now);
            held.refresh_at = held.refresh_at.min(now.plus(REFRESH_SECS));
        }
        match &mut self.state.flight {
            Flight::Idle => {}
            Flight::LookingUp { since, .. } | Flight::Fetching { since, .. } => *since = (*since).min(now),
        }
        for failed in &mut self.state.failed {
            failed.at = failed.at.min(now);
        }
        self.state.failed.retain(|failed| failed.is_live(now));
    }

    /// RFC 8461 §3.2: max_age counts from the last fetch; the end of it is the only end of a policy besides
    /// another policy.
    fn expire(&mut self) {
        let Holding::Policy(held) = &self.state.holding else { return };
        if self.now <= held.expires_at() {
            return;
        }
        if held.failures > 0 && held.policy.mode() != Mode::None {
            self.actions.push(Action::Alert(Alert::ExpiredUnrefreshed { failures: held.failures }));
        }
        self.actions.push(Action::Forget);
        self.state.holding = Holding::Nothing;
    }

    /// A flight without an answer would block all further ones, so it ends like one that failed.
    fn give_up_lost_flight(&mut self) {
        let is_lost = |since: &Timestamp| self.now >= since.plus(FLIGHT_LIMIT_SECS);
        match &self.state.flight {
            Flight::LookingUp { since, .. } if is_lost(since) => self.record(&RecordOutcome::DnsFailed),
            Flight::Fetching { since, id, .. } if is_lost(since) => {
                let id = id.clone();
                self.fetched(&id, FetchOutcome::Failed(FetchFailure::Lost));
            }
            _ => {}
        }
    }

    fn needed(&mut self) {
        if self.state.flight == Flight::Idle {
            let why = if self.is_refresh_due() { Why::Refresh } else { Why::Demand };
            self.look_up(why, Recheck::NotWanted);
        }
    }

    fn timer(&mut self) {
        let Holding::Policy(held) = &self.state.holding else { return };
        if !self.is_refresh_due() {
            self.actions.push(Action::WakeAt(held.refresh_at));
            return;
        }
        match &mut self.state.flight {
            Flight::Idle => self.look_up(Why::Refresh, Recheck::NotWanted),
            Flight::LookingUp { why, .. } => *why = Why::Refresh,
            // Whatever the fetch gives, it sets the time of the next refresh.
            Flight::Fetching { .. } => {}
        }
    }

    fn about_to_fail(&mut self) {
        // Those who asked before and still wait get the same answer as this one, and not an earlier one
        // besides.
        if let Some(recheck) = self.state.flight.recheck_mut() {
            *recheck = Recheck::NotWanted;
        }
        self.give_up_lost_flight();
        if self.state.holding == Holding::Nothing {
            // The policy that stood in the way is over.
            self.actions.push(Action::Rechecked(Rechecked::Changed));
            return;
        }
        match self.state.flight.recheck_mut() {
            None => self.look_up(Why::Demand, Recheck::Wanted),
            Some(recheck) => *recheck = Recheck::Wanted,
        }
    }

    fn record(&mut self, outcome: &RecordOutcome) {
        let Flight::LookingUp { why, recheck, .. } = self.state.flight else { return };
        self.state.flight = Flight::Idle;
        let found = match outcome {
            RecordOutcome::Found(id) => Some(id),
            RecordOutcome::Absent | RecordOutcome::Malformed | RecordOutcome::DnsFailed => None,
        };
        let record = if found.is_some() { RecordState::Found } else { RecordState::Missing };
        let (to_fetch, is_newer) = match (&self.state.holding, found) {
            (Holding::Nothing, found) => (found.cloned(), false),
            // RFC 8461 §3: another id announces another policy.
            (Holding::Policy(held), Some(id)) if *id != held.id => (Some(id.clone()), true),
            // RFC 8461 §10.2: refreshed regardless of the record. Under the old id, as no other is known.
            (Holding::Policy(held), _) if why == Why::Refresh => (Some(held.id.clone()), false),
            // RFC 8461 §3.3, §5.1: the same id, no record or no answer from DNS: what is cached stays.
            (Holding::Policy(_), _) => (None, false),
        };
        let held_back_until = to_fetch.as_ref().and_then(|id| self.held_back_until(id));
        match (to_fetch, held_back_until) {
            (Some(id), None) => {
                self.actions.push(Action::Fetch { id: id.clone() });
                self.state.flight = Flight::Fetching { id, record, recheck, since: self.now };
                return;
            }
            (Some(_), Some(until)) => self.postpone_refresh(until),
            (None, _) => {}
        }
        // No fetch follows, so whoever waits is answered now.
        let answer = match outcome {
            RecordOutcome::DnsFailed => Rechecked::Unknown,
            _ if is_newer => Rechecked::Unknown,
            _ => Rechecked::NoNewer,
        };
        self.answer_recheck(recheck, answer);
    }

    fn fetched(&mut self, fetched_id: &PolicyId, outcome: FetchOutcome) {
        let (record, recheck) = match &self.state.flight {
            Flight::Fetching { id, record, recheck, .. } if id == fetched_id => (*record, *recheck),
            _ => return,
        };
        self.state.flight = Flight::Idle;
        match outcome {
            FetchOutcome::Policy(policy) => {
                let is_changed = match &self.state.holding {
                    Holding::Nothing => true,
                    Holding::Policy(held) => !held.policy.same_rules(&policy),
                };
                self.keep(policy, fetched_id);
                self.answer_recheck(
                    recheck,
                    if is_changed { Rechecked::Changed } else { Rechecked::NoNewer },
                );
            }
            FetchOutcome::Failed(failure) => {
                self.fetch_failed(fetched_id, record, failure);
                self.answer_recheck(recheck, Rechecked::Unknown);
            }
        }
    }

    /// RFC 8461 §5, §8.3: a policy that was fetched replaces the one before, mode none too.
    fn keep(&mut self, policy: Arc<Policy>, id: &PolicyId) {
        let mut wait = self.refresh_wait(policy.max_age().as_secs());
        if let Holding::Policy(before) = &self.state.holding
            && before.id != *id
            && before.policy == policy
        {
            // RFC 8461 §8.1: the record may have been changed before the body.
            wait = wait.min(UNCHANGED_REFETCH_SECS);
        }
        let refresh_at = self.now.plus(wait);
        self.state.failed.retain(|failed| failed.id != *id);
        self.state.holding =
            Holding::Policy(Held { policy, id: id.clone(), fetched_at: self.now, refresh_at, failures: 0 });
        self.actions.push(Action::Store);
        self.actions.push(Action::WakeAt(refresh_at));
    }

    fn fetch_failed(&mut self, id: &PolicyId, record: RecordState, failure: FetchFailure) {
        self.state.failed.retain(|failed| failed.id != *id);
        self.state.failed.push(FailedFetch { at: self.now, id: id.clone() });

        let (now, spread) = (self.now, self.spread);
        let mut is_held = false;
        if let Holding::Policy(held) = &mut self.state.holding {
            held.failures = held.failures.saturating_add(1);
            let retry_at = now.plus(retry_wait(held.failures, spread));
            // A refresh that is still ahead, and sooner, stays as it is.
            if held.refresh_at <= now || held.refresh_at > retry_at {
                held.refresh_at = retry_at;
            }
            self.actions.push(Action::WakeAt(held.refresh_at));
            // RFC 8461 §3.3, §10.2: no alert under mode none, so that a domain can withdraw in peace.
            is_held = held.policy.mode() != Mode::None;
            if is_held && held.failures >= ALERT_FROM_FAILURES {
                let (failures, expires_at) = (held.failures, held.expires_at());
                self.actions.push(Action::Alert(Alert::RefreshFailing { failures, expires_at, failure }));
            }
        }
        // RFC 8461 §6: with a valid record always, without one where a policy is cached that is not mode
        // none.
        if record == RecordState::Found || is_held {
            self.actions.push(Action::Report(failure));
        }
    }

    fn look_up(&mut self, why: Why, recheck: Recheck) {
        self.state.flight = Flight::LookingUp { why, recheck, since: self.now };
        self.actions.push(Action::LookUpRecord);
    }

    /// A refresh that is due and held back comes when the back-off is over.
    fn postpone_refresh(&mut self, until: Timestamp) {
        if let Holding::Policy(held) = &mut self.state.holding
            && held.refresh_at <= self.now
        {
            held.refresh_at = until;
            self.actions.push(Action::WakeAt(until));
        }
    }

    fn answer_recheck(&mut self, recheck: Recheck, answer: Rechecked) {
        if recheck == Recheck::Wanted {
            let answer = match self.state.holding {
                // It has ended meanwhile, and nothing took its place.
                Holding::Nothing => Rechecked::Changed,
                Holding::Policy(_) => answer,
            };
            self.actions.push(Action::Rechecked(answer));
        }
    }

    fn is_refresh_due(&self) -> bool {
        match &self.state.holding {
            Holding::Nothing => false,
            Holding::Policy(held) => self.now >= held.refresh_at,
        }
    }

    /// RFC 8461 §3.3: until when a fetch for this id has to wait, if it has to. All entries are live here.
    fn held_back_until(&self, id: &PolicyId) -> Option<Timestamp> {
        let failed = &self.state.failed;
        let same = failed.iter().find(|failed| failed.id == *id);
        let oldest = failed.first().filter(|_| failed.len() >= MAX_FAILED_IDS);
        same.or(oldest).map(FailedFetch::until)
    }

    /// RFC 8461 §10.2: about daily and well before the end, but never in a rush: what lives less than ten
    /// minutes is fetched again when it is needed again.
    fn refresh_wait(&self, max_age_secs: u32) -> u32 {
        let about_a_day = REFRESH_SECS - self.spread.of(REFRESH_SECS / 8);
        about_a_day.min(max_age_secs / 2).max(BACK_OFF_SECS)
    }
}

/// Five minutes after the first failure, twice as long after each further one, up to a quarter more at
/// random.
fn retry_wait(failures: u32, spread: Spread) -> u32 {
    let doublings = failures.saturating_sub(1).min(16);
    let wait = (BACK_OFF_SECS << doublings).min(MAX_RETRY_SECS);
    wait + spread.of(wait / 4)
}
