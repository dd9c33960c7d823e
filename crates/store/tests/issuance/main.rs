//! An issuance that is killed at any of its steps and gone on with after a restart completes once, and no key is lost: asked
//! of both stores, with an authority that follows RFC 8555 and a kill at every single point of waiting.

mod authority;
#[path = "../support/mod.rs"]
mod support;
mod world;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use authority::Ca;
use tlsward_engine::ports::certificates::{Certificates, ChallengeKind};
use tlsward_engine::publish::certificate::issue::{Desk, Job, Outcome};
use tlsward_engine::publish::certificate::need::Wanted;
use tlsward_engine::publish::certificate::pace::Limits;
use tlsward_engine::publish::certificate::preflight::OurAddresses;
use tlsward_engine::publish::certificate::settings::{AuthoritySettings, Settings};
use tlsward_store::{MemoryStore, Quotas, SealingKey, SqliteStore};
use world::{Answers, Fixed, NoRecords, World};

const NAME: &str = "mta-sts.a.test";

fn settings() -> Settings {
    let authority = AuthoritySettings {
        directory: "https://ca.test/dir".to_owned(),
        terms_agreed: true,
        registration: Default::default(),
        caa_identities: Vec::new(),
        limits: Limits::default(),
    };
    let mut settings = Settings::new(vec![authority], OurAddresses { ours: Vec::new(), is_public: |_| true });
    settings.methods = vec![ChallengeKind::Http01];
    settings
}

fn job() -> Job {
    Job {
        wanted: Wanted { name: NAME.to_owned(), domain: "a.test".to_owned() },
        authority: 0,
        replaces: None,
        failures: 0,
    }
}

type TestDesk<S> = Desk<World, Ca, S, Answers, NoRecords, Fixed>;

fn desk<S: Certificates>(ca: &Ca, store: S) -> TestDesk<S> {
    Desk::new(World, ca.clone(), store, ca.answers(), None, Fixed(1_000), settings())
}

/// Polls until it is done, or dropped after so many times that it waited for something of the authority or the world.
fn run_for<F: Future>(future: F, waits: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    let mut waited = 0;
    loop {
        let before = world::waits();
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return Some(output),
            Poll::Pending if world::waits() > before => {
                waited += 1;
                if waited > waits {
                    return None;
                }
            }
            // The store's thread is at it.
            Poll::Pending => std::thread::yield_now(),
        }
    }
}

/// What must hold after a kill and a new start.
fn check(ca: &Ca, store: &impl Certificates, killed_after: usize) {
    let kept = support::wait(store.certificate(NAME)).expect("asked").expect("a certificate is kept");
    assert_eq!(ca.issued(), 1, "killed after {killed_after} waits: one certificate was issued");
    assert_eq!(ca.accounts(), 1, "killed after {killed_after} waits: one account was made");
    assert!(
        ca.is_issued_for(&kept.key),
        "killed after {killed_after} waits: its key is the one that is kept"
    );
    assert_eq!(support::wait(store.order(NAME)).expect("asked"), None);
    assert_eq!(ca.presented(), 0, "nothing is presented any more");
}

/// Proves: K7
#[test]
fn killed_at_any_wait_and_started_again_an_issuance_completes_once_in_memory() {
    let mut killed_after = 0;
    loop {
        let ca = Ca::default();
        let desk = desk(&ca, MemoryStore::default());
        let first = run_for(desk.issue(&job()), killed_after);
        ca.forget_presented();
        if first.is_none() {
            let second = support::wait(desk.issue(&job())).expect("it goes on");
            assert!(matches!(second, Outcome::Issued(_)), "{second:?}");
        }
        check(&ca, &desk.store, killed_after);
        if first.is_some() {
            assert!(killed_after > 15, "the walk was too short: {killed_after}");
            return;
        }
        killed_after += 1;
    }
}

/// The same, and the process is gone: the database is opened anew.
///
/// Proves: K7
#[test]
fn killed_at_any_wait_and_started_again_an_issuance_completes_once_on_disk() {
    let mut killed_after = 0;
    loop {
        let ca = Ca::default();
        let folder = tempfile::tempdir().expect("a folder");
        let open = || {
            let store = SqliteStore::open(folder.path().join("t.db"), Quotas::default()).expect("a store");
            store.seal_with(SealingKey::new(&[7; 32]).expect("a key"));
            store
        };
        let is_done = {
            let desk = desk(&ca, open());
            run_for(desk.issue(&job()), killed_after).is_some()
        };
        ca.forget_presented();
        let desk = desk(&ca, open());
        if !is_done {
            let second = support::wait(desk.issue(&job())).expect("it goes on");
            assert!(matches!(second, Outcome::Issued(_)), "{second:?}");
        }
        check(&ca, &desk.store, killed_after);
        if is_done {
            return;
        }
        killed_after += 1;
    }
}

/// Proves: K7
#[test]
fn an_order_that_was_revoked_meanwhile_is_made_anew_with_another_key() {
    let ca = Ca::default();
    let desk = desk(&ca, MemoryStore::default());
    // Long enough that the order is kept.
    let mut waits = 0;
    while support::wait(desk.store.order(NAME)).expect("asked").is_none() {
        assert!(run_for(desk.issue(&job()), waits).is_none());
        waits += 1;
    }
    let begun = support::wait(desk.store.order(NAME)).expect("asked").expect("there");
    ca.revoke_orders();
    ca.forget_presented();
    support::wait(desk.issue(&job())).expect("issued");
    let kept = support::wait(desk.store.certificate(NAME)).expect("asked").expect("kept");
    assert_ne!(kept.key, begun.key);
    assert!(ca.is_issued_for(&kept.key));
}

#[test]
fn beyond_the_limits_of_the_authority_nothing_is_ordered() {
    let ca = Ca::default();
    let mut desk = desk(&ca, MemoryStore::default());
    desk.settings.authorities[0].limits = Limits::default();
    for number in 0..300 {
        let event = tlsward_engine::ports::certificates::CountedEvent {
            directory: "https://ca.test/dir".to_owned(),
            name: format!("mta-sts.{number}.test"),
            what: tlsward_engine::ports::certificates::Counted::Order,
            at: 900,
        };
        support::wait(desk.store.count(event, 0)).expect("counted");
    }
    support::wait(desk.remember()).expect("read");
    let outcome = support::wait(desk.issue(&job())).expect("no failure");
    assert!(matches!(outcome, Outcome::Later(_)), "{outcome:?}");
    assert_eq!(ca.orders(), 0);
}
