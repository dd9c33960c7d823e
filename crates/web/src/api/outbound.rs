//! Outbound: reports that are sent, sessions that were counted, policies that are in force.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::header::CONTENT_TYPE;
use serde::Serialize;
use tls_rpt::ResultType;
use tlsward_engine::ports::{
    AlertLine, Clock, Evidence, Outbox, Outgoing, OutgoingLine, OutgoingQuery, Page, PolicyBook, PolicyLine,
    ReportKey,
};

use super::{Answer, List, MOST_ITEMS, Question};
use crate::pages::App;
use crate::pages::failure::{ApiFailure, Failure};
use crate::pages::outbound::{id_of, is_domain, key_of};
use crate::pages::outgoing::{day_of, state_of};
use crate::pages::policies::Desk;
use crate::pages::preview::{Content, Preview, Recipients, Standing, preview};
use crate::pages::sessions::{Digest, of_day};
use crate::times;

/// The routes of what the store has, relative to `/api/v1`.
pub(super) fn routes<S: Outbox, C: Clock>() -> Router<Arc<App<S, C>>> {
    Router::new()
        .route("/outgoing", get(outgoing::<S, C>))
        .route("/outgoing/{id}", get(report::<S, C>))
        .route("/sessions", get(sessions::<S, C>))
}

/// The routes of what the resolver knows.
pub(crate) fn policy_routes<S, C, B, T>(desk: Arc<Desk<S, C, B>>) -> Router<T>
where
    S: Evidence,
    C: Clock,
    B: PolicyBook,
    T: Clone + Send + Sync + 'static,
{
    Router::new()
        .route("/policies", get(policies::<S, C, B>))
        .route("/policies/{domain}", get(policy::<S, C, B>))
        .with_state(desk)
}

#[derive(Serialize)]
struct Item {
    id: String,
    day: String,
    domain: String,
    part: u32,
    state: &'static str,
    at: String,
    reason: String,
    successful: u64,
    failed: u64,
    unjudged: u64,
}

impl Item {
    fn new(line: &OutgoingLine) -> Self {
        Self {
            id: id_of(&line.key),
            day: times::date(line.key.day),
            domain: line.key.domain.to_string(),
            part: line.key.part,
            state: line.state.as_wire(),
            at: times::rfc3339(line.at),
            reason: line.reason.clone(),
            successful: line.successful,
            failed: line.failed,
            unjudged: line.unjudged,
        }
    }
}

/// One report; `report` and `summary` are what is sent, as far as anything is.
#[derive(Serialize)]
struct Detail {
    #[serde(flatten)]
    item: Item,
    record: Option<String>,
    first_attempt_at: Option<String>,
    rounds: u32,
    recipients: Option<Vec<Place>>,
    attempts: Vec<Attempt>,
    nothing_because: Option<String>,
    report_id: Option<String>,
    summary: Option<String>,
}

#[derive(Serialize)]
struct Place {
    uri: String,
    standing: &'static str,
    failed_days: u32,
    last_failure: Option<String>,
}

#[derive(Serialize)]
struct Attempt {
    at: String,
    uri: String,
    error: String,
}

async fn outgoing<S: Outbox, C: Clock>(
    State(app): State<Arc<App<S, C>>>,
    Query(question): Query<Question>,
) -> Answer {
    let limit = question.limit()?;
    let query = OutgoingQuery {
        day: day_of(question.day.as_deref())?,
        state: state_of(question.state.as_deref())?,
        after: after(question.cursor.as_deref())?,
        domain: question.domain.filter(|domain| !domain.is_empty()),
        // The store gives no more than a page, so the largest one cannot ask for one more: a full one may have a next.
        limit: (limit + 1).min(MOST_ITEMS),
    };
    let asked = query.limit;
    let mut items = app.evidence.outgoing(query).await?;
    let may_go_on = if asked > limit { items.len() > limit } else { items.len() == limit };
    items.truncate(limit);
    let next_cursor = items.last().filter(|_| may_go_on).map(|line| id_of(&line.key));
    Ok(List::of(Page { items, next_cursor }, |line| Item::new(&line)))
}

const BAD_CURSOR: Failure = Failure::BadQuestion("cursor must be the next_cursor of the page before.");

fn after(cursor: Option<&str>) -> Result<Option<ReportKey>, Failure> {
    cursor.map(|cursor| key_of(cursor).ok_or(BAD_CURSOR)).transpose()
}

