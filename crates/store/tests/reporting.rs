//! The whole way of a report, from sessions to an accepted mail or POST, over both stores and a world of a few lines.

mod support;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tls_rpt::report::{Limits, read_slice};
use tls_rpt::tally::AppliedPolicy;
use tls_rpt::{PolicyType, Text};
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::{
    Absence, Admit, Answer, Clock, ConnectFailure, Dns, DnsFailure, DnsReply, Dnssec, HttpAnswer, Https,
    HttpsExchange, HttpsFailure, HttpsTarget, JournalPlace, Outbox, OutgoingQuery, OutgoingState, RecordData,
    RecordKind, Relay, RelayMail, RelayOutcome, Security, SignError, Signer, Timer,
};
use tlsward_engine::report::{
    BounceSecret, Counter, Desk, Identity, Pass, Session, Settings, bounced, noted_as, run_due,
};
use tlsward_store::MemoryStore;

const DAY: i64 = 20_000;
const NEXT_DAY: i64 = (DAY + 1) * 86_400;
/// When every report of the day is due.
const FOUR: i64 = NEXT_DAY + 4 * 3600;

/// A world that answers as it is told, and remembers what was sent.
#[derive(Default)]
struct Fake {
    records: BTreeMap<String, Result<&'static str, ()>>,
    /// By host: the answer to a POST.
    hosts: Mutex<BTreeMap<String, u16>>,
    /// By recipient; who is not here is accepted.
    refused: Mutex<BTreeMap<String, RelayOutcome>>,
    mails: Mutex<Vec<RelayMail>>,
    posts: Mutex<Vec<(String, Bytes)>>,
    now: AtomicI64,
    no_key: bool,
    /// What each mail takes, in seconds.
    slow: i64,
}

impl Fake {
    fn at(now: UnixTime) -> Self {
        Self { now: AtomicI64::new(now), ..Self::default() }
    }

    fn to(&self) -> Vec<String> {
        self.mails.lock().expect("mails").iter().map(|mail| mail.to.clone()).collect()
    }
}

