//! One's own domains: what each publishes, against what it should, what happens next and who does it.
//!
//! The one page with a script: a button beside each text that is to be copied ([`assets`]). Its content policy lets that
//! script run and no other; all else is as on every page.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::routing::get;
use serde::Deserialize;
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::{
    CertificateLine, Clock, DriftLine, Evidence, PublishedBook, PublishedLine, RecordLine, Standing,
    StepLine, VersionLine,
};

use super::domain::encoded;
use super::failure::Failure;
use super::shown::Shown;
use super::{App, Frame, PageResult, Place, assets, render};
use crate::times;

/// Domains on one page.
const LINES: usize = 100;
/// Versions on one page.
const VERSIONS: usize = 50;

/// As on every page, and the one script.
const CONTENT_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

/// What these pages are made from.
pub(crate) struct Desk<S, C, P> {
    pub(crate) app: Arc<App<S, C>>,
    /// `None`: nothing is published here.
    pub(crate) book: Option<Arc<P>>,
}

#[derive(Debug, Deserialize)]
struct Question {
    after: Option<String>,
}

#[derive(Template)]
#[template(path = "published.html")]
struct ListPage {
    frame: Frame,
    is_set_up: bool,
    is_further: bool,
    lines: Vec<Line>,
    next_href: Option<String>,
}

#[derive(Template)]
#[template(path = "published_domain.html")]
struct DomainPage {
    frame: Frame,
    copy_js: &'static str,
    line: Line,
    drift: Vec<Drift>,
    steps: Vec<Step>,
    records: Vec<Record>,
    policy_url: Shown,
    policy: Option<Shown>,
    policy_standing: Seen,
    policy_note: Option<Shown>,
    cached_until: Option<String>,
    certificate: Option<Certificate>,
    versions: Vec<Version>,
    reports_href: String,
}

struct Line {
    domain: Shown,
    href: String,
    stage: Stage,
    group: Shown,
    waiting_for: Option<Shown>,
    next: String,
    alerts: usize,
}

struct Stage {
    token: &'static str,
    class: &'static str,
    text: &'static str,
}

struct Seen {
    class: &'static str,
    text: &'static str,
}

struct Drift {
    code: &'static str,
    text: Shown,
    fix: Option<Shown>,
}

struct Step {
    text: Shown,
    at: Option<String>,
    by_hand: bool,
}

struct Record {
    name: Shown,
    kind: &'static str,
    ttl: u32,
    value: Shown,
    standing: Seen,
    note: Option<Shown>,
}

struct Certificate {
    source: Shown,
    valid: Option<(String, String)>,
    renew_at: Option<String>,
    trouble: Option<Shown>,
}

struct Version {
    number: u32,
    id: Shown,
    text: Shown,
    from: String,
    announced: Option<String>,
    until: Option<String>,
}

/// The pages, relative to `/`.
pub(super) fn routes<S, C, P, T>(desk: Arc<Desk<S, C, P>>) -> Router<T>
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

async fn list<S: Evidence, C: Clock, P: PublishedBook>(
    State(desk): State<Arc<Desk<S, C, P>>>,
    Query(question): Query<Question>,
) -> PageResult {
    let mut found = match &desk.book {
        Some(book) => book.lines(question.after.as_deref(), LINES + 1).await?,
        None => Vec::new(),
    };
    let next_href = (found.len() > LINES).then(|| {
        found.truncate(LINES);
        let last = found.last().map(|line| line.domain.as_str()).unwrap_or_default();
        format!("/published?after={}", encoded(last))
    });
    let now = desk.app.clock.now();
    render(&ListPage {
        frame: Frame::new("Your domains", Place::Published),
        is_set_up: desk.book.is_some(),
        is_further: question.after.is_some(),
        lines: found.iter().map(|found| line(found, now)).collect(),
        next_href,
    })
}

