//! What the values mean together: addresses, files, domains; and what would expose something that must not be.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::path::{Path, PathBuf};

use mta_sts::policy_domain::PolicyDomain;
use tlsward_net::guard::{Allowed, NotAllowed};
use toml::Spanned;

use super::enforce::{Listen, enforce};
use super::file::File;
use super::load::Complaints;
use super::publish::publish;
use super::report::report;
use super::{
    Check, DATA_DIR, DATABASE, DNS_PORT, HTTPS_PORT, Https, KeyPair, LOOPBACK, Net, Network, Receive,
    SMTP_PORT, Settings, Smtp, WEB_PORT, Web,
};
use crate::checking::domains::normal;

/// Judges what was written. What it minds goes to `complaints`; the settings count only if there are none.
pub(super) fn settings(written: File, folder: &Path, complaints: &mut Complaints<'_>) -> Settings {
    let data_dir = folder.join(written.data_dir.unwrap_or_else(|| PathBuf::from(DATA_DIR)));
    let database = database(written.store.and_then(|store| store.url), &data_dir, complaints);
    let net = net(written.net.unwrap_or_default(), folder, complaints);
    let check = written.check.map(|table| Check { domains: audited(&table.domains, complaints) });
    let web = written.web.map(|table| web(table, complaints));
    let enforce = written.enforce.map(|table| enforce(table, folder, complaints));
    let receive = written.receive.unwrap_or_default();
    let report = written.report.and_then(|table| report(table, folder, receive.https.is_some(), complaints));
    let publish = written.publish.and_then(|table| publish(table, folder, complaints));
    let https = receive.https.map(|table| https(table, folder, complaints));
    let smtp = receive.smtp.map(|table| smtp(table, folder, complaints));
    let defaults = Receive::default();
    let receive = Receive {
        domains: domains(&receive.domains, complaints),
        set_aside_quota: receive.set_aside_quota.map_or(defaults.set_aside_quota, |size| size.0),
        unauthenticated_quota: receive
            .unauthenticated_quota
            .map_or(defaults.unauthenticated_quota, |size| size.0),
    };
    let mut taken: Vec<(SocketAddr, &str)> = Vec::new();
    let mut place = |listen: Option<&(SocketAddr, Range<usize>)>, table| {
        let Some((address, span)) = listen else { return };
        match taken.iter().find(|(other, _)| other == address && address.port() != 0) {
            Some((_, other)) => {
                complaints.add(span.clone(), format!("[{table}] and [{other}] both listen on {address}"));
            }
            None => taken.push((*address, table)),
        }
    };
    place(web.as_ref().map(|(_, at)| at), "web");
    place(https.as_ref().map(|(_, at)| at), "receive.https");
    place(smtp.as_ref().map(|(_, at)| at), "receive.smtp");
    for (listen, span) in enforce.iter().flat_map(|(_, places)| places) {
        if let Listen::Tcp(address) = listen {
            place(Some(&(*address, span.clone())), "enforce");
        }
    }
    for (address, span) in publish.iter().flat_map(|(_, places)| places) {
        place(Some(&(*address, span.clone())), "publish");
    }
    Settings {
        data_dir,
        database,
        net,
        check,
        enforce: enforce.map(|(enforce, _)| enforce),
        report,
        publish: publish.map(|(publish, _)| publish),
        web: web.map(|(web, _)| web),
        receive,
        https: https.map(|(https, _)| https),
        smtp: smtp.map(|(smtp, _)| smtp),
    }
}

fn database(url: Option<Spanned<String>>, data_dir: &Path, complaints: &mut Complaints<'_>) -> PathBuf {
    let Some(url) = url else { return data_dir.join(DATABASE) };
    match url.get_ref().split_once(':') {
        Some(("sqlite", file)) => {
            let file = file.strip_prefix("//").unwrap_or(file);
            if file.is_empty() || file.starts_with(':') {
                complaints.add(url.span(), "a database needs a file, such as 'sqlite:tlsward.db'".to_owned());
            }
            data_dir.join(file)
        }
        Some(("postgres" | "postgresql", _)) => {
            complaints.add(url.span(), "PostgreSQL is not in this version; use 'sqlite:FILE'".to_owned());
            PathBuf::new()
        }
        _ => {
            let text = format!("'{}' is no store; write it like 'sqlite:tlsward.db'", url.get_ref());
            complaints.add(url.span(), text);
            PathBuf::new()
        }
    }
}

