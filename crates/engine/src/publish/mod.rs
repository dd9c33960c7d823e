//! What a domain publishes: its policy, its records, its certificate, and the order in which they change.
//!
//! **Order of change** (RFC 8461 §8.1): a new body is served on every node and seen from outside before its id is
//! announced. **Nothing rewinds**: numbers of versions, ids, and the time until which a sender may hold what was served. What is
//! published is always strict ([`mta_sts::Parsed`]).

mod action;
pub mod adopt;
pub mod certificate;
mod command;
mod dates;
pub mod drift;
pub mod export;
pub mod group;
pub mod ids;
mod kept;
pub mod ledger;
pub mod live;
mod look;
pub mod mx_change;
pub mod outside;
pub mod plan;
mod publication;
mod publisher;
pub mod records;
mod rewind;
pub mod show;
mod step;
mod wind_down;
mod wish;
pub mod zone;

pub use action::Action;
pub use command::{Adoption, Command, Refusal, command};
pub use kept::KeptWish;
pub use look::{RecordLook, Saw};
pub use publication::{
    BodySeen, Desired, DesiredText, Hold, IDS_REMEMBERED, Live, MARGIN_SECS, Member, Phase, Publication,
    RecordSeen, Seen, Trouble, Version,
};
pub use publisher::{Driver, Options, OrderError, Parts, Publisher, Sets};
pub use rewind::mend;
pub use step::{At, BACK_OFF_SECS, Observation, STUCK_AFTER, WATCH_SECS, step};
pub use wish::{Stage, Wish, WishError};
