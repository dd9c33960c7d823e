//! An attacker on the path: switches, each in force between two times and against some or all who look.

use bytes::Bytes;

use super::UnixTime;

/// One deed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attack {
    /// In force from this second on.
    pub from: UnixTime,
    /// Until just before this one.
    pub until: UnixTime,
    /// Whose path it stands in.
    pub scope: Scope,
    /// What it does.
    pub kind: AttackKind,
}

/// In whose path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Everybody's.
    Everyone,
    /// Of the client with this name alone.
    Only(String),
}

/// What an attacker on the path can do. It holds no key of anybody's: it cannot show a certificate that a trusted
/// authority issued for a name that is not its own, and cannot sign in a zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttackKind {
    /// STARTTLS is cut out of the answers of every MX of this domain.
    StripStartTls {
        /// The domain.
        domain: String,
    },
    /// The MX records of the domain name another host. A validating resolver sees through it where the zone is
    /// signed.
    ForgeMx {
        /// The domain.
        domain: String,
        /// Its host, which must have addresses in the world.
        exchange: String,
    },
    /// The policy host of the domain is impersonated, with a certificate that does not chain.
    ForgePolicy {
        /// The domain.
        domain: String,
        /// What it serves.
        body: Bytes,
    },
    /// Connections to the policy host of the domain are cut.
    BlockPolicy {
        /// The domain.
        domain: String,
    },
    /// The `_mta-sts` record of the domain is not to be had.
    HideRecord {
        /// The domain.
        domain: String,
    },
    /// Reports about the domain do not arrive: connections to where it takes them by HTTPS are cut, and mail to where
    /// it takes them by mail is lost ([`World::loses_mail`](super::World::loses_mail)).
    HideReports {
        /// The domain.
        domain: String,
    },
}

impl Attack {
    /// Whether it is in force, at this time, against this client (`None`: one without a name).
    #[must_use]
    pub fn is_in_force(&self, now: UnixTime, viewer: Option<&str>) -> bool {
        let in_path = match &self.scope {
            Scope::Everyone => true,
            Scope::Only(name) => viewer == Some(name.as_str()),
        };
        in_path && self.from <= now && now < self.until
    }
}
