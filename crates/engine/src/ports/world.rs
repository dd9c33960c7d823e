//! The world as a client meets it: DNS, HTTPS, SMTP. What crosses these traits is wire data (records with their
//! DNSSEC status, status codes and bytes, certificate chains), never a verdict: judging is the engine's, so that
//! no adapter and no simulated world can judge itself.
//!
//! Names go in and come out as lower-case A-labels without a dot at the end. Addresses are looked up through
//! [`Dns`] and handed to [`Https`] and [`Smtp`], which connect to those and no others: what was looked at is
//! what is spoken to.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use bytes::Bytes;

/// All of it.
pub trait World: Dns + Https + Smtp + Timer {}

impl<T: Dns + Https + Smtp + Timer> World for T {}

/// Waits. Only through this port does the engine let time pass.
pub trait Timer: Send + Sync {
    /// Completes when `duration` has passed.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send;
}

/// Asks DNS.
pub trait Dns: Send + Sync {
    /// One question, CNAME chains followed, bounded in time by the adapter (design: 10 s in all).
    fn look_up(&self, name: &str, kind: RecordKind) -> impl Future<Output = DnsReply> + Send;

    /// What the `security` of its answers rests on.
    fn dnssec(&self) -> Dnssec;
}

/// What DNSSEC statuses rest on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dnssec {
    /// The AD bit of a validating resolver on this machine, which was seen to set it.
    TrustedResolver,
    /// Validated here, down from a trust anchor.
    Validated,
    /// Not asked for.
    Off,
    /// Asked for, and the resolver strips or does not validate: every answer counts as not validated, and DANE
    /// is out of use. The text says what was seen, for an administrator.
    Unusable(String),
}

impl Dnssec {
    /// Whether a `Secure` can occur at all.
    #[must_use]
    pub fn is_working(&self) -> bool {
        matches!(self, Self::TrustedResolver | Self::Validated)
    }
}

/// Record types that are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordKind {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Mail exchangers.
    Mx,
    /// Name servers.
    Ns,
    /// Texts.
    Txt,
    /// TLS associations (RFC 6698).
    Tlsa,
    /// Who may issue certificates (RFC 8659).
    Caa,
}

impl RecordKind {
    /// As written in zone files.
    #[must_use]
    pub fn as_wire(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Mx => "MX",
            Self::Ns => "NS",
            Self::Txt => "TXT",
            Self::Tlsa => "TLSA",
            Self::Caa => "CAA",
        }
    }
}

/// A record's data.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecordData {
    /// An IPv4 address.
    A(Ipv4Addr),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// A mail exchanger. The null MX (RFC 7505) has an empty exchange.
    Mx {
        /// Lower is tried first.
        preference: u16,
        /// Its name.
        exchange: String,
    },
    /// A name server.
    Ns(String),
    /// The character strings of a TXT record, as they stand in the packet.
    Txt(Vec<Vec<u8>>),
    /// A TLSA record.
    Tlsa {
        /// Certificate usage.
        usage: u8,
        /// Selector.
        selector: u8,
        /// Matching type.
        matching: u8,
        /// Certificate association data.
        data: Vec<u8>,
    },
    /// Who may issue certificates (RFC 8659 §4.1).
    Caa {
        /// 128 is critical; the others are to be ignored.
        flags: u8,
        /// `issue`, `issuewild`, `iodef` or another, as it stands in the packet.
        tag: String,
        /// Its value.
        value: Vec<u8>,
    },
}

/// DNSSEC status of an answer: of every link of its CNAME chain and of the last RRset, or of the proof that
/// nothing is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Security {
    /// Validated.
    Secure,
    /// Proved to be unsigned, or not validated at all: [`Dns::dnssec`] says which can be meant.
    Insecure,
}

/// What came of a question. The three are never confused: nothing there, trouble, forged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DnsReply {
    /// Records are there.
    Found(Answer),
    /// It is certain (as far as `security` goes) that none are.
    Absent(Absence),
    /// It could not be told.
    Failed(DnsFailure),
}

/// Records, and what is known of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The names behind the asked one, in order, if it is an alias; the last one owns the records.
    pub aliases: Vec<String>,
    /// Of the whole chain.
    pub security: Security,
    /// Of the asked name alone: whether the first link (or, without aliases, the RRset) is secure. A secure
    /// CNAME into an unsigned zone is `Secure` here and `Insecure` in `security` (RFC 7672 §2.2.2).
    pub first_security: Security,
    /// The smallest of the chain, in seconds.
    pub ttl: u32,
    /// In the order of the packet; at least one.
    pub records: Vec<RecordData>,
}

