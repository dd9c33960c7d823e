//! Whose policy counts for a next hop, and where it is published: RFC 8461 §3.1, §3.2 and §3.4.
//!
//! The policy domain is the domain of the recipient as written, or the smart host if mail goes through one.
//! It is never the MX host, never the target of a CNAME, and never a parent: a sub-domain that publishes
//! nothing has no policy. So nothing in this module ever shortens a name. Fails on address literals, which
//! have no policy.

use std::fmt;
use std::net::IpAddr;

use crate::name::{DnsName, MAX_NAME_BYTES, NameError};

const RECORD_LABEL: &str = "_mta-sts.";
const HOST_LABEL: &str = "mta-sts.";

/// A domain that may have a policy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyDomain(DnsName);

/// Why a next hop has no policy domain. The sender delivers as without MTA-STS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoPolicyDomain {
    /// RFC 8461 §3.4: an IP address cannot be associated with a policy.
    #[error("an address literal has no MTA-STS policy")]
    AddressLiteral,
    /// A recipient without an `@`.
    #[error("recipient has no domain")]
    NoDomain,
    /// Brackets or a port that do not fit together.
    #[error("next hop is malformed")]
    Malformed,
    /// Not a domain name.
    #[error("next hop is no domain: {0}")]
    Name(#[from] NameError),
}

impl PolicyDomain {
    /// The policy domain of a domain as written.
    ///
    /// # Errors
    /// [`NoPolicyDomain`] for an IP address, or what is no domain whose policy host could have a name.
    pub fn parse(domain: &str) -> Result<Self, NoPolicyDomain> {
        if domain.parse::<IpAddr>().is_ok() {
            return Err(NoPolicyDomain::AddressLiteral);
        }
        let name = DnsName::parse(domain)?;
        if name.as_str().len() + RECORD_LABEL.len() > MAX_NAME_BYTES {
            return Err(NoPolicyDomain::Name(NameError::TooLong));
        }
        Ok(Self(name))
    }

    /// The policy domain for mail that goes straight to the recipient's domain: what follows the last `@`.
    ///
    /// # Errors
    /// [`NoPolicyDomain`] for address literals and for what is no address.
    pub fn of_recipient(address: &str) -> Result<Self, NoPolicyDomain> {
        let (_, domain) = address.rsplit_once('@').ok_or(NoPolicyDomain::NoDomain)?;
        // RFC 5321 §4.1.3: in an address, brackets always hold an address literal.
        if domain.starts_with('[') {
            return Err(NoPolicyDomain::AddressLiteral);
        }
        Self::parse(domain)
    }

    /// The policy domain for a next hop as MTAs write it: `example.org`, and for a smart host also
    /// `[relay.example.org]`, `relay.example.org:587` or `[relay.example.org]:submission`.
    ///
    /// # Errors
    /// [`NoPolicyDomain`] for address literals, with or without a port, and for what is no next hop.
    pub fn of_next_hop(next_hop: &str) -> Result<Self, NoPolicyDomain> {
        if let Some(rest) = next_hop.strip_prefix('[') {
            let (host, port) = rest.split_once(']').ok_or(NoPolicyDomain::Malformed)?;
            if !port.is_empty() && !port.strip_prefix(':').is_some_and(is_port) {
                return Err(NoPolicyDomain::Malformed);
            }
            // Other tags than IPv6 (RFC 5321 §4.1.3) hold a colon as well, which no name does.
            if host.contains(':') {
                return Err(NoPolicyDomain::AddressLiteral);
            }
            return Self::parse(host);
        }
        match next_hop.split_once(':') {
            None => Self::parse(next_hop),
            Some(_) if next_hop.parse::<IpAddr>().is_ok() => Err(NoPolicyDomain::AddressLiteral),
            Some((host, port)) if is_port(port) => Self::parse(host),
            Some(_) => Err(NoPolicyDomain::Malformed),
        }
    }

