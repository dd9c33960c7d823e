//! What certifying policy hosts needs of the world: a certificate authority ([`Authority`], RFC 8555), and where accounts,
//! orders and certificates are kept ([`Certificates`]).
//!
//! As everywhere in the ports, what an authority says crosses as it was said: which failure it is, and what
//! follows, is the engine's to tell ([`crate::publish::certificate`]). Names are lower-case A-labels without a dot at the
//! end.

mod shared;

use std::fmt;
use std::future::Future;
use std::time::Duration;

use super::StoreError;
use crate::facts::UnixTime;

/// A private key: PKCS#8 in DER. Never shown; wiping it from memory is left to the process's end.
#[derive(Clone, PartialEq, Eq)]
pub struct PrivateKey(Vec<u8>);

impl PrivateKey {
    /// PKCS#8 in DER.
    #[must_use]
    pub fn from_pkcs8(der: Vec<u8>) -> Self {
        Self(der)
    }

    /// PKCS#8 in DER.
    #[must_use]
    pub fn pkcs8(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey")
    }
}

/// Our account with an authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAccount {
    /// The URL of the authority's directory.
    pub directory: String,
    /// Its key. It is kept before the authority hears of it, so that no second account is made after a kill.
    pub key: PrivateKey,
    /// The account's URL. `None`: the authority has not confirmed it yet.
    pub url: Option<String>,
}

/// An order that was begun. It is kept before it is finalised, so that the key of whatever is issued is never lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptOrder {
    /// The name to be certified.
    pub name: String,
    /// The directory of the authority.
    pub directory: String,
    /// The URL of our account: an order belongs to one.
    pub account: String,
    /// The order's URL.
    pub url: String,
    /// The key of the certificate.
    pub key: PrivateKey,
    /// When it was begun.
    pub begun_at: UnixTime,
}

/// A certificate with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptCertificate {
    /// What is known of it without its key.
    pub line: CertificateLine,
    /// The chain, leaf first, each in DER.
    pub chain: Vec<Vec<u8>>,
    /// Its key.
    pub key: PrivateKey,
}

/// A certificate in a list: no key in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateLine {
    /// The one name.
    pub name: String,
    /// The directory of the authority that issued it.
    pub directory: String,
    /// Valid from.
    pub not_before: UnixTime,
    /// Valid until.
    pub not_after: UnixTime,
    /// When we got it.
    pub issued_at: UnixTime,
    /// By this the authority knows it in renewal information (RFC 9773 §4.1); `None` where it has no key identifier.
    pub ari_id: Option<String>,
    /// What the authority last said on its renewal.
    pub renewal: Option<RenewalWindow>,
    /// Whether its key can be opened. `false`: it was sealed with another key file, and the certificate is of no use.
    pub has_key: bool,
}

/// When an authority wants a certificate to be renewed (RFC 9773 §4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenewalWindow {
    /// Its beginning.
    pub start: UnixTime,
    /// Its end, after the beginning.
    pub end: UnixTime,
    /// A page that says why; a stranger's text.
    pub explanation: Option<String>,
    /// When it is to be asked for again.
    pub ask_again_at: UnixTime,
}

/// How certifying one name goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAttempts {
    /// The name.
    pub name: String,
    /// Failures in a row, over all authorities.
    pub failures: u32,
    /// Of them, those with the first authority since the last change to it.
    pub with_first: u32,
    /// The first of the row.
    pub since: UnixTime,
    /// The last of the row.
    pub last_at: UnixTime,
    /// Nothing is tried before.
    pub next_at: UnixTime,
    /// The token of the kind of failure.
    pub kind: String,
    /// What it was, in words. May hold text of a stranger.
    pub text: String,
}

/// Something that counts towards the limits of an authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counted {
    /// An order was made.
    Order,
    /// A certificate was issued for names that had none, so that it counts for the registered domain.
    Issued,
    /// A challenge failed.
    FailedValidation,
}

impl Counted {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Order, Self::Issued, Self::FailedValidation];

    /// The token that is stored.
    #[must_use]
    pub fn as_wire(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Issued => "issued",
            Self::FailedValidation => "failed-validation",
        }
    }

    /// What has this token.
    #[must_use]
    pub fn from_wire(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|counted| counted.as_wire() == token)
    }
}

/// One of those, as kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountedEvent {
    /// The directory of the authority.
    pub directory: String,
    /// The name that it was for.
    pub name: String,
    /// What.
    pub what: Counted,
    /// When.
    pub at: UnixTime,
}

