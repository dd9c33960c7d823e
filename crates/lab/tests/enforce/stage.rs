//! A sender with its resolver in the world, on the virtual clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_channel::oneshot;
use mta_sts::policy_domain::PolicyDomain;
use smtp_dane::pkix::TrustRoots;
use tlsward_engine::alert::{Board, Feed, Heard, News, Rule};
use tlsward_engine::enforce::{Answer, Driver, NextHop, Options, Resolver};
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::{Clock, Level, MtaPolicy, Policies, RecordKind, StsAttributes};
use tlsward_lab::executor::{self, Executor};
use tlsward_lab::memory::MemoryWorld;
use tlsward_lab::pki::Pki;
use tlsward_lab::world::{Attack, AttackKind, DnsTrouble, Mode, Policy, Scope, World};
use tlsward_store::MemoryStore;

use crate::network::Network;

pub(crate) const NOW: UnixTime = 1_800_000_000;
pub(crate) const DAY: u64 = 86_400;
/// The domain that most stories are about: two MX hosts, a policy of four weeks.
pub(crate) const DOMAIN: &str = "alpha.test";
/// Longer than the world's TTLs.
pub(crate) const AFTER_TTL: u64 = 301;

/// The executor's clock as the engine's, which may be ahead of it.
#[derive(Debug, Clone)]
pub(crate) struct Time {
    clock: executor::Clock,
    ahead: Arc<AtomicI64>,
}

impl Clock for Time {
    fn now(&self) -> UnixTime {
        self.clock.now() + self.ahead.load(Ordering::Relaxed)
    }
}

pub(crate) type Handle<P> = Resolver<Network, P, Time>;

/// The stage; `P`: where policies are kept.
pub(crate) struct Stage<P = MemoryStore> {
    pub(crate) executor: Executor,
    pub(crate) network: Network,
    pub(crate) store: Arc<P>,
    pub(crate) board: Arc<Board>,
    pub(crate) news: Feed<News>,
    pub(crate) options: Options,
    pub(crate) resolver: Handle<P>,
    roots: Arc<TrustRoots>,
    time: Time,
    stop: Option<oneshot::Sender<()>>,
}

impl Stage {
    /// With one domain, unsigned, in the mode.
    pub(crate) fn with(mode: Mode) -> Self {
        Self::new(|world| world.domain(DOMAIN).mx(2).policy(mode).add().unwrap())
    }

    pub(crate) fn new(build: impl FnOnce(&mut World)) -> Self {
        Self::with_options(build, Options::default())
    }

    pub(crate) fn with_options(build: impl FnOnce(&mut World), options: Options) -> Self {
        Self::with_store(build, options, MemoryStore::default())
    }
}

impl<P: Policies> Stage<P> {
    pub(crate) fn with_store(build: impl FnOnce(&mut World), options: Options, store: P) -> Self {
        let pki = Arc::new(Pki::new());
        let mut world = World::public(NOW);
        world.pki = Arc::clone(&pki);
        build(&mut world);
        let mut executor = Executor::new(NOW, 1);
        let network = Network::new(MemoryWorld::new(world, executor.clock()));
        let roots = Arc::new(TrustRoots::from_der(&[pki.trusted_root().unwrap()]).unwrap());
        let store = Arc::new(store);
        let time = Time { clock: executor.clock(), ahead: Arc::default() };
        let (board, news, resolver, stop) = open(&mut executor, &network, &roots, &store, &options, &time);
        Self { executor, network, store, board, news, options, resolver, roots, time, stop: Some(stop) }
    }

    /// The process ends and another one begins; only the store is left.
    pub(crate) fn restart(&mut self) {
        drop(self.stop.take());
        let Self { executor, network, roots, store, options, time, .. } = self;
        let opened = open(executor, network, roots, store, options, time);
        let (board, news, resolver, stop) = opened;
        (self.board, self.news, self.resolver, self.stop) = (board, news, resolver, Some(stop));
    }

