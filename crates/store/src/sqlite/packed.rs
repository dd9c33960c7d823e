//! Rows in the form in which they are written.
//!
//! Made by whoever calls the store: the strings of a policy are freed where they were made, and the one thread that
//! writes gets two buffers in their place.

use tls_rpt::report::{FailureDetails, PolicyResult};
use tls_rpt::{PolicyType, Text};

use crate::filing::{Filing, HeldHead, HeldRows, MAX_ROWS, PaperRows};
use crate::pack;
use crate::session::{Mode, Session};

/// The rows of a small report.
pub(crate) struct PackedRows {
    pub(super) head: HeldHead,
    pub(super) policies: Vec<PackedPolicy>,
    /// With the index of their policy.
    pub(super) failures: Vec<(u64, FailureDetails)>,
    pub(super) sessions: Vec<Session>,
}

/// A policy.
pub(super) struct PackedPolicy {
    pub(super) domain: Option<Text>,
    pub(super) policy_type: Option<PolicyType>,
    pub(super) strings: Option<Vec<u8>>,
    pub(super) mx: Option<Vec<u8>>,
    pub(super) successful: Option<u64>,
    pub(super) failed: Option<u64>,
    pub(super) mode: Option<Mode>,
    pub(super) has_details: bool,
}

impl PackedPolicy {
    pub(super) fn of(result: PolicyResult) -> Self {
        let mode = Mode::quoted(&result);
        let policy = result.policy.unwrap_or_default();
        let summary = result.summary.unwrap_or_default();
        Self {
            domain: policy.policy_domain,
            policy_type: policy.policy_type,
            strings: policy.policy_string.as_deref().map(texts),
            mx: policy.mx_host.as_deref().map(texts),
            successful: summary.successful,
            failed: summary.failed,
            mode,
            has_details: result.failure_details.is_some(),
        }
    }
}

fn texts(texts: &[Text]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(texts.iter().map(|text| text.len() + 2).sum());
    pack::Writer(&mut bytes).texts(texts);
    bytes
}

impl Filing {
    /// With its held rows packed.
    pub(super) fn packed(mut self) -> Self {
        if let Self::Reports { papers, .. } = &mut self {
            for paper in papers {
                if let PaperRows::Held(held) = &mut paper.rows {
                    let rows = pack_rows(std::mem::take(held));
                    paper.rows = PaperRows::Packed(rows);
                }
            }
        }
        self
    }
}

fn pack_rows(held: HeldRows) -> PackedRows {
    let mut failures = Vec::new();
    let mut policies = Vec::with_capacity(held.policies.len());
    for (index, mut policy) in (0..).zip(held.policies) {
        let room = (MAX_ROWS as usize).saturating_sub(failures.len());
        failures.extend(
            policy
                .failure_details
                .iter_mut()
                .flat_map(|rows| rows.drain(..))
                .take(room)
                .map(|row| (index, row)),
        );
        policies.push(PackedPolicy::of(policy));
    }
    PackedRows { head: held.head, policies, failures, sessions: held.sessions }
}
