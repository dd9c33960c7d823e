//! The world within a time limit: each question or probe ends with its answer or with the limit, whichever comes
//! first, so that a slow domain still gives a report of what was seen.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{Either, Shared, join, select};
use futures_util::stream::{self, StreamExt as _};

use crate::check::observations::HostReplies;
use crate::ports::{DnsFailure, DnsReply, RecordKind, World};

type Limit<'w> = Shared<Pin<Box<dyn Future<Output = ()> + Send + 'w>>>;

/// The world, until the limit.
pub(crate) struct Within<'w, W> {
    world: &'w W,
    limit: Limit<'w>,
    is_over: AtomicBool,
}

impl<'w, W: World> Within<'w, W> {
    /// The time runs from the first question on.
    pub(crate) fn new(world: &'w W, limit: Duration) -> Self {
        let limit: Pin<Box<dyn Future<Output = ()> + Send + 'w>> = Box::pin(world.sleep(limit));
        Self { world, limit: limit.shared(), is_over: AtomicBool::new(false) }
    }

    /// The world itself.
    pub(crate) fn world(&self) -> &'w W {
        self.world
    }

    /// Whether something was ended by the limit.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// The answer, or `None` at the limit.
    pub(crate) async fn limit<T>(&self, work: impl Future<Output = T> + Send) -> Option<T> {
        if self.is_over() {
            return None;
        }
        let work = std::pin::pin!(work);
        match select(work, self.limit.clone()).await {
            Either::Left((answer, _)) => Some(answer),
            Either::Right(((), _)) => {
                self.is_over.store(true, Ordering::Relaxed);
                None
            }
        }
    }

    /// One question to DNS; at the limit, that nobody answered.
    pub(crate) async fn look_up(&self, name: &str, kind: RecordKind) -> DnsReply {
        let reply = self.limit(self.world.look_up(name, kind)).await;
        reply.unwrap_or(DnsReply::Failed(DnsFailure::TimedOut))
    }

    /// Both kinds of addresses.
    pub(crate) async fn addresses(&self, name: &str) -> HostReplies {
        let (a, aaaa) = join(self.look_up(name, RecordKind::A), self.look_up(name, RecordKind::Aaaa)).await;
        HostReplies { a, aaaa }
    }
}

/// Runs futures, at most `limit` side by side; results in their order.
pub(crate) async fn some_at_once<F: Future>(futures: Vec<F>, limit: usize) -> Vec<F::Output> {
    stream::iter(futures).buffered(limit).collect().await
}
