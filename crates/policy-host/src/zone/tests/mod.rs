//! What the zone answers, packet for packet. That resolvers make sense of it is in `tests/zone`.

mod changes;
mod hostile;
mod memory;
mod questions;
mod signed;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use hickory_proto::op::{Edns, Message, Query, ResponseCode};
use hickory_proto::rr::{Name, Record, RecordType};
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::Clock;
use tlsward_engine::ports::publish::{RecordSet, RecordType as Kind, RecordValue, Records as _};

use super::*;

pub(super) const NOW: UnixTime = 1_795_000_000;

/// A clock that stands until it is set.
#[derive(Clone, Default)]
pub(super) struct Hand(Arc<AtomicI64>);

impl Hand {
    pub(super) fn at(now: UnixTime) -> Self {
        Self(Arc::new(AtomicI64::new(now)))
    }
}

impl Clock for Hand {
    fn now(&self) -> UnixTime {
        self.0.load(Ordering::SeqCst)
    }
}

pub(super) fn config() -> ZoneConfig {
    let host = |name: &str, addresses: &[&str]| HostAddresses {
        name: name.into(),
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
    };
    let servers = vec![
        host("ns1.sts.example", &["192.0.2.1", "2001:db8::1"]),
        host("ns2.sts.example", &["192.0.2.2"]),
        host("a.example.net", &[]),
    ];
    let mut config = ZoneConfig::new("sts.example", servers, "dns@example.net");
    config.hosts = vec![host("policy.sts.example", &["192.0.2.80", "2001:db8::80"])];
    config.caa = vec![(0, "issue".into(), "ca.example".into())];
    config
}

pub(super) fn set(name: &str, value: RecordValue) -> RecordSet {
    let kind = match value {
        RecordValue::A(_) => Kind::A,
        RecordValue::Aaaa(_) => Kind::Aaaa,
        RecordValue::Cname(_) => Kind::Cname,
        RecordValue::Txt(_) => Kind::Txt,
        RecordValue::Caa { .. } => Kind::Caa,
    };
    RecordSet { name: name.to_owned(), kind, ttl: 300, values: vec![value] }
}

pub(super) fn txt(name: &str, text: &str) -> RecordSet {
    set(name, RecordValue::Txt(text.to_owned()))
}

/// What a domain has, pointing to the policy host by its name.
pub(super) fn usual(domain: &str) -> Vec<RecordSet> {
    vec![
        txt(&format!("_mta-sts.{domain}.sts.example"), "v=STSv1; id=20261124T162300Z;"),
        txt(&format!("_smtp._tls.{domain}.sts.example"), "v=TLSRPTv1; rua=mailto:tlsrpt@example.net"),
        set(&format!("mta-sts.{domain}.sts.example"), RecordValue::Cname("policy.sts.example".into())),
    ]
}

pub(super) async fn zone(key: Option<ZoneKey>) -> Arc<Zone> {
    let zone = Arc::new(Zone::new(&config(), key, Box::new(Hand::at(NOW))).unwrap());
    let records = ZoneRecords::new(Arc::clone(&zone));
    for domain in ["example.org", "mail.example.org", "example.com"] {
        records.apply(domain, usual(domain)).await.unwrap();
    }
    let address = set("mta-sts.b.test.sts.example", RecordValue::A([192, 0, 2, 81].into()));
    let big = txt("big.b.test.sts.example", &"x".repeat(2000));
    let abroad = set("abroad.b.test.sts.example", RecordValue::Cname("host.example.net".into()));
    let ends = set("ends.b.test.sts.example", RecordValue::Cname("nothing.sts.example".into()));
    let ring = set("ring.b.test.sts.example", RecordValue::Cname("ring.b.test.sts.example".into()));
    records.apply("b.test", vec![address, big, abroad, ends, ring]).await.unwrap();
    zone
}

pub(super) fn key() -> ZoneKey {
    let folder = tempfile::tempdir().unwrap();
    ZoneKey::open(&folder.path().join("key")).unwrap()
}

pub(super) fn question(name: &str, kind: RecordType, edns: Option<Edns>) -> Vec<u8> {
    let mut message = Message::query();
    message.metadata.id = 4711;
    message.add_query(Query::query(Name::from_ascii(format!("{name}.")).unwrap(), kind));
    if let Some(edns) = edns {
        message.set_edns(edns);
    }
    message.to_vec().unwrap()
}

pub(super) fn edns(size: u16, signed: bool) -> Option<Edns> {
    let mut edns = Edns::new();
    edns.set_max_payload(size).set_dnssec_ok(signed);
    Some(edns)
}

/// As it comes back over TCP, without EDNS.
pub(super) fn ask(zone: &Zone, name: &str, kind: RecordType) -> Message {
    let reply = zone.answer(&question(name, kind, None), Over::Tcp, NOW).unwrap();
    Message::from_vec(&reply.packet).unwrap()
}

pub(super) fn code(message: &Message) -> ResponseCode {
    message.metadata.response_code
}

pub(super) fn kinds(records: &[Record]) -> Vec<RecordType> {
    records.iter().map(Record::record_type).collect()
}
