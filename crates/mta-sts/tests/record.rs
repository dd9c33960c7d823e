//! The contract of the TXT record beyond the vectors: which deviations are usable, how faults are named, and
//! which record of several counts.

use mta_sts::freshness::RecordOutcome;
use mta_sts::record::{self, Deviation, Error, PolicyId, Record};
use mta_sts::rrset::{self, Choice, NoRecord};

fn usable_id(txt: &str) -> Option<String> {
    record::parse(txt.as_bytes()).usable().ok().map(|record| record.id().as_wire().to_owned())
}

/// The closed list of deviations: what they are, whether the RFC allows them, and that the record stays
/// usable.
///
/// Proves: L1
#[test]
fn every_deviation_of_a_record_is_noted_and_usable() {
    for (txt, expected, is_strict) in [
        ("v=STSv1; id=a1;", vec![], true),
        ("v=STSv1; id=a1; \t", vec![], true),
        ("v=STSv1 ; id=a1;", vec![Deviation::SpaceAfterVersion], true),
        ("v=STSv1\t; id=a1", vec![Deviation::SpaceAfterVersion], true),
        ("v=STSv1; id=a1 ", vec![Deviation::SpaceAtEnd], false),
        ("v=STSv1; id=a1\r\n", vec![Deviation::SpaceAtEnd], false),
        ("v=STSv1; id=a1;\n", vec![Deviation::SpaceAtEnd], false),
        ("v=STSv1; id=a1; id=b2; id=c3", vec![Deviation::DuplicateField], true),
        ("v=STSv1; v=STSv1; id=a1", vec![Deviation::DuplicateField], true),
        (
            "v=STSv1 ; id=a1; id=!! ",
            vec![Deviation::SpaceAtEnd, Deviation::SpaceAfterVersion, Deviation::DuplicateField],
            false,
        ),
    ] {
        let parsed = record::parse(txt.as_bytes());
        assert_eq!(parsed.deviations(), expected, "{txt:?}");
        assert_eq!(parsed.strict().is_ok(), is_strict, "{txt:?}");
        assert_eq!(usable_id(txt).as_deref(), Some("a1"), "{txt:?}");
    }
}

/// Nothing outside the closed list is usable, and the fault has a name.
///
/// Proves: D2, S3, L2
#[test]
fn malformed_record_is_unusable_by_the_name_of_its_fault() {
    for (txt, expected) in [
        ("", Error::Version),
        (" v=STSv1; id=a", Error::Version),
        ("\u{feff}v=STSv1; id=a", Error::Version),
        ("V=STSv1; id=a", Error::Version),
        ("v=STSv10; id=a", Error::Version),
        ("v=STSv1 id=a", Error::Version),
        ("v=STSv1\r\n; id=a", Error::Version),
        ("v=STSv1", Error::MissingId),
        ("v=STSv1;", Error::MissingId),
        ("v=STSv1; x=1", Error::MissingId),
        ("v=STSv1;; id=a", Error::EmptyField),
        ("v=STSv1; id=a;;", Error::EmptyField),
        ("v=STSv1; id", Error::NoEqualsSign),
        ("v=STSv1; =a", Error::FieldName),
        ("v=STSv1; id =a", Error::FieldName),
        ("v=STSv1; id=", Error::FieldValue),
        ("v=STSv1; id= a", Error::FieldValue),
        ("v=STSv1; id=a; id=b=c", Error::FieldValue),
        ("v=STSv1; id=a; x=\u{e9}", Error::FieldValue),
        ("v=STSv1; id=a_b", Error::Id),
        ("v=STSv1; id=a-b; id=ok", Error::Id),
    ] {
        let parsed = record::parse(txt.as_bytes());
        assert_eq!(parsed.usable(), Err(&expected), "{txt:?}");
        assert!(parsed.strict().is_err(), "{txt:?}");
    }
}

/// At the limit and just past it.
///
/// Proves: D2
#[test]
fn limits_of_a_record_hold_to_the_byte() {
    assert!(PolicyId::parse(&"a".repeat(32)).is_ok());
    assert!(PolicyId::parse(&"a".repeat(33)).is_err());
    assert!(PolicyId::parse("").is_err());
    let named = |length: usize| format!("v=STSv1; id=a; {}=1", "n".repeat(length));
    assert!(usable_id(&named(32)).is_some());
    assert!(usable_id(&named(33)).is_none());
    let sized = |length: usize| {
        let start = "v=STSv1; id=a; x=";
        format!("{start}{}", "1".repeat(length - start.len()))
    };
    assert!(usable_id(&sized(record::MAX_RECORD_BYTES)).is_some());
    let past = record::parse(sized(record::MAX_RECORD_BYTES + 1).as_bytes());
    assert_eq!(past.usable(), Err(&Error::TooLong));
}