/// That there are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absence {
    /// See [`Answer::aliases`].
    pub aliases: Vec<String>,
    /// Whether the name itself exists, with other records: NODATA and not NXDOMAIN.
    pub name_exists: bool,
    /// Of the whole chain and the proof.
    pub security: Security,
    /// For how long that may be remembered, in seconds (RFC 2308 §5).
    pub ttl: u32,
}

/// Why it could not be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DnsFailure {
    /// Nobody answered in time, or nobody could be asked.
    #[error("no answer from DNS in time")]
    TimedOut,
    /// The servers answered that they cannot say (SERVFAIL, REFUSED, NOTIMP …).
    #[error("DNS answered {0}")]
    Server(String),
    /// The answer does not validate: forged, or signed wrongly. An outage looks different.
    #[error("the DNSSEC signature does not validate: {0}")]
    Bogus(String),
    /// The answer could not be read, or its alias chain is too long or goes round.
    #[error("the DNS answer is unusable: {0}")]
    Malformed(String),
    /// The name cannot be asked for.
    #[error("{0} is not a name that DNS could hold")]
    Name(String),
}

impl DnsReply {
    /// The records, or none.
    #[must_use]
    pub fn records(&self) -> &[RecordData] {
        match self {
            Self::Found(answer) => &answer.records,
            Self::Absent(_) | Self::Failed(_) => &[],
        }
    }

    /// The addresses among the records, in order.
    #[must_use]
    pub fn addresses(&self) -> Vec<IpAddr> {
        let address = |record: &RecordData| match record {
            RecordData::A(address) => Some(IpAddr::V4(*address)),
            RecordData::Aaaa(address) => Some(IpAddr::V6(*address)),
            _ => None,
        };
        self.records().iter().filter_map(address).collect()
    }

    /// The TXT records, each with its strings joined without spaces (RFC 8461 §3.1, RFC 8460 §3).
    #[must_use]
    pub fn texts(&self) -> Vec<Vec<u8>> {
        let text = |record: &RecordData| match record {
            RecordData::Txt(strings) => Some(strings.concat()),
            _ => None,
        };
        self.records().iter().filter_map(text).collect()
    }

    /// The MX records, in the order of the packet.
    #[must_use]
    pub fn mx(&self) -> Vec<(u16, &str)> {
        let mut list = Vec::new();
        for record in self.records() {
            if let RecordData::Mx { preference, exchange } = record {
                list.push((*preference, exchange.as_str()));
            }
        }
        list
    }

    /// The DNSSEC status; `None` if it could not be told.
    #[must_use]
    pub fn security(&self) -> Option<Security> {
        match self {
            Self::Found(answer) => Some(answer.security),
            Self::Absent(absence) => Some(absence.security),
            Self::Failed(_) => None,
        }
    }

    /// The failure, if there was one.
    #[must_use]
    pub fn failure(&self) -> Option<&DnsFailure> {
        match self {
            Self::Failed(failure) => Some(failure),
            Self::Found(_) | Self::Absent(_) => None,
        }
    }
}

/// A TLS session as it was set up. No verdict on the certificates is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSession {
    /// Protocol version as on the wire: 0x0303 is TLS 1.2, 0x0304 TLS 1.3.
    pub version: u16,
    /// Cipher suite by its IANA name.
    pub suite: String,
    /// The chain as presented, leaf first, each in DER. Never empty.
    pub chain: Vec<Bytes>,
}

/// Why no TLS session came to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsFailure {
    /// The other side sent an alert.
    #[error("the server ended the handshake with the alert {0}")]
    Alert(String),
    /// Nothing in common with what we can speak. `offered` is what the server chose when it was offered what old
    /// senders offer too: some sender could, we cannot.
    #[error("no TLS version and cipher in common")]
    NothingInCommon {
        /// Version and cipher suite as on the wire, if the server chose any.
        offered: Option<(u16, u16)>,
    },
    /// What came is not TLS, or breaks its rules.
    #[error("the TLS handshake broke: {0}")]
    Protocol(String),
    /// The connection ended.
    #[error("the connection was closed in the TLS handshake")]
    Closed,
    /// Time ran out.
    #[error("the TLS handshake took too long")]
    TimedOut,
}

