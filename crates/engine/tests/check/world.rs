//! How the check goes about the world: what it asks, what it bounds, what it reports of a healthy domain.

use tlsward_engine::check::{Level, MAX_ADDRESSES, MAX_HOSTS, Verdict};
use tlsward_engine::ports::{RecordData, RecordKind};

use crate::chains::LONG;
use crate::fake::{DOMAIN, Fake, MX, MX_ADDRESSES, POLICY, ip, run};
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
