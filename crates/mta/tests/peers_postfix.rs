//! Real Postfix, 3.7 (Debian 12) and 3.10 (Debian 13), asks our server and acts on what it is told.
//!
//! Each Postfix lives in a folder made by mmdebstrap, is started there by chroot in a network of its own, and reaches
//! the server by a unix socket; its mail goes to smtp-sink in the same network, which has no STARTTLS: so `secure`
//! must defer and `may` must deliver. The log is read by our reader on the way. Needs root,
//! mmdebstrap and a Debian mirror; run it with `--run-ignored all`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use mta_sts::mx::MxPattern;
use tlsward_engine::ports::{Level, MtaLogEvent, MtaPolicy, PolicyReply, StsAttributes};
use tlsward_mta::postfix_log::{Tracker, entry::Entry};
use tlsward_mta::socketmap::{Answer, Answers, Dialect, Encoded, Limits, Listener, Reply, Server, render};

/// For one step of Postfix.
const PATIENCE: Duration = Duration::from_secs(60);
/// Where the socket is, in Postfix's eyes.
const SOCKET: &str = "/run/tlsward.sock";

/// Answers by the next hop's first label, in the dialect of the map; notes what was asked.
struct Script {
    asked: Arc<Mutex<Vec<String>>>,
}

impl Answers for Script {
    fn answer(&self, map: &str, key: &str) -> Answer {
        self.asked.lock().unwrap().push(format!("{map} {key}"));
        let Some(dialect) = Dialect::of_map(map) else {
            return Answer::Ready(Reply::Perm("there is no such map").encode());
        };
        let policy = |level, patterns: &[&str]| {
            let mx_patterns: Vec<MxPattern> =
                patterns.iter().map(|text| MxPattern::parse(text).unwrap()).collect();
            let sts = StsAttributes {
                policy_domain: key.to_owned(),
                policy_strings: [
                    "version: STSv1",
                    "mode: enforce",
                    "mx: *.mail.example",
                    "max_age: 86400",
                    "x-odd: a, b = c; \"d\" \\ ü",
                    "x-hostile: } { policy_type=no-policy-found",
                ]
                .map(str::to_owned)
                .to_vec(),
                mx_patterns,
                failure: None,
            };
            MtaPolicy::Apply(PolicyReply { level, send_server_name: true, sts: Some(sts) })
        };
        let secure = |patterns: &[&str]| {
            let parsed = patterns.iter().map(|text| MxPattern::parse(text).unwrap()).collect();
            policy(Level::Secure(parsed), patterns)
        };
        let policy = match key.split('.').next().unwrap() {
            "enforce" | "enforce-rpt" => secure(&[key, "*.mail.example"]),
            "testing" | "testing-rpt" => policy(Level::May, &[key]),
            "stranger-rpt" => secure(&["mx.elsewhere.example"]),
            "later" => MtaPolicy::TryLater("DNS does not answer\nand so on".to_owned()),
            "slow" => {
                let answer = render(&MtaPolicy::NotFound, dialect).reply;
                return Answer::Pending(Box::pin(async move {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    answer
                }));
            }
            "huge" => {
                let many: Vec<String> = (0..1600).map(|n| format!("mx{n:05}.mail.example")).collect();
                secure(&many.iter().map(String::as_str).collect::<Vec<_>>())
            }
            _ => return Answer::Ready(Encoded::NOT_FOUND),
        };
        Answer::Ready(render(&policy, dialect).reply)
    }
}

/// A Postfix of one Debian release.
struct Postfix {
    root: PathBuf,
    process: Option<Child>,
    log: Option<Receiver<String>>,
}

