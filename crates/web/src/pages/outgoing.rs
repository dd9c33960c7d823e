//! The reports that this server sends: a list by day and domain, and one of them as it would be sent.

use std::sync::Arc;

use askama::Template;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use serde::Deserialize;
use tls_rpt::PolicyType;
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::{Clock, DayRange, Outbox, OutgoingLine, OutgoingQuery, OutgoingState};
use tlsward_engine::report::Identity;

use super::domain::encoded;
use super::failure::{Failure, PageFailure};
use super::indent::indented;
use super::numbers::{grouped, size};
use super::outbound::{MainCf, id_of, key_of};
use super::preview::{Content, Preview, Recipient, Recipients, Standing, preview};
use super::shown::Shown;
use super::{App, DEFAULT_DAYS, Frame, PageResult, Place, render};
use crate::times;

/// Reports on one page.
const LINES: usize = 50;
/// Of a report's JSON, bytes on the page.
const JSON_BYTES: usize = 64 * 1024;

#[derive(Debug, Deserialize)]
pub(super) struct Question {
    domain: Option<String>,
    day: Option<String>,
    state: Option<String>,
    after: Option<String>,
}

#[derive(Template)]
#[template(path = "outgoing.html")]
struct OutgoingPage {
    frame: Frame,
    tiles: Vec<Tile>,
    days: i64,
    typed: String,
    day: String,
    choices: Vec<Choice>,
    is_filtered: bool,
    is_further: bool,
    /// Nothing was ever counted, as far as the page looks back.
    is_empty: bool,
    is_set_up: bool,
    main_cf: MainCf,
    lines: Vec<Line>,
    first_href: Option<String>,
    next_href: Option<String>,
}

struct Tile {
    title: &'static str,
    href: String,
    reports: String,
    is_bad: bool,
}

struct Choice {
    token: &'static str,
    title: &'static str,
    is_chosen: bool,
}

struct Line {
    href: String,
    domain: Shown,
    day: String,
    part: Option<u32>,
    state: Stands,
    when: String,
    reason: Shown,
    successful: String,
    failed: String,
    is_failing: bool,
    unjudged: String,
}

/// How a report stands, as it is shown.
struct Stands {
    title: &'static str,
    class: &'static str,
}

#[derive(Template)]
#[template(path = "outgoing_report.html")]
struct ReportPage {
    frame: Frame,
    id: String,
    domain: Shown,
    /// Where policies are looked up, and one was applied.
    policy_href: Option<String>,
    line: Line,
    /// The day is not over, so that its counts still grow.
    is_open: bool,
    record: Option<Shown>,
    record_name: Shown,
    recipients: Vec<Destination>,
    no_recipients: Option<String>,
    attempts: Vec<Attempt>,
    rounds: u32,
    nothing: Option<String>,
    built: Option<BuiltPart>,
}

/// A place of the record, as it is shown.
struct Destination {
    uri: Shown,
    standing: String,
    class: &'static str,
    health: Option<Shown>,
}

struct Attempt {
    at: String,
    uri: Shown,
    error: Shown,
}

struct BuiltPart {
    report_id: Shown,
    from: Shown,
    organization: Shown,
    contact: Shown,
    size: String,
    packed: String,
    summary: Shown,
    json: Shown,
    is_cut: bool,
}

