//! Does a chain satisfy MTA-STS? RFC 8461 §3.3 for the policy host and §4.2 for an MX: unexpired, chained to a
//! trusted root, and with a DNS-ID (RFC 9525) of the host; a common name does not count.
//!
//! The verdict has three parts that do not hide each other: a certificate may be expired *and* for another
//! name. Paths are built and signatures checked by `webpki`; where it says no, the chain is walked again to
//! find out why. Revocation is not looked at (RFC 8461 leaves it open).

mod path;
mod verdict;
mod verified;
mod walk;

use std::fmt;
use std::sync::Arc;

use rustls_pki_types::{CertificateDer, TrustAnchor};

pub use verdict::{Chain, Name, Outcome, Time, Verdict, Which};

pub(crate) use path::{Presented, Trust, trust};
pub(crate) use verified::Verified;

use crate::certificate::names_of;
use crate::name::Reference;
use crate::outline::Outline;

/// Roots that are trusted, and the signatures over CA certificates that were found good so far. Cheap to clone.
#[derive(Clone, Default)]
pub struct TrustRoots {
    anchors: Arc<[TrustAnchor<'static>]>,
    verified: Arc<Verified>,
}

/// A certificate that cannot be a root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("certificate {place} is no usable root: it is malformed")]
pub struct NotRoot {
    /// Its place among those given, from 0.
    pub place: usize,
}

impl TrustRoots {
    /// From certificates in DER. Of each only name, key and name constraints count.
    ///
    /// # Errors
    ///
    /// For the first that cannot be read; [`Self::from_readable`] leaves such out.
    pub fn from_der<C: AsRef<[u8]>>(certificates: &[C]) -> Result<Self, NotRoot> {
        let anchors = certificates.iter().enumerate();
        let anchors = anchors.map(|(place, der)| anchor(der.as_ref()).ok_or(NotRoot { place }));
        Ok(Self { anchors: anchors.collect::<Result<_, _>>()?, verified: Arc::default() })
    }

    /// From certificates in DER, of which those that cannot be read are left out: a platform's store may hold
    /// odd ones.
    #[must_use]
    pub fn from_readable<C: AsRef<[u8]>>(certificates: &[C]) -> Self {
        let anchors = certificates.iter().filter_map(|der| anchor(der.as_ref())).collect();
        Self { anchors, verified: Arc::default() }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.anchors.len()
    }

    /// Whether nothing is trusted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.anchors.is_empty()
    }
}

impl fmt::Debug for TrustRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrustRoots({})", self.anchors.len())
    }
}

/// One certificate as a trust anchor.
pub(crate) fn anchor(der: &[u8]) -> Option<TrustAnchor<'static>> {
    let der = CertificateDer::from(der);
    webpki::anchor_from_trusted_cert(&der).ok().map(|anchor| anchor.to_owned())
}

/// Judges a chain, leaf first as it was sent, at `now` in Unix seconds, for `host`: the MX host name, or the
/// policy host.
#[must_use]
pub fn judge<C: AsRef<[u8]>>(chain: &[C], roots: &TrustRoots, host: &str, now: i64) -> Verdict {
    let presented = match Presented::read(chain) {
        Ok(presented) => presented,
        Err(chain) => return Verdict { chain, time: Time::Unknown, name: Name::Unknown },
    };
    let Trust { chain, time, .. } = trust(&presented, &roots.anchors, now, &roots.verified);
    Verdict { chain, time, name: name(&presented.leaf, host) }
}

fn name(leaf: &Outline<'_>, host: &str) -> Name {
    let reference = Reference::new(host);
    // RFC 8461 §3.3, §4.2 and RFC 9525 §1.2: DNS-IDs alone, never a common name.
    if reference.is_some_and(|reference| leaf.dns_names().any(|name| reference.is_covered_by(name))) {
        return Name::Matches;
    }
    Name::Differs { names: names_of(leaf) }
}
