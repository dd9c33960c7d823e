//! The check over a world of tables: what is gathered, what is found, and that one fault is one finding.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

#[path = "check/chains.rs"]
mod chains;
#[path = "check/fake.rs"]
mod fake;
#[path = "check/faults.rs"]
mod faults;
#[path = "check/hostile.rs"]
mod hostile;
#[path = "check/policy.rs"]
mod policy;
#[path = "check/world.rs"]
mod world;

use chains::NOW;
use fake::{DOMAIN, Fake, run};
use mta_sts::policy_domain::PolicyDomain;
use tlsward_engine::check::{Options, Report};

fn options() -> Options {
    Options { unused_label: Some("unused7".to_owned()), ..Options::default() }
}

fn check(fake: &Fake) -> Report {
    let domain = PolicyDomain::parse(DOMAIN).unwrap();
    let roots = fake.authority.roots();
    run(tlsward_engine::check::check(fake, &roots, &domain, &options(), NOW))
}

fn codes(report: &Report) -> Vec<&'static str> {
    report.findings.iter().map(|finding| finding.code.as_wire()).collect()
}
