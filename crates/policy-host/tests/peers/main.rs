//! The policy host as curl, OpenSSL and nginx see it.
//!
//! In a module of this name, by which a quick test run leaves it out. Everything is on loopback or behind Unix sockets,
//! bounded in time, and ended by its own handle.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "../support/mod.rs"]
mod support;

mod nginx;
mod programs;

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;

/// Runs a program to its end; what it printed on both streams, and whether it went well.
async fn run(program: &str, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let output: Output = tokio::time::timeout(Duration::from_secs(30), command.output())
        .await
        .unwrap_or_else(|_| panic!("{program} does not end"))
        .unwrap_or_else(|error| panic!("{program} cannot be run ({error}); `cargo xtask test` installs it"));
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), text)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of ours")
}
