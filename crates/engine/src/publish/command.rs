//! What the owner orders, and when it is refused.
//!
//! Pure: the state and the order in, the state and what is to be done out. Only here do mode, MX patterns and max_age change.

use bytes::Bytes;
use mta_sts::policy::{MaxAge, Mode, Policy};
use mta_sts::record::PolicyId;

use super::action::Action;
use super::ids;
use super::ledger::Entry;
use super::publication::{Hold, IDS_REMEMBERED, Member, Phase, Publication, Version};
use super::step::Steps;
use super::{Stage, Wish, WishError};
use crate::alert::Rule;
use crate::facts::UnixTime;

/// An id that says a time further ahead than this is not counted on from, in seconds.
const FAR_AHEAD_SECS: i64 = 10 * 31_557_600;

/// What the owner orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// This is to be published.
    Change {
        /// What.
        wish: Wish,
        /// The group that it comes from.
        member: Option<Member>,
        /// The owner insists on what would be refused as [`Refusal::Untested`].
        i_know: bool,
    },
    /// A new id for what is served, for senders that caught the old body under the new id.
    Reannounce,
    /// Mode none until nobody can hold a policy, then the record and the host go (RFC 8461 §8.3).
    WindDown,
    /// The domain is no longer managed.
    Remove,
    /// A domain that already publishes, or is held, is taken over as it is.
    Adopt(Adoption),
}

/// What is taken over. The wish is the owner's, who was shown what is live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adoption {
    /// What is to be published from now on.
    pub wish: Wish,
    /// The group that it follows.
    pub member: Option<Member>,
    /// The id of the live record, if there is one.
    pub live_id: Option<PolicyId>,
    /// The policy that is live, if there is one, as it is served.
    pub live: Option<(Policy, Bytes)>,
    /// The owner insists on what would be refused as [`Refusal::Weaker`].
    pub i_know: bool,
}

/// Why an order is refused. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It cannot be published: the owner corrects it.
    #[error("it cannot be published: {0}")]
    Wish(#[from] WishError),
    /// The owner looks and adopts first.
    #[error("{0}")]
    Held(String),
    /// A sender may hold a policy until then: the owner winds down first, and waits.
    #[error("senders may hold its policy until {}: wind it down first, and remove it then", said(*.until))]
    Strands {
        /// When the last sender will have dropped it, if it is wound down now.
        until: UnixTime,
    },
    /// It is being removed.
    #[error("the domain is being removed")]
    Leaving,
    /// The owner publishes it in testing first, or insists.
    #[error(
        "these MX hosts were not yet published in mode testing: publish that first and read the reports, or insist with --i-know"
    )]
    Untested,
    /// There is nothing to wind down or to announce again.
    #[error("no policy is served for it")]
    NothingServed,
    /// The owner changes it, which is not adopting it.
    #[error("it is managed and not held: there is nothing to adopt")]
    NothingToAdopt,
    /// The owner imports what is live, or insists.
    #[error(
        "that is weaker than what is live ({0}): import the live mode and MX hosts, or insist with --i-know"
    )]
    Weaker(&'static str),
}

fn said(at: UnixTime) -> String {
    jiff::Timestamp::from_second(at).map_or_else(|_| at.to_string(), |at| at.to_string())
}

/// Obeys, or refuses.
///
/// # Errors
/// [`Refusal`].
pub fn command(
    publication: &Publication,
    command: Command,
    now: UnixTime,
) -> Result<(Publication, Vec<Action>), Refusal> {
    let mut steps = Steps::begin(publication, now);
    let state = &steps.state;
    if let (Some(hold), false) = (&state.hold, matches!(command, Command::Adopt(_))) {
        return Err(Refusal::Held(hold.text(&state.domain)));
    }
    if state.phase == Phase::Leaving && command != Command::Remove {
        return Err(Refusal::Leaving);
    }
    match command {
        Command::Change { wish, member, i_know } => steps.change(wish, member, i_know)?,
        Command::WindDown => steps.wind_down()?,
        Command::Reannounce => steps.reannounce()?,
        Command::Remove => steps.remove()?,
        Command::Adopt(adoption) => steps.adopt(adoption)?,
    }
    steps.state.due_at = now;
    Ok(steps.end())
}

