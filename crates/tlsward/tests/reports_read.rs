//! What we send is read without a complaint by our own reader and by mail-auth's, as JSON and as the whole mail. (By
//! parsedmarc: `peers_parsedmarc.rs`.)

mod built;
#[expect(dead_code, reason = "of the clients of the program one is used here")]
mod program;

use built::{Counts, Shape, shapes};
use mail_auth::report::tlsrpt::{PolicyType, TlsReport};
use program::run_with;
use serde_json::Value;

fn ours(input: &[u8], name: &str) -> Value {
    let ran = run_with(&["read", "--json", "-"], input);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{name}");
    assert_eq!(ran.out.lines().count(), 1, "{name}: one report");
    serde_json::from_str(&ran.out).expect("JSON")
}

fn counts_of(report: &Value) -> Vec<Counts> {
    let number = |value: &Value| value.as_u64().expect("a count");
    let policies = report["policies"].as_array().expect("policies").iter();
    let mut all: Vec<Counts> = policies
        .map(|entry| {
            let rows = entry["failure-details"].as_array().cloned().unwrap_or_default();
            Counts {
                policy_type: entry["policy"]["policy-type"].as_str().expect("a type").to_owned(),
                domain: entry["policy"]["policy-domain"].as_str().expect("a domain").to_owned(),
                successful: number(&entry["summary"]["total-successful-session-count"]),
                failed: number(&entry["summary"]["total-failure-session-count"]),
                rows: rows.len(),
                row_sessions: rows.iter().map(|row| number(&row["failed-session-count"])).sum(),
            }
        })
        .collect();
    all.sort();
    all
}

/// Proves: H1, H2, H3, H5, H6, H7, H8, I1, I11
#[test]
fn our_own_reader_mends_nothing_in_what_we_send() {
    for shape in &shapes() {
        let (Shape { name, domain, built, mail, .. }, expected) = (shape, shape.expected());
        let mut normal_forms = Vec::new();
        for input in [&built.json, &built.packed, mail] {
            let mut report = ours(input, name);
            let own = report.as_object_mut().expect("an object").remove("tlsward").expect("ours");
            assert_eq!(own["repairs"], Value::Array(vec![]), "{name}");
            assert_eq!(counts_of(&report), expected, "{name}");
            normal_forms.push(report);
        }
        assert!(normal_forms.iter().all(|form| *form == normal_forms[0]), "{name}");
        assert_eq!(normal_forms[0]["report-id"], built.report_id.as_str(), "{name}");
        // The strict JSON is the normal form: nothing was cut, dropped or respelt on the way back.
        let sent: Value = serde_json::from_slice(&built.json).expect("JSON");
        assert_eq!(normal_forms[0], sent, "{name}, about {domain}");
    }
}

/// Proves: H1, H13, I1
#[test]
fn mail_auth_finds_the_same_counts_in_what_we_send() {
    for shape in &shapes() {
        let name = shape.name;
        let of_mail = TlsReport::parse_rfc5322(&shape.mail, 32 << 20).expect(name);
        let of_json = TlsReport::parse_json(&shape.built.json).expect(name);
        assert_eq!(of_mail, of_json, "{name}");
        assert_eq!(of_mail.report_id, shape.built.report_id, "{name}");
        let range = &of_mail.date_range;
        assert_eq!(range.end_datetime.to_timestamp() - range.start_datetime.to_timestamp(), 86_399, "{name}");
        let mut found: Vec<Counts> = of_mail
            .policies
            .iter()
            .map(|entry| Counts {
                policy_type: match entry.policy.policy_type {
                    PolicyType::Tlsa => "tlsa",
                    PolicyType::Sts => "sts",
                    PolicyType::NoPolicyFound => "no-policy-found",
                    PolicyType::Other => "other",
                }
                .to_owned(),
                domain: entry.policy.policy_domain.clone(),
                successful: entry.summary.total_success.into(),
                failed: entry.summary.total_failure.into(),
                rows: entry.failure_details.len(),
                row_sessions: entry
                    .failure_details
                    .iter()
                    .map(|row| u64::from(row.failed_session_count))
                    .sum(),
            })
            .collect();
        found.sort();
        assert_eq!(found, shape.expected(), "{name}");
    }
}
