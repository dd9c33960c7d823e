//! The mail server (MTA) that is served: what it is told to do, and what it says it saw. As everywhere in the ports,
//! wire data and no verdicts: a [`SessionEvent`] is the MTA's word, not yet a count.

use std::net::IpAddr;

use mta_sts::mx::MxPattern;
use tls_rpt::{PolicyType, ResultType, Text};

use crate::facts::UnixTime;

/// What the MTA must do for one next hop. How that is spelled is the adapter's business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MtaPolicy {
    /// Nothing is known of the next hop: the MTA's own default holds.
    NotFound,
    /// It is told what to do.
    Apply(PolicyReply),
    /// It could not be told in time: the MTA keeps the mail and asks again. The text is for its log.
    TryLater(String),
}

/// A level with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyReply {
    /// What kind of TLS.
    pub level: Level,
    /// Whether the MX host's name is sent in SNI (RFC 8461 §7.1: it must be under MTA-STS).
    pub send_server_name: bool,
    /// What a report needs to know of the policy. Dialects that have no words for it leave it out.
    pub sts: Option<StsAttributes>,
}

/// Postfix's levels, as far as they are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Level {
    /// No TLS.
    None,
    /// TLS where it is offered, no certificate looked at.
    May,
    /// TLS always, no certificate looked at.
    Encrypt,
    /// DANE where TLSA records are usable, else `Encrypt` or `May`.
    Dane,
    /// DANE always: hosts without usable TLSA records get no mail.
    DaneOnly,
    /// A certificate that chains to a trusted root and holds a name that one of these patterns covers. Without any,
    /// the name must be the next hop's own or one below it.
    Secure(Vec<MxPattern>),
}

/// The policy as a TLS report quotes it (RFC 8460 §4.4).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StsAttributes {
    /// The policy domain.
    pub policy_domain: String,
    /// The policy's lines as served, without their ends.
    pub policy_strings: Vec<String>,
    /// Its patterns. Postfix ≥ 3.10.5 also holds the MX host's name against them.
    pub mx_patterns: Vec<MxPattern>,
    /// Makes the MTA refuse the session and report this. Only for a policy that must be enforced and cannot be.
    pub failure: Option<PolicyFailure>,
}

/// Why a policy cannot be satisfied, in words that the MTA knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyFailure {
    /// `sts-policy-fetch-error`.
    Fetch,
    /// `sts-policy-invalid`.
    Invalid,
    /// `sts-webpki-invalid`.
    WebPki,
    /// `validation-failure`.
    Validation,
}

impl PolicyFailure {
    /// The result type that a report shows.
    #[must_use]
    pub fn result_type(self) -> ResultType {
        match self {
            Self::Fetch => ResultType::StsPolicyFetchError,
            Self::Invalid => ResultType::StsPolicyInvalid,
            Self::WebPki => ResultType::StsWebpkiInvalid,
            Self::Validation => ResultType::ValidationFailure,
        }
    }
}

/// One delivery attempt as an MTA told of it. All texts are a stranger's, bounded in length and without control
/// characters; domains and hosts are lower-case A-labels where they can be names at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionEvent {
    /// When it was, if the MTA says; else when it came in.
    pub at: Option<UnixTime>,
    /// The recipient's domain (or the smart host's), whose TLSRPT record asks for the report.
    pub domain: Text,
    /// The TLSRPT record as the MTA found it; `None`: to be looked up.
    pub tlsrpt_record: Option<Text>,
    /// The policies that were applied; at least one.
    pub policies: Vec<SessionPolicy>,
    /// How many like sessions this stands for.
    pub count: u64,
    /// The other side, as far as it is known. Postfix names it only in failures.
    pub peer: SessionPeer,
}

/// The other side of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionPeer {
    /// The MX host's name.
    pub mx_host: Option<Text>,
    /// Its address.
    pub address: Option<IpAddr>,
    /// SHA-256 of its certificate in DER.
    pub fingerprint: Option<[u8; 32]>,
}

/// What came of one policy in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionPolicy {
    /// Which kind.
    pub policy_type: PolicyType,
    /// The policy domain; `None`: the event's.
    pub domain: Option<Text>,
    /// The policy's lines, or TLSA records.
    pub strings: Vec<Text>,
    /// Its MX patterns.
    pub mx_hosts: Vec<Text>,
    /// Whether the session failed in the end. At levels that look at no certificate, `false` says nothing of it.
    pub failed: bool,
    /// What went wrong.
    pub failures: Vec<SessionFailure>,
}

/// One thing that went wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionFailure {
    /// What.
    pub result_type: ResultType,
    /// Our server's address.
    pub sending_mta_ip: Option<IpAddr>,
    /// The MX host's name.
    pub mx_host: Option<Text>,
    /// Its name in the answer to EHLO, and no more of that answer.
    pub helo: Option<Text>,
    /// Its address.
    pub receiving_ip: Option<IpAddr>,
    /// More about it.
    pub additional_information: Option<Text>,
    /// The reason code.
    pub reason_code: Option<Text>,
}

/// What Postfix's log says and its datagrams do not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MtaLogEvent {
    /// A session that a datagram tells of as well: which host and certificate it was.
    Session(LoggedSession),
    /// An MX host was passed over because the policy does not name it (RFC 8461 §4.1); no datagram tells of that.
    MxNotInPolicy {
        /// The host.
        mx_host: Text,
        /// The policy domain.
        domain: Text,
    },
}

/// A TLS session in Postfix's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedSession {
    /// When, if the log says so with a year and a zone.
    pub at: Option<UnixTime>,
    /// The domain whose TLSRPT record asks for the report.
    pub domain: Text,
    /// Host, address and certificate.
    pub peer: SessionPeer,
    /// How far Postfix trusts the certificate; `None` if there was no TLS session, or the log does not say.
    pub trust: Option<LoggedTrust>,
    /// Whether it was reported as a failure.
    pub failed: bool,
    /// The failure in Postfix's words.
    pub failure_type: Option<Text>,
}

/// Postfix's word for a TLS session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoggedTrust {
    /// There was no certificate.
    Anonymous,
    /// Its chain leads to no trusted root.
    Untrusted,
    /// Its chain leads to a trusted root. This says nothing of the name in it.
    Trusted,
    /// It satisfies the policy that was in force, name and all.
    Verified,
}
