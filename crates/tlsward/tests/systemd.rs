//! `tlsward serve` as a service manager runs it: on sockets that were opened beforehand, and telling how it does.

#![expect(clippy::unwrap_used, reason = "a test whose world cannot be set up fails")]

#[expect(dead_code, reason = "each test program uses its own part")]
mod program;
#[expect(dead_code, reason = "each test program uses its own part")]
#[path = "program/server.rs"]
mod server;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use program::tlsward;
use rustix::process::Signal;
use server::{PATIENCE, Server};

const PAGES: &str = "data_dir = 'data'\n[web]\nlisten = '127.0.0.1:0'\n";

fn configured(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tlsward.toml");
    fs::write(&file, text).unwrap();
    (folder, file)
}

/// A shell hands the socket on from its standard input as the first descriptor, under its own process id.
fn activated(socket: &TcpListener, name: &str) -> Command {
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "export LISTEN_PID=$$; exec \"$@\" 3<&0 0</dev/null",
        "sh",
        env!("CARGO_BIN_EXE_tlsward"),
    ]);
    command.env_remove("TLSWARD_CONFIG");
    command.env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", name);
    command.stdin(Stdio::from(OwnedFd::from(socket.try_clone().unwrap())));
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
        let server = Server::start_by(activated(&socket, name), &config);
        let mut answer = String::new();
        early.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") || answer.starts_with("HTTP/1.1 503"), "{name}: {answer}");
        server.stop();
    }
}

#[test]
fn a_socket_that_fits_nowhere_or_would_expose_something_is_named() {
    let (_folder, config) = configured(PAGES);
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::start_by(activated(&socket, "nonsense"), &config);
    let told = server.wait_for("no part of the configuration takes");
    assert!(told.contains("nonsense"), "{told}");
    drop(server);

    let open = TcpListener::bind("0.0.0.0:0").unwrap();
    let output = activated(&open, "web").args(["serve", "--config"]).arg(&config).output().unwrap();
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
    command.stdin(Stdio::null()).env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");
    let server = Server::start_by(command, &config);
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
