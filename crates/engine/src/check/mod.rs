//! The audit of a domain from outside: what a sender would see, and what to do about it.
//!
//! Each finding has a [`Code`] that never changes, a level, plain words and the exact fix.

mod code;
mod report;

pub use code::{About, Code, Level, Pitfall};
pub use report::{AddressFacts, Finding, MxFacts, PolicyFacts, RecordFacts, Report, RuaFacts, Verdict};
