//! What goes wrong with mail domains, as data: each fault is an edit of a healthy domain, with what an audit must
//! find, no more and no less, and what becomes of mail.
//!
//! The codes and verdicts are those of `tlsward check`, as texts: nothing of it is known here.

mod certificates;
mod dane;
mod dns;
mod mx;
mod policy;
mod record;
mod reports;

use std::sync::Arc;

use crate::pki::{Pki, PkiError};
use crate::world::{Mode, UnixTime, World};

/// The domain that every fault strikes.
pub const DOMAIN: &str = "alpha.test";

/// One way to be broken.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// In kebab-case; it never changes.
    pub name: &'static str,
    /// For a person.
    pub about: &'static str,
    /// What it strikes.
    pub base: Base,
    /// The edit.
    pub apply: fn(&mut World, &str),
    /// The codes of the findings, each once, sorted.
    pub findings: &'static [&'static str],
    /// The verdict.
    pub verdict: &'static str,
    /// What it takes to show it over real sockets.
    pub sockets: Sockets,
}

/// A healthy domain: two MX hosts and a policy host with two addresses each, an enforced policy, reports by mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Base {
    /// In a zone that is not signed.
    Unsigned,
    /// In a signed zone, without DANE.
    Signed,
    /// In a signed zone, with TLSA records for every MX host.
    Dane,
}

/// How a fault can be shown over real sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sockets {
    /// At once.
    Yes,
    /// By letting a client's patience run out: seconds to minutes unless it has little.
    Slow,
}

/// The whole catalogue.
#[must_use]
pub fn all() -> Vec<Fault> {
    [record::LIST, policy::LIST, certificates::LIST, mx::LIST, dane::LIST, dns::LIST, reports::LIST].concat()
}

/// The fault of this name.
#[must_use]
pub fn named(name: &str) -> Option<Fault> {
    all().into_iter().find(|fault| fault.name == name)
}

impl Fault {
    /// A world in 127.0.0.0/8 whose one domain, [`DOMAIN`], has this fault. Worlds of one `pki` share certificates.
    ///
    /// # Errors
    /// When a certificate cannot be made.
    pub fn world(&self, now: UnixTime, pki: &Arc<Pki>) -> Result<World, PkiError> {
        let mut world = self.base.world(now, pki)?;
        (self.apply)(&mut world, DOMAIN);
        Ok(world)
    }
}

impl Base {
    /// The healthy world.
    ///
    /// # Errors
    /// When a certificate cannot be made.
    pub fn world(self, now: UnixTime, pki: &Arc<Pki>) -> Result<World, PkiError> {
        let mut world = World::loopback(now);
        world.pki = Arc::clone(pki);
        let plan = world.domain(DOMAIN).mx(2).addresses(2).policy(Mode::Enforce);
        let plan = match self {
            Self::Unsigned => plan,
            Self::Signed => plan.signed(),
            Self::Dane => plan.dane(),
        };
        plan.add()?;
        Ok(world)
    }
}

/// A fault of an unsigned domain that sockets show at once.
const fn fault(
    name: &'static str,
    about: &'static str,
    apply: fn(&mut World, &str),
    verdict: &'static str,
    findings: &'static [&'static str],
) -> Fault {
    Fault { name, about, base: Base::Unsigned, apply, findings, verdict, sockets: Sockets::Yes }
}

/// The same, where a client's patience has to run out.
const fn slow(fault: Fault) -> Fault {
    Fault { sockets: Sockets::Slow, ..fault }
}

/// The same, of another base.
const fn on(base: Base, fault: Fault) -> Fault {
    Fault { base, ..fault }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_fault_has_a_name_of_its_own_and_changes_the_world() {
        let pki = Arc::new(Pki::new());
        let mut seen = BTreeSet::new();
        for fault in all() {
            assert!(seen.insert(fault.name), "{} is there twice", fault.name);
            assert!(fault.findings.is_sorted(), "{}: the codes are not sorted", fault.name);
            let healthy = format!("{:?}", fault.base.world(1_800_000_000, &pki).unwrap());
            let broken = format!("{:?}", fault.world(1_800_000_000, &pki).unwrap());
            assert_ne!(healthy, broken, "{} changes nothing", fault.name);
        }
        assert!(seen.len() > 100, "{} faults", seen.len());
    }
}
