//! Challenges of certificate authorities, answered as an authority asks.

use std::sync::{Arc, Mutex};

use tlsward_engine::ports::publish::{Challenge, Challenges as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{WebPkiSupportedAlgorithms, aws_lc_rs};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};

use crate::support::{GET, POLICY, Running, body, field, status};

/// Takes any certificate and remembers it, as a validating authority does.
#[derive(Debug)]
struct Remember(Mutex<Vec<u8>>, WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Remember {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        *self.0.lock().unwrap() = certificate.to_vec();
        Ok(ServerCertVerified::assertion())
    }

    // rustls reads no certificate with an extension that is critical and unknown to it; OpenSSL checks the signature, in
    // another test.
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.1.supported_schemes()
    }
}

fn validator(protocols: &[&str], tls13: bool) -> (Arc<Remember>, ClientConfig) {
    let provider = aws_lc_rs::default_provider();
    let seen = Arc::new(Remember(Mutex::default(), provider.signature_verification_algorithms));
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[if tls13 { &TLS13 } else { &TLS12 }])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&seen) as _)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    (seen, config)
}

/// RFC 8737 §3: the digest in a critical id-pe-acmeIdentifier (1.3.6.1.5.5.7.1.31), an OCTET STRING in the OCTET STRING.
fn acme_extension(digest: u8) -> Vec<u8> {
    let mut extension = vec![0x06, 8, 0x2b, 6, 1, 5, 5, 7, 1, 31, 0x01, 1, 0xff, 0x04, 34, 0x04, 32];
    extension.extend([digest; 32]);
    extension
}

fn holds(certificate: &[u8], part: &[u8]) -> bool {
    certificate.windows(part.len()).any(|window| window == part)
}

#[tokio::test]
async fn a_tls_alpn_01_validation_sees_the_digest_and_then_the_end() {
    let running = Running::ordinary().await;
    // A name that has no policy yet: its certificate comes first.
    let name = "mta-sts.new.example";
    let challenge = Challenge::TlsAlpn01 { name: name.to_owned(), digest: [7; 32] };
    running.hosted.present(&challenge);
    for tls13 in [true, false] {
        let (seen, config) = validator(&["acme-tls/1"], tls13);
        let mut stream = running.connect_with(name, config).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"acme-tls/1"[..]));
        let certificate = seen.0.lock().unwrap().clone();
        assert!(holds(&certificate, &acme_extension(7)));
        assert!(holds(&certificate, name.as_bytes()));
        // HTTP is never reached: not even a request sent along is answered.
        let _ = stream.write_all(GET.as_bytes()).await;
        let mut heard = Vec::new();
        let _ = stream.read_to_end(&mut heard).await;
        assert_eq!(heard, b"");
    }
    assert_eq!(running.host.counters().tls_challenges.get(), 2);
    assert_eq!(running.host.counters().policies.get(), 0);
    running.hosted.withdraw(&challenge);
    let (_, config) = validator(&["acme-tls/1"], true);
    running.connect_with(name, config).await.expect_err("it was withdrawn");
    running.end().await;
}

#[tokio::test]
async fn a_challenge_certificate_is_shown_to_nobody_else() {
    let running = Running::ordinary().await;
    let name = "mta-sts.example.org";
    running.hosted.present(&Challenge::TlsAlpn01 { name: name.to_owned(), digest: [7; 32] });
    let offers: [&[&str]; 3] = [&["http/1.1"], &["acme-tls/1", "http/1.1"], &[]];
    for offered in offers {
        let (seen, config) = validator(offered, true);
        let stream = running.connect_with(name, config).await.unwrap();
        assert_ne!(stream.get_ref().1.alpn_protocol(), Some(&b"acme-tls/1"[..]), "{offered:?}");
        assert!(!holds(&seen.0.lock().unwrap(), &acme_extension(7)), "{offered:?}");
    }
    // And a name without one has none to show, though it has a policy.
    running.hosted.withdraw(&Challenge::TlsAlpn01 { name: name.to_owned(), digest: [7; 32] });
    let (_, config) = validator(&["acme-tls/1"], true);
    running.connect_with(name, config).await.expect_err("no challenge");
    assert_eq!(body(&running.say(GET).await), POLICY);
    running.end().await;
}

#[tokio::test]
async fn an_http_01_validation_gets_the_key_authorisation_and_nothing_else_is_there() {
    let running = Running::ordinary().await;
    running.hosted.present(&Challenge::Http01 {
        name: "mta-sts.example.org".to_owned(),
        token: "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA".to_owned(),
        key_authorization:
            "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA.9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"
                .to_owned(),
    });
    let token = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA";
    let base = "/.well-known/acme-challenge/";
    let rows = [
        ("GET", format!("{base}{token}"), "mta-sts.example.org", 200),
        ("GET", format!("{base}{token}"), "MTA-STS.example.org:80", 200),
        ("HEAD", format!("{base}{token}"), "mta-sts.example.org", 200),
        ("POST", format!("{base}{token}"), "mta-sts.example.org", 405),
        ("GET", format!("{base}{token}"), "mta-sts.example.com", 404),
        ("GET", format!("{base}{}", token.to_lowercase()), "mta-sts.example.org", 404),
        ("GET", format!("{base}{token}/"), "mta-sts.example.org", 404),
        ("GET", base.to_owned(), "mta-sts.example.org", 404),
        ("GET", format!("{base}../{token}"), "mta-sts.example.org", 404),
        ("GET", format!("{base}{}", "a".repeat(4000)), "mta-sts.example.org", 404),
        ("GET", "/".to_owned(), "mta-sts.example.org", 404),
    ];
    for (method, path, host, expected) in rows {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = running.say_in_clear(&request).await;
        assert_eq!(status(&answer), expected, "{request}");
        assert_eq!(answer.contains(".9jg46WB3rR"), expected == 200 && method == "GET", "{request}");
        assert_eq!(field(&answer, "server"), None);
    }
    running.end().await;
}
