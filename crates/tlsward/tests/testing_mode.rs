//! A real Postfix 3.10 sends mail under policies in testing mode, and what is counted is what was so.
//!
//! Postfix (Debian 13, in a folder made by mmdebstrap) asks our socketmap, connects to the lab's MX hosts, tells our
//! session socket, and writes its log; the log is followed, both meet in the journal, certificates are had by
//! handshakes of our own, and the counts are held against what each MX host really shows. The whole test runs in
//! network, mount and process namespaces of its own, where ports 53 and 25 are free; nothing outlives it. Needs root,
//! mmdebstrap and a Debian mirror; run it with `--run-ignored all`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mta_sts::mx::MxPattern;
use smtp_dane::pkix::TrustRoots;
use tlsward_engine::ports::{Clock, Level, MtaLogEvent, MtaPolicy, PolicyReply, StsAttributes, Timer};
use tlsward_engine::report::judge::{Certificates, Grounds, NoPolicies, Told, What, ripe, sessions};
use tlsward_engine::report::{BounceSecret, Counter, Identity, Settings};
use tlsward_lab::loopback::{Ports, start_at};
use tlsward_lab::world::{Issuer, Mode, Policy, StartTls, World};
use tlsward_mta::journal::{Journal, Options, Position, Reader, Record, RecordKind};
use tlsward_mta::postfix_log::{Feed, record};
use tlsward_mta::session::{Appended, Intake, IntakeOptions, Receiver, SessionSocket, datagram};
use tlsward_mta::socketmap::{Answer, Answers, Dialect, Encoded, Limits, Listener, Server, render};
use tlsward_net::dns::{self, Resolver, Trust};
use tlsward_net::guard::Guard;
use tlsward_net::https::{HttpsClient, HttpsConfig};
use tlsward_net::smtp::{SmtpClient, SmtpConfig};
use tlsward_net::world::NetWorld;

/// Set where the namespaces are its own.
const INSIDE: &str = "TLSWARD_TEST_INSIDE";
const NAME: &str = "a_real_postfix_under_testing_policies_gets_the_counts_that_are_so";
/// For everything that Postfix has to do.
const PATIENCE: Duration = Duration::from_secs(60);
/// Mails to each domain.
const MAILS: usize = 3;

#[test]
#[ignore = "makes a Debian 13 in a folder: needs root, mmdebstrap and a mirror"]
fn a_real_postfix_under_testing_policies_gets_the_counts_that_are_so() {
    #[expect(clippy::disallowed_methods, reason = "how the test tells its own two lives apart")]
    let inside = std::env::var_os(INSIDE);
    if inside.is_some() {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(inside_of_it());
        return;
    }
    let root = install();
    let script = "ip link set lo up && cd \"$1\" && mount -t proc proc proc && mount --rbind /dev dev && shift && exec \"$@\"";
    let status = Command::new("unshare")
        .args(["--net", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script, "sh"])
        .arg(&root)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--ignored", "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .expect("unshare (Debian's package util-linux) is needed, and root");
    assert!(status.success());
}

/// The folder, made if it is not there from an earlier run.
fn install() -> PathBuf {
    let root = folder();
    if !root.join("usr/sbin/postfix").exists() {
        let _ = fs::remove_dir_all(&root);
        let output = Command::new("mmdebstrap")
            .args(["--variant=apt", "--include=postfix,libtlsrpt0", "trixie"])
            .arg(&root)
            .output()
            .expect("mmdebstrap (Debian's package mmdebstrap) is needed, and root");
        assert!(output.status.success(), "mmdebstrap: {}", String::from_utf8_lossy(&output.stderr));
    }
    root
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("postfix-testing-mode")
}

