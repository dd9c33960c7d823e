//! Holding what was read: all of it when it is small, head and counts when it is not.

use std::io::Read;

use super::model::{FailureDetails, Head, Parsed, Place, PolicyResult, Report};
use super::read::{Limits, ReadError, Sink, scan, scan_slice};
use super::repair::Repair;
use crate::text::Text;

/// What reading an input into bounded memory came to.
#[derive(Debug)]
pub enum Collected {
    /// Every report, whole.
    Held(Vec<Parsed>),
    /// Too much to hold: read the input again with [`scan`] for the rows.
    Large(Vec<Large>),
}

/// A report that is too large to be held.
#[derive(Debug)]
pub struct Large {
    /// Everything but its policies.
    pub head: Head,
    /// What was mended.
    pub repairs: Vec<Repair>,
    /// How many rows it has.
    pub counts: Counts,
}

/// Rows of a report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Elements of `policies`.
    pub policies: u64,
    /// Elements of all `failure-details`.
    pub failures: u64,
}

/// Reads `input` holding at most about `held_bytes` of it.
pub fn collect<R: Read>(input: R, limits: &Limits, held_bytes: usize) -> Result<Collected, ReadError> {
    let mut held = Held::bounded(held_bytes);
    scan(input, limits, &mut held)?;
    Ok(held.finish())
}

/// As [`collect`], for bytes in memory.
pub fn collect_slice(bytes: &[u8], limits: &Limits, held_bytes: usize) -> Result<Collected, ReadError> {
    let mut held = Held::bounded(held_bytes);
    scan_slice(bytes, limits, &mut held)?;
    Ok(held.finish())
}

/// A sink that holds reports until they are more than its budget, and from then on heads and counts.
#[derive(Debug)]
pub(crate) struct Held {
    done: Vec<Done>,
    policies: Vec<PolicyResult>,
    rows: Vec<FailureDetails>,
    counts: Counts,
    rows_of_policy: u64,
    bytes: usize,
    budget: usize,
    large: bool,
    /// Something was taken back.
    repeats: bool,
    full: bool,
}

#[derive(Debug)]
struct Done {
    head: Head,
    policies: Vec<PolicyResult>,
    repairs: Vec<Repair>,
    counts: Counts,
}

impl Held {
    pub(crate) fn unbounded() -> Self {
        Self::bounded(usize::MAX)
    }

    fn bounded(budget: usize) -> Self {
        Self {
            done: Vec::new(),
            policies: Vec::new(),
            rows: Vec::new(),
            counts: Counts::default(),
            rows_of_policy: 0,
            bytes: 0,
            budget,
            large: false,
            repeats: false,
            full: false,
        }
    }

    pub(crate) fn into_reports(self) -> Vec<Parsed> {
        self.done.into_iter().map(Done::into_parsed).collect()
    }

    fn finish(self) -> Collected {
        if self.large {
            let large = |done: Done| Large { head: done.head, repairs: done.repairs, counts: done.counts };
            return Collected::Large(self.done.into_iter().map(large).collect());
        }
        Collected::Held(self.into_reports())
    }

    /// Accounts for `bytes` more; over the budget, rows are let go, and if heads alone fill it, the sink is full.
    fn charge(&mut self, bytes: usize) {
        self.bytes += bytes;
        if self.bytes <= self.budget {
            return;
        }
        if self.large {
            self.full = true;
            return;
        }
        self.large = true;
        // A second pass could not know which of the rows count.
        self.full |= self.repeats;
        self.policies = Vec::new();
        self.rows = Vec::new();
        for done in &mut self.done {
            done.policies = Vec::new();
        }
        self.bytes =
            self.done.iter().map(|done| head_bytes(&done.head, &done.repairs)).sum::<usize>() + bytes;
    }
}

impl Done {
    fn into_parsed(self) -> Parsed {
        let head = self.head;
        Parsed {
            report: Report {
                organization_name: head.organization_name,
                date_range: head.date_range,
                contact_info: head.contact_info,
                report_id: head.report_id,
                policies: head.has_policies.then_some(self.policies),
                extra: head.extra,
            },
            repairs: self.repairs,
        }
    }
}

impl Sink for Held {
    #[inline]
    fn failure(&mut self, _at: Place, row: FailureDetails) {
        self.counts.failures += 1;
        self.rows_of_policy += 1;
        if !self.large {
            self.rows.push(row);
            if self.budget != usize::MAX {
                let bytes = self.rows.last().map_or(0, failure_bytes);
                self.charge(bytes);
            }
        }
    }

