//! Certificates for policy hosts, by ACME (RFC 8555): one for each name that needs it, renewed in time, and explained where
//! it does not work.
//!
//! Decisions are pure: which names ([`need`]), when ([`renewal`], [`backoff`]), how fast ([`pace`]), whether it can work at
//! all ([`preflight`], [`caa`]), and what a failure means ([`failure`]). [`issue`] goes the steps of one order, each of which
//! a kill may follow: what is kept is enough to go on. [`driver`] keeps many names certified.

pub mod backoff;
pub mod caa;
pub mod driver;
pub mod failure;
pub mod issue;
pub mod need;
pub mod pace;
pub mod preflight;
pub mod renewal;
pub mod settings;
