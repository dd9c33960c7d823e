//! Certificates from Pebble: issued by each kind of proof, renewed, refused, lost and gone on with.
//!
//! Needs Pebble on the PATH (Debian's package `pebble`; `cargo xtask test` installs it).

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

#[path = "../../../../tests/support/debian.rs"]
mod debian;
mod kept;
mod killing;
mod pebble;
#[path = "../dns/server.rs"]
#[allow(dead_code, reason = "another test uses more of it")]
mod server;
mod side;

use std::time::Duration;

use kept::Kept;
use killing::Killing;
use pebble::{Pebble, Wishes};
use side::{Servers, Side};
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::certificates::{
    Authority, Certificates as _, ChallengeKind, Counted, ExternalAccount, KeptCertificate, KeptOrder,
    OrderStatus, Registration,
};
use tlsward_engine::ports::{
    Absence, Answer, Clock, Dns, DnsReply, Dnssec, RecordData, RecordKind, Security, Timer,
};
use tlsward_engine::publish::certificate::failure::{FailureKind, IssueFailure};
use tlsward_engine::publish::certificate::issue::{Desk, Job, Outcome};
use tlsward_engine::publish::certificate::need::Wanted;
use tlsward_engine::publish::certificate::pace::Limits;
use tlsward_engine::publish::certificate::preflight::OurAddresses;
use tlsward_engine::publish::certificate::settings::{AuthoritySettings, Settings};
use tlsward_net::acme::{AcmeClient, AcmeConfig};
use tlsward_net::guard::Guard;
use tlsward_net::limits::AcmeLimits;
use tlsward_net::polite::PerAddress;

/// Every name leads here, and nobody has CAA records.
#[derive(Debug, Clone)]
struct Here;

impl Dns for Here {
    async fn look_up(&self, _: &str, kind: RecordKind) -> DnsReply {
        match kind {
            RecordKind::A => DnsReply::Found(Answer {
                aliases: Vec::new(),
                security: Security::Insecure,
                first_security: Security::Insecure,
                ttl: 60,
                records: vec![RecordData::A([127, 0, 0, 1].into())],
            }),
            _ => DnsReply::Absent(Absence {
                aliases: Vec::new(),
                name_exists: true,
                security: Security::Insecure,
                ttl: 60,
            }),
        }
    }

    fn dnssec(&self) -> Dnssec {
        Dnssec::Off
    }
}

impl Timer for Here {
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

#[derive(Debug, Clone)]
struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "Pebble's certificates are of now")]
    fn now(&self) -> UnixTime {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        since.as_secs().try_into().unwrap()
    }
}

type Client = AcmeClient<Here, SystemClock>;

/// An authority, our side, and what is kept.
struct Stage {
    pebble: Pebble,
    side: Side,
    kept: Kept,
    _servers: Servers,
}

impl Stage {
    async fn with(wishes: Wishes) -> Self {
        let side = Side::default();
        let servers = side.serve().await;
        let pebble = Pebble::start(servers.ports, wishes);
        Self { pebble, side, kept: Kept::default(), _servers: servers }
    }

    fn client(&self) -> Client {
        let config = AcmeConfig {
            directories: vec![self.pebble.directory.clone()],
            guard: Guard::default(),
            roots: self.pebble.roots.clone(),
            per_address: PerAddress::new(64),
            limits: AcmeLimits::default(),
        };
        AcmeClient::new(config, Here, SystemClock)
    }

    fn settings(&self, method: ChallengeKind) -> Settings {
        let authority = AuthoritySettings {
            directory: self.pebble.directory.clone(),
            terms_agreed: true,
            registration: Registration { contact: vec!["mailto:post@a.test".to_owned()], external: None },
            caa_identities: Vec::new(),
            limits: Limits::default(),
        };
        let mut settings =
            Settings::new(vec![authority], OurAddresses { ours: Vec::new(), is_public: |_| true });
        settings.methods = vec![method];
        settings.record_wait = Duration::ZERO;
        settings
    }

    fn desk_with<A: Authority>(
        &self,
        authority: A,
        settings: Settings,
    ) -> Desk<Here, A, Kept, Side, Side, SystemClock> {
        let records = Some(self.side.clone());
        Desk::new(Here, authority, self.kept.clone(), self.side.clone(), records, SystemClock, settings)
    }

    async fn issue(&self, name: &str, method: ChallengeKind) -> Result<KeptCertificate, IssueFailure> {
        self.issue_with(name, self.settings(method)).await
    }

    async fn issue_with(&self, name: &str, settings: Settings) -> Result<KeptCertificate, IssueFailure> {
        let outcome = self.desk_with(self.client(), settings).issue(&job(name)).await?;
        assert!(matches!(outcome, Outcome::Issued(_)), "{outcome:?}");
        Ok(self.kept.certificate(name).await.unwrap().unwrap())
    }
}

fn job(name: &str) -> Job {
    let wanted = Wanted { name: name.to_owned(), domain: name.trim_start_matches("mta-sts.").to_owned() };
    Job { wanted, authority: 0, replaces: None, failures: 0 }
}

