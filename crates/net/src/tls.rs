//! TLS sessions that record what was presented and judge no certificate: judging is the engine's.
//!
//! What is checked here is that the other side holds the key of the certificate that it presents (the signature of the
//! handshake); without that the chain would be anybody's. TLS 1.2 and 1.3, full handshakes only, because each must
//! show a chain. The configuration is built once and shared.

mod failure;
mod old_hello;
mod spki;
mod verifier;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{ClientConfig, ClientConnection, SupportedCipherSuite};
use rustls_pki_types::ServerName;
use tlsward_engine::ports::{TlsFailure, TlsSession};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::limits::TlsLimits;

pub(crate) use failure::late_failure;
pub(crate) use spki::public_key;

/// Makes sessions.
#[derive(Clone)]
pub(crate) struct Tls {
    config: Arc<ClientConfig>,
    limits: TlsLimits,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Tls {
    pub(crate) fn new(alpn: &[&[u8]], limits: TlsLimits) -> Self {
        let provider = Arc::new(provider());
        let verifier = Arc::new(verifier::RecordsOnly::new(&provider));
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .expect("the provider has suites for both versions")
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        config.resumption = Resumption::disabled();
        Self { config: Arc::new(config), limits }
    }

    /// A handshake, bounded in time.
    pub(crate) async fn handshake(
        &self,
        stream: TcpStream,
        name: ServerName<'static>,
        limit: Duration,
    ) -> Result<(TlsStream<TcpStream>, TlsSession), TlsFailure> {
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let stream = match timeout(limit, connector.connect(name, stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(failure::early_failure(&error)),
            Err(_) => return Err(TlsFailure::TimedOut),
        };
        let session = self.session(stream.get_ref().1)?;
        Ok((stream, session))
    }

    /// Whether that failure may mean that only old clients find something in common with the server.
    pub(crate) fn may_be_old(failure: &TlsFailure) -> bool {
        match failure {
            // Some servers end the connection where others send an alert.
            TlsFailure::NothingInCommon { .. } | TlsFailure::Closed => true,
            TlsFailure::Alert(alert) => {
                matches!(alert.as_str(), "handshake_failure" | "protocol_version" | "insufficient_security")
            }
            TlsFailure::Protocol(_) | TlsFailure::TimedOut => false,
        }
    }

    /// Greets as an old client on a connection of its own; the version and suite that the server chose, if any.
    pub(crate) async fn greet_as_old_client(
        &self,
        mut stream: TcpStream,
        name: &ServerName<'_>,
    ) -> Option<(u16, u16)> {
        let mut random = [0; 32];
        self.config.crypto_provider().secure_random.fill(&mut random).ok()?;
        let asked = old_hello::ask(&mut stream, name, random, self.limits.old_hello_bytes);
        timeout(self.limits.old_hello, asked).await.ok().flatten()
    }

    /// What a failure means once an old client's greeting was answered with `offered`.
    pub(crate) fn in_the_light_of(&self, failure: TlsFailure, offered: Option<(u16, u16)>) -> TlsFailure {
        match (failure, offered) {
            // What we would have taken too: the connection ended for another reason.
            (TlsFailure::Closed, Some(offered)) if self.speaks(offered) => TlsFailure::Closed,
            (_, Some(offered)) => TlsFailure::NothingInCommon { offered: Some(offered) },
            // RFC 8446 §6.2: these two alerts say just that. A `handshake_failure` to everybody may have other causes.
            (TlsFailure::Alert(alert), None)
                if alert == "protocol_version" || alert == "insufficient_security" =>
            {
                TlsFailure::NothingInCommon { offered: None }
            }
            (failure, None) => failure,
        }
    }

    fn speaks(&self, (version, suite): (u16, u16)) -> bool {
        let provider: &CryptoProvider = self.config.crypto_provider();
        version >= 0x0303 && provider.cipher_suites.iter().any(|ours| u16::from(ours.suite()) == suite)
    }

    fn session(&self, connection: &ClientConnection) -> Result<TlsSession, TlsFailure> {
        let chain = connection.peer_certificates().unwrap_or_default();
        if chain.is_empty() {
            return Err(TlsFailure::Protocol("no certificate was presented".to_owned()));
        }
        let at_most = self.limits.chain_certificates;
        if chain.len() > at_most {
            let count = chain.len();
            return Err(TlsFailure::Protocol(format!(
                "a chain of {count} certificates was presented, and at most {at_most} are read"
            )));
        }
        let suite = connection.negotiated_cipher_suite().map(|suite| suite.suite());
        Ok(TlsSession {
            version: connection.protocol_version().map_or(0, u16::from),
            suite: suite.map_or_else(String::new, iana_name),
            chain: chain.iter().map(|certificate| Bytes::copy_from_slice(certificate)).collect(),
        })
    }
}

/// The library's, with AES-128 before AES-256: it is as safe, and SHA-256, which comes with it, takes a fraction of the
/// time of SHA-384. The library has it the other way round.
fn provider() -> CryptoProvider {
    let mut provider = aws_lc_rs::default_provider();
    let is_later = |suite: &SupportedCipherSuite| {
        let name = suite.suite().as_str().unwrap_or_default();
        !name.contains("AES_128_GCM")
    };
    // Stable, so that those of TLS 1.3 stay before those of TLS 1.2 of the same kind.
    provider.cipher_suites.sort_by_key(is_later);
    provider
}

/// What is greeted: by name (SNI), or by address, which RFC 6066 §3 keeps out of SNI. A name that SNI cannot hold
/// is not sent.
pub(crate) fn server_name(host: Option<&str>, address: IpAddr) -> ServerName<'static> {
    let name = host.and_then(|host| ServerName::try_from(host.to_owned()).ok());
    match name {
        Some(name @ ServerName::DnsName(_)) => name,
        _ => ServerName::from(address),
    }
}

/// The TLS library puts the version into the names of TLS 1.3's suites.
fn iana_name(suite: rustls::CipherSuite) -> String {
    match suite.as_str() {
        Some(name) => match name.strip_prefix("TLS13_") {
            Some(rest) => format!("TLS_{rest}"),
            None => name.to_owned(),
        },
        None => format!("0x{:04x}", u16::from(suite)),
    }
}
