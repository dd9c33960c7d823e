//! Bounces: a relay's acceptance is not delivery.
//!
//! Each mail has an envelope sender of its own, `local+token@domain`, so that whatever comes back says which report it
//! is about. The place that it went to has then not accepted it: the next one is tried, while the 24 hours last.

use super::delivery::Progress;
use crate::facts::UnixTime;
use crate::ports::{Outbox, OutgoingState, RuaNote, Settlement, StoreError};

/// For so long a bounce holds the report, in seconds.
const LEASE_SECONDS: i64 = 60;

/// The envelope sender of one report.
#[must_use]
pub fn verp(address: &str, token: &str) -> String {
    match address.rsplit_once('@') {
        Some((local, domain)) => format!("{local}+{token}@{domain}"),
        None => address.to_owned(),
    }
}

/// The token in a recipient's address, if it is one that [`verp`] made of `address`.
#[must_use]
pub fn token_of<'r>(address: &str, recipient: &'r str) -> Option<&'r str> {
    let (local, domain) = address.rsplit_once('@')?;
    let (behind, theirs) = recipient.rsplit_once('@')?;
    let token = behind.get(local.len()..).and_then(|rest| rest.strip_prefix('+'))?;
    let is_ours = theirs.eq_ignore_ascii_case(domain)
        && behind.get(..local.len()).is_some_and(|start| start.eq_ignore_ascii_case(local))
        && token.len() <= 64
        && token.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_ours.then_some(token)
}

/// Takes a bounce in. `false`: no report of that token was accepted anywhere, or another node is at it now.
///
/// # Errors
/// The store's.
pub async fn bounced(
    outbox: &impl Outbox,
    node: &str,
    token: &str,
    now: UnixTime,
    reason: &str,
) -> Result<bool, StoreError> {
    let node = format!("{node}/bounce");
    let Some(report) = outbox.lease_token(token, &node, now, now + LEASE_SECONDS).await? else {
        return Ok(false);
    };
    let mut progress = Progress::from_text(&report.progress);
    let accepted = progress.accepted.take();
    let reason: String = reason.chars().filter(|letter| !letter.is_control()).take(300).collect();
    let (state, at, text, notes) = match &accepted {
        None => (report.line.state, report.line.at, report.line.reason, Vec::new()),
        Some(uri) => {
            let state = if now < progress.deadline(now) && !report.tally.is_empty() {
                OutgoingState::Waiting
            } else {
                OutgoingState::GivenUp
            };
            progress.bounced.push(uri.clone());
            let note = RuaNote { uri: uri.clone(), at: now, failure: Some(format!("bounced: {reason}")) };
            (state, now, format!("{uri}: bounced: {reason}"), vec![note])
        }
    };
    let settlement = Settlement {
        key: report.line.key,
        node,
        state,
        at,
        reason: text,
        progress: progress.to_text(),
        token: Some(token.to_owned()),
        notes,
    };
    Ok(outbox.settle(settlement).await? && accepted.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_found_by_the_address_that_its_mail_came_from() {
        let address = verp("tlsrpt@example.com", "ab12");
        assert_eq!(address, "tlsrpt+ab12@example.com");
        assert_eq!(token_of("tlsrpt@example.com", &address), Some("ab12"));
        assert_eq!(token_of("tlsrpt@example.com", "TLSRPT+ab12@Example.COM"), Some("ab12"));
        for other in ["tlsrpt@example.com", "tlsrpt+a'b@example.com", "x+ab12@example.com", "é", "tlsrpt+a@b"]
        {
            assert_eq!(token_of("tlsrpt@example.com", other), None, "{other}");
        }
    }
}
