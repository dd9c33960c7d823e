//! One domain: how its sessions went over time, who reported, where it failed, what that may mean and what to do.
//!
//! What was observed and what is concluded stand apart, under headings that say so.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use tls_rpt::ResultType;
use tls_rpt::explain::{Context, Filled, explain, hint};
use tlsward_engine::ports::{Clock, DomainDetail, Evidence, GroupLine, ResultLine};

use super::failure::Failure;
use super::numbers::{Count, grouped, plural, share};
use super::plot::{Bar, Plot, sums};
use super::shown::Shown;
use super::{App, Frame, PageResult, Place, RangeLink, range, range_links, render, words};
use crate::times;

/// Rows of a table by reporter or MX.
const ROWS: usize = 100;
/// Kinds of failure that are explained.
const RESULTS: usize = 40;

#[derive(Debug, Deserialize)]
pub(super) struct Question {
    days: Option<String>,
}

#[derive(Template)]
#[template(path = "domain.html")]
struct DomainPage {
    frame: Frame,
    domain: Shown,
    path: String,
    reports_href: String,
    days: i64,
    ranges: Vec<RangeLink>,
    sessions: Count,
    failed: Count,
    share: String,
    reports: String,
    mode: Option<Shown>,
    last_received: String,
    plot: Plot,
    rows: Vec<DayRow>,
    total: DayRow,
    has_ranges: bool,
    by_reporter: Vec<GroupRow>,
    by_mx: Vec<GroupRow>,
    by_policy: Vec<GroupRow>,
    results: Vec<ResultCard>,
}

struct DayRow {
    date: String,
    successful: Count,
    failed: Count,
    share: String,
    reports: String,
}

struct GroupRow {
    key: Shown,
    successful: Count,
    failed: Count,
    share: String,
    reports: String,
    bar: Bar,
}

struct ResultCard {
    title: Shown,
    token: Shown,
    is_registered: bool,
    failed: String,
    first: String,
    last: String,
    reporters: Vec<Shown>,
    mxs: Vec<Shown>,
    reasons: Vec<Reason>,
    enforcement: &'static str,
    explained: Filled,
}

struct Reason {
    text: Shown,
    hint: Option<&'static str>,
}

/// The address of a domain's page.
pub(super) fn href(domain: &str, days: i64) -> String {
    format!("/domains/{}?days={days}", encoded(domain))
}

/// Text as one part of a path or query.
pub(super) fn encoded(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    out
}

pub(super) async fn show<S: Evidence, C: Clock>(
    State(app): State<Arc<App<S, C>>>,
    Path(domain): Path<String>,
    Query(question): Query<Question>,
) -> PageResult {
    let (days, range) = range(app.clock.now(), question.days.as_deref());
    let detail = app.evidence.domain(&domain, range).await?.ok_or(Failure::NotFound("domain"))?;
    let line = &detail.line;
    let (successful, failed) = sums(&detail.days);
    render(&DomainPage {
        frame: Frame::new(Shown::line(&line.domain).as_str(), Place::Domains),
        domain: Shown::line(&line.domain),
        path: format!("/domains/{}", encoded(&line.domain)),
        reports_href: format!("/reports?domain={}", encoded(&line.domain)),
        days,
        ranges: range_links(days),
        sessions: Count(line.successful.plus(line.failed)),
        failed: Count(line.failed),
        share: share(line.successful, line.failed),
        reports: plural(line.reports, "report", "reports"),
        mode: line.mode.as_deref().map(Shown::line),
        last_received: times::minute(line.last_received_at),
        plot: Plot::new(&detail.days, range),
        rows: detail
            .days
            .iter()
            .rev()
            .map(|day| DayRow {
                date: times::date(day.day),
                successful: Count(day.successful),
                failed: Count(day.failed),
                share: share(day.successful, day.failed),
                reports: grouped(day.reports),
            })
            .collect(),
        total: DayRow {
            date: "Sum".to_owned(),
            successful: Count(successful),
            failed: Count(failed),
            share: share(successful, failed),
            reports: grouped(detail.days.iter().map(|day| day.reports).sum()),
        },
        has_ranges: has_ranges(&detail),
        by_reporter: groups(&detail.by_reporter, Shown::line),
        by_mx: groups(&detail.by_mx, Shown::line),
        by_policy: groups(&detail.by_policy, words::policy_title),
        results: detail.by_result.iter().take(RESULTS).map(|result| card(result, &line.domain)).collect(),
    })
}

fn has_ranges(detail: &DomainDetail) -> bool {
    let is_range = |bounds: tls_rpt::count::Bounds| bounds.exact().is_none();
    let groups = || detail.by_reporter.iter().chain(&detail.by_mx).chain(&detail.by_policy);
    is_range(detail.line.successful)
        || is_range(detail.line.failed)
        || detail.days.iter().any(|day| is_range(day.successful) || is_range(day.failed))
        || groups().any(|group| is_range(group.successful) || is_range(group.failed))
}

fn groups(lines: &[GroupLine], show: fn(&str) -> Shown) -> Vec<GroupRow> {
    let size = |line: &GroupLine| line.successful.high.saturating_add(line.failed.high);
    let most = lines.iter().map(size).max().unwrap_or(0);
    lines
        .iter()
        .take(ROWS)
        .map(|line| GroupRow {
            key: if line.key.is_empty() { Shown::maybe(None) } else { show(&line.key) },
            successful: Count(line.successful),
            failed: Count(line.failed),
            share: share(line.successful, line.failed),
            reports: grouped(line.reports),
            bar: Bar::new(line.successful.high, line.failed.high, most),
        })
        .collect()
}

fn card(line: &ResultLine, domain: &str) -> ResultCard {
    let result = ResultType::recognise(&line.result_type);
    let explanation = explain(&result);
    // Only what the failures have in common gets into the commands.
    let mx = match line.mxs.as_slice() {
        [one] => Some(one.as_str()),
        _ => None,
    };
    ResultCard {
        title: words::result_title(&line.result_type),
        token: Shown::line(&line.result_type),
        is_registered: result.is_registered(),
        failed: plural(line.failed, "session", "sessions"),
        first: times::date(line.first_day),
        last: times::date(line.last_day),
        reporters: line.reporters.iter().map(|name| Shown::line(name)).collect(),
        mxs: line.mxs.iter().map(|mx| Shown::line(mx)).collect(),
        reasons: line
            .reasons
            .iter()
            .map(|text| Reason { text: Shown::line(text), hint: hint(&result, text).map(|hint| hint.text) })
            .collect(),
        enforcement: explanation.enforcement.describe(),
        explained: explanation.fill(&Context { domain: Some(domain), mx, ..Context::default() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_of_any_text_is_one_part_of_a_path() {
        assert_eq!(href("a.example", 7), "/domains/a.example?days=7");
        assert_eq!(encoded("../x?y=1#\"<ü"), "..%2Fx%3Fy%3D1%23%22%3C%C3%BC");
    }
}
