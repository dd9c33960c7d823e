//! TLSRPT: would the owner hear of trouble?

use mta_sts::policy::{Mode, Policy};
use smtp_dane::pkix;
use tls_rpt::record::{self, NotImplemented, RecordError, Rua};

use super::Case;
use super::mx::MailState;
use crate::check::advice;
use crate::check::code::{Code, Level};
use crate::check::observations::{HostReplies, RuaProbe, RuaSeen};
use crate::check::report::RuaFacts;
use crate::check::text::{list, tame, tame_bytes};
use crate::ports::DnsReply;

/// Judges the record and the places that it names.
pub(super) fn judge(case: &mut Case<'_>, policy: Option<&Policy>, mail: MailState) -> Vec<RuaFacts> {
    let seen = case.seen;
    let name = format!("{}.{}", record::LABEL, seen.domain);
    case.fact(&name, "TXT", &seen.tlsrpt);
    if let DnsReply::Failed(failure) = &seen.tlsrpt {
        case.findings.dns(&name, "TXT", failure);
        return Vec::new();
    }
    let texts = seen.tlsrpt.texts();
    let fix = || advice::tlsrpt_record(seen.domain.as_str());
    match record::discover(&texts) {
        Ok(reading) => {
            if let Err(error) = &reading.strict {
                case.findings.add(Code::TlsrptNotStrict, &name, &format!("{error}.")).fix_by(fix());
            }
            if texts.iter().any(|text| is_spaced(text)) {
                case.findings.add(Code::TlsrptSpacedVersion, &name, "");
            }
        }
        Err(NotImplemented::NoRecord) => missing(case, &name, &texts, policy, mail),
        Err(NotImplemented::Several { count }) => {
            let what = format!("{count} records at {name} begin with v=TLSRPTv1;.");
            case.findings.add(Code::TlsrptMultiple, &name, &what);
        }
        Err(NotImplemented::Unusable(RecordError::NoUsableRua { ruas })) => {
            let what = format!("{}.", list(ruas.iter().map(|rua| tame(rua.uri()))));
            case.findings.add(Code::TlsrptNoUsableRua, &name, &what).fix_by(fix());
        }
        Err(NotImplemented::Unusable(error)) => {
            let text = record::choose(&texts).map(tame_bytes).unwrap_or_default();
            case.findings.add(Code::TlsrptMalformed, &name, &format!("{text}: {error}.")).fix_by(fix());
        }
    }
    places(case)
}

fn missing(case: &mut Case<'_>, name: &str, texts: &[Vec<u8>], policy: Option<&Policy>, mail: MailState) {
    let seen = case.seen;
    let fix = advice::tlsrpt_record(seen.domain.as_str());
    if texts.iter().any(|text| is_spaced(text)) {
        let what = format!(
            "The record at {name} begins with `v=TLSRPTv1 ;`, and other TXT records stand beside it."
        );
        case.findings.add(Code::TlsrptSpacedVersion, name, &what).at(Level::Error).fix_by(fix);
        return;
    }
    if let Some(text) = texts.iter().find(|text| looks_like_record(text)) {
        let what = format!("{}: {}.", tame_bytes(text), RecordError::Version);
        case.findings.add(Code::TlsrptMalformed, name, &what).fix_by(fix);
        return;
    }
    if !seen.tlsrpt_elsewhere.is_empty() {
        let names: Vec<&str> = seen.tlsrpt_elsewhere.iter().map(|(name, _)| name.as_str()).collect();
        let what = format!("The record stands at {} and not at {name}.", list(&names));
        case.findings.add(Code::TlsrptAtWrongName, name, &what).fix_by(fix);
        return;
    }
    if let Some(target) = seen.meant_alias(&seen.tlsrpt, &seen.sts) {
        let what = format!("{name} is an alias for {}.", tame(target));
        case.findings.add(Code::TlsrptDanglingAlias, name, &what).fix_by(fix);
        return;
    }
    // Where no mail arrives there is nothing to report, unless a policy says otherwise.
    if mail == MailState::Null || (mail == MailState::Nowhere && policy.is_none()) {
        return;
    }
    let code = match policy.map(Policy::mode) {
        Some(Mode::Enforce) => Code::EnforcedWithoutReports,
        Some(Mode::Testing) => Code::TestingWithoutReports,
        Some(Mode::None) | None => Code::TlsrptMissing,
    };
    case.findings.add(code, name, "").fix_by(fix);
}

/// The version with white space before its semicolon: legal, and overlooked by some.
fn is_spaced(text: &[u8]) -> bool {
    let rest = text.strip_prefix(record::VERSION.as_bytes());
    rest.is_some_and(|rest| {
        rest.first().is_some_and(|byte| matches!(byte, b' ' | b'\t'))
            && rest.trim_ascii_start().starts_with(b";")
    })
}

