//! The heaviest entries of a stream of unknown length, in bounded memory.
//!
//! A forged report may name a million MX hosts. An exact table of them would be as large as the report; a page shows
//! the first few. The table keeps twice its bound and then lets go of the lighter half, so an entry can lose some of
//! its weight only where there are more different ones than any honest sender has.

use std::borrow::Borrow;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// What entries are ranked by.
pub(crate) trait Weight {
    /// Heavier stays longer and stands first.
    fn weight(&self) -> u64;
}

impl Weight for u64 {
    fn weight(&self) -> u64 {
        *self
    }
}

/// A table of the heaviest.
#[derive(Debug)]
pub(crate) struct Top<K, V> {
    entries: BTreeMap<K, V>,
    bound: usize,
}

impl<K: Ord, V: Weight + Default> Top<K, V> {
    pub(crate) fn new(bound: usize) -> Self {
        Self { entries: BTreeMap::new(), bound }
    }

    /// The entry of `key`, made if it is not there.
    pub(crate) fn at<Q>(&mut self, key: &Q) -> &mut V
    where
        K: Borrow<Q>,
        Q: Ord + ToOwned<Owned = K> + ?Sized,
    {
        if !self.entries.contains_key(key) && self.entries.len() >= self.bound.saturating_mul(2) {
            self.prune();
        }
        self.entries.entry(key.to_owned()).or_default()
    }

    fn prune(&mut self) {
        let mut weights: Vec<u64> = self.entries.values().map(Weight::weight).collect();
        let keep = self.bound.min(weights.len().saturating_sub(1));
        let (_, bar, _) = weights.select_nth_unstable_by_key(keep, |weight| Reverse(*weight));
        let bar = *bar;
        let mut left = self.bound;
        self.entries.retain(|_, value| {
            let stays = left > 0 && value.weight() > bar;
            left -= usize::from(stays);
            stays
        });
    }

    /// The heaviest `count`, heaviest first; of equal ones in the order of their keys.
    pub(crate) fn ranked(self, count: usize) -> Vec<(K, V)> {
        let mut all: Vec<(K, V)> = self.entries.into_iter().collect();
        all.sort_by_key(|(_, value)| Reverse(value.weight()));
        all.truncate(count);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heaviest_survive_any_number_of_light_ones() {
        let mut top: Top<String, u64> = Top::new(4);
        for round in 0..1000u64 {
            *top.at("heavy") += 10;
            *top.at(format!("light {round}").as_str()) += 1;
        }
        let ranked = top.ranked(10);
        assert_eq!(ranked.first().map(|(key, weight)| (key.as_str(), *weight)), Some(("heavy", 10_000)));
        assert!(ranked.len() <= 8);
    }

    #[test]
    fn equal_weights_stand_in_the_order_of_their_keys() {
        let mut top: Top<String, u64> = Top::new(8);
        for key in ["b", "c", "a"] {
            *top.at(key) += 1;
        }
        let keys: Vec<String> = top.ranked(2).into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["a", "b"]);
    }
}
