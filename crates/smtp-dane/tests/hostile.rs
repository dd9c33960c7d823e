//! Nothing that a stranger sends makes anything here panic, and nothing that was changed is trusted.

mod chains;

use std::sync::LazyLock;

use chains::{CURRENT, Ca, Der, HOST, NOW, roots};
use proptest::prelude::*;
use smtp_dane::certificate::Certificate;
use smtp_dane::pkix::{self, TrustRoots};
use smtp_dane::tlsa::Tlsa;
use smtp_dane::{dane, name};

struct Pki {
    roots: TrustRoots,
    chain: [Der; 3],
    records: Vec<Tlsa>,
}

static PKI: LazyLock<Pki> = LazyLock::new(|| {
    let root = Ca::root("Root");
    let ca = root.below("Issuing CA");
    let leaf = ca.leaf(&[HOST, "*.example.net"], CURRENT);
    let own = Certificate::parse(&leaf).expect("a fresh certificate");
    let records = vec![
        Tlsa::new(3, 0, 1, own.sha256),
        Tlsa::new(2, 0, 0, root.der.clone()),
        Tlsa::new(2, 1, 0, root.spki.clone()),
    ];
    Pki { roots: roots(&[&root]), chain: [leaf, ca.der, root.der], records }
});

/// Some bytes overwritten, removed or put in.
#[derive(Debug, Clone)]
enum Change {
    Overwrite(prop::sample::Index, u8),
    Remove(prop::sample::Index),
    Insert(prop::sample::Index, u8),
    Cut(prop::sample::Index),
}

fn changes() -> impl Strategy<Value = Vec<(usize, Change)>> {
    let at = any::<prop::sample::Index>;
    let change = prop_oneof![
        6 => (at(), any::<u8>()).prop_map(|(at, byte)| Change::Overwrite(at, byte)),
        1 => at().prop_map(Change::Remove),
        1 => (at(), any::<u8>()).prop_map(|(at, byte)| Change::Insert(at, byte)),
        1 => at().prop_map(Change::Cut),
    ];
    prop::collection::vec((0..3_usize, change), 1..4)
}

fn apply(bytes: &mut Der, change: &Change) {
    if bytes.is_empty() {
        return;
    }
    match change {
        Change::Overwrite(at, byte) => {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        Change::Remove(at) => drop(bytes.remove(at.index(bytes.len()))),
        Change::Insert(at, byte) => bytes.insert(at.index(bytes.len()), *byte),
        Change::Cut(at) => bytes.truncate(at.index(bytes.len())),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn a_changed_chain_is_judged_without_panic_and_a_changed_leaf_is_not_trusted(changes in changes()) {
        let mut chain = PKI.chain.clone();
        for (which, change) in &changes {
            apply(&mut chain[*which], change);
        }
        for der in &chain {
            let _ = Certificate::parse(der);
            let _ = Tlsa::new(2, 0, 0, der.clone()).usability();
            let _ = TrustRoots::from_readable(&[der]);
        }
        let _ = dane::suggest_tlsa(&chain);
        let verdict = pkix::judge(&chain, &PKI.roots, HOST, NOW);
        let _ = (verdict.outcome(), verdict.chain.to_string());
        let dane = dane::judge(&PKI.records, &chain, &[HOST], NOW);
        let _ = dane.outcome();
        if chain[0] != PKI.chain[0] {
            prop_assert!(!verdict.is_trusted());
            prop_assert!(!dane.is_authenticated());
        }
    }

    #[test]
    fn any_bytes_are_judged_without_panic(
        chain in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..12),
        record: (u8, u8, u8, Vec<u8>),
        host: String,
        now: i64,
    ) {
        prop_assert!(!pkix::judge(&chain, &PKI.roots, &host, now).is_trusted());
        let record = Tlsa::new(record.0 % 4, record.1 % 2, record.2 % 3, record.3);
        prop_assert!(!dane::judge(&[record], &chain, &[&host], now).is_authenticated());
    }

    #[test]
    fn any_times_are_judged_without_panic(now: i64) {
        let verdict = pkix::judge(&PKI.chain, &PKI.roots, HOST, now);
        prop_assert_eq!(verdict.is_trusted(), (chains::START..=chains::END).contains(&now));
        let _ = dane::judge(&PKI.records[1..], &PKI.chain, &[HOST], now);
    }

    /// A second opinion, for names that both would take.
    #[test]
    fn names_match_as_webpki_has_it(
        presented in "(\\*\\.)?([a-b*]{1,2}\\.){0,3}[a-b]{1,2}",
        host in "([a-b]{1,2}\\.){0,3}[a-b]{1,2}",
    ) {
        use rustls_pki_types::{CertificateDer, ServerName};

        let leaf = PKI_CA.leaf(&[&presented], CURRENT);
        let der = CertificateDer::from(leaf);
        let certificate = webpki::EndEntityCert::try_from(&der).unwrap();
        let theirs = certificate.verify_is_valid_for_subject_name(&ServerName::try_from(host.as_str()).unwrap());
        let ours = name::Reference::new(&host).unwrap().is_covered_by(presented.as_bytes());
        prop_assert_eq!(ours, theirs.is_ok(), "{} for {}", presented, host);
    }
}

static PKI_CA: LazyLock<Ca> = LazyLock::new(|| Ca::root("Root"));
