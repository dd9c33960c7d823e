//! What only a file can do: outlive its process, be damaged, be shared, be in the middle of something.

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use support::*;
use tls_rpt::ResultType;
use tlsward_engine::facts::{Filed, Receipt, RowPiece, RowSource, Rows, SetAsideReason, Trust, Verdict};
use tlsward_engine::ports::{Evidence, Intake, RawOf, StoreError, Unread};
use tlsward_store::{Quotas, SqliteStore};

fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path, Quotas::default()).expect("a store")
}

fn refusal(path: &Path) -> StoreError {
    match SqliteStore::open(path, Quotas::default()) {
        Ok(_) => panic!("it opened"),
        Err(error) => error,
    }
}

/// Proves: J4
#[test]
fn what_was_acknowledged_is_there_after_a_restart() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("t.db");
    let store = open(&path);
    let rows = [failure(ResultType::CertificateExpired, "mx", 2)];
    let draft = draft(1, vec![sts("a.example", "enforce", 5, &rows)]);
    let ids = stored(wait(store.accept(raw("one"), draft.clone().verdict())).expect("stored"));
    let mail = wait(store.keep(raw("mail"))).expect("kept");
    let aside = Verdict::SetAside { reason: SetAsideReason::OverLimit, detail: "deep".to_owned() };
    wait(store.accept(raw("aside"), aside)).expect("kept");
    let before = (
        wait(store.totals()).expect("totals"),
        wait(store.domains(month(), None, 10)).expect("domains"),
        wait(store.domain("a.example", month())).expect("domain"),
    );
    store.close().expect("closes");
    assert!(!path.with_extension("db-wal").exists(), "a clean close leaves one file");

    let store = open(&path);
    let after = (
        wait(store.totals()).expect("totals"),
        wait(store.domains(month(), None, 10)).expect("domains"),
        wait(store.domain("a.example", month())).expect("domain"),
    );
    assert_eq!(after, before);
    let left = Unread { id: mail, attempts: 0, raw: raw("mail") };
    assert_eq!(wait(store.pending(0, 10)).expect("pending"), [left]);
    let again = wait(store.accept(raw("two"), draft.verdict())).expect("taken");
    assert_eq!(again, Receipt::Duplicate { ids });
    assert!(wait(store.keep(raw("mail 2"))).expect("kept") > mail);
}

#[test]
fn an_id_never_comes_back_even_after_what_had_it_is_gone() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("t.db");
    let quotas = Quotas { open_reports: 0, ..Quotas::default() };
    let mut seen = BTreeSet::new();
    for number in 0..3 {
        let store = SqliteStore::open(&path, quotas).expect("a store");
        // It does not fit into the quota and goes at once.
        let ids =
            stored(wait(store.accept(raw("x"), simple(number, "a.example").verdict())).expect("stored"));
        assert!(seen.insert(ids[0]));
        let mail = wait(store.keep(raw("mail"))).expect("kept");
        wait(store.settle(mail, simple(99, "b.example").trusted(Trust::Verified).verdict()))
            .expect("settled");
        assert!(seen.insert(1000 + mail));
        assert_eq!(wait(store.totals()).expect("totals").reports, 1);
    }
}

#[test]
fn a_second_store_on_the_same_file_is_refused_and_says_why() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("t.db");
    let first = open(&path);
    let StoreError::Unavailable(why) = refusal(&path) else { panic!("unavailable") };
    assert!(why.starts_with("another process is using"), "{why}");
    drop(first);
    open(&path);
}

