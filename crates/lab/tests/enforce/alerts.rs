//! What the owner is told of.

use std::sync::atomic::{AtomicBool, Ordering};

use tlsward_engine::alert::Rule;
use tlsward_engine::enforce::Options;
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::{Dnssec, Keeping, KeptPolicy, Policies, StoreError};
use tlsward_lab::world::{Mode, Page};
use tlsward_store::MemoryStore;

use crate::stage::{DAY, DOMAIN, SECURE, Stage, told};

fn line(sign: char, rule: Rule) -> (char, Rule, String) {
    (sign, rule, DOMAIN.to_owned())
}

/// Proves: C6
#[test]
fn a_refresh_that_keeps_failing_is_told_once_long_before_the_end_and_again_when_it_works() {
    let mut stage = Stage::with(Mode::Enforce);
    stage.ask(DOMAIN);
    let page = Page::text("version: STSv1\nmode: enforce\nmx: *.alpha.test\nmax_age: 2419200\n");
    stage.edit(|world| world.serve(DOMAIN, &Page::status(500)));
    stage.wait(2 * DAY);
    assert_eq!(stage.told(), [line('+', Rule::PolicyRefreshFailing)]);
    stage.wait(10 * DAY);
    assert_eq!(stage.told(), [], "once");
    let standing = stage.board.standing();
    assert!(standing[0].text.contains("policy host answered with status 500"), "{}", standing[0].text);
    assert!(standing[0].text.contains(" days; then mail"), "{}", standing[0].text);
    stage.restart();
    assert_eq!(
        stage.told(),
        [line('+', Rule::PolicyRefreshFailing)],
        "what goes on is told by the next process"
    );
    stage.edit(|world| world.serve(DOMAIN, &page));
    stage.wait(DAY);
    assert_eq!(stage.told(), [line('-', Rule::PolicyRefreshFailing)]);
    assert!(stage.board.standing().is_empty());
}

/// Proves: C6
#[test]
fn a_policy_that_runs_out_unrefreshed_is_told_until_there_is_one_again() {
    let mut stage = Stage::with(Mode::Enforce);
    stage.ask(DOMAIN);
    stage.network.set_down(true);
    stage.wait(29 * DAY);
    let failing = Rule::PolicyRefreshFailing;
    assert_eq!(stage.told(), [line('+', failing), line('+', Rule::PolicyExpired), line('-', failing)]);
    stage.network.set_down(false);
    assert_eq!(told(&stage.ask(DOMAIN)), SECURE);
    assert_eq!(stage.told(), [line('-', Rule::PolicyExpired)]);
}

#[test]
fn dnssec_that_does_not_work_is_told_and_defers_no_mail() {
    let mut stage = Stage::with(Mode::Enforce);
    stage.network.set_dnssec(Dnssec::Unusable("the resolver never sets AD".to_owned()));
    let answer = stage.ask(DOMAIN);
    assert_eq!(told(&answer), SECURE);
    assert!(answer.why.text().contains("DNSSEC does not work here"), "{}", answer.why.text());
    assert_eq!(stage.told(), [('+', Rule::DnssecUnusable, String::new())]);
    assert!(stage.board.standing()[0].text.contains("the resolver never sets AD"));
    stage.network.set_dnssec(Dnssec::Validated);
    stage.wait(60);
    stage.ask(DOMAIN);
    assert_eq!(stage.told(), [('-', Rule::DnssecUnusable, String::new())]);
}

/// A store whose disk may be full.
#[derive(Default)]
struct Full {
    store: MemoryStore,
    is_full: AtomicBool,
}

impl Full {
    fn check(&self) -> Result<(), StoreError> {
        match self.is_full.load(Ordering::Relaxed) {
            true => Err(StoreError::Unavailable("the disk is full".to_owned())),
            false => Ok(()),
        }
    }
}

impl Policies for Full {
    async fn keep(&self, policy: KeptPolicy) -> Result<Keeping, StoreError> {
        self.check()?;
        self.store.keep(policy).await
    }

    async fn note_failures(&self, domain: &str, at: UnixTime, failures: u32) -> Result<(), StoreError> {
        self.check()?;
        self.store.note_failures(domain, at, failures).await
    }

    async fn forget(&self, domain: &str, until: UnixTime) -> Result<bool, StoreError> {
        self.check()?;
        self.store.forget(domain, until).await
    }

    fn kept(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<KeptPolicy>, StoreError>> + Send {
        self.store.kept(after, limit)
    }
}

#[test]
fn a_policy_that_cannot_be_written_holds_is_told_and_is_written_when_it_can_be() {
    let build = |world: &mut tlsward_lab::world::World| {
        world.domain(DOMAIN).mx(2).policy(Mode::Enforce).add().unwrap();
    };
    let mut stage = Stage::with_store(build, Options::default(), Full::default());
    stage.store.is_full.store(true, Ordering::Relaxed);
    assert_eq!(told(&stage.ask(DOMAIN)), SECURE);
    stage.wait(3_600);
    assert_eq!(stage.told(), [line('+', Rule::PolicyNotKept)]);
    stage.store.is_full.store(false, Ordering::Relaxed);
    stage.wait(600);
    assert_eq!(stage.told(), [line('-', Rule::PolicyNotKept)]);
    stage.network.set_down(true);
    stage.restart();
    assert_eq!(told(&stage.ask(DOMAIN)), SECURE);
}
