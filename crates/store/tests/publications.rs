//! What every keeper of one's own domains answers, asked of both stores.

mod support;

use tlsward_engine::ports::publish::{KeptGroup, KeptPublication, KeptVersion, Publications, Put};
use tlsward_store::SqliteStore;

fn publication(domain: &str, revision: u64) -> KeptPublication {
    KeptPublication {
        domain: domain.to_owned(),
        revision,
        group: None,
        cached_until: 100,
        due_at: 50,
        state: format!("{{\"revision\":{revision}}}").into(),
    }
}

fn version(domain: &str, number: u32) -> KeptVersion {
    KeptVersion {
        domain: domain.to_owned(),
        number,
        body: format!("version: STSv1\r\nmode: none\r\nmax_age: {number}\r\n").into(),
        id: None,
        max_age: number,
        first_served_at: 10,
        announced_at: None,
        last_served_at: None,
    }
}

#[test]
fn a_change_is_kept_if_nobody_changed_it_before() {
    on_both!(store => {
        let first = publication("a.example", 1);
        assert_eq!(store.publication("a.example").await.expect("read"), None);
        let late = store.put_publication(publication("a.example", 2), vec![version("a.example", 1)]);
        assert_eq!(late.await.expect("asked"), Put::Conflict, "there is none that it could follow");
        assert_eq!(store.put_publication(first.clone(), vec![]).await.expect("kept"), Put::Kept);
        assert_eq!(store.put_publication(first.clone(), vec![]).await.expect("asked"), Put::Conflict);
        let third = store.put_publication(publication("a.example", 3), vec![version("a.example", 1)]);
        assert_eq!(third.await.expect("asked"), Put::Conflict);
        assert_eq!(store.publication("a.example").await.expect("read"), Some(first));
        assert_eq!(store.versions("a.example", None, 10).await.expect("read"), [], "all of it or nothing");
        let second = KeptPublication { group: Some("g".to_owned()), due_at: 7, ..publication("a.example", 2) };
        assert_eq!(store.put_publication(second.clone(), vec![]).await.expect("kept"), Put::Kept);
        assert_eq!(store.publication("a.example").await.expect("read"), Some(second));
    });
}

/// Proves: D19
#[test]
fn the_time_until_which_a_policy_may_be_held_never_falls() {
    on_both!(store => {
        store.put_publication(publication("a.example", 1), vec![]).await.expect("kept");
        let less = KeptPublication { cached_until: 5, ..publication("a.example", 2) };
        assert_eq!(store.put_publication(less, vec![]).await.expect("kept"), Put::Kept);
        assert_eq!(store.publication("a.example").await.expect("read").expect("there").cached_until, 100);
        let more = KeptPublication { cached_until: 500, ..publication("a.example", 3) };
        store.put_publication(more, vec![]).await.expect("kept");
        assert_eq!(store.publication("a.example").await.expect("read").expect("there").cached_until, 500);
    });
}

/// Proves: D19
#[test]
fn what_was_served_is_never_written_over_and_stays_when_the_domain_goes() {
    on_both!(store => {
        let first = version("a.example", 1);
        store.put_publication(publication("a.example", 1), vec![first.clone()]).await.expect("kept");
        let announced = KeptVersion { id: Some("x".to_owned()), announced_at: Some(12), ..first.clone() };
        let other = KeptVersion {
            body: b"another".to_vec().into(), first_served_at: 99, max_age: 9, ..announced.clone()
        };
        store.put_publication(publication("a.example", 2), vec![other]).await.expect("kept");
        assert_eq!(store.versions("a.example", None, 10).await.expect("read"), std::slice::from_ref(&announced));
        let ended = KeptVersion { last_served_at: Some(20), ..first };
        let put = store.put_publication(publication("a.example", 3), vec![ended, version("a.example", 2)]);
        put.await.expect("kept");
        let first = KeptVersion { last_served_at: Some(20), ..announced };
        let both = [version("a.example", 2), first.clone()];
        assert_eq!(store.versions("a.example", None, 10).await.expect("read"), both);

        assert_eq!(store.remove_publication("a.example", 2).await.expect("asked"), Put::Conflict);
        assert_eq!(store.remove_publication("a.example", 3).await.expect("removed"), Put::Kept);
        assert_eq!(store.remove_publication("a.example", 3).await.expect("asked"), Put::Conflict);
        assert_eq!(store.publication("a.example").await.expect("read"), None);
        assert_eq!(store.versions("a.example", None, 10).await.expect("read"), both);
        // It comes back.
        let put = store.put_publication(publication("a.example", 1), vec![version("a.example", 3)]);
        assert_eq!(put.await.expect("kept"), Put::Kept);
        assert_eq!(store.versions("a.example", Some(2), 10).await.expect("read"), [first]);
        let newest = store.versions("a.example", None, 1).await.expect("read");
        assert_eq!(newest, [version("a.example", 3)]);
    });
}

