//! Sets of records, as they go into packets and as many of them are kept in little memory.

use std::net::{Ipv4Addr, Ipv6Addr};

use tlsward_engine::ports::publish::{RecordSet, RecordType, RecordValue};

use super::name;

/// Longest data of one record, and of all records of a set: an answer has to fit into a message of 65535 octets.
pub(super) const MAX_DATA: usize = 4096;
const MAX_SET: usize = 8192;

/// Records of one type at one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Set {
    pub(super) kind: RecordType,
    pub(super) ttl: u32,
    /// Data of each record, in wire form, in canonical order (RFC 4034 §6.3), none twice.
    pub(super) data: Vec<Vec<u8>>,
}

impl Set {
    /// Checks what came through the port. `Err`: what is wrong with it.
    pub(super) fn new(set: &RecordSet) -> Result<Self, String> {
        let mut data = set.values.iter().map(|value| data(set.kind, value)).collect::<Result<Vec<_>, _>>()?;
        data.sort_unstable();
        data.dedup();
        if set.kind == RecordType::Cname && data.len() > 1 {
            return Err("a name has one CNAME record at most".to_owned());
        }
        if data.iter().map(Vec::len).sum::<usize>() > MAX_SET || data.len() > 255 {
            return Err(format!("these are more than 255 records, or more than {MAX_SET} octets"));
        }
        // RFC 2181 §8.
        if set.ttl > i32::MAX.unsigned_abs() {
            return Err(format!("a TTL of {} s is longer than DNS has", set.ttl));
        }
        Ok(Self { kind: set.kind, ttl: set.ttl, data })
    }

    /// Of values that fit their type; `None` of none.
    pub(super) fn of(kind: RecordType, ttl: u32, values: impl Iterator<Item = RecordValue>) -> Option<Self> {
        let set = RecordSet { name: String::new(), kind, ttl, values: values.collect() };
        Self::new(&set).ok().filter(|set| !set.data.is_empty())
    }

    /// As it came.
    pub(super) fn to_port(&self, name: String) -> RecordSet {
        let values = self.data.iter().filter_map(|data| value(self.kind, data)).collect();
        RecordSet { name, kind: self.kind, ttl: self.ttl, values }
    }
}

fn data(kind: RecordType, value: &RecordValue) -> Result<Vec<u8>, String> {
    let data = match (kind, value) {
        (RecordType::A, RecordValue::A(address)) => address.octets().to_vec(),
        (RecordType::Aaaa, RecordValue::Aaaa(address)) => address.octets().to_vec(),
        (RecordType::Cname, RecordValue::Cname(target)) => {
            let mut data = name::wire(target).ok_or_else(|| format!("{target:?} is not a host name"))?;
            data.push(0);
            data
        }
        (RecordType::Txt, RecordValue::Txt(text)) => txt(text.as_bytes()),
        (RecordType::Caa, RecordValue::Caa { flags, tag, value }) => caa(*flags, tag, value)?,
        _ => return Err(format!("a record of another type stands among its {} records", kind.as_wire())),
    };
    if data.len() > MAX_DATA {
        return Err(format!("a record has {} octets, more than {MAX_DATA}", data.len()));
    }
    Ok(data)
}

/// RFC 1035 §3.3.14: strings of at most 255 octets, at least one.
fn txt(text: &[u8]) -> Vec<u8> {
    if text.is_empty() {
        return vec![0];
    }
    let strings = text.chunks(255);
    strings.flat_map(|string| std::iter::once(string.len() as u8).chain(string.iter().copied())).collect()
}

/// RFC 8659 §4.1.
pub(super) fn caa(flags: u8, tag: &str, value: &str) -> Result<Vec<u8>, String> {
    let length = u8::try_from(tag.len()).unwrap_or_default();
    if length == 0 || !tag.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(format!("{tag:?} is not a property of a CAA record (issue, issuewild, iodef)"));
    }
    let mut data = vec![flags, length];
    data.extend(tag.bytes().map(|byte| byte.to_ascii_lowercase()));
    data.extend_from_slice(value.as_bytes());
    Ok(data)
}

/// What [`data`] wrote.
fn value(kind: RecordType, data: &[u8]) -> Option<RecordValue> {
    Some(match kind {
        RecordType::A => RecordValue::A(Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?)),
        RecordType::Aaaa => RecordValue::Aaaa(Ipv6Addr::from(<[u8; 16]>::try_from(data).ok()?)),
        RecordType::Cname => RecordValue::Cname(name::text(data.strip_suffix(&[0])?)),
        RecordType::Txt => {
            RecordValue::Txt(String::from_utf8(name::labels(data).collect::<Vec<_>>().concat()).ok()?)
        }
        RecordType::Caa => {
            let (tag, value) = data.get(2..)?.split_at_checked(usize::from(*data.get(1)?))?;
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
            RecordValue::Caa { flags: *data.first()?, tag: text(tag)?, value: text(value)? }
        }
    })
}

/// A type's number (RFC 1035 §3.2.2, RFC 3596, RFC 8659).
pub(super) fn number(kind: RecordType) -> u16 {
    match kind {
        RecordType::A => 1,
        RecordType::Cname => 5,
        RecordType::Txt => 16,
        RecordType::Aaaa => 28,
        RecordType::Caa => 257,
    }
}

