//! What is seen, and what follows: the order of change of one domain (RFC 8461 §8.1, §8.3).
//!
//! Pure: the state and one observation in, the state and what is to be done out. Nothing in here changes mode, MX patterns or
//! max_age, and an id is given only to a body that the owner ordered: what comes from the network can hold up, repair and tell,
//! no more. An observation names what it is of, so that a late one about something else is passed over.

use mta_sts::policy::Mode;

use super::action::Action;
use super::ids;
use super::look::RecordLook;
use super::publication::{
    BodySeen, Desired, DesiredText, Hold, Live, MARGIN_SECS, Phase, Publication, RecordSeen, Trouble,
};
use crate::alert::Rule;
use crate::facts::UnixTime;
use crate::ports::publish::{Applied, RecordsFailure};

/// What is published is looked at from outside so often, in seconds.
pub const WATCH_SECS: i64 = 3_600;
/// After the first round without progress it is looked again so much later, in seconds, then twice that, and so on.
pub const BACK_OFF_SECS: i64 = 15;
/// The owner is told after so many rounds without progress.
pub const STUCK_AFTER: u32 = 5;
/// A record whose TTL was never seen is taken to have this one, in seconds.
const UNSEEN_TTL_SECS: u32 = 3_600;
/// A record's TTL counts for no more than this, in seconds.
const MOST_TTL_SECS: u32 = 86_400;

/// What was seen or done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    /// The time has come.
    Tick,
    /// What came of [`Action::LookOutside`].
    Body {
        /// Of the version that was looked for.
        number: u32,
        /// What was seen.
        seen: BodySeen,
    },
    /// What came of [`Action::LookAtRecords`].
    Records(RecordLook),
    /// What came of [`Action::Apply`].
    Applied {
        /// What was asked for.
        desired: Desired,
        /// What came of it.
        result: Result<Applied, RecordsFailure>,
    },
}

/// A moment: the time, and chance to spread work with.
#[derive(Debug, Clone, Copy)]
pub struct At {
    /// Unix seconds.
    pub now: UnixTime,
    /// Evenly distributed.
    pub spread: u16,
}

/// Takes in an observation.
#[must_use]
pub fn step(publication: &Publication, observation: Observation, at: At) -> (Publication, Vec<Action>) {
    let mut steps = Steps::begin(publication, at.now);
    steps.spread = at.spread;
    match observation {
        Observation::Tick => steps.tick(),
        Observation::Body { number, seen } => steps.body(number, seen),
        Observation::Records(look) => steps.records(&look),
        Observation::Applied { desired, result } => steps.applied(&desired, result),
    }
    steps.end()
}

/// A step in the making.
#[derive(Debug)]
pub(super) struct Steps {
    pub(super) state: Publication,
    pub(super) actions: Vec<Action>,
    pub(super) now: UnixTime,
    spread: u16,
}

impl Steps {
    pub(super) fn begin(publication: &Publication, now: UnixTime) -> Self {
        let mut state = publication.clone();
        // What is served is in caches from this moment on: every step notes that.
        state.cached_until = state.cached_until(now);
        Self { state, actions: Vec::new(), now, spread: 0 }
    }

    pub(super) fn end(mut self) -> (Publication, Vec<Action>) {
        self.state.revision += 1;
        (self.state, self.actions)
    }

    fn tick(&mut self) {
        self.wait(back_off(self.state.trouble.failures));
        if self.state.phase == Phase::Leaving {
            self.actions.push(Action::Apply(self.state.desired()));
            return;
        }
        if self.state.hold.is_some() {
            // Watched, and nothing else.
            self.wait(WATCH_SECS);
            self.actions.push(Action::LookAtRecords);
            self.look_outside();
            return;
        }
        self.begin_ending();
        let desired = self.state.desired();
        // What was written may have been lost: while nothing comes on it is written again.
        let is_lost = matches!(self.state.phase, Phase::Showing { .. }) && self.state.trouble.failures > 0;
        if (self.state.is_unwritten || is_lost) && desired.id == DesiredText::Leave {
            self.actions.push(Action::Apply(desired));
        }
        match self.state.phase {
            Phase::Quiet => {
                self.watch();
                if self.state.served.is_some() || !self.state.wish.rua.is_empty() {
                    self.actions.push(Action::LookAtRecords);
                }
                self.look_outside();
            }
            Phase::Showing { .. } => {
                // Before an id is given the live one is looked at: it may not be ours.
                self.state.seen.record = RecordSeen::NotLooked;
                self.actions.extend([Action::Serve, Action::LookAtRecords]);
                self.look_outside();
            }
            Phase::Announcing { .. } => {
                self.state.seen.record = RecordSeen::NotLooked;
                self.actions.push(Action::LookAtRecords);
                self.look_outside();
            }
            Phase::Ending { .. } | Phase::Leaving => self.actions.push(Action::LookAtRecords),
        }
    }

