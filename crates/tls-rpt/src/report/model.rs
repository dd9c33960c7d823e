//! The report as RFC 8460 §4.4 shapes it, in normal form.
//!
//! Every member is optional, because senders leave any of them out and nothing is invented: an
//! absent count stays absent. Texts are the sender's own, but for what normal form changes
//! (domains and hosts in A-labels, times in UTC, registered tokens in their registered spelling).

use super::json::Json;
use super::repair::Repair;
use super::time::Timestamp;
use crate::result_type::{PolicyType, ResultType};
use crate::text::Text;

/// Members that RFC 8460 does not name, as they came, in order. Absent in almost every report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extra(Vec<(Text, Json)>);

impl Extra {
    /// The members in order; of a repeated key, the last.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// True if the object held nothing beyond the RFC's own members.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes out the members whose key fits.
    pub(crate) fn take(&mut self, fits: impl Fn(&str) -> bool) -> Self {
        let (taken, left) = std::mem::take(&mut self.0).into_iter().partition(|(key, _)| fits(key));
        self.0 = left;
        Self(taken)
    }

    /// Sets a member; true if it was there already.
    pub(crate) fn set(&mut self, key: Text, value: Json) -> bool {
        if let Some(slot) = self.0.iter_mut().find(|(known, _)| *known == key) {
            slot.1 = value;
            return true;
        }
        self.0.push((key, value));
        false
    }
}

/// A whole report in normal form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// `organization-name`.
    pub organization_name: Option<Text>,
    /// `date-range`.
    pub date_range: Option<DateRange>,
    /// `contact-info`: an addr-spec, though senders write other things.
    pub contact_info: Option<Text>,
    /// `report-id`. Any text at all: never a file name, never trusted to be unique.
    pub report_id: Option<Text>,
    /// `policies`; `None` if the member was absent or null.
    pub policies: Option<Vec<PolicyResult>>,
    /// Members the RFC does not name.
    pub extra: Extra,
}

/// What a report says outside its `policies`: what a stream of rows belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// `organization-name`.
    pub organization_name: Option<Text>,
    /// `date-range`.
    pub date_range: Option<DateRange>,
    /// `contact-info`.
    pub contact_info: Option<Text>,
    /// `report-id`.
    pub report_id: Option<Text>,
    /// Whether `policies` was there at all (and not null).
    pub has_policies: bool,
    /// Members the RFC does not name.
    pub extra: Extra,
}

/// `date-range` (RFC 8460 §4.4): the day that the report covers. Either end may be unreadable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DateRange {
    /// `start-datetime`.
    pub start: Option<Timestamp>,
    /// `end-datetime`: 23:59:59 of the day, or the next midnight (L12).
    pub end: Option<Timestamp>,
    /// Members the RFC does not name.
    pub extra: Extra,
}

/// One element of `policies`: a policy that was applied, and how its sessions went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyResult {
    /// `policy`.
    pub policy: Option<Policy>,
    /// `summary`.
    pub summary: Option<Summary>,
    /// `failure-details`; `None` if absent or null, which senders use for "no failures".
    pub failure_details: Option<Vec<FailureDetails>>,
    /// Members the RFC does not name.
    pub extra: Extra,
}

/// `policy`: which policy was applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// `policy-type`.
    pub policy_type: Option<PolicyType>,
    /// `policy-string`: the policy's lines as served (`sts`), or one element a TLSA record.
    pub policy_string: Option<Vec<Text>>,
    /// `policy-domain`, a lower-case A-label domain.
    pub policy_domain: Option<Text>,
    /// `mx-host`: the patterns of the applied policy, lower case.
    pub mx_host: Option<Vec<Text>>,
    /// Members the RFC does not name.
    pub extra: Extra,
}

/// `summary`: session counts, in sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// `total-successful-session-count`, at most 2^53.
    pub successful: Option<u64>,
    /// `total-failure-session-count`, at most 2^53.
    pub failed: Option<u64>,
    /// Members the RFC does not name.
    pub extra: Extra,
}

/// One element of `failure-details`: sessions that failed in one way at one place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FailureDetails {
    /// `result-type`.
    pub result_type: Option<ResultType>,
    /// `sending-mta-ip`, the sender's own spelling.
    pub sending_mta_ip: Option<Text>,
    /// `receiving-mx-hostname`, lower-case A-labels.
    pub receiving_mx_hostname: Option<Text>,
    /// `receiving-mx-helo`, as announced.
    pub receiving_mx_helo: Option<Text>,
    /// `receiving-ip`, the sender's own spelling.
    pub receiving_ip: Option<Text>,
    /// `failed-session-count`, at most 2^53.
    pub failed_session_count: Option<u64>,
    /// `additional-information`: called a URI by the RFC; any text.
    pub additional_information: Option<Text>,
    /// `failure-reason-code`: free text of the sender.
    pub failure_reason_code: Option<Text>,
    /// Members the RFC does not name.
    pub extra: Extra,
}

/// Where a row stands: which report of the input, which of its policies, which of that policy's rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Place {
    /// Index of the report within the input.
    pub report: usize,
    /// Index within `policies`.
    pub policy: usize,
    /// Index within `failure-details`.
    pub row: usize,
}

/// A report and what was repaired to read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The report in normal form.
    pub report: Report,
    /// Every deviation that was mended, in the order met.
    pub repairs: Vec<Repair>,
}

impl Report {
    /// Splits off everything but the policies.
    pub fn head(&self) -> Head {
        Head {
            organization_name: self.organization_name.clone(),
            date_range: self.date_range.clone(),
            contact_info: self.contact_info.clone(),
            report_id: self.report_id.clone(),
            has_policies: self.policies.is_some(),
            extra: self.extra.clone(),
        }
    }
}
