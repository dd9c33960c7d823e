//! What every store answers, asked of both.

mod support;

use support::*;
use tls_rpt::count::Bounds;
use tls_rpt::{PolicyType, ResultType, Text};
use tlsward_engine::facts::{Receipt, Road, Rows, SetAsideReason, Trust, Verdict};
use tlsward_engine::ports::{
    Audit, Checks, DayRange, Evidence, Intake, RawOf, SPELLS_KEPT, StoreError, Unread,
};
use tlsward_engine::receive::READER;
use tlsward_store::Quotas;

/// Proves: R4
#[test]
fn an_accepted_report_answers_every_question() {
    on_both!(store => {
        let rows = [
            failure(ResultType::CertificateExpired, "mx1.a.example", 3),
            failure(ResultType::Unknown("new-type".into()), "mx2.a.example", 1),
        ];
        let policies = vec![sts("a.example", "testing", 10, &rows), policy(PolicyType::NoPolicyFound, "b.example", 5, 0)];
        let input = raw("{}");
        let ids = stored(store.accept(input.clone(), draft(1, policies.clone()).verdict()).await.expect("stored"));
        let id = ids[0];

        let totals = store.totals().await.expect("totals");
        assert_eq!((totals.reports, totals.domains, totals.set_aside, totals.pending), (1, 2, 0, 0));
        assert_eq!(totals.last_received_at, Some(RECEIVED));

        let page = store.reports(query(None, 10, None)).await.expect("reports");
        let line = &page.items[0];
        assert_eq!((line.id, line.domain.as_deref(), line.domains), (id, Some("a.example"), 2));
        assert_eq!((line.begin, line.end, line.received_at), (Some(BEGIN), Some(BEGIN + 86_399), RECEIVED));
        assert_eq!((line.report_id.as_deref(), line.trust), (Some("id-1"), Trust::Https));
        assert_eq!((line.successful, line.failed), (Bounds::exactly(15), Bounds::exactly(4)));
        assert_eq!(page.next_cursor, None);

        let detail = store.report(id, 100).await.expect("detail").expect("a report");
        assert_eq!(&detail.line, line);
        assert_eq!((detail.policy_count, detail.failure_count, detail.road), (2, 2, Road::Https));
        assert_eq!(detail.repairs[0].text, "null \0 left out");
        assert_eq!(detail.policies, policies);
        assert_eq!(store.report(id + 1, 100).await.expect("detail").map(|detail| detail.line.id), None);

        assert_eq!(store.raw(RawOf::Report(id)).await.expect("raw"), Some(input));
        assert_eq!(store.raw(RawOf::Report(id + 1)).await.expect("raw"), None);

        let failures = store.failures(query(Some("a.example"), 10, None)).await.expect("failures");
        assert_eq!(failures.items.iter().map(|line| line.row.clone()).collect::<Vec<_>>(), rows);
        assert_eq!(failures.items[0].policy_type.as_deref(), Some("sts"));
        assert!(store.failures(query(Some("b.example"), 10, None)).await.expect("failures").items.is_empty());

        let domain = store.domain("a.example", month()).await.expect("domain").expect("known");
        assert_eq!((domain.line.successful, domain.line.failed), (Bounds::exactly(10), Bounds::exactly(4)));
        assert_eq!((domain.line.mode.as_deref(), domain.line.worst.as_deref()), (Some("testing"), Some("certificate-expired")));
        assert_eq!((domain.line.last_end, domain.line.last_received_at), (Some(BEGIN + 86_399), RECEIVED));
        assert_eq!(domain.days.iter().map(|day| (day.day, day.reports)).collect::<Vec<_>>(), [(DAY, 1)]);
        assert_eq!((domain.by_reporter[0].key.as_str(), domain.by_reporter[0].reports), ("Example Org", 1));
        let mxs: Vec<_> = domain.by_mx.iter().map(|group| (group.key.as_str(), group.failed.high)).collect();
        assert_eq!(mxs, [("mx1.a.example", 3), ("mx2.a.example", 1)]);
        assert_eq!(domain.by_policy[0].key, "sts");
        let first = &domain.by_result[0];
        assert_eq!((first.result_type.as_str(), first.failed, first.first_day, first.last_day), ("certificate-expired", 3, DAY, DAY));
        assert_eq!((first.reporters.as_slice(), first.mxs.as_slice()), (&["Example Org".to_owned()][..], &["mx1.a.example".to_owned()][..]));
        assert_eq!(domain.by_result[1].result_type, "new-type");
        assert!(store.domain("c.example", month()).await.expect("domain").is_none());
    });
}

