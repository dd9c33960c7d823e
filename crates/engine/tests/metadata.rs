//! What a mail says about its report, against what the report says.

use tlsward_engine::facts::{RawInput, Road, SetAsideReason, Verdict};
use tlsward_engine::receive::{Rules, examine};

const REPORT: &str = r#"{"organization-name":"True Reporter","contact-info":"tlsrpt@true.example",
"date-range":{"start-datetime":"2026-10-01T00:00:00Z","end-datetime":"2026-10-01T23:59:59Z"},
"report-id":"true-id","policies":[{"policy":{"policy-type":"sts","policy-domain":"true.example"},
"summary":{"total-successful-session-count":5,"total-failure-session-count":0}}]}"#;

/// A mail whose subject, header fields and file name name another domain, submitter, day and report id than its JSON.
fn contradicting_mail() -> RawInput {
    let mail = format!(
        "From: tlsrpt@false.example\r\nTo: tlsrpt@recv.example\r\n\
         Subject: Report Domain: false.example Submitter: mail.false.example Report-ID: <false-id@false.example>\r\n\
         TLS-Report-Domain: false.example\r\nTLS-Report-Submitter: mail.false.example\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=\"tlsrpt\"; boundary=\"b\"\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\nA report for false.example.\r\n\
         --b\r\nContent-Type: application/tlsrpt+json; name=\"f.json\"\r\n\
         Content-Disposition: attachment; filename=\"mail.false.example!false.example!1500000000!1500086399!x.json\"\r\n\r\n\
         {REPORT}\r\n--b--\r\n"
    );
    RawInput {
        road: Road::Smtp,
        received_at: 1_790_990_000,
        peer: None,
        label: "<tlsrpt@false.example> -> tlsrpt@recv.example".to_owned(),
        bytes: mail.into_bytes().into(),
    }
}

/// Proves: I13, R5
#[test]
fn the_json_wins_over_subject_header_fields_and_file_name() {
    let Verdict::Filed { reports, complaints } = examine(&contradicting_mail(), &Rules::default()) else {
        panic!("the report is filed");
    };
    assert_eq!((reports.len(), complaints), (1, Vec::new()));
    let filed = &reports[0];
    let report = &filed.report;
    assert_eq!(report.organization_name.as_deref(), Some("True Reporter"));
    assert_eq!(report.report_id.as_deref(), Some("true-id"));
    assert_eq!(report.contact_info.as_deref(), Some("tlsrpt@true.example"));
    let range = report.date_range.as_ref().expect("a range");
    assert_eq!(range.start.map(|start| start.to_string()).as_deref(), Some("2026-10-01T00:00:00Z"));
    let policies = report.policies.as_deref().expect("policies");
    let domain = policies[0].policy.as_ref().and_then(|policy| policy.policy_domain.as_deref());
    assert_eq!(domain, Some("true.example"));
    // Nothing of the wrapping is part of what makes two copies equal.
    let posted = RawInput { road: Road::Https, bytes: REPORT.into(), ..contradicting_mail() };
    let Verdict::Filed { reports: posted, .. } = examine(&posted, &Rules::default()) else {
        panic!("the report is filed");
    };
    assert_eq!(posted[0].digest, filed.digest);
}

/// Proves: I13, R5
#[test]
fn whether_a_domain_is_managed_is_asked_of_the_json() {
    let rules = |domain: &str| Rules { managed: [domain.to_owned()].into() };
    assert!(matches!(examine(&contradicting_mail(), &rules("true.example")), Verdict::Filed { .. }));
    let reason = SetAsideReason::UnmanagedDomain;
    match examine(&contradicting_mail(), &rules("false.example")) {
        Verdict::SetAside { reason: told, .. } => assert_eq!(told, reason),
        other => panic!("{other:?}"),
    }
}
