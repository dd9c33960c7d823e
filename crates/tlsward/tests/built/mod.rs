//! Reports of many shapes, built and signed by the code that sends them.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tls_rpt::tally::{AppliedPolicy, Failure, Limits, Tally};
use tls_rpt::{PolicyType, ResultType, Text};
use tlsward_engine::ports::{ReportKey, Signer as _};
use tlsward_engine::report::{Built, Identity, build};
use tlsward_mail::dkim::{Algorithm, DkimKey, DkimSigner};

/// 2026-11-24, in days.
const DAY: i64 = 20_781;

/// A report, and what was counted.
pub struct Shape {
    pub name: &'static str,
    pub domain: &'static str,
    pub tally: Tally,
    pub built: Built,
    /// Signed.
    pub mail: Vec<u8>,
}

/// What a reader must find in one policy of a report.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Counts {
    pub policy_type: String,
    pub domain: String,
    pub successful: u64,
    pub failed: u64,
    /// Rows of failure details.
    pub rows: usize,
    /// The sum of their counts.
    pub row_sessions: u64,
}

impl Shape {
    /// What was counted, as a reader must find it, sorted.
    pub fn expected(&self) -> Vec<Counts> {
        let mut all: Vec<Counts> = self
            .tally
            .policies()
            .map(|(policy, counts)| Counts {
                policy_type: policy.policy_type.as_wire().to_owned(),
                domain: policy.domain.to_string(),
                successful: counts.successful,
                failed: counts.failed,
                // What did not fit is one row more.
                rows: counts.failures.len() + usize::from(counts.overflow > 0),
                row_sessions: counts.failures.values().sum::<u64>() + counts.overflow,
            })
            .collect();
        all.sort();
        all
    }
}

/// One of each.
pub fn shapes() -> Vec<Shape> {
    let mut signer = DkimSigner::default();
    for (algorithm, selector) in [(Algorithm::Rsa2048, "rsa"), (Algorithm::Ed25519, "ed")] {
        signer.add("sender.example", DkimKey::generate(algorithm, selector).expect("a key").0);
    }
    [
        ("successes alone", "a.example", "Example", successes()),
        ("many failures", "a.example", "Example", many()),
        ("three policies", "a.example", "Example, \"quoted\" <b@c.example>", three()),
        ("an IDN", "xn--bcher-kva.example", "Bücher & Söhne 🔒", idn()),
        (
            "hostile texts",
            "a.example",
            "=HYPERLINK(\"http://x.example\") <script>alert(1)</script>",
            hostile(),
        ),
    ]
    .into_iter()
    .map(|(name, domain, organization, tally)| {
        let identity = Identity::new(organization, "tlsrpt@sender.example").expect("an identity");
        let key = ReportKey { day: DAY, domain: domain.into(), part: 1 };
        let built = build(&identity, &key, &tally, 3).expect("a report");
        let now = (DAY + 1) * 86_400 + 3_600;
        let plain = built.mail(&identity, &format!("tlsrpt@{domain}"), now, 1).expect("a mail");
        let mut mail = signer.sign("sender.example", &plain, now).expect("a signature");
        mail.extend_from_slice(&plain);
        Shape { name, domain, tally, built, mail }
    })
    .collect()
}

fn sts(domain: &str) -> AppliedPolicy {
    let patterns = [format!("mx1.{domain}"), format!("*.mail.{domain}")];
    let lines = patterns.iter().map(|pattern| format!("mx: {pattern}"));
    let lines = ["version: STSv1".to_owned(), "mode: enforce".to_owned()].into_iter().chain(lines);
    AppliedPolicy {
        policy_type: PolicyType::Sts,
        domain: domain.into(),
        strings: lines.chain(["max_age: 604800".to_owned()]).map(Text::from).collect(),
        mx_patterns: patterns.into_iter().map(Text::from).collect(),
    }
}

fn other(policy_type: PolicyType, domain: &str, strings: &[&str]) -> AppliedPolicy {
    let strings = strings.iter().map(|line| Text::from(*line)).collect();
    AppliedPolicy { policy_type, domain: domain.into(), strings, mx_patterns: Vec::new() }
}