fn kind(index: u8) -> Option<RecordType> {
    use RecordType::{A, Aaaa, Caa, Cname, Txt};
    [A, Aaaa, Cname, Txt, Caa].get(usize::from(index)).copied()
}

/// All sets of a domain, in one piece of memory: name relative to the domain, type, TTL, number of records, records.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Packed(Box<[u8]>);

impl Packed {
    pub(super) fn new<'a>(sets: impl IntoIterator<Item = (&'a [u8], &'a Set)>) -> Self {
        let mut bytes = Vec::new();
        for (name, set) in sets {
            // Each of these lengths was checked when the set was made.
            bytes.push(name.len() as u8);
            bytes.extend_from_slice(name);
            bytes.push((0..5).find(|index| kind(*index) == Some(set.kind)).unwrap_or_default());
            bytes.extend_from_slice(&set.ttl.to_be_bytes());
            bytes.push(set.data.len() as u8);
            for data in &set.data {
                bytes.extend_from_slice(&(data.len() as u16).to_be_bytes());
                bytes.extend_from_slice(data);
            }
        }
        Self(bytes.into_boxed_slice())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Names, relative to the domain, with what is there.
    pub(super) fn sets(&self) -> impl Iterator<Item = (&[u8], PackedSet<'_>)> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || {
            let length = usize::from(take(&mut rest, 1)?[0]);
            let name = take(&mut rest, length)?;
            let kind = kind(take(&mut rest, 1)?[0])?;
            let ttl = u32::from_be_bytes(take(&mut rest, 4)?.try_into().ok()?);
            let count = take(&mut rest, 1)?[0];
            let data = rest;
            for _ in 0..count {
                next_data(&mut rest)?;
            }
            Some((name, PackedSet { kind, ttl, count, data }))
        })
    }
}

/// A set where it is kept.
#[derive(Clone, Copy)]
pub(super) struct PackedSet<'a> {
    kind: RecordType,
    ttl: u32,
    count: u8,
    data: &'a [u8],
}

impl PackedSet<'_> {
    pub(super) fn to_set(self) -> Set {
        let mut rest = self.data;
        let data = (0..self.count).filter_map(|_| next_data(&mut rest)).map(<[u8]>::to_vec).collect();
        Set { kind: self.kind, ttl: self.ttl, data }
    }
}

fn next_data<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u16::from_be_bytes(take(rest, 2)?.try_into().ok()?);
    take(rest, usize::from(length))
}

fn take<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(kind: RecordType, values: Vec<RecordValue>) -> RecordSet {
        RecordSet { name: "a.example".into(), kind, ttl: 300, values }
    }

    #[test]
    fn sets_come_back_as_they_went_in() {
        let sets = [
            set(
                RecordType::A,
                vec![RecordValue::A([192, 0, 2, 1].into()), RecordValue::A([192, 0, 2, 2].into())],
            ),
            set(RecordType::Aaaa, vec![RecordValue::Aaaa("2001:db8::1".parse().unwrap())]),
            set(RecordType::Cname, vec![RecordValue::Cname("host.example".into())]),
            set(RecordType::Txt, vec![RecordValue::Txt(String::new()), RecordValue::Txt("é".repeat(300))]),
            set(
                RecordType::Caa,
                vec![RecordValue::Caa { flags: 128, tag: "issue".into(), value: "ca.example; a=b".into() }],
            ),
        ];
        let read: Vec<_> = sets.iter().map(|set| Set::new(set).unwrap()).collect();
        let packed = Packed::new(read.iter().map(|set| (b"\x01a".as_slice(), set)));
        let back: Vec<_> = packed.sets().map(|(name, set)| (name.to_vec(), set.to_set())).collect();
        assert_eq!(back.iter().map(|(_, set)| set.clone()).collect::<Vec<_>>(), read);
        let back: Vec<_> = back.iter().map(|(_, set)| set.to_port("a.example".into())).collect();
        assert_eq!(back, sets);
    }

    #[test]
    fn what_cannot_be_a_record_is_refused_with_the_reason() {
        let text = |n: usize| RecordValue::Txt("x".repeat(n));
        let cname = |name: &str| RecordValue::Cname(name.into());
        for (set, part) in [
            (set(RecordType::A, vec![text(1)]), "another type"),
            (set(RecordType::Txt, vec![text(5000)]), "more than 4096"),
            (set(RecordType::Txt, vec![text(4000), text(3999), text(3998)]), "more than 8192"),
            (set(RecordType::Cname, vec![cname("a.example"), cname("b.example")]), "one CNAME"),
            (set(RecordType::Cname, vec![cname("a b")]), "not a host name"),
            (
                set(
                    RecordType::Caa,
                    vec![RecordValue::Caa { flags: 0, tag: "a-b".into(), value: String::new() }],
                ),
                "property",
            ),
            (RecordSet { ttl: u32::MAX, ..set(RecordType::Txt, vec![text(1)]) }, "longer than DNS has"),
        ] {
            let error = Set::new(&set).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