pub(super) async fn list<S: Outbox, C: Clock>(
    State(app): State<Arc<App<S, C>>>,
    Query(question): Query<Question>,
) -> PageResult {
    let given =
        |text: Option<String>| text.map(|text| text.trim().to_lowercase()).filter(|text| !text.is_empty());
    let (domain, day_text, state_text) = (given(question.domain), given(question.day), given(question.state));
    let day = day_of(day_text.as_deref())?;
    let state = state_of(state_text.as_deref())?;
    let after = match question.after.as_deref() {
        None => None,
        Some(id) => {
            Some(key_of(id).ok_or(Failure::BadQuestion("There is no page that goes on from there."))?)
        }
    };
    let is_further = after.is_some();
    let query = OutgoingQuery { domain: domain.clone(), day, state, after, limit: LINES + 1 };
    let mut found = app.evidence.outgoing(query).await?;
    let has_more = found.len() > LINES;
    found.truncate(LINES);
    let filters: Vec<String> = [("domain", &domain), ("day", &day_text), ("state", &state_text)]
        .into_iter()
        .filter_map(|(key, value)| value.as_deref().map(|value| format!("{key}={}", encoded(value))))
        .collect();
    let address = |after: Option<String>| {
        let parts: Vec<String> = filters.iter().cloned().chain(after).collect();
        if parts.is_empty() { "/outgoing".to_owned() } else { format!("/outgoing?{}", parts.join("&")) }
    };
    let last = found.last().filter(|_| has_more).map(|line| format!("after={}", encoded(&id_of(&line.key))));
    let now = app.clock.now();
    let today = times::day_of(now);
    let sums =
        app.evidence.outgoing_days(DayRange { first: today - (DEFAULT_DAYS - 1), last: today }).await?;
    let tiles = OutgoingState::ALL.map(|state| {
        let reports = sums.iter().filter(|sum| sum.state == state).map(|sum| sum.reports).sum::<u64>();
        Tile {
            title: words(state).title,
            href: format!("/outgoing?state={}", state.as_wire()),
            reports: grouped(reports),
            is_bad: state == OutgoingState::GivenUp && reports > 0,
        }
    });
    let is_filtered = !filters.is_empty();
    render(&OutgoingPage {
        frame: Frame::new("Outgoing reports", Place::Outgoing),
        tiles: tiles.into(),
        days: DEFAULT_DAYS,
        typed: domain.unwrap_or_default().chars().take(253).collect(),
        day: day_text.unwrap_or_default(),
        choices: OutgoingState::ALL
            .map(|each| Choice {
                token: each.as_wire(),
                title: words(each).title,
                is_chosen: Some(each) == state,
            })
            .into(),
        is_filtered,
        is_further,
        is_empty: found.is_empty() && !is_filtered && !is_further,
        is_set_up: app.reporting.is_some(),
        main_cf: app.main_cf.clone(),
        lines: found.iter().map(|found| line(found, now)).collect(),
        first_href: is_further.then(|| address(None)),
        next_href: last.map(|after| address(Some(after))),
    })
}

/// A day that was asked for.
pub(crate) fn day_of(text: Option<&str>) -> Result<Option<i64>, Failure> {
    const COMPLAINT: Failure = Failure::BadQuestion("day must be a day of the calendar such as 2026-11-23.");
    text.map(|text| times::day_from(text).ok_or(COMPLAINT)).transpose()
}

/// A state that was asked for.
pub(crate) fn state_of(text: Option<&str>) -> Result<Option<OutgoingState>, Failure> {
    const COMPLAINT: Failure = Failure::BadQuestion("state must be waiting, sent, given-up or skipped.");
    text.map(|text| OutgoingState::from_wire(text).ok_or(COMPLAINT)).transpose()
}

pub(super) async fn show<S: Outbox, C: Clock>(
    State(app): State<Arc<App<S, C>>>,
    Path(id): Path<String>,
) -> PageResult {
    let preview = preview(&app, &id).await?;
    render(&page(&id, &preview, app.has_policies, app.clock.now()))
}

/// The JSON alone, to be kept. Its name is ours alone.
pub(super) async fn download<S: Outbox, C: Clock>(
    State(app): State<Arc<App<S, C>>>,
    Path(id): Path<String>,
) -> Result<Response, PageFailure> {
    let preview = preview(&app, &id).await?;
    let Content::Report(built) = preview.content else { return Err(Failure::NotFound("report").into()) };
    let key = &preview.report.line.key;
    let name = format!("tls-report-{}-{}.json", times::date(key.day), key.part);
    let headers = [
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox".to_owned()),
    ];
    Ok((headers, Body::from(built.json)).into_response())
}

