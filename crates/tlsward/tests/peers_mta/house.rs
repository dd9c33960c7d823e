//! A sending site in a network of its own: a mail server and `tlsward serve`, in the lab's world at the well-known ports,
//! both inside the Debian and set up as the documentation says.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tlsward_lab::loopback::{self, Ports, Running};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use crate::book;
use crate::cases::{self, End};
use crate::debian::Debian;
use crate::postfix::{LOG, Postfix};

/// For one step.
const PATIENCE: Duration = Duration::from_secs(90);

/// Where it is, inside.
const PROGRAM: &str = "/usr/bin/tlsward";

#[expect(clippy::disallowed_methods, reason = "Postfix reads the clock, so its world must have the same")]
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_secs()).expect("a time")
}

/// By domain: what became of the mail to it, and the mail server's words.
pub(crate) type Ends = BTreeMap<String, (End, String)>;

pub(crate) struct House<'a> {
    pub(crate) debian: &'a Debian,
    pub(crate) world: Running,
    runtime: Runtime,
    /// Whether Postfix tells of sessions, and reports are sent.
    pub(crate) reports: bool,
}

/// `tlsward serve`, killed when dropped.
pub(crate) struct Tlsward {
    child: Child,
}

impl<'a> House<'a> {
    pub(crate) fn new(debian: &'a Debian, reports: bool) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("threads");
        let world = runtime
            .block_on(loopback::start_at(&cases::world(now()), Ports::USUAL))
            .expect("nobody else is in this network");
        debian.write("/etc/ssl/certs/ca-certificates.crt", &world.roots_pem);
        debian.write("/etc/resolv.conf", book::postfix("/etc/resolv.conf"));
        debian.write("/etc/hosts", "127.0.0.1 localhost\n");
        debian.write(LOG, "");
        for folder in ["/run/tlsward", "/var/lib/tlsward"] {
            fs::create_dir_all(debian.path(folder)).expect("a folder of ours");
        }
        // The program itself, and not a copy, which would be in memory.
        debian.write(PROGRAM, "");
        let bound = Command::new("mount")
            .args(["--bind", env!("CARGO_BIN_EXE_tlsward")])
            .arg(debian.path(PROGRAM))
            .status()
            .expect("mount (Debian's package mount) is needed");
        assert!(bound.success());
        Self { debian, world, runtime, reports }
    }

    pub(crate) fn edit(&mut self, edit: impl FnOnce(&mut tlsward_lab::world::World)) {
        self.runtime.block_on(self.world.edit(edit)).expect("nobody else is in this network");
    }

