//! `tlsward report dkim`: the records that let receivers verify our reports.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::bail;

use super::printed;
use crate::config::Settings;
use crate::edge::{self, Exit};
use crate::server::make_folder;
use crate::server::report::{dkim, kept};

/// Prints them.
pub(super) fn dkim(config: Option<&Path>) -> Exit {
    let settings = match Settings::load(config) {
        Ok(settings) => settings,
        Err(error) => {
            edge::complain(&error.to_string());
            return Exit::Configuration;
        }
    };
    if settings.report.is_none() {
        edge::complain(
            "the configuration has no [report], so nothing is signed; add the table with a 'contact'",
        );
        return Exit::Configuration;
    }
    match records(&settings) {
        Ok(text) => printed(text.as_bytes()),
        Err(error) => {
            edge::complain_of(&error);
            Exit::Failed
        }
    }
}

fn records(settings: &Settings) -> anyhow::Result<String> {
    let Some(report) = &settings.report else { return Ok(String::new()) };
    make_folder(&settings.data_dir)?;
    // Keys that are made here are for the server to read.
    if fs::metadata(&settings.data_dir)?.uid() != rustix::process::geteuid().as_raw() {
        bail!(
            "the data folder {} belongs to another user: run this as that one, who runs the server too",
            settings.data_dir.display()
        );
    }
    let folder = kept::folder(&settings.data_dir)?;
    let submitters = report.submitters();
    let signer = dkim::signer(&report.dkim, &submitters, &folder)?;
    Ok(dkim::records(&signer, &submitters))
}
