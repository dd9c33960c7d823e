//! What is published against what should be.

use mta_sts::mx::MxPattern;
use mta_sts::name::DnsName;
use mta_sts::policy::MaxAge;
use mta_sts::record::PolicyId;
use tlsward_engine::ports::{DnsFailure, HttpsFailure, RecordKind, TlsFailure};
use tlsward_engine::publish::drift::{Drift, Wanted, drift};
use tlsward_engine::publish::records::{HostAt, Place, Ttls, Zone};
use tlsward_engine::publish::show::show;
use tlsward_engine::publish::{Desired, DesiredText, Stage, Wish};

use crate::chains::NOW;
use crate::fake::{DOMAIN, Fake, MX, POLICY, POLICY_HOST};
use crate::look;

fn wish() -> Wish {
    Wish {
        stage: Stage::Enforce,
        mx: MX.iter().map(|mx| MxPattern::parse(mx).unwrap()).collect(),
        rua: vec!["mailto:reports@reports.test".to_owned()],
        max_age: Some(MaxAge::from_secs(2_419_200).unwrap()),
    }
}

fn desired() -> Desired {
    Desired {
        reporting: DesiredText::Is(wish().reporting_record().unwrap().unwrap()),
        host: true,
        id: DesiredText::Is(PolicyId::parse("20270101T000000").unwrap()),
    }
}

fn place() -> Place {
    Place {
        zone: Zone::Own,
        host: HostAt::Addresses {
            v4: vec!["192.0.2.80".parse().unwrap()],
            v6: vec!["2001:db8::80".parse().unwrap()],
        },
        issuers: Vec::new(),
        ttls: Ttls::default(),
    }
}

fn found_with(fake: &Fake, wish: &Wish, desired: &Desired, place: &Place) -> Vec<Drift> {
    let wanted = Wanted { wish, desired, body: Some(POLICY.as_bytes()), place };
    drift(&wanted, &look(fake), &fake.authority.roots(), NOW).unwrap()
}

fn found(fake: &Fake) -> Vec<Drift> {
    found_with(fake, &wish(), &desired(), &place())
}

fn codes(found: &[Drift]) -> Vec<&'static str> {
    found.iter().map(|drift| drift.code.as_wire()).collect()
}

fn spoilt(spoil: impl Fn(&mut Fake)) -> Vec<&'static str> {
    let mut fake = Fake::healthy();
    spoil(&mut fake);
    codes(&found(&fake))
}

#[test]
fn a_domain_as_it_should_be_has_no_drift() {
    assert_eq!(spoilt(|_| {}), [""; 0]);
}

#[test]
fn each_difference_has_its_code() {
    let sts = "_mta-sts.example.test";
    let tlsrpt = "_smtp._tls.example.test";
    assert_eq!(spoilt(|fake| fake.txt(sts, &[])), ["record-missing"]);
    assert_eq!(spoilt(|fake| fake.txt(sts, &["v=STSv1; id=other;"])), ["record-other-id"]);
    let two = ["v=STSv1; id=20270101T000000;", "v=STSv1; id=other;"];
    assert_eq!(spoilt(|fake| fake.txt(sts, &two)), ["sts-record-multiple"]);
    assert_eq!(spoilt(|fake| fake.fail(sts, RecordKind::Txt, DnsFailure::TimedOut)), ["dns-failed"]);

    assert_eq!(spoilt(|fake| fake.txt(tlsrpt, &[])), ["reporting-missing"]);
    assert_eq!(
        spoilt(|fake| fake.txt(tlsrpt, &["v=TLSRPTv1; rua=mailto:else@reports.test"])),
        ["rua-missing", "rua-foreign"]
    );

    assert_eq!(spoilt(|fake| fake.policy(&POLICY.replace("enforce", "testing"))), ["policy-differs"]);
    assert_eq!(
        spoilt(|fake| fake.each_policy(|exchange| {
            exchange.outcome.as_mut().unwrap().content_type = Some(b"text/html".to_vec());
        })),
        ["policy-media-type"]
    );
    assert_eq!(
        spoilt(|fake| fake.each_policy(|exchange| exchange.outcome.as_mut().unwrap().status = 404)),
        ["policy-missing", "policy-http-status"]
    );
    assert_eq!(spoilt(|fake| fake.addresses(POLICY_HOST, &[])), ["policy-missing", "policy-host-missing"]);
    assert_eq!(
        spoilt(|fake| fake.each_policy(|exchange| {
            exchange.tls = None;
            exchange.outcome = Err(HttpsFailure::Tls(TlsFailure::Alert("unrecognized_name".to_owned())));
        })),
        ["policy-missing", "policy-host-tls-failed"]
    );
}

