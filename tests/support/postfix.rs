//! A Postfix of a Debian in a folder: configured by its two files, started in the foreground, its log read line by line
//! and kept in the folder's `/var/log/mail.log`.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use crate::debian::Debian;

/// For one step of Postfix.
const PATIENCE: Duration = Duration::from_secs(90);

/// Where its log is kept, inside.
pub const LOG: &str = "/var/log/mail.log";

/// One that runs. It ends with the test's process namespace, or when it is dropped.
pub struct Postfix<'a> {
    pub debian: &'a Debian,
    process: Child,
    log: Receiver<String>,
}

/// Which services a `master.cf` has, beside those that send mail.
const SERVICES: &str = "\
pickup    unix n - n 60    1 pickup
cleanup   unix n - n -     0 cleanup
qmgr      unix n - n 300   1 qmgr
tlsmgr    unix - - n 1000? 1 tlsmgr
rewrite   unix - - n -     - trivial-rewrite
bounce    unix - - n -     0 bounce
defer     unix - - n -     0 bounce
trace     unix - - n -     0 bounce
verify    unix - - n -     1 verify
flush     unix n - n 1000? 0 flush
proxymap  unix - - n -     - proxymap
relay     unix - - n -     - smtp
smtp      unix - - n -     - smtp
error     unix - - n -     - error
retry     unix - - n -     - error
discard   unix - - n -     - discard
local     unix - n n -     - local
anvil     unix - - n -     1 anvil
scache    unix - - n -     1 scache
postlog   unix-dgram n - n - 1 postlogd
";

/// `mail_version`.
pub fn version(debian: &Debian) -> String {
    debian.run("postconf", &["-h", "mail_version"]).0
}

impl<'a> Postfix<'a> {
    /// Starts it with this configuration, besides what a test always needs, and these services besides the usual ones.
    pub fn start(debian: &'a Debian, main: &str, master: &str) -> Self {
        let fixed = "compatibility_level = 3.6\nmaillog_file = /dev/stdout\ninet_protocols = ipv4\nalias_maps =\n\
                     minimal_backoff_time = 4000s\nmaximal_backoff_time = 4000s\n";
        debian.write("/etc/postfix/main.cf", &format!("{fixed}{main}"));
        debian.write("/etc/postfix/master.cf", &format!("{SERVICES}{master}"));
        let mut process = debian
            .command("postfix")
            .arg("start-fg")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("chroot works");
        let (tell, log) = mpsc::channel();
        let also = tell.clone();
        // Behind what another Postfix has written: who follows the log may not have read it yet.
        let mut kept =
            File::options().create(true).append(true).open(debian.path(LOG)).expect("a folder of ours");
        let (output, errors) = (process.stdout.take().expect("piped"), process.stderr.take().expect("piped"));
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = writeln!(kept, "{line}");
                if tell.send(line).is_err() {
                    break;
                }
            }
        });
        thread::spawn(move || {
            BufReader::new(errors).lines().map_while(Result::ok).try_for_each(|line| also.send(line))
        });
        let postfix = Self { debian, process, log };
        postfix.until(|line| line.contains("daemon started").then_some(()));
        postfix
    }

    /// Reads the log until `found`.
    pub fn until<T>(&self, mut found: impl FnMut(&str) -> Option<T>) -> T {
        let mut seen = Vec::new();
        #[expect(clippy::disallowed_methods, reason = "a bound on a real program")]
        let (now, begun) = (Instant::now, Instant::now());
        loop {
            let left = PATIENCE.saturating_sub(now() - begun);
            match self.log.recv_timeout(left) {
                Ok(line) => {
                    let value = found(&line);
                    seen.push(line);
                    if let Some(value) = value {
                        return value;
                    }
                }
                Err(_) => panic!("Postfix did not say it:\n{}", seen.join("\n")),
            }
        }
    }

    /// Hands it a mail of `a@sender.example`.
    pub fn send_mail(&self, recipient: &str) {
        let mut command = Command::new("chroot");
        command.arg(&self.debian.root).args(["sendmail", "-f", "a@sender.example", recipient]);
        let mut child = command.stdin(Stdio::piped()).spawn().expect("chroot works");
        child.stdin.take().expect("piped").write_all(b"Subject: x\n\nx\n").expect("sendmail reads");
        assert!(child.wait().expect("a child of ours").success());
    }
}

impl Drop for Postfix<'_> {
    fn drop(&mut self) {
        // In order, so that another may be started over the same folder.
        let _ = self.debian.run("postfix", &["stop"]);
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_file(self.debian.path("/var/spool/postfix/pid/master.pid"));
    }
}
