//! A small signed DNS of its own root, served by BIND, with Unbound in front of it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// Zones, how they are signed, and what is in them besides SOA and NS.
/// A child stands before its parent.
const ZONES: [(&str, Signing, &str); 11] = [
    (
        "example",
        Signing::Good,
        "@ MX 10 host\n\
         host A 192.0.2.7\n\
         _25._tcp.host TLSA 3 1 1 0000000000000000000000000000000000000000000000000000000000000001\n\
         alias CNAME host\n\
         to-plain CNAME host.plain.\n\
         to-gone CNAME gone.example.\n\
         to-forged CNAME host.forged.\n\
         *.wild A 192.0.2.8\n\
         *.deep.wild CNAME host\n\
         known.wild TXT x\n\
         moved DNAME example.\n",
    ),
    ("hashed", Signing::Hashed, "host A 192.0.2.9\nto-example CNAME host.example.\n*.wild A 192.0.2.9\n"),
    ("signed.optout", Signing::Good, "host A 192.0.2.16\n*.wild A 192.0.2.16\nknown.wild A 192.0.2.19\n"),
    ("unsigned.optout", Signing::None, "host A 192.0.2.17\n"),
    // Its closest encloser is not the apex of the zone above.
    ("child.host.optout", Signing::None, "host A 192.0.2.18\n"),
    // Names that are not there may be unsigned zones (RFC 5155 §6).
    ("optout", Signing::OptOut, "host A 192.0.2.9\n*.wild A 192.0.2.9\nzone NS ns.plain.\n"),
    ("plain", Signing::None, DEEP),
    // A record was changed after signing.
    ("forged", Signing::Good, "host A 192.0.2.11\ngood A 192.0.2.12\n"),
    ("expired", Signing::Expired, "host A 192.0.2.13\n"),
    // Its parent says that it is signed.
    ("unsigned", Signing::Stripped, "host A 192.0.2.14\n"),
    // Nobody serves it.
    ("down", Signing::Good, "host A 192.0.2.15\n"),
];

const DEEP: &str = concat!(
    "host A 192.0.2.10\nto-example CNAME host.example.\n*.deep A 192.0.2.10\n*.twice CNAME ",
    "b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.",
    "b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.b.deep\n",
);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Signing {
    Good,
    Hashed,
    OptOut,
    Expired,
    Stripped,
    None,
}

/// The zones and their authoritative server.
pub(crate) struct Internet {
    folder: TempDir,
    pub(crate) bind: SocketAddr,
    _named: Daemon,
}

/// A child that ends with its owner.
pub(crate) struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Daemon {
    /// Starts it, and waits until it says that it serves.
    fn start(command: &mut Command, ready: &str) -> Self {
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = child.stderr.take().unwrap();
        let daemon = Self(child);
        let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
        let mut said = Vec::new();
        let is_ready = lines.by_ref().any(|line| {
            said.push(line.clone());
            line.contains(ready)
        });
        let complains = |line: &String| line.contains("not loaded") || line.contains("error:");
        assert!(is_ready && !said.iter().any(complains), "{command:?}: {said:#?}");
        // A full pipe would stop it.
        std::thread::spawn(move || lines.for_each(drop));
        daemon
    }
}

