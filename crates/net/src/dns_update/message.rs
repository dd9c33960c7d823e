//! One update as a message (RFC 2136 §2): sets of records become exactly so, all in one, or nothing changes.
//!
//! For each set: delete whatever the name has of the type, then add the values. A server applies all of it or none
//! (RFC 2136 §3.7), and doing it twice changes nothing. No other name and no other type is in the message.
//!
//! A server passes silently over a record beside an alias, and over an alias beside other records (§3.4.2.2), and says
//! NOERROR. So the message demands that nothing is in the way (§2.4.3): otherwise it would have been "done", and nothing
//! be there. What can fail: sets that contradict each other or that DNS cannot hold; the text names them.

use std::collections::BTreeSet;

use hickory_proto::op::{Message, OpCode, Query, UpdateMessage as _};
use hickory_proto::rr::rdata::{A, AAAA, CNAME, NULL, TXT};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType as Type};
use tlsward_engine::ports::publish::{RecordSet, RecordType, RecordValue};

use crate::dns::name;
use crate::limits::dns_update as limits;

/// What may stand at a name that is to be an alias, of what people put there.
const IN_THE_WAY_OF_AN_ALIAS: [Type; 7] =
    [Type::A, Type::AAAA, Type::TXT, Type::MX, Type::CAA, Type::HTTPS, Type::SRV];

/// A set that was looked at.
#[derive(Debug, Clone)]
pub(super) struct Checked {
    pub(super) name: Name,
    pub(super) kind: RecordType,
    ttl: u32,
    values: Vec<RData>,
}

/// Sets as DNS can hold them.
pub(super) fn check(sets: &[RecordSet]) -> Result<Vec<Checked>, String> {
    if sets.len() > limits::SETS {
        return Err(format!("{} sets of records in one change: at most {} can be", sets.len(), limits::SETS));
    }
    let mut seen = BTreeSet::new();
    let mut checked = Vec::with_capacity(sets.len());
    for set in sets {
        let owner = name::parse(&set.name)
            .ok_or_else(|| format!("{} is not a name that DNS could hold", set.name))?;
        let what = || format!("{} {}", set.name, set.kind.as_wire());
        if !seen.insert((name::write(&owner), set.kind)) {
            return Err(format!("{} is given twice", what()));
        }
        if set.values.len() > limits::SETS {
            return Err(format!("{}: {} values, at most {} can be", what(), set.values.len(), limits::SETS));
        }
        // RFC 2181 §8.
        if set.ttl > i32::MAX.unsigned_abs() {
            return Err(format!("{}: {} seconds is not a TTL", what(), set.ttl));
        }
        if set.kind == RecordType::Cname && set.values.len() > 1 {
            return Err(format!("{}: a name is an alias of one other, not of {}", what(), set.values.len()));
        }
        let values = set.values.iter().map(|value| data(set.kind, value));
        let values = values.collect::<Result<_, String>>().map_err(|text| format!("{}: {text}", what()))?;
        checked.push(Checked { name: owner, kind: set.kind, ttl: set.ttl, values });
    }
    for alias in checked.iter().filter(|set| set.kind == RecordType::Cname && !set.values.is_empty()) {
        let beside = checked
            .iter()
            .any(|set| set.name == alias.name && set.kind != RecordType::Cname && !set.values.is_empty());
        if beside {
            return Err(format!("{} cannot be an alias and have other records", name::write(&alias.name)));
        }
    }
    Ok(checked)
}

/// The update of one zone, unsigned.
pub(super) fn update(zone: &Name, sets: &[&Checked]) -> Message {
    let mut message = Message::query();
    message.metadata.op_code = OpCode::Update;
    message.metadata.recursion_desired = false;
    let mut section = Query::new();
    section.set_name(zone.clone()).set_query_class(DNSClass::IN).set_query_type(Type::SOA);
    message.add_zone(section);
    for (owner, kind) in in_the_way(sets) {
        // RFC 2136 §2.4.3: no such RRset exists.
        message.add_pre_requisite(empty(owner, kind, DNSClass::NONE));
    }
    for set in sets {
        // RFC 2136 §2.5.2: delete an RRset.
        message.add_update(empty(&set.name, wire_type(set.kind), DNSClass::ANY));
    }
    for set in sets {
        for value in &set.values {
            message.add_update(Record::from_rdata(set.name.clone(), set.ttl, value.clone()));
        }
    }
    message
}

