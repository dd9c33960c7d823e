//! A world in which reports are wanted, and a sender in it.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};

use tlsward_engine::ports::{Outbox as _, OutgoingLine, OutgoingQuery};
use tlsward_lab::loopback::{self, Running};
use tlsward_lab::world::{CertificateSpec, HttpsService, Mode, ReportDesk, Site, World};
use tlsward_store::{Quotas, SqliteStore};

use crate::program::{run, tlsward};
use crate::relay::Relay;
use crate::server::Server;

pub(crate) const TOKEN: &str = "a-token-of-two-dozen-characters";

#[expect(
    clippy::disallowed_methods,
    reason = "the binary under test reads the clock, so its world must have the same"
)]
pub(crate) fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// A world in which reports are wanted, and a sender in it.
pub(crate) struct Scene {
    pub(crate) world: Running,
    pub(crate) relay: Relay,
    folder: tempfile::TempDir,
}

impl Scene {
    pub(crate) async fn start() -> Self {
        let mut world = World::loopback(now());
        world.domain("mail.test").policy(Mode::Enforce).add().unwrap();
        let mut site = Site::default();
        // Where redirects lead.
        site.desks.insert("/moved".to_owned(), ReportDesk { status: 201 });
        for (domain, path, status) in [("post.test", "/good", 201), ("deaf.test", "/deaf", 503)] {
            world.domain(domain).rua(&[&format!("https://reports.post.test{path}")]).add().unwrap();
            site.desks.insert(path.to_owned(), ReportDesk { status });
        }
        let mut desks = HttpsService::healthy(CertificateSpec::healthy(&["reports.post.test"], world.now));
        desks.sites.insert("reports.post.test".to_owned(), site);
        for address in world.add_host("reports.post.test", 1) {
            world.machine(address).https = Some(desks.clone());
        }
        world.ensure_zone("sender.test", tlsward_lab::world::Signing::Unsigned);
        let world = loopback::start(&world).await.unwrap();
        let scene = Self { world, relay: Relay::start(), folder: tempfile::tempdir().unwrap() };
        fs::write(scene.path("roots.pem"), &scene.world.roots_pem).unwrap();
        fs::write(scene.path("token"), format!("{TOKEN}\n")).unwrap();
        let Running { dns, https_port, smtp_port, .. } = &scene.world;
        let relay = &scene.relay.address;
        let listen = "listen = \"127.0.0.1:0\"";
        let text = format!(
            "data_dir = \"data\"\n[net]\ndns_servers = [\"{dns}\"]\ndnssec = \"off\"\ntrust_roots = \"roots.pem\"\n\
             https_port = {https_port}\nsmtp_port = {smtp_port}\nallow_private_addresses = true\nhostname = \"mx.sender.test\"\n\
             [web]\n{listen}\n[receive.https]\n{listen}\n[receive.smtp]\n{listen}\nrecipients = [\"tlsrpt@sender.test\"]\n\
             [report]\nsocket = \"tlsrpt.sock\"\nsessions = [\"sessions.jsonl\"]\ntoken_file = \"token\"\n\
             organization_name = \"Sender, Inc.\"\ncontact = \"tlsrpt@sender.test\"\nbounces_to = \"back@sender.test\"\n\
             opt_outs = [\"quiet.test\"]\nrelay = \"{relay}\"\n"
        );
        fs::write(scene.config(), text).unwrap();
        scene
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Adds to the end of the configuration, which is within `[report]`.
    pub(crate) fn add_keys(&self, text: &str) {
        let whole = fs::read_to_string(self.config()).unwrap() + text;
        fs::write(self.config(), whole).unwrap();
    }

    /// Changes the configuration.
    pub(crate) fn change(&self, from: &str, to: &str) {
        let text = fs::read_to_string(self.config()).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(self.config(), text.replacen(from, to, 1)).unwrap();
    }

    /// Has a place for reports answer otherwise.
    pub(crate) async fn desk(&mut self, path: &str, desk: ReportDesk) {
        let edit = |world: &mut World| {
            for machine in world.machines.values_mut() {
                let sites = machine.https.iter_mut().flat_map(|https| https.sites.values_mut());
                for site in sites {
                    site.desks.insert(path.to_owned(), desk.clone());
                }
            }
        };
        self.world.edit(edit).await.unwrap();
    }

    /// A server whose clock shows `time` when it starts, and goes on from there.
    pub(crate) fn server_at(&self, time: i64) -> Server {
        let mut command = tlsward();
        command.stdin(Stdio::null());
        let ahead = time - now();
        // $LIB is the dynamic linker's. What waits goes by the monotonic clock, which stays as it is.
        command
            .env("LD_PRELOAD", "/usr/$LIB/faketime/libfaketimeMT.so.1")
            .env("FAKETIME", format!("{ahead:+}"));
        command.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("NO_FAKE_STAT", "1");
        Server::start_by(command, &self.config())
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path("tlsward.toml")
    }

    /// The DKIM records, as the command prints them: name and text.
    pub(crate) fn dkim_records(&self) -> Vec<(String, String)> {
        let ran = run(&["report".as_ref(), "dkim".as_ref(), "--config".as_ref(), self.config().as_os_str()]);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        let record = |line: &str| {
            let name = line.split(". ").next().unwrap().to_owned();
            (name, line.split('"').skip(1).step_by(2).collect::<String>())
        };
        ran.out.lines().map(record).collect()
    }

    /// The reports in the store of a server that is stopped.
    pub(crate) async fn outgoing(&self) -> Vec<OutgoingLine> {
        let store = SqliteStore::open(self.path("data/tlsward.db"), Quotas::default()).unwrap();
        let lines = store.outgoing(OutgoingQuery { limit: 100, ..OutgoingQuery::default() }).await.unwrap();
        store.close().unwrap();
        lines
    }
}

/// A session as a JSON line.
pub(crate) fn line(domain: &str, result: &str, rest: &str) -> String {
    format!(
        "{{\"domain\":\"{domain}\",\"result\":\"{result}\",\"policy-type\":\"sts\",\"policy-string\":[\"version: STSv1\",\
         \"mode: enforce\",\"mx: mx1.{domain}\",\"max_age: 86400\"],\"mx-host\":[\"mx1.{domain}\"]{rest}}}\n"
    )
}

/// Seconds.
pub(crate) const DAY: i64 = 86_400;

/// The last midnight.
pub(crate) fn midnight() -> i64 {
    now() - now().rem_euclid(DAY)
}

/// As Postfix does: a socket for each event, which does not wait.
pub(crate) fn tell(socket: &Path, domain: &str) -> bool {
    let client = UnixDatagram::unbound().unwrap();
    client.set_nonblocking(true).unwrap();
    let datagram = format!(
        "{{\"dpv\": \"1\",\"d\": \"{domain}\",\"pr\": \"v=TLSRPTv1; rua=mailto:tlsrpt@{domain}\",\"policies\":[{{\"policy-type\":9,\
         \"t\":0,\"f\":0}}]}}"
    );
    client.send_to(datagram.as_bytes(), socket).is_ok()
}

/// Tells of sessions by POST; the status of the answer.
pub(crate) fn post(server: &Server, token: &str, lines: &str) -> u16 {
    let head = format!("POST /v1/sessions HTTP/1.1\r\nauthorization: Bearer {token}");
    server.http("Reports by POST", &head, lines.as_bytes()).0
}
