//! HTTP connections within bounds: how many, for how long, from whom; with TLS or without.
//!
//! One accept loop and one driver serve every listener. Every connection has exactly one timer, which is set anew only
//! when it fires or when a deadline moves closer; a request that arrives whole costs no timer at all. What can fail: a
//! connection, for itself; a failing accept (out of file descriptors) is retried and logged, never fatal.

mod connection;
pub mod source;
mod watch;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;

use crate::source::{Source, Sources};
pub use connection::drive;
pub use watch::Watch;

/// TLS set-up of a listener; re-exported so that the binary needs no second name for it.
pub use tokio_rustls::rustls::ServerConfig as TlsConfig;

/// Says when to stop: `true` means finish what is under way and return.
pub type Shutdown = tokio::sync::watch::Receiver<bool>;

/// What is spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.0 and 1.1: one request after another.
    Http1,
    /// HTTP/2: requests side by side. Only a request moves a deadline, so that a peer cannot hold a connection with
    /// other frames; [`ConnectionLimits::idle`] runs from the last one.
    Http2,
}

/// Bounds on connections. Durations are arguments so that tests can make them tiny.
#[derive(Debug, Clone)]
pub struct ConnectionLimits {
    /// Connections at once.
    pub total: usize,
    /// Connections at once from one source; loopback, exempt sources and trusted proxies are not counted.
    pub per_source: usize,
    /// From the first byte of a request (or from the connection's start) to the end of its head; also for the TLS
    /// handshake.
    pub head: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// From the end of a request's head to the end of its body.
    pub body: Duration,
    /// From the end of a request to its answer; `None`: as long as it takes.
    pub work: Option<Duration>,
    /// How long an unread body is read and thrown away after an early answer, so that the answer is not lost to a
    /// reset.
    pub linger: Duration,
    /// How long connections may go on after a shutdown was asked for.
    pub drain: Duration,
    /// Bytes of a request's head.
    pub head_bytes: usize,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            total: 4096,
            per_source: 256,
            head: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            body: Duration::from_secs(30),
            work: None,
            linger: Duration::from_secs(2),
            drain: Duration::from_secs(10),
            head_bytes: 8 * 1024,
        }
    }
}

/// Answers requests.
pub trait Serve: Send + Sync + 'static {
    /// The body of an answer.
    type Body: hyper::body::Body<Data = Bytes, Error: std::error::Error + Send + Sync> + Send + 'static;

    /// Answers one request of `peer`. Says in `watch` when the request's body is complete.
    fn serve(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: IpAddr,
        watch: Arc<Watch>,
    ) -> impl Future<Output = Response<Self::Body>> + Send;
}

/// Takes over accepted connections.
pub trait Connect: Send + Sync + 'static {
    /// Whether the peer first wants a TLS handshake, so that it cannot be told in clear why it is turned away.
    fn is_encrypted(&self) -> bool;

    /// Serves one connection to its end, within time limits of its own.
    fn connect(
        self: Arc<Self>,
        stream: TcpStream,
        peer: IpAddr,
        shutdown: Shutdown,
    ) -> impl Future<Output = ()> + Send;

    /// A connection was turned away, because there are too many.
    fn turned_away(&self) {}
}

/// Serves HTTP/1.1 connections until `shutdown`, then lets those under way end.
pub async fn run<H: Serve>(
    listener: TcpListener,
    tls: Option<Arc<TlsConfig>>,
    handler: Arc<H>,
    sources: &Sources,
    limits: ConnectionLimits,
    shutdown: Shutdown,
) {
    let connect = Plain { tls: tls.map(TlsAcceptor::from), handler, limits: limits.clone() };
    accept(listener, Arc::new(connect), sources, &limits, shutdown).await;
}

