//! Signatures, made when they are asked for and kept for the next one (RFC 4034 §3).
//!
//! A kept signature is found by what it signs, so that nothing has to be thrown away when records change; it is made anew
//! long before it ends. What is kept is bounded: signatures of names that strangers invent are not kept at all.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use hickory_proto::dnssec::rdata::sig::SigInput;
use hickory_proto::dnssec::{Algorithm, TBS};
use hickory_proto::rr::rdata::NULL;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType, SerialNumber};
use hickory_proto::serialize::binary::{BinEncodable as _, BinEncoder, NameEncoding};
use sha2::{Digest as _, Sha256};
use tlsward_engine::facts::UnixTime;

use super::key::ZoneKey;

const HOUR: UnixTime = 3600;
const DAY: UnixTime = 24 * HOUR;

/// A signature is good since so long, for validators whose clock is slow.
const BEFORE: UnixTime = HOUR;
/// And for so long, and up to a day more: which of it follows from what is signed, so that they do not all end at once.
const AFTER: UnixTime = 8 * DAY;
/// With less than this to go it is made anew. TTLs are far shorter.
const LEFT: UnixTime = 4 * DAY;

const SHARDS: usize = 16;
/// Of each shard, in each of two generations: some 25 MB in all.
const KEPT: usize = 3000;

/// Whether a signature is worth keeping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// Of what is in the zone: there are only so many.
    Yes,
    /// Of what was asked for and is not there.
    No,
}

pub(super) struct Signer {
    pub(super) key: ZoneKey,
    kept: Vec<Mutex<Generations>>,
}

#[derive(Default)]
struct Generations {
    young: BTreeMap<[u8; 16], Kept>,
    old: BTreeMap<[u8; 16], Kept>,
}

#[derive(Clone)]
struct Kept {
    until: UnixTime,
    /// The RRSIG record's data.
    data: Box<[u8]>,
}

impl Signer {
    pub(super) fn new(key: ZoneKey) -> Self {
        Self { key, kept: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }

    /// The signature over records of one name, type and TTL.
    pub(super) fn sign(&self, apex: &Name, set: &[Record], now: UnixTime, keep: Keep) -> Option<Record> {
        let first = set.first()?;
        let id = identity(set)?;
        let record = |data: Vec<u8>| {
            let data = RData::Unknown { code: RecordType::RRSIG, rdata: NULL::with(data) };
            Record::from_rdata(first.name.clone(), first.ttl, data)
        };
        let kept = (keep == Keep::Yes).then(|| &self.kept[usize::from(id[0]) % SHARDS]);
        if let Some(kept) = kept.and_then(|kept| lock(kept).get(&id, now)) {
            return Some(record(kept.into_vec()));
        }
        let jitter = UnixTime::from(u16::from_be_bytes([id[1], id[2]])) * DAY / 65536;
        let (inception, expiration) = (now - BEFORE, now + AFTER + jitter);
        let input = SigInput {
            type_covered: first.record_type(),
            algorithm: Algorithm::ECDSAP256SHA256,
            num_labels: first.name.num_labels(),
            original_ttl: first.ttl,
            sig_expiration: SerialNumber::new(wire_time(expiration)),
            sig_inception: SerialNumber::new(wire_time(inception)),
            key_tag: self.key.tag,
            signer_name: apex.to_lowercase(),
        };
        let signed = TBS::from_input(&first.name, DNSClass::IN, &input, set.iter()).ok()?;
        let signature = self.key.sign(&signed)?;
        let mut data = Vec::with_capacity(128);
        let mut encoder = BinEncoder::new(&mut data);
        encoder.set_name_encoding(NameEncoding::UncompressedLowercase);
        input.emit(&mut encoder).ok()?;
        data.extend_from_slice(&signature);
        if let Some(kept) = kept {
            lock(kept).put(id, Kept { until: expiration - LEFT, data: data.clone().into_boxed_slice() });
        }
        Some(record(data))
    }

    /// How many are kept.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.kept.iter().map(|kept| lock(kept).young.len()).sum()
    }
}

impl Generations {
    fn get(&mut self, id: &[u8; 16], now: UnixTime) -> Option<Box<[u8]>> {
        let kept = match self.young.get(id) {
            Some(kept) => kept.clone(),
            None => {
                let kept = self.old.remove(id)?;
                self.put(*id, kept.clone());
                kept
            }
        };
        // A clock that was set back far must not leave signatures of a time to come in use.
        let is_good = kept.until - (AFTER - LEFT) - DAY <= now && now < kept.until;
        is_good.then_some(kept.data)
    }

    fn put(&mut self, id: [u8; 16], kept: Kept) {
        if self.young.len() >= KEPT {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(id, kept);
    }
}

/// What is signed, without the time of signing.
fn identity(set: &[Record]) -> Option<[u8; 16]> {
    let mut bytes = Vec::with_capacity(256);
    let mut encoder = BinEncoder::new(&mut bytes);
    encoder.set_canonical_form(true);
    encoder.set_name_encoding(NameEncoding::UncompressedLowercase);
    for record in set {
        record.emit(&mut encoder).ok()?;
    }
    Sha256::digest(&bytes).first_chunk().copied()
}

/// RFC 4034 §3.1.5: seconds since 1970, modulo 2^32.
fn wire_time(at: UnixTime) -> u32 {
    u32::try_from(at.rem_euclid(1 << 32)).unwrap_or_default()
}

fn lock(kept: &Mutex<Generations>) -> std::sync::MutexGuard<'_, Generations> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}