    #[inline]
    fn policy(&mut self, _at: Place, mut policy: PolicyResult) {
        self.counts.policies += 1;
        self.rows_of_policy = 0;
        if !self.large {
            let bytes = if self.budget == usize::MAX { 0 } else { policy_bytes(&policy) };
            if policy.failure_details.is_some() {
                policy.failure_details = Some(std::mem::take(&mut self.rows));
            } else {
                self.rows.clear();
            }
            if self.policies.capacity() == 0 {
                // Almost every report has one policy; the usual first growth, to four, would cost more than the rest.
                self.policies.reserve_exact(1);
            }
            self.policies.push(policy);
            self.charge(bytes);
        }
    }

    fn forget_failures(&mut self, _at: Place) {
        self.counts.failures -= self.rows_of_policy;
        self.rows_of_policy = 0;
        self.rows.clear();
        self.repeats = true;
        self.full |= self.large;
    }

    fn forget_policies(&mut self, _report: usize) {
        self.counts = Counts::default();
        self.policies.clear();
        self.rows.clear();
        self.repeats = true;
        self.full |= self.large;
    }

    fn report(&mut self, _report: usize, head: Head, repairs: Vec<Repair>) {
        let bytes = if self.budget == usize::MAX { 0 } else { head_bytes(&head, &repairs) };
        let policies = std::mem::take(&mut self.policies);
        self.rows.clear();
        if self.done.capacity() == 0 {
            self.done.reserve_exact(1);
        }
        self.done.push(Done { head, policies, repairs, counts: std::mem::take(&mut self.counts) });
        self.charge(bytes);
    }

    fn amend(&mut self, report: usize, repair: Repair) {
        if let Some(done) = self.done.get_mut(report) {
            done.repairs.push(repair);
        }
    }

    fn retract(&mut self, from_report: usize) {
        self.done.truncate(from_report);
        self.policies.clear();
        self.rows.clear();
        self.counts = Counts::default();
        self.rows_of_policy = 0;
    }

    #[inline]
    fn has_room(&self) -> bool {
        !self.full
    }
}

/// About what a row holds in memory: its struct, and what of its texts is long enough to be on the heap.
fn failure_bytes(row: &FailureDetails) -> usize {
    let texts = [
        &row.sending_mta_ip,
        &row.receiving_mx_hostname,
        &row.receiving_mx_helo,
        &row.receiving_ip,
        &row.additional_information,
        &row.failure_reason_code,
    ];
    let heap: usize = texts.into_iter().flatten().map(Text::len).sum();
    size_of::<FailureDetails>() + heap + extra_bytes(&row.extra)
}

fn policy_bytes(result: &PolicyResult) -> usize {
    let policy = result.policy.as_ref().map_or(0, |policy| {
        let lists = [&policy.policy_string, &policy.mx_host];
        let strings: usize = lists.into_iter().flatten().flatten().map(|text| text.len() + 24).sum();
        strings + policy.policy_domain.as_ref().map_or(0, Text::len) + extra_bytes(&policy.extra)
    });
    let summary = result.summary.as_ref().map_or(0, |summary| extra_bytes(&summary.extra));
    size_of::<PolicyResult>() + policy + summary + extra_bytes(&result.extra)
}

fn head_bytes(head: &Head, repairs: &[Repair]) -> usize {
    let texts = [&head.organization_name, &head.contact_info, &head.report_id];
    let heap: usize = texts.into_iter().flatten().map(Text::len).sum();
    let repairs: usize = repairs.iter().map(|repair| repair.path.len() + repair.text.len() + 64).sum();
    let range = head.date_range.as_ref().map_or(0, |range| extra_bytes(&range.extra));
    size_of::<Done>() + heap + repairs + range + extra_bytes(&head.extra)
}

fn extra_bytes(extra: &super::model::Extra) -> usize {
    extra.iter().map(|(key, value)| key.len() + json_bytes(value) + 48).sum()
}

fn json_bytes(value: &super::json::Json) -> usize {
    use super::json::Json;
    let own = size_of::<Json>();
    own + match value {
        Json::Null | Json::Bool(_) => 0,
        Json::Number(text) | Json::String(text) => text.len(),
        Json::Array(elements) => elements.iter().map(json_bytes).sum(),
        Json::Object(members) => members.iter().map(|(key, value)| key.len() + 24 + json_bytes(value)).sum(),
    }
}
