//! The chores of this project: its whole test run, the checks that keep its shape, the requirement map,
//! the vectors and the benchmarks. `cargo xtask help` lists them.
//!
//! Every chore says on standard output what it did, names what is wrong on standard error, and exits 1
//! when something is.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a chore talks to the person who runs it")]

mod arrows;
mod bench;
mod licences;
mod requirements;
mod sources;
mod suite;
mod vectors;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The chores of this project.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_version_flag = true)]
struct Chores {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Run everything: format, lints, shape, licences, requirement map, tests, vectors, fuzzing.
    Test(suite::Options),
    /// Check that crates depend on each other in the right direction and that pure crates are pure.
    Arrows,
    /// Check the licences of all dependencies, and that some exist in one version only.
    Licences,
    /// Write docs/requirement-map.md from the tests that name requirements.
    Requirements {
        /// Change nothing; fail when the map is stale or wrong.
        #[arg(long)]
        check: bool,
    },
    /// Run a file of vectors through the protocol crates.
    Vectors {
        /// Tab-separated: kind, input as JSON, expected verdict, further columns.
        file: PathBuf,
    },
    /// Run the benchmarks.
    Bench(bench::Options),
}

fn main() -> ExitCode {
    let done = match Chores::parse().chore {
        Chore::Test(options) => suite::run(&options),
        Chore::Arrows => arrows::run(),
        Chore::Licences => licences::run(),
        Chore::Requirements { check } => requirements::run(check),
        // The count is to be the last line, so a disagreement is said by the exit code alone.
        Chore::Vectors { file } => match vectors::run(&file) {
            Ok(true) => Ok(()),
            Ok(false) => return ExitCode::FAILURE,
            Err(error) => Err(error),
        },
        Chore::Bench(options) => bench::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
