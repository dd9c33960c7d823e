//! Mails that say that one of ours was not delivered (RFC 3464), as far as reports that we sent need it.
//!
//! Mail for an address that only the envelope of a sent report has is about that report and is never filed as one. It
//! counts against the place that the report went to only where a delivery status says `failed`: automatic answers and news
//! of a delay come to the same address. What is read is a stranger's: a bounded number of short lines, no more. What can
//! fail: the store; the client is then told to come back.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use tlsward_engine::ports::StoreError;

/// Bytes of a mail that are looked at: a bounce has its status before the copy of what bounced.
const LOOKED_AT_BYTES: usize = 256 * 1024;
/// Characters of the reason.
const REASON_CHARS: usize = 300;

/// What becomes of a bounce, in the end.
pub type Noted<'a> = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send + 'a>>;

/// Knows the addresses that reports of ours were sent from, and hears what came back to them.
pub trait Bounces: fmt::Debug + Send + Sync {
    /// Whether this recipient is one of these addresses.
    fn is_ours(&self, recipient: &str) -> bool;

    /// Mail came to that address. `failure`: what it says of a delivery that failed, if it does.
    fn came_back<'a>(&'a self, recipient: &'a str, failure: Option<&'a str>) -> Noted<'a>;
}

/// What a mail says of a delivery that failed for good, in one line; `None` if it says nothing of the kind.
#[must_use]
pub fn failure(mail: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(&mail[..mail.len().min(LOOKED_AT_BYTES)]);
    let mut lines = text.lines().skip_while(|line| !is_status_type(line));
    lines.next()?;
    // RFC 3464 §2: groups of fields, the first about the mail, each other about one recipient.
    let (mut action, mut status, mut diagnostic) = (None, None, None);
    let mut last_is_diagnostic = false;
    for line in lines {
        if line.starts_with("--") {
            break;
        }
        if line.starts_with([' ', '\t']) {
            if last_is_diagnostic && let Some(text) = &mut diagnostic {
                let text: &mut String = text;
                text.push(' ');
                text.push_str(line.trim());
            }
            continue;
        }
        last_is_diagnostic = false;
        if line.trim().is_empty() {
            // A group about a recipient is over.
            if action.as_deref() == Some("failed") {
                break;
            }
            (action, status, diagnostic) = (None, None, None);
            continue;
        }
        let Some((name, value)) = line.split_once(':') else { continue };
        match name.trim().to_ascii_lowercase().as_str() {
            "action" => action = Some(value.trim().to_ascii_lowercase()),
            "status" => status = Some(value.trim().to_owned()),
            "diagnostic-code" => {
                // `smtp; 550 5.1.1 …`: the kind says nothing here.
                let value = value.split_once(';').map_or(value, |(_, text)| text);
                diagnostic = Some(value.trim().to_owned());
                last_is_diagnostic = true;
            }
            _ => {}
        }
    }
    if action.as_deref() != Some("failed") {
        return None;
    }
    let words = diagnostic.or(status).unwrap_or_else(|| "no reason was given".to_owned());
    let is_fit = |letter: &char| !letter.is_control();
    Some(words.chars().filter(is_fit).take(REASON_CHARS).collect())
}

/// The head of the part that has the status, or of the whole mail (RFC 6533 has the second name).
fn is_status_type(line: &str) -> bool {
    let line = line.to_ascii_lowercase();
    let is_type = |value: &str| {
        let kind = value.split(';').next().unwrap_or_default().trim();
        kind == "message/delivery-status" || kind == "message/global-delivery-status"
    };
    line.strip_prefix("content-type:").is_some_and(is_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounce(status: &str) -> String {
        format!(
            "From: MAILER-DAEMON@sender.example\r\nTo: tlsrpt+ab@sender.example\r\nSubject: Undelivered\r\n\
             Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"b\"\r\n\r\n\
             --b\r\nContent-Type: text/plain\r\n\r\nAction: failed, says a text that is no status.\r\n\r\n\
             --b\r\nContent-Description: Delivery report\r\nContent-Type: message/delivery-status\r\n\r\n\
             Reporting-MTA: dns; sender.example\r\nArrival-Date: Tue, 24 Nov 2026 00:10:00 +0000\r\n\r\n\
             {status}\r\n\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\nAction: failed\r\n--b--\r\n"
        )
    }

    #[test]
    fn a_failed_delivery_is_told_with_what_the_server_said() {
        // As Postfix writes it.
        let mail = bounce(
            "Final-Recipient: rfc822; r@a.example\r\nOriginal-Recipient: rfc822;r@a.example\r\nAction: failed\r\n\
             Status: 5.1.1\r\nRemote-MTA: dns; mx.a.example\r\nDiagnostic-Code: smtp; 550 5.1.1 <r@a.example>: no\r\n    such mailbox",
        );
        assert_eq!(failure(mail.as_bytes()).as_deref(), Some("550 5.1.1 <r@a.example>: no such mailbox"));
        let mail = bounce("Final-Recipient: rfc822; r@a.example\r\nACTION: Failed\r\nStatus: 5.4.7");
        assert_eq!(failure(mail.as_bytes()).as_deref(), Some("5.4.7"));
        let two = "Final-Recipient: rfc822; a@a.example\r\nAction: delayed\r\n\r\nFinal-Recipient: rfc822; b@a.example\r\n\
                   Action: failed";
        assert_eq!(failure(bounce(two).as_bytes()).as_deref(), Some("no reason was given"));
    }

    #[test]
    fn news_of_a_delay_an_answer_of_a_machine_and_noise_are_no_failures() {
        let delayed = bounce("Final-Recipient: rfc822; r@a.example\r\nAction: delayed\r\nStatus: 4.4.1");
        let holiday = "From: r@a.example\r\nAuto-Submitted: auto-replied\r\n\r\nAction: failed to resist the beach.\r\n";
        for mail in [delayed.as_str(), holiday, "", "Content-Type: message/delivery-status", "\u{0}\n--\n"] {
            assert_eq!(failure(mail.as_bytes()), None, "{mail}");
        }
        let far = format!("{}{}", "x\r\n".repeat(LOOKED_AT_BYTES / 3 + 1), bounce("Action: failed"));
        assert_eq!(failure(far.as_bytes()), None);
    }

    #[test]
    fn what_a_stranger_says_is_short_and_has_no_control_characters() {
        let mail =
            bounce(&format!("Action: failed\r\nDiagnostic-Code: smtp; 5\u{1b}[31m{}", "y".repeat(2000)));
        let said = failure(mail.as_bytes()).unwrap();
        assert!(said.starts_with("5[31my") && said.chars().count() == 300, "{said}");
    }
}
