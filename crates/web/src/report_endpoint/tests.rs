//! The end point over real sockets, with tiny times and a store that answers what it was told to.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use tlsward_engine::facts::{Receipt, SetAsideReason};
use tlsward_engine::ports::StoreError;
use tlsward_engine::receive::{Budget, CurrentRules};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::{Endpoint, Limits, Sessions, TakeSessions, Taken, Taking, serve};
use crate::fake::{Inbox, Stopped};
use crate::listen::{ConnectionLimits, TlsConfig};
use crate::metrics::Metrics;
use crate::source::Sources;
use std::sync::Arc;

struct Bench {
    address: std::net::SocketAddr,
    inbox: Arc<Inbox>,
    budget: Budget,
    stop: watch::Sender<bool>,
    server: tokio::task::JoinHandle<()>,
}

struct Setup {
    inbox: Inbox,
    limits: Limits,
    sources: Sources,
    budget_bytes: usize,
    sessions: Option<Sessions>,
    tls: Option<Arc<TlsConfig>>,
}

impl Default for Setup {
    fn default() -> Self {
        let connections = ConnectionLimits {
            head: Duration::from_millis(300),
            idle: Duration::from_secs(20),
            body: Duration::from_millis(300),
            linger: Duration::from_millis(300),
            drain: Duration::from_secs(5),
            ..ConnectionLimits::default()
        };
        Self {
            inbox: Inbox::default(),
            limits: Limits { connections, ..Limits::default() },
            sources: Sources::default(),
            budget_bytes: 40 * 1024 * 1024,
            sessions: None,
            tls: None,
        }
    }
}

impl Setup {
    async fn start(self) -> Bench {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let inbox = Arc::new(self.inbox);
        let budget = Budget::new(self.budget_bytes);
        let (stop, stopped) = watch::channel(false);
        let mut registry = prometheus_client::registry::Registry::default();
        let endpoint = Endpoint {
            intake: Arc::clone(&inbox),
            clock: Stopped,
            rules: CurrentRules::default(),
            budget: budget.clone(),
            sources: self.sources,
            metrics: Metrics::register(&mut registry),
            sessions: self.sessions,
            tls: self.tls,
        };
        let server = tokio::spawn(serve(listener, endpoint, self.limits, stopped));
        Bench { address, inbox, budget, stop, server }
    }
}

impl Bench {
    async fn connect(&self) -> Client {
        Client { stream: TcpStream::connect(self.address).await.unwrap(), read: Vec::new() }
    }

    /// One request on a connection of its own.
    async fn ask(&self, head: &str, body: &[u8]) -> Answer {
        let mut client = self.connect().await;
        client.send(head, body).await;
        client.answer().await.unwrap_or_else(|error| panic!("no answer to {head}: {error}"))
    }
}

