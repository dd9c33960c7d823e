//! A stretch of the journal, heard as a whole: what each of its sessions counts as. See [`super`] for the rule.

use std::collections::BTreeMap;

use mta_sts::policy::Mode;
use smtp_dane::pkix;
use tls_rpt::tally::{AppliedPolicy, Failure};
use tls_rpt::{PolicyType, Text};

use super::super::session::{Heard, Judgement, Session, sessions_of};
use super::policy_host::concern;
use super::verdict::{ByName, Verdict, by_name, judge_certificate, not_in_policy, quoted_mode};
use super::{Grounds, Told, What};
use crate::facts::UnixTime;
use crate::ports::{LoggedSession, LoggedTrust, MtaLogEvent, SessionEvent, SessionPeer, SessionPolicy};

/// A line that says it is so many seconds older than the first datagram of its domain belongs to none of them.
const LINE_BEFORE_SECONDS: i64 = 120;
/// How far before its arrival a line may say it was, and how far after it; else its arrival counts.
const PLAUSIBLE_SECONDS: (i64, i64) = (2 * 86_400, 300);

/// What a stretch of the journal counts as. `told`: in the order of the journal, cut where [`super::ripe`] says.
#[must_use]
pub fn sessions(told: &[Told], grounds: &Grounds<'_>) -> Heard {
    let mut hearing = Hearing {
        grounds,
        log_trusts: grounds.certificates.note_trust(told),
        worths: BTreeMap::new(),
        names: BTreeMap::new(),
        applied: quoted(told),
    };
    let mut verdicts = hearing.verdicts(told);
    let mut heard = Vec::with_capacity(told.len());
    for one in told {
        hearing.hear(one, &mut verdicts, &mut heard);
    }
    let mut standings = BTreeMap::new();
    for session in &mut heard {
        let domain = &session.policy.domain;
        if !standings.contains_key(domain) {
            standings.insert(domain.clone(), grounds.policies.standing(domain, session.at));
        }
        let standing = standings.get(domain).and_then(Option::as_ref);
        concern(session, standing);
    }
    heard
}

/// What makes two policies the same: domain, lines and patterns.
type PolicyKey<'t> = (&'t str, &'t [Text], &'t [Text]);
/// Verdicts that fell under a policy of a domain, and how often each is left to hand out.
type Verdicts<'t> = BTreeMap<(&'t str, PolicyKey<'t>), BTreeMap<Verdict, u64>>;

struct Hearing<'t, 'g> {
    grounds: &'g Grounds<'g>,
    log_trusts: bool,
    /// Chains are judged once for each second: that costs more than all else here.
    worths: BTreeMap<(&'t Text, [u8; 32], UnixTime), Option<pkix::Verdict>>,
    /// MX hosts against policies.
    names: BTreeMap<(&'t str, PolicyKey<'t>), ByName>,
    /// The policy in force of each policy domain, as datagrams quote it.
    applied: BTreeMap<&'t str, &'t SessionPolicy>,
}

/// What is known of the sessions of one domain.
struct Evidence<'t> {
    /// Datagrams of success.
    datagrams: u64,
    /// When the first came.
    begins: UnixTime,
    /// Of them, those under each policy that must be judged.
    doubtful: BTreeMap<PolicyKey<'t>, (u64, &'t SessionPolicy)>,
    /// Lines of success.
    lines: Vec<(UnixTime, &'t LoggedSession)>,
}

