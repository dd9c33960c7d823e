//! The record's contract as tables: verdicts, slack, choice, and what is written.

use super::*;
use proptest::prelude::*;

/// Record and strict verdict, of our own making or from RFC 8460.
const STRICT: &[(&str, &str)] = &[
    ("v=TLSRPTv1;rua=mailto:reports@example.com", "valid"),
    ("v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt", "valid"),
    ("v=TLSRPTv1; rua=mailto:in@r.example , \t\t https://r.example/in", "valid"),
    ("v=TLSRPTv1; rua=mailto:a@b.c , mailto:c@d.e", "valid"),
    ("v=TLSRPTv1; rua=a@b.c", "invalid"),
    ("v=TLSRPTv1; rua=mailto:a@b.c!10m", "invalid"),
    ("v=TLSRPTv1; rua=mailto:a%21b@c.d", "valid"),
    ("v=TLSRPTv1; rua=mailto:a@b.c?subject=x", "valid"),
    ("v=TLSRPTv1; rua=mailto:a@b.c,ftp://x/", "valid"),
    ("v=TLSRPTv1; rua=ftp://x/", "no-usable-rua"),
    ("v=TLSRPTv1; rua=HTTPS://x.y/", "valid"),
    ("v=TLSRPTv1; rua=https://x.y/a;b", "invalid"),
    ("v=TLSRPTv1; rua=https://x.y/a?b=c&d=e", "valid"),
    ("v=TLSRPTv1; rua=https://[2001:db8::1]/r", "valid"),
    ("v=TLSRPTv1; rua=mailto:a@b.c,", "invalid"),
    ("v=TLSRPTv1; rua=mailto:a@b.c ", "invalid"),
    ("v=TLSRPTv1 rua=mailto:a@b.c", "invalid"),
    ("v=TLSRPTv1; rua=mailto:a@b.c; x=a b", "invalid"),
    ("v=TLSRPTv1; rua=\"mailto:a@b.c\"", "invalid"),
    // The version, exactly.
    ("", "invalid"),
    ("v=TLSRPTv1", "invalid"),
    ("v=TLSRPTv1;", "invalid"),
    ("v=tlsrptv1; rua=mailto:a@b.c", "invalid"),
    ("V=TLSRPTv1; rua=mailto:a@b.c", "invalid"),
    ("v=TLSRPTv12; rua=mailto:a@b.c", "invalid"),
    ("v=TLSRPTv1\t;\trua=mailto:a@b.c\t;\t", "valid"),
    ("v=TLSRPTv1;;rua=mailto:a@b.c", "invalid"),
    ("v=TLSRPTv1;rua=mailto:a@b.c;;", "invalid"),
    ("v=TLSRPTv1;rua=mailto:a@b.c\n", "invalid"),
    // Fields: an unknown one before the rua, the version again, a name in the wrong case.
    ("v=TLSRPTv1; ext.1_x-y=!; rua=mailto:a@b.c", "valid"),
    ("v=TLSRPTv1; v=TLSRPTv1; rua=mailto:a@b.c", "valid"),
    ("v=TLSRPTv1; RUA=mailto:a@b.c", "invalid"),
    ("v=TLSRPTv1; rua =mailto:a@b.c", "invalid"),
    ("v=TLSRPTv1; rua= mailto:a@b.c", "invalid"),
    ("v=TLSRPTv1; rua=mailto:a@b.c; _x=1", "invalid"),
    ("v=TLSRPTv1; rua=mailto:a@b.c; x=a=b", "invalid"),
    ("v=TLSRPTv1; rua=mailto:a@b.c; x=\u{e4}", "invalid"),
    ("v=TLSRPTv1; rua=mailto:a@b.c; x", "invalid"),
    ("v=TLSRPTv1; rua=mailto:a@b.c; a2345678901234567890123456789012=1", "valid"),
    // URIs.
    ("v=TLSRPTv1; rua=mailto:%61@b.c", "valid"),
    ("v=TLSRPTv1; rua=mailto:%6@b.c", "invalid"),
    ("v=TLSRPTv1; rua=mailto:%zz@b.c", "invalid"),
    ("v=TLSRPTv1; rua=mailto:a@b.c#frag", "valid"),
    ("v=TLSRPTv1; rua=mailto:a@b@c", "no-usable-rua"),
    ("v=TLSRPTv1; rua=mailto:?to=a@b.c", "no-usable-rua"),
    ("v=TLSRPTv1; rua=mailto://a@b.c", "no-usable-rua"),
    ("v=TLSRPTv1; rua=mailto:a@b.c%2Cd@e.f", "no-usable-rua"),
    ("v=TLSRPTv1; rua=mailto:a@b.c%0D%0ARCPT%20TO:x", "no-usable-rua"),
    ("v=TLSRPTv1; rua=mailto:%22a%20b%22@c.d", "valid"),
    ("v=TLSRPTv1; rua=mailto:a..b@c.d", "no-usable-rua"),
    ("v=TLSRPTv1; rua=mailto:a@%5B192.0.2.1%5D", "no-usable-rua"),
    ("v=TLSRPTv1; rua=https://[2001:db8::1/r", "invalid"),
    ("v=TLSRPTv1; rua=https://[2001:db8::g]/r", "invalid"),
    ("v=TLSRPTv1; rua=https://[v1.x]/r", "no-usable-rua"),
    ("v=TLSRPTv1; rua=https://x.y:70000/", "no-usable-rua"),
    ("v=TLSRPTv1; rua=https://x.y:8443", "valid"),
    ("v=TLSRPTv1; rua=https://x.y:8a/", "invalid"),
    ("v=TLSRPTv1; rua=https://user:secret@x.y/", "no-usable-rua"),
    ("v=TLSRPTv1; rua=https:///path", "no-usable-rua"),
    ("v=TLSRPTv1; rua=https:path", "no-usable-rua"),
    ("v=TLSRPTv1; rua=https://x..y/", "no-usable-rua"),
    ("v=TLSRPTv1; rua=https://x.y/a b", "invalid"),
    ("v=TLSRPTv1; rua=https://x.y/<b>", "invalid"),
    ("v=TLSRPTv1; rua=https://x.y/a%3Bb%2Cc%21", "valid"),
    ("v=TLSRPTv1; rua=1https://x.y/", "invalid"),
];

