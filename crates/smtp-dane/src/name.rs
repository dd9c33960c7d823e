//! Does a name in a certificate cover a host? RFC 9525, which is also what RFC 8461 §4.2 and RFC 7672 §3.2.3
//! ask for: ASCII letters compare without case, and a wildcard is the whole left-most label and stands for
//! exactly one.

use rustls_pki_types::DnsName;

/// A host name that certificates are held against, checked once. A dot at its end does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference<'a>(&'a str);

impl<'a> Reference<'a> {
    /// `None` if `host` is no DNS name: an IP address is none, and needs another kind of certificate.
    #[must_use]
    pub fn new(host: &'a str) -> Option<Self> {
        let host = host.strip_suffix('.').unwrap_or(host);
        DnsName::try_from(host).ok().map(|_| Self(host))
    }

    /// Whether `presented`, a DNS-ID or CN-ID as it stands in a certificate, covers this host.
    #[must_use]
    pub fn is_covered_by(self, presented: &[u8]) -> bool {
        if presented.eq_ignore_ascii_case(self.0.as_bytes()) {
            return true;
        }
        // RFC 9525 §6.3: only the complete left-most label may be a wildcard, for one label.
        let Some(rest) = presented.strip_prefix(b"*.") else { return false };
        let Some((label, parent)) = self.0.split_once('.') else { return false };
        // Two labels must follow, as everywhere: nobody may hold a certificate for all of a top level.
        !label.is_empty() && parent.contains('.') && rest.eq_ignore_ascii_case(parent.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves: D9, D13, E4, S7, K4
    #[test]
    fn a_wildcard_is_the_whole_left_most_label_and_stands_for_one() {
        let table = [
            ("mx.example.org", "mx.example.org", true),
            ("MX.Example.ORG", "mx.example.org", true),
            ("mx.example.org", "MX.EXAMPLE.ORG.", true),
            ("mx.example.org.", "mx.example.org", false),
            ("*.example.org", "mx.example.org", true),
            ("*.EXAMPLE.org", "mx.example.org", true),
            ("*.example.org", "a.mx.example.org", false),
            ("*.example.org", "example.org", false),
            ("m*.example.org", "mx.example.org", false),
            ("*x.example.org", "mx.example.org", false),
            ("m*x.example.org", "mx.example.org", false),
            ("mx.*.org", "mx.example.org", false),
            ("*.*.org", "mx.example.org", false),
            ("*", "example", false),
            ("*.org", "example.org", false),
            ("*.", "example.org", false),
            ("", "example.org", false),
            ("mx.example.org\0.evil.test", "mx.example.org", false),
            ("*.example.org", "xn--bcher-kva.example.org", true),
        ];
        for (presented, host, expected) in table {
            let covered = Reference::new(host).is_some_and(|host| host.is_covered_by(presented.as_bytes()));
            assert_eq!(covered, expected, "{presented} for {host}");
        }
    }

    #[test]
    fn an_address_or_a_broken_name_is_no_reference() {
        for host in ["192.0.2.1", "::1", "[::1]", "", ".", "a..b", "*.example.org", "mx example.org"] {
            assert_eq!(Reference::new(host), None, "{host}");
        }
    }
}
