//! Bounces: a relay's acceptance is not delivery.
//!
//! Each mail has an envelope sender of its own, `local+token@domain`, so that whatever comes back says which report it
//! is about. The place that it went to has then not accepted it: the next one is tried, while the 24 hours last.

use sha2::{Digest as _, Sha256};

use super::delivery::{Progress, is_mail, noted_as};
use super::settings::BounceSecret;
use crate::facts::UnixTime;
use crate::ports::{Outbox, OutgoingState, ReportKey, RuaNews, RuaNote, Settlement, StoreError};

/// For so long a bounce holds the report, in seconds.
const LEASE_SECONDS: i64 = 60;

/// What a bounce of this report's mail to that address is known by. Who does not know the secret cannot silence a place
/// for reports; and what one place sends back says nothing of the next.
pub(super) fn token(secret: &BounceSecret, key: &ReportKey, to: &str) -> String {
    let (day, part) = (key.day.to_le_bytes(), key.part.to_le_bytes());
    let mac = hmac(secret.bytes(), &[&day, &part, key.domain.as_bytes(), b"\0", to.as_bytes()]);
    mac.iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}

/// HMAC-SHA-256 (RFC 2104) under a key that is shorter than a block.
fn hmac(key: &[u8; 32], text: &[&[u8]]) -> [u8; 32] {
    let keyed = |pad: u8| {
        let mut block = [pad; 64];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        Sha256::new_with_prefix(block)
    };
    let mut inner = keyed(0x36);
    text.iter().for_each(|part| inner.update(part));
    keyed(0x5c).chain_update(inner.finalize()).finalize().into()
}

/// The envelope sender of one mail.
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
    // A mail that bounced before does so again, and means nothing to a place that has taken a POST since.
    let accepted = progress.accepted.take_if(|uri| is_mail(uri));
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
            let noted = noted_as(uri, &report.line.key.domain);
            let note = RuaNote { uri: noted, at: now, news: RuaNews::Failed(format!("bounced: {reason}")) };
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
    fn a_token_is_of_one_secret_one_report_and_one_address() {
        let key = |day, domain: &str, part| ReportKey { day, domain: domain.into(), part };
        let made = |secret, key: &ReportKey, to| token(&BounceSecret::new([secret; 32]), key, to);
        let one = made(1, &key(7, "a.example", 1), "r@a.example");
        assert_eq!(one, made(1, &key(7, "a.example", 1), "r@a.example"));
        for other in [
            made(2, &key(7, "a.example", 1), "r@a.example"),
            made(1, &key(8, "a.example", 1), "r@a.example"),
            made(1, &key(7, "a.example", 2), "r@a.example"),
            made(1, &key(7, "b.example", 1), "r@a.example"),
            made(1, &key(7, "a.example", 1), "s@a.example"),
        ] {
            assert_ne!(one, other);
        }
        assert_eq!(token_of("b@c.example", &verp("b@c.example", &one)), Some(one.as_str()));
        assert_eq!(format!("{:?}", BounceSecret::new([1; 32])), "BounceSecret(..)");
    }

    /// RFC 4231 §4.3 has a shorter key, which zeros fill up to the same block.
    #[test]
    fn the_code_is_that_of_the_rfc() {
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let mac = hmac(&key, &[b"what do ya want ", b"for nothing?"]);
        assert_eq!(mac[..6], [0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60]);
    }

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
