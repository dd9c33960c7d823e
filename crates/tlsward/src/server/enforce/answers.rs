//! What the mail server is told, question by question: what is ready, else the owner's rule, else what is known of the
//! domain, else what can be found out in time.

use std::sync::{Arc, PoisonError, RwLock};

use futures_util::future::BoxFuture;
use mta_sts::policy::Policy;
use mta_sts::policy_domain::PolicyDomain;
use tlsward_engine::enforce::{Answer as Found, NextHop, Why};
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::{Clock, Level, MtaPolicy, PolicyReply, StsAttributes};
use tlsward_mta::socketmap::{Answer, Answers, Dialect, Encoded, Reply, render};

use super::deferred::Deferred;
use super::map::{Epoch, Map, Ready, Room};
use super::outcome::{Counts, Outcome};
use crate::config::{DefaultAnswer, Overrides, Rule, UnderEnforce};

/// Where answers come from.
pub(super) trait Source: Send + Sync + 'static {
    /// What is known of a next hop. Asks nobody.
    fn known(&self, hop: &NextHop) -> Option<Found>;

    /// Finds it out, in bounded time.
    fn resolve(&self, hop: NextHop) -> BoxFuture<'static, Found>;

    /// The policy in force of a domain.
    fn held(&self, domain: &PolicyDomain) -> Option<Arc<Policy>>;

    /// Has it found out for those who ask next.
    fn look_again(&self, hop: &NextHop);
}

/// Answers the mail server. A clone is the same desk.
pub(super) struct Desk<S, C> {
    inner: Arc<Inner<S, C>>,
}

/// What the owner chose where a policy leaves a choice.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Choices {
    pub(super) default: DefaultAnswer,
    pub(super) under_enforce: UnderEnforce,
}

struct Inner<S, C> {
    source: S,
    clock: C,
    choices: Choices,
    overrides: RwLock<Arc<Overrides>>,
    map: Map,
    counts: Counts,
    deferred: Deferred,
}

