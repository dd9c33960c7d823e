//! What is asked about domains.
//!
//! A range of days is first narrowed to a range of report ids (table `day`), because a domain's sessions are kept in
//! the order of arrival; those outside the days are then passed over.

use rusqlite::{OptionalExtension, Row, params};
use tls_rpt::count::Bounds;
use tls_rpt::{PolicyType, ResultType};
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::{DayRange, DomainDetail, DomainLine};

use super::columns::{bytes, policy_type, text};
use super::failure::Failure;
use super::lists::{FAILURE, bounds, failure};
use super::readers::View;
use super::rows::first_row;
use crate::MAX_PAGE;
use crate::overview::{Glance, Newest, Overview, Seen, clamp};
use crate::pack;
use crate::session::{Kind, Mode, domain_name, is_sane};

/// Newest sessions of a domain that are looked at beside its own row, which large reports do not change.
const LOOKED_AT: i64 = 8;

const SESSION: &str = "report, organization, day, successful, successful_more, failed, failed_more, kinds, results, \
    first_row, last_row";

/// A row of the domain table.
struct Domain {
    id: i64,
    name: String,
    last_end: Option<UnixTime>,
    mode: Option<Mode>,
    mode_end: Option<UnixTime>,
}

/// Ids of reports, both ends included.
#[derive(Clone, Copy)]
struct Ids {
    first: i64,
    last: i64,
}

const DOMAIN: &str = "id, name, last_end, mode, mode_end";

fn domain(row: &Row<'_>) -> rusqlite::Result<Domain> {
    Ok(Domain {
        id: row.get(0)?,
        name: row.get(1)?,
        last_end: row.get(2)?,
        mode: row.get::<_, Option<i64>>(3)?.and_then(Mode::from_code),
        mode_end: row.get(4)?,
    })
}

