//! The cached policy over time, as stories: what a sender lives through with one domain.

#![expect(clippy::unwrap_used, reason = "a test may panic, also in the functions that its cases share")]

use std::sync::Arc;

use mta_sts::freshness::{
    Action, Alert, BACK_OFF_SECS, FLIGHT_LIMIT_SECS, FetchOutcome, Freshness, Input, MAX_FAILED_IDS,
    REFRESH_SECS, Rechecked, RecordOutcome, Spread, UNCHANGED_REFETCH_SECS,
};
use mta_sts::mx::MxPattern;
use mta_sts::policy::{MaxAge, Mode, Policy};
use mta_sts::record::PolicyId;
use mta_sts::response::FetchFailure;
use mta_sts::{Timestamp, rrset};

const WEEK: u32 = 604_800;
const DOWN: FetchFailure = FetchFailure::Unreachable;

fn policy(mode: Mode, mx: &str, max_age: u32) -> Arc<Policy> {
    let age = MaxAge::from_secs(u64::from(max_age)).unwrap();
    Arc::new(Policy::new(mode, age, vec![MxPattern::parse(mx).unwrap()], vec![]).unwrap())
}

fn enforce() -> Arc<Policy> {
    policy(Mode::Enforce, "mx.example", WEEK)
}

fn id(text: &str) -> PolicyId {
    PolicyId::parse(text).unwrap()
}

fn found(text: &str) -> Input {
    Input::Record(RecordOutcome::Found(id(text)))
}

fn got(text: &str, policy: &Arc<Policy>) -> Input {
    Input::Fetch { id: id(text), outcome: FetchOutcome::Policy(Arc::clone(policy)) }
}

fn failed(text: &str) -> Input {
    Input::Fetch { id: id(text), outcome: FetchOutcome::Failed(DOWN) }
}

fn fetch(text: &str) -> Vec<Action> {
    vec![Action::Fetch { id: id(text) }]
}

/// One domain, one clock that the test moves, no spread.
struct Domain {
    state: Freshness,
    now: Timestamp,
}

impl Domain {
    fn new() -> Self {
        Self { state: Freshness::default(), now: Timestamp::from_unix(1_800_000_000) }
    }

    /// A domain whose policy was just fetched under id `a`.
    fn holding(policy: &Arc<Policy>) -> Self {
        let mut domain = Self::new();
        domain.feed(Input::Needed);
        domain.feed(found("a"));
        domain.feed(got("a", policy));
        domain
    }

    fn feed(&mut self, input: Input) -> Vec<Action> {
        self.feed_spread(0, input)
    }

    fn feed_spread(&mut self, spread: u16, input: Input) -> Vec<Action> {
        let state = std::mem::take(&mut self.state);
        let (state, actions) = state.step(self.now, Spread::from_fraction(spread), input);
        self.state = state;
        actions
    }

    fn pass(&mut self, seconds: u32) -> &mut Self {
        self.now = self.now.plus(seconds);
        self
    }

    fn set_back(&mut self, seconds: u32) {
        self.now = Timestamp::from_unix(self.now.as_unix() - i64::from(seconds));
    }

    fn in_force(&self) -> Option<(Mode, String)> {
        let policy = self.state.in_force(self.now)?.policy();
        Some((policy.mode(), policy.mx()[0].as_wire().into_owned()))
    }

    fn enforces(&self) -> bool {
        self.in_force().is_some_and(|(mode, _)| mode == Mode::Enforce)
    }
}

/// Proves: C1, C4, C5
#[test]
fn policy_is_found_fetched_kept_and_refreshed_daily() {
    let mut domain = Domain::new();
    assert_eq!(domain.in_force(), None);
    assert_eq!(domain.feed(Input::Needed), [Action::LookUpRecord]);
    assert_eq!(domain.feed(found("a")), fetch("a"));
    let fetched_at = domain.now;
    assert_eq!(
        domain.feed(got("a", &enforce())),
        [Action::Store, Action::WakeAt(fetched_at.plus(REFRESH_SECS))]
    );
    assert!(domain.enforces());

    // The same id needs no fetch, and extends nothing.
    domain.pass(3600);
    assert_eq!(domain.feed(Input::Needed), [Action::LookUpRecord]);
    assert_eq!(domain.feed(found("a")), []);
    assert_eq!(domain.state.in_force(domain.now).unwrap().expires_at(), fetched_at.plus(WEEK));

    // A timer that comes too early is told when to come again.
    assert_eq!(domain.feed(Input::Timer), [Action::WakeAt(fetched_at.plus(REFRESH_SECS))]);
    domain.pass(REFRESH_SECS - 3600);
    assert_eq!(domain.feed(Input::Timer), [Action::LookUpRecord]);
    assert_eq!(domain.feed(found("a")), fetch("a"));
    let refreshed_at = domain.now;
    domain.feed(got("a", &enforce()));
    assert_eq!(domain.state.in_force(domain.now).unwrap().expires_at(), refreshed_at.plus(WEEK));
}

