//! The listener over real sockets on loopback, each wait bounded.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tlsward_engine::facts::Road;
use tlsward_engine::receive::CurrentRules;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::*;
use tlsward_engine::ports::StoreError;

use crate::QueueLimits;
use crate::bounce::Noted;
use crate::fake::{FakeStore, FixedClock, NOW, unavailable};
use crate::queue::queue;

const BUDGET: usize = 40 * 1024 * 1024;

struct Running {
    at: SocketAddr,
    store: Arc<FakeStore>,
    budget: Budget,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

fn options() -> Options {
    Options {
        protocol: Protocol::Smtp,
        hostname: "mx.example".to_owned(),
        accept_recipients: None,
        bounces: None,
        tls: None,
        limits: Limits::default(),
    }
}

/// A listener and its queue.
async fn start(options: Options) -> Running {
    let store = Arc::new(FakeStore::new());
    let budget = Budget::new(BUDGET);
    let (worker, inlet) =
        queue(Arc::clone(&store), CurrentRules::default(), Arc::new(|_, _| ()), QueueLimits::default());
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listener =
        Listener::new(socket, options, Arc::clone(&store), Arc::new(FixedClock), budget.clone(), inlet);
    let at = listener.local_addr().unwrap();
    let (stop, shutdown) = watch::channel(false);
    let worker = tokio::spawn(worker.run(shutdown.clone()));
    let listener = tokio::spawn(listener.run(shutdown));
    let task = tokio::spawn(async move {
        listener.await.unwrap();
        worker.await.unwrap();
    });
    Running { at, store, budget, stop, task }
}

impl Running {
    async fn client(&self) -> Client<TcpStream> {
        let mut client = Client { io: TcpStream::connect(self.at).await.unwrap(), heard: Vec::new() };
        assert_eq!(client.hear().await, 220);
        client
    }

    async fn stop(self) {
        self.stop.send(true).unwrap();
        bounded(self.task).await.unwrap();
        assert_eq!(self.budget.free(), BUDGET, "all shares came back");
    }
}

async fn bounded<T>(work: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(60), work).await.expect("within a minute")
}

struct Client<T> {
    io: T,
    heard: Vec<u8>,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Client<T> {
    /// The code of the next whole answer.
    async fn hear(&mut self) -> u16 {
        loop {
            while let Some(end) = self.heard.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.heard.drain(..=end).collect();
                let line = String::from_utf8(line).unwrap();
                if &line[3..4] == " " {
                    return line[..3].parse().unwrap();
                }
            }
            assert_ne!(bounded(self.io.read_buf(&mut self.heard)).await.unwrap(), 0, "closed");
        }
    }

    async fn say(&mut self, text: impl AsRef<[u8]>) {
        bounded(self.io.write_all(text.as_ref())).await.unwrap();
        bounded(self.io.flush()).await.unwrap();
    }

    /// Says something and hears as many answers as codes are expected.
    async fn expect(&mut self, text: impl AsRef<[u8]>, codes: &[u16]) {
        self.say(text).await;
        for code in codes {
            assert_eq!(self.hear().await, *code);
        }
    }

    async fn closed(&mut self) {
        assert!(self.heard.is_empty(), "{:?}", self.heard.escape_ascii().to_string());
        assert_eq!(bounded(self.io.read_buf(&mut self.heard)).await.unwrap_or(0), 0);
    }
}

const TO_DATA: &str = "EHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<r@d.example>\r\nDATA\r\n";
const TO_DATA_CODES: &[u16] = &[250, 250, 250, 354];

/// 250 means synced (design: receive); reading comes afterwards.
#[tokio::test]
async fn a_mail_is_kept_before_250_and_judged_after() {
    let running = start(options()).await;
    let mut client = running.client().await;
    client.expect(TO_DATA, TO_DATA_CODES).await;
    client.expect("Subject: x\r\n\r\ntext\r\n.\r\n", &[250]).await;
    let kept = running.store.see(|state| state.raw[&1].clone());
    assert_eq!(kept.bytes, "Subject: x\r\n\r\ntext\r\n");
    assert_eq!((kept.road, kept.received_at), (Road::Smtp, NOW));
    assert_eq!(kept.peer, Some("127.0.0.1".parse().unwrap()));
    assert_eq!(kept.label, "<a@b.example> -> r@d.example");
    running.store.until(|state| state.settled.contains_key(&1)).await;
    client.expect("QUIT\r\n", &[221]).await;
    client.closed().await;
    running.stop().await;
}

