//! Quotas, and the removal of what they push out.
//!
//! A report that has to go is hidden in the transaction that finds the quota full; its rows, up to two million, are
//! removed a few at a time by the transactions after it. So no commit takes long, and no page ever sees half of it.

use rusqlite::{OptionalExtension, params};

use super::columns::natural;
use super::failure::Failure;
use super::rows::{ROW_BITS, first_row};
use super::writer::Writer;
use crate::quotas::is_open;

/// Reports looked at, and items dropped, in one transaction to get below a quota.
const LOOKED_AT: usize = 1024;
/// Rows removed in one transaction.
const REMOVED_AT_ONCE: i64 = 4096;

impl Writer<'_> {
    pub(crate) fn bound_set_aside(&mut self) -> Result<(), Failure> {
        for _ in 0..LOOKED_AT {
            let quotas = &self.setup.quotas;
            if self.books.set_aside <= quotas.set_aside_items
                && self.books.set_aside_bytes <= quotas.set_aside_bytes
            {
                return Ok(());
            }
            let oldest = self.sql.set_aside_oldest.query_row([], |row| Ok((row.get(0)?, row.get(1)?)));
            let Some((id, bytes)) = oldest.optional()? else { return Ok(()) };
            let (id, bytes): (i64, i64) = (id, bytes);
            self.sql.set_aside_remove.execute([id])?;
            // A large report may be coming in from it at this moment: then it stays, as that report's.
            self.sql.raw_remove_unused.execute([id])?;
            self.books.set_aside = self.books.set_aside.saturating_sub(1);
            self.books.set_aside_bytes = self.books.set_aside_bytes.saturating_sub(natural(bytes)?);
            self.books.dropped += 1;
        }
        Ok(())
    }

    pub(crate) fn bound_open_reports(&mut self) -> Result<(), Failure> {
        for _ in 0..LOOKED_AT {
            let (books, quotas) = (&self.books, &self.setup.quotas);
            if books.open_reports <= quotas.open_reports
                && books.open_bytes <= quotas.open_bytes
                && books.open_rows <= quotas.open_rows
            {
                return Ok(());
            }
            let next = self.sql.report_next.query_row([books.oldest_open], |row| {
                let columns: [i64; 6] =
                    [row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?];
                Ok(columns)
            });
            let Some([id, state, trust, share, policies, failures]) = next.optional()? else { return Ok(()) };
            if state == 1 {
                // Its rows are still coming: it counts, and can go, when they are in.
                return Ok(());
            }
            self.books.oldest_open = id;
            if state != 0 || !is_open(super::columns::trust(trust)?) {
                continue;
            }
            self.doom(id)?;
            self.books.reports = self.books.reports.saturating_sub(1);
            self.books.dropped += 1;
            self.count_out_open(natural(share)?, natural(policies)?.saturating_add(natural(failures)?));
        }
        Ok(())
    }

    /// Hides a report now and has it removed soon.
    pub(crate) fn doom(&mut self, report: i64) -> Result<(), Failure> {
        self.sql.report_doom.execute([report])?;
        self.doomed = true;
        Ok(())
    }

    /// Removes some rows of hidden reports.
    pub(crate) fn sweep(&mut self) -> Result<(), Failure> {
        let mut left = REMOVED_AT_ONCE;
        while self.doomed && left > 0 {
            let next =
                self.sql.report_doomed.query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
            let Some((report, raw, prefix)) = next.optional()? else {
                self.doomed = false;
                break;
            };
            if self.remove_rows(report, &mut left)? {
                left -= 1;
                self.sql.report_remove.execute([report])?;
                self.remove_digest(prefix, report)?;
                self.release_raw(raw)?;
            }
        }
        Ok(())
    }

    /// Removes some rows of a report; true if none is left.
    fn remove_rows(&mut self, report: i64, left: &mut i64) -> Result<bool, Failure> {
        let (first, end) = (first_row(report), first_row(report) + (1 << ROW_BITS));
        while let Some(row) = self.first_failure(first, end)? {
            if *left <= 0 {
                return Ok(false);
            }
            let stop = end.min(row + *left);
            *left -= self.sql.failure_remove.execute([row, stop])? as i64;
        }
        loop {
            if *left <= 0 {
                return Ok(false);
            }
            let some: Vec<(i64, Option<String>)> = self
                .sql
                .policy_some
                .query_map(params![first, end, (*left).min(1024)], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<Result<_, _>>()?;
            let Some((last, _)) = some.last() else { break };
            let last = *last;
            let mut before = None;
            for (_, domain) in some.iter().filter(|(_, domain)| domain.is_some()) {
                if before != Some(domain) {
                    self.remove_session(domain.as_deref().unwrap_or_default(), report)?;
                }
                before = Some(domain);
            }
            *left -= some.len() as i64;
            self.sql.policy_remove.execute([first, last])?;
        }
        Ok(true)
    }

    fn first_failure(&mut self, first: i64, end: i64) -> Result<Option<i64>, Failure> {
        Ok(self.sql.failure_first.query_row([first, end], |row| row.get(0)).optional()?)
    }
}
