//! What is signed, and how often. That the signatures are right, validators say in `tests/peers_zone`.

use hickory_proto::dnssec::rdata::DNSSECRData;
use hickory_proto::rr::RData;
use hickory_proto::serialize::binary::BinEncodable as _;

use RecordType as T;

use super::*;

const DAY: UnixTime = 86_400;

fn ask_signed(zone: &Zone, name: &str, kind: T, now: UnixTime) -> Message {
    let reply = zone.answer(&question(name, kind, edns(1232, true)), Over::Udp, now).unwrap();
    Message::from_vec(&reply.packet).unwrap()
}

/// Inception and expiration of the first signature in the answer, and itself.
fn signature(message: &Message) -> (UnixTime, UnixTime, Vec<u8>) {
    let signature = message.answers.iter().find_map(|record| match &record.data {
        RData::DNSSEC(DNSSECRData::RRSIG(signature)) => Some(signature),
        _ => None,
    });
    let (signature, bytes) = (signature.unwrap(), signature.unwrap().to_bytes().unwrap());
    let (from, to) = (signature.input().sig_inception.get(), signature.input().sig_expiration.get());
    (from.into(), to.into(), bytes)
}

#[tokio::test]
async fn signatures_and_proofs_come_with_the_do_bit_alone() {
    let zone = zone(Some(key())).await;
    let (name, none) = ("_mta-sts.example.org.sts.example", "none.example.org.sts.example");
    assert_eq!(kinds(&ask(&zone, name, T::TXT).answers), [T::TXT]);
    assert_eq!(kinds(&ask(&zone, none, T::TXT).authorities), [T::SOA]);
    assert_eq!(kinds(&ask_signed(&zone, name, T::TXT, NOW).answers), [T::TXT, T::RRSIG]);
    let absent = ask_signed(&zone, none, T::TXT, NOW);
    assert_eq!(kinds(&absent.authorities), [T::SOA, T::RRSIG, T::NSEC, T::RRSIG, T::NSEC, T::RRSIG]);
    assert_eq!(code(&absent), ResponseCode::NXDomain);
    let no_data = ask_signed(&zone, name, T::A, NOW);
    assert_eq!(kinds(&no_data.authorities), [T::SOA, T::RRSIG, T::NSEC, T::RRSIG]);
    assert_eq!(kinds(&ask_signed(&zone, "sts.example", T::ANY, NOW).answers), [T::SOA, T::RRSIG]);
    for kind in [T::DNSKEY, T::CDS, T::CDNSKEY, T::SOA] {
        assert_eq!(kinds(&ask_signed(&zone, "sts.example", kind, NOW).answers), [kind, T::RRSIG]);
    }
    assert_eq!(kinds(&ask_signed(&zone, "sts.example", T::DS, NOW).answers), [], "it is the parent's");
    assert_eq!(kinds(&ask(&zone, name, T::RRSIG).answers), [T::RRSIG]);
    assert_eq!(kinds(&ask(&zone, "org.sts.example", T::RRSIG).answers), [T::RRSIG]);
}

#[tokio::test]
async fn no_proof_names_a_domain_that_was_not_asked_for() {
    let zone = zone(Some(key())).await;
    for name in ["a.sts.example", "com.sts.example", "other.org.sts.example", "zz.example.org.sts.example"] {
        for kind in [T::A, T::NSEC] {
            let answer = ask_signed(&zone, name, kind, NOW);
            for record in answer.all_sections() {
                let text = record.to_string();
                for other in ["mail", "example.com.sts", "b.test", "_mta"] {
                    assert!(!text.contains(other), "{name}: {text}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_signature_is_kept_for_days_and_made_anew_days_before_it_ends() {
    let zone = zone(Some(key())).await;
    let name = "_mta-sts.example.org.sts.example";
    let (from, to, first) = signature(&ask_signed(&zone, name, T::TXT, NOW));
    assert!(from == NOW - 3600 && (8 * DAY..=9 * DAY).contains(&(to - NOW)));
    assert_eq!(signature(&ask_signed(&zone, name, T::TXT, NOW + 3 * DAY)).2, first);
    for days in [4, 8, 20, 300] {
        let now = NOW + days * DAY;
        let (from, to, _) = signature(&ask_signed(&zone, name, T::TXT, now));
        assert!(from < now && to >= now + 4 * DAY, "{days}");
    }
    // The clock was set back.
    let (from, _, _) = signature(&ask_signed(&zone, name, T::TXT, NOW));
    assert!(from < NOW);
    // Not all end at once.
    let ends = |domain: &str| {
        signature(&ask_signed(&zone, &format!("_mta-sts.{domain}.sts.example"), T::TXT, NOW)).1
    };
    assert!(ends("example.org") != ends("example.com") || ends("example.org") != ends("mail.example.org"));
}

#[tokio::test]
async fn names_that_strangers_invent_are_not_kept() {
    let zone = zone(Some(key())).await;
    let kept = || zone.signer.as_ref().unwrap().kept();
    ask_signed(&zone, "x.sts.example", T::A, NOW);
    let before = kept();
    for n in 0..100 {
        assert_eq!(
            code(&ask_signed(&zone, &format!("x{n}.a.sts.example"), T::A, NOW)),
            ResponseCode::NXDomain
        );
    }
    assert_eq!(kept(), before);
}

#[tokio::test]
async fn the_ds_record_is_said_as_the_parent_needs_it() {
    let zone = zone(Some(key())).await;
    let ds = zone.ds().unwrap();
    assert!(ds.starts_with("sts.example. 3600 IN DS ") && ds.contains(" 13 2 "), "{ds}");
    let cds = ask(&zone, "sts.example", T::CDS).answers[0].to_string();
    assert!(cds.to_uppercase().ends_with(ds.rsplit_once(' ').unwrap().1), "{cds}");
    assert!(super::zone(None).await.ds().is_none());
}
