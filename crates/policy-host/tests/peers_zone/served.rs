//! A zone that is served on loopback, and what asks it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Instant, SystemTime};

use tempfile::TempDir;
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::Clock;
use tlsward_engine::ports::publish::{RecordSet, RecordType, RecordValue, Records as _};
use tlsward_policy_host::zone::{
    Bound, Counts, HostAddresses, Rate, RateLimit, ServerLimits, Zone, ZoneConfig, ZoneKey, ZoneRecords,
};

struct Wall;

impl Clock for Wall {
    #[expect(clippy::disallowed_methods, reason = "validators read the clock too")]
    fn now(&self) -> UnixTime {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        since.as_secs().try_into().unwrap()
    }
}

/// A zone `sts.example` on two addresses of loopback, with the records of some domains.
pub(crate) struct Served {
    pub(crate) zone: Arc<Zone>,
    pub(crate) records: ZoneRecords,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) folder: TempDir,
    /// Where the owner of `example.org` has his DNS.
    owner: SocketAddr,
    serving: Vec<tokio::task::JoinHandle<()>>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.serving.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

pub(crate) fn txt(name: &str, text: &str) -> RecordSet {
    let values = vec![RecordValue::Txt(text.to_owned())];
    RecordSet { name: format!("{name}.sts.example"), kind: RecordType::Txt, ttl: 300, values }
}

fn cname(name: &str, target: &str) -> RecordSet {
    let values = vec![RecordValue::Cname(target.to_owned())];
    RecordSet { name: format!("{name}.sts.example"), kind: RecordType::Cname, ttl: 300, values }
}

impl Served {
    pub(crate) async fn start(signed: bool) -> Self {
        Self::with(
            signed,
            RateLimit {
                equal: 100_000,
                absent: 100_000,
                refused: 100_000,
                all: 100_000,
                ..RateLimit::default()
            },
            ServerLimits::default(),
        )
        .await
    }

    pub(crate) async fn with(signed: bool, rate: RateLimit, limits: ServerLimits) -> Self {
        let folder = TempDir::new().unwrap();
        let key = signed.then(|| ZoneKey::open(&folder.path().join("zone.key")).unwrap());
        let server = |name: &str, address: &str| HostAddresses {
            name: name.into(),
            addresses: vec![address.parse().unwrap()],
        };
        let servers = vec![server("ns1.sts.example", "192.0.2.1"), server("ns2.sts.example", "2001:db8::2")];
        let mut config = ZoneConfig::new("sts.example", servers, "dns@example.net");
        config.hosts = vec![server("policy.sts.example", "192.0.2.80")];
        config.caa = vec![(0, "issue".into(), "ca.example".into()), (0, "issuewild".into(), ";".into())];
        let zone = Zone::open(&config, key, Box::new(Wall), &folder.path().join("zone.journal")).unwrap();
        let zone = Arc::new(zone);
        let records = ZoneRecords::new(Arc::clone(&zone));
        for domain in ["example.org", "mail.example.org", "example.com"] {
            let sets = vec![
                txt(&format!("_mta-sts.{domain}"), "v=STSv1; id=20261124T162300Z;"),
                txt(&format!("_smtp._tls.{domain}"), "v=TLSRPTv1; rua=mailto:tlsrpt@example.net"),
                cname(&format!("mta-sts.{domain}"), "policy.sts.example"),
            ];
            records.apply(domain, sets).await.unwrap();
        }
        let mut challenges = txt("_acme-challenge.mta-sts.example.org", "one");
        // Of different lengths: their canonical order is not that of their texts.
        challenges.values.extend(["a longer one", "b"].map(|text| RecordValue::Txt(text.to_owned())));
        records.apply("example.org", vec![challenges]).await.unwrap();
        records.apply("big.test", vec![txt("a.big.test", &"x".repeat(3000))]).await.unwrap();
        let loopback = ["127.0.0.1:0".parse().unwrap(), "127.0.0.1:0".parse().unwrap()];
        let bound = Bound::bind(&loopback).await.unwrap();
        let (addresses, counts) = (bound.addresses(), Arc::new(Counts::default()));
        let rate = Rate::new(rate, 1, now());
        let (owner, serving_owner) = owners_zone().await;
        let serve = bound.serve(
            Arc::clone(&zone),
            Arc::new(Wall),
            rate,
            limits,
            Arc::clone(&counts),
            std::future::pending(),
        );
        let serving = vec![tokio::spawn(serve), serving_owner];
        Self { zone, records, addresses, counts, folder, owner, serving }
    }

    /// What dig prints, asked without recursion.
    pub(crate) fn dig(&self, arguments: &str) -> String {
        dig(self.addresses[0], &format!("+norecurse {arguments}"))
    }