impl<'t> Hearing<'t, '_> {
    /// The verdicts that must have fallen, by counting.
    fn verdicts(&mut self, told: &'t [Told]) -> Verdicts<'t> {
        let mut verdicts = Verdicts::new();
        for (domain, evidence) in self.evidence(told) {
            let lines = u64::try_from(evidence.lines.len()).unwrap_or(u64::MAX);
            for (key, (datagrams, policy)) in evidence.doubtful {
                let mut fallen: BTreeMap<Verdict, u64> = BTreeMap::new();
                for (at, line) in &evidence.lines {
                    *fallen.entry(self.verdict(&line.peer, line.trust, policy, key, *at)).or_default() += 1;
                }
                fallen.remove(&Verdict::Unknown);
                // So many lines may be of sessions that this policy was not applied to.
                let others = evidence.datagrams.max(lines) - datagrams;
                for times in fallen.values_mut() {
                    *times = times.saturating_sub(others);
                }
                verdicts.insert((domain, key), fallen);
            }
        }
        verdicts
    }

    fn evidence(&self, told: &'t [Told]) -> BTreeMap<&'t str, Evidence<'t>> {
        let mut all: BTreeMap<&str, Evidence<'t>> = BTreeMap::new();
        for one in told {
            let What::Datagram(event) = &one.what else { continue };
            if event.policies.iter().any(|policy| policy.failed) {
                // It says so itself, and its line is one of failure.
                continue;
            }
            let evidence = all.entry(event.domain.as_str()).or_insert_with(|| Evidence {
                datagrams: 0,
                begins: one.at,
                doubtful: BTreeMap::new(),
                lines: Vec::new(),
            });
            evidence.datagrams += 1;
            for policy in &event.policies {
                if self.is_doubtful(event, policy, one) {
                    evidence.doubtful.entry(key(event, policy)).or_insert((0, policy)).0 += 1;
                }
            }
        }
        all.retain(|_, evidence| !evidence.doubtful.is_empty());
        for one in told {
            if let What::Log(MtaLogEvent::Session(line)) = &one.what
                && !line.failed
                && let Some(evidence) = all.get_mut(line.domain.as_str())
            {
                let (before, after) = PLAUSIBLE_SECONDS;
                let said = line.at.filter(|at| (one.at - before..=one.at + after).contains(at));
                let at = said.unwrap_or(one.at);
                if at >= evidence.begins - LINE_BEFORE_SECONDS {
                    evidence.lines.push((at, line));
                }
            }
        }
        all
    }

    /// Whether "success" under this policy may mean that nobody looked.
    fn is_doubtful(&self, event: &SessionEvent, policy: &SessionPolicy, told: &Told) -> bool {
        if policy.failed || policy.policy_type != PolicyType::Sts {
            return false;
        }
        let mode = quoted_mode(policy).or_else(|| {
            // A long policy reaches the MTA without its lines.
            let domain = policy.domain.as_ref().unwrap_or(&event.domain);
            let standing = self.grounds.policies.standing(domain, told.at)?;
            standing.in_force.map(|policy| policy.mode)
        });
        mode != Some(Mode::Enforce)
    }

    fn verdict(
        &mut self,
        peer: &'t SessionPeer,
        trust: Option<LoggedTrust>,
        policy: &SessionPolicy,
        key: PolicyKey<'t>,
        at: UnixTime,
    ) -> Verdict {
        let (Some(host), Some(fingerprint)) = (&peer.mx_host, peer.fingerprint) else {
            return match &peer.mx_host {
                // Without a fingerprint it is not known which certificate was shown.
                Some(host) => self.by_name(host, peer, policy, key).unwrap_or(Verdict::Unknown),
                None => Verdict::Unknown,
            };
        };
        // RFC 8461 §4: the name first.
        if let Some(verdict) = self.by_name(host, peer, policy, key) {
            return verdict;
        }
        let Grounds { certificates, roots, .. } = *self.grounds;
        let judged = || certificates.worth(host, fingerprint, roots, at);
        let worth = self.worths.entry((host, fingerprint, at)).or_insert_with(judged).as_ref();
        judge_certificate(peer, trust, worth, self.log_trusts)
    }

    /// The verdict, where the name of the host decides it.
    fn by_name(
        &mut self,
        host: &'t Text,
        peer: &SessionPeer,
        policy: &SessionPolicy,
        key: PolicyKey<'t>,
    ) -> Option<Verdict> {
        match *self.names.entry((host.as_str(), key)).or_insert_with(|| by_name(host, policy)) {
            ByName::Named => None,
            ByName::NotNamed => Some(Verdict::Failed(Box::new(not_in_policy(host.clone(), peer.address)))),
            ByName::Unknown => Some(Verdict::Unknown),
        }
    }

    fn hear(&mut self, told: &'t Told, verdicts: &mut Verdicts<'t>, heard: &mut Heard) {
        match &told.what {
            What::Datagram(event) => {
                let judge = |policy: &'t SessionPolicy| {
                    if self.is_doubtful(event, policy, told) {
                        hand_out(verdicts, event, policy)
                    } else {
                        at_its_word(policy)
                    }
                };
                let mut judgements = event.policies.iter().map(judge);
                heard.extend(sessions_of(event, told.at, |_, _| {
                    // One for each policy, in their order.
                    judgements.next().unwrap_or(Judgement::Unknown)
                }));
            }
            What::Line(event) => {
                let mut judgements = event.policies.iter().map(|policy| self.by_itself(event, policy, told));
                heard.extend(sessions_of(event, told.at, |_, _| {
                    judgements.next().unwrap_or(Judgement::Unknown)
                }));
            }
            What::Log(MtaLogEvent::MxNotInPolicy { mx_host, domain }) => {
                heard.push(self.passed_over(mx_host, domain, told.at));
            }
            What::Log(MtaLogEvent::Session(_)) => {}
        }
    }

    /// Of a session that brings all that is known of it.
    fn by_itself(&mut self, event: &'t SessionEvent, policy: &'t SessionPolicy, told: &Told) -> Judgement {
        // Whoever writes lines validates under an enforced policy, and need not quote it.
        let is_testing = policy.policy_type == PolicyType::Sts
            && quoted_mode(policy).is_some_and(|mode| mode != Mode::Enforce);
        if policy.failed || !is_testing {
            return at_its_word(policy);
        }
        let at = event.at.unwrap_or(told.at);
        judgement(self.verdict(&event.peer, None, policy, key(event, policy), at))
    }

    /// An MX host that was passed over under an enforced policy: an attempt that failed, of which no datagram tells.
    fn passed_over(&self, mx_host: &Text, domain: &Text, at: UnixTime) -> Session {
        let bare = || AppliedPolicy {
            policy_type: PolicyType::Sts,
            domain: domain.clone(),
            strings: Vec::new(),
            mx_patterns: Vec::new(),
        };
        let policy = match self.applied.get(domain.as_str()) {
            // As the sessions beside it quote it, so that they stand in one row.
            Some(policy) => AppliedPolicy {
                strings: policy.strings.clone(),
                mx_patterns: policy.mx_hosts.clone(),
                ..bare()
            },
            None => match self.grounds.policies.standing(domain, at).and_then(|standing| standing.in_force) {
                Some(policy) => AppliedPolicy { strings: policy.lines, mx_patterns: policy.mx, ..bare() },
                None => bare(),
            },
        };
        let failure = not_in_policy(mx_host.clone(), None);
        Session {
            at,
            domain: domain.clone(),
            record: None,
            policy,
            met: Some(false),
            failures: vec![Failure {
                result: failure.result_type,
                receiving_mx: failure.mx_host,
                receiving_helo: None,
                receiving_ip: None,
                sending_ip: None,
                reason: failure.reason_code,
                additional: None,
            }],
            count: 1,
        }
    }
}

