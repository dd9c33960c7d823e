//! The configuration: one TOML file, or none.
//!
//! [`Settings::load`] gives what the commands go by, checked once. What can fail: a file that cannot be read, or whose
//! contents are wrong; [`ConfigError`] then names every place at once. Reads files, but no environment and no clock.

mod enforce;
mod file;
mod keys;
mod load;
mod publish;
pub(crate) mod reference;
mod report;
mod size;
mod validate;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

pub(crate) use enforce::{DefaultAnswer, Enforce, Listen, Overrides, Rule, UnderEnforce};
pub(crate) use load::ConfigError;
use mta_sts::policy_domain::PolicyDomain;
pub(crate) use publish::{Acme, ChallengeKind, Dns, Embedded, Place, Publish};
pub(crate) use report::{Dkim, PostfixLog, Report};
use tlsward_net::guard::Allowed;
pub(crate) use tlsward_web::source::Net as Network;

/// What the commands go by. A role runs if and only if its part is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The folder for everything that is kept.
    pub(crate) data_dir: PathBuf,
    /// The SQLite database.
    pub(crate) database: PathBuf,
    /// How the world is asked.
    pub(crate) net: Net,
    /// The pages.
    pub(crate) web: Option<Web>,
    /// Domains that are audited every hour.
    pub(crate) check: Option<Check>,
    /// Answers for the mail server.
    pub(crate) enforce: Option<Enforce>,
    /// Sessions counted and reports sent.
    pub(crate) report: Option<Report>,
    /// Policies of own domains.
    pub(crate) publish: Option<Publish>,
    /// What holds for reports on every road.
    pub(crate) receive: Receive,
    /// Reports by POST.
    pub(crate) https: Option<Https>,
    /// Reports by mail.
    pub(crate) smtp: Option<Smtp>,
}

/// `[net]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Net {
    /// Resolvers; empty: the system's.
    pub(crate) dns_servers: Vec<SocketAddr>,
    pub(crate) dnssec: DnssecMode,
    /// For validation here; without it, the root keys of IANA.
    pub(crate) trust_anchor: Option<PathBuf>,
    /// Besides the system's.
    pub(crate) trust_roots: Option<PathBuf>,
    pub(crate) https_port: u16,
    pub(crate) smtp_port: u16,
    pub(crate) allow_private_addresses: bool,
    /// The owner's own end points, which names may lead to although they are not public.
    pub(crate) allowed: Vec<Allowed>,
    /// For EHLO; without it, the system's name.
    pub(crate) hostname: Option<String>,
}

/// What DNSSEC statuses rest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DnssecMode {
    /// The AD bit of a resolver on this machine.
    #[default]
    TrustAd,
    /// Signatures checked here.
    Validate,
    /// Nothing.
    Off,
}

/// `[check]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Check {
    /// Each can be audited.
    pub(crate) domains: BTreeSet<PolicyDomain>,
}

/// `[web]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Web {
    /// A loopback address.
    pub(crate) listen: SocketAddr,
    /// Host names besides the address itself and `localhost`, lower case.
    pub(crate) names: Vec<String>,
}

/// `[receive]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Receive {
    /// Domains that reports are filed for, as lower-case A-labels; empty: for all.
    pub(crate) domains: BTreeSet<String>,
    /// Bytes kept of what could not be filed.
    pub(crate) set_aside_quota: u64,
    /// Bytes kept of what nobody vouches for.
    pub(crate) unauthenticated_quota: u64,
}

/// `[receive.https]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Https {
    pub(crate) listen: SocketAddr,
    /// Without it: plain HTTP.
    pub(crate) tls: Option<KeyPair>,
    pub(crate) trusted_proxies: Vec<Network>,
    pub(crate) exempt: Vec<Network>,
}

/// `[receive.smtp]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Smtp {
    pub(crate) listen: SocketAddr,
    pub(crate) protocol: MailProtocol,
    /// The name in the greeting.
    pub(crate) hostname: String,
    /// Without it: no STARTTLS.
    pub(crate) tls: Option<KeyPair>,
    /// Addresses and domains, lower case; empty: every recipient.
    pub(crate) recipients: Vec<String>,
}

/// Files of a certificate chain and its private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeyPair {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// How mail is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MailProtocol {
    /// RFC 5321.
    #[default]
    Smtp,
    /// RFC 2033.
    Lmtp,
}

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const DNS_PORT: u16 = 53;
const WEB_PORT: u16 = 8460;
const HTTPS_PORT: u16 = 8461;
const SMTP_PORT: u16 = 8425;
const ENFORCE_PORT: u16 = 8462;
const DATA_DIR: &str = "./tlsward-data";
const DATABASE: &str = "tlsward.db";

impl Settings {
    /// The settings of `file`, or those without any file.
    pub(crate) fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        match file {
            Some(file) => load::read(file),
            None => Ok(Self::without_file()),
        }
    }

    /// All that this version can do, on loopback, under the current folder.
    fn without_file() -> Self {
        Self {
            data_dir: PathBuf::from(DATA_DIR),
            database: Path::new(DATA_DIR).join(DATABASE),
            net: Net::default(),
            web: Some(Web::default()),
            check: None,
            enforce: None,
            report: None,
            publish: None,
            receive: Receive::default(),
            https: Some(Https::default()),
            smtp: Some(Smtp::default()),
        }
    }

    /// The socket by which other commands reach a running server.
    pub(crate) fn control_socket(&self) -> PathBuf {
        self.data_dir.join("control.sock")
    }

    /// The folder where `tlsward receive` leaves mail when no server runs.
    pub(crate) fn spool(&self) -> PathBuf {
        self.data_dir.join("spool")
    }
}

impl Default for Net {
    fn default() -> Self {
        Self {
            dns_servers: Vec::new(),
            dnssec: DnssecMode::default(),
            trust_anchor: None,
            trust_roots: None,
            https_port: 443,
            smtp_port: 25,
            allow_private_addresses: false,
            allowed: Vec::new(),
            hostname: None,
        }
    }
}

impl Default for Web {
    fn default() -> Self {
        Self { listen: SocketAddr::new(LOOPBACK, WEB_PORT), names: Vec::new() }
    }
}

impl Default for Receive {
    fn default() -> Self {
        Self { domains: BTreeSet::new(), set_aside_quota: 64 << 20, unauthenticated_quota: 4 << 30 }
    }
}

impl Default for Https {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(LOOPBACK, HTTPS_PORT),
            tls: None,
            trusted_proxies: Vec::new(),
            exempt: Vec::new(),
        }
    }
}

impl Default for Smtp {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(LOOPBACK, SMTP_PORT),
            protocol: MailProtocol::Smtp,
            hostname: "localhost".to_owned(),
            tls: None,
            recipients: Vec::new(),
        }
    }
}