/// Proves: C1
#[test]
fn policy_ends_when_the_time_since_its_fetch_exceeds_max_age() {
    let mut domain = Domain::holding(&enforce());
    domain.pass(WEEK);
    assert!(domain.enforces());
    domain.pass(1);
    assert!(!domain.enforces());
    assert_eq!(domain.feed(Input::Timer), [Action::Forget]);
    assert!(domain.state.is_blank(domain.now));
}

/// Proves: C2, S2
#[test]
fn cached_policy_outlives_a_vanished_or_broken_record() {
    let two = rrset::choose(&["v=STSv1; id=a", "v=STSv1; id=b"]).outcome();
    for outcome in [RecordOutcome::Absent, RecordOutcome::Malformed, RecordOutcome::DnsFailed, two] {
        let mut domain = Domain::holding(&enforce());
        domain.pass(3600).feed(Input::Needed);
        assert_eq!(domain.feed(Input::Record(outcome)), []);
        domain.pass(WEEK - 3600);
        assert!(domain.enforces());
    }
}

/// Proves: C2, C9, S15
#[test]
fn cached_policy_outlives_a_new_id_whose_policy_cannot_be_fetched() {
    let mut domain = Domain::holding(&enforce());
    domain.pass(60).feed(Input::Needed);
    assert_eq!(domain.feed(found("b")), fetch("b"));
    let failed_at = domain.now;
    assert_eq!(
        domain.feed(failed("b")),
        [Action::WakeAt(failed_at.plus(BACK_OFF_SECS)), Action::Report(DOWN)]
    );
    assert!(domain.enforces());
    assert_eq!(domain.state.in_force(domain.now).unwrap().id(), &id("a"));
    domain.pass(WEEK - 60);
    assert!(domain.enforces());
}

/// Proves: C5
#[test]
fn refresh_fetches_whatever_the_record_says() {
    for outcome in [RecordOutcome::Absent, RecordOutcome::Malformed, RecordOutcome::DnsFailed] {
        let mut domain = Domain::holding(&enforce());
        domain.pass(REFRESH_SECS).feed(Input::Timer);
        assert_eq!(domain.feed(Input::Record(outcome)), fetch("a"));
        domain.feed(got("a", &enforce()));
        assert_eq!(domain.state.in_force(domain.now).unwrap().expires_at(), domain.now.plus(WEEK));
    }
}

/// Proves: C3, F1
#[test]
fn unfetchable_policy_with_nothing_cached_leaves_the_domain_without_one() {
    let mut domain = Domain::new();
    domain.feed(Input::Needed);
    domain.feed(found("a"));
    assert_eq!(domain.feed(failed("a")), [Action::Report(DOWN)]);
    assert_eq!(domain.in_force(), None);
    assert!(!domain.state.is_blank(domain.now));
    domain.pass(BACK_OFF_SECS);
    assert!(domain.state.is_blank(domain.now));
}

/// Proves: S15
#[test]
fn failed_id_waits_five_minutes_and_another_id_does_not() {
    let mut domain = Domain::new();
    domain.feed(Input::Needed);
    domain.feed(found("a"));
    domain.feed(failed("a"));
    let look = |domain: &mut Domain, id: &str| {
        assert_eq!(domain.feed(Input::Needed), [Action::LookUpRecord]);
        domain.feed(found(id))
    };
    assert_eq!(look(&mut domain, "a"), []);
    domain.pass(BACK_OFF_SECS - 1);
    assert_eq!(look(&mut domain, "a"), []);
    assert_eq!(look(&mut domain, "b"), fetch("b"));
    domain.feed(failed("b"));
    // The first one is not forgotten over the second.
    assert_eq!(look(&mut domain, "a"), []);
    domain.pass(1);
    assert_eq!(look(&mut domain, "a"), fetch("a"));
    domain.feed(failed("a"));
    assert_eq!(look(&mut domain, "b"), []);
}

/// A record with another id at each look cannot make us flood the policy host.
///
/// Proves: S15
#[test]
fn ever_changing_ids_are_held_back_as_well() {
    let mut domain = Domain::new();
    let mut fetches = 0;
    for number in 0..300 {
        domain.feed(Input::Needed);
        let id = format!("id{number}");
        if domain.feed(found(&id)) == fetch(&id) {
            fetches += 1;
            domain.feed(failed(&id));
        }
        domain.pass(1);
    }
    assert_eq!(fetches, MAX_FAILED_IDS);
    domain.feed(Input::Needed);
    assert_eq!(domain.feed(found("fresh")), fetch("fresh"));
}