fn looks_like_record(text: &[u8]) -> bool {
    let lower = text.get(..text.len().min(32)).unwrap_or(text).to_ascii_lowercase();
    lower.windows(8).any(|window| window == b"tlsrptv1")
}

/// What became of one place.
enum Place {
    Works,
    /// It takes reports from senders that overlook its certificate.
    Doubtful(String),
    TakesNoMail(String),
    Unreachable(String),
    Unknown,
    Skipped,
}

fn places(case: &mut Case<'_>) -> Vec<RuaFacts> {
    let seen = case.seen;
    let judged: Vec<(&RuaProbe, Place)> = seen.ruas.iter().map(|probe| (probe, place(case, probe))).collect();
    let some_work = judged.iter().any(|(_, place)| matches!(place, Place::Works));
    let mut facts = Vec::new();
    for (probe, place) in judged {
        let uri = tame(probe.rua.uri()).into_owned();
        let level = if some_work { Level::Warning } else { Level::Error };
        let works = match &place {
            Place::Works => Some(true),
            Place::Doubtful(why) => {
                case.findings.add(Code::TlsrptRuaCertificate, &uri, &format!("{why}."));
                Some(true)
            }
            Place::TakesNoMail(why) => {
                case.findings.add(Code::TlsrptRuaTakesNoMail, &uri, &format!("{why}.")).at(level);
                Some(false)
            }
            Place::Unreachable(why) => {
                case.findings.add(Code::TlsrptRuaUnreachable, &uri, &format!("{why}.")).at(level);
                Some(false)
            }
            Place::Unknown => None,
            Place::Skipped => {
                skipped(case, &probe.rua, &uri);
                Some(false)
            }
        };
        facts.push(RuaFacts { uri, works });
    }
    facts
}

fn skipped(case: &mut Case<'_>, rua: &Rua, uri: &str) {
    match rua {
        Rua::Unsupported { .. } => {
            case.findings.add(Code::TlsrptUnknownScheme, uri, "");
        }
        Rua::Unusable { why, .. } => {
            case.findings.add(Code::TlsrptRuaInvalid, uri, &format!("{why}."));
        }
        // An address literal as mail domain: legal, and not looked at.
        Rua::Mailto { .. } | Rua::Https { .. } => {}
    }
}

fn place(case: &mut Case<'_>, probe: &RuaProbe) -> Place {
    match &probe.seen {
        RuaSeen::Nothing => Place::Skipped,
        RuaSeen::OwnMail => mail(case, &probe.rua, &case.seen.mx, case.seen.apex.as_ref()),
        RuaSeen::Mail { mx, addresses } => mail(case, &probe.rua, mx, addresses.as_ref()),
        RuaSeen::Https { addresses, exchange } => {
            let Rua::Https { host, .. } = &probe.rua else { return Place::Skipped };
            if let Some(failure) = addresses.as_ref().and_then(HostReplies::failure) {
                case.findings.dns(host, "addresses", failure);
            }
            let Some(exchange) = exchange else {
                let is_absent = addresses.as_ref().is_some_and(HostReplies::is_absent);
                return if is_absent {
                    Place::Unreachable(format!("{} has no address", tame(host)))
                } else {
                    Place::Unknown
                };
            };
            if let Err(failure) = &exchange.outcome {
                return Place::Unreachable(tame(&failure.to_string()).into_owned());
            }
            let Some(session) = &exchange.tls else { return Place::Unknown };
            let verdict = pkix::judge(&session.chain, case.roots, host, case.now);
            // Addresses in certificates are not looked at: a URI that names one is judged by the answer alone.
            if verdict.is_trusted() || host.parse::<std::net::IpAddr>().is_ok() {
                return Place::Works;
            }
            let why = match verdict.outcome() {
                pkix::Outcome::HostMismatch => "the certificate is for other names".to_owned(),
                pkix::Outcome::Expired => "the certificate has expired".to_owned(),
                _ => verdict.chain.to_string(),
            };
            Place::Doubtful(why)
        }
    }
}

fn mail(case: &mut Case<'_>, rua: &Rua, mx: &DnsReply, addresses: Option<&HostReplies>) -> Place {
    let Rua::Mailto { address, .. } = rua else { return Place::Skipped };
    let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
    match mx {
        DnsReply::Found(_) if mx.mx().iter().all(|(_, exchange)| exchange.is_empty()) => {
            Place::TakesNoMail(format!("{} says that it takes no mail (null MX)", tame(domain)))
        }
        DnsReply::Found(_) => Place::Works,
        DnsReply::Failed(failure) => {
            if domain != case.seen.domain.as_str() {
                case.findings.dns(domain, "MX", failure);
            }
            Place::Unknown
        }
        DnsReply::Absent(_) => match addresses {
            Some(addresses) if addresses.is_found() => Place::Works,
            Some(addresses) if addresses.is_absent() => {
                Place::TakesNoMail(format!("{} has neither MX records nor addresses", tame(domain)))
            }
            _ => Place::Unknown,
        },
    }
}
