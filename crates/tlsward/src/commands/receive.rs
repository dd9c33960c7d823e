//! `tlsward receive`: one mail from standard input to the server, or into its spool folder.

use std::io::{self, Read as _};
use std::path::Path;

use anyhow::Context as _;
use tlsward_engine::receive::MAX_INPUT_BYTES;
use tlsward_mail::pipe::{self, SpoolError};

use crate::config::Settings;
use crate::control;
use crate::edge::{self, Exit};
use crate::server;

/// Takes the mail. Whatever goes wrong is for later: the mail server that runs us has the mail still, and tries again.
pub(super) fn run(config: Option<&Path>) -> Exit {
    match receive(config) {
        Ok(()) => Exit::Fine,
        Err(error) => {
            edge::complain_of(&error);
            match error.downcast_ref::<SpoolError>() {
                // Trying again will not make it smaller.
                Some(SpoolError::TooLarge { .. }) => Exit::BadData,
                _ => Exit::TryAgain,
            }
        }
    }
}

fn receive(config: Option<&Path>) -> anyhow::Result<()> {
    let settings = Settings::load(config)?;
    let mut mail = Vec::new();
    io::stdin()
        .lock()
        .take(MAX_INPUT_BYTES as u64 + 1)
        .read_to_end(&mut mail)
        .context("cannot read the mail from standard input")?;
    if mail.len() > MAX_INPUT_BYTES {
        return Err(SpoolError::TooLarge { limit: MAX_INPUT_BYTES }.into());
    }
    if control::hand_over(&settings.control_socket(), &mail).is_ok() {
        return Ok(());
    }
    // No server, or one that cannot take it now: it finds the mail in the spool folder.
    server::make_folder(&settings.data_dir)?;
    let random = edge::random().context("cannot make a name for the mail")?;
    pipe::spool(&mut mail.as_slice(), &settings.spool(), MAX_INPUT_BYTES, edge::now(), random)?;
    Ok(())
}
