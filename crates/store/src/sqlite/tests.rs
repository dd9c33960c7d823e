//! What needs a hand inside: full disks, full queues, a submission that poisons its transaction.

use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use rusqlite::Connection;
use tls_rpt::count::Bounds as Sessions;
use tls_rpt::report::{Policy, PolicyResult, Report};
use tlsward_engine::facts::{Filed, RawInput, Receipt, Road, Rows, SetAsideReason, Trust, Verdict};
use tlsward_engine::ports::{Evidence, Intake, StoreError};
use tlsward_engine::receive::READER;

use super::{Bounds, SqliteStore, Tuning};
use crate::Quotas;

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn wait<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

fn raw(bytes: Vec<u8>) -> RawInput {
    let bytes = Bytes::from(bytes);
    RawInput { road: Road::Https, received_at: 1_790_900_000, peer: None, label: String::new(), bytes }
}

fn verdict(number: u16, member: &str) -> Verdict {
    let policy = Policy { policy_domain: Some("a.example".into()), ..Policy::default() };
    let policy = PolicyResult { policy: Some(policy), ..PolicyResult::default() };
    let filed = Filed {
        member: member.to_owned(),
        digest: [number.to_be_bytes(); 16].as_flattened().try_into().expect("32 bytes"),
        trust: Trust::Https,
        report: Report { policies: Some(vec![policy]), ..Report::default() },
        repairs: Vec::new(),
        policy_count: 1,
        failure_count: 0,
        successful: Sessions::default(),
        failed: Sessions::default(),
        rows: Rows::Held,
    };
    Verdict::Filed { reports: vec![filed], complaints: Vec::new() }
}

fn tuned(path: &Path, tuning: Tuning) -> SqliteStore {
    SqliteStore::open_tuned(path, Quotas::default(), tuning).expect("a store")
}

/// A connection beside the store's: it has the right to, within the tests.
fn beside(path: &Path) -> Connection {
    Connection::open(path).expect("a connection")
}

#[test]
fn one_submission_that_cannot_be_written_does_not_take_its_group_with_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("t.db");
    let store = tuned(&path, Tuning::default());
    let other = beside(&path);
    other
        .execute_batch(
            "CREATE TRIGGER poison BEFORE INSERT ON report WHEN new.member = 'poison' \
             BEGIN SELECT raise(ABORT, 'poisoned'); END;",
        )
        .expect("a trigger");
    // While another holds the lock, the writer waits with its first transaction and the rest comes together.
    other.execute_batch("BEGIN IMMEDIATE").expect("locked");
    let futures: Vec<_> = (0..100)
        .map(|n| store.accept(raw(vec![1]), verdict(n, if n % 10 == 5 { "poison" } else { "good" })))
        .collect();
    other.execute_batch("COMMIT").expect("unlocked");
    for (number, future) in futures.into_iter().enumerate() {
        match wait(future) {
            Ok(Receipt::Stored { ids }) => assert!(number % 10 != 5 && ids.len() == 1),
            other => assert!(number % 10 == 5 && matches!(other, Err(StoreError::Unavailable(_)))),
        }
    }
    let totals = wait(store.totals()).expect("totals");
    assert_eq!((totals.reports, totals.domains), (90, 1));
    // What failed left no trace: without the poison it is new.
    let again = wait(store.accept(raw(vec![1]), verdict(5, "good"))).expect("stored");
    assert!(matches!(again, Receipt::Stored { .. }));
}

