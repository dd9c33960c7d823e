//! How an authority does, over all names: of one that is down not every name has to find out by itself.

use super::super::failure::FailureKind;
use crate::facts::UnixTime;

const MINUTE: i64 = 60;
/// So many failures in a row make it down: then one name at a time is tried with it, in intervals.
const DOWN: u32 = 3;
/// So many, and names go to the next authority, if there is one.
const GIVEN_UP: u32 = 6;
const LONGEST: i64 = 30 * MINUTE;

/// How one authority does.
#[derive(Debug, Clone, Default)]
pub(super) struct Health {
    /// Failures in a row that are the authority's own.
    row: u32,
    /// Nothing is tried before.
    until: UnixTime,
    /// Its limit for our account is used up until then; what does not count towards it goes on.
    paused_until: UnixTime,
    /// Names that are under way with it.
    pub(super) running: usize,
}

impl Health {
    /// It answered, whatever it said.
    pub(super) fn answered(&mut self) {
        self.row = 0;
    }

    /// A name failed with it.
    pub(super) fn failed(&mut self, kind: Option<FailureKind>, now: UnixTime) {
        if kind != Some(FailureKind::AuthorityDown) {
            // What we did not ask it says nothing of it; all else is an answer.
            if !matches!(kind, Some(FailureKind::Address | FailureKind::Store)) {
                self.answered();
            }
            return;
        }
        self.row = self.row.saturating_add(1);
        if self.row >= DOWN {
            let wait = MINUTE.saturating_mul(1 << (self.row - DOWN).min(10)).min(LONGEST);
            self.until = self.until.max(now.saturating_add(wait));
        }
    }

    /// Its limit for our account is used up until then.
    pub(super) fn pause(&mut self, until: UnixTime) {
        self.paused_until = self.paused_until.max(until);
    }

    /// Whether another authority should be asked in its place.
    pub(super) fn is_given_up(&self) -> bool {
        self.row >= GIVEN_UP
    }

    /// When a name may be tried with it; `None`: when another one is done. `is_exempt`: it does not count.
    pub(super) fn free_at(&self, is_exempt: bool, now: UnixTime) -> Option<UnixTime> {
        let until = if is_exempt { self.until } else { self.until.max(self.paused_until) };
        if until > now {
            return Some(until);
        }
        (self.row < DOWN || self.running == 0).then_some(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_authority_that_is_down_one_name_at_a_time_finds_out() {
        let mut health = Health::default();
        for now in 0..2 {
            health.failed(Some(FailureKind::AuthorityDown), now);
            assert_eq!(health.free_at(false, now), Some(now));
        }
        health.failed(Some(FailureKind::AuthorityDown), 2);
        assert_eq!(health.free_at(false, 2), Some(62));
        health.running = 1;
        assert_eq!(health.free_at(false, 62), None);
        for now in 0..20 {
            health.failed(Some(FailureKind::AuthorityDown), 100 + now);
        }
        assert!(health.is_given_up());
        assert_eq!(health.free_at(false, 119), Some(119 + LONGEST));
        health.failed(Some(FailureKind::WrongAnswer), 5_000);
        assert_eq!(health.free_at(false, 5_000), Some(5_000), "it answers again");
        health.running = 0;
        health.pause(9_000);
        assert_eq!(health.free_at(false, 5_000), Some(9_000));
        assert_eq!(health.free_at(true, 5_000), Some(5_000), "what does not count goes on");
    }
}
