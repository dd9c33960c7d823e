//! The cached policy of one domain, as a state machine.
//!
//! Keeps a policy in force while its domain's DNS or policy host is down, under attack or half updated, and
//! says what to look up or fetch next. Performs no I/O: the caller carries out the [`Action`]s and feeds
//! what came of them back as an [`Input`], with the time and a random [`Spread`].
//!
//! What holds in every state, and is tested over all of them:
//!
//! - Only a fetched policy or the end of its own max_age ever removes a policy in force; no failure does
//!   (RFC 8461 §3.3, §5.1), and nothing but a fetch ever extends it.
//! - After a failed fetch the same id is not fetched again for five minutes; another id may be at once, up to
//!   [`MAX_FAILED_IDS`] of them, so that records which change at every look cannot cause a flood.
//! - At most one lookup or fetch is under way.
//!
//! **How it is driven.** [`Input::Needed`] as often as the TXT record should be looked at (every message,
//! or as its TTL ends: a caching resolver makes it cheap); [`Input::Timer`] at the time of the latest
//! [`Action::WakeAt`]. Each [`Action::LookUpRecord`] is answered by one [`Input::Record`] and each
//! [`Action::Fetch`] by one [`Input::Fetch`]; should an answer get lost, the flight is given up after
//! [`FLIGHT_LIMIT_SECS`].
//!
//! **A policy with max_age 0** is in force for the moment of its fetch, that is for the message that asked
//! for it.

mod step;
#[cfg(test)]
mod walk;

use std::sync::Arc;

use crate::Timestamp;
use crate::policy::Policy;
use crate::record::PolicyId;
use crate::response::FetchFailure;

/// RFC 8461 §3.3: how long a failed fetch is not repeated for the same id, in seconds.
pub const BACK_OFF_SECS: u32 = 300;
/// About how often a cached policy is fetched anew: daily (RFC 8461 §3.3), in seconds.
pub const REFRESH_SECS: u32 = 86_400;
/// Longest wait after failures before the next try to refresh, before it is spread, in seconds.
pub const MAX_RETRY_SECS: u32 = 6 * 3600;
/// How soon a policy is fetched again that came back unchanged under a new id, in seconds: its host may not
/// have had the new body yet (RFC 8461 §8.1).
pub const UNCHANGED_REFETCH_SECS: u32 = 3600;
/// After this time without an answer a lookup or a fetch is taken for lost, in seconds. Longer than any limit
/// that the network side sets itself.
pub const FLIGHT_LIMIT_SECS: u32 = 120;
/// Failed refreshes in a row from which on each one raises an alert.
pub const ALERT_FROM_FAILURES: u32 = 2;
/// How many failed ids are remembered at once; beyond, no further id is tried until one is five minutes old.
pub const MAX_FAILED_IDS: usize = 8;

/// A random fraction, drawn by the caller, that spreads refreshes of many domains over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spread(u16);

impl Spread {
    /// The fraction `numerator` / 65535.
    #[must_use]
    pub const fn from_fraction(numerator: u16) -> Self {
        Self(numerator)
    }

    /// The fraction of `seconds`.
    fn of(self, seconds: u32) -> u32 {
        let part = u64::from(seconds) * u64::from(self.0) / u64::from(u16::MAX);
        // At most `seconds`, so it fits.
        u32::try_from(part).unwrap_or(seconds)
    }
}

/// What is known about one domain. Starts as [`Freshness::default`], or after a restart from
/// [`Freshness::restore`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Freshness {
    holding: Holding,
    flight: Flight,
    /// Fetches that failed within the last five minutes, oldest first.
    failed: Vec<FailedFetch>,
}

/// Whether there is a policy in the cache.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Holding {
    #[default]
    Nothing,
    Policy(Held),
}

/// A policy in the cache, with what must be known to keep it fresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    policy: Arc<Policy>,
    id: PolicyId,
    fetched_at: Timestamp,
    refresh_at: Timestamp,
    failures: u32,
}

