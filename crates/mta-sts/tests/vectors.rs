//! Strict verdicts on the vectors of the project's own and of the RFC, as tables; and, where the variable
//! `TLSWARD_VECTORS` names a file of vectors, on every row of it that is about MTA-STS.

#![expect(clippy::unwrap_used, reason = "a test may panic, also in the functions that its cases share")]

use mta_sts::verdict;
use serde_json::Value;

const TXT: &[(&str, &str)] = &[
    ("v=STSv1; id=20160831085700Z;", "valid"),
    ("v=STSv1;\nid=abc", "invalid"),
    ("v=STSv1; ID=a", "invalid"),
    ("v=STSv1; id=a; id=b-c", "valid"),
    ("v=STSv1; id=a-b; id=ok", "invalid"),
    ("v=STSv1; x=1;id=abc", "valid"),
    ("v=STSv1; id=a; -x=1", "invalid"),
    ("v=STSv1; id=a; _x=1", "invalid"),
    ("v=STSv1; id=a; x=\u{0}", "invalid"),
    ("v=STSv1; id=\"a\"", "invalid"),
    ("v=STSv1; id=20240101120000; \t", "valid"),
    ("v=STSv1;id=a;x=~!@#$%^&*()", "valid"),
];

const TXT_RRSET: &[(&[&str], &str)] = &[
    (&["v=STSv1; id=1", "v=STSv10; id=2"], "valid"),
    (&["v=STSv1; id=1", "v=STSv1 ; id=2"], "valid"),
    (&[], "none"),
];

const POLICY: &[(&str, &str)] = &[
    (
        "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\nmx: backupmx.example.com\r\nmax_age: 604800\r\n",
        "valid",
    ),
    (
        "version: STSv1\r\nmode: testing\r\nmx: mx1.example.com\r\nmx: mx2.example.com\r\nmx: mx.backup-example.com\r\nmax_age: 1296000\r\n",
        "valid",
    ),
    ("version: STSv1\rmode: enforce\rmx: mail.example.com\rmax_age: 86400\r", "invalid"),
    ("version: STSv1\nmode: enforce\nmx: mail.example.com\nmax_age: 86400\n\n", "invalid"),
    ("\nversion: STSv1\nmode: enforce\nmx: mail.example.com\nmax_age: 86400\n", "invalid"),
    ("\u{feff}version: STSv1\nmode: enforce\nmx: mail.example.com\nmax_age: 86400\n", "invalid"),
    (" version: STSv1\nmode: enforce\nmx: mail.example.com\nmax_age: 86400\n", "invalid"),
    ("version: STSv1\nmode : enforce\nmx: mail.example.com\nmax_age: 86400\n", "invalid"),
    ("version: STSv1\nMode: enforce\nmx: mail.example.com\nmax_age: 86400\n", "invalid"),
    ("version: stsv1\nmode: enforce\nmx: mail.example.com\nmax_age: 86400\n", "invalid"),
    ("version: STSv1\nmode:\u{b}enforce\nmx: mail.example.com\nmax_age: 86400\n", "invalid"),
    ("version: STSv1\nmode: enforce\r\r\nmx: mail.example.com\nmax_age: 86400\n", "invalid"),
    ("version: STSv1\nmode: enforce\nmx: *\nmax_age: 86400\n", "invalid"),
    ("version: STSv1\nmode: enforce\nmx: *.com\nmax_age: 86400\n", "valid"),
    ("version: STSv1\nmode: enforce\nmx: mail.*.com\nmax_age: 86400\n", "invalid"),
    ("version: STSv1\nmode: enforce\nmx: .example.com\nmax_age: 86400\n", "invalid"),
    ("version: STSv1\nmode: enforce\nmx: a.example.com, b.example.com\nmax_age: 86400\n", "invalid"),
    ("version: STSv1\nmode: enforce\nmx: 10 mail.example.com\nmax_age: 86400\n", "invalid"),
    ("version: STSv1\nmode: enforce\nmx: mail.example.com:25\nmax_age: 86400\n", "invalid"),
    ("version: STSv1\nmode: enforce\nmx: mail.example.com\nmax_age: 86400\nfoo: \u{85}\n", "valid"),
    ("version: STSv1\nmode: none\nmx: mail.example.com\nmax_age: 86400\n", "valid"),
    ("version: STSv1\nmode: none\nmax_age: 86400\n", "valid"),
    ("version: STSv1 mode: enforce mx: mail.example.com max_age: 86400", "invalid"),
    ("version: STSv1\nmode: enforce\nmx: mail.example.com\nmax_age: 86400\nmode: none\n", "valid"),
    ("version: STSv1\nmode: enforce\nmx: mail.example.com\nmax_age: 86400\nmx:\n", "invalid"),
    ("version: STSv1\nSTSv1\nmode: enforce\nmx: mail.example.com\nmax_age: 86400\n", "invalid"),
];

