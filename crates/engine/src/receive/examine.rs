//! The verdict on an input: which reports are filed, with which trust, or why it is set aside.

use std::cell::RefCell;
use std::ops::ControlFlow;

use containers::{Member, Walker};
use tls_rpt::PolicyType;
use tls_rpt::count::{Bounds, Row, count};
use tls_rpt::report::{
    FailureDetails, Head, Large, Limits, Parsed, Place, PolicyResult, Repair, Report, Sink, scan,
};

use super::digest::{DigestSink, digest};
use super::reading::{Found, Trouble, TroubleKind, read_numbered};
use super::rows::ReadAgain;
use super::rules::Rules;
use crate::facts::{Filed, RawInput, Road, Rows, SetAsideReason, Trust, Verdict};

/// Complaints that are kept of one input.
const MAX_COMPLAINTS: usize = 20;

thread_local! {
    // Decoders are some 100 KiB each: kept from one input to the next.
    static WALKER: RefCell<Walker> = RefCell::new(Walker::new(containers::Limits::default()));
}

/// Reads an input to its verdict. Bounded; up to about a second for the worst input, so inputs above some
/// 256 KiB belong on a blocking thread.
pub fn examine(raw: &RawInput, rules: &Rules) -> Verdict {
    let mut examination = Examination::new(raw, rules);
    WALKER.with_borrow_mut(|walker| {
        read_numbered(walker, examination.name, &raw.bytes, &Limits::default(), &mut |number, found| {
            examination.take(number, found)
        });
    });
    examination.verdict()
}

struct Examination<'a> {
    raw: &'a RawInput,
    rules: &'a Rules,
    name: &'static str,
    reports: Vec<Filed>,
    unmanaged: Option<String>,
    worst: Option<Trouble>,
    complaints: Vec<String>,
}

impl<'a> Examination<'a> {
    fn new(raw: &'a RawInput, rules: &'a Rules) -> Self {
        let name = match raw.road {
            Road::Https => "post",
            Road::Smtp | Road::Pipe => "mail",
        };
        Self { raw, rules, name, reports: Vec::new(), unmanaged: None, worst: None, complaints: Vec::new() }
    }