#[test]
fn files_that_are_not_ours_are_refused_by_kind() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = |name: &str| dir.path().join(name);
    std::fs::write(path("text"), "no database at all\n".repeat(500)).expect("written");
    assert!(matches!(refusal(&path("text")), StoreError::Damaged(_)));

    let foreign = rusqlite::Connection::open(path("foreign")).expect("opened");
    foreign.execute_batch("CREATE TABLE theirs (id INTEGER)").expect("made");
    drop(foreign);
    let StoreError::Damaged(why) = refusal(&path("foreign")) else { panic!("damaged") };
    assert_eq!(why, "the file is a database of another program");

    drop(open(&path("newer")));
    let newer = rusqlite::Connection::open(path("newer")).expect("opened");
    newer.pragma_update(None, "user_version", 4711).expect("set");
    drop(newer);
    let StoreError::Damaged(why) = refusal(&path("newer")) else { panic!("damaged") };
    assert_eq!(why, "the file has version 4711, this program knows up to 9");

    assert!(matches!(refusal(&path("no/such/folder/t.db")), StoreError::Unavailable(_)));
    std::fs::create_dir(path("folder")).expect("made");
    assert!(matches!(refusal(&path("folder")), StoreError::Unavailable(_)));
}

/// Whoever names a wrong file in the configuration finds it as it was.
#[test]
fn a_file_that_is_refused_is_left_as_it_was_to_the_last_byte() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("t.db");
    for (made, why) in [
        ("CREATE TABLE theirs (id INTEGER); INSERT INTO theirs VALUES (1)", "another program"),
        ("CREATE TABLE theirs (id INTEGER); PRAGMA user_version = 1", "another program"),
        ("PRAGMA application_id = 7", "another program"),
        (
            "CREATE TABLE ours (id INTEGER); PRAGMA application_id = 0x544c5357; PRAGMA user_version = 4711",
            "4711",
        ),
    ] {
        let file = rusqlite::Connection::open(&path).expect("opened");
        file.execute_batch(made).expect("made");
        file.close().expect("closes");
        let before = std::fs::read(&path).expect("read");
        let StoreError::Damaged(told) = refusal(&path) else { panic!("damaged") };
        assert!(told.contains(why), "{told}");
        assert!(std::fs::read(&path).expect("read") == before, "{made}");
        let file = rusqlite::Connection::open(&path).expect("opened");
        let journal: String =
            file.pragma_query_value(None, "journal_mode", |row| row.get(0)).expect("journal");
        assert_eq!(journal, "delete", "{made}");
        file.close().expect("closes");
        std::fs::remove_file(&path).expect("removed");
    }
}

#[test]
fn a_damaged_page_is_a_damaged_store_and_not_a_panic() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("t.db");
    let store = open(&path);
    for number in 0..200 {
        wait(store.accept(raw(vec![1; 500]), simple(number, "a.example").verdict())).expect("stored");
    }
    store.close().expect("closes");
    let mut bytes = std::fs::read(&path).expect("read");
    // Everything but the first pages, which hold the schema.
    bytes[24 * 4096..].fill(0x5a);
    std::fs::write(&path, bytes).expect("written");
    match SqliteStore::open(&path, Quotas::default()) {
        Err(error) => assert!(matches!(error, StoreError::Damaged(_)), "{error}"),
        Ok(store) => {
            let mut answers = Vec::new();
            answers.extend(wait(store.reports(query(None, 1000, None))).err());
            answers.extend(wait(store.domain("a.example", month())).err());
            answers.extend(wait(store.raw(RawOf::Report(150))).err());
            assert!(answers.iter().any(|error| matches!(error, StoreError::Damaged(_))), "{answers:?}");
        }
    }
}

/// Proves: R7
#[test]
fn mail_of_many_megabytes_comes_back_byte_by_byte() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = open(&dir.path().join("t.db"));
    let bytes: Vec<u8> = (0..3_000_001u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mail = raw(bytes);
    let id = wait(store.keep(mail.clone())).expect("kept");
    assert_eq!(wait(store.pending(0, 1)).expect("pending"), [Unread { id, attempts: 0, raw: mail.clone() }]);
    let ids = stored(wait(store.settle(id, simple(1, "a.example").verdict())).expect("settled"));
    assert_eq!(wait(store.raw(RawOf::Report(ids[0]))).expect("raw"), Some(mail));
}

