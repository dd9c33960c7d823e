//! Before mail is given up because of a policy, a newer one is looked for (RFC 8461 §5).
//!
//! Postfix tells nobody that it is about to return a mail. What it does say, in its log and of every attempt, is that
//! TLS was not what the policy asks for. So the domain's record is asked for a newer id then, and a policy that is new is
//! there for the next attempt. A domain is looked at once in five minutes, however much of its mail waits.

use std::collections::BTreeMap;

use mta_sts::policy::Mode;
use mta_sts::policy_domain::PolicyDomain;
use tlsward_engine::enforce::Rechecked;
use tlsward_engine::facts::UnixTime;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::PolicyResolver;
use crate::control::told_to_stop;
use crate::edge;

/// Domains that wait to be looked at.
pub(super) const WAITING: usize = 1_000;
/// Domains that are looked at side by side.
const AT_ONCE: usize = 16;
/// Between two looks at one domain, in seconds.
const PAUSE_SECONDS: i64 = 300;
/// Domains that were looked at and are remembered.
const REMEMBERED: usize = 10_000;

/// When domains were looked at.
#[derive(Debug, Default)]
struct Looks(BTreeMap<PolicyDomain, UnixTime>);

impl Looks {
    /// Whether it is time for the domain; then it was looked at now.
    fn is_due(&mut self, domain: &PolicyDomain, now: UnixTime) -> bool {
        let recent = |at: &UnixTime| (*at..at.saturating_add(PAUSE_SECONDS)).contains(&now);
        if self.0.get(domain).is_some_and(recent) {
            return false;
        }
        if self.0.len() >= REMEMBERED {
            self.0.retain(|_, at| recent(at));
        }
        // More domains than that within five minutes: they wait until there is room.
        self.0.len() < REMEMBERED && {
            self.0.insert(domain.clone(), now);
            true
        }
    }
}

/// Looks for newer policies of the domains that come, until told to stop.
pub(super) async fn run(
    resolver: PolicyResolver,
    mut domains: mpsc::Receiver<PolicyDomain>,
    mut shutdown: watch::Receiver<bool>,
) {
    let (mut looks, mut under_way) = (Looks::default(), JoinSet::new());
    loop {
        let domain = tokio::select! {
            () = told_to_stop(&mut shutdown) => return,
            Some(_) = under_way.join_next() => continue,
            domain = domains.recv(), if under_way.len() < AT_ONCE => domain,
        };
        let Some(domain) = domain else { return told_to_stop(&mut shutdown).await };
        // Another policy than one that is enforced holds nothing back.
        let is_enforced = resolver
            .status(&domain)
            .and_then(|status| status.policy)
            .is_some_and(|held| held.policy.mode() == Mode::Enforce);
        if !is_enforced || !looks.is_due(&domain, edge::now()) {
            continue;
        }
        let resolver = resolver.clone();
        under_way.spawn(async move {
            let came = resolver.recheck(&domain).await;
            tracing::info!(
                domain = domain.as_str(),
                "mail is held back by the domain's policy: {}",
                words(came)
            );
        });
    }
}

fn words(came: Rechecked) -> &'static str {
    match came {
        Rechecked::Changed => "a newer one was found, and holds from the next attempt on",
        Rechecked::NoNewer => "there is no newer one",
        Rechecked::Unknown => "whether there is a newer one could not be told",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_looked_at_once_in_five_minutes_and_no_flood_fills_memory() {
        let mut looks = Looks::default();
        let domain = |text: &str| PolicyDomain::parse(text).unwrap();
        let mut due = |text: &str, now| looks.is_due(&domain(text), now);
        assert!(due("a.test", 1_000) && !due("a.test", 1_000) && !due("a.test", 1_299));
        assert!(due("b.test", 1_299) && due("a.test", 1_300));
        assert!(due("a.test", 1_000), "the clock was set back");
        for number in 0..REMEMBERED {
            due(&format!("n{number}.test"), 1_300);
        }
        assert!(!due("c.test", 1_300), "no room");
        assert!(due("c.test", 1_600), "room again");
        assert_eq!(looks.0.len(), 1);
    }
}