fn page(id: &str, preview: &Preview, has_policies: bool, now: UnixTime) -> ReportPage {
    let report = &preview.report;
    let key = &report.line.key;
    // Sessions that nobody can judge are those under a policy in testing mode.
    let is_under_policy = report.line.unjudged > 0
        || report.tally.policies().any(|(policy, _)| policy.policy_type == PolicyType::Sts);
    let (recipients, no_recipients) = match &preview.recipients {
        Recipients::Known(places) => (places.iter().map(|recipient| place(recipient, report.line.state)).collect(), None),
        Recipients::LookedUp => (
            Vec::new(),
            Some("No session brought the domain's TLSRPT record. It is looked up when the report is sent; without one, nobody wants a report.".to_owned()),
        ),
        Recipients::Unusable(error) => {
            (Vec::new(), Some(format!("The TLSRPT record that a session brought cannot be used: {error}.")))
        }
    };
    let (nothing, built) = match &preview.content {
        Content::Nothing(nothing) => (Some(nothing.text()), None),
        Content::Report(built) => {
            let text = String::from_utf8_lossy(&built.json);
            let (json, is_cut) = indented(&text, JSON_BYTES);
            let identity = preview.reporting.as_deref().map(|settings| settings.identity_for(&key.domain));
            let of = |text: Option<&str>| Shown::maybe(text);
            let part = BuiltPart {
                report_id: Shown::line(&built.report_id),
                from: of(identity.map(Identity::from)),
                organization: of(identity.map(Identity::organization_name)),
                contact: of(identity.map(Identity::contact)),
                size: size(built.json.len() as u64),
                packed: size(built.packed.len() as u64),
                summary: Shown::lines(built.summary().lines()),
                json: Shown::lines(json.lines()),
                is_cut,
            };
            (None, Some(part))
        }
    };
    ReportPage {
        frame: Frame::new(format!("Report to {}", Shown::line(&key.domain)), Place::Outgoing),
        id: encoded(id),
        domain: Shown::line(&key.domain),
        policy_href: (has_policies && is_under_policy).then(|| format!("/policies/{}", encoded(&key.domain))),
        line: line(&report.line, now),
        is_open: key.day >= times::day_of(now),
        record: report.record.as_deref().map(Shown::block),
        record_name: Shown::line(&format!("_smtp._tls.{}", key.domain)),
        recipients,
        no_recipients,
        attempts: preview
            .progress
            .failures
            .iter()
            .rev()
            .map(|attempt| Attempt {
                at: times::minute(attempt.at),
                uri: Shown::maybe(Some(&attempt.uri)),
                error: Shown::block(&attempt.error),
            })
            .collect(),
        rounds: preview.progress.rounds,
        nothing,
        built,
    }
}

fn place(recipient: &Recipient, state: OutgoingState) -> Destination {
    let (standing, class) = match recipient.standing {
        Standing::Accepted => ("accepted it".to_owned(), "good"),
        Standing::Bounced => ("took it and sent it back".to_owned(), "bad"),
        Standing::Refused if state == OutgoingState::Waiting => {
            ("has not taken it, and is offered it again".to_owned(), "bad")
        }
        Standing::Refused => ("has not taken it".to_owned(), "bad"),
        Standing::Turn(1) => ("is offered it first".to_owned(), "none"),
        Standing::Turn(turn) => (format!("is offered it as number {turn}, if none before accepts"), "none"),
        Standing::NotTried => ("not tried".to_owned(), "none"),
        Standing::CannotBeUsed => {
            ("cannot be used: neither a mail address nor an HTTPS address".to_owned(), "bad")
        }
    };
    let health = recipient.health.as_ref().map(|held| {
        let days = super::numbers::plural(u64::from(held.failed_days), "day", "days");
        let text = format!("has failed on {days} since {}: {}", times::minute(held.since), held.reason);
        Shown::block(&text)
    });
    Destination { uri: Shown::line(&recipient.uri), standing, class, health }
}

fn line(line: &OutgoingLine, now: UnixTime) -> Line {
    let id = id_of(&line.key);
    let at = times::minute(line.at);
    let when = match line.state {
        OutgoingState::Waiting if line.at <= now => "due now".to_owned(),
        OutgoingState::Waiting => format!("due {at}"),
        _ => at,
    };
    let reason = match (line.state, line.reason.trim()) {
        (OutgoingState::Waiting, "") if line.key.day >= times::day_of(now) => {
            Shown::line("the day is not over")
        }
        (OutgoingState::Waiting, "") => Shown::line("not tried yet"),
        (OutgoingState::Sent, uri) => Shown::line(&format!("to {uri}")),
        (_, reason) => Shown::maybe(Some(reason)),
    };
    Line {
        href: format!("/outgoing/{}", encoded(&id)),
        domain: Shown::line(&line.key.domain),
        day: times::date(line.key.day),
        part: (line.key.part > 1).then_some(line.key.part),
        state: words(line.state),
        when,
        reason,
        successful: grouped(line.successful),
        failed: grouped(line.failed),
        is_failing: line.failed > 0,
        unjudged: grouped(line.unjudged),
    }
}

fn words(state: OutgoingState) -> Stands {
    let (title, class) = match state {
        OutgoingState::Waiting => ("Waiting", "none"),
        OutgoingState::Sent => ("Sent", "good"),
        OutgoingState::GivenUp => ("Given up", "bad"),
        OutgoingState::Skipped => ("Skipped", "none"),
    };
    Stands { title, class }
}
