//! What there is to say about a name and a type, with signatures and proofs of absence where they are asked for (RFC
//! 4035 §3.1).

use hickory_proto::dnssec::rdata::{DNSSECRData, NSEC};
use hickory_proto::op::{Query, ResponseCode};
use hickory_proto::rr::rdata::{NULL, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tlsward_engine::facts::UnixTime;

use super::answer::{Outcome, Parts};
use super::content::Node;
use super::set::number;
use super::sign::{Keep, Signer};
use super::{Zone, denial, name};

/// So many aliases are followed inside the zone.
const MAX_ALIASES: usize = 8;

pub(super) struct Answering<'a> {
    zone: &'a Zone,
    /// Signatures are asked for, and there is a key.
    signs: bool,
    now: UnixTime,
    /// The zone's name, spelt as it was asked for: then it is compressed in the packet.
    apex: Name,
    parts: Parts,
}

/// A name on the way to the answer.
struct Here {
    /// As it was asked for, or as the alias spells it.
    owner: Name,
    relative: Vec<u8>,
    node: Node,
}

impl<'a> Answering<'a> {
    /// Answers a question about a name in the zone, `relative` to it and in lower case.
    pub(super) fn answer(
        zone: &'a Zone,
        query: &Query,
        relative: &[u8],
        signs: bool,
        now: UnixTime,
    ) -> Parts {
        let apex = query.name().trim_to(usize::from(zone.settings.apex_name.num_labels()));
        let parts = Parts::only(ResponseCode::NoError, Outcome::Failed);
        let mut answering = Self { zone, signs, now, apex, parts };
        answering.follow(query, relative);
        answering.parts
    }

    fn follow(&mut self, query: &Query, relative: &[u8]) {
        let mut owner = query.name().clone();
        let mut relative = relative.to_vec();
        let mut seen = Vec::new();
        while seen.len() < MAX_ALIASES && !seen.contains(&relative) {
            seen.push(relative.clone());
            let node = self.zone.node(&relative);
            let here = Here { owner, relative, node };
            if self.records(&here, query.query_type()) {
                return;
            }
            let Some(target) = self.alias(&here) else { return self.absence(&here) };
            let inside = name::before(&target, &self.zone.settings.apex);
            let (Some(inside), Some(name)) = (inside, name::of_wire(&target)) else { return };
            (owner, relative) = (name, inside.to_vec());
        }
    }

    /// Puts the records that are asked for, if there are any.
    fn records(&mut self, here: &Here, asked: RecordType) -> bool {
        let set = match asked {
            // RFC 8482 §4.1: one set of those that there are.
            RecordType::ANY => self.kinds(here).into_iter().find_map(|kind| self.set(here, kind)),
            // There is no signature without records; those of one set are enough to be told that there are some.
            RecordType::RRSIG => {
                let kinds = self.kinds(here).into_iter().chain([RecordType::NSEC]);
                let set = kinds.into_iter().find_map(|kind| self.set(here, kind));
                let signature = set.and_then(|set| self.signature(&set, Keep::Yes));
                if let Some(signature) = signature {
                    self.put(here, asked, vec![signature]);
                    return true;
                }
                None
            }
            kind => self.set(here, kind),
        };
        let Some(mut set) = set else { return false };
        let kind = set.first().map_or(asked, Record::record_type);
        if self.signs {
            set.extend(self.signature(&set, Keep::Yes));
        }
        self.put(here, kind, set);
        true
    }

    /// Puts the alias that is there, and says to what; the name is not asked for itself.
    fn alias(&mut self, here: &Here) -> Option<Vec<u8>> {
        let mut set = self.set(here, RecordType::CNAME)?;
        let target = match set.first().map(|record| &record.data) {
            // In wire form, with the root at its end.
            Some(RData::Unknown { rdata, .. }) => rdata.anything.strip_suffix(&[0])?.to_vec(),
            _ => return None,
        };
        if self.signs {
            set.extend(self.signature(&set, Keep::Yes));
        }
        self.put(here, RecordType::CNAME, set);
        Some(target)
    }

    fn put(&mut self, here: &Here, kind: RecordType, records: Vec<Record>) {
        let start = 0x811c_9dc5_u32 ^ u32::from(u16::from(kind));
        let hash = here
            .relative
            .iter()
            .fold(start, |hash, octet| (hash ^ u32::from(*octet)).wrapping_mul(0x0100_0193));
        self.parts.outcome = Outcome::Answer(hash);
        self.parts.answers.extend(records);
    }

    /// Nothing of the kind (RFC 2308 §2), with the proof of it.
    fn absence(&mut self, here: &Here) {
        let exists = here.node.exists;
        if !exists {
            // RFC 6604 §3: of the last name, also behind aliases.
            self.parts.code = ResponseCode::NXDomain;
        }
        self.parts.outcome = if exists { Outcome::NoData } else { Outcome::NoName };
        let soa = vec![self.soa(self.negative_ttl())];
        self.put_proof(soa, Keep::Yes);
        if !self.signs {
            return;
        }
        if exists {
            let nsec = self.nsec(here);
            self.put_proof(nsec.into_iter().collect(), Keep::Yes);
        } else {
            self.no_name(here);
        }
    }