/// What must not be, for the values to be taken. What the update itself removes is not asked for.
fn in_the_way<'a>(sets: &[&'a Checked]) -> Vec<(&'a Name, Type)> {
    let goes =
        |owner: &Name, kind: Type| sets.iter().any(|set| set.name == *owner && wire_type(set.kind) == kind);
    let mut list: Vec<(&Name, Type)> = Vec::new();
    for set in sets.iter().filter(|set| !set.values.is_empty()) {
        let kinds: &[Type] = match set.kind {
            RecordType::Cname => &IN_THE_WAY_OF_AN_ALIAS,
            RecordType::A | RecordType::Aaaa | RecordType::Txt | RecordType::Caa => &[Type::CNAME],
        };
        for &kind in kinds {
            if !goes(&set.name, kind) && !list.contains(&(&set.name, kind)) {
                list.push((&set.name, kind));
            }
        }
    }
    list
}

fn empty(owner: &Name, kind: Type, class: DNSClass) -> Record {
    let mut record = Record::update0(owner.clone(), 0, kind);
    record.dns_class = class;
    record
}

/// The type as hickory calls it.
pub(super) fn wire_type(kind: RecordType) -> Type {
    match kind {
        RecordType::A => Type::A,
        RecordType::Aaaa => Type::AAAA,
        RecordType::Cname => Type::CNAME,
        RecordType::Txt => Type::TXT,
        RecordType::Caa => Type::CAA,
    }
}

