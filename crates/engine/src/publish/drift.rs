//! What is published against what should be: whatever differs, as findings with a remedy, like those of a check.
//!
//! What the grammar says of a record or policy and how the policy host answers is judged by [`crate::check`] alone; here it is
//! compared with what the owner wants. Pure; trouble with a look is never taken for a difference. **Nothing is changed by
//! what is seen**: an MX host that DNS names and the policy does not is an alert at once, and never put into the policy.

mod code;

pub use code::DriftCode;

use serde::Serialize;
use smtp_dane::pkix::TrustRoots;

use super::adopt::is_same_destination;
use super::outside::{LiveMx, LivePolicy, LiveRecord, LiveReporting, Outside, means_the_same, read};
use super::records::{DesiredError, HostAt, Names, Place, Zone, desired};
use super::zone::lines;
use super::{Desired, DesiredText, Wish};
use crate::check::text::{list, tame};
use crate::check::{Code, Level, Observations, decide};
use crate::facts::UnixTime;
use code::is_ours;
use mta_sts::mx::matches_any;
use mta_sts::policy::{self, Mode, Policy};

/// What should be seen of a domain.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// What its owner wants.
    pub wish: &'a Wish,
    /// What DNS is to hold.
    pub desired: &'a Desired,
    /// The policy that is served, to the byte; `None`: none.
    pub body: Option<&'a [u8]>,
    /// Where its records are and lead.
    pub place: &'a Place,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// Which.
    pub code: DriftCode,
    /// How much it matters.
    pub level: Level,
    /// What it is about: a name, a URL, an MX host, a destination for reports.
    pub subject: String,
    /// What was found and what it means.
    pub text: String,
    /// What to do.
    pub fix: String,
}

impl Drift {
    /// Whether the owner is told at once, and not when it was seen twice: mail is refused, or somebody else may be at work.
    #[must_use]
    pub fn is_urgent(&self) -> bool {
        matches!(
            self.code,
            DriftCode::RecordOtherId
                | DriftCode::PolicyDiffers
                | DriftCode::NoMxInPolicy
                | DriftCode::Check(Code::MxNotInPolicy)
        )
    }
}

/// Compares what was seen with what is wanted, at `now`. Errors first.
///
/// # Errors
/// [`DesiredError`]: what is wanted can be no records.
pub fn drift(
    wanted: &Wanted<'_>,
    seen: &Observations,
    roots: &TrustRoots,
    now: UnixTime,
) -> Result<Vec<Drift>, DesiredError> {
    let outside = read(seen, roots, now);
    let mut case = Case {
        wanted,
        seen,
        names: Names::asked(&seen.domain)?,
        fix: fixes(wanted, seen)?,
        found: Vec::new(),
    };
    let has_policy = wanted.body.is_some();
    for finding in decide(seen, roots, now).findings {
        // A domain that only asks for reports has no policy that could be at fault.
        if is_ours(finding.code) && (has_policy || !is_of_policy(finding.code)) {
            let fix = case.fix_of(finding.code).unwrap_or(finding.fix);
            case.found.push(Drift {
                code: DriftCode::Check(finding.code),
                level: finding.level,
                subject: finding.subject,
                text: finding.text,
                fix,
            });
        }
    }
    case.record(&outside);
    case.policy(&outside);
    case.reporting(&outside);
    case.mx(&outside);
    let mut found = case.found;
    found.sort_by(|one, other| {
        (one.level, one.code, &one.subject).cmp(&(other.level, other.code, &other.subject))
    });
    Ok(found)
}

fn is_of_policy(code: Code) -> bool {
    let token = code.as_wire();
    token.starts_with("policy-") || token.starts_with("sts-")
}

/// The lines of a zone file that put things right.
struct Fixes {
    announcement: String,
    host: String,
    reporting: String,
}

fn fixes(wanted: &Wanted<'_>, seen: &Observations) -> Result<Fixes, DesiredError> {
    let written = Names::written(&seen.domain, &wanted.place.zone)?;
    let sets = desired(&seen.domain, wanted.desired, wanted.place, false)?;
    let aliases = super::records::delegation(&seen.domain, wanted.place)?;
    let asked = Names::asked(&seen.domain)?;
    let of = |name: &String, asked: &String| {
        // Where a zone of ours answers, it is the owner's alias that is missing or wrong.
        let source = if wanted.place.zone == Zone::Own { (&sets, name) } else { (&aliases, asked) };
        let of_name: Vec<_> = source.0.iter().filter(|set| set.name == *source.1).cloned().collect();
        lines(&of_name).into_iter().map(|line| line.line).collect::<Vec<_>>().join("\n")
    };
    Ok(Fixes {
        announcement: of(&written.announcement, &asked.announcement),
        host: of(&written.host, &asked.host),
        reporting: of(&written.reporting, &asked.reporting),
    })
}

struct Case<'a> {
    wanted: &'a Wanted<'a>,
    seen: &'a Observations,
    names: Names,
    fix: Fixes,
    found: Vec<Drift>,
}

