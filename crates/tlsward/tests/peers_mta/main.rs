//! The whole way, with real Postfix and Exim: mail to domains of the lab's world with every fault that matters, through
//! `tlsward serve` as the policy map and as the collector of sessions; what was delivered, what was kept back, and what
//! the day's reports say, against the RFCs. Everything runs in a network and a process tree of its own.

mod book;
mod cases;
#[path = "../../../../tests/support/debian.rs"]
mod debian;
mod exim;
mod house;
#[path = "../../../../tests/support/postfix.rs"]
mod postfix;
#[expect(dead_code, reason = "of the clients of the program one is used here")]
#[path = "../program/mod.rs"]
mod program;

use std::collections::BTreeMap;

use cases::{ATTACKED, CASES, End};
use debian::Debian;
use house::{Ends, House};
use postfix::version;
use serde_json::Value;
use tlsward_lab::world::{Attack, AttackKind, Scope};

/// The world's DNS.
const DNS: &str = "127.0.0.1:53";
/// Nobody answers there.
const NO_DNS: &str = "127.0.0.9:53";

/// Sends to every domain, then lets the attacker in, then restarts tlsward with its DNS down: whatever arrives where it
/// must not is a failure of this test.
fn deliveries(house: &mut House<'_>) {
    let mut tlsward = house.tlsward(DNS, 0);
    let postfix = house.postfix();
    let domains: Vec<&str> = CASES.iter().map(|case| case.domain).collect();
    let ends = house.mail(&postfix, &domains);
    must_end(&ends, house);
    as_the_book_says(house);
    if house.reports {
        house.until_counted(CASES.iter().map(cases::Case::sessions).sum());
    }
    attack(house);
    for dns in [DNS, NO_DNS] {
        if dns == NO_DNS {
            tlsward.stop();
            tlsward = house.tlsward(NO_DNS, 0);
        }
        let ends = house.mail(&postfix, &[ATTACKED]);
        let (end, status) = &ends[ATTACKED];
        assert_eq!(*end, End::Kept, "{dns}: {status}");
        assert!(status.contains("TLS is required, but was not offered"), "{dns}: {status}\n{}", house.said());
    }
    tlsward.stop();
}

/// What docs/postfix.md tells people to look at, and how an old Postfix passes reports on.
fn as_the_book_says(house: &House<'_>) {
    let answer = "secure match=mx1.good.test servername=hostname".to_owned();
    let map = "socketmap:inet:127.0.0.1:8462:tlsward";
    assert_eq!(house.debian.run("postmap", &["-q", "good.test", map]), (answer, String::new()));
    assert_eq!(house.debian.run("postmap", &["-q", "dane.test", map]).0, "dane");
    assert_eq!(house.debian.run("postmap", &["-q", "no-record.test", map]), Default::default());
    let at = ["--config", "/etc/tlsward/tlsward.toml"];
    let (why, errors) = house.debian.run("tlsward", &[&["policy", "good.test"], &at[..]].concat());
    assert!(why.contains("an MTA-STS policy applies") && errors.is_empty(), "{why}{errors}");
    if house.reports {
        let (records, errors) = house.debian.run("tlsward", &[&["report", "dkim"], &at[..]].concat());
        assert_eq!(records.matches("._domainkey.sender.example.").count(), 2, "{records}{errors}");
    } else {
        house::hand_over("127.0.0.1:10026", "tlsrpt@expired.test");
        let mails = house.mails(1);
        assert_eq!((mails.len(), mails[0].mx.as_str()), (1, "mx1.expired.test"));
    }
}

/// Every mail came to the end that its case demands.
fn must_end(ends: &Ends, house: &House<'_>) {
    let mut wrong = String::new();
    for case in CASES {
        let (end, status) = &ends[case.domain];
        if *end != case.end {
            wrong.push_str(&format!("{}: {end:?}, {status}; but {}\n", case.domain, case.because));
        }
    }
    assert!(wrong.is_empty(), "{wrong}\nOf all:\n{ends:#?}\n{}", house.said());
}

/// RFC 8461 §10.2, §10.3: who strips STARTTLS after the first contact must get nothing.
fn attack(house: &mut House<'_>) {
    house.edit(|world| {
        let kind = AttackKind::StripStartTls { domain: ATTACKED.to_owned() };
        world.attacks.push(Attack { from: 0, until: i64::MAX, scope: Scope::Everyone, kind });
    });
}

/// By policy domain of the report: its rows as the cases have them.
type Reports = BTreeMap<String, Vec<(String, u64, u64, Vec<String>)>>;

