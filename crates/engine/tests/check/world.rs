//! How the check goes about the world: what it asks, what it bounds, what it reports of a healthy domain.

use tlsward_engine::check::{
    Code, Finding, Level, MAX_ADDRESSES, MAX_HOSTS, MAX_PATTERNS, Report, Snapshot, Verdict,
};
use tlsward_engine::ports::{ConnectFailure, DnsReply, HttpsFailure, RecordData, RecordKind, SmtpOutcome};

use crate::chains::LONG;
use crate::fake::{
    DOMAIN, Fake, MX, MX_ADDRESSES, POLICY, POLICY_ADDRESSES, POLICY_HOST, ip, policy_answer, run,
};
use crate::{check, codes, options};

/// Proves: E2, E3
#[test]
fn a_healthy_domain_has_no_finding_and_every_fact() {
    let report = check(&Fake::healthy_with_dane());
    assert_eq!(report.verdict, Verdict::Delivers);
    assert_eq!(report.worst(), None::<Level>, "{:?}", codes(&report));
    let policy = report.policy.as_ref().unwrap();
    assert_eq!(
        (policy.mode, policy.max_age, policy.id.as_deref()),
        ("enforce", 2_419_200, Some("20270101T000000"))
    );
    for (mx, host) in report.mx.iter().zip(MX) {
        assert_eq!(mx.host, host);
        assert_eq!((mx.used, mx.in_policy, mx.dane), (Some(true), Some(true), "pass"));
        assert_eq!(mx.addresses.len(), 2);
        assert!(mx.addresses.iter().all(|address| {
            address.outcome == "good"
                && address.tls == Some("TLS 1.3")
                && address.expires_in_days == Some(350)
        }));
    }
    assert_eq!(report.tlsrpt.len(), 1);
    assert_eq!(report.dnssec, "validated");
}

/// Every question costs somebody something: a healthy domain is asked at right names only, and nothing twice.
#[test]
fn a_healthy_domain_is_asked_no_question_twice() {
    let fake = Fake::healthy_with_dane();
    check(&fake);
    let mut asked = fake.asked.lock().unwrap().clone();
    let all = asked.len();
    asked.sort();
    asked.dedup();
    assert_eq!(asked.len(), all);
    assert!(asked.iter().all(|(name, _)| !name.contains("_mta_sts")), "{asked:?}");
    assert!(all <= 20, "{all} questions");
}

/// A domain whose servers stay silent gives a report of the rest when the time is over.
#[test]
fn the_time_limit_leaves_a_report_of_what_was_seen() {
    let mut fake = Fake::healthy();
    fake.silent = MX_ADDRESSES[1].iter().map(|address| ip(address)).collect();
    fake.hurry = true;
    let report = check(&fake);
    assert_eq!(codes(&report), ["time-limit-reached"]);
    assert_eq!(report.verdict, Verdict::Unknown);
    assert_eq!(report.mx[1].used, None);
}