struct Client {
    stream: TcpStream,
    read: Vec<u8>,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Client {
    async fn send(&mut self, head: &str, body: &[u8]) {
        self.stream.write_all(head.replace('\n', "\r\n").as_bytes()).await.unwrap();
        self.stream.write_all(body).await.unwrap();
    }

    /// The next answer. Fails after ten seconds, so that no test hangs.
    async fn answer(&mut self) -> io::Result<Answer> {
        tokio::time::timeout(Duration::from_secs(10), self.read_answer()).await?
    }

    async fn read_answer(&mut self) -> io::Result<Answer> {
        loop {
            if let Some(end) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&self.read[..end]).into_owned();
                let length = head
                    .lines()
                    .find_map(|line| {
                        line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok()
                    })
                    .unwrap_or(0);
                if self.read.len() >= end + 4 + length {
                    let body = String::from_utf8_lossy(&self.read[end + 4..end + 4 + length]).into_owned();
                    self.read.drain(..end + 4 + length);
                    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
                    return Ok(Answer { status, head, body });
                }
            }
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    async fn is_closed(&mut self) -> bool {
        let end =
            tokio::time::timeout(Duration::from_secs(10), self.stream.read_to_end(&mut self.read)).await;
        match end {
            Ok(Ok(_)) => self.read.is_empty(),
            Ok(Err(_)) => true,
            Err(_) => false,
        }
    }
}

const REPORT: &[u8] = b"{\"organization-name\":\"Example\",\"policies\":[]}";

fn post(length: usize) -> String {
    format!(
        "POST /v1/tlsrpt HTTP/1.1\nhost: x\ncontent-type: application/tlsrpt+json\ncontent-length: {length}\n\n"
    )
}

/// Proves: J1, J2
#[tokio::test]
async fn each_receipt_has_its_status_and_says_what_became_of_the_report() {
    let setup = Setup::default();
    setup.inbox.answers.lock().unwrap().extend([
        Ok(Receipt::Stored { ids: vec![7, 8] }),
        Ok(Receipt::Duplicate { ids: vec![7] }),
        Ok(Receipt::SetAside { id: 3, reason: SetAsideReason::Unreadable }),
        Err(StoreError::Unavailable("disk full".to_owned())),
        Err(StoreError::Damaged("page 4".to_owned())),
    ]);
    let bench = setup.start().await;
    let mut client = bench.connect().await;
    let mut answers = Vec::new();
    for _ in 0..5 {
        client.send(&post(REPORT.len()), REPORT).await;
        answers.push(client.answer().await.unwrap());
    }
    assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [201, 200, 202, 503, 503]);
    assert_eq!(answers[0].json(), serde_json::json!({"status": "stored", "ids": ["7", "8"]}));
    assert_eq!(answers[1].json(), serde_json::json!({"status": "duplicate", "ids": ["7"]}));
    assert_eq!(answers[2].json()["status"], "set-aside");
    assert_eq!(answers[2].json()["ids"], serde_json::json!(["3"]));
    assert_eq!(answers[2].json()["reason"], "unreadable");
    assert_eq!(answers[3].header("retry-after"), Some("60"));
    assert_eq!(answers[3].header("content-type"), Some("application/problem+json"));
    assert!(!answers[3].body.contains("disk full"), "the inside of the store is nobody's business");
    let seen = bench.inbox.seen.lock().unwrap();
    assert_eq!(seen[0].bytes, REPORT);
    assert_eq!(seen[0].label, "application/tlsrpt+json");
    assert_eq!(seen[0].peer, Some("127.0.0.1".parse().unwrap()));
}

