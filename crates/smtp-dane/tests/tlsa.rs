//! TLSA records: read, written, and which of them count.

use proptest::prelude::*;
use smtp_dane::tlsa::{NotTlsa, PassedOver, Tlsa, Unusable, usable};

mod chains;

use chains::{CURRENT, Ca, HOST};

/// Proves: K3, H5
#[test]
fn presentation_format_is_read_and_written() {
    let record: Tlsa =
        "3 1 1 3fe246a848796236dd2ab78d39f0651d 6b6e7ca8e2984012 eb0a2e1ac8a87b72".parse().unwrap();
    assert_eq!((record.usage, record.selector, record.matching, record.data.len()), (3, 1, 1, 32));
    let written = "3 1 1 3FE246A848796236DD2AB78D39F0651D6B6E7CA8E2984012EB0A2E1AC8A87B72";
    assert_eq!(record.as_policy_string(), written);
    assert_eq!("DANE-EE SPKI SHA2-256 ab".parse(), Ok(Tlsa::new(3, 1, 1, [0xab])));
    assert_eq!("dane-ta cert full\t0A\n0b".parse(), Ok(Tlsa::new(2, 0, 0, [10, 11])));
    assert_eq!("255 255 255 00".parse(), Ok(Tlsa::new(255, 255, 255, [0])));

    let wrong = [
        ("", NotTlsa::Missing("usage")),
        ("3", NotTlsa::Missing("selector")),
        ("3 1 1", NotTlsa::Missing("data")),
        ("256 1 1 ab", NotTlsa::Number { field: "usage" }),
        ("3 +1 1 ab", NotTlsa::Number { field: "selector" }),
        ("3 1 sha ab", NotTlsa::Number { field: "matching type" }),
        ("3 1 1 abc", NotTlsa::Data),
        ("3 1 1 xy", NotTlsa::Data),
        ("3 1 1 é", NotTlsa::Data),
    ];
    for (text, expected) in wrong {
        assert_eq!(text.parse::<Tlsa>(), Err(expected), "{text}");
    }
    let large = format!("3 1 0 {}", "00".repeat(65_536));
    assert_eq!(large.parse::<Tlsa>(), Err(NotTlsa::TooLarge));
}

/// Proves: K2
#[test]
fn only_dane_ta_and_dane_ee_with_sound_data_can_be_used() {
    let ca = Ca::root("Root");
    let leaf = ca.leaf(&[HOST], CURRENT);
    for usage in 0..=255 {
        for selector in [0, 1, 2, 255] {
            for matching in [0, 1, 2, 3, 255] {
                let data = match (matching, selector) {
                    (0, 0) => leaf.clone(),
                    (0, _) => ca.spki.clone(),
                    (1, _) => vec![0; 32],
                    _ => vec![0; 64],
                };
                let expected = match (usage, selector, matching) {
                    (0 | 1, _, _) => Err(Unusable::PkixUsage(usage)),
                    (4.., _, _) => Err(Unusable::Usage(usage)),
                    (_, 2.., _) => Err(Unusable::Selector(selector)),
                    (_, _, 3..) => Err(Unusable::Matching(matching)),
                    _ => Ok(()),
                };
                let record = Tlsa::new(usage, selector, matching, data);
                assert_eq!(record.usability(), expected, "{usage} {selector} {matching}");
            }
        }
    }
    let length = |expected, found| Unusable::DigestLength { expected, found };
    let wrong = [
        (Tlsa::new(3, 1, 1, []), length(32, 0)),
        (Tlsa::new(3, 1, 1, [0; 31]), length(32, 31)),
        (Tlsa::new(3, 1, 1, [0; 33]), length(32, 33)),
        (Tlsa::new(2, 0, 2, [0; 32]), length(64, 32)),
        (Tlsa::new(3, 0, 0, []), Unusable::NotCertificate),
        (Tlsa::new(3, 0, 0, ca.spki.as_slice()), Unusable::NotCertificate),
        (Tlsa::new(2, 1, 0, leaf.as_slice()), Unusable::NotKey),
        (Tlsa::new(2, 1, 0, [0x30, 0x00]), Unusable::NotKey),
    ];
    for (record, expected) in wrong {
        assert_eq!(record.usability(), Err(expected), "{record:?}");
    }
}

/// Proves: K3
#[test]
fn weaker_digests_are_passed_over_for_each_usage_and_selector() {
    let ca = Ca::root("Root");
    let rrset = [
        Tlsa::new(3, 1, 1, [1; 32]),
        Tlsa::new(3, 1, 2, [2; 64]),
        Tlsa::new(3, 1, 0, ca.spki.as_slice()),
        // Another selector, another usage: nothing stronger beside them.
        Tlsa::new(3, 0, 1, [3; 32]),
        Tlsa::new(2, 1, 1, [4; 32]),
        // A broken SHA-512 is discarded first, and displaces nothing.
        Tlsa::new(2, 0, 1, [5; 32]),
        Tlsa::new(2, 0, 2, [6; 63]),
        Tlsa::new(1, 1, 2, [7; 64]),
    ];
    let told = usable(&rrset);
    assert_eq!(told.records, [1, 2, 3, 4, 5]);
    assert_eq!(
        told.passed_over,
        [
            (0, PassedOver::WeakerDigest),
            (6, PassedOver::Unusable(Unusable::DigestLength { expected: 64, found: 63 })),
            (7, PassedOver::Unusable(Unusable::PkixUsage(1))),
        ]
    );
    assert!(usable(&rrset[6..]).is_empty());
    assert!(usable(&[]).is_empty());
}

proptest! {
    #[test]
    fn what_is_written_reads_the_same(numbers: (u8, u8, u8), data in prop::collection::vec(any::<u8>(), 1..200)) {
        let record = Tlsa::new(numbers.0, numbers.1, numbers.2, data);
        prop_assert_eq!(record.as_policy_string().parse(), Ok(record));
    }

    #[test]
    fn any_text_is_read_or_refused(text: String) {
        let _ = text.parse::<Tlsa>();
    }
}
