//! What holds with real servers. In a module of this name, by which a quick test run leaves it out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::between::{Between, replace, replace_first};
use super::zones::Internet;
use hickory_proto::dnssec::Nsec3HashAlgorithm;
use hickory_proto::dnssec::rdata::{DNSSECRData, NSEC3, RRSIG};
use hickory_proto::op::{Edns, Message, Query, ResponseCode};
use hickory_proto::rr::{Name, RData, Record, RecordType, rdata};
use tlsward_engine::ports::{Dns as _, DnsFailure, DnsReply, Dnssec, RecordKind, Security};
use tlsward_net::dns::{Config, Resolver, Trust, TrustAnchor};

/// What is expected, in a word.
fn verdict(reply: &DnsReply) -> String {
    let word = |security: Security| match security {
        Security::Secure => "secure",
        Security::Insecure => "insecure",
    };
    match reply {
        DnsReply::Found(answer) if answer.aliases.is_empty() => format!("found {}", word(answer.security)),
        DnsReply::Found(answer) => {
            format!("found {}, first {}", word(answer.security), word(answer.first_security))
        }
        DnsReply::Absent(absence) => {
            let what = if absence.name_exists { "no data" } else { "no name" };
            format!("{what} {}", word(absence.security))
        }
        DnsReply::Failed(DnsFailure::Bogus(_)) => "bogus".to_owned(),
        DnsReply::Failed(DnsFailure::Server(_) | DnsFailure::TimedOut) => "outage".to_owned(),
        DnsReply::Failed(other) => format!("{other:?}"),
    }
}

/// What every way to ask must agree on.
const TABLE: [(&str, RecordKind, &str); 41] = [
    ("host.example", RecordKind::A, "found secure"),
    ("example", RecordKind::Mx, "found secure"),
    ("_25._tcp.host.example", RecordKind::Tlsa, "found secure"),
    ("alias.example", RecordKind::A, "found secure, first secure"),
    ("any.wild.example", RecordKind::A, "found secure"),
    ("a.b.wild.example", RecordKind::A, "found secure"),
    ("known.wild.example", RecordKind::A, "no data secure"),
    ("a.known.wild.example", RecordKind::A, "no name secure"),
    ("a.deep.wild.example", RecordKind::A, "found secure, first secure"),
    ("host.moved.example", RecordKind::A, "found secure, first secure"),
    ("host.example", RecordKind::Mx, "no data secure"),
    ("_tcp.host.example", RecordKind::Tlsa, "no data secure"),
    ("any.wild.example", RecordKind::Tlsa, "no data secure"),
    ("gone.example", RecordKind::A, "no name secure"),
    ("_25._tcp.gone.example", RecordKind::Tlsa, "no name secure"),
    ("to-gone.example", RecordKind::A, "no name secure"),
    ("gone", RecordKind::A, "no name secure"),
    ("host.hashed", RecordKind::A, "found secure"),
    ("host.hashed", RecordKind::Tlsa, "no data secure"),
    ("any.wild.hashed", RecordKind::A, "found secure"),
    ("any.wild.hashed", RecordKind::Tlsa, "no data secure"),
    ("gone.hashed", RecordKind::A, "no name secure"),
    ("to-example.hashed", RecordKind::A, "found secure, first secure"),
    ("host.optout", RecordKind::A, "found secure"),
    ("host.optout", RecordKind::Tlsa, "no data secure"),
    ("gone.optout", RecordKind::A, "no name insecure"),
    ("any.wild.optout", RecordKind::A, "found insecure"),
    ("any.wild.optout", RecordKind::Tlsa, "no data insecure"),
    ("host.signed.optout", RecordKind::A, "found secure"),
    ("host.signed.optout", RecordKind::Tlsa, "no data secure"),
    ("host.unsigned.optout", RecordKind::A, "found insecure"),
    ("host.unsigned.optout", RecordKind::Tlsa, "no data insecure"),
    ("host.child.host.optout", RecordKind::A, "found insecure"),
    ("host.plain", RecordKind::A, "found insecure"),
    ("gone.plain", RecordKind::A, "no name insecure"),
    ("to-plain.example", RecordKind::A, "found insecure, first secure"),
    ("to-example.plain", RecordKind::A, "found insecure, first insecure"),
    ("host.forged", RecordKind::A, "bogus"),
    ("host.expired", RecordKind::A, "bogus"),
    ("host.unsigned", RecordKind::A, "bogus"),
    ("host.down", RecordKind::A, "outage"),
];

