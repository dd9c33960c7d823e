//! The whole program under `[enforce]`: policies fetched for the first time a second, answers from memory afterwards,
//! and resident memory. With 100,000 policies that are kept from before: see the benchmark `socketmap`.
//!
//! The lab serves domains with a policy host and an MX host each, every host at an address of its own, every TLS
//! handshake real. 64 connections ask the release binary over its unix socket, one question outstanding on each: each
//! domain once (so each answer takes TXT, addresses, MX, TLSA and an HTTPS fetch), then all of them again. The world and
//! the askers share the machine with it, so its CPU time stands beside each rate. postfix-mta-sts-resolver and
//! postfix-tlspol fetch from port 443 alone and cannot be pointed at this world.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, anyhow, ensure};
use bench::process::{self, Process};
use bench::{now, unix_time};
use tlsward_lab::loopback;
use tlsward_lab::world::World;

const DOMAINS: usize = 3_000;
const CONNECTIONS: usize = 64;
const WARM_ROUNDS: usize = 20;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let world = world()?;
        let running = loopback::start(&world).await?;
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("roots.pem"), &running.roots_pem)?;
        let net = format!(
            "[net]\ndns_servers = [\"{}\"]\ntrust_roots = \"roots.pem\"\nhttps_port = {}\nsmtp_port = {}\n\
             allow_private_addresses = true\nhostname = \"enforce.test\"\n",
            running.dns, running.https_port, running.smtp_port
        );
        let folder = folder.path().to_owned();
        tokio::task::spawn_blocking(move || measure(&folder, &net)).await?
    })
}

fn name(number: usize) -> String {
    format!("d{number:06}.test")
}

fn world() -> Result<World> {
    let mut world = World::loopback(unix_time());
    for number in 0..DOMAINS {
        world.domain(&name(number)).mx(1).add()?;
    }
    Ok(world)
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn measure(folder: &Path, net: &str) -> Result<()> {
    let server = Server::start(folder, "cold", net)?;
    let idle = server.process.resident()?;
    println!(
        "enforce: {CONNECTIONS} connections, one question outstanding on each, world and askers on the same cores"
    );
    println!("  resident, nothing known        {idle:.1} MB");
    let (cpu, began) = (server.process.cpu_seconds()?, now());
    let times = ask(&server.socket, DOMAINS)?;
    tell("cold: each domain once", &times, began.elapsed(), server.process.cpu_seconds()? - cpu);
    let (cpu, began) = (server.process.cpu_seconds()?, now());
    let times = ask(&server.socket, DOMAINS * WARM_ROUNDS)?;
    tell("warm: all of them again", &times, began.elapsed(), server.process.cpu_seconds()? - cpu);
    println!("  resident, {DOMAINS} policies      {:.1} MB", server.process.resident()?);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn tell(title: &str, times: &[Duration], took: Duration, cpu: f64) {
    let at = |part: f64| times[(times.len() as f64 * part) as usize].as_secs_f64() * 1e3;
    println!(
        "  {title:<30} {:>8.0}/s, p50 {:.2} ms, p99 {:.2} ms, {:.3} ms CPU of our process each",
        times.len() as f64 / took.as_secs_f64(),
        at(0.5),
        at(0.99),
        cpu * 1e3 / times.len() as f64
    );
}

/// Asks `questions` in turn over all connections; the time of each, sorted.
fn ask(socket: &Path, questions: usize) -> Result<Vec<Duration>> {
    let next = AtomicUsize::new(0);
    let mut times: Vec<Duration> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..CONNECTIONS).map(|_| scope.spawn(|| connection(socket, &next, questions))).collect();
        let mut all = Vec::with_capacity(questions);
        for thread in threads {
            all.extend(thread.join().map_err(|_| anyhow!("an asker panicked"))??);
        }
        Ok::<_, anyhow::Error>(all)
    })?;
    times.sort_unstable();
    Ok(times)
}

fn connection(socket: &Path, next: &AtomicUsize, questions: usize) -> Result<Vec<Duration>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut space = vec![0; 8192];
    let mut times = Vec::new();
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= questions {
            return Ok(times);
        }
        let payload = format!("tlsward {}", name(number % DOMAINS));
        let asked = now();
        stream.write_all(format!("{}:{payload},", payload.len()).as_bytes())?;
        let mut length = 0;
        while length == 0 || space[length - 1] != b',' {
            let count = stream.read(&mut space[length..])?;
            ensure!(count > 0, "the server closed a connection");
            length += count;
        }
        times.push(asked.elapsed());
        let answer = String::from_utf8_lossy(&space[..length]);
        ensure!(answer.contains(":OK secure "), "{payload} was answered {answer}");
    }
}

/// The program, with `[enforce]` alone.
struct Server {
    process: Process,
    socket: PathBuf,
}

impl Server {
    fn start(folder: &Path, data: &str, net: &str) -> Result<Self> {
        let socket = folder.join(format!("{data}.sock"));
        let config = folder.join(format!("{data}.toml"));
        let text =
            format!("data_dir = \"{data}\"\n{net}[enforce]\nlisten = [\"unix:{}\"]\n", socket.display());
        std::fs::write(&config, text)?;
        let mut command = process::tlsward()?;
        command.args(["serve", "--log", "error", "--config"]).arg(&config).stdout(Stdio::null());
        let mut server = Self { process: Process::new(command.spawn()?), socket };
        let began = now();
        while UnixStream::connect(&server.socket).is_err() {
            server.process.is_alive()?;
            ensure!(began.elapsed() < Duration::from_secs(60), "the server does not listen");
            std::thread::yield_now();
        }
        Ok(server)
    }
}