impl Drop for Postfix {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            // All of it goes with its first process: it has a process namespace of its own.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Postfix {
    /// Makes the folder if it is not there from an earlier run, and writes the configuration.
    fn install(suite: &str, packages: &str) -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("postfix-{suite}"));
        if !root.join("usr/sbin/postfix").exists() {
            let _ = fs::remove_dir_all(&root);
            let output = Command::new("mmdebstrap")
                .args(["--variant=apt", &format!("--include={packages}"), suite])
                .arg(&root)
                .output()
                .expect("mmdebstrap (Debian's package mmdebstrap) is needed, and root");
            assert!(output.status.success(), "mmdebstrap: {}", String::from_utf8_lossy(&output.stderr));
        }
        let main = format!(
            "compatibility_level = 3.6\nmaillog_file = /dev/stdout\nmyhostname = sender.example\nmydestination =\n\
             inet_interfaces = loopback-only\ninet_protocols = ipv4\nalias_maps =\nlocal_recipient_maps =\n\
             smtp_host_lookup = native\nsmtp_dns_support_level = disabled\nsmtp_tls_loglevel = 2\n\
             smtp_tls_policy_maps = socketmap:unix:{SOCKET}:tlsward\nsmtputf8_enable = yes\n\
             transport_maps = regexp:/etc/postfix/transport\nminimal_backoff_time = 4000s\nmaximal_backoff_time = 4000s\n"
        );
        fs::write(root.join("etc/postfix/main.cf"), main).unwrap();
        fs::write(root.join("etc/postfix/transport"), "/-rpt\\.example$/ smtprpt:\n").unwrap();
        let public = |name: &str, rest: &str| format!("{name} unix n - n {rest}\n");
        let service = |name: &str, kind: &str, rest: &str| format!("{name} {kind} - - n {rest}\n");
        let master: String = [
            public("pickup", "60 1 pickup"),
            public("cleanup", "- 0 cleanup"),
            public("qmgr", "300 1 qmgr"),
            service("tlsmgr", "unix", "1000? 1 tlsmgr"),
            service("rewrite", "unix", "- - trivial-rewrite"),
            service("bounce", "unix", "- 0 bounce"),
            service("defer", "unix", "- 0 bounce"),
            service("trace", "unix", "- 0 bounce"),
            service("proxymap", "unix", "- - proxymap"),
            service("smtp", "unix", "- - smtp"),
            service("smtprpt", "unix", "- - smtp")
                + &format!("  -o smtp_tls_policy_maps=socketmap:unix:{SOCKET}:tlsward-tlsrpt\n"),
            service("error", "unix", "- - error"),
            service("retry", "unix", "- - error"),
            service("discard", "unix", "- - discard"),
            service("scache", "unix", "- 1 scache"),
            "postlog unix-dgram n - n - 1 postlogd\n".to_owned(),
        ]
        .concat();
        fs::write(root.join("etc/postfix/master.cf"), master).unwrap();
        Self { root, process: None, log: None }
    }

    fn chroot(&self) -> Command {
        let mut command = Command::new("chroot");
        command.arg(&self.root);
        command
    }

    fn version(&self) -> String {
        let output = self.chroot().args(["postconf", "-h", "mail_version"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// `postmap -q`: value, or nothing where there is none.
    fn look_up(&self, map: &str, key: &str) -> (String, String) {
        let map = format!("socketmap:unix:{SOCKET}:{map}");
        let output = self.chroot().args(["postmap", "-q", key, &map]).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim_end().to_owned();
        (text(output.stdout), text(output.stderr))
    }

    /// Starts it, with a sink for its mail, in a network without anything else.
    fn start(&mut self, hosts: &[&str]) {
        let hosts: String = hosts.iter().map(|host| format!("192.0.2.9 {host}\n")).collect();
        fs::write(self.root.join("etc/hosts"), format!("127.0.0.1 localhost\n{hosts}")).unwrap();
        for left in ["var/spool/postfix/pid/master.pid", "var/lib/postfix/master.lock"] {
            let _ = fs::remove_file(self.root.join(left));
        }
        // Mail of an earlier run.
        let empty = "rm -rf /var/spool/postfix/deferred/* /var/spool/postfix/active/*";
        assert!(self.chroot().args(["sh", "-c", empty]).status().unwrap().success());
        let script = "ip link set lo up && ip address add 192.0.2.9/32 dev lo && cd \"$0\" && mount -t proc proc proc && mount --rbind /dev dev && (chroot . smtp-sink -u postfix 192.0.2.9:25 64 & exec chroot . postfix start-fg)";
        let mut process = Command::new("unshare")
            .args(["--net", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script])
            .arg(&self.root)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("unshare (Debian's package util-linux) is needed, and root");
        let (tell, told) = mpsc::channel();
        let (output, errors) = (process.stdout.take().unwrap(), process.stderr.take().unwrap());
        let also = tell.clone();
        thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| tell.send(line))
        });
        thread::spawn(move || {
            BufReader::new(errors).lines().map_while(Result::ok).try_for_each(|line| also.send(line))
        });
        self.process = Some(process);
        self.log = Some(told);
        self.until(|line| line.contains("daemon started").then_some(()));
    }

    /// Reads the log until `found`.
    fn until<T>(&self, mut found: impl FnMut(&str) -> Option<T>) -> T {
        let mut seen = Vec::new();
        #[expect(clippy::disallowed_methods, reason = "a bound on a real program")]
        let (now, begun) = (Instant::now, Instant::now());
        loop {
            let left = PATIENCE.saturating_sub(now() - begun);
            match self.log.as_ref().unwrap().recv_timeout(left) {
                Ok(line) => {
                    let value = found(&line);
                    seen.push(line);
                    if let Some(value) = value {
                        return value;
                    }
                }
                Err(_) => panic!("Postfix did not say it:\n{}", seen.join("\n")),
            }
        }
    }

    fn send_mail(&self, recipient: &str) {
        let mut child = self
            .chroot()
            .args(["sendmail", "-f", "a@sender.example", recipient])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(b"Subject: x\n\nx\n").unwrap();
        assert!(child.wait().unwrap().success());
    }
}

