//! One's own domains, for programs.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use tlsward_engine::ports::{
    CertificateLine, Clock, DriftLine, Evidence, Page, PublishedBook, PublishedDetail, PublishedLine,
    RecordLine, StepLine, VersionLine,
};

use super::{Answer, List, MOST_ITEMS, Question};
use crate::pages::failure::Failure;
use crate::pages::published::Desk;
use crate::times;

/// The routes, relative to `/api/v1`.
pub(crate) fn routes<S, C, P, T>(desk: Arc<Desk<S, C, P>>) -> Router<T>
where
    S: Evidence,
    C: Clock,
    P: PublishedBook,
    T: Clone + Send + Sync + 'static,
{
    Router::new()
        .route("/published", get(list::<S, C, P>))
        .route("/published/{domain}", get(show::<S, C, P>))
        .with_state(desk)
}

#[derive(Serialize)]
struct Line {
    domain: String,
    stage: &'static str,
    group: Option<String>,
    waiting_for: Option<String>,
    next_at: String,
    alerts: usize,
}

#[derive(Serialize)]
struct Detail {
    #[serde(flatten)]
    line: Line,
    records: Vec<Record>,
    policy_url: String,
    policy: Option<String>,
    policy_seen: &'static str,
    policy_note: Option<String>,
    cached_until: Option<String>,
    certificate: Option<Certificate>,
    versions: Vec<Version>,
    steps: Vec<Step>,
    drift: Vec<Drift>,
}

#[derive(Serialize)]
struct Record {
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    ttl: u32,
    value: String,
    seen: &'static str,
    note: Option<String>,
}

#[derive(Serialize)]
struct Certificate {
    source: String,
    not_before: Option<String>,
    not_after: Option<String>,
    renew_at: Option<String>,
    trouble: Option<String>,
}

#[derive(Serialize)]
struct Version {
    number: u32,
    id: Option<String>,
    lines: Vec<String>,
    first_served_at: String,
    announced_at: Option<String>,
    last_served_at: Option<String>,
}

#[derive(Serialize)]
struct Step {
    text: String,
    at: Option<String>,
    by_hand: bool,
}

#[derive(Serialize)]
struct Drift {
    code: &'static str,
    text: String,
    fix: String,
}

async fn list<S: Evidence, C: Clock, P: PublishedBook>(
    State(desk): State<Arc<Desk<S, C, P>>>,
    Query(question): Query<Question>,
) -> Answer {
    let limit = question.limit()?;
    let asked = (limit + 1).min(MOST_ITEMS);
    let mut items = match &desk.book {
        Some(book) => book.lines(question.cursor.as_deref(), asked).await?,
        None => Vec::new(),
    };
    let may_go_on = if asked > limit { items.len() > limit } else { items.len() == limit };
    items.truncate(limit);
    let next_cursor = items.last().filter(|_| may_go_on).map(|line| line.domain.clone());
    Ok(List::of(Page { items, next_cursor }, line))
}

async fn show<S: Evidence, C: Clock, P: PublishedBook>(
    State(desk): State<Arc<Desk<S, C, P>>>,
    Path(domain): Path<String>,
) -> Answer {
    let book = desk.book.as_ref().ok_or(Failure::NotFound("domain"))?;
    let found = book.detail(&domain).await?.ok_or(Failure::NotFound("domain"))?;
    let response: Response = Json(detail(found)).into_response();
    Ok(response)
}

fn line(line: PublishedLine) -> Line {
    let PublishedLine { domain, stage, group, waiting_for, next_at, alerts } = line;
    Line { domain, stage, group, waiting_for, next_at: times::rfc3339(next_at), alerts }
}

fn detail(found: PublishedDetail) -> Detail {
    Detail {
        line: line(found.line),
        records: found.records.into_iter().map(record).collect(),
        policy_url: found.policy_url,
        policy: found.policy,
        policy_seen: found.policy_standing.as_wire(),
        policy_note: found.policy_note,
        cached_until: found.cached_until.map(times::rfc3339),
        certificate: found.certificate.map(certificate),
        versions: found.versions.into_iter().map(version).collect(),
        steps: found.steps.into_iter().map(step).collect(),
        drift: found.drift.into_iter().map(drift).collect(),
    }
}

fn record(line: RecordLine) -> Record {
    let RecordLine { name, kind, ttl, value, standing, note } = line;
    Record { name, kind, ttl, value, seen: standing.as_wire(), note }
}

fn certificate(line: CertificateLine) -> Certificate {
    let is_there = line.not_after > 0;
    Certificate {
        source: line.source,
        not_before: is_there.then(|| times::rfc3339(line.not_before)),
        not_after: is_there.then(|| times::rfc3339(line.not_after)),
        renew_at: line.renew_at.map(times::rfc3339),
        trouble: line.trouble,
    }
}

fn version(line: VersionLine) -> Version {
    let VersionLine { number, id, lines, first_served_at, announced_at, last_served_at } = line;
    Version {
        number,
        id,
        lines,
        first_served_at: times::rfc3339(first_served_at),
        announced_at: announced_at.map(times::rfc3339),
        last_served_at: last_served_at.map(times::rfc3339),
    }
}

fn step(line: StepLine) -> Step {
    Step { text: line.text, at: line.at.map(times::rfc3339), by_hand: line.by_hand }
}

fn drift(line: DriftLine) -> Drift {
    Drift { code: line.code, text: line.text, fix: line.fix }
}