    /// The process is about to end.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
        self.wait(1);
    }

    pub(crate) fn ask(&mut self, next_hop: &str) -> Answer {
        let hop = NextHop::parse(next_hop).unwrap();
        self.executor.run(self.resolver.resolve(hop)).unwrap()
    }

    pub(crate) fn known(&self, next_hop: &str) -> Option<Answer> {
        self.resolver.known(&NextHop::parse(next_hop).unwrap())
    }

    pub(crate) fn wait(&mut self, seconds: u64) {
        let sleep = self.executor.clock().sleep(Duration::from_secs(seconds));
        self.executor.run(sleep).unwrap();
    }

    pub(crate) fn now(&self) -> UnixTime {
        self.executor.clock().now()
    }

    /// The sender's clock is so many seconds ahead of the world's from now on.
    pub(crate) fn ahead(&mut self, seconds: i64) {
        self.time.ahead.store(seconds, Ordering::Relaxed);
    }

    pub(crate) fn edit(&mut self, edit: impl FnOnce(&mut World)) {
        self.network.world.edit(edit);
    }

    /// From now on, for so many days.
    pub(crate) fn attack(&mut self, days: u64, kind: AttackKind) {
        let from = self.now();
        let until = from + i64::try_from(days * DAY).unwrap();
        self.edit(|world| world.attacks.push(Attack { from, until, scope: Scope::Everyone, kind }));
    }

    pub(crate) fn disturb(&mut self, name: &str, kind: RecordKind, trouble: DnsTrouble) {
        self.edit(|world| world.disturb(name, Some(kind), trouble));
    }

    pub(crate) fn calm(&mut self) {
        self.edit(|world| world.dns_trouble.clear());
    }

    /// Publishes another policy under another id.
    pub(crate) fn publish(&mut self, id: &str, mode: Mode, mx: &[&str]) {
        let mx = mx.iter().map(|host| (*host).to_owned()).collect();
        self.edit(|world| world.publish(DOMAIN, id, Policy { mode, mx, max_age: 28 * DAY }));
    }

    /// The alerts that were raised (`+`) and resolved (`-`) since the last time.
    pub(crate) fn told(&mut self) -> Vec<(char, Rule, String)> {
        let mut told = Vec::new();
        while let Some(heard) = self.news.try_next() {
            let Heard::News(news) = heard else { panic!("news were missed") };
            told.push(match news {
                News::Raised(alert) => ('+', alert.rule, alert.subject),
                News::Resolved { alert, .. } => ('-', alert.rule, alert.subject),
            });
        }
        told
    }
}

type Opened<P> = (Arc<Board>, Feed<News>, Handle<P>, oneshot::Sender<()>);

fn open<P: Policies>(
    executor: &mut Executor,
    network: &Network,
    roots: &Arc<TrustRoots>,
    store: &Arc<P>,
    options: &Options,
    time: &Time,
) -> Opened<P> {
    let board = Arc::new(Board::default());
    let news = board.listen();
    let clock = executor.clock();
    let opening = Resolver::open(
        Arc::new(network.clone()),
        Arc::clone(roots),
        Arc::clone(store),
        time.clone(),
        Arc::clone(&board),
        options.clone(),
    );
    let (resolver, driver): (Handle<P>, Driver<Network, P, Time>) = executor.run(opening).unwrap().unwrap();
    // Every other process has its look-ups done by tasks.
    let driver = if options.seed.is_multiple_of(2) {
        driver
    } else {
        let clock = clock.clone();
        driver.spawning(move |flight| clock.spawn(flight))
    };
    let (stop, stopped) = oneshot::channel();
    clock.spawn(driver.run(async move { stopped.await.unwrap_or_default() }));
    (board, news, resolver, stop)
}

pub(crate) fn domain(name: &str) -> PolicyDomain {
    PolicyDomain::parse(name).unwrap()
}

/// What the MTA is told, in a word, with the patterns of `secure`.
pub(crate) fn told(answer: &Answer) -> String {
    match &answer.policy {
        MtaPolicy::NotFound => "not-found".to_owned(),
        MtaPolicy::TryLater(_) => "try-later".to_owned(),
        MtaPolicy::Apply(reply) => match &reply.level {
            Level::None => "none".to_owned(),
            Level::May => "may".to_owned(),
            Level::Encrypt => "encrypt".to_owned(),
            Level::Dane => "dane".to_owned(),
            Level::DaneOnly => "dane-only".to_owned(),
            Level::Secure(patterns) => {
                let patterns: Vec<_> =
                    patterns.iter().map(|pattern| pattern.as_wire().into_owned()).collect();
                format!("secure {}", patterns.join(" "))
            }
        },
    }
}

pub(crate) const SECURE: &str = "secure mx1.alpha.test mx2.alpha.test";

/// The policy as it is quoted, if it is.
pub(crate) fn quoted(answer: &Answer) -> Option<&StsAttributes> {
    match &answer.policy {
        MtaPolicy::Apply(reply) => reply.sts.as_ref(),
        MtaPolicy::NotFound | MtaPolicy::TryLater(_) => None,
    }
}
