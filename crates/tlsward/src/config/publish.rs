//! `[publish]`: where policies are served, how their certificates come, and who writes the records.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::load::Complaints;
use super::validate::{host, key_pair, networks, resolver};
use super::{KeyPair, Network};

/// All addresses of the machine, in both families.
const EVERYWHERE: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
/// Written where a listener is not wanted.
const OFF: &str = "off";

/// `[publish]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Publish {
    /// Policies over HTTPS, by SNI.
    pub(crate) listen_https: Option<SocketAddr>,
    /// Challenges of a certificate authority, and policies for proxies.
    pub(crate) listen_http: Option<SocketAddr>,
    /// Who may ask for policies over plain HTTP.
    pub(crate) trusted_proxies: Vec<Network>,
    /// What the names of policy hosts stand for.
    pub(crate) place: Place,
    pub(crate) dns: Dns,
    /// Where name servers listen.
    pub(crate) name_server_port: u16,
    pub(crate) acme: Option<Acme>,
    /// Own ones, for the names that are in them.
    pub(crate) certificates: Vec<KeyPair>,
    /// Where reports go, if a domain says nothing else.
    pub(crate) rua: Vec<String>,
}

/// Where the policy host of every domain is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// An alias of this name.
    Host(String),
    /// These addresses.
    Addresses(Vec<IpAddr>),
}

/// Who writes records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Dns {
    /// A person.
    Manual,
    /// We, by dynamic update.
    Rfc2136(Rfc2136),
    /// We, in a zone of our own.
    Embedded(Embedded),
}

/// `[publish.rfc2136]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rfc2136 {
    pub(crate) server: SocketAddr,
    /// Without it, found by the server's SOA records.
    pub(crate) zone: Option<String>,
    /// As BIND's tools write it: name, algorithm and secret.
    pub(crate) key_file: PathBuf,
}

/// `[publish.embedded]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Embedded {
    pub(crate) zone: String,
    pub(crate) listen: Vec<SocketAddr>,
    /// Names, each with its addresses if it lies in the zone.
    pub(crate) name_servers: Vec<(String, Vec<IpAddr>)>,
    pub(crate) dnssec: bool,
}

/// Certificates of an authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Acme {
    /// In the order in which they are tried.
    pub(crate) directories: Vec<String>,
    pub(crate) contact: Option<String>,
    pub(crate) challenges: Vec<ChallengeKind>,
}

/// How an authority is shown that a name is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum ChallengeKind {
    #[serde(rename = "http-01")]
    Http01,
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
    #[serde(rename = "dns-01")]
    Dns01,
}