#[test]
fn many_callers_at_once_are_each_answered_for_their_own_report() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("t.db");
    let store = open(&path);
    let ids = Mutex::new(BTreeSet::new());
    std::thread::scope(|scope| {
        for caller in 0..8u64 {
            let (store, ids) = (&store, &ids);
            scope.spawn(move || {
                // More than one slice of digests, so that some are found in the table and some in memory.
                let futures: Vec<_> = (0..600)
                    .map(|n| caller * 600 + n)
                    .map(|n| {
                        (
                            n,
                            store.accept(
                                raw(n.to_string()),
                                simple(n, &format!("d{}.example", n % 37)).verdict(),
                            ),
                        )
                    })
                    .collect();
                for (number, future) in futures {
                    let id = stored(wait(future).expect("stored"))[0];
                    let line = wait(store.report(id, 0)).expect("detail").expect("there").line;
                    assert_eq!(line.report_id, Some(format!("id-{number}")));
                    ids.lock().expect("lock").insert(id);
                }
            });
        }
    });
    assert_eq!(ids.lock().expect("lock").len(), 4800);
    drop(store);
    let store = open(&path);
    for number in (0..4800).step_by(7) {
        let again = wait(store.accept(raw("again"), simple(number, "x.example").verdict())).expect("taken");
        assert!(matches!(again, Receipt::Duplicate { .. }), "{number}");
    }
    assert_eq!(wait(store.totals()).expect("totals").reports, 4800);
}

/// A large report whose reader stops at a gate in the middle until it is told to go on.
struct Gated {
    rows: Pieces,
    reached: mpsc::SyncSender<()>,
    go_on: Mutex<mpsc::Receiver<bool>>,
}

impl RowSource for Gated {
    fn read(&self, take: &mut dyn FnMut(RowPiece) -> bool) {
        let mut pieces = 0;
        self.rows.read(&mut |piece| {
            pieces += 1;
            if pieces == 20 {
                self.reached.send(()).ok();
                assert!(self.go_on.lock().expect("lock").recv().expect("the test answers"), "told to fail");
            }
            take(piece)
        });
    }
}

struct Gate {
    report: Filed,
    reached: mpsc::Receiver<()>,
    go_on: mpsc::SyncSender<bool>,
}

/// 50,000 policies of 5,000 domains.
fn gated(number: u64) -> Gate {
    let rows = [failure(ResultType::CertificateExpired, "mx", 1)];
    let policies: Vec<_> = (0..50_000)
        .map(|n| sts(&format!("d{}.example", n % 5000), "enforce", 1, if n % 10 == 0 { &rows } else { &[] }))
        .collect();
    let draft = draft(number, policies);
    let mut report = draft.filed();
    let policies = report.report.policies.take().expect("policies");
    let (reached, is_reached) = mpsc::sync_channel(1);
    let (go_on, goes_on) = mpsc::sync_channel(1);
    let source = Gated { rows: Pieces { policies, piece: 1000 }, reached, go_on: Mutex::new(goes_on) };
    report.rows = Rows::Streamed(Box::new(source));
    Gate { report, reached: is_reached, go_on }
}

/// Nothing of a large report can be seen.
fn assert_unseen(store: &SqliteStore, others: u64) {
    let totals = wait(store.totals()).expect("totals");
    assert_eq!((totals.reports, totals.domains), (others, u64::from(others > 0)));
    let reports = wait(store.reports(query(None, 10, None))).expect("reports");
    assert_eq!(reports.items.len() as u64, others);
    assert!(wait(store.reports(query(Some("d7.example"), 10, None))).expect("reports").items.is_empty());
    assert!(wait(store.failures(query(None, 10, None))).expect("failures").items.is_empty());
    assert!(wait(store.domain("d7.example", month())).expect("domain").is_none());
    assert_eq!(wait(store.domains(month(), None, 10)).expect("domains").len() as u64, u64::from(others > 0));
    assert!(wait(store.report(1, 10)).expect("report").is_none());
    assert!(wait(store.raw(RawOf::Report(1))).expect("raw").is_none());
}

