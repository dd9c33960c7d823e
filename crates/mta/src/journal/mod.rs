//! Sessions on disk before they are counted.
//!
//! A journal is a folder of segment files, each a header and frames (see [`frame`]). [`Journal::append`] writes a group
//! of records in one call: when it returns, they outlive the process. [`Journal::sync_handle`] lets another thread
//! sync to the medium in groups, so that they outlive the machine, a bounded time later. Who counts reads with
//! [`Reader`] and keeps the [`Position`] that was reached in the same commit as the counts: then a kill at any moment
//! loses nothing and doubles nothing. Whole segments below a position are removed by [`Journal::retire`].
//!
//! After a crash the last segment may end in half a frame: [`Journal::open`] cuts it off. Damage anywhere else is
//! skipped to the next whole frame and reported, never guessed at. What can fail: the disk. A failed append leaves the
//! journal as it was before.

pub mod frame;
mod from_file;
mod read;
mod resume;
mod segment;
mod write;

pub use frame::{Record, RecordKind};
pub use from_file::FromFile;
pub use read::{Damage, Reader};
pub use write::{Journal, JournalError, Options, Recovery, RetireHandle, SyncHandle};

/// A place between two records. Ordered as the records are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The number of the segment, from 1.
    pub segment: u64,
    /// Bytes from its beginning.
    pub offset: u64,
}

impl Position {
    /// Before everything.
    pub const START: Self = Self { segment: 0, offset: 0 };
}

#[cfg(test)]
mod tests;
