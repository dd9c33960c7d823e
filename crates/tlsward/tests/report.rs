//! `tlsward serve` with `[report]`, from the outside: sessions come in by every road, are counted once whatever happens, and
//! their reports go out.

#![expect(clippy::unwrap_used, reason = "a test whose world cannot be set up fails")]

mod dkim;
mod program;
mod relay;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use program::{run, run_with, tlsward};
use relay::Relay;
use rustix::process::{Pid, Signal, kill_process};
use tlsward_engine::ports::{Outbox as _, OutgoingLine, OutgoingQuery, OutgoingState, RecordData};
use tlsward_lab::loopback::{self, Running};
use tlsward_lab::world::{CertificateSpec, HttpsService, Mode, ReportDesk, Site, World};
use tlsward_mta::journal::{Position, Reader, Record};
use tlsward_store::{Quotas, SqliteStore};

/// Longer than anything takes: only a test that fails waits so long.
const PATIENCE: Duration = Duration::from_secs(90);
const KILLS: u32 = 100;
const TOKEN: &str = "a-token-of-two-dozen-characters";

#[expect(
    clippy::disallowed_methods,
    reason = "the binary under test reads the clock, so its world must have the same"
)]
fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// A running server, killed when dropped.
struct Server {
    child: Child,
    err: Receiver<String>,
    greeting: String,
}

/// Every line of a stream, as it comes.
fn follow(stream: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    lines
}

