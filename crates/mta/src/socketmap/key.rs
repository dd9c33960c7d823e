//! The key of a TLS policy look-up: the next hop as Postfix writes it.

use mta_sts::policy_domain::{NoPolicyDomain, PolicyDomain};

/// What a key names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// A domain, in A-labels.
    NextHop {
        /// The domain, or the smart host.
        domain: PolicyDomain,
        /// In brackets: the host itself is spoken to, and no MX is looked up (it is its own only MX).
        is_host: bool,
    },
    /// `.example.org`: Postfix asks for the parents of what was not found. RFC 8461 §3.4: parents are never consulted.
    Parent,
    /// An IP address, which has no policy.
    Address,
    /// A unix socket (LMTP).
    Path,
    /// What is none of it. There is no policy for it.
    Unusable(NoPolicyDomain),
}

impl Key {
    /// Reads a key. Nothing fails: what can have no policy is told apart.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        if text.starts_with('.') {
            return Self::Parent;
        }
        if text.contains('/') {
            return Self::Path;
        }
        match PolicyDomain::of_next_hop(text) {
            Ok(domain) => Self::NextHop { domain, is_host: text.starts_with('[') },
            Err(NoPolicyDomain::AddressLiteral) => Self::Address,
            Err(error) => Self::Unusable(error),
        }
    }

    /// The domain whose policy counts, if any can.
    #[must_use]
    pub fn policy_domain(&self) -> Option<&PolicyDomain> {
        match self {
            Self::NextHop { domain, .. } => Some(domain),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves: S4, S5, S6, S17
    #[test]
    fn a_next_hop_is_read_as_postfix_writes_it() {
        for (text, domain, is_host) in [
            ("example.org", "example.org", false),
            ("Example.ORG.", "example.org", false),
            ("example.org:587", "example.org", false),
            ("example.org:submission", "example.org", false),
            ("[relay.example.org]", "relay.example.org", true),
            ("[relay.example.org]:587", "relay.example.org", true),
            ("bücher.example", "xn--bcher-kva.example", false),
            ("[bücher.example]:25", "xn--bcher-kva.example", true),
        ] {
            let Key::NextHop { domain: read, is_host: host } = Key::parse(text) else { panic!("{text}") };
            assert_eq!((read.as_str(), host), (domain, is_host), "{text}");
        }
        for (text, expected) in [
            (".example.org", Key::Parent),
            (".org", Key::Parent),
            (".", Key::Parent),
            ("192.0.2.1", Key::Address),
            ("[192.0.2.1]", Key::Address),
            ("[192.0.2.1]:25", Key::Address),
            ("[2001:db8::1]", Key::Address),
            ("[IPv6:2001:db8::1]:25", Key::Address),
            ("2001:db8::1", Key::Address),
            ("unix:/run/lmtp", Key::Path),
            ("/run/lmtp", Key::Path),
            ("private/lmtp", Key::Path),
        ] {
            assert_eq!(Key::parse(text), expected, "{text}");
        }
        for text in ["", "a b", "[x", "x]:25", "exa\nmple.org", "-:-:-", "example.org:"] {
            assert!(matches!(Key::parse(text), Key::Unusable(_)), "{text}");
        }
    }
}
