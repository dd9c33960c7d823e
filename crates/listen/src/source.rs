//! Who is at the other end: networks, the address behind a proxy, and the key under which a stranger is counted.
//!
//! An IPv6 network hands out /64s like IPv4 hands out addresses, so a stranger is his IPv4 address or his /64.
//! What can fail: a network of a configuration that is not one ([`NetError`]); a forwarding header that makes no
//! sense is ignored, and the proxy itself is taken for the source.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// A range of addresses such as `10.0.0.0/8`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Net {
    address: IpAddr,
    prefix: u8,
}

/// Not a network. The owner corrects the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// The part before the slash is not an IP address.
    #[error("'{0}' is not an IP address")]
    Address(String),
    /// The part after the slash is not a prefix length of this kind of address.
    #[error("'/{0}' is not a prefix length for this address")]
    Prefix(String),
}

impl Net {
    /// True if the address lies in the network. IPv4 addresses in IPv6 clothes count as IPv4.
    #[must_use]
    pub fn holds(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                net.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V6(net), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                net.to_bits() & mask == address.to_bits() & mask
            }
            _ => false,
        }
    }
}

impl FromStr for Net {
    type Err = NetError;

    fn from_str(text: &str) -> Result<Self, NetError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr =
            address.parse::<IpAddr>().map_err(|_| NetError::Address(address.to_owned()))?.to_canonical();
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => longest,
            Some(digits) => match digits.parse::<u8>() {
                Ok(prefix) if prefix <= longest => prefix,
                _ => return Err(NetError::Prefix(digits.to_owned())),
            },
        };
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// The key under which a stranger is counted: an IPv4 address, or the /64 of an IPv6 one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source(u128);

impl Source {
    /// That of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(address.to_ipv6_mapped().to_bits()),
            IpAddr::V6(address) => Self(address.to_bits() & !u128::from(u64::MAX)),
        }
    }
}

/// Whose word is taken, and who is not counted.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Net>,
    /// Sources that no rate limit applies to, besides loopback.
    pub exempt: Vec<Net>,
}

impl Sources {
    /// True if neither rate nor connections of this address are limited.
    #[must_use]
    pub fn is_exempt(&self, address: IpAddr) -> bool {
        address.to_canonical().is_loopback() || self.exempt.iter().any(|net| net.holds(address))
    }

    /// True if the peer is a proxy whose word is taken.
    #[must_use]
    pub fn is_proxy(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|net| net.holds(address))
    }

    /// The address that a request came from: the peer, or the one a trusted peer names.
    ///
    /// Proxies append to the header, so it is read from the right: the first address that is no trusted proxy is
    /// the last one that a trusted proxy saw with its own eyes. Everything left of it anyone may have written.
    pub fn behind<'a>(&self, peer: IpAddr, forwarded: impl DoubleEndedIterator<Item = &'a str>) -> IpAddr {
        let mut seen = peer.to_canonical();
        if !self.is_proxy(seen) {
            return seen;
        }
        for entry in forwarded.rev().flat_map(|header| header.rsplit(',')) {
            let Some(address) = forwarded_address(entry.trim()) else { return seen };
            seen = address;
            if !self.is_proxy(seen) {
                return seen;
            }
        }
        seen
    }
}

fn forwarded_address(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(entry);
    let address =
        bare.parse::<IpAddr>().ok().or_else(|| entry.parse::<SocketAddr>().ok().map(|socket| socket.ip()))?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn networks_hold_what_their_prefix_says() {
        let rows = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.8", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "2001:db9::1", true),
        ];
        for (net, address, expected) in rows {
            assert_eq!(net.parse::<Net>().unwrap().holds(ip(address)), expected, "{net} {address}");
        }
        for bad in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/", "example.com"] {
            assert!(bad.parse::<Net>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_stranger_is_counted_by_ipv4_address_or_ipv6_slash_64() {
        assert_eq!(Source::of(ip("192.0.2.1")), Source::of(ip("::ffff:192.0.2.1")));
        assert_ne!(Source::of(ip("192.0.2.1")), Source::of(ip("192.0.2.2")));
        assert_eq!(Source::of(ip("2001:db8:1:2::1")), Source::of(ip("2001:db8:1:2:ffff::9")));
        assert_ne!(Source::of(ip("2001:db8:1:2::1")), Source::of(ip("2001:db8:1:3::1")));
    }

    #[test]
    fn a_forwarded_address_is_believed_only_from_a_trusted_proxy_and_only_its_own_part() {
        let sources = Sources { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], exempt: Vec::new() };
        let rows: [(&str, &[&str], &str); 8] = [
            ("203.0.113.5", &["192.0.2.1"], "203.0.113.5"),
            ("10.0.0.1", &["192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", &["127.0.0.1, 192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", &["127.0.0.1", "192.0.2.1, 10.0.0.9"], "192.0.2.1"),
            ("10.0.0.1", &["[2001:db8::1]:4711"], "2001:db8::1"),
            ("10.0.0.1", &["192.0.2.1:80"], "192.0.2.1"),
            ("10.0.0.1", &["192.0.2.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
        ];
        for (peer, headers, expected) in rows {
            assert_eq!(sources.behind(ip(peer), headers.iter().copied()), ip(expected), "{peer} {headers:?}");
        }
    }
}
