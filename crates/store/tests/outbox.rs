//! What every outbox answers, asked of both stores.

mod support;

use tls_rpt::tally::{AppliedPolicy, PolicyTally, Tally};
use tls_rpt::{PolicyType, Text};
use tlsward_engine::ports::{
    Added, DayRange, Delta, GroupDelta, JournalPlace, LeaseAsk, Outbox, Outgoing, OutgoingQuery,
    OutgoingState, OutgoingSum, ReportKey, RuaNews, RuaNote, Settlement,
};
use tlsward_store::SqliteStore;

const DAY: i64 = 20_000;
const DUE: i64 = (DAY + 1) * 86_400 + 60;

fn tally(successful: u64, failed: u64) -> Tally {
    let policy = AppliedPolicy {
        policy_type: PolicyType::Sts,
        domain: "a.example".into(),
        strings: vec!["mode: enforce".into()],
        mx_patterns: vec![],
    };
    let mut tally = Tally::default();
    tally.add(policy, PolicyTally { successful, failed, ..PolicyTally::default() });
    tally
}

fn group(domain: &str, successful: u64) -> GroupDelta {
    GroupDelta {
        day: DAY,
        domain: domain.into(),
        record: None,
        tally: tally(successful, 1),
        unjudged: 2,
        due_at: DUE,
    }
}

fn place(offset: u64) -> JournalPlace {
    if offset == 0 { JournalPlace::default() } else { JournalPlace { segment: 1, offset } }
}

fn delta(from: u64, to: u64, groups: Vec<GroupDelta>) -> Delta {
    Delta { journal: "one".to_owned(), from: place(from), to: place(to), groups }
}

fn ask(node: &str, now: i64) -> LeaseAsk {
    LeaseAsk { node: node.to_owned(), now, until: now + 100, before_day: DAY + 1, limit: 10 }
}

fn settled(report: &Outgoing, node: &str, state: OutgoingState, at: i64) -> Settlement {
    Settlement {
        key: report.line.key.clone(),
        node: node.to_owned(),
        state,
        at,
        reason: "because".to_owned(),
        progress: "{}".to_owned(),
        token: Some(format!("token{}", report.line.key.part)),
        notes: Vec::new(),
    }
}

fn key(domain: &str, part: u32) -> ReportKey {
    ReportKey { day: DAY, domain: Text::from(domain), part }
}

#[test]
fn a_stretch_of_the_journal_is_counted_once() {
    on_both!(store => {
        assert_eq!(store.place("one").await.expect("place"), place(0));
        let first = delta(0, 50, vec![group("a.example", 3)]);
        assert_eq!(store.add(first.clone()).await.expect("added"), Added::Counted);
        assert_eq!(store.add(first).await.expect("asked"), Added::Elsewhere(place(50)));
        assert_eq!(store.add(delta(60, 70, vec![group("a.example", 3)])).await.expect("asked"), Added::Elsewhere(place(50)));
        assert_eq!(store.add(delta(50, 70, vec![group("a.example", 4)])).await.expect("added"), Added::Counted);
        let other = Delta { journal: "two".to_owned(), ..delta(0, 9, vec![group("a.example", 1)]) };
        assert_eq!(store.add(other).await.expect("added"), Added::Counted);
        assert_eq!((store.place("one").await.expect("place"), store.place("two").await.expect("place")), (place(70), place(9)));
        let held = store.outgoing_report(&key("a.example", 1)).await.expect("held").expect("there");
        assert_eq!((held.line.successful, held.line.failed, held.line.unjudged), (8, 3, 6));
        assert_eq!(held.tally, tally(8, 3));
    });
}

#[test]
fn the_record_that_was_found_last_is_the_one_that_counts() {
    on_both!(store => {
        for (from, record) in [(0, Some((5, "old"))), (1, None), (2, Some((9, "new"))), (3, Some((7, "late"))), (4, None)] {
            let group = GroupDelta { record: record.map(|(at, text)| (at, Text::from(text))), ..group("a.example", 1) };
            store.add(delta(from, from + 1, vec![group])).await.expect("added");
        }
        let held = store.outgoing_report(&key("a.example", 1)).await.expect("held").expect("there");
        assert_eq!(held.record.as_deref(), Some("new"));
    });
}

