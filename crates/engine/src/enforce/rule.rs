//! The end of the road: what holds for each MX host, by the policy and by DANE.

use mta_sts::mx::matches_any;
use mta_sts::policy::{Mode, Policy};
use mta_sts::policy_domain::PolicyDomain;
use smtp_dane::applicability::{Applicability, InsecureMx};

use super::explain::Walk;
use super::explanation::{HostRule, Rule, StepName, StepOutcome};
use crate::check::dane_terms;
use crate::check::gather::Mail;
use crate::check::observations::MxHost;
use crate::check::text::{list, tame};
use crate::ports::{DnsReply, Dnssec};

/// Where the mail goes, by DNS.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way<'a> {
    pub(super) domain: &'a PolicyDomain,
    pub(super) mail: &'a Mail,
    pub(super) port: u16,
    pub(super) dnssec: &'a Dnssec,
}

impl Walk {
    /// Each MX host: the patterns, and DANE beside them.
    pub(super) fn hosts(&mut self, way: Way<'_>, policy: Option<&Policy>) -> Vec<HostRule> {
        let mail = way.mail;
        let (outcome, text) = match &mail.mx {
            DnsReply::Failed(failure) => (StepOutcome::Unknown, format!("{}.", tame(&failure.to_string()))),
            DnsReply::Found(_) if mail.hosts.is_empty() => {
                (StepOutcome::Ended, "A null MX: the domain takes no mail.".to_owned())
            }
            DnsReply::Absent(_) if mail.hosts.is_empty() => {
                (StepOutcome::Ended, "Neither MX records nor addresses: mail cannot go anywhere.".to_owned())
            }
            DnsReply::Absent(_) => (
                StepOutcome::Passed,
                "No MX record counts: the name itself is the only candidate.".to_owned(),
            ),
            DnsReply::Found(_) => {
                let names = mail.hosts.iter().map(|host| tame(&host.host));
                (StepOutcome::Passed, format!("In this order: {}.", list(names)))
            }
        };
        self.step(StepName::Mx, outcome, way.domain.as_str(), &text, "RFC 5321 §5.1");
        mail.hosts.iter().map(|host| self.host(way, host, policy)).collect()
    }

    fn host(&mut self, way: Way<'_>, host: &MxHost, policy: Option<&Policy>) -> HostRule {
        let shown = tame(&host.host).into_owned();
        let matches = policy.map(|policy| (policy.mode(), matches_any(policy.mx(), &host.host)));
        if let Some((mode, matches)) = matches {
            let (outcome, text) = match (matches, mode) {
                (true, _) => (StepOutcome::Passed, "A pattern of the policy covers it."),
                (false, Mode::Enforce) => {
                    (StepOutcome::Ended, "No pattern of the policy covers it: no mail goes there.")
                }
                (false, _) => (StepOutcome::Passed, "No pattern of the policy covers it: that is reported."),
            };
            self.step(StepName::Match, outcome, &shown, text, "RFC 8461 §4.1");
        }
        let (dane, outcome, text) = dane(way, host);
        self.step(StepName::Dane, outcome, &shown, &text, "RFC 7672 §2.2");
        let (rule, why) = rule(matches, dane);
        HostRule { host: shown, preference: host.preference, rule, why: why.to_owned() }
    }
}

/// What DANE asks of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dane {
    Nothing,
    Match,
    Encrypt,
    Unreachable,
    Unknown,
}

fn dane(way: Way<'_>, host: &MxHost) -> (Dane, StepOutcome, String) {
    match way.dnssec {
        Dnssec::Off => {
            return (
                Dane::Nothing,
                StepOutcome::Passed,
                "DNSSEC is off here, so DANE is not used.".to_owned(),
            );
        }
        Dnssec::Unusable(why) => {
            let text = format!("DANE is out of use here: {}.", tame(why));
            return (Dane::Nothing, StepOutcome::Unknown, text);
        }
        Dnssec::TrustedResolver | Dnssec::Validated => {}
    }
    match dane_terms::applicability(way.domain.as_str(), &way.mail.mx, host, way.port, InsecureMx::Skip) {
        None => (
            Dane::Unknown,
            StepOutcome::Unknown,
            "Its name or its records could not be looked up.".to_owned(),
        ),
        Some(Applicability::NotApplicable(why)) => {
            (Dane::Nothing, StepOutcome::Passed, format!("DANE does not apply: {why}."))
        }
        Some(Applicability::Unreachable(why)) => (
            Dane::Unreachable,
            StepOutcome::Ended,
            format!("{}: the host counts as one that cannot be reached.", tame(&why.to_string())),
        ),
        Some(Applicability::SecureButNoneUsable { base, .. }) => (
            Dane::Encrypt,
            StepOutcome::Passed,
            format!("Signed TLSA records at {}, none usable: encryption is mandatory.", tame(&base)),
        ),
        Some(Applicability::Usable { base, told, .. }) => (
            Dane::Match,
            StepOutcome::Passed,
            format!("{} usable TLSA record(s) at {}: DANE decides.", told.records.len(), tame(&base)),
        ),
    }
}

/// What follows from both. RFC 8461 §2: MTA-STS never overrides DANE; and a host outside an enforced policy is never
/// used, whatever DANE says.
fn rule(matches: Option<(Mode, bool)>, dane: Dane) -> (Rule, &'static str) {
    match (dane, matches) {
        (_, Some((Mode::Enforce, false))) => (Rule::Refused, "the policy does not cover it"),
        (Dane::Unreachable, _) => (Rule::Refused, "a look-up that DANE rests on failed"),
        (Dane::Unknown, _) => (Rule::Unknown, "its records could not be looked up"),
        (Dane::Match, _) => (Rule::Dane, "its TLSA records decide, before MTA-STS"),
        (_, Some((Mode::Enforce, true))) => (Rule::Sts, "the policy is enforced"),
        (Dane::Encrypt, _) => (Rule::Encrypt, "signed TLSA records are there, and none can be used"),
        (Dane::Nothing, Some((Mode::Testing, _))) => (Rule::StsTesting, "the policy tests"),
        (Dane::Nothing, _) => (Rule::Opportunistic, "neither MTA-STS nor DANE asks for more"),
    }
}
