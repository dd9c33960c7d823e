//! Does a record match a certificate? Digests are made when first asked for: a hostile RRset has thousands of
//! records, the chain ten certificates.

use std::cell::OnceCell;

use sha2::{Digest, Sha256, Sha512};

use crate::outline::Outline;
use crate::pkix::Presented;
use crate::tlsa::Tlsa;

/// The certificates of a chain, leaf first, with their digests.
pub(crate) struct Digests<'a> {
    certificates: Vec<Digested<'a>>,
}

struct Digested<'a> {
    outline: Outline<'a>,
    /// By selector.
    sha256: [OnceCell<[u8; 32]>; 2],
    sha512: [OnceCell<[u8; 64]>; 2],
}

impl<'a> Digests<'a> {
    /// Of this chain. The leaf is at 0, the others follow as in `presented`.
    pub(crate) fn new(presented: &Presented<'a>) -> Self {
        let all = std::iter::once(presented.leaf).chain(presented.others.iter().copied());
        let blank = |outline| Digested { outline, sha256: Default::default(), sha512: Default::default() };
        Self { certificates: all.map(blank).collect() }
    }

    /// Whether `record` is of the certificate at `depth`.
    pub(crate) fn matches(&self, record: &Tlsa, depth: usize) -> bool {
        let Some(certificate) = self.certificates.get(depth) else { return false };
        let selector = usize::from(record.selector);
        let selected = if selector == 0 { certificate.outline.der } else { certificate.outline.spki };
        match record.matching {
            0 => record.data == selected,
            1 => certificate
                .sha256
                .get(selector)
                .is_some_and(|cell| record.data == cell.get_or_init(|| sha256(selected))),
            2 => certificate
                .sha512
                .get(selector)
                .is_some_and(|cell| record.data == cell.get_or_init(|| Sha512::digest(selected).into())),
            _ => false,
        }
    }
}

/// SHA-256.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
