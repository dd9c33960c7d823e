//! Answers as they go on the wire, by the key that the mail server asks with: what almost every question ends at.
//!
//! Read synchronously, by one look into one shard. An answer is dropped when its time is over, when its domain's answer
//! changed, and where there is no room; then it is rendered again. Bounded in number and in bytes, whatever is asked.
//!
//! Keys are kept as they were asked, if the domain stands in them as it is: then everything that is kept of a domain is
//! in one shard, under a few beginnings, and is found again without a list of it. Other spellings are rendered each time.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use mta_sts::policy_domain::PolicyDomain;
use tlsward_engine::facts::UnixTime;
use tlsward_mta::socketmap::{Dialect, Encoded};

use super::outcome::Outcome;

/// So that questions seldom wait for one another.
const SHARDS: usize = 32;
/// Keys with more than this are not kept: a name has 253 bytes, and brackets and a port stand around it.
const LONGEST_KEY: usize = 320;

/// The bounds of the whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    pub(super) entries: usize,
    pub(super) bytes: usize,
}

impl Default for Room {
    fn default() -> Self {
        // Of the policies of 100,000 domains, those that mail goes to.
        Self { entries: 1 << 17, bytes: 48 << 20 }
    }
}

/// An answer that is ready.
#[derive(Debug, Clone)]
pub(super) struct Ready {
    pub(super) reply: Encoded,
    pub(super) outcome: Outcome,
}

#[derive(Debug)]
struct Entry {
    ready: Ready,
    kept_at: UnixTime,
    good_until: UnixTime,
}

impl Entry {
    /// One from a time that has not come yet was kept before the clock was set back, and may be good for a year.
    fn is_good(&self, now: UnixTime) -> bool {
        (self.kept_at..self.good_until).contains(&now)
    }
}

#[derive(Debug, Default)]
struct Shard {
    /// By dialect.
    entries: [BTreeMap<Box<str>, Entry>; 2],
    bytes: usize,
    /// Where making room goes on.
    hand: Box<str>,
    /// Changes that were seen.
    epoch: u64,
}

/// When an answer was begun to be found out, in changes that were seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Epoch(u64);

/// The map.
#[derive(Debug)]
pub(super) struct Map {
    shards: Vec<RwLock<Shard>>,
    room: Room,
}

impl Map {
    /// Makes it, empty.
    pub(super) fn new(room: Room) -> Self {
        let room = Room { entries: (room.entries / SHARDS).max(1), bytes: room.bytes / SHARDS };
        let shards = (0..SHARDS).map(|_| RwLock::default()).collect();
        Self { shards, room }
    }

    /// The answer, if it still holds.
    pub(super) fn get(&self, dialect: Dialect, key: &str, now: UnixTime) -> Option<Ready> {
        let shard = read(self.shard(key));
        let entry = shard.entries[index(dialect)].get(key)?;
        entry.is_good(now).then(|| entry.ready.clone())
    }

    /// To be asked before an answer is found out.
    pub(super) fn epoch(&self, key: &str) -> Epoch {
        Epoch(read(self.shard(key)).epoch)
    }

    /// Keeps an answer. One that was begun before the last change is not kept: it may be what changed.
    pub(super) fn keep(
        &self,
        (dialect, key): (Dialect, &str),
        ready: &Ready,
        domain: &PolicyDomain,
        good_until: UnixTime,
        (begun, now): (Epoch, UnixTime),
    ) {
        if key.len() > LONGEST_KEY || good_until <= now || host_of(key) != domain.as_str() {
            return;
        }
        let entry = Entry { ready: ready.clone(), kept_at: now, good_until };
        let mut shard = write(self.shard(key));
        if Epoch(shard.epoch) != begun {
            return;
        }
        shard.bytes += cost(key, &entry);
        if let Some(old) = shard.entries[index(dialect)].insert(key.into(), entry) {
            shard.bytes = shard.bytes.saturating_sub(cost(key, &old));
        }
        if shard.is_over(self.room) {
            shard.make_room(self.room, now);
        }
    }

