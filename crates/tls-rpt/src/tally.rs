//! Counting one day's sessions, for the report that the day will bring.
//!
//! What goes in: sessions, each with the policy applied and how it ended. What comes out: for each policy the two totals
//! and, for each kind of failure, how often (RFC 8460 §4.2–4.4). Why here: what is one row and what is two is the
//! RFC's matter. Performs no I/O; the caller keeps one tally for each (UTC day, recipient domain). What can fail: nothing.
//! A stranger chooses the host names and texts, so the number of rows is bounded: past the bound a session is still
//! counted in its policy's totals, and its failure goes into that policy's overflow count.

use std::collections::BTreeMap;

use crate::result_type::{PolicyType, ResultType};
use crate::text::Text;

/// The policy that was applied to a session: what a `policy` object of the report will say.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppliedPolicy {
    /// Which kind.
    pub policy_type: PolicyType,
    /// The domain it was found under, in A-labels.
    pub domain: Text,
    /// The policy's lines (MTA-STS) or records (TLSA), as they were found.
    pub strings: Vec<Text>,
    /// The MX patterns of an MTA-STS policy.
    pub mx_patterns: Vec<Text>,
}

/// One failure of a session: all that makes a row of `failure-details` different from another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Failure {
    /// What failed.
    pub result: ResultType,
    /// The MX host that was tried, where it came to one.
    pub receiving_mx: Option<Text>,
    /// What the MX called itself.
    pub receiving_helo: Option<Text>,
    /// The MX's address.
    pub receiving_ip: Option<std::net::IpAddr>,
    /// Our address.
    pub sending_ip: Option<std::net::IpAddr>,
    /// A code or message of the TLS library.
    pub reason: Option<Text>,
    /// Where more can be read, or what else is known.
    pub additional: Option<Text>,
}

/// How many rows one tally keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Different policies; past it, sessions go into [`Tally::uncounted`].
    pub policies: usize,
    /// Different failures of one policy; past it, into [`PolicyTally::overflow`].
    pub failures: usize,
}

impl Default for Limits {
    /// 64 policies, 1,024 failures each: a report stays small enough for every receiver.
    fn default() -> Self {
        Self { policies: 64, failures: 1_024 }
    }
}

/// The counts of one policy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyTally {
    /// Sessions that met the policy (RFC 8460 §4.2.1).
    pub successful: u64,
    /// Sessions that did not (RFC 8460 §4.2.2).
    pub failed: u64,
    /// How often each failure occurred. One session may have several, so the sum may exceed `failed` (§4).
    pub failures: BTreeMap<Failure, u64>,
    /// Failures past the limit of rows: counted, but not told apart.
    pub overflow: u64,
}

/// The sessions of one day with one recipient domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    limits: Limits,
    policies: BTreeMap<AppliedPolicy, PolicyTally>,
    uncounted: u64,
}

impl Tally {
    /// An empty tally under these limits.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, policies: BTreeMap::new(), uncounted: 0 }
    }

    /// Counts one session: whether it met the policy in the end, and what failed on the way.
    ///
    /// A session may fail at one MX, and the mail still be delivered: that is for the caller to call one session or two.
    pub fn session(&mut self, policy: AppliedPolicy, met: bool, failures: impl IntoIterator<Item = Failure>) {
        let full = self.policies.len() >= self.limits.policies;
        let counts = match self.policies.entry(policy) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) if !full => {
                entry.insert(PolicyTally::default())
            }
            std::collections::btree_map::Entry::Vacant(_) => {
                self.uncounted = self.uncounted.saturating_add(1);
                return;
            }
        };
        counts.add(u64::from(met), u64::from(!met));
        for failure in failures {
            counts.add_failure(failure, 1, self.limits.failures);
        }
    }

    /// Adds another tally of the same day and domain (of another node, or read back from a journal).
    pub fn merge(&mut self, other: Self) {
        self.add_uncounted(other.uncounted);
        for (policy, theirs) in other.policies {
            self.add(policy, theirs);
        }
    }

    /// Adds counts of one policy: many sessions at once, or what was kept somewhere.
    pub fn add(&mut self, policy: AppliedPolicy, theirs: PolicyTally) {
        if self.policies.len() >= self.limits.policies && !self.policies.contains_key(&policy) {
            self.add_uncounted(theirs.successful.saturating_add(theirs.failed));
            return;
        }
        let limit = self.limits.failures;
        let ours = self.policies.entry(policy).or_default();
        ours.add(theirs.successful, theirs.failed);
        ours.overflow = ours.overflow.saturating_add(theirs.overflow);
        for (failure, times) in theirs.failures {
            ours.add_failure(failure, times, limit);
        }
    }

    /// Adds sessions of which only their number is known.
    pub fn add_uncounted(&mut self, sessions: u64) {
        self.uncounted = self.uncounted.saturating_add(sessions);
    }

    /// The policies and their counts, in a fixed order.
    pub fn policies(&self) -> impl Iterator<Item = (&AppliedPolicy, &PolicyTally)> {
        self.policies.iter()
    }

    /// Sessions that no policy row had room for.
    #[must_use]
    pub fn uncounted(&self) -> u64 {
        self.uncounted
    }

    /// Whether there is nothing to report. A day without failures is reported all the same (RFC 8460 §4.2.1).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.policies.is_empty()
    }
}

