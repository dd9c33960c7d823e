//! What a domain publishes, as seen from outside and read: for adoption, for what is shown, for drift.
//!
//! Looking is not done here: [`crate::check::gather`] does, and keeps it as [`Observations`]. Four outcomes are never
//! confused: there, certainly not there, there and of no use to a sender, and could not be told.

use std::net::IpAddr;

use bytes::Bytes;
use mta_sts::policy::{Deviation, Policy};
use mta_sts::record::PolicyId;
use mta_sts::response::{self, Response};
use mta_sts::rrset::{self, NoRecord};
use smtp_dane::pkix::{self, TrustRoots};
use tls_rpt::record::{self as reporting, NotImplemented};

use crate::check::observations::is_without_route;
use crate::check::text::{list, tame, tame_bytes, tls_failure};
use crate::check::{Fetch, Observations};
use crate::facts::UnixTime;
use crate::ports::{ConnectFailure, DnsReply, HttpAnswer, HttpsFailure, TlsFailure};

/// What a domain publishes.
#[derive(Debug, Clone)]
pub struct Outside {
    /// What announces the policy.
    pub record: LiveRecord,
    /// The policy itself.
    pub policy: LivePolicy,
    /// What asks for reports.
    pub reporting: LiveReporting,
    /// Who takes its mail.
    pub mx: LiveMx,
}

/// The record at `_mta-sts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiveRecord {
    /// One that senders act on.
    Usable {
        /// Its id.
        id: PolicyId,
        /// As it stands.
        text: String,
        /// Whether it follows the grammar, and holds nothing but an id.
        is_plain: bool,
        /// For how long resolvers remember it, in seconds.
        ttl: u32,
    },
    /// None.
    Absent,
    /// There is something, and senders cannot act on it.
    Unusable(String),
    /// It could not be told.
    Unknown(String),
}

/// The policy that the domain's policy host serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LivePolicy {
    /// The same from every address.
    Served(Box<ServedPolicy>),
    /// Its addresses serve different ones.
    Differs(String),
    /// Certainly none that a sender could get.
    Absent(String),
    /// Something is served, and no sender can use it.
    Unusable(String),
    /// It could not be told.
    Unknown(String),
}

/// A policy as served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedPolicy {
    /// As senders read it.
    pub policy: Policy,
    /// To the byte, from the first address.
    pub body: Bytes,
    /// What its grammar does not allow, or other senders refuse.
    pub deviations: Vec<Deviation>,
}

/// The record at `_smtp._tls`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiveReporting {
    /// One that senders act on.
    Usable {
        /// Where reports go, as written.
        rua: Vec<String>,
        /// Destinations that no report can go to, as written.
        lost: Vec<String>,
    },
    /// None.
    Absent,
    /// Senders send no reports, for all that is there.
    Unusable {
        /// Why.
        why: String,
        /// What the records name, nevertheless.
        rua: Vec<String>,
    },
    /// It could not be told.
    Unknown(String),
}

/// The MX records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiveMx {
    /// These hosts, by preference and name.
    Hosts {
        /// Preference and name.
        hosts: Vec<(u16, String)>,
        /// For how long resolvers remember them, in seconds.
        ttl: u32,
    },
    /// None: the domain itself takes its mail, if it has an address (RFC 5321 §5.1).
    Absent,
    /// The domain takes no mail (RFC 7505).
    Null,
    /// It could not be told.
    Unknown(String),
}

impl LiveMx {
    /// The hosts among which senders choose, `domain` itself where there are no records; `None` if that could not be told.
    #[must_use]
    pub fn hosts(&self, domain: &str) -> Option<Vec<String>> {
        match self {
            Self::Hosts { hosts, .. } => Some(hosts.iter().map(|(_, host)| host.clone()).collect()),
            Self::Absent => Some(vec![domain.to_owned()]),
            Self::Null => Some(Vec::new()),
            Self::Unknown(_) => None,
        }
    }
}

/// Reads what was seen, at `now`, as a sender with these trusted roots does.
#[must_use]
pub fn read(seen: &Observations, roots: &TrustRoots, now: UnixTime) -> Outside {
    Outside {
        record: read_record(&seen.sts),
        policy: read_policy(seen, roots, now),
        reporting: read_reporting(&seen.tlsrpt),
        mx: read_mx(&seen.mx),
    }
}

