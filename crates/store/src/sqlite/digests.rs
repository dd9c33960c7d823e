//! Which reports are there already.
//!
//! A digest is a random key: an index over it has, for each new report, another page to read, change and write to the
//! log, which costs as much as all else that is written. So the newest entries are held in memory, and go into the
//! table a slice of the key space at a time: then several neighbours share each page. Nothing is lost with the
//! memory: the digest stands in the report's own row, and each slice knows up to which report the table has it.

use std::collections::BTreeSet;

use rusqlite::{Connection, params};

use super::failure::Failure;
use super::statements::Statements;
use super::writer::Writer;

/// Slices of the key space, by its uppermost bits.
const SLICES: usize = 16;
/// New reports after which one slice goes into the table. All slices have had their turn after 16 times as many, so
/// about half of that is in memory: 16 bytes each.
const REPORTS_A_SLICE: usize = 2048;

/// What is not in the table yet.
pub(crate) struct Digests {
    recent: [BTreeSet<(i64, i64)>; SLICES],
    next_slice: usize,
    since: usize,
    /// What this transaction has added and removed.
    added: Vec<(i64, i64)>,
    removed: Vec<(i64, i64)>,
    /// The slice that this transaction has put into the table.
    filed: Option<usize>,
}

fn slice_of(prefix: i64) -> usize {
    (prefix as u64 >> 60) as usize % SLICES
}

impl Digests {
    pub(crate) fn read(connection: &Connection) -> Result<Self, Failure> {
        let mut through = [0i64; SLICES];
        let mut slices = connection.prepare("SELECT slice, through FROM digest_slice")?;
        let mut rows = slices.query([])?;
        while let Some(row) = rows.next()? {
            let slice: u16 = row.get(0)?;
            *through
                .get_mut(usize::from(slice))
                .ok_or(Failure::Damaged("a slice of digests does not exist"))? = row.get(1)?;
        }
        let mut digests = Self {
            recent: Default::default(),
            next_slice: 0,
            since: 0,
            added: Vec::new(),
            removed: Vec::new(),
            filed: None,
        };
        let least = through.into_iter().min().unwrap_or(0);
        let mut reports = connection.prepare("SELECT prefix, id FROM report WHERE id > ?1")?;
        let mut rows = reports.query([least])?;
        while let Some(row) = rows.next()? {
            let (prefix, report): (i64, i64) = (row.get(0)?, row.get(1)?);
            if through[slice_of(prefix)] < report {
                digests.recent[slice_of(prefix)].insert((prefix, report));
            }
        }
        Ok(digests)
    }

    pub(crate) fn add(&mut self, prefix: i64, report: i64) {
        self.recent[slice_of(prefix)].insert((prefix, report));
        self.added.push((prefix, report));
    }

    /// After a commit.
    pub(crate) fn keep(&mut self) {
        self.since += self.added.len();
        self.added.clear();
        self.removed.clear();
        if let Some(slice) = self.filed.take() {
            self.recent[slice].clear();
            self.next_slice = (slice + 1) % SLICES;
            self.since = 0;
        }
    }

    /// After a rollback.
    pub(crate) fn undo(&mut self) {
        self.filed = None;
        for (prefix, report) in self.removed.drain(..) {
            self.recent[slice_of(prefix)].insert((prefix, report));
        }
        for (prefix, report) in self.added.drain(..) {
            self.recent[slice_of(prefix)].remove(&(prefix, report));
        }
    }

    /// Reports whose digest begins so.
    pub(crate) fn find(&self, sql: &mut Statements<'_>, prefix: i64) -> Result<Vec<i64>, Failure> {
        let recent = self.recent[slice_of(prefix)].range((prefix, i64::MIN)..=(prefix, i64::MAX));
        let mut reports: Vec<i64> = recent.map(|(_, report)| *report).collect();
        let mut rows = sql.digest_find.query([prefix])?;
        while let Some(row) = rows.next()? {
            reports.push(row.get(0)?);
        }
        Ok(reports)
    }
}

impl Writer<'_> {
    /// Puts a slice into the table when enough has come together.
    pub(crate) fn file_digests(&mut self) -> Result<(), Failure> {
        if self.digests.since < REPORTS_A_SLICE {
            return Ok(());
        }
        let slice = self.digests.next_slice;
        for (prefix, report) in &self.digests.recent[slice] {
            // Sorted, so that neighbours go to one page.
            self.sql.digest_insert.execute([prefix, report])?;
        }
        self.sql.digest_slice.execute(params![slice as i64, self.books.next_report - 1])?;
        self.digests.filed = Some(slice);
        Ok(())
    }

    /// The report is gone.
    pub(crate) fn remove_digest(&mut self, prefix: i64, report: i64) -> Result<(), Failure> {
        if self.digests.recent[slice_of(prefix)].remove(&(prefix, report)) {
            self.digests.removed.push((prefix, report));
        } else {
            self.sql.digest_remove.execute([prefix, report])?;
        }
        Ok(())
    }
}
