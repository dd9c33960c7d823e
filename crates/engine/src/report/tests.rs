//! Counting and building, without a store.

use proptest::prelude::*;
use tls_rpt::report::{Limits, read_slice};
use tls_rpt::tally::{AppliedPolicy, Failure, PolicyTally, Tally};
use tls_rpt::{PolicyType, ResultType, Text};

use super::*;
use crate::ports::{JournalPlace, ReportKey, SessionEvent, SessionFailure, SessionPeer, SessionPolicy};

const NOON: i64 = 20_000 * DAY_SECONDS + 43_200;

fn settings() -> Settings {
    Settings::new(identity(), 42, BounceSecret::new([7; 32]))
}

fn identity() -> Identity {
    Identity::new("Example Org", "tlsrpt@Sender.example").unwrap()
}

fn policy(policy_type: PolicyType, domain: &str, strings: &[&str]) -> SessionPolicy {
    SessionPolicy {
        policy_type,
        domain: Some(domain.into()),
        strings: strings.iter().map(|line| Text::from(*line)).collect(),
        mx_hosts: vec!["*.a.example".into()],
        failed: false,
        failures: Vec::new(),
    }
}

fn failing(mut policy: SessionPolicy, result_type: ResultType) -> SessionPolicy {
    policy.failed = true;
    policy.failures.push(SessionFailure {
        result_type,
        sending_mta_ip: Some([192, 0, 2, 1].into()),
        mx_host: Some("mx.a.example".into()),
        helo: Some("MX.a.example ready at 12:00:01".into()),
        receiving_ip: None,
        additional_information: Some("".into()),
        reason_code: Some("X509".into()),
    });
    policy
}

fn event(policies: Vec<SessionPolicy>) -> SessionEvent {
    SessionEvent {
        at: None,
        domain: "a.example".into(),
        tlsrpt_record: Some("v=TLSRPTv1; rua=mailto:r@a.example".into()),
        policies,
        count: 1,
        peer: SessionPeer::default(),
    }
}

fn heard(event: &SessionEvent) -> Heard {
    sessions_of(event, NOON, |_, policy| at_face_value(policy))
}

/// Proves: H3, H9
#[test]
fn sessions_are_counted_by_day_domain_policy_and_failure() {
    let settings = settings();
    let mut counter = Counter::new(&settings);
    let enforce = || policy(PolicyType::Sts, "a.example", &["version: STSv1", "mode: enforce"]);
    for _ in 0..3 {
        heard(&event(vec![enforce()])).into_iter().for_each(|session| counter.count(session));
    }
    let mut expired = event(vec![failing(enforce(), ResultType::CertificateExpired)]);
    expired.count = 2;
    heard(&expired).into_iter().for_each(|session| counter.count(session));
    let mut yesterday = event(vec![enforce()]);
    yesterday.at = Some(NOON - DAY_SECONDS);
    heard(&yesterday).into_iter().for_each(|session| counter.count(session));
    let mut absurd = event(vec![enforce()]);
    absurd.at = Some(NOON - 30 * DAY_SECONDS);
    heard(&absurd).into_iter().for_each(|session| counter.count(session));

    let (from, to) = (JournalPlace::default(), JournalPlace { segment: 1, offset: 99 });
    let delta = counter.take("node", from, to);
    assert!(counter.is_empty());
    assert_eq!((delta.from, delta.to), (from, to));
    assert_eq!(delta.groups.iter().map(|group| group.day).collect::<Vec<_>>(), [19_999, 20_000]);
    let today = &delta.groups[1];
    assert_eq!(
        today.record.as_ref().map(|(_, text)| text.as_str()),
        Some("v=TLSRPTv1; rua=mailto:r@a.example")
    );
    let (_, counts) = today.tally.policies().next().unwrap();
    assert_eq!((counts.successful, counts.failed), (4, 2), "one that says it is a month old is of today");
    let (row, times) = counts.failures.iter().next().unwrap();
    assert_eq!((row.receiving_helo.as_deref(), *times), (Some("mx.a.example"), 2));
    assert_eq!(row.additional, None);
}

/// Proves: G8, H2, L13
#[test]
fn a_session_under_dane_counts_for_the_recipient_and_for_the_mx_host() {
    let both = event(vec![
        policy(PolicyType::Tlsa, "mx.a.example", &["3 1 1 AB"]),
        policy(PolicyType::Sts, "a.example", &["mode: enforce"]),
    ]);
    let seen: Vec<_> =
        heard(&both).into_iter().map(|s| (s.domain, s.policy.policy_type, s.record.is_some())).collect();
    assert_eq!(
        seen,
        [
            ("mx.a.example".into(), PolicyType::Tlsa, false),
            ("a.example".into(), PolicyType::Tlsa, true),
            ("a.example".into(), PolicyType::Sts, true),
        ]
    );
    assert!(heard(&both)[0].policy.mx_patterns.is_empty(), "mx-host belongs to sts");
}

