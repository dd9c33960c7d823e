//! A new MX host: into the policy first, into DNS when senders know of it.

use std::fmt::Write as _;

use mta_sts::mx::MxPattern;
use mta_sts::policy::Policy;
use serde::Serialize;

use super::{MxError, Standing, covers, pattern};
use crate::facts::UnixTime;
use crate::publish::MARGIN_SECS;
use crate::publish::dates::{moment, rfc3339, span};
use crate::publish::{Stage, Wish};

/// A new host, and when it may come into DNS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MxAdd {
    /// Of which domain.
    pub domain: String,
    /// The line of the policy: a host, or `*.` and a domain.
    pub pattern: String,
    /// What the owner wants from now on.
    #[serde(skip)]
    pub wish: Wish,
    /// Whether the policy changes: it may cover the host already.
    pub changes_policy: bool,
    /// Whether a sender may hold an older policy under which it would not deliver to the host.
    pub may_refuse: bool,
    /// Whether the policy with the host is announced. If not, both dates count from now and move until it is.
    pub is_announced: bool,
    /// From then on senders that follow the RFC know of the host (§8.1: body and record are live and the record's TTL has
    /// passed).
    #[serde(serialize_with = "rfc3339")]
    pub known_at: UnixTime,
    /// From then on no sender can hold a policy without the host. Never before `known_at`.
    #[serde(serialize_with = "rfc3339")]
    pub certain_at: UnixTime,
}

/// Adds a host to what the owner wants, and says when it may come into DNS. A host that is covered already changes nothing;
/// the dates hold for it all the same.
///
/// # Errors
/// [`MxError::Pattern`], [`MxError::Address`], [`MxError::Wish`].
pub fn add(standing: &Standing<'_>, host: &str) -> Result<MxAdd, MxError> {
    let pattern = pattern(host)?;
    let changes_policy = !covers(&standing.wish.mx, &pattern);
    let mut wish = standing.wish.clone();
    if changes_policy {
        wish.mx.push(pattern.clone());
        wish.policy()?;
    }
    let dates = Dates::of(standing, &pattern, changes_policy);
    Ok(MxAdd {
        domain: standing.domain.to_string(),
        pattern: pattern.as_wire().into_owned(),
        wish,
        changes_policy,
        may_refuse: dates.last_cache.is_some(),
        is_announced: dates.is_announced,
        known_at: dates.known_at,
        certain_at: dates.last_cache.unwrap_or(dates.known_at).max(dates.known_at),
    })
}

/// When a pattern that is, or comes, into the policy can be relied on.
pub(super) struct Dates {
    pub(super) is_announced: bool,
    pub(super) known_at: UnixTime,
    /// Of a policy that refuses the host; `None`: there is none.
    pub(super) last_cache: Option<UnixTime>,
}

impl Dates {
    pub(super) fn of(standing: &Standing<'_>, pattern: &MxPattern, changes_policy: bool) -> Self {
        let announced = if changes_policy { None } else { standing.announced_since(pattern) };
        // RFC 8461 §8.1: senders use the old policy until body and record are live and the record's TTL has passed.
        let since = announced.unwrap_or(standing.now);
        let known_at = since.saturating_add(i64::from(standing.ttl)).saturating_add(MARGIN_SECS);
        let is_obsolete = |policy: &Policy| Standing::refuses(policy) && !covers(policy.mx(), pattern);
        Self { is_announced: announced.is_some(), known_at, last_cache: standing.last_cache(is_obsolete) }
    }
}

impl MxAdd {
    /// For a terminal.
    #[must_use]
    pub fn to_text(&self, now: UnixTime) -> String {
        let Self { domain, pattern, .. } = self;
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = match self.changes_policy {
            true => writeln!(
                text,
                "{pattern} comes into the policy of {domain} now. It is not yet time for its MX record."
            ),
            false => writeln!(text, "The policy of {domain} covers {pattern} already."),
        };
        if matches!(self.wish.stage, Stage::Reporting | Stage::WindingDown) && !self.may_refuse {
            text.push_str(
                "\nNo policy of this domain keeps senders from any host: the MX record can come into DNS at any time.\n",
            );
            return text;
        }
        let from = if self.is_announced { "" } else { ", if the policy is announced now; later otherwise" };
        text.push_str("\nWhen its MX record may come into DNS:\n");
        let _ = writeln!(
            text,
            "  {}  senders that look at the record know of it{from}: the policy is live, resolvers have forgotten the record \
             before it, and a margin has passed (RFC 8461 §8.1). A sender with an older policy tries again later, and looks \
             for a newer policy before it gives up (§5.1): its mail is late, not lost.",
            when(self.known_at, now)
        );
        let _ = match self.may_refuse {
            true => writeln!(
                text,
                "  {}  nobody can hold a policy without it any more, not even a sender that never looks again.",
                when(self.certain_at, now)
            ),
            false => writeln!(
                text,
                "\nNo policy that refuses mail was served without it: before the first date nothing is refused, at most \
                 reported."
            ),
        };
        text.push_str("\nUntil then keep the hosts that the policy had before.\n");
        text
    }
}

/// A moment and how far off it is.
pub(super) fn when(at: UnixTime, now: UnixTime) -> String {
    match at.saturating_sub(now) {
        left if left <= 0 => format!("{} (has passed)", moment(at)),
        left => format!("{} (in {})", moment(at), span(left)),
    }
}
