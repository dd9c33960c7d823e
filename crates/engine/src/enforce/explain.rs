//! Walks the road of a sender that holds nothing yet, step by step, and says at each why it goes on or ends.
//!
//! Connects to the policy host as a sender does (nothing is requested over a certificate that does not hold), and to no
//! MX host: what is said of those is what a sender would ask of them. Nothing fails: trouble is an outcome.

use std::net::IpAddr;

use futures_util::future::join;
use mta_sts::policy::{Mode, Policy};
use mta_sts::policy_domain::{NoPolicyDomain, PolicyDomain};
use mta_sts::record::PolicyId;
use mta_sts::rrset;
use smtp_dane::pkix::{self, TrustRoots};

use super::explanation::{Applied, Explanation, HostRule, Step, StepName, StepOutcome};
use super::fetch;
use super::next_hop::NextHop;
use super::rule::Way;
use crate::check::gather::{Within, look_up_mail};
use crate::check::observations::{HostReplies, is_without_route};
use crate::check::text::{list, tame, tame_bytes, tls_failure};
use crate::check::{Options, PolicyFacts};
use crate::facts::UnixTime;
use crate::ports::{DnsReply, HttpsExchange, HttpsFailure, RecordKind, World};

/// What a sender that holds no policy would apply to mail for `next_hop` now: a domain, or a relay as MTAs write it.
pub async fn explain_policy<W: World>(
    world: &W,
    roots: &TrustRoots,
    next_hop: &str,
    options: &Options,
    now: UnixTime,
) -> Explanation {
    let mut walk = Walk { steps: Vec::new() };
    let hop = match NextHop::parse(next_hop) {
        Ok(hop) => hop,
        Err(error) => {
            let rfc =
                if error == NoPolicyDomain::AddressLiteral { "RFC 8461 §3.4" } else { "RFC 8461 §3.1" };
            walk.step(StepName::NextHop, StepOutcome::Ended, next_hop, &format!("{error}."), rfc);
            return walk.end(next_hop, None, Applied::None, None, Vec::new());
        }
    };
    let NextHop { domain, is_host, port } = hop;
    walk.step(
        StepName::NextHop,
        StepOutcome::Passed,
        next_hop,
        &format!("The policy domain is {domain}: the next hop as written, no parent and no alias."),
        "RFC 8461 §3.4",
    );

    let within = Within::new(world, options.time_limit);
    let (found, mail) = join(
        find_policy(&within, &mut walk, roots, &domain, now),
        look_up_mail(&within, domain.as_str(), is_host, port),
    )
    .await;
    let (result, policy) = match found {
        Found::Policy(policy, id) => {
            (if policy.mode() == Mode::None { Applied::None } else { Applied::Policy }, Some((policy, id)))
        }
        Found::None => (Applied::None, None),
        Found::Unknown => (Applied::CouldNotTell, None),
    };
    let in_force = policy.as_ref().map(|(policy, _)| policy).filter(|policy| policy.mode() != Mode::None);
    let hosts = walk.hosts(Way { domain: &domain, mail: &mail, port, dnssec: &world.dnssec() }, in_force);
    let facts =
        policy.as_ref().map(|(policy, id)| PolicyFacts::of(&domain, policy, Some(id.as_wire().to_owned())));
    walk.end(next_hop, Some(&domain), result, facts, hosts)
}

/// What the road led to.
enum Found {
    Policy(Policy, PolicyId),
    None,
    Unknown,
}

/// The steps so far.
pub(super) struct Walk {
    steps: Vec<Step>,
}

