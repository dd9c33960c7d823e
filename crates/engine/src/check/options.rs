//! How far a check goes.

use std::time::Duration;

/// How far a check goes. The default is what `tlsward check` does.
#[derive(Debug, Clone)]
pub struct Options {
    /// Limit for one domain, all look-ups and probes together.
    pub time_limit: Duration,
    /// A label that nobody uses, to find a wildcard MX record: made anew for each domain by the caller, since the
    /// engine has no randomness. `None`: not looked for.
    pub unused_label: Option<String>,
    /// Labels of sub-domains that often take mail.
    pub subdomain_labels: &'static [&'static str],
}

/// Labels under which domains take mail apart from their own.
const SUBDOMAIN_LABELS: [&str; 5] = ["mail", "email", "lists", "news", "support"];

impl Default for Options {
    fn default() -> Self {
        Self { time_limit: Duration::from_secs(120), unused_label: None, subdomain_labels: &SUBDOMAIN_LABELS }
    }
}

/// MX hosts that are looked at.
pub const MAX_HOSTS: usize = 20;
/// Addresses of one host that are looked at.
pub const MAX_ADDRESSES: usize = 8;
/// Places for reports that are looked at.
pub const MAX_RUAS: usize = 10;
/// Patterns of a policy that are looked at one by one.
pub const MAX_PATTERNS: usize = 100;
/// MX hosts looked at side by side.
pub(super) const HOSTS_AT_ONCE: usize = 4;
/// Addresses of one host looked at side by side.
pub(super) const ADDRESSES_AT_ONCE: usize = 4;