fn read_record(reply: &DnsReply) -> LiveRecord {
    let ttl = match reply {
        DnsReply::Found(answer) => answer.ttl,
        DnsReply::Absent(_) => return LiveRecord::Absent,
        DnsReply::Failed(failure) => return LiveRecord::Unknown(tame(&failure.to_string()).into_owned()),
    };
    let texts = reply.texts();
    let choice = rrset::choose(&texts);
    match choice.usable() {
        Ok(record) => LiveRecord::Usable {
            id: record.id().clone(),
            text: own_text(&texts),
            is_plain: choice.candidate().is_some_and(|parsed| parsed.deviations().is_empty())
                && record.extensions().is_empty(),
            ttl,
        },
        Err(NoRecord::Absent) => LiveRecord::Absent,
        Err(why) => LiveRecord::Unusable(why.to_string()),
    }
}

/// The text of the record that counts, where one does.
fn own_text(texts: &[Vec<u8>]) -> String {
    let ours = |text: &&Vec<u8>| texts.len() == 1 || text.starts_with(b"v=STSv1;");
    texts.iter().find(ours).map(|text| tame_bytes(text)).unwrap_or_default()
}

fn read_reporting(reply: &DnsReply) -> LiveReporting {
    if let DnsReply::Failed(failure) = reply {
        return LiveReporting::Unknown(tame(&failure.to_string()).into_owned());
    }
    let texts = reply.texts();
    let named = |record: &reporting::Record, usable: bool| -> Vec<String> {
        let ruas = record.ruas().iter().filter(|rua| rua.is_usable() == usable);
        ruas.map(|rua| rua.uri().to_owned()).collect()
    };
    match reporting::discover(&texts) {
        Ok(reading) => match reading.usable {
            Ok(parsed) => {
                LiveReporting::Usable { rua: named(&parsed.record, true), lost: named(&parsed.record, false) }
            }
            // `discover` gives only usable ones.
            Err(why) => LiveReporting::Unusable { why: why.to_string(), rua: Vec::new() },
        },
        Err(NotImplemented::NoRecord) => LiveReporting::Absent,
        Err(why) => {
            let each = texts.iter().filter_map(|text| reporting::parse(text).usable.ok());
            let mut rua: Vec<String> = Vec::new();
            for uri in each.flat_map(|parsed| named(&parsed.record, true)) {
                if !rua.contains(&uri) {
                    rua.push(uri);
                }
            }
            LiveReporting::Unusable { why: why.to_string(), rua }
        }
    }
}

fn read_mx(reply: &DnsReply) -> LiveMx {
    match reply {
        DnsReply::Failed(failure) => LiveMx::Unknown(tame(&failure.to_string()).into_owned()),
        DnsReply::Absent(_) => LiveMx::Absent,
        DnsReply::Found(answer) => {
            let mut hosts: Vec<(u16, String)> = reply
                .mx()
                .into_iter()
                .filter(|(_, host)| !host.is_empty())
                .map(|(preference, host)| (preference, tame(&host.to_ascii_lowercase()).into_owned()))
                .collect();
            hosts.sort_unstable();
            hosts.dedup();
            if hosts.is_empty() { LiveMx::Null } else { LiveMx::Hosts { hosts, ttl: answer.ttl } }
        }
    }
}

/// What became of one address.
enum One {
    Policy(ServedPolicy),
    Absent(String),
    Unusable(String),
    Unknown(String),
}