/// Proves: G1, G4, G5, G6
#[test]
fn the_strict_verdict_follows_the_grammar() {
    for (record, verdict) in STRICT {
        assert_eq!(parse(record.as_bytes()).strict_word(), *verdict, "{record:?}");
    }
}

/// Proves: G5, L11
#[test]
fn repeated_rua_fields_are_one_list_and_strange_schemes_are_skipped() {
    let reading = parse(
        b"v=TLSRPTv1; rua=mailto:a@B.example,ftp://x/; x=1; rua=https://R.example:8443/p, mailto:c@d.e",
    );
    let record = reading.strict.unwrap();
    assert_eq!(record.ruas().len(), 4);
    assert_eq!(record.extensions(), [("x".into(), "1".into())]);
    let usable: Vec<_> = record.usable_ruas().cloned().collect();
    assert_eq!(
        usable,
        [
            Rua::Mailto { uri: "mailto:a@B.example".into(), address: "a@b.example".into() },
            Rua::Https { uri: "https://R.example:8443/p".into(), host: "r.example".into(), port: 8443 },
            Rua::Mailto { uri: "mailto:c@d.e".into(), address: "c@d.e".into() },
        ]
    );
    assert_eq!(record.ruas()[1], Rua::Unsupported { uri: "ftp://x/".into(), scheme: "ftp".into() });
}

#[test]
fn a_mailto_address_is_decoded_and_its_domain_becomes_a_labels() {
    let rows = [
        ("mailto:a%21b@C.Example", "a!b@c.example"),
        ("mailto:a@m%C3%BCller.example", "a@xn--mller-kva.example"),
        ("mailto:x+tag@y.example?subject=ignored&body=too", "x+tag@y.example"),
        ("mailto:%22a%20b%22@c.d", "\"a b\"@c.d"),
    ];
    for (uri, address) in rows {
        let expected = Rua::Mailto { uri: uri.into(), address: address.into() };
        assert_eq!(Rua::parse(uri.as_bytes()), Ok(expected), "{uri}");
    }
}

