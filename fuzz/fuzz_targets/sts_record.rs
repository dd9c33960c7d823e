//! `_mta-sts` TXT records: what is accepted can be written and read again, and the choice among several
//! does not depend on strangers beside the record.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mta_sts::record::{self, Deviation};
use mta_sts::rrset;

fuzz_target!(|data: &[u8]| {
    let parsed = record::parse(data);

    if parsed.strict().is_ok() {
        assert!(data.iter().all(|byte| matches!(byte, b'\t' | 0x20..=0x7e)), "the grammar has nothing else");
        assert!(parsed.usable().is_ok(), "strict is usable");
    }
    if let Ok(found) = parsed.usable() {
        let id = found.id().as_wire();
        assert!((1..=32).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert!(data.windows(id.len() + 3).any(|part| part == format!("id={id}").as_bytes()));
        let written = found.to_wire();
        let again = record::parse(written.as_bytes());
        assert_eq!(again.strict().ok(), Some(found), "{written}");
        assert!(again.deviations().is_empty(), "{written}");
    }

    // Alone the grammar decides, beside a stranger the literal start.
    let alone = rrset::choose(&[data]);
    assert_eq!(alone.usable().is_ok(), parsed.usable().is_ok());
    assert_eq!(alone.is_strict(), parsed.strict().is_ok());
    let stranger: &[u8] = b"v=spf1 -all";
    let beside = rrset::choose(&[data, stranger]);
    assert_eq!(beside, rrset::choose(&[stranger, data]), "order does not matter");
    let spaced = parsed.deviations().contains(&Deviation::SpaceAfterVersion);
    assert_eq!(beside.usable().is_ok(), parsed.usable().is_ok() && !spaced);
    // Two of a kind are never one.
    assert!(rrset::choose(&[data, data]).usable().is_err());
});