/// Proves: R7
#[test]
fn a_large_report_is_seen_whole_or_not_at_all_and_holds_nobody_up() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = open(&dir.path().join("t.db"));
    let Gate { report, reached, go_on } = gated(1);
    let large = store.accept(raw("large"), filed(vec![report]));
    reached.recv().expect("in the middle");
    assert_unseen(&store, 0);
    // Others are taken meanwhile.
    stored(wait(store.accept(raw("small"), simple(2, "a.example").verdict())).expect("stored"));
    assert_unseen(&store, 1);
    go_on.send(true).expect("it waits");
    let id = stored(wait(large).expect("stored"))[0];
    let domain = wait(store.domain("d7.example", month())).expect("domain").expect("known");
    assert_eq!((domain.line.successful.low, domain.line.reports), (10, 1));
    let detail = wait(store.report(id, 3)).expect("report").expect("there");
    assert_eq!((detail.policy_count, detail.policies.len(), detail.line.domains), (50_000, 3, 5000));
    assert_eq!(detail.line.domain.as_deref(), Some("d0.example"));
    store.close().expect("closes");
    let store = open(&dir.path().join("t.db"));
    // What is counted at leisure is complete when the store has come to rest.
    store.close().expect("closes");
    let store = open(&dir.path().join("t.db"));
    wait(store.keep(raw("x"))).expect("kept");
    assert_eq!(wait(store.totals()).expect("totals").reports, 2);
}

#[test]
fn a_copy_of_a_large_report_waits_for_it_and_is_a_duplicate() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = open(&dir.path().join("t.db"));
    let Gate { report, reached, go_on } = gated(1);
    let copy = gated(1);
    let large = store.accept(raw("large"), filed(vec![report]));
    reached.recv().expect("in the middle");
    let again = store.accept(raw("large"), filed(vec![copy.report]));
    go_on.send(true).expect("it waits");
    let ids = stored(wait(large).expect("stored"));
    assert_eq!(wait(again).expect("taken"), Receipt::Duplicate { ids });
    assert_eq!(wait(store.totals()).expect("totals").duplicates, 1);
}

#[test]
fn a_large_report_whose_reading_fails_leaves_nothing_and_is_not_acknowledged() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = open(&dir.path().join("t.db"));
    let Gate { report, reached, go_on } = gated(1);
    let mail = wait(store.keep(raw("mail"))).expect("kept");
    let large = store.settle(mail, filed(vec![report]));
    reached.recv().expect("in the middle");
    go_on.send(false).expect("it waits");
    assert!(matches!(wait(large), Err(StoreError::Unavailable(_))));
    assert_unseen(&store, 0);
    // The mail is still to be read.
    assert_eq!(wait(store.pending(0, 10)).expect("pending").len(), 1);
    let Gate { report, go_on, .. } = gated(1);
    go_on.send(true).expect("room");
    stored(wait(store.settle(mail, filed(vec![report]))).expect("settled"));
    assert_eq!(wait(store.pending(0, 10)).expect("pending").len(), 0);
}