/// Whoever can change DNS could otherwise widen the policy.
#[test]
fn an_mx_host_that_the_policy_does_not_name_is_an_alert_at_once() {
    let mut fake = Fake::healthy();
    fake.mx(DOMAIN, &[(10, MX[0]), (20, MX[1]), (30, "evil.test")]);
    let one = found(&fake);
    assert_eq!(codes(&one), ["mx-not-in-policy"]);
    assert!(one[0].is_urgent());
    assert_eq!(one[0].subject, "evil.test");
    assert!(one[0].text.contains("The policy stays as it is"), "{}", one[0].text);
    assert!(one[0].fix.contains("tlsward domain mx add example.test evil.test"), "{}", one[0].fix);

    fake.mx(DOMAIN, &[(30, "evil.test")]);
    assert_eq!(
        codes(&found(&fake)),
        ["no-mx-in-policy", "mx-not-in-policy", "policy-pattern-unused", "policy-pattern-unused"]
    );
    // Who takes no mail, and who could not be asked, forgot no host.
    fake.mx(DOMAIN, &[(0, "")]);
    assert_eq!(codes(&found(&fake)), [""; 0]);
    fake.fail(DOMAIN, RecordKind::Mx, DnsFailure::TimedOut);
    assert_eq!(codes(&found(&fake)), ["dns-failed"]);
}

#[test]
fn a_policy_host_that_leads_elsewhere_is_named_where_another_policy_is_served() {
    let mut fake = Fake::healthy();
    fake.alias(POLICY_HOST, RecordKind::A, "old.provider.test");
    fake.policy(&POLICY.replace("enforce", "none"));
    let elsewhere = Place { host: HostAt::Alias(DnsName::parse("ours.test").unwrap()), ..place() };
    let one = found_with(&fake, &wish(), &desired(), &elsewhere);
    assert_eq!(codes(&one), ["policy-differs", "policy-host-elsewhere"]);
    assert!(one[0].text.contains("its mode is none instead of enforce"), "{}", one[0].text);
    assert!(one[1].text.contains("old.provider.test"), "{}", one[1].text);
    assert!(one[1].fix.contains("mta-sts.example.test. 3600 IN CNAME ours.test."), "{}", one[1].fix);

    // With a zone of ours, it is the owner's alias that is missing.
    let embedded = Place { zone: Zone::Embedded(DnsName::parse("z.test").unwrap()), ..place() };
    let one = found_with(&fake, &wish(), &desired(), &embedded);
    assert!(
        one[1].fix.contains("mta-sts.example.test. 3600 IN CNAME mta-sts.example.test.z.test."),
        "{}",
        one[1].fix
    );
    // A provider may flatten aliases to addresses: that is no difference as long as the policy is ours.
    assert_eq!(codes(&found_with(&Fake::healthy(), &wish(), &desired(), &elsewhere)), [""; 0]);
}

#[test]
fn what_is_not_wanted_yet_is_not_missed() {
    let mut fake = Fake::healthy();
    fake.txt("_mta-sts.example.test", &[]);
    fake.txt("_smtp._tls.example.test", &[]);
    fake.addresses(POLICY_HOST, &[]);
    let nothing = Desired { reporting: DesiredText::Leave, host: false, id: DesiredText::Leave };
    let reporting = Wish { stage: Stage::Reporting, ..wish() };
    let (place, roots) = (place(), fake.authority.roots());
    let wanted = Wanted { wish: &reporting, desired: &nothing, body: None, place: &place };
    assert_eq!(drift(&wanted, &look(&fake), &roots, NOW), Ok(Vec::new()));
}

#[test]
fn every_fix_has_the_record_with_the_id_that_is_wanted() {
    let mut fake = Fake::healthy();
    fake.txt("_mta-sts.example.test", &["v=STSv1; id=20270101T000000;", "v=STSv1; id=other;"]);
    let one = found(&fake);
    assert!(one[0].fix.contains("\"v=STSv1; id=20270101T000000;\""), "{}", one[0].fix);
}

#[test]
fn what_is_seen_stands_beside_what_should_be() {
    let mut fake = Fake::healthy();
    fake.txt("_mta-sts.example.test", &["v=STSv1; id=other\u{1b}[2J;"]);
    let (wish, desired, place) = (wish(), desired(), place());
    let wanted = Wanted { wish: &wish, desired: &desired, body: Some(POLICY.as_bytes()), place: &place };
    let shown = show(&wanted, &look(&fake), &fake.authority.roots(), NOW).unwrap();
    assert_eq!(shown.rows.len(), 5);
    let text = shown.to_text();
    assert!(text.contains("should be mta-sts.example.test. 3600 IN A 192.0.2.80"), "{text}");
    assert!(text.contains("MX 10 mx1.example.test."), "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    let json = serde_json::to_value(&shown).unwrap();
    assert_eq!(json["rows"][2]["place"], "https://mta-sts.example.test/.well-known/mta-sts.txt");
    assert_eq!(json["rows"][2]["wanted"], json["rows"][2]["seen"]);
}
