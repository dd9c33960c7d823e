//! Policies of other people's domains as they stand, for whoever shows them: values alone, so that pages know
//! neither the resolver nor its store.

use std::future::Future;

use super::StoreError;
use crate::facts::UnixTime;

/// A policy domain that mail goes to. Its texts are a stranger's, but for those that say otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyLine {
    /// Which: lower-case A-labels.
    pub domain: String,
    /// Its MTA-STS policy, while one is in force.
    pub held: Option<HeldLine>,
    /// What DANE asks of its MX hosts, if it asks anything.
    pub dane: Option<DaneLine>,
    /// The latest failure to fetch a policy, while no fetch has succeeded since.
    pub failure: Option<FetchFailureLine>,
    /// What the MTA is told now for mail to it, if that is known without asking anybody.
    pub answer: Option<AnswerLine>,
}

/// A policy in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldLine {
    /// Its mode: `enforce`, `testing` or `none`.
    pub mode: &'static str,
    /// The id of the record under which it was fetched.
    pub id: String,
    /// Its lines as they were served.
    pub lines: Vec<String>,
    /// When it was fetched last.
    pub fetched_at: UnixTime,
    /// Until when it is in force.
    pub expires_at: UnixTime,
    /// When it is fetched anew.
    pub refresh_at: UnixTime,
    /// How many times in a row that has failed.
    pub failures: u32,
}

/// MX hosts with signed TLSA records, as they were seen last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DaneLine {
    /// Those with records that can be used; 0: none of the records can be, so that encryption is mandatory and no more.
    pub usable: usize,
    /// All MX hosts of the domain.
    pub hosts: usize,
}

/// A fetch that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchFailureLine {
    /// When.
    pub at: UnixTime,
    /// Why: words of ours.
    pub text: String,
}

/// What the MTA is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerLine {
    /// The level in the word of the MTA, such as `secure`; `not-found`: nothing; `deferred`: to try later.
    pub level: String,
    /// Why, in a sentence.
    pub why: String,
    /// Until when that is told again without asking.
    pub good_until: UnixTime,
}

/// Something that an administrator ought to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertLine {
    /// The policy domain that it is about; empty where it is this machine.
    pub domain: String,
    /// Since when.
    pub since: UnixTime,
    /// What, in a sentence.
    pub text: String,
}

/// Knows the policies of other people's domains.
pub trait PolicyBook: Send + Sync + 'static {
    /// By domain, those after `after`, at most `limit`.
    fn policies(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<PolicyLine>, StoreError>> + Send;

    /// One domain; `None` if nothing is known of it.
    fn policy(&self, domain: &str) -> impl Future<Output = Result<Option<PolicyLine>, StoreError>> + Send;

    /// What goes on and ought not to, newest first, at most `limit`; of one domain, if it is given.
    fn alerts(
        &self,
        domain: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<AlertLine>, StoreError>> + Send;
}

/// No book at all: where no policies are applied. There is no value of it.
#[derive(Debug)]
pub enum NoBook {}

impl PolicyBook for NoBook {
    async fn policies(&self, _after: Option<&str>, _limit: usize) -> Result<Vec<PolicyLine>, StoreError> {
        match *self {}
    }

    async fn policy(&self, _domain: &str) -> Result<Option<PolicyLine>, StoreError> {
        match *self {}
    }

    async fn alerts(&self, _domain: Option<&str>, _limit: usize) -> Result<Vec<AlertLine>, StoreError> {
        match *self {}
    }
}
