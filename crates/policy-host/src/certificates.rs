//! Certificates, loaded when somebody asks for their name, the ones asked for last kept in memory.
//!
//! A hundred thousand names need not have their keys in memory: few are asked for at once. However many ask for a name,
//! it is loaded once; that there is none is remembered for a while too, so that a name without a certificate costs its
//! source nothing. What can fail: the source (it says `None`, or takes too long), and a key that does not fit.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout};
use tokio_rustls::rustls::ServerConfig;

use crate::counters::Counters;
use crate::tls::{Identity, Template, Unusable};

/// Where certificates are kept.
pub trait CertificateSource: Send + Sync + 'static {
    /// The certificate of a policy host (`mta-sts.<domain>`, lower case), and its key. `None`: there is none now.
    fn load(&self, name: &str) -> impl Future<Output = Option<Identity>> + Send;
}

/// Bounds of what is kept.
#[derive(Debug, Clone, Copy)]
pub struct CertificateLimits {
    /// Names kept in memory; each takes about 8 KB.
    pub kept: usize,
    /// How long it is remembered that a name has none.
    pub absent: Duration,
    /// What loading may take.
    pub load: Duration,
}

impl Default for CertificateLimits {
    fn default() -> Self {
        Self { kept: 8192, absent: Duration::from_secs(10), load: Duration::from_secs(5) }
    }
}

pub(crate) struct Certificates<S> {
    source: S,
    template: Template,
    limits: CertificateLimits,
    kept: Mutex<Kept>,
    counters: Arc<Counters>,
}

/// One name's, or the flight that brings it.
#[derive(Debug, Default)]
struct Slot(OnceCell<Outcome>);

#[derive(Debug)]
enum Outcome {
    Ready(Arc<ServerConfig>),
    Absent { until: Instant },
}

impl<S: CertificateSource> Certificates<S> {
    pub(crate) fn new(
        source: S,
        limits: CertificateLimits,
        counters: Arc<Counters>,
    ) -> Result<Self, Unusable> {
        Ok(Self { source, template: Template::new()?, limits, kept: Mutex::default(), counters })
    }

    /// TLS for a name (lower case), loaded if need be.
    pub(crate) async fn get(&self, name: &str) -> Option<Arc<ServerConfig>> {
        let slot = self.lock().slot(name, self.limits.kept, Instant::now());
        // If the one who loads goes away, the next who waits takes over.
        match slot.0.get_or_init(|| self.load(name)).await {
            Outcome::Ready(config) => Some(Arc::clone(config)),
            Outcome::Absent { .. } => None,
        }
    }

    /// The next who asks for the name has it loaded anew.
    pub(crate) fn forget(&self, name: &str) {
        self.lock().remove(name);
    }

    /// Every name is loaded anew when it is asked for next.
    pub(crate) fn forget_all(&self) {
        *self.lock() = Kept::default();
    }