/// Accepts connections until `shutdown`, then lets those under way end, for as long as `limits.drain`.
pub async fn accept<C: Connect>(
    listener: TcpListener,
    connect: Arc<C>,
    sources: &Sources,
    limits: &ConnectionLimits,
    mut shutdown: Shutdown,
) {
    let places = Arc::new(Semaphore::new(limits.total));
    let crowd = Crowd::default();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = shutdown.wait_for(|stop| *stop) => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok((stream, peer)) => (stream, peer.ip().to_canonical()),
            Err(error) if is_the_peers(&error) => continue,
            Err(error) => {
                tracing::error!(%error, "cannot accept connections");
                // Out of file descriptors, mostly: they come back when connections end, not by asking at once.
                let _ =
                    tokio::time::timeout(Duration::from_millis(100), shutdown.wait_for(|stop| *stop)).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            turn_away(&*connect, &stream, BUSY);
            continue;
        };
        let counted = !sources.is_exempt(peer) && !sources.is_proxy(peer);
        let Some(member) = crowd.join(counted.then(|| Source::of(peer)), limits.per_source) else {
            turn_away(&*connect, &stream, CROWDED);
            continue;
        };
        let _ = stream.set_nodelay(true);
        let (connect, shutdown) = (Arc::clone(&connect), shutdown.clone());
        tokio::spawn(async move {
            let _held: (OwnedSemaphorePermit, Member) = (place, member);
            connect.connect(stream, peer, shutdown).await;
        });
    }
    drop(listener);
    let all = u32::try_from(limits.total).unwrap_or(u32::MAX);
    if tokio::time::timeout(limits.drain, places.acquire_many(all)).await.is_err() {
        tracing::warn!("connections were still open when the time to end them ran out");
    }
}

/// HTTP/1.1 with one certificate, or without TLS.
struct Plain<H> {
    tls: Option<TlsAcceptor>,
    handler: Arc<H>,
    limits: ConnectionLimits,
}

impl<H: Serve> Connect for Plain<H> {
    fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    async fn connect(self: Arc<Self>, stream: TcpStream, peer: IpAddr, shutdown: Shutdown) {
        let handler = Arc::clone(&self.handler);
        let Some(acceptor) = &self.tls else {
            return drive(stream, Protocol::Http1, peer, handler, &self.limits, shutdown).await;
        };
        match tokio::time::timeout(self.limits.head, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => {
                drive(stream, Protocol::Http1, peer, handler, &self.limits, shutdown).await;
            }
            Ok(Err(error)) => tracing::debug!(%peer, %error, "TLS handshake failed"),
            Err(_) => tracing::debug!(%peer, "TLS handshake took too long"),
        }
    }
}

/// The peer gave up between its SYN and our accept: nothing of ours is wrong.
fn is_the_peers(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

const BUSY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 30\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
const CROWDED: &[u8] =
    b"HTTP/1.1 429 Too Many Requests\r\nretry-after: 30\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Says why, if it can be said without waiting. Inside TLS it cannot.
fn turn_away<C: Connect>(connect: &C, stream: &TcpStream, answer: &[u8]) {
    connect.turned_away();
    if !connect.is_encrypted() {
        let _ = stream.try_write(answer);
    }
}

/// How many connections each source has.
#[derive(Debug, Clone, Default)]
pub struct Crowd {
    counts: Arc<Mutex<BTreeMap<Source, usize>>>,
}

/// A place in the crowd, given back when dropped.
#[derive(Debug)]
pub struct Member(Option<(Crowd, Source)>);

impl Crowd {
    /// A place for a connection of `source`; `None` for the source means it is not counted.
    #[must_use]
    pub fn join(&self, source: Option<Source>, most: usize) -> Option<Member> {
        let Some(source) = source else { return Some(Member(None)) };
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(source).or_insert(0);
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Member(Some((self.clone(), source))))
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let Some((crowd, source)) = self.0.take() else { return };
        let mut counts = crowd.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&source) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_gets_its_share_of_connections_and_a_place_back_for_each_that_ends() {
        let crowd = Crowd::default();
        let one = Source::of("192.0.2.1".parse().unwrap());
        let other = Source::of("192.0.2.2".parse().unwrap());
        let first = crowd.join(Some(one), 2).unwrap();
        let _second = crowd.join(Some(one), 2).unwrap();
        assert!(crowd.join(Some(one), 2).is_none());
        assert!(crowd.join(Some(other), 2).is_some());
        assert!(crowd.join(None, 0).is_some());
        drop(first);
        assert!(crowd.join(Some(one), 2).is_some());
        assert_eq!(crowd.counts.lock().unwrap().len(), 1);
    }
}
