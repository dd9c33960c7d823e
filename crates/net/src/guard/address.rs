//! What kind of place an IP address is, by the special-purpose registries of IANA (RFC 6890) and what is known of
//! metadata services.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// From where an address can be reached. Later is further from the public.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// From everywhere.
    Public,
    /// Within a machine or a network of somebody's own: an owner may open these.
    Private,
    /// Never a server that a name of the public DNS should lead to: unspecified, link-local, multicast, reserved,
    /// metadata services.
    Shut,
}

/// Metadata and wire services of clouds that stand outside the ranges that are shut anyway, or inside ranges that an
/// owner may open.
const METADATA: [IpAddr; 5] = [
    // Azure: a public address that only answers from within.
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    // Alibaba.
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    // Amazon: services, and names.
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x253)),
    // Google.
    IpAddr::V6(Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)),
];

/// Classifies an address. One that carries another (IPv4-mapped, NAT64, 6to4, Teredo, ISATAP) is no more public than
/// the one that it carries.
#[must_use]
pub fn reach(address: IpAddr) -> Reach {
    if METADATA.contains(&address) {
        return Reach::Shut;
    }
    match address {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => reach_v6(address),
    }
}

fn reach_v4(address: Ipv4Addr) -> Reach {
    match address.octets() {
        // Private use, loopback, shared by carriers (RFC 6598), documentation, benchmarks.
        [10, ..] | [127, ..] | [192, 168, ..] | [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => {
            Reach::Private
        }
        [172, second, ..] if second & 0xf0 == 16 => Reach::Private,
        [100, second, ..] if second & 0xc0 == 64 => Reach::Private,
        [198, second, ..] if second & 0xfe == 18 => Reach::Private,
        // "This network", link-local with most metadata services, protocol assignments (Oracle's metadata among
        // them), the abandoned anycast of 6to4, multicast, reserved, broadcast.
        [0, ..] | [169, 254, ..] | [192, 0, 0, _] | [192, 88, 99, _] | [224..=255, ..] => Reach::Shut,
        _ => Reach::Public,
    }
}

fn reach_v6(address: Ipv6Addr) -> Reach {
    let segments = address.segments();
    let own = match segments {
        [0, 0, 0, 0, 0, 0, 0, 1] => Reach::Private,
        // IPv4-mapped: the system connects to the IPv4 address. No public AAAA record has a reason to hold one.
        [0, 0, 0, 0, 0, 0xffff, ..] => Reach::Private.max(embedded(segments[6], segments[7])),
        // NAT64 (RFC 6052 §2.1): with DNS64, the road from an IPv6-only network to public IPv4.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        // NAT64 within a network (RFC 8215).
        [0x64, 0xff9b, 1, ..] => Reach::Private.max(embedded(segments[6], segments[7])),
        // Teredo (RFC 4380 §4): the server, and the client with its bits flipped.
        [0x2001, 0, server_high, server_low, _, _, high, low] => {
            embedded(server_high, server_low).max(embedded(!high, !low))
        }
        // Benchmarks (RFC 5180), documentation (RFC 3849, RFC 9637).
        [0x2001, 2, 0, ..] | [0x2001, 0xdb8, ..] => Reach::Private,
        [0x3fff, second, ..] if second & 0xf000 == 0 => Reach::Private,
        // What is left of the protocol assignments (RFC 2928): ORCHID, anycast, nothing that serves the web or mail.
        [0x2001, 0..=0x1ff, ..] => Reach::Shut,
        // 6to4 (RFC 3056 §2).
        [0x2002, high, low, ..] => embedded(high, low),
        [0x2000..=0x3fff, ..] => Reach::Public,
        // Unique local (RFC 4193), site-local (RFC 3879).
        [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] => Reach::Private,
        // Unspecified, IPv4-compatible, discard-only, link-local, multicast, and all that is not assigned.
        _ => Reach::Shut,
    };
    // ISATAP (RFC 5214 §6.1) may stand under any prefix.
    match segments {
        [.., 0 | 0x200, 0x5efe, high, low] => own.max(embedded(high, low)),
        _ => own,
    }
}

fn embedded(high: u16, low: u16) -> Reach {
    let [[a, b], [c, d]] = [high.to_be_bytes(), low.to_be_bytes()];
    reach(IpAddr::V4(Ipv4Addr::new(a, b, c, d)))
}
