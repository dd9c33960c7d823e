//! Session datagrams a second, from the socket into the journal: senders open a socket, send without waiting and close
//! it for each event, as Postfix does, and every EAGAIN is a lost session.
//!
//! Runs in a network namespace of its own (as root), so that the kernel's queue can be set to 512, as hosts with
//! systemd have it. Senders are processes of their own on the same cores. First 200,000 a second, each sender a millisecond's
//! share at once; then as fast as they can, where losses are the kernel's measure of who is faster; then
//! 100 bursts of 1,000. tlsrpt-collectd (of tlsrpt-reporter, Python) takes the same floods and bursts in the same run, where
//! it can be installed from PyPI; it begins to be too slow long before 200,000 a second, so a pace is not held there.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::io::Read as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use bench::process::{self, Process};
use tlsward_engine::ports::Clock;
use tlsward_mta::journal::{Journal, Options, Position, Reader};
use tlsward_mta::session::{DatagramSink, Intake, IntakeOptions, Receiver, SessionSocket, datagram};

const SENDERS: usize = 2;
const EVENTS: u64 = 500_000;
/// Of all senders together, a second, where they hold to a pace.
const PACE: u64 = 200_000;
const BURSTS: u64 = 100;
const BURST: u64 = 1000;
const QUEUE: &str = "512";
const PEER: &str = "tlsrpt-reporter==0.6.0";

/// As Postfix sends a success under an MTA-STS policy.
const EVENT: &[u8] = br#"{"dpv": "1","d": "example.com","pr": "v=TLSRPTv1;rua=mailto:reports@example.com","policies":[{"policy-type":2,"policy-domain": "example.com","policy-string":["version: STSv1","mode: enforce","mx: mx.example.com","max_age: 86400"],"mx-host":["mx.example.com"],"t":0,"f":0}]}"#;

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["send", path, events, pace] => send(Path::new(path), events.parse()?, pace.parse()?),
        ["inside", folder] => inside(Path::new(folder)),
        ["inside", folder, python] => {
            inside(Path::new(folder))?;
            theirs(Path::new(folder), Path::new(python))
        }
        _ => {
            let folder = std::env::temp_dir().join(format!("tlsward-sessions-{}", std::process::id()));
            std::fs::create_dir_all(&folder)?;
            let script =
                format!("echo {QUEUE} > /proc/sys/net/unix/max_dgram_qlen && exec \"$0\" inside \"$@\"");
            let mut command = Command::new("unshare");
            command.args(["--net", "sh", "-c", &script]).arg(std::env::current_exe()?).arg(&folder);
            match process::python("tlsrpt-reporter", &[PEER], "tlsrpt_reporter") {
                Ok(python) => _ = command.arg(python),
                Err(error) => println!("  {PEER}: not measured, {error:#}"),
            }
            let status = command.status().context("unshare cannot be run")?;
            std::fs::remove_dir_all(&folder)?;
            if !status.success() {
                bail!("it needs root, for a network namespace with a queue of {QUEUE}");
            }
            Ok(())
        }
    }
}

/// Sends, and tells how many were refused. `pace`: so many a second, or 0 for as many as can be.
#[expect(clippy::print_stdout, reason = "the count is told to the other process")]
fn send(path: &Path, events: u64, pace: u64) -> Result<()> {
    let mut lost = 0_u64;
    let begun = Instant::now();
    for event in 0..events {
        if pace > 0 && event % (pace / 1000) == 0 {
            let due = Duration::from_millis(event * 1000 / pace);
            std::thread::sleep(due.saturating_sub(begun.elapsed()));
        }
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        match socket.send_to(EVENT, path) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => lost += 1,
            Err(error) => return Err(error.into()),
        }
    }
    println!("{lost}");
    Ok(())
}

/// Takes datagrams and keeps nothing: what the kernel and the processors allow.
struct Nothing;

