//! Our signatures as another implementation sees them.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::hash::Hash;
use std::sync::Arc;

use mail_auth::common::parse::TxtRecordParser as _;
use mail_auth::common::verify::DomainKey;
use mail_auth::{
    AuthenticatedMessage, DkimResult, MX, MessageAuthenticator, Parameters, RecordSet, ResolverCache, Txt,
};
use tls_rpt::tally::Tally;
use tlsward_engine::ports::{ReportKey, SignError, Signer as _};
use tlsward_engine::report::{Identity, build};

use super::*;

const DOMAIN: &str = "sender.example";
/// 2026-10-01T00:00:00Z.
const NOW: i64 = 1_790_812_800;

/// DNS as far as it is published here.
struct Published(BTreeMap<String, Txt>);

impl ResolverCache<Box<str>, Txt> for Published {
    fn get<Q>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.0
            .iter()
            .find(|(known, _)| {
                let known: Box<str> = known.as_str().into();
                let asked: &Q = known.borrow();
                asked == name
            })
            .map(|(_, txt)| txt.clone())
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

fn mail() -> Vec<u8> {
    let identity = Identity::new("Ünïcode, Inc.", "tlsrpt@sender.example").unwrap();
    let key = ReportKey { day: 20_000, domain: "a.example".into(), part: 1 };
    build(&identity, &key, &Tally::default(), 0).unwrap().mail(&identity, "r@a.example", NOW, 0).unwrap()
}

fn signer() -> DkimSigner {
    let mut signer = DkimSigner::default();
    for (algorithm, selector) in [(Algorithm::Ed25519, "ed"), (Algorithm::Rsa2048, "rsa.2026")] {
        let (_, pem) = DkimKey::generate(algorithm, selector).unwrap();
        signer.add(DOMAIN, DkimKey::from_pem(selector, &pem).unwrap());
    }
    signer
}

async fn verdicts(signer: &DkimSigner, mail: &[u8]) -> Vec<bool> {
    let published = signer
        .keys(DOMAIN)
        .iter()
        .map(|key| {
            let record = DomainKey::parse(record_text(key).as_bytes()).unwrap();
            (format!("{}.", record_name(key, DOMAIN)), Txt::DomainKey(Arc::new(record)))
        })
        .collect();
    let published = Published(published);
    let message = AuthenticatedMessage::parse(mail).unwrap();
    let resolver = MessageAuthenticator::new_system_conf().unwrap();
    let none: Parameters<'_, _, _, NoCache, NoCache, NoCache, NoCache> = Parameters {
        params: &message,
        cache_txt: Some(&published),
        cache_mx: None,
        cache_ptr: None,
        cache_ipv4: None,
        cache_ipv6: None,
    };
    resolver.verify_dkim(none).await.iter().map(|output| *output.result() == DkimResult::Pass).collect()
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

/// Proves: I3, I15
#[tokio::test]
async fn another_implementation_verifies_both_signatures_and_none_of_a_changed_mail() {
    let signer = signer();
    let mail = mail();
    let mut signed = signer.sign(DOMAIN, &mail, NOW).unwrap();
    let head = String::from_utf8(signed.clone()).unwrap();
    signed.extend_from_slice(&mail);
    assert_eq!(verdicts(&signer, &signed).await, [true, true], "{head}");

    let text = String::from_utf8(signed).unwrap();
    let changes = [
        ("TLS-Report-Domain: a.example", "TLS-Report-Domain: b.example"),
        ("Sessions that met", "Sessions that got"),
        ("MIME-Version: 1.0", "Subject: another one\r\nMIME-Version: 1.0"),
    ];
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        let changed = text.replace(from, to);
        assert_eq!(verdicts(&signer, changed.as_bytes()).await, [false, false], "{to}");
    }
    let refolded = text.replace("Report Domain: ", "Report Domain:\r\n\t  ");
    assert_ne!(refolded, text);
    assert_eq!(verdicts(&signer, refolded.as_bytes()).await, [true, true]);
}

/// Proves: I4, I5
#[test]
fn the_report_fields_are_signed_the_length_is_not_and_lines_are_short() {
    let head = String::from_utf8(signer().sign(DOMAIN, &mail(), NOW).unwrap()).unwrap();
    assert_eq!(head.matches("DKIM-Signature:").count(), 2);
    assert!(head.find("a=rsa-sha256") < head.find("a=ed25519-sha256"));
    let flat: String = head.split_whitespace().collect();
    assert!(flat.contains("TLS-Report-Domain:TLS-Report-Submitter:"), "{flat}");
    assert!(!flat.contains(";l="), "{flat}");
    assert!(flat.contains("t=1790812800;"));
    assert!(head.lines().all(|line| line.len() <= 78), "{head}");
    assert_eq!(
        signer().sign("other.example", &mail(), NOW),
        Err(SignError::NoKey("other.example".to_owned()))
    );
}

/// Proves: I6
#[test]
fn the_record_to_publish_is_for_reports_and_is_recognised() {
    let signer = signer();
    let [rsa, ed] = signer.keys(DOMAIN) else { panic!("two keys") };
    assert_eq!(record_name(rsa, DOMAIN), "rsa.2026._domainkey.sender.example");
    assert!(record_text(rsa).starts_with("v=DKIM1; k=rsa; s=email:tlsrpt; p=MIIBIjANBgkqhkiG9w0B"));
    assert!(record_text(ed).starts_with("v=DKIM1; k=ed25519; s=email:tlsrpt; p="));
    let line = zone_line(rsa, DOMAIN);
    assert!(line.split('"').all(|string| string.len() <= 255), "{line}");
    let text = record_text(rsa);
    for (texts, expected) in [
        (vec![], Err(NotPublished::Missing)),
        (vec![text.clone()], Ok(())),
        (vec![text.clone(), text.clone()], Err(NotPublished::Several)),
        (vec![text.replace("email:tlsrpt", "email")], Err(NotPublished::Service)),
        (vec![text.replace("; s=email:tlsrpt", "")], Ok(())),
        (vec![text.replace("p=MII", "p= M II")], Ok(())),
        (vec![record_text(ed)], Err(NotPublished::OtherKey)),
        (vec!["v=DKIM1; p=".to_owned()], Err(NotPublished::Withdrawn)),
        (vec!["v=DKIM1".to_owned()], Err(NotPublished::Missing)),
    ] {
        assert_eq!(is_published(rsa, &texts), expected, "{texts:?}");
    }
}

#[test]
fn what_is_no_key_is_refused_with_the_reason() {
    assert!(matches!(DkimKey::from_pem("s", "nothing"), Err(KeyError::NotPem(_))));
    assert!(matches!(DkimKey::generate(Algorithm::Ed25519, "a;b=c"), Err(KeyError::Selector(_))));
    let cut = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    assert!(matches!(DkimKey::from_pem("s", cut), Err(KeyError::Unknown(_))));
}
