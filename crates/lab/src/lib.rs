//! A small internet to prove things in: one [`World`](world::World) described as data, two transports.
//!
//! - [`world`]: zones, machines, certificates, domains; a builder that makes a healthy domain in one line. A fault
//!   is an edit of that data.
//! - [`pki`]: the authorities of the world, and the certificates they sign.
//!
//! It is an oracle: what it does is written apart from what it proves. None of our parsers, matchers or judges is
//! in here; of the engine it uses the port types alone. What a name resolves to is decided once ([`resolve`]), for
//! both transports.

pub mod pki;
pub mod resolve;
pub mod world;
