//! One packet in, one packet out: RFC 1034 §4.3.2 for a zone without delegations and wildcards.
//!
//! Pure but for the locks of what is kept. What is no question is refused as shortly as it can be; what is, gets the least
//! that answers it: small answers make a poor amplifier.

use hickory_proto::op::{Edns, Message, Metadata, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Record, RecordType};
use tlsward_engine::facts::UnixTime;

use super::content::Node;
use super::lookup::Answering;
use super::set::{Set, number};
use super::{Zone, name};

/// Largest answer over UDP: what passes every network in one piece (DNS flag day 2020).
pub const MAX_UDP: u16 = 1232;

/// Largest answer over UDP to whoever does not say what he takes (RFC 1035 §4.2.1).
const UDP_PLAIN: u16 = 512;

/// How a question came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// In a datagram: who asks may be somebody else.
    Udp,
    /// On a connection.
    Tcp,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The packet.
    pub packet: Vec<u8>,
    /// What it says, for the limit on equal answers and for counting.
    pub outcome: Outcome,
}

/// What an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// Records of a name, which the number stands for.
    Answer(u32),
    /// The name has no records of the type.
    NoData,
    /// There is no such name.
    NoName,
    /// Not for this server, or not in this way.
    Refused,
    /// It was no question that can be read.
    Malformed,
    /// It could not be made.
    Failed,
}

/// What there is to say about a question.
pub(super) struct Parts {
    pub(super) code: ResponseCode,
    pub(super) outcome: Outcome,
    pub(super) answers: Vec<Record>,
    pub(super) authorities: Vec<Record>,
}

impl Zone {
    /// The answer to a packet at `now`; `None`: nobody answers that.
    #[must_use]
    pub fn answer(&self, packet: &[u8], over: Over, now: UnixTime) -> Option<Reply> {
        let header = packet.first_chunk::<12>()?;
        // An answer to an answer would go on for ever.
        if header[2] & 0x80 != 0 {
            return None;
        }
        let opcode = (header[2] >> 3) & 15;
        if opcode != 0 {
            return Some(bare(header, ResponseCode::NotImp, Outcome::Refused));
        }
        if header[4..6] != [0, 1] {
            return Some(bare(header, ResponseCode::FormErr, Outcome::Malformed));
        }
        let Ok(request) = Message::from_vec(packet) else {
            return Some(bare(header, ResponseCode::FormErr, Outcome::Malformed));
        };
        let [query] = request.queries.as_slice() else {
            return Some(bare(header, ResponseCode::FormErr, Outcome::Malformed));
        };
        let edns = request.edns.as_ref();
        let signs = self.signer.is_some() && edns.is_some_and(|edns| edns.flags().dnssec_ok);
        let parts = if edns.is_some_and(|edns| edns.version() > 0) {
            // RFC 6891 §6.1.3.
            Parts::only(ResponseCode::BADVERS, Outcome::Refused)
        } else {
            self.parts(query, signs, now)
        };
        let mut message = Message::response(request.metadata.id, OpCode::Query);
        message.metadata = Metadata::response_from_request(&request.metadata);
        message.metadata.authoritative =
            matches!(parts.outcome, Outcome::Answer(_) | Outcome::NoData | Outcome::NoName);
        message.metadata.response_code = parts.code;
        message.add_query(query.clone());
        message.answers = parts.answers;
        message.authorities = parts.authorities;
        if let Some(edns) = edns {
            let mut ours = Edns::new();
            ours.set_max_payload(MAX_UDP).set_dnssec_ok(edns.flags().dnssec_ok);
            message.set_edns(ours);
        }
        let largest = match over {
            Over::Tcp => usize::from(u16::MAX),
            Over::Udp => {
                usize::from(edns.map_or(UDP_PLAIN, |edns| edns.max_payload().clamp(UDP_PLAIN, MAX_UDP)))
            }
        };
        let Some(packet) = message.to_vec().ok() else {
            return Some(bare(header, ResponseCode::ServFail, Outcome::Failed));
        };
        if packet.len() <= largest {
            return Some(Reply { packet, outcome: parts.outcome });
        }
        let packet = cut(&mut message)?;
        Some(Reply { packet, outcome: parts.outcome })
    }

    /// The answer cut down to "ask over TCP": as long as the question, or shorter.
    #[must_use]
    pub fn truncated(packet: &[u8]) -> Option<Vec<u8>> {
        let request = Message::from_vec(packet).ok()?;
        let mut message = Message::response(request.metadata.id, OpCode::Query);
        message.metadata = Metadata::response_from_request(&request.metadata);
        message.metadata.authoritative = true;
        message.queries = request.queries;
        if let Some(edns) = request.edns {
            let mut ours = Edns::new();
            ours.set_max_payload(MAX_UDP).set_dnssec_ok(edns.flags().dnssec_ok);
            message.set_edns(ours);
        }
        cut(&mut message).filter(|cut| cut.len() <= packet.len())
    }

    fn parts(&self, query: &Query, signs: bool, now: UnixTime) -> Parts {
        let refused = Parts::only(ResponseCode::Refused, Outcome::Refused);
        let wanted = u16::from(query.query_type());
        // RFC 5936, RFC 1995: transfers; RFC 6895 §3.1: the other types that stand for no record, but for ANY.
        let is_meta = query.query_type() == RecordType::OPT || (128..255).contains(&wanted);
        if query.query_class() != DNSClass::IN || is_meta {
            return refused;
        }
        let whole = name::of_query(query.name());
        let Some(relative) = name::before(&whole, &self.settings.apex) else { return refused };
        Answering::answer(self, query, relative, signs, now)
    }

    /// What is at a name: kept, configured and of the zone itself.
    pub(super) fn node(&self, relative: &[u8]) -> Node {
        let mut node = self.content.node(relative);
        let has = |kind: u16| node.sets.iter().any(|set| number(set.kind) == kind);
        let is_host =
            (has(1) || has(28)) && !self.settings.servers_inside.iter().any(|server| server == relative);
        if is_host && !has(257) && !self.settings.caa.is_empty() {
            let ttl = self.settings.ttl;
            let kind = tlsward_engine::ports::publish::RecordType::Caa;
            node.sets.push(Set { kind, ttl, data: self.settings.caa.clone() });
        }
        node
    }
}

/// Header and code alone.
fn bare(header: &[u8; 12], code: ResponseCode, outcome: Outcome) -> Reply {
    let mut packet = vec![0; 12];
    packet[..2].copy_from_slice(&header[..2]);
    // QR, and what was asked: opcode, RD.
    packet[2] = 0x80 | header[2] & 0x79;
    packet[3] = code.low();
    Reply { packet, outcome }
}

fn cut(message: &mut Message) -> Option<Vec<u8>> {
    message.metadata.truncation = true;
    message.answers.clear();
    message.authorities.clear();
    message.to_vec().ok()
}

impl Parts {
    pub(super) fn only(code: ResponseCode, outcome: Outcome) -> Self {
        Self { code, outcome, answers: Vec::new(), authorities: Vec::new() }
    }
}
