//! Taking over a domain that publishes already.

use mta_sts::policy::{self, MaxAge, Mode};
use mta_sts::record::PolicyId;
use proptest::prelude::{Just, Strategy, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};
use tlsward_engine::ports::{ConnectFailure, DnsFailure, HttpsFailure, RecordKind, TlsFailure};
use tlsward_engine::publish::adopt::{AdoptError, DifferenceCode, Takeover, adopt};
use tlsward_engine::publish::{Command, Publication, Stage, command};

use crate::chains::{LONG, NOW};
use crate::fake::{DOMAIN, Fake, POLICY, POLICY_HOST, policy_answer};
use crate::look;

const OURS: &str = "mailto:tlsrpt@tlsward.test";

fn take_over(fake: &Fake) -> Result<Takeover, AdoptError> {
    adopt(&look(fake), &fake.authority.roots(), Some(OURS), NOW)
}

fn codes(takeover: &Takeover) -> Vec<DifferenceCode> {
    let mut codes: Vec<_> = takeover.differences.iter().map(|difference| difference.code).collect();
    codes.dedup();
    codes
}

/// What the domain publishes, but where the policy host is and that reports come here.
fn odd(takeover: &Takeover) -> Vec<DifferenceCode> {
    let usual = [DifferenceCode::HostMoves, DifferenceCode::RuaAdded];
    codes(takeover).into_iter().filter(|code| !usual.contains(code)).collect()
}

#[test]
fn a_domain_in_order_is_taken_over_exactly_as_it_is() {
    let taken = take_over(&Fake::healthy()).unwrap();
    assert_eq!(taken.wish.stage, Stage::Enforce);
    let mx: Vec<String> = taken.wish.mx.iter().map(|pattern| pattern.as_wire().into_owned()).collect();
    assert_eq!(mx, ["mx1.example.test", "mx2.example.test"]);
    assert_eq!(taken.wish.max_age.map(MaxAge::as_secs), Some(2_419_200));
    assert_eq!(taken.wish.rua, ["mailto:reports@reports.test", OURS]);
    assert!(taken.keeps_body);
    assert_eq!(taken.live_id.as_ref().map(PolicyId::as_wire), Some("20270101T000000"));
    assert_eq!(taken.cached_until, NOW + 31_557_600);
    assert_eq!(codes(&taken), [DifferenceCode::HostMoves, DifferenceCode::RuaAdded]);
    let text = taken.to_text();
    assert!(text.contains("mode enforce, senders keep it for 28 days; kept as it is"), "{text}");
    let json = serde_json::to_value(&taken).unwrap();
    assert_eq!(json["wish"]["stage"], "enforce");
    assert_eq!(json["live_id"], "20270101T000000");
    assert_eq!(json["differences"][0]["code"], "host-moves");
}

/// What is taken over as shown is what the state machine accepts.
#[test]
fn the_order_to_take_over_is_obeyed_and_keeps_the_live_id() {
    let taken = take_over(&Fake::healthy()).unwrap();
    let domain = mta_sts::policy_domain::PolicyDomain::parse(DOMAIN).unwrap();
    let fresh = Publication::new(domain, taken.wish.clone(), NOW);
    let order = taken.to_command(None);
    assert!(matches!(order, Command::Adopt(_)));
    let (state, _) = command(&fresh, order, NOW).unwrap();
    assert_eq!(state.id, taken.live_id);
    assert_eq!(state.served.as_ref().unwrap().body.as_ref(), POLICY.as_bytes());
    assert!(state.cached_until(NOW) >= taken.cached_until);
}