impl Case<'_> {
    fn add(&mut self, code: DriftCode, level: Level, subject: &str, text: String, fix: String) {
        self.found.push(Drift { code, level, subject: tame(subject).into_owned(), text, fix });
    }

    /// The record that should be there, in place of a check's proposal with an id of its own.
    fn fix_of(&self, code: Code) -> Option<String> {
        let token = code.as_wire();
        let line = if token.starts_with("sts-record") {
            &self.fix.announcement
        } else if token.starts_with("tlsrpt") {
            &self.fix.reporting
        } else if matches!(code, Code::PolicyHostMissing | Code::PolicyHostDanglingAlias) {
            &self.fix.host
        } else {
            return None;
        };
        (!line.is_empty()).then(|| only(line))
    }

    fn record(&mut self, outside: &Outside) {
        let name = self.names.announcement.clone();
        let DesiredText::Is(wanted) = &self.wanted.desired.id else { return };
        match &outside.record {
            LiveRecord::Absent => {
                let text = format!(
                    "There is no record at {name}, so senders that do not know the policy yet do not look for it, and their \
                     mail can be intercepted."
                );
                self.add(DriftCode::RecordMissing, Level::Error, &name, text, only(&self.fix.announcement));
            }
            LiveRecord::Usable { id, .. } if id != wanted => {
                let text = format!(
                    "The record at {name} has the id {} and should have {}. Either an older record is still remembered, or \
                     somebody else wrote it.",
                    id.as_wire(),
                    wanted.as_wire()
                );
                let fix = format!(
                    "If nobody changed it, wait until the record's time to live has passed. Else {}",
                    only(&self.fix.announcement)
                );
                self.add(DriftCode::RecordOtherId, Level::Error, &name, text, fix);
            }
            // What cannot be used or told is a check's finding.
            LiveRecord::Usable { .. } | LiveRecord::Unusable(_) | LiveRecord::Unknown(_) => {}
        }
    }

    fn policy(&mut self, outside: &Outside) {
        let Some(body) = self.wanted.body else { return };
        let url = self.seen.domain.policy_url();
        match &outside.policy {
            LivePolicy::Served(served) if served.body.as_ref() == body => {}
            LivePolicy::Served(served) => {
                let text = differs(&served.policy, policy::parse(body).usable().ok());
                let fix = format!(
                    "{} What serves it must be this program, or what was exported from it.",
                    only(&self.fix.host)
                );
                self.add(DriftCode::PolicyDiffers, Level::Error, &url, text, fix);
                self.host(&outside.policy);
            }
            LivePolicy::Absent(why) | LivePolicy::Unusable(why) => {
                let text = format!(
                    "No sender can fetch the policy: {why}. Those that hold one keep to it until it runs out; the others \
                     deliver without protection."
                );
                self.add(DriftCode::PolicyMissing, Level::Error, &url, text, only(&self.fix.host));
                self.host(&outside.policy);
            }
            // Said by the check, and where it cannot be told nothing is said.
            LivePolicy::Differs(_) => self.host(&outside.policy),
            LivePolicy::Unknown(_) => {}
        }
    }

    /// Where the policy is not ours: does its host lead elsewhere? An alias that a provider flattens to addresses is seen only
    /// by what is served there, so it is no difference by itself.
    fn host(&mut self, policy: &LivePolicy) {
        if matches!(policy, LivePolicy::Unknown(_)) {
            return;
        }
        let seen = self.seen;
        let host = self.names.host.clone();
        let replies = &seen.policy_host;
        let addresses = replies.addresses();
        let aliases = replies.aliases();
        let led_by_zone = match &self.wanted.place.zone {
            Zone::Own => true,
            Zone::Embedded(zone) => {
                let ours = format!("{host}.{zone}");
                aliases.contains(&ours)
            }
        };
        let led_to_host = match &self.wanted.place.host {
            HostAt::Alias(target) => aliases.iter().any(|alias| alias == target.as_str()),
            HostAt::Addresses { v4, v6 } => addresses.iter().all(|address| match address {
                std::net::IpAddr::V4(address) => v4.contains(address),
                std::net::IpAddr::V6(address) => v6.contains(address),
            }),
        };
        if (led_by_zone && led_to_host) || (addresses.is_empty() && aliases.is_empty()) {
            return;
        }
        let to = match aliases.last() {
            Some(alias) => format!("to {}", tame(alias)),
            None => format!("to {}", list(addresses)),
        };
        let text = format!("{host} leads {to}, which is not where policies are served from here.");
        self.add(DriftCode::HostElsewhere, Level::Error, &host, text, only(&self.fix.host));
    }

    fn reporting(&mut self, outside: &Outside) {
        if !matches!(self.wanted.desired.reporting, DesiredText::Is(_)) {
            return;
        }
        let name = self.names.reporting.clone();
        let live = match &outside.reporting {
            LiveReporting::Absent => {
                let text = format!(
                    "There is no record at {name}: nobody reports what goes wrong with mail for the domain."
                );
                self.add(DriftCode::ReportingMissing, Level::Warning, &name, text, only(&self.fix.reporting));
                return;
            }
            LiveReporting::Usable { rua, lost } => rua.iter().chain(lost).cloned().collect::<Vec<_>>(),
            // A check's finding.
            LiveReporting::Unusable { .. } | LiveReporting::Unknown(_) => return,
        };
        let wanted = self.wanted.wish.rua.clone();
        for uri in wanted.iter().filter(|uri| !live.iter().any(|live| is_same_destination(live, uri))) {
            let text =
                format!("The record at {name} does not name this destination: reports do not go there.");
            self.add(DriftCode::RuaMissing, Level::Warning, uri, text, only(&self.fix.reporting));
        }
        for uri in live.iter().filter(|live| !wanted.iter().any(|uri| is_same_destination(live, uri))) {
            let text = format!("The record at {name} sends reports here as well, which you did not ask for.");
            self.add(DriftCode::RuaForeign, Level::Warning, uri, text, only(&self.fix.reporting));
        }
    }

    fn mx(&mut self, outside: &Outside) {
        let Some(mode) = self.wanted.wish.stage.mode().filter(|mode| *mode != Mode::None) else { return };
        if self.wanted.body.is_none() {
            return;
        }
        let domain = self.seen.domain.to_string();
        if outside.mx == LiveMx::Null {
            return;
        }
        let Some(hosts) = outside.mx.hosts(&domain) else { return };
        let patterns = &self.wanted.wish.mx;
        let refused = if mode == Mode::Enforce {
            "do not deliver there"
        } else {
            "report it, and will not deliver there once it is enforced"
        };
        let level = if mode == Mode::Enforce { Level::Error } else { Level::Warning };
        let foreign: Vec<&String> = hosts.iter().filter(|host| !matches_any(patterns, host)).collect();
        for host in &foreign {
            let text = format!(
                "DNS sends mail for {domain} to {host}, which the policy does not name: senders that hold to it {refused}. \
                 Either somebody forgot the policy, or somebody forged or took over the DNS records. The policy stays as it \
                 is."
            );
            let fix = format!(
                "If the host is yours: `tlsward domain mx add {domain} {host}`. If not: take its MX record out of DNS, and \
                 find out who put it there."
            );
            self.add(DriftCode::Check(Code::MxNotInPolicy), level, host, text, fix);
        }
        if !hosts.is_empty() && foreign.len() == hosts.len() {
            let text = format!(
                "The policy names none of the hosts to which DNS sends mail for {domain}: {}.",
                list(&hosts)
            );
            let fix = format!(
                "See `tlsward domain show {domain}`: either the MX records or the policy are of another time."
            );
            self.add(DriftCode::NoMxInPolicy, level, &domain, text, fix);
        }
        for pattern in patterns {
            if !hosts.iter().any(|host| matches_any(std::slice::from_ref(pattern), host)) {
                let pattern = pattern.as_wire().into_owned();
                let text = format!(
                    "The policy names `mx: {pattern}`, and DNS sends mail for {domain} to no such host."
                );
                let fix = format!(
                    "If its MX record is still to come, nothing. If it went: `tlsward domain mx remove {domain} {pattern}`."
                );
                self.add(DriftCode::Check(Code::PolicyPatternUnused), Level::Info, &pattern, text, fix);
            }
        }
    }
}