/// Proves: R4
#[test]
fn a_copy_that_is_no_better_is_a_duplicate_and_its_input_goes() {
    on_both!(store => {
        let first = stored(store.accept(raw("first"), simple(1, "a.example").verdict()).await.expect("stored"));
        for trust in [Trust::Https, Trust::Failed] {
            let again = store.accept(raw("again"), simple(1, "a.example").trusted(trust).verdict()).await;
            assert_eq!(again.expect("taken"), Receipt::Duplicate { ids: first.clone() });
        }
        let kept = store.keep(raw("mail")).await.expect("kept");
        let settled = store.settle(kept, simple(1, "a.example").trusted(Trust::Unsigned).verdict()).await;
        assert_eq!(settled.expect("settled"), Receipt::Duplicate { ids: first.clone() });
        let totals = store.totals().await.expect("totals");
        assert_eq!((totals.reports, totals.duplicates, totals.pending), (1, 3, 0));
        let input = store.raw(RawOf::Report(first[0])).await.expect("raw").expect("there");
        assert_eq!(&input.bytes[..], b"first");
        assert_eq!(store.domain("a.example", month()).await.expect("domain").expect("known").line.reports, 1);
    });
}

/// Proves: R4
#[test]
fn a_better_trusted_copy_takes_the_place_of_a_worse_one() {
    on_both!(store => {
        let ids = stored(store.accept(raw("posted"), simple(1, "a.example").verdict()).await.expect("stored"));
        let mut signed = simple(1, "a.example").trusted(Trust::Verified);
        signed.member = "mail!report.json".to_owned();
        let kept = store.keep(raw_at(RECEIVED + 50, "signed")).await.expect("kept");
        let receipt = store.settle(kept, signed.clone().verdict()).await.expect("settled");
        assert_eq!(receipt, Receipt::Duplicate { ids: ids.clone() });
        assert_eq!(store.settle(kept, signed.verdict()).await.expect("settled"), receipt);
        let detail = store.report(ids[0], 10).await.expect("detail").expect("there");
        assert_eq!((detail.line.trust, detail.member.as_str()), (Trust::Verified, "mail!report.json"));
        // It stays where it was: it was known from the first copy on.
        assert_eq!(detail.line.received_at, RECEIVED);
        let input = store.raw(RawOf::Report(ids[0])).await.expect("raw").expect("there");
        assert_eq!(&input.bytes[..], b"signed");
        let again = store.accept(raw("posted"), simple(1, "a.example").verdict()).await.expect("taken");
        assert_eq!(again, Receipt::Duplicate { ids });
        let totals = store.totals().await.expect("totals");
        assert_eq!((totals.reports, totals.duplicates, totals.last_received_at), (1, 2, Some(RECEIVED)));
        assert_eq!(store.domain("a.example", month()).await.expect("domain").expect("known").line.reports, 1);
    });
}

/// Proves: R4
#[test]
fn an_input_with_a_new_report_and_a_better_copy_is_answered_for_the_new_one() {
    on_both!(store => {
        let old = simple(1, "a.example").trusted(Trust::Unsigned).verdict();
        let old = stored(store.accept(raw("unsigned"), old).await.expect("stored"));
        let both = filed(vec![simple(1, "a.example").filed(), simple(2, "a.example").filed()]);
        let new = stored(store.accept(raw("both"), both).await.expect("stored"));
        assert_eq!(new.len(), 1);
        assert_ne!(new, old);
        for id in [old[0], new[0]] {
            let input = store.raw(RawOf::Report(id)).await.expect("raw").expect("there");
            assert_eq!(&input.bytes[..], b"both");
        }
        let totals = store.totals().await.expect("totals");
        assert_eq!((totals.reports, totals.duplicates), (2, 1));
    });
}

#[test]
fn digests_that_share_their_beginning_are_different_reports() {
    on_both!(store => {
        let mut other = simple(1, "a.example").filed();
        other.digest[31] ^= 1;
        stored(store.accept(raw("one"), simple(1, "a.example").verdict()).await.expect("stored"));
        let ids = stored(store.accept(raw("other"), filed(vec![other])).await.expect("stored"));
        assert_eq!(ids.len(), 1);
        assert_eq!(store.totals().await.expect("totals").reports, 2);
    });
}

/// Proves: R4
#[test]
fn an_input_of_several_reports_is_filed_report_by_report() {
    on_both!(store => {
        let first = stored(store.accept(raw("1"), simple(1, "a.example").verdict()).await.expect("stored"));
        let verdict = filed(vec![simple(2, "a.example").filed(), simple(1, "a.example").filed(), simple(2, "a.example").filed()]);
        let ids = stored(store.accept(raw("2, 1, 2"), verdict).await.expect("stored"));
        assert_eq!(ids.len(), 1);
        assert_ne!(ids, first);
        let totals = store.totals().await.expect("totals");
        assert_eq!((totals.reports, totals.duplicates), (2, 2));
        let input = store.raw(RawOf::Report(ids[0])).await.expect("raw").expect("there");
        assert_eq!(&input.bytes[..], b"2, 1, 2");
    });
}