/// Proves: S15
#[test]
fn clock_set_back_prolongs_a_back_off_by_five_minutes_at_most() {
    let mut domain = Domain::new();
    domain.feed(Input::Needed);
    domain.feed(found("a"));
    domain.feed(failed("a"));
    domain.set_back(10 * 31_557_600);
    domain.feed(Input::Needed);
    assert_eq!(domain.feed(found("a")), []);
    domain.pass(BACK_OFF_SECS).feed(Input::Needed);
    assert_eq!(domain.feed(found("a")), fetch("a"));
}

/// Proves: C1, C5
#[test]
fn clock_set_back_neither_drops_a_policy_nor_keeps_it_longer_than_max_age() {
    let mut domain = Domain::holding(&enforce());
    domain.set_back(10 * 31_557_600);
    assert!(domain.enforces());
    let set_to = domain.now;
    assert_eq!(domain.feed(Input::Timer), [Action::WakeAt(set_to.plus(REFRESH_SECS))]);
    domain.pass(WEEK);
    assert!(domain.enforces());
    domain.pass(1);
    assert!(!domain.enforces());
}

/// Proves: C5
#[test]
fn refresh_is_spread_and_comes_before_half_of_the_lifetime_is_over() {
    let refresh_at = |max_age, spread| {
        let mut domain = Domain::new();
        domain.feed(Input::Needed);
        domain.feed(found("a"));
        domain.feed_spread(spread, got("a", &policy(Mode::Enforce, "mx.example", max_age)));
        let held = domain.state.held().unwrap();
        held.refresh_at().as_unix() - held.fetched_at().as_unix()
    };
    assert_eq!(refresh_at(WEEK, 0), 86_400);
    assert_eq!(refresh_at(WEEK, u16::MAX), 86_400 - 10_800);
    assert_eq!(refresh_at(86_400, 0), 43_200);
    assert_eq!(refresh_at(3600, 0), 1800);
    assert_eq!(refresh_at(60, 0), 300);
    assert_eq!(refresh_at(0, 0), 300);
}

/// Proves: C6, F2
#[test]
fn failing_refresh_alerts_repeatedly_long_before_the_policy_ends() {
    let mut domain = Domain::holding(&enforce());
    let expires_at = domain.now.plus(WEEK);
    let mut alerts = Vec::new();
    for _ in 0..5 {
        domain.now = domain.state.held().unwrap().refresh_at();
        assert_eq!(domain.feed(Input::Timer), [Action::LookUpRecord]);
        assert_eq!(domain.feed(Input::Record(RecordOutcome::Absent)), fetch("a"));
        let actions = domain.feed(failed("a"));
        assert!(actions.contains(&Action::Report(DOWN)));
        alerts.push(actions.into_iter().find_map(|action| match action {
            Action::Alert(alert) => Some(alert),
            _ => None,
        }));
    }
    let alert = |failures| Some(Alert::RefreshFailing { failures, expires_at, failure: DOWN });
    assert_eq!(alerts, [None, alert(2), alert(3), alert(4), alert(5)]);
    assert!(domain.now.as_unix() < expires_at.as_unix() - 5 * 86_400);

    // Success ends the row of failures.
    domain.now = domain.state.held().unwrap().refresh_at();
    domain.feed(Input::Timer);
    domain.feed(found("a"));
    domain.feed(got("a", &enforce()));
    assert_eq!(domain.state.held().unwrap().failures(), 0);
}

/// Proves: C6
#[test]
fn policy_that_ends_unrefreshed_raises_an_alert() {
    let mut domain = Domain::holding(&enforce());
    domain.pass(REFRESH_SECS).feed(Input::Timer);
    domain.feed(found("a"));
    domain.feed(failed("a"));
    domain.pass(WEEK);
    let alert = Action::Alert(Alert::ExpiredUnrefreshed { failures: 1 });
    assert_eq!(domain.feed(Input::Needed), [alert, Action::Forget, Action::LookUpRecord]);
}

/// Proves: C6, F2
#[test]
fn domain_that_withdraws_by_mode_none_causes_no_alert_and_no_report() {
    let mut domain = Domain::holding(&policy(Mode::None, "mx.example", WEEK));
    for _ in 0..5 {
        domain.now = domain.state.held().unwrap().refresh_at();
        domain.feed(Input::Timer);
        assert_eq!(domain.feed(Input::Record(RecordOutcome::Absent)), fetch("a"));
        let actions = domain.feed(failed("a"));
        assert!(matches!(actions.as_slice(), [Action::WakeAt(_)]), "{actions:?}");
    }
    domain.pass(WEEK);
    assert_eq!(domain.feed(Input::Timer), [Action::Forget]);
}

