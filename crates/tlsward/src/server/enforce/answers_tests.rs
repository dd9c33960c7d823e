use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use futures_util::FutureExt as _;
use prometheus_client::registry::Registry;

use tlsward_engine::enforce::DaneWhy;
use tlsward_engine::ports::StsAttributes;

use super::*;

/// What is known, by domain; and how often was asked.
#[derive(Default)]
struct Known {
    answers: Mutex<BTreeMap<String, Found>>,
    looked_up: AtomicUsize,
    again: AtomicUsize,
    held: Mutex<Option<Arc<Policy>>>,
}

impl Source for Arc<Known> {
    fn known(&self, hop: &NextHop) -> Option<Found> {
        self.looked_up.fetch_add(1, Ordering::SeqCst);
        self.answers.lock().unwrap().get(hop.domain.as_str()).cloned()
    }

    fn resolve(&self, hop: NextHop) -> BoxFuture<'static, Found> {
        let policy = MtaPolicy::TryLater(format!("{}:{} {}", hop.domain, hop.port, hop.is_host));
        async move { found(policy, 0) }.boxed()
    }

    fn held(&self, _domain: &PolicyDomain) -> Option<Arc<Policy>> {
        self.held.lock().unwrap().clone()
    }

    fn look_again(&self, _hop: &NextHop) {
        self.again.fetch_add(1, Ordering::SeqCst);
    }
}

#[derive(Clone, Default)]
struct Hand(Arc<AtomicI64>);

impl Clock for Hand {
    fn now(&self) -> UnixTime {
        self.0.load(Ordering::SeqCst)
    }
}

fn found(policy: MtaPolicy, good_until: UnixTime) -> Found {
    Found { policy, good_until, why: Why::Pending }
}

fn level(level: Level) -> MtaPolicy {
    MtaPolicy::Apply(PolicyReply { level, send_server_name: false, sts: None })
}

struct Bench {
    desk: Desk<Arc<Known>, Hand>,
    known: Arc<Known>,
    clock: Hand,
}

fn bench(overrides: &str) -> Bench {
    bench_by(Choices::default(), overrides)
}

fn bench_by(choices: Choices, overrides: &str) -> Bench {
    let (known, clock) = (Arc::new(Known::default()), Hand::default());
    let counts = Counts::register(&mut Registry::default());
    let desk = Desk::new(Arc::clone(&known), clock.clone(), choices, rules(overrides), counts);
    Bench { desk, known, clock }
}

fn rules(text: &str) -> Overrides {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.toml");
    std::fs::write(&file, format!("[enforce.overrides]\n{text}")).unwrap();
    crate::config::Settings::load(Some(&file)).unwrap().enforce.unwrap().overrides
}

impl Bench {
    fn says(&self, domain: &str, policy: MtaPolicy, good_until: UnixTime) {
        self.knows(domain, found(policy, good_until));
    }

    fn knows(&self, domain: &str, found: Found) {
        self.known.answers.lock().unwrap().insert(domain.to_owned(), found);
    }

    fn ask(&self, key: &str) -> String {
        self.ask_map("tlsward", key)
    }

    fn ask_map(&self, map: &str, key: &str) -> String {
        let answer = match self.desk.answer(map, key) {
            Answer::Ready(answer) => answer,
            Answer::Pending(answer) => answer.now_or_never().unwrap(),
        };
        let text = String::from_utf8(answer.as_bytes().to_vec()).unwrap();
        text.split_once(':').unwrap().1.trim_end_matches(',').to_owned()
    }

    fn looked_up(&self) -> usize {
        self.known.looked_up.load(Ordering::SeqCst)
    }
}

/// Proves: S5, S6
#[test]
fn parents_addresses_and_paths_are_not_found_at_once() {
    let bench = bench("");
    for key in
        [".example.org", ".", "[192.0.2.1]", "192.0.2.1", "[IPv6:2001:db8::1]:25", "/run/lmtp", "a b", ""]
    {
        assert_eq!(bench.ask(key), "NOTFOUND ", "{key}");
    }
    assert_eq!((bench.looked_up(), bench.desk.map().len()), (0, 0));
}

#[test]
fn what_is_known_is_told_without_asking_again_until_its_time_is_over() {
    let bench = bench("");
    bench.says("a.example", level(Level::DaneOnly), 10);
    assert_eq!(bench.ask("a.example"), "OK dane-only");
    assert_eq!(bench.ask("a.example"), "OK dane-only");
    assert_eq!(bench.looked_up(), 1);
    bench.says("a.example", level(Level::May), 20);
    bench.clock.0.store(10, Ordering::SeqCst);
    assert_eq!(bench.ask("a.example"), "OK may");
    bench.says("a.example", level(Level::Encrypt), 20);
    let changed = BTreeSet::from([PolicyDomain::parse("a.example").unwrap()]);
    bench.desk.map().drop_domains(&changed);
    assert_eq!(bench.ask("a.example"), "OK encrypt", "a change is told at once");
}

