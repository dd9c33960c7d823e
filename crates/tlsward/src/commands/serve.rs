//! `tlsward serve`: settings, log, then the server until it is told to stop.

use std::path::PathBuf;

use crate::cli::Serve;
use crate::config::Settings;
use crate::edge::{self, Exit};
use crate::server::{self, Demo};

/// Runs the server.
pub(super) fn run(options: &Serve, config: Option<PathBuf>) -> Exit {
    let settings = match Settings::load(config.as_deref()) {
        Ok(settings) => settings,
        Err(error) => {
            edge::complain(&error.to_string());
            return Exit::Configuration;
        }
    };
    let demo = match options.demo.then(Demo::new).transpose() {
        Ok(demo) => demo,
        Err(error) => {
            edge::complain(&format!("cannot make a temporary folder for the demonstration: {error}"));
            return Exit::Failed;
        }
    };
    let settings = match &demo {
        Some(demo) => demo.settings(&settings),
        None => settings,
    };
    let roles = [
        settings.web.is_some(),
        settings.https.is_some(),
        settings.smtp.is_some(),
        settings.check.is_some(),
        settings.enforce.is_some(),
        settings.report.is_some(),
    ];
    if !roles.contains(&true) {
        edge::complain(
            "the configuration has no table of a role, so there is nothing to run; add one of [web], \
             [receive.https], [receive.smtp], [check], [enforce], [report]",
        );
        return Exit::Configuration;
    }
    if let Err(error) = server::start_log(&options.log, options.log_format) {
        edge::complain_of(&error);
        return Exit::Usage;
    }
    match server::run(settings, config, demo.as_ref()) {
        Ok(()) => Exit::Fine,
        Err(error) => {
            edge::complain_of(&error);
            Exit::Failed
        }
    }
}
