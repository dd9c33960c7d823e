//! Zones: names with their records, signed or not, and what can go wrong when they are asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::LazyLock;

use tlsward_engine::ports::{RecordData, RecordKind};

use super::names;

/// One zone.
#[derive(Debug, Clone)]
pub struct Zone {
    /// Whether it is signed, and whether the zone above says so.
    pub signing: Signing,
    /// By [`names::key`] of the full name. A name that is here and has no records is an empty non-terminal.
    pub nodes: BTreeMap<String, Node>,
    /// Where other zones begin, by [`names::key`] of their apex. One that is not in the world any more is not there.
    pub delegations: BTreeSet<String>,
    /// For how long the absence of a record may be remembered, in seconds.
    pub negative_ttl: u32,
}

/// How a zone is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signing {
    /// Signed, and the zone above has its DS record.
    Signed,
    /// Not signed, and the zone above proves it.
    Unsigned,
    /// Signed, but the zone above has no DS record: an island that validators take for unsigned.
    Island,
    /// The zone above has a DS record, and every signature in this zone is forged.
    Bogus,
    /// The zone above has a DS record, and the signatures ran out a day before the world began.
    Expired,
}

impl Signing {
    /// Whether the zone above has a DS record.
    #[must_use]
    pub fn has_ds(self) -> bool {
        matches!(self, Self::Signed | Self::Bogus | Self::Expired)
    }

    /// Whether answers come with signatures.
    #[must_use]
    pub fn has_signatures(self) -> bool {
        self != Self::Unsigned
    }
}

/// A name.
#[derive(Debug, Clone, Default)]
pub struct Node {
    /// It is another name for this one (CNAME); then it has no records of its own.
    pub alias: Option<String>,
    /// Its records.
    pub sets: BTreeMap<RecordKind, RrSet>,
}

/// The records of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RrSet {
    /// In seconds.
    pub ttl: u32,
    /// In the order they are sent.
    pub records: Vec<RecordData>,
}

/// What comes of a question instead of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DnsTrouble {
    /// SERVFAIL.
    ServFail,
    /// REFUSED.
    Refused,
    /// Nobody answers.
    Silent,
    /// The answer comes, and its signature is forged. In a zone that is not signed there is nothing to forge.
    Bogus,
}

const TTL: u32 = 300;

impl Zone {
    /// A zone with its name server, and nothing else.
    #[must_use]
    pub fn new(apex: &str, signing: Signing) -> Self {
        let mut zone =
            Self { signing, nodes: BTreeMap::new(), delegations: BTreeSet::new(), negative_ttl: TTL };
        let server = if apex.is_empty() { "ns.root-servers.test".to_owned() } else { format!("ns.{apex}") };
        let apex = zone.nodes.entry(names::key(apex)).or_default();
        apex.set(RecordKind::Ns, vec![RecordData::Ns(server)]);
        zone
    }

    pub(super) fn nothing() -> &'static Self {
        static NOTHING: LazyLock<Zone> = LazyLock::new(|| Zone {
            signing: Signing::Unsigned,
            nodes: BTreeMap::new(),
            delegations: BTreeSet::new(),
            negative_ttl: TTL,
        });
        &NOTHING
    }
}

impl Node {
    /// Replaces the records of one type; none takes them away.
    pub fn set(&mut self, kind: RecordKind, records: Vec<RecordData>) {
        if records.is_empty() {
            self.sets.remove(&kind);
        } else {
            self.sets.insert(kind, RrSet { ttl: TTL, records });
        }
    }

    /// Replaces the TXT records, each of one string (or of several, where it is longer than 255 bytes).
    pub fn set_txt(&mut self, texts: &[&str]) {
        let record = |text: &&str| RecordData::Txt(text.as_bytes().chunks(255).map(<[u8]>::to_vec).collect());
        self.set(RecordKind::Txt, texts.iter().map(record).collect());
    }

    /// Replaces the addresses.
    pub fn set_addresses(&mut self, addresses: &[IpAddr]) {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for address in addresses {
            match address {
                IpAddr::V4(address) => v4.push(RecordData::A(*address)),
                IpAddr::V6(address) => v6.push(RecordData::Aaaa(*address)),
            }
        }
        self.set(RecordKind::A, v4);
        self.set(RecordKind::Aaaa, v6);
    }

    /// Replaces the MX records.
    pub fn set_mx(&mut self, hosts: &[(u16, &str)]) {
        let record = |(preference, host): &(u16, &str)| RecordData::Mx {
            preference: *preference,
            exchange: (*host).to_owned(),
        };
        self.set(RecordKind::Mx, hosts.iter().map(record).collect());
    }
}
