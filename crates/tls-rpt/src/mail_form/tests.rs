//! The mail and HTTPS forms: what is built is read back, by our own readers and by an independent mail parser.

use super::*;
use crate::text::Text;
use mail_parser::{MessageParser, MimeHeaders};
use proptest::prelude::*;
use std::io::Read as _;

const JSON: &[u8] = br#"{"organization-name":"Example","policies":[]}"#;

fn subject() -> Subject {
    Subject::new("example.net", "out.sender.example", "2026-11-23.17+a_b=c@ids.example").unwrap()
}

fn filename(packing: Packing) -> Filename {
    let range = (1_795_564_800, 1_795_651_199);
    Filename::new("out.sender.example", "example.net", range, Some("001"), packing).unwrap()
}

fn envelope<'a>(subject: &'a Subject, filename: &'a Filename, report: &'a [u8]) -> Envelope<'a> {
    Envelope {
        from: Mailbox { name: Some("Postmaster (reports)"), address: "tlsrpt@out.sender.example" },
        to: Mailbox { name: None, address: "reports@example.net" },
        subject,
        date: 1_795_660_000,
        message_id: "1.2@out.sender.example",
        boundary: "part_0123456789",
        summary: "12 sessions, none failed.",
        filename,
        report,
    }
}

/// Proves: I9
#[test]
fn a_subject_is_built_and_read_back_folded_or_not() {
    let built = subject().build();
    assert_eq!(
        built,
        "Report Domain: example.net Submitter: out.sender.example Report-ID: <2026-11-23.17+a_b=c@ids.example>"
    );
    for read in [built.clone(), built.replace(' ', "\r\n\t "), format!("{built} (sent by (a) machine)\r\n ")]
    {
        assert_eq!(Subject::parse(&read), Some(subject()), "{read:?}");
    }
}

/// Proves: I9
#[test]
fn a_subject_outside_the_grammar_is_refused_strictly_and_its_parts_are_found() {
    let rows: [(&str, [Option<&str>; 3]); 6] = [
        (
            "report domain: a.example submitter: b.example report-id: x",
            [Some("a.example"), Some("b.example"), Some("x")],
        ),
        (
            "Report Domain: a.example Report-ID: <x@y> Submitter: b.example",
            [Some("a.example"), Some("b.example"), Some("x@y")],
        ),
        ("Fwd: Report Domain: a.example Submitter: b.example", [Some("a.example"), Some("b.example"), None]),
        ("Report Domain: Submitter: b.example Report-ID: <>", [None, Some("b.example"), None]),
        (
            "Report Domain: a.example Submitter: b.example Report-ID: <x@y> trailing",
            [Some("a.example"), Some("b.example"), Some("x@y")],
        ),
        ("Delivery failed", [None, None, None]),
    ];
    for (text, [domain, submitter, report_id]) in rows {
        assert_eq!(Subject::parse(text), None, "{text}");
        let expected = FoundSubject {
            domain: domain.map(Text::new),
            submitter: submitter.map(Text::new),
            report_id: report_id.map(Text::new),
        };
        assert_eq!(Subject::recognise(text), expected, "{text}");
    }
}

#[test]
fn any_report_id_becomes_one_that_a_subject_can_hold() {
    let rows = [
        ("2025-06-01T00:00:00Z_example.com", "2025-06-01T00.00.00Z_example.com@s.example"),
        ("a@b.example", "a.b.example@s.example"),
        ("../../etc", "etc@s.example"),
        ("<>\r\n", "report@s.example"),
        ("", "report@s.example"),
    ];
    for (id, expected) in rows {
        let made = Subject::report_id_for(id, "s.example");
        assert_eq!(made, expected);
        assert!(Subject::new("a.example", "s.example", &made).is_ok());
    }
}

/// Proves: I10
#[test]
fn a_file_name_is_built_and_read_back() {
    let name = "out.sender.example!example.net!1795564800!1795651199!001.json.gz";
    assert_eq!(filename(Packing::Gzip).build(), name);
    assert_eq!(Filename::parse(name), Some(filename(Packing::Gzip)));
    let short = Filename::new("a.example", "b.example", (0, 86_399), None, Packing::Json).unwrap();
    assert_eq!(short.build(), "a.example!b.example!0!86399.json");
    assert_eq!(Filename::parse(&short.build()), Some(short));
}

