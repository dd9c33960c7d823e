//! The policy host beside nginx: policies a second over connections that are kept, new TLS connections a second (each
//! with one policy), full and resumed, and memory with 100,000 domains.
//!
//! Both serve with the same ECDSA P-256 certificate and two workers, to the same generator, which shares the two cores
//! with them; they take turns, and a figure is the median of the rounds. nginx serves one static file, its descriptor
//! kept open. Our memory is measured with a policy of its own for each of 100,000 domains and certificates issued on
//! demand, each with a key of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, TcpListener as StdListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bench::process::Process;
use bench::{median, now};
use bytes::Bytes;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tlsward_engine::ports::publish::Hosts as _;
use tlsward_policy_host::{CertificateSource, Hosted, Identity, Limits, PolicyHost, PrivateKeyDer, Sources};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error, HandshakeKind, SignatureScheme};

const CONNECTIONS: usize = 64;
const DOMAINS: usize = 100_000;
/// Names that are asked for, of many.
const ASKED: usize = 1000;
const IDLE: usize = 10_000;
const ROUNDS: usize = 3;
const WARM_UP: Duration = Duration::from_millis(500);
const MEASURED: Duration = Duration::from_secs(3);
/// The end of every policy.
const END: &[u8] = b"max_age: 604800\r\n";

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [word, domains, folder] = arguments.as_slice()
        && word == "serve"
    {
        return serve(domains.parse()?, Path::new(folder));
    }
    let folder = std::env::temp_dir().join(format!("tlsward-policy-host-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    println!("policy host: {CONNECTIONS} connections, generator on the same cores, ECDSA P-256, TLS 1.3");
    let outcome = measure_all(&folder);
    std::fs::remove_dir_all(&folder)?;
    outcome
}

fn domain(number: usize) -> String {
    format!("domain{number:06}.example")
}

fn policy(number: usize) -> String {
    format!(
        "version: STSv1\r\nmode: enforce\r\nmx: mx1.{0}\r\nmx: mx2.{0}\r\nmax_age: 604800\r\n",
        domain(number)
    )
}

/// Certificates of the server process: one for all names from files, or each its own.
enum Shelf {
    Shared(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>),
    Own(CertifiedIssuer<'static, KeyPair>),
}

impl CertificateSource for Shelf {
    async fn load(&self, name: &str) -> Option<Identity> {
        match self {
            Self::Shared(chain, key) => Some(Identity { chain: chain.clone(), key: key.clone_key() }),
            Self::Own(issuer) => {
                let key = KeyPair::generate().ok()?;
                let own = CertificateParams::new([name.to_owned()]).ok()?.signed_by(&key, issuer).ok()?;
                // A chain of two, as authorities give.
                let chain = vec![own.der().clone(), issuer.der().clone()];
                Some(Identity { chain, key: PrivateKeyDer::try_from(key.serialize_der()).ok()? })
            }
        }
    }
}

fn authority() -> Result<CertifiedIssuer<'static, KeyPair>> {
    let mut params = CertificateParams::new([])?;
    params.distinguished_name.push(DnType::CommonName, "authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

/// The server process: tells its address, and serves until its standard input ends.
#[expect(clippy::print_stdout, reason = "the address is told to the other process")]
fn serve(domains: usize, folder: &Path) -> Result<()> {
    let hosted = Arc::new(Hosted::new());
    for number in 0..domains {
        hosted.serve(&domain(number), Some(Bytes::from(policy(number))));
    }
    let certificate = folder.join("certificate.pem");
    let shelf = if certificate.exists() {
        let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
        Shelf::Shared(chain, PrivateKeyDer::from_pem_file(folder.join("key.pem"))?)
    } else {
        Shelf::Own(authority()?)
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let host = Arc::new(PolicyHost::new(hosted, shelf, Sources::default(), Limits::default())?);
    let (stop, stopped) = tokio::sync::watch::channel(false);
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        let server = tokio::spawn(host.serve_https(listener, stopped));
        // Until the parent goes away.
        tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
        stop.send(true)?;
        Ok(server.await?)
    })
}

/// Our server as a process of its own.
fn ours(domains: usize, folder: &Path) -> Result<(Process, SocketAddr)> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["serve", &domains.to_string()])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("no output")?).read_line(&mut line)?;
    Ok((Process::new(child), line.trim().parse()?))
}

