//! Intake over HTTP keep-alive into SQLite: reports a second, acknowledged (so: synced) and counted again by a query.
//!
//! Starts the release binary on loopback with an empty store, sends different reports over connections that each
//! have one request outstanding, and asks the server afterwards how many it holds. Load generator and server share
//! the machine.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bench::process::{self, Process};
use bench::{now, reports};

const CONNECTIONS: usize = 256;
const THREADS: usize = 2;
const REPORTS: usize = 200_000;

#[expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
fn main() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("tlsward-intake-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let outcome = measure(&folder);
    std::fs::remove_dir_all(&folder)?;
    let (seconds, cpu, held) = outcome?;
    println!("intake over HTTP keep-alive, {CONNECTIONS} connections, one request outstanding on each");
    println!(
        "  {:.0} reports/s: {REPORTS} acknowledged in {seconds:.2} s, {held} counted by the server; {:.0} µs CPU of our process each",
        REPORTS as f64 / seconds,
        cpu * 1e6 / REPORTS as f64
    );
    if held != REPORTS as u64 {
        bail!("{held} of {REPORTS} reports are there");
    }
    Ok(())
}

fn measure(folder: &Path) -> Result<(f64, f64, u64)> {
    let config = folder.join("tlsward.toml");
    std::fs::write(
        &config,
        "data_dir = \"data\"\n[web]\nlisten = \"127.0.0.1:0\"\n[receive.https]\nlisten = \"127.0.0.1:0\"\n",
    )?;
    let server = Server::start(&config)?;
    let requests: Vec<Vec<Vec<u8>>> = (0..THREADS)
        .map(|thread| {
            (thread..REPORTS).step_by(THREADS).map(|number| request(&server.post, number)).collect()
        })
        .collect();
    let began = now();
    std::thread::scope(|scope| -> Result<()> {
        let runs: Vec<_> = requests
            .iter()
            .map(|requests| scope.spawn(|| send(&server.post, requests, CONNECTIONS / THREADS)))
            .collect();
        for run in runs {
            run.join().map_err(|_| anyhow::anyhow!("a sender panicked"))??;
        }
        Ok(())
    })?;
    let seconds = began.elapsed().as_secs_f64();
    let cpu = server.process.cpu_seconds()?;
    Ok((seconds, cpu, server.held()?))
}

fn request(host: &str, number: usize) -> Vec<u8> {
    let body = reports::report(number, number % 4);
    format!(
        "POST /v1/tlsrpt HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/tlsrpt+json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// One request on each connection, then the answers, again and again.
fn send(address: &str, requests: &[Vec<u8>], connections: usize) -> Result<()> {
    let mut streams = Vec::new();
    for _ in 0..connections {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        streams.push(stream);
    }
    let mut buffer = vec![0u8; 4096];
    for round in requests.chunks(connections) {
        for (stream, request) in streams.iter_mut().zip(round) {
            stream.write_all(request)?;
        }
        for stream in streams.iter_mut().take(round.len()) {
            read_answer(stream, &mut buffer)?;
        }
    }
    Ok(())
}

fn read_answer(stream: &mut TcpStream, buffer: &mut [u8]) -> Result<()> {
    let mut length = 0;
    loop {
        let count = stream.read(&mut buffer[length..])?;
        if count == 0 {
            bail!("the server closed a connection");
        }
        length += count;
        let text = std::str::from_utf8(&buffer[..length])?;
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        if !head.starts_with("HTTP/1.1 201") {
            bail!("not stored: {head}\n{body}");
        }
        let wanted: usize = head
            .lines()
            .find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("content-length:").map(|rest| rest.trim().to_owned())
            })
            .context("an answer without length")?
            .parse()?;
        if body.len() >= wanted {
            return Ok(());
        }
    }
}

struct Server {
    process: Process,
    web: String,
    post: String,
}

impl Server {
    fn start(config: &Path) -> Result<Self> {
        let mut command = process::tlsward()?;
        command.args(["serve", "--log", "warn", "--config"]).arg(config).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let mut lines = BufReader::new(child.stdout.take().context("no output")?).lines();
        let process = Process::new(child);
        let (mut web, mut post) = (None, None);
        while web.is_none() || post.is_none() {
            let line = lines.next().context("the server ended")??;
            for word in line.split_whitespace() {
                let Some(rest) = word.strip_prefix("http://") else { continue };
                let address = rest.split('/').next().unwrap_or_default().to_owned();
                if rest.contains("/v1/tlsrpt") { post = Some(address) } else { web = web.or(Some(address)) }
            }
        }
        Ok(Self { process, web: web.unwrap_or_default(), post: post.unwrap_or_default() })
    }

    /// How many reports a query finds.
    fn held(&self) -> Result<u64> {
        let mut stream = TcpStream::connect(&self.web)?;
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.web)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let line = answer
            .lines()
            .find(|line| line.starts_with("tlsward_reports "))
            .context("no count of reports")?;
        Ok(line.rsplit(' ').next().unwrap_or_default().parse()?)
    }
}
