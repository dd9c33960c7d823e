//! The built binary as a server on free ports, and the plainest clients for it.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Long enough for a busy machine; a server that is silent for longer has failed.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Server {
    pub child: Child,
    pub web: String,
    pub post: String,
    pub mail: String,
}

impl Server {
    /// Writes a configuration with free ports into `folder`, where the data is too, and starts.
    pub fn start(folder: &Path) -> Self {
        Self::start_by(folder, Command::new(env!("CARGO_BIN_EXE_tlsward")))
    }

    /// As [`Server::start`], by a command that is to run the server.
    pub fn start_by(folder: &Path, mut command: Command) -> Self {
        let config = configuration(folder);
        let mut child = command
            .args(["serve", "--log", "warn", "--config"])
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let (mut web, mut post, mut mail) = (None, None, None);
        while web.is_none() || post.is_none() || mail.is_none() {
            let line = lines.next().expect("the server says where it is").expect("text");
            let place =
                |line: &str| line.split_whitespace().rev().find(|word| word.contains("127.0.0.1:")).map(bare);
            if line.contains("Pages") {
                web = place(&line);
            } else if line.contains("Reports by POST") {
                post = place(&line);
            } else if line.contains("Reports by mail") {
                mail = place(&line);
            }
        }
        let place = |found: Option<String>| found.expect("all three were told");
        Self { child, web: place(web), post: place(post), mail: place(mail) }
    }

    pub fn kill(&mut self) {
        self.child.kill().expect("a child of ours");
        self.child.wait().expect("a child of ours");
    }

    /// Asks for a clean stop and tells whether it was one.
    pub fn stop(&mut self) -> bool {
        let asked = Command::new("kill").arg(self.child.id().to_string()).status().expect("kill runs");
        asked.success() && self.child.wait().expect("a child of ours").success()
    }

    /// As [`Server::stop`], where the child is a tracer, which keeps signals for itself.
    pub fn stop_traced(&mut self) {
        let pid = self.child.id();
        let traced =
            std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("a tracer's child");
        let asked = Command::new("kill").args(traced.split_whitespace()).status().expect("kill runs");
        assert!(asked.success());
        self.child.wait().expect("a child of ours");
    }

    /// Status and body of a GET on the pages.
    pub fn get(&self, path: &str) -> (u16, String) {
        let mut stream = connect(&self.web);
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.web)
            .expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        (head[9..12].parse().expect("a status"), unchunked(head, body))
    }

    /// The value of a gauge.
    pub fn gauge(&self, name: &str) -> u64 {
        let (_, metrics) = self.get("/metrics");
        let line =
            metrics.lines().find(|line| line.starts_with(&format!("{name} "))).expect("the gauge is there");
        line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number")
    }

    /// Waits until every kept mail has its verdict: asks, again and again, a bounded number of times.
    pub fn settled(&self) {
        assert!((0..20_000).any(|_| self.gauge("tlsward_pending") == 0), "mail stays without a verdict");
    }

    /// The `report-id`s of all reports, as the API lists them.
    pub fn report_ids(&self) -> Vec<String> {
        let mut ids = Vec::new();
        let mut path = "/api/v1/reports?limit=1000".to_owned();
        loop {
            let (status, body) = self.get(&path);
            assert_eq!(status, 200, "{body}");
            let page: serde_json::Value = serde_json::from_str(&body).expect("JSON");
            for item in page["items"].as_array().expect("items") {
                ids.push(item["report_id"].as_str().unwrap_or_default().to_owned());
            }
            match page["next_cursor"].as_str() {
                Some(cursor) => path = format!("/api/v1/reports?limit=1000&cursor={cursor}"),
                None => return ids,
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn bare(word: &str) -> String {
    word.trim_start_matches("http://").split('/').next().unwrap_or_default().to_owned()
}

fn unchunked(head: &str, body: &str) -> String {
    if !head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        return body.to_owned();
    }
    let (mut out, mut rest) = (String::new(), body);
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        if size == 0 {
            break;
        }
        out.push_str(&after[..size]);
        rest = after[size..].trim_start_matches("\r\n");
    }
    out
}

fn configuration(folder: &Path) -> PathBuf {
    let file = folder.join("tlsward.toml");
    let listen = "listen = \"127.0.0.1:0\"\n";
    let text =
        format!("data_dir = \"data\"\n[web]\n{listen}[receive.https]\n{listen}[receive.smtp]\n{listen}");
    std::fs::write(&file, text).expect("a folder of ours");
    file
}

pub fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    stream.set_write_timeout(Some(PATIENCE)).expect("a socket");
    stream.set_nodelay(true).expect("a socket");
    stream
}

/// A report with this id.
pub fn report(id: &str) -> String {
    serde_json::json!({
        "organization-name": "Example Reporter",
        "date-range": {"start-datetime": "2026-10-01T00:00:00Z", "end-datetime": "2026-10-01T23:59:59Z"},
        "contact-info": "tlsrpt@reporter.example",
        "report-id": id,
        "policies": [{
            "policy": {"policy-type": "sts", "policy-domain": "recv.example"},
            "summary": {"total-successful-session-count": 9, "total-failure-session-count": 1},
            "failure-details": [{"result-type": "certificate-expired", "receiving-mx-hostname": "mx.recv.example",
                                 "failed-session-count": 1}],
        }],
    })
    .to_string()
}

/// Posts over a connection that stays open; the status, or `None` if the connection broke.
pub fn post(stream: &mut TcpStream, body: &[u8]) -> Option<u16> {
    let head = format!(
        "POST /v1/tlsrpt HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/tlsrpt+json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).ok()?;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        answer.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_ascii_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))?
            .trim()
            .parse::<usize>()
            .ok()?;
        if body.len() >= length {
            return head[9..12].parse().ok();
        }
    }
}

/// A session of mail that stays open.
pub struct Mailer {
    stream: TcpStream,
    lines: BufReader<TcpStream>,
}

impl Mailer {
    pub fn connect(address: &str) -> Option<Self> {
        let stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let lines = BufReader::new(stream.try_clone().ok()?);
        let mut mailer = Self { stream, lines };
        mailer.reply()?;
        mailer.say("EHLO client.example\r\n")?;
        Some(mailer)
    }

    /// Hands over a mail with this report; the reply's code, or `None` if the connection broke.
    pub fn send(&mut self, json: &str) -> Option<u16> {
        self.say("MAIL FROM:<tlsrpt@reporter.example>\r\n")?;
        self.say("RCPT TO:<tlsrpt@recv.example>\r\n")?;
        self.say("DATA\r\n")?;
        self.say(&format!(
            "From: tlsrpt@reporter.example\r\nTo: tlsrpt@recv.example\r\nSubject: Report\r\nMIME-Version: 1.0\r\n\
             Content-Type: application/tlsrpt+json\r\n\r\n{json}\r\n.\r\n"
        ))
    }

    fn say(&mut self, text: &str) -> Option<u16> {
        self.stream.write_all(text.as_bytes()).ok()?;
        self.reply()
    }

    fn reply(&mut self) -> Option<u16> {
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return line.get(..3)?.parse().ok();
            }
        }
    }
}
