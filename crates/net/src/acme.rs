//! Certificate authorities by ACME (RFC 8555), over instant-acme, with our own TLS and bounds.
//!
//! Each call is one step of an order; nothing is kept here but live orders (a request less for each step) and what
//! directories say. Whatever an authority answers with a status of 400 and above comes out as it was said
//! ([`AuthorityFailure`]). What is issued is checked to be for the one name and the key that it was asked for.

mod directory;
mod http;
mod issued;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use instant_acme::{
    Account, AuthorizationState, ChallengeStatus, ChallengeType, ExternalAccountKey, Identifier, Key,
    NewAccount, NewOrder,
};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use smtp_dane::pkix::TrustRoots;
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::certificates::{
    Authority, AuthorityFailure, ChallengeKind, DirectoryFacts, IssuedChain, KeptAccount, OfferedChallenge,
    OrderSeen, OrderStatus, PrivateKey, Problem, Registration, RenewalWindow,
};
use tlsward_engine::ports::{Clock, Dns};

use self::directory::Directory;
use self::http::{Http, Ways};
use self::wire::{Directories, Wire, failed};
use crate::guard::Guard;
use crate::limits::AcmeLimits;
use crate::polite::PerAddress;

/// How authorities are spoken to.
#[derive(Debug, Clone)]
pub struct AcmeConfig {
    /// URLs of directories that the owner named: their hosts may be anywhere.
    pub directories: Vec<String>,
    /// For all other hosts.
    pub guard: Guard,
    /// Those of the platform and of `[net] trust_roots`.
    pub roots: TrustRoots,
    /// Shared with the other clients.
    pub per_address: PerAddress,
    /// Bounds.
    pub limits: AcmeLimits,
}

/// Certificate authorities. A clone is the same.
pub struct AcmeClient<D, K> {
    shared: Arc<Shared<D, K>>,
}

impl<D, K> Clone for AcmeClient<D, K> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<D, K> fmt::Debug for AcmeClient<D, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AcmeClient")
    }
}

struct Shared<D, K> {
    http: Http<D, K>,
    directories: Arc<Directories>,
    limits: AcmeLimits,
    /// By URL.
    orders: Mutex<BTreeMap<String, Live>>,
}

/// An order as the library holds it: with its last state, and a nonce for the next request.
struct Live {
    order: instant_acme::Order,
    /// Nobody has looked at its state since it came.
    is_new: bool,
}

impl<D: Dns + 'static, K: Clock> AcmeClient<D, K> {
    /// A client that looks names up by `dns`, and judges certificates by the clock.
    #[must_use]
    pub fn new(config: AcmeConfig, dns: D, clock: K) -> Self {
        let AcmeConfig { directories, guard, roots, per_address, limits } = config;
        let host =
            |url: &String| Some(url.parse::<::http::Uri>().ok()?.host()?.trim_matches(['[', ']']).to_owned());
        let own_hosts: BTreeSet<String> = directories.iter().filter_map(host).collect();
        let own_hosts = Mutex::new(own_hosts);
        let ways = Arc::new(Ways { dns, clock, roots, guard, per_address, own_hosts });
        let user_agent = concat!("tlsward/", env!("CARGO_PKG_VERSION"), " instant-acme");
        let http = Http::new(ways, limits.clone(), user_agent);
        let directories = Arc::new(Directories::new(limits.directory_kept));
        Self { shared: Arc::new(Shared { http, directories, limits, orders: Mutex::default() }) }
    }

    fn wire(&self, directory: &str) -> Box<Wire<D, K>> {
        let Shared { http, directories, .. } = &*self.shared;
        Box::new(Wire::new(http.clone(), Arc::clone(directories), directory.to_owned()))
    }

    async fn directory(&self, url: &str) -> Result<Directory, AuthorityFailure> {
        Directory::parse(&self.shared.directories.get(&self.shared.http, url).await?)
    }

    async fn account(&self, account: &KeptAccount) -> Result<Account, AuthorityFailure> {
        let url = account.url.clone().unwrap_or_default();
        let key = PrivatePkcs8KeyDer::from(account.key.pkcs8());
        let builder = Account::builder_with_http(self.wire(&account.directory));
        builder.from_parts(url, key, account.directory.clone()).await.map_err(failed)
    }

    fn orders(&self) -> MutexGuard<'_, BTreeMap<String, Live>> {
        self.shared.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The order, with a state that is no older than the last step of ours.
    async fn take(&self, account: &KeptAccount, url: &str) -> Result<Live, AuthorityFailure> {
        let live = self.orders().remove(url);
        match live {
            Some(live) => Ok(live),
            None => {
                let order = self.account(account).await?.order(url.to_owned()).await.map_err(failed)?;
                Ok(Live { order, is_new: true })
            }
        }
    }

    /// Keeps it for the next step. What is lost here is asked for again.
    fn put(&self, live: Live) {
        let mut orders = self.orders();
        if orders.len() >= self.shared.limits.live_orders {
            orders.pop_first();
        }
        orders.insert(live.order.url().to_owned(), live);
    }
}