const MX_MATCH: &[(&str, &[&str], &str)] = &[
    ("mail.example.com", &["*.example.com"], "match"),
    ("example.com", &["*.example.com"], "no-match"),
    ("foo.bar.example.com", &["*.example.com"], "no-match"),
    ("my_host.example.com", &["*.example.com"], "match"),
    ("xn--mx-eka.example.com", &["*.example.com"], "match"),
    ("mail.example.com", &["MAIL.Example.COM"], "match"),
    ("bad-example.com", &["example.com"], "no-match"),
    ("mail.example.com.evil.com", &["*.example.com"], "no-match"),
    ("example-com.mail.protection.outlook.com", &["*.mail.protection.outlook.com"], "match"),
    ("example.com", &["*.com"], "match"),
];

/// Proves: D1, D2, S3, L1, L2
#[test]
fn record_is_valid_exactly_where_the_grammar_says() {
    for (txt, expected) in TXT {
        assert_eq!(verdict::sts_txt(txt.as_bytes()), *expected, "{txt:?}");
    }
}

/// Proves: S2, D3, L1
#[test]
fn one_record_counts_only_where_the_literal_prefix_leaves_exactly_one() {
    for (rrset, expected) in TXT_RRSET {
        assert_eq!(verdict::sts_txt_rrset(rrset), *expected, "{rrset:?}");
    }
}

/// Proves: D7, D8, S3, L2, L3, L4, L5, L6, L8
#[test]
fn policy_is_valid_exactly_where_the_grammar_says() {
    for (body, expected) in POLICY {
        assert_eq!(verdict::sts_policy(body.as_bytes()), *expected, "{body:?}");
    }
}

/// Proves: E3, S17, D20
#[test]
fn mx_host_matches_a_whole_name_or_one_label_under_a_star() {
    for (host, patterns, expected) in MX_MATCH {
        assert_eq!(verdict::mx_match(host, patterns), *expected, "{host:?} {patterns:?}");
    }
}

/// Every row about MTA-STS of the file that `TLSWARD_VECTORS` names. Without it there is nothing to
/// compare; the tables above stand alone.
#[test]
fn every_row_of_the_vectors_file_agrees() {
    #[expect(
        clippy::disallowed_methods,
        reason = "the vectors file is outside the project, where there is one"
    )]
    let Ok(path) = std::env::var("TLSWARD_VECTORS") else { return };
    let file = std::fs::read_to_string(path).unwrap();
    let mut compared = 0;
    let mut disagreements = Vec::new();
    for row in file.lines().skip(1) {
        let mut columns = row.split('\t');
        let (Some(kind), Some(input), Some(expected)) = (columns.next(), columns.next(), columns.next())
        else {
            panic!("row without three columns: {row}");
        };
        if expected == "ambiguous" {
            continue;
        }
        let input: Value = serde_json::from_str(input).unwrap();
        let found = match kind {
            "sts-txt" => verdict::sts_txt(&bytes(&input)),
            "sts-policy" => verdict::sts_policy(&bytes(&input)),
            "content-type" => verdict::content_type(&bytes(&input)),
            "sts-txt-rrset" => {
                verdict::sts_txt_rrset(&input.as_array().unwrap().iter().map(bytes).collect::<Vec<_>>())
            }
            "mx-match" => {
                let patterns = input["patterns"].as_array().unwrap().iter().filter_map(Value::as_str);
                verdict::mx_match(input["mx"].as_str().unwrap(), &patterns.collect::<Vec<_>>())
            }
            _ => continue,
        };
        compared += 1;
        if found != expected {
            disagreements.push(format!("{row}\n  found: {found}"));
        }
    }
    assert!(compared > 0, "the file has no row about MTA-STS");
    assert!(disagreements.is_empty(), "{} rows disagree:\n{}", disagreements.len(), disagreements.join("\n"));
}

/// A string, or `{"hex": "…"}` where the text is not UTF-8.
fn bytes(input: &Value) -> Vec<u8> {
    if let Some(text) = input.as_str() {
        return text.as_bytes().to_vec();
    }
    let hex = input["hex"].as_str().unwrap();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}
