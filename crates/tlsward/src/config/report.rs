//! `[report]`: where sessions are told of, who reports, by which road, and to whom not.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tlsward_engine::report::{Identity, IdentityError};
use toml::Spanned;

use super::enforce::octal;
use super::load::Complaints;
use super::validate::a_labels;

/// Every process that delivers mail has to be able to write.
const SOCKET_MODE: u32 = 0o666;
const JOURNAL: &str = "journal";
const RELAY: &str = "127.0.0.1:25";
const RELAY_PORT: u16 = 25;
const DAILY_QUOTA: u64 = 2_000;
const RSA_SELECTOR: &str = "tlsrpt-rsa";
const ED25519_SELECTOR: &str = "tlsrpt-ed25519";

/// `[report]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    /// Where libtlsrpt's datagrams come in.
    pub(crate) socket: Option<PathBuf>,
    pub(crate) socket_mode: u32,
    /// Files and pipes of JSON lines.
    pub(crate) sessions: Vec<PathBuf>,
    /// With it, sessions come in by POST too.
    pub(crate) token_file: Option<PathBuf>,
    /// Postfix's log.
    pub(crate) postfix_log: Option<PostfixLog>,
    /// Who reports, unless one of `identities` does.
    pub(crate) identity: Identity,
    /// By policy domain; `.example.com`: all below it.
    pub(crate) identities: BTreeMap<String, Identity>,
    /// As in `identities`.
    pub(crate) opt_outs: BTreeSet<String>,
    /// `host:port`.
    pub(crate) relay: String,
    pub(crate) daily_quota: u64,
    pub(crate) dkim: Dkim,
}

/// Where Postfix logs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PostfixLog {
    /// A file.
    File(PathBuf),
    /// The journal of systemd: this machine's, or one in a folder.
    Journal(Option<PathBuf>),
}

/// `[report.dkim]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dkim {
    pub(crate) rsa_selector: String,
    /// Without it, one that is made and kept in the data folder.
    pub(crate) rsa_key: Option<PathBuf>,
    pub(crate) ed25519_selector: String,
    /// As `rsa_key`.
    pub(crate) ed25519_key: Option<PathBuf>,
}

impl Default for Dkim {
    fn default() -> Self {
        Self {
            rsa_selector: RSA_SELECTOR.to_owned(),
            rsa_key: None,
            ed25519_selector: ED25519_SELECTOR.to_owned(),
            ed25519_key: None,
        }
    }
}

impl Report {
    /// Everybody who reports.
    pub(crate) fn all_identities(&self) -> impl Iterator<Item = &Identity> {
        std::iter::once(&self.identity).chain(self.identities.values())
    }

    /// The domains that sign reports, each once.
    pub(crate) fn submitters(&self) -> BTreeSet<&str> {
        self.all_identities().map(Identity::submitter).collect()
    }

    /// The addresses that bounces come to, each once.
    pub(crate) fn bounce_addresses(&self) -> BTreeSet<&str> {
        self.all_identities().filter_map(Identity::bounces).collect()
    }
}

/// The table as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    socket: Option<PathBuf>,
    socket_mode: Option<Spanned<String>>,
    #[serde(default)]
    sessions: Vec<PathBuf>,
    token_file: Option<Spanned<PathBuf>>,
    postfix_log: Option<PathBuf>,
    journal_directory: Option<Spanned<PathBuf>>,
    organization_name: Option<Spanned<String>>,
    contact: Option<Spanned<String>>,
    from: Option<Spanned<String>>,
    bounces_to: Option<Spanned<String>>,
    relay: Option<Spanned<String>>,
    #[serde(default)]
    opt_outs: Vec<Spanned<String>>,
    daily_quota: Option<u64>,
    dkim: Option<WrittenDkim>,
    #[serde(default)]
    identities: Vec<Spanned<WrittenIdentity>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenDkim {
    rsa_selector: Option<Spanned<String>>,
    rsa_key: Option<PathBuf>,
    ed25519_selector: Option<Spanned<String>>,
    ed25519_key: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenIdentity {
    #[serde(default)]
    domains: Vec<Spanned<String>>,
    organization_name: Option<Spanned<String>>,
    contact: Option<Spanned<String>>,
    from: Option<Spanned<String>>,
    bounces_to: Option<Spanned<String>>,
}

/// What an identity is made of, own or inherited.
#[derive(Clone, Copy)]
struct Parts<'w> {
    organization_name: Option<&'w Spanned<String>>,
    contact: &'w Spanned<String>,
    from: Option<&'w Spanned<String>>,
    bounces_to: Option<&'w Spanned<String>>,
}