#[test]
fn success_under_a_testing_policy_is_not_believed() {
    for mode in ["mode: testing", "mode:none", "mode:  testing "] {
        let told = event(vec![policy(PolicyType::Sts, "a.example", &["version: STSv1", mode])]);
        assert_eq!(heard(&told)[0].met, None, "{mode}");
    }
    let told = event(vec![failing(
        policy(PolicyType::Sts, "a.example", &["mode: testing"]),
        ResultType::StarttlsNotSupported,
    )]);
    assert_eq!(heard(&told)[0].met, Some(false));
    let settings = settings();
    let mut counter = Counter::new(&settings);
    heard(&event(vec![policy(PolicyType::Sts, "a.example", &["mode: testing"])]))
        .into_iter()
        .for_each(|s| counter.count(s));
    let delta = counter.take("node", JournalPlace::default(), JournalPlace::default());
    assert_eq!((delta.groups[0].unjudged, delta.groups[0].tally.is_empty()), (1, true));
}

#[test]
fn domains_that_are_opted_out_are_not_counted() {
    let mut settings = settings();
    settings.opt_outs.extend([".example".to_owned(), "b.test".to_owned()]);
    let mut counter = Counter::new(&settings);
    heard(&event(vec![policy(PolicyType::Sts, "a.example", &[])])).into_iter().for_each(|s| counter.count(s));
    assert!(counter.is_empty());
    assert_eq!(counter.left_out(), 1);
    assert!(settings.is_opted_out("b.test") && !settings.is_opted_out("c.b.test"));
}

/// Proves: I14
#[test]
fn reports_are_spread_over_four_hours_after_midnight() {
    let hours: Vec<i64> =
        (0..2_000).map(|n| due_at(7, 20_000, &format!("d{n}.example")) - 20_001 * DAY_SECONDS).collect();
    assert!(hours.iter().all(|seconds| (1..=14_400).contains(seconds)));
    for quarter in 0..4 {
        let count = hours.iter().filter(|seconds| **seconds / 3_601 == quarter).count();
        assert!((350..650).contains(&count), "{quarter}: {count}");
    }
    assert_eq!(due_at(7, 20_000, "a.example"), due_at(7, 20_000, "a.example"));
    assert_ne!(due_at(7, 20_000, "a.example"), due_at(8, 20_000, "a.example"));
}

fn key(part: u32) -> ReportKey {
    ReportKey { day: 20_000, domain: "a.example".into(), part }
}

fn tally(failures: usize) -> Tally {
    let mut tally = Tally::default();
    let applied = AppliedPolicy {
        policy_type: PolicyType::Sts,
        domain: "a.example".into(),
        strings: vec!["version: STSv1".into(), "mode: enforce".into()],
        mx_patterns: vec!["*.a.example".into()],
    };
    tally.session(applied.clone(), true, []);
    for index in 0..failures {
        let failure = Failure {
            result: ResultType::CertificateNotTrusted,
            receiving_mx: Some(Text::from(format!("mx{index}.a.example"))),
            receiving_helo: None,
            receiving_ip: Some("2001:db8::1".parse().unwrap()),
            sending_ip: Some([192, 0, 2, 1].into()),
            reason: Some("unknown ca".into()),
            additional: None,
        };
        tally.session(applied.clone(), false, [failure]);
    }
    tally
}

fn read(json: &[u8]) -> tls_rpt::report::Report {
    let mut parsed = read_slice(json, &Limits::default()).unwrap();
    assert_eq!(parsed.len(), 1);
    let parsed = parsed.remove(0);
    assert_eq!(parsed.repairs, []);
    parsed.report
}

