//! A limit on answers over UDP: whoever asks there may have written somebody else's address on the question, and our
//! answers would hit him.
//!
//! Counted by network (/24 of IPv4, /56 of IPv6): equal answers, and all of them. Over the limit every second answer is
//! cut to "ask over TCP", which is no longer than the question and which an honest resolver follows; the others are not
//! sent. Questions over TCP are not counted. The table has a fixed size; who falls out of it starts anew.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::answer::Outcome;

const SHARDS: usize = 64;
/// Entries that one key may be in.
const WAYS: usize = 4;

/// What to do with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes out.
    Send,
    /// In its place goes one that says "ask over TCP".
    Truncate,
    /// Nothing is sent.
    Drop,
}

/// Answers a second to one network.
#[derive(Debug, Clone)]
pub struct RateLimit {
    /// With the same records.
    pub equal: u32,
    /// That say that something is absent, whatever it is.
    pub absent: u32,
    /// That refuse the question.
    pub refused: u32,
    /// Of all kinds.
    pub all: u32,
    /// So many seconds' worth may come at once.
    pub burst: u32,
    /// Of the answers over the limit, one in so many is cut instead of not sent. 0: none.
    pub slip: u8,
    /// Entries of the table; each takes 24 bytes.
    pub entries: usize,
}

impl Default for RateLimit {
    fn default() -> Self {
        Self { equal: 20, absent: 100, refused: 20, all: 400, burst: 5, slip: 2, entries: 1 << 17 }
    }
}

/// The table.
pub struct Rate {
    limit: RateLimit,
    seed: u64,
    start: Instant,
    shards: Vec<Mutex<Box<[[Entry; WAYS]]>>>,
}

#[derive(Clone, Copy, Default)]
struct Entry {
    /// 0: free.
    tag: u64,
    /// When, in microseconds since the start, all that was sent is paid off.
    paid_at: u64,
    /// Answers over the limit so far.
    over: u8,
}

impl Rate {
    /// A table. `seed` is random, so that nobody knows who shares an entry with whom.
    #[must_use]
    pub fn new(limit: RateLimit, seed: u64, now: Instant) -> Self {
        let sets = (limit.entries / SHARDS / WAYS).max(1);
        let shard = || Mutex::new(vec![[Entry::default(); WAYS]; sets].into_boxed_slice());
        Self { limit, seed, start: now, shards: (0..SHARDS).map(|_| shard()).collect() }
    }

    /// Counts an answer, and says whether it goes out.
    pub fn count(&self, to: IpAddr, outcome: Outcome, now: Instant) -> Verdict {
        let network = network(to);
        let (kind, per_second) = match outcome {
            Outcome::Answer(which) => ((1_u8, which), self.limit.equal),
            Outcome::NoData | Outcome::NoName => ((2, 0), self.limit.absent),
            Outcome::Refused | Outcome::Malformed | Outcome::Failed => ((3, 0), self.limit.refused),
        };
        let equal = self.take((network, kind), per_second, now);
        if equal != Verdict::Send {
            return equal;
        }
        self.take((network, (0, 0)), self.limit.all, now)
    }

    /// A leaky bucket with one number (GCRA).
    fn take(&self, key: ((u8, u64), (u8, u32)), per_second: u32, now: Instant) -> Verdict {
        let now = micros(now.saturating_duration_since(self.start));
        let mut hasher = DefaultHasher::new();
        (self.seed, key).hash(&mut hasher);
        let hash = hasher.finish();
        let tag = hash.max(1);
        let mut shard =
            self.shards[(hash >> 58) as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner);
        let sets = shard.len() as u64;
        let set = &mut shard[(hash % sets) as usize];
        let at = set.iter().position(|entry| entry.tag == tag).unwrap_or_else(|| {
            // In the place of whoever owes least.
            let at = (0..WAYS).min_by_key(|at| set[*at].paid_at).unwrap_or_default();
            set[at] = Entry { tag, paid_at: now, over: 0 };
            at
        });
        let entry = &mut set[at];
        let each = 1_000_000 / u64::from(per_second.max(1));
        let paid_at = entry.paid_at.max(now) + each;
        if paid_at <= now + each * u64::from(per_second.max(1)) * u64::from(self.limit.burst.max(1)) {
            (entry.paid_at, entry.over) = (paid_at, 0);
            return Verdict::Send;
        }
        entry.over = entry.over.wrapping_add(1);
        match self.limit.slip {
            0 => Verdict::Drop,
            slip if entry.over.is_multiple_of(slip) => Verdict::Truncate,
            _ => Verdict::Drop,
        }
    }
}

