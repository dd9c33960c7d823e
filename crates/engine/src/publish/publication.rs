//! One managed domain: what its owner wants, what is served and announced, and what is under way.
//!
//! All of it is kept ([`super::kept`]), and everything is decided from what is kept and what is seen: a process that is killed
//! at any moment goes on from here.

use std::fmt;

use bytes::Bytes;
use mta_sts::mx::MxPattern;
use mta_sts::policy::{MaxAge, Mode, Policy};
use mta_sts::policy_domain::PolicyDomain;
use mta_sts::record::PolicyId;
use serde::{Deserialize, Serialize};

use super::Wish;
use crate::facts::UnixTime;
use crate::ports::publish::KeptVersion;

/// So long after a body was replaced somebody may still be receiving it, in seconds: RFC 8461 §3.3 gives a fetch a minute, a
/// proxy in front keeps it for another (§8.2), and clocks differ.
pub const MARGIN_SECS: i64 = 300;

/// Ids that are remembered as given, at most; older ones are in the versions.
pub const IDS_REMEMBERED: usize = 16;

/// A managed domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The policy domain.
    pub domain: PolicyDomain,
    /// Of the row it was read from; 0: not kept yet.
    pub revision: u64,
    /// The group whose definition it follows, and how far.
    pub member: Option<Member>,
    /// What the owner wants.
    pub wish: Wish,
    /// What the policy host gives out.
    pub served: Option<Version>,
    /// The highest number that a version of this domain ever had.
    pub last_number: u32,
    /// The id that the `_mta-sts` record has or is to have; `None`: there is no record, or not yet.
    pub id: Option<PolicyId>,
    /// Ids that were given or adopted, the newest last, [`IDS_REMEMBERED`] at most.
    pub ids: Vec<PolicyId>,
    /// The time that the newest given id was made of. The next one is later.
    pub id_clock: UnixTime,
    /// The change that is under way.
    pub phase: Phase,
    /// Why nothing may be changed before the owner has looked.
    pub hold: Option<Hold>,
    /// Until then a sender may hold a policy (testing or enforce) that was served. Never falls. While something is served it
    /// moves on with the time: [`Publication::cached_until`].
    pub cached_until: UnixTime,
    /// The longest max_age of a testing or enforce policy that some node or proxy may still be serving, in seconds.
    pub serving_secs: u32,
    /// The MX patterns of the newest version in mode testing that was announced, sorted.
    pub tested: Vec<MxPattern>,
    /// The last version that was seen everywhere with its id.
    pub live: Option<Live>,
    /// Whether records other than the id are to be written.
    pub is_unwritten: bool,
    /// Whether a TLSRPT record was written here, so that it is ours to remove.
    pub has_reporting: bool,
    /// Whether the TLSRPT record was seen live everywhere, once.
    pub was_reporting: bool,
    /// What was seen when it was looked last.
    pub seen: Seen,
    /// What stands in the way, since the last progress.
    pub trouble: Trouble,
    /// When it is to be looked after next.
    pub due_at: UnixTime,
}

/// Membership in a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The group's name.
    pub group: String,
    /// The revision of the group's definition that the wish was taken from.
    pub revision: u64,
}

/// A body that is served.
#[derive(Clone, PartialEq, Eq)]
pub struct Version {
    /// From 1, within the domain.
    pub number: u32,
    /// As served.
    pub body: Bytes,
    /// What it says.
    pub policy: Policy,
    /// When it was given to the host.
    pub first_served_at: UnixTime,
    /// When its id was seen live everywhere.
    pub announced_at: Option<UnixTime>,
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Version")
            .field("number", &self.number)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

impl Version {
    /// For how long a sender that fetches it now is bound by it, in seconds. Mode none binds nobody: without it a sender does
    /// the same (RFC 8461 §5).
    #[must_use]
    pub fn binding_secs(&self) -> u32 {
        match self.policy.mode() {
            Mode::None => 0,
            Mode::Testing | Mode::Enforce => self.policy.max_age().as_secs(),
        }
    }

