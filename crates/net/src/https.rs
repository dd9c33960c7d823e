//! HTTPS by RFC 8461 §3.3, to the letter: GET of a policy, and POST of a report (RFC 8460 §5.4).
//!
//! One connection, one request, HTTP/1.1. Redirects are answers, compression is neither asked for nor undone, nothing
//! is cached, no cookie is kept. A body is read only where the status is 200 and only up to its limit: past it the
//! answer is refused, not cut. Connections go to the addresses that the caller looked up, past the guard.
//!
//! What can fail is [`HttpsFailure`], each kind apart, because a report to the owner of a policy host must say which.

mod exchange;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use tlsward_engine::ports::{
    Admit, ConnectFailure, Https, HttpsExchange, HttpsFailure, HttpsTarget, TlsFailure, TlsSession,
};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::client::TlsStream;

use crate::connect::{Connected, connect, race};
use crate::guard::{Guard, host_name};
use crate::limits::HttpsLimits;
use crate::polite::PerAddress;
use crate::tls::{Tls, server_name};

/// How HTTPS is spoken.
#[derive(Debug, Clone)]
pub struct HttpsConfig {
    /// The port where a target names none.
    pub port: u16,
    /// `User-Agent`, so that the owner of a server can see who asks.
    pub user_agent: String,
    /// What may be connected to.
    pub guard: Guard,
    /// Shared with the SMTP client: a host may be both.
    pub per_address: PerAddress,
    /// Bounds.
    pub limits: HttpsLimits,
}

impl Default for HttpsConfig {
    fn default() -> Self {
        Self {
            port: 443,
            user_agent: concat!("tlsward/", env!("CARGO_PKG_VERSION")).to_owned(),
            guard: Guard::default(),
            per_address: PerAddress::default(),
            limits: HttpsLimits::default(),
        }
    }
}

/// The client. A clone is the same client.
#[derive(Debug, Clone)]
pub struct HttpsClient {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: HttpsConfig,
    tls: Tls,
}

impl HttpsClient {
    /// A client.
    #[must_use]
    pub fn new(config: HttpsConfig) -> Self {
        let tls = Tls::new(&[b"http/1.1"], config.limits.tls.clone());
        Self { inner: Arc::new(Inner { config, tls }) }
    }
}

impl Https for HttpsClient {
    async fn get(&self, target: HttpsTarget<'_>, admit: Admit<'_>) -> HttpsExchange {
        let content = Content { method: Method::GET, content_type: None, body: Bytes::new() };
        self.inner.exchange(&target, content, admit, self.inner.config.limits.get).await
    }

    async fn post(
        &self,
        target: HttpsTarget<'_>,
        content_type: &str,
        body: Bytes,
        admit: Admit<'_>,
    ) -> HttpsExchange {
        let content = Content { method: Method::POST, content_type: Some(content_type), body };
        self.inner.exchange(&target, content, admit, self.inner.config.limits.post).await
    }
}

/// What is sent.
#[derive(Debug)]
struct Content<'a> {
    method: Method,
    content_type: Option<&'a str>,
    body: Bytes,
}

impl Inner {
    async fn exchange(
        &self,
        target: &HttpsTarget<'_>,
        content: Content<'_>,
        admit: Admit<'_>,
        total: Duration,
    ) -> HttpsExchange {
        let unconnected = |failure| HttpsExchange { address: None, tls: None, outcome: Err(failure) };
        if host_name(target.host).is_err() {
            let host = target.host.chars().take(253).collect();
            return unconnected(ConnectFailure::Name(host).into());
        }
        let read_body = content.method == Method::GET;
        let request = match self.request(target, content) {
            Ok(request) => request,
            Err(failure) => return unconnected(failure),
        };
        let port = target.port.unwrap_or(self.config.port);
        let HttpsConfig { guard, per_address, limits, .. } = &self.config;
        let connected = match race(target.addresses, port, guard, per_address, limits).await {
            Ok(connected) => connected,
            Err(failure) => return unconnected(failure.into()),
        };
        let Connected { stream, address, turn, since } = connected;
        let deadline = since + total;
        let end_point = SocketAddr::new(address, port);
        let mut exchange =
            HttpsExchange { address: Some(address), tls: None, outcome: Err(HttpsFailure::TimedOut) };
        match self.handshake(stream, target.host, end_point, deadline).await {
            Err(failure) => exchange.outcome = Err(failure.into()),
            Ok((_, session)) if !admit(&session) => {
                exchange.tls = Some(session);
                exchange.outcome = Err(HttpsFailure::NotAdmitted);
            }
            Ok((stream, session)) => {
                exchange.tls = Some(session);
                let asked = exchange::ask(stream, request, read_body, limits);
                exchange.outcome = timeout_at(deadline, asked).await.unwrap_or(Err(HttpsFailure::TimedOut));
            }
        }
        drop(turn);
        exchange
    }

    async fn handshake(
        &self,
        stream: TcpStream,
        host: &str,
        end_point: SocketAddr,
        deadline: Instant,
    ) -> Result<(TlsStream<TcpStream>, TlsSession), TlsFailure> {
        let limits = &self.config.limits;
        // S8: SNI is the policy host.
        let name = server_name(Some(host), end_point.ip());
        let limit = limits.handshake.min(deadline - Instant::now());
        let failure = match self.tls.handshake(stream, name.clone(), limit).await {
            Ok(session) => return Ok(session),
            Err(failure) => failure,
        };
        if !Tls::may_be_old(&failure) {
            return Err(failure);
        }
        let asked = async {
            let stream = connect(end_point, &self.config.guard, limits.connect).await.ok()?;
            self.tls.greet_as_old_client(stream, &name).await
        };
        let offered = timeout_at(deadline, asked).await.ok().flatten();
        Err(self.tls.in_the_light_of(failure, offered))
    }

    fn request(
        &self,
        target: &HttpsTarget<'_>,
        content: Content<'_>,
    ) -> Result<Request<Full<Bytes>>, HttpsFailure> {
        // RFC 9110 §7.2: the port stands in Host where it is not the scheme's.
        let host = match target.port {
            Some(port) if port != 443 => format!("{}:{port}", target.host),
            _ => target.host.to_owned(),
        };
        let mut request = Request::builder()
            .method(content.method.clone())
            .uri(target.path)
            .header(http::header::HOST, host)
            .header(http::header::USER_AGENT, &self.config.user_agent)
            // Without it any compression would be allowed (RFC 9110 §12.5.3).
            .header(http::header::ACCEPT_ENCODING, "identity")
            .header(http::header::CONNECTION, "close");
        if content.method == Method::GET {
            request = request.header(http::header::ACCEPT, "text/plain, */*;q=0.5");
        }
        if let Some(content_type) = content.content_type {
            request = request.header(http::header::CONTENT_TYPE, content_type);
        }
        let request = request.body(Full::new(content.body));
        let request =
            request.map_err(|error| HttpsFailure::Protocol(format!("it cannot be asked for: {error}")))?;
        // The port's paths begin with a slash; anything else would turn into another kind of request.
        if request.uri().path().starts_with('/') && request.uri().authority().is_none() {
            Ok(request)
        } else {
            Err(HttpsFailure::Protocol(
                "it cannot be asked for: the path does not begin with a slash".to_owned(),
            ))
        }
    }
}