    async fn load(&self, name: &str) -> Outcome {
        let absent = || Outcome::Absent { until: Instant::now() + self.limits.absent };
        let identity = match timeout(self.limits.load, self.source.load(name)).await {
            Ok(Some(identity)) => identity,
            Ok(None) => return absent(),
            Err(_) => {
                tracing::warn!(%name, "loading the certificate took too long");
                return absent();
            }
        };
        match self.template.with(identity) {
            Ok(config) => {
                self.counters.certificates_loaded.count();
                Outcome::Ready(Arc::new(config))
            }
            Err(error) => {
                tracing::error!(%name, %error, "the name cannot be served by HTTPS");
                absent()
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Slots by name, and names by when they were last asked for.
#[derive(Debug, Default)]
struct Kept {
    slots: BTreeMap<Arc<str>, (Arc<Slot>, u64)>,
    order: BTreeMap<u64, Arc<str>>,
    clock: u64,
}

impl Kept {
    fn slot(&mut self, name: &str, most: usize, now: Instant) -> Arc<Slot> {
        self.clock += 1;
        let at = self.clock;
        if let Some((key, (slot, last))) = self.slots.get_key_value(name) {
            let (key, last) = (Arc::clone(key), *last);
            let is_over = matches!(slot.0.get(), Some(Outcome::Absent { until }) if *until <= now);
            let slot = if is_over { Arc::default() } else { Arc::clone(slot) };
            self.order.remove(&last);
            self.order.insert(at, Arc::clone(&key));
            self.slots.insert(key, (Arc::clone(&slot), at));
            return slot;
        }
        while self.slots.len() >= most.max(1)
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.slots.remove(&oldest);
        }
        let (key, slot) = (Arc::<str>::from(name), Arc::<Slot>::default());
        self.order.insert(at, Arc::clone(&key));
        self.slots.insert(key, (Arc::clone(&slot), at));
        slot
    }

    fn remove(&mut self, name: &str) {
        if let Some((_, last)) = self.slots.remove(name) {
            self.order.remove(&last);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

    use rcgen::{CertificateParams, KeyPair};
    use tokio::sync::Semaphore;

    use super::*;

    /// Loads when the gate lets it, and counts.
    struct Shelf {
        gate: Semaphore,
        loads: AtomicUsize,
        is_empty: AtomicBool,
    }

    impl CertificateSource for Arc<Shelf> {
        async fn load(&self, name: &str) -> Option<Identity> {
            self.loads.fetch_add(1, SeqCst);
            self.gate.acquire().await.unwrap().forget();
            if self.is_empty.load(SeqCst) {
                return None;
            }
            let key = KeyPair::generate().unwrap();
            let certificate = CertificateParams::new([name.to_owned()]).unwrap().self_signed(&key).unwrap();
            let key = key.serialize_der().try_into().unwrap();
            Some(Identity { chain: vec![certificate.der().clone()], key })
        }
    }

    fn shelf(permits: usize, is_empty: bool) -> Arc<Shelf> {
        Arc::new(Shelf {
            gate: Semaphore::new(permits),
            loads: AtomicUsize::new(0),
            is_empty: is_empty.into(),
        })
    }

    fn certificates(shelf: &Arc<Shelf>, kept: usize) -> Arc<Certificates<Arc<Shelf>>> {
        let limits = CertificateLimits { kept, ..CertificateLimits::default() };
        Arc::new(Certificates::new(Arc::clone(shelf), limits, Arc::default()).unwrap())
    }

    #[tokio::test]
    async fn however_many_ask_for_a_name_it_is_loaded_once() {
        let shelf = shelf(0, false);
        let certificates = certificates(&shelf, 8);
        let askers: Vec<_> = (0..50)
            .map(|_| {
                let certificates = Arc::clone(&certificates);
                tokio::spawn(async move { certificates.get("mta-sts.example.org").await.is_some() })
            })
            .collect();
        tokio::task::yield_now().await;
        shelf.gate.add_permits(1);
        for asker in askers {
            assert!(asker.await.unwrap());
        }
        assert_eq!(shelf.loads.load(SeqCst), 1);
    }

    #[tokio::test]
    async fn when_the_one_who_loads_goes_away_the_next_takes_over() {
        let shelf = shelf(0, false);
        let certificates = certificates(&shelf, 8);
        let first = tokio::spawn({
            let certificates = Arc::clone(&certificates);
            async move { certificates.get("mta-sts.example.org").await.is_some() }
        });
        tokio::task::yield_now().await;
        let second = tokio::spawn({
            let certificates = Arc::clone(&certificates);
            async move { certificates.get("mta-sts.example.org").await.is_some() }
        });
        tokio::task::yield_now().await;
        first.abort();
        shelf.gate.add_permits(1);
        assert!(second.await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn that_there_is_none_is_remembered_for_a_while_or_until_forgotten() {
        let shelf = shelf(1000, true);
        let certificates = certificates(&shelf, 8);
        for _ in 0..10 {
            assert!(certificates.get("mta-sts.example.org").await.is_none());
        }
        assert_eq!(shelf.loads.load(SeqCst), 1);
        tokio::time::advance(Duration::from_secs(11)).await;
        assert!(certificates.get("mta-sts.example.org").await.is_none());
        assert_eq!(shelf.loads.load(SeqCst), 2);
        shelf.is_empty.store(false, SeqCst);
        certificates.forget("mta-sts.example.org");
        assert!(certificates.get("mta-sts.example.org").await.is_some());
    }

    #[tokio::test]
    async fn the_names_asked_for_last_are_kept_and_no_more_than_allowed() {
        let shelf = shelf(1000, false);
        let certificates = certificates(&shelf, 2);
        for name in ["a", "b", "a", "c", "a"] {
            assert!(certificates.get(name).await.is_some());
        }
        assert_eq!(shelf.loads.load(SeqCst), 3, "a was kept while b made room for c");
        assert!(certificates.get("b").await.is_some());
        assert_eq!(shelf.loads.load(SeqCst), 4);
        let kept = certificates.lock();
        assert_eq!((kept.slots.len(), kept.order.len()), (2, 2));
    }

    #[tokio::test]
    async fn what_is_forgotten_is_loaded_anew_and_all_of_it_too() {
        let shelf = shelf(1000, false);
        let certificates = certificates(&shelf, 8);
        let ask = async |names: &[&str]| {
            for name in names {
                assert!(certificates.get(name).await.is_some());
            }
            shelf.loads.load(SeqCst)
        };
        assert_eq!(ask(&["a", "b"]).await, 2);
        certificates.forget("a");
        assert_eq!(ask(&["a", "b"]).await, 3);
        certificates.forget_all();
        assert_eq!(ask(&["a", "b"]).await, 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_source_that_does_not_answer_is_not_waited_for() {
        let shelf = shelf(0, false);
        let certificates = certificates(&shelf, 8);
        assert!(certificates.get("mta-sts.example.org").await.is_none());
    }

    #[tokio::test]
    async fn a_key_of_another_certificate_is_refused() {
        struct Mixed;
        impl CertificateSource for Mixed {
            async fn load(&self, name: &str) -> Option<Identity> {
                let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
                let certificate =
                    CertificateParams::new([name.to_owned()]).unwrap().self_signed(&key).unwrap();
                let key = other.serialize_der().try_into().unwrap();
                Some(Identity { chain: vec![certificate.der().clone()], key })
            }
        }
        let certificates = Certificates::new(Mixed, CertificateLimits::default(), Arc::default()).unwrap();
        assert!(certificates.get("mta-sts.example.org").await.is_none());
    }
}
