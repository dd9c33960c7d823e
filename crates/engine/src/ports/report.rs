//! The sending of reports: where counts and reports are kept ([`Outbox`]), who takes a mail ([`Relay`]), who signs it
//! ([`Signer`]).
//!
//! The outbox is made of verbs. What must happen once (counting a stretch of the journal, sending a day's report) is
//! one commit each: the journal's place stands beside the counts, and a report is leased before it is sent.

use std::future::Future;

use bytes::Bytes;
use tls_rpt::Text;
use tls_rpt::tally::Tally;

use super::{DayRange, StoreError};
use crate::facts::UnixTime;

/// Which report: the sessions of a day with one policy domain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReportKey {
    /// Days since 1970-01-01 UTC.
    pub day: i64,
    /// The policy domain: lower-case A-labels.
    pub domain: Text,
    /// 1; more for sessions that became known after the day's report was begun.
    pub part: u32,
}

/// A place in a journal of sessions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JournalPlace {
    /// The number of the segment; 0 before everything.
    pub segment: u64,
    /// Bytes from its beginning.
    pub offset: u64,
}

/// Counts of a stretch of a journal.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Delta {
    /// Whose journal: the name of the node.
    pub journal: String,
    /// Where the stretch begins: the place that the store has ([`JournalPlace::default`] if none).
    pub from: JournalPlace,
    /// Where it ends.
    pub to: JournalPlace,
    /// What was counted, each (day, domain) once.
    pub groups: Vec<GroupDelta>,
}

/// What is added to the counts of one day and policy domain.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupDelta {
    /// Days since 1970-01-01 UTC.
    pub day: i64,
    /// The policy domain.
    pub domain: Text,
    /// The TLSRPT record that a session found last, and when.
    pub record: Option<(UnixTime, Text)>,
    /// Counts.
    pub tally: Tally,
    /// Sessions of which it is not known whether they met the policy: in no count.
    pub unjudged: u64,
    /// When the report may go out, should this be the first of its group.
    pub due_at: UnixTime,
}

/// What became of a [`Delta`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It is in the counts, synced.
    Counted,
    /// The store has another place than `from`: nothing was changed. Read on from here.
    Elsewhere(JournalPlace),
}

/// How a report stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutgoingState {
    /// Being counted, or not yet accepted by anybody.
    Waiting,
    /// Somebody accepted it.
    Sent,
    /// Nobody accepted it in time.
    GivenUp,
    /// Nobody asked for it (any more).
    Skipped,
}

impl OutgoingState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Waiting, Self::Sent, Self::GivenUp, Self::Skipped];

    /// The token that is stored and shown.
    #[must_use]
    pub fn as_wire(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::GivenUp => "given-up",
            Self::Skipped => "skipped",
        }
    }

    /// The state with this token.
    #[must_use]
    pub fn from_wire(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_wire() == token)
    }
}

/// Asks for reports that are due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseAsk {
    /// Who asks.
    pub node: String,
    /// Now.
    pub now: UnixTime,
    /// Until when nobody else gets them.
    pub until: UnixTime,
    /// Only of days before this one: those whose sessions are all counted.
    pub before_day: i64,
    /// At most so many.
    pub limit: usize,
}

/// A report with its counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// Its line.
    pub line: OutgoingLine,
    /// The TLSRPT record, if a session brought one.
    pub record: Option<Text>,
    /// Its counts; empty once they are retired.
    pub tally: Tally,
    /// What [`crate::report::Progress`] wrote; empty before the first attempt.
    pub progress: String,
}

/// A report in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingLine {
    /// Which.
    pub key: ReportKey,
    /// How it stands.
    pub state: OutgoingState,
    /// When it is tried (again); for what is over, when that was.
    pub at: UnixTime,
    /// Why it waits, was given up or skipped; where it went. May hold text of a stranger.
    pub reason: String,
    /// Sessions that met their policy.
    pub successful: u64,
    /// Sessions that did not.
    pub failed: u64,
    /// Sessions that are in no count, because it is not known whether they met the policy.
    pub unjudged: u64,
}

/// Which reports to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutgoingQuery {
    /// Only of this policy domain.
    pub domain: Option<String>,
    /// Only of this day, in days since 1970-01-01 UTC.
    pub day: Option<i64>,
    /// Only those that stand so.
    pub state: Option<OutgoingState>,
    /// The last key of the page before.
    pub after: Option<ReportKey>,
    /// At most so many.
    pub limit: usize,
}

/// The reports of one day that stand alike, added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutgoingSum {
    /// Days since 1970-01-01 UTC.
    pub day: i64,
    /// How they stand.
    pub state: OutgoingState,
    /// How many there are.
    pub reports: u64,
    /// See [`OutgoingLine::successful`].
    pub successful: u64,
    /// See [`OutgoingLine::failed`].
    pub failed: u64,
    /// See [`OutgoingLine::unjudged`].
    pub unjudged: u64,
}

impl OutgoingSum {
    /// Of no report.
    #[must_use]
    pub fn new(day: i64, state: OutgoingState) -> Self {
        Self { day, state, reports: 0, successful: 0, failed: 0, unjudged: 0 }
    }

    /// Adds a report's sessions: met, not met, in no count.
    pub fn add(&mut self, successful: u64, failed: u64, unjudged: u64) {
        self.reports = self.reports.saturating_add(1);
        self.successful = self.successful.saturating_add(successful);
        self.failed = self.failed.saturating_add(failed);
        self.unjudged = self.unjudged.saturating_add(unjudged);
    }
}

