//! Changing who takes a domain's mail, while senders hold policies that know nothing of it.
//!
//! An MX host comes into the policy first and into DNS later; it goes the other way round. When it may come into DNS has
//! two answers: when senders that follow the RFC know of it, and when the last cache that could lack it has run out.
//! **Only the owner names hosts, never DNS**: nothing here adds what was seen there. What can fail: [`MxError`], each with
//! what to do instead.

mod add;
mod emergency;
mod remove;

pub use add::{MxAdd, add};
pub use emergency::{Help, Swap, swap};
pub use remove::{MxRemove, Seen as MxSeen, remove};

use std::net::IpAddr;

use mta_sts::mx::{MxPattern, PatternError, matches_any};
use mta_sts::name::DnsName;
use mta_sts::policy::{self, Mode, Policy};
use mta_sts::policy_domain::PolicyDomain;

use super::MARGIN_SECS;
use super::{Wish, WishError};
use crate::check::text::tame;
use crate::facts::UnixTime;
use crate::ports::publish::KeptVersion;

/// Where a domain stands.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// Which.
    pub domain: &'a PolicyDomain,
    /// What its owner wants.
    pub wish: &'a Wish,
    /// Every version of its policy that was served, in any order.
    pub versions: &'a [KeptVersion],
    /// Until then a sender may hold a policy of this domain, also one from before it was taken over.
    pub cached_until: UnixTime,
    /// Of the record that announces the policy, in seconds.
    pub ttl: u32,
    /// The time.
    pub now: UnixTime,
}

/// Why the hosts are not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MxError {
    /// Correct the name.
    #[error("'{text}' can be no mx line of a policy: {why}")]
    Pattern {
        /// As it was given.
        text: String,
        /// What is wrong.
        why: PatternError,
    },
    /// Give the host's name: certificates are for names (RFC 8461 §4.2).
    #[error("'{text}' is an address: an MX record names a host, and its certificate is for that name")]
    Address {
        /// As it was given.
        text: String,
    },
    /// There is nothing to remove.
    #[error("the policy of {domain} has no line `mx: {pattern}`{covered_by}")]
    NotThere {
        /// Of which domain.
        domain: String,
        /// Which.
        pattern: String,
        /// The line that covers the host, in words, if one does.
        covered_by: String,
    },
    /// Add its successor first.
    #[error(
        "`mx: {pattern}` is the last line of {domain}'s policy: without it no host could take mail. Add its successor first \
         (`tlsward domain mx add`), or take the domain out (`tlsward domain remove`)"
    )]
    Last {
        /// Of which domain.
        domain: String,
        /// Which.
        pattern: String,
    },
    /// Take it out of DNS first.
    #[error(
        "DNS still sends mail for {domain} to {hosts}: senders that hold to the policy would not deliver there any more. Take \
         the MX record out of DNS first; with --i-know it is done nevertheless"
    )]
    StillListed {
        /// Of which domain.
        domain: String,
        /// Which hosts.
        hosts: String,
    },
    /// Try again.
    #[error(
        "it could not be told whether DNS still sends mail for {domain} there ({why}): try again; with --i-know it is done \
         nevertheless"
    )]
    NotTold {
        /// Of which domain.
        domain: String,
        /// Why.
        why: String,
    },
    /// The policy would be larger than senders accept, for instance.
    #[error(transparent)]
    Wish(#[from] WishError),
}

/// Reads a host, or `*.` and a domain, as the owner types it.
fn pattern(text: &str) -> Result<MxPattern, MxError> {
    let text = text.trim();
    let shown = || tame(text).into_owned();
    let (star, name) = match text.strip_prefix("*.") {
        Some(name) => ("*.", name),
        None => ("", text),
    };
    if name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
        return Err(MxError::Address { text: shown() });
    }
    // In A-labels and lower case, without the dot at the end; what is no name is judged as it stands.
    let name = DnsName::parse(name).map_or_else(|_| name.to_owned(), |name| name.as_str().to_owned());
    MxPattern::parse(&format!("{star}{name}")).map_err(|why| MxError::Pattern { text: shown(), why })
}

/// Whether every host that `pattern` stands for is covered by `patterns`.
fn covers(patterns: &[MxPattern], pattern: &MxPattern) -> bool {
    patterns.contains(pattern)
        || matches!(pattern, MxPattern::Exact(_)) && matches_any(patterns, &pattern.as_wire())
}

/// A version, read.
struct Served {
    policy: Policy,
    announced_at: Option<UnixTime>,
    /// The last moment at which a sender that fetched it may act on it.
    held_until: UnixTime,
}

impl Standing<'_> {
    /// The versions, newest first. One that cannot be read is passed over: `cached_until` has it.
    fn served(&self) -> Vec<Served> {
        let mut versions: Vec<&KeptVersion> = self.versions.iter().collect();
        versions.sort_unstable_by_key(|version| std::cmp::Reverse(version.number));
        let read = |version: &&KeptVersion| {
            let policy = policy::parse(&version.body).into_usable().ok()?;
            // RFC 8461 §3.2: max_age counts from the fetch, and the last fetch ends a margin after the body went.
            let last = version.last_served_at.map_or(self.now, |at| at.saturating_add(MARGIN_SECS));
            let held_until = last.saturating_add(i64::from(version.max_age));
            Some(Served { policy, announced_at: version.announced_at, held_until })
        };
        versions.iter().filter_map(read).collect()
    }

    /// When the last cache has run out of a policy for which `is_obsolete`. What was served before the domain was taken over
    /// is not known and counts as such.
    fn last_cache(&self, is_obsolete: impl Fn(&Policy) -> bool) -> Option<UnixTime> {
        let served = self.served();
        let explained = served.iter().map(|version| version.held_until).max();
        let obsolete = served.iter().filter(|version| is_obsolete(&version.policy));
        let obsolete = obsolete.map(|version| version.held_until).max();
        let is_explained =
            explained.is_some_and(|explained| self.cached_until <= explained.saturating_add(MARGIN_SECS));
        let unknown = (!is_explained).then_some(self.cached_until);
        obsolete.max(unknown).filter(|until| *until > self.now)
    }

    /// Whether mail is refused under this policy to an MX host that it does not cover.
    fn refuses(policy: &Policy) -> bool {
        policy.mode() == Mode::Enforce
    }

    /// Since when the newest versions in a row cover the pattern, and are announced; `None`: not yet.
    fn announced_since(&self, pattern: &MxPattern) -> Option<UnixTime> {
        let served = self.served();
        let covering = served.iter().take_while(|version| {
            version.policy.mode() == Mode::None || covers(version.policy.mx(), pattern)
        });
        covering.filter_map(|version| version.announced_at).min()
    }
}

#[cfg(test)]
mod tests;
