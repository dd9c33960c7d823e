//! What the validator asks: our exchange, with CD=1 and DO=1, within the bounds of one question.
//!
//! The validator gets each message trimmed to what its question is about. That makes it cheaper, and it closes a
//! gap: the validator accepts a denial when the whole authority section is insecure, so records of an unsigned zone
//! elsewhere, put there by an attacker, would deny what a signed zone holds.

use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::stream::{self, Stream};
use hickory_proto::dnssec::rdata::{DNSSECRData, RRSIG};
use hickory_proto::op::{DnsRequest, DnsResponse, Message, ResponseCode};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::{BinDecodable as _, BinDecoder};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, DnsHandle, NetError};
use tlsward_engine::ports::DnsFailure;
use tokio::time::Instant;

use super::super::cache::{Kept, Key};
use super::super::exchange::{Exchange, Trouble};
use super::super::name;
use super::super::wire::{Flags, Query};
use crate::limits::dns as limits;

tokio::task_local! {
    /// The question that is being validated. Hickory's futures are polled within it.
    pub(super) static WORK: Arc<Work>;
}

/// What one question has used up and met, over all that validating it asks.
pub(super) struct Work {
    deadline: Instant,
    questions: AtomicU32,
    /// The first thing that could not be fetched.
    trouble: Mutex<Option<Trouble>>,
    /// A message that is there already when the validator asks for it.
    preset: Mutex<Option<(Name, RecordType, Message)>>,
    /// The keys and delegations that were used, which are forgotten if nothing good comes of them.
    used: Mutex<Vec<Key>>,
}

impl Work {
    pub(super) fn new(deadline: Instant) -> Arc<Self> {
        let (trouble, preset, used) = (Mutex::new(None), Mutex::new(None), Mutex::new(Vec::new()));
        Arc::new(Self { deadline, questions: AtomicU32::new(0), trouble, preset, used })
    }

    pub(super) fn preset(&self, name: &Name, kind: RecordType, message: Message) {
        let preset = (name.clone(), kind, message);
        *self.preset.lock().unwrap_or_else(PoisonError::into_inner) = Some(preset);
    }

    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, trouble: &Trouble) {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| trouble.clone());
    }

    fn uses(&self, key: &Key) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if !used.contains(key) {
            used.push(key.clone());
        }
    }

    fn take_preset(&self, name: &Name, kind: RecordType) -> Option<Message> {
        let mut preset = self.preset.lock().unwrap_or_else(PoisonError::into_inner);
        preset.take_if(|(of, its, _)| of == name && *its == kind).map(|(_, _, message)| message)
    }

    fn count(&self) -> Result<(), Trouble> {
        if self.questions.fetch_add(1, Ordering::Relaxed) >= limits::VALIDATION_QUESTIONS {
            let text = format!("validating it takes more than {} questions", limits::VALIDATION_QUESTIONS);
            return Err(Trouble::Malformed(text));
        }
        Ok(())
    }
}

/// The exchange as hickory's validator sees it.
#[derive(Clone)]
pub(super) struct Upstream {
    exchange: Arc<Exchange>,
    /// Keys and delegations, which every validation asks for again.
    messages: Arc<Mutex<Kept<Arc<Message>>>>,
}

/// CD=1: a validating resolver between shall not hold back what it holds forged. AD=0: its word is not asked for.
const FLAGS: Flags = Flags { authentic_data: false, checking_disabled: true, dnssec_ok: true };

impl Upstream {
    pub(super) fn new(exchange: Arc<Exchange>) -> Self {
        Self { exchange, messages: Arc::new(Mutex::new(Kept::new(limits::CACHED_ANSWERS))) }
    }

    /// A message as it comes.
    pub(super) async fn fetch(
        &self,
        name: &Name,
        kind: RecordType,
        deadline: Instant,
    ) -> Result<Message, Trouble> {
        self.exchange.ask(Query::new(name, kind, FLAGS), deadline).await
    }

