//! The traits through which all of it meets the world. They carry values of [`crate::facts`], never verdicts
//! of a wire format.

pub mod certificates;
mod checks;
mod mta;
mod policies;
mod policies_shown;
pub mod publish;
mod published;
mod report;
mod world;

pub use checks::{Audit, Checks, SPELLS_KEPT, Spell};
pub use mta::*;
pub use policies::{Keeping, KeptPolicy, Policies};
pub use policies_shown::{
    AlertLine, AnswerLine, DaneLine, FetchFailureLine, HeldLine, NoBook, PolicyBook, PolicyLine,
};
pub use published::*;
pub use report::*;
pub use world::*;

use std::future::Future;

use crate::facts::{RawInput, Receipt, SetAsideReason, Trust, UnixTime, Verdict};
use tls_rpt::count::Bounds;
use tls_rpt::report::{FailureDetails, PolicyResult, Repair};

/// The store could not do it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// It cannot take anything now (disk full, locked, closing). Ask the sender to come back later.
    #[error("the store cannot take it now: {0}")]
    Unavailable(String),
    /// What it holds is damaged or of an unknown version. An operator must look.
    #[error("the store is damaged: {0}")]
    Damaged(String),
}

/// Reads the clock. Only the binary's edge implements it on the real one.
pub trait Clock: Send + Sync + 'static {
    /// Unix seconds UTC.
    fn now(&self) -> UnixTime;
}

/// The write side of the evidence: what intake needs. Every `Ok` means synced to disk.
pub trait Intake: Send + Sync + 'static {
    /// Keeps raw input and its verdict in one synced commit.
    fn accept(
        &self,
        raw: RawInput,
        verdict: Verdict,
    ) -> impl Future<Output = Result<Receipt, StoreError>> + Send;

    /// Keeps raw mail, synced, to be judged afterwards: [`Intake::pending`] yields it until [`Intake::settle`].
    fn keep(&self, raw: RawInput) -> impl Future<Output = Result<i64, StoreError>> + Send;

    /// Kept mail without verdict, oldest first, at most `limit` of it, with ids above `after`.
    fn pending(
        &self,
        after: i64,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Unread>, StoreError>> + Send;

    /// Notes, in a commit of its own, that a process begins to read this input, pending or set aside. Whoever dies of
    /// it is then counted in [`Unread::attempts`]. An input that is neither changes nothing.
    fn begin(&self, id: i64) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Gives kept mail its verdict. Calling it twice for one id changes nothing.
    fn settle(&self, id: i64, verdict: Verdict) -> impl Future<Output = Result<Receipt, StoreError>> + Send;

    /// What was set aside by another reader than this one (see [`crate::receive::READER`]), oldest first, at most
    /// `limit` of it, with ids above `after`.
    fn set_aside_by_others(
        &self,
        reader: &str,
        after: i64,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Unread>, StoreError>> + Send;

    /// Gives what was set aside a new verdict. If that files reports, they leave the shelf in the same commit; else it
    /// stays in its place, with the new reason, as set aside by this program's reader. An input that is no longer on
    /// the shelf changes nothing.
    fn reconsider(
        &self,
        id: i64,
        verdict: Verdict,
    ) -> impl Future<Output = Result<Receipt, StoreError>> + Send;
}

/// Kept input that is to be read, for the first time or again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// Its id.
    pub id: i64,
    /// How many processes have begun to read it ([`Intake::begin`]) and brought no verdict.
    pub attempts: u32,
    /// The input.
    pub raw: RawInput,
}

/// The read side: what pages and the API need.
pub trait Evidence: Send + Sync + 'static {
    /// Every domain that reports speak of, by name, a page at a time (`after`: the last domain of the page before).
    fn domains(
        &self,
        range: DayRange,
        after: Option<String>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<DomainLine>, StoreError>> + Send;

    /// One domain over a range of days; `None` if no report ever spoke of it.
    fn domain(
        &self,
        domain: &str,
        range: DayRange,
    ) -> impl Future<Output = Result<Option<DomainDetail>, StoreError>> + Send;

    /// Reports, newest first.
    fn reports(
        &self,
        query: ReportQuery,
    ) -> impl Future<Output = Result<Page<ReportLine>, StoreError>> + Send;

    /// One report with its first `rows` policies and failure rows.
    fn report(
        &self,
        id: i64,
        rows: usize,
    ) -> impl Future<Output = Result<Option<ReportDetail>, StoreError>> + Send;

    /// The raw input that a report or a set-aside item came in.
    fn raw(&self, of: RawOf) -> impl Future<Output = Result<Option<RawInput>, StoreError>> + Send;

    /// Failure rows, newest report first.
    fn failures(
        &self,
        query: ReportQuery,
    ) -> impl Future<Output = Result<Page<FailureLine>, StoreError>> + Send;

    /// What was set aside, newest first.
    fn set_aside(
        &self,
        cursor: Option<String>,
        limit: usize,
    ) -> impl Future<Output = Result<Page<SetAsideLine>, StoreError>> + Send;

    /// Totals for metrics and the front page.
    fn totals(&self) -> impl Future<Output = Result<Totals, StoreError>> + Send;
}

/// Whose raw input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RawOf {
    /// Of the report with this id.
    Report(i64),
    /// Of the set-aside item with this id.
    SetAside(i64),
}

/// Days, as the number of days since 1970-01-01 UTC, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayRange {
    /// First day.
    pub first: i64,
    /// Last day.
    pub last: i64,
}

/// A page of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; opaque; `None` at the end.
    pub next_cursor: Option<String>,
}

