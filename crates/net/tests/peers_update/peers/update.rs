//! Updates.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hickory_proto::op::{Message, Query};
use hickory_proto::rr::{Name, RData, RecordType as Type};
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::publish::{
    Applied, Authorities as _, RecordSet, RecordType, RecordValue, Records as _, RecordsFailure,
};
use tlsward_engine::ports::{Clock, DnsReply, RecordKind};
use tlsward_net::dns_update::{KeyHints, Rfc2136, Rfc2136Config, TsigKey};

use super::authority::asking;
use crate::proxy::{Answer, between};
use crate::servers::{Program, Server, ZONES};

const BOTH: [Program; 2] = [Program::Bind, Program::Knot];

/// Our clock, so many seconds before or after the servers'.
struct Off(i64);

impl Clock for Off {
    #[expect(clippy::disallowed_methods, reason = "the servers of the test read the system's clock too")]
    fn now(&self) -> UnixTime {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        i64::try_from(since.as_secs()).unwrap() + self.0
    }
}

fn updating(server: &Server) -> Rfc2136<Off> {
    Rfc2136::new(Rfc2136Config::new(server.address, server.key()), Off(0))
}

fn through(address: SocketAddr, server: &Server) -> Rfc2136<Off> {
    let total = Duration::from_millis(1500);
    Rfc2136::new(Rfc2136Config { total, ..Rfc2136Config::new(address, server.key()) }, Off(0))
}

fn set(kind: RecordType, name: &str, values: Vec<RecordValue>) -> RecordSet {
    RecordSet { name: name.to_owned(), kind, ttl: 300, values }
}

fn txt(name: &str, values: &[&str]) -> RecordSet {
    set(RecordType::Txt, name, values.iter().map(|&text| RecordValue::Txt(text.to_owned())).collect())
}

fn alias(name: &str, target: &str) -> RecordSet {
    set(RecordType::Cname, name, vec![RecordValue::Cname(target.to_owned())])
}

async fn texts(server: &Server, name: &str) -> Vec<String> {
    let reply = asking(server).ask(server.address.ip(), name, RecordKind::Txt).await;
    assert!(!matches!(reply, DnsReply::Failed(_)), "{name}: {reply:?}");
    let mut texts: Vec<String> =
        reply.texts().into_iter().map(|text| String::from_utf8(text).unwrap()).collect();
    texts.sort();
    texts
}

async fn aliases(server: &Server, name: &str) -> Vec<String> {
    match asking(server).ask(server.address.ip(), name, RecordKind::A).await {
        DnsReply::Found(answer) => answer.aliases,
        DnsReply::Absent(absence) => absence.aliases,
        DnsReply::Failed(failure) => panic!("{name}: {failure}"),
    }
}

/// The serial numbers of all zones: whoever changed nothing raised none.
fn serials(server: &Server) -> Vec<u32> {
    let serial = |(zone, _): (&str, &str)| {
        let mut message = Message::query();
        message.add_query(Query::query(Name::from_ascii(zone).unwrap(), Type::SOA));
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        socket.send_to(&message.to_vec().unwrap(), server.address).unwrap();
        let mut buffer = [0; 4096];
        let bytes = socket.recv(&mut buffer).unwrap();
        let answer = Message::from_vec(&buffer[..bytes]).unwrap();
        let RData::SOA(soa) = &answer.answers[0].data else { panic!("{answer:?}") };
        soa.serial
    };
    ZONES.into_iter().map(serial).collect()
}

fn refused(result: Result<Applied, RecordsFailure>) -> String {
    match result {
        Err(RecordsFailure::Refused(text)) => text,
        other => panic!("{other:?}"),
    }
}

fn later(result: Result<Applied, RecordsFailure>) -> String {
    match result {
        Err(RecordsFailure::Later(text)) => text,
        other => panic!("{other:?}"),
    }
}

