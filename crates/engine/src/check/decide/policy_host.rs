//! The policy host: does each of its addresses give the policy, over a good certificate?

use mta_sts::Parsed;
use mta_sts::policy::{Deviation, Policy};
use mta_sts::response::{self, FetchFailure, Response};

use super::Case;
use super::certificate::{Judge, Whose};
use super::findings::ByAddress;
use super::policy_body;
use crate::check::code::{Code, Level};
use crate::check::observations::Fetch;
use crate::check::text::{self, tame, tame_bytes};
use crate::ports::{ConnectFailure, HttpAnswer, HttpsFailure, TlsFailure};

/// What a sender gets from the policy host.
#[derive(Debug, Clone)]
pub(super) enum PolicyState {
    /// A policy.
    Usable(Policy),
    /// None.
    Unusable,
    /// It could not be told.
    Unknown,
}

impl PolicyState {
    pub(super) fn policy(&self) -> Option<&Policy> {
        match self {
            Self::Usable(policy) => Some(policy),
            Self::Unusable | Self::Unknown => None,
        }
    }
}

/// One body that was served, and by whom.
struct Served<'a> {
    answer: &'a HttpAnswer,
    parsed: Parsed<Policy, Deviation, FetchFailure>,
}

/// Judges the host. `is_announced`: there is a record, so that the lack of a policy is worth telling.
pub(super) fn judge(case: &mut Case<'_>, is_announced: bool) -> PolicyState {
    let seen = case.seen;
    let host = seen.domain.policy_host();
    let mut by_address = ByAddress::default();
    let mut certificates = Judge::new(&host, Whose::PolicyHost, case.roots, case.now);
    let mut served: Vec<Served<'_>> = Vec::new();
    let mut usable: Option<Policy> = None;

    let lacks_ipv6 = case.lacks_ipv6;
    for fetch in seen.fetches.iter().filter(|fetch| !(lacks_ipv6 && fetch.address.is_ipv6())) {
        let certificate = fetch
            .exchange
            .as_ref()
            .and_then(|exchange| exchange.tls.as_ref())
            .map(|session| certificates.judge(&session.chain));
        let is_trusted = certificate.as_ref().is_some_and(|judged| judged.is_trusted);
        for (code, what) in certificate.iter().flat_map(|judged| &judged.faults) {
            by_address.add(*code, fetch.address, what.as_str());
        }
        if let Some(expiry) = certificate.and_then(|judged| judged.expires_soon) {
            by_address.add_expiry(fetch.address, &expiry);
        }
        let Some(answer) = answer_of(fetch, &mut by_address) else { continue };
        if served.iter().all(|known| known.answer != answer) {
            let parsed = response::judge(&Response {
                status: answer.status,
                content_type: answer.content_type.as_deref(),
                body: &answer.body,
            });
            served.push(Served { answer, parsed });
        }
        let this = served.iter().find(|known| known.answer == answer);
        if let Some(Ok(policy)) = this.map(|this| this.parsed.usable())
            && is_trusted
            && usable.is_none()
        {
            usable = Some(policy.clone());
        }
    }

    if is_announced {
        names_nothing(case, &host);
        let may_work_elsewhere = usable.is_some() || is_hidden(case);
        by_address.note(&mut case.findings, &host, seen.fetches.len(), |fault, finding| {
            // RFC 8305: who finds one address dead tries the next.
            if fault.code == Code::PolicyHostUnreachable && may_work_elsewhere {
                finding.at(Level::Warning);
            }
        });
        for one in &served {
            policy_body::note_faults(case, &one.parsed, one.answer);
        }
        let mut policies = served.iter().filter_map(|one| one.parsed.usable().ok());
        let first = policies.next();
        if first.is_some_and(|first| policies.any(|other| other != first)) {
            case.findings.add(Code::PolicyAddressesDiffer, &host, "");
        }
    }
    match usable {
        Some(policy) => PolicyState::Usable(policy),
        None if is_unknown(case) => PolicyState::Unknown,
        None => PolicyState::Unusable,
    }
}

