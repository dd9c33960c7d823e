//! What strangers may cost.

use std::time::Duration;

use futures_util::future::join_all;
use tlsward_engine::enforce::{NextHop, Options};
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::{Keeping, KeptPolicy, Policies, RecordKind, StoreError};
use tlsward_lab::world::{Mode, Page, World};

use crate::stage::{DOMAIN, NOW, SECURE, Stage, domain, told};

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("d{number}.test")).collect()
}

#[test]
fn next_hops_are_remembered_up_to_a_bound_and_policies_all() {
    let mut stage = Stage::with_options(
        |world| {
            for name in names(50) {
                let plan = world.domain(&name);
                if name.ends_with("0.test") { plan } else { plan.no_policy() }.add().unwrap();
            }
        },
        Options { remembered_hops: 10, ..Options::default() },
    );
    for name in names(50) {
        stage.ask(&name);
        stage.ask("d1.test");
    }
    let remembered = stage.resolver.remembered();
    assert_eq!((remembered.hops, remembered.policies), (10, 5));
    assert_eq!(
        stage.network.questions("_mta-sts.d1.test", RecordKind::Txt),
        1,
        "what is asked for often stays"
    );
    stage.ask("d2.test");
    assert_eq!(stage.network.questions("_mta-sts.d2.test", RecordKind::Txt), 2, "what is idle goes");
    stage.ask("d0.test");
    assert_eq!(stage.network.fetches("d0.test"), 1, "no policy does");
}

#[test]
fn look_ups_side_by_side_are_bounded_and_who_finds_no_room_is_told_to_try_later() {
    let mut stage = Stage::with_options(
        |world| {
            for name in names(60) {
                world.domain(&name).no_policy().add().unwrap();
            }
        },
        Options { flights_at_once: 4, waiting_at_most: 50, ..Options::default() },
    );
    let ask = |name: &String| stage.resolver.resolve(NextHop::of_domain(domain(name)));
    let asked = join_all(names(60).iter().map(ask));
    let answers = stage.executor.run(asked).unwrap();
    let busy = answers.iter().filter(|answer| answer.why.as_wire() == "busy").count();
    let none = answers.iter().filter(|answer| told(answer) == "not-found").count();
    assert_eq!((busy, none), (10, 50));
    // Each look-up asks a question or two at a time.
    let most = stage.network.notes.lock().unwrap().most_asking;
    assert!((4..=8).contains(&most), "{most}");
}

/// A host that is slow for many domains is asked by few at a time, and holds nobody else up.
#[test]
fn a_slow_provider_of_many_policies_is_spared_and_slows_nobody_else() {
    let mut stage = Stage::with_options(
        |world: &mut World| {
            world.domain(DOMAIN).mx(2).policy(Mode::Enforce).add().unwrap();
            world.domain("d0.test").add().unwrap();
            let provider = world.domains["d0.test"].policy_host.clone().unwrap().addresses;
            for name in names(40) {
                world.domain(&name).policy_at(&provider).add().unwrap();
                world.edit_sites(&name, |site| {
                    site.pages.values_mut().for_each(|page| page.delay = Duration::from_secs(30));
                });
            }
        },
        Options { flights_at_once: 16, ..Options::default() },
    );
    let ask = |name: &String| stage.resolver.resolve(NextHop::of_domain(domain(name)));
    let asked = join_all(names(40).iter().map(ask));
    let answers = stage.executor.run(asked).unwrap();
    assert!(answers.iter().all(|answer| told(answer) == "try-later"));
    let before = stage.now();
    assert_eq!(told(&stage.ask(DOMAIN)), SECURE);
    assert!(stage.now() - before < 2);
    stage.wait(400);
    assert!(stage.network.notes.lock().unwrap().most_fetching.values().all(|most| *most <= 8));
    assert_eq!(stage.resolver.remembered().policies, 41);
}

/// Policies as large as may be are applied, and not held without end: what was held before stays.
#[test]
fn the_largest_policies_of_strangers_are_applied_and_fill_no_memory() {
    let head = "version: STSv1\nmode: enforce\nmax_age: 31557600\n";
    let large = Page::text(format!("{head}{}", "mx:a\n".repeat(13_000)));
    let mut stage = Stage::with_options(
        |world| {
            world.domain(DOMAIN).mx(2).policy(Mode::Enforce).add().unwrap();
            for name in names(10) {
                world.domain(&name).add().unwrap();
                world.serve(&name, &large);
            }
        },
        Options { large_policies_bytes: 3_000_000, ..Options::default() },
    );
    for round in 1..4 {
        for name in names(10) {
            assert!(told(&stage.ask(&name)).starts_with("secure a a a"));
        }
        assert_eq!(stage.network.fetches("d9.test"), round);
        assert_eq!(told(&stage.ask(DOMAIN)), SECURE, "others are held as ever");
        assert_eq!(stage.resolver.remembered().policies, 4);
        stage.wait(400);
    }
    assert_eq!(stage.network.fetches("d0.test"), 1, "what is held stays");
    let kept = stage.executor.run(stage.store.kept(None, 100)).unwrap().unwrap();
    assert_eq!(kept.len(), 4);
    stage.edit(|world| {
        world.serve(DOMAIN, &large);
        world.announce(DOMAIN, "grown");
    });
    stage.wait(400);
    assert_eq!(told(&stage.ask(DOMAIN)), SECURE, "the one that is held goes on");
}

