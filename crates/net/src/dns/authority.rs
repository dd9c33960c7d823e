//! Questions to one name server itself: what does *it* say of a domain?
//!
//! A resolver shows what one of a domain's servers said a while ago. Whether a record is live is asked of each of them:
//! without recursion, and only an authoritative answer counts (AA, RFC 1034 §4.3.1). A referral, a refusal, or an
//! answer out of a cache says that this server does not hold the zone ("lame"); that is a failure with words, never
//! an absence. Aliases are followed as far as the server's own answer goes. Where it leads out of what the server
//! holds, the reply is an absence behind those aliases.
//!
//! Addresses of name servers are what a stranger's zone says, so they pass the guard: private ones only where the owner
//! allowed them. What can fail: see [`DnsFailure`].

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RData};
use tlsward_engine::ports::publish::Authorities;
use tlsward_engine::ports::{Absence, Answer, DnsFailure, DnsReply, RecordKind, Security};
use tokio::sync::Semaphore;
use tokio::time::{Duration, Instant, timeout_at};

use super::chain::{Chain, Step, record_type};
use super::exchange::{Exchange, Trouble};
use super::name;
use super::wire::{Flags, Query};
use crate::guard::Guard;
use crate::limits::dns as limits;

/// Asks name servers. A clone shares the bound on questions at once.
#[derive(Debug, Clone)]
pub struct NameServers {
    guard: Guard,
    port: u16,
    total: Duration,
    permits: Arc<Semaphore>,
}

impl NameServers {
    /// Name servers on port 53.
    #[must_use]
    pub fn new(guard: Guard) -> Self {
        let permits = Arc::new(Semaphore::new(limits::IN_FLIGHT));
        Self { guard, port: 53, total: limits::AUTHORITY, permits }
    }

    /// On another port, all of them.
    #[must_use]
    pub fn with_port(self, port: u16) -> Self {
        Self { port, ..self }
    }

    /// With another bound on one question in all.
    #[must_use]
    pub fn with_total(self, total: Duration) -> Self {
        Self { total, ..self }
    }

    async fn look(&self, server: IpAddr, name: &str, kind: RecordKind) -> Result<DnsReply, DnsFailure> {
        let end_point = SocketAddr::new(server, self.port);
        if let Err(address) = self.guard.check(end_point) {
            return Err(DnsFailure::Server(format!(
                "nothing, it was not asked: {address} is not a public address. If this name server is yours, list it \
                 under `allowed` in [net]"
            )));
        }
        let asked = name::parse(name).ok_or_else(|| DnsFailure::Name(name.to_owned()))?;
        let deadline = Instant::now() + self.total;
        let Ok(Ok(_permit)) = timeout_at(deadline, self.permits.acquire()).await else {
            return Err(DnsFailure::TimedOut);
        };
        let query = Query::new(&asked, record_type(kind), Flags::default()).without_recursion();
        // An exchange of its own: each question to a server elsewhere has its socket and port in any case.
        let message = Exchange::new(&[end_point]).ask(query, deadline).await.map_err(explain)?;
        told(&message, asked, kind)
    }
}

impl Authorities for NameServers {
    async fn ask(&self, server: IpAddr, name: &str, kind: RecordKind) -> DnsReply {
        self.look(server, name, kind).await.unwrap_or_else(DnsReply::Failed)
    }
}

fn explain(trouble: Trouble) -> DnsFailure {
    let lame = matches!(
        trouble,
        Trouble::Code { code: ResponseCode::Refused | ResponseCode::NotAuth | ResponseCode::ServFail, .. }
    );
    match DnsFailure::from(trouble) {
        DnsFailure::Server(text) if lame => DnsFailure::Server(format!(
            "{text}: this name server does not serve the zone (now), though the delegation names it"
        )),
        other => other,
    }
}

/// What an answer says of the name that was asked for.
fn told(message: &Message, asked: Name, kind: RecordKind) -> Result<DnsReply, DnsFailure> {
    if !message.metadata.authoritative {
        return Err(DnsFailure::Server(not_its_own(message, &asked)));
    }
    let mut chain = Chain::new(asked);
    let absent = |chain: &Chain, name_exists, ttl| {
        DnsReply::Absent(Absence { aliases: chain.aliases(), name_exists, security: Security::Insecure, ttl })
    };
    Ok(match chain.follow(message, kind)? {
        Step::Found { records, ttl } => DnsReply::Found(Answer {
            aliases: chain.aliases(),
            security: Security::Insecure,
            first_security: Security::Insecure,
            ttl,
            records,
        }),
        Step::Absent { name_exists, ttl } => absent(&chain, name_exists, ttl),
        Step::Further => absent(&chain, true, 0),
    })
}

/// In whose name a server speaks that does not set AA.
fn not_its_own(message: &Message, asked: &Name) -> String {
    let below = |record: &&hickory_proto::rr::Record| record.name.zone_of(asked);
    let mut servers = message.authorities.iter().filter(below).filter_map(|record| match &record.data {
        RData::NS(host) => Some((name::write(&record.name), name::write(&host.0))),
        _ => None,
    });
    match servers.next() {
        Some((zone, host)) if message.answers.is_empty() => format!(
            "a referral: {} is served by {host} (and others, if any), not by this name server",
            if zone.is_empty() { "the root" } else { &zone }
        ),
        _ => "without authority (AA is not set): this is a resolver or a cache, or its copy of the zone has expired"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves: D16
    #[tokio::test]
    async fn a_private_name_server_is_asked_only_where_the_owner_allows_it() {
        let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = silent.local_addr().unwrap();
        let servers = NameServers::new(Guard::default()).with_port(address.port());
        let reply = servers.ask(address.ip(), "example.org", RecordKind::Txt).await;
        let DnsReply::Failed(failure) = reply else { panic!("{reply:?}") };
        assert!(failure.to_string().contains("`allowed` in [net]"), "{failure}");
        let mut buffer = [0; 512];
        assert!(silent.try_recv(&mut buffer).is_err(), "nothing was sent");
        let guard = Guard { allowed: vec![address.into()], ..Guard::default() };
        let servers = NameServers::new(guard).with_port(address.port()).with_total(Duration::from_millis(50));
        let reply = servers.ask(address.ip(), "example.org", RecordKind::Txt).await;
        assert_eq!(reply, DnsReply::Failed(DnsFailure::TimedOut));
        assert!(silent.try_recv(&mut buffer).is_ok(), "it was asked");
    }
}