#[test]
fn those_that_are_due_come_the_longest_due_first() {
    on_both!(store => {
        for (domain, due_at) in [("c.example", 5), ("a.example", 7), ("b.example", 5), ("d.example", 9)] {
            let row = KeptPublication { due_at, ..publication(domain, 1) };
            store.put_publication(row, vec![]).await.expect("kept");
        }
        let due = async |now, limit| {
            let rows = store.due(now, limit).await.expect("read");
            rows.into_iter().map(|row| row.domain).collect::<Vec<_>>()
        };
        assert_eq!(due(4, 10).await, [""; 0]);
        assert_eq!(due(7, 10).await, ["b.example", "c.example", "a.example"]);
        assert_eq!(due(i64::MAX, 2).await, ["b.example", "c.example"]);
        let later = KeptPublication { due_at: 100, ..publication("b.example", 2) };
        store.put_publication(later, vec![]).await.expect("kept");
        assert_eq!(due(10, 10).await, ["c.example", "a.example", "d.example"]);
    });
}

#[test]
fn all_domains_are_read_page_by_page_and_large_states_make_short_pages() {
    on_both!(store => {
        for number in 0..150 {
            let mut row = publication(&format!("d{number:03}.example"), 1);
            if number >= 50 {
                row.state = vec![b'x'; 64 * 1024].into();
            }
            store.put_publication(row, vec![]).await.expect("kept");
        }
        let (mut seen, mut after, mut longest) = (Vec::new(), None, 0);
        loop {
            let page = store.publications(after.as_deref(), 100).await.expect("read");
            let Some(last) = page.last() else { break };
            longest = longest.max(page.iter().map(|row| row.state.len()).sum());
            after = Some(last.domain.clone());
            seen.extend(page.into_iter().map(|row| row.domain));
        }
        let all: Vec<_> = (0..150).map(|number| format!("d{number:03}.example")).collect();
        assert_eq!(seen, all);
        assert!(longest < 5 * 1024 * 1024);
    });
}

#[test]
fn groups_are_kept_under_their_revisions() {
    on_both!(store => {
        let group = |name: &str, revision| KeptGroup {
            name: name.to_owned(), revision, state: format!("{revision}").into()
        };
        assert_eq!(store.put_group(group("b", 1)).await.expect("kept"), Put::Kept);
        assert_eq!(store.put_group(group("a", 1)).await.expect("kept"), Put::Kept);
        assert_eq!(store.put_group(group("a", 1)).await.expect("asked"), Put::Conflict);
        assert_eq!(store.put_group(group("a", 3)).await.expect("asked"), Put::Conflict);
        assert_eq!(store.put_group(group("a", 2)).await.expect("kept"), Put::Kept);
        assert_eq!(store.groups().await.expect("read"), [group("a", 2), group("b", 1)]);
    });
}

/// Ten thousand domains of one group serve one body: it costs its bytes once.
#[test]
fn a_body_that_many_domains_serve_stands_in_the_file_once_and_outlives_a_restart() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("t.db");
    let open = || SqliteStore::open(&path, tlsward_store::Quotas::default()).expect("a store");
    let store = open();
    let body = bytes::Bytes::from("mx: a-long-host-name.example\r\n".repeat(2_000));
    let served = |domain: &str| KeptVersion { body: body.clone(), ..version(domain, 1) };
    for number in 0..100 {
        let domain = format!("d{number}.example");
        let put = store.put_publication(publication(&domain, 1), vec![served(&domain)]);
        assert_eq!(support::wait(put).expect("kept"), Put::Kept);
    }
    store.close().expect("closes");
    let bytes = std::fs::metadata(&path).expect("a file").len();
    assert!(bytes < 10 * body.len() as u64, "{bytes}");
    let store = open();
    let kept = support::wait(store.versions("d7.example", None, 10)).expect("read");
    assert_eq!(kept, [served("d7.example")]);
    assert_eq!(support::wait(store.publications(None, 1000)).expect("read").len(), 100);
    store.close().expect("closes");
}
