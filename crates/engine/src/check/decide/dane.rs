//! What DANE says of one MX host, beside and before MTA-STS (RFC 8461 §2).

use std::net::IpAddr;

use bytes::Bytes;
use smtp_dane::applicability::{Applicability, InsecureMx, NotApplicable, Unreachable};
use smtp_dane::tlsa::Tlsa;
use smtp_dane::{certificate::Certificate, dane};

use super::Case;
use crate::check::code::{Code, Level};
use crate::check::dane_terms;
use crate::check::observations::MxHost;
use crate::check::text::{list, tame};
use crate::ports::{DnsReply, Security};

/// What DANE says of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DaneState {
    /// Nothing: no TLSA records that count.
    None,
    /// Every chain matches.
    Pass,
    /// No chain does, or the records cannot be looked up: senders that use DANE do not deliver.
    Fail,
    /// Some chain does and this address's does not: senders that use DANE go on to the next address.
    Partly(IpAddr),
    /// Secure records, none usable: encryption is mandatory, and MTA-STS decides.
    Unusable,
    /// Records without a signature.
    Unsigned,
    /// It could not be told.
    Unknown,
}

impl DaneState {
    pub(super) fn as_wire(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pass => "pass",
            Self::Fail | Self::Partly(_) => "fail",
            Self::Unusable => "unusable",
            Self::Unsigned => "unsigned",
            Self::Unknown => "unknown",
        }
    }
}

/// The chain that an address showed.
pub(super) type Shown<'a> = (IpAddr, &'a [Bytes]);

/// Judges one host by the chains that it showed. `sts_passes`: the same chains satisfy MTA-STS.
pub(super) fn judge(case: &mut Case<'_>, host: &MxHost, chains: &[Shown<'_>], sts_passes: bool) -> DaneState {
    let seen = case.seen;
    if !seen.dnssec.is_working() {
        return DaneState::Unknown;
    }
    for (owner, reply) in &host.tlsa {
        case.fact(owner, "TLSA", reply);
    }
    // Without a signature on the MX records most senders leave DANE alone (RFC 7672 §2.2.1).
    let mx_is_signed = seen.mx.security() == Some(Security::Secure);
    match dane_terms::applicability(seen.domain.as_str(), &seen.mx, host, 25, InsecureMx::Use) {
        Some(Applicability::NotApplicable(why)) => {
            let unsigned = host.tlsa.iter().find(|(_, reply)| matches!(reply, DnsReply::Found(_)));
            match (why, unsigned) {
                (NotApplicable::InsecureAddresses | NotApplicable::NoSecureTlsa, Some((owner, _))) => {
                    let what = format!("{owner} has TLSA records and no signature.");
                    case.findings.add(Code::DaneUnsigned, &host.host, &what);
                    DaneState::Unsigned
                }
                _ => DaneState::None,
            }
        }
        Some(Applicability::Unreachable(Unreachable::LookupFailed { what: "TLSA", reason })) => {
            let owner = host.tlsa.last().map_or("", |(owner, _)| owner.as_str());
            let what = format!("The question for TLSA at {owner}: {}.", tame(&reason));
            let finding = case.findings.add(Code::DaneLookupFailed, &host.host, &what);
            if mx_is_signed {
                return DaneState::Fail;
            }
            finding.at(Level::Warning);
            DaneState::Unknown
        }
        Some(Applicability::Unreachable(_)) | None => DaneState::Unknown,
        Some(Applicability::SecureButNoneUsable { rrset, told, .. }) => {
            let reasons = told.passed_over.iter().map(|(place, why)| {
                let record = rrset.get(*place).map(Tlsa::as_policy_string).unwrap_or_default();
                format!("`{record}`: {why}")
            });
            let what = format!("{}.", list(reasons));
            let fix = suggestion(host, chains.first().map(|(_, chain)| *chain), "Publish this record:");
            case.findings.add(Code::DaneUnusable, &host.host, &what).fix_by(fix);
            DaneState::Unusable
        }
        Some(Applicability::Usable { rrset, references, .. }) => {
            if chains.is_empty() {
                return DaneState::Unknown;
            }
            let names: Vec<&str> = references.iter().map(String::as_str).collect();
            let refused: Vec<(Shown<'_>, String)> = chains
                .iter()
                .filter_map(|(address, chain)| {
                    let verdict = dane::judge(&rrset, chain, &names, case.now);
                    Some(((*address, *chain), refusal(&rrset, &verdict)?))
                })
                .collect();
            let Some(((address, chain), why)) = refused.first() else {
                if !mx_is_signed {
                    case.findings.add(Code::DaneMxUnsigned, &host.host, "");
                }
                return DaneState::Pass;
            };
            let is_partial = refused.len() < chains.len();
            let place = if is_partial { format!("{} at {address}", host.host) } else { host.host.clone() };
            mismatch(case, host, &place, chain, why, sts_passes, mx_is_signed);
            match (mx_is_signed, is_partial) {
                (false, _) => DaneState::Unknown,
                (true, true) => DaneState::Partly(*address),
                (true, false) => DaneState::Fail,
            }
        }
    }
}

/// Why the verdict is a refusal, if it is one.
fn refusal(rrset: &[Tlsa], verdict: &dane::Verdict) -> Option<String> {
    match verdict {
        dane::Verdict::Authenticated(_) | dane::Verdict::NoneUsable(_) => None,
        dane::Verdict::NotJudged(chain) => Some(chain.to_string()),
        dane::Verdict::Refused(refusals) => Some(list(refusals.iter().map(|refusal| {
            let record = rrset.get(refusal.record).map(Tlsa::as_policy_string).unwrap_or_default();
            format!("`{record}`: {}", refusal.why)
        }))),
    }
}

fn mismatch(
    case: &mut Case<'_>,
    host: &MxHost,
    place: &str,
    chain: &[Bytes],
    why: &str,
    sts_passes: bool,
    mx_is_signed: bool,
) {
    let beside =
        if sts_passes { " The certificate itself is good, so MTA-STS alone would pass." } else { "" };
    let what = format!("{place}: {why}.{beside}");
    let fix = suggestion(
        host,
        Some(chain),
        "If this is the right certificate, publish this record beside the others:",
    );
    let finding = case.findings.add(Code::DaneMismatch, &host.host, &what).fix_by(fix);
    if !mx_is_signed {
        finding.at(Level::Warning);
    }
}

/// The record for the certificate that the host shows.
fn suggestion(host: &MxHost, chain: Option<&[Bytes]>, before: &str) -> String {
    let leaf = chain.and_then(<[Bytes]>::first);
    let Some(leaf) = leaf.and_then(|leaf| Certificate::parse(leaf).ok()) else {
        return Code::DaneMismatch.about().remedy.to_owned();
    };
    // RFC 7672 §8.1: 3 1 1, the key of the certificate in use.
    let record = Tlsa::new(3, 1, 1, leaf.spki_sha256.as_slice());
    format!("{before}\n_25._tcp.{}. IN TLSA {}", host.host, record.as_policy_string())
}