/// The table as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    listen_https: Option<Spanned<String>>,
    listen_http: Option<Spanned<String>>,
    #[serde(default)]
    trusted_proxies: Vec<Spanned<String>>,
    host: Option<Spanned<String>>,
    #[serde(default)]
    addresses: Vec<Spanned<String>>,
    dns: Option<Spanned<String>>,
    name_server_port: Option<std::num::NonZeroU16>,
    acme_directory: Option<Spanned<String>>,
    acme_fallback: Option<Spanned<String>>,
    acme_contact: Option<Spanned<String>>,
    acme_terms_agreed: Option<bool>,
    acme_challenges: Option<Vec<ChallengeKind>>,
    #[serde(default)]
    rua: Vec<Spanned<String>>,
    rfc2136: Option<Spanned<WrittenRfc2136>>,
    embedded: Option<Spanned<WrittenEmbedded>>,
    #[serde(default)]
    certificates: Vec<Spanned<WrittenCertificate>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRfc2136 {
    server: Option<Spanned<String>>,
    zone: Option<Spanned<String>>,
    key_file: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenEmbedded {
    zone: Option<Spanned<String>>,
    #[serde(default)]
    listen: Vec<Spanned<String>>,
    #[serde(default)]
    name_servers: Vec<Spanned<String>>,
    dnssec: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCertificate {
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

/// A listener, and where it stands in the file.
pub(super) type At = (SocketAddr, Range<usize>);

/// Judges the table. `None`: too little is there to go by, and that was minded.
pub(super) fn publish(
    written: Spanned<Written>,
    folder: &Path,
    complaints: &mut Complaints<'_>,
) -> Option<(Publish, Vec<At>)> {
    let span = written.span();
    let written = written.into_inner();
    let mut places = Vec::new();
    let listen_https = listener(written.listen_https.as_ref(), 443, &mut places, complaints);
    let listen_http = listener(written.listen_http.as_ref(), 80, &mut places, complaints);
    let trusted_proxies = networks(&written.trusted_proxies, complaints);
    if listen_https.is_none() && (listen_http.is_none() || trusted_proxies.is_empty()) {
        let text = "without 'listen_https' policies are served to a proxy only: set 'listen_http', and name the proxy in \
                    'trusted_proxies'";
        complaints.add(span.clone(), text.to_owned());
    }
    let addresses = addresses(&written.addresses, complaints);
    let name = written.host.as_ref().and_then(|name| host(name, complaints));
    let place = match (name, addresses.is_empty()) {
        (Some(name), true) => Some(Place::Host(name)),
        (None, false) => Some(Place::Addresses(addresses)),
        (Some(_), false) => {
            let text = "[publish] has both 'host' and 'addresses': the policy host of a domain is an alias of the one, or has \
                        the others";
            complaints.add(span.clone(), text.to_owned());
            None
        }
        (None, true) => {
            if written.host.is_none() {
                let text = "[publish] needs 'host', the name of this server, or 'addresses': the policy host of every domain, \
                            mta-sts.<domain>, has to lead there";
                complaints.add(span.clone(), text.to_owned());
            }
            None
        }
    };
    let dns = dns(&written, &span, folder, &mut places, complaints);
    let acme = acme(&written, &span, complaints);
    let mut certificates = Vec::new();
    for files in written.certificates {
        let at = files.span();
        let WrittenCertificate { certificate, key } = files.into_inner();
        if certificate.is_none() && key.is_none() {
            complaints.add(at.clone(), "[[publish.certificates]] needs 'certificate' and 'key'".to_owned());
        }
        certificates.extend(key_pair(certificate, key, "publish.certificates", &at, folder, complaints));
    }
    let rua: Vec<String> = written.rua.iter().map(|uri| uri.get_ref().clone()).collect();
    if let (Some(first), Err(error)) = (written.rua.first(), tls_rpt::record::write(&rua)) {
        complaints.add(first.span(), error.to_string());
    }
    let publish = Publish {
        listen_https,
        listen_http,
        trusted_proxies,
        place: place?,
        dns: dns?,
        name_server_port: written.name_server_port.map_or(53, Into::into),
        acme,
        certificates,
        rua,
    };
    Some((publish, places))
}

fn listener(
    written: Option<&Spanned<String>>,
    port: u16,
    places: &mut Vec<At>,
    complaints: &mut Complaints<'_>,
) -> Option<SocketAddr> {
    let (address, span) = match written {
        None => (SocketAddr::new(EVERYWHERE, port), 0..0),
        Some(text) if text.get_ref() == OFF => return None,
        Some(text) => (socket(text, port, complaints)?, text.span()),
    };
    places.push((address, span));
    Some(address)
}

fn socket(written: &Spanned<String>, port: u16, complaints: &mut Complaints<'_>) -> Option<SocketAddr> {
    let found = written.get_ref().parse();
    if found.is_err() {
        let hint = written.get_ref().parse().unwrap_or(EVERYWHERE);
        let text = format!(
            "'{}' is no address with a port; write it like \"{}\"",
            written.get_ref(),
            SocketAddr::new(hint, port)
        );
        complaints.add(written.span(), text);
    }
    found.ok()
}

fn addresses(written: &[Spanned<String>], complaints: &mut Complaints<'_>) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for address in written {
        match address.get_ref().parse() {
            Ok(address) if !found.contains(&address) => found.push(address),
            Ok(_) => complaints.add(address.span(), format!("'{}' stands there twice", address.get_ref())),
            Err(_) => complaints.add(address.span(), format!("'{}' is no IP address", address.get_ref())),
        }
    }
    found
}

fn dns(
    written: &Written,
    span: &Range<usize>,
    folder: &Path,
    places: &mut Vec<At>,
    complaints: &mut Complaints<'_>,
) -> Option<Dns> {
    let wanted = written.dns.as_ref().map_or("manual", |dns| dns.get_ref().as_str());
    for (word, table) in [
        ("rfc2136", written.rfc2136.as_ref().map(Spanned::span)),
        ("embedded", written.embedded.as_ref().map(Spanned::span)),
    ] {
        if let Some(at) = table.filter(|_| word != wanted) {
            let text = format!(
                "[publish.{word}] is there, and 'dns' in [publish] says {wanted}: set dns = \"{word}\""
            );
            complaints.add(at, text);
        }
    }
    match wanted {
        "manual" => Some(Dns::Manual),
        "rfc2136" => {
            let Some(table) = &written.rfc2136 else {
                let text =
                    "dns = \"rfc2136\" needs the table [publish.rfc2136], with 'server' and 'key_file'";
                complaints.add(span.clone(), text.to_owned());
                return None;
            };
            let WrittenRfc2136 { server, zone, key_file } = table.get_ref();
            let (Some(server), Some(key_file)) = (server, key_file) else {
                let text = "[publish.rfc2136] needs 'server' and 'key_file'";
                complaints.add(table.span(), text.to_owned());
                return None;
            };
            let zone = zone.as_ref().and_then(|zone| host(zone, complaints));
            let server = resolver(server, complaints)?;
            Some(Dns::Rfc2136(Rfc2136 { server, zone, key_file: folder.join(key_file) }))
        }
        "embedded" => {
            let Some(table) = &written.embedded else {
                let text = "dns = \"embedded\" needs the table [publish.embedded], with 'zone', 'listen' and 'name_servers'";
                complaints.add(span.clone(), text.to_owned());
                return None;
            };
            embedded(table, places, complaints).map(Dns::Embedded)
        }
        other => {
            let at = written.dns.as_ref().map_or(span.clone(), Spanned::span);
            let text =
                format!("'{other}' is no way to write records: use \"manual\", \"rfc2136\" or \"embedded\"");
            complaints.add(at, text);
            None
        }
    }
}

fn embedded(
    table: &Spanned<WrittenEmbedded>,
    places: &mut Vec<At>,
    complaints: &mut Complaints<'_>,
) -> Option<Embedded> {
    let written = table.get_ref();
    let zone = written.zone.as_ref().and_then(|zone| host(zone, complaints));
    let mut listen = Vec::new();
    for address in &written.listen {
        if let Some(found) = socket(address, 53, complaints) {
            listen.push(found);
            places.push((found, address.span()));
        }
    }
    let mut name_servers = Vec::new();
    for server in &written.name_servers {
        name_servers.extend(name_server(server, complaints));
    }
    if written.zone.is_none() || listen.is_empty() || name_servers.is_empty() {
        let text = "[publish.embedded] needs 'zone', 'listen' and 'name_servers'";
        complaints.add(table.span(), text.to_owned());
        return None;
    }
    let zone = zone?;
    let below = format!(".{zone}");
    for ((name, addresses), written) in name_servers.iter().zip(&written.name_servers) {
        if name.ends_with(&below) && addresses.is_empty() {
            let text = format!(
                "'{name}' lies in the zone that it serves: write its addresses too, like \"{name} 192.0.2.1\""
            );
            complaints.add(written.span(), text);
        }
    }
    Some(Embedded { zone, listen, name_servers, dnssec: written.dnssec.unwrap_or(false) })
}

/// A name, and addresses after it.
fn name_server(written: &Spanned<String>, complaints: &mut Complaints<'_>) -> Option<(String, Vec<IpAddr>)> {
    let mut words = written.get_ref().split_whitespace();
    let name = words.next().and_then(super::validate::a_labels);
    let addresses: Result<Vec<IpAddr>, _> = words.map(str::parse).collect();
    match (name, addresses) {
        (Some(name), Ok(addresses)) => Some((name, addresses)),
        _ => {
            let text = format!(
                "'{}' is no name server; write it like \"ns1.example.net\", or with its addresses",
                written.get_ref()
            );
            complaints.add(written.span(), text);
            None
        }
    }
}

fn acme(written: &Written, span: &Range<usize>, complaints: &mut Complaints<'_>) -> Option<Acme> {
    let Some(first) = &written.acme_directory else {
        if let Some(fallback) = &written.acme_fallback {
            let text = "'acme_fallback' is for when 'acme_directory' fails, which is not set".to_owned();
            complaints.add(fallback.span(), text);
        }
        return None;
    };
    let mut directories = Vec::new();
    for directory in std::iter::once(first).chain(&written.acme_fallback) {
        if directory.get_ref().starts_with("https://") {
            directories.push(directory.get_ref().clone());
        } else {
            let text = format!("'{}' is no https: URL of an ACME directory", directory.get_ref());
            complaints.add(directory.span(), text);
        }
    }
    if written.acme_terms_agreed != Some(true) {
        let text = "[publish] needs 'acme_terms_agreed = true': a certificate authority issues only to who agrees to its terms \
                    of service";
        complaints.add(span.clone(), text.to_owned());
    }
    if let Some(contact) = written.acme_contact.as_ref().filter(|contact| !contact.get_ref().contains('@')) {
        complaints.add(contact.span(), format!("'{}' is no mail address", contact.get_ref()));
    }
    let contact = written.acme_contact.as_ref().map(|contact| {
        let text = contact.get_ref();
        text.strip_prefix("mailto:").unwrap_or(text).to_owned()
    });
    let challenges = match &written.acme_challenges {
        None => vec![ChallengeKind::Http01, ChallengeKind::TlsAlpn01],
        Some(written) => written.clone(),
    };
    if challenges.is_empty() {
        complaints.add(span.clone(), "'acme_challenges' is empty: no certificate could be had".to_owned());
    }
    Some(Acme { directories, contact, challenges })
}

#[cfg(test)]
#[path = "publish_tests.rs"]
mod tests;
