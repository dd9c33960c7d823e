//! Large reports: up to a million policies and as many failure rows, in memory for some thousand.
//!
//! The writer makes room for the report (hidden), and a thread of its own reads the rows from the input again and
//! hands them over a batch at a time; other submissions are committed between the batches. Then the thread counts the
//! sessions of each domain: SQLite sorts the rows by domain, [`crate::session`] applies the rule, and the sessions go
//! to the writer in batches too. The last job shows the report and is answered, so an acknowledged report is whole. If
//! the process ends before, nobody was told: what is there is removed at the next start, and mail is still kept.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;

use rusqlite::{Connection, OptionalExtension, Row, params};
use tls_rpt::Text;
use tls_rpt::report::FailureDetails;
use tlsward_engine::facts::{Receipt, RowPiece, RowSource};
use tlsward_engine::ports::StoreError;

use super::columns::{bytes, natural, policy_type, text};
use super::failure::Failure;
use super::packed::PackedPolicy;
use super::queue::{Input, Job, Queue, RowBatch, SessionBatch, Submission};
use super::readers::open_for_reading;
use super::rows::first_row;
use super::writer::{Outcome, Writer, tell};
use crate::filing::{Filing, HeldHead, MAX_ROWS, PaperRows};
use crate::pack;
use crate::session::{Details, Line, Mode, Session, Sessions, Span, domain_name};

/// Large inputs that are read at once; one more is "unavailable".
const MAX_LOADS: usize = 4;
/// Submissions that wait for a load because they repeat its report.
const MAX_WAITING: usize = 16;
/// Rows of one batch.
const BATCH_ROWS: usize = 4096;
/// Bytes of text of one batch, about.
const BATCH_BYTES: usize = 1024 * 1024;
/// Policies that are still open between two pieces: one, in order; more only from a broken source.
const MAX_OPEN: usize = 64;

/// A large input whose rows are coming in.
pub(crate) struct Load {
    submission: Submission,
    /// Index among the papers, id of the report.
    reports: Vec<(usize, i64)>,
    waiting: Vec<Submission>,
}

impl Writer<'_> {
    pub(crate) fn is_loading_enough(&self) -> bool {
        self.loads.len() >= MAX_LOADS
    }

    pub(crate) fn load_of(&self, report: i64) -> Option<u64> {
        load_of(&self.loads, report)
    }

    /// The submission's reports have their places, on disk: reads their rows on a thread of its own.
    pub(crate) fn start_load(&mut self, mut submission: Submission, raw: i64, reports: Vec<(usize, i64)>) {
        // The bytes are in the store; the row source has what it needs.
        submission.input = Input::Loading(raw);
        let mut parts = Vec::new();
        if let Filing::Reports { papers, .. } = &mut submission.filing {
            for (index, report) in &reports {
                let Some(paper) = papers.get_mut(*index) else { continue };
                let loaded = PaperRows::Loaded { report: *report, held: HeldHead::default() };
                if let PaperRows::Streamed(source) = std::mem::replace(&mut paper.rows, loaded) {
                    let announced = (paper.policy_count, paper.failure_count);
                    parts.push(Part { report: *report, source, announced });
                }
            }
        }
        let number = self.next_load;
        self.next_load += 1;
        self.loads.insert(number, Load { submission, reports, waiting: Vec::new() });
        let end = Ending { queue: Arc::clone(&self.setup.queue), load: number, heads: None };
        let path = self.setup.path.clone();
        let started =
            std::thread::Builder::new().name("store-load".to_owned()).spawn(move || load(end, &path, parts));
        if let Err(error) = started {
            // Dropped with the closure, `end` has asked for the load to be abandoned.
            tracing::error!(%error, "no thread for a large report");
        }
    }

    /// Has a submission judged again when the load of `report` has ended.
    pub(crate) fn wait_for(&mut self, report: i64, submission: Submission) {
        match self.load_of(report).and_then(|number| self.loads.get_mut(&number)) {
            Some(load) if load.waiting.len() < MAX_WAITING => load.waiting.push(submission),
            Some(_) => {
                let why = "copies of a report that is being read came too often".to_owned();
                tell(submission, Err(StoreError::Unavailable(why)));
            }
            // It has ended meanwhile.
            None => self.setup.queue.push_front(vec![Job::File(submission)]),
        }
    }

    pub(crate) fn add_rows(&mut self, batch: &RowBatch) -> Result<Outcome, Failure> {
        let base = first_row(batch.report);
        for (index, policy, row) in &batch.failures {
            self.insert_failure(base + *index as i64, *policy as i64, row)?;
        }
        for (index, policy, details) in &batch.policies {
            self.insert_policy(base + *index as i64, policy, details)?;
        }
        Ok(Outcome::Taken)
    }

    pub(crate) fn finish_load(&mut self, number: u64, heads: &[(i64, HeldHead)]) -> Result<Outcome, Failure> {
        let Some(mut load) = self.loads.remove(&number) else { return Ok(Outcome::Abandoned) };
        if let Filing::Reports { papers, .. } = &mut load.submission.filing {
            for paper in papers {
                if let PaperRows::Loaded { report, held } = &mut paper.rows
                    && let Some((_, head)) = heads.iter().find(|(id, _)| id == report)
                {
                    *held = head.clone();
                }
            }
        }
        // Out of the list while it is filed, so that it does not wait for itself; back before anything else happens.
        let filed = self.file(&mut load.submission);
        self.loads.insert(number, load);
        match filed? {
            Outcome::Filed(receipt) => Ok(Outcome::Finished(receipt)),
            _ => Err(Failure::Damaged("a large report could not be completed")),
        }
    }

    pub(crate) fn abandon_load(&mut self, number: u64) -> Result<Outcome, Failure> {
        let reports = self.loads.get(&number).map(|load| load.reports.clone()).unwrap_or_default();
        for (_, report) in reports {
            self.doom(report)?;
        }
        Ok(Outcome::Abandoned)
    }

    /// Answers the load's caller; those that waited are judged now.
    pub(crate) fn end_load(&mut self, number: u64, result: Result<Receipt, StoreError>) {
        let Some(load) = self.loads.remove(&number) else { return };
        if result.is_err() {
            // Where even hiding it failed, the next start removes it.
            self.doomed = true;
        }
        self.setup.queue.push_front(load.waiting.into_iter().map(Job::File).collect());
        tell(load.submission, result);
    }
}