/// What is under way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum Flight {
    #[default]
    Idle,
    LookingUp {
        why: Why,
        recheck: Recheck,
        since: Timestamp,
    },
    Fetching {
        id: PolicyId,
        record: RecordState,
        recheck: Recheck,
        since: Timestamp,
    },
}

/// What a lookup is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    /// To see whether there is a policy, or another one.
    Demand,
    /// To fetch the policy anew afterwards, whatever the record says.
    Refresh,
}

/// Whether somebody waits for the answer to [`Input::AboutToFail`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Recheck {
    Wanted,
    NotWanted,
}

/// Whether a valid record stands behind a fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum RecordState {
    Found,
    Missing,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct FailedFetch {
    at: Timestamp,
    id: PolicyId,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Somebody sends mail to the domain, or wants to know its policy.
    Needed,
    /// The time of the latest [`Action::WakeAt`] has come. Earlier or later does no harm.
    Timer,
    /// The answer to [`Action::LookUpRecord`].
    Record(RecordOutcome),
    /// The answer to [`Action::Fetch`] for this id.
    Fetch {
        /// The id the fetch was for.
        id: PolicyId,
        /// What came of it.
        outcome: FetchOutcome,
    },
    /// A message is to be given up for good because of an enforce policy. RFC 8461 §5: not before DNS was
    /// asked for a newer one. Answered by [`Action::Rechecked`].
    AboutToFail,
}

/// What the TXT lookup gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordOutcome {
    /// One usable record with this id.
    Found(PolicyId),
    /// DNS says that there is none.
    Absent,
    /// Several, or a malformed one.
    Malformed,
    /// DNS gave no answer, or one that failed validation.
    DnsFailed,
}

/// What the fetch gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchOutcome {
    /// A usable policy, from a policy host with a valid certificate.
    Policy(Arc<Policy>),
    /// None.
    Failed(FetchFailure),
}

impl From<Result<Policy, FetchFailure>> for FetchOutcome {
    fn from(result: Result<Policy, FetchFailure>) -> Self {
        match result {
            Ok(policy) => Self::Policy(Arc::new(policy)),
            Err(failure) => Self::Failed(failure),
        }
    }
}

/// What the caller has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Ask DNS for the TXT records at `_mta-sts.<domain>`.
    LookUpRecord,
    /// Fetch the policy from the policy host.
    Fetch {
        /// To be given back with the outcome.
        id: PolicyId,
    },
    /// Send [`Input::Timer`] at this time. Replaces the time given before.
    WakeAt(Timestamp),
    /// Write the policy now held to disk: [`Freshness::held`].
    Store,
    /// Remove the domain's policy from the disk: its time is over.
    Forget,
    /// Tell the administrator.
    Alert(Alert),
    /// Count it for the domain's TLS report: RFC 8461 §6.
    Report(FetchFailure),
    /// The answer to every [`Input::AboutToFail`] since the last one.
    Rechecked(Rechecked),
}

/// What the administrator should know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alert {
    /// The policy could not be fetched anew, not for the first time. It goes on to be applied.
    RefreshFailing {
        /// How many times in a row.
        failures: u32,
        /// From when on the domain will be without protection if this goes on.
        expires_at: Timestamp,
        /// The latest reason.
        failure: FetchFailure,
    },
    /// The policy is over and could not be fetched anew before: mail to the domain is no longer protected.
    ExpiredUnrefreshed {
        /// How many times in a row it had failed.
        failures: u32,
    },
}

/// Whether a newer policy was found before a message is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rechecked {
    /// There is none: the usual rules for giving up apply.
    NoNewer,
    /// What is in force has changed: try the message again.
    Changed,
    /// DNS, or the policy host, could not tell. Keep the message while its time lasts.
    Unknown,
}

/// A policy that is in force.
#[derive(Debug, Clone, Copy)]
pub struct InForce<'a>(&'a Held);

