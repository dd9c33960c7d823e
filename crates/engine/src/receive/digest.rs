//! The digest of a report's normal form, by which duplicates are known (R4).
//!
//! SHA-256 over the policies in order and then the head, computed as rows come, so that a report of any size has
//! the same digest however it was read. Repairs are no part of it: two senders' spellings of one report are one report.

use sha2::{Digest as _, Sha256};
use tls_rpt::report::{
    FailureDetails, Head, Place, PolicyResult, Repair, Report, Sink, write_failure, write_head, write_policy,
};

/// Most policies and heads fit; what does not, grows.
const SCRATCH_BYTES: usize = 1024;

/// Gathers one report's digest.
#[derive(Debug)]
pub struct Digester {
    whole: Sha256,
    rows: Sha256,
    has_rows: bool,
    scratch: Vec<u8>,
}

impl Default for Digester {
    fn default() -> Self {
        Self {
            whole: Sha256::new(),
            rows: Sha256::new(),
            has_rows: false,
            scratch: Vec::with_capacity(SCRATCH_BYTES),
        }
    }
}

impl Digester {
    /// A failure row of the policy that comes next.
    pub fn failure(&mut self, row: &FailureDetails) {
        self.scratch.clear();
        write_failure(&mut self.scratch, row);
        self.scratch.push(b'\n');
        self.rows.update(&self.scratch);
        self.has_rows = true;
    }

    /// A policy, after its failure rows; those that it holds itself are left out of account.
    pub fn policy(&mut self, policy: &PolicyResult) {
        self.scratch.clear();
        write_policy(&mut self.scratch, policy);
        self.scratch.push(b'\n');
        self.whole.update(&self.scratch);
        if std::mem::take(&mut self.has_rows) {
            self.whole.update(self.rows.finalize_reset());
        }
    }

    /// The head, last.
    pub fn finish(mut self, head: &Head) -> [u8; 32] {
        self.scratch.clear();
        write_head(&mut self.scratch, head);
        self.scratch.push(u8::from(head.has_policies));
        self.whole.update(&self.scratch);
        self.whole.finalize().into()
    }
}

/// The digest of a report that is held.
pub fn digest(report: &mut Report) -> [u8; 32] {
    let mut digester = Digester::default();
    for policy in report.policies.iter_mut().flatten() {
        // Without its rows for a moment, as a stream would give it.
        let rows = policy.failure_details.as_mut().map(std::mem::take);
        for row in rows.iter().flatten() {
            digester.failure(row);
        }
        digester.policy(policy);
        policy.failure_details = rows;
    }
    digester.finish(&report.head())
}

/// Digests of all reports of a stream.
#[derive(Debug, Default)]
pub(crate) struct DigestSink {
    current: Digester,
    pub(crate) done: Vec<[u8; 32]>,
}

impl Sink for DigestSink {
    fn failure(&mut self, _at: Place, row: FailureDetails) {
        self.current.failure(&row);
    }

    fn policy(&mut self, _at: Place, policy: PolicyResult) {
        self.current.policy(&policy);
    }

    // The first pass refused large inputs in which rows are taken back.
    fn forget_failures(&mut self, _at: Place) {}
    fn forget_policies(&mut self, _report: usize) {}
    fn amend(&mut self, _report: usize, _repair: Repair) {}
    fn retract(&mut self, _from_report: usize) {}

    fn report(&mut self, _report: usize, head: Head, _repairs: Vec<Repair>) {
        self.done.push(std::mem::take(&mut self.current).finish(&head));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tls_rpt::report::{Limits, read_slice, scan_slice};

    const REPORT: &str = r#"{"report-id":"1","date-range":{"start-datetime":"2026-10-01T00:00:00Z"},"policies":[
        {"policy":{"policy-type":"sts","policy-domain":"a.example"},"summary":{"total-failure-session-count":2},
         "failure-details":[{"result-type":"certificate-expired","failed-session-count":2}]},
        {"policy":{"policy-type":"sts","policy-domain":"b.example"},"failure-details":[]}]}"#;

    fn held(json: &str) -> [u8; 32] {
        digest(&mut read_slice(json.as_bytes(), &Limits::default()).unwrap()[0].report)
    }

    /// Proves: R4
    #[test]
    fn a_report_has_one_digest_whether_it_was_held_or_streamed() {
        let mut sink = DigestSink::default();
        scan_slice(REPORT.as_bytes(), &Limits::default(), &mut sink).unwrap();
        assert_eq!(sink.done, [held(REPORT)]);
    }

    /// Proves: R4
    #[test]
    fn the_digest_is_of_the_normal_form_and_not_of_the_spelling() {
        let respelt =
            REPORT.replace("\"sts\"", "\"STS\"").replace("a.example", "A.example.").replace(":2", ": \"2\"");
        assert_eq!(held(&respelt), held(REPORT));
        for (from, to) in
            [(":2", ":3"), ("\"1\"", "\"2\""), ("b.example", "c.example"), (",\"failure-details\":[]", "")]
        {
            assert_ne!(held(&REPORT.replace(from, to)), held(REPORT), "{from} -> {to}");
        }
    }
}
