//! The closing words over several reports.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use tls_rpt::Text;
use tls_rpt::count::Bounds;
use tls_rpt::report::Timestamp;

use super::digest::{Digest, cut};
use super::figures::{counted, sessions, span};
use super::page::{Page, Tone};
use super::visible::shown;

/// Different names that are counted; beyond it the count says "more than".
const MOST_NAMES: usize = 100_000;
/// Lines of the table of failures.
const LISTED: usize = 20;

/// What all reports come to.
#[derive(Debug, Default)]
pub(crate) struct Total {
    reports: u64,
    repeated: u64,
    clean: u64,
    successful: Bounds,
    failed: Bounds,
    organisations: BTreeSet<Text>,
    domains: BTreeSet<Text>,
    first: Option<i64>,
    last: Option<i64>,
    failures: BTreeMap<(String, Option<Text>), u64>,
    seen: BTreeSet<[u8; 32]>,
}

impl Total {
    /// Adds a report; one that was there already is only counted as such.
    pub(crate) fn add(&mut self, digest: &Digest) {
        let counted = &digest.sessions;
        let all = counted.domains.iter().chain(counted.further.as_ref().map(|(_, further)| further));
        let (successful, failed) = all.fold((Bounds::default(), Bounds::default()), |sums, one| {
            (sums.0.plus(one.successful), sums.1.plus(one.failed))
        });
        if self.is_repeated(digest) {
            self.repeated += 1;
            return;
        }
        self.reports += 1;
        self.clean += u64::from(failed.high == 0);
        self.successful = self.successful.plus(successful);
        self.failed = self.failed.plus(failed);
        let organisation = digest.head.organization_name.as_deref().unwrap_or_default();
        remember(&mut self.organisations, organisation);
        counted.domains.iter().for_each(|one| remember(&mut self.domains, &one.domain));
        if let Some(range) = &digest.head.date_range {
            let (start, end) = (range.start.map(Timestamp::as_unix), range.end.map(Timestamp::as_unix));
            self.first = [self.first, start].into_iter().flatten().min();
            self.last = [self.last, end].into_iter().flatten().max();
        }
        for (key, group) in &digest.failures {
            let line = (key.word().into_owned(), key.mx.clone());
            if self.failures.len() < MOST_NAMES || self.failures.contains_key(&line) {
                let sum = self.failures.entry(line).or_default();
                *sum = sum.saturating_add(group.sessions);
            }
        }
    }

    /// R4: a copy is a report of the same normal form; the same id with other contents is another report.
    fn is_repeated(&mut self, digest: &Digest) -> bool {
        let Some(fingerprint) = digest.fingerprint else { return false };
        if self.seen.len() < MOST_NAMES {
            !self.seen.insert(fingerprint)
        } else {
            self.seen.contains(&fingerprint)
        }
    }

    /// Writes the total, if there is more than one report to sum up.
    pub(crate) fn write(&self, page: &mut Page<'_>) -> io::Result<()> {
        if self.reports + self.repeated < 2 {
            return Ok(());
        }
        let mut heading = format!(
            "In all: {} from {} about {}",
            counted(self.reports, "report", "reports"),
            counted(self.organisations.len() as u64, "organisation", "organisations"),
            counted(self.domains.len() as u64, "domain", "domains"),
        );
        if let (Some(first), Some(last)) = (self.first, self.last) {
            heading.push_str(&format!(", {}", span(first, last)));
        }
        page.text(0, Tone::Heading, &heading)?;
        let tone = if self.failed.high > 0 { Tone::Bad } else { Tone::Good };
        let text = sessions(self.successful, self.failed);
        page.text(
            2,
            tone,
            &format!("{text}; {} without any failure.", counted(self.clean, "report", "reports")),
        )?;
        if self.repeated > 0 {
            let text = format!(
                "{} more than once among them and counted once.",
                match self.repeated {
                    1 => "1 report was there".to_owned(),
                    many => format!("{many} reports were there"),
                }
            );
            page.text(2, Tone::Aside, &text)?;
        }
        self.failures(page)
    }

    fn failures(&self, page: &mut Page<'_>) -> io::Result<()> {
        let mut lines: Vec<_> = self.failures.iter().collect();
        lines.sort_by(|one, other| other.1.cmp(one.1));
        let digits = lines.first().map_or(1, |(_, most)| super::figures::number(**most).len());
        for ((word, mx), count) in lines.iter().take(LISTED) {
            let place = mx.as_deref().map(|mx| format!(" at {}", shown(mx))).unwrap_or_default();
            let count = super::figures::number(**count);
            page.item(4, &format!("{count:>digits$}  "), Tone::Plain, &format!("{word}{place}"))?;
        }
        match lines.len().saturating_sub(LISTED) {
            0 => Ok(()),
            more => page.text(
                4,
                Tone::Plain,
                &counted(more as u64, "more kind of failure", "more kinds of failure"),
            ),
        }
    }
}

fn remember(names: &mut BTreeSet<Text>, name: &str) {
    if names.len() < MOST_NAMES {
        names.insert(cut(name, 255));
    }
}
