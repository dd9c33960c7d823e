//! What an MTA told, taken apart into what is counted.
//!
//! A session counts once for each policy that was applied to it (RFC 8460 §4.2). One under DANE counts for the
//! recipient's domain and, where that is another, for the TLSA base domain too (§1.1: that is its policy domain; ruling
//! L13). Whether a session met its policy is judged by an argument: an MTA's "success" may mean that it did not look.

use tls_rpt::tally::{AppliedPolicy, Failure};
use tls_rpt::{PolicyType, Text};

use super::DAY_SECONDS;
use crate::facts::UnixTime;
use crate::ports::{SessionEvent, SessionFailure, SessionPolicy};

/// How far before its arrival a session may say it was.
const MAX_AGE_SECONDS: i64 = 2 * DAY_SECONDS;
/// How far after it.
const MAX_AHEAD_SECONDS: i64 = 300;

/// One session, or several like ones, under one policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// When it was.
    pub at: UnixTime,
    /// The domain that gets the report.
    pub domain: Text,
    /// Its TLSRPT record, if the session brought it.
    pub record: Option<Text>,
    /// The policy.
    pub policy: AppliedPolicy,
    /// Whether it met it in the end; `None`: nobody knows.
    pub met: Option<bool>,
    /// What failed.
    pub failures: Vec<Failure>,
    /// How many like sessions.
    pub count: u64,
}

/// What is known of a session under one of its policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// It met the policy.
    Met,
    /// It did not, for these reasons.
    Failed(Vec<SessionFailure>),
    /// Nobody knows.
    Unknown,
}

/// Sessions in the order of their policies; at least one.
pub type Heard = Vec<Session>;

/// The judgement that takes the MTA at its word, but for one word: where a policy is in testing mode, MTAs do not
/// validate, so that "success" says nothing.
#[must_use]
pub fn at_face_value(policy: &SessionPolicy) -> Judgement {
    if policy.failed {
        return Judgement::Failed(policy.failures.clone());
    }
    let is_testing = |line: &Text| {
        line.split_once(':').is_some_and(|(key, value)| key == "mode" && value.trim() != "enforce")
    };
    if policy.policy_type == PolicyType::Sts && policy.strings.iter().any(is_testing) {
        return Judgement::Unknown;
    }
    Judgement::Met
}

/// The sessions that an event stands for. `received_at`: when it came in. `judge` is asked once for each policy, in
/// their order.
pub fn sessions_of(
    event: &SessionEvent,
    received_at: UnixTime,
    mut judge: impl FnMut(&SessionEvent, &SessionPolicy) -> Judgement,
) -> Heard {
    let plausible = received_at - MAX_AGE_SECONDS..=received_at + MAX_AHEAD_SECONDS;
    let at = event.at.filter(|at| plausible.contains(at)).unwrap_or(received_at);
    let mut heard = Vec::with_capacity(event.policies.len());
    for policy in &event.policies {
        let (met, failures) = match judge(event, policy) {
            Judgement::Met => (Some(true), Vec::new()),
            Judgement::Failed(failures) => (Some(false), failures),
            Judgement::Unknown => (None, Vec::new()),
        };
        let is_sts = policy.policy_type == PolicyType::Sts;
        let session = Session {
            at,
            domain: event.domain.clone(),
            record: event.tlsrpt_record.clone(),
            policy: AppliedPolicy {
                policy_type: policy.policy_type.clone(),
                domain: policy.domain.clone().unwrap_or_else(|| event.domain.clone()),
                strings: policy.strings.clone(),
                // RFC 8460 §4.4: mx-host belongs to MTA-STS alone.
                mx_patterns: if is_sts { policy.mx_hosts.clone() } else { Vec::new() },
            },
            met,
            failures: failures.into_iter().map(|failure| counted(failure, event)).collect(),
            count: event.count,
        };
        let is_elsewhere = policy.policy_type == PolicyType::Tlsa && session.policy.domain != event.domain;
        if is_elsewhere && tls_name(&session.policy.domain) {
            heard.push(Session { domain: session.policy.domain.clone(), record: None, ..session.clone() });
        }
        heard.push(session);
    }
    heard
}

/// Whether a record can stand under that name.
fn tls_name(domain: &str) -> bool {
    domain.contains('.') && domain.len() <= 240 && !domain.bytes().any(|byte| !byte.is_ascii_graphic())
}

fn counted(failure: SessionFailure, event: &SessionEvent) -> Failure {
    Failure {
        result: failure.result_type,
        receiving_mx: failure.mx_host.or_else(|| event.peer.mx_host.clone()),
        receiving_helo: failure.helo.as_deref().and_then(first_word),
        receiving_ip: failure.receiving_ip.or(event.peer.address),
        sending_ip: failure.sending_mta_ip,
        reason: failure.reason_code.filter(|text| !text.is_empty()),
        additional: failure.additional_information.filter(|text| !text.is_empty()),
    }
}

/// The name in an answer to EHLO. What stands behind it (an hour, a session number) would make every session a kind of
/// failure of its own.
fn first_word(helo: &str) -> Option<Text> {
    helo.split_ascii_whitespace().next().map(|word| Text::from(word.to_ascii_lowercase()))
}