impl<S, C> Clone for Desk<S, C> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<S: Source, C: Clock> Desk<S, C> {
    pub(super) fn new(source: S, clock: C, choices: Choices, overrides: Overrides, counts: Counts) -> Self {
        let inner = Inner {
            source,
            clock,
            choices,
            overrides: RwLock::new(Arc::new(overrides)),
            map: Map::new(Room::default()),
            counts,
            deferred: Deferred::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The answers that are ready.
    pub(super) fn map(&self) -> &Map {
        &self.inner.map
    }

    /// Domains whose mail waits.
    pub(super) fn deferred(&self) -> &Deferred {
        &self.inner.deferred
    }

    /// What the mail server is told of a next hop now, as far as that is known without asking: what, why, until when.
    pub(super) fn told(&self, hop: &NextHop) -> Option<(Outcome, String, UnixTime)> {
        let inner = &self.inner;
        let rules = Arc::clone(&inner.overrides.read().unwrap_or_else(PoisonError::into_inner));
        if let Some(rule) = rules.of(&hop.domain) {
            let why = "A rule of [enforce.overrides] says so.".to_owned();
            return Some((Outcome::of(&policy_of(rule)), why, UnixTime::MAX));
        }
        let found = inner.source.known(hop)?;
        let held = || inner.source.held(&hop.domain);
        let policy = chosen(&found, inner.choices, Dialect::TlsRpt, held, &hop.domain);
        Some((Outcome::of(&policy), found.why.text(), found.good_until))
    }

    /// How many rules the owner has.
    pub(super) fn overrides(&self) -> usize {
        self.inner.overrides.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Takes other rules; whether they are others.
    pub(super) fn set_overrides(&self, overrides: &Overrides) -> bool {
        let mut held = self.inner.overrides.write().unwrap_or_else(PoisonError::into_inner);
        if **held == *overrides {
            return false;
        }
        *held = Arc::new(overrides.clone());
        drop(held);
        // After the rules, so that no answer by the old ones is kept from now on.
        self.inner.map.clear();
        true
    }
}

impl<S: Source, C: Clock> Answers for Desk<S, C> {
    fn answer(&self, map: &str, key: &str) -> Answer {
        let inner = &self.inner;
        let Some(dialect) = Dialect::of_map(map) else {
            inner.counts.count(Outcome::Refused);
            let [first, second] = [Dialect::Classic, Dialect::TlsRpt].map(Dialect::map_name);
            let text = format!(
                "there is no map of this name; ask for {first}, or from Postfix 3.10 on for {second}"
            );
            return Answer::Ready(Reply::Perm(&text).encode());
        };
        // What is asked most: the parents of whatever was not found (RFC 8461 §3.4: never consulted).
        if key.starts_with('.') {
            return Answer::Ready(
                inner.said(&Ready { reply: Encoded::NOT_FOUND, outcome: Outcome::NotFound }),
            );
        }
        let now = inner.clock.now();
        if let Some(ready) = inner.map.get(dialect, key, now) {
            return Answer::Ready(inner.said(&ready));
        }
        let begun = inner.map.epoch(key);
        let Ok(hop) = NextHop::parse(key) else {
            // Addresses and paths have no policy, and of what is no next hop there is nothing to say.
            return Answer::Ready(
                inner.said(&Ready { reply: Encoded::NOT_FOUND, outcome: Outcome::NotFound }),
            );
        };
        let asked = Asked { dialect, key, hop: &hop, begun };
        let rules = Arc::clone(&inner.overrides.read().unwrap_or_else(PoisonError::into_inner));
        if let Some(rule) = rules.of(&hop.domain) {
            return Answer::Ready(inner.said(&inner.keep(&asked, &policy_of(rule), UnixTime::MAX)));
        }
        if let Some(found) = inner.source.known(&hop) {
            if found.good_until <= now {
                inner.source.look_again(&hop);
            }
            return Answer::Ready(inner.tell(&asked, &found));
        }
        tracing::debug!(next_hop = key, "a next hop is looked up");
        let (inner, key) = (Arc::clone(inner), key.to_owned());
        Answer::Pending(Box::pin(async move {
            let found = inner.source.resolve(hop.clone()).await;
            inner.tell(&Asked { dialect, key: &key, hop: &hop, begun }, &found)
        }))
    }
}

/// A question, and when it came.
struct Asked<'a> {
    dialect: Dialect,
    key: &'a str,
    hop: &'a NextHop,
    begun: Epoch,
}

impl<S: Source, C: Clock> Inner<S, C> {
    fn tell(&self, asked: &Asked<'_>, found: &Found) -> Encoded {
        let domain = &asked.hop.domain;
        let policy = chosen(found, self.choices, asked.dialect, || self.source.held(domain), domain);
        let ready = self.keep(asked, &policy, found.good_until);
        let now = self.clock.now();
        match ready.outcome {
            Outcome::Deferred => self.deferred.note(&asked.hop.domain, &found.why.text(), now),
            _ => self.deferred.over(&asked.hop.domain, now),
        }
        self.said(&ready)
    }

    fn keep(&self, asked: &Asked<'_>, policy: &MtaPolicy, good_until: UnixTime) -> Ready {
        let rendering = render(policy, asked.dialect);
        if rendering.left_out.patterns {
            tracing::warn!(
                domain = asked.hop.domain.as_str(),
                "the policy is longer than Postfix reads: its patterns are enforced on certificates, and not on the \
                 names of MX hosts or in reports"
            );
        }
        let ready = Ready { reply: rendering.reply, outcome: Outcome::of(policy) };
        let times = (asked.begun, self.clock.now());
        self.map.keep((asked.dialect, asked.key), &ready, &asked.hop.domain, good_until, times);
        ready
    }

    fn said(&self, ready: &Ready) -> Encoded {
        self.counts.count(ready.outcome);
        ready.reply.clone()
    }
}

/// What is known, by the owner's choices. `held` is the domain's policy in force.
fn chosen(
    found: &Found,
    choices: Choices,
    dialect: Dialect,
    held: impl FnOnce() -> Option<Arc<Policy>>,
    domain: &PolicyDomain,
) -> MtaPolicy {
    let mut policy = found.policy.clone();
    if let MtaPolicy::Apply(reply) = &mut policy {
        match (&found.why, &reply.level) {
            (Why::Enforce { .. }, Level::DaneOnly) if choices.under_enforce == UnderEnforce::Secure => {
                // A policy that is no longer held has nothing to hold a certificate against.
                if let Some(held) = held() {
                    *reply = secure(&held, domain);
                }
            }
            // RFC 8461 §5: delivered as without the policy. Only a report has a use for more words.
            (Why::Testing { .. }, Level::May) if dialect == Dialect::Classic => policy = MtaPolicy::NotFound,
            (Why::Testing { .. }, Level::May) => {
                reply.level = choices.default.level().unwrap_or(Level::May);
            }
            _ => {}
        }
    }
    match (policy, choices.default.level()) {
        (MtaPolicy::NotFound, Some(level)) => plain(level),
        (policy, _) => policy,
    }
}

/// RFC 8461 §4.2 for every MX host.
fn secure(policy: &Policy, domain: &PolicyDomain) -> PolicyReply {
    PolicyReply {
        level: Level::Secure(policy.mx().to_vec()),
        send_server_name: true,
        sts: Some(StsAttributes {
            policy_domain: domain.as_str().to_owned(),
            policy_strings: policy.lines().map(str::to_owned).collect(),
            mx_patterns: policy.mx().to_vec(),
            failure: None,
        }),
    }
}

fn plain(level: Level) -> MtaPolicy {
    // A host that shows certificates by name needs the name to show the right one.
    let send_server_name = matches!(level, Level::Secure(_));
    MtaPolicy::Apply(PolicyReply { level, send_server_name, sts: None })
}

/// What an owner's rule says.
fn policy_of(rule: &Rule) -> MtaPolicy {
    match rule {
        Rule::Exempt => MtaPolicy::NotFound,
        Rule::Apply(level) => plain(level.clone()),
    }
}

#[cfg(test)]
#[path = "answers_tests.rs"]
mod tests;
