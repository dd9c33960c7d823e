//! What the validator asks: our exchange, with CD=1 and DO=1, within the bounds of one question.
//!
//! The validator gets each message trimmed to what its question is about. That makes it cheaper, and it closes a
//! gap: the validator accepts a denial when the whole authority section is insecure, so records of an unsigned zone
//! elsewhere, put there by an attacker, would deny what a signed zone holds.

use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::stream::{self, Stream, StreamExt as _};
use hickory_proto::dnssec::TrustAnchors;
use hickory_proto::dnssec::rdata::{DNSSECRData, RRSIG, SigInput};
use hickory_proto::op::{
    DnsRequest, DnsRequestOptions, DnsResponse, Message, Query as Question, ResponseCode,
};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::{BinDecodable as _, BinDecoder};
use hickory_resolver::net::dnssec::DnssecDnsHandle;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, DnsHandle, NetError};
use tlsward_engine::ports::DnsFailure;
use tokio::time::Instant;

use super::super::cache::{Kept, Key};
use super::super::exchange::{Exchange, Trouble};
use super::super::name;
use super::super::wire::{Flags, Query};
use super::delegation::{self, Claim, Encloser};
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
    /// Messages that are there already when the validator asks for them.
    preset: Mutex<Vec<(Name, RecordType, Message)>>,
    /// The keys and delegations that were used, which are forgotten if nothing good comes of them.
    used: Mutex<Vec<Key>>,
}

impl Work {
    pub(super) fn new(deadline: Instant) -> Arc<Self> {
        let (trouble, preset, used) = (Mutex::new(None), Mutex::new(Vec::new()), Mutex::new(Vec::new()));
        Arc::new(Self { deadline, questions: AtomicU32::new(0), trouble, preset, used })
    }

    pub(super) fn preset(&self, name: &Name, kind: RecordType, message: Message) {
        let preset = (name.clone(), kind, message);
        self.preset.lock().unwrap_or_else(PoisonError::into_inner).push(preset);
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
        let place = preset.iter().position(|(of, its, _)| of == name && *its == kind)?;
        Some(preset.swap_remove(place).2)
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
    anchors: Arc<TrustAnchors>,
    /// Keys and delegations, which every validation asks for again.
    messages: Arc<Mutex<Kept<Arc<Message>>>>,
}

/// CD=1: a validating resolver between shall not hold back what it holds forged. AD=0: its word is not asked for.
const FLAGS: Flags = Flags { authentic_data: false, checking_disabled: true, dnssec_ok: true };

impl Upstream {
    pub(super) fn new(exchange: Arc<Exchange>, anchors: Arc<TrustAnchors>) -> Self {
        Self { exchange, anchors, messages: Arc::new(Mutex::new(Kept::new(limits::CACHED_ANSWERS))) }
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
        let mut message = trim(self.fetch(name, kind, work.deadline).await?, name, kind);
        if kind == RecordType::DS {
            self.leave_what_proves(&mut message, name, work).await;
        }
        if infrastructure && may_be_kept(&message) {
            let ttl = message.all_sections().map(|record| record.ttl).min().unwrap_or(0);
            let kept = Arc::new(message.clone());
            self.lock().insert(key, kept, Instant::now(), ttl.min(limits::CACHED_ABSENCE_SECONDS));
        }
        Ok(message)
    }

    /// Of the NSEC3s beside an answer for DS, leaves the one that proves something of the name, if there is one.
    async fn leave_what_proves(&self, message: &mut Message, name: &Name, work: &Work) {
        match delegation::claim(message, name) {
            Claim::TooManyIterations => {}
            Claim::Nothing => delegation::leave(message, None),
            Claim::Own { owner } | Claim::OptOut { owner, provided: None } => {
                delegation::leave(message, Some(&owner));
            }
            Claim::OptOut { owner, provided: Some(encloser) } => {
                let holds = self.is_encloser(&encloser, message, work).await;
                delegation::leave(message, holds.then_some(&owner));
            }
        }
    }

