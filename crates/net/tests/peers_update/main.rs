//! Dynamic updates, and questions to name servers themselves, against BIND and Knot, set up as docs/dns.md says.
//!
//! Needs `named` and `tsig-keygen` (Debian's package bind9), `knotd` and `keymgr` (knot).

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod book;
mod peers;
mod proxy;
mod servers;
