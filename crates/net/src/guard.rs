//! Which addresses a stranger's name may lead to, and what may stand where the name of a host belongs.
//!
//! What a stranger's data names (a policy host, a rua, an MX) could point into the network that this program runs in:
//! at a router's pages, a database, a cloud's metadata service. The guard is asked with the very address that is about
//! to be connected to, after every look-up, so that an answer that changes between two look-ups (DNS rebinding) gains
//! nothing. What the owner configured gets through by [`Allowed`].

mod address;
mod allowed;
mod host;

use std::net::{IpAddr, SocketAddr};

pub use address::{Reach, reach};
pub use allowed::{Allowed, NotAllowed};
pub use host::{BadHost, host_name};

/// Decides what may be connected to.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    /// Whether private addresses are open to everybody's names: for networks of one's own, and tests. Link-local,
    /// multicast, metadata and reserved addresses stay shut.
    pub allow_private: bool,
    /// What the owner configured: these get through whatever they are.
    pub allowed: Vec<Allowed>,
}

impl Guard {
    /// Whether that end point may be connected to; the address in question if not.
    ///
    /// # Errors
    /// The address, as it was given.
    pub fn check(&self, end_point: SocketAddr) -> Result<(), IpAddr> {
        let open = match reach(end_point.ip()) {
            Reach::Public => true,
            Reach::Private => self.allow_private,
            Reach::Shut => false,
        };
        if open || self.allowed.iter().any(|allowed| allowed.covers(end_point)) {
            Ok(())
        } else {
            Err(end_point.ip())
        }
    }
}
