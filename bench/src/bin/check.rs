//! Full checks of domains on a loopback world: domains a second, and the CPU time and memory of our process; and
//! checkdmarc beside it.
//!
//! The lab serves 1,000 mail services of two MX hosts each, every host at an address of its own, all handshakes real and
//! none resumed. The release binary checks 1,000 domains of one service each with `check --json --file`, then 10,000 and
//! 100,000: of those, ten and a hundred share the mail and policy hosts of one service, and each has names, records, a
//! certificate and a policy of its own. So memory stands side by side at three sizes, and CPU time is told by the first,
//! where nothing is shared. World and checker share the machine, so CPU time is the figure that counts, and the rate is
//! what is left of two cores.
//!
//! checkdmarc (Python, from PyPI) cannot be told other ports than 53, 443, 25 and another resolver than the system's. So
//! both programs check the same domains once more in a network namespace in which the lab has those ports (this program
//! again, with `beside`; it takes root), one process each and one domain after the other in the peer's case, as it
//! works. What starting costs is taken off both.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, anyhow, ensure};
use bench::process::{self, Process};
use bench::{now, unix_time};
use serde_json::Value;
use tlsward_lab::loopback::{self, Ports, Running};
use tlsward_lab::world::World;

const SERVICES: usize = 1_000;
const SIZES: [usize; 3] = [1_000, 10_000, 100_000];
/// Checked beside the peer.
const BESIDE: usize = 200;
const PEER: &str = "checkdmarc==6.0.4";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    match arguments.as_slice() {
        [word, folder, python] if word == "beside" => {
            runtime.block_on(beside(PathBuf::from(folder), PathBuf::from(python)))
        }
        _ => {
            runtime.block_on(alone())?;
            drop(runtime);
            together()
        }
    }
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
async fn alone() -> Result<()> {
    println!("check: 2 MX hosts (each with and without SNI) and a policy host a domain: 5 full handshakes");
    println!("  {:>8}  {:>10}  {:>14}  {:>12}", "domains", "domains/s", "CPU a domain", "peak memory");
    for domains in SIZES {
        let folder = tempfile::tempdir()?;
        let running = serve(domains, folder.path(), Ports::default()).await?;
        let path = folder.path().to_owned();
        let run = tokio::task::spawn_blocking(move || ours(&path, "domains")).await??;
        drop(running);
        ensure!(run.good == domains, "{} of {domains} domains deliver", run.good);
        println!(
            "  {domains:>8}  {:>10.0}  {:>11.2} ms  {:>8.1} MiB",
            domains as f64 / run.seconds,
            run.cpu_seconds * 1000.0 / domains as f64,
            run.peak_kib / 1024.0
        );
    }
    Ok(())
}

fn name(number: usize) -> String {
    format!("d{number:06}.test")
}

/// Serves so many domains, and writes what it takes to check them: `domains`, `one`, `tlsward.toml`, `roots.pem`.
async fn serve(domains: usize, folder: &Path, ports: Ports) -> Result<Running> {
    let mut world = World::loopback(unix_time());
    for number in 0..domains {
        let service = name(number % SERVICES);
        if number < SERVICES {
            world.domain(&name(number)).mx(2).add()?;
            continue;
        }
        let host = world.domains.get(&service).and_then(|entry| entry.policy_host.clone());
        let at = host.context("no policy host")?.addresses;
        world.domain(&name(number)).hosted_by(&service).policy_at(&at).add()?;
    }
    let running = loopback::start_at(&world, ports).await?;
    std::fs::write(folder.join("roots.pem"), &running.roots_pem)?;
    let config = format!(
        "[net]\ndns_servers = [\"{}\"]\ntrust_roots = \"roots.pem\"\nhttps_port = {}\nsmtp_port = {}\n\
         allow_private_addresses = true\nhostname = \"check.test\"\n",
        running.dns, running.https_port, running.smtp_port
    );
    std::fs::write(folder.join("tlsward.toml"), config)?;
    let names: Vec<String> = (0..domains).map(name).collect();
    std::fs::write(folder.join("domains"), names.join("\n"))?;
    std::fs::write(folder.join("one"), name(0))?;
    Ok(running)
}

/// What one run came to.
struct Run {
    seconds: f64,
    cpu_seconds: f64,
    peak_kib: f64,
    /// Domains found healthy.
    good: usize,
}

