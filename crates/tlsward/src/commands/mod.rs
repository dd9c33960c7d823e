//! What each command does. A command returns how the process ends; what it prints goes through [`crate::edge`].

mod check;
mod domain;
mod manual;
mod policy;
mod read;
mod receive;
mod report;
mod serve;

use std::io::{self, Write as _};

use crate::cli::{About, Cli, Command};
use crate::edge::{self, Exit};

/// Does what was asked.
pub(crate) fn run(asked: Cli) -> Exit {
    match asked.command {
        Command::Serve(options) => serve::run(&options, asked.config),
        Command::Read(options) => read::run(&options),
        Command::Check(options) => check::run(&options, asked.config.as_deref()),
        Command::Policy(options) => policy::run(&options, asked.config.as_deref()),
        Command::Report { about: About::Dkim } => report::dkim(asked.config.as_deref()),
        Command::Domain { what } => domain::run(&what, asked.config.as_deref()),
        Command::Export { folder } => domain::export(&folder, asked.config.as_deref()),
        Command::Receive => receive::run(asked.config.as_deref()),
        Command::Completions { shell } => printed(&manual::completions(shell)),
        Command::Man { folder } => match manual::write(&folder) {
            Ok(()) => Exit::Fine,
            Err(error) => {
                edge::complain_of(&error);
                Exit::Failed
            }
        },
        Command::FindingsReference => printed(crate::present::findings::markdown().as_bytes()),
        Command::ConfigReference => printed(crate::config::reference::markdown().as_bytes()),
    }
}

/// Prints bytes. A reader that went away is none of our concern.
fn printed(bytes: &[u8]) -> Exit {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            edge::complain(&format!("cannot write: {error}"));
            Exit::Failed
        }
        _ => Exit::Fine,
    }
}
