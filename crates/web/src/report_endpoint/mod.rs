//! The end point that reports are POSTed to (RFC 8460 §5.4), on a listener of its own.
//!
//! A request is checked from the cheapest question to the dearest: path, method, rate, type, declared size; then
//! its body is read within the memory budget and the time allowed, examined, and handed to the store; the answer is
//! given when the store says that it is synced. No authentication exists on this road (R8), so whoever posts gets as
//! much as the limits of one stranger allow and no more.
//!
//! | status | when |
//! |---|---|
//! | 201 | stored; 200 if it was there already; 202 if kept but set aside |
//! | 400 | empty or broken body; 411 neither length nor chunks; 413 too large; 415 wrong type; 408 too slow |
//! | 404, 405 | other path, other method |
//! | 429 | too many from one source; 503 no memory left, or the store cannot take it; both say when to come back |
//!
//! Beside it, where that is configured, [`SESSIONS_PATH`] takes what mail servers tell of their TLS sessions.

mod answer;
mod body;
mod media;
mod rate;
mod sessions;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use tlsward_engine::facts::{RawInput, Receipt, Road, Verdict};
use tlsward_engine::ports::{Clock, Intake, StoreError};
use tlsward_engine::receive::{Budget, CurrentRules, MAX_INPUT_BYTES, Share, examine};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::listen::{self, ConnectionLimits, Serve, Shutdown, TlsConfig, Watch};
use crate::metrics::{Listener, Metrics};
use crate::source::{Source, Sources};
use answer::Refusal;
use rate::Buckets;
pub use sessions::{SESSIONS_PATH, SHORTEST_TOKEN, Sessions, TakeSessions, Taken, Taking, TokenError};

/// The one path that takes reports.
pub const PATH: &str = "/v1/tlsrpt";

/// What the end point allows. The defaults are those of docs/receive.md.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bounds on connections; their `body` time is the time a report may take to arrive.
    pub connections: ConnectionLimits,
    /// Bytes of a body at most.
    pub body_bytes: usize,
    /// A body of JSON up to this size is examined where it arrived; a larger one on a thread of its own.
    pub inline_bytes: usize,
    /// The same for a compressed body, which may unpack to a thousand times its size.
    pub inline_compressed_bytes: usize,
    /// Large bodies examined at once.
    pub examined_at_once: usize,
    /// Memory of the budget that only bodies up to `inline_bytes` may use, so that a few large ones do not
    /// lock everyone out.
    pub small_reserve_bytes: usize,
    /// Requests a second from one source in the long run.
    pub rate: u32,
    /// Requests at once from one source that was quiet before.
    pub burst: u32,
    /// Sources that are told apart; beyond it newcomers share one allowance.
    pub sources: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: ConnectionLimits::default(),
            body_bytes: MAX_INPUT_BYTES,
            inline_bytes: 256 * 1024,
            inline_compressed_bytes: 16 * 1024,
            examined_at_once: 2,
            small_reserve_bytes: 4 * 1024 * 1024,
            rate: 50,
            burst: 500,
            sources: 16_384,
        }
    }
}

/// What the end point works with.
pub struct Endpoint<S, C> {
    /// Where reports go.
    pub intake: Arc<S>,
    /// The time of day.
    pub clock: C,
    /// What intake goes by.
    pub rules: CurrentRules,
    /// Memory, shared with the other roads.
    pub budget: Budget,
    /// Whose word is taken, who is exempt.
    pub sources: Sources,
    /// What is counted.
    pub metrics: Metrics,
    /// Who takes sessions; `None`: nobody.
    pub sessions: Option<Sessions>,
    /// TLS; `None` is plain HTTP, for loopback or a proxy in front.
    pub tls: Option<Arc<TlsConfig>>,
}

