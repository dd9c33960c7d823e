//! The command line: what can be asked for, and how it is explained.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};

/// MTA-STS and TLS-RPT for your mail domains: takes in TLS reports, and says in plain words what failed and what to do.
#[derive(Debug, Parser)]
#[command(name = "tlsward", version, after_help = TOP_HELP, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Cli {
    /// The configuration; without one, built-in defaults on loopback hold.
    #[arg(long, value_name = "FILE", env = "TLSWARD_CONFIG", global = true, hide_env_values = true)]
    pub(crate) config: Option<PathBuf>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

const TOP_HELP: &str = "\
Examples:
  tlsward serve                      start the server; open http://127.0.0.1:8460/ then
  tlsward read report.json.gz        explain a report
  tlsward COMMAND --help             more about a command";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server: take in reports by mail and HTTPS, keep them, show them.
    ///
    /// Without a configuration, pages are on 127.0.0.1:8460, reports are taken by POST on 127.0.0.1:8461 and by mail
    /// on 127.0.0.1:8425, and everything is kept in ./tlsward-data. With one, only the roles run whose tables it
    /// has. SIGTERM lets requests under way end and stops; SIGHUP reads the configuration again.
    #[command(after_help = SERVE_HELP)]
    Serve(Serve),

    /// Read reports and explain them; nothing is sent anywhere.
    ///
    /// Takes reports as they come: JSON, gzip, zip, mails, mailboxes, and folders of them. What cannot be read is
    /// named with place and reason, and the rest is read.
    #[command(after_help = READ_HELP)]
    Read(Read),

    /// Take one mail from standard input and hand it to the server.
    ///
    /// For a mail server that pipes the reports' address into a program. If the server does not run, the mail is left in a
    /// spool folder, which the server empties when it starts.
    #[command(after_help = RECEIVE_HELP)]
    Receive,

    /// Print the completions of a shell.
    #[command(after_help = COMPLETIONS_HELP)]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },

    /// Write the manual pages into a folder.
    #[command(after_help = MAN_HELP)]
    Man {
        /// The folder; made if it is missing.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },

    /// Print the reference of the configuration, in Markdown.
    #[command(hide = true, after_help = "Example:\n  tlsward config-reference > docs/configuration.md")]
    ConfigReference,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Show weeks of a simulated world instead of your own (not in this version).
    #[arg(long)]
    pub(crate) demo: bool,

    /// What to log: a level, or levels for parts of the program.
    #[arg(long, value_name = "FILTER", env = "TLSWARD_LOG", default_value = "info", hide_env_values = true)]
    pub(crate) log: String,

    /// How log lines look.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = LogFormat::Human)]
    pub(crate) log_format: LogFormat,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For reading.
    Human,
    /// One JSON object a line.
    Json,
}

const SERVE_HELP: &str = "\
Examples:
  tlsward serve
  tlsward serve --config /etc/tlsward.toml
  tlsward serve --log debug --log-format json

Exit status: 0 after a clean stop, 78 if the configuration is wrong, 1 if the server could not run.";

#[derive(Debug, Args)]
pub(crate) struct Read {
    /// Files or folders; - is standard input.
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<OsString>,

    /// Print one line of JSON a report, in normal form, instead of text.
    #[arg(long)]
    pub(crate) json: bool,

    /// List every deviation from RFC 8460 that was mended to read a report.
    #[arg(long, short)]
    pub(crate) verbose: bool,

    /// Whether to use colours; auto: on a terminal, unless NO_COLOR is set.
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Colour::Auto)]
    pub(crate) color: Colour,
}

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

const READ_HELP: &str = "\
Examples:
  tlsward read 'google.com!example.com!1790812800!1790899199!001.json.gz'
  tlsward read ~/Maildir/.TLS-Reports
  curl -s https://example.com/report.json.gz | tlsward read -
  tlsward read --json reports/ | jq -r '.[\"organization-name\"]'

Exit status: 0, or 1 if any input held no readable report.";

const RECEIVE_HELP: &str = "\
Example, in /etc/aliases of Postfix:
  tlsrpt: \"|/usr/bin/tlsward receive --config /etc/tlsward.toml\"

Exit status: 0 if the mail is kept, also when it is set aside; 75 (try again later) if it could not be kept; 65 if it
is larger than 32 MiB.";

const COMPLETIONS_HELP: &str = "\
Examples:
  tlsward completions bash > /etc/bash_completion.d/tlsward
  tlsward completions zsh > ~/.zfunc/_tlsward";

const MAN_HELP: &str = "\
Example:
  tlsward man /usr/local/share/man/man1";

/// The command line as data, for completions and manual pages.
pub(crate) fn definition() -> clap::Command {
    Cli::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        definition().debug_assert();
    }

    #[test]
    fn every_command_is_explained_with_an_example() {
        for command in definition().get_subcommands() {
            let name = command.get_name();
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example") && help.contains(&format!("tlsward {name}")), "{name}");
            assert!(command.get_about().is_some(), "{name}");
        }
    }
}
