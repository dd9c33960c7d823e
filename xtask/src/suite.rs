//! The whole test run, as CI and the README call it: one step after another, each with a header and its
//! duration, until one fails. The last line counts the tests: `N passed, N failed`.
//!
//! Needs nothing but a Rust toolchain and Debian's packages: what is missing is installed where that is allowed and
//! named where it is not. With the shared data beside the checkout (`../shared`) more tests have more to
//! read; without it they use the project's own fixtures alone.

mod fuzz;
mod step;
mod tally;
mod tools;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::workspace::{cargo, root};
use crate::{arrows, licences, requirements, vectors};
use step::{Steps, succeed};
use tally::Runner;

/// How much of the run is wanted.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Leave out the fuzzing and the tests that drive a browser or trace system calls.
    #[arg(long)]
    quick: bool,
    /// Seconds that each fuzz target runs.
    #[arg(long, default_value_t = 20, value_name = "SECONDS")]
    fuzz_seconds: u32,
}

/// Test binaries that need programs from outside; a quick run leaves them out.
const OUTSIDE: &str = "not binary(/browser|strace|peers/)";

/// Runs everything; the error is that of the first step that failed.
pub(crate) fn run(options: &Options) -> Result<()> {
    let shared = Shared::beside(&root());
    let mut steps = Steps::default();
    let done = all(&mut steps, options, &shared);
    println!("\n{}", steps.summary(done.is_ok()));
    done
}

fn all(steps: &mut Steps, options: &Options, shared: &Shared) -> Result<()> {
    if !options.quick {
        steps.run("programs that the tests drive", tools::install_programs)?;
    }
    steps.run("format", || {
        succeed(cargo().args(["fmt", "--all", "--check"]))?;
        succeed(cargo().args(["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"]))
    })?;
    steps.run("arrows and purity", arrows::run)?;
    steps.run("licences", licences::run)?;
    steps.run("requirement map", || requirements::run(true))?;
    steps.run("lints", || {
        succeed(cargo().args(["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))
    })?;
    let nextest = tools::has_nextest();
    steps.count("tests", || tests(nextest, options.quick, shared))?;
    if !options.quick {
        steps.count("tests with other releases' mail servers, and parsedmarc", || {
            far_peers(nextest, shared)
        })?;
    }
    steps.count("tests in the documentation", || {
        let mut command = cargo();
        command.args(["test", "--workspace", "--doc", "--locked", "--", "--color", "never"]);
        tally::run(shared.tell(&mut command), Runner::Libtest)
    })?;
    if nextest {
        steps.run("tests that the requirement map names", || {
            let mut command = cargo();
            command.args(["nextest", "list", "--workspace", "--locked", "--message-format", "json"]);
            let listing = command.output().context("cargo nextest does not start")?;
            if !listing.status.success() {
                bail!("cargo nextest list: {}", String::from_utf8_lossy(&listing.stderr).trim());
            }
            requirements::compare_with_built(&listing.stdout)
        })?;
    }
    if let Some(file) = &shared.vectors {
        steps.run("vectors", || {
            if !vectors::run(file)? {
                bail!("rows of {} disagree", file.display());
            }
            Ok(())
        })?;
    }
    if !options.quick {
        fuzz::run(steps, options.fuzz_seconds)?;
    }
    Ok(())
}

fn tests(nextest: bool, quick: bool, shared: &Shared) -> Result<tally::Tally> {
    let mut command = cargo();
    if nextest {
        command.args(["nextest", "run", "--workspace", "--locked", "--no-fail-fast", "--color", "never"]);
        if quick {
            command.args(["--filterset", OUTSIDE]);
        }
        return tally::run(shared.tell(&mut command), Runner::Nextest);
    }
    println!("cargo-nextest is not installed: cargo test runs the tests, one binary after another");
    command.args(["test", "--workspace", "--all-targets", "--locked", "--no-fail-fast", "--"]);
    command.args(["--color", "never"]);
    if quick {
        command.args(["--skip", "browser", "--skip", "strace", "--skip", "peers"]);
    }
    tally::run(shared.tell(&mut command), Runner::Libtest)
}

/// The tests that a plain `cargo test` leaves out: their peers come from a Debian mirror and from PyPI, into the target
/// folder.
fn far_peers(nextest: bool, shared: &Shared) -> Result<tally::Tally> {
    let mut command = cargo();
    if nextest {
        command.args(["nextest", "run", "--workspace", "--locked", "--no-fail-fast", "--color", "never"]);
        command.args(["--run-ignored", "only", "--filterset", "binary(/peers|testing_mode|enforce/)"]);
        return tally::run(shared.tell(&mut command), Runner::Nextest);
    }
    command.args(["test", "--workspace", "--test", "peers_*", "--test", "testing_mode", "--test", "enforce"]);
    command.args(["--locked", "--no-fail-fast", "--", "--color", "never", "--ignored"]);
    tally::run(shared.tell(&mut command), Runner::Libtest)
}

/// The data beside the checkout, as far as it is there.
#[derive(Debug)]
struct Shared {
    corpus: Option<PathBuf>,
    vectors: Option<PathBuf>,
}

impl Shared {
    fn beside(root: &Path) -> Self {
        let folder = root.join("..").join("shared");
        let there = |path: PathBuf| path.canonicalize().ok();
        Self { corpus: there(folder.join("corpus")), vectors: there(folder.join("spec").join("vectors.tsv")) }
    }

    /// Tells a test process where the data is.
    fn tell<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        if let Some(corpus) = &self.corpus {
            command.env("TLSWARD_CORPUS", corpus);
        }
        if let Some(vectors) = &self.vectors {
            command.env("TLSWARD_VECTORS", vectors);
        }
        command
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn told(shared: &Shared) -> Vec<String> {
        let mut command = Command::new("true");
        shared.tell(&mut command);
        command.get_envs().map(|(name, _)| name.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn shared_data_is_told_where_it_exists() {
        let folder = tempfile::tempdir().expect("a folder");
        let checkout = folder.path().join("checkout");
        fs::create_dir_all(&checkout).expect("a folder");
        assert_eq!(told(&Shared::beside(&checkout)), Vec::<String>::new());
        fs::create_dir_all(folder.path().join("shared/corpus")).expect("a folder");
        assert_eq!(told(&Shared::beside(&checkout)), ["TLSWARD_CORPUS"]);
        fs::create_dir_all(folder.path().join("shared/spec")).expect("a folder");
        fs::write(folder.path().join("shared/spec/vectors.tsv"), "").expect("a file");
        assert_eq!(told(&Shared::beside(&checkout)), ["TLSWARD_CORPUS", "TLSWARD_VECTORS"]);
    }
}
