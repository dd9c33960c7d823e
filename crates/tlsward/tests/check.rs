//! `tlsward check` and `tlsward policy` on the lab's world over real sockets: every fault of the catalogue is found,
//! and nothing else.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mta_sts::policy_domain::PolicyDomain;
use serde_json::Value;
use smtp_dane::pkix::TrustRoots;
use tlsward_engine::check::{self, Options};
use tlsward_engine::ports;
use tlsward_lab::executor::Executor;
use tlsward_lab::faults::{self, Base, Sockets};
use tlsward_lab::loopback::{self, Running};
use tlsward_lab::memory::MemoryWorld;
use tlsward_lab::pki::Pki;
use tlsward_lab::world::World;
use tlsward_net::dns::{self, Resolver};
use tlsward_net::guard::Guard;
use tlsward_net::https::{HttpsClient, HttpsConfig};
use tlsward_net::limits::{HttpsLimits, SmtpLimits};
use tlsward_net::smtp::{SmtpClient, SmtpConfig};
use tlsward_net::world::NetWorld;

#[expect(
    clippy::disallowed_methods,
    reason = "the binary under test reads the clock, so its world must have the same"
)]
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("works");
    i64::try_from(since.as_secs()).expect("works")
}

/// A served world, and the configuration that leads there.
struct Served {
    _running: Running,
    folder: tempfile::TempDir,
}

impl Served {
    async fn start(world: &World) -> Self {
        let folder = tempfile::tempdir().expect("works");
        let running = loopback::start(world).await.expect("works");
        std::fs::write(folder.path().join("roots.pem"), &running.roots_pem).expect("works");
        std::fs::write(folder.path().join("root.key"), &running.trust_anchor).expect("works");
        let served = Self { _running: running, folder };
        served.configure("trust-ad", "tlsward.toml");
        served.configure("validate", "validate.toml");
        served
    }

    fn configure(&self, dnssec: &str, file: &str) {
        let Running { dns, https_port, smtp_port, .. } = &self._running;
        let text = format!(
            "[net]\ndns_servers = [\"{dns}\"]\ndnssec = \"{dnssec}\"\ntrust_anchor = \"root.key\"\n\
             trust_roots = \"roots.pem\"\nhttps_port = {https_port}\nsmtp_port = {smtp_port}\n\
             allow_private_addresses = true\nhostname = \"check.test\"\n"
        );
        std::fs::write(self.folder.path().join(file), text).expect("works");
    }

    fn config(&self) -> std::path::PathBuf {
        self.folder.path().join("tlsward.toml")
    }
}

async fn run(config: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tlsward"));
    command.args(arguments).arg("--config").arg(config).env_remove("TLSWARD_CONFIG");
    tokio::task::spawn_blocking(move || command.output().expect("works")).await.expect("works")
}

fn lines(output: &Output) -> BTreeMap<String, Value> {
    let text = String::from_utf8(output.stdout.clone()).expect("works");
    let parsed = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("works"));
    parsed.map(|line| (line["domain"].as_str().expect("works").to_owned(), line)).collect()
}

