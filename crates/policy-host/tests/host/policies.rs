//! What is answered over HTTPS.

use bytes::Bytes;
use tlsward_engine::ports::publish::Hosts as _;
use tokio::io::AsyncWriteExt as _;

use crate::support::{GET, POLICY, Running, body, field, read_all, status};

/// Proves: D6, D9, D10
#[tokio::test]
async fn a_policy_is_served_byte_for_byte_as_plain_text() {
    let running = Running::ordinary().await;
    let answer = running.say(GET).await;
    assert_eq!(status(&answer), 200);
    assert_eq!(body(&answer), POLICY);
    assert_eq!(field(&answer, "content-type"), Some("text/plain"));
    assert_eq!(field(&answer, "content-length"), Some(POLICY.len().to_string().as_str()));
    assert_eq!(field(&answer, "cache-control"), Some("max-age=60"));
    assert!(field(&answer, "date").is_some());
    for absent in
        ["server", "etag", "last-modified", "location", "content-encoding", "transfer-encoding", "vary"]
    {
        assert_eq!(field(&answer, absent), None, "{absent}");
    }
    assert_eq!(running.host.counters().policies.get(), 1);
    assert_eq!(running.host.counters().handshakes.get(), 1);
    running.end().await;
}

#[tokio::test]
async fn what_is_asked_decides_the_status() {
    let running = Running::ordinary().await;
    let host = "Host: mta-sts.example.org\r\n";
    let path = "/.well-known/mta-sts.txt";
    let rows = [
        (format!("GET {path} HTTP/1.1\r\n{host}"), 200),
        (format!("GET {path}?version=1 HTTP/1.1\r\n{host}"), 200),
        (format!("GET {path} HTTP/1.1\r\nHost: MTA-STS.Example.Org:8443\r\n"), 200),
        (format!("GET {path} HTTP/1.1\r\nHost: mta-sts.example.org.\r\n"), 200),
        (format!("GET https://mta-sts.example.org{path} HTTP/1.1\r\n{host}"), 200),
        (format!("GET {path} HTTP/1.0\r\n"), 200),
        (format!("GET {path} HTTP/1.1\r\n{host}If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT\r\n"), 200),
        (format!("GET {path} HTTP/1.1\r\n{host}If-None-Match: *\r\nRange: bytes=0-3\r\n"), 200),
        (format!("GET {path} HTTP/1.1\r\n{host}Accept: text/html\r\nAccept-Encoding: gzip\r\n"), 200),
        (format!("GET / HTTP/1.1\r\n{host}"), 404),
        (format!("GET /.well-known/ HTTP/1.1\r\n{host}"), 404),
        (format!("GET {path}/ HTTP/1.1\r\n{host}"), 404),
        (format!("GET /{path} HTTP/1.1\r\n{host}"), 404),
        (format!("GET /x/..{path} HTTP/1.1\r\n{host}"), 404),
        (format!("GET /.well-known/mta%2Dsts.txt HTTP/1.1\r\n{host}"), 404),
        (format!("GET /.well-known/MTA-STS.txt HTTP/1.1\r\n{host}"), 404),
        (format!("GET /.well-known/acme-challenge/abc HTTP/1.1\r\n{host}"), 404),
        (format!("POST / HTTP/1.1\r\n{host}Content-Length: 0\r\n"), 404),
        (format!("OPTIONS * HTTP/1.1\r\n{host}"), 404),
        (format!("POST {path} HTTP/1.1\r\n{host}Content-Length: 0\r\n"), 405),
        (format!("BREW {path} HTTP/1.1\r\n{host}"), 405),
        (format!("GET {path} HTTP/1.1\r\n"), 400),
        (format!("GET {path} HTTP/1.1\r\n{host}{host}"), 400),
        (format!("GET {path} HTTP/1.1\r\nHost: \r\n"), 400),
        (format!("GET {path} HTTP/1.1\r\nHost: user@mta-sts.example.org\r\n"), 400),
        (format!("GET {path} HTTP/1.1\r\nHost: example.org\r\n"), 421),
        (format!("GET {path} HTTP/1.1\r\nHost: mta-sts.example.com\r\n"), 421),
        (format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"), 421),
        (format!("GET https://mta-sts.example.com{path} HTTP/1.1\r\n{host}"), 421),
        (format!("GET http://mta-sts.example.org{path} HTTP/1.1\r\n{host}"), 421),
    ];
    running.hosted.serve("example.com", Some(Bytes::from_static(b"another policy")));
    for (request, expected) in rows {
        let answer = running.say(format!("{request}Connection: close\r\n\r\n")).await;
        assert_eq!(status(&answer), expected, "{request}{answer}");
        assert_eq!(field(&answer, "server"), None, "{request}");
        assert_eq!(body(&answer) == POLICY, expected == 200, "{request}");
        assert!(!answer.contains("another policy"), "{request}");
        let allowed = (expected == 405).then_some("GET, HEAD");
        assert_eq!(field(&answer, "allow"), allowed, "{request}");
    }
    running.end().await;
}

#[tokio::test]
async fn a_head_request_gets_the_same_head_and_no_body() {
    let running = Running::ordinary().await;
    let answer = running.say(GET.replace("GET", "HEAD")).await;
    assert_eq!(status(&answer), 200);
    assert_eq!(field(&answer, "content-length"), Some(POLICY.len().to_string().as_str()));
    assert_eq!(body(&answer), "");
    running.end().await;
}

#[tokio::test]
async fn a_change_holds_from_its_return_on_also_for_connections_that_are_open() {
    let running = Running::ordinary().await;
    let mut stream = running.connect("mta-sts.example.org", &["http/1.1"]).await.unwrap();
    let keep = GET.replace("Connection: close\r\n", "");
    let mut served = Vec::new();
    for number in 0..50 {
        let policy = format!("version: STSv1\r\nmode: none\r\nmax_age: {number}\r\n");
        running.hosted.serve("example.org", Some(Bytes::from(policy.clone().into_bytes())));
        stream.write_all(keep.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !String::from_utf8_lossy(&answer).ends_with(&format!("max_age: {number}\r\n")) {
            let mut piece = [0; 1024];
            let length = tokio::io::AsyncReadExt::read(&mut stream, &mut piece).await.unwrap();
            assert!(length > 0);
            answer.extend_from_slice(&piece[..length]);
        }
        served.push(answer);
    }
    assert_eq!(served.len(), 50);
    running.hosted.serve("example.org", None);
    stream.write_all(GET.as_bytes()).await.unwrap();
    assert_eq!(status(&read_all(&mut stream).await), 404);
    running.end().await;
}

#[tokio::test]
async fn requests_sent_ahead_are_answered_in_order() {
    let running = Running::ordinary().await;
    let keep = GET.replace("Connection: close\r\n", "");
    let elsewhere = keep.replace("mta-sts.txt", "nothing.txt");
    let answer = running.say(format!("{keep}{elsewhere}{keep}{GET}")).await;
    let statuses: Vec<_> =
        answer.match_indices("HTTP/1.1 ").map(|(at, _)| &answer[at + 9..at + 12]).collect();
    assert_eq!(statuses, ["200", "404", "200", "200"]);
    assert_eq!(answer.matches(POLICY).count(), 3);
    running.end().await;
}

#[tokio::test]
async fn an_asked_for_end_closes_idle_connections_and_those_that_have_said_nothing() {
    let running = Running::ordinary().await;
    let mut idle = running.connect("mta-sts.example.org", &["http/1.1"]).await.unwrap();
    let mut idle2 = running.connect("mta-sts.example.org", &["h2"]).await.unwrap();
    let mut silent = tokio::net::TcpStream::connect(running.https).await.unwrap();
    let mut silent_in_clear = tokio::net::TcpStream::connect(running.http).await.unwrap();
    // Later ones are answered: the others were accepted.
    assert_eq!(status(&running.say(GET).await), 200);
    assert_eq!(status(&running.say_in_clear(GET).await), 404);
    running.ask_to_end();
    assert_eq!(read_all(&mut idle).await, "");
    read_all(&mut idle2).await;
    assert_eq!(read_all(&mut silent).await, "");
    assert_eq!(read_all(&mut silent_in_clear).await, "");
    running.end().await;
}