#[test]
fn what_may_be_told_while_asking_is_told_and_asked() {
    let bench = bench("");
    bench.clock.0.store(10, Ordering::SeqCst);
    bench.says("a.example", level(Level::DaneOnly), 10);
    assert_eq!(bench.ask("a.example"), "OK dane-only");
    assert_eq!((bench.desk.map().len(), bench.known.again.load(Ordering::SeqCst)), (0, 1));
}

/// Proves: S4
#[test]
fn what_is_not_known_is_found_out_for_the_next_hop_as_written() {
    let bench = bench("");
    for (key, said) in [
        ("a.example", "TEMP a.example:25 false"),
        ("[Relay.example]:submission", "TEMP relay.example:587 true"),
        ("bücher.example", "TEMP xn--bcher-kva.example:25 false"),
    ] {
        assert_eq!(bench.ask(key), said);
    }
    assert_eq!(bench.desk.map().len(), 0, "trouble is not kept past its time");
}

#[test]
fn the_owners_rules_go_first_and_nothing_is_looked_up_for_them() {
    let bench = bench(
        "'a.example' = 'encrypt'\n'.b.example' = 'exempt'\n'c.example' = { level = 'secure', match = ['*.c.test'] }",
    );
    bench.says("b.example", level(Level::May), 10);
    for (key, said) in [
        ("a.example", "OK encrypt"),
        ("[a.example]:587", "OK encrypt"),
        ("x.b.example", "NOTFOUND "),
        ("c.example", "OK secure match=.c.test servername=hostname"),
    ] {
        assert_eq!(bench.ask(key), said, "{key}");
    }
    assert_eq!(bench.looked_up(), 0);
    assert_eq!(bench.ask("b.example"), "OK may");
    assert!(bench.desk.set_overrides(&rules("'b.example' = 'none'")));
    assert_eq!(bench.ask("b.example"), "OK none", "other rules hold at once");
    assert!(bench.ask("a.example").starts_with("TEMP "));
    assert!(!bench.desk.set_overrides(&rules("'b.example' = 'none'")));
}

/// Proves: E8
#[test]
fn of_a_policy_in_testing_only_a_mail_server_that_reports_hears_and_never_less_than_the_default() {
    let sts = StsAttributes { policy_domain: "t.example".to_owned(), ..StsAttributes::default() };
    let policy = MtaPolicy::Apply(PolicyReply { level: Level::May, send_server_name: false, sts: Some(sts) });
    let why = Why::Testing { id: "1".to_owned(), dane: DaneWhy::Nothing };
    let testing = Found { policy, good_until: 10, why };
    for (default, classic, reporting) in [
        (DefaultAnswer::NotFound, "NOTFOUND ", "OK may policy_type"),
        (DefaultAnswer::May, "OK may", "OK may policy_type"),
        (DefaultAnswer::Encrypt, "OK encrypt", "OK encrypt policy_type"),
        (DefaultAnswer::Dane, "OK dane", "OK dane policy_type"),
    ] {
        let bench = bench_by(Choices { default, ..Choices::default() }, "");
        bench.knows("t.example", testing.clone());
        assert_eq!(bench.ask("t.example"), classic);
        let said = bench.ask_map("tlsward-tlsrpt", "t.example");
        assert!(said.starts_with(reporting), "{said}");
        bench.says("unknown.example", MtaPolicy::NotFound, 10);
        assert_eq!(bench.ask("unknown.example"), classic);
        assert_eq!(bench.ask("[192.0.2.1]"), "NOTFOUND ", "of an address nothing is said");
    }
}

/// Proves: E1
#[test]
fn under_enforce_dane_decides_unless_the_owner_chose_otherwise() {
    let why = Why::Enforce { id: "1".to_owned(), dane: DaneWhy::Usable { hosts: 1, of: 2 } };
    let enforced = Found { policy: level(Level::DaneOnly), good_until: 10, why };
    let secure = "OK secure match=.e.example servername=hostname";
    for (under_enforce, classic, reporting) in [
        (UnderEnforce::DaneOnly, "OK dane-only", "OK dane-only".to_owned()),
        (UnderEnforce::Secure, secure, format!("{secure} policy_type=sts policy_domain=e.example")),
    ] {
        let bench = bench_by(Choices { under_enforce, ..Choices::default() }, "");
        bench.knows("e.example", enforced.clone());
        if under_enforce == UnderEnforce::Secure {
            assert_eq!(bench.ask("[e.example]"), "OK dane-only", "nothing is held to go by");
        }
        let body = b"version: STSv1\nmode: enforce\nmx: *.e.example\nmax_age: 86400\n";
        let policy = mta_sts::policy::parse(body).usable().unwrap().clone();
        *bench.known.held.lock().unwrap() = Some(Arc::new(policy));
        assert_eq!(bench.ask("e.example"), classic);
        let said = bench.ask_map("tlsward-tlsrpt", "e.example");
        assert!(said.starts_with(&reporting), "{said}");
    }
}

#[test]
fn another_map_is_refused_with_the_names_of_ours() {
    let bench = bench("");
    let Answer::Ready(answer) = bench.desk.answer("tlspol", "a.example") else { panic!() };
    let text = String::from_utf8(answer.as_bytes().to_vec()).unwrap();
    assert!(text.contains("PERM ") && text.contains("tlsward-tlsrpt"), "{text}");
}
