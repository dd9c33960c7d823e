//! Mails and mailboxes: which parts are reports, in every encoding and wrong label that is met.

mod fixtures;

use containers::{Note, Refusal};
use fixtures::{REPORT, base64, gz, look, mail_of, part, report_mail, zip_of};

const NAME: &str = "Content-Disposition: attachment; filename=\"r.json.gz\"";

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The shape of RFC 8460 §5.3.
///
/// Proves: R3
#[test]
fn a_report_mail_as_the_rfc_has_it_gives_its_report() {
    let mail = report_mail(REPORT);
    for mail in [mail.clone(), mail.replace("\r\n", "\n")] {
        let found = look("m.eml", mail.as_bytes());
        let member = found.only();
        assert_eq!(member.path, "m.eml!example.com!a.example!1!2.json.gz");
        assert!(member.notes.is_empty() && member.in_memory);
        assert_eq!(found.summary.ignored, 1);
        assert_eq!(found.summary.mails, 1);
    }
}

/// Proves: R3
#[test]
fn a_report_is_found_under_every_label_and_encoding() {
    let zipped = base64(&gz(REPORT));
    let unbroken = zipped.replace("\r\n", "");
    let junk = zipped
        .chars()
        .map(|c| if c == '\n' { "\n !\u{e9}".to_owned() } else { c.to_string() })
        .collect::<String>();
    let json = text(REPORT);
    let quoted = json.replace('=', "=3D").replace("\"report-id\"", "=22report=\r\n-id=22");
    let wrong = &[Note::TransferEncodingWrong][..];
    let label = &[Note::Mislabelled][..];
    let none = &[][..];
    let b64 = "Content-Transfer-Encoding: base64";
    let table: Vec<(String, &str, &[Note])> = vec![
        (format!("Content-Type: application/tlsrpt+gzip\r\n{b64}"), &zipped, none),
        (format!("Content-Type: application/tlsrpt+gzip\r\n{b64}"), &unbroken, none),
        (format!("Content-Type: application/tlsrpt+gzip\r\n{b64}"), &junk, none),
        (format!("Content-Type: application/gzip\r\n{b64}"), &zipped, none),
        (format!("Content-Type: application/x-gzip\r\n{b64}"), &zipped, none),
        (format!("Content-Type: application/octet-stream\r\n{b64}\r\n{NAME}"), &zipped, none),
        (format!("Content-Type: application/octet-stream\r\n{b64}"), &zipped, none),
        (format!("Content-Type: image/png\r\n{b64}"), &zipped, none),
        (format!("Content-Type: text/plain\r\n{b64}"), &zipped, none),
        (
            "content-TYPE : APPLICATION/TLSRPT+GZIP\r\ncontent-transfer-encoding:BASE64 (x)".to_owned(),
            &zipped,
            none,
        ),
        (format!("{b64}\r\n{NAME}"), &zipped, none),
        (format!("Content-Type: application/tlsrpt+json\r\n{b64}"), &zipped, label),
        ("Content-Type: application/tlsrpt+json".to_owned(), &json, none),
        ("Content-Type: application/json\r\nContent-Transfer-Encoding: 8bit".to_owned(), &json, none),
        ("Content-Type: text/json\r\nContent-Transfer-Encoding: binary".to_owned(), &json, none),
        ("Content-Type: application/octet-stream".to_owned(), &json, none),
        ("Content-Type: application/tlsrpt+gzip".to_owned(), &json, none),
        (
            "Content-Type: application/json\r\nContent-Transfer-Encoding: quoted-printable".to_owned(),
            &quoted,
            none,
        ),
        (
            "Content-Type: application/tlsrpt+gzip\r\nContent-Transfer-Encoding: 7bit".to_owned(),
            &zipped,
            wrong,
        ),
        ("Content-Type: application/tlsrpt+gzip".to_owned(), &zipped, wrong),
        (format!("Content-Type: application/tlsrpt+json\r\n{b64}"), &json, wrong),
        (format!("Content-Type: text/plain; name=r.json\r\n{b64}"), &zipped, label),
    ];
    for (index, (fields, body, notes)) in table.iter().enumerate() {
        for kind in ["report; report-type=tlsrpt", "mixed", "alternative"] {
            let mail = mail_of(kind, &[part("Content-Type: text/plain", "Hello {name}"), part(fields, body)]);
            let found = look("m.eml", mail.as_bytes());
            // The line end before a boundary is not the part's; JSON in the open loses its own.
            assert_eq!(found.members.len(), 1, "row {index}: {found:?}");
            assert_eq!(found.members[0].contents.trim_ascii(), REPORT.trim_ascii(), "row {index}");
            assert_eq!(found.members[0].notes, *notes, "row {index}");
        }
        // The same as the one and only part.
        let mail = format!("From: a@example.com\r\nSubject: one\r\n{fields}\r\n\r\n{body}\r\n");
        let found = look("m.eml", mail.as_bytes());
        assert_eq!(found.members.len(), 1, "row {index}: {found:?}");
        assert_eq!(found.members[0].contents.trim_ascii(), REPORT.trim_ascii(), "row {index}");
    }
}

