//! gzip and zlib as they are met: sound, mislabelled, in pieces, padded, cut, wrong.

mod fixtures;

use containers::{Failure, Note, Refusal};
use fixtures::{REPORT, deflate, gz, look, noise, zlib};
use flate2::Crc;

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// Proves: R3
#[test]
fn every_wrapping_met_in_the_wild_gives_the_report_and_says_what_was_odd() {
    let sound = gz(REPORT);
    let cut = |bytes: usize| sound[..sound.len() - bytes].to_vec();
    let flipped = |from_end: usize| {
        let mut bytes = sound.clone();
        let at = bytes.len() - from_end;
        bytes[at] ^= 0x55;
        bytes
    };
    let (head, tail) = REPORT.split_at(20);
    let mut full_header = b"\x1f\x8b\x08\x1e\0\0\0\0\0\x03\x05\0extrareport.json\0a comment\0".to_vec();
    let check = {
        let mut crc = Crc::new();
        crc.update(&full_header);
        (crc.sum() as u16).to_le_bytes()
    };
    full_header.extend(check);
    full_header.extend(deflate(REPORT));
    full_header.extend(&sound[sound.len() - 8..]);
    let zlibbed = zlib(REPORT);

    let table: &[(&str, Vec<u8>, &[Note])] = &[
        ("a.json", REPORT.to_vec(), &[]),
        ("a.json.gz", sound.clone(), &[]),
        ("a", sound.clone(), &[]),
        ("a.json", sound.clone(), &[Note::Mislabelled]),
        ("a.json.gz", REPORT.to_vec(), &[Note::Mislabelled]),
        ("a.gz", joined(&[&gz(head), &gz(tail)]), &[Note::SeveralGzipMembers]),
        ("a.gz", joined(&[&gz(b""), &gz(head), &gz(b""), &gz(tail)]), &[Note::SeveralGzipMembers]),
        ("a.gz", joined(&[&sound, &[0; 512]]), &[Note::Padding]),
        ("a.gz", joined(&[&sound, &[0; 100_000]]), &[Note::Padding]),
        ("a.gz", joined(&[&sound, b"\r\n-- \r\nfooter"]), &[Note::TrailingGarbage]),
        ("a.gz", joined(&[&sound, b"\x1f\x8b\x07"]), &[Note::TrailingGarbage]),
        ("a.gz", joined(&[&sound, b"\x1f"]), &[Note::TrailingGarbage]),
        ("a.gz", joined(&[&sound, b"\0\0x"]), &[Note::Padding, Note::TrailingGarbage]),
        ("a.gz", cut(8), &[Note::TrailerCut]),
        ("a.gz", cut(3), &[Note::TrailerCut]),
        ("a.gz", flipped(8), &[Note::ChecksumWrong]),
        ("a.gz", flipped(4), &[Note::LengthWrong]),
        ("a.gz", gz(&sound), &[Note::TwiceCompressed]),
        ("a.json.gz.gz", gz(&cut(8)), &[Note::TwiceCompressed, Note::TrailerCut]),
        ("a.gz", full_header, &[]),
        ("a.json.gz", zlibbed.clone(), &[Note::ZlibInsteadOfGzip]),
        ("a.gz", zlibbed[..zlibbed.len() - 2].to_vec(), &[Note::ZlibInsteadOfGzip, Note::TrailerCut]),
        ("a.gz", gz(&zlibbed), &[Note::TwiceCompressed, Note::ZlibInsteadOfGzip]),
    ];
    for (index, (name, bytes, notes)) in table.iter().enumerate() {
        let found = look(name, bytes);
        let member = found.only();
        assert_eq!(member.notes, *notes, "row {index}");
        assert_eq!(member.path, *name);
        assert!(member.in_memory, "row {index}: a small member is decoded once");
    }
}

