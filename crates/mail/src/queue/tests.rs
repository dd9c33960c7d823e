//! The queue over the fake store, under the runtime's paused timer.

use std::sync::Mutex;
use std::time::Duration;

use tlsward_engine::facts::SetAsideReason;
use tokio::sync::watch;

use super::*;
use crate::fake::{FakeStore, mail_of, unavailable};

/// A reader that quotes the mail.
fn quoting() -> Examine {
    Arc::new(|raw, _| {
        let detail = String::from_utf8_lossy(&raw.bytes).into_owned();
        Verdict::SetAside { reason: SetAsideReason::NoReport, detail }
    })
}

struct Running {
    store: Arc<FakeStore>,
    inlet: Inlet,
    rules: CurrentRules,
    receipts: Arc<Mutex<Vec<(Road, Receipt)>>>,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

fn start(store: FakeStore, examine: Examine, limits: QueueLimits) -> Running {
    let store = Arc::new(store);
    let receipts = Arc::new(Mutex::new(Vec::new()));
    let told: Told = {
        let receipts = Arc::clone(&receipts);
        Arc::new(move |road, receipt: &Receipt| receipts.lock().unwrap().push((road, receipt.clone())))
    };
    let rules = CurrentRules::default();
    let (worker, inlet) = queue_with(Arc::clone(&store), rules.clone(), told, limits, examine);
    let (stop, shutdown) = watch::channel(false);
    let task = tokio::spawn(worker.run(shutdown));
    Running { store, inlet, rules, receipts, stop, task }
}

impl Running {
    async fn stop(self) -> Arc<FakeStore> {
        self.stop.send(true).unwrap();
        self.task.await.unwrap();
        self.store
    }
}

/// A crash between keeping and settling is harmless (design: receive).
#[tokio::test(start_paused = true)]
async fn mail_left_by_an_earlier_run_gets_its_verdict_at_start() {
    let store = FakeStore::with((0..200).map(|number| mail_of(format!("mail {number}"))));
    let running = start(store, quoting(), QueueLimits::default());
    running.store.until(|state| state.settled.len() == 200).await;
    let store = running.stop().await;
    assert_eq!(store.see(|state| state.settled[&200].1.clone()), "mail 199");
}

#[tokio::test(start_paused = true)]
async fn mail_is_judged_once_whether_it_is_handed_over_or_only_announced() {
    let running = start(FakeStore::new(), quoting(), QueueLimits::default());
    for number in 0..300 {
        let raw = mail_of(format!("mail {number}"));
        let copy = if number % 3 == 0 { None } else { running.inlet.copy_of(&raw) };
        let id = running.store.keep(raw).await.unwrap();
        running.inlet.kept(id, copy);
    }
    running.store.until(|state| state.settled.len() == 300).await;
    running.stop().await;
}

/// Proves: R6
#[tokio::test(start_paused = true)]
async fn a_mail_that_breaks_the_reader_is_set_aside_and_the_next_goes_on() {
    let large_poison = {
        let mut bytes = b"large poison".to_vec();
        bytes.resize(300 * 1024, 0);
        bytes
    };
    let examine: Examine = Arc::new(|raw, _| {
        assert!(!raw.bytes.starts_with(b"poison") && !raw.bytes.starts_with(b"large poison"), "as asked");
        Verdict::SetAside { reason: SetAsideReason::NoReport, detail: String::new() }
    });
    let store = FakeStore::with([mail_of("poison"), mail_of(large_poison), mail_of("good")]);
    let running = start(store, examine, QueueLimits::default());
    running.store.until(|state| state.settled.len() == 3).await;
    let store = running.stop().await;
    let reasons = store.see(|state| state.settled.values().map(|(reason, _)| *reason).collect::<Vec<_>>());
    let (broke, read) = (SetAsideReason::Unreadable, SetAsideReason::NoReport);
    assert_eq!(reasons, [broke, broke, read]);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_is_left_alone_longer_each_time_and_nothing_is_lost() {
    let store = FakeStore::with((0..100).map(|number| mail_of(format!("mail {number}"))));
    store.change(|state| state.failing = Some(unavailable()));
    let limits = QueueLimits {
        pause_first: Duration::from_secs(1),
        pause_longest: Duration::from_secs(60),
        ..QueueLimits::default()
    };
    let running = start(store, quoting(), limits);
    // 1 + 2 + 4 + 8 + 16 + 32 + 60 + 60 … seconds.
    tokio::time::advance(Duration::from_secs(3600)).await;
    running.store.change(|state| state.failing = None);
    running.store.until(|state| state.settled.len() == 100).await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn settling_that_fails_is_tried_again_with_a_single_mail_first() {
    let running = start(FakeStore::new(), quoting(), QueueLimits::default());
    for number in 0..50 {
        let raw = mail_of(format!("mail {number}"));
        let copy = running.inlet.copy_of(&raw);
        let id = running.store.keep(raw).await.unwrap();
        running.inlet.kept(id, copy);
    }
    running.store.change(|state| state.failing = Some(unavailable()));
    running.store.until(|state| state.asked >= 50).await;
    running.store.change(|state| state.failing = None);
    running.store.until(|state| state.settled.len() == 50).await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_damaged_row_does_not_hold_up_the_others() {
    let store = FakeStore::with([mail_of("one"), mail_of("two"), mail_of("three")]);
    store.change(|state| state.damaged = Some(2));
    let running = start(store, quoting(), QueueLimits::default());
    running.store.until(|state| state.settled.len() == 2).await;
    running.inlet.look();
    let store = running.stop().await;
    assert_eq!(store.see(|state| state.settled.keys().copied().collect::<Vec<_>>()), [1, 3]);
}

#[tokio::test(start_paused = true)]
async fn stopping_finishes_what_was_begun_and_leaves_the_rest_pending() {
    let (began, mut begun) = mpsc::unbounded_channel();
    let (let_go, gate) = std::sync::mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let examine: Examine = Arc::new(move |_, _| {
        began.send(()).unwrap();
        gate.lock().unwrap().recv().unwrap();
        Verdict::SetAside { reason: SetAsideReason::NoReport, detail: String::new() }
    });
    let large = vec![0; 300 * 1024];
    let running =
        start(FakeStore::with([mail_of(large.clone()), mail_of(large)]), examine, QueueLimits::default());
    begun.recv().await.unwrap();
    running.stop.send(true).unwrap();
    let_go.send(()).unwrap();
    running.task.await.unwrap();
    assert_eq!(running.store.see(|state| state.settled.len()), 1);
    // The gate was opened once: a second large mail beside the first would have been begun too.
    assert!(begun.try_recv().is_err());
}

/// A mail that ends the process: this run is one in which that has happened `attempts` times before.
#[tokio::test(start_paused = true)]
async fn a_mail_that_ended_three_processes_is_set_aside_unread_and_one_that_ended_two_is_read_alone() {
    let examine: Examine = Arc::new(|raw, _| {
        assert!(!raw.bytes.starts_with(b"deadly"), "read once more");
        Verdict::SetAside { reason: SetAsideReason::NoReport, detail: String::new() }
    });
    let mails = ["one", "deadly", "two", "suspect", "three"].map(mail_of);
    let store = FakeStore::with(mails);
    store.change(|state| state.attempts.extend([(2, 3), (4, 2)]));
    let running = start(store, examine, QueueLimits::default());
    running.store.until(|state| state.settled.len() == 5).await;
    let store = running.stop().await;
    store.see(|state| {
        let (reason, detail) = &state.settled[&2];
        assert_eq!(*reason, SetAsideReason::Unreadable);
        assert!(detail.starts_with("3 times the server ended"), "{detail}");
        // Each was noted before it was read, once; what was given up was not begun.
        let mut begun = state.begun.clone();
        begun.sort_unstable();
        assert_eq!(begun, [1, 3, 4, 5]);
        assert_eq!(state.begun.iter().position(|id| *id == 4), Some(2), "alone, after those before it");
    });
}

#[tokio::test(start_paused = true)]
async fn a_mail_that_the_store_fails_to_settle_is_begun_once_a_process() {
    let store = FakeStore::with([mail_of("one")]);
    store.change(|state| state.refuses_to_settle = 5);
    let running = start(store, quoting(), QueueLimits::default());
    running.store.until(|state| state.settled.len() == 1).await;
    let store = running.stop().await;
    assert_eq!(store.see(|state| (state.asked, state.begun.clone())), (6, vec![1]));
    assert_eq!(store.see(|state| state.settled[&1].0), SetAsideReason::NoReport);
}

#[tokio::test(start_paused = true)]
async fn every_verdict_is_told_once_and_is_by_the_rules_of_its_moment() {
    let examine: Examine = Arc::new(|_, rules| Verdict::SetAside {
        reason: SetAsideReason::UnmanagedDomain,
        detail: rules.managed.iter().cloned().collect(),
    });
    let running = start(FakeStore::with([mail_of("before")]), examine, QueueLimits::default());
    running.store.until(|state| state.settled.len() == 1).await;
    running.rules.set(Rules { managed: ["a.example".to_owned()].into() });
    running.store.keep(RawInput { road: Road::Pipe, ..mail_of("after") }).await.unwrap();
    running.inlet.look();
    running.store.until(|state| state.settled.len() == 2).await;
    let receipts = Arc::clone(&running.receipts);
    let store = running.stop().await;
    assert_eq!(
        store.see(|state| (state.settled[&1].1.clone(), state.settled[&2].1.clone())),
        (String::new(), "a.example".to_owned())
    );
    let reason = SetAsideReason::UnmanagedDomain;
    let expected = [
        (Road::Smtp, Receipt::SetAside { id: 1, reason }),
        (Road::Pipe, Receipt::SetAside { id: 2, reason }),
    ];
    assert_eq!(*receipts.lock().unwrap(), expected);
}
