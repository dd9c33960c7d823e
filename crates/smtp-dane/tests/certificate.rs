//! Certificates as a person reads them.

mod chains;

use chains::{CURRENT, Ca, END, HOST, START, ca_params, key, params};
use rcgen::KeyPair;
use sha2::{Digest, Sha256};
use smtp_dane::MAX_CERTIFICATE_BYTES;
use smtp_dane::certificate::{Certificate, Unreadable};

#[test]
fn a_certificate_is_described() {
    let root = Ca::root("Root");
    let leaf = root.leaf(&["MX.example.org", "*.example.net", "192.0.2.1"], CURRENT);
    let read = Certificate::parse(&leaf).unwrap();
    assert_eq!((read.subject.as_str(), read.issuer.as_str()), ("CN=leaf", "CN=Root"));
    assert_eq!(read.dns_names, ["mx.example.org", "*.example.net"]);
    assert_eq!((read.not_before, read.not_after), (START, END));
    assert_eq!(
        (read.key.to_string().as_str(), read.signature.as_str()),
        ("ECDSA P-256", "ECDSA with SHA-256")
    );
    assert!(!read.is_ca && !read.self_issued);
    assert_eq!(read.sha256[..], Sha256::digest(&leaf)[..]);

    let read = Certificate::parse(&root.der).unwrap();
    assert!(read.is_ca && read.self_issued && read.dns_names.is_empty());
    assert_eq!(read.spki_sha256[..], Sha256::digest(&root.spki)[..]);
}

#[test]
fn keys_are_called_by_their_names() {
    let table = [
        (&rcgen::PKCS_RSA_SHA256, "RSA 2048", "SHA-256 with RSA"),
        (&rcgen::PKCS_ECDSA_P384_SHA384, "ECDSA P-384", "ECDSA with SHA-384"),
        (&rcgen::PKCS_ECDSA_P521_SHA512, "ECDSA P-521", "ECDSA with SHA-512"),
        (&rcgen::PKCS_ED25519, "Ed25519", "Ed25519"),
    ];
    for (kind, words, signature) in table {
        let ca = Ca::self_signed(ca_params("CA", CURRENT), KeyPair::generate_for(kind).unwrap());
        let read = Certificate::parse(&ca.der).unwrap();
        assert_eq!((read.key.to_string().as_str(), read.signature.as_str()), (words, signature));
    }
}

#[test]
fn strangers_text_is_tamed_and_names_are_counted() {
    let root = Ca::root("Root");
    let tricky = root.sign(&params("a\u{202e}b\r\nc", &[], CURRENT), &key());
    let read = Certificate::parse(&tricky).unwrap();
    assert_eq!(read.subject, "CN=a\\u{202e}b\\0d\\0ac");
    let long = root.sign(&params(&"x".repeat(5_000), &[], CURRENT), &key());
    assert!(Certificate::parse(&long).unwrap().subject.chars().count() < 300);

    let many: Vec<String> = (0..300).map(|number| format!("n{number}.example.org")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(Certificate::parse(&root.leaf(&many, CURRENT)).unwrap().dns_names.len(), 100);
}

#[test]
fn what_is_no_certificate_is_refused_with_the_part_at_fault() {
    let bytes = MAX_CERTIFICATE_BYTES + 1;
    assert_eq!(Certificate::parse(&vec![0x30; bytes]), Err(Unreadable::TooLarge { bytes }));
    let leaf = Ca::root("Root").leaf(&[HOST], CURRENT);
    for cut in 0..leaf.len() {
        assert!(Certificate::parse(&leaf[..cut]).is_err(), "{cut}");
    }
    let mut trailing = leaf.clone();
    trailing.push(0);
    assert_eq!(Certificate::parse(&trailing), Err(Unreadable::Malformed("its outer structure")));
}
