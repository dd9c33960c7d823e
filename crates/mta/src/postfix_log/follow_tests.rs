use std::fs::{self, OpenOptions};
use std::io::Write as _;

use super::*;

fn add(path: &Path, text: &str) {
    OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

fn lines(follower: &mut Follower) -> Vec<String> {
    let mut lines = Vec::new();
    follower.look(|line| lines.push(line.to_owned())).unwrap();
    lines
}

#[test]
fn new_lines_come_once_whole_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mail.log");
    add(&path, "old\n");
    let mut follower = Follower::new(&path, None);
    assert!(lines(&mut follower).is_empty(), "from the end");
    add(&path, "one\r\ntwo\nthr");
    assert_eq!(lines(&mut follower), ["one", "two"]);
    add(&path, "ee\n\n");
    assert_eq!(lines(&mut follower), ["three", ""]);
    assert!(lines(&mut follower).is_empty());
}

#[test]
fn a_rotated_file_is_read_to_its_end_and_then_the_new_one() {
    let folder = tempfile::tempdir().unwrap();
    let (path, moved) = (folder.path().join("mail.log"), folder.path().join("mail.log.1"));
    let mut follower = Follower::new(&path, None);
    assert!(lines(&mut follower).is_empty(), "not there yet");
    add(&path, "first\n");
    assert_eq!(lines(&mut follower), ["first"], "a file that came later is read from its beginning");
    fs::rename(&path, &moved).unwrap();
    add(&moved, "late\n");
    assert_eq!(lines(&mut follower), ["late"]);
    add(&moved, "later\nhalf");
    add(&path, "new\n");
    assert_eq!(lines(&mut follower), ["later", "new"]);
}

#[test]
fn a_file_that_was_cut_is_read_from_its_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mail.log");
    add(&path, "");
    let mut follower = Follower::new(&path, None);
    lines(&mut follower);
    add(&path, "a long line before\nhalf");
    assert_eq!(lines(&mut follower), ["a long line before"]);
    fs::write(&path, "short\n").unwrap();
    assert_eq!(lines(&mut follower), ["short"]);
}

/// Cut short and written again, both between two looks.
#[test]
fn a_file_that_grew_beyond_its_old_length_after_it_was_cut_is_read_from_its_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mail.log");
    add(&path, "");
    let mut follower = Follower::new(&path, None);
    lines(&mut follower);
    add(&path, "one line\nand half");
    assert_eq!(lines(&mut follower), ["one line"]);
    fs::write(&path, "the first\nthe second\nthe third\n").unwrap();
    assert_eq!(lines(&mut follower), ["the first", "the second", "the third"]);
}

/// In the middle of a line may stand what a stranger wrote.
#[test]
fn a_line_whose_beginning_was_not_seen_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mail.log");
    add(&path, "whole\nbegun ");
    let mut follower = Follower::new(&path, None);
    assert!(lines(&mut follower).is_empty());
    add(&path, "and ended\nnext\n");
    assert_eq!(lines(&mut follower), ["next"]);
    assert_eq!(follower.passed_over(), 1);
    // Also where the program ended in the middle of a line that was too long.
    let mut follower = Follower::new(&path, None).longest_line(5);
    lines(&mut follower);
    add(&path, "012345678");
    lines(&mut follower);
    let cursor = follower.cursor().unwrap();
    add(&path, "9\nnew\n");
    assert_eq!(lines(&mut Follower::new(&path, Some(cursor))), ["new"]);
}

#[test]
fn a_kept_cursor_goes_on_where_it_was_or_at_the_beginning_of_a_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mail.log");
    add(&path, "");
    let mut follower = Follower::new(&path, None);
    lines(&mut follower);
    add(&path, "one\nhal");
    lines(&mut follower);
    let cursor = follower.cursor().unwrap();
    assert_eq!(cursor.offset, 4, "half a line is read again");
    drop(follower);
    add(&path, "f\n");
    assert_eq!(lines(&mut Follower::new(&path, Some(cursor))), ["half"]);
    let elsewhere = Cursor { inode: cursor.inode + 1, ..cursor };
    assert_eq!(lines(&mut Follower::new(&path, Some(elsewhere))), ["one", "half"]);
    let beyond = Cursor { offset: 1000, ..cursor };
    assert_eq!(lines(&mut Follower::new(&path, Some(beyond))), ["one", "half"]);
}

#[test]
fn an_endless_line_is_passed_over_without_keeping_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mail.log");
    add(&path, "");
    let mut follower = Follower::new(&path, None);
    lines(&mut follower);
    for _ in 0..5 {
        add(&path, &"x".repeat(MAX_LINE_BYTES));
        assert!(lines(&mut follower).is_empty());
        assert!(follower.open.as_ref().unwrap().line.len() <= MAX_LINE_BYTES);
    }
    add(&path, "\nnext\n");
    assert_eq!(lines(&mut follower), ["next"]);
    add(&path, &format!("{}\n", "y".repeat(MAX_LINE_BYTES)));
    assert_eq!(lines(&mut follower)[0].len(), MAX_LINE_BYTES);
}

struct Now;

impl Timer for Now {
    async fn sleep(&self, _: Duration) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn it_follows_until_told_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mail.log");
    add(&path, "");
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let mut follower = Follower::new(&path, None);
    lines(&mut follower);
    let task = tokio::spawn(
        follower.run(Now, Duration::from_secs(1), stopped, move |line| tell.send(line.to_owned()).unwrap()),
    );
    add(&path, "one\n");
    assert_eq!(told.recv().await.unwrap(), "one");
    add(&path, "two\n");
    assert_eq!(told.recv().await.unwrap(), "two");
    stop.send(true).unwrap();
    assert_eq!(task.await.unwrap().cursor().unwrap().offset, 8);
}

#[test]
fn each_line_comes_with_the_place_behind_it_and_too_long_ones_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions");
    add(&path, "one\n0123456789\ntwo\nhalf");
    let mut follower = Follower::new(&path, None).from_beginning().longest_line(5);
    let mut seen = Vec::new();
    follower.look_at(|line, cursor| seen.push((line.to_owned(), cursor.offset))).unwrap();
    assert_eq!(seen, [("one".to_owned(), 4), ("two".to_owned(), 19)]);
    assert_eq!(follower.passed_over(), 1);
    let cursor = Cursor { offset: 4, ..follower.cursor().unwrap() };
    let mut again = Follower::new(&path, Some(cursor)).from_beginning();
    assert_eq!(lines(&mut again), ["0123456789", "two"], "a cursor goes before the beginning");
}
