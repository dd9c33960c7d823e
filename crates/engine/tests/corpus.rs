//! Every report of the corpus, and every quirk of our own, against a table of what is read from it.
//!
//! The table has a line a file: what was found, the digest of each normal form, sessions, and each repair with its
//! place. The files under `quirks/` are ours and always there; those of others are read where
//! `TLSWARD_CORPUS` says they are. A line that differs is printed as it would have to be.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use containers::Walker;
use tls_rpt::report::{Limits, Parsed};
use tlsward_engine::receive::{Found, TroubleKind, digest, read_input};

fn table() -> BTreeMap<&'static str, &'static str> {
    let lines = include_str!("corpus.tsv").lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once('\t')).collect()
}

/// What is found in a file, in one line.
fn told(name: &str, bytes: &[u8]) -> String {
    let mut line = String::new();
    let mut walker = Walker::new(containers::Limits::default());
    read_input(&mut walker, name, bytes, &Limits::default(), &mut |found| {
        if !line.is_empty() {
            line.push_str(" | ");
        }
        match found {
            Found::Report { parsed, .. } => tell_report(&mut line, parsed),
            Found::Large { reports, .. } => {
                let _ = write!(line, "large {}", reports.len());
            }
            Found::Unreadable { trouble, .. } => {
                let kind = match trouble.kind {
                    TroubleKind::NoReport => "no-report",
                    TroubleKind::Unreadable => "unreadable",
                    TroubleKind::OverLimit => "over-limit",
                };
                let _ = write!(line, "{kind}: {}", trouble.text);
            }
        }
        ControlFlow::Continue(())
    });
    line
}

fn tell_report(line: &mut String, mut parsed: Parsed) {
    let digest = digest(&mut parsed.report);
    let hex: String = digest[..6].iter().map(|byte| format!("{byte:02x}")).collect();
    let policies = parsed.report.policies.as_deref().unwrap_or_default();
    let sum = |pick: fn(&tls_rpt::report::Summary) -> Option<u64>| -> u64 {
        policies.iter().filter_map(|policy| policy.summary.as_ref().and_then(pick)).sum()
    };
    let rows: usize = policies.iter().map(|policy| policy.failure_details.iter().flatten().count()).sum();
    let _ = write!(
        line,
        "report {hex} policies={} rows={rows} ok={} failed={}",
        policies.len(),
        sum(|summary| summary.successful),
        sum(|summary| summary.failed)
    );
    for repair in &parsed.repairs {
        let _ = write!(
            line,
            " {}@{}",
            repair.kind.as_wire(),
            if repair.path.is_empty() { "-" } else { &repair.path }
        );
    }
}

fn check(folder: &Path, prefix: &str) -> Vec<String> {
    let table = table();
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("readable").path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    let mut wrong = Vec::new();
    for file in files {
        let name = format!("{prefix}/{}", file.file_name().expect("a name").to_string_lossy());
        let found = told(&name, &std::fs::read(&file).expect("readable"));
        if table.get(name.as_str()).copied() != Some(found.as_str()) {
            wrong.push(format!("{name}\t{found}"));
        }
    }
    wrong
}

/// Proves: H1, H2, H5, H6, H13, R3, R6, L12
#[test]
fn every_quirk_of_our_own_reads_as_the_table_says() {
    let wrong = check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/quirks"), "synthetic");
    assert!(wrong.is_empty(), "not as the table says:\n{}", wrong.join("\n"));
}

#[test]
fn a_hundred_thousand_nested_arrays_are_over_the_limit_and_do_not_exhaust_the_stack() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(told("deep.json", deep.as_bytes()), "over-limit: nesting deeper than 64 at line 1, column 65");
}

/// Proves: H13, R3
#[test]
fn every_report_of_the_corpus_reads_as_the_table_says() {
    #[expect(clippy::disallowed_methods, reason = "the corpus is other people's data and lies elsewhere")]
    let Ok(corpus) = std::env::var("TLSWARD_CORPUS") else { return };
    let mut wrong = Vec::new();
    for folder in ["real", "issues", "synthetic"] {
        wrong.extend(check(&Path::new(&corpus).join(folder), folder));
    }
    assert!(wrong.is_empty(), "not as the table says:\n{}", wrong.join("\n"));
}