/// What became of the mail to each domain: the line with `status=`, and every warning about it before.
fn outcomes(postfix: &Postfix, domains: &[&str]) -> (BTreeMap<String, String>, Vec<MtaLogEvent>) {
    for domain in domains {
        postfix.send_mail(&format!("u@{domain}"));
    }
    let mut outcomes: BTreeMap<String, String> = BTreeMap::new();
    let mut warnings: Vec<String> = Vec::new();
    let (mut tracker, mut events) = (Tracker::default(), Vec::new());
    postfix.until(|line| {
        events.extend(Entry::parse(line).and_then(|entry| tracker.entry(&entry)));
        if line.contains("warning: ") {
            warnings.push(line.to_owned());
        }
        if let Some((_, rest)) = line.split_once("to=<u@")
            && let Some((domain, _)) = rest.split_once('>')
            && let Some((_, status)) = line.split_once("status=")
        {
            let told: Vec<&String> = warnings.iter().filter(|warning| warning.contains(domain)).collect();
            outcomes.insert(domain.to_owned(), format!("{status} {told:?}"));
        }
        (outcomes.len() == domains.len()).then_some(())
    });
    (outcomes, events)
}

/// Runs `test` with a Postfix and a server that it can reach.
fn with_postfix(suite: &str, packages: &str, test: impl FnOnce(&mut Postfix, &Mutex<Vec<String>>)) {
    let mut postfix = Postfix::install(suite, packages);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let socket = postfix.root.join(SOCKET.trim_start_matches('/'));
    let _entered = runtime.enter();
    let listener = Listener::unix(&socket, 0o666).unwrap();
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    let server = Server::new(Script { asked: Arc::clone(&asked) }, Limits::default());
    runtime.spawn(server.run(vec![listener], stopped));
    test(&mut postfix, &asked);
}

fn look_ups(postfix: &Postfix) {
    assert_eq!(
        postfix.look_up("tlsward", "enforce.example").0,
        "secure match=enforce.example:.mail.example servername=hostname"
    );
    let (value, _) = postfix.look_up("tlsward-tlsrpt", "enforce.example");
    assert!(
        value.starts_with("secure match=enforce.example:.mail.example servername=hostname policy_type=sts ")
    );
    assert!(value.ends_with("{ policy_string = x-odd: a, b = c; \"d\" \\ ü }"), "{value}");
    assert_eq!(postfix.look_up("tlsward", "nothing.example"), (String::new(), String::new()));
    assert_eq!(postfix.look_up("tlsward", "slow.example"), (String::new(), String::new()));
    assert!(
        postfix
            .look_up("tlsward", "later.example")
            .1
            .contains("temporary error: DNS does not answer?and so on")
    );
    assert!(postfix.look_up("other", "enforce.example").1.contains("permanent error: there is no such map"));
    let (huge, errors) = postfix.look_up("tlsward-tlsrpt", "huge.example");
    assert!(huge.len() > 80_000 && errors.is_empty(), "{} bytes: {errors}", huge.len());
}

