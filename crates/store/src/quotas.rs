//! How much of what nobody vouches for is kept.

use tlsward_engine::facts::Trust;

/// Bounds on what strangers can make the store hold. When one is reached, the oldest goes first, and is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quotas {
    /// Bytes of raw input set aside.
    pub set_aside_bytes: u64,
    /// Inputs set aside.
    pub set_aside_items: u64,
    /// Bytes of raw input of reports whose origin is not authenticated.
    pub open_bytes: u64,
    /// Reports whose origin is not authenticated.
    pub open_reports: u64,
    /// Policies and failure rows of reports whose origin is not authenticated: a small gzip can hold a million.
    pub open_rows: u64,
    /// Bytes of kept mail that has no verdict yet. Beyond it `keep` answers "unavailable": nothing is dropped.
    pub pending_bytes: u64,
}

impl Default for Quotas {
    fn default() -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            set_aside_bytes: 64 * MIB,
            set_aside_items: 10_000,
            open_bytes: 4096 * MIB,
            open_reports: 5_000_000,
            open_rows: 50_000_000,
            pending_bytes: 256 * MIB,
        }
    }
}

/// Whether nobody vouches for a report of this grade: no signature that verifies stands behind it.
pub(crate) fn is_open(trust: Trust) -> bool {
    trust < Trust::Unaligned
}
