//! An authority before whose calls, or after them, the process may be killed: the call then never returns.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::certificates::{
    Authority, AuthorityFailure, ChallengeKind, DirectoryFacts, IssuedChain, KeptAccount, OrderSeen,
    PrivateKey, Registration, RenewalWindow,
};
use tokio::sync::Notify;

/// Passes all on to `inner`, so many times.
pub(crate) struct Killing<A> {
    pub(crate) inner: A,
    pub(crate) left: AtomicUsize,
    pub(crate) reached: Arc<Notify>,
}

impl<A> Killing<A> {
    pub(crate) fn after(inner: A, points: usize) -> Self {
        Self { inner, left: AtomicUsize::new(points), reached: Arc::default() }
    }

    async fn point(&self) {
        let less = |left: usize| left.checked_sub(1);
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_err() {
            self.reached.notify_one();
            std::future::pending::<()>().await;
        }
    }

    async fn around<T>(&self, call: impl Future<Output = T>) -> T {
        self.point().await;
        let done = call.await;
        self.point().await;
        done
    }
}

impl<A: Authority> Authority for Killing<A> {
    fn new_key(&self) -> Result<PrivateKey, AuthorityFailure> {
        self.inner.new_key()
    }

    async fn facts(&self, directory: &str) -> Result<DirectoryFacts, AuthorityFailure> {
        self.inner.facts(directory).await
    }

    async fn register(
        &self,
        account: &KeptAccount,
        registration: &Registration,
    ) -> Result<KeptAccount, AuthorityFailure> {
        self.around(self.inner.register(account, registration)).await
    }

    async fn new_order(
        &self,
        account: &KeptAccount,
        name: &str,
        replaces: Option<&str>,
    ) -> Result<String, AuthorityFailure> {
        self.around(self.inner.new_order(account, name, replaces)).await
    }

    async fn look(&self, account: &KeptAccount, order: &str) -> Result<OrderSeen, AuthorityFailure> {
        self.around(self.inner.look(account, order)).await
    }

    async fn answer(
        &self,
        account: &KeptAccount,
        order: &str,
        kind: ChallengeKind,
    ) -> Result<(), AuthorityFailure> {
        self.around(self.inner.answer(account, order, kind)).await
    }

    async fn finalize(
        &self,
        account: &KeptAccount,
        order: &str,
        name: &str,
        key: &PrivateKey,
    ) -> Result<(), AuthorityFailure> {
        self.around(self.inner.finalize(account, order, name, key)).await
    }

    async fn fetch(
        &self,
        account: &KeptAccount,
        order: &str,
        name: &str,
        key: &PrivateKey,
    ) -> Result<IssuedChain, AuthorityFailure> {
        self.around(self.inner.fetch(account, order, name, key)).await
    }

    async fn renewal(
        &self,
        directory: &str,
        ari_id: &str,
        now: UnixTime,
    ) -> Result<RenewalWindow, AuthorityFailure> {
        self.inner.renewal(directory, ari_id, now).await
    }
}
