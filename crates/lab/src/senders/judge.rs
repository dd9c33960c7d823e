//! What a certificate chain is worth to a sender: the TLS library says.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::aws_lc_rs;
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName};

use crate::pki::{Pki, PkiError};
use crate::world::UnixTime;

/// Holds the roots that a sender trusts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Judge {
    roots: Arc<RootCertStore>,
}

impl Judge {
    /// Trusts the root that everybody in the world trusts.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(pki: &Pki) -> Result<Self, PkiError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates([pki.trusted_root()?]);
        Ok(Self { roots: Arc::new(roots) })
    }

    /// Whether the chain is good for `host`; if not, the result type of RFC 8460 §4.3.
    ///
    /// # Errors
    /// The result type.
    pub fn pkix(&self, chain: &[Bytes], host: &str, now: UnixTime) -> Result<(), &'static str> {
        let mut chain = chain.iter().map(|der| CertificateDer::from(der.as_ref()));
        let leaf = chain.next().ok_or("certificate-not-trusted")?;
        let leaf = ParsedCertificate::try_from(&leaf).map_err(|_| "certificate-not-trusted")?;
        let intermediates: Vec<CertificateDer<'_>> = chain.collect();
        let now =
            rustls_pki_types::UnixTime::since_unix_epoch(Duration::from_secs(now.max(0).unsigned_abs()));
        let algorithms = aws_lc_rs::default_provider().signature_verification_algorithms;
        verify_server_cert_signed_by_trust_anchor(&leaf, &self.roots, &intermediates, now, algorithms.all)
            .map_err(|error| match error {
                Error::InvalidCertificate(
                    CertificateError::Expired | CertificateError::ExpiredContext { .. },
                ) => "certificate-expired",
                _ => "certificate-not-trusted",
            })?;
        let name = ServerName::try_from(host).map_err(|_| "certificate-host-mismatch")?;
        verify_server_name(&leaf, &name).map_err(|_| "certificate-host-mismatch")
    }

    /// The public key of the leaf, as DANE hashes it.
    #[must_use]
    pub fn public_key(&self, chain: &[Bytes]) -> Option<Vec<u8>> {
        let leaf = CertificateDer::from(chain.first()?.as_ref());
        Some(ParsedCertificate::try_from(&leaf).ok()?.subject_public_key_info().to_vec())
    }
}