    /// A message as it comes, within what the question may use.
    pub(super) async fn fetch_counted(
        &self,
        name: &Name,
        kind: RecordType,
        work: &Work,
    ) -> Result<Message, DnsFailure> {
        work.count()?;
        Ok(self.fetch(name, kind, work.deadline).await?)
    }

    /// A message for the validator.
    async fn answer(&self, name: &Name, kind: RecordType, work: &Work) -> Result<Message, Trouble> {
        if let Some(message) = work.take_preset(name, kind) {
            return Ok(trim(message, name, kind));
        }
        let infrastructure = matches!(kind, RecordType::DNSKEY | RecordType::DS | RecordType::NS);
        let key = (name::write(name), u16::from(kind));
        if infrastructure {
            work.uses(&key);
            let kept = self.lock().get(&key, Instant::now());
            if let Some((message, _)) = kept {
                return Ok((*message).clone());
            }
        }
        work.count()?;
        let message = trim(self.fetch(name, kind, work.deadline).await?, name, kind);
        let bytes = if infrastructure {
            message.to_vec().map_or(usize::MAX, |packet| packet.len())
        } else {
            usize::MAX
        };
        if bytes <= limits::CACHED_ANSWER_BYTES {
            let ttl = message.all_sections().map(|record| record.ttl).min().unwrap_or(0);
            let kept = Arc::new(message.clone());
            self.lock().insert(key, kept, Instant::now(), ttl.min(limits::CACHED_ABSENCE_SECONDS));
        }
        Ok(message)
    }

