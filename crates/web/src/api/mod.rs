//! The JSON API under `/api/v1`: the same facts as the pages, for programs.
//!
//! Lists are `{"items": […], "next_cursor": …|null}`; `limit` is clamped to 1000. Ids are opaque strings, times RFC 3339 in
//! UTC, errors RFC 9457 problem documents. A count is the upper bound; its lower bound stands beside it only where the
//! two differ.

mod items;
mod outbound;
mod published;

pub(crate) use outbound::policy_routes;
pub(crate) use published::routes as published_routes;

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tlsward_engine::ports::{Checks, Clock, Evidence, Outbox, Page, ReportQuery};

use crate::pages::failure::{ApiFailure, Failure};
use crate::pages::{App, range};

/// Items of a list, if nothing else is asked for, and at most.
const DEFAULT_LIMIT: usize = 100;
const MOST_ITEMS: usize = 1000;
/// Policies, and failure rows of each, in one report.
const ROWS: usize = 1000;

type Answer = Result<Response, ApiFailure>;

/// What a list may be asked. Numbers are read as text, so that a bad one gets a problem document.
#[derive(Debug, Deserialize)]
pub(crate) struct Question {
    domain: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
    days: Option<String>,
    day: Option<String>,
    state: Option<String>,
}

impl Question {
    fn limit(&self) -> Result<usize, Failure> {
        match self.limit.as_deref() {
            None => Ok(DEFAULT_LIMIT),
            // Digits of any length: what overflows is clamped like what is merely large.
            Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                match digits.parse::<usize>() {
                    Ok(0) => Err(Failure::BadQuestion("limit must be at least 1.")),
                    Ok(limit) => Ok(limit.min(MOST_ITEMS)),
                    Err(_) => Ok(MOST_ITEMS),
                }
            }
            Some(_) => Err(Failure::BadQuestion("limit must be a number from 1 to 1000.")),
        }
    }

    fn reports(self) -> Result<ReportQuery, Failure> {
        let limit = self.limit()?;
        let domain = self.domain.filter(|domain| !domain.is_empty());
        Ok(ReportQuery { domain, limit, cursor: self.cursor })
    }
}

#[derive(Serialize)]
struct List<T> {
    items: Vec<T>,
    next_cursor: Option<String>,
}

impl<T: Serialize> List<T> {
    fn of<I>(page: Page<I>, item: impl Fn(I) -> T) -> Response {
        let items = page.items.into_iter().map(item).collect();
        Json(Self { items, next_cursor: page.next_cursor }).into_response()
    }
}

/// The routes, relative to `/api/v1`.
pub(crate) fn routes<S: Evidence + Checks + Outbox, C: Clock>() -> Router<Arc<App<S, C>>> {
    Router::new()
        .route("/domains", get(domains::<S, C>))
        .route("/domains/{domain}", get(domain::<S, C>))
        .route("/reports", get(reports::<S, C>))
        .route("/reports/{id}", get(report::<S, C>))
        .route("/failures", get(failures::<S, C>))
        .route("/set-aside", get(set_aside::<S, C>))
        .route("/checks", get(checks::<S, C>))
        .route("/checks/{domain}", get(check::<S, C>))
        .merge(outbound::routes::<S, C>())
}

async fn domains<S: Evidence, C: Clock>(
    State(app): State<Arc<App<S, C>>>,
    Query(question): Query<Question>,
) -> Answer {
    let limit = question.limit()?;
    let (_, range) = range(app.clock.now(), question.days.as_deref());
    // The store gives no more than a page, so the largest one cannot ask for one more: a full one may have a next.
    let asked = (limit + 1).min(MOST_ITEMS);
    let mut items = app.evidence.domains(range, question.cursor, asked).await?;
    let may_go_on = if asked > limit { items.len() > limit } else { items.len() == limit };
    let next_cursor = may_go_on.then(|| {
        items.truncate(limit);
        items.last().map(|line| line.domain.clone()).unwrap_or_default()
    });
    Ok(List::of(Page { items, next_cursor }, |line| items::Domain::new(&line)))
}

async fn domain<S: Evidence, C: Clock>(
    State(app): State<Arc<App<S, C>>>,
    Path(domain): Path<String>,
    Query(question): Query<Question>,
) -> Answer {
    let (_, range) = range(app.clock.now(), question.days.as_deref());
    let detail = app.evidence.domain(&domain, range).await?.ok_or(Failure::NotFound("domain"))?;
    Ok(Json(items::DomainDetail::new(&detail, range)).into_response())
}

async fn reports<S: Evidence, C: Clock>(
    State(app): State<Arc<App<S, C>>>,
    Query(question): Query<Question>,
) -> Answer {
    let page = app.evidence.reports(question.reports()?).await?;
    Ok(List::of(page, |line| items::Report::new(&line)))
}

async fn report<S: Evidence, C: Clock>(State(app): State<Arc<App<S, C>>>, Path(id): Path<String>) -> Answer {
    let id = id.parse().map_err(|_| Failure::NotFound("report"))?;
    let detail = app.evidence.report(id, ROWS).await?.ok_or(Failure::NotFound("report"))?;
    let body = items::ReportDetail::new(&detail).map_err(|error| {
        tracing::error!(%error, id, "a report could not be written as JSON");
        Failure::Broken
    })?;
    Ok(Json(body).into_response())
}

async fn failures<S: Evidence, C: Clock>(
    State(app): State<Arc<App<S, C>>>,
    Query(question): Query<Question>,
) -> Answer {
    let page = app.evidence.failures(question.reports()?).await?;
    Ok(List::of(page, |line| items::Failure::new(&line)))
}

async fn set_aside<S: Evidence, C: Clock>(
    State(app): State<Arc<App<S, C>>>,
    Query(question): Query<Question>,
) -> Answer {
    let limit = question.limit()?;
    let page = app.evidence.set_aside(question.cursor, limit).await?;
    Ok(List::of(page, |line| items::SetAside::new(&line)))
}

async fn checks<S: Checks, C: Clock>(
    State(app): State<Arc<App<S, C>>>,
    Query(question): Query<Question>,
) -> Answer {
    let limit = question.limit()?;
    // The store gives no more than a page, so a full one may have a next.
    let items = app.evidence.latest(question.cursor.as_deref(), limit).await?;
    let next_cursor =
        (items.len() >= limit).then(|| items.last().map(|spell| spell.last.domain.clone())).flatten();
    Ok(List::of(Page { items, next_cursor }, |spell| items::Check::new(&spell)))
}

/// The last report as it was kept, in the form of `check --json`.
async fn check<S: Checks, C: Clock>(State(app): State<Arc<App<S, C>>>, Path(domain): Path<String>) -> Answer {
    let spells = app.evidence.spells(&domain, 1).await?;
    let newest = spells.into_iter().next().ok_or(Failure::NotFound("check"))?;
    Ok(([(http::header::CONTENT_TYPE, "application/json")], newest.last.report).into_response())
}
