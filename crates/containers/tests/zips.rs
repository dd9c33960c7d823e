//! Zip archives: several entries, nested, stored, encrypted, lying, cut.

mod fixtures;

use containers::{Failure, Limits, Note, Refusal};
use fixtures::{REPORT, base64, gz, look, look_within, mail_of, noise, part, report_mail, zip_by, zip_of};

/// Proves: R3
#[test]
fn every_report_of_an_archive_is_found() {
    let inner = zip_of(&[("deep/one.json", REPORT), ("two.json.gz", &gz(REPORT))]);
    let mail = report_mail(REPORT);
    let archive = zip_of(&[
        ("folder/", b""),
        ("folder/a.json", REPORT),
        ("readme.txt", b"not a report"),
        ("b.json.gz", &gz(REPORT)),
        ("inner.zip", &inner),
        ("mail.eml", mail.as_bytes()),
        ("__MACOSX/._a.json", b"\0\x05\x16\x07"),
        ("nameless", REPORT),
        ("../../up\n.json", REPORT),
    ]);
    let found = look("all.zip", &archive);
    assert_eq!(
        found.paths(),
        [
            "all.zip!folder/a.json",
            "all.zip!b.json.gz",
            "all.zip!inner.zip!deep/one.json",
            "all.zip!inner.zip!two.json.gz",
            "all.zip!mail.eml!example.com!a.example!1!2.json.gz",
            "all.zip!nameless",
            "all.zip!../../up\u{fffd}.json",
        ]
    );
    assert!(found.members.iter().all(|member| member.contents == REPORT && member.failure.is_none()));
    assert!(found.refused.is_empty());
    assert_eq!(found.summary.ignored, 2);
}

#[test]
fn stored_entries_and_archives_in_gzip_are_read() {
    let stored = zip_by(zip::CompressionMethod::Stored, &[("a.json", REPORT), ("b.json", REPORT)]);
    assert_eq!(look("a.zip", &stored).members.len(), 2);
    let found = look("a.zip.gz", &gz(&stored));
    assert_eq!(found.paths(), ["a.zip.gz!a.json", "a.zip.gz!b.json"]);
}

#[test]
fn entries_of_the_same_name_are_both_read() {
    let mut archive = zip_of(&[("a.json", REPORT), ("b.json", REPORT)]);
    for at in 0..archive.len() - 6 {
        if archive[at..].starts_with(b"b.json") {
            archive[at] = b'a';
        }
    }
    assert_eq!(look("x.zip", &archive).paths(), ["x.zip!a.json", "x.zip!a.json"]);
}

#[test]
fn bytes_before_and_a_comment_after_an_archive_do_no_harm() {
    let mut archive = b"#!/bin/sh\n".to_vec();
    archive.extend(zip_of(&[("a.json", REPORT)]));
    assert_eq!(look("a.zip", &archive).only().path, "a.zip!a.json");
    archive.extend(b"PK\x05\x06 a comment that looks like an end");
    let comment = archive.len() - 37;
    archive[comment - 2] = 37;
    assert_eq!(look("a.zip", &archive).only().path, "a.zip!a.json");
}

/// Sets bytes at an offset from each directory entry (`PK 1 2`) or entry header (`PK 3 4`).
fn patched(mut archive: Vec<u8>, signature: &[u8], offset: usize, bytes: &[u8]) -> Vec<u8> {
    for at in 0..archive.len() - 4 {
        if archive[at..].starts_with(signature) {
            archive[at + offset..at + offset + bytes.len()].copy_from_slice(bytes);
        }
    }
    archive
}

/// Proves: R6
#[test]
fn encrypted_and_unknown_entries_are_refused_and_the_rest_is_read() {
    let archive = zip_of(&[("a.json", REPORT)]);
    let encrypted = patched(archive.clone(), b"PK\x01\x02", 8, &[1, 0]);
    assert_eq!(look("x.zip", &encrypted).refused, [("x.zip!a.json".to_owned(), Refusal::Encrypted)]);
    let zstd = patched(archive, b"PK\x01\x02", 10, &[93, 0]);
    assert_eq!(look("x.zip", &zstd).refused, [("x.zip!a.json".to_owned(), Refusal::ZipMethod(93))]);
}

