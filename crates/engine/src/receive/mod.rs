//! Receiving reports: raw bytes → filed or set aside, with the reason.

mod budget;
mod digest;
mod examine;
mod reading;
mod rows;

pub use budget::{Budget, Share};
pub use digest::{Digester, digest};
pub use examine::{Rules, detailed, examine, row_of};
pub use reading::{Found, HELD_BYTES, Trouble, TroubleKind, read_input};

/// Bytes of one mail or HTTP body at most (RFC 8460 asks for no bound; design: limits).
pub const MAX_INPUT_BYTES: usize = 32 * 1024 * 1024;
/// Bytes that all intake together may hold of inputs in flight.
pub const INTAKE_BUDGET_BYTES: usize = 40 * 1024 * 1024;