    fn look_outside(&mut self) {
        if let Some(served) = &self.state.served {
            self.actions.push(Action::LookOutside { number: served.number });
        }
    }

    fn body(&mut self, number: u32, seen: BodySeen) {
        let Some(served) = self.state.served.as_ref().filter(|served| served.number == number) else {
            return;
        };
        let binding_secs = served.binding_secs();
        self.state.seen.body = seen.clone();
        self.state.seen.body_at = self.now;
        if self.state.hold.is_some() {
            return;
        }
        match (self.state.phase, seen) {
            (_, BodySeen::NotLooked) | (Phase::Ending { .. } | Phase::Leaving, _) => {}
            (Phase::Showing { keeps_id, .. }, BodySeen::Everywhere) => {
                // RFC 8461 §8.3: the last serving of the old body was at most now.
                self.state.serving_secs = binding_secs;
                self.announce(number, keeps_id);
            }
            (Phase::Announcing { .. }, BodySeen::Everywhere) => {
                if self.may_write_id() {
                    self.actions.push(Action::Apply(self.state.desired()));
                }
            }
            (Phase::Showing { .. } | Phase::Announcing { .. }, BodySeen::NotYet(text)) => {
                self.stuck(format!("the policy is not yet seen from outside as it is to be: {text}"));
            }
            (Phase::Showing { .. } | Phase::Announcing { .. }, BodySeen::Unknown(text)) => {
                self.stuck(format!("the policy could not be looked at from outside: {text}"));
            }
            (Phase::Quiet, BodySeen::Everywhere) => {
                self.actions.push(Action::Resolve(Rule::PolicyDrift, "The policy is served as it is to be."));
            }
            (Phase::Quiet, BodySeen::NotYet(text)) => {
                // Perhaps the host's records are gone: with the next look at the records they are written again.
                self.state.is_unwritten = true;
                self.actions.push(Action::Raise(Rule::PolicyDrift, text));
            }
            // Perhaps it is this side that sees nothing: no drift was seen.
            (Phase::Quiet, BodySeen::Unknown(_)) => {}
        }
    }

    /// Gives the body, which is live everywhere, its id.
    fn announce(&mut self, number: u32, keeps_id: bool) {
        if !self.may_write_id() {
            let text = said(&self.state.seen.record);
            self.stuck(format!("the _mta-sts record could not be looked at before its id changes: {text}"));
            return;
        }
        if !(keeps_id && self.state.id.is_some()) {
            let Some((id, clock)) = ids::next(self.now, self.state.id_clock, &self.state.ids) else {
                self.stuck("no id can be made of the time: the clock is wrong".to_owned());
                return;
            };
            self.actions.push(Action::announced(&self.state.domain, number, &id, self.now));
            self.state.id_clock = clock;
            self.state.remember(&id);
            self.state.id = Some(id);
        }
        self.state.phase = Phase::Announcing { since: self.now, body_seen_at: self.now };
        self.state.trouble = Trouble::default();
        self.wait(BACK_OFF_SECS);
        let over = "The policy is served as it is to be.";
        self.actions.extend([
            Action::Resolve(Rule::PublishStuck, over),
            Action::Resolve(Rule::PolicyDrift, over),
            Action::Apply(self.state.desired()),
        ]);
    }

