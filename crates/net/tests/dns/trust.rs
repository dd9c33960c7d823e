//! Whose word on DNSSEC is taken, what is done where it cannot be had, and what is kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use tlsward_engine::ports::{Dns as _, DnsFailure, Dnssec, RecordKind, Security};
use tlsward_net::dns::{Config, Resolver, Trust};
use tokio::time::advance;

use super::server::{Asked, Server, a, alias, packet, soa, txt};
use super::{absence, answer, failure};

fn trusting(server: &Server) -> Resolver {
    let config = Config {
        cache: false,
        probe_name: Some("signed.example".to_owned()),
        ..Config::new(vec![server.address], Trust::AuthenticData)
    };
    Resolver::new(&config).unwrap()
}

fn is_probe(asked: &Asked) -> bool {
    asked.kind() == RecordType::SOA
}

fn unusable(dnssec: Dnssec) -> String {
    match dnssec {
        Dnssec::Unusable(text) => text,
        other => panic!("{other:?}"),
    }
}

/// A resolver that validates: AD where the name is signed.
async fn validating() -> Server {
    Server::start(|asked| {
        assert!(asked.message.metadata.authentic_data || asked.wants_data_all_the_same());
        let name = asked.name();
        if is_probe(asked) {
            return asked.authentic(vec![soa("signed.example", 60, 60)]);
        }
        let target = |records| {
            if name.starts_with("signed") { asked.authentic(records) } else { asked.records(records) }
        };
        match (name.as_str(), asked.kind()) {
            ("signed.example", RecordType::MX) => asked.authentic(Vec::new()),
            // The first link is signed, what it leads to is not.
            ("half.example", RecordType::CNAME) => {
                asked.authentic(vec![alias("half.example", 60, "plain.example")])
            }
            ("half.example" | "half-in-two.example", _) if asked.kind() != RecordType::CNAME => {
                let first = alias(&name, 60, "plain.example");
                if name == "half.example" {
                    asked.records(vec![first, a("plain.example", 60)])
                } else {
                    asked.authentic(vec![first])
                }
            }
            ("unsigned-alias.example", RecordType::CNAME) => {
                asked.records(vec![alias(&name, 60, "signed.example")])
            }
            ("unsigned-alias.example", _) => {
                asked.records(vec![alias(&name, 60, "signed.example"), a("signed.example", 60)])
            }
            ("forged.example", _) if asked.wants_data_all_the_same() => {
                asked.records(vec![a("forged.example", 60)])
            }
            ("explained.example", _) if asked.wants_data_all_the_same() => {
                asked.records(vec![a("explained.example", 60)])
            }
            ("explained.example", _) => {
                let mut message = asked.answer();
                message.metadata.response_code = ResponseCode::ServFail;
                let mut edns = hickory_proto::op::Edns::new();
                edns.options_mut()
                    .insert(EdnsOption::Unknown(u16::from(EdnsCode::from(15)), b"\0\x07<b>\x1b[1m".to_vec()));
                message.set_edns(edns);
                vec![packet(&message)]
            }
            ("forged.example" | "down.example", _) => asked.code(ResponseCode::ServFail),
            _ => target(vec![a(&name, 60)]),
        }
    })
    .await
}

/// Proves: K1
#[tokio::test]
async fn a_validating_resolver_on_this_machine_is_believed() {
    let server = validating().await;
    let resolver = trusting(&server);
    unusable(resolver.dnssec());
    let signed = answer(resolver.look_up("signed.example", RecordKind::A).await);
    assert_eq!((signed.security, signed.first_security), (Security::Secure, Security::Secure));
    assert_eq!(resolver.dnssec(), Dnssec::TrustedResolver);
    let plain = answer(resolver.look_up("plain.example", RecordKind::A).await);
    assert_eq!((plain.security, plain.first_security), (Security::Insecure, Security::Insecure));
    assert_eq!(absence(resolver.look_up("signed.example", RecordKind::Mx).await).security, Security::Secure);
}

