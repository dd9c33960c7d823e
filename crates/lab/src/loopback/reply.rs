//! A DNS answer as a packet: what [`resolve`](crate::resolve) says, with signatures and proofs of absence (RFC
//! 4035) where they are asked for.
//!
//! It answers as the resolver of its clients does: whole alias chains at once, AD where all is secure, SERVFAIL where
//! something is bogus unless CD asks to see it.

use hickory_proto::dnssec::rdata::{DNSSECRData, NSEC};
use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::rdata::{A, AAAA, CAA, CNAME, MX, NS, SOA, TLSA, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tlsward_engine::ports::{RecordData, RecordKind};

use super::dnssec::Signer;
use crate::resolve::{End, Resolution, Status};
use crate::world::{DnsTrouble, ResolverKind, UnixTime, World, Zone, names};

/// Largest answer over UDP to a client that does not say what it takes (RFC 1035 §2.3.4).
const UDP_PLAIN: u16 = 512;

/// Largest answer over UDP at all.
const UDP_MAX: u16 = 1232;

/// The answer to a packet; `None` where nobody answers. Over UDP it is cut where it does not fit.
pub(super) fn reply(
    world: &World,
    signer: &Signer,
    now: UnixTime,
    packet: &[u8],
    udp: bool,
) -> Option<Vec<u8>> {
    let request = Message::from_vec(packet).ok()?;
    if request.metadata.message_type != MessageType::Query {
        return None;
    }
    let [query] = request.queries.as_slice() else {
        let refused =
            Message::error_msg(request.metadata.id, request.metadata.op_code, ResponseCode::FormErr);
        return refused.to_vec().ok();
    };
    let edns = request.edns.as_ref();
    let asks = Asks {
        signatures: edns.is_some_and(|edns| edns.flags().dnssec_ok)
            && world.resolver != ResolverKind::Stripping,
        anything_dnssec: edns.is_some_and(|edns| edns.flags().dnssec_ok) || request.metadata.authentic_data,
        checking_disabled: request.metadata.checking_disabled,
    };
    let mut answer =
        Answerer { world, signer, now, asks, message: head(&request, query), worst: Status::Secure };
    if request.metadata.op_code != OpCode::Query {
        answer.message.metadata.response_code = ResponseCode::NotImp;
    } else if !answer.answer(query) {
        return None;
    }
    let limit = edns.map_or(UDP_PLAIN, |edns| edns.max_payload().clamp(UDP_PLAIN, UDP_MAX));
    let message = answer.finish(edns.is_some());
    let packet = message.to_vec().ok()?;
    if udp && packet.len() > usize::from(limit) {
        let mut cut = message.truncate();
        cut.metadata.truncation = true;
        cut.answers.clear();
        cut.authorities.clear();
        return cut.to_vec().ok();
    }
    Some(packet)
}

fn head(request: &Message, query: &Query) -> Message {
    let mut message = Message::response(request.metadata.id, request.metadata.op_code);
    message.metadata.recursion_desired = request.metadata.recursion_desired;
    message.metadata.recursion_available = true;
    message.metadata.checking_disabled = request.metadata.checking_disabled;
    message.add_query(query.clone());
    message
}

struct Asks {
    signatures: bool,
    anything_dnssec: bool,
    checking_disabled: bool,
}

struct Answerer<'a> {
    world: &'a World,
    signer: &'a Signer,
    now: UnixTime,
    asks: Asks,
    message: Message,
    worst: Status,
}

