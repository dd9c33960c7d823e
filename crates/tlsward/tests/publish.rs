//! `tlsward serve` with `[publish]` and `tlsward domain`, on the lab's world over real sockets: an owner who puts records there
//! by hand goes from nothing to enforce, and senders see each step in the right order.

#![expect(clippy::unwrap_used, reason = "a test whose world cannot be set up fails")]

#[expect(dead_code, reason = "each test program uses its own part")]
mod program;
#[expect(dead_code, reason = "each test program uses its own part")]
#[path = "program/server.rs"]
mod server;

use std::fs;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use program::{Ran, tlsward};
use serde_json::Value;
use server::Server;
use tlsward_lab::loopback::{self, Running};
use tlsward_lab::world::{CertificateSpec, World};

const DOMAIN: &str = "alpha.test";
const HOST: &str = "mta-sts.alpha.test";
/// An address of loopback that the world gives nobody.
const OURS: &str = "127.199.77.1";

#[expect(
    clippy::disallowed_methods,
    reason = "the binary under test reads the clock, so its world must have the same"
)]
fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

struct Lab {
    running: Running,
    folder: tempfile::TempDir,
}

impl Lab {
    async fn start() -> Self {
        let mut world = World::loopback(now());
        world.domain(DOMAIN).mx(2).no_policy().rua(&[]).add().unwrap();
        // What is not there now is asked for again at once.
        world.zones.values_mut().for_each(|zone| zone.negative_ttl = 0);
        let issued = world.pki.issue(&CertificateSpec::healthy(&[HOST], world.now)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let pem = |label: &str, der: &[u8]| {
            let text = base64::engine::general_purpose::STANDARD.encode(der);
            let lines: Vec<&str> =
                text.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
            format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
        };
        let chain: String = issued.chain.iter().map(|der| pem("CERTIFICATE", der)).collect();
        fs::write(folder.path().join("host.pem"), chain).unwrap();
        fs::write(folder.path().join("host.key"), pem("PRIVATE KEY", &issued.key)).unwrap();
        let running = loopback::start(&world).await.unwrap();
        fs::write(folder.path().join("roots.pem"), &running.roots_pem).unwrap();
        let Running { dns, https_port, smtp_port, .. } = &running;
        let text = format!(
            "data_dir = 'data'\n[net]\ndns_servers = ['{dns}']\ndnssec = 'off'\ntrust_roots = 'roots.pem'\n\
             https_port = {https_port}\nsmtp_port = {smtp_port}\nallow_private_addresses = true\n\
             [web]\nlisten = '127.0.0.1:0'\n\
             [publish]\naddresses = ['{OURS}']\nlisten_https = '{OURS}:{https_port}'\nlisten_http = 'off'\n\
             name_server_port = {}\nrua = ['mailto:tlsrpt@alpha.test']\n\
             [[publish.certificates]]\ncertificate = 'host.pem'\nkey = 'host.key'\n",
            dns.port()
        );
        let lab = Self { running, folder };
        fs::write(lab.config(), text).unwrap();
        lab
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("tlsward.toml")
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        tlsward().args(arguments).arg("--config").arg(self.config()).output().unwrap().into()
    }

    fn domain(&self, arguments: &[&str]) -> Value {
        let ran = self.run(&[&["domain"], arguments, &["--json"]].concat());
        assert_eq!(ran.code, Some(0), "{arguments:?}: {} {}", ran.out, ran.err);
        serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("{}", ran.out))
    }

    /// Records of the plan that are for the owner to put there now.
    fn to_do(&self) -> Vec<(String, String, String)> {
        let plan = self.domain(&["plan", DOMAIN]);
        let mut records = Vec::new();
        for step in plan["steps"].as_array().unwrap() {
            if step["state"] != "now" || step["by_hand"] != true {
                continue;
            }
            for record in step["records"].as_array().unwrap() {
                let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
                records.push((text("name"), text("type"), text("value")));
            }
        }
        records
    }

