//! Sums that are kept and never counted again: totals for pages, fill levels for quotas, the next ids.
//!
//! The writer changes them in memory and writes them once a transaction, into the one row of `books`. Ids are taken
//! from here and not from the tables, so that the id of something removed never comes back.

use rusqlite::{Connection, Row, Statement, params};
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::Totals;

use super::columns::{integer, natural};
use super::failure::Failure;

pub(crate) const SELECT: &str = "SELECT reports, domains, duplicates, dropped, set_aside, set_aside_bytes, pending, \
    pending_bytes, open_reports, open_bytes, open_rows, last_received_at, next_raw, next_report, oldest_open FROM books";

pub(crate) const UPDATE: &str = "UPDATE books SET reports = ?1, domains = ?2, duplicates = ?3, dropped = ?4, \
    set_aside = ?5, set_aside_bytes = ?6, pending = ?7, pending_bytes = ?8, open_reports = ?9, open_bytes = ?10, \
    open_rows = ?11, last_received_at = ?12, next_raw = ?13, next_report = ?14, oldest_open = ?15";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Books {
    pub(crate) reports: u64,
    pub(crate) domains: u64,
    pub(crate) duplicates: u64,
    pub(crate) dropped: u64,
    pub(crate) set_aside: u64,
    pub(crate) set_aside_bytes: u64,
    pub(crate) pending: u64,
    pub(crate) pending_bytes: u64,
    /// Reports that nobody vouches for, their share of raw bytes, and their rows.
    pub(crate) open_reports: u64,
    pub(crate) open_bytes: u64,
    pub(crate) open_rows: u64,
    pub(crate) last_received_at: Option<UnixTime>,
    pub(crate) next_raw: i64,
    pub(crate) next_report: i64,
    /// No report that nobody vouches for has this id or a lower one.
    pub(crate) oldest_open: i64,
}

impl Books {
    pub(crate) fn read(connection: &Connection) -> Result<Self, Failure> {
        connection.prepare_cached(SELECT)?.query_row([], |row| Ok(Self::of(row)))?
    }

    fn of(row: &Row<'_>) -> Result<Self, Failure> {
        let count = |column: usize| natural(row.get(column)?);
        Ok(Self {
            reports: count(0)?,
            domains: count(1)?,
            duplicates: count(2)?,
            dropped: count(3)?,
            set_aside: count(4)?,
            set_aside_bytes: count(5)?,
            pending: count(6)?,
            pending_bytes: count(7)?,
            open_reports: count(8)?,
            open_bytes: count(9)?,
            open_rows: count(10)?,
            last_received_at: row.get(11)?,
            next_raw: row.get(12)?,
            next_report: row.get(13)?,
            oldest_open: row.get(14)?,
        })
    }

    pub(crate) fn write(&self, update: &mut Statement<'_>) -> Result<(), Failure> {
        update.execute(params![
            integer(self.reports),
            integer(self.domains),
            integer(self.duplicates),
            integer(self.dropped),
            integer(self.set_aside),
            integer(self.set_aside_bytes),
            integer(self.pending),
            integer(self.pending_bytes),
            integer(self.open_reports),
            integer(self.open_bytes),
            integer(self.open_rows),
            self.last_received_at,
            self.next_raw,
            self.next_report,
            self.oldest_open,
        ])?;
        Ok(())
    }

    pub(crate) fn received(&mut self, at: UnixTime) {
        self.last_received_at = self.last_received_at.max(Some(at));
    }

    pub(crate) fn raw_id(&mut self) -> i64 {
        let id = self.next_raw;
        self.next_raw += 1;
        id
    }

    pub(crate) fn report_id(&mut self) -> i64 {
        let id = self.next_report;
        self.next_report += 1;
        id
    }

    pub(crate) fn totals(&self) -> Totals {
        Totals {
            reports: self.reports,
            set_aside: self.set_aside,
            pending: self.pending,
            dropped: self.dropped,
            duplicates: self.duplicates,
            domains: self.domains,
            last_received_at: self.last_received_at,
        }
    }
}
