//! One domain looked after: step, keep, do, see, step again, until nothing more is asked for.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::future::{Either, select};

use super::super::action::Action;
use super::super::command::{Command, command};
use super::super::ledger::Entry;
use super::super::publication::{Desired, DesiredText, Publication};
use super::super::step::{At, Observation, step};
use super::{Inner, OrderError};
use crate::alert::Rule;
use crate::ports::publish::{
    Applied, Authorities, Hosts, KeptVersion, Ledger, Publications, Put, Records, RecordsFailure,
};
use crate::ports::{Clock, StoreError, World};

/// A driver of records that answers later than this has not answered.
const APPLY_LIMIT: Duration = Duration::from_secs(120);
/// Actions that follow from each other in one round, at most.
const MOST_ACTIONS: usize = 64;
/// Changes by other processes are waited out so many times.
const MOST_CONFLICTS: usize = 8;

/// Nothing more can be done in this round.
#[derive(Debug)]
pub(super) struct Stop;

impl<W, A, R, H, S, L, C> Inner<W, A, R, H, S, L, C>
where
    W: World,
    A: Authorities,
    R: Records,
    H: Hosts,
    S: Publications,
    L: Ledger,
    C: Clock,
{
    /// Looks after a domain whose time has come.
    pub(super) async fn look_after(&self, domain: &str) -> Result<(), Stop> {
        let mut queue = VecDeque::from(self.see(domain, Observation::Tick).await?);
        for _ in 0..MOST_ACTIONS {
            let Some(action) = queue.pop_front() else { break };
            if let Some(observation) = self.act(domain, action).await? {
                // What follows from what was seen comes before what is left.
                for action in self.see(domain, observation).await?.into_iter().rev() {
                    queue.push_front(action);
                }
            }
        }
        Ok(())
    }

    /// Obeys an order: kept, written to the ledger and served when it returns; the rest follows by itself.
    pub(super) async fn obey(&self, domain: &str, order: &Command) -> Result<Publication, OrderError> {
        let work = async {
            for _ in 0..MOST_CONFLICTS {
                let before =
                    self.read(domain).await?.ok_or_else(|| OrderError::Unmanaged(domain.to_owned()))?;
                let (after, actions) = command(&before, order.clone(), self.parts.clock.now())?;
                if self.keep(&after, &actions).await? == Put::Kept {
                    // A ledger that cannot be written is an alert, and is tried again; the order holds.
                    drop(self.do_at_once(&after, actions).await);
                    return Ok(after);
                }
            }
            Err(OrderError::Store(changing_all_the_time(domain)))
        };
        self.changing.within(domain.to_owned(), work).await
    }

    /// Takes in what was seen, and gives back what is to be done about it.
    async fn see(&self, domain: &str, observation: Observation) -> Result<Vec<Action>, Stop> {
        let work = async {
            for _ in 0..MOST_CONFLICTS {
                let Some(before) = self.read_or_tell(domain).await? else { return Err(Stop) };
                let at = At { now: self.parts.clock.now(), spread: (self.options.random)() };
                let (after, actions) = step(&before, observation.clone(), at);
                let is_idle =
                    actions.is_empty() && after == Publication { revision: after.revision, ..before };
                if is_idle {
                    return Ok(Vec::new());
                }
                match self.keep(&after, &actions).await {
                    Ok(Put::Kept) => return self.do_at_once(&after, actions).await,
                    Ok(Put::Conflict) => {}
                    Err(error) => return Err(self.tell_not_kept(domain, &error)),
                }
            }
            Err(Stop)
        };
        self.changing.within(domain.to_owned(), work).await
    }

    pub(super) async fn read(&self, domain: &str) -> Result<Option<Publication>, StoreError> {
        match self.parts.store.publication(domain).await? {
            Some(row) => Publication::from_row(&row).map(Some),
            None => Ok(None),
        }
    }

    async fn read_or_tell(&self, domain: &str) -> Result<Option<Publication>, Stop> {
        match self.read(domain).await {
            Ok(read) => Ok(read),
            Err(error) => Err(self.tell_not_kept(domain, &error)),
        }
    }

    fn tell_not_kept(&self, domain: &str, error: &StoreError) -> Stop {
        let text = format!("what is published for {domain} cannot be read or kept: {error}");
        self.alerts.raise(Rule::PublishNotKept, domain, self.parts.clock.now(), text);
        Stop
    }

    pub(super) async fn keep(&self, after: &Publication, actions: &[Action]) -> Result<Put, StoreError> {
        let noted = |action: &Action| match action {
            Action::Note(version) => Some(version.clone()),
            _ => None,
        };
        let versions: Vec<KeptVersion> = actions.iter().filter_map(noted).collect();
        self.parts.store.put_publication(after.to_row(), versions).await
    }

    /// Does what belongs to the change itself, in order; gives back what takes time.
    pub(super) async fn do_at_once(
        &self,
        after: &Publication,
        actions: Vec<Action>,
    ) -> Result<Vec<Action>, Stop> {
        let (domain, now) = (after.domain.as_str(), self.parts.clock.now());
        let mut later = Vec::new();
        let mut is_blocked = false;
        for action in actions {
            match action {
                Action::Note(_) => {}
                Action::Raise(rule, text) => self.alerts.raise(rule, domain, now, text),
                Action::Resolve(rule, text) => self.alerts.resolve(rule, domain, now, text),
                Action::Write(entry) => {
                    self.unwritten().entry(domain.to_owned()).or_default().push(entry);
                    is_blocked |= !self.write_ledger(domain).await;
                }
                Action::Serve => {
                    is_blocked |= !self.write_ledger(domain).await;
                    if !is_blocked {
                        let body = after.served.as_ref().map(|served| served.body.clone());
                        self.parts.hosts.serve(domain, body);
                    }
                }
                action => later.push(action),
            }
        }
        // What is not in the ledger is not announced either.
        if is_blocked { Err(Stop) } else { Ok(later) }
    }

    /// Writes what is still to be written of a domain. Whether all of it is.
    async fn write_ledger(&self, domain: &str) -> bool {
        let Some(entries) = self.unwritten().get(domain).cloned() else { return true };
        let written = self.parts.ledger.append(entries.iter().map(Entry::to_line).collect()).await;
        let now = self.parts.clock.now();
        match written {
            Ok(()) => {
                self.unwritten().remove(domain);
                self.alerts.resolve(Rule::PublishNotKept, domain, now, "It is written.");
                true
            }
            Err(error) => {
                let text = format!(
                    "the ledger of what {domain} publishes cannot be written ({error}); until it can, nothing new of it is \
                     served"
                );
                self.alerts.raise(Rule::PublishNotKept, domain, now, text);
                false
            }
        }
    }

    /// Does something that takes time, and tells what came of it.
    async fn act(&self, domain: &str, action: Action) -> Result<Option<Observation>, Stop> {
        match action {
            Action::Apply(desired) => {
                let work = async {
                    let Some(state) = self.read_or_tell(domain).await? else { return Err(Stop) };
                    if state.desired() != desired {
                        // An order came between: what is wanted now is asked for in the next round.
                        return Err(Stop);
                    }
                    Ok(self.apply(&state, &desired).await)
                };
                // While a record is taken away no order brings it back: orders wait. Anything else that is written late does
                // no harm, and is seen.
                let result = match desired.id {
                    DesiredText::Absent => self.changing.within(domain.to_owned(), work).await?,
                    DesiredText::Leave | DesiredText::Is(_) => work.await?,
                };
                Ok(Some(Observation::Applied { desired, result }))
            }
            Action::LookAtRecords => {
                let Some(state) = self.read_or_tell(domain).await? else { return Err(Stop) };
                Ok(Some(Observation::Records(self.look_at_records(&state.domain).await)))
            }
            Action::LookOutside { number } => {
                let Some(state) = self.read_or_tell(domain).await? else { return Err(Stop) };
                let Some(served) = state.served.filter(|served| served.number == number) else {
                    return Ok(None);
                };
                let seen = self.look_outside(&state.domain, &served.body).await;
                Ok(Some(Observation::Body { number, seen }))
            }
            Action::Forget => {
                let Some(state) = self.read_or_tell(domain).await? else { return Err(Stop) };
                match self.parts.store.remove_publication(domain, state.revision).await {
                    Ok(_) => self.parts.hosts.serve(domain, None),
                    Err(error) => return Err(self.tell_not_kept(domain, &error)),
                }
                Err(Stop)
            }
            Action::Note(_) | Action::Write(_) | Action::Serve | Action::Raise(..) | Action::Resolve(..) => {
                Ok(None)
            }
        }
    }

    pub(super) async fn apply(
        &self,
        state: &Publication,
        desired: &Desired,
    ) -> Result<Applied, RecordsFailure> {
        let sets = (self.options.sets)(state, desired).map_err(RecordsFailure::Refused)?;
        let write = std::pin::pin!(self.parts.records.apply(state.domain.as_str(), sets));
        let limit = std::pin::pin!(self.parts.world.sleep(APPLY_LIMIT));
        match select(write, limit).await {
            Either::Left((result, _)) => result,
            Either::Right(((), _)) => Err(RecordsFailure::Later("no answer in time".to_owned())),
        }
    }
}

pub(super) fn changing_all_the_time(domain: &str) -> StoreError {
    StoreError::Unavailable(format!("{domain} is being changed by somebody else all the time"))
}