impl Answerer<'_> {
    /// False: stay silent.
    fn answer(&mut self, query: &Query) -> bool {
        let name = text_of(query.name());
        match kind_of(query.query_type()) {
            Some(kind) => {
                let resolution = self.world.resolve(&name, kind, self.now, None);
                self.resolution(&resolution)
            }
            None => self.other(&name, query.query_type()),
        }
    }

    fn resolution(&mut self, resolution: &Resolution) -> bool {
        for link in &resolution.aliases {
            let (Some(owner), Some(target)) = (wire_name(&link.owner), wire_name(&link.target)) else {
                continue;
            };
            let record = Record::from_rdata(owner, link.ttl, RData::CNAME(CNAME(target)));
            self.put_answer(&link.owner, vec![record], link.status);
        }
        match &resolution.end {
            End::Records { owner, status, ttl, records } => {
                let Some(name) = wire_name(owner) else { return true };
                let set = records.iter().filter_map(wire_data);
                let set = set.map(|data| Record::from_rdata(name.clone(), *ttl, data)).collect();
                self.put_answer(owner, set, *status);
            }
            End::Nothing { owner, name_exists, status, .. } => {
                let zone = self.world.zone_of(owner).0.to_owned();
                self.absence(&zone, owner, *name_exists, *status);
            }
            End::Trouble(DnsTrouble::Silent) => return false,
            End::Trouble(DnsTrouble::Refused) => self.fail(ResponseCode::Refused),
            End::Trouble(DnsTrouble::ServFail | DnsTrouble::Bogus) | End::Endless => {
                self.fail(ResponseCode::ServFail);
            }
        }
        true
    }

    /// Types that are not records of a name in the world's data: those of the zones themselves.
    fn other(&mut self, name: &str, asked: RecordType) -> bool {
        // The DS record of a zone is the parent's (RFC 4035 §2.4).
        let apex = match (asked, name.split_once('.')) {
            (RecordType::DS, _) if name.is_empty() => "",
            (RecordType::DS, above) => self.world.zone_of(above.map_or("", |(_, above)| above)).0,
            _ => self.world.zone_of(name).0,
        };
        let apex = apex.to_owned();
        // Which type is asked for changes nothing in the status of a zone.
        let status = self.world.status_of(&apex, name, RecordKind::Ns);
        let Some(zone) = self.world.zones.get(&apex) else {
            self.fail(ResponseCode::ServFail);
            return true;
        };
        if let Some(trouble) = self.world.dns_trouble.get(&(name.to_owned(), None)) {
            match trouble {
                DnsTrouble::Silent => return false,
                DnsTrouble::Refused => self.fail(ResponseCode::Refused),
                DnsTrouble::ServFail => self.fail(ResponseCode::ServFail),
                DnsTrouble::Bogus => {}
            }
            if *trouble != DnsTrouble::Bogus {
                return true;
            }
        }
        let Some(owner) = wire_name(name) else {
            self.fail(ResponseCode::FormErr);
            return true;
        };
        let ttl = zone.negative_ttl;
        let set = match asked {
            RecordType::SOA if name == apex => soa(&apex, zone),
            RecordType::DNSKEY if name == apex && zone.signing.has_signatures() => {
                Some(self.signer.dnskey(&owner, ttl))
            }
            RecordType::DS => {
                let child =
                    self.world.zones.get(name).filter(|child| !name.is_empty() && child.signing.has_ds());
                child.and_then(|_| self.signer.ds(&owner, ttl))
            }
            _ => None,
        };
        match set {
            Some(record) => self.put_signed(&apex, vec![record], status, Section::Answer),
            None => {
                let key = names::key(name);
                let exists = name == apex || exists(self.world, zone, &key) || has_below(zone, &key);
                self.absence(&apex, name, exists, status);
            }
        }
        true
    }

    fn put_answer(&mut self, owner: &str, set: Vec<Record>, status: Status) {
        let apex = self.world.zone_of(owner).0.to_owned();
        self.put_signed(&apex, set, status, Section::Answer);
    }

    fn put_signed(&mut self, apex: &str, set: Vec<Record>, status: Status, section: Section) {
        self.worst = self.worst.max(status);
        let signs =
            self.asks.signatures && self.world.zones.get(apex).is_some_and(|z| z.signing.has_signatures());
        let signature = signs
            .then(|| wire_name(apex).and_then(|apex| self.signer.sign(&set, &apex, status, self.now)))
            .flatten();
        let records = set.into_iter().chain(signature);
        match section {
            Section::Answer => self.message.add_answers(records),
            Section::Authority => self.message.add_authorities(records),
        };
    }

    /// The proof that `name` has no such records (RFC 4035 §3.1.3).
    fn absence(&mut self, apex: &str, name: &str, name_exists: bool, status: Status) {
        self.worst = self.worst.max(status);
        if !name_exists {
            self.message.metadata.response_code = ResponseCode::NXDomain;
        }
        let Some(zone) = self.world.zones.get(apex) else { return };
        if let Some(soa) = soa(apex, zone) {
            self.put_signed(apex, vec![soa], status, Section::Authority);
        }
        if !self.asks.signatures || !zone.signing.has_signatures() {
            return;
        }
        let key = names::key(name);
        let mut owners = vec![owner_covering(self.world, zone, apex, &key)];
        if !name_exists {
            // No wildcard either, below the closest name that exists.
            let mut encloser = key.as_str();
            while let Some((above, _)) = encloser.rsplit_once('\0') {
                encloser = above;
                if exists(self.world, zone, encloser) || has_below(zone, encloser) {
                    break;
                }
            }
            // The root has no key of its own before the labels.
            let encloser = if key.contains('\0') { encloser } else { "" };
            let wildcard = if encloser.is_empty() { "*".to_owned() } else { format!("{encloser}\0*") };
            let owner = owner_covering(self.world, zone, apex, &wildcard);
            if owners[0] != owner {
                owners.push(owner);
            }
        }
        for owner in owners {
            if let Some(nsec) = nsec(self.world, zone, apex, &owner) {
                self.put_signed(apex, vec![nsec], status, Section::Authority);
            }
        }
    }

    fn fail(&mut self, code: ResponseCode) {
        self.message.answers.clear();
        self.worst = Status::Insecure;
        self.message.metadata.response_code = code;
    }

    fn finish(mut self, with_edns: bool) -> Message {
        let mut why = None;
        if self.world.resolver == ResolverKind::Validating {
            if matches!(self.worst, Status::Bogus(_)) && !self.asks.checking_disabled {
                self.message.answers.clear();
                self.message.authorities.clear();
                self.message.metadata.response_code = ResponseCode::ServFail;
                // RFC 8914 §4.7: DNSSEC Bogus.
                why = Some(EdnsOption::Unknown(15, vec![0, 6]));
            }
            self.message.metadata.authentic_data = self.worst == Status::Secure && self.asks.anything_dnssec;
        }
        if with_edns {
            let mut edns = Edns::new();
            edns.set_max_payload(UDP_MAX).set_dnssec_ok(self.asks.signatures);
            if let Some(why) = why {
                edns.options_mut().insert(why);
            }
            self.message.set_edns(edns);
        }
        self.message
    }
}

