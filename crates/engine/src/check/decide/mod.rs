//! From what was seen to findings and a verdict: pure, and the only place where a check judges.

mod certificate;
mod dane;
mod findings;
mod mx;
mod patterns;
mod policy_body;
mod policy_host;
mod record;
mod reporting;
mod subdomains;
mod verdict;

use mta_sts::policy::{Mode, Policy};
use smtp_dane::pkix::TrustRoots;

use super::advice;
use super::code::Code;
use super::observations::{Cut, Observations, aliases};
use super::report::{MAX_VALUES, PolicyFacts, RecordFacts, Report};
use super::text::{record_value, tame};
use crate::facts::UnixTime;
use crate::ports::{DnsReply, Dnssec, RecordData, Security};
use findings::Findings;
use mx::{MailState, Stake};
use policy_host::PolicyState;
use record::RecordState;

/// A domain while it is judged.
struct Case<'a> {
    seen: &'a Observations,
    roots: &'a TrustRoots,
    now: UnixTime,
    findings: Findings,
    /// Addresses of IPv6 are left out of account: see [`Observations::lacks_ipv6`].
    lacks_ipv6: bool,
    records: Vec<RecordFacts>,
}

/// Judges what was seen of a domain, at `now` in Unix seconds, with these trusted roots.
#[must_use]
pub fn decide(seen: &Observations, roots: &TrustRoots, now: UnixTime) -> Report {
    let findings = Findings::new(seen.timed_out);
    let mut case = Case { seen, roots, now, findings, lacks_ipv6: seen.lacks_ipv6(), records: Vec::new() };

    let record = record::judge(&mut case);
    let policy = judge_policy(&mut case, &record);
    let mail = mx::judge_list(&mut case, record.is_meant());
    // Who takes no mail has nothing to protect.
    if matches!(record, RecordState::Absent) && !matches!(mail, MailState::Null | MailState::Nowhere) {
        not_announced(&mut case, &policy);
    }
    // What no record announces is no policy in use.
    let in_use = policy.policy().filter(|_| matches!(record, RecordState::Usable(_) | RecordState::Unknown));
    let is_published = record.is_meant() || policy.policy().is_some();
    let stake = match in_use.map(Policy::mode) {
        Some(Mode::Enforce | Mode::Testing) => Stake::Policy,
        Some(Mode::None) => Stake::NoPolicy,
        None if is_published => Stake::Policy,
        None => Stake::NoPolicy,
    };
    if let Some(policy) = in_use {
        policy_body::advise(&mut case, policy);
        if !matches!(mail, MailState::Null | MailState::Nowhere) {
            let is_list_known =
                mail == MailState::Hosts && !seen.cuts.iter().any(|cut| matches!(cut, Cut::Hosts { .. }));
            patterns::judge(&mut case, policy, is_list_known);
        }
    }
    let hosts = mx::judge_hosts(&mut case, in_use, stake);
    let verdict = verdict::verdict(&record, &policy, mail, hosts.iter().map(|(_, outcome)| outcome));
    let tlsrpt = reporting::judge(&mut case, in_use, mail);
    if in_use.is_some_and(|policy| policy.mode() != Mode::None) {
        subdomains::judge(&mut case);
    }
    of_the_check(&mut case);

    let id = match &record {
        RecordState::Usable(record) => Some(record.id().as_wire().to_owned()),
        _ => None,
    };
    Report {
        domain: seen.domain.as_str().to_owned(),
        checked_at: now,
        verdict,
        findings: case.findings.into_sorted(),
        records: case.records,
        policy: in_use.map(|policy| PolicyFacts::of(&seen.domain, policy, id)),
        mx: hosts.into_iter().map(|(facts, _)| facts).collect(),
        tlsrpt,
        dnssec: match &seen.dnssec {
            Dnssec::TrustedResolver => "trusted-resolver",
            Dnssec::Validated => "validated",
            Dnssec::Off => "off",
            Dnssec::Unusable(_) => "unusable",
        },
    }
}

/// The policy: its host's faults are told where somebody set out to publish one.
fn judge_policy(case: &mut Case<'_>, record: &RecordState) -> PolicyState {
    policy_host::judge(case, record.is_meant())
}

/// No record and no trace of one.
fn not_announced(case: &mut Case<'_>, policy: &PolicyState) {
    let seen = case.seen;
    let name = seen.domain.record_name();
    if policy.policy().is_some() {
        let what = format!("{} serves a policy.", seen.domain.policy_host());
        let fix = advice::sts_record(&seen.domain, case.now);
        case.findings.add(Code::StsRecordMissing, name, &what).fix_by(fix);
    } else {
        case.findings.add(Code::StsNotPublished, seen.domain.as_str(), "");
    }
}

/// What concerns the check and not the domain.
fn of_the_check(case: &mut Case<'_>) {
    let domain = case.seen.domain.as_str();
    if let Dnssec::Unusable(why) = &case.seen.dnssec {
        case.findings.add(Code::DnssecUnusable, domain, &format!("{}.", tame(why)));
    }
    if case.lacks_ipv6 {
        case.findings.add(Code::Ipv6NotTestable, domain, "");
    }
    for cut in &case.seen.cuts {
        was_cut(case, *cut);
    }
    if case.seen.timed_out {
        case.findings.add(Code::TimeLimitReached, domain, "");
    }
}

/// Notes what was left out.
fn was_cut(case: &mut Case<'_>, cut: Cut) {
    let (found, kept, of) = match cut {
        Cut::Hosts { found, kept } => (found, kept, "mail servers"),
        Cut::Addresses { found, kept } => (found, kept, "addresses of one host"),
        Cut::Patterns { found, kept } => (found, kept, "patterns of the policy"),
        Cut::Ruas { found, kept } => (found, kept, "places for reports"),
    };
    let what = format!("{kept} of {found} {of} were looked at.");
    case.findings.add(Code::LimitReached, case.seen.domain.as_str(), &what);
}

impl Case<'_> {
    /// Notes an RRset that was found.
    fn fact(&mut self, name: &str, kind: &'static str, reply: &DnsReply) {
        let DnsReply::Found(answer) = reply else { return };
        let mut records: Vec<&RecordData> = answer.records.iter().collect();
        // Name servers turn the order round; two looks at one domain shall read the same.
        records.sort_unstable();
        self.records.push(RecordFacts {
            name: name.to_owned(),
            kind,
            aliases: aliases(reply).iter().take(MAX_VALUES).map(|alias| tame(alias).into_owned()).collect(),
            values: records.into_iter().take(MAX_VALUES).map(record_value).collect(),
            secure: answer.security == Security::Secure,
        });
    }
}
