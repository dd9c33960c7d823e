//! A report reduced to what a person is told: sessions by domain, failures grouped. Built from rows as they come, so
//! that a report of a million rows is told in the same little memory as one of three.

use std::collections::BTreeMap;

use tls_rpt::report::{FailureDetails, Head, Parsed, Place, PolicyResult, Repair, Sink};
use tls_rpt::{PolicyType, ResultType, Text};

use super::failure::{Group, Key};
use super::tally::{Counted, Tally};

/// Groups of failures that are told apart in one report.
const MOST_GROUPS: usize = 1_000;

/// What a person is told of one report.
#[derive(Debug)]
pub(crate) struct Digest {
    pub(crate) head: Head,
    pub(crate) repairs: Vec<Repair>,
    pub(crate) sessions: Counted,
    /// Policy types that were applied, in their order.
    pub(crate) policy_types: Vec<PolicyType>,
    /// Most sessions first.
    pub(crate) failures: Vec<(Key, Group)>,
    /// Failed sessions of groups beyond the limit.
    pub(crate) ungrouped: u64,
    /// The digest of the normal form, where the report was held: equal ones are copies of one report.
    pub(crate) fingerprint: Option<[u8; 32]>,
}

/// Reduces reports as their rows come.
#[derive(Debug, Default)]
pub(crate) struct Digester {
    done: Vec<Digest>,
    current: Current,
}

/// The report that is being read.
#[derive(Debug, Default)]
struct Current {
    tally: Tally,
    policy_types: Vec<PolicyType>,
    groups: BTreeMap<Key, Group>,
    ungrouped: u64,
    pending: Pending,
}

/// Rows of the policy that is being read: what they belong to is known when it ends.
#[derive(Debug, Default)]
struct Pending {
    groups: BTreeMap<(ResultType, Option<Text>), Group>,
    detailed: Option<u64>,
    ungrouped: u64,
}

impl Digester {
    /// The digests, one a report, in their order.
    pub(crate) fn finish(self) -> Vec<Digest> {
        self.done
    }

    /// Reduces a report that is held.
    pub(crate) fn add(&mut self, parsed: Parsed) {
        let Parsed { mut report, repairs } = parsed;
        for policy in report.policies.iter().flatten() {
            policy.failure_details.iter().flatten().for_each(|row| self.current.failure(row));
            self.current.policy(policy);
        }
        self.report(self.done.len(), report.head(), repairs);
        if let Some(done) = self.done.last_mut() {
            done.fingerprint = Some(tlsward_engine::receive::digest(&mut report));
        }
    }
}

impl Current {
    fn failure(&mut self, row: &FailureDetails) {
        let pending = &mut self.pending;
        let sessions = row.failed_session_count;
        if let Some(sessions) = sessions {
            pending.detailed = Some(pending.detailed.unwrap_or(0).saturating_add(sessions));
        }
        let result = row.result_type.clone().unwrap_or_else(|| ResultType::Unknown(Text::const_new("")));
        let mx = row.receiving_mx_hostname.as_deref().map(|mx| cut(mx, 255));
        let key = (cut_result(result), mx);
        if pending.groups.len() >= MOST_GROUPS && !pending.groups.contains_key(&key) {
            pending.ungrouped = pending.ungrouped.saturating_add(sessions.unwrap_or(1));
            return;
        }
        pending.groups.entry(key).or_default().add(row);
    }

    fn policy(&mut self, result: &PolicyResult) {
        let pending = std::mem::take(&mut self.pending);
        self.tally.add(result, pending.detailed);
        self.ungrouped = self.ungrouped.saturating_add(pending.ungrouped);
        let policy = result.policy.as_ref();
        let policy_type = policy.and_then(|policy| policy.policy_type.clone());
        if let Some(policy_type) = &policy_type
            && self.policy_types.len() < 8
            && !self.policy_types.contains(policy_type)
        {
            self.policy_types.push(policy_type.clone());
        }
        let domain = policy.and_then(|policy| policy.policy_domain.as_deref()).map(|domain| cut(domain, 255));
        for ((failure, mx), group) in pending.groups {
            let key = Key { domain: domain.clone(), result: failure, mx, policy_type: policy_type.clone() };
            if self.groups.len() >= MOST_GROUPS && !self.groups.contains_key(&key) {
                self.ungrouped = self.ungrouped.saturating_add(group.sessions.max(1));
                continue;
            }
            let deduction = key.deduce(policy);
            let known = self.groups.entry(key).or_default();
            known.merge(&group);
            known.deduction = known.deduction.or(deduction);
        }
    }

