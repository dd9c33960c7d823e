//! The embedded zone on sockets, asked by BIND's dig and delv and resolved by Unbound.
//!
//! Needs `dig` and `delv` (Debian's package bind9-dnsutils) and `unbound`.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod peers;
mod served;
