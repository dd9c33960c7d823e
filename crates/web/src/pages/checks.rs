//! What audits found: every domain that is looked at on a schedule, and one domain with its history.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use tlsward_engine::check::{Change, Code, Snapshot, Verdict};
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::{Checks, Clock, Spell};

use super::domain::encoded;
use super::failure::Failure;
use super::shown::Shown;
use super::{App, Frame, PageResult, Place, render};
use crate::times;

/// After two rounds without it a domain is not looked at any more.
const ROUNDS_SECONDS: i64 = 2 * 3600 + 600;
/// Domains on one page.
const LINES: usize = 100;
/// Spells of the history that are shown.
const SPELLS: usize = 50;

#[derive(Debug, Deserialize)]
pub(super) struct Question {
    after: Option<String>,
}

#[derive(Template)]
#[template(path = "checks.html")]
struct ChecksPage {
    frame: Frame,
    lines: Vec<Line>,
    next_href: Option<String>,
    is_further: bool,
}

struct Line {
    domain: Shown,
    href: String,
    verdict: Says,
    errors: usize,
    warnings: usize,
    since: String,
    at: String,
    /// It was taken out of the configuration, or the server did not run.
    is_old: bool,
}

/// A verdict as it is shown.
struct Says {
    token: String,
    class: &'static str,
    text: &'static str,
}

