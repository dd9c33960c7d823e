//! What is remembered of audits: the history of each domain that is looked at on a schedule.

use std::future::Future;

use super::StoreError;
use crate::facts::UnixTime;

/// An audit to be remembered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// The domain: lower-case A-labels.
    pub domain: String,
    /// When it was.
    pub at: UnixTime,
    /// The verdict's token.
    pub verdict: String,
    /// [`crate::check::Snapshot`] as text: what counts as the same.
    pub snapshot: String,
    /// The whole report as JSON.
    pub report: String,
}

/// A stretch of time in which a domain's audits all came to the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spell {
    /// The first of them.
    pub since: UnixTime,
    /// The last of them, as it was.
    pub last: Audit,
}

/// Remembers audits.
pub trait Checks: Send + Sync + 'static {
    /// Remembers one: it lengthens the newest spell of its domain, or begins one. Of spells the newest
    /// [`SPELLS_KEPT`] stay. One that is older than the newest that is known changes nothing.
    fn note(&self, audit: Audit) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The newest spell of every domain, by name, at most `limit`, of names after `after`.
    fn latest(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Spell>, StoreError>> + Send;

    /// The spells of a domain, newest first, at most `limit`.
    fn spells(
        &self,
        domain: &str,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Spell>, StoreError>> + Send;
}

/// Spells that are kept of a domain.
pub const SPELLS_KEPT: usize = 500;
