//! What to do for a domain, for somebody who has never heard of MTA-STS: the exact records and the file to publish now, in
//! order, what is waited for, and what comes next, with dates.
//!
//! Made of what is kept ([`Publication`]) alone, so it can be asked for at any time and changes nothing. The record that
//! announces a policy has no text here before its id is given: whoever published it too early would have senders keep the
//! old policy under the new id (RFC 8461 §8.1).

mod text;

use mta_sts::policy::Mode;
use serde::Serialize;

use super::dates::{DAY, rfc3339, rfc3339_or_null};
use super::records::{DesiredError, Names, Place, Zone, delegation, desired};
use super::zone::{RecordLine, lines};
use super::{BodySeen, Desired, DesiredText, Phase, Publication, RecordSeen, Stage, WishError};
use crate::check::text::tame;
use crate::facts::UnixTime;
use crate::ports::publish::RecordSet;

/// What to do for a domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Which.
    pub domain: String,
    /// When this was true.
    #[serde(serialize_with = "rfc3339")]
    pub at: UnixTime,
    /// How far the domain has come.
    pub stage: Stage,
    /// Why nothing happens before the owner has looked; `None`: all goes its way.
    pub held: Option<String>,
    /// What to publish, in this order.
    pub steps: Vec<Step>,
    /// What is waited for.
    pub waiting: Option<Waiting>,
    /// What comes next.
    pub next: Vec<Next>,
    /// Until then a sender may hold a policy of the domain; `None`: none was served.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub cached_until: Option<UnixTime>,
}

/// One thing to publish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What.
    pub kind: StepKind,
    /// Whether you do it by hand.
    pub by_hand: bool,
    /// How far it is.
    pub state: StepState,
    /// What it is and what for.
    pub text: String,
    /// The records. One without value is to be taken away.
    pub records: Vec<RecordLine>,
    /// The file.
    pub file: Option<File>,
    /// What was seen of it last, where that is not as it should be.
    pub note: Option<String>,
}

/// Things to publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepKind {
    /// Aliases into our zone, once.
    Delegate,
    /// The record that asks for reports.
    AskForReports,
    /// Where the policy host is.
    PolicyHost,
    /// The policy.
    Policy,
    /// The record that announces the policy.
    Announce,
    /// The records are taken away.
    TakeAway,
}

/// How far a step is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepState {
    /// It is live.
    Done,
    /// It is to be done, or was and is not seen yet.
    Now,
    /// Not before what stands above it.
    Later,
}

/// A file to serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct File {
    /// Where.
    pub url: String,
    /// As what.
    pub content_type: &'static str,
    /// To the byte: lines end in CRLF.
    pub body: String,
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Waiting {
    /// In words.
    pub text: String,
    /// Since when.
    #[serde(serialize_with = "rfc3339")]
    pub since: UnixTime,
    /// When it is over, where that is known.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub until: Option<UnixTime>,
}

/// Something that comes next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Next {
    /// In words.
    pub text: String,
    /// Not before, where that is known.
    #[serde(serialize_with = "rfc3339_or_null")]
    pub not_before: Option<UnixTime>,
}