/// Whether there may be a policy that was not seen.
fn is_unknown(case: &Case<'_>) -> bool {
    let seen = case.seen;
    let not_asked = seen.fetches.iter().any(|fetch| fetch.exchange.is_none());
    not_asked || is_hidden(case) || (seen.policy_host.failure().is_some() && seen.fetches.is_empty())
}

/// Whether only addresses of IPv6, which this machine cannot reach, may serve a policy: a sender that has IPv6 tries
/// them where the others are dead.
fn is_hidden(case: &Case<'_>) -> bool {
    if !case.lacks_ipv6 {
        return false;
    }
    let (hidden, others): (Vec<&Fetch>, Vec<&Fetch>) =
        case.seen.fetches.iter().partition(|fetch| fetch.address.is_ipv6());
    let is_dead = |fetch: &&Fetch| {
        let failure = fetch.exchange.as_ref().and_then(|exchange| exchange.outcome.as_ref().err());
        matches!(
            failure,
            Some(HttpsFailure::Connect(
                ConnectFailure::Refused | ConnectFailure::Unreachable(_) | ConnectFailure::TimedOut
            ))
        )
    };
    !hidden.is_empty() && others.iter().all(is_dead)
}

/// The host itself: is it in DNS?
fn names_nothing(case: &mut Case<'_>, host: &str) {
    let replies = &case.seen.policy_host;
    case.fact(host, "A", &replies.a);
    case.fact(host, "AAAA", &replies.aaaa);
    if let Some(failure) = replies.failure() {
        case.findings.dns(host, "addresses", failure);
    }
    if !replies.is_absent() {
        return;
    }
    match replies.aliases().last() {
        Some(target) => {
            let what = format!("{host} is an alias for {}, which has no address.", tame(target));
            case.findings.add(Code::PolicyHostDanglingAlias, host, &what);
        }
        None => {
            let what = format!("There is no address at {host}.");
            case.findings.add(Code::PolicyHostMissing, host, &what);
        }
    }
}

/// The answer with status 200 and a plain body, or the fault noted.
fn answer_of<'a>(fetch: &'a Fetch, by_address: &mut ByAddress) -> Option<&'a HttpAnswer> {
    let exchange = fetch.exchange.as_ref()?;
    let mut fault = |code, what: String| by_address.add(code, fetch.address, what);
    let answer = match &exchange.outcome {
        Ok(answer) => answer,
        Err(failure) => {
            let code = match failure {
                HttpsFailure::Connect(ConnectFailure::Guarded(_) | ConnectFailure::Name(_)) => {
                    Code::PolicyHostPrivateAddress
                }
                HttpsFailure::Connect(_) => Code::PolicyHostUnreachable,
                HttpsFailure::TimedOut | HttpsFailure::Tls(TlsFailure::TimedOut) => Code::PolicyHostSlow,
                HttpsFailure::Tls(_) | HttpsFailure::NotAdmitted => Code::PolicyHostTlsFailed,
                HttpsFailure::TooLarge { .. } => Code::PolicyTooLarge,
                HttpsFailure::Protocol(_) => Code::PolicyHttpBroken,
            };
            let what = match failure {
                HttpsFailure::Tls(failure) => text::tls_failure(failure),
                other => tame(&other.to_string()).into_owned(),
            };
            fault(code, what);
            return None;
        }
    };
    // RFC 8461 §3.3: exactly 200.
    if (300..400).contains(&answer.status) {
        let to = answer.location.as_deref().map(tame_bytes).unwrap_or_default();
        fault(Code::PolicyRedirect, format!("status {}, to {to}", answer.status));
        return None;
    }
    if answer.status != 200 {
        fault(Code::PolicyHttpStatus, format!("status {}", answer.status));
        return None;
    }
    let encoding = answer.content_encoding.as_deref().map(<[u8]>::trim_ascii).unwrap_or_default();
    if !encoding.is_empty() && !encoding.eq_ignore_ascii_case(b"identity") {
        fault(Code::PolicyCompressed, format!("Content-Encoding: {}", tame_bytes(encoding)));
        return None;
    }
    if policy_body::is_page(answer) {
        fault(Code::PolicyHtml, "the answer is a web page".to_owned());
        return None;
    }
    Some(answer)
}
