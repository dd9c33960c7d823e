//! What both stores decide alike.

use tls_rpt::tally::Tally;
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::{RuaHealth, RuaNote};

const DAY_SECONDS: i64 = 86_400;
/// Failures that lie further apart than this, in seconds, are not of one row.
const ROW_SECONDS: i64 = 14 * DAY_SECONDS;

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

/// What is held against a place after another note of it.
pub(crate) fn held_against(before: Option<RuaHealth>, note: &RuaNote) -> Option<RuaHealth> {
    let reason = note.failure.clone()?;
    let again = before.filter(|held| note.at.saturating_sub(held.last) <= ROW_SECONDS);
    Some(match again {
        None => RuaHealth { failed_days: 1, since: note.at, last: note.at, reason },
        Some(held) => {
            let another_day = note.at.div_euclid(DAY_SECONDS) != held.last.div_euclid(DAY_SECONDS);
            let failed_days = held.failed_days.saturating_add(u32::from(another_day));
            RuaHealth { failed_days, since: held.since, last: note.at.max(held.last), reason }
        }
    })
}
