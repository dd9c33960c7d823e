//! The policy host and its certificate.

use bytes::Bytes;
use tlsward_engine::check::Verdict;
use tlsward_engine::ports::{ConnectFailure, DnsFailure, HttpsFailure, RecordKind, TlsFailure};

use super::hold;
use crate::chains::{Authority, LONG, self_signed};
use crate::fake::{DOMAIN, Fake, POLICY, POLICY_ADDRESSES, POLICY_HOST, ip, policy_answer, session_with};

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
