//! Bombs, limits, and bytes that are nothing at all.

mod fixtures;

use std::io::{Read, Write};
use std::ops::ControlFlow;

use containers::{Failure, Item, Limits, MboxItem, MboxReader, Refusal, sniff, walk};
use fixtures::{REPORT, base64, gz, look, look_within, mail_of, noise, part, report_mail, zip_of, zlib};
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

/// Proves: R6
#[test]
fn a_member_ends_exactly_at_the_limit_on_its_size() {
    let contents = noise(200_000);
    let length = contents.len() as u64;
    for (limit, failure) in [
        (length, None),
        (length - 1, Some(Failure::TooLarge { limit: length - 1 })),
        (70_000, Some(Failure::TooLarge { limit: 70_000 })),
        (10, Some(Failure::TooLarge { limit: 10 })),
    ] {
        let limits = Limits { decompressed: limit, ..Limits::default() };
        for bytes in [gz(&contents), zlib(&contents), zip_of(&[("a.json", &contents)]), gz(&gz(&contents))] {
            let found = look_within(&limits, "a", &bytes);
            if let Some(member) = found.members.first() {
                assert_eq!(member.failure, failure);
                assert_eq!(member.contents.len() as u64, limit.min(length));
            } else {
                // The outer layer alone is too large already.
                assert!(limit < 100, "{found:?}");
            }
        }
    }
    let limits = Limits { decompressed: 10, ..Limits::default() };
    let found = look_within(&limits, "a.json", REPORT);
    assert_eq!(found.refused[0].1, Refusal::Unreadable(Failure::TooLarge { limit: 10 }));
}

/// Proves: R6
#[test]
fn a_bomb_is_given_up_at_the_limit_without_being_held() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(b"[").unwrap();
    let block = vec![b' '; 1 << 20];
    (0..64).for_each(|_| encoder.write_all(&block).unwrap());
    let bomb = encoder.finish().unwrap();
    let limits = Limits { decompressed: 4 << 20, ..Limits::default() };
    walk("bomb", &bomb, &limits, &mut |item| {
        let Item::Member(member) = item else { panic!("refused") };
        let (mut total, mut buffer) = (0, vec![0; 4096]);
        let mut reader = member.open();
        let error = loop {
            match reader.read(&mut buffer) {
                Ok(count) => total += count,
                Err(error) => break error,
            }
        };
        assert_eq!(total, 4 << 20);
        assert_eq!(error.kind(), std::io::ErrorKind::FileTooLarge);
        ControlFlow::Continue(())
    });
    // A bomb inside that must be held (a zip of zeros in gzip) is refused by its size in memory.
    let held = gz(&[&b"PK\x03\x04"[..], &vec![0; 3 << 20]].concat());
    let limits = Limits { buffered: 1 << 20, ..Limits::default() };
    assert_eq!(look_within(&limits, "a.gz", &held).refused[0].1, Refusal::TooLargeToHold(1 << 20));
}

/// Proves: R6
#[test]
fn containers_inside_each_other_end_at_the_limit_on_depth() {
    let mut bytes = REPORT.to_vec();
    for level in 1..=12 {
        bytes = gz(&bytes);
        let found = look("a", &bytes);
        if level <= 8 {
            assert_eq!(found.only().contents, REPORT);
        } else {
            assert_eq!(found.refused[0].1, Refusal::TooDeep(8));
        }
    }
    let mut bytes = REPORT.to_vec();
    for level in 1..=10 {
        bytes = zip_of(&[("a", &bytes)]);
        assert_eq!(look("a", &bytes).members.len(), usize::from(level <= 8));
    }
    let mut mail = report_mail(REPORT);
    for level in 1..=10 {
        mail = mail_of(
            "mixed",
            &[part(
                "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64",
                &base64(mail.as_bytes()),
            )],
        );
        // The report's own mail and its gzip are two.
        assert_eq!(look("a", mail.as_bytes()).members.len(), usize::from(level <= 6), "{level}");
    }
}

