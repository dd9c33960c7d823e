//! Days that pass, and servers that were down meanwhile: the clock of the program is set by libfaketime.

use std::fs;
use std::io::Write as _;

use tlsward_engine::ports::OutgoingState;
use tlsward_lab::world::ReportDesk;

use crate::dkim;
use crate::program::run_with;
use crate::relay::Taken;
use crate::scene::{DAY, Scene, TOKEN, line, midnight, post, tell};

const SENT: &str = "tlsward_outgoing_reports_total{outcome=\"sent\"}";
const AGAIN: &str = "tlsward_outgoing_reports_total{outcome=\"again\"}";
const GIVEN_UP: &str = "tlsward_outgoing_reports_total{outcome=\"given-up\"}";
const SKIPPED: &str = "tlsward_outgoing_reports_total{outcome=\"skipped\"}";
/// After midnight: every report of the day before is due by then.
const ALL_DUE: i64 = 5 * 3600;
const NOON: i64 = DAY / 2;

/// The report in a mail.
fn report_in(mail: &Taken) -> serde_json::Value {
    let read = run_with(&["read", "--json", "-"], &mail.message);
    assert_eq!(read.code, Some(0), "{}", read.err);
    serde_json::from_str(read.out.trim()).unwrap()
}

/// Adds sessions to the file that the server follows.
fn add_lines(scene: &Scene, lines: &[String]) {
    let mut file =
        fs::OpenOptions::new().append(true).create(true).open(scene.path("sessions.jsonl")).unwrap();
    file.write_all(lines.concat().as_bytes()).unwrap();
}

fn at(time: i64) -> String {
    format!(",\"time\":{time}")
}

/// Proves: H6, I12, J5
#[tokio::test(flavor = "multi_thread")]
async fn an_outage_over_two_midnights_costs_no_day_its_report() {
    let scene = Scene::start().await;
    let socket = scene.path("tlsrpt.sock");
    let midnight = midnight();
    // The day before yesterday, late: killed with its sessions in the journal, counted or not.
    let server = scene.server_at(midnight - DAY - 1_800);
    (0..5).for_each(|_| assert!(tell(&socket, "mail.test")));
    assert_eq!(post(&server, TOKEN, &line("post.test", "success", "")), 200);
    server.until("tlsward_session_records_total", 6);
    server.kill();
    // Yesterday the server was down, and mail went out: another mail server wrote it down.
    let yesterday = at(midnight - DAY + NOON);
    let (mail, deaf) = (line("mail.test", "success", &yesterday), line("deaf.test", "success", &yesterday));
    add_lines(&scene, &[mail.clone(), mail.clone(), deaf, mail]);

    let today = midnight + ALL_DUE;
    let server = scene.server_at(today);
    server.until(SENT, 3);
    server.until(AGAIN, 1);
    (0..2).for_each(|_| assert!(tell(&socket, "mail.test")));
    server.until("tlsward_sessions_total{result=\"counted\"}", 2);
    server.stop();

    // Tomorrow, and what was refused is given up 24 hours after it was offered first: not sooner, because of the outage.
    let server = scene.server_at(today + DAY + 600);
    server.until(SENT, 1);
    server.until(GIVEN_UP, 1);
    server.stop();

    let mut reports: Vec<_> = (0..3).map(|_| report_in(&scene.relay.next())).collect();
    reports.sort_by_key(|report| report["date-range"]["start-datetime"].to_string());
    let ids: std::collections::BTreeSet<_> =
        reports.iter().map(|report| report["report-id"].to_string()).collect();
    assert_eq!((ids.len(), scene.relay.rest().len()), (3, 0));
    for (report, (day, count)) in
        reports.iter().zip([(midnight - 2 * DAY, 5), (midnight - DAY, 3), (midnight, 2)])
    {
        let time = |at: i64| jiff::Timestamp::from_second(at).unwrap().to_string();
        let range = &report["date-range"];
        assert_eq!(
            (&range["start-datetime"], &range["end-datetime"]),
            (&time(day).into(), &time(day + DAY - 1).into())
        );
        assert_eq!(report["policies"][0]["summary"]["total-successful-session-count"], count, "{report}");
    }
    assert_eq!(scene.world.take_posted().len(), 1);
    let deaf = scene.outgoing().await.into_iter().find(|line| line.key.domain == "deaf.test").unwrap();
    assert_eq!(deaf.state, OutgoingState::GivenUp);
    assert!(deaf.reason.contains("503"), "{}", deaf.reason);
}