fn net(table: super::file::Net, folder: &Path, complaints: &mut Complaints<'_>) -> Net {
    let defaults = Net::default();
    let path = |path: Option<PathBuf>| path.map(|path| folder.join(path));
    Net {
        dns_servers: table.dns_servers.iter().filter_map(|server| resolver(server, complaints)).collect(),
        dnssec: table.dnssec.unwrap_or_default(),
        trust_anchor: path(table.trust_anchor),
        trust_roots: path(table.trust_roots),
        https_port: table.https_port.map_or(defaults.https_port, Into::into),
        smtp_port: table.smtp_port.map_or(defaults.smtp_port, Into::into),
        allow_private_addresses: table.allow_private_addresses.unwrap_or(defaults.allow_private_addresses),
        allowed: table.allowed.iter().filter_map(|place| allowed(place, complaints)).collect(),
        hostname: table.hostname.and_then(|name| host(&name, complaints)),
    }
}

fn allowed(written: &Spanned<String>, complaints: &mut Complaints<'_>) -> Option<Allowed> {
    written
        .get_ref()
        .parse()
        .map_err(|error: NotAllowed| complaints.add(written.span(), error.to_string()))
        .ok()
}

/// An address, with or without a port.
pub(super) fn resolver(written: &Spanned<String>, complaints: &mut Complaints<'_>) -> Option<SocketAddr> {
    let text = written.get_ref();
    let found = text.parse().or_else(|_| text.parse().map(|address| SocketAddr::new(address, DNS_PORT)));
    if found.is_err() {
        let text = format!("'{text}' is no address of a resolver; write it like \"127.0.0.1:53\"");
        complaints.add(written.span(), text);
    }
    found.ok()
}

type At = (SocketAddr, Range<usize>);

fn web(table: super::file::Web, complaints: &mut Complaints<'_>) -> (Web, At) {
    let at = listen(table.listen, WEB_PORT, complaints);
    if !at.0.ip().is_loopback() {
        let text = format!(
            "the pages have no accounts yet, so they are served on a loopback address only, not on {}; reach \
             them from elsewhere through an SSH tunnel, or through a proxy on this machine that asks for a \
             password and whose name is in 'names'",
            at.0
        );
        complaints.add(at.1.clone(), text);
    }
    let names = table.names.iter().filter_map(|name| host(name, complaints)).collect();
    (Web { listen: at.0, names }, at)
}

fn https(table: Spanned<super::file::Https>, folder: &Path, complaints: &mut Complaints<'_>) -> (Https, At) {
    let span = table.span();
    let table = table.into_inner();
    let at = listen(table.listen, HTTPS_PORT, complaints);
    let tls = key_pair(table.certificate, table.key, "receive.https", &span, folder, complaints);
    let trusted_proxies = networks(&table.trusted_proxies, complaints);
    let exempt = networks(&table.exempt, complaints);
    if !at.0.ip().is_loopback() && tls.is_none() && table.trusted_proxies.is_empty() {
        let text = format!(
            "plain HTTP on {} would carry reports in the clear: set 'certificate' and 'key', or name the proxy \
             that speaks HTTPS in 'trusted_proxies', or listen on a loopback address",
            at.0
        );
        complaints.add(at.1.clone(), text);
    }
    (Https { listen: at.0, tls, trusted_proxies, exempt }, at)
}

