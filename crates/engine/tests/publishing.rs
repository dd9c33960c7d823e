//! What is published, as seen from outside: adoption and drift over a world of tables.

#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

#[path = "publishing/adopt.rs"]
mod adopt;
#[allow(dead_code, reason = "shared with the tests of the check, which need more of it")]
#[path = "check/chains.rs"]
mod chains;
#[path = "publishing/drift.rs"]
mod drift;
#[allow(dead_code, reason = "shared with the tests of the check, which need more of it")]
#[path = "check/fake.rs"]
mod fake;

use fake::{DOMAIN, Fake, run};
use mta_sts::policy_domain::PolicyDomain;
use tlsward_engine::check::{Observations, Options, gather};

/// Looks at the world as a check does.
fn look(fake: &Fake) -> Observations {
    let domain = PolicyDomain::parse(DOMAIN).unwrap();
    let options = Options { unused_label: Some("unused7".to_owned()), ..Options::default() };
    run(gather(fake, &domain, &options))
}
