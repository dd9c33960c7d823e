//! The guard: what strangers' names may not lead to, for the fetch of a policy, for the POST of a report, and for an
//! MX. That nothing was connected to is seen from the other end.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod peer;

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use peer::{Server, server_at};
use tlsward_engine::ports::{
    ConnectFailure, Https, HttpsExchange, HttpsFailure, HttpsTarget, Smtp, SmtpOutcome, SmtpTarget,
};
use tlsward_net::guard::{Allowed, Guard, Reach, host_name, reach};
use tlsward_net::https::{HttpsClient, HttpsConfig};
use tlsward_net::smtp::{SmtpClient, SmtpConfig};

/// Addresses that no stranger's name may lead to, and whether an owner who opens private networks opens them.
const HOSTILE: &[(&str, bool)] = &[
    // This machine.
    ("127.0.0.1", true),
    ("127.0.0.53", true),
    ("127.255.255.254", true),
    ("::1", true),
    ("0.0.0.0", false),
    ("0.1.2.3", false),
    ("::", false),
    // Private use.
    ("10.0.0.1", true),
    ("10.255.255.255", true),
    ("172.16.0.1", true),
    ("172.31.255.255", true),
    ("192.168.0.1", true),
    ("192.168.255.255", true),
    ("fc00::1", true),
    ("fd12:3456:789a::1", true),
    ("fec0::1", true),
    // Shared by carriers.
    ("100.64.0.1", true),
    ("100.127.255.255", true),
    // Link-local.
    ("169.254.0.1", false),
    ("fe80::1", false),
    ("febf::1", false),
    // Metadata services.
    ("169.254.169.254", false),
    ("169.254.170.2", false),
    ("168.63.129.16", false),
    ("100.100.100.200", false),
    ("192.0.0.192", false),
    ("fd00:ec2::254", false),
    ("fd20:ce::254", false),
    ("fe80::a9fe:a9fe", false),
    // Documentation, benchmarks, protocol assignments.
    ("192.0.2.1", true),
    ("198.51.100.1", true),
    ("203.0.113.1", true),
    ("2001:db8::1", true),
    ("3fff:fff::1", true),
    ("198.18.0.1", true),
    ("198.19.255.255", true),
    ("2001:2::1", true),
    ("192.0.0.1", false),
    ("192.88.99.1", false),
    ("2001:10::1", false),
    ("2001:20::1", false),
    // Multicast, reserved, broadcast, discarded, not assigned.
    ("224.0.0.1", false),
    ("239.255.255.250", false),
    ("240.0.0.1", false),
    ("255.255.255.255", false),
    ("ff02::1", false),
    ("ff0e::1", false),
    ("100::1", false),
    ("4000::1", false),
    ("5f00::1", false),
    // IPv4 inside IPv6: mapped, compatible, NAT64, 6to4, Teredo, ISATAP.
    ("::ffff:127.0.0.1", true),
    ("::ffff:10.0.0.1", true),
    ("::ffff:169.254.169.254", false),
    ("::ffff:8.8.8.8", true),
    ("::127.0.0.1", false),
    ("::8.8.8.8", false),
    ("64:ff9b::127.0.0.1", true),
    ("64:ff9b::10.1.2.3", true),
    ("64:ff9b::169.254.169.254", false),
    ("64:ff9b:1::10.0.0.1", true),
    ("64:ff9b:1::8.8.8.8", true),
    ("64:ff9b:1:a00:0:100::", false),
    ("2002:7f00:1::1", true),
    ("2002:a00:1::1", true),
    ("2002:c0a8:101::1", true),
    ("2002:a9fe:a9fe::1", false),
    ("2001:0:4136:e378:8000:63bf:f5ff:fffe", true),
    ("2001:0:7f00:1::f7f7:f7f7", true),
    ("2a00::5efe:10.0.0.1", true),
    ("2a00::200:5efe:127.0.0.1", true),
];

