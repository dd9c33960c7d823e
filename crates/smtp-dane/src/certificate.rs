//! A certificate for a person to read: whose, from whom, for which names, until when, with what key.
//! Nothing is judged here. What cannot be read is refused with the part that is at fault.

mod words;

use std::fmt;

use sha2::{Digest, Sha256};
use x509_cert::der::Decode;
use x509_cert::name::Name;

pub(crate) use words::{is_outdated, rsa_bits};

use crate::outline::Outline;
use crate::text::{tame, tame_bytes};

/// Names that are listed; a certificate may have more.
const MAX_NAMES: usize = 100;

/// What stands in a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Whose it is, RFC 4514, cut to a readable length and without control characters.
    pub subject: String,
    /// Who says so, likewise.
    pub issuer: String,
    /// DNS names of the subject alternative name, lower case, at most a hundred.
    pub dns_names: Vec<String>,
    /// First second of its validity, Unix.
    pub not_before: i64,
    /// Last second of its validity, Unix.
    pub not_after: i64,
    /// Its key.
    pub key: Key,
    /// How it is signed: "SHA-256 with RSA", "ECDSA with SHA-384", else the dotted identifier.
    pub signature: String,
    /// Whether it is signed by no other: its own name is the issuer's.
    pub self_issued: bool,
    /// Whether it may issue others.
    pub is_ca: bool,
    /// SHA-256 of all of it: what `3 0 1` and `2 0 1` hold.
    pub sha256: [u8; 32],
    /// SHA-256 of its public key: what `3 1 1` and `2 1 1` hold.
    pub spki_sha256: [u8; 32],
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// "RSA", "ECDSA P-256", "Ed25519", else the dotted identifier.
    pub algorithm: String,
    /// Its size, where that is worth knowing.
    pub bits: Option<usize>,
}

/// Why a certificate cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// No certificate is that long.
    #[error("the certificate has {bytes} bytes, more than {} are not read", crate::MAX_CERTIFICATE_BYTES)]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// It is not the DER of a certificate; the text says which part is at fault.
    #[error("the certificate is malformed: {0}")]
    Malformed(&'static str),
}

impl Certificate {
    /// Reads the DER of one certificate.
    ///
    /// # Errors
    ///
    /// If it is too large or malformed.
    pub fn parse(der: &[u8]) -> Result<Self, Unreadable> {
        let outline = Outline::read(der)?;
        let period = outline.period().ok_or(Unreadable::Malformed("its validity"))?;
        Ok(Self {
            subject: name_text(outline.subject).ok_or(Unreadable::Malformed("its subject"))?,
            issuer: name_text(outline.issuer).ok_or(Unreadable::Malformed("its issuer"))?,
            dns_names: names_of(&outline),
            not_before: period.not_before,
            not_after: period.not_after,
            key: words::key(outline.spki).ok_or(Unreadable::Malformed("its public key"))?,
            signature: words::signature(outline.signature_algorithm)
                .ok_or(Unreadable::Malformed("its signature algorithm"))?,
            self_issued: outline.is_self_issued(),
            is_ca: outline.basic_constraints().0,
            sha256: Sha256::digest(der).into(),
            spki_sha256: Sha256::digest(outline.spki).into(),
        })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bits {
            Some(bits) => write!(f, "{} {bits}", self.algorithm),
            None => f.write_str(&self.algorithm),
        }
    }
}

/// A distinguished name as text.
pub(crate) fn name_text(der: &[u8]) -> Option<String> {
    let name = Name::from_der(der).ok()?;
    Some(tame(&name.to_string()))
}

/// The same where something must be shown.
pub(crate) fn name_or_placeholder(der: &[u8]) -> String {
    match name_text(der) {
        Some(name) if !name.is_empty() => name,
        Some(_) => "(no name)".to_owned(),
        None => "(an unreadable name)".to_owned(),
    }
}

/// The DNS names, to be shown.
pub(crate) fn names_of(outline: &Outline<'_>) -> Vec<String> {
    outline.dns_names().take(MAX_NAMES).map(|name| tame_bytes(name).to_ascii_lowercase()).collect()
}

/// The signature algorithm, to be shown.
pub(crate) fn signature_words(algorithm: &[u8]) -> String {
    words::signature(algorithm).unwrap_or_else(|| "an unreadable algorithm".to_owned())
}
