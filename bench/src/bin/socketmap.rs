//! Socketmap answers a second: 64 connections, one question outstanding on each, every answer in memory.
//!
//! The server is a process of its own (this program again, with `serve`), with 100,000 domains of which 1,000 are
//! asked for, one question in two for something that is not there, as Postfix does for parents. The load generator
//! shares the machine with it. Then the same by `tlsward serve` itself, which holds 100,000 policies and answers from
//! rules of its owner, so that nothing has to be looked up. postfix-mta-sts-resolver (Python) stands beside it in the
//! same run, its cache filled with the same policy, where it can be installed from PyPI.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use bench::process::{self, Process};
use bench::unix_time;
use mta_sts::mx::MxPattern;
use rustix::event::epoll;
use tlsward_engine::ports::{KeptPolicy, Level, MtaPolicy, Policies as _, PolicyReply, StsAttributes};
use tlsward_mta::socketmap::{Answer, Answers, Dialect, Encoded, Limits, Listener, Server, render};
use tlsward_store::{Quotas, SqliteStore};

const CONNECTIONS: usize = 64;
/// Threads that ask. One leaves the other of two cores to the server; over TCP it is the slower side.
const GENERATORS: usize = 1;
const DOMAINS: usize = 100_000;
const ASKED: usize = 1000;
const WARM_UP: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_secs(5);
const PEER: &str = "postfix-mta-sts-resolver==1.5.1";

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [word, path] = arguments.as_slice()
        && word == "serve"
    {
        return serve(Path::new(path));
    }
    let folder = std::env::temp_dir().join(format!("tlsward-socketmap-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    println!(
        "socketmap: {CONNECTIONS} connections, one question outstanding on each, generator on the same cores"
    );
    let outcome = ours(&folder).and_then(|()| whole(&folder)).and_then(|()| theirs(&folder));
    std::fs::remove_dir_all(&folder)?;
    outcome
}

fn domain(number: usize) -> String {
    format!("domain{number:06}.example")
}

/// Every domain's answer, ready.
struct Table(BTreeMap<Box<str>, Encoded>);

impl Answers for Table {
    fn answer(&self, _: &str, key: &str) -> Answer {
        Answer::Ready(self.0.get(key).cloned().unwrap_or(Encoded::NOT_FOUND))
    }
}

/// The server process: tells its TCP address, and serves until its standard input ends.
#[expect(clippy::print_stdout, reason = "the address is told to the other process")]
fn serve(path: &Path) -> Result<()> {
    let mut table = BTreeMap::new();
    for number in 0..DOMAINS {
        let mx = vec![MxPattern::parse(&format!("mx.{}", domain(number)))?];
        let sts = StsAttributes {
            policy_domain: domain(number),
            policy_strings: vec!["version: STSv1".to_owned(), "mode: enforce".to_owned()],
            mx_patterns: mx.clone(),
            failure: None,
        };
        let policy = PolicyReply { level: Level::Secure(mx), send_server_name: true, sts: Some(sts) };
        table.insert(domain(number).into(), render(&MtaPolicy::Apply(policy), Dialect::Classic).reply);
    }
    let tcp = Listener::tcp("127.0.0.1:0".parse()?)?;
    println!("{}", tcp.local_addr().context("no address")?);
    let listeners = vec![tcp, Listener::unix(path, 0o600)?];
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let server = Server::new(Table(table), Limits::default()).start(listeners, stopped)?;
    // Until the parent goes away.
    std::io::stdin().read_to_end(&mut Vec::new())?;
    stop.send(true)?;
    server.join().map_err(|_| anyhow!("the server's thread panicked"))??;
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn ours(folder: &Path) -> Result<()> {
    let path = folder.join("map.sock");
    let mut child = Command::new(std::env::current_exe()?)
        .arg("serve")
        .arg(&path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
    let server = Process::new(child);
    let address: SocketAddr = line.trim().parse()?;
    println!(
        "  tlsward, TCP                   {}",
        measure(&server, || Ok(Socket::Tcp(TcpStream::connect(address)?)))?
    );
    println!(
        "  tlsward, unix                  {}",
        measure(&server, || Ok(Socket::Unix(UnixStream::connect(&path)?)))?
    );
    println!("  tlsward, resident              {:.1} MB with {DOMAINS} domains", server.resident()?);
    Ok(())
}

/// The program as it is run.
#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn whole(folder: &Path) -> Result<()> {
    let path = folder.join("whole.sock");
    let config = folder.join("whole.toml");
    let mut text = format!(
        "data_dir = 'whole'\n[net]\ndns_servers = ['127.0.0.1:9']\ndnssec = 'off'\n[enforce]\n\
         listen = ['127.0.0.1:0', 'unix:{}']\n[enforce.overrides]\n",
        path.display()
    );
    for number in 0..ASKED {
        let domain = domain(number);
        text.push_str(&format!("'{domain}' = {{ level = 'secure', match = ['mx.{domain}'] }}\n"));
    }
    std::fs::write(&config, text)?;
    let (server, _) = serve_whole(&config)?;
    println!("  tlsward serve, resident        {:.1} MB, idle", server.resident()?);
    drop(server);
    keep_policies(&folder.join("whole/tlsward.db"))?;
    let (server, address) = serve_whole(&config)?;
    println!("  tlsward serve, resident        {:.1} MB with {DOMAINS} policies", server.resident()?);
    println!(
        "  tlsward serve, TCP             {}",
        measure(&server, || Ok(Socket::Tcp(TcpStream::connect(address)?)))?
    );
    println!(
        "  tlsward serve, unix            {}",
        measure(&server, || Ok(Socket::Unix(UnixStream::connect(&path)?)))?
    );
    Ok(())
}

fn serve_whole(config: &Path) -> Result<(Process, SocketAddr)> {
    let mut command = process::tlsward()?;
    command.args(["serve", "--log", "warn", "--config"]).arg(config).stdout(Stdio::piped());
    let mut child = command.spawn()?;
    let lines = BufReader::new(child.stdout.take().context("no output")?).lines();
    let server = Process::new(child);
    let mut address = None;
    for line in lines {
        let line = line?;
        let place = line.trim().strip_prefix("Policies").and_then(|rest| rest.split_whitespace().next());
        address = address.or_else(|| place.and_then(|place| place.parse().ok()));
        if line.starts_with("Ctrl-C") {
            break;
        }
    }
    Ok((server, address.context("the server does not say where it answers")?))
}

/// Fills a store as weeks of mail would.
fn keep_policies(database: &Path) -> Result<()> {
    let store = SqliteStore::open(database, Quotas::default())?;
    let now = unix_time();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut keeping = tokio::task::JoinSet::new();
        let store = Arc::new(store);
        for number in 0..DOMAINS {
            let domain = format!("held{number:06}.example");
            let body = format!("version: STSv1\r\nmode: enforce\r\nmx: mx.{domain}\r\nmax_age: 2419200\r\n");
            let policy = KeptPolicy {
                domain,
                id: "20260101000000".to_owned(),
                fetched_at: now,
                failures: 0,
                body: body.into(),
            };
            let store = Arc::clone(&store);
            keeping.spawn(async move { store.keep(policy).await });
            if keeping.len() >= 1000 {
                while let Some(kept) = keeping.join_next().await {
                    kept??;
                }
            }
        }
        while let Some(kept) = keeping.join_next().await {
            kept??;
        }
        store.close()?;
        Ok(())
    })
}