/// A fault of the program in one look-up costs that look-up, and neither the others nor the next one.
#[test]
fn a_look_up_that_panics_ends_alone() {
    for seed in 0..2 {
        let build = |world: &mut World| world.domain(DOMAIN).mx(2).policy(Mode::Enforce).add().unwrap();
        let mut stage = Stage::with_options(build, Options { seed, ..Options::default() });
        for _ in 0..3 {
            let before = stage.now();
            assert_eq!(told(&stage.ask("panic.test")), "try-later");
            assert!(stage.now() - before < 2, "who waits is told at once");
            assert_eq!(told(&stage.ask(DOMAIN)), SECURE);
        }
        stage.wait(400);
        assert_eq!(told(&stage.ask(DOMAIN)), SECURE);
    }
}

/// Proves: C5
#[test]
fn after_a_restart_refreshes_are_spread_over_an_hour_and_leave_room() {
    let mut stage = Stage::with_options(
        |world| {
            for name in names(200) {
                world.domain(&name).add().unwrap();
            }
        },
        Options { flights_at_once: 2, ..Options::default() },
    );
    for name in names(200) {
        stage.ask(&name);
    }
    stage.restart();
    let due: Vec<i64> = stage
        .resolver
        .statuses(None, 1_000)
        .into_iter()
        .map(|status| status.policy.unwrap().refresh_at - stage.now())
        .collect();
    let early = due.iter().filter(|seconds| **seconds < 1_800).count();
    assert!(due.iter().all(|seconds| (0..=3_600).contains(seconds)) && (60..140).contains(&early), "{early}");
    stage.wait(3_700);
    assert!(names(200).iter().all(|name| stage.network.fetches(name) == 2));
}

/// A store of very many policies, as large domains have them.
struct Many(usize);

impl Policies for Many {
    async fn keep(&self, _: KeptPolicy) -> Result<Keeping, StoreError> {
        Ok(Keeping::Kept)
    }

    async fn note_failures(&self, _: &str, _: UnixTime, _: u32) -> Result<(), StoreError> {
        Ok(())
    }

    async fn forget(&self, _: &str, _: UnixTime) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn kept(&self, after: Option<&str>, limit: usize) -> Result<Vec<KeptPolicy>, StoreError> {
        let number = |name: &str| name[1..7].parse::<usize>().unwrap() + 1;
        let first = after.map_or(0, number);
        // As the customers of a large provider have it.
        let body = "version: STSv1\r\nmode: enforce\r\nmx: aspmx.l.google.example\r\nmx: alt1.aspmx.l.google.example\r\n\
                    mx: alt2.aspmx.l.google.example\r\nmx: *.googlemail.example\r\nmax_age: 31557600\r\n";
        let policy = |number: usize| {
            let domain = format!("d{number:06}.organisation.example");
            KeptPolicy {
                domain,
                id: format!("20260101{number:06}"),
                fetched_at: NOW,
                failures: 0,
                body: body.into(),
            }
        };
        Ok((first..self.0.min(first + limit)).map(policy).collect())
    }
}

/// Resident memory of this process, in bytes.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// 100,000 policies are to fit into less than 200 MB with the process around them. 100,000 took 149 MB in all;
/// fewer take more each, as the process itself weighs in.
#[test]
#[cfg(target_os = "linux")]
fn a_hundred_thousand_policies_would_fit_in_memory() {
    const COUNT: usize = 40_000;
    const AT_ONCE: usize = 200;
    let before = resident();
    let options = Options { mta_does_dane: false, ..Options::default() };
    let mut stage = Stage::with_store(|_| {}, options, Many(COUNT));
    let hop = |number: usize| {
        let name = format!("d{number:06}.organisation.example");
        stage.resolver.resolve(NextHop::of_domain(domain(&name)))
    };
    for first in (0..COUNT).step_by(AT_ONCE) {
        let asked = join_all((first..first + AT_ONCE).map(hop));
        let answers = stage.executor.run(asked).unwrap();
        assert!(answers.iter().all(|answer| told(answer).starts_with("secure aspmx.l.")));
    }
    let remembered = stage.resolver.remembered();
    assert_eq!((remembered.policies, remembered.hops), (COUNT, COUNT));
    let taken = resident() - before;
    assert!(taken / COUNT < 1_750, "{} bytes each", taken / COUNT);
}
