//! Properties over arbitrary and over almost right input: no parser panics, what is strict is usable,
//! nothing usable lets an MX in that the grammar would not, and what we write is strict.

#![expect(clippy::unwrap_used, reason = "a test may panic, also in the functions that its cases share")]

use mta_sts::mx::{self, MxPattern};
use mta_sts::name::DnsName;
use mta_sts::policy::{self, Deviation, Extension, MaxAge, Mode, Policy};
use mta_sts::policy_domain::PolicyDomain;
use mta_sts::record::{self, PolicyId, Record};
use mta_sts::response::{self, Response};
use mta_sts::{content_type, rrset, verdict};
use proptest::collection::vec;
use proptest::prelude::*;

/// Pieces of policies, right and wrong: put together at random they come close to the grammar's edges.
fn policy_text() -> impl Strategy<Value = Vec<u8>> {
    let pieces: &[&[u8]] = &[
        b"version",
        b"mode",
        b"max_age",
        b"mx",
        b"x-y",
        b"Mode",
        b":",
        b": ",
        b":\t",
        b" ",
        b"\t",
        b"\n",
        b"\n",
        b"\r\n",
        b"\r",
        b"STSv1",
        b"enforce",
        b"testing",
        b"none",
        b"0",
        b"86400",
        b"31557601",
        b"mx.example",
        b"*.example",
        b"*",
        b".",
        b"MX.",
        b"-",
        b"\xc3\xbc",
        b"\xff",
        b"\0",
        b"\xef\xbb\xbf",
        b"version: STSv1\n",
        b"mode: enforce\n",
        b"mode: none\r\n",
        b"max_age: 1\n",
        b"mx: a.example.\n",
        b"mx: *.b.example\n",
        b"mx: *.b.example.\n",
        b"mx: a-\n",
    ];
    vec(proptest::sample::select(pieces), 0..24).prop_map(|pieces| pieces.concat())
}

fn record_text() -> impl Strategy<Value = Vec<u8>> {
    let pieces: &[&[u8]] = &[
        b"v=STSv1",
        b"v=STSv1;",
        b";",
        b"; ",
        b" ",
        b"\t",
        b"\n",
        b"\r",
        b"id=",
        b"id=a1",
        b"id=a-b",
        b"x=1",
        b"=",
        b"x",
        b"v=",
        b"\0",
        b"\xff",
        b"\"",
    ];
    vec(proptest::sample::select(pieces), 0..12).prop_map(|pieces| pieces.concat())
}

fn label() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9]([a-zA-Z0-9-]{0,8}[a-zA-Z0-9])?"
}

fn domain() -> impl Strategy<Value = String> {
    vec(label(), 1..4).prop_map(|labels| labels.join("."))
}

fn pattern() -> impl Strategy<Value = MxPattern> {
    (any::<bool>(), domain()).prop_map(|(star, domain)| {
        MxPattern::parse(&format!("{}{domain}", if star { "*." } else { "" })).unwrap()
    })
}

/// The values of all mx fields, found without the parser: by plain splitting.
fn raw_mx_values(body: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(body);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let values = text.split('\n').filter_map(|line| line.strip_prefix("mx:"));
    values.map(|value| value.trim().to_ascii_lowercase()).collect()
}

/// The grammar of a pattern, in other words than the parser's.
fn is_pattern(text: &str) -> bool {
    let mut labels = text.strip_prefix("*.").unwrap_or(text).split('.');
    labels.all(|label| {
        let hyphen_at_end = label.starts_with('-') || label.ends_with('-');
        !label.is_empty() && !hyphen_at_end && label.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-'))
    })
}

fn check_policy(body: &[u8]) {
    let parsed = policy::parse(body);
    if parsed.strict().is_ok() {
        assert!(parsed.usable().is_ok());
    }
    let _ = policy::served_lines(body);
    let Ok(policy) = parsed.usable() else { return };
    let served = raw_mx_values(body);
    let admitted: Vec<_> = policy.mx().iter().map(|pattern| pattern.as_wire().into_owned()).collect();
    assert!(admitted.iter().all(|pattern| is_pattern(pattern)), "{admitted:?}");
    let without_dot: Vec<_> = served.iter().map(|text| text.strip_suffix('.').unwrap_or(text)).collect();
    assert_eq!(admitted, without_dot, "exactly the patterns served, but for a dot at their end");
    let has_dot =
        parsed.deviations().iter().any(|deviation| matches!(deviation, Deviation::DotAfterMx { .. }));
    assert_eq!(has_dot, served.iter().any(|text| text.ends_with('.')));
    assert!(policy.max_age() <= MaxAge::MAX);
    assert!(policy.mode() == Mode::None || !policy.mx().is_empty());
    // What a sender read it can write, and reads it again as the same.
    let again = policy::parse(policy.to_body().unwrap().as_bytes());
    let again = again.strict().unwrap();
    assert!(again.same_rules(policy) && again.max_age() == policy.max_age());
    assert_eq!(again.extensions(), policy.extensions());
}

