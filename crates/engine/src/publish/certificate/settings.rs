//! How certificates are come by, as the owner has set it.

use std::time::Duration;

use super::pace::Limits;
use super::preflight::OurAddresses;
use crate::ports::certificates::{ChallengeKind, Registration};

/// A certificate authority.
#[derive(Debug, Clone)]
pub struct AuthoritySettings {
    /// The URL of its directory.
    pub directory: String,
    /// Whether the owner agreed to its terms of service.
    pub terms_agreed: bool,
    /// How the account is asked for.
    pub registration: Registration,
    /// Domains by which it is named in CAA records, besides those that it says itself.
    pub caa_identities: Vec<String>,
    /// Its limits.
    pub limits: Limits,
}

/// All of it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// In order of preference: the second is asked when the first one fails repeatedly.
    pub authorities: Vec<AuthoritySettings>,
    /// Ways to prove control that may be gone, in order of preference.
    pub methods: Vec<ChallengeKind>,
    /// Where we are.
    pub addresses: OurAddresses,
    /// Names that are certified side by side.
    pub at_once: usize,
    /// How long a record for dns-01 is left to spread before the authority is told of it.
    pub record_wait: Duration,
}

impl Settings {
    /// With one authority, and nothing known of our addresses.
    #[must_use]
    pub fn new(authorities: Vec<AuthoritySettings>, addresses: OurAddresses) -> Self {
        Self {
            authorities,
            methods: vec![ChallengeKind::Http01, ChallengeKind::TlsAlpn01],
            addresses,
            at_once: 8,
            record_wait: Duration::from_secs(30),
        }
    }
}
