//! BIND and Knot, each in a folder and on a port of its own, with the set-up of docs/dns.md and some zones more.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use tlsward_net::dns_update::{KeyHints, TsigKey};

use super::book;

/// The zone that docs/dns.md sets up: only four names may be changed.
const EXAMPLE: &str = "\
$TTL 300
@ SOA ns post.invalid. 1 3600 900 86400 60
@ NS ns
@ MX 10 mx
@ TXT \"v=spf1 -all\"
ns A 127.0.0.1
mx A 192.0.2.25
_mta-sts TXT \"v=STSv1; id=old;\"
_mta-sts TXT \"somebody else's\"
www A 192.0.2.80
many TXT \"1 MANY\"
many TXT \"2 MANY\"
many TXT \"3 MANY\"
many TXT \"4 MANY\"
many TXT \"5 MANY\"
many TXT \"6 MANY\"
many TXT \"7 MANY\"
alias CNAME www
outside CNAME www.example.net.
below NS ns.elsewhere.example.
";

/// All of it may be changed.
const OPEN: &str = "\
$TTL 300
@ SOA ns post.invalid. 1 3600 900 86400 60
@ NS ns
ns A 127.0.0.1
mta-sts A 192.0.2.1
mta-sts TXT \"beside\"
_smtp._tls CNAME reports.example.net.
below NS ns
";

/// A zone below that one, on the same server.
const BELOW: &str = "\
$TTL 300
@ SOA ns.open.example. post.invalid. 1 3600 900 86400 60
@ NS ns.open.example.
";

/// Nobody may change it.
const CLOSED: &str = "\
$TTL 300
@ SOA ns post.invalid. 1 3600 900 86400 60
@ NS ns
ns A 127.0.0.1
";

pub(crate) const ZONES: [(&str, &str); 4] = [
    ("example.org", EXAMPLE),
    ("open.example", OPEN),
    ("below.open.example", BELOW),
    ("closed.example", CLOSED),
];

/// Which program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    Bind,
    Knot,
}

/// A name server with the zones.
pub(crate) struct Server {
    folder: TempDir,
    pub(crate) program: Program,
    pub(crate) address: SocketAddr,
    running: Option<Daemon>,
}

struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Server {
    pub(crate) fn start(program: Program) -> Self {
        let (folder, address) = (TempDir::new().unwrap(), free_port());
        for (zone, text) in ZONES {
            let long = "long enough for an answer that goes by TCP. ".repeat(5);
            let text = text.replace("MANY", &long);
            fs::write(folder.path().join(format!("{zone}.zone")), text).unwrap();
        }
        let mut server = Self { folder, program, address, running: None };
        match program {
            Program::Bind => server.write_bind(),
            Program::Knot => server.write_knot(),
        }
        server.run();
        server
    }

    /// Ends it at once, without a chance to put anything in order.
    pub(crate) fn kill(&mut self) {
        self.running = None;
    }

    pub(crate) fn run(&mut self) {
        let folder = self.folder.path();
        let (mut command, ready) = match self.program {
            Program::Bind => {
                let mut command = Command::new("named");
                command.arg("-g").arg("-c").arg(folder.join("named.conf"));
                (command, "all zones loaded")
            }
            Program::Knot => {
                let mut command = Command::new("knotd");
                command.arg("-c").arg(folder.join("knot.conf"));
                (command, "server started")
            }
        };
        let started = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = started.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stderr = child.stderr.take().unwrap();
        self.running = Some(Daemon(child));
        let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
        let mut said = Vec::new();
        let is_ready = lines.by_ref().any(|line| {
            said.push(line.clone());
            line.contains(ready)
        });
        assert!(is_ready, "{command:?}: {said:#?}");
        // A full pipe would stop it.
        std::thread::spawn(move || lines.for_each(drop));
    }

    /// The key that docs/dns.md makes.
    pub(crate) fn key(&self) -> TsigKey {
        TsigKey::read(&self.folder.path().join(self.key_file()), &KeyHints::default()).unwrap()
    }

    pub(crate) fn key_file(&self) -> &'static str {
        match self.program {
            Program::Bind => "tlsward.key",
            Program::Knot => "tlsward.conf",
        }
    }

    fn write_bind(&self) {
        let folder = self.folder.path();
        let here = |text: &str| {
            self.here(text, "/etc/bind/").replace("/var/lib/bind/example.org", "example.org.zone")
        };
        sh(&here(book::block("BIND: make a key")));
        let mut conf = format!(
            "options {{ directory \"{}\"; listen-on port {} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};\n\
             pid-file none; session-keyfile none; recursion no; dnssec-validation no; }};\ncontrols {{ }};\n{}\n",
            folder.display(),
            self.address.port(),
            here(book::block("BIND: named.conf")),
        );
        for (zone, allowed) in [
            ("open.example", "key tlsward;"),
            ("below.open.example", "key tlsward;"),
            ("closed.example", "none;"),
        ] {
            conf += &format!(
                "zone \"{zone}\" {{ type primary; file \"{zone}.zone\"; allow-update {{ {allowed} }}; }};\n"
            );
        }
        fs::write(folder.join("named.conf"), conf).unwrap();
    }

    fn write_knot(&self) {
        let folder = self.folder.path().display();
        let here = |text: &str| self.here(text, "/etc/knot/");
        fs::create_dir(self.folder.path().join("db")).unwrap();
        sh(&here(book::block("Knot: make a key")));
        // The page's block has one rule and one zone; more of both follow them.
        let block = here(book::block("Knot: knot.conf"));
        let block = block.replace("\nzone:", "\n  - id: all\n    key: tlsward\n    action: update\n\nzone:");
        let conf = format!(
            "server:\n    listen: 127.0.0.1@{port}\n    rundir: \"{folder}\"\nlog:\n  - target: stderr\n    any: info\n\
             database:\n    storage: \"{folder}/db\"\ntemplate:\n  - id: default\n    storage: \"{folder}\"\n    \
             file: \"%s.zone\"\n    zonefile-sync: -1\n    zonefile-load: difference\n    journal-content: changes\n\
             {block}\n  - domain: open.example\n    acl: all\n  - domain: below.open.example\n    acl: all\n  \
             - domain: closed.example\n",
            port = self.address.port(),
        );
        fs::write(self.folder.path().join("knot.conf"), conf).unwrap();
    }

    fn here(&self, text: &str, of: &str) -> String {
        text.replace(of, &format!("{}/", self.folder.path().display()))
    }
}

fn sh(script: &str) {
    let output = Command::new("sh").args(["-euc", script]).output().unwrap();
    assert!(output.status.success(), "{script}: {output:?}");
}

/// A port that is free by UDP and TCP.
pub(crate) fn free_port() -> SocketAddr {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = udp.local_addr().unwrap();
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
