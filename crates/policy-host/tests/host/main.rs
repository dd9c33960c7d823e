//! The policy host from outside, with a client of our own that can do what no honest one does.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "../support/mod.rs"]
mod support;

mod bounds;
mod challenges;
mod clear;
mod handshake;
mod policies;