/// Proves: K1
#[tokio::test]
async fn the_first_link_of_aliases_has_a_status_of_its_own() {
    let server = validating().await;
    let resolver = trusting(&server);
    for (name, first) in [
        ("half.example", Security::Secure),
        ("half-in-two.example", Security::Secure),
        ("unsigned-alias.example", Security::Insecure),
    ] {
        let found = answer(resolver.look_up(name, RecordKind::A).await);
        assert_eq!((found.security, found.first_security), (Security::Insecure, first), "{name}");
    }
}

/// Proves: K1
#[tokio::test]
async fn forged_behind_a_validating_resolver_is_told_apart_from_an_outage() {
    let server = validating().await;
    let resolver = trusting(&server);
    let reply = resolver.look_up("forged.example", RecordKind::A).await;
    assert!(matches!(failure(reply), DnsFailure::Bogus(_)));
    let reply = resolver.look_up("explained.example", RecordKind::A).await;
    let words = "signature expired: <b>?[1m".to_owned();
    assert_eq!(failure(reply), DnsFailure::Bogus(words), "what a server says is made printable");
    let reply = resolver.look_up("down.example", RecordKind::A).await;
    assert_eq!(failure(reply), DnsFailure::Server("SERVFAIL".to_owned()));
}

/// Proves: K1
#[tokio::test]
async fn what_one_resolver_holds_forged_is_not_asked_of_one_that_does_not_validate() {
    let (validating, washing) =
        (validating().await, Server::start(|asked| asked.records(vec![a(&asked.name(), 60)])).await);
    let config = Config {
        cache: false,
        probe_name: Some("signed.example".to_owned()),
        ..Config::new(vec![validating.address, washing.address], Trust::AuthenticData)
    };
    let resolver = Resolver::new(&config).unwrap();
    assert_eq!(resolver.probe().await, Dnssec::TrustedResolver);
    let forged = failure(resolver.look_up("forged.example", RecordKind::A).await);
    assert!(matches!(forged, DnsFailure::Bogus(_)), "{forged:?}");
    let down = failure(resolver.look_up("down.example", RecordKind::A).await);
    assert_eq!(down, DnsFailure::Server("SERVFAIL".to_owned()));
    assert_eq!(washing.questions(), 0);
}

/// Proves: K1
#[tokio::test]
async fn a_validating_resolver_that_cannot_resolve_the_probe_shows_itself_by_its_answers() {
    let server = Server::start(|asked| match asked.name().as_str() {
        "signed.test" => asked.authentic(vec![a("signed.test", 60)]),
        "plain.test" => asked.records(vec![a("plain.test", 60)]),
        _ => asked.code(ResponseCode::ServFail),
    })
    .await;
    let resolver = trusting(&server);
    let text = unusable(resolver.probe().await);
    assert!(text.contains("could not be told yet"), "{text}");
    let plain = answer(resolver.look_up("plain.test", RecordKind::A).await);
    assert_eq!(plain.security, Security::Insecure);
    unusable(resolver.dnssec());
    let signed = answer(resolver.look_up("signed.test", RecordKind::A).await);
    assert_eq!(signed.security, Security::Secure);
    assert_eq!(resolver.dnssec(), Dnssec::TrustedResolver);
}

#[tokio::test]
async fn a_resolver_that_sets_ad_only_with_signatures_is_asked_for_them() {
    let server = Server::start(|asked| {
        let records = if is_probe(asked) { Vec::new() } else { vec![a("signed.example", 60)] };
        if asked.dnssec_ok() { asked.authentic(records) } else { asked.records(records) }
    })
    .await;
    let resolver = trusting(&server);
    let signed = answer(resolver.look_up("signed.example", RecordKind::A).await);
    assert_eq!(signed.security, Security::Secure);
}