/// Proves: I10, I12, J5
#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_for_now_is_offered_again_and_a_redirect_is_not_followed() {
    let mut scene = Scene::start().await;
    scene.relay.refuse("tlsrpt@mail.test", 2, "451 4.3.0 later");
    let yesterday = at(midnight() - NOON);
    let start = midnight() + ALL_DUE;
    add_lines(&scene, &["mail.test", "deaf.test"].map(|domain| line(domain, "success", &yesterday)));
    let mut ids = Vec::new();
    for (round, status, time) in [(0, 301, start), (1, 500, start + 400), (2, 201, start + 1_200)] {
        scene.desk("/deaf", ReportDesk { status }).await;
        let server = scene.server_at(time);
        server.until(if round < 2 { AGAIN } else { SENT }, 2);
        for domain in ["deaf.test", "mail.test"] {
            let list = server.asked(&format!("outgoing?domain={domain}"));
            let shown = server.asked(&format!("outgoing/{}", list["items"][0]["id"].as_str().unwrap()));
            ids.push(shown["report_id"].to_string());
            let attempts = shown["attempts"].as_array().unwrap();
            assert_eq!(attempts.len(), (round + 1).min(2), "{shown}");
            let last = attempts.last().unwrap()["error"].as_str().unwrap();
            let why = match domain {
                "mail.test" => "the relay answered 451 to RCPT TO: 4.3.0 later".to_owned(),
                _ => format!("the server answered {}", if round == 0 { 301 } else { 500 }),
            };
            assert!(last.contains(&why), "{last}");
        }
        server.stop();
    }
    assert!(ids.chunks(2).all(|pair| pair == &ids[..2]), "a report keeps its id: {ids:?}");
    let mail = scene.relay.next();
    assert_eq!(format!("{}", report_in(&mail)["report-id"]), ids[1]);
    assert!(scene.relay.rest().is_empty());
    let posted: Vec<_> = scene.world.take_posted().into_iter().map(|posted| posted.path).collect();
    assert_eq!(posted, ["/deaf"], "nothing where the redirect leads");
}

