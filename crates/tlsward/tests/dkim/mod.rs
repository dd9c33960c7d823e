//! Signatures as another implementation sees them, by the records that are published.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::Arc;

use mail_auth::common::parse::TxtRecordParser as _;
use mail_auth::common::verify::DomainKey;
use mail_auth::{
    AuthenticatedMessage, DkimResult, MX, MessageAuthenticator, Parameters, RecordSet, ResolverCache, Txt,
};

/// DNS as far as it is published here.
struct Published(BTreeMap<String, Txt>);

impl ResolverCache<Box<str>, Txt> for Published {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let is_it = |known: &str| {
            let known: Box<str> = known.into();
            let known: &Q = known.borrow();
            known == name
        };
        self.0.iter().find(|(known, _)| is_it(known)).map(|(_, txt)| txt.clone())
    }

    fn remove<Q>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        None
    }

    fn insert(&self, _: Box<str>, _: Txt, _: std::time::Instant) {}
}

/// A cache of what is never asked for.
struct NoCache;

macro_rules! never {
    ($key:ty, $value:ty) => {
        impl ResolverCache<$key, $value> for NoCache {
            fn get<Q>(&self, _: &Q) -> Option<$value>
            where
                $key: Borrow<Q>,
                Q: Hash + Eq + ?Sized,
            {
                None
            }
            fn remove<Q>(&self, _: &Q) -> Option<$value>
            where
                $key: Borrow<Q>,
                Q: Hash + Eq + ?Sized,
            {
                None
            }
            fn insert(&self, _: $key, _: $value, _: std::time::Instant) {}
        }
    };
}
never!(Box<str>, RecordSet<MX>);
never!(Box<str>, RecordSet<std::net::Ipv4Addr>);
never!(Box<str>, RecordSet<std::net::Ipv6Addr>);
never!(std::net::IpAddr, RecordSet<Box<str>>);

/// Whether each signature of the mail verifies. `records`: name and text.
pub(crate) async fn verdicts(mail: &[u8], records: &[(String, String)]) -> Vec<bool> {
    let records = records.iter().map(|(name, text)| {
        let record = DomainKey::parse(text.as_bytes()).expect("a record of DKIM");
        (format!("{name}."), Txt::DomainKey(Arc::new(record)))
    });
    let published = Published(records.collect());
    let message = AuthenticatedMessage::parse(mail).expect("a mail");
    let resolver = MessageAuthenticator::new_system_conf().expect("a resolver, which is not asked");
    let parameters: Parameters<'_, _, _, NoCache, NoCache, NoCache, NoCache> = Parameters {
        params: &message,
        cache_txt: Some(&published),
        cache_mx: None,
        cache_ptr: None,
        cache_ipv4: None,
        cache_ipv6: None,
    };
    let outputs = resolver.verify_dkim(parameters).await;
    outputs.iter().map(|output| *output.result() == DkimResult::Pass).collect()
}
