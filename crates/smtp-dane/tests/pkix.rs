//! What a chain is worth to MTA-STS, for chains of every kind.

mod chains;

use chains::{CURRENT, Ca, Der, END, FUTURE, HOST, NOW, PAST, START, ca_params, key, params, roots};
use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, NameConstraints};
use smtp_dane::pkix::{self, Chain, Name, Outcome, Time, TrustRoots, Verdict, Which};
use smtp_dane::{MAX_CERTIFICATE_BYTES, MAX_CHAIN};

fn judge(chain: &[&Der], roots: &TrustRoots) -> Verdict {
    pkix::judge(chain, roots, HOST, NOW)
}

fn differs(names: &[&str]) -> Name {
    Name::Differs { names: names.iter().map(|name| (*name).to_owned()).collect() }
}

/// Proves: S7, E4, D9, D13
#[test]
fn a_valid_chain_for_the_host_is_trusted() {
    let root = Ca::root("Root");
    let ca = root.below("Issuing CA");
    let leaf = ca.leaf(&["other.example", HOST], CURRENT);
    let verdict = judge(&[&leaf, &ca.der], &roots(&[&root]));
    assert_eq!(verdict, Verdict { chain: Chain::Trusted, time: Time::Valid, name: Name::Matches });
    assert_eq!(verdict.outcome(), Outcome::Trusted);
    // Signed by the root itself; the root sent along; rubbish sent along; the order wrong; everything twice.
    let direct = root.leaf(&[HOST], CURRENT);
    assert!(judge(&[&direct], &roots(&[&root])).is_trusted());
    assert!(judge(&[&leaf, &ca.der, &root.der], &roots(&[&root])).is_trusted());
    assert!(judge(&[&leaf, &vec![0; 9], &root.der, &ca.der, &leaf, &ca.der], &roots(&[&root])).is_trusted());
}

/// Proves: S7, E4
#[test]
fn validity_includes_both_ends_and_not_a_second_more() {
    let root = Ca::root("Root");
    let leaf = root.leaf(&[HOST], CURRENT);
    let at = |now| pkix::judge(&[&leaf], &roots(&[&root]), HOST, now).outcome();
    assert_eq!(at(START - 1), Outcome::NotTrusted);
    assert_eq!(at(START), Outcome::Trusted);
    assert_eq!(at(END), Outcome::Trusted);
    assert_eq!(at(END + 1), Outcome::Expired);
    assert_eq!(at(i64::MIN), Outcome::NotTrusted);
    assert_eq!(at(i64::MAX), Outcome::Expired);
}

/// Proves: S7, E4
#[test]
fn an_expired_leaf_is_told_from_an_expired_ca() {
    let root = Ca::root("Root");
    let trusted = roots(&[&root]);
    let past_end = 1_735_689_600;

    let leaf = root.leaf(&[HOST], PAST);
    let verdict = judge(&[&leaf], &trusted);
    assert_eq!(verdict.chain, Chain::Trusted);
    assert_eq!(verdict.time, Time::Expired { which: Which::Leaf, not_after: past_end });
    assert_eq!(verdict.outcome(), Outcome::Expired);

    let future = root.leaf(&[HOST], FUTURE);
    let verdict = judge(&[&future], &trusted);
    assert_eq!(verdict.chain, Chain::Trusted);
    assert_eq!(verdict.time, Time::NotYetValid { which: Which::Leaf, not_before: 1_830_297_600 });
    assert_eq!(verdict.outcome(), Outcome::NotTrusted);

    // The CA expired first; the leaf was made in its lifetime.
    let ca = root.below_with(ca_params("Old CA", PAST), key());
    let leaf = ca.leaf(&[HOST], (2024, 2028));
    let verdict = judge(&[&leaf, &ca.der], &trusted);
    assert_eq!(verdict.chain, Chain::Trusted);
    let which = Which::Issuer("CN=Old CA".to_owned());
    assert_eq!(verdict.time, Time::Expired { which, not_after: past_end });
    assert_eq!(verdict.outcome(), Outcome::Expired);

    // The leaf was made after its CA had expired.
    let leaf = ca.leaf(&[HOST], CURRENT);
    let verdict = judge(&[&leaf, &ca.der], &trusted);
    assert_eq!(verdict.chain, Chain::NeverValidTogether);
    assert_eq!(verdict.outcome(), Outcome::Expired);

    // An expired certificate beside a valid path is nobody's business.
    let fresh = root.below_with(ca_params("Old CA", CURRENT), ca.key_again());
    assert!(judge(&[&leaf, &ca.der, &fresh.der], &trusted).is_trusted());
    assert!(judge(&[&leaf, &fresh.der, &ca.der], &trusted).is_trusted());
}

