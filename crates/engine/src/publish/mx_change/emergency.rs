//! A host is lost, another must take its mail now: what that costs while senders hold a policy without the new one.

use std::fmt::Write as _;

use mta_sts::mx::matches_any;
use serde::Serialize;

use super::add::{MxAdd, add, when};
use super::{MxError, Standing, pattern};
use crate::check::text::tame;
use crate::facts::UnixTime;

/// A swap, and what it costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Swap {
    /// The host that is lost.
    pub lost: String,
    /// Its successor, in the policy from now on. The lost one stays in it as well.
    pub successor: MxAdd,
    /// Whether senders that hold an older policy refuse the successor.
    pub costs_mail: bool,
    /// What helps, the best first.
    pub helps: Vec<Help>,
}

/// What helps in an emergency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Help {
    /// The lost host's name leads to the new machine, which has a certificate for it: no policy has to change.
    KeepTheName,
    /// Both names lead to the new machine, and the certificate is for both.
    BothNames,
    /// Another host of the policy takes the mail meanwhile.
    OtherHosts,
    /// Most senders look at the record before they give up.
    AnnounceAtOnce,
}

impl Help {
    fn text(self, lost: &str, successor: &str) -> String {
        match self {
            Self::KeepTheName => format!(
                "Keep the name {lost}: let its address records lead to the new machine, and give that a certificate for \
                 {lost}. Senders compare the name in the MX record with policy and certificate (RFC 8461 §4.1, §4.2) and never \
                 see that the machine is another. Nothing is refused, and no policy has to change."
            ),
            Self::BothNames => format!(
                "If the new machine must have the name {successor}: publish both as MX, {successor} and {lost}, both leading \
                 to it, with a certificate for both. Senders that know {successor} use it, the others use {lost}."
            ),
            Self::OtherHosts => {
                "The policy names other hosts that DNS has as MX: as long as one of them works, senders go \
                                 on to it (RFC 8461 §5.1), and nothing is lost meanwhile."
                    .to_owned()
            }
            Self::AnnounceAtOnce => format!(
                "The new policy is announced at once: whoever follows the RFC looks for it before giving up a message (§5.1) \
                 and tries {successor} then. `mode: testing` in it would help none of those who did not see it, and would \
                 protect nobody: leave the mode as it is."
            ),
        }
    }
}

/// What it costs to replace `lost` by `successor` at once. `others`: the MX hosts in DNS, as far as known.
///
/// # Errors
/// [`MxError::Pattern`], [`MxError::Address`], [`MxError::Wish`].
pub fn swap(
    standing: &Standing<'_>,
    lost: &str,
    successor: &str,
    others: &[String],
) -> Result<Swap, MxError> {
    let lost = pattern(lost)?.as_wire().into_owned();
    let successor = add(standing, successor)?;
    let costs_mail = successor.may_refuse;
    let is_other = |host: &&String| **host != lost && **host != successor.pattern;
    let has_others = others.iter().filter(is_other).any(|host| matches_any(&standing.wish.mx, host));
    let mut helps = Vec::new();
    if costs_mail {
        helps.extend([Help::KeepTheName, Help::BothNames]);
        if has_others {
            helps.push(Help::OtherHosts);
        }
    }
    helps.push(Help::AnnounceAtOnce);
    Ok(Swap { lost, successor, costs_mail, helps })
}

impl Swap {
    /// For a terminal.
    #[must_use]
    pub fn to_text(&self, now: UnixTime) -> String {
        let (lost, new) = (tame(&self.lost), tame(&self.successor.pattern));
        let mut text = format!("{new} takes the place of {lost}, at once.\n\n");
        // Writing to a String cannot fail.
        let _ = match self.costs_mail {
            false => writeln!(
                text,
                "What it costs: nothing. No sender holds a policy that would keep mail from {new}."
            ),
            true => writeln!(
                text,
                "What it costs: a sender that holds an older policy does not deliver to {new}.\n  {}  until then also those \
                 that look at the record; their mail is late, not lost.\n  {}  until then those that never look again. What \
                 they do not deliver within four to five days goes back to whoever wrote it (RFC 5321 §4.5.4.1).",
                when(self.successor.known_at, now),
                when(self.successor.certain_at, now)
            ),
        };
        text.push_str("\nWhat helps:\n");
        for (index, help) in self.helps.iter().enumerate() {
            let _ = writeln!(text, "  {}. {}", index + 1, help.text(&lost, &new));
        }
        text
    }
}
