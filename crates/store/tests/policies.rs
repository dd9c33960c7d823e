//! What every keeper of policies answers, asked of both stores.

mod support;

use tlsward_engine::ports::{Keeping, KeptPolicy, Policies};
use tlsward_store::SqliteStore;

fn policy(domain: &str, fetched_at: i64) -> KeptPolicy {
    KeptPolicy {
        domain: domain.to_owned(),
        id: format!("id{fetched_at}"),
        fetched_at,
        failures: 0,
        // As served: neither the byte order mark nor the line ends are anybody's to mend.
        body: b"\xef\xbb\xbfversion: STSv1\r\nmode: none\nmax_age: 5\r\n\r\n".to_vec().into(),
    }
}

#[test]
fn a_policy_is_kept_as_served_in_the_place_of_the_earlier_one() {
    on_both!(store => {
        assert_eq!(store.keep(policy("a.example", 10)).await.expect("kept"), Keeping::Kept);
        assert_eq!(store.keep(policy("a.example", 11)).await.expect("kept"), Keeping::Kept);
        let again = KeptPolicy { id: "other".to_owned(), ..policy("a.example", 11) };
        assert_eq!(store.keep(again.clone()).await.expect("kept"), Keeping::Kept, "of one second the last");
        assert_eq!(store.kept(None, 10).await.expect("read"), [again]);
    });
}

/// Proves: C9
#[test]
fn nothing_takes_the_place_of_a_later_fetch() {
    on_both!(store => {
        store.keep(policy("a.example", 10)).await.expect("kept");
        assert_eq!(store.keep(policy("a.example", 9)).await.expect("asked"), Keeping::Newer(10));
        assert_eq!(store.kept(None, 10).await.expect("read"), [policy("a.example", 10)]);
    });
}

#[test]
fn failures_are_noted_of_the_policy_that_they_concern_and_of_no_other() {
    on_both!(store => {
        store.keep(policy("a.example", 10)).await.expect("kept");
        store.note_failures("a.example", 9, 5).await.expect("noted");
        store.note_failures("b.example", 10, 5).await.expect("noted");
        assert_eq!(store.kept(None, 10).await.expect("read"), [policy("a.example", 10)]);
        store.note_failures("a.example", 10, 3).await.expect("noted");
        assert_eq!(store.kept(None, 10).await.expect("read"), [KeptPolicy { failures: 3, ..policy("a.example", 10) }]);
        store.keep(policy("a.example", 12)).await.expect("kept");
        assert_eq!(store.kept(None, 10).await.expect("read")[0].failures, 0);
    });
}

#[test]
fn what_is_forgotten_is_gone_unless_it_was_fetched_since() {
    on_both!(store => {
        store.keep(policy("a.example", 10)).await.expect("kept");
        store.keep(policy("b.example", 10)).await.expect("kept");
        assert!(!store.forget("a.example", 9).await.expect("asked"));
        assert!(store.forget("a.example", 10).await.expect("asked"));
        assert!(!store.forget("a.example", i64::MAX).await.expect("asked"));
        assert_eq!(store.kept(None, 10).await.expect("read"), [policy("b.example", 10)]);
        store.keep(policy("a.example", 5)).await.expect("kept");
        assert_eq!(store.kept(None, 10).await.expect("read").len(), 2, "what is gone holds nothing back");
    });
}

#[test]
fn everything_kept_is_read_page_by_page_and_large_bodies_make_short_pages() {
    on_both!(store => {
        for number in 0..100 {
            let mut policy = policy(&format!("d{number:02}.example"), 1);
            if number >= 20 {
                policy.body = vec![b'x'; 64 * 1024].into();
            }
            store.keep(policy).await.expect("kept");
        }
        let (mut seen, mut after, mut longest) = (Vec::new(), None, 0);
        loop {
            let page = store.kept(after.as_deref(), 30).await.expect("read");
            let Some(last) = page.last() else { break };
            longest = longest.max(page.iter().map(|policy| policy.body.len()).sum());
            after = Some(last.domain.clone());
            seen.extend(page.into_iter().map(|policy| policy.domain));
        }
        let all: Vec<_> = (0..100).map(|number| format!("d{number:02}.example")).collect();
        assert_eq!(seen, all);
        assert!(longest < 5 * 1024 * 1024);
    });
}

/// Proves: C1
#[test]
fn kept_policies_are_there_after_a_restart() {
    let dir = tempfile::tempdir().expect("a folder");
    let open =
        || SqliteStore::open(dir.path().join("t.db"), tlsward_store::Quotas::default()).expect("a store");
    let store = open();
    support::wait(store.keep(policy("a.example", 10))).expect("kept");
    store.close().expect("closes");
    let store = open();
    assert_eq!(support::wait(store.kept(None, 10)).expect("read"), [policy("a.example", 10)]);
    store.close().expect("closes");
}