    /// Its MX patterns, sorted.
    #[must_use]
    pub fn mx_set(&self) -> Vec<MxPattern> {
        let mut set = self.policy.mx().to_vec();
        set.sort_unstable();
        set.dedup();
        set
    }

    /// The row of it.
    #[must_use]
    pub fn to_row(
        &self,
        domain: &PolicyDomain,
        id: Option<&PolicyId>,
        last_served_at: Option<UnixTime>,
    ) -> KeptVersion {
        KeptVersion {
            domain: domain.as_str().to_owned(),
            number: self.number,
            body: self.body.clone(),
            id: id.map(|id| id.as_wire().to_owned()),
            max_age: self.policy.max_age().as_secs(),
            first_served_at: self.first_served_at,
            announced_at: self.announced_at,
            last_served_at,
        }
    }
}

/// The change that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Phase {
    /// None. What is served and announced is watched.
    Quiet,
    /// A body is served here and not yet seen on every address from outside. The record keeps its id (RFC 8461 §8.1).
    Showing {
        /// Since when.
        since: UnixTime,
        /// Whether the id stays, because the live one was adopted with this very body.
        keeps_id: bool,
    },
    /// The body was seen everywhere; its id is written, and not yet seen on every name server.
    Announcing {
        /// Since when.
        since: UnixTime,
        /// When the body was seen everywhere for the first time.
        body_seen_at: UnixTime,
    },
    /// Nobody can hold a policy any more: the record goes, then, a TTL after it was last seen, the host (§8.3).
    Ending {
        /// Since when.
        since: UnixTime,
        /// When the record was seen to be gone from every name server.
        gone_at: Option<UnixTime>,
    },
    /// The owner had it removed: its records go, and then it is forgotten.
    Leaving,
}

/// Why a domain is held: nothing of it is changed or announced until the owner adopts it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "why")]
pub enum Hold {
    /// The ledger knows versions that the store does not: a backup was restored.
    Rewound {
        /// The highest number in the ledger.
        number: u32,
    },
    /// The live record has an id that was never given here.
    ForeignId {
        /// That id.
        id: String,
    },
}

impl Hold {
    /// For people: what is the matter and what to do.
    #[must_use]
    pub fn text(&self, domain: &PolicyDomain) -> String {
        match self {
            Self::Rewound { number } => format!(
                "{domain} is held: version {number} of its policy was served, and the store does not know it, as after \
                 restoring a backup. Nothing is announced until `tlsward domain adopt {domain}`."
            ),
            Self::ForeignId { id } => format!(
                "{domain} is held: its _mta-sts record has the id {id}, which was not given here. Nothing is announced until \
                 `tlsward domain adopt {domain}`, or until the record is as it was."
            ),
        }
    }
}

/// The last version that was live everywhere with its id: what dates of MX changes are counted from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    /// Its number.
    pub number: u32,
    /// When its body was seen on every address.
    pub body_at: UnixTime,
    /// When its id was seen on every name server.
    pub id_at: UnixTime,
    /// Of the record, in seconds.
    pub ttl_secs: u32,
}

/// What was seen when it was looked last, in words that people read and codes that steps go by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The policy, from outside.
    pub body: BodySeen,
    /// When.
    pub body_at: UnixTime,
    /// The `_mta-sts` record, on the domain's name servers.
    pub record: RecordSeen,
    /// The `_smtp._tls` record, there.
    pub reporting: RecordSeen,
    /// When the records were looked at.
    pub records_at: UnixTime,
}

/// What the policy host gives out, seen from outside.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is", content = "text")]
pub enum BodySeen {
    /// It was not looked at.
    #[default]
    NotLooked,
    /// The body that is served here, on every address, over a certificate that holds.
    Everywhere,
    /// Something else, somewhere. The text says where and what.
    NotYet(String),
    /// It cannot be seen from here. The text says why.
    Unknown(String),
}

