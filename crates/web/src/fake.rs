//! Both ports with made data in memory, for tests and for the preview.

#[path = "fake_outbound.rs"]
pub(crate) mod outbound;
#[path = "fake_published.rs"]
pub(crate) mod published;

use std::collections::VecDeque;
use std::sync::Mutex;

use tls_rpt::count::Bounds;
use tls_rpt::report::{FailureDetails, Policy, PolicyResult, Repair, RepairKind, Summary};
use tls_rpt::{PolicyType, ResultType, Text};
use tlsward_engine::facts::{RawInput, Receipt, Road, SetAsideReason, Trust, UnixTime, Verdict};
use tlsward_engine::ports::{
    Audit, Checks, Clock, DayLine, DayRange, DomainDetail, DomainLine, Evidence, FailureLine, GroupLine,
    Intake, Outgoing, Page, RawOf, ReportDetail, ReportLine, ReportQuery, ResultLine, SetAsideLine, Spell,
    StoreError, Totals, Unread,
};

/// 2026-11-24 12:00 UTC.
pub(crate) const NOW: UnixTime = 1_795_521_600;
const TODAY: i64 = NOW / 86_400;

/// A clock that stands still.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> UnixTime {
        NOW
    }
}

/// An intake that answers what it was told to, then `Stored`, and keeps what it was given.
#[derive(Default)]
pub(crate) struct Inbox {
    /// What to answer next.
    pub(crate) answers: Mutex<VecDeque<Result<Receipt, StoreError>>>,
    /// What came in.
    pub(crate) seen: Mutex<Vec<RawInput>>,
    /// If set, nothing is answered until a permit is there.
    pub(crate) gate: Option<tokio::sync::Semaphore>,
}

impl Intake for Inbox {
    async fn accept(&self, raw: RawInput, _verdict: Verdict) -> Result<Receipt, StoreError> {
        if let Some(gate) = &self.gate {
            let _permit = gate.acquire().await;
        }
        let id = {
            let mut seen = self.seen.lock().expect("seen");
            seen.push(raw);
            i64::try_from(seen.len()).unwrap_or(i64::MAX)
        };
        let told = self.answers.lock().expect("answers").pop_front();
        told.unwrap_or(Ok(Receipt::Stored { ids: vec![id] }))
    }

    async fn keep(&self, _raw: RawInput) -> Result<i64, StoreError> {
        Err(StoreError::Unavailable("not in this fake".to_owned()))
    }

    async fn pending(&self, _after: i64, _limit: usize) -> Result<Vec<Unread>, StoreError> {
        Ok(Vec::new())
    }

    async fn begin(&self, _id: i64) -> Result<(), StoreError> {
        Ok(())
    }

    async fn set_aside_by_others(&self, _: &str, _: i64, _: usize) -> Result<Vec<Unread>, StoreError> {
        Ok(Vec::new())
    }

    async fn reconsider(&self, _id: i64, _verdict: Verdict) -> Result<Receipt, StoreError> {
        Err(StoreError::Unavailable("not in this fake".to_owned()))
    }

    async fn settle(&self, _id: i64, _verdict: Verdict) -> Result<Receipt, StoreError> {
        Err(StoreError::Unavailable("not in this fake".to_owned()))
    }
}

/// Evidence made up beforehand.
#[derive(Default)]
pub(crate) struct Shelf {
    /// By domain name.
    pub(crate) domains: Vec<DomainDetail>,
    /// Newest first.
    pub(crate) reports: Vec<ReportDetail>,
    /// Newest first.
    pub(crate) failures: Vec<FailureLine>,
    /// Newest first.
    pub(crate) set_aside: Vec<SetAsideLine>,
    /// Of one domain, newest first.
    pub(crate) spells: Vec<Spell>,
    /// Newest day first, then by domain.
    pub(crate) outgoing: Vec<Outgoing>,
    /// What places answer that refuse reports.
    pub(crate) text: String,
    /// Served for every raw input.
    pub(crate) raw: Vec<u8>,
    /// Served as they are.
    pub(crate) totals: Totals,
    /// If set, every question fails with it.
    pub(crate) broken: Option<StoreError>,
}

impl Shelf {
    fn check(&self) -> Result<(), StoreError> {
        self.broken.clone().map_or(Ok(()), Err)
    }
}