fn http() -> ChallengeKind {
    ChallengeKind::Http01
}

/// Proves: K7
#[tokio::test]
async fn a_name_is_certified_by_each_kind_of_proof_and_renewed_under_one_account() {
    let stage = Stage::with(Wishes::default()).await;
    for kind in ChallengeKind::ALL {
        let name = format!("mta-sts.{}.test", kind.as_wire());
        let first = stage.issue(&name, kind).await.unwrap();
        assert!(first.chain.len() >= 2, "the chain has the issuer");
        assert!(first.line.ari_id.is_some());
        let again = stage.issue(&name, kind).await.unwrap();
        assert_ne!(
            (&first.chain, &first.key),
            (&again.chain, &again.key),
            "another certificate, another key"
        );
        assert_eq!(stage.side.presented(), 0, "nothing is left presented");
        assert_eq!(stage.side.texts(&format!("_acme-challenge.{name}")), Vec::<String>::new());
    }
    let state = stage.kept.state();
    assert_eq!(state.accounts.len(), 1);
    let orders = state.counted.iter().filter(|event| event.what == Counted::Order).count();
    assert_eq!(orders, 6);
}

/// Proves: K7
#[tokio::test]
async fn a_wrong_answer_is_explained_and_the_next_order_is_a_new_one() {
    let stage = Stage::with(Wishes::default()).await;
    stage.side.answer_wrongly(true);
    let failure = stage.issue("mta-sts.a.test", http()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::WrongAnswer, "{failure}");
    assert!(failure.to_string().contains("answered otherwise"), "{failure}");
    {
        let state = stage.kept.state();
        assert!(state.orders.is_empty(), "nothing can come of it");
        let failed = state.counted.iter().filter(|event| event.what == Counted::FailedValidation).count();
        assert_eq!(failed, 1);
    }
    stage.side.answer_wrongly(false);
    stage.issue("mta-sts.a.test", http()).await.unwrap();
}

/// Proves: K7
#[tokio::test]
async fn with_many_nonces_refused_it_comes_to_an_end_all_the_same() {
    let stage = Stage::with(Wishes { bad_nonces: 40, ..Wishes::default() }).await;
    let mut failures = Vec::new();
    while failures.len() < 30 {
        match stage.issue("mta-sts.a.test", http()).await {
            Ok(_) => break,
            Err(failure) => failures.push(failure),
        }
    }
    assert!(stage.kept.state().certificates.contains_key("mta-sts.a.test"), "{failures:?}");
    for failure in failures {
        assert_eq!(failure.kind, FailureKind::AuthorityDown, "it is worth another try soon: {failure}");
    }
}

/// Proves: K7
#[tokio::test]
async fn killed_before_and_after_each_request_an_issuance_goes_on_with_its_order_and_key() {
    let stage = Stage::with(Wishes::default()).await;
    stage.issue("mta-sts.first.test", http()).await.unwrap();
    let (mut killed, mut gone_on_with) = (0, 0);
    for points in 0.. {
        let name = format!("mta-sts.{points}.test");
        let killing = Killing::after(stage.client(), points);
        let reached = std::sync::Arc::clone(&killing.reached);
        let desk = stage.desk_with(killing, stage.settings(http()));
        let job = job(&name);
        let is_done = tokio::select! {
            done = desk.issue(&job) => { done.unwrap(); true }
            () = reached.notified() => false,
        };
        drop(desk);
        if is_done {
            break;
        }
        killed += 1;
        let begun = stage.kept.order(&name).await.unwrap();
        // Between the answer and a look at it the challenge was no longer presented: the authority may have looked then, and
        // the order has come to nothing. Every other one is gone on with.
        let is_alive = match &begun {
            Some(order) => is_alive(&stage, order).await,
            None => false,
        };
        let certificate = stage.issue(&name, http()).await.unwrap();
        if let Some(begun) = begun.filter(|_| is_alive) {
            assert_eq!(certificate.key, begun.key, "killed at {points}: the order that was begun was ended");
            gone_on_with += 1;
        }
        assert!(stage.kept.order(&name).await.unwrap().is_none());
    }
    assert!(killed >= 10 && gone_on_with >= 4, "{killed}, of which {gone_on_with} went on");
    assert_eq!(stage.kept.state().accounts.len(), 1);
}

/// Whether an order that was begun can still come to something, once the authority has looked at what it was told of.
async fn is_alive(stage: &Stage, order: &KeptOrder) -> bool {
    let account = stage.kept.account(&order.directory).await.unwrap().unwrap();
    for _ in 0..50 {
        let seen = stage.client().look(&account, &order.url).await.unwrap();
        let is_looked_at = seen.offers.iter().any(|offer| offer.is_begun);
        match seen.status {
            OrderStatus::Invalid => return false,
            OrderStatus::Pending if is_looked_at => tokio::time::sleep(Duration::from_millis(50)).await,
            _ => return true,
        }
    }
    true
}