/// Proves: K1
#[tokio::test(start_paused = true)]
async fn a_resolver_that_strips_dnssec_is_found_and_believed_again_when_it_is_mended() {
    let strips = Arc::new(AtomicBool::new(true));
    let server = {
        let strips = Arc::clone(&strips);
        Server::start(move |asked| {
            let records = if is_probe(asked) { Vec::new() } else { vec![a("signed.example", 60)] };
            if strips.load(Ordering::SeqCst) { asked.records(records) } else { asked.authentic(records) }
        })
        .await
    };
    let resolver = trusting(&server);
    let text = unusable(resolver.probe().await);
    assert!(text.contains("signed.example") && text.contains("DANE is out of use"), "{text}");
    // Mail goes on.
    let found = answer(resolver.look_up("signed.example", RecordKind::A).await);
    assert_eq!(found.security, Security::Insecure);
    strips.store(false, Ordering::SeqCst);
    advance(Duration::from_secs(61)).await;
    // Begins the next probe, and does not wait for it.
    answer(resolver.look_up("signed.example", RecordKind::A).await);
    while resolver.dnssec() != Dnssec::TrustedResolver {
        tokio::task::yield_now().await;
    }
    let found = answer(resolver.look_up("signed.example", RecordKind::A).await);
    assert_eq!(found.security, Security::Secure);
    strips.store(true, Ordering::SeqCst);
    unusable(resolver.probe().await);
}

/// Proves: K1
#[tokio::test(start_paused = true)]
async fn an_outage_neither_turns_dnssec_off_nor_makes_answers_insecure() {
    let mode = Arc::new(AtomicUsize::new(0));
    let server = {
        let mode = Arc::clone(&mode);
        Server::start(move |asked| match (mode.load(Ordering::SeqCst), is_probe(asked)) {
            (0, true) => Vec::new(),
            (1, true) => asked.code(ResponseCode::ServFail),
            (_, true) => asked.authentic(Vec::new()),
            (_, false) => asked.records(vec![a("signed.example", 60)]),
        })
        .await
    };
    let resolver = trusting(&server);
    // Silence: nothing can be told, so mail waits.
    assert_eq!(failure(resolver.look_up("signed.example", RecordKind::A).await), DnsFailure::TimedOut);
    unusable(resolver.dnssec());
    mode.store(2, Ordering::SeqCst);
    assert_eq!(resolver.probe().await, Dnssec::TrustedResolver);
    for outage in [0, 1] {
        mode.store(outage, Ordering::SeqCst);
        assert!(matches!(resolver.probe().await, Dnssec::TrustedResolver | Dnssec::Unusable(_)));
        if outage == 1 {
            assert_eq!(resolver.dnssec(), Dnssec::TrustedResolver);
        }
        mode.store(2, Ordering::SeqCst);
        assert_eq!(resolver.probe().await, Dnssec::TrustedResolver);
    }
}

/// How a resolver may go wrong for a while at the probe's name.
fn fault(which: usize, asked: &Asked) -> Vec<Vec<u8>> {
    let code = match which {
        0 if asked.wants_data_all_the_same() => return asked.records(vec![soa("signed.example", 60, 60)]),
        0 => ResponseCode::ServFail,
        1 => ResponseCode::Refused,
        2 => ResponseCode::FormErr,
        3 => ResponseCode::NotImp,
        _ => {
            let mut packet = asked.records(vec![soa("signed.example", 60, 60)]).remove(0);
            packet.truncate(packet.len() - 3);
            return vec![packet];
        }
    };
    asked.code(code)
}

/// Proves: K1
#[tokio::test]
async fn a_fault_of_the_resolver_leaves_standing_that_dnssec_works() {
    for plain_is_answered in [false, true] {
        for which in 0..5 {
            let is_faulty = Arc::new(AtomicBool::new(false));
            let server = {
                let is_faulty = Arc::clone(&is_faulty);
                Server::start(move |asked| {
                    let spared = plain_is_answered && !asked.message.metadata.authentic_data;
                    if is_probe(asked) && is_faulty.load(Ordering::SeqCst) && !spared {
                        return fault(which, asked);
                    }
                    asked.authentic(vec![a("signed.example", 60)])
                })
                .await
            };
            let resolver = trusting(&server);
            assert_eq!(resolver.probe().await, Dnssec::TrustedResolver);
            is_faulty.store(true, Ordering::SeqCst);
            assert_eq!(resolver.probe().await, Dnssec::TrustedResolver, "{which} {plain_is_answered}");
            let found = answer(resolver.look_up("signed.example", RecordKind::A).await);
            assert_eq!(found.security, Security::Secure, "{which} {plain_is_answered}");
        }
    }
}