async fn report<S: Outbox, C: Clock>(State(app): State<Arc<App<S, C>>>, Path(id): Path<String>) -> Answer {
    let preview = preview(&app, &id).await?;
    let detail = detail(&preview);
    let broken = |error: serde_json::Error| {
        tracing::error!(%error, "an outgoing report could not be written as JSON");
        ApiFailure::from(Failure::Broken)
    };
    // The report is JSON already, and can be large: it is put in as it is.
    let mut body = serde_json::to_vec(&detail).map_err(broken)?;
    body.pop();
    body.extend_from_slice(b",\"report\":");
    match &preview.content {
        Content::Report(built) => body.extend_from_slice(&built.json),
        Content::Nothing(_) => body.extend_from_slice(b"null"),
    }
    body.push(b'}');
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}

fn detail(preview: &Preview) -> Detail {
    let (built, nothing) = match &preview.content {
        Content::Report(built) => (Some(built), None),
        Content::Nothing(nothing) => (None, Some(nothing.text())),
    };
    Detail {
        item: Item::new(&preview.report.line),
        record: preview.report.record.as_deref().map(str::to_owned),
        first_attempt_at: preview.progress.first.map(times::rfc3339),
        rounds: preview.progress.rounds,
        recipients: match &preview.recipients {
            Recipients::Known(places) => Some(
                places
                    .iter()
                    .map(|place| Place {
                        uri: place.uri.clone(),
                        standing: match place.standing {
                            Standing::Accepted => "accepted",
                            Standing::Bounced => "bounced",
                            Standing::Refused => "refused",
                            Standing::Turn(_) => "to-be-tried",
                            Standing::NotTried => "not-tried",
                            Standing::CannotBeUsed => "unusable",
                        },
                        failed_days: place.health.as_ref().map_or(0, |health| health.failed_days),
                        last_failure: place.health.as_ref().map(|health| health.reason.clone()),
                    })
                    .collect(),
            ),
            Recipients::LookedUp | Recipients::Unusable(_) => None,
        },
        attempts: preview
            .progress
            .failures
            .iter()
            .map(|attempt| Attempt {
                at: times::rfc3339(attempt.at),
                uri: attempt.uri.clone(),
                error: attempt.error.clone(),
            })
            .collect(),
        nothing_because: nothing,
        report_id: built.map(|built| built.report_id.clone()),
        summary: built.map(|built| built.summary().to_owned()),
    }
}

/// The sessions of a day with one domain.
#[derive(Serialize)]
struct Sessions {
    day: String,
    domain: String,
    part: u32,
    successful: u64,
    failed: u64,
    unjudged: u64,
    by_policy_type: Vec<ByPolicy>,
    by_result_type: Vec<ByResult>,
    failures_not_listed: u64,
    sessions_not_listed: u64,
}

#[derive(Serialize)]
struct ByPolicy {
    policy_type: String,
    successful: u64,
    failed: u64,
}

#[derive(Serialize)]
struct ByResult {
    result_type: String,
    failures: u64,
}

impl Sessions {
    fn new(report: &Outgoing) -> Self {
        let (line, digest) = (&report.line, Digest::new(&report.tally));
        let policy = |(kind, successful, failed): &(tls_rpt::PolicyType, u64, u64)| ByPolicy {
            policy_type: kind.as_wire().to_owned(),
            successful: *successful,
            failed: *failed,
        };
        let result = |(result, failures): &(ResultType, u64)| ByResult {
            result_type: result.as_wire().to_owned(),
            failures: *failures,
        };
        Self {
            day: times::date(line.key.day),
            domain: line.key.domain.to_string(),
            part: line.key.part,
            successful: line.successful,
            failed: line.failed,
            unjudged: line.unjudged,
            by_policy_type: digest.policies.iter().map(policy).collect(),
            by_result_type: digest.results.iter().map(result).collect(),
            failures_not_listed: digest.overflow,
            sessions_not_listed: digest.uncounted,
        }
    }
}