/// How the domain's records are written, and since when it is in its stage.
#[derive(Debug, Clone, Copy)]
pub struct Ways<'a> {
    /// Where the records are and lead.
    pub place: &'a Place,
    /// Whether a person writes them.
    pub by_hand: bool,
    /// When the stage began, if that is known.
    pub stage_since: Option<UnixTime>,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The owner corrects the wish.
    #[error(transparent)]
    Wish(#[from] WishError),
    /// The owner corrects the configuration.
    #[error(transparent)]
    Records(#[from] DesiredError),
}

/// What to do for a domain at `now`.
///
/// # Errors
/// [`PlanError`]: what is wanted cannot be published.
pub fn plan(publication: &Publication, ways: &Ways<'_>, now: UnixTime) -> Result<Plan, PlanError> {
    let cached_until = publication.cached_until(now);
    Ok(Plan {
        domain: publication.domain.to_string(),
        at: now,
        stage: publication.wish.stage,
        held: publication.hold.as_ref().map(|hold| hold.text(&publication.domain)),
        steps: steps(publication, ways)?,
        waiting: waiting(publication, now),
        next: next(publication, ways, now),
        cached_until: (cached_until > 0).then_some(cached_until),
    })
}

fn steps(publication: &Publication, ways: &Ways<'_>) -> Result<Vec<Step>, PlanError> {
    let domain = &publication.domain;
    let place = ways.place;
    let names = Names::written(domain, &place.zone)?;
    let had_host = publication.last_number > 0;
    let wanted = publication.desired();
    let has_policy = publication.wish.stage.mode().is_some();
    // What is to come counts as well as what is served already.
    let all = Desired { host: wanted.host || has_policy, ..wanted.clone() };
    let sets = desired(domain, &all, place, had_host)?;
    let of = |name: &str| -> Vec<RecordSet> { sets.iter().filter(|set| set.name == name).cloned().collect() };
    let mut steps = Vec::new();

    if matches!(publication.phase, Phase::Ending { .. } | Phase::Leaving) {
        steps.push(take_away(publication, ways, &sets));
        return Ok(steps);
    }
    let is_body_live = publication.seen.body == BodySeen::Everywhere;
    let is_record_live = matches!(publication.seen.record, RecordSeen::Live { .. });
    let is_reporting_live = matches!(publication.seen.reporting, RecordSeen::Live { .. });
    let done = |is_done| if is_done { StepState::Done } else { StepState::Now };

    if place.zone != Zone::Own {
        steps.push(Step {
            kind: StepKind::Delegate,
            by_hand: true,
            state: done(is_reporting_live || is_body_live || is_record_live),
            text: "Once, and never again: these aliases let everything else be answered from here. They replace whatever \
                   stands at the three names today."
                .to_owned(),
            records: lines(&delegation(domain, place)?),
            file: None,
            note: None,
        });
    }
    let by_hand = ways.by_hand && place.zone == Zone::Own;
    if matches!(wanted.reporting, DesiredText::Is(_)) {
        steps.push(Step {
            kind: StepKind::AskForReports,
            by_hand,
            state: done(is_reporting_live),
            text: "Asks the mail servers of others to report once a day how their encrypted connections to you went. It \
                   changes nothing about how mail is delivered."
                .to_owned(),
            records: lines(&of(&names.reporting)),
            file: None,
            note: record_note(&publication.seen.reporting),
        });
    }
    let Some(policy) = publication.wish.policy()? else { return Ok(steps) };
    // What is served is what is wanted, once the order was obeyed.
    let body = match &publication.served {
        Some(served) => String::from_utf8_lossy(&served.body).into_owned(),
        None => policy.to_body().map_err(WishError::from)?,
    };
    let body_note = match &publication.seen.body {
        BodySeen::NotYet(text) | BodySeen::Unknown(text) => Some(tame(text).into_owned()),
        BodySeen::NotLooked | BodySeen::Everywhere => None,
    };
    let is_body_told = is_body_live && !matches!(publication.phase, Phase::Showing { .. });
    steps.push(Step {
        kind: StepKind::PolicyHost,
        by_hand,
        state: done(is_body_told),
        text: format!("Lets {} lead to the server that gives out your policy.", domain.policy_host()),
        records: lines(&of(&names.host)),
        file: None,
        note: None,
    });
    steps.push(Step {
        kind: StepKind::Policy,
        by_hand: false,
        state: done(is_body_told),
        text: match policy.mode() {
            Mode::Testing => {
                "The policy: it names the servers that take your mail. In mode testing nothing is refused; \
                              senders report what they would refuse."
                    .to_owned()
            }
            Mode::Enforce => {
                "The policy: it names the servers that take your mail. In mode enforce senders deliver to \
                              these alone, and only over an encrypted connection with a valid certificate."
                    .to_owned()
            }
            Mode::None => {
                "The policy, in mode none: it tells senders to forget what it said before.".to_owned()
            }
        },
        records: Vec::new(),
        file: Some(File { url: domain.policy_url(), content_type: "text/plain", body }),
        note: body_note,
    });
    let announced = of(&names.announcement);
    steps.push(Step {
        kind: StepKind::Announce,
        by_hand,
        state: match (&publication.phase, is_record_live) {
            (Phase::Showing { .. }, _) => StepState::Later,
            (_, true) => StepState::Done,
            (_, false) if announced.is_empty() => StepState::Later,
            (_, false) => StepState::Now,
        },
        text: match announced.is_empty() {
            true => "Announces the policy under a new id. Its text is given once every address of the policy host was seen \
                     to give out the policy: announced too early, senders would keep what was there before."
                .to_owned(),
            false => "Announces the policy: senders fetch it when they see a new id.".to_owned(),
        },
        records: lines(&announced),
        file: None,
        note: record_note(&publication.seen.record),
    });
    Ok(steps)
}

fn take_away(publication: &Publication, ways: &Ways<'_>, sets: &[RecordSet]) -> Step {
    Step {
        kind: StepKind::TakeAway,
        by_hand: ways.by_hand && ways.place.zone == Zone::Own,
        state: StepState::Now,
        text: match publication.phase {
            Phase::Leaving => "The domain is no longer looked after here: its records go.".to_owned(),
            _ => "No sender can hold a policy of the domain any more: what announced it goes first, then the policy host."
                .to_owned(),
        },
        records: lines(&sets.iter().filter(|set| set.values.is_empty()).cloned().collect::<Vec<_>>()),
        file: None,
        note: record_note(&publication.seen.record),
    }
}

fn record_note(seen: &RecordSeen) -> Option<String> {
    match seen {
        RecordSeen::NotLooked | RecordSeen::Live { .. } => None,
        RecordSeen::Absent => Some("it is not there yet".to_owned()),
        RecordSeen::Older(text) | RecordSeen::Partly(text) => Some(tame(text).into_owned()),
        RecordSeen::Other(text) => Some(format!("something else stands there: {}", tame(text))),
        RecordSeen::Broken(text) => Some(format!("what stands there is of no use: {}", tame(text))),
        RecordSeen::Unknown(text) => Some(format!("it could not be seen: {}", tame(text))),
    }
}

fn waiting(publication: &Publication, now: UnixTime) -> Option<Waiting> {
    let host = publication.domain.policy_host();
    let (text, since, until) = match publication.phase {
        Phase::Showing { since, .. } => {
            (format!("until every address of {host} was seen from outside to give out exactly this policy"), since, None)
        }
        Phase::Announcing { since, .. } => (
            format!("until every name server of {} shows the record that announces the policy", publication.domain),
            since,
            None,
        ),
        Phase::Ending { since, gone_at } => (
            "until the record that announced the policy is gone from every name server and forgotten everywhere".to_owned(),
            since,
            gone_at.zip(publication.live).map(|(gone, live)| gone.saturating_add(i64::from(live.ttl_secs))),
        ),
        Phase::Leaving => ("until its records are gone".to_owned(), now, None),
        Phase::Quiet if publication.wish.stage == Stage::WindingDown && publication.served.is_some() => (
            "until no sender can hold an older policy".to_owned(),
            publication.served.as_ref().map_or(now, |served| served.first_served_at),
            Some(publication.cached_until(now)),
        ),
        Phase::Quiet => return None,
    };
    Some(Waiting { text, since, until })
}

/// How long a stage should last at least (two weeks of reports, then a week of enforcement before senders keep it for long).
const REPORTING_SECS: i64 = 14 * DAY;
const TESTING_SECS: i64 = 14 * DAY;
const SHORT_ENFORCE_SECS: i64 = 7 * DAY;
/// RFC 8461 §10.2: as long as is practical; four weeks.
const LONG_MAX_AGE_SECS: u32 = 2_419_200;

fn next(publication: &Publication, ways: &Ways<'_>, now: UnixTime) -> Vec<Next> {
    let after = |secs: i64| ways.stage_since.map(|since| since.saturating_add(secs));
    let domain = &publication.domain;
    let mut next = Vec::new();
    let mut add = |text: String, not_before| next.push(Next { text, not_before });
    match publication.wish.stage {
        _ if matches!(publication.phase, Phase::Ending { .. } | Phase::Leaving) => {}
        Stage::Reporting => {
            add(
                format!(
                    "Look through the reports: `tlsward domain show {domain}`. When every server that takes your mail has \
                     a valid certificate, publish a policy in mode testing."
                ),
                after(REPORTING_SECS),
            );
        }
        Stage::Testing => {
            add(
                "When the reports show no failure that enforcement would turn into refused mail: mode enforce, which \
                 senders keep for a week at first."
                    .to_owned(),
                after(TESTING_SECS),
            );
        }
        Stage::Enforce => {
            if publication.max_age().is_some_and(|max_age| max_age.as_secs() < LONG_MAX_AGE_SECS) {
                add(
                    "While all is quiet: a longer max_age (four weeks or more), so that senders still hold the policy when \
                     somebody keeps them from fetching it."
                        .to_owned(),
                    after(SHORT_ENFORCE_SECS),
                );
            }
            add(
                format!(
                    "Before the servers that take your mail change: `tlsward domain mx add {domain} HOST` first, DNS later."
                ),
                None,
            );
        }
        Stage::WindingDown => {
            let until = publication.cached_until(now);
            add("The record that announces the policy goes, then the policy host.".to_owned(), Some(until));
            add(
                "Until then leave everything as it is: whoever holds an older policy still asks for it."
                    .to_owned(),
                None,
            );
        }
    }
    next
}

#[cfg(test)]
mod tests;
