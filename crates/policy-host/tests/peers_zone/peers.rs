//! What holds with real peers. In a module of this name, by which a quick test run leaves it out.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use tlsward_engine::ports::publish::Records as _;
use tlsward_policy_host::zone::{RateLimit, ServerLimits};

use super::served::{Served, count, dig, txt};

/// Questions, and what dig shows of every right answer: code, number of records, a part of them.
const TABLE: [(&str, &str, u32, &str); 22] = [
    ("_mta-sts.example.org.sts.example TXT", "NOERROR", 1, "\"v=STSv1; id=20261124T162300Z;\""),
    ("_smtp._tls.mail.example.org.sts.example TXT", "NOERROR", 1, "v=TLSRPTv1"),
    ("mta-sts.example.org.sts.example A", "NOERROR", 2, "192.0.2.80"),
    ("mta-sts.example.org.sts.example CAA", "NOERROR", 3, "0 issue \"ca.example\""),
    ("mta-sts.example.org.sts.example AAAA", "NOERROR", 1, "policy.sts.example."),
    ("_acme-challenge.mta-sts.example.org.sts.example TXT", "NOERROR", 3, "\"a longer one\""),
    ("sts.example NS", "NOERROR", 2, "ns1.sts.example."),
    ("sts.example SOA", "NOERROR", 1, "dns.example.net."),
    ("ns2.sts.example AAAA", "NOERROR", 1, "2001:db8::2"),
    // Missing types, and names that are there only because there is something below them.
    ("_mta-sts.example.org.sts.example A", "NOERROR", 0, "SOA"),
    ("sts.example MX", "NOERROR", 0, "SOA"),
    ("org.sts.example A", "NOERROR", 0, "SOA"),
    ("example.org.sts.example TXT", "NOERROR", 0, "SOA"),
    ("_tls.example.org.sts.example A", "NOERROR", 0, "SOA"),
    // Names that are not there.
    ("net.sts.example A", "NXDOMAIN", 0, "SOA"),
    ("none.example.org.sts.example TXT", "NXDOMAIN", 0, "SOA"),
    ("a.b.c.none.example.org.sts.example TXT", "NXDOMAIN", 0, "SOA"),
    ("a._mta-sts.example.org.sts.example TXT", "NXDOMAIN", 0, "SOA"),
    ("*.example.org.sts.example TXT", "NXDOMAIN", 0, "SOA"),
    ("\\000.example.org.sts.example TXT", "NXDOMAIN", 0, "SOA"),
    ("example\\000.org.sts.example TXT", "NXDOMAIN", 0, "SOA"),
    ("\\255.sts.example TXT", "NXDOMAIN", 0, "SOA"),
];

