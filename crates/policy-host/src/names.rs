//! Names: from a host, as SNI or a request says it, to the policy domain.

/// The label in front of every policy domain (RFC 8461 §3.3).
const LABEL: &str = "mta-sts.";
/// A name on the wire has 255 bytes, in text 253.
const LONGEST: usize = 253;

/// The policy domain of a policy host, in lower case; `None` if it is no policy host's name.
pub(crate) fn policy_domain(host: &str) -> Option<String> {
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.len() > LONGEST {
        return None;
    }
    let (label, domain) = host.split_at_checked(LABEL.len())?;
    (label.eq_ignore_ascii_case(LABEL) && !domain.is_empty()).then(|| domain.to_ascii_lowercase())
}

/// True if the host is the policy host of the domain (which is in lower case).
pub(crate) fn is_policy_host_of(host: &str, domain: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    host.split_at_checked(LABEL.len())
        .is_some_and(|(label, rest)| label.eq_ignore_ascii_case(LABEL) && rest.eq_ignore_ascii_case(domain))
}

/// The name of a domain's policy host.
pub(crate) fn policy_host(domain: &str) -> String {
    format!("{LABEL}{domain}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_host_is_its_domain_behind_one_label() {
        let rows = [
            ("mta-sts.example.org", Some("example.org")),
            ("MTA-STS.Example.ORG.", Some("example.org")),
            ("mta-sts.mta-sts.example.org", Some("mta-sts.example.org")),
            ("example.org", None),
            ("mta-sts.", None),
            ("mta-sts", None),
            ("xmta-sts.example.org", None),
            ("mta-stä.example.org", None),
            ("", None),
        ];
        for (host, domain) in rows {
            assert_eq!(policy_domain(host).as_deref(), domain, "{host}");
            if let Some(domain) = domain {
                assert!(is_policy_host_of(host, domain), "{host}");
            }
        }
        assert!(!is_policy_host_of("mta-sts.example.com", "example.org"));
        assert!(!is_policy_host_of("mta-sts.sub.example.org", "example.org"));
        assert_eq!(policy_domain(&format!("mta-sts.{}", "a.".repeat(200))), None);
        assert_eq!(policy_host("example.org"), "mta-sts.example.org");
    }
}
