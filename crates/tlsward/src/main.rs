//! The binary `tlsward`: commands, configuration, wiring. It alone prints, exits, and reads clock and environment.

mod checking;
mod cli;
mod commands;
mod config;
mod control;
mod edge;
mod present;
mod reading;
mod server;
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    match edge::arguments() {
        Ok(asked) => commands::run(asked),
        Err(exit) => exit,
    }
    .into()
}