#[test]
fn what_is_set_aside_stays_visible_with_its_reason() {
    on_both!(store => {
        let mut ids = Vec::new();
        for reason in SetAsideReason::ALL {
            let verdict = Verdict::SetAside { reason, detail: format!("<b>{}\0", reason.as_wire()) };
            let receipt = store.accept(raw(reason.as_wire()), verdict).await.expect("kept");
            let Receipt::SetAside { id, reason: told } = receipt else { panic!("set aside") };
            assert_eq!(told, reason);
            ids.push(id);
        }
        // A verdict without any report is one that found none.
        let empty = Verdict::Filed { reports: Vec::new(), complaints: vec!["part 2: no JSON".to_owned()] };
        let receipt = store.accept(raw("empty"), empty).await.expect("kept");
        assert!(matches!(receipt, Receipt::SetAside { reason: SetAsideReason::NoReport, .. }));

        let page = store.set_aside(None, 3).await.expect("page");
        assert_eq!((page.items.len(), page.items[0].detail.as_str()), (3, "part 2: no JSON"));
        let rest = store.set_aside(page.next_cursor, 3).await.expect("page");
        assert_eq!(rest.next_cursor, None);
        let last = &rest.items[1];
        assert_eq!((last.id, last.reason, last.bytes), (ids[0], SetAsideReason::Unreadable, 10));
        assert_eq!(last.detail, "<b>unreadable\0");
        let input = store.raw(RawOf::SetAside(ids[0])).await.expect("raw").expect("there");
        assert_eq!(&input.bytes[..], b"unreadable");
        assert_eq!(store.totals().await.expect("totals").set_aside, 5);
    });
}

/// Proves: J4
#[test]
fn kept_mail_is_pending_until_it_is_settled_once() {
    on_both!(store => {
        let mut mail = raw("mail 1");
        mail.road = Road::Smtp;
        mail.peer = Some("2001:db8::1".parse().expect("an address"));
        let one = store.keep(mail.clone()).await.expect("kept");
        let two = store.keep(raw("mail 2")).await.expect("kept");
        let three = store.keep(raw("mail 3")).await.expect("kept");
        assert!(one < two && two < three);
        assert_eq!(store.pending(0, 1).await.expect("pending"), [Unread { id: one, attempts: 0, raw: mail }]);
        let above: Vec<i64> = store.pending(one, 10).await.expect("pending").into_iter().map(|unread| unread.id).collect();
        assert_eq!(above, [two, three]);

        let first = store.settle(one, simple(1, "a.example").verdict()).await.expect("settled");
        let again = store.settle(one, simple(1, "a.example").verdict()).await.expect("settled");
        assert_eq!(first, again);
        let aside = || Verdict::SetAside { reason: SetAsideReason::Unreadable, detail: "line 1".to_owned() };
        let first = store.settle(two, aside()).await.expect("settled");
        assert_eq!(first, Receipt::SetAside { id: two, reason: SetAsideReason::Unreadable });
        assert_eq!(store.settle(two, aside()).await.expect("settled"), first);

        let totals = store.totals().await.expect("totals");
        assert_eq!((totals.pending, totals.reports, totals.set_aside, totals.duplicates), (1, 1, 1, 0));
        let left: Vec<i64> = store.pending(0, 10).await.expect("pending").into_iter().map(|unread| unread.id).collect();
        assert_eq!(left, [three]);
    });
}

/// Proves: J4
#[test]
fn whoever_begins_to_read_is_counted_until_there_is_a_verdict() {
    on_both!(store => {
        let mail = store.keep(raw("mail")).await.expect("kept");
        let item = store.accept(raw("x"), unreadable("line 1")).await.expect("kept");
        let Receipt::SetAside { id: item, .. } = item else { panic!("set aside") };
        for attempts in 0..3 {
            assert_eq!(store.pending(0, 9).await.expect("pending")[0].attempts, attempts);
            assert_eq!(store.set_aside_by_others("other", 0, 9).await.expect("items")[0].attempts, attempts);
            for id in [mail, item, 99] {
                store.begin(id).await.expect("noted");
            }
        }
        store.settle(mail, unreadable("line 1")).await.expect("settled");
        store.reconsider(item, unreadable("line 2")).await.expect("settled");
        let items = store.set_aside_by_others("other", 0, 9).await.expect("items");
        assert_eq!(items.iter().map(|item| item.attempts).collect::<Vec<_>>(), [0, 0]);
    });
}