/// Proves: J4
#[test]
fn a_crash_in_the_middle_of_a_large_report_leaves_only_what_was_acknowledged() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("t.db");
    let store = open(&path);
    let small = stored(wait(store.accept(raw("small"), simple(2, "a.example").verdict())).expect("stored"));
    let mail = wait(store.keep(raw("mail"))).expect("kept");
    let Gate { report, reached, go_on } = gated(1);
    let large = store.settle(mail, filed(vec![report]));
    reached.recv().expect("in the middle");
    // What a disk would hold if the power went now: too little was written for a checkpoint to move anything.
    let crashed = dir.path().join("crashed.db");
    std::fs::copy(&path, &crashed).expect("copied");
    std::fs::copy(dir.path().join("t.db-wal"), dir.path().join("crashed.db-wal")).expect("copied");
    go_on.send(true).expect("it waits");
    stored(wait(large).expect("stored"));
    store.close().expect("closes");

    let store = open(&crashed);
    let page = wait(store.reports(query(None, 10, None))).expect("reports");
    assert_eq!(page.items.iter().map(|line| line.id).collect::<Vec<_>>(), small);
    let totals = wait(store.totals()).expect("totals");
    assert_eq!((totals.reports, totals.domains, totals.pending), (1, 1, 1));
    assert!(wait(store.domain("d7.example", month())).expect("domain").is_none());
    let left = Unread { id: mail, attempts: 0, raw: raw("mail") };
    assert_eq!(wait(store.pending(0, 10)).expect("pending"), [left]);
    // The same verdict again goes through as if it were the first time.
    let Gate { report, go_on, .. } = gated(1);
    go_on.send(true).expect("room");
    stored(wait(store.settle(mail, filed(vec![report]))).expect("settled"));
    assert!(wait(store.domain("d7.example", month())).expect("domain").is_some());
    store.close().expect("closes");
    let file = rusqlite::Connection::open(&crashed).expect("opened");
    let count = |sql: &str| file.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("counted");
    // Nothing of the first attempt is left behind.
    assert_eq!(count("SELECT count(*) FROM policy"), 50_001);
    assert_eq!(count("SELECT count(*) FROM failure"), 5_000);
    assert_eq!(count("SELECT count(*) FROM session"), 5_001);
    assert_eq!(count("SELECT count(*) FROM report"), 2);
    assert_eq!(count("SELECT count(*) FROM raw"), 2);
}

#[test]
fn a_crash_while_a_large_report_leaves_the_shelf_leaves_it_there() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("t.db");
    let store = open(&path);
    let receipt = wait(store.accept(raw("large"), unreadable("not yet"))).expect("kept");
    let Receipt::SetAside { id, .. } = receipt else { panic!("set aside") };
    let Gate { report, reached, go_on } = gated(1);
    let large = store.reconsider(id, filed(vec![report]));
    reached.recv().expect("in the middle");
    let crashed = dir.path().join("crashed.db");
    std::fs::copy(&path, &crashed).expect("copied");
    std::fs::copy(dir.path().join("t.db-wal"), dir.path().join("crashed.db-wal")).expect("copied");
    go_on.send(true).expect("it waits");
    stored(wait(large).expect("stored"));
    let totals = wait(store.totals()).expect("totals");
    assert_eq!((totals.reports, totals.set_aside), (1, 0));
    store.close().expect("closes");

    let store = open(&crashed);
    let items = wait(store.set_aside_by_others("other", 0, 10)).expect("items");
    assert_eq!(items, [Unread { id, attempts: 0, raw: raw("large") }]);
    let Gate { report, go_on, .. } = gated(1);
    go_on.send(true).expect("room");
    stored(wait(store.reconsider(id, filed(vec![report]))).expect("filed"));
    let totals = wait(store.totals()).expect("totals");
    assert_eq!((totals.reports, totals.set_aside), (1, 0));
    store.close().expect("closes");
    let file = rusqlite::Connection::open(&crashed).expect("opened");
    let count = |sql: &str| file.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("counted");
    assert_eq!((count("SELECT count(*) FROM raw"), count("SELECT count(*) FROM report")), (1, 1));
}

#[test]
fn what_is_pushed_off_the_shelf_while_its_large_report_comes_in_is_filed_all_the_same() {
    let dir = tempfile::tempdir().expect("a folder");
    let quotas = Quotas { set_aside_items: 1, ..Quotas::default() };
    let store = SqliteStore::open(dir.path().join("t.db"), quotas).expect("a store");
    let receipt = wait(store.accept(raw("large"), unreadable("not yet"))).expect("kept");
    let Receipt::SetAside { id, .. } = receipt else { panic!("set aside") };
    let Gate { report, reached, go_on } = gated(1);
    let large = store.reconsider(id, filed(vec![report]));
    reached.recv().expect("in the middle");
    wait(store.accept(raw("newer"), unreadable("line 1"))).expect("kept");
    go_on.send(true).expect("it waits");
    let ids = stored(wait(large).expect("stored"));
    let totals = wait(store.totals()).expect("totals");
    assert_eq!((totals.reports, totals.set_aside, totals.dropped), (1, 1, 1));
    assert_eq!(wait(store.raw(RawOf::Report(ids[0]))).expect("raw"), Some(raw("large")));
    store.close().expect("closes");
}