/// Proves: R3
#[test]
fn binary_parts_are_read_as_they_stand() {
    let mut mail = b"From: a@example.com\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\
        Content-Type: application/gzip\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        .to_vec();
    mail.extend(gz(REPORT));
    mail.extend(b"\r\n--b--\r\n");
    assert!(look("m.eml", &mail).only().notes.is_empty());
}

/// Proves: R3
#[test]
fn names_in_pieces_and_in_encoded_words_end_in_the_path() {
    for (fields, path) in [
        (
            "Content-Type: application/tlsrpt+gzip;\r\n name*0=\"example.com!a.example!\";\r\n name*1=\"1!2.json.gz\"",
            "m.eml!example.com!a.example!1!2.json.gz",
        ),
        ("Content-Type: application/gzip; name=\"=?utf-8?Q?r=2Ejson?=\"", "m.eml!r.json"),
        ("Content-Disposition: attachment; filename*=utf-8''r%2Ejson", "m.eml!r.json"),
        (
            "Content-Type: application/gzip; name=a.gz\r\nContent-Disposition: attachment; filename=b.gz",
            "m.eml!b.gz",
        ),
        ("Content-Type: application/gzip; name=\"..\\\\x\x07.gz\"", "m.eml!..\\x\u{fffd}.gz"),
        ("Content-Type: application/gzip", "m.eml!part 2"),
    ] {
        let fields = format!("{fields}\r\nContent-Transfer-Encoding: base64");
        let mail = mail_of("mixed", &[part("", "hello"), part(&fields, &base64(&gz(REPORT)))]);
        assert_eq!(look("m.eml", mail.as_bytes()).only().path, path);
    }
}

#[test]
fn forwarded_mails_are_opened_at_every_level_and_in_every_encoding() {
    let mut mail = report_mail(REPORT).replace("Subject: Report", "Subject: Inner").replace("=_b", "=_inner");
    mail.insert_str(0, ">From someone\r\n");
    for level in 0..3 {
        let (fields, body) = match level {
            0 => ("Content-Type: message/rfc822", mail.clone()),
            1 => (
                "Content-Type: message/rfc822; name=\"Re: x.eml\"\r\nContent-Transfer-Encoding: base64",
                base64(mail.as_bytes()),
            ),
            _ => ("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit", mail.clone()),
        };
        mail = mail_of("mixed", &[part("Content-Type: text/plain", "see below"), part(fields, &body)])
            .replace("=_b", &format!("=_{level}"));
    }
    let found = look("m.eml", mail.as_bytes());
    let path = "m.eml!message!Re: x.eml!message!example.com!a.example!1!2.json.gz";
    assert_eq!(found.only().path, path);
    assert_eq!(found.only().subject.as_deref(), Some("Inner"));
    assert_eq!(found.summary.mails, 4);
}

#[test]
fn mails_attached_as_files_are_opened() {
    let inner = report_mail(REPORT).replace("=_b", "=_inner");
    for (fields, body) in [
        ("Content-Type: application/octet-stream; name=x.eml", inner.clone()),
        (
            "Content-Type: application/octet-stream; name=x.eml\r\nContent-Transfer-Encoding: base64",
            base64(inner.as_bytes()),
        ),
        (
            "Content-Type: application/gzip; name=x.eml.gz\r\nContent-Transfer-Encoding: base64",
            base64(&gz(inner.as_bytes())),
        ),
    ] {
        let mail = mail_of("mixed", &[part(fields, &body)]);
        let found = look("m.eml", mail.as_bytes());
        assert!(found.only().path.ends_with("!example.com!a.example!1!2.json.gz"));
    }
}

/// All reports of a mail, in order, and the mail each came in.
#[test]
fn every_report_of_a_mail_is_found() {
    let gzip = |name: &str| {
        part(
            &format!(
                "Content-Type: application/tlsrpt+gzip; name={name}\r\nContent-Transfer-Encoding: base64"
            ),
            &base64(&gz(REPORT)),
        )
    };
    let mail =
        mail_of("mixed", &[gzip("a.json.gz"), gzip("b.json.gz"), part("Content-Type: image/png", "x")]);
    let found = look("m.eml", mail.as_bytes());
    assert_eq!(found.paths(), ["m.eml!a.json.gz", "m.eml!b.json.gz"]);
    assert_eq!(found.summary.ignored, 1);
}

