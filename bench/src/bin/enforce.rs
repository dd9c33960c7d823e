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
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, anyhow, ensure};
use tlsward_lab::loopback;
use tlsward_lab::world::World;

const DOMAINS: usize = 3_000;
const CONNECTIONS: usize = 64;
const WARM_ROUNDS: usize = 20;
/// Ticks a second of /proc: fixed in the kernel's interface on every machine that Linux runs on today.
const TICKS: f64 = 100.0;

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
    let mut world = World::loopback(unix_time()?);
    for number in 0..DOMAINS {
        world.domain(&name(number)).mx(1).add()?;
    }
    Ok(world)
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn measure(folder: &Path, net: &str) -> Result<()> {
    let server = Server::start(folder, "cold", net)?;
    let idle = server.resident()?;
    println!(
        "enforce: {CONNECTIONS} connections, one question outstanding on each, world and askers on the same cores"
    );
    println!("  resident, nothing known        {idle:.1} MB");
    let (cpu, began) = (server.cpu()?, now());
    let times = ask(&server.socket, DOMAINS)?;
    tell("cold: each domain once", &times, began.elapsed(), server.cpu()? - cpu);
    let (cpu, began) = (server.cpu()?, now());
    let times = ask(&server.socket, DOMAINS * WARM_ROUNDS)?;
    tell("warm: all of them again", &times, began.elapsed(), server.cpu()? - cpu);
    println!("  resident, {DOMAINS} policies      {:.1} MB", server.resident()?);
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
    child: Child,
    socket: PathBuf,
}

impl Server {
    fn start(folder: &Path, data: &str, net: &str) -> Result<Self> {
        let socket = folder.join(format!("{data}.sock"));
        let config = folder.join(format!("{data}.toml"));
        let text =
            format!("data_dir = \"{data}\"\n{net}[enforce]\nlisten = [\"unix:{}\"]\n", socket.display());
        std::fs::write(&config, text)?;
        let child = Command::new("target/release/tlsward")
            .args(["serve", "--log", "error", "--config"])
            .arg(&config)
            .stdout(Stdio::null())
            .spawn()
            .context("target/release/tlsward: `cargo xtask bench` builds it")?;
        let mut server = Self { child, socket };
        let began = now();
        while UnixStream::connect(&server.socket).is_err() {
            ensure!(server.child.try_wait()?.is_none(), "the server ended");
            ensure!(began.elapsed() < Duration::from_secs(60), "the server does not listen");
            std::thread::yield_now();
        }
        Ok(server)
    }

    fn proc(&self, file: &str) -> Result<String> {
        Ok(std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id()))?)
    }

    /// In MB.
    fn resident(&self) -> Result<f64> {
        let status = self.proc("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kibibytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kibibytes * 1024.0 / 1e6)
    }

    /// User and system time so far, in seconds.
    fn cpu(&self) -> Result<f64> {
        let stat = self.proc("stat")?;
        let (_, fields) = stat.rsplit_once(')').context("no stat")?;
        let times: Vec<f64> =
            fields.split_whitespace().skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
        Ok(times.iter().sum::<f64>() / TICKS)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "the world must have the time of the program that looks at it")]
fn unix_time() -> Result<i64> {
    Ok(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?)
}
