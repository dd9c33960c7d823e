//! The world as a client: adapters for the engine's ports to DNS, HTTPS and SMTP.
//!
//! What a stranger's data names is reached through [`guard`] only; every bound on size, time and number is in
//! [`limits`].

pub mod dns;
pub mod guard;
pub mod https;
pub mod limits;
pub mod roots;
pub mod smtp;
mod tls;