/// Judges the table, whose header stands at `at`. `takes_posts`: whether `[receive.https]` is there.
pub(super) fn report(
    written: Spanned<Written>,
    folder: &Path,
    takes_posts: bool,
    complaints: &mut Complaints<'_>,
) -> Option<Report> {
    let at = written.span();
    let written = written.into_inner();
    let Some(contact) = &written.contact else {
        let text = "[report] needs 'contact', the mail address that reports name for questions; its domain signs them";
        complaints.add(at, text.to_owned());
        return None;
    };
    let own = Parts {
        organization_name: written.organization_name.as_ref(),
        contact,
        from: written.from.as_ref(),
        bounces_to: written.bounces_to.as_ref(),
    };
    let identity = identity(own, complaints);
    let identities = identities(&written.identities, own, complaints);
    if let Some(file) = written.token_file.as_ref().filter(|_| !takes_posts) {
        let text = "'token_file' is for sessions by POST, which come in at the listener of [receive.https]: add that table";
        complaints.add(file.span(), text.to_owned());
    }
    let mode = written.socket_mode.and_then(|mode| octal(&mode, complaints));
    let mut opt_outs = BTreeSet::new();
    for domain in &written.opt_outs {
        opt_outs.extend(rule(domain, complaints));
    }
    let path = |path: Option<PathBuf>| path.map(|path| folder.join(path));
    let postfix_log = postfix_log(written.postfix_log, written.journal_directory, folder, complaints);
    Some(Report {
        socket: path(written.socket),
        socket_mode: mode.unwrap_or(SOCKET_MODE),
        sessions: written.sessions.into_iter().map(|path| folder.join(path)).collect(),
        token_file: path(written.token_file.map(Spanned::into_inner)),
        postfix_log,
        identity: identity?,
        identities,
        opt_outs,
        relay: written.relay.map_or_else(|| Some(RELAY.to_owned()), |relay| place(&relay, complaints))?,
        daily_quota: written.daily_quota.unwrap_or(DAILY_QUOTA),
        dkim: dkim(written.dkim.unwrap_or_default(), folder, complaints),
    })
}

/// `"journal"` is no path; `"./journal"` is one.
fn postfix_log(
    log: Option<PathBuf>,
    journal: Option<Spanned<PathBuf>>,
    folder: &Path,
    complaints: &mut Complaints<'_>,
) -> Option<PostfixLog> {
    let is_journal = log.as_deref() == Some(Path::new(JOURNAL));
    if let Some(journal) = journal.as_ref().filter(|_| !is_journal) {
        let text =
            "'journal_directory' is for postfix_log = \"journal\": it says in which folder that journal is";
        complaints.add(journal.span(), text.to_owned());
    }
    if is_journal {
        return Some(PostfixLog::Journal(journal.map(|journal| folder.join(journal.into_inner()))));
    }
    log.map(|log| PostfixLog::File(folder.join(log)))
}

fn identity(parts: Parts<'_>, complaints: &mut Complaints<'_>) -> Option<Identity> {
    let mut complain =
        |at: &Spanned<String>, error: IdentityError| complaints.add(at.span(), error.to_string());
    let contact = parts.contact.get_ref();
    // The least that a person can tell a report by.
    let domain = contact.rsplit_once('@').map_or(contact.as_str(), |(_, domain)| domain);
    let name = parts.organization_name.map_or(domain, |name| name.get_ref());
    let made = match Identity::new(name, contact) {
        Ok(made) => made,
        Err(error @ IdentityError::Name(_)) => {
            complain(parts.organization_name.unwrap_or(parts.contact), error);
            return None;
        }
        Err(error) => {
            complain(parts.contact, error);
            return None;
        }
    };
    let made = match parts.from {
        None => made,
        Some(from) => match made.from_address(from.get_ref(), None) {
            Ok(made) => made,
            Err(error) => {
                complain(from, error);
                return None;
            }
        },
    };
    match parts.bounces_to {
        None => Some(made),
        Some(address) => match made.bounces_to(address.get_ref()) {
            Ok(made) => Some(made),
            Err(error) => {
                complain(address, error);
                None
            }
        },
    }
}