    /// RFC 4035 §3.1.3.2: neither the name nor a wildcard in its place.
    fn no_name(&mut self, here: &Here) {
        // From the top: if a name is missing, so is all below it.
        let mut names: Vec<&[u8]> = name::upwards(&here.relative).collect();
        names.reverse();
        let Some(at) = names.iter().position(|name| !self.zone.node(name).exists) else { return };
        let encloser = names[at.saturating_sub(1)];
        let apex = &self.zone.settings.apex;
        let missing = [names[at], apex].concat();
        let wildcard = [b"\x01*", encloser, apex].concat();
        let is_wildcard = missing == wildcard;
        for (name, keep) in
            [(missing, Keep::No), (wildcard, Keep::Yes)].into_iter().take(2 - usize::from(is_wildcard))
        {
            let Some((owner, next)) = denial::around(&name, apex) else { continue };
            let (Some(next), Some(owner_name)) = (name::of_wire(&next), name::of_wire(&owner)) else {
                continue;
            };
            let mut kinds = Vec::new();
            if let Some(relative) = name::before(&owner, apex).filter(|relative| *relative == encloser) {
                let node = self.zone.node(relative);
                kinds = self.kinds(&Here { owner: owner_name.clone(), relative: relative.to_vec(), node });
            }
            let data = RData::DNSSEC(DNSSECRData::NSEC(NSEC::new_cover_self(next, kinds)));
            let nsec = Record::from_rdata(owner_name, self.negative_ttl(), data);
            self.put_proof(vec![nsec], keep);
        }
    }

    fn put_proof(&mut self, set: Vec<Record>, keep: Keep) {
        let signature = self.signs.then(|| self.signature(&set, keep)).flatten();
        self.parts.authorities.extend(set.into_iter().chain(signature));
    }

    fn signature(&self, set: &[Record], keep: Keep) -> Option<Record> {
        let signer = self.zone.signer.as_ref()?;
        signer.sign(&self.zone.settings.apex_name, set, self.now, keep)
    }

    /// The records of a type; those of the zone itself among them.
    fn set(&self, here: &Here, kind: RecordType) -> Option<Vec<Record>> {
        let settings = &self.zone.settings;
        let raw = |ttl: u32, data: &[Vec<u8>]| {
            let record = |data: &Vec<u8>| {
                let data = RData::Unknown { code: kind, rdata: NULL::with(data.clone()) };
                Record::from_rdata(here.owner.clone(), ttl, data)
            };
            data.iter().map(record).collect::<Vec<_>>()
        };
        if let Some(set) = here.node.sets.iter().find(|set| number(set.kind) == u16::from(kind)) {
            return Some(raw(set.ttl, &set.data));
        }
        let signer: Option<&Signer> = self.zone.signer.as_ref();
        if kind == RecordType::NSEC {
            return signer.and_then(|_| self.nsec(here)).map(|nsec| vec![nsec]);
        }
        if !here.relative.is_empty() {
            return None;
        }
        let data = match kind {
            RecordType::NS => return Some(raw(settings.ttl, &settings.servers)),
            RecordType::SOA => return Some(vec![self.soa(settings.ttl)]),
            RecordType::DNSKEY => RData::DNSSEC(DNSSECRData::DNSKEY(signer?.key.dnskey.clone())),
            RecordType::CDS => signer?.key.cds(&settings.apex_name)?,
            RecordType::CDNSKEY => signer?.key.cdnskey(),
            _ => return None,
        };
        Some(vec![Record::from_rdata(here.owner.clone(), settings.ttl, data)])
    }

    /// The types that there are at a name, but NSEC and RRSIG.
    fn kinds(&self, here: &Here) -> Vec<RecordType> {
        let mut kinds: Vec<_> = here.node.sets.iter().map(|set| RecordType::from(number(set.kind))).collect();
        if here.relative.is_empty() {
            kinds.extend([RecordType::SOA, RecordType::NS]);
            if self.zone.signer.is_some() {
                kinds.extend([RecordType::DNSKEY, RecordType::CDS, RecordType::CDNSKEY]);
            }
        }
        kinds
    }

    /// The NSEC record at a name that exists.
    fn nsec(&self, here: &Here) -> Option<Record> {
        if !here.node.exists {
            return None;
        }
        let whole = [here.relative.as_slice(), &self.zone.settings.apex].concat();
        let next = name::of_wire(&denial::first_below(&whole))?;
        let data = RData::DNSSEC(DNSSECRData::NSEC(NSEC::new_cover_self(next, self.kinds(here))));
        Some(Record::from_rdata(here.owner.clone(), self.negative_ttl(), data))
    }

    fn soa(&self, ttl: u32) -> Record {
        let settings = &self.zone.settings;
        let (server, contact) = (settings.first_server.clone(), settings.contact.clone());
        // Nobody transfers the zone: refresh, retry and expiry are for the eyes.
        let data =
            SOA::new(server, contact, self.zone.serial(), 7200, 3600, 1_209_600, settings.negative_ttl);
        Record::from_rdata(self.apex.clone(), ttl, RData::SOA(data))
    }

    /// RFC 2308 §5, RFC 9077: the same for the proof.
    fn negative_ttl(&self) -> u32 {
        self.zone.settings.negative_ttl.min(self.zone.settings.ttl)
    }
}