/// What may stand in no URL and in front of no policy where a host belongs.
const HOSTILE_NAMES: &[&str] = &[
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0X7F.0.0.1",
    "017700000001",
    "0177.0.0.1",
    "0x7f.0x0.0x0.0x1",
    "127.0.0.0x1",
    "127.0.0.0x",
    "8.8.8.8",
    "1.1",
    "169.254.169.254",
    "2852039166",
    "127.0.0.1.",
    "127.0.0.1:443",
    "mta-sts.example.com.127",
    "[::1]",
    "::1",
    "[::ffff:127.0.0.1]",
    "::ffff:7f00:1",
    "fe80::1%eth0",
    "localhost",
    "LOCALHOST",
    "mta-sts.localhost",
    "localhost.localdomain",
    "metadata",
    "com",
    "",
    ".",
    "..",
    "example.com.",
    ".example.com",
    "a..example.com",
    "user@example.com",
    "user:pass@example.com",
    "example.com/x",
    "example.com?x",
    "example.com#x",
    "example.com\\@127.0.0.1",
    "example.com%00",
    "example.com\r\nHost: internal",
    "exa mple.com",
    "exa\u{301}mple.com",
    "１２７.0.0.1",
    "127。0。0。1",
    "-example.com",
    "example-.com",
    "*.example.com",
];

fn https(guard: Guard) -> HttpsClient {
    HttpsClient::new(HttpsConfig { guard, ..HttpsConfig::default() })
}

async fn both_ways(client: &HttpsClient, host: &str, end_points: &[SocketAddr]) -> [HttpsExchange; 2] {
    let addresses: Vec<IpAddr> = end_points.iter().map(SocketAddr::ip).collect();
    let port = end_points.first().map(SocketAddr::port);
    let target = || HttpsTarget { host, port, path: "/x", addresses: &addresses };
    [
        client.get(target(), &|_| true).await,
        client.post(target(), "application/tlsrpt+gzip", Bytes::from_static(b"x"), &|_| true).await,
    ]
}

/// Listens on a port of both loopback addresses, where there are two, and closes whatever comes.
async fn watchers() -> Vec<Server> {
    let four = server_at("127.0.0.1:0".parse().unwrap(), |_, _| async {}).await;
    let six = SocketAddr::new("::1".parse().unwrap(), four.end_point.port());
    let mut watchers = vec![four];
    if tokio::net::TcpListener::bind(six).await.is_ok() {
        watchers.push(server_at(six, |_, _| async {}).await);
    }
    watchers
}

fn seen(watchers: &[Server]) -> usize {
    watchers.iter().map(Server::connections).sum()
}

#[tokio::test]
async fn no_policy_is_fetched_and_no_report_posted_where_strangers_may_not_lead() {
    let watchers = watchers().await;
    let port = watchers[0].end_point.port();
    let client = https(Guard::default());
    for (address, _) in HOSTILE {
        let address: IpAddr = address.parse().unwrap();
        for exchange in both_ways(&client, "mta-sts.example.com", &[SocketAddr::new(address, port)]).await {
            let expected = HttpsFailure::Connect(ConnectFailure::Guarded(address));
            assert_eq!(exchange, HttpsExchange { address: None, tls: None, outcome: Err(expected) });
        }
    }
    assert_eq!(seen(&watchers), 0);
    // Whoever is not guarded is seen.
    let open = https(Guard { allow_private: true, allowed: Vec::new() });
    both_ways(&open, "mta-sts.example.com", &[watchers[0].end_point]).await;
    assert!(seen(&watchers) >= 2);
}

#[tokio::test]
async fn an_address_in_any_spelling_is_no_host_name() {
    let watchers = watchers().await;
    // Even an owner who opens everything means names of hosts.
    let client = https(Guard { allow_private: true, allowed: vec!["0.0.0.0/0".parse().unwrap()] });
    for host in HOSTILE_NAMES {
        for exchange in both_ways(&client, host, &[watchers[0].end_point]).await {
            let expected = HttpsFailure::Connect(ConnectFailure::Name((*host).to_owned()));
            assert_eq!(exchange.outcome, Err(expected), "{host}");
        }
    }
    assert_eq!(seen(&watchers), 0);
    for host in
        ["mta-sts.example.com", "a.b", "xn--bcher-kva.example", "_x.example.com", "1.example.com", "0xg.b2"]
    {
        assert_eq!(host_name(host), Ok(()), "{host}");
    }
    let label = "a".repeat(63);
    let longest = [&label[..], &label, &label, &label[..61]].join(".");
    assert!(host_name(&longest).is_ok());
    assert!(host_name(&format!("{longest}a")).is_err());
    assert!(host_name(&format!("{label}a.example")).is_err());
}