/// Proves: S7, E4, K4, D13
#[test]
fn names_are_dns_ids_alone() {
    let root = Ca::root("Root");
    let trusted = roots(&[&root]);
    let table: [(&[&str], Name); 7] = [
        (&["www.example.org"], differs(&["www.example.org"])),
        (&["*.example.org"], Name::Matches),
        (&["*.EXAMPLE.org"], Name::Matches),
        (&["m*.example.org"], differs(&["m*.example.org"])),
        (&["*.mx.example.org", "*.org"], differs(&["*.mx.example.org", "*.org"])),
        (&["192.0.2.1"], differs(&[])),
        (&["example.org", "*.example.net"], differs(&["example.org", "*.example.net"])),
    ];
    for (names, expected) in table {
        let leaf = root.leaf(names, CURRENT);
        let verdict = judge(&[&leaf], &trusted);
        assert_eq!((&verdict.chain, &verdict.time), (&Chain::Trusted, &Time::Valid), "{names:?}");
        let outcome = if expected == Name::Matches { Outcome::Trusted } else { Outcome::HostMismatch };
        assert_eq!(verdict.name, expected, "{names:?}");
        assert_eq!(verdict.outcome(), outcome, "{names:?}");
    }
    // A common name is no name.
    let leaf = root.sign(&params(HOST, &[], CURRENT), &key());
    assert_eq!(judge(&[&leaf], &trusted).name, differs(&[]));
    assert_eq!(judge(&[&leaf], &trusted).outcome(), Outcome::HostMismatch);
    // An address is no host.
    let leaf = root.leaf(&["192.0.2.1"], CURRENT);
    assert_eq!(pkix::judge(&[&leaf], &trusted, "192.0.2.1", NOW).outcome(), Outcome::HostMismatch);
}

/// Proves: S7, E4
#[test]
fn a_chain_that_leads_nowhere_says_where_it_ends() {
    let root = Ca::root("Root");
    let ca = root.below("Issuing CA");
    let lower = ca.below("Lower CA");
    let stranger = Ca::root("Stranger");
    let trusted = roots(&[&stranger]);
    let leaf = ca.leaf(&[HOST], CURRENT);
    let low = lower.leaf(&[HOST], CURRENT);
    let named = |name: &str| format!("CN={name}");

    let verdict = judge(&[&leaf], &roots(&[&root]));
    assert_eq!(verdict.chain, Chain::Incomplete { missing: named("Issuing CA") });
    assert_eq!((verdict.time.clone(), verdict.name.clone()), (Time::Valid, Name::Matches));
    assert_eq!(verdict.outcome(), Outcome::NotTrusted);

    let verdict = judge(&[&leaf, &ca.der, &root.der], &trusted);
    assert_eq!(verdict.chain, Chain::UntrustedRoot { root: named("Root") });
    let verdict = judge(&[&leaf, &ca.der], &trusted);
    assert_eq!(verdict.chain, Chain::IssuerUnknown { issuer: named("Root") });
    let verdict = judge(&[&low, &lower.der], &roots(&[&root]));
    assert_eq!(verdict.chain, Chain::IssuerUnknown { issuer: named("Issuing CA") });
    let verdict = judge(&[&leaf, &ca.der], &TrustRoots::default());
    assert_eq!(verdict.chain, Chain::IssuerUnknown { issuer: named("Root") });

    // A root of the same name and another key.
    let impostor = Ca::root("Root");
    let verdict = judge(&[&leaf, &ca.der], &roots(&[&impostor]));
    let which = Which::Issuer(named("Issuing CA"));
    assert_eq!(verdict.chain, Chain::BadSignature { which });
    // An issuer of the same name and another key.
    let other = root.below("Issuing CA");
    let verdict = judge(&[&leaf, &other.der], &roots(&[&root]));
    assert_eq!(verdict.chain, Chain::BadSignature { which: Which::Leaf });
    assert_eq!(verdict.outcome(), Outcome::NotTrusted);
    // With the right one beside it all is well.
    assert!(judge(&[&leaf, &other.der, &ca.der], &roots(&[&root])).is_trusted());
}