    /// The domain: lower-case A-labels, no dot at the end.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Where the TXT record is: RFC 8461 §3.1. CNAMEs from there are followed.
    #[must_use]
    pub fn record_name(&self) -> String {
        format!("{RECORD_LABEL}{}", self.0)
    }

    /// The policy host, also its name in SNI and the only one its certificate may be judged by: RFC 8461
    /// §3.3.
    #[must_use]
    pub fn policy_host(&self) -> String {
        format!("{HOST_LABEL}{}", self.0)
    }

    /// Where the policy is: RFC 8461 §3.2.
    #[must_use]
    pub fn policy_url(&self) -> String {
        format!("https://{}{POLICY_PATH}", self.policy_host())
    }
}

/// The path of the policy on its host: RFC 8461 §3.2.
pub const POLICY_PATH: &str = "/.well-known/mta-sts.txt";

impl fmt::Display for PolicyDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A port or the name of a service.
fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next_hop(text: &str) -> Result<String, NoPolicyDomain> {
        PolicyDomain::of_next_hop(text).map(|domain| domain.as_str().to_owned())
    }

    /// Proves: S4, D23
    #[test]
    fn policy_domain_is_the_next_hop_as_written() {
        for (text, expected) in [
            ("example.org", "example.org"),
            ("Example.ORG.", "example.org"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("[relay.example.org]", "relay.example.org"),
            ("[relay.example.org]:587", "relay.example.org"),
            ("relay.example.org:submission", "relay.example.org"),
        ] {
            assert_eq!(next_hop(text).as_deref(), Ok(expected), "{text}");
        }
        let of_recipient = |text| PolicyDomain::of_recipient(text).map(|domain| domain.as_str().to_owned());
        assert_eq!(of_recipient("alice@example.org").as_deref(), Ok("example.org"));
        assert_eq!(of_recipient("\"a@b\"@Example.org").as_deref(), Ok("example.org"));
        assert_eq!(of_recipient("postmaster"), Err(NoPolicyDomain::NoDomain));
    }

    /// Proves: S5, D23
    #[test]
    fn sub_domain_has_its_own_places_and_never_its_parents() {
        let domain = PolicyDomain::of_recipient("user@mail.example.org").unwrap();
        assert_eq!(domain.record_name(), "_mta-sts.mail.example.org");
        assert_eq!(domain.policy_host(), "mta-sts.mail.example.org");
        assert_eq!(domain.policy_url(), "https://mta-sts.mail.example.org/.well-known/mta-sts.txt");
    }

    /// Proves: S6
    #[test]
    fn address_literal_has_no_policy() {
        for text in [
            "192.0.2.1",
            "[192.0.2.1]",
            "[192.0.2.1]:25",
            "192.0.2.1:25",
            "2001:db8::1",
            "[2001:db8::1]",
            "[IPv6:2001:db8::1]",
            "[IPv6:2001:db8::1]:25",
        ] {
            assert_eq!(next_hop(text), Err(NoPolicyDomain::AddressLiteral), "{text}");
        }
        for text in ["a@[192.0.2.1]", "a@[IPv6:2001:db8::1]", "a@192.0.2.1", "a@[relay.example.org]"] {
            assert_eq!(PolicyDomain::of_recipient(text), Err(NoPolicyDomain::AddressLiteral), "{text}");
        }
    }

    /// Hostile next hops end in an error, and a name that leaves no room for `_mta-sts.` is one of them.
    #[test]
    fn malformed_next_hop_has_no_policy_domain() {
        for text in
            ["[", "[]", "[relay.example", "[relay.example]587", "[relay.example]:", "a:b:c", ":25", ""]
        {
            assert!(next_hop(text).is_err(), "{text}");
        }
        let label = "a".repeat(60);
        let longest = format!("{label}.{label}.{label}.{label}");
        assert_eq!(longest.len(), 243);
        assert!(PolicyDomain::parse(&format!("{longest}a")).is_ok());
        assert_eq!(
            PolicyDomain::parse(&format!("{longest}aa")),
            Err(NoPolicyDomain::Name(NameError::TooLong))
        );
    }
}
