//! The policy.

use tlsward_engine::check::Verdict;

use super::hold;
use crate::chains::LONG;
use crate::fake::{DOMAIN, MX, MX_ADDRESSES, POLICY};

/// Proves: D7, D8, D20, L3, L4, L5, L6, L8
#[test]
fn faults_of_the_policy() {
    use Verdict::{AtRisk, Broken, Delivers, None, Refused};
    hold(&[
        (
            "mode missing",
            |f| f.policy(&POLICY.replace("mode: enforce\r\n", "")),
            &["policy-field-missing"],
            Broken,
        ),
        (
            "key in capitals",
            |f| f.policy(&POLICY.replace("mode:", "Mode:")),
            &["policy-field-missing"],
            Broken,
        ),
        (
            "mode unknown",
            |f| f.policy(&POLICY.replace("enforce", "report")),
            &["policy-mode-invalid"],
            Broken,
        ),
        (
            "other version",
            |f| f.policy(&POLICY.replace("STSv1", "STSv2")),
            &["policy-version-invalid"],
            Broken,
        ),
        (
            "max_age in days",
            |f| f.policy(&POLICY.replace("2419200", "28d")),
            &["policy-max-age-invalid"],
            Broken,
        ),
        ("a line of prose", |f| f.policy(&format!("{POLICY}hello\r\n")), &["policy-malformed"], Broken),
        (
            "several hosts in one line",
            |f| f.policy(&POLICY.replace("mx: mx1.example.test", "mx: mx1.example.test mx2.example.test")),
            &["policy-mx-invalid"],
            Broken,
        ),
        (
            "U-label",
            |f| f.policy(&format!("{POLICY}mx: bücher.test\r\n")),
            &["policy-mx-not-a-label"],
            Broken,
        ),
        (
            "byte order mark",
            |f| f.policy(&format!("\u{feff}{POLICY}")),
            &["policy-byte-order-mark"],
            Delivers,
        ),
        ("blank line", |f| f.policy(&format!("{POLICY}\r\n")), &["policy-blank-line"], Delivers),
        (
            "converted twice",
            |f| f.policy(&POLICY.replace("\r\n", "\r\r\n")),
            &["policy-stray-carriage-return"],
            Delivers,
        ),
        (
            "dot at the end",
            |f| f.policy(&POLICY.replace("mx1.example.test", "mx1.example.test.")),
            &["policy-mx-dot-at-end"],
            Delivers,
        ),
        (
            "field twice",
            |f| f.policy(&format!("{POLICY}mode: testing\r\n")),
            &["policy-duplicate-field"],
            Delivers,
        ),
        (
            "max_age over the maximum",
            |f| f.policy(&POLICY.replace("2419200", "99999999")),
            &["policy-max-age-over-maximum"],
            Delivers,
        ),
        (
            "an hour",
            |f| f.policy(&POLICY.replace("2419200", "3600")),
            &["policy-max-age-too-short"],
            Delivers,
        ),
        ("zero", |f| f.policy(&POLICY.replace("2419200", "0")), &["policy-max-age-too-short"], Delivers),
        (
            "a day, enforced",
            |f| f.policy(&POLICY.replace("2419200", "86400")),
            &["policy-max-age-short"],
            Delivers,
        ),
        (
            "a day, testing",
            |f| f.policy(&POLICY.replace("2419200", "86400").replace("enforce", "testing")),
            &["policy-mode-testing"],
            Delivers,
        ),
        (
            "mode none without mx",
            |f| f.policy("version: STSv1\nmode: none\nmax_age: 60\n"),
            &["policy-mode-none"],
            None,
        ),
        (
            "a new MX, enforced",
            |f| {
                let policy = POLICY.replace("mx: mx2.example.test\r\n", "");
                f.policy(&policy);
            },
            &["mx-not-in-policy"],
            AtRisk,
        ),
        (
            "a new MX, testing",
            |f| {
                let policy = POLICY.replace("mx: mx2.example.test\r\n", "").replace("enforce", "testing");
                f.policy(&policy);
            },
            &["mx-not-in-policy", "policy-mode-testing"],
            AtRisk,
        ),
        (
            "no MX is covered, since a star is one label",
            |f| {
                let policy =
                    "version: STSv1\nmode: enforce\nmx: *.test\nmx: *.example.org\nmax_age: 2419200\n";
                f.policy(&policy.replace("mx: *.test\nmx: *.example.org", "mx: *.mx.example.test"));
            },
            &["mx-not-in-policy", "mx-not-in-policy", "policy-pattern-unused"],
            Refused,
        ),
        (
            "a wildcard too high",
            |f| {
                f.mx(DOMAIN, &[(10, MX[0]), (20, "a.b.example.test")]);
                f.addresses("a.b.example.test", &MX_ADDRESSES[1]);
                let chain = f.authority.chain(&["a.b.example.test"], LONG);
                f.show(1, &chain);
                f.policy(
                    &POLICY.replace("mx2.example.test", "*.example.test").replace(MX[0], "*.example.test"),
                );
            },
            &["mx-not-in-policy", "policy-pattern-wildcard"],
            AtRisk,
        ),
        (
            "a pattern with no MX",
            |f| f.policy(&POLICY.replace("mode:", "mx: old.example.test\r\nmode:")),
            &["policy-pattern-unused"],
            Delivers,
        ),
        (
            "a wildcard",
            |f| {
                let policy = POLICY.replace("mx: mx2.example.test\r\n", "");
                f.policy(&policy.replace("mx1.example.test", "*.example.test"));
            },
            &["policy-pattern-wildcard"],
            Delivers,
        ),
        (
            "a wildcard for everybody",
            |f| f.policy(&POLICY.replace("mode:", "mx: *.com\r\nmode:")),
            &["policy-pattern-too-broad"],
            Delivers,
        ),
    ]);
}
