//! Receiving reports: raw bytes → filed or set aside, with the reason.

mod budget;
mod digest;
mod examine;
mod reading;
mod rows;
mod rules;

pub use budget::{Budget, Share};
pub use digest::{Digester, digest};
pub use examine::{detailed, examine, row_of};
pub use reading::{Found, HELD_BYTES, Trouble, TroubleKind, read_input};
pub use rules::{CurrentRules, Rules};

/// Who reads inputs here. The store keeps it with what is set aside: after an upgrade, what another reader could not read
/// is read again. Bump the number whenever this crate, `tls-rpt` or `containers` reads more than before and the version
/// stays.
pub const READER: &str = concat!(env!("CARGO_PKG_VERSION"), " 1");
/// So many processes may die while they read an input; after that it is set aside as unreadable.
pub const READING_ATTEMPTS: u32 = 3;
/// Bytes of one mail or HTTP body at most (RFC 8460 asks for no bound; design: limits).
pub const MAX_INPUT_BYTES: usize = 32 * 1024 * 1024;
/// Bytes that all intake together may hold of inputs in flight.
pub const INTAKE_BUDGET_BYTES: usize = 40 * 1024 * 1024;