#[test]
fn a_self_signed_certificate_is_called_that_whatever_else_is_wrong_with_it() {
    let root = Ca::root("Root");
    let trusted = roots(&[&root]);
    for (years, is_ca) in [(CURRENT, false), (CURRENT, true), (PAST, false), (PAST, true), (FUTURE, true)] {
        let mut params = params("snakeoil", &["localhost"], years);
        if is_ca {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        let leaf = params.self_signed(&key()).unwrap().der().to_vec();
        let verdict = judge(&[&leaf], &trusted);
        assert_eq!(verdict.chain, Chain::SelfSigned, "{years:?} {is_ca}");
        assert_eq!(verdict.name, differs(&["localhost"]));
        assert_eq!(verdict.time == Time::Valid, years == CURRENT);
        assert_eq!(verdict.outcome(), Outcome::NotTrusted);
    }
    // Unless it is a trusted root itself.
    let params = params("pinned", &[HOST], CURRENT);
    let pinned = params.self_signed(&key()).unwrap().der().to_vec();
    let own = TrustRoots::from_der(&[&pinned]).unwrap();
    assert!(judge(&[&pinned], &own).is_trusted());
}

/// Proves: S7, E4
#[test]
fn authority_has_limits() {
    let root = Ca::root("Root");
    let trusted = roots(&[&root]);
    let judge_leaf = |ca: &Ca, leaf: &Der| judge(&[leaf, &ca.der], &trusted).chain;

    let ca = root.below("Issuing CA");
    let mut client = params("leaf", &[HOST], CURRENT);
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    assert_eq!(judge_leaf(&ca, &ca.sign(&client, &key())), Chain::NotForServers);
    client.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
    assert_eq!(judge_leaf(&ca, &ca.sign(&client, &key())), Chain::Trusted);

    let mut as_ca = params("leaf", &[HOST], CURRENT);
    as_ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    assert_eq!(judge_leaf(&ca, &ca.sign(&as_ca, &key())), Chain::CaAsLeaf);

    let no_ca = ca.below_with(params("not a CA", &["a.example"], CURRENT), key());
    let leaf = no_ca.leaf(&[HOST], CURRENT);
    let verdict = judge(&[&leaf, &no_ca.der, &ca.der], &trusted);
    assert_eq!(verdict.chain, Chain::NotAllowedToIssue);

    let mut short = ca_params("Short CA", CURRENT);
    short.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let short = root.below_with(short, key());
    let lower = short.below("Lower CA");
    let verdict = judge(&[&lower.leaf(&[HOST], CURRENT), &lower.der, &short.der], &trusted);
    assert_eq!(verdict.chain, Chain::NotAllowedToIssue);

    let mut limited = ca_params("Limited CA", CURRENT);
    limited.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName("example.net".to_owned())],
        excluded_subtrees: Vec::new(),
    });
    let limited = root.below_with(limited, key());
    assert_eq!(judge_leaf(&limited, &limited.leaf(&[HOST], CURRENT)), Chain::NameConstraints);
    assert_eq!(judge_leaf(&limited, &limited.leaf(&["a.example.net"], CURRENT)), Chain::Trusted);
}

#[test]
fn every_usual_kind_of_key_is_understood() {
    let root = Ca::root("Root");
    let trusted = roots(&[&root]);
    let kinds = [
        &rcgen::PKCS_RSA_SHA256,
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_ECDSA_P521_SHA512,
        &rcgen::PKCS_ED25519,
    ];
    for kind in kinds {
        // As a leaf's key, and as a CA's.
        assert!(judge(&[&root.leaf_with(kind)], &trusted).is_trusted(), "{kind:?}");
        let key = rcgen::KeyPair::generate_for(kind).unwrap();
        let ca = root.below_with(ca_params("CA", CURRENT), key);
        assert!(judge(&[&ca.leaf(&[HOST], CURRENT), &ca.der], &trusted).is_trusted(), "{kind:?}");
    }
}