/// Proves: C8
#[test]
fn mode_none_replaces_enforce_and_is_cached_like_it() {
    let mut domain = Domain::holding(&enforce());
    domain.pass(60).feed(Input::Needed);
    domain.feed(found("b"));
    domain.feed(got("b", &policy(Mode::None, "mx.example", 86_400)));
    assert_eq!(domain.in_force(), Some((Mode::None, "mx.example".to_owned())));
    domain.pass(86_400);
    assert_eq!(domain.in_force(), Some((Mode::None, "mx.example".to_owned())));
    domain.pass(1);
    assert_eq!(domain.in_force(), None);
}

/// Proves: C7
#[test]
fn old_body_under_a_new_id_is_fetched_again_within_the_hour() {
    let mut domain = Domain::holding(&enforce());
    domain.pass(60).feed(Input::Needed);
    domain.feed(found("b"));
    let actions = domain.feed(got("b", &enforce()));
    assert_eq!(actions, [Action::Store, Action::WakeAt(domain.now.plus(UNCHANGED_REFETCH_SECS))]);
    domain.pass(UNCHANGED_REFETCH_SECS).feed(Input::Timer);
    assert_eq!(domain.feed(found("b")), fetch("b"));
    domain.feed(got("b", &policy(Mode::Enforce, "new.example", WEEK)));
    assert_eq!(domain.in_force(), Some((Mode::Enforce, "new.example".to_owned())));
    // Another id is no reason to come back soon when the body is another as well.
    assert_eq!(domain.state.held().unwrap().refresh_at(), domain.now.plus(REFRESH_SECS));
}

/// Proves: E10
#[test]
fn permanent_failure_waits_for_a_look_at_the_record() {
    let answer = |outcome: RecordOutcome| {
        let mut domain = Domain::holding(&enforce());
        assert_eq!(domain.pass(60).feed(Input::AboutToFail), [Action::LookUpRecord]);
        (domain.feed(Input::Record(outcome)), domain)
    };
    let rechecked = |answer| [Action::Rechecked(answer)];
    assert_eq!(answer(RecordOutcome::Found(id("a"))).0, rechecked(Rechecked::NoNewer));
    assert_eq!(answer(RecordOutcome::Absent).0, rechecked(Rechecked::NoNewer));
    assert_eq!(answer(RecordOutcome::Malformed).0, rechecked(Rechecked::NoNewer));
    assert_eq!(answer(RecordOutcome::DnsFailed).0, rechecked(Rechecked::Unknown));

    let newer = || answer(RecordOutcome::Found(id("b"))).1;
    let last = |actions: Vec<Action>| actions.last().cloned();
    let changed = newer().feed(got("b", &policy(Mode::Enforce, "new.example", WEEK)));
    assert_eq!(last(changed), Some(Action::Rechecked(Rechecked::Changed)));
    let same = newer().feed(got("b", &enforce()));
    assert_eq!(last(same), Some(Action::Rechecked(Rechecked::NoNewer)));
    let mut unknown = newer();
    assert_eq!(last(unknown.feed(failed("b"))), Some(Action::Rechecked(Rechecked::Unknown)));
    // Still backing off from the new id: it is there, and nobody knows what it says.
    unknown.feed(Input::AboutToFail);
    assert_eq!(unknown.feed(found("b")), rechecked(Rechecked::Unknown));
}

/// Proves: E10
#[test]
fn permanent_failure_joins_a_look_that_is_under_way() {
    let mut domain = Domain::holding(&enforce());
    assert_eq!(domain.feed(Input::Needed), [Action::LookUpRecord]);
    assert_eq!(domain.feed(Input::AboutToFail), []);
    assert_eq!(domain.feed(Input::AboutToFail), []);
    assert_eq!(domain.feed(found("a")), [Action::Rechecked(Rechecked::NoNewer)]);
    // Once the policy is over, nothing stands in the way any more.
    domain.pass(WEEK + 1);
    assert_eq!(domain.feed(Input::AboutToFail), [Action::Forget, Action::Rechecked(Rechecked::Changed)]);
}

