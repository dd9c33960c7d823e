//! The sender's side of TLS-RPT (RFC 8460): sessions become counts, counts become reports, reports are sent, retried and
//! retired.
//!
//! [`sessions_of`] takes apart what an MTA told; [`Counter`] adds it up until it is written into the
//! [`Outbox`](crate::ports::Outbox) with the journal's place. After the day has closed, [`run_due`] leases what is due,
//! [`build`] makes the report, and [`Delivery`] decides whom it is offered to, when again, and when it is given up.
//!
//! Time, randomness (a seed) and identity are arguments. What can fail: the store, which is told; a destination, which
//! is tried again for 24 hours (RFC 8460 §5.5). A report is sent at least once; its id is the same each time.

mod bounce;
mod build;
mod counting;
mod delivery;
mod driver;
pub mod judge;
mod send;
mod session;
mod settings;
mod summary;

#[cfg(test)]
mod tests;

pub use bounce::{bounced, token_of, verp};
pub use build::{Built, build};
pub use counting::{Counter, day_of, due_at};
pub use delivery::{Attempt, Delivery, Ended, Next, Progress, noted_as};
pub use driver::{Desk, Pass, run_due};
pub use session::{Heard, Judgement, Session, at_face_value, sessions_of};
pub use settings::{BounceSecret, Identity, IdentityError, Settings};

/// Seconds of a day.
pub(crate) const DAY_SECONDS: i64 = 86_400;
