//! What a sender would apply, step by step: each way off the road, and what holds for each MX host.

use tlsward_engine::enforce::{Applied, Explanation, Rule, StepOutcome, explain_policy};
use tlsward_engine::ports::{ConnectFailure, DnsFailure, Dnssec, HttpsFailure, RecordData, RecordKind};

use crate::chains::{LONG, NOW, self_signed};
use crate::fake::{DOMAIN, Fake, MX, POLICY, POLICY_ADDRESSES, POLICY_HOST, run, session_with};
use crate::options;

fn explain(fake: &Fake, next_hop: &str) -> Explanation {
    run(explain_policy(fake, &fake.authority.roots(), next_hop, &options(), NOW))
}

fn rules(explanation: &Explanation) -> Vec<Rule> {
    explanation.hosts.iter().map(|host| host.rule).collect()
}

/// The last step before the hosts are looked at.
fn last_step(explanation: &Explanation) -> (&'static str, StepOutcome) {
    let before_hosts = explanation.steps.iter().take_while(|step| step.step.as_wire() != "mx");
    before_hosts.last().map(|step| (step.step.as_wire(), step.outcome)).unwrap()
}

/// Proves: S1, S2, S7, S10, S11, C3, E7, E8, C8
#[test]
fn each_way_off_the_road_is_named_where_it_leaves() {
    use Applied::{CouldNotTell, None, Policy};
    use StepOutcome::{Ended, Passed, Unknown};
    type Row = (&'static str, fn(&mut Fake), Applied, (&'static str, StepOutcome), Rule);
    let rows: [Row; 15] = [
        ("enforced", |_| {}, Policy, ("mode", Passed), Rule::Sts),
        (
            "testing",
            |f| f.policy(&POLICY.replace("enforce", "testing")),
            Policy,
            ("mode", Passed),
            Rule::StsTesting,
        ),
        (
            "mode none",
            |f| f.policy(&POLICY.replace("enforce", "none")),
            None,
            ("mode", Ended),
            Rule::Opportunistic,
        ),
        ("no record", |f| f.txt("_mta-sts.example.test", &[]), None, ("record", Ended), Rule::Opportunistic),
        (
            "two records",
            |f| f.txt("_mta-sts.example.test", &["v=STSv1; id=1;", "v=STSv1; id=2;"]),
            None,
            ("choice", Ended),
            Rule::Opportunistic,
        ),
        (
            "DNS is out",
            |f| f.fail("_mta-sts.example.test", RecordKind::Txt, DnsFailure::TimedOut),
            CouldNotTell,
            ("record", Unknown),
            Rule::Opportunistic,
        ),
        (
            "no policy host",
            |f| f.addresses(POLICY_HOST, &[]),
            None,
            ("policy-host", Ended),
            Rule::Opportunistic,
        ),
        (
            "policy host not known",
            |f| {
                for kind in [RecordKind::A, RecordKind::Aaaa] {
                    f.fail(POLICY_HOST, kind, DnsFailure::TimedOut);
                }
            },
            CouldNotTell,
            ("policy-host", Unknown),
            Rule::Opportunistic,
        ),
        (
            "policy host over IPv6 only, on a machine without it",
            |f| {
                f.addresses(POLICY_HOST, &POLICY_ADDRESSES[1..]);
                let failure = ConnectFailure::Unreachable("Network is unreachable (os error 101)".to_owned());
                f.each_policy(|e| {
                    e.tls = Option::None;
                    e.outcome = Err(HttpsFailure::Connect(failure.clone()));
                });
            },
            CouldNotTell,
            ("fetch", Unknown),
            Rule::Opportunistic,
        ),
        ("nobody listens", |f| f.https.clear(), None, ("fetch", Ended), Rule::Opportunistic),
        (
            "self-signed",
            |f| f.each_policy(|e| e.tls = Some(session_with(&self_signed(&[POLICY_HOST])))),
            None,
            ("certificate", Ended),
            Rule::Opportunistic,
        ),
        (
            "for another name",
            |f| {
                let chain = f.authority.chain(&["www.example.test"], LONG);
                f.each_policy(|e| e.tls = Some(session_with(&chain)));
            },
            None,
            ("certificate", Ended),
            Rule::Opportunistic,
        ),
        (
            "redirect",
            |f| f.each_policy(|e| e.outcome.as_mut().unwrap().status = 302),
            None,
            ("fetch", Ended),
            Rule::Opportunistic,
        ),
        (
            "compressed",
            |f| f.each_policy(|e| e.outcome.as_mut().unwrap().content_encoding = Some(b"gzip".to_vec())),
            None,
            ("fetch", Ended),
            Rule::Opportunistic,
        ),
        ("malformed", |f| f.policy("hello"), None, ("policy", Ended), Rule::Opportunistic),
    ];
    for (name, apply, result, last, rule) in rows {
        let mut fake = Fake::healthy();
        apply(&mut fake);
        let explanation = explain(&fake, DOMAIN);
        assert_eq!(explanation.result, result, "{name}");
        assert_eq!(last_step(&explanation), last, "{name}: {:?}", explanation.steps);
        assert_eq!(rules(&explanation), [rule, rule], "{name}");
        let json = explanation.to_json();
        assert!(json.contains("\"next_hop\":\"example.test\""), "{json}");
    }
}

