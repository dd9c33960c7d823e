//! Policies that are held: renewed, replaced, over.

use tlsward_engine::ports::{Policies as _, RecordKind};
use tlsward_lab::world::{DnsTrouble, Mode, Page, Policy};

use crate::stage::{AFTER_TTL, DAY, DOMAIN, NOW, SECURE, Stage, domain, told};

/// Proves: C1, C2
#[test]
fn after_a_restart_with_the_network_down_the_policy_is_enforced() {
    let mut stage = Stage::with(Mode::Enforce);
    stage.ask(DOMAIN);
    stage.network.set_down(true);
    stage.restart();
    assert_eq!(stage.known(DOMAIN), None, "DANE would come first, and was not asked for yet");
    let before = stage.now();
    let answer = stage.ask(DOMAIN);
    assert_eq!((told(&answer), stage.now() - before), (SECURE.to_owned(), 5));
    assert!(answer.why.text().contains("is being looked up"), "{}", answer.why.text());
    for _ in 0..27 {
        stage.wait(DAY);
        assert_eq!(told(&stage.ask(DOMAIN)), SECURE);
        assert_eq!(told(&stage.known(DOMAIN).unwrap()), SECURE);
    }
    assert_eq!(stage.network.fetches(DOMAIN), 1, "without addresses nothing can be fetched");
    stage.wait(DAY);
    stage.ask(DOMAIN);
    assert_eq!(stage.resolver.status(&domain(DOMAIN)).unwrap().policy, None, "max_age is over");
}

/// Proves: C4
#[test]
fn another_id_brings_another_policy_when_its_ttl_is_over() {
    let mut stage = Stage::with(Mode::Enforce);
    stage.ask(DOMAIN);
    stage.publish("second", Mode::Enforce, &["*.alpha.test"]);
    assert_eq!(told(&stage.ask(DOMAIN)), SECURE);
    stage.wait(AFTER_TTL);
    assert_eq!(told(&stage.known(DOMAIN).unwrap()), SECURE, "the held one, while somebody asks");
    let mut changes = stage.resolver.listen_to_changes();
    assert_eq!(told(&stage.ask(DOMAIN)), "secure *.alpha.test");
    assert_eq!(changes.try_next(), Some(tlsward_engine::enforce::Heard::News(domain(DOMAIN))));
    assert_eq!(changes.try_next(), None);
}

/// Proves: C4
#[test]
fn the_same_id_is_looked_at_again_and_nothing_is_fetched() {
    let mut stage = Stage::with(Mode::Enforce);
    for _ in 0..10 {
        assert_eq!(told(&stage.ask(DOMAIN)), SECURE);
        stage.wait(AFTER_TTL);
    }
    assert_eq!(stage.network.fetches(DOMAIN), 1);
    assert_eq!(stage.network.questions("_mta-sts.alpha.test", RecordKind::Txt), 10);
}

/// Proves: C9, F2
#[test]
fn a_broken_body_under_another_id_leaves_the_old_policy_in_force() {
    for page in [Page::text("version: STSv1\nmode: enforce\nmax_age: 5\n"), Page::status(404)] {
        let mut stage = Stage::with(Mode::Enforce);
        stage.ask(DOMAIN);
        stage.edit(|world| {
            world.announce(DOMAIN, "second");
            world.serve(DOMAIN, &page);
        });
        for _ in 0..20 {
            stage.wait(DAY);
            assert_eq!(told(&stage.ask(DOMAIN)), SECURE);
        }
        let status = stage.resolver.status(&domain(DOMAIN)).unwrap();
        assert!(status.last_failure.unwrap().is_reportable);
        assert!(status.policy.unwrap().failures > 2);
        stage.restart();
        assert_eq!(told(&stage.ask(DOMAIN)), SECURE);
    }
}

