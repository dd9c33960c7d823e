//! What was seen of a domain: wire data in the order of the world, no verdict. [`super::gather`] makes it,
//! [`super::decide`] reads it, and a test can write it by hand.

use std::net::IpAddr;

use mta_sts::policy_domain::PolicyDomain;
use tls_rpt::record::Rua;

use crate::ports::{ConnectFailure, DnsFailure, DnsReply, Dnssec, HttpsExchange, HttpsFailure, SmtpOutcome};

/// All that was seen of one domain.
#[derive(Debug, Clone)]
pub struct Observations {
    /// Which.
    pub domain: PolicyDomain,
    /// What the DNSSEC statuses below rest on.
    pub dnssec: Dnssec,
    /// TXT at `_mta-sts`.
    pub sts: DnsReply,
    /// TXT where an MTA-STS record is put by mistake; asked only where none is at the right name. Only replies that
    /// hold one.
    pub sts_elsewhere: Vec<(String, DnsReply)>,
    /// The policy host.
    pub policy_host: HostReplies,
    /// The policy, fetched from each address of the policy host by itself.
    pub fetches: Vec<Fetch>,
    /// MX at the domain.
    pub mx: DnsReply,
    /// The domain's own addresses: asked only where there is no MX record.
    pub apex: Option<HostReplies>,
    /// The hosts among which a sender chooses, in its order: by preference, then by name.
    pub hosts: Vec<MxHost>,
    /// TXT at `_smtp._tls`.
    pub tlsrpt: DnsReply,
    /// TXT where a TLSRPT record is put by mistake; see `sts_elsewhere`.
    pub tlsrpt_elsewhere: Vec<(String, DnsReply)>,
    /// What a wildcard makes of names that nobody uses: the names behind them, if they are aliases. Known where either
    /// record was looked for at wrong names.
    pub wildcard_aliases: Vec<String>,
    /// The places for reports that the record names.
    pub ruas: Vec<RuaProbe>,
    /// Sub-domains with MX records of their own.
    pub subdomains: Vec<Subdomain>,
    /// What was left out.
    pub cuts: Vec<Cut>,
    /// Whether the time limit ended the look-ups and probes: what is missing was not asked.
    pub timed_out: bool,
}

/// A and AAAA of one name.
#[derive(Debug, Clone)]
pub struct HostReplies {
    /// A.
    pub a: DnsReply,
    /// AAAA.
    pub aaaa: DnsReply,
}

/// One answer of the policy host.
#[derive(Debug, Clone)]
pub struct Fetch {
    /// The address that was asked.
    pub address: IpAddr,
    /// What happened; `None` if the time limit came first.
    pub exchange: Option<HttpsExchange>,
}

/// One MX host.
#[derive(Debug, Clone)]
pub struct MxHost {
    /// Its name in the MX record: lower case, no dot at the end.
    pub host: String,
    /// Its preference; `None` where the domain itself is meant for want of an MX record.
    pub preference: Option<u16>,
    /// Its addresses; `None` where the name is none that could be asked for.
    pub replies: Option<HostReplies>,
    /// The probes, by address.
    pub probes: Vec<Probe>,
    /// The TLSA look-ups in the order of RFC 7672 §2.2.2, with the names that were asked for.
    pub tlsa: Vec<(String, DnsReply)>,
    /// TXT at `_smtp._tls` under the host: asked where it has TLSA records.
    pub tlsrpt: Option<DnsReply>,
}

/// How one address of an MX host answers.
#[derive(Debug, Clone)]
pub struct Probe {
    /// Which.
    pub address: IpAddr,
    /// With the host's name in the handshake, as MTA-STS asks for it; `None` if the time limit came first.
    pub with_sni: Option<SmtpOutcome>,
    /// Without; asked only where the other came as far as TLS.
    pub without_sni: Option<SmtpOutcome>,
}

/// A place for reports, and whether it is there.
#[derive(Debug, Clone)]
pub struct RuaProbe {
    /// As the record has it.
    pub rua: Rua,
    /// What was seen.
    pub seen: RuaSeen,
}

/// What was seen of a place for reports.
#[derive(Debug, Clone)]
pub enum RuaSeen {
    /// A mail address: MX of its domain, and the domain's addresses where there is no MX record.
    Mail {
        /// MX.
        mx: DnsReply,
        /// Addresses.
        addresses: Option<HostReplies>,
    },
    /// An end point.
    Https {
        /// The addresses of its host; `None` where the URI holds an address.
        addresses: Option<HostReplies>,
        /// The answer to a GET; `None` where there was nothing to connect to, or no time.
        exchange: Option<HttpsExchange>,
    },
    /// A mail address in the audited domain itself: its MX records are known.
    OwnMail,
    /// Nothing to look at: no report can go there.
    Nothing,
}

