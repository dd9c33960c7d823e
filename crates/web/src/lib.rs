//! The two web listeners: one takes reports by POST from the world, one shows a person what they say.
//!
//! [`report_endpoint`] is the receiving end of RFC 8460 §5.4 and writes to an [`Intake`]. [`pages`] serves the pages,
//! the JSON API, the metrics and the probes, and only reads, from an [`Evidence`]. They share no port, so that the one
//! can face the world while the other stays on loopback; what they share is how connections are kept within bounds
//! ([`listen`]) and how errors are told to programs ([`problem`]).
//!
//! No clock of its own: the time of day comes through [`Clock`]; deadlines of connections run on the runtime's timer,
//! and every one of them is an argument.
//!
//! [`Intake`]: tlsward_engine::ports::Intake
//! [`Evidence`]: tlsward_engine::ports::Evidence
//! [`Clock`]: tlsward_engine::ports::Clock

mod api;
pub mod metrics;
pub mod pages;
mod problem;
pub mod report_endpoint;
mod times;

pub use tlsward_listen as listen;
pub use tlsward_listen::source;

#[cfg(test)]
mod fake;
