//! What a domain publishes: its policy, its records, its certificate, and the order in which they change.
//!
//! **Order of change** (RFC 8461 §8.1): a new body is served on every node and seen from outside before its id is
//! announced. **Nothing rewinds**: numbers of versions, ids, and the time until which a sender may hold what was served. What is
//! published is always strict ([`mta_sts::Parsed`]).

mod wish;

pub use wish::{Stage, Wish, WishError};
