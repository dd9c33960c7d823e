//! How many sessions one report is about.
//!
//! What goes in: the totals of a report's policy rows. What comes out: for each domain, sessions that succeeded and
//! failed, each as a lower and an upper bound, with notes where the report contradicts itself. Why: a sender that
//! checks a session against MTA-STS and against DANE lists it in a `sts` row and in a `tlsa` row; adding both doubles the
//! traffic (RFC 8460 §4: several policies may apply to one session). Where a report disagrees with itself,
//! both readings are shown and none is made up. What can fail: nothing; sums saturate.

use crate::result_type::PolicyType;
use crate::text::Text;

/// The largest count that I-JSON can carry (RFC 7493 §2.2); larger ones are taken as this.
pub const MAX_COUNT: u64 = 1 << 53;

/// What the counting needs of one policy row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// The row's policy type.
    pub policy_type: &'a PolicyType,
    /// Its policy domain, in normal form.
    pub domain: &'a str,
    /// `total-successful-session-count`, where the row has it.
    pub successful: Option<u64>,
    /// `total-failure-session-count`, where the row has it.
    pub failed: Option<u64>,
    /// The sum of `failed-session-count` over its failure details; none where it has no details with a count.
    pub detailed: Option<u64>,
}

/// A number of sessions that is known only to lie between two others; equal where it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// No fewer than these.
    pub low: u64,
    /// No more than these.
    pub high: u64,
}

impl Bounds {
    /// A number that is known.
    #[must_use]
    pub fn exactly(count: u64) -> Self {
        Self { low: count, high: count }
    }

    /// The number, where it is known.
    #[must_use]
    pub fn exact(self) -> Option<u64> {
        (self.low == self.high).then_some(self.low)
    }

    /// Both of two separate groups of sessions.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { low: self.low.saturating_add(other.low), high: self.high.saturating_add(other.high) }
    }
}

/// Where a report contradicts itself or leaves something out. Shown beside the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Note {
    /// The `sts` and `tlsa` rows have equal totals: taken as the same sessions, counted once.
    CountedOnce,
    /// The `sts` and `tlsa` rows differ: the sessions may be the same or others, so both bounds are given.
    Overlap,
    /// A row's summary says another number of failures than its failure details add up to.
    SummaryAndDetailsDiffer {
        /// What the summary says.
        summary: u64,
        /// What the details add up to.
        details: u64,
    },
    /// A row has no count of failures; what its details add up to stands for it.
    FailuresFromDetails,
    /// A row has no count of successes; taken as none.
    SuccessesMissing,
}

/// The sessions of one policy domain in one report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sessions {
    /// The policy domain.
    pub domain: Text,
    /// Sessions that met the policy.
    pub successful: Bounds,
    /// Sessions that did not.
    pub failed: Bounds,
    /// What to tell the reader beside the numbers, each once; of differing sums the first few.
    pub notes: Vec<Note>,
}

/// So many notes are kept of one domain: a hostile report can contradict itself a million times.
const MAX_NOTES: usize = 16;

/// Successes and failures of one kind of policy row.
type Totals = (Bounds, Bounds);

/// What was added up of one domain.
#[derive(Default)]
struct Account {
    sts: Option<Totals>,
    tlsa: Option<Totals>,
    other: Option<Totals>,
    notes: Vec<Note>,
}

/// Counts the sessions of each domain that the rows of one report name, in the order of first mention.
///
/// Rows of one policy type and domain are different sessions (a policy that changed during the day, or a row for
/// each MX) and are added. `sts` and `tlsa` rows are compared: see [`Note`]. Rows of other types are added.
#[must_use]
pub fn count<'a>(rows: impl IntoIterator<Item = Row<'a>>) -> Vec<Sessions> {
    let mut order: Vec<(&str, Account)> = Vec::new();
    let mut places: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    for row in rows {
        let place = *places.entry(row.domain).or_insert_with(|| {
            order.push((row.domain, Account::default()));
            order.len() - 1
        });
        if let Some((_, account)) = order.get_mut(place) {
            account.add(&row);
        }
    }
    order.into_iter().map(|(domain, account)| account.close(domain)).collect()
}

