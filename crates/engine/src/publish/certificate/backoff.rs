//! When a name is tried again after failures, by which authority, and when the owner must know.
//!
//! While the old certificate serves, nothing is lost by patience: an authority that is down is asked again within minutes
//! first and within hours then, for as many days as it takes.

use super::failure::{FailureKind, IssueFailure};
use crate::facts::UnixTime;
use crate::ports::certificates::{CertificateLine, KeptAttempts};

const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;

/// After so many failures in a row with the first authority the second one is asked …
const BEFORE_SECOND: u32 = 3;
/// … and of later attempts each so manieth goes to the first again.
const FIRST_AGAIN: u32 = 4;

/// The wait after the first failure of a kind, and the longest.
fn waits(kind: FailureKind) -> (i64, i64) {
    match kind {
        FailureKind::AuthorityDown => (MINUTE, 6 * HOUR),
        FailureKind::RateLimited => (HOUR, DAY),
        // Only we have looked: it costs nothing at the authority, and the owner may be at it.
        FailureKind::Address | FailureKind::Caa => (2 * MINUTE, HOUR),
        // Each costs one of five failures an hour.
        FailureKind::Dns | FailureKind::Connection | FailureKind::WrongAnswer => (15 * MINUTE, DAY),
        FailureKind::Record => (5 * MINUTE, 6 * HOUR),
        FailureKind::NoChallenge | FailureKind::Rejected | FailureKind::Account | FailureKind::Unusable => {
            (HOUR, DAY)
        }
        FailureKind::OrderLost => (MINUTE, HOUR),
        FailureKind::Store => (MINUTE, HOUR),
    }
}

/// Waits of an authority that are believed, at most: longer ones are asked about again.
const LONGEST_RETRY_AFTER: i64 = 7 * DAY;

/// What is kept after a failure. `with_first`: the first authority was asked. `roll` is random.
#[must_use]
pub fn failed(
    before: Option<&KeptAttempts>,
    name: &str,
    failure: &IssueFailure,
    with_first: bool,
    now: UnixTime,
    roll: u64,
) -> KeptAttempts {
    let failures = before.map_or(0, |before| before.failures).saturating_add(1);
    let (least, most) = waits(failure.kind);
    // Of another kind than before: it begins anew, since something has changed.
    let same = before.is_some_and(|before| before.kind == failure.kind.as_wire());
    let doublings = if same { failures.saturating_sub(1).min(16) } else { 0 };
    let wait = least.saturating_mul(1 << doublings).min(most);
    // Up to a quarter more, so that many names that failed together do not come back together.
    let jitter = i64::try_from((u128::from(roll) * u128::from(wait.unsigned_abs() / 4)) >> 64).unwrap_or(0);
    let said = failure.retry_after.map_or(0, |at| at.from(now).min(now.saturating_add(LONGEST_RETRY_AFTER)));
    let next_at = now.saturating_add(wait).max(said).saturating_add(jitter);
    let in_the_way = with_first && failure.kind.is_of_the_authority();
    KeptAttempts {
        name: name.to_owned(),
        failures,
        with_first: before.map_or(0, |before| before.with_first).saturating_add(u32::from(in_the_way)),
        since: before.map_or(now, |before| before.since),
        last_at: now,
        next_at,
        kind: failure.kind.as_wire().to_owned(),
        text: failure.to_string(),
    }
}

/// Which authority is asked next, of `count` in order of preference.
#[must_use]
pub fn authority(attempts: Option<&KeptAttempts>, count: usize) -> usize {
    let Some(attempts) = attempts.filter(|attempts| count > 1 && attempts.with_first >= BEFORE_SECOND) else {
        return 0;
    };
    let later = attempts.failures.saturating_sub(BEFORE_SECOND);
    if later % FIRST_AGAIN == FIRST_AGAIN - 1 {
        return 0;
    }
    // The others by turns.
    1 + usize::try_from(later / FIRST_AGAIN).unwrap_or(0) % (count - 1)
}

/// What the owner must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Concern {
    /// It has run out: senders cannot fetch the policy.
    Expired,
    /// It could not be renewed, and time runs out.
    Expiring,
    /// It has been failing for a day, or there was never one for so long.
    Failing,
}

