//! A publisher in the world, on the virtual clock: its host and its records are the world's, and senders watch it.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_channel::oneshot;
use mta_sts::mx::MxPattern;
use mta_sts::policy_domain::PolicyDomain;
use smtp_dane::pkix::TrustRoots;
use tlsward_engine::alert::Board;
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::publish::{
    Applied, Authorities, Hosts, Ledger, Publications, RecordSet, RecordType, RecordValue, Records,
    RecordsFailure,
};
use tlsward_engine::ports::{Clock, Dns, DnsReply, RecordKind, StoreError};
use tlsward_engine::publish::{
    Desired, DesiredText, Options, Parts, Publication, Publisher, Stage as Step, Wish,
};
use tlsward_lab::executor::{self, Executor};
use tlsward_lab::memory::MemoryWorld;
use tlsward_lab::pki::Pki;
use tlsward_lab::senders::{Judge, Sender};
use tlsward_lab::world::{Mode, Page, World};
use tlsward_store::MemoryStore;

pub(crate) const NOW: UnixTime = 1_800_000_000;
pub(crate) const DAY: u64 = 86_400;
pub(crate) const DOMAIN: &str = "alpha.test";
const TTL: u32 = 300;

#[derive(Debug, Clone)]
pub(crate) struct Time(executor::Clock);

impl Clock for Time {
    fn now(&self) -> UnixTime {
        self.0.now()
    }
}

/// A zone in the world that takes records, and goes wrong when it is told to.
pub(crate) struct Zone {
    world: MemoryWorld,
    pub(crate) refusing: AtomicUsize,
    pub(crate) losing: AtomicUsize,
    /// Every id that was written, with the body that the host gave out then.
    pub(crate) announced: Mutex<BTreeMap<String, Bytes>>,
    host: Arc<Host>,
}

impl Records for Zone {
    async fn apply(&self, domain: &str, sets: Vec<RecordSet>) -> Result<Applied, RecordsFailure> {
        self.world.clock().sleep(Duration::from_millis(300)).await;
        let take = |count: &AtomicUsize| {
            count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
        };
        if take(&self.refusing) {
            return Err(RecordsFailure::Later("the server is busy".to_owned()));
        }
        if take(&self.losing) {
            return Ok(Applied::Written);
        }
        for set in sets {
            if set.name.starts_with("_mta-sts.") {
                let body = self.host.body(domain).unwrap_or_default();
                for value in &set.values {
                    let RecordValue::Txt(text) = value else { continue };
                    let id = text.split("id=").nth(1).unwrap().trim_end_matches(';').to_owned();
                    self.announced.lock().unwrap().entry(id).or_insert_with(|| body.clone());
                }
            }
            self.world.edit(|world| write(world, &set));
        }
        Ok(Applied::Written)
    }
}

fn write(world: &mut World, set: &RecordSet) {
    let text = |value: &RecordValue| match value {
        RecordValue::Txt(text) => Some(text.clone()),
        _ => None,
    };
    let address = |value: &RecordValue| match value {
        RecordValue::A(address) => Some(IpAddr::V4(*address)),
        _ => None,
    };
    match set.kind {
        RecordType::Txt => {
            let texts: Vec<String> = set.values.iter().filter_map(text).collect();
            world.set_txt(&set.name, &texts.iter().map(String::as_str).collect::<Vec<_>>());
        }
        RecordType::A => {
            world.set_addresses(&set.name, &set.values.iter().filter_map(address).collect::<Vec<_>>());
        }
        kind => panic!("{kind:?}"),
    }
}

/// The policy host: two addresses, of which the second follows later.
pub(crate) struct Host {
    world: MemoryWorld,
    addresses: Vec<IpAddr>,
    pub(crate) lag_secs: AtomicU64,
    bodies: Arc<Mutex<BTreeMap<String, Bytes>>>,
}

impl Host {
    pub(crate) fn body(&self, domain: &str) -> Option<Bytes> {
        self.bodies.lock().unwrap().get(domain).cloned()
    }
}

