//! What the journal of systemd adds to what Postfix's datagrams say: written by systemd-journal-remote, read by journalctl.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

use crate::logged::{COUNTED, Logged, TOLD};
use crate::program::feed;
use crate::scene::now;
use crate::server::Server;

/// A journal of systemd, written by systemd-journal-remote.
struct Journal {
    file: PathBuf,
    entries: u64,
}

impl Journal {
    fn add(&mut self, identifier: &str, facility: u8, said: &[String]) {
        let mut export = String::new();
        for text in said {
            self.entries += 1;
            let micros = u64::try_from(now()).unwrap() * 1_000_000 + self.entries;
            export.push_str(&format!(
                "__REALTIME_TIMESTAMP={micros}\n__MONOTONIC_TIMESTAMP={}\n_BOOT_ID=0123456789abcdef0123456789abcdef\n\
                 PRIORITY=6\nSYSLOG_FACILITY={facility}\nSYSLOG_IDENTIFIER={identifier}\nSYSLOG_PID=7\nMESSAGE={text}\n\n",
                self.entries
            ));
        }
        let mut command = Command::new("/usr/lib/systemd/systemd-journal-remote");
        let ran = feed(command.arg("--output").arg(&self.file).arg("-"), export.as_bytes());
        assert_eq!(ran.code, Some(0), "{}", ran.err);
    }
}

/// The journalctl of a server: its process.
fn journalctl(server: &Server) -> Option<Pid> {
    let threads = fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    let children = threads.map(|thread| fs::read_to_string(thread.unwrap().path().join("children")).unwrap());
    let children = children.collect::<Vec<_>>().concat();
    let mut pids = children.split_whitespace().map(|pid| pid.parse().unwrap());
    pids.find_map(|pid| is_journalctl(pid).then(|| Pid::from_raw(pid).unwrap()))
}

fn is_journalctl(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "journalctl")
}

/// Proves: F3, H9
#[tokio::test(flavor = "multi_thread")]
async fn the_journal_of_systemd_is_read_once_over_restarts_and_kills_of_journalctl_and_of_the_server() {
    let logged = Logged::start("postfix_log = \"journal\"\njournal_directory = \"log\"\n").await;
    fs::create_dir(logged.scene.path("log")).unwrap();
    let mut journal = Journal { file: logged.scene.path("log/mail.journal"), entries: 0 };
    // Before the first start: of nothing that is counted.
    journal.add("postfix/smtp", 2, &logged.said("mx1.mail.test"));

    let session = |journal: &mut Journal, host: &str| {
        journal.add("postfix/smtp", 2, &logged.said(host));
        logged.tell();
    };
    let server = Server::start(&logged.scene.config());
    logged.wait_for_place(&server, "systemd-journal.place");
    // What is not Postfix's, and what no line of Postfix is like.
    journal.add("postfix/smtp", 3, &logged.said("mx1.mail.test"));
    journal.add("postfix/smtp", 2, &["x".repeat(100_000), "\u{fc}".repeat(5_000)]);
    session(&mut journal, "mx1.mail.test");
    session(&mut journal, "mx9.mail.test");
    server.until(COUNTED, 2);

    let pid = journalctl(&server).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    let told = server.wait_for("cannot follow the journal of systemd");
    assert!(told.contains("signal: 9"), "{told}");
    session(&mut journal, "mx1.mail.test");
    server.until(COUNTED, 3);
    assert_eq!((server.metric(TOLD), server.metric("tlsward_log_failed_looks_total")), (3, 1));
    server.wait_for("can be followed again");

    // Killed, it leaves no child behind, and reads on afterwards.
    let pid = journalctl(&server).unwrap().as_raw_nonzero().get();
    server.kill();
    assert!((0..2_000_000).any(|_| !is_journalctl(pid)), "journalctl lives on");
    journal.add("postfix/smtp", 2, &logged.said("mx1.mail.test"));
    let server = Server::start(&logged.scene.config());
    logged.tell();
    server.until(COUNTED, 1);
    assert_eq!(server.metric(TOLD), 1, "each entry is told once");
    server.stop();
    assert_eq!(logged.sum().await, (3, 1, 0));
}
