use mta_sts::record::PolicyId;

use super::*;
use crate::publish::zone::snippet;

fn domain(text: &str) -> PolicyDomain {
    PolicyDomain::parse(text).unwrap()
}

/// With a policy, and what announces it.
fn wanted(id: Option<&str>) -> Desired {
    Desired {
        reporting: DesiredText::Is("v=TLSRPTv1; rua=mailto:tlsrpt@example.org".to_owned()),
        host: true,
        id: id.map_or(DesiredText::Leave, |id| DesiredText::Is(PolicyId::parse(id).unwrap())),
    }
}

fn own(host: HostAt) -> Place {
    Place { zone: Zone::Own, host, issuers: vec!["letsencrypt.org".to_owned()], ttls: Ttls::default() }
}

fn alias() -> HostAt {
    HostAt::Alias(DnsName::parse("policy.tlsward.example").unwrap())
}

fn addresses() -> HostAt {
    HostAt::Addresses { v4: vec!["192.0.2.1".parse().unwrap()], v6: vec!["2001:db8::1".parse().unwrap()] }
}

const ID: Option<&str> = Some("20261124T162300Z");

fn text(wanted: &Desired, place: &Place) -> String {
    snippet(&desired(&domain("example.org"), wanted, place, false).unwrap())
}

/// Proves: D1, D2, D6, G1
#[test]
fn a_domain_has_three_records_and_the_announcement_is_the_last() {
    assert_eq!(
        text(&wanted(ID), &own(alias())),
        "_smtp._tls.example.org. 86400 IN TXT \"v=TLSRPTv1; rua=mailto:tlsrpt@example.org\"\n\
         mta-sts.example.org. 3600 IN CNAME policy.tlsward.example.\n\
         _mta-sts.example.org. 300 IN TXT \"v=STSv1; id=20261124T162300Z;\"\n"
    );
}

/// Proves: D16
#[test]
fn nothing_is_announced_before_the_body_was_seen_outside() {
    let written = text(&wanted(None), &own(alias()));
    assert!(written.contains("mta-sts.example.org. 3600 IN CNAME"), "{written}");
    assert!(!written.contains("_mta-sts"), "{written}");
}

#[test]
fn a_domain_that_only_asks_for_reports_has_no_policy_host_unless_an_id_is_announced() {
    let only = text(&Desired { host: false, ..wanted(None) }, &own(alias()));
    assert_eq!(only.lines().count(), 1, "{only}");
    // As long as the id is out, senders come for the policy.
    let stranded = text(&Desired { host: false, ..wanted(ID) }, &own(alias()));
    assert_eq!(stranded.lines().count(), 3, "{stranded}");
}

#[test]
fn who_may_issue_is_said_beside_addresses_and_never_beside_an_alias() {
    let written = text(&wanted(None), &own(addresses()));
    assert!(written.contains("mta-sts.example.org. 3600 IN A 192.0.2.1\n"), "{written}");
    assert!(written.contains("mta-sts.example.org. 3600 IN AAAA 2001:db8::1\n"), "{written}");
    assert!(written.contains("mta-sts.example.org. 3600 IN CAA 0 issue \"letsencrypt.org\"\n"), "{written}");
    assert!(!text(&wanted(None), &own(alias())).contains("CAA"));

    let of_account = Place {
        issuers: vec!["letsencrypt.org; accounturi=https://acme.example/1".to_owned()],
        ..own(addresses())
    };
    let written = text(&wanted(None), &of_account);
    assert!(written.contains("issue \"letsencrypt.org; accounturi=https://acme.example/1\""), "{written}");
    for wrong in ["", ";", "let's encrypt", "a.example; x=\n", "a.example; x=é"] {
        let place = Place { issuers: vec![wrong.to_owned()], ..own(addresses()) };
        let refused = desired(&domain("example.org"), &wanted(None), &place, false);
        assert!(matches!(refused, Err(DesiredError::Issuer(_))), "{wrong:?}");
    }
    let nowhere = own(HostAt::Addresses { v4: Vec::new(), v6: Vec::new() });
    let refused = desired(&domain("example.org"), &wanted(None), &nowhere, false);
    assert_eq!(refused, Err(DesiredError::NoHost));
}

