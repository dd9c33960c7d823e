//! Where Tlsward keeps what it knows: the ports [`Intake`] and [`Evidence`] over SQLite and in memory.
//!
//! What goes in: raw inputs with their verdicts. What comes out: receipts, once what they acknowledge is synced to
//! disk, and the questions that pages ask about domains, reports and failures. Why twice: [`SqliteStore`] is what a
//! server runs on; [`MemoryStore`] is what tests and the lab run on. One suite of tests holds both to the same answers.
//!
//! What the two share stands here once: how a verdict becomes rows (`filing`), how many sessions a domain has in a
//! report (`session`, by the rule of [`tls_rpt::count`]), how rows become an overview (`overview`).
//!
//! What can fail: the disk, and the files on it. [`StoreError::Unavailable`] says that the sender should come back,
//! [`StoreError::Damaged`] that a person must look. Nothing here reads a clock: every time comes in with its input.
//!
//! [`Intake`]: tlsward_engine::ports::Intake
//! [`Evidence`]: tlsward_engine::ports::Evidence
//! [`StoreError::Unavailable`]: tlsward_engine::ports::StoreError::Unavailable
//! [`StoreError::Damaged`]: tlsward_engine::ports::StoreError::Damaged

mod certificates;
mod cursor;
mod filing;
mod memory;
mod outgoing;
mod overview;
mod pack;
mod policies;
mod publications;
mod quotas;
mod seal;
mod session;
mod sqlite;
mod top;

pub use memory::MemoryStore;
pub use quotas::Quotas;
pub use seal::{KeyFileNews, SealError, SealingKey};
pub use sqlite::SqliteStore;

/// Items of one page at most, whatever is asked for.
const MAX_PAGE: usize = 1000;
/// Bytes of strangers' text in one page, about: a page ends early rather than hold more.
const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of raw input that one call of `pending` yields, about; at least one item.
const MAX_PENDING_BYTES: usize = 16 * 1024 * 1024;