fn page<T: Clone>(items: &[T], cursor: Option<&str>, limit: usize) -> Page<T> {
    let start = cursor.map_or(0, |cursor| cursor.parse().unwrap_or(items.len())).min(items.len());
    let end = (start + limit).min(items.len());
    Page { items: items[start..end].to_vec(), next_cursor: (end < items.len()).then(|| end.to_string()) }
}

impl Checks for Shelf {
    async fn note(&self, _audit: Audit) -> Result<(), StoreError> {
        Err(StoreError::Unavailable("not in this fake".to_owned()))
    }

    async fn latest(&self, after: Option<&str>, limit: usize) -> Result<Vec<Spell>, StoreError> {
        self.check()?;
        let newest =
            self.spells.first().filter(|spell| after.is_none_or(|after| spell.last.domain.as_str() > after));
        Ok(newest.into_iter().take(limit).cloned().collect())
    }

    async fn spells(&self, domain: &str, limit: usize) -> Result<Vec<Spell>, StoreError> {
        self.check()?;
        Ok(self.spells.iter().filter(|spell| spell.last.domain == domain).take(limit).cloned().collect())
    }
}

/// Two spells of `recv.example`: what was well is not any more. `text` stands wherever a stranger's can.
fn spells(text: &str) -> Vec<Spell> {
    let spell = |since: UnixTime, verdict: &str, findings: serde_json::Value, policy: &str| {
        let pairs: Vec<_> = findings
            .as_array()
            .into_iter()
            .flatten()
            .map(|finding| [&finding["code"], &finding["subject"]])
            .collect();
        let snapshot = serde_json::json!({
            "verdict": verdict, "findings": pairs, "id": "20261124", "policy": [policy], "mx": ["mx1.recv.example"],
        });
        let report = serde_json::json!({
            "findings": findings,
            "policy": {"id": text, "lines": ["version: STSv1", policy, text]},
            "mx": [{"host": "mx1.recv.example", "preference": 10, "used": verdict == "delivers", "why": text, "dane": "none",
                "addresses": [{"address": "192.0.2.1", "outcome": text, "tls": "TLS 1.3", "expires_in_days": 61}]}],
        });
        let last = Audit {
            domain: "recv.example".to_owned(),
            at: since + 3600,
            verdict: verdict.to_owned(),
            snapshot: snapshot.to_string(),
            report: report.to_string(),
        };
        Spell { since, last }
    };
    let findings = serde_json::json!([
        {"code": "sts-record-missing", "level": "error", "subject": "_mta-sts.recv.example", "text": text,
            "fix": "_mta-sts.recv.example. IN TXT \"v=STSv1; id=1\"", "rfc": "RFC 8461 §3.1"},
        {"code": text, "level": text, "subject": text, "text": text, "fix": text, "rfc": text},
    ]);
    vec![
        spell(NOW - 7200, "broken", findings, "mode: testing"),
        spell(NOW - 90_000, "delivers", serde_json::json!([]), "mode: enforce"),
    ]
}