async fn find_policy<W: World>(
    within: &Within<'_, W>,
    walk: &mut Walk,
    roots: &TrustRoots,
    domain: &PolicyDomain,
    now: UnixTime,
) -> Found {
    let reply = within.look_up(&domain.record_name(), RecordKind::Txt).await;
    let Some(id) = walk.record(domain, &reply) else {
        return if reply.failure().is_some() { Found::Unknown } else { Found::None };
    };
    let host = domain.policy_host();
    let (replies, addresses) = fetch::policy_host(within, domain).await;
    if !walk.policy_host(&host, &replies) {
        return if replies.is_absent() { Found::None } else { Found::Unknown };
    }
    let Some(exchange) = fetch::get_policy(within, roots, domain, &addresses, now).await else {
        walk.step(
            StepName::Fetch,
            StepOutcome::Unknown,
            &host,
            "The time limit came first.",
            "RFC 8461 §3.3",
        );
        return Found::Unknown;
    };
    if let Err(HttpsFailure::Connect(failure)) = &exchange.outcome
        && is_without_route(failure)
        && addresses.iter().any(IpAddr::is_ipv6)
    {
        // What this machine lacks says nothing of what a sender would find there.
        let text = format!("{}: this machine has no way into IPv6.", tame(&failure.to_string()));
        walk.step(StepName::Fetch, StepOutcome::Unknown, &domain.policy_url(), &text, "RFC 8461 §3.3");
        return Found::Unknown;
    }
    match walk.answer(domain, &exchange, roots, now) {
        Some(policy) => Found::Policy(policy, id),
        // RFC 8461 §3.3: with nothing cached, as if there were no MTA-STS.
        None => Found::None,
    }
}

impl Walk {
    pub(super) fn step(
        &mut self,
        step: StepName,
        outcome: StepOutcome,
        subject: &str,
        text: &str,
        rfc: &'static str,
    ) {
        let subject = tame(subject).into_owned();
        // What other modules say in half sentences begins a sentence here.
        let mut text = text.to_owned();
        if let Some(first) = text.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        self.steps.push(Step { step, outcome, subject, text, rfc });
    }

    fn end(
        self,
        next_hop: &str,
        domain: Option<&PolicyDomain>,
        result: Applied,
        policy: Option<PolicyFacts>,
        hosts: Vec<HostRule>,
    ) -> Explanation {
        Explanation {
            next_hop: tame(next_hop).into_owned(),
            domain: domain.map(ToString::to_string),
            result,
            steps: self.steps,
            policy,
            hosts,
        }
    }

    /// The look-up and the choice: the id of the policy, if one is announced.
    fn record(&mut self, domain: &PolicyDomain, reply: &DnsReply) -> Option<PolicyId> {
        let name = domain.record_name();
        let texts = reply.texts();
        let (outcome, text) = match reply {
            DnsReply::Failed(failure) => (
                StepOutcome::Unknown,
                format!(
                    "{}. A sender that holds a policy goes on with it; others deliver as if there were none.",
                    tame(&failure.to_string())
                ),
            ),
            DnsReply::Absent(_) => (StepOutcome::Ended, "There is no TXT record: no policy.".to_owned()),
            DnsReply::Found(answer) => {
                let alias = answer.aliases.last().map(|target| format!(", by way of {}", tame(target)));
                let text = format!("{} TXT record(s){}.", texts.len(), alias.unwrap_or_default());
                (StepOutcome::Passed, text)
            }
        };
        self.step(StepName::Record, outcome, &name, &text, "RFC 8461 §3.1");
        if outcome != StepOutcome::Passed {
            return None;
        }
        let choice = rrset::choose(&texts);
        match choice.usable() {
            Ok(record) => {
                let id = record.id().clone();
                let slack =
                    if choice.is_strict() { "" } else { " It is outside the grammar; its meaning is clear." };
                let text = format!("The record announces a policy with the id {}.{slack}", id.as_wire());
                self.step(StepName::Choice, StepOutcome::Passed, &name, &text, "RFC 8461 §3.1");
                Some(id)
            }
            Err(reason) => {
                let text = format!("{reason}: no policy.");
                self.step(StepName::Choice, StepOutcome::Ended, &name, &text, "RFC 8461 §3.1");
                None
            }
        }
    }

    /// Whether there is an address.
    fn policy_host(&mut self, host: &str, replies: &HostReplies) -> bool {
        let (outcome, text) = if replies.is_found() {
            (StepOutcome::Passed, format!("Its addresses: {}.", list(replies.addresses())))
        } else if replies.is_absent() {
            (StepOutcome::Ended, "The policy host has no address: no policy can be fetched.".to_owned())
        } else {
            let failure = replies.failure().map(ToString::to_string).unwrap_or_default();
            (StepOutcome::Unknown, format!("{}.", tame(&failure)))
        };
        self.step(StepName::PolicyHost, outcome, host, &text, "RFC 8461 §3.2");
        outcome == StepOutcome::Passed
    }

