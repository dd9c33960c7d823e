//! `tlsward serve` with `[enforce]`, asked as Postfix asks, on the lab's world over real sockets: what it answers, that
//! a restart forgets nothing, what the owner can change, and how it lives with a service manager.

#![expect(clippy::unwrap_used, reason = "a test whose world cannot be set up fails")]

#[expect(dead_code, reason = "each test program uses its own part")]
mod program;
#[expect(dead_code, reason = "each test program uses its own part")]
#[path = "program/server.rs"]
mod server;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use program::{Ran, tlsward};
use rustix::process::Signal;
use serde_json::{Value, json};
use server::{PATIENCE, Server};
use tlsward_engine::ports::RecordKind;
use tlsward_lab::loopback::{self, Running};
use tlsward_lab::world::{DnsTrouble, Mode, Page, Policy, ResolverKind, World};

/// The name of the map, in its two dialects.
const CLASSIC: &str = "tlsward";
const REPORTING: &str = "tlsward-tlsrpt";

#[expect(
    clippy::disallowed_methods,
    reason = "the binary under test reads the clock, so its world must have the same"
)]
fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// A served world, and a folder with a configuration that leads there.
struct Lab {
    running: Running,
    folder: tempfile::TempDir,
}

impl Lab {
    async fn start(world: &World) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let running = loopback::start(world).await.unwrap();
        fs::write(folder.path().join("roots.pem"), &running.roots_pem).unwrap();
        let lab = Self { running, folder };
        lab.configure("trust-ad", "");
        lab
    }

    /// `more` goes at the end, beginning inside `[enforce]`.
    fn configure(&self, dnssec: &str, more: &str) {
        let Running { dns, https_port, smtp_port, .. } = &self.running;
        let text = format!(
            "data_dir = 'data'\n[net]\ndns_servers = ['{dns}']\ndnssec = '{dnssec}'\ntrust_roots = 'roots.pem'\n\
             https_port = {https_port}\nsmtp_port = {smtp_port}\nallow_private_addresses = true\n\
             [web]\nlisten = '127.0.0.1:0'\n[enforce]\nlisten = ['127.0.0.1:0', 'unix:e.sock']\n{more}\n"
        );
        fs::write(self.config(), text).unwrap();
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("tlsward.toml")
    }

    fn serve(&self) -> Server {
        Server::start(&self.config())
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        tlsward().args(arguments).arg("--config").arg(self.config()).output().unwrap().into()
    }
}

/// Where it answers over TCP.
fn address(server: &Server) -> String {
    let places = server.places("Policies");
    let place = places.iter().find(|place| place.starts_with("127.0.0.1:")).unwrap();
    place.split(' ').next().unwrap().to_owned()
}

fn ask_server(server: &Server, map: &str, key: &str) -> String {
    ask(&mut connect(&address(server)), map, key)
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn say(stream: &mut impl Write, map: &str, key: &str) {
    let question = format!("{map} {key}");
    write!(stream, "{}:{question},", question.len()).unwrap();
}

/// A netstring's payload.
fn hear(stream: &mut impl Read) -> String {
    let mut length = 0;
    loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        match byte[0] {
            b':' => break,
            digit => length = length * 10 + usize::from(digit - b'0'),
        }
    }
    let mut payload = vec![0; length + 1];
    stream.read_exact(&mut payload).unwrap();
    assert_eq!(payload.pop(), Some(b','));
    String::from_utf8(payload).unwrap()
}

fn ask(stream: &mut (impl Read + Write), map: &str, key: &str) -> String {
    say(stream, map, key);
    hear(stream)
}

fn secure(domain: &str) -> String {
    format!("OK secure match=mx1.{domain} servername=hostname")
}

fn policy(mode: Mode, domain: &str) -> Policy {
    Policy { mode, mx: vec![format!("mx1.{domain}")], max_age: 604_800 }
}

