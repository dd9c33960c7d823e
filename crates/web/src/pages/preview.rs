//! One outgoing report as it stands: what would be sent, to whom, and what has been tried. For the page and for the API.
//!
//! A report is built anew each time it is looked at, by the same function that builds it when it is sent. That takes time
//! and memory in proportion to its failure rows, so few are built at once, and off the threads that answer. What can fail:
//! the store; too many at once.

use std::sync::Arc;

use tls_rpt::record::{self, Rua};
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::{Clock, Outbox, Outgoing, OutgoingState, RuaHealth};
use tlsward_engine::report::{Built, Delivery, Progress, Settings, build, noted_as};

use super::App;
use super::failure::Failure;
use super::outbound::key_of;

/// Reports built at once.
pub(super) const BUILT_AT_ONCE: usize = 2;

/// All that is known of a report.
pub(crate) struct Preview {
    pub(crate) report: Outgoing,
    pub(crate) progress: Progress,
    pub(crate) recipients: Recipients,
    pub(crate) content: Content,
    pub(crate) reporting: Option<Arc<Settings>>,
}

/// Who it goes to.
pub(crate) enum Recipients {
    /// The places of the TLSRPT record that a session brought.
    Known(Vec<Recipient>),
    /// No session brought a record: it is looked up when the report is sent.
    LookedUp,
    /// The record cannot be used; why.
    Unusable(String),
}

/// One place of the record.
pub(crate) struct Recipient {
    pub(crate) uri: String,
    pub(crate) standing: Standing,
    pub(crate) health: Option<RuaHealth>,
}

/// Whether a place is offered the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Accepted,
    Bounced,
    /// It was offered the report, and did not take it (yet).
    Refused,
    /// In this turn, from 1.
    Turn(usize),
    /// Ten places are tried, each once; and none after one that accepts, or once it is over.
    NotTried,
    CannotBeUsed,
}

/// What is sent.
pub(crate) enum Content {
    Report(Box<Built>),
    /// Nothing; why.
    Nothing(Nothing),
}

/// Why there is nothing to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Nothing {
    /// Nobody here sends reports.
    NotSetUp,
    /// The owner leaves this domain alone.
    OptedOut,
    /// The report is over, and its counts are dropped.
    CountsAreGone,
    /// No session of the day is in a count.
    NoSessions,
    /// The domain has no form in which a report can name it.
    NoForm(String),
}

impl Nothing {
    pub(crate) fn text(&self) -> String {
        match self {
            Self::NotSetUp => "This server has no [report] in its configuration: it counts nothing further and sends nothing.".to_owned(),
            Self::OptedOut => "Your configuration opts this domain out: nothing is sent.".to_owned(),
            Self::CountsAreGone => {
                "The report is over, and its counts have been dropped. What is left is on this page.".to_owned()
            }
            Self::NoSessions => "No session of this day is in a count, so there is nothing to report.".to_owned(),
            Self::NoForm(error) => format!("No report can be made: {error}."),
        }
    }
}

/// The report with this id.
pub(crate) async fn preview<S: Outbox, C: Clock>(app: &App<S, C>, id: &str) -> Result<Preview, Failure> {
    const WHAT: Failure = Failure::NotFound("outgoing report");
    let key = key_of(id).ok_or(WHAT)?;
    let report = app.evidence.outgoing_report(&key).await?.ok_or(WHAT)?;
    let progress = Progress::from_text(&report.progress);
    let recipients = recipients(app, &report, &progress, app.clock.now()).await?;
    let content = content(app, &report).await?;
    Ok(Preview { report, progress, recipients, content, reporting: app.reporting.clone() })
}

async fn recipients<S: Outbox, C>(
    app: &App<S, C>,
    report: &Outgoing,
    progress: &Progress,
    now: UnixTime,
) -> Result<Recipients, Failure> {
    let Some(text) = &report.record else { return Ok(Recipients::LookedUp) };
    let record = match record::parse(text.as_bytes()).usable {
        Ok(parsed) => parsed.record,
        Err(error) => return Ok(Recipients::Unusable(error.to_string())),
    };
    // The very choice that is made when it is sent.
    let delivery = Delivery::begin(progress.clone(), Some(&record), now, 0);
    let turns: Vec<&str> = delivery.uris().collect();
    let mut ruas: Vec<&Rua> = Vec::new();
    for rua in record.ruas() {
        if !ruas.iter().any(|known| known.uri() == rua.uri()) {
            ruas.push(rua);
        }
    }
    let noted = ruas.iter().map(|rua| noted_as(rua.uri(), &report.line.key.domain)).collect();
    let health = app.evidence.health(noted).await?;
    let places = ruas.iter().zip(health).map(|(rua, health)| {
        let uri = rua.uri();
        let standing = if progress.accepted.as_deref() == Some(uri) {
            Standing::Accepted
        } else if progress.bounced.iter().any(|bounced| bounced == uri) {
            Standing::Bounced
        } else if !rua.is_usable() {
            Standing::CannotBeUsed
        } else if progress.failures.iter().any(|attempt| attempt.uri == uri) {
            Standing::Refused
        } else if report.line.state != OutgoingState::Waiting {
            Standing::NotTried
        } else {
            let turn = turns.iter().position(|turn| *turn == uri);
            turn.map_or(Standing::NotTried, |turn| Standing::Turn(turn + 1))
        };
        Recipient { uri: uri.to_owned(), standing, health }
    });
    Ok(Recipients::Known(places.collect()))
}

async fn content<S, C>(app: &App<S, C>, report: &Outgoing) -> Result<Content, Failure> {
    let Some(settings) = &app.reporting else { return Ok(Content::Nothing(Nothing::NotSetUp)) };
    let key = report.line.key.clone();
    if settings.is_opted_out(&key.domain) {
        return Ok(Content::Nothing(Nothing::OptedOut));
    }
    if report.tally.is_empty() {
        let sessions = report.line.successful.saturating_add(report.line.failed);
        let is_gone = report.line.state != OutgoingState::Waiting && sessions > 0;
        return Ok(Content::Nothing(if is_gone { Nothing::CountsAreGone } else { Nothing::NoSessions }));
    }
    let turn = Arc::clone(&app.building).try_acquire_owned().map_err(|_| Failure::Busy)?;
    let (settings, tally, unjudged) = (Arc::clone(settings), report.tally.clone(), report.line.unjudged);
    let building = tokio::task::spawn_blocking(move || {
        // Held until it is done, also if nobody waits for it any more.
        let _turn = turn;
        build(settings.identity_for(&key.domain), &key, &tally, unjudged)
    });
    match building.await {
        Ok(Ok(built)) => Ok(Content::Report(Box::new(built))),
        Ok(Err(error)) => Ok(Content::Nothing(Nothing::NoForm(error.to_string()))),
        Err(error) => {
            tracing::error!(%error, "the preview of a report could not be built");
            Err(Failure::Broken)
        }
    }
}