fn failure(result: ResultType, mx: &str) -> Failure {
    Failure {
        result,
        receiving_mx: Some(mx.into()),
        receiving_helo: Some(mx.into()),
        receiving_ip: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
        sending_ip: Some(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))),
        reason: None,
        additional: None,
    }
}

fn successes() -> Tally {
    let mut tally = Tally::default();
    (0..12).for_each(|_| tally.session(sts("a.example"), true, []));
    tally
}

/// More different failures than are listed, each twice.
fn many() -> Tally {
    let mut tally = Tally::default();
    for index in 0..Limits::default().failures + 100 {
        for _ in 0..2 {
            let mx = format!("mx{index}.mail.a.example");
            let failure = failure(ResultType::CertificateExpired, &mx);
            tally.session(sts("a.example"), false, [failure]);
        }
    }
    tally.session(sts("a.example"), true, []);
    tally
}

/// Every result type there is, under the three kinds of policy.
fn three() -> Tally {
    let mut tally = Tally::default();
    let tlsa = other(PolicyType::Tlsa, "mx1.a.example", &["3 1 1 0123ABCD", "2 1 1 4567CDEF"]);
    let none = other(PolicyType::NoPolicyFound, "a.example", &[]);
    use ResultType as R;
    for (policy, results) in [
        (&tlsa, &[R::TlsaInvalid, R::DnssecInvalid, R::DaneRequired, R::ValidationFailure][..]),
        (
            &sts("a.example"),
            &[
                R::StarttlsNotSupported,
                R::CertificateHostMismatch,
                R::CertificateExpired,
                R::CertificateNotTrusted,
                R::StsPolicyFetchError,
                R::StsPolicyInvalid,
                R::StsWebpkiInvalid,
            ],
        ),
        (&none, &[R::StarttlsNotSupported]),
    ] {
        tally.session(policy.clone(), true, []);
        for result in results {
            tally.session(policy.clone(), false, [failure(result.clone(), "mx1.a.example")]);
        }
    }
    // One session with two failures, which was a success in the end.
    let both = [R::CertificateExpired, R::CertificateHostMismatch].map(|r| failure(r, "mx2.a.example"));
    tally.session(sts("a.example"), true, both);
    tally
}

fn idn() -> Tally {
    let mut tally = Tally::default();
    let policy = sts("xn--bcher-kva.example");
    let mut reason = failure(ResultType::CertificateNotTrusted, "mx1.xn--bcher-kva.example");
    reason.reason = Some("Zertifikat ungültig – выпущен не тем".into());
    tally.session(policy.clone(), false, [reason]);
    tally.session(policy, true, []);
    tally
}

/// What strangers may put where they choose the text.
fn hostile() -> Tally {
    let mut tally = Tally::default();
    let mut policy = sts("a.example");
    for text in [
        "x-a: \"quoted\" \\ back\\slash / </script> ' ` $(id)",
        "x-b: \u{0} \u{1} \u{1f} \u{7f} \u{80} \u{9f} \t \r\n . \r\n.\r\n",
        "x-c: \u{202e}\u{2028}\u{2029}\u{feff}\u{fffd} 𝕏 👩‍👩‍👧‍👦 e\u{301}",
        "=cmd|' /C calc'!A0",
        "{{7*7}} ${7*7} <%= 7*7 %> {\"policies\": []}",
        "",
    ] {
        policy.strings.push(text.into());
    }
    policy.strings.push("y".repeat(4_096).into());
    let mut failure = failure(ResultType::Unknown("new-type-of-2031".into()), "mx1.a.example");
    failure.receiving_helo = Some("mx1.a.example\r\n250 \"x\"".into());
    failure.reason = Some("\"}]}\u{0}\n".into());
    failure.additional = Some("https://x.example/?a=b&c=<d>\u{85}".into());
    tally.session(policy.clone(), false, [failure]);
    tally.session(policy, true, []);
    tally
}
