//! End points that the owner configured.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// A network, or one address, with one port or with all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed {
    network: IpAddr,
    prefix: u8,
    port: Option<u16>,
}

/// Text that is none of `10.0.0.0/8`, `10.0.0.1`, `10.0.0.1:25`, `[fd00::1]:25`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is no address, network or end point: write 10.0.0.0/8, fd00::/8, 10.0.0.1, 10.0.0.1:25 or [fd00::1]:25"
)]
pub struct NotAllowed(String);

impl Allowed {
    /// Whether the end point is in it.
    #[must_use]
    pub fn covers(&self, end_point: SocketAddr) -> bool {
        if self.port.is_some_and(|port| port != end_point.port()) {
            return false;
        }
        match (self.network, end_point.ip()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differ = network.to_bits() ^ address.to_bits();
                differ.checked_shr(32 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let differ = network.to_bits() ^ address.to_bits();
                differ.checked_shr(128 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }

    /// All addresses that share `prefix` bits with `network`; `None` if an address has not so many.
    #[must_use]
    pub fn network(network: IpAddr, prefix: u8) -> Option<Self> {
        (prefix <= bits(network)).then_some(Self { network, prefix, port: None })
    }
}

impl From<IpAddr> for Allowed {
    fn from(address: IpAddr) -> Self {
        Self { network: address, prefix: bits(address), port: None }
    }
}

impl From<SocketAddr> for Allowed {
    fn from(end_point: SocketAddr) -> Self {
        Self { port: Some(end_point.port()), ..Self::from(end_point.ip()) }
    }
}

impl FromStr for Allowed {
    type Err = NotAllowed;

    fn from_str(text: &str) -> Result<Self, NotAllowed> {
        let refused = || NotAllowed(text.to_owned());
        if let Some((network, prefix)) = text.split_once('/') {
            let network = network.parse().map_err(|_| refused())?;
            let prefix = prefix.parse().map_err(|_| refused())?;
            return Self::network(network, prefix).ok_or_else(refused);
        }
        let address = text.parse::<IpAddr>().map(Self::from);
        address.or_else(|_| text.parse::<SocketAddr>().map(Self::from)).map_err(|_| refused())
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => SocketAddr::new(self.network, port).fmt(f),
            None if self.prefix == bits(self.network) => self.network.fmt(f),
            None => write!(f, "{}/{}", self.network, self.prefix),
        }
    }
}

fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}
