//! Records and files to publish, ready to copy.

use std::fmt::Write as _;

use mta_sts::policy::{Mode, Policy};
use mta_sts::policy_domain::PolicyDomain;

use crate::facts::UnixTime;

/// Four weeks: RFC 8461 §10.2 speaks of weeks or more.
const GOOD_MAX_AGE: u32 = 2_419_200;
/// A day: an error in testing is soon forgotten.
const TESTING_MAX_AGE: u32 = 86_400;

/// A new id: the time, which changes with every change and says when it was.
pub(super) fn new_id(now: UnixTime) -> String {
    match jiff::Timestamp::from_second(now) {
        Ok(time) => time.to_string().chars().filter(char::is_ascii_alphanumeric).collect(),
        Err(_) => "1".to_owned(),
    }
}

/// The MTA-STS record, in a zone file's form.
pub(super) fn sts_record(domain: &PolicyDomain, now: UnixTime) -> String {
    format!("Publish exactly this record:\n{}. IN TXT \"v=STSv1; id={};\"", domain.record_name(), new_id(now))
}

/// The TLSRPT record, in a zone file's form.
pub(super) fn tlsrpt_record(domain: &str) -> String {
    format!(
        "Publish exactly this record, with an address that somebody or something reads:\n_smtp._tls.{domain}. IN TXT \
         \"v=TLSRPTv1; rua=mailto:tlsrpt@{domain}\""
    )
}

/// What a corrected policy is made of.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// The mode; testing where none is known, which harms nobody.
    pub(super) mode: Option<Mode>,
    /// Seconds.
    pub(super) max_age: Option<u32>,
    /// Patterns, in order.
    pub(super) mx: Vec<String>,
}

impl Draft {
    /// From the policy in use.
    pub(super) fn of(policy: &Policy) -> Self {
        Self {
            mode: Some(policy.mode()),
            max_age: Some(policy.max_age().as_secs()),
            mx: policy.mx().iter().map(|pattern| pattern.as_wire().into_owned()).collect(),
        }
    }

    /// The same with these patterns.
    pub(super) fn with_mx(mut self, mx: Vec<String>) -> Self {
        self.mx = mx;
        self
    }

    /// The same with this lifetime.
    pub(super) fn with_max_age(mut self, max_age: u32) -> Self {
        self.max_age = Some(max_age);
        self
    }

    /// The file, and the record that announces it.
    pub(super) fn to_fix(&self, domain: &PolicyDomain, now: UnixTime) -> String {
        let mode = self.mode.unwrap_or(Mode::Testing);
        let max_age =
            self.max_age.unwrap_or(if mode == Mode::Testing { TESTING_MAX_AGE } else { GOOD_MAX_AGE });
        let mut text = format!(
            "Serve exactly this at {} as text/plain:\nversion: STSv1\nmode: {}\n",
            domain.policy_url(),
            mode.as_wire()
        );
        for mx in &self.mx {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "mx: {mx}");
        }
        let _ = write!(
            text,
            "max_age: {max_age}\nThen publish a new id:\n{}. IN TXT \"v=STSv1; id={};\"",
            domain.record_name(),
            new_id(now)
        );
        text
    }
}

/// The lifetime to recommend.
pub(super) fn good_max_age(mode: Mode) -> u32 {
    if mode == Mode::Enforce { GOOD_MAX_AGE } else { TESTING_MAX_AGE }
}