/// Proves: E1, E2, K1
#[test]
fn dane_comes_before_mta_sts_and_never_widens_it() {
    let fake = Fake::healthy_with_dane();
    assert_eq!(rules(&explain(&fake, DOMAIN)), [Rule::Dane, Rule::Dane]);

    let mut fake = Fake::healthy_with_dane();
    fake.tlsa(MX[0], &[]);
    fake.tlsa(MX[1], &[(1, 1, 1, vec![7; 32])]);
    fake.sign("");
    assert_eq!(rules(&explain(&fake, DOMAIN)), [Rule::Sts, Rule::Sts]);

    let mut fake = Fake::healthy_with_dane();
    fake.txt("_mta-sts.example.test", &[]);
    fake.tlsa(MX[1], &[(1, 1, 1, vec![7; 32])]);
    fake.sign("");
    assert_eq!(rules(&explain(&fake, DOMAIN)), [Rule::Dane, Rule::Encrypt]);

    let mut fake = Fake::healthy_with_dane();
    fake.fail("_25._tcp.mx1.example.test", RecordKind::Tlsa, DnsFailure::Server("SERVFAIL".to_owned()));
    fake.policy(&POLICY.replace("mx: mx2.example.test\r\n", ""));
    assert_eq!(rules(&explain(&fake, DOMAIN)), [Rule::Refused, Rule::Refused]);

    let mut fake = Fake::healthy_with_dane();
    fake.dnssec = Dnssec::Unusable("no AD bit".to_owned());
    let explanation = explain(&fake, DOMAIN);
    assert_eq!(rules(&explanation), [Rule::Sts, Rule::Sts]);
    assert!(explanation.steps.iter().any(|step| step.text.contains("no AD bit")));
}

/// Proves: S4, S6
#[test]
fn a_relay_has_a_policy_and_an_address_has_none() {
    let mut fake = Fake::healthy();
    fake.addresses(DOMAIN, &["192.0.2.9"]);
    fake.policy(&POLICY.replace(MX[0], DOMAIN));
    let explanation = explain(&fake, "[example.test]:587");
    assert_eq!((explanation.hosts[0].host.as_str(), rules(&explanation)), (DOMAIN, vec![Rule::Sts]));
    assert_eq!(explanation.domain.as_deref(), Some(DOMAIN));
    assert_eq!(explanation.result, Applied::Policy);
    assert!(fake.asked.lock().unwrap().iter().all(|(_, kind)| *kind != RecordKind::Mx));
    for literal in ["192.0.2.1", "[IPv6:2001:db8::1]"] {
        let explanation = explain(&fake, literal);
        assert_eq!((explanation.result, explanation.domain), (Applied::None, None));
        assert_eq!(explanation.steps.len(), 1);
    }
}

/// RFC 7672 §2.2.3: the TLSA records of a relay stand under the port that is spoken to.
#[test]
fn the_tlsa_records_of_a_relay_are_those_of_its_port() {
    let mut fake = Fake::healthy();
    fake.addresses(DOMAIN, &["192.0.2.9"]);
    let record = RecordData::Tlsa { usage: 3, selector: 1, matching: 1, data: vec![7; 32] };
    fake.put("_587._tcp.example.test", RecordKind::Tlsa, vec![record]);
    fake.dnssec = Dnssec::Validated;
    fake.sign("");
    fake.txt("_mta-sts.example.test", &[]);
    for (next_hop, rule) in [
        ("[example.test]:587", Rule::Dane),
        ("[example.test]:submission", Rule::Dane),
        ("[example.test]", Rule::Opportunistic),
    ] {
        assert_eq!(rules(&explain(&fake, next_hop)), [rule], "{next_hop}");
    }
}

/// Proves: S7
#[test]
fn nothing_is_requested_over_a_certificate_that_does_not_hold() {
    let mut fake = Fake::healthy();
    fake.each_policy(|e| e.tls = Some(session_with(&self_signed(&[POLICY_HOST]))));
    let explanation = explain(&fake, DOMAIN);
    assert!(explanation.steps.iter().all(|step| step.step.as_wire() != "fetch"));
    assert!(explanation.policy.is_none());
}
