//! How one submission becomes rows.

use rusqlite::{OptionalExtension, params};
use tlsward_engine::facts::{RawInput, Receipt, SetAsideReason, Trust, UnixTime};
use tlsward_engine::ports::StoreError;
use tlsward_engine::receive::READER;

use super::columns::{integer, natural, reason, reason_code, trust, trust_code};
use super::failure::Failure;
use super::load::load_of;
use super::queue::{Input, Submission};
use super::rows::{first_row, repairs};
use super::writer::{Outcome, Writer};
use crate::filing::{Filing, HeldHead, Paper, PaperRows, prefix};
use crate::quotas::is_open;

/// The raw input of a submission.
struct Source {
    /// Its row, if it has one already.
    row: Option<i64>,
    received_at: UnixTime,
    bytes: u64,
}

/// A report with the same digest.
struct Existing {
    id: i64,
    raw: i64,
    share: u64,
    trust: Trust,
    rows: u64,
    is_loading: bool,
}

impl Writer<'_> {
    pub(crate) fn keep(&mut self, raw: &RawInput, digest: &[u8; 32]) -> Result<Outcome, Failure> {
        let bytes = raw.bytes.len() as u64;
        if self.books.pending_bytes.saturating_add(bytes) > self.setup.quotas.pending_bytes {
            let why = "too much mail waits to be read".to_owned();
            return Ok(Outcome::Refused(StoreError::Unavailable(why)));
        }
        let id = self.books.raw_id();
        self.insert_raw(id, raw, digest, 0, None)?;
        self.sql.pending_insert.execute([id])?;
        self.books.pending += 1;
        self.books.pending_bytes += bytes;
        Ok(Outcome::Kept(id))
    }

    pub(crate) fn file(&mut self, submission: &mut Submission) -> Result<Outcome, Failure> {
        let Submission { input, filing, .. } = submission;
        let Some(source) = self.source(input)? else { return self.settled_before(input, filing) };
        match filing {
            Filing::SetAside { reason, detail } => self.set_aside(input, &source, *reason, detail),
            Filing::Reports { papers, complaints } => {
                if let Some(report) = self.awaited(papers)? {
                    return Ok(Outcome::Waits(report));
                }
                if papers.iter().any(|paper| matches!(paper.rows, PaperRows::Streamed(_)))
                    && let Some(outcome) = self.open_load(input, &source, papers)?
                {
                    return Ok(outcome);
                }
                self.file_papers(input, &source, papers, complaints.as_deref())
            }
        }
    }

    /// `None`: the mail has its verdict already, or is no longer on the shelf.
    fn source(&mut self, input: &Input) -> Result<Option<Source>, Failure> {
        let id = match input {
            Input::Fresh { raw, .. } => {
                let bytes = raw.bytes.len() as u64;
                return Ok(Some(Source { row: None, received_at: raw.received_at, bytes }));
            }
            Input::Kept(id) => {
                if !self.sql.pending_find.exists([id])? {
                    return Ok(None);
                }
                *id
            }
            Input::Shelved(id) => {
                if !self.sql.set_aside_find.exists([id])? {
                    return Ok(None);
                }
                *id
            }
            Input::Loading(id) => *id,
        };
        let found = self.sql.raw_find.query_row([id], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)));
        let Some((received_at, bytes)) = found.optional()? else { return Ok(None) };
        Ok(Some(Source { row: Some(id), received_at, bytes: natural(bytes)? }))
    }

    /// The answer for mail that has its verdict: nothing changes, and the receipt is the one it had as far as it can
    /// still be told.
    fn settled_before(&mut self, input: &Input, filing: &Filing) -> Result<Outcome, Failure> {
        let (Input::Kept(mail) | Input::Shelved(mail) | Input::Loading(mail)) = input else {
            return Err(Failure::Damaged("a new input is settled"));
        };
        match filing {
            Filing::SetAside { reason: verdict, .. } => {
                let code = self.sql.set_aside_find.query_row([mail], |row| row.get(0)).optional()?;
                let stored = code.map(reason).transpose()?;
                Ok(Outcome::Filed(Receipt::SetAside { id: *mail, reason: stored.unwrap_or(*verdict) }))
            }
            Filing::Reports { papers, .. } => {
                let (mut own, mut others) = (Vec::new(), Vec::new());
                for paper in papers {
                    if let Some(existing) = self.find(&paper.digest)? {
                        let is_own = existing.raw == *mail && self.came_with(existing.id, *mail)?;
                        let list = if is_own { &mut own } else { &mut others };
                        list.push(existing.id);
                    }
                }
                Ok(Outcome::Filed(receipt(own, others)))
            }
        }
    }

    /// Whether a report came in with this input, and not with an older copy whose place the input has taken.
    fn came_with(&mut self, report: i64, raw: i64) -> Result<bool, Failure> {
        Ok(self.sql.report_came_with.exists([report, raw])?)
    }

    fn set_aside(
        &mut self,
        input: &Input,
        source: &Source,
        reason: SetAsideReason,
        detail: &str,
    ) -> Result<Outcome, Failure> {
        if let (Input::Shelved(_), Some(id)) = (input, source.row) {
            self.sql.set_aside_again.execute(params![id, reason_code(reason), detail, READER])?;
            return Ok(Outcome::Filed(Receipt::SetAside { id, reason }));
        }
        // Raw input and item share their id: there is never more than one item an input.
        let id = match source.row {
            Some(id) => id,
            None => self.books.raw_id(),
        };
        if let Input::Fresh { raw, digest } = input {
            self.insert_raw(id, raw, digest, 0, None)?;
        }
        self.sql.set_aside_insert.execute(params![id, reason_code(reason), detail, READER])?;
        self.books.set_aside += 1;
        self.books.set_aside_bytes = self.books.set_aside_bytes.saturating_add(source.bytes);
        self.no_longer_pending(source)?;
        self.bound_set_aside()?;
        Ok(Outcome::Filed(Receipt::SetAside { id, reason }))
    }

    fn file_papers(
        &mut self,
        input: &Input,
        source: &Source,
        papers: &[Paper],
        complaints: Option<&str>,
    ) -> Result<Outcome, Failure> {
        let share = share(source.bytes, papers.len());
        let (mut filed, mut repeated) = (Vec::with_capacity(1), Vec::new());
        let mut raw = source.row;
        let mut uses = 0i64;
        for paper in papers {
            if let PaperRows::Loaded { report, held } = &paper.rows {
                self.show_report(*report, paper, held, share)?;
                filed.push(*report);
                continue;
            }
            let existing = self.find(&paper.digest)?;
            if let Some(existing) = &existing {
                // Also a copy that takes the other's place: the report is not new (design: receipts).
                self.books.duplicates += 1;
                repeated.push(existing.id);
                if existing.trust >= paper.trust {
                    continue;
                }
            }
            let raw = *raw.get_or_insert_with(|| self.books.raw_id());
            match existing {
                Some(existing) => {
                    uses += i64::from(existing.raw != raw);
                    self.replace(&existing, paper, raw, share)?;
                }
                None => {
                    uses += 1;
                    filed.push(self.add_report(paper, raw, share, source.received_at)?);
                }
            }
        }
        match (input, raw) {
            (Input::Fresh { raw: input, digest }, Some(raw)) => {
                self.insert_raw(raw, input, digest, uses, complaints)?;
            }
            // Every report was there already, as trusted or better: its input is not kept.
            (_, None) => {}
            (Input::Kept(_) | Input::Shelved(_) | Input::Loading(_), Some(raw)) => {
                self.sql.raw_use.execute(params![raw, uses, complaints])?;
                self.no_longer_pending(source)?;
                if !matches!(input, Input::Kept(_)) {
                    self.no_longer_set_aside(source)?;
                }
                self.sql.raw_remove_unused.execute([raw])?;
            }
        }
        if !filed.is_empty() {
            self.books.received(source.received_at);
        }
        // A better copy may be a larger one.
        if uses > 0 || !filed.is_empty() {
            self.bound_open_reports()?;
        }
        Ok(Outcome::Filed(receipt(filed, repeated)))
    }

    fn no_longer_pending(&mut self, source: &Source) -> Result<(), Failure> {
        let Some(id) = source.row else { return Ok(()) };
        if self.sql.pending_remove.execute([id])? > 0 {
            self.books.pending = self.books.pending.saturating_sub(1);
            self.books.pending_bytes = self.books.pending_bytes.saturating_sub(source.bytes);
        }
        Ok(())
    }

    fn no_longer_set_aside(&mut self, source: &Source) -> Result<(), Failure> {
        let Some(id) = source.row else { return Ok(()) };
        if self.sql.set_aside_remove.execute([id])? > 0 {
            self.books.set_aside = self.books.set_aside.saturating_sub(1);
            self.books.set_aside_bytes = self.books.set_aside_bytes.saturating_sub(source.bytes);
        }
        Ok(())
    }

    /// The report with this digest that is shown, or whose rows are coming in.
    fn find(&mut self, digest: &[u8; 32]) -> Result<Option<Existing>, Failure> {
        for report in self.digests.find(&mut self.sql, prefix(digest))? {
            let mut rows = self.sql.report_find.query([report])?;
            let Some(row) = rows.next()? else { continue };
            let state: i64 = row.get(2)?;
            // Forged reports can share a prefix; only the whole digest makes a duplicate.
            if row.get_ref(1)?.as_blob().ok() != Some(digest.as_slice()) {
                continue;
            }
            // One that nobody brings in any more is as good as gone.
            let is_coming =
                state == 1 && (self.opening.contains(&report) || load_of(&self.loads, report).is_some());
            if state != 0 && !is_coming {
                continue;
            }
            return Ok(Some(Existing {
                id: row.get(0)?,
                is_loading: is_coming,
                raw: row.get(3)?,
                share: natural(row.get(4)?)?,
                trust: trust(row.get(5)?)?,
                rows: natural(row.get(6)?)?.saturating_add(natural(row.get(7)?)?),
            }));
        }
        Ok(None)
    }

    /// One of these reports that another submission brings in at this moment. Whether it is a duplicate shows when
    /// that one is whole.
    fn awaited(&mut self, papers: &[Paper]) -> Result<Option<i64>, Failure> {
        if self.loads.is_empty() && self.opening.is_empty() {
            return Ok(None);
        }
        for paper in papers.iter().filter(|paper| !matches!(paper.rows, PaperRows::Loaded { .. })) {
            if let Some(existing) = self.find(&paper.digest)?.filter(|existing| existing.is_loading) {
                return Ok(Some(existing.id));
            }
        }
        Ok(None)
    }

    /// Makes room for reports whose rows come in later; `None` if every streamed one is a duplicate.
    fn open_load(
        &mut self,
        input: &Input,
        source: &Source,
        papers: &[Paper],
    ) -> Result<Option<Outcome>, Failure> {
        let mut missing: Vec<usize> = Vec::new();
        for (index, paper) in papers.iter().enumerate() {
            let repeated =
                missing.iter().any(|at| papers.get(*at).is_some_and(|at| at.digest == paper.digest));
            if matches!(paper.rows, PaperRows::Streamed(_))
                && !repeated
                && self.find(&paper.digest)?.is_none()
            {
                missing.push(index);
            }
        }
        if missing.is_empty() {
            return Ok(None);
        }
        if self.is_loading_enough() {
            let why = "as many large reports as it reads at once are being read".to_owned();
            return Ok(Some(Outcome::Refused(StoreError::Unavailable(why))));
        }
        let raw = match source.row {
            Some(id) => id,
            None => self.books.raw_id(),
        };
        match input {
            Input::Fresh { raw: bytes, digest } => {
                self.insert_raw(raw, bytes, digest, missing.len() as i64, None)?;
            }
            Input::Kept(_) | Input::Shelved(_) | Input::Loading(_) => {
                self.sql.raw_use.execute(params![raw, missing.len() as i64, None::<&str>])?;
            }
        }
        let share = share(source.bytes, papers.len());
        let mut reports = Vec::new();
        for index in missing {
            let Some(paper) = papers.get(index) else { continue };
            let id = self.books.report_id();
            self.insert_report(id, 1, paper, &HeldHead::default(), raw, share, source.received_at)?;
            self.opening.push(id);
            reports.push((index, id));
        }
        Ok(Some(Outcome::Loading { raw, reports }))
    }

    fn add_report(
        &mut self,
        paper: &Paper,
        raw: i64,
        share: u64,
        received_at: UnixTime,
    ) -> Result<i64, Failure> {
        let PaperRows::Packed(held) = &paper.rows else {
            return Err(Failure::Damaged("a report is filed before its rows are in"));
        };
        let id = self.books.report_id();
        let day = self.insert_report(id, 0, paper, &held.head, raw, share, received_at)?;
        let base = first_row(id);
        for (index, policy) in (0..).zip(&held.policies) {
            self.insert_plain_policy(base + index, policy)?;
        }
        for (index, (policy, row)) in (0..).zip(&held.failures) {
            self.insert_failure(base + index, integer(*policy), row)?;
        }
        for session in &held.sessions {
            let domain = self.domain_shown(session, paper.begin, paper.end, received_at)?;
            self.insert_session(domain, id, day, paper.organization, session)?;
        }
        self.count_in(paper.trust, share, paper.row_count());
        Ok(id)
    }

    /// Shows a report whose rows are all in.
    fn show_report(&mut self, id: i64, paper: &Paper, held: &HeldHead, share: u64) -> Result<(), Failure> {
        self.sql.report_show.execute(params![id, held.domain.as_deref(), integer(held.domains)])?;
        self.count_in(paper.trust, share, paper.row_count());
        self.uncounted = Some(0);
        Ok(())
    }

    fn count_in(&mut self, trust: Trust, share: u64, rows: u64) {
        self.books.reports += 1;
        if is_open(trust) {
            self.books.open_reports += 1;
            self.books.open_bytes = self.books.open_bytes.saturating_add(share);
            self.books.open_rows = self.books.open_rows.saturating_add(rows);
        }
    }

    /// Counts a report out of the sums that quotas go by.
    pub(crate) fn count_out_open(&mut self, share: u64, rows: u64) {
        self.books.open_reports = self.books.open_reports.saturating_sub(1);
        self.books.open_bytes = self.books.open_bytes.saturating_sub(share);
        self.books.open_rows = self.books.open_rows.saturating_sub(rows);
    }

    /// A better-trusted copy takes the place of a worse one: its input, where it stood, what was mended, its trust. The
    /// report keeps its id and the time it first came in, so that links and days stay.
    fn replace(&mut self, old: &Existing, paper: &Paper, raw: i64, share: u64) -> Result<(), Failure> {
        let repairs = repairs(&mut self.scratch[0], paper);
        self.sql.report_replace.execute(params![
            old.id,
            trust_code(paper.trust),
            raw,
            integer(share),
            paper.member,
            repairs
        ])?;
        if is_open(old.trust) {
            self.count_out_open(old.share, old.rows);
        }
        if is_open(paper.trust) {
            self.books.open_reports += 1;
            self.books.open_bytes = self.books.open_bytes.saturating_add(share);
            self.books.open_rows = self.books.open_rows.saturating_add(old.rows);
        }
        if old.raw != raw {
            self.release_raw(old.raw)?;
        }
        Ok(())
    }

    /// One report less refers to this input; without any, and neither waiting for its verdict nor set aside, it goes.
    pub(crate) fn release_raw(&mut self, raw: i64) -> Result<(), Failure> {
        self.sql.raw_use.execute(params![raw, -1, None::<&str>])?;
        self.sql.raw_remove_unused.execute([raw])?;
        Ok(())
    }
}

/// Each report of an input bears its part of the input's bytes.
pub(crate) fn share(bytes: u64, papers: usize) -> u64 {
    bytes.div_ceil((papers as u64).max(1))
}

fn receipt(filed: Vec<i64>, repeated: Vec<i64>) -> Receipt {
    if filed.is_empty() { Receipt::Duplicate { ids: repeated } } else { Receipt::Stored { ids: filed } }
}
