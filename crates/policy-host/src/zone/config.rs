//! What an owner says about the zone, and the records that follow from it.

use std::net::IpAddr;

use hickory_proto::rr::Name;
use tlsward_engine::ports::publish::{RecordType, RecordValue};

use super::name;
use super::set::{self, Set};

/// The zone, as its owner configures it.
#[derive(Debug, Clone)]
pub struct ZoneConfig {
    /// Its name, to which the owners of managed domains point with CNAME records.
    pub apex: String,
    /// Its name servers: as in the delegation at the parent, at least two (RFC 1034 §4.1).
    pub name_servers: Vec<HostAddresses>,
    /// Other hosts in the zone: the policy host, where domains point to it by name.
    pub hosts: Vec<HostAddresses>,
    /// Mail address of whoever keeps the zone (RFC 1035 §3.3.13, RNAME).
    pub contact: String,
    /// Who may issue certificates for hosts in the zone, name servers left out: (flags, tag, value), RFC 8659. None: no
    /// CAA records but those that were applied.
    pub caa: Vec<(u8, String, String)>,
    /// Of the zone's own records, in seconds.
    pub ttl: u32,
    /// How long resolvers may keep that something is absent, in seconds (RFC 2308). Short: records come when policies do.
    pub negative_ttl: u32,
}

/// A host and where it is.
#[derive(Debug, Clone)]
pub struct HostAddresses {
    /// Its name.
    pub name: String,
    /// Its addresses. Of a name server outside the zone none are needed.
    pub addresses: Vec<IpAddr>,
}

impl ZoneConfig {
    /// A zone with the usual TTLs: an hour, and five minutes for what is absent.
    #[must_use]
    pub fn new(apex: &str, name_servers: Vec<HostAddresses>, contact: &str) -> Self {
        Self {
            apex: apex.to_owned(),
            name_servers,
            hosts: Vec::new(),
            contact: contact.to_owned(),
            caa: Vec::new(),
            ttl: 3600,
            negative_ttl: 300,
        }
    }
}

/// What is wrong with the configuration of the zone: the owner has to change it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

/// The configuration, checked.
pub(super) struct Settings {
    pub(super) apex: Vec<u8>,
    pub(super) apex_name: Name,
    /// Wire form of the names, root included, in canonical order.
    pub(super) servers: Vec<Vec<u8>>,
    pub(super) first_server: Name,
    pub(super) contact: Name,
    pub(super) caa: Vec<Vec<u8>>,
    pub(super) ttl: u32,
    pub(super) negative_ttl: u32,
    /// Names of the zone's own, relative to it, with their addresses.
    pub(super) fixed: Vec<(Vec<u8>, Set)>,
    /// Name servers inside the zone, relative to it.
    pub(super) servers_inside: Vec<Vec<u8>>,
}

impl Settings {
    pub(super) fn new(config: &ZoneConfig) -> Result<Self, ConfigError> {
        let bad = |text: String| ConfigError(text);
        let host = |text: &str, what: &str| {
            let error = || bad(format!("{text:?} ({what} of the zone {}) is not a host name", config.apex));
            name::wire(text).ok_or_else(error)
        };
        let apex = host(&config.apex, "name")?;
        // The longest names below it: `_acme-challenge.mta-sts.` and a domain.
        if apex.len() > 100 {
            return Err(bad(format!("the zone's name {} is longer than 100 characters", config.apex)));
        }
        let apex_name = name::of_wire(&apex).ok_or_else(|| bad(format!("{} is no name", config.apex)))?;
        let mut servers = Vec::new();
        let mut fixed = Vec::new();
        let mut servers_inside = Vec::new();
        for server in &config.name_servers {
            let mut wire = host(&server.name, "a name server")?;
            if let Some(inside) = name::before(&wire, &apex) {
                if server.addresses.is_empty() {
                    let text = format!("the name server {} is inside the zone {}", server.name, config.apex);
                    return Err(bad(format!("{text}: its addresses are needed")));
                }
                servers_inside.push(inside.to_vec());
                fixed.extend(addresses(inside, &server.addresses, config.ttl));
            }
            wire.push(0);
            servers.push(wire);
        }
        let first_server =
            config.name_servers.first().and_then(|server| name::of_wire(&name::wire(&server.name)?));
        servers.sort_unstable();
        servers.dedup();
        let (Some(first_server), 2..=13, true) =
            (first_server, servers.len(), servers.len() == config.name_servers.len())
        else {
            let text =
                format!("the zone {} needs two to thirteen name servers, under different names", config.apex);
            return Err(bad(text));
        };
        for host_here in &config.hosts {
            let wire = host(&host_here.name, "a host")?;
            let Some(inside) = name::before(&wire, &apex).filter(|inside| !inside.is_empty()) else {
                return Err(bad(format!(
                    "the host {} is not inside the zone {}",
                    host_here.name, config.apex
                )));
            };
            if fixed.iter().any(|(name, _)| name == inside) {
                return Err(bad(format!("the host {} stands there twice", host_here.name)));
            }
            fixed.extend(addresses(inside, &host_here.addresses, config.ttl));
        }
        let caa = config.caa.iter().map(|(flags, tag, value)| set::caa(*flags, tag, value));
        let mut caa = caa.collect::<Result<Vec<_>, _>>().map_err(bad)?;
        caa.sort_unstable();
        caa.dedup();
        let contact = contact(&config.contact).ok_or_else(|| {
            bad(format!("{:?} (contact of the zone) is not a mail address", config.contact))
        })?;
        Ok(Self {
            apex,
            apex_name,
            servers,
            first_server,
            contact,
            caa,
            ttl: config.ttl.clamp(1, 86_400),
            negative_ttl: config.negative_ttl.clamp(1, 10_800),
            fixed,
            servers_inside,
        })
    }
}