    /// Certificate, answer, body and mode.
    fn answer(
        &mut self,
        domain: &PolicyDomain,
        exchange: &HttpsExchange,
        roots: &TrustRoots,
        now: UnixTime,
    ) -> Option<Policy> {
        let host = domain.policy_host();
        let url = domain.policy_url();
        if let Some(session) = &exchange.tls {
            let verdict = pkix::judge(&session.chain, roots, &host, now);
            let (outcome, text) = if verdict.is_trusted() {
                (StepOutcome::Passed, format!("{}, and the certificate is for {host}.", verdict.chain))
            } else {
                (StepOutcome::Ended, format!("{}: nothing is requested.", why_not(&verdict)))
            };
            self.step(StepName::Certificate, outcome, &host, &text, "RFC 8461 §3.3");
            if outcome == StepOutcome::Ended {
                return None;
            }
        }
        let answer = match &exchange.outcome {
            Ok(answer) => answer,
            Err(failure) => {
                let what = match failure {
                    HttpsFailure::Tls(failure) => tls_failure(failure),
                    other => tame(&other.to_string()).into_owned(),
                };
                let text = format!("{what}: no policy, for a sender that holds none.");
                self.step(StepName::Fetch, StepOutcome::Ended, &url, &text, "RFC 8461 §3.3");
                return None;
            }
        };
        let kind =
            answer.content_type.as_deref().map(tame_bytes).unwrap_or_else(|| "no media type".to_owned());
        let text = format!("Status {}, {kind}, {} bytes.", answer.status, answer.body.len());
        let encoded = fetch::is_encoded(answer);
        let passed = answer.status == 200 && !encoded;
        let outcome = if passed { StepOutcome::Passed } else { StepOutcome::Ended };
        let text = match (answer.status, encoded) {
            (200, false) => text,
            (200, true) => format!("{text} It is compressed, which nobody asked for: no policy."),
            _ => format!("{text} Only 200 gives a policy, and redirects are not followed."),
        };
        self.step(StepName::Fetch, outcome, &url, &text, "RFC 8461 §3.3");
        if !passed {
            return None;
        }
        let parsed = fetch::judge(answer);
        let is_strict = parsed.strict().is_ok();
        match parsed.into_usable() {
            Ok(policy) => {
                let slack = if is_strict { "" } else { " It is outside the grammar; its meaning is clear." };
                let text = format!(
                    "Mode {}, {} mx pattern(s), kept for {} seconds.{slack}",
                    policy.mode().as_wire(),
                    policy.mx().len(),
                    policy.max_age().as_secs()
                );
                self.step(StepName::Policy, StepOutcome::Passed, &url, &text, "RFC 8461 §3.2");
                self.mode(policy.mode());
                Some(policy)
            }
            Err(failure) => {
                let text = format!("{failure}: no policy.");
                self.step(StepName::Policy, StepOutcome::Ended, &url, &text, "RFC 8461 §3.2");
                None
            }
        }
    }

    fn mode(&mut self, mode: Mode) {
        let (outcome, text) = match mode {
            Mode::Enforce => (
                StepOutcome::Passed,
                "Mail goes only to MX hosts that pass; else it waits and is tried again.",
            ),
            Mode::Testing => {
                (StepOutcome::Passed, "Mail is delivered as without a policy, and failures are reported.")
            }
            Mode::None => (StepOutcome::Ended, "As without a policy; an older one is forgotten."),
        };
        self.step(StepName::Mode, outcome, mode.as_wire(), text, "RFC 8461 §5");
    }
}

/// The gravest fault of a certificate in words.
fn why_not(verdict: &pkix::Verdict) -> String {
    match (verdict.outcome(), &verdict.name) {
        (pkix::Outcome::HostMismatch, pkix::Name::Differs { names }) if !names.is_empty() => {
            format!("the certificate is for {}", list(names))
        }
        (pkix::Outcome::HostMismatch, _) => "the certificate does not name the policy host".to_owned(),
        (pkix::Outcome::Expired, _) => "the certificate has expired".to_owned(),
        _ if verdict.chain == pkix::Chain::Trusted => "the certificate is not valid yet".to_owned(),
        _ => verdict.chain.to_string(),
    }
}
