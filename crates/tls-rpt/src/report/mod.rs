//! TLS reports (RFC 8460 §4): the model, a tolerant reader that notes every repair, a strict writer.
//!
//! [`read_slice`] turns bytes into [`Report`]s in normal form. [`scan`] does the same for inputs
//! that must not be held in memory: it hands rows to a [`Sink`] as they come. Both refuse what is
//! not JSON with a line and a column, and both are bounded by [`Limits`].

mod collect;
mod fields;
mod json;
mod lexer;
mod line;
mod model;
mod names;
mod parse;
mod read;
mod repair;
mod source;
mod time;
mod trail;
mod utf16;
mod values;
mod write;

pub use collect::{Collected, Counts, Large, collect, collect_slice};
pub use json::{Json, JsonError};
pub use line::{Annotation, LineWriter, write_line};
pub use model::{
    DateRange, Extra, FailureDetails, Head, Parsed, Place, Policy, PolicyResult, Report, Summary,
};
pub use read::{Limits, ReadError, Sink, read_slice, scan, scan_slice};
pub use repair::{Repair, RepairKind};
pub use time::Timestamp;
pub use write::{write_failure, write_head, write_policy, write_repairs, write_report, write_string};