#[test]
fn what_a_quota_pushes_out_leaves_no_row_behind() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("t.db");
    let quotas = Quotas { open_reports: 2, ..Quotas::default() };
    let store = SqliteStore::open(&path, quotas).expect("a store");
    let rows = [failure(ResultType::CertificateExpired, "mx", 1)];
    for number in 0..20 {
        let policies =
            (0..300).map(|n| sts(&format!("d{}.example", number * 7 + n % 9), "enforce", 1, &rows)).collect();
        stored(wait(store.accept(raw("x"), draft(number, policies).verdict())).expect("stored"));
    }
    let totals = wait(store.totals()).expect("totals");
    assert_eq!((totals.reports, totals.dropped), (2, 18));
    // The sweeping of the last one may be left to the next start.
    store.close().expect("closes");
    let store = SqliteStore::open(&path, quotas).expect("a store");
    wait(store.keep(raw("x"))).expect("kept");
    store.close().expect("closes");
    let file = rusqlite::Connection::open(&path).expect("opened");
    let count = |sql: &str| file.query_row(sql, [], |row| row.get::<_, i64>(0)).expect("counted");
    assert_eq!(count("SELECT count(*) FROM report"), 2);
    assert_eq!(count("SELECT count(*) FROM policy"), 600);
    assert_eq!(count("SELECT count(*) FROM failure"), 600);
    assert_eq!(count("SELECT count(*) FROM session"), 18);
    assert_eq!(count("SELECT count(*) FROM domain"), count("SELECT count(DISTINCT domain) FROM session"));
    assert_eq!(count("SELECT domains FROM books"), count("SELECT count(*) FROM domain"));
    assert_eq!(count("SELECT count(*) FROM raw"), 3);
    assert_eq!(
        count("SELECT sum(policy_count + failure_count) FROM report"),
        count("SELECT open_rows FROM books")
    );
}

#[test]
fn a_closed_store_refuses_and_finishes_what_it_took() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = Arc::new(open(&dir.path().join("t.db")));
    let taken: Vec<_> = (0..300).map(|n| store.accept(raw("x"), simple(n, "a.example").verdict())).collect();
    let Gate { report, go_on, .. } = gated(1000);
    go_on.send(true).expect("room");
    let large = store.accept(raw("large"), filed(vec![report]));
    store.close().expect("closes");
    for future in taken {
        stored(wait(future).expect("stored"));
    }
    stored(wait(large).expect("stored"));
    let refused = wait(store.accept(raw("x"), simple(999, "a.example").verdict()));
    assert!(matches!(refused, Err(StoreError::Unavailable(_))));
    assert!(matches!(wait(store.totals()), Err(StoreError::Unavailable(_))));
    store.close().expect("closes twice");
}

#[test]
fn two_copies_of_a_large_report_in_one_transaction_are_one_report() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("t.db");
    let store = open(&path);
    // While another holds the lock the writer waits with its first transaction, and the rest comes together.
    let other = rusqlite::Connection::open(&path).expect("opened");
    other.execute_batch("BEGIN IMMEDIATE").expect("locked");
    let first = store.keep(raw("mail"));
    let gates = [gated(1), gated(1), gated(1)];
    let large: Vec<_> = gates
        .into_iter()
        .map(|gate| {
            gate.go_on.send(true).expect("room");
            store.accept(raw("large"), filed(vec![gate.report]))
        })
        .collect();
    other.execute_batch("COMMIT").expect("unlocked");
    wait(first).expect("kept");
    let receipts: Vec<_> = large.into_iter().map(|future| wait(future).expect("taken")).collect();
    let ids = stored(receipts[0].clone());
    assert_eq!(receipts[1..], [Receipt::Duplicate { ids: ids.clone() }, Receipt::Duplicate { ids }]);
    assert_eq!(wait(store.totals()).expect("totals").reports, 1);
}