impl DatagramSink for Nothing {
    fn take(&mut self, _: &[u8]) {}
}

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> i64 {
        1_795_478_401
    }
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn inside(folder: &Path) -> Result<()> {
    let path = folder.join("tlsrpt.sock");
    println!(
        "sessions: queue {QUEUE}, {SENDERS} senders on the same cores, a socket for each datagram of {} bytes",
        EVENT.len()
    );
    let nothing = Receiver::start(SessionSocket::bind(&path, 0o600)?, Nothing)?;
    println!("a receiver that keeps nothing");
    paced(&path)?;
    flood_and_bursts(&path, EVENTS)?;
    nothing.stop()?;
    std::fs::remove_file(&path)?;

    println!("tlsward, into the journal");
    let (journal, _) = Journal::open(&folder.join("journal"), Options::default(), Position::START)?;
    let intake = Intake::start(journal, IntakeOptions::default(), Box::new(|_, _| ()))?;
    let receiver = Receiver::start(SessionSocket::bind(&path, 0o600)?, intake.inlet(Arc::new(Fixed)))?;
    let lost_in_pace = paced(&path)?;
    let flooded = flood_and_bursts(&path, EVENTS)?;

    receiver.stop()?;
    println!("  memory   {} dropped because the disk stood still", intake.stats().dropped());
    let end = intake.stop().context("the journal's thread panicked")?.end();
    let mut reader = Reader::new(folder.join("journal"), Position::START);
    let (mut kept, mut wrong, mut damaged) = (0_u64, 0_u64, 0_u64);
    let begun = Instant::now();
    while reader.read(
        end,
        10_000,
        |record| {
            kept += 1;
            wrong += u64::from(datagram::read(record.payload).is_err());
        },
        |_| damaged += 1,
    )? > 0
    {}
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "  journal  {kept} records, read and understood at {:.0}/s, {wrong} wrong, {damaged} damaged",
        kept as f64 / seconds
    );
    let expected = EVENTS - lost_in_pace + flooded;
    if kept != expected || wrong + damaged > 0 {
        bail!("{kept} of {expected} datagrams are in the journal");
    }
    Ok(())
}

/// How many were lost.
#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn paced(path: &Path) -> Result<u64> {
    let begun = Instant::now();
    let lost = senders(path, SENDERS, EVENTS / SENDERS as u64, PACE / SENDERS as u64)?;
    let rate = EVENTS as f64 / begun.elapsed().as_secs_f64();
    println!("  pace     {rate:.0} datagrams/s sent, {lost} of {EVENTS} lost (EAGAIN)");
    Ok(lost)
}

/// How many datagrams came through.
#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn flood_and_bursts(path: &Path, events: u64) -> Result<u64> {
    let begun = Instant::now();
    let lost = senders(path, SENDERS, events / SENDERS as u64, 0)?;
    let seconds = begun.elapsed().as_secs_f64();
    let sent = events - lost;
    println!("  flood    {:.0} datagrams/s taken, {lost} of {events} lost (EAGAIN)", sent as f64 / seconds);

    let mut worst = Duration::ZERO;
    let mut lost_in_bursts = 0;
    for _ in 0..BURSTS {
        let begun = Instant::now();
        lost_in_bursts += senders(path, 1, BURST, 0)?;
        worst = worst.max(begun.elapsed());
    }
    let percent = lost_in_bursts as f64 * 100.0 / (BURSTS * BURST) as f64;
    println!(
        "  bursts   {BURSTS} of {BURST}: {lost_in_bursts} lost ({percent:.3} %), the slowest took {worst:?}"
    );
    Ok(sent + BURSTS * BURST - lost_in_bursts)
}

/// The peer's collector, as its manual starts it.
#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn theirs(folder: &Path, python: &Path) -> Result<()> {
    let path = folder.join("peer.sock");
    let mut command = Command::new(python.with_file_name("tlsrpt-collectd"));
    command.arg("--storage").arg(format!("sqlite:///{}", folder.join("peer.sqlite").display()));
    command.arg("--socketname").arg(&path).args(["--logfilename", "/dev/null", "--log_level", "error"]);
    let mut peer = Process::new(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
    let begun = Instant::now();
    while !path.exists() {
        peer.is_alive().with_context(|| format!("{PEER}: not measured"))?;
        if begun.elapsed() > Duration::from_secs(20) {
            bail!("{PEER} does not listen");
        }
        std::thread::yield_now();
    }
    println!("{PEER}, tlsrpt-collectd");
    flood_and_bursts(&path, EVENTS / 10)?;
    Ok(())
}

/// Runs sender processes to their end; how many datagrams were lost.
fn senders(path: &Path, count: usize, events: u64, pace: u64) -> Result<u64> {
    let start = || -> Result<_> {
        let program = std::env::current_exe()?;
        let mut command = Command::new(program);
        command.arg("send").arg(path).args([events.to_string(), pace.to_string()]);
        Ok(command.stdout(Stdio::piped()).spawn()?)
    };
    let children = (0..count).map(|_| start()).collect::<Result<Vec<_>>>()?;
    let mut lost = 0;
    for mut child in children {
        let mut told = String::new();
        child.stdout.take().context("no output")?.read_to_string(&mut told)?;
        if !child.wait()?.success() {
            bail!("a sender failed");
        }
        lost += told.trim().parse::<u64>()?;
    }
    Ok(lost)
}
