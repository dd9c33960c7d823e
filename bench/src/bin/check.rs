//! Full checks of domains on a loopback world: domains a second, and the CPU time and memory of our process.
//!
//! The lab serves 1,000 domains with two MX hosts each (every host at an address of its own, all handshakes real, none
//! resumed); the release binary checks them with `check --json --file`. A second run checks each of them ten times, so
//! that memory at 10,000 checks stands beside memory at 1,000. World and checker share the machine, so CPU time is the
//! figure that counts, and the rate is what is left of two cores. checkdmarc cannot be pointed at other ports than 53, 443
//! and 25, and does not run here beside it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use tlsward_lab::loopback;
use tlsward_lab::world::World;

const DOMAINS: usize = 1_000;
const TIMES: usize = 10;
/// Ticks a second of /proc: fixed in the kernel's interface on every machine that Linux runs on today.
const TICKS: f64 = 100.0;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        let world = world()?;
        let running = loopback::start(&world).await?;
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("roots.pem"), &running.roots_pem)?;
        let config = format!(
            "[net]\ndns_servers = [\"{}\"]\ntrust_roots = \"roots.pem\"\nhttps_port = {}\nsmtp_port = {}\n\
             allow_private_addresses = true\nhostname = \"check.test\"\n",
            running.dns, running.https_port, running.smtp_port
        );
        std::fs::write(folder.path().join("tlsward.toml"), config)?;
        let names: Vec<String> = (0..DOMAINS).map(name).collect();
        std::fs::write(folder.path().join("once"), names.join("\n"))?;
        std::fs::write(folder.path().join("again"), vec![names.join("\n"); TIMES].join("\n"))?;
        for (list, domains) in [("once", DOMAINS), ("again", DOMAINS * TIMES)] {
            let folder = folder.path().to_owned();
            let run = tokio::task::spawn_blocking(move || check(&folder, list)).await??;
            tell(domains, &run)?;
        }
        Ok(())
    })
}

fn name(number: usize) -> String {
    format!("d{number:04}.test")
}

fn world() -> Result<World> {
    let mut world = World::loopback(unix_time()?);
    for number in 0..DOMAINS {
        world.domain(&name(number)).mx(2).add()?;
    }
    Ok(world)
}

/// What one run came to.
struct Run {
    seconds: f64,
    cpu_seconds: f64,
    peak_kib: u64,
    delivers: usize,
}

fn check(folder: &Path, list: &str) -> Result<Run> {
    let began = now();
    let mut child = Command::new("target/release/tlsward")
        .args(["check", "--json", "--file"])
        .arg(folder.join(list))
        .arg("--config")
        .arg(folder.join("tlsward.toml"))
        .stdout(Stdio::piped())
        .spawn()
        .context("target/release/tlsward: `cargo xtask bench` builds it")?;
    let outcome = follow(&mut child, began);
    // Ended or not, nothing stays behind.
    let _ = child.kill();
    child.wait()?;
    outcome
}

fn follow(child: &mut Child, began: Instant) -> Result<Run> {
    let proc = Path::new("/proc").join(child.id().to_string());
    let (mut delivers, mut peak_kib) = (0, 0);
    let out = child.stdout.take().context("no output")?;
    for line in BufReader::new(out).lines() {
        delivers += usize::from(line?.contains("\"verdict\":\"delivers\""));
        if delivers % 50 == 0 {
            peak_kib = peak_kib.max(high_water(&proc).unwrap_or(0));
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    // It has ended, and is not waited for yet: its times stand still.
    let stat = std::fs::read_to_string(proc.join("stat"))?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |place: usize| fields.get(place).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    Ok(Run { seconds, cpu_seconds: (ticks(11) + ticks(12)) / TICKS, peak_kib, delivers })
}

fn high_water(proc: &Path) -> Option<u64> {
    let status = std::fs::read_to_string(proc.join("status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn tell(domains: usize, run: &Run) -> Result<()> {
    ensure!(run.delivers == domains, "{} of {domains} domains deliver", run.delivers);
    println!(
        "check of {domains} domains, 2 MXs each: {:.0} domains/s, {:.2} ms CPU of our process a domain, {:.0} MiB at most",
        domains as f64 / run.seconds,
        run.cpu_seconds * 1000.0 / domains as f64,
        run.peak_kib as f64 / 1024.0
    );
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "the world must have the time of the program that looks at it")]
fn unix_time() -> Result<i64> {
    Ok(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?)
}