/// Keeps certificates and all that leads to them. Every `Ok` of a change means synced. Keys are sealed at rest; what was
/// sealed with another key file is as good as not there.
pub trait Certificates: Send + Sync + 'static {
    /// Our account with an authority; `None` as well where its key cannot be opened.
    fn account(
        &self,
        directory: &str,
    ) -> impl Future<Output = Result<Option<KeptAccount>, StoreError>> + Send;

    /// Keeps it, in the place of an older one.
    fn put_account(&self, account: KeptAccount) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// The order that was begun for a name; `None` as well where its key cannot be opened.
    fn order(&self, name: &str) -> impl Future<Output = Result<Option<KeptOrder>, StoreError>> + Send;

    /// Keeps it, in the place of an older one of the same name.
    fn put_order(&self, order: KeptOrder) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// It came to nothing. One with another URL stays.
    fn drop_order(&self, name: &str, url: &str) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Names with an order that was begun, by name, of names after `after`, at most `limit`.
    fn ordered(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<String>, StoreError>> + Send;

    /// Keeps a certificate in the place of an older one, and removes the order and the attempts of its name, in one commit.
    fn put_certificate(
        &self,
        certificate: KeptCertificate,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// A certificate with its key; `None` as well where the key cannot be opened.
    fn certificate(
        &self,
        name: &str,
    ) -> impl Future<Output = Result<Option<KeptCertificate>, StoreError>> + Send;

    /// One line.
    fn certificate_line(
        &self,
        name: &str,
    ) -> impl Future<Output = Result<Option<CertificateLine>, StoreError>> + Send;

    /// Lines, by name, of names after `after`, at most `limit`.
    fn certificate_lines(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<CertificateLine>, StoreError>> + Send;

    /// Keeps what the authority said on the renewal of the certificate with this id. Another certificate is left alone.
    fn put_renewal(
        &self,
        name: &str,
        ari_id: &str,
        renewal: RenewalWindow,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Forgets all of a name: certificate, order, attempts. Nothing happens if there is none.
    fn forget_certificate(&self, name: &str) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// How certifying a name goes; `None`: nothing failed since the last success.
    fn attempts(&self, name: &str) -> impl Future<Output = Result<Option<KeptAttempts>, StoreError>> + Send;

    /// Keeps it.
    fn put_attempts(&self, attempts: KeptAttempts) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// All of them, by name, of names after `after`, at most `limit`.
    fn all_attempts(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<KeptAttempts>, StoreError>> + Send;

    /// Keeps something that counts, and forgets what is older than `forget_before`.
    fn count(
        &self,
        event: CountedEvent,
        forget_before: UnixTime,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// What counts, from `since` on, oldest first, at most `limit`.
    fn counted(
        &self,
        since: UnixTime,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<CountedEvent>, StoreError>> + Send;

    /// How many keys (of accounts, orders, certificates) cannot be opened.
    fn unopened(&self) -> impl Future<Output = Result<u64, StoreError>> + Send;
}

/// How an authority can be asked for a proof of control over a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChallengeKind {
    /// A file over plain HTTP (RFC 8555 §8.3).
    Http01,
    /// A certificate in a TLS handshake (RFC 8737).
    TlsAlpn01,
    /// A TXT record (RFC 8555 §8.4).
    Dns01,
}

impl ChallengeKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Http01, Self::TlsAlpn01, Self::Dns01];

    /// The registered token, as in `validationmethods` (RFC 8657 §4).
    #[must_use]
    pub fn as_wire(self) -> &'static str {
        match self {
            Self::Http01 => "http-01",
            Self::TlsAlpn01 => "tls-alpn-01",
            Self::Dns01 => "dns-01",
        }
    }

    /// The kind with this token.
    #[must_use]
    pub fn from_wire(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_wire() == token)
    }
}

/// What an authority says of itself (RFC 8555 §7.1.1, RFC 9773 §4.1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DirectoryFacts {
    /// Domains by which it is named in CAA records.
    pub caa_identities: Vec<String>,
    /// The terms of service.
    pub terms_of_service: Option<String>,
    /// Whether an account must be bound to one that exists elsewhere.
    pub needs_external_account: bool,
    /// Whether it says when to renew.
    pub has_renewal_info: bool,
}

/// How an order stands (RFC 8555 §7.1.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderStatus {
    /// Control over the name is to be proved.
    Pending,
    /// It is proved.
    Ready,
    /// The authority issues.
    Processing,
    /// It has issued.
    Valid,
    /// It came to nothing.
    Invalid,
}

/// An order as the authority sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderSeen {
    /// How it stands.
    pub status: OrderStatus,
    /// Ways to prove control, while pending.
    pub offers: Vec<OfferedChallenge>,
    /// Why it came to nothing, or what stands in the way.
    pub problem: Option<Problem>,
    /// How long to wait before looking again.
    pub retry_after: Option<RetryAfter>,
}

/// A challenge that an authority offers.
#[derive(Clone, PartialEq, Eq)]
pub struct OfferedChallenge {
    /// Which kind.
    pub kind: ChallengeKind,
    /// Its token.
    pub token: String,
    /// Token and thumbprint of the account's key (RFC 8555 §8.1).
    pub key_authorization: String,
    /// SHA-256 of the key authorisation.
    pub digest: [u8; 32],
    /// The value of the TXT record for dns-01: the digest in base64url.
    pub dns_value: String,
    /// Whether the authority was told already that it can be looked at.
    pub is_begun: bool,
}