    /// Whether what the record says is known, and is nobody else's. Else a state that was restored from a backup could take the
    /// record back.
    fn may_write_id(&self) -> bool {
        match self.state.seen.record {
            RecordSeen::NotLooked | RecordSeen::Unknown(_) | RecordSeen::Other(_) => false,
            RecordSeen::Live { .. }
            | RecordSeen::Partly(_)
            | RecordSeen::Older(_)
            | RecordSeen::Absent
            | RecordSeen::Broken(_) => true,
        }
    }

    fn records(&mut self, look: &RecordLook) {
        let seen = look.mta_sts(&self.state);
        let reporting = look.reporting(&self.state);
        self.state.seen.record = seen.clone();
        self.state.seen.reporting = reporting;
        self.state.seen.records_at = self.now;
        if self.state.is_held_for_id() && is_as_it_was(&self.state, &seen) {
            self.state.hold = None;
            self.state.due_at = self.now;
            self.actions.push(Action::Resolve(Rule::PublishHeld, "The record is as it was."));
            return;
        }
        if self.state.hold.is_some() || self.state.phase == Phase::Leaving {
            return;
        }
        if let RecordSeen::Other(id) = seen {
            let hold = Hold::ForeignId { id };
            self.actions.push(Action::Raise(Rule::PublishHeld, hold.text(&self.state.domain)));
            self.state.hold = Some(hold);
            self.wait(WATCH_SECS);
            return;
        }
        match self.state.phase {
            Phase::Quiet => {
                self.watch_reporting();
                self.watch_record(&seen);
                if self.state.phase == Phase::Quiet && self.state.is_unwritten && self.may_write_id() {
                    self.actions.push(Action::Apply(self.state.desired()));
                }
            }
            Phase::Announcing { body_seen_at, .. } => self.confirm(&seen, body_seen_at),
            Phase::Ending { since, gone_at } => self.end_when_gone(&seen, since, gone_at),
            Phase::Showing { .. } | Phase::Leaving => {}
        }
    }

    /// Whether the id is live everywhere.
    fn confirm(&mut self, seen: &RecordSeen, body_seen_at: UnixTime) {
        let RecordSeen::Live { ttl_secs } = *seen else {
            self.stuck(format!("the new id is not yet seen on every name server: {}", said(seen)));
            return;
        };
        let Some(served) = &mut self.state.served else { return };
        let is_new = served.announced_at.is_none();
        served.announced_at = Some(self.now);
        self.state.live =
            Some(Live { number: served.number, body_at: body_seen_at, id_at: self.now, ttl_secs });
        if is_new && served.policy.mode() == Mode::Testing {
            self.state.tested = served.mx_set();
        }
        self.state.phase = Phase::Quiet;
        self.state.trouble = Trouble::default();
        self.watch();
        self.actions.extend(Action::note(&self.state, None));
        let over = "The record is live on every name server.";
        self.actions.extend([Rule::PublishStuck, Rule::RecordDrift].map(|rule| Action::Resolve(rule, over)));
    }

    fn watch_record(&mut self, seen: &RecordSeen) {
        if self.state.id.is_none() {
            return;
        }
        match seen {
            RecordSeen::Live { ttl_secs } => {
                if let Some(live) = &mut self.state.live {
                    live.ttl_secs = *ttl_secs;
                }
                if !self.state.is_unwritten {
                    self.actions
                        .push(Action::Resolve(Rule::RecordDrift, "The records are as they are to be."));
                }
            }
            RecordSeen::Unknown(_) | RecordSeen::NotLooked | RecordSeen::Other(_) => {}
            RecordSeen::Absent | RecordSeen::Older(_) | RecordSeen::Partly(_) | RecordSeen::Broken(_) => {
                let text = format!("the _mta-sts record is not as it is to be: {}", said(seen));
                self.actions.push(Action::Raise(Rule::RecordDrift, text));
                // The same id again, once the body was looked at.
                let body_seen_at = self.state.live.map_or(self.now, |live| live.body_at);
                self.state.phase = Phase::Announcing { since: self.now, body_seen_at };
                self.wait(BACK_OFF_SECS);
            }
        }
    }