/// Proves: R4
#[test]
fn what_is_read_after_all_leaves_the_shelf_and_what_is_not_stays_in_its_place() {
    on_both!(store => {
        let mut ids = Vec::new();
        for number in 0..4 {
            let receipt = store.accept(raw(format!("input {number}")), unreadable("line 1")).await.expect("kept");
            let Receipt::SetAside { id, .. } = receipt else { panic!("set aside") };
            ids.push(id);
        }
        assert!(store.set_aside_by_others(READER, 0, 9).await.expect("items").is_empty());
        let others = store.set_aside_by_others("other", ids[0], 2).await.expect("items");
        assert_eq!(others.iter().map(|item| item.id).collect::<Vec<_>>(), ids[1..3]);
        assert_eq!(others[0].raw, raw("input 1"));

        // Nothing was changed by asking.
        let new = stored(store.reconsider(ids[0], simple(1, "a.example").verdict()).await.expect("filed"));
        let input = store.raw(RawOf::Report(new[0])).await.expect("raw").expect("there");
        assert_eq!(&input.bytes[..], b"input 0");
        let copy = store.reconsider(ids[1], simple(1, "a.example").verdict()).await.expect("taken");
        assert_eq!(copy, Receipt::Duplicate { ids: new.clone() });
        let again = store.reconsider(ids[2], unreadable("line 2")).await.expect("kept");
        assert_eq!(again, Receipt::SetAside { id: ids[2], reason: SetAsideReason::Unreadable });

        let shelf = store.set_aside(None, 9).await.expect("page").items;
        let shelf: Vec<_> = shelf.into_iter().map(|item| (item.id, item.detail)).collect();
        assert_eq!(shelf, [(ids[3], "line 1".to_owned()), (ids[2], "line 2".to_owned())]);
        let totals = store.totals().await.expect("totals");
        assert_eq!((totals.reports, totals.duplicates, totals.set_aside, totals.dropped), (1, 1, 2, 0));
        // A second time, or for what was never there, it changes nothing.
        let late = store.reconsider(ids[0], simple(1, "a.example").verdict()).await.expect("answered");
        assert_eq!(late, Receipt::Stored { ids: new });
        store.reconsider(4711, unreadable("line 3")).await.expect("answered");
        assert_eq!(store.totals().await.expect("totals"), totals);
        assert_eq!(store.raw(RawOf::SetAside(ids[0])).await.expect("raw"), None);
    });
}

/// Proves: H2
#[test]
fn sts_and_tlsa_rows_of_one_domain_are_the_same_sessions_where_their_totals_agree() {
    on_both!(store => {
        let same = vec![sts("a.example", "enforce", 7, &[]), policy(PolicyType::Tlsa, "a.example", 7, 0)];
        let differ = vec![sts("b.example", "enforce", 7, &[]), policy(PolicyType::Tlsa, "b.example", 5, 1)];
        store.accept(raw("1"), draft(1, same).verdict()).await.expect("stored");
        store.accept(raw("2"), draft(2, differ).verdict()).await.expect("stored");
        let lines = store.domains(month(), None, 10).await.expect("domains");
        assert_eq!(lines[0].successful, Bounds::exactly(7));
        assert_eq!((lines[1].successful, lines[1].failed), (Bounds { low: 7, high: 12 }, Bounds { low: 1, high: 1 }));
        let detail = store.domain("b.example", month()).await.expect("domain").expect("known");
        let kinds: Vec<_> = detail.by_policy.iter().map(|group| (group.key.as_str(), group.successful.high)).collect();
        assert_eq!(kinds, [("sts", 7), ("tlsa", 5)]);
    });
}

#[test]
fn a_report_counts_on_the_day_its_range_begins_however_absurd() {
    on_both!(store => {
        let table = [
            (Some(BEGIN), DAY),
            (Some(BEGIN + 86_399), DAY),
            (Some(BEGIN - 1), DAY - 1),
            (None, RECEIVED / 86_400 - 1),
            (Some(0), 0),
            (Some(-62_000_000_000), (-62_000_000_000i64).div_euclid(86_400)),
            (Some(250_000_000_000), 250_000_000_000 / 86_400),
        ];
        for (number, (begin, _)) in (0..).zip(table) {
            let verdict = simple(number, "a.example").beginning(begin).verdict();
            store.accept(raw("x"), verdict).await.expect("stored");
        }
        for (_, day) in table {
            let expected = table.iter().filter(|(_, other)| *other == day).count() as u64;
            let range = DayRange { first: day, last: day };
            let detail = store.domain("a.example", range).await.expect("domain").expect("known");
            assert_eq!(detail.days.iter().map(|line| (line.day, line.reports)).collect::<Vec<_>>(), [(day, expected)]);
        }
        let detail = store.domain("a.example", month()).await.expect("domain").expect("known");
        assert_eq!(detail.line.reports, 4);
        // A date that cannot be is never the newest.
        assert_eq!(detail.line.last_end, Some(BEGIN + 86_399 + 86_399));
        // A range without end shows its last years, not a million days.
        let wide = DayRange { first: i64::MIN, last: i64::MAX };
        assert!(store.domain("a.example", wide).await.expect("domain").expect("known").days.is_empty());
    });
}

