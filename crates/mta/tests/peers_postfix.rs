//! Real Postfix, 3.7 (Debian 12) and 3.10 (Debian 13), asks our server and acts on what it is told.
//!
//! Each Postfix lives in a folder made by mmdebstrap, beside the test in a network and a process tree of their own, and
//! reaches the server by a unix socket; its mail goes to smtp-sink in the same network, which has no STARTTLS: so
//! `secure` must defer and `may` must deliver. The log is read by our reader on the way. Needs root, mmdebstrap and a
//! Debian mirror; run it with `--run-ignored all`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../../tests/support/debian.rs"]
mod debian;
#[path = "../../../tests/support/postfix.rs"]
mod postfix;

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use debian::Debian;
use mta_sts::mx::MxPattern;
use postfix::{Postfix, version};
use tlsward_engine::ports::{Level, MtaLogEvent, MtaPolicy, PolicyReply, StsAttributes};
use tlsward_mta::postfix_log::{Tracker, entry::Entry};
use tlsward_mta::socketmap::{Answer, Answers, Dialect, Encoded, Limits, Listener, Reply, Server, render};

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

/// Starts it, with a sink for its mail.
fn start<'a>(debian: &'a Debian, hosts: &[&str]) -> Postfix<'a> {
    let hosts: String = hosts.iter().map(|host| format!("192.0.2.9 {host}\n")).collect();
    debian.write("/etc/hosts", &format!("127.0.0.1 localhost\n{hosts}"));
    debian.write("/etc/postfix/transport", "/-rpt\\.example$/ smtprpt:\n");
    let added = Command::new("ip").args(["address", "add", "192.0.2.9/32", "dev", "lo"]).status().unwrap();
    assert!(added.success());
    // It ends with the namespace.
    debian.run("sh", &["-c", "smtp-sink -u postfix 192.0.2.9:25 64 >/dev/null 2>&1 &"]);
    let main = format!(
        "myhostname = sender.example\nmydestination =\ninet_interfaces = loopback-only\nlocal_recipient_maps =\n\
         smtp_host_lookup = native\nsmtp_dns_support_level = disabled\nsmtp_tls_loglevel = 2\n\
         smtp_tls_policy_maps = socketmap:unix:{SOCKET}:tlsward\nsmtputf8_enable = yes\n\
         transport_maps = regexp:/etc/postfix/transport\n"
    );
    let master = format!(
        "smtprpt unix - - n - - smtp\n  -o smtp_tls_policy_maps=socketmap:unix:{SOCKET}:tlsward-tlsrpt\n"
    );
    Postfix::start(debian, &main, &master)
}

/// `postmap -q`: value, or nothing where there is none; and what it complained about.
fn look_up(debian: &Debian, map: &str, key: &str) -> (String, String) {
    debian.run("postmap", &["-q", key, &format!("socketmap:unix:{SOCKET}:{map}")])
}

/// What became of the mail to each domain: the line with `status=`, and every warning about it before.
fn outcomes(postfix: &Postfix<'_>, domains: &[&str]) -> (BTreeMap<String, String>, Vec<MtaLogEvent>) {
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

/// Serves what the script says, in Postfix's folder, as long as what is returned is kept.
fn serve(
    debian: &Debian,
) -> (tokio::runtime::Runtime, tokio::sync::watch::Sender<bool>, Arc<Mutex<Vec<String>>>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let entered = runtime.enter();
    let listener = Listener::unix(&debian.path(SOCKET), 0o666).unwrap();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let server = Server::new(Script { asked: Arc::clone(&asked) }, Limits::default());
    runtime.spawn(server.run(vec![listener], stopped));
    drop(entered);
    (runtime, stop, asked)
}

fn look_ups(debian: &Debian) {
    assert_eq!(
        look_up(debian, "tlsward", "enforce.example").0,
        "secure match=enforce.example:.mail.example servername=hostname"
    );
    let (value, _) = look_up(debian, "tlsward-tlsrpt", "enforce.example");
    assert!(
        value.starts_with("secure match=enforce.example:.mail.example servername=hostname policy_type=sts ")
    );
    assert!(value.ends_with("{ policy_string = x-odd: a, b = c; \"d\" \\ ü }"), "{value}");
    assert_eq!(look_up(debian, "tlsward", "nothing.example"), (String::new(), String::new()));
    assert_eq!(look_up(debian, "tlsward", "slow.example"), (String::new(), String::new()));
    assert!(
        look_up(debian, "tlsward", "later.example")
            .1
            .contains("temporary error: DNS does not answer?and so on")
    );
    assert!(look_up(debian, "other", "enforce.example").1.contains("permanent error: there is no such map"));
    let (huge, errors) = look_up(debian, "tlsward-tlsrpt", "huge.example");
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
    let test = "postfix_3_7_takes_the_classic_dialect_and_refuses_the_other";
    let Some(debian) = debian::inside(test, "bookworm", "postfix") else { return };
    assert!(version(&debian).starts_with("3.7."));
    let (_runtime, _stop, asked) = serve(&debian);
    look_ups(&debian);
    let postfix = start(&debian, &DOMAINS);
    asked.lock().unwrap().clear();
    let (outcomes, _) = outcomes(&postfix, &DOMAINS);
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
}

/// By a Postfix that knows reports: both dialects, and MX names held against the patterns (RFC 8461 §4.1).
fn takes_both_dialects(debian: &Debian) {
    let (_runtime, _stop, _) = serve(debian);
    look_ups(debian);
    let domains = [&DOMAINS[..], &["stranger-rpt.example"]].concat();
    let postfix = start(debian, &domains);
    let (outcomes, events) = outcomes(&postfix, &domains);
    for domain in ["enforce.example", "enforce-rpt.example"] {
        assert!(outcomes[domain].contains(NO_STARTTLS), "{outcomes:#?}");
        assert!(outcomes[domain].ends_with("[]"), "no warning: {outcomes:#?}");
    }
    for domain in ["testing.example", "testing-rpt.example", "nothing.example"] {
        assert!(outcomes[domain].starts_with("sent"), "{outcomes:#?}");
    }
    assert!(outcomes["later.example"].starts_with("deferred"), "{outcomes:#?}");
    // By Postfix ≥ 3.10.5; its warning is what the log's reader knows.
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
}

#[test]
#[ignore = "makes a Debian 13 in a folder: needs root, mmdebstrap and a mirror"]
fn postfix_3_10_takes_both_dialects_and_holds_mx_names_against_the_patterns() {
    let test = "postfix_3_10_takes_both_dialects_and_holds_mx_names_against_the_patterns";
    let Some(debian) = debian::inside(test, "trixie", "postfix,libtlsrpt0,python3,faketime") else { return };
    assert!(version(&debian).starts_with("3.10."));
    takes_both_dialects(&debian);
}

#[test]
#[ignore = "makes a Debian in a folder: needs root, mmdebstrap and a mirror"]
fn the_postfix_after_3_10_takes_both_dialects_and_holds_mx_names_against_the_patterns() {
    let test = "the_postfix_after_3_10_takes_both_dialects_and_holds_mx_names_against_the_patterns";
    let Some(debian) = debian::inside(test, "forky", "postfix,libtlsrpt0,python3,faketime") else { return };
    assert!(version(&debian).as_str() >= "3.11.", "{}", version(&debian));
    takes_both_dialects(&debian);
}
