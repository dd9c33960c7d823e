//! Enforcement: the mail server's questions answered from the policies of other domains.
//!
//! [`Desk`] answers, by what is ready in a [`map`], what the owner ruled, and what the engine's resolver knows or finds
//! out; [`follow`] drops what has changed and tells the log of alerts. The questions come on a thread of their own, so
//! that nothing else that the server does stands in their way. What can fail: the store, an address that is taken, a
//! thread that the system has not got.

mod answers;
mod book;
mod deferred;
mod gauges;
mod listen;
mod map;
mod outcome;
mod owner;
mod recheck;
mod source;
mod standing;

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Context as _;
use mta_sts::policy_domain::PolicyDomain;
use prometheus_client::registry::Registry;
use tlsward_engine::alert::{Board, Feed, Heard, News};
use tlsward_engine::enforce::{Driver, Options, Resolver};
use tlsward_engine::report::judge::PolicyHosts;

use tlsward_mta::postfix_log::OnHeldBack;
use tlsward_mta::socketmap::{Limits, Server};
use tlsward_net::dns;
use tlsward_net::world::NetWorld;
use tlsward_store::SqliteStore;
use tokio::sync::{mpsc, oneshot, watch};

use self::answers::{Choices, Desk};
use self::outcome::Counts;
use self::source::Asking;
use super::{Parts, alerts, named};
use crate::config::{Enforce, Overrides};
use crate::control;
use crate::edge::{self, SystemClock};
use crate::world::Open;

pub(super) use listen::{Bound, bind};

/// The resolver over the real world.
type PolicyResolver = Resolver<NetWorld<dns::Resolver>, SqliteStore, SystemClock>;
type PolicyDriver = Driver<NetWorld<dns::Resolver>, SqliteStore, SystemClock>;

/// Enforcement, ready to be started.
pub(super) struct Enforcement {
    resolver: PolicyResolver,
    driver: PolicyDriver,
    alerts: Arc<Board>,
    news: Feed<News>,
    desk: Desk<Asking<PolicyResolver>, SystemClock>,
    held_back: mpsc::Sender<PolicyDomain>,
    rechecks: mpsc::Receiver<PolicyDomain>,
}

/// What others may do with enforcement while it runs.
#[derive(Clone)]
pub(super) struct Handle {
    desk: Desk<Asking<PolicyResolver>, SystemClock>,
    resolver: PolicyResolver,
    alerts: Arc<Board>,
}

impl Enforcement {
    /// Takes up what is kept: from here on every policy that is not over holds, with the network down too.
    pub(super) async fn open(
        enforce: &Enforce,
        world: &Open,
        store: Arc<SqliteStore>,
        registry: &mut Registry,
    ) -> anyhow::Result<Self> {
        let options = Options {
            mta_does_dane: enforce.mta_does_dane,
            seed: edge::random().map_or(0, |random| random as u64),
            ..Options::default()
        };
        let alerts = Arc::new(Board::default());
        // Before there can be any.
        let news = alerts.listen();
        let (net, roots) = (Arc::new(world.net.clone()), Arc::clone(&world.roots));
        let opened = Resolver::open(net, roots, store, SystemClock, Arc::clone(&alerts), options).await;
        let (resolver, driver) = opened.context("the policies that are kept cannot be read")?;
        if resolver.unreadable() > 0 {
            tracing::error!(
                policies = resolver.unreadable(),
                "policies that are kept cannot be read, and do not hold until they are fetched again"
            );
        }
        let choices = Choices { default: enforce.default, under_enforce: enforce.under_enforce };
        let source = Asking::new(resolver.clone(), tokio::runtime::Handle::current());
        let counts = Counts::register(registry);
        let desk = Desk::new(source, SystemClock, choices, enforce.overrides.clone(), counts);
        gauges::register(registry, &desk, &resolver);
        let (held_back, rechecks) = mpsc::channel(recheck::WAITING);
        Ok(Self { resolver, driver, alerts, news, desk, held_back, rechecks })
    }