    /// What delv says, with the zone's key alone.
    pub(crate) fn delv(&self, arguments: &str) -> String {
        let anchor = self.zone.anchor().unwrap();
        let fields: Vec<_> = anchor.split_whitespace().collect();
        let file = self.folder.path().join("anchor.conf");
        let key = fields[7..].concat();
        let text = format!(
            "trust-anchors {{ \"sts.example.\" static-key {} {} {} \"{key}\"; }};\n",
            fields[4], fields[5], fields[6]
        );
        fs::write(&file, text).unwrap();
        let mut command = Command::new("delv");
        command.arg("@127.0.0.1").arg("-p").arg(self.addresses[1].port().to_string());
        command.arg("-a").arg(file).arg("+root=sts.example").args(arguments.split(' '));
        let output = command.output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    }

    /// Unbound, which knows where the zone is and, if it is signed, its key. It minimises names and takes no excuses.
    pub(crate) fn unbound(&self) -> (SocketAddr, Daemon) {
        let address = free_port();
        let folder = self.folder.path();
        let anchor = match self.zone.anchor() {
            Some(anchor) => {
                fs::write(folder.join("zone.anchor"), anchor).unwrap();
                format!(" trust-anchor-file: \"{}/zone.anchor\"\n", folder.display())
            }
            None => String::new(),
        };
        let mut conf = format!(
            "server:\n interface: 127.0.0.1@{0}\n port: {0}\n do-daemonize: no\n username: \"\"\n chroot: \"\"\n\
             directory: \"{1}\"\n pidfile: \"\"\n use-syslog: no\n logfile: \"\"\n verbosity: 1\n\
             do-not-query-localhost: no\n module-config: \"validator iterator\"\n ede: yes\n val-log-level: 2\n\
             access-control: 127.0.0.0/8 allow\n root-hints: \"\"\n qname-minimisation: yes\n\
             qname-minimisation-strict: yes\n aggressive-nsec: yes\n use-caps-for-id: yes\n\
             harden-below-nxdomain: yes\n trust-anchor-signaling: no\n{anchor}\
             remote-control:\n control-enable: no\nstub-zone:\n name: \"sts.example\"\n",
            address.port(),
            folder.display(),
        );
        for server in &self.addresses {
            conf += &format!(" stub-addr: 127.0.0.1@{}\n", server.port());
        }
        conf += &format!("stub-zone:\n name: \"org\"\n stub-addr: 127.0.0.1@{}\n", self.owner.port());
        let file = folder.join(format!("unbound-{}.conf", address.port()));
        fs::write(&file, conf).unwrap();
        (address, Daemon::start(Command::new("unbound").arg("-d").arg("-c").arg(file), "start of service"))
    }
}

/// The three aliases that an owner makes once, in a zone of his own.
async fn owners_zone() -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let servers = ["a.example.net", "b.example.net"];
    let servers = servers.map(|name| HostAddresses { name: name.into(), addresses: Vec::new() });
    let config = ZoneConfig::new("org", servers.into(), "dns@example.net");
    let zone = Arc::new(Zone::new(&config, None, Box::new(Wall)).unwrap());
    let aliases = ["_mta-sts.example.org", "_smtp._tls.example.org", "mta-sts.example.org"];
    let aliases = aliases
        .map(|name| RecordSet { name: name.to_owned(), ..cname(name, &format!("{name}.sts.example")) });
    ZoneRecords::new(Arc::clone(&zone)).apply("example", aliases.into()).await.unwrap();
    let bound = Bound::bind(&["127.0.0.1:0".parse().unwrap()]).await.unwrap();
    let (address, rate) = (bound.addresses()[0], Rate::new(RateLimit::default(), 1, now()));
    let serve = bound.serve(
        zone,
        Arc::new(Wall),
        rate,
        ServerLimits::default(),
        Arc::new(Counts::default()),
        std::future::pending(),
    );
    (address, tokio::spawn(serve))
}

pub(crate) fn dig(server: SocketAddr, arguments: &str) -> String {
    let mut command = Command::new("dig");
    command.arg("-r").arg("@127.0.0.1").arg("-p").arg(server.port().to_string());
    command.args(["+tries=2", "+timeout=10"]).args(arguments.split(' '));
    let output = command.output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn count(counter: &AtomicU64) -> u64 {
    counter.load(std::sync::atomic::Ordering::SeqCst)
}

#[expect(clippy::disallowed_methods, reason = "the server counts from it")]
pub(crate) fn now() -> Instant {
    Instant::now()
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
        assert!(is_ready && !said.iter().any(|line| line.contains("error:")), "{command:?}: {said:#?}");
        // A full pipe would stop it.
        std::thread::spawn(move || lines.for_each(drop));
        daemon
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