/// Design, "strict and usable": the slack is a closed list, and what it overlooks is said.
#[test]
fn the_usable_verdict_overlooks_a_closed_list_and_says_so() {
    use Deviation::{ByteOrderMark, EmptyField, EmptyRua, LeadingSpace, TrailingSpace};
    let rows: [(&[u8], &[Deviation]); 8] = [
        (b"v=TLSRPTv1; rua=mailto:a@b.c", &[]),
        (b"v=TLSRPTv1; rua=mailto:a@b.c ; ", &[]),
        (b"v=TLSRPTv1; rua=mailto:a@b.c \r\n", &[TrailingSpace]),
        (b"v=TLSRPTv1; rua=mailto:a@b.c;\n", &[TrailingSpace]),
        (b"\xEF\xBB\xBFv=TLSRPTv1; rua=mailto:a@b.c", &[ByteOrderMark]),
        (b" v=TLSRPTv1; rua=mailto:a@b.c", &[LeadingSpace]),
        (b"v=TLSRPTv1;; ; rua=mailto:a@b.c;;", &[EmptyField]),
        (b"v=TLSRPTv1; rua=,mailto:a@b.c,,", &[EmptyRua]),
    ];
    for (record, deviations) in rows {
        let reading = parse(record);
        let usable = reading.usable.unwrap_or_else(|error| panic!("{record:?}: {error}"));
        assert_eq!(usable.deviations, deviations, "{record:?}");
        assert_eq!(usable.record.usable_ruas().count(), 1);
        assert_eq!(reading.strict.is_ok(), deviations.is_empty(), "{record:?}");
    }
    for refused in
        ["v=TLSRPTv1; rua=a@b.c", "v=TLSRPTv1; rua=,", "v=TLSRPTv1 rua=mailto:a@b.c", "; v=TLSRPTv1"]
    {
        assert!(parse(refused.as_bytes()).usable.is_err(), "{refused}");
    }
}

#[test]
fn an_error_names_the_place_and_the_cause() {
    let rows: [(&str, RecordError); 7] = [
        ("v=TLSRPTv1; rua=a@b.c", RecordError::Uri { at: 16, error: UriError::NoScheme }),
        (
            "v=TLSRPTv1; rua=mailto:a@b.c, mailto:a@b.c!10m",
            RecordError::Uri { at: 30, error: UriError::Exclamation },
        ),
        ("v=TLSRPTv1; rua=mailto:a@b.c,", RecordError::EmptyRua { at: 29 }),
        ("v=TLSRPTv1; x=1", RecordError::MissingRua),
        ("v=TLSRPTv1; rua=mailto:a@b.c; x=a b", RecordError::FieldValue { at: 30 }),
        ("v=TLSRPTv1; rua=mailto:a@b.c ", RecordError::StraySpace { at: 28 }),
        ("v=TLSRPTv1;rua=", RecordError::EmptyRua { at: 15 }),
    ];
    for (record, error) in rows {
        assert_eq!(parse(record.as_bytes()).strict, Err(error), "{record}");
    }
}

#[test]
fn a_record_longer_than_dns_can_carry_is_refused() {
    let mut record = b"v=TLSRPTv1; rua=https://x.y/".to_vec();
    record.resize(MAX_RECORD_BYTES, b'a');
    assert_eq!(parse(&record).strict_word(), "valid");
    record.push(b'a');
    assert_eq!(parse(&record).usable, Err(RecordError::TooLong));
}

/// Proves: G2, L1, L10
#[test]
fn exactly_one_literal_record_must_be_left() {
    let rows: [(&[&str], &str); 9] = [
        (&["v=TLSRPTv1; rua=mailto:a@b.c", "v=TLSRPTv1; rua=mailto:d@e.f"], "none"),
        (&["v=TLSRPTv1; rua=mailto:a@b.c", "spf2.0"], "valid"),
        (&[], "none"),
        (&["v=spf1 -all"], "none"),
        (&["v=TLSRPTv1 ; rua=mailto:a@b.c"], "valid"),
        (&["v=TLSRPTv1 ; rua=mailto:a@b.c", "v=TLSRPTv1;rua=mailto:d@e.f"], "valid"),
        (&["v=TLSRPTv1 ; rua=mailto:a@b.c", "v=spf1 -all"], "none"),
        (&["v=TLSRPTv1; rua=mailto:a@b.c", "v=TLSRPTv1; bogus"], "none"),
        (&["v=TLSRPTv1; rua=ftp://x/", "v=spf1 -all"], "no-usable-rua"),
    ];
    for (records, verdict) in rows {
        assert_eq!(strict_word(records), verdict, "{records:?}");
    }
    let chosen = discover(&["v=TLSRPTv1 ; rua=mailto:a@b.c", "v=TLSRPTv1;rua=mailto:d@e.f"]).unwrap();
    assert_eq!(chosen.usable.unwrap().record.ruas()[0].uri(), "mailto:d@e.f");
    let none: [&str; 0] = [];
    assert_eq!(discover(&none), Err(NotImplemented::NoRecord));
    let two = ["v=TLSRPTv1;rua=mailto:a@b.c"; 2];
    assert_eq!(discover(&two), Err(NotImplemented::Several { count: 2 }));
    assert!(matches!(discover(&["v=TLSRPTv1; x"]), Err(NotImplemented::Unusable(_))));
    assert!(discover(&["\u{feff}v=TLSRPTv1; rua=mailto:a@b.c "]).is_ok());
}

