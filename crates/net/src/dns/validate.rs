//! Validation in process: hickory's validator over our own exchange.
//!
//! The chain of aliases is gone link by link, and each link is validated as a question of its own: the validator
//! judges the proof of absence against the name that was asked for, and the proof at a chain's end is about
//! another. A link synthesised from a DNAME has no signature; its DNAME has, and is validated in its place
//! (RFC 6672 §5.3.1).
//!
//! What does not validate is bogus only if all that was needed came: where a key or a delegation could not be
//! fetched, it is the failure to fetch that is reported.
//! Limits: for an anchor below the root all keys of its zone must be anchors (hickory asks the parent for others).

mod delegation;
mod denial;
mod upstream;

use std::sync::Arc;

use futures_util::StreamExt as _;
use hickory_proto::dnssec::Proof;
use hickory_proto::dnssec::rdata::DNSSECRData;
use hickory_proto::op::{DnsRequestOptions, Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::net::dnssec::DnssecDnsHandle;
use hickory_resolver::net::{DnsError, DnsHandle as _, NetError};
use tlsward_engine::ports::{Absence, Answer, DnsFailure, DnsReply, RecordKind, Security};
use tokio::time::{Duration, Instant, timeout_at};

use self::upstream::{Upstream, WORK, Work};
use super::chain::{Chain, Step, record_type};
use super::config::TrustAnchor;
use super::exchange::{Exchange, Trouble};
use super::name;
use super::wire::printable;
use crate::limits::dns as limits;

/// Validates, down from its anchors.
pub(super) struct Validator {
    upstream: Upstream,
    handle: DnssecDnsHandle<Upstream>,
}

/// A validated answer to one question: records, one alias, or the proof that there is neither.
#[derive(Debug)]
pub(super) struct Link {
    /// What may be read. No record is in it that was not validated, or proved to need none.
    pub(super) message: Message,
    /// Whether it is signed.
    pub(super) secure: bool,
}

impl Validator {
    pub(super) fn new(exchange: Arc<Exchange>, anchor: &TrustAnchor) -> Self {
        let upstream = Upstream::new(exchange, Arc::clone(&anchor.anchors));
        let longest = Duration::from_secs(u64::from(limits::CACHED_SECONDS));
        let handle = DnssecDnsHandle::with_trust_anchor(upstream.clone(), Arc::clone(&anchor.anchors))
            .validation_cache_size(limits::CACHED_ANSWERS)
            .nsec3_iteration_limits(Some(limits::NSEC3_ITERATIONS), None)
            .positive_validation_ttl(Duration::ZERO..=longest);
        Self { upstream, handle }
    }

    /// One question with its alias chain.
    pub(super) async fn look_up(&self, name: &Name, kind: RecordKind, deadline: Instant) -> DnsReply {
        let work = Work::new(deadline);
        let way = WORK.scope(Arc::clone(&work), self.go(name, kind, &work));
        let outcome = timeout_at(deadline, way).await.unwrap_or(Err(DnsFailure::TimedOut));
        if outcome.is_err() {
            self.upstream.forget(&work);
        }
        outcome.unwrap_or_else(DnsReply::Failed)
    }

    /// One question, without going further along an alias.
    pub(super) async fn link(
        &self,
        name: &Name,
        kind: RecordType,
        deadline: Instant,
    ) -> Result<Link, DnsFailure> {
        let work = Work::new(deadline);
        let way = WORK.scope(Arc::clone(&work), self.validate(name, kind, &work));
        let outcome = timeout_at(deadline, way).await.unwrap_or(Err(DnsFailure::TimedOut));
        if outcome.is_err() {
            self.upstream.forget(&work);
        }
        outcome
    }

    /// Whether signatures come with an answer at all.
    pub(super) async fn sees_signatures(&self, name: &Name, kind: RecordType, deadline: Instant) -> bool {
        match self.upstream.fetch(name, kind, deadline).await {
            Ok(message) => message.all_sections().any(|record| record.record_type() == RecordType::RRSIG),
            Err(_) => false,
        }
    }

    async fn go(&self, name: &Name, kind: RecordKind, work: &Work) -> Result<DnsReply, DnsFailure> {
        let mut chain = Chain::new(name.clone());
        let mut secure = true;
        let mut first_secure = None;
        loop {
            let link = self.validate(chain.current(), record_type(kind), work).await?;
            secure &= link.secure;
            let first_secure = *first_secure.get_or_insert(link.secure);
            match chain.follow(&link.message, kind)? {
                Step::Further => {}
                Step::Absent { name_exists, ttl } => {
                    let (aliases, security) = (chain.aliases(), status(secure));
                    return Ok(DnsReply::Absent(Absence { aliases, name_exists, security, ttl }));
                }
                Step::Found { records, ttl } => {
                    let (aliases, security, first_security) =
                        (chain.aliases(), status(secure), status(first_secure));
                    return Ok(DnsReply::Found(Answer { aliases, security, first_security, ttl, records }));
                }
            }
        }
    }

    async fn validate(&self, name: &Name, kind: RecordType, work: &Work) -> Result<Link, DnsFailure> {
        let message = self.upstream.fetch_counted(name, kind, work).await?;
        if let Some(owner) = upstream::synthesised_from(&message, name) {
            return self.validate_dname(name, &owner, work).await;
        }
        work.preset(name, kind, message);
        self.judge(name, kind, work).await
    }

    /// The link that a DNAME makes of a name below its owner.
    async fn validate_dname(&self, name: &Name, owner: &Name, work: &Work) -> Result<Link, DnsFailure> {
        let mut link = self.judge(owner, RecordType::DNAME, work).await?;
        let dname = link.message.answers.iter().find(|record| record.record_type() == RecordType::DNAME);
        let target = dname.and_then(|record| Some((upstream::dname_target(&record.data)?, record.ttl)));
        let Some((target, ttl)) = target else {
            return Err(DnsFailure::Malformed(format!("no DNAME at {}", name::write(owner))));
        };
        let target = upstream::substitute(name, owner, &target).ok_or_else(|| {
            DnsFailure::Malformed(format!(
                "the DNAME at {} makes a name that is too long",
                name::write(owner)
            ))
        })?;
        let alias = RData::CNAME(hickory_proto::rr::rdata::CNAME(target));
        link.message.answers = vec![Record::from_rdata(name.clone(), ttl, alias)];
        Ok(link)
    }

    /// Puts a question through hickory's validator, and reads its verdict.
    async fn judge(&self, name: &Name, kind: RecordType, work: &Work) -> Result<Link, DnsFailure> {
        let mut options = DnsRequestOptions::default();
        options.use_edns = true;
        let mut answers = self.handle.lookup(Query::query(name.clone(), kind), options);
        let verdict = answers.next().await;
        let bogus = |what: &str| match work.trouble() {
            Some(trouble) => DnsFailure::from(trouble),
            None => DnsFailure::Bogus(format!("{what} of {} ({kind})", shown(name))),
        };
        match verdict {
            Some(Ok(response)) => {
                let mut message = response.into_message();
                message.answers.retain(|record| record.name == *name && belongs(record, kind));
                if message.answers.is_empty() {
                    return absence(message, name, kind).map_err(bogus);
                }
                // One RRset, so one proof.
                match message.answers.iter().map(|record| record.proof).min() {
                    Some(Proof::Secure) => Ok(Link { secure: !denial::rests_on_opt_out(&message), message }),
                    Some(Proof::Insecure) => Ok(Link { message, secure: false }),
                    _ => Err(bogus("the signature")),
                }
            }
            // NSEC3 with more iterations than a validator need count proves nothing: insecure (RFC 9276 §3.2).
            Some(Err(NetError::Dns(DnsError::Nsec { response, proof: Proof::Insecure, .. }))) => {
                let mut message = (*response).into_message();
                message.answers.retain(|record| record.name == *name && belongs(record, kind));
                if message.answers.iter().any(|record| record.proof < Proof::Insecure) {
                    return Err(bogus("the signature"));
                }
                Ok(Link { message, secure: false })
            }
            Some(Err(NetError::Dns(DnsError::Nsec { response, .. }))) => {
                let mut message = (*response).into_message();
                if !denial::proves_expansion(&message, name) {
                    return Err(bogus("the proof of absence"));
                }
                message.answers.retain(|record| record.name == *name && belongs(record, kind));
                Ok(Link { message, secure: true })
            }
            Some(Err(error)) => Err(match work.trouble() {
                Some(trouble) => trouble.into(),
                None => DnsFailure::Malformed(printable(error.to_string().as_bytes())),
            }),
            None => Err(work.trouble().unwrap_or(Trouble::Silent).into()),
        }
    }
}

fn belongs(record: &Record, kind: RecordType) -> bool {
    record.record_type() == kind || record.record_type() == RecordType::CNAME
}

/// An absence that was let pass: proved by a secure NSEC or NSEC3, or in a zone that is proved to be unsigned.
/// The validator lets an answer pass whose whole authority section is insecure, whatever zone that is of; so the
/// zone must be one that the name is in. [`upstream::trim`] leaves no other, and here it is looked at again.
fn absence(message: Message, name: &Name, kind: RecordType) -> Result<Link, &'static str> {
    let is_proof = |record: &&Record| {
        matches!(&record.data, RData::DNSSEC(DNSSECRData::NSEC(_) | DNSSECRData::NSEC3(_)))
    };
    if message.authorities.iter().filter(is_proof).any(|record| record.proof == Proof::Secure) {
        if !denial::holds(&message, name, kind) {
            return Err("the proof of absence");
        }
        return Ok(Link { secure: !denial::rests_on_opt_out(&message), message });
    }
    let vouches = |record: &Record| match record.record_type() {
        RecordType::RRSIG => true,
        RecordType::SOA => record.proof == Proof::Insecure && record.name.zone_of(name),
        _ => record.proof == Proof::Insecure,
    };
    let is_negative =
        matches!(message.metadata.response_code, ResponseCode::NoError | ResponseCode::NXDomain);
    if is_negative && message.authorities.iter().all(vouches) {
        return Ok(Link { message, secure: false });
    }
    Err("the proof of absence")
}

fn status(secure: bool) -> Security {
    if secure { Security::Secure } else { Security::Insecure }
}

fn shown(name: &Name) -> String {
    if name.is_root() { ".".to_owned() } else { name::write(name) }
}