impl Evidence for Shelf {
    async fn domains(
        &self,
        _range: DayRange,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<DomainLine>, StoreError> {
        self.check()?;
        let lines = self.domains.iter().map(|detail| detail.line.clone());
        Ok(lines.filter(|line| after.as_ref().is_none_or(|after| line.domain > *after)).take(limit).collect())
    }

    async fn domain(&self, domain: &str, range: DayRange) -> Result<Option<DomainDetail>, StoreError> {
        self.check()?;
        let mut found = self.domains.iter().find(|detail| detail.line.domain == domain).cloned();
        if let Some(detail) = &mut found {
            detail.days.retain(|day| (range.first..=range.last).contains(&day.day));
        }
        Ok(found)
    }

    async fn reports(&self, query: ReportQuery) -> Result<Page<ReportLine>, StoreError> {
        self.check()?;
        let lines: Vec<ReportLine> = self
            .reports
            .iter()
            .map(|report| report.line.clone())
            .filter(|line| query.domain.is_none() || line.domain == query.domain)
            .collect();
        Ok(page(&lines, query.cursor.as_deref(), query.limit))
    }

    async fn report(&self, id: i64, rows: usize) -> Result<Option<ReportDetail>, StoreError> {
        self.check()?;
        let mut found = self.reports.iter().find(|report| report.line.id == id).cloned();
        if let Some(report) = &mut found {
            report.policies.truncate(rows);
        }
        Ok(found)
    }

    async fn raw(&self, of: RawOf) -> Result<Option<RawInput>, StoreError> {
        self.check()?;
        let known = match of {
            RawOf::Report(id) => self.reports.iter().any(|report| report.line.id == id),
            RawOf::SetAside(id) => self.set_aside.iter().any(|item| item.id == id),
        };
        Ok(known.then(|| RawInput {
            road: Road::Https,
            received_at: NOW,
            peer: None,
            label: "text/html".to_owned(),
            bytes: self.raw.clone().into(),
        }))
    }

    async fn failures(&self, query: ReportQuery) -> Result<Page<FailureLine>, StoreError> {
        self.check()?;
        let rows: Vec<FailureLine> = self
            .failures
            .iter()
            .filter(|row| query.domain.is_none() || row.domain == query.domain)
            .cloned()
            .collect();
        Ok(page(&rows, query.cursor.as_deref(), query.limit))
    }

    async fn set_aside(
        &self,
        cursor: Option<String>,
        limit: usize,
    ) -> Result<Page<SetAsideLine>, StoreError> {
        self.check()?;
        Ok(page(&self.set_aside, cursor.as_deref(), limit))
    }

    async fn totals(&self) -> Result<Totals, StoreError> {
        self.check()?;
        Ok(self.totals)
    }
}

fn exactly(count: u64) -> Bounds {
    Bounds::exactly(count)
}

fn group(key: &str, successful: u64, failed: u64, reports: u64) -> GroupLine {
    GroupLine { key: key.to_owned(), successful: exactly(successful), failed: exactly(failed), reports }
}

fn sum(days: &[DayLine], of: impl Fn(&DayLine) -> Bounds) -> Bounds {
    days.iter().fold(Bounds::default(), |sum, day| sum.plus(of(day)))
}

/// A domain with `days` days of reports.
pub(crate) fn domain(name: &str, days: i64, successful: u64, failing: impl Fn(i64) -> u64) -> DomainDetail {
    let days: Vec<DayLine> = (0..days)
        // A day without reports, so that gaps are seen.
        .filter(|ago| ago % 11 != 10)
        .map(|ago| DayLine {
            day: TODAY - 1 - ago,
            successful: exactly(successful + (ago as u64 * 7919) % (successful / 3 + 1)),
            failed: exactly(failing(ago)),
            reports: 2 + ago.unsigned_abs() % 2,
        })
        .rev()
        .collect();
    let successful = sum(&days, |day| day.successful);
    let failed = sum(&days, |day| day.failed);
    DomainDetail {
        line: DomainLine {
            domain: name.to_owned(),
            successful,
            failed,
            reports: days.iter().map(|day| day.reports).sum(),
            reporters: 2,
            last_end: Some(TODAY * 86_400 - 1),
            last_received_at: NOW - 7200,
            worst: (failed.high > 0).then(|| "certificate-expired".to_owned()),
            mode: Some("testing".to_owned()),
        },
        by_reporter: vec![
            group("Google Inc.", successful.high * 2 / 3, failed.high, days.len() as u64),
            group("Microsoft Corporation", successful.high / 3, 0, days.len() as u64),
        ],
        by_mx: if failed.high == 0 { Vec::new() } else { vec![group("mx1.recv.example", 0, failed.high, 4)] },
        by_result: if failed.high == 0 {
            Vec::new()
        } else {
            vec![ResultLine {
                result_type: "certificate-expired".to_owned(),
                failed: failed.high,
                reporters: vec!["Google Inc.".to_owned()],
                mxs: vec!["mx1.recv.example".to_owned()],
                first_day: TODAY - 6,
                last_day: TODAY - 2,
                reasons: vec!["certificate has expired".to_owned()],
            }]
        },
        by_policy: vec![group("sts", successful.high, failed.high, days.len() as u64)],
        days,
    }
}

/// A report for `domain` whose texts are `text` wherever a stranger may put some.
pub(crate) fn report(id: i64, domain: &str, text: &str) -> ReportDetail {
    let some = || Some(Text::new(text));
    ReportDetail {
        line: ReportLine {
            id,
            organization_name: Some(text.to_owned()),
            report_id: Some(text.to_owned()),
            domain: Some(domain.to_owned()),
            domains: 1,
            begin: Some((TODAY - 1) * 86_400),
            end: Some(TODAY * 86_400 - 1),
            successful: exactly(4997),
            failed: Bounds { low: 7, high: 14 },
            trust: Trust::Https,
            received_at: NOW - 3600,
        },
        contact_info: Some(text.to_owned()),
        member: text.to_owned(),
        road: Road::Https,
        repairs: vec![Repair {
            path: "/policies/0/policy/mx-host".to_owned(),
            kind: RepairKind::WrappedInArray,
            text: text.to_owned(),
        }],
        policy_count: 1,
        failure_count: 1,
        policies: vec![PolicyResult {
            policy: Some(Policy {
                policy_type: Some(PolicyType::Sts),
                policy_string: Some(vec![
                    Text::new("version: STSv1"),
                    Text::new(text),
                    Text::new("mode: testing"),
                ]),
                policy_domain: Some(Text::new(domain)),
                mx_host: some().map(|mx| vec![mx]),
                ..Policy::default()
            }),
            summary: Some(Summary { successful: Some(4997), failed: Some(7), ..Summary::default() }),
            failure_details: Some(vec![failure_row(text)]),
            ..PolicyResult::default()
        }],
    }
}

/// A failure row made of `text`.
pub(crate) fn failure_row(text: &str) -> FailureDetails {
    let some = || Some(Text::new(text));
    FailureDetails {
        result_type: Some(ResultType::CertificateExpired),
        sending_mta_ip: some(),
        receiving_mx_hostname: some(),
        receiving_mx_helo: some(),
        receiving_ip: some(),
        failed_session_count: Some(14),
        additional_information: some(),
        failure_reason_code: some(),
        ..FailureDetails::default()
    }
}

/// A shelf on which a few domains, reports and set-aside inputs stand.
pub(crate) fn full_shelf(text: &str) -> Shelf {
    let mut recv = domain("recv.example", 60, 4200, |ago| match ago {
        0 => 3,
        1..=5 => 40 - 7 * ago.unsigned_abs(),
        _ => 0,
    });
    recv.by_result.push(ResultLine {
        result_type: "sts-policy-fetch-error".to_owned(),
        failed: 4,
        reporters: vec!["Microsoft Corporation".to_owned()],
        mxs: Vec::new(),
        first_day: TODAY - 3,
        last_day: TODAY - 3,
        reasons: Vec::new(),
    });
    recv.days.last_mut().expect("a day").failed = Bounds { low: 3, high: 6 };
    recv.line.failed = sum(&recv.days, |day| day.failed);
    let mut strange = domain("strange.example", 9, 12, |_| 1);
    strange.by_reporter[0].key = text.to_owned();
    strange.by_mx[0].key = text.to_owned();
    strange.by_result[0].result_type = text.to_owned();
    strange.by_result[0].reporters = vec![text.to_owned()];
    strange.by_result[0].mxs = vec![text.to_owned()];
    strange.by_result[0].reasons = vec![text.to_owned()];
    strange.by_policy[0].key = text.to_owned();
    strange.line.worst = Some(text.to_owned());
    strange.line.mode = Some(text.to_owned());
    let reports: Vec<ReportDetail> = (1..=60).rev().map(|id| report(id, "recv.example", text)).collect();
    let failures = (0..5)
        .map(|index| FailureLine {
            report: 60 - index,
            organization_name: Some(text.to_owned()),
            domain: Some("recv.example".to_owned()),
            policy_type: Some("sts".to_owned()),
            begin: Some((TODAY - 1) * 86_400),
            trust: Trust::Https,
            row: failure_row(text),
        })
        .collect();
    Shelf {
        spells: spells(text),
        outgoing: outbound::reports(text),
        text: text.to_owned(),
        domains: vec![domain("quiet.example", 28, 310, |_| 0), recv, strange],
        failures,
        set_aside: SetAsideReason::ALL
            .iter()
            .zip(1..)
            .map(|(reason, id)| SetAsideLine {
                id,
                reason: *reason,
                detail: text.to_owned(),
                road: Road::Smtp,
                label: text.to_owned(),
                received_at: NOW - id * 5000,
                bytes: 1234 * id.unsigned_abs(),
            })
            .collect(),
        raw: format!("<script>{text}</script>").into_bytes(),
        totals: Totals {
            reports: reports.len() as u64,
            set_aside: 4,
            domains: 3,
            duplicates: 2,
            last_received_at: Some(NOW - 3600),
            ..Totals::default()
        },
        reports,
        broken: None,
    }
}
