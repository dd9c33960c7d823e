//! The world as data: what names resolve to, what stands at which address, which certificates are shown, and who
//! is in the way. Nothing here does I/O; both transports read it, and a fault is an edit of it.

pub mod attack;
pub mod certificate;
pub mod domain;
pub mod machine;
pub mod names;
mod seen;
pub mod zone;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use tlsward_engine::ports::RecordKind;

pub use attack::{Attack, AttackKind, Scope};
pub use certificate::{CertificateSpec, Issuer};
pub use domain::{Domain, DomainPlan, Mode, MxHost, Policy, PolicyHost};
pub use machine::{
    Greeting, HttpsService, Machine, Page, Presented, Reach, ReportDesk, Site, SmtpService, StartTls,
    Versions,
};
pub use zone::{DnsTrouble, Node, RrSet, Signing, Zone};

use crate::pki::Pki;

pub use tlsward_engine::facts::UnixTime;

/// A day, in seconds.
pub const DAY: i64 = 86_400;

/// A small internet.
#[derive(Debug, Clone)]
pub struct World {
    /// What time it is when the world begins. Validity of certificates is relative to it.
    pub now: UnixTime,
    /// By apex, in lower case without a dot at the end; the root is the empty name.
    pub zones: BTreeMap<String, Zone>,
    /// Questions that go wrong: a name, and one type or all of them.
    pub dns_trouble: BTreeMap<(String, Option<RecordKind>), DnsTrouble>,
    /// How the resolver that clients ask treats DNSSEC.
    pub resolver: ResolverKind,
    /// What stands at which address. An address that is not here is one where nobody listens.
    pub machines: BTreeMap<IpAddr, Machine>,
    /// Which hosts, addresses and records belong to which domain.
    pub domains: BTreeMap<String, Domain>,
    /// Who is in the way, and when.
    pub attacks: Vec<Attack>,
    /// The authorities, and every certificate issued so far. Shared by clones.
    pub pki: Arc<Pki>,
    addresses: Addresses,
}

/// How the resolver treats DNSSEC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResolverKind {
    /// Validates: AD on what is secure, SERVFAIL on what is bogus (unless CD asks to see it), signatures passed on.
    Validating,
    /// Does not validate: never AD; signatures are passed on.
    PassingOn,
    /// Knows nothing of DNSSEC: no AD, no signatures, not even when asked.
    Stripping,
}

/// Where addresses come from.
#[derive(Debug, Clone, Copy)]
struct Addresses {
    next_v4: u32,
    next_v6: Option<u128>,
}

impl World {
    /// An empty world whose hosts live in 127.10.0.0/16 and up, so that real sockets can show it. There is no
    /// IPv6 in it, because a machine has but one such loopback address; see [`World::with_ipv6`].
    #[must_use]
    pub fn loopback(now: UnixTime) -> Self {
        Self::empty(now, Ipv4Addr::new(127, 10, 0, 0), None)
    }

