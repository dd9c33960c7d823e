//! The contract of the policy body and of the answer that carries it, beyond the vectors.

use mta_sts::mx::{MxPattern, PatternError};
use mta_sts::policy::{
    self, BuildError, Deviation, Error, Extension, ExtensionError, MAX_BODY_BYTES, MaxAge, Mode, Policy,
};
use mta_sts::response::{self, FetchFailure, Response};

const GOOD: &str = "version: STSv1\nmode: enforce\nmx: mx.example\nmax_age: 86400\n";

/// The closed list of deviations: each is noted with its first place, not strict, and the policy is usable
/// and says the same as without it.
///
/// Proves: L3, L5
#[test]
fn every_deviation_of_a_policy_is_noted_and_usable() {
    let plain = policy::parse(GOOD.as_bytes()).into_usable().unwrap();
    for (body, expected) in [
        (
            "\u{feff}version: STSv1\nmode: enforce\nmx: mx.example\nmax_age: 86400\n",
            vec![Deviation::ByteOrderMark],
        ),
        (
            "\nversion: STSv1\nmode: enforce\nmx: mx.example\nmax_age: 86400\n",
            vec![Deviation::BlankLine { line: 1 }],
        ),
        (
            "version: STSv1\n\n \t\r\nmode: enforce\nmx: mx.example\nmax_age: 86400\n",
            vec![Deviation::BlankLine { line: 2 }],
        ),
        (
            "version: STSv1\nmode: enforce\nmx: mx.example\nmax_age: 86400\n\n",
            vec![Deviation::BlankLine { line: 5 }],
        ),
        (
            "version: STSv1\nmode: enforce\nmx: mx.example\nmax_age: 86400\n ",
            vec![Deviation::BlankLine { line: 5 }],
        ),
        (
            "version: STSv1\r\r\nmode: enforce\nmx: mx.example\nmax_age: 86400",
            vec![Deviation::SpaceAtLineEnd { line: 1 }],
        ),
        (
            "version: STSv1\nmode: enforce\nmx: mx.example\nmax_age: 86400\r",
            vec![Deviation::SpaceAtLineEnd { line: 4 }],
        ),
        (
            "version: STSv1\nmode: enforce\nmx: mx.example.\nmax_age: 86400\n",
            vec![Deviation::DotAfterMx { line: 3 }],
        ),
    ] {
        let parsed = policy::parse(body.as_bytes());
        assert_eq!(parsed.deviations(), expected, "{body:?}");
        assert!(parsed.strict().is_err(), "{body:?}");
        let policy = parsed.into_usable().unwrap();
        assert!(policy.same_rules(&plain), "{body:?}");
        assert_eq!(policy.max_age(), plain.max_age(), "{body:?}");
    }
}

/// The dot at a pattern's end is all that goes: the star stays a star, and two dots are none.
///
/// Proves: E3
#[test]
fn dot_after_a_pattern_changes_no_host_that_it_covers() {
    let body = "version: STSv1\nmode: enforce\nmx: *.B.example.\nmx: c.example.\nmax_age: 1\n";
    let parsed = policy::parse(body.as_bytes());
    assert_eq!(parsed.deviations(), [Deviation::DotAfterMx { line: 3 }]);
    let patterns = parsed.usable().unwrap().mx();
    assert_eq!(patterns.iter().map(MxPattern::as_wire).collect::<Vec<_>>(), ["*.b.example", "c.example"]);
    for bad in ["*.", "*..", "*.b.example..", "."] {
        let body = body.replace("*.B.example.", bad);
        assert!(policy::parse(body.as_bytes()).usable().is_err(), "{bad}");
    }
}

