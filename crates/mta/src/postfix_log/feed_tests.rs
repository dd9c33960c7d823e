use std::io::Write as _;

use super::*;
use crate::journal::{Journal, Options, Position, Reader, RecordKind};
use crate::postfix_log::record;
use crate::session::{Intake, IntakeOptions};
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::MtaLogEvent;

struct At(UnixTime);

impl Clock for At {
    fn now(&self) -> UnixTime {
        self.0
    }
}

fn add(path: &Path, text: &str) {
    fs::OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

fn passed_over(n: usize) -> String {
    format!(
        "2026-11-24T08:38:44+00:00 mail postfix/smtp[7]: warning: MX name 'mx{n}.b.test' does not match STS MX \
         pattern for 'a.test'\nsomething else\n"
    )
}

/// The hosts that one life of the program told of; `work` is given the feed.
fn life(folder: &Path, work: impl FnOnce(&mut Feed<At>)) -> Vec<String> {
    let journal_folder = folder.join("journal");
    let (journal, _) = Journal::open(&journal_folder, Options::default(), Position::START).unwrap();
    let begin = journal.end();
    let intake = Intake::start(journal, IntakeOptions::default(), Box::new(|_, _| {})).unwrap();
    let inlet = intake.inlet(Arc::new(At(7)));
    let mut feed = Feed::new(&folder.join("mail.log"), &folder.join("place"), inlet);
    work(&mut feed);
    let end = intake.stop().unwrap().end();
    let mut hosts = Vec::new();
    let mut reader = Reader::new(journal_folder, begin);
    let each = |record: crate::journal::Record<'_>| {
        assert_eq!((record.kind, record.at), (RecordKind::Log, 7));
        match record::read(record.payload).unwrap() {
            MtaLogEvent::MxNotInPolicy { mx_host, .. } => hosts.push(mx_host.to_string()),
            MtaLogEvent::Session(session) => panic!("{session:?}"),
        }
    };
    reader.read(end, 100_000, each, |damage| panic!("{damage:?}")).unwrap();
    hosts
}

#[test]
fn what_the_log_says_is_in_the_journal_once_over_restarts_and_rotation() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("mail.log");
    add(&log, &passed_over(0));
    let first = life(folder.path(), |feed| {
        feed.look().unwrap();
        add(&log, &passed_over(1));
        feed.look().unwrap();
        feed.look().unwrap();
        assert_eq!(feed.stats().passed_over(), 1);
    });
    assert_eq!(first, ["mx1.b.test"], "from the end of what was there");
    add(&log, &passed_over(2));
    let second = life(folder.path(), |feed| {
        feed.look().unwrap();
        fs::rename(&log, folder.path().join("mail.log.1")).unwrap();
        add(&log, &passed_over(3));
        feed.look().unwrap();
    });
    assert_eq!(second, ["mx2.b.test", "mx3.b.test"]);
    assert_eq!(life(folder.path(), |feed| feed.look().unwrap()), [""; 0]);
}

/// A kill at any moment: what was told is never told again.
#[test]
fn a_kill_between_the_look_and_the_journal_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("mail.log");
    add(&log, "");
    life(folder.path(), |feed| feed.look().unwrap());
    add(&log, &passed_over(1));
    // The place is on the medium before the first event goes on.
    let mut follower =
        Follower::new(&log, read_place(&fs::read_to_string(folder.path().join("place")).unwrap()));
    follower.look(|_| {}).unwrap();
    keep_place(&folder.path().join("place"), &write_place(follower.cursor().unwrap()), true).unwrap();
    assert_eq!(life(folder.path(), |feed| feed.look().unwrap()), [""; 0]);
}

#[test]
fn where_the_place_cannot_be_kept_nothing_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("mail.log");
    add(&log, "");
    fs::create_dir(folder.path().join("place")).unwrap();
    let told = life(folder.path(), |feed| {
        assert!(feed.look().is_err());
        add(&log, &passed_over(1));
        assert!(feed.look().is_err());
    });
    assert_eq!(told, [""; 0]);
    fs::write(folder.path().join("x"), "what is no place").unwrap();
    assert_eq!(read_place("1 2 x"), None);
}

/// A log that grew while nobody looked is told group by group, and all of it.
#[test]
fn a_long_log_is_told_whole() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("mail.log");
    add(&log, "");
    life(folder.path(), |feed| feed.look().unwrap());
    let all = TELL_EACH * 2 + 3;
    add(&log, &(0..all).map(passed_over).collect::<String>());
    let told = life(folder.path(), |feed| feed.look().unwrap());
    assert_eq!(told, (0..all).map(|n| format!("mx{n}.b.test")).collect::<Vec<_>>());
}
