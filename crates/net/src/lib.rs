//! The world as a client: adapters for the engine's ports to DNS, HTTPS, SMTP and certificate authorities.
//!
//! What a stranger's data names is reached through [`guard`] only; every bound on size, time and number is in
//! [`limits`]. Addresses come from the caller, who looked them up; each is looked at by the guard once more when it is
//! connected to. Nothing here judges a certificate: a session's chain is handed on as it was presented.

pub mod acme;
mod connect;
pub mod dns;
pub mod dns_update;
pub mod guard;
pub mod https;
pub mod limits;
pub mod polite;
pub mod relay;
pub mod roots;
pub mod smtp;
mod tls;
pub mod world;