/// Proves: S3
#[test]
fn unknown_fields_are_kept_and_the_first_of_a_name_counts() {
    let parsed = record::parse(b"v=STSv1; x=1; id=a; y.z-0_=~; x=2");
    let pairs = [("x".to_owned(), "1".to_owned()), ("y.z-0_".to_owned(), "~".to_owned())];
    assert_eq!(parsed.usable().map(Record::extensions), Ok(pairs.as_slice()));
}

/// What we publish is always strict, and free of what other senders stumble over.
///
/// Proves: D1
#[test]
fn published_record_is_strict_without_any_deviation() {
    let record = record::parse(b"v=STSv1 ;x=1;id=A9; x=2 ").into_usable().unwrap();
    let wire = record.to_wire();
    assert_eq!(wire, "v=STSv1; id=A9; x=1;");
    let again = record::parse(wire.as_bytes());
    assert_eq!(again.strict(), Ok(&record));
    assert!(again.deviations().is_empty());
}

/// Proves: S2, D3, L1, L9
#[test]
fn among_several_records_count_comes_before_validity() {
    let none = Err;
    for (rrset, expected) in [
        (&[][..], none(NoRecord::Absent)),
        (&["v=spf1 -all"], none(NoRecord::Absent)),
        (&["v=STSv2; id=a"], none(NoRecord::Absent)),
        (&["v=STSv1; id=a"], Ok("a")),
        (&["v=STSv1 ; id=a"], Ok("a")),
        (&["v=STSv1; id=a", "x", "y"], Ok("a")),
        (&["v=STSv1; id=a", "v=STSv1 ; id=b"], Ok("a")),
        (&["v=STSv1; id=a "], Ok("a")),
        (&["v=STSv1; bogus"], none(NoRecord::Malformed(Error::NoEqualsSign))),
        (&["v=STSv1; id=a", "v=STSv1; bogus"], none(NoRecord::Multiple { count: 2 })),
        (&["v=STSv1; id=a", "v=STSv1; id=a"], none(NoRecord::Multiple { count: 2 })),
        (&["v=STSv1; a", "v=STSv1; b", "v=STSv1;", "x"], none(NoRecord::Multiple { count: 3 })),
        (&["v=STSv1 ; id=a", "verification=1"], none(NoRecord::SpacedVersionOnly)),
        (&["v=STSv10; id=a", "verification=1"], none(NoRecord::Absent)),
    ] {
        let choice = rrset::choose(rrset);
        assert_eq!(choice.usable().map(|record| record.id().as_wire()), expected, "{rrset:?}");
    }
}

/// What is malformed or ambiguous is told apart from what is not there, for the cache and for the checker.
///
/// Proves: S2
#[test]
fn choice_tells_the_cache_what_was_found() {
    let outcome = |rrset: &[&str]| rrset::choose(rrset).outcome();
    assert_eq!(outcome(&["v=STSv1; id=a"]), RecordOutcome::Found(PolicyId::parse("a").unwrap()));
    assert_eq!(outcome(&["x"]), RecordOutcome::Absent);
    assert_eq!(outcome(&["v=STSv1; id=a-b"]), RecordOutcome::Malformed);
    assert_eq!(outcome(&["v=STSv1; id=a", "v=STSv1; id=b"]), RecordOutcome::Malformed);
    let Choice::One(parsed) = rrset::choose(&["v=STSv1 ; id=a"]) else { panic!("one record") };
    assert_eq!(parsed.deviations(), [Deviation::SpaceAfterVersion]);
}

/// Proves: S1, D4
#[test]
fn record_may_be_split_into_strings_anywhere() {
    let whole = b"v=STSv1; id=a1; x=1;";
    for at in 0..=whole.len() {
        let (head, tail) = whole.split_at(at);
        assert_eq!(rrset::join(&[head, b"", tail]), whole);
    }
    assert!(rrset::join::<&[u8]>(&[]).is_empty());
}