impl<'a> InForce<'a> {
    /// The policy. Its mode may be none.
    #[must_use]
    pub fn policy(self) -> &'a Policy {
        &self.0.policy
    }

    /// The id of the record under which it was fetched.
    #[must_use]
    pub fn id(self) -> &'a PolicyId {
        &self.0.id
    }

    /// The last second in which it is in force.
    #[must_use]
    pub fn expires_at(self) -> Timestamp {
        self.0.expires_at()
    }
}

impl Held {
    /// The policy itself.
    #[must_use]
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// The id of the record under which it was fetched.
    #[must_use]
    pub fn id(&self) -> &PolicyId {
        &self.id
    }

    /// When it was fetched last. This and nothing else decides when it ends.
    #[must_use]
    pub fn fetched_at(&self) -> Timestamp {
        self.fetched_at
    }

    /// When it should be fetched again.
    #[must_use]
    pub fn refresh_at(&self) -> Timestamp {
        self.refresh_at
    }

    /// How many times in a row fetching it anew has failed.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// The last second in which it is in force. RFC 8461 §5.1: as long as the time since the fetch has not
    /// *exceeded* max_age.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.fetched_at.plus(self.policy.max_age().as_secs())
    }
}

impl Freshness {
    /// A policy that was kept over a restart, with the number of failures since its fetch, due for a refresh within an
    /// hour. What is over is dropped at the first step; send [`Input::Timer`] first, to be told when to wake it.
    #[must_use]
    pub fn restore(
        policy: Arc<Policy>,
        id: PolicyId,
        fetched_at: Timestamp,
        failures: u32,
        now: Timestamp,
        spread: Spread,
    ) -> Self {
        let refresh_at = now.plus(spread.of(3600));
        let held = Held { policy, id, fetched_at: fetched_at.min(now), refresh_at, failures };
        Self { holding: Holding::Policy(held), flight: Flight::Idle, failed: Vec::new() }
    }

    /// The same, with the refresh due now, because somebody wants it. The back-off after a failure stays.
    #[must_use]
    pub fn due(mut self, now: Timestamp) -> Self {
        if let Holding::Policy(held) = &mut self.holding {
            held.refresh_at = held.refresh_at.min(now);
        }
        self
    }

    /// The policy to apply now; `None` means to deliver as without MTA-STS.
    #[must_use]
    pub fn in_force(&self, now: Timestamp) -> Option<InForce<'_>> {
        self.held().filter(|held| now <= held.expires_at()).map(InForce)
    }

    /// What is in the cache, also when its time is over and no step has noticed yet.
    #[must_use]
    pub fn held(&self) -> Option<&Held> {
        match &self.holding {
            Holding::Nothing => None,
            Holding::Policy(held) => Some(held),
        }
    }

    /// Whether nothing would be lost by dropping this state: no policy, nothing under way, no id to back
    /// off from.
    #[must_use]
    pub fn is_blank(&self, now: Timestamp) -> bool {
        self.in_force(now).is_none()
            && self.flight == Flight::Idle
            && self.failed.iter().all(|failed| !failed.is_live(now))
    }

    /// Whether a lookup or a fetch is under way.
    #[must_use]
    pub fn is_in_flight(&self) -> bool {
        self.flight != Flight::Idle
    }
}

impl Flight {
    fn recheck_mut(&mut self) -> Option<&mut Recheck> {
        match self {
            Self::Idle => None,
            Self::LookingUp { recheck, .. } | Self::Fetching { recheck, .. } => Some(recheck),
        }
    }
}

impl FailedFetch {
    fn until(&self) -> Timestamp {
        self.at.plus(BACK_OFF_SECS)
    }

    /// Whether it still holds back a fetch. A time in the future (the clock was set back) holds it back
    /// until the next step moves it to that step's time.
    fn is_live(&self, now: Timestamp) -> bool {
        now < self.until()
    }
}