fn reports(house: &House<'_>) -> Reports {
    // Of DANE the MX host gets one too, since it has a record of its own in this world (RFC 8460 §1.1).
    let dane = CASES.iter().filter(|case| case.report.iter().any(|row| row.0 == "tlsa")).count();
    let expected = CASES.iter().filter(|case| !case.report.is_empty()).count() + dane;
    let postfix = house.postfix();
    let tlsward = house.tlsward(DNS, 30);
    let mails = house.mails(expected);
    let mut reports = Reports::new();
    for mail in &mails {
        assert!(mail.from.ends_with("@sender.example"), "{mail:?}");
        let ran = program::run_with(&["read", "--json", "-"], &mail.message);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
        let report: Value = serde_json::from_str(&ran.out).expect("JSON");
        assert_eq!(report["tlsward"]["repairs"], Value::Array(vec![]));
        for policy in report["policies"].as_array().expect("policies") {
            let count = |name: &str| policy["summary"][name].as_u64().expect("a count");
            let rows = policy["failure-details"].as_array().cloned().unwrap_or_default();
            let mut kinds: Vec<String> =
                rows.iter().map(|row| row["result-type"].as_str().expect("a type").to_owned()).collect();
            kinds.dedup();
            let of = policy["policy"]["policy-type"].as_str().expect("a type").to_owned();
            let row =
                (of, count("total-successful-session-count"), count("total-failure-session-count"), kinds);
            // The mail says about whom it is.
            let text = String::from_utf8_lossy(&mail.message);
            let about =
                text.lines().find_map(|line| line.strip_prefix("TLS-Report-Domain: ")).expect("a header");
            reports.entry(about.to_owned()).or_default().push(row);
        }
    }
    // Under faketime there is a process between, which keeps a signal to itself.
    drop(tlsward);
    drop(postfix);
    reports
}

fn compare(reports: &Reports, said: &str) {
    let mut wrong = String::new();
    for case in CASES {
        let expected: Vec<_> = case
            .report
            .iter()
            .map(|(kind, met, failed, kinds)| {
                (
                    (*kind).to_owned(),
                    *met,
                    *failed,
                    kinds.iter().map(|kind| (*kind).to_owned()).collect::<Vec<_>>(),
                )
            })
            .collect();
        let found = reports.get(case.domain).cloned().unwrap_or_default();
        if found != expected {
            wrong.push_str(&format!("{}: {found:?}, not {expected:?}: {}\n", case.domain, case.because));
        }
    }
    assert!(wrong.is_empty(), "{wrong}\nOf all:\n{reports:#?}\n{said}");
}

#[test]
#[ignore = "makes a Debian 13 in a folder: needs root, mmdebstrap and a mirror"]
fn with_exim_set_up_as_documented_mail_goes_where_the_rfcs_let_it_go() {
    let test = "with_exim_set_up_as_documented_mail_goes_where_the_rfcs_let_it_go";
    let Some(debian) = debian::inside(test, "trixie", "exim4-daemon-heavy") else { return };
    let mut house = House::new(&debian, false);
    let tlsward = house.tlsward(DNS, 0);
    exim::configure(&debian);
    let domains: Vec<&str> = CASES.iter().map(|case| case.domain).collect();
    let ends = exim::mail(&house, &domains);
    must_end(&ends, &house);
    attack(&mut house);
    let (end, words) = &exim::mail(&house, &[ATTACKED])[ATTACKED];
    assert_eq!(*end, End::Kept, "{words}");
    tlsward.stop();
    let (end, words) = &exim::mail(&house, &["no-record.test"])["no-record.test"];
    assert_eq!(*end, End::Kept, "nobody tells of policies: {words}");
    let tlsward = house.tlsward(NO_DNS, 0);
    let (end, words) = &exim::mail(&house, &[ATTACKED])[ATTACKED];
    assert_eq!(*end, End::Kept, "{words}");
    tlsward.stop();
}

#[test]
#[ignore = "makes a Debian 12 in a folder: needs root, mmdebstrap and a mirror"]
fn with_postfix_3_7_mail_goes_where_the_rfcs_let_it_go() {
    let test = "with_postfix_3_7_mail_goes_where_the_rfcs_let_it_go";
    let Some(debian) = debian::inside(test, "bookworm", "postfix") else { return };
    assert!(version(&debian).starts_with("3.7."));
    deliveries(&mut House::new(&debian, false));
}

fn delivered_and_reported(debian: &Debian) {
    let mut house = House::new(debian, true);
    deliveries(&mut house);
    compare(&reports(&house), &house.said());
}

#[test]
#[ignore = "makes a Debian 13 in a folder: needs root, mmdebstrap and a mirror"]
fn with_postfix_3_10_mail_goes_where_the_rfcs_let_it_go_and_the_reports_say_what_happened() {
    let test = "with_postfix_3_10_mail_goes_where_the_rfcs_let_it_go_and_the_reports_say_what_happened";
    let Some(debian) = debian::inside(test, "trixie", "postfix,libtlsrpt0,python3,faketime") else { return };
    assert!(version(&debian).starts_with("3.10."));
    delivered_and_reported(&debian);
}

#[test]
#[ignore = "makes a Debian in a folder: needs root, mmdebstrap and a mirror"]
fn with_the_postfix_after_3_10_mail_goes_where_the_rfcs_let_it_go_and_the_reports_say_what_happened() {
    let test =
        "with_the_postfix_after_3_10_mail_goes_where_the_rfcs_let_it_go_and_the_reports_say_what_happened";
    let Some(debian) = debian::inside(test, "forky", "postfix,libtlsrpt0,python3,faketime") else { return };
    assert!(version(&debian).as_str() >= "3.11.", "{}", version(&debian));
    delivered_and_reported(&debian);
}