    /// Drops what is kept of these domains.
    pub(super) fn drop_domains(&self, domains: &BTreeSet<PolicyDomain>) {
        for domain in domains {
            let domain = domain.as_str();
            let mut shard = write(self.shard(domain));
            shard.epoch += 1;
            shard.drop_domain(domain);
        }
    }

    /// Drops everything.
    pub(super) fn clear(&self) {
        for shard in &self.shards {
            let mut shard = write(shard);
            *shard = Shard { epoch: shard.epoch + 1, ..Shard::default() };
        }
    }

    /// How many answers are kept.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| read(shard).len()).sum()
    }

    fn shard(&self, key: &str) -> &RwLock<Shard> {
        // FNV-1a. Whoever chooses keys of one shard makes that one full, and gains answers rendered again.
        let hash = host_of(key).bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        &self.shards[usize::try_from(hash >> 32).unwrap_or(0) % SHARDS]
    }
}

impl Shard {
    fn len(&self) -> usize {
        self.entries.iter().map(BTreeMap::len).sum()
    }

    fn is_over(&self, room: Room) -> bool {
        self.len() > room.entries || self.bytes > room.bytes
    }

    fn retain(&mut self, stays: impl Fn(&Entry) -> bool) {
        let bytes = &mut self.bytes;
        for entries in &mut self.entries {
            entries.retain(|key, entry| {
                let stays = stays(entry);
                if !stays {
                    *bytes = bytes.saturating_sub(cost(key, entry));
                }
                stays
            });
        }
    }

    /// What was asked about the domain: itself, with a port, in brackets.
    fn drop_domain(&mut self, domain: &str) {
        let (with_port, in_brackets) = (format!("{domain}:"), format!("[{domain}]"));
        let Self { entries, bytes, .. } = self;
        for entries in entries {
            let mut keys: Vec<Box<str>> = Vec::new();
            keys.extend(entries.contains_key(domain).then(|| domain.into()));
            for beginning in [with_port.as_str(), &in_brackets] {
                let from = entries.range::<str, _>((Bound::Included(beginning), Bound::Unbounded));
                let of_it = from.map(|(key, _)| key).take_while(|key| key.starts_with(beginning));
                keys.extend(of_it.cloned());
            }
            for key in keys {
                if let Some(entry) = entries.remove(&key) {
                    *bytes = bytes.saturating_sub(cost(&key, &entry));
                }
            }
        }
    }

    /// What is over goes first, then an eighth of the rest, round and round: which answers are asked for is not noted.
    fn make_room(&mut self, room: Room, now: UnixTime) {
        self.retain(|entry| entry.is_good(now));
        let goal = Room { entries: room.entries - room.entries / 8, bytes: room.bytes - room.bytes / 8 };
        if !self.is_over(room) {
            return;
        }
        while self.is_over(goal) {
            let next = |entries: &BTreeMap<Box<str>, Entry>, from: &str| {
                let after = (Bound::Excluded(from), Bound::Unbounded);
                entries.range::<str, _>(after).next().map(|(key, _)| key.clone())
            };
            let following = self.entries.iter().filter_map(|entries| next(entries, &self.hand)).min();
            let Some(key) = following else {
                if std::mem::take(&mut self.hand).is_empty() {
                    return;
                }
                continue;
            };
            for entries in &mut self.entries {
                if let Some(entry) = entries.remove(&key) {
                    self.bytes = self.bytes.saturating_sub(cost(&key, &entry));
                }
            }
            self.hand = key;
        }
    }
}

/// The host of a key as it stands there.
fn host_of(key: &str) -> &str {
    let host = key.strip_prefix('[').unwrap_or(key);
    &host[..host.find([']', ':']).unwrap_or(host.len())]
}

/// About what an entry takes.
fn cost(key: &str, entry: &Entry) -> usize {
    size_of::<Entry>() + 64 + key.len() + entry.ready.reply.as_bytes().len()
}

fn index(dialect: Dialect) -> usize {
    match dialect {
        Dialect::Classic => 0,
        Dialect::TlsRpt => 1,
    }
}

fn read(shard: &RwLock<Shard>) -> RwLockReadGuard<'_, Shard> {
    shard.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(shard: &RwLock<Shard>) -> RwLockWriteGuard<'_, Shard> {
    shard.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "map_tests.rs"]
mod tests;
