//! Policies of other people's domains: which are in force for our mail, why each answer is what it is, and how fresh they are.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::routing::get;
use serde::Deserialize;
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::{AlertLine, Clock, DaneLine, Evidence, PolicyBook, PolicyLine};

use super::domain::encoded;
use super::failure::Failure;
use super::outbound::{MainCf, is_domain};
use super::shown::Shown;
use super::{App, Frame, PageResult, Place, render};
use crate::times;

/// Domains on one page.
const LINES: usize = 100;
/// Alerts on one page.
const ALERTS: usize = 50;
/// Lines of a policy that are shown.
const STRINGS: usize = 200;

/// What these pages are made from.
pub(crate) struct Desk<S, C, B> {
    pub(crate) app: Arc<App<S, C>>,
    /// `None`: no policies are looked up here.
    pub(crate) book: Option<Arc<B>>,
}

#[derive(Debug, Deserialize)]
struct Question {
    after: Option<String>,
}

#[derive(Template)]
#[template(path = "policies.html")]
struct PoliciesPage {
    frame: Frame,
    is_set_up: bool,
    is_further: bool,
    main_cf: MainCf,
    alerts: Vec<Alert>,
    lines: Vec<Line>,
    next_href: Option<String>,
}

#[derive(Template)]
#[template(path = "policy.html")]
struct PolicyPage {
    frame: Frame,
    line: Line,
    reports_href: String,
    text: Option<Shown>,
    is_cut: bool,
    alerts: Vec<Alert>,
}

struct Alert {
    /// `None`: it is about this machine.
    domain: Option<(Shown, String)>,
    since: String,
    text: Shown,
}

struct Line {
    domain: Shown,
    href: String,
    mode: Option<Mode>,
    dane: Option<Dane>,
    id: Shown,
    level: Option<Level>,
    why: Option<Shown>,
    fetched: Option<String>,
    expires: Option<String>,
    refresh: Option<String>,
    /// Refreshes that failed in a row.
    failures: u32,
    failure: Option<(String, Shown)>,
}

/// What Postfix is told.
struct Level {
    text: Shown,
    /// One of its own words.
    is_token: bool,
}

/// What DANE asks of the domain's MX hosts.
struct Dane {
    hosts: String,
    text: String,
}

struct Mode {
    token: &'static str,
    class: &'static str,
    text: &'static str,
}

/// The pages, relative to `/`.
pub(super) fn routes<S, C, B, T>(desk: Arc<Desk<S, C, B>>) -> Router<T>
where
    S: Evidence,
    C: Clock,
    B: PolicyBook,
    T: Clone + Send + Sync + 'static,
{
    Router::new()
        .route("/policies", get(list::<S, C, B>))
        .route("/policies/{domain}", get(show::<S, C, B>))
        .with_state(desk)
}

async fn list<S: Evidence, C: Clock, B: PolicyBook>(
    State(desk): State<Arc<Desk<S, C, B>>>,
    Query(question): Query<Question>,
) -> PageResult {
    let is_further = question.after.is_some();
    if question.after.as_deref().is_some_and(|after| !is_domain(after)) {
        return Err(Failure::BadQuestion("There is no page that goes on from there.").into());
    }
    let (mut found, alerts) = match &desk.book {
        Some(book) => {
            let found = book.policies(question.after.as_deref(), LINES + 1).await?;
            // On the first page only: they are not of the domains that it lists.
            let alerts = if is_further { Vec::new() } else { book.alerts(None, ALERTS).await? };
            (found, alerts)
        }
        None => (Vec::new(), Vec::new()),
    };
    let next_href = (found.len() > LINES).then(|| {
        found.truncate(LINES);
        let last = found.last().map(|line| line.domain.as_str()).unwrap_or_default();
        format!("/policies?after={}", encoded(last))
    });
    let now = desk.app.clock.now();
    render(&PoliciesPage {
        frame: Frame::new("Policies", Place::Policies),
        is_set_up: desk.book.is_some(),
        is_further,
        main_cf: desk.app.main_cf.clone(),
        alerts: alerts.iter().map(alert).collect(),
        lines: found.iter().map(|found| line(found, now)).collect(),
        next_href,
    })
}

