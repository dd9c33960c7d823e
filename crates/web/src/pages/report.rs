//! One report: who sent it, how far to believe it, what it says, what had to be mended to read it.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use tls_rpt::ResultType;
use tls_rpt::explain::{Deduction, RowFacts, deduce, hint};
use tls_rpt::report::{FailureDetails, Policy, PolicyResult};
use tlsward_engine::ports::{Clock, Evidence, ReportDetail};

use super::failure::Failure;
use super::numbers::{grouped, plural};
use super::reports::{Line, line};
use super::shown::Shown;
use super::words::TrustWords;
use super::{App, Frame, PageResult, Place, render, words};
use crate::times;

/// Policies, and failure rows of each, on the page.
const ROWS: usize = 200;
/// Lines of a policy, and patterns, that are shown.
const STRINGS: usize = 100;
/// Repairs that are listed.
const REPAIRS: usize = 200;

#[derive(Template)]
#[template(path = "report.html")]
struct ReportPage {
    frame: Frame,
    line: Line,
    begin: Option<String>,
    end: Option<String>,
    contact: Shown,
    road: &'static str,
    member: Shown,
    trust: TrustWords,
    trust_token: &'static str,
    policies: Vec<PolicyPart>,
    /// How many there are where not all are shown.
    cut: Option<String>,
    repairs: Vec<RepairRow>,
    repair_words: String,
    repairs_are_cut: bool,
}

struct PolicyPart {
    title: Shown,
    domain: Shown,
    mx: Vec<Shown>,
    strings: Vec<Shown>,
    successful: String,
    failed: String,
    rows: Vec<FailureRow>,
}

struct FailureRow {
    title: Shown,
    token: Shown,
    count: String,
    mx: Shown,
    helo: Option<Shown>,
    receiving_ip: Shown,
    sending_ip: Shown,
    reason: Option<Shown>,
    information: Option<Shown>,
    hint: Option<&'static str>,
    deduction: Option<&'static str>,
}

struct RepairRow {
    path: Shown,
    kind: &'static str,
    text: Shown,
}

pub(super) async fn show<S: Evidence, C: Clock>(
    State(app): State<Arc<App<S, C>>>,
    Path(id): Path<String>,
) -> PageResult {
    let id = id.parse().map_err(|_| Failure::NotFound("report"))?;
    let detail = app.evidence.report(id, ROWS).await?.ok_or(Failure::NotFound("report"))?;
    render(&page(&detail))
}

fn page(detail: &ReportDetail) -> ReportPage {
    let shown_rows: usize = detail
        .policies
        .iter()
        .map(|policy| policy.failure_details.as_ref().map_or(0, Vec::len).min(ROWS))
        .sum();
    let is_cut = detail.policies.len().min(ROWS) as u64 != detail.policy_count
        || shown_rows as u64 != detail.failure_count;
    ReportPage {
        frame: Frame::new(format!("Report {}", detail.line.id), Place::Reports),
        line: line(&detail.line),
        begin: detail.line.begin.map(times::minute),
        end: detail.line.end.map(times::minute),
        contact: Shown::maybe(detail.contact_info.as_deref()),
        road: words::road(detail.road),
        member: Shown::maybe(Some(&detail.member)),
        trust: words::trust(detail.line.trust),
        trust_token: detail.line.trust.as_wire(),
        policies: detail.policies.iter().take(ROWS).map(policy).collect(),
        cut: is_cut.then(|| {
            format!(
                "The report has {} and {}; the first of them are shown. The raw form has all.",
                plural(detail.policy_count, "policy", "policies"),
                plural(detail.failure_count, "failure row", "failure rows"),
            )
        }),
        repairs: detail
            .repairs
            .iter()
            .take(REPAIRS)
            .map(|repair| RepairRow {
                path: Shown::line(if repair.path.is_empty() { "(the whole input)" } else { &repair.path }),
                kind: repair.kind.as_wire(),
                text: Shown::line(&repair.text),
            })
            .collect(),
        repair_words: plural(detail.repairs.len() as u64, "thing was", "things were"),
        repairs_are_cut: detail.repairs.len() > REPAIRS,
    }
}

fn policy(result: &PolicyResult) -> PolicyPart {
    let nothing = Policy::default();
    let policy = result.policy.as_ref().unwrap_or(&nothing);
    let count = |count: Option<u64>| count.map_or_else(|| "–".to_owned(), grouped);
    let shown = |texts: Option<&Vec<tls_rpt::Text>>| -> Vec<Shown> {
        texts.into_iter().flatten().take(STRINGS).map(|text| Shown::line(text)).collect()
    };
    PolicyPart {
        title: policy.policy_type.as_ref().map_or_else(
            || Shown::line("Policy of no stated type"),
            |kind| words::policy_title(kind.as_wire()),
        ),
        domain: Shown::maybe(policy.policy_domain.as_deref()),
        mx: shown(policy.mx_host.as_ref()),
        strings: shown(policy.policy_string.as_ref()),
        successful: count(result.summary.as_ref().and_then(|summary| summary.successful)),
        failed: count(result.summary.as_ref().and_then(|summary| summary.failed)),
        rows: result.failure_details.iter().flatten().take(ROWS).map(|row| failure(row, policy)).collect(),
    }
}

fn failure(row: &FailureDetails, policy: &Policy) -> FailureRow {
    let unknown = ResultType::Unknown("".into());
    let result = row.result_type.as_ref().unwrap_or(&unknown);
    let given = |text: Option<&str>| text.filter(|text| !text.trim().is_empty()).map(Shown::block);
    let reason = row.failure_reason_code.as_deref();
    let information = row.additional_information.as_deref();
    let deduction = policy.policy_type.as_ref().and_then(|policy_type| {
        deduce(&RowFacts {
            result,
            policy_type,
            mx: row.receiving_mx_hostname.as_deref(),
            mx_patterns: policy.mx_host.as_deref().unwrap_or_default(),
            policy_lines: policy.policy_string.as_deref().unwrap_or_default(),
        })
    });
    FailureRow {
        title: row.result_type.as_ref().map_or_else(
            || Shown::line("No result type given"),
            |result| words::result_title(result.as_wire()),
        ),
        token: Shown::maybe(row.result_type.as_ref().map(ResultType::as_wire)),
        count: row.failed_session_count.map_or_else(|| "–".to_owned(), grouped),
        mx: Shown::maybe(row.receiving_mx_hostname.as_deref()),
        helo: given(row.receiving_mx_helo.as_deref()),
        receiving_ip: Shown::maybe(row.receiving_ip.as_deref()),
        sending_ip: Shown::maybe(row.sending_mta_ip.as_deref()),
        reason: given(reason),
        information: given(information),
        hint: reason.into_iter().chain(information).find_map(|text| hint(result, text)).map(|hint| hint.text),
        deduction: deduction.map(Deduction::describe),
    }
}
