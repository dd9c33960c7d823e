//! Follows a chain from the leaf upwards by name and signature alone, to say where it ends. Used only once the
//! chain is known to lead nowhere; nothing is trusted because of a walk.

use rustls_pki_types::TrustAnchor;

use super::path::Presented;
use crate::outline::{Outline, contents};
use crate::signature::{self, Check};

/// Where a walk ends.
pub(crate) enum End {
    /// At a trust anchor.
    Anchor,
    /// At a certificate that names itself as its issuer.
    SelfIssued,
    /// At one whose issuer is not here.
    NoIssuer,
    /// At one whose issuer is here by name, and did not sign it.
    BadSignature {
        /// The key that did not.
        issuer_key: Vec<u8>,
    },
    /// At one that is signed by an algorithm that is not known here.
    UnknownAlgorithm,
}

/// The certificates passed, leaf first, and the end.
pub(crate) struct Walk<'a> {
    pub(crate) path: Vec<Outline<'a>>,
    pub(crate) end: End,
}

/// Walks. At most as many steps as certificates, each with a look at every other.
pub(crate) fn walk<'a>(presented: &Presented<'a>, anchors: &[TrustAnchor<'_>]) -> Walk<'a> {
    let mut path = vec![presented.leaf];
    let mut here = presented.leaf;
    loop {
        let mut end = if here.is_self_issued() { End::SelfIssued } else { End::NoIssuer };
        let note = |end: &mut End, check: Check, key: &[u8]| {
            if matches!(end, End::SelfIssued) {
                return;
            }
            match check {
                Check::Bad => *end = End::BadSignature { issuer_key: key.to_vec() },
                Check::Unsupported if matches!(end, End::NoIssuer) => *end = End::UnknownAlgorithm,
                Check::Good | Check::Unsupported => {}
            }
        };

        let issuer = contents(here.issuer).unwrap_or_default();
        for anchor in anchors.iter().filter(|anchor| anchor.subject.as_ref() == issuer) {
            let key = webpki::spki_for_anchor(anchor);
            match signature::check(&here, key.as_ref()) {
                Check::Good => return Walk { path, end: End::Anchor },
                check => note(&mut end, check, key.as_ref()),
            }
        }
        let mut next = None;
        for candidate in presented.others.iter().filter(|candidate| candidate.subject == here.issuer) {
            if path.iter().any(|passed| passed.der == candidate.der) {
                continue;
            }
            match signature::check(&here, candidate.spki) {
                Check::Good => {
                    next = Some(*candidate);
                    break;
                }
                check => note(&mut end, check, candidate.spki),
            }
        }
        let Some(above) = next else { return Walk { path, end } };
        path.push(above);
        here = above;
    }
}