#[test]
fn what_cannot_be_strict_is_shown_and_written_strictly_without_changing_its_meaning() {
    let mut fake = Fake::healthy();
    let served = "\u{feff}version: STSv1\n\nmode: enforce\nmx: MX1.example.test.\nmx: mx2.example.test\nowner: us\n\
                  max_age: 99999999\nmode: none\n";
    fake.policy(served);
    let taken = take_over(&fake).unwrap();
    assert!(!taken.keeps_body);
    assert_eq!(odd(&taken), [DifferenceCode::PolicyRewritten, DifferenceCode::PolicyFieldDropped]);
    let rewritten = taken.differences.iter().find(|one| one.code == DifferenceCode::PolicyRewritten).unwrap();
    for what in ["byte order mark", "blank lines", "ends in a dot", "above the maximum", "stands there twice"]
    {
        assert!(rewritten.text.contains(what), "{what}: {}", rewritten.text);
    }
    let body = taken.wish.policy().unwrap().unwrap().to_body().unwrap();
    let ours = policy::parse(body.as_bytes());
    let ours = ours.strict().unwrap();
    let live = policy::parse(served.as_bytes()).into_usable().unwrap();
    assert!(ours.same_rules(&live) && ours.max_age() == live.max_age());
}

#[test]
fn a_record_that_is_not_plain_is_named_and_its_id_kept() {
    for (text, code) in [
        ("v=STSv1 ; id=7;", DifferenceCode::RecordRewritten),
        ("v=STSv1; id=7; note=hello;", DifferenceCode::RecordRewritten),
    ] {
        let mut fake = Fake::healthy();
        fake.txt("_mta-sts.example.test", &[text]);
        let taken = take_over(&fake).unwrap();
        assert_eq!(odd(&taken), [code], "{text}");
        assert_eq!(taken.live_id.unwrap().as_wire(), "7");
    }
    let mut fake = Fake::healthy();
    fake.alias("_mta-sts.example.test", RecordKind::Txt, "_mta-sts.provider.test");
    assert_eq!(odd(&take_over(&fake).unwrap()), [DifferenceCode::RecordAlias]);
}

/// Senders that hold the policy keep to it, and refresh it, whatever became of the record.
#[test]
fn a_policy_whose_record_is_gone_or_broken_is_taken_over_all_the_same() {
    let mut fake = Fake::healthy();
    fake.txt("_mta-sts.example.test", &[]);
    let taken = take_over(&fake).unwrap();
    assert_eq!((taken.wish.stage, taken.live_id.as_ref()), (Stage::Enforce, None));
    assert_eq!(odd(&taken), [DifferenceCode::RecordAdded]);

    fake.txt("_mta-sts.example.test", &["v=STSv1; id=1;", "v=STSv1; id=2;"]);
    let taken = take_over(&fake).unwrap();
    assert_eq!((taken.wish.stage, taken.live_id.as_ref()), (Stage::Enforce, None));
    assert_eq!(odd(&taken), [DifferenceCode::RecordRewritten]);
}

