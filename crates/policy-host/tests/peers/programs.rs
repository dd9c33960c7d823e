//! curl and OpenSSL.

use tlsward_engine::ports::publish::{Challenge, Challenges as _};

use crate::support::{POLICY, Running, body, field};
use crate::{run, text};

/// Proves: D6, D9, D10
#[tokio::test(flavor = "multi_thread")]
async fn curl_fetches_the_policy_over_http_1_and_2_and_every_version_of_tls() {
    let running = Running::ordinary().await;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root.pem");
    std::fs::write(&root, running.authority.pem()).unwrap();
    let port = running.https.port();
    let url = format!("https://mta-sts.example.org:{port}/.well-known/mta-sts.txt");
    let resolve = format!("mta-sts.example.org:{port}:127.0.0.1");
    for http in ["--http1.0", "--http1.1", "--http2"] {
        for versions in [["--tlsv1.2", "--tls-max", "1.2"], ["--tlsv1.3", "--tls-max", "1.3"]] {
            let mut arguments = vec!["-sS", "-i", http, "--cacert", text(&root), "--resolve", &resolve, &url];
            arguments.extend(versions);
            let (went_well, answer) = run("curl", &arguments).await;
            assert!(went_well, "{http} {versions:?}: {answer}");
            assert_eq!(body(&answer), POLICY, "{http} {versions:?}");
            assert_eq!(field(&answer, "content-type"), Some("text/plain"));
            assert_eq!(answer.starts_with("HTTP/2 200"), http == "--http2", "{answer}");
        }
    }
    // HEAD over HTTP/2 has no hyper machine's help; and a request for another name over this connection's.
    let common = ["-sS", "-i", "--http2", "--cacert", text(&root), "--resolve", &resolve];
    let (_, head) = run("curl", &[&common[..], &["-I", &url]].concat()).await;
    assert_eq!(field(&head, "content-length"), Some(POLICY.len().to_string().as_str()), "{head}");
    assert_eq!(body(&head), "");
    let (_, answer) = run("curl", &[&common[..], &["-H", "Host: mta-sts.example.com", &url]].concat()).await;
    assert!(answer.starts_with("HTTP/2 421"), "{answer}");
    let (_, answer) = run("curl", &[&common[..], &["-X", "DELETE", &url]].concat()).await;
    assert!(answer.starts_with("HTTP/2 405") && field(&answer, "allow") == Some("GET, HEAD"), "{answer}");
    running.end().await;
}

/// Proves: D12
#[tokio::test(flavor = "multi_thread")]
async fn openssl_is_told_that_a_name_is_not_hosted_and_that_old_versions_are_not_spoken() {
    let running = Running::ordinary().await;
    let address = running.https.to_string();
    let client = ["s_client", "-connect", &address, "-brief"];
    let rows: [(&[&str], &str); 7] = [
        (&["-servername", "mta-sts.example.com"], "unrecognized name"),
        (&["-servername", "mta-sts.example.com", "-tls1_2"], "unrecognized name"),
        (&["-servername", "example.org"], "unrecognized name"),
        (&["-noservername"], "unrecognized name"),
        (&["-noservername", "-tls1_2"], "unrecognized name"),
        (&["-servername", "mta-sts.example.org", "-alpn", "acme-tls/1"], "unrecognized name"),
        (&["-servername", "mta-sts.example.org", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], "alert"),
    ];
    for (more, expected) in rows {
        let (went_well, said) = run("openssl", &[&client[..], more].concat()).await;
        assert!(!went_well && said.contains(expected), "{more:?}: {said}");
    }
    for version in ["-tls1_2", "-tls1_3"] {
        let (went_well, said) =
            run("openssl", &[&client[..], &["-servername", "mta-sts.example.org", version]].concat()).await;
        assert!(went_well && said.contains("CONNECTION ESTABLISHED"), "{version}: {said}");
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openssl_sees_the_certificate_of_a_tls_alpn_01_challenge() {
    let running = Running::ordinary().await;
    let name = "mta-sts.example.org";
    running.hosted.present(&Challenge::TlsAlpn01 { name: name.to_owned(), digest: [0xab; 32] });
    let folder = tempfile::tempdir().unwrap();
    let seen = folder.path().join("seen.pem");
    let address = running.https.to_string();
    let (went_well, said) = run(
        "openssl",
        &["s_client", "-connect", &address, "-servername", name, "-alpn", "acme-tls/1", "-showcerts"],
    )
    .await;
    assert!(went_well && said.contains("ALPN protocol: acme-tls/1"), "{said}");
    let begin = said.find("-----BEGIN").expect("a certificate");
    let end = said.find("-----END CERTIFICATE-----").expect("a certificate") + 25;
    std::fs::write(&seen, &said[begin..end]).unwrap();
    let (_, shown) = run("openssl", &["x509", "-in", text(&seen), "-noout", "-text"]).await;
    assert!(shown.contains("1.3.6.1.5.5.7.1.31: critical"), "{shown}");
    assert!(shown.contains("DNS:mta-sts.example.org") && shown.matches("DNS:").count() == 1, "{shown}");
    running.end().await;
}
