//! `tlsward serve` as a service manager runs it: on sockets that were opened beforehand, and telling how it does.

#![expect(clippy::unwrap_used, reason = "a test whose world cannot be set up fails")]

#[expect(dead_code, reason = "each test program uses its own part")]
mod program;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use program::tlsward;
use rustix::process::{Pid, Signal, kill_process};

/// Longer than anything takes: only a test that fails waits so long.
const PATIENCE: Duration = Duration::from_secs(60);
const PAGES: &str = "data_dir = 'data'\n[web]\nlisten = '127.0.0.1:0'\n";

/// A child that is killed when dropped.
struct Running(Child);

impl Running {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    fn stop(mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.0.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn configured(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tlsward.toml");
    fs::write(&file, text).unwrap();
    (folder, file)
}

/// A shell hands the socket on from its standard input as the first descriptor, under its own process id.
fn activated(socket: &TcpListener, name: &str, config: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "export LISTEN_PID=$$; exec \"$@\" 3<&0 0</dev/null",
        "sh",
        env!("CARGO_BIN_EXE_tlsward"),
    ]);
    command.args(["serve", "--config"]).arg(config).env_remove("TLSWARD_CONFIG");
    command.env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", name);
    command.stdin(Stdio::from(OwnedFd::from(socket.try_clone().unwrap())));
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn ask(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let host = stream.peer_addr().unwrap();
    write!(stream, "GET /readyz HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
}

#[test]
fn whoever_comes_before_the_server_is_served_by_the_socket_that_was_opened_for_it() {
    let (_folder, config) = configured(PAGES);
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    // Twice: the socket outlives a restart. By its name, then by its address.
    let by_address = PAGES.replace("127.0.0.1:0", &socket.local_addr().unwrap().to_string());
    for (name, text) in [("web", PAGES), ("tlsward.socket", &by_address)] {
        fs::write(&config, text).unwrap();
        let mut early = TcpStream::connect(socket.local_addr().unwrap()).unwrap();
        ask(&mut early);
        let server = Running(activated(&socket, name, &config).spawn().unwrap());
        let mut answer = String::new();
        early.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") || answer.starts_with("HTTP/1.1 503"), "{name}: {answer}");
        assert_eq!(server.stop(), Some(0), "{name}");
    }
}

#[test]
fn a_socket_that_fits_nowhere_or_would_expose_something_is_named() {
    let (_folder, config) = configured(PAGES);
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut child = activated(&socket, "nonsense", &config).spawn().unwrap();
    let log = BufReader::new(child.stderr.take().unwrap());
    let server = Running(child);
    let told =
        log.lines().map_while(Result::ok).find(|line| line.contains("no part of the configuration takes"));
    assert!(told.unwrap().contains("nonsense"));
    drop(server);

    let open = TcpListener::bind("0.0.0.0:0").unwrap();
    let output = activated(&open, "web", &config).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && text.contains("loopback address only"), "{text}");
}

#[test]
fn the_service_manager_is_told_of_start_life_reload_and_end() {
    let (folder, config) = configured(PAGES);
    let path = folder.path().join("notify.sock");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let next = |wanted: &str| loop {
        let mut buffer = [0; 256];
        let length = manager.recv(&mut buffer).unwrap_or_else(|error| panic!("no {wanted}: {error}"));
        let text = String::from_utf8(buffer[..length].to_vec()).unwrap();
        if text.starts_with(wanted) {
            return text;
        }
        assert!(text.starts_with("WATCHDOG=1"), "{text} instead of {wanted}");
    };
    let mut command = tlsward();
    command.args(["serve", "--config"]).arg(&config).stdin(Stdio::null()).stdout(Stdio::null());
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");
    let server = Running(command.spawn().unwrap());
    next("READY=1");
    next("WATCHDOG=1");
    next("WATCHDOG=1");
    server.signal(Signal::HUP);
    let reloading = next("RELOADING=1");
    let (_, since) = reloading.trim_end().split_once("\nMONOTONIC_USEC=").unwrap();
    assert!(since.parse::<u64>().unwrap() > 0);
    next("READY=1");
    server.signal(Signal::TERM);
    next("STOPPING=1");
}