/// Anything served instead could be weaker than what senders hold.
#[test]
fn a_domain_whose_announced_policy_cannot_be_read_is_refused() {
    let absent = |fake: &mut Fake| fake.addresses(POLICY_HOST, &[]);
    let status =
        |fake: &mut Fake| fake.each_policy(|exchange| exchange.outcome.as_mut().unwrap().status = 404);
    let nonsense = |fake: &mut Fake| fake.policy("<html>");
    let no_mx = |fake: &mut Fake| fake.policy("version: STSv1\nmode: enforce\nmax_age: 1\n");
    let certificate = |fake: &mut Fake| {
        let chain = fake.authority.chain(&["other.test"], LONG);
        for address in crate::fake::POLICY_ADDRESSES {
            fake.serve(POLICY_HOST, address, &chain, policy_answer(POLICY));
        }
    };
    let alert = |fake: &mut Fake| {
        fake.each_policy(|exchange| {
            exchange.tls = None;
            exchange.outcome = Err(HttpsFailure::Tls(TlsFailure::Alert("unrecognized_name".to_owned())));
        });
    };
    type Spoil<'s> = &'s dyn Fn(&mut Fake);
    let cases: [(&str, Spoil<'_>); 6] = [
        ("no address", &absent),
        ("404", &status),
        ("a page", &nonsense),
        ("no mx", &no_mx),
        ("certificate", &certificate),
        ("alert", &alert),
    ];
    for (name, spoil) in cases {
        let mut fake = Fake::healthy();
        spoil(&mut fake);
        let refused = take_over(&fake);
        assert!(matches!(refused, Err(AdoptError::Unreadable { .. })), "{name}: {refused:?}");
        // A broken record announced something as well.
        fake.txt("_mta-sts.example.test", &["v=STSv1; id=-;"]);
        let refused = take_over(&fake);
        assert!(matches!(refused, Err(AdoptError::Unreadable { .. })), "{name}: {refused:?}");
        // With no record either, there is no policy: only reports are taken over.
        fake.txt("_mta-sts.example.test", &[]);
        let taken = take_over(&fake).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((taken.wish.stage, taken.cached_until), (Stage::Reporting, NOW), "{name}");
    }
}

#[test]
fn what_could_not_be_told_is_never_taken_for_nothing() {
    let timed_out = |fake: &mut Fake, name: &str, kind| fake.fail(name, kind, DnsFailure::TimedOut);
    for (name, kind) in [
        ("_mta-sts.example.test", RecordKind::Txt),
        ("_smtp._tls.example.test", RecordKind::Txt),
        ("mta-sts.example.test", RecordKind::A),
        ("mta-sts.example.test", RecordKind::Aaaa),
        (DOMAIN, RecordKind::Mx),
    ] {
        let mut fake = Fake::healthy();
        timed_out(&mut fake, name, kind);
        let refused = take_over(&fake);
        assert!(matches!(refused, Err(AdoptError::NotTold { .. })), "{name} {kind:?}: {refused:?}");
    }
    for has_record in [true, false] {
        let mut fake = Fake::healthy();
        if !has_record {
            fake.txt("_mta-sts.example.test", &[]);
        }
        fake.each_policy(|exchange| {
            exchange.tls = None;
            exchange.outcome = Err(HttpsFailure::Connect(ConnectFailure::TimedOut));
        });
        let refused = take_over(&fake);
        assert!(matches!(refused, Err(AdoptError::NotTold { .. })), "{has_record}: {refused:?}");
    }
}

#[test]
fn addresses_that_serve_different_policies_are_refused() {
    let mut fake = Fake::healthy();
    let chain = fake.authority.chain(&[POLICY_HOST], LONG);
    let weaker = POLICY.replace("enforce", "testing");
    fake.serve(POLICY_HOST, crate::fake::POLICY_ADDRESSES[0], &chain, policy_answer(&weaker));
    assert!(matches!(take_over(&fake), Err(AdoptError::Ambiguous { .. })));
    // Other lines with the same meaning are one policy.
    let same = POLICY.replace("\r\n", "\n");
    fake.serve(POLICY_HOST, crate::fake::POLICY_ADDRESSES[0], &chain, policy_answer(&same));
    assert_eq!(take_over(&fake).unwrap().wish.stage, Stage::Enforce);
}

/// The MX list is never widened from DNS.
#[test]
fn an_mx_host_that_only_dns_names_is_shown_and_not_added() {
    let mut fake = Fake::healthy();
    fake.mx(DOMAIN, &[(10, "mx1.example.test"), (20, "evil.test")]);
    let taken = take_over(&fake).unwrap();
    assert_eq!(odd(&taken), [DifferenceCode::MxNotInPolicy, DifferenceCode::PatternUnused]);
    assert_eq!(taken.wish.mx.len(), 2);
    assert!(!taken.to_text().contains("mx       evil.test"));
}

#[test]
fn destinations_for_reports_are_kept_and_ours_is_added_once() {
    let rua = |texts: &[&str]| {
        let mut fake = Fake::healthy();
        fake.txt("_smtp._tls.example.test", texts);
        let taken = take_over(&fake).unwrap();
        (taken.wish.rua.clone(), odd(&taken))
    };
    assert_eq!(
        rua(&["v=TLSRPTv1; rua=https://a.test/x,mailto:b@c.test,mailto:b@c.test,ftp://old.test"]),
        (
            vec!["https://a.test/x".to_owned(), "mailto:b@c.test".to_owned(), OURS.to_owned()],
            vec![DifferenceCode::RuaDropped]
        )
    );
    assert_eq!(
        rua(&["v=TLSRPTv1; rua=mailto:tlsrpt@TLSWARD.test"]),
        (vec!["mailto:tlsrpt@TLSWARD.test".to_owned()], vec![])
    );
    assert_eq!(rua(&[]), (vec![OURS.to_owned()], vec![]));
    // Of several records none counts; what they name is kept.
    assert_eq!(
        rua(&["v=TLSRPTv1; rua=mailto:a@a.test", "v=TLSRPTv1; rua=mailto:b@b.test"]),
        (
            vec!["mailto:a@a.test".to_owned(), "mailto:b@b.test".to_owned(), OURS.to_owned()],
            vec![DifferenceCode::ReportingRepaired]
        )
    );
}

#[test]
fn a_policy_on_its_way_out_stays_so() {
    let mut fake = Fake::healthy();
    fake.policy("version: STSv1\r\nmode: none\r\nmax_age: 86400\r\n");
    let taken = take_over(&fake).unwrap();
    assert_eq!(taken.wish.stage, Stage::WindingDown);
    assert_eq!(odd(&taken), [DifferenceCode::WindingDown]);
}

#[test]
fn a_domain_that_publishes_nothing_is_no_case_for_adoption() {
    let mut fake = Fake::healthy();
    fake.txt("_mta-sts.example.test", &[]);
    fake.txt("_smtp._tls.example.test", &[]);
    fake.addresses(POLICY_HOST, &[]);
    assert!(matches!(take_over(&fake), Err(AdoptError::Nothing { .. })));
}

fn bodies() -> impl Strategy<Value = String> {
    let end = prop_oneof![Just("\r\n"), Just("\n"), Just("\r\r\n"), Just("\n\n"), Just(" \t\n")];
    let mode = prop_oneof![Just("enforce"), Just("testing"), Just("none")];
    let mx = prop::collection::vec("(\\*\\.)?[A-Za-z]{1,8}\\.(test|example)\\.?", 0..5);
    let head = prop_oneof![Just(""), Just("\u{feff}")];
    let extra = prop_oneof![Just(""), Just("note: x y"), Just("mode: none"), Just("max_age: 0")];
    (end, mode, mx, head, extra, 0..99_999_999u64).prop_map(|(end, mode, mx, head, extra, max_age)| {
        let mut lines =
            vec!["version: STSv1".to_owned(), format!("mode: {mode}"), format!("max_age: {max_age}")];
        lines.extend(mx.iter().map(|mx| format!("mx: {mx}")));
        if !extra.is_empty() {
            lines.push(extra.to_owned());
        }
        format!("{head}{}{end}", lines.join(end))
    })
}

fn rank(mode: Mode) -> u8 {
    match mode {
        Mode::None => 0,
        Mode::Testing => 1,
        Mode::Enforce => 2,
    }
}

proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 64, ..Default::default() })]

    /// Whatever is served, however badly: what is published instead has its mode, its patterns and its max_age, follows the
    /// grammar to the letter, and where the live policy cannot be read nothing is published at all.
    #[test]
    fn adoption_never_weakens(body in bodies()) {
        let mut fake = Fake::healthy();
        fake.policy(&body);
        let live = policy::parse(body.as_bytes()).into_usable();
        match (take_over(&fake), live) {
            (Ok(taken), Ok(live)) => {
                let ours = taken.wish.policy().unwrap().unwrap();
                let text = ours.to_body().unwrap();
                prop_assert!(policy::parse(text.as_bytes()).strict().is_ok());
                prop_assert!(rank(ours.mode()) >= rank(live.mode()));
                prop_assert_eq!(ours.mx(), live.mx());
                prop_assert_eq!(ours.max_age(), live.max_age());
                prop_assert!(taken.cached_until >= NOW + i64::from(live.max_age().as_secs()));
                prop_assert_eq!(taken.keeps_body, text == body);
                let rewritten = [DifferenceCode::PolicyRewritten, DifferenceCode::PolicyFieldDropped];
                let is_told = codes(&taken).iter().any(|code| rewritten.contains(code));
                prop_assert!(taken.keeps_body || is_told);
            }
            (Err(AdoptError::Unreadable { .. }), Err(_)) => {}
            (taken, live) => prop_assert!(false, "{:?} of {:?}", taken, live),
        }
    }
}
