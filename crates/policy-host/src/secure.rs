//! The HTTPS listener: ClientHello first, then the certificate of its name, then HTTP for that name and no other.
//!
//! A handshake for a name that is not hosted here, or for none, ends with the alert `unrecognized_name` (RFC 6066 §3):
//! there is no certificate to fall back to (RFC 8461 §7.1). Whoever offers `acme-tls/1` and nothing else gets the
//! certificate of a challenge and never reaches HTTP (RFC 8737 §4).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use tlsward_listen::source::Source;
use tlsward_listen::{Connect, Protocol, Serve, Shutdown, Watch, drive};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::server::Acceptor;
use tokio_rustls::rustls::{HandshakeKind, ServerConfig};
use tokio_rustls::server::TlsStream;

use crate::answer::{self, Answer, POLICY_PATH};
use crate::certificates::CertificateSource;
use crate::challenges::ACME_TLS;
use crate::names;
use crate::server::PolicyHost;
use crate::tls::H2;

/// RFC 6066 §3: the name is not known here.
const UNRECOGNIZED_NAME: u8 = 112;
/// RFC 8446 §6: it is, but something of ours keeps it from being served.
const INTERNAL_ERROR: u8 = 80;
/// How long a refused peer may take to read why.
const FAREWELL: Duration = Duration::from_secs(1);

/// The listener.
pub(crate) struct Secure<S>(pub(crate) Arc<PolicyHost<S>>);

/// A connection that is ready for HTTP.
struct Ready {
    stream: TlsStream<TcpStream>,
    domain: String,
}

/// Which configuration a ClientHello leads to.
enum Wanted {
    /// A policy host, to go on with HTTP.
    Policies { config: Arc<ServerConfig>, domain: String },
    /// A challenge's certificate, and then the end.
    Challenge(Arc<ServerConfig>),
    /// An alert.
    Nothing(u8),
}

impl<S: CertificateSource> Connect for Secure<S> {
    fn is_encrypted(&self) -> bool {
        true
    }

    async fn connect(self: Arc<Self>, stream: TcpStream, peer: IpAddr, shutdown: Shutdown) {
        let host = &self.0;
        let limits = &host.limits.connections;
        let ready = match timeout(limits.head, self.handshake(stream, peer, shutdown.clone())).await {
            Ok(ready) => ready,
            Err(_) => {
                host.counters.failed_handshakes.count();
                tracing::debug!(%peer, "TLS handshake took too long");
                None
            }
        };
        let Some(Ready { stream, domain }) = ready else { return };
        let protocol = match stream.get_ref().1.alpn_protocol() {
            Some(H2) => Protocol::Http2,
            _ => Protocol::Http1,
        };
        let named = Arc::new(Named { host: Arc::clone(host), domain, protocol });
        drive(stream, protocol, peer, named, limits, shutdown).await;
    }

    fn turned_away(&self) {
        self.0.counters.turned_away.count();
    }
}