    /// Does what the plan says, as a person would, until nothing is left to be done or waited for.
    async fn do_all(&mut self) -> Vec<String> {
        let mut done = Vec::new();
        for _ in 0..2_000 {
            for (name, kind, value) in self.to_do() {
                let edit = |world: &mut World| match kind.as_str() {
                    "TXT" => world.set_txt(&name, &[&value]),
                    "A" => world.set_addresses(&name, &[value.parse().unwrap()]),
                    other => panic!("{other}"),
                };
                let edit = |world: &mut World| {
                    edit(world);
                    // Nor is what changes remembered.
                    world.node(&name).sets.values_mut().for_each(|set| set.ttl = 0);
                };
                self.running.edit(edit).await.unwrap();
                if done.last() != Some(&name) {
                    done.push(name);
                }
            }
            let list = self.run(&["domain", "list", "--json"]);
            let line: Value = serde_json::from_str(list.out.lines().next().unwrap()).unwrap();
            if line["waiting_for"].is_null() && self.to_do().is_empty() {
                return done;
            }
        }
        panic!(
            "{}\n{}",
            self.run(&["domain", "plan", DOMAIN]).out,
            self.run(&["domain", "show", DOMAIN]).out
        );
    }

    /// The id that the plan has.
    fn id(&self) -> String {
        let plan = self.domain(&["plan", DOMAIN]).to_string();
        let found = plan.split("id=").nth(1).unwrap_or_else(|| panic!("{plan}"));
        found.chars().take_while(char::is_ascii_alphanumeric).collect()
    }
}

/// Proves: D16
#[tokio::test(flavor = "multi_thread")]
async fn an_owner_goes_from_nothing_to_enforce_with_records_by_hand_and_back_only_in_order() {
    let mut lab = Lab::start().await;
    let server = Server::start(&lab.config());
    let nobody = lab.run(&["domain", "plan", DOMAIN]);
    assert_eq!((nobody.code, nobody.err.contains("not managed")), (Some(1), true), "{}", nobody.err);

    // Reports first: nothing else is published, and nothing served.
    let mx: Vec<String> =
        lab.running.world(|world| world.domains[DOMAIN].mx.iter().map(|mx| mx.host.clone()).collect());
    let added = lab.run(&["domain", "add", DOMAIN, "--mx", &mx[0], "--mx", &mx[1]]);
    assert_eq!(added.code, Some(0), "{}", added.err);
    assert!(added.out.contains("_smtp._tls.alpha.test"), "{}", added.out);
    assert_eq!(lab.do_all().await, ["_smtp._tls.alpha.test"]);
    assert_eq!(
        server.metric("tlsward_alerts{rule=\"record-drift\"}"),
        0,
        "what was not there yet is no drift"
    );
    assert_eq!(lab.run(&["policy", DOMAIN]).code, Some(1), "no policy is published yet");

    // Testing: the host, then what it serves, and its id last.
    lab.domain(&["advance", DOMAIN]);
    let done = lab.do_all().await;
    assert_eq!(done, [HOST, "_mta-sts.alpha.test"]);
    let policy = lab.run(&["policy", DOMAIN, "--json"]);
    assert_eq!(policy.code, Some(0), "{} {}", policy.out, policy.err);
    assert!(policy.out.contains("testing"), "{}", policy.out);

    // Enforce only after two weeks of testing, or because the owner insists; under another id.
    let early = lab.run(&["domain", "advance", DOMAIN]);
    assert_eq!(early.code, Some(1));
    assert!(early.err.contains("14 days"), "{}", early.err);
    lab.domain(&["advance", DOMAIN, "--i-know"]);
    assert_eq!(lab.do_all().await.last().map(String::as_str), Some("_mta-sts.alpha.test"));
    let policy = lab.run(&["policy", DOMAIN, "--json"]).out;
    assert!(policy.contains("mode: enforce") && policy.contains("max_age: 604800"), "{policy}");

    // Nothing was done to it: restarting changes neither body nor id.
    let before = lab.domain(&["show", DOMAIN]);
    assert_eq!(before["findings"].as_array().unwrap().len(), 0, "{before}");
    server.stop();
    let server = Server::start(&lab.config());
    assert_eq!(lab.domain(&["show", DOMAIN])["rows"], before["rows"]);

    // A policy that senders hold is not simply taken away.
    let stuck = lab.run(&["domain", "remove", DOMAIN]);
    assert_eq!((stuck.code, stuck.err.contains("--wind-down")), (Some(1), true), "{}", stuck.err);

    let page = server.asked("published/alpha.test");
    assert_eq!(
        (page["stage"].as_str(), page["policy_seen"].as_str()),
        (Some("enforce"), Some("live")),
        "{page}"
    );
    assert_eq!(page["versions"].as_array().unwrap().len(), 2);
    assert_eq!(server.metric("tlsward_publish_policies"), 1);

    let files = lab.folder.path().join("files");
    let exported = lab.run(&["export", files.to_str().unwrap()]);
    assert_eq!(exported.code, Some(0), "{}", exported.err);
    let policy = fs::read_to_string(files.join(HOST).join(".well-known/mta-sts.txt")).unwrap();
    assert!(policy.starts_with("version: STSv1\r\nmode: enforce\r\n"), "{policy}");
    assert!(fs::read_to_string(files.join("records.zone")).unwrap().contains("v=STSv1"));
    server.stop();
}

