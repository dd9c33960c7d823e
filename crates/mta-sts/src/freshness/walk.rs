//! Every reachable state of [`Freshness`], walked to closure over all inputs, with what must hold at each
//! step.
//!
//! Time is made finite: it moves in steps of 150 seconds, forward and back; policies live 600 seconds or
//! none; states are compared by their times relative to now, with what no longer makes a difference (how
//! long something is overdue) rounded off. Beside each state stands what an observer outside remembers, so
//! that the state's own memory is not its only witness.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::{
    Action, Alert, BACK_OFF_SECS, FLIGHT_LIMIT_SECS, FetchOutcome, Flight, Freshness, Holding, Input,
    Recheck, Rechecked, RecordOutcome, RecordState, Spread, Why,
};
use crate::Timestamp;
use crate::mx::MxPattern;
use crate::policy::{MaxAge, Mode, Policy};
use crate::record::PolicyId;
use crate::response::FetchFailure;

const LIFE: i64 = 600;
const STEP: i64 = 150;
const NOW: Timestamp = Timestamp::from_unix(0);

/// A state at time 0, and what an observer remembers of the way there.
#[derive(Clone)]
struct Seen {
    state: Freshness,
    /// When the latest fetch failed for each id, while five minutes are not over.
    failed_at: [Option<i64>; 2],
    /// Somebody asked before a permanent failure and has no answer yet.
    asked: bool,
    /// Since then a record or a policy has come.
    looked: bool,
}

struct World {
    ids: [PolicyId; 2],
    policies: [Arc<Policy>; 4],
}

impl World {
    fn new() -> Self {
        let policy = |mode, mx: &str, age| {
            let age = MaxAge::from_secs(age).unwrap();
            Arc::new(Policy::new(mode, age, vec![MxPattern::parse(mx).unwrap()], vec![]).unwrap())
        };
        let life = LIFE.unsigned_abs();
        Self {
            ids: ["a", "b"].map(|id| PolicyId::parse(id).unwrap()),
            policies: [
                policy(Mode::Enforce, "old.example", life),
                policy(Mode::Enforce, "new.example", life),
                policy(Mode::None, "old.example", life),
                policy(Mode::Enforce, "old.example", 0),
            ],
        }
    }

    fn inputs(&self) -> Vec<Input> {
        let mut inputs = vec![Input::Needed, Input::Timer, Input::AboutToFail];
        let absent = [RecordOutcome::Absent, RecordOutcome::Malformed, RecordOutcome::DnsFailed];
        inputs.extend(absent.into_iter().map(Input::Record));
        for id in &self.ids {
            inputs.push(Input::Record(RecordOutcome::Found(id.clone())));
            let fetch = |outcome| Input::Fetch { id: id.clone(), outcome };
            inputs.push(fetch(FetchOutcome::Failed(FetchFailure::Unreachable)));
            inputs.extend(self.policies.iter().map(|policy| fetch(FetchOutcome::Policy(Arc::clone(policy)))));
        }
        inputs
    }

    fn id_number(&self, id: &PolicyId) -> u8 {
        if *id == self.ids[0] { 0 } else { 1 }
    }

    /// All that makes a difference, as bytes.
    fn key(&self, seen: &Seen) -> Vec<u8> {
        let steps = |seconds: i64| i8::try_from(seconds / STEP).unwrap().to_be_bytes()[0];
        let time = |time: Timestamp| steps(time.as_unix());
        let mut key = Vec::with_capacity(24);
        key.extend([u8::from(seen.asked), u8::from(seen.looked)]);
        key.extend(seen.failed_at.map(|at| at.map_or(u8::MAX, |at| steps(-at))));
        if let Holding::Policy(held) = &seen.state.holding {
            let policy = self.policies.iter().position(|policy| Arc::ptr_eq(policy, &held.policy)).unwrap();
            key.extend([u8::try_from(policy).unwrap(), self.id_number(&held.id)]);
            key.extend([u8::try_from(held.failures).unwrap(), time(held.fetched_at), time(held.refresh_at)]);
        }
        key.push(b'/');
        match &seen.state.flight {
            Flight::Idle => {}
            Flight::LookingUp { why, recheck, since } => {
                let (why, recheck) = (*why == Why::Refresh, *recheck == Recheck::Wanted);
                key.extend([0, u8::from(why), u8::from(recheck), time(*since)]);
            }
            Flight::Fetching { id, record, recheck, since } => {
                let (record, recheck) = (*record == RecordState::Found, *recheck == Recheck::Wanted);
                key.extend([1, self.id_number(id), u8::from(record), u8::from(recheck), time(*since)]);
            }
        }
        key.push(b'/');
        for failed in &seen.state.failed {
            key.extend([self.id_number(&failed.id), time(failed.at)]);
        }
        key
    }
}