#[test]
fn sizes_and_checksums_that_lie_are_noted_and_do_not_stop_the_reading() {
    let archive = zip_of(&[("a.json", REPORT)]);
    for (offset, note) in [(16, Note::ChecksumWrong), (20, Note::ZipSizeWrong), (24, Note::ZipSizeWrong)] {
        for lie in [[0; 4], [0xfe, 0xff, 0xff, 0x7f]] {
            let found = look("x.zip", &patched(archive.clone(), b"PK\x01\x02", offset, &lie));
            assert_eq!(found.only().notes, [note], "offset {offset}");
        }
    }
    // An entry that lies outside the archive is refused.
    let outside = patched(archive, b"PK\x01\x02", 42, &[0xff, 0xff, 0xff, 0x7f]);
    assert_eq!(look("x.zip", &outside).refused[0].1, Refusal::ZipDamaged("entry header"));
}

#[test]
fn an_archive_whose_directory_was_cut_off_is_read_by_its_entries() {
    let archive = zip_of(&[("a.json", REPORT), ("b.json", REPORT)]);
    let directory = archive.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    let found = look("x.zip", &archive[..directory]);
    assert_eq!(found.paths(), ["x.zip!a.json", "x.zip!b.json"]);
    assert_eq!(found.members[0].notes, [Note::ZipDirectoryMissing]);
    let found = look("x.zip", &archive[..directory / 2 - 10]);
    assert_eq!(found.members[0].failure, Some(Failure::Cut("compressed data")));
    let nothing = look("x.zip", b"PK\x03\x04");
    assert_eq!(nothing.refused[0].1, Refusal::ZipDamaged("no directory and no entries"));
}

#[test]
fn an_empty_archive_simply_holds_no_report() {
    let found = look("x.zip", &zip_of(&[]));
    assert!(found.summary.no_candidates() && found.refused.is_empty());
}

#[test]
fn an_archive_attached_to_a_mail_keeps_the_mail_as_context() {
    let archive = zip_of(&[("a.json", REPORT)]);
    let mail = mail_of(
        "mixed",
        &[part("Content-Type: application/zip\r\nContent-Transfer-Encoding: base64", &base64(&archive))],
    );
    let found = look("m.eml", mail.as_bytes());
    assert_eq!(found.only().path, "m.eml!part 1!a.json");
    assert_eq!(found.only().subject.as_deref(), Some("Report"));
}

/// Proves: R6
#[test]
fn a_directory_that_names_one_entry_a_million_times_ends_at_the_limits() {
    let contents = noise(60_000);
    let archive = zip_of(&[("a.json", &contents)]);
    let directory = archive.windows(4).position(|window| window == b"PK\x01\x02").unwrap();
    let end = archive.windows(4).position(|window| window == b"PK\x05\x06").unwrap();
    let entry = &archive[directory..end];
    let count = 100_000;
    let mut bomb = archive[..directory].to_vec();
    (0..count).for_each(|_| bomb.extend(entry));
    let mut tail = archive[end..].to_vec();
    tail[12..16].copy_from_slice(&((entry.len() * count) as u32).to_le_bytes());
    bomb.extend(tail);

    let limits = Limits { members: 50, ..Limits::default() };
    let found = look_within(&limits, "x.zip", &bomb);
    assert_eq!(found.members.len(), 49);
    assert_eq!(found.refused.last().unwrap().1, Refusal::TooManyMembers(50));

    let limits = Limits { total: 1_000_000, ..Limits::default() };
    let found = look_within(&limits, "x.zip", &bomb[..]);
    assert!(found.members.len() < 20);
    assert_eq!(found.refused.last().unwrap().1, Refusal::Unreadable(Failure::BudgetSpent));
    assert_eq!(found.refused.len(), 1);
}