/// Proves: I10
#[test]
fn a_file_name_outside_the_grammar_is_refused_strictly_and_its_parts_are_found() {
    let refused = [
        "a.example!b.example!1!2.JSON",
        "a.example!b.example!1!2!x-1.json",
        "a.example!b.example!1!2!x!y.json",
        "a.example!b.example!1.json",
        "a.example!b.example!2!1.json",
        "a.example!b.example!-1!1.json",
        "a.example!b.example!1!2.json.zip",
        "a_x.example!b.example!1!2.json",
        "../a.example!b.example!1!2.json",
        "a.example!b.example!1!99999999999999999999.json",
        "",
    ];
    for name in refused {
        assert_eq!(Filename::parse(name), None, "{name}");
    }
    let found = Filename::recognise("C:\\in\\A.example!b.example!1!2!x-1!more.JSON.GZ");
    let expected = FoundFilename {
        sender: Some("A.example".into()),
        policy_domain: Some("b.example".into()),
        begin: Some(1),
        end: Some(2),
        unique_id: Some("x-1".into()),
        packing: Some(Packing::Gzip),
    };
    assert_eq!(found, expected);
    assert_eq!(Filename::recognise("report.json").packing, Some(Packing::Json));
    assert_eq!(Filename::recognise("report.json").sender, None);
    assert_eq!(Filename::recognise("a!b!x!2").begin, None);
}

/// Proves: I1, I2, I9, I10, I11
#[test]
fn an_independent_parser_reads_the_mail_back() {
    let (subject, filename) = (subject(), filename(Packing::Gzip));
    let report = pack(JSON, Packing::Gzip).unwrap();
    let mail = envelope(&subject, &filename, &report).build().unwrap();
    let message = MessageParser::default().parse(&mail).unwrap();

    assert_eq!(Subject::parse(message.subject().unwrap()), Some(subject.clone()));
    assert_eq!(message.header("TLS-Report-Domain").unwrap().as_text(), Some("example.net"));
    assert_eq!(message.header("TLS-Report-Submitter").unwrap().as_text(), Some("out.sender.example"));
    assert_eq!(message.header("TLS-Required").unwrap().as_text(), Some("No"));
    assert_eq!(message.date().unwrap().to_timestamp(), 1_795_660_000);
    assert_eq!(message.message_id(), Some("1.2@out.sender.example"));
    let from = message.from().unwrap().first().unwrap();
    assert_eq!(from.address(), Some("tlsrpt@out.sender.example"));
    assert_eq!(from.name(), Some("Postmaster (reports)"));

    let top = message.content_type().unwrap();
    assert_eq!((top.ctype(), top.subtype()), ("multipart", Some("report")));
    assert_eq!(top.attribute("report-type"), Some("tlsrpt"));
    assert_eq!(message.parts.len(), 3, "the whole and its two parts, in this order");
    assert_eq!(message.body_text(0).unwrap().trim_end(), "12 sessions, none failed.");
    let attached = message.attachment(0).unwrap();
    let kind = attached.content_type().unwrap();
    assert_eq!((kind.ctype(), kind.subtype()), ("application", Some("tlsrpt+gzip")));
    assert_eq!(attached.attachment_name().and_then(Filename::parse), Some(filename));
    let mut json = Vec::new();
    flate2::read::GzDecoder::new(attached.contents()).read_to_end(&mut json).unwrap();
    assert_eq!(json, JSON);
}

/// Proves: I1
#[test]
fn every_line_of_the_mail_is_short_ascii() {
    let (subject, filename) = (subject(), filename(Packing::Json));
    let report: Vec<u8> = (0..=255).cycle().take(5_000).collect();
    let mut mail = envelope(&subject, &filename, &report);
    let summary = format!("Grüße aus München\n{}\n.\nFrom here \n\ttab", "a very long line ".repeat(20));
    mail.summary = &summary;
    mail.from.name = Some("Prüfstelle für Übertragungssicherheit und noch ein paar Wörter mehr");
    let bytes = mail.build().unwrap();
    assert!(bytes.is_ascii());
    let text = String::from_utf8(bytes.clone()).unwrap();
    for line in text.split("\r\n") {
        assert!(!line.contains(['\r', '\n']));
        assert!(line.len() <= 78 || line.contains("filename="), "{line}");
    }
    let message = MessageParser::default().parse(&bytes).unwrap();
    assert_eq!(message.from().unwrap().first().unwrap().name(), mail.from.name);
    assert_eq!(message.body_text(0).unwrap().replace("\r\n", "\n").trim_end_matches('\n'), summary);
    let attached = message.attachment(0).unwrap();
    assert_eq!(attached.content_type().unwrap().subtype(), Some("tlsrpt+json"));
    assert_eq!(attached.contents(), report);
}

