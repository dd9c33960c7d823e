use std::collections::BTreeSet;

use tlsward_engine::check::{Change, Code, Level, Snapshot, Verdict as CheckVerdict};
use tlsward_engine::facts::{RawInput, SetAsideReason, Verdict};
use tlsward_engine::ports::{OutgoingState, ReportKey};
use tlsward_engine::receive::{Rules, examine};

use super::*;

/// 2026-11-24 12:00 UTC.
const NOW: UnixTime = 1_795_521_600;

/// The verdict of the receiving room: what the demonstration is made for.
fn verdict(arrival: &Arrival) -> Verdict {
    let raw = RawInput {
        road: arrival.road,
        received_at: arrival.received_at,
        peer: None,
        label: arrival.label.clone(),
        bytes: arrival.bytes.clone(),
    };
    examine(&raw, &Rules::default())
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let history_of = |seed| history(seed, NOW);
    assert_eq!(history_of(1), history_of(1));
    assert_ne!(history_of(1), history_of(2));
    assert_eq!(live(1, 5, NOW), live(1, 5, NOW));
}

#[test]
fn the_history_is_weeks_long_ends_now_and_is_of_every_domain() {
    let history = history(1, NOW);
    assert!((1_500..4_000).contains(&history.len()), "{}", history.len());
    assert!(history.is_sorted_by_key(|arrival| arrival.received_at));
    let (first, last) = (history[0].received_at, history[history.len() - 1].received_at);
    assert!(last <= NOW && last > NOW - DAY && first < NOW - 54 * DAY);
    let bytes: usize = history.iter().map(|arrival| arrival.bytes.len()).sum();
    assert!(bytes < 8 << 20, "{bytes}");

    let (mut told, mut reasons, mut words) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for arrival in &history {
        match verdict(arrival) {
            Verdict::Filed { reports, complaints } => {
                assert!(complaints.is_empty(), "{complaints:?}");
                assert_eq!(reports.len(), 1);
                for policy in reports[0].report.policies.iter().flatten() {
                    told.extend(
                        policy
                            .policy
                            .as_ref()
                            .and_then(|policy| policy.policy_domain.clone())
                            .map(|domain| domain.to_string()),
                    );
                    let rows = policy.failure_details.iter().flatten();
                    words.extend(
                        rows.filter_map(|row| row.result_type.as_ref()).map(|word| word.as_wire().to_owned()),
                    );
                }
            }
            Verdict::SetAside { reason, .. } => {
                reasons.insert(reason);
            }
        }
    }
    assert_eq!(told, domains().map(str::to_owned).collect());
    assert_eq!(
        reasons,
        [SetAsideReason::Unreadable, SetAsideReason::NoReport, SetAsideReason::OverLimit].into()
    );
    for word in [
        "certificate-expired",
        "certificate-host-mismatch",
        "hybrid-key-exchange-refused",
        "starttls-not-supported",
        "sts-policy-fetch-error",
        "sts-webpki-invalid",
        "tlsa-invalid",
        "validation-failure",
    ] {
        assert!(words.contains(word), "{word}: {words:?}");
    }
}

#[test]
fn each_live_report_is_a_new_one() {
    let mut digests = BTreeSet::new();
    let mut set_aside = 0;
    for number in 0..200 {
        match verdict(&live(1, number, NOW)) {
            Verdict::Filed { reports, .. } => assert!(digests.insert(reports[0].digest), "{number}"),
            Verdict::SetAside { .. } => set_aside += 1,
        }
    }
    assert!((5..30).contains(&set_aside), "{set_aside}");
}

#[test]
fn audits_have_the_form_of_a_check_and_words_that_it_knows() {
    let audits = audits(NOW);
    let of: BTreeSet<_> = audits.iter().map(|audit| audit.domain.as_str()).collect();
    assert_eq!(of, domains().collect());
    let mut verdicts = BTreeSet::new();
    for audit in &audits {
        assert!(audit.at < NOW);
        assert!(Snapshot::from_json(&audit.snapshot).is_some(), "{}", audit.snapshot);
        verdicts.extend(CheckVerdict::from_wire(&audit.verdict));
        let report: serde_json::Value = serde_json::from_str(&audit.report).unwrap();
        for finding in report["findings"].as_array().unwrap() {
            assert!(Code::from_wire(finding["code"].as_str().unwrap()).is_some(), "{finding}");
            let level = finding["level"].as_str().unwrap();
            assert!([Level::Error, Level::Warning, Level::Info].iter().any(|known| known.as_wire() == level));
        }
    }
    assert_eq!(verdicts.len(), 5, "{verdicts:?}");
    // Nobody here changes an id for nothing.
    for pair in audits.windows(2).filter(|pair| pair[0].domain == pair[1].domain) {
        let [old, new] = [&pair[0], &pair[1]].map(|audit| Snapshot::from_json(&audit.snapshot).unwrap());
        assert!(!old.changes(&new).contains(&Change::IdWithoutPolicy), "{}", pair[1].domain);
        assert!(!old.changes(&new).contains(&Change::PolicyWithoutId), "{}", pair[1].domain);
    }
}

#[test]
fn what_goes_out_is_counted_for_two_weeks_and_each_fate_is_there() {
    let groups = outbound::sessions(1, NOW);
    assert_eq!(groups, outbound::sessions(1, NOW));
    assert_eq!(groups.len(), 6 * 14);
    assert!(groups.iter().all(|group| group.tally.is_empty() == (group.unjudged > 0)));
    let today = NOW.div_euclid(DAY);
    let fates: BTreeSet<_> = groups
        .iter()
        .filter(|group| group.day < today && group.due_at <= NOW)
        .map(|group| {
            let key = ReportKey { day: group.day, domain: group.domain.clone(), part: 1 };
            let fate = outbound::fate(&key, group.due_at, NOW);
            assert!(fate.at > NOW || fate.state != OutgoingState::Waiting);
            fate.state
        })
        .collect();
    assert_eq!(fates, BTreeSet::from(OutgoingState::ALL));
    let policies = outbound::policies(NOW);
    assert!(policies.is_sorted_by_key(|line| line.domain.clone()) && policies.len() == 5);
    assert_eq!(outbound::alerts(NOW).len(), 1);
}