/// White space that the grammar allows is no deviation, and CRLF and LF may mix.
///
/// Proves: D6
#[test]
fn legal_white_space_and_line_ends_are_no_deviation() {
    for body in [
        GOOD,
        "version: STSv1\r\nmode: enforce\r\nmx: mx.example\r\nmax_age: 86400\r\n",
        "version:STSv1 \t\r\nmode:\t enforce\nmx:mx.example \nmax_age: 86400 ",
        "max_age: 86400\nmx: mx.example\nmode: enforce\nversion: STSv1",
    ] {
        let parsed = policy::parse(body.as_bytes());
        assert!(parsed.deviations().is_empty(), "{body:?}");
        assert!(parsed.strict().is_ok(), "{body:?}");
    }
}

/// Nothing outside the closed list is usable, and the fault has a name and a line.
///
/// Proves: D7, L2, L8
#[test]
fn malformed_policy_is_unusable_by_name_and_line_of_its_fault() {
    let mx = |line, error| Error::Mx { line, error };
    for (body, expected) in [
        ("", Error::MissingVersion),
        ("\n\n", Error::MissingVersion),
        ("<html>", Error::NoColon { line: 1 }),
        (" version: STSv1", Error::FieldName { line: 1 }),
        ("version : STSv1", Error::FieldName { line: 1 }),
        ("version: STSv2\nversion: STSv1", Error::Version { line: 1 }),
        ("version: STSv1\nmode: none\nx:", Error::FieldValue { line: 3 }),
        ("version: STSv1\nmode: none\nx: \u{7f}", Error::FieldValue { line: 3 }),
        ("version: STSv1\nmode: Enforce\nmode: none", Error::Mode { line: 2 }),
        ("version: STSv1\rmode: none", Error::CarriageReturn { line: 1 }),
        ("version: STSv1\nmax_age: 1\nmx: a", Error::MissingMode),
        ("version: STSv1\nmode: none", Error::MissingMaxAge),
        ("version: STSv1\nmode: testing\nmax_age: 1", Error::MissingMx),
        ("version: STSv1\nmode: none\nmax_age: 12345678901", Error::MaxAge { line: 3 }),
        ("version: STSv1\nmode: none\nmax_age: +1", Error::MaxAge { line: 3 }),
        ("version: STSv1\nmode: none\nmax_age: 1 0", Error::MaxAge { line: 3 }),
        ("version: STSv1\nmode: none\nmax_age: \u{661}", Error::MaxAge { line: 3 }),
        ("version: STSv1\nmode: none\nmax_age: x\nmax_age: 1", Error::MaxAge { line: 3 }),
        ("mx: a\nmx: *\n", mx(2, PatternError::Star)),
        ("mx: *.\n", mx(1, PatternError::Label)),
        ("mx: *.*.a\n", mx(1, PatternError::Star)),
        ("mx: a*.b\n", mx(1, PatternError::Star)),
        ("mx: b\u{fc}cher.example\n", mx(1, PatternError::NotALabel)),
        ("mx: .\n", mx(1, PatternError::Label)),
        ("mx: a..\n", mx(1, PatternError::Label)),
        ("mx: .a\n", mx(1, PatternError::Label)),
        ("mx: -a\n", mx(1, PatternError::Label)),
        ("mx: a-\n", mx(1, PatternError::Label)),
        ("mx: a-.b\n", mx(1, PatternError::Label)),
        ("x: a\tb\n", Error::FieldValue { line: 1 }),
        ("x: a\0b\n", Error::FieldValue { line: 1 }),
        ("x: a\u{b}\n", Error::FieldValue { line: 1 }),
        ("mx: a_b\n", mx(1, PatternError::Label)),
        ("mx: [192.0.2.1]\n", mx(1, PatternError::Label)),
    ] {
        let parsed = policy::parse(body.as_bytes());
        assert_eq!(parsed.usable(), Err(&expected), "{body:?}");
        assert!(parsed.strict().is_err(), "{body:?}");
    }
    let not_utf8 = policy::parse(b"version: STSv1\nmode: none\nx: \xc0\xaf\nmax_age: 1");
    assert_eq!(not_utf8.usable(), Err(&Error::FieldValue { line: 3 }));
}