/// The load that brings this report in.
pub(crate) fn load_of(loads: &BTreeMap<u64, Load>, report: i64) -> Option<u64> {
    let is_of = |load: &Load| load.reports.iter().any(|(_, id)| *id == report);
    loads.iter().find(|(_, load)| is_of(load)).map(|(number, _)| *number)
}

/// Ends a load in any case: finished if it was read, abandoned if its thread stops for whatever reason.
struct Ending {
    queue: Arc<Queue>,
    load: u64,
    heads: Option<Vec<(i64, HeldHead)>>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.queue.push_own(match self.heads.take() {
            Some(heads) => Job::Finish { load: self.load, heads },
            None => Job::Abandon { load: self.load },
        });
    }
}

/// A report whose rows are to be read.
struct Part {
    report: i64,
    source: Box<dyn RowSource>,
    /// Its policies and failure rows, as the verdict counted them.
    announced: (u64, u64),
}

fn load(mut end: Ending, path: &Path, parts: Vec<Part>) {
    let mut heads = Vec::new();
    for Part { report, source, announced } in parts {
        let mut rows = RowWriter::new(Arc::clone(&end.queue), report);
        source.read(&mut |piece| rows.take(piece));
        drop(source);
        let came = rows.came();
        let is_written = rows.finish();
        // Sums beside no rows, or beside another report's, would be evidence of nothing.
        if is_written && came != announced {
            tracing::error!(?came, ?announced, "a large report has other rows than were counted");
            return;
        }
        let head = match is_written {
            true => count_sessions(&end.queue, path, report),
            false => Ok(None),
        };
        match head {
            Ok(Some(head)) => heads.push((report, head)),
            // The writer has said why.
            Ok(None) => return,
            Err(failure) => {
                tracing::error!(%failure, "the sessions of a large report could not be counted");
                return;
            }
        }
    }
    end.heads = Some(heads);
}

/// Hands batches to the writer: one is being written while the next is filled.
struct Handover {
    queue: Arc<Queue>,
    written: Option<mpsc::Receiver<bool>>,
    is_going_well: bool,
}

impl Handover {
    fn new(queue: Arc<Queue>) -> Self {
        Self { queue, written: None, is_going_well: true }
    }

    /// Waits for the batch before.
    fn wait(&mut self) -> bool {
        if let Some(written) = self.written.take() {
            // A writer that is gone drops the sender.
            self.is_going_well &= written.recv().unwrap_or(false);
        }
        self.is_going_well
    }

    fn hand(&mut self, job: impl FnOnce(mpsc::SyncSender<bool>) -> Job) -> bool {
        if self.wait() {
            let (done, written) = mpsc::sync_channel(1);
            self.queue.push_own(job(done));
            self.written = Some(written);
        }
        self.is_going_well
    }
}

/// Makes batches of a source's pieces.
struct RowWriter {
    handover: Handover,
    batch: RowBatch,
    bytes: usize,
    next_failure: u64,
    policies: u64,
    /// What the failure rows of policies that have not ended came to.
    open: BTreeMap<u64, Details>,
}

impl RowWriter {
    fn new(queue: Arc<Queue>, report: i64) -> Self {
        let batch = RowBatch { report, ..RowBatch::default() };
        Self {
            handover: Handover::new(queue),
            batch,
            bytes: 0,
            next_failure: 0,
            policies: 0,
            open: BTreeMap::new(),
        }
    }