/// Moves all times so that `now` becomes 0, and rounds off what no longer makes a difference.
fn rebase(seen: &mut Seen, now: i64) {
    let moved = |time: &Timestamp| time.as_unix() - now;
    if let Holding::Policy(held) = &mut seen.state.holding {
        held.fetched_at = Timestamp::from_unix(moved(&held.fetched_at));
        // Overdue is overdue, and a refresh after the policy's end never comes.
        held.refresh_at = Timestamp::from_unix(moved(&held.refresh_at).clamp(0, LIFE + STEP));
        // From the third failure on the next try would come after the end.
        held.failures = held.failures.min(3);
    }
    match &mut seen.state.flight {
        Flight::Idle => {}
        Flight::LookingUp { since, .. } | Flight::Fetching { since, .. } => {
            // A flight this old is lost: `FLIGHT_LIMIT_SECS` is less than a step.
            *since = Timestamp::from_unix(moved(since).max(-STEP));
        }
    }
    for failed in &mut seen.state.failed {
        failed.at = Timestamp::from_unix(moved(&failed.at));
    }
    for at in seen.failed_at.iter_mut().flatten() {
        *at -= now;
    }
}

/// The observer's memory at `now`: a clock set back makes old failures recent, as recent as now.
fn remember(seen: &mut Seen, now: i64) {
    for at in &mut seen.failed_at {
        *at = at.map(|at| at.min(now)).filter(|at| now < at + i64::from(BACK_OFF_SECS));
    }
}

/// One step with all its promises.
fn step(world: &World, before: &Seen, now: i64, input: &Input) -> Seen {
    let mut after = before.clone();
    remember(&mut after, now);
    let time = Timestamp::from_unix(now);
    let (state, actions) = before.state.clone().step(time, Spread::from_fraction(0), input.clone());
    let context = || format!("{:?}\n  at {now}: {input:?}\n  {actions:?}\n  {state:?}", before.state);

    // Whether this input is the policy that was waited for.
    let awaited = match (&before.state.flight, input) {
        (Flight::Fetching { id, .. }, Input::Fetch { id: answered, outcome }) if id == answered => {
            Some(outcome)
        }
        _ => None,
    };
    let arrived = match awaited {
        Some(FetchOutcome::Policy(policy)) => Some(policy),
        _ => None,
    };

    // RFC 8461 §3.3, §5.1: nothing but a fetched policy takes the place of one in force, and what was
    // fetched is.
    let (was, is) = (before.state.in_force(time), state.in_force(time));
    let stays = match (was, is) {
        (Some(was), Some(is)) => Arc::ptr_eq(&was.0.policy, &is.0.policy) && was.id() == is.id(),
        (was, is) => was.is_none() && is.is_none(),
    };
    match arrived {
        Some(policy) => assert!(is.is_some_and(|is| Arc::ptr_eq(&is.0.policy, policy)), "{}", context()),
        None => assert!(stays, "{}", context()),
    }
    // RFC 8461 §3.2: max_age counts from the last fetch. Nothing else extends it, and only the clock
    // shortens it.
    if arrived.is_none()
        && let (Some(was), Some(is)) = (was, is)
    {
        let limit = time.plus(is.policy().max_age().as_secs());
        assert_eq!(is.expires_at(), was.expires_at().min(limit), "{}", context());
    }
    // What has happened has happened by now, also when the clock was set back.
    assert!(state.times_passed().all(|passed| passed <= time), "{}", context());
    // One lookup or fetch at a time.
    let flights =
        actions.iter().filter(|action| matches!(action, Action::LookUpRecord | Action::Fetch { .. })).count();
    assert!(flights <= 1, "{}", context());
    assert_eq!(
        flights == 1,
        state.is_in_flight() && state.flight != undisturbed(&before.state.flight, &state.flight, time),
        "{}",
        context()
    );

    if let Some(FetchOutcome::Failed(_)) = awaited {
        after.note_failure(world, before, now);
    }
    let lost = |since: &Timestamp| time >= since.min(&time).plus(FLIGHT_LIMIT_SECS);
    let gives_up = matches!(input, Input::Needed | Input::Timer | Input::AboutToFail);
    if let Flight::Fetching { since, .. } = &before.state.flight
        && gives_up
        && lost(since)
    {
        after.note_failure(world, before, now);
    }

    if matches!(input, Input::AboutToFail) {
        (after.asked, after.looked) = (true, false);
    } else if matches!(input, Input::Record(_)) && matches!(before.state.flight, Flight::LookingUp { .. })
        || arrived.is_some()
    {
        after.looked = true;
    }
    for action in &actions {
        match action {
            // RFC 8461 §3.3: five minutes between a failure and the next fetch for the same id.
            Action::Fetch { id } => {
                assert_eq!(after.failed_at[usize::from(world.id_number(id))], None, "{}", context());
            }
            // RFC 8461 §5: permission to fail for good only after a look, and only to who asked.
            Action::Rechecked(answer) => {
                assert!(after.asked, "{}", context());
                assert!(*answer != Rechecked::NoNewer || after.looked, "{}", context());
                (after.asked, after.looked) = (false, false);
            }
            Action::Alert(Alert::RefreshFailing { .. }) => {
                let mode = state.held().map(|held| held.policy.mode());
                assert!(mode.is_some_and(|mode| mode != Mode::None), "{}", context());
            }
            Action::Store => assert!(arrived.is_some(), "{}", context()),
            Action::Forget => assert!(before.state.in_force(time).is_none(), "{}", context()),
            Action::WakeAt(at) => assert!(*at > time, "{}", context()),
            Action::Alert(Alert::ExpiredUnrefreshed { .. }) | Action::LookUpRecord | Action::Report(_) => {}
        }
    }
    // Nobody who asked is left waiting with nothing under way.
    assert!(!after.asked || state.is_in_flight(), "{}", context());
    if !after.asked {
        after.looked = false;
    }
    after.state = state;
    after
}