impl<S: CertificateSource> Secure<S> {
    async fn handshake(&self, stream: TcpStream, peer: IpAddr, mut shutdown: Shutdown) -> Option<Ready> {
        let host = &self.0;
        let counters = &host.counters;
        let start = tokio::select! {
            // Who has said nothing yet is not waited for.
            _ = shutdown.wait_for(|stop| *stop) => return None,
            start = LazyConfigAcceptor::new(Acceptor::default(), stream) => start,
        };
        let start = match start {
            Ok(start) => start,
            Err(error) => {
                counters.failed_handshakes.count();
                tracing::debug!(%peer, %error, "no usable ClientHello");
                return None;
            }
        };
        // From here on it costs computing: one source gets its share, and all together what is allowed.
        let counted = !host.sources.is_exempt(peer) && !host.sources.is_proxy(peer);
        let source = counted.then(|| Source::of(peer));
        let Some(_member) = host.crowd.join(source, host.limits.handshakes_per_source) else {
            counters.turned_away.count();
            return None;
        };
        let _place = host.handshakes.acquire().await.ok()?;

        let (name, is_validation) = {
            let hello = start.client_hello();
            let name = hello.server_name().map(str::to_ascii_lowercase);
            (name, hello.alpn().is_some_and(|offered| offered.eq([ACME_TLS])))
        };
        match self.wanted(name.as_deref(), is_validation).await {
            Wanted::Policies { config, domain } => match start.into_stream(config).await {
                Ok(stream) => {
                    counters.handshakes.count();
                    if stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed) {
                        counters.resumed.count();
                    }
                    return Some(Ready { stream, domain });
                }
                Err(error) => {
                    counters.failed_handshakes.count();
                    tracing::debug!(%peer, %error, "TLS handshake failed");
                }
            },
            Wanted::Challenge(config) => match start.into_stream(config).await {
                Ok(mut stream) => {
                    counters.tls_challenges.count();
                    // RFC 8737 §4: nothing is said over it.
                    let _ = stream.shutdown().await;
                }
                Err(error) => tracing::debug!(%peer, %error, "validation of a name failed"),
            },
            Wanted::Nothing(alert) => refuse(start.io, alert).await,
        }
        None
    }

    async fn wanted(&self, name: Option<&str>, is_validation: bool) -> Wanted {
        let host = &self.0;
        let unknown = || {
            host.counters.unknown_names.count();
            Wanted::Nothing(UNRECOGNIZED_NAME)
        };
        let Some(name) = name else { return unknown() };
        if is_validation {
            return host.hosted.challenges().tls(name).map_or_else(unknown, Wanted::Challenge);
        }
        let Some(domain) = names::policy_domain(name).filter(|domain| host.hosted.has(domain)) else {
            return unknown();
        };
        match host.certificates.get(&names::policy_host(&domain)).await {
            Some(config) => Wanted::Policies { config, domain },
            None => {
                host.counters.without_certificate.count();
                Wanted::Nothing(INTERNAL_ERROR)
            }
        }
    }
}

/// Ends a handshake with an alert. rustls would say `access_denied`; before any key is agreed on, an alert is seven
/// bytes in clear (RFC 8446 §5.1, §6).
async fn refuse(mut stream: TcpStream, alert: u8) {
    const FATAL: u8 = 2;
    let record = [21, 3, 3, 0, 2, FATAL, alert];
    if stream.write_all(&record).await.is_err() || stream.shutdown().await.is_err() {
        return;
    }
    // Closing with unread input would send a reset, which overtakes the alert.
    let mut rest = [0; 1024];
    let read_on = async { while stream.read(&mut rest).await.is_ok_and(|length| length > 0) {} };
    let _ = timeout(FAREWELL, read_on).await;
}

/// Answers on a connection that was opened for one domain's policy host.
struct Named<S> {
    host: Arc<PolicyHost<S>>,
    domain: String,
    protocol: Protocol,
}

impl<S: CertificateSource> Serve for Named<S> {
    type Body = Full<bytes::Bytes>;

    async fn serve(self: Arc<Self>, request: Request<Incoming>, _peer: IpAddr, _watch: Arc<Watch>) -> Answer {
        if self.protocol == Protocol::Http2 {
            self.host.counters.http2.count();
        }
        self.answer(&request)
    }
}

impl<S> Named<S> {
    fn answer<T>(&self, request: &Request<T>) -> Answer {
        let method = request.method();
        let counters = &self.host.counters;
        let Ok(asked) = answer::host(request) else {
            counters.not_found.count();
            return answer::no_host(method);
        };
        // RFC 9110 §7.4: a connection made for one name speaks for that name alone.
        let is_plain = request.uri().scheme_str().is_some_and(|scheme| scheme != "https");
        if is_plain || asked.is_some_and(|host| !names::is_policy_host_of(&host, &self.domain)) {
            counters.misdirected.count();
            return answer::refusal(
                method,
                StatusCode::MISDIRECTED_REQUEST,
                "This connection was opened for another name.\r\n",
            );
        }
        // A domain may have gone since the handshake.
        let body =
            (request.uri().path() == POLICY_PATH).then(|| self.host.hosted.body(&self.domain)).flatten();
        let Some(body) = body else {
            counters.not_found.count();
            return answer::not_found(method);
        };
        if !answer::is_read(method) {
            counters.not_found.count();
            return answer::not_allowed(method);
        }
        counters.policies.count();
        answer::policy(method, body)
    }
}
