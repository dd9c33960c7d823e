//! What is served: each domain's policy, in memory, found by one look into one shard; and the challenges.
//!
//! Bodies are shared: ten thousand domains of one group that publish the same policy hold one copy of it, whoever made
//! theirs. A body is served exactly as it was handed over; whether it is right was decided before.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};

use bytes::Bytes;
use tlsward_engine::ports::publish::{Challenge, Challenges, Hosts};

use crate::challenges::Answers;

/// So that requests seldom wait for a change.
const SHARDS: usize = 64;

/// Policies by domain, and what certificate authorities are answered.
#[derive(Debug)]
pub struct Hosted {
    shards: Vec<RwLock<BTreeMap<Box<str>, Arc<Policy>>>>,
    bodies: Arc<Bodies>,
    challenges: Answers,
}

impl Default for Hosted {
    fn default() -> Self {
        Self::new()
    }
}

impl Hosted {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            bodies: Arc::default(),
            challenges: Answers::default(),
        }
    }

    /// What is served for a domain's policy (lower case), if anything.
    #[must_use]
    pub fn body(&self, domain: &str) -> Option<Bytes> {
        let shard = self.shard(domain).read().unwrap_or_else(PoisonError::into_inner);
        shard.get(domain).map(|policy| policy.body.clone())
    }

    /// True if a policy is served for the domain (lower case).
    #[must_use]
    pub fn has(&self, domain: &str) -> bool {
        self.shard(domain).read().unwrap_or_else(PoisonError::into_inner).contains_key(domain)
    }

    /// Domains that have a policy here.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    /// True if no domain has one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Different bodies that are held.
    #[must_use]
    pub fn bodies(&self) -> usize {
        self.bodies.lock().len()
    }

    pub(crate) fn challenges(&self) -> &Answers {
        &self.challenges
    }

    fn shard(&self, domain: &str) -> &RwLock<BTreeMap<Box<str>, Arc<Policy>>> {
        // FNV-1a. Only owners put names here, and a full shard is still a tree.
        let hash = domain.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        &self.shards[usize::try_from(hash >> 32).unwrap_or(0) % SHARDS]
    }
}

impl Hosts for Hosted {
    fn serve(&self, domain: &str, body: Option<Bytes>) {
        let policy = body.map(|body| self.bodies.share(&body));
        let mut shard = self.shard(domain).write().unwrap_or_else(PoisonError::into_inner);
        let old = match policy {
            Some(policy) => shard.insert(domain.into(), policy),
            None => shard.remove(domain),
        };
        drop(shard);
        // Outside the lock: the last of its kind takes itself out of the list of bodies.
        drop(old);
    }
}

impl Challenges for Hosted {
    fn present(&self, challenge: &Challenge) {
        self.challenges.present(challenge);
    }

    fn withdraw(&self, challenge: &Challenge) {
        self.challenges.withdraw(challenge);
    }
}

/// A body and everyone who serves it.
#[derive(Debug)]
struct Policy {
    body: Bytes,
    bodies: Weak<Bodies>,
}

impl Drop for Policy {
    fn drop(&mut self) {
        let Some(bodies) = self.bodies.upgrade() else { return };
        let mut known = bodies.lock();
        // Another one with the same bytes may have taken its place already.
        if known.get(&self.body).is_some_and(|policy| policy.strong_count() == 0) {
            known.remove(&self.body);
        }
    }
}

/// Every body that is served somewhere, once.
#[derive(Debug, Default)]
struct Bodies(Mutex<BTreeMap<Bytes, Weak<Policy>>>);

impl Bodies {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Bytes, Weak<Policy>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn share(self: &Arc<Self>, body: &Bytes) -> Arc<Policy> {
        let mut known = self.lock();
        if let Some(policy) = known.get(body).and_then(Weak::upgrade) {
            return policy;
        }
        // A copy of its own: what was handed over may be a slice that holds much more in memory.
        let body = Bytes::copy_from_slice(body);
        let policy = Arc::new(Policy { body: body.clone(), bodies: Arc::downgrade(self) });
        known.insert(body, Arc::downgrade(&policy));
        policy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &'static str) -> Option<Bytes> {
        Some(Bytes::from(text.as_bytes().to_vec()))
    }

    #[test]
    fn domains_with_the_same_policy_share_one_body() {
        let hosted = Hosted::new();
        for number in 0..1000 {
            hosted.serve(&format!("d{number}.example"), body("version: STSv1\r\n"));
        }
        assert_eq!((hosted.len(), hosted.bodies()), (1000, 1));
        let (one, other) = (hosted.body("d1.example").unwrap(), hosted.body("d999.example").unwrap());
        assert_eq!(one.as_ptr(), other.as_ptr());
        hosted.serve("d1.example", body("version: STSv1\r\nmode: none\r\n"));
        assert_eq!(hosted.bodies(), 2);
        hosted.serve("d1.example", None);
        assert_eq!((hosted.len(), hosted.bodies()), (999, 1));
        for number in 0..1000 {
            hosted.serve(&format!("d{number}.example"), None);
        }
        assert_eq!((hosted.len(), hosted.bodies(), hosted.is_empty()), (0, 0, true));
        assert_eq!(hosted.body("d1.example"), None);
    }

    #[test]
    fn what_is_served_is_what_was_handed_over_last() {
        let hosted = Hosted::new();
        hosted.serve("example.org", body("one"));
        hosted.serve("example.org", body("two"));
        hosted.serve("example.org", body("two"));
        assert_eq!(hosted.body("example.org").as_deref(), Some(&b"two"[..]));
        assert_eq!(hosted.bodies(), 1);
        assert!(hosted.has("example.org") && !hosted.has("example.com"));
    }
}