#[test]
fn lists_are_walked_page_by_page_without_gap_or_repetition() {
    on_both!(store => {
        let mut ids = Vec::new();
        for number in 0..7u64 {
            let domain = if number % 2 == 0 { "even.example" } else { "odd.example" };
            let rows: Vec<_> = (0..3).map(|row| failure(ResultType::ValidationFailure, "mx", number * 10 + row)).collect();
            let policies = vec![sts(domain, "enforce", 1, &rows), sts("both.example", "enforce", 1, &rows[..1])];
            ids.extend(stored(store.accept(raw("x"), draft(number, policies).verdict()).await.expect("stored")));
        }
        ids.reverse();
        for (domain, expected) in [
            (None, ids.clone()),
            (Some("both.example"), ids.clone()),
            (Some("even.example"), ids.iter().copied().step_by(2).collect()),
            (Some("none.example"), Vec::new()),
        ] {
            let (mut seen, mut cursor) = (Vec::new(), None);
            loop {
                let page = store.reports(query(domain, 2, cursor)).await.expect("page");
                seen.extend(page.items.iter().map(|line| line.id));
                cursor = page.next_cursor;
                if cursor.is_none() {
                    break;
                }
            }
            assert_eq!(seen, expected, "{domain:?}");
        }
        for (domain, rows) in [(None, 28), (Some("both.example"), 7), (Some("odd.example"), 9)] {
            let (mut seen, mut cursor) = (Vec::new(), None);
            loop {
                let page = store.failures(query(domain, 2, cursor)).await.expect("page");
                seen.extend(page.items.iter().map(|line| (line.report, line.domain.clone(), line.row.failed_session_count)));
                cursor = page.next_cursor;
                if cursor.is_none() {
                    break;
                }
            }
            assert_eq!(seen.len(), rows, "{domain:?}");
            assert!(seen.iter().map(|(report, ..)| report).is_sorted_by(|one, other| one >= other));
            let different: std::collections::BTreeSet<_> = seen.iter().collect();
            assert_eq!(different.len(), rows, "{domain:?}");
        }
    });
}

#[test]
fn a_cursor_of_somebody_else_is_an_empty_page() {
    on_both!(store => {
        let rows = [failure(ResultType::ValidationFailure, "mx", 1), failure(ResultType::ValidationFailure, "mx", 2)];
        for number in 0..3 {
            store.accept(raw("x"), draft(number, vec![sts("a.example", "enforce", 1, &rows)]).verdict()).await.expect("stored");
        }
        let of_failures = store.failures(query(None, 1, None)).await.expect("page").next_cursor;
        for cursor in ["", "zzz", "1", "' OR 1=1 --", "r\0", of_failures.as_deref().expect("more")] {
            let page = store.reports(query(None, 10, Some(cursor.to_owned()))).await.expect("page");
            assert_eq!((page.items.len(), page.next_cursor), (0, None), "{cursor}");
            let page = store.set_aside(Some(cursor.to_owned()), 10).await.expect("page");
            assert!(page.items.is_empty());
        }
        let of_reports = store.reports(query(None, 1, None)).await.expect("page").next_cursor;
        assert!(store.failures(query(None, 10, of_reports)).await.expect("page").items.is_empty());
    });
}

/// Proves: R6
#[test]
fn any_text_comes_back_as_it_came_and_matches_only_itself() {
    on_both!(store => {
        let texts = ["a%b_c", "'; DROP TABLE report; --", "nul\0nul", "\u{202e}\u{feff}é\u{1F600}", "=cmd()", "<script>"];
        for (number, text) in (0..).zip(texts) {
            let mut row = failure(ResultType::Unknown(Text::new(text)), text, 1);
            row.failure_reason_code = Some(text.into());
            row.additional_information = Some(text.into());
            row.receiving_mx_helo = Some(text.into());
            let mut policy = sts(text, text, 1, &[row]);
            if let Some(policy) = &mut policy.policy {
                policy.policy_type = Some(PolicyType::Unknown(text.into()));
            }
            let mut input = raw(text);
            input.label = text.to_owned();
            let mut draft = draft(number, vec![policy.clone()]).from(text);
            draft.member = text.to_owned();
            let ids = stored(store.accept(input.clone(), draft.verdict()).await.expect("stored"));
            let detail = store.report(ids[0], 10).await.expect("detail").expect("there");
            assert_eq!((detail.member.as_str(), detail.line.organization_name.as_deref()), (text, Some(text)));
            assert_eq!(detail.policies, [policy]);
            assert_eq!(store.raw(RawOf::Report(ids[0])).await.expect("raw"), Some(input));
        }
        for text in texts {
            let page = store.reports(query(Some(text), 10, None)).await.expect("page");
            assert_eq!(page.items.len(), 1, "{text}");
            let detail = store.domain(text, month()).await.expect("domain").expect("known");
            assert_eq!((detail.line.reports, detail.by_result[0].result_type.as_str()), (1, text));
            assert_eq!((detail.by_policy[0].key.as_str(), detail.by_reporter[0].key.as_str()), (text, text));
        }
        for pattern in ["%", "a%", "_", "nul", "A%B_C", ""] {
            assert!(store.domain(pattern, month()).await.expect("domain").is_none(), "{pattern}");
        }
    });
}