/// What the domain's name servers say, compared with what they are to say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is", content = "of")]
pub enum RecordSeen {
    /// It was not looked at.
    #[default]
    NotLooked,
    /// What it is to be, on every one of them.
    Live {
        /// The largest, in seconds.
        ttl_secs: u32,
    },
    /// What it is to be on some, what it was before or nothing on others. The text says which.
    Partly(String),
    /// What it was before.
    Older(String),
    /// No such record, on any of them.
    Absent,
    /// Something that was not written here, on some of them: the id, or the text.
    Other(String),
    /// A record that nobody can use.
    Broken(String),
    /// It could not be told.
    Unknown(String),
}

/// What stands in the way.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// Rounds without progress.
    pub failures: u32,
    /// Since when.
    pub since: UnixTime,
    /// The last one, for people; empty: none.
    pub text: String,
}

/// What DNS is to hold for a domain. [`crate::publish`]'s records make sets of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// The text of `_smtp._tls`.
    pub reporting: DesiredText<String>,
    /// `mta-sts.<domain>`: whether it leads to the policy host.
    pub host: bool,
    /// The id in `_mta-sts`.
    pub id: DesiredText<PolicyId>,
}

/// A record as it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DesiredText<T> {
    /// Whatever it is: it is not touched now.
    Leave,
    /// There is none.
    Absent,
    /// With this in it, and no other.
    Is(T),
}

impl Publication {
    /// A domain that nothing was ever published for here. `last_number`: of the versions that the store has from earlier.
    #[must_use]
    pub fn new(domain: PolicyDomain, wish: Wish, now: UnixTime) -> Self {
        Self {
            domain,
            revision: 0,
            member: None,
            wish,
            served: None,
            last_number: 0,
            id: None,
            ids: Vec::new(),
            id_clock: 0,
            phase: Phase::Quiet,
            hold: None,
            cached_until: 0,
            serving_secs: 0,
            tested: Vec::new(),
            live: None,
            is_unwritten: true,
            has_reporting: false,
            was_reporting: false,
            seen: Seen::default(),
            trouble: Trouble::default(),
            due_at: now,
        }
    }

    /// Until when a sender may hold a policy of this domain.
    #[must_use]
    pub fn cached_until(&self, now: UnixTime) -> UnixTime {
        match self.serving_secs {
            0 => self.cached_until,
            secs => self.cached_until.max(now.saturating_add(i64::from(secs) + MARGIN_SECS)),
        }
    }

    /// What DNS is to hold now. While a body is not yet seen everywhere, and while the domain is held, the id is left alone
    /// (RFC 8461 §8.1).
    #[must_use]
    pub fn desired(&self) -> Desired {
        let leaves = matches!(self.phase, Phase::Leaving);
        let reporting = match self.wish.reporting_record().ok().flatten() {
            _ if self.hold.is_some() => DesiredText::Leave,
            Some(text) if !leaves => DesiredText::Is(text),
            _ if self.has_reporting => DesiredText::Absent,
            _ => DesiredText::Leave,
        };
        let id = match (self.phase, &self.id) {
            _ if self.hold.is_some() => DesiredText::Leave,
            (Phase::Showing { .. } | Phase::Leaving, _) => DesiredText::Leave,
            (Phase::Quiet | Phase::Announcing { .. }, Some(id)) => DesiredText::Is(id.clone()),
            // What was never announced here is not ours to remove.
            (Phase::Quiet | Phase::Announcing { .. }, None) => DesiredText::Leave,
            (Phase::Ending { .. }, _) => DesiredText::Absent,
        };
        Desired { reporting, host: self.served.is_some(), id }
    }

    /// The max_age of what is served, if that is a policy.
    #[must_use]
    pub fn max_age(&self) -> Option<MaxAge> {
        self.served.as_ref().map(|served| served.policy.max_age())
    }
}
