//! The MX hosts: would a sender that enforces use each of them, and why not?

use std::net::IpAddr;

use bytes::Bytes;
use mta_sts::mx::matches_any;
use mta_sts::policy::{Mode, Policy};

use super::Case;
use super::certificate::{Judge, Judged, Whose};
use super::dane::{self, DaneState};
use super::findings::ByAddress;
use super::verdict::Use;
use crate::check::code::{Code, Level};
use crate::check::observations::{MxHost, Probe};
use crate::check::report::{AddressFacts, MxFacts};
use crate::check::text::{self, tame};
use crate::ports::{ConnectFailure, DnsReply, SmtpOutcome, TlsFailure};

/// RFC 8461 §7.2: TLS 1.2 or later.
const OLDEST_VERSION: u16 = 0x0303;

/// Where mail goes, by DNS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MailState {
    /// To the hosts.
    Hosts,
    /// Nowhere, and the domain says so.
    Null,
    /// Nowhere.
    Nowhere,
    /// It could not be told.
    Unknown,
}

/// How much faults of TLS matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stake {
    /// MTA-STS is in use, or was meant to be.
    Policy,
    /// Nobody enforces anything: mail is delivered in spite of them.
    NoPolicy,
}

/// Judges the list of hosts.
pub(super) fn judge_list(case: &mut Case<'_>, is_sts_meant: bool) -> MailState {
    let seen = case.seen;
    let domain = seen.domain.as_str();
    case.fact(domain, "MX", &seen.mx);
    let absence = match &seen.mx {
        DnsReply::Failed(failure) => {
            case.findings.dns(domain, "MX", failure);
            return MailState::Unknown;
        }
        DnsReply::Found(_) => {
            let list = seen.mx.mx();
            let nulls = list.iter().filter(|(_, exchange)| exchange.is_empty()).count();
            if nulls == 0 {
                return MailState::Hosts;
            }
            if nulls < list.len() {
                case.findings.add(Code::MxNullAmongOthers, domain, "");
                return MailState::Hosts;
            }
            case.findings.add(if is_sts_meant { Code::MxNullWithPolicy } else { Code::MxNull }, domain, "");
            return MailState::Null;
        }
        DnsReply::Absent(absence) => absence,
    };
    if seen.apex.as_ref().is_some_and(|apex| !apex.is_absent()) {
        case.findings.add(Code::MxImplicit, domain, "");
        return MailState::Hosts;
    }
    let what = if absence.name_exists { "" } else { "There is no such domain in DNS." };
    case.findings.add(Code::MxNone, domain, what);
    MailState::Nowhere
}

/// Judges every host, in the order of the senders.
pub(super) fn judge_hosts(case: &mut Case<'_>, policy: Option<&Policy>, stake: Stake) -> Vec<(MxFacts, Use)> {
    let seen = case.seen;
    let judged: Vec<(MxFacts, Use)> =
        seen.hosts.iter().map(|host| judge_host(case, host, policy, stake)).collect();
    let with_dane = judged.iter().filter(|(facts, _)| facts.dane == DaneState::Pass.as_wire()).count();
    let without_dane = judged.iter().filter(|(facts, _)| facts.dane == DaneState::None.as_wire()).count();
    if with_dane > 0 && without_dane > 0 {
        let what = format!("{with_dane} of {} mail servers have TLSA records.", judged.len());
        case.findings.add(Code::DanePartial, seen.domain.as_str(), &what);
    }
    judged
}

/// How one address came out.
enum End {
    Good,
    NotReached,
    Bad(String),
    /// It could not be told.
    Unknown(String),
}

