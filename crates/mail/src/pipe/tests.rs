//! Spooling and draining, in a folder of its own.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use tlsward_engine::facts::Road;
use tlsward_engine::receive::{Budget, CurrentRules, MAX_INPUT_BYTES};
use tokio::sync::{Notify, watch};

use super::*;
use crate::QueueLimits;
use crate::fake::{FakeStore, FixedClock, NOW, unavailable};
use crate::queue::queue;

fn drain_of(folder: &Path, store: &Arc<FakeStore>, budget: Budget) -> Drain<FakeStore, FixedClock> {
    let (_, inlet) =
        queue(Arc::clone(store), CurrentRules::default(), Arc::new(|_, _| ()), QueueLimits::default());
    Drain::new(folder.to_owned(), Arc::clone(store), Arc::new(FixedClock), budget, inlet)
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn spooled_mail_is_kept_in_order_as_it_came_and_its_files_go() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("a/spool");
    for (number, time) in [(1_u8, NOW - 10), (2, NOW - 30), (3, NOW - 20)] {
        let bytes = [number, 0, b'\r', b'.', 0xff];
        spool(&mut &bytes[..], &folder, MAX_INPUT_BYTES, time, u128::from(number)).unwrap();
    }
    assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    let store = Arc::new(FakeStore::new());
    let budget = Budget::new(1000);
    let drained = drain_of(&folder, &store, budget.clone()).drain().await.unwrap();
    assert_eq!(drained, Drained { kept: 3, ..Drained::default() });
    let kept: Vec<_> =
        store.see(|state| state.raw.values().map(|raw| (raw.bytes[0], raw.received_at, raw.road)).collect());
    assert_eq!(kept, [(2, NOW - 30, Road::Pipe), (3, NOW - 20, Road::Pipe), (1, NOW - 10, Road::Pipe)]);
    assert_eq!(store.see(|state| state.raw[&1].bytes.clone()), [2, 0, b'\r', b'.', 0xff].as_slice());
    assert!(files(&folder).is_empty());
    assert_eq!(budget.free(), 1000);
}

#[test]
fn a_mail_is_taken_up_to_the_limit_and_leaves_nothing_behind_beyond_it() {
    let home = tempfile::tempdir().unwrap();
    spool(&mut [0; 100].as_slice(), home.path(), 100, NOW, 1).unwrap();
    let refused = spool(&mut [0; 101].as_slice(), home.path(), 100, NOW, 2);
    assert!(matches!(refused, Err(SpoolError::TooLarge { limit: 100 })), "{refused:?}");
    assert_eq!(files(home.path()).len(), 1);
}

#[test]
fn a_mail_that_cannot_be_read_to_its_end_leaves_nothing_behind() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("broken"))
        }
    }
    let home = tempfile::tempdir().unwrap();
    let refused = spool(&mut b"begun".as_slice().chain(Broken), home.path(), 100, NOW, 1);
    assert_eq!(refused.unwrap_err().to_string(), "cannot read the mail: broken");
    assert!(files(home.path()).is_empty());
}

#[test]
fn what_bears_the_name_already_is_not_written_into() {
    let home = tempfile::tempdir().unwrap();
    let other = home.path().join("other");
    std::fs::write(&other, "theirs").unwrap();
    let partial = home.path().join(SpoolName::new(NOW, 1).partial());
    std::os::unix::fs::symlink(&other, partial).unwrap();
    let refused = spool(&mut b"mail".as_slice(), home.path(), 100, NOW, 1);
    assert!(matches!(refused, Err(SpoolError::Write { .. })), "{refused:?}");
    assert_eq!(std::fs::read(&other).unwrap(), b"theirs");
}

#[tokio::test]
async fn a_store_that_cannot_take_it_leaves_the_files() {
    let home = tempfile::tempdir().unwrap();
    spool(&mut b"mail".as_slice(), home.path(), 100, NOW, 1).unwrap();
    let store = Arc::new(FakeStore::new());
    store.change(|state| state.failing = Some(unavailable()));
    let mut drain = drain_of(home.path(), &store, Budget::new(1000));
    assert!(matches!(drain.drain().await, Err(DrainError::Store(_))));
    assert_eq!(files(home.path()).len(), 1);
    store.change(|state| state.failing = None);
    assert_eq!(drain.drain().await.unwrap().kept, 1);
    assert!(files(home.path()).is_empty());
}

#[tokio::test]
async fn a_spent_budget_leaves_the_files() {
    let home = tempfile::tempdir().unwrap();
    spool(&mut [0; 100].as_slice(), home.path(), 100, NOW, 1).unwrap();
    let store = Arc::new(FakeStore::new());
    let mut drain = drain_of(home.path(), &store, Budget::new(99));
    assert_eq!(drain.drain().await.unwrap(), Drained { budget_spent: true, ..Drained::default() });
    assert_eq!(files(home.path()).len(), 1);
}

#[tokio::test]
async fn strange_files_stay_and_do_not_hold_up_the_others() {
    let home = tempfile::tempdir().unwrap();
    let at = |name: String| home.path().join(name);
    std::fs::write(at("mail.eml".to_owned()), "not ours").unwrap();
    std::fs::write(at(SpoolName::new(NOW - 60, 1).partial()), "being written").unwrap();
    std::fs::write(at(SpoolName::new(NOW - 100_000, 2).partial()), "left behind").unwrap();
    std::fs::create_dir(at(SpoolName::new(NOW - 5, 3).whole())).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", at(SpoolName::new(NOW - 4, 4).whole())).unwrap();
    let huge = File::create(at(SpoolName::new(NOW - 3, 5).whole())).unwrap();
    huge.set_len(MAX_INPUT_BYTES as u64 + 1).unwrap();
    spool(&mut b"mail".as_slice(), home.path(), 100, NOW, 6).unwrap();
    let store = Arc::new(FakeStore::new());
    let mut drain = drain_of(home.path(), &store, Budget::new(2 * MAX_INPUT_BYTES));
    assert_eq!(drain.drain().await.unwrap(), Drained { kept: 1, left_alone: 3, budget_spent: false });
    // They are not tried again.
    assert_eq!(drain.drain().await.unwrap(), Drained::default());
    assert_eq!(files(home.path()).len(), 5);
    assert_eq!(store.see(|state| state.raw.len()), 1);
}

#[tokio::test]
async fn mail_spooled_while_the_server_runs_is_taken_up_when_it_is_told() {
    let home = tempfile::tempdir().unwrap();
    let store = Arc::new(FakeStore::new());
    let wake = Arc::new(Notify::new());
    let (stop, shutdown) = watch::channel(false);
    let drain = drain_of(home.path(), &store, Budget::new(1000));
    let task = tokio::spawn(drain.run(Arc::clone(&wake), std::time::Duration::from_secs(3600), shutdown));
    for number in 1..=3 {
        spool(&mut b"mail".as_slice(), home.path(), 100, NOW, number).unwrap();
        wake.notify_one();
        store.until(|state| state.raw.len() == number as usize).await;
    }
    stop.send(true).unwrap();
    task.await.unwrap();
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_empty() {
    let home = tempfile::tempdir().unwrap();
    let store = Arc::new(FakeStore::new());
    let drained = drain_of(&home.path().join("none"), &store, Budget::new(10)).drain().await.unwrap();
    assert_eq!(drained, Drained::default());
}
