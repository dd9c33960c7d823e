//! `tlsward domain`: what can be done about domains of one's own.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// What to do about domains.
#[derive(Debug, Subcommand)]
pub(crate) enum Domain {
    /// Begin to publish for domains that publish nothing yet.
    ///
    /// A domain begins with its TLSRPT record alone, so that reports arrive before anything depends on them; `advance` brings it
    /// to a policy in mode testing, and later to enforce.
    #[command(after_help = ADD_HELP)]
    Add(Add),

    /// Take over a domain that publishes already, as it is: its mode and MX patterns stay.
    ///
    /// Without --yes nothing is done; what would be published is shown beside what is there.
    #[command(after_help = ADOPT_HELP)]
    Adopt(Adopt),

    /// List the domains, with what each is waiting for.
    #[command(after_help = LIST_HELP)]
    List(Shown),

    /// Show what a domain publishes, against what it should.
    #[command(after_help = SHOW_HELP)]
    Show(OfOne),

    /// Say what is to be published now, by whom, what comes next and when.
    #[command(after_help = PLAN_HELP)]
    Plan(OfOne),

    /// Bring a domain to its next stage: from reports alone to a policy in mode testing, from there to enforce.
    #[command(after_help = ADVANCE_HELP)]
    Advance(Advance),

    /// Change the MX hosts that a policy allows, in the order that loses no mail.
    #[command(after_help = MX_HELP)]
    Mx {
        /// What to change.
        #[command(subcommand)]
        change: Mx,
    },

    /// Define a group: domains that share one policy, changed by one command.
    #[command(after_help = GROUP_HELP)]
    Group(Group),

    /// Announce the policy anew, under another id, for senders that caught an older body.
    #[command(after_help = REANNOUNCE_HELP)]
    Reannounce(OfOne),

    /// Stop publishing for a domain. Refused while a sender may hold its policy; --wind-down leads there.
    #[command(after_help = REMOVE_HELP)]
    Remove(Remove),
}

/// How far a domain is to go at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FirstStage {
    /// The TLSRPT record alone.
    Reporting,
    /// A policy in mode testing as well.
    Testing,
}

/// How far the domains of a group are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum GroupStage {
    /// The TLSRPT record alone.
    Reporting,
    /// A policy in mode testing as well.
    Testing,
    /// A policy in mode enforce.
    Enforce,
}

/// What is published.
#[derive(Debug, Args)]
pub(crate) struct What {
    /// A host that takes the mail, or *.host for any one label before it; again for each. Never read from DNS.
    #[arg(long = "mx", value_name = "HOST")]
    pub(crate) mx: Vec<String>,

    /// Where reports go: an address, mailto: or https: URI; again for each. Without it, `rua` of the configuration.
    #[arg(long = "rua", value_name = "URI")]
    pub(crate) rua: Vec<String>,

    /// For how long senders may keep the policy, in seconds, if not as its stage has it.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) max_age: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct Add {
    /// Domains that take mail.
    #[arg(value_name = "DOMAIN", required_unless_present = "file")]
    pub(crate) domains: Vec<String>,

    /// Take domains from a file as well, one a line; # begins a comment; - is standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) what: What,

    /// How far to go at once.
    #[arg(long, value_enum, value_name = "STAGE", default_value_t = FirstStage::Reporting)]
    pub(crate) stage: FirstStage,

    /// Follow a group instead of --mx, --rua, --max-age and --stage.
    #[arg(long, value_name = "GROUP", conflicts_with_all = ["mx", "rua", "max_age", "stage"])]
    pub(crate) group: Option<String>,

    /// Print JSON instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Adopt {
    /// The domain.
    #[arg(value_name = "DOMAIN")]
    pub(crate) domain: String,

    /// Also report to here; again for each. What the domain names already stays.
    #[arg(long = "rua", value_name = "URI")]
    pub(crate) rua: Vec<String>,

    /// Do it.
    #[arg(long)]
    pub(crate) yes: bool,

    /// Print JSON instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct OfOne {
    /// The domain.
    #[arg(value_name = "DOMAIN")]
    pub(crate) domain: String,

