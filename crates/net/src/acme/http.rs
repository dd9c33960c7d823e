//! HTTPS to certificate authorities, with the TLS set-up of all our clients: connections are kept, every answer is bounded
//! in size and time, no redirect is followed.
//!
//! The owner names the directory, so it may be at a private address. The URLs that it hands out are a stranger's: at
//! another host than the directory's they pass the guard like every stranger's name.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use smtp_dane::pkix::{self, Outcome, TrustRoots};
use tlsward_engine::ports::certificates::AuthorityFailure;
use tlsward_engine::ports::{Clock, Dns, RecordKind};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use crate::connect::race;
use crate::guard::{Allowed, Guard};
use crate::limits::AcmeLimits;
use crate::polite::PerAddress;
use crate::tls::{Tls, server_name};

/// An answer, whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// The client. A clone is the same one.
pub(super) struct Http<D, K> {
    client: Client<Connector<D, K>, Full<Bytes>>,
    limits: Arc<AcmeLimits>,
    user_agent: HeaderValue,
}

impl<D, K> Clone for Http<D, K> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            limits: Arc::clone(&self.limits),
            user_agent: self.user_agent.clone(),
        }
    }
}

/// What connects need.
pub(super) struct Ways<D, K> {
    pub(super) dns: D,
    pub(super) clock: K,
    pub(super) roots: TrustRoots,
    pub(super) guard: Guard,
    pub(super) per_address: PerAddress,
    /// Hosts that the owner named.
    pub(super) own_hosts: Mutex<BTreeSet<String>>,
}

impl<D: Dns + 'static, K: Clock> Http<D, K> {
    pub(super) fn new(ways: Arc<Ways<D, K>>, limits: AcmeLimits, user_agent: &str) -> Self {
        let limits = Arc::new(limits);
        let tls = Tls::new(&[b"http/1.1"], limits.https.tls.clone());
        let connector = Connector { ways, tls, limits: Arc::clone(&limits) };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(limits.idle)
            .pool_max_idle_per_host(limits.idle_connections)
            .http1_max_buf_size(limits.https.head_bytes.max(8192))
            .http1_max_headers(limits.https.fields)
            .build(connector);
        let user_agent =
            HeaderValue::from_str(user_agent).unwrap_or_else(|_| HeaderValue::from_static("tlsward"));
        Self { client, limits, user_agent }
    }

    /// One request and its whole answer, whatever its status.
    pub(super) async fn send(&self, mut request: Request<Bytes>) -> Result<Answer, AuthorityFailure> {
        if request.uri().scheme_str() != Some("https") {
            let text = format!("{} is no https address", shown(&request.uri().to_string()));
            return Err(AuthorityFailure::Unusable(text));
        }
        let host = request.uri().host().unwrap_or_default().to_owned();
        request.headers_mut().insert(header::USER_AGENT, self.user_agent.clone());
        request.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let unreachable = |text: String| AuthorityFailure::Unreachable(format!("{}: {text}", shown(&host)));
        let exchange = async {
            let response = self.client.request(request.map(Full::new)).await;
            let response = response.map_err(|error| unreachable(innermost(&error)))?;
            let (head, body) = response.into_parts();
            let most = self.limits.answer_bytes;
            let body = match Limited::new(body, most).collect().await {
                Ok(body) => body.to_bytes(),
                Err(error) if error.is::<LengthLimitError>() => {
                    return Err(AuthorityFailure::Unusable(format!("it has more than {most} bytes")));
                }
                Err(error) => return Err(unreachable(innermost(error.as_ref()))),
            };
            Ok(Answer { status: head.status, headers: head.headers, body })
        };
        match timeout(self.limits.request, exchange).await {
            Ok(done) => done,
            Err(_) => Err(unreachable("no answer in time".to_owned())),
        }
    }
}

/// The cause that says most.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    shown(&error.to_string())
}

/// A stranger's text: printable and short.
pub(super) fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}

/// Makes connections.
struct Connector<D, K> {
    ways: Arc<Ways<D, K>>,
    tls: Tls,
    limits: Arc<AcmeLimits>,
}

impl<D, K> Clone for Connector<D, K> {
    fn clone(&self) -> Self {
        Self { ways: Arc::clone(&self.ways), tls: self.tls.clone(), limits: Arc::clone(&self.limits) }
    }
}

impl<D: Dns + 'static, K: Clock> Connector<D, K> {
    async fn connect(self, uri: Uri) -> Result<Stream, io::Error> {
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = uri.port_u16().unwrap_or(443);
        let addresses = self.addresses(&host).await?;
        let is_own = self.ways.own_hosts.lock().unwrap_or_else(PoisonError::into_inner).contains(&host);
        let mut guard = self.ways.guard.clone();
        if is_own {
            let open = addresses.iter().map(|address| Allowed::from(SocketAddr::new(*address, port)));
            guard.allowed.extend(open);
        }
        let connected = race(&addresses, port, &guard, &self.ways.per_address, &self.limits.https)
            .await
            .map_err(io::Error::other)?;
        let name = server_name(Some(&host), connected.address);
        let (stream, session) = self
            .tls
            .handshake(connected.stream, name, self.limits.https.handshake)
            .await
            .map_err(io::Error::other)?;
        let verdict = pkix::judge(&session.chain, &self.ways.roots, &host, self.ways.clock.now());
        if !verdict.is_trusted() {
            let why = match verdict.outcome() {
                Outcome::HostMismatch => "is for another name".to_owned(),
                Outcome::Expired => "has run out".to_owned(),
                _ => format!(
                    "is not trusted here ({}): the root of an authority of your own belongs into the file at [net] \
                     trust_roots",
                    verdict.chain
                ),
            };
            return Err(io::Error::other(format!("its certificate {why}")));
        }
        Ok(Stream { io: TokioIo::new(stream) })
    }

    /// The addresses of a host: itself, where it is one.
    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, io::Error> {
        if let Ok(address) = host.parse() {
            return Ok(vec![address]);
        }
        if host == "localhost" {
            // RFC 6761 §6.3: this name is never looked up.
            return Ok(vec![std::net::Ipv4Addr::LOCALHOST.into(), std::net::Ipv6Addr::LOCALHOST.into()]);
        }
        let host = host.to_ascii_lowercase();
        let dns = &self.ways.dns;
        let (four, six) =
            futures_util::join!(dns.look_up(&host, RecordKind::A), dns.look_up(&host, RecordKind::Aaaa));
        let mut addresses = six.addresses();
        addresses.extend(four.addresses());
        if addresses.is_empty() {
            let failure = four.failure().or(six.failure()).map_or_else(
                || "its name has no address".to_owned(),
                |failure| format!("its name cannot be looked up: {failure}"),
            );
            return Err(io::Error::other(failure));
        }
        Ok(addresses)
    }
}

impl<D: Dns + 'static, K: Clock> tower_service::Service<Uri> for Connector<D, K> {
    type Response = Stream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, io::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

/// A TLS connection as hyper takes it.
struct Stream {
    io: TokioIo<TlsStream<TcpStream>>,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream")
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
