//! Domains and their sessions, as the writer files them.
//!
//! A domain has a small integer, given when it is first named. What is newest of it (end of the newest range, mode of
//! the newest policy quoted) stands in its own row and changes about once a day, not with each report.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, params};
use tls_rpt::PolicyType;
use tls_rpt::Text;
use tlsward_engine::facts::UnixTime;

use super::columns::{PolicyColumn, integer};
use super::failure::Failure;
use super::queue::SessionBatch;
use super::writer::{Outcome, Writer};
use crate::pack;
use crate::session::{Mode, Session, domain_name, is_sane};

/// Domains whose integers are remembered.
const REMEMBERED: usize = 20_000;
/// Domains looked at in one transaction to bring the total up to date.
const COUNTED_AT_ONCE: i64 = 1024;

/// What the writer remembers of the domain table.
#[derive(Default)]
pub(crate) struct Domains {
    known: BTreeMap<Text, Domain>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Domain {
    id: i64,
    last_end: Option<UnixTime>,
    mode: Option<Mode>,
    mode_end: Option<UnixTime>,
    /// It is in the totals. One that only a large report names is not until the report is whole.
    is_counted: bool,
}

impl Domains {
    /// After a rollback: what was remembered may never have been written.
    pub(crate) fn forget(&mut self) {
        self.known.clear();
    }
}

impl Domain {
    /// What a report about it changes. Times that cannot be are passed over, or a forged one would be newest for ever.
    fn learn(&mut self, mode: Option<Mode>, begin: Option<UnixTime>, end: Option<UnixTime>, at: UnixTime) {
        let end = end.filter(|end| is_sane(*end, at));
        let begin = begin.filter(|begin| is_sane(*begin, at));
        self.last_end = self.last_end.max(end);
        if mode.is_some()
            && let Some(time) = end.or(begin)
            && self.mode_end.is_none_or(|known| known <= time)
        {
            // The time alone is no reason to write: only a later report with another mode is.
            if self.mode != mode || self.mode_end.is_none_or(|known| time - known > 86_400 / 2) {
                self.mode_end = Some(time);
            }
            self.mode = mode;
        }
    }
}

impl Writer<'_> {
    /// The domain of a session of a report that is shown from this transaction on.
    pub(crate) fn domain_shown(
        &mut self,
        session: &Session,
        begin: Option<UnixTime>,
        end: Option<UnixTime>,
        received_at: UnixTime,
    ) -> Result<i64, Failure> {
        let old = self.domain(&session.domain)?;
        let mut new = old;
        new.learn(session.mode, begin, end, received_at);
        if !new.is_counted {
            new.is_counted = true;
            self.books.domains += 1;
        }
        if new != old {
            self.update_domain(&session.domain, new)?;
        }
        Ok(new.id)
    }

    fn update_domain(&mut self, name: &Text, domain: Domain) -> Result<(), Failure> {
        self.sql.domain_update.execute(params![
            domain.id,
            domain.last_end,
            domain.mode.map(Mode::code),
            domain.mode_end,
            domain.is_counted
        ])?;
        self.domains.known.insert(name.clone(), domain);
        Ok(())
    }

    fn domain(&mut self, name: &Text) -> Result<Domain, Failure> {
        if let Some(domain) = self.domains.known.get(name) {
            return Ok(*domain);
        }
        let found = self.sql.domain_find.query_row([name.as_str()], |row| {
            Ok(Domain {
                id: row.get(0)?,
                last_end: row.get(1)?,
                mode: row.get::<_, Option<i64>>(2)?.and_then(Mode::from_code),
                mode_end: row.get(3)?,
                is_counted: row.get(4)?,
            })
        });
        let domain = match found.optional()? {
            Some(domain) => domain,
            None => {
                let none = None::<i64>;
                let id = self.sql.domain_insert.insert(params![name.as_str(), none, none, none, false])?;
                Domain { id, last_end: None, mode: None, mode_end: None, is_counted: false }
            }
        };
        if self.domains.known.len() >= REMEMBERED {
            self.domains.known.clear();
        }
        self.domains.known.insert(name.clone(), domain);
        Ok(domain)
    }