/// Proves: K7
#[tokio::test]
async fn an_authority_that_has_forgotten_us_gets_the_same_key_again_and_lost_orders_are_made_anew() {
    let mut stage = Stage::with(Wishes::default()).await;
    let client = stage.client();
    // Killed once the order is kept.
    let killing = Killing::after(client, 4);
    let reached = std::sync::Arc::clone(&killing.reached);
    let desk = stage.desk_with(killing, stage.settings(http()));
    let begun = job("mta-sts.a.test");
    tokio::select! {
        done = desk.issue(&begun) => panic!("{done:?}"),
        () = reached.notified() => {}
    }
    drop(desk);
    let before = stage.kept.state().accounts.values().next().unwrap().clone();
    assert!(stage.kept.order("mta-sts.a.test").await.unwrap().is_some());
    stage.pebble.restart();
    let mut tries = 0;
    let certificate = loop {
        tries += 1;
        match stage.issue("mta-sts.a.test", http()).await {
            Ok(certificate) => break certificate,
            Err(failure) => assert!(tries < 3, "{failure}"),
        }
    };
    assert!(certificate.line.not_after > certificate.line.not_before);
    let after = stage.kept.state().accounts.values().next().unwrap().clone();
    assert_eq!(before.key, after.key);
}

/// Proves: K7
#[tokio::test]
async fn an_authority_that_is_gone_is_down_and_nothing_is_lost() {
    let mut stage = Stage::with(Wishes::default()).await;
    let first = stage.issue("mta-sts.a.test", http()).await.unwrap();
    stage.pebble.stop();
    let failure = stage.issue("mta-sts.a.test", http()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::AuthorityDown, "{failure}");
    assert_eq!(
        stage.kept.certificate("mta-sts.a.test").await.unwrap(),
        Some(first),
        "it goes on being served"
    );
}

/// Proves: K7
#[tokio::test]
async fn terms_and_external_accounts_are_asked_of_the_owner_and_then_used() {
    let stage = Stage::with(Wishes { external: true, ..Wishes::default() }).await;
    let mut settings = stage.settings(http());
    settings.authorities[0].terms_agreed = false;
    let failure = stage.issue_with("mta-sts.a.test", settings.clone()).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Account, "{failure}");
    assert!(failure.to_string().contains("terms of service at"), "{failure}");
    settings.authorities[0].terms_agreed = true;
    let failure = stage.issue_with("mta-sts.a.test", settings.clone()).await.unwrap_err();
    assert!(failure.to_string().contains("EAB"), "{failure}");
    assert!(stage.kept.state().accounts.is_empty(), "no account was made without");
    use base64::Engine as _;
    let key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
    let key = base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(key).unwrap();
    settings.authorities[0].registration.external = Some(ExternalAccount { id: "kid-1".to_owned(), key });
    stage.issue_with("mta-sts.a.test", settings).await.unwrap();
}

/// Proves: K7
#[tokio::test]
async fn an_authority_whose_certificate_is_not_trusted_is_not_spoken_to() {
    let stage = Stage::with(Wishes::default()).await;
    let config = AcmeConfig {
        directories: vec![stage.pebble.directory.clone()],
        guard: Guard::default(),
        roots: Default::default(),
        per_address: PerAddress::new(8),
        limits: AcmeLimits::default(),
    };
    let client = AcmeClient::new(config, Here, SystemClock);
    let failure = client.facts(&stage.pebble.directory).await.unwrap_err();
    assert!(failure.to_string().contains("trust_roots"), "{failure}");
}

/// Debian 13's Pebble says when to renew; Debian 12's does not.
#[test]
#[ignore = "makes a Debian 13 from a mirror"]
fn renewal_information_is_heard_and_what_is_replaced_named_once() {
    let test = "renewal_information_is_heard_and_what_is_replaced_named_once";
    let Some(debian) = debian::inside(test, "trixie", "pebble") else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stage = Stage::with(Wishes { root: Some(debian.root.clone()), ..Wishes::default() }).await;
        let first = stage.issue("mta-sts.a.test", http()).await.unwrap();
        let (client, now) = (stage.client(), SystemClock.now());
        assert!(client.facts(&stage.pebble.directory).await.unwrap().has_renewal_info);
        let ari_id = first.line.ari_id.clone().unwrap();
        let window = client.renewal(&stage.pebble.directory, &ari_id, now).await.unwrap();
        assert!(window.start > first.line.not_before && window.end <= first.line.not_after, "{window:?}");
        assert!(window.end > window.start && window.ask_again_at > now);
        let renewal = Job { replaces: Some(ari_id), ..job("mta-sts.a.test") };
        let desk = stage.desk_with(stage.client(), stage.settings(http()));
        // The second time it was replaced already: it is an order like any other then, and counts.
        for counted in [1, 2] {
            let outcome = desk.issue(&renewal).await.unwrap();
            assert!(matches!(outcome, Outcome::Issued(_)), "{outcome:?}");
            let orders =
                stage.kept.state().counted.iter().filter(|event| event.what == Counted::Order).count();
            assert_eq!(orders, counted);
        }
        let unknown = client.renewal(&stage.pebble.directory, "bm90.aGluZw", now).await.unwrap_err();
        assert!(!unknown.to_string().is_empty());
    });
}
