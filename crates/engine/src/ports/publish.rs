//! What publishing needs of the world: where records are written, where policies are served, where challenges of a
//! certificate authority are answered, and where all of it is kept.
//!
//! Names are lower-case A-labels without a dot at the end. `domain` is a managed policy domain, never the policy host.

use std::fmt;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use bytes::Bytes;

use super::{DnsReply, RecordKind, StoreError};
use crate::facts::UnixTime;

/// All records of one name and type, as they should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordSet {
    /// The owner's name.
    pub name: String,
    /// Its type; every value is of it.
    pub kind: RecordType,
    /// Seconds.
    pub ttl: u32,
    /// In order, none twice. Empty: there should be none.
    pub values: Vec<RecordValue>,
}

/// Types of records that are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordType {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// An alias.
    Cname,
    /// Texts.
    Txt,
    /// Who may issue certificates (RFC 8659).
    Caa,
}

impl RecordType {
    /// As written in zone files.
    #[must_use]
    pub fn as_wire(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Cname => "CNAME",
            Self::Txt => "TXT",
            Self::Caa => "CAA",
        }
    }
}

/// One record's data.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecordValue {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// The name it stands for.
    Cname(String),
    /// One text; whoever writes it to the wire cuts it into strings of 255 bytes.
    Txt(String),
    /// Who may issue.
    Caa {
        /// 128 is critical.
        flags: u8,
        /// `issue`, `issuewild`, `iodef`.
        tag: String,
        /// The authority's domain and parameters.
        value: String,
    },
}

/// Makes records of managed domains be as they should: by hand, by RFC 2136, through a provider, or in our own zone.
pub trait Records: Send + Sync + 'static {
    /// Makes these sets be so, all of them or (as far as the way there allows) none. Doing it twice changes nothing.
    /// `Ok` says what was done, not that the world sees it.
    fn apply(
        &self,
        domain: &str,
        sets: Vec<RecordSet>,
    ) -> impl Future<Output = Result<Applied, RecordsFailure>> + Send;
}

/// What was done about records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// They are written where the domain's DNS comes from.
    Written,
    /// Nothing: a person does it.
    ByHand,
}

/// Why records could not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordsFailure {
    /// It will not get better by itself: wrong key, no such zone, a name that cannot be. The text says what to do.
    #[error("the records were refused: {0}")]
    Refused(String),
    /// Worth another try.
    #[error("the records could not be written now: {0}")]
    Later(String),
}

/// Asks one name server itself, without recursion: what a domain's own servers say, each of them.
pub trait Authorities: Send + Sync {
    /// One question to one address, over UDP and then TCP, bounded in time. A referral is `Failed`. Aliases are followed as
    /// far as the server's own answer goes: where they lead out of what it holds, the reply is `Absent` behind them.
    fn ask(&self, server: IpAddr, name: &str, kind: RecordKind) -> impl Future<Output = DnsReply> + Send;
}

/// Where policies are served.
pub trait Hosts: Send + Sync + 'static {
    /// From the return of this call on, this node serves these bytes for the domain's policy, or nothing.
    fn serve(&self, domain: &str, body: Option<Bytes>);
}

/// A challenge of a certificate authority (RFC 8555 §8, RFC 8737).
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Challenge {
    /// The key authorisation under `http://<name>/.well-known/acme-challenge/<token>`.
    Http01 {
        /// The name to be certified.
        name: String,
        /// Part of the path: base64url.
        token: String,
        /// What is served.
        key_authorization: String,
    },
    /// A self-signed certificate for `name`, with the digest in `id-pe-acmeIdentifier`, to whoever offers `acme-tls/1`
    /// alone.
    TlsAlpn01 {
        /// The name to be certified.
        name: String,
        /// SHA-256 of the key authorisation.
        digest: [u8; 32],
    },
}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http01 { name, .. } => f.debug_struct("Http01").field("name", name).finish_non_exhaustive(),
            Self::TlsAlpn01 { name, .. } => {
                f.debug_struct("TlsAlpn01").field("name", name).finish_non_exhaustive()
            }
        }
    }
}

/// Answers challenges. (dns-01 goes through [`Records`].)
pub trait Challenges: Send + Sync + 'static {
    /// From the return of this call on, the challenge is answered on this node.
    fn present(&self, challenge: &Challenge);

    /// It is answered no longer.
    fn withdraw(&self, challenge: &Challenge);
}

