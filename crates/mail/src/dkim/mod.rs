//! DKIM (RFC 6376) for the reports that are sent: keys, the records to publish for them, signatures.
//!
//! What goes in: a mail as the engine built it and the time. What comes out: one signature for each key of the
//! submitter's domain, RSA-2048 first, Ed25519 (RFC 8463) beside it. No `l=` (RFC 8460 §3); the TLS-Report-* fields are
//! covered (§5.3); keys are for `s=email:tlsrpt` (§3). What can fail: a key that cannot be read, or none at all.

mod canonical;
mod key;
mod record;
mod sign;
#[cfg(test)]
mod tests;

pub use key::{Algorithm, DkimKey, KeyError};
pub use record::{NotPublished, is_published, record_name, record_text, zone_line};
pub use sign::DkimSigner;