fn identities(
    written: &[Spanned<WrittenIdentity>],
    own: Parts<'_>,
    complaints: &mut Complaints<'_>,
) -> BTreeMap<String, Identity> {
    let mut identities = BTreeMap::new();
    for entry in written {
        let WrittenIdentity { domains, organization_name, contact, from, bounces_to } = entry.get_ref();
        if domains.is_empty() {
            let text = "an identity of [[report.identities]] needs 'domains', those whose reports it is for";
            complaints.add(entry.span(), text.to_owned());
            continue;
        }
        let parts = Parts {
            organization_name: organization_name.as_ref().or(own.organization_name),
            contact: contact.as_ref().unwrap_or(own.contact),
            // An author of another contact's domain would sign for nobody.
            from: from.as_ref().or(own.from.filter(|_| contact.is_none())),
            bounces_to: bounces_to.as_ref().or(own.bounces_to),
        };
        let Some(identity) = identity(parts, complaints) else { continue };
        for domain in domains {
            if let Some(key) = rule(domain, complaints)
                && identities.insert(key, identity.clone()).is_some()
            {
                let text = format!("'{}' is among the domains of two identities", domain.get_ref());
                complaints.add(domain.span(), text);
            }
        }
    }
    identities
}

fn dkim(written: WrittenDkim, folder: &Path, complaints: &mut Complaints<'_>) -> Dkim {
    let defaults = Dkim::default();
    let mut selector = |written: Option<Spanned<String>>, default: String| match written {
        None => default,
        Some(selector) => {
            let label = |label: &str| {
                (1..=63).contains(&label.len())
                    && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                    && !label.starts_with('-')
                    && !label.ends_with('-')
            };
            if selector.get_ref().len() > 120 || !selector.get_ref().split('.').all(label) {
                let text = format!(
                    "'{}' is no DKIM selector: use letters, digits, hyphens and dots",
                    selector.get_ref()
                );
                complaints.add(selector.span(), text);
            }
            selector.into_inner().to_ascii_lowercase()
        }
    };
    let at = written.ed25519_selector.as_ref().or(written.rsa_selector.as_ref()).map_or(0..0, Spanned::span);
    let dkim = Dkim {
        rsa_selector: selector(written.rsa_selector, defaults.rsa_selector),
        rsa_key: written.rsa_key.map(|path| folder.join(path)),
        ed25519_selector: selector(written.ed25519_selector, defaults.ed25519_selector),
        ed25519_key: written.ed25519_key.map(|path| folder.join(path)),
    };
    if dkim.rsa_selector == dkim.ed25519_selector {
        complaints
            .add(at, "the two keys need selectors of their own: under one name stands one key".to_owned());
    }
    dkim
}

/// A host, with or without a port.
fn place(written: &Spanned<String>, complaints: &mut Complaints<'_>) -> Option<String> {
    let text = written.get_ref();
    if let Ok(address) = text.parse::<std::net::SocketAddr>() {
        return Some(address.to_string());
    }
    if let Ok(address) = text.parse::<std::net::IpAddr>() {
        return Some(std::net::SocketAddr::new(address, RELAY_PORT).to_string());
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, port.parse::<u16>().ok()),
        None => (text.as_str(), Some(RELAY_PORT)),
    };
    match (a_labels(host), port) {
        (Some(host), Some(port)) => Some(format!("{host}:{port}")),
        _ => {
            let text =
                format!("'{text}' is no mail server; write it like \"{RELAY}\" or \"mail.example.com:25\"");
            complaints.add(written.span(), text);
            None
        }
    }
}

/// `example.org`, or `.example.org` for all that is below it.
fn rule(written: &Spanned<String>, complaints: &mut Complaints<'_>) -> Option<String> {
    let text = written.get_ref();
    let (dot, name) = match text.strip_prefix('.') {
        Some(name) => (".", name),
        None => ("", text.as_str()),
    };
    let found = a_labels(name).map(|name| format!("{dot}{name}"));
    if found.is_none() {
        let text = format!(
            "'{text}' is no domain; write it like \"example.org\", or \".example.org\" for all that is below it"
        );
        complaints.add(written.span(), text);
    }
    found
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