/// Takes reports on `listener` until `shutdown` says stop; returns when requests under way have their answer or
/// the time to drain is over.
pub async fn serve<S: Intake, C: Clock>(
    listener: TcpListener,
    endpoint: Endpoint<S, C>,
    limits: Limits,
    shutdown: Shutdown,
) {
    let connections = limits.connections.clone();
    let tls = endpoint.tls.clone();
    let sources = endpoint.sources.clone();
    let desk = Desk {
        blocking: Semaphore::new(limits.examined_at_once.max(1)),
        buckets: Mutex::new(Buckets::new(limits.rate, limits.burst, limits.sources)),
        start: Instant::now(),
        store_is_down: AtomicBool::new(false),
        endpoint,
        limits,
    };
    listen::run(listener, tls, Arc::new(desk), &sources, connections, shutdown).await;
}

/// Where requests are answered.
struct Desk<S, C> {
    endpoint: Endpoint<S, C>,
    limits: Limits,
    buckets: Mutex<Buckets>,
    /// The zero of the buckets' time.
    start: Instant,
    blocking: Semaphore,
    /// So that an outage is logged once and not for every request.
    store_is_down: AtomicBool,
}

impl<S: Intake, C: Clock> Serve for Desk<S, C> {
    type Body = Full<Bytes>;

    async fn serve(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: IpAddr,
        watch: Arc<Watch>,
    ) -> Response<Full<Bytes>> {
        if request.uri().path() == SESSIONS_PATH
            && let Some(sessions) = &self.endpoint.sessions
        {
            let response = match self.take_sessions(sessions, request, peer, &watch).await {
                Ok(lines) => sessions::kept(lines),
                Err(refusal) => {
                    tracing::debug!(%peer, reason = refusal.code(), "sessions refused");
                    answer::refusal(&refusal)
                }
            };
            self.endpoint.metrics.answered(Listener::Reports, response.status().as_u16());
            return response;
        }
        let response = match self.take_in(request, peer, &watch).await {
            Ok((receipt, detail)) => {
                self.endpoint.metrics.receipt(Road::Https, &receipt);
                answer::receipt(&receipt, detail.as_deref())
            }
            Err(refusal) => {
                tracing::debug!(%peer, reason = refusal.code(), "report refused");
                answer::refusal(&refusal)
            }
        };
        self.endpoint.metrics.answered(Listener::Reports, response.status().as_u16());
        response
    }
}

impl<S: Intake, C: Clock> Desk<S, C> {
    async fn take_in(
        &self,
        request: Request<Incoming>,
        peer: IpAddr,
        watch: &Watch,
    ) -> Result<(Receipt, Option<String>), Refusal> {
        let (head, body) = request.into_parts();
        if head.uri.path() != PATH {
            return Err(Refusal::OtherPath);
        }
        if head.method != Method::POST {
            return Err(Refusal::OtherMethod);
        }
        let client = self.client(peer, &head.headers);
        self.admit(client)?;
        media::check(head.headers.get_all(CONTENT_TYPE), head.headers.get_all(CONTENT_ENCODING))?;
        let declared = body.size_hint().exact();
        match declared {
            // hyper reads a request with neither length nor chunks as one without a body (RFC 9112 §6.3).
            Some(0) if !head.headers.contains_key(http::header::CONTENT_LENGTH) => {
                return Err(Refusal::NoLength);
            }
            Some(0) => return Err(Refusal::Empty),
            Some(length) if length > self.limits.body_bytes as u64 => return Err(Refusal::TooLarge),
            _ => {}
        }

        let (bytes, share) = body::read(body, declared, &self.endpoint.budget, &self.limits, watch).await?;
        watch.request_complete();
        if bytes.is_empty() {
            return Err(Refusal::Empty);
        }
        let raw = RawInput {
            road: Road::Https,
            received_at: self.endpoint.clock.now(),
            peer: Some(client),
            label: media::label(&head.headers),
            bytes,
        };
        let (raw, verdict, share) = self.examine(raw, share).await?;
        let detail = match &verdict {
            Verdict::SetAside { detail, .. } => Some(detail.clone()),
            Verdict::Filed { .. } => None,
        };
        let receipt = self.endpoint.intake.accept(raw, verdict).await;
        drop(share);
        match receipt {
            Ok(receipt) => {
                if self.store_is_down.load(Relaxed) {
                    self.store_is_down.store(false, Relaxed);
                    tracing::info!("the store takes reports again");
                }
                Ok((receipt, detail))
            }
            Err(error) => {
                if !self.store_is_down.swap(true, Relaxed) {
                    tracing::error!(%error, "reports by HTTPS are refused until the store takes them again");
                }
                Err(match error {
                    StoreError::Unavailable(_) => Refusal::StoreUnavailable,
                    StoreError::Damaged(_) => Refusal::StoreDamaged,
                })
            }
        }
    }