fn judge_host(case: &mut Case<'_>, host: &MxHost, policy: Option<&Policy>, stake: Stake) -> (MxFacts, Use) {
    let in_policy = policy
        .filter(|policy| policy.mode() != Mode::None)
        .map(|policy| matches_any(policy.mx(), &host.host));
    let mut facts = MxFacts {
        host: tame(&host.host).into_owned(),
        preference: host.preference,
        used: None,
        why: None,
        in_policy,
        dane: DaneState::Unknown.as_wire(),
        addresses: Vec::new(),
    };
    if let Some(outcome) = judge_name(case, host) {
        return settle(facts, outcome);
    }

    let mut certificates = Judge::new(&host.host, Whose::Mx, case.roots, case.now);
    let mut faults = ByAddress::default();
    let mut ends = Vec::new();
    for probe in &host.probes {
        let (end, shown) = if case.lacks_ipv6 && probe.address.is_ipv6() {
            (End::NotReached, None)
        } else {
            judge_probe(probe, &mut certificates, &mut faults)
        };
        if let Some(expiry) = shown.as_ref().and_then(|judged| judged.expires_soon.as_ref()) {
            faults.add_expiry(probe.address, expiry);
        }
        facts.addresses.push(address_facts(probe, &end, shown.as_ref()));
        ends.push((probe.address, end));
    }
    let chains: Vec<(IpAddr, &[Bytes])> =
        host.probes.iter().filter_map(|probe| Some((probe.address, chain_of(probe)?))).collect();
    let sts_passes = !chains.is_empty() && ends.iter().all(|(_, end)| !matches!(end, End::Bad(_)));
    let dane = dane::judge(case, host, &chains, sts_passes);
    facts.dane = dane.as_wire();

    // RFC 7672 §3.1.1: to those who use DANE the certificate is good; without a policy nobody else looks at it.
    let forgiven = stake == Stake::NoPolicy && dane == DaneState::Pass;
    faults.note(&mut case.findings, &host.host, host.probes.len(), |fault, finding| {
        if stake == Stake::NoPolicy && finding.level == Level::Error && is_about_tls(fault.code) {
            finding.at(Level::Warning);
        }
        if forgiven && is_about_tls(fault.code) {
            finding.at(Level::Info);
        }
        if dane == DaneState::Pass && is_certificate(fault.code) {
            finding.text.push_str(" Senders that use DANE accept it, by the TLSA records.");
        }
    });
    tlsrpt_at_host(case, host, dane);

    let mut outcome = by_addresses(&ends);
    if in_policy == Some(false) {
        outcome = Use::No("the policy does not cover it".to_owned());
    } else if dane == DaneState::Fail {
        outcome = Use::No("DANE: its TLSA records do not match, or cannot be looked up".to_owned());
    } else if let (DaneState::Partly(address), Use::Yes) = (dane, &outcome) {
        outcome = Use::Partly(format!("{address}: DANE: the TLSA records of the host do not match"));
    }
    settle(facts, outcome)
}

fn settle(mut facts: MxFacts, outcome: Use) -> (MxFacts, Use) {
    let (used, why) = match &outcome {
        Use::Yes => (Some(true), None),
        Use::Partly(why) => (Some(true), Some(why)),
        Use::No(why) => (Some(false), Some(why)),
        Use::NotReached(why) | Use::Unknown(why) => (None, Some(why)),
    };
    facts.used = used;
    facts.why = why.cloned();
    (facts, outcome)
}

/// The name and its addresses: what they lack decides before any connection.
fn judge_name(case: &mut Case<'_>, host: &MxHost) -> Option<Use> {
    let shown = tame(&host.host);
    let Some(replies) = &host.replies else {
        let (code, why) = match host.host.parse::<IpAddr>() {
            Ok(_) => (Code::MxAddressLiteral, "it is an address and no name"),
            Err(_) => (Code::MxNameInvalid, "it is no name of a host"),
        };
        case.findings.add(code, shown.as_ref(), "");
        return Some(Use::No(why.to_owned()));
    };
    case.fact(&host.host, "A", &replies.a);
    case.fact(&host.host, "AAAA", &replies.aaaa);
    if let Some(failure) = replies.failure() {
        case.findings.dns(&host.host, "addresses", failure);
    }
    // Of the domain itself the alias is no fault of an MX record.
    if let Some(target) = replies.aliases().last().filter(|_| host.preference.is_some() && replies.is_found())
    {
        let what = format!("{} is an alias for {}.", host.host, tame(target));
        case.findings.add(Code::MxAlias, &host.host, &what);
    }
    if replies.is_found() {
        return None;
    }
    if replies.is_absent() {
        let what = match replies.aliases().last() {
            Some(target) => format!("{} is an alias for {}, which has no address.", host.host, tame(target)),
            None => String::new(),
        };
        case.findings.add(Code::MxNoAddress, &host.host, &what);
        return Some(Use::No("it has no address".to_owned()));
    }
    Some(Use::Unknown("its addresses could not be looked up".to_owned()))
}

