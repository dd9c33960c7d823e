//! Who is connected: a bound for all together, and one for each source.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts connections. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Sources {
    counts: Arc<Mutex<Counts>>,
    total: usize,
    per_source: usize,
}

#[derive(Debug, Default)]
struct Counts {
    total: usize,
    by_source: BTreeMap<IpAddr, usize>,
}

/// One connection's place; given back when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    sources: Sources,
    source: IpAddr,
}

impl Sources {
    pub(super) fn new(total: usize, per_source: usize) -> Self {
        Self { counts: Arc::default(), total, per_source }
    }

    /// A place for a connection of `peer`, if there is one.
    pub(super) fn seat(&self, peer: IpAddr) -> Option<Seat> {
        let source = source_of(peer);
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let of_source = counts.by_source.get(&source).copied().unwrap_or(0);
        // A mail server on the same host brings everyone's mail: it is bounded by the total alone.
        if counts.total >= self.total || of_source >= self.per_source && !source.is_loopback() {
            return None;
        }
        counts.total += 1;
        counts.by_source.insert(source, of_source + 1);
        Some(Seat { sources: self.clone(), source })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut counts = self.sources.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.total = counts.total.saturating_sub(1);
        if let Some(count) = counts.by_source.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                counts.by_source.remove(&self.source);
            }
        }
    }
}

/// What counts as one source: an IPv4 address, also when mapped into IPv6; of IPv6 the network of 64 bits, because
/// any host has that many addresses for the asking.
fn source_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            IpAddr::V6((u128::from(address) & !u128::from(u64::MAX)).into())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_source_gets_no_more_than_its_share_and_all_no_more_than_the_total() {
        let sources = Sources::new(6, 2);
        let first = sources.seat(address("192.0.2.1")).unwrap();
        let _second = sources.seat(address("::ffff:192.0.2.1")).unwrap();
        assert!(sources.seat(address("192.0.2.1")).is_none());
        let _third = sources.seat(address("2001:db8::1")).unwrap();
        let _fourth = sources.seat(address("2001:db8::2")).unwrap();
        assert!(sources.seat(address("2001:db8::3")).is_none());
        let _other_network = sources.seat(address("2001:db8:0:1::1")).unwrap();
        drop(first);
        let _again = sources.seat(address("192.0.2.1")).unwrap();
        let _sixth = sources.seat(address("198.51.100.1")).unwrap();
        assert!(sources.seat(address("203.0.113.1")).is_none(), "the total");
    }

    #[test]
    fn loopback_is_bounded_by_the_total_alone() {
        let sources = Sources::new(4, 1);
        let seats: Vec<_> =
            ["127.0.0.1", "127.0.0.1", "::1", "::1"].map(|peer| sources.seat(address(peer))).into();
        assert!(seats.iter().all(Option::is_some));
        assert!(sources.seat(address("127.0.0.1")).is_none());
    }
}
