//! An authority that follows RFC 8555, with a point of waiting before and after each thing that it does: a request that
//! never came, and one whose answer never came.
//!
//! As Let's Encrypt does, it hands out an order again that is still pending for the same name and account.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard};

use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::certificates::{
    Authority, AuthorityFailure, ChallengeKind, DirectoryFacts, IssuedChain, KeptAccount, OfferedChallenge,
    OrderSeen, OrderStatus, PrivateKey, Problem, Registration, RenewalWindow,
};
use tlsward_engine::ports::publish::Challenge;

use super::world::{Answers, wait_once};

#[derive(Debug, Clone, Default)]
pub(super) struct Ca {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    keys: u8,
    accounts: Vec<PrivateKey>,
    orders: Vec<Order>,
    issued: Vec<PrivateKey>,
    presented: BTreeSet<String>,
}

#[derive(Debug)]
struct Order {
    name: String,
    status: OrderStatus,
    begun: bool,
    /// Looks until it is issued.
    left: u8,
    key: Option<PrivateKey>,
}

impl Ca {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panicked with it")
    }

    pub(super) fn answers(&self) -> Answers {
        Answers(self.clone())
    }

    pub(super) fn issued(&self) -> usize {
        self.state().issued.len()
    }

    pub(super) fn accounts(&self) -> usize {
        self.state().accounts.len()
    }

    pub(super) fn orders(&self) -> usize {
        self.state().orders.len()
    }

    pub(super) fn is_issued_for(&self, key: &PrivateKey) -> bool {
        self.state().issued.last() == Some(key)
    }

    pub(super) fn presented(&self) -> usize {
        self.state().presented.len()
    }

    /// The process that presented them is gone.
    pub(super) fn forget_presented(&self) {
        self.state().presented.clear();
    }

    pub(super) fn revoke_orders(&self) {
        for order in &mut self.state().orders {
            order.status = OrderStatus::Invalid;
        }
    }

    pub(super) fn present(&self, challenge: &Challenge) {
        let Challenge::Http01 { token, .. } = challenge else { panic!("only http-01 is set up") };
        self.state().presented.insert(token.clone());
    }

    pub(super) fn withdraw(&self, challenge: &Challenge) {
        let Challenge::Http01 { token, .. } = challenge else { panic!("only http-01 is set up") };
        self.state().presented.remove(token);
    }

    /// Does something, between two points of waiting.
    async fn step<T>(
        &self,
        run: impl FnOnce(&mut State) -> Result<T, AuthorityFailure>,
    ) -> Result<T, AuthorityFailure> {
        wait_once().await;
        let done = run(&mut self.state());
        wait_once().await;
        done
    }
}

fn refused(kind: &str, status: u16) -> AuthorityFailure {
    let problem = Problem { kind: kind.to_owned(), detail: kind.to_owned(), status, parts: Vec::new() };
    AuthorityFailure::Problem { problem, retry_after: None }
}

fn number(url: &str) -> usize {
    url.rsplit('/').next().and_then(|text| text.parse().ok()).expect("an order of ours")
}

impl Authority for Ca {
    fn new_key(&self) -> Result<PrivateKey, AuthorityFailure> {
        let mut state = self.state();
        state.keys += 1;
        Ok(PrivateKey::from_pkcs8(vec![state.keys; 16]))
    }

    async fn facts(&self, _: &str) -> Result<DirectoryFacts, AuthorityFailure> {
        let terms = Some("https://ca.test/terms".to_owned());
        self.step(|_| Ok(DirectoryFacts { terms_of_service: terms, ..DirectoryFacts::default() })).await
    }

    async fn register(
        &self,
        account: &KeptAccount,
        _: &Registration,
    ) -> Result<KeptAccount, AuthorityFailure> {
        self.step(|state| {
            // RFC 8555 §7.3.1: a key has one account.
            let known = state.accounts.iter().position(|key| *key == account.key);
            let place = known.unwrap_or_else(|| {
                state.accounts.push(account.key.clone());
                state.accounts.len() - 1
            });
            Ok(KeptAccount { url: Some(format!("https://ca.test/acct/{place}")), ..account.clone() })
        })
        .await
    }

    async fn new_order(
        &self,
        _: &KeptAccount,
        name: &str,
        _: Option<&str>,
    ) -> Result<String, AuthorityFailure> {
        self.step(|state| {
            let pending = |order: &Order| order.name == name && order.status == OrderStatus::Pending;
            let place = state.orders.iter().position(pending).unwrap_or_else(|| {
                let name = name.to_owned();
                state.orders.push(Order {
                    name,
                    status: OrderStatus::Pending,
                    begun: false,
                    left: 2,
                    key: None,
                });
                state.orders.len() - 1
            });
            Ok(format!("https://ca.test/order/{place}"))
        })
        .await
    }

    async fn look(&self, _: &KeptAccount, order: &str) -> Result<OrderSeen, AuthorityFailure> {
        self.step(|state| {
            let State { orders, presented, issued, .. } = state;
            let order = orders.get_mut(number(order)).ok_or_else(|| refused("malformed", 404))?;
            let token = format!("token-{}", order.name.len());
            if order.status == OrderStatus::Pending && order.begun {
                // It looks when it is looked at.
                order.status =
                    if presented.contains(&token) { OrderStatus::Ready } else { OrderStatus::Pending };
            }
            if order.status == OrderStatus::Processing {
                order.left = order.left.saturating_sub(1);
                if order.left == 0 {
                    order.status = OrderStatus::Valid;
                    issued.extend(order.key.clone());
                }
            }
            let offer = OfferedChallenge {
                kind: ChallengeKind::Http01,
                token,
                key_authorization: String::new(),
                digest: [0; 32],
                dns_value: String::new(),
                is_begun: order.begun,
            };
            Ok(OrderSeen { status: order.status, offers: vec![offer], problem: None, retry_after: None })
        })
        .await
    }

    async fn answer(&self, _: &KeptAccount, order: &str, _: ChallengeKind) -> Result<(), AuthorityFailure> {
        self.step(|state| {
            let order = state.orders.get_mut(number(order)).ok_or_else(|| refused("malformed", 404))?;
            order.begun = true;
            Ok(())
        })
        .await
    }

    async fn finalize(
        &self,
        _: &KeptAccount,
        order: &str,
        _: &str,
        key: &PrivateKey,
    ) -> Result<(), AuthorityFailure> {
        self.step(|state| {
            let order = state.orders.get_mut(number(order)).ok_or_else(|| refused("malformed", 404))?;
            if order.status != OrderStatus::Ready {
                return Err(refused("orderNotReady", 403));
            }
            order.status = OrderStatus::Processing;
            order.key = Some(key.clone());
            Ok(())
        })
        .await
    }

    async fn fetch(
        &self,
        _: &KeptAccount,
        order: &str,
        _: &str,
        key: &PrivateKey,
    ) -> Result<IssuedChain, AuthorityFailure> {
        self.step(|state| {
            let order = state.orders.get(number(order)).ok_or_else(|| refused("malformed", 404))?;
            assert_eq!(order.status, OrderStatus::Valid);
            assert_eq!(order.key.as_ref(), Some(key), "the key was lost");
            Ok(IssuedChain { chain: vec![vec![1]], not_before: 900, not_after: 9_000_000, ari_id: None })
        })
        .await
    }

    async fn renewal(&self, _: &str, _: &str, _: UnixTime) -> Result<RenewalWindow, AuthorityFailure> {
        Err(refused("malformed", 404))
    }
}
