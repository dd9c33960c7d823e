//! `tlsward serve --demo`, from the outside: without network, within seconds, there is much to look at, and it lives.

#![expect(clippy::unwrap_used, reason = "a test whose world cannot be set up fails")]

#[expect(dead_code, reason = "each test program uses its own part")]
mod program;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use program::tlsward;
use rustix::process::{Pid, Signal, kill_process};

/// What is promised: pages that live, so soon after the start.
const SOON: Duration = Duration::from_secs(10);
/// Longer than anything takes: only a test that fails waits so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A demonstration, killed when dropped.
struct Demo {
    child: Child,
    pages: String,
    greeting: String,
}

impl Demo {
    fn start(config: &Path) -> Self {
        let mut child = tlsward()
            .args(["serve", "--demo", "--log", "warn", "--config"])
            .arg(config)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut demo = Self { child, pages: String::new(), greeting: String::new() };
        loop {
            let line = lines.recv_timeout(PATIENCE).expect("it says where it is");
            if line.starts_with("Ctrl-C") {
                break;
            }
            demo.greeting.push_str(&format!("{line}\n"));
        }
        demo.pages = demo.place("Pages").trim_start_matches("http://").trim_end_matches('/').to_owned();
        demo
    }

    /// What the greeting says after these words.
    fn place(&self, what: &str) -> String {
        let line = self.greeting.lines().find_map(|line| line.trim_start().strip_prefix(what));
        line.expect(what).trim().to_owned()
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.pages).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\nhost: {}\r\n\r\n", self.pages).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(head.split(' ').nth(1), Some("200"), "{path}: {head}");
        body.to_owned()
    }

    fn items(&self, path: &str) -> Vec<serde_json::Value> {
        let list: serde_json::Value = serde_json::from_str(&self.get(path)).unwrap();
        list["items"].as_array().unwrap().clone()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A configuration with data of its own, and every role that could reach out.
fn configured() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tlsward.toml");
    let listen = "listen = '127.0.0.1:0'\n";
    let text = format!(
        "data_dir = 'data'\n[web]\n{listen}[receive.https]\n{listen}[receive.smtp]\n{listen}\
         [check]\ndomains = ['example.com']\n"
    );
    fs::write(&file, text).unwrap();
    (folder, file)
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the promise is one of time")]
fn within_ten_seconds_there_are_weeks_of_a_dozen_domains_and_reports_go_on_arriving() {
    let begun = Instant::now();
    let (folder, file) = configured();
    let mut demo = Demo::start(&file);
    let domains = demo.items("/api/v1/domains");
    let took = begun.elapsed();
    assert!(domains.len() >= 10, "{domains:?}");
    assert!(took < SOON, "{took:?}");
    assert!(demo.greeting.contains("made up"), "{}", demo.greeting);
    assert!(!demo.greeting.contains("by POST") && !demo.greeting.contains("by mail"), "{}", demo.greeting);

    let front = demo.get("/?days=90");
    for part in ["Demonstration: all of this is made up", "bakery.example", "attic.example"] {
        assert!(front.contains(part), "{part}");
    }
    assert!(demo.get("/domains/bakery.example").contains("certificate"));
    let checks = demo.get("/checks");
    for part in ["at-risk", "refused", "broken", "delivers", "orchard.example"] {
        assert!(checks.contains(part), "{part}");
    }
    assert!(demo.get("/checks/orchard.example").contains("mx3.orchard.example"));
    let policies = demo.get("/policies");
    for part in ["accounts.example.net", "To be looked at", "testing", "secure"] {
        assert!(policies.contains(part), "{part}");
    }
    for state in ["waiting", "sent", "skipped", "given-up"] {
        assert!(!demo.items(&format!("/api/v1/outgoing?state={state}")).is_empty(), "{state}");
    }
    let failed = demo.items("/api/v1/outgoing?domain=supplier.example.net&limit=1")[0]["failed"].as_u64();
    assert!(failed > Some(0), "{failed:?}");
    assert!(demo.get("/sessions").contains("customer.example.org"));
    let reasons = demo.items("/api/v1/set-aside");
    assert!(reasons.len() > 5, "{reasons:?}");

    // The newest of the list changes when a report arrives; each answer takes time, so this is bounded by the clock.
    let newest = |demo: &Demo| demo.items("/api/v1/reports?limit=1")[0]["id"].clone();
    let before = newest(&demo);
    let asked = Instant::now();
    while newest(&demo) == before {
        assert!(asked.elapsed() < PATIENCE, "no report arrives");
    }

    let database = PathBuf::from(demo.place("Database"));
    assert!(database.is_file());
    kill_process(Pid::from_child(&demo.child), Signal::TERM).unwrap();
    assert_eq!(demo.child.wait().unwrap().code(), Some(0));
    assert!(!database.parent().unwrap().exists(), "the temporary folder goes");
    assert!(!folder.path().join("data").exists(), "the folder of the configuration is not touched");
}
