//! Every domain at a glance; on an empty server, what to do first.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use serde::Deserialize;
use tls_rpt::count::Bounds;
use tlsward_engine::ports::{Clock, DomainLine, Evidence, Totals};

use super::numbers::{Count, grouped, plural, share};
use super::plot::Bar;
use super::shown::Shown;
use super::{App, Frame, PageResult, Place, RangeLink, range, range_links, render, start, words};
use crate::times;

/// Domains on one page.
const LINES: usize = 200;

#[derive(Debug, Deserialize)]
pub(super) struct Question {
    days: Option<String>,
    after: Option<String>,
}

#[derive(Template)]
#[template(path = "front.html")]
struct FrontPage {
    frame: Frame,
    days: i64,
    ranges: Vec<RangeLink>,
    lines: Vec<Line>,
    next: Option<String>,
    is_part: bool,
    sessions: Count,
    failed: Count,
    share: String,
    failing: usize,
    reports: String,
    domains: String,
    pending: u64,
    set_aside: u64,
    set_aside_words: String,
    last_received: Option<String>,
    has_ranges: bool,
}

struct Line {
    domain: Shown,
    href: String,
    state: Standing,
    mode: Mode,
    sessions: Count,
    failed: Count,
    share: String,
    bar: Bar,
    worst: Option<Shown>,
    reporters: String,
    last_end: Option<String>,
}

/// How a domain does, in a word and a shape.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Good,
    Failing,
    Silent,
}

enum Mode {
    Known(&'static str),
    Strange(Shown),
    None,
}

pub(super) async fn show<S: Evidence, C: Clock>(
    State(app): State<Arc<App<S, C>>>,
    Query(question): Query<Question>,
) -> PageResult {
    let now = app.clock.now();
    let (days, range) = range(now, question.days.as_deref());
    let totals = app.evidence.totals().await?;
    let is_part = question.after.is_some();
    let mut found = app.evidence.domains(range, question.after, LINES + 1).await?;
    if found.is_empty() && !is_part {
        return start::page(&app, &start::Question::default(), Some(&totals));
    }
    let next = (found.len() > LINES).then(|| {
        found.truncate(LINES);
        found.last().map(|line| line.domain.clone()).unwrap_or_default()
    });
    render(&page(&found, &totals, days, next, is_part))
}

fn page(found: &[DomainLine], totals: &Totals, days: i64, next: Option<String>, is_part: bool) -> FrontPage {
    let add =
        |of: fn(&DomainLine) -> Bounds| found.iter().fold(Bounds::default(), |sum, line| sum.plus(of(line)));
    let (successful, failed) = (add(|line| line.successful), add(|line| line.failed));
    let most =
        found.iter().map(|line| line.successful.high.saturating_add(line.failed.high)).max().unwrap_or(0);
    FrontPage {
        frame: Frame::new("Domains", Place::Domains),
        days,
        ranges: range_links(days),
        is_part: is_part || next.is_some(),
        next,
        sessions: Count(successful.plus(failed)),
        failed: Count(failed),
        share: share(successful, failed),
        failing: found.iter().filter(|line| line.failed.high > 0).count(),
        reports: grouped(totals.reports),
        domains: grouped(totals.domains),
        pending: totals.pending,
        set_aside: totals.set_aside,
        set_aside_words: plural(totals.set_aside, "input was", "inputs were"),
        last_received: totals.last_received_at.map(times::minute),
        has_ranges: failed.exact().is_none() || successful.exact().is_none(),
        lines: found.iter().map(|line| self::line(line, days, most)).collect(),
    }
}

fn line(line: &DomainLine, days: i64, most: u64) -> Line {
    let state = match (line.failed.high, line.reports) {
        (0, 0) => Standing::Silent,
        (0, _) => Standing::Good,
        _ => Standing::Failing,
    };
    Line {
        domain: Shown::line(&line.domain),
        href: super::domain::href(&line.domain, days),
        state,
        mode: match line.mode.as_deref() {
            Some("enforce") => Mode::Known("enforce"),
            Some("testing") => Mode::Known("testing"),
            Some("none") => Mode::Known("none"),
            Some(other) => Mode::Strange(Shown::line(other)),
            None => Mode::None,
        },
        sessions: Count(line.successful.plus(line.failed)),
        failed: Count(line.failed),
        share: share(line.successful, line.failed),
        bar: Bar::new(line.successful.high, line.failed.high, most),
        worst: line.worst.as_deref().map(words::result_title),
        reporters: grouped(line.reporters),
        last_end: line.last_end.map(|end| times::date(times::day_of(end.saturating_sub(1)))),
    }
}
