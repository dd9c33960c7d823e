//! What is in the zone: for each domain its sets of records in one piece, so that a change is seen whole or not at all;
//! in shards, so that readers of one domain do not wait for a writer of another.
//!
//! A name exists if it has records or a name below it has (RFC 8020). Names above domains, such as `org` above
//! `example.org`, are counted; those between a domain and its records are seen in the domain's own sets.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use super::name;
use super::set::{Packed, Set};

const SHARDS: usize = 64;

/// What is at a name.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// It has records, or a name below it has.
    pub(super) exists: bool,
    /// The records.
    pub(super) sets: Vec<Set>,
}

#[derive(Default)]
pub(super) struct Content {
    /// By domain, relative to the apex. The empty one holds what is the zone's own.
    shards: Vec<RwLock<BTreeMap<Box<[u8]>, Packed>>>,
    /// Names above domains, the apex left out: how many of those are below.
    above: RwLock<BTreeMap<Box<[u8]>, u32>>,
}

impl Content {
    pub(super) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| RwLock::default()).collect(), above: RwLock::default() }
    }

    /// The sets of a domain.
    pub(super) fn domain(&self, domain: &[u8]) -> Packed {
        read(&self.shards[shard(domain)]).get(domain).cloned().unwrap_or_default()
    }

    /// From the return of this call on, these are a domain's sets.
    pub(super) fn put(&self, domain: &[u8], sets: Packed) {
        let is_there = !sets.is_empty();
        // Names above are there before, and until after, what is below them.
        if is_there {
            self.count(domain, |count| *count += 1);
        }
        let mut shard = write(&self.shards[shard(domain)]);
        let before = if is_there { shard.insert(domain.into(), sets) } else { shard.remove(domain) };
        drop(shard);
        if before.is_some() {
            self.count(domain, |count| *count -= 1);
        }
    }

    fn count(&self, domain: &[u8], change: impl Fn(&mut u32)) {
        let mut above = write(&self.above);
        for name in name::upwards(domain).skip(1).filter(|name| !name.is_empty()) {
            let count = above.entry(name.into()).or_default();
            change(count);
            if *count == 0 {
                above.remove(name);
            }
        }
    }

    /// What is at a name relative to the apex. Bounded by the labels of the name.
    pub(super) fn node(&self, wanted: &[u8]) -> Node {
        let mut node = Node { exists: wanted.is_empty(), sets: Vec::new() };
        for domain in name::upwards(wanted) {
            let below = &wanted[..wanted.len() - domain.len()];
            if let Some(sets) = read(&self.shards[shard(domain)]).get(domain) {
                for (name, set) in sets.sets() {
                    if name == below {
                        node.sets.push(set.to_set());
                    }
                    node.exists |= name::before(name, below).is_some();
                }
            }
            if !node.sets.is_empty() {
                break;
            }
        }
        node.exists = node.exists || read(&self.above).contains_key(wanted);
        node
    }

    /// Every domain and the octets of its sets, in no order that means anything.
    pub(super) fn each(&self, mut f: impl FnMut(&[u8], &Packed)) {
        for shard in &self.shards {
            for (domain, sets) in read(shard).iter().filter(|(domain, _)| !domain.is_empty()) {
                f(domain, sets);
            }
        }
    }
}

fn shard(domain: &[u8]) -> usize {
    // FNV-1a: an even spread, nothing more; whoever aims at one shard has a slower map there, O(log n).
    let hash = domain.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash >> 32) as usize % SHARDS
}

/// Nothing panics while it holds one of these; what a panic elsewhere left is whole.
fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use tlsward_engine::ports::publish::RecordType;

    use super::*;

    fn one(name: &[u8]) -> Packed {
        let set = Set { kind: RecordType::Txt, ttl: 1, data: vec![vec![1, b'x']] };
        Packed::new([(name, &set)])
    }

    proptest! {
        /// Whatever is put and removed: a name exists if and only if it or a name below it has records.
        #[test]
        fn a_name_exists_as_long_as_there_is_something_at_or_below_it(
            steps in prop::collection::vec(("[ab](\\.[ab]){0,2}", "(|[xa]|x\\.y)", any::<bool>()), 1..30)
        ) {
            let content = Content::new();
            let mut model: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
            let wire = |text: &str| if text.is_empty() { Vec::new() } else { name::wire(text).unwrap() };
            for (domain, name, is_there) in &steps {
                let (domain, name) = (wire(domain), wire(name));
                if *is_there {
                    content.put(&domain, one(&name));
                    model.insert(domain.clone(), [name, domain].concat());
                } else {
                    content.put(&domain, Packed::default());
                    model.remove(&domain);
                }
                let owners: BTreeSet<&Vec<u8>> = model.values().collect();
                for asked in ["a", "b", "a.a", "a.b", "b.a.a", "x.a", "y.a", "x.y.a", "y.b.a", "a.b.a", "x.y.a.b.a", "c"] {
                    let asked = wire(asked);
                    let node = content.node(&asked);
                    prop_assert_eq!(!node.sets.is_empty(), owners.contains(&asked));
                    let exists = owners.iter().any(|owner| name::before(owner, &asked).is_some());
                    prop_assert_eq!(node.exists, exists, "{}", name::text(&asked));
                }
            }
        }
    }
}
