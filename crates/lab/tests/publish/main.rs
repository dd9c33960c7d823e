//! A domain published from its first report to its end, in a world with senders: what they are promised holds through faults and
//! kills at every moment.

#![expect(clippy::unwrap_used, reason = "a test may panic, also in the functions that its cases share")]

mod stage;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use stage::{DAY, DOMAIN, Stage, domain, wish};
use tlsward_engine::alert::Rule;
use tlsward_engine::ports::publish::Publications;
use tlsward_engine::publish::{Command, Hold, OrderError, Phase, Refusal, Stage as Step};
use tlsward_lab::world::Mode;
use tlsward_store::MemoryStore;

const BOTH: [&str; 2] = ["mx1.alpha.test", "mx2.alpha.test"];

fn change(stage: Step, mx: &[&str]) -> Command {
    Command::Change { wish: wish(stage, mx), member: None, i_know: false }
}

fn order(stage: &mut Stage, order: Command) -> Result<(), OrderError> {
    let publisher = stage.publisher.clone();
    stage.executor.run(async { publisher.order(&domain(), order).await.map(drop) }).unwrap()
}

fn add(stage: &mut Stage, step: Step) {
    let (publisher, name) = (stage.publisher.clone(), domain());
    let added = publisher.add(&name, wish(step, &BOTH), None, false);
    stage.executor.run(added).unwrap().unwrap();
}

fn is_quiet(stage: &mut Stage) -> bool {
    stage.show().phase == Phase::Quiet
}

/// The whole life of a domain; between its events the moment is `between`'s.
fn life(stage: &mut Stage, mut between: impl FnMut(&mut Stage)) {
    add(stage, Step::Reporting);
    between(stage);
    stage.pass(24);
    assert!(!stage.look_up(&format!("_smtp._tls.{DOMAIN}")).texts().is_empty());
    assert_eq!(stage.live_id(), None);

    let orders = [
        (change(Step::Testing, &BOTH), 3),
        (change(Step::Enforce, &BOTH), 4),
        (change(Step::Enforce, &["mx1.alpha.test", "mx2.alpha.test", "mx3.alpha.test"]), 3),
        (Command::Reannounce, 2),
    ];
    for (wanted, days) in orders {
        let before = stage.live_id();
        order(stage, wanted.clone()).unwrap();
        between(stage);
        stage.pass(days * 24);
        assert!(is_quiet(stage), "{wanted:?}: {:?}", stage.show());
        let after = stage.live_id();
        assert!(after.is_some() && after > before, "{wanted:?}: {before:?} {after:?}");
        assert!(stage.board.standing().is_empty(), "{:?}", stage.board.standing());
        let refused = order(stage, Command::Remove).unwrap_err();
        assert!(matches!(refused, OrderError::Refused(Refusal::Strands { .. })), "{refused}");
    }
    let held = stage.senders[0].held(DOMAIN).unwrap();
    assert_eq!((held.mode, held.mx.len()), (Mode::Enforce, 3));

    order(stage, Command::WindDown).unwrap();
    between(stage);
    // A week of max_age, and not an hour less.
    stage.pass(6 * 24);
    assert!(stage.live_id().is_some());
    stage.pass(3 * 24);
    assert_eq!((stage.live_id(), stage.host.body(DOMAIN)), (None, None));
    // A removal that the server confirms and loses is not seen any more: the domain is forgotten with it.
    stage.zone.losing.store(0, Ordering::Relaxed);
    order(stage, Command::Remove).unwrap();
    stage.pass(24);
    let rows = stage.store.publications(None, 10);
    assert_eq!(stage.executor.run(rows).unwrap().unwrap(), []);
    assert!(stage.look_up(&format!("_smtp._tls.{DOMAIN}")).texts().is_empty());
}

/// Proves: D16, D17, D19
#[test]
fn a_domain_lives_from_reporting_to_its_end() {
    life(&mut Stage::new(1), |_| {});
}