impl Freshness {
    fn times_passed(&self) -> impl Iterator<Item = Timestamp> {
        let since = match &self.flight {
            Flight::Idle => None,
            Flight::LookingUp { since, .. } | Flight::Fetching { since, .. } => Some(*since),
        };
        let fetched_at = self.held().map(|held| held.fetched_at);
        self.failed.iter().map(|failed| failed.at).chain(since).chain(fetched_at)
    }
}

impl Seen {
    fn note_failure(&mut self, world: &World, before: &Self, now: i64) {
        if let Flight::Fetching { id, .. } = &before.state.flight {
            self.failed_at[usize::from(world.id_number(id))] = Some(now);
        }
    }
}

/// The flight before, with what an input may change of it without a new lookup or fetch: the clock set
/// back, and who joins.
fn undisturbed(before: &Flight, after: &Flight, now: Timestamp) -> Flight {
    match (before, after) {
        (Flight::LookingUp { since, .. }, Flight::LookingUp { why, recheck, .. }) => {
            Flight::LookingUp { why: *why, recheck: *recheck, since: (*since).min(now) }
        }
        (Flight::Fetching { id, record, since, .. }, Flight::Fetching { recheck, .. }) => {
            Flight::Fetching { id: id.clone(), record: *record, recheck: *recheck, since: (*since).min(now) }
        }
        _ => before.clone(),
    }
}

/// No state is a dead end: after the limits of a flight and of the back-off the domain is looked at when it
/// is needed, and a policy that is due gets fetched whatever the record says.
fn assert_alive(seen: &Seen) {
    let now = NOW;
    let spread = Spread::from_fraction(0);
    let mut state = seen.state.clone();
    if state.is_in_flight() {
        // Twice: a lookup that is given up may lead to a fetch that is given up.
        state = state.step(now.plus(FLIGHT_LIMIT_SECS), spread, Input::Needed).0;
        state = state.step(now.plus(2 * FLIGHT_LIMIT_SECS), spread, Input::Needed).0;
    }
    let later = now.plus(2 * FLIGHT_LIMIT_SECS + BACK_OFF_SECS);
    let (state, actions) = state.step(later, spread, Input::Needed);
    assert!(state.is_in_flight(), "stuck: {:?}\n  {actions:?}", seen.state);
    if let Flight::LookingUp { why: Why::Refresh, .. } = state.flight {
        let (state, actions) = state.step(later, spread, Input::Record(RecordOutcome::DnsFailed));
        let fetches = matches!(actions.as_slice(), [.., Action::Fetch { .. }]);
        let is_held_back =
            state.held().is_some_and(|held| state.failed.iter().any(|failed| failed.id == held.id));
        assert!(fetches || is_held_back, "not refreshed: {:?}\n  {actions:?}", seen.state);
    }
}

/// No failure ever weakens a policy in force, nothing but a fetch extends it, and no id is fetched twice
/// within five minutes of its failure: in every reachable state, whatever comes next.
///
/// Proves: C1, C2, C5, C9, S2, S15, E10
#[test]
fn every_reachable_state_keeps_every_promise() {
    let world = World::new();
    let inputs = world.inputs();
    let start = Seen { state: Freshness::default(), failed_at: [None; 2], asked: false, looked: false };
    let mut known = BTreeSet::from([world.key(&start)]);
    let mut queue = VecDeque::from([start]);
    let (mut enforcing, mut failing) = (0_u32, 0_u32);
    while let Some(before) = queue.pop_front() {
        assert!(known.len() < 200_000, "the walk comes to no end");
        if let Some(held) = before.state.in_force(NOW) {
            enforcing += u32::from(held.policy().mode() == Mode::Enforce);
            failing += u32::from(held.0.failures > 0);
        }
        for now in [0, STEP, -STEP] {
            for input in &inputs {
                let mut after = step(&world, &before, now, input);
                rebase(&mut after, now);
                if known.insert(world.key(&after)) {
                    assert_alive(&after);
                    queue.push_back(after);
                }
            }
        }
    }
    // A walk that ends early proves nothing: these are well below what it finds.
    assert!(known.len() > 20_000 && enforcing > 10_000 && failing > 10_000, "{} states", known.len());
}
