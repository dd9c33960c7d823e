//! What happened, counted since the start. Whoever shows metrics reads them.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// How often it happened.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// What the policy host did.
#[derive(Debug, Default)]
pub struct Counters {
    /// Policies served, by HTTPS or through a proxy.
    pub policies: Counter,
    /// Requests for anything else: 404, 405, 400.
    pub not_found: Counter,
    /// Requests for another name than the one the connection was opened for: 421.
    pub misdirected: Counter,
    /// Requests over HTTP/2, whatever became of them.
    pub http2: Counter,
    /// Answers to http-01 challenges.
    pub http_challenges: Counter,
    /// Handshakes that ended with a tls-alpn-01 certificate.
    pub tls_challenges: Counter,
    /// TLS handshakes done, tls-alpn-01 left out.
    pub handshakes: Counter,
    /// Of these, resumed sessions.
    pub resumed: Counter,
    /// Handshakes that failed or took too long.
    pub failed_handshakes: Counter,
    /// Handshakes refused because the name, or none, is not hosted here.
    pub unknown_names: Counter,
    /// Handshakes refused because a hosted name has no usable certificate.
    pub without_certificate: Counter,
    /// Connections turned away because there were too many, in all or from one source.
    pub turned_away: Counter,
    /// Certificates loaded from their source.
    pub certificates_loaded: Counter,
}
