//! `tlsward serve`: settings, log, then the server until it is told to stop.

use std::path::PathBuf;

use crate::cli::Serve;
use crate::config::Settings;
use crate::edge::{self, Exit};
use crate::server;

/// Runs the server.
pub(super) fn run(options: &Serve, config: Option<PathBuf>) -> Exit {
    if options.demo {
        edge::complain("--demo is not in this version; `tlsward serve` starts an empty server");
        return Exit::Usage;
    }
    let settings = match Settings::load(config.as_deref()) {
        Ok(settings) => settings,
        Err(error) => {
            edge::complain(&error.to_string());
            return Exit::Configuration;
        }
    };
    let roles =
        [settings.web.is_some(), settings.https.is_some(), settings.smtp.is_some(), settings.check.is_some()];
    if !roles.contains(&true) {
        edge::complain(
            "the configuration has no table of a role, so there is nothing to run; add one of [web], \
             [receive.https], [receive.smtp], [check]",
        );
        return Exit::Configuration;
    }
    if let Err(error) = server::start_log(&options.log, options.log_format) {
        edge::complain_of(&error);
        return Exit::Usage;
    }
    match server::run(settings, config) {
        Ok(()) => Exit::Fine,
        Err(error) => {
            edge::complain_of(&error);
            Exit::Failed
        }
    }
}
