//! The built program as a server: started, asked, killed and stopped.

use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::program::tlsward;

/// Longer than anything takes: only a test that fails waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// A running server, killed when dropped.
pub(crate) struct Server {
    child: Child,
    err: Receiver<String>,
    greeting: String,
}

/// Every line of a stream, as it comes.
fn follow(stream: impl Read + Send + 'static) -> Receiver<String> {
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
    /// Starts it with this configuration, and waits until it says where it is.
    pub(crate) fn start(config: &Path) -> Self {
        let mut command = tlsward();
        command.stdin(Stdio::null());
        Self::start_by(command, config)
    }

    /// As [`Server::start`], by a command that runs the program.
    pub(crate) fn start_by(mut command: Command, config: &Path) -> Self {
        command.arg("serve").arg("--config").arg(config).args(["--log", "debug"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let out = follow(child.stdout.take().expect("it is piped"));
        let err = follow(child.stderr.take().expect("it is piped"));
        let mut server = Self { child, err, greeting: String::new() };
        loop {
            match out.recv_timeout(PATIENCE) {
                Ok(line) if line.starts_with("Ctrl-C") => return server,
                Ok(line) => server.greeting.push_str(&format!("{line}\n")),
                Err(_) => panic!("no greeting: {:#?}", server.err.try_iter().collect::<Vec<_>>()),
            }
        }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it said when it started.
    pub(crate) fn greeting(&self) -> &str {
        &self.greeting
    }

    /// What the greeting says after these words, line by line.
    pub(crate) fn places(&self, what: &str) -> Vec<&str> {
        self.greeting.lines().filter_map(|line| line.trim_start().strip_prefix(what)).map(str::trim).collect()
    }

    /// The same where it is one.
    pub(crate) fn place(&self, what: &str) -> &str {
        self.places(what).first().unwrap_or_else(|| panic!("{what}: {}", self.greeting))
    }

    /// The address of the listener that the greeting names so.
    pub(crate) fn address(&self, what: &str) -> &str {
        let place = self.place(what).trim_start_matches("http://");
        place.split(['/', ' ']).next().unwrap_or(place)
    }

    /// Waits until the log says this; the line.
    pub(crate) fn wait_for(&self, part: &str) -> String {
        let mut seen = Vec::new();
        loop {
            match self.err.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(part) => return line,
                Ok(line) => seen.push(line),
                Err(_) => panic!("the log never said {part}: {seen:#?}"),
            }
        }
    }

    /// Asks at the listener that the greeting names so; status and body of the answer.
    pub(crate) fn http(&self, place: &str, head: &str, body: &[u8]) -> (u16, String) {
        let address = self.address(place);
        let mut stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
        let length = body.len();
        write!(stream, "{head}\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n")
            .expect("it reads");
        stream.write_all(body).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        (head[9..12].parse().expect("a status"), body.to_owned())
    }

    /// What the API of the pages answers.
    pub(crate) fn asked(&self, path: &str) -> serde_json::Value {
        let (status, text) = self.http("Pages", &format!("GET /api/v1/{path} HTTP/1.1"), b"");
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).expect("JSON")
    }

    /// All metrics.
    pub(crate) fn metrics(&self) -> String {
        let (status, text) = self.http("Pages", "GET /metrics HTTP/1.1", b"");
        assert_eq!(status, 200);
        text
    }

    /// The value of a metric.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let text = self.metrics();
        let line = text.lines().find(|line| line.starts_with(&format!("{name} ")));
        let line = line.unwrap_or_else(|| panic!("{name}: {text}"));
        line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number")
    }

    /// Asks until the metric has that value or more.
    pub(crate) fn until(&self, name: &str, value: u64) {
        let mut last = 0;
        for _ in 0..200_000 {
            last = self.metric(name);
            if last >= value {
                return;
            }
        }
        panic!("{name} is {last} and not {value}: {:#?}", self.err.try_iter().collect::<Vec<_>>());
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// Kills it.
    pub(crate) fn kill(mut self) {
        self.signal(Signal::KILL);
        self.child.wait().expect("a child of ours");
    }

    /// Stops it as a service manager does; what its log said since.
    pub(crate) fn stop(self) -> Vec<String> {
        self.signal(Signal::TERM);
        self.ended()
    }

    /// Waits for its end, which must be a good one; what its log said since.
    pub(crate) fn ended(mut self) -> Vec<String> {
        let ended = self.child.wait().expect("a child of ours");
        let said: Vec<String> = self.err.iter().collect();
        assert_eq!(ended.code(), Some(0), "{said:#?}");
        said
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
