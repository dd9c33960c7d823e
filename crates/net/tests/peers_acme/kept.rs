//! Where the tests keep accounts, orders and certificates: the part of a store that an issuance needs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::StoreError;
use tlsward_engine::ports::certificates::{
    CertificateLine, Certificates, CountedEvent, KeptAccount, KeptAttempts, KeptCertificate, KeptOrder,
    RenewalWindow,
};

/// A clone is the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) accounts: BTreeMap<String, KeptAccount>,
    pub(crate) orders: BTreeMap<String, KeptOrder>,
    pub(crate) certificates: BTreeMap<String, KeptCertificate>,
    pub(crate) counted: Vec<CountedEvent>,
}

impl Kept {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Certificates for Kept {
    async fn account(&self, directory: &str) -> Result<Option<KeptAccount>, StoreError> {
        Ok(self.state().accounts.get(directory).cloned())
    }

    async fn put_account(&self, account: KeptAccount) -> Result<(), StoreError> {
        self.state().accounts.insert(account.directory.clone(), account);
        Ok(())
    }

    async fn order(&self, name: &str) -> Result<Option<KeptOrder>, StoreError> {
        Ok(self.state().orders.get(name).cloned())
    }

    async fn put_order(&self, order: KeptOrder) -> Result<(), StoreError> {
        self.state().orders.insert(order.name.clone(), order);
        Ok(())
    }

    async fn drop_order(&self, name: &str, url: &str) -> Result<(), StoreError> {
        let mut state = self.state();
        if state.orders.get(name).is_some_and(|order| order.url == url) {
            state.orders.remove(name);
        }
        Ok(())
    }

    async fn ordered(&self, _: Option<&str>, _: usize) -> Result<Vec<String>, StoreError> {
        Ok(Vec::new())
    }

    async fn put_certificate(&self, certificate: KeptCertificate) -> Result<(), StoreError> {
        let mut state = self.state();
        state.orders.remove(&certificate.line.name);
        state.certificates.insert(certificate.line.name.clone(), certificate);
        Ok(())
    }

    async fn certificate(&self, name: &str) -> Result<Option<KeptCertificate>, StoreError> {
        Ok(self.state().certificates.get(name).cloned())
    }

    async fn certificate_line(&self, name: &str) -> Result<Option<CertificateLine>, StoreError> {
        Ok(self.state().certificates.get(name).map(|kept| kept.line.clone()))
    }

    async fn certificate_lines(&self, _: Option<&str>, _: usize) -> Result<Vec<CertificateLine>, StoreError> {
        Ok(Vec::new())
    }

    async fn put_renewal(&self, _: &str, _: &str, _: RenewalWindow) -> Result<(), StoreError> {
        Ok(())
    }

    async fn forget_certificate(&self, name: &str) -> Result<(), StoreError> {
        self.state().certificates.remove(name);
        Ok(())
    }

    async fn attempts(&self, _: &str) -> Result<Option<KeptAttempts>, StoreError> {
        Ok(None)
    }

    async fn put_attempts(&self, _: KeptAttempts) -> Result<(), StoreError> {
        Ok(())
    }

    async fn all_attempts(&self, _: Option<&str>, _: usize) -> Result<Vec<KeptAttempts>, StoreError> {
        Ok(Vec::new())
    }

    async fn count(&self, event: CountedEvent, _: UnixTime) -> Result<(), StoreError> {
        self.state().counted.push(event);
        Ok(())
    }

    async fn counted(&self, _: UnixTime, _: usize) -> Result<Vec<CountedEvent>, StoreError> {
        Ok(self.state().counted.clone())
    }

    async fn unopened(&self) -> Result<u64, StoreError> {
        Ok(0)
    }
}
