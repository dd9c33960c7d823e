//! Reports that go out, on SQLite. [`lists`] reads what pages show of them.

mod lists;

use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, params};
use tls_rpt::Text;
use tls_rpt::tally::Tally;
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::{
    Added, DayRange, Delta, GroupDelta, JournalPlace, LeaseAsk, Outbox, Outgoing, OutgoingLine,
    OutgoingQuery, OutgoingState, OutgoingSum, ReportKey, RuaHealth, RuaNote, Settlement, StoreError,
};

use super::SqliteStore;
use super::failure::Failure;
use crate::outgoing::{LONGEST_WAIT_SECONDS, forgotten_before, held_against, sums, when_due};
use crate::{MAX_PAGE, pack};

/// About what a row holds, for the bounds of the writer's queue.
const ROW_BYTES: usize = 512;
const LINE: &str = "day, domain, part, state, at, reason, successful, failed, unjudged";
const WHOLE: &str =
    "day, domain, part, state, at, reason, successful, failed, unjudged, record, tally, progress, id";
/// The column of the key in it.
const ID: usize = 12;

impl Outbox for SqliteStore {
    fn add(&self, delta: Delta) -> impl Future<Output = Result<Added, StoreError>> + Send {
        let bytes = delta.groups.len() * ROW_BYTES;
        self.change(bytes, move |connection| add(connection, &delta))
    }

    fn place(&self, journal: &str) -> impl Future<Output = Result<JournalPlace, StoreError>> + Send {
        let journal = journal.to_owned();
        self.readers().ask(move |view| place(view.connection, &journal))
    }

    fn lease(&self, ask: LeaseAsk) -> impl Future<Output = Result<Vec<Outgoing>, StoreError>> + Send {
        self.change(ROW_BYTES, move |connection| lease(connection, &ask))
    }

    fn lease_token(
        &self,
        token: &str,
        node: &str,
        now: UnixTime,
        until: UnixTime,
    ) -> impl Future<Output = Result<Option<Outgoing>, StoreError>> + Send {
        let (token, node) = (token.to_owned(), node.to_owned());
        self.change(ROW_BYTES, move |connection| {
            let sql = format!(
                "SELECT {WHOLE} FROM outgoing WHERE token = ?1 AND (lease_until <= ?2 OR lease_node = ?3) LIMIT 1"
            );
            let found = connection
                .prepare_cached(&sql)?
                .query_row(params![token, now, node], |row| Ok(whole(row)))
                .optional()?;
            let Some(found) = found else { return Ok(None) };
            let (id, report) = found?;
            connection
                .prepare_cached("UPDATE outgoing SET lease_node = ?2, lease_until = ?3 WHERE id = ?1")?
                .execute(params![id, node, until])?;
            Ok(Some(report))
        })
    }

    fn settle(&self, settlement: Settlement) -> impl Future<Output = Result<bool, StoreError>> + Send {
        let bytes = ROW_BYTES + settlement.progress.len() + settlement.reason.len();
        self.change(bytes, move |connection| settle(connection, &settlement))
    }

