//! Fetching a policy as a sender does: over a certificate that holds, or nothing is asked (RFC 8461 §3.3).

use std::net::IpAddr;

use bytes::Bytes;
use mta_sts::policy::{Deviation, Policy};
use mta_sts::policy_domain::POLICY_PATH;
use mta_sts::response::{self, FetchFailure, Response};
use mta_sts::{Parsed, policy_domain::PolicyDomain};
use smtp_dane::pkix::{self, TrustRoots};

use crate::check::MAX_ADDRESSES;
use crate::check::gather::{Within, bounded};
use crate::check::observations::HostReplies;
use crate::facts::UnixTime;
use crate::ports::{
    ConnectFailure, HttpAnswer, HttpsExchange, HttpsFailure, HttpsTarget, TlsFailure, TlsSession, World,
};

/// The addresses of the policy host: what DNS said, and those that are tried.
pub(crate) async fn policy_host<W: World>(
    within: &Within<'_, W>,
    domain: &PolicyDomain,
) -> (HostReplies, Vec<IpAddr>) {
    let replies = within.addresses(&domain.policy_host()).await;
    let addresses = bounded(replies.addresses(), MAX_ADDRESSES).0;
    (replies, addresses)
}

/// Asks the policy host; `None` if the time limit came first.
pub(crate) async fn get_policy<W: World>(
    within: &Within<'_, W>,
    roots: &TrustRoots,
    domain: &PolicyDomain,
    addresses: &[IpAddr],
    now: UnixTime,
) -> Option<HttpsExchange> {
    let host = domain.policy_host();
    let target = HttpsTarget { host: &host, port: None, path: POLICY_PATH, addresses };
    // RFC 8461 §3.3: the certificate first; over one that does not hold nothing is asked.
    let admit = |session: &TlsSession| pkix::judge(&session.chain, roots, &host, now).is_trusted();
    within.limit(within.world().get(target, &admit)).await
}

/// Whether the body came compressed, which nobody asked for.
pub(crate) fn is_encoded(answer: &HttpAnswer) -> bool {
    answer.content_encoding.as_deref().is_some_and(|encoding| {
        !encoding.trim_ascii().is_empty() && !encoding.eq_ignore_ascii_case(b"identity")
    })
}

/// What the answer is worth, apart from its encoding.
pub(crate) fn judge(answer: &HttpAnswer) -> Parsed<Policy, Deviation, FetchFailure> {
    response::judge(&Response {
        status: answer.status,
        content_type: answer.content_type.as_deref(),
        body: &answer.body,
    })
}

/// What came of it: the policy with its body as served.
pub(crate) fn outcome(exchange: Option<HttpsExchange>) -> Result<(Policy, Bytes), FetchFailure> {
    let Some(exchange) = exchange else { return Err(FetchFailure::TimedOut) };
    let answer = exchange.outcome.map_err(|failure| failure_of(&failure))?;
    if answer.status == 200 && is_encoded(&answer) {
        return Err(FetchFailure::MediaType);
    }
    let policy = judge(&answer).into_usable()?;
    Ok((policy, answer.body))
}

fn failure_of(failure: &HttpsFailure) -> FetchFailure {
    match failure {
        HttpsFailure::Connect(ConnectFailure::TimedOut)
        | HttpsFailure::Tls(TlsFailure::TimedOut)
        | HttpsFailure::TimedOut => FetchFailure::TimedOut,
        HttpsFailure::Connect(_) | HttpsFailure::Protocol(_) => FetchFailure::Unreachable,
        HttpsFailure::Tls(_) => FetchFailure::TlsHandshake,
        HttpsFailure::NotAdmitted => FetchFailure::Certificate,
        HttpsFailure::TooLarge { .. } => FetchFailure::TooLarge,
    }
}