/// Proves: J1, J2, R8
#[tokio::test]
async fn a_request_that_cannot_be_taken_is_refused_with_the_status_and_the_remedy() {
    let bench = Setup::default().start().await;
    let rows: [(&str, &[u8], u16, &str); 13] = [
        ("POST /v1/other HTTP/1.1\nhost: x\ncontent-length: 2\n\n", b"{}", 404, "not-here"),
        ("GET / HTTP/1.1\nhost: x\n\n", b"", 404, "not-here"),
        ("GET /v1/tlsrpt HTTP/1.1\nhost: x\n\n", b"", 405, "post-only"),
        ("PUT /v1/tlsrpt HTTP/1.1\nhost: x\ncontent-length: 2\n\n", b"{}", 405, "post-only"),
        ("POST /v1/tlsrpt HTTP/1.1\nhost: x\n\n", b"", 411, "no-length"),
        ("POST /v1/tlsrpt HTTP/1.1\nhost: x\ncontent-length: 0\n\n", b"", 400, "empty-body"),
        (
            "POST /v1/tlsrpt HTTP/1.1\nhost: x\ntransfer-encoding: chunked\n\n",
            b"0\r\n\r\n",
            400,
            "empty-body",
        ),
        ("POST /v1/tlsrpt HTTP/1.1\nhost: x\ntransfer-encoding: chunked\n\n", b"zz\r\n", 400, "body-cut"),
        ("POST /v1/tlsrpt HTTP/1.1\nhost: x\ncontent-length: 33554433\n\n", b"", 413, "too-large"),
        (
            "POST /v1/tlsrpt HTTP/1.1\nhost: x\nexpect: 100-continue\ncontent-length: 99999999999\n\n",
            b"",
            413,
            "too-large",
        ),
        (
            "POST /v1/tlsrpt HTTP/1.1\nhost: x\ncontent-type: text/html\ncontent-length: 2\n\n",
            b"{}",
            415,
            "media-type",
        ),
        (
            "POST /v1/tlsrpt HTTP/1.1\nhost: x\ncontent-encoding: br\ncontent-length: 2\n\n",
            b"{}",
            415,
            "content-encoding",
        ),
        ("POST /v1/tlsrpt HTTP/1.1\nhost: x\ncontent-length: 9\n\n", b"{}", 408, "too-slow"),
    ];
    for (head, body, status, code) in rows {
        let answer = bench.ask(head, body).await;
        assert_eq!(answer.status, status, "{head}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{head}");
        let problem = answer.json();
        assert_eq!(problem["code"], code, "{head}");
        assert_eq!(problem["status"], status, "{head}");
        assert_eq!(problem["type"], "about:blank");
        assert!(problem["detail"].as_str().unwrap().len() > 20);
        assert_eq!(answer.header("allow").is_some(), status == 405);
    }
    assert!(bench.inbox.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_body_is_asked_for_only_when_it_will_be_taken() {
    let bench = Setup::default().start().await;
    let mut client = bench.connect().await;
    let head = format!(
        "POST /v1/tlsrpt HTTP/1.1\nhost: x\nexpect: 100-continue\ncontent-length: {}\n\n",
        REPORT.len()
    );
    client.send(&head, b"").await;
    assert_eq!(client.answer().await.unwrap().status, 100);
    client.send("", REPORT).await;
    assert_eq!(client.answer().await.unwrap().status, 201);
}

/// Proves: R7
#[tokio::test]
async fn a_body_over_the_limit_is_refused_even_when_its_size_was_not_declared() {
    let mut setup = Setup::default();
    setup.limits.body_bytes = 100_000;
    let bench = setup.start().await;
    let mut client = bench.connect().await;
    client.send("POST /v1/tlsrpt HTTP/1.1\nhost: x\ntransfer-encoding: chunked\n\n", b"").await;
    let piece = [b"2710\r\n".as_slice(), &[b'x'; 10_000], b"\r\n"].concat();
    for _ in 0..11 {
        if client.stream.write_all(&piece).await.is_err() {
            break;
        }
    }
    assert_eq!(client.answer().await.unwrap().status, 413);
    assert_eq!(bench.budget.free(), 40 * 1024 * 1024);
    // At the limit it is taken.
    let answer = bench.ask(&post(100_000), &[b'x'; 100_000]).await;
    assert_eq!(answer.status, 201);
    assert_eq!(bench.inbox.seen.lock().unwrap()[0].bytes.len(), 100_000);
}

/// Proves: J2
#[tokio::test]
async fn an_early_answer_reaches_a_sender_that_is_still_sending() {
    let mut setup = Setup::default();
    setup.limits.connections.linger = Duration::from_secs(5);
    let bench = setup.start().await;
    let mut client = bench.connect().await;
    client.send("POST /v1/tlsrpt HTTP/1.1\nhost: x\ncontent-length: 40000000\n\n", b"").await;
    let (mut read, mut write) = client.stream.split();
    let mut got = Vec::new();
    let sent = async {
        let piece = vec![b'x'; 1_000_000];
        for _ in 0..40 {
            write.write_all(&piece).await?;
        }
        write.shutdown().await
    };
    let (sent, received) = tokio::join!(sent, read.read_to_end(&mut got));
    sent.unwrap();
    received.unwrap();
    assert!(got.starts_with(b"HTTP/1.1 413 "));
}

#[tokio::test]
async fn a_large_body_in_pieces_arrives_whole_and_its_memory_goes_back() {
    let bench = Setup::default().start().await;
    let body: Vec<u8> = (0..3_000_000_u32).map(|index| (index % 251) as u8).collect();
    assert_eq!(bench.ask(&post(body.len()), &body).await.status, 201);
    assert_eq!(bench.inbox.seen.lock().unwrap()[0].bytes, Bytes::from(body));
    assert_eq!(bench.budget.free(), 40 * 1024 * 1024);
}

#[tokio::test]
async fn a_spent_budget_answers_503_and_large_bodies_leave_room_for_small_ones() {
    let mut setup = Setup { budget_bytes: 100_000, ..Setup::default() };
    setup.limits.inline_bytes = 20_000;
    setup.limits.small_reserve_bytes = 40_000;
    let bench = setup.start().await;
    let large = bench.ask(&post(80_000), &[b'x'; 80_000]).await;
    assert_eq!((large.status, large.header("retry-after")), (503, Some("10")));
    assert_eq!(bench.ask(&post(REPORT.len()), REPORT).await.status, 201);

    let none = Setup { budget_bytes: 10, ..Setup::default() }.start().await;
    assert_eq!(none.ask(&post(REPORT.len()), REPORT).await.status, 503);
}

/// Proves: R8
#[tokio::test]
async fn a_source_behind_a_proxy_is_limited_and_others_are_not() {
    let mut setup = Setup::default();
    setup.sources.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    setup.limits.rate = 1;
    setup.limits.burst = 2;
    let bench = setup.start().await;
    let from = |address: &str| {
        format!(
            "POST /v1/tlsrpt HTTP/1.1\nhost: x\nx-forwarded-for: {address}\ncontent-length: {}\n\n",
            REPORT.len()
        )
    };
    for expected in [201, 201, 429] {
        let answer = bench.ask(&from("192.0.2.1"), REPORT).await;
        assert_eq!(answer.status, expected);
        if expected == 429 {
            assert_eq!(answer.header("retry-after"), Some("1"));
        }
    }
    assert_eq!(bench.ask(&from("192.0.2.2"), REPORT).await.status, 201);
    assert_eq!(bench.inbox.seen.lock().unwrap()[0].peer, Some("192.0.2.1".parse().unwrap()));
    // Loopback is exempt.
    for _ in 0..5 {
        assert_eq!(bench.ask(&from("127.0.0.1"), REPORT).await.status, 201);
    }
}

#[tokio::test]
async fn requests_sent_at_once_are_answered_in_order() {
    let bench = Setup::default().start().await;
    let mut client = bench.connect().await;
    let one = [post(REPORT.len()).replace('\n', "\r\n").as_bytes(), REPORT].concat();
    client.stream.write_all(&one.repeat(50)).await.unwrap();
    for id in 1..=50 {
        let answer = client.answer().await.unwrap();
        assert_eq!((answer.status, answer.json()["ids"][0].as_str()), (201, Some(id.to_string().as_str())));
    }
}

#[tokio::test]
async fn connections_that_say_nothing_or_never_end_their_head_are_closed() {
    let mut setup = Setup::default();
    setup.limits.connections.idle = Duration::from_millis(200);
    let bench = setup.start().await;
    assert!(bench.connect().await.is_closed().await);
    let mut client = bench.connect().await;
    client.send("POST /v1/tlsrpt HTTP/1.1\nhost: x\n", b"").await;
    assert!(client.is_closed().await);
    // And one that was served and then falls silent.
    let mut client = bench.connect().await;
    client.send(&post(REPORT.len()), REPORT).await;
    assert_eq!(client.answer().await.unwrap().status, 201);
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let bench = Setup::default().start().await;
    let head = format!("POST /v1/tlsrpt HTTP/1.1\nhost: x\nx-long: {}\n\n", "x".repeat(9_000));
    assert_eq!(bench.ask(&head, b"").await.status, 431);
}

#[tokio::test]
async fn a_sender_that_closes_its_side_still_gets_its_answer() {
    let bench = Setup::default().start().await;
    let mut client = bench.connect().await;
    client.send(&post(REPORT.len()), REPORT).await;
    client.stream.shutdown().await.unwrap();
    assert_eq!(client.answer().await.unwrap().status, 201);
}

#[tokio::test]
async fn connections_beyond_the_most_are_turned_away_at_once() {
    let mut setup = Setup::default();
    setup.limits.connections.total = 1;
    let bench = setup.start().await;
    let mut first = bench.connect().await;
    first.send(&post(REPORT.len()), REPORT).await;
    assert_eq!(first.answer().await.unwrap().status, 201);
    let answer = bench.connect().await.answer().await.unwrap();
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("30")));
}

