//! Where policies of other domains are kept, so that they hold over a restart with the network down.

use std::fmt;
use std::future::Future;

use bytes::Bytes;

use super::StoreError;
use crate::facts::UnixTime;

/// A policy as it was fetched.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptPolicy {
    /// The policy domain: lower-case A-labels.
    pub domain: String,
    /// The id of the record under which it was fetched.
    pub id: String,
    /// When it was fetched last: its max_age counts from here.
    pub fetched_at: UnixTime,
    /// How many times in a row it could not be fetched anew since.
    pub failures: u32,
    /// The body as served.
    pub body: Bytes,
}

impl fmt::Debug for KeptPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptPolicy")
            .field("domain", &self.domain)
            .field("id", &self.id)
            .field("fetched_at", &self.fetched_at)
            .field("failures", &self.failures)
            .field("body", &self.body.len())
            .finish()
    }
}

/// What became of a policy that was to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// It is on disk, synced.
    Kept,
    /// One that was fetched later, at this time, is there: nothing was changed.
    Newer(UnixTime),
}

/// Keeps policies. Every `Ok` of a change means synced.
pub trait Policies: Send + Sync + 'static {
    /// Keeps a policy in the place of the domain's earlier one. Nothing takes the place of a later fetch.
    fn keep(&self, policy: KeptPolicy) -> impl Future<Output = Result<Keeping, StoreError>> + Send;

    /// Notes how many times in a row the policy fetched at `fetched_at` could not be fetched anew. If another one is
    /// there, nothing is changed.
    fn note_failures(
        &self,
        domain: &str,
        fetched_at: UnixTime,
        failures: u32,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Removes the domain's policy, unless it was fetched after `fetched_until`; whether one was removed.
    fn forget(
        &self,
        domain: &str,
        fetched_until: UnixTime,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// What is kept, by domain, of domains after `after`: at most `limit`, and fewer where their bodies are large; none
    /// only at the end.
    fn kept(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<KeptPolicy>, StoreError>> + Send;
}