/// nginx: a master and two workers, which go with it.
struct Nginx {
    master: Child,
    address: SocketAddr,
}

impl Nginx {
    fn start(folder: &Path) -> Result<Self> {
        // It cannot tell a port that it was not told.
        let address = StdListener::bind("127.0.0.1:0")?.local_addr()?;
        let at = folder.display();
        std::fs::create_dir_all(folder.join("root/.well-known"))?;
        std::fs::write(folder.join("root/.well-known/mta-sts.txt"), policy(0))?;
        std::fs::write(
            folder.join("nginx.conf"),
            format!(
                "daemon off; worker_processes 2; user root; pid {at}/pid; error_log {at}/error.log;
                 events {{ worker_connections 4096; }}
                 http {{
                   access_log off; client_body_temp_path {at}/body; proxy_temp_path {at}/proxy;
                   fastcgi_temp_path {at}/fastcgi; uwsgi_temp_path {at}/uwsgi; scgi_temp_path {at}/scgi;
                   default_type text/plain; open_file_cache max=100; keepalive_requests 1000000000;
                   ssl_protocols TLSv1.2 TLSv1.3;
                   server {{ listen {address} ssl backlog=1024; root {at}/root;
                     ssl_certificate {at}/certificate.pem; ssl_certificate_key {at}/key.pem; }}
                 }}"
            ),
        )?;
        let mut command = Command::new("nginx");
        command.arg("-e").arg(folder.join("error.log")).arg("-c").arg(folder.join("nginx.conf"));
        let master = command.stdin(Stdio::null()).spawn().context("nginx does not start")?;
        let mut nginx = Self { master, address };
        let begun = now();
        while std::net::TcpStream::connect(address).is_err() {
            let told = || std::fs::read_to_string(folder.join("error.log")).unwrap_or_default();
            ensure!(nginx.master.try_wait()?.is_none(), "nginx ended: {}", told());
            ensure!(begun.elapsed() < Duration::from_secs(10), "nginx does not listen: {}", told());
            std::thread::yield_now();
        }
        Ok(nginx)
    }

    fn workers(&self) -> Result<Vec<String>> {
        let id = self.master.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"))?;
        Ok(children.split_whitespace().map(str::to_owned).collect())
    }

    fn cpu_seconds(&self) -> Result<f64> {
        self.workers()?.iter().map(|worker| bench::process::cpu_seconds_of(worker)).sum()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.master.id()).ok().and_then(rustix::process::Pid::from_raw) {
            // Its workers would outlive a kill.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.master.wait();
    }
}

/// Takes any certificate: what the generator checks would be paid by whoever is measured.
#[derive(Debug)]
struct Credulous(Vec<SignatureScheme>);

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

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
        self.0.clone()
    }
}

fn connector(resume: bool) -> Result<TlsConnector> {
    let mut provider = aws_lc_rs::default_provider();
    // Both servers agree on it; a hybrid that only one of them speaks would be another measurement.
    provider.kx_groups = vec![aws_lc_rs::kx_group::X25519];
    let schemes = provider.signature_verification_algorithms.supported_schemes();
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Credulous(schemes)))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = if resume { Resumption::in_memory_sessions(32) } else { Resumption::disabled() };
    Ok(TlsConnector::from(Arc::new(config)))
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Load {
    Kept,
    Full,
    Resumed,
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kept => "policies, kept connections",
            Self::Full => "new connections, full handshake, one policy each",
            Self::Resumed => "new connections, resumed, one policy each",
        })
    }
}

#[derive(Default)]
struct Tally {
    done: AtomicU64,
    resumed: AtomicU64,
    stop: AtomicBool,
}

