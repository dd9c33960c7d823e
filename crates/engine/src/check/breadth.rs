//! Is a wildcard pattern one under which strangers can have hosts?
//!
//! A rule of thumb instead of the Public Suffix List, which is large and changes weekly: a wildcard directly under a
//! top-level domain; under a registry's second level of a country (`*.co.uk`); under a provider that gives names and
//! certificates to everybody. It misses some and never blames a domain of one owner.

/// Second labels that registries of countries use.
const SECOND_LEVELS: [&str; 17] = [
    "ac", "co", "com", "edu", "gob", "gouv", "gov", "go", "id", "ltd", "mil", "ne", "net", "nom", "or",
    "org", "plc",
];

/// Providers under whose domain anybody gets a name, and with it a certificate.
const SHARED: [&str; 30] = [
    "amazonaws.com",
    "appspot.com",
    "azurewebsites.net",
    "blogspot.com",
    "cloudapp.azure.com",
    "cloudapp.net",
    "cloudfront.net",
    "ddns.net",
    "dedyn.io",
    "duckdns.org",
    "dyndns.org",
    "elasticbeanstalk.com",
    "firebaseapp.com",
    "fly.dev",
    "github.io",
    "gitlab.io",
    "herokuapp.com",
    "hopto.org",
    "myfritz.net",
    "netlify.app",
    "no-ip.org",
    "nip.io",
    "onrender.com",
    "pages.dev",
    "run.app",
    "sslip.io",
    "vercel.app",
    "web.app",
    "workers.dev",
    "zapto.org",
];

/// Whether hosts directly under `domain`, lower-case A-labels, belong to anybody.
pub(super) fn is_shared(domain: &str) -> bool {
    let mut labels = domain.rsplit('.');
    let (Some(top), second, third) = (labels.next(), labels.next(), labels.next()) else { return true };
    match (second, third) {
        (None, _) => true,
        (Some(second), None) if top.len() == 2 && SECOND_LEVELS.contains(&second) => true,
        _ => SHARED.contains(&domain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves: D20
    #[test]
    fn wildcards_under_which_strangers_have_hosts_are_told_from_others() {
        for domain in ["com", "uk", "co.uk", "com.au", "duckdns.org", "amazonaws.com"] {
            assert!(is_shared(domain), "{domain}");
        }
        for domain in ["example.com", "example.co.uk", "co.com", "mail.protection.outlook.com"] {
            assert!(!is_shared(domain), "{domain}");
        }
    }
}
