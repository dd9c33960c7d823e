//! The record at `_mta-sts`.

use tlsward_engine::check::Verdict;
use tlsward_engine::ports::{DnsFailure, RecordKind};

use super::{RECORD, TLSRPT, hold};
use crate::fake::{DOMAIN, POLICY_HOST};

/// Proves: D1, D2, D3, D23, S2, L1, L2
#[test]
fn faults_of_the_record() {
    use Verdict::{Broken, Delivers, None, Unknown};
    hold(&[
        ("nothing is wrong", |_| {}, &[], Delivers),
        ("two strings in one record", |f| f.txt(RECORD, &["v=STSv1; id=20270101T000000;"]), &[], Delivers),
        ("unrelated text beside it", |f| f.txt(RECORD, &["v=STSv1; id=a1;", "hello"]), &[], Delivers),
        ("record missing", |f| f.txt(RECORD, &[]), &["sts-record-missing"], Broken),
        (
            "nothing published",
            |f| {
                f.txt(RECORD, &[]);
                f.addresses(POLICY_HOST, &[]);
            },
            &["sts-not-published"],
            None,
        ),
        (
            "two records",
            |f| f.txt(RECORD, &["v=STSv1; id=a;", "v=STSv1; id=b;"]),
            &["sts-record-multiple"],
            Broken,
        ),
        ("no id", |f| f.txt(RECORD, &["v=STSv1;"]), &["sts-record-malformed"], Broken),
        (
            "id with a hyphen",
            |f| f.txt(RECORD, &["v=STSv1; id=2027-01-01;"]),
            &["sts-record-id-invalid"],
            Broken,
        ),
        ("version in capitals", |f| f.txt(RECORD, &["V=STSV1; id=1;"]), &["sts-record-malformed"], Broken),
        ("spaced version", |f| f.txt(RECORD, &["v=STSv1 ; id=1;"]), &["sts-record-spaced-version"], Delivers),
        (
            "spaced version beside unrelated text",
            |f| f.txt(RECORD, &["v=STSv1 ; id=1;", "hello"]),
            &["sts-record-spaced-version"],
            Broken,
        ),
        ("space at the end", |f| f.txt(RECORD, &["v=STSv1; id=1 "]), &["sts-record-space-at-end"], Delivers),
        ("id twice", |f| f.txt(RECORD, &["v=STSv1; id=1; id=2;"]), &["sts-record-duplicate-field"], Delivers),
        (
            "at a wrong name",
            |f| {
                f.txt(RECORD, &[]);
                f.txt("_mta_sts.example.test", &["v=STSv1; id=1;"]);
            },
            &["sts-record-at-wrong-name"],
            Broken,
        ),
        (
            "at the domain itself",
            |f| {
                f.txt(RECORD, &[]);
                f.txt(DOMAIN, &["v=spf1 -all", "v=STSv1; id=1;"]);
            },
            &["sts-record-at-wrong-name"],
            Broken,
        ),
        (
            "delegated",
            |f| f.alias(RECORD, RecordKind::Txt, "_mta-sts.provider.test"),
            &["sts-record-delegated"],
            Delivers,
        ),
        (
            "alias to nothing",
            |f| {
                f.txt(RECORD, &[]);
                f.alias(RECORD, RecordKind::Txt, "_mta-sts.provider.test");
            },
            &["sts-record-dangling-alias"],
            Broken,
        ),
        (
            "a wildcard alias is nothing that was meant",
            |f| {
                f.addresses(POLICY_HOST, &[]);
                for name in [RECORD, TLSRPT] {
                    f.txt(name, &[]);
                    f.alias(name, RecordKind::Txt, "parked.test");
                }
            },
            &["sts-not-published", "tlsrpt-missing"],
            None,
        ),
        (
            "a wildcard alias beside a TLSRPT record is nothing that was meant either",
            |f| {
                f.addresses(POLICY_HOST, &[]);
                f.wildcard_alias(
                    &[RECORD, "_mta_sts.example.test", "_mtasts.example.test"],
                    "www.example.test",
                );
            },
            &["sts-not-published"],
            None,
        ),
        (
            "alias to nothing, under a wildcard that leads elsewhere",
            |f| {
                f.wildcard_alias(&["_mta_sts.example.test", "_mtasts.example.test"], "www.example.test");
                f.wildcard_alias(&[RECORD], "_mta-sts.provider.test");
            },
            &["sts-record-dangling-alias"],
            Broken,
        ),
        (
            "alias to nothing, where the policy host is an alias for the same",
            |f| f.wildcard_alias(&[RECORD, POLICY_HOST], "mta-sts.provider.test"),
            &["sts-record-dangling-alias"],
            Broken,
        ),
        (
            "no answer",
            |f| f.fail(RECORD, RecordKind::Txt, DnsFailure::Server("SERVFAIL".to_owned())),
            &["dns-failed"],
            Unknown,
        ),
        (
            "forged",
            |f| f.fail(RECORD, RecordKind::Txt, DnsFailure::Bogus("expired".to_owned())),
            &["dns-bogus"],
            Unknown,
        ),
    ]);
}