impl Hosts for Host {
    fn serve(&self, domain: &str, body: Option<Bytes>) {
        {
            let mut bodies = self.bodies.lock().unwrap();
            let before = match &body {
                Some(body) => bodies.insert(domain.to_owned(), body.clone()),
                None => bodies.remove(domain),
            };
            if before == body {
                return;
            }
        }
        for (index, address) in self.addresses.iter().enumerate() {
            let (world, bodies, address) = (self.world.clone(), Arc::clone(&self.bodies), *address);
            let domain = domain.to_owned();
            let lag = Duration::from_secs(if index > 0 { self.lag_secs.load(Ordering::Relaxed) } else { 0 });
            let follow = move || {
                // Whatever is to be served by then.
                let body = bodies.lock().unwrap().get(&domain).cloned();
                let page = body.map_or_else(|| Page::status(404), Page::text);
                world.edit(|world| {
                    let service = world.machine(address).https.as_mut().unwrap();
                    let site = service.sites.entry(format!("mta-sts.{domain}")).or_default();
                    site.pages.insert("/.well-known/mta-sts.txt".to_owned(), page);
                });
            };
            if lag.is_zero() {
                follow();
            } else {
                let clock = self.world.clock().clone();
                self.world.clock().spawn(async move {
                    clock.sleep(lag).await;
                    follow();
                });
            }
        }
    }
}

/// Name servers, each asked for itself.
pub(crate) struct Servers(MemoryWorld);

impl Authorities for Servers {
    async fn ask(&self, _server: IpAddr, name: &str, kind: RecordKind) -> DnsReply {
        self.0.look_up(name, kind).await
    }
}

/// The ledger's bytes.
#[derive(Default)]
pub(crate) struct File {
    pub(crate) bytes: Mutex<Vec<u8>>,
    pub(crate) is_full: AtomicBool,
}

impl Ledger for File {
    async fn append(&self, lines: Vec<String>) -> Result<(), StoreError> {
        if self.is_full.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("the disk is full".to_owned()));
        }
        self.bytes.lock().unwrap().extend(lines.concat().into_bytes());
        Ok(())
    }

    async fn read(&self) -> Result<Box<dyn BufRead + Send>, StoreError> {
        Ok(Box::new(std::io::Cursor::new(self.bytes.lock().unwrap().clone())))
    }
}

type Handle = Publisher<MemoryWorld, Servers, Zone, Host, MemoryStore, File, Time>;

pub(crate) struct Stage {
    pub(crate) executor: Executor,
    pub(crate) world: MemoryWorld,
    pub(crate) zone: Arc<Zone>,
    pub(crate) host: Arc<Host>,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) ledger: Arc<File>,
    pub(crate) board: Arc<Board>,
    pub(crate) publisher: Handle,
    pub(crate) senders: Vec<Sender>,
    roots: Arc<TrustRoots>,
    stop: Option<oneshot::Sender<()>>,
    chance: u64,
}

pub(crate) fn domain() -> PolicyDomain {
    PolicyDomain::parse(DOMAIN).unwrap()
}

pub(crate) fn wish(stage: Step, mx: &[&str]) -> Wish {
    let mx = mx.iter().map(|host| MxPattern::parse(host).unwrap()).collect();
    Wish { stage, mx, rua: vec!["mailto:t@reports.test".to_owned()], max_age: None }
}