/// One address: its faults, and the judged chain of the session with the host's name.
fn judge_probe<'a>(
    probe: &'a Probe,
    certificates: &mut Judge<'a>,
    faults: &mut ByAddress,
) -> (End, Option<Judged>) {
    let Some(outcome) = &probe.with_sni else {
        return (End::Unknown("not looked at: the time limit came first".to_owned()), None);
    };
    let without = |certificates: &mut Judge<'a>| match &probe.without_sni {
        Some(SmtpOutcome::Tls(session)) if session.version >= OLDEST_VERSION => {
            Some(certificates.judge(&session.chain))
        }
        _ => None,
    };
    let what = text::outcome(outcome);
    let fault = match outcome {
        SmtpOutcome::NotReached(ConnectFailure::Guarded(_) | ConnectFailure::Name(_)) => {
            faults.add(Code::MxPrivateAddress, probe.address, what.as_str());
            return (End::Bad(what), None);
        }
        SmtpOutcome::NotReached(_) => Code::MxUnreachable,
        SmtpOutcome::Refused { .. } => Code::MxRefusesConnection,
        SmtpOutcome::Broken(_) => Code::MxBroken,
        SmtpOutcome::NoStartTls => Code::MxNoStartTls,
        SmtpOutcome::StartTlsRefused { .. } => Code::MxStartTlsRefused,
        SmtpOutcome::TlsFailed(failure) => {
            let code = match failure {
                TlsFailure::NothingInCommon { offered: Some((version, _)) } if *version < OLDEST_VERSION => {
                    Code::MxTlsTooOld
                }
                TlsFailure::NothingInCommon { offered: Some(_) } => Code::MxTlsNotTestable,
                _ if without(certificates).is_some_and(|judged| judged.is_trusted) => Code::MxFailsWithSni,
                _ => Code::MxTlsFailed,
            };
            faults.add(code, probe.address, what.as_str());
            let end = if code == Code::MxTlsNotTestable { End::Unknown(what) } else { End::Bad(what) };
            return (end, None);
        }
        SmtpOutcome::Tls(session) if session.version < OLDEST_VERSION => Code::MxTlsTooOld,
        SmtpOutcome::Tls(session) => {
            let judged = certificates.judge(&session.chain);
            let other = without(certificates);
            let end = judge_session(probe, &judged, other.as_ref(), faults);
            return (end, Some(judged));
        }
    };
    faults.add(fault, probe.address, what.as_str());
    match fault {
        // RFC 8461 appendix B: no failure of MTA-STS. A refusal before TLS is none either.
        Code::MxUnreachable | Code::MxRefusesConnection | Code::MxBroken => (End::NotReached, None),
        _ => (End::Bad(what), None),
    }
}