#[tokio::test]
async fn a_stop_lets_the_request_under_way_have_its_answer() {
    let mut setup = Setup::default();
    setup.inbox.gate = Some(tokio::sync::Semaphore::new(0));
    let bench = setup.start().await;
    let mut client = bench.connect().await;
    client.send(&post(REPORT.len()), REPORT).await;
    let mut idle = bench.connect().await;
    bench.stop.send(true).unwrap();
    bench.inbox.gate.as_ref().unwrap().add_permits(1);
    assert_eq!(client.answer().await.unwrap().status, 201);
    assert!(idle.is_closed().await);
    tokio::time::timeout(Duration::from_secs(10), bench.server).await.unwrap().unwrap();
    assert!(TcpStream::connect(bench.address).await.is_err());
}

/// Proves: J1
#[tokio::test]
async fn reports_come_in_over_tls_and_silence_in_the_handshake_is_cut_off() {
    use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
    use tokio_rustls::rustls::{ClientConfig, RootCertStore};

    let made = rcgen::generate_simple_self_signed(vec!["reports.example".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config =
        TlsConfig::builder().with_no_client_auth().with_single_cert(vec![certificate.clone()], key).unwrap();
    let bench = Setup { tls: Some(Arc::new(config)), ..Setup::default() }.start().await;

    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(bench.address).await.unwrap();
    let name = ServerName::try_from("reports.example").unwrap();
    let mut stream = tokio_rustls::TlsConnector::from(Arc::new(client)).connect(name, stream).await.unwrap();
    stream.write_all(post(REPORT.len()).replace('\n', "\r\n").as_bytes()).await.unwrap();
    stream.write_all(REPORT).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 201");

    assert!(bench.connect().await.is_closed().await);
}

/// Proves: R8
#[tokio::test]
async fn a_garbled_report_is_still_handed_to_the_store_with_its_bytes() {
    let bench = Setup::default().start().await;
    for body in [b"\0\xff{".as_slice(), b"[[[[[[[[", b"\x1f\x8b\x08\0cut", b"PK\x03\x04", b" "] {
        assert_eq!(bench.ask(&post(body.len()), body).await.status, 201);
        assert_eq!(bench.inbox.seen.lock().unwrap().last().unwrap().bytes, body);
    }
}

const TOKEN: &str = "a-token-of-two-dozen-characters";

/// Takes lines that are not `wrong`, and `later` never.
#[derive(Debug, Default)]
struct Lines(std::sync::Mutex<Vec<Bytes>>);

impl TakeSessions for Lines {
    fn take(&self, lines: Bytes) -> Taking<'_> {
        Box::pin(async move {
            match &lines[..] {
                b"wrong" => Taken::Wrong(1, "\"result\" is what it is not".to_owned()),
                b"later" => Taken::Later,
                _ => {
                    self.0.lock().unwrap().push(lines);
                    Taken::Kept(2)
                }
            }
        })
    }
}

#[tokio::test]
async fn sessions_are_taken_from_who_has_the_token_and_within_their_bounds() {
    let lines = Arc::new(Lines::default());
    let desk: Arc<dyn TakeSessions> = Arc::<Lines>::clone(&lines);
    let sessions = Some(Sessions::new(TOKEN, 100, desk).unwrap());
    let bench = Setup { sessions, ..Setup::default() }.start().await;
    let head = |token: &str, length: usize, rest: &str| {
        format!(
            "POST /v1/sessions HTTP/1.1\nHost: x\nAuthorization: Bearer {token}\nContent-Length: {length}\n{rest}\n"
        )
    };
    let answer = bench.ask(&head(TOKEN, 6, ""), b"{}\n{}\n").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "{\"lines\":2}\n"));
    assert_eq!(lines.0.lock().unwrap().as_slice(), [Bytes::from_static(b"{}\n{}\n")]);

    let answer = bench.ask(&head("a-token-of-two-dozen-charactersX", 2, ""), b"{}").await;
    assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer")));
    let answer = bench.ask(&head(TOKEN, 5, ""), b"wrong").await;
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("Line 1: ") && answer.body.contains("none was taken"), "{}", answer.body);
    let answer = bench.ask(&head(TOKEN, 5, ""), b"later").await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("10")));
    assert_eq!(bench.ask(&head(TOKEN, 101, ""), &[b'x'; 101]).await.status, 413);
    assert_eq!(bench.ask(&head(TOKEN, 0, ""), b"").await.status, 400);
    assert_eq!(bench.ask(&head(TOKEN, 2, "Content-Encoding: gzip\n"), b"{}").await.status, 415);
    let get = format!("GET /v1/sessions HTTP/1.1\nHost: x\nAuthorization: Bearer {TOKEN}\n\n");
    assert_eq!(bench.ask(&get, b"").await.status, 405);
    assert_eq!(lines.0.lock().unwrap().len(), 1);
    assert!(bench.inbox.seen.lock().unwrap().is_empty(), "none of it was filed as a report");

    let bench = Setup::default().start().await;
    assert_eq!(bench.ask(&head(TOKEN, 2, ""), b"{}").await.status, 404, "nobody takes sessions");
}