impl Stage {
    pub(crate) fn new(seed: u64) -> Self {
        let pki = Arc::new(Pki::new());
        let mut world = World::loopback(NOW);
        world.pki = Arc::clone(&pki);
        world.domain(DOMAIN).mx(2).policy(Mode::Testing).addresses(2).add().unwrap();
        let addresses = world.domains[DOMAIN].policy_host.as_ref().unwrap().addresses.clone();
        // Nothing is published yet: there is a machine, and that is all.
        world.serve(DOMAIN, &Page::status(404));
        for name in ["_mta-sts", "_smtp._tls"] {
            world.set_txt(&format!("{name}.{DOMAIN}"), &[]);
        }
        world.set_addresses(&format!("mta-sts.{DOMAIN}"), &[]);
        let mut executor = Executor::new(NOW, seed);
        let world = MemoryWorld::new(world, executor.clock());
        let host = Arc::new(Host {
            world: world.clone(),
            addresses,
            lag_secs: AtomicU64::new(0),
            bodies: Arc::default(),
        });
        let zone = Arc::new(Zone {
            world: world.clone(),
            refusing: AtomicUsize::new(0),
            losing: AtomicUsize::new(0),
            announced: Mutex::default(),
            host: Arc::clone(&host),
        });
        let judge = Judge::new(&pki).unwrap();
        let senders =
            (0..3).map(|number| Sender::new(&format!("sender{number}.test"), judge.clone())).collect();
        let roots = Arc::new(TrustRoots::from_der(&[pki.trusted_root().unwrap()]).unwrap());
        let (store, ledger) = (Arc::new(MemoryStore::default()), Arc::new(File::default()));
        let board = Arc::new(Board::default());
        let (publisher, stop) = open(&mut executor, &world, &zone, &host, &store, &ledger, &board, &roots);
        Self {
            executor,
            world,
            zone,
            host,
            store,
            ledger,
            board,
            publisher,
            senders,
            roots,
            stop: Some(stop),
            chance: seed,
        }
    }

    /// The process is killed and another begins, on this store.
    pub(crate) fn restart_on(&mut self, store: Arc<MemoryStore>) {
        drop(self.stop.take());
        self.store = store;
        self.board = Arc::new(Board::default());
        let Self { executor, world, zone, host, store, ledger, board, roots, .. } = self;
        let (publisher, stop) = open(executor, world, zone, host, store, ledger, board, roots);
        (self.publisher, self.stop) = (publisher, Some(stop));
    }

    pub(crate) fn restart(&mut self) {
        self.restart_on(Arc::clone(&self.store));
    }

    /// A number below `below`.
    pub(crate) fn draw(&mut self, below: u64) -> u64 {
        self.chance =
            self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.chance >> 33) % below
    }

    /// Time passes while the senders send, and everything that they hold must hold.
    pub(crate) fn pass(&mut self, hours: u64) {
        for _ in 0..hours {
            self.sleep(Duration::from_secs(3_600));
            if self.draw(3) == 0 {
                self.send();
            }
            self.check();
        }
    }

    pub(crate) fn sleep(&mut self, time: Duration) {
        let sleep = self.executor.clock().sleep(time);
        self.executor.run(sleep).unwrap();
    }

    pub(crate) fn send(&mut self) {
        let now = self.executor.clock().now();
        for sender in &mut self.senders {
            let view = self.world.seen_by(&sender.domain);
            self.executor.run(sender.deliver(&view, DOMAIN, 1, false, now)).unwrap();
        }
        self.check();
    }

    /// What is promised to senders.
    pub(crate) fn check(&mut self) {
        let now = self.executor.clock().now();
        let texts = self.look_up(&format!("_mta-sts.{DOMAIN}")).texts();
        let announced = self.zone.announced.lock().unwrap().clone();
        let bodies = self.versions();
        let number = |body: &[u8]| bodies.iter().rposition(|known| known.as_ref() == body);
        for sender in &self.senders {
            let Some(held) = sender.held(DOMAIN).filter(|held| now < held.fetched_at + held.max_age) else {
                continue;
            };
            if held.mode != Mode::None {
                assert!(!texts.is_empty(), "the record went while {} holds {held:?}", sender.domain);
                assert!(self.host.body(DOMAIN).is_some(), "the policy went while {} holds it", sender.domain);
            }
            let fetched = held.lines.join("\r\n") + "\r\n";
            let (fetched, first) = (number(fetched.as_bytes()), number(&announced[&held.id]));
            assert!(fetched.is_some() && fetched >= first, "{} saw an id before its body", sender.domain);
        }
    }

    /// Every body in order.
    fn versions(&mut self) -> Vec<Bytes> {
        let store = Arc::clone(&self.store);
        let mut rows = self.executor.run(store.versions(DOMAIN, None, 1_000)).unwrap().unwrap();
        rows.reverse();
        rows.into_iter().map(|row| row.body).collect()
    }

    pub(crate) fn look_up(&mut self, name: &str) -> DnsReply {
        let world = self.world.clone();
        self.executor.run(world.look_up(name, RecordKind::Txt)).unwrap()
    }

    pub(crate) fn live_id(&mut self) -> Option<String> {
        let text = self.look_up(&format!("_mta-sts.{DOMAIN}")).texts().into_iter().next()?;
        let text = String::from_utf8(text).unwrap();
        Some(text.split("id=").nth(1)?.trim_end_matches(';').to_owned())
    }

    pub(crate) fn show(&mut self) -> Publication {
        let publisher = self.publisher.clone();
        self.executor.run(publisher.show(&domain(), 0)).unwrap().unwrap().unwrap().0
    }
}