#[test]
fn a_full_disk_refuses_and_loses_nothing_that_was_acknowledged() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("t.db");
    let store = tuned(&path, Tuning { max_pages: Some(120), ..Tuning::default() });
    let mut taken = 0;
    let mut refused = 0;
    for number in 0..100 {
        match wait(store.accept(raw(vec![number as u8; 5000]), verdict(number, "x"))) {
            Ok(_) => taken += 1,
            Err(StoreError::Unavailable(_)) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(taken > 10 && refused > 10, "{taken} {refused}");
    assert_eq!(wait(store.totals()).expect("totals").reports, taken);
    store.close().expect("closes");
    let store = tuned(&path, Tuning::default());
    assert_eq!(wait(store.totals()).expect("totals").reports, taken);
    for number in 0..100 {
        wait(store.accept(raw(vec![1; 10]), verdict(number, "x"))).expect("room");
    }
    let totals = wait(store.totals()).expect("totals");
    assert_eq!((totals.reports, totals.duplicates), (100, taken));
}

#[test]
fn a_full_queue_refuses_at_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("t.db");
    let queue = Bounds { jobs: 10, bytes: 100_000 };
    let store = tuned(&path, Tuning { queue, ..Tuning::default() });
    let other = beside(&path);
    other.execute_batch("BEGIN IMMEDIATE").expect("locked");
    let futures: Vec<_> = (0..40).map(|n| store.accept(raw(vec![1]), verdict(n, "x"))).collect();
    let large: Vec<_> = (40..44).map(|n| store.keep(raw(vec![n; 60_000]))).collect();
    other.execute_batch("COMMIT").expect("unlocked");
    let answers: Vec<_> = futures.into_iter().map(wait).collect();
    let refused = answers.iter().filter(|answer| matches!(answer, Err(StoreError::Unavailable(_)))).count();
    // At most ten in the writer's hands and ten in the queue.
    assert!((20..=30).contains(&refused), "{refused}");
    assert!(large.into_iter().map(wait).any(|answer| answer.is_err()));
    assert_eq!(wait(store.totals()).expect("totals").reports as usize, 40 - refused);
}

#[test]
fn the_log_is_moved_into_the_file_when_it_has_grown() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("t.db");
    let store = tuned(&path, Tuning { checkpoint_pages: 50, ..Tuning::default() });
    for number in 0..400 {
        wait(store.accept(raw(vec![1; 3000]), verdict(number, "x"))).expect("stored");
    }
    let length = |name: &str| std::fs::metadata(dir.path().join(name)).expect("a file").len();
    assert!(length("t.db") > 400 * 3000 / 2);
    assert!(length("t.db-wal") < 400 * 3000);
}

#[test]
fn a_schema_made_today_is_what_the_steps_make() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("t.db");
    drop(tuned(&path, Tuning::default()));
    let file = beside(&path);
    let pragma = |name: &str| file.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).expect(name);
    assert_eq!((pragma("user_version"), pragma("application_id")), (9, 0x544c_5357));
    let journal: String = file.pragma_query_value(None, "journal_mode", |row| row.get(0)).expect("journal");
    assert_eq!(journal, "wal");
}

#[test]
fn a_file_of_the_first_program_keeps_what_was_set_aside_and_what_waits() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("t.db");
    let old = Connection::open(&path).expect("made");
    old.execute_batch(super::schema::STEPS[0]).expect("the first schema");
    old.execute_batch(
        "INSERT INTO raw VALUES (1, x'00', 1, 1790900000, NULL, 'a', 0, NULL, CAST('item' AS BLOB));
         INSERT INTO set_aside VALUES (1, 1, 'line 1');
         INSERT INTO raw VALUES (2, x'01', 2, 1790900001, NULL, 'b', 0, NULL, CAST('mail' AS BLOB));
         INSERT INTO pending VALUES (2);
         UPDATE books SET set_aside = 1, set_aside_bytes = 4, pending = 1, pending_bytes = 4, next_raw = 3;
         PRAGMA application_id = 0x544c5357; PRAGMA user_version = 1;",
    )
    .expect("rows");
    old.close().expect("closes");

    let store = SqliteStore::open(&path, Quotas::default()).expect("a store");
    let mail = wait(store.pending(0, 9)).expect("pending");
    assert_eq!((mail.len(), mail[0].id, mail[0].attempts, &mail[0].raw.bytes[..]), (1, 2, 0, &b"mail"[..]));
    // Nobody knows who set it aside: it is read again.
    let items = wait(store.set_aside_by_others(READER, 0, 9)).expect("items");
    assert_eq!(
        (items.len(), items[0].id, items[0].attempts, &items[0].raw.bytes[..]),
        (1, 1, 0, &b"item"[..])
    );
    let line = &wait(store.set_aside(None, 9)).expect("page").items[0];
    assert_eq!(line.detail, "line 1");
    let still = Verdict::SetAside { reason: SetAsideReason::OverLimit, detail: "line 2".to_owned() };
    wait(store.reconsider(1, still)).expect("kept");
    assert!(wait(store.set_aside_by_others(READER, 0, 9)).expect("items").is_empty());
    wait(store.settle(2, verdict(1, "mail"))).expect("settled");
    let totals = wait(store.totals()).expect("totals");
    assert_eq!((totals.reports, totals.set_aside, totals.pending), (1, 1, 0));
    store.close().expect("closes");
}
