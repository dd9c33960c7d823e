//! The ACME client against authorities that answer what none should: too much, too late, in pages instead of problems.
//! What Pebble does by itself is asked of Pebble (`peers_acme`).

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod peer;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use peer::{Identity, Server, accept, both, server, tls};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use smtp_dane::pkix::TrustRoots;
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::certificates::{
    Authority, AuthorityFailure, KeptAccount, Registration, RetryAfter,
};
use tlsward_engine::ports::{Clock, Dns, DnsFailure, DnsReply, Dnssec, RecordKind};
use tlsward_net::acme::{AcmeClient, AcmeConfig};
use tlsward_net::guard::Guard;
use tlsward_net::limits::AcmeLimits;
use tlsward_net::polite::PerAddress;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Nothing can be looked up: `localhost` never is.
#[derive(Debug, Clone)]
struct NoDns;

impl Dns for NoDns {
    async fn look_up(&self, _: &str, _: RecordKind) -> DnsReply {
        DnsReply::Failed(DnsFailure::TimedOut)
    }

    fn dnssec(&self) -> Dnssec {
        Dnssec::Off
    }
}

#[derive(Debug, Clone)]
struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the certificate of the test's server is of now")]
    fn now(&self) -> UnixTime {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        since.as_secs().try_into().unwrap()
    }
}

/// A root, and what it certified for `localhost`.
fn certified() -> (TrustRoots, Identity) {
    let mut root = CertificateParams::new(vec![]).unwrap();
    root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root_key = KeyPair::generate().unwrap();
    let roots = TrustRoots::from_der(&[root.self_signed(&root_key).unwrap().der()]).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &Issuer::new(root, root_key)).unwrap();
    (roots, Identity { chain: vec![leaf.der().clone()], key })
}

/// An authority of the test: for each request the answer to its method and path, `None` to say nothing at all.
struct Hostile {
    client: AcmeClient<NoDns, SystemClock>,
    directory: String,
    server: Server,
    asked: Arc<Mutex<Vec<String>>>,
}

async fn hostile(answer: fn(&str, &str) -> Option<String>, limits: AcmeLimits) -> Hostile {
    let (roots, identity) = certified();
    let config = Arc::new(tls(&identity, &both()));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let server = server(move |_, stream| {
        let (config, seen) = (Arc::clone(&config), Arc::clone(&seen));
        async move {
            let Ok(mut stream) = accept(&config, stream).await else { return };
            while let Some((request, host)) = request(&mut stream).await {
                seen.lock().unwrap().push(request.clone());
                match answer(&request, &host) {
                    Some(answer) => stream.write_all(answer.as_bytes()).await.unwrap_or_default(),
                    None => std::future::pending().await,
                }
            }
        }
    })
    .await;
    let directory = format!("https://localhost:{}/dir", server.end_point.port());
    let config = AcmeConfig {
        directories: vec![directory.clone()],
        guard: Guard::default(),
        roots,
        per_address: PerAddress::default(),
        limits,
    };
    let client = AcmeClient::new(config, NoDns, SystemClock);
    Hostile { client, directory, server, asked }
}

/// Method and path of the next request, and its `Host`.
async fn request(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Option<(String, String)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let field = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    };
    let length = field("content-length").map_or(0, |text| text.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let first = head.lines().next().unwrap();
    let request = first.rsplit_once(' ').unwrap().0.to_owned();
    Some((request, field("host").unwrap_or_default()))
}

fn reply(status: &str, fields: &str, body: &str) -> Option<String> {
    let length = body.len();
    Some(format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nReplay-Nonce: bm9uY2U\r\n{fields}\r\n{body}"
    ))
}

fn directory(host: &str) -> Option<String> {
    let body = format!(
        r#"{{"newNonce":"https://{host}/nonce","newAccount":"https://{host}/account","newOrder":"https://{host}/order"}}"#
    );
    reply("200 OK", "", &body)
}

fn quick() -> AcmeLimits {
    AcmeLimits { request: Duration::from_millis(500), answer_bytes: 10_000, ..AcmeLimits::default() }
}

async fn facts(answer: fn(&str, &str) -> Option<String>) -> AuthorityFailure {
    let hostile = hostile(answer, quick()).await;
    hostile.client.facts(&hostile.directory).await.unwrap_err()
}

fn account(hostile: &Hostile) -> KeptAccount {
    let key = hostile.client.new_key().unwrap();
    let url = Some(format!("https://localhost:{}/acct/1", hostile.server.end_point.port()));
    KeptAccount { directory: hostile.directory.clone(), key, url }
}

