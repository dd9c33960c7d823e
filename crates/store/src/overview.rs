//! Rows of sessions and failures, added up to what a page shows of a domain.
//!
//! Fed row by row, newest report first or last, in memory that does not grow with the number of rows. What is exact:
//! all sums and days. What is the heaviest only, where there are more than any page shows: reporters, MX hosts, result
//! types and reasons (see [`crate::top`]).

use std::collections::{BTreeMap, BTreeSet};

use tls_rpt::ResultType;
use tls_rpt::count::Bounds;
use tls_rpt::report::FailureDetails;
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::{DayLine, DayRange, DomainDetail, DomainLine, GroupLine, ResultLine};

use crate::session::{Kind, Mode};
use crate::top::{Top, Weight};

/// Headings of one table at most.
const MAX_GROUPS: usize = 1000;
/// Result types of one table at most.
const MAX_RESULTS: usize = 64;
/// Names beside one result type at most (the port says ten).
const MAX_NAMES: usize = 10;
/// Names that compete for those places.
const NAME_CANDIDATES: usize = 64;
/// Different organisations that are told apart in a count.
const MAX_COUNTED: usize = 100_000;
/// Bytes of a heading: longer texts of strangers are told apart by their beginning.
const MAX_KEY: usize = 256;
/// Days of a range at most; of a longer one the last. A plot of more would show nothing.
const MAX_DAYS: i64 = 3_660;

/// The range that is looked at.
pub(crate) fn clamp(range: DayRange) -> DayRange {
    DayRange { first: range.first.max(range.last.saturating_sub(MAX_DAYS - 1)), last: range.last }
}

/// One report's sessions at one domain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) report: i64,
    pub(crate) organization: i64,
    pub(crate) day: i64,
    pub(crate) successful: Bounds,
    pub(crate) failed: Bounds,
}

/// What is known of a domain beside the sums of a range.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Newest {
    pub(crate) last_end: Option<UnixTime>,
    pub(crate) last_received_at: UnixTime,
    pub(crate) mode: Option<Mode>,
}

/// A domain at a glance.
pub(crate) struct Glance {
    successful: Bounds,
    failed: Bounds,
    reports: u64,
    reporters: BTreeSet<i64>,
    results: Top<ResultType, u64>,
}

impl Glance {
    pub(crate) fn new() -> Self {
        Self {
            successful: Bounds::default(),
            failed: Bounds::default(),
            reports: 0,
            reporters: BTreeSet::new(),
            results: Top::new(MAX_RESULTS),
        }
    }

    pub(crate) fn add(&mut self, seen: Seen, results: &[(ResultType, u64)]) {
        self.successful = self.successful.plus(seen.successful);
        self.failed = self.failed.plus(seen.failed);
        self.reports += 1;
        if self.reporters.len() < MAX_COUNTED {
            self.reporters.insert(seen.organization);
        }
        for (result, sessions) in results {
            let sum = self.results.at(result);
            *sum = sum.saturating_add(*sessions);
        }
    }

    pub(crate) fn line(self, domain: String, newest: Newest) -> DomainLine {
        let worst = self.results.ranked(1).into_iter().find(|(_, failed)| *failed > 0);
        DomainLine {
            domain,
            successful: self.successful,
            failed: self.failed,
            reports: self.reports,
            reporters: self.reporters.len() as u64,
            last_end: newest.last_end,
            last_received_at: newest.last_received_at,
            worst: worst.map(|(result, _)| cut(result.as_wire()).to_owned()),
            mode: newest.mode.map(|mode| mode.as_wire().to_owned()),
        }
    }
}

/// Everything a domain's page shows.
pub(crate) struct Overview {
    glance: Glance,
    days: BTreeMap<i64, DayLine>,
    reporters: Top<i64, Group>,
    mxs: Top<String, Group>,
    results: Top<ResultType, ResultGroup>,
    kinds: Top<String, Group>,
}

#[derive(Default)]
struct Group {
    successful: Bounds,
    failed: Bounds,
    reports: u64,
    /// A report of it: the last one added.
    report: Option<i64>,
}

impl Weight for Group {
    fn weight(&self) -> u64 {
        self.successful.high.saturating_add(self.failed.high)
    }
}

impl Group {
    fn add(&mut self, report: i64, successful: Bounds, failed: Bounds) {
        self.successful = self.successful.plus(successful);
        self.failed = self.failed.plus(failed);
        // Rows come report by report, so one look back tells a new report.
        if self.report != Some(report) {
            self.reports += 1;
            self.report = Some(report);
        }
    }

    fn line(self, key: String) -> GroupLine {
        GroupLine { key, successful: self.successful, failed: self.failed, reports: self.reports }
    }
}

