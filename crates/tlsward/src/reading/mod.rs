//! From what a person names to the reports inside: files, folders, standard input; wrapped as they may be.
//!
//! What comes out goes to a [`Take`]r, one member at a time, in constant memory: what is too large to be held
//! comes as heads and counts with the means to read it again. The reading itself is [`tlsward_engine::receive`]'s, as for
//! the server's intake. What can fail: an input, for itself; it is named with
//! place and reason, and the next one is read.

mod contents;
mod input;
mod inputs;

pub(crate) use contents::Contents;
pub(crate) use input::{Held, Reader, Take};
pub(crate) use inputs::{Input, Origin, gather};

/// Files up to here are read into memory at once (design: a mail or body has 32 MiB).
const MEMORY_BYTES: u64 = 32 << 20;
/// Containers that cannot be streamed are read into memory up to here.
const CONTAINER_BYTES: u64 = 128 << 20;
/// A report in plain JSON (design: a decompressed report has 128 MiB).
const REPORT_BYTES: u64 = 128 << 20;
/// Standard input, or another stream, is kept in a temporary file up to here.
const SPOOLED_BYTES: u64 = 4 << 30;
