use std::fs;
use std::path::Path;

use super::frame::MAX_PAYLOAD_BYTES;
use super::segment;
use super::{Damage, Journal, JournalError, Options, Position, Reader, Record, RecordKind, Recovery};
use proptest::prelude::{any, prop, prop_assert_eq, proptest};

fn record(at: i64, payload: &[u8]) -> Record<'_> {
    Record { at, kind: RecordKind::Datagram, payload }
}

fn open(folder: &Path, segment_bytes: u64) -> (Journal, Recovery) {
    Journal::open(folder, Options { segment_bytes }, Position::START).unwrap()
}

type Read = Vec<(i64, Vec<u8>)>;

/// Everything from `from` to the end of the journal, the position reached, and the damage on the way.
fn read_all(folder: &Path, from: Position) -> (Read, Position, Vec<Damage>) {
    let (mut records, mut damage) = (Vec::new(), Vec::new());
    let mut reader = Reader::new(folder.to_owned(), from);
    let end = Position { segment: u64::MAX, offset: 0 };
    while reader
        .read(end, 3, |record| records.push((record.at, record.payload.to_vec())), |d| damage.push(d))
        .unwrap()
        > 0
    {}
    (records, reader.position(), damage)
}

#[test]
fn what_was_appended_is_read_in_order_over_segments_and_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let mut expected = Vec::new();
    let mut position = Position::START;
    for round in 0..5_i64 {
        let (mut journal, recovery) = open(folder.path(), 200);
        assert_eq!(recovery, Recovery::default());
        for n in 0..7_i64 {
            let (one, two) = (vec![b'a'; usize::try_from(n * 9).unwrap()], round.to_le_bytes());
            position = journal.append([record(n, &one), record(round, &two)]).unwrap();
            expected.extend([(n, one), (round, two.to_vec())]);
        }
        assert_eq!(journal.end(), position);
        journal.sync_handle().sync().unwrap();
    }
    let (records, reached, damage) = read_all(folder.path(), Position::START);
    assert_eq!((records, reached, damage), (expected, position, Vec::new()));
    assert!(segment::list(folder.path()).unwrap().len() > 3, "several segments");
}

#[test]
fn a_reader_goes_on_where_it_was_and_sees_what_is_appended_later() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(folder.path(), 100);
    let mut reader = Reader::new(folder.path().to_owned(), Position::START);
    let mut seen = Vec::new();
    for n in 0..20_i64 {
        journal.append([record(n, &[0; 40])]).unwrap();
        while reader.read(journal.end(), 1, |record| seen.push(record.at), |d| panic!("{d:?}")).unwrap() > 0 {
        }
        assert_eq!(seen.last(), Some(&n));
        // Another one from the kept position sees nothing that was seen.
        assert_eq!(read_all(folder.path(), reader.position()).0, []);
    }
    assert_eq!(seen, (0..20).collect::<Vec<i64>>());
    assert_eq!(reader.position(), journal.end());
}

/// Proves nothing less than the promise: whatever a kill leaves of the last write, whole records stay and the rest goes.
#[test]
fn a_file_cut_at_any_byte_keeps_every_whole_record_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(folder.path(), 1 << 20);
    let mut ends = vec![(16_u64, 0_usize)];
    for n in 0..6_usize {
        let end = journal.append([record(1, &vec![7; n * 11])]).unwrap();
        ends.push((end.offset, n + 1));
    }
    drop(journal);
    let whole = fs::read(segment::path(folder.path(), 1)).unwrap();
    for cut in 0..=whole.len() {
        let copy = tempfile::tempdir().unwrap();
        fs::write(segment::path(copy.path(), 1), &whole[..cut]).unwrap();
        let (end, kept) = *ends.iter().rev().find(|(end, _)| *end <= cut as u64).unwrap_or(&(0, 0));
        let (mut journal, recovery) = open(copy.path(), 1 << 20);
        assert_eq!(recovery, Recovery { cut_bytes: cut as u64 - end, is_damaged: false }, "cut at {cut}");
        journal.append([record(2, b"after")]).unwrap();
        let (records, reached, damage) = read_all(copy.path(), Position::START);
        assert_eq!(records.len(), kept + 1, "cut at {cut}");
        assert_eq!(records.last(), Some(&(2, b"after".to_vec())));
        assert_eq!((reached, damage), (journal.end(), Vec::new()));
    }
}

