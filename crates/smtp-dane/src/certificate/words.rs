//! Names of algorithms, and sizes of keys.

use x509_cert::der::asn1::{ObjectIdentifier, UintRef};
use x509_cert::der::{Decode, Reader, SliceReader};
use x509_cert::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

use super::Key;
use crate::outline::sequence;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

/// Signature algorithms by identifier, the outdated ones marked: no sender should build trust on them.
const SIGNATURES: [(&str, &str, bool); 16] = [
    ("1.2.840.113549.1.1.2", "MD2 with RSA", true),
    ("1.2.840.113549.1.1.4", "MD5 with RSA", true),
    ("1.2.840.113549.1.1.5", "SHA-1 with RSA", true),
    ("1.2.840.10040.4.3", "DSA with SHA-1", true),
    ("1.2.840.10045.4.1", "ECDSA with SHA-1", true),
    ("1.2.840.113549.1.1.11", "SHA-256 with RSA", false),
    ("1.2.840.113549.1.1.12", "SHA-384 with RSA", false),
    ("1.2.840.113549.1.1.13", "SHA-512 with RSA", false),
    ("1.2.840.113549.1.1.10", "RSA-PSS", false),
    ("1.2.840.10045.4.3.2", "ECDSA with SHA-256", false),
    ("1.2.840.10045.4.3.3", "ECDSA with SHA-384", false),
    ("1.2.840.10045.4.3.4", "ECDSA with SHA-512", false),
    ("1.3.101.112", "Ed25519", false),
    ("1.3.101.113", "Ed448", false),
    ("2.16.840.1.101.3.4.3.17", "ML-DSA-44", false),
    ("2.16.840.1.101.3.4.3.18", "ML-DSA-65", false),
];

/// Keys and curves by identifier.
const KEYS: [(&str, &str); 9] = [
    ("1.2.840.10045.3.1.7", "ECDSA P-256"),
    ("1.3.132.0.34", "ECDSA P-384"),
    ("1.3.132.0.35", "ECDSA P-521"),
    ("1.3.132.0.10", "ECDSA secp256k1"),
    ("1.3.101.112", "Ed25519"),
    ("1.3.101.113", "Ed448"),
    ("1.2.840.10040.4.1", "DSA"),
    ("2.16.840.1.101.3.4.3.17", "ML-DSA-44"),
    ("2.16.840.1.101.3.4.3.18", "ML-DSA-65"),
];

/// The signature algorithm in words.
pub(crate) fn signature(algorithm: &[u8]) -> Option<String> {
    let identifier = AlgorithmIdentifierRef::from_der(algorithm).ok()?.oid.to_string();
    let known = SIGNATURES.iter().find(|(oid, _, _)| *oid == identifier);
    Some(known.map_or(identifier, |(_, words, _)| (*words).to_owned()))
}

/// Whether the signature algorithm is one that nobody should use any more.
pub(crate) fn is_outdated(algorithm: &[u8]) -> bool {
    let Ok(algorithm) = AlgorithmIdentifierRef::from_der(algorithm) else { return false };
    let identifier = algorithm.oid.to_string();
    SIGNATURES.iter().any(|(oid, _, outdated)| *oid == identifier && *outdated)
}

/// The key in words.
pub(crate) fn key(spki: &[u8]) -> Option<Key> {
    let info = SubjectPublicKeyInfoRef::from_der(spki).ok()?;
    let oid = info.algorithm.oid;
    if oid == RSA {
        return Some(Key { algorithm: "RSA".to_owned(), bits: rsa_bits(spki) });
    }
    let identifier = match info.algorithm.parameters_oid() {
        Ok(curve) if oid == EC => curve,
        _ => oid,
    };
    let identifier = identifier.to_string();
    let known = KEYS.iter().find(|(oid, _)| *oid == identifier);
    Some(Key { algorithm: known.map_or(identifier, |(_, words)| (*words).to_owned()), bits: None })
}

/// The size of an RSA key.
pub(crate) fn rsa_bits(spki: &[u8]) -> Option<usize> {
    let info = SubjectPublicKeyInfoRef::from_der(spki).ok()?;
    if info.algorithm.oid != RSA {
        return None;
    }
    let mut numbers: SliceReader<'_> = sequence(info.subject_public_key.as_bytes()?)?;
    let modulus = numbers.decode::<UintRef<'_>>().ok()?.as_bytes();
    let leading = modulus.first()?.leading_zeros() as usize;
    (modulus.len() * 8).checked_sub(leading)
}
