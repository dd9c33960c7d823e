//! Certificates that rcgen cannot make: outdated signatures, small keys, version 1. `data/make.sh` made them.

use smtp_dane::certificate::Certificate;
use smtp_dane::dane;
use smtp_dane::pkix::{self, Chain, Outcome, Time, TrustRoots, Which};
use smtp_dane::tlsa::Tlsa;

const ROOT: &[u8] = include_bytes!("data/root.der");
const SHA1_LEAF: &[u8] = include_bytes!("data/sha1-leaf.der");
const SHA1_SELF: &[u8] = include_bytes!("data/sha1-self.der");
const SMALL_CA: &[u8] = include_bytes!("data/small-ca.der");
const SMALL_LEAF: &[u8] = include_bytes!("data/small-leaf.der");
const V1_LEAF: &[u8] = include_bytes!("data/v1-leaf.der");

/// 2027-01-15.
const NOW: i64 = 1_800_000_000;

#[test]
fn what_is_weak_is_named_and_not_trusted() {
    let roots = TrustRoots::from_der(&[ROOT]).unwrap();
    let small_ca = "an RSA key of 1024 bits".to_owned();
    let table: [(&[&[u8]], Chain); 4] = [
        (&[SHA1_LEAF], Chain::Weak { which: Which::Leaf, what: "a signature by SHA-1 with RSA".to_owned() }),
        (&[SMALL_LEAF, SMALL_CA], Chain::Weak { which: Which::Leaf, what: small_ca }),
        (&[V1_LEAF], Chain::Unsupported { what: "a certificate that is not of version 3".to_owned() }),
        (&[SHA1_SELF], Chain::SelfSigned),
    ];
    for (chain, expected) in table {
        let verdict = pkix::judge(chain, &roots, "mx.example.org", NOW);
        assert_eq!(verdict.chain, expected);
        assert_eq!(verdict.time, Time::Valid, "{expected}");
        assert_eq!(verdict.outcome(), Outcome::NotTrusted, "{expected}");
    }
}

/// Proves: K2
#[test]
fn dane_ee_binds_the_key_of_any_certificate() {
    for leaf in [SHA1_LEAF, SHA1_SELF, SMALL_LEAF, V1_LEAF] {
        for record in [
            Tlsa::new(3, 1, 1, Certificate::parse(leaf).unwrap().spki_sha256),
            Tlsa::new(3, 0, 1, Certificate::parse(leaf).unwrap().sha256),
            Tlsa::new(3, 0, 0, leaf),
        ] {
            assert!(dane::judge(&[record], &[leaf], &[], i64::MAX).is_authenticated());
        }
    }
}

#[test]
fn words_for_what_openssl_made() {
    let read = |der| Certificate::parse(der).unwrap();
    assert_eq!(read(SHA1_LEAF).signature, "SHA-1 with RSA");
    assert_eq!(read(SMALL_CA).key.to_string(), "RSA 1024");
    assert!(read(SMALL_CA).is_ca);
    let own = read(SHA1_SELF);
    assert_eq!(own.subject, "CN=mx.example.org,O=Example\\, Inc.,C=DE");
    assert!(own.self_issued && !own.is_ca && own.dns_names.is_empty());
}
