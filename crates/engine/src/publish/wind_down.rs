//! The end of a policy (RFC 8461 §8.3, D19): mode none until nobody can hold what was served before; then the record goes, and
//! when it has left the caches as well, the host.

use super::Stage;
use super::action::Action;
use super::ledger::Entry;
use super::publication::{Phase, Publication, RecordSeen, Trouble};
use super::step::{Steps, ttl_of};
use crate::facts::UnixTime;

impl Steps {
    /// When the record may go, if the policy is being wound down and everybody was told.
    pub(super) fn ends_at(&self) -> Option<UnixTime> {
        let winds_down = self.state.wish.stage == Stage::WindingDown
            && self.state.phase == Phase::Quiet
            && self.state.served.as_ref().is_some_and(|served| served.binding_secs() == 0);
        winds_down.then(|| self.state.cached_until(self.now))
    }

    /// Begins it when its time has come.
    pub(super) fn begin_ending(&mut self) {
        if self.ends_at().is_some_and(|at| at <= self.now) {
            self.state.phase = Phase::Ending { since: self.now, gone_at: None };
            self.state.trouble = Trouble::default();
        }
    }

    /// The record is to be gone; once it is, for longer than anybody remembers it, the host goes.
    pub(super) fn end_when_gone(&mut self, seen: &RecordSeen, since: UnixTime, gone_at: Option<UnixTime>) {
        match seen {
            RecordSeen::Absent => {
                let gone_at = gone_at.unwrap_or(self.now);
                let free_at = gone_at + ttl_of(&self.state);
                if free_at <= self.now {
                    self.end_serving();
                } else {
                    self.state.phase = Phase::Ending { since, gone_at: Some(gone_at) };
                    self.state.due_at = free_at;
                }
            }
            RecordSeen::Unknown(text) => {
                self.stuck(format!("whether the _mta-sts record is gone could not be seen: {text}"));
            }
            seen => {
                self.state.phase = Phase::Ending { since, gone_at: None };
                self.actions.push(Action::Apply(self.state.desired()));
                self.stuck(format!("the _mta-sts record is still there: {}", super::step::said(seen)));
            }
        }
    }

    fn end_serving(&mut self) {
        if self.state.cached_until(self.now) > self.now {
            // Somebody may hold it all the same: as if the time had not come.
            self.state.phase = Phase::Quiet;
            return;
        }
        self.actions.extend(Action::note(&self.state, Some(self.now)));
        self.actions.push(Action::ended(&self.state, self.now));
        self.state.served = None;
        self.state.id = None;
        self.state.live = None;
        self.state.tested.clear();
        self.state.wish.stage = Stage::Reporting;
        self.state.phase = Phase::Quiet;
        self.state.is_unwritten = true;
        self.state.trouble = Trouble::default();
        self.state.due_at = self.now;
        self.actions.push(Action::Serve);
    }
}

impl Action {
    pub(super) fn ended(publication: &Publication, at: UnixTime) -> Self {
        let domain = publication.domain.as_str().to_owned();
        Self::Write(Entry::Ended { domain, number: publication.last_number, at })
    }
}