fn only(lines: &str) -> String {
    match lines {
        "" => "Publish what `tlsward domain plan` says.".to_owned(),
        lines => format!("Publish exactly this:\n{lines}"),
    }
}

/// In what a live policy differs from ours.
fn differs(live: &Policy, ours: Option<&Policy>) -> String {
    let Some(ours) = ours else { return "Another policy is served than should be.".to_owned() };
    let mut differences = Vec::new();
    if live.mode() != ours.mode() {
        differences.push(format!(
            "its mode is {} instead of {}",
            live.mode().as_wire(),
            ours.mode().as_wire()
        ));
    }
    if live.max_age() != ours.max_age() {
        differences.push(format!(
            "its max_age is {} instead of {}",
            live.max_age().as_secs(),
            ours.max_age().as_secs()
        ));
    }
    let names = |one: &Policy, other: &Policy| -> Vec<String> {
        let missing = one.mx().iter().filter(|pattern| !other.mx().contains(pattern));
        missing.map(|pattern| tame(&pattern.as_wire()).into_owned()).collect()
    };
    let (more, less) = (names(live, ours), names(ours, live));
    if !more.is_empty() {
        differences.push(format!("it also names {}", list(more)));
    }
    if !less.is_empty() {
        differences.push(format!("it does not name {}", list(less)));
    }
    if differences.is_empty() {
        debug_assert!(means_the_same(live, ours));
        differences.push("it means the same in other lines".to_owned());
    }
    format!("Another policy is served than should be: {}.", differences.join("; "))
}
