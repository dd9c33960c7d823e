use bytes::Bytes;
use mta_sts::mx::MxPattern;
use mta_sts::name::DnsName;
use mta_sts::policy_domain::PolicyDomain;
use mta_sts::record::PolicyId;

use super::*;
use crate::publish::records::{HostAt, Ttls};
use crate::publish::{Version, Wish};

const NOW: UnixTime = 1_800_000_000;

fn place() -> Place {
    let host = HostAt::Alias(DnsName::parse("policy.tlsward.example").unwrap());
    Place { zone: Zone::Own, host, issuers: Vec::new(), ttls: Ttls::default() }
}

fn publication(stage: Stage) -> Publication {
    let wish = Wish {
        stage,
        mx: vec![MxPattern::parse("mx.example.org").unwrap()],
        rua: vec!["mailto:tlsrpt@example.org".to_owned()],
        max_age: None,
    };
    let served = wish.policy().unwrap().map(|policy| Version {
        number: 1,
        body: Bytes::from(policy.to_body().unwrap()),
        policy,
        first_served_at: NOW - 600,
        announced_at: None,
    });
    let last_number = served.as_ref().map_or(0, |served| served.number);
    let domain = PolicyDomain::parse("example.org").unwrap();
    Publication { served, last_number, ..Publication::new(domain, wish, NOW) }
}

fn planned(publication: &Publication, place: &Place) -> Plan {
    let ways = Ways { place, by_hand: true, stage_since: Some(NOW - 86_400) };
    plan(publication, &ways, NOW).unwrap()
}

fn states(plan: &Plan) -> Vec<(StepKind, StepState)> {
    plan.steps.iter().map(|step| (step.kind, step.state)).collect()
}

#[test]
fn a_domain_that_begins_is_told_to_ask_for_reports_and_when_testing_may_begin() {
    let plan = planned(&publication(Stage::Reporting), &place());
    assert_eq!(states(&plan), [(StepKind::AskForReports, StepState::Now)]);
    assert_eq!(plan.next[0].not_before, Some(NOW + 13 * 86_400));
    let text = plan.to_text();
    assert!(
        text.contains("_smtp._tls.example.org. 86400 IN TXT \"v=TLSRPTv1; rua=mailto:tlsrpt@example.org\""),
        "{text}"
    );
    assert!(text.contains("not before 2027-01-28 08:00 UTC"), "{text}");
    assert!(!text.contains("MTA-STS"), "words of the trade stay out: {text}");
}

/// Proves: D16
#[test]
fn the_record_that_announces_has_no_text_before_the_policy_was_seen_outside() {
    let showing = Publication {
        phase: Phase::Showing { since: NOW - 600, keeps_id: false },
        id: Some(PolicyId::parse("old").unwrap()),
        ..publication(Stage::Enforce)
    };
    let plan = planned(&showing, &place());
    assert_eq!(
        states(&plan),
        [
            (StepKind::AskForReports, StepState::Now),
            (StepKind::PolicyHost, StepState::Now),
            (StepKind::Policy, StepState::Now),
            (StepKind::Announce, StepState::Later)
        ]
    );
    assert!(plan.steps[3].records.is_empty());
    assert!(
        plan.to_text().contains("Waiting until every address of mta-sts.example.org"),
        "{}",
        plan.to_text()
    );
    let file = plan.steps[2].file.as_ref().unwrap();
    assert_eq!(file.url, "https://mta-sts.example.org/.well-known/mta-sts.txt");
    assert_eq!(file.body, "version: STSv1\r\nmode: enforce\r\nmx: mx.example.org\r\nmax_age: 604800\r\n");
    assert!(plan.steps[1].records[0].line.ends_with("CNAME policy.tlsward.example."));

    let announcing = Publication {
        phase: Phase::Announcing { since: NOW - 60, body_seen_at: NOW - 60 },
        id: Some(PolicyId::parse("new").unwrap()),
        seen: crate::publish::Seen {
            body: BodySeen::Everywhere,
            record: RecordSeen::Partly("192.0.2.1 has it, 192.0.2.2 does not".to_owned()),
            ..Default::default()
        },
        ..showing
    };
    let plan = planned(&announcing, &place());
    assert_eq!(
        states(&plan)[2..],
        [(StepKind::Policy, StepState::Done), (StepKind::Announce, StepState::Now)]
    );
    assert_eq!(plan.steps[3].records[0].value.as_deref(), Some("v=STSv1; id=new;"));
    assert!(plan.to_text().contains("Seen last: 192.0.2.1 has it"), "{}", plan.to_text());
}