/// Family, and the leading bits of the address.
pub(super) fn network(address: IpAddr) -> (u8, u64) {
    match address.to_canonical() {
        IpAddr::V4(address) => (4, u64::from(u32::from(address) >> 8)),
        IpAddr::V6(address) => (6, (u128::from(address) >> 72) as u64),
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "one instant to count from")]
mod tests {
    use super::*;

    fn tally(rate: &Rate, to: &str, outcome: Outcome, times: u32, now: Instant) -> [u32; 3] {
        let mut tally = [0; 3];
        for _ in 0..times {
            tally[rate.count(to.parse().unwrap(), outcome, now) as usize] += 1;
        }
        tally
    }

    #[test]
    fn over_the_limit_every_second_answer_says_ask_over_tcp_and_the_others_are_not_sent() {
        let start = Instant::now();
        let rate = Rate::new(RateLimit::default(), 7, start);
        assert_eq!(tally(&rate, "192.0.2.1", Outcome::Answer(1), 300, start), [100, 100, 100]);
        // Its neighbour is as far, others are not; nor is another answer.
        assert_eq!(tally(&rate, "192.0.2.200", Outcome::Answer(1), 2, start), [0, 1, 1]);
        assert_eq!(tally(&rate, "192.0.3.1", Outcome::Answer(1), 100, start), [100, 0, 0]);
        assert_eq!(tally(&rate, "192.0.2.1", Outcome::Answer(2), 100, start), [100, 0, 0]);
        // A second later as much as a second brings.
        let later = start + Duration::from_secs(1);
        assert_eq!(tally(&rate, "192.0.2.1", Outcome::Answer(1), 40, later), [20, 10, 10]);
    }

    #[test]
    fn answers_of_all_kinds_together_are_limited_too() {
        let start = Instant::now();
        let rate = Rate::new(RateLimit { all: 50, ..RateLimit::default() }, 7, start);
        let sent: u32 = (0..1000).map(|n| tally(&rate, "2001:db8::1", Outcome::Answer(n), 1, start)[0]).sum();
        assert_eq!(sent, 250);
        assert_eq!(tally(&rate, "2001:db8:0:ff::9", Outcome::NoName, 2, start)[0], 0, "the same /56");
        assert_eq!(tally(&rate, "2001:db8:0:100::9", Outcome::NoName, 2, start)[0], 2, "another /56");
    }

    #[test]
    fn an_ipv4_address_is_the_same_on_a_socket_of_both_families() {
        let start = Instant::now();
        let rate = Rate::new(RateLimit::default(), 7, start);
        assert_eq!(tally(&rate, "192.0.2.1", Outcome::Refused, 100, start)[0], 100);
        assert_eq!(tally(&rate, "::ffff:192.0.2.9", Outcome::Refused, 10, start)[0], 0);
    }

    #[test]
    fn the_table_stays_as_large_as_it_is_and_a_flood_of_networks_frees_nobody_who_owes() {
        let start = Instant::now();
        let rate = Rate::new(RateLimit { entries: 256, ..RateLimit::default() }, 7, start);
        let size = || rate.shards.iter().map(|shard| shard.lock().unwrap().len() * WAYS).sum::<usize>();
        assert_eq!(size(), 256);
        tally(&rate, "192.0.2.1", Outcome::Answer(1), 1000, start);
        for n in 0..10_000_u32 {
            rate.count(IpAddr::from(((10 << 24) + (n << 8)).to_be_bytes()), Outcome::Answer(1), start);
        }
        assert_eq!(size(), 256);
        assert_eq!(tally(&rate, "192.0.2.1", Outcome::Answer(1), 2, start)[0], 0);
    }
}