fn judge_session(probe: &Probe, judged: &Judged, other: Option<&Judged>, faults: &mut ByAddress) -> End {
    let other_is_good = other.is_some_and(|other| other.is_trusted);
    if judged.is_trusted {
        // RFC 8461 §7.1: a server must not insist on SNI, and shows those who send none a chain all the same.
        let differs = match &probe.without_sni {
            Some(SmtpOutcome::Tls(_)) => !other_is_good,
            Some(SmtpOutcome::TlsFailed(_)) => true,
            _ => false,
        };
        if differs {
            let what = match (other.and_then(|other| other.faults.first()), &probe.without_sni) {
                (Some((_, what)), _) => what.clone(),
                (None, Some(outcome)) => text::outcome(outcome),
                (None, None) => String::new(),
            };
            faults.add(Code::MxNeedsSni, probe.address, format!("without the name, {what}"));
        }
        return End::Good;
    }
    let first = judged.faults.first().map(|(_, what)| what.clone()).unwrap_or_default();
    if other_is_good {
        faults.add(Code::MxFailsWithSni, probe.address, format!("with the name, {first}"));
    } else {
        for (code, what) in &judged.faults {
            faults.add(*code, probe.address, what.as_str());
        }
    }
    End::Bad(first)
}

fn chain_of(probe: &Probe) -> Option<&[Bytes]> {
    match &probe.with_sni {
        Some(SmtpOutcome::Tls(session)) => Some(&session.chain),
        _ => None,
    }
}

fn address_facts(probe: &Probe, end: &End, judged: Option<&Judged>) -> AddressFacts {
    let tls = match &probe.with_sni {
        Some(SmtpOutcome::Tls(session)) => Some(text::version(session.version)),
        _ => None,
    };
    let outcome = match end {
        End::Good => "good".to_owned(),
        End::Bad(what) | End::Unknown(what) => what.clone(),
        End::NotReached => probe.with_sni.as_ref().map(text::outcome).unwrap_or_default(),
    };
    let expires_in_days = judged.and_then(|judged| judged.expires_in_days);
    AddressFacts { address: probe.address.to_string(), outcome, tls, expires_in_days }
}

/// The host as a whole: a sender tries its addresses in turn.
fn by_addresses(ends: &[(IpAddr, End)]) -> Use {
    let bad = ends.iter().find_map(|(address, end)| match end {
        End::Bad(what) => Some(format!("{address}: {what}")),
        _ => None,
    });
    let unknown = ends.iter().find_map(|(address, end)| match end {
        End::Unknown(what) => Some(format!("{address}: {what}")),
        _ => None,
    });
    let is_good = ends.iter().any(|(_, end)| matches!(end, End::Good));
    match (is_good, bad, unknown) {
        (true, Some(why), _) => Use::Partly(why),
        (true, None, _) => Use::Yes,
        (false, _, Some(why)) => Use::Unknown(why),
        (false, Some(why), None) => Use::No(why),
        (false, None, None) => Use::NotReached("it could not be reached".to_owned()),
    }
}

/// L13, G8: reports on DANE may go to the host's own record.
fn tlsrpt_at_host(case: &mut Case<'_>, host: &MxHost, dane: DaneState) {
    if !matches!(dane, DaneState::Pass | DaneState::Fail | DaneState::Partly(_)) {
        return;
    }
    // Under the domain itself the record was looked at already.
    if host.host == case.seen.domain.as_str() {
        return;
    }
    if let Some(DnsReply::Absent(_)) = &host.tlsrpt {
        let fix = crate::check::advice::tlsrpt_record(&host.host);
        case.findings.add(Code::TlsrptMissingAtMx, &host.host, "").fix_by(fix);
    }
}

/// Whether a fault is one that only matters to senders that insist on TLS.
fn is_about_tls(code: Code) -> bool {
    is_certificate(code)
        || matches!(
            code,
            Code::MxNoStartTls
                | Code::MxStartTlsRefused
                | Code::MxTlsFailed
                | Code::MxTlsTooOld
                | Code::MxTlsNotTestable
                | Code::MxNeedsSni
                | Code::MxFailsWithSni
        )
}

fn is_certificate(code: Code) -> bool {
    matches!(
        code,
        Code::MxCertificateExpired
            | Code::MxCertificateNotYetValid
            | Code::MxCertificateExpiresSoon
            | Code::MxCertificateNameMismatch
            | Code::MxCertificateSelfSigned
            | Code::MxCertificateChainIncomplete
            | Code::MxCertificateNotTrusted
            | Code::MxCertificateInvalid
    )
}
