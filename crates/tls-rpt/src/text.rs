//! The string type of this crate's values.
//!
//! Most strings of a report (host names, addresses, result types) fit into 24 bytes, and a report may carry a
//! million of them: `CompactString` keeps those in place and goes to the heap for the rest. One name here, so
//! that the choice can change in one line.

/// A string of a record or report: UTF-8, any length, short ones without an allocation.
pub type Text = compact_str::CompactString;
