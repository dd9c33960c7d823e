//! A chain and a TLSA RRset of a stranger's. The input is a row of items, each behind its length in two bytes:
//! first the records (three numbers and data), up to an empty item, then the chain.
//!
//! The private keys behind the certificates of the corpus are gone, and none of those certificates is fit to be
//! trusted: so nothing that can be made of them may be.

#![no_main]

use libfuzzer_sys::fuzz_target;
use smtp_dane::certificate::Certificate;
use smtp_dane::dane::{self, Verdict};
use smtp_dane::pkix::{self, TrustRoots};
use smtp_dane::tlsa::{Tlsa, usable};

const ROOT: &[u8] = include_bytes!("../../crates/smtp-dane/tests/data/root.der");
const HOST: &str = "mx.example.org";
/// 2027-01-15: the certificates of the corpus are valid.
const NOW: i64 = 1_800_000_000;

fuzz_target!(|data: &[u8]| {
    let items = split(data);
    let mut parts = items.splitn(2, |item| item.is_empty());
    let rrset: Vec<Tlsa> = parts.next().unwrap_or_default().iter().filter_map(|item| record(item)).collect();
    let chain = parts.next().unwrap_or_default();

    for record in &rrset {
        assert_eq!(record.as_policy_string().parse().ok(), (!record.data.is_empty()).then(|| record.clone()));
    }
    let told = usable(&rrset);
    assert_eq!(told.records.len() + told.passed_over.len(), rrset.len(), "each is told once");

    for der in chain {
        if let Ok(read) = Certificate::parse(der) {
            for text in [&read.subject, &read.issuer, &read.key.to_string(), &read.signature] {
                assert!(!text.contains(char::is_control), "{text:?}");
            }
        }
    }

    let roots = TrustRoots::from_der(&[ROOT]).expect("a root");
    let verdict = pkix::judge(chain, &roots, HOST, NOW);
    assert!(!verdict.is_trusted(), "{verdict:?}");

    let verdict = dane::judge(&rrset, chain, &[HOST], NOW);
    let _ = verdict.outcome();
    match verdict {
        Verdict::Authenticated(found) => {
            assert!(told.records.contains(&found.record), "only what is usable matches");
            assert_eq!((rrset[found.record].usage, found.depth), (3, 0));
            let alone = dane::judge(&rrset[found.record..=found.record], &chain[..1], &[], i64::MAX);
            assert!(alone.is_authenticated(), "DANE-EE looks at the leaf and nothing else");
        }
        Verdict::Refused(refusals) => assert_eq!(refusals.len(), told.records.len(), "a reason for each"),
        Verdict::NoneUsable(_) => assert!(told.is_empty()),
        Verdict::NotJudged(_) => assert!(!told.is_empty()),
    }
});

fn split(mut data: &[u8]) -> Vec<&[u8]> {
    let mut items = Vec::new();
    while let Some((length, rest)) = data.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
        let (item, rest) = rest.split_at(length);
        items.push(item);
        data = rest;
    }
    items
}

fn record(item: &[u8]) -> Option<Tlsa> {
    let ([usage, selector, matching], data) = item.split_first_chunk::<3>()?;
    Some(Tlsa::new(*usage, *selector, *matching, data))
}
