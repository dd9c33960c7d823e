//! DANE beside MTA-STS.

use tlsward_engine::check::Verdict;
use tlsward_engine::ports::{
    ConnectFailure, DnsFailure, DnsReply, Dnssec, RecordKind, Security, SmtpOutcome,
};

use super::hold_from;
use crate::chains::{LONG, self_signed};
use crate::check;
use crate::fake::{DOMAIN, Fake, MX, MX_ADDRESSES};

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
                "another key at one address of each",
                |f| {
                    for (host, [_, other]) in MX.into_iter().zip(MX_ADDRESSES) {
                        let chain = f.authority.chain(&[host], LONG);
                        f.session(other, &chain);
                    }
                },
                &["dane-mismatch", "dane-mismatch"],
                AtRisk,
            ),
            (
                "another key at one address of each, and the other not reached",
                |f| {
                    for (host, [one, other]) in MX.into_iter().zip(MX_ADDRESSES) {
                        let chain = f.authority.chain(&[host], LONG);
                        f.session(other, &chain);
                        f.outcome(one, &SmtpOutcome::NotReached(ConnectFailure::Refused));
                    }
                },
                &["dane-mismatch", "dane-mismatch", "mx-unreachable", "mx-unreachable"],
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
                    if let Some(DnsReply::Found(answer)) = reply {
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

/// The record that is offered for copying is that of the certificate that fails.
#[test]
fn a_host_whose_addresses_differ_is_in_use_and_the_failing_address_is_named_with_its_own_record() {
    let mut fake = Fake::healthy_with_dane();
    let [one, other] = MX_ADDRESSES[0];
    let chain = fake.authority.chain(&[MX[0]], LONG);
    fake.session(other, &chain);
    let report = check(&fake);
    assert_eq!(report.mx[0].used, Some(true));
    let why = report.mx[0].why.as_deref().unwrap();
    assert!(why.contains(other) && !why.contains(one), "{why}");
    let finding = &report.findings[0];
    assert!(finding.text.contains(other) && !finding.text.contains(one), "{}", finding.text);
    let leaf = smtp_dane::certificate::Certificate::parse(&chain[0]).unwrap();
    let key: String = leaf.spki_sha256.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(finding.fix.to_lowercase().contains(&key), "{}", finding.fix);
}