#[test]
fn a_report_is_handed_out_when_it_is_due_its_day_is_over_and_nobody_has_it() {
    on_both!(store => {
        let later = GroupDelta { due_at: DUE - 1, ..group("b.example", 2) };
        let today = GroupDelta { day: DAY + 1, ..group("a.example", 1) };
        store.add(delta(0, 50, vec![group("a.example", 3), later, today])).await.expect("added");
        assert!(store.lease(ask("n1", DUE - 2)).await.expect("leased").is_empty());
        let leased = store.lease(ask("n1", DUE)).await.expect("leased");
        let domains: Vec<_> = leased.iter().map(|report| report.line.key.domain.as_str()).collect();
        assert_eq!(domains, ["b.example", "a.example"], "earliest first; today's is not over");
        assert_eq!(leased[1].tally, tally(3, 1));
        assert!(store.lease(ask("n2", DUE + 99)).await.expect("leased").is_empty());
        assert_eq!(store.lease(ask("n1", DUE + 1)).await.expect("leased").len(), 2, "it forgot them in a crash");
        assert_eq!(store.lease(ask("n2", DUE + 101)).await.expect("leased").len(), 2, "the lease ran out");
        assert!(!store.settle(settled(&leased[0], "n1", OutgoingState::Sent, DUE)).await.expect("asked"));
        assert!(store.settle(settled(&leased[0], "n2", OutgoingState::Waiting, DUE + 500)).await.expect("settled"));
        assert!(!store.settle(settled(&leased[0], "n2", OutgoingState::Sent, DUE)).await.expect("asked"), "its lease is over");
        assert!(store.settle(settled(&leased[1], "n2", OutgoingState::Sent, DUE + 101)).await.expect("settled"));
        assert!(store.lease(ask("n2", DUE + 499)).await.expect("leased").is_empty());
        let again = store.lease(ask("n2", DUE + 500)).await.expect("leased");
        assert_eq!((again.len(), again[0].progress.as_str(), again[0].line.reason.as_str()), (1, "{}", "because"));
    });
}

/// A report whose next attempt was set by a clock that ran a year ahead is not kept for that year.
#[test]
fn what_was_tried_once_is_due_again_when_the_clock_was_set_back() {
    on_both!(store => {
        store.add(delta(0, 1, vec![group("a.example", 3), group("b.example", 3)])).await.expect("added");
        let year = DUE + 365 * 86_400;
        let leased = store.lease(LeaseAsk { limit: 1, ..ask("n1", year) }).await.expect("leased");
        store.settle(settled(&leased[0], "n1", OutgoingState::Waiting, year + 600)).await.expect("settled");
        let waits = store.lease(LeaseAsk { limit: 1, ..ask("n2", year + 1) }).await.expect("leased");
        assert_eq!(waits[0].line.key, key("b.example", 1), "in its own time it waits");
        store.settle(settled(&waits[0], "n2", OutgoingState::Sent, year + 1)).await.expect("settled");
        assert_eq!(store.lease(ask("n1", DUE)).await.expect("leased")[0].line.key, key("a.example", 1));
    });
}

#[test]
fn sessions_that_come_to_be_known_after_a_report_was_begun_are_another_part() {
    on_both!(store => {
        store.add(delta(0, 1, vec![group("a.example", 3)])).await.expect("added");
        let first = store.lease(ask("n1", DUE)).await.expect("leased").remove(0);
        for step in 1..3 {
            store.add(delta(step, step + 1, vec![group("a.example", 5)])).await.expect("added");
        }
        let held = store.outgoing_report(&first.line.key).await.expect("held").expect("there");
        assert_eq!(held.tally, first.tally, "what was begun does not change");
        assert!(store.settle(settled(&first, "n1", OutgoingState::Sent, DUE)).await.expect("settled"));
        assert!(store.lease(ask("n1", DUE + 86_399)).await.expect("leased").is_empty(), "drops are collected for a day");
        let second = store.lease(ask("n1", DUE + 86_400)).await.expect("leased").remove(0);
        assert_eq!((&second.line.key, second.line.successful), (&key("a.example", 2), 10));
    });
}

#[test]
fn a_bounce_finds_its_report_by_its_token() {
    on_both!(store => {
        store.add(delta(0, 1, vec![group("a.example", 3)])).await.expect("added");
        let report = store.lease(ask("n1", DUE)).await.expect("leased").remove(0);
        store.settle(settled(&report, "n1", OutgoingState::Sent, DUE)).await.expect("settled");
        assert!(store.lease_token("token2", "n1", DUE, DUE + 9).await.expect("asked").is_none());
        let found = store.lease_token("token1", "n1", DUE, DUE + 9).await.expect("asked").expect("found");
        assert_eq!((&found.line.key, found.line.state, found.tally), (&report.line.key, OutgoingState::Sent, tally(3, 1)));
        assert!(store.lease_token("token1", "n2", DUE + 8, DUE + 20).await.expect("asked").is_none(), "another has it");
        assert!(store.lease_token("token1", "n2", DUE + 9, DUE + 20).await.expect("asked").is_some());
    });
}

