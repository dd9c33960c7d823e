//! Certificates as they are ordered; [`Pki`](crate::pki::Pki) makes them.

use super::{DAY, UnixTime};

/// A certificate and the chain it is shown with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CertificateSpec {
    /// DNS-IDs in the subject alternative name; none leaves the extension out.
    pub names: Vec<String>,
    /// Common name of the subject: a name that only old clients look at.
    pub common_name: Option<String>,
    /// Who signs it.
    pub issuer: Issuer,
    /// Valid from.
    pub not_before: UnixTime,
    /// Valid until.
    pub not_after: UnixTime,
    /// Whether the intermediate certificate is sent with it, as it must be.
    pub with_intermediate: bool,
    /// Which key: equal numbers share one. A roll-over takes another.
    pub key: u8,
}

/// Who signs a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Issuer {
    /// An intermediate under the root that everybody trusts.
    Trusted,
    /// An intermediate under a root that nobody has.
    Untrusted,
    /// Itself.
    SelfSigned,
}

impl CertificateSpec {
    /// What a careful owner has: from the trusted authority, a month old, two months to go.
    #[must_use]
    pub fn healthy(names: &[&str], now: UnixTime) -> Self {
        Self {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            common_name: None,
            issuer: Issuer::Trusted,
            not_before: now - 30 * DAY,
            not_after: now + 60 * DAY,
            with_intermediate: true,
            key: 0,
        }
    }
}