/// Why there was no connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectFailure {
    /// There is no address to connect to.
    #[error("there is no address")]
    NoAddress,
    /// The guard: an address that strangers' names may not lead to.
    #[error("{0} is not a public address")]
    Guarded(IpAddr),
    /// What stands where the name of a host belongs is none: an address in any of its spellings, `localhost`, or no
    /// host name at all. Nothing was connected to.
    #[error("{0} is not the name of a public host")]
    Name(String),
    /// Nobody listens.
    #[error("connection refused")]
    Refused,
    /// No way there.
    #[error("not reachable: {0}")]
    Unreachable(String),
    /// Nobody answered in time.
    #[error("no answer in time")]
    TimedOut,
}

/// Where an HTTPS request goes.
#[derive(Debug, Clone)]
pub struct HttpsTarget<'a> {
    /// For SNI and `Host`.
    pub host: &'a str,
    /// `None`: the port for HTTPS of this installation (443).
    pub port: Option<u16>,
    /// Path and query, beginning with a slash.
    pub path: &'a str,
    /// Addresses of the host, tried with a head start for the first of each family (RFC 8305).
    pub addresses: &'a [IpAddr],
}

/// Asked after the handshake and before a byte of the request: may it be sent?
pub type Admit<'a> = &'a (dyn Fn(&TlsSession) -> bool + Send + Sync);

/// Speaks HTTPS. Follows no redirect, asks for no compression and undoes none, caches nothing.
pub trait Https: Send + Sync {
    /// GET. The body is read only where the status is 200.
    fn get(&self, target: HttpsTarget<'_>, admit: Admit<'_>) -> impl Future<Output = HttpsExchange> + Send;

    /// POST of `body`. Of the answer only the head is read.
    fn post(
        &self,
        target: HttpsTarget<'_>,
        content_type: &str,
        body: Bytes,
        admit: Admit<'_>,
    ) -> impl Future<Output = HttpsExchange> + Send;
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpsExchange {
    /// The address that was spoken to, if a connection came to be.
    pub address: Option<IpAddr>,
    /// The TLS session, if one came to be.
    pub tls: Option<TlsSession>,
    /// The answer.
    pub outcome: Result<HttpAnswer, HttpsFailure>,
}

/// An HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpAnswer {
    /// Status.
    pub status: u16,
    /// `Content-Type`, as it came.
    pub content_type: Option<Vec<u8>>,
    /// `Content-Encoding`, as it came: a body that was compressed unasked cannot be used.
    pub content_encoding: Option<Vec<u8>>,
    /// `Location`, as it came.
    pub location: Option<Vec<u8>>,
    /// The body; empty where it was not read.
    pub body: Bytes,
}

/// Why there was no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpsFailure {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectFailure),
    /// No TLS session.
    #[error(transparent)]
    Tls(#[from] TlsFailure),
    /// The TLS session was not admitted; nothing was sent.
    #[error("the certificate is not acceptable")]
    NotAdmitted,
    /// Time ran out, in all (60 s, RFC 8461 §3.3).
    #[error("the answer took too long")]
    TimedOut,
    /// The body is larger than the limit (64 KiB, RFC 8461 §3.3).
    #[error("the answer is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit.
        limit_bytes: usize,
    },
    /// What came is not HTTP, or ended early.
    #[error("the answer is not HTTP: {0}")]
    Protocol(String),
}

/// Speaks SMTP as far as STARTTLS.
pub trait Smtp: Send + Sync {
    /// Connects to one address of an MX host, says EHLO, asks for STARTTLS, sets up TLS, says EHLO again, QUIT.
    fn probe(&self, target: SmtpTarget<'_>) -> impl Future<Output = SmtpOutcome> + Send;
}

/// Which MX, and how.
#[derive(Debug, Clone)]
pub struct SmtpTarget<'a> {
    /// For SNI.
    pub host: &'a str,
    /// The one address to connect to.
    pub address: IpAddr,
    /// Whether the name is sent (RFC 8461 §7.1 asks for it; a sender without MTA-STS may not).
    pub sni: bool,
}

/// How far it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SmtpOutcome {
    /// No connection.
    NotReached(ConnectFailure),
    /// The server would not talk: its greeting or answer to EHLO was a refusal.
    Refused {
        /// SMTP code.
        code: u16,
        /// Its text, cut to one line.
        text: String,
    },
    /// The connection broke, stayed silent or spoke something else before STARTTLS could be told.
    Broken(String),
    /// EHLO was answered and STARTTLS is not in it.
    NoStartTls,
    /// STARTTLS is offered and was refused.
    StartTlsRefused {
        /// SMTP code.
        code: u16,
        /// Its text, cut to one line.
        text: String,
    },
    /// STARTTLS was begun, and no session came to be.
    TlsFailed(TlsFailure),
    /// A TLS session came to be.
    Tls(TlsSession),
}
