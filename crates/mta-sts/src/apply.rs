//! What to do with one MX host after one attempt: RFC 8461 §4 and §5.
//!
//! A sender walks the MX hosts in order of preference and asks here about each. A host that fails an
//! enforce policy counts as unreachable for now, so the walk goes on to the next; when the walk ends
//! without delivery the message waits. The list is never filtered beforehand: RFC 8461 §8.4 warns of the
//! loops that follow.
//!
//! DANE comes first where an MX has usable TLSA records (RFC 8461 §2); whoever knows both asks here only
//! about MX hosts that DANE does not decide.

use crate::mx;
use crate::name::DnsName;
use crate::policy::{Mode, Policy};

/// How the attempt to speak TLS with an MX host ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TlsOutcome {
    /// No connection, or it broke before STARTTLS could be told.
    NotReachable,
    /// Connected, and STARTTLS was not offered or was refused.
    NoStartTls,
    /// The handshake failed for another reason than the certificate.
    HandshakeFailed,
    /// RFC 8461 §4.2: the certificate is valid for the name in the MX record.
    Trusted,
    /// TLS was set up or refused by us, and the certificate is not good.
    Certificate(CertificateFault),
}

/// What is wrong with an MX host's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CertificateFault {
    /// No DNS-ID in it matches the name in the MX record; the CN does not count.
    HostMismatch,
    /// Its time is over, or has not come.
    Expired,
    /// It does not chain to a trusted root.
    NotTrusted,
    /// Anything else, such as one that was revoked or cannot be read.
    Other,
}

/// Why an MX host fails a policy. What a report calls it is not decided here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Failure {
    /// The name in the MX record matches no pattern.
    #[error("MX host matches no mx pattern of the policy")]
    MxNotInPolicy,
    /// STARTTLS is not offered.
    #[error("MX host does not offer STARTTLS")]
    StartTlsNotSupported,
    /// The certificate is for other names.
    #[error("certificate is not for the MX host")]
    CertificateHostMismatch,
    /// The certificate is not valid at this time.
    #[error("certificate of the MX host is expired")]
    CertificateExpired,
    /// The certificate chains to no trusted root.
    #[error("certificate of the MX host is not trusted")]
    CertificateNotTrusted,
    /// TLS failed in another way.
    #[error("TLS with the MX host failed")]
    ValidationFailure,
}

/// What to do with the message at this MX host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Deliver here.
    Deliver,
    /// Deliver here, as without a policy, and report the failure.
    DeliverAndReport(Failure),
    /// Go on with the next MX host, as after a temporary error. With a failure: report it.
    TryNextMx(Option<Failure>),
}

/// Decides about one MX host. `policy` is the one in force now, if any; `mx` the name in the MX record,
/// before any CNAME.
#[must_use]
pub fn decide(policy: Option<&Policy>, mx: &str, outcome: TlsOutcome) -> Decision {
    // RFC 8461 App. B: a connection that fails is no MTA-STS failure, in any mode.
    if outcome == TlsOutcome::NotReachable {
        return Decision::TryNextMx(None);
    }
    let Some(policy) = policy else { return Decision::Deliver };
    match (policy.mode(), check(policy, mx, outcome)) {
        (_, Ok(())) => Decision::Deliver,
        // RFC 8461 §5: as though there were no active policy, and §6: not reported either.
        (Mode::None, Err(_)) => Decision::Deliver,
        // RFC 8461 §5: delivered as though nothing had failed.
        (Mode::Testing, Err(failure)) => Decision::DeliverAndReport(failure),
        // RFC 8461 §5: never delivered to such a host; §5.1: the next candidate is tried.
        (Mode::Enforce, Err(failure)) => Decision::TryNextMx(Some(failure)),
    }
}

/// Decides before connecting, for senders that need not contact a host that cannot do: under an enforce
/// policy an MX host that matches no pattern is passed over. `None` means: connect, then [`decide`].
#[must_use]
pub fn decide_before_connecting(policy: Option<&Policy>, mx: &str) -> Option<Decision> {
    let policy = policy.filter(|policy| policy.mode() == Mode::Enforce)?;
    let matches = mx::matches_any(policy.mx(), mx);
    (!matches).then_some(Decision::TryNextMx(Some(Failure::MxNotInPolicy)))
}

/// RFC 8461 §4: the name first, then STARTTLS and the certificate. The first failure is the one named.
fn check(policy: &Policy, mx: &str, outcome: TlsOutcome) -> Result<(), Failure> {
    if !mx::matches_any(policy.mx(), mx) {
        return Err(Failure::MxNotInPolicy);
    }
    match outcome {
        TlsOutcome::Trusted => Ok(()),
        TlsOutcome::NoStartTls => Err(Failure::StartTlsNotSupported),
        TlsOutcome::Certificate(CertificateFault::HostMismatch) => Err(Failure::CertificateHostMismatch),
        TlsOutcome::Certificate(CertificateFault::Expired) => Err(Failure::CertificateExpired),
        TlsOutcome::Certificate(CertificateFault::NotTrusted) => Err(Failure::CertificateNotTrusted),
        // A host that was never reached proves nothing; [`decide`] has taken it out before.
        TlsOutcome::HandshakeFailed
        | TlsOutcome::NotReachable
        | TlsOutcome::Certificate(CertificateFault::Other) => Err(Failure::ValidationFailure),
    }
}

/// How a walk over all MX hosts ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Walk {
    /// Some host may take the message.
    Deliver,
    /// RFC 8461 §5: keep the message and try later. None of the hosts that were tried failed the policy.
    Defer,
    /// Keep the message and try later. The policy stood in the way of at least one host, so before giving
    /// up for good, DNS is asked for a newer policy: [`crate::freshness::Input::AboutToFail`].
    DeferByPolicy,
}

/// Sums up the decisions about all MX hosts, in the order in which they were tried.
#[must_use]
pub fn conclude(decisions: impl IntoIterator<Item = Decision>) -> Walk {
    let mut walk = Walk::Defer;
    for decision in decisions {
        match decision {
            Decision::Deliver | Decision::DeliverAndReport(_) => return Walk::Deliver,
            Decision::TryNextMx(Some(_)) => walk = Walk::DeferByPolicy,
            Decision::TryNextMx(None) => {}
        }
    }
    walk
}

/// The hosts to try for a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Candidates {
    /// In the order in which they are tried, as named in the MX records.
    Hosts(Vec<String>),
    /// RFC 7505: the domain takes no mail at all, so nothing is delivered anywhere.
    NullMx,
}

/// Orders the MX records of a domain, as preference and host. None at all makes the domain itself the only
/// candidate (RFC 5321 §5.1), and then its own name has to match the policy.
#[must_use]
pub fn candidates(records: &[(u16, &str)], domain: &DnsName) -> Candidates {
    if records.is_empty() {
        return Candidates::Hosts(vec![domain.as_str().to_owned()]);
    }
    if let [(_, "." | "")] = records {
        return Candidates::NullMx;
    }
    let mut sorted: Vec<_> = records.to_vec();
    // Stable: hosts of equal preference stay as the caller shuffled them.
    sorted.sort_by_key(|(preference, _)| *preference);
    Candidates::Hosts(sorted.into_iter().map(|(_, host)| host.to_owned()).collect())
}