#[derive(Clone, Copy)]
enum Section {
    Answer,
    Authority,
}

fn kind_of(asked: RecordType) -> Option<RecordKind> {
    Some(match asked {
        RecordType::A => RecordKind::A,
        RecordType::AAAA => RecordKind::Aaaa,
        RecordType::MX => RecordKind::Mx,
        RecordType::NS => RecordKind::Ns,
        RecordType::TXT => RecordKind::Txt,
        RecordType::TLSA => RecordKind::Tlsa,
        RecordType::CAA => RecordKind::Caa,
        _ => return None,
    })
}

fn type_of(kind: RecordKind) -> RecordType {
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

fn text_of(name: &Name) -> String {
    let text = name.to_ascii().to_ascii_lowercase();
    text.strip_suffix('.').unwrap_or(&text).to_owned()
}

fn wire_name(name: &str) -> Option<Name> {
    Name::from_ascii(format!("{name}.")).ok()
}

fn wire_data(data: &RecordData) -> Option<RData> {
    Some(match data {
        RecordData::A(address) => RData::A(A(*address)),
        RecordData::Aaaa(address) => RData::AAAA(AAAA(*address)),
        RecordData::Mx { preference, exchange } => RData::MX(MX::new(*preference, wire_name(exchange)?)),
        RecordData::Ns(server) => RData::NS(NS(wire_name(server)?)),
        RecordData::Txt(strings) => RData::TXT(TXT::from_bytes(strings.iter().map(Vec::as_slice).collect())),
        RecordData::Tlsa { usage, selector, matching, data } => {
            RData::TLSA(TLSA::new((*usage).into(), (*selector).into(), (*matching).into(), data.clone()))
        }
        RecordData::Caa { flags, tag, value } => {
            let mut caa = CAA::new_issue(flags & 0x80 != 0, None, Vec::new());
            caa.reserved_flags = flags & 0x7f;
            caa.tag.clone_from(tag);
            caa.value.clone_from(value);
            RData::CAA(caa)
        }
    })
}

fn soa(apex: &str, zone: &Zone) -> Option<Record> {
    let server = wire_name(&format!("ns.{apex}")).or_else(|| wire_name("ns"))?;
    let person = wire_name(&format!("hostmaster.{apex}")).or_else(|| wire_name("hostmaster"))?;
    let data = SOA::new(server, person, 1, 3600, 600, 86_400, zone.negative_ttl);
    Some(Record::from_rdata(wire_name(apex)?, zone.negative_ttl, RData::SOA(data)))
}

/// Whether the zone has records at this name, or another zone begins there.
fn exists(world: &World, zone: &Zone, key: &str) -> bool {
    zone.nodes.get(key).is_some_and(|node| node.alias.is_some() || !node.sets.is_empty())
        || (zone.delegations.contains(key) && world.zones.contains_key(&names::name(key)))
}

/// Whether the zone has a name below this one.
fn has_below(zone: &Zone, key: &str) -> bool {
    if key.is_empty() {
        return true;
    }
    let below = format!("{key}\0");
    let first = zone.nodes.range(below.clone()..).next().map(|(key, _)| key);
    let delegation = zone.delegations.range(below.clone()..).next();
    first.into_iter().chain(delegation).any(|next| next.starts_with(&below))
}

/// The last name that exists and is not after this one: the owner of the NSEC record that covers it.
fn owner_covering(world: &World, zone: &Zone, apex: &str, key: &str) -> String {
    let of_nodes = zone.nodes.range(..=key.to_owned()).rev().map(|(key, _)| key);
    let of_nodes = of_nodes.into_iter().find(|key| exists(world, zone, key));
    let of_delegations = zone.delegations.range(..=key.to_owned()).rev().find(|key| exists(world, zone, key));
    of_nodes.max(of_delegations).cloned().unwrap_or_else(|| names::key(apex))
}

/// The NSEC record of a name (RFC 4034 §4): the next name, and which types there are.
fn nsec(world: &World, zone: &Zone, apex: &str, owner: &str) -> Option<Record> {
    use std::ops::Bound::{Excluded, Unbounded};
    let after = || (Excluded(owner.to_owned()), Unbounded);
    let node = zone.nodes.range(after()).map(|(key, _)| key).find(|key| exists(world, zone, key));
    let delegation = zone.delegations.range(after()).find(|key| exists(world, zone, key));
    let next = match (node, delegation) {
        (Some(node), Some(delegation)) => node.min(delegation).clone(),
        (Some(next), None) | (None, Some(next)) => next.clone(),
        (None, None) => names::key(apex),
    };
    let name = names::name(owner);
    let mut types = Vec::new();
    if name != apex && zone.delegations.contains(owner) {
        types.push(RecordType::NS);
        if world.zones.get(&name).is_some_and(|child| child.signing.has_ds()) {
            types.push(RecordType::DS);
        }
    } else if let Some(node) = zone.nodes.get(owner) {
        types.extend(node.sets.keys().map(|kind| type_of(*kind)));
        types.extend(node.alias.as_ref().map(|_| RecordType::CNAME));
    }
    if name == apex {
        types.extend([RecordType::SOA, RecordType::DNSKEY]);
    }
    let data = NSEC::new_cover_self(wire_name(&names::name(&next))?, types);
    Some(Record::from_rdata(wire_name(&name)?, zone.negative_ttl, RData::DNSSEC(DNSSECRData::NSEC(data))))
}
