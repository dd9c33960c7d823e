//! The certificate of a policy host: the owner's file, else what an authority issued.

use std::sync::Arc;

use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tlsward_engine::ports::certificates::Certificates;
use tlsward_policy_host::{CertificateSource, Identity};

use super::own_files::OwnFiles;

/// Both, the owner's first.
pub(super) struct Identities<S> {
    pub(super) own: Arc<OwnFiles>,
    pub(super) store: Arc<S>,
}

impl<S: Certificates> CertificateSource for Identities<S> {
    async fn load(&self, name: &str) -> Option<Identity> {
        if let Some(identity) = self.own.identity(name) {
            return Some(identity);
        }
        let kept = match self.store.certificate(name).await {
            Ok(kept) => kept?,
            Err(error) => {
                tracing::error!(name, %error, "the certificate cannot be read");
                return None;
            }
        };
        let key = PrivatePkcs8KeyDer::from(kept.key.pkcs8().to_vec()).into();
        Some(Identity { chain: kept.chain.into_iter().map(CertificateDer::from).collect(), key })
    }
}