impl Internet {
    pub(crate) fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let (bind, closed) = (free_port(), free_port());
        write_zones(folder.path());
        let mut conf = format!(
            "options {{ directory \"{}\"; listen-on port {} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};\n\
             pid-file none; session-keyfile none; recursion yes; dnssec-validation no; }};\ncontrols {{ }};\n\
             zone \".\" {{ type primary; file \"root.signed\"; }};\n\
             zone \"down\" {{ type forward; forward only; forwarders {{ 127.0.0.1 port {}; }}; }};\n",
            folder.path().display(),
            bind.port(),
            closed.port()
        );
        for (zone, _, _) in ZONES.iter().filter(|(zone, _, _)| *zone != "down") {
            conf += &format!("zone \"{zone}\" {{ type primary; file \"{zone}.signed\"; }};\n");
        }
        let conf_file = folder.path().join("named.conf");
        fs::write(&conf_file, conf).unwrap();
        let named =
            Daemon::start(Command::new("named").arg("-g").arg("-c").arg(conf_file), "all zones loaded");
        Self { folder, bind, _named: named }
    }

    /// The root's key, as BIND writes it.
    pub(crate) fn anchor(&self) -> PathBuf {
        self.folder.path().join("root.key")
    }

    /// Unbound in front, validating or not.
    pub(crate) fn unbound(&self, validating: bool) -> (SocketAddr, Daemon) {
        let address = free_port();
        let folder = self.folder.path().display();
        let modules = if validating { "validator iterator" } else { "iterator" };
        let mut conf = format!(
            "server:\n interface: 127.0.0.1@{}\n port: {}\n do-daemonize: no\n username: \"\"\n chroot: \"\"\n\
             directory: \"{folder}\"\n pidfile: \"\"\n use-syslog: no\n logfile: \"\"\n verbosity: 1\n\
             do-not-query-localhost: no\n module-config: \"{modules}\"\n ede: yes\n val-log-level: 0\n\
             trust-anchor-file: \"{folder}/root.key\"\n access-control: 127.0.0.0/8 allow\n\
             root-hints: \"\"\n val-clean-additional: yes\nremote-control:\n control-enable: no\n",
            address.port(),
            address.port()
        );
        let stubs = std::iter::once(".").chain(ZONES.iter().map(|(zone, _, _)| *zone));
        for zone in stubs {
            conf += &format!("stub-zone:\n name: \"{zone}\"\n stub-addr: 127.0.0.1@{}\n", self.bind.port());
        }
        let conf_file = self.folder.path().join(format!("unbound-{}.conf", address.port()));
        fs::write(&conf_file, conf).unwrap();
        let daemon =
            Daemon::start(Command::new("unbound").arg("-d").arg("-c").arg(conf_file), "start of service");
        (address, daemon)
    }
}

/// A port that is free by UDP and TCP.
fn free_port() -> SocketAddr {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = udp.local_addr().unwrap();
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

fn write_zones(folder: &Path) {
    let delegations = |parent: &str| {
        let is_child = |zone: &&str| {
            let above = |of: &str| zone.strip_suffix(of).is_some_and(|rest| rest.ends_with('.'));
            match parent {
                "" => !ZONES.iter().any(|(other, _, _)| above(other)),
                parent => above(parent),
            }
        };
        let children = ZONES.iter().map(|(zone, _, _)| *zone).filter(is_child);
        children.map(|zone| format!("{zone}. NS ns.{zone}.\nns.{zone}. A 127.0.0.1\n")).collect::<String>()
    };
    for (zone, signing, records) in ZONES {
        fs::write(folder.join(zone), [ZONE_HEAD, records, &delegations(zone)].concat()).unwrap();
        match signing {
            Signing::None => {
                fs::copy(folder.join(zone), folder.join(format!("{zone}.signed"))).unwrap();
            }
            Signing::Good => sign(folder, zone, zone, &[]),
            Signing::Hashed => sign(folder, zone, zone, &["-3", "ab", "-H", "0"]),
            Signing::OptOut => sign(folder, zone, zone, &["-3", "ab", "-H", "0", "-A"]),
            Signing::Expired => {
                sign(folder, zone, zone, &["-P", "-s", "20200101000000", "-e", "20200201000000"]);
            }
            Signing::Stripped => {
                sign(folder, zone, zone, &[]);
                fs::copy(folder.join(zone), folder.join(format!("{zone}.signed"))).unwrap();
            }
        }
    }
    fs::write(folder.join("root"), [ZONE_HEAD, &delegations("")].concat()).unwrap();
    sign(folder, "root", ".", &[]);
    let forged = folder.join("forged.signed");
    let text = fs::read_to_string(&forged).unwrap();
    assert!(text.contains("192.0.2.11"));
    fs::write(&forged, text.replace("192.0.2.11", "203.0.113.66")).unwrap();
}

const ZONE_HEAD: &str = "$TTL 300\n@ SOA ns post.invalid. 1 3600 900 86400 60\n@ NS ns\nns A 127.0.0.1\n";

/// Makes keys and signs; DS records of zones that were signed before go into their parent.
fn sign(folder: &Path, file: &str, zone: &str, more: &[&str]) {
    let key = |flags: &[&str]| {
        let mut command = Command::new("dnssec-keygen");
        let output =
            command.current_dir(folder).args(["-q", "-a", "ECDSAP256SHA256"]).args(flags).arg(zone).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let (signing_key, _) = (key(&["-f", "KSK"]), key(&[]));
    if zone == "." {
        fs::copy(folder.join(format!("{signing_key}.key")), folder.join("root.key")).unwrap();
    }
    let mut command = Command::new("dnssec-signzone");
    command.current_dir(folder).args(["-q", "-S", "-g", "-o", zone, "-f", &format!("{file}.signed")]);
    let output = command.args(more).arg(file).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}
