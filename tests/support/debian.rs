//! A Debian in a folder, and a test that runs beside it in a network and a process tree of its own.
//!
//! A test calls [`inside`] first. The process that cargo started makes the folder (once, by mmdebstrap), starts the same
//! test again behind `unshare`, waits for it, and gets `None`: it is done. That second process gets the [`Debian`]: a
//! fresh layer over the folder, in memory, with loopback up and nothing else in reach, so that any port and any address
//! of 127.0.0.0/8 may be used. When it ends, however it ends, every process it started ends with it (a process
//! namespace dies with its first process), and so does everything that was written. Needs root, mmdebstrap and a
//! Debian mirror.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Tells the second process where its Debian is.
const INSIDE: &str = "TLSWARD_TEST_INSIDE";

/// What the first process in the namespaces does. `$LAYER` is an empty folder, `$BASE` the Debian.
const SCRIPT: &str = r#"set -e
ip link set lo up
mount -t proc proc /proc
echo 512 > /proc/sys/net/unix/max_dgram_qlen
mount -t tmpfs -o mode=755 tmpfs "$LAYER"
mkdir "$LAYER/upper" "$LAYER/work" "$LAYER/root"
mount -t overlay overlay -o "lowerdir=$BASE,upperdir=$LAYER/upper,workdir=$LAYER/work" "$LAYER/root"
mount -t proc proc "$LAYER/root/proc"
mount --rbind /dev "$LAYER/root/dev"
mount -t tmpfs tmpfs "$LAYER/root/dev/shm"
"$0" "$@"
"#;

/// A Debian that is this test's own.
#[derive(Debug)]
pub struct Debian {
    /// Its root folder.
    pub root: PathBuf,
}

/// Goes on inside, where it returns the Debian, of this release and with these packages (parted by commas). Outside
/// it returns when the test has passed inside, and panics when it has not. `test` is the calling test's full name.
pub fn inside(test: &str, suite: &str, packages: &str) -> Option<Debian> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the way from the outer process of a test to the inner one"
    )]
    if let Some(root) = env::var_os(INSIDE) {
        return Some(Debian { root: root.into() });
    }
    let base = made(suite, packages);
    let layer = tempfile::tempdir().expect("a folder");
    // SIGKILL for all of it when the thread that runs this test is gone, even if it could not clean up.
    let status = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "unshare", "--net", "--mount", "--pid", "--fork", "--kill-child"])
        .args(["sh", "-c", SCRIPT])
        .arg(env::current_exe().expect("this program has a path"))
        .args(["--exact", test, "--include-ignored", "--nocapture", "--test-threads", "1"])
        .env("BASE", &base)
        .env("LAYER", layer.path())
        .env(INSIDE, layer.path().join("root"))
        .stdin(Stdio::null())
        .status()
        .expect("setpriv and unshare (Debian's package util-linux) are needed, and root");
    assert!(status.success(), "{test} failed inside, see above");
    None
}

impl Debian {
    /// A program of its own, by chroot.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("chroot");
        command.arg(&self.root).arg(program).stdin(Stdio::null());
        command
    }

    /// Runs it to its end; what it said on standard output, and on standard error.
    pub fn run(&self, program: &str, arguments: &[&str]) -> (String, String) {
        let output = self.command(program).args(arguments).output().expect("chroot works");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        (text(&output.stdout), text(&output.stderr))
    }

    /// A path inside, as it is from here.
    pub fn path(&self, inside: &str) -> PathBuf {
        self.root.join(inside.trim_start_matches('/'))
    }

    /// Writes a file, and the folders above it.
    pub fn write(&self, inside: &str, text: &str) {
        let path = self.path(inside);
        fs::create_dir_all(path.parent().expect("a file in a folder")).expect("a folder of ours");
        fs::write(path, text).expect("a folder of ours");
    }
}

/// The folder, made if it is not there from an earlier run. One process makes it; the others wait for that one.
fn made(suite: &str, packages: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let name = format!("debian-{suite}-{}", packages.replace(',', "+"));
    let (done, begun) = (folder.join(&name), folder.join(format!("{name}.new")));
    let lock = File::create(folder.join(format!("{name}.lock"))).expect("the target folder is ours");
    lock.lock().expect("the target folder takes locks");
    if !done.exists() {
        // What an earlier run did not get to the end of.
        let _ = fs::remove_dir_all(&begun);
        let output = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", "mmdebstrap", "--variant=apt"])
            // A mirror that lags behind is good enough for a folder that only tests see.
            .arg("--aptopt=Acquire::Check-Valid-Until \"false\"")
            .args([&format!("--include={packages}"), suite])
            .arg(&begun)
            .stdin(Stdio::null())
            .output()
            .expect("setpriv (Debian's package util-linux) is needed");
        let errors = String::from_utf8_lossy(&output.stderr);
        let needs = "Debian's package mmdebstrap, root and a Debian mirror are needed";
        assert!(output.status.success(), "mmdebstrap {suite} failed ({needs}): {errors}");
        fs::rename(&begun, &done).expect("a folder of ours");
    }
    done
}
