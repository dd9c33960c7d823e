//! From a name along its aliases to its records, message after message.
//!
//! A resolver gives the whole chain in one answer, or the beginning of it; then the rest is asked for. Bounded in
//! links ([`limits::ALIASES`]), and a chain that comes back to a name ends it. Only records whose owner is the name
//! at hand count: what else stands in a message is nobody's answer.
//! What can fail: the chain is too long, or goes round.

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use tlsward_engine::ports::{DnsFailure, RecordData, RecordKind};

use super::name;
use crate::limits::dns as limits;

/// A way through aliases.
pub(super) struct Chain {
    /// The names after the first.
    passed: Vec<Name>,
    /// The name at hand.
    current: Name,
    /// The smallest TTL so far.
    ttl: u32,
}

/// Where a message led.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// To records.
    Found {
        /// In the order of the packet.
        records: Vec<RecordData>,
        /// The smallest of the chain.
        ttl: u32,
    },
    /// To nothing.
    Absent {
        /// NODATA and not NXDOMAIN.
        name_exists: bool,
        /// RFC 2308 §5.
        ttl: u32,
    },
    /// To a name that the message says nothing of.
    Further,
}

impl Chain {
    pub(super) fn new(name: Name) -> Self {
        Self { passed: Vec::new(), current: name, ttl: u32::MAX }
    }

    /// The name at hand.
    pub(super) fn current(&self) -> &Name {
        &self.current
    }

    /// Whether the name at hand is still the one that was asked for.
    pub(super) fn is_at_start(&self) -> bool {
        self.passed.is_empty()
    }

    /// See `Answer::aliases`.
    pub(super) fn aliases(&self) -> Vec<String> {
        self.passed.iter().map(name::write).collect()
    }

    /// Goes as far as a message leads.
    pub(super) fn follow(&mut self, message: &Message, kind: RecordKind) -> Result<Step, DnsFailure> {
        let mut moved = false;
        loop {
            let (records, ttl) = records_at(&self.current, &message.answers, kind);
            if !records.is_empty() {
                return Ok(Step::Found { records, ttl: self.ttl.min(ttl) });
            }
            let Some((target, ttl)) = alias_at(&self.current, &message.answers) else { break };
            self.pass(target, ttl)?;
            moved = true;
        }
        let name_exists = message.metadata.response_code != ResponseCode::NXDomain;
        let negative_ttl = negative_ttl(message, &self.current);
        // Of a partial chain nothing follows for its end. RFC 6604 §3: an NXDOMAIN is about the end of the chain.
        if moved && name_exists && negative_ttl.is_none() {
            return Ok(Step::Further);
        }
        // RFC 2308 §5: without a SOA it is not to be remembered.
        Ok(Step::Absent { name_exists, ttl: self.ttl.min(negative_ttl.unwrap_or(0)) })
    }

    /// Goes over one link.
    pub(super) fn pass(&mut self, target: Name, ttl: u32) -> Result<(), DnsFailure> {
        if self.passed.len() == limits::ALIASES {
            return Err(DnsFailure::Malformed(format!("more than {} aliases in a row", limits::ALIASES)));
        }
        self.ttl = self.ttl.min(ttl);
        let left = std::mem::replace(&mut self.current, target);
        let round = left == self.current || self.passed.contains(&self.current);
        self.passed.push(self.current.clone());
        if round {
            let text = format!("the aliases go round at {}", name::write(&self.current));
            return Err(DnsFailure::Malformed(text));
        }
        Ok(())
    }
}

/// The asked type as hickory calls it.
pub(super) fn record_type(kind: RecordKind) -> RecordType {
    match kind {
        RecordKind::A => RecordType::A,
        RecordKind::Aaaa => RecordType::AAAA,
        RecordKind::Mx => RecordType::MX,
        RecordKind::Ns => RecordType::NS,
        RecordKind::Txt => RecordType::TXT,
        RecordKind::Tlsa => RecordType::TLSA,
        RecordKind::Caa => RecordType::CAA,
    }
}

fn is_at(record: &Record, owner: &Name) -> bool {
    record.dns_class == DNSClass::IN && record.name == *owner
}

/// The records of a name, and their smallest TTL.
fn records_at(owner: &Name, answers: &[Record], kind: RecordKind) -> (Vec<RecordData>, u32) {
    let mut records = Vec::new();
    let mut ttl = u32::MAX;
    for record in answers.iter().filter(|record| is_at(record, owner)) {
        if let Some(data) = record_data(&record.data).filter(|data| data.kind() == kind) {
            ttl = ttl.min(sane_ttl(record.ttl));
            records.push(data);
        }
    }
    (records, ttl)
}

/// Where a name is an alias to.
fn alias_at(owner: &Name, answers: &[Record]) -> Option<(Name, u32)> {
    answers.iter().filter(|record| is_at(record, owner)).find_map(|record| match &record.data {
        RData::CNAME(target) => Some((target.0.clone(), sane_ttl(record.ttl))),
        _ => None,
    })
}

/// RFC 2308 §5: the smaller of the SOA's TTL and its MINIMUM. The SOA must be of a zone that the name is in.
fn negative_ttl(message: &Message, current: &Name) -> Option<u32> {
    message.authorities.iter().find_map(|record| match &record.data {
        RData::SOA(soa) if record.name.zone_of(current) => {
            Some(sane_ttl(record.ttl).min(sane_ttl(soa.minimum)))
        }
        _ => None,
    })
}

/// RFC 2181 §8: a TTL with the high bit is none.
fn sane_ttl(ttl: u32) -> u32 {
    if ttl > i32::MAX.unsigned_abs() { 0 } else { ttl }
}

/// `None` for types that are not asked for, and for records without data.
fn record_data(data: &RData) -> Option<RecordData> {
    Some(match data {
        RData::A(address) => RecordData::A(address.0),
        RData::AAAA(address) => RecordData::Aaaa(address.0),
        RData::MX(mx) => RecordData::Mx { preference: mx.preference, exchange: name::write(&mx.exchange) },
        RData::NS(host) => RecordData::Ns(name::write(&host.0)),
        RData::TXT(txt) => RecordData::Txt(txt.txt_data.iter().map(|string| string.to_vec()).collect()),
        RData::TLSA(tlsa) => RecordData::Tlsa {
            usage: tlsa.cert_usage.into(),
            selector: tlsa.selector.into(),
            matching: tlsa.matching.into(),
            data: tlsa.cert_data.clone(),
        },
        RData::CAA(caa) => {
            RecordData::Caa { flags: caa.flags(), tag: caa.tag.clone(), value: caa.value.clone() }
        }
        _ => return None,
    })
}

/// The type of a record's data.
trait Kind {
    fn kind(&self) -> RecordKind;
}

impl Kind for RecordData {
    fn kind(&self) -> RecordKind {
        match self {
            Self::A(_) => RecordKind::A,
            Self::Aaaa(_) => RecordKind::Aaaa,
            Self::Mx { .. } => RecordKind::Mx,
            Self::Ns(_) => RecordKind::Ns,
            Self::Txt(_) => RecordKind::Txt,
            Self::Tlsa { .. } => RecordKind::Tlsa,
            Self::Caa { .. } => RecordKind::Caa,
        }
    }
}
