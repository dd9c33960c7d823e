//! What every keeper of certificates answers, asked of both stores; and that keys are sealed at rest.

mod support;

use tlsward_engine::ports::StoreError;
use tlsward_engine::ports::certificates::{
    CertificateLine, Certificates, Counted, CountedEvent, KeptAccount, KeptAttempts, KeptCertificate,
    KeptOrder, PrivateKey, RenewalWindow,
};
use tlsward_store::{MemoryStore, Quotas, SealingKey, SqliteStore};

const SECRET: &[u8] = b"not to be found in the file";

fn key() -> PrivateKey {
    PrivateKey::from_pkcs8(SECRET.to_vec())
}

fn account(url: Option<&str>) -> KeptAccount {
    KeptAccount { directory: "https://ca.test/dir".to_owned(), key: key(), url: url.map(str::to_owned) }
}

fn order(name: &str, number: u32) -> KeptOrder {
    KeptOrder {
        name: name.to_owned(),
        directory: "https://ca.test/dir".to_owned(),
        account: "https://ca.test/acct/1".to_owned(),
        url: format!("https://ca.test/order/{number}"),
        key: key(),
        begun_at: 5,
    }
}

fn certificate(name: &str, not_after: i64) -> KeptCertificate {
    let line = CertificateLine {
        name: name.to_owned(),
        directory: "https://ca.test/dir".to_owned(),
        not_before: 10,
        not_after,
        issued_at: 11,
        ari_id: Some("aki.serial".to_owned()),
        renewal: None,
        has_key: true,
    };
    KeptCertificate { line, chain: vec![vec![1; 700], vec![], vec![2]], key: key() }
}

fn attempts(name: &str, failures: u32) -> KeptAttempts {
    KeptAttempts {
        name: name.to_owned(),
        failures,
        with_first: 1,
        since: 2,
        last_at: 3,
        next_at: 4,
        kind: "caa".to_owned(),
        text: "no".to_owned(),
    }
}

fn sqlite(folder: &tempfile::TempDir, key: u8) -> SqliteStore {
    let store = SqliteStore::open(folder.path().join("t.db"), Quotas::default()).expect("a store");
    store.seal_with(SealingKey::new(&[key; 32]).expect("a key"));
    store
}

/// Runs the body on both stores.
macro_rules! on_both {
    ($store:ident => $body:block) => {{
        let memory = MemoryStore::default();
        let $store = &memory;
        support::wait(async { $body });
        let folder = tempfile::tempdir().expect("a folder");
        let sqlite = sqlite(&folder, 7);
        let $store = &sqlite;
        support::wait(async { $body });
        sqlite.close().expect("closes");
    }};
}

#[test]
fn an_account_is_kept_before_and_after_the_authority_knows_it() {
    on_both!(store => {
        assert_eq!(store.account("https://ca.test/dir").await.expect("asked"), None);
        for url in [None, Some("https://ca.test/acct/1")] {
            store.put_account(account(url)).await.expect("kept");
            assert_eq!(store.account("https://ca.test/dir").await.expect("asked"), Some(account(url)));
        }
        assert_eq!(store.account("https://other.test/dir").await.expect("asked"), None);
    });
}

#[test]
fn a_name_has_one_order_and_only_that_one_is_dropped() {
    on_both!(store => {
        store.put_order(order("a.test", 1)).await.expect("kept");
        store.put_order(order("a.test", 2)).await.expect("kept");
        store.put_order(order("b.test", 3)).await.expect("kept");
        store.drop_order("a.test", "https://ca.test/order/1").await.expect("asked");
        assert_eq!(store.order("a.test").await.expect("asked"), Some(order("a.test", 2)));
        assert_eq!(store.ordered(None, 1).await.expect("asked"), ["a.test"]);
        assert_eq!(store.ordered(Some("a.test"), 9).await.expect("asked"), ["b.test"]);
        store.drop_order("a.test", "https://ca.test/order/2").await.expect("dropped");
        assert_eq!(store.order("a.test").await.expect("asked"), None);
    });
}

#[test]
fn a_certificate_ends_its_order_and_its_failures() {
    on_both!(store => {
        for name in ["a.test", "b.test"] {
            store.put_order(order(name, 1)).await.expect("kept");
            store.put_attempts(attempts(name, 3)).await.expect("kept");
        }
        store.put_certificate(certificate("a.test", 100)).await.expect("kept");
        assert_eq!(store.certificate("a.test").await.expect("asked"), Some(certificate("a.test", 100)));
        assert_eq!(store.order("a.test").await.expect("asked"), None);
        assert_eq!(store.attempts("a.test").await.expect("asked"), None);
        assert_eq!(store.ordered(None, 9).await.expect("asked"), ["b.test"]);
        assert_eq!(store.all_attempts(None, 9).await.expect("asked"), [attempts("b.test", 3)]);
        store.put_certificate(certificate("a.test", 200)).await.expect("kept");
        store.put_certificate(certificate("c.test", 300)).await.expect("kept");
        let lines = store.certificate_lines(None, 9).await.expect("asked");
        assert_eq!(lines.iter().map(|line| line.not_after).collect::<Vec<_>>(), [200, 300]);
        assert_eq!(store.certificate_lines(Some("a.test"), 9).await.expect("asked").len(), 1);
        let line = store.certificate_line("c.test").await.expect("asked");
        assert_eq!(line, Some(certificate("c.test", 300).line));
        store.forget_certificate("a.test").await.expect("forgotten");
        store.forget_certificate("b.test").await.expect("forgotten");
        assert_eq!(store.certificate("a.test").await.expect("asked"), None);
        assert_eq!(store.all_attempts(None, 9).await.expect("asked"), []);
        assert_eq!(store.unopened().await.expect("asked"), 0);
    });
}