/// Proves: G7, H4, I4
#[tokio::test(flavor = "multi_thread")]
async fn senders_quotas_and_opt_outs_are_those_of_the_configuration() {
    let mut scene = Scene::start().await;
    let collected = ["one.test", "three.test", "two.test"];
    scene
        .world
        .edit(|world| {
            for domain in collected {
                world.domain(domain).rua(&["mailto:tls@collector.test"]).add().unwrap();
            }
            world.domain("x.below.test").rua(&["mailto:tls@elsewhere.test"]).add().unwrap();
            world.domain("y.quiet.test").rua(&["mailto:tls@elsewhere.test"]).add().unwrap();
            world.ensure_zone("second.test", tlsward_lab::world::Signing::Unsigned);
        })
        .await
        .unwrap();
    let keys = "daily_quota = 2\n[[report.identities]]\ndomains = [\".below.test\"]\n\
                organization_name = \"Second\"\ncontact = \"tls@second.test\"\n";
    scene.add_keys(keys);
    scene.change("\"quiet.test\"", "\"quiet.test\", \".quiet.test\"");
    let records = scene.dkim_records();
    assert_eq!(records.len(), 4, "two keys for each sender: {records:?}");
    scene
        .world
        .edit(|world| records.iter().for_each(|(name, text)| world.set_txt(name, &[text])))
        .await
        .unwrap();
    let yesterday = at(midnight() - NOON);
    let told = ["x.below.test", "y.quiet.test", "quiet.test", "deaf.test"].into_iter().chain(collected);
    add_lines(&scene, &told.map(|domain| line(domain, "success", &yesterday)).collect::<Vec<_>>());

    let today = midnight() + ALL_DUE;
    let server = scene.server_at(today);
    server.until(SENT, 3);
    server.until(AGAIN, 2);
    assert_eq!(server.metric("tlsward_sessions_total{result=\"left-out\"}"), 2);
    let waiting = server.asked("outgoing?state=waiting");
    let full: Vec<_> = waiting["items"].as_array().unwrap().iter().collect();
    let full = full.iter().find(|item| item["domain"] != "deaf.test").unwrap();
    assert!(
        full["reason"].as_str().unwrap().contains("collector.test has had its 2 reports of today"),
        "{full}"
    );
    let last = full["domain"].as_str().unwrap().to_owned();
    server.stop();
    let mut mails: Vec<_> = (0..3).map(|_| scene.relay.next()).collect();
    mails.sort_by(|one, other| one.to.cmp(&other.to));
    let to: Vec<_> = mails.iter().map(|mail| mail.to.as_str()).collect();
    assert_eq!(to, ["tls@collector.test", "tls@collector.test", "tls@elsewhere.test"]);
    for (mail, name, contact) in
        [(&mails[0], "Sender, Inc.", "tlsrpt@sender.test"), (&mails[2], "Second", "tls@second.test")]
    {
        let report = report_in(mail);
        assert_eq!((&report["organization-name"], &report["contact-info"]), (&name.into(), &contact.into()));
        let text = String::from_utf8_lossy(&mail.message).replace("\r\n\t", " ").replace("\r\n ", " ");
        let submitter = contact.split('@').nth(1).unwrap();
        for part in [
            &format!("TLS-Report-Submitter: {submitter}"),
            &format!("d={submitter};"),
            &format!("<{contact}>"),
        ] {
            assert!(text.contains(part.as_str()), "{part}: {text}");
        }
        assert_eq!(dkim::verdicts(&mail.message, &records).await, [true, true]);
    }

    // Another day has room again; who is opted out meanwhile gets what was counted no more.
    scene.change("\"quiet.test\"", "\"quiet.test\", \"deaf.test\"");
    let server = scene.server_at(today + DAY + 600);
    server.until(SENT, 1);
    server.until(SKIPPED, 1);
    server.stop();
    let mail = scene.relay.next();
    assert_eq!(
        (mail.to.as_str(), &report_in(&mail)["policies"][0]["policy"]["policy-domain"]),
        ("tls@collector.test", &last.into())
    );
    let deaf = scene.outgoing().await.into_iter().find(|line| line.key.domain == "deaf.test").unwrap();
    assert_eq!((deaf.state, deaf.reason.as_str()), (OutgoingState::Skipped, "opted out"));
    assert!(scene.relay.rest().is_empty() && scene.world.take_posted().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_fails_on_five_days_is_left_alone_for_a_week() {
    let mut scene = Scene::start().await;
    scene
        .world
        .edit(|world| {
            let ruas = ["https://reports.post.test/deaf", "mailto:second@patient.test"];
            world.domain("patient.test").rua(&ruas).add().unwrap();
        })
        .await
        .unwrap();
    let start = midnight() + ALL_DUE;
    let posted = |scene: &Scene| scene.world.take_posted().len();
    for day in [0, 1, 2, 3, 4, 5, 12] {
        let now = start + day * DAY;
        add_lines(&scene, &[line("patient.test", "success", &at(now - ALL_DUE - NOON))]);
        if day == 5 {
            // It works again, and nobody asks.
            scene.desk("/deaf", ReportDesk { status: 201 }).await;
        }
        let server = scene.server_at(now);
        server.until(SENT, 1);
        if day < 12 {
            let list = server.asked("outgoing?domain=patient.test");
            let shown = server.asked(&format!("outgoing/{}", list["items"][0]["id"].as_str().unwrap()));
            let why = shown["attempts"][0]["error"].as_str().unwrap();
            let expected =
                if day < 5 { "the server answered 503" } else { "left alone after failures on 5 days" };
            assert!(why.contains(expected), "{day}: {why}");
            assert_eq!(scene.relay.next().to, "second@patient.test", "the next place gets it");
        }
        server.stop();
        assert_eq!(posted(&scene), usize::from(day == 12), "{day}");
    }
    assert!(scene.relay.rest().is_empty());
}