/// Proves: H1, H4, H5, H6, H7, H8, I2, I7, I9, I10, I11
#[test]
fn a_report_is_read_back_without_repair_and_is_the_same_each_time() {
    let built = build(&identity(), &key(1), &tally(3), 5).unwrap();
    let report = read(&built.json);
    assert_eq!(report.organization_name.as_deref(), Some("Example Org"));
    assert_eq!(report.contact_info.as_deref(), Some("tlsrpt@sender.example"));
    assert_eq!(report.report_id.as_deref(), Some(built.report_id.as_str()));
    let range = report.date_range.unwrap();
    assert_eq!(range.start.unwrap().to_string(), "2024-10-04T00:00:00Z");
    assert_eq!(range.end.unwrap().to_string(), "2024-10-04T23:59:59Z");
    let policies = report.policies.unwrap();
    let summary = policies[0].summary.as_ref().unwrap();
    assert_eq!((summary.successful, summary.failed), (Some(1), Some(3)));
    let rows = policies[0].failure_details.as_ref().unwrap();
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[0].receiving_ip.as_deref(), Some("2001:db8::1"));

    assert_eq!(built, build(&identity(), &key(1), &tally(3), 5).unwrap());
    assert_ne!(built.report_id, build(&identity(), &key(2), &tally(3), 5).unwrap().report_id);

    let first = String::from_utf8(built.mail(&identity(), "r@a.example", NOON, 0).unwrap()).unwrap();
    for part in [
        "From: Example Org <tlsrpt@sender.example>\r\n",
        "TLS-Report-Domain: a.example\r\n",
        "TLS-Report-Submitter: sender.example\r\n",
        "TLS-Required: No\r\n",
        "report-type=\"tlsrpt\"",
        "filename=\"sender.example!a.example!1728000000!1728086399!",
        "Sessions that met the policy: 1\r\n",
        "Of 5 more sessions it is not known",
    ] {
        assert!(first.contains(part), "{part}\n{first}");
    }
    let unfolded = first.replace("\r\n ", " ");
    assert!(unfolded.contains(&format!("Report-ID: <{}>", built.report_id)));
    let second = String::from_utf8(built.mail(&identity(), "r@a.example", NOON, 1).unwrap()).unwrap();
    assert_ne!(first, second, "each mail has a Message-ID of its own");
}

#[test]
fn what_had_no_room_is_a_row_of_the_report() {
    let mut counts = PolicyTally { failed: 9, overflow: 7, ..PolicyTally::default() };
    counts.successful = 0;
    let mut tally = Tally::default();
    let policy = AppliedPolicy {
        policy_type: PolicyType::NoPolicyFound,
        domain: "a.example".into(),
        strings: vec![],
        mx_patterns: vec![],
    };
    tally.add(policy, counts);
    let report = read(&build(&identity(), &key(1), &tally, 0).unwrap().json);
    let policies = report.policies.unwrap();
    let row = &policies[0].failure_details.as_ref().unwrap()[0];
    assert_eq!(
        (row.result_type.as_ref(), row.failed_session_count),
        (Some(&ResultType::ValidationFailure), Some(7))
    );
    assert!(row.additional_information.as_ref().unwrap().contains("too many different"));
    assert_eq!(policies[0].policy.as_ref().unwrap().policy_string, None);
}

#[test]
fn the_sender_is_who_the_rules_say_and_signs_for_its_contact() {
    let mut settings = settings();
    let other = Identity::new("Other", "x@other.example").unwrap();
    settings.identities.insert(".b.example".to_owned(), other.clone());
    assert_eq!(settings.identity_for("a.b.example"), &other);
    assert_eq!(settings.identity_for("b.example"), &settings.identity);
    assert!(matches!(
        identity().from_address("x@elsewhere.example", None),
        Err(IdentityError::Domain { .. })
    ));
    assert!(identity().from_address("noreply@sender.example", Some("TLS reports")).is_ok());
    for bad in ["", "x", "@a.example", "x@", "a b@c.example", "x@a..b", "x@a.example\r\nBcc: y@z"] {
        assert!(Identity::new("Name", bad).is_err(), "{bad}");
    }
    assert!(Identity::new("a\nb", "x@a.example").is_err());
}

proptest! {
    /// Proves: H1
    #[test]
    fn whatever_a_server_says_the_report_stays_json_and_a_mail(texts in prop::collection::vec(".{0,80}", 4), count in 1_u64..u64::MAX) {
        let mut tally = Tally::default();
        let applied = AppliedPolicy {
            policy_type: PolicyType::Sts, domain: "a.example".into(),
            strings: vec![Text::from(texts[0].as_str())], mx_patterns: vec![],
        };
        let failure = Failure {
            result: ResultType::ValidationFailure, receiving_mx: None, receiving_helo: Some(Text::from(texts[1].as_str())),
            receiving_ip: None, sending_ip: None, reason: Some(Text::from(texts[2].as_str())), additional: Some(Text::from(texts[3].as_str())),
        };
        tally.add(applied, PolicyTally { failed: count, failures: [(failure, count)].into(), ..PolicyTally::default() });
        let built = build(&identity(), &key(1), &tally, 0).unwrap();
        prop_assert!(read_slice(&built.json, &Limits::default()).is_ok_and(|list| list.len() == 1));
        let mail = built.mail(&identity(), "r@a.example", NOON, 0).unwrap();
        prop_assert!(mail.is_ascii());
    }
}
