//! Whoever shares a keeper of certificates has one.

use std::sync::Arc;

use super::{
    CertificateLine, Certificates, CountedEvent, KeptAccount, KeptAttempts, KeptCertificate, KeptOrder,
    RenewalWindow,
};
use crate::facts::UnixTime;
use crate::ports::StoreError;

impl<T: Certificates> Certificates for Arc<T> {
    async fn account(&self, directory: &str) -> Result<Option<KeptAccount>, StoreError> {
        (**self).account(directory).await
    }

    async fn put_account(&self, account: KeptAccount) -> Result<(), StoreError> {
        (**self).put_account(account).await
    }

    async fn order(&self, name: &str) -> Result<Option<KeptOrder>, StoreError> {
        (**self).order(name).await
    }

    async fn put_order(&self, order: KeptOrder) -> Result<(), StoreError> {
        (**self).put_order(order).await
    }

    async fn drop_order(&self, name: &str, url: &str) -> Result<(), StoreError> {
        (**self).drop_order(name, url).await
    }

    async fn ordered(&self, after: Option<&str>, limit: usize) -> Result<Vec<String>, StoreError> {
        (**self).ordered(after, limit).await
    }

    async fn put_certificate(&self, certificate: KeptCertificate) -> Result<(), StoreError> {
        (**self).put_certificate(certificate).await
    }

    async fn certificate(&self, name: &str) -> Result<Option<KeptCertificate>, StoreError> {
        (**self).certificate(name).await
    }

    async fn certificate_line(&self, name: &str) -> Result<Option<CertificateLine>, StoreError> {
        (**self).certificate_line(name).await
    }

    async fn certificate_lines(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<CertificateLine>, StoreError> {
        (**self).certificate_lines(after, limit).await
    }

    async fn put_renewal(&self, name: &str, ari_id: &str, renewal: RenewalWindow) -> Result<(), StoreError> {
        (**self).put_renewal(name, ari_id, renewal).await
    }

    async fn forget_certificate(&self, name: &str) -> Result<(), StoreError> {
        (**self).forget_certificate(name).await
    }

    async fn attempts(&self, name: &str) -> Result<Option<KeptAttempts>, StoreError> {
        (**self).attempts(name).await
    }

    async fn put_attempts(&self, attempts: KeptAttempts) -> Result<(), StoreError> {
        (**self).put_attempts(attempts).await
    }

    async fn all_attempts(&self, after: Option<&str>, limit: usize) -> Result<Vec<KeptAttempts>, StoreError> {
        (**self).all_attempts(after, limit).await
    }

    async fn count(&self, event: CountedEvent, forget_before: UnixTime) -> Result<(), StoreError> {
        (**self).count(event, forget_before).await
    }

    async fn counted(&self, since: UnixTime, limit: usize) -> Result<Vec<CountedEvent>, StoreError> {
        (**self).counted(since, limit).await
    }

    async fn unopened(&self) -> Result<u64, StoreError> {
        (**self).unopened().await
    }
}
