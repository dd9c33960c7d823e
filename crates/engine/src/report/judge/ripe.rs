//! Where a stretch of the journal may end, so that sessions and the lines about them are not torn apart.
//!
//! A datagram comes at once, and the line about the same session when the log is looked at next. A stretch that ends
//! between the two leaves that session unjudged, and the line is over in the next one: never wrong, only less. So it
//! ends where every domain in question has had as many lines as datagrams. Where that moment does not come (lines
//! are lost, or mail to one domain never pauses), it ends a bounded time later, at the least uneven place.

use std::collections::BTreeMap;

use mta_sts::policy::Mode;
use tls_rpt::PolicyType;

use super::verdict::quoted_mode;
use super::{Told, What};
use crate::facts::UnixTime;
use crate::ports::MtaLogEvent;

/// Records of one stretch; more are not waited for.
pub const MAX_STRETCH: usize = 4_096;
/// What is younger is not judged yet: its line is on the way.
const SETTLED_SECONDS: i64 = 5;
/// By this age the line has come, or will not.
const LATE_SECONDS: i64 = 60;
/// What is older waits for no even place.
const OVERDUE_SECONDS: i64 = 120;

/// How many of the records, from the first on, may be judged now; 0: wait. `follows_log`: whether there is a log at all.
#[must_use]
pub fn ripe(told: &[Told], now: UnixTime, follows_log: bool) -> usize {
    let domains = in_question(told);
    if !follows_log || domains.is_empty() {
        return told.len();
    }
    let uneven = unevenness(told, domains);
    // The clock may have been set back: what is of the future is settled.
    let age = |record: &Told| if record.at > now { i64::MAX } else { now - record.at };
    let is_full = told.len() >= MAX_STRETCH;
    let settled = if is_full { 0 } else { SETTLED_SECONDS };
    let even = (1..=told.len()).rev().find(|end| uneven[end - 1] == 0 && age(&told[end - 1]) >= settled);
    if let Some(end) = even.filter(|_| !is_full) {
        return end;
    }
    let ends = || 1..=told.len();
    let least = |from: usize, to: usize| {
        // Of equal places the last.
        ends().filter(|end| (from..=to).contains(end)).min_by_key(|end| (uneven[end - 1], told.len() - end))
    };
    if is_full {
        return least(told.len() / 2, told.len()).unwrap_or(told.len());
    }
    if told.first().is_none_or(|first| age(first) < OVERDUE_SECONDS) {
        return 0;
    }
    let late = ends().rev().find(|end| age(&told[end - 1]) >= LATE_SECONDS).unwrap_or(0);
    let overdue = ends().find(|end| age(&told[end - 1]) < OVERDUE_SECONDS).unwrap_or(late);
    least(overdue.min(late), late).unwrap_or(late)
}

/// Domains with a session that its datagram does not judge.
fn in_question(told: &[Told]) -> BTreeMap<&str, i64> {
    let mut domains = BTreeMap::new();
    for one in told {
        let What::Datagram(event) = &one.what else { continue };
        let is_open = event.policies.iter().any(|policy| {
            !policy.failed
                && policy.policy_type == PolicyType::Sts
                && quoted_mode(policy) != Some(Mode::Enforce)
        });
        if is_open {
            domains.insert(event.domain.as_str(), 0);
        }
    }
    domains
}

/// For each record, how many sessions would be torn from their lines if the stretch ended behind it.
fn unevenness(told: &[Told], mut balance: BTreeMap<&str, i64>) -> Vec<u64> {
    let mut sum = 0_u64;
    let each = told.iter().map(|one| {
        let change = match &one.what {
            What::Datagram(event) if event.policies.iter().all(|policy| !policy.failed) => {
                Some((event.domain.as_str(), 1))
            }
            What::Log(MtaLogEvent::Session(line)) if !line.failed => Some((line.domain.as_str(), -1)),
            _ => None,
        };
        if let Some((domain, step)) = change
            && let Some(count) = balance.get_mut(domain)
        {
            let before = count.unsigned_abs();
            *count += step;
            sum = sum + count.unsigned_abs() - before;
        }
        sum
    });
    each.collect()
}