    fn watch_reporting(&mut self) {
        let DesiredText::Is(_) = self.state.desired().reporting else { return };
        match &self.state.seen.reporting {
            RecordSeen::NotLooked | RecordSeen::Unknown(_) => {}
            RecordSeen::Live { .. } => {
                self.state.was_reporting = true;
                // With an id, the other record has its say as well.
                if self.state.id.is_none() {
                    let over = "The record is as it is to be.";
                    self.actions.push(Action::Resolve(Rule::RecordDrift, over));
                }
            }
            seen => {
                // Not there yet is no drift: the plan says what is to be done.
                let is_new =
                    *seen == RecordSeen::Absent && !self.state.was_reporting && self.state.served.is_none();
                if !is_new {
                    let text = format!("the _smtp._tls record is not as it is to be: {}", said(seen));
                    self.actions.push(Action::Raise(Rule::RecordDrift, text));
                }
                self.state.is_unwritten = true;
            }
        }
    }

    fn applied(&mut self, desired: &Desired, result: Result<Applied, RecordsFailure>) {
        if *desired != self.state.desired() {
            // Of an order that was given up meanwhile.
            return;
        }
        match result {
            Ok(Applied::Written | Applied::ByHand) => {
                self.state.is_unwritten = false;
                if matches!(desired.reporting, DesiredText::Is(_)) {
                    self.state.has_reporting = true;
                }
                match self.state.phase {
                    Phase::Announcing { .. } => self.actions.push(Action::LookAtRecords),
                    Phase::Leaving => {
                        self.actions.extend([Action::ended(&self.state, self.now), Action::Forget]);
                    }
                    Phase::Quiet | Phase::Showing { .. } | Phase::Ending { .. } => {}
                }
            }
            Err(failure) => {
                let is_final = matches!(failure, RecordsFailure::Refused(_));
                self.state.is_unwritten = true;
                self.stuck(failure.to_string());
                if is_final {
                    self.actions.push(Action::Raise(Rule::PublishStuck, failure.to_string()));
                }
            }
        }
    }

    /// Nothing came of this round.
    pub(super) fn stuck(&mut self, text: String) {
        let trouble = &mut self.state.trouble;
        if trouble.failures == 0 {
            trouble.since = self.now;
        }
        trouble.failures = trouble.failures.saturating_add(1);
        trouble.text.clone_from(&text);
        let failures = trouble.failures;
        self.wait(back_off(failures));
        if failures >= STUCK_AFTER {
            self.actions.push(Action::Raise(Rule::PublishStuck, text));
        }
    }

    fn watch(&mut self) {
        let until = match self.ends_at() {
            Some(at) if at > self.now => (at - self.now).min(WATCH_SECS),
            _ => WATCH_SECS,
        };
        self.wait(until);
    }

    /// Looks again in so many seconds, and up to an eighth more.
    fn wait(&mut self, secs: i64) {
        let more = secs / 8 * i64::from(self.spread) / i64::from(u16::MAX);
        self.state.due_at = self.now.saturating_add(secs + more);
    }
}

fn back_off(failures: u32) -> i64 {
    (BACK_OFF_SECS << failures.min(8)).min(WATCH_SECS)
}

/// For how long the record may be remembered after it was changed, in seconds.
pub(super) fn ttl_of(state: &Publication) -> i64 {
    i64::from(state.live.map_or(UNSEEN_TTL_SECS, |live| live.ttl_secs).min(MOST_TTL_SECS)) + MARGIN_SECS
}

/// Whether the record is again what this side last made of it.
fn is_as_it_was(state: &Publication, seen: &RecordSeen) -> bool {
    match seen {
        RecordSeen::Live { .. } => true,
        RecordSeen::Absent => state.id.is_none(),
        _ => false,
    }
}

pub(super) fn said(seen: &RecordSeen) -> &str {
    match seen {
        RecordSeen::NotLooked => "it was not looked at",
        RecordSeen::Live { .. } => "it is live",
        RecordSeen::Absent => "there is no such record",
        RecordSeen::Partly(text)
        | RecordSeen::Older(text)
        | RecordSeen::Other(text)
        | RecordSeen::Broken(text)
        | RecordSeen::Unknown(text) => text,
    }
}
