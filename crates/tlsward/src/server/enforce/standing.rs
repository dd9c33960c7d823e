//! What reports need to know of the policies of other domains, and of the fetching of them.

use mta_sts::freshness::BACK_OFF_SECS;
use mta_sts::policy_domain::PolicyDomain;
use tls_rpt::Text;
use tlsward_engine::enforce::DomainStatus;
use tlsward_engine::facts::UnixTime;
use tlsward_engine::report::judge::{InForce, PolicyHosts, Standing, Trouble};

use super::PolicyResolver;

/// The resolver, as the judging of sessions asks it.
pub(super) struct Standings(pub(super) PolicyResolver);

impl PolicyHosts for Standings {
    fn standing(&self, domain: &str, _: UnixTime) -> Option<Standing> {
        self.0.status(&PolicyDomain::parse(domain).ok()?).map(|status| standing(&status))
    }
}

fn standing(status: &DomainStatus) -> Standing {
    let in_force = status.policy.as_ref().map(|held| InForce {
        mode: held.policy.mode(),
        lines: held.policy.lines().map(Text::from).collect(),
        mx: held.policy.mx().iter().map(|pattern| Text::from(pattern.as_wire().as_ref())).collect(),
    });
    let is_first = status.policy.as_ref().is_some_and(|held| held.failures <= 1);
    let trouble = status.last_failure.filter(|failure| failure.is_reportable).map(|last| Trouble {
        failure: last.failure,
        // The time is that of the latest failure. One before it was a back-off earlier at least; and where nothing is
        // held, no fetch has succeeded before.
        since: if is_first { last.at } else { last.at - UnixTime::from(BACK_OFF_SECS) },
    });
    Standing { in_force, trouble }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mta_sts::policy::{self, Mode};
    use mta_sts::record;
    use mta_sts::response::FetchFailure;
    use tlsward_engine::enforce::{LastFailure, PolicyStatus};

    use super::*;

    const BODY: &[u8] = b"version: STSv1\r\nmode: testing\r\nmx: *.A.test\r\nmax_age: 86400\r\n";

    fn status(failures: Option<u32>, is_reportable: bool) -> DomainStatus {
        let policy = failures.map(|failures| PolicyStatus {
            policy: Arc::new(policy::parse(BODY).into_usable().unwrap()),
            id: record::parse(b"v=STSv1; id=1;").into_usable().unwrap().id().clone(),
            fetched_at: 0,
            expires_at: 86_400,
            refresh_at: 43_200,
            failures,
        });
        let last_failure = Some(LastFailure { failure: FetchFailure::TimedOut, at: 1_000, is_reportable });
        DomainStatus { domain: PolicyDomain::parse("a.test").unwrap(), policy, dane: None, last_failure }
    }

    #[test]
    fn what_a_report_quotes_is_the_policy_as_it_was_served() {
        let standing = standing(&status(Some(0), false));
        let policy = standing.in_force.unwrap();
        assert_eq!((policy.mode, policy.lines[2].as_str()), (Mode::Testing, "mx: *.A.test"));
        assert_eq!(policy.mx, ["*.a.test"]);
        assert_eq!(standing.trouble, None, "RFC 8461 §6 does not ask for it");
    }

    #[test]
    fn a_failing_fetch_concerns_sessions_since_it_began_as_far_as_that_is_known() {
        for (failures, since) in [(Some(1), 1_000), (Some(2), 700), (None, 700)] {
            let trouble = standing(&status(failures, true)).trouble.unwrap();
            assert_eq!((trouble.failure, trouble.since), (FetchFailure::TimedOut, since), "{failures:?}");
        }
    }
}