fn check_record(txt: &[u8]) {
    let parsed = record::parse(txt);
    if parsed.strict().is_ok() {
        assert!(parsed.usable().is_ok());
    }
    if let Ok(record) = parsed.usable() {
        let wire = record.to_wire();
        let again = record::parse(wire.as_bytes());
        assert_eq!(again.strict(), Ok(record));
        assert!(again.deviations().is_empty());
        assert_eq!(rrset::choose(&[wire.as_bytes(), b"other"]).usable(), Ok(record));
    }
}

proptest! {
    /// Every byte of input is hostile.
    #[test]
    fn no_parser_panics_on_arbitrary_bytes(bytes in vec(any::<u8>(), 0..512), text in "\\PC{0,80}") {
        check_policy(&bytes);
        check_record(&bytes);
        let _ = rrset::choose(&[bytes.as_slice(), text.as_bytes()]).outcome();
        let _ = content_type::check(Some(&bytes));
        let answer = Response { status: 200, content_type: Some(&bytes), body: text.as_bytes() };
        prop_assert!(response::judge(&answer).strict().is_err() || content_type::check(Some(&bytes)).is_ok());
        let _ = DnsName::parse(&text);
        let _ = MxPattern::parse(&text);
        let _ = PolicyDomain::of_next_hop(&text);
        let _ = PolicyDomain::of_recipient(&text);
        let _ = verdict::mx_match(&text, &[&text]);
    }

    /// The rule that usable is strict and a little more, and never admits an MX that strict
    /// would not.
    #[test]
    fn usable_policy_never_widens_what_an_mx_may_be(body in policy_text()) {
        check_policy(&body);
    }

    /// As above, on bodies that are valid but for what is inserted at one place.
    #[test]
    fn damage_at_one_place_of_a_policy_never_widens_it(at in 0usize..90, insert in policy_text()) {
        let mut body = b"version: STSv1\r\nmode: enforce\r\nmx: mx.example\r\nmx: *.b.example\r\nmax_age: 604800\r\n".to_vec();
        let at = at.min(body.len());
        body.splice(at..at, insert);
        check_policy(&body);
    }

    /// Strict implies usable, and what is usable is written strictly.
    #[test]
    fn usable_record_is_written_strictly(txt in record_text(), at in 0usize..20, insert in record_text()) {
        check_record(&txt);
        let mut damaged = b"v=STSv1; id=a1; x=1;".to_vec();
        let at = at.min(damaged.len());
        damaged.splice(at..at, insert);
        check_record(&damaged);
    }

    /// Whatever policy we serve, strict senders take it, and as what we meant.
    #[test]
    fn served_policy_always_passes_the_strict_parser(
        mode in proptest::sample::select(Mode::ALL.to_vec()),
        seconds in 0u64..=31_557_600,
        mx in vec(pattern(), 1..6),
        name in "x[a-z0-9_.-]{0,31}",
        value in "[^\\p{Cc}\\s]([^\\p{Cc}]{0,20}[^\\p{Cc}\\s])?",
    ) {
        let extension = Extension::new(&name, &value).unwrap();
        let policy = Policy::new(mode, MaxAge::from_secs(seconds).unwrap(), mx, vec![extension]).unwrap();
        let body = policy.to_body().unwrap();
        let parsed = policy::parse(body.as_bytes());
        prop_assert_eq!(parsed.strict(), Ok(&policy));
        prop_assert!(parsed.deviations().is_empty());
    }

    /// Whatever record we publish, strict senders take it.
    #[test]
    fn published_record_always_passes_the_strict_parser(id in "[A-Za-z0-9]{1,32}") {
        let record = Record::new(PolicyId::parse(&id).unwrap());
        let wire = record.to_wire();
        let parsed = record::parse(wire.as_bytes());
        prop_assert_eq!(parsed.strict(), Ok(&record));
    }

    /// A star covers one label: any more, or none, is no match. Matching looks at case and the dot at the
    /// end as DNS does.
    #[test]
    fn star_covers_exactly_one_label(domain in domain(), one in label(), two in label()) {
        let star = [MxPattern::parse(&format!("*.{domain}")).unwrap()];
        assert!(mx::matches_any(&star, &format!("{one}.{domain}")));
        assert!(mx::matches_any(&star, &format!("{one}.{domain}.").to_ascii_uppercase()));
        assert!(!mx::matches_any(&star, &format!("{one}.{two}.{domain}")));
        assert!(!mx::matches_any(&star, &format!(".{domain}")));
        assert!(!mx::matches_any(&star, &format!("{one}.{domain}.{two}")));
        let exact = [MxPattern::parse(&domain).unwrap()];
        assert!(mx::matches_any(&exact, &domain.to_ascii_uppercase()));
        assert!(!mx::matches_any(&exact, &format!("{one}.{domain}")));
    }
}