async fn compare(resolver: &Resolver) {
    let mut wrong = Vec::new();
    for (name, kind, expected) in TABLE {
        let reply = resolver.look_up(name, kind).await;
        if verdict(&reply) != expected {
            wrong.push(format!("{name} {}: {expected} expected, not {reply:?}", kind.as_wire()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn trusting(server: SocketAddr) -> Resolver {
    Resolver::new(&Config::new(vec![server], Trust::AuthenticData)).unwrap()
}

fn validating(server: SocketAddr, internet: &Internet) -> Resolver {
    let anchor = TrustAnchor::read(&internet.anchor()).unwrap();
    Resolver::new(&Config::new(vec![server], Trust::Validate(anchor))).unwrap()
}

/// Proves: K1
#[tokio::test]
async fn unbound_is_believed_and_forged_is_told_apart_from_an_outage() {
    let internet = Internet::start();
    let (address, _unbound) = internet.unbound(true);
    let resolver = trusting(address);
    assert_eq!(resolver.probe().await, Dnssec::TrustedResolver);
    compare(&resolver).await;
}

/// Proves: K1
#[tokio::test]
async fn answers_of_bind_are_validated_here() {
    let internet = Internet::start();
    let resolver = validating(internet.bind, &internet);
    assert_eq!(resolver.probe().await, Dnssec::Validated);
    compare(&resolver).await;
}

/// Proves: K1
#[tokio::test]
async fn answers_that_unbound_holds_back_are_seen_forged_here() {
    let internet = Internet::start();
    let (address, _unbound) = internet.unbound(true);
    let resolver = validating(address, &internet);
    assert_eq!(resolver.probe().await, Dnssec::Validated);
    compare(&resolver).await;
}

/// Proves: K1
#[tokio::test]
async fn a_resolver_that_does_not_validate_is_found() {
    let internet = Internet::start();
    let (address, _unbound) = internet.unbound(false);
    let resolver = trusting(address);
    let Dnssec::Unusable(text) = resolver.probe().await else { panic!("it is believed") };
    assert!(text.contains("sets no AD bit"), "{text}");
    assert_eq!(verdict(&resolver.look_up("host.example", RecordKind::A).await), "found insecure");
    // It hands on the signatures, so we can validate.
    let resolver = validating(address, &internet);
    compare(&resolver).await;
}

/// Proves: K1
#[tokio::test]
async fn a_resolver_that_strips_signatures_is_found() {
    let internet = Internet::start();
    let without_do = |mut question: Vec<u8>| {
        let at = question.len() - 4;
        question[at] = 0; // in the OPT record at the end
        Between::Ask(question)
    };
    let between = Between::start(internet.bind, without_do, |_| ()).await;
    let resolver = validating(between, &internet);
    let Dnssec::Unusable(text) = resolver.probe().await else { panic!("it is believed") };
    assert!(text.contains("strips the signatures"), "{text}");
    for (name, expected) in [("host.example", "found insecure"), ("gone.example", "no name insecure")] {
        assert_eq!(verdict(&resolver.look_up(name, RecordKind::A).await), expected, "mail goes on");
    }
}

/// Proves: K1
#[tokio::test]
async fn who_strips_signatures_takes_no_dane_from_anybody_and_is_looked_at_within_a_minute() {
    let internet = Internet::start();
    let (strips, probes) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let may_strip = {
        let (strips, probes) = (Arc::clone(&strips), Arc::clone(&probes));
        move |mut question: Vec<u8>| {
            if question[12..].starts_with(b"\0\0\x30") {
                probes.fetch_add(1, Ordering::SeqCst);
            }
            if strips.load(Ordering::SeqCst) {
                let at = question.len() - 4;
                question[at] = 0;
            }
            Between::Ask(question)
        }
    };
    let between = Between::start(internet.bind, may_strip, |_| ()).await;
    let resolver = validating(between, &internet);
    assert_eq!(resolver.probe().await, Dnssec::Validated);
    strips.store(true, Ordering::SeqCst);
    assert_eq!(verdict(&resolver.look_up("host.example", RecordKind::A).await), "bogus");
    strips.store(false, Ordering::SeqCst);
    // From here on the root's keys are kept, so that only a probe asks for them.
    assert_eq!(verdict(&resolver.look_up("host.signed.optout", RecordKind::A).await), "found secure");
    strips.store(true, Ordering::SeqCst);
    let before = probes.load(Ordering::SeqCst);
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    tokio::time::resume();
    assert_eq!(verdict(&resolver.look_up("gone.optout", RecordKind::A).await), "bogus");
    let probed = async {
        while probes.load(Ordering::SeqCst) == before {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), probed).await.unwrap();
    // It may be somebody on the way: what is known to be signed is not believed without signatures.
    assert_eq!(resolver.probe().await, Dnssec::Validated);
    assert_eq!(verdict(&resolver.look_up("host.hashed", RecordKind::A).await), "bogus");
    strips.store(false, Ordering::SeqCst);
    assert_eq!(verdict(&resolver.look_up("host.optout", RecordKind::A).await), "found secure");
}

/// Proves: K1
#[tokio::test]
async fn a_key_that_cannot_be_fetched_is_an_outage_and_no_forgery() {
    let internet = Internet::start();
    let no_key = |question: Vec<u8>| {
        let dnskey_of_example = b"\x07example\0\0\x30".as_slice();
        match question[12..].starts_with(dnskey_of_example) {
            true => Between::Say(question).with_flags(0x81, 0x02),
            false => Between::Ask(question),
        }
    };
    let between = Between::start(internet.bind, no_key, |_| ()).await;
    let resolver = validating(between, &internet);
    assert_eq!(resolver.probe().await, Dnssec::Validated);
    assert_eq!(verdict(&resolver.look_up("host.example", RecordKind::A).await), "outage");
    assert_eq!(verdict(&resolver.look_up("host.hashed", RecordKind::A).await), "found secure");
}

/// Proves: K1
#[tokio::test]
async fn a_signed_name_cannot_be_denied_with_records_of_an_unsigned_zone() {
    let internet = Internet::start();
    // Asks for a name in an unsigned zone instead, and passes its denial on as that of the signed one.
    let other = |mut question: Vec<u8>| {
        replace(&mut question, b"\x04host\x07example\0", b"\x06gone12\x05plain\0");
        Between::Ask(question)
    };
    let back = |answer: &mut Vec<u8>| {
        // Pointers into the question stay right: it is as long, and its last label is still the zone's.
        replace(answer, b"\x06gone12\x05plain\0", b"\x04host\x07example\0");
    };
    let between = Between::start(internet.bind, other, back).await;
    let resolver = validating(between, &internet);
    for kind in [RecordKind::A, RecordKind::Tlsa] {
        let reply = resolver.look_up("host.example", kind).await;
        assert!(matches!(reply, DnsReply::Failed(_)), "{reply:?}");
    }
    // The same, with the zone spelt out.
    let soa = |question: Vec<u8>| {
        if question.windows(4).any(|window| window == b"host")
            && question[question.len() - 15..][..2] == [0, 52]
        {
            let mut denial = question[..question.len() - 11].to_vec();
            denial[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 0, 0, 1, 0, 0]);
            denial.extend_from_slice(b"\x05plain\0\0\x06\0\x01\0\0\0\x3c\0\x16\0\0");
            denial.extend_from_slice(&[0; 20]);
            return Between::Say(denial);
        }
        Between::Ask(question)
    };
    let between = Between::start(internet.bind, soa, |_| ()).await;
    let resolver = validating(between, &internet);
    assert_eq!(verdict(&resolver.look_up("host.example", RecordKind::A).await), "found secure");
    assert_eq!(verdict(&resolver.look_up("host.example", RecordKind::Tlsa).await), "bogus");
}

/// Proves: K1
#[tokio::test]
async fn the_response_code_beside_an_alias_denies_nothing() {
    let internet = Internet::start();
    let no_name = |answer: &mut Vec<u8>| {
        if answer[12..].starts_with(b"\x05alias") {
            answer[3] |= 3;
        }
    };
    let between = Between::start(internet.bind, Between::Ask, no_name).await;
    let resolver = validating(between, &internet);
    let reply = resolver.look_up("alias.example", RecordKind::A).await;
    assert_eq!(verdict(&reply), "found secure, first secure");
}

/// Proves: K1
#[tokio::test]
async fn a_signature_without_its_records_proves_no_absence() {
    let internet = Internet::start();
    // A wildcard's record becomes one of a type that nobody asked for; its signature and the proof that no closer
    // name exists stay.
    let other_type = |answer: &mut Vec<u8>| {
        let question_end = 12 + answer[12..].iter().position(|byte| *byte == 0).unwrap() + 5;
        let is_wild = answer[12..].starts_with(b"\x05known") && answer[question_end + 2..][..2] == [0, 1];
        if is_wild {
            answer[question_end + 3] = 10;
        }
    };
    for zone in ["wild.hashed", "other.example"] {
        let name = format!("known.{zone}");
        let resolver = validating(internet.bind, &internet);
        let expected = if zone == "wild.hashed" { "found secure" } else { "no name secure" };
        assert_eq!(verdict(&resolver.look_up(&name, RecordKind::A).await), expected);
        let between = Between::start(internet.bind, Between::Ask, other_type).await;
        let resolver = validating(between, &internet);
        let expected = if zone == "wild.hashed" { "bogus" } else { "no name secure" };
        assert_eq!(verdict(&resolver.look_up(&name, RecordKind::A).await), expected);
    }
}

/// Proves: K1
#[tokio::test]
async fn the_proof_of_an_expansion_does_not_deny_what_was_expanded() {
    let internet = Internet::start();
    for code in [ResponseCode::NXDomain, ResponseCode::NoError] {
        let denies = move |packet: &mut Vec<u8>| {
            let mut message = Message::from_vec(packet).unwrap();
            if message.queries[0].query_type() == RecordType::A {
                message.answers.clear();
                message.metadata.response_code = code;
                *packet = message.to_vec().unwrap();
            }
        };
        let between = Between::start(internet.bind, Between::Ask, denies).await;
        let resolver = validating(between, &internet);
        for name in [
            "any.wild.example",
            "a.b.wild.example",
            "any.wild.hashed",
            "a.b.wild.hashed",
            "a.deep.wild.example",
        ] {
            assert_eq!(verdict(&resolver.look_up(name, RecordKind::A).await), "bogus", "{name} {code}");
        }
    }
}

/// What a server says, with signatures.
fn ask(server: SocketAddr, name: &str, kind: RecordType) -> Message {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut question = Message::query();
    question.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    let mut edns = Edns::new();
    edns.set_max_payload(4096).enable_dnssec();
    question.set_edns(edns);
    socket.send_to(&question.to_vec().unwrap(), server).unwrap();
    let mut packet = [0; 4096];
    let bytes = socket.recv(&mut packet).unwrap();
    Message::from_vec(&packet[..bytes]).unwrap()
}

/// All NSEC3s of a zone, with their signatures.
fn nsec3s(server: SocketAddr, zone: &str) -> Vec<Record> {
    let mut all: Vec<Record> = Vec::new();
    for number in 0..64 {
        let message = ask(server, &format!("gone{number}.{zone}."), RecordType::A);
        for record in message.authorities {
            let is_hashed = record.name.iter().next().is_some_and(|label| label.len() == 32);
            if is_hashed && !all.contains(&record) {
                all.push(record);
            }
        }
    }
    assert!(all.len() >= 8, "{all:?}");
    all
}

fn hash(name: &str) -> String {
    let name = Name::from_ascii(name).unwrap();
    let hash = Nsec3HashAlgorithm::SHA1.hash(&[0xab], &name, 0).unwrap();
    let bits: Vec<u8> =
        hash.as_ref().iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let digit =
        |bits: &[u8]| char::from_digit(bits.iter().fold(0, |sum, bit| sum << 1 | u32::from(*bit)), 32);
    bits.chunks(5).map(|bits| digit(bits).unwrap()).collect()
}

/// Proves: K1
#[tokio::test]
async fn a_name_in_a_signed_zone_cannot_be_passed_off_as_an_unsigned_zone_with_an_opt_out_span_of_its_parent()
{
    let internet = Internet::start();
    let spans = nsec3s(internet.bind, "optout");
    let host = "host.signed.optout.";
    // The parent's own word on the signed zone, as that of an ordinary name. Its signature does not hold any more.
    let with_forged_encloser = || {
        let mut records = spans.clone();
        let is_cut =
            |record: &&mut Record| record.name.to_ascii().to_lowercase().starts_with(&hash("signed.optout."));
        for record in records.iter_mut().filter(is_cut) {
            if let RData::DNSSEC(DNSSECRData::NSEC3(nsec3)) = &mut record.data {
                let (salt, next) = (nsec3.salt().to_vec(), nsec3.next_hashed_owner_name().to_vec());
                let forged = NSEC3::new(Nsec3HashAlgorithm::SHA1, true, 0, salt, next, [RecordType::A]);
                *nsec3 = forged;
            }
        }
        assert_ne!(records, spans);
        records
    };
    // A span of nobody's around the name of the signed zone, and one on the name itself.
    let with_forged = |label: &str, types: &[RecordType]| {
        let mut records = spans.clone();
        let of = |record: &&Record| record.record_type() == RecordType::NSEC3;
        let mut forged = spans.iter().find(of).unwrap().clone();
        let name = Name::from_ascii(format!("{label}.optout.")).unwrap();
        let signature = spans.iter().find(|record| record.record_type() == RecordType::RRSIG).unwrap();
        let mut signature = signature.clone();
        (forged.name, signature.name) = (name.clone(), name);
        let types = types.iter().copied();
        forged.data = RData::DNSSEC(DNSSECRData::NSEC3(NSEC3::new(
            Nsec3HashAlgorithm::SHA1,
            true,
            0,
            vec![0xab],
            vec![0xff; 20],
            types,
        )));
        records.splice(0..0, [forged, signature]);
        records
    };
    let replays = [
        ("replayed", spans.clone()),
        ("a forged encloser", with_forged_encloser()),
        ("a forged span", with_forged(&"0".repeat(32), &[RecordType::A])),
        ("a forged cut", with_forged(&hash(host), &[RecordType::NS])),
    ];
    for (what, records) in replays {
        for alias in [false, true] {
            let records = records.clone();
            let forges = move |packet: &mut Vec<u8>| {
                let mut message = Message::from_vec(packet).unwrap();
                let question = message.queries[0].clone();
                let name = Name::from_ascii(host).unwrap();
                if *question.name() != name {
                    return;
                }
                message.authorities.clear();
                let record = |data| Record::from_rdata(name.clone(), 300, data);
                message.answers = match question.query_type() {
                    RecordType::A => vec![record(RData::A("203.0.113.66".parse().unwrap()))],
                    RecordType::NS => vec![record(RData::NS(rdata::NS(name.clone())))],
                    RecordType::DS => {
                        message.authorities = records.clone();
                        let alias = alias.then(|| record(RData::CNAME(rdata::CNAME(name.clone()))));
                        alias.into_iter().collect()
                    }
                    _ => Vec::new(),
                };
                message.metadata.response_code = ResponseCode::NoError;
                *packet = message.to_vec().unwrap();
            };
            let between = Between::start(internet.bind, Between::Ask, forges).await;
            let resolver = validating(between, &internet);
            for kind in [RecordKind::A, RecordKind::Tlsa] {
                let reply = resolver.look_up("host.signed.optout", kind).await;
                assert_eq!(verdict(&reply), "bogus", "{what} {alias} {}", kind.as_wire());
            }
            assert_eq!(
                verdict(&resolver.look_up("host.unsigned.optout", RecordKind::A).await),
                "found insecure"
            );
        }
    }
}

/// Proves: K1
#[tokio::test]
async fn that_no_closer_name_exists_is_said_by_the_zone_of_the_wildcard_and_not_by_its_parent() {
    let internet = Internet::start();
    let spans = nsec3s(internet.bind, "optout");
    let expanded = ask(internet.bind, "other.wild.signed.optout.", RecordType::A).answers;
    let known = Name::from_ascii("known.wild.signed.optout.").unwrap();
    for names_parent in [false, true] {
        let (spans, known, mut expanded) = (spans.clone(), known.clone(), expanded.clone());
        if names_parent {
            // A signature of nobody's, in the parent's name.
            let mut forged =
                expanded.iter().find(|record| record.record_type() == RecordType::RRSIG).unwrap().clone();
            if let RData::DNSSEC(DNSSECRData::RRSIG(signature)) = &forged.data {
                let mut input = signature.input().clone();
                input.signer_name = Name::from_ascii("optout.").unwrap();
                forged.data = RData::DNSSEC(DNSSECRData::RRSIG(RRSIG::from_sig(input, vec![1; 64])));
            }
            expanded.insert(0, forged);
        }
        let forges = move |packet: &mut Vec<u8>| {
            let mut message = Message::from_vec(packet).unwrap();
            if *message.queries[0].name() == known && message.queries[0].query_type() == RecordType::A {
                let renamed = expanded.iter().cloned().map(|mut record| {
                    record.name = known.clone();
                    record
                });
                message.answers = renamed.collect();
                message.authorities = spans.clone();
                *packet = message.to_vec().unwrap();
            }
        };
        let between = Between::start(internet.bind, Between::Ask, forges).await;
        let resolver = validating(between, &internet);
        let reply = resolver.look_up("other.wild.signed.optout", RecordKind::A).await;
        assert_eq!(verdict(&reply), "found secure");
        let reply = resolver.look_up("known.wild.signed.optout", RecordKind::A).await;
        assert_eq!(verdict(&reply), "bogus");
    }
}

#[tokio::test]
async fn validating_one_answer_takes_a_bounded_number_of_questions() {
    let internet = Internet::start();
    let resolver = validating(internet.bind, &internet);
    let deep = |zone: &str| format!("{}{zone}", "a.".repeat(110));
    // Each label could be a zone of its own and is looked at.
    let once = resolver.look_up(&deep("deep.plain"), RecordKind::A).await;
    assert_eq!(verdict(&once), "found insecure");
    let twice = resolver.look_up(&deep("twice.plain"), RecordKind::A).await;
    assert!(
        matches!(&twice, DnsReply::Failed(DnsFailure::Malformed(text)) if text.contains("200")),
        "{twice:?}"
    );
}

/// Proves: K1
#[tokio::test]
async fn a_wildcards_records_cannot_be_passed_off_as_those_of_a_name_that_exists() {
    let internet = Internet::start();
    let other = |mut question: Vec<u8>| {
        replace(&mut question, b"\x05known", b"\x05other");
        Between::Ask(question)
    };
    let back = |answer: &mut Vec<u8>| replace_first(answer, b"\x05other", b"\x05known");
    let between = Between::start(internet.bind, other, back).await;
    let resolver = validating(between, &internet);
    assert_eq!(verdict(&resolver.look_up("any.wild.example", RecordKind::A).await), "found secure");
    assert_eq!(verdict(&resolver.look_up("known.wild.example", RecordKind::A).await), "bogus");
}

/// Proves: K1
#[tokio::test]
async fn a_foreign_trust_anchor_is_found() {
    let (internet, other) = (Internet::start(), Internet::start());
    let resolver = validating(internet.bind, &other);
    let Dnssec::Unusable(text) = resolver.probe().await else { panic!("it is believed") };
    assert!(text.contains("trust anchor"), "{text}");
}

/// Repeatable numbers (xorshift).
fn numbers() -> impl FnMut(usize) -> usize {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap() % below
    }
}

/// Asks through somebody who changes answers: what is signed comes rightly or not at all.
async fn compare_signed(internet: &Internet, change: impl FnMut(&mut Vec<u8>) + Send + 'static) {
    let between = Between::start(internet.bind, Between::Ask, change).await;
    let anchor = TrustAnchor::read(&internet.anchor()).unwrap();
    let (mut failed, mut right) = (0, 0);
    for _ in 0..40 {
        let config = Config { cache: false, ..Config::new(vec![between], Trust::Validate(anchor.clone())) };
        let resolver = Resolver::new(&config).unwrap();
        if resolver.probe().await != Dnssec::Validated {
            continue;
        }
        for (name, kind, expected) in TABLE.into_iter().cycle().take(3 * TABLE.len()) {
            let reply = resolver.look_up(name, kind).await;
            if matches!(reply, DnsReply::Failed(_)) {
                failed += 1;
                continue;
            }
            if !expected.contains(" secure") || expected.contains("insecure") {
                // Anybody may change what is not signed.
                assert!(expected.contains("insecure"), "{name} {}: {reply:?}", kind.as_wire());
                continue;
            }
            right += 1;
            assert_eq!(verdict(&reply), expected, "{name} {}: {reply:?}", kind.as_wire());
            if name == "host.example" && kind == RecordKind::A {
                assert_eq!(reply.addresses(), ["192.0.2.7".parse::<std::net::IpAddr>().unwrap()]);
            }
        }
    }
    assert!(failed > 100 && right > 100, "{failed} failed, {right} right");
}

/// Proves: K1
#[tokio::test]
async fn broken_packets_are_never_taken_for_unsigned_or_other_records() {
    let internet = Internet::start();
    let mut below = numbers();
    let breaks = move |packet: &mut Vec<u8>| {
        // Behind id and flags. A broken question makes the packet stray, and a stray packet is waited out.
        let from = 12 + packet[12..].iter().position(|byte| *byte == 0).unwrap() + 5;
        if below(3) == 0 && packet.len() > from {
            for _ in 0..=below(3) {
                let at = from + below(packet.len() - from);
                packet[at] = packet[at].wrapping_add(u8::try_from(1 + below(255)).unwrap());
            }
        }
    };
    compare_signed(&internet, breaks).await;
}

/// Proves: K1
#[tokio::test]
async fn records_left_out_moved_and_replayed_are_never_taken_for_unsigned_or_other_records() {
    let internet = Internet::start();
    let mut below = numbers();
    let mut seen: Vec<Record> = Vec::new();
    let rearranges = move |packet: &mut Vec<u8>| {
        let mut message = Message::from_vec(packet).unwrap();
        let own: Vec<Record> = message.all_sections().cloned().collect();
        for _ in 0..below(4) {
            let section = if below(2) == 0 { &mut message.answers } else { &mut message.authorities };
            match below(5) {
                0 if !section.is_empty() => drop(section.remove(below(section.len()))),
                1 => section.clear(),
                2 if !seen.is_empty() => section.push(seen[below(seen.len())].clone()),
                3 if !own.is_empty() => section.push(own[below(own.len())].clone()),
                4 if below(4) == 0 => {
                    let code = if below(2) == 0 { ResponseCode::NXDomain } else { ResponseCode::NoError };
                    message.metadata.response_code = code;
                }
                _ => {}
            }
        }
        for record in own {
            if seen.len() < 400 && !seen.contains(&record) {
                seen.push(record);
            }
        }
        *packet = message.to_vec().unwrap();
    };
    compare_signed(&internet, rearranges).await;
}
