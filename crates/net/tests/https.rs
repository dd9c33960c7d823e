//! The HTTPS client against servers that follow the protocols, and servers that do not.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod peer;

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use peer::{Identity, LOOPBACK, Server, accept, both, closed_port, identity, server, server_at, tls};
use tlsward_engine::ports::{
    Admit, ConnectFailure, Https, HttpsExchange, HttpsFailure, HttpsTarget, TlsFailure, TlsSession,
};
use tlsward_net::guard::Guard;
use tlsward_net::https::{HttpsClient, HttpsConfig};
use tlsward_net::limits::HttpsLimits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const HOST: &str = "mta-sts.example.com";
const PATH: &str = "/.well-known/mta-sts.txt";
const ANYONE: Admit<'static> = &|_| true;

fn client() -> HttpsClient {
    let guard = Guard { allow_private: true, allowed: Vec::new() };
    HttpsClient::new(HttpsConfig { guard, ..HttpsConfig::default() })
}

fn target<'a>(addresses: &'a [IpAddr], port: u16) -> HttpsTarget<'a> {
    HttpsTarget { host: HOST, port: Some(port), path: PATH, addresses }
}

async fn get(client: &HttpsClient, server: &Server) -> HttpsExchange {
    client.get(target(&[server.end_point.ip()], server.end_point.port()), ANYONE).await
}

/// A server that reads the head of a request and answers with those bytes, then closes or stays.
async fn answering(answer: impl Into<Vec<u8>>, close: bool) -> Server {
    let config = Arc::new(tls(&identity(HOST), &both()));
    let answer = Arc::new(answer.into());
    server(move |_, stream| {
        let (config, answer) = (Arc::clone(&config), Arc::clone(&answer));
        async move {
            let Ok(mut stream) = accept(&config, stream).await else { return };
            read_head(&mut stream).await;
            let _ = stream.write_all(&answer).await;
            let _ = stream.flush().await;
            if close {
                let _ = stream.shutdown().await;
            }
            // Until the client leaves.
            let _ = stream.read(&mut [0; 64]).await;
        }
    })
    .await
}

async fn read_head(stream: &mut (impl AsyncReadExt + Unpin)) -> Vec<u8> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(octet) => head.push(octet),
            Err(_) => break,
        }
    }
    head
}

fn protocol(exchange: &HttpsExchange) -> &str {
    match &exchange.outcome {
        Err(HttpsFailure::Protocol(text)) => text,
        other => panic!("expected a failure of the protocol, not {other:?}"),
    }
}

/// Proves: S7, S8, S12
#[tokio::test]
async fn a_policy_comes_with_the_session_it_came_over() {
    let identity = identity(HOST);
    let mut config = tls(&identity, &both());
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let config = Arc::new(config);
    let seen = Arc::new(Mutex::new((None, String::new())));
    let server = {
        let seen = Arc::clone(&seen);
        server(move |_, stream| {
            let (config, seen) = (Arc::clone(&config), Arc::clone(&seen));
            async move {
                let mut stream = accept(&config, stream).await.unwrap();
                let name = stream.get_ref().1.server_name().map(str::to_owned);
                let head = String::from_utf8(read_head(&mut stream).await).unwrap();
                *seen.lock().unwrap() = (name, head);
                let answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nabc";
                stream.write_all(answer).await.unwrap();
                stream.flush().await.unwrap();
            }
        })
        .await
    };
    let exchange = get(&client(), &server).await;

    let answer = exchange.outcome.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (200, &b"abc"[..]));
    assert_eq!(answer.content_type.as_deref(), Some(&b"text/plain"[..]));
    assert_eq!(exchange.address, Some(LOOPBACK));
    let session = exchange.tls.unwrap();
    assert_eq!(session.version, 0x0304);
    assert!(session.suite.starts_with("TLS_AES_"), "{}", session.suite);
    assert_eq!(session.chain, [Bytes::copy_from_slice(&identity.chain[0])]);

    let (name, head) = seen.lock().unwrap().clone();
    assert_eq!(name.as_deref(), Some(HOST));
    assert!(head.starts_with("GET /.well-known/mta-sts.txt HTTP/1.1\r\n"), "{head}");
    let fields: Vec<String> = head.lines().skip(1).map(str::to_ascii_lowercase).collect();
    let port = server.end_point.port();
    assert!(fields.contains(&format!("host: {HOST}:{port}")), "{head}");
    assert!(fields.contains(&"accept-encoding: identity".to_owned()), "{head}");
    assert!(fields.iter().any(|field| field.starts_with("user-agent: tlsward/")), "{head}");
    for unwanted in ["cookie", "authorization", "if-", "referer"] {
        assert!(!fields.iter().any(|field| field.starts_with(unwanted)), "{head}");
    }
}

