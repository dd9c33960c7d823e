//! DANE, and the DNSSEC under it.

use tlsward_engine::ports::{RecordData, RecordKind};

use super::{Base, Fault, fault, on};
use crate::world::{DnsTrouble, Signing, World};

fn tlsa(world: &mut World, host: &str, record: RecordData) {
    world.node(&format!("_25._tcp.{host}")).set(RecordKind::Tlsa, vec![record]);
}

fn stray(usage: u8) -> RecordData {
    RecordData::Tlsa { usage, selector: 1, matching: 1, data: vec![7; 32] }
}

fn zone(world: &mut World, domain: &str, signing: Signing) {
    if let Some(zone) = world.zones.get_mut(domain) {
        zone.signing = signing;
    }
}

pub(super) static LIST: &[Fault] = &[
    on(
        Base::Dane,
        fault(
            "dane-mismatch",
            "the TLSA record of one MX host is for an older key",
            |world, domain| tlsa(world, &format!("mx2.{domain}"), stray(3)),
            "at-risk",
            &["dane-mismatch"],
        ),
    ),
    on(
        Base::Dane,
        fault(
            "dane-unusable",
            "the TLSA record of one MX host has a usage that mail does not use",
            |world, domain| tlsa(world, &format!("mx2.{domain}"), stray(1)),
            "delivers",
            &["dane-unusable"],
        ),
    ),
    fault(
        "dane-unsigned",
        "TLSA records in a zone that is not signed",
        |world, domain| {
            for index in 1..=2 {
                tlsa(world, &format!("mx{index}.{domain}"), stray(3));
            }
        },
        "delivers",
        &["dane-unsigned"],
    ),
    on(
        Base::Dane,
        fault(
            "dane-partial",
            "one MX host has a TLSA record, the other has none",
            |world, domain| {
                world.node(&format!("_25._tcp.mx2.{domain}")).set(RecordKind::Tlsa, Vec::new());
            },
            "delivers",
            &["dane-partial"],
        ),
    ),
    on(
        Base::Dane,
        fault(
            "dane-lookup-fails",
            "the TLSA record of one MX host cannot be looked up",
            |world, domain| world.disturb(&format!("_25._tcp.mx2.{domain}"), None, DnsTrouble::ServFail),
            "at-risk",
            &["dane-lookup-failed"],
        ),
    ),
    on(
        Base::Dane,
        fault(
            "dane-beside-expired-certificate",
            "the certificate of one MX host ran out: DANE does not look at that, senders without DANE do",
            |world, domain| {
                world.edit_mx_certificate(domain, 1, |certificate, now| certificate.not_after = now - 86_400);
            },
            "at-risk",
            &["mx-certificate-expired"],
        ),
    ),
    on(
        Base::Dane,
        fault(
            "dnssec-bogus-zone",
            "every signature of the zone is forged",
            |world, domain| zone(world, domain, Signing::Bogus),
            "unknown",
            &["dns-bogus"],
        ),
    ),
    on(
        Base::Signed,
        fault(
            "dnssec-expired-zone",
            "every signature of the zone ran out",
            |world, domain| zone(world, domain, Signing::Expired),
            "unknown",
            &["dns-bogus"],
        ),
    ),
    on(
        Base::Signed,
        fault(
            "dnssec-island",
            "the zone above does not know that the zone is signed: no fault at all for mail",
            |world, domain| zone(world, domain, Signing::Island),
            "delivers",
            &[],
        ),
    ),
];
