//! Policies that cannot be fetched, as failures of the sessions that they concern: RFC 8461 §6.
//!
//! A fetch that fails is to be reported where a valid record announces a policy, and where a policy is held whose mode is
//! not none. RFC 8460 counts sessions, so it is counted on those that went to the domain while it was so:
//!
//! - *Nothing held.* The mail went as if there were no policy (RFC 8461 §3.3), and the MTA says `no-policy-found`. But one
//!   was announced: the session is counted under type `sts`, with the policy domain and no policy strings, as a
//!   failure of the fetch (§4.3.2.2), and not under `no-policy-found` (§4.4: "if neither … could be found"). Large
//!   reporters write it in this form. It is one session, so it is counted in one place.
//! - *One held.* The session is counted under that policy, as a failure of the fetch, beside whatever else failed in it
//!   (§4: types are not exclusive). A success would be true of the handshake; but RFC 8461 §6 makes the event a
//!   reportable failure so that an attack on the policy host does not stay hidden, and totals that contradict the
//!   details would be read one way here and another way there.
//!
//! Sessions under DANE stay as they are: there DANE decides (RFC 8461 §2), and no policy was wanted.

use mta_sts::policy::Mode;
use mta_sts::response::FetchFailure;
use tls_rpt::tally::{AppliedPolicy, Failure};
use tls_rpt::{PolicyType, ResultType, Text};

use super::super::session::Session;
use super::verdict::bounded;
use crate::facts::UnixTime;

/// Knows policies and how the fetching of them goes.
pub trait PolicyHosts: Send + Sync {
    /// How it stood with a policy domain at that time, as far as it is known; `None`: nothing is known of it. Asked soon
    /// after the sessions in question, and once for many of them.
    fn standing(&self, domain: &str, at: UnixTime) -> Option<Standing>;
}

/// How it stands with the policy of a domain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// The policy in force.
    pub in_force: Option<InForce>,
    /// What is wrong with the fetching of it: the latest fetch failed, and a valid record announces a policy or one is
    /// held. A fetch that succeeds ends it.
    pub trouble: Option<Trouble>,
}

/// A policy in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// Its mode.
    pub mode: Mode,
    /// Its lines as served.
    pub lines: Vec<Text>,
    /// Its MX patterns.
    pub mx: Vec<Text>,
}

/// Fetches that fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trouble {
    /// The latest failure.
    pub failure: FetchFailure,
    /// When the first of them failed, as far as it is known: sessions before it are not concerned.
    pub since: UnixTime,
}

/// Knows none.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPolicies;

impl PolicyHosts for NoPolicies {
    fn standing(&self, _: &str, _: UnixTime) -> Option<Standing> {
        None
    }
}

/// The result type for a fetch that failed: RFC 8460 §4.3.2.2.
#[must_use]
pub fn fetch_failure_type(failure: FetchFailure) -> ResultType {
    match failure {
        // "could not be authenticated using PKIX validation"
        FetchFailure::Certificate => ResultType::StsWebpkiInvalid,
        // "a validation error for the overall MTA-STS Policy"
        FetchFailure::Malformed(_) | FetchFailure::MediaType => ResultType::StsPolicyInvalid,
        // "a failure to retrieve an MTA-STS policy"
        FetchFailure::Unreachable
        | FetchFailure::TimedOut
        | FetchFailure::TlsHandshake
        | FetchFailure::Status(_)
        | FetchFailure::TooLarge
        | FetchFailure::Lost => ResultType::StsPolicyFetchError,
    }
}

/// Counts a session as one that a failing fetch concerns, if one does. `standing`: of its policy domain.
pub(super) fn concern(session: &mut Session, standing: Option<&Standing>) {
    let is_sts = match session.policy.policy_type {
        PolicyType::Sts => true,
        PolicyType::NoPolicyFound => false,
        PolicyType::Tlsa | PolicyType::Unknown(_) => return,
    };
    let Some(standing) = standing else { return };
    let Some(trouble) = standing.trouble.filter(|trouble| trouble.since <= session.at) else { return };
    match &standing.in_force {
        // RFC 8461 §6: "except if that policy's mode is none".
        Some(InForce { mode: Mode::None, .. }) => return,
        // One is held and the MTA did not apply it: it was told so by somebody else.
        Some(_) if !is_sts => return,
        None if !is_sts => {
            session.policy = AppliedPolicy {
                policy_type: PolicyType::Sts,
                domain: session.policy.domain.clone(),
                strings: Vec::new(),
                mx_patterns: Vec::new(),
            };
        }
        Some(_) | None => {}
    }
    session.met = Some(false);
    session.failures.push(Failure {
        result: fetch_failure_type(trouble.failure),
        receiving_mx: None,
        receiving_helo: None,
        receiving_ip: None,
        sending_ip: None,
        reason: Some(bounded(&trouble.failure.to_string())),
        additional: None,
    });
}
