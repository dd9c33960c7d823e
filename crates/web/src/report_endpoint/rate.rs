//! How many requests one source may make: a token bucket each, in a table of bounded size.
//!
//! A bucket is one number, the moment at which it will be full again (the generic cell rate algorithm). One that is full
//! carries no knowledge and is forgotten when room is needed. When the table is full of sources that are all busy,
//! newcomers share one bucket: an attacker with very many addresses then crowds out other newcomers, and nobody else.
//! Time is an argument: the time since any fixed moment.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::source::Source;

/// The buckets of all sources.
#[derive(Debug)]
pub(super) struct Buckets {
    /// When each bucket will be full again.
    full_at: BTreeMap<Source, Duration>,
    newcomers_full_at: Duration,
    /// What one request takes, as time to refill.
    price: Duration,
    /// A whole bucket, as time to refill.
    depth: Duration,
    most: usize,
    swept_at: Option<Duration>,
}

/// The table is swept at most this often, so that sweeping stays cheap while it is full.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

impl Buckets {
    /// `rate` requests a second in the long run, `burst` at once, for at most `most` sources told apart.
    pub(super) fn new(rate: u32, burst: u32, most: usize) -> Self {
        let price = Duration::from_secs(1) / rate.max(1);
        Self {
            full_at: BTreeMap::new(),
            newcomers_full_at: Duration::ZERO,
            price,
            depth: price * burst.max(1),
            most,
            swept_at: None,
        }
    }

    /// Takes one request out of the bucket of `source`; if it is empty, says how long until it is not.
    pub(super) fn take(&mut self, source: Source, now: Duration) -> Result<(), Duration> {
        if !self.full_at.contains_key(&source) && self.full_at.len() >= self.most {
            self.sweep(now);
        }
        let has_room = self.full_at.len() < self.most;
        let full_at = match self.full_at.get_mut(&source) {
            Some(full_at) => full_at,
            None if has_room => self.full_at.entry(source).or_insert(now),
            None => &mut self.newcomers_full_at,
        };
        let after = (*full_at).max(now) + self.price;
        let missing = after.saturating_sub(now).saturating_sub(self.depth);
        if missing.is_zero() {
            *full_at = after;
            return Ok(());
        }
        Err(missing)
    }

    fn sweep(&mut self, now: Duration) {
        if self.swept_at.is_some_and(|swept_at| now.saturating_sub(swept_at) < SWEEP_EVERY) {
            return;
        }
        self.swept_at = Some(now);
        self.full_at.retain(|_, full_at| *full_at > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(last: u8) -> Source {
        Source::of(std::net::IpAddr::from([192, 0, 2, last]))
    }

    /// Proves: R8
    #[test]
    fn a_source_gets_its_burst_then_its_rate_and_is_told_when_to_come_back() {
        let mut buckets = Buckets::new(50, 500, 8);
        let start = Duration::from_secs(1000);
        for _ in 0..500 {
            assert_eq!(buckets.take(source(1), start), Ok(()));
        }
        assert_eq!(buckets.take(source(1), start), Err(Duration::from_millis(20)));
        assert_eq!(buckets.take(source(2), start), Ok(()));
        let later = start + Duration::from_secs(1);
        let admitted = (0..200).filter(|_| buckets.take(source(1), later).is_ok()).count();
        assert_eq!(admitted, 50);
        let much_later = start + Duration::from_secs(60);
        let admitted = (0..600).filter(|_| buckets.take(source(1), much_later).is_ok()).count();
        assert_eq!(admitted, 500);
    }

    #[test]
    fn a_full_table_forgets_the_quiet_and_lets_newcomers_share() {
        let mut buckets = Buckets::new(1, 2, 2);
        let start = Duration::from_secs(10);
        for last in [1, 2] {
            assert!(buckets.take(source(last), start).is_ok());
        }
        // Both are busy: 3 and 4 share one bucket of two.
        assert!(buckets.take(source(3), start).is_ok());
        assert!(buckets.take(source(4), start).is_ok());
        assert!(buckets.take(source(5), start).is_err());
        assert_eq!(buckets.full_at.len(), 2);
        // Later both are full again and make room.
        let later = start + Duration::from_secs(5);
        assert!(buckets.take(source(5), later).is_ok());
        assert_eq!(buckets.full_at.len(), 1);
    }
}
