//! The embedded authoritative zone: the records of managed domains whose owners point to it, once, with three CNAME
//! records (`_mta-sts`, `mta-sts`, `_smtp._tls`). Below the zone `Z` those of `example.org` are `_mta-sts.example.org.Z`
//! and so on.
//!
//! [`Zone`] holds the records and answers questions, packet for packet, without a socket; [`ZoneRecords`] takes changes
//! through the engine's port; [`Bound`] is the server on UDP and TCP. With a [`ZoneKey`] it is signed: one key, signatures
//! on demand, proofs of absence that list no names (`denial`).
//!
//! Messages, names and signatures are hickory-proto's. Its server is not used: its zones keep each record as an object of
//! its own, are signed as a whole at each change and searched from end to end for a proof of absence, and its listeners
//! bound neither connections nor tasks.
//!
//! What can fail: a change that cannot be written (`RecordsFailure`), nothing else once it runs. A packet never makes it
//! panic, and no answer is larger than [`MAX_UDP`] over UDP.

mod answer;
mod apply;
mod config;
mod content;
mod denial;
mod journal;
mod key;
mod lookup;
mod name;
mod rate;
mod server;
mod set;
mod sign;

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use tlsward_engine::ports::Clock;

pub use answer::{MAX_UDP, Outcome, Over, Reply};
pub use apply::ZoneRecords;
pub use config::{ConfigError, HostAddresses, ZoneConfig};
pub use key::ZoneKey;
pub use rate::{Rate, RateLimit, Verdict};
pub use server::{Bound, Counts, ServerLimits};

use config::Settings;
use content::Content;
use journal::Journal;
use sign::Signer;

/// So many changes may wait for the disk together, those of one domain one after the other.
const LANES: usize = 64;

/// The zone. Cheap to ask from many threads; one for the whole process.
pub struct Zone {
    settings: Settings,
    content: Content,
    signer: Option<Signer>,
    serial: AtomicU32,
    journal: Option<Journal>,
    clock: Box<dyn Clock>,
    lanes: Vec<Arc<tokio::sync::Mutex<()>>>,
    /// Held exclusively while the journal is written anew.
    rewriting: Arc<tokio::sync::RwLock<()>>,
}

/// Why the zone cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The owner has to change the configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The file of its records cannot be read or written.
    #[error("the zone's records in {path}: {source}")]
    Journal {
        /// The file.
        path: String,
        /// What went wrong.
        source: io::Error,
    },
}

#[cfg(test)]
mod tests;