    fn take(&mut self, piece: RowPiece) -> bool {
        for (policy, _, row) in piece.failures {
            // The reader of reports has stopped at a million of each.
            if self.next_failure >= MAX_ROWS {
                break;
            }
            let index = self.next_failure;
            self.open.entry(policy).or_default().add(index, &row);
            self.bytes += text_bytes(&row);
            self.batch.failures.push((index, policy, row));
            self.next_failure += 1;
            if !self.flush_if_full() {
                return false;
            }
        }
        for (index, policy) in piece.policies {
            if index >= MAX_ROWS {
                continue;
            }
            let details = self.open.remove(&index).unwrap_or_default();
            let policy = PackedPolicy::of(policy);
            self.bytes += [&policy.strings, &policy.mx].into_iter().flatten().map(Vec::len).sum::<usize>();
            self.batch.policies.push((index, policy, details));
            self.policies += 1;
            if !self.flush_if_full() {
                return false;
            }
        }
        while self.open.len() > MAX_OPEN {
            self.open.pop_first();
        }
        true
    }

    fn flush_if_full(&mut self) -> bool {
        let rows = self.batch.failures.len() + self.batch.policies.len();
        if rows < BATCH_ROWS && self.bytes < BATCH_BYTES { true } else { self.flush() }
    }

    fn flush(&mut self) -> bool {
        let next = RowBatch { report: self.batch.report, ..RowBatch::default() };
        let batch = std::mem::replace(&mut self.batch, next);
        self.bytes = 0;
        self.handover.hand(|done| Job::Rows { batch, done })
    }

    /// Policies and failure rows so far.
    fn came(&self) -> (u64, u64) {
        (self.policies, self.next_failure)
    }

    fn finish(mut self) -> bool {
        self.flush() && self.handover.wait()
    }
}

fn text_bytes(row: &FailureDetails) -> usize {
    let texts = [&row.receiving_mx_helo, &row.additional_information, &row.failure_reason_code];
    texts.into_iter().flatten().map(Text::len).sum()
}

/// Counts the sessions of each domain of a report whose rows are in.
fn count_sessions(queue: &Arc<Queue>, path: &Path, report: i64) -> Result<Option<HeldHead>, Failure> {
    let connection = open_for_reading(path)?;
    let (first, end) = (first_row(report), first_row(report + 1));
    let domain = first_domain(&connection, first, end)?;
    // SQLite sorts, beyond its cache in a temporary file; a domain's rows then come one after another.
    let mut sorted = connection.prepare(
        "SELECT domain, type, successful, failed, detailed, mode, results, first_row, last_row FROM policy \
         WHERE id >= ?1 AND id < ?2 AND domain <> '' ORDER BY domain, type",
    )?;
    let mut rows = sorted.query(params![first, end])?;
    let mut broken = None;
    let lines = std::iter::from_fn(|| match rows.next().map_err(Failure::from) {
        Ok(row) => row.map(line).and_then(|line| line.map_err(|failure| broken = Some(failure)).ok()),
        Err(failure) => {
            broken = Some(failure);
            None
        }
    });
    let mut handover = Handover::new(Arc::clone(queue));
    let mut batch: Vec<Session> = Vec::new();
    let mut domains = 0;
    let mut hand = |sessions: Vec<Session>| {
        handover.hand(|done| Job::Sessions { batch: SessionBatch { report, sessions }, done })
    };
    for session in Sessions::new(lines.fuse()) {
        domains += 1;
        batch.push(session);
        if batch.len() >= BATCH_ROWS / 2 && !hand(std::mem::take(&mut batch)) {
            return Ok(None);
        }
    }
    if let Some(failure) = broken {
        return Err(failure);
    }
    let is_written = hand(batch) && handover.wait();
    Ok(is_written.then_some(HeldHead { domain, domains }))
}

fn first_domain(connection: &Connection, first: i64, end: i64) -> Result<Option<Text>, Failure> {
    const SELECT: &str =
        "SELECT domain FROM policy WHERE id >= ?1 AND id < ?2 AND domain <> '' ORDER BY id LIMIT 1";
    let found: Option<String> = connection.query_row(SELECT, [first, end], |row| row.get(0)).optional()?;
    Ok(found.map(Text::from))
}

fn line(row: &Row<'_>) -> Result<Line, Failure> {
    let count = |column: usize| row.get::<_, Option<i64>>(column)?.map(natural).transpose();
    let damaged = Failure::Damaged("the results of a policy cannot be read");
    let results = bytes(row.get_ref(6)?)?.map_or(Some(Vec::new()), |bytes| pack::Reader(bytes).results());
    let span = match (count(7)?, count(8)?) {
        (Some(first), Some(last)) => Some(Span { first, last }),
        _ => None,
    };
    Ok(Line {
        domain: text(row.get_ref(0)?)?.map(|name| Text::new(domain_name(&name))).unwrap_or_default(),
        policy_type: policy_type(row.get_ref(1)?)?,
        successful: count(2)?,
        failed: count(3)?,
        mode: row.get::<_, Option<i64>>(5)?.and_then(Mode::from_code),
        details: Details { sum: count(4)?, results: results.ok_or(damaged)?, span },
    })
}
