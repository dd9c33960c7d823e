//! Reading reports: what is mended and noted, what is refused, and that a stream reads as a slice does.

use proptest::prelude::*;
use tls_rpt::report::{
    Annotation, Collected, Limits, LineWriter, Parsed, ReadError, RepairKind, collect, collect_slice,
    read_slice, scan, write_line, write_report,
};

fn read(json: &str) -> Vec<Parsed> {
    read_slice(json.as_bytes(), &Limits::default()).expect(json)
}

/// Each deviation: the input, its normal form, and the repairs noted.
const MENDED: &[(&str, &str, &[&str])] = &[
    (
        r#"{"policies":[],"report-id":"a","report-id":"b"}"#,
        r#"{"report-id":"b","policies":[]}"#,
        &["duplicate-key /report-id"],
    ),
    (
        r#"{"policies":[],"report-id":"a","report-id":null}"#,
        r#"{"policies":[]}"#,
        &["duplicate-key /report-id", "null-dropped /report-id"],
    ),
    (r#"{"policies":[{}],"policies":[]}"#, r#"{"policies":[]}"#, &["duplicate-key /policies"]),
    (r#"{"policies":[],"x":{"a":1,"a":2}}"#, r#"{"policies":[],"x":{"a":2}}"#, &["duplicate-key /x"]),
    (r#"{"policies":[],"x":1,"x":2}"#, r#"{"policies":[],"x":2}"#, &["duplicate-key /x"]),
    (r#"{"Report_ID":"a","policies":[]}"#, r#"{"report-id":"a","policies":[]}"#, &["key-renamed /Report_ID"]),
    // The right key wins over its misspelling, wherever that stands.
    (
        r#"{"report-id":"a","report_id":"b","policies":[]}"#,
        r#"{"report-id":"a","policies":[],"report_id":"b"}"#,
        &[],
    ),
    (
        r#"{"policies":[null,7,{"policy":{"policy-type":"sts"}}]}"#,
        r#"{"policies":[{"policy":{"policy-type":"sts"}}]}"#,
        &["null-dropped /policies/0", "wrong-type /policies/1"],
    ),
    (
        r#"{"policies":[{"policy":{"policy-string":"[\"3 1 1 AB\",\"3 1 1 CD\"]"}}]}"#,
        r#"{"policies":[{"policy":{"policy-string":["3 1 1 AB","3 1 1 CD"]}}]}"#,
        &["array-in-string /policies/0/policy/policy-string"],
    ),
    (
        r#"{"policies":[{"policy":{"policy-string":["[\"3 1 1 AB\"]"]}}]}"#,
        r#"{"policies":[{"policy":{"policy-string":["3 1 1 AB"]}}]}"#,
        &["array-in-string /policies/0/policy/policy-string"],
    ),
    (
        r#"{"policies":[{"policy":{"policy-string":["[not json"]}}]}"#,
        r#"{"policies":[{"policy":{"policy-string":["[not json"]}}]}"#,
        &[],
    ),
    (
        r#"{"policies":[{"failure-details":{"result-type":"certificate-expired"}}]}"#,
        r#"{"policies":[{"failure-details":[{"result-type":"certificate-expired"}]}]}"#,
        &["wrapped-in-array /policies/0/failure-details"],
    ),
    (
        r#"{"policies":[{"failure-details":[{"failed-session-count":1}],"failure-details":[{"failed-session-count":2}]}]}"#,
        r#"{"policies":[{"failure-details":[{"failed-session-count":2}]}]}"#,
        &["duplicate-key /policies/0/failure-details"],
    ),
    (
        r#"{"policies":[{"failure-details":[{"sending-mta-ip":"","receiving-ip":null,"receiving-mx-host-name":"MX.Example.","failure-error-code":"x"}]}]}"#,
        r#"{"policies":[{"failure-details":[{"receiving-mx-hostname":"mx.example","failure-reason-code":"x"}]}]}"#,
        &[
            "null-dropped /policies/0/failure-details/0/sending-mta-ip",
            "null-dropped /policies/0/failure-details/0/receiving-ip",
            "key-renamed /policies/0/failure-details/0/receiving-mx-host-name",
            "name-normalised /policies/0/failure-details/0/receiving-mx-hostname",
            "key-renamed /policies/0/failure-details/0/failure-error-code",
        ],
    ),
    (
        r#"{"policies":[{"summary":{"total-successful-session-count":90.0,"total-failure-session-count":1.5}}]}"#,
        r#"{"policies":[{"summary":{"total-successful-session-count":90}}]}"#,
        &[
            "count-converted /policies/0/summary/total-successful-session-count",
            "count-dropped /policies/0/summary/total-failure-session-count",
        ],
    ),
    (
        r#"{"policies":[{"summary":{"total-successful-session-count":9007199254740993,"total-failure-session-count":true}}]}"#,
        r#"{"policies":[{"summary":{}}]}"#,
        &[
            "count-dropped /policies/0/summary/total-successful-session-count",
            "count-dropped /policies/0/summary/total-failure-session-count",
        ],
    ),
    (
        r#"{"date-range":{"start-datetime":"2026-10-01 00:00:00","end-datetime":"soon"}}"#,
        r#"{"date-range":{"start-datetime":"2026-10-01T00:00:00Z"}}"#,
        &["time-converted /date-range/start-datetime", "time-dropped /date-range/end-datetime"],
    ),
    (
        r#"{"policies":[{"policy-type":"sts","total-failure-count":3}]}"#,
        r#"{"policies":[{"policy":{"policy-type":"sts"},"summary":{"total-failure-session-count":3}}]}"#,
        &[
            "moved /policies/0/policy-type",
            "moved /policies/0/total-failure-count",
            "key-renamed /policies/0/total-failure-count",
        ],
    ),
    (
        r#"{"policies":[],"report-id":"a\ud800b"}"#,
        "{\"report-id\":\"a\u{fffd}b\",\"policies\":[]}",
        &["invalid-utf-8 /report-id"],
    ),
    (
        r#"{"policies":[],"x/y~":[1,2.50,1e400,{"n":null}]}"#,
        r#"{"policies":[],"x/y~":[1,2.50,1e400,{"n":null}]}"#,
        &[],
    ),
    (r#"{"hello":1}{"policies":[]}"#, r#"{"policies":[]}"#, &["several-values "]),
    (r#"{"policies":[]}{"policies":["#, r#"{"policies":[]}"#, &["trailing-bytes "]),
];

/// Proves: H1, H6, H13, L12
#[test]
fn each_deviation_is_mended_as_written_down_and_noted_where_it_stood() {
    for (json, expected, noted) in MENDED {
        let parsed = read(json).remove(0);
        let mut out = Vec::new();
        write_report(&mut out, &parsed.report);
        assert_eq!(String::from_utf8(out).unwrap(), *expected, "{json}");
        let repairs: Vec<String> = parsed
            .repairs
            .iter()
            .map(|repair| format!("{} {}", repair.kind.as_wire(), repair.path))
            .collect();
        assert_eq!(repairs, *noted, "{json}");
    }
}

/// Each input that is refused, and how the refusal reads.
const REFUSED: &[(&str, &str)] = &[
    ("", "the input is empty"),
    ("  \n", "the input is empty"),
    ("7", "JSON, but no report: it has neither policies nor date-range"),
    ("[]", "JSON, but no report: it has neither policies nor date-range"),
    (r#"{"policies":null}"#, "JSON, but no report: it has neither policies nor date-range"),
    ("{\"policies\":[],}", "not JSON: a trailing comma at line 1, column 16"),
    ("{\"policies\":\n[NaN]}", "not JSON: not a JSON value at line 2, column 2"),
    ("{\"policies\":[]", "not JSON: the JSON ends too early at line 1, column 15"),
    ("{'policies':[]}", "not JSON: expected a key in double quotes at line 1, column 2"),
    ("{\"policies\":[] \"a\":1}", "not JSON: expected a comma or the end of the object at line 1, column 16"),
    ("{\"policies\":[],\"a\":\"\t\"}", "not JSON: a raw control character in a string at line 1, column 21"),
    ("{\"policies\":[],\"a\":\"\\x\"}", "not JSON: an unknown escape in a string at line 1, column 21"),
    ("{\"policies\":[],\"a\":01}", "not JSON: not a JSON number at line 1, column 22"),
    ("[{\"policies\":[]},", "not JSON: the JSON ends too early at line 1, column 18"),
    ("nothing", "not JSON: not a JSON value at line 1, column 1"),
];

#[test]
fn what_is_not_json_is_refused_with_line_and_column() {
    for (input, expected) in REFUSED {
        let error = read_slice(input.as_bytes(), &Limits::default()).expect_err(input);
        assert_eq!(error.to_string(), *expected, "{input}");
    }
}

fn is_limit<T>(outcome: &Result<T, ReadError>) -> bool {
    matches!(outcome, Err(ReadError::Limit { .. }))
}

/// Proves: R6
#[test]
fn each_limit_holds_at_the_limit_and_refuses_just_past_it() {
    let nested =
        |depth: usize| format!("{{\"policies\":[],\"x\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    // The report's own object is the first of 64 levels.
    assert!(read_slice(nested(63).as_bytes(), &Limits::default()).is_ok());
    assert!(is_limit(&read_slice(nested(65).as_bytes(), &Limits::default())));
    let named = |length: usize| format!("{{\"policies\":[],\"report-id\":\"{}\"}}", "x".repeat(length));
    assert!(read_slice(named(65_536).as_bytes(), &Limits::default()).is_ok());
    assert!(is_limit(&read_slice(named(65_537).as_bytes(), &Limits::default())));
    let few = Limits { policies: 3, failures: 2, ..Limits::default() };
    let with = |policies: usize, rows: usize| {
        let row = format!("{{\"failure-details\":[{}]}}", vec!["{}"; rows].join(","));
        format!("{{\"policies\":[{}]}}", vec![row; policies].join(","))
    };
    assert!(read_slice(with(3, 0).as_bytes(), &few).is_ok());
    assert!(is_limit(&read_slice(with(4, 0).as_bytes(), &few)));
    assert!(read_slice(with(1, 2).as_bytes(), &few).is_ok());
    assert!(is_limit(&read_slice(with(1, 3).as_bytes(), &few)));
}

#[test]
fn a_policy_string_and_an_extra_value_beyond_the_limit_are_cut_and_noted() {
    let long = "é".repeat(40_000);
    let json =
        format!("{{\"policies\":[{{\"policy\":{{\"policy-string\":[\"{long}\"]}}}}],\"x\":\"{long}\"}}");
    let parsed = read(&json).remove(0);
    assert!(!parsed.repairs.is_empty());
    assert!(parsed.repairs.iter().all(|repair| repair.kind == RepairKind::Cut), "{:?}", parsed.repairs);
    let mut out = Vec::new();
    write_report(&mut out, &parsed.report);
    assert!(out.len() < 140_000 && str::from_utf8(&out).is_ok());
}

#[test]
fn a_report_with_thousands_of_repairs_lists_a_thousand_and_counts_the_rest() {
    let json = format!("{{\"policies\":[{}]}}", vec!["null"; 5000].join(","));
    let parsed = read(&json).remove(0);
    assert_eq!(parsed.repairs.len(), 1001);
    assert_eq!(parsed.repairs[1000].text, "4000 more repairs are not listed");
}

/// Proves: R7
#[test]
fn a_large_report_is_written_from_two_passes_as_it_would_be_from_one() {
    let row = r#"{"result-type":"certificate-expired","receiving-mx-hostname":"mx.example","failed-session-count":1}"#;
    let policies: Vec<String> = (0..400)
        .map(|number| {
            let policy =
                format!("\"policy\":{{\"policy-type\":\"sts\",\"policy-domain\":\"d{number}.example\"}}");
            let rows = format!("\"failure-details\":[{}]", vec![row; number % 4].join(","));
            if number % 2 == 0 {
                format!("{{{policy},{rows}}}")
            } else {
                format!("{{{rows},{policy},\"x\":1}}")
            }
        })
        .collect();
    let json =
        format!("{{\"policies\":[{}],\"report-id\":\"last\"}}{{\"policies\":[{{\"x\":", policies.join(","));
    let annotation = Annotation { source: "a.json", trust: "unchecked" };
    let mut whole = Vec::new();
    for parsed in read(&json) {
        write_line(&mut whole, &parsed, annotation);
    }
    let Ok(Collected::Large(large)) = collect_slice(json.as_bytes(), &Limits::default(), 2000) else {
        panic!("400 policies do not fit into 2000 bytes")
    };
    assert_eq!((large[0].counts.policies, large[0].counts.failures), (400, 600));
    let heads: Vec<_> = large.into_iter().map(|large| (large.head, large.repairs)).collect();
    let mut pieces = Vec::new();
    let mut writer = LineWriter::new(&mut pieces, &heads, annotation);
    scan(json.as_bytes(), &Limits::default(), &mut writer).unwrap();
    writer.finish().unwrap();
    let value = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).expect("one line of JSON");
    assert_eq!(value(&pieces), value(&whole));
    assert_eq!(pieces.iter().filter(|byte| **byte == b'\n').count(), 1);
}

#[test]
fn a_large_report_that_repeats_its_policies_is_refused_because_no_second_pass_could_tell_them_apart() {
    let policies = format!("[{}]", vec!["{\"policy\":{\"policy-type\":\"sts\"}}"; 100].join(","));
    let json = format!("{{\"policies\":{policies},\"policies\":{policies}}}");
    assert!(is_limit(&collect_slice(json.as_bytes(), &Limits::default(), 2000)));
    assert!(matches!(collect_slice(json.as_bytes(), &Limits::default(), 1 << 20), Ok(Collected::Held(_))));
    // Also where the repetition was still small, and what made the report large came after it.
    let one = "{\"policy\":{\"policy-type\":\"sts\"}}";
    let head = "y".repeat(3000);
    let row = "{\"result-type\":\"validation-failure\"}";
    let rows = format!("[{}]", vec![row; 100].join(","));
    for json in [
        format!("{{\"policies\":[{one}],\"policies\":{policies}}}"),
        format!("{{\"policies\":[{one}],\"policies\":[{one}],\"report-id\":\"{head}\"}}"),
        format!("{{\"policies\":[{{\"failure-details\":[{row}],\"failure-details\":{rows}}}]}}"),
    ] {
        assert!(is_limit(&collect_slice(json.as_bytes(), &Limits::default(), 2000)));
    }
}

/// JSON of any kind, often with members of reports in it.
fn json() -> impl Strategy<Value = String> {
    let keys = prop::sample::select(vec![
        "policies",
        "policy",
        "summary",
        "failure-details",
        "date-range",
        "report-id",
        "policy-type",
        "mx-host",
        "policy-string",
        "start-datetime",
        "total-failure-session-count",
        "failed-session-count",
        "x",
        "receiving-ip",
    ]);
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        "-?(0|[1-9][0-9]{0,17})(\\.[0-9]{1,3})?(e[0-9]{1,2})?",
        "[a-z é\"\\\\\u{1}\\[\\]{}.:0-9-]{0,12}"
            .prop_map(|text| serde_json::to_string(&text).expect("a string")),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(|values| format!("[{}]", values.join(","))),
            prop::collection::vec((keys.clone(), inner), 0..6).prop_map(|members| {
                let members: Vec<String> =
                    members.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
                format!("{{{}}}", members.join(" , "))
            }),
        ]
    })
}

/// Gives a reader one byte at a time.
struct Dripping<'a>(&'a [u8]);

impl std::io::Read for Dripping<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.0.len().min(buffer.len()).min(1);
        buffer[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

#[test]
fn a_plain_count_over_the_edge_of_the_window_needs_no_repair() {
    let json = br#"{"policies":[{"summary":{"total-successful-session-count":90}}]}"#;
    let Ok(Collected::Held(found)) = collect(Dripping(json), &Limits::default(), 1 << 20) else {
        panic!("small")
    };
    assert_eq!(found[0].repairs, []);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read_slice(&bytes, &Limits::default());
    }

    #[test]
    fn a_stream_reads_as_a_slice_does(value in json(), cut in 0usize..400) {
        let end = cut.min(value.len());
        let bytes = &value.as_bytes()[..end];
        let slice = collect_slice(bytes, &Limits::default(), 1 << 20);
        let stream = collect(Dripping(bytes), &Limits::default(), 1 << 20);
        prop_assert_eq!(format!("{slice:?}"), format!("{stream:?}"));
    }

    #[test]
    fn whatever_serde_json_reads_is_json_here_too(value in json()) {
        if serde_json::from_str::<serde_json::Value>(&value).is_ok() {
            let ours = read_slice(value.as_bytes(), &Limits::default());
            prop_assert!(!matches!(ours, Err(ReadError::Json(_))), "{ours:?}");
        }
    }

    #[test]
    fn what_serde_json_finds_broken_is_broken_here_too(value in json(), cut in 1usize..400) {
        let mut bytes = value.into_bytes();
        let end = cut.min(bytes.len()) - 1;
        bytes.truncate(end);
        if let Err(error) = serde_json::from_slice::<serde_json::Value>(&bytes) && error.is_eof() {
            prop_assert!(read_slice(&bytes, &Limits::default()).is_err());
        }
    }

    #[test]
    fn what_we_write_reads_back_the_same_without_repairs(value in json()) {
        let wrapped = format!("{{\"policies\":[{value}],\"date-range\":{value}}}");
        let Ok(found) = read_slice(wrapped.as_bytes(), &Limits::default()) else { return Ok(()) };
        let mut out = Vec::new();
        write_report(&mut out, &found[0].report);
        let again = read_slice(&out, &Limits::default()).expect("our own writing");
        prop_assert_eq!(&again[0].report, &found[0].report);
        prop_assert_eq!(&again[0].repairs, &vec![]);
    }
}