/// What the owner must know of a name now, if anything.
#[must_use]
pub fn concern(
    line: Option<&CertificateLine>,
    attempts: Option<&KeptAttempts>,
    now: UnixTime,
) -> Option<Concern> {
    if let Some(line) = line.filter(|line| line.has_key) {
        let lifetime = line.not_after.saturating_sub(line.not_before);
        let left = line.not_after.saturating_sub(now);
        if left <= 0 {
            return Some(Concern::Expired);
        }
        if attempts.is_some() && left < (14 * DAY).min(lifetime / 3) {
            return Some(Concern::Expiring);
        }
    }
    let failing = attempts.is_some_and(|attempts| now.saturating_sub(attempts.since) >= DAY);
    failing.then_some(Concern::Failing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::certificates::RetryAfter;
    use std::time::Duration;

    fn after(kinds: &[FailureKind]) -> KeptAttempts {
        let mut attempts: Option<KeptAttempts> = None;
        for kind in kinds {
            let now = attempts.as_ref().map_or(0, |before| before.next_at);
            attempts =
                Some(failed(attempts.as_ref(), "a.test", &IssueFailure::new(*kind, "no"), true, now, 0));
        }
        attempts.unwrap()
    }

    /// Proves: K7
    #[test]
    fn an_authority_that_is_down_for_days_is_asked_within_minutes_then_hours_and_not_forgotten() {
        let mut attempts = None;
        let mut waits = Vec::new();
        let mut now = 0;
        while now < 5 * DAY {
            let failure = IssueFailure::new(FailureKind::AuthorityDown, "no");
            let next = failed(attempts.as_ref(), "a.test", &failure, true, now, u64::MAX / 2);
            waits.push(next.next_at - now);
            now = next.next_at;
            attempts = Some(next);
        }
        assert!(waits[0] < 2 * MINUTE, "{waits:?}");
        assert!(waits.is_sorted() && *waits.last().unwrap() < 8 * HOUR, "{waits:?}");
        assert!((20..40).contains(&waits.len()), "{waits:?}");
        assert_eq!(attempts.unwrap().since, 0);
    }

    /// Proves: K7
    #[test]
    fn what_the_authority_says_about_later_is_kept_to_within_reason() {
        let limited = |retry_after| {
            let failure = IssueFailure {
                retry_after: Some(retry_after),
                ..IssueFailure::new(FailureKind::RateLimited, "no")
            };
            failed(None, "a.test", &failure, true, 1_000, 0).next_at
        };
        assert_eq!(limited(RetryAfter::In(Duration::from_secs(5 * 3_600))), 1_000 + 5 * HOUR);
        assert_eq!(limited(RetryAfter::At(1_000 + 2 * DAY)), 1_000 + 2 * DAY);
        assert_eq!(limited(RetryAfter::At(0)), 1_000 + HOUR, "never sooner than by ourselves");
        assert_eq!(limited(RetryAfter::In(Duration::MAX)), 1_000 + 7 * DAY);
    }

    #[test]
    fn failed_validations_stay_below_the_five_an_hour_that_there_are() {
        let attempts = after(&[FailureKind::WrongAnswer; 4]);
        assert!(attempts.last_at > HOUR, "four take {} s", attempts.last_at);
    }

    #[test]
    fn another_kind_of_failure_begins_anew() {
        let attempts = after(&[FailureKind::AuthorityDown, FailureKind::AuthorityDown, FailureKind::Address]);
        assert_eq!((attempts.failures, attempts.next_at - attempts.last_at), (3, 2 * MINUTE));
    }

    /// Proves: K7
    #[test]
    fn after_repeated_failures_of_the_first_authority_the_second_is_asked_and_the_first_not_forgotten() {
        let down = |times| after(&vec![FailureKind::AuthorityDown; times]);
        let asked: Vec<usize> = (1..=12).map(|times| authority(Some(&down(times)), 2)).collect();
        assert_eq!(asked, [0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 1, 1]);
        assert_eq!(authority(Some(&down(9)), 1), 0, "there is no second");
        assert_eq!(authority(None, 2), 0);
        let ours = after(&[FailureKind::WrongAnswer; 9]);
        assert_eq!(authority(Some(&ours), 2), 0, "another authority would find the same");
    }

    #[test]
    fn the_owner_hears_of_what_lasts_or_is_near_its_end() {
        let line = |lifetime: i64| CertificateLine {
            name: "a.test".to_owned(),
            directory: String::new(),
            not_before: 0,
            not_after: lifetime,
            issued_at: 0,
            ari_id: None,
            renewal: None,
            has_key: true,
        };
        let attempts = |since| KeptAttempts { since, ..after(&[FailureKind::AuthorityDown]) };
        let (long, short) = (line(90 * DAY), line(6 * DAY));
        assert_eq!(concern(Some(&long), None, 89 * DAY), None, "nothing failed");
        assert_eq!(concern(Some(&long), Some(&attempts(60 * DAY)), 60 * DAY + HOUR), None);
        assert_eq!(concern(Some(&long), Some(&attempts(60 * DAY)), 61 * DAY), Some(Concern::Failing));
        assert_eq!(concern(Some(&long), Some(&attempts(60 * DAY)), 77 * DAY), Some(Concern::Expiring));
        assert_eq!(concern(Some(&short), Some(&attempts(4 * DAY)), 4 * DAY + HOUR), Some(Concern::Expiring));
        assert_eq!(concern(Some(&short), None, 6 * DAY), Some(Concern::Expired));
        assert_eq!(concern(None, Some(&attempts(0)), HOUR), None);
        assert_eq!(concern(None, Some(&attempts(0)), DAY), Some(Concern::Failing));
    }
}
