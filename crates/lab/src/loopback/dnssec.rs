//! Signatures, made when they are asked for: one key signs every zone, so that any number of them costs nothing.

use hickory_proto::dnssec::crypto::EcdsaSigningKey;
use hickory_proto::dnssec::rdata::rrsig::RRSIG;
use hickory_proto::dnssec::rdata::sig::SigInput;
use hickory_proto::dnssec::rdata::{DNSKEY, DNSSECRData, DS};
use hickory_proto::dnssec::{Algorithm, DigestType, SigningKey, TBS};
use hickory_proto::rr::{DNSClass, Name, RData, Record, SerialNumber};

use crate::resolve::{Flaw, Status};
use crate::world::{DAY, UnixTime};

/// The key of all zones.
pub(super) struct Signer {
    key: EcdsaSigningKey,
    dnskey: DNSKEY,
    tag: u16,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("tag", &self.tag).finish_non_exhaustive()
    }
}

impl Signer {
    pub(super) fn new() -> Result<Self, String> {
        let make = || {
            let der =
                EcdsaSigningKey::generate_pkcs8(Algorithm::ECDSAP256SHA256).map_err(|e| e.to_string())?;
            let key =
                EcdsaSigningKey::from_pkcs8(&der, Algorithm::ECDSAP256SHA256).map_err(|e| e.to_string())?;
            let dnskey = DNSKEY::from_key(&key.to_public_key().map_err(|e| e.to_string())?);
            let tag = dnskey.calculate_key_tag().map_err(|e| e.to_string())?;
            Ok(Self { key, dnskey, tag })
        };
        make()
    }

    /// The root's key, as a line of a zone file.
    pub(super) fn trust_anchor(&self) -> String {
        format!(". 300 IN DNSKEY {}\n", self.dnskey)
    }

    pub(super) fn dnskey(&self, apex: &Name, ttl: u32) -> Record {
        Record::from_rdata(apex.clone(), ttl, RData::DNSSEC(DNSSECRData::DNSKEY(self.dnskey.clone())))
    }

    /// The DS record of a zone.
    pub(super) fn ds(&self, apex: &Name, ttl: u32) -> Option<Record> {
        let digest = self.dnskey.to_digest(apex, DigestType::SHA256).ok()?;
        let ds = DS::new(self.tag, Algorithm::ECDSAP256SHA256, DigestType::SHA256, digest.as_ref().to_vec());
        Some(Record::from_rdata(apex.clone(), ttl, RData::DNSSEC(DNSSECRData::DS(ds))))
    }

    /// The signature over one RRset, by the zone `apex`; forged or run out where `status` says so.
    pub(super) fn sign(&self, set: &[Record], apex: &Name, status: Status, now: UnixTime) -> Option<Record> {
        let first = set.first()?;
        let (inception, expiration) = match status {
            Status::Bogus(Flaw::Expired) => (now - 8 * DAY, now - DAY),
            Status::Secure | Status::Insecure | Status::Bogus(Flaw::Forged) => (now - DAY, now + 7 * DAY),
        };
        let input = SigInput {
            type_covered: first.record_type(),
            algorithm: Algorithm::ECDSAP256SHA256,
            num_labels: first.name.num_labels(),
            original_ttl: first.ttl,
            sig_expiration: SerialNumber::new(wire_time(expiration)),
            sig_inception: SerialNumber::new(wire_time(inception)),
            key_tag: self.tag,
            signer_name: apex.clone(),
        };
        let signed = TBS::from_input(&first.name, DNSClass::IN, &input, set.iter()).ok()?;
        let mut signature = self.key.sign(&signed).ok()?;
        if status == Status::Bogus(Flaw::Forged) {
            // Of the right length, and over something else.
            signature.rotate_left(7);
        }
        let signature = RRSIG::from_sig(input, signature);
        Some(Record::from_rdata(first.name.clone(), first.ttl, RData::DNSSEC(DNSSECRData::RRSIG(signature))))
    }
}

/// RFC 4034 §3.1.5: seconds since 1970, modulo 2^32.
fn wire_time(at: UnixTime) -> u32 {
    u32::try_from(at.rem_euclid(1 << 32)).unwrap_or_default()
}