/// The enforced policies that datagrams of a stretch quote.
fn quoted(told: &[Told]) -> BTreeMap<&str, &SessionPolicy> {
    let mut quoted = BTreeMap::new();
    for one in told {
        let What::Datagram(event) = &one.what else { continue };
        for policy in &event.policies {
            if policy.policy_type == PolicyType::Sts && quoted_mode(policy) == Some(Mode::Enforce) {
                quoted.insert(policy.domain.as_ref().unwrap_or(&event.domain).as_str(), policy);
            }
        }
    }
    quoted
}

fn key<'t>(event: &'t SessionEvent, policy: &'t SessionPolicy) -> PolicyKey<'t> {
    (policy.domain.as_ref().unwrap_or(&event.domain), &policy.strings, &policy.mx_hosts)
}

fn at_its_word(policy: &SessionPolicy) -> Judgement {
    if policy.failed { Judgement::Failed(policy.failures.clone()) } else { Judgement::Met }
}

/// Takes one of the verdicts that must have fallen.
fn hand_out<'t>(
    verdicts: &mut Verdicts<'t>,
    event: &'t SessionEvent,
    policy: &'t SessionPolicy,
) -> Judgement {
    let fallen = verdicts.get_mut(&(event.domain.as_str(), key(event, policy)));
    let left = fallen.and_then(|fallen| fallen.iter_mut().find(|(_, times)| **times > 0));
    match left {
        Some((verdict, times)) => {
            *times -= 1;
            judgement(verdict.clone())
        }
        None => Judgement::Unknown,
    }
}

fn judgement(verdict: Verdict) -> Judgement {
    match verdict {
        Verdict::Failed(failure) => Judgement::Failed(vec![*failure]),
        Verdict::Met => Judgement::Met,
        Verdict::Unknown => Judgement::Unknown,
    }
}
