//! The one thread that writes.
//!
//! It takes everything that waits into one transaction, commits, and only then answers: with `synchronous=FULL` a
//! commit returns after the write-ahead log has been synced. Many callers so share one sync.
//!
//! When a statement fails, the whole transaction is rolled back. If the fault may lie in one submission, each is tried
//! again in a transaction of its own, so that one does not take the others with it; if it is the disk's, all are
//! refused. Nothing is answered before its commit, so nothing needs to be taken back.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rusqlite::Connection;
use tlsward_engine::facts::Receipt;
use tlsward_engine::ports::StoreError;

use super::books::Books;
use super::digests::Digests;
use super::domains::Domains;
use super::failure::Failure;
use super::load::Load;
use super::queue::{Job, Queue, Submission, Taken};
use super::statements::Statements;
use crate::Quotas;

/// What a writer is started with.
pub(crate) struct Setup {
    pub(crate) path: PathBuf,
    pub(crate) quotas: Quotas,
    pub(crate) queue: Arc<Queue>,
    /// Pages in the write-ahead log after the last commit.
    pub(crate) log_pages: Arc<AtomicU32>,
    /// So many pages in the log start a checkpoint.
    pub(crate) checkpoint_pages: u32,
}

pub(crate) struct Writer<'c> {
    pub(crate) setup: Setup,
    pub(crate) connection: &'c Connection,
    pub(crate) sql: Statements<'c>,
    pub(crate) books: Books,
    /// The books as they are on disk.
    synced: Books,
    pub(crate) domains: Domains,
    pub(crate) digests: Digests,
    /// Days that this transaction's reports are about, with the first and last of those reports.
    pub(crate) days: BTreeMap<i64, (i64, i64)>,
    pub(crate) scratch: [Vec<u8>; 3],
    pub(crate) loads: BTreeMap<u64, Load>,
    pub(crate) next_load: u64,
    /// Reports that this transaction has made room for and that no load brings in yet.
    pub(crate) opening: Vec<i64>,
    /// There may be reports to remove.
    pub(crate) doomed: bool,
    /// There may be domains that are not in the totals yet, above this id.
    pub(crate) uncounted: Option<i64>,
    /// Pages in the log when it was last looked at, and at how many it is moved into the file.
    log_pages: u32,
    checkpoint_at: u32,
}

/// What a job came to, to be told after the commit.
pub(crate) enum Outcome {
    Filed(Receipt),
    Kept(i64),
    /// Nothing was written.
    Refused(StoreError),
    /// A batch, or a small write, is in.
    Taken,
    /// The reports with these ids, of papers in order, await their rows; their raw input is in.
    Loading {
        raw: i64,
        reports: Vec<(usize, i64)>,
    },
    /// It repeats this report, whose rows are still coming.
    Waits(i64),
    /// A load is complete.
    Finished(Receipt),
    Abandoned,
}

impl<'c> Writer<'c> {
    pub(crate) fn new(connection: &'c Connection, setup: Setup) -> Result<Self, Failure> {
        // What was coming in when the last process ended was not acknowledged.
        connection.execute("UPDATE report SET state = 2 WHERE state <> 0 AND state = 1", [])?;
        let books = Books::read(connection)?;
        let checkpoint_at = setup.checkpoint_pages;
        Ok(Self {
            setup,
            connection,
            sql: Statements::prepare(connection)?,
            books,
            synced: books,
            domains: Domains::default(),
            digests: Digests::read(connection)?,
            days: BTreeMap::new(),
            scratch: [Vec::new(), Vec::new(), Vec::new()],
            loads: BTreeMap::new(),
            next_load: 0,
            opening: Vec::new(),
            doomed: true,
            uncounted: Some(0),
            log_pages: 0,
            checkpoint_at,
        })
    }

    /// Works until the queue is closed and everything in it is done.
    pub(crate) fn run(&mut self) {
        let queue = Arc::clone(&self.setup.queue);
        let mut group = Vec::new();
        loop {
            let busy = self.doomed || self.uncounted.is_some();
            match queue.take(&mut group, !busy) {
                Taken::Some => self.commit_group(&mut group),
                Taken::Nothing => self.tidy(),
                Taken::Closed if self.loads.is_empty() => break,
                Taken::Closed => queue.wait_own(),
            }
            self.checkpoint();
        }
    }

    /// Does what no caller waits for, when none does.
    fn tidy(&mut self) {
        if let Err(failure) = self.transact(&mut [], &mut Vec::new()) {
            tracing::error!(%failure, "tidying the store failed; it is tried again after the next restart");
            self.doomed = false;
            self.uncounted = None;
        }
    }

    fn commit_group(&mut self, group: &mut Vec<Job>) {
        let mut outcomes = Vec::with_capacity(group.len());
        match self.transact(group, &mut outcomes) {
            Ok(()) => group.drain(..).zip(outcomes).for_each(|(job, outcome)| self.answer(job, outcome)),
            Err(failure) if group.len() > 1 && failure.is_of_one() => {
                tracing::warn!(%failure, "a transaction failed; its submissions are tried one by one");
                for mut job in group.drain(..) {
                    outcomes.clear();
                    let tried = self.transact(std::slice::from_mut(&mut job), &mut outcomes);
                    match (tried, outcomes.pop()) {
                        (Ok(()), Some(outcome)) => self.answer(job, outcome),
                        (Ok(()), None) => {}
                        (Err(failure), _) => self.refuse(job, failure.into()),
                    }
                }
            }
            Err(failure) => {
                tracing::error!(%failure, submissions = group.len(), "a transaction failed");
                let error = StoreError::from(failure);
                group.drain(..).for_each(|job| self.refuse(job, error.clone()));
            }
        }
    }

