//! Asks the name servers of a domain, each of them, and the resolver.
//!
//! Everything is bounded: servers, addresses, questions at once. One that does not answer takes its own time (bounded
//! by the adapter) and holds up no other.

use std::net::IpAddr;

use futures_util::StreamExt as _;
use futures_util::future::join;
use futures_util::stream;

use super::{Asked, Seen, Sight, compare, judge, mistaken_places, question};
use crate::ports::publish::{Authorities, RecordSet};
use crate::ports::{Dns, DnsReply, RecordData, RecordKind};

/// Name servers that are looked at. Domains have two to six.
const SERVERS: usize = 16;
/// Addresses of one name server that are asked.
const ADDRESSES: usize = 4;
/// Labels that are gone up to find the zone.
const LABELS: usize = 12;
/// Questions at once.
const AT_ONCE: usize = 16;

/// An address of one of a domain's name servers.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NameServer {
    /// Its name.
    pub host: String,
    /// One of its addresses.
    pub address: IpAddr,
}

/// Why the name servers of a domain are not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoNameServers {
    /// Worth another try.
    #[error("the name servers of {zone} could not be looked up: {text}")]
    Failed {
        /// Where it was asked.
        zone: String,
        /// Why.
        text: String,
    },
    /// The domain, or what is above it, has to be delegated first.
    #[error("{0} has no name servers, nor has any name above it")]
    None(String),
}

/// The name servers of the zone that a domain is in, with their addresses, in order.
///
/// # Errors
/// [`NoNameServers`]. Name servers of which none has an address are [`NoNameServers::Failed`] too.
pub async fn name_servers<D: Dns>(dns: &D, domain: &str) -> Result<Vec<NameServer>, NoNameServers> {
    let mut zone = domain;
    for _ in 0..LABELS {
        let failed = |text: String| Err(NoNameServers::Failed { zone: zone.to_owned(), text });
        match dns.look_up(zone, RecordKind::Ns).await {
            // Behind an alias they are another zone's.
            DnsReply::Found(answer) if answer.aliases.is_empty() => {
                let hosts = answer.records.iter().filter_map(|record| match record {
                    RecordData::Ns(host) => Some(host.as_str()),
                    _ => None,
                });
                let mut servers = addresses(dns, hosts).await;
                servers.sort();
                servers.dedup();
                return if servers.is_empty() {
                    failed("none has an address".to_owned())
                } else {
                    Ok(servers)
                };
            }
            DnsReply::Failed(failure) => return failed(failure.to_string()),
            DnsReply::Found(_) | DnsReply::Absent(_) => {}
        }
        match zone.split_once('.') {
            Some((_, above)) if above.contains('.') => zone = above,
            _ => break,
        }
    }
    Err(NoNameServers::None(domain.to_owned()))
}

async fn addresses<D: Dns>(dns: &D, hosts: impl Iterator<Item = &str>) -> Vec<NameServer> {
    let look_up = async |host: &str| {
        let (v4, v6) = join(dns.look_up(host, RecordKind::A), dns.look_up(host, RecordKind::Aaaa)).await;
        let both =
            v4.addresses().into_iter().take(ADDRESSES).chain(v6.addresses().into_iter().take(ADDRESSES));
        both.map(|address| NameServer { host: host.to_owned(), address }).collect::<Vec<_>>()
    };
    let mut servers = Vec::new();
    for host in hosts.take(SERVERS) {
        servers.extend(look_up(host).await);
    }
    servers
}

/// Looks at these sets on each of the servers and through the resolver; where one is not live, also where it may have
/// been put by mistake.
pub async fn look<D: Dns, A: Authorities>(
    dns: &D,
    authorities: &A,
    domain: &str,
    servers: &[NameServer],
    sets: &[RecordSet],
) -> Vec<Sight> {
    let mut sights = Vec::with_capacity(sets.len());
    for set in sets {
        let kind = question(set.kind);
        let by_servers = stream::iter(servers)
            .map(|server| async move {
                let reply = authorities.ask(server.address, &set.name, kind).await;
                let asked = Asked::Server { host: server.host.clone(), address: server.address };
                Seen { asked, reply }
            })
            .buffered(AT_ONCE)
            .collect::<Vec<Seen>>();
        let (mut seen, reply) = join(by_servers, dns.look_up(&set.name, kind)).await;
        seen.push(Seen { asked: Asked::Resolver, reply });
        let mut sight = Sight { set: set.clone(), seen, elsewhere: Vec::new() };
        if !set.values.is_empty() && !judge(domain, &sight).is_live() {
            // One that answered tells as much as all of them.
            let teller = sight.seen.iter().find_map(|seen| match &seen.asked {
                Asked::Server { address, .. } if !compare(set, &seen.reply).is_untold() => Some(*address),
                _ => None,
            });
            let mut elsewhere = Vec::new();
            for place in mistaken_places(domain, set) {
                let reply = match teller {
                    Some(address) => authorities.ask(address, &place, kind).await,
                    None => dns.look_up(&place, kind).await,
                };
                elsewhere.push((place, reply));
            }
            sight.elsewhere = elsewhere;
        }
        sights.push(sight);
    }
    sights
}
