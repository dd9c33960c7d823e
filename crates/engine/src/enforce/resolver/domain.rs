//! What is remembered of a policy domain: its policy with all that keeps it fresh, and what its record said.

use std::sync::Arc;

use futures_channel::oneshot;
use mta_sts::freshness::{Freshness, REFRESH_SECS};
use mta_sts::policy::Policy;
use mta_sts::policy_domain::PolicyDomain;
use mta_sts::response::FetchFailure;

use super::flight::Flown;
use crate::enforce::answer::NoPolicyWhy;
use crate::enforce::status::{DomainStatus, LastFailure, PolicyStatus};
use crate::facts::UnixTime;
use crate::ports::DaneLine;

/// What is known of a policy domain.
#[derive(Debug, Default)]
pub(super) struct Domain {
    pub(super) freshness: Freshness,
    /// What the record said when it was looked at last.
    pub(super) record: RecordSeen,
    /// Until when that need not be looked at again.
    pub(super) record_until: UnixTime,
    /// Those who wait for the flight that is under way.
    pub(super) flying: Option<Vec<oneshot::Sender<Flown>>>,
    pub(super) last_failure: Option<LastFailure>,
    /// Whether the policy could not be written to the store.
    pub(super) is_unkept: bool,
    /// When it has to be looked after.
    pub(super) wake: Option<UnixTime>,
    /// Whether it is counted among those that hold a policy.
    pub(super) is_counted: bool,
    /// What its policy is counted with among the large ones, in bytes.
    pub(super) large: usize,
}

/// What the record said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum RecordSeen {
    /// It was not looked at yet.
    #[default]
    Unseen,
    Found,
    Absent,
    /// Why it cannot be used.
    Bad(Box<str>),
    /// Why it could not be looked up.
    Unknown(Box<str>),
}

impl Domain {
    /// Whether it holds no policy and nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.flying.is_none() && self.freshness.held().is_none()
    }

    pub(super) fn holding(freshness: Freshness) -> Self {
        Self { freshness, ..Self::default() }
    }

    /// Until when the record need not be looked at again.
    pub(super) fn record_until(&self, now: UnixTime) -> UnixTime {
        heeded(self.record_until, now, REFRESH_SECS)
    }

    /// Why there is no policy; `None` if that is not known yet.
    pub(super) fn no_policy(&self) -> Option<NoPolicyWhy> {
        match &self.record {
            RecordSeen::Unseen => None,
            RecordSeen::Absent => Some(NoPolicyWhy::NoRecord),
            RecordSeen::Bad(reason) => Some(NoPolicyWhy::BadRecord(reason.to_string())),
            RecordSeen::Unknown(reason) => Some(NoPolicyWhy::RecordUnknown(reason.to_string())),
            RecordSeen::Found => Some(NoPolicyWhy::NotFetched(
                self.last_failure.map_or(FetchFailure::Lost, |last| last.failure),
            )),
        }
    }

    /// For pages and judging.
    pub(super) fn status(
        &self,
        domain: &PolicyDomain,
        dane: Option<DaneLine>,
        now: UnixTime,
    ) -> Option<DomainStatus> {
        let held = self.freshness.held().filter(|held| now <= held.expires_at().as_unix());
        let policy = held.map(|held| PolicyStatus {
            policy: Arc::clone(held.policy()),
            id: held.id().clone(),
            fetched_at: held.fetched_at().as_unix(),
            expires_at: held.expires_at().as_unix(),
            refresh_at: held.refresh_at().as_unix(),
            failures: held.failures(),
        });
        let is_known = policy.is_some() || dane.is_some() || self.last_failure.is_some();
        is_known.then(|| DomainStatus {
            domain: domain.clone(),
            policy,
            dane,
            last_failure: self.last_failure,
        })
    }
}

/// About what a policy takes in memory, in bytes, if that is much more than any honest one does; else 0.
pub(super) fn large(policy: &Policy) -> usize {
    const MUCH: usize = 16 * 1024;
    let bytes = policy.lines().map(|line| line.len() + 1).sum::<usize>();
    // A pattern is a value and a text of its own.
    let bytes = bytes + (policy.mx().len() + 2 * policy.extensions().len()) * 64;
    if bytes > MUCH { bytes } else { 0 }
}

/// A time that was set at most so many seconds ahead. One that lies further ahead was set before the clock was set back.
pub(super) fn heeded(until: UnixTime, now: UnixTime, most_secs: u32) -> UnixTime {
    if until > now.saturating_add(i64::from(most_secs)) { now } else { until }
}
