//! A short run of every fuzz target, from the committed corpus.
//!
//! What libFuzzer finds on the way goes to a folder under `target`, so that a run never changes the
//! checkout; a crash is kept by cargo-fuzz under `fuzz/artifacts` and named in its output.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use super::step::{Steps, succeed};
use super::tally::Tally;
use super::tools;
use crate::workspace::{cargo, root};

/// The part of `fuzz/Cargo.toml` that is read here.
#[derive(Deserialize)]
struct Manifest {
    bin: Vec<Bin>,
}

#[derive(Deserialize)]
struct Bin {
    name: String,
}

/// Builds all targets, then runs one after another for so many seconds each. A target counts as a test.
pub(crate) fn run(steps: &mut Steps, seconds: u32) -> Result<()> {
    let text =
        fs::read_to_string(root().join("fuzz/Cargo.toml")).context("fuzz/Cargo.toml cannot be read")?;
    let manifest: Manifest = toml::from_str(&text).context("fuzz/Cargo.toml names no target")?;
    steps.run("fuzz targets built", || {
        tools::install_cargo_fuzz()?;
        if !has_nightly() {
            println!("no nightly toolchain: fuzzing with the stable one, without the address sanitizer");
        }
        succeed(fuzz().arg("build").args(sanitizer()))
    })?;
    for Bin { name } in manifest.bin {
        steps.count(&format!("fuzzing {name}"), || {
            let found = root().join("target/fuzz-found").join(&name);
            fs::create_dir_all(&found).with_context(|| format!("{} cannot be made", found.display()))?;
            let mut command = fuzz();
            command.arg("run").args(sanitizer()).arg(&name).arg(&found);
            command.arg(root().join("fuzz/corpus").join(&name));
            command.arg("--").arg(format!("-max_total_time={seconds}"));
            command.args(["-timeout=10", "-malloc_limit_mb=256", "-max_len=65536", "-print_final_stats=1"]);
            succeed(&mut command)?;
            Ok(Tally { passed: 1, failed: 0 })
        })?;
    }
    Ok(())
}

/// cargo-fuzz under the nightly toolchain, which its sanitizers need.
fn fuzz() -> Command {
    if has_nightly() {
        let mut command = Command::new("rustup");
        command.args(["run", "nightly", "cargo", "fuzz"]).current_dir(root());
        return command;
    }
    let mut command = cargo();
    command.arg("fuzz");
    command
}

fn sanitizer() -> &'static [&'static str] {
    if has_nightly() { &[] } else { &["--sanitizer", "none"] }
}

fn has_nightly() -> bool {
    tools::answers(Command::new("rustup").args(["run", "nightly", "rustc", "--version"]))
}