async fn sessions<S: Outbox, C: Clock>(
    State(app): State<Arc<App<S, C>>>,
    Query(question): Query<Question>,
) -> Answer {
    let limit = question.limit()?;
    let today = times::day_of(app.clock.now());
    let day = day_of(question.day.as_deref())?.unwrap_or(today);
    let domain = question.domain.filter(|domain| !domain.is_empty());
    let after = after(question.cursor.as_deref())?;
    let (items, next) = of_day(app.evidence.as_ref(), (day, domain), after, limit, Sessions::new).await?;
    let next_cursor = next.map(|key| id_of(&key));
    Ok(List::of(Page { items, next_cursor }, |item| item))
}

/// A policy domain.
#[derive(Serialize)]
struct Policy {
    domain: String,
    policy_types: Vec<&'static str>,
    dane: Option<Dane>,
    mode: Option<&'static str>,
    id: Option<String>,
    fetched_at: Option<String>,
    expires_at: Option<String>,
    refresh_at: Option<String>,
    failures: u32,
    last_failure: Option<String>,
    last_failure_at: Option<String>,
    level: Option<String>,
    why: Option<String>,
    good_until: Option<String>,
}

/// MX hosts with signed TLSA records.
#[derive(Serialize)]
struct Dane {
    usable: usize,
    hosts: usize,
}

#[derive(Serialize)]
struct PolicyDetail {
    #[serde(flatten)]
    policy: Policy,
    lines: Vec<String>,
    alerts: Vec<Alert>,
}

#[derive(Serialize)]
struct Alert {
    since: String,
    text: String,
}

impl Policy {
    fn new(line: &PolicyLine) -> Self {
        let (held, failure, answer) = (line.held.as_ref(), line.failure.as_ref(), line.answer.as_ref());
        Self {
            domain: line.domain.clone(),
            // In the words of RFC 8460 §4.2.
            policy_types: held.map(|_| "sts").into_iter().chain(line.dane.map(|_| "tlsa")).collect(),
            dane: line.dane.map(|dane| Dane { usable: dane.usable, hosts: dane.hosts }),
            mode: held.map(|held| held.mode),
            id: held.map(|held| held.id.clone()),
            fetched_at: held.map(|held| times::rfc3339(held.fetched_at)),
            expires_at: held.map(|held| times::rfc3339(held.expires_at)),
            refresh_at: held.map(|held| times::rfc3339(held.refresh_at)),
            failures: held.map_or(0, |held| held.failures),
            last_failure: failure.map(|failure| failure.text.clone()),
            last_failure_at: failure.map(|failure| times::rfc3339(failure.at)),
            level: answer.map(|answer| answer.level.clone()),
            why: answer.map(|answer| answer.why.clone()),
            good_until: answer.map(|answer| times::rfc3339(answer.good_until)),
        }
    }
}

async fn policies<S: Evidence, C: Clock, B: PolicyBook>(
    State(desk): State<Arc<Desk<S, C, B>>>,
    Query(question): Query<Question>,
) -> Answer {
    let limit = question.limit()?;
    if question.cursor.as_deref().is_some_and(|cursor| !is_domain(cursor)) {
        return Err(BAD_CURSOR.into());
    }
    let asked = (limit + 1).min(MOST_ITEMS);
    let mut items = match &desk.book {
        Some(book) => book.policies(question.cursor.as_deref(), asked).await?,
        None => Vec::new(),
    };
    let may_go_on = if asked > limit { items.len() > limit } else { items.len() == limit };
    items.truncate(limit);
    let next_cursor = items.last().filter(|_| may_go_on).map(|line| line.domain.clone());
    Ok(List::of(Page { items, next_cursor }, |line| Policy::new(&line)))
}

async fn policy<S: Evidence, C: Clock, B: PolicyBook>(
    State(desk): State<Arc<Desk<S, C, B>>>,
    Path(domain): Path<String>,
) -> Answer {
    let book = desk.book.as_ref().ok_or(Failure::NotFound("policy"))?;
    let line = book.policy(&domain).await?.ok_or(Failure::NotFound("policy"))?;
    let alert = |line: AlertLine| Alert { since: times::rfc3339(line.since), text: line.text };
    // As the book names it: it may have been asked for in another spelling.
    let alerts = book.alerts(Some(&line.domain), MOST_ITEMS).await?;
    let detail = PolicyDetail {
        policy: Policy::new(&line),
        lines: line.held.map(|held| held.lines).unwrap_or_default(),
        alerts: alerts.into_iter().map(alert).collect(),
    };
    let response: Response = Json(detail).into_response();
    Ok(response)
}
