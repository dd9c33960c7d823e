//! Every decision of Tlsward. No socket, no clock, no randomness of its own.
//!
//! What rooms tell each other is in [`facts`]; the traits through which all of it meets the world are in
//! [`ports`]; each room of the square has a module.

pub mod alert;
pub mod check;
pub mod enforce;
pub mod facts;
mod feed;
mod gate;
mod https_place;
pub mod ports;
pub mod publish;
pub mod receive;
pub mod report;
