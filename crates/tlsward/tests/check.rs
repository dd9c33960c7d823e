//! `tlsward check` and `tlsward policy` on the lab's world over real sockets: every fault of the catalogue is found,
//! and nothing else.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tlsward_lab::faults::{Base, Fault, catalogue, healthy};
use tlsward_lab::loopback::Running;
use tlsward_lab::world::World;

#[expect(
    clippy::disallowed_methods,
    reason = "the binary under test reads the clock, so its world must have the same"
)]
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// A served world, and the configuration that leads there.
struct Served {
    _running: Running,
    folder: tempfile::TempDir,
}

impl Served {
    async fn start(world: World) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let roots = folder.path().join("roots.pem");
        std::fs::write(&roots, world.pki.trusted_root_pem().unwrap()).unwrap();
        let began = world.now;
        let running = Running::start(Arc::new(world), Arc::new(move || began)).await.unwrap();
        let config = running.net_toml(roots.to_str().unwrap());
        std::fs::write(folder.path().join("tlsward.toml"), config).unwrap();
        Self { _running: running, folder }
    }

    fn config(&self) -> std::path::PathBuf {
        self.folder.path().join("tlsward.toml")
    }
}

async fn run(config: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tlsward"));
    command.args(arguments).arg("--config").arg(config).env_remove("TLSWARD_CONFIG");
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn lines(output: &Output) -> BTreeMap<String, Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let parsed = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    parsed.map(|line| (line["domain"].as_str().unwrap().to_owned(), line)).collect()
}

fn codes(report: &Value) -> Vec<&str> {
    let findings = report["findings"].as_array().unwrap();
    let mut codes: Vec<_> = findings.iter().map(|finding| finding["code"].as_str().unwrap()).collect();
    codes.sort_unstable();
    codes
}

/// Proves: D1, D3, D8, D9, D13, D14, D21, D23, S2, S7, S10, S11, E3, E4, E15, G2
#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_the_catalogue_is_found_and_nothing_else() {
    let mut world = World::loopback(now());
    let faults: Vec<(String, &Fault)> =
        catalogue().enumerate().map(|(number, fault)| (format!("f{number:03}.test"), fault)).collect();
    for (domain, fault) in &faults {
        healthy(&mut world, domain, fault.base).unwrap();
        (fault.apply)(&mut world, domain);
    }
    let served = Served::start(world).await;
    let list = served.folder.path().join("domains");
    let names: Vec<&str> = faults.iter().map(|(domain, _)| domain.as_str()).collect();
    std::fs::write(&list, names.join("\n")).unwrap();
    let output = run(&served.config(), &["check", "--json", "--file", list.to_str().unwrap()]).await;
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let reports = lines(&output);
    let mut wrong = Vec::new();
    for (domain, fault) in &faults {
        let Some(report) = reports.get(domain) else {
            wrong.push(format!("{fault:?}: no report"));
            continue;
        };
        let (found, verdict) = (codes(report), report["verdict"].as_str().unwrap());
        if found != fault.findings || verdict != fault.verdict {
            let (expected, wanted) = (fault.findings, fault.verdict);
            wrong.push(format!("{domain} {fault:?}: {found:?} {verdict}, expected {expected:?} {wanted}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_domain_is_told_in_words_and_an_interrupted_run_goes_on() {
    let mut world = World::loopback(now());
    healthy(&mut world, "good.test", Base::Dane).unwrap();
    healthy(&mut world, "also.test", Base::Plain).unwrap();
    let served = Served::start(world).await;
    let output = run(&served.config(), &["check", "good.test", "also.test"]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    // In the order in which they were asked for.
    let (good, also) = (text.find("good.test: delivers").unwrap(), text.find("also.test: delivers").unwrap());
    assert!(good < also && text.contains("Nothing to mend."), "{text}");
    assert!(text.contains("certificate for 59 more days") && text.contains("DANE: pass"), "{text}");

    let results = served.folder.path().join("results");
    let results = results.to_str().unwrap();
    run(&served.config(), &["check", "good.test", "--resume", results]).await;
    run(&served.config(), &["check", "good.test", "also.test", "--resume", results]).await;
    let kept = std::fs::read_to_string(results).unwrap();
    assert_eq!(kept.lines().count(), 2, "{kept}");
}

#[tokio::test(flavor = "multi_thread")]
async fn policy_tells_what_applies_and_why_by_words_and_exit_status() {
    let mut world = World::loopback(now());
    healthy(&mut world, "good.test", Base::Plain).unwrap();
    healthy(&mut world, "bare.test", Base::Plain).unwrap();
    world.set_txt("_mta-sts.bare.test", &[]);
    world.disturb("_mta-sts.down.test", None, tlsward_lab::world::DnsTrouble::ServFail);
    let served = Served::start(world).await;
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
    let served = Served::start(World::loopback(now())).await;
    let output = run(&served.config(), &["check", "not a domain"]).await;
    assert_eq!(output.status.code(), Some(64));
    let list = served.folder.path().join("domains");
    std::fs::write(&list, "127.0.0.1\n").unwrap();
    let output = run(&served.config(), &["check", "--file", list.to_str().unwrap()]).await;
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("domains:1: '127.0.0.1' is no domain"), "{text}");
}