#[test]
fn a_destination_gets_its_quota_of_the_day_and_no_more() {
    on_both!(store => {
        for expected in [true, true, false, false] {
            assert_eq!(store.reserve("a.example", DAY, 2).await.expect("asked"), expected);
        }
        assert!(store.reserve("b.example", DAY, 2).await.expect("asked"));
        assert!(store.reserve("a.example", DAY + 1, 2).await.expect("asked"));
        assert!(!store.reserve("c.example", DAY, 0).await.expect("asked"));
    });
}

#[test]
fn failures_of_a_place_add_up_by_days_until_it_accepts() {
    on_both!(store => {
        store.add(delta(0, 1, vec![group("a.example", 3)])).await.expect("added");
        let report = store.lease(ask("n1", DUE)).await.expect("leased").remove(0);
        let uri = "https://a.example/".to_owned();
        let news = |failure: Option<&str>| failure.map_or(RuaNews::Accepted, |why| RuaNews::Failed(why.to_owned()));
        let note = |at, failure: Option<&str>| RuaNote { uri: uri.clone(), at, news: news(failure) };
        let days = |day: i64| DUE + day * 86_400;
        let notes = vec![note(days(0), Some("x")), note(days(0) + 5, Some("y")), note(days(1), Some("z"))];
        let settlement = Settlement { notes, ..settled(&report, "n1", OutgoingState::Waiting, DUE) };
        store.settle(settlement).await.expect("settled");
        let health = store.health(vec!["https://b.example/".to_owned(), uri.clone()]).await.expect("health");
        assert_eq!(health[0], None);
        let held = health[1].as_ref().expect("held");
        assert_eq!((held.failed_days, held.since, held.last, held.reason.as_str()), (2, days(0), days(1), "z"));
        for (note, expected) in [(note(days(20), Some("w")), Some(1)), (note(days(21), None), None)] {
            let report = store.lease(ask("n1", DUE)).await.expect("leased").remove(0);
            let settlement = Settlement { notes: vec![note], ..settled(&report, "n1", OutgoingState::Waiting, DUE) };
            store.settle(settlement).await.expect("settled");
            let health = store.health(vec![uri.clone()]).await.expect("health");
            assert_eq!(health[0].as_ref().map(|held| held.failed_days), expected);
        }
    });
}

