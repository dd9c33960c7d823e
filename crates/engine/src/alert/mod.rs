//! What the owner must know: a rule, one alert while it holds, and its resolution.
//!
//! A condition that goes on is told once, when it begins ([`News::Raised`]), and once when it is over
//! ([`News::Resolved`]); meanwhile it stands on the [`Board`] with its latest words. Who listens ([`Board::listen`])
//! writes the log, counts, or sends mail. Nothing here is kept over a restart: a condition that still holds then is
//! raised again.

mod board;

pub use crate::feed::{Feed, Heard};
pub use board::Board;

use crate::facts::UnixTime;

/// What there may be to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// A policy of another domain could not be fetched anew, not for the first time. It goes on to be applied.
    PolicyRefreshFailing,
    /// A policy of another domain ran out and could not be fetched anew before: mail there is no longer protected.
    PolicyExpired,
    /// A policy cannot be written to the store: it would be lost in a restart.
    PolicyNotKept,
    /// DNSSEC was asked for and does not work: DANE is out of use.
    DnssecUnusable,
    /// The policy of a domain of ours is not served, seen from outside, as it is to be.
    PolicyDrift,
    /// Records of a domain of ours are not as they are to be.
    RecordDrift,
    /// A change of what a domain of ours publishes does not come on.
    PublishStuck,
    /// A domain of ours is held: nothing of it changes until its owner has looked.
    PublishHeld,
    /// What a domain of ours publishes cannot be kept, or not be written to the ledger.
    PublishNotKept,
    /// A host in the MX records of a domain of ours is not in its policy, or the other way round.
    MxDrift,
    /// A policy host gets no new certificate, not for the first time, or not long before the old one runs out.
    CertificateFailing,
    /// The certificate of a policy host has run out: senders cannot fetch the policy.
    CertificateExpired,
    /// A group's change stopped at a domain.
    GroupStopped,
    /// Keys of certificates were sealed with another key file than the one that is there.
    CertificateKeysLost,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 14] = [
        Self::PolicyRefreshFailing,
        Self::PolicyExpired,
        Self::PolicyNotKept,
        Self::DnssecUnusable,
        Self::PolicyDrift,
        Self::RecordDrift,
        Self::PublishStuck,
        Self::PublishHeld,
        Self::PublishNotKept,
        Self::MxDrift,
        Self::CertificateFailing,
        Self::CertificateExpired,
        Self::GroupStopped,
        Self::CertificateKeysLost,
    ];

    /// A token for logs and metrics, that never changes.
    #[must_use]
    pub fn as_wire(self) -> &'static str {
        match self {
            Self::PolicyRefreshFailing => "policy-refresh-failing",
            Self::PolicyExpired => "policy-expired",
            Self::PolicyNotKept => "policy-not-kept",
            Self::DnssecUnusable => "dnssec-unusable",
            Self::PolicyDrift => "policy-drift",
            Self::RecordDrift => "record-drift",
            Self::PublishStuck => "publish-stuck",
            Self::PublishHeld => "publish-held",
            Self::PublishNotKept => "publish-not-kept",
            Self::MxDrift => "mx-drift",
            Self::CertificateFailing => "certificate-failing",
            Self::CertificateExpired => "certificate-expired",
            Self::GroupStopped => "group-stopped",
            Self::CertificateKeysLost => "certificate-keys-lost",
        }
    }
}

/// An alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// By which rule.
    pub rule: Rule,
    /// What it is about: a domain; empty where this machine is.
    pub subject: String,
    /// Since when.
    pub since: UnixTime,
    /// The latest words.
    pub text: String,
}

/// What a listener hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// It has begun.
    Raised(Alert),
    /// It is over.
    Resolved {
        /// As it was at last.
        alert: Alert,
        /// When it was over.
        at: UnixTime,
        /// How.
        text: String,
    },
}
