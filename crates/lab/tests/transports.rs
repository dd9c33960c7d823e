//! Both transports show the same world: each fault of the catalogue, over real sockets and in memory.

#![expect(clippy::unwrap_used, reason = "a test may panic, also in the functions that its cases share")]

mod client;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use client::{Reply, Seen};
use tlsward_engine::ports::{Https as _, HttpsFailure, HttpsTarget, Smtp as _, SmtpOutcome, SmtpTarget};
use tlsward_lab::executor::Executor;
use tlsward_lab::faults::{self, Base, Sockets};
use tlsward_lab::loopback;
use tlsward_lab::memory::{MemoryWorld, Pace};
use tlsward_lab::pki::Pki;
use tlsward_lab::world::World;
use tlsward_lab::world::domain::POLICY_PATH;

/// A world that hangs is a failure with a name.
const PATIENCE: Duration = Duration::from_secs(20);

#[expect(clippy::disallowed_methods, reason = "real sockets live in real time")]
fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

fn smtp_in_memory(world: &World, host: &str, address: IpAddr, sni: bool) -> Seen {
    let mut executor = Executor::new(world.now, 1);
    let memory = MemoryWorld::new(world.clone(), executor.clock());
    match executor.run(memory.probe(SmtpTarget { host, address, sni })).unwrap() {
        SmtpOutcome::NotReached(_) => Seen::Refused,
        SmtpOutcome::Refused { code, .. } => Seen::Turned(code),
        SmtpOutcome::Broken(_) => Seen::Broken,
        SmtpOutcome::NoStartTls => Seen::NoStartTls,
        SmtpOutcome::StartTlsRefused { code, .. } => Seen::StartTlsRefused(code),
        SmtpOutcome::TlsFailed(_) => Seen::NoTls,
        SmtpOutcome::Tls(session) => Seen::Tls(session.chain, None),
    }
}

fn https_in_memory(world: &World, host: &str, address: IpAddr) -> Seen {
    let mut executor = Executor::new(world.now, 1);
    let memory = MemoryWorld::new(world.clone(), executor.clock());
    let memory = memory.at_pace(Pace { body_bytes: usize::MAX, ..Pace::default() });
    let target = HttpsTarget { host, port: None, path: POLICY_PATH, addresses: &[address] };
    let exchange = executor.run(memory.get(target, &|_| true)).unwrap();
    match (exchange.outcome, exchange.tls) {
        (Ok(answer), Some(session)) => {
            let content_type = answer.content_type.map(|text| String::from_utf8(text).unwrap());
            // A client of the port reads no body where the status is not 200.
            Seen::Tls(session.chain, Some(Reply { status: answer.status, content_type, body: answer.body }))
        }
        (Err(HttpsFailure::Connect(_)), _) => Seen::Refused,
        (other, _) => {
            assert!(matches!(other, Err(HttpsFailure::Tls(_))), "{other:?}");
            Seen::NoTls
        }
    }
}

async fn compare(name: &str, world: &World) {
    let running = loopback::start(world).await.unwrap();
    let domain = &world.domains[faults::DOMAIN];
    for mx in &domain.mx {
        for address in &mx.addresses {
            for sni in [true, false] {
                let real = client::smtp(*address, running.smtp_port, sni.then_some(mx.host.as_str())).await;
                let memory = smtp_in_memory(world, &mx.host, *address, sni);
                assert_eq!(real, memory, "{name}: {} at {address}, SNI {sni}", mx.host);
            }
        }
    }
    let host = domain.policy_host.as_ref().unwrap();
    for address in &host.addresses {
        let mut real = client::https(*address, running.https_port, &host.host, POLICY_PATH).await;
        if let Seen::Tls(_, Some(reply)) = &mut real
            && reply.status != 200
        {
            reply.body.clear();
        }
        assert_eq!(real, https_in_memory(world, &host.host, *address), "{name}: {} at {address}", host.host);
    }
}

#[tokio::test]
async fn every_fault_looks_the_same_over_sockets_and_in_memory() {
    let (now, pki) = (now(), Arc::new(Pki::new()));
    for base in [Base::Unsigned, Base::Signed, Base::Dane] {
        compare(&format!("{base:?}"), &base.world(now, &pki).unwrap()).await;
    }
    for fault in faults::all().iter().filter(|fault| fault.sockets == Sockets::Yes) {
        let world = fault.world(now, &pki).unwrap();
        let compared = tokio::time::timeout(PATIENCE, compare(fault.name, &world)).await;
        assert!(compared.is_ok(), "{}: nothing came for {PATIENCE:?}", fault.name);
    }
}

#[tokio::test]
async fn an_edit_is_in_force_at_once_and_listeners_come_and_go() {
    let world = Base::Unsigned.world(now(), &Arc::new(Pki::new())).unwrap();
    let mx = world.domains[faults::DOMAIN].mx[0].clone();
    let mut running = loopback::start(&world).await.unwrap();
    let port = running.smtp_port;
    let probe = || client::smtp(mx.addresses[0], port, Some(&mx.host));
    assert!(matches!(probe().await, Seen::Tls(..)));
    let fault = |name| faults::named(name).unwrap().apply;
    running.edit(|world| fault("starttls-missing-on-all")(world, faults::DOMAIN)).await.unwrap();
    assert_eq!(probe().await, Seen::NoStartTls);
    running.edit(|world| fault("mx-all-down")(world, faults::DOMAIN)).await.unwrap();
    assert_eq!(probe().await, Seen::Refused);
    running
        .edit(|world| world.edit_mx(faults::DOMAIN, 0, |service| service.reach = Default::default()))
        .await
        .unwrap();
    assert_eq!(probe().await, Seen::NoStartTls);
    drop(running);
    // The servers' tasks are aborted; the runtime needs a turn to drop them.
    tokio::task::yield_now().await;
    assert_eq!(probe().await, Seen::Refused);
}
