//! The list of reports, newest first.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use serde::Deserialize;
use tlsward_engine::ports::{Clock, Evidence, ReportLine, ReportQuery};

use super::domain::encoded;
use super::numbers::{Count, share};
use super::shown::Shown;
use super::{App, Frame, PageResult, Place, render, words};
use crate::times;

/// Reports on one page.
const LINES: usize = 50;

#[derive(Debug, Deserialize)]
pub(super) struct Question {
    domain: Option<String>,
    cursor: Option<String>,
}

#[derive(Template)]
#[template(path = "reports.html")]
struct ReportsPage {
    frame: Frame,
    domain: Option<Shown>,
    typed: String,
    first_href: Option<String>,
    next_href: Option<String>,
    lines: Vec<Line>,
}

pub(super) struct Line {
    pub(super) id: i64,
    pub(super) organization: Shown,
    pub(super) report_id: Shown,
    pub(super) domain: Shown,
    pub(super) more_domains: u64,
    pub(super) begin: String,
    pub(super) days: String,
    pub(super) sessions: Count,
    pub(super) failed: Count,
    pub(super) share: String,
    pub(super) trust: &'static str,
    pub(super) received_at: String,
}

pub(super) async fn show<S: Evidence, C: Clock>(
    State(app): State<Arc<App<S, C>>>,
    Query(question): Query<Question>,
) -> PageResult {
    let domain =
        question.domain.filter(|domain| !domain.trim().is_empty()).map(|domain| domain.trim().to_lowercase());
    let filter = domain.as_deref().map(|domain| format!("domain={}", encoded(domain)));
    let is_further = question.cursor.is_some();
    let query = ReportQuery { domain: domain.clone(), limit: LINES, cursor: question.cursor };
    let page = app.evidence.reports(query).await?;
    let address = |cursor: Option<&str>| {
        let cursor = cursor.map(|cursor| format!("cursor={}", encoded(cursor)));
        let parts: Vec<String> = filter.clone().into_iter().chain(cursor).collect();
        if parts.is_empty() { "/reports".to_owned() } else { format!("/reports?{}", parts.join("&")) }
    };
    render(&ReportsPage {
        frame: Frame::new("Reports", Place::Reports),
        domain: domain.as_deref().map(Shown::line),
        typed: domain.clone().unwrap_or_default().chars().take(253).collect(),
        first_href: is_further.then(|| address(None)),
        next_href: page.next_cursor.as_deref().map(|cursor| address(Some(cursor))),
        lines: page.items.iter().map(line).collect(),
    })
}

pub(super) fn line(line: &ReportLine) -> Line {
    Line {
        id: line.id,
        organization: Shown::maybe(line.organization_name.as_deref()),
        report_id: Shown::maybe(line.report_id.as_deref()),
        domain: Shown::maybe(line.domain.as_deref()),
        more_domains: line.domains.saturating_sub(1),
        begin: line.begin.map_or_else(|| "–".to_owned(), |begin| times::date(times::day_of(begin))),
        days: days(line),
        sessions: Count(line.successful.plus(line.failed)),
        failed: Count(line.failed),
        share: share(line.successful, line.failed),
        trust: words::trust(line.trust).short,
        received_at: times::minute(line.received_at),
    }
}

/// The day that a report covers, or its first and last.
fn days(line: &ReportLine) -> String {
    let day = |time| times::date(times::day_of(time));
    match (line.begin, line.end) {
        (None, None) => "–".to_owned(),
        (Some(begin), None) => format!("from {}", day(begin)),
        (None, Some(end)) => format!("until {}", day(end)),
        (Some(begin), Some(end)) => {
            // L12: the end is 23:59:59 or the next midnight.
            let (first, last) = (day(begin), day(end.saturating_sub(1).max(begin)));
            if first == last { first } else { format!("{first} to {last}") }
        }
    }
}
