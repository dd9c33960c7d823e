//! The policies of other domains for whoever shows them.

use mta_sts::policy_domain::PolicyDomain;
use tlsward_engine::alert::Alert;
use tlsward_engine::enforce::{DomainStatus, NextHop};
use tlsward_engine::ports::{
    AlertLine, AnswerLine, FetchFailureLine, HeldLine, PolicyBook, PolicyLine, StoreError,
};

use super::Handle;

impl PolicyBook for Handle {
    async fn policies(&self, after: Option<&str>, limit: usize) -> Result<Vec<PolicyLine>, StoreError> {
        let after = after.and_then(|after| PolicyDomain::parse(after).ok());
        let statuses = self.resolver.statuses(after.as_ref(), limit);
        Ok(statuses.iter().map(|status| self.line(status)).collect())
    }

    async fn policy(&self, domain: &str) -> Result<Option<PolicyLine>, StoreError> {
        let Ok(domain) = PolicyDomain::parse(domain) else { return Ok(None) };
        Ok(self.resolver.status(&domain).map(|status| self.line(&status)))
    }

    async fn alerts(&self, domain: Option<&str>, limit: usize) -> Result<Vec<AlertLine>, StoreError> {
        let mut standing = self.alerts.standing();
        standing.retain(|alert| domain.is_none_or(|domain| alert.subject == domain));
        standing.sort_by_key(|alert| std::cmp::Reverse(alert.since));
        let line = |alert: Alert| AlertLine { domain: alert.subject, since: alert.since, text: alert.text };
        Ok(standing.into_iter().take(limit).map(line).collect())
    }
}

impl Handle {
    fn line(&self, status: &DomainStatus) -> PolicyLine {
        let held = status.policy.as_ref().map(|held| HeldLine {
            mode: held.policy.mode().as_wire(),
            id: held.id.as_wire().to_owned(),
            lines: held.policy.lines().map(str::to_owned).collect(),
            fetched_at: held.fetched_at,
            expires_at: held.expires_at,
            refresh_at: held.refresh_at,
            failures: held.failures,
        });
        let failure =
            status.last_failure.map(|last| FetchFailureLine { at: last.at, text: last.failure.to_string() });
        let hop = NextHop::of_domain(status.domain.clone());
        let answer = self.desk.told(&hop).map(|(outcome, why, good_until)| AnswerLine {
            level: outcome.as_wire().to_owned(),
            why,
            good_until,
        });
        PolicyLine { domain: status.domain.as_str().to_owned(), held, dane: status.dane, failure, answer }
    }
}