fn data(kind: RecordType, value: &RecordValue) -> Result<RData, String> {
    Ok(match (kind, value) {
        (RecordType::A, RecordValue::A(address)) => RData::A(A(*address)),
        (RecordType::Aaaa, RecordValue::Aaaa(address)) => RData::AAAA(AAAA(*address)),
        (RecordType::Cname, RecordValue::Cname(target)) => {
            let parsed = name::parse(target);
            RData::CNAME(CNAME(parsed.ok_or_else(|| format!("{target} is not a name that DNS could hold"))?))
        }
        (RecordType::Txt, RecordValue::Txt(text)) => {
            // RFC 1035 §3.3.14: strings of 255 bytes at most, and at least one string.
            let mut strings: Vec<&[u8]> = text.as_bytes().chunks(255).collect();
            if strings.is_empty() {
                strings.push(b"");
            }
            if text.len() > limits::MESSAGE_BYTES / 2 {
                return Err(format!("a text of {} bytes is too long", text.len()));
            }
            RData::TXT(TXT::from_bytes(strings))
        }
        (RecordType::Caa, RecordValue::Caa { flags, tag, value }) => {
            // RFC 8659 §4.1: 1 to 255 letters and digits.
            let tag_bytes = u8::try_from(tag.len()).unwrap_or(0);
            if tag_bytes == 0 || !tag.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return Err(format!("{tag:?} is not a tag of CAA"));
            }
            if value.len() > limits::MESSAGE_BYTES / 2 {
                return Err(format!("a value of {} bytes is too long", value.len()));
            }
            // By its bytes: hickory writes only the values that it can make itself.
            let bytes = [&[*flags, tag_bytes], tag.as_bytes(), value.as_bytes()].concat();
            RData::Unknown { code: Type::CAA, rdata: NULL::with(bytes) }
        }
        _ => return Err("a value of another type is among its values".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn txt(name: &str, values: &[&str]) -> RecordSet {
        let values = values.iter().map(|text| RecordValue::Txt((*text).to_owned())).collect();
        RecordSet { name: name.to_owned(), kind: RecordType::Txt, ttl: 300, values }
    }

    fn alias(name: &str, target: &str) -> RecordSet {
        let values = vec![RecordValue::Cname(target.to_owned())];
        RecordSet { name: name.to_owned(), kind: RecordType::Cname, ttl: 300, values }
    }

    fn written(sets: &[RecordSet]) -> Message {
        let checked = check(sets).unwrap();
        let message = update(&name::parse("example.org").unwrap(), &checked.iter().collect::<Vec<_>>());
        Message::from_vec(&message.to_vec().unwrap()).unwrap()
    }

    #[test]
    fn an_update_removes_and_adds_the_given_sets_and_nothing_else() {
        let long = "x".repeat(300);
        let message =
            written(&[txt("_mta-sts.example.org", &["v=STSv1; id=1;", &long]), txt("old.example.org", &[])]);
        assert_eq!(message.metadata.op_code, OpCode::Update);
        assert!(!message.metadata.recursion_desired);
        let line = |record: &Record| {
            let owner = name::write(&record.name);
            format!("{owner} {} {} {}", record.ttl, record.dns_class, record.record_type())
        };
        let lines: Vec<String> = message.updates().iter().map(line).collect();
        let expected = [
            "_mta-sts.example.org 0 ANY TXT",
            "old.example.org 0 ANY TXT",
            "_mta-sts.example.org 300 IN TXT",
            "_mta-sts.example.org 300 IN TXT",
        ];
        assert_eq!(lines, expected);
        let RData::TXT(text) = &message.updates()[3].data else { panic!("{message:?}") };
        let lengths: Vec<usize> = text.txt_data.iter().map(|string| string.len()).collect();
        assert_eq!(lengths, [255, 45]);
        let demands: Vec<String> = message.prerequisites().iter().map(line).collect();
        assert_eq!(demands, ["_mta-sts.example.org 0 NONE CNAME"]);
    }

    #[test]
    fn what_stands_in_the_way_is_asked_for_unless_the_update_removes_it() {
        let demands = |sets: &[RecordSet]| {
            let message = written(sets);
            message.prerequisites().iter().map(Record::record_type).collect::<Vec<_>>()
        };
        assert_eq!(demands(&[alias("a.example.org", "b.example")]), IN_THE_WAY_OF_AN_ALIAS);
        let no_addresses =
            |kind| RecordSet { name: "a.example.org".to_owned(), kind, ttl: 1, values: Vec::new() };
        let moved = [
            no_addresses(RecordType::A),
            no_addresses(RecordType::Aaaa),
            alias("a.example.org", "b.example"),
        ];
        assert_eq!(demands(&moved), IN_THE_WAY_OF_AN_ALIAS[2..]);
        let back = [no_addresses(RecordType::Cname), txt("a.example.org", &["x"])];
        assert!(demands(&back).is_empty());
    }

    #[test]
    fn sets_that_cannot_be_are_refused_with_their_name() {
        let other = RecordSet { values: vec![RecordValue::Cname("b".to_owned())], ..txt("n.example", &[]) };
        let caa = |tag: &str| {
            let value = RecordValue::Caa { flags: 0, tag: tag.to_owned(), value: "ca.example".to_owned() };
            RecordSet { kind: RecordType::Caa, values: vec![value], ..txt("n.example", &[]) }
        };
        let two = RecordSet {
            values: vec![RecordValue::Cname("b".to_owned()), RecordValue::Cname("c".to_owned())],
            ..alias("n.example", "b")
        };
        check(&[caa("issue"), txt("n.example", &[""])]).unwrap();
        let table = [
            (vec![txt("a..b", &["x"])], "a..b is not a name"),
            (vec![txt("n.example", &["x"]), txt("N.example", &["y"])], "N.example TXT is given twice"),
            (vec![RecordSet { ttl: u32::MAX, ..txt("n.example", &[]) }], "is not a TTL"),
            (vec![other], "another type"),
            (vec![two], "not of 2"),
            (vec![alias("n.example", "b"), txt("n.example", &["x"])], "cannot be an alias and"),
            (vec![alias("n.example", "b..c")], "b..c is not a name"),
            (vec![caa("")], "not a tag"),
            (vec![txt("n.example", &[&"x".repeat(40_000)])], "too long"),
            ((0..65).map(|n| txt(&format!("n{n}.example"), &[])).collect(), "65 sets"),
        ];
        for (sets, expected) in table {
            let error = check(&sets).unwrap_err();
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }
}
