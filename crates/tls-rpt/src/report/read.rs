//! Reading: from bytes or a stream to reports in normal form. The entry points, the limits, the errors.

use std::io::Read;

use super::collect::Held;
use super::json::JsonError;
use super::lexer::Lexer;
use super::model::{FailureDetails, Head, Parsed, Place, PolicyResult};
use super::parse::Parser;
use super::repair::Repair;
use super::source::{Slice, Source, Window};
use super::utf16::{Decoded, byte_order_mark};

/// What one input may hold. The defaults are those of docs/receive.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Policies in one input, over all its reports.
    pub policies: u64,
    /// Failure rows in one input.
    pub failures: u64,
    /// A string, in bytes. A policy string or extra value beyond it is cut, any other refused.
    pub string_bytes: usize,
    /// Repairs that are listed for one report; the rest is counted.
    pub repairs: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { policies: 1_000_000, failures: 1_000_000, string_bytes: 64 * 1024, repairs: 1000 }
    }
}

/// Why no report could be read from an input.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not JSON. Set it aside as unreadable; the sender must mend it.
    #[error("not JSON: {0}")]
    Json(#[from] JsonError),
    /// It is more than we take. Set it aside as over the limit.
    #[error("{what} at line {line}, column {column}")]
    Limit {
        /// Which limit.
        what: &'static str,
        /// Counted from 1.
        line: u64,
        /// Counted from 1, in bytes.
        column: u64,
    },
    /// It is JSON and no report: it has neither `policies` nor `date-range`. Set it aside.
    #[error("{0}")]
    NoReport(&'static str),
    /// The bytes stopped coming. What that means is known to whoever gave the reader.
    #[error("cannot be read to its end: {0}")]
    Io(#[source] std::io::Error),
}

/// Takes what [`scan`] finds, in the order of the input.
///
/// A row may come before the policy it belongs to (senders order members as they like), and what came may turn out not to count:
/// a repeated key, or an object that is no report after all. Then it is taken back.
pub trait Sink {
    /// A failure row of the policy that `at` names.
    fn failure(&mut self, at: Place, row: FailureDetails);
    /// A policy is complete. `policy.failure_details` is `Some(vec![])` if its rows came before, `None` if it had none.
    fn policy(&mut self, at: Place, policy: PolicyResult);
    /// The failure rows of this policy came a second time: those given before do not count.
    fn forget_failures(&mut self, at: Place);
    /// The policies of this report came a second time: those given before do not count.
    fn forget_policies(&mut self, report: usize);
    /// A report is complete.
    fn report(&mut self, report: usize, head: Head, repairs: Vec<Repair>);
    /// One more repair of a report that is complete already: what followed it.
    fn amend(&mut self, report: usize, repair: Repair);
    /// Everything given from this report on does not count.
    fn retract(&mut self, from_report: usize);
    /// Asked now and then: false stops the scan with a refusal, because the sink can take no more.
    fn has_room(&self) -> bool {
        true
    }
}

/// Reads every report of a slice into memory.
///
/// Returns at least one, or says why there is none. Memory grows with the input: for input of strangers use
/// [`super::collect`].
pub fn read_slice(bytes: &[u8], limits: &Limits) -> Result<Vec<Parsed>, ReadError> {
    let mut held = Held::unbounded();
    scan_slice(bytes, limits, &mut held)?;
    Ok(held.into_reports())
}

/// As [`scan`], for bytes in memory.
pub fn scan_slice<K: Sink>(bytes: &[u8], limits: &Limits, sink: &mut K) -> Result<usize, ReadError> {
    match byte_order_mark(bytes) {
        Some(mark) if mark.is_utf16() => {
            run(Window::new(Decoded::new(&bytes[mark.len()..], mark)), limits, sink, Some(mark.repair()))
        }
        Some(mark) => run(Slice::new(&bytes[mark.len()..]), limits, sink, Some(mark.repair())),
        None => run(Slice::new(bytes), limits, sink, None),
    }
}

/// Reads every report of a stream into `sink` and says how many there were; never zero.
///
/// Holds one string and one row at a time, and a window of 64 KiB.
pub fn scan<R: Read, K: Sink>(mut input: R, limits: &Limits, sink: &mut K) -> Result<usize, ReadError> {
    let mut start = [0u8; 4];
    let mut length = 0;
    while length < start.len() {
        match input.read(&mut start[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(ReadError::Io(error)),
        }
    }
    match byte_order_mark(&start[..length]) {
        Some(mark) => {
            let rest = start[mark.len()..length].chain(input);
            if mark.is_utf16() {
                run(Window::new(Decoded::new(rest, mark)), limits, sink, Some(mark.repair()))
            } else {
                run(Window::new(rest), limits, sink, Some(mark.repair()))
            }
        }
        None => run(Window::new(start[..length].chain(input)), limits, sink, None),
    }
}

fn run<S: Source, K: Sink>(
    source: S,
    limits: &Limits,
    sink: &mut K,
    mark: Option<Repair>,
) -> Result<usize, ReadError> {
    Parser::new(Lexer::new(source, limits.string_bytes), limits, sink, mark).input()
}