fn smtp(table: Spanned<super::file::Smtp>, folder: &Path, complaints: &mut Complaints<'_>) -> (Smtp, At) {
    let span = table.span();
    let table = table.into_inner();
    let at = listen(table.listen, SMTP_PORT, complaints);
    let tls = key_pair(table.certificate, table.key, "receive.smtp", &span, folder, complaints);
    let hostname = table.hostname.and_then(|name| host(&name, complaints));
    let recipients = table.recipients.iter().filter_map(|to| recipient(to, complaints)).collect();
    let defaults = Smtp::default();
    let smtp = Smtp {
        listen: at.0,
        protocol: table.protocol.unwrap_or_default(),
        hostname: hostname.unwrap_or(defaults.hostname),
        tls,
        recipients,
    };
    (smtp, at)
}

fn listen(written: Option<Spanned<String>>, port: u16, complaints: &mut Complaints<'_>) -> At {
    let default = SocketAddr::new(LOOPBACK, port);
    let Some(written) = written else { return (default, 0..0) };
    let span = written.span();
    match written.get_ref().parse() {
        Ok(address) => (address, span),
        Err(_) => {
            let hint = match written.get_ref().parse::<IpAddr>() {
                Ok(address) => SocketAddr::new(address, port),
                Err(_) => default,
            };
            let text = format!("'{}' is no address with a port; write it like \"{hint}\"", written.get_ref());
            complaints.add(span.clone(), text);
            (default, span)
        }
    }
}

pub(super) fn key_pair(
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    table: &str,
    span: &Range<usize>,
    folder: &Path,
    complaints: &mut Complaints<'_>,
) -> Option<KeyPair> {
    match (certificate, key) {
        (Some(certificate), Some(key)) => {
            Some(KeyPair { certificate: folder.join(certificate), key: folder.join(key) })
        }
        (None, None) => None,
        (Some(_), None) => {
            complaints.add(span.clone(), format!("[{table}] has a 'certificate' and no 'key'"));
            None
        }
        (None, Some(_)) => {
            complaints.add(span.clone(), format!("[{table}] has a 'key' and no 'certificate'"));
            None
        }
    }
}

pub(super) fn networks(written: &[Spanned<String>], complaints: &mut Complaints<'_>) -> Vec<Network> {
    let mut found = Vec::new();
    for network in written {
        match network.get_ref().parse() {
            Ok(network) => found.push(network),
            Err(error) => complaints.add(network.span(), format!("{error}")),
        }
    }
    found
}

fn domains(written: &[Spanned<String>], complaints: &mut Complaints<'_>) -> BTreeSet<String> {
    written.iter().filter_map(|domain| host(domain, complaints)).collect()
}

/// Domains that could take mail, by the rule of the command line.
fn audited(written: &[Spanned<String>], complaints: &mut Complaints<'_>) -> BTreeSet<PolicyDomain> {
    let mut found = BTreeSet::new();
    for domain in written {
        match normal(domain.get_ref()) {
            Some(domain) => drop(found.insert(domain)),
            None => {
                let text = format!("'{}' is no domain that could take mail", domain.get_ref());
                complaints.add(domain.span(), text);
            }
        }
    }
    found
}

/// A host or domain as lower-case A-labels.
pub(super) fn host(written: &Spanned<String>, complaints: &mut Complaints<'_>) -> Option<String> {
    let found = a_labels(written.get_ref());
    if found.is_none() {
        complaints.add(written.span(), format!("'{}' is no domain name", written.get_ref()));
    }
    found
}

pub(super) fn a_labels(text: &str) -> Option<String> {
    let bare = text.strip_suffix('.').unwrap_or(text);
    idna::domain_to_ascii_strict(bare).ok().filter(|name| !name.is_empty())
}

/// `local@domain`, or a domain for all its addresses.
fn recipient(written: &Spanned<String>, complaints: &mut Complaints<'_>) -> Option<String> {
    let text = written.get_ref();
    let found = match text.rsplit_once('@') {
        Some(("", domain)) => a_labels(domain),
        Some((local, domain)) => a_labels(domain).map(|domain| format!("{}@{domain}", local.to_lowercase())),
        None => a_labels(text),
    };
    if found.is_none() {
        complaints.add(written.span(), format!("'{text}' is neither an address nor a domain"));
    }
    found
}
