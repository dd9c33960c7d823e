use RecordType as T;
use hickory_proto::op::OpCode;
use hickory_proto::rr::DNSClass;

use super::*;

#[tokio::test]
async fn every_name_and_type_gets_the_answer_that_the_standards_name() {
    use ResponseCode::{NXDomain, NoError, Refused};
    let zone = zone(None).await;
    let soa = vec![T::SOA];
    for (name, kind, code_wanted, answers, authorities) in [
        ("_mta-sts.example.org", T::TXT, NoError, vec![T::TXT], vec![]),
        ("_smtp._tls.mail.example.org", T::TXT, NoError, vec![T::TXT], vec![]),
        ("mta-sts.example.org", T::CNAME, NoError, vec![T::CNAME], vec![]),
        // Aliases are followed inside the zone, not outside.
        ("mta-sts.example.org", T::A, NoError, vec![T::CNAME, T::A], vec![]),
        ("mta-sts.example.org", T::CAA, NoError, vec![T::CNAME, T::CAA], vec![]),
        ("mta-sts.example.org", T::TXT, NoError, vec![T::CNAME], soa.clone()),
        ("abroad.b.test", T::A, NoError, vec![T::CNAME], vec![]),
        ("ends.b.test", T::A, NXDomain, vec![T::CNAME], soa.clone()),
        ("mta-sts.b.test", T::A, NoError, vec![T::A], vec![]),
        ("mta-sts.b.test", T::CAA, NoError, vec![T::CAA], vec![]),
        // Missing types.
        ("_mta-sts.example.org", T::A, NoError, vec![], soa.clone()),
        ("mta-sts.b.test", T::AAAA, NoError, vec![], soa.clone()),
        ("_mta-sts.example.org", T::Unknown(65280), NoError, vec![], soa.clone()),
        // Empty non-terminals, up to the apex: RFC 8020, RFC 9156.
        ("org", T::A, NoError, vec![], soa.clone()),
        ("example.org", T::TXT, NoError, vec![], soa.clone()),
        ("mail.example.org", T::NS, NoError, vec![], soa.clone()),
        ("_tls.example.org", T::A, NoError, vec![], soa.clone()),
        ("test", T::MX, NoError, vec![], soa.clone()),
        // Names that are not there, also below such as are.
        ("net", T::A, NXDomain, vec![], soa.clone()),
        ("other.example.org", T::TXT, NXDomain, vec![], soa.clone()),
        ("a._mta-sts.example.org", T::TXT, NXDomain, vec![], soa.clone()),
        ("a.mta-sts.example.org", T::A, NXDomain, vec![], soa.clone()),
        ("_tls.example.net", T::A, NXDomain, vec![], soa.clone()),
        ("*.example.org", T::TXT, NXDomain, vec![], soa.clone()),
        ("g", T::A, NXDomain, vec![], soa.clone()),
        // The zone itself.
        ("", T::SOA, NoError, vec![T::SOA], vec![]),
        ("", T::NS, NoError, vec![T::NS, T::NS, T::NS], vec![]),
        ("", T::A, NoError, vec![], soa.clone()),
        ("", T::DNSKEY, NoError, vec![], soa.clone()),
        ("ns1", T::A, NoError, vec![T::A], vec![]),
        ("ns1", T::AAAA, NoError, vec![T::AAAA], vec![]),
        ("ns1", T::CAA, NoError, vec![], soa.clone()),
        ("policy", T::CAA, NoError, vec![T::CAA], vec![]),
        // RFC 8482: the least that answers.
        ("_mta-sts.example.org", T::ANY, NoError, vec![T::TXT], vec![]),
        ("org", T::ANY, NoError, vec![], soa.clone()),
        ("", T::AXFR, Refused, vec![], vec![]),
        ("", T::IXFR, Refused, vec![], vec![]),
    ] {
        let name = if name.is_empty() { "sts.example".to_owned() } else { format!("{name}.sts.example") };
        let answer = ask(&zone, &name, kind);
        assert_eq!(code(&answer), code_wanted, "{name} {kind}");
        assert_eq!(kinds(&answer.answers), answers, "{name} {kind}");
        assert_eq!(kinds(&answer.authorities), authorities, "{name} {kind}");
        assert_eq!(answer.metadata.authoritative, code_wanted != Refused, "{name} {kind}");
        assert!(!answer.metadata.recursion_available && answer.additionals.is_empty());
        // RFC 2308 §5: the lesser of TTL and MINIMUM.
        assert!(answer.authorities.iter().all(|soa| soa.ttl == 300));
    }
}

