//! The verdict on one session under one policy: RFC 8461 §4.
//!
//! The name of the MX host first, then the certificate; the first thing that is wrong is the one that is named. What the
//! log says of the certificate ("Trusted", "Untrusted") is a second witness and never enough for a success: it says
//! nothing of the name. Where the witnesses contradict each other, nobody knows.

use std::net::IpAddr;

use mta_sts::mx::{MxPattern, matches_any};
use mta_sts::policy::Mode;
use smtp_dane::pkix::{self, Chain, Outcome};
use tls_rpt::{ResultType, Text};

use crate::ports::{LoggedTrust, SessionFailure, SessionPeer, SessionPolicy};

/// So many lines and patterns reach us at most; of a longer list, a host that matches none may match one that did not.
const LISTS_CUT_AT: usize = 256;
/// Longest reason.
const MAX_REASON_BYTES: usize = 200;

/// What is known of a session. The order is that in which verdicts are handed out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    /// It did not meet the policy.
    Failed(Box<SessionFailure>),
    /// It met it.
    Met,
    /// Nobody knows.
    Unknown,
}

/// The mode of the policy that a session quotes, if it quotes that line.
pub(super) fn quoted_mode(policy: &SessionPolicy) -> Option<Mode> {
    let value = value_of(policy, "mode").next()?;
    // What is no mode of RFC 8461 was validated by nobody.
    Some(Mode::ALL.into_iter().find(|mode| mode.as_wire() == value).unwrap_or(Mode::None))
}

/// The MX patterns of the policy that a session quotes.
fn patterns(policy: &SessionPolicy) -> Vec<MxPattern> {
    let listed = policy.mx_hosts.iter().map(Text::as_str);
    listed.chain(value_of(policy, "mx")).filter_map(|text| MxPattern::parse(text).ok()).collect()
}

fn value_of<'p>(policy: &'p SessionPolicy, name: &'p str) -> impl Iterator<Item = &'p str> {
    let fields = policy.strings.iter().filter_map(|line| line.split_once(':'));
    fields.filter(move |(key, _)| *key == name).map(|(_, value)| value.trim())
}

/// How the name of an MX host stands to a policy (RFC 8461 §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ByName {
    /// The policy names it.
    Named,
    /// It does not.
    NotNamed,
    /// Not all of the policy's patterns are known here.
    Unknown,
}

/// Holds the name of an MX host against the patterns of the policy that a session quotes.
pub(super) fn by_name(host: &str, policy: &SessionPolicy) -> ByName {
    let patterns = patterns(policy);
    let is_cut = policy.mx_hosts.len() >= LISTS_CUT_AT || policy.strings.len() >= LISTS_CUT_AT;
    if matches_any(&patterns, host) {
        ByName::Named
    } else if patterns.is_empty() || is_cut {
        ByName::Unknown
    } else {
        ByName::NotNamed
    }
}

/// An MX host that the policy does not name. RFC 8460 §4.3.1 has no type of its own for it: `certificate-host-mismatch` is
/// about a certificate, and none was looked at here; so it is the general type (§4.3.3), with a reason code that says
/// which failure it is. The largest reporter does the same (H12).
pub(super) fn not_in_policy(host: Text, address: Option<IpAddr>) -> SessionFailure {
    let reason = "MX not in policy";
    failure(ResultType::ValidationFailure, Some(host), address, Some(reason))
}

/// Judges the certificate. `worth`: of the chain behind the session's fingerprint, for the MX host at the session's
/// time, if it is known. `log_trusts`: whether this log has called any certificate trusted; one that calls none has
/// no roots configured, and its "Untrusted" says nothing.
pub(super) fn judge_certificate(
    peer: &SessionPeer,
    trust: Option<LoggedTrust>,
    worth: Option<&pkix::Verdict>,
    log_trusts: bool,
) -> Verdict {
    use LoggedTrust::{Anonymous, Trusted, Untrusted, Verified};
    let failed = |result, reason: Option<&str>| {
        Verdict::Failed(Box::new(failure(result, peer.mx_host.clone(), peer.address, reason)))
    };
    let outcome = worth.map(|worth| (worth.outcome(), worth));
    match (trust, outcome) {
        // At `may` Postfix offers ciphers without certificates. That none was shown does not say that there is none.
        (Some(Anonymous), _) => Verdict::Unknown,
        // Nobody vouches for a certificate that nobody but this session was shown.
        (Some(Untrusted), None) if log_trusts => {
            failed(ResultType::CertificateNotTrusted, Some("the chain leads to no trusted root"))
        }
        (_, None) => Verdict::Unknown,
        (Some(Untrusted), Some((Outcome::Trusted, _))) if log_trusts => Verdict::Unknown,
        (_, Some((Outcome::Trusted, _))) => Verdict::Met,
        (_, Some((Outcome::HostMismatch, worth))) => {
            failed(ResultType::CertificateHostMismatch, Some(&name_reason(worth)))
        }
        (Some(Trusted | Verified), Some(_)) => Verdict::Unknown,
        (_, Some((Outcome::Expired, _))) => failed(ResultType::CertificateExpired, None),
        (_, Some((Outcome::NotTrusted, worth))) if worth.chain == Chain::Trusted => {
            failed(ResultType::CertificateNotTrusted, Some("the certificate is not yet valid"))
        }
        // RFC 8460 §4.3.1, §4.3.3: with a reason.
        (_, Some((Outcome::NotTrusted, worth))) => {
            failed(ResultType::CertificateNotTrusted, Some(&worth.chain.to_string()))
        }
        (_, Some((Outcome::Other, worth))) => {
            failed(ResultType::ValidationFailure, Some(&worth.chain.to_string()))
        }
    }
}

fn name_reason(worth: &pkix::Verdict) -> String {
    match &worth.name {
        pkix::Name::Differs { names } if !names.is_empty() => {
            let first: Vec<&str> = names.iter().take(3).map(String::as_str).collect();
            format!("the certificate is valid for {}", first.join(", "))
        }
        _ => "the certificate has no DNS name".to_owned(),
    }
}

fn failure(
    result_type: ResultType,
    mx_host: Option<Text>,
    receiving_ip: Option<IpAddr>,
    reason: Option<&str>,
) -> SessionFailure {
    SessionFailure {
        result_type,
        sending_mta_ip: None,
        mx_host,
        helo: None,
        receiving_ip,
        additional_information: None,
        reason_code: reason.map(bounded),
    }
}

/// A reason, cut between characters. What strangers have a part in was made harmless where it was read.
pub(super) fn bounded(text: &str) -> Text {
    let mut end = text.len().min(MAX_REASON_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Text::from(&text[..end])
}