/// Three records, of which a byte of the second is changed; every byte in turn.
fn each_changed_byte(mut check: impl FnMut(&Path, Damage, Position)) {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(folder.path(), 1 << 20);
    for n in 0..3_i64 {
        journal.append([record(n, b"payload")]).unwrap();
    }
    let end = journal.end();
    drop(journal);
    let whole = fs::read(segment::path(folder.path(), 1)).unwrap();
    let frame = (whole.len() - 16) / 3;
    let lost = Damage { at: Position { segment: 1, offset: 16 + frame as u64 }, bytes: frame as u64 };
    for (at, change) in (16 + frame..16 + 2 * frame).flat_map(|at| [(at, 1), (at, 0x80)]) {
        let copy = tempfile::tempdir().unwrap();
        let mut bytes = whole.clone();
        bytes[at] ^= change;
        fs::write(segment::path(copy.path(), 1), &bytes).unwrap();
        check(copy.path(), lost, end);
    }
}

#[test]
fn a_changed_byte_costs_one_record_and_is_reported() {
    each_changed_byte(|folder, lost, _| {
        let (mut journal, recovery) = open(folder, 1 << 20);
        assert_eq!(recovery, Recovery { cut_bytes: 0, is_damaged: true });
        journal.append([record(9, b"after")]).unwrap();
        let (records, reached, damage) = read_all(folder, Position::START);
        let times: Vec<i64> = records.iter().map(|(at, _)| *at).collect();
        assert_eq!((times, reached, damage), (vec![0, 2, 9], journal.end(), vec![lost]));
    });
}

/// No newer segment is waited for: on a quiet server that may be days.
#[test]
fn damage_in_the_segment_that_is_written_stops_no_reader() {
    each_changed_byte(|folder, lost, end| {
        let mut reader = Reader::new(folder.to_owned(), Position::START);
        let (mut times, mut damage) = (Vec::new(), Vec::new());
        while reader.read(end, 1, |record| times.push(record.at), |lost| damage.push(lost)).unwrap() > 0 {}
        assert_eq!((times, damage, reader.position()), (vec![0, 2], vec![lost], end));
        // The last record is damaged: nothing whole is behind it.
        let end = Position { offset: lost.at.offset + lost.bytes, ..end };
        let mut reader = Reader::new(folder.to_owned(), Position::START);
        let (mut times, mut damage) = (Vec::new(), Vec::new());
        while reader.read(end, 9, |record| times.push(record.at), |lost| damage.push(lost)).unwrap() > 0 {}
        assert_eq!((times, damage, reader.position()), (vec![0], vec![lost], end));
    });
}

/// A datagram that is made of what looks like heads takes its time, and no more than is allowed.
#[test]
fn behind_damage_a_large_payload_is_no_trap() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(folder.path(), 1 << 30);
    let heads = [0x01, 0xff, 0x03, 0x00].repeat(MAX_PAYLOAD_BYTES / 4);
    journal.append([record(1, b"first"), record(2, &heads), record(3, &heads), record(4, b"last")]).unwrap();
    drop(journal);
    let path = segment::path(folder.path(), 1);
    let mut bytes = fs::read(&path).unwrap();
    bytes[16 + 17] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let (records, _, damage) = read_all(folder.path(), Position::START);
    assert_eq!(records.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [2, 3, 4]);
    assert_eq!(damage, [Damage { at: Position { segment: 1, offset: 16 }, bytes: 17 + 5 }]);
    // In the first of the large ones: after what is allowed, the rest of the segment is given up.
    bytes[16 + 17] ^= 1;
    let second = 16 + 17 + 5;
    bytes[second + 17] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let (records, _, damage) = read_all(folder.path(), Position::START);
    assert_eq!(
        (records.len(), damage),
        (1, Vec::new()),
        "as behind a torn end, until there is a newer segment"
    );
    let (mut journal, recovery) = open(folder.path(), 1 << 20);
    assert!(recovery.is_damaged);
    journal.append([record(9, b"after")]).unwrap();
    let (records, _, damage) = read_all(folder.path(), Position::START);
    assert_eq!(records.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [1, 9]);
    assert_eq!(damage.iter().map(|damage| damage.bytes).sum::<u64>(), (bytes.len() - second) as u64);
}

