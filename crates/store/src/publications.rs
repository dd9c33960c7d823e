//! Domains of one's own, in memory. What both stores answer alike is held to by `tests/publications.rs`.

use std::collections::BTreeMap;
use std::future::ready;
use std::ops::Bound;
use std::sync::{MutexGuard, PoisonError};

use bytes::Bytes;
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::StoreError;
use tlsward_engine::ports::publish::{KeptGroup, KeptPublication, KeptVersion, Publications, Put};

use crate::filing::sha256;
use crate::{MAX_PAGE, MAX_PAGE_BYTES, MemoryStore};

/// Managed domains, every version that they ever served, and groups.
#[derive(Debug, Default)]
pub(crate) struct Published {
    domains: BTreeMap<String, KeptPublication>,
    versions: BTreeMap<String, BTreeMap<u32, KeptVersion>>,
    groups: BTreeMap<String, KeptGroup>,
    /// Domains of a group share one.
    bodies: BTreeMap<[u8; 32], Bytes>,
}

impl Published {
    fn put(&mut self, mut publication: KeptPublication, versions: Vec<KeptVersion>) -> Put {
        let there = self.domains.get(&publication.domain);
        if there.map_or(0, |there| there.revision).checked_add(1) != Some(publication.revision) {
            return Put::Conflict;
        }
        if let Some(there) = there {
            publication.cached_until = publication.cached_until.max(there.cached_until);
        }
        self.domains.insert(publication.domain.clone(), publication);
        for version in versions {
            self.note(version);
        }
        Put::Kept
    }

    fn note(&mut self, mut version: KeptVersion) {
        version.body = self.bodies.entry(sha256(&version.body)).or_insert(version.body).clone();
        let of_domain = self.versions.entry(version.domain.clone()).or_default();
        match of_domain.get_mut(&version.number) {
            None => {
                of_domain.insert(version.number, version);
            }
            // What was served, and when first, is not to be written over.
            Some(there) => {
                there.id = version.id.or(there.id.take());
                there.announced_at = version.announced_at.or(there.announced_at);
                there.last_served_at = version.last_served_at.or(there.last_served_at);
            }
        }
    }
}

impl MemoryStore {
    fn published(&self) -> MutexGuard<'_, Published> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The first of them that make a page.
fn page<T>(items: impl Iterator<Item = T>, limit: usize, bytes_of: impl Fn(&T) -> usize) -> Vec<T> {
    let mut bytes = 0;
    let fits = |item: &T| {
        let fits = bytes < MAX_PAGE_BYTES;
        bytes += bytes_of(item);
        fits
    };
    items.take(limit.min(MAX_PAGE)).take_while(fits).collect()
}

impl Publications for MemoryStore {
    fn publications(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<KeptPublication>, StoreError>> + Send {
        let published = self.published();
        let range = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let all = published.domains.range::<str, _>(range).map(|(_, row)| row.clone());
        ready(Ok(page(all, limit, |row| row.state.len())))
    }

    fn publication(
        &self,
        domain: &str,
    ) -> impl Future<Output = Result<Option<KeptPublication>, StoreError>> + Send {
        ready(Ok(self.published().domains.get(domain).cloned()))
    }

    fn due(
        &self,
        now: UnixTime,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<KeptPublication>, StoreError>> + Send {
        let published = self.published();
        let mut due: Vec<_> = published.domains.values().filter(|row| row.due_at <= now).collect();
        due.sort_by_key(|row| (row.due_at, &row.domain));
        ready(Ok(page(due.into_iter().cloned(), limit, |row| row.state.len())))
    }

    fn put_publication(
        &self,
        publication: KeptPublication,
        versions: Vec<KeptVersion>,
    ) -> impl Future<Output = Result<Put, StoreError>> + Send {
        ready(Ok(self.published().put(publication, versions)))
    }

    fn remove_publication(
        &self,
        domain: &str,
        revision: u64,
    ) -> impl Future<Output = Result<Put, StoreError>> + Send {
        let mut published = self.published();
        let is_this = published.domains.get(domain).is_some_and(|row| row.revision == revision);
        if is_this {
            published.domains.remove(domain);
        }
        ready(Ok(if is_this { Put::Kept } else { Put::Conflict }))
    }

    fn versions(
        &self,
        domain: &str,
        before: Option<u32>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<KeptVersion>, StoreError>> + Send {
        let published = self.published();
        let of_domain = published.versions.get(domain);
        let range = (Bound::Unbounded, before.map_or(Bound::Unbounded, Bound::Excluded));
        let newest_first = of_domain.into_iter().flat_map(|all| all.range(range).rev().map(|(_, row)| row));
        ready(Ok(page(newest_first.cloned(), limit, |row| row.body.len())))
    }

    fn groups(&self) -> impl Future<Output = Result<Vec<KeptGroup>, StoreError>> + Send {
        ready(Ok(self.published().groups.values().cloned().collect()))
    }

    fn put_group(&self, group: KeptGroup) -> impl Future<Output = Result<Put, StoreError>> + Send {
        let mut published = self.published();
        let there = published.groups.get(&group.name).map_or(0, |there| there.revision);
        let is_next = there.checked_add(1) == Some(group.revision);
        if is_next {
            published.groups.insert(group.name.clone(), group);
        }
        ready(Ok(if is_next { Put::Kept } else { Put::Conflict }))
    }
}
