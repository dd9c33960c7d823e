use super::*;
use proptest::prelude::{any, prop, prop_assert, proptest};

/// As libtlsrpt's own demonstration sends it.
const DEMO: &str = r#"{"dpv": "1","d": "example.com","pr": "v=TLSRPTv1;rua=mailto:reports@example.com","policies":[{"policy-type":2,"policy-domain": "company-y.example","policy-string":["version: STSv1","mode: testing","mx: *.mail.company-y.example","max_age: 86400"],"mx-host":["*.mail.company-y.example"],"failure-details":[{"c":302,"s": "1.2.3.4","n": "mailin.example.com","h": "test-ehlo.example.com","r": "11.22.33.44","a": "This is additional information","f": "999 TEST REASON CODE"},{"c":303,"s": "1.2.3.5","n": "mailin.example.com","h": "test-ehlo.example.com","r": "11.22.33.55","a": "This is additional information","f": "123 ANOTHER TEST REASON CODE"}],"t":2,"f":1}]}"#;

fn one(text: &str) -> SessionEvent {
    read(text.as_bytes()).unwrap().event
}

#[test]
fn the_library_s_own_datagram_is_read_in_full() {
    let event = one(DEMO);
    assert_eq!(event.domain, "example.com");
    assert_eq!(event.tlsrpt_record.as_deref(), Some("v=TLSRPTv1;rua=mailto:reports@example.com"));
    let policy = &event.policies[0];
    assert_eq!(policy.policy_type, PolicyType::Sts);
    assert_eq!(policy.domain.as_deref(), Some("company-y.example"));
    assert_eq!(policy.strings.len(), 4);
    assert_eq!(policy.mx_hosts, ["*.mail.company-y.example"]);
    assert!(policy.failed);
    assert_eq!(policy.failures.len(), 2);
    assert_eq!(
        policy.failures[0],
        SessionFailure {
            result_type: ResultType::StsPolicyInvalid,
            sending_mta_ip: Some("1.2.3.4".parse().unwrap()),
            mx_host: Some("mailin.example.com".into()),
            helo: Some("test-ehlo.example.com".into()),
            receiving_ip: Some("11.22.33.44".parse().unwrap()),
            additional_information: Some("This is additional information".into()),
            reason_code: Some("999 TEST REASON CODE".into()),
        }
    );
    assert_eq!(event.peer.mx_host.as_deref(), Some("mailin.example.com"));
}

/// Postfix 3.10 of Debian: no version, a success without failure details.
#[test]
fn a_success_without_a_version_is_one_session_that_did_not_fail() {
    let text = r#"{"d":"Testing.TEST.","pr":"v=TLSRPTv1; rua=mailto:a@b.test","policies":[{"policy-type":9,"t":0,"f":0}]}"#;
    let datagram = read(text.as_bytes()).unwrap();
    assert!(!datagram.other_version);
    assert_eq!(datagram.event.domain, "testing.test");
    assert_eq!(datagram.event.count, 1);
    let policy = &datagram.event.policies[0];
    assert_eq!(
        (&policy.policy_type, policy.failed, policy.domain.is_none()),
        (&PolicyType::NoPolicyFound, false, true)
    );
    assert_eq!(datagram.event.peer, SessionPeer::default());
}

