//! Exim, set up as docs/exim.md says; each mail is delivered by a process of its own, in the foreground.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::book;
use crate::debian::Debian;
use crate::house::{Ends, House};

const CONFIG: &str = "/etc/exim4/exim4.conf";
const LOG: &str = "/var/log/exim4/mainlog";
/// As Exim wants it.
const LOG_PATH: &str = "/var/log/exim4/%slog";

pub(crate) fn configure(debian: &Debian) {
    let text = format!(
        "primary_hostname = mail.sender.example\ndomainlist local_domains = sender.example\ndisable_ipv6\nkeep_environment =\n\
         log_file_path = {LOG_PATH}\ntls_advertise_hosts =\n{}\nbegin routers\n{}\nbegin transports\n{}\nbegin retry\n\
         * * F,2h,15m\n",
        book::exim("exim.conf, main section"),
        book::exim("exim.conf, routers"),
        book::exim("exim.conf, transports"),
    );
    debian.write(CONFIG, &text);
    let (_, errors) = debian.run("exim4", &["-bV"]);
    assert_eq!(errors, "");
}

/// Sends a mail to `u` at each of these, one after the other, and tells what became of it.
pub(crate) fn mail(house: &House<'_>, domains: &[&str]) -> Ends {
    let mut said = BTreeMap::new();
    for domain in domains {
        let log = house.debian.path(LOG);
        let before = std::fs::read(&log).unwrap_or_default().len();
        let mut child = Command::new("chroot")
            .arg(&house.debian.root)
            .args(["exim4", "-odf", "-f", "a@sender.example", &format!("u@{domain}")])
            .stdin(Stdio::piped())
            .spawn()
            .expect("chroot works");
        child.stdin.take().expect("piped").write_all(b"Subject: x\n\nx\n").expect("exim reads");
        assert!(child.wait().expect("a child of ours").success());
        let text = std::fs::read(&log).expect("exim writes a log");
        let words = String::from_utf8_lossy(&text[before..]).into_owned();
        let sent = words.lines().any(|line| line.contains(&format!(" => u@{domain} ")));
        said.insert((*domain).to_owned(), (sent, words));
    }
    house.ended(said)
}
