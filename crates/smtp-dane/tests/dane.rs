//! Chains against TLSA records of every kind.

mod chains;

use chains::{CURRENT, Ca, Der, FUTURE, HOST, NOW, PAST, ca_params, key, params};
use rcgen::{BasicConstraints, GeneralSubtree, IsCa, NameConstraints};
use sha2::{Digest, Sha256, Sha512};
use smtp_dane::certificate::Certificate;
use smtp_dane::dane::{self, Match, Outcome, Verdict, Why, suggest_tlsa};
use smtp_dane::pkix::{Chain, Time, Which};
use smtp_dane::tlsa::{PassedOver, Tlsa, Unusable};

/// A record of `of`, made by the book and not by the code under test.
fn record(usage: u8, selector: u8, matching: u8, certificate: &[u8], spki: &[u8]) -> Tlsa {
    let of = if selector == 0 { certificate } else { spki };
    let data = match matching {
        0 => of.to_vec(),
        1 => Sha256::digest(of).to_vec(),
        _ => Sha512::digest(of).to_vec(),
    };
    Tlsa::new(usage, selector, matching, data)
}

fn of_ca(usage: u8, selector: u8, matching: u8, ca: &Ca) -> Tlsa {
    record(usage, selector, matching, &ca.der, &ca.spki)
}

fn judge(rrset: &[Tlsa], chain: &[&Der]) -> Verdict {
    dane::judge(rrset, chain, &[HOST], NOW)
}

fn why(verdict: &Verdict) -> &Why {
    match verdict {
        Verdict::Refused(refusals) => &refusals[0].why,
        other => panic!("{other:?}"),
    }
}

const KINDS: [(u8, u8); 6] = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)];

/// Proves: K2, K3
#[test]
fn dane_ee_asks_for_the_leaf_and_for_nothing_else() {
    use rcgen::PublicKeyData as _;

    let root = Ca::root("Root");
    // Expired, for no name that anybody asks for, by nobody who is known, with a wild chain behind it.
    let own = key();
    let leaf = root.sign(&params("elsewhere", &["elsewhere.example"], PAST), &own);
    let spki = own.subject_public_key_info();
    let rubbish = vec![0; 5];
    let mut chain = vec![&leaf];
    chain.resize(40, &rubbish);
    for (selector, matching) in KINDS {
        let right = record(3, selector, matching, &leaf, &spki);
        let wrong = of_ca(3, selector, matching, &root);
        let verdict = dane::judge(std::slice::from_ref(&right), &chain, &[], NOW);
        assert_eq!(verdict, Verdict::Authenticated(Match { record: 0, depth: 0 }), "{right:?}");
        let verdict = judge(&[wrong.clone(), right], &[&leaf]);
        assert_eq!(verdict, Verdict::Authenticated(Match { record: 1, depth: 0 }));
        // A certificate further up is not the leaf.
        let verdict = judge(&[wrong], &[&leaf, &root.der]);
        assert_eq!((why(&verdict), verdict.outcome()), (&Why::LeafDiffers, Outcome::NoMatch));
    }
}

/// Proves: K2, K3
#[test]
fn dane_ta_asks_for_a_chain_to_the_anchor_and_a_name() {
    let root = Ca::root("Root");
    let ca = root.below("Issuing CA");
    let leaf = ca.leaf(&[HOST], CURRENT);
    let all: [&Der; 3] = [&leaf, &ca.der, &root.der];
    for (selector, matching) in KINDS {
        for (depth, anchor) in [(1, &ca), (2, &root)] {
            let tlsa = of_ca(2, selector, matching, anchor);
            let verdict = judge(std::slice::from_ref(&tlsa), &all);
            assert_eq!(verdict, Verdict::Authenticated(Match { record: 0, depth }), "{tlsa:?}");

            // RFC 7671 §5.2.2: only a whole certificate or key may be absent from the chain.
            let verdict = judge(std::slice::from_ref(&tlsa), &all[..depth]);
            if matching == 0 {
                assert_eq!(verdict, Verdict::Authenticated(Match { record: 0, depth }), "{tlsa:?}");
            } else {
                assert_eq!(why(&verdict), &Why::AnchorNotSent, "{tlsa:?}");
                assert_eq!(verdict.outcome(), Outcome::NoMatch);
            }

            // For another name.
            let verdict = dane::judge(std::slice::from_ref(&tlsa), &all, &["mx.example.net"], NOW);
            assert_eq!(why(&verdict), &Why::Name { names: vec![HOST.to_owned()] });
            assert_eq!(verdict.outcome(), Outcome::HostMismatch);
            // Another reference identifier does it.
            let references = ["mx.example.net", HOST, "example.net"];
            assert!(dane::judge(&[tlsa], &all, &references, NOW).is_authenticated());
        }
        // The leaf is no anchor, and a stranger neither, though it is sent along.
        let stranger = Ca::root("Stranger");
        let verdict = judge(&[of_ca(2, selector, matching, &stranger)], &[&leaf, &ca.der, &stranger.der]);
        assert!(matches!(why(&verdict), Why::Chain(Chain::IssuerUnknown { .. })), "{verdict:?}");
        let leaf_record = record(2, 0, matching, &leaf, &[]);
        assert!(!judge(&[leaf_record], &all).is_authenticated());
    }
}

