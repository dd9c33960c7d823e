use RecordType as T;
use proptest::prelude::*;

use super::*;

fn signed() -> &'static Zone {
    static ZONE: std::sync::OnceLock<Arc<Zone>> = std::sync::OnceLock::new();
    ZONE.get_or_init(|| {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(zone(Some(key())))
    })
}

fn names() -> impl Strategy<Value = Name> {
    let known = ["", "_mta-sts.example.org.", "mta-sts.example.org.", "big.b.test.", "org."];
    let many = "[a-zA-Z_-]{1,63}(\\.[a-z]{1,3}){0,30}";
    prop_oneof![
        4 => prop::sample::select(known.to_vec()).prop_map(|name| Name::from_ascii(format!("{name}sts.example.")).ok()),
        1 => many.prop_map(|name| Name::from_ascii(format!("{name}.sts.example.")).ok()),
        2 => prop::collection::vec(prop::sample::select(vec![0, 1, b'*', b'@', b'[', b'a', b'Z', 254, 255]), 1..=63)
            .prop_map(|label| {
                let above = [b"example".as_slice(), b"org", b"sts", b"example"];
                let mut name = Name::from_labels(std::iter::once(label.as_slice()).chain(above)).ok()?;
                name.set_fqdn(true);
                Some(name)
            }),
    ]
    .prop_filter_map("too long", |name| name)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// Whatever comes: no panic, an answer that can be read and is no larger than it may be, or none.
    #[test]
    fn broken_questions_get_a_short_refusal_or_nothing(
        name in names(),
        kind in prop_oneof![any::<u16>(), prop::sample::select(vec![1, 5, 6, 16, 46, 47, 48, 255, 257])],
        size in prop::option::of(any::<u16>()),
        breaks in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
        tail in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let mut message = Message::query();
        message.add_query(Query::query(name, kind.into()));
        if let Some(size) = size {
            message.set_edns(edns(size, size % 2 == 0).unwrap());
        }
        let mut packet = message.to_vec().unwrap();
        for (at, octet) in &breaks {
            let at = at.index(packet.len());
            packet[at] = *octet;
        }
        if let Some(cut) = cut {
            packet.truncate(cut.index(packet.len()));
        }
        packet.extend(&tail);
        for (over, most) in [(Over::Udp, usize::from(MAX_UDP)), (Over::Tcp, 65535)] {
            if let Some(reply) = signed().answer(&packet, over, NOW) {
                prop_assert!(reply.packet.len() <= most);
                prop_assert_eq!(&reply.packet[..2], &packet[..2]);
                prop_assert!(reply.packet[2] & 0x80 != 0);
                if reply.outcome == Outcome::Malformed {
                    prop_assert_eq!(reply.packet.len(), 12);
                } else {
                    prop_assert!(Message::from_vec(&reply.packet).is_ok());
                }
            }
        }
        if let Some(cut) = Zone::truncated(&packet) {
            prop_assert!(cut.len() <= packet.len());
        }
        // And packets that never were one.
        let _ = signed().answer(&tail, Over::Udp, NOW);
    }
}

/// How many octets an answer over UDP has for one of the question, at most: the largest that a zone of ordinary records
/// gives away. Networks are limited to 400 answers a second besides.
#[tokio::test]
async fn an_answer_is_at_most_twelve_times_as_long_as_its_question() {
    let zone = zone(Some(key())).await;
    let mut worst = (0.0, String::new());
    for name in [
        "",
        "org.",
        "_mta-sts.example.org.",
        "mta-sts.example.org.",
        "_smtp._tls.example.org.",
        "policy.",
        "x.",
        "*.",
    ] {
        for kind in [T::A, T::TXT, T::NS, T::SOA, T::DNSKEY, T::CDS, T::CAA, T::ANY, T::NSEC, T::RRSIG, T::MX]
        {
            for edns in [None, edns(512, true), edns(1232, false), edns(1232, true)] {
                let packet = question(&format!("{name}sts.example"), kind, edns);
                let reply = zone.answer(&packet, Over::Udp, NOW).unwrap().packet;
                let factor = reply.len() as f64 / packet.len() as f64;
                if factor > worst.0 {
                    worst =
                        (factor, format!("{name}sts.example {kind}: {} to {}", packet.len(), reply.len()));
                }
            }
        }
    }
    assert!((9.0..=12.0).contains(&worst.0), "{worst:?}");
}

#[tokio::test]
async fn a_name_of_many_labels_costs_no_more_than_its_labels() {
    let zone = zone(Some(key())).await;
    let name = format!("{}.sts.example", ["a"; 120].join("."));
    let reply = zone.answer(&question(&name, T::A, edns(1232, true)), Over::Udp, NOW).unwrap();
    assert_eq!(reply.outcome, Outcome::NoName);
    let answer = Message::from_vec(&reply.packet).unwrap();
    let nsec = answer.authorities.iter().filter(|record| record.record_type() == T::NSEC);
    let owners: Vec<_> = nsec.map(|record| record.name.to_ascii()).collect();
    assert_eq!(
        owners,
        ["\\`\\377.sts.example.", "\\)\\377.sts.example."],
        "it is proven at the first label that is missing"
    );
}