/// Proves: G1, G6
#[test]
fn a_written_record_is_strict_and_encodes_what_it_must() {
    let destinations = ["tls!rep%orts@Example.com", "https://r.example/in;v=1?a=b,c!", "\"a,b;c\"@x.example"];
    let record = write(&destinations).unwrap();
    assert_eq!(
        record,
        "v=TLSRPTv1; rua=mailto:tls%21rep%25orts@Example.com,https://r.example/in%3Bv=1?a=b%2Cc%21,\
         mailto:%22a%2Cb%3Bc%22@x.example"
    );
    let addresses = parse(record.as_bytes()).strict.unwrap();
    assert_eq!(addresses.usable_ruas().count(), 3);
}

#[test]
fn what_no_sender_could_use_is_not_written() {
    for bad in [
        "",
        "example.com",
        "ftp://x/",
        "http://x.y/",
        "mailto:nobody",
        "a b@c.d",
        "a,b@c.d",
        "https://x y/",
        "a@b\r\n.c",
    ] {
        assert!(write(&[bad]).is_err(), "{bad:?}");
    }
    let none: [&str; 0] = [];
    assert_eq!(write(&none), Err(WriteError::Empty));
    assert!(write(&["a@b.c", "nobody"]).is_err());
}

/// All rows of a vectors file, where one is at hand: the environment names it.
#[test]
#[expect(clippy::disallowed_methods, reason = "the test runner says where the shared vectors are")]
fn every_row_of_the_shared_vectors_agrees() {
    let Ok(path) = std::env::var("TLSWARD_VECTORS") else { return };
    let table = std::fs::read_to_string(path).unwrap();
    let mut rows = 0;
    for line in table.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let (kind, input, expected) = (columns[0], columns[1], columns[2]);
        let got = match kind {
            "tlsrpt-txt" => parse(&bytes(&serde_json::from_str(input).unwrap())).strict_word(),
            "tlsrpt-txt-rrset" => {
                let set: Vec<serde_json::Value> = serde_json::from_str(input).unwrap();
                strict_word(&set.iter().map(bytes).collect::<Vec<_>>())
            }
            _ => continue,
        };
        assert_eq!(got, expected, "{line}");
        rows += 1;
    }
    assert!(rows >= 2, "the vectors file has no TLSRPT rows");
}

/// A row's input: a JSON string, or `{"hex": "…"}` for bytes that JSON cannot hold.
fn bytes(value: &serde_json::Value) -> Vec<u8> {
    if let Some(text) = value.as_str() {
        return text.as_bytes().to_vec();
    }
    let hex = value["hex"].as_str().unwrap();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

proptest! {
    #[test]
    fn any_bytes_get_two_verdicts(record in proptest::collection::vec(any::<u8>(), 0..200)) {
        let reading = parse(&record);
        prop_assert!(reading.strict.is_err() || reading.usable.is_ok());
    }

    #[test]
    fn near_records_get_two_verdicts(record in "(v=TLSRPTv1)?[ ;]{0,3}(rua=)?[a-z:@/.,;=!%\\[\\] \\t0-9]{0,60}") {
        let reading = parse(record.as_bytes());
        if let Ok(strict) = &reading.strict {
            let usable = reading.usable.unwrap();
            prop_assert_eq!(&usable.record, strict);
            prop_assert!(usable.deviations.is_empty());
        } else if let Ok(usable) = &reading.usable {
            prop_assert!(!usable.deviations.is_empty());
        }
    }

    #[test]
    fn whatever_address_is_written_is_read_back(local in "[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}", host in "[a-z]{1,10}\\.[a-z]{2,5}") {
        let address = format!("{local}@{host}");
        let record = write(&[&address]).unwrap();
        let read = parse(record.as_bytes()).strict.unwrap();
        let back = match &read.ruas()[0] {
            Rua::Mailto { address, .. } => address.to_string(),
            other => panic!("{other:?}"),
        };
        prop_assert_eq!(back, address);
    }
}
