//! `tlsward completions` and `tlsward man`: the command line as other programs want to have it.

use std::path::Path;

use anyhow::Context as _;

use crate::cli;
use crate::present::visible::visible;

/// The completions of a shell.
pub(super) fn completions(shell: clap_complete::Shell) -> Vec<u8> {
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut cli::definition(), "tlsward", &mut out);
    out
}

/// Writes a manual page for the program and one for each command.
pub(super) fn write(folder: &Path) -> anyhow::Result<()> {
    let shown = visible(&folder.to_string_lossy()).into_owned();
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {shown}"))?;
    clap_mangen::generate_to(cli::definition(), folder)
        .with_context(|| format!("cannot write manual pages into {shown}"))
}