/// Proves: D16
#[tokio::test]
async fn sets_become_exactly_so_and_nothing_else_changes() {
    for program in BOTH {
        let server = Server::start(program);
        let records = updating(&server);
        let long = format!("v=TLSRPTv1; rua={}", ["mailto:reports@example.org"; 12].join(","));
        let sets = || {
            vec![
                txt("_smtp._tls.example.org", &[&long]),
                alias("mta-sts.example.org", "policy.example.net"),
                txt("_mta-sts.example.org", &["v=STSv1; id=1;"]),
            ]
        };
        assert_eq!(records.apply("example.org", sets()).await, Ok(Applied::Written), "{program:?}");
        assert_eq!(
            texts(&server, "_mta-sts.example.org").await,
            ["v=STSv1; id=1;"],
            "the set is replaced whole"
        );
        assert_eq!(texts(&server, "_smtp._tls.example.org").await, [long.as_str()], "cut and joined");
        assert_eq!(aliases(&server, "mta-sts.example.org").await, ["policy.example.net"]);
        assert_eq!(texts(&server, "example.org").await, ["v=spf1 -all"]);
        assert_eq!(aliases(&server, "alias.example.org").await, ["www.example.org"]);
        let before = serials(&server);
        assert_eq!(records.apply("example.org", sets()).await, Ok(Applied::Written));
        assert_eq!(serials(&server), before, "{program:?}: the same again changes nothing");
        let gone = vec![txt("_mta-sts.example.org", &[]), txt("_smtp._tls.example.org", &[])];
        assert_eq!(records.apply("example.org", gone.clone()).await, Ok(Applied::Written));
        assert_eq!(
            records.apply("example.org", gone).await,
            Ok(Applied::Written),
            "nor is twice gone a failure"
        );
        assert!(texts(&server, "_mta-sts.example.org").await.is_empty());
        assert_eq!(records.apply("example.org", Vec::new()).await, Ok(Applied::Written));
    }
}

#[tokio::test]
async fn every_type_of_record_is_written() {
    for program in BOTH {
        let server = Server::start(program);
        let name = "mta-sts.example.org";
        let issue =
            |flags, value: &str| RecordValue::Caa { flags, tag: "issue".to_owned(), value: value.to_owned() };
        let sets = vec![
            set(
                RecordType::A,
                name,
                vec![RecordValue::A([192, 0, 2, 7].into()), RecordValue::A([192, 0, 2, 8].into())],
            ),
            set(RecordType::Aaaa, name, vec![RecordValue::Aaaa("2001:db8::7".parse().unwrap())]),
            set(
                RecordType::Caa,
                name,
                vec![issue(128, "ca.example; accounturi=https://ca.example/1"), issue(0, ";")],
            ),
        ];
        assert_eq!(updating(&server).apply("example.org", sets).await, Ok(Applied::Written), "{program:?}");
        let ask = |kind| {
            let servers = asking(&server);
            async move { servers.ask(server.address.ip(), name, kind).await.addresses().len() }
        };
        assert_eq!((ask(RecordKind::A).await, ask(RecordKind::Aaaa).await), (2, 1), "{program:?}");
        let mut message = Message::query();
        message.add_query(Query::query(Name::from_ascii(name).unwrap(), Type::CAA));
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(&message.to_vec().unwrap(), server.address).unwrap();
        let mut buffer = [0; 4096];
        let bytes = socket.recv(&mut buffer).unwrap();
        let answer = Message::from_vec(&buffer[..bytes]).unwrap();
        let mut found: Vec<String> = answer.answers.iter().map(|record| record.data.to_string()).collect();
        found.sort();
        assert_eq!(found, ["0 issue \";\"", "128 issue \"ca.example; accounturi=https://ca.example/1\""]);
    }
}