fn configure(root: &Path, roots_pem: &str) {
    let main = "compatibility_level = 3.6\nmaillog_file = /var/log/postfix.log\nmyhostname = sender.example\n\
        mydestination =\ninet_interfaces = loopback-only\ninet_protocols = ipv4\nalias_maps =\nlocal_recipient_maps =\n\
        smtp_tls_security_level = may\nsmtp_tls_loglevel = 2\nsmtp_tls_CAfile = /etc/postfix/roots.pem\n\
        smtp_tlsrpt_enable = yes\nsmtp_tlsrpt_socket_name = /run/tlsrpt.sock\n\
        smtp_tls_policy_maps = socketmap:unix:/run/policy.sock:tlsward-tlsrpt\n\
        minimal_backoff_time = 4000s\nmaximal_backoff_time = 4000s\nsmtp_connection_cache_on_demand = no\n";
    fs::write(root.join("etc/postfix/main.cf"), main).unwrap();
    fs::write(root.join("etc/postfix/roots.pem"), roots_pem).unwrap();
    fs::write(root.join("etc/resolv.conf"), "nameserver 127.0.0.1\n").unwrap();
    fs::write(root.join("etc/hosts"), "127.0.0.1 localhost\n").unwrap();
    let master: String = [
        ("pickup", "n - n 60 1 pickup"),
        ("cleanup", "n - n - 0 cleanup"),
        ("qmgr", "n - n 300 1 qmgr"),
        ("tlsmgr", "- - n 1000? 1 tlsmgr"),
        ("rewrite", "- - n - - trivial-rewrite"),
        ("bounce", "- - n - 0 bounce"),
        ("defer", "- - n - 0 bounce"),
        ("trace", "- - n - 0 bounce"),
        ("proxymap", "- - n - - proxymap"),
        ("smtp", "- - n - - smtp"),
        ("error", "- - n - - error"),
        ("retry", "- - n - - error"),
        ("discard", "- - n - - discard"),
        ("scache", "- - n - 1 scache"),
    ]
    .map(|(name, rest)| format!("{name} unix {rest}\n"))
    .concat();
    fs::write(root.join("etc/postfix/master.cf"), master + "postlog unix-dgram n - n - 1 postlogd\n")
        .unwrap();
    for left in ["var/spool/postfix/pid/master.pid", "var/lib/postfix/master.lock", "var/log/postfix.log"] {
        let _ = fs::remove_file(root.join(left));
    }
    let empty =
        "rm -rf /var/spool/postfix/deferred/* /var/spool/postfix/active/* /var/spool/postfix/incoming/*";
    assert!(Command::new("chroot").arg(root).args(["sh", "-c", empty]).status().unwrap().success());
}

struct RealClock;