/// What is wrong with an answer.
fn wrong(output: &str, row: (&str, &str, u32, &str), flag: Option<&str>) -> Option<String> {
    let (question, code, answers, part) = row;
    let flags = output.lines().find(|line| line.starts_with(";; flags:")).unwrap_or_default();
    let good = output.contains(&format!("status: {code},"))
        && flags.contains(&format!("ANSWER: {answers},"))
        && output.contains(part)
        && flag.is_none_or(|flag| flags.split([' ', ';']).any(|word| word == flag));
    (!good).then(|| format!("{question}: {output}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn dig_gets_the_answers_that_the_standards_name_over_udp_and_tcp() {
    let served = Served::start(false).await;
    for over in ["+notcp +ignore", "+tcp"] {
        let answers = TABLE.map(|row| wrong(&served.dig(&format!("{over} {}", row.0)), row, Some("aa")));
        let wrong: Vec<_> = answers.into_iter().flatten().collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }
    assert!(count(&served.counts.udp) >= 22 && count(&served.counts.tcp) >= 22);
}

#[tokio::test(flavor = "multi_thread")]
async fn dig_is_refused_what_is_not_for_it() {
    let served = Served::start(false).await;
    for transfer in ["AXFR", "IXFR=1"] {
        let output = served.dig(&format!("sts.example {transfer}"));
        assert!(output.contains("Transfer failed") || output.contains("status: REFUSED"), "{output}");
        assert!(!output.contains("_mta-sts"), "{output}");
    }
    for (arguments, part) in [
        ("example.org A", "status: REFUSED"),
        ("version.bind CH TXT", "status: REFUSED"),
        ("+opcode=notify sts.example SOA", "status: NOTIMP"),
        ("+opcode=update sts.example SOA", "status: NOTIMP"),
        ("+edns=1 +noednsnegotiation sts.example SOA", "status: BADVERS"),
        ("_mta-sts.example.org.sts.example ANY +notcp", "ANSWER: 1,"),
    ] {
        let output = served.dig(arguments);
        assert!(output.contains(part), "{arguments}: {output}");
    }
    // "recursion requested but not available"
    let output = dig(served.addresses[1], "+recurse sts.example SOA");
    assert!(output.contains("flags: qr aa rd;"), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dig_comes_back_over_tcp_for_what_is_too_large() {
    let served = Served::start(true).await;
    for size in ["+noedns", "+bufsize=1232", "+bufsize=4096"] {
        let before = count(&served.counts.tcp);
        let output = served.dig(&format!("{size} a.big.test.sts.example TXT"));
        assert!(output.contains("status: NOERROR") && output.contains("ANSWER: 1,"), "{output}");
        assert_eq!(count(&served.counts.tcp), before + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn delv_validates_what_is_there_and_what_is_not() {
    let served = Served::start(true).await;
    for (question, code, answers, _) in TABLE {
        let output = served.delv(question);
        let wanted = match (code, answers) {
            ("NXDOMAIN", _) => "resolution failed: ncache nxdomain",
            (_, 0) => "resolution failed: ncache nxrrset",
            _ => "; fully validated",
        };
        let denied = output.contains("; negative response, fully validated");
        assert!(output.contains(wanted) && (answers > 0 || denied), "{question}: {output}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unbound_with_minimised_names_resolves_and_validates_the_zone() {
    for signed in [true, false] {
        let served = Served::start(signed).await;
        let (unbound, _daemon) = served.unbound();
        // Twice: what is kept of proofs must deny nothing that is there.
        for _ in 0..2 {
            let answers = TABLE.map(|row| wrong(&dig(unbound, row.0), row, signed.then_some("ad")));
            let wrong: Vec<_> = answers.into_iter().flatten().collect();
            assert!(wrong.is_empty(), "signed: {signed}: {wrong:#?}");
        }
        let with_proof = dig(unbound, "+dnssec none.example.org.sts.example TXT");
        assert_eq!(with_proof.contains("NSEC"), signed, "{with_proof}");
    }
}

/// Proves: D5
#[tokio::test(flavor = "multi_thread")]
async fn the_owners_three_aliases_lead_to_the_records() {
    let served = Served::start(true).await;
    let (unbound, _daemon) = served.unbound();
    for row in [
        ("_mta-sts.example.org TXT", "NOERROR", 2, "v=STSv1; id=20261124T162300Z;"),
        ("_smtp._tls.example.org TXT", "NOERROR", 2, "v=TLSRPTv1; rua=mailto:tlsrpt@example.net"),
        ("mta-sts.example.org A", "NOERROR", 3, "192.0.2.80"),
        ("mta-sts.example.org CAA", "NOERROR", 4, "0 issuewild \";\""),
        ("_mta-sts.example.org A", "NOERROR", 1, "SOA"),
    ] {
        assert_eq!(wrong(&dig(unbound, row.0), row, None), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unbound_walks_down_through_names_that_are_empty() {
    let served = Served::start(true).await;
    let (unbound, _daemon) = served.unbound();
    let row = ("_smtp._tls.example.org.sts.example TXT", "NOERROR", 1, "TLSRPTv1");
    assert_eq!(wrong(&dig(unbound, row.0), row, Some("ad")), None);
    // org, example.org and _tls.example.org, which have nothing.
    assert!(count(&served.counts.no_data) >= 3, "{:?}", served.counts);
    assert_eq!(count(&served.counts.no_name), 0, "{:?}", served.counts);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_resolved_once_what_was_kept_has_run_out() {
    let served = Served::start(true).await;
    let (unbound, _daemon) = served.unbound();
    let (question, record) = ("new.example.org.sts.example TXT", txt("new.example.org", "here"));
    served.records.apply("example.org", vec![record]).await.unwrap();
    assert_eq!(wrong(&dig(unbound, question), (question, "NOERROR", 1, "here"), Some("ad")), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn over_the_limit_dig_is_sent_to_tcp_which_is_not_limited() {
    let limit = RateLimit { equal: 1, burst: 1, slip: 1, ..RateLimit::default() };
    let served = Served::with(false, limit, ServerLimits::default()).await;
    for n in 0..20 {
        let output = served.dig("_mta-sts.example.org.sts.example TXT");
        assert!(output.contains("STSv1"), "{n}: {output}");
    }
    assert!(count(&served.counts.limited_cut) > 0 && count(&served.counts.tcp) > 0, "{:?}", served.counts);
    assert_eq!(count(&served.counts.limited_cut), count(&served.counts.tcp));
}

/// The question `sts.example SOA`, with its length before it.
fn framed() -> Vec<u8> {
    let mut packet = vec![0, 29, 7, 7, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    packet.extend_from_slice(b"\x03sts\x07example\0\0\x06\0\x01");
    packet
}

fn connect(served: &Served) -> TcpStream {
    let stream = TcpStream::connect(served.addresses[0]).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

fn answer(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).ok()?;
    let mut packet = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut packet).ok()?;
    Some(packet)
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_on_one_connection_are_answered_in_their_order_and_up_to_a_number() {
    let limits = ServerLimits { questions: 3, ..ServerLimits::default() };
    let served = Served::with(false, RateLimit::default(), limits).await;
    let mut stream = connect(&served);
    stream.write_all(&framed().repeat(5)).unwrap();
    let answers = std::iter::from_fn(|| answer(&mut stream)).take(10).collect::<Vec<_>>();
    assert_eq!(answers.len(), 3);
    assert!(answers.iter().all(|packet| packet[..2] == [7, 7] && packet[3] & 15 == 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_bounded_and_those_that_say_nothing_end() {
    let limits = ServerLimits { connections: 2, idle: Duration::from_millis(200), ..ServerLimits::default() };
    let served = Served::with(false, RateLimit::default(), limits).await;
    let mut silent = [connect(&served), connect(&served)];
    // They were accepted before this one is.
    let mut third = connect(&served);
    let _ = third.write_all(&framed());
    assert_eq!(answer(&mut third), None);
    assert_eq!(count(&served.counts.connections_refused), 1);
    for stream in &mut silent {
        assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0, "closed after the time for silence");
    }
    // A question that is too long ends its connection.
    let mut long = connect(&served);
    long.write_all(&[0xff, 0xff, 0]).unwrap();
    assert_eq!(answer(&mut long), None);
    let mut again = connect(&served);
    again.write_all(&framed()).unwrap();
    assert!(answer(&mut again).is_some());
}
