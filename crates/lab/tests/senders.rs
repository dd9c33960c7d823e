//! Senders in the world: what they do when a policy changes, breaks, or is attacked, and what they say of it.

#![expect(clippy::unwrap_used, reason = "a test may panic, also in the functions that its cases share")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tlsward_engine::ports::{Dns, HttpAnswer, Https, HttpsFailure, HttpsTarget, RecordKind, TlsFailure};
use tlsward_lab::executor::Executor;
use tlsward_lab::faults::{self, Base, DOMAIN};
use tlsward_lab::memory::MemoryWorld;
use tlsward_lab::pki::Pki;
use tlsward_lab::senders::{Conduct, Delivery, Dialect, Judge, Sender};
use tlsward_lab::world::{Attack, AttackKind, DAY, Mode, Page, Policy, Scope};

const NOW: i64 = 1_800_000_000;

struct Stage {
    executor: Executor,
    world: MemoryWorld,
    sender: Sender,
}

impl Stage {
    fn new(base: Base) -> Self {
        let pki = Arc::new(Pki::new());
        let executor = Executor::new(NOW, 1);
        let world = MemoryWorld::new(base.world(NOW, &pki).unwrap(), executor.clock());
        let sender = Sender::new("sender.test", Judge::new(&pki).unwrap());
        Self { executor, world, sender }
    }

    fn fault(&mut self, name: &str) {
        self.world.edit(|world| (faults::named(name).unwrap().apply)(world, DOMAIN));
    }

    fn wait(&mut self, days: u64) {
        let sleep = self.executor.clock().sleep(Duration::from_secs(days * 86_400));
        self.executor.run(sleep).unwrap();
    }

    fn send(&mut self, sessions: u64) -> Delivery {
        let now = self.executor.clock().now();
        let view = self.world.seen_by("sender.test");
        self.executor.run(self.sender.deliver(&view, DOMAIN, sessions, false, now)).unwrap()
    }

    fn report(&mut self) -> serde_json::Value {
        let reports = self.executor.run(self.sender.close_day(&self.world, NOW - NOW % DAY)).unwrap();
        serde_json::from_slice(&reports[0].json).unwrap()
    }
}

#[test]
fn a_healthy_domain_gets_its_mail_and_a_report_of_successes() {
    let mut stage = Stage::new(Base::Unsigned);
    let delivery = stage.send(5);
    assert_eq!(delivery, Delivery { to: Some("mx1.alpha.test".to_owned()), encrypted: true });
    let report = stage.report();
    assert_eq!(report["policies"][0]["policy"]["policy-type"], "sts");
    assert_eq!(report["policies"][0]["summary"]["total-successful-session-count"], 5);
}

#[test]
fn a_failing_mx_is_passed_over_and_reported_and_if_all_fail_mail_waits() {
    let mut stage = Stage::new(Base::Unsigned);
    stage.world.edit(|world| {
        world.edit_mx_certificate(DOMAIN, 0, |certificate, now| certificate.not_after = now - 1);
    });
    assert_eq!(stage.send(3).to.unwrap(), "mx2.alpha.test");
    let detail = stage.report()["policies"][0]["failure-details"][0].clone();
    assert_eq!(detail["result-type"], "certificate-expired");
    assert_eq!(detail["failed-session-count"], 3);
    stage.fault("starttls-missing-on-all");
    assert_eq!(stage.send(1).to, None);
}

#[test]
fn stripped_starttls_stops_those_who_hold_the_policy_and_no_others() {
    let mut stage = Stage::new(Base::Unsigned);
    let attack = Attack {
        from: NOW + 1,
        until: NOW + DAY,
        scope: Scope::Only("sender.test".to_owned()),
        kind: AttackKind::StripStartTls { domain: DOMAIN.to_owned() },
    };
    stage.world.edit(|world| world.attacks.push(attack));
    assert!(stage.send(1).encrypted);
    stage.executor.run(stage.world.clock().sleep(Duration::from_secs(2))).unwrap();
    assert_eq!(stage.send(1).to, None);
    let mut stranger = stage.sender.clone();
    stranger.conduct = Conduct { mta_sts: false, ..Conduct::PROPER };
    let view = stage.world.seen_by("sender.test");
    let sent = stage.executor.run(stranger.deliver(&view, DOMAIN, 1, false, NOW + 2)).unwrap();
    assert!(sent.to.is_some() && !sent.encrypted);
}

#[test]
fn a_policy_that_is_gone_is_held_for_its_max_age_and_for_ever_by_some() {
    let mut stage = Stage::new(Base::Unsigned);
    stage.send(1);
    let mut for_ever = stage.sender.clone();
    for_ever.conduct.caches_for_ever = true;
    stage.world.edit(|world| world.serve(DOMAIN, &Page::status(404)));
    stage.wait(27);
    stage.send(1);
    assert_eq!(stage.sender.held(DOMAIN).map(|held| held.mode), Some(Mode::Enforce));
    stage.wait(2);
    stage.send(1);
    assert_eq!(stage.sender.held(DOMAIN), None);
    let policies = stage.report()["policies"].clone();
    assert!(policies.to_string().contains("sts-policy-fetch-error"));
    stage.sender = for_ever;
    stage.send(1);
    assert!(stage.sender.held(DOMAIN).is_some());
}

