use std::os::unix::net::UnixDatagram;
use std::sync::mpsc;

use super::super::{Receiver, SessionSocket};
use super::*;
use crate::journal::{Options, Reader};

struct At(UnixTime);

impl Clock for At {
    fn now(&self) -> UnixTime {
        self.0
    }
}

fn start(folder: &std::path::Path, options: IntakeOptions) -> (Intake, mpsc::Receiver<Position>) {
    let (journal, _) = Journal::open(folder, Options::default(), Position::START).unwrap();
    let (tell, told) = mpsc::channel();
    // A test that has seen enough goes away before the last group.
    let on_appended = Box::new(move |_: &mut Journal, to: Appended| _ = tell.send(to.position));
    (Intake::start(journal, options, on_appended).unwrap(), told)
}

fn read(folder: &std::path::Path) -> Vec<(i64, RecordKind, Vec<u8>)> {
    let mut reader = Reader::new(folder.to_owned(), Position::START);
    let mut all = Vec::new();
    let end = Position { segment: u64::MAX, offset: 0 };
    while reader
        .read(end, 1000, |r| all.push((r.at, r.kind, r.payload.to_vec())), |d| panic!("{d:?}"))
        .unwrap()
        > 0
    {}
    all
}

#[test]
fn what_comes_by_the_socket_is_in_the_journal_with_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let (intake, told) = start(&folder.path().join("journal"), IntakeOptions::default());
    let inlet = intake.inlet(Arc::new(At(77)));
    let receiver = Receiver::start(SessionSocket::bind(&path, 0o666).unwrap(), inlet.clone()).unwrap();
    let client = UnixDatagram::unbound().unwrap();
    client.send_to(b"one", &path).unwrap();
    told.recv().unwrap();
    assert_eq!(read(&folder.path().join("journal")).len(), 1, "readable as soon as it is told");
    assert!(inlet.put(RecordKind::Line, b"two"));
    client.send_to(b"", &path).unwrap();
    receiver.stop().unwrap();
    let position = intake.stop().unwrap().end();
    let mut records = read(&folder.path().join("journal"));
    records.sort_by_key(|(_, _, payload)| payload.clone());
    assert_eq!(
        records,
        [
            (77, RecordKind::Datagram, Vec::new()),
            (77, RecordKind::Datagram, b"one".to_vec()),
            (77, RecordKind::Line, b"two".to_vec())
        ]
    );
    assert!(position > Position::START);
    assert!(!inlet.put(RecordKind::Line, b"late"), "a stopped intake takes nothing");
}

#[test]
fn memory_is_bounded_while_the_disk_stands_still_and_what_is_dropped_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(folder.path(), Options::default(), Position::START).unwrap();
    let (go, wait) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    let on_appended = Box::new(move |_: &mut Journal, _| {
        let _ = tell.send(());
        let _ = wait.recv();
    });
    let options = IntakeOptions { waiting_bytes: 1000, ..IntakeOptions::default() };
    let intake = Intake::start(journal, options, on_appended).unwrap();
    let inlet = intake.inlet(Arc::new(At(1)));
    assert!(inlet.put(RecordKind::Line, b"first"));
    told.recv().unwrap();
    let taken = (0..100).filter(|_| inlet.put(RecordKind::Line, &[0; 68])).count();
    assert_eq!(taken, 10);
    assert_eq!(intake.stats().dropped(), 90);
    drop(go);
    intake.stop().unwrap();
    assert_eq!(read(folder.path()).len(), 11);
}

#[test]
fn many_threads_at_once_lose_and_double_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let options = IntakeOptions { sync_interval: Duration::ZERO, ..IntakeOptions::default() };
    let (intake, _told) = start(folder.path(), options);
    thread::scope(|scope| {
        for who in 0..4_u16 {
            let inlet = intake.inlet(Arc::new(At(0)));
            scope.spawn(move || {
                for n in 0..500_u16 {
                    assert!(inlet.put(RecordKind::Line, &(who * 500 + n).to_le_bytes()));
                }
            });
        }
    });
    intake.stop().unwrap();
    let mut seen: Vec<u16> =
        read(folder.path()).iter().map(|(_, _, bytes)| u16::from_le_bytes([bytes[0], bytes[1]])).collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..2000).collect::<Vec<u16>>());
}

#[test]
fn whoever_finds_nothing_waiting_has_heard_of_all_that_came_before() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(folder.path(), Options::default(), Position::START).unwrap();
    let (go, wait) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    let on_appended = Box::new(move |_: &mut Journal, to: Appended| {
        let _ = tell.send(to.records);
        let _ = wait.recv();
    });
    let options = IntakeOptions { waiting_bytes: 200, ..IntakeOptions::default() };
    let intake = Intake::start(journal, options, on_appended).unwrap();
    let (early, late) = (intake.inlet(Arc::new(At(5))), intake.inlet(Arc::new(At(9))));
    assert_eq!(early.oldest_waiting(), None);
    assert_eq!(early.offer(RecordKind::Line, b"first"), Some(1));
    assert_eq!(told.recv().unwrap(), 1);
    // It is being told of, and was not answered yet.
    assert_eq!(late.offer(RecordKind::Line, &[0; 100]), Some(2));
    assert_eq!(late.oldest_waiting(), Some(5));
    assert_eq!(late.offer(RecordKind::Line, &[0; 100]), None, "full");
    assert_eq!(intake.stats().dropped(), 0, "whoever offered it has it still");
    thread::scope(|scope| {
        let waits = scope.spawn(|| late.offer_blocking(RecordKind::Line, &[0; 100]));
        go.send(()).unwrap();
        assert_eq!(told.recv().unwrap(), 2);
        assert_eq!(waits.join().unwrap(), Some(3));
    });
    drop(go);
    assert_eq!(told.recv().unwrap(), 3);
    assert_eq!(late.offer_blocking(RecordKind::Line, &[0; 1000]), None, "no room would be enough");
    assert!(intake.is_running());
    intake.stop().unwrap();
    assert_eq!(early.oldest_waiting(), None);
    assert_eq!(early.offer_blocking(RecordKind::Line, b"late"), None);
}
