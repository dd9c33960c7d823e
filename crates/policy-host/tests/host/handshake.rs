//! Which certificate is shown to whom, and which alert ends a handshake.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use bytes::Bytes;
use tlsward_engine::ports::publish::Hosts as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{AlertDescription, Error, HandshakeKind, ProtocolVersion};

use crate::support::{GET, POLICY, Running, body, read_all, status};

/// The alert that ended a handshake.
fn alert(error: &std::io::Error) -> AlertDescription {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::AlertReceived(alert)) => *alert,
        other => panic!("no alert: {error} {other:?}"),
    }
}

/// Proves: D12
#[tokio::test]
async fn a_name_that_is_not_hosted_gets_an_alert_and_no_certificate() {
    let running = Running::ordinary().await;
    let names =
        ["mta-sts.example.com", "example.org", "mta-sts.sub.example.org", "www.example.org", "localhost"];
    for name in names {
        let error = running.connect(name, &["http/1.1"]).await.expect_err(name);
        assert_eq!(alert(&error), AlertDescription::UnrecognisedName, "{name}");
    }
    // An address is never sent as a name.
    let error = running.connect("127.0.0.1", &[]).await.expect_err("no name");
    assert_eq!(alert(&error), AlertDescription::UnrecognisedName);
    assert_eq!(running.host.counters().unknown_names.get(), 6);
    assert_eq!(running.authority.loads.load(SeqCst), 0, "nobody asked for a certificate of a foreign name");
    running.end().await;
}

/// Proves: D9, D12
#[tokio::test]
async fn each_name_gets_its_own_certificate_in_tls_1_2_and_1_3_and_older_versions_none() {
    let running = Running::ordinary().await;
    for domain in ["a.example", "b.example"] {
        running.hosted.serve(domain, Some(Bytes::from(format!("policy of {domain}"))));
        for (version, expected) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
            let name = format!("mta-sts.{domain}");
            // The client checks the chain and the name.
            let mut stream =
                running.connect_with(&name, running.authority.client(&[version], &[])).await.unwrap();
            assert_eq!(stream.get_ref().1.protocol_version(), Some(expected));
            stream.write_all(GET.replace("mta-sts.example.org", &name).as_bytes()).await.unwrap();
            assert_eq!(body(&read_all(&mut stream).await), format!("policy of {domain}"));
        }
    }
    assert_eq!(running.authority.loads.load(SeqCst), 2, "each was loaded once");
    running.end().await;
}

#[tokio::test]
async fn a_hosted_name_without_a_certificate_is_told_apart_and_served_once_it_has_one() {
    let running = Running::ordinary().await;
    running.authority.without.lock().unwrap().insert("mta-sts.example.org".to_owned());
    for _ in 0..3 {
        let error = running.connect("mta-sts.example.org", &[]).await.expect_err("no certificate");
        assert_eq!(alert(&error), AlertDescription::InternalError);
    }
    assert_eq!(running.authority.loads.load(SeqCst), 1);
    assert_eq!(running.host.counters().without_certificate.get(), 3);
    running.authority.without.lock().unwrap().clear();
    running.host.forget("mta-sts.Example.org");
    assert_eq!(body(&running.say(GET).await), POLICY);
    running.end().await;
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_as_soon_as_the_old_one_is_forgotten() {
    let running = Running::ordinary().await;
    let mut shown = Vec::new();
    for renewed in [false, false, true] {
        if renewed {
            running.host.forget("mta-sts.example.org");
        }
        let stream = running.connect("mta-sts.example.org", &[]).await.unwrap();
        shown.push(stream.get_ref().1.peer_certificates().unwrap()[0].clone());
    }
    assert_eq!(shown[0], shown[1]);
    assert_ne!(shown[1], shown[2]);
    running.end().await;
}

#[tokio::test]
async fn a_session_is_resumed_for_its_own_name() {
    let running = Running::ordinary().await;
    for version in [&TLS12, &TLS13] {
        let config = Arc::new(running.authority.client(&[version], &["http/1.1"]));
        let mut kinds = Vec::new();
        for _ in 0..2 {
            let stream = TcpStream::connect(running.https).await.unwrap();
            let name = "mta-sts.example.org".try_into().unwrap();
            let mut stream =
                tokio_rustls::TlsConnector::from(Arc::clone(&config)).connect(name, stream).await.unwrap();
            stream.write_all(GET.as_bytes()).await.unwrap();
            assert_eq!(status(&read_all(&mut stream).await), 200);
            kinds.push(stream.get_ref().1.handshake_kind().unwrap());
        }
        assert_eq!(kinds, [HandshakeKind::Full, HandshakeKind::Resumed]);
    }
    assert_eq!(running.host.counters().resumed.get(), 2);
    running.end().await;
}

/// HTTP/2 where it is offered; neither protocol: an alert (RFC 7301 §3.2).
#[tokio::test]
async fn the_protocol_is_agreed_on_by_alpn() {
    let running = Running::ordinary().await;
    let rows: [(&[&str], Option<&[u8]>); 4] = [
        (&["h2", "http/1.1"], Some(b"h2")),
        (&["http/1.1", "h2"], Some(b"h2")),
        (&["http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ];
    for (offered, agreed) in rows {
        let stream = running.connect("mta-sts.example.org", offered).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), agreed);
    }
    let error = running.connect("mta-sts.example.org", &["spdy/3"]).await.expect_err("no protocol");
    assert_eq!(alert(&error), AlertDescription::NoApplicationProtocol);
    running.end().await;
}

#[tokio::test]
async fn what_is_no_tls_is_refused_with_an_alert() {
    let running = Running::ordinary().await;
    for garbage in [GET.as_bytes(), &[0x16, 3, 1, 0xff, 0xff, 1, 2, 3], &[0x80, 0x2e, 1, 0, 2, 0, 0x15]] {
        let mut stream = TcpStream::connect(running.https).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut heard = Vec::new();
        // A reset is an end too.
        let _ = stream.read_to_end(&mut heard).await;
        assert!(heard.is_empty() || heard[0] == 21, "{heard:?}");
    }
    assert_eq!(body(&running.say(GET).await), POLICY);
    running.end().await;
}
