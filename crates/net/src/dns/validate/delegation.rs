//! Proofs by NSEC3 that a delegation is unsigned, where hickory (0.26) is too kind.
//!
//! For the absence of DS it takes any span with opt-out that the hash of the name falls into. Each name falls into
//! some span of every zone above it, so that with a span of `org` whatever is below the signed `example.org` could be
//! passed off as an unsigned zone. RFC 5155 §8.6 asks for more: the NSEC3 of the name itself, or a closest encloser
//! that exists in the zone of the span and is no zone cut, and the span around the name right below that encloser.
//!
//! Here the records are not validated yet, and what hickory finds badly signed it passes over. So it is shown no
//! record but the one that the proof hangs on; and the encloser is looked at first, by itself, unless it is the apex
//! of the zone that signed the span and so needs no proof.

use hickory_proto::dnssec::Nsec3HashAlgorithm;
use hickory_proto::dnssec::rdata::{DNSSECRData, NSEC3};
use hickory_proto::op::Message;
use hickory_proto::rr::{Name, RData, Record, RecordType};

use super::upstream::signature;
use crate::limits::dns as limits;

/// What the NSEC3s of an answer to a question for DS say, if they are validly signed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// Nothing that counts.
    Nothing,
    /// More than is read: so many iterations are judged by the validator, before it counts one.
    TooManyIterations,
    /// Something of the asked name itself.
    Own {
        /// The owner of its NSEC3.
        owner: Name,
    },
    /// That the asked name is, or is below, what may be a delegation.
    OptOut {
        /// The owner of the NSEC3 with the span.
        owner: Name,
        /// Only if this holds too.
        provided: Option<Encloser>,
    },
}

/// A name exists in the zone of the span and is no zone cut, as an NSEC3 of its own says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Encloser {
    /// The owner of that NSEC3.
    pub(super) owner: Name,
    parameters: Parameters,
}

/// RFC 5155 §8.2: they are the same in all NSEC3s of a proof.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Parameters {
    algorithm: Nsec3HashAlgorithm,
    salt: Vec<u8>,
    iterations: u16,
}

/// An NSEC3 of a zone above the asked name.
struct Hashed<'a> {
    owner: &'a Name,
    hash: Hash,
    zone: Name,
    nsec3: &'a NSEC3,
}

type Hash = [u8; 20];

/// Reads what is claimed of a name.
pub(super) fn claim(message: &Message, name: &Name) -> Claim {
    let mut hashed: Vec<Hashed<'_>> =
        message.authorities.iter().filter_map(|record| Hashed::read(record, name)).collect();
    // A proof takes three at most; the rest costs work only.
    hashed.truncate(limits::NSEC3_RECORDS);
    let Some(parameters) = hashed.first().map(|first| Parameters::of(first.nsec3)) else {
        return Claim::Nothing;
    };
    if hashed.iter().any(|one| one.nsec3.iterations() > limits::NSEC3_ITERATIONS) {
        return Claim::TooManyIterations;
    }
    hashed.retain(|one| Parameters::of(one.nsec3) == parameters);
    // RFC 5155 §8.6: the one of the name itself, whatever else comes along.
    let Some(hash) = parameters.hash(name) else { return Claim::Nothing };
    if let Some(own) = hashed.iter().find(|one| one.hash == hash) {
        return Claim::Own { owner: own.owner.clone() };
    }
    let mut next_closer = name.clone();
    let mut next_hash = hash;
    while !next_closer.is_root() {
        let encloser = next_closer.base_name();
        let Some(encloser_hash) = parameters.hash(&encloser) else { return Claim::Nothing };
        let spans =
            |one: &&Hashed<'_>| one.nsec3.opt_out() && one.zone.zone_of(&encloser) && one.covers(&next_hash);
        for span in hashed.iter().filter(spans) {
            let owner = span.owner.clone();
            if span.zone == encloser {
                return Claim::OptOut { owner, provided: None };
            }
            let is_encloser = |one: &&Hashed<'_>| one.hash == encloser_hash && one.zone == span.zone;
            if let Some(encloser) = hashed.iter().find(is_encloser) {
                let provided = Encloser { owner: encloser.owner.clone(), parameters };
                return Claim::OptOut { owner, provided: Some(provided) };
            }
        }
        (next_closer, next_hash) = (encloser, encloser_hash);
    }
    Claim::Nothing
}

/// Leaves no NSEC3 but those of one owner, or none.
pub(super) fn leave(message: &mut Message, owner: Option<&Name>) {
    message.authorities.retain(|record| !is_nsec3(record) || owner == Some(&record.name));
}

/// The NSEC3s of one owner, as an answer.
pub(super) fn as_answer(message: &Message, owner: &Name) -> Message {
    let mut answer = message.clone();
    let authorities = std::mem::take(&mut answer.authorities);
    let of_owner = |record: &Record| is_nsec3(record) && record.name == *owner;
    answer.answers = authorities.into_iter().filter(of_owner).collect();
    answer
}

impl Encloser {
    /// Whether validated records show it.
    pub(super) fn is_shown_by(&self, records: &[Record]) -> bool {
        records.iter().any(|record| match &record.data {
            RData::DNSSEC(DNSSECRData::NSEC3(nsec3)) => {
                // RFC 5155 §8.3: of a zone cut, or a DNAME, it says nothing of what is below.
                record.proof.is_secure()
                    && record.name == self.owner
                    && Parameters::of(nsec3) == self.parameters
                    && !nsec3.is_ancestor_delegation()
            }
            _ => false,
        })
    }
}

impl Parameters {
    fn of(nsec3: &NSEC3) -> Self {
        let (algorithm, salt) = (nsec3.hash_algorithm(), nsec3.salt().to_vec());
        Self { algorithm, salt, iterations: nsec3.iterations() }
    }

    fn hash(&self, name: &Name) -> Option<Hash> {
        self.algorithm.hash(&self.salt, name, self.iterations).ok()?.as_ref().try_into().ok()
    }
}

impl<'a> Hashed<'a> {
    fn read(record: &'a Record, name: &Name) -> Option<Self> {
        let RData::DNSSEC(DNSSECRData::NSEC3(nsec3)) = &record.data else { return None };
        let hash = hash_of(record.name.iter().next()?)?;
        let zone = record.name.base_name();
        // RFC 5155 §8.9: the parent's word, not that of the zone itself.
        let is_above = zone.zone_of(name) && zone != *name;
        is_above.then_some(Self { owner: &record.name, hash, zone, nsec3 })
    }

    fn covers(&self, hash: &Hash) -> bool {
        let next = self.nsec3.next_hashed_owner_name();
        let (behind, before) = (*hash > self.hash, hash.as_slice() < next);
        // RFC 5155 §3.1.7: the last one leads back to the first.
        if self.hash.as_slice() < next { behind && before } else { behind || before }
    }
}

fn is_nsec3(record: &Record) -> bool {
    let of = signature(record).map_or(record.record_type(), |signature| signature.input().type_covered);
    of == RecordType::NSEC3
}

/// A label as a hash: base32hex, in any case (RFC 5155 §3.3).
fn hash_of(label: &[u8]) -> Option<Hash> {
    if label.len() != 32 {
        return None;
    }
    let mut hash = [0; 20];
    for (letters, bytes) in label.chunks(8).zip(hash.chunks_mut(5)) {
        let mut bits = 0_u64;
        for letter in letters {
            bits = bits << 5 | u64::from(char::from(*letter).to_digit(32)?);
        }
        bytes.copy_from_slice(&bits.to_be_bytes()[3..]);
    }
    Some(hash)
}