impl Clock for RealClock {
    fn now(&self) -> i64 {
        #[expect(clippy::disallowed_methods, reason = "the edge of a test with real programs")]
        let now = SystemTime::now();
        i64::try_from(now.duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
    }
}

struct RealTimer;

impl Timer for RealTimer {
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

/// Answers as a policy in testing mode is answered, and one that is enforced.
struct Policies(BTreeMap<String, Policy>);

impl Answers for Policies {
    fn answer(&self, map: &str, key: &str) -> Answer {
        let Some(policy) = self.0.get(key) else { return Answer::Ready(Encoded::NOT_FOUND) };
        let patterns: Vec<MxPattern> = policy.mx.iter().map(|mx| MxPattern::parse(mx).unwrap()).collect();
        let level = match policy.mode {
            Mode::Enforce => Level::Secure(patterns.clone()),
            Mode::Testing | Mode::None => Level::May,
        };
        let sts = StsAttributes {
            policy_domain: key.to_owned(),
            policy_strings: policy.text().lines().map(str::to_owned).collect(),
            mx_patterns: patterns,
            failure: None,
        };
        let reply = PolicyReply { level, send_server_name: true, sts: Some(sts) };
        Answer::Ready(render(&MtaPolicy::Apply(reply), Dialect::of_map(map).unwrap()).reply)
    }
}

const GOOD: &str = "good.test";
const NOT_LISTED: &str = "not-listed.test";
const WRONG_NAME: &str = "wrong-name.test";
const UNTRUSTED: &str = "untrusted.test";
const EXPIRED: &str = "expired.test";
const REFUSED: &str = "refused.test";
const NO_STARTTLS: &str = "no-starttls.test";
const ENFORCED: &str = "enforced.test";
const PASSED_OVER: &str = "passed-over.test";
const DOMAINS: [&str; 9] =
    [GOOD, NOT_LISTED, WRONG_NAME, UNTRUSTED, EXPIRED, REFUSED, NO_STARTTLS, ENFORCED, PASSED_OVER];

fn world(now: i64) -> World {
    let mut world = World::loopback(now);
    for domain in DOMAINS {
        let mode = if [ENFORCED, PASSED_OVER].contains(&domain) { Mode::Enforce } else { Mode::Testing };
        world.domain(domain).policy(mode).add().unwrap();
    }
    for domain in [NOT_LISTED, PASSED_OVER] {
        let mut policy = world.domains[domain].policy.clone().unwrap();
        policy.mx = vec![format!("other.{domain}"), format!("*.deep.{domain}")];
        world.publish(domain, "2", policy);
    }
    world.edit_mx_certificate(WRONG_NAME, 0, |spec, _| spec.names = vec!["mx.somebody-else.test".to_owned()]);
    world.edit_mx_certificate(UNTRUSTED, 0, |spec, _| spec.issuer = Issuer::Untrusted);
    world.edit_mx_certificate(EXPIRED, 0, |spec, now| spec.not_after = now - 86_400);
    world.edit_mx(REFUSED, 0, |smtp| smtp.starttls = StartTls::Refused(454, "4.7.0 not now".to_owned()));
    world.edit_mx(NO_STARTTLS, 0, |smtp| smtp.starttls = StartTls::Missing);
    world
}

/// Ends Postfix with the test.
struct Postfix(Child);

impl Drop for Postfix {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn send_mail(root: &Path, recipient: &str) {
    let mut child = Command::new("chroot")
        .arg(root)
        // Nobody to bounce to: the lab's MX hosts refuse the mail after TLS.
        .args(["sendmail", "-f", "<>", recipient])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"Subject: x\n\nx\n").unwrap();
    assert!(child.wait().unwrap().success());
}

/// All that the journal holds.
fn read_all(folder: &Path, end: Position) -> Vec<Told> {
    let mut all = Vec::new();
    let mut reader = Reader::new(folder.to_owned(), Position::START);
    let each = |record: Record<'_>| {
        let what = match record.kind {
            RecordKind::Datagram => What::Datagram(datagram::read(record.payload).unwrap().event),
            RecordKind::Log => What::Log(record::read(record.payload).unwrap()),
            RecordKind::Line | RecordKind::FileLines => panic!("nobody writes lines here"),
        };
        all.push(Told { at: record.at, what });
    };
    reader.read(end, usize::MAX, each, |damage| panic!("{damage:?}")).unwrap();
    all
}

/// Domains of successes as datagrams, of successes as lines, and of hosts that were passed over.
fn seen(told: &[Told]) -> [BTreeMap<String, usize>; 3] {
    let mut seen: [BTreeMap<String, usize>; 3] = Default::default();
    for one in told {
        let (kind, domain) = match &one.what {
            What::Datagram(event) if event.policies.iter().all(|policy| !policy.failed) => (0, &event.domain),
            What::Log(MtaLogEvent::Session(line)) if !line.failed => (1, &line.domain),
            What::Log(MtaLogEvent::MxNotInPolicy { domain, .. }) => (2, domain),
            What::Datagram(_) | What::Line(_) | What::Log(_) => continue,
        };
        *seen[kind].entry(domain.to_string()).or_default() += 1;
    }
    seen
}

async fn inside_of_it() {
    let root = folder();
    let running = start_at(&world(RealClock.now()), Ports::USUAL).await.unwrap();
    configure(&root, &running.roots_pem);
    let (log, session_socket, policy_socket) =
        (root.join("var/log/postfix.log"), root.join("run/tlsrpt.sock"), root.join("run/policy.sock"));
    for left in [&session_socket, &policy_socket] {
        let _ = fs::remove_file(left);
    }

    let ours = tempfile::tempdir().unwrap();
    let journal_folder = ours.path().join("journal");
    let (journal, _) = Journal::open(&journal_folder, Options::default(), Position::START).unwrap();
    let (tell, mut appended) = tokio::sync::mpsc::unbounded_channel();
    let on_appended = Box::new(move |_: &mut Journal, to: Appended| {
        let _ = tell.send(to.position);
    });
    let intake = Intake::start(journal, IntakeOptions::default(), on_appended).unwrap();
    let inlet = intake.inlet(Arc::new(RealClock));
    let receiver =
        Receiver::start(SessionSocket::bind(&session_socket, 0o666).unwrap(), inlet.clone()).unwrap();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut feed = Feed::new(&log, &ours.path().join("postfix-log.place"), inlet);
    // There is no log yet: all of it is ours.
    feed.look().unwrap();
    let feeding = tokio::spawn(feed.run(RealTimer, Duration::from_millis(100), stopped.clone()));
    let policies = running.world(|world| {
        DOMAINS.map(|domain| (domain.to_owned(), world.domains[domain].policy.clone().unwrap()))
    });
    let listener = Listener::unix(&policy_socket, 0o666).unwrap();
    let server = Server::new(Policies(policies.into()), Limits::default());
    tokio::spawn(server.run(vec![listener], stopped));

    let command = Command::new("chroot").arg(&root).args(["postfix", "start-fg"]).spawn();
    let postfix = Postfix(command.unwrap());
    for domain in DOMAINS {
        for _ in 0..MAILS {
            send_mail(&root, &format!("u@{domain}"));
        }
    }
    let mut told = Vec::new();
    let all_told = async {
        while let Some(position) = appended.recv().await {
            told = read_all(&journal_folder, position);
            let [datagrams, lines, passed_over] = seen(&told);
            let is_complete = |counts: &BTreeMap<String, usize>, domains: &[&str]| {
                domains.iter().all(|domain| counts.get(*domain).is_some_and(|count| *count >= MAILS))
            };
            let with_tls = [GOOD, NOT_LISTED, WRONG_NAME, UNTRUSTED, EXPIRED, ENFORCED];
            if is_complete(&datagrams, &with_tls)
                && is_complete(&lines, &with_tls)
                && is_complete(&passed_over, &[PASSED_OVER])
            {
                return;
            }
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, all_told).await;
    let text = fs::read_to_string(&log).unwrap_or_default();
    assert!(in_time.is_ok(), "{:?}\n{text}", seen(&told));
    drop(postfix);
    stop.send(true).unwrap();
    feeding.await.unwrap();
    receiver.stop().unwrap();
    let told = read_all(&journal_folder, intake.stop().unwrap().end());

    // What Postfix says itself: all is well.
    let [datagrams, ..] = seen(&told);
    for domain in [GOOD, NOT_LISTED, WRONG_NAME, UNTRUSTED, EXPIRED] {
        assert_eq!(datagrams.get(domain), Some(&MAILS), "{domain}\n{text}");
    }
    // Without TLS it says nothing (3.12 tells of a refusal).
    for domain in [NO_STARTTLS, REFUSED] {
        assert!(told.iter().all(|one| !matches!(&one.what, What::Datagram(event) if event.domain == domain)));
    }

    let counts = judged(&told, &root.join("etc/postfix/roots.pem")).await;
    let many = u64::try_from(MAILS).unwrap();
    for (domain, expected) in [
        (GOOD, (many, 0, 0, vec![])),
        (NOT_LISTED, (0, many, 0, vec!["validation-failure: MX not in policy"])),
        (
            WRONG_NAME,
            (
                0,
                many,
                0,
                vec!["certificate-host-mismatch: the certificate is valid for mx.somebody-else.test"],
            ),
        ),
        (EXPIRED, (0, many, 0, vec!["certificate-expired: "])),
        (ENFORCED, (many, 0, 0, vec![])),
        (PASSED_OVER, (0, many, 0, vec!["validation-failure: MX not in policy"])),
    ] {
        let expected: Counts =
            (expected.0, expected.1, expected.2, expected.3.into_iter().map(str::to_owned).collect());
        assert_eq!(counts.get(domain), Some(&expected), "{domain}\n{text}");
    }
    let untrusted = &counts[UNTRUSTED];
    assert_eq!((untrusted.0, untrusted.1, untrusted.2), (0, many, 0), "{untrusted:?}");
    assert!(
        untrusted.3.iter().all(|reason| reason.starts_with("certificate-not-trusted: ")),
        "{untrusted:?}"
    );
    assert_eq!((counts.get(NO_STARTTLS), counts.get(REFUSED)), (None, None), "docs/testing-mode.md says so");
}

/// Successes, failures, unjudged sessions, and result types with their reasons.
type Counts = (u64, u64, u64, BTreeSet<String>);

/// As the server counts it.
async fn judged(told: &[Told], roots: &Path) -> BTreeMap<String, Counts> {
    let guard = Guard { allow_private: true, ..Guard::default() };
    let smtp = SmtpConfig { ehlo_name: "sender.example".to_owned(), guard, ..SmtpConfig::default() };
    let net = NetWorld {
        dns: Resolver::new(&dns::Config::new(vec!["127.0.0.1:53".parse().unwrap()], Trust::Off)).unwrap(),
        https: HttpsClient::new(HttpsConfig::default()),
        smtp: SmtpClient::new(smtp).unwrap(),
    };
    let roots = tlsward_net::roots::Roots::load(Some(roots)).unwrap();
    let roots = TrustRoots::from_readable(&roots.certificates);
    let now = RealClock.now();
    assert_eq!(ripe(told, now + 10, true), told.len(), "every session has its line");
    let certificates = Certificates::new();
    certificates.fetch(&net, &certificates.wanted(told, now), now).await;
    let grounds = Grounds { certificates: &certificates, roots: &roots, policies: &NoPolicies };
    let identity = Identity::new("Sender", "tlsrpt@sender.example").unwrap();
    let settings = Settings::new(identity, 1, BounceSecret::new([0; 32]));
    let mut counter = Counter::new(&settings);
    sessions(told, &grounds).into_iter().for_each(|session| counter.count(session));
    let mut counts: BTreeMap<String, Counts> = BTreeMap::new();
    for group in counter.take("test", Default::default(), Default::default()).groups {
        let entry = counts.entry(group.domain.to_string()).or_default();
        entry.2 += group.unjudged;
        for (_, tally) in group.tally.policies() {
            entry.0 += tally.successful;
            entry.1 += tally.failed;
            let reasons = tally.failures.keys();
            entry.3.extend(reasons.map(|failure| {
                format!("{}: {}", failure.result.as_wire(), failure.reason.as_deref().unwrap_or_default())
            }));
        }
    }
    counts
}
