//! `tlsward serve`, from the outside: it starts, takes reports on every road, shows them, reloads, and stops.

#![expect(clippy::unwrap_used, reason = "a test whose world cannot be set up fails")]

#[expect(dead_code, reason = "each test program uses its own part")]
mod program;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use program::{feed, fixtures, tlsward};
use rustix::process::{Pid, Signal, kill_process};

/// Longer than anything takes: only a test that fails waits so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server, killed when dropped.
struct Server {
    child: Child,
    out: Receiver<String>,
    err: Receiver<String>,
    /// What it said when it started.
    greeting: String,
}

/// Every line of a stream, as it comes.
fn follow(stream: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    lines
}

impl Server {
    fn start(config: &Path) -> Self {
        let mut child = tlsward()
            .arg("serve")
            .arg("--config")
            .arg(config)
            .args(["--log", "debug"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let out = follow(child.stdout.take().unwrap());
        let err = follow(child.stderr.take().unwrap());
        let mut server = Self { child, out, err, greeting: String::new() };
        loop {
            match server.out.recv_timeout(PATIENCE) {
                Ok(line) if line.starts_with("Ctrl-C") => return server,
                Ok(line) => server.greeting.push_str(&format!("{line}\n")),
                Err(_) => panic!("no greeting: {:?}", server.err.try_iter().collect::<Vec<_>>()),
            }
        }
    }

    /// What the greeting says after these words.
    fn place(&self, what: &str) -> &str {
        let line = self.greeting.lines().find_map(|line| line.trim_start().strip_prefix(what));
        line.expect(what).trim()
    }

    fn pages(&self) -> String {
        self.place("Pages").trim_start_matches("http://").trim_end_matches('/').to_owned()
    }

    fn post_address(&self) -> String {
        self.place("Reports by POST").trim_start_matches("http://").trim_end_matches("/v1/tlsrpt").to_owned()
    }

    /// Waits until the log says this.
    fn wait_for(&self, part: &str) {
        loop {
            let line =
                self.err.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("the log never said {part}"));
            if line.contains(part) {
                return;
            }
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Stops it as a service manager does; how it ended, and its last words.
    fn stop(mut self) -> (Option<i32>, String) {
        self.signal(Signal::TERM);
        let ended = self.child.wait().unwrap();
        (ended.code(), self.err.iter().collect::<Vec<_>>().join("\n"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One HTTP request; status and body.
fn http(address: &str, head: &str, body: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        stream,
        "{head}\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .unwrap();
    stream.write_all(body).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

fn get(address: &str, path: &str) -> (u16, String) {
    http(address, &format!("GET {path} HTTP/1.1"), b"")
}

fn post(address: &str, report: &str) -> u16 {
    let report = fs::read(fixtures().join(report)).unwrap();
    http(address, "POST /v1/tlsrpt HTTP/1.1\r\ncontent-type: application/tlsrpt+json", &report).0
}

/// Sends a mail; the reply to its end.
fn mail(address: &str, body: &str) -> String {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let mut reply = || loop {
        let line = lines.next().unwrap().unwrap();
        if line.as_bytes().get(3) != Some(&b'-') {
            return line;
        }
    };
    let mut stream = stream;
    let mut say = |line: &str| write!(stream, "{line}\r\n").unwrap();
    assert!(reply().starts_with("220 "));
    for line in ["EHLO client.example", "MAIL FROM:<tls@calm.example>", "RCPT TO:<tlsrpt@example.com>"] {
        say(line);
        assert!(reply().starts_with("250 "), "{line}");
    }
    say("DATA");
    assert!(reply().starts_with("354 "));
    say(&format!("{}\r\n.", body.replace('\n', "\r\n")));
    let kept = reply();
    say("QUIT");
    kept
}

/// The first mail of the mailbox fixture.
fn report_mail() -> String {
    let mailbox = fs::read_to_string(fixtures().join("two.mbox")).unwrap();
    let first = mailbox.split("\nFrom someone@").next().unwrap();
    first.split_once('\n').unwrap().1.to_owned()
}

const ANY_PORT: &str = "data_dir = 'data'\n[web]\nlisten = '127.0.0.1:0'\n[receive.https]\nlisten = '127.0.0.1:0'\n[receive.smtp]\nlisten = '127.0.0.1:0'\n";

fn configured(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tlsward.toml");
    fs::write(&file, text).unwrap();
    (folder, file)
}

fn ids(pages: &str) -> Vec<String> {
    let (status, body) = get(pages, "/api/v1/reports");
    assert_eq!(status, 200, "{body}");
    let list: serde_json::Value = serde_json::from_str(&body).unwrap();
    let items = list["items"].as_array().unwrap();
    items.iter().map(|item| item["report_id"].as_str().unwrap().to_owned()).collect()
}

/// Proves: J1, J2, R3
#[test]
fn reports_on_every_road_are_taken_shown_and_there_after_a_restart() {
    let (folder, file) = configured(ANY_PORT);
    let server = Server::start(&file);
    let pages = server.pages();
    assert_eq!(get(&pages, "/readyz").0, 200);
    assert_eq!(get(&pages, "/healthz").0, 200);
    assert_eq!(get(&pages, "/").0, 200);

    assert_eq!(post(&server.post_address(), "clean.json"), 201);
    assert_eq!(post(&server.post_address(), "clean.json"), 200, "a copy");
    assert_eq!(post(&server.post_address(), "no-report.json"), 202, "kept and set aside");
    let smtp = server.place("Reports by mail").split(' ').next().unwrap().to_owned();
    let kept = mail(&smtp, &report_mail());
    assert!(kept.starts_with("250 "), "{kept}");
    server.wait_for("mail filed");
    let piped = feed(
        tlsward().args(["receive", "--config"]).arg(&file),
        report_mail().replace("calm-2", "calm-3").as_bytes(),
    );
    assert_eq!((piped.code, piped.err.as_str()), (Some(0), ""));
    server.wait_for("mail filed");
    assert_eq!(ids(&pages), ["calm-3", "calm-2", "calm-1"]);
    let metrics = get(&pages, "/metrics").1;
    for (road, outcome, count) in [
        ("https", "stored", 1),
        ("https", "duplicate", 1),
        ("https", "set-aside", 1),
        ("smtp", "stored", 1),
        ("pipe", "stored", 1),
    ] {
        let line = format!("tlsward_intake_receipts_total{{road=\"{road}\",outcome=\"{outcome}\"}} {count}");
        assert!(metrics.contains(&line), "{line}\n{metrics}");
    }

    let mode = fs::metadata(folder.path().join("data")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let (code, last_words) = server.stop();
    assert_eq!(code, Some(0), "{last_words}");
    assert!(!folder.path().join("data/control.sock").exists());

    let server = Server::start(&file);
    assert_eq!(ids(&server.pages()), ["calm-3", "calm-2", "calm-1"]);
    server.signal(Signal::INT);
    let mut server = server;
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

#[test]
fn mail_received_while_no_server_runs_waits_in_the_spool_folder() {
    let (folder, file) = configured(ANY_PORT);
    let spooled = feed(tlsward().args(["receive", "--config"]).arg(&file), report_mail().as_bytes());
    assert_eq!((spooled.code, spooled.err.as_str()), (Some(0), ""));
    let spool = folder.path().join("data/spool");
    assert_eq!(fs::read_dir(&spool).unwrap().count(), 1);
    let server = Server::start(&file);
    server.wait_for("mail filed");
    assert_eq!(ids(&server.pages()), ["calm-2"]);
    assert_eq!(server.stop().0, Some(0));
    assert_eq!(fs::read_dir(&spool).unwrap().count(), 0);
}

#[test]
fn a_mail_that_cannot_be_kept_is_for_later() {
    let (folder, file) = configured(ANY_PORT);
    // A file stands where the data folder should be.
    fs::write(folder.path().join("data"), "").unwrap();
    let later = feed(tlsward().args(["receive", "--config"]).arg(&file), report_mail().as_bytes());
    assert_eq!(later.code, Some(75), "{}", later.err);
    let wrong = feed(tlsward().args(["receive", "--config", "/nonexistent.toml"]), b"From: x\n\nx");
    assert_eq!(wrong.code, Some(75), "{}", wrong.err);
    let huge = feed(tlsward().args(["receive", "--config"]).arg(&file), &vec![b'x'; (32 << 20) + 1]);
    assert_eq!(huge.code, Some(65), "{}", huge.err);
}

#[test]
fn a_second_server_on_the_same_data_or_address_says_what_is_taken() {
    let (_folder, file) = configured(ANY_PORT);
    let server = Server::start(&file);
    let second = feed(tlsward().args(["serve", "--config"]).arg(&file), b"");
    assert_eq!(second.code, Some(1));
    assert!(second.err.contains("tlsward.db"), "{}", second.err);

    let taken = server.pages();
    let (_other, file) = configured(&format!("[web]\nlisten = '{taken}'\n"));
    let third = feed(tlsward().args(["serve", "--config"]).arg(&file), b"");
    assert_eq!(third.code, Some(1));
    assert!(third.err.contains(&format!("cannot listen on {taken} for the pages")), "{}", third.err);
    assert!(third.err.contains("[web]") && third.err.contains("ss -ltnp"), "{}", third.err);
}

#[test]
fn a_reload_keeps_the_server_running_whatever_the_file_says() {
    let (_folder, file) = configured(ANY_PORT);
    let server = Server::start(&file);
    fs::write(&file, format!("{ANY_PORT}[nonsense]\n")).unwrap();
    server.signal(Signal::HUP);
    server.wait_for("unknown table [nonsense]");
    fs::write(&file, format!("{ANY_PORT}recipients = ['example.com']\n")).unwrap();
    server.signal(Signal::HUP);
    server.wait_for("receive.smtp");
    server.wait_for("configuration read again");
    assert_eq!(get(&server.pages(), "/readyz").0, 200);
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn managed_domains_are_taken_from_the_configuration_without_a_restart() {
    let managing = |domain: &str| format!("{ANY_PORT}[receive]\ndomains = ['{domain}']\n");
    let (_folder, file) = configured(&managing("other.example"));
    let server = Server::start(&file);
    assert_eq!(post(&server.post_address(), "clean.json"), 202, "set aside");
    fs::write(&file, managing("example.com")).unwrap();
    server.signal(Signal::HUP);
    server.wait_for("other domains are managed from now on");
    assert_eq!(post(&server.post_address(), "clean.json"), 201);
    let smtp = server.place("Reports by mail").split(' ').next().unwrap().to_owned();
    assert!(mail(&smtp, &report_mail()).starts_with("250 "));
    server.wait_for("mail filed");
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn only_roles_whose_tables_are_present_run() {
    let (_folder, file) = configured("data_dir = 'data'\n[receive.https]\nlisten = '127.0.0.1:0'\n");
    let server = Server::start(&file);
    assert!(
        !server.greeting.contains("Pages") && !server.greeting.contains("by mail"),
        "{}",
        server.greeting
    );
    assert_eq!(post(&server.post_address(), "clean.json"), 201);
    assert_eq!(server.stop().0, Some(0));
}

/// Proves: R8
#[test]
fn reports_for_other_domains_are_set_aside_once_domains_are_managed() {
    let managed = format!("{ANY_PORT}[receive]\ndomains = ['example.net']\n");
    let (_folder, file) = configured(&managed);
    let server = Server::start(&file);
    assert_eq!(post(&server.post_address(), "clean.json"), 202);
    let (status, body) = get(&server.pages(), "/api/v1/set-aside");
    assert_eq!(status, 200);
    assert!(body.contains("unmanaged-domain"), "{body}");
    assert!(ids(&server.pages()).is_empty());
}