#[test]
fn reports_are_listed_newest_day_first_a_page_at_a_time() {
    on_both!(store => {
        let of = |day, domain| GroupDelta { day, ..group(domain, 1) };
        let groups = vec![of(DAY, "b.example"), of(DAY, "a.example"), of(DAY + 1, "c.example"), of(DAY - 1, "a.example")];
        store.add(delta(0, 1, groups)).await.expect("added");
        let shown = |lines: &[tlsward_engine::ports::OutgoingLine]| lines.iter().map(|line| (line.key.day - DAY, line.key.domain.to_string())).collect::<Vec<_>>();
        let first = store.outgoing(OutgoingQuery { limit: 2, ..OutgoingQuery::default() }).await.expect("listed");
        assert_eq!(shown(&first), [(1, "c.example".to_owned()), (0, "a.example".to_owned())]);
        let second = store.outgoing(OutgoingQuery { after: Some(first[1].key.clone()), limit: 9, ..OutgoingQuery::default() }).await.expect("listed");
        assert_eq!(shown(&second), [(0, "b.example".to_owned()), (-1, "a.example".to_owned())]);
        let one = store.outgoing(OutgoingQuery { domain: Some("a.example".to_owned()), limit: 9, ..OutgoingQuery::default() }).await.expect("listed");
        assert_eq!(shown(&one), [(0, "a.example".to_owned()), (-1, "a.example".to_owned())]);
        let all = OutgoingQuery { limit: 9, ..OutgoingQuery::default() };
        let day = store.outgoing(OutgoingQuery { day: Some(DAY), ..all.clone() }).await.expect("listed");
        assert_eq!(shown(&day), [(0, "a.example".to_owned()), (0, "b.example".to_owned())]);
        let leased = store.lease(LeaseAsk { limit: 1, before_day: DAY, ..ask("n1", DUE) }).await.expect("leased");
        store.settle(settled(&leased[0], "n1", OutgoingState::GivenUp, DUE)).await.expect("settled");
        let given_up = OutgoingQuery { state: Some(OutgoingState::GivenUp), ..all.clone() };
        assert_eq!(shown(&store.outgoing(given_up).await.expect("listed")), [(-1, "a.example".to_owned())]);
        let waiting = OutgoingQuery { state: Some(OutgoingState::Waiting), ..all.clone() };
        let paged = OutgoingQuery { limit: 1, ..waiting.clone() };
        let mut seen = store.outgoing(paged.clone()).await.expect("listed");
        while let [.., last] = &seen[..] && let [next] = &store.outgoing(OutgoingQuery { after: Some(last.key.clone()), ..paged.clone() }).await.expect("listed")[..] {
            seen.push(next.clone());
        }
        assert_eq!(seen, store.outgoing(waiting.clone()).await.expect("listed"));
        assert_eq!(shown(&seen), [(1, "c.example".to_owned()), (0, "a.example".to_owned()), (0, "b.example".to_owned())]);
        for (day, after, expected) in [(DAY, DAY + 1, 2), (DAY, DAY, 0), (DAY, DAY - 1, 0), (DAY + 5, DAY + 9, 0)] {
            let after = ReportKey { day: after, domain: "z.example".into(), part: 1 };
            let query = OutgoingQuery { day: Some(day), after: Some(after), ..waiting.clone() };
            assert_eq!(store.outgoing(query).await.expect("listed").len(), expected, "{day}");
        }
        let query = OutgoingQuery { state: Some(OutgoingState::Waiting), domain: Some("a.example".to_owned()), day: Some(DAY), ..all };
        assert_eq!(shown(&store.outgoing(query).await.expect("listed")), [(0, "a.example".to_owned())]);
    });
}

#[test]
fn days_are_added_up_by_how_their_reports_stand_and_large_numbers_stay_numbers() {
    on_both!(store => {
        let of = |day, domain, successful| GroupDelta { day, ..group(domain, successful) };
        let groups = vec![
            of(DAY, "a.example", 3),
            of(DAY, "b.example", 4),
            of(DAY - 1, "c.example", u64::MAX),
            of(DAY - 1, "d.example", u64::MAX),
            of(DAY - 2, "e.example", 1),
        ];
        store.add(delta(0, 1, groups)).await.expect("added");
        let leased = store.lease(LeaseAsk { before_day: DAY - 1, ..ask("n1", DUE) }).await.expect("leased");
        store.settle(settled(&leased[0], "n1", OutgoingState::Sent, DUE)).await.expect("settled");
        let sums = store.outgoing_days(DayRange { first: DAY - 2, last: DAY }).await.expect("added up");
        let sum = |day, state, reports, successful| OutgoingSum { day, state, reports, successful, failed: reports, unjudged: 2 * reports };
        assert_eq!(sums[0], sum(DAY, OutgoingState::Waiting, 2, 7));
        assert_eq!((sums[1].day, sums[1].reports), (DAY - 1, 2));
        assert!(sums[1].successful >= i64::MAX.unsigned_abs());
        assert_eq!(sums[2..], [sum(DAY - 2, OutgoingState::Sent, 1, 1)]);
        let none = store.outgoing_days(DayRange { first: DAY + 1, last: DAY + 9 }).await.expect("added up");
        assert!(none.is_empty());
    });
}

#[test]
fn sessions_that_nobody_can_judge_stay_a_number_however_many_there_are() {
    on_both!(store => {
        let many = |unjudged| GroupDelta { unjudged, ..group("a.example", 1) };
        store.add(delta(0, 1, vec![many(u64::MAX)])).await.expect("added");
        store.add(delta(1, 2, vec![many(u64::MAX)])).await.expect("added");
        store.add(delta(2, 3, vec![many(1)])).await.expect("added");
        let line = store.outgoing_report(&key("a.example", 1)).await.expect("held").expect("there").line;
        assert!(line.unjudged >= i64::MAX.unsigned_abs(), "{}", line.unjudged);
    });
}