#[test]
fn when_all_is_live_nothing_is_left_to_do() {
    let quiet = Publication {
        id: Some(PolicyId::parse("new").unwrap()),
        cached_until: NOW + 86_400,
        seen: crate::publish::Seen {
            body: BodySeen::Everywhere,
            record: RecordSeen::Live { ttl_secs: 300 },
            reporting: RecordSeen::Live { ttl_secs: 300 },
            ..Default::default()
        },
        ..publication(Stage::Enforce)
    };
    let plan = planned(&quiet, &place());
    assert!(plan.steps.iter().all(|step| step.state == StepState::Done), "{:?}", states(&plan));
    assert_eq!(plan.waiting, None);
    assert!(plan.to_text().contains("may hold a policy of this domain until 2027-01-16 08:00 UTC"));
}

#[test]
fn with_a_zone_of_ours_the_owner_has_aliases_to_write_and_nothing_else() {
    let embedded = Place { zone: Zone::Embedded(DnsName::parse("z.example").unwrap()), ..place() };
    let plan = planned(&publication(Stage::Testing), &embedded);
    let by_hand: Vec<StepKind> =
        plan.steps.iter().filter(|step| step.by_hand).map(|step| step.kind).collect();
    assert_eq!(by_hand, [StepKind::Delegate]);
    assert_eq!(plan.steps[0].records.len(), 3);
}

/// Proves: D19
#[test]
fn a_policy_on_its_way_out_says_until_when_it_stays_and_what_goes_then() {
    let until = NOW + 604_800;
    let winding = Publication {
        id: Some(PolicyId::parse("new").unwrap()),
        cached_until: until,
        ..publication(Stage::WindingDown)
    };
    let plan = planned(&winding, &place());
    assert_eq!(plan.waiting.as_ref().unwrap().until, Some(until));
    assert!(plan.to_text().contains("mode: none"));
    assert!(!plan.steps.iter().any(|step| step.kind == StepKind::TakeAway));

    let ending = Publication { phase: Phase::Ending { since: NOW, gone_at: None }, ..winding };
    let plan = planned(&ending, &place());
    assert_eq!(states(&plan), [(StepKind::TakeAway, StepState::Now)]);
    assert!(plan.to_text().contains("; no TXT record at _mta-sts.example.org."), "{}", plan.to_text());
    assert!(
        !plan.to_text().contains("no CNAME record at mta-sts"),
        "the host stays until the record is forgotten"
    );
}

#[test]
fn fields_of_the_json_stay_as_they_are() {
    let json = serde_json::to_value(planned(&publication(Stage::Testing), &place())).unwrap();
    let keys = |value: &serde_json::Value| -> Vec<String> {
        let mut keys: Vec<String> = value.as_object().unwrap().keys().map(String::to_owned).collect();
        keys.sort();
        keys
    };
    assert_eq!(keys(&json), ["at", "cached_until", "domain", "held", "next", "stage", "steps", "waiting"]);
    assert_eq!(keys(&json["steps"][0]), ["by_hand", "file", "kind", "note", "records", "state", "text"]);
    assert_eq!(keys(&json["steps"][0]["records"][0]), ["line", "name", "ttl", "type", "value"]);
    assert_eq!(keys(&json["steps"][2]["file"]), ["body", "content_type", "url"]);
    assert_eq!(json["at"], "2027-01-15T08:00:00Z");
    assert_eq!(json["steps"][0]["kind"], "ask-for-reports");
}