/// Proves: K2
#[test]
fn dane_ta_holds_to_dates_of_leaf_ca_and_anchor() {
    let root = Ca::root("Root");
    let expired = |which| Why::Time(Time::Expired { which, not_after: 1_735_689_600 });
    let tlsa = [of_ca(2, 0, 1, &root)];

    let verdict = judge(&tlsa, &[&root.leaf(&[HOST], PAST), &root.der]);
    assert_eq!((why(&verdict), verdict.outcome()), (&expired(Which::Leaf), Outcome::Expired));
    let verdict = judge(&tlsa, &[&root.leaf(&[HOST], FUTURE), &root.der]);
    assert_eq!(verdict.outcome(), Outcome::NotTrusted);

    let ca = root.below_with(ca_params("Old CA", PAST), key());
    let leaf = ca.leaf(&[HOST], (2024, 2028));
    let which = || Which::Issuer("CN=Old CA".to_owned());
    let verdict = judge(&tlsa, &[&leaf, &ca.der, &root.der]);
    assert_eq!(why(&verdict), &expired(which()));
    // As the anchor, sent and from DNS.
    for matching in [0, 1] {
        let verdict = judge(&[of_ca(2, 0, matching, &ca)], &[&leaf, &ca.der]);
        assert_eq!(why(&verdict), &expired(which()));
    }
    assert_eq!(why(&judge(&[of_ca(2, 0, 0, &ca)], &[&leaf])), &expired(which()));
}

/// Proves: K2, K4
#[test]
fn dane_ta_names_are_dns_ids_and_the_common_name_only_without_them() {
    let root = Ca::root("Root");
    let tlsa = [of_ca(2, 0, 1, &root)];
    let table: [(&str, &[&str], bool); 8] = [
        ("x", &[HOST], true),
        ("x", &["*.example.org"], true),
        ("x", &["m*.example.org"], false),
        ("x", &["*.org"], false),
        (HOST, &[], true),
        ("*.example.org", &[], true),
        (HOST, &["192.0.2.1"], true),
        (HOST, &["other.example.org"], false),
    ];
    for (common_name, names, expected) in table {
        let leaf = root.sign(&params(common_name, names, CURRENT), &key());
        assert_eq!(judge(&tlsa, &[&leaf, &root.der]).is_authenticated(), expected, "{common_name} {names:?}");
    }
    let leaf = root.leaf(&[HOST], CURRENT);
    assert_eq!(dane::judge(&tlsa, &[&leaf, &root.der], &[], NOW).outcome(), Outcome::HostMismatch);
}

/// Proves: K2
#[test]
fn the_constraints_of_the_anchor_count() {
    let with = |basic: BasicConstraints| {
        let mut params = ca_params("Anchor", CURRENT);
        params.is_ca = IsCa::Ca(basic);
        Ca::self_signed(params, key())
    };
    let anchor = with(BasicConstraints::Constrained(0));
    let lower = anchor.below("Lower CA");
    assert!(
        judge(&[of_ca(2, 0, 1, &anchor)], &[&anchor.leaf(&[HOST], CURRENT), &anchor.der]).is_authenticated()
    );
    let leaf = lower.leaf(&[HOST], CURRENT);
    let verdict = judge(&[of_ca(2, 0, 1, &anchor)], &[&leaf, &lower.der, &anchor.der]);
    assert_eq!(
        (why(&verdict), verdict.outcome()),
        (&Why::Chain(Chain::NotAllowedToIssue), Outcome::NotTrusted)
    );

    // An ordinary certificate cannot be one.
    let root = Ca::root("Root");
    let plain = root.below_with(params("plain", &["plain.example"], CURRENT), key());
    let verdict = judge(&[of_ca(2, 0, 1, &plain)], &[&plain.leaf(&[HOST], CURRENT), &plain.der]);
    assert_eq!(why(&verdict), &Why::Chain(Chain::NotAllowedToIssue));

    // Limits on names, and no way round them by a common name.
    let mut limited = ca_params("Limited", CURRENT);
    limited.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName("example.net".to_owned())],
        excluded_subtrees: Vec::new(),
    });
    let limited = Ca::self_signed(limited, key());
    let verdict = judge(&[of_ca(2, 0, 1, &limited)], &[&limited.leaf(&[HOST], CURRENT), &limited.der]);
    assert_eq!(why(&verdict), &Why::Chain(Chain::NameConstraints));
    let by_common_name = limited.sign(&params(HOST, &[], CURRENT), &key());
    for matching in [0, 1] {
        assert!(
            !judge(&[of_ca(2, 0, matching, &limited)], &[&by_common_name, &limited.der]).is_authenticated()
        );
        assert!(!judge(&[of_ca(2, 0, matching, &limited)], &[&by_common_name]).is_authenticated());
    }
}