#[test]
fn what_is_over_is_retired_and_what_waits_is_not() {
    on_both!(store => {
        store.add(delta(0, 1, vec![group("a.example", 3), group("b.example", 3)])).await.expect("added");
        let reports = store.lease(ask("n1", DUE)).await.expect("leased");
        store.settle(settled(&reports[0], "n1", OutgoingState::Sent, DUE)).await.expect("settled");
        assert_eq!(store.retire(DAY + 1, DAY).await.expect("retired"), 0);
        let sent = store.outgoing_report(&key("a.example", 1)).await.expect("held").expect("there");
        assert_eq!((sent.tally.is_empty(), sent.line.successful), (true, 3));
        let waiting = store.outgoing_report(&key("b.example", 1)).await.expect("held").expect("there");
        assert_eq!(waiting.tally, tally(3, 1));
        assert_eq!(store.retire(DAY + 9, DAY + 9).await.expect("retired"), 1);
        assert_eq!(store.outgoing(OutgoingQuery { limit: 9, ..OutgoingQuery::default() }).await.expect("listed").len(), 1);
    });
}

#[test]
fn quotas_and_failures_are_swept_when_they_no_longer_count_and_not_before() {
    on_both!(store => {
        store.add(delta(0, 1, vec![group("a.example", 3)])).await.expect("added");
        let report = store.lease(ask("n1", DUE)).await.expect("leased").remove(0);
        let uri = "https://a.example/".to_owned();
        let notes = vec![RuaNote { uri: uri.clone(), at: DUE, news: RuaNews::Failed("x".to_owned()) }];
        let settlement = Settlement { notes, ..settled(&report, "n1", OutgoingState::Waiting, DUE) };
        store.settle(settlement).await.expect("settled");
        for (destination, day) in [("a.example", DAY), ("b.example", DAY + 1)] {
            assert!(store.reserve(destination, day, 1).await.expect("asked"));
        }
        store.retire(DAY + 1, DAY + 1).await.expect("retired");
        assert!(store.reserve("a.example", DAY, 1).await.expect("asked"), "of yesterday");
        assert!(!store.reserve("b.example", DAY + 1, 1).await.expect("asked"), "of today");
        // A place that failed is left alone for days, and its row of failures goes on for a fortnight.
        let due = DUE.div_euclid(86_400);
        for (day, is_held) in [(due, true), (due + 14, true), (due + 15, false)] {
            store.retire(day, day).await.expect("retired");
            let health = store.health(vec![uri.clone()]).await.expect("health");
            assert_eq!(health[0].is_some(), is_held, "{}", day - due);
        }
    });
}

#[test]
fn counts_and_place_outlive_a_restart() {
    let dir = tempfile::tempdir().expect("a folder");
    let open =
        || SqliteStore::open(dir.path().join("t.db"), tlsward_store::Quotas::default()).expect("a store");
    let store = open();
    support::wait(store.add(delta(0, 50, vec![group("a.example", 3)]))).expect("added");
    let leased = support::wait(store.lease(ask("n1", DUE))).expect("leased");
    store.close().expect("closes");
    drop(store);
    let store = open();
    assert_eq!(support::wait(store.place("one")).expect("place"), place(50));
    assert_eq!(support::wait(store.lease(ask("n1", DUE + 1))).expect("leased"), leased);
}

/// A row that the disk has damaged costs its own domain's counts, and stops neither counting nor sending.
#[test]
fn one_damaged_row_stops_nothing_else() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("t.db");
    let store = SqliteStore::open(path.clone(), tlsward_store::Quotas::default()).expect("a store");
    let wait = |delta| support::wait(store.add(delta)).expect("added");
    wait(delta(0, 50, vec![group("a.example", 3), group("b.example", 4)]));
    let file = rusqlite::Connection::open(&path).expect("opened");
    let changed =
        file.execute("UPDATE outgoing SET tally = x'00ff' WHERE domain = 'a.example'", []).expect("damaged");
    assert_eq!(changed, 1);
    wait(delta(50, 60, vec![group("a.example", 5), group("b.example", 5)]));
    let leased = support::wait(store.lease(ask("n1", DUE))).expect("leased");
    assert_eq!(
        leased.iter().map(|report| report.line.key.clone()).collect::<Vec<_>>(),
        [key("b.example", 1)]
    );
    let lost = support::wait(store.outgoing_report(&key("a.example", 1))).expect("held").expect("there");
    assert_eq!(lost.line.state, OutgoingState::GivenUp);
    assert!(lost.line.reason.contains("damaged"), "{}", lost.line.reason);
    let next_day = support::wait(store.lease(ask("n1", DUE + 86_400))).expect("leased");
    assert!(
        next_day.iter().any(|report| report.line.key == key("a.example", 2) && report.tally == tally(5, 1))
    );
}
