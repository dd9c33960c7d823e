//! The resolver against BIND and Unbound, with zones and a root key of the test's own.
//!
//! Needs `named`, `dnssec-keygen` and `dnssec-signzone` (Debian's packages bind9, bind9-utils) and `unbound`.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod between;
mod peers;
mod zones;
