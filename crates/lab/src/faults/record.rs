//! The `_mta-sts` record.

use tlsward_engine::ports::{RecordData, RecordKind};

use super::{Fault, fault};
use crate::world::World;

fn txt(world: &mut World, domain: &str, texts: &[&str]) {
    world.set_txt(&format!("_mta-sts.{domain}"), texts);
}

pub(super) static LIST: &[Fault] = &[
    fault(
        "record-missing",
        "the policy is served and no record announces it",
        |world, domain| txt(world, domain, &[]),
        "broken",
        &["sts-record-missing"],
    ),
    fault(
        "record-doubled",
        "two records",
        |world, domain| txt(world, domain, &["v=STSv1; id=1;", "v=STSv1; id=2;"]),
        "broken",
        &["sts-record-multiple"],
    ),
    fault(
        "record-malformed",
        "a field without a value",
        |world, domain| txt(world, domain, &["v=STSv1; id"]),
        "broken",
        &["sts-record-malformed"],
    ),
    fault(
        "record-without-id",
        "no id",
        |world, domain| txt(world, domain, &["v=STSv1; note=1;"]),
        "broken",
        &["sts-record-malformed"],
    ),
    fault(
        "record-id-bad",
        "a hyphen in the id",
        |world, domain| txt(world, domain, &["v=STSv1; id=2026-01-01;"]),
        "broken",
        &["sts-record-id-invalid"],
    ),
    fault(
        "record-spaced-version",
        "a space before the first semicolon, which some senders overlook",
        |world, domain| txt(world, domain, &["v=STSv1 ; id=20260101000000;"]),
        "delivers",
        &["sts-record-spaced-version"],
    ),
    fault(
        "record-at-underscores",
        "the record stands at _mta_sts",
        |world, domain| {
            txt(world, domain, &[]);
            world.set_txt(&format!("_mta_sts.{domain}"), &["v=STSv1; id=1;"]);
        },
        "broken",
        &["sts-record-at-wrong-name"],
    ),
    fault(
        "record-at-apex",
        "the record stands at the domain itself",
        |world, domain| {
            txt(world, domain, &[]);
            world.set_txt(domain, &["v=STSv1; id=1;"]);
        },
        "broken",
        &["sts-record-at-wrong-name"],
    ),
    fault(
        "record-in-two-strings",
        "one record of two strings, split in the middle of a word: no fault at all",
        |world, domain| {
            let strings = vec![b"v=STSv1; id=2026".to_vec(), b"0101000000;".to_vec()];
            world.node(&format!("_mta-sts.{domain}")).set(RecordKind::Txt, vec![RecordData::Txt(strings)]);
        },
        "delivers",
        &[],
    ),
    fault(
        "record-beside-others",
        "another TXT record at the same name: no fault at all",
        |world, domain| txt(world, domain, &["hello", "v=STSv1; id=20260101000000;"]),
        "delivers",
        &[],
    ),
    fault(
        "record-duplicate-id",
        "two ids in one record, of which the first counts",
        |world, domain| txt(world, domain, &["v=STSv1; id=20260101000000; id=2;"]),
        "delivers",
        &["sts-record-duplicate-field"],
    ),
    fault(
        "record-delegated",
        "an alias to the record of a provider",
        |world, domain| {
            world.ensure_zone("provider.test", crate::world::Signing::Unsigned);
            world.set_txt("_mta-sts.provider.test", &["v=STSv1; id=7;"]);
            txt(world, domain, &[]);
            world.node(&format!("_mta-sts.{domain}")).alias = Some("_mta-sts.provider.test".to_owned());
        },
        "delivers",
        &["sts-record-delegated"],
    ),
    fault(
        "record-dangling",
        "an alias to a name that is not there",
        |world, domain| {
            txt(world, domain, &[]);
            world.node(&format!("_mta-sts.{domain}")).alias = Some("_mta-sts.gone.test".to_owned());
        },
        "broken",
        &["sts-record-dangling-alias"],
    ),
];