    /// An empty world whose hosts have addresses from the blocks for benchmarks and documentation (198.18.0.0/15,
    /// 2001:db8::/32), both families, for the transport in memory.
    #[must_use]
    pub fn public(now: UnixTime) -> Self {
        let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, 0);
        Self::empty(now, Ipv4Addr::new(198, 18, 0, 0), Some(v6))
    }

    /// Hosts that are added from now on get an IPv6 address too, counted up from `first`. For real sockets the
    /// machine must own those addresses (`ip route add local PREFIX dev lo` in a network namespace).
    pub fn with_ipv6(&mut self, first: Ipv6Addr) {
        self.addresses.next_v6 = Some(u128::from(first));
    }

    fn empty(now: UnixTime, v4: Ipv4Addr, v6: Option<Ipv6Addr>) -> Self {
        let mut world = Self {
            now,
            zones: BTreeMap::new(),
            dns_trouble: BTreeMap::new(),
            resolver: ResolverKind::Validating,
            machines: BTreeMap::new(),
            domains: BTreeMap::new(),
            attacks: Vec::new(),
            pki: Arc::new(Pki::new()),
            addresses: Addresses { next_v4: u32::from(v4), next_v6: v6.map(u128::from) },
        };
        world.zones.insert(String::new(), Zone::new("", Signing::Signed));
        world
    }

    /// Begins a domain; [`DomainPlan::add`] puts it into the world.
    pub fn domain(&mut self, name: &str) -> DomainPlan<'_> {
        DomainPlan::new(self, name)
    }

    /// The zone that holds `name`: the longest apex that is a suffix of it.
    #[must_use]
    pub fn zone_of(&self, name: &str) -> (&str, &Zone) {
        let mut rest = name;
        loop {
            if let Some((apex, zone)) = self.zones.get_key_value(rest) {
                return (apex, zone);
            }
            match rest.split_once('.') {
                Some((_, parent)) => rest = parent,
                // `empty` puts the root in; a world without it is one in which nothing exists.
                None if rest.is_empty() => return ("", Zone::nothing()),
                None => rest = "",
            }
        }
    }

    /// Makes a zone with its apex `apex` if there is none, and signed zones above it.
    pub fn ensure_zone(&mut self, apex: &str, signing: Signing) {
        // Only the top level gets a zone of its own unasked.
        let top = apex.rsplit('.').next().unwrap_or(apex);
        self.add_zone(top, Signing::Signed);
        self.add_zone(apex, signing);
    }

    /// Adds a zone if there is none with this apex, and its delegation in the zone above. Names that the zone
    /// above has at or below the apex are hidden by it.
    fn add_zone(&mut self, apex: &str, signing: Signing) {
        if self.zones.contains_key(apex) {
            return;
        }
        let above = apex.split_once('.').map_or("", |(_, above)| above);
        let parent = self.zone_of(above).0.to_owned();
        if let Some(parent) = self.zones.get_mut(&parent) {
            parent.delegations.insert(names::key(apex));
        }
        self.zones.insert(apex.to_owned(), Zone::new(apex, signing));
    }

    /// The node of `name`, made if it is not there, in the zone that holds it.
    pub fn node(&mut self, name: &str) -> &mut Node {
        let (apex, _) = self.zone_of(name);
        let apex = apex.to_owned();
        let zone = self.zones.entry(apex.clone()).or_insert_with(|| Zone::new(&apex, Signing::Unsigned));
        zone.nodes.entry(names::key(name)).or_default()
    }

    /// Replaces the TXT records of `name`: each of `texts` is one record.
    pub fn set_txt(&mut self, name: &str, texts: &[&str]) {
        self.node(name).set_txt(texts);
    }

    /// The machine at `address`, made if it is not there.
    pub fn machine(&mut self, address: IpAddr) -> &mut Machine {
        self.machines.entry(address).or_default()
    }

    /// A fresh host: an address of each family the world has, in DNS under `host`. Nothing listens there yet.
    pub fn add_host(&mut self, host: &str, v4_count: usize) -> Vec<IpAddr> {
        let mut addresses = Vec::new();
        for _ in 0..v4_count {
            addresses.push(IpAddr::V4(self.next_v4()));
        }
        addresses.extend(self.next_v6().map(IpAddr::V6));
        self.set_addresses(host, &addresses);
        addresses
    }

    /// Replaces the addresses of `host` in DNS.
    pub fn set_addresses(&mut self, host: &str, addresses: &[IpAddr]) {
        self.node(host).set_addresses(addresses);
    }

    /// An unused IPv4 address.
    pub fn next_v4(&mut self) -> Ipv4Addr {
        loop {
            self.addresses.next_v4 += 1;
            // .0 and .255 look like networks and broadcasts to some tools.
            if !matches!(self.addresses.next_v4 & 0xff, 0 | 0xff) {
                return Ipv4Addr::from(self.addresses.next_v4);
            }
        }
    }

    /// An unused IPv6 address, if the world has that family.
    pub fn next_v6(&mut self) -> Option<Ipv6Addr> {
        let next = self.addresses.next_v6.as_mut()?;
        *next += 1;
        Some(Ipv6Addr::from(*next))
    }

    /// What goes wrong with this question, if anything.
    #[must_use]
    pub fn trouble(&self, name: &str, kind: RecordKind) -> Option<DnsTrouble> {
        let of = |kind| self.dns_trouble.get(&(name.to_owned(), kind)).copied();
        if self.dns_trouble.is_empty() { None } else { of(Some(kind)).or_else(|| of(None)) }
    }

    /// Lets questions for `name` go wrong: of one type, or of all.
    pub fn disturb(&mut self, name: &str, kind: Option<RecordKind>, trouble: DnsTrouble) {
        self.dns_trouble.insert((name.to_owned(), kind), trouble);
    }
}