#[tokio::test]
async fn a_directory_that_is_none_too_long_too_slow_or_elsewhere_is_refused_with_the_reason() {
    let page = facts(|_, _| reply("200 OK", "", "<html>welcome</html>")).await;
    assert!(matches!(page, AuthorityFailure::Unusable(_)), "{page}");
    let long = facts(|_, _| reply("200 OK", "", &"x".repeat(10_001))).await;
    assert!(long.to_string().contains("more than 10000 bytes"), "{long}");
    let endless = facts(|_, _| {
        Some(format!("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n{}", "x".repeat(20_000)))
    });
    assert!(endless.await.to_string().contains("more than 10000 bytes"));
    let silent = facts(|_, _| None).await;
    assert!(matches!(silent, AuthorityFailure::Unreachable(_)), "{silent}");
    let elsewhere = facts(|_, _| reply("302 Found", "Location: https://localhost:1/dir\r\n", "")).await;
    assert!(matches!(elsewhere, AuthorityFailure::Unusable(_)), "no redirect is followed: {elsewhere}");
    let broken = facts(|_, _| Some("SMTP 220 hello\r\n\r\n".to_owned())).await;
    assert!(matches!(broken, AuthorityFailure::Unreachable(_)), "{broken}");
}

#[tokio::test]
async fn a_proxys_page_is_known_by_its_status_and_when_to_come_back() {
    let page =
        facts(|_, _| reply("503 Service Unavailable", "Retry-After: 120\r\n", "<html>busy</html>")).await;
    let retry_after = Some(RetryAfter::In(Duration::from_secs(120)));
    assert_eq!(page, AuthorityFailure::Status { status: 503, retry_after });
}

/// Proves: K7
#[tokio::test]
async fn a_limit_is_told_with_the_time_at_which_to_come_back() {
    let hostile = hostile(
        |request, host| match request {
            "GET /dir" => directory(host),
            "HEAD /nonce" => reply("200 OK", "", ""),
            _ => reply(
                "429 Too Many Requests",
                "Retry-After: Fri, 31 Dec 2038 23:59:59 GMT\r\nContent-Type: application/problem+json\r\n",
                r#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"too many certificates"}"#,
            ),
        },
        quick(),
    )
    .await;
    let failure = hostile.client.new_order(&account(&hostile), "mta-sts.a.test", None).await.unwrap_err();
    let AuthorityFailure::Problem { problem, retry_after } = failure else { panic!("{failure}") };
    assert_eq!((problem.kind.as_str(), problem.status), ("rateLimited", 429));
    assert_eq!(retry_after, Some(RetryAfter::At(2_177_452_799)));
}

#[tokio::test]
async fn what_an_authority_hands_out_does_not_lead_into_our_network() {
    let hostile = hostile(
        |request, host| match request {
            "GET /dir" => directory(&host.replace("localhost", "127.0.0.1")),
            _ => panic!("{request} was sent all the same"),
        },
        quick(),
    )
    .await;
    let failure = hostile.client.new_order(&account(&hostile), "mta-sts.a.test", None).await.unwrap_err();
    assert!(failure.to_string().contains("127.0.0.1 is not a public address"), "{failure}");
}

#[tokio::test]
async fn an_address_that_is_not_https_is_not_asked() {
    let hostile = hostile(
        |request, _| match request {
            "GET /dir" => directory("localhost:1").map(|answer| answer.replace("https://", "http://_")),
            _ => None,
        },
        quick(),
    )
    .await;
    let failure = hostile.client.new_order(&account(&hostile), "mta-sts.a.test", None).await.unwrap_err();
    assert!(matches!(failure, AuthorityFailure::Unusable(_)), "{failure}");
}

#[tokio::test]
async fn nonces_that_are_never_taken_end_after_some_tries() {
    let hostile = hostile(
        |request, host| match request {
            "GET /dir" => directory(host),
            "HEAD /nonce" => reply("200 OK", "", ""),
            _ => {
                reply("400 Bad Request", "", r#"{"type":"urn:ietf:params:acme:error:badNonce","status":400}"#)
            }
        },
        quick(),
    )
    .await;
    let registration = Registration::default();
    let failure = hostile.client.register(&account(&hostile), &registration).await.unwrap_err();
    let AuthorityFailure::Problem { problem, .. } = failure else { panic!("{failure}") };
    assert_eq!(problem.kind, "badNonce");
    let asked = hostile.asked.lock().unwrap().len();
    assert!(asked < 10, "{asked} requests");
}

#[tokio::test]
async fn a_directory_is_asked_for_once_and_connections_are_kept() {
    let hostile = hostile(
        |request, host| if request.starts_with("HEAD") { reply("200 OK", "", "") } else { directory(host) },
        AcmeLimits::default(),
    )
    .await;
    for _ in 0..3 {
        hostile.client.facts(&hostile.directory).await.unwrap();
    }
    assert_eq!(hostile.asked.lock().unwrap().len(), 1);
    for _ in 0..3 {
        let _ = hostile.client.new_order(&account(&hostile), "mta-sts.a.test", None).await;
    }
    assert!(hostile.asked.lock().unwrap().len() > 3);
    assert_eq!(hostile.server.connections(), 1);
}