#[test]
fn what_is_odd_is_read_and_what_cannot_be_counted_is_named() {
    let odd = |text: &str| one(text).policies[0].clone();
    let with = |policy: &str| format!(r#"{{"d":"a.example","policies":[{policy}]}}"#);

    assert!(read(br#"{"dpv":"2","d":"a.example","policies":[{}]}"#).unwrap().other_version);
    assert!(!read(br#"{"dpv":1,"d":"a.example","policies":[{}]}"#).unwrap().other_version);
    assert_eq!(one(r#"{"d":"x","d":"b.example","policies":[{}]}"#).domain, "b.example", "of two the last");
    assert_eq!(
        one(r#"{"d":"a.example","policies":{"f":1}}"#).policies.len(),
        1,
        "one object as a list of one"
    );
    assert_eq!(odd(&with(r#"{"policy-type":"sts"}"#)).policy_type, PolicyType::Sts);
    assert_eq!(odd(&with(r#"{"policy-type":7}"#)).policy_type, PolicyType::Unknown("7".into()));
    assert_eq!(odd(&with(r#"{"policy-type":[[1]]}"#)).policy_type, PolicyType::Unknown("".into()));
    assert_eq!(odd(&with(r#"{"policy-string":"one"}"#)).strings, ["one"]);
    assert_eq!(odd(&with(r#"{"policy-string":[null,{},3,"a\nb"]}"#)).strings, ["3", "a b"]);
    assert!(odd(&with(r#"{"failure-details":[{"c":901}]}"#)).failed, "no final result, but a failure");
    assert_eq!(
        odd(&with(r#"{"failure-details":[{"c":901},{"c":70000},{"c":"203"},7]}"#))
            .failures
            .iter()
            .map(|failure| failure.result_type.as_wire().to_owned())
            .collect::<Vec<_>>(),
        ["901", "70000", "certificate-not-trusted", ""]
    );
    assert_eq!(
        odd(&with(
            r#"{"failure-details":[{"h":"MX.a.example at 12:01\r\nSIZE 7","n":"not a name\u0007","r":"x"}]}"#
        ))
        .failures[0],
        SessionFailure {
            result_type: ResultType::Unknown("".into()),
            sending_mta_ip: None,
            mx_host: Some("not a name".into()),
            helo: Some("mx.a.example".into()),
            receiving_ip: None,
            additional_information: None,
            reason_code: None,
        }
    );

    let raw = b"{\"d\":\"a.example\",\"policies\":[{\"policy-string\":[\"\xff\xfe\"]}]}\0\0";
    assert_eq!(read(raw).unwrap().event.policies[0].strings, ["\u{fffd}\u{fffd}"]);

    assert_eq!(read(b""), Err(DatagramError::Empty));
    for text in ["x", "{", "[1", "\0", &"[".repeat(100_000), &r#"{"d":"#.repeat(50_000)] {
        assert!(matches!(read(text.as_bytes()), Err(DatagramError::NotJson(_))), "{text:.20}");
    }
    for text in ["1", "[]", "null", "{}", r#"{"d":""}"#, r#"{"d":"a b","policies":[{}]}"#, r#"{"d":[]}"#] {
        assert_eq!(read(text.as_bytes()), Err(DatagramError::NoDomain), "{text}");
    }
    for text in [r#"{"d":"a.b"}"#, r#"{"d":"a.b","policies":[]}"#, r#"{"d":"a.b","policies":null}"#] {
        assert_eq!(read(text.as_bytes()), Err(DatagramError::NoPolicy), "{text}");
    }
}

#[test]
fn lists_and_texts_are_bounded() {
    let many = |item: &str| vec![item; 5000].join(",");
    let long = "x".repeat(5000);
    let text = format!(
        r#"{{"d":"a.example","pr":"{long}","policies":[{{"policy-string":["{long}",{}],"failure-details":[{}],"f":1}},{}]}}"#,
        many("\"s\""),
        many(r#"{"c":203}"#),
        many("{}"),
    );
    let event = one(&text);
    assert_eq!(event.policies.len(), MAX_POLICIES);
    assert_eq!(event.policies[0].strings.len(), MAX_STRINGS);
    assert_eq!(event.policies[0].strings[0].len(), MAX_TEXT_BYTES);
    assert_eq!(event.policies[0].failures.len(), MAX_FAILURES);
    assert_eq!(event.tlsrpt_record.unwrap().len(), MAX_RECORD_BYTES);
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(noise in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = read(&noise);
    }

    #[test]
    fn a_damaged_datagram_is_read_or_refused(at in 0..DEMO.len(), byte in any::<u8>(), cut in 0..DEMO.len()) {
        let mut bytes = DEMO.as_bytes().to_vec();
        bytes[at] = byte;
        if let Ok(datagram) = read(&bytes) {
            prop_assert!(!datagram.event.policies.is_empty());
        }
        let _ = read(&bytes[..cut]);
    }
}
