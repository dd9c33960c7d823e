//! What a peer cannot make it do: wait, hold, or give room without end.

use std::time::Duration;

use tlsward_policy_host::Sources;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::support::{GET, POLICY, Running, body, limits, read_all, status};

#[tokio::test]
async fn whoever_does_not_go_on_in_time_is_closed_whatever_he_has_sent_so_far() {
    let mut limits = limits();
    limits.connections.head = Duration::from_millis(400);
    limits.connections.idle = Duration::from_millis(400);
    let running = Running::start(limits, Sources::default()).await;
    // The beginning of a ClientHello, of a head in clear, and of nothing.
    for (address, sent) in [
        (running.https, &[0x16, 3, 1, 2, 0, 1, 0][..]),
        (running.https, b""),
        (running.http, b"GET /.well-known/acme-challenge/a HTTP/1.1\r\nHost: mta-"),
        (running.http, b""),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(sent).await.unwrap();
        assert_eq!(read_all(&mut stream).await, "");
    }
    // The same within TLS: no request, a part of one, a part of a second one, and HTTP/2 without any.
    let (part, _) = GET.split_at(40);
    let keep = GET.replace("Connection: close\r\n", "");
    for (protocol, sent) in [
        ("http/1.1", String::new()),
        ("http/1.1", part.to_owned()),
        ("http/1.1", format!("{keep}{part}")),
        ("h2", String::new()),
        ("h2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned()),
    ] {
        let mut stream = running.connect("mta-sts.example.org", &[protocol]).await.unwrap();
        stream.write_all(sent.as_bytes()).await.unwrap();
        read_all(&mut stream).await;
    }
    assert_eq!(running.host.counters().failed_handshakes.get(), 2);
    running.end().await;
}

#[tokio::test]
async fn more_connections_than_allowed_are_turned_away_and_places_come_back() {
    let mut limits = limits();
    limits.connections.total = 20;
    let running = Running::start(limits, Sources::default()).await;
    let mut open = Vec::new();
    for _ in 0..20 {
        open.push(running.connect("mta-sts.example.org", &["http/1.1"]).await.unwrap());
    }
    running.connect("mta-sts.example.org", &["http/1.1"]).await.expect_err("no place");
    assert_eq!(running.host.counters().turned_away.get(), 1);
    let mut last = open.pop().unwrap();
    last.write_all(GET.as_bytes()).await.unwrap();
    assert_eq!(body(&read_all(&mut last).await), POLICY);
    drop(last);
    // The place is free when the server has seen the end.
    while running.connect("mta-sts.example.org", &["http/1.1"]).await.is_err() {
        tokio::task::yield_now().await;
    }
    running.end().await;
}

#[tokio::test]
async fn a_thousand_idle_connections_keep_nobody_else_from_being_served() {
    let running = Running::ordinary().await;
    let mut idle = Vec::new();
    for _ in 0..1000 {
        idle.push(TcpStream::connect(running.https).await.unwrap());
    }
    for _ in 0..20 {
        assert_eq!(body(&running.say(GET).await), POLICY);
    }
    running.end().await;
}

#[tokio::test]
async fn heads_without_end_are_refused() {
    let running = Running::ordinary().await;
    let rows = [
        GET.replace("Connection", &format!("X-Long: {}\r\nConnection", "a".repeat(20_000))),
        GET.replace("Connection", &format!("{}Connection", "X-Many: a\r\n".repeat(200))),
        GET.replace("mta-sts.txt", &"a".repeat(20_000)),
    ];
    for request in rows {
        let status = status(&running.say(&request).await);
        assert!(matches!(status, 414 | 431), "{status}");
    }
    assert_eq!(status(&running.say("\u{0}\r\n\r\n").await), 400);
    assert_eq!(status(&running.say(GET.replace("HTTP/1.1", "HTTP/7.0")).await), 400);
    assert_eq!(running.host.counters().policies.get(), 0);
    running.end().await;
}

#[tokio::test]
async fn a_body_sent_along_is_not_waited_for() {
    let running = Running::ordinary().await;
    let answer = running.say(GET.replace("Connection: close", "Content-Length: 1000000000000")).await;
    assert_eq!((status(&answer), body(&answer)), (200, POLICY));
    running.end().await;
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A GET for the policy in HPACK, with an authority of choice.
fn get(authority: &str) -> Vec<u8> {
    // RFC 7541 §6.1 and appendix A: ":method: GET" and ":scheme: https"; §6.2.2: literals under indexed names.
    let mut block = vec![0x82, 0x87];
    for (name, value) in [(0x04, "/.well-known/mta-sts.txt"), (0x01, authority)] {
        block.extend([name, u8::try_from(value.len()).unwrap()]);
        block.extend(value.as_bytes());
    }
    block
}

/// The next frame: kind, flags, stream, payload; `None` at the end.
async fn next(stream: &mut TlsStream<TcpStream>) -> Option<(u8, u8, u32, Vec<u8>)> {
    let mut head = [0; 9];
    tokio::time::timeout(Duration::from_secs(20), stream.read_exact(&mut head))
        .await
        .expect("in time")
        .ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    assert!(length <= 16_384);
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    stream.read_exact(&mut payload).await.ok()?;
    Some((head[3], head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload))
}

async fn connect(running: &Running) -> TlsStream<TcpStream> {
    let mut stream = running.connect("mta-sts.example.org", &["h2"]).await.unwrap();
    stream.write_all(PREFACE).await.unwrap();
    stream
}

/// Waits for GOAWAY or the end; the error code, if it was told.
async fn end(stream: &mut TlsStream<TcpStream>) -> Option<u32> {
    while let Some((kind, _, _, payload)) = next(stream).await {
        if kind == GOAWAY {
            return Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
        }
    }
    None
}

#[tokio::test]
async fn http_2_serves_the_policy_for_its_own_name_alone() {
    let running = Running::ordinary().await;
    let mut stream = connect(&running).await;
    stream
        .write_all(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &get("mta-sts.example.org")))
        .await
        .unwrap();
    stream
        .write_all(&frame(HEADERS, END_STREAM | END_HEADERS, 3, &get("mta-sts.example.com")))
        .await
        .unwrap();
    let (mut blocks, mut data) = (Vec::new(), Vec::new());
    let mut open = 2;
    while open > 0 {
        let (kind, flags, id, payload) = next(&mut stream).await.expect("answers");
        match kind {
            HEADERS => blocks.push((id, payload)),
            DATA if id == 1 => data.extend(payload),
            _ => {}
        }
        if matches!(kind, HEADERS | DATA) && flags & END_STREAM != 0 {
            open -= 1;
        }
    }
    assert_eq!(data, POLICY.as_bytes());
    // RFC 7541 appendix A: 0x88 is ":status: 200"; 421 is no entry of it.
    for (id, block) in blocks {
        assert_eq!(block[0] == 0x88, id == 1);
    }
    assert_eq!(running.host.counters().misdirected.get(), 1);
    assert_eq!(running.host.counters().http2.get(), 2);
    drop(stream);
    running.end().await;
}

/// CVE-2023-44487.
#[tokio::test]
async fn http_2_streams_opened_and_reset_at_once_end_the_connection() {
    let running = Running::ordinary().await;
    let mut stream = connect(&running).await;
    let mut flood = Vec::new();
    for number in 0..2000_u32 {
        let id = 2 * number + 1;
        flood.extend(frame(HEADERS, END_STREAM | END_HEADERS, id, &get("mta-sts.example.org")));
        flood.extend(frame(RST_STREAM, 0, id, &8_u32.to_be_bytes()));
    }
    // It may be closed before all of it is written.
    let _ = stream.write_all(&flood).await;
    // ENHANCE_YOUR_CALM, or the end.
    assert!(matches!(end(&mut stream).await, Some(11) | None));
    assert_eq!(body(&running.say(GET).await), POLICY);
    assert!(running.host.counters().http2.get() < 2000);
    running.end().await;
}

#[tokio::test]
async fn http_2_heads_that_never_end_end_the_connection() {
    let running = Running::ordinary().await;
    let mut stream = connect(&running).await;
    stream.write_all(&frame(HEADERS, END_STREAM, 1, &get("mta-sts.example.org"))).await.unwrap();
    // A literal that is never indexed, 16 KB of it a frame.
    let mut block = vec![0x00, 1, b'x', 0x7f, 0x81, 0x7e];
    block.extend(vec![b'a'; 16_000]);
    let mut refused = false;
    for _ in 0..1000 {
        if stream.write_all(&frame(CONTINUATION, 0, 1, &block)).await.is_err() {
            refused = true;
            break;
        }
    }
    assert!(refused || end(&mut stream).await != Some(0));
    assert_eq!(running.host.counters().policies.get(), 0);
    running.end().await;
}

#[tokio::test]
async fn http_2_frames_that_are_no_requests_keep_no_connection_open() {
    let mut limits = limits();
    limits.connections.head = Duration::from_millis(400);
    limits.connections.idle = Duration::from_millis(400);
    let running = Running::start(limits, Sources::default()).await;
    let mut stream = connect(&running).await;
    let began = tokio::time::Instant::now();
    // One ping after another, each sent when the last was answered.
    'pings: while stream.write_all(&frame(PING, 0, 0, &[7; 8])).await.is_ok() {
        loop {
            match next(&mut stream).await {
                None | Some((GOAWAY, ..)) => break 'pings,
                Some((PING, 1, ..)) => break,
                Some(_) => {}
            }
        }
        assert!(began.elapsed() < Duration::from_secs(15), "pings keep the connection open");
    }
    running.end().await;
}

#[tokio::test]
async fn http_2_offers_few_streams_and_small_windows() {
    let running = Running::ordinary().await;
    let mut stream = connect(&running).await;
    let settings = loop {
        let (kind, _, _, payload) = next(&mut stream).await.expect("settings");
        if kind == SETTINGS {
            break payload;
        }
    };
    let settings: Vec<(u16, u32)> = settings
        .chunks(6)
        .map(|entry| {
            (u16::from_be_bytes([entry[0], entry[1]]), u32::from_be_bytes(entry[2..].try_into().unwrap()))
        })
        .collect();
    // RFC 9113 §6.5.2: MAX_CONCURRENT_STREAMS and MAX_HEADER_LIST_SIZE.
    assert!(settings.contains(&(3, 32)), "{settings:?}");
    assert!(settings.contains(&(6, 8192)), "{settings:?}");
    drop(stream);
    running.end().await;
}
