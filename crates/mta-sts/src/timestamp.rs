//! A moment, as integer Unix seconds UTC. It is always handed in: nothing here reads a clock.

/// A moment in Unix seconds, UTC. Arithmetic saturates, so a hostile or broken clock cannot overflow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment `seconds` after 1970-01-01T00:00:00Z (before it, when negative).
    #[must_use]
    pub const fn from_unix(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Unix seconds.
    #[must_use]
    pub const fn as_unix(self) -> i64 {
        self.0
    }

    /// The moment `seconds` later.
    #[must_use]
    pub const fn plus(self, seconds: u32) -> Self {
        // u32 always fits an i64.
        Self(self.0.saturating_add(seconds as i64))
    }
}
