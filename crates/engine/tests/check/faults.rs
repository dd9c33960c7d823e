//! One fault, one finding: each row breaks one thing in a healthy domain and names all that may be found then.

use bytes::Bytes;
use tlsward_engine::check::{Code, Level, Report, Verdict};
use tlsward_engine::ports::{
    ConnectFailure, DnsFailure, Dnssec, HttpsFailure, RecordKind, Security, SmtpOutcome, TlsFailure,
    TlsSession,
};

use crate::chains::{Authority, LONG, self_signed};
use crate::fake::{
    DOMAIN, Fake, MX, MX_ADDRESSES, POLICY, POLICY_ADDRESSES, POLICY_HOST, ip, policy_answer, session_with,
};
use crate::{check, codes};

const RECORD: &str = "_mta-sts.example.test";
const TLSRPT: &str = "_smtp._tls.example.test";
const REPORTS: &str = "v=TLSRPTv1; rua=mailto:reports@reports.test";

type Fault = (&'static str, fn(&mut Fake), &'static [&'static str], Verdict);

fn hold(faults: &[Fault]) {
    hold_from(Fake::healthy, faults);
}

fn hold_from(healthy: fn() -> Fake, faults: &[Fault]) {
    let mut wrong = Vec::new();
    for (name, apply, expected, verdict) in faults {
        let mut fake = healthy();
        apply(&mut fake);
        let report = check(&fake);
        if codes(&report) != *expected || report.verdict != *verdict {
            wrong.push(format!("{name}: {} {:?}", report.verdict.as_wire(), codes(&report)));
        }
        well_formed(name, &report);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What holds of every finding.
fn well_formed(name: &str, report: &Report) {
    for finding in &report.findings {
        assert!(!finding.subject.is_empty(), "{name}: {} has no subject", finding.code);
        assert!(finding.text.ends_with('.'), "{name}: {}", finding.text);
        assert!(!finding.fix.is_empty(), "{name}: {} has no fix", finding.code);
        for text in [&finding.subject, &finding.text] {
            assert!(!text.contains(|c: char| c.is_control()), "{name}: {text:?}");
        }
    }
    let json = report.to_json();
    assert!(
        json.starts_with("{\"domain\":\"example.test\",\"checked_at\":\"2027-01-15T08:00:00Z\""),
        "{json}"
    );
}

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

fn policy_certificate(f: &mut Fake, chain: &[Bytes]) {
    f.each_policy(|exchange| exchange.tls = Some(session_with(chain)));
}

/// Proves: D9, D10, D11, S7, S10, S11, S14
#[test]
fn faults_of_the_policy_host() {
    use Verdict::{Broken, Delivers, Unknown};
    hold(&[
        ("no address", |f| f.addresses(POLICY_HOST, &[]), &["policy-host-missing"], Broken),
        (
            "alias to nothing",
            |f| {
                f.addresses(POLICY_HOST, &[]);
                f.alias(POLICY_HOST, RecordKind::A, "gone.test");
            },
            &["policy-host-dangling-alias"],
            Broken,
        ),
        (
            "no answer from DNS",
            |f| {
                for kind in [RecordKind::A, RecordKind::Aaaa] {
                    f.fail(POLICY_HOST, kind, DnsFailure::TimedOut);
                }
            },
            &["dns-failed"],
            Unknown,
        ),
        ("nobody listens", |f| f.https.clear(), &["policy-host-unreachable"], Broken),
        (
            "one address is dead",
            |f| {
                f.https.remove(&(POLICY_HOST.to_owned(), ip(POLICY_ADDRESSES[1])));
            },
            &["policy-host-unreachable"],
            Delivers,
        ),
        (
            "a private address",
            |f| {
                f.each_policy(|e| {
                    e.tls = None;
                    e.outcome = Err(HttpsFailure::Connect(ConnectFailure::Guarded(ip("10.0.0.1"))));
                });
            },
            &["policy-host-private-address"],
            Broken,
        ),
        (
            "slow",
            |f| f.each_policy(|e| e.outcome = Err(HttpsFailure::TimedOut)),
            &["policy-host-slow"],
            Broken,
        ),
        (
            "huge",
            |f| f.each_policy(|e| e.outcome = Err(HttpsFailure::TooLarge { limit_bytes: 65_536 })),
            &["policy-too-large"],
            Broken,
        ),
        (
            "the name is not known in the handshake",
            |f| {
                f.each_policy(|e| {
                    e.tls = None;
                    e.outcome = Err(HttpsFailure::Tls(TlsFailure::Alert("unrecognized_name".to_owned())));
                });
            },
            &["policy-host-tls-failed"],
            Broken,
        ),
        (
            "no HTTP",
            |f| f.each_policy(|e| e.outcome = Err(HttpsFailure::Protocol("early end".to_owned()))),
            &["policy-http-broken"],
            Broken,
        ),
        (
            "not found",
            |f| {
                f.each_policy(|e| {
                    let answer = e.outcome.as_mut().unwrap();
                    answer.status = 404;
                    answer.body = Bytes::new();
                });
            },
            &["policy-http-status"],
            Broken,
        ),
        (
            "redirect",
            |f| {
                f.each_policy(|e| {
                    let answer = e.outcome.as_mut().unwrap();
                    answer.status = 301;
                    answer.location = Some(b"https://www.example.test/".to_vec());
                });
            },
            &["policy-redirect"],
            Broken,
        ),
        (
            "compressed",
            |f| {
                f.each_policy(|e| e.outcome.as_mut().unwrap().content_encoding = Some(b"gzip".to_vec()));
            },
            &["policy-compressed"],
            Broken,
        ),
        (
            "a web page",
            |f| {
                f.each_policy(|e| {
                    let answer = e.outcome.as_mut().unwrap();
                    answer.content_type = Some(b"text/html".to_vec());
                    answer.body = Bytes::from_static(b"<!DOCTYPE html><html></html>");
                });
            },
            &["policy-html"],
            Broken,
        ),
        (
            "another media type",
            |f| {
                f.each_policy(|e| {
                    e.outcome.as_mut().unwrap().content_type = Some(b"application/octet-stream".to_vec());
                });
            },
            &["policy-media-type"],
            Delivers,
        ),
        (
            "two policies",
            |f| {
                let other = POLICY.replace("2419200", "1209600");
                let chain = f.authority.chain(&[POLICY_HOST], LONG);
                f.serve(POLICY_HOST, POLICY_ADDRESSES[1], &chain, policy_answer(&other));
            },
            &["policy-addresses-differ"],
            Delivers,
        ),
    ]);
}

/// Proves: D9, S7
#[test]
fn faults_of_the_policy_hosts_certificate() {
    use Verdict::{Broken, Delivers};
    hold(&[
        (
            "expired",
            |f| {
                let chain = f.authority.chain(&[POLICY_HOST], ((2026, 1, 1), (2027, 1, 1)));
                policy_certificate(f, &chain);
            },
            &["policy-certificate-expired"],
            Broken,
        ),
        (
            "not yet valid",
            |f| {
                let chain = f.authority.chain(&[POLICY_HOST], ((2027, 2, 1), (2028, 1, 1)));
                policy_certificate(f, &chain);
            },
            &["policy-certificate-not-yet-valid"],
            Broken,
        ),
        (
            "about to expire",
            |f| {
                let chain = f.authority.chain(&[POLICY_HOST], ((2026, 1, 1), (2027, 1, 25)));
                policy_certificate(f, &chain);
            },
            &["policy-certificate-expires-soon"],
            Delivers,
        ),
        (
            "for the domain only",
            |f| {
                let chain = f.authority.chain(&[DOMAIN, "www.example.test"], LONG);
                policy_certificate(f, &chain);
            },
            &["policy-certificate-name-mismatch"],
            Broken,
        ),
        (
            "a wildcard is good",
            |f| {
                let chain = f.authority.chain(&["*.example.test"], LONG);
                policy_certificate(f, &chain);
            },
            &[],
            Delivers,
        ),
        (
            "self-signed",
            |f| policy_certificate(f, &self_signed(&[POLICY_HOST])),
            &["policy-certificate-self-signed"],
            Broken,
        ),
        (
            "another authority",
            |f| {
                let other = Authority::new("Other");
                let chain = other.with_root(other.chain(&[POLICY_HOST], LONG));
                policy_certificate(f, &chain);
            },
            &["policy-certificate-not-trusted"],
            Broken,
        ),
        (
            "without its intermediate",
            |f| {
                let chain = f.authority.chain(&[POLICY_HOST], LONG);
                policy_certificate(f, &chain[..1]);
            },
            &["policy-certificate-chain-incomplete"],
            Broken,
        ),
        (
            "no certificate",
            |f| policy_certificate(f, &[Bytes::from_static(b"\x30\x00")]),
            &["policy-certificate-invalid"],
            Broken,
        ),
    ]);
}

/// Proves: D7, D8, D19, D20, L3, L4, L5, L6, L8
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

/// Proves: E4, E6, E7, E12, E14, E15, D13, D14, D15
#[test]
fn faults_of_the_mail_servers() {
    use Verdict::{AtRisk, Delivers, Refused, Unknown};
    fn both(f: &mut Fake, outcome: &SmtpOutcome) {
        f.each_outcome(0, outcome);
        f.each_outcome(1, outcome);
    }
    hold(&[
        ("no STARTTLS on one", |f| f.each_outcome(1, &SmtpOutcome::NoStartTls), &["mx-no-starttls"], AtRisk),
        (
            "no STARTTLS on one address",
            |f| f.outcome(MX_ADDRESSES[1][1], &SmtpOutcome::NoStartTls),
            &["mx-no-starttls"],
            AtRisk,
        ),
        (
            "no STARTTLS anywhere",
            |f| both(f, &SmtpOutcome::NoStartTls),
            &["mx-no-starttls", "mx-no-starttls"],
            Refused,
        ),
        (
            "STARTTLS refused",
            |f| {
                let refused =
                    SmtpOutcome::StartTlsRefused { code: 454, text: "TLS not available".to_owned() };
                f.each_outcome(0, &refused);
            },
            &["mx-starttls-refused"],
            AtRisk,
        ),
        (
            "one is not reached",
            |f| f.each_outcome(0, &SmtpOutcome::NotReached(ConnectFailure::TimedOut)),
            &["mx-unreachable"],
            Delivers,
        ),
        (
            "one address is not reached",
            |f| f.outcome(MX_ADDRESSES[0][1], &SmtpOutcome::NotReached(ConnectFailure::Refused)),
            &["mx-unreachable"],
            Delivers,
        ),
        (
            "none is reached",
            |f| both(f, &SmtpOutcome::NotReached(ConnectFailure::TimedOut)),
            &["mx-unreachable", "mx-unreachable"],
            Unknown,
        ),
        (
            "turned away",
            |f| f.each_outcome(0, &SmtpOutcome::Refused { code: 554, text: "go away\u{1b}[2J".to_owned() }),
            &["mx-refuses-connection"],
            Delivers,
        ),
        (
            "silence",
            |f| f.each_outcome(0, &SmtpOutcome::Broken("no greeting in time".to_owned())),
            &["mx-broken"],
            Delivers,
        ),
        (
            "handshake fails",
            |f| f.each_outcome(0, &SmtpOutcome::TlsFailed(TlsFailure::Alert("internal_error".to_owned()))),
            &["mx-tls-failed"],
            AtRisk,
        ),
        (
            "old TLS only",
            |f| {
                let old = TlsFailure::NothingInCommon { offered: Some((0x0301, 0x002f)) };
                f.each_outcome(0, &SmtpOutcome::TlsFailed(old));
            },
            &["mx-tls-too-old"],
            AtRisk,
        ),
        (
            "TLS 1.1 was spoken",
            |f| {
                let chain = f.shown(MX_ADDRESSES[0][0]);
                let session = TlsSession { version: 0x0302, ..session_with(&chain) };
                f.each_outcome(0, &SmtpOutcome::Tls(session));
            },
            &["mx-tls-too-old"],
            AtRisk,
        ),
        (
            "a cipher that this program lacks",
            |f| {
                let odd = TlsFailure::NothingInCommon { offered: Some((0x0303, 0x009e)) };
                f.each_outcome(0, &SmtpOutcome::TlsFailed(odd));
            },
            &["mx-tls-not-testable"],
            Unknown,
        ),
        (
            "right with the name only",
            |f| {
                let other = f.authority.chain(&["other.test"], LONG);
                for address in MX_ADDRESSES[0] {
                    f.smtp.insert((ip(address), false), SmtpOutcome::Tls(session_with(&other)));
                }
            },
            &["mx-needs-sni"],
            Delivers,
        ),
        (
            "right without the name only",
            |f| {
                let other = f.authority.chain(&["other.test"], LONG);
                for address in MX_ADDRESSES[0] {
                    f.smtp.insert((ip(address), true), SmtpOutcome::Tls(session_with(&other)));
                }
            },
            &["mx-fails-with-sni"],
            AtRisk,
        ),
        (
            "a private address",
            |f| f.each_outcome(0, &SmtpOutcome::NotReached(ConnectFailure::Guarded(ip("10.0.0.1")))),
            &["mx-private-address"],
            AtRisk,
        ),
        ("no address", |f| f.addresses(MX[1], &[]), &["mx-no-address"], AtRisk),
        (
            "addresses not known",
            |f| {
                for kind in [RecordKind::A, RecordKind::Aaaa] {
                    f.fail(MX[1], kind, DnsFailure::Server("SERVFAIL".to_owned()));
                }
            },
            &["dns-failed"],
            Unknown,
        ),
        ("an alias", |f| f.alias(MX[1], RecordKind::A, "host.test"), &["mx-alias"], Delivers),
        (
            "an address in place of a name",
            |f| f.mx(DOMAIN, &[(10, MX[0]), (20, MX[1]), (30, "192.0.2.9")]),
            &["mx-address-literal"],
            AtRisk,
        ),
        (
            "no host name",
            |f| f.mx(DOMAIN, &[(10, MX[0]), (20, MX[1]), (30, "mx 3.example.test")]),
            &["mx-name-invalid"],
            AtRisk,
        ),
        (
            "no MX record",
            |f| {
                f.mx(DOMAIN, &[]);
                f.addresses(DOMAIN, &[MX_ADDRESSES[0][0]]);
                let chain = f.authority.chain(&[DOMAIN], LONG);
                f.session(MX_ADDRESSES[0][0], &chain);
                f.policy(&POLICY.replace(MX[0], DOMAIN).replace("mx: mx2.example.test\r\n", ""));
            },
            &["mx-implicit"],
            Delivers,
        ),
        ("neither MX nor address", |f| f.mx(DOMAIN, &[]), &["mx-none"], Refused),
        ("null MX with a policy", |f| f.mx(DOMAIN, &[(0, "")]), &["mx-null-with-policy"], Verdict::None),
        (
            "null MX among others",
            |f| f.mx(DOMAIN, &[(0, ""), (10, MX[0]), (20, MX[1])]),
            &["mx-null-among-others"],
            Delivers,
        ),
        ("MX not known", |f| f.fail(DOMAIN, RecordKind::Mx, DnsFailure::TimedOut), &["dns-failed"], Unknown),
    ]);
}

/// Proves: E4, D13
#[test]
fn faults_of_the_mail_servers_certificates() {
    use Verdict::{AtRisk, Delivers};
    hold(&[
        (
            "expired",
            |f| {
                let chain = f.authority.chain(&[MX[0]], ((2026, 1, 1), (2027, 1, 1)));
                f.show(0, &chain);
            },
            &["mx-certificate-expired"],
            AtRisk,
        ),
        (
            "not yet valid",
            |f| {
                let chain = f.authority.chain(&[MX[0]], ((2027, 2, 1), (2028, 1, 1)));
                f.show(0, &chain);
            },
            &["mx-certificate-not-yet-valid"],
            AtRisk,
        ),
        (
            "about to expire",
            |f| {
                let chain = f.authority.chain(&[MX[0]], ((2026, 1, 1), (2027, 1, 28)));
                f.show(0, &chain);
            },
            &["mx-certificate-expires-soon"],
            Delivers,
        ),
        (
            "for another name",
            |f| {
                let chain = f.authority.chain(&["mail.example.test"], LONG);
                f.show(0, &chain);
            },
            &["mx-certificate-name-mismatch"],
            AtRisk,
        ),
        ("self-signed", |f| f.show(0, &self_signed(&[MX[0]])), &["mx-certificate-self-signed"], AtRisk),
        (
            "another authority",
            |f| {
                let other = Authority::new("Other");
                let chain = other.with_root(other.chain(&[MX[0]], LONG));
                f.show(0, &chain);
            },
            &["mx-certificate-not-trusted"],
            AtRisk,
        ),
        (
            "without its intermediate",
            |f| {
                let chain = f.authority.chain(&[MX[0]], LONG);
                f.show(0, &chain[..1]);
            },
            &["mx-certificate-chain-incomplete"],
            AtRisk,
        ),
        (
            "no certificate",
            |f| f.show(0, &[Bytes::from_static(b"\x30\x00")]),
            &["mx-certificate-invalid"],
            AtRisk,
        ),
        (
            "expired at one address",
            |f| {
                let chain = f.authority.chain(&[MX[0]], ((2026, 1, 1), (2027, 1, 1)));
                f.session(MX_ADDRESSES[0][1], &chain);
            },
            &["mx-certificate-expired"],
            AtRisk,
        ),
    ]);
}

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

/// Proves: E1, K1, K2
#[test]
fn faults_of_dane() {
    use Verdict::{AtRisk, Delivers, Refused};
    const OTHER: [u8; 32] = [7; 32];
    hold_from(
        Fake::healthy_with_dane,
        &[
            ("nothing is wrong", |_| {}, &[], Delivers),
            (
                "another key",
                |f| {
                    f.tlsa(MX[0], &[(3, 1, 1, OTHER.to_vec())]);
                    f.sign("");
                },
                &["dane-mismatch"],
                AtRisk,
            ),
            (
                "another key at both: MTA-STS passes, and never overrides DANE",
                |f| {
                    f.tlsa(MX[0], &[(3, 1, 1, OTHER.to_vec())]);
                    f.tlsa(MX[1], &[(3, 1, 1, OTHER.to_vec())]);
                    f.sign("");
                },
                &["dane-mismatch", "dane-mismatch"],
                Refused,
            ),
            (
                "PKIX usage only",
                |f| {
                    f.tlsa(MX[0], &[(1, 1, 1, OTHER.to_vec())]);
                    f.sign("");
                },
                &["dane-unusable"],
                Delivers,
            ),
            (
                "the zone of the hosts is not signed",
                |f| {
                    for host in MX {
                        f.set_security(host, Security::Insecure);
                    }
                },
                &["dane-unsigned", "dane-unsigned"],
                Delivers,
            ),
            (
                "the domain is not signed",
                |f| {
                    let reply = f.dns.get_mut(&(DOMAIN.to_owned(), RecordKind::Mx));
                    if let Some(tlsward_engine::ports::DnsReply::Found(answer)) = reply {
                        answer.security = Security::Insecure;
                        answer.first_security = Security::Insecure;
                    }
                },
                &["dane-mx-unsigned", "dane-mx-unsigned"],
                Delivers,
            ),
            (
                "TLSA cannot be looked up",
                |f| {
                    let failure = DnsFailure::Server("SERVFAIL".to_owned());
                    f.fail("_25._tcp.mx1.example.test", RecordKind::Tlsa, failure);
                },
                &["dane-lookup-failed"],
                AtRisk,
            ),
            ("one has none", |f| f.tlsa(MX[1], &[]), &["dane-partial"], Delivers),
            (
                "no reports for the hosts",
                |f| f.txt("_smtp._tls.mx1.example.test", &[]),
                &["tlsrpt-missing-at-mx"],
                Delivers,
            ),
            (
                "self-signed and pinned: DANE passes, MTA-STS does not",
                |f| {
                    let chain = self_signed(&[MX[0]]);
                    f.show(0, &chain);
                    let leaf = smtp_dane::certificate::Certificate::parse(&chain[0]).unwrap();
                    f.tlsa(MX[0], &[(3, 1, 1, leaf.spki_sha256.to_vec())]);
                    f.sign("");
                },
                &["mx-certificate-self-signed"],
                AtRisk,
            ),
            (
                "the resolver strips DNSSEC",
                |f| f.dnssec = Dnssec::Unusable("no AD bit in the answer for the root".to_owned()),
                &["dnssec-unusable"],
                Delivers,
            ),
        ],
    );
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

/// A domain that promises nothing is told what is wrong, and that nothing is refused for it.
#[test]
fn without_a_policy_faults_of_tls_are_warnings() {
    let mut fake = Fake::healthy();
    fake.txt(RECORD, &[]);
    fake.txt(TLSRPT, &[]);
    fake.addresses(POLICY_HOST, &[]);
    fake.show(0, &self_signed(&[MX[0]]));
    fake.each_outcome(1, &SmtpOutcome::NoStartTls);
    let report = check(&fake);
    assert_eq!(report.verdict, Verdict::None);
    assert_eq!(report.worst(), Some(Level::Warning));
    assert_eq!(
        codes(&report),
        ["sts-not-published", "mx-no-starttls", "mx-certificate-self-signed", "tlsrpt-missing"]
    );
    assert!(report.findings.iter().any(|finding| finding.code == Code::MxNoStartTls));
}