    async fn take_sessions(
        &self,
        sessions: &Sessions,
        request: Request<Incoming>,
        peer: IpAddr,
        watch: &Watch,
    ) -> Result<u64, Refusal> {
        let (head, body) = request.into_parts();
        // Who has the token may send as much as it likes; only guessing has a limit.
        if !sessions.admits(&head.headers) {
            self.admit(self.client(peer, &head.headers))?;
            return Err(Refusal::NoToken);
        }
        if head.method != Method::POST {
            return Err(Refusal::OtherMethod);
        }
        sessions::check(&head.headers)?;
        let declared = body.size_hint().exact();
        match declared {
            Some(0) if !head.headers.contains_key(http::header::CONTENT_LENGTH) => {
                return Err(Refusal::NoLength);
            }
            Some(0) => return Err(Refusal::Empty),
            Some(length) if length > sessions.longest_body as u64 => return Err(Refusal::TooManyLines),
            _ => {}
        }
        let limits = Limits { body_bytes: sessions.longest_body, ..self.limits.clone() };
        let read = body::read(body, declared, &self.endpoint.budget, &limits, watch).await;
        let (lines, share) = read.map_err(|refusal| match refusal {
            Refusal::TooLarge => Refusal::TooManyLines,
            other => other,
        })?;
        watch.request_complete();
        let taken = sessions.desk.take(lines).await;
        drop(share);
        match taken {
            Taken::Kept(lines) => Ok(lines),
            Taken::Wrong(line, text) => Err(Refusal::WrongLine { line, text }),
            Taken::Later => Err(Refusal::JournalUnavailable),
        }
    }

    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.endpoint.sources.is_proxy(peer) {
            return peer;
        }
        let forwarded = headers.get_all("x-forwarded-for").iter().map(|value| value.to_str().unwrap_or("-"));
        // The order of several headers is the order of their values (RFC 9110 §5.3).
        let forwarded: Vec<&str> = forwarded.collect();
        self.endpoint.sources.behind(peer, forwarded.into_iter())
    }

    fn admit(&self, client: IpAddr) -> Result<(), Refusal> {
        if self.endpoint.sources.is_exempt(client) {
            return Ok(());
        }
        let now = self.start.elapsed();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.take(Source::of(client), now).map_err(|wait: Duration| Refusal::TooMany { wait })
    }

    /// Reads the input to its verdict: at once if that is quick, else on a thread that may take its time.
    async fn examine(&self, raw: RawInput, share: Share) -> Result<(RawInput, Verdict, Share), Refusal> {
        let is_json = raw.bytes.iter().take(16).find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
        let inline = if is_json { self.limits.inline_bytes } else { self.limits.inline_compressed_bytes };
        if raw.bytes.len() <= inline {
            let verdict = examine(&raw, &self.endpoint.rules.get());
            return Ok((raw, verdict, share));
        }
        // Those who wait here hold bytes of the budget, so there are never many.
        let Ok(_turn) = self.blocking.acquire().await else { return Err(Refusal::Broken) };
        let rules = self.endpoint.rules.get();
        let work = tokio::task::spawn_blocking(move || {
            let verdict = examine(&raw, &rules);
            (raw, verdict, share)
        });
        work.await.map_err(|error| {
            tracing::error!(%error, "examining a report ended early");
            Refusal::Broken
        })
    }
}
