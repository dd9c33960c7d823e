//! The shapes of the API's answers.

use serde::Serialize;
use tls_rpt::count::Bounds;
use tls_rpt::report::{write_policy, write_repairs};
use tls_rpt::{ResultType, Text};
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::{self, DayRange};

use crate::times;

/// Successes and failures, flattened into the object that has them.
#[derive(Serialize)]
struct Counts {
    successful: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    successful_low: Option<u64>,
    failed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_low: Option<u64>,
}

impl Counts {
    fn new(successful: Bounds, failed: Bounds) -> Self {
        let low = |bounds: Bounds| bounds.exact().is_none().then_some(bounds.low);
        Self {
            successful: successful.high,
            successful_low: low(successful),
            failed: failed.high,
            failed_low: low(failed),
        }
    }
}

fn time(time: Option<UnixTime>) -> Option<String> {
    time.map(times::rfc3339)
}

#[derive(Serialize)]
pub(super) struct Domain {
    domain: String,
    #[serde(flatten)]
    counts: Counts,
    reports: u64,
    reporters: u64,
    last_end: Option<String>,
    last_received_at: String,
    worst_result_type: Option<String>,
    policy_mode: Option<String>,
}

impl Domain {
    pub(super) fn new(line: &ports::DomainLine) -> Self {
        Self {
            domain: line.domain.clone(),
            counts: Counts::new(line.successful, line.failed),
            reports: line.reports,
            reporters: line.reporters,
            last_end: time(line.last_end),
            last_received_at: times::rfc3339(line.last_received_at),
            worst_result_type: line.worst.clone(),
            policy_mode: line.mode.clone(),
        }
    }
}

#[derive(Serialize)]
pub(super) struct DomainDetail {
    #[serde(flatten)]
    domain: Domain,
    first_day: String,
    last_day: String,
    days: Vec<Day>,
    by_reporter: Vec<Group>,
    by_mx: Vec<Group>,
    by_policy_type: Vec<Group>,
    by_result_type: Vec<ByResult>,
}

#[derive(Serialize)]
struct Day {
    day: String,
    #[serde(flatten)]
    counts: Counts,
    reports: u64,
}

#[derive(Serialize)]
struct Group {
    key: String,
    #[serde(flatten)]
    counts: Counts,
    reports: u64,
}

#[derive(Serialize)]
struct ByResult {
    result_type: String,
    failed: u64,
    first_day: String,
    last_day: String,
    reporters: Vec<String>,
    mx_hosts: Vec<String>,
    reason_codes: Vec<String>,
}

impl DomainDetail {
    pub(super) fn new(detail: &ports::DomainDetail, range: DayRange) -> Self {
        let groups = |lines: &[ports::GroupLine]| {
            lines
                .iter()
                .map(|line| Group {
                    key: line.key.clone(),
                    counts: Counts::new(line.successful, line.failed),
                    reports: line.reports,
                })
                .collect()
        };
        Self {
            domain: Domain::new(&detail.line),
            first_day: times::date(range.first),
            last_day: times::date(range.last),
            days: detail
                .days
                .iter()
                .map(|line| Day {
                    day: times::date(line.day),
                    counts: Counts::new(line.successful, line.failed),
                    reports: line.reports,
                })
                .collect(),
            by_reporter: groups(&detail.by_reporter),
            by_mx: groups(&detail.by_mx),
            by_policy_type: groups(&detail.by_policy),
            by_result_type: detail
                .by_result
                .iter()
                .map(|line| ByResult {
                    result_type: line.result_type.clone(),
                    failed: line.failed,
                    first_day: times::date(line.first_day),
                    last_day: times::date(line.last_day),
                    reporters: line.reporters.clone(),
                    mx_hosts: line.mxs.clone(),
                    reason_codes: line.reasons.clone(),
                })
                .collect(),
        }
    }
}

#[derive(Serialize)]
pub(super) struct Report {
    id: String,
    organization_name: Option<String>,
    report_id: Option<String>,
    domain: Option<String>,
    begin: Option<String>,
    end: Option<String>,
    #[serde(flatten)]
    counts: Counts,
    trust: &'static str,
    received_at: String,
}

