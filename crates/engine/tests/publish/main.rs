//! One domain walked through everything that can happen to it, until nothing new is found: orders at any moment, looks that see,
//! do not see or fail, records written, lost, or written without a word, name servers and addresses that lag, kills between any
//! two actions, and time.
//!
//! Held in every state: no policy, record or host goes that a sender may hold; no id is announced before its body is live
//! everywhere; none changes without cause; neither ids nor numbers come twice; the time until which a policy may be held never
//! falls and is never too short; nothing seen changes what the owner ordered. Each rule taken out, the walk finds what it was
//! for.

#![expect(clippy::unwrap_used, reason = "a test may panic, also in the functions that its cases share")]

mod model;

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use model::{TTL, UNIT, Without, World, mode, wish};
use mta_sts::policy::Mode;
use mta_sts::record::PolicyId;
use tlsward_engine::publish::{Action, Adoption, Command, Stage};

/// What may happen in a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    /// Every order, and addresses that lag.
    Orders,
    /// Name servers that lag, and looks that are told of late.
    Late,
    /// Somebody else writes and removes the record.
    Interference,
    /// The database is restored from a backup.
    Backups,
}

fn change(stage: Stage, mx: &str, i_know: bool) -> Command {
    Command::Change { wish: wish(stage, mx), member: None, i_know }
}

fn orders(field: Field, world: &World) -> Vec<Command> {
    let mut orders = vec![change(Stage::Testing, "a.example", false)];
    if field != Field::Backups {
        orders.push(Command::WindDown);
    }
    match field {
        Field::Orders => {
            orders.extend([change(Stage::Enforce, "a.example", true), Command::Reannounce, Command::Remove]);
        }
        Field::Late => orders.push(change(Stage::Enforce, "b.example", true)),
        Field::Interference => orders.push(adopt(world, Stage::Testing)),
        Field::Backups => {
            orders.extend([change(Stage::Enforce, "a.example", true), adopt(world, Stage::Enforce)]);
        }
    }
    orders
}

fn adopt(world: &World, stage: Stage) -> Command {
    let live_id = world.dns[0].as_ref().map(|id| PolicyId::parse(id).unwrap());
    let wish = wish(stage, "a.example");
    let policy = wish.policy().unwrap().unwrap();
    let body = Bytes::from(policy.to_body().unwrap());
    let live = live_id.is_some().then_some((policy, body));
    Command::Adopt(Adoption { wish, member: None, live_id, live, i_know: true })
}

/// Everything that can happen next, with a word for it.
fn next(field: Field, world: &World) -> Vec<(String, Result<World, String>)> {
    let mut all = Vec::new();
    let mut happens = |what: String, does: &dyn Fn(&mut World) -> Result<bool, String>| {
        let mut after = world.clone();
        match does(&mut after) {
            Ok(true) => all.push((what, Ok(after))),
            Ok(false) => {}
            Err(broken) => all.push((what, Err(broken))),
        }
    };
    let done = |result: Result<(), String>| result.map(|()| true);
    if world.is_ended {
        return Vec::new();
    }
    if world.looked.is_some() {
        happens("the look is told".to_owned(), &|world| done(world.hear()));
    }
    if let Some(action) = world.queue.first() {
        let chances = match action {
            Action::LookOutside { .. } if field == Field::Late && world.looked.is_none() => 3,
            Action::Apply(_) if field != Field::Backups => 3,
            Action::LookAtRecords | Action::LookOutside { .. } if field != Field::Backups => 2,
            _ => 1,
        };
        for luck in 0..chances {
            happens(format!("{action:?} with luck {luck}"), &|world| done(world.act(luck)));
        }
    } else {
        happens("tick".to_owned(), &|world| done(world.tick()));
        happens("time".to_owned(), &|world| {
            world.pass(UNIT);
            Ok(true)
        });
        if matches!(field, Field::Interference | Field::Backups) {
            happens("long time".to_owned(), &|world| {
                world.pass(40_000_000);
                Ok(true)
            });
        }
    }
    // One change is enough to be behind by.
    let all_orders = if world.since_backup > 1 { Vec::new() } else { orders(field, world) };
    for order in all_orders {
        let kills: &[usize] = if field == Field::Orders && world.queue.is_empty() { &[0, 2] } else { &[] };
        for killed_after in kills.iter().copied().chain([usize::MAX]) {
            happens(format!("{order:?}, killed after {killed_after}"), &|world| {
                world.since_backup += u32::from(world.backup.is_some());
                world.order(&order, killed_after)
            });
        }
    }
    happens("killed".to_owned(), &|world| done(world.restart()));
    if world.lagging.is_some() {
        happens("every address follows".to_owned(), &|world| {
            world.lagging = None;
            Ok(true)
        });
    }
    if world.dns[0] != world.dns[1] {
        happens("the second name server follows".to_owned(), &|world| {
            world.dns[1] = world.dns[0].clone();
            Ok(true)
        });
    }
    // Not between a look and the write that follows it at once: nobody can see that.
    if field == Field::Interference && world.faults == 0 && world.queue.is_empty() {
        for shown in [Some("foreign".to_owned()), None] {
            happens(format!("somebody else makes the record {shown:?}"), &|world| {
                world.dns = [shown.clone(), shown.clone()];
                world.faults += 1;
                Ok(true)
            });
        }
    }
    if field == Field::Backups {
        if world.backup.is_none() && world.faults == 0 && world.queue.is_empty() {
            happens("backup".to_owned(), &|world| {
                world.backup.clone_from(&world.kept);
                world.since_backup = 1;
                Ok(true)
            });
        } else if world.backup.is_some() && world.faults == 0 {
            happens("restored".to_owned(), &|world| {
                world.faults += 1;
                world.since_backup = 0;
                world.kept = world.backup.take();
                done(world.restart())
            });
        }
    }
    all
}

