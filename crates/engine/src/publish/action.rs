//! What a step asks for. All of it may be done twice, and whatever a kill left out is asked for again.

use mta_sts::policy_domain::PolicyDomain;
use mta_sts::record::PolicyId;

use super::ledger::Entry;
use super::publication::{Desired, Publication};
use crate::alert::Rule;
use crate::ports::publish::KeptVersion;

/// Something to do, after the state that asks for it was kept, in order. If one fails the ones behind it are left out, but for
/// alerts: the next step asks again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Keep this row, in the same commit as the state.
    Note(KeptVersion),
    /// Write this to the ledger, synced, before anything behind it is done.
    Write(Entry),
    /// Have the policy host give out what the state says, or nothing.
    Serve,
    /// Make the records so.
    Apply(Desired),
    /// Look at the `_mta-sts` and `_smtp._tls` records on each name server.
    LookAtRecords,
    /// Fetch the policy from each address of the policy host, and compare it with this version.
    LookOutside {
        /// Its number.
        number: u32,
    },
    /// The owner must know.
    Raise(Rule, String),
    /// It is over.
    Resolve(Rule, &'static str),
    /// Remove the domain from the store. Its versions stay.
    Forget,
}

impl Action {
    /// The row of the version that is served, with the id it is announced under.
    pub(super) fn note(publication: &Publication, last_served_at: Option<i64>) -> Option<Self> {
        let served = publication.served.as_ref()?;
        let id = served.announced_at.and(publication.id.as_ref());
        Some(Self::Note(served.to_row(&publication.domain, id, last_served_at)))
    }

    pub(super) fn announced(domain: &PolicyDomain, number: u32, id: &PolicyId, at: i64) -> Self {
        Self::Write(Entry::Announced {
            domain: domain.as_str().to_owned(),
            number,
            id: id.as_wire().to_owned(),
            at,
        })
    }
}
