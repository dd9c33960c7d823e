//! Signatures over CA certificates that were found good once are not verified again. A few CAs issue most certificates,
//! so that a second look at their own would be a third of the work of judging a chain; and a signature that was good
//! once stays so. What is bad is never remembered, nor is anything of a leaf, which is seldom seen twice.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use rustls_pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm};
use sha2::{Digest, Sha256};
use webpki::ALL_VERIFICATION_ALGS;

/// Digests that are kept in a generation. Strangers choose what is verified: when the young one is full, the old one is
/// forgotten, and what was not asked for meanwhile with it.
const GENERATION: usize = 1_024;

/// SHA-256 of algorithm, key, message and signature.
type Fact = [u8; 32];

/// What was found good.
#[derive(Default)]
pub(crate) struct Verified {
    facts: Mutex<Generations>,
}

#[derive(Default)]
struct Generations {
    young: BTreeSet<Fact>,
    old: BTreeSet<Fact>,
}

impl Verified {
    /// All algorithms, with this memory. `leaf`: what is signed in the leaf, which is verified each time.
    pub(crate) fn algorithms<'a>(&'a self, leaf: &'a [u8]) -> Vec<Remembering<'a>> {
        let remembering = |inner: &&'static dyn SignatureVerificationAlgorithm| Remembering {
            inner: *inner,
            verified: self,
            leaf,
        };
        ALL_VERIFICATION_ALGS.iter().map(remembering).collect()
    }

    fn holds(&self, fact: &Fact) -> bool {
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        if facts.old.remove(fact) {
            facts.keep(*fact);
        }
        facts.young.contains(fact)
    }

    fn keep(&self, fact: Fact) {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).keep(fact);
    }
}

impl Generations {
    fn keep(&mut self, fact: Fact) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(fact);
    }
}

/// An algorithm that looks into the memory first.
pub(crate) struct Remembering<'a> {
    inner: &'static dyn SignatureVerificationAlgorithm,
    verified: &'a Verified,
    leaf: &'a [u8],
}

impl fmt::Debug for Remembering<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl SignatureVerificationAlgorithm for Remembering<'_> {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        if message == self.leaf {
            return self.inner.verify_signature(public_key, message, signature);
        }
        let (key_kind, signature_kind) = (self.public_key_alg_id(), self.signature_alg_id());
        let fact = fact(&[key_kind.as_ref(), signature_kind.as_ref(), public_key, message, signature]);
        if !self.verified.holds(&fact) {
            self.inner.verify_signature(public_key, message, signature)?;
            self.verified.keep(fact);
        }
        Ok(())
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.inner.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.inner.signature_alg_id()
    }

    fn fips(&self) -> bool {
        self.inner.fips()
    }
}

/// Each part with its length before it, so that no other parts run together to the same.
fn fact(parts: &[&[u8]]) -> Fact {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rustls_pki_types::alg_id;

    use super::super::{TrustRoots, judge};
    use super::*;

    /// Takes every signature that is the key and the message put together, and counts how often it is asked.
    #[derive(Debug)]
    struct Concatenation(AtomicUsize);

    impl SignatureVerificationAlgorithm for Concatenation {
        fn verify_signature(
            &self,
            key: &[u8],
            message: &[u8],
            signature: &[u8],
        ) -> Result<(), InvalidSignature> {
            self.0.fetch_add(1, Ordering::Relaxed);
            if [key, message].concat() == signature { Ok(()) } else { Err(InvalidSignature) }
        }

        fn public_key_alg_id(&self) -> AlgorithmIdentifier {
            alg_id::ED25519
        }

        fn signature_alg_id(&self) -> AlgorithmIdentifier {
            alg_id::ED25519
        }
    }

    fn asked(verified: &Verified, leaf: &[u8], question: [&[u8]; 3]) -> (bool, usize) {
        let inner: &'static Concatenation = Box::leak(Box::new(Concatenation(AtomicUsize::new(0))));
        let [key, message, signature] = question;
        let remembering = Remembering { inner, verified, leaf };
        let is_good = remembering.verify_signature(key, message, signature).is_ok();
        (is_good, inner.0.load(Ordering::Relaxed))
    }

    #[test]
    fn a_good_signature_over_a_ca_is_verified_once_and_any_other_each_time() {
        let verified = Verified::default();
        assert_eq!(asked(&verified, b"leaf", [b"k", b"ca", b"kca"]), (true, 1));
        assert_eq!(asked(&verified, b"leaf", [b"k", b"ca", b"kca"]), (true, 0));
        // The same octets in other parts, and other octets.
        assert_eq!(asked(&verified, b"leaf", [b"kc", b"a", b"kca"]), (true, 1));
        assert_eq!(asked(&verified, b"leaf", [b"x", b"ca", b"kca"]), (false, 1));
        for _ in 0..2 {
            assert_eq!(asked(&verified, b"leaf", [b"k", b"ca", b"bad"]), (false, 1));
            assert_eq!(asked(&verified, b"leaf", [b"k", b"leaf", b"kleaf"]), (true, 1));
        }
    }

    #[test]
    fn of_a_chain_the_links_above_the_leaf_are_remembered() {
        let key = || rcgen::KeyPair::generate().unwrap();
        let params = |name: &str| rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        let ca = |name: &str| {
            let mut params = params("ca.example");
            params.distinguished_name.push(rcgen::DnType::CommonName, name);
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            params
        };
        let (root, middle) = (ca("root"), ca("middle"));
        let (root_key, middle_key) = (key(), key());
        let anchor = root.self_signed(&root_key).unwrap();
        let above = middle.signed_by(&middle_key, &rcgen::Issuer::from_params(&root, &root_key)).unwrap();
        let roots = TrustRoots::from_der(&[anchor.der()]).unwrap();
        for _ in 0..2 {
            let issuer = rcgen::Issuer::from_params(&middle, &middle_key);
            let leaf = params("mx.example").signed_by(&key(), &issuer).unwrap();
            let verdict = judge(&[leaf.der(), above.der()], &roots, "mx.example", 1_800_000_000);
            assert!(verdict.is_trusted(), "{verdict:?}");
            assert_eq!(roots.verified.facts.lock().unwrap().young.len(), 1);
        }
    }

    #[test]
    fn the_memory_is_bounded_and_keeps_what_is_asked_for() {
        let verified = Verified::default();
        asked(&verified, b"leaf", [b"k", b"ca", b"kca"]);
        for number in 0..5 * GENERATION {
            verified.keep(fact(&[&number.to_be_bytes()]));
            if number % 100 == 0 {
                assert_eq!(asked(&verified, b"leaf", [b"k", b"ca", b"kca"]), (true, 0), "{number}");
            }
        }
        let facts = verified.facts.lock().unwrap();
        assert!(facts.young.len() <= GENERATION && facts.old.len() <= GENERATION);
    }
}
