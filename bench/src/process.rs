//! Processes that are measured, and Python environments for the peers among them.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use anyhow::{Context as _, Result, bail, ensure};

/// Ticks a second of /proc: fixed in the kernel's interface on every machine that Linux runs on today.
const TICKS: f64 = 100.0;

/// A process that ends with us.
pub struct Process(Child);

impl Process {
    /// Takes it over.
    pub fn new(child: Child) -> Self {
        Self(child)
    }

    /// Resident memory, in MB.
    pub fn resident(&self) -> Result<f64> {
        let kibibytes = self.status("VmRSS:")?;
        Ok(kibibytes * 1024.0 / 1e6)
    }

    /// The most that was ever resident, in KiB.
    pub fn peak_kib(&self) -> Result<f64> {
        self.status("VmHWM:")
    }

    /// User and system time so far, in seconds.
    pub fn cpu_seconds(&self) -> Result<f64> {
        cpu_seconds_of(&self.0.id().to_string())
    }

    /// Waits for its end, which must be a good one: the time that it took of the processor, in seconds.
    pub fn finish(mut self) -> Result<f64> {
        // A zombie that nobody has waited for: its times stand still.
        while self.stat()?.first().is_none_or(|state| state != "Z") {
            std::thread::yield_now();
        }
        let seconds = self.cpu_seconds()?;
        self.0.wait()?;
        Ok(seconds)
    }

    /// An error once it has ended.
    pub fn is_alive(&mut self) -> Result<()> {
        ensure!(self.0.try_wait()?.is_none(), "the server ended");
        Ok(())
    }

    fn read(&self, file: &str) -> Result<String> {
        Ok(std::fs::read_to_string(format!("/proc/{}/{file}", self.0.id()))?)
    }

    fn status(&self, key: &str) -> Result<f64> {
        let status = self.read("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix(key)).context("a short status")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    fn stat(&self) -> Result<Vec<String>> {
        stat(&self.0.id().to_string())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// User and system time so far of a process that is not ours to end, in seconds.
pub fn cpu_seconds_of(id: &str) -> Result<f64> {
    let fields = stat(id)?;
    let times = fields.get(11..13).context("a short stat")?;
    Ok(times.iter().map(|field| field.parse::<f64>()).sum::<Result<f64, _>>()? / TICKS)
}

/// The fields behind the name.
fn stat(id: &str) -> Result<Vec<String>> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').context("no stat")?;
    Ok(fields.split_whitespace().map(str::to_owned).collect())
}

/// The program in the state of the code that the benchmark was built from: both stand in one folder.
pub fn tlsward() -> Result<Command> {
    let binary = std::env::current_exe()?.with_file_name("tlsward");
    if !binary.exists() {
        bail!("there is no {}: build it with cargo build --release", binary.display());
    }
    Ok(Command::new(binary))
}

/// A Python of its own in the build folder that has these packages and can import these modules.
pub fn python(name: &str, packages: &[&str], modules: &str) -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let build = program.parent().and_then(Path::parent).context("no build folder")?;
    let folder = build.join("peers").join(name);
    let python = folder.join("bin/python");
    let run = |command: &mut Command| -> Result<()> {
        let output =
            command.output().with_context(|| format!("{} cannot be run", command.get_program().display()))?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or("it failed"));
        }
        Ok(())
    };
    if run(Command::new(&python).args(["-c", &format!("import {modules}")])).is_err() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder)).context("no Python environment")?;
        run(Command::new(&python).args(["-m", "pip", "install", "-q"]).args(packages))
            .context("not installed")?;
    }
    Ok(python)
}