fn read_policy(seen: &Observations, roots: &TrustRoots, now: UnixTime) -> LivePolicy {
    let host = seen.domain.policy_host();
    if seen.policy_host.is_absent() {
        return LivePolicy::Absent(format!("{host} has no address"));
    }
    if let Some(failure) = seen.policy_host.failure() {
        // Behind the other family another policy may stand.
        return LivePolicy::Unknown(format!("the addresses of {host}: {}", tame(&failure.to_string())));
    }
    let lacks_ipv6 = seen.lacks_ipv6();
    let asked = seen.fetches.iter().filter(|fetch| !(lacks_ipv6 && fetch.address.is_ipv6()));
    let asked: Vec<(IpAddr, One)> =
        asked.map(|fetch| (fetch.address, one(fetch, &host, roots, now))).collect();
    // Trouble of one address is no policy of its own: a sender tries the next (RFC 8305). But what could not be told
    // may be another policy.
    let mut served: Vec<(IpAddr, &ServedPolicy)> = Vec::new();
    let (mut absent, mut unusable, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    for (address, one) in &asked {
        match one {
            One::Policy(policy) => served.push((*address, policy)),
            One::Absent(why) => absent.push(format!("{address}: {why}")),
            One::Unusable(why) => unusable.push(format!("{address}: {why}")),
            One::Unknown(why) => unknown.push(format!("{address}: {why}")),
        }
    }
    let Some((first, policy)) = served.first() else {
        return match (unknown.is_empty(), unusable.is_empty(), absent.is_empty()) {
            (false, ..) => LivePolicy::Unknown(list(unknown)),
            (_, false, _) => LivePolicy::Unusable(list(unusable)),
            (_, _, false) => LivePolicy::Absent(list(absent)),
            _ => LivePolicy::Unknown(format!("no address of {host} could be asked")),
        };
    };
    let other = served.iter().find(|(_, other)| !means_the_same(&other.policy, &policy.policy));
    match other {
        Some((address, _)) => LivePolicy::Differs(format!("{first} and {address} serve different policies")),
        None if !unknown.is_empty() => LivePolicy::Unknown(list(unknown)),
        None => LivePolicy::Served(Box::new((*policy).clone())),
    }
}

/// Whether senders would do the same by both, for as long.
pub(super) fn means_the_same(one: &Policy, other: &Policy) -> bool {
    let patterns = |policy: &Policy| {
        let mut patterns = policy.mx().to_vec();
        patterns.sort_unstable();
        patterns.dedup();
        patterns
    };
    one.mode() == other.mode() && one.max_age() == other.max_age() && patterns(one) == patterns(other)
}

fn one(fetch: &Fetch, host: &str, roots: &TrustRoots, now: UnixTime) -> One {
    let Some(exchange) = &fetch.exchange else {
        return One::Unknown("there was no time left to ask".to_owned());
    };
    if let Some(session) = &exchange.tls
        && !pkix::judge(&session.chain, roots, host, now).is_trusted()
    {
        // RFC 8461 §3.3: over such a certificate no sender asks for anything.
        return One::Unusable(format!("the certificate is not valid for {host}"));
    }
    match &exchange.outcome {
        Ok(answer) => judge_answer(answer),
        Err(failure) => judge_failure(failure),
    }
}

fn judge_answer(answer: &HttpAnswer) -> One {
    // RFC 8461 §3.3: exactly 200. A server that says that there is nothing is believed, others may come round.
    match answer.status {
        200 => {}
        404 | 410 => return One::Absent(format!("status {}", answer.status)),
        status => return One::Unusable(format!("status {status} instead of 200")),
    }
    let encoding = answer.content_encoding.as_deref().map(<[u8]>::trim_ascii).unwrap_or_default();
    if !encoding.is_empty() && !encoding.eq_ignore_ascii_case(b"identity") {
        return One::Unusable(format!("the answer is compressed: {}", tame_bytes(encoding)));
    }
    let parsed = response::judge(&Response {
        status: answer.status,
        content_type: answer.content_type.as_deref(),
        body: &answer.body,
    });
    let deviations = parsed.deviations().to_vec();
    match parsed.into_usable() {
        Ok(policy) => One::Policy(ServedPolicy { policy, body: answer.body.clone(), deviations }),
        Err(why) => One::Unusable(why.to_string()),
    }
}

fn judge_failure(failure: &HttpsFailure) -> One {
    let text = match failure {
        HttpsFailure::Tls(failure) => tls_failure(failure),
        other => tame(&other.to_string()).into_owned(),
    };
    match failure {
        HttpsFailure::Connect(ConnectFailure::Refused) => One::Absent(text),
        HttpsFailure::Connect(failure) if is_without_route(failure) => {
            One::Unknown(format!("{text}: this machine has no way there"))
        }
        HttpsFailure::Connect(ConnectFailure::Guarded(_) | ConnectFailure::Name(_)) => One::Unusable(text),
        HttpsFailure::Connect(_) | HttpsFailure::TimedOut | HttpsFailure::Tls(TlsFailure::TimedOut) => {
            One::Unknown(text)
        }
        HttpsFailure::Tls(_)
        | HttpsFailure::NotAdmitted
        | HttpsFailure::TooLarge { .. }
        | HttpsFailure::Protocol(_) => One::Unusable(text),
    }
}
