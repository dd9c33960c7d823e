//! The resolver against servers that answer rightly, wrongly, late or not at all.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod server;
mod trust;

use std::net::SocketAddr;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::{CAA, NS, TLSA};
use hickory_proto::rr::{RData, Record, RecordType};
use proptest::prelude::{Strategy as _, any};
use server::{Asked, Server, a, alias, mx, packet, record, soa, txt};
use tlsward_engine::ports::{
    Absence, Answer, Dns as _, DnsFailure, DnsReply, RecordData, RecordKind, Security,
};
use tlsward_net::dns::{Config, ConfigError, Resolver, Trust};
use tokio::time::Instant;

fn resolver(servers: &[SocketAddr]) -> Resolver {
    Resolver::new(&Config { cache: false, ..Config::new(servers.to_vec(), Trust::Off) }).unwrap()
}

async fn ask(server: &Server, name: &str, kind: RecordKind) -> DnsReply {
    resolver(&[server.address]).look_up(name, kind).await
}

pub(crate) fn answer(reply: DnsReply) -> Answer {
    match reply {
        DnsReply::Found(answer) => answer,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn absence(reply: DnsReply) -> Absence {
    match reply {
        DnsReply::Absent(absence) => absence,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn failure(reply: DnsReply) -> DnsFailure {
    match reply {
        DnsReply::Failed(failure) => failure,
        other => panic!("{other:?}"),
    }
}

fn zone(asked: &Asked) -> Vec<Record> {
    let data = match asked.kind() {
        RecordType::AAAA => RData::AAAA("2001:db8::7".parse().unwrap()),
        RecordType::NS => RData::NS(NS(server::name("NS.Example"))),
        RecordType::TLSA => RData::TLSA(TLSA::new(3.into(), 1.into(), 1.into(), vec![7; 32])),
        RecordType::CAA => RData::CAA(CAA::new_issue(true, Some(server::name("ca.example")), Vec::new())),
        RecordType::MX => return vec![mx("t.example", 50, 20, "B.Example"), mx("t.example", 40, 10, ".")],
        RecordType::TXT => return vec![txt("t.example", 30, &[b"v=STS", b"v1; \xff"])],
        _ => return vec![a("t.example", 60), a("other.example", 1)],
    };
    vec![record("t.example", 60, data)]
}

/// Proves: S1
#[tokio::test]
async fn records_of_each_kind_come_as_they_stand_in_the_packet() {
    let server = Server::start(|asked| asked.records(zone(asked))).await;
    let table = [
        (RecordKind::A, vec![RecordData::A("192.0.2.7".parse().unwrap())], 60),
        (RecordKind::Aaaa, vec![RecordData::Aaaa("2001:db8::7".parse().unwrap())], 60),
        (
            RecordKind::Mx,
            vec![
                RecordData::Mx { preference: 20, exchange: "b.example".to_owned() },
                RecordData::Mx { preference: 10, exchange: String::new() },
            ],
            40,
        ),
        (RecordKind::Ns, vec![RecordData::Ns("ns.example".to_owned())], 60),
        (RecordKind::Txt, vec![RecordData::Txt(vec![b"v=STS".to_vec(), b"v1; \xff".to_vec()])], 30),
        (
            RecordKind::Tlsa,
            vec![RecordData::Tlsa { usage: 3, selector: 1, matching: 1, data: vec![7; 32] }],
            60,
        ),
        (
            RecordKind::Caa,
            vec![RecordData::Caa { flags: 128, tag: "issue".to_owned(), value: b"ca.example.".to_vec() }],
            60,
        ),
    ];
    for (kind, records, ttl) in table {
        let found = answer(ask(&server, "T.example.", kind).await);
        assert_eq!(found.records, records);
        assert_eq!(
            (found.ttl, found.security, found.aliases.len()),
            (ttl, Security::Insecure, 0),
            "{kind:?}"
        );
    }
}

#[tokio::test]
async fn no_data_no_name_and_trouble_are_three_things() {
    let server = Server::start(|asked| {
        let mut message = asked.answer();
        message.add_authority(soa("example", 600, if asked.name() == "nodata.example" { 300 } else { 900 }));
        match asked.name().as_str() {
            "nodata.example" => {}
            "soaless.example" => message.authorities.clear(),
            "foreign.example" => message.authorities[0].name = server::name("test"),
            "noname.example" => message.metadata.response_code = ResponseCode::NXDomain,
            _ => return asked.code(ResponseCode::Refused),
        }
        vec![packet(&message)]
    })
    .await;
    for (name, name_exists, ttl) in [
        ("nodata.example", true, 300),
        ("noname.example", false, 600),
        ("soaless.example", true, 0),
        ("foreign.example", true, 0),
    ] {
        let absence = absence(ask(&server, name, RecordKind::Mx).await);
        assert_eq!((absence.name_exists, absence.ttl), (name_exists, ttl), "{name}");
    }
    let trouble = failure(ask(&server, "refused.example", RecordKind::Mx).await);
    assert_eq!(trouble, DnsFailure::Server("REFUSED".to_owned()));
}

#[tokio::test]
async fn packets_that_do_not_answer_the_question_are_passed_over() {
    let server = Server::start(|asked| {
        let right = asked.records(vec![a("t.example", 60)]).remove(0);
        let forged = |change: fn(&mut Vec<u8>)| {
            let mut packet = asked
                .records(vec![record("t.example", 9, RData::A("203.0.113.66".parse().unwrap()))])
                .remove(0);
            change(&mut packet);
            packet
        };
        vec![
            Vec::new(),
            b"garbage".to_vec(),
            vec![0xff; 600],
            forged(|packet| packet[0] ^= 1),
            forged(|packet| packet[1] ^= 1),
            forged(|packet| packet[2] ^= 0x80),
            forged(|packet| packet[13] ^= 1),
            forged(|packet| packet[5] = 0),
            right,
        ]
    })
    .await;
    let found = answer(ask(&server, "t.example", RecordKind::A).await);
    assert_eq!(found.records, [RecordData::A("192.0.2.7".parse().unwrap())]);
    assert_eq!(server.questions(), 1);
}

#[tokio::test]
async fn a_flood_of_stray_packets_ends_the_try() {
    let server = Server::start(|_| vec![b"stray".to_vec(); 200]).await;
    assert!(matches!(failure(ask(&server, "t.example", RecordKind::A).await), DnsFailure::Malformed(_)));
}

#[tokio::test]
async fn sixty_three_stray_packets_are_borne() {
    let server = Server::start(|asked| {
        let mut packets = vec![b"stray".to_vec(); 63];
        packets.extend(asked.records(vec![a("t.example", 60)]));
        packets
    })
    .await;
    answer(ask(&server, "t.example", RecordKind::A).await);
}

#[tokio::test]
async fn a_thousand_records_are_read_and_not_one_more() {
    for (number, is_read) in [(1_000, true), (1_001, false)] {
        let server = Server::start(move |asked| {
            let mut message = asked.answer();
            message.metadata.truncation = !asked.tcp;
            message.add_answers((0..if asked.tcp { number } else { 0 }).map(|_| a("t.example", 60)));
            vec![packet(&message)]
        })
        .await;
        assert_eq!(ask(&server, "t.example", RecordKind::A).await.addresses().len() == number, is_read);
    }
}

#[tokio::test]
async fn more_questions_than_may_be_under_way_wait_their_turn() {
    let server = Server::start(|asked| asked.records(vec![a(&asked.name(), 60)])).await;
    let resolver = resolver(&[server.address]);
    let names: Vec<String> = (0..1_000).map(|number| format!("n{number}.example")).collect();
    let many = names.iter().map(|name| resolver.look_up(name, RecordKind::A));
    let replies = futures_util::future::join_all(many).await;
    assert!(replies.iter().all(|reply| reply.addresses().len() == 1));
}

#[tokio::test]
async fn ids_differ_and_the_source_port_is_renewed() {
    let server = Server::start(|asked| asked.records(vec![a("t.example", 60)])).await;
    let resolver = resolver(&[server.address]);
    for _ in 0..129 {
        answer(resolver.look_up("t.example", RecordKind::A).await);
    }
    // Two questions in 129 have one id by chance now and then; ten in a row have not.
    assert!(server.ids().len() > 120, "{:?}", server.ids());
    assert_eq!(server.ports().len(), 3);
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_no_absence() {
    let server = Server::start(|asked| {
        let mut packet = asked.records(vec![a("t.example", 60)]).remove(0);
        match asked.name().as_str() {
            "cut.example" => packet.truncate(packet.len() - 3),
            "many.example" => packet[6] = 0x7f,
            _ => packet[7] = 2,
        }
        vec![packet]
    })
    .await;
    for name in ["cut.example", "many.example", "short.example"] {
        assert!(
            matches!(failure(ask(&server, name, RecordKind::A).await), DnsFailure::Malformed(_)),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_cut_answer_is_asked_for_again_by_tcp() {
    let server = Server::start(|asked| {
        let mut message = asked.answer();
        message.metadata.truncation = !asked.tcp;
        if asked.tcp {
            let long = vec![b'x'; 255];
            message.add_answers((0..230).map(|_| txt("t.example", 60, &[&long])));
        }
        vec![packet(&message)]
    })
    .await;
    let found = answer(ask(&server, "t.example", RecordKind::Txt).await);
    assert_eq!(found.records.len(), 230);
    assert_eq!(server.questions(), 2);
}

#[tokio::test]
async fn what_is_cut_by_tcp_too_or_breaks_off_is_unusable() {
    let server = Server::start(|asked| {
        let mut message = asked.answer();
        message.metadata.truncation = true;
        if asked.tcp && asked.name() == "ends.example" { Vec::new() } else { vec![packet(&message)] }
    })
    .await;
    for name in ["cut.example", "ends.example"] {
        let failure = failure(ask(&server, name, RecordKind::Txt).await);
        assert!(matches!(failure, DnsFailure::Malformed(_)), "{name}: {failure:?}");
    }
}

/// `links` aliases from the asked name on, then an address.
fn chain(asked: &Asked, links: usize, in_one: bool) -> Vec<Vec<u8>> {
    let own = |number: usize| format!("l{number}.example");
    let first: usize = asked.name()[1..].trim_end_matches(".example").parse().unwrap();
    let last = if in_one { links } else { links.min(first + 1) };
    let mut records: Vec<_> = (first..last).map(|number| alias(&own(number), 60, &own(number + 1))).collect();
    if first == links || in_one {
        records.push(a(&own(links), 60));
    }
    records.reverse(); // the order of records tells nothing
    asked.records(records)
}

/// Proves: S1
#[tokio::test]
async fn sixteen_aliases_are_followed_and_no_more() {
    for in_one in [true, false] {
        let server = Server::start(move |asked| chain(asked, 16, in_one)).await;
        let found = answer(ask(&server, "l0.example", RecordKind::A).await);
        assert_eq!(found.aliases.len(), 16);
        assert_eq!(found.aliases[15], "l16.example");
        let server = Server::start(move |asked| chain(asked, 17, in_one)).await;
        let reply = ask(&server, "l0.example", RecordKind::A).await;
        assert!(matches!(failure(reply), DnsFailure::Malformed(text) if text.contains("more than 16")));
    }
}

#[tokio::test]
async fn aliases_that_go_round_are_an_error() {
    let server = Server::start(|asked| match asked.name().as_str() {
        "self.example" => asked.records(vec![alias("self.example", 9, "SELF.example")]),
        "a.example" => {
            asked.records(vec![alias("a.example", 9, "b.example"), alias("b.example", 9, "a.example")])
        }
        "c.example" => asked.records(vec![alias("c.example", 9, "d.example")]),
        _ => asked.records(vec![alias("d.example", 9, "c.example")]),
    })
    .await;
    for name in ["self.example", "a.example", "c.example"] {
        let failure = failure(ask(&server, name, RecordKind::A).await);
        assert!(
            matches!(&failure, DnsFailure::Malformed(text) if text.contains("go round")),
            "{name}: {failure:?}"
        );
    }
}

#[tokio::test]
async fn nothing_at_the_end_of_aliases_is_an_absence_with_the_aliases() {
    let server = Server::start(|asked| {
        let mut message = asked.answer();
        message.add_answer(alias("t.example", 20, "gone.test"));
        message.metadata.response_code = ResponseCode::NXDomain;
        message.add_authority(soa("test", 600, 300));
        vec![packet(&message)]
    })
    .await;
    let absence = absence(ask(&server, "t.example", RecordKind::A).await);
    assert_eq!(absence.aliases, ["gone.test"]);
    assert!(!absence.name_exists);
    assert_eq!(absence.ttl, 20);
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_given_up_after_ten_seconds() {
    let server = Server::start(|_| Vec::new()).await;
    let begin = Instant::now();
    assert_eq!(failure(ask(&server, "t.example", RecordKind::A).await), DnsFailure::TimedOut);
    assert_eq!(begin.elapsed().as_secs(), 10);
    // At 0, 1, 3 and 7 seconds.
    assert_eq!(server.questions(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_question_is_tried_again_with_another_id_and_port() {
    let server =
        Server::start(
            |asked| if asked.number == 2 { asked.records(vec![a("t.example", 1)]) } else { vec![] },
        )
        .await;
    answer(ask(&server, "t.example", RecordKind::A).await);
    assert_eq!(server.questions(), 3);
}

#[tokio::test]
async fn the_next_server_is_asked_where_one_cannot_say() {
    let good = Server::start(|asked| asked.records(vec![a("t.example", 1)])).await;
    let bad = Server::start(|asked| asked.code(ResponseCode::ServFail)).await;
    let closed = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let resolver = resolver(&[closed, bad.address, good.address]);
    answer(resolver.look_up("t.example", RecordKind::A).await);
    assert_eq!((bad.questions(), good.questions()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_one_server_says_is_not_lost_behind_the_silence_of_others() {
    let refusing = Server::start(|asked| asked.code(ResponseCode::Refused)).await;
    let (one, other) = (Server::start(|_| Vec::new()).await, Server::start(|_| Vec::new()).await);
    for servers in [[&refusing, &one, &other], [&one, &refusing, &other], [&one, &other, &refusing]] {
        let resolver = resolver(&servers.map(|server| server.address));
        let trouble = failure(resolver.look_up("t.example", RecordKind::A).await);
        assert_eq!(trouble, DnsFailure::Server("REFUSED".to_owned()));
    }
}

#[tokio::test]
async fn where_no_server_can_be_reached_nobody_waits() {
    let closed = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let begin = Instant::now();
    let reply = resolver(&[closed]).look_up("t.example", RecordKind::A).await;
    assert_eq!(failure(reply), DnsFailure::TimedOut);
    assert!(begin.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_name_that_dns_cannot_hold_is_not_asked_for() {
    let server = Server::start(|asked| asked.code(ResponseCode::NoError)).await;
    let names = ["", ".", "a..b", "bücher.example", &"a".repeat(64), &"abcdefg.".repeat(33)];
    for name in names {
        assert!(matches!(failure(ask(&server, name, RecordKind::A).await), DnsFailure::Name(_)), "{name}");
    }
    assert_eq!(server.questions(), 0);
}

#[tokio::test]
async fn odd_bytes_in_names_are_escaped_and_can_be_asked_for() {
    let server = Server::start(|asked| match asked.kind() {
        RecordType::MX => {
            let odd = hickory_proto::rr::Name::from_labels([b"a b.\x00<".as_slice(), b"example"]).unwrap();
            asked.records(vec![record("t.example", 9, RData::MX(hickory_proto::rr::rdata::MX::new(1, odd)))])
        }
        _ => {
            let mut owned = a("x", 9);
            owned.name = asked.message.queries[0].name().clone();
            asked.records(vec![owned])
        }
    })
    .await;
    let reply = ask(&server, "t.example", RecordKind::Mx).await;
    let (_, exchange) = reply.mx()[0];
    assert_eq!(exchange, r"a\032b\046\000\060.example");
    answer(ask(&server, exchange, RecordKind::A).await);
}

#[test]
fn a_resolver_without_a_server_or_with_a_bad_probe_name_is_refused() {
    let none = Resolver::new(&Config::new(Vec::new(), Trust::Off));
    assert!(matches!(none.err(), Some(ConfigError::NoServer)));
    let mut config = Config::new(vec!["127.0.0.1:53".parse().unwrap()], Trust::Off);
    config.probe_name = Some("a..b".to_owned());
    assert!(matches!(Resolver::new(&config).err(), Some(ConfigError::ProbeName(_))));
}

#[test]
fn no_answer_however_broken_ends_in_a_panic_or_in_another_record() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let changes = proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8);
    let strategy = (changes, any::<proptest::sample::Index>()).prop_map(|input| input);
    let outcome = runner.run(&strategy, |(changes, cut)| {
        runtime.block_on(async {
            let server = Server::start(move |asked| {
                let mut records =
                    vec![alias("t.example", 60, "u.example"), mx("u.example", 60, 1, "mx.example")];
                records.push(txt("u.example", 60, &[b"text"]));
                let mut packet = asked.records(records).remove(0);
                for (at, byte) in &changes {
                    // Behind id and flags, so that it stays an answer.
                    let at = 4 + at.index(packet.len() - 4);
                    packet[at] = *byte;
                }
                let longest = packet.len() + 1;
                packet.truncate(longest.saturating_sub(cut.index(8)));
                vec![packet]
            })
            .await;
            let reply = ask(&server, "t.example", RecordKind::Mx).await;
            assert!(reply.mx().len() <= 1);
        });
        Ok(())
    });
    outcome.unwrap();
}
