//! Where a record is put by mistake.
//!
//! The classic: the DNS panel appends the domain to whatever is entered, so that `_mta-sts.example.org` becomes
//! `_mta-sts.example.org.example.org`. Then: the underscore left out, and the domain itself. These names are looked at
//! where the right one has nothing.

use super::Sight;
use super::texts::{self, Text};
use super::verdict::{Verdict, compare};
use crate::ports::DnsReply;
use crate::ports::publish::{RecordSet, RecordType, RecordValue};

/// The longest name in text form.
const NAME_CHARACTERS: usize = 253;
/// Parents of the domain that a panel may append: the zone may lie above the domain.
const PARENTS: usize = 2;

/// Names at which such a set is found when it was put to the wrong place, likely ones first. A few.
#[must_use]
pub fn mistaken_places(domain: &str, set: &RecordSet) -> Vec<String> {
    let Some(label) = label_of(domain, &set.name) else { return Vec::new() };
    let mut zones = vec![domain];
    let mut rest = domain;
    while let Some((_, parent)) = rest.split_once('.')
        && zones.len() <= PARENTS
        && parent.contains('.')
    {
        zones.push(parent);
        rest = parent;
    }
    let mut places: Vec<String> = zones.iter().map(|zone| format!("{}.{zone}", set.name)).collect();
    if set.kind == RecordType::Txt && !label.is_empty() {
        let bare: Vec<&str> = label.split('.').map(|part| part.trim_start_matches('_')).collect();
        places.push(format!("{}.{domain}", bare.join(".")));
        places.push(domain.to_owned());
    }
    places.retain(|place| *place != set.name && place.len() <= NAME_CHARACTERS);
    places
}

/// `_mta-sts` of `_mta-sts.example.org`: what is entered in a panel.
pub(super) fn label_of<'a>(domain: &str, name: &'a str) -> Option<&'a str> {
    let label = name.strip_suffix(domain)?;
    if label.is_empty() { Some(label) } else { label.strip_suffix('.') }
}

/// The first of those names that has it.
pub(super) fn found_at(sight: &Sight) -> Option<&str> {
    let has = |(_, reply): &&(String, DnsReply)| match sight.set.kind {
        RecordType::Txt => reply.texts().iter().any(|text| is_meant(&sight.set, text)),
        // A wildcard answers for every name, so only the very value counts.
        _ => compare(&sight.set, reply) == Verdict::Right,
    };
    if sight.set.values.is_empty() {
        return None;
    }
    sight.elsewhere.iter().find(has).map(|(name, _)| name.as_str())
}

fn is_meant(set: &RecordSet, text: &[u8]) -> bool {
    set.values.iter().any(|value| match value {
        RecordValue::Txt(wanted) => {
            texts::compare(wanted, text) != Text::Other || texts::is_of_kind(text, texts::tag(wanted))
        }
        _ => false,
    })
}