    fn reserve(
        &self,
        destination: &str,
        day: i64,
        limit: u64,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send {
        let destination = destination.to_owned();
        self.change(ROW_BYTES, move |connection| {
            let changed = connection
                .prepare_cached(
                    "INSERT INTO outgoing_quota SELECT ?1, ?2, 1 WHERE ?3 > 0 \
                     ON CONFLICT (destination) DO UPDATE SET \
                     used = CASE WHEN day = ?2 THEN used + 1 ELSE 1 END, day = ?2 \
                     WHERE day <> ?2 OR used < ?3",
                )?
                .execute(params![destination, day, stored(limit)])?;
            Ok(changed > 0)
        })
    }

    fn health(
        &self,
        uris: Vec<String>,
    ) -> impl Future<Output = Result<Vec<Option<RuaHealth>>, StoreError>> + Send {
        self.readers().ask(move |view| uris.iter().map(|uri| health(view.connection, uri)).collect())
    }

    fn outgoing(
        &self,
        query: OutgoingQuery,
    ) -> impl Future<Output = Result<Vec<OutgoingLine>, StoreError>> + Send {
        self.readers().ask(move |view| match &query.domain {
            Some(domain) => lists::of_domain(view.connection, domain, &query),
            None => lists::by_day(view.connection, &query),
        })
    }

    fn outgoing_days(
        &self,
        days: DayRange,
    ) -> impl Future<Output = Result<Vec<OutgoingSum>, StoreError>> + Send {
        self.readers().ask(move |view| lists::sums(view.connection, days))
    }

    fn outgoing_report(
        &self,
        key: &ReportKey,
    ) -> impl Future<Output = Result<Option<Outgoing>, StoreError>> + Send {
        let key = key.clone();
        self.readers().ask(move |view| {
            let sql = format!("SELECT {WHOLE} FROM outgoing WHERE day = ?1 AND domain = ?2 AND part = ?3");
            let found = view
                .connection
                .prepare_cached(&sql)?
                .query_row(params![key.day, key.domain.as_str(), key.part], |row| Ok(whole(row)))
                .optional()?;
            Ok(found.transpose()?.map(|(_, report)| report))
        })
    }

    fn retire(
        &self,
        counts_before: i64,
        traces_before: i64,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send {
        self.change(ROW_BYTES, move |connection| {
            let gone = connection
                .prepare_cached("DELETE FROM outgoing WHERE state <> 'waiting' AND day < ?1")?
                .execute([traces_before])?;
            connection
                .prepare_cached("DELETE FROM outgoing_quota WHERE day < ?1")?
                .execute([traces_before])?;
            connection
                .prepare_cached("DELETE FROM rua_health WHERE last < ?1")?
                .execute([forgotten_before(traces_before)])?;
            let empty = packed(&Tally::default());
            connection
                .prepare_cached(
                    "UPDATE outgoing SET tally = ?2 WHERE state <> 'waiting' AND day < ?1 AND tally <> ?2",
                )?
                .execute(params![counts_before, empty])?;
            Ok(gone as u64)
        })
    }
}

fn place(connection: &Connection, journal: &str) -> Result<JournalPlace, Failure> {
    let found: Option<(i64, i64)> = connection
        .prepare_cached("SELECT segment, place FROM journal_place WHERE journal = ?1")?
        .query_row([journal], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let place = |(segment, offset)| JournalPlace { segment: shown(segment), offset: shown(offset) };
    Ok(found.map(place).unwrap_or_default())
}

fn add(connection: &Connection, delta: &Delta) -> Result<Added, Failure> {
    let held = place(connection, &delta.journal)?;
    if held != delta.from {
        return Ok(Added::Elsewhere(held));
    }
    for group in &delta.groups {
        add_group(connection, group)?;
    }
    connection
        .prepare_cached("INSERT OR REPLACE INTO journal_place VALUES (?1, ?2, ?3)")?
        .execute(params![delta.journal, stored(delta.to.segment), stored(delta.to.offset)])?;
    Ok(Added::Counted)
}

fn add_group(connection: &Connection, group: &GroupDelta) -> Result<(), Failure> {
    type Newest = (i64, u32, bool, Vec<u8>);
    let newest: Option<Newest> = connection
        .prepare_cached(
            "SELECT id, part, begun, tally FROM outgoing WHERE day = ?1 AND domain = ?2 ORDER BY part DESC LIMIT 1",
        )?
        .query_row(params![group.day, group.domain.as_str()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    let (record_at, record) = match &group.record {
        Some((at, text)) => (Some(*at), Some(text.as_str())),
        None => (None, None),
    };
    // Counts that cannot be read are left as they are, to be given up when they are due: one damaged row must not stop the
    // counting of all domains.
    let goes_on = newest.as_ref().filter(|(_, _, begun, _)| !begun);
    let held = goes_on.and_then(|(id, _, _, bytes)| Some((id, unpacked(bytes).ok()?)));
    if let Some((id, mut tally)) = held {
        tally.merge(group.tally.clone());
        let (successful, failed) = sums(&tally);
        connection
            .prepare_cached(
                "UPDATE outgoing SET tally = ?2, successful = ?3, failed = ?4, \
                 unjudged = CASE WHEN unjudged > 9223372036854775807 - ?5 THEN 9223372036854775807 ELSE unjudged + ?5 END, \
                 record = CASE WHEN ?6 >= coalesce(record_at, ?6) THEN ?7 ELSE record END, \
                 record_at = CASE WHEN ?6 >= coalesce(record_at, ?6) THEN ?6 ELSE record_at END WHERE id = ?1",
            )?
            .execute(params![
                id,
                packed(&tally),
                stored(successful),
                stored(failed),
                stored(group.unjudged),
                record_at,
                record
            ])?;
        return Ok(());
    }
    let part = newest.map_or(1, |(_, part, _, _)| part.saturating_add(1));
    let (successful, failed) = sums(&group.tally);
    connection
        .prepare_cached(
            "INSERT INTO outgoing (day, domain, part, state, at, reason, progress, begun, lease_node, lease_until, \
             record, record_at, successful, failed, unjudged, tally) \
             VALUES (?1, ?2, ?3, 'waiting', ?4, '', '', 0, '', 0, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            group.day,
            group.domain.as_str(),
            part,
            when_due(group.due_at, part),
            record,
            record_at,
            stored(successful),
            stored(failed),
            stored(group.unjudged),
            packed(&group.tally)
        ])?;
    Ok(())
}

fn lease(connection: &Connection, ask: &LeaseAsk) -> Result<Vec<Outgoing>, Failure> {
    let mut leased = due(connection, ask, "at <= ?1", ask.limit)?;
    if leased.len() < ask.limit {
        leased.extend(due(connection, ask, "at > ?5 AND begun", ask.limit - leased.len())?);
    }
    let mut take = connection
        .prepare_cached("UPDATE outgoing SET begun = 1, lease_node = ?2, lease_until = ?3 WHERE id = ?1")?;
    let mut reports = Vec::with_capacity(leased.len());
    for (id, report) in leased {
        take.execute(params![id, ask.node, ask.until])?;
        reports.push(report);
    }
    Ok(reports)
}

/// Reports whose time is so. One condition at a time, so that each goes along the index of times.
fn due(
    connection: &Connection,
    ask: &LeaseAsk,
    time: &str,
    limit: usize,
) -> Result<Vec<(i64, Outgoing)>, Failure> {
    let sql = format!(
        "SELECT {WHOLE} FROM outgoing WHERE state = 'waiting' AND {time} AND day < ?2 \
         AND (lease_until <= ?1 OR lease_node = ?3) ORDER BY at, day, domain, part LIMIT ?4"
    );
    let far = ask.now.saturating_add(LONGEST_WAIT_SECONDS);
    let limit = limit.min(MAX_PAGE) as i64;
    let mut statement = connection.prepare_cached(&sql)?;
    let asked: [&dyn ToSql; 5] = [&ask.now, &ask.before_day, &ask.node, &limit, &far];
    let places = statement.parameter_count();
    let mut rows = statement.query(&asked[..places])?;
    let (mut due, mut damaged) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        match whole(row) {
            Ok(report) => due.push(report),
            // Else it would stop the sending of all reports.
            Err(Failure::Damaged(_)) => damaged.push(row.get(ID)?),
            Err(error) => return Err(error),
        }
    }
    drop(rows);
    for id in damaged {
        give_up_damaged(connection, id, ask.now)?;
    }
    Ok(due)
}

/// There is nothing to send: its counts cannot be read.
fn give_up_damaged(connection: &Connection, id: i64, now: UnixTime) -> Result<(), Failure> {
    tracing::error!(id, "the counts of a report are damaged in the store: it is given up");
    connection
        .prepare_cached(
            "UPDATE outgoing SET state = 'given-up', begun = 1, at = ?2, reason = 'its counts in the store are damaged', \
             tally = ?3 WHERE id = ?1",
        )?
        .execute(params![id, now, packed(&Tally::default())])?;
    Ok(())
}

fn settle(connection: &Connection, settlement: &Settlement) -> Result<bool, Failure> {
    let key = &settlement.key;
    let changed = connection
        .prepare_cached(
            "UPDATE outgoing SET lease_node = '', lease_until = 0, state = ?5, at = ?6, reason = ?7, progress = ?8, \
             token = coalesce(?9, token) \
             WHERE day = ?1 AND domain = ?2 AND part = ?3 AND lease_node = ?4 AND lease_node <> ''",
        )?
        .execute(params![
            key.day,
            key.domain.as_str(),
            key.part,
            settlement.node,
            settlement.state.as_wire(),
            settlement.at,
            settlement.reason,
            settlement.progress,
            settlement.token
        ])?;
    if changed == 0 {
        return Ok(false);
    }
    for note in &settlement.notes {
        hold(connection, note)?;
    }
    Ok(true)
}

fn hold(connection: &Connection, note: &RuaNote) -> Result<(), Failure> {
    match held_against(health(connection, &note.uri)?, note) {
        Some(held) => connection
            .prepare_cached("INSERT OR REPLACE INTO rua_health VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
            .execute(params![note.uri, held.failed_days, held.since, held.last, held.reason, held.relayed])?,
        None => connection.prepare_cached("DELETE FROM rua_health WHERE uri = ?1")?.execute([&note.uri])?,
    };
    Ok(())
}

fn health(connection: &Connection, uri: &str) -> Result<Option<RuaHealth>, Failure> {
    let found = connection
        .prepare_cached("SELECT failed_days, since, last, reason, relayed FROM rua_health WHERE uri = ?1")?
        .query_row([uri], |row| {
            Ok(RuaHealth {
                failed_days: row.get(0)?,
                since: row.get(1)?,
                last: row.get(2)?,
                reason: row.get(3)?,
                relayed: row.get(4)?,
            })
        })
        .optional()?;
    Ok(found)
}

fn line(row: &Row<'_>) -> Result<OutgoingLine, Failure> {
    let domain: String = row.get(1)?;
    let state: String = row.get(3)?;
    Ok(OutgoingLine {
        key: ReportKey { day: row.get(0)?, domain: domain.into(), part: row.get(2)? },
        state: OutgoingState::from_wire(&state)
            .ok_or(Failure::Damaged("the state of a report to be sent is unknown"))?,
        at: row.get(4)?,
        reason: row.get(5)?,
        successful: shown(row.get(6)?),
        failed: shown(row.get(7)?),
        unjudged: shown(row.get(8)?),
    })
}

/// A report, and its key in the table.
fn whole(row: &Row<'_>) -> Result<(i64, Outgoing), Failure> {
    let record: Option<String> = row.get(9)?;
    let tally: Vec<u8> = row.get(10)?;
    let report = Outgoing {
        line: line(row)?,
        record: record.map(Text::from),
        tally: unpacked(&tally)?,
        progress: row.get(11)?,
    };
    Ok((row.get(ID)?, report))
}

fn packed(tally: &Tally) -> Vec<u8> {
    let mut bytes = Vec::new();
    pack::Writer(&mut bytes).tally(tally);
    bytes
}

fn unpacked(bytes: &[u8]) -> Result<Tally, Failure> {
    pack::Reader(bytes).tally().ok_or(Failure::Damaged("the counts of a day cannot be read"))
}

/// As SQLite has it: it knows no number above 2^63 - 1, and no count comes near.
fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn shown(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