    fn take(&mut self, number: usize, found: Found<'_>) -> ControlFlow<()> {
        match found {
            Found::Report { member, parsed, .. } => self.held(member, parsed),
            Found::Large { member, reports } => self.large(number, member, reports),
            Found::Unreadable { path, trouble } => {
                self.complain(format!("{path}: {}", trouble.text));
                let text = format!("{path}: {}", trouble.text);
                if self.worst.as_ref().is_none_or(|worst| worst.kind < trouble.kind) {
                    self.worst = Some(Trouble { kind: trouble.kind, text });
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn complain(&mut self, text: String) {
        if self.complaints.len() < MAX_COMPLAINTS {
            self.complaints.push(text);
        }
    }

    fn trust(&self, member: &Member<'_>) -> Trust {
        match self.raw.road {
            Road::Https => Trust::Https,
            // Signatures are verified where keys can be looked up; until then a signed mail is unchecked.
            Road::Smtp | Road::Pipe => match member.mail() {
                Some(mail) if mail.has_dkim_signature() => Trust::Unchecked,
                _ => Trust::Unsigned,
            },
        }
    }

    fn held(&mut self, member: &Member<'_>, parsed: Parsed) {
        let Parsed { mut report, repairs } = parsed;
        if !self.is_managed(&report) {
            let domain = first_domain(&report).unwrap_or("no domain").to_owned();
            self.set_unmanaged(member, &domain);
            return;
        }
        let digest = digest(&mut report);
        let (successful, failed) = sums(&report);
        let policies = report.policies.as_deref().unwrap_or_default();
        self.reports.push(Filed {
            member: member.path().to_owned(),
            digest,
            trust: self.trust(member),
            policy_count: policies.len() as u64,
            failure_count: policies
                .iter()
                .map(|policy| policy.failure_details.iter().flatten().count() as u64)
                .sum(),
            successful,
            failed,
            rows: Rows::Held,
            repairs,
            report,
        });
    }

    fn is_managed(&self, report: &Report) -> bool {
        self.rules.managed.is_empty()
            || report.policies.iter().flatten().any(|policy| self.rules.manages(domain_of(policy)))
    }

    fn set_unmanaged(&mut self, member: &Member<'_>, domain: &str) {
        let text = format!("{}: a report for {domain}, which is not managed here", member.path());
        self.complain(text.clone());
        self.unmanaged.get_or_insert(text);
    }

    /// Reports that are not held: one more pass for digests and sums.
    fn large(&mut self, number: usize, member: &Member<'_>, reports: Vec<Large>) {
        let mut sink =
            LargeSink { rules: self.rules, digests: DigestSink::default(), sums: vec![LargeSums::default()] };
        // The first pass read the same bytes to their end.
        let _ = scan(member.open(), &Limits::default(), &mut sink);
        let LargeSink { digests, sums, .. } = sink;
        let found = reports.into_iter().zip(digests.done).zip(sums).enumerate();
        for (index, ((large, digest), sums)) in found {
            let Large { head, repairs, counts } = large;
            if !sums.managed && !self.rules.managed.is_empty() {
                self.set_unmanaged(member, sums.first_domain.as_deref().unwrap_or("no domain"));
                continue;
            }
            self.reports.push(Filed {
                member: member.path().to_owned(),
                digest,
                trust: self.trust(member),
                report: Report {
                    organization_name: head.organization_name,
                    date_range: head.date_range,
                    contact_info: head.contact_info,
                    report_id: head.report_id,
                    policies: None,
                    extra: head.extra,
                },
                repairs,
                policy_count: counts.policies,
                failure_count: counts.failures,
                successful: sums.successful.bounds(),
                failed: sums.failed.bounds(),
                rows: Rows::Streamed(Box::new(ReadAgain {
                    bytes: self.raw.bytes.clone(),
                    name: self.name,
                    number,
                    index,
                })),
            });
        }
    }

    fn verdict(self) -> Verdict {
        if !self.reports.is_empty() {
            return Verdict::Filed { reports: self.reports, complaints: self.complaints };
        }
        if let Some(detail) = self.unmanaged {
            return Verdict::SetAside { reason: SetAsideReason::UnmanagedDomain, detail };
        }
        match self.worst {
            Some(trouble) => Verdict::SetAside {
                reason: match trouble.kind {
                    TroubleKind::NoReport => SetAsideReason::NoReport,
                    TroubleKind::Unreadable => SetAsideReason::Unreadable,
                    TroubleKind::OverLimit => SetAsideReason::OverLimit,
                },
                detail: trouble.text,
            },
            None => Verdict::SetAside {
                reason: SetAsideReason::NoReport,
                detail: format!("{}: nothing in it looks like a report", self.name),
            },
        }
    }
}

fn domain_of(policy: &PolicyResult) -> Option<&str> {
    policy.policy.as_ref()?.policy_domain.as_deref()
}

fn first_domain(report: &Report) -> Option<&str> {
    report.policies.iter().flatten().find_map(domain_of)
}

/// The row that counting needs of a policy; `detailed` is the sum over its failure rows, if there are any.
pub fn row_of<'a>(policy: &'a PolicyResult, detailed: Option<u64>) -> Row<'a> {
    static UNKNOWN: PolicyType = PolicyType::NoPolicyFound;
    let summary = policy.summary.as_ref();
    Row {
        policy_type: policy
            .policy
            .as_ref()
            .and_then(|policy| policy.policy_type.as_ref())
            .unwrap_or(&UNKNOWN),
        domain: domain_of(policy).unwrap_or_default(),
        successful: summary.and_then(|summary| summary.successful),
        failed: summary.and_then(|summary| summary.failed),
        detailed,
    }
}

/// The sum over a policy's failure rows that have a count; none without such a row.
pub fn detailed(policy: &PolicyResult) -> Option<u64> {
    let counts = policy.failure_details.iter().flatten().filter_map(|row| row.failed_session_count);
    counts.fold(None, |sum, count| Some(sum.unwrap_or(0u64).saturating_add(count)))
}

fn sums(report: &Report) -> (Bounds, Bounds) {
    let rows = report.policies.iter().flatten().map(|policy| row_of(policy, detailed(policy)));
    count(rows).into_iter().fold((Bounds::default(), Bounds::default()), |(successful, failed), sessions| {
        (successful.plus(sessions.successful), failed.plus(sessions.failed))
    })
}

/// Sessions by whether another policy type may list the same ones.
#[derive(Debug, Default)]
struct Split {
    sts: u64,
    tlsa: u64,
    other: u64,
}

impl Split {
    fn add(&mut self, policy_type: &PolicyType, sessions: u64) {
        let place = match policy_type {
            PolicyType::Sts => &mut self.sts,
            PolicyType::Tlsa => &mut self.tlsa,
            _ => &mut self.other,
        };
        *place = place.saturating_add(sessions);
    }

    /// Domains are not told apart in a report of this size, so `sts` and `tlsa` rows may or may not be the same sessions.
    fn bounds(&self) -> Bounds {
        Bounds {
            low: self.other.saturating_add(self.sts.max(self.tlsa)),
            high: self.other.saturating_add(self.sts).saturating_add(self.tlsa),
        }
    }
}

#[derive(Debug, Default)]
struct LargeSums {
    successful: Split,
    failed: Split,
    detailed: Option<u64>,
    managed: bool,
    first_domain: Option<String>,
}

struct LargeSink<'a> {
    rules: &'a Rules,
    digests: DigestSink,
    /// One for each report so far, and one for that which is being read.
    sums: Vec<LargeSums>,
}

impl LargeSink<'_> {
    fn current(&mut self) -> &mut LargeSums {
        if self.sums.is_empty() {
            self.sums.push(LargeSums::default());
        }
        let last = self.sums.len() - 1;
        &mut self.sums[last]
    }
}