impl<D: Dns + 'static, K: Clock> Authority for AcmeClient<D, K> {
    fn new_key(&self) -> Result<PrivateKey, AuthorityFailure> {
        let (_, der) = Key::generate_pkcs8().map_err(failed)?;
        Ok(PrivateKey::from_pkcs8(der.secret_pkcs8_der().to_vec()))
    }

    async fn facts(&self, directory: &str) -> Result<DirectoryFacts, AuthorityFailure> {
        Ok(self.directory(directory).await?.facts())
    }

    async fn register(
        &self,
        account: &KeptAccount,
        registration: &Registration,
    ) -> Result<KeptAccount, AuthorityFailure> {
        let builder = Account::builder_with_http(self.wire(&account.directory));
        let directory = account.directory.clone();
        let contact: Vec<&str> = registration.contact.iter().map(String::as_str).collect();
        if let Some(external) = &registration.external {
            // The library binds keys of its own making only: this one takes the place of the one that was kept.
            let new =
                NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
            let external = ExternalAccountKey::new(external.id.clone(), &external.key);
            let (made, credentials) =
                builder.create(&new, directory.clone(), Some(&external)).await.map_err(failed)?;
            let key = credentials.private_key().secret_pkcs8_der().to_vec();
            let key = PrivateKey::from_pkcs8(key);
            return Ok(KeptAccount { directory, key, url: Some(made.id().to_owned()) });
        }
        let der = PrivatePkcs8KeyDer::from(account.key.pkcs8().to_vec());
        let key = Key::from_pkcs8_der(der.clone_key()).map_err(failed)?;
        // RFC 8555 §7.3.1: with a key that has an account, that account comes back.
        let made = builder.create_from_key((key, PrivateKeyDer::Pkcs8(der)), directory).await;
        let (made, _) = made.map_err(failed)?;
        if !contact.is_empty() {
            made.update_contacts(&contact).await.map_err(failed)?;
        }
        Ok(KeptAccount { url: Some(made.id().to_owned()), ..account.clone() })
    }

    async fn new_order(
        &self,
        account: &KeptAccount,
        name: &str,
        replaces: Option<&str>,
    ) -> Result<String, AuthorityFailure> {
        let identifiers = [Identifier::Dns(name.to_owned())];
        let mut new = NewOrder::new(&identifiers);
        if let Some((key, serial)) = replaces.and_then(|id| id.split_once('.')) {
            new = new.replaces(instant_acme::CertificateIdentifier {
                authority_key_identifier: key.into(),
                serial: serial.into(),
            });
        }
        let order = self.account(account).await?.new_order(&new).await.map_err(failed)?;
        let url = order.url().to_owned();
        self.put(Live { order, is_new: true });
        Ok(url)
    }

    async fn look(&self, account: &KeptAccount, order: &str) -> Result<OrderSeen, AuthorityFailure> {
        let mut live = self.take(account, order).await?;
        if !std::mem::take(&mut live.is_new) {
            live.order.refresh().await.map_err(failed)?;
        }
        let status = status(live.order.state().status);
        let mut seen = OrderSeen {
            status,
            offers: Vec::new(),
            problem: live.order.state().error.as_ref().map(directory::problem),
            retry_after: None,
        };
        if matches!(status, OrderStatus::Pending | OrderStatus::Invalid) {
            let thumbprint = self.account(account).await?.key_thumbprint().to_owned();
            let mut authorizations = live.order.authorizations();
            // One name, one authorisation.
            if let Some(authorization) = authorizations.next().await {
                let authorization = authorization.map_err(failed)?;
                seen.offers = offers(&authorization, &thumbprint);
                // The order's own words are often but that it came to nothing.
                seen.problem = why(&authorization).or(seen.problem);
            }
        }
        self.put(live);
        Ok(seen)
    }

    async fn answer(
        &self,
        account: &KeptAccount,
        order: &str,
        kind: ChallengeKind,
    ) -> Result<(), AuthorityFailure> {
        let mut live = self.take(account, order).await?;
        let mut authorizations = live.order.authorizations();
        let none = || AuthorityFailure::Unusable(format!("the order has no challenge {}", kind.as_wire()));
        let mut authorization = authorizations.next().await.ok_or_else(none)?.map_err(failed)?;
        let mut challenge = authorization.challenge(challenge_type(kind)).ok_or_else(none)?;
        challenge.set_ready().await.map_err(failed)?;
        self.put(live);
        Ok(())
    }

    async fn finalize(
        &self,
        account: &KeptAccount,
        order: &str,
        name: &str,
        key: &PrivateKey,
    ) -> Result<(), AuthorityFailure> {
        let request = issued::request(name, key)?;
        let mut live = self.take(account, order).await?;
        live.order.finalize_csr(&request).await.map_err(failed)?;
        live.is_new = true;
        self.put(live);
        Ok(())
    }

    async fn fetch(
        &self,
        account: &KeptAccount,
        order: &str,
        name: &str,
        key: &PrivateKey,
    ) -> Result<IssuedChain, AuthorityFailure> {
        let mut live = self.take(account, order).await?;
        let pem = live.order.certificate().await.map_err(failed)?;
        let none = || AuthorityFailure::Unusable("the order has no certificate yet".to_owned());
        issued::read(&pem.ok_or_else(none)?, name, key)
    }

    async fn renewal(
        &self,
        directory: &str,
        ari_id: &str,
        now: UnixTime,
    ) -> Result<RenewalWindow, AuthorityFailure> {
        let Some(base) = self.directory(directory).await?.renewal_info else {
            return Err(AuthorityFailure::Unusable("it has no renewal information".to_owned()));
        };
        let request = ::http::Request::get(format!("{base}/{ari_id}")).body(Bytes::new());
        let request = request.map_err(|error| AuthorityFailure::Unusable(error.to_string()))?;
        let answer = self.shared.http.send(request).await?;
        if !answer.status.is_success() {
            return Err(directory::failure(&answer));
        }
        directory::renewal(&answer, now)
    }
}