/// Proves: K1
#[tokio::test]
async fn a_resolver_that_fails_at_the_probe_from_the_start_is_used_with_what_it_answers() {
    for which in 0..5 {
        let server = Server::start(move |asked| match asked.name().as_str() {
            "signed.private" => asked.authentic(vec![a("signed.private", 60)]),
            "plain.private" => asked.records(vec![a("plain.private", 60)]),
            _ => fault(which, asked),
        })
        .await;
        let resolver = trusting(&server);
        unusable(resolver.probe().await);
        let plain = answer(resolver.look_up("plain.private", RecordKind::A).await);
        assert_eq!(plain.security, Security::Insecure, "{which}");
        let signed = answer(resolver.look_up("signed.private", RecordKind::A).await);
        assert_eq!(signed.security, Security::Secure, "{which}");
        assert_eq!(resolver.dnssec(), Dnssec::TrustedResolver, "{which}");
    }
}

#[tokio::test]
async fn a_resolver_that_refuses_whatever_speaks_of_dnssec_is_named_as_such_and_used_without() {
    let server = Server::start(|asked| {
        if asked.message.metadata.authentic_data {
            return asked.code(ResponseCode::FormErr);
        }
        asked.records(vec![a("plain.example", 60)])
    })
    .await;
    let resolver = trusting(&server);
    let text = unusable(resolver.probe().await);
    assert!(text.contains("not where DNSSEC is asked for (DNS answered FORMERR)"), "{text}");
    answer(resolver.look_up("plain.example", RecordKind::A).await);
}

#[tokio::test(start_paused = true)]
async fn a_resolver_that_drops_questions_about_dnssec_is_named_as_such() {
    let server = Server::start(|asked| {
        if asked.message.metadata.authentic_data { Vec::new() } else { asked.records(Vec::new()) }
    })
    .await;
    let resolver = trusting(&server);
    let text = unusable(resolver.probe().await);
    assert!(text.contains("not where DNSSEC is asked for"), "{text}");
}

/// Proves: K1
#[tokio::test]
async fn a_resolver_elsewhere_is_not_believed() {
    let config = Config::new(vec!["192.0.2.53:53".parse().unwrap()], Trust::AuthenticData);
    let resolver = Resolver::new(&config).unwrap();
    let text = unusable(resolver.probe().await);
    assert!(text.contains("192.0.2.53 is not on a loopback address"), "{text}");
}

#[tokio::test]
async fn where_one_resolver_is_here_only_that_one_is_asked() {
    let server = validating().await;
    let servers = vec!["192.0.2.53:53".parse().unwrap(), server.address];
    let config = Config {
        probe_name: Some("signed.example".to_owned()),
        ..Config::new(servers, Trust::AuthenticData)
    };
    let resolver = Resolver::new(&config).unwrap();
    assert_eq!(resolver.probe().await, Dnssec::TrustedResolver);
}

#[tokio::test]
async fn where_dnssec_is_off_no_answer_is_secure() {
    let server = Server::start(|asked| asked.authentic(vec![a("t.example", 9)])).await;
    let resolver = Resolver::new(&Config::new(vec![server.address], Trust::Off)).unwrap();
    assert_eq!(answer(resolver.look_up("t.example", RecordKind::A).await).security, Security::Insecure);
    assert_eq!(resolver.probe().await, Dnssec::Off);
}

#[tokio::test]
async fn many_askers_of_one_question_ask_once() {
    let server = Server::start(|asked| asked.records(vec![a("mx.example", 60)])).await;
    let resolver = Resolver::new(&Config::new(vec![server.address], Trust::Off)).unwrap();
    let many = (0..1_000).map(|_| resolver.look_up("mx.example", RecordKind::A));
    let replies = futures_util::future::join_all(many).await;
    assert!(replies.iter().all(|reply| reply.addresses().len() == 1));
    answer(resolver.look_up("MX.example.", RecordKind::A).await);
    assert_eq!(server.questions(), 1);
    answer(resolver.clone().look_up("mx.example", RecordKind::A).await);
    assert_eq!(server.questions(), 1);
}