impl Steps {
    fn change(&mut self, wish: Wish, member: Option<Member>, i_know: bool) -> Result<(), Refusal> {
        wish.reporting_record()?;
        let policy = wish.policy()?;
        match &policy {
            None if self.state.served.is_some() => {
                return Err(Refusal::Strands { until: self.state.cached_until(self.now) });
            }
            None => {}
            Some(policy) => match policy.mode() {
                Mode::None if self.state.served.is_none() => return Err(Refusal::NothingServed),
                Mode::Enforce if !i_know && !self.is_tested(policy) => return Err(Refusal::Untested),
                Mode::None | Mode::Testing | Mode::Enforce => {}
            },
        }
        self.state.wish = wish;
        self.state.member = member;
        self.state.is_unwritten = true;
        if let Some(policy) = policy {
            let body = Bytes::from(policy.to_body().map_err(WishError::from)?);
            if self.state.served.as_ref().is_none_or(|served| served.body != body) {
                self.serve(policy, body, false);
            }
        }
        Ok(())
    }

    /// Whether enforcing these MX hosts was tried: it is what is enforced already, or its very set was announced in testing. An
    /// MX change under enforce is the owner's plan with its dates, which has no use for a step back to testing.
    fn is_tested(&self, policy: &Policy) -> bool {
        let enforces = |served: &Version| served.policy.mode() == Mode::Enforce;
        let mut set = policy.mx().to_vec();
        set.sort_unstable();
        set.dedup();
        self.state.served.as_ref().is_some_and(enforces) || self.state.tested == set
    }

    fn wind_down(&mut self) -> Result<(), Refusal> {
        let wish = Wish { stage: Stage::WindingDown, max_age: None, ..self.state.wish.clone() };
        let member = None;
        match &self.state.served {
            None => Err(Refusal::NothingServed),
            // RFC 8461 §8.3: a new policy with mode none and a small max_age, then a new id; the same way as any change.
            Some(_) => self.change(wish, member, true),
        }
    }

    fn reannounce(&mut self) -> Result<(), Refusal> {
        match self.state.phase {
            _ if self.state.served.is_none() => Err(Refusal::NothingServed),
            Phase::Ending { .. } | Phase::Leaving => Err(Refusal::NothingServed),
            // It gets a new id anyway.
            Phase::Showing { keeps_id: false, .. } => Ok(()),
            Phase::Quiet | Phase::Showing { .. } | Phase::Announcing { .. } => {
                self.state.phase = Phase::Showing { since: self.now, keeps_id: false };
                Ok(())
            }
        }
    }

    fn remove(&mut self) -> Result<(), Refusal> {
        let until = self.state.cached_until(self.now);
        // RFC 8461 §8.3: also a policy of mode none goes in order, its record first.
        if self.state.served.is_some() || until > self.now {
            return Err(Refusal::Strands { until });
        }
        self.state.phase = Phase::Leaving;
        self.state.is_unwritten = true;
        Ok(())
    }