impl View<'_> {
    pub(crate) fn domains(
        &self,
        range: DayRange,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<DomainLine>, Failure> {
        let range = clamp(range);
        let ids = self.ids(range)?;
        let after = after.map(domain_name);
        let mut by_name = self
            .connection
            .prepare_cached(&format!("SELECT {DOMAIN} FROM domain WHERE name > ?1 ORDER BY name"))?;
        // An empty name is never filed, so everything is above it.
        let mut rows = by_name.query([after.unwrap_or_default()])?;
        let mut lines = Vec::new();
        while lines.len() < limit.clamp(1, MAX_PAGE)
            && let Some(row) = rows.next()?
        {
            let domain = domain(row)?;
            let Some(newest) = self.newest(&domain)? else { continue };
            let mut glance = Glance::new();
            self.each_session(domain.id, range, ids, |_, seen, row| {
                glance.add(seen, &results(row)?);
                Ok(())
            })?;
            lines.push(glance.line(domain.name, newest));
        }
        Ok(lines)
    }

    pub(crate) fn domain(&self, name: &str, range: DayRange) -> Result<Option<DomainDetail>, Failure> {
        let range = clamp(range);
        let mut find =
            self.connection.prepare_cached(&format!("SELECT {DOMAIN} FROM domain WHERE name = ?1"))?;
        let Some(domain) = find.query_row([domain_name(name)], domain).optional()? else { return Ok(None) };
        let Some(newest) = self.newest(&domain)? else { return Ok(None) };
        let mut overview = Overview::new();
        let ids = self.ids(range)?;
        self.each_session(domain.id, range, ids, |view, seen, row| {
            overview.session(seen, &kinds(row, seen.successful, seen.failed)?, &results(row)?);
            if let (Some(first), Some(last)) = (row.get(9)?, row.get(10)?) {
                view.add_failures_of(&domain.name, seen, first, last, &mut overview)?;
            }
            Ok(())
        })?;
        let mut organization =
            self.connection.prepare_cached("SELECT organization_name FROM report WHERE id = ?1")?;
        overview
            .detail(domain.name, newest, |report| {
                let name: Option<Option<String>> =
                    organization.query_row([report], |row| row.get(0)).optional()?;
                Ok(name.flatten().unwrap_or_default())
            })
            .map(Some)
    }

    /// Which reports are about these days; `None`: none is.
    fn ids(&self, range: DayRange) -> Result<Option<Ids>, Failure> {
        let mut days = self.connection.prepare_cached(
            "SELECT min(first_report), max(last_report) FROM day WHERE day >= ?1 AND day <= ?2",
        )?;
        let found: (Option<i64>, Option<i64>) =
            days.query_row([range.first, range.last], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(found.0.zip(found.1).map(|(first, last)| Ids { first, last }))
    }

    /// `None`: no report that is shown speaks of it.
    fn newest(&self, domain: &Domain) -> Result<Option<Newest>, Failure> {
        let mut some = self.connection.prepare_cached(
            "SELECT session.report, begin, end, received_at, session.mode FROM session \
             JOIN report ON report.id = session.report WHERE session.domain = ?1 ORDER BY session.report DESC",
        )?;
        let mut rows = some.query([domain.id])?;
        let mut newest: Option<Newest> = None;
        let mut mode_end = domain.mode_end;
        let mut looked_at = 0;
        while looked_at < LOOKED_AT
            && let Some(row) = rows.next()?
        {
            if self.hidden.contains(&row.get(0)?) {
                continue;
            }
            looked_at += 1;
            let received_at: UnixTime = row.get(3)?;
            let sane = |time: &UnixTime| is_sane(*time, received_at);
            let begin = row.get::<_, Option<UnixTime>>(1)?.filter(sane);
            let end = row.get::<_, Option<UnixTime>>(2)?.filter(sane);
            let newest = newest.get_or_insert(Newest {
                last_end: domain.last_end,
                last_received_at: received_at,
                mode: domain.mode,
            });
            newest.last_end = newest.last_end.max(end);
            newest.last_received_at = newest.last_received_at.max(received_at);
            let mode = row.get::<_, Option<i64>>(4)?.and_then(Mode::from_code);
            if mode.is_some() && end.or(begin).is_some_and(|time| mode_end.is_none_or(|known| known < time)) {
                newest.mode = mode;
                mode_end = end.or(begin);
            }
        }
        Ok(newest)
    }

    fn each_session(
        &self,
        domain: i64,
        range: DayRange,
        ids: Option<Ids>,
        mut each: impl FnMut(&Self, Seen, &Row<'_>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let Some(ids) = ids else { return Ok(()) };
        let mut sessions = self.connection.prepare_cached(&format!(
            "SELECT {SESSION} FROM session WHERE domain = ?1 AND report >= ?2 AND report <= ?3 \
             AND day >= ?4 AND day <= ?5 ORDER BY report DESC"
        ))?;
        let mut rows = sessions.query(params![domain, ids.first, ids.last, range.first, range.last])?;
        while let Some(row) = rows.next()? {
            let seen = Seen {
                report: row.get(0)?,
                organization: row.get(1)?,
                day: row.get(2)?,
                successful: bounds(row, 3)?,
                failed: bounds(row, 5)?,
            };
            if !self.hidden.contains(&seen.report) {
                each(self, seen, row)?;
            }
        }
        Ok(())
    }

    fn add_failures_of(
        &self,
        domain: &str,
        seen: Seen,
        first: i64,
        last: i64,
        overview: &mut Overview,
    ) -> Result<(), Failure> {
        let mut some = self.connection.prepare_cached(&format!(
            "SELECT {FAILURE}, policy.domain FROM failure JOIN policy ON policy.id = ?3 + failure.policy \
             WHERE failure.id >= ?1 AND failure.id <= ?2 ORDER BY failure.id"
        ))?;
        let base = first_row(seen.report);
        let mut rows = some.query([base + first, base + last, base])?;
        while let Some(row) = rows.next()? {
            if text(row.get_ref(10)?)?.as_deref().map(domain_name) == Some(domain) {
                overview.failure(seen, &failure(row)?);
            }
        }
        Ok(())
    }
}

fn kinds(row: &Row<'_>, successful: Bounds, failed: Bounds) -> Result<Vec<Kind>, Failure> {
    let column = row.get_ref(7)?;
    if let rusqlite::types::ValueRef::Blob(packed) = column {
        return pack::Reader(packed)
            .kinds()
            .ok_or(Failure::Damaged("policy types of a domain cannot be read"));
    }
    let only: Option<PolicyType> = policy_type(column)?;
    Ok(only.map(|policy_type| Kind { policy_type, successful, failed }).into_iter().collect())
}

fn results(row: &Row<'_>) -> Result<Vec<(ResultType, u64)>, Failure> {
    match bytes(row.get_ref(8)?)? {
        None => Ok(Vec::new()),
        Some(packed) => {
            pack::Reader(packed).results().ok_or(Failure::Damaged("result types of a domain cannot be read"))
        }
    }
}
