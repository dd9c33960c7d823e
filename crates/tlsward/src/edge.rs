//! The one module that touches the process: its arguments and environment, its terminal, its clock, its exit.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Parser as _;
use clap::error::ErrorKind;
use listenfd::ListenFd;
use sd_notify::NotifyState;
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::Clock;

use crate::cli::{Cli, Colour};
use crate::present::page::Look;
use crate::present::visible::visible;

/// How the process ends. Numbers above 2 are those of sysexits.h, which mail servers know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All went well.
    Fine,
    /// Something asked for could not be done, or an input not be read.
    Failed,
    /// It could not be told.
    Untold,
    /// The command line was wrong (EX_USAGE).
    Usage,
    /// What was handed over can never be taken (EX_DATAERR).
    BadData,
    /// Try again later (EX_TEMPFAIL).
    TryAgain,
    /// The configuration was wrong (EX_CONFIG).
    Configuration,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Fine => 0,
            Exit::Failed => 1,
            Exit::Untold => 2,
            Exit::Usage => 64,
            Exit::BadData => 65,
            Exit::TryAgain => 75,
            Exit::Configuration => 78,
        })
    }
}

/// Reads the command line. An error, and what was asked of help and version, is printed here.
pub(crate) fn arguments() -> Result<Cli, Exit> {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if arguments.len() <= 1 {
        // Nothing was asked: the help is the answer, not the complaint.
        let _ = crate::cli::definition().print_help();
        return Err(Exit::Fine);
    }
    Cli::try_parse_from(arguments).map_err(|error| {
        let _ = error.print();
        match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Exit::Fine,
            _ => Exit::Usage,
        }
    })
}

/// How text for a person looks on standard output.
pub(crate) fn look(colour: Colour) -> Look {
    let terminal = is_read_along();
    let colour = match colour {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => terminal && !is_set("NO_COLOR") && variable("TERM").is_none_or(|term| term != "dumb"),
    };
    let columns =
        if terminal { terminal_size::terminal_size().map(|(width, _)| usize::from(width.0)) } else { None };
    Look::new(columns, colour)
}

/// Whether standard output is a terminal.
pub(crate) fn is_read_along() -> bool {
    io::stdout().is_terminal()
}

/// Whether what goes to standard error is coloured.
pub(crate) fn colour_on_stderr() -> bool {
    watched() && !is_set("NO_COLOR")
}

/// Whether standard error is a terminal.
pub(crate) fn watched() -> bool {
    io::stderr().is_terminal()
}

/// Says something on standard output, at once.
pub(crate) fn say(text: &str) {
    let mut stdout = io::stdout().lock();
    // Nobody may be reading; the server runs all the same.
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Says something on standard error. The text must be visible already but for its line ends.
pub(crate) fn complain(text: &str) {
    let mut stderr = io::stderr().lock();
    for line in text.lines() {
        // If standard error is closed there is nobody to tell.
        let _ = writeln!(stderr, "tlsward: {line}");
    }
}

/// Says on standard error why something failed, with what it was caused by.
pub(crate) fn complain_of(error: &anyhow::Error) {
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    let text: Vec<_> = causes.join(": ").lines().map(|line| visible(line).into_owned()).collect();
    complain(&text.join("\n"));
}

/// By the convention of NO_COLOR, an empty value does not count.
fn is_set(name: &str) -> bool {
    variable(name).is_some_and(|value| !value.is_empty())
}

#[expect(clippy::disallowed_methods, reason = "the edge is where the environment is read")]
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// Sockets that a service manager opened for this process (sd_listen_fds(3)), and their names as far as it told them.
/// The variables are taken out of the environment, so this is called once, and before there are threads.
pub(crate) fn inherited() -> (ListenFd, Vec<String>) {
    // Without a process id they may be meant for whoever started us.
    if !is_set("LISTEN_PID") {
        return (ListenFd::empty(), Vec::new());
    }
    let names = variable("LISTEN_FDNAMES").unwrap_or_default();
    let names = names.to_string_lossy().split(':').map(str::to_owned).collect();
    (ListenFd::from_env(), names)
}

/// Tells the service manager (sd_notify(3)), if there is one that listens.
pub(crate) fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager cannot be told how the server does");
    }
}

/// How long the service manager waits for a sign of life, if it does.
pub(crate) fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|patience| !patience.is_zero())
}

/// The clock of the system.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixTime {
        now()
    }
}

/// Unix seconds UTC.
#[expect(clippy::disallowed_methods, reason = "the edge is where the clock is read")]
pub(crate) fn now() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    UnixTime::try_from(since).unwrap_or(UnixTime::MAX)
}

/// Random bits from the system.
pub(crate) fn random() -> io::Result<u128> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u128::from_ne_bytes(bytes))
}

/// A label for DNS that nobody uses.
pub(crate) fn unused_label() -> io::Result<String> {
    Ok(format!("tlsward-{:x}", random()? >> 64))
}

/// The machine's own name, as it is known to itself.
pub(crate) fn host_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    // What cannot be said in EHLO is no name for it.
    if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()) {
        name
    } else {
        "localhost".to_owned()
    }
}

/// Ends the process at once, because a person asked twice. What was acknowledged is on disk.
#[expect(clippy::disallowed_methods, reason = "the edge is where the process ends")]
pub(crate) fn leave() {
    std::process::exit(1)
}
