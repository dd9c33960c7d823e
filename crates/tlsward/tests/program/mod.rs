//! The built program, run as a person runs it.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// The folder of fixtures.
pub(crate) fn fixtures() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures"))
}

/// The program, in the folder of fixtures, with an environment that does not depend on who runs the test.
pub(crate) fn tlsward() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tlsward"));
    command.current_dir(fixtures());
    for name in ["TLSWARD_CONFIG", "TLSWARD_LOG", "NO_COLOR", "COLUMNS"] {
        command.env_remove(name);
    }
    command
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Exit status.
    pub(crate) code: Option<i32>,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).expect("standard output is UTF-8"),
            err: String::from_utf8(output.stderr).expect("standard error is UTF-8"),
        }
    }
}

/// Runs it with these arguments and nothing on standard input.
pub(crate) fn run<A: AsRef<OsStr>>(arguments: &[A]) -> Ran {
    tlsward().args(arguments).stdin(Stdio::null()).output().expect("the program runs").into()
}

/// Runs it with these arguments and this on standard input.
pub(crate) fn run_with(arguments: &[&str], input: &[u8]) -> Ran {
    feed(tlsward().args(arguments), input)
}

/// Runs a command with this on standard input.
pub(crate) fn feed(command: &mut Command, input: &[u8]) -> Ran {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program runs");
    let mut stdin = child.stdin.take().expect("standard input is piped");
    let input = input.to_vec();
    // A program that does not read to the end breaks the pipe: that is its own affair.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().expect("the program ends");
    writer.join().expect("the input was written");
    output.into()
}