/// What came of a report that was leased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// Which.
    pub key: ReportKey,
    /// Who held it.
    pub node: String,
    /// How it stands now.
    pub state: OutgoingState,
    /// See [`OutgoingLine::at`].
    pub at: UnixTime,
    /// See [`OutgoingLine::reason`].
    pub reason: String,
    /// See [`Outgoing::progress`].
    pub progress: String,
    /// By this a bounce finds the report ([`Outbox::lease_token`]).
    pub token: Option<String>,
    /// What is learned of the places that were tried.
    pub notes: Vec<RuaNote>,
}

/// What is learned of a place that reports go to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuaNote {
    /// The URI of the record; of a mail, with the domain that the report is about ([`crate::report::noted_as`]).
    pub uri: String,
    /// When.
    pub at: UnixTime,
    /// What.
    pub news: RuaNews,
}

/// How a place took a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuaNews {
    /// It accepted, and what was held against it is forgotten.
    Accepted,
    /// The relay took the mail, which is not yet delivery. Where another day brings the same and no failure came between,
    /// what was held against it is forgotten.
    Relayed,
    /// It did not; why.
    Failed(String),
}

/// What is held against a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuaHealth {
    /// Days on which it failed, since it last accepted.
    pub failed_days: u32,
    /// The first failure of that row.
    pub since: UnixTime,
    /// The last one.
    pub last: UnixTime,
    /// What that was.
    pub reason: String,
    /// When the relay first took a mail to it after that, if it did.
    pub relayed: Option<UnixTime>,
}

/// Keeps counts and reports. Every `Ok` of a change means synced.
pub trait Outbox: Send + Sync + 'static {
    /// Adds counts and moves the journal's place in one commit. What belongs to a report that was begun becomes
    /// another part of its day.
    fn add(&self, delta: Delta) -> impl Future<Output = Result<Added, StoreError>> + Send;

    /// The place up to which a journal is counted.
    fn place(&self, journal: &str) -> impl Future<Output = Result<JournalPlace, StoreError>> + Send;

    /// Hands out reports that are due and not leased, earliest first. From now on their counts do not change.
    fn lease(&self, ask: LeaseAsk) -> impl Future<Output = Result<Vec<Outgoing>, StoreError>> + Send;

    /// Hands out the report with this token, whatever its state, unless it is leased.
    fn lease_token(
        &self,
        token: &str,
        node: &str,
        now: UnixTime,
        until: UnixTime,
    ) -> impl Future<Output = Result<Option<Outgoing>, StoreError>> + Send;

    /// Writes what came of it and ends the lease; `false`: that node does not hold it any more, nothing was changed.
    fn settle(&self, settlement: Settlement) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Takes one of `limit` reports that a destination gets on a day; `false`: it has had them.
    fn reserve(
        &self,
        destination: &str,
        day: i64,
        limit: u64,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// What is held against these places ([`RuaNote::uri`]), in their order.
    fn health(
        &self,
        uris: Vec<String>,
    ) -> impl Future<Output = Result<Vec<Option<RuaHealth>>, StoreError>> + Send;

    /// Reports, newest day first, then by domain.
    fn outgoing(
        &self,
        query: OutgoingQuery,
    ) -> impl Future<Output = Result<Vec<OutgoingLine>, StoreError>> + Send;

    /// Sums of these days, newest first, then by state; days and states without a report are left out.
    fn outgoing_days(
        &self,
        days: DayRange,
    ) -> impl Future<Output = Result<Vec<OutgoingSum>, StoreError>> + Send;

    /// One report with its counts, to be shown.
    fn outgoing_report(
        &self,
        key: &ReportKey,
    ) -> impl Future<Output = Result<Option<Outgoing>, StoreError>> + Send;

    /// Drops the counts of what is over and older than `counts_before` (a day), and every trace of what is over and
    /// older than `traces_before`; and what on that day neither a quota nor a place is held to any more, so that records
    /// of strangers leave nothing for good. Returns how many traces went.
    fn retire(
        &self,
        counts_before: i64,
        traces_before: i64,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send;
}

/// A mail to be handed to the relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayMail {
    /// The envelope's sender.
    pub from: String,
    /// The envelope's recipient.
    pub to: String,
    /// The message: CRLF line ends, dots not doubled.
    pub message: Bytes,
}

/// What the relay said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RelayOutcome {
    /// It has taken responsibility for the mail. That is not yet delivery.
    Accepted,
    /// It will not.
    Refused {
        /// SMTP code.
        code: u16,
        /// What it was told when it said so, and its text, cut to one line.
        text: String,
    },
    /// It could not be asked. The text says why.
    NotReached(String),
}

/// Takes mail: the mail server of this installation, which the owner configured.
pub trait Relay: Send + Sync {
    /// Hands over one mail, bounded in time by the adapter.
    fn submit(&self, mail: RelayMail) -> impl Future<Output = RelayOutcome> + Send;
}

/// Why a mail was not signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// There is no key: make one and publish its record.
    #[error("there is no DKIM key for {0}")]
    NoKey(String),
    /// Signing failed. The text says why.
    #[error("the mail cannot be signed: {0}")]
    Failed(String),
}

/// Signs mail with DKIM (RFC 6376).
pub trait Signer: Send + Sync {
    /// The header fields to put before `message`, with their line ends: one for each key of `domain`.
    ///
    /// # Errors
    /// [`SignError`].
    fn sign(&self, domain: &str, message: &[u8], at: UnixTime) -> Result<Vec<u8>, SignError>;
}
