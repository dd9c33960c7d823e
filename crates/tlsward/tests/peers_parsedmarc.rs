//! parsedmarc, the receiver that most people run, reads what we send. Its version is pinned; it is installed from PyPI
//! into the target folder by the first run.

mod built;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use built::{Counts, shapes};
use serde_json::Value;

const VERSION: &str = "11.1.0";

/// The program, installed if it is not there from an earlier run.
fn parsedmarc() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("parsedmarc-{VERSION}"));
    let program = folder.join("bin").join("parsedmarc");
    let lock = File::create(folder.with_extension("lock")).expect("the target folder is ours");
    lock.lock().expect("the target folder takes locks");
    let done = folder.join("done");
    if !done.exists() {
        let _ = fs::remove_dir_all(&folder);
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder), "Python 3 with venv");
        let package = format!("parsedmarc=={VERSION}");
        let mut pip = Command::new(folder.join("bin").join("pip"));
        run(pip.args(["install", "--quiet", "--no-input", &package]), "parsedmarc from PyPI");
        fs::write(done, "").expect("a folder of ours");
    }
    program
}

fn run(command: &mut Command, needs: &str) {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{needs} is needed: {error}"));
    assert!(output.status.success(), "{needs} is needed: {}", String::from_utf8_lossy(&output.stderr));
}

fn counts_of(report: &Value) -> Vec<Counts> {
    let number = |value: &Value| value.as_u64().expect("a count");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let policies = report["policies"].as_array().expect("policies").iter();
    let mut all: Vec<Counts> = policies
        .map(|policy| {
            let rows = policy["failure_details"].as_array().cloned().unwrap_or_default();
            Counts {
                policy_type: text(&policy["policy_type"]),
                domain: text(&policy["policy_domain"]),
                successful: number(&policy["successful_session_count"]),
                failed: number(&policy["failed_session_count"]),
                rows: rows.len(),
                row_sessions: rows.iter().map(|row| number(&row["failed_session_count"])).sum(),
            }
        })
        .collect();
    all.sort();
    all
}

#[test]
#[ignore = "installs parsedmarc from PyPI"]
fn parsedmarc_finds_the_same_counts_in_what_we_send() {
    let (program, folder) = (parsedmarc(), tempfile::tempdir().expect("a folder"));
    for shape in &shapes() {
        let name = shape.name;
        // As mail, and as what is posted.
        for (file, content) in [("mail.eml", &shape.mail), ("report.json.gz", &shape.built.packed)] {
            let path = folder.path().join(file);
            fs::write(&path, content).expect("a folder of ours");
            let output = Command::new(&program)
                .args(["--offline", "--silent"])
                .args(["--output", "."])
                .arg(&path)
                .current_dir(folder.path())
                .stdin(Stdio::null())
                .output()
                .expect("it was installed");
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && errors.is_empty(), "{name}, {file}: {errors}");
            let result = folder.path().join("smtp_tls.json");
            let text = fs::read(&result).expect("what it read");
            // The next run would add to it.
            fs::remove_file(result).expect("a file of ours");
            let found: Value = serde_json::from_slice(&text).expect("JSON");
            let [report] = &found.as_array().expect("a list")[..] else { panic!("{name}, {file}: {found}") };
            assert_eq!(report["report_id"], shape.built.report_id.as_str(), "{name}, {file}");
            assert_eq!(counts_of(report), shape.expected(), "{name}, {file}");
        }
    }
}
