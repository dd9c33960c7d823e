//! Looks after every domain when it is due: one future, for whatever runtime there is.

use std::collections::BTreeSet;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_channel::mpsc::UnboundedReceiver;
use futures_util::future::{Either, Fuse, FutureExt as _, select};
use futures_util::stream::{FuturesUnordered, StreamExt as _};

use super::Inner;
use crate::facts::UnixTime;
use crate::ports::publish::{Authorities, Hosts, Ledger, Publications, Records};
use crate::ports::{Clock, World};

/// The store is asked this often at least, in seconds: the clock may have been set, and others may change it too.
const LONGEST_WAIT_SECS: i64 = 60;
/// A domain that is due again at once, because it cannot be kept or read, waits this long, in seconds.
const SHORTEST_WAIT_SECS: i64 = 5;
/// A look at a domain is given up after this long: every part of it has a shorter bound of its own.
const LIMIT: Duration = Duration::from_secs(900);

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Looks after the domains of a [`Publisher`](super::Publisher), as long as it runs.
pub struct Driver<W, A, R, H, S, L, C> {
    inner: Arc<Inner<W, A, R, H, S, L, C>>,
    hears: UnboundedReceiver<String>,
    busy: BTreeSet<String>,
    /// Ordered while it was busy.
    again: BTreeSet<String>,
    /// Failed just now, and until when they are left alone.
    resting: BTreeSet<(UnixTime, String)>,
}

impl<W, A, R, H, S, L, C> std::fmt::Debug for Driver<W, A, R, H, S, L, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}

impl<W, A, R, H, S, L, C> Driver<W, A, R, H, S, L, C>
where
    W: World + 'static,
    A: Authorities + 'static,
    R: Records,
    H: Hosts,
    S: Publications,
    L: Ledger,
    C: Clock,
{
    pub(super) fn new(inner: Arc<Inner<W, A, R, H, S, L, C>>, hears: UnboundedReceiver<String>) -> Self {
        Self { inner, hears, busy: BTreeSet::new(), again: BTreeSet::new(), resting: BTreeSet::new() }
    }

    /// Runs until `shutdown`. What is under way then is dropped, and done again by whoever runs next.
    pub async fn run(mut self, shutdown: impl Future<Output = ()> + Send) {
        let mut shutdown = Box::pin(shutdown.fuse());
        let mut works: FuturesUnordered<Boxed<(String, bool)>> = FuturesUnordered::new();
        let mut alarm: Fuse<Boxed<()>> = Fuse::terminated();
        loop {
            let wait = self.begin_due(&mut works).await;
            let world = Arc::clone(&self.inner.parts.world);
            if let Some(wait) = wait {
                let sleep: Boxed<()> = Box::pin(async move { world.sleep(wait).await });
                alarm = sleep.fuse();
            }
            futures_util::select_biased! {
                () = shutdown => return,
                domain = self.hears.next() => match domain {
                    Some(domain) => self.begin(domain, &mut works),
                    // Nobody is left who could order anything; what is published is looked after all the same.
                    None => self.hears.close(),
                },
                (domain, is_done) = works.select_next_some() => self.end(domain, is_done),
                () = &mut alarm => {}
            }
        }
    }

    fn end(&mut self, domain: String, is_done: bool) {
        self.busy.remove(&domain);
        if !is_done {
            let until = self.inner.parts.clock.now() + SHORTEST_WAIT_SECS;
            self.resting.insert((until, domain));
        }
    }

    fn begin(&mut self, domain: String, works: &mut FuturesUnordered<Boxed<(String, bool)>>) {
        self.resting.retain(|(_, resting)| *resting != domain);
        if self.busy.contains(&domain) || self.busy.len() >= self.inner.options.at_once {
            self.again.insert(domain);
            return;
        }
        self.busy.insert(domain.clone());
        let inner = Arc::clone(&self.inner);
        works.push(Box::pin(async move {
            let work = AssertUnwindSafe(inner.look_after(&domain)).catch_unwind();
            let limit = inner.parts.world.sleep(LIMIT);
            // A panic ends one domain's round alone: what is shared stays usable, and what was kept is whole.
            let is_done = match select(std::pin::pin!(work), std::pin::pin!(limit)).await {
                Either::Left((ended, _)) => matches!(ended, Ok(Ok(()))),
                Either::Right(((), _)) => false,
            };
            (domain, is_done)
        }));
    }

    /// Begins with those that are due, and says when to look again; `None`: when one that is under way ends.
    async fn begin_due(&mut self, works: &mut FuturesUnordered<Boxed<(String, bool)>>) -> Option<Duration> {
        let now = self.inner.parts.clock.now();
        self.resting.retain(|(until, _)| *until > now && *until <= now + SHORTEST_WAIT_SECS);
        let at_once = self.inner.options.at_once.max(1);
        while self.busy.len() < at_once
            && let Some(domain) = self.again.iter().find(|domain| !self.busy.contains(*domain)).cloned()
        {
            self.again.remove(&domain);
            self.begin(domain, works);
        }
        if self.busy.len() >= at_once {
            return None;
        }
        // Those under way and those that rest may still be due.
        let most = at_once + self.busy.len() + self.resting.len();
        let Ok(rows) = self.inner.parts.store.due(UnixTime::MAX, most).await else {
            return Some(seconds(SHORTEST_WAIT_SECS));
        };
        let mut next = now + LONGEST_WAIT_SECS;
        for row in rows {
            let is_resting = self.resting.iter().any(|(_, resting)| *resting == row.domain);
            if is_resting {
                next = next.min(now + SHORTEST_WAIT_SECS);
            } else if self.busy.contains(&row.domain) {
                // It says itself when it is due next.
            } else if row.due_at > now {
                next = next.min(row.due_at);
            } else if self.busy.len() < at_once {
                self.begin(row.domain, works);
            }
        }
        if self.busy.len() >= at_once { None } else { Some(seconds(next - now)) }
    }
}

fn seconds(secs: i64) -> Duration {
    Duration::from_secs(u64::try_from(secs.max(1)).unwrap_or(1))
}