/// Proves: D5, D18
#[test]
fn with_a_zone_of_ours_the_owner_writes_three_aliases_once() {
    let place =
        Place { zone: Zone::Embedded(DnsName::parse("sts.tlsward.example").unwrap()), ..own(addresses()) };
    let aliases = snippet(&delegation(&domain("example.org"), &place).unwrap());
    assert_eq!(
        aliases,
        "_smtp._tls.example.org. 3600 IN CNAME _smtp._tls.example.org.sts.tlsward.example.\n\
         mta-sts.example.org. 3600 IN CNAME mta-sts.example.org.sts.tlsward.example.\n\
         _mta-sts.example.org. 3600 IN CNAME _mta-sts.example.org.sts.tlsward.example.\n"
    );
    let written = desired(&domain("example.org"), &wanted(ID), &place, false).unwrap();
    assert_eq!(written.len(), 5);
    assert!(written.iter().all(|set| set.name.ends_with(".example.org.sts.tlsward.example")), "{written:?}");
    assert_eq!(delegation(&domain("example.org"), &own(alias())), Ok(Vec::new()));
}

#[test]
fn a_name_that_dns_cannot_hold_is_refused_by_name() {
    let label = "a".repeat(60);
    let long = domain(&format!("{label}.{label}.{label}.{label}"));
    // 243 bytes: room for `_mta-sts.`, none for `_smtp._tls.`.
    let refused = desired(&long, &wanted(None), &own(alias()), false);
    assert!(matches!(refused, Err(DesiredError::NameTooLong { bytes: 254, .. })), "{refused:?}");

    let fits = domain(&format!("{label}.{label}.{label}.{}", &label[1..]));
    assert!(desired(&fits, &wanted(None), &own(alias()), false).is_ok());
    let place = Place { zone: Zone::Embedded(DnsName::parse("z").unwrap()), ..own(alias()) };
    assert!(matches!(delegation(&fits, &place), Err(DesiredError::NameTooLong { .. })));
}

/// A domain that is taken over may have had an alias where addresses come, and the other way round.
#[test]
fn what_has_no_room_beside_a_record_is_taken_away_before_it() {
    let words = |place: &Place| -> Vec<String> {
        let sets = desired(&domain("example.org"), &wanted(ID), place, false).unwrap();
        let sets = to_write(&sets);
        let word = |set: &RecordSet| {
            let sign = if set.values.is_empty() { '-' } else { '+' };
            format!("{sign}{} {}", set.kind.as_wire(), set.name.trim_end_matches(".example.org"))
        };
        sets.iter().map(word).collect()
    };
    assert_eq!(
        words(&own(alias())),
        [
            "-CNAME _smtp._tls",
            "-A mta-sts",
            "-AAAA mta-sts",
            "-CAA mta-sts",
            "-TXT mta-sts",
            "-CNAME _mta-sts",
            "+TXT _smtp._tls",
            "+CNAME mta-sts",
            "+TXT _mta-sts"
        ]
    );
    assert_eq!(
        words(&own(addresses())),
        [
            "-CNAME _smtp._tls",
            "-CNAME mta-sts",
            "-CNAME _mta-sts",
            "+TXT _smtp._tls",
            "+A mta-sts",
            "+AAAA mta-sts",
            "+CAA mta-sts",
            "+TXT _mta-sts"
        ]
    );
}

/// Proves: D19
#[test]
fn at_the_end_the_announcement_goes_and_then_the_host_while_reports_are_still_asked_for() {
    let gone = |wanted: &Desired, had_host| -> Vec<String> {
        let sets = desired(&domain("example.org"), wanted, &own(alias()), had_host).unwrap();
        assert!(sets[0].name.starts_with("_smtp._tls") && !sets[0].values.is_empty());
        sets.into_iter().filter(|set| set.values.is_empty()).map(|set| set.name).collect()
    };
    let first = Desired { id: DesiredText::Absent, ..wanted(None) };
    assert_eq!(gone(&first, true), ["_mta-sts.example.org"]);
    let then = Desired { host: false, ..first };
    assert_eq!(gone(&then, true)[0], "_mta-sts.example.org");
    assert_eq!(gone(&then, true)[1..], ["mta-sts.example.org"; 4]);
    assert_eq!(gone(&Desired { id: DesiredText::Leave, ..then.clone() }, true), ["mta-sts.example.org"; 4]);
    // A host that was never ours may be a web site.
    assert_eq!(gone(&Desired { id: DesiredText::Leave, ..then }, false), [""; 0]);
}
