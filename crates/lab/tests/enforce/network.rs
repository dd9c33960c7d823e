//! The world as the resolver meets it, with a cable that can be pulled, and a note of everything that is asked.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tlsward_engine::ports::{
    Admit, ConnectFailure, Dns, DnsFailure, DnsReply, Dnssec, Https, HttpsExchange, HttpsTarget, RecordKind,
    Smtp, SmtpOutcome, SmtpTarget, Timer,
};
use tlsward_lab::memory::MemoryWorld;

/// What was asked.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// Questions to DNS.
    pub(crate) questions: BTreeMap<(String, RecordKind), usize>,
    /// Fetches, by host.
    pub(crate) fetches: BTreeMap<String, usize>,
    /// Fetches that go on, by first address, and the most that ever did.
    fetching: BTreeMap<IpAddr, usize>,
    pub(crate) most_fetching: BTreeMap<IpAddr, usize>,
    asking: usize,
    pub(crate) most_asking: usize,
}

/// The world behind a cable.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    pub(crate) world: MemoryWorld,
    pub(crate) notes: Arc<Mutex<Notes>>,
    pub(crate) is_down: Arc<AtomicBool>,
    pub(crate) dnssec: Arc<Mutex<Dnssec>>,
}

impl Network {
    pub(crate) fn new(world: MemoryWorld) -> Self {
        let dnssec = Arc::new(Mutex::new(world.dnssec()));
        Self { world, notes: Arc::default(), is_down: Arc::default(), dnssec }
    }

    pub(crate) fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::Relaxed);
    }

    pub(crate) fn set_dnssec(&self, dnssec: Dnssec) {
        *self.dnssec.lock().unwrap() = dnssec;
    }

    pub(crate) fn questions(&self, name: &str, kind: RecordKind) -> usize {
        self.notes.lock().unwrap().questions.get(&(name.to_owned(), kind)).copied().unwrap_or(0)
    }

    pub(crate) fn fetches(&self, domain: &str) -> usize {
        self.notes.lock().unwrap().fetches.get(&format!("mta-sts.{domain}")).copied().unwrap_or(0)
    }

    fn is_down(&self) -> bool {
        self.is_down.load(Ordering::Relaxed)
    }
}

impl Dns for Network {
    async fn look_up(&self, name: &str, kind: RecordKind) -> DnsReply {
        {
            let mut notes = self.notes.lock().unwrap();
            *notes.questions.entry((name.to_owned(), kind)).or_default() += 1;
            notes.asking += 1;
            notes.most_asking = notes.most_asking.max(notes.asking);
        }
        assert!(!name.ends_with("panic.test"), "as a fault of the program would");
        let reply = if self.is_down() {
            self.sleep(Duration::from_secs(10)).await;
            DnsReply::Failed(DnsFailure::TimedOut)
        } else {
            let dnssec = self.dnssec();
            self.world.with_dnssec(dnssec).look_up(name, kind).await
        };
        self.notes.lock().unwrap().asking -= 1;
        reply
    }

    fn dnssec(&self) -> Dnssec {
        self.dnssec.lock().unwrap().clone()
    }
}

impl Https for Network {
    async fn get(&self, target: HttpsTarget<'_>, admit: Admit<'_>) -> HttpsExchange {
        let first = target.addresses[0];
        {
            let mut notes = self.notes.lock().unwrap();
            *notes.fetches.entry(target.host.to_owned()).or_default() += 1;
            let now = notes.fetching.entry(first).or_default();
            *now += 1;
            let now = *now;
            let most = notes.most_fetching.entry(first).or_default();
            *most = (*most).max(now);
        }
        let exchange = if self.is_down() {
            let failure = ConnectFailure::Unreachable("network is unreachable".to_owned());
            HttpsExchange { address: None, tls: None, outcome: Err(failure.into()) }
        } else {
            self.world.get(target, admit).await
        };
        *self.notes.lock().unwrap().fetching.entry(first).or_default() -= 1;
        exchange
    }

    async fn post(
        &self,
        target: HttpsTarget<'_>,
        content_type: &str,
        body: Bytes,
        admit: Admit<'_>,
    ) -> HttpsExchange {
        self.world.post(target, content_type, body, admit).await
    }
}

impl Smtp for Network {
    async fn probe(&self, target: SmtpTarget<'_>) -> SmtpOutcome {
        self.world.probe(target).await
    }
}

impl Timer for Network {
    async fn sleep(&self, duration: Duration) {
        self.world.sleep(duration).await;
    }
}
