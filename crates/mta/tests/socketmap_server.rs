//! The socketmap server as a client meets it, over TCP, unix sockets and sockets that were handed over.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use tlsward_mta::socketmap::{Answer, Answers, Encoded, Limits, Listener, Reply, Server};
use tokio::sync::{Notify, watch};

/// Says back what was asked; `slow` waits for `release`.
struct Echo {
    release: Arc<Notify>,
}

impl Answers for Echo {
    fn answer(&self, map: &str, key: &str) -> Answer {
        let said: Encoded = match key {
            "none" => Encoded::NOT_FOUND,
            "large" => Reply::Ok(&"x".repeat(99_000)).encode(),
            _ => Reply::Ok(&format!("{map}/{key}")).encode(),
        };
        if key == "slow" {
            let release = Arc::clone(&self.release);
            return Answer::Pending(Box::pin(async move {
                release.notified().await;
                said
            }));
        }
        Answer::Ready(said)
    }
}

struct Running {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    release: Arc<Notify>,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

fn start(limits: Limits, more: Vec<Listener>) -> Running {
    let tcp = Listener::tcp("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = tcp.local_addr().unwrap();
    let release = Arc::new(Notify::new());
    let server = Server::new(Echo { release: Arc::clone(&release) }, limits);
    let (stop, stopped) = watch::channel(false);
    let listeners = std::iter::once(tcp).chain(more).collect();
    Running { address, stop, release, task: tokio::spawn(server.run(listeners, stopped)) }
}

fn talk(stream: &mut (impl Read + Write), say: &[u8], expected: &str) {
    stream.write_all(say).unwrap();
    let mut heard = vec![0; expected.len()];
    stream.read_exact(&mut heard).unwrap();
    assert_eq!(String::from_utf8(heard).unwrap(), expected);
}

async fn blocking(work: impl FnOnce() + Send + 'static) {
    tokio::task::spawn_blocking(work).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_are_answered_one_by_one_in_pieces_or_in_a_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("map.sock");
    let handed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let handed_address = handed.local_addr().unwrap();
    let listeners = vec![Listener::unix(&path, 0o666).unwrap(), Listener::from_fd(handed.into()).unwrap()];
    let running = start(Limits::default(), listeners);
    let address = running.address;
    let release = Arc::clone(&running.release);
    blocking(move || {
        let mut tcp = TcpStream::connect(address).unwrap();
        talk(&mut tcp, b"3:m k,", "6:OK m/k,");
        talk(&mut tcp, b"6:m none,", "9:NOTFOUND ,");
        talk(&mut tcp, b"4:", "");
        talk(&mut tcp, b"m k", "");
        talk(&mut tcp, b"k,", "7:OK m/kk,");
        talk(&mut tcp, b"3:m a,3:m b,3:m c,", "6:OK m/a,6:OK m/b,6:OK m/c,");
        // A question without a space is refused, and the next one answered.
        tcp.write_all(b"1:x,3:m k,").unwrap();
        let mut heard = vec![0; 80];
        let mut length = 0;
        while !heard[..length].ends_with(b"6:OK m/k,") {
            length += tcp.read(&mut heard[length..]).unwrap();
        }
        assert!(
            heard.starts_with(b"49:PERM a request is a map's name"),
            "{}",
            String::from_utf8_lossy(&heard)
        );

        // While one waits, others are served; what was sent behind it is answered after it.
        let mut waiting = TcpStream::connect(address).unwrap();
        waiting.write_all(b"6:m slow,3:m z,").unwrap();
        talk(&mut tcp, b"3:m k,", "6:OK m/k,");
        release.notify_one();
        talk(&mut waiting, b"", "9:OK m/slow,6:OK m/z,");

        let mut large = format!("99003:OK {}", "x".repeat(99_000));
        large.push(',');
        talk(&mut UnixStream::connect(&path).unwrap(), b"7:m large,", &large);
        talk(&mut TcpStream::connect(handed_address).unwrap(), b"3:m k,", "6:OK m/k,");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_netstring_is_answered_and_the_connection_closed() {
    let running = start(Limits::default(), Vec::new());
    let address = running.address;
    blocking(move || {
        for (say, part) in [
            ("GET / HTTP/1.0\r\n\r\n", "begins with its length"),
            ("01:x,", "leading zero"),
            ("1025:", "longer than 1024 bytes"),
            ("3:m kX", "ends in a comma"),
        ] {
            let mut tcp = TcpStream::connect(address).unwrap();
            tcp.write_all(say.as_bytes()).unwrap();
            let mut heard = String::new();
            tcp.read_to_string(&mut heard).unwrap();
            assert!(heard.contains("PERM ") && heard.contains(part), "{heard}");
        }
        let mut tcp = TcpStream::connect(address).unwrap();
        let key = "k".repeat(1022);
        talk(&mut tcp, format!("1024:m {key},").as_bytes(), &format!("1027:OK m/{key},"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_beyond_the_seats_waits_and_is_served_in_turn() {
    let running = start(Limits { connections: 1, ..Limits::default() }, Vec::new());
    let address = running.address;
    blocking(move || {
        let mut first = TcpStream::connect(address).unwrap();
        talk(&mut first, b"3:m k,", "6:OK m/k,");
        let mut second = TcpStream::connect(address).unwrap();
        second.write_all(b"3:m k,").unwrap();
        second.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        assert!(second.read(&mut [0; 1]).is_err(), "no seat yet");
        drop(first);
        second.set_read_timeout(None).unwrap();
        talk(&mut second, b"", "6:OK m/k,");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_stop_it_answers_what_was_asked_and_closes_what_is_idle() {
    let running = start(Limits::default(), Vec::new());
    let address = running.address;
    let (mut idle, mut asking) = (TcpStream::connect(address).unwrap(), TcpStream::connect(address).unwrap());
    blocking(move || {
        talk(&mut idle, b"3:m k,", "6:OK m/k,");
        asking.write_all(b"6:m slow,3:m k,").unwrap();
        // Until it is known that the slow question was taken: both are read by one server.
        talk(&mut idle, b"3:m k,", "6:OK m/k,");
        let (stop, release) = (running.stop, running.release);
        stop.send(true).unwrap();
        release.notify_one();
        let mut heard = String::new();
        asking.read_to_string(&mut heard).unwrap();
        assert!(heard.is_empty() || heard.starts_with("9:OK m/slow,"), "{heard}");
        assert_eq!(idle.read(&mut [0; 1]).unwrap(), 0);
    })
    .await;
    running.task.await.unwrap().unwrap();
}

/// Postfix closes after 10 s idle and 100 s in all; a server that is quicker makes it defer mail.
#[tokio::test(start_paused = true)]
async fn an_idle_connection_outlives_postfix() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let running = start(Limits::default(), Vec::new());
    let mut tcp = tokio::net::TcpStream::connect(running.address).await.unwrap();
    tcp.write_all(b"3:m k,").await.unwrap();
    let mut heard = [0; 9];
    tcp.read_exact(&mut heard).await.unwrap();
    let begun = tokio::time::Instant::now();
    assert_eq!(tcp.read(&mut heard).await.unwrap(), 0);
    let lasted = begun.elapsed();
    assert!(lasted >= Duration::from_secs(120) && lasted <= Duration::from_secs(241), "{lasted:?}");
}