impl Dns for Fake {
    async fn look_up(&self, name: &str, kind: RecordKind) -> DnsReply {
        assert!(name.parse::<IpAddr>().is_err(), "{name} is no name");
        let found = |data| {
            DnsReply::Found(Answer {
                aliases: vec![],
                security: Security::Insecure,
                first_security: Security::Insecure,
                ttl: 60,
                records: vec![data],
            })
        };
        match kind {
            RecordKind::Txt => match self.records.get(name) {
                Some(Ok(text)) => found(RecordData::Txt(vec![text.as_bytes().to_vec()])),
                Some(Err(())) => DnsReply::Failed(DnsFailure::TimedOut),
                None => DnsReply::Absent(Absence {
                    aliases: vec![],
                    name_exists: false,
                    security: Security::Insecure,
                    ttl: 60,
                }),
            },
            RecordKind::A => found(RecordData::A([192, 0, 2, 1].into())),
            _ => DnsReply::Absent(Absence {
                aliases: vec![],
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

impl Https for Fake {
    async fn get(&self, _: HttpsTarget<'_>, _: Admit<'_>) -> HttpsExchange {
        panic!("reports are posted")
    }

    async fn post(
        &self,
        target: HttpsTarget<'_>,
        content_type: &str,
        body: Bytes,
        _: Admit<'_>,
    ) -> HttpsExchange {
        assert_eq!((content_type, target.port), ("application/tlsrpt+gzip", None));
        let status = self.hosts.lock().expect("hosts").get(target.host).copied();
        let outcome = match status {
            Some(status) => {
                if status < 300 {
                    self.posts.lock().expect("posts").push((format!("{}{}", target.host, target.path), body));
                }
                Ok(HttpAnswer {
                    status,
                    content_type: None,
                    content_encoding: None,
                    location: None,
                    body: Bytes::new(),
                })
            }
            None => Err(HttpsFailure::Connect(ConnectFailure::Refused)),
        };
        HttpsExchange { address: None, tls: None, outcome }
    }
}

impl Timer for Fake {
    fn sleep(&self, _: Duration) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }
}

impl Clock for Fake {
    fn now(&self) -> UnixTime {
        self.now.load(Ordering::Relaxed)
    }
}

impl Relay for Fake {
    async fn submit(&self, mail: RelayMail) -> RelayOutcome {
        if self.slow > 0 {
            yield_once().await;
            self.now.fetch_add(self.slow, Ordering::Relaxed);
        }
        if let Some(outcome) = self.refused.lock().expect("refused").get(&mail.to) {
            return outcome.clone();
        }
        self.mails.lock().expect("mails").push(mail);
        RelayOutcome::Accepted
    }
}

impl Signer for Fake {
    fn sign(&self, domain: &str, _: &[u8], at: UnixTime) -> Result<Vec<u8>, SignError> {
        if self.no_key {
            return Err(SignError::NoKey(domain.to_owned()));
        }
        Ok(format!("DKIM-Signature: d={domain}; t={at}\r\n").into_bytes())
    }
}

/// Lets the others go on.
async fn yield_once() {
    let mut is_over = false;
    std::future::poll_fn(|context| {
        context.waker().wake_by_ref();
        if std::mem::replace(&mut is_over, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

fn settings() -> Settings {
    let identity = Identity::new("Example Org", "tlsrpt@sender.example").expect("an identity");
    Settings::new(
        identity.bounces_to("bounce@sender.example").expect("an address"),
        7,
        BounceSecret::new([1; 32]),
    )
}

fn session(domain: &str, record: Option<&str>) -> Session {
    Session {
        at: DAY * 86_400 + 9,
        domain: domain.into(),
        record: record.map(Text::from),
        policy: AppliedPolicy {
            policy_type: PolicyType::Sts,
            domain: domain.into(),
            strings: vec!["version: STSv1".into()],
            mx_patterns: vec!["mx.a.example".into()],
        },
        met: Some(true),
        failures: vec![],
        count: 1,
    }
}

async fn count(outbox: &impl Outbox, settings: &Settings, sessions: Vec<Session>) {
    let mut counter = Counter::new(settings);
    sessions.into_iter().for_each(|session| counter.count(session));
    let from = outbox.place("here").await.expect("place");
    let to = JournalPlace { segment: 1, offset: from.offset + 1 };
    outbox.add(counter.take("here", from, to)).await.expect("added");
}

async fn pass(outbox: &impl Outbox, fake: &Fake, settings: &Settings, now: UnixTime) -> Pass {
    fake.now.store(now, Ordering::Relaxed);
    let desk = Desk { world: fake, outbox, relay: fake, signer: fake, clock: fake, settings };
    run_due(&desk, now).await.expect("a pass")
}

async fn state(outbox: &impl Outbox, domain: &str) -> (OutgoingState, String, UnixTime) {
    let line = outbox
        .outgoing(OutgoingQuery { domain: Some(domain.to_owned()), limit: 1, ..OutgoingQuery::default() })
        .await
        .expect("listed")
        .remove(0);
    (line.state, line.reason, line.at)
}

const SENT: Pass = Pass { sent: 1, waiting: 0, given_up: 0, skipped: 0, lost: 0 };
const WAITING: Pass = Pass { sent: 0, waiting: 1, ..SENT };
const GIVEN_UP: Pass = Pass { sent: 0, given_up: 1, ..SENT };
const SKIPPED: Pass = Pass { sent: 0, skipped: 1, ..SENT };
const NONE: Pass = Pass { sent: 0, ..SENT };

/// Proves: I1, I2, H8, H9, I14, G9
#[test]
fn a_days_report_goes_out_once_after_midnight_signed_and_from_an_address_of_its_own() {
    on_both!(store => {
        let (fake, settings) = (Fake::at(0), settings());
        count(store, &settings, vec![session("a.example", Some("v=TLSRPTv1; rua=mailto:r@reports.example"))]).await;
        assert_eq!(pass(store, &fake, &settings, NEXT_DAY).await, NONE, "not at midnight");
        assert_eq!(pass(store, &fake, &settings, FOUR).await, SENT);
        assert_eq!(pass(store, &fake, &settings, FOUR + 86_400).await, NONE);
        let mails = fake.mails.lock().expect("mails").clone();
        let [mail] = mails.as_slice() else { panic!("one mail") };
        assert_eq!(mail.to, "r@reports.example");
        assert!(mail.from.starts_with("bounce+") && mail.from.ends_with("@sender.example"), "{}", mail.from);
        let text = String::from_utf8(mail.message.to_vec()).expect("ASCII");
        assert!(text.starts_with("DKIM-Signature: d=sender.example; "));
        assert!(text.contains("TLS-Report-Domain: a.example\r\n"));
        assert_eq!(state(store, "a.example").await, (OutgoingState::Sent, "mailto:r@reports.example".to_owned(), FOUR));
    });
}

/// Proves: G8, G11
#[test]
fn a_domain_whose_record_no_session_brought_is_asked_and_one_without_gets_nothing() {
    on_both!(store => {
        let (mut fake, settings) = (Fake::at(0), settings());
        fake.records.insert("_smtp._tls.mx.a.example".to_owned(), Ok("v=TLSRPTv1; rua=mailto:r@mx.a.example"));
        // A parent's record is not that of its sub-domains.
        fake.records.insert("_smtp._tls.b.example".to_owned(), Ok("v=TLSRPTv1; rua=mailto:r@b.example"));
        fake.records.insert("_smtp._tls.mx.c.example".to_owned(), Err(()));
        count(store, &settings, vec![session("mx.a.example", None), session("mx.b.example", None), session("mx.c.example", None)]).await;
        let seen = pass(store, &fake, &settings, FOUR).await;
        assert_eq!(seen, Pass { sent: 1, skipped: 1, waiting: 1, ..NONE });
        assert_eq!(fake.to(), ["r@mx.a.example"]);
        let (state_b, reason, _) = state(store, "mx.b.example").await;
        assert_eq!((state_b, reason.as_str()), (OutgoingState::Skipped, "there is no TLSRPT record"));
        assert!(state(store, "mx.c.example").await.1.contains("no answer from DNS"));
    });
}

/// Proves: J1, J2
#[test]
fn only_2xx_is_an_acceptance_and_the_next_place_is_tried() {
    on_both!(store => {
        for (status, expected) in [(200, "https"), (201, "https"), (302, "mail"), (404, "mail"), (500, "mail")] {
            let (fake, settings) = (Fake::at(0), settings());
            let domain = format!("s{status}.example");
            let record = "v=TLSRPTv1; rua=https://r.example/v1?x=1,mailto:r@a.example";
            count(store, &settings, vec![session(&domain, Some(record))]).await;
            fake.hosts.lock().expect("hosts").insert("r.example".to_owned(), status);
            assert_eq!(pass(store, &fake, &settings, FOUR).await, SENT);
            let posts = fake.posts.lock().expect("posts").clone();
            match expected {
                "https" => {
                    assert_eq!((posts[0].0.as_str(), fake.to().len()), ("r.example/v1?x=1", 0));
                    assert!(posts[0].1.starts_with(&[0x1f, 0x8b]), "gzip");
                }
                _ => assert_eq!((posts.len(), fake.to()), (0, vec!["r@a.example".to_owned()]), "{status}"),
            }
        }
    });
}

#[test]
fn a_report_is_posted_to_the_path_and_query_of_the_record_and_to_addresses_as_they_stand() {
    on_both!(store => {
        for (number, (host, uri, expected)) in [
            ("r.example", "https://r.example?token=abc", "r.example/?token=abc"),
            ("r.example", "https://r.example/v1?token=abc#part", "r.example/v1?token=abc"),
            ("192.0.2.7", "https://192.0.2.7/x", "192.0.2.7/x"),
            ("2001:db8::7", "https://[2001:db8::7]/x", "2001:db8::7/x"),
        ].into_iter().enumerate() {
            let (fake, settings) = (Fake::at(0), settings());
            let record = format!("v=TLSRPTv1; rua={uri}");
            count(store, &settings, vec![session(&format!("d{number}.example"), Some(&record))]).await;
            fake.hosts.lock().expect("hosts").insert(host.to_owned(), 200);
            assert_eq!(pass(store, &fake, &settings, FOUR).await, SENT, "{uri}");
            assert_eq!(fake.posts.lock().expect("posts")[0].0, expected);
        }
    });
}

/// Proves: I12, J5
#[test]
fn a_report_that_nobody_accepts_is_tried_for_24_hours_under_one_id_and_then_given_up_with_the_reason() {
    on_both!(store => {
        let (fake, settings) = (Fake::at(0), settings());
        count(store, &settings, vec![session("a.example", Some("v=TLSRPTv1; rua=mailto:r@a.example"))]).await;
        let refusal = RelayOutcome::Refused { code: 451, text: "to RCPT TO: later".to_owned() };
        fake.refused.lock().expect("refused").insert("r@a.example".to_owned(), refusal);
        let (mut now, mut tries) = (FOUR, 0);
        loop {
            let seen = pass(store, &fake, &settings, now).await;
            tries += 1;
            if seen == GIVEN_UP {
                break;
            }
            assert_eq!(seen, WAITING);
            let (_, reason, at) = state(store, "a.example").await;
            assert_eq!(reason, "mailto:r@a.example: the relay answered 451 to RCPT TO: later");
            assert_eq!(pass(store, &fake, &settings, at - 1).await, NONE, "not before its time");
            now = at;
        }
        assert_eq!(now - FOUR, 86_400);
        assert!((8..=12).contains(&tries), "{tries}");
        let (given_up, reason, _) = state(store, "a.example").await;
        assert_eq!((given_up, reason.contains("451")), (OutgoingState::GivenUp, true));
        assert_eq!(pass(store, &fake, &settings, now + 86_400).await, NONE);
    });
}

#[test]
fn several_days_of_outage_are_reported_afterwards_each_by_itself() {
    on_both!(store => {
        let (fake, settings) = (Fake::at(0), settings());
        let record = Some("v=TLSRPTv1; rua=mailto:r@a.example");
        let days: Vec<Session> = (0..4).map(|day| Session { at: (DAY - day) * 86_400, ..session("a.example", record) }).collect();
        count(store, &settings, days).await;
        assert_eq!(pass(store, &fake, &settings, FOUR).await, Pass { sent: 4, ..NONE });
        let mails = fake.mails.lock().expect("mails").clone();
        let mut ids: Vec<&str> = mails.iter().map(|mail| mail.from.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 4);
    });
}

#[test]
fn a_day_is_not_reported_before_all_of_it_is_counted() {
    on_both!(store => {
        let (fake, settings) = (Fake::at(FOUR), settings());
        count(store, &settings, vec![session("a.example", Some("v=TLSRPTv1; rua=mailto:r@a.example"))]).await;
        let desk = Desk { world: &fake, outbox: store, relay: &fake, signer: &fake, clock: &fake, settings: &settings };
        assert_eq!(run_due(&desk, NEXT_DAY - 1).await.expect("a pass"), NONE, "the journal is not read that far");
        assert_eq!(run_due(&desk, NEXT_DAY).await.expect("a pass"), SENT);
    });
}

/// The token in the envelope of the last mail to an address.
fn token(fake: &Fake, to: &str) -> String {
    let mails = fake.mails.lock().expect("mails");
    let mail = mails.iter().rev().find(|mail| mail.to == to).expect("a mail");
    mail.from.trim_start_matches("bounce+").split('@').next().expect("a token").to_owned()
}

#[test]
fn nobody_can_say_that_a_mail_bounced_who_does_not_know_the_secret() {
    on_both!(store => {
        let mut tokens = Vec::new();
        for (number, secret) in [1, 2].into_iter().enumerate() {
            let fake = Fake::at(0);
            let settings = Settings { bounce_secret: BounceSecret::new([secret; 32]), ..settings() };
            let session = Session { at: (DAY - number as i64) * 86_400, ..session("a.example", Some("v=TLSRPTv1; rua=mailto:r@a.example")) };
            count(store, &settings, vec![session]).await;
            assert_eq!(pass(store, &fake, &settings, FOUR).await, SENT);
            let token = token(&fake, "r@a.example");
            let message = fake.mails.lock().expect("mails")[0].message.clone();
            let text = String::from_utf8(message.to_vec()).expect("ASCII");
            // What stands in the report's id, boundary and file name is told to everybody.
            let shown = text.split("boundary=\"tlsrpt-").nth(1).and_then(|rest| rest.split('"').next()).expect("a boundary");
            assert!(!text.contains(&token));
            assert!(!bounced(store, "local", shown, FOUR + 60, "550 no").await.expect("asked"));
            tokens.push(token);
        }
        assert_eq!(state(store, "a.example").await.0, OutgoingState::Sent);
        assert!(bounced(store, "local", &tokens[0], FOUR + 60, "550 no").await.expect("asked"));
    });
}

#[test]
fn a_bounce_that_comes_again_says_nothing_of_the_place_that_took_the_report_since() {
    on_both!(store => {
        for (number, next) in ["https://r.example/x", "HTTPS://r.example/x", "mailto:two@a.example"].into_iter().enumerate() {
            let (fake, settings) = (Fake::at(0), settings());
            fake.hosts.lock().expect("hosts").insert("r.example".to_owned(), 200);
            let domain = format!("d{number}.example");
            let record = format!("v=TLSRPTv1; rua=mailto:one@a.example,{next}");
            count(store, &settings, vec![session(&domain, Some(&record))]).await;
            assert_eq!(pass(store, &fake, &settings, FOUR).await, SENT);
            let first = token(&fake, "one@a.example");
            assert!(bounced(store, "local", &first, FOUR + 60, "550 no such user").await.expect("taken"));
            assert_eq!(pass(store, &fake, &settings, FOUR + 61).await, SENT);
            let before = state(store, &domain).await;
            assert!(!bounced(store, "local", &first, FOUR + 62, "550 again").await.expect("asked"));
            assert_eq!(state(store, &domain).await, before);
            assert_eq!(before.1, next);
            assert_eq!(store.health(vec![noted_as(next, &domain)]).await.expect("health"), [None]);
        }
    });
}

#[test]
fn a_bounce_makes_the_next_place_be_tried_and_the_last_one_is_the_end() {
    on_both!(store => {
        let (fake, settings) = (Fake::at(0), settings());
        let record = "v=TLSRPTv1; rua=mailto:one@a.example,mailto:two@a.example";
        count(store, &settings, vec![session("a.example", Some(record))]).await;
        assert_eq!(pass(store, &fake, &settings, FOUR).await, SENT);
        let token = |to: &str| token(&fake, to);
        assert!(!bounced(store, "local", "0000", FOUR, "no such user").await.expect("asked"));
        assert!(bounced(store, "local", &token("one@a.example"), FOUR + 60, "550 no such user").await.expect("taken"));
        assert!(state(store, "a.example").await.1.contains("one@a.example: bounced: 550"));
        assert_eq!(pass(store, &fake, &settings, FOUR + 61).await, SENT);
        assert_eq!(fake.to(), ["one@a.example", "two@a.example"]);
        assert!(bounced(store, "local", &token("two@a.example"), FOUR + 90, "550 nor that one").await.expect("taken"));
        assert!(!bounced(store, "local", &token("two@a.example"), FOUR + 91, "again").await.expect("asked"), "once is enough");
        assert_eq!(pass(store, &fake, &settings, FOUR + 99).await, GIVEN_UP);
        assert_eq!(fake.to().len(), 2);
    });
}

#[test]
fn a_destination_is_not_flooded_over_many_domains() {
    on_both!(store => {
        let (fake, mut settings) = (Fake::at(0), settings());
        settings.daily_quota = 3;
        let sessions = (0..8).map(|n| session(&format!("d{n}.example"), Some("v=TLSRPTv1; rua=mailto:victim@v.example")));
        count(store, &settings, sessions.collect()).await;
        assert_eq!(pass(store, &fake, &settings, FOUR).await, Pass { sent: 3, waiting: 5, ..NONE });
        assert_eq!(fake.to().len(), 3);
        let waiting = store.outgoing(OutgoingQuery { limit: 99, ..OutgoingQuery::default() }).await.expect("listed").into_iter().find(|line| line.state == OutgoingState::Waiting).expect("one");
        assert!(waiting.reason.contains("v.example has had its 3 reports of today"), "{}", waiting.reason);
    });
}

#[test]
fn a_place_that_failed_for_days_is_left_alone_for_a_week() {
    on_both!(store => {
            let (fake, settings) = (Fake::at(0), settings());
            let record = Some("v=TLSRPTv1; rua=https://dead.example/");
            let mut last = Pass::default();
            for day in 0..6 {
                let begin = DAY * 86_400 + day * 86_400;
                count(store, &settings, vec![Session { at: begin, ..session("a.example", record) }]).await;
                last = pass(store, &fake, &settings, begin + 86_400 + 14_401).await;
            }
    assert_eq!((last.sent, last.waiting), (0, 0), "nothing is tried there any more: {last:?}");
            let (given_up, reason, now) = state(store, "a.example").await;
            assert_eq!(given_up, OutgoingState::GivenUp);
            assert!(reason.contains("left alone after failures on 5 days"), "{reason}");
            fake.hosts.lock().expect("hosts").insert("dead.example".to_owned(), 200);
            let later = now + 9 * 86_400;
            count(store, &settings, vec![Session { at: later - 86_400, ..session("a.example", record) }]).await;
            assert_eq!(pass(store, &fake, &settings, later).await.sent, 1, "then it is tried again");
            assert_eq!(store.health(vec!["https://dead.example/".to_owned()]).await.expect("health"), [None]);
        });
}

/// One day after the other, with a mail to a@a.example each; whether it bounces is said by day.
async fn days_of_mail(outbox: &impl Outbox, fake: &Fake, days: &[(i64, bool)]) {
    let settings = settings();
    for (day, bounces) in days {
        let begin = (DAY + day) * 86_400;
        let one = Session { at: begin, ..session("a.example", Some("v=TLSRPTv1; rua=mailto:r@a.example")) };
        count(outbox, &settings, vec![one]).await;
        let now = begin + 86_400 + 14_401;
        pass(outbox, fake, &settings, now).await;
        if *bounces {
            assert!(
                bounced(outbox, "local", &token(fake, "r@a.example"), now + 60, "550 full")
                    .await
                    .expect("taken")
            );
        }
    }
}

async fn failed_days(outbox: &impl Outbox) -> Option<u32> {
    let noted = noted_as("mailto:r@a.example", "a.example");
    let health = outbox.health(vec![noted]).await.expect("health").remove(0);
    health.map(|held| held.failed_days)
}

#[test]
fn an_address_whose_mail_bounces_each_day_is_left_alone() {
    on_both!(store => {
        let fake = Fake::at(0);
        days_of_mail(store, &fake, &[(0, true), (1, true), (2, true), (3, true), (4, true)]).await;
        assert_eq!(failed_days(store).await, Some(5));
        days_of_mail(store, &fake, &[(5, false)]).await;
        assert_eq!(fake.to().len(), 5);
        assert!(state(store, "a.example").await.1.contains("left alone after failures on 5 days"));
    });
}

/// A mailbox for many domains sends back what it is told of one that it does not know. Whoever publishes its address
/// there must not have it left alone for the others.
#[test]
fn what_bounces_of_one_domain_says_nothing_of_another_at_the_same_mailbox() {
    on_both!(store => {
        let (fake, settings) = (Fake::at(0), settings());
        let record = Some("v=TLSRPTv1; rua=mailto:r@collector.example");
        for day in 0..8 {
            let begin = (DAY + day) * 86_400;
            let now = begin + 86_400 + 14_401;
            count(store, &settings, vec![Session { at: begin, ..session("stranger.example", record) }]).await;
            let of_stranger = pass(store, &fake, &settings, now).await.sent;
            assert_eq!(of_stranger, u64::from(day < 5), "{day}");
            if of_stranger > 0 {
                let token = token(&fake, "r@collector.example");
                assert!(bounced(store, "local", &token, now + 60, "550 nobody asked for this").await.expect("taken"));
            }
            count(store, &settings, vec![Session { at: begin, ..session("a.example", record) }]).await;
            pass(store, &fake, &settings, now + 90).await;
            assert_eq!(state(store, "a.example").await.0, OutgoingState::Sent, "{day}");
        }
    });
}

#[test]
fn bounces_are_forgotten_when_mail_of_two_later_days_has_not_bounced() {
    on_both!(store => {
        let fake = Fake::at(0);
        days_of_mail(store, &fake, &[(0, true), (1, true), (2, true), (3, true)]).await;
        assert_eq!(failed_days(store).await, Some(4));
        days_of_mail(store, &fake, &[(4, false)]).await;
        assert_eq!(failed_days(store).await, Some(4), "it may still bounce");
        days_of_mail(store, &fake, &[(5, false)]).await;
        assert_eq!(failed_days(store).await, None);
        days_of_mail(store, &fake, &[(6, true)]).await;
        assert_eq!(failed_days(store).await, Some(1));
        days_of_mail(store, &fake, &[(7, true), (8, false)]).await;
        assert_eq!(failed_days(store).await, Some(2), "one day says nothing");
    });
}

/// Proves: I8
#[test]
fn domains_that_are_opted_out_get_nothing_also_if_it_was_said_later() {
    on_both!(store => {
        let (fake, mut settings) = (Fake::at(0), settings());
        count(store, &settings, vec![session("a.example", Some("v=TLSRPTv1; rua=mailto:r@a.example"))]).await;
        settings.opt_outs.insert("a.example".to_owned());
        assert_eq!(pass(store, &fake, &settings, FOUR).await, SKIPPED);
        assert!(fake.to().is_empty());
    });
}

/// Proves: I3
#[test]
fn without_a_key_no_mail_goes_out() {
    on_both!(store => {
        let (mut fake, settings) = (Fake::at(0), settings());
        fake.no_key = true;
        count(store, &settings, vec![session("a.example", Some("v=TLSRPTv1; rua=mailto:r@a.example"))]).await;
        assert_eq!(pass(store, &fake, &settings, FOUR).await, WAITING);
        assert!(state(store, "a.example").await.1.contains("no DKIM key for sender.example"));
    });
}

#[test]
fn unusable_records_and_days_without_a_count_are_skipped_with_the_reason() {
    on_both!(store => {
        let (fake, settings) = (Fake::at(0), settings());
        let unjudged = Session { met: None, ..session("b.example", Some("v=TLSRPTv1; rua=mailto:r@a.example")) };
        count(store, &settings, vec![session("a.example", Some("v=TLSRPTv1; rua=ftp://x")), unjudged]).await;
        assert_eq!(pass(store, &fake, &settings, FOUR).await, Pass { skipped: 2, ..NONE });
        assert!(state(store, "a.example").await.1.contains("record cannot be used"));
        assert!(state(store, "b.example").await.1.contains("no session of that day could be counted"));
    });
}

#[test]
fn two_nodes_send_each_report_once() {
    on_both!(store => {
        let (fake, settings) = (Fake::at(FOUR), settings());
        let record = Some("v=TLSRPTv1; rua=mailto:r@a.example");
        count(store, &settings, (0..200).map(|n| session(&format!("d{n}.example"), record)).collect()).await;
        let other = Settings { node: "other".to_owned(), ..settings.clone() };
        let desk = |settings| Desk { world: &fake, outbox: store, relay: &fake, signer: &fake, clock: &fake, settings };
        let (one, two) = (desk(&settings), desk(&other));
        let (one, two) = futures_util::join!(run_due(&one, FOUR), run_due(&two, FOUR));
        let (one, two) = (one.expect("a pass"), two.expect("a pass"));
        assert_eq!((one.sent + two.sent, one.lost + two.lost), (200, 0));
        assert_eq!(fake.mails.lock().expect("mails").len(), 200);
    });
}

/// In memory, where nothing but the mails takes time: the clock is theirs.
#[test]
fn where_every_place_is_slow_a_report_is_still_sent_by_one_node_only() {
    let store = &MemoryStore::default();
    support::wait(async {
        let mut fake = Fake::at(FOUR);
        fake.slow = 1_000;
        let record = Some("v=TLSRPTv1; rua=mailto:r@a.example");
        let settings = Settings { concurrency: 2, ..settings() };
        count(store, &settings, (0..30).map(|n| session(&format!("d{n}.example"), record)).collect()).await;
        let other = Settings { node: "other".to_owned(), concurrency: 1, ..settings.clone() };
        let desk = |settings| Desk {
            world: &fake,
            outbox: store,
            relay: &fake,
            signer: &fake,
            clock: &fake,
            settings,
        };
        let (one, two) = (desk(&settings), desk(&other));
        let (one, two) = futures_util::join!(run_due(&one, FOUR), run_due(&two, FOUR));
        let (one, two) = (one.expect("a pass"), two.expect("a pass"));
        assert_eq!((one.sent + two.sent, one.lost + two.lost), (30, 0));
        assert_eq!(fake.mails.lock().expect("mails").len(), 30);
    });
}

/// Proves: H1
#[test]
fn what_is_posted_is_read_back_without_a_repair() {
    on_both!(store => {
        let (fake, settings) = (Fake::at(0), settings());
        count(store, &settings, vec![session("a.example", Some("v=TLSRPTv1; rua=https://r.example/"))]).await;
        fake.hosts.lock().expect("hosts").insert("r.example".to_owned(), 201);
        assert_eq!(pass(store, &fake, &settings, FOUR).await, SENT);
        let body = fake.posts.lock().expect("posts")[0].1.clone();
        let mut json = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&body[..]), &mut json).expect("gzip");
        let parsed = read_slice(&json, &Limits::default()).expect("a report");
        assert_eq!((parsed.len(), parsed[0].repairs.len()), (1, 0));
    });
}
