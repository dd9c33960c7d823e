//! What people do to records, and what they are told.

use super::*;
use crate::ports::publish::RecordValue;
use crate::ports::{Absence, Answer, DnsFailure, RecordData, Security};

const DOMAIN: &str = "example.org";
const RECORD: &str = "v=STSv1; id=20261124T162300Z;";

fn set(kind: RecordType, name: &str, values: Vec<RecordValue>) -> RecordSet {
    RecordSet { name: name.to_owned(), kind, ttl: 300, values }
}

fn record() -> RecordSet {
    set(RecordType::Txt, "_mta-sts.example.org", vec![RecordValue::Txt(RECORD.to_owned())])
}

fn found(aliases: &[&str], records: Vec<RecordData>) -> DnsReply {
    DnsReply::Found(Answer {
        aliases: aliases.iter().map(|&alias| alias.to_owned()).collect(),
        security: Security::Insecure,
        first_security: Security::Insecure,
        ttl: 300,
        records,
    })
}

fn txt(texts: &[&str]) -> DnsReply {
    found(&[], texts.iter().map(|text| RecordData::Txt(vec![text.as_bytes().to_vec()])).collect())
}

fn absent(aliases: &[&str], name_exists: bool, ttl: u32) -> DnsReply {
    let aliases = aliases.iter().map(|&alias| alias.to_owned()).collect();
    DnsReply::Absent(Absence { aliases, name_exists, security: Security::Insecure, ttl })
}

fn refused() -> DnsReply {
    DnsReply::Failed(DnsFailure::Server("REFUSED".to_owned()))
}

/// Two name servers and the resolver, in this order.
fn sight(set: RecordSet, replies: [DnsReply; 3]) -> Sight {
    let server = |number: u8| Asked::Server {
        host: format!("ns{number}.example.net"),
        address: IpAddr::from([192, 0, 2, number]),
    };
    let asked = [server(1), server(2), Asked::Resolver];
    let seen = asked.into_iter().zip(replies).map(|(asked, reply)| Seen { asked, reply }).collect();
    Sight { set, seen, elsewhere: Vec::new() }
}

fn on_all(set: RecordSet, reply: &DnsReply) -> Live {
    judge(DOMAIN, &sight(set, [reply.clone(), reply.clone(), reply.clone()]))
}

