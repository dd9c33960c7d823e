//! Mail that waits because nobody could tell what its domain asks for: said in the log once for each domain and spell,
//! however often the mail server comes back, with the reason and what can be done. Bounded in number.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use mta_sts::policy_domain::PolicyDomain;
use tlsward_engine::facts::UnixTime;

/// Between two lines on one domain.
const AGAIN_SECONDS: i64 = 900;
/// Domains that are kept apart.
const DOMAINS: usize = 1000;

/// Domains whose mail waits.
#[derive(Debug, Default)]
pub(super) struct Deferred {
    domains: Mutex<BTreeMap<PolicyDomain, Spell>>,
}

#[derive(Debug)]
struct Spell {
    since: UnixTime,
    told_at: UnixTime,
    answers: u64,
}

impl Spell {
    /// What was told in a time that has not come was told before the clock was set back.
    fn was_told_lately(&self, now: UnixTime) -> bool {
        (now.saturating_sub(AGAIN_SECONDS) + 1..=now).contains(&self.told_at)
    }
}

impl Deferred {
    /// Mail for a domain has to wait.
    pub(super) fn note(&self, domain: &PolicyDomain, why: &str, now: UnixTime) {
        let mut domains = self.domains.lock().unwrap_or_else(PoisonError::into_inner);
        if domains.len() >= DOMAINS && !domains.contains_key(domain) {
            domains.retain(|_, spell| spell.was_told_lately(now));
            if domains.len() >= DOMAINS {
                // An outage of everything: a thousand lines have said so.
                return tracing::debug!(domain = domain.as_str(), why, "mail is deferred");
            }
        }
        let spell =
            domains.entry(domain.clone()).or_insert(Spell { since: now, told_at: i64::MIN, answers: 0 });
        spell.answers += 1;
        if spell.was_told_lately(now) {
            return;
        }
        spell.told_at = now;
        tracing::warn!(
            domain = domain.as_str(),
            why,
            answers = spell.answers,
            since_s = now - spell.since,
            "mail is deferred: it stays in the mail server's queue and is tried again; `tlsward policy DOMAIN` shows \
             what is in the way, `tlsward policy refresh DOMAIN` looks again at once"
        );
    }

    /// Mail for a domain need not wait.
    pub(super) fn over(&self, domain: &PolicyDomain, now: UnixTime) {
        let mut domains = self.domains.lock().unwrap_or_else(PoisonError::into_inner);
        if domains.is_empty() {
            return;
        }
        if let Some(spell) = domains.remove(domain) {
            tracing::info!(
                domain = domain.as_str(),
                answers = spell.answers,
                since_s = now - spell.since,
                "mail is deferred no longer"
            );
        }
    }

    /// How many domains' mail waits, as far as they are kept apart.
    pub(super) fn len(&self) -> usize {
        self.domains.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain(text: &str) -> PolicyDomain {
        PolicyDomain::parse(text).unwrap()
    }

    #[test]
    fn a_domain_is_told_of_again_only_after_a_while_and_all_of_them_are_bounded() {
        let deferred = Deferred::default();
        for now in [0, 1, AGAIN_SECONDS - 1] {
            deferred.note(&domain("a.example"), "x", now);
        }
        let told_at = || deferred.domains.lock().unwrap()[&domain("a.example")].told_at;
        assert_eq!(told_at(), 0);
        deferred.note(&domain("a.example"), "x", AGAIN_SECONDS);
        assert_eq!(told_at(), AGAIN_SECONDS);
        deferred.note(&domain("a.example"), "x", 5);
        assert_eq!(told_at(), 5, "the clock was set back");
        deferred.over(&domain("a.example"), AGAIN_SECONDS);
        assert_eq!(deferred.len(), 0);
        for number in 0..2 * DOMAINS {
            deferred.note(&domain(&format!("d{number}.example")), "x", 5);
        }
        assert_eq!(deferred.len(), DOMAINS);
        deferred.note(&domain("later.example"), "x", 5 + AGAIN_SECONDS);
        assert_eq!(deferred.len(), 1, "spells of long ago make room");
    }
}
