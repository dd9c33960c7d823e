//! Policies without TLS: only for the owner's own proxies.

use bytes::Bytes;
use tlsward_engine::ports::publish::Hosts as _;
use tlsward_policy_host::Sources;

use crate::support::{GET, POLICY, Running, body, limits, status};

#[tokio::test]
async fn a_policy_is_never_served_in_clear() {
    let running = Running::ordinary().await;
    for more in ["", "X-Forwarded-Proto: https\r\n", "Forwarded: proto=https\r\n"] {
        let answer = running.say_in_clear(GET.replace("Connection", &format!("{more}Connection"))).await;
        assert_eq!(status(&answer), 404, "{more}");
        assert!(!answer.contains("STSv1"));
    }
    running.end().await;
}

#[tokio::test]
async fn a_named_proxy_gets_a_policy_for_what_it_was_asked_by_https() {
    let sources = Sources { trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()], exempt: Vec::new() };
    let running = Running::start(limits(), sources).await;
    running.hosted.serve("example.com", Some(Bytes::from_static(b"the other policy")));
    let https = "X-Forwarded-Proto: https\r\n";
    let org = "Host: mta-sts.example.org\r\n";
    let forwarded = "X-Forwarded-Host: mta-sts.example.org\r\n";
    let other = "X-Forwarded-Host: mta-sts.example.com\r\n";
    let rows = [
        (format!("{org}{https}"), 200),
        // The proxy asks by the name of its upstream.
        (format!("Host: 127.0.0.1:8080\r\n{forwarded}{https}"), 200),
        (
            format!(
                "Host: upstream\r\nX-Forwarded-Host: mta-sts.example.com, mta-sts.example.org\r\n{https}"
            ),
            200,
        ),
        // What a client sends along leads to no other domain's policy under this one's name.
        (format!("{org}{other}{https}"), 200),
        (format!("Host: upstream\r\n{https}"), 404),
        (format!("Host: example.org\r\n{https}"), 404),
        (format!("Host: mta-sts.example.net\r\n{https}"), 404),
        (org.to_owned(), 403),
        (format!("{org}X-Forwarded-Proto: http\r\n"), 403),
        (format!("{org}X-Forwarded-Proto: https, http\r\n"), 403),
        (https.to_owned(), 400),
    ];
    for (fields, expected) in rows {
        let answer = running
            .say_in_clear(format!(
                "GET /.well-known/mta-sts.txt HTTP/1.1\r\n{fields}Connection: close\r\n\r\n"
            ))
            .await;
        assert_eq!(status(&answer), expected, "{fields}");
        assert_eq!(body(&answer) == POLICY, expected == 200, "{fields}");
        assert!(!answer.contains("the other policy"), "{fields}");
    }
    let post = format!(
        "POST /.well-known/mta-sts.txt HTTP/1.1\r\n{org}{https}Content-Length: 0\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(status(&running.say_in_clear(post).await), 405);
    running.end().await;
}

#[tokio::test]
async fn a_proxy_elsewhere_is_not_believed() {
    let sources = Sources { trusted_proxies: vec!["192.0.2.1".parse().unwrap()], exempt: Vec::new() };
    let running = Running::start(limits(), sources).await;
    let answer =
        running.say_in_clear(GET.replace("Connection", "X-Forwarded-Proto: https\r\nConnection")).await;
    assert_eq!(status(&answer), 404);
    running.end().await;
}