impl Account {
    fn add(&mut self, row: &Row<'_>) {
        let successful = match row.successful {
            Some(count) => Bounds::exactly(count.min(MAX_COUNT)),
            None => {
                self.note(Note::SuccessesMissing);
                Bounds::default()
            }
        };
        let failed = match (row.failed.map(capped), row.detailed.map(capped)) {
            (Some(summary), Some(details)) if summary != details => {
                self.note(Note::SummaryAndDetailsDiffer { summary, details });
                // RFC 8460 §4: failure types overlap, so the details may count one session twice; or the details
                // were cut. Neither number is better: both are shown.
                Bounds { low: summary.min(details), high: summary.max(details) }
            }
            (Some(summary), _) => Bounds::exactly(summary),
            (None, Some(details)) => {
                self.note(Note::FailuresFromDetails);
                Bounds::exactly(details)
            }
            (None, None) => Bounds::default(),
        };
        let kind = match row.policy_type {
            PolicyType::Sts => &mut self.sts,
            PolicyType::Tlsa => &mut self.tlsa,
            PolicyType::NoPolicyFound | PolicyType::Unknown(_) => &mut self.other,
        };
        let (before_successful, before_failed) = kind.unwrap_or_default();
        *kind = Some((before_successful.plus(successful), before_failed.plus(failed)));
    }

    fn note(&mut self, note: Note) {
        if self.notes.len() < MAX_NOTES && !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    fn close(mut self, domain: &str) -> Sessions {
        let (mut successful, mut failed) = match (self.sts, self.tlsa) {
            (Some(sts), Some(tlsa)) if sts == tlsa => {
                self.notes.insert(0, Note::CountedOnce);
                sts
            }
            (Some(sts), Some(tlsa)) => {
                self.notes.insert(0, Note::Overlap);
                (overlap(sts.0, tlsa.0), overlap(sts.1, tlsa.1))
            }
            (Some(only), None) | (None, Some(only)) => only,
            (None, None) => Totals::default(),
        };
        if let Some((more_successful, more_failed)) = self.other {
            successful = successful.plus(more_successful);
            failed = failed.plus(more_failed);
        }
        Sessions { domain: Text::new(domain), successful, failed, notes: self.notes }
    }
}

/// Two counts of sessions that may be the same ones: at least the larger, at most both.
fn overlap(one: Bounds, other: Bounds) -> Bounds {
    Bounds { low: one.low.max(other.low), high: one.high.saturating_add(other.high) }
}

fn capped(count: u64) -> u64 {
    count.min(MAX_COUNT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row<'a>(policy_type: &'a PolicyType, totals: (u64, u64), detailed: Option<u64>) -> Row<'a> {
        Row {
            policy_type,
            domain: "example.com",
            successful: Some(totals.0),
            failed: Some(totals.1),
            detailed,
        }
    }

