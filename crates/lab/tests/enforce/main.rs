//! What the MTA is told, in the world: weeks of a sender's life with a domain, its failures and its enemies.

#![expect(clippy::unwrap_used, reason = "a test may panic, also in the functions that its cases share")]

mod alerts;
mod bounds;
mod cache;
mod catalogue;
mod commands;
mod dane;
mod first_contact;
mod network;
mod stage;
mod under_attack;
mod weeks;