    fn close(self, head: Head, repairs: Vec<Repair>) -> Digest {
        let mut failures: Vec<_> = self.groups.into_iter().collect();
        failures.sort_by_key(|(_, group)| std::cmp::Reverse(group.sessions));
        Digest {
            head,
            repairs,
            sessions: self.tally.close(),
            policy_types: self.policy_types,
            failures,
            ungrouped: self.ungrouped,
            fingerprint: None,
        }
    }
}

/// The beginning of a stranger's text.
pub(super) fn cut(text: &str, bytes: usize) -> Text {
    Text::new(&text[..text.floor_char_boundary(bytes)])
}

fn cut_result(result: ResultType) -> ResultType {
    match result {
        ResultType::Unknown(text) if text.len() > 255 => ResultType::Unknown(cut(&text, 255)),
        other => other,
    }
}

impl Sink for Digester {
    fn failure(&mut self, _at: Place, row: FailureDetails) {
        self.current.failure(&row);
    }

    fn policy(&mut self, _at: Place, policy: PolicyResult) {
        self.current.policy(&policy);
    }

    fn forget_failures(&mut self, _at: Place) {
        self.current.pending = Pending::default();
    }

    fn forget_policies(&mut self, _report: usize) {
        self.current = Current::default();
    }

    fn report(&mut self, _report: usize, head: Head, repairs: Vec<Repair>) {
        let current = std::mem::take(&mut self.current);
        self.done.push(current.close(head, repairs));
    }

    fn amend(&mut self, report: usize, repair: Repair) {
        if let Some(done) = self.done.get_mut(report) {
            done.repairs.push(repair);
        }
    }

    fn retract(&mut self, from_report: usize) {
        self.done.truncate(from_report);
        self.current = Current::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tls_rpt::report::{Limits, read_slice, scan_slice};

    const REPORT: &str = r#"{"organization-name":"Sender","report-id":"1","date-range":{},"policies":[
        {"failure-details":[
            {"result-type":"certificate-expired","receiving-mx-hostname":"mx1.example.com","failed-session-count":2},
            {"result-type":"certificate-expired","receiving-mx-hostname":"mx1.example.com","failed-session-count":3},
            {"result-type":"validation-failure","receiving-mx-hostname":"mx9.example.com","failed-session-count":9}],
         "policy":{"policy-type":"sts","policy-domain":"example.com","mx-host":["mx1.example.com"]},
         "summary":{"total-successful-session-count":100,"total-failure-session-count":14}}]}"#;

    #[test]
    fn rows_of_one_failure_at_one_mx_are_one_group_however_they_come() {
        let mut streamed = Digester::default();
        scan_slice(REPORT.as_bytes(), &Limits::default(), &mut streamed).unwrap();
        let mut held = Digester::default();
        read_slice(REPORT.as_bytes(), &Limits::default()).unwrap().into_iter().for_each(|one| held.add(one));
        for digests in [streamed.finish(), held.finish()] {
            let digest = &digests[0];
            let told: Vec<_> = digest
                .failures
                .iter()
                .map(|(key, group)| (key.result.as_wire(), key.mx.as_deref(), group.sessions))
                .collect();
            assert_eq!(
                told,
                [
                    ("validation-failure", Some("mx9.example.com"), 9),
                    ("certificate-expired", Some("mx1.example.com"), 5)
                ]
            );
            assert_eq!(digest.sessions.domains[0].failed.exact(), Some(14));
            assert_eq!(digest.policy_types, [PolicyType::Sts]);
            assert!(digest.failures[0].1.deduction.is_some());
        }
    }

    #[test]
    fn groups_beyond_the_limit_are_counted() {
        let mut digester = Digester::default();
        let at = Place::default();
        for number in 0..MOST_GROUPS + 7 {
            let mx = Some(format!("mx{number}.example.com").into());
            let row = FailureDetails {
                receiving_mx_hostname: mx,
                failed_session_count: Some(2),
                ..FailureDetails::default()
            };
            digester.failure(at, row);
        }
        digester.policy(at, PolicyResult::default());
        digester.report(0, Head::default(), Vec::new());
        let digest = digester.finish().remove(0);
        assert_eq!((digest.failures.len(), digest.ungrouped), (MOST_GROUPS, 14));
    }
}
