//! A process that appends is killed a hundred times; the journal has every record whose append had returned, once.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tlsward_mta::journal::{Journal, Options, Position, Reader, Record, RecordKind};

const FOLDER: &str = "TLSWARD_TEST_JOURNAL";
const KILLS: u64 = 100;

/// The numbers in the journal, in order, and where they end.
fn numbers(folder: &Path) -> (Vec<u64>, Position) {
    let mut reader = Reader::new(folder.to_owned(), Position::START);
    let (mut numbers, end) = (Vec::new(), Position { segment: u64::MAX, offset: 0 });
    let number = |record: Record<'_>| u64::from_le_bytes(record.payload[..8].try_into().unwrap());
    while reader
        .read(end, 1000, |record| numbers.push(number(record)), |damage| panic!("{damage:?}"))
        .unwrap()
        > 0
    {}
    (numbers, reader.position())
}

/// The process that is killed: appends groups of numbers, and tells each group's end when its append has returned.
#[test]
#[ignore = "is started by the other test"]
fn appends_until_it_is_killed() {
    #[expect(clippy::disallowed_methods, reason = "told by the process that started it")]
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let options = Options { segment_bytes: 16 * 1024 };
    let (mut journal, recovery) = Journal::open(&folder, options, Position::START).unwrap();
    assert!(!recovery.is_damaged);
    let mut next = numbers(&folder).0.last().map_or(0, |last| last + 1);
    loop {
        let group: Vec<Vec<u8>> = (next..next + 1 + next % 7)
            .map(|number| {
                let mut payload = number.to_le_bytes().to_vec();
                payload.resize(8 + usize::try_from(number % 900).unwrap(), 0xa5);
                payload
            })
            .collect();
        let record = |payload| Record { at: 0, kind: RecordKind::Datagram, payload };
        journal.append(group.iter().map(|payload| record(payload.as_slice()))).unwrap();
        next += group.len() as u64;
        writeln!(std::io::stdout(), "appended {next}").unwrap();
    }
}

#[test]
fn a_kill_at_any_moment_loses_and_doubles_nothing_that_was_appended() {
    let folder = tempfile::tempdir().unwrap();
    for kill in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", "appends_until_it_is_killed"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // Somewhere in the middle of things, differently each time.
        let enough = 1 + (kill * 11) % 31;
        let mut told = 0;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let next =
            |line: String| line.strip_prefix("appended ").and_then(|number| number.parse::<u64>().ok());
        for _ in 0..enough {
            told = lines.by_ref().map(Result::unwrap).find_map(next).expect("the child ended by itself");
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it told of until it was dead.
        told = lines.map_while(Result::ok).filter_map(next).last().unwrap_or(told);
        let (numbers, _) = numbers(folder.path());
        assert!(numbers.iter().copied().eq(0..numbers.len() as u64), "kill {kill}: each once, in order");
        assert!(numbers.len() as u64 >= told, "kill {kill}: {} of {told}", numbers.len());
    }
}