#[tokio::test]
async fn sets_of_several_zones_go_to_their_zones() {
    for program in BOTH {
        let server = Server::start(program);
        let sets = vec![txt("a.open.example", &["here"]), txt("a.below.open.example", &["below"])];
        assert_eq!(updating(&server).apply("open.example", sets).await, Ok(Applied::Written), "{program:?}");
        assert_eq!(texts(&server, "a.open.example").await, ["here"]);
        assert_eq!(texts(&server, "a.below.open.example").await, ["below"]);
        let sets = vec![txt("a.below.example.org", &["x"])];
        let text = refused(updating(&server).apply("example.org", sets).await);
        assert!(text.contains("delegated to others"), "{text}");
        let zone = Some("open.example".to_owned());
        let config = Rfc2136Config { zone, ..Rfc2136Config::new(server.address, server.key()) };
        let records = Rfc2136::new(config, Off(0));
        let sets = vec![txt("b.open.example", &["told"])];
        assert_eq!(records.apply("open.example", sets).await, Ok(Applied::Written), "{program:?}");
        let text = refused(records.apply("example.org", vec![txt("_mta-sts.example.org", &["x"])]).await);
        assert!(text.contains("not in the configured zone"), "{text}");
    }
}

#[tokio::test]
async fn a_record_in_the_way_is_told_and_nothing_is_changed() {
    for program in BOTH {
        let server = Server::start(program);
        let records = updating(&server);
        let before = serials(&server);
        let sets = vec![txt("new.open.example", &["x"]), txt("_smtp._tls.open.example", &["v=TLSRPTv1"])];
        let text = refused(records.apply("open.example", sets).await);
        assert!(text.contains("another record is in the way"), "{program:?}: {text}");
        let text =
            refused(records.apply("open.example", vec![alias("mta-sts.open.example", "p.example")]).await);
        assert!(text.contains("another record is in the way"), "{program:?}: {text}");
        assert_eq!(serials(&server), before, "{program:?}: all or none");
        assert!(texts(&server, "new.open.example").await.is_empty());
        // With what stands there taken away in the same change it goes.
        let sets = vec![
            set(RecordType::A, "mta-sts.open.example", Vec::new()),
            txt("mta-sts.open.example", &[]),
            alias("mta-sts.open.example", "p.example"),
            set(RecordType::Cname, "_smtp._tls.open.example", Vec::new()),
            txt("_smtp._tls.open.example", &["v=TLSRPTv1"]),
        ];
        assert_eq!(records.apply("open.example", sets).await, Ok(Applied::Written), "{program:?}");
        assert_eq!(aliases(&server, "mta-sts.open.example").await, ["p.example"]);
        assert_eq!(texts(&server, "_smtp._tls.open.example").await, ["v=TLSRPTv1"]);
    }
}

#[tokio::test]
async fn a_refusal_says_what_to_do_and_nothing_is_changed() {
    for program in BOTH {
        let server = Server::start(program);
        let before = serials(&server);
        let sets = || vec![txt("_mta-sts.example.org", &["v=STSv1; id=1;"])];
        let with = |key: &str, off: i64| {
            let key = TsigKey::parse(key, &KeyHints::default()).unwrap();
            Rfc2136::new(Rfc2136Config::new(server.address, key), Off(off))
        };
        // Knot has one error for a key that it does not know and one that no rule lets in.
        let not_let = match program {
            Program::Bind => "does not let the key tlsward change www.example.org TXT",
            Program::Knot => "or does not let it change www.example.org TXT (BADKEY)",
        };
        let nobody = match program {
            Program::Bind => "does not let the key tlsward change",
            Program::Knot => "BADKEY",
        };
        let secret = "bm90IHRoZSBzZWNyZXQgdGhhdCB0aGUgc2VydmVyIGhhcw==";
        let table = [
            (with(&format!("hmac-sha256:tlsward:{secret}"), 0), sets(), "BADSIG"),
            (with(&format!("hmac-sha256:other:{secret}"), 0), sets(), "BADKEY"),
            (with(&format!("hmac-sha512:tlsward:{secret}"), 0), sets(), "BADKEY"),
            (updating(&server), vec![txt("www.example.org", &["x"])], not_let),
            (updating(&server), vec![txt("a.closed.example", &["x"])], nobody),
            (updating(&server), vec![txt("a.example.com", &["x"])], "does not serve a zone with this name"),
            (updating(&server), vec![txt("a..b", &["x"])], "a..b is not a name"),
        ];
        for (records, sets, expected) in table {
            let text = refused(records.apply("example.org", sets).await);
            assert!(text.contains(expected) && !text.contains(secret), "{program:?}, {expected}: {text}");
        }
        for off in [-3600, 3600] {
            let text = refused(
                Rfc2136::new(Rfc2136Config::new(server.address, server.key()), Off(off))
                    .apply("example.org", sets())
                    .await,
            );
            let apart = |seconds: i64| text.contains(&format!("{seconds} seconds apart (BADTIME)"));
            // A second may pass on the way.
            assert!(apart(3600) || apart(3599) || apart(3601), "{program:?}: {text}");
        }
        assert_eq!(serials(&server), before, "{program:?}");
        let both = vec![sets().remove(0), txt("www.example.org", &["x"])];
        refused(updating(&server).apply("example.org", both).await);
        assert_eq!(serials(&server), before, "{program:?}: what is allowed waits for what is not");
    }
}