impl fmt::Debug for OfferedChallenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OfferedChallenge")
            .field("kind", &self.kind)
            .field("is_begun", &self.is_begun)
            .finish_non_exhaustive()
    }
}

/// A problem document (RFC 9457, RFC 8555 §6.7). Texts are a stranger's, bounded in length.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problem {
    /// Its type without `urn:ietf:params:acme:error:`, as it came; empty if it had none.
    pub kind: String,
    /// What it says.
    pub detail: String,
    /// HTTP status; 0 if unknown.
    pub status: u16,
    /// Types and details of its parts.
    pub parts: Vec<(String, String)>,
}

/// When something may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// After so long.
    In(Duration),
    /// At that time.
    At(UnixTime),
}

impl RetryAfter {
    /// The time.
    #[must_use]
    pub fn from(self, now: UnixTime) -> UnixTime {
        match self {
            Self::In(wait) => now.saturating_add(i64::try_from(wait.as_secs()).unwrap_or(i64::MAX)),
            Self::At(at) => at,
        }
    }
}

/// Why an authority could not be asked, or what it said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityFailure {
    /// No connection, no TLS session, no answer in time. Worth another try.
    #[error("the certificate authority cannot be reached: {0}")]
    Unreachable(String),
    /// It answered without saying what is wrong: a page of a proxy, for instance.
    #[error("the certificate authority answered with HTTP status {status}")]
    Status {
        /// The status.
        status: u16,
        /// When it may be tried again.
        retry_after: Option<RetryAfter>,
    },
    /// It said what is wrong.
    #[error("the certificate authority refused: {} ({})", problem.detail, problem.kind)]
    Problem {
        /// What it said.
        problem: Problem,
        /// When it may be tried again.
        retry_after: Option<RetryAfter>,
    },
    /// What it answered makes no sense, or is beyond a bound.
    #[error("the answer of the certificate authority cannot be used: {0}")]
    Unusable(String),
}

/// How an account is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Registration {
    /// `mailto:` URIs.
    pub contact: Vec<String>,
    /// An account elsewhere that it is bound to (RFC 8555 §7.3.4).
    pub external: Option<ExternalAccount>,
}

/// Binds an account to one that exists elsewhere.
#[derive(Clone, PartialEq, Eq)]
pub struct ExternalAccount {
    /// The key identifier that the authority gave.
    pub id: String,
    /// The HMAC key that it gave, decoded.
    pub key: Vec<u8>,
}

impl fmt::Debug for ExternalAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExternalAccount").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A chain as it was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedChain {
    /// Leaf first, each in DER.
    pub chain: Vec<Vec<u8>>,
    /// Valid from.
    pub not_before: UnixTime,
    /// Valid until.
    pub not_after: UnixTime,
    /// Its id in renewal information.
    pub ari_id: Option<String>,
}

/// Certificate authorities, each named by the URL of its directory. Every call is bounded in time.
pub trait Authority: Send + Sync + 'static {
    /// A new key for a certificate or an account.
    fn new_key(&self) -> Result<PrivateKey, AuthorityFailure>;

    /// What it says of itself. May be some hours old.
    fn facts(&self, directory: &str)
    -> impl Future<Output = Result<DirectoryFacts, AuthorityFailure>> + Send;

    /// Makes the account of this key, or finds it, with its terms of service agreed to.
    fn register(
        &self,
        account: &KeptAccount,
        registration: &Registration,
    ) -> impl Future<Output = Result<KeptAccount, AuthorityFailure>> + Send;

    /// Orders a certificate for one name; the order's URL. `replaces`: the id of the one that it follows (RFC 9773 §5).
    fn new_order(
        &self,
        account: &KeptAccount,
        name: &str,
        replaces: Option<&str>,
    ) -> impl Future<Output = Result<String, AuthorityFailure>> + Send;

    /// How an order stands.
    fn look(
        &self,
        account: &KeptAccount,
        order: &str,
    ) -> impl Future<Output = Result<OrderSeen, AuthorityFailure>> + Send;

    /// Says that a challenge can be looked at.
    fn answer(
        &self,
        account: &KeptAccount,
        order: &str,
        kind: ChallengeKind,
    ) -> impl Future<Output = Result<(), AuthorityFailure>> + Send;

    /// Asks for the certificate of this key, for this one name.
    fn finalize(
        &self,
        account: &KeptAccount,
        order: &str,
        name: &str,
        key: &PrivateKey,
    ) -> impl Future<Output = Result<(), AuthorityFailure>> + Send;

    /// Fetches what was issued. It is checked to be for this name and this key.
    fn fetch(
        &self,
        account: &KeptAccount,
        order: &str,
        name: &str,
        key: &PrivateKey,
    ) -> impl Future<Output = Result<IssuedChain, AuthorityFailure>> + Send;

    /// When it wants the certificate with this id to be renewed. `ask_again_at` is the adapter's wait from now on.
    fn renewal(
        &self,
        directory: &str,
        ari_id: &str,
        now: UnixTime,
    ) -> impl Future<Output = Result<RenewalWindow, AuthorityFailure>> + Send;
}