#[test]
fn a_report_that_leaves_everything_out_is_filed_all_the_same() {
    on_both!(store => {
        let bare = draft(1, vec![Default::default(), Default::default()]).beginning(None);
        let mut bare = bare.filed();
        bare.report.organization_name = None;
        bare.report.report_id = None;
        bare.repairs.clear();
        let ids = stored(store.accept(raw(""), filed(vec![bare])).await.expect("stored"));
        let detail = store.report(ids[0], 10).await.expect("detail").expect("there");
        assert_eq!((detail.policies.len(), detail.repairs.len()), (2, 0));
        assert_eq!((detail.line.domain.as_deref(), detail.line.domains), (None, 0));
        assert!(store.domains(month(), None, 10).await.expect("domains").is_empty());
        let mut none = draft(2, Vec::new()).filed();
        none.report.policies = None;
        assert_eq!(stored(store.accept(raw(""), filed(vec![none])).await.expect("stored")).len(), 1);
    });
}

#[test]
fn domains_are_listed_by_name_with_what_the_range_holds() {
    on_both!(store => {
        let expired = [failure(ResultType::CertificateExpired, "mx", 9), failure(ResultType::TlsaInvalid, "mx", 2)];
        let older = BEGIN - 40 * 86_400;
        store.accept(raw_at(older + 90_000, "0"), draft(0, vec![sts("b.example", "testing", 100, &[])]).beginning(Some(older)).verdict()).await.expect("stored");
        store.accept(raw("1"), draft(1, vec![sts("b.example", "enforce", 5, &expired)]).from("One").verdict()).await.expect("stored");
        store.accept(raw("2"), draft(2, vec![sts("b.example", "enforce", 6, &[])]).from("Two").verdict()).await.expect("stored");
        store.accept(raw("3"), draft(3, vec![sts("b.example", "enforce", 7, &[])]).from("Two").verdict()).await.expect("stored");
        store.accept(raw("4"), draft(4, vec![sts("a.example", "none", 1, &[]), policy(PolicyType::Tlsa, "c.example", 1, 0)]).verdict()).await.expect("stored");

        let names = |lines: &[tlsward_engine::ports::DomainLine]| lines.iter().map(|line| line.domain.clone()).collect::<Vec<_>>();
        let first = store.domains(month(), None, 2).await.expect("domains");
        assert_eq!(names(&first), ["a.example", "b.example"]);
        let rest = store.domains(month(), Some("b.example".to_owned()), 2).await.expect("domains");
        assert_eq!(names(&rest), ["c.example"]);
        let b = &first[1];
        assert_eq!((b.reports, b.reporters, b.successful, b.failed), (3, 2, Bounds::exactly(18), Bounds::exactly(11)));
        assert_eq!((b.worst.as_deref(), b.mode.as_deref()), (Some("certificate-expired"), Some("enforce")));
        assert_eq!((first[0].worst.as_deref(), first[0].mode.as_deref()), (None, Some("none")));
        assert_eq!(rest[0].mode, None);
        // Out of the range a domain is still listed, with nothing in it.
        let past = DayRange { first: 1, last: 2 };
        let b = &store.domains(past, Some("a".to_owned()), 9).await.expect("domains")[1];
        assert_eq!((b.reports, b.successful, b.last_end), (0, Bounds::default(), Some(BEGIN + 86_399)));
    });
}

#[test]
fn a_report_that_comes_late_does_not_change_what_is_newest() {
    on_both!(store => {
        store.accept(raw("1"), draft(1, vec![sts("a.example", "enforce", 1, &[])]).verdict()).await.expect("stored");
        let late = draft(2, vec![sts("a.example", "testing", 1, &[])]).beginning(Some(BEGIN - 10 * 86_400));
        store.accept(raw_at(RECEIVED + 5, "2"), late.verdict()).await.expect("stored");
        let line = &store.domains(month(), None, 1).await.expect("domains")[0];
        assert_eq!((line.mode.as_deref(), line.last_end), (Some("enforce"), Some(BEGIN + 86_399)));
        assert_eq!(line.last_received_at, RECEIVED + 5);
    });
}

#[test]
fn a_full_quota_of_what_is_set_aside_lets_the_oldest_go_first() {
    let quotas = Quotas { set_aside_items: 3, set_aside_bytes: 1000, ..Quotas::default() };
    on_both!(quotas, store => {
        let aside = || Verdict::SetAside { reason: SetAsideReason::NoReport, detail: String::new() };
        let mut ids = Vec::new();
        for size in [10, 10, 10, 10, 995] {
            if let Receipt::SetAside { id, .. } = store.accept(raw(vec![b'x'; size]), aside()).await.expect("kept") {
                ids.push(id);
            }
        }
        let page = store.set_aside(None, 10).await.expect("page");
        assert_eq!(page.items.iter().map(|line| line.id).collect::<Vec<_>>(), [ids[4]]);
        let totals = store.totals().await.expect("totals");
        assert_eq!((totals.set_aside, totals.dropped), (1, 4));
        assert_eq!(store.raw(RawOf::SetAside(ids[0])).await.expect("raw"), None);
    });
}