/// Walks until nothing new is found: how many states there are, or the way to one that must not be.
fn walk(field: Field, without: Without) -> Result<usize, String> {
    let first = World {
        is_slow: matches!(field, Field::Orders | Field::Late),
        has_slow_dns: field == Field::Late,
        ..World::new(without)
    };
    let mut known = BTreeSet::from([first.key()]);
    let mut ways: Vec<(usize, String)> = vec![(0, "begin".to_owned())];
    let mut open = VecDeque::from([(0, first)]);
    let way = |ways: &[(usize, String)], mut at: usize, last: &str, broken: &str| {
        let mut steps = vec![format!("{last}: {broken}")];
        while at != 0 {
            steps.push(ways[at].1.clone());
            at = ways[at].0;
        }
        steps.reverse();
        steps.join("\n")
    };
    while let Some((at, world)) = open.pop_front() {
        for (what, after) in next(field, &world) {
            match after {
                Err(broken) => return Err(way(&ways, at, &what, &broken)),
                Ok(after) => {
                    if known.insert(after.key()) {
                        ways.push((at, what));
                        open.push_back((ways.len() - 1, after));
                    }
                }
            }
        }
        assert!(known.len() < 300_000, "there is no end to it");
    }
    Ok(known.len())
}

/// Proves: D16, D17, D19
#[test]
fn nothing_that_can_happen_strands_a_sender_or_announces_too_early() {
    let states = walk(Field::Orders, Without::Nothing).unwrap_or_else(|way| panic!("{way}"));
    println!("{states} states");
    assert!(states > 1_000, "{states}");
}

/// Proves: D16, D17, D19
#[test]
fn what_is_told_late_and_servers_that_lag_change_nothing_of_it() {
    let states = walk(Field::Late, Without::Nothing).unwrap_or_else(|way| panic!("{way}"));
    println!("{states} states");
    assert!(states > 1_000, "{states}");
}

/// Proves: D16, D19
#[test]
fn somebody_elses_record_holds_the_domain_and_a_lost_one_comes_back_under_its_id() {
    let states = walk(Field::Interference, Without::Nothing).unwrap_or_else(|way| panic!("{way}"));
    println!("{states} states");
    assert!(states > 1_000, "{states}");
}

/// Proves: D19
#[test]
fn a_restored_backup_takes_nothing_back() {
    let states = walk(Field::Backups, Without::Nothing).unwrap_or_else(|way| panic!("{way}"));
    println!("{states} states");
    assert!(states > 1_000, "{states}");
}

#[test]
fn the_walk_notices_each_rule_that_is_taken_out() {
    let cases = [
        (Field::Orders, Without::SeeingTheBody, ""),
        (Field::Late, Without::NumbersInObservations, ""),
        (Field::Orders, Without::OldBodiesThatAreServed, "longer than is known"),
        (Field::Orders, Without::CachedUntil, "longer than is known"),
        (Field::Orders, Without::Refusing, ""),
        (Field::Orders, Without::OwnersAlone, "changed what the owner wants"),
        (Field::Backups, Without::TheLedger, ""),
    ];
    // Not in the list, because this walk does not see them taken out: the clock of ids, numbers, the record that is gone, holds,
    // and the id that stays when a record is written again.
    // Without the look outside the time that a replaced body was served for the last time is wrong as well, and that the record
    // of a restored state is behind shows in several ways.
    let mut wrong = Vec::new();
    for (field, without, broken) in cases {
        match walk(field, without) {
            Ok(states) => wrong.push(format!("{without:?} was not noticed in {states} states")),
            Err(found) => {
                let last = found.lines().last().unwrap_or_default();
                if !last.contains(broken) {
                    wrong.push(format!("{without:?} was noticed by something else: {last}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

// The walk holds what must not be; this is what must.
///
/// Proves: D16, D19
#[test]
fn from_the_first_policy_to_its_end_everything_comes_about_in_order() {
    let mut world = World::new(Without::Nothing);
    let settle = |world: &mut World| {
        for _ in 0..20 {
            world.tick().unwrap();
            while !world.queue.is_empty() {
                world.act(0).unwrap();
                world.dns[1] = world.dns[0].clone();
                world.lagging = None;
            }
            world.pass(UNIT);
        }
    };
    assert!(world.order(&change(Stage::Testing, "a.example", false), usize::MAX).unwrap());
    settle(&mut world);
    let first = world.dns[1].clone().unwrap();
    assert_eq!(world.kept.as_ref().unwrap().live.unwrap().ttl_secs, TTL);
    assert!(!world.order(&change(Stage::Enforce, "b.example", false), usize::MAX).unwrap());
    assert!(world.order(&change(Stage::Enforce, "a.example", false), usize::MAX).unwrap());
    settle(&mut world);
    let second = world.dns[1].clone().unwrap();
    assert!(second > first);
    assert_eq!(mode(&world), Some(Mode::Enforce));
    assert!(!world.order(&Command::Remove, usize::MAX).unwrap());
    assert!(world.order(&Command::WindDown, usize::MAX).unwrap());
    settle(&mut world);
    settle(&mut world);
    assert_eq!((mode(&world), &world.dns), (None, &[None, None]));
    assert!(world.order(&Command::Remove, usize::MAX).unwrap());
    settle(&mut world);
    assert!(world.is_ended);
}
