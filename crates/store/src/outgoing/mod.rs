//! Reports that go out: what both stores do alike, and the one in memory.

mod memory;
mod rules;

pub(crate) use memory::Held;
pub(crate) use rules::{LONGEST_WAIT_SECONDS, Sums, forgotten_before, held_against, sums, when_due};
