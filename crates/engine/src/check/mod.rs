//! The audit of a domain from outside: what a sender would see, and what to do about it.
//!
//! Two halves. [`gather`] asks DNS, the policy host, every address of every MX host and the places for reports, through
//! the ports, and judges nothing; [`decide`] judges what was seen and is pure. Each finding has a [`Code`] that never
//! changes, a level, plain words and the exact fix; the verdict says what becomes of mail (its table is
//! in `decide/verdict.rs`). Nothing fails: trouble is part of what was seen, and what could not be told is `unknown`.
//!
//! A hostile domain costs a bounded amount of work: [`MAX_HOSTS`], [`MAX_ADDRESSES`], [`MAX_RUAS`],
//! [`Options::time_limit`], and what the adapters allow for one question or probe.

mod advice;
mod breadth;
mod code;
pub(crate) mod dane_terms;
mod decide;
pub(crate) mod gather;
mod history;
mod id_change;
pub(crate) mod observations;
mod options;
mod report;
pub(crate) mod text;

use mta_sts::policy_domain::PolicyDomain;
use smtp_dane::pkix::TrustRoots;

use crate::facts::UnixTime;
use crate::ports::World;

pub use code::{About, Code, Level, Pitfall};
pub use decide::decide;
pub use gather::gather;
pub use history::{Change, Snapshot};
pub use observations::{
    Cut, Fetch, HostReplies, MxHost, Observations, Probe, RuaProbe, RuaSeen, Subdomain, aliases,
};
pub use options::{MAX_ADDRESSES, MAX_HOSTS, MAX_PATTERNS, MAX_RUAS, Options};
pub use report::{AddressFacts, Finding, MxFacts, PolicyFacts, RecordFacts, Report, RuaFacts, Verdict};

/// Audits a domain: [`gather`], then [`decide`] at `now`, Unix seconds.
pub async fn check<W: World>(
    world: &W,
    roots: &TrustRoots,
    domain: &PolicyDomain,
    options: &Options,
    now: UnixTime,
) -> Report {
    decide(&gather(world, domain, options).await, roots, now)
}