#[tokio::test]
async fn what_is_not_in_the_zone_is_refused() {
    let zone = zone(None).await;
    for name in ["example", "example.org", "xsts.example", "a.xsts.example", ""] {
        let answer = ask(&zone, name, T::A);
        assert_eq!(code(&answer), ResponseCode::Refused, "{name}");
        assert!(!answer.metadata.authoritative);
        assert_eq!(answer.queries.len(), 1);
    }
}

#[tokio::test]
async fn names_are_found_in_any_case_and_come_back_as_they_were_spelt() {
    let zone = zone(None).await;
    for name in ["_MtA-sTs.eXaMpLe.OrG.StS.eXaMpLe", "nO.sTs.Example"] {
        let packet = question(name, T::TXT, None);
        let reply = zone.answer(&packet, Over::Udp, NOW).unwrap();
        assert_eq!(reply.packet[12..packet.len()], packet[12..], "the question, octet for octet");
        let answer = Message::from_vec(&reply.packet).unwrap();
        if let Some(record) = answer.answers.first() {
            assert_eq!(record.name.to_ascii(), format!("{name}."));
        } else {
            assert_eq!(answer.authorities[0].name.to_ascii(), "sTs.Example.");
        }
    }
}

#[tokio::test]
async fn too_large_answers_are_cut_over_udp_and_whole_over_tcp() {
    let zone = zone(None).await;
    for (edns, least) in [(None, 512), (edns(4096, false), 1232), (edns(100, false), 512)] {
        let with_edns = edns.is_some();
        let packet = question("big.b.test.sts.example", T::TXT, edns);
        let reply = zone.answer(&packet, Over::Udp, NOW).unwrap();
        assert!(reply.packet.len() <= packet.len() && reply.packet.len() < least);
        let answer = Message::from_vec(&reply.packet).unwrap();
        assert!(answer.metadata.truncation && answer.answers.is_empty());
        assert_eq!(answer.edns.as_ref().map(Edns::max_payload), with_edns.then_some(MAX_UDP));
        let whole = Message::from_vec(&zone.answer(&packet, Over::Tcp, NOW).unwrap().packet).unwrap();
        assert!(!whole.metadata.truncation && whole.answers.len() == 1);
    }
}

#[tokio::test]
async fn edns_is_answered_with_edns_and_another_version_with_badvers() {
    let zone = zone(None).await;
    let answer = |edns: Edns| {
        let packet = question("_mta-sts.example.org.sts.example", T::TXT, Some(edns));
        Message::from_vec(&zone.answer(&packet, Over::Udp, NOW).unwrap().packet).unwrap()
    };
    let mut next = Edns::new();
    next.set_version(1);
    let refused = answer(next);
    // 16: the library reads it as TSIG's BADSIG.
    assert_eq!(u16::from(code(&refused)), 16);
    assert!(refused.answers.is_empty() && refused.edns.unwrap().version() == 0);
    let good = answer(edns(1232, true).unwrap());
    assert_eq!(kinds(&good.answers), [T::TXT], "the zone is not signed");
    assert!(good.edns.unwrap().flags().dnssec_ok);
    let plain = ask(&zone, "_mta-sts.example.org.sts.example", T::TXT);
    assert!(plain.edns.is_none());
}

#[tokio::test]
async fn what_is_no_question_is_refused_shortly_or_not_answered_at_all() {
    let zone = zone(None).await;
    let good = question("_mta-sts.example.org.sts.example", T::TXT, None);
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut packet = good.clone();
        change(&mut packet);
        zone.answer(&packet, Over::Udp, NOW).map(|reply| reply.packet)
    };
    let code_of = |packet: Option<Vec<u8>>| packet.map(|packet| (packet.len(), packet[3] & 15));
    assert_eq!(code_of(changed(&|packet| packet.truncate(11))), None);
    assert_eq!(code_of(changed(&|packet| packet[2] |= 0x80)), None, "an answer");
    for opcode in [1, 2, 4, 5, 15_u8] {
        assert_eq!(code_of(changed(&|packet| packet[2] = opcode << 3)), Some((12, 4)), "NOTIMP");
    }
    assert_eq!(code_of(changed(&|packet| packet[5] = 0)), Some((12, 1)), "no question");
    assert_eq!(code_of(changed(&|packet| packet[5] = 2)), Some((12, 1)), "two");
    assert_eq!(code_of(changed(&|packet| packet[12] = 0xc0)), Some((12, 1)), "a name that points at itself");
    assert_eq!(code_of(changed(&|packet| packet.truncate(30))), Some((12, 1)), "cut off");
    let end = good.len();
    assert_eq!(code_of(changed(&|packet| packet[end - 1] = 3)), Some((end, 5)), "class CH");
    let reply = changed(&|packet| packet[2] = u8::from(OpCode::Update) << 3).unwrap();
    assert_eq!(reply[..2], good[..2], "the same id");
    assert_eq!(u16::from(DNSClass::IN), 1);
}