#[test]
fn what_an_authority_says_on_renewal_is_of_that_certificate() {
    on_both!(store => {
        store.put_certificate(certificate("a.test", 100)).await.expect("kept");
        let window = RenewalWindow { start: 50, end: 60, explanation: Some("why".to_owned()), ask_again_at: 20 };
        store.put_renewal("a.test", "another.id", window.clone()).await.expect("asked");
        store.put_renewal("b.test", "aki.serial", window.clone()).await.expect("asked");
        let renewal = async || store.certificate_line("a.test").await.expect("asked").expect("there").renewal;
        assert_eq!(renewal().await, None);
        store.put_renewal("a.test", "aki.serial", window.clone()).await.expect("kept");
        assert_eq!(renewal().await, Some(window));
        store.put_certificate(certificate("a.test", 200)).await.expect("kept");
        assert_eq!(renewal().await, None, "the new one has none yet");
    });
}

#[test]
fn what_counts_is_remembered_in_order_and_forgotten_in_time() {
    on_both!(store => {
        let event = |at, what| CountedEvent { directory: "d".to_owned(), name: format!("{at}.test"), what, at };
        for (at, what) in [(1, Counted::Order), (30, Counted::Issued), (20, Counted::FailedValidation)] {
            store.count(event(at, what), 0).await.expect("kept");
        }
        let times = async |since, limit| {
            let events = store.counted(since, limit).await.expect("asked");
            events.into_iter().map(|event| (event.at, event.what)).collect::<Vec<_>>()
        };
        let all = [(1, Counted::Order), (20, Counted::FailedValidation), (30, Counted::Issued)];
        assert_eq!(times(0, 9).await, all);
        assert_eq!(times(20, 1).await, all[1..2]);
        store.count(event(40, Counted::Order), 30).await.expect("kept");
        assert_eq!(times(0, 9).await, [(30, Counted::Issued), (40, Counted::Order)]);
    });
}

/// A copy of the database alone gives no key away.
///
/// Proves: K7
#[test]
fn no_key_stands_in_the_files_of_the_database() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = sqlite(&folder, 7);
    support::wait(async {
        store.put_account(account(None)).await.expect("kept");
        store.put_order(order("a.test", 1)).await.expect("kept");
        store.put_certificate(certificate("b.test", 100)).await.expect("kept");
    });
    let found_in = |needle: &[u8]| {
        let files = std::fs::read_dir(folder.path()).expect("a folder");
        let holds = |file: std::io::Result<std::fs::DirEntry>| {
            let bytes = std::fs::read(file.expect("an entry").path()).expect("a file");
            bytes.windows(needle.len()).any(|window| window == needle)
        };
        files.map(holds).filter(|found| *found).count()
    };
    assert!(found_in(b"https://ca.test/order/1") > 0, "the test looks where the rows are");
    assert_eq!(found_in(SECRET), 0);
    store.close().expect("closes");
    assert_eq!(found_in(SECRET), 0);
}

/// Proves: K7
#[test]
fn with_another_key_file_keys_are_as_good_as_lost_and_counted_and_new_ones_are_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = sqlite(&folder, 7);
    support::wait(async {
        store.put_account(account(Some("https://ca.test/acct/1"))).await.expect("kept");
        store.put_order(order("a.test", 1)).await.expect("kept");
        store.put_certificate(certificate("b.test", 100)).await.expect("kept");
    });
    store.close().expect("closes");
    let store = sqlite(&folder, 8);
    support::wait(async {
        assert_eq!(store.account("https://ca.test/dir").await.expect("asked"), None);
        assert_eq!(store.order("a.test").await.expect("asked"), None);
        assert_eq!(store.certificate("b.test").await.expect("asked"), None);
        let line = store.certificate_line("b.test").await.expect("asked").expect("it is there");
        assert!(!line.has_key);
        assert_eq!(store.unopened().await.expect("asked"), 3);
        store.put_certificate(certificate("b.test", 200)).await.expect("kept");
        store.put_account(account(None)).await.expect("kept");
        assert_eq!(store.unopened().await.expect("asked"), 1);
        assert!(store.certificate("b.test").await.expect("asked").is_some());
    });
    store.close().expect("closes");
    // The right file is put back: what it sealed opens again.
    let store = sqlite(&folder, 7);
    support::wait(async {
        assert_eq!(store.order("a.test").await.expect("asked"), Some(order("a.test", 1)));
    });
    store.close().expect("closes");
}

#[test]
fn without_a_key_file_nothing_secret_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SqliteStore::open(folder.path().join("t.db"), Quotas::default()).expect("a store");
    support::wait(async {
        let refused = store.put_order(order("a.test", 1)).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        assert_eq!(store.ordered(None, 9).await.expect("asked"), Vec::<String>::new());
    });
    store.close().expect("closes");
}
