//! The programs that tests drive, and cargo's own additions.
//!
//! Where this process may, it installs what is missing: Debian's packages as root, cargo's additions into
//! the user's own folder. Where it may not, it says exactly what is missing.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use super::step::succeed;
use crate::workspace::cargo;

/// A program and Debian's package that has it.
const PROGRAMS: &[(&str, &str)] = &[
    ("chromium", "chromium"),
    ("chromedriver", "chromium-driver"),
    ("strace", "strace"),
    ("named", "bind9"),
    ("dnssec-signzone", "bind9-utils"),
    ("unbound", "unbound"),
    ("dig", "bind9-dnsutils"),
    ("delv", "bind9-dnsutils"),
    ("knotd", "knot"),
    ("postfix", "postfix"),
    ("mmdebstrap", "mmdebstrap"),
    ("ip", "iproute2"),
    ("curl", "curl"),
    ("openssl", "openssl"),
    ("nginx", "nginx"),
    ("pebble", "pebble"),
    ("journalctl", "systemd"),
    ("/usr/lib/systemd/systemd-journal-remote", "systemd-journal-remote"),
    ("faketime", "faketime"),
];

/// Makes sure that every program is there.
pub(crate) fn install_programs() -> Result<()> {
    let missing = missing(PROGRAMS);
    if missing.is_empty() {
        println!("all there");
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|(_, package)| *package).collect();
    if !(is_root() && find("apt-get").is_some()) {
        bail!("{}", what_is_missing(&missing));
    }
    println!("installing {}", packages.join(", "));
    succeed(apt().args(["update", "-q"]))?;
    succeed(apt().args(["install", "-q", "-y", "--no-install-recommends"]).args(&packages))?;
    let still = self::missing(&missing);
    if !still.is_empty() {
        bail!("after installing: {}", what_is_missing(&still));
    }
    Ok(())
}

fn what_is_missing(missing: &[(&str, &str)]) -> String {
    let list: Vec<String> =
        missing.iter().map(|(program, package)| format!("{program} (Debian's package {package})")).collect();
    format!(
        "not on the PATH: {}; install it, run as root where apt-get is, or leave out what needs it with --quick",
        list.join(", ")
    )
}

fn missing<'a>(programs: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    programs.iter().filter(|(program, _)| find(program).is_none()).copied().collect()
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    command
}

/// Whether this process runs as root: its own entry in /proc belongs to it.
fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// The first place on the PATH that has a program.
#[expect(clippy::disallowed_methods, reason = "the PATH says where programs are")]
fn find(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// Whether cargo-nextest can be called.
pub(crate) fn has_nextest() -> bool {
    answers(cargo().args(["nextest", "--version"]))
}

/// Makes sure that cargo-fuzz can be called.
pub(crate) fn install_cargo_fuzz() -> Result<()> {
    if answers(cargo().args(["fuzz", "--version"])) {
        return Ok(());
    }
    println!("installing cargo-fuzz");
    succeed(cargo().args(["install", "cargo-fuzz", "--locked"]))
}

/// Whether a command runs and succeeds; what it prints is not shown.
pub(crate) fn answers(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_its_package() {
        let programs = [("sh", "dash"), ("no-such-program-here", "some-package")];
        let missing = missing(&programs);
        assert_eq!(missing, [("no-such-program-here", "some-package")]);
        assert!(
            what_is_missing(&missing)
                .starts_with("not on the PATH: no-such-program-here (Debian's package some-package); ")
        );
    }

    #[test]
    fn a_program_answers_only_when_it_succeeds() {
        assert!(answers(&mut Command::new("true")));
        assert!(!answers(&mut Command::new("false")));
        assert!(!answers(&mut Command::new("no-such-program-here")));
    }
}