async fn open(connector: &TlsConnector, address: SocketAddr, name: &str) -> Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    // A reset at the end: no port is left waiting.
    stream.set_zero_linger()?;
    Ok(connector.connect(ServerName::try_from(name.to_owned())?, stream).await?)
}

async fn get(stream: &mut TlsStream<TcpStream>, request: &[u8], space: &mut [u8]) -> Result<()> {
    stream.write_all(request).await?;
    let mut length = 0;
    loop {
        let more = stream.read(&mut space[length..]).await?;
        ensure!(more > 0, "the server closed a connection");
        length += more;
        if space[..length].ends_with(END) {
            ensure!(space.starts_with(b"HTTP/1.1 200"), "an answer is wrong");
            return Ok(());
        }
    }
}

/// One of the connections that ask.
async fn ask(
    load: Load,
    address: SocketAddr,
    number: usize,
    domains: usize,
    tally: Arc<Tally>,
) -> Result<()> {
    let connector = connector(load == Load::Resumed)?;
    let mut space = vec![0; 4096];
    let mut next = number;
    let named = |number: usize| {
        let name = format!("mta-sts.{}", domain(number % domains.min(ASKED)));
        let request = format!("GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: {name}\r\n\r\n").into_bytes();
        (name, request)
    };
    let (name, request) = named(next);
    if load == Load::Kept {
        let mut stream = open(&connector, address, &name).await?;
        while !tally.stop.load(Relaxed) {
            get(&mut stream, &request, &mut space).await?;
            tally.done.fetch_add(1, Relaxed);
        }
        return Ok(());
    }
    while !tally.stop.load(Relaxed) {
        // A session is resumed for its own name.
        let (name, request) = named(if load == Load::Full { next } else { number });
        next += CONNECTIONS;
        let mut stream = open(&connector, address, &name).await?;
        if stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed) {
            tally.resumed.fetch_add(1, Relaxed);
        }
        get(&mut stream, &request, &mut space).await?;
        tally.done.fetch_add(1, Relaxed);
    }
    Ok(())
}

/// What one contender reached in one round.
struct Reached {
    per_second: f64,
    /// Microseconds of the server's processor time for each.
    cpu: f64,
    /// The part that was resumed.
    resumed: f64,
}