/// Proves: S10, S11
#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let answer = "HTTP/1.1 301 Moved\r\nLocation: https://www.example.com/x\r\nContent-Length: 4\r\n\r\nbody";
    let server = answering(answer, true).await;
    let answer = get(&client(), &server).await.outcome.unwrap();
    assert_eq!(answer.status, 301);
    assert_eq!(answer.location.as_deref(), Some(&b"https://www.example.com/x"[..]));
    assert!(answer.body.is_empty(), "only a 200 has a policy");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_compressed_body_is_handed_on_as_it_came() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\u{1f}ab";
    let answer = get(&client(), &answering(answer, true).await).await.outcome.unwrap();
    assert_eq!(answer.content_encoding.as_deref(), Some(&b"gzip"[..]));
    assert_eq!(&answer.body[..], b"\x1fab");
}

fn declared(body_bytes: usize, sent_bytes: usize) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {body_bytes}\r\n\r\n").into_bytes();
    answer.extend(vec![b'x'; sent_bytes]);
    answer
}

fn chunked(chunks: usize, chunk_bytes: usize) -> Vec<u8> {
    let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..chunks {
        answer.extend(format!("{chunk_bytes:x}\r\n").bytes());
        answer.extend(vec![b'x'; chunk_bytes]);
        answer.extend(b"\r\n");
    }
    answer.extend(b"0\r\n\r\n");
    answer
}

fn until_close(body_bytes: usize) -> Vec<u8> {
    let mut answer = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    answer.extend(vec![b'x'; body_bytes]);
    answer
}

/// Proves: S14
#[tokio::test]
async fn a_body_of_64_kib_is_read_and_one_byte_more_is_refused_and_not_cut() {
    const LIMIT: usize = 65_536;
    for answer in [declared(LIMIT, LIMIT), chunked(64, 1024), until_close(LIMIT)] {
        let answer = get(&client(), &answering(answer, true).await).await.outcome.unwrap();
        assert_eq!(answer.body.len(), LIMIT);
    }
    // The declared one is refused at once: this server sends none of it and keeps the connection open.
    for (answer, close) in
        [(declared(LIMIT + 1, 0), false), (chunked(65, 1024), false), (until_close(LIMIT + 1), true)]
    {
        let outcome = get(&client(), &answering(answer, close).await).await.outcome;
        assert_eq!(outcome, Err(HttpsFailure::TooLarge { limit_bytes: LIMIT }));
    }
}

