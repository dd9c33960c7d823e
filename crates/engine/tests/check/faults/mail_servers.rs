//! The mail servers and their certificates.

use bytes::Bytes;
use tlsward_engine::check::{Code, Level, Verdict};
use tlsward_engine::ports::{ConnectFailure, DnsFailure, RecordKind, SmtpOutcome, TlsFailure, TlsSession};

use super::{RECORD, TLSRPT, hold};
use crate::chains::{Authority, LONG, self_signed};
use crate::fake::{DOMAIN, Fake, MX, MX_ADDRESSES, POLICY, POLICY_HOST, ip, session_with};
use crate::{check, codes};

/// Proves: E4, E6, E7, E12, E14, E15, D13, D14, D15, D21
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
        (
            "null MX and nothing published",
            |f| {
                f.mx(DOMAIN, &[(0, "")]);
                f.addresses(POLICY_HOST, &[]);
                f.txt(RECORD, &[]);
                f.txt(TLSRPT, &[]);
            },
            &["mx-null"],
            Verdict::None,
        ),
        ("no such domain", |f| f.dns.clear(), &["mx-none"], Verdict::None),
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