/// The machine went down after the counts were on the medium and before the journal was.
#[test]
fn new_records_stand_behind_what_was_counted_also_when_the_journal_lost_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(folder.path(), 1 << 20);
    let first = journal.append([record(1, b"kept")]).unwrap();
    let counted = journal.append([record(2, b"counted, then lost")]).unwrap();
    drop(journal);
    fs::OpenOptions::new()
        .write(true)
        .open(segment::path(folder.path(), 1))
        .unwrap()
        .set_len(first.offset)
        .unwrap();
    let (mut journal, _) = Journal::open(folder.path(), Options::default(), counted).unwrap();
    journal.append([record(3, b"new")]).unwrap();
    assert_eq!(read_all(folder.path(), counted).0, [(3, b"new".to_vec())]);
    // And when all of it is gone.
    drop(journal);
    for number in segment::list(folder.path()).unwrap() {
        fs::remove_file(segment::path(folder.path(), number)).unwrap();
    }
    let counted = Position { segment: 7, offset: 99 };
    let (mut journal, _) = Journal::open(folder.path(), Options::default(), counted).unwrap();
    journal.append([record(4, b"newer")]).unwrap();
    assert_eq!(read_all(folder.path(), counted).0, [(4, b"newer".to_vec())]);
}

#[test]
fn only_closed_segments_below_the_position_are_retired() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(folder.path(), 50);
    for n in 0..4_i64 {
        journal.append([record(n, &[0; 60])]).unwrap();
    }
    assert_eq!(segment::list(folder.path()).unwrap(), [1, 2, 3, 4]);
    assert_eq!(journal.retire(Position { segment: 3, offset: 16 }).unwrap(), 2);
    assert_eq!(journal.retire(Position { segment: 9, offset: 16 }).unwrap(), 1, "never the current one");
    assert_eq!(read_all(folder.path(), Position::START).0.len(), 1);
}

#[test]
fn two_writers_are_not_let_in() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = open(folder.path(), 100);
    let second = Journal::open(folder.path(), Options::default(), Position::START);
    assert!(matches!(second, Err(JournalError::InUse(_))));
    drop(journal);
    open(folder.path(), 100);
}

#[test]
fn the_largest_datagram_is_kept_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (mut journal, _) = open(folder.path(), 1 << 30);
    let large = vec![1; MAX_PAYLOAD_BYTES];
    let over = vec![2; MAX_PAYLOAD_BYTES + 1];
    journal.append([record(1, &large), record(2, &over), record(3, b"")]).unwrap();
    let (records, _, damage) = read_all(folder.path(), Position::START);
    let lengths: Vec<usize> = records.iter().map(|(_, payload)| payload.len()).collect();
    assert_eq!((lengths, damage), (vec![MAX_PAYLOAD_BYTES, MAX_PAYLOAD_BYTES, 0], Vec::new()));
}

proptest! {
    #[test]
    fn any_payloads_come_back(payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 1..20)) {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = open(folder.path(), 300);
        for payload in &payloads {
            journal.append([record(-1, payload)]).unwrap();
        }
        let read: Vec<Vec<u8>> = read_all(folder.path(), Position::START).0.into_iter().map(|(_, p)| p).collect();
        prop_assert_eq!(read, payloads);
    }

    #[test]
    fn noise_in_a_segment_never_makes_a_reader_panic(noise in prop::collection::vec(any::<u8>(), 0..300)) {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = segment::header(1).to_vec();
        bytes.extend(&noise);
        fs::write(segment::path(folder.path(), 1), &bytes).unwrap();
        fs::write(segment::path(folder.path(), 2), &noise).unwrap();
        let _ = read_all(folder.path(), Position::START);
        let (mut journal, _) = open(folder.path(), 300);
        journal.append([record(5, b"on")]).unwrap();
        prop_assert_eq!(read_all(folder.path(), Position::START).0.last().map(|(at, _)| *at), Some(5));
    }
}