/// Proves: C3, C8, E1, E5, E7, E8, E9, S4, S5, S6, S10
#[tokio::test(flavor = "multi_thread")]
async fn the_mail_server_is_told_what_each_domain_asks_for_in_both_dialects() {
    let mut world = World::loopback(now());
    world.domain("enforce.test").add().unwrap();
    world.domain("testing.test").policy(Mode::Testing).add().unwrap();
    world.domain("none.test").policy(Mode::None).add().unwrap();
    world.domain("bare.test").no_policy().add().unwrap();
    world.domain("broken.test").add().unwrap();
    world.serve("broken.test", &Page::status(404));
    world.domain("dane.test").no_policy().dane().add().unwrap();
    world.domain("both.test").dane().add().unwrap();
    let lab = Lab::start(&world).await;
    let server = lab.serve();
    let quoted = "policy_type=sts policy_domain=enforce.test mx_host_pattern=mx1.enforce.test { policy_string = version: \
                  STSv1 } { policy_string = mode: enforce } { policy_string = mx: mx1.enforce.test }";
    let enforced = secure("enforce.test");
    let mut stream = connect(&address(&server));
    for (key, classic, reporting) in [
        ("enforce.test", enforced.as_str(), format!("{enforced} {quoted}")),
        ("Enforce.TEST", &enforced, format!("{enforced} {quoted}")),
        ("[enforce.test]:25", &enforced, format!("{enforced} {quoted}")),
        (
            "testing.test",
            "NOTFOUND ",
            "OK may servername=hostname policy_type=sts policy_domain=testing.test".to_owned(),
        ),
        ("none.test", "NOTFOUND ", "NOTFOUND ".to_owned()),
        ("bare.test", "NOTFOUND ", "NOTFOUND ".to_owned()),
        ("broken.test", "NOTFOUND ", "NOTFOUND ".to_owned()),
        ("nowhere.test", "NOTFOUND ", "NOTFOUND ".to_owned()),
        ("sub.enforce.test", "NOTFOUND ", "NOTFOUND ".to_owned()),
        (".enforce.test", "NOTFOUND ", "NOTFOUND ".to_owned()),
        ("[127.0.0.1]:25", "NOTFOUND ", "NOTFOUND ".to_owned()),
        ("dane.test", "OK dane", "OK dane".to_owned()),
        ("both.test", "OK dane-only", "OK dane-only".to_owned()),
    ] {
        // Twice: found out, then ready.
        for _ in 0..2 {
            assert_eq!(ask(&mut stream, CLASSIC, key), classic, "{key}");
            let said = ask(&mut stream, REPORTING, key);
            assert!(said.starts_with(&reporting), "{key}: {said}");
        }
    }
    let refused = ask(&mut stream, "QUERY", "enforce.test");
    assert!(refused.starts_with("PERM ") && refused.contains(REPORTING), "{refused}");

    // Whoever has a policy is listed, with its kind.
    let listed = server.asked("policies");
    let kinds = |domain: &str| {
        let items = listed["items"].as_array().unwrap();
        let item = items.iter().find(|item| item["domain"] == domain);
        item.map(|item| (item["policy_types"].clone(), item["dane"].clone(), item["level"].clone()))
    };
    let usable = json!({"usable": 1, "hosts": 1});
    for (domain, expected) in [
        ("both.test", Some((json!(["sts", "tlsa"]), usable.clone(), json!("dane-only")))),
        ("dane.test", Some((json!(["tlsa"]), usable, json!("dane")))),
        ("enforce.test", Some((json!(["sts"]), Value::Null, json!("secure")))),
        ("broken.test", Some((json!([]), Value::Null, json!("not-found")))),
        ("bare.test", None),
    ] {
        assert_eq!(kinds(domain), expected, "{domain}");
    }
    let page = server.http("Pages", "GET /policies/dane.test HTTP/1.1", b"").1;
    assert!(page.contains("1 of 1 MX host has TLSA records that can be used"), "{page}");

    let path = lab.folder.path().join("e.sock");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o666);
    assert_eq!(ask(&mut UnixStream::connect(&path).unwrap(), CLASSIC, "enforce.test"), enforced);
    let metrics = server.metrics();
    for line in [
        "tlsward_enforce_answers_total{outcome=\"secure\"} 13\n",
        "tlsward_enforce_answers_total{outcome=\"may\"} 2\n",
        "tlsward_enforce_answers_total{outcome=\"refused\"} 1\n",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    server.stop();
}