    /// What others may do with it.
    pub(super) fn handle(&self) -> Handle {
        let (desk, resolver, alerts) = (self.desk.clone(), self.resolver.clone(), Arc::clone(&self.alerts));
        Handle { desk, resolver, alerts }
    }

    /// What there is to tell of it.
    pub(super) fn alerts(&self) -> Arc<Board> {
        Arc::clone(&self.alerts)
    }

    /// What reports need to know of the policies of others.
    pub(super) fn policies(&self) -> Arc<dyn PolicyHosts> {
        Arc::new(standing::Standings(self.resolver.clone()))
    }

    /// Hears of domains whose mail was held back because of TLS: a newer policy is looked for.
    pub(super) fn held_back(&self) -> OnHeldBack {
        let held_back = self.held_back.clone();
        Arc::new(move |domain| {
            if let Ok(domain) = PolicyDomain::parse(domain) {
                // Where there is no room, the next attempt of the same mail says it again.
                let _ = held_back.try_send(domain);
            }
        })
    }

    /// Starts answering.
    pub(super) fn start(
        self,
        parts: &mut Parts,
        bound: Vec<Bound>,
        shutdown: &watch::Receiver<bool>,
    ) -> anyhow::Result<()> {
        let Self { resolver, driver, news, desk, rechecks, .. } = self;
        let policies = resolver.remembered().policies;
        tracing::info!(policies, overrides = desk.overrides(), "enforcing; policies are held from before");
        parts.spawn(named(
            "policy changes",
            follow_changes(desk.clone(), resolver.listen_to_changes(), shutdown.clone()),
        ));
        parts.spawn(named(
            "looks for newer policies",
            recheck::run(resolver.clone(), rechecks, shutdown.clone()),
        ));
        parts.spawn(named("alerts", alerts::follow(news, shutdown.clone())));
        // Look-ups go on until the last question under way is answered.
        let (last, answered) = oneshot::channel::<()>();
        let runtime = tokio::runtime::Handle::current();
        let driver = driver.spawning(move |look_up| drop(runtime.spawn(look_up)));
        let driving = driver.run(async move { drop(answered.await) });
        parts.spawn(named("policy look-ups", driving));
        let listeners = bound.into_iter().map(|bound| bound.listener).collect();
        let server = Server::new(desk, Limits::default());
        let thread = server
            .start(listeners, shutdown.clone())
            .context("cannot start the thread that answers the mail server")?;
        parts.spawn(named("socketmap", async move {
            match tokio::task::spawn_blocking(move || thread.join()).await {
                Ok(Ok(Ok(()))) => {}
                Ok(Ok(Err(error))) => tracing::error!(%error, "the mail server cannot be answered"),
                Ok(Err(_)) => tracing::error!("the thread that answers the mail server broke"),
                Err(error) => tracing::error!(%error, "the thread that answers the mail server is lost"),
            }
            drop(last);
        }));
        Ok(())
    }
}

impl Handle {
    /// Takes other rules of the owner; whether they are others.
    pub(super) fn set_overrides(&self, overrides: &Overrides) -> bool {
        self.desk.set_overrides(overrides)
    }
}

/// Drops answers of domains that have changed. What comes in one go is dropped in one go.
async fn follow_changes<S, C>(
    desk: Desk<S, C>,
    mut changes: Feed<PolicyDomain>,
    mut shutdown: watch::Receiver<bool>,
) where
    S: answers::Source,
    C: tlsward_engine::ports::Clock,
{
    loop {
        let first = tokio::select! {
            () = control::told_to_stop(&mut shutdown) => return,
            heard = changes.next() => heard,
        };
        let Some(first) = first else {
            return control::told_to_stop(&mut shutdown).await;
        };
        let (mut domains, mut missed) = (BTreeSet::new(), false);
        for heard in std::iter::once(first).chain(std::iter::from_fn(|| changes.try_next())) {
            match heard {
                Heard::News(domain) => drop(domains.insert(domain)),
                Heard::Missed => missed = true,
            }
        }
        if missed {
            desk.map().clear();
        } else {
            desk.map().drop_domains(&domains);
        }
    }
}
