//! When DANE applies, and what is asked: RFC 7672 §2.2.

use smtp_dane::applicability::{
    Addresses, Applicability, Destination, InsecureMx, Mx, NotApplicable, Search, Security, TlsaAnswer,
    Unreachable, begin,
};
use smtp_dane::tlsa::Tlsa;

const SECURE: Security = Security::Secure;
const INSECURE: Security = Security::Insecure;

const DESTINATION: Destination<'static> =
    Destination { next_hop: "example.org", next_hop_expanded: None, host: "MX.example.org.", port: 25 };

fn found(first: Security, whole: Security, expanded: Option<&str>) -> Addresses {
    Addresses::Found { first, whole, expanded: expanded.map(str::to_owned) }
}

fn plain() -> Addresses {
    found(SECURE, SECURE, None)
}

fn usable() -> TlsaAnswer {
    TlsaAnswer::Found(SECURE, vec![Tlsa::new(3, 1, 1, [0; 32])])
}

/// Asks `answers` of whoever owns a name, and notes what was asked. A name without an answer has no TLSA.
fn search(mut at: Search, answers: &[(&str, TlsaAnswer)]) -> (Vec<String>, Applicability) {
    let mut asked = Vec::new();
    loop {
        match at {
            Search::Done(end) => return (asked, end),
            Search::Ask(question) => {
                let owner = question.owner();
                let known = answers.iter().find(|(name, _)| *name == owner);
                asked.push(owner);
                at = question.answer(known.map_or(TlsaAnswer::Absent, |(_, answer)| answer.clone()));
            }
        }
    }
}

fn listed(addresses: Addresses, answers: &[(&str, TlsaAnswer)]) -> (Vec<String>, Applicability) {
    search(begin(DESTINATION, Mx::Listed(SECURE), addresses, InsecureMx::Skip), answers)
}

fn references(end: &Applicability) -> Vec<&str> {
    match end {
        Applicability::Usable { references, .. } => references.iter().map(String::as_str).collect(),
        other => panic!("{other:?}"),
    }
}

/// Proves: K1
#[test]
fn base_domains_are_the_secure_end_of_the_alias_and_then_the_name_itself() {
    let alias = Some("host.example.net");
    let (own, end) = ("_25._tcp.mx.example.org", "_25._tcp.host.example.net");
    let table: [(Addresses, &[&str]); 6] = [
        (found(SECURE, SECURE, None), &[own]),
        (found(SECURE, SECURE, alias), &[end, own]),
        (found(SECURE, INSECURE, alias), &[own]),
        (found(SECURE, SECURE, Some("mx.EXAMPLE.org.")), &[own]),
        (found(INSECURE, INSECURE, alias), &[]),
        (found(INSECURE, INSECURE, None), &[]),
    ];
    for (addresses, expected) in table {
        let (asked, end) = listed(addresses.clone(), &[]);
        assert_eq!(asked, expected, "{addresses:?}");
        let why =
            if expected.is_empty() { NotApplicable::InsecureAddresses } else { NotApplicable::NoSecureTlsa };
        assert_eq!(end, Applicability::NotApplicable(why), "{addresses:?}");
    }
    // The first with secure records is the base domain.
    let (asked, found_at_end) = listed(found(SECURE, SECURE, alias), &[(end, usable()), (own, usable())]);
    assert_eq!(asked, [end]);
    assert_eq!(references(&found_at_end), ["host.example.net", "example.org"]);
    let (asked, found_at_own) = listed(found(SECURE, SECURE, alias), &[(own, usable())]);
    assert_eq!(asked, [end, own]);
    assert_eq!(references(&found_at_own), ["mx.example.org", "example.org"]);
    // Insecure records count as none.
    let insecure = TlsaAnswer::Found(INSECURE, vec![Tlsa::new(3, 1, 1, [0; 32])]);
    let (asked, end) = listed(found(SECURE, SECURE, alias), &[(end, insecure.clone()), (own, insecure)]);
    assert_eq!(asked.len(), 2);
    assert_eq!(end, Applicability::NotApplicable(NotApplicable::NoSecureTlsa));
}

