//! Does what the steps of each domain ask for ([`super::step`]), and takes the owner's orders.
//!
//! [`Publisher`] is a cheap handle; somebody has to run the [`Driver`]. Nothing of a domain is held in memory but what the policy
//! host serves: a domain that is due is read from the store, stepped, kept, and only then is anything done. So a kill at any
//! moment loses nothing: what was kept is done again, and all of it may be done twice.
//!
//! **What can fail**: the store (nothing is done then, and it is tried again), the ledger (a new version is then not served), and
//! everything outside; all of it ends in a later try, and in an alert when it goes on.

mod driver;
mod open;
mod orders;
mod outside;
mod servers;
mod work;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_channel::mpsc;
use smtp_dane::pkix::TrustRoots;

use super::command::Refusal;
use super::ledger::Entry;
use super::publication::{Desired, Publication};
use crate::alert::Board;
use crate::gate::Gates;
use crate::ports::StoreError;
use crate::ports::publish::RecordSet;

pub use driver::Driver;

/// The ports.
#[derive(Debug)]
pub struct Parts<W, A, R, H, S, L, C> {
    /// DNS and HTTPS as the public has them.
    pub world: Arc<W>,
    /// Name servers, each asked for itself.
    pub authorities: Arc<A>,
    /// Where records are written.
    pub records: Arc<R>,
    /// Where policies are served.
    pub hosts: Arc<H>,
    /// Where all of it is kept.
    pub store: Arc<S>,
    /// The file beside it.
    pub ledger: Arc<L>,
    /// The time.
    pub clock: C,
}

/// Makes record sets of what DNS is to hold for a domain: where its host is and in which zone is the installation's. An error is
/// told to the owner.
pub type Sets = Arc<dyn Fn(&Publication, &Desired) -> Result<Vec<RecordSet>, String> + Send + Sync>;

/// How it is done.
#[derive(Clone)]
pub struct Options {
    /// Roots that the public trusts.
    pub roots: Arc<TrustRoots>,
    /// See [`Sets`].
    pub sets: Sets,
    /// Whether all records are handed over at the start: for a zone that lives in this process.
    pub applies_at_open: bool,
    /// Domains that are looked after side by side.
    pub at_once: usize,
    /// Evenly distributed numbers, to spread work with.
    pub random: Arc<dyn Fn() -> u16 + Send + Sync>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("at_once", &self.at_once).finish_non_exhaustive()
    }
}

/// Why an order was not obeyed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OrderError {
    /// It must not be: the text says why and what to do.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No such domain is managed.
    #[error("{0} is not managed here: `tlsward domain add` or `adopt` it first")]
    Unmanaged(String),
    /// It is managed already.
    #[error("{0} is managed already")]
    Managed(String),
    /// It was not kept, and nothing was changed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Publishes.
pub struct Publisher<W, A, R, H, S, L, C> {
    inner: Arc<Inner<W, A, R, H, S, L, C>>,
    due: mpsc::UnboundedSender<String>,
}

impl<W, A, R, H, S, L, C> Clone for Publisher<W, A, R, H, S, L, C> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), due: self.due.clone() }
    }
}

impl<W, A, R, H, S, L, C> fmt::Debug for Publisher<W, A, R, H, S, L, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").finish_non_exhaustive()
    }
}

/// What handles and driver share.
struct Inner<W, A, R, H, S, L, C> {
    parts: Parts<W, A, R, H, S, L, C>,
    options: Options,
    alerts: Arc<Board>,
    /// One change of a domain at a time, from reading it to serving it.
    changing: Gates<String>,
    /// Entries that could not be written to the ledger, by domain: nothing new of these is served before they are.
    unwritten: Mutex<BTreeMap<String, Vec<Entry>>>,
    /// Highest numbers of domains that are in the ledger and no longer managed.
    retired: BTreeMap<String, u32>,
}

impl<W, A, R, H, S, L, C> Inner<W, A, R, H, S, L, C> {
    fn unwritten(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Entry>>> {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
