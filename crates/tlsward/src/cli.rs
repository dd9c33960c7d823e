//! The command line: what can be asked for, and how it is explained.

pub(crate) mod domain;

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
  tlsward check example.com          audit a domain
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

    /// Audit domains as senders see them: records, policy, every MX host on every address.
    ///
    /// Says whether a sender that enforces MTA-STS would deliver today, on which MX host not, and why; each finding
    /// comes with the record or file to publish. Looks from here: a firewall on the way shows as well.
    #[command(after_help = CHECK_HELP)]
    Check(Check),

    /// Show the policy that a sender would apply to mail for a domain now, and why, step by step.
    ///
    /// For a sender that holds no policy yet: whoever holds one keeps to it until its max_age has run out.
    #[command(after_help = POLICY_HELP)]
    Policy(Policy),

    /// Publish MTA-STS and TLSRPT for your own domains: add them, see how they stand, change their MX hosts, let them go.
    ///
    /// Each command is carried out by the running server, which does the rest by itself and in the right order: records, policy
    /// and certificate. `plan` says what is done next, by whom and when.
    #[command(after_help = domain::HELP)]
    Domain {
        /// What to do.
        #[command(subcommand)]
        what: domain::Domain,
    },

    /// Write the policies and records of the running server as files, for another web server or DNS.
    #[command(after_help = domain::EXPORT_HELP)]
    Export {
        /// The folder; made if it is missing.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },

    /// Print what sending reports needs from you.
    #[command(after_help = REPORT_HELP)]
    Report {
        /// What to print.
        #[command(subcommand)]
        about: About,
    },

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

    /// Print the reference of the findings of check, in Markdown.
    #[command(hide = true, after_help = "Example:\n  tlsward findings-reference > docs/findings.md")]
    FindingsReference,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Show eight weeks of made-up reports and checks of a dozen domains in trouble, then live ones.
    ///
    /// Only the pages run, at their usual address or that of the configuration. Everything is in a temporary folder that
    /// goes when the server ends; your own data is not touched and the network not used.
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
  tlsward serve --demo
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

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Domains that take mail.
    #[arg(value_name = "DOMAIN", required_unless_present = "file")]
    pub(crate) domains: Vec<String>,

    /// Take domains from a file as well, one a line; # begins a comment; - is standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,

    /// Print one line of JSON a domain, as each finishes, instead of text.
    #[arg(long)]
    pub(crate) json: bool,

    /// Append lines of JSON to this file, and leave out the domains that it already has: an interrupted run goes on.
    #[arg(long, value_name = "FILE")]
    pub(crate) resume: Option<PathBuf>,

    /// How many domains are audited at once.
    #[arg(long, value_name = "NUMBER", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) jobs: u16,

    /// Whether to use colours; auto: on a terminal, unless NO_COLOR is set.
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Colour::Auto)]
    pub(crate) color: Colour,
}

#[derive(Debug, Args)]
#[command(subcommand_negates_reqs = true)]
pub(crate) struct Policy {
    /// What the running server is to do about a policy instead.
    #[command(subcommand)]
    pub(crate) change: Option<PolicyChange>,

    /// A domain, or a relay as mail servers write it: [relay.example]:587.
    #[arg(value_name = "DOMAIN", required = true)]
    pub(crate) next_hop: Option<String>,

    /// Print one line of JSON instead of text.
    #[arg(long)]
    pub(crate) json: bool,

    /// Whether to use colours; auto: on a terminal, unless NO_COLOR is set.
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Colour::Auto)]
    pub(crate) color: Colour,
}

/// What the running server can be told to do about a policy.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyChange {
    /// Have the running server fetch a domain's policy now, whatever it holds.
    ///
    /// A policy that is held stays in force if the new one cannot be had (RFC 8461 §3.3).
    #[command(after_help = REFRESH_HELP)]
    Refresh(PolicyOf),

    /// Have the running server drop the policy that it holds for a domain.
    ///
    /// Until the next one is fetched, nothing protects mail for the domain: for the day when its owner has lost the policy
    /// host and tells you so by another way than DNS or the web.
    #[command(after_help = FORGET_HELP)]
    Forget(PolicyOf),
}

/// Whose policy.
#[derive(Debug, Args)]
pub(crate) struct PolicyOf {
    /// The domain, or the name of a relay.
    #[arg(value_name = "DOMAIN")]
    pub(crate) domain: String,

    /// Print one line of JSON instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

const REFRESH_HELP: &str = "\
Example:
  tlsward policy refresh example.com

Exit status: 0 if a policy is in force now, 1 if there is none, 2 if it could not be told (also if no server runs), 64 if
DOMAIN is none.";

const FORGET_HELP: &str = "\
Example:
  tlsward policy forget example.com

Exit status: 0 if a policy was dropped, 1 if none was held, 2 if it could not be told (also if no server runs), 64 if
DOMAIN is none.";

const POLICY_HELP: &str = "\
Examples:
  tlsward policy example.com
  tlsward policy '[relay.example]:587'
  tlsward policy refresh example.com
  tlsward policy forget example.com

Exit status: 0 if a policy applies, 1 if none does, 2 if it could not be told, 64 if DOMAIN is none.";

const CHECK_HELP: &str = "\
Examples:
  tlsward check example.com
  tlsward check --json example.com example.net | jq -r '.domain + \" \" + .verdict'
  tlsward check --file domains.txt --resume results.jsonl

Exit status: 1 if any finding is an error; else 2 if any verdict is `unknown`, or something could not be read, checked or
written; else 0. With --resume, what the file already holds counts as well.";

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

/// What `report` prints.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum About {
    /// The DKIM records to publish, as lines of zone files; the keys are made if they are not there yet.
    #[command(after_help = "Example:\n  tlsward report dkim --config /etc/tlsward.toml")]
    Dkim,
}

const REPORT_HELP: &str = "\
Example:
  tlsward report dkim --config /etc/tlsward.toml

Exit status: 0, 78 if the configuration is wrong or has no [report], 1 if the keys cannot be used.";

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
