//! `tlsward serve`, from the outside: it starts, takes reports on every road, shows them, reloads, and stops.

#![expect(clippy::unwrap_used, reason = "a test whose world cannot be set up fails")]

#[expect(dead_code, reason = "each test program uses its own part")]
mod program;
#[expect(dead_code, reason = "each test program uses its own part")]
#[path = "program/server.rs"]
mod server;

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;

use program::{feed, fixtures, tlsward};
use rustix::process::Signal;
use server::{PATIENCE, Server};

fn get(server: &Server, path: &str) -> (u16, String) {
    server.http("Pages", &format!("GET {path} HTTP/1.1"), b"")
}

fn post(server: &Server, report: &str) -> u16 {
    let report = fs::read(fixtures().join(report)).unwrap();
    let head = "POST /v1/tlsrpt HTTP/1.1\r\ncontent-type: application/tlsrpt+json";
    server.http("Reports by POST", head, &report).0
}

/// Sends a mail; the reply to its end.
fn mail(server: &Server, body: &str) -> String {
    let stream = TcpStream::connect(server.address("Reports by mail")).unwrap();
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

fn ids(server: &Server) -> Vec<String> {
    let list = server.asked("reports");
    let items = list["items"].as_array().unwrap();
    items.iter().map(|item| item["report_id"].as_str().unwrap().to_owned()).collect()
}

/// Proves: J1, J2, R3
#[test]
fn reports_on_every_road_are_taken_shown_and_there_after_a_restart() {
    let (folder, file) = configured(ANY_PORT);
    let server = Server::start(&file);
    assert_eq!(get(&server, "/readyz").0, 200);
    assert_eq!(get(&server, "/healthz").0, 200);
    assert_eq!(get(&server, "/").0, 200);

    assert_eq!(post(&server, "clean.json"), 201);
    assert_eq!(post(&server, "clean.json"), 200, "a copy");
    assert_eq!(post(&server, "no-report.json"), 202, "kept and set aside");
    let kept = mail(&server, &report_mail());
    assert!(kept.starts_with("250 "), "{kept}");
    server.wait_for("mail filed");
    let piped = feed(
        tlsward().args(["receive", "--config"]).arg(&file),
        report_mail().replace("calm-2", "calm-3").as_bytes(),
    );
    assert_eq!((piped.code, piped.err.as_str()), (Some(0), ""));
    server.wait_for("mail filed");
    assert_eq!(ids(&server), ["calm-3", "calm-2", "calm-1"]);
    let metrics = server.metrics();
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
    server.stop();
    assert!(!folder.path().join("data/control.sock").exists());

    let server = Server::start(&file);
    assert_eq!(ids(&server), ["calm-3", "calm-2", "calm-1"]);
    server.signal(Signal::INT);
    server.ended();
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
    assert_eq!(ids(&server), ["calm-2"]);
    server.stop();
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

    let taken = server.address("Pages");
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
    assert_eq!(get(&server, "/readyz").0, 200);
    server.stop();
}

#[test]
fn managed_domains_are_taken_from_the_configuration_without_a_restart() {
    let managing = |domain: &str| format!("{ANY_PORT}[receive]\ndomains = ['{domain}']\n");
    let (_folder, file) = configured(&managing("other.example"));
    let server = Server::start(&file);
    assert_eq!(post(&server, "clean.json"), 202, "set aside");
    fs::write(&file, managing("example.com")).unwrap();
    server.signal(Signal::HUP);
    server.wait_for("other domains are managed from now on");
    assert_eq!(post(&server, "clean.json"), 201);
    assert!(mail(&server, &report_mail()).starts_with("250 "));
    server.wait_for("mail filed");
    server.stop();
}

#[test]
fn only_roles_whose_tables_are_present_run() {
    let (_folder, file) = configured("data_dir = 'data'\n[receive.https]\nlisten = '127.0.0.1:0'\n");
    let server = Server::start(&file);
    let greeting = server.greeting();
    assert!(!greeting.contains("Pages") && !greeting.contains("by mail"), "{greeting}");
    assert_eq!(post(&server, "clean.json"), 201);
    server.stop();
}

/// Proves: R8
#[test]
fn reports_for_other_domains_are_set_aside_once_domains_are_managed() {
    let managed = format!("{ANY_PORT}[receive]\ndomains = ['example.net']\n");
    let (_folder, file) = configured(&managed);
    let server = Server::start(&file);
    assert_eq!(post(&server, "clean.json"), 202);
    let (status, body) = get(&server, "/api/v1/set-aside");
    assert_eq!(status, 200);
    assert!(body.contains("unmanaged-domain"), "{body}");
    assert!(ids(&server).is_empty());
}