/// Proves: K3
#[test]
fn a_match_by_a_weaker_digest_alone_is_none() {
    use rcgen::PublicKeyData as _;

    let root = Ca::root("Root");
    let own = key();
    let leaf = root.sign(&params("leaf", &[HOST], CURRENT), &own);
    let right = record(3, 1, 1, &leaf, &own.subject_public_key_info());
    let stronger = Tlsa::new(3, 1, 2, [0; 64]);
    assert!(judge(std::slice::from_ref(&right), &[&leaf]).is_authenticated());
    assert_eq!(judge(&[right.clone(), stronger], &[&leaf]).outcome(), Outcome::NoMatch);
    // One that cannot be used displaces nothing.
    assert!(judge(&[right, Tlsa::new(3, 1, 2, [0; 63])], &[&leaf]).is_authenticated());
}

/// Proves: K1, K2
#[test]
fn without_a_usable_record_the_chain_is_not_looked_at() {
    let garbage = vec![0; 3];
    let verdict = judge(&[Tlsa::new(1, 1, 1, [0; 32])], &[&garbage]);
    assert_eq!(verdict, Verdict::NoneUsable(vec![(0, PassedOver::Unusable(Unusable::PkixUsage(1)))]));
    assert_eq!(verdict.outcome(), Outcome::NoneUsable);
    assert_eq!(judge(&[], &[]).outcome(), Outcome::NoneUsable);
}

#[test]
fn what_is_no_chain_is_not_judged_and_never_passes() {
    let root = Ca::root("Root");
    let garbage = vec![0x30, 0x03, 1, 2, 3];
    for usage in [2, 3] {
        let tlsa = [of_ca(usage, 0, 1, &root)];
        assert_eq!(judge(&tlsa, &[]), Verdict::NotJudged(Chain::Empty));
        assert_eq!(judge(&tlsa, &[&garbage]).outcome(), Outcome::Other);
    }
    let leaf = root.leaf(&[HOST], CURRENT);
    // What comes many times counts once.
    let mut long = vec![&leaf];
    long.resize(40, &root.der);
    assert!(matches!(judge(&[of_ca(2, 0, 1, &root)], &long), Verdict::Authenticated(_)));
}

/// The owner has least to mend where the chain came furthest.
#[test]
fn of_several_refusals_the_one_that_came_furthest_is_told() {
    let root = Ca::root("Root");
    let leaf = root.leaf(&["www.example.org"], CURRENT);
    let rrset = [Tlsa::new(3, 1, 1, [0; 32]), of_ca(2, 0, 1, &root), Tlsa::new(2, 1, 1, [0; 32])];
    let verdict = judge(&rrset, &[&leaf, &root.der]);
    assert_eq!(verdict.outcome(), Outcome::HostMismatch);
    let Verdict::Refused(refusals) = verdict else { panic!("refused") };
    let places: Vec<usize> = refusals.iter().map(|refusal| refusal.record).collect();
    assert_eq!(places, [0, 1, 2]);
}

/// A hostile RRset: as many whole keys and certificates as a DNS message holds.
#[test]
fn anchors_that_stand_in_dns_alone_are_few() {
    let root = Ca::root("Root");
    let leaf = root.leaf(&[HOST], CURRENT);
    let mut rrset: Vec<Tlsa> = (0..8).map(|_| of_ca(2, 1, 0, &Ca::root("Other"))).collect();
    rrset.insert(0, of_ca(2, 1, 0, &root));
    assert!(judge(&rrset, &[&leaf]).is_authenticated());
    rrset.rotate_left(1);
    assert_eq!(judge(&rrset, &[&leaf]).outcome(), Outcome::NoMatch);
}

/// Proves: K2
#[test]
fn suggested_records_match_their_own_chain() {
    let root = Ca::root("Root");
    let ca = root.below("Issuing CA");
    let leaf = ca.leaf(&[HOST], CURRENT);
    let chain = [&leaf, &root.der, &ca.der];
    let suggested = suggest_tlsa(&chain).unwrap();
    assert_eq!(suggested[0], Tlsa::new(3, 1, 1, Certificate::parse(&leaf).unwrap().spki_sha256));
    assert_eq!(suggested[1], of_ca(2, 0, 1, &ca));
    for tlsa in suggested {
        assert!(judge(&[tlsa], &chain).is_authenticated());
    }
    assert_eq!(suggest_tlsa(&[&leaf]).unwrap().len(), 1);
    assert!(suggest_tlsa::<Der>(&[]).is_err());
}
