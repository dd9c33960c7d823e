//! Policies of other domains, in memory. What both stores answer alike is held to by `tests/policies.rs`.

use std::collections::BTreeMap;
use std::future::ready;
use std::ops::Bound;
use std::sync::{MutexGuard, PoisonError};

use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::{Keeping, KeptPolicy, Policies, StoreError};

use crate::{MAX_PAGE, MAX_PAGE_BYTES, MemoryStore};

/// By domain.
pub(crate) type Held = BTreeMap<String, KeptPolicy>;

impl MemoryStore {
    fn policies(&self) -> MutexGuard<'_, Held> {
        self.policies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Policies for MemoryStore {
    fn keep(&self, policy: KeptPolicy) -> impl Future<Output = Result<Keeping, StoreError>> + Send {
        let mut held = self.policies();
        let newer = held.get(&policy.domain).map(|there| there.fetched_at);
        let keeping = match newer.filter(|at| *at > policy.fetched_at) {
            Some(at) => Keeping::Newer(at),
            None => {
                held.insert(policy.domain.clone(), policy);
                Keeping::Kept
            }
        };
        ready(Ok(keeping))
    }

    fn note_failures(
        &self,
        domain: &str,
        fetched_at: UnixTime,
        failures: u32,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        let mut held = self.policies();
        if let Some(there) = held.get_mut(domain).filter(|there| there.fetched_at == fetched_at) {
            there.failures = failures;
        }
        ready(Ok(()))
    }

    fn forget(
        &self,
        domain: &str,
        fetched_until: UnixTime,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send {
        let mut held = self.policies();
        let goes = held.get(domain).is_some_and(|there| there.fetched_at <= fetched_until);
        if goes {
            held.remove(domain);
        }
        ready(Ok(goes))
    }

    fn kept(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<KeptPolicy>, StoreError>> + Send {
        let held = self.policies();
        let range = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let mut bytes = 0;
        let fits = |policy: &&KeptPolicy| {
            let fits = bytes < MAX_PAGE_BYTES;
            bytes += policy.body.len();
            fits
        };
        let page = held.range::<str, _>(range).map(|(_, policy)| policy).take_while(fits);
        ready(Ok(page.take(limit.min(MAX_PAGE)).cloned().collect()))
    }
}
