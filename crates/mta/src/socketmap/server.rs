//! The loop: accepts, and gives each connection a task of its own for as long as it lasts.
//!
//! A server that closes first makes Postfix defer mail ("unexpected disconnect"), so idle connections outlive
//! Postfix's own time-outs (10 s idle, 100 s in all), and when all seats are taken the next client waits in the
//! kernel's queue rather than being turned away.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use super::connection;
use super::listener::Listener;
use super::reply::Encoded;
use crate::Shutdown;

/// What is answered.
pub trait Answers: Send + Sync + 'static {
    /// Answers one question. Must not block: what takes time is `Pending`.
    fn answer(&self, map: &str, key: &str) -> Answer;
}

/// An answer, or the way to one.
pub enum Answer {
    /// Here it is.
    Ready(Encoded),
    /// It has to be found out. Bound it in time: Postfix waits 100 s, and its process with it.
    Pending(Pin<Box<dyn Future<Output = Encoded> + Send>>),
}

/// The bounds.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Payload of a question, in bytes.
    pub query_bytes: usize,
    /// Connections at a time, of all listeners together.
    pub connections: usize,
    /// A connection without a question for longer than this, and at most twice this, is closed. Postfix closes after
    /// 100 s at the latest.
    pub idle: Duration,
    /// For an answer to be taken.
    pub write: Duration,
    /// For questions that are being answered, when told to stop.
    pub drain: Duration,
    /// Before accepting again when the system had no descriptor or memory left for a connection.
    pub accept_pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            query_bytes: 1024,
            connections: 10_000,
            idle: Duration::from_secs(120),
            write: Duration::from_secs(100),
            drain: Duration::from_secs(5),
            accept_pause: Duration::from_millis(100),
        }
    }
}

/// Serves socketmap questions from several listeners.
pub struct Server<A> {
    pub(super) answers: A,
    pub(super) limits: Limits,
    pub(super) waiting: Waiting,
}

/// Counts the connections whose answer is being found out.
#[derive(Default)]
pub(super) struct Waiting {
    count: AtomicUsize,
    none_left: Notify,
}

/// One of them.
pub(super) struct Waits<'a>(&'a Waiting);

impl Waiting {
    pub(super) fn begin(&self) -> Waits<'_> {
        self.count.fetch_add(1, Ordering::AcqRel);
        Waits(self)
    }

    async fn until_none(&self) {
        loop {
            let notified = self.none_left.notified();
            if self.count.load(Ordering::Acquire) == 0 {
                return;
            }
            notified.await;
        }
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.none_left.notify_waiters();
        }
    }
}

impl<A: Answers> Server<A> {
    /// Answers by `answers`.
    pub fn new(answers: A, limits: Limits) -> Self {
        Self { answers, limits, waiting: Waiting::default() }
    }

    /// Serves on a thread and a runtime of its own, as [`Server::run`] does. One thread answers more than any Postfix
    /// asks, and more than two that share the work do; and nothing else that the program does stands in its way. What
    /// an answer waits for should be spawned on another runtime, so that it does not either.
    ///
    /// # Errors
    /// If the system has no thread or descriptor left; of the thread, as [`Server::run`].
    pub fn start(
        self,
        listeners: Vec<Listener>,
        shutdown: Shutdown,
    ) -> io::Result<JoinHandle<io::Result<()>>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let serve = move || runtime.block_on(self.run(listeners, shutdown));
        thread::Builder::new().name("socketmap".to_owned()).spawn(serve)
    }

    /// Serves until told to stop; then answers what was asked, within `Limits::drain`, and closes.
    ///
    /// # Errors
    /// Where a listener cannot be taken over by the runtime.
    pub async fn run(self, listeners: Vec<Listener>, shutdown: Shutdown) -> io::Result<()> {
        let server = Arc::new(self);
        let seats = Arc::new(Semaphore::new(server.limits.connections));
        let mut loops = JoinSet::new();
        for listener in listeners {
            let (server, seats, mut shutdown) = (Arc::clone(&server), Arc::clone(&seats), shutdown.clone());
            match listener {
                Listener::Tcp(socket) => {
                    let socket = tokio::net::TcpListener::from_std(socket)?;
                    let accept = async move || {
                        let (stream, _) = socket.accept().await?;
                        // Answers are written whole: waiting for more would only hold them back.
                        let _ = stream.set_nodelay(true);
                        Ok(stream)
                    };
                    loops.spawn(async move { accept_all(server, seats, &mut shutdown, accept).await });
                }
                Listener::Unix(socket) => {
                    let socket = tokio::net::UnixListener::from_std(socket)?;
                    let accept = async move || socket.accept().await.map(|(stream, _)| stream);
                    loops.spawn(async move { accept_all(server, seats, &mut shutdown, accept).await });
                }
            }
        }
        while loops.join_next().await.is_some() {}
        Ok(())
    }
}

/// One listener's loop, to the end of the last of its connections.
async fn accept_all<A, S, F>(
    server: Arc<Server<A>>,
    seats: Arc<Semaphore>,
    shutdown: &mut Shutdown,
    accept: F,
) where
    A: Answers,
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    F: AsyncFn() -> io::Result<S>,
{
    let mut connections: JoinSet<()> = JoinSet::new();
    let mut seat: Option<OwnedSemaphorePermit> = None;
    loop {
        tokio::select! {
            biased;
            () = crate::told_to_stop(shutdown) => break,
            Some(_) = connections.join_next() => {}
            taken = Arc::clone(&seats).acquire_owned(), if seat.is_none() => seat = taken.ok(),
            accepted = accept(), if seat.is_some() => match accepted {
                Ok(stream) => {
                    let (server, seat) = (Arc::clone(&server), seat.take());
                    connections.spawn(async move {
                        connection::serve(stream, &server).await;
                        drop(seat);
                    });
                }
                // The client went away before it was served.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    // Mostly no descriptor left: accepting again at once would only spin.
                    tracing::warn!(%error, "cannot accept a socketmap connection; raise the limit of open files (LimitNOFILE)");
                    tokio::time::sleep(server.limits.accept_pause).await;
                }
            },
        }
    }
    drop(accept);
    let _ = tokio::time::timeout(server.limits.drain, server.waiting.until_none()).await;
    connections.shutdown().await;
}