#[tokio::test]
async fn a_lost_answer_is_no_success_and_doing_it_again_doubles_nothing() {
    for program in BOTH {
        let server = Server::start(program);
        let sets = |id: &str| vec![txt("_mta-sts.example.org", &[&format!("v=STSv1; id={id};")])];
        for (answer, expected) in
            [(Answer::Drop, "ended the connection before its answer"), (Answer::Hold, "is not known")]
        {
            let records = through(between(server.address, answer).await, &server);
            let id = format!("{answer:?}");
            let text = later(records.apply("example.org", sets(&id)).await);
            assert!(text.contains(expected), "{program:?}: {text}");
            let made = [format!("v=STSv1; id={id};")];
            assert_eq!(texts(&server, "_mta-sts.example.org").await, made, "it was made");
            let before = serials(&server);
            assert_eq!(updating(&server).apply("example.org", sets(&id)).await, Ok(Applied::Written));
            assert_eq!(texts(&server, "_mta-sts.example.org").await, made);
            assert_eq!(serials(&server), before, "{program:?}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_is_not_the_servers_own_is_not_believed() {
    for program in BOTH {
        let server = Server::start(program);
        let sets = || vec![txt("_mta-sts.example.org", &["v=STSv1; id=1;"])];
        let forged = through(between(server.address, Answer::Forge).await, &server);
        let text = later(forged.apply("example.org", sets()).await);
        assert!(text.contains("no signature"), "{program:?}: {text}");
        // The response code, a reserved bit of the header, and a byte of the signature's own record.
        for (at, expected) in [(3, "does not verify"), (2, ""), (60, ""), (0, "something else")] {
            let changed = through(between(server.address, Answer::Change(at)).await, &server);
            let text = later(changed.apply("example.org", sets()).await);
            assert!(text.contains(expected), "{program:?}, byte {at}: {text}");
        }
        // A refusal that was made to look like a success. Knot does not sign its own.
        let changed = through(between(server.address, Answer::Change(3)).await, &server);
        let failure = changed.apply("example.org", vec![txt("www.example.org", &["x"])]).await.unwrap_err();
        let expected = if program == Program::Bind { "does not verify" } else { "BADKEY" };
        assert!(failure.to_string().contains(expected), "{program:?}: {failure}");
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_worth_another_try_and_keeps_what_it_took() {
    for program in BOTH {
        let mut server = Server::start(program);
        let sets = |id: &str| vec![txt("_mta-sts.example.org", &[id])];
        let records = updating(&server);
        assert_eq!(records.apply("example.org", sets("one")).await, Ok(Applied::Written));
        server.kill();
        let text = later(records.apply("example.org", sets("two")).await);
        assert!(text.contains("connection refused"), "{program:?}: {text}");
        server.run();
        assert_eq!(texts(&server, "_mta-sts.example.org").await, ["one"], "{program:?}");
        assert_eq!(records.apply("example.org", sets("two")).await, Ok(Applied::Written));
        assert_eq!(texts(&server, "_mta-sts.example.org").await, ["two"], "{program:?}");
    }
}
