//! Does a record match a certificate? Digests are made when first asked for, and once: a hostile RRset has
//! thousands of records.

use std::cell::OnceCell;

use sha2::{Digest, Sha256, Sha512};

use crate::outline::Outline;
use crate::tlsa::Tlsa;

/// A certificate with its digests.
pub(crate) struct Digests<'a> {
    /// The certificate.
    pub(crate) certificate: Outline<'a>,
    /// By selector.
    sha256: [OnceCell<[u8; 32]>; 2],
    sha512: [OnceCell<[u8; 64]>; 2],
}

impl<'a> Digests<'a> {
    /// Of this certificate.
    pub(crate) fn new(certificate: Outline<'a>) -> Self {
        Self { certificate, sha256: Default::default(), sha512: Default::default() }
    }

    /// Whether `record` is of this certificate.
    pub(crate) fn matches(&self, record: &Tlsa) -> bool {
        let selector = usize::from(record.selector);
        let selected = if selector == 0 { self.certificate.der } else { self.certificate.spki };
        let (Some(short), Some(long)) = (self.sha256.get(selector), self.sha512.get(selector)) else {
            return false;
        };
        match record.matching {
            0 => record.data == selected,
            1 => record.data == short.get_or_init(|| sha256(selected)),
            2 => record.data == long.get_or_init(|| Sha512::digest(selected).into()),
            _ => false,
        }
    }
}

/// SHA-256.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
