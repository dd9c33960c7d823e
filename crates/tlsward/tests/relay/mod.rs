//! The relay of a test: takes mail, keeps it, and refuses whom it is told to refuse.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
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
    refused: Arc<Refused>,
}

impl Relay {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound").to_string();
        let (sender, taken) = channel();
        let refused = Arc::<Mutex<_>>::default();
        let shared = Arc::clone(&refused);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (sender, refused) = (sender.clone(), Arc::clone(&shared));
                std::thread::spawn(move || serve(&stream, &sender, &refused));
            }
        });
        Self { address, taken, refused }
    }

    /// Has it refuse that recipient so many times.
    pub(crate) fn refuse(&self, to: &str, times: u32, answer: &'static str) {
        self.refused.lock().expect("nobody panicked").insert(to.to_owned(), (times, answer));
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

type Refused = Mutex<BTreeMap<String, (u32, &'static str)>>;

fn serve(stream: &TcpStream, taken: &Sender<Taken>, refused: &Refused) -> Option<()> {
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
                match refused.lock().ok()?.get_mut(&to) {
                    Some((times, answer)) if *times > 0 => {
                        *times -= 1;
                        answer
                    }
                    _ => "250 ok",
                }
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