    /// Validates the NSEC3 of an encloser. It ends: the zone of that NSEC3 is above the name whose DS is asked for, and
    /// so is all that its validation asks for in turn.
    async fn is_encloser(&self, encloser: &Encloser, message: &Message, work: &Work) -> bool {
        work.preset(&encloser.owner, RecordType::NSEC3, delegation::as_answer(message, &encloser.owner));
        let mut options = DnsRequestOptions::default();
        options.use_edns = true;
        let handle = DnssecDnsHandle::with_trust_anchor(self.clone(), Arc::clone(&self.anchors));
        let handle = handle.validation_cache_size(limits::CACHED_FOR_ONE_PROOF);
        let question = Question::query(encloser.owner.clone(), RecordType::NSEC3);
        match handle.lookup(question, options).next().await {
            Some(Ok(response)) => encloser.is_shown_by(&response.answers),
            Some(Err(_)) | None => false,
        }
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

fn may_be_kept(message: &Message) -> bool {
    message.all_sections().count() <= limits::CACHED_MESSAGE_RECORDS
        && message.to_vec().is_ok_and(|packet| packet.len() <= limits::CACHED_ANSWER_BYTES)
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
    // The records of a name have one signer, its zone (RFC 4035 §2.2). Where more are named, the nearest counts: to
    // name it takes no more than a record that nobody signed, and then nothing is valid.
    let signers = |message: &Message| {
        let names = message.answers.iter().filter_map(signature).map(|one| one.input().signer_name.clone());
        names.filter(|signer| signer.zone_of(name)).max_by_key(Name::num_labels)
    };
    let signer = signers(&message);
    message.answers.retain(|record| {
        signature(record).is_none_or(|one| Some(&one.input().signer_name) == signer.as_ref())
    });
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
        .filter(|(owner, input)| may_deny(owner, input, name))
        // RFC 5155 §8.8: that no closer name exists is said by the zone that holds the wildcard.
        .filter(|(_, input)| !is_positive || Some(&input.signer_name) == signer.as_ref())
        .map(|(owner, input)| (owner.clone(), input.type_covered))
        .collect();
    message.authorities.retain(|record| {
        let of = signature(record).map_or(record.record_type(), |signature| signature.input().type_covered);
        match of {
            RecordType::SOA => !is_positive && record.name.zone_of(name),
            RecordType::NS => kind == RecordType::NS && record.name == *name,
            of if is_denial(of) => {
                (!is_positive || is_expanded)
                    && signature(record).is_none_or(|one| may_deny(&record.name, one.input(), name))
                    && denials.iter().any(|(owner, its)| *owner == record.name && *its == of)
            }
            _ => false,
        }
    });
    message
}

/// Whether a signature over a denial is one of a zone that may deny the name. Without this look at each signature the
/// owner of a zone elsewhere could sign what stands at its apex as a denial of its parent's names.
fn may_deny(owner: &Name, input: &SigInput, name: &Name) -> bool {
    let signer = &input.signer_name;
    let signs = match input.type_covered {
        RecordType::NSEC => signer.zone_of(owner),
        // RFC 5155 §3: the name of the zone, with the hash before it.
        RecordType::NSEC3 => !owner.is_root() && *signer == owner.base_name(),
        _ => false,
    };
    signs && signer.zone_of(name)
}

fn is_denial(kind: RecordType) -> bool {
    matches!(kind, RecordType::NSEC | RecordType::NSEC3)
}

pub(super) fn signature(record: &Record) -> Option<&RRSIG> {
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
    use hickory_proto::dnssec::rdata::{DNSSECRData, NSEC, NSEC3, RRSIG, SigInput};
    use hickory_proto::dnssec::{Algorithm, Nsec3HashAlgorithm};
    use hickory_proto::op::Message;
    use hickory_proto::rr::{Name, RData, Record, RecordType, SerialNumber};

    use super::super::super::name;
    use super::{may_be_kept, signature, substitute, trim};
    use crate::limits::dns as limits;

    fn signed(owner: &Name, type_covered: RecordType, signer: &str) -> Record {
        let input = SigInput {
            type_covered,
            algorithm: Algorithm::ECDSAP256SHA256,
            num_labels: owner.num_labels(),
            original_ttl: 300,
            sig_expiration: SerialNumber::new(2),
            sig_inception: SerialNumber::new(1),
            key_tag: 7,
            signer_name: name::parse(signer).unwrap(),
        };
        let signature = RRSIG::from_sig(input, vec![1; 64]);
        Record::from_rdata(owner.clone(), 300, RData::DNSSEC(DNSSECRData::RRSIG(signature)))
    }

    #[test]
    fn a_denial_counts_with_signatures_of_a_zone_of_the_name_and_no_others_beside_them() {
        let asked = name::parse("mx.example.org").unwrap();
        let hashed = "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom.org";
        let nsec = DNSSECRData::NSEC(NSEC::new(name::parse("zz.org").unwrap(), [RecordType::A]));
        let (sha1, types) = (Nsec3HashAlgorithm::SHA1, [RecordType::A]);
        let nsec3 = DNSSECRData::NSEC3(NSEC3::new(sha1, true, 0, Vec::new(), vec![0xff; 20], types));
        let table = [
            // What stands at the apex of a stranger's zone, which he signs, is named like a denial of `org`.
            ("evil.org", &nsec, RecordType::NSEC, "evil.org", false),
            (hashed, &nsec3, RecordType::NSEC3, hashed, false),
            ("evil.org", &nsec, RecordType::NSEC, "org", true),
            (hashed, &nsec3, RecordType::NSEC3, "org", true),
            // RFC 5155 §3: the hash stands before the name of its own zone.
            (hashed, &nsec3, RecordType::NSEC3, "example.org", false),
        ];
        for (owner, data, kind, signer, counts) in table {
            let owner = name::parse(owner).unwrap();
            let mut message = Message::query();
            message.authorities.push(Record::from_rdata(owner.clone(), 300, RData::DNSSEC(data.clone())));
            message.authorities.push(signed(&owner, kind, "org"));
            message.authorities.push(signed(&owner, kind, signer));
            let trimmed = trim(message, &asked, RecordType::TLSA);
            let signers: Vec<String> = trimmed
                .authorities
                .iter()
                .filter_map(|record| Some(name::write(&signature(record)?.input().signer_name)))
                .collect();
            let expected = if counts { vec!["org", "org"] } else { vec!["org"] };
            assert_eq!(signers, expected, "{owner} {signer}");
        }
    }

    #[test]
    fn a_message_of_many_records_is_not_kept_however_small_it_is() {
        let owner = name::parse(&format!("{0}.{0}.{0}.example", "a".repeat(50))).unwrap();
        let mut message = Message::query();
        for number in 0..limits::CACHED_MESSAGE_RECORDS {
            let host = name::parse(&format!("ns{number}.example")).unwrap();
            let data = RData::NS(hickory_proto::rr::rdata::NS(host));
            message.answers.push(Record::from_rdata(owner.clone(), 300, data));
        }
        assert!(may_be_kept(&message));
        message.answers.push(message.answers[0].clone());
        assert!(message.to_vec().unwrap().len() < limits::CACHED_ANSWER_BYTES);
        assert!(!may_be_kept(&message));
    }

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
