//! One signature, checked by itself; and what is known of algorithms that nobody should use any more.

use rustls_pki_types::SubjectPublicKeyInfoDer;
use webpki::{ALL_VERIFICATION_ALGS, RawPublicKeyEntity};

use crate::outline::{Outline, contents};

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    /// Made by that key.
    Good,
    /// Not made by that key, or the key is too weak to be asked.
    Bad,
    /// An algorithm that is not spoken here, or does not go with the key.
    Unsupported,
}

/// Whether `child` is signed by the key in `spki`.
pub(crate) fn check(child: &Outline<'_>, spki: &[u8]) -> Check {
    let Some(algorithm) = contents(child.signature_algorithm) else { return Check::Unsupported };
    let spki = SubjectPublicKeyInfoDer::from(spki);
    let Ok(key) = RawPublicKeyEntity::try_from(&spki) else { return Check::Unsupported };
    let mut seen = Check::Unsupported;
    for candidate in ALL_VERIFICATION_ALGS {
        if candidate.signature_alg_id().as_ref() != algorithm {
            continue;
        }
        match key.verify_signature(*candidate, child.tbs, child.signature) {
            Ok(()) => return Check::Good,
            // Any other answer means that this algorithm does not go with the key: there may be one that does.
            Err(webpki::Error::InvalidSignatureForPublicKey) => seen = Check::Bad,
            Err(_) => {}
        }
    }
    seen
}
