//! DNS that does not answer, or answers what does not verify, name by name.

use tlsward_engine::ports::RecordKind;

use super::{Base, Fault, fault, on, slow};
use crate::world::{DnsTrouble, World};

fn disturb(world: &mut World, name: &str, trouble: DnsTrouble) {
    world.disturb(name, None, trouble);
}

pub(super) static LIST: &[Fault] = &[
    fault(
        "dns-record-servfail",
        "SERVFAIL for the MTA-STS record",
        |world, domain| disturb(world, &format!("_mta-sts.{domain}"), DnsTrouble::ServFail),
        "unknown",
        &["dns-failed"],
    ),
    fault(
        "dns-record-refused",
        "REFUSED for the MTA-STS record",
        |world, domain| disturb(world, &format!("_mta-sts.{domain}"), DnsTrouble::Refused),
        "unknown",
        &["dns-failed"],
    ),
    slow(fault(
        "dns-record-silent",
        "nobody answers for the MTA-STS record",
        |world, domain| disturb(world, &format!("_mta-sts.{domain}"), DnsTrouble::Silent),
        "unknown",
        &["dns-failed"],
    )),
    slow(fault(
        "dns-outage",
        "no name server of the domain answers",
        |world, domain| {
            disturb(world, domain, DnsTrouble::Silent);
            for label in ["_mta-sts", "mta-sts", "_smtp._tls", "mx1", "mx2"] {
                disturb(world, &format!("{label}.{domain}"), DnsTrouble::Silent);
            }
        },
        "unknown",
        &["dns-failed"],
    )),
    fault(
        "dns-policy-host-servfail",
        "SERVFAIL for the policy host",
        |world, domain| disturb(world, &format!("mta-sts.{domain}"), DnsTrouble::ServFail),
        "unknown",
        &["dns-failed"],
    ),
    fault(
        "dns-mx-servfail",
        "SERVFAIL for the MX records",
        |world, domain| world.disturb(domain, Some(RecordKind::Mx), DnsTrouble::ServFail),
        "unknown",
        &["dns-failed"],
    ),
    fault(
        "dns-mx-host-servfail",
        "SERVFAIL for one of the MX hosts",
        |world, domain| disturb(world, &format!("mx2.{domain}"), DnsTrouble::ServFail),
        "unknown",
        &["dns-failed"],
    ),
    fault(
        "dns-tlsrpt-servfail",
        "SERVFAIL for the TLSRPT record",
        |world, domain| disturb(world, &format!("_smtp._tls.{domain}"), DnsTrouble::ServFail),
        "delivers",
        &["dns-failed"],
    ),
    on(
        Base::Signed,
        fault(
            "dns-record-bogus",
            "a forged MTA-STS record",
            |world, domain| disturb(world, &format!("_mta-sts.{domain}"), DnsTrouble::Bogus),
            "unknown",
            &["dns-bogus"],
        ),
    ),
    on(
        Base::Signed,
        fault(
            "dns-mx-bogus",
            "forged MX records",
            |world, domain| world.disturb(domain, Some(RecordKind::Mx), DnsTrouble::Bogus),
            "unknown",
            &["dns-bogus"],
        ),
    ),
    on(
        Base::Signed,
        fault(
            "dns-mx-host-bogus",
            "forged addresses of one of the MX hosts",
            |world, domain| disturb(world, &format!("mx2.{domain}"), DnsTrouble::Bogus),
            "unknown",
            &["dns-bogus"],
        ),
    ),
];
