//! What both stores decide alike.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use tls_rpt::tally::Tally;
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::{OutgoingLine, OutgoingState, OutgoingSum, RuaHealth, RuaNews, RuaNote};

const DAY_SECONDS: i64 = 86_400;
/// Failures that lie further apart than this, in seconds, are not of one row.
const ROW_SECONDS: i64 = 14 * DAY_SECONDS;

/// What was tried once never waits longer for the next attempt: if it would, the clock has been set back since.
pub(crate) const LONGEST_WAIT_SECONDS: i64 = DAY_SECONDS;

/// When a part of a day's report goes out. What comes late comes in drops: each later part waits for another day, so
/// that they are not a report each.
pub(crate) fn when_due(due_at: UnixTime, part: u32) -> UnixTime {
    due_at.saturating_add(i64::from(part.saturating_sub(1)).saturating_mul(DAY_SECONDS))
}

/// Sessions that met their policy, and that did not.
pub(crate) fn sums(tally: &Tally) -> (u64, u64) {
    tally.policies().fold((0, 0), |(successful, failed), (_, counts)| {
        (successful.saturating_add(counts.successful), failed.saturating_add(counts.failed))
    })
}

/// Reports added up by day and by how they stand. Not by SQL: its sums fail where ours stay at the largest number.
#[derive(Debug, Default)]
pub(crate) struct Sums(BTreeMap<(Reverse<i64>, OutgoingState), OutgoingSum>);

impl Sums {
    pub(crate) fn add(&mut self, line: &OutgoingLine) {
        let (day, state) = (line.key.day, line.state);
        let sum = self.0.entry((Reverse(day), state)).or_insert_with(|| OutgoingSum::new(day, state));
        sum.add(line.successful, line.failed, line.unjudged);
    }

    /// Newest day first, then by state.
    pub(crate) fn listed(self) -> Vec<OutgoingSum> {
        self.0.into_values().collect()
    }
}

/// What is held against a place after another note of it.
pub(crate) fn held_against(before: Option<RuaHealth>, note: &RuaNote) -> Option<RuaHealth> {
    match &note.news {
        RuaNews::Accepted => None,
        // Who takes mail and sends it back does so within the day, mostly: the day after, the mail has arrived.
        RuaNews::Relayed => before
            .filter(|held| held.relayed.is_none_or(|first| day(note.at) <= day(first)))
            .map(|held| RuaHealth { relayed: held.relayed.or(Some(note.at)), ..held }),
        RuaNews::Failed(reason) => Some(failed(before, note.at, reason.clone())),
    }
}

/// Failures of which the last was before this time count for nothing on that day or later.
pub(crate) fn forgotten_before(day: i64) -> UnixTime {
    day.saturating_mul(DAY_SECONDS).saturating_sub(ROW_SECONDS)
}

fn failed(before: Option<RuaHealth>, at: UnixTime, reason: String) -> RuaHealth {
    match before.filter(|held| at.saturating_sub(held.last) <= ROW_SECONDS) {
        None => RuaHealth { failed_days: 1, since: at, last: at, reason, relayed: None },
        Some(held) => {
            let another_day = u32::from(day(at) != day(held.last));
            let failed_days = held.failed_days.saturating_add(another_day);
            RuaHealth { failed_days, since: held.since, last: at.max(held.last), reason, relayed: None }
        }
    }
}

fn day(at: UnixTime) -> i64 {
    at.div_euclid(DAY_SECONDS)
}
