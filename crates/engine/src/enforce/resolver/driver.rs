//! Drives flights and refreshes: one future, for whatever runtime there is.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_channel::mpsc::UnboundedReceiver;
use futures_channel::oneshot;
use futures_util::future::{Fuse, FutureExt as _};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use mta_sts::policy_domain::PolicyDomain;

use super::Inner;
use super::flight::{Errand, Flown};
use crate::enforce::next_hop::NextHop;
use crate::facts::UnixTime;
use crate::ports::{Clock, Policies, World};

/// The alarm goes off this often at least: the clock may have been set.
const LONGEST_WAIT_SECS: i64 = 300;

/// Work that somebody waits for.
pub(super) enum Job {
    /// A next hop is asked for.
    Hop(NextHop),
    /// Somebody wants a domain's policy looked at.
    Errand(PolicyDomain, Errand, oneshot::Sender<Flown>),
}

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Starts a task of the runtime.
type Spawn = Box<dyn Fn(Boxed<()>) + Send + Sync>;

/// What came to an end.
enum Ended {
    Flight,
    Refresh,
}

/// Does the look-ups of a [`Resolver`](super::Resolver), and refreshes what it holds, as long as it runs.
pub struct Driver<W, P, C> {
    pub(super) inner: Arc<Inner<W, P, C>>,
    pub(super) jobs: UnboundedReceiver<Job>,
    pub(super) spawn: Option<Spawn>,
}

impl<W, P, C> std::fmt::Debug for Driver<W, P, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}

impl<W: World + 'static, P: Policies, C: Clock> Driver<W, P, C> {
    /// Has every look-up begun as a task of a runtime, so that many cores can share the work; without, [`Driver::run`]
    /// does all of it in its own future. Tasks end by themselves within two minutes, also after `shutdown`.
    #[must_use]
    pub fn spawning(
        mut self,
        spawn: impl Fn(Pin<Box<dyn Future<Output = ()> + Send>>) + Send + Sync + 'static,
    ) -> Self {
        self.spawn = Some(Box::new(spawn));
        self
    }

    /// Runs until `shutdown`. What is under way then is dropped: who waits for it is told what is known, or to try later.
    ///
    /// A look-up that panics ends alone.
    pub async fn run(mut self, shutdown: impl Future<Output = ()> + Send) {
        let mut shutdown = Box::pin(shutdown.fuse());
        let mut flights: FuturesUnordered<Boxed<Ended>> = FuturesUnordered::new();
        let mut refreshing = 0;
        // Refreshes leave room for those who wait.
        let refreshing_at_most = (self.inner.options.flights_at_once / 2).max(1);
        let mut alarm = Alarm { at: UnixTime::MAX, sleep: Fuse::terminated() };
        let mut last = UnixTime::MIN;
        loop {
            let now = self.inner.clock.now();
            if now < last {
                self.inner.state().heed_clock_set_back(now);
            }
            last = now;
            while refreshing < refreshing_at_most
                && let Some(domain) = self.inner.take_due(now)
            {
                refreshing += 1;
                flights.push(self.begin_refresh(domain));
            }
            let next = if refreshing < refreshing_at_most { self.inner.next_wake() } else { None };
            self.set(&mut alarm, now, next);
            futures_util::select_biased! {
                () = shutdown => break,
                job = self.jobs.next() => match job {
                    Some(job) => flights.push(self.begin(job)),
                    // Nobody is left who could ask.
                    None => break,
                },
                ended = flights.select_next_some() => {
                    refreshing -= usize::from(matches!(ended, Ended::Refresh));
                },
                () = &mut alarm.sleep => alarm.at = UnixTime::MAX,
            }
        }
        drop(flights);
        self.jobs.close();
        // Those whose look-ups have not begun learn that they will not.
        while let Ok(job) = self.jobs.try_recv() {
            if let Job::Hop(hop) = job {
                drop(self.inner.state().land(&hop));
            }
        }
    }

    fn begin(&self, job: Job) -> Boxed<Ended> {
        let inner = Arc::clone(&self.inner);
        let flight = async move {
            match job {
                Job::Hop(hop) => inner.fly(&hop).await,
                Job::Errand(domain, errand, asker) => {
                    // Who no longer listens has what was done all the same.
                    drop(asker.send(inner.policy_side(&domain, errand).await));
                }
            }
        };
        self.start(flight, Ended::Flight)
    }

    fn begin_refresh(&self, domain: PolicyDomain) -> Boxed<Ended> {
        let inner = Arc::clone(&self.inner);
        self.start(async move { drop(inner.policy_side(&domain, Errand::Timer).await) }, Ended::Refresh)
    }

    fn start(&self, flight: impl Future<Output = ()> + Send + 'static, ended: Ended) -> Boxed<Ended> {
        // What is shared is behind locks that a panic leaves usable, and flights land when they are dropped.
        let flight = AssertUnwindSafe(flight).catch_unwind();
        match &self.spawn {
            None => Box::pin(flight.map(|_| ended)),
            Some(spawn) => {
                let (sender, receiver) = oneshot::channel::<()>();
                spawn(Box::pin(async move {
                    drop(flight.await);
                    drop(sender);
                }));
                Box::pin(receiver.map(|_| ended))
            }
        }
    }

    /// Lets the alarm go off at `next`, unless it does so earlier anyway.
    fn set(&self, alarm: &mut Alarm, now: UnixTime, next: Option<UnixTime>) {
        let at = next.unwrap_or(UnixTime::MAX).clamp(now, now + LONGEST_WAIT_SECS);
        if alarm.at <= at && alarm.at > now {
            return;
        }
        let world = Arc::clone(&self.inner.world);
        let wait = Duration::from_secs(u64::try_from(at - now).unwrap_or(0));
        let sleep: Boxed<()> = Box::pin(async move { world.sleep(wait).await });
        *alarm = Alarm { at, sleep: sleep.fuse() };
    }
}

/// When something has to be looked after.
struct Alarm {
    at: UnixTime,
    sleep: Fuse<Boxed<()>>,
}