/// Proves: R6
#[test]
fn all_members_together_end_at_the_allowance_of_the_walk() {
    let contents = noise(100_000);
    let archive = zip_of(&[("a.json", &contents), ("b.json", &contents), ("c.json", &contents)]);
    let limits = Limits { total: 500_000, ..Limits::default() };
    let found = look_within(&limits, "a.zip", &archive);
    let failures: Vec<_> = found.members.iter().map(|member| member.failure).collect();
    assert_eq!(failures, [None, None]);
    let spent = Refusal::Unreadable(Failure::BudgetSpent);
    assert_eq!(found.refused, [("a.zip!c.json".to_owned(), spent)]);
}

/// A mailbox is a folder: its mails do not share one allowance.
#[test]
fn each_mail_of_a_mailbox_has_its_own_allowance() {
    let from = "From tls@example.com Sat Jan  3 01:02:03 2026\n";
    let mailbox: String = (0..50).map(|_| format!("{from}{}\n", report_mail(REPORT))).collect();
    let limits = Limits { members: 5, total: 2_000, ..Limits::default() };
    let found = look_within(&limits, "box", mailbox.as_bytes());
    assert_eq!(found.members.len(), 50);
    assert!(found.refused.is_empty());

    let limits = Limits { mail_bytes: 100, ..Limits::default() };
    let found = look_within(&limits, "box", mailbox.as_bytes());
    assert_eq!(found.refused.len(), 50);
    assert_eq!(found.refused[7], ("box!mail 8".to_owned(), Refusal::MailTooLong(100)));
}

/// Proves: R6
#[test]
fn mails_built_to_be_slow_or_deep_end_soon() {
    let many = format!(
        "From: a@example.com\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n{}",
        "--b\r\nContent-Type: application/json\r\n\r\n{}\r\n".repeat(100_000)
    );
    let found = look("m.eml", many.as_bytes());
    assert_eq!(found.members.len(), 999);
    assert_eq!(found.refused.last().unwrap().1, Refusal::TooManyParts(1_000));

    let mut deep = "From: a@example.com\r\n".to_owned();
    for level in 0..100_000 {
        deep.push_str(&format!("Content-Type: multipart/mixed; boundary=b{level}\r\n\r\n--b{level}\r\n"));
    }
    assert_eq!(look("m.eml", deep.as_bytes()).refused[0].1, Refusal::TooDeep(32));

    let header =
        format!("From: a@example.com\r\nSubject: {}\r\n\r\n{{\"a\":1}}", "x=?a?q?".repeat(1_000_000));
    assert_eq!(
        look("m.eml", header.as_bytes()).members[0].subject.as_ref().map(|s| s.len() <= 4_096),
        Some(true)
    );
    let fields = format!("From: a@example.com\r\n{}\r\n{{\"a\":1}}", "X: y\r\n".repeat(500_000));
    assert_eq!(look("m.eml", fields.as_bytes()).members.len(), 1);
    let dashes = format!(
        "From: a@example.com\r\nContent-Type: multipart/mixed; boundary={0}\r\n\r\n--{0}\r\n\r\n{1}",
        "-".repeat(70),
        "--\n".repeat(1_000_000)
    );
    assert!(look("m.eml", dashes.as_bytes()).summary.no_candidates());
}

/// The visitor may leave at any item.
#[test]
fn a_walk_ends_where_the_visitor_ends_it() {
    let archive = zip_of(&[("a.json", REPORT), ("b.json", REPORT)]);
    let from = "From tls@example.com Sat Jan  3 01:02:03 2026\n";
    let mailbox = format!("{from}{0}{from}{0}", report_mail(REPORT));
    for bytes in [archive, mailbox.into_bytes()] {
        let mut seen = 0;
        let summary = walk("a", &bytes, &Limits::default(), &mut |_| {
            seen += 1;
            ControlFlow::Break(())
        });
        assert_eq!((seen, summary.members, summary.stopped), (1, 1, true));
    }
}