    /// Print JSON instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Remove {
    /// The domain.
    #[arg(value_name = "DOMAIN")]
    pub(crate) domain: String,

    /// Publish mode none now; record and policy host go once no sender can hold a policy.
    #[arg(long)]
    pub(crate) wind_down: bool,

    /// Print JSON instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Shown {
    /// Print JSON instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Advance {
    /// The domain.
    #[arg(value_name = "DOMAIN")]
    pub(crate) domain: String,

    /// Although it is too early: mail may bounce.
    #[arg(long)]
    pub(crate) i_know: bool,

    /// Print JSON instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

/// How the MX hosts of a policy change.
#[derive(Debug, Subcommand)]
pub(crate) enum Mx {
    /// Allow another host, before it goes into DNS; says when it may.
    #[command(after_help = "Example:\n  tlsward domain mx add example.com mx2.example.net")]
    Add(MxChange),
    /// Take back a host, after it is gone from DNS.
    #[command(after_help = "Example:\n  tlsward domain mx remove example.com mx1.example.net")]
    Remove(MxChange),
}

#[derive(Debug, Args)]
pub(crate) struct MxChange {
    /// The domain, or with --group the group.
    #[arg(value_name = "DOMAIN")]
    pub(crate) domain: String,

    /// The host, or *.host.
    #[arg(value_name = "HOST")]
    pub(crate) host: String,

    /// Change a group, and so every domain that follows it, in waves.
    #[arg(long)]
    pub(crate) group: bool,

    /// Although DNS still names the host: mail may bounce.
    #[arg(long)]
    pub(crate) i_know: bool,

    /// Print JSON instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Group {
    /// Its name.
    #[arg(value_name = "GROUP")]
    pub(crate) group: String,

    #[command(flatten)]
    pub(crate) what: What,

    /// How far its domains are. A domain whose policy was not live in mode testing refuses enforce, and stops the group.
    #[arg(long, value_enum, value_name = "STAGE", default_value_t = GroupStage::Reporting)]
    pub(crate) stage: GroupStage,

    /// Print JSON instead of text.
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) const HELP: &str = "\
Examples:
  tlsward domain add example.com --mx mx1.example.com --mx mx2.example.com --rua mailto:tlsrpt@example.com
  tlsward domain plan example.com
  tlsward domain advance example.com
  tlsward domain mx add example.com mx3.example.com
  tlsward domain remove example.com

Exit status: 0 if it was done or shown, 1 if the server refused it (it says why), 2 if it could not be told (also if no
server runs), 64 if a domain or host is none.";

const ADD_HELP: &str = "\
Examples:
  tlsward domain add example.com --mx mx1.example.com --rua mailto:tlsrpt@example.com
  tlsward domain add --file domains.txt --group customers";

const ADOPT_HELP: &str = "\
Examples:
  tlsward domain adopt example.com
  tlsward domain adopt example.com --yes";

const LIST_HELP: &str = "\
Example:
  tlsward domain list --json | jq -r 'select(.stage == \"testing\") | .domain'";

const SHOW_HELP: &str = "\
Example:
  tlsward domain show example.com";

const PLAN_HELP: &str = "\
Example:
  tlsward domain plan example.com";

const ADVANCE_HELP: &str = "\
Example:
  tlsward domain advance example.com";

const MX_HELP: &str = "\
Examples:
  tlsward domain mx add example.com mx2.example.net
  tlsward domain mx remove example.com mx1.example.net
  tlsward domain mx add --group customers mx2.example.net";

const GROUP_HELP: &str = "\
Example:
  tlsward domain group customers --mx mx1.example.net --mx mx2.example.net --rua mailto:tlsrpt@example.net";

const REANNOUNCE_HELP: &str = "\
Example:
  tlsward domain reannounce example.com";

const REMOVE_HELP: &str = "\
Examples:
  tlsward domain remove --wind-down example.com
  tlsward domain remove example.com";

pub(crate) const EXPORT_HELP: &str = "\
Example:
  tlsward export /srv/mta-sts --config /etc/tlsward.toml

Exit status: 0, 1 if something could not be written, 2 if the server could not be asked.";