/// Proves: S3, L2
#[test]
fn first_of_a_repeated_field_wins_and_later_ones_are_ignored_whatever_they_say() {
    let body = "version: STSv1\nmode: enforce\nmax_age: 100\nmx: a\nmode: bogus\nmax_age: x\nversion: 9\nn: 1\nn: 2\nmx: b";
    let parsed = policy::parse(body.as_bytes());
    assert_eq!(parsed.deviations(), [Deviation::DuplicateField { line: 5 }]);
    let policy = parsed.strict().unwrap();
    assert_eq!((policy.mode(), policy.max_age().as_secs()), (Mode::Enforce, 100));
    assert_eq!(policy.mx().iter().map(MxPattern::as_wire).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(
        policy.extensions().iter().map(|field| (field.name(), field.value())).collect::<Vec<_>>(),
        [("n", "1")]
    );
}

/// Proves: D8, L3, L4
#[test]
fn lifetime_is_clamped_above_the_maximum_and_zero_is_one() {
    let max_age = |text: &str| {
        let parsed = policy::parse(format!("version: STSv1\nmode: none\nmax_age: {text}\n").as_bytes());
        (parsed.strict().is_ok(), parsed.usable().map(|policy| policy.max_age().as_secs()).ok())
    };
    assert_eq!(max_age("0"), (true, Some(0)));
    assert_eq!(max_age("0000000060"), (true, Some(60)));
    assert_eq!(max_age("31557600"), (true, Some(31_557_600)));
    assert_eq!(max_age("31557601"), (false, Some(31_557_600)));
    assert_eq!(max_age("9999999999"), (false, Some(31_557_600)));
    assert_eq!(max_age("10000000000"), (false, None));
    assert!(MaxAge::from_secs(31_557_600).is_ok());
    assert!(MaxAge::from_secs(31_557_601).is_err());
    assert!(MaxAge::from_secs(u64::MAX).is_err());
}

/// Proves: S14
#[test]
fn body_above_the_limit_is_refused_and_never_cut() {
    let of_size = |size: usize| format!("{GOOD}x: {}", "y".repeat(size - GOOD.len() - 3));
    assert!(policy::parse(of_size(MAX_BODY_BYTES).as_bytes()).strict().is_ok());
    let past = of_size(MAX_BODY_BYTES + 1);
    assert_eq!(policy::parse(past.as_bytes()).usable(), Err(&Error::TooLarge));
    let answer = Response { status: 200, content_type: Some(b"text/plain"), body: past.as_bytes() };
    assert_eq!(response::judge(&answer).usable(), Err(&FetchFailure::TooLarge));
    assert!(policy::served_lines(past.as_bytes()).is_empty());
}

/// A policy with as many patterns as fit is read in one pass and stays within its own size.
///
/// Proves: D7
#[test]
fn number_of_patterns_is_only_limited_by_the_size_of_the_body() {
    let mut body = GOOD.to_owned();
    let mut patterns = 1;
    while body.len() + 6 <= MAX_BODY_BYTES {
        body.push_str("mx: a\n");
        patterns += 1;
    }
    assert_eq!(policy::parse(body.as_bytes()).strict().map(|policy| policy.mx().len()), Ok(patterns));
}

/// Proves: H5
#[test]
fn policy_keeps_its_lines_as_served_with_their_faults() {
    let body = "\u{feff}mx: MX.Example.\r\n\r\nversion:   STSv1 \r\nmode: enforce\r\nmax_age: 99999999\r\nmode: none\r\n";
    let policy = policy::parse(body.as_bytes()).into_usable().unwrap();
    let expected =
        ["mx: MX.Example.", "version:   STSv1", "mode: enforce", "max_age: 99999999", "mode: none"];
    assert_eq!(policy.lines().collect::<Vec<_>>(), expected);
    assert_eq!(policy::served_lines(body.as_bytes()), expected);
    assert_eq!(policy::served_lines(b"nonsense\n\xff: \r\n"), ["nonsense", "\u{fffd}:"]);
}

/// Proves: D6, D7
#[test]
fn served_policy_has_crlf_lines_and_reads_back_as_itself() {
    let patterns = ["MX1.example", "*.Backup.example"].map(|text| MxPattern::parse(text).unwrap());
    let note = Extension::new("x-note", "caf\u{e9} au lait").unwrap();
    let age = MaxAge::from_secs(604_800).unwrap();
    let policy = Policy::new(Mode::Testing, age, patterns.to_vec(), vec![note]).unwrap();
    let body = policy.to_body().unwrap();
    assert_eq!(
        body,
        "version: STSv1\r\nmode: testing\r\nmx: mx1.example\r\nmx: *.backup.example\r\nmax_age: 604800\r\n\
         x-note: caf\u{e9} au lait\r\n"
    );
    assert_eq!(policy::parse(body.as_bytes()).strict(), Ok(&policy));
}

/// Proves: D7, L6
#[test]
fn policy_that_no_valid_body_could_say_is_not_built() {
    let age = MaxAge::MAX;
    let build =
        |mode, mx: Vec<MxPattern>, fields| Policy::new(mode, age, mx, fields).map(|policy| policy.mode());
    assert_eq!(build(Mode::None, vec![], vec![]), Ok(Mode::None));
    assert_eq!(build(Mode::Testing, vec![], vec![]), Err(BuildError::NoMx));
    let field = |name: &str, value: &str| Extension::new(name, value);
    let twice = vec![field("a", "1").unwrap(), field("a", "2").unwrap()];
    assert_eq!(build(Mode::None, vec![], twice), Err(BuildError::DuplicateExtension));
    let huge = vec![field("a", &"x".repeat(MAX_BODY_BYTES)).unwrap()];
    assert_eq!(build(Mode::None, vec![], huge), Err(BuildError::TooLarge));
    for (name, value, expected) in [
        ("mx", "a", ExtensionError::Known),
        ("mode", "none", ExtensionError::Known),
        ("", "a", ExtensionError::Name),
        ("a:b", "a", ExtensionError::Name),
        ("a", "", ExtensionError::Value),
        ("a", " b", ExtensionError::Value),
        ("a", "b ", ExtensionError::Value),
        ("a", "b\r\nmode: none", ExtensionError::Value),
    ] {
        assert_eq!(field(name, value), Err(expected), "{name:?} {value:?}");
    }
}

/// Tokens on the wire are read back by the same table.
#[test]
fn mode_reads_back_from_its_wire_token() {
    for mode in Mode::ALL {
        assert_eq!(Mode::from_wire(mode.as_wire()), Some(mode));
    }
    assert_eq!(Mode::from_wire("Enforce"), None);
}

/// Proves: S10, S11
#[test]
fn only_status_200_carries_a_policy() {
    for status in [0, 100, 201, 203, 204, 206, 301, 302, 307, 304, 404, 500] {
        let answer = Response { status, content_type: Some(b"text/plain"), body: GOOD.as_bytes() };
        assert_eq!(response::judge(&answer).usable(), Err(&FetchFailure::Status(status)));
    }
    let answer = Response { status: 200, content_type: Some(b"text/plain"), body: GOOD.as_bytes() };
    assert!(response::judge(&answer).strict().is_ok());
}

/// Proves: S13, L7
#[test]
fn wrong_media_type_is_overlooked_only_for_a_strictly_valid_body() {
    for content_type in [None, Some(b"text/html".as_slice())] {
        let judge =
            |body: &str| response::judge(&Response { status: 200, content_type, body: body.as_bytes() });
        let good = judge(GOOD);
        assert!(good.usable().is_ok());
        assert!(good.strict().is_err());
        assert_eq!(good.deviations(), [Deviation::MediaType]);
        assert!(judge(&format!("{GOOD}mode: none\n")).usable().is_ok(), "a repeated field is strictly valid");
        assert_eq!(judge(&format!("{GOOD}\n")).usable(), Err(&FetchFailure::MediaType));
        assert_eq!(judge("<p>").usable(), Err(&FetchFailure::Malformed(Error::NoColon { line: 1 })));
    }
}