/// A sub-domain that has MX records.
#[derive(Debug, Clone)]
pub struct Subdomain {
    /// Which.
    pub name: String,
    /// Whether its name was made up, so that it stands for every name.
    pub is_wildcard: bool,
    /// Its MX records.
    pub mx: DnsReply,
    /// TXT at its `_mta-sts`.
    pub sts: DnsReply,
}

/// What was left out for being too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// MX hosts.
    Hosts {
        /// How many there are.
        found: usize,
        /// How many were looked at.
        kept: usize,
    },
    /// Addresses of some host.
    Addresses {
        /// How many there are.
        found: usize,
        /// How many were looked at.
        kept: usize,
    },
    /// Patterns of the policy. Every one is matched with the hosts; only so many are looked at one by one.
    Patterns {
        /// How many there are.
        found: usize,
        /// How many were looked at.
        kept: usize,
    },
    /// Places for reports.
    Ruas {
        /// How many there are.
        found: usize,
        /// How many were looked at.
        kept: usize,
    },
}

impl Observations {
    /// Where the asked name of `reply` leads, if somebody made it an alias. A wildcard CNAME gives aliases at every name,
    /// also at that of the `other` record and at those that nobody uses: nothing was meant by that.
    pub(super) fn meant_alias<'a>(&self, reply: &'a DnsReply, other: &DnsReply) -> Option<&'a str> {
        let led = aliases(reply);
        let is_meant = led != aliases(other) && led != self.wildcard_aliases;
        led.last().filter(|_| is_meant).map(String::as_str)
    }

    /// Whether this machine has no way into IPv6: every address of that family, at whatever host, failed before a
    /// packet left. One host's own trouble looks different.
    #[must_use]
    pub fn lacks_ipv6(&self) -> bool {
        let fetches = self.fetches.iter().filter(|fetch| fetch.address.is_ipv6()).map(|fetch| {
            let failure = fetch.exchange.as_ref().and_then(|exchange| exchange.outcome.as_ref().err());
            matches!(failure, Some(HttpsFailure::Connect(failure)) if is_without_route(failure))
        });
        let probes = self.hosts.iter().flat_map(|host| &host.probes);
        let probes = probes.filter(|probe| probe.address.is_ipv6()).map(|probe| {
            matches!(&probe.with_sni, Some(SmtpOutcome::NotReached(failure)) if is_without_route(failure))
        });
        let mut all = fetches.chain(probes).peekable();
        all.peek().is_some() && all.all(|failed| failed)
    }
}

/// ENETUNREACH and its kin, which the system's own text names: the port has no finer word for it.
pub(crate) fn is_without_route(failure: &ConnectFailure) -> bool {
    let ConnectFailure::Unreachable(text) = failure else { return false };
    let text = text.to_ascii_lowercase();
    ["network is unreachable", "cannot assign requested address", "address family not supported"]
        .iter()
        .any(|known| text.contains(known))
}

impl HostReplies {
    /// All addresses, IPv4 first.
    #[must_use]
    pub fn addresses(&self) -> Vec<IpAddr> {
        let mut addresses = self.a.addresses();
        addresses.extend(self.aaaa.addresses());
        addresses
    }

    /// Whether at least one address is known.
    #[must_use]
    pub fn is_found(&self) -> bool {
        matches!(self.a, DnsReply::Found(_)) || matches!(self.aaaa, DnsReply::Found(_))
    }

    /// Whether it is certain that there is no address.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!((&self.a, &self.aaaa), (DnsReply::Absent(_), DnsReply::Absent(_)))
    }

    /// What kept addresses from being known: bogus before other trouble.
    #[must_use]
    pub fn failure(&self) -> Option<&DnsFailure> {
        let failures = [self.a.failure(), self.aaaa.failure()];
        let bogus = failures.iter().flatten().find(|failure| matches!(failure, DnsFailure::Bogus(_)));
        bogus.or_else(|| failures.iter().flatten().next()).copied()
    }

    /// The names behind the asked one, if it is an alias.
    #[must_use]
    pub fn aliases(&self) -> &[String] {
        let of_a = aliases(&self.a);
        if of_a.is_empty() { aliases(&self.aaaa) } else { of_a }
    }
}

/// The names behind the asked one, if it is an alias.
#[must_use]
pub fn aliases(reply: &DnsReply) -> &[String] {
    match reply {
        DnsReply::Found(answer) => &answer.aliases,
        DnsReply::Absent(absence) => &absence.aliases,
        DnsReply::Failed(_) => &[],
    }
}