fn measure(
    load: Load,
    address: SocketAddr,
    domains: usize,
    cpu_seconds: impl Fn() -> Result<f64>,
) -> Result<Reached> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let tally = Arc::new(Tally::default());
        let mut tasks = JoinSet::new();
        for number in 0..CONNECTIONS {
            tasks.spawn(ask(load, address, number, domains, Arc::clone(&tally)));
        }
        let counted = || (tally.done.load(Relaxed), tally.resumed.load(Relaxed));
        tokio::time::sleep(WARM_UP).await;
        let (begun, before, cpu) = (now(), counted(), cpu_seconds()?);
        tokio::time::sleep(MEASURED).await;
        let (seconds, after) = (begun.elapsed().as_secs_f64(), counted());
        let cpu = cpu_seconds()? - cpu;
        tally.stop.store(true, Relaxed);
        while let Some(ended) = tasks.join_next().await {
            ended??;
        }
        let done = (after.0 - before.0) as f64;
        ensure!(done > 0.0, "nothing was answered");
        Ok(Reached {
            per_second: done / seconds,
            cpu: cpu * 1e6 / done,
            resumed: (after.1 - before.1) as f64 / done,
        })
    })
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn measure_all(folder: &Path) -> Result<()> {
    let issuer = authority()?;
    let key = KeyPair::generate()?;
    let certificate =
        CertificateParams::new(["mta-sts.domain000000.example".to_owned()])?.signed_by(&key, &issuer)?;
    std::fs::write(folder.join("certificate.pem"), certificate.pem() + &issuer.pem())?;
    std::fs::write(folder.join("key.pem"), key.serialize_pem())?;
    let (one, one_at) = ours(1, folder)?;
    let (many, many_at) = ours(DOMAINS, folder)?;
    let nginx = match Nginx::start(folder) {
        Ok(nginx) => Some(nginx),
        Err(error) => {
            println!("  nginx: not measured, {error:#}");
            None
        }
    };
    let mut rounds: BTreeMap<(Load, usize), Vec<Reached>> = BTreeMap::new();
    for _ in 0..ROUNDS {
        for load in [Load::Kept, Load::Full, Load::Resumed] {
            let mut note = |place, reached| rounds.entry((load, place)).or_default().push(reached);
            note(0, measure(load, one_at, 1, || one.cpu_seconds())?);
            note(1, measure(load, many_at, DOMAINS, || many.cpu_seconds())?);
            if let Some(nginx) = &nginx {
                note(2, measure(load, nginx.address, 1, || nginx.cpu_seconds())?);
            }
        }
    }
    let mut last = None;
    for ((load, place), reached) in &rounds {
        if last != Some(*load) {
            println!("{load}");
            last = Some(*load);
        }
        let name = ["tlsward, 1 domain", "tlsward, 100,000 domains", "nginx, one static file"][*place];
        let of = |figure: fn(&Reached) -> f64| median(reached.iter().map(figure).collect());
        let against = rounds.get(&(*load, 2)).map(|theirs| {
            median(reached.iter().zip(theirs).map(|(own, their)| own.per_second / their.per_second).collect())
        });
        println!(
            "  {name:<26} {:>8.0}/s, server's CPU {:>6.1} µs each{}{}",
            of(|reached| reached.per_second),
            of(|reached| reached.cpu),
            against.map(|ratio| format!(", x{ratio:.2} of nginx")).unwrap_or_default(),
            if *load == Load::Resumed {
                format!(", {:.0}% resumed", of(|reached| reached.resumed) * 100.0)
            } else {
                String::new()
            },
        );
    }
    drop((one, many, nginx));
    std::fs::remove_file(folder.join("certificate.pem"))?;
    memory(folder)
}

/// A policy of its own for each domain, certificates of their own on demand, and connections that idle.
#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn memory(folder: &Path) -> Result<()> {
    let (server, address) = ours(DOMAINS, folder)?;
    println!("memory, {DOMAINS} domains, each with a policy and a certificate of its own");
    println!("  nobody has asked yet                          {:>6.1} MB", server.resident()?);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let asked = 2 * IDLE;
    runtime.block_on(async {
        let connector = connector(false)?;
        for batch in (0..asked).step_by(CONNECTIONS) {
            let mut tasks = JoinSet::new();
            for number in batch..(batch + CONNECTIONS).min(asked) {
                tasks.spawn(fetch(connector.clone(), address, number * (DOMAINS / asked)));
            }
            while let Some(ended) = tasks.join_next().await {
                ended??;
            }
        }
        println!("  {asked} domains were asked for               {:>6.1} MB", server.resident()?);
        let mut idle = Vec::new();
        for number in 0..IDLE {
            idle.push(fetch(connector.clone(), address, number % ASKED).await?);
        }
        println!("  and {IDLE} connections are open            {:>6.1} MB", server.resident()?);
        let begun = now();
        fetch(connector, address, 0).await?;
        println!(
            "  beside them, a new connection and its policy take {:.1} ms",
            begun.elapsed().as_secs_f64() * 1e3
        );
        drop(idle);
        Ok(())
    })
}

/// A connection over which a policy was fetched.
async fn fetch(connector: TlsConnector, address: SocketAddr, number: usize) -> Result<TlsStream<TcpStream>> {
    let name = format!("mta-sts.{}", domain(number));
    let mut stream = open(&connector, address, &name).await?;
    let request = format!("GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: {name}\r\n\r\n");
    get(&mut stream, request.as_bytes(), &mut [0; 4096]).await?;
    if stream.get_ref().1.alpn_protocol() != Some(b"http/1.1") {
        bail!("no protocol was agreed on");
    }
    Ok(stream)
}
