//! What is known of a policy domain, for pages and for the judging of sessions; and what came of the owner's commands.

use std::sync::Arc;

use mta_sts::policy::Policy;
use mta_sts::policy_domain::PolicyDomain;
use mta_sts::record::PolicyId;
use mta_sts::response::FetchFailure;

use crate::facts::UnixTime;
use crate::ports::{DaneLine, StoreError};

/// A policy domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainStatus {
    /// Which.
    pub domain: PolicyDomain,
    /// Its MTA-STS policy, while one is in force; its mode may be none.
    pub policy: Option<PolicyStatus>,
    /// What DANE asks of its MX hosts, if mail went there since the start and it asks anything.
    pub dane: Option<DaneLine>,
    /// The latest failure to fetch a policy, while no fetch has succeeded since and a policy is announced or held.
    pub last_failure: Option<LastFailure>,
}

/// A policy in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyStatus {
    /// The policy; [`Policy::lines`] are the lines as served.
    pub policy: Arc<Policy>,
    /// The id of the record under which it was fetched.
    pub id: PolicyId,
    /// When it was fetched last.
    pub fetched_at: UnixTime,
    /// The last second in which it is in force.
    pub expires_at: UnixTime,
    /// When it will be fetched anew.
    pub refresh_at: UnixTime,
    /// How many times in a row that has failed.
    pub failures: u32,
}

/// A fetch that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastFailure {
    /// Why.
    pub failure: FetchFailure,
    /// When.
    pub at: UnixTime,
    /// Whether it belongs into TLS reports: a valid record announced the policy, or one that is not of mode none is held
    /// (RFC 8461 §6).
    pub is_reportable: bool,
}

/// What came of a refresh on command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refreshed {
    /// The policy was fetched.
    Fetched {
        /// Whether it treats MX hosts otherwise than the one before; true for the first one.
        is_changed: bool,
    },
    /// There is no usable record, and no policy is held.
    NoRecord,
    /// DNS did not tell, and no policy is held. The text says why.
    RecordUnknown(String),
    /// The policy could not be fetched. One that is held stays in force.
    Failed(FetchFailure),
    /// A fetch for the same id failed less than five minutes ago (RFC 8461 §3.3): try again later.
    TooSoon,
    /// It was not done: the server is stopping.
    Stopping,
}

/// What came of the owner's command to forget.
#[derive(Debug, Clone)]
pub enum Forgotten {
    /// The policy is gone. The next mail to the domain is the first.
    Gone,
    /// None was held.
    Nothing,
    /// The store could not remove it: it stays in force.
    Failed(StoreError),
}

/// Whether a newer policy was found before a message is given up for good (RFC 8461 §5).
pub use mta_sts::freshness::Rechecked;
