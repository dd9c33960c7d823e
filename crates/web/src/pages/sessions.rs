//! The TLS sessions of our own mail servers: one day, by domain and result.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use serde::Deserialize;
use tls_rpt::count::Bounds;
use tls_rpt::tally::Tally;
use tls_rpt::{PolicyType, ResultType};
use tlsward_engine::ports::{Clock, DayRange, Outbox, Outgoing, OutgoingQuery, OutgoingSum, ReportKey};

use super::domain::encoded;
use super::failure::Failure;
use super::numbers::{grouped, share};
use super::outbound::{MainCf, id_of, key_of};
use super::outgoing::day_of;
use super::shown::Shown;
use super::{App, DEFAULT_DAYS, Frame, PageResult, Place, render, words};
use crate::times;

/// Domains on one page.
const LINES: usize = 50;
/// Kinds of failure that a row names.
const KINDS: usize = 3;

#[derive(Debug, Deserialize)]
pub(super) struct Question {
    day: Option<String>,
    after: Option<String>,
}

#[derive(Template)]
#[template(path = "sessions.html")]
struct SessionsPage {
    frame: Frame,
    /// Nothing was ever counted, as far as the page looks back.
    is_empty: bool,
    is_set_up: bool,
    main_cf: MainCf,
    day: String,
    is_today: bool,
    total: DayRow,
    earlier_href: Option<String>,
    later_href: Option<String>,
    lines: Vec<Line>,
    first_href: Option<String>,
    next_href: Option<String>,
    days: Vec<DayRow>,
}

struct DayRow {
    day: String,
    href: String,
    is_current: bool,
    domains: String,
    successful: String,
    failed: String,
    is_failing: bool,
    share: String,
    unjudged: String,
    has_unjudged: bool,
}

struct Line {
    domain: Shown,
    href: String,
    part: Option<u32>,
    policies: Vec<(Shown, String)>,
    successful: String,
    failed: String,
    is_failing: bool,
    share: String,
    unjudged: String,
    has_unjudged: bool,
    results: Vec<(Shown, String)>,
    more: Option<String>,
    is_retired: bool,
}

/// What a day's counts of one domain come to.
pub(crate) struct Digest {
    /// Sessions that met the policy, and that did not, for each kind of policy.
    pub(crate) policies: Vec<(PolicyType, u64, u64)>,
    /// Failures by result type, most frequent first.
    pub(crate) results: Vec<(ResultType, u64)>,
    /// Failures beyond the rows that are kept apart.
    pub(crate) overflow: u64,
    /// Sessions that no policy row had room for.
    pub(crate) uncounted: u64,
}

impl Digest {
    pub(crate) fn new(tally: &Tally) -> Self {
        let mut digest =
            Self { policies: Vec::new(), results: Vec::new(), overflow: 0, uncounted: tally.uncounted() };
        for (policy, counts) in tally.policies() {
            match digest.policies.iter_mut().find(|(kind, ..)| *kind == policy.policy_type) {
                Some((_, successful, failed)) => {
                    *successful = successful.saturating_add(counts.successful);
                    *failed = failed.saturating_add(counts.failed);
                }
                None => digest.policies.push((policy.policy_type.clone(), counts.successful, counts.failed)),
            }
            digest.overflow = digest.overflow.saturating_add(counts.overflow);
            for (failure, times) in &counts.failures {
                match digest.results.iter_mut().find(|(result, _)| *result == failure.result) {
                    Some((_, sum)) => *sum = sum.saturating_add(*times),
                    None => digest.results.push((failure.result.clone(), *times)),
                }
            }
        }
        digest.results.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
        digest
    }
}

/// A page of a day's domains with their counts, and whether there are more.
///
/// One read each: a row's counts can be large, and only one of them is held at a time.
pub(crate) async fn of_day<S: Outbox, T>(
    outbox: &S,
    (day, domain): (i64, Option<String>),
    after: Option<ReportKey>,
    limit: usize,
    mut made: impl FnMut(&Outgoing) -> T,
) -> Result<(Vec<T>, Option<ReportKey>), Failure> {
    let query = OutgoingQuery { day: Some(day), domain, after, limit, ..OutgoingQuery::default() };
    // The store gives no more than a page, so a full one may have a next.
    let found = outbox.outgoing(query).await?;
    let next = found.last().filter(|_| found.len() >= limit).map(|line| line.key.clone());
    let mut lines = Vec::with_capacity(found.len());
    for line in found {
        // It may have been retired since.
        if let Some(report) = outbox.outgoing_report(&line.key).await? {
            lines.push(made(&report));
        }
    }
    Ok((lines, next))
}