const DOMAINS: [&str; 6] = [
    "enforce.example",
    "testing.example",
    "nothing.example",
    "later.example",
    "enforce-rpt.example",
    "testing-rpt.example",
];

const NO_STARTTLS: &str = "TLS is required, but was not offered";
const WRONG_POLICY: &str = "client TLS configuration problem";

#[test]
#[ignore = "makes a Debian 12 in a folder: needs root, mmdebstrap and a mirror"]
fn postfix_3_7_takes_the_classic_dialect_and_refuses_the_other() {
    with_postfix("bookworm", "postfix", |postfix, asked| {
        assert!(postfix.version().starts_with("3.7."));
        look_ups(postfix);
        postfix.start(&DOMAINS);
        asked.lock().unwrap().clear();
        let (outcomes, _) = outcomes(postfix, &DOMAINS);
        assert!(outcomes["enforce.example"].contains(NO_STARTTLS), "{outcomes:#?}");
        assert!(outcomes["testing.example"].starts_with("sent"), "{outcomes:#?}");
        assert!(outcomes["nothing.example"].starts_with("sent"), "{outcomes:#?}");
        assert!(outcomes["later.example"].starts_with("deferred"), "{outcomes:#?}");
        for domain in ["enforce-rpt.example", "testing-rpt.example"] {
            assert!(outcomes[domain].contains(WRONG_POLICY), "{outcomes:#?}");
            assert!(outcomes[domain].contains("invalid attribute name"), "{outcomes:#?}");
        }
        let asked = asked.lock().unwrap();
        assert!(asked.contains(&"tlsward .example".to_owned()), "parents are asked for: {asked:?}");
        assert!(asked.contains(&"tlsward-tlsrpt enforce-rpt.example".to_owned()), "{asked:?}");
    });
}

#[test]
#[ignore = "makes a Debian 13 in a folder: needs root, mmdebstrap and a mirror"]
fn postfix_3_10_takes_both_dialects_and_holds_mx_names_against_the_patterns() {
    with_postfix("trixie", "postfix,libtlsrpt0", |postfix, _| {
        assert!(postfix.version().starts_with("3.10."));
        look_ups(postfix);
        let domains = [&DOMAINS[..], &["stranger-rpt.example"]].concat();
        postfix.start(&domains);
        let (outcomes, events) = outcomes(postfix, &domains);
        for domain in ["enforce.example", "enforce-rpt.example"] {
            assert!(outcomes[domain].contains(NO_STARTTLS), "{outcomes:#?}");
            assert!(outcomes[domain].ends_with("[]"), "no warning: {outcomes:#?}");
        }
        for domain in ["testing.example", "testing-rpt.example", "nothing.example"] {
            assert!(outcomes[domain].starts_with("sent"), "{outcomes:#?}");
        }
        assert!(outcomes["later.example"].starts_with("deferred"), "{outcomes:#?}");
        // RFC 8461 §4.1, by Postfix ≥ 3.10.5; its warning is what the log's reader knows.
        let stranger = &outcomes["stranger-rpt.example"];
        assert!(stranger.starts_with("deferred"), "{outcomes:#?}");
        assert!(
            stranger.contains(
                "MX name 'stranger-rpt.example' does not match STS MX pattern for 'stranger-rpt.example'"
            ),
            "{outcomes:#?}"
        );
        let name = "stranger-rpt.example";
        assert_eq!(events, [MtaLogEvent::MxNotInPolicy { mx_host: name.into(), domain: name.into() }]);
    });
}
