//! What TLS looks like here: rustls with aws-lc-rs, 1.2 and 1.3, sessions resumed by tickets, a certificate for each
//! name.

use std::fmt;
use std::sync::Arc;

use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ResolvesServerCertUsingSni, ServerConfig};
use tokio_rustls::rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::rustls::version::{TLS12, TLS13};

/// HTTP/2 by ALPN.
pub(crate) const H2: &[u8] = b"h2";
/// HTTP/1 by ALPN. Who offers the older one alone is answered in it too.
const HTTP1: [&[u8]; 2] = [b"http/1.1", b"http/1.0"];

/// A certificate chain, the host's own certificate first, and its key.
pub struct Identity {
    /// DER.
    pub chain: Vec<CertificateDer<'static>>,
    /// PKCS #8, SEC 1 or PKCS #1.
    pub key: PrivateKeyDer<'static>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("chain", &self.chain.len()).finish_non_exhaustive()
    }
}

/// A key or certificate with which TLS cannot be spoken. Its owner replaces it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the key or certificate cannot be used: {0}")]
pub struct Unusable(pub(crate) String);

/// What all names have in common.
#[derive(Debug)]
pub(crate) struct Template(ServerConfig);

impl Template {
    pub(crate) fn new() -> Result<Self, Unusable> {
        let unusable = |error: tokio_rustls::rustls::Error| Unusable(error.to_string());
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(unusable)?
            .with_no_client_auth()
            // Shows nobody anything: `with` puts a certificate in its place.
            .with_cert_resolver(Arc::new(ResolvesServerCertUsingSni::new()));
        config.alpn_protocols = [H2].iter().chain(&HTTP1).map(|protocol| protocol.to_vec()).collect();
        // A session is resumed only for the name that it was made for: rustls compares (RFC 6066 §3).
        config.ticketer = aws_lc_rs::Ticketer::new().map_err(unusable)?;
        // Senders come back with one connection at a time.
        config.send_tls13_tickets = 1;
        Ok(Self(config))
    }

    /// With a certificate. A key that belongs to another certificate is refused.
    pub(crate) fn with(&self, identity: Identity) -> Result<ServerConfig, Unusable> {
        if identity.chain.is_empty() {
            return Err(Unusable("there is no certificate".to_owned()));
        }
        let key = CertifiedKey::from_der(identity.chain, identity.key, self.0.crypto_provider())
            .map_err(|error| Unusable(error.to_string()))?;
        Ok(self.showing(key))
    }

    /// With a certificate that is not compared with its key: with an extension that is critical and unknown to rustls,
    /// it could not be read.
    pub(crate) fn with_unread(&self, identity: Identity) -> Result<ServerConfig, Unusable> {
        let provider = self.0.crypto_provider();
        let key = provider.key_provider.load_private_key(identity.key);
        let key = key.map_err(|error| Unusable(error.to_string()))?;
        Ok(self.showing(CertifiedKey::new(identity.chain, key)))
    }

    fn showing(&self, key: CertifiedKey) -> ServerConfig {
        let mut config = self.0.clone();
        config.cert_resolver = Arc::new(SingleCertAndKey::from(key));
        config
    }
}