    fn one(rows: &[Row<'_>]) -> Sessions {
        let mut all = count(rows.iter().cloned());
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    /// Proves: H2
    #[test]
    fn sts_and_tlsa_rows_of_equal_totals_are_the_same_sessions() {
        let sessions = one(&[row(&PolicyType::Sts, (7, 2), None), row(&PolicyType::Tlsa, (7, 2), None)]);
        assert_eq!((sessions.successful, sessions.failed), (Bounds::exactly(7), Bounds::exactly(2)));
        assert_eq!(sessions.notes, [Note::CountedOnce]);
    }

    /// Proves: H2
    #[test]
    fn sts_and_tlsa_rows_that_differ_give_both_bounds() {
        let sessions = one(&[row(&PolicyType::Sts, (7, 0), None), row(&PolicyType::Tlsa, (5, 3), None)]);
        assert_eq!(sessions.successful, Bounds { low: 7, high: 12 });
        assert_eq!(sessions.failed, Bounds { low: 3, high: 3 });
        assert_eq!(sessions.notes, [Note::Overlap]);
        assert_eq!(sessions.successful.exact(), None);
    }

    #[test]
    fn several_rows_of_one_type_are_added_before_the_types_are_compared() {
        let sessions = one(&[
            row(&PolicyType::Sts, (3, 1), None),
            row(&PolicyType::Sts, (4, 0), None),
            row(&PolicyType::Tlsa, (7, 1), None),
            row(&PolicyType::NoPolicyFound, (10, 0), None),
        ]);
        assert_eq!((sessions.successful, sessions.failed), (Bounds::exactly(17), Bounds::exactly(1)));
    }

    /// Proves: H3
    #[test]
    fn a_summary_and_details_that_disagree_are_both_shown() {
        let sessions = one(&[row(&PolicyType::Sts, (0, 1), Some(2))]);
        assert_eq!(sessions.failed, Bounds { low: 1, high: 2 });
        assert_eq!(sessions.notes, [Note::SummaryAndDetailsDiffer { summary: 1, details: 2 }]);
    }

    /// Proves: H13
    #[test]
    fn missing_counts_are_filled_from_the_details_or_are_none_and_said_so() {
        let sparse = Row {
            policy_type: &PolicyType::Sts,
            domain: "a.example",
            successful: None,
            failed: None,
            detailed: Some(4),
        };
        let sessions = one(&[sparse]);
        assert_eq!((sessions.successful, sessions.failed), (Bounds::default(), Bounds::exactly(4)));
        assert_eq!(sessions.notes, [Note::SuccessesMissing, Note::FailuresFromDetails]);
    }

    #[test]
    fn each_domain_is_counted_for_itself_in_order_of_mention() {
        let rows = ["b.example", "a.example", "b.example"].map(|domain| Row {
            policy_type: &PolicyType::Sts,
            domain,
            successful: Some(1),
            failed: Some(0),
            detailed: None,
        });
        let all = count(rows);
        let seen: Vec<_> = all.iter().map(|sessions| (&*sessions.domain, sessions.successful.low)).collect();
        assert_eq!(seen, [("b.example", 2), ("a.example", 1)]);
    }

    /// Proves: H1
    #[test]
    fn counts_stop_at_two_to_the_53_and_sums_saturate() {
        let huge = (u64::MAX, u64::MAX);
        let sessions = one(&[row(&PolicyType::Sts, huge, Some(u64::MAX))]);
        assert_eq!(sessions.successful, Bounds::exactly(MAX_COUNT));
        let many = one(&vec![row(&PolicyType::Sts, huge, None); 3000]);
        assert_eq!(many.successful, Bounds::exactly(u64::MAX));
    }

    #[test]
    fn a_report_that_contradicts_itself_without_end_gets_few_notes() {
        let rows: Vec<_> =
            (0..1000).map(|index| row(&PolicyType::Sts, (0, index), Some(index + 1))).collect();
        assert_eq!(one(&rows).notes.len(), MAX_NOTES);
    }

    proptest! {
        #[test]
        fn the_lower_bound_never_exceeds_the_upper(
            rows in proptest::collection::vec((0..4u8, any::<Option<u64>>(), any::<Option<u64>>(), any::<Option<u64>>()), 0..20)
        ) {
            let unknown = PolicyType::Unknown("x".into());
            let kinds = [&PolicyType::Sts, &PolicyType::Tlsa, &PolicyType::NoPolicyFound, &unknown];
            let sessions = count(rows.iter().map(|&(kind, successful, failed, detailed)| Row {
                policy_type: kinds[usize::from(kind)], domain: "x", successful, failed, detailed,
            }));
            for domain in sessions {
                prop_assert!(domain.successful.low <= domain.successful.high);
                prop_assert!(domain.failed.low <= domain.failed.high);
            }
        }
    }
}