impl PolicyTally {
    fn add(&mut self, successful: u64, failed: u64) {
        self.successful = self.successful.saturating_add(successful);
        self.failed = self.failed.saturating_add(failed);
    }

    fn add_failure(&mut self, failure: Failure, times: u64, limit: usize) {
        let full = self.failures.len() >= limit;
        match self.failures.get_mut(&failure) {
            Some(count) => *count = count.saturating_add(times),
            None if full => self.overflow = self.overflow.saturating_add(times),
            None => {
                self.failures.insert(failure, times);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(domain: &str) -> AppliedPolicy {
        AppliedPolicy {
            policy_type: PolicyType::Sts,
            domain: domain.into(),
            strings: vec!["version: STSv1".into()],
            mx_patterns: vec!["mx.example.com".into()],
        }
    }

    fn failure(result: ResultType, mx: &str) -> Failure {
        Failure {
            result,
            receiving_mx: Some(mx.into()),
            receiving_helo: None,
            receiving_ip: Some([192, 0, 2, 1].into()),
            sending_ip: Some([198, 51, 100, 1].into()),
            reason: None,
            additional: None,
        }
    }

    /// Proves: H3, H9
    #[test]
    fn equal_failures_are_one_row_and_different_ones_are_two() {
        let mut tally = Tally::default();
        tally.session(policy("example.com"), true, []);
        for mx in ["mx1.example.com", "mx1.example.com", "mx2.example.com"] {
            tally.session(policy("example.com"), false, [failure(ResultType::CertificateExpired, mx)]);
        }
        let both = [ResultType::CertificateExpired, ResultType::CertificateHostMismatch]
            .map(|result| failure(result, "mx1.example.com"));
        tally.session(policy("example.com"), false, both);
        let (_, counts) = tally.policies().next().unwrap();
        assert_eq!((counts.successful, counts.failed), (1, 4));
        assert_eq!(counts.failures.values().copied().collect::<Vec<_>>(), [1, 3, 1]);
        assert_eq!(counts.failures.values().sum::<u64>(), 5, "one session with two failures is in two rows");
    }

    /// Proves: H2, H9
    #[test]
    fn a_day_of_nothing_but_successes_is_something_to_report() {
        let mut tally = Tally::default();
        assert!(tally.is_empty());
        tally.session(policy("a.example"), true, []);
        tally.session(policy("b.example"), true, []);
        assert!(!tally.is_empty());
        assert_eq!(tally.policies().count(), 2);
    }

    #[test]
    fn past_its_limits_a_tally_counts_and_does_not_grow() {
        let mut tally = Tally::new(Limits { policies: 2, failures: 3 });
        for index in 0..10 {
            let mx = format!("mx{index}.example.com");
            tally.session(policy("example.com"), false, [failure(ResultType::ValidationFailure, &mx)]);
        }
        for domain in ["b.example", "c.example", "d.example"] {
            tally.session(policy(domain), true, []);
        }
        let (_, counts) = tally.policies().find(|(policy, _)| policy.domain == "example.com").unwrap();
        assert_eq!((counts.failed, counts.failures.len(), counts.overflow), (10, 3, 7));
        assert_eq!((tally.policies().count(), tally.uncounted()), (2, 2));
    }

    #[test]
    fn merged_tallies_are_the_tally_of_all_sessions() {
        let sessions: Vec<(AppliedPolicy, bool, Vec<Failure>)> = (0..40)
            .map(|index| {
                let met = index % 3 == 0;
                let failures = if met {
                    vec![]
                } else {
                    vec![failure(ResultType::TlsaInvalid, &format!("mx{}", index % 5))]
                };
                (policy(if index % 2 == 0 { "a.example" } else { "b.example" }), met, failures)
            })
            .collect();
        let (mut whole, mut left, mut right) = (Tally::default(), Tally::default(), Tally::default());
        for (index, (policy, met, failures)) in sessions.into_iter().enumerate() {
            whole.session(policy.clone(), met, failures.clone());
            let half = if index % 4 == 0 { &mut left } else { &mut right };
            half.session(policy, met, failures);
        }
        left.merge(right);
        assert_eq!(left, whole);
    }

    #[test]
    fn a_merge_keeps_to_the_limits_and_loses_no_count() {
        let mut small = Tally::new(Limits { policies: 1, failures: 1 });
        small.session(policy("a.example"), true, []);
        let mut other = Tally::default();
        other.session(policy("a.example"), false, [failure(ResultType::TlsaInvalid, "x")]);
        other.session(policy("a.example"), false, [failure(ResultType::TlsaInvalid, "y")]);
        other.session(policy("b.example"), true, []);
        small.merge(other);
        assert_eq!(small.uncounted(), 1);
        let (_, counts) = small.policies().next().unwrap();
        assert_eq!((counts.successful, counts.failed, counts.failures.len(), counts.overflow), (1, 2, 1, 1));
    }
}
