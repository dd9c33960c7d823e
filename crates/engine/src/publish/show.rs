//! What is published against what should be, side by side: for `tlsward domain show` and the pages.
//!
//! Compares nothing itself: what differs is said by [`super::drift`].

use std::fmt::Write as _;

use serde::Serialize;
use smtp_dane::pkix::TrustRoots;

use super::dates::{moment, rfc3339};
use super::drift::{Drift, Wanted, drift};
use super::outside::{LiveMx, LivePolicy, LiveRecord, LiveReporting, read};
use super::records::{DesiredError, Names, delegation, desired};
use super::zone::lines;
use crate::check::Observations;
use crate::check::text::tame;
use crate::facts::UnixTime;

/// A domain as it should be and as it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Show {
    /// Which.
    pub domain: String,
    /// When it was seen.
    #[serde(serialize_with = "rfc3339")]
    pub seen_at: UnixTime,
    /// Record by record, and the policy.
    pub rows: Vec<Row>,
    /// What differs, errors first.
    pub findings: Vec<Drift>,
}

/// One thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// A name or a URL.
    pub place: String,
    /// Lines of a zone file or of the policy, as they should be; empty: nothing should be there, or nothing is said.
    pub wanted: Vec<String>,
    /// What was seen, in the same form where it can be.
    pub seen: Vec<String>,
}

/// What is published of a domain against what should be, as seen at `now`.
///
/// # Errors
/// [`DesiredError`]: what is wanted can be no records.
pub fn show(
    wanted: &Wanted<'_>,
    seen: &Observations,
    roots: &TrustRoots,
    now: UnixTime,
) -> Result<Show, DesiredError> {
    let domain = &seen.domain;
    let outside = read(seen, roots, now);
    let asked = Names::asked(domain)?;
    let written = Names::written(domain, &wanted.place.zone)?;
    let mut sets = delegation(domain, wanted.place)?;
    sets.extend(desired(domain, wanted.desired, wanted.place, false)?);
    let of = |names: [&String; 2]| -> Vec<String> {
        let of_names: Vec<_> = sets.iter().filter(|set| names.contains(&&set.name)).cloned().collect();
        lines(&of_names).into_iter().map(|line| line.line).collect()
    };
    let row =
        |place: &str, wanted: Vec<String>, seen: Vec<String>| Row { place: place.to_owned(), wanted, seen };
    let body = |bytes: &[u8]| -> Vec<String> {
        mta_sts::policy::served_lines(bytes).iter().map(|line| tame(line).into_owned()).collect()
    };

    let reporting = match &outside.reporting {
        LiveReporting::Usable { rua, lost } => {
            rua.iter().chain(lost).map(|uri| format!("rua={}", tame(uri))).collect()
        }
        LiveReporting::Absent => vec!["nothing".to_owned()],
        LiveReporting::Unusable { why, .. } => vec![format!("of no use: {}", tame(why))],
        LiveReporting::Unknown(why) => vec![format!("could not be seen: {why}")],
    };
    let aliases = seen.policy_host.aliases().iter().map(|alias| format!("CNAME {}", tame(alias)));
    let addresses = seen.policy_host.addresses().into_iter().map(|address| address.to_string());
    let mut host: Vec<String> = aliases.chain(addresses).collect();
    if host.is_empty() {
        host.push(match seen.policy_host.failure() {
            Some(failure) => format!("could not be seen: {}", tame(&failure.to_string())),
            None => "nothing".to_owned(),
        });
    }
    let policy = match &outside.policy {
        LivePolicy::Served(served) => body(&served.body),
        LivePolicy::Absent(why) => vec![format!("nothing: {why}")],
        LivePolicy::Differs(why) | LivePolicy::Unusable(why) => vec![format!("of no use: {why}")],
        LivePolicy::Unknown(why) => vec![format!("could not be seen: {why}")],
    };
    let record = match &outside.record {
        LiveRecord::Usable { text, .. } => vec![text.clone()],
        LiveRecord::Absent => vec!["nothing".to_owned()],
        LiveRecord::Unusable(why) => vec![format!("of no use: {why}")],
        LiveRecord::Unknown(why) => vec![format!("could not be seen: {why}")],
    };
    let mx = match &outside.mx {
        LiveMx::Hosts { hosts, .. } => {
            hosts.iter().map(|(preference, host)| format!("MX {preference} {host}.")).collect()
        }
        LiveMx::Absent => vec!["nothing: the domain itself takes its mail".to_owned()],
        LiveMx::Null => vec!["MX 0 . (takes no mail)".to_owned()],
        LiveMx::Unknown(why) => vec![format!("could not be seen: {why}")],
    };
    let patterns = wanted.wish.mx.iter().map(|pattern| format!("mx: {}", tame(&pattern.as_wire()))).collect();
    Ok(Show {
        domain: domain.to_string(),
        seen_at: now,
        rows: vec![
            row(&asked.reporting, of([&asked.reporting, &written.reporting]), reporting),
            row(&asked.host, of([&asked.host, &written.host]), host),
            row(&domain.policy_url(), wanted.body.map(body).unwrap_or_default(), policy),
            row(&asked.announcement, of([&asked.announcement, &written.announcement]), record),
            // Only the owner writes MX records: what should be is what the policy allows.
            row(domain.as_str(), patterns, mx),
        ],
        findings: drift(wanted, seen, roots, now)?,
    })
}

impl Show {
    /// For a terminal.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("{}, as seen at {}\n", self.domain, moment(self.seen_at));
        for row in &self.rows {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "\n{}", row.place);
            let nothing = ["nothing".to_owned()];
            let wanted = if row.wanted.is_empty() { &nothing[..] } else { &row.wanted };
            for (index, line) in wanted.iter().enumerate() {
                let _ = writeln!(text, "  {} {line}", if index == 0 { "should be" } else { "         " });
            }
            for (index, line) in row.seen.iter().enumerate() {
                let _ = writeln!(text, "  {} {line}", if index == 0 { "is       " } else { "         " });
            }
        }
        text.push('\n');
        if self.findings.is_empty() {
            text.push_str("All is as it should be.\n");
        }
        for finding in &self.findings {
            let _ = writeln!(
                text,
                "{} {} ({})\n  {}\n  {}",
                finding.level.as_wire(),
                finding.code.as_wire(),
                finding.subject,
                finding.text,
                finding.fix.replace('\n', "\n  ")
            );
        }
        text
    }
}