    pub(crate) fn insert_session(
        &mut self,
        domain: i64,
        report: i64,
        day: i64,
        organization: i64,
        session: &Session,
    ) -> Result<(), Failure> {
        let [kinds, results, _] = &mut self.scratch;
        // A single registered type, which is nearly every report's, is known from the row's own sums.
        let single = match session.kinds.as_slice() {
            [only] if !matches!(only.policy_type, PolicyType::Unknown(_)) => Some(&only.policy_type),
            _ => None,
        };
        kinds.clear();
        if single.is_none() {
            pack::Writer(kinds).kinds(&session.kinds);
        }
        results.clear();
        pack::Writer(results).results(&session.results);
        let single = PolicyColumn(single);
        let kinds: &dyn rusqlite::ToSql = if single.0.is_some() { &single } else { &kinds.as_slice() };
        self.sql.session_insert.execute(params![
            domain,
            report,
            day,
            organization,
            integer(session.successful.low),
            integer(session.successful.high.saturating_sub(session.successful.low)),
            integer(session.failed.low),
            integer(session.failed.high.saturating_sub(session.failed.low)),
            session.mode.map(Mode::code),
            kinds,
            (!results.is_empty()).then_some(results.as_slice()),
            session.failures.map(|span| integer(span.first)),
            session.failures.map(|span| integer(span.last)),
        ])?;
        Ok(())
    }

    /// Sessions of a report that is not shown yet.
    pub(crate) fn add_sessions(&mut self, batch: &SessionBatch) -> Result<Outcome, Failure> {
        let times = self.sql.report_times.query_row([batch.report], |row| Ok((row.get(0)?, row.get(1)?)));
        let (day, organization) = times?;
        for session in &batch.sessions {
            let domain = self.domain(&session.domain)?;
            self.insert_session(domain.id, batch.report, day, organization, session)?;
        }
        Ok(Outcome::Taken)
    }

    /// Brings domains that only large reports named into the totals, some at a time.
    pub(crate) fn count_domains(&mut self) -> Result<(), Failure> {
        let Some(above) = self.uncounted else { return Ok(()) };
        let some: Vec<(i64, String)> = self
            .sql
            .domain_uncounted
            .query_map(params![above, COUNTED_AT_ONCE], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        for (id, name) in &some {
            let newest = self.sql.session_newest_shown.query_row([id], |row| {
                let mode = row.get::<_, Option<i64>>(3)?.and_then(Mode::from_code);
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, mode))
            });
            if let Some((begin, end, received_at, mode)) = newest.optional()? {
                let name = Text::new(name);
                let mut domain = self.domain(&name)?;
                if !domain.is_counted {
                    domain.is_counted = true;
                    domain.learn(mode, begin, end, received_at);
                    self.books.domains += 1;
                    self.update_domain(&name, domain)?;
                }
            }
        }
        self.uncounted = some.last().map(|(id, _)| *id);
        Ok(())
    }

    /// Takes a report out of a domain; a domain that no report speaks of any more goes with it.
    pub(crate) fn remove_session(&mut self, name: &str, report: i64) -> Result<(), Failure> {
        let name = Text::new(domain_name(name));
        let found = self
            .sql
            .domain_find
            .query_row([name.as_str()], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(4)?)));
        let Some((domain, is_counted)) = found.optional()? else { return Ok(()) };
        self.sql.session_remove.execute(params![domain, report])?;
        if self.sql.domain_remove.execute([domain])? > 0 {
            self.domains.known.remove(&name);
            self.books.domains = self.books.domains.saturating_sub(u64::from(is_counted));
        }
        Ok(())
    }

    /// Which reports are about which days.
    pub(crate) fn write_days(&mut self) -> Result<(), Failure> {
        for (day, (first, last)) in &self.days {
            self.sql.day_upsert.execute(params![day, first])?;
            if last != first {
                self.sql.day_upsert.execute(params![day, last])?;
            }
        }
        Ok(())
    }
}
