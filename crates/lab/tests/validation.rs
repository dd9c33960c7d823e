//! The zones on the wire, before a validator that is not ours: what is signed validates from the root's key down, what is
//! not there is proved, and what is forged is refused.

#![expect(clippy::unwrap_used, reason = "a test may panic, also in the functions that its cases share")]

use std::sync::Arc;
use std::time::SystemTime;

use hickory_proto::dnssec::{Proof, TrustAnchors};
use hickory_proto::rr::{Name, RecordType};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use tlsward_lab::faults::{Base, DOMAIN};
use tlsward_lab::loopback::{self, Running};
use tlsward_lab::pki::Pki;
use tlsward_lab::world::{DnsTrouble, ResolverKind, Signing, World};

#[expect(clippy::disallowed_methods, reason = "signatures are valid in real time")]
fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

fn world(base: Base) -> World {
    let mut world = base.world(now(), &Arc::new(Pki::new())).unwrap();
    // The validator under test is the client's.
    world.resolver = ResolverKind::PassingOn;
    world
}

fn validator(running: &Running) -> TokioResolver {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = running.dns.port();
        connection
    });
    let server = NameServerConfig::new(running.dns.ip(), true, connections.to_vec());
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
    let mut options = ResolverOpts::default();
    options.validate = true;
    let anchors: TrustAnchors = running.trust_anchor.parse().unwrap();
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        .with_options(options)
        .with_trust_anchor(Arc::new(anchors))
        .build()
        .unwrap()
}

/// `Ok`: the status of what was found; `Err`: of what was not, or what went wrong.
async fn ask(resolver: &TokioResolver, name: &str, kind: RecordType) -> Result<Proof, String> {
    let name = Name::from_ascii(format!("{name}.")).unwrap();
    match resolver.lookup(name, kind).await {
        Ok(found) => {
            let records = found.answers();
            assert!(!records.is_empty());
            Ok(records
                .iter()
                .filter(|record| record.record_type() == kind)
                .map(|record| record.proof)
                .max()
                .unwrap())
        }
        Err(NetError::Dns(DnsError::NoRecordsFound(none))) => Err(format!("none: {}", none.response_code)),
        Err(NetError::Dns(DnsError::Nsec { proof, .. })) => Err(format!("proof: {proof}")),
        Err(other) => Err(other.to_string()),
    }
}

#[tokio::test]
async fn what_is_signed_validates_and_what_is_absent_is_proved() {
    let running = loopback::start(&world(Base::Dane)).await.unwrap();
    let resolver = validator(&running);
    for (name, kind) in [
        ("alpha.test", RecordType::MX),
        ("alpha.test", RecordType::NS),
        ("mx1.alpha.test", RecordType::A),
        ("_25._tcp.mx1.alpha.test", RecordType::TLSA),
        ("_mta-sts.alpha.test", RecordType::TXT),
        ("alpha.test", RecordType::SOA),
        ("test", RecordType::DNSKEY),
        ("alpha.test", RecordType::DS),
    ] {
        assert_eq!(ask(&resolver, name, kind).await, Ok(Proof::Secure), "{name} {kind}");
    }
    for (name, kind, code) in [
        ("alpha.test", RecordType::TXT, "No Error"),
        ("mx1.alpha.test", RecordType::AAAA, "No Error"),
        ("_tls.alpha.test", RecordType::TXT, "No Error"),
        ("_mta_sts.alpha.test", RecordType::TXT, "Non-Existent Domain"),
        ("_25._tcp.mx9.alpha.test", RecordType::TLSA, "Non-Existent Domain"),
        ("zzz.alpha.test", RecordType::A, "Non-Existent Domain"),
        ("other.test", RecordType::MX, "Non-Existent Domain"),
        ("example", RecordType::MX, "Non-Existent Domain"),
    ] {
        assert_eq!(ask(&resolver, name, kind).await, Err(format!("none: {code}")), "{name} {kind}");
    }
}

#[tokio::test]
async fn what_is_not_signed_is_proved_to_be_so() {
    let running = loopback::start(&world(Base::Unsigned)).await.unwrap();
    let resolver = validator(&running);
    assert_eq!(ask(&resolver, "alpha.test", RecordType::MX).await, Ok(Proof::Insecure));
    let absent = ask(&resolver, "alpha.test", RecordType::TXT).await;
    assert_eq!(absent, Err("none: No Error".to_owned()));
}

#[tokio::test]
async fn what_is_forged_or_run_out_is_refused() {
    for signing in [Signing::Bogus, Signing::Expired] {
        let mut world = world(Base::Signed);
        world.zones.get_mut(DOMAIN).unwrap().signing = signing;
        let running = loopback::start(&world).await.unwrap();
        let resolver = validator(&running);
        let answer = ask(&resolver, "alpha.test", RecordType::MX).await;
        assert!(!matches!(answer, Ok(Proof::Secure | Proof::Insecure)), "{signing:?}: {answer:?}");
    }
    let mut world = world(Base::Signed);
    world.disturb("mx2.alpha.test", None, DnsTrouble::Bogus);
    let running = loopback::start(&world).await.unwrap();
    let resolver = validator(&running);
    assert_eq!(ask(&resolver, "mx1.alpha.test", RecordType::A).await, Ok(Proof::Secure));
    let answer = ask(&resolver, "mx2.alpha.test", RecordType::A).await;
    assert!(!matches!(answer, Ok(Proof::Secure | Proof::Insecure)), "{answer:?}");
}

#[tokio::test]
async fn an_island_counts_as_unsigned() {
    let mut world = world(Base::Signed);
    world.zones.get_mut(DOMAIN).unwrap().signing = Signing::Island;
    let running = loopback::start(&world).await.unwrap();
    assert_eq!(ask(&validator(&running), "alpha.test", RecordType::MX).await, Ok(Proof::Insecure));
}