#[test]
fn a_wrong_zlib_checksum_is_a_note() {
    let mut bytes = zlib(REPORT);
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    assert_eq!(look("a.gz", &bytes).only().notes, [Note::ZlibInsteadOfGzip, Note::ChecksumWrong]);
}

/// Proves: R6
#[test]
fn a_stream_cut_in_the_middle_gives_what_it_had_and_then_an_error() {
    let contents = noise(300_000);
    let whole = gz(&contents);
    let found = look("a.json.gz", &whole[..whole.len() / 2]);
    let member = &found.members[0];
    assert_eq!(member.failure, Some(Failure::Cut("compressed data")));
    assert!(member.contents.len() > 100_000 && contents.starts_with(&member.contents));
    assert!(!member.in_memory);

    // Also when it is small: never offered as whole.
    let small = gz(REPORT);
    let found = look("a.json.gz", &small[..small.len() - 20]);
    assert!(!found.members[0].in_memory);
    assert_eq!(found.members[0].failure, Some(Failure::Cut("compressed data")));
}

#[test]
fn a_damaged_stream_gives_what_it_had_and_then_an_error() {
    // A stored block, and then one of the type that RFC 1951 §3.2.3 leaves undefined.
    let contents = noise(60_000);
    let length = contents.len() as u16;
    let mut bytes = b"\x1f\x8b\x08\0\0\0\0\0\0\xff\0".to_vec();
    bytes.extend([length.to_le_bytes(), (!length).to_le_bytes()].concat());
    bytes.extend(&contents);
    bytes.extend([7; 100]);
    let found = look("a.json.gz", &bytes);
    assert_eq!(found.members[0].failure, Some(Failure::Corrupt("compressed data")));
    assert_eq!(found.members[0].contents, contents);
    assert!(!found.members[0].in_memory);
}

#[test]
fn what_holds_nothing_readable_is_refused_with_the_reason() {
    let table: &[(&str, Vec<u8>, Refusal)] = &[
        ("a.json", Vec::new(), Refusal::Empty),
        ("a.gz", gz(b""), Refusal::Empty),
        ("a.gz", b"\x1f\x8b\x08".to_vec(), Refusal::Unreadable(Failure::Cut("gzip header"))),
        (
            "a.gz",
            b"\x1f\x8b\x09\0\0\0\0\0\0\0".to_vec(),
            Refusal::Unreadable(Failure::Corrupt("gzip header")),
        ),
        (
            "a.gz",
            b"\x1f\x8b\x08\xe0\0\0\0\0\0\0".to_vec(),
            Refusal::Unreadable(Failure::Corrupt("gzip header")),
        ),
        ("a.gz", gz(REPORT)[..10].to_vec(), Refusal::Unreadable(Failure::Cut("compressed data"))),
        ("a.gz", gz(b"hello"), Refusal::Unrecognised),
        ("a.txt", b"hello".to_vec(), Refusal::Unrecognised),
    ];
    for (index, (name, bytes, reason)) in table.iter().enumerate() {
        let found = look(name, bytes);
        assert_eq!(found.refused, [((*name).to_owned(), reason.clone())], "row {index}");
        assert!(found.members.is_empty());
    }
}

/// The reader of JSON says best what is wrong with something that calls itself JSON.
#[test]
fn what_calls_itself_json_is_handed_out_whatever_it_is() {
    for (name, bytes) in [("a.json", b"hello".to_vec()), ("a.json.gz", gz(b"hello"))] {
        assert_eq!(look(name, &bytes).members[0].contents, b"hello");
    }
}

#[test]
fn a_large_member_is_streamed_and_the_same_every_time() {
    for size in [65_000, 65_530, 65_536, 65_537, 70_000, 1_000_000] {
        let contents = noise(size);
        for bytes in [gz(&contents), zlib(&contents), gz(&gz(&contents))] {
            let found = look("a", &bytes);
            assert_eq!(found.members[0].contents, contents);
            assert_eq!(found.members[0].in_memory, contents.len() < 65_536, "{size}");
        }
    }
}