#[test]
fn a_forged_policy_is_not_believed() {
    let mut stage = Stage::new(Base::Unsigned);
    let kind = AttackKind::ForgePolicy {
        domain: DOMAIN.to_owned(),
        body: "version: STSv1\nmode: none\nmax_age: 9\n".into(),
    };
    let attack = Attack { from: NOW, until: NOW + DAY, scope: Scope::Everyone, kind };
    stage.world.edit(|world| world.attacks.push(attack));
    stage.send(2);
    assert_eq!(stage.sender.held(DOMAIN), None);
    assert!(stage.report().to_string().contains("sts-webpki-invalid"));
}

#[test]
fn dane_decides_where_it_is_and_its_failure_is_reported_at_the_host() {
    let mut stage = Stage::new(Base::Dane);
    assert!(stage.send(1).encrypted);
    stage.world.edit(|world| world.edit_mx_certificate(DOMAIN, 0, |certificate, _| certificate.key = 9));
    assert_eq!(stage.send(1).to.unwrap(), "mx2.alpha.test");
    let report = stage.report().to_string();
    assert!(
        report.contains("tlsa-invalid") && report.contains("\"policy-domain\":\"mx1.alpha.test\""),
        "{report}"
    );
}

#[test]
fn a_changed_id_is_seen_by_those_who_look_at_it() {
    let mut stage = Stage::new(Base::Unsigned);
    stage.send(1);
    let mut blind = stage.sender.clone();
    blind.conduct.ignores_id = true;
    stage.world.edit(|world| {
        let policy = world.domains[DOMAIN].policy.clone().unwrap();
        world.publish(DOMAIN, "20270115080001", Policy { mode: Mode::Testing, ..policy });
    });
    stage.send(1);
    assert_eq!(stage.sender.held(DOMAIN).map(|held| held.mode), Some(Mode::Testing));
    stage.sender = blind;
    stage.wait(2);
    stage.send(1);
    assert_eq!(stage.sender.held(DOMAIN).map(|held| held.mode), Some(Mode::Enforce));
    // Until what it holds has run out.
    stage.wait(27);
    stage.send(1);
    assert_eq!(stage.sender.held(DOMAIN).map(|held| held.mode), Some(Mode::Testing));
}

fn post(executor: &mut Executor, memory: &MemoryWorld) -> Result<HttpAnswer, HttpsFailure> {
    let exchange = async {
        let addresses = memory.look_up("reports.alpha.test", RecordKind::A).await.addresses();
        let (host, path) = ("reports.alpha.test", "/v1/tlsrpt");
        let target = HttpsTarget { host, port: None, path, addresses: &addresses };
        memory.post(target, "application/tlsrpt+json", Bytes::new(), &|_| true).await
    };
    executor.run(exchange).unwrap().outcome
}

#[test]
fn hidden_reports_are_lost_on_both_roads_for_as_long_as_somebody_hides_them() {
    let mut stage = Stage::new(Base::Unsigned);
    let mut world = stage.world.look(Clone::clone);
    (faults::named("tlsrpt-https").unwrap().apply)(&mut world, DOMAIN);
    let places = ["https://reports.alpha.test/v1/tlsrpt", "mailto:a@alpha.test"];
    world.domains.get_mut(DOMAIN).unwrap().rua = places.map(str::to_owned).to_vec();
    world.attacks.push(Attack {
        from: NOW,
        until: NOW + DAY,
        scope: Scope::Everyone,
        kind: AttackKind::HideReports { domain: DOMAIN.to_owned() },
    });
    let lost = |at| world.loses_mail("mailto:a@alpha.test", at, None);
    assert!(lost(NOW) && !lost(NOW + DAY));
    assert!(!world.loses_mail("mailto:b@alpha.test", NOW, None));
    let memory = MemoryWorld::new(world, stage.executor.clock());
    assert_eq!(post(&mut stage.executor, &memory), Err(TlsFailure::Closed.into()));
    assert!(memory.take_posted().is_empty());
    let sleep = memory.clock().sleep(Duration::from_secs(86_400));
    stage.executor.run(sleep).unwrap();
    assert!(post(&mut stage.executor, &memory).is_ok());
    assert_eq!(memory.take_posted().len(), 1);
}

#[test]
fn a_forged_report_looks_like_one_of_the_sender_in_whose_name_it_is() {
    let mut stage = Stage::new(Base::Unsigned);
    stage.sender.dialect = Dialect::Google;
    let report = stage.sender.forged_report(DOMAIN, "mailto:a@alpha.test", NOW, "starttls-not-supported", 40);
    let json: serde_json::Value = serde_json::from_slice(&report.json).unwrap();
    assert_eq!(json["organization-name"], "sender.test");
    assert_eq!(json["policies"][0]["summary"]["total-failure-session-count"], 40);
    assert_eq!(json["policies"][0]["failure-details"][0]["result-type"], "starttls-not-supported");
}