/// Proves: D16, D17, D19
#[test]
fn it_lives_the_same_life_through_kills_and_faults() {
    for seed in 0..24 {
        let mut stage = Stage::new(seed);
        life(&mut stage, |stage| {
            let [lag_secs, refusing, losing] = [600, 3, 3].map(|below| stage.draw(below));
            stage.host.lag_secs.store(lag_secs, Ordering::Relaxed);
            stage.zone.refusing.store(usize::try_from(refusing).unwrap(), Ordering::Relaxed);
            stage.zone.losing.store(usize::try_from(losing).unwrap(), Ordering::Relaxed);
            for _ in 0..stage.draw(12) {
                let wait = Duration::from_millis(stage.draw(1_500));
                stage.sleep(wait);
                stage.restart();
                if stage.draw(2) == 0 {
                    stage.send();
                }
            }
        });
    }
}

/// Proves: D16
#[test]
fn no_id_comes_before_the_last_address_has_the_body() {
    let mut stage = Stage::new(3);
    stage.host.lag_secs.store(2 * DAY, Ordering::Relaxed);
    add(&mut stage, Step::Testing);
    stage.pass(47);
    assert_eq!(stage.live_id(), None);
    assert!(stage.board.standing().iter().any(|alert| alert.rule == Rule::PublishStuck));
    stage.pass(3);
    assert!(stage.live_id().is_some());
    assert!(stage.board.standing().is_empty(), "{:?}", stage.board.standing());
}

#[test]
fn a_new_version_that_the_ledger_cannot_take_is_not_served() {
    let mut stage = Stage::new(4);
    stage.ledger.is_full.store(true, Ordering::Relaxed);
    add(&mut stage, Step::Testing);
    stage.pass(3);
    assert_eq!((stage.host.body(DOMAIN), stage.live_id()), (None, None));
    assert!(stage.board.standing().iter().any(|alert| alert.rule == Rule::PublishNotKept));
    stage.ledger.is_full.store(false, Ordering::Relaxed);
    stage.pass(3);
    assert!(stage.host.body(DOMAIN).is_some() && stage.live_id().is_some());
    assert!(stage.board.standing().is_empty(), "{:?}", stage.board.standing());
}

/// Proves: D19
#[test]
fn a_restored_backup_is_held_and_serves_on_what_was_live() {
    let mut stage = Stage::new(5);
    add(&mut stage, Step::Testing);
    stage.pass(48);
    // A backup: as the store was in testing.
    let rows = stage.executor.run(stage.store.publications(None, 10)).unwrap().unwrap();
    let backup = MemoryStore::default();
    let first = tlsward_engine::ports::publish::KeptPublication { revision: 1, ..rows[0].clone() };
    stage.executor.run(backup.put_publication(first, vec![])).unwrap().unwrap();
    order(&mut stage, change(Step::Enforce, &BOTH)).unwrap();
    stage.pass(48);
    let (id, body) = (stage.live_id(), stage.host.body(DOMAIN));
    stage.restart_on(Arc::new(backup));
    assert!(matches!(stage.show().hold, Some(Hold::Rewound { number: 2 })));
    stage.sleep(Duration::from_secs(DAY));
    assert_eq!((stage.live_id(), stage.host.body(DOMAIN)), (id, body));
    assert!(stage.board.standing().iter().any(|alert| alert.rule == Rule::PublishHeld));
    let refused = order(&mut stage, change(Step::Testing, &BOTH)).unwrap_err();
    assert!(matches!(refused, OrderError::Refused(Refusal::Held(_))), "{refused}");
}

/// Proves: D16
#[test]
fn a_record_that_was_lost_comes_back_with_the_same_id_and_another_ones_holds_the_domain() {
    let mut stage = Stage::new(6);
    add(&mut stage, Step::Testing);
    stage.pass(24);
    let id = stage.live_id();
    stage.world.edit(|world| world.set_txt(&format!("_mta-sts.{DOMAIN}"), &[]));
    stage.sleep(Duration::from_secs(2 * 3_600));
    assert_eq!(stage.live_id(), id);
    stage.world.edit(|world| world.announce(DOMAIN, "somebodyelse"));
    stage.sleep(Duration::from_secs(2 * 3_600));
    assert_eq!(stage.live_id().as_deref(), Some("somebodyelse"));
    assert!(stage.board.standing().iter().any(|alert| alert.rule == Rule::PublishHeld));
}