#[tokio::test]
async fn an_asker_who_gives_up_takes_nobody_with_him() {
    let server =
        Server::start(
            |asked| if asked.number == 0 { vec![] } else { asked.records(vec![a("t.example", 60)]) },
        )
        .await;
    let resolver = Resolver::new(&Config::new(vec![server.address], Trust::Off)).unwrap();
    let mut first = Box::pin(resolver.look_up("t.example", RecordKind::A));
    assert!(futures_util::poll!(&mut first).is_pending());
    let mut second = Box::pin(resolver.look_up("t.example", RecordKind::A));
    assert!(futures_util::poll!(&mut second).is_pending());
    drop(first);
    answer(second.await);
    let mut third = Box::pin(resolver.look_up("u.example", RecordKind::A));
    assert!(futures_util::poll!(&mut third).is_pending());
    drop(third);
    // Given up by all: the next one asks anew.
    assert!(matches!(
        resolver.look_up("u.example", RecordKind::A).await,
        tlsward_engine::ports::DnsReply::Absent(_)
    ));
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_kept_for_its_ttl_and_tells_what_is_left_of_it() {
    let server = Server::start(|asked| match asked.name().as_str() {
        "gone.example" => {
            let mut message = asked.answer();
            message.add_authority(soa("example", 30, 30));
            vec![packet(&message)]
        }
        "refused.example" => asked.code(ResponseCode::Refused),
        name => asked.records(vec![a(name, if name == "brief.example" { 0 } else { 60 })]),
    })
    .await;
    let resolver = Resolver::new(&Config::new(vec![server.address], Trust::Off)).unwrap();
    let ask = |name: &'static str| resolver.look_up(name, RecordKind::A);
    for (name, kept_seconds) in
        [("t.example", 60), ("gone.example", 30), ("refused.example", 5), ("brief.example", 0)]
    {
        let before = server.questions();
        let first = ask(name).await;
        if kept_seconds > 0 {
            advance(Duration::from_secs(kept_seconds - 1)).await;
            let kept = ask(name).await;
            assert_eq!(server.questions(), before + 1, "{name}");
            assert_eq!(std::mem::discriminant(&kept), std::mem::discriminant(&first));
            if let tlsward_engine::ports::DnsReply::Found(kept) = kept {
                assert_eq!(kept.ttl, 1);
            }
            advance(Duration::from_secs(2)).await;
        }
        ask(name).await;
        assert_eq!(server.questions(), before + 2, "{name}");
    }
}

#[tokio::test]
async fn a_large_answer_is_not_kept() {
    for (strings, questions) in [(10, 1), (20, 2)] {
        let server = Server::start(move |asked| {
            let mut message = asked.answer();
            message.metadata.truncation = !asked.tcp;
            if asked.tcp {
                message.add_answer(txt("t.example", 60, &vec![[b'x'; 255].as_slice(); strings]));
            }
            vec![packet(&message)]
        })
        .await;
        let resolver = Resolver::new(&Config::new(vec![server.address], Trust::Off)).unwrap();
        for _ in 0..2 {
            assert_eq!(answer(resolver.look_up("t.example", RecordKind::Txt).await).records.len(), 1);
        }
        assert_eq!(server.questions(), 2 * questions, "{strings} strings");
    }
}

#[tokio::test]
async fn an_answer_behind_many_long_aliases_is_not_kept() {
    for (links, questions) in [(5, 1), (16, 2)] {
        let server = Server::start(move |asked| {
            let filler = ["f".repeat(63), "f".repeat(63), "f".repeat(63), "f".repeat(40)].join(".");
            let own = |number: usize| match number {
                0 => "t.example".to_owned(),
                _ => format!("l{number}.{filler}.example"),
            };
            let mut message = asked.answer();
            message.metadata.truncation = !asked.tcp;
            if asked.tcp {
                message.add_answers((0..links).map(|number| alias(&own(number), 60, &own(number + 1))));
                message.add_answer(a(&own(links), 60));
            }
            vec![packet(&message)]
        })
        .await;
        let resolver = Resolver::new(&Config::new(vec![server.address], Trust::Off)).unwrap();
        for _ in 0..2 {
            answer(resolver.look_up("t.example", RecordKind::A).await);
        }
        assert_eq!(server.questions(), 2 * questions, "{links} links");
    }
}