/// Proves: R7
#[tokio::test]
async fn a_large_mail_comes_through_whole_and_one_larger_still_is_refused() {
    let limits = Limits { mail_bytes: 3_000_000, ..Limits::default() };
    let running = start(Options { limits, ..options() }).await;
    let mut client = running.client().await;
    let line = [[b'x'; 76].as_slice(), b"\r\n"].concat();
    let fits = line.repeat(3_000_000 / line.len());
    client.expect(TO_DATA, TO_DATA_CODES).await;
    client.expect([&fits[..], b".\r\n"].concat(), &[250]).await;
    assert!(running.store.see(|state| state.raw[&1].bytes == fits));
    client.expect(TO_DATA, TO_DATA_CODES).await;
    client.expect([&fits[..], &line[..], b".\r\n"].concat(), &[552]).await;
    client.expect("QUIT\r\n", &[221]).await;
    running.store.until(|state| state.settled.contains_key(&1)).await;
    running.stop().await;
}

#[tokio::test]
async fn many_connections_at_once_lose_nothing() {
    let running = start(options()).await;
    let clients = (0..20).map(|client_number| {
        let at = running.at;
        tokio::spawn(async move {
            let mut client = Client { io: TcpStream::connect(at).await.unwrap(), heard: Vec::new() };
            client.hear().await;
            client.expect("EHLO c.example\r\n", &[250]).await;
            for number in 0..20 {
                let mail = format!(
                    "MAIL FROM:<>\r\nRCPT TO:<r@d.example>\r\nDATA\r\nmail {client_number} {number}\r\n.\r\n"
                );
                client.expect(mail, &[250, 250, 354, 250]).await;
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        bounded(client).await.unwrap();
    }
    running.store.until(|state| state.settled.len() == 400).await;
    let different: std::collections::BTreeSet<_> =
        running.store.see(|state| state.raw.values().map(|raw| raw.bytes.clone()).collect());
    assert_eq!(different.len(), 400);
    running.stop().await;
}

#[tokio::test]
async fn a_store_that_cannot_take_it_is_452_and_250_when_it_can_again() {
    let running = start(options()).await;
    running.store.change(|state| state.failing = Some(unavailable()));
    let mut client = running.client().await;
    client.expect(TO_DATA, TO_DATA_CODES).await;
    client.expect(".\r\n", &[452]).await;
    running.store.change(|state| state.failing = None);
    client.expect(TO_DATA, TO_DATA_CODES).await;
    client.expect(".\r\n", &[250]).await;
    running.stop().await;
}

fn tls() -> (Arc<TlsConfig>, TlsConnector) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["mx.example".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let server = TlsConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(server), TlsConnector::from(Arc::new(client)))
}

/// RFC 3207 §5: what is slipped in behind STARTTLS in clear must not be carried out under TLS.
#[tokio::test]
async fn commands_in_clear_behind_starttls_are_thrown_away() {
    let (server, connector) = tls();
    let running = start(Options { tls: Some(server), ..options() }).await;
    let mut client = running.client().await;
    let injected = "EHLO c.example\r\nSTARTTLS\r\nEHLO evil.example\r\nMAIL FROM:<evil@e.example>\r\n";
    client.expect(injected, &[250, 220]).await;
    assert!(client.heard.is_empty());
    let name = ServerName::try_from("mx.example").unwrap();
    let io = bounded(connector.connect(name, client.io)).await.unwrap();
    let mut client = Client { io, heard: Vec::new() };
    // Neither the EHLO nor the MAIL came through.
    client.expect("MAIL FROM:<a@b.example>\r\n", &[503]).await;
    client.expect(TO_DATA, TO_DATA_CODES).await;
    client.expect("under TLS\r\n.\r\nQUIT\r\n", &[250, 221]).await;
    client.closed().await;
    assert_eq!(running.store.see(|state| state.raw[&1].label.clone()), "<a@b.example> -> r@d.example");
    running.stop().await;
}

#[tokio::test]
async fn a_handshake_that_fails_closes_the_connection_only() {
    let (server, _) = tls();
    let running = start(Options { tls: Some(server), ..options() }).await;
    let mut client = running.client().await;
    client.expect("EHLO c.example\r\nSTARTTLS\r\n", &[250, 220]).await;
    client.say("this is no handshake\r\n").await;
    let mut rest = Vec::new();
    let _ = bounded(client.io.read_to_end(&mut rest)).await;
    running.client().await.expect("NOOP\r\n", &[250]).await;
    running.stop().await;
}

#[tokio::test]
async fn lmtp_keeps_a_mail_once_and_answers_for_each_recipient() {
    let running = start(Options { protocol: Protocol::Lmtp, ..options() }).await;
    let mut client = running.client().await;
    let text = "LHLO c.example\r\nMAIL FROM:<>\r\nRCPT TO:<a@d.example>\r\nRCPT TO:<b@d.example>\r\nDATA\r\nx\r\n.\r\n";
    client.expect(text, &[250, 250, 250, 250, 354, 250, 250]).await;
    assert_eq!(running.store.see(|state| state.raw.len()), 1);
    running.stop().await;
}

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let limits = Limits { connections: 2, ..Limits::default() };
    let running = start(Options { limits, ..options() }).await;
    let first = running.client().await;
    let mut second = running.client().await;
    let mut third = Client { io: TcpStream::connect(running.at).await.unwrap(), heard: Vec::new() };
    assert_eq!(third.hear().await, 421);
    third.closed().await;
    second.expect("QUIT\r\n", &[221]).await;
    second.closed().await;
    drop((first, second));
    // A place is free as soon as the listener has noticed.
    bounded(async {
        loop {
            let mut again = Client { io: TcpStream::connect(running.at).await.unwrap(), heard: Vec::new() };
            if again.hear().await == 220 {
                return;
            }
        }
    })
    .await;
    running.stop().await;
}

/// Waits under the paused timer, which runs ahead as soon as nobody has anything to do.
#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_or_too_little_is_hung_up_on() {
    let limits = Limits {
        command: Duration::from_secs(300),
        data_progress: Duration::from_secs(30),
        ..Limits::default()
    };
    let running = start(Options { limits, ..options() }).await;
    for text in ["", "EHLO c.ex", "EHLO c.example\r\n", "EHLO c.example\r\nMAIL FROM:<>\r\n", TO_DATA] {
        let mut client = Client { io: TcpStream::connect(running.at).await.unwrap(), heard: Vec::new() };
        client.say(text).await;
        let mut heard = Vec::new();
        timeout(Duration::from_secs(3600), client.io.read_to_end(&mut heard)).await.unwrap().unwrap();
        let heard = String::from_utf8(heard).unwrap();
        assert!(heard.lines().last().unwrap().starts_with("421 4.4.2 "), "{text:?}: {heard}");
    }
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn single_bytes_buy_no_time() {
    let limits = Limits {
        command: Duration::from_secs(300),
        data_progress: Duration::from_secs(30),
        data_whole: Duration::from_secs(600),
        data_grace: Duration::from_secs(600),
        ..Limits::default()
    };
    let running = start(Options { limits, ..options() }).await;
    for (text, most) in [("", 300), (TO_DATA, 600)] {
        let mut client = Client { io: TcpStream::connect(running.at).await.unwrap(), heard: Vec::new() };
        client.say(text).await;
        let (mut read, mut write) = tokio::io::split(client.io);
        let over = Arc::new(AtomicBool::new(false));
        let drip = async {
            let mut ticks = tokio::time::interval(Duration::from_secs(20));
            while !over.load(Ordering::Relaxed) {
                ticks.tick().await;
                let _ = write.write_all(b"x").await;
            }
        };
        let began = tokio::time::Instant::now();
        let mut heard = Vec::new();
        let hear = async {
            while !heard.windows(5).any(|window| window == b"421 4") {
                assert_ne!(read.read_buf(&mut heard).await.unwrap(), 0);
            }
            over.store(true, Ordering::Relaxed);
            began.elapsed().as_secs()
        };
        let ((), seconds) =
            timeout(Duration::from_secs(7200), async { tokio::join!(drip, hear) }).await.unwrap();
        assert!(seconds <= most + 30, "{text:?}: {seconds}");
    }
    running.stop().await;
}

/// Whoever sends most of a mail at once and then drips holds memory that others need.
#[tokio::test(start_paused = true)]
async fn a_mail_that_trickles_is_cut_off_long_before_its_whole_time_is_up() {
    let running = start(options()).await;
    let limits = Limits::default();
    let mut client = Client { io: TcpStream::connect(running.at).await.unwrap(), heard: Vec::new() };
    client.say(TO_DATA).await;
    let bytes = 2 * 1024 * 1024;
    client.say(vec![b'x'; bytes]).await;
    let (mut read, mut write) = tokio::io::split(client.io);
    let began = tokio::time::Instant::now();
    let drip = async {
        let mut ticks = tokio::time::interval(Duration::from_secs(10));
        loop {
            ticks.tick().await;
            let _ = write.write_all(b"x").await;
        }
    };
    let hear = async {
        let mut heard = Vec::new();
        while !heard.windows(5).any(|window| window == b"421 4") {
            assert_ne!(read.read_buf(&mut heard).await.unwrap(), 0);
        }
        began.elapsed()
    };
    let seconds = tokio::select! {
        seconds = timeout(Duration::from_secs(7200), hear) => seconds.unwrap(),
        () = drip => unreachable!("it drips on"),
    };
    let earned = Duration::from_secs(bytes as u64 / limits.data_rate + 1);
    assert!(seconds <= limits.data_grace + earned, "{seconds:?}");
    assert!(limits.data_grace + earned < limits.data_whole / 4);
    running.stop().await;
}

#[tokio::test]
async fn stopping_finishes_mail_in_transfer_and_tells_the_idle() {
    let running = start(options()).await;
    let mut idle = running.client().await;
    idle.expect("EHLO c.example\r\n", &[250]).await;
    let mut busy = running.client().await;
    busy.expect(TO_DATA, TO_DATA_CODES).await;
    busy.say("half of it\r\n").await;
    running.stop.send(true).unwrap();
    assert_eq!(idle.hear().await, 421);
    idle.closed().await;
    busy.expect("the other half\r\n.\r\n", &[250, 421]).await;
    busy.closed().await;
    assert_eq!(running.store.see(|state| state.raw[&1].bytes.clone()), "half of it\r\nthe other half\r\n");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn stopping_does_not_wait_for_ever() {
    let limits = Limits {
        drain: Duration::from_secs(5),
        data_progress: Duration::from_secs(3600),
        data_whole: Duration::from_secs(3600),
        ..Limits::default()
    };
    let running = start(Options { limits, ..options() }).await;
    let mut busy = running.client().await;
    busy.expect(TO_DATA, TO_DATA_CODES).await;
    let began = tokio::time::Instant::now();
    running.stop.send(true).unwrap();
    running.task.await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 5);
}

/// Addresses that begin with `back+`, and what came to them.
#[derive(Debug, Default)]
struct Heard(std::sync::Mutex<Vec<(String, Option<String>)>>);

impl Bounces for Heard {
    fn is_ours(&self, recipient: &str) -> bool {
        recipient.starts_with("back+")
    }

    fn came_back<'a>(&'a self, recipient: &'a str, failure: Option<&'a str>) -> Noted<'a> {
        Box::pin(async move {
            if recipient.starts_with("back+later") {
                return Err(StoreError::Unavailable("not now".to_owned()));
            }
            self.0.lock().unwrap().push((recipient.to_owned(), failure.map(str::to_owned)));
            Ok(())
        })
    }
}