/// A report as it was kept. Only what the page shows is read; text is a stranger's.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Kept {
    findings: Vec<KeptFinding>,
    policy: Option<KeptPolicy>,
    mx: Vec<KeptMx>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct KeptFinding {
    code: String,
    level: String,
    subject: String,
    text: String,
    fix: String,
    rfc: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct KeptPolicy {
    id: Option<String>,
    lines: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct KeptMx {
    host: String,
    preference: Option<u16>,
    used: Option<bool>,
    why: Option<String>,
    dane: String,
    addresses: Vec<KeptAddress>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct KeptAddress {
    address: String,
    outcome: String,
    tls: Option<String>,
    expires_in_days: Option<i64>,
}

#[derive(Template)]
#[template(path = "check.html")]
struct CheckPage {
    frame: Frame,
    domain: Shown,
    reports_href: String,
    verdict: Says,
    since: String,
    at: String,
    findings: Vec<Finding>,
    policy: Option<(Option<Shown>, Shown)>,
    hosts: Vec<Host>,
    history: Vec<Event>,
}

struct Finding {
    title: String,
    code: Shown,
    level: Shown,
    is_bad: bool,
    subject: Shown,
    text: Shown,
    fix: Shown,
    rfc: Shown,
}

struct Host {
    name: Shown,
    preference: String,
    used: &'static str,
    is_bad: bool,
    why: Shown,
    dane: Shown,
    addresses: Vec<(Shown, Shown)>,
}

struct Event {
    since: String,
    verdict: Says,
    changes: Vec<String>,
}

pub(super) async fn list<S: Checks, C: Clock>(
    State(app): State<Arc<App<S, C>>>,
    Query(question): Query<Question>,
) -> PageResult {
    let is_further = question.after.is_some();
    let mut found = app.evidence.latest(question.after.as_deref(), LINES + 1).await?;
    let next_href = (found.len() > LINES).then(|| {
        found.truncate(LINES);
        let last = found.last().map(|spell| spell.last.domain.as_str()).unwrap_or_default();
        format!("/checks?after={}", encoded(last))
    });
    let now = app.clock.now();
    let lines = found.iter().map(|spell| line(spell, now)).collect();
    render(&ChecksPage { frame: Frame::new("Checks", Place::Checks), lines, next_href, is_further })
}

pub(super) async fn show<S: Checks, C: Clock>(
    State(app): State<Arc<App<S, C>>>,
    Path(domain): Path<String>,
) -> PageResult {
    let spells = app.evidence.spells(&domain, SPELLS).await?;
    let Some(newest) = spells.first() else { return Err(Failure::NotFound("check").into()) };
    let kept = read(newest);
    render(&CheckPage {
        frame: Frame::new(format!("Check of {}", Shown::line(&domain)), Place::Checks),
        domain: Shown::line(&domain),
        reports_href: format!("/domains/{}", encoded(&domain)),
        verdict: says(&newest.last.verdict),
        since: times::minute(newest.since),
        at: times::minute(newest.last.at),
        findings: kept.findings.iter().map(finding).collect(),
        policy: kept.policy.map(|policy| {
            let id = policy.id.as_deref().map(Shown::line);
            (id, Shown::lines(policy.lines.iter().map(String::as_str)))
        }),
        hosts: kept.mx.iter().map(host).collect(),
        history: history(&spells),
    })
}

/// What was kept in another form than this program's is shown as far as it goes.
fn read(spell: &Spell) -> Kept {
    serde_json::from_str(&spell.last.report).unwrap_or_default()
}

fn line(spell: &Spell, now: UnixTime) -> Line {
    let kept = read(spell);
    let of = |level: &str| kept.findings.iter().filter(|finding| finding.level == level).count();
    Line {
        domain: Shown::line(&spell.last.domain),
        href: format!("/checks/{}", encoded(&spell.last.domain)),
        verdict: says(&spell.last.verdict),
        errors: of("error"),
        warnings: of("warning"),
        since: times::minute(spell.since),
        at: times::minute(spell.last.at),
        is_old: spell.last.at < now - ROUNDS_SECONDS,
    }
}

fn says(token: &str) -> Says {
    // A token of another version says nothing to this one.
    let verdict = Verdict::from_wire(token).unwrap_or(Verdict::Unknown);
    let class = match verdict {
        Verdict::Delivers => "good",
        Verdict::AtRisk | Verdict::Refused | Verdict::Broken => "bad",
        Verdict::None | Verdict::Unknown => "none",
    };
    let text = verdict.meaning();
    Says { token: Shown::line(token).to_string(), class, text }
}

fn finding(kept: &KeptFinding) -> Finding {
    let title = Code::from_wire(&kept.code).map(|code| code.about().title.to_owned());
    Finding {
        title: title.unwrap_or_else(|| Shown::line(&kept.code).to_string()),
        code: Shown::line(&kept.code),
        level: Shown::line(&kept.level),
        is_bad: kept.level == "error",
        subject: Shown::line(&kept.subject),
        text: Shown::block(&kept.text),
        fix: Shown::lines(kept.fix.lines()),
        rfc: Shown::line(&kept.rfc),
    }
}

fn host(kept: &KeptMx) -> Host {
    let (used, is_bad) = match kept.used {
        Some(true) => ("used", false),
        Some(false) => ("not used", true),
        None => ("could not be told", false),
    };
    let addresses = kept.addresses.iter().map(|address| {
        let mut text = address.outcome.clone();
        if let Some(tls) = &address.tls {
            text.push_str(&format!(", {tls}"));
        }
        match address.expires_in_days {
            Some(days @ 0..) => text.push_str(&format!(", certificate for {days} more days")),
            Some(_) => text.push_str(", certificate expired"),
            None => {}
        }
        (Shown::line(&address.address), Shown::line(&text))
    });
    Host {
        name: Shown::line(&kept.host),
        preference: kept.preference.map_or_else(|| "–".to_owned(), |preference| preference.to_string()),
        used,
        is_bad,
        why: Shown::maybe(kept.why.as_deref()),
        dane: Shown::maybe(Some(&kept.dane)),
        addresses: addresses.collect(),
    }
}

/// Newest first, each spell with what was new in it.
fn history(spells: &[Spell]) -> Vec<Event> {
    let snapshots: Vec<_> = spells.iter().map(|spell| Snapshot::from_json(&spell.last.snapshot)).collect();
    let mut events = Vec::with_capacity(spells.len());
    for (index, spell) in spells.iter().enumerate() {
        let before = snapshots.get(index + 1).and_then(Option::as_ref);
        let changes = match (before, &snapshots[index]) {
            (Some(before), Some(now)) => before.changes(now).iter().map(words).collect(),
            (None, _) if index + 1 == spells.len() => vec!["The first check that is kept.".to_owned()],
            _ => Vec::new(),
        };
        events.push(Event { since: times::minute(spell.since), verdict: says(&spell.last.verdict), changes });
    }
    events
}

fn words(change: &Change) -> String {
    let about = |code: &str, subject: &str| {
        let title = Code::from_wire(code).map_or(code, |code| code.about().title);
        format!("{}: {}", Shown::line(title), Shown::line(subject))
    };
    match change {
        Change::Verdict(old, new) => format!("Verdict {}, before {}.", Shown::line(new), Shown::line(old)),
        Change::Appeared(code, subject) => format!("New. {}", about(code, subject)),
        Change::Gone(code, subject) => format!("Gone. {}", about(code, subject)),
        Change::PolicyAndId => "The policy changed, and its id with it.".to_owned(),
        Change::PolicyWithoutId => {
            "The policy changed and its id did not: senders that hold the old one do not look \
                                    again until they refresh it. Give the record a new id."
                .to_owned()
        }
        Change::IdWithoutPolicy => {
            "The id changed and the policy did not: every sender fetches it again for nothing.".to_owned()
        }
        Change::PolicyCame => "A policy came into use.".to_owned(),
        Change::PolicyWent => {
            "The policy is no longer to be had. Senders that hold it keep to it.".to_owned()
        }
        Change::MxCame(host) => format!("MX host {} came.", Shown::line(host)),
        Change::MxWent(host) => format!("MX host {} went.", Shown::line(host)),
    }
}