/// Proves: K1
#[test]
fn a_failed_lookup_never_means_that_nothing_is_there() {
    let failed = |what, reason: &str| {
        Applicability::Unreachable(Unreachable::LookupFailed { what, reason: reason.to_owned() })
    };
    let bogus = || "bogus".to_owned();
    let own = "_25._tcp.mx.example.org";
    let end = "_25._tcp.host.example.net";

    let at = begin(DESTINATION, Mx::Failed(bogus()), plain(), InsecureMx::Use);
    assert_eq!(at, Search::Done(failed("MX", "bogus")));
    let at = begin(DESTINATION, Mx::Listed(SECURE), Addresses::Failed(bogus()), InsecureMx::Use);
    assert_eq!(at, Search::Done(failed("address", "bogus")));
    assert_eq!(listed(plain(), &[(own, TlsaAnswer::Failed(bogus()))]).1, failed("TLSA", "bogus"));
    // Not even a reason to look at the other name.
    let alias = found(SECURE, SECURE, Some("host.example.net"));
    let answers = [(end, TlsaAnswer::Failed(bogus())), (own, usable())];
    assert_eq!(listed(alias, &answers), (vec![end.to_owned()], failed("TLSA", "bogus")));
    assert_eq!(listed(Addresses::Absent, &[]).1, Applicability::Unreachable(Unreachable::NoAddress));
}

/// Proves: K1
#[test]
fn insecure_mx_records_leave_dane_out_or_leave_one_name() {
    let at = |insecure_mx| begin(DESTINATION, Mx::Listed(INSECURE), plain(), insecure_mx);
    let skipped = Applicability::NotApplicable(NotApplicable::InsecureMx);
    assert_eq!(at(InsecureMx::Skip), Search::Done(skipped));
    let (_, end) = search(at(InsecureMx::Use), &[("_25._tcp.mx.example.org", usable())]);
    assert_eq!(references(&end), ["mx.example.org"]);
}

/// Proves: K1, E1
#[test]
fn secure_records_of_which_none_is_usable_are_not_the_same_as_none() {
    let answer = TlsaAnswer::Found(SECURE, vec![Tlsa::new(1, 1, 1, [0; 32])]);
    let (_, end) = listed(plain(), &[("_25._tcp.mx.example.org", answer)]);
    let Applicability::SecureButNoneUsable { base, rrset, told } = end else { panic!("{end:?}") };
    assert_eq!((base.as_str(), rrset.len(), told.passed_over.len()), ("mx.example.org", 1, 1));
}

/// Proves: K2
#[test]
fn reference_names_are_the_base_the_next_hop_and_where_it_leads() {
    let own = "_25._tcp.mx.example.org";
    let destination = Destination {
        next_hop: "Exchange.example.org",
        next_hop_expanded: Some("example.com"),
        ..DESTINATION
    };
    let (_, end) =
        search(begin(destination, Mx::Listed(SECURE), plain(), InsecureMx::Skip), &[(own, usable())]);
    assert_eq!(references(&end), ["mx.example.org", "exchange.example.org", "example.com"]);

    // No MX: the next hop is the host.
    let destination =
        Destination { next_hop: "example.org", host: "example.org", port: 2525, next_hop_expanded: None };
    let alias = found(SECURE, SECURE, Some("host.example.net"));
    let answers = [("_2525._tcp.host.example.net", usable())];
    let (_, end) = search(begin(destination, Mx::None, alias, InsecureMx::Skip), &answers);
    assert_eq!(references(&end), ["host.example.net", "example.org"]);
    let (_, end) = search(
        begin(destination, Mx::None, plain(), InsecureMx::Skip),
        &[("_2525._tcp.example.org", usable())],
    );
    assert_eq!(references(&end), ["example.org"]);
}

#[test]
fn both_families_of_addresses_decide_together() {
    let failed = || Addresses::Failed("timeout".to_owned());
    let alias = || found(SECURE, SECURE, Some("host.example.net"));
    let table = [
        (plain(), Addresses::Absent, plain()),
        (plain(), failed(), plain()),
        (plain(), found(INSECURE, INSECURE, None), found(INSECURE, INSECURE, None)),
        (alias(), alias(), alias()),
        (failed(), Addresses::Absent, failed()),
        (Addresses::Absent, Addresses::Absent, Addresses::Absent),
    ];
    for (one, other, expected) in table {
        assert_eq!(one.clone().and(other.clone()), expected);
        assert_eq!(other.and(one), expected);
    }
}
