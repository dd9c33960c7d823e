//! Pebble, Let's Encrypt's authority for tests, on free ports of the loopback address.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use smtp_dane::pkix::TrustRoots;

/// How it is started.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wishes {
    /// Percent of good nonces that are refused.
    pub(crate) bad_nonces: u32,
    /// Whether an account must be bound to one that exists elsewhere.
    pub(crate) external: bool,
    /// The root of the system that has it; else it is the one on the PATH.
    pub(crate) root: Option<PathBuf>,
}

/// A running Pebble, ended when it is dropped.
pub(crate) struct Pebble {
    child: Child,
    pub(crate) directory: String,
    pub(crate) roots: TrustRoots,
    folder: tempfile::TempDir,
    ports: Ports,
    wishes: Wishes,
}

/// Where the authority looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) http: u16,
    pub(crate) tls: u16,
    pub(crate) dns: SocketAddr,
}

impl Drop for Pebble {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Pebble {
    pub(crate) fn start(ports: Ports, wishes: Wishes) -> Self {
        let folder = match &wishes.root {
            Some(root) => tempfile::tempdir_in(root.join("tmp")).unwrap(),
            None => tempfile::tempdir().unwrap(),
        };
        let roots = certify(folder.path());
        // Another process may take a port between its choice and Pebble's start.
        for _ in 0..5 {
            let port = free_port();
            if let Some(child) = run(folder.path(), port, ports, &wishes) {
                let directory = format!("https://localhost:{port}/dir");
                return Self { child, directory, roots, folder, ports, wishes };
            }
        }
        panic!("pebble does not start");
    }

    /// Ends it and starts it again at the same place: it has forgotten accounts and orders.
    pub(crate) fn restart(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let port = self.directory.trim_end_matches("/dir").rsplit(':').next().unwrap().parse().unwrap();
        self.child = run(self.folder.path(), port, self.ports, &self.wishes).expect("it starts again");
    }

    /// Ends it for good.
    pub(crate) fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A root of our own, and a certificate for `localhost` from it.
fn certify(folder: &Path) -> TrustRoots {
    let mut root = CertificateParams::new(vec![]).unwrap();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root_key = KeyPair::generate().unwrap();
    let root_certificate = root.self_signed(&root_key).unwrap();
    let issuer = Issuer::new(root, root_key);
    let key = KeyPair::generate().unwrap();
    let mut leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    leaf.use_authority_key_identifier_extension = true;
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    std::fs::write(folder.join("cert.pem"), leaf.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    TrustRoots::from_der(&[root_certificate.der()]).unwrap()
}

fn run(folder: &Path, port: u16, ports: Ports, wishes: &Wishes) -> Option<Child> {
    let root = wishes.root.as_deref().unwrap_or(Path::new("/"));
    // As the program sees it.
    let path = |name: &str| format!("/{}", folder.join(name).strip_prefix(root).unwrap().display());
    let config = serde_json::json!({ "pebble": {
        "listenAddress": format!("127.0.0.1:{port}"),
        "managementListenAddress": "",
        "certificate": path("cert.pem"),
        "privateKey": path("key.pem"),
        "httpPort": ports.http,
        "tlsPort": ports.tls,
        "ocspResponderURL": "",
        "externalAccountBindingRequired": wishes.external,
        "externalAccountMACKeys": { "kid-1": "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W" },
    } });
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    let mut command = match &wishes.root {
        Some(root) => {
            let mut command = Command::new("chroot");
            command.arg(root).arg("pebble");
            command
        }
        None => Command::new("pebble"),
    };
    let mut child = command
        .args(["-config", &path("config.json"), "-dnsserver", &ports.dns.to_string()])
        .env("PEBBLE_VA_NOSLEEP", "1")
        .env("PEBBLE_AUTHZREUSE", "0")
        .env("PEBBLE_WFE_NONCEREJECT", wishes.bad_nonces.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap_or_else(|error| panic!("pebble (Debian's package pebble) does not start: {error}"));
    let output = BufReader::new(child.stdout.take().unwrap());
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            if line.contains("ACME directory available") {
                let _ = tell.send(());
            }
        }
    });
    let is_told = told.recv_timeout(Duration::from_secs(20)).is_ok();
    // It says so when it is about to listen.
    for _ in 0..1_000 {
        if !is_told || child.try_wait().unwrap().is_some() {
            break;
        }
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some(child);
        }
        // Nothing more is told: this lets time pass.
        let _ = told.recv_timeout(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}