/// The names in front of the domain do not answer any more, and no policy host is found: what was held is enforced.
/// Proves: C1, C2
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_without_dns_still_enforces() {
    let mut world = World::loopback(now());
    world.domain("enforce.test").add().unwrap();
    let lab = Lab::start(&world).await;
    lab.configure("off", "");
    let server = lab.serve();
    assert_eq!(ask_server(&server, CLASSIC, "enforce.test"), secure("enforce.test"));
    server.stop();
    let Lab { running, folder } = lab;
    let config = folder.path().join("tlsward.toml");
    drop(running);

    let server = Server::start(&config);
    assert_eq!(ask_server(&server, CLASSIC, "enforce.test"), secure("enforce.test"));
    drop(server);
    // With DANE in use it may have to wait for its records (RFC 7672 §2.1.2), and is not let go without TLS either.
    let text = fs::read_to_string(&config).unwrap().replace("dnssec = 'off'", "dnssec = 'trust-ad'");
    fs::write(&config, text).unwrap();
    let server = Server::start(&config);
    let said = ask_server(&server, CLASSIC, "enforce.test");
    assert!(said.starts_with("TEMP ") || said == secure("enforce.test"), "{said}");
}

/// Proves: K1
#[tokio::test(flavor = "multi_thread")]
async fn trouble_is_told_in_the_log_with_what_can_be_done() {
    let mut world = World::loopback(now());
    world.domain("dane.test").no_policy().dane().add().unwrap();
    world.disturb("_25._tcp.mx1.dane.test", Some(RecordKind::Tlsa), DnsTrouble::ServFail);
    let lab = Lab::start(&world).await;
    let server = lab.serve();
    let said = ask_server(&server, CLASSIC, "dane.test");
    assert!(said.starts_with("TEMP "), "no clear text because a look-up failed: {said}");
    let line = server.wait_for("mail is deferred");
    assert!(line.contains("dane.test") && line.contains("tlsward policy refresh"), "{line}");
    assert!(server.metrics().contains("tlsward_enforce_answers_total{outcome=\"deferred\"} 1\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_owner_must_know_is_an_alert_in_the_log_and_in_the_metrics() {
    let mut world = World::loopback(now());
    world.domain("both.test").dane().add().unwrap();
    world.resolver = ResolverKind::Stripping;
    let lab = Lab::start(&world).await;
    let server = lab.serve();
    let line = server.wait_for("dnssec-unusable");
    assert!(line.contains("ERROR") && line.contains("DANE is out of use"), "{line}");
    let metrics = server.metrics();
    for line in
        ["tlsward_alerts{rule=\"dnssec-unusable\"} 1\n", "tlsward_alerts{rule=\"policy-expired\"} 0\n"]
    {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    // Without DNSSEC the policy is what is left to go by.
    assert_eq!(ask_server(&server, CLASSIC, "both.test"), secure("both.test"));
    assert!(server.metrics().contains("tlsward_enforce_policies 1\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_can_have_a_policy_fetched_anew_and_forgotten() {
    let mut world = World::loopback(now());
    world.domain("enforce.test").add().unwrap();
    world.domain("bare.test").no_policy().add().unwrap();
    let mut lab = Lab::start(&world).await;
    let ran = lab.run(&["policy", "refresh", "enforce.test"]);
    assert_eq!(ran.code, Some(2), "{}", ran.err);
    assert!(ran.err.contains("is it running"), "{}", ran.err);

    let server = lab.serve();
    assert_eq!(ask_server(&server, CLASSIC, "enforce.test"), secure("enforce.test"));
    lab.running
        .edit(|world| world.publish("enforce.test", "20270101000000", policy(Mode::None, "enforce.test")))
        .await
        .unwrap();
    assert_eq!(ask_server(&server, CLASSIC, "enforce.test"), secure("enforce.test"));
    let ran = lab.run(&["policy", "refresh", "enforce.test"]);
    assert_eq!(ran.code, Some(0), "{} {}", ran.out, ran.err);
    assert!(ran.out.starts_with("enforce.test: "), "{}", ran.out);
    assert_eq!(ask_server(&server, CLASSIC, "enforce.test"), "NOTFOUND ");
    assert_eq!(lab.run(&["policy", "refresh", "bare.test"]).code, Some(1));

    let ran = lab.run(&["policy", "forget", "enforce.test", "--json"]);
    let line: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, &line["result"]), (Some(0), &"done".into()), "{line}");
    assert_eq!(lab.run(&["policy", "forget", "enforce.test"]).code, Some(1));
    for arguments in
        [&["policy", "refresh", "a b"][..], &["policy", "forget", "[192.0.2.1]"], &["policy", "refresh"]]
    {
        assert_eq!(lab.run(arguments).code, Some(64), "{arguments:?}");
    }
    server.stop();
}

/// Proves: E10, E11
#[tokio::test(flavor = "multi_thread")]
async fn when_a_policy_holds_mail_back_a_newer_one_is_looked_for_before_the_next_attempt() {
    let mut world = World::loopback(now());
    for domain in ["enforce.test", "other.test"] {
        world.domain(domain).add().unwrap();
    }
    // What DNS may remember nobody asks again.
    let nodes = world.zones.values_mut().flat_map(|zone| zone.nodes.values_mut());
    nodes.filter_map(|node| node.sets.get_mut(&RecordKind::Txt)).for_each(|set| set.ttl = 0);
    let mut lab = Lab::start(&world).await;
    let report = "[report]\ncontact = 'tls@sender.test'\npostfix_log = 'mail.log'\n";
    lab.configure("off", report);
    let log = lab.folder.path().join("mail.log");
    fs::write(&log, "").unwrap();
    let server = lab.serve();
    for domain in ["enforce.test", "other.test"] {
        assert_eq!(ask_server(&server, CLASSIC, domain), secure(domain));
    }
    let place = lab.folder.path().join("data/report/postfix-log.place");
    assert!((0..200_000).any(|_| place.exists() || server.metric("tlsward_log_sessions_total") > 0));
    let held_back = |domain: &str| {
        let line = format!(
            "Nov 24 08:38:44 sender postfix/smtp[7]: 4cV1kz0Yy9z9s: to=<u@{domain}>, relay=mx1.{domain}[127.0.0.1]:25, \
             delay=0.1, delays=0/0/0.1/0, dsn=4.7.5, status=deferred (Server certificate not verified)\n"
        );
        fs::OpenOptions::new().append(true).open(&log).unwrap().write_all(line.as_bytes()).unwrap();
    };
    let mut publish = async |id: &str, domain: &str, mx: &str| {
        let policy = Policy { mx: vec![mx.to_owned()], ..policy(Mode::Enforce, domain) };
        lab.running.edit(|world| world.publish(domain, id, policy)).await.unwrap();
    };
    publish("20270101000000", "enforce.test", "mx2.enforce.test").await;
    held_back("nowhere.test");
    held_back("enforce.test");
    let told = server.wait_for("mail is held back");
    assert!(told.contains("enforce.test") && told.contains("a newer one was found"), "{told}");
    let newer = "OK secure match=mx2.enforce.test servername=hostname";
    assert_eq!(ask_server(&server, CLASSIC, "enforce.test"), newer);

    // Once in five minutes, however often it is tried.
    publish("20270101000001", "enforce.test", "mx3.enforce.test").await;
    held_back("enforce.test");
    held_back("other.test");
    let told = server.wait_for("mail is held back");
    assert!(told.contains("other.test") && told.contains("there is no newer one"), "{told}");
    assert_eq!(ask_server(&server, CLASSIC, "enforce.test"), newer);
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owners_rules_go_before_what_a_domain_publishes_and_change_at_a_reload() {
    let mut world = World::loopback(now());
    world.domain("enforce.test").add().unwrap();
    world.domain("bare.test").no_policy().add().unwrap();
    world.domain("both.test").dane().add().unwrap();
    let lab = Lab::start(&world).await;
    let rules = "default = 'may'\nunder_enforce = 'secure'\n[enforce.overrides]\n'enforce.test' = 'exempt'\n\
                 '.partner.test' = { level = 'secure', match = ['*.partner.test'] }\n";
    lab.configure("trust-ad", rules);
    let server = lab.serve();
    assert_eq!(ask_server(&server, CLASSIC, "enforce.test"), "NOTFOUND ");
    assert_eq!(
        ask_server(&server, REPORTING, "mail.partner.test"),
        "OK secure match=.partner.test servername=hostname"
    );
    assert_eq!(ask_server(&server, CLASSIC, "bare.test"), "OK may", "the default");
    assert_eq!(
        ask_server(&server, CLASSIC, "both.test"),
        secure("both.test"),
        "what was chosen under enforce"
    );

    lab.configure("trust-ad", "default = 'encrypt'\n[enforce.overrides]\n'bare.test' = 'none'\n");
    server.signal(Signal::HUP);
    server.wait_for("waits for a restart");
    server.wait_for("configuration read again");
    assert_eq!(ask_server(&server, CLASSIC, "enforce.test"), secure("enforce.test"));
    assert_eq!(ask_server(&server, CLASSIC, "bare.test"), "OK none");
    assert_eq!(ask_server(&server, CLASSIC, "nowhere.test"), "OK may", "another default waits for a restart");
    server.stop();
}

/// A shell gives it the socket on its standard input, as the third descriptor, under its own process id.
fn activated(socket: &TcpListener, name: &str) -> Command {
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "export LISTEN_PID=$$; exec \"$@\" 3<&0 0</dev/null",
        "sh",
        env!("CARGO_BIN_EXE_tlsward"),
    ]);
    command.env("LISTEN_FDS", "1").env("LISTEN_FDNAMES", name).env_remove("TLSWARD_CONFIG");
    command.stdin(Stdio::from(OwnedFd::from(socket.try_clone().unwrap())));
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_was_handed_over_stays_open_over_a_restart() {
    let mut world = World::loopback(now());
    world.domain("enforce.test").add().unwrap();
    let lab = Lab::start(&world).await;
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    for _ in 0..2 {
        // Nobody answers yet, and nobody is turned away.
        let mut early = connect(&address);
        say(&mut early, CLASSIC, "enforce.test");
        let server = Server::start_by(activated(&socket, "enforce"), &lab.config());
        assert_eq!(hear(&mut early), secure("enforce.test"));
        assert_eq!(
            server.places("Policies").len(),
            1,
            "it stands in for what is configured: {}",
            server.greeting()
        );
        assert!(server.places("Policies")[0].starts_with(&address), "{}", server.greeting());
        server.stop();
    }
    // Nothing else has to be listened on then; without it, something has to.
    let text = fs::read_to_string(lab.config()).unwrap();
    let bare = lab.folder.path().join("bare.toml");
    fs::write(&bare, text.replace("listen = ['127.0.0.1:0', 'unix:e.sock']", "listen = []")).unwrap();
    Server::start_by(activated(&socket, "enforce"), &bare).stop();
    let ran = Ran::from(tlsward().args(["serve", "--config"]).arg(&bare).output().unwrap());
    assert!(ran.code == Some(1) && ran.err.contains("[enforce] listen is empty"), "{}", ran.err);
    let server = Server::start_by(activated(&socket, "nonsense"), &lab.config());
    server.wait_for("no part of the configuration takes");
    assert_eq!(server.places("Policies").len(), 2);
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_under_way_is_answered_before_the_server_ends() {
    let mut world = World::loopback(now());
    world.domain("slow.test").no_policy().add().unwrap();
    world.disturb("slow.test", None, DnsTrouble::Silent);
    world.disturb("_mta-sts.slow.test", None, DnsTrouble::Silent);
    let mut lab = Lab::start(&world).await;
    let server = lab.serve();
    let mut stream = connect(&address(&server));
    say(&mut stream, CLASSIC, "slow.test");
    server.wait_for("looked up");
    server.signal(Signal::TERM);
    server.wait_for("stopping");
    // It still looks: what DNS says from now on is told, if it comes in time.
    lab.running.edit(|world| world.dns_trouble.clear()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains(":NOTFOUND ") || answer.contains(":TEMP "), "{answer}");
    server.ended();
}

/// Postfix's own client keeps its connection, which a restart closes: it comes back by itself.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs postmap, of Debian's package postfix"]
async fn postfix_notices_no_restart_of_a_server_whose_socket_stays_open() {
    let lab = Lab::start(&World::loopback(now())).await;
    lab.configure("off", "[enforce.overrides]\n'a.test' = 'encrypt'\n'b.test' = 'dane-only'\n");
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let map = format!("socketmap:inet:{}:{CLASSIC}", socket.local_addr().unwrap());
    let server = Server::start_by(activated(&socket, "enforce"), &lab.config());
    let mut postmap = Command::new("/usr/sbin/postmap")
        .args(["-q", "-", &map])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("postmap (Debian's package postfix) is needed");
    let mut questions = postmap.stdin.take().unwrap();
    writeln!(questions, "a.test").unwrap();
    let line = "tlsward_enforce_answers_total{outcome=\"encrypt\"} 1\n";
    assert!((0..20_000).any(|_| server.metrics().contains(line)), "the question never came");
    server.stop();
    writeln!(questions, "b.test").unwrap();
    let server = Server::start_by(activated(&socket, "enforce"), &lab.config());
    drop(questions);
    let output = postmap.wait_with_output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!((&*out, &*err), ("a.test\tencrypt\nb.test\tdane-only\n", ""));
    server.stop();
}