pub(super) async fn show<S: Outbox, C: Clock>(
    State(app): State<Arc<App<S, C>>>,
    Query(question): Query<Question>,
) -> PageResult {
    let today = times::day_of(app.clock.now());
    let asked = day_of(question.day.as_deref().map(str::trim).filter(|day| !day.is_empty()))?;
    let after = match question.after.as_deref() {
        None => None,
        Some(id) => {
            Some(key_of(id).ok_or(Failure::BadQuestion("There is no page that goes on from there."))?)
        }
    };
    let sums =
        app.evidence.outgoing_days(DayRange { first: today - (DEFAULT_DAYS - 1), last: today }).await?;
    let day = asked.or_else(|| sums.first().map(|sum| sum.day)).unwrap_or(today);
    let days = by_day(&sums, day);
    let of_the_day = if sums.iter().any(|sum| sum.day == day) {
        sums.clone()
    } else {
        app.evidence.outgoing_days(DayRange { first: day, last: day }).await?
    };
    let total = by_day(&of_the_day, day).into_iter().find(|row| row.is_current);
    let is_further = after.is_some();
    let (lines, next) = of_day(app.evidence.as_ref(), (day, None), after, LINES, line).await?;
    let known: Vec<i64> = sums.iter().map(|sum| sum.day).collect();
    render(&SessionsPage {
        frame: Frame::new("Sessions", Place::Sessions),
        is_empty: sums.is_empty() && lines.is_empty() && asked.is_none(),
        is_set_up: app.reporting.is_some(),
        main_cf: app.main_cf.clone(),
        day: times::date(day),
        is_today: day == today,
        total: total.unwrap_or_else(|| {
            row(&[OutgoingSum::new(day, tlsward_engine::ports::OutgoingState::Waiting)], day)
        }),
        earlier_href: known.iter().find(|known| **known < day).map(|day| address(*day)),
        later_href: known.iter().rev().find(|known| **known > day).map(|day| address(*day)),
        lines,
        first_href: is_further.then(|| address(day)),
        next_href: next.map(|key| format!("{}&after={}", address(day), encoded(&id_of(&key)))),
        days,
    })
}

fn address(day: i64) -> String {
    format!("/sessions?day={}", times::date(day))
}

/// A row for each day, newest first.
fn by_day(sums: &[OutgoingSum], current: i64) -> Vec<DayRow> {
    sums.chunk_by(|one, other| one.day == other.day).map(|sums| row(sums, current)).collect()
}

/// The row of one day: its sums, whatever became of the reports.
fn row(sums: &[OutgoingSum], current: i64) -> DayRow {
    let day = sums.first().map_or(current, |sum| sum.day);
    let of = |count: fn(&OutgoingSum) -> u64| sums.iter().map(count).fold(0, u64::saturating_add);
    let (successful, failed, unjudged) =
        (of(|sum| sum.successful), of(|sum| sum.failed), of(|sum| sum.unjudged));
    DayRow {
        day: times::date(day),
        href: address(day),
        is_current: day == current,
        domains: grouped(of(|sum| sum.reports)),
        successful: grouped(successful),
        failed: grouped(failed),
        is_failing: failed > 0,
        share: share(Bounds::exactly(successful), Bounds::exactly(failed)),
        unjudged: grouped(unjudged),
        has_unjudged: unjudged > 0,
    }
}

fn line(report: &Outgoing) -> Line {
    let line = &report.line;
    let digest = Digest::new(&report.tally);
    let shown = digest.results.iter().take(KINDS);
    let others = digest.results.len().saturating_sub(KINDS);
    Line {
        domain: Shown::line(&line.key.domain),
        href: format!("/outgoing/{}", encoded(&id_of(&line.key))),
        part: (line.key.part > 1).then_some(line.key.part),
        policies: digest
            .policies
            .iter()
            .map(|(kind, successful, failed)| {
                (words::policy_title(kind.as_wire()), grouped(successful.saturating_add(*failed)))
            })
            .collect(),
        successful: grouped(line.successful),
        failed: grouped(line.failed),
        is_failing: line.failed > 0,
        share: share(Bounds::exactly(line.successful), Bounds::exactly(line.failed)),
        unjudged: grouped(line.unjudged),
        has_unjudged: line.unjudged > 0,
        results: shown.map(|(result, times)| (words::failed(result), grouped(*times))).collect(),
        more: (others > 0).then(|| super::numbers::plural(others as u64, "more kind", "more kinds")),
        is_retired: report.tally.is_empty() && (line.successful > 0 || line.failed > 0),
    }
}
