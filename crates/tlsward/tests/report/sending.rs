//! Reports go out, by mail and by POST, once; what comes back.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use tlsward_engine::ports::OutgoingState;

use crate::dkim;
use crate::program::{run, run_with};
use crate::scene::{Scene, TOKEN, line, now, post};
use crate::server::{PATIENCE, Server};

/// Proves: G7, H1, H8, I1, I2, I3, I9, I10, I11, J1, J2
#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_past_days_are_reported_by_mail_and_by_https_and_once() {
    let mut scene = Scene::start().await;
    let records = scene.dkim_records();
    assert_eq!(records.len(), 2);
    scene
        .world
        .edit(|world| records.iter().for_each(|(name, text)| world.set_txt(name, &[text])))
        .await
        .unwrap();
    // As old as a session may be: its day has closed, and the hours over which reports are spread are over too.
    let time = format!(",\"time\":{}", now() - 2 * 86_400 + 3_600);
    let lines = [
        line("mail.test", "success", &format!("{time},\"session-count\":40")),
        line(
            "mail.test",
            "certificate-expired",
            &format!("{time},\"receiving-mx-hostname\":\"mx1.mail.test\""),
        ),
        line("post.test", "success", &time),
        line("deaf.test", "success", &time),
        line("quiet.test", "success", &time),
        "{\"domain\":\"mail.test\",\"result\":\"sucess\",\"policy-type\":\"sts\"}\n".to_owned(),
    ];
    fs::write(scene.path("sessions.jsonl"), lines.concat()).unwrap();

    let server = Server::start(&scene.config());
    for _ in 0..2 {
        let line = server.wait_for("the DKIM record for reports is published");
        assert!(line.contains("_domainkey.sender.test"), "{line}");
    }
    server.wait_for("sent=2");
    let mail = scene.relay.next();
    assert_eq!(mail.to, "tlsrpt@mail.test");
    assert!(mail.from.starts_with("back+") && mail.from.ends_with("@sender.test"), "{}", mail.from);
    let text = String::from_utf8(mail.message.clone()).unwrap();
    let (head, _) = text.split_once("\r\n\r\n").unwrap();
    let flat = head.replace("\r\n\t", " ").replace("\r\n ", " ");
    for part in [
        "TLS-Report-Domain: mail.test",
        "TLS-Report-Submitter: sender.test",
        "TLS-Required: No",
        "Subject: Report Domain: mail.test Submitter: sender.test Report-ID: <",
        "Content-Type: multipart/report; report-type=\"tlsrpt\"",
        "<tlsrpt@sender.test>",
    ] {
        assert!(flat.contains(part), "{part}: {head}");
    }
    assert!(text.contains("application/tlsrpt+gzip") && text.contains("sender.test!mail.test!"), "{text}");
    assert_eq!(dkim::verdicts(&mail.message, &records).await, [true, true]);

    // Our own reader has nothing to mend.
    let read = run_with(&["read", "--json", "-"], &mail.message);
    assert_eq!(read.code, Some(0), "{}", read.err);
    let report: serde_json::Value = serde_json::from_str(read.out.trim()).unwrap();
    assert_eq!(report["tlsward"]["repairs"], serde_json::json!([]), "{report}");
    assert_eq!(report["organization-name"], "Sender, Inc.");
    let policy = &report["policies"][0];
    assert_eq!(policy["policy"]["policy-domain"], "mail.test");
    assert_eq!(policy["summary"]["total-successful-session-count"], 40);
    assert_eq!(policy["summary"]["total-failure-session-count"], 1);
    assert_eq!(policy["failure-details"][0]["result-type"], "certificate-expired");

    let posted = scene.world.take_posted();
    assert_eq!(posted.len(), 1);
    assert_eq!(
        (posted[0].path.as_str(), posted[0].content_type.as_deref()),
        ("/good", Some("application/tlsrpt+gzip"))
    );
    let read = run_with(&["read", "--json", "-"], &posted[0].body);
    assert!(read.out.contains("\"policy-domain\":\"post.test\""), "{}", read.out);
    assert_eq!(server.metric("tlsward_sessions_total{result=\"counted\"}"), 43);
    assert_eq!(server.metric("tlsward_sessions_total{result=\"left-out\"}"), 1);
    assert_eq!(server.metric("tlsward_session_refused_total{kind=\"line\"}"), 1);

    // What the pages show is what went out.
    let list = server.asked("outgoing?domain=mail.test&state=sent");
    let id = list["items"][0]["id"].as_str().unwrap();
    let shown = server.asked(&format!("outgoing/{id}"));
    assert_eq!(shown["report"]["report-id"], report["report-id"]);
    assert_eq!(shown["report"]["policies"], report["policies"]);
    let counted =
        server.asked(&format!("sessions?domain=mail.test&day={}", list["items"][0]["day"].as_str().unwrap()));
    assert_eq!(counted["items"][0]["by_result_type"][0]["result_type"], "certificate-expired", "{counted}");
    server.kill();

    // The file is not read again, and nothing goes out twice.
    let server = Server::start(&scene.config());
    server.wait_for("the DKIM record for reports is published");
    server.until("tlsward_sessions_counted_until_timestamp_seconds", 1);
    assert_eq!(post(&server, TOKEN, &line("mail.test", "success", "")), 200);
    server.until("tlsward_sessions_total{result=\"counted\"}", 1);
    assert_eq!(server.metric("tlsward_sessions_total{result=\"counted\"}"), 1);
    let list = server.asked("outgoing?domain=mail.test&state=waiting");
    let ahead = server.asked(&format!("outgoing/{}", list["items"][0]["id"].as_str().unwrap()));
    let summary = &ahead["report"]["policies"][0]["summary"];
    assert_eq!(summary["total-successful-session-count"], 1, "seen before it is sent: {ahead}");
    server.stop();
    assert!(scene.relay.rest().is_empty() && scene.world.take_posted().is_empty());
    let reports = scene.outgoing().await;
    let states: Vec<_> =
        reports.iter().map(|line| (line.key.domain.as_str(), line.state, line.successful)).collect();
    assert_eq!(
        states,
        [
            ("mail.test", OutgoingState::Waiting, 1),
            ("deaf.test", OutgoingState::Waiting, 1),
            ("mail.test", OutgoingState::Sent, 40),
            ("post.test", OutgoingState::Sent, 1),
        ]
    );
    assert!(
        reports[1].reason.contains("503") && reports[1].at > now(),
        "tried again later: {:?}",
        reports[1]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bounce_moves_on_to_the_next_place_and_is_no_report() {
    let mut scene = Scene::start().await;
    scene
        .world
        .edit(|world| {
            let record = "v=TLSRPTv1; rua=mailto:gone@mail.test,https://reports.post.test/good";
            world.set_txt("_smtp._tls.mail.test", &[record]);
        })
        .await
        .unwrap();
    let time = format!(",\"time\":{}", now() - 2 * 86_400 + 3_600);
    fs::write(scene.path("sessions.jsonl"), line("mail.test", "success", &time)).unwrap();
    let server = Server::start(&scene.config());
    let warning = server.wait_for("publish this record");
    assert!(warning.contains("s=email:tlsrpt"), "{warning}");
    let mail = scene.relay.next();
    assert_eq!(mail.to, "gone@mail.test");
    server.wait_for("sent=1");

    let address = server.place("Reports by mail").split(' ').next().unwrap();
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    let mut say = |text: &str, code: &str| {
        (&stream).write_all(text.as_bytes()).unwrap();
        loop {
            let mut line = String::new();
            lines.read_line(&mut line).unwrap();
            if line.as_bytes().get(3) != Some(&b'-') {
                assert!(line.starts_with(code), "{text}: {line}");
                return;
            }
        }
    };
    say("", "220");
    say("EHLO mx.sender.test\r\n", "250");
    say("MAIL FROM:<>\r\n", "250");
    say("RCPT TO:<somebody@sender.test>\r\n", "550");
    say(&format!("RCPT TO:<{}>\r\n", mail.from), "250");
    say("DATA\r\n", "354");
    say(
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\
         Content-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.sender.test\r\n\r\n\
         Final-Recipient: rfc822; gone@mail.test\r\nAction: failed\r\nStatus: 5.1.1\r\n\
         Diagnostic-Code: smtp; 550 5.1.1 no such mailbox\r\n\r\n--b--\r\n.\r\n",
        "250",
    );
    let told = server.wait_for("a report came back");
    assert!(told.contains("no such mailbox"), "{told}");
    let (_, reports) = server.http("Pages", "GET /api/v1/reports HTTP/1.1", b"");
    assert!(reports.contains("\"items\":[]"), "{reports}");
    let (_, shelf) = server.http("Pages", "GET /api/v1/set-aside HTTP/1.1", b"");
    assert!(shelf.contains("\"items\":[]"), "{shelf}");
    server.stop();

    // A round comes at once after a start.
    let server = Server::start(&scene.config());
    server.wait_for("sent=1");
    server.stop();
    assert_eq!(scene.world.take_posted().len(), 1);
    let reports = scene.outgoing().await;
    assert_eq!(reports.len(), 1);
    assert_eq!(
        (reports[0].state, reports[0].reason.as_str()),
        (OutgoingState::Sent, "https://reports.post.test/good")
    );
}

#[test]
fn the_records_to_publish_need_a_configuration_that_reports() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("tlsward.toml");
    fs::write(&config, "[web]\n").unwrap();
    let ran = run(&["report".as_ref(), "dkim".as_ref(), "--config".as_ref(), config.as_os_str()]);
    assert_eq!(ran.code, Some(78));
    assert!(ran.err.contains("has no [report]"), "{}", ran.err);
}
