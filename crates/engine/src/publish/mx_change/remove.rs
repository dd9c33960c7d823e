//! An MX host that goes: out of DNS first, out of the policy when no mail is on its way there.

use std::fmt::Write as _;

use mta_sts::mx::matches_any;
use serde::Serialize;

use super::add::when;
use super::{MxError, Standing, pattern};
use crate::check::text::{list, tame};
use crate::facts::UnixTime;
use crate::publish::MARGIN_SECS;
use crate::publish::dates::{DAY, rfc3339};
use crate::publish::outside::LiveMx;
use crate::publish::{Stage, Wish};

/// RFC 5321 §4.5.4.1: senders keep trying for four to five days. Most look at DNS each time; those that keep to the host
/// they chose first have given up by then.
const QUEUE_SECS: i64 = 5 * DAY;
/// For how long MX records are remembered where that is not known.
const UNKNOWN_TTL_SECS: u32 = 86_400;

/// What was seen of the domain's MX records.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// The records now.
    pub mx: &'a LiveMx,
    /// When the host was first seen to be gone from them, if that is known: else now counts.
    pub gone_since: Option<UnixTime>,
    /// For how long resolvers remembered the records with the host in them, in seconds, if that is known.
    pub ttl: Option<u32>,
}

/// A host that goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MxRemove {
    /// Of which domain.
    pub domain: String,
    /// The line of the policy that goes.
    pub pattern: String,
    /// What the owner wants once it goes.
    #[serde(skip)]
    pub wish: Wish,
    /// Hosts that DNS names and the policy would then refuse. Not empty only where the owner insisted.
    pub stranded: Vec<String>,
    /// From then on no resolver knows the host as MX any more.
    #[serde(serialize_with = "rfc3339")]
    pub unknown_at: UnixTime,
    /// From then on no mail waits anywhere that could still be meant for the host. Never before `unknown_at`.
    #[serde(serialize_with = "rfc3339")]
    pub quiet_at: UnixTime,
}

/// Takes a line out of what the owner wants, and says when the policy can follow. `i_know`: also where DNS still names a host
/// that only this line covers, or could not be asked.
///
/// # Errors
/// [`MxError`].
pub fn remove(
    standing: &Standing<'_>,
    host: &str,
    seen: Seen<'_>,
    i_know: bool,
) -> Result<MxRemove, MxError> {
    let gone = pattern(host)?;
    let domain = standing.domain.to_string();
    let mx = &standing.wish.mx;
    if !mx.contains(&gone) {
        let cover = mx.iter().find(|other| matches_any(std::slice::from_ref(other), &gone.as_wire()));
        let covered_by = match cover {
            Some(other) => format!("; `mx: {}` covers that host, and others", tame(&other.as_wire())),
            None => String::new(),
        };
        return Err(MxError::NotThere { domain, pattern: tame(&gone.as_wire()).into_owned(), covered_by });
    }
    let left: Vec<_> = mx.iter().filter(|other| **other != gone).cloned().collect();
    if left.is_empty() && matches!(standing.wish.stage, Stage::Testing | Stage::Enforce) {
        return Err(MxError::Last { domain, pattern: tame(&gone.as_wire()).into_owned() });
    }
    let has_policy = matches!(standing.wish.stage, Stage::Testing | Stage::Enforce);
    let stranded: Vec<String> = match seen.mx.hosts(standing.domain.as_str()) {
        Some(hosts) => hosts
            .into_iter()
            .filter(|host| has_policy && matches_any(mx, host) && !matches_any(&left, host))
            .collect(),
        None if i_know || !has_policy => Vec::new(),
        None => {
            let LiveMx::Unknown(why) = seen.mx else {
                return Err(MxError::NotTold { domain, why: String::new() });
            };
            return Err(MxError::NotTold { domain, why: why.clone() });
        }
    };
    if !stranded.is_empty() && !i_know {
        return Err(MxError::StillListed { domain, hosts: list(stranded) });
    }
    let wish = Wish { mx: left, ..standing.wish.clone() };
    wish.policy()?;
    let ttl = match (seen.ttl, seen.mx) {
        (Some(ttl), _) => ttl,
        (None, LiveMx::Hosts { ttl, .. }) => *ttl,
        _ => UNKNOWN_TTL_SECS,
    };
    let gone_since = seen.gone_since.unwrap_or(standing.now);
    let unknown_at = gone_since.saturating_add(i64::from(ttl)).saturating_add(MARGIN_SECS);
    let quiet_at = unknown_at.saturating_add(QUEUE_SECS);
    let pattern = gone.as_wire().into_owned();
    Ok(MxRemove { domain, pattern, wish, stranded, unknown_at, quiet_at })
}

impl MxRemove {
    /// For a terminal.
    #[must_use]
    pub fn to_text(&self, now: UnixTime) -> String {
        let Self { domain, pattern, .. } = self;
        let mut text = String::new();
        // Writing to a String cannot fail.
        if !self.stranded.is_empty() {
            let _ = writeln!(
                text,
                "You insisted: DNS still sends mail for {domain} to {}. Senders that hold to the new policy will not deliver \
                 there.\n",
                list(self.stranded.iter().map(|host| tame(host)))
            );
        }
        let _ = writeln!(text, "`mx: {pattern}` can leave the policy of {domain}:");
        let _ = writeln!(
            text,
            "  {}  at the earliest: no resolver remembers it as MX any more.",
            when(self.unknown_at, now)
        );
        let _ = writeln!(
            text,
            "  {}  with care: nor does mail wait at a sender that chose the host before (RFC 5321 §4.5.4.1: senders try for \
             four to five days).",
            when(self.quiet_at, now)
        );
        text.push_str(
            "\nUntil then let the host run, with a valid certificate. A line that stays in the policy does no harm as long as \
             the host's name is yours.\n",
        );
        text
    }
}