/// The peer, or why it is not there.
#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn theirs(folder: &Path) -> Result<()> {
    let python = match process::python(
        "postfix-mta-sts-resolver",
        &[PEER, "uvloop"],
        "postfix_mta_sts_resolver, uvloop",
    ) {
        Ok(python) => python,
        Err(error) => {
            println!("  {PEER}: not measured, {error:#}");
            return Ok(());
        }
    };
    let path = folder.join("peer.sock");
    let (config, script) = (folder.join("peer.yml"), folder.join("peer.py"));
    std::fs::write(
        &config,
        format!(
            "path: {}\ncache: {{type: internal, options: {{cache_size: 10000}}}}\ncache_grace: 86400\n\
             proactive_policy_fetching: {{enabled: false}}\n",
            path.display()
        ),
    )?;
    // Its own daemon, with a cache that begins full: no policy has to be fetched.
    std::fs::write(
        &script,
        format!(
            "import sys, time\n\
             from postfix_mta_sts_resolver import daemon, internal_cache\n\
             from postfix_mta_sts_resolver.base_cache import CacheEntry\n\
             begin = internal_cache.InternalLRUCache.__init__\n\
             def full(self, *a, **k):\n\
             \x20   begin(self, *a, **k)\n\
             \x20   for n in range({ASKED}):\n\
             \x20       d = 'domain%06d.example' % n\n\
             \x20       self._cache[d] = CacheEntry(time.time(), '1', {{'version': 'STSv1', 'mode': 'enforce', 'mx': ['mx.' + d], 'max_age': 604800}})\n\
             internal_cache.InternalLRUCache.__init__ = full\n\
             sys.argv = ['mta-sts-daemon', '-v', 'error', '-c', {:?}]\n\
             sys.exit(daemon.main())\n",
            config.display().to_string()
        ),
    )?;
    let child = Command::new(python).arg(script).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let peer = Process::new(child);
    let begun = Instant::now();
    while UnixStream::connect(&path).is_err() {
        if begun.elapsed() > Duration::from_secs(20) {
            bail!("{PEER} does not listen");
        }
        std::thread::yield_now();
    }
    println!("  {PEER}, unix  {}", measure(&peer, || Ok(Socket::Unix(UnixStream::connect(&path)?)))?);
    Ok(())
}

enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    fn make_ready(&self) -> Result<()> {
        match self {
            Self::Tcp(socket) => {
                socket.set_nodelay(true)?;
                socket.set_nonblocking(true)?;
            }
            Self::Unix(socket) => socket.set_nonblocking(true)?,
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = match self {
            Self::Tcp(socket) => socket.write(bytes)?,
            Self::Unix(socket) => socket.write(bytes)?,
        };
        if written < bytes.len() {
            bail!("a question did not fit into the socket");
        }
        Ok(())
    }

    fn read(&mut self, bytes: &mut [u8]) -> Result<usize> {
        Ok(match self {
            Self::Tcp(socket) => socket.read(bytes)?,
            Self::Unix(socket) => socket.read(bytes)?,
        })
    }

    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        match self {
            Self::Tcp(socket) => socket.as_fd(),
            Self::Unix(socket) => socket.as_fd(),
        }
    }
}

struct Client {
    socket: Socket,
    asked_at: Instant,
    /// What the answer must begin with.
    expects_policy: bool,
    heard: Vec<u8>,
}

fn measure(server: &Process, connect: impl Fn() -> Result<Socket> + Sync) -> Result<String> {
    let before = server.cpu_seconds()?;
    let loads = std::thread::scope(|scope| {
        let load = |thread| {
            let connect = &connect;
            scope.spawn(move || load(thread, connect))
        };
        let threads: Vec<_> = (0..GENERATORS).map(load).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_| anyhow!("a generator panicked"))?)
            .collect::<Result<Vec<_>>>()
    })?;
    let answers: u32 = loads.iter().map(|load| load.answers).sum();
    let cpu = (server.cpu_seconds()? - before) * 1e6 / f64::from(answers);
    let mut times: Vec<u32> = loads.into_iter().flat_map(|load| load.times).collect();
    times.sort_unstable();
    let rate = times.len() as f64 / MEASURED.as_secs_f64();
    let quantile = |part: f64| f64::from(times[(times.len() as f64 * part) as usize]) / 10.0;
    let (middle, tail) = (quantile(0.5), quantile(0.99));
    Ok(format!(
        "{rate:>9.0} answers/s, p50 {middle:.0} µs, p99 {tail:.0} µs, server's CPU {cpu:.1} µs an answer"
    ))
}

/// What one generator saw.
struct Load {
    /// Answers in all.
    answers: u32,
    /// From question to answer, after the warm-up, in tenths of microseconds.
    times: Vec<u32>,
}

fn load(thread: usize, connect: impl Fn() -> Result<Socket>) -> Result<Load> {
    let questions: Vec<(Vec<u8>, bool)> = (0..2 * ASKED)
        .map(|n| {
            let is_there = n % 2 == 0;
            let key = if is_there { domain(n / 2) } else { format!(".parent{n}.example") };
            let payload = format!("tlsward {key}");
            (format!("{}:{payload},", payload.len()).into_bytes(), is_there)
        })
        .collect();
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut clients = Vec::new();
    let mut next = thread;
    for number in 0..CONNECTIONS / GENERATORS {
        let socket = connect()?;
        socket.make_ready()?;
        epoll::add(&poll, socket.as_fd(), epoll::EventData::new_u64(number as u64), epoll::EventFlags::IN)?;
        clients.push(Client { socket, asked_at: Instant::now(), expects_policy: false, heard: Vec::new() });
    }
    let begun = Instant::now();
    let mut ask = |client: &mut Client, now: Instant| -> Result<()> {
        let (question, is_there) = &questions[next];
        next = (next + 7) % questions.len();
        client.asked_at = now;
        client.expects_policy = *is_there;
        client.socket.write(question)
    };
    for client in &mut clients {
        ask(client, begun)?;
    }
    let mut times: Vec<u32> = Vec::with_capacity(4_000_000);
    let mut events = Vec::with_capacity(CONNECTIONS);
    let mut space = vec![0; 4096];
    let mut answers = 0;
    loop {
        events.clear();
        epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None)?;
        for event in &events {
            let number = usize::try_from(event.data.u64())?;
            let client = &mut clients[number];
            let length = client.socket.read(&mut space)?;
            if length == 0 {
                bail!("the server closed a connection");
            }
            let mut answer = &space[..length];
            if !client.heard.is_empty() || !answer.ends_with(b",") {
                client.heard.extend_from_slice(answer);
                if !client.heard.ends_with(b",") {
                    continue;
                }
                answer = &client.heard;
            }
            let is_right = if client.expects_policy {
                answer.windows(10).any(|part| part == b"OK secure ")
            } else {
                answer == b"9:NOTFOUND ,"
            };
            if !is_right {
                bail!("wrong answer: {}", String::from_utf8_lossy(answer));
            }
            client.heard.clear();
            answers += 1;
            let now = Instant::now();
            if now - begun > WARM_UP {
                times.push(u32::try_from((now - client.asked_at).as_nanos() / 100).unwrap_or(u32::MAX));
            }
            ask(client, now)?;
        }
        if begun.elapsed() > WARM_UP + MEASURED {
            break;
        }
    }
    Ok(Load { answers, times })
}