struct ResultGroup {
    failed: u64,
    reporters: Top<i64, Group>,
    mxs: Top<String, u64>,
    reasons: Top<String, u64>,
    first_day: i64,
    last_day: i64,
}

impl Default for ResultGroup {
    fn default() -> Self {
        Self {
            failed: 0,
            reporters: Top::new(NAME_CANDIDATES),
            mxs: Top::new(NAME_CANDIDATES),
            reasons: Top::new(NAME_CANDIDATES),
            first_day: i64::MAX,
            last_day: i64::MIN,
        }
    }
}

impl Weight for ResultGroup {
    fn weight(&self) -> u64 {
        self.failed
    }
}

impl Overview {
    pub(crate) fn new() -> Self {
        Self {
            glance: Glance::new(),
            days: BTreeMap::new(),
            reporters: Top::new(MAX_GROUPS),
            mxs: Top::new(MAX_GROUPS),
            results: Top::new(MAX_RESULTS),
            kinds: Top::new(MAX_RESULTS),
        }
    }

    pub(crate) fn session(&mut self, seen: Seen, kinds: &[Kind], results: &[(ResultType, u64)]) {
        self.glance.add(seen, results);
        let none =
            DayLine { day: seen.day, successful: Bounds::default(), failed: Bounds::default(), reports: 0 };
        let day = self.days.entry(seen.day).or_insert(none);
        day.successful = day.successful.plus(seen.successful);
        day.failed = day.failed.plus(seen.failed);
        day.reports += 1;
        self.reporters.at(&seen.organization).add(seen.report, seen.successful, seen.failed);
        for kind in kinds {
            self.kinds.at(cut(kind.policy_type.as_wire())).add(seen.report, kind.successful, kind.failed);
        }
    }

    /// A failure row of one of the sessions. A row without a count adds nothing to sums, but is named.
    pub(crate) fn failure(&mut self, seen: Seen, row: &FailureDetails) {
        let sessions = row.failed_session_count.unwrap_or(0);
        let mx = row.receiving_mx_hostname.as_deref().or(row.receiving_ip.as_deref());
        if let Some(mx) = mx {
            self.mxs.at(cut(mx)).add(seen.report, Bounds::default(), Bounds::exactly(sessions));
        }
        let Some(result) = &row.result_type else { return };
        let group = self.results.at(result);
        group.failed = group.failed.saturating_add(sessions);
        group.reporters.at(&seen.organization).add(seen.report, Bounds::default(), Bounds::exactly(sessions));
        for (names, name) in [(&mut group.mxs, mx), (&mut group.reasons, row.failure_reason_code.as_deref())]
        {
            if let Some(name) = name {
                let sum = names.at(cut(name));
                *sum = sum.saturating_add(sessions);
            }
        }
        group.first_day = group.first_day.min(seen.day);
        group.last_day = group.last_day.max(seen.day);
    }

    /// Closes the sums. `name` tells the organisation of a report.
    pub(crate) fn detail<E>(
        self,
        domain: String,
        newest: Newest,
        mut name: impl FnMut(i64) -> Result<String, E>,
    ) -> Result<DomainDetail, E> {
        let mut named = |group: &Group| match group.report {
            Some(report) => name(report).map(|name| cut(&name).to_owned()),
            None => Ok(String::new()),
        };
        let mut by_reporter = Vec::new();
        for (_, group) in self.reporters.ranked(MAX_GROUPS) {
            let key = named(&group)?;
            by_reporter.push(group.line(key));
        }
        let mut by_result = Vec::new();
        for (result, group) in self.results.ranked(MAX_RESULTS) {
            let reporters = group.reporters.ranked(MAX_NAMES);
            by_result.push(ResultLine {
                result_type: cut(result.as_wire()).to_owned(),
                failed: group.failed,
                reporters: reporters.iter().map(|(_, group)| named(group)).collect::<Result<_, E>>()?,
                mxs: names(group.mxs),
                first_day: group.first_day,
                last_day: group.last_day,
                reasons: names(group.reasons),
            });
        }
        Ok(DomainDetail {
            line: self.glance.line(domain, newest),
            days: self.days.into_values().collect(),
            by_reporter,
            by_mx: groups(self.mxs, MAX_GROUPS),
            by_result,
            by_policy: groups(self.kinds, MAX_RESULTS),
        })
    }
}

fn groups(top: Top<String, Group>, count: usize) -> Vec<GroupLine> {
    top.ranked(count).into_iter().map(|(key, group)| group.line(key)).collect()
}

fn names(top: Top<String, u64>) -> Vec<String> {
    top.ranked(MAX_NAMES).into_iter().map(|(name, _)| name).collect()
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_KEY)]
}