    /// One transaction: all of `jobs` or nothing.
    fn transact(&mut self, jobs: &mut [Job], outcomes: &mut Vec<Outcome>) -> Result<(), Failure> {
        let done = self.transact_inner(jobs, outcomes);
        if done.is_err() {
            // SQLite may have rolled back by itself.
            if !self.connection.is_autocommit()
                && let Err(error) = self.sql.rollback.execute([])
            {
                tracing::error!(%error, "a transaction could not be rolled back");
            }
            self.books = self.synced;
            self.domains.forget();
            self.digests.undo();
        }
        self.days.clear();
        self.opening.clear();
        done
    }

    fn transact_inner(&mut self, jobs: &mut [Job], outcomes: &mut Vec<Outcome>) -> Result<(), Failure> {
        self.sql.begin.execute([])?;
        for job in jobs {
            outcomes.push(self.apply(job)?);
        }
        self.sweep()?;
        self.count_domains()?;
        self.write_days()?;
        self.file_digests()?;
        if self.books != self.synced {
            self.books.write(&mut self.sql.books)?;
        }
        self.sql.commit.execute([])?;
        self.synced = self.books;
        self.digests.keep();
        Ok(())
    }

    fn apply(&mut self, job: &mut Job) -> Result<Outcome, Failure> {
        match job {
            Job::File(submission) => self.file(submission),
            Job::Keep { raw, digest, .. } => self.keep(raw, digest),
            Job::Rows { batch, .. } => self.add_rows(batch),
            Job::Sessions { batch, .. } => self.add_sessions(batch),
            Job::Change(change) => change.apply(self.connection).map(|()| Outcome::Taken),
            Job::Finish { load, heads } => self.finish_load(*load, heads),
            Job::Abandon { load } => self.abandon_load(*load),
        }
    }

    fn answer(&mut self, job: Job, outcome: Outcome) {
        match (job, outcome) {
            (Job::File(submission), Outcome::Loading { raw, reports }) => {
                self.start_load(submission, raw, reports);
            }
            (Job::File(submission), Outcome::Waits(report)) => self.wait_for(report, submission),
            (Job::File(submission), Outcome::Filed(receipt)) => tell(submission, Ok(receipt)),
            (Job::File(submission), Outcome::Refused(error)) => tell(submission, Err(error)),
            (Job::Keep { reply, .. }, Outcome::Kept(id)) => drop(reply.send(Ok(id))),
            (Job::Keep { reply, .. }, Outcome::Refused(error)) => drop(reply.send(Err(error))),
            (Job::Rows { done, .. } | Job::Sessions { done, .. }, outcome) => {
                done.send(matches!(outcome, Outcome::Taken)).unwrap_or_default();
            }
            (Job::Change(change), _) => change.answer(Ok(())),
            (Job::Finish { load, .. }, Outcome::Finished(receipt)) => self.end_load(load, Ok(receipt)),
            (Job::Finish { load, .. } | Job::Abandon { load }, _) => self.end_load(load, Err(unreadable())),
            // `apply` answers each kind of job with its own kind of outcome; a reply that is dropped says so.
            (Job::File(_) | Job::Keep { .. }, _) => {}
        }
    }

    fn refuse(&mut self, job: Job, error: StoreError) {
        match job {
            Job::File(submission) => tell(submission, Err(error)),
            Job::Keep { reply, .. } => drop(reply.send(Err(error))),
            Job::Rows { done, .. } | Job::Sessions { done, .. } => done.send(false).unwrap_or_default(),
            Job::Change(change) => change.answer(Err(error)),
            // Its rows are to go; the caller is answered after that.
            Job::Finish { load, .. } => self.setup.queue.push_own(Job::Abandon { load }),
            Job::Abandon { load } => self.end_load(load, Err(error)),
        }
    }

    /// Moves the log into the file when it has grown, while callers wait: some 30 MiB at a time, tens of milliseconds.
    /// What a long question of a reader keeps from being moved is tried again after as much more has been written.
    fn checkpoint(&mut self) {
        let pages = self.setup.log_pages.load(Ordering::Relaxed);
        if pages < self.log_pages {
            // The log has begun anew.
            self.checkpoint_at = self.setup.checkpoint_pages;
        }
        self.log_pages = pages;
        if pages < self.checkpoint_at {
            return;
        }
        self.checkpoint_at = pages.saturating_add(self.setup.checkpoint_pages);
        if let Err(error) = self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
            tracing::error!(%error, "the write-ahead log could not be moved into the database");
        }
    }
}

fn unreadable() -> StoreError {
    StoreError::Unavailable("a large report could not be read to its end".to_owned())
}

/// A caller that no longer listens has nothing to be told.
pub(crate) fn tell(submission: Submission, result: Result<Receipt, StoreError>) {
    drop(submission.reply.send(result));
}