impl Sink for LargeSink<'_> {
    fn failure(&mut self, at: Place, row: FailureDetails) {
        let sums = self.current();
        if let Some(count) = row.failed_session_count {
            sums.detailed = Some(sums.detailed.unwrap_or(0).saturating_add(count));
        }
        self.digests.failure(at, row);
    }

    fn policy(&mut self, at: Place, policy: PolicyResult) {
        let managed = self.rules.manages(domain_of(&policy));
        let sums = self.current();
        let row = row_of(&policy, sums.detailed.take());
        sums.managed |= managed;
        if sums.first_domain.is_none() {
            sums.first_domain = domain_of(&policy).map(str::to_owned);
        }
        sums.successful.add(row.policy_type, row.successful.unwrap_or(0));
        sums.failed.add(row.policy_type, row.failed.or(row.detailed).unwrap_or(0));
        self.digests.policy(at, policy);
    }

    fn forget_failures(&mut self, _at: Place) {}
    fn forget_policies(&mut self, _report: usize) {}
    fn amend(&mut self, _report: usize, _repair: Repair) {}
    fn retract(&mut self, _from_report: usize) {}

    fn report(&mut self, report: usize, head: Head, repairs: Vec<Repair>) {
        self.digests.report(report, head, repairs);
        self.sums.push(LargeSums::default());
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;
    use crate::facts::RowPiece;

    /// A report that is not held: its rows are told apart by their domain.
    fn large_report(domain: &str) -> String {
        let information = "x".repeat(60_000);
        let row = format!(
            r#"{{"result-type":"certificate-expired","failed-session-count":1,"additional-information":"{information}"}}"#
        );
        let mut json = format!(
            r#"{{"report-id":"{domain}","date-range":{{"start-datetime":"2026-10-01T00:00:00Z"}},"policies":["#
        );
        for number in 0..3 {
            let comma = if number == 0 { "" } else { "," };
            let rows = vec![row.as_str(); 60].join(",");
            write!(
                json,
                r#"{comma}{{"policy":{{"policy-type":"sts","policy-domain":"{domain}"}},"failure-details":[{rows}]}}"#
            )
            .unwrap();
        }
        json + "]}"
    }

    fn mail(parts: &[(&str, &str)]) -> RawInput {
        let mut mail = "From: a@example.org\r\nMIME-Version: 1.0\r\n\
            Content-Type: multipart/report; report-type=tlsrpt; boundary=b\r\n\r\n"
            .to_owned();
        for (name, body) in parts {
            write!(
                mail,
                "--b\r\nContent-Type: application/octet-stream\r\n\
                 Content-Disposition: attachment; filename=\"{name}\"\r\n\r\n{body}\r\n"
            )
            .unwrap();
        }
        mail.push_str("--b--\r\n");
        RawInput {
            road: Road::Smtp,
            received_at: 1_790_900_000,
            peer: None,
            label: "mail".to_owned(),
            bytes: mail.into_bytes().into(),
        }
    }

    /// Domains of the policies, and how many failure rows there are, as the second pass reads them.
    fn read_again(rows: &Rows) -> (Vec<String>, u64) {
        let Rows::Streamed(source) = rows else { panic!("held") };
        let (mut domains, mut failures) = (Vec::new(), 0);
        source.read(&mut |piece: RowPiece| {
            domains
                .extend(piece.policies.iter().filter_map(|(_, policy)| domain_of(policy)).map(str::to_owned));
            failures += piece.failures.len() as u64;
            true
        });
        (domains, failures)
    }

    /// Proves: H13, R7
    #[test]
    fn the_rows_of_a_large_report_are_its_own_whatever_stands_before_it() {
        let (one, other) = (large_report("one.example"), large_report("other.example"));
        let parts = [
            ("noise.json", "not JSON"),
            ("empty.json.gz", ""),
            ("small.json", r#"{"policies":[]}"#),
            ("unknown.json.gz", "what is this"),
            ("one.json", &one),
            ("empty.json.gz", ""),
            ("other.json", &other),
        ];
        let Verdict::Filed { reports, .. } = examine(&mail(&parts), &Rules::default()) else {
            panic!("set aside")
        };
        let large: Vec<_> =
            reports.iter().filter(|report| matches!(report.rows, Rows::Streamed(_))).collect();
        assert_eq!(large.len(), 2);
        for (filed, domain) in large.into_iter().zip(["one.example", "other.example"]) {
            assert_eq!(filed.report.report_id.as_deref(), Some(domain));
            assert_eq!((filed.policy_count, filed.failure_count), (3, 180));
            assert_eq!(read_again(&filed.rows), (vec![domain.to_owned(); 3], 180), "{domain}");
        }
    }
}