/// Proves: R8
#[test]
fn a_full_quota_of_unauthenticated_reports_never_costs_an_authenticated_one() {
    let full = |open_reports, open_bytes, open_rows| Quotas {
        open_reports,
        open_bytes,
        open_rows,
        ..Quotas::default()
    };
    for quotas in [full(3, 1000, 1000), full(1000, 30, 1000), full(1000, 1000, 3)] {
        on_both!(quotas, store => {
            let mut ids = Vec::new();
            for number in 0..6 {
                let trust = if number == 1 { Trust::Verified } else { Trust::Https };
                let draft = simple(number, &format!("d{number}.example")).trusted(trust);
                ids.extend(stored(store.accept(raw(vec![b'x'; 10]), draft.verdict()).await.expect("stored")));
            }
            let page = store.reports(query(None, 10, None)).await.expect("page");
            let left: Vec<i64> = page.items.iter().map(|line| line.id).collect();
            assert_eq!(left, [ids[5], ids[4], ids[3], ids[1]]);
            let totals = store.totals().await.expect("totals");
            assert_eq!((totals.reports, totals.dropped, totals.domains), (4, 2, 4));
            assert_eq!(store.raw(RawOf::Report(ids[0])).await.expect("raw"), None);
            assert!(store.report(ids[0], 1).await.expect("detail").is_none());
            assert!(store.domain("d0.example", month()).await.expect("domain").is_none());
            assert!(store.domain("d1.example", month()).await.expect("domain").is_some());
            // What went is no duplicate when it comes again; what stayed is.
            stored(store.accept(raw("x"), simple(0, "d0.example").verdict()).await.expect("stored"));
            let known = store.accept(raw("x"), simple(1, "d1.example").verdict()).await.expect("taken");
            assert_eq!(known, Receipt::Duplicate { ids: vec![ids[1]] });
        });
    }
}

#[test]
fn a_report_that_becomes_authenticated_leaves_the_quota() {
    let quotas = Quotas { open_reports: 2, ..Quotas::default() };
    on_both!(quotas, store => {
        let first = stored(store.accept(raw("x"), simple(1, "a.example").verdict()).await.expect("stored"));
        store.accept(raw("y"), simple(1, "a.example").trusted(Trust::Verified).verdict()).await.expect("stored");
        for number in 2..6 {
            store.accept(raw("x"), simple(number, "a.example").verdict()).await.expect("stored");
        }
        let totals = store.totals().await.expect("totals");
        assert_eq!((totals.reports, totals.dropped), (3, 2));
        assert!(store.report(first[0], 1).await.expect("detail").is_some());
    });
}

#[test]
fn mail_that_waits_is_refused_beyond_its_quota_and_never_dropped() {
    let quotas = Quotas { pending_bytes: 20, ..Quotas::default() };
    on_both!(quotas, store => {
        let one = store.keep(raw(vec![b'x'; 15])).await.expect("kept");
        let two = store.keep(raw(vec![b'x'; 15])).await;
        assert!(matches!(two, Err(StoreError::Unavailable(_))));
        store.settle(one, simple(1, "a.example").verdict()).await.expect("settled");
        store.keep(raw(vec![b'x'; 15])).await.expect("room again");
        let totals = store.totals().await.expect("totals");
        assert_eq!((totals.pending, totals.dropped), (1, 0));
    });
}

/// Proves: R7
#[test]
fn a_large_report_comes_to_the_same_as_if_it_were_held() {
    let policies: Vec<_> = (0..9000u64)
        .map(|n| {
            let domain = format!("d{}.example", n % 700);
            let rows: Vec<_> = (0..n % 4)
                .map(|row| {
                    failure(
                        ResultType::REGISTERED[(n + row) as usize % 11].clone(),
                        &format!("mx{}", n % 50),
                        row,
                    )
                })
                .collect();
            match n % 3 {
                0 => policy(PolicyType::Tlsa, &domain, n, n % 7),
                1 if n % 5 == 0 => policy(PolicyType::Unknown(format!("t{}", n % 40).into()), &domain, n, 1),
                _ => sts(&domain, "testing", n, &rows),
            }
        })
        .collect();
    let mut answers = Vec::new();
    for is_streamed in [false, true] {
        on_both!(store => {
            let draft = draft(1, policies.clone());
            let report = if is_streamed { draft.streamed(777) } else { draft.filed() };
            let id = stored(store.accept(raw("large"), filed(vec![report])).await.expect("stored"))[0];
            let lines = store.domains(month(), None, 1000).await.expect("domains");
            assert_eq!(lines.len(), 700);
            let detail = store.domain("d12.example", month()).await.expect("domain").expect("known");
            let report = store.report(id, 50).await.expect("detail").expect("there");
            let failures = store.failures(query(Some("d13.example"), 1000, None)).await.expect("page");
            let failures: Vec<_> = failures.items.into_iter().map(|line| (line.policy_type, line.row)).collect();
            answers.push((lines, detail, report.line, report.policies, failures));
        });
    }
    for pair in answers.windows(2) {
        assert_eq!(pair[0].0, pair[1].0);
        assert_eq!(pair[0].1, pair[1].1);
        assert_eq!(pair[0].2, pair[1].2);
        assert_eq!(pair[0].3, pair[1].3);
        assert_eq!(pair[0].4, pair[1].4);
    }
}