/// Proves: S14
#[tokio::test(start_paused = true)]
async fn a_body_that_drips_ends_with_the_time_for_all_of_it() {
    let config = Arc::new(tls(&identity(HOST), &both()));
    let server = server(move |_, stream| {
        let config = Arc::clone(&config);
        async move {
            let mut stream = accept(&config, stream).await.unwrap();
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n").await;
            let mut tick = tokio::time::interval(Duration::from_millis(100));
            while stream.write_all(b"x").await.is_ok() && stream.flush().await.is_ok() {
                tick.tick().await;
            }
        }
    })
    .await;
    let began = tokio::time::Instant::now();
    assert_eq!(get(&client(), &server).await.outcome, Err(HttpsFailure::TimedOut));
    assert_eq!(began.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_http_is_told_apart_from_silence() {
    for answer in ["220 mx.example.com ESMTP\r\n", "version: STSv1\nmode: none\n", "HTTP/1.1 abc OK\r\n\r\n"]
    {
        let exchange = get(&client(), &answering(answer, true).await).await;
        protocol(&exchange);
        assert!(exchange.tls.is_some());
    }
    let early = get(&client(), &answering(declared(10, 9), true).await).await;
    protocol(&early);
    let nothing = get(&client(), &answering("", true).await).await;
    protocol(&nothing);
    let silent = get(&client(), &answering("", false).await).await;
    assert_eq!(silent.outcome, Err(HttpsFailure::TimedOut));
}

#[tokio::test]
async fn the_head_is_bounded_in_bytes_and_fields() {
    let head = |filler_bytes: usize| {
        let mut answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: ".to_owned();
        answer.push_str(&"x".repeat(filler_bytes - answer.len() - 4));
        answer.push_str("\r\n\r\n");
        answer
    };
    let limit = HttpsLimits::default().head_bytes;
    assert!(get(&client(), &answering(head(limit), true).await).await.outcome.is_ok());
    assert!(protocol(&get(&client(), &answering(head(limit + 1), true).await).await).contains("16384 bytes"));

    let fields = |count: usize| format!("HTTP/1.1 404 No\r\n{}\r\n", "a: b\r\n".repeat(count));
    let limit = HttpsLimits::default().fields;
    assert!(get(&client(), &answering(fields(limit), true).await).await.outcome.is_ok());
    assert!(
        protocol(&get(&client(), &answering(fields(limit + 1), true).await).await).contains("100 fields")
    );
}

/// Proves: S7
#[tokio::test]
async fn nothing_is_sent_over_a_session_that_is_not_admitted() {
    let config = Arc::new(tls(&identity(HOST), &both()));
    let (tell, told) = tokio::sync::oneshot::channel();
    let tell = Arc::new(Mutex::new(Some(tell)));
    let server = server(move |_, stream| {
        let (config, tell) = (Arc::clone(&config), Arc::clone(&tell));
        async move {
            let mut stream = accept(&config, stream).await.unwrap();
            let mut sent = Vec::new();
            let _ = stream.read_to_end(&mut sent).await;
            let tell = tell.lock().unwrap().take();
            tell.unwrap().send(sent).unwrap();
        }
    })
    .await;
    let refuse = |session: &TlsSession| session.chain.is_empty();
    let addresses = [LOOPBACK];
    let client = client();
    let target = target(&addresses, server.end_point.port());
    let exchange =
        client.post(target, "application/tlsrpt+gzip", Bytes::from_static(b"secret"), &refuse).await;
    assert_eq!(exchange.outcome, Err(HttpsFailure::NotAdmitted));
    assert!(exchange.tls.is_some());
    assert!(told.await.unwrap().is_empty());
}

/// Proves: J1
#[tokio::test]
async fn a_report_is_posted_whole_and_any_status_is_an_answer() {
    let config = Arc::new(tls(&identity(HOST), &both()));
    let body = Bytes::from(vec![b'r'; 5_000_000]);
    let server = server(move |number, stream| {
        let config = Arc::clone(&config);
        async move {
            let mut stream = accept(&config, stream).await.unwrap();
            let head = String::from_utf8(read_head(&mut stream).await).unwrap().to_ascii_lowercase();
            assert!(head.starts_with("post /v1/tlsrpt http/1.1\r\n"), "{head}");
            assert!(head.contains("content-type: application/tlsrpt+gzip\r\n"), "{head}");
            assert!(head.contains("content-length: 5000000\r\n"), "{head}");
            let mut body = vec![0; 5_000_000];
            stream.read_exact(&mut body).await.unwrap();
            assert!(body.iter().all(|octet| *octet == b'r'));
            let status = [201, 503][number];
            let answer = format!("HTTP/1.1 {status} x\r\nContent-Length: 90000\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
            let _ = stream.read(&mut [0]).await;
        }
    })
    .await;
    let client = client();
    for status in [201, 503] {
        let target = HttpsTarget { path: "/v1/tlsrpt", ..target(&[LOOPBACK], server.end_point.port()) };
        let exchange = client.post(target, "application/tlsrpt+gzip", body.clone(), ANYONE).await;
        assert_eq!(
            exchange.outcome.unwrap().status,
            status,
            "and the 90,000 bytes behind it are not waited for"
        );
    }
}

#[tokio::test]
async fn an_answer_that_comes_before_the_report_was_read_is_heard() {
    let config = Arc::new(tls(&identity(HOST), &both()));
    let server = server(move |_, stream| {
        let config = Arc::clone(&config);
        async move {
            let mut stream = accept(&config, stream).await.unwrap();
            read_head(&mut stream).await;
            stream.write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n").await.unwrap();
            stream.flush().await.unwrap();
            // Reads nothing more, and keeps the connection until the test is over.
            std::future::pending::<()>().await;
        }
    })
    .await;
    let client = client();
    let addresses = [LOOPBACK];
    let target = target(&addresses, server.end_point.port());
    let exchange =
        client.post(target, "application/tlsrpt+json", Bytes::from(vec![0; 8_000_000]), ANYONE).await;
    assert_eq!(exchange.outcome.unwrap().status, 413);
}

#[tokio::test(start_paused = true)]
async fn each_failure_to_connect_is_named() {
    let client = client();
    let refused = client.get(target(&[LOOPBACK], closed_port().await), ANYONE).await;
    assert_eq!(refused.outcome, Err(ConnectFailure::Refused.into()));
    assert_eq!((refused.address, refused.tls), (None, None));

    let (hole, _listener, _held) = peer::black_hole(LOOPBACK, 0).await;
    let silent = client.get(target(&[hole.ip()], hole.port()), ANYONE).await;
    assert_eq!(silent.outcome, Err(ConnectFailure::TimedOut.into()));

    let none = client.get(target(&[], 443), ANYONE).await;
    assert_eq!(none.outcome, Err(ConnectFailure::NoAddress.into()));

    // Nothing here has an address of that network: there is no way to it from loopback.
    let away: IpAddr = "fd00:1:2:3::1".parse().unwrap();
    let outcome = client.get(target(&[away], 443), ANYONE).await.outcome;
    assert!(
        matches!(
            outcome,
            Err(HttpsFailure::Connect(
                ConnectFailure::Unreachable(_) | ConnectFailure::TimedOut | ConnectFailure::Refused
            ))
        ),
        "{outcome:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_address_that_does_not_answer_does_not_hold_up_the_next() {
    let live = answering("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", true).await;
    let port = live.end_point.port();
    let hole: IpAddr = "127.0.0.2".parse().unwrap();
    let (_, _listener, _held) = peer::black_hole(hole, port).await;
    let dead: IpAddr = "127.0.0.3".parse().unwrap();
    let began = tokio::time::Instant::now();
    let exchange = client().get(target(&[dead, hole, LOOPBACK], port), ANYONE).await;
    assert!(began.elapsed() < Duration::from_secs(1), "a head start, and no limit");
    assert_eq!(exchange.outcome.unwrap().status, 404);
    assert_eq!(exchange.address, Some(LOOPBACK));
}

#[tokio::test]
async fn the_seventeenth_address_is_not_tried() {
    let live = answering("HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", true).await;
    let mut addresses: Vec<IpAddr> = (2..18).map(|last| IpAddr::from([127, 0, 0, last])).collect();
    addresses.push(LOOPBACK);
    let client = client();
    let exchange = client.get(target(&addresses, live.end_point.port()), ANYONE).await;
    assert_eq!(exchange.outcome, Err(ConnectFailure::Refused.into()));
    addresses.remove(0);
    assert!(client.get(target(&addresses, live.end_point.port()), ANYONE).await.outcome.is_ok());
}

#[tokio::test]
async fn both_families_are_raced() {
    let six: SocketAddr = "[::1]:0".parse().unwrap();
    if tokio::net::TcpListener::bind(six).await.is_err() {
        // A machine without IPv6: the order of the attempts is proved beside the code.
        return;
    }
    let config = Arc::new(tls(&identity(HOST), &both()));
    let server = server_at(six, move |_, stream| {
        let config = Arc::clone(&config);
        async move {
            let mut stream = accept(&config, stream).await.unwrap();
            let _ = stream.write_all(b"HTTP/1.1 204 x\r\n\r\n").await;
            let _ = stream.read(&mut [0; 4096]).await;
        }
    })
    .await;
    let port = server.end_point.port();
    // IPv6 alone listens there, and IPv6 goes first although it is given last.
    let exchange = client().get(target(&[LOOPBACK, six.ip()], port), ANYONE).await;
    assert_eq!(exchange.address, Some(six.ip()));
    assert_eq!(exchange.outcome.unwrap().status, 204);
}

#[tokio::test]
async fn at_most_eight_connections_to_one_address_are_open_at_once() {
    let config = Arc::new(tls(&identity(HOST), &both()));
    let (open, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let server = {
        let most = Arc::clone(&most);
        server(move |_, stream| {
            let (config, open, most) = (Arc::clone(&config), Arc::clone(&open), Arc::clone(&most));
            async move {
                most.fetch_max(open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let mut stream = accept(&config, stream).await.unwrap();
                read_head(&mut stream).await;
                // The client leaves once it has this; until then the connection counts.
                open.fetch_sub(1, Ordering::SeqCst);
                let _ = stream.write_all(b"HTTP/1.1 204 x\r\n\r\n").await;
                let _ = stream.flush().await;
            }
        })
        .await
    };
    let guard = Guard { allow_private: true, allowed: Vec::new() };
    let config = HttpsConfig { guard, ..HttpsConfig::default() };
    let client = HttpsClient::new(config);
    let all = (0..40).map(|_| get(&client, &server));
    let outcomes = futures_util::future::join_all(all).await;
    assert!(outcomes.iter().all(|exchange| exchange.outcome.is_ok()));
    assert!((1..=8).contains(&most.load(Ordering::SeqCst)), "{most:?}");
}

async fn session_of(identity: &Identity) -> Result<TlsSession, HttpsFailure> {
    let mut sessions = Vec::new();
    for version in both() {
        let config = Arc::new(tls(identity, &[version]));
        let server = server(move |_, stream| {
            let config = Arc::clone(&config);
            async move {
                let Ok(mut stream) = accept(&config, stream).await else { return };
                let _ = stream.write_all(b"HTTP/1.1 204 x\r\n\r\n").await;
                let _ = stream.read(&mut [0; 4096]).await;
            }
        })
        .await;
        let exchange = get(&client(), &server).await;
        exchange.outcome?;
        sessions.push(exchange.tls.unwrap());
    }
    let [older, newer] = &sessions[..] else { panic!("two versions") };
    assert_eq!((older.version, newer.version), (0x0303, 0x0304));
    assert!(older.suite.starts_with("TLS_ECDHE_"), "{}", older.suite);
    assert_eq!(older.chain, newer.chain);
    Ok(sessions.remove(0))
}

#[tokio::test]
async fn chains_that_a_judge_would_refuse_are_handed_on() {
    let mut expired = rcgen::CertificateParams::new(vec!["other.example".to_owned()]).unwrap();
    expired.not_after = rcgen::date_time_ymd(2001, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let expired = Identity { chain: vec![expired.self_signed(&key).unwrap().der().clone()], key };
    let mut garbage_behind = identity(HOST);
    garbage_behind.chain.push(vec![1, 2, 3].into());
    garbage_behind.chain.push(vec![0x30; 2000].into());
    for identity in [peer::version_1(), expired, garbage_behind] {
        let session = session_of(&identity).await.unwrap();
        let presented: Vec<&[u8]> = identity.chain.iter().map(AsRef::as_ref).collect();
        assert_eq!(session.chain, presented);
    }
}

#[tokio::test]
async fn a_chain_is_worth_nothing_without_its_key() {
    let stolen = Identity { chain: identity(HOST).chain, key: identity(HOST).key };
    let failure = session_of(&stolen).await.unwrap_err();
    assert!(failure.to_string().contains("not signed by the key in the certificate"), "{failure}");

    let unreadable = Identity { chain: vec![vec![0x30, 0x03, 1, 2, 3].into()], key: identity(HOST).key };
    let failure = session_of(&unreadable).await.unwrap_err();
    assert!(failure.to_string().contains("cannot be read"), "{failure}");
}

#[tokio::test]
async fn a_chain_of_32_certificates_is_read_and_a_longer_one_is_not() {
    let chain = |count: usize| {
        let mut identity = identity(HOST);
        identity.chain.resize(count, vec![7; 10].into());
        identity
    };
    assert_eq!(session_of(&chain(32)).await.unwrap().chain.len(), 32);
    let failure = session_of(&chain(33)).await.unwrap_err();
    assert!(failure.to_string().contains("33 certificates"), "{failure}");
    // Of bytes, the TLS library takes 65,535 a handshake message.
    let bytes = |filler: usize| {
        let mut identity = identity(HOST);
        identity.chain.push(vec![7; filler].into());
        identity
    };
    assert!(session_of(&bytes(60_000)).await.is_ok());
    let failure = session_of(&bytes(65_536)).await.unwrap_err();
    assert!(matches!(failure, HttpsFailure::Tls(TlsFailure::Protocol(_))), "{failure}");
}

/// A server that answers the first connection, and the ones after it, with bytes instead of TLS.
async fn raw(first: &'static [u8], others: &'static [u8], close: bool) -> Server {
    server(move |number, mut stream| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(if number == 0 { first } else { others }).await;
        if close {
            let _ = stream.shutdown().await;
        }
        let _ = stream.read(&mut [0; 4096]).await;
    })
    .await
}

async fn tls_failure(server: &Server) -> TlsFailure {
    match get(&client(), server).await.outcome {
        Err(HttpsFailure::Tls(failure)) => failure,
        other => panic!("expected a failure of TLS, not {other:?}"),
    }
}

const HANDSHAKE_FAILURE: &[u8] = &[21, 3, 3, 0, 2, 2, 40];
const PROTOCOL_VERSION: &[u8] = &[21, 3, 1, 0, 2, 2, 70];
const UNRECOGNIZED_NAME: &[u8] = &[21, 3, 3, 0, 2, 2, 112];

/// ServerHello of TLS 1.0 with RSA key exchange and 3DES.
const OLD: &[u8] = &[
    22, 3, 1, 0, 42, 2, 0, 0, 38, 3, 1, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5,
    5, 5, 5, 5, 5, 5, 5, 5, 5, 0, 0, 10, 0,
];

/// Proves: E6
#[tokio::test(start_paused = true)]
async fn what_goes_wrong_in_a_handshake_is_named() {
    let alert = |name: &str| TlsFailure::Alert(name.to_owned());
    assert_eq!(tls_failure(&raw(UNRECOGNIZED_NAME, b"", true).await).await, alert("unrecognized_name"));
    assert_eq!(tls_failure(&raw(b"", b"", true).await).await, TlsFailure::Closed);
    assert_eq!(tls_failure(&raw(b"", b"", false).await).await, TlsFailure::TimedOut);
    let text = b"HTTP/1.1 400 Bad Request\r\n\r\n";
    assert!(matches!(tls_failure(&raw(text, b"", true).await).await, TlsFailure::Protocol(_)));
    // To everybody: that can have other reasons than versions and ciphers.
    assert_eq!(
        tls_failure(&raw(HANDSHAKE_FAILURE, HANDSHAKE_FAILURE, true).await).await,
        alert("handshake_failure")
    );
}

/// Proves: E6
#[tokio::test]
async fn a_server_that_only_old_clients_can_talk_to_is_told_apart() {
    let some = TlsFailure::NothingInCommon { offered: Some((0x0301, 0x000a)) };
    for first in [HANDSHAKE_FAILURE, PROTOCOL_VERSION, OLD, b""] {
        let server = raw(first, OLD, true).await;
        assert_eq!(tls_failure(&server).await, some, "{first:?}");
        assert_eq!(server.connections(), 2);
    }
    let nobody = raw(PROTOCOL_VERSION, PROTOCOL_VERSION, true).await;
    assert_eq!(tls_failure(&nobody).await, TlsFailure::NothingInCommon { offered: None });
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_of_ours_says_so() {
    let config = Arc::new(peer::tls_for_known_clients(&identity(HOST)));
    let server = server(move |_, stream| {
        let config = Arc::clone(&config);
        async move {
            let _ = accept(&config, stream).await;
        }
    })
    .await;
    assert_eq!(tls_failure(&server).await, TlsFailure::Alert("certificate_required".to_owned()));
}
