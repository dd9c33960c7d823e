//! RFC 8460 (SMTP TLS Reporting), the protocol and nothing else.
//!
//! What: the `_smtp._tls` record that says where reports go ([`record`]); the words of a report and what they mean
//! for the person who runs the domain ([`result_type`], [`explain`]); the report itself ([`report`]); the counting of
//! sessions, of one report ([`count`]) and for one to be sent ([`tally`]); the forms in which a report travels ([`mail_form`]).
//!
//! Why: a report is written by strangers. What is read is read with slack that is written down as values
//! (deviations, repairs); what is written is strict.
//!
//! Performs no I/O, reads no clock and no randomness: times, boundaries and message ids are arguments. Every input
//! is taken as hostile; parsers return typed errors and never panic.

pub mod count;
pub mod explain;
pub mod mail_form;
pub mod record;
pub mod report;
pub mod result_type;
pub mod tally;
pub mod text;

pub use result_type::{PolicyType, ResultType};
pub use text::Text;
