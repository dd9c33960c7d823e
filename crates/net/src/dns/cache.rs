//! What was learned, for as long as it may be kept and in bounded number.
//!
//! Two generations: new entries go into the young one; when it is full it becomes the old one, and what was in the
//! old one is forgotten, unless it was asked for meanwhile. So an entry costs no list of uses, and a flood of names
//! forgets half at most. An ordered map, because its worst case is its usual case: strangers choose the names.

use std::collections::BTreeMap;

use tokio::time::{Duration, Instant};

/// A name as text, and a record type.
pub(super) type Key = (String, u16);

/// Entries with an end.
pub(super) struct Kept<V> {
    young: BTreeMap<Key, Entry<V>>,
    old: BTreeMap<Key, Entry<V>>,
    half: usize,
}

struct Entry<V> {
    value: V,
    since: Instant,
    until: Instant,
}

impl<V: Clone> Kept<V> {
    /// Room for `entries`.
    pub(super) fn new(entries: usize) -> Self {
        Self { young: BTreeMap::new(), old: BTreeMap::new(), half: (entries / 2).max(1) }
    }

    /// What is kept, and for how many seconds it has been.
    pub(super) fn get(&mut self, key: &Key, now: Instant) -> Option<(V, u32)> {
        if let Some(entry) = self.old.remove(key) {
            self.put(key.clone(), entry);
        }
        let entry = self.young.get(key)?;
        if entry.until <= now {
            self.young.remove(key);
            return None;
        }
        let seconds = now.duration_since(entry.since).as_secs();
        Some((entry.value.clone(), u32::try_from(seconds).unwrap_or(u32::MAX)))
    }

    /// Keeps for some seconds; for none, not at all.
    pub(super) fn insert(&mut self, key: Key, value: V, now: Instant, seconds: u32) {
        if seconds > 0 {
            let until = now + Duration::from_secs(u64::from(seconds));
            self.old.remove(&key);
            self.put(key, Entry { value, since: now, until });
        }
    }

    /// Forgets one.
    pub(super) fn remove(&mut self, key: &Key) {
        self.young.remove(key);
        self.old.remove(key);
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }

    fn put(&mut self, key: Key, entry: Entry<V>) {
        if self.young.len() >= self.half && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, entry);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Duration, Instant, advance};

    use super::{Kept, Key};

    fn key(number: usize) -> Key {
        (format!("n{number}.example"), 1)
    }

    #[tokio::test(start_paused = true)]
    async fn an_entry_ends_with_its_time_and_tells_its_age() {
        let mut kept = Kept::new(10);
        kept.insert(key(1), 'a', Instant::now(), 60);
        kept.insert(key(2), 'b', Instant::now(), 0);
        assert_eq!(kept.get(&key(2), Instant::now()), None, "a TTL of 0 is not kept");
        advance(Duration::from_secs(59)).await;
        assert_eq!(kept.get(&key(1), Instant::now()), Some(('a', 59)));
        advance(Duration::from_secs(1)).await;
        assert_eq!(kept.get(&key(1), Instant::now()), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_is_bounded_and_what_is_asked_for_stays() {
        let now = Instant::now();
        let mut kept = Kept::new(100);
        kept.insert(key(0), 0, now, 60);
        for number in 1..10_000 {
            kept.insert(key(number), number, now, 60);
            assert!(kept.young.len() + kept.old.len() <= 100);
            if number % 20 == 0 {
                assert_eq!(kept.get(&key(0), now), Some((0, 0)), "after {number}");
            }
        }
        assert_eq!(kept.get(&key(1), now), None);
        kept.clear();
        assert_eq!(kept.get(&key(0), now), None);
    }
}