#[expect(clippy::too_many_arguments, reason = "all of the stage")]
fn open(
    executor: &mut Executor,
    world: &MemoryWorld,
    zone: &Arc<Zone>,
    host: &Arc<Host>,
    store: &Arc<MemoryStore>,
    ledger: &Arc<File>,
    board: &Arc<Board>,
    roots: &Arc<TrustRoots>,
) -> (Handle, oneshot::Sender<()>) {
    let addresses = host.addresses.clone();
    let parts = Parts {
        world: Arc::new(world.clone()),
        authorities: Arc::new(Servers(world.clone())),
        records: Arc::clone(zone),
        hosts: Arc::clone(host),
        store: Arc::clone(store),
        ledger: Arc::clone(ledger),
        clock: Time(executor.clock()),
    };
    let options = Options {
        roots: Arc::clone(roots),
        sets: Arc::new(move |state, desired| Ok(sets(state, desired, &addresses))),
        applies_at_open: false,
        at_once: 4,
        random: Arc::new(|| 7_000),
    };
    let (publisher, driver) =
        executor.run(Publisher::open(parts, options, Arc::clone(board))).unwrap().unwrap();
    let (stop, stopped) = oneshot::channel();
    executor.clock().spawn(driver.run(async move { stopped.await.unwrap_or_default() }));
    (publisher, stop)
}

fn sets(state: &Publication, desired: &Desired, addresses: &[IpAddr]) -> Vec<RecordSet> {
    let domain = &state.domain;
    let set = |name: String, kind, values| RecordSet { name, kind, ttl: TTL, values };
    let txt = |text: String| vec![RecordValue::Txt(text)];
    let mut sets = Vec::new();
    match &desired.reporting {
        DesiredText::Leave => {}
        DesiredText::Absent => sets.push(set(format!("_smtp._tls.{domain}"), RecordType::Txt, vec![])),
        DesiredText::Is(text) => {
            sets.push(set(format!("_smtp._tls.{domain}"), RecordType::Txt, txt(text.clone())));
        }
    }
    match &desired.id {
        DesiredText::Leave => {}
        DesiredText::Absent => sets.push(set(domain.record_name(), RecordType::Txt, vec![])),
        DesiredText::Is(id) => {
            let text = format!("v=STSv1; id={};", id.as_wire());
            sets.push(set(domain.record_name(), RecordType::Txt, txt(text)));
        }
    }
    let address = |address: &IpAddr| match address {
        IpAddr::V4(address) => RecordValue::A(*address),
        IpAddr::V6(address) => RecordValue::Aaaa(*address),
    };
    let values = if desired.host { addresses.iter().map(address).collect() } else { Vec::new() };
    sets.push(set(domain.policy_host(), RecordType::A, values));
    sets
}