/// Which reports or rows.
#[derive(Debug, Clone, Default)]
pub struct ReportQuery {
    /// Only those that speak of this domain.
    pub domain: Option<String>,
    /// At most this many; the store clamps to 1000.
    pub limit: usize,
    /// From the page before. One that was not given out by this store is an empty page, never an error.
    pub cursor: Option<String>,
}

/// A domain at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainLine {
    /// The policy domain.
    pub domain: String,
    /// Sessions in the range that met the policy.
    pub successful: Bounds,
    /// Sessions in the range that did not.
    pub failed: Bounds,
    /// Reports in the range.
    pub reports: u64,
    /// Different organisations in the range.
    pub reporters: u64,
    /// End of the newest report's range, of all time.
    pub last_end: Option<UnixTime>,
    /// When the newest report came in, of all time.
    pub last_received_at: UnixTime,
    /// The result type with the most failed sessions in the range.
    pub worst: Option<String>,
    /// The mode of the newest MTA-STS policy that a report quoted (`enforce`, `testing`, `none`), if any did.
    pub mode: Option<String>,
}

/// One domain over a range of days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainDetail {
    /// The line of the overview.
    pub line: DomainLine,
    /// Every day of the range that has a report, in order. A report counts on the day its range begins.
    pub days: Vec<DayLine>,
    /// By reporting organisation, most sessions first.
    pub by_reporter: Vec<GroupLine>,
    /// Failed sessions by MX host (or receiving address), most first.
    pub by_mx: Vec<GroupLine>,
    /// Failed sessions by result type, most first.
    pub by_result: Vec<ResultLine>,
    /// Sessions by policy type.
    pub by_policy: Vec<GroupLine>,
}

/// A day of one domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayLine {
    /// Days since 1970-01-01 UTC.
    pub day: i64,
    /// Sessions that met the policy.
    pub successful: Bounds,
    /// Sessions that did not.
    pub failed: Bounds,
    /// Reports.
    pub reports: u64,
}

/// Sessions under one heading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupLine {
    /// The heading: an organisation, an MX host, a policy type. Text of a stranger.
    pub key: String,
    /// Sessions that met the policy.
    pub successful: Bounds,
    /// Sessions that did not.
    pub failed: Bounds,
    /// Reports.
    pub reports: u64,
}

/// Failures of one result type at one domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultLine {
    /// The result type's token; text of a stranger if it is not registered.
    pub result_type: String,
    /// Failed sessions, as the rows say.
    pub failed: u64,
    /// Organisations that saw it, most sessions first, ten at most.
    pub reporters: Vec<String>,
    /// MX hosts concerned, most sessions first, ten at most.
    pub mxs: Vec<String>,
    /// First and last day it was seen in the range.
    pub first_day: i64,
    /// See `first_day`.
    pub last_day: i64,
    /// Some reason codes, ten at most.
    pub reasons: Vec<String>,
}

/// A report in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportLine {
    /// Our id.
    pub id: i64,
    /// `organization-name`.
    pub organization_name: Option<String>,
    /// `report-id`.
    pub report_id: Option<String>,
    /// Its policy domain; of several the first, and `domains` says how many.
    pub domain: Option<String>,
    /// How many different policy domains.
    pub domains: u64,
    /// Start of its range.
    pub begin: Option<UnixTime>,
    /// End of its range.
    pub end: Option<UnixTime>,
    /// Sessions that met the policy.
    pub successful: Bounds,
    /// Sessions that did not.
    pub failed: Bounds,
    /// How far its origin is known.
    pub trust: Trust,
    /// When it came in.
    pub received_at: UnixTime,
}

/// A report with its rows.
#[derive(Debug, Clone)]
pub struct ReportDetail {
    /// The line of the list.
    pub line: ReportLine,
    /// `contact-info`.
    pub contact_info: Option<String>,
    /// Where in its input it stood.
    pub member: String,
    /// How it came.
    pub road: crate::facts::Road,
    /// What was mended.
    pub repairs: Vec<Repair>,
    /// All its policies, in number.
    pub policy_count: u64,
    /// All its failure rows, in number.
    pub failure_count: u64,
    /// The first policies with their first failure rows, `rows` of each at most.
    pub policies: Vec<PolicyResult>,
}

/// A failure row with what it belongs to.
#[derive(Debug, Clone)]
pub struct FailureLine {
    /// The report.
    pub report: i64,
    /// The organisation.
    pub organization_name: Option<String>,
    /// The policy domain.
    pub domain: Option<String>,
    /// The policy type's token.
    pub policy_type: Option<String>,
    /// Start of the report's range.
    pub begin: Option<UnixTime>,
    /// The report's trust.
    pub trust: Trust,
    /// The row.
    pub row: FailureDetails,
}

/// Something set aside, in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAsideLine {
    /// Its id.
    pub id: i64,
    /// Why.
    pub reason: SetAsideReason,
    /// Place and cause; may hold text of the input.
    pub detail: String,
    /// How it came.
    pub road: crate::facts::Road,
    /// The declared type or envelope.
    pub label: String,
    /// When.
    pub received_at: UnixTime,
    /// How large the raw input is, in bytes.
    pub bytes: u64,
}

/// Totals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Reports held.
    pub reports: u64,
    /// Inputs set aside and still held.
    pub set_aside: u64,
    /// Kept mail that has no verdict yet.
    pub pending: u64,
    /// Inputs dropped because a quota was full, since the store was made.
    pub dropped: u64,
    /// Copies of reports that were there already.
    pub duplicates: u64,
    /// Different domains.
    pub domains: u64,
    /// When the newest report came in.
    pub last_received_at: Option<UnixTime>,
}
