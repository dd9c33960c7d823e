//! The relay of a test: takes mail, keeps it, and refuses whom it is told to refuse.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// Longer than anything takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A mail that was taken.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) from: String,
    pub(crate) to: String,
    /// Dots are single again.
    pub(crate) message: Vec<u8>,
}

/// A relay that listens; it ends with the process.
pub(crate) struct Relay {
    pub(crate) address: String,
    taken: Receiver<Taken>,
}

impl Relay {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound").to_string();
        let (sender, taken) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let sender = sender.clone();
                std::thread::spawn(move || serve(&stream, &sender));
            }
        });
        Self { address, taken }
    }

    /// The next mail.
    pub(crate) fn next(&self) -> Taken {
        self.taken.recv_timeout(PATIENCE).expect("a mail came")
    }

    /// The mails that came and were not asked for.
    pub(crate) fn rest(&self) -> Vec<Taken> {
        self.taken.try_iter().collect()
    }
}

fn serve(stream: &TcpStream, taken: &Sender<Taken>) -> Option<()> {
    let mut lines = BufReader::new(stream);
    let mut out = stream;
    out.write_all(b"220 relay.test\r\n").ok()?;
    let (mut from, mut to) = (String::new(), String::new());
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let path = || line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
        let answer = match line.get(..4).unwrap_or_default() {
            "EHLO" => "250 relay.test",
            "MAIL" => {
                from = path();
                "250 ok"
            }
            "RCPT" => {
                to = path();
                "250 ok"
            }
            "DATA" => {
                out.write_all(b"354 go\r\n").ok()?;
                let mut message = Vec::new();
                loop {
                    let mut line = Vec::new();
                    lines.read_until(b'\n', &mut line).ok()?;
                    match line.strip_prefix(b".") {
                        Some(b"\r\n") => break,
                        Some(rest) => message.extend_from_slice(rest),
                        None => message.extend_from_slice(&line),
                    }
                }
                taken.send(Taken { from: from.clone(), to: to.clone(), message }).ok()?;
                "250 queued"
            }
            "QUIT" => {
                out.write_all(b"221 bye\r\n").ok()?;
                return None;
            }
            _ => "500 what?",
        };
        out.write_all(format!("{answer}\r\n").as_bytes()).ok()?;
    }
}