/// Proves: L4, C1
#[test]
fn policy_with_max_age_zero_is_in_force_for_the_moment_of_its_fetch() {
    let mut domain = Domain::holding(&policy(Mode::Enforce, "mx.example", 0));
    assert!(domain.enforces());
    domain.pass(1);
    assert!(!domain.enforces());
    assert_eq!(domain.feed(Input::Needed), [Action::Forget, Action::LookUpRecord]);
    assert_eq!(domain.feed(found("a")), fetch("a"));
}

/// Proves: S16
#[test]
fn at_most_one_lookup_or_fetch_is_under_way() {
    let mut domain = Domain::new();
    assert_eq!(domain.feed(Input::Needed), [Action::LookUpRecord]);
    assert_eq!(domain.feed(Input::Needed), []);
    assert_eq!(domain.feed(found("a")), fetch("a"));
    assert_eq!(domain.feed(Input::Needed), []);
    assert_eq!(domain.feed(found("b")), []);
    // The answer to a fetch that nobody made is not believed.
    assert_eq!(domain.feed(got("b", &enforce())), []);
    assert_eq!(domain.in_force(), None);
}

/// Lost answers do not block a domain for ever, and count as failures.
///
/// Proves: S15, C2
#[test]
fn answer_that_never_comes_is_given_up() {
    let mut domain = Domain::new();
    domain.feed(Input::Needed);
    domain.pass(FLIGHT_LIMIT_SECS - 1);
    assert_eq!(domain.feed(Input::Needed), []);
    domain.pass(1);
    assert_eq!(domain.feed(Input::Needed), [Action::LookUpRecord]);
    domain.feed(found("a"));
    domain.pass(FLIGHT_LIMIT_SECS);
    assert_eq!(domain.feed(Input::Needed), [Action::Report(FetchFailure::Lost), Action::LookUpRecord]);
    assert_eq!(domain.feed(found("a")), []);
}

/// Proves: C1, C5
#[test]
fn restart_keeps_the_policy_and_its_end_and_refreshes_soon() {
    let before = Domain::holding(&enforce());
    let held = before.state.held().unwrap();
    let now = before.now.plus(5 * 86_400);
    let state = Freshness::restore(
        Arc::clone(held.policy()),
        held.id().clone(),
        held.fetched_at(),
        1,
        now,
        Spread::from_fraction(u16::MAX),
    );
    assert_eq!(state.in_force(now).unwrap().expires_at(), before.now.plus(WEEK));
    let mut domain = Domain { state, now };
    assert_eq!(domain.feed(Input::Timer), [Action::WakeAt(now.plus(3600))]);
    domain.pass(3600);
    assert_eq!(domain.feed(Input::Timer), [Action::LookUpRecord]);
    domain.feed(Input::Record(RecordOutcome::DnsFailed));
    let id = domain.state.held().unwrap().id().clone();
    let failed = Input::Fetch { id, outcome: FetchOutcome::Failed(FetchFailure::Unreachable) };
    let actions = domain.feed(failed);
    let raised = |action: &Action| matches!(action, Action::Alert(Alert::RefreshFailing { failures: 2, .. }));
    assert!(actions.iter().any(raised), "failures before the restart count: {actions:?}");
}

/// Proves: S15, C5
#[test]
fn a_refresh_that_somebody_wants_comes_at_once_unless_a_fetch_has_just_failed() {
    let mut domain = Domain::holding(&enforce());
    let id = domain.state.held().unwrap().id().clone();
    assert_eq!(domain.feed(Input::Needed), [Action::LookUpRecord]);
    assert_eq!(domain.feed(Input::Record(RecordOutcome::Found(id.clone()))), []);
    domain.state = domain.state.due(domain.now);
    assert_eq!(domain.feed(Input::Needed), [Action::LookUpRecord]);
    let fetch = [Action::Fetch { id: id.clone() }];
    assert_eq!(domain.feed(Input::Record(RecordOutcome::Found(id.clone()))), fetch);
    domain.feed(Input::Fetch { id: id.clone(), outcome: FetchOutcome::Failed(FetchFailure::Unreachable) });
    domain.state = domain.state.due(domain.now);
    domain.feed(Input::Needed);
    let actions = domain.feed(Input::Record(RecordOutcome::Found(id)));
    assert!(!actions.iter().any(|action| matches!(action, Action::Fetch { .. })), "{actions:?}");
}

/// No clock, however wrong, overflows anything.
#[test]
fn clock_at_the_end_of_time_does_no_harm() {
    for now in [i64::MIN, -1, 0, i64::MAX] {
        let mut domain = Domain::holding(&enforce());
        domain.now = Timestamp::from_unix(now);
        for input in [Input::Timer, Input::Needed, found("b"), failed("b"), Input::AboutToFail, found("b")] {
            domain.feed_spread(u16::MAX, input);
        }
    }
}