async fn show<S: Evidence, C: Clock, P: PublishedBook>(
    State(desk): State<Arc<Desk<S, C, P>>>,
    Path(domain): Path<String>,
) -> PageResult {
    let book = desk.book.as_ref().ok_or(Failure::NotFound("domain"))?;
    let detail = book.detail(&domain).await?.ok_or(Failure::NotFound("domain"))?;
    let name = &detail.line.domain;
    let mut response = render(&DomainPage {
        frame: Frame::new(format!("{} as published", Shown::line(name)), Place::Published),
        copy_js: assets::copy_path(),
        line: line(&detail.line, desk.app.clock.now()),
        drift: detail.drift.iter().map(drift).collect(),
        steps: detail.steps.iter().map(step).collect(),
        records: detail.records.iter().map(record).collect(),
        policy_url: Shown::line(&detail.policy_url),
        policy: detail.policy.as_deref().map(|body| Shown::lines(body.lines())),
        policy_standing: seen(detail.policy_standing),
        policy_note: detail.policy_note.as_deref().map(Shown::block),
        cached_until: detail.cached_until.map(times::minute),
        certificate: detail.certificate.as_ref().map(certificate),
        versions: detail.versions.iter().take(VERSIONS).map(version).collect(),
        reports_href: format!("/domains/{}", encoded(name)),
    })?;
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, CONTENT_POLICY);
    Ok(response)
}

fn line(line: &PublishedLine, now: UnixTime) -> Line {
    Line {
        domain: Shown::line(&line.domain),
        href: format!("/published/{}", encoded(&line.domain)),
        stage: stage(line.stage),
        group: Shown::maybe(line.group.as_deref()),
        waiting_for: line.waiting_for.as_deref().map(Shown::block),
        next: if line.next_at <= now { "due now".to_owned() } else { times::minute(line.next_at) },
        alerts: line.alerts,
    }
}

fn stage(token: &'static str) -> Stage {
    let (class, text) = match token {
        "reporting" => ("none", "Senders are asked for reports. No policy is published yet."),
        "testing" => (
            "none",
            "A policy is published for trial: mail is delivered as before, and senders report what enforcing it would refuse.",
        ),
        "enforce" => (
            "good",
            "Senders that follow MTA-STS deliver only over verified TLS, to the hosts that the policy names.",
        ),
        _ => ("none", "The policy is being withdrawn, in the order that strands no sender."),
    };
    Stage { token, class, text }
}

fn seen(standing: Standing) -> Seen {
    let (class, text) = match standing {
        Standing::Live => ("good", "live"),
        Standing::Missing => ("bad", "not there"),
        Standing::Wrong => ("bad", "something else is there"),
        Standing::Unknown => ("none", "not known"),
    };
    Seen { class, text }
}

fn drift(line: &DriftLine) -> Drift {
    let fix = Some(&line.fix).filter(|fix| !fix.is_empty());
    Drift { code: line.code, text: Shown::block(&line.text), fix: fix.map(|fix| Shown::block(fix)) }
}

fn step(line: &StepLine) -> Step {
    Step { text: Shown::block(&line.text), at: line.at.map(times::minute), by_hand: line.by_hand }
}

fn record(line: &RecordLine) -> Record {
    Record {
        name: Shown::block(&line.name),
        kind: line.kind,
        ttl: line.ttl,
        value: Shown::block(&line.value),
        standing: seen(line.standing),
        note: line.note.as_deref().map(Shown::block),
    }
}

fn certificate(line: &CertificateLine) -> Certificate {
    Certificate {
        source: Shown::line(&line.source),
        valid: (line.not_after > 0).then(|| (times::minute(line.not_before), times::minute(line.not_after))),
        renew_at: line.renew_at.map(times::minute),
        trouble: line.trouble.as_deref().map(Shown::block),
    }
}

fn version(line: &VersionLine) -> Version {
    Version {
        number: line.number,
        id: Shown::maybe(line.id.as_deref()),
        text: Shown::block(&line.lines.join(", ")),
        from: times::minute(line.first_served_at),
        announced: line.announced_at.map(times::minute),
        until: line.last_served_at.map(times::minute),
    }
}