fn said(live: &Live) -> String {
    let line = |finding: &Finding| format!("{} -> {}", finding.text, finding.fix.as_deref().unwrap_or("-"));
    live.findings.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Proves: D16
#[test]
fn a_record_is_live_when_each_name_server_has_it() {
    let right = || txt(&[RECORD]);
    let none = || absent(&[], false, 60);
    let table = [
        ([right(), right(), right()], Reach::Everywhere, "live on all 2 name servers"),
        ([right(), right(), none()], Reach::Everywhere, "live on all 2 name servers"),
        ([right(), refused(), right()], Reach::WhereAnswered, "no answer from ns2.example.net (192.0.2.2)"),
        ([refused(), refused(), right()], Reach::ByResolver, "as the resolver sees it"),
        (
            [right(), none(), right()],
            Reach::Partly,
            "live on ns1.example.net (192.0.2.1), not yet on ns2.example.net",
        ),
        ([none(), none(), none()], Reach::Nowhere, "not live"),
        ([none(), none(), right()], Reach::Nowhere, "not live"),
        ([refused(), refused(), none()], Reach::Nowhere, "not live"),
        ([refused(), refused(), refused()], Reach::Untold, "nobody could tell"),
    ];
    for (replies, reach, words) in table {
        let live = judge(DOMAIN, &sight(record(), replies.clone()));
        assert_eq!(live.reach, reach, "{replies:?}");
        assert!(live.summary.contains(words), "{}", live.summary);
        let done = matches!(reach, Reach::Everywhere | Reach::WhereAnswered | Reach::ByResolver);
        assert_eq!(live.is_live(), done, "{replies:?}");
    }
    assert!(on_all(record(), &right()).findings.is_empty());
}

#[test]
fn what_is_wrong_with_a_text_is_said_with_what_to_do() {
    let quoted = format!("\"{RECORD}\"");
    let table = [
        (
            absent(&[], false, 60),
            "no TXT _mta-sts.example.org -> add a record: name _mta-sts (in full _mta-sts.example.org)",
        ),
        (
            txt(&["v=STSv1; id=1;"]),
            "has another value: 'v=STSv1; id=1;' -> replace it by 'v=STSv1; id=20261124T162300Z;'",
        ),
        (txt(&[&quoted]), "with quotation marks in the value"),
        (txt(&[&format!("{RECORD}\n")]), "with white space before or after it"),
        (
            txt(&[RECORD, "v=STSv1; id=1;"]),
            "act as if there were none -> keep 'v=STSv1; id=20261124T162300Z;'",
        ),
        (txt(&["v=STSv1; id=1;", "v=STSv1; id=2;"]), "-> remove all of them, and add"),
        (txt(&[RECORD, "v=spf1 -all"]), "which does no harm there"),
        (
            found(&["sts.example.net"], vec![RecordData::Txt(vec![b"v=STSv1; id=9;".to_vec()])]),
            "remove the CNAME record",
        ),
        (absent(&["sts.example.net"], false, 60), "is an alias (CNAME) of sts.example.net"),
    ];
    for (reply, words) in table {
        let live = on_all(record(), &reply);
        assert!(said(&live).contains(words), "{words}: {}", said(&live));
        assert_eq!(live.is_live(), words.contains("no harm"), "{words}");
        assert_eq!(live.findings.len(), 1, "one finding for all that say the same: {}", said(&live));
    }
}

#[test]
fn a_spoilt_copy_beside_the_right_record_counts_as_a_second_one() {
    let live = on_all(record(), &txt(&[RECORD, &format!("\"{RECORD}\"")]));
    assert!(said(&live).contains("2 records of this kind"), "{}", said(&live));
    assert!(!live.is_live());
}

#[test]
fn texts_of_challenges_may_stand_side_by_side() {
    let name = "_acme-challenge.mta-sts.example.org";
    let challenge = set(RecordType::Txt, name, vec![RecordValue::Txt("one".to_owned())]);
    assert!(on_all(challenge.clone(), &txt(&["other", "one"])).is_live());
    let both = ["one", "two"].map(|text| RecordValue::Txt(text.to_owned())).to_vec();
    let both = RecordSet { values: both, ..challenge };
    assert!(!on_all(both.clone(), &txt(&["one"])).is_live());
    assert!(on_all(both, &txt(&["two", "one"])).is_live());
}

/// Proves: S1
#[test]
fn a_text_behind_an_alias_counts_as_senders_see_it() {
    let behind = found(&["sts.example.net"], vec![RecordData::Txt(vec![RECORD.as_bytes().to_vec()])]);
    assert!(on_all(record(), &behind).is_live());
    // The domain's own servers only know the alias: what is behind it the resolver tells.
    let out = || absent(&["sts.example.net"], true, 0);
    let live = judge(DOMAIN, &sight(record(), [out(), out(), behind]));
    assert_eq!(live.reach, Reach::ByResolver);
    assert!(live.findings.is_empty(), "{}", said(&live));
    let live = judge(DOMAIN, &sight(record(), [out(), out(), absent(&["sts.example.net"], false, 60)]));
    assert_eq!(live.reach, Reach::Nowhere);
}

#[test]
fn a_doubled_name_is_found_and_explained() {
    let mut sight = sight(record(), [absent(&[], false, 60), absent(&[], false, 60), absent(&[], false, 60)]);
    let places = mistaken_places(DOMAIN, &record());
    assert_eq!(places, ["_mta-sts.example.org.example.org", "mta-sts.example.org", "example.org"]);
    sight.elsewhere = vec![(places[0].clone(), txt(&[RECORD]))];
    let live = judge(DOMAIN, &sight);
    assert!(
        said(&live).starts_with(
            "the record is at _mta-sts.example.org.example.org instead of _mta-sts.example.org: the DNS panel appends \
             the domain to the name by itself -> enter only _mta-sts as the name, and remove the record at \
             _mta-sts.example.org.example.org\n"
        ),
        "{}",
        said(&live)
    );
    sight.elsewhere = vec![("example.org".to_owned(), txt(&["v=spf1 -all", "v=STSv1; id=old"]))];
    assert!(
        said(&judge(DOMAIN, &sight))
            .starts_with("a record of this kind is at example.org, where nobody looks")
    );
    sight.elsewhere = vec![("example.org".to_owned(), txt(&["v=spf1 -all"]))];
    assert!(said(&judge(DOMAIN, &sight)).contains("add a record"));
    // The zone may lie above the domain, and then that is what is appended.
    let below = set(RecordType::Txt, "_mta-sts.mail.example.org", record().values);
    let places = mistaken_places("mail.example.org", &below);
    assert!(places.contains(&"_mta-sts.mail.example.org.example.org".to_owned()), "{places:?}");
    sight = Sight { set: below, elsewhere: vec![(places[1].clone(), txt(&[RECORD]))], ..sight };
    assert!(said(&judge("mail.example.org", &sight)).contains("enter only _mta-sts.mail as the name"));
}

#[test]
fn an_alias_is_compared_by_where_it_leads() {
    let host = || {
        set(RecordType::Cname, "mta-sts.example.org", vec![RecordValue::Cname("host.example.net".to_owned())])
    };
    let address = || RecordData::A([192, 0, 2, 9].into());
    assert!(on_all(host(), &found(&["host.example.net", "cdn.example"], vec![address()])).is_live());
    assert!(
        on_all(host(), &absent(&["host.example.net"], true, 0)).is_live(),
        "no address by IPv4, or not told here"
    );
    let live = on_all(host(), &found(&["other.example"], vec![address()]));
    assert!(said(&live).contains("is an alias of other.example -> let the CNAME record"), "{}", said(&live));
    let live = on_all(host(), &found(&[], vec![address()]));
    assert!(said(&live).contains("records of its own ('192.0.2.9')"), "{}", said(&live));
    assert!(said(&on_all(host(), &absent(&[], false, 60))).contains("type CNAME"));
}

#[test]
fn addresses_are_compared_as_sets() {
    let values = [[192, 0, 2, 1], [192, 0, 2, 2]].map(|octets| RecordValue::A(octets.into())).to_vec();
    let host = || set(RecordType::A, "mta-sts.example.org", values.clone());
    let address = |last: u8| RecordData::A([192, 0, 2, last].into());
    assert!(on_all(host(), &found(&[], vec![address(2), address(1)])).is_live());
    assert!(said(&on_all(host(), &found(&[], vec![address(2)]))).contains("another value: '192.0.2.2'"));
    assert!(on_all(host(), &found(&["host.example.net"], vec![address(1), address(2)])).is_live());
}

#[test]
fn who_may_issue_is_compared_as_a_set() {
    let value = RecordValue::Caa { flags: 0, tag: "issue".to_owned(), value: "ca.example".to_owned() };
    let issuers = || set(RecordType::Caa, "mta-sts.example.org", vec![value.clone()]);
    let issue =
        |name: &str| RecordData::Caa { flags: 0, tag: "issue".to_owned(), value: name.as_bytes().to_vec() };
    assert!(on_all(issuers(), &found(&[], vec![issue("ca.example")])).is_live());
    let live = on_all(issuers(), &found(&[], vec![issue("other.example")]));
    assert!(said(&live).contains("0 issue \"other.example\""), "{}", said(&live));
}

#[test]
fn what_should_be_gone_is_looked_for() {
    let none = || RecordSet { values: Vec::new(), ..record() };
    let live = on_all(none(), &absent(&[], false, 60));
    assert!(live.is_live() && live.summary.ends_with("gone on all 2 name servers"), "{}", live.summary);
    let live = on_all(none(), &txt(&[RECORD]));
    assert!(
        said(&live).contains("is still there") && said(&live).contains("-> remove TXT"),
        "{}",
        said(&live)
    );
    assert!(!live.is_live());
}

#[test]
fn a_resolver_that_lags_behind_is_explained_and_holds_nothing_up() {
    let live = judge(DOMAIN, &sight(record(), [txt(&[RECORD]), txt(&[RECORD]), txt(&["v=STSv1; id=1;"])]));
    assert!(live.is_live());
    assert!(said(&live).contains("It passes by itself"), "{}", said(&live));
}
