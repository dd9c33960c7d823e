//! A day's counts as a report: JSON, its packed form, its mail (RFC 8460 §4.4, §5).
//!
//! Strict out: what is built here is read back by our reader without a repair. The same counts give the same id and the
//! same report, however often it is tried. What can fail: [`FormError`], for a domain or address that a mail cannot
//! carry.

use sha2::{Digest as _, Sha256};
use tls_rpt::mail_form::{Envelope, Filename, FormError, Mailbox, Packing, Subject, pack};
use tls_rpt::report::{
    DateRange, FailureDetails, Policy, PolicyResult, Report, Summary, Timestamp, write_report,
};
use tls_rpt::tally::{AppliedPolicy, Failure, PolicyTally, Tally};
use tls_rpt::{ResultType, Text};

use super::DAY_SECONDS;
use super::settings::Identity;
use super::summary::summary;
use crate::facts::UnixTime;
use crate::ports::ReportKey;

/// The largest count that every JSON reader keeps (RFC 7493 §2.2).
const MAX_COUNT: u64 = 1 << 53;

/// A report, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// `left@submitter`; the same for every attempt.
    pub report_id: String,
    /// The left part of it without the date. Anybody can make it: a bounce is known by another one.
    pub token: String,
    /// The JSON.
    pub json: Vec<u8>,
    /// The JSON under gzip, for both roads (§5.2).
    pub packed: Vec<u8>,
    summary: String,
    subject: Subject,
    filename: Filename,
}

/// Builds the report of a day.
///
/// # Errors
/// [`FormError`]: there is no name for it; nothing can be sent.
pub fn build(identity: &Identity, key: &ReportKey, tally: &Tally, unjudged: u64) -> Result<Built, FormError> {
    let submitter = identity.submitter();
    let begin = key.day.saturating_mul(DAY_SECONDS);
    // Ruling L12: 23:59:59 is written.
    let end = begin + DAY_SECONDS - 1;
    let token = token(submitter, key);
    let date = date(begin);
    let report_id = format!("{date}.{token}@{submitter}");
    let subject = Subject::new(&key.domain, submitter, &report_id)?;
    let filename = Filename::new(submitter, &key.domain, (begin, end), Some(&token), Packing::Gzip)?;
    let report = Report {
        organization_name: Some(identity.organization_name().into()),
        date_range: Some(DateRange {
            start: Timestamp::from_unix(begin),
            end: Timestamp::from_unix(end),
            ..DateRange::default()
        }),
        contact_info: Some(identity.contact().into()),
        report_id: Some(report_id.as_str().into()),
        policies: Some(tally.policies().map(|(policy, counts)| result(policy, counts)).collect()),
        ..Report::default()
    };
    let mut json = Vec::with_capacity(1_024);
    write_report(&mut json, &report);
    // Into memory: it does not fail, says its documentation.
    let packed = pack(&json, Packing::Gzip).unwrap_or_default();
    let summary = summary(identity, &key.domain, &date, &report_id, tally, unjudged);
    Ok(Built { report_id, token, json, packed, summary, subject, filename })
}

impl Built {
    /// What people read.
    #[must_use]
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// The mail to one address, not yet signed. `attempt` makes its Message-ID another one.
    ///
    /// # Errors
    /// [`FormError`]: that address cannot be written to.
    pub fn mail(
        &self,
        identity: &Identity,
        to: &str,
        now: UnixTime,
        attempt: u32,
    ) -> Result<Vec<u8>, FormError> {
        let envelope = Envelope {
            from: Mailbox { name: identity.from_name(), address: identity.from() },
            to: Mailbox { name: None, address: to },
            subject: &self.subject,
            date: now,
            message_id: &format!("{}.{now}.{attempt}@{}", self.token, identity.submitter()),
            boundary: &format!("tlsrpt-{}", self.token),
            summary: &self.summary,
            filename: &self.filename,
            report: &self.packed,
        };
        envelope.build()
    }
}

/// Letters and digits that stand for one report of one submitter.
fn token(submitter: &str, key: &ReportKey) -> String {
    let mut hash = Sha256::new();
    for part in [submitter.as_bytes(), b"\0", key.domain.as_bytes(), b"\0"] {
        hash.update(part);
    }
    hash.update(key.day.to_le_bytes());
    hash.update(key.part.to_le_bytes());
    hash.finalize().iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}

fn date(begin: UnixTime) -> String {
    let text = Timestamp::from_unix(begin).map(|time| time.to_string()).unwrap_or_default();
    text.get(..10).unwrap_or("1970-01-01").to_owned()
}

fn result(policy: &AppliedPolicy, counts: &PolicyTally) -> PolicyResult {
    let list = |texts: &[Text]| Some(texts.to_vec()).filter(|texts| !texts.is_empty());
    let mut rows: Vec<FailureDetails> =
        counts.failures.iter().map(|(failure, times)| row(failure, *times)).collect();
    if counts.overflow > 0 {
        // RFC 8460 §4.3.3: what no other type describes.
        rows.push(FailureDetails {
            result_type: Some(ResultType::ValidationFailure),
            failed_session_count: Some(counts.overflow.min(MAX_COUNT)),
            additional_information: Some(
                "further failures of this day, too many different ones to be listed each".into(),
            ),
            failure_reason_code: Some("not-listed".into()),
            ..FailureDetails::default()
        });
    }
    PolicyResult {
        policy: Some(Policy {
            policy_type: Some(policy.policy_type.clone()),
            policy_string: list(&policy.strings),
            policy_domain: Some(policy.domain.clone()),
            mx_host: list(&policy.mx_patterns),
            ..Policy::default()
        }),
        summary: Some(Summary {
            successful: Some(counts.successful.min(MAX_COUNT)),
            failed: Some(counts.failed.min(MAX_COUNT)),
            ..Summary::default()
        }),
        failure_details: Some(rows).filter(|rows| !rows.is_empty()),
        ..PolicyResult::default()
    }
}

fn row(failure: &Failure, times: u64) -> FailureDetails {
    // RFC 8460 §4.4: dotted quads, and RFC 5952 for IPv6, as the standard library writes them.
    let address = |address: std::net::IpAddr| Text::from(address.to_string());
    FailureDetails {
        result_type: Some(failure.result.clone()),
        sending_mta_ip: failure.sending_ip.map(address),
        receiving_mx_hostname: failure.receiving_mx.clone(),
        receiving_mx_helo: failure.receiving_helo.clone(),
        receiving_ip: failure.receiving_ip.map(address),
        failed_session_count: Some(times.min(MAX_COUNT)),
        additional_information: failure.additional.clone(),
        failure_reason_code: failure.reason.clone(),
        ..FailureDetails::default()
    }
}