#[tokio::test]
async fn a_bounce_is_told_of_and_never_filed_as_a_report() {
    let heard = Arc::new(Heard::default());
    let recipients = Some(Recipients::new(["r@d.example"]).unwrap());
    let bounces: Arc<dyn Bounces> = Arc::<Heard>::clone(&heard);
    let running = start(Options { accept_recipients: recipients, bounces: Some(bounces), ..options() }).await;
    let mut client = running.client().await;
    let bounce = "Content-Type: message/delivery-status\r\n\r\nAction: failed\r\nStatus: 5.1.1\r\n.\r\n";
    client
        .expect("EHLO c.example\r\nMAIL FROM:<>\r\nRCPT TO:<back+1@d.example>\r\nDATA\r\n", TO_DATA_CODES)
        .await;
    client.expect(bounce, &[250]).await;
    assert!(running.store.see(|state| state.raw.is_empty()));
    // For both at once: told of, and kept for the other.
    client
        .expect(
            "MAIL FROM:<>\r\nRCPT TO:<back+2@d.example>\r\nRCPT TO:<r@d.example>\r\nDATA\r\n",
            &[250, 250, 250, 354],
        )
        .await;
    client.expect("Subject: on holiday\r\n\r\n.\r\n", &[250]).await;
    assert_eq!(running.store.see(|state| state.raw[&1].label.clone()), "<> -> r@d.example");
    client.expect("MAIL FROM:<>\r\nRCPT TO:<back+later@d.example>\r\nDATA\r\n", &[250, 250, 354]).await;
    client.expect(bounce, &[452]).await;
    let told = std::mem::take(&mut *heard.0.lock().unwrap());
    let expected = [("back+1@d.example", Some("5.1.1")), ("back+2@d.example", None)];
    assert_eq!(told, expected.map(|(to, failure)| (to.to_owned(), failure.map(str::to_owned))));
    running.stop().await;
}
