//! A small internet to prove things in: one [`World`](world::World) described as data, two transports.
//!
//! - [`world`]: zones, machines, certificates, domains; a builder that makes a healthy domain in one line. A fault
//!   is an edit of that data.
//! - [`loopback`]: the world on real sockets of this machine (DNS, HTTPS, SMTP), for the adapters and the demo.
//! - [`memory`]: the engine's ports over the same data, under a virtual executor ([`executor`]) whose time jumps.
//! - [`faults`]: the catalogue of what goes wrong, each with what an audit must say of it.
//! - [`senders`]: mail servers that deliver into the world and report, by the RFCs or not.
//! - [`demo`]: weeks of made-up reports and audits of a dozen domains, for `serve --demo`; apart from the world.
//! - [`pki`]: the authorities of the world, and the certificates they sign.
//!
//! It is an oracle: what it does is written apart from what it proves. None of our parsers, matchers or judges is
//! in here; of the engine it uses the port types alone. What a name resolves to is decided once ([`resolve`]), for
//! both transports.

pub mod demo;
pub mod executor;
pub mod faults;
pub mod loopback;
pub mod memory;
pub mod pki;
pub mod resolve;
pub mod senders;
pub mod world;