fn addresses(inside: &[u8], addresses: &[IpAddr], ttl: u32) -> Vec<(Vec<u8>, Set)> {
    let of = |kind| {
        let values = addresses.iter().filter_map(|address| match (kind, address) {
            (RecordType::A, IpAddr::V4(address)) => Some(RecordValue::A(*address)),
            (RecordType::Aaaa, IpAddr::V6(address)) => Some(RecordValue::Aaaa(*address)),
            _ => None,
        });
        Set::of(kind, ttl.clamp(1, 86_400), values)
    };
    let sets = [RecordType::A, RecordType::Aaaa].into_iter().filter_map(of);
    sets.map(|set| (inside.to_vec(), set)).collect()
}

/// RFC 1035 §8: the part before the `@` is one label, whatever dots it has.
fn contact(address: &str) -> Option<Name> {
    let (local, domain) = address.rsplit_once('@')?;
    let good = local.bytes().all(|byte| byte.is_ascii_graphic());
    if local.is_empty() || local.len() > 63 || !good {
        return None;
    }
    let mut wire = vec![local.len() as u8];
    wire.extend_from_slice(local.as_bytes());
    wire.extend(name::wire(domain)?);
    name::of_wire(&wire)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> ZoneConfig {
        let server = |name: &str, addresses: &[&str]| HostAddresses {
            name: name.into(),
            addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        };
        let servers =
            vec![server("ns1.sts.example", &["192.0.2.1", "2001:db8::1"]), server("ns.example.net", &[])];
        ZoneConfig::new("sts.example", servers, "dns.admin@example.net")
    }

    #[test]
    fn the_contact_is_written_as_a_name_with_its_dots_kept_in_one_label() {
        let settings = Settings::new(&config()).unwrap();
        assert_eq!(settings.contact.to_string(), "dns\\.admin.example.net.");
        assert_eq!(settings.fixed.len(), 2);
    }

    #[test]
    fn what_cannot_be_served_is_refused_with_the_reason() {
        let refused = |change: fn(&mut ZoneConfig), part: &str| {
            let mut config = config();
            change(&mut config);
            let Err(error) = Settings::new(&config) else { panic!("{part}: accepted") };
            assert!(error.to_string().contains(part), "{error}");
        };
        refused(|config| config.apex = "a b".into(), "not a host name");
        refused(|config| drop(config.name_servers.pop()), "two to thirteen name servers");
        refused(|config| config.name_servers[1] = config.name_servers[0].clone(), "under different names");
        refused(|config| config.name_servers[0].addresses.clear(), "addresses are needed");
        refused(|config| config.contact = "nobody".into(), "not a mail address");
        refused(|config| config.caa = vec![(0, "is sue".into(), "x".into())], "property");
        refused(
            |config| config.hosts = vec![HostAddresses { name: "a.example".into(), addresses: Vec::new() }],
            "not inside the zone",
        );
    }
}