/// Proves: C8, E9
#[test]
fn mode_none_takes_the_place_of_an_enforced_policy_and_is_itself_held() {
    let mut stage = Stage::with(Mode::Enforce);
    stage.ask(DOMAIN);
    stage.publish("withdrawn", Mode::None, &[]);
    stage.wait(AFTER_TTL);
    let answer = stage.ask(DOMAIN);
    assert_eq!((told(&answer).as_str(), answer.why.as_wire()), ("not-found", "withdrawn"));
    stage.edit(|world| {
        world.node("_mta-sts.alpha.test").set_txt(&[]);
        world.serve(DOMAIN, &Page::status(404));
    });
    stage.wait(10 * DAY);
    stage.restart();
    assert_eq!(stage.ask(DOMAIN).why.as_wire(), "withdrawn");
    assert_eq!(stage.told(), [], "a domain may withdraw in peace");
}

/// Proves: C5
#[test]
fn a_policy_is_fetched_anew_about_daily_though_nobody_asks() {
    let mut times = Vec::new();
    for seed in 0..3 {
        let options = tlsward_engine::enforce::Options { seed, ..Default::default() };
        let mut stage = Stage::with_options(
            |world| world.domain(DOMAIN).mx(2).policy(Mode::Enforce).add().unwrap(),
            options,
        );
        stage.ask(DOMAIN);
        let policy = stage.resolver.status(&domain(DOMAIN)).unwrap().policy.unwrap();
        times.push(policy.refresh_at - NOW);
        stage.edit(|world| world.node("_mta-sts.alpha.test").set_txt(&[]));
        stage.wait(30 * DAY);
        let fetches = stage.network.fetches(DOMAIN);
        assert!((31..=36).contains(&fetches), "{fetches} in 30 days");
        let policy = stage.resolver.status(&domain(DOMAIN)).unwrap().policy.unwrap();
        assert!(policy.expires_at > NOW + 57 * 86_400, "max_age counts from the last fetch");
        assert_eq!(told(&stage.ask(DOMAIN)), SECURE, "also where the record is gone");
    }
    let day = 75_600..=86_400;
    assert!(times.iter().all(|time| day.contains(time)) && times[0] != times[1] && times[1] != times[2]);
}

/// Proves: C7
#[test]
fn a_body_that_came_unchanged_under_another_id_is_fetched_again_soon() {
    let mut stage = Stage::with(Mode::Enforce);
    stage.ask(DOMAIN);
    stage.edit(|world| world.announce(DOMAIN, "second"));
    stage.wait(AFTER_TTL);
    stage.ask(DOMAIN);
    let new = Policy { mode: Mode::Enforce, mx: vec!["*.alpha.test".to_owned()], max_age: DAY };
    stage.edit(|world| world.serve(DOMAIN, &Page::text(new.text())));
    stage.wait(3_700);
    assert_eq!(told(&stage.ask(DOMAIN)), "secure *.alpha.test");
}

/// Proves: C1
#[test]
fn a_policy_that_is_over_is_gone_from_the_store_as_well() {
    let mut stage = Stage::with(Mode::Enforce);
    stage.ask(DOMAIN);
    stage.network.set_down(true);
    stage.wait(28 * DAY + 60);
    assert_eq!(stage.executor.run(stage.store.kept(None, 10)).unwrap().unwrap(), []);
    stage.network.set_down(false);
    stage.disturb("_mta-sts.alpha.test", RecordKind::Txt, DnsTrouble::ServFail);
    assert_eq!(told(&stage.ask(DOMAIN)), "not-found");
    stage.calm();
    stage.wait(31);
    assert_eq!(told(&stage.ask(DOMAIN)), SECURE);
}

/// What the store has is read as it was served, a byte order mark and all, and is worth the same.
#[test]
fn a_policy_is_kept_as_it_was_served() {
    let mut stage = Stage::with(Mode::Enforce);
    let body =
        "\u{feff}version: STSv1\nmode: enforce\n\nmx: mx1.alpha.test\nx-note: für alle\nmax_age: 604800\n\n";
    stage.edit(|world| world.serve(DOMAIN, &Page::text(body)));
    let answer = stage.ask(DOMAIN);
    assert_eq!(told(&answer), "secure mx1.alpha.test");
    let kept = stage.executor.run(stage.store.kept(None, 10)).unwrap().unwrap().remove(0);
    assert_eq!((kept.body.as_ref(), kept.id.as_str()), (body.as_bytes(), "20260101000000"));
    stage.restart();
    assert_eq!(stage.ask(DOMAIN).policy, answer.policy);
    assert_eq!(stage.resolver.unreadable(), 0);
}
