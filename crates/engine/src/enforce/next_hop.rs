//! Where mail goes next, as an MTA writes it: a domain, or a relay in brackets, with or without a port.
//!
//! RFC 8461 §3.4: the policy domain is the next hop as written. Fails on what has no policy domain: an address, or no
//! name at all.

use mta_sts::policy_domain::{NoPolicyDomain, PolicyDomain};

/// A next hop that may have a policy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NextHop {
    /// Its policy domain.
    pub domain: PolicyDomain,
    /// Whether it stands in brackets: the host itself, of which no MX records are looked up (RFC 5321 §5.1).
    pub is_host: bool,
    /// The port.
    pub port: u16,
}

impl NextHop {
    /// Mail for the domain, by its MX records.
    #[must_use]
    pub fn of_domain(domain: PolicyDomain) -> Self {
        Self { domain, is_host: false, port: 25 }
    }

    /// Reads a next hop as MTAs write it: `example.org`, `[relay.example.org]`, `relay.example.org:587`,
    /// `[relay.example.org]:submission`.
    ///
    /// # Errors
    /// [`NoPolicyDomain`], as [`PolicyDomain::of_next_hop`].
    pub fn parse(text: &str) -> Result<Self, NoPolicyDomain> {
        let domain = PolicyDomain::of_next_hop(text)?;
        Ok(Self { domain, is_host: text.starts_with('['), port: port_of(text) })
    }
}

/// The port of a next hop; names of services that relays use are known.
fn port_of(next_hop: &str) -> u16 {
    let after_host = next_hop.rsplit_once(']').map_or(next_hop, |(_, rest)| rest);
    match after_host.rsplit_once(':').map(|(_, port)| port) {
        Some("submission") => 587,
        Some("submissions" | "smtps") => 465,
        Some(port) => port.parse().unwrap_or(25),
        None => 25,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves: S4
    #[test]
    fn brackets_and_ports_are_understood_as_the_mta_writes_them() {
        for (text, is_host, port) in [
            ("example.org", false, 25),
            ("example.org:587", false, 587),
            ("[relay.example.org]", true, 25),
            ("[relay.example.org]:submission", true, 587),
            ("[relay.example.org]:smtps", true, 465),
        ] {
            let hop = NextHop::parse(text).unwrap();
            assert_eq!((hop.is_host, hop.port), (is_host, port), "{text}");
            assert_eq!(hop.domain.as_str(), text.trim_start_matches('[').split([']', ':']).next().unwrap());
        }
        assert!(NextHop::parse("[192.0.2.1]:25").is_err());
    }
}
