//! The alerts that stand.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Alert, Feed, News, Rule};
use crate::facts::UnixTime;
use crate::feed::Teller;

/// Alerts that stand at once. Beyond, further ones are counted only: strangers' domains make them.
const STANDING: usize = 10_000;

/// The alerts that stand, each once.
#[derive(Debug, Default)]
pub struct Board {
    standing: Mutex<BTreeMap<(Rule, String), Alert>>,
    uncounted: AtomicU64,
    teller: Teller<News>,
}

impl Board {
    /// The condition holds. Told only if it is new.
    pub fn raise(&self, rule: Rule, subject: &str, now: UnixTime, text: String) {
        let mut standing = self.lock();
        if let Some(alert) = standing.get_mut(&(rule, subject.to_owned())) {
            alert.text = text;
            return;
        }
        if standing.len() >= STANDING {
            self.uncounted.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let alert = Alert { rule, subject: subject.to_owned(), since: now, text };
        standing.insert((rule, subject.to_owned()), alert.clone());
        // Within the lock: what is told keeps the order of what happened.
        self.teller.tell(&News::Raised(alert));
    }

    /// The condition holds no longer. Nothing happens if it did not.
    pub fn resolve(&self, rule: Rule, subject: &str, now: UnixTime, text: &str) {
        let mut standing = self.lock();
        if let Some(alert) = standing.remove(&(rule, subject.to_owned())) {
            self.teller.tell(&News::Resolved { alert, at: now, text: text.to_owned() });
        }
    }

    /// Those that stand, by rule and subject.
    #[must_use]
    pub fn standing(&self) -> Vec<Alert> {
        self.lock().values().cloned().collect()
    }

    /// How often an alert found no room.
    #[must_use]
    pub fn without_room(&self) -> u64 {
        self.uncounted.load(Ordering::Relaxed)
    }

    /// What is raised and resolved from now on.
    #[must_use]
    pub fn listen(&self) -> Feed<News> {
        self.teller.listen()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Rule, String), Alert>> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Heard;

    /// Proves: C6
    #[test]
    fn a_condition_is_told_when_it_begins_and_when_it_is_over_and_not_between() {
        let board = Board::default();
        let mut feed = board.listen();
        let rule = Rule::PolicyRefreshFailing;
        board.resolve(rule, "a.test", 1, "nothing was wrong");
        board.raise(rule, "a.test", 2, "twice".to_owned());
        board.raise(rule, "a.test", 3, "thrice".to_owned());
        assert_eq!(board.standing()[0].text, "thrice");
        board.resolve(rule, "a.test", 4, "fetched");
        board.resolve(rule, "a.test", 5, "fetched");
        assert!(board.standing().is_empty());
        let raised = Alert { rule, subject: "a.test".to_owned(), since: 2, text: "twice".to_owned() };
        assert_eq!(feed.try_next(), Some(Heard::News(News::Raised(raised.clone()))));
        let alert = Alert { text: "thrice".to_owned(), ..raised };
        let resolved = News::Resolved { alert, at: 4, text: "fetched".to_owned() };
        assert_eq!(feed.try_next(), Some(Heard::News(resolved)));
        assert_eq!(feed.try_next(), None);
    }
}
