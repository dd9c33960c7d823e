//! What the owner may command, and the end of the process.

use mta_sts::response::FetchFailure;
use tlsward_engine::enforce::{Forgotten, Rechecked, Refreshed};
use tlsward_engine::ports::Policies as _;
use tlsward_lab::world::{Mode, Page};

use crate::stage::{DOMAIN, SECURE, Stage, domain, told};

fn refresh(stage: &mut Stage, name: &str) -> Refreshed {
    let refreshed = stage.resolver.refresh(&domain(name));
    stage.executor.run(refreshed).unwrap()
}

/// Proves: S15
#[test]
fn a_refresh_by_command_fetches_at_once_and_says_what_came_of_it() {
    let mut stage = Stage::with(Mode::Enforce);
    assert_eq!(refresh(&mut stage, DOMAIN), Refreshed::Fetched { is_changed: true });
    assert_eq!(refresh(&mut stage, DOMAIN), Refreshed::Fetched { is_changed: false });
    stage.publish("second", Mode::Enforce, &["*.alpha.test"]);
    assert_eq!(refresh(&mut stage, DOMAIN), Refreshed::Fetched { is_changed: true });
    assert_eq!(told(&stage.ask(DOMAIN)), "secure *.alpha.test");
    stage.edit(|world| world.serve(DOMAIN, &Page::status(500)));
    assert_eq!(refresh(&mut stage, DOMAIN), Refreshed::Failed(FetchFailure::Status(500)));
    assert_eq!(refresh(&mut stage, DOMAIN), Refreshed::TooSoon);
    assert_eq!(refresh(&mut stage, "nobody.test"), Refreshed::NoRecord);
    assert_eq!(told(&stage.ask(DOMAIN)), "secure *.alpha.test");
    assert_eq!(stage.network.fetches(DOMAIN), 4);
}

#[test]
fn what_the_owner_has_forgotten_is_gone_also_from_the_store() {
    let mut stage = Stage::with(Mode::Enforce);
    stage.ask(DOMAIN);
    let forget = |stage: &mut Stage| stage.executor.run(stage.resolver.forget(&domain(DOMAIN))).unwrap();
    assert!(matches!(forget(&mut stage), Forgotten::Gone));
    assert!(matches!(forget(&mut stage), Forgotten::Nothing));
    assert_eq!(stage.resolver.status(&domain(DOMAIN)), None);
    assert_eq!(stage.known(DOMAIN), None);
    assert_eq!(stage.executor.run(stage.store.kept(None, 10)).unwrap().unwrap(), []);
    assert_eq!(told(&stage.ask(DOMAIN)), SECURE, "the next mail is the first");
}

/// Proves: E10
#[test]
fn before_a_message_is_given_up_a_newer_policy_is_looked_for() {
    let mut stage = Stage::with(Mode::Enforce);
    stage.ask(DOMAIN);
    let recheck = |stage: &mut Stage| stage.executor.run(stage.resolver.recheck(&domain(DOMAIN))).unwrap();
    assert_eq!(recheck(&mut stage), Rechecked::NoNewer);
    stage.publish("second", Mode::Enforce, &["*.alpha.test"]);
    assert_eq!(recheck(&mut stage), Rechecked::Changed);
    assert_eq!(told(&stage.ask(DOMAIN)), "secure *.alpha.test");
    stage.network.set_down(true);
    assert_eq!(recheck(&mut stage), Rechecked::Unknown);
}

/// Policies are listed by name, page by page.
#[test]
fn what_is_held_can_be_listed() {
    let mut stage = Stage::new(|world| {
        for name in ["b.test", "a.test", "c.test"] {
            world.domain(name).add().unwrap();
        }
        world.domain("none.test").no_policy().add().unwrap();
    });
    for name in ["b.test", "a.test", "c.test", "none.test"] {
        stage.ask(name);
    }
    let list = |after: Option<&str>, limit| {
        let after = after.map(domain);
        let page = stage.resolver.statuses(after.as_ref(), limit);
        page.into_iter().map(|status| status.domain.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(list(None, 2), ["a.test", "b.test"]);
    assert_eq!(list(Some("b.test"), 2), ["c.test"]);
    assert_eq!(list(Some("c.test"), 2), Vec::<String>::new());
    let status = stage.resolver.status(&domain("a.test")).unwrap().policy.unwrap();
    assert_eq!(status.policy.lines().next(), Some("version: STSv1"));
    assert_eq!(status.expires_at - status.fetched_at, 28 * 86_400);
    assert_eq!(stage.resolver.remembered().policies, 3);
}

/// Proves: C2
#[test]
fn after_the_end_of_the_driver_what_is_held_is_told_and_nobody_hangs() {
    let mut stage = Stage::with(Mode::Enforce);
    stage.ask(DOMAIN);
    stage.stop();
    stage.wait(400);
    assert_eq!(told(&stage.ask(DOMAIN)), SECURE);
    let answer = stage.ask("other.test");
    assert_eq!((told(&answer).as_str(), answer.why.as_wire()), ("try-later", "stopping"));
    assert_eq!(refresh(&mut stage, DOMAIN), Refreshed::Stopping);
}
