//! The world's view of us: policies by HTTPS, the challenges of certificate authorities, and an authoritative DNS zone
//! for the records of managed domains.
//!
//! Nothing here decides what is published: the engine does, and calls its ports. Everything that comes in is a
//! stranger's: bounded in size, time and count.
//!
//! A policy domain's names are lower-case A-labels without a dot at the end, as in [`tlsward_engine::ports::publish`].

mod answer;
mod certificates;
mod challenges;
mod clear;
mod counters;
mod hosted;
mod names;
mod secure;
mod server;
mod tls;
pub mod zone;

pub use certificates::{CertificateLimits, CertificateSource};
pub use counters::{Counter, Counters};
pub use hosted::Hosted;
pub use server::{Limits, PolicyHost};
pub use tls::{Identity, Unusable};
pub use tlsward_listen::source::{Net, NetError, Sources};
pub use tlsward_listen::{ConnectionLimits, Shutdown};
pub use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
