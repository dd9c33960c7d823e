//! Taking up what is kept.

use std::sync::Arc;

use mta_sts::Timestamp;
use mta_sts::freshness::{ALERT_FROM_FAILURES, Freshness};
use mta_sts::policy::{self, Mode};
use mta_sts::policy_domain::PolicyDomain;
use mta_sts::record::PolicyId;

use super::Inner;
use super::domain::Domain;
use crate::alert::Rule;
use crate::facts::UnixTime;
use crate::ports::{Clock, KeptPolicy, Policies, StoreError, World};

/// Policies that are read at once.
const PAGE: usize = 1_000;
/// What has been over for so long is removed from the store, in seconds. Not at once: the clock may be wrong for now.
const OVER_FOR: UnixTime = 30 * 86_400;

impl<W: World, P: Policies, C: Clock> Inner<W, P, C> {
    /// Takes up every policy that is not over.
    pub(super) async fn load(mut self) -> Result<Self, StoreError> {
        let mut after: Option<String> = None;
        loop {
            let page = self.policies.kept(after.as_deref(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(self) };
            after = Some(last.domain.clone());
            for kept in page {
                if self.take_up(&kept) == Worth::Nothing {
                    // If it cannot be removed now, then after the next start.
                    drop(self.policies.forget(&kept.domain, kept.fetched_at).await);
                }
            }
        }
    }

    fn take_up(&mut self, kept: &KeptPolicy) -> Worth {
        let now = self.clock.now();
        let Some((domain, policy, id)) = read(kept) else {
            self.unreadable += 1;
            return Worth::Unknown;
        };
        let over = kept.fetched_at.saturating_add(i64::from(policy.max_age().as_secs()));
        if now > over {
            return if now - over > OVER_FOR { Worth::Nothing } else { Worth::Unknown };
        }
        if kept.failures >= ALERT_FROM_FAILURES && policy.mode() != Mode::None {
            let text = format!(
                "The MTA-STS policy of {domain} could not be fetched anew {} times in a row before the last restart.",
                kept.failures
            );
            self.alerts.raise(Rule::PolicyRefreshFailing, domain.as_str(), now, text);
        }
        let freshness = Freshness::restore(
            Arc::new(policy),
            id,
            Timestamp::from_unix(kept.fetched_at),
            kept.failures,
            Timestamp::from_unix(now),
            self.spread(&domain),
        );
        let mut state = self.state();
        state.domains.insert(domain.clone(), Box::new(Domain::holding(freshness)));
        state.reschedule(&domain, now);
        Worth::Held
    }
}

/// What became of a kept policy.
#[derive(PartialEq, Eq)]
enum Worth {
    /// It holds.
    Held,
    /// It does not, and is left where it is.
    Unknown,
    /// It has been over for long.
    Nothing,
}

fn read(kept: &KeptPolicy) -> Option<(PolicyDomain, policy::Policy, PolicyId)> {
    let domain = PolicyDomain::parse(&kept.domain).ok()?;
    let id = PolicyId::parse(&kept.id).ok()?;
    let policy = policy::parse(&kept.body).into_usable().ok()?;
    Some((domain, policy, id))
}
