//! The sessions of a report by domain, from policies that come one at a time and may be a million.
//!
//! Which rows are the same sessions is [`tls_rpt::count`]'s rule. Policies are summed before it is asked, but only with
//! those that it treats alike: of one domain and type, with the same counts present, and with summary and
//! details in the same order of size. Domains beyond [`MOST_DOMAINS`] are counted together.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use tls_rpt::count::{Row, Sessions, count};
use tls_rpt::report::PolicyResult;
use tls_rpt::{PolicyType, Text};

/// Domains that are told apart in one report.
const MOST_DOMAINS: usize = 2_000;
/// A name is no longer (RFC 1035 §2.3.4); what is, is cut.
const LONGEST_NAME: usize = 255;
/// Policy types that are told apart: three have a meaning, the rest is a stranger's.
const MOST_TYPES: usize = 16;

/// A domain's name, or `None` for all those that are not told apart.
type Name = Option<Text>;

#[derive(Debug, Default)]
pub(crate) struct Tally {
    domains: BTreeMap<Name, BTreeMap<Class, Sums>>,
    order: Vec<Name>,
    unlisted: u64,
}

/// Rows that may be summed.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Class {
    policy_type: PolicyType,
    present: [bool; 3],
    order: Ordering,
}

#[derive(Debug, Default)]
struct Sums {
    successful: u64,
    failed: u64,
    detailed: u64,
}

/// What a tally comes to.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    /// The domains in the order of first mention. One without name stands for policies that name none.
    pub(crate) domains: Vec<Sessions>,
    /// Policies of further domains, and their sessions.
    pub(crate) further: Option<(u64, Sessions)>,
}

static NO_TYPE: PolicyType = PolicyType::Unknown(Text::const_new(""));

impl Tally {
    /// Adds a policy; `detailed` is the sum of its failure rows' counts, if any has one.
    pub(crate) fn add(&mut self, result: &PolicyResult, detailed: Option<u64>) {
        let policy = result.policy.as_ref();
        let domain = policy.and_then(|policy| policy.policy_domain.as_deref()).unwrap_or_default();
        let mut name = Some(Text::new(&domain[..domain.floor_char_boundary(LONGEST_NAME)]));
        if !self.domains.contains_key(&name) {
            if self.order.len() < MOST_DOMAINS {
                self.order.push(name.clone());
            } else {
                name = None;
            }
        }
        if name.is_none() {
            self.unlisted += 1;
        }
        let summary = result.summary.as_ref();
        let successful = summary.and_then(|summary| summary.successful);
        let failed = summary.and_then(|summary| summary.failed);
        let classes = self.domains.entry(name).or_default();
        let mut policy_type = policy.and_then(|policy| policy.policy_type.as_ref()).unwrap_or(&NO_TYPE);
        if !policy_type.is_registered() && classes.len() >= MOST_TYPES {
            policy_type = &NO_TYPE;
        }
        let class = Class {
            policy_type: policy_type.clone(),
            present: [successful.is_some(), failed.is_some(), detailed.is_some()],
            order: failed.cmp(&detailed),
        };
        let sums = classes.entry(class).or_default();
        let add = |sum: &mut u64, more: Option<u64>| *sum = sum.saturating_add(more.unwrap_or(0));
        add(&mut sums.successful, successful);
        add(&mut sums.failed, failed);
        add(&mut sums.detailed, detailed);
    }

    /// The sessions of each domain.
    pub(crate) fn close(self) -> Counted {
        let sessions = |name: &Name| {
            let domain = name.as_deref().unwrap_or_default();
            let classes = self.domains.get(name)?;
            count(classes.iter().map(|(class, sums)| {
                let [successful, failed, detailed] = class.present;
                Row {
                    policy_type: &class.policy_type,
                    domain,
                    successful: successful.then_some(sums.successful),
                    failed: failed.then_some(sums.failed),
                    detailed: detailed.then_some(sums.detailed),
                }
            }))
            .pop()
        };
        Counted {
            domains: self.order.iter().filter_map(sessions).collect(),
            further: sessions(&None).map(|further| (self.unlisted, further)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tls_rpt::count::{Bounds, Note};
    use tls_rpt::report::{Policy, Summary};

    fn policy(domain: &str, kind: PolicyType, successful: Option<u64>, failed: Option<u64>) -> PolicyResult {
        PolicyResult {
            policy: Some(Policy {
                policy_type: Some(kind),
                policy_domain: Some(domain.into()),
                ..Policy::default()
            }),
            summary: Some(Summary { successful, failed, ..Summary::default() }),
            ..PolicyResult::default()
        }
    }

    /// Proves: H2
    #[test]
    fn a_tally_counts_as_the_rule_does_row_by_row() {
        let rows = [
            (policy("a.example", PolicyType::Sts, Some(7), Some(5)), Some(3)),
            (policy("a.example", PolicyType::Sts, Some(1), Some(3)), Some(5)),
            (policy("a.example", PolicyType::Tlsa, Some(8), None), Some(2)),
            (policy("a.example", PolicyType::NoPolicyFound, None, Some(1)), None),
            (policy("b.example", PolicyType::Sts, Some(2), Some(0)), None),
            (policy("b.example", PolicyType::Tlsa, Some(2), Some(0)), None),
        ];
        let direct = count(rows.iter().map(|(row, detailed)| {
            let policy = row.policy.as_ref().unwrap();
            let summary = row.summary.as_ref().unwrap();
            Row {
                policy_type: policy.policy_type.as_ref().unwrap(),
                domain: policy.policy_domain.as_deref().unwrap(),
                successful: summary.successful,
                failed: summary.failed,
                detailed: *detailed,
            }
        }));
        let mut tally = Tally::default();
        rows.iter().for_each(|(row, detailed)| tally.add(row, *detailed));
        let counted = tally.close();
        assert!(counted.further.is_none());
        let numbers = |all: &[Sessions]| -> Vec<(Text, Bounds, Bounds)> {
            all.iter().map(|one| (one.domain.clone(), one.successful, one.failed)).collect()
        };
        assert_eq!(numbers(&counted.domains), numbers(&direct));
        assert_eq!(counted.domains[1].notes, [Note::CountedOnce]);
    }

    #[test]
    fn domains_beyond_the_limit_are_counted_together() {
        let mut tally = Tally::default();
        for number in 0..MOST_DOMAINS + 3 {
            tally.add(&policy(&format!("d{number}.example"), PolicyType::Sts, Some(2), Some(1)), None);
        }
        tally.add(&policy("d0.example", PolicyType::Sts, Some(2), Some(1)), None);
        let counted = tally.close();
        assert_eq!(counted.domains.len(), MOST_DOMAINS);
        assert_eq!(counted.domains[0].successful, Bounds::exactly(4));
        let (policies, further) = counted.further.unwrap();
        assert_eq!(
            (policies, further.successful, further.failed),
            (3, Bounds::exactly(6), Bounds::exactly(3))
        );
    }
}
