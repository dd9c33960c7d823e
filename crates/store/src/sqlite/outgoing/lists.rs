//! What pages show of the reports that go out: lists and sums. Whatever is asked, no more rows are read than are shown, and
//! sums are made from an index alone: with hundreds of thousands of reports, pages are as quick as with ten.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, params};
use tls_rpt::Text;
use tlsward_engine::ports::{DayRange, OutgoingLine, OutgoingQuery, OutgoingState, OutgoingSum, ReportKey};

use super::super::failure::Failure;
use super::{LINE, line};
use crate::MAX_PAGE;

/// The reports of one domain, which are few.
pub(super) fn of_domain(
    connection: &Connection,
    domain: &str,
    query: &OutgoingQuery,
) -> Result<Vec<OutgoingLine>, Failure> {
    let first = first_of(i64::MAX);
    let after = query.after.as_ref().unwrap_or(&first);
    let mut sql = format!(
        "SELECT {LINE} FROM outgoing WHERE domain = ?1 AND (day < ?2 OR (day = ?2 AND (domain, part) > (?3, ?4)))"
    );
    // A condition that is not asked for is left out, so that each question finds its index.
    let conditions = [(query.day.is_some(), " AND day = ?5"), (query.state.is_some(), " AND state = ?6")];
    sql.extend(conditions.into_iter().filter(|(is_asked, _)| *is_asked).map(|(_, text)| text));
    sql.push_str(" ORDER BY day DESC, part LIMIT ?7");
    let state = query.state.map(OutgoingState::as_wire);
    let limit = query.limit.min(MAX_PAGE) as i64;
    let mut lines = Vec::new();
    let asked = params![domain, after.day, after.domain.as_str(), after.part, query.day, state, limit];
    read(connection, &sql, asked, &mut lines)?;
    Ok(lines)
}

/// The reports of all domains, one day after the other: newest day first, and by name within a day, is an order that no
/// index has.
pub(super) fn by_day(connection: &Connection, query: &OutgoingQuery) -> Result<Vec<OutgoingLine>, Failure> {
    let limit = query.limit.min(MAX_PAGE);
    let state = query.state.map(OutgoingState::as_wire);
    let mut next = match (query.day, query.after.clone()) {
        (Some(day), Some(after)) if after.day < day => None,
        (Some(day), Some(after)) if after.day > day => Some(first_of(day)),
        (_, Some(after)) => Some(after),
        (Some(day), None) => Some(first_of(day)),
        (None, None) => newest_before(connection, i64::MAX, state)?.map(first_of),
    };
    let mut lines = Vec::new();
    while let Some(from) = next.filter(|_| lines.len() < limit) {
        of_one_day(connection, &from, state, limit - lines.len(), &mut lines)?;
        next = match query.day {
            Some(_) => None,
            None => newest_before(connection, from.day, state)?.map(first_of),
        };
    }
    Ok(lines)
}

/// In front of every report of the day.
fn first_of(day: i64) -> ReportKey {
    ReportKey { day, domain: Text::default(), part: 0 }
}

fn of_one_day(
    connection: &Connection,
    after: &ReportKey,
    state: Option<&str>,
    limit: usize,
    lines: &mut Vec<OutgoingLine>,
) -> Result<(), Failure> {
    let of_state = if state.is_some() { "state = ?5 AND" } else { "" };
    let sql = format!(
        "SELECT {LINE} FROM outgoing WHERE {of_state} day = ?1 AND (domain, part) > (?2, ?3) \
         ORDER BY domain, part LIMIT ?4"
    );
    read(connection, &sql, params![after.day, after.domain.as_str(), after.part, limit as i64, state], lines)
}

fn read(
    connection: &Connection,
    sql: &str,
    asked: &[&dyn ToSql],
    lines: &mut Vec<OutgoingLine>,
) -> Result<(), Failure> {
    let mut statement = connection.prepare_cached(sql)?;
    // What a statement has no place for it is not given.
    let places = statement.parameter_count();
    let mut rows = statement.query(&asked[..places])?;
    while let Some(row) = rows.next()? {
        lines.push(line(row)?);
    }
    Ok(())
}

/// The newest day before this one with a report that stands so.
fn newest_before(connection: &Connection, day: i64, state: Option<&str>) -> Result<Option<i64>, Failure> {
    let newest = match state {
        Some(state) => connection
            .prepare_cached("SELECT max(day) FROM outgoing WHERE state = ?2 AND day < ?1")?
            .query_row(params![day, state], |row| row.get(0)),
        None => connection
            .prepare_cached("SELECT max(day) FROM outgoing WHERE day < ?1")?
            .query_row(params![day], |row| row.get(0)),
    };
    Ok(newest.optional()?.flatten())
}

/// Days added up by how their reports stand, newest first. In halves, because SQL's sums fail where ours stay at the
/// largest number.
pub(super) fn sums(connection: &Connection, days: DayRange) -> Result<Vec<OutgoingSum>, Failure> {
    let half = |name: &str| format!("sum({name} >> 32), sum({name} & 4294967295)");
    let sql = format!(
        "SELECT day, count(*), {}, {}, {} FROM outgoing WHERE state = ?1 AND day BETWEEN ?2 AND ?3 GROUP BY day",
        half("successful"),
        half("failed"),
        half("unjudged")
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut sums = BTreeMap::new();
    for state in OutgoingState::ALL {
        let mut rows = statement.query(params![state.as_wire(), days.first, days.last])?;
        while let Some(row) = rows.next()? {
            let day: i64 = row.get(0)?;
            let sum = OutgoingSum {
                day,
                state,
                reports: super::shown(row.get(1)?),
                successful: whole(row, 2)?,
                failed: whole(row, 4)?,
                unjudged: whole(row, 6)?,
            };
            sums.insert((Reverse(day), state), sum);
        }
    }
    Ok(sums.into_values().collect())
}

/// A sum out of its halves.
fn whole(row: &Row<'_>, column: usize) -> Result<u64, Failure> {
    let (high, low): (i64, i64) = (row.get(column)?, row.get(column + 1)?);
    let sum = (i128::from(high) << 32) + i128::from(low);
    Ok(u64::try_from(sum.max(0)).unwrap_or(u64::MAX))
}