impl Report {
    pub(super) fn new(line: &ports::ReportLine) -> Self {
        Self {
            id: line.id.to_string(),
            organization_name: line.organization_name.clone(),
            report_id: line.report_id.clone(),
            domain: line.domain.clone(),
            begin: time(line.begin),
            end: time(line.end),
            counts: Counts::new(line.successful, line.failed),
            trust: line.trust.as_wire(),
            received_at: times::rfc3339(line.received_at),
        }
    }
}

#[derive(Serialize)]
pub(super) struct ReportDetail {
    #[serde(flatten)]
    report: Report,
    domains: u64,
    contact_info: Option<String>,
    road: &'static str,
    member: String,
    policy_count: u64,
    failure_count: u64,
    /// In normal form, with the names of RFC 8460; the first of them, if there are very many.
    policies: Vec<serde_json::Value>,
    repairs: serde_json::Value,
}

impl ReportDetail {
    pub(super) fn new(detail: &ports::ReportDetail) -> Result<Self, serde_json::Error> {
        let mut policies = Vec::with_capacity(detail.policies.len());
        let mut json = Vec::new();
        for policy in &detail.policies {
            json.clear();
            write_policy(&mut json, policy);
            policies.push(serde_json::from_slice(&json)?);
        }
        json.clear();
        write_repairs(&mut json, &detail.repairs);
        Ok(Self {
            report: Report::new(&detail.line),
            domains: detail.line.domains,
            contact_info: detail.contact_info.clone(),
            road: detail.road.as_wire(),
            member: detail.member.clone(),
            policy_count: detail.policy_count,
            failure_count: detail.failure_count,
            policies,
            repairs: serde_json::from_slice(&json)?,
        })
    }
}

#[derive(Serialize)]
pub(super) struct Failure {
    /// The id of the report.
    report: String,
    organization_name: Option<String>,
    domain: Option<String>,
    policy_type: Option<String>,
    begin: Option<String>,
    trust: &'static str,
    result_type: Option<String>,
    failed_session_count: Option<u64>,
    sending_mta_ip: Option<String>,
    receiving_mx_hostname: Option<String>,
    receiving_mx_helo: Option<String>,
    receiving_ip: Option<String>,
    failure_reason_code: Option<String>,
    additional_information: Option<String>,
}

impl Failure {
    pub(super) fn new(line: &ports::FailureLine) -> Self {
        let text = |text: Option<&Text>| text.map(ToString::to_string);
        let row = &line.row;
        Self {
            report: line.report.to_string(),
            organization_name: line.organization_name.clone(),
            domain: line.domain.clone(),
            policy_type: line.policy_type.clone(),
            begin: time(line.begin),
            trust: line.trust.as_wire(),
            result_type: row.result_type.as_ref().map(ResultType::as_wire).map(str::to_owned),
            failed_session_count: row.failed_session_count,
            sending_mta_ip: text(row.sending_mta_ip.as_ref()),
            receiving_mx_hostname: text(row.receiving_mx_hostname.as_ref()),
            receiving_mx_helo: text(row.receiving_mx_helo.as_ref()),
            receiving_ip: text(row.receiving_ip.as_ref()),
            failure_reason_code: text(row.failure_reason_code.as_ref()),
            additional_information: text(row.additional_information.as_ref()),
        }
    }
}

#[derive(Serialize)]
pub(super) struct SetAside {
    id: String,
    reason: &'static str,
    detail: String,
    road: &'static str,
    label: String,
    bytes: u64,
    received_at: String,
}

impl SetAside {
    pub(super) fn new(line: &ports::SetAsideLine) -> Self {
        Self {
            id: line.id.to_string(),
            reason: line.reason.as_wire(),
            detail: line.detail.clone(),
            road: line.road.as_wire(),
            label: line.label.clone(),
            bytes: line.bytes,
            received_at: times::rfc3339(line.received_at),
        }
    }
}

/// What the checks of a domain came to.
#[derive(Serialize)]
pub(super) struct Check {
    domain: String,
    verdict: String,
    since: String,
    checked_at: String,
}

impl Check {
    pub(super) fn new(spell: &ports::Spell) -> Self {
        Self {
            domain: spell.last.domain.clone(),
            verdict: spell.last.verdict.clone(),
            since: times::rfc3339(spell.since),
            checked_at: times::rfc3339(spell.last.at),
        }
    }
}