/// Proves: R7
#[test]
fn a_large_report_with_other_rows_than_were_counted_is_refused_and_leaves_nothing() {
    let rows = [
        failure(ResultType::CertificateExpired, "mx", 1),
        failure(ResultType::CertificateNotTrusted, "mx", 2),
    ];
    let draft = draft(1, vec![sts("a.example", "enforce", 5, &rows), sts("b.example", "enforce", 5, &rows)]);
    on_both!(store => {
        for (policies, failures) in [(2, 5), (2, 3), (3, 4), (1, 4), (0, 0)] {
            let mut report = draft.clone().streamed(2);
            (report.policy_count, report.failure_count) = (policies, failures);
            let refused = store.accept(raw("large"), filed(vec![report])).await;
            assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{policies} {failures}: {refused:?}");
            let totals = store.totals().await.expect("totals");
            assert_eq!((totals.reports, totals.domains), (0, 0));
        }
        let mut none = draft.clone().streamed(2);
        none.rows = Rows::Streamed(Box::new(Pieces { policies: Vec::new(), piece: 2 }));
        assert!(matches!(store.accept(raw("large"), filed(vec![none])).await, Err(StoreError::Unavailable(_))));
        // The same report goes through when it is read rightly.
        stored(store.accept(raw("large"), filed(vec![draft.clone().streamed(2)])).await.expect("stored"));
    });
}

#[test]
fn a_page_holds_at_most_a_thousand_items_and_at_least_one() {
    on_both!(store => {
        let rows: Vec<_> = (0..1500).map(|row| failure(ResultType::ValidationFailure, "mx", row)).collect();
        let ids = stored(store.accept(raw("x"), draft(1, vec![sts("a.example", "enforce", 1, &rows)]).verdict()).await.expect("stored"));
        assert_eq!(store.failures(query(None, usize::MAX, None)).await.expect("page").items.len(), 1000);
        assert_eq!(store.failures(query(None, 0, None)).await.expect("page").items.len(), 1);
        let detail = store.report(ids[0], usize::MAX).await.expect("detail").expect("there");
        assert_eq!(detail.policies[0].failure_details.as_ref().map(Vec::len), Some(1000));
        assert_eq!(detail.failure_count, 1500);
    });
}

fn audit(domain: &str, at: i64, snapshot: &str) -> Audit {
    Audit {
        domain: domain.to_owned(),
        at,
        verdict: "delivers".to_owned(),
        snapshot: snapshot.to_owned(),
        report: format!("{{\"checked_at\":{at}}}"),
    }
}

#[test]
fn audits_that_come_to_the_same_are_one_spell() {
    on_both!(store => {
        for (at, snapshot) in [(10, "a"), (20, "a"), (30, "b"), (40, "a")] {
            store.note(audit("x.example", at, snapshot)).await.expect("noted");
        }
        // One that comes late changes nothing, also when it is told twice.
        store.note(audit("x.example", 35, "c")).await.expect("noted");
        store.note(audit("x.example", 40, "a")).await.expect("noted");
        let spells = store.spells("x.example", 10).await.expect("spells");
        let seen: Vec<_> = spells.iter().map(|spell| (spell.since, spell.last.at, spell.last.snapshot.as_str())).collect();
        assert_eq!(seen, [(40, 40, "a"), (30, 30, "b"), (10, 20, "a")]);
        assert_eq!(spells[2].last, audit("x.example", 20, "a"));
        assert_eq!(store.spells("x.example", 1).await.expect("spells").len(), 1);
        assert!(store.spells("y.example", 10).await.expect("spells").is_empty());
    });
}

#[test]
fn the_newest_spell_of_each_domain_is_listed_by_name() {
    on_both!(store => {
        for (domain, at) in [("b.example", 1), ("a.example", 2), ("c.example", 3), ("b.example", 4)] {
            store.note(audit(domain, at, &at.to_string())).await.expect("noted");
        }
        let page = store.latest(None, 2).await.expect("latest");
        let seen: Vec<_> = page.iter().map(|spell| (spell.last.domain.as_str(), spell.since)).collect();
        assert_eq!(seen, [("a.example", 2), ("b.example", 4)]);
        let page = store.latest(Some("b.example"), 2).await.expect("latest");
        assert_eq!(page.iter().map(|spell| spell.last.domain.as_str()).collect::<Vec<_>>(), ["c.example"]);
    });
}

#[test]
fn the_oldest_spells_make_room() {
    on_both!(store => {
        let many = SPELLS_KEPT as i64 + 3;
        for at in 1..=many {
            store.note(audit("x.example", at, &at.to_string())).await.expect("noted");
        }
        let spells = store.spells("x.example", 1000).await.expect("spells");
        assert_eq!((spells.len(), spells[0].since, spells[spells.len() - 1].since), (SPELLS_KEPT, many, 4));
    });
}
