//! Who writes the records: a person, a name server by dynamic update, or the zone in this process.

use tlsward_engine::ports::publish::{Applied, RecordSet, Records, RecordsFailure};
use tlsward_net::dns_update::{ByHand, Rfc2136};
use tlsward_policy_host::zone::ZoneRecords;

use crate::edge::SystemClock;

/// The way that the configuration names.
#[derive(Clone)]
pub(super) enum Writer {
    ByHand(ByHand),
    Updates(Rfc2136<SystemClock>),
    Zone(ZoneRecords),
}

impl Writer {
    /// Whether somebody has to put the records there.
    pub(super) fn is_by_hand(&self) -> bool {
        matches!(self, Self::ByHand(_))
    }
}

impl Records for Writer {
    async fn apply(&self, domain: &str, sets: Vec<RecordSet>) -> Result<Applied, RecordsFailure> {
        match self {
            Self::ByHand(writer) => writer.apply(domain, sets).await,
            Self::Updates(writer) => writer.apply(domain, sets).await,
            Self::Zone(writer) => writer.apply(domain, sets).await,
        }
    }
}