#[test]
fn nothing_gets_into_a_header_that_could_end_it() {
    let (subject, filename) = (subject(), filename(Packing::Gzip));
    let base = envelope(&subject, &filename, b"x");
    let attack = "a@b.example>\r\nBcc: <everyone@c.example";
    let with = |change: &dyn Fn(&mut Envelope<'_>)| {
        let mut mail = base.clone();
        change(&mut mail);
        mail.build()
    };
    assert!(matches!(with(&|mail| mail.to.address = attack), Err(FormError::Address(_))));
    assert!(matches!(with(&|mail| mail.from.address = "a b@c.example"), Err(FormError::Address(_))));
    assert!(matches!(with(&|mail| mail.from.address = "ä@c.example"), Err(FormError::Address(_))));
    assert_eq!(with(&|mail| mail.from.name = Some("x\r\nBcc: y")), Err(FormError::DisplayName));
    assert!(matches!(with(&|mail| mail.message_id = "x@y>\r\nA: b"), Err(FormError::MessageId(_))));
    assert_eq!(with(&|mail| mail.boundary = "a\"\r\nb"), Err(FormError::Boundary));
    assert_eq!(with(&|mail| mail.boundary = ""), Err(FormError::Boundary));
    assert_eq!(with(&|mail| mail.summary = "x\n--part_0123456789--\ny"), Err(FormError::Boundary));
    assert_eq!(with(&|mail| mail.date = -1), Err(FormError::Date(-1)));
    for bad in ["", "a..b", "-a.example", "a b", "a\r\nb", "ä.example", "a!b.example"] {
        assert!(Subject::new(bad, "b.example", "x@y").is_err(), "{bad}");
        assert!(Filename::new("a.example", bad, (1, 2), None, Packing::Json).is_err(), "{bad}");
    }
    for bad in ["", "x", "x@", "x@y@z", "x y@z", "x@y>", "2025-06-01T00:00:00Z@x"] {
        assert!(Subject::new("a.example", "b.example", bad).is_err(), "{bad}");
    }
}

#[test]
fn subject_and_file_name_must_agree() {
    let subject = Subject::new("example.net", "other.example", "x@y").unwrap();
    assert_eq!(envelope(&subject, &filename(Packing::Gzip), b"x").build(), Err(FormError::Mismatch));
}

/// Proves: J1, I11
#[test]
fn the_posted_form_names_its_type_and_is_the_same_every_time() {
    let packed = post(JSON, Packing::Gzip).unwrap();
    assert_eq!(packed.content_type, "application/tlsrpt+gzip");
    assert_eq!(packed, post(JSON, Packing::Gzip).unwrap());
    // RFC 1952 §2.3: magic, deflate, no flags, no time.
    assert_eq!(packed.body[..8], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
    let plain = post(JSON, Packing::Json).unwrap();
    assert_eq!((plain.content_type, &plain.body[..]), ("application/tlsrpt+json", JSON));
}

proptest! {
    #[test]
    fn subjects_and_names_survive_a_round_trip(
        domain in "[a-z0-9]{1,10}(\\.[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?){1,3}",
        id in "[A-Za-z0-9+_=-]{1,20}@[a-z]{1,8}\\.example",
        begin in 0..4_000_000_000_i64, length in 0..700_000_i64,
        unique in proptest::option::of("[A-Za-z0-9]{1,12}"), gzip in any::<bool>(),
    ) {
        let subject = Subject::new(&domain, "s.example", &id).unwrap();
        prop_assert_eq!(Subject::parse(&subject.build()), Some(subject.clone()));
        let found = Subject::recognise(&subject.build());
        prop_assert_eq!(found.report_id.as_deref(), Some(subject.report_id()));
        let packing = if gzip { Packing::Gzip } else { Packing::Json };
        let name = Filename::new("s.example", &domain, (begin, begin + length), unique.as_deref(), packing).unwrap();
        prop_assert_eq!(Filename::parse(&name.build()), Some(name.clone()));
        let found = Filename::recognise(&name.build());
        prop_assert_eq!(found.policy_domain.as_deref(), Some(name.policy_domain()));
    }

    #[test]
    fn any_text_as_subject_or_name_is_read_without_harm(text in ".{0,200}") {
        let _ = (Subject::parse(&text), Subject::recognise(&text));
        let _ = (Filename::parse(&text), Filename::recognise(&text));
    }

    #[test]
    fn any_summary_and_name_come_back_from_the_mail(
        summary in "[^\\r\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f]{0,300}", name in "[^\\x00-\\x1f\\x7f-\\x9f<>\"]{1,60}",
    ) {
        let (subject, filename) = (subject(), filename(Packing::Gzip));
        let mut mail = envelope(&subject, &filename, b"x");
        mail.summary = &summary;
        mail.from.name = Some(&name);
        let bytes = mail.build().unwrap();
        prop_assert!(bytes.is_ascii());
        let message = MessageParser::default().parse(&bytes).unwrap();
        prop_assert_eq!(message.parts.len(), 3);
        let text = message.body_text(0).unwrap().replace("\r\n", "\n");
        prop_assert_eq!(text.trim_end_matches('\n'), summary.trim_end_matches('\n'));
        prop_assert_eq!(message.attachment(0).unwrap().contents(), b"x");
    }
}
