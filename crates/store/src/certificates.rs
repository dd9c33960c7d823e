//! Certificates in memory: no seal, since nothing is at rest. What both stores answer alike is held to by
//! `tests/certificates.rs`.

use std::collections::BTreeMap;
use std::future::ready;
use std::ops::Bound;
use std::sync::{MutexGuard, PoisonError};

use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::StoreError;
use tlsward_engine::ports::certificates::{
    CertificateLine, Certificates, CountedEvent, KeptAccount, KeptAttempts, KeptCertificate, KeptOrder,
    RenewalWindow,
};

use crate::{MAX_PAGE, MemoryStore};

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Held {
    accounts: BTreeMap<String, KeptAccount>,
    orders: BTreeMap<String, KeptOrder>,
    certificates: BTreeMap<String, KeptCertificate>,
    attempts: BTreeMap<String, KeptAttempts>,
    /// In the order of time.
    counted: Vec<CountedEvent>,
}

impl MemoryStore {
    fn certificates_held(&self) -> MutexGuard<'_, Held> {
        self.certificates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn page<V, T>(
    map: &BTreeMap<String, V>,
    after: Option<&str>,
    limit: usize,
    item: impl Fn(&String, &V) -> T,
) -> Vec<T> {
    let range = (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
    let items = map.range::<str, _>(range).map(|(name, value)| item(name, value));
    items.take(limit.min(MAX_PAGE)).collect()
}

impl Certificates for MemoryStore {
    fn account(
        &self,
        directory: &str,
    ) -> impl Future<Output = Result<Option<KeptAccount>, StoreError>> + Send {
        ready(Ok(self.certificates_held().accounts.get(directory).cloned()))
    }

    fn put_account(&self, account: KeptAccount) -> impl Future<Output = Result<(), StoreError>> + Send {
        self.certificates_held().accounts.insert(account.directory.clone(), account);
        ready(Ok(()))
    }

    fn order(&self, name: &str) -> impl Future<Output = Result<Option<KeptOrder>, StoreError>> + Send {
        ready(Ok(self.certificates_held().orders.get(name).cloned()))
    }

    fn put_order(&self, order: KeptOrder) -> impl Future<Output = Result<(), StoreError>> + Send {
        self.certificates_held().orders.insert(order.name.clone(), order);
        ready(Ok(()))
    }

    fn drop_order(&self, name: &str, url: &str) -> impl Future<Output = Result<(), StoreError>> + Send {
        let mut held = self.certificates_held();
        if held.orders.get(name).is_some_and(|order| order.url == url) {
            held.orders.remove(name);
        }
        ready(Ok(()))
    }

    fn ordered(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<String>, StoreError>> + Send {
        ready(Ok(page(&self.certificates_held().orders, after, limit, |name, _| name.clone())))
    }

    fn put_certificate(
        &self,
        certificate: KeptCertificate,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        let mut held = self.certificates_held();
        let name = certificate.line.name.clone();
        held.orders.remove(&name);
        held.attempts.remove(&name);
        held.certificates.insert(name, certificate);
        ready(Ok(()))
    }

    fn certificate(
        &self,
        name: &str,
    ) -> impl Future<Output = Result<Option<KeptCertificate>, StoreError>> + Send {
        ready(Ok(self.certificates_held().certificates.get(name).cloned()))
    }

    fn certificate_line(
        &self,
        name: &str,
    ) -> impl Future<Output = Result<Option<CertificateLine>, StoreError>> + Send {
        ready(Ok(self.certificates_held().certificates.get(name).map(|kept| kept.line.clone())))
    }

    fn certificate_lines(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<CertificateLine>, StoreError>> + Send {
        ready(Ok(page(&self.certificates_held().certificates, after, limit, |_, kept| kept.line.clone())))
    }

    fn put_renewal(
        &self,
        name: &str,
        ari_id: &str,
        renewal: RenewalWindow,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        if let Some(kept) = self.certificates_held().certificates.get_mut(name)
            && kept.line.ari_id.as_deref() == Some(ari_id)
        {
            kept.line.renewal = Some(renewal);
        }
        ready(Ok(()))
    }

    fn forget_certificate(&self, name: &str) -> impl Future<Output = Result<(), StoreError>> + Send {
        let mut held = self.certificates_held();
        held.certificates.remove(name);
        held.orders.remove(name);
        held.attempts.remove(name);
        ready(Ok(()))
    }

    fn attempts(&self, name: &str) -> impl Future<Output = Result<Option<KeptAttempts>, StoreError>> + Send {
        ready(Ok(self.certificates_held().attempts.get(name).cloned()))
    }

    fn put_attempts(&self, attempts: KeptAttempts) -> impl Future<Output = Result<(), StoreError>> + Send {
        self.certificates_held().attempts.insert(attempts.name.clone(), attempts);
        ready(Ok(()))
    }

    fn all_attempts(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<KeptAttempts>, StoreError>> + Send {
        ready(Ok(page(&self.certificates_held().attempts, after, limit, |_, attempts| attempts.clone())))
    }

    fn count(
        &self,
        event: CountedEvent,
        forget_before: UnixTime,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        let mut held = self.certificates_held();
        held.counted.retain(|counted| counted.at >= forget_before);
        let place = held.counted.partition_point(|counted| counted.at <= event.at);
        if event.at >= forget_before {
            held.counted.insert(place, event);
        }
        ready(Ok(()))
    }

    fn counted(
        &self,
        since: UnixTime,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<CountedEvent>, StoreError>> + Send {
        let held = self.certificates_held();
        let events = held.counted.iter().filter(|event| event.at >= since);
        ready(Ok(events.take(limit).cloned().collect()))
    }

    fn unopened(&self) -> impl Future<Output = Result<u64, StoreError>> + Send {
        ready(Ok(0))
    }
}