    /// Forgets what a question used. One forged or broken key would otherwise speak for its zone until its TTL ends.
    pub(super) fn forget(&self, work: &Work) {
        let used = std::mem::take(&mut *work.used.lock().unwrap_or_else(PoisonError::into_inner));
        let mut messages = self.lock();
        for key in &used {
            messages.remove(key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept<Arc<Message>>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DnsHandle for Upstream {
    type Response = Pin<Box<dyn Stream<Item = Result<DnsResponse, NetError>> + Send>>;
    type Runtime = TokioRuntimeProvider;

    fn send(&self, request: DnsRequest) -> Self::Response {
        let upstream = self.clone();
        Box::pin(stream::once(async move {
            let question =
                request.queries.first().ok_or(NetError::Message("a request without a question"))?;
            let work =
                WORK.try_with(Arc::clone).map_err(|_| NetError::Message("no question is being validated"))?;
            let (name, kind) = (question.name(), question.query_type());
            match upstream.answer(name, kind, &work).await {
                Ok(message) => Ok(DnsResponse::from_message(message)?),
                Err(trouble) => {
                    work.note(&trouble);
                    Err(match trouble {
                        Trouble::Silent => NetError::Timeout,
                        Trouble::Code { code, .. } => NetError::Dns(DnsError::ResponseCode(code)),
                        Trouble::Malformed(text) => NetError::Msg(text),
                    })
                }
            }
        }))
    }
}

/// What of a message its question is about: the first link, or else the proof that there is none, out of a zone that
/// the name is in.
fn trim(mut message: Message, name: &Name, kind: RecordType) -> Message {
    let wanted = |of: RecordType| of == kind || of == RecordType::CNAME;
    message.additionals.clear();
    message.answers.retain(|record| {
        record.name == *name
            && match signature(record) {
                Some(signature) => wanted(signature.input().type_covered),
                None => wanted(record.record_type()),
            }
    });
    let is_positive = message.answers.iter().any(|record| signature(record).is_none());
    // The validator takes the labels of the first signature for those of the wildcard, whether it is valid or even
    // has records. So a signature without records goes, and of several those that claim more labels than another:
    // rightly made ones agree (RFC 4034 §3.1.3), and fewer labels take more to prove.
    let labels = |record: &Record| signature(record).map(|signature| signature.input().num_labels);
    let fewest = message.answers.iter().filter_map(labels).min();
    message
        .answers
        .retain(|record| is_positive && labels(record).is_none_or(|labels| Some(labels) == fewest));
    if is_positive {
        // RFC 6604 §3: the code is about the end of the chain. That end is a question of its own, and what is said
        // of it here would not be validated.
        message.metadata.response_code = ResponseCode::NoError;
    }
    // Only where a wildcard was expanded is absence part of a positive answer (RFC 4035 §5.3.4).
    let is_expanded = message
        .answers
        .iter()
        .filter_map(signature)
        .any(|signature| signature.input().num_labels < name.num_labels());
    let denials: Vec<(Name, RecordType)> = message
        .authorities
        .iter()
        .filter_map(|record| Some((&record.name, signature(record)?.input())))
        .filter(|(_, input)| is_denial(input.type_covered) && input.signer_name.zone_of(name))
        .map(|(owner, input)| (owner.clone(), input.type_covered))
        .collect();
    message.authorities.retain(|record| {
        let of = signature(record).map_or(record.record_type(), |signature| signature.input().type_covered);
        match of {
            RecordType::SOA => !is_positive && record.name.zone_of(name),
            RecordType::NS => kind == RecordType::NS && record.name == *name,
            of if is_denial(of) => {
                (!is_positive || is_expanded)
                    && denials.iter().any(|(owner, its)| *owner == record.name && *its == of)
            }
            _ => false,
        }
    });
    message
}

fn is_denial(kind: RecordType) -> bool {
    matches!(kind, RecordType::NSEC | RecordType::NSEC3)
}

fn signature(record: &Record) -> Option<&RRSIG> {
    match &record.data {
        RData::DNSSEC(DNSSECRData::RRSIG(signature)) => Some(signature),
        _ => None,
    }
}

/// The owner of the DNAME that an unsigned alias of a name comes from.
pub(super) fn synthesised_from(message: &Message, name: &Name) -> Option<Name> {
    let at_name = |record: &&Record| record.name == *name;
    let mut signatures = message.answers.iter().filter(at_name).filter_map(signature);
    let signed = signatures.any(|signature| signature.input().type_covered == RecordType::CNAME);
    let alias =
        message.answers.iter().filter(at_name).any(|record| record.record_type() == RecordType::CNAME);
    if signed || !alias {
        return None;
    }
    let above = |record: &&Record| {
        record.record_type() == RecordType::DNAME && record.name != *name && record.name.zone_of(name)
    };
    message.answers.iter().find(above).map(|record| record.name.clone())
}

/// Hickory does not read DNAME. RFC 6672 §2.5: its target is not compressed.
pub(super) fn dname_target(data: &RData) -> Option<Name> {
    let RData::Unknown { rdata, .. } = data else { return None };
    let mut decoder = BinDecoder::new(&rdata.anything);
    Name::read(&mut decoder).ok()
}

/// RFC 6672 §2.2: the owner at the end of a name, replaced. `None`: the result is no name (too long).
pub(super) fn substitute(name: &Name, owner: &Name, target: &Name) -> Option<Name> {
    let kept = usize::from(name.num_labels().checked_sub(owner.num_labels())?);
    let labels = name.iter().take(kept).chain(target.iter());
    Name::from_labels(labels).ok()
}

#[cfg(test)]
mod tests {
    use super::super::super::name;
    use super::substitute;

    #[test]
    fn a_dname_replaces_the_end_of_a_name() {
        let name = |text| name::parse(text).unwrap();
        let made = substitute(&name("a.b.old.example"), &name("old.example"), &name("new.test"));
        assert_eq!(made, Some(name("a.b.new.test")));
        let long = format!("{}.old.example", ["a".repeat(61), "b".repeat(61), "c".repeat(61)].join("."));
        let target = format!("{}.test", "d".repeat(63));
        assert_eq!(substitute(&name(&long), &name("old.example"), &name(&target)), None);
    }
}