fn ours(folder: &Path, list: &str) -> Result<Run> {
    let mut command = process::tlsward()?;
    command.args(["check", "--json", "--file"]).arg(folder.join(list));
    command.arg("--config").arg(folder.join("tlsward.toml"));
    let is_good = |line: &str| line.contains("\"verdict\":\"delivers\"");
    run(&mut command, is_good)
}

fn run(command: &mut Command, is_good: impl Fn(&str) -> bool) -> Result<Run> {
    let began = now();
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let out = child.stdout.take().context("no output")?;
    let process = Process::new(child);
    let (mut good, mut peak_kib) = (0, 0.0_f64);
    for line in BufReader::new(out).lines() {
        good += usize::from(is_good(&line?));
        if good % 50 == 0 {
            peak_kib = peak_kib.max(process.peak_kib().unwrap_or(0.0));
        }
    }
    Ok(Run { seconds: began.elapsed().as_secs_f64(), cpu_seconds: process.finish()?, peak_kib, good })
}

/// Begins this program again where the usual ports are free, or says why not.
#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn together() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let outcome = process::python("checkdmarc", &[PEER], "checkdmarc").and_then(|python| {
        let resolver = folder.path().join("resolv.conf");
        std::fs::write(&resolver, "nameserver 127.0.0.1\n")?;
        let inside =
            "ip link set lo up && mount --bind \"$1\" /etc/resolv.conf && exec \"$2\" beside \"$3\" \"$4\"";
        let status = Command::new("unshare")
            .args(["--net", "--mount", "sh", "-c", inside, "beside"])
            .arg(resolver)
            .arg(std::env::current_exe()?)
            .arg(folder.path())
            .arg(python)
            .status()
            .context("unshare cannot be run")?;
        if status.success() { Ok(()) } else { Err(anyhow!("it ended with {status}")) }
    });
    if let Err(error) = outcome {
        println!("  {PEER}: not measured, {error:#}");
    }
    Ok(())
}

/// Within the namespace.
#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
async fn beside(folder: PathBuf, python: PathBuf) -> Result<()> {
    let running = serve(BESIDE, &folder, Ports::USUAL).await?;
    let (own, peer) = tokio::task::spawn_blocking(move || -> Result<(f64, f64)> {
        let own = a_domain(|list| ours(&folder, list))?;
        Ok((own, a_domain(|list| theirs(&python, &folder, list))?))
    })
    .await??;
    drop(running);
    println!(
        "  CPU a domain of {BESIDE}, without what starting costs: tlsward {own:.2} ms, {PEER} {peer:.1} ms: x{:.0}",
        peer / own
    );
    Ok(())
}

/// Milliseconds of CPU time for one domain more.
fn a_domain(run: impl Fn(&str) -> Result<Run>) -> Result<f64> {
    let one = run("one")?;
    let all = run("domains")?;
    ensure!((one.good, all.good) == (1, BESIDE), "{} and {} of 1 and {BESIDE} are good", one.good, all.good);
    Ok((all.cpu_seconds - one.cpu_seconds) * 1000.0 / (BESIDE - 1) as f64)
}

/// With TLS to every MX host, and everything else that it looks at in a domain.
fn theirs(python: &Path, folder: &Path, list: &str) -> Result<Run> {
    let report = folder.join("peer.json");
    let mut command = Command::new(python);
    // The list stands first: the options after it take several values each.
    command.args(["-m", "checkdmarc._cli"]).arg(folder.join(list));
    command.args(["--check-mx-tls", "--nameserver", "127.0.0.1", "--output"]).arg(&report);
    command.stderr(Stdio::null());
    for variable in ["REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"] {
        command.env(variable, folder.join("roots.pem"));
    }
    let mut run = run(&mut command, |_| false)?;
    let report: Value = serde_json::from_slice(&std::fs::read(report)?)?;
    let all = report.as_array().cloned().unwrap_or_else(|| vec![report]);
    run.good = all.iter().filter(|domain| is_good(domain)).count();
    Ok(run)
}

/// The peer saw the policy, the reporting record, and STARTTLS at both hosts.
fn is_good(domain: &Value) -> bool {
    let hosts = domain["mx"]["hosts"].as_array().map_or(&[][..], Vec::as_slice);
    let valid = |part: &str| domain[part]["valid"] == true;
    valid("mta_sts")
        && valid("smtp_tls_reporting")
        && hosts.len() == 2
        && hosts.iter().all(|host| host["starttls"] == true)
}