async fn show<S: Evidence, C: Clock, B: PolicyBook>(
    State(desk): State<Arc<Desk<S, C, B>>>,
    Path(domain): Path<String>,
) -> PageResult {
    let book = desk.book.as_ref().ok_or(Failure::NotFound("policy"))?;
    let found = book.policy(&domain).await?.ok_or(Failure::NotFound("policy"))?;
    let alerts = book.alerts(Some(&found.domain), ALERTS).await?;
    let lines = found.held.as_ref().map(|held| &held.lines);
    render(&PolicyPage {
        frame: Frame::new(format!("Policy of {}", Shown::line(&found.domain)), Place::Policies),
        line: line(&found, desk.app.clock.now()),
        reports_href: format!("/outgoing?domain={}", encoded(&found.domain)),
        text: lines.map(|lines| Shown::lines(lines.iter().take(STRINGS).map(String::as_str))),
        is_cut: lines.is_some_and(|lines| lines.len() > STRINGS),
        alerts: alerts.iter().map(alert).collect(),
    })
}

fn alert(line: &AlertLine) -> Alert {
    let domain = Some(&line.domain).filter(|domain| !domain.is_empty());
    Alert {
        domain: domain.map(|domain| (Shown::line(domain), format!("/policies/{}", encoded(domain)))),
        since: times::minute(line.since),
        text: Shown::block(&line.text),
    }
}

fn line(line: &PolicyLine, now: UnixTime) -> Line {
    let held = line.held.as_ref();
    Line {
        domain: Shown::line(&line.domain),
        href: format!("/policies/{}", encoded(&line.domain)),
        mode: held.map(|held| mode(held.mode)),
        dane: line.dane.map(dane),
        id: Shown::maybe(held.map(|held| held.id.as_str())),
        level: line.answer.as_ref().map(|answer| level(&answer.level)),
        why: line.answer.as_ref().map(|answer| Shown::block(&answer.why)),
        fetched: held.map(|held| times::minute(held.fetched_at)),
        expires: held.map(|held| times::minute(held.expires_at)),
        refresh: held.map(|held| {
            if held.refresh_at <= now { "due now".to_owned() } else { times::minute(held.refresh_at) }
        }),
        failures: held.map_or(0, |held| held.failures),
        failure: line
            .failure
            .as_ref()
            .map(|failure| (times::minute(failure.at), Shown::block(&failure.text))),
    }
}

fn level(token: &str) -> Level {
    let (text, is_token) = match token {
        "not-found" => ("nothing: its own default holds", false),
        "deferred" => ("to try later", false),
        token => (token, true),
    };
    Level { text: Shown::line(text), is_token }
}

fn dane(line: DaneLine) -> Dane {
    let DaneLine { usable, hosts } = line;
    if usable == 0 {
        let text = "MX hosts have signed TLSA records of which none can be used: mail to these goes over TLS, whatever \
                    their certificate.";
        return Dane { hosts: "no usable record".to_owned(), text: text.to_owned() };
    }
    let of = format!("{usable} of {hosts} MX {}", if hosts == 1 { "host" } else { "hosts" });
    let verb = if usable == 1 { "has" } else { "have" };
    let text = format!(
        "{of} {verb} TLSA records that can be used: such a host gets mail only if these name its certificate."
    );
    Dane { hosts: of, text }
}

fn mode(token: &'static str) -> Mode {
    let (class, text) = match token {
        "enforce" => (
            "good",
            "Mail goes only to hosts that the policy names and whose certificate is good; else it waits.",
        ),
        "testing" => (
            "none",
            "Mail is delivered as without the policy. What would have failed is reported where it is known.",
        ),
        _ => ("none", "The domain has withdrawn its policy: as without one."),
    };
    Mode { token, class, text }
}