#[test]
fn json_in_a_text_part_counts_only_when_there_is_nothing_better() {
    let json = text(REPORT);
    let plain = part("Content-Type: text/plain", &json);
    let found = look("m.eml", mail_of("mixed", &[plain.clone(), plain.clone()]).as_bytes());
    assert_eq!(found.paths(), ["m.eml!part 1"]);

    let better =
        part("Content-Type: application/gzip\r\nContent-Transfer-Encoding: base64", &base64(&gz(REPORT)));
    let found = look("m.eml", mail_of("mixed", &[plain, better]).as_bytes());
    assert_eq!(found.paths(), ["m.eml!part 2"]);

    let untyped = format!("From: a@example.com\r\nSubject: x\r\n\r\n{json}");
    assert_eq!(look("m.eml", untyped.as_bytes()).members.len(), 1);
}

#[test]
fn a_mail_without_a_report_is_sound_and_empty() {
    for mail in [
        mail_of(
            "alternative",
            &[part("Content-Type: text/plain", "[image: x] {name}"), part("Content-Type: text/html", "<p>")],
        ),
        mail_of("mixed", &[]),
        "From: a@example.com\r\nSubject: x\r\n\r\nhello\r\n".to_owned(),
        "From: a@example.com\r\nSubject: x\r\n".to_owned(),
        mail_of(
            "mixed",
            &[part("Content-Type: image/png\r\nContent-Transfer-Encoding: base64", "eAGqqqqqqqqqqqqq")],
        ),
    ] {
        let found = look("m.eml", mail.as_bytes());
        assert!(found.summary.no_candidates(), "{found:?}");
        assert_eq!(found.summary.mails, 1);
    }
}

#[test]
fn a_part_that_claims_to_be_a_report_and_is_none_is_said() {
    let mail = mail_of(
        "mixed",
        &[
            part("Content-Type: application/tlsrpt+gzip; name=a.gz", "nothing of the kind"),
            part("Content-Type: application/gzip", ""),
            part("Content-Type: application/octet-stream; name=b.bin", "passed over"),
        ],
    );
    let found = look("m.eml", mail.as_bytes());
    let expected =
        [("m.eml!a.gz".to_owned(), Refusal::Unrecognised), ("m.eml!part 2".to_owned(), Refusal::Empty)];
    assert_eq!(found.refused, expected);
    assert_eq!(found.summary.ignored, 1);
}

#[test]
fn a_missing_last_boundary_and_an_archive_inside_are_no_obstacle() {
    let archive = zip_of(&[("a.json", REPORT), ("b.json", REPORT)]);
    let mail = mail_of(
        "mixed",
        &[part(
            "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64",
            &base64(&archive),
        )],
    );
    let open = mail.strip_suffix("--=_b--\r\n").unwrap();
    assert_eq!(look("m.eml", open.as_bytes()).paths(), ["m.eml!part 1!a.json", "m.eml!part 1!b.json"]);
}

#[test]
fn a_mailbox_gives_the_reports_of_all_its_mails() {
    let from = "From tls@example.com Sat Jan  3 01:02:03 2026\r\n";
    let json = text(REPORT);
    let quoted = mail_of(
        "mixed",
        &[
            part("Content-Type: text/plain", ">From here\r\n>>From there"),
            part("Content-Type: application/json", &json),
        ],
    );
    let none = "From: a@example.com\r\nSubject: none\r\n\r\nnothing\r\n";
    let mailbox =
        [report_mail(REPORT).as_str(), none, &quoted].map(|mail| format!("{from}{mail}\r\n")).concat();
    for mailbox in [mailbox.clone(), mailbox.replace("\r\n", "\n")] {
        for name in ["box.mbox", "box", "box.eml"] {
            let found = look(name, mailbox.as_bytes());
            let paths =
                [format!("{name}!mail 1!example.com!a.example!1!2.json.gz"), format!("{name}!mail 3!part 2")];
            assert_eq!(found.paths(), paths);
            assert_eq!(found.summary.mails, 3);
        }
    }
    // Compressed, it is the same.
    assert_eq!(look("box.mbox.gz", &gz(mailbox.as_bytes())).members.len(), 2);
    // A mail saved with its `From ` line is just a mail.
    let single = format!("{from}{}", report_mail(REPORT));
    assert_eq!(look("m.eml", single.as_bytes()).only().path, "m.eml!example.com!a.example!1!2.json.gz");
}