/// A hostile domain costs a bounded number of probes, and says so.
#[test]
fn more_hosts_and_addresses_than_the_limits_are_cut_and_noted() {
    let mut fake = Fake::healthy();
    let names: Vec<String> = (0..100).map(|number| format!("m{number:03}.example.test")).collect();
    let list: Vec<(u16, &str)> = names.iter().map(|name| (10, name.as_str())).collect();
    fake.mx(DOMAIN, &list);
    let addresses: Vec<String> = (1..=50).map(|number| format!("198.51.100.{number}")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    for name in &names {
        fake.addresses(name, &addresses);
    }
    let chain = fake.authority.chain(&["*.example.test"], LONG);
    for address in addresses {
        fake.session(address, &chain);
    }
    let report = check(&fake);
    assert_eq!(report.mx.len(), MAX_HOSTS);
    assert!(report.mx.iter().all(|mx| mx.addresses.len() == MAX_ADDRESSES));
    assert!(codes(&report).contains(&"limit-reached"));
}

/// What a stranger puts into records and answers stays text, however it is made.
#[test]
fn hostile_texts_reach_no_terminal() {
    let mut fake = Fake::healthy();
    let evil = "v=STSv1; id=\u{1b}]0;x\u{7};\u{202e}";
    fake.txt("_mta-sts.example.test", &[evil]);
    fake.put(
        "_smtp._tls.example.test",
        RecordKind::Txt,
        vec![RecordData::Txt(vec![[b"v=TLSRPTv1; rua=".as_slice(), &[0xff, 0x1b, b'[']].concat()])],
    );
    fake.policy(&format!("{POLICY}\u{1b}[2J: x\r\n"));
    let json = check(&fake).to_json();
    assert!(!json.contains(|c: char| c.is_control() || c == '\u{202e}'), "{json}");
}

/// The future needs no runtime and may move between threads.
#[test]
fn the_check_is_send() {
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    let fake = Fake::healthy();
    let domain = mta_sts::policy_domain::PolicyDomain::parse(DOMAIN).unwrap();
    let roots = fake.authority.roots();
    let options = options();
    let future = tlsward_engine::check::check(&fake, &roots, &domain, &options, crate::chains::NOW);
    assert_eq!(run(is_send(future)).verdict, Verdict::Delivers);
}

/// What this machine lacks is no fault of the domain; what one host lacks is.
#[test]
fn a_machine_without_ipv6_blames_nobody() {
    let unreachable = ConnectFailure::Unreachable("Network is unreachable (os error 101)".to_owned());
    let mut fake = Fake::healthy();
    for [_, v6] in MX_ADDRESSES {
        fake.outcome(v6, &SmtpOutcome::NotReached(unreachable.clone()));
    }
    fake.https.get_mut(&(POLICY_HOST.to_owned(), ip(POLICY_ADDRESSES[1]))).unwrap().outcome =
        Err(HttpsFailure::Connect(unreachable));
    let report = check(&fake);
    assert_eq!(codes(&report), ["ipv6-not-testable"]);
    assert_eq!(report.verdict, Verdict::Delivers);

    fake.outcome(MX_ADDRESSES[0][1], &SmtpOutcome::NotReached(ConnectFailure::Refused));
    assert_eq!(codes(&check(&fake)), ["policy-host-unreachable", "mx-unreachable", "mx-unreachable"]);
}

/// Where the policy is served over IPv6 only, a machine without it knows nothing of the policy.
#[test]
fn a_policy_host_that_a_machine_without_ipv6_cannot_reach_is_unknown_and_not_broken() {
    let unreachable = ConnectFailure::Unreachable("Network is unreachable (os error 101)".to_owned());
    let mut fake = Fake::healthy();
    fake.addresses(POLICY_HOST, &POLICY_ADDRESSES[1..]);
    let key = |address: &str| (POLICY_HOST.to_owned(), ip(address));
    fake.https.get_mut(&key(POLICY_ADDRESSES[1])).unwrap().outcome =
        Err(HttpsFailure::Connect(unreachable.clone()));
    for [_, v6] in MX_ADDRESSES {
        fake.outcome(v6, &SmtpOutcome::NotReached(unreachable.clone()));
    }
    let report = check(&fake);
    assert_eq!(codes(&report), ["ipv6-not-testable"]);
    assert_eq!(report.verdict, Verdict::Unknown);

    // Over IPv4 nobody listens: over IPv6 somebody may.
    fake.addresses(POLICY_HOST, &POLICY_ADDRESSES);
    fake.https.remove(&key(POLICY_ADDRESSES[0]));
    let report = check(&fake);
    assert_eq!(codes(&report), ["policy-host-unreachable", "ipv6-not-testable"]);
    assert_eq!(report.verdict, Verdict::Unknown);

    // Over IPv4 there is an answer, and it is no policy.
    fake.serve(
        POLICY_HOST,
        POLICY_ADDRESSES[0],
        &fake.authority.chain(&[POLICY_HOST], LONG),
        policy_answer("x"),
    );
    assert_eq!(check(&fake).verdict, Verdict::Broken);
}

/// Two addresses of one host may show certificates of different ages: what is told is of the one that ends first.
#[test]
fn of_certificates_that_expire_soon_the_soonest_is_told_in_whatever_order_they_are_seen() {
    for [first, second] in [[18, 28], [28, 18]] {
        let mut fake = Fake::healthy();
        for (number, day) in [first, second].into_iter().enumerate() {
            let period = ((2026, 1, 1), (2027, 1, day));
            let chain = fake.authority.chain(&[MX[0]], period);
            fake.session(MX_ADDRESSES[0][number], &chain);
            let chain = fake.authority.chain(&[POLICY_HOST], period);
            fake.serve(POLICY_HOST, POLICY_ADDRESSES[number], &chain, policy_answer(POLICY));
        }
        let report = check(&fake);
        assert_eq!(codes(&report), ["policy-certificate-expires-soon", "mx-certificate-expires-soon"]);
        for finding in &report.findings {
            assert_eq!(finding.level, Level::Error, "{first} {second}: {}", finding.text);
            assert!(finding.text.contains("2027-01-18"), "{first} {second}: {}", finding.text);
        }
    }
}

/// A policy of 64 KiB costs neither thousands of findings nor megabytes of advice.
#[test]
fn a_policy_with_thousands_of_patterns_is_cut_and_noted() {
    let mut fake = Fake::healthy();
    let lines: String = (0..3000).map(|number| format!("mx: *.h{number}.net\r\n")).collect();
    fake.policy(&POLICY.replace("mx: mx2.example.test\r\n", &lines));
    let report = check(&fake);
    assert!(report.findings.len() <= MAX_PATTERNS + 2, "{}", report.findings.len());
    assert!(codes(&report).contains(&"limit-reached") && codes(&report).contains(&"mx-not-in-policy"));
    assert!(report.to_json().len() < 100_000, "{}", report.to_json().len());
}

/// Name servers turn the order of records round; the report does not.
#[test]
fn the_order_of_records_in_an_answer_changes_nothing() {
    let mut fake = Fake::healthy();
    fake.addresses(MX[1], &["192.0.2.2", "192.0.2.3", "2001:db8::2"]);
    fake.txt("_mta-sts.example.test", &["b", "v=STSv1; id=1;", "a"]);
    let before = check(&fake).to_json();
    for reply in fake.dns.values_mut() {
        if let DnsReply::Found(answer) = reply {
            answer.records.reverse();
        }
    }
    assert_eq!(check(&fake).to_json(), before);
}

/// The common case of a report address in the domain itself costs no second question.
#[test]
fn a_report_address_in_the_domain_itself_is_judged_by_the_domains_own_mx() {
    let mut fake = Fake::healthy();
    fake.txt("_smtp._tls.example.test", &["v=TLSRPTv1; rua=mailto:tlsrpt@example.test"]);
    let report = check(&fake);
    assert_eq!(codes(&report), [""; 0]);
    assert_eq!(report.tlsrpt[0].works, Some(true));
    let asked = fake.asked.lock().unwrap();
    assert_eq!(asked.iter().filter(|(name, kind)| name == DOMAIN && *kind == RecordKind::Mx).count(), 1);
}

/// Proves: D2
#[test]
fn two_checks_tell_whether_the_id_follows_the_policy() {
    let findings = |before: &Snapshot, after: &Report| -> Vec<Finding> {
        before.changes(&Snapshot::of(after)).iter().filter_map(|change| change.finding(after)).collect()
    };
    let mut fake = Fake::healthy();
    let before = Snapshot::of(&check(&fake));
    fake.policy(&POLICY.replace("\r\n", "\n"));
    assert_eq!(findings(&before, &check(&fake)), [], "other line ends are no other policy");

    fake.policy(&POLICY.replace("2419200", "1209600"));
    let found = findings(&before, &check(&fake));
    assert_eq!(found[0].code, Code::StsIdNotChanged);
    assert!(found[0].fix.contains("v=STSv1; id=20270115T080000Z;"), "{}", found[0].fix);

    fake.txt("_mta-sts.example.test", &["v=STSv1; id=2;"]);
    assert_eq!(findings(&before, &check(&fake)), []);

    fake.policy(POLICY);
    let found = findings(&before, &check(&fake));
    assert_eq!((found[0].code, found[0].level), (Code::StsIdChangedAlone, Level::Info));
}

/// What is offered for copying is right by the project's own reading, and cures what it is offered for.
#[test]
fn a_fix_can_be_published_as_it_stands() {
    let mut fake = Fake::healthy();
    fake.policy(&POLICY.replace("mx: mx2.example.test\r\n", ""));
    let report = check(&fake);
    let fix = report.findings[0].fix.clone();
    let body: String = fix
        .lines()
        .skip(1)
        .take_while(|line| !line.starts_with("Then"))
        .fold(String::new(), |body, line| body + line + "\n");
    let record = fix.split('"').nth(1).unwrap().to_owned();
    fake.policy(&body);
    fake.txt("_mta-sts.example.test", &[&record]);
    assert_eq!(codes(&check(&fake)), [""; 0]);
}