fn codes(report: &Value) -> Vec<&str> {
    let findings = report["findings"].as_array().expect("works");
    let mut codes: Vec<_> = findings.iter().map(|finding| finding["code"].as_str().expect("works")).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

/// Each fault has a world of its own; what it must find is written in the catalogue.
/// Proves: D1, D3, D8, D9, D13, D14, D21, D23, S2, S7, S10, S11, E3, E4, E15, G2
#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_the_catalogue_is_found_and_nothing_else() {
    let (now, pki) = (now(), Arc::new(Pki::new()));
    let mut wrong = Vec::new();
    for fault in faults::all().iter().filter(|fault| fault.sockets == Sockets::Yes) {
        let world = fault.world(now, &pki).unwrap();
        let served = Served::start(&world).await;
        let output = run(&served.config(), &["check", "--json", faults::DOMAIN]).await;
        let reports = lines(&output);
        let Some(report) = reports.get(faults::DOMAIN) else {
            wrong.push(format!("{}: no report: {}", fault.name, String::from_utf8_lossy(&output.stderr)));
            continue;
        };
        let (found, verdict) = (codes(report), report["verdict"].as_str().unwrap());
        if found != fault.findings || verdict != fault.verdict {
            let (expected, wanted) = (fault.findings, fault.verdict);
            wrong.push(format!("{}: {found:?} {verdict}, expected {expected:?} {wanted}", fault.name));
        }
        let (codes, verdict_in_memory) = in_memory(world, &pki, now);
        if codes != found || verdict_in_memory != verdict {
            wrong.push(format!(
                "{}: in memory {codes:?} {verdict_in_memory}, over sockets {found:?}",
                fault.name
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The same world in memory, under a virtual clock, by the same engine: codes, each once, and the verdict.
fn in_memory(world: World, pki: &Pki, now: i64) -> (Vec<&'static str>, &'static str) {
    let mut executor = Executor::new(now, 1);
    let memory = MemoryWorld::new(world, executor.clock());
    executor.run(audit(&memory, pki, now)).expect("works")
}

async fn audit<W: ports::World>(world: &W, pki: &Pki, now: i64) -> (Vec<&'static str>, &'static str) {
    let roots = TrustRoots::from_der(&[pki.trusted_root().expect("works")]).expect("works");
    let domain = PolicyDomain::parse(faults::DOMAIN).expect("works");
    let options = Options { unused_label: Some("unused7".to_owned()), ..Options::default() };
    let report = check::check(world, &roots, &domain, &options, now).await;
    let mut codes: Vec<_> = report.findings.iter().map(|finding| finding.code.as_wire()).collect();
    codes.sort_unstable();
    codes.dedup();
    (codes, report.verdict.as_wire())
}

fn silent() -> impl Iterator<Item = faults::Fault> {
    faults::all().into_iter().filter(|fault| fault.sockets == Sockets::Slow)
}

/// Minutes of waiting cost nothing where the clock is made up.
/// Proves: E15, S10, S11
#[test]
fn every_silence_of_the_catalogue_is_found_and_nothing_else() {
    let (now, pki) = (1_800_000_000, Arc::new(Pki::new()));
    let mut seen = 0;
    for fault in silent() {
        let found = in_memory(fault.world(now, &pki).unwrap(), &pki, now);
        assert_eq!(found, (fault.findings.to_vec(), fault.verdict), "{}", fault.name);
        seen += 1;
    }
    assert!(seen >= 8, "{seen} faults");
}

/// The adapters, with less patience than they have by default; that of DNS, ten seconds a question, is no setting, so this
/// takes as long as a check of a domain whose DNS is silent does.
/// Proves: E15, S11
#[tokio::test(flavor = "multi_thread")]
async fn every_silence_of_the_catalogue_is_found_over_sockets() {
    let (now, pki) = (now(), Arc::new(Pki::new()));
    let patience = Duration::from_secs(2);
    let guard = Guard { allow_private: true, allowed: Vec::new() };
    let audits = silent().map(async |fault| {
        let running = loopback::start(&fault.world(now, &pki).unwrap()).await.unwrap();
        let servers = vec![running.dns];
        let https =
            HttpsLimits { connect: patience, handshake: patience, get: patience, ..Default::default() };
        let smtp = SmtpLimits {
            connect: patience,
            greeting: patience,
            reply: patience,
            handshake: patience,
            ..Default::default()
        };
        let world = NetWorld {
            dns: Resolver::new(&dns::Config::new(servers, dns::Trust::AuthenticData)).unwrap(),
            https: HttpsClient::new(HttpsConfig {
                port: running.https_port,
                guard: guard.clone(),
                limits: https,
                ..HttpsConfig::default()
            }),
            smtp: SmtpClient::new(SmtpConfig {
                port: running.smtp_port,
                guard: guard.clone(),
                limits: smtp,
                ..SmtpConfig::default()
            })
            .unwrap(),
        };
        let found = audit(&world, &pki, now).await;
        assert_eq!(found, (fault.findings.to_vec(), fault.verdict), "{}", fault.name);
    });
    assert!(futures_util::future::join_all(audits).await.len() >= 8);
}

/// Signatures are checked here, down from the root's key.
/// Proves: K1
#[tokio::test(flavor = "multi_thread")]
async fn a_signed_domain_validates_in_process() {
    let world = Base::Dane.world(now(), &Arc::new(Pki::new())).unwrap();
    let served = Served::start(&world).await;
    let config = served.folder.path().join("validate.toml");
    let output = run(&config, &["check", "--json", faults::DOMAIN]).await;
    let report = &lines(&output)[faults::DOMAIN];
    assert_eq!(
        (&report["verdict"], &report["dnssec"]),
        (&Value::from("delivers"), &Value::from("validated"))
    );
    assert_eq!(report["mx"][0]["dane"], "pass", "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_domain_is_told_in_words_and_an_interrupted_run_goes_on() {
    let mut world = World::loopback(now());
    world.domain("good.test").mx(2).dane().add().unwrap();
    world.domain("also.test").mx(2).add().unwrap();
    let served = Served::start(&world).await;
    let output = run(&served.config(), &["check", "good.test", "also.test"]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    // In the order in which they were asked for.
    let (good, also) = (text.find("good.test: delivers").unwrap(), text.find("also.test: delivers").unwrap());
    assert!(good < also && text.contains("Nothing to mend."), "{text}");
    assert!(text.contains("certificate for ") && text.contains("DANE: pass"), "{text}");

    let results = served.folder.path().join("results");
    let results = results.to_str().unwrap();
    run(&served.config(), &["check", "good.test", "--resume", results]).await;
    run(&served.config(), &["check", "good.test", "also.test", "--resume", results]).await;
    let kept = std::fs::read_to_string(results).unwrap();
    assert_eq!(kept.lines().count(), 2, "{kept}");
    // What the file holds counts as well, though nothing is left to do.
    let failed = kept.replacen("\"findings\":[]", "\"findings\":[{\"level\":\"error\"}]", 1);
    std::fs::write(results, failed).unwrap();
    let output = run(&served.config(), &["check", "good.test", "--resume", results]).await;
    assert_eq!(output.status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn policy_tells_what_applies_and_why_by_words_and_exit_status() {
    let mut world = World::loopback(now());
    world.domain("good.test").add().unwrap();
    world.domain("bare.test").add().unwrap();
    world.set_txt("_mta-sts.bare.test", &[]);
    world.disturb("_mta-sts.down.test", None, tlsward_lab::world::DnsTrouble::ServFail);
    let served = Served::start(&world).await;
    for (domain, code, text) in [
        ("good.test", 0, "an MTA-STS policy applies"),
        ("bare.test", 1, "no MTA-STS policy applies"),
        ("down.test", 2, "could not be told"),
    ] {
        let output = run(&served.config(), &["policy", domain]).await;
        let out = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(code), "{out}");
        assert!(out.contains(text), "{out}");
    }
    let output = run(&served.config(), &["policy", "--json", "good.test"]).await;
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&value["result"], &value["policy"]["mode"]),
        (&Value::from("policy"), &Value::from("enforce"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_domain_is_a_usage_error_and_a_bad_line_is_named() {
    let served = Served::start(&World::loopback(now())).await;
    let output = run(&served.config(), &["check", "not a domain"]).await;
    assert_eq!(output.status.code(), Some(64));
    for next_hop in ["exa mple", "refresh", "[relay.example"] {
        let output = run(&served.config(), &["policy", next_hop]).await;
        assert_eq!(output.status.code(), Some(64), "{next_hop}");
    }
    // An address literal is a next hop, and has no policy.
    let output = run(&served.config(), &["policy", "[192.0.2.1]"]).await;
    assert_eq!(output.status.code(), Some(1));
    let output = run(&served.config(), &["check", "--file", "/nonexistent/domains"]).await;
    assert_eq!(output.status.code(), Some(2), "nothing was found out, and no finding is an error");
    let list = served.folder.path().join("domains");
    std::fs::write(&list, "127.0.0.1\n").unwrap();
    let output = run(&served.config(), &["check", "--file", list.to_str().unwrap()]).await;
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("domains:1: '127.0.0.1' is no domain"), "{text}");
}