impl<T: Challenges> Challenges for Arc<T> {
    fn present(&self, challenge: &Challenge) {
        self.as_ref().present(challenge);
    }

    fn withdraw(&self, challenge: &Challenge) {
        self.as_ref().withdraw(challenge);
    }
}

/// A managed domain as it is kept. `state` is the engine's own ([`crate::publish`]); the other fields are what the store
/// looks things up by.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptPublication {
    /// The policy domain.
    pub domain: String,
    /// One more with each change.
    pub revision: u64,
    /// The group that it follows.
    pub group: Option<String>,
    /// Whatever was served may be in a sender's cache until then. The store never lowers it.
    pub cached_until: UnixTime,
    /// When something is to be looked at or done next.
    pub due_at: UnixTime,
    /// JSON with a version of its own.
    pub state: Bytes,
}

impl fmt::Debug for KeptPublication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptPublication")
            .field("domain", &self.domain)
            .field("revision", &self.revision)
            .field("group", &self.group)
            .field("cached_until", &self.cached_until)
            .field("due_at", &self.due_at)
            .field("state", &self.state.len())
            .finish()
    }
}

/// A version of a domain's policy that was served. Never removed, and numbers never used again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptVersion {
    /// The policy domain.
    pub domain: String,
    /// From 1.
    pub number: u32,
    /// As served.
    pub body: Bytes,
    /// The id under which it was announced at last, if it was.
    pub id: Option<String>,
    /// Seconds.
    pub max_age: u32,
    /// When this node began to serve it.
    pub first_served_at: UnixTime,
    /// When its id was seen live.
    pub announced_at: Option<UnixTime>,
    /// When it was served for the last time; `None`: it still is.
    pub last_served_at: Option<UnixTime>,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It is on disk, synced.
    Kept,
    /// Somebody else changed it first: read it again.
    Conflict,
}

/// Keeps managed domains. Every `Ok` of a change means synced.
pub trait Publications: Send + Sync + 'static {
    /// By domain, of domains after `after`, at most `limit`.
    fn publications(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<KeptPublication>, StoreError>> + Send;

    /// One.
    fn publication(
        &self,
        domain: &str,
    ) -> impl Future<Output = Result<Option<KeptPublication>, StoreError>> + Send;

    /// Those due at `now`, the longest due first, at most `limit`.
    fn due(
        &self,
        now: UnixTime,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<KeptPublication>, StoreError>> + Send;

    /// Keeps it and its new or changed versions in one commit, if the kept revision is still `revision - 1` (for the first, none is kept).
    /// `cached_until` and the versions' numbers, bodies and `first_served_at` never go back.
    fn put_publication(
        &self,
        publication: KeptPublication,
        versions: Vec<KeptVersion>,
    ) -> impl Future<Output = Result<Put, StoreError>> + Send;

    /// Removes it, if its revision is still this. Its versions stay, so that a domain that comes back goes on from them.
    fn remove_publication(
        &self,
        domain: &str,
        revision: u64,
    ) -> impl Future<Output = Result<Put, StoreError>> + Send;

    /// A domain's versions, newest first, of numbers below `before`, at most `limit`.
    fn versions(
        &self,
        domain: &str,
        before: Option<u32>,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<KeptVersion>, StoreError>> + Send;

    /// Every group: name, revision, and what the engine keeps of it.
    fn groups(&self) -> impl Future<Output = Result<Vec<KeptGroup>, StoreError>> + Send;

    /// Keeps a group, if the kept revision is still `revision - 1`.
    fn put_group(&self, group: KeptGroup) -> impl Future<Output = Result<Put, StoreError>> + Send;
}

/// Domains that share one definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptGroup {
    /// Its name.
    pub name: String,
    /// One more with each change.
    pub revision: u64,
    /// JSON with a version of its own.
    pub state: Bytes,
}

/// A file beside the database that is only appended to, so that a restored backup of the database can be told
/// ([`crate::publish::ledger`]).
pub trait Ledger: Send + Sync + 'static {
    /// Appends lines, each with its line end; `Ok` means synced. A torn line at the end of what is there is ended first.
    fn append(&self, lines: Vec<String>) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// All of it, from the first line; empty where there is no file yet.
    fn read(&self) -> impl Future<Output = Result<Box<dyn std::io::BufRead + Send>, StoreError>> + Send;
}