    /// A Postfix, which relays for this machine.
    pub(crate) fn postfix(&self) -> Postfix<'a> {
        let block = match self.reports {
            true => "/etc/postfix/main.cf, Postfix 3.10 and later",
            false => "/etc/postfix/main.cf, before Postfix 3.10",
        };
        let main = format!(
            "myhostname = mail.sender.example\nmydestination =\nmynetworks = 127.0.0.1\ninet_interfaces = 127.0.0.1\n\
             local_recipient_maps =\nsmtpd_relay_restrictions = permit_mynetworks, reject\n{}\n",
            book::postfix(block)
        );
        let apart = match self.reports {
            true => "",
            false => book::postfix("/etc/postfix/master.cf, before Postfix 3.10"),
        };
        Postfix::start(self.debian, &main, &format!("127.0.0.1:25 inet n - n - - smtpd\n{apart}\n"))
    }

    /// Starts the server, asking this DNS server, with its clock so many hours ahead.
    pub(crate) fn tlsward(&self, dns: &str, hours: u32) -> Tlsward {
        let written = match self.reports {
            true => book::postfix("/etc/tlsward/tlsward.toml"),
            false => book::exim("/etc/tlsward/tlsward.toml"),
        };
        let lab = format!(
            "[net]\ndns_servers = ['{dns}']\ndnssec = 'trust-ad'\n\
             trust_roots = '/etc/ssl/certs/ca-certificates.crt'\nallow_private_addresses = true\n"
        );
        self.debian.write("/etc/tlsward/tlsward.toml", &format!("{written}\n{lab}"));
        let mut command = match hours {
            0 => self.debian.command(PROGRAM),
            // The day must be over before its reports are due. Timers go on as they do.
            _ => {
                let mut command = self.debian.command("faketime");
                command.args(["--exclude-monotonic", "-f", &format!("+{hours}h"), PROGRAM]);
                command
            }
        };
        let log = File::options().create(true).append(true).open(self.log()).expect("a folder of ours");
        let mut child = command
            .args(["serve", "--log", "debug", "--config", "/etc/tlsward/tlsward.toml"])
            .env_remove("TLSWARD_CONFIG")
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("chroot works");
        let (tell, told) = mpsc::channel();
        let out = child.stdout.take().expect("piped");
        thread::spawn(move || {
            BufReader::new(out).lines().map_while(Result::ok).try_for_each(|line| tell.send(line))
        });
        loop {
            match told.recv_timeout(PATIENCE) {
                Ok(line) if line.starts_with("Ctrl-C") => return Tlsward { child },
                Ok(_) => {}
                Err(_) => panic!("tlsward does not start: {}", self.said()),
            }
        }
    }

    /// Waits until so many sessions are counted, or left out because nobody knows whether they met their policy.
    pub(crate) fn until_counted(&self, sessions: u64) {
        let counted = |metrics: &str| -> u64 {
            let values = metrics.lines().filter(|line| line.starts_with("tlsward_sessions_total{"));
            values.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
        };
        let asking = async {
            // Nothing tells when it is so: it has to be asked for.
            let mut ticks = tokio::time::interval(Duration::from_millis(100));
            while counted(&metrics().await) < sessions {
                ticks.tick().await;
            }
        };
        let asked = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, asking).await });
        assert!(asked.is_ok(), "{sessions} sessions are not counted: {}", self.said());
    }

    fn log(&self) -> PathBuf {
        self.debian.path("/var/log/tlsward.log")
    }

    /// What tlsward has said so far.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.log()).unwrap_or_default()).into_owned()
    }

    /// Sends a mail to `u` at each of these, and waits until each has come to an end, or stays: by domain, with the
    /// log's words.
    pub(crate) fn mail(&self, postfix: &Postfix<'_>, domains: &[&str]) -> Ends {
        for domain in domains {
            postfix.send_mail(&format!("u@{domain}"));
        }
        let mut ends: BTreeMap<String, (bool, String)> = BTreeMap::new();
        postfix.until(|line| {
            if let Some((_, rest)) = line.split_once("to=<u@")
                && let Some((domain, _)) = rest.split_once('>')
                && let Some((_, status)) = line.split_once("status=")
            {
                ends.insert(domain.to_owned(), (status.starts_with("sent"), status.to_owned()));
            }
            (ends.len() == domains.len()).then_some(())
        });
        self.ended(ends)
    }

    /// What the mail server says became of mail to `u` at each domain (whether it was sent, and its words), held against
    /// what the world's servers have.
    pub(crate) fn ended(&self, said: BTreeMap<String, (bool, String)>) -> Ends {
        let arrived: BTreeMap<String, bool> = self
            .world
            .take_mails()
            .into_iter()
            .flat_map(|mail| mail.to.into_iter().map(move |to| (to, mail.tls)))
            .collect();
        said.into_iter()
            .map(|(domain, (sent, status))| {
                let end = match (arrived.get(&format!("u@{domain}")), sent) {
                    (Some(true), true) => End::OverTls,
                    (Some(false), true) => End::InTheClear,
                    (None, false) => End::Kept,
                    (arrived, _) => panic!("{domain}: {status}, but at the server: {arrived:?}"),
                };
                (domain, (end, status))
            })
            .collect()
    }

    /// The mails that come until there are so many, or until patience is at its end.
    pub(crate) fn mails(&self, count: usize) -> Vec<loopback::Mail> {
        let mut mails = Vec::new();
        // Too few are for the caller to complain of, who knows which are missing.
        let _ = self.runtime.block_on(async {
            tokio::time::timeout(PATIENCE, async {
                while mails.len() < count {
                    mails.extend(self.world.next_mails().await);
                }
            })
            .await
        });
        mails
    }
}

/// Hands a mail to the server there, as Tlsward hands reports to its relay.
pub(crate) fn hand_over(address: &str, recipient: &str) {
    let mut stream = std::net::TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let mut replies = BufReader::new(stream.try_clone().expect("a socket")).lines();
    let mut code = || loop {
        let line = replies.next().expect("a reply").expect("a reply");
        if line.as_bytes().get(3) != Some(&b'-') {
            return line[..3].to_owned();
        }
    };
    assert_eq!(code(), "220");
    for (command, expected) in [
        ("EHLO tlsward.sender.example", "250"),
        ("MAIL FROM:<tlsrpt@sender.example>", "250"),
        (&format!("RCPT TO:<{recipient}>"), "250"),
        ("DATA", "354"),
        ("Subject: report\r\n\r\nx\r\n.", "250"),
        ("QUIT", "221"),
    ] {
        stream.write_all(format!("{command}\r\n").as_bytes()).expect("it reads");
        assert_eq!(code(), expected, "{command}");
    }
}

async fn metrics() -> String {
    let mut text = String::new();
    if let Ok(mut stream) = TcpStream::connect("127.0.0.1:8460").await {
        let request = b"GET /metrics HTTP/1.0\r\nHost: 127.0.0.1:8460\r\n\r\n";
        stream.write_all(request).await.expect("it listens");
        stream.read_to_string(&mut text).await.expect("it answers");
    }
    text
}

impl Tlsward {
    /// Asks for a clean stop, and waits for it.
    pub(crate) fn stop(mut self) {
        let asked = Command::new("kill").arg(self.child.id().to_string()).status().expect("kill runs");
        assert!(asked.success() && self.child.wait().expect("a child of ours").success());
    }
}

impl Drop for Tlsward {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