#[tokio::test]
async fn an_mx_is_guarded_too() {
    let watchers = watchers().await;
    let port = watchers[0].end_point.port();
    let client = SmtpClient::new(SmtpConfig { port, ..SmtpConfig::default() }).unwrap();
    for (address, _) in HOSTILE {
        let address: IpAddr = address.parse().unwrap();
        let outcome = client.probe(SmtpTarget { host: "mx.example.com", address, sni: true }).await;
        assert_eq!(outcome, SmtpOutcome::NotReached(ConnectFailure::Guarded(address)));
    }
    assert_eq!(seen(&watchers), 0);
}

#[test]
fn private_networks_can_be_opened_and_what_is_never_a_server_stays_shut() {
    let closed = Guard::default();
    let open = Guard { allow_private: true, allowed: Vec::new() };
    assert!(HOSTILE.len() >= 40);
    for (address, opens) in HOSTILE {
        let end_point = SocketAddr::new(address.parse().unwrap(), 443);
        assert_eq!(closed.check(end_point), Err(end_point.ip()), "{address}");
        assert_eq!(open.check(end_point).is_ok(), *opens, "{address}");
    }
}

#[test]
fn public_addresses_are_open() {
    for address in [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "168.63.129.17",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.0.3.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2606:4700::1111",
        "2a00:1450::1b",
        "2002:808:808::1",
        "64:ff9b::8.8.8.8",
        "3ffe:ffff::1",
        "3fff:1000::1",
    ] {
        assert_eq!(reach(address.parse().unwrap()), Reach::Public, "{address}");
    }
}

#[tokio::test]
async fn what_the_owner_configured_gets_through_and_nothing_beside_it() {
    let watchers = watchers().await;
    let end_point = watchers[0].end_point;
    let neighbour = SocketAddr::new("127.0.0.2".parse().unwrap(), end_point.port());
    let client = https(Guard { allow_private: false, allowed: vec![end_point.into()] });
    // A look-up that gives a forbidden address beside a permitted one leads to the permitted one alone.
    for exchange in both_ways(&client, "relay.example.com", &[neighbour, end_point]).await {
        assert_eq!(exchange.address, Some(end_point.ip()));
    }
    for exchange in both_ways(&client, "relay.example.com", &[neighbour]).await {
        assert_eq!(exchange.outcome, Err(ConnectFailure::Guarded(neighbour.ip()).into()));
    }
    let other_port = SocketAddr::new(end_point.ip(), end_point.port() ^ 1);
    for exchange in both_ways(&client, "relay.example.com", &[other_port]).await {
        assert_eq!(exchange.outcome, Err(ConnectFailure::Guarded(end_point.ip()).into()));
    }
}

#[test]
fn networks_addresses_and_end_points_can_be_allowed() {
    let covers = |allowed: &str, end_point: &str| {
        let allowed: Allowed = allowed.parse().unwrap();
        assert_eq!(allowed.to_string(), allowed.to_string().parse::<Allowed>().unwrap().to_string());
        allowed.covers(end_point.parse().unwrap())
    };
    for (allowed, inside, outside) in [
        ("10.0.0.0/8", "10.255.0.1:1", "11.0.0.1:1"),
        ("10.1.2.3/31", "10.1.2.2:1", "10.1.2.4:1"),
        ("10.0.0.1", "10.0.0.1:9", "10.0.0.2:9"),
        ("10.0.0.1:25", "10.0.0.1:25", "10.0.0.1:26"),
        ("fd00::/8", "[fdff::1]:1", "[fc00::1]:1"),
        ("fd00::1/128", "[fd00::1]:1", "[fd00::2]:1"),
        ("[fd00::1]:25", "[fd00::1]:25", "[fd00::1]:24"),
        ("0.0.0.0/0", "255.255.255.255:1", "[::1]:1"),
        ("::/0", "[ffff::]:1", "127.0.0.1:1"),
    ] {
        assert!(covers(allowed, inside), "{allowed} {inside}");
        assert!(!covers(allowed, outside), "{allowed} {outside}");
    }
    for text in
        ["", "10.0.0.0/33", "fd00::/129", "10.0.0.0/-1", "10.0.0.0/", "10.0/8", "example.com", "10.0.0.1:x"]
    {
        let refused = text.parse::<Allowed>().unwrap_err().to_string();
        assert!(refused.starts_with(text) && refused.contains("10.0.0.0/8"), "{refused}");
    }
}
