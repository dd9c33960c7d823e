//! The policy host: what is hosted, the certificates for it, and the bounds of its listeners.

use std::sync::Arc;
use std::time::Duration;

use tlsward_listen::source::Sources;
use tlsward_listen::{ConnectionLimits, Crowd, Shutdown, accept, run};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::certificates::{CertificateLimits, CertificateSource, Certificates};
use crate::clear::Clear;
use crate::counters::Counters;
use crate::hosted::Hosted;
use crate::secure::Secure;
use crate::tls::Unusable;

/// Bounds of a policy host.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections of each listener. `head` is also the time for a TLS handshake.
    pub connections: ConnectionLimits,
    /// Handshakes at once after the ClientHello; more wait, within their time.
    pub handshakes: usize,
    /// Of these from one source; more are closed.
    pub handshakes_per_source: usize,
    /// Certificates in memory.
    pub certificates: CertificateLimits,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: ConnectionLimits {
                total: 16_384,
                per_source: 256,
                // A sender asks for one thing and goes.
                idle: Duration::from_secs(30),
                body: Duration::from_secs(5),
                linger: Duration::from_secs(1),
                ..ConnectionLimits::default()
            },
            handshakes: 1024,
            handshakes_per_source: 64,
            certificates: CertificateLimits::default(),
        }
    }
}

/// Serves policies and answers challenges.
pub struct PolicyHost<S> {
    pub(crate) hosted: Arc<Hosted>,
    pub(crate) certificates: Certificates<S>,
    pub(crate) sources: Sources,
    pub(crate) limits: Limits,
    pub(crate) counters: Arc<Counters>,
    pub(crate) handshakes: Semaphore,
    pub(crate) crowd: Crowd,
}

impl<S: CertificateSource> PolicyHost<S> {
    /// `sources.trusted_proxies` are the peers that get policies without TLS ([proxy mode](Self::serve_http)).
    ///
    /// # Errors
    /// TLS cannot be set up: the machine gives no randomness.
    pub fn new(
        hosted: Arc<Hosted>,
        certificates: S,
        sources: Sources,
        limits: Limits,
    ) -> Result<Self, Unusable> {
        let counters = Arc::<Counters>::default();
        Ok(Self {
            hosted,
            certificates: Certificates::new(certificates, limits.certificates, Arc::clone(&counters))?,
            sources,
            handshakes: Semaphore::new(limits.handshakes),
            limits,
            counters,
            crowd: Crowd::default(),
        })
    }

    /// The certificate of a policy host (`mta-sts.<domain>`) is another now: the next handshake loads it.
    pub fn forget(&self, name: &str) {
        self.certificates.forget(&name.to_ascii_lowercase());
    }

    /// Any certificate may be another now: one of the owner's may be for names that are not in it by themselves.
    pub fn forget_all(&self) {
        self.certificates.forget_all();
    }

    /// What happened so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Serves policies by HTTPS, and tls-alpn-01 challenges, until `shutdown`; then lets what is under way end.
    pub async fn serve_https(self: Arc<Self>, listener: TcpListener, shutdown: Shutdown) {
        let secure = Arc::new(Secure(Arc::clone(&self)));
        accept(listener, secure, &self.sources, &self.limits.connections, shutdown).await;
    }

    /// Answers http-01 challenges without TLS, until `shutdown`. Proxies that the owner named get policies there too,
    /// if they say `X-Forwarded-Proto: https`.
    pub async fn serve_http(self: Arc<Self>, listener: TcpListener, shutdown: Shutdown) {
        let clear = Arc::new(Clear(Arc::clone(&self)));
        run(listener, None, clear, &self.sources, self.limits.connections.clone(), shutdown).await;
    }
}
