//! TLSRPT, and sub-domains.

use tlsward_engine::check::Verdict;
use tlsward_engine::ports::{DnsFailure, RecordKind};

use super::{REPORTS, TLSRPT, hold};
use crate::chains::{LONG, self_signed};
use crate::fake::{MX, POLICY, policy_answer};

/// Proves: G1, G2, G5, L1
#[test]
fn faults_of_the_reports() {
    use Verdict::Delivers;
    hold(&[
        ("missing, enforced", |f| f.txt(TLSRPT, &[]), &["enforced-without-reports"], Delivers),
        (
            "missing, testing",
            |f| {
                f.txt(TLSRPT, &[]);
                f.policy(&POLICY.replace("enforce", "testing"));
            },
            &["testing-without-reports", "policy-mode-testing"],
            Delivers,
        ),
        ("two records", |f| f.txt(TLSRPT, &[REPORTS, REPORTS]), &["tlsrpt-multiple"], Delivers),
        ("no rua", |f| f.txt(TLSRPT, &["v=TLSRPTv1;"]), &["tlsrpt-malformed"], Delivers),
        (
            "case",
            |f| f.txt(TLSRPT, &["v=tlsrptv1; rua=mailto:a@reports.test"]),
            &["tlsrpt-malformed"],
            Delivers,
        ),
        (
            "empty field",
            |f| f.txt(TLSRPT, &["v=TLSRPTv1;; rua=mailto:a@reports.test"]),
            &["tlsrpt-not-strict"],
            Delivers,
        ),
        (
            "spaced version",
            |f| f.txt(TLSRPT, &["v=TLSRPTv1 ; rua=mailto:a@reports.test"]),
            &["tlsrpt-spaced-version"],
            Delivers,
        ),
        (
            "at a wrong name",
            |f| {
                f.txt(TLSRPT, &[]);
                f.txt("_smtp_tls.example.test", &[REPORTS]);
            },
            &["tlsrpt-at-wrong-name"],
            Delivers,
        ),
        (
            "alias to nothing",
            |f| {
                f.txt(TLSRPT, &[]);
                f.alias(TLSRPT, RecordKind::Txt, "gone.test");
            },
            &["tlsrpt-dangling-alias"],
            Delivers,
        ),
        (
            "a wildcard alias beside an MTA-STS record is nothing that was meant",
            |f| {
                f.wildcard_alias(&[TLSRPT, "_tlsrpt.example.test", "_tls.example.test"], "www.example.test");
            },
            &["enforced-without-reports"],
            Delivers,
        ),
        (
            "ftp only",
            |f| f.txt(TLSRPT, &["v=TLSRPTv1; rua=ftp://reports.test/"]),
            &["tlsrpt-no-usable-rua"],
            Delivers,
        ),
        (
            "ftp besides",
            |f| f.txt(TLSRPT, &["v=TLSRPTv1; rua=ftp://reports.test/,mailto:a@reports.test"]),
            &["tlsrpt-unknown-scheme"],
            Delivers,
        ),
        (
            "no address in a mailto",
            |f| f.txt(TLSRPT, &["v=TLSRPTv1; rua=mailto:nobody,mailto:a@reports.test"]),
            &["tlsrpt-rua-invalid"],
            Delivers,
        ),
        ("rua without MX", |f| f.mx("reports.test", &[]), &["tlsrpt-rua-takes-no-mail"], Delivers),
        ("rua with null MX", |f| f.mx("reports.test", &[(0, "")]), &["tlsrpt-rua-takes-no-mail"], Delivers),
        (
            "rua with an address and no MX",
            |f| {
                f.mx("reports.test", &[]);
                f.addresses("reports.test", &["192.0.2.7"]);
            },
            &[],
            Delivers,
        ),
        (
            "rua not known",
            |f| f.fail("reports.test", RecordKind::Mx, DnsFailure::Server("SERVFAIL".to_owned())),
            &["dns-failed"],
            Delivers,
        ),
        (
            "end point answers",
            |f| {
                f.txt(TLSRPT, &["v=TLSRPTv1; rua=https://in.reports.test/v1"]);
                f.addresses("in.reports.test", &["192.0.2.8"]);
                let chain = f.authority.chain(&["in.reports.test"], LONG);
                let mut answer = policy_answer("");
                answer.status = 405;
                f.serve("in.reports.test", "192.0.2.8", &chain, answer);
            },
            &[],
            Delivers,
        ),
        (
            "end point with a bad certificate",
            |f| {
                f.txt(TLSRPT, &["v=TLSRPTv1; rua=https://in.reports.test/v1"]);
                f.addresses("in.reports.test", &["192.0.2.8"]);
                f.serve(
                    "in.reports.test",
                    "192.0.2.8",
                    &self_signed(&["in.reports.test"]),
                    policy_answer(""),
                );
            },
            &["tlsrpt-rua-certificate"],
            Delivers,
        ),
        (
            "end point does not answer",
            |f| {
                f.txt(TLSRPT, &["v=TLSRPTv1; rua=https://in.reports.test/v1"]);
                f.addresses("in.reports.test", &["192.0.2.8"]);
            },
            &["tlsrpt-rua-unreachable"],
            Delivers,
        ),
        (
            "end point not in DNS",
            |f| f.txt(TLSRPT, &["v=TLSRPTv1; rua=https://in.reports.test/v1"]),
            &["tlsrpt-rua-unreachable"],
            Delivers,
        ),
        (
            "no answer",
            |f| f.fail(TLSRPT, RecordKind::Txt, DnsFailure::Server("REFUSED".to_owned())),
            &["dns-failed"],
            Delivers,
        ),
    ]);
}

/// Proves: D23, S5
#[test]
fn subdomains_that_take_mail() {
    use Verdict::Delivers;
    hold(&[
        (
            "one without a policy",
            |f| f.mx("lists.example.test", &[(10, MX[0])]),
            &["subdomain-without-policy"],
            Delivers,
        ),
        (
            "one with a record",
            |f| {
                f.mx("lists.example.test", &[(10, MX[0])]);
                f.txt("_mta-sts.lists.example.test", &["v=STSv1; id=1;"]);
            },
            &[],
            Delivers,
        ),
        ("one that takes none", |f| f.mx("lists.example.test", &[(0, "")]), &[], Delivers),
        (
            "all of them",
            |f| {
                for label in ["unused7", "mail", "email", "lists", "news", "support"] {
                    f.mx(&format!("{label}.example.test"), &[(10, MX[0])]);
                }
            },
            &["subdomain-wildcard-mx"],
            Delivers,
        ),
    ]);
}
