//! DANE beside MTA-STS.

use tlsward_engine::check::Verdict;
use tlsward_engine::ports::{DnsFailure, DnsReply, Dnssec, RecordKind, Security};

use super::hold_from;
use crate::chains::self_signed;
use crate::fake::{DOMAIN, Fake, MX};

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
