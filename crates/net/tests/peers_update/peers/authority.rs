//! Questions to a name server itself.

use tlsward_engine::ports::publish::Authorities as _;
use tlsward_engine::ports::{DnsFailure, DnsReply, RecordData, RecordKind};
use tlsward_net::dns::NameServers;
use tlsward_net::guard::Guard;

use crate::servers::{Program, Server};

pub(super) fn asking(server: &Server) -> NameServers {
    let guard = Guard { allowed: vec![server.address.into()], ..Guard::default() };
    NameServers::new(guard).with_port(server.address.port())
}

/// In a few words.
fn verdict(reply: &DnsReply) -> String {
    match reply {
        DnsReply::Found(answer) if answer.aliases.is_empty() => format!("{} found", answer.records.len()),
        DnsReply::Found(answer) => format!("{} found by {}", answer.records.len(), answer.aliases.join(" ")),
        DnsReply::Absent(absence) if absence.aliases.is_empty() => {
            if absence.name_exists { "no data" } else { "no name" }.to_owned()
        }
        DnsReply::Absent(absence) => format!("leads to {}", absence.aliases.join(" ")),
        DnsReply::Failed(DnsFailure::Server(text)) => text.clone(),
        DnsReply::Failed(other) => other.to_string(),
    }
}

async fn answers_are_told_apart(server: &Server) {
    let servers = asking(server);
    let table = [
        ("example.org", RecordKind::Mx, "1 found"),
        ("_mta-sts.example.org", RecordKind::Txt, "2 found"),
        ("_MTA-sts.example.ORG", RecordKind::Txt, "2 found"),
        ("www.example.org", RecordKind::Txt, "no data"),
        ("_tls.example.org", RecordKind::Txt, "no name"),
        ("alias.example.org", RecordKind::A, "1 found by www.example.org"),
        ("alias.example.org", RecordKind::Txt, "leads to www.example.org"),
        ("outside.example.org", RecordKind::A, "leads to www.example.net"),
        ("_smtp._tls.open.example", RecordKind::Txt, "leads to reports.example.net"),
        ("_smtp.open.example", RecordKind::Txt, "no name"),
        ("_tls.open.example", RecordKind::Txt, "no data"),
        (
            "a.below.example.org",
            RecordKind::Txt,
            "a referral: below.example.org is served by ns.elsewhere.example",
        ),
        ("example.com", RecordKind::Txt, "REFUSED"),
        ("a..b", RecordKind::Txt, "a..b is not a name that DNS could hold"),
    ];
    for (name, kind, expected) in table {
        let reply = servers.ask(server.address.ip(), name, kind).await;
        assert!(verdict(&reply).starts_with(expected), "{name} {}: {reply:?}", kind.as_wire());
    }
    let DnsReply::Found(answer) = servers.ask(server.address.ip(), "many.example.org", RecordKind::Txt).await
    else {
        panic!("nothing by TCP")
    };
    let bytes: usize = answer
        .records
        .iter()
        .map(|record| match record {
            RecordData::Txt(strings) => strings.concat().len(),
            _ => 0,
        })
        .sum();
    assert!(bytes > 1300, "{bytes} bytes do not need TCP");
}

/// Proves: D16
#[tokio::test]
async fn bind_is_asked_itself_and_its_answers_are_told_apart() {
    let mut server = Server::start(Program::Bind);
    answers_are_told_apart(&server).await;
    server.kill();
    let reply = asking(&server).ask(server.address.ip(), "example.org", RecordKind::Mx).await;
    assert_eq!(reply, DnsReply::Failed(DnsFailure::TimedOut));
}

/// Proves: D16
#[tokio::test]
async fn knot_is_asked_itself_and_its_answers_are_told_apart() {
    answers_are_told_apart(&Server::start(Program::Knot)).await;
}