/// Proves: D16
#[tokio::test(flavor = "multi_thread")]
async fn a_domain_that_publishes_is_not_added_but_taken_over_and_a_group_leads_its_domains() {
    let mut lab = Lab::start().await;
    lab.running.edit(|world| world.set_txt("_mta-sts.beta.test", &["v=STSv1; id=1;"])).await.unwrap();
    let server = Server::start(&lab.config());
    let refused = lab.run(&["domain", "add", "beta.test", "--mx", "mx.beta.test"]);
    assert_eq!(
        (refused.code, refused.err.contains("domain adopt beta.test")),
        (Some(1), true),
        "{}",
        refused.err
    );
    let nonsense = lab.run(&["domain", "add", "alpha.test", "--mx", "1.2.3.4/5"]);
    assert_eq!(nonsense.code, Some(64), "{}", nonsense.err);

    let group = lab.run(&["domain", "group", "customers", "--mx", "mx.alpha.test"]);
    assert_eq!(group.code, Some(0), "{}", group.err);
    lab.domain(&["add", DOMAIN, "--group", "customers"]);
    lab.do_all().await;
    let alone = lab.run(&["domain", "mx", "add", DOMAIN, "mx9.alpha.test"]);
    assert_eq!((alone.code, alone.err.contains("--group customers")), (Some(1), true), "{}", alone.err);
    let changed = lab.run(&["domain", "group", "customers", "--mx", "mx.alpha.test", "--stage", "testing"]);
    assert_eq!(changed.code, Some(0), "{}", changed.err);
    assert_eq!(lab.do_all().await, [HOST, "_mta-sts.alpha.test"]);
    let first = lab.id();
    let more = lab.run(&["domain", "mx", "add", "customers", "mx2.alpha.test", "--group"]);
    assert_eq!(more.code, Some(0), "{}", more.err);
    lab.do_all().await;
    assert_ne!(lab.id(), first);
    let policy = lab.run(&["policy", DOMAIN, "--json"]).out;
    assert!(policy.contains("mx2.alpha.test"), "{policy}");
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_many_domains_is_handed_over_in_parts_and_each_is_answered_for() {
    let lab = Lab::start().await;
    let server = Server::start(&lab.config());
    let names: String = (0..600).map(|number| format!("d{number}.test # no. {number}\n")).collect();
    let file = lab.folder.path().join("domains.txt");
    fs::write(&file, format!("# ours\n\n{names}")).unwrap();
    let file = file.to_str().unwrap();
    let added = lab.run(&["domain", "add", "--file", file, "--mx", "mx.alpha.test"]);
    assert_eq!(added.code, Some(0), "{}", added.err);
    assert_eq!(added.out.matches("it is managed now").count(), 600);
    assert_eq!(lab.run(&["domain", "list", "--json"]).out.lines().count(), 600);
    let again = lab.run(&["domain", "add", "--file", file, "--mx", "mx.alpha.test"]);
    assert_eq!(again.code, Some(1), "twice is told, and changes nothing: {}", again.out);
    assert_eq!(lab.run(&["domain", "list", "--json"]).out.lines().count(), 600);
    server.stop();
}