fn fixtures_of_every_kind() -> Vec<Vec<u8>> {
    let from = "From tls@example.com Sat Jan  3 01:02:03 2026\n";
    let mail = report_mail(REPORT);
    let forwarded = mail_of("mixed", &[part("Content-Type: message/rfc822", &mail.replace("=_b", "=_i"))]);
    vec![
        REPORT.to_vec(),
        gz(REPORT),
        gz(&gz(&zip_of(&[("a.json", REPORT)]))),
        zlib(REPORT),
        zip_of(&[("a.json", REPORT), ("b.zip", &zip_of(&[("c.json.gz", &gz(REPORT))]))]),
        mail.clone().into_bytes(),
        forwarded.clone().into_bytes(),
        format!("{from}{mail}\n{from}{forwarded}").into_bytes(),
    ]
}

/// Small, so that limits are met often.
fn tight() -> Limits {
    Limits {
        decompressed: 1 << 16,
        total: 1 << 18,
        members: 40,
        mail_parts: 20,
        mail_bytes: 1 << 14,
        ..Limits::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Proves: R6
    #[test]
    fn any_bytes_are_walked_without_a_panic(name in "[a-z]{0,4}(\\.json|\\.gz|\\.zip|\\.eml|\\.mbox|)", bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        sniff(&name, &bytes);
        look_within(&tight(), &name, &bytes);
    }

    /// Proves: R6
    #[test]
    fn a_damaged_container_of_any_kind_is_walked_without_a_panic(
        which in 0usize..8,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        cut in any::<prop::sample::Index>(),
        doubled in any::<bool>(),
    ) {
        let mut bytes = fixtures_of_every_kind().swap_remove(which);
        for (at, value) in &damage {
            let at = at.index(bytes.len());
            bytes[at] = *value;
        }
        if damage.len() % 2 == 0 {
            bytes.truncate(cut.index(bytes.len()));
        }
        if doubled {
            bytes.extend_from_within(..);
        }
        for name in ["a", "a.zip", "a.eml", "a.json.gz"] {
            look_within(&tight(), name, &bytes);
        }
    }

    /// What mail-parser is given are a stranger's header fields.
    #[test]
    fn any_header_of_a_part_is_read_without_a_panic(
        value in "(application/|multipart/|[a-z\\\\;=\"'*%?()/ ]|=\\?utf-8\\?[qb]\\?|name\\*?[0-9]?\\*?=|\r\n |\\PC){0,40}",
        field in "Content-(Type|Disposition|Transfer-Encoding)",
    ) {
        let mail = format!("From: {value}\r\nSubject: {value}\r\nMessage-ID: {value}\r\n{field}: {value}\r\n\r\n{{\"a\":1}}");
        walk("m.eml", mail.as_bytes(), &tight(), &mut |item| {
            if let Item::Member(member) = item && let Some(mail) = member.mail() {
                let _ = (mail.from(), mail.subject(), mail.message_id(), mail.date(), mail.dkim_domains(), mail.is_tls_report());
            }
            ControlFlow::Continue(())
        });
    }

    #[test]
    fn any_stream_is_cut_into_mails_alike_whatever_the_buffer(
        lines in prop::collection::vec("(>{0,2}From (x Sat Jan  3 01:02:03 2026)?|[a-z]{0,9})\r?\n?", 0..20),
        size in 1usize..40,
    ) {
        let bytes = lines.concat().into_bytes();
        let all = |size| {
            let mut reader = MboxReader::new(std::io::BufReader::with_capacity(size, &bytes[..]), 60);
            let mut mails = Vec::new();
            while let Some(item) = reader.next_mail().unwrap() {
                mails.push(match item {
                    MboxItem::Mail { bytes, .. } => Some(bytes.to_vec()),
                    MboxItem::TooLong { .. } => None,
                });
            }
            mails
        };
        prop_assert_eq!(all(size), all(10_000));
    }
}