    fn adopt(&mut self, adoption: Adoption) -> Result<(), Refusal> {
        let Adoption { wish, member, live_id, live, i_know } = adoption;
        if self.state.hold.is_none() && (self.state.served.is_some() || self.state.id.is_some()) {
            return Err(Refusal::NothingToAdopt);
        }
        wish.reporting_record()?;
        let policy = wish.policy()?;
        let before = live.as_ref().map(|(policy, _)| policy);
        let before = [before, self.state.served.as_ref().map(|served| &served.policy)];
        for before in before.into_iter().flatten() {
            if let Some(what) = weaker(before, policy.as_ref()).filter(|_| !i_know) {
                return Err(Refusal::Weaker(what));
            }
        }
        let is_held = self.state.hold.is_some();
        let Some(policy) = policy else {
            // Reports alone: then nothing may be live that its senders could hold.
            if live.is_some() || self.state.served.is_some() || live_id.is_some() {
                return Err(Refusal::Strands { until: self.now + i64::from(MaxAge::MAX.as_secs()) });
            }
            (self.state.wish, self.state.member, self.state.hold) = (wish, member, None);
            self.state.is_unwritten = true;
            return Ok(());
        };
        let body = Bytes::from(policy.to_body().map_err(WishError::from)?);
        if live.is_some() || live_id.is_some() || is_held {
            // What was served before is not known: the longest that RFC 8461 §3.2 allows. The old host may go on serving it
            // until ours is seen everywhere.
            self.state.serving_secs = MaxAge::MAX.as_secs();
        }
        let is_same = live.as_ref().is_some_and(|(_, live)| *live == body) && live_id.is_some();
        if let Some(id) = &live_id {
            self.state.remember(id);
            if let Some(at) = ids::time_of(id).filter(|at| *at < self.now + FAR_AHEAD_SECS) {
                self.state.id_clock = self.state.id_clock.max(at);
            }
        }
        self.state.id = live_id;
        (self.state.wish, self.state.member, self.state.hold) = (wish, member, None);
        self.state.is_unwritten = true;
        self.actions.push(Action::Resolve(Rule::PublishHeld, "The domain was adopted."));
        if self.state.served.as_ref().is_some_and(|served| served.body == body) {
            self.state.phase = Phase::Showing { since: self.now, keeps_id: is_same };
        } else {
            self.serve(policy, body, is_same);
        }
        Ok(())
    }

    /// Serves a new body. Its id comes when it is seen everywhere.
    fn serve(&mut self, policy: Policy, body: Bytes, keeps_id: bool) {
        self.actions.extend(Action::note(&self.state, Some(self.now)));
        let number = self.state.last_number.saturating_add(1);
        let version = Version { number, body, policy, first_served_at: self.now, announced_at: None };
        // Until the new one is seen everywhere the old one may be served, somewhere.
        self.state.serving_secs = self.state.serving_secs.max(version.binding_secs());
        self.state.cached_until = self.state.cached_until(self.now);
        self.state.last_number = number;
        self.actions.push(Action::Write(Entry::Served {
            domain: self.state.domain.as_str().to_owned(),
            number,
            body: String::from_utf8_lossy(&version.body).into_owned(),
            max_age: version.policy.max_age().as_secs(),
            at: self.now,
        }));
        self.state.served = Some(version);
        self.state.phase = Phase::Showing { since: self.now, keeps_id };
        self.state.trouble = super::publication::Trouble::default();
        self.actions.extend(Action::note(&self.state, None));
        self.actions.push(Action::Serve);
    }
}

/// What of the policy before is given up by this one.
fn weaker(before: &Policy, after: Option<&Policy>) -> Option<&'static str> {
    let rank = |mode| match mode {
        Mode::None => 0,
        Mode::Testing => 1,
        Mode::Enforce => 2,
    };
    let mode = after.map_or(Mode::None, Policy::mode);
    if rank(mode) < rank(before.mode()) {
        return Some("its mode");
    }
    let is_kept = |pattern| after.is_some_and(|after| after.mx().contains(pattern));
    if before.mode() != Mode::None && !before.mx().iter().all(is_kept) {
        return Some("an MX host of it is missing");
    }
    None
}

impl Publication {
    /// Notes an id that was given or adopted.
    pub(super) fn remember(&mut self, id: &PolicyId) {
        self.ids.retain(|known| known != id);
        self.ids.push(id.clone());
        let surplus = self.ids.len().saturating_sub(IDS_REMEMBERED);
        self.ids.drain(..surplus);
    }

    /// Whether it is held for a record that somebody else wrote.
    pub(super) fn is_held_for_id(&self) -> bool {
        matches!(self.hold, Some(Hold::ForeignId { .. }))
    }
}