impl Server {
    fn start(config: &Path) -> Self {
        let mut command = tlsward();
        command.arg("serve").arg("--config").arg(config).args(["--log", "info"]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let out = follow(child.stdout.take().unwrap());
        let err = follow(child.stderr.take().unwrap());
        let mut server = Self { child, err, greeting: String::new() };
        loop {
            match out.recv_timeout(PATIENCE) {
                Ok(line) if line.starts_with("Ctrl-C") => return server,
                Ok(line) => server.greeting.push_str(&format!("{line}\n")),
                Err(_) => panic!("no greeting: {:?}", server.err.try_iter().collect::<Vec<_>>()),
            }
        }
    }

    fn place(&self, what: &str) -> &str {
        let line = self.greeting.lines().find_map(|line| line.trim_start().strip_prefix(what));
        line.unwrap_or_else(|| panic!("{what}: {}", self.greeting)).trim()
    }

    /// Waits until the log says this; the line.
    fn wait_for(&self, part: &str) -> String {
        let mut seen = Vec::new();
        loop {
            match self.err.recv_timeout(PATIENCE) {
                Ok(line) if line.contains(part) => return line,
                Ok(line) => seen.push(line),
                Err(_) => panic!("the log never said {part}: {seen:#?}"),
            }
        }
    }

    fn http(&self, place: &str, head: &str, body: &[u8]) -> (u16, String) {
        let address = self.place(place).trim_start_matches("http://").split('/').next().unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let length = body.len();
        write!(stream, "{head}\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n")
            .unwrap();
        stream.write_all(body).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), body.to_owned())
    }

    /// What the API of the pages answers.
    fn asked(&self, path: &str) -> serde_json::Value {
        let (status, text) = self.http("Pages", &format!("GET /api/v1/{path} HTTP/1.1"), b"");
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    fn metric(&self, name: &str) -> u64 {
        let (status, text) = self.http("Pages", "GET /metrics HTTP/1.1", b"");
        assert_eq!(status, 200);
        let line = text.lines().find(|line| line.starts_with(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("{name}: {text}")).rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// Asks until the metric has that value.
    fn until(&self, name: &str, value: u64) {
        let mut last = 0;
        for _ in 0..200_000 {
            last = self.metric(name);
            if last >= value {
                return;
            }
        }
        panic!("{name} is {last} and not {value}");
    }

    fn post(&self, token: &str, lines: &str) -> u16 {
        let head = format!("POST /v1/sessions HTTP/1.1\r\nauthorization: Bearer {token}");
        self.http("Reports by POST", &head, lines.as_bytes()).0
    }

    fn kill(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::KILL).unwrap();
        self.child.wait().unwrap();
    }

    fn stop(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let ended = self.child.wait().unwrap();
        assert_eq!(ended.code(), Some(0), "{:?}", self.err.try_iter().collect::<Vec<_>>());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A world in which reports are wanted, and a sender in it.
struct Scene {
    world: Running,
    relay: Relay,
    folder: tempfile::TempDir,
}

impl Scene {
    async fn start() -> Self {
        let mut world = World::loopback(now());
        world.domain("mail.test").policy(Mode::Enforce).add().unwrap();
        let mut site = Site::default();
        for (domain, path, status) in [("post.test", "/good", 201), ("deaf.test", "/deaf", 503)] {
            world.domain(domain).rua(&[&format!("https://reports.post.test{path}")]).add().unwrap();
            site.desks.insert(path.to_owned(), ReportDesk { status });
        }
        let mut desks = HttpsService::healthy(CertificateSpec::healthy(&["reports.post.test"], world.now));
        desks.sites.insert("reports.post.test".to_owned(), site);
        for address in world.add_host("reports.post.test", 1) {
            world.machine(address).https = Some(desks.clone());
        }
        world.ensure_zone("sender.test", tlsward_lab::world::Signing::Unsigned);
        let world = loopback::start(&world).await.unwrap();
        let scene = Self { world, relay: Relay::start(), folder: tempfile::tempdir().unwrap() };
        fs::write(scene.path("roots.pem"), &scene.world.roots_pem).unwrap();
        fs::write(scene.path("token"), format!("{TOKEN}\n")).unwrap();
        let Running { dns, https_port, smtp_port, .. } = &scene.world;
        let relay = &scene.relay.address;
        let listen = "listen = \"127.0.0.1:0\"";
        let text = format!(
            "data_dir = \"data\"\n[net]\ndns_servers = [\"{dns}\"]\ndnssec = \"off\"\ntrust_roots = \"roots.pem\"\n\
             https_port = {https_port}\nsmtp_port = {smtp_port}\nallow_private_addresses = true\nhostname = \"mx.sender.test\"\n\
             [web]\n{listen}\n[receive.https]\n{listen}\n[receive.smtp]\n{listen}\nrecipients = [\"tlsrpt@sender.test\"]\n\
             [report]\nsocket = \"tlsrpt.sock\"\nsessions = [\"sessions.jsonl\"]\ntoken_file = \"token\"\n\
             organization_name = \"Sender, Inc.\"\ncontact = \"tlsrpt@sender.test\"\nbounces_to = \"back@sender.test\"\n\
             opt_outs = [\"quiet.test\"]\nrelay = \"{relay}\"\n"
        );
        fs::write(scene.config(), text).unwrap();
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self) -> PathBuf {
        self.path("tlsward.toml")
    }

    /// The DKIM records, as the command prints them: name and text.
    fn dkim_records(&self) -> Vec<(String, String)> {
        let ran = run(&["report".as_ref(), "dkim".as_ref(), "--config".as_ref(), self.config().as_os_str()]);
        assert_eq!(ran.code, Some(0), "{}", ran.err);
        let record = |line: &str| {
            let name = line.split(". ").next().unwrap().to_owned();
            (name, line.split('"').skip(1).step_by(2).collect::<String>())
        };
        ran.out.lines().map(record).collect()
    }

    /// The reports in the store of a server that is stopped.
    async fn outgoing(&self) -> Vec<OutgoingLine> {
        let store = SqliteStore::open(self.path("data/tlsward.db"), Quotas::default()).unwrap();
        let lines = store.outgoing(OutgoingQuery { limit: 100, ..OutgoingQuery::default() }).await.unwrap();
        store.close().unwrap();
        lines
    }
}

fn line(domain: &str, result: &str, rest: &str) -> String {
    format!(
        "{{\"domain\":\"{domain}\",\"result\":\"{result}\",\"policy-type\":\"sts\",\"policy-string\":[\"version: STSv1\",\
         \"mode: enforce\",\"mx: mx1.{domain}\",\"max_age: 86400\"],\"mx-host\":[\"mx1.{domain}\"]{rest}}}\n"
    )
}

/// As Postfix does: a socket for each event, which does not wait.
fn tell(socket: &Path, domain: &str) -> bool {
    let client = UnixDatagram::unbound().unwrap();
    client.set_nonblocking(true).unwrap();
    let datagram = format!(
        "{{\"dpv\": \"1\",\"d\": \"{domain}\",\"pr\": \"v=TLSRPTv1; rua=mailto:tlsrpt@{domain}\",\"policies\":[{{\"policy-type\":9,\
         \"t\":0,\"f\":0}}]}}"
    );
    client.send_to(datagram.as_bytes(), socket).is_ok()
}

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
    assert_eq!(server.post(TOKEN, &line("mail.test", "success", "")), 200);
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

/// Sessions in the journal of a server that is stopped: what its appends had completed.
fn in_journal(scene: &Scene) -> u64 {
    let mut reader = Reader::new(scene.path("data/report/journal"), Position::START);
    let end = Position { segment: u64::MAX, offset: 0 };
    let mut sessions = 0;
    let each = |record: Record<'_>| sessions += u64::from(record.payload.starts_with(b"{\"dpv\""));
    let mut each = each;
    while reader.read(end, 1000, &mut each, |damage| panic!("{damage:?}")).unwrap() > 0 {}
    sessions
}

/// Proves: H9
#[tokio::test(flavor = "multi_thread")]
async fn kills_at_any_moment_lose_and_double_no_session_that_was_in_the_journal() {
    let scene = Scene::start().await;
    let socket = scene.path("tlsrpt.sock");
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let (mut taken, mut sent) = (0, 0);
    for round in 0..KILLS {
        let server = Server::start(&scene.config());
        if round == 0 {
            assert_eq!(server.place("TLS sessions"), socket.to_str().unwrap());
            for odd in [&b""[..], b"\xff\xfe{", &[b'['; 4000]] {
                let client = UnixDatagram::unbound().unwrap();
                client.send_to(odd, &socket).unwrap();
            }
        }
        // Some are in the journal for certain …
        let mut some = 0;
        while some < 20 {
            some += u64::from(tell(&socket, "mail.test"));
        }
        server.until("tlsward_session_records_total", some);
        (taken, sent) = (taken + some, sent + some);
        // … and the kill comes in the middle of others, at another moment each time. The queue may be as short as 10: who
        // does not wait loses what does not fit.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        for _ in 0..random % 700 {
            sent += u64::from(tell(&socket, "mail.test"));
        }
        server.kill();
        let appended = in_journal(&scene);
        assert!((taken..=sent).contains(&appended), "{taken} <= {appended} <= {sent}");
        taken = appended;
        sent = appended;
    }
    let server = Server::start(&scene.config());
    server.until("tlsward_sessions_counted_until_timestamp_seconds", 1);
    let lines = format!(
        "{}{}",
        line("mail.test", "success", ""),
        line("post.test", "success", ",\"session-count\":7")
    );
    assert_eq!(server.post(TOKEN, &lines), 200);
    assert_eq!(server.post(TOKEN, "{\"domain\":1}"), 400);
    assert_eq!(server.post("another-token-of-two-dozen-characters", &lines), 401);
    server.stop();
    // What was not counted at the stop is counted now.
    let server = Server::start(&scene.config());
    server.until("tlsward_sessions_counted_until_timestamp_seconds", 1);
    server.stop();
    let reports = scene.outgoing().await;
    let of = |domain: &str| {
        reports.iter().filter(|line| line.key.domain == domain).map(|line| line.successful).sum::<u64>()
    };
    assert_eq!((of("mail.test"), of("post.test")), (taken + 1, 7));
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

/// What Postfix logs of one session at `smtp_tls_loglevel = 2`.
fn logged(host: &str, address: IpAddr, fingerprint: &[u8]) -> String {
    let print = fingerprint.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":");
    let smtp = "sender postfix/smtp[7]";
    format!(
        "Nov 24 08:38:44 {smtp}: {host}[{address}]:25: subject_CN=x, issuer=y, cert fingerprint={print}, pkey fingerprint=00\n\
         Nov 24 08:38:44 {smtp}: Trusted TLS connection established to {host}[{address}]:25: TLSv1.3 with cipher X\n\
         Nov 24 08:38:44 {smtp}: TLSRPT: status=success, domain=mail.test, receiving_mx={host}[{address}]\n"
    )
}

/// Proves: F3, H9
#[tokio::test(flavor = "multi_thread")]
async fn success_under_a_testing_policy_counts_by_what_the_mail_log_says_also_over_a_restart() {
    let scene = Scene::start().await;
    let (log, socket) = (scene.path("mail.log"), scene.path("tlsrpt.sock"));
    let mut config = fs::read_to_string(scene.config()).unwrap();
    config.push_str("postfix_log = \"mail.log\"\n");
    fs::write(scene.config(), config).unwrap();
    fs::write(&log, "").unwrap();
    let (address, fingerprint) = scene.world.world(|world| {
        let address = world.domains["mail.test"].mx[0].addresses[0];
        let shown = world.machines[&address].smtp.as_ref().unwrap().tls.otherwise.clone().unwrap();
        // The digest of the whole certificate.
        let RecordData::Tlsa { data, .. } = world.pki.tlsa(&shown, 3, 0, 1).unwrap() else { panic!() };
        (address, data)
    });
    let session = |host: &str| {
        let datagram = "{\"d\":\"mail.test\",\"pr\":\"v=TLSRPTv1; rua=mailto:tlsrpt@mail.test\",\"policies\":[{\"policy-type\":2,\
             \"policy-domain\":\"mail.test\",\"policy-string\":[\"version: STSv1\",\"mode: testing\",\"mx: mx1.mail.test\",\
             \"max_age: 86400\"],\"mx-host\":[\"mx1.mail.test\"],\"t\":0,\"f\":0}]}";
        let mut file = fs::OpenOptions::new().append(true).open(&log).unwrap();
        file.write_all(logged(host, address, &fingerprint).as_bytes()).unwrap();
        datagram
    };
    let counted = "tlsward_sessions_total{result=\"counted\"}";

    let server = Server::start(&scene.config());
    // The log is read from its end as it is at the first look, after which its place is kept.
    let place = scene.path("data/report/postfix-log.place");
    assert!((0..200_000).any(|_| place.exists() || server.metric("tlsward_log_sessions_total") > 0));
    for host in ["mx1.mail.test", "mx9.mail.test"] {
        UnixDatagram::unbound().unwrap().send_to(session(host).as_bytes(), &socket).unwrap();
    }
    server.until(counted, 2);
    assert_eq!(server.metric("tlsward_sessions_total{result=\"unjudged\"}"), 0);
    server.stop();

    // Written while nobody reads.
    let datagram = session("mx1.mail.test");
    let server = Server::start(&scene.config());
    UnixDatagram::unbound().unwrap().send_to(datagram.as_bytes(), &socket).unwrap();
    server.until(counted, 1);
    assert_eq!(server.metric("tlsward_log_sessions_total"), 1, "each line is told once");
    server.stop();

    let reports = scene.outgoing().await;
    let of: Vec<_> = reports.iter().map(|line| (line.successful, line.failed, line.unjudged)).collect();
    let sum = of.iter().fold((0, 0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1, sum.2 + one.2));
    assert_eq!(sum, (2, 1, 0), "the MX host that the policy does not name is no success: {reports:?}");
}