fn status(status: instant_acme::OrderStatus) -> OrderStatus {
    match status {
        instant_acme::OrderStatus::Pending => OrderStatus::Pending,
        instant_acme::OrderStatus::Ready => OrderStatus::Ready,
        instant_acme::OrderStatus::Processing => OrderStatus::Processing,
        instant_acme::OrderStatus::Valid => OrderStatus::Valid,
        instant_acme::OrderStatus::Invalid => OrderStatus::Invalid,
    }
}

fn challenge_type(kind: ChallengeKind) -> ChallengeType {
    match kind {
        ChallengeKind::Http01 => ChallengeType::Http01,
        ChallengeKind::TlsAlpn01 => ChallengeType::TlsAlpn01,
        ChallengeKind::Dns01 => ChallengeType::Dns01,
    }
}

fn offers(authorization: &AuthorizationState, thumbprint: &str) -> Vec<OfferedChallenge> {
    // RFC 8555 §8.1: base64url. Anything else would go into a path.
    let is_token = |token: &str| {
        !token.is_empty()
            && token.len() <= 512
            && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let mut offers = Vec::new();
    for kind in ChallengeKind::ALL {
        let wanted = challenge_type(kind);
        let of_kind = authorization.challenges.iter().find(|challenge| challenge.r#type == wanted);
        if let Some(challenge) = of_kind.filter(|challenge| is_token(&challenge.token)) {
            let key_authorization = format!("{}.{thumbprint}", challenge.token);
            let digest = issued::sha256(key_authorization.as_bytes());
            offers.push(OfferedChallenge {
                kind,
                token: challenge.token.clone(),
                key_authorization,
                digest,
                dns_value: issued::base64url(&digest),
                is_begun: challenge.status != ChallengeStatus::Pending,
            });
        }
    }
    offers
}

/// Why it was not believed.
fn why(authorization: &AuthorizationState) -> Option<Problem> {
    let problem = authorization.challenges.iter().find_map(|challenge| challenge.error.as_ref());
    problem.map(directory::problem)
}