#[test]
fn what_is_no_chain_cannot_be_judged() {
    let root = Ca::root("Root");
    let trusted = roots(&[&root]);
    let leaf = root.leaf(&[HOST], CURRENT);

    let verdict = judge(&[], &trusted);
    assert_eq!(verdict, Verdict { chain: Chain::Empty, time: Time::Unknown, name: Name::Unknown });
    assert_eq!(verdict.outcome(), Outcome::Other);

    let garbage = [Vec::new(), vec![0x30], b"-----BEGIN CERTIFICATE-----".to_vec(), vec![0x30, 0x80, 0, 0]];
    for garbage in &garbage {
        let verdict = judge(&[garbage, &leaf], &trusted);
        assert!(matches!(verdict.chain, Chain::Malformed { .. }), "{garbage:?}");
        assert_eq!(verdict.outcome(), Outcome::Other);
    }
    let mut trailing = leaf.clone();
    trailing.push(0);
    assert!(matches!(judge(&[&trailing], &trusted).chain, Chain::Malformed { .. }));

    let huge = vec![0x30; MAX_CERTIFICATE_BYTES + 1];
    assert!(matches!(judge(&[&huge], &trusted).chain, Chain::Malformed { .. }));
    assert!(judge(&[&leaf, &huge], &trusted).is_trusted());
}

/// Proves: S7, E4
#[test]
fn what_is_sent_beyond_need_takes_nothing_from_a_chain() {
    let root = Ca::root("Root");
    let trusted = roots(&[&root]);
    let issuing = root.below("Issuing CA");
    let lower = issuing.below("Lower CA");
    let leaf = lower.leaf(&[HOST], CURRENT);
    let strangers: Vec<Ca> = (0..40).map(|number| Ca::root(&format!("Stranger {number}"))).collect();
    let rubbish = vec![1, 2, 3];
    let path = [&lower.der, &issuing.der];
    let extra: Vec<&Der> = strangers.iter().map(|ca| &ca.der).collect();
    fn behind<'a>(leaf: &'a Der, parts: &[&[&'a Der]]) -> Vec<&'a Der> {
        [&[leaf], parts.concat().as_slice()].concat()
    }
    // All the roots that the server knows, before and behind; rubbish; everything many times.
    for parts in [
        [&path[..], &extra[..]],
        [&extra[..], &path[..]],
        [&[&rubbish; 40][..], &path[..]],
        [&path.repeat(20)[..], &[&root.der][..]],
        [&[&leaf; 40][..], &path[..]],
    ] {
        assert!(judge(&behind(&leaf, &parts), &trusted).is_trusted());
    }
    // At the limit, and just past it.
    for (number, is_read) in [(126, true), (127, false)] {
        let verdict = judge(&behind(&leaf, &[&vec![&rubbish; number], &path]), &trusted);
        assert_eq!(verdict.is_trusted(), is_read, "{number}");
    }
    // As many on one path as are looked at.
    let mut cas = vec![issuing];
    while cas.len() < MAX_CHAIN {
        let last = cas.last().unwrap();
        cas.push(last.below(&format!("CA {}", cas.len())));
    }
    let leaf = cas[3].leaf(&[HOST], CURRENT);
    let mut long = vec![&leaf];
    long.extend(cas.iter().rev().map(|ca| &ca.der));
    assert!(judge(&long, &trusted).is_trusted());
}

/// CAs that all bear one name make as many paths as there are orders of them.
#[test]
fn many_cas_of_one_name_cannot_keep_us_busy() {
    let root = Ca::root("Root");
    let trusted = roots(&[&root]);
    let cas: Vec<Ca> = (0..9).map(|_| Ca::root("Maze")).collect();
    let leaf = cas[0].leaf(&[HOST], CURRENT);
    let mut chain = vec![&leaf];
    chain.extend(cas.iter().map(|ca| &ca.der));
    let verdict = judge(&chain, &trusted);
    assert_eq!(verdict.chain, Chain::UntrustedRoot { root: "CN=Maze".to_owned() });
    assert_eq!(verdict.outcome(), Outcome::NotTrusted);
    // Each signed every other: there are as many ways as orders.
    let mut maze = vec![leaf.clone()];
    for issuer in &cas {
        maze.extend(
            cas.iter().map(|ca| issuer.below_with(ca_params("Maze", (2020, 2040)), ca.key_again()).der),
        );
    }
    let maze: Vec<&Der> = maze.iter().collect();
    assert_ne!(judge(&maze, &trusted).outcome(), Outcome::Trusted);
}
