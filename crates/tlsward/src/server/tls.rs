//! Certificates that can be renewed while the server runs.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::{Context as _, bail};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::shown;
use crate::config::KeyPair;

/// The certificate that a listener shows, read anew at SIGHUP.
pub(super) struct Certificate {
    current: RwLock<Arc<CertifiedKey>>,
}

impl Certificate {
    /// Reads the files.
    pub(super) fn load(files: &KeyPair) -> anyhow::Result<Self> {
        Ok(Self { current: RwLock::new(Arc::new(read(files)?)) })
    }

    /// Reads the files again; if they are no good, the certificate stays as it is.
    pub(super) fn reload(&self, files: &KeyPair) -> anyhow::Result<()> {
        let fresh = Arc::new(read(files)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// For HTTPS.
    pub(super) fn for_web(self: &Arc<Self>) -> anyhow::Result<Arc<ServerConfig>> {
        let mut config = self.config()?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    /// For STARTTLS.
    pub(super) fn for_mail(self: &Arc<Self>) -> anyhow::Result<Arc<ServerConfig>> {
        Ok(Arc::new(self.config()?))
    }

    /// D15: TLS 1.2 and 1.3.
    fn config(self: &Arc<Self>) -> anyhow::Result<ServerConfig> {
        let certificate: Arc<dyn ResolvesServerCert> = Arc::<Self>::clone(self);
        Ok(ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .context("cannot set up TLS")?
            .with_no_client_auth()
            .with_cert_resolver(certificate))
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificate")
    }
}

impl ResolvesServerCert for Certificate {
    // D14: with an absent or unknown name, too.
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

fn read(files: &KeyPair) -> anyhow::Result<CertifiedKey> {
    let named = |what: &str, path: &Path| format!("cannot read the {what} {}", shown(path));
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect)
        .with_context(|| named("certificate", &files.certificate))?;
    if chain.is_empty() {
        bail!("there is no certificate in {}", shown(&files.certificate));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).with_context(|| named("private key", &files.key))?;
    CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).with_context(|| {
        format!(
            "the key {} does not go with the certificate {}",
            shown(&files.key),
            shown(&files.certificate)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(folder: &Path, name: &str) -> KeyPair {
        let made = rcgen::generate_simple_self_signed(vec![format!("{name}.example")]).unwrap();
        let files = KeyPair {
            certificate: folder.join(format!("{name}.pem")),
            key: folder.join(format!("{name}.key")),
        };
        std::fs::write(&files.certificate, made.cert.pem()).unwrap();
        std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        files
    }

    #[test]
    fn a_renewed_certificate_is_shown_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (pair(folder.path(), "first"), pair(folder.path(), "second"));
        let certificate = Certificate::load(&first).unwrap();
        let shown = || certificate.current.read().unwrap().cert[0].clone();
        let before = shown();
        certificate.reload(&second).unwrap();
        let renewed = shown();
        assert_ne!(before, renewed);
        let crossed = KeyPair { certificate: first.certificate.clone(), key: second.key.clone() };
        let error = certificate.reload(&crossed).unwrap_err();
        assert!(error.to_string().contains("does not go with"), "{error}");
        std::fs::write(&first.certificate, "no PEM").unwrap();
        assert!(certificate.reload(&first).unwrap_err().to_string().contains("no certificate"));
        assert_eq!(renewed, shown());
    }
}
