//! Every fault of the catalogue, met without a policy and with one.

use tlsward_engine::ports::MtaPolicy;
use tlsward_lab::faults::{self, Base};
use tlsward_lab::world::{Mode, World};

use crate::stage::{AFTER_TTL, DAY, DOMAIN, Stage, domain, told};

fn healthy(base: Base) -> impl FnOnce(&mut World) {
    move |world| {
        let plan = world.domain(DOMAIN).mx(2).addresses(2).policy(Mode::Enforce);
        match base {
            Base::Unsigned => plan,
            Base::Signed => plan.signed(),
            Base::Dane => plan.dane(),
        }
        .add()
        .unwrap();
    }
}

/// The audit's verdict is what its catalogue says of mail from a sender that has nothing cached: that is what ours does.
///
/// Proves: C3
#[test]
fn a_sender_that_holds_nothing_does_what_the_audit_says_of_it() {
    for fault in faults::all() {
        let mut stage = Stage::new(healthy(fault.base));
        stage.edit(|world| (fault.apply)(world, DOMAIN));
        stage.ask(DOMAIN);
        stage.wait(100);
        let answer = stage.ask(DOMAIN);
        let held = stage.resolver.status(&domain(DOMAIN)).and_then(|status| status.policy);
        let is_held = held.is_some_and(|held| held.policy.mode() != mta_sts::policy::Mode::None);
        match fault.verdict {
            // A domain that takes no mail may have a policy all the same.
            "none" if fault.name == "mx-null-with-policy" => {}
            "broken" | "none" => assert!(!is_held, "{}: {}", fault.name, told(&answer)),
            "unknown" => {}
            _ => assert!(is_held, "{}: {}", fault.name, told(&answer)),
        }
    }
}

/// Whatever goes wrong after the first contact, mail is never sent with less than was promised as long as the policy
/// lives: only the domain itself, with another policy over a valid certificate, changes what is told.
///
/// Proves: C2, C9, E7
#[test]
fn no_fault_after_the_first_contact_weakens_what_is_told() {
    for fault in faults::all() {
        let mut stage = Stage::new(healthy(fault.base));
        stage.ask(DOMAIN);
        let first = stage.resolver.status(&domain(DOMAIN)).unwrap().policy.unwrap();
        stage.edit(|world| (fault.apply)(world, DOMAIN));
        for wait in [AFTER_TTL, AFTER_TTL, DAY, 5 * DAY] {
            stage.wait(wait);
            let answer = stage.ask(DOMAIN);
            let now = stage.resolver.status(&domain(DOMAIN)).unwrap().policy.unwrap();
            let told = told(&answer);
            if now.policy.same_rules(&first.policy) {
                let holds = matches!(answer.policy, MtaPolicy::TryLater(_))
                    || told == "dane-only"
                    || told.starts_with("secure ");
                assert!(holds, "{}: {told}", fault.name);
            } else {
                assert!(now.fetched_at > first.fetched_at, "{}: {told}", fault.name);
            }
        }
    }
}
