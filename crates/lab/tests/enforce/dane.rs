//! DANE beside MTA-STS, and before it.

use tlsward_engine::enforce::{Options, Why};
use tlsward_engine::ports::{Dnssec, MtaPolicy, RecordData, RecordKind};
use tlsward_lab::world::{DnsTrouble, Mode, World};

use crate::stage::{AFTER_TTL, DOMAIN, SECURE, Stage, quoted, told};

/// A signed domain with TLSA records at both MX hosts.
fn stage(mode: Mode) -> Stage {
    Stage::new(|world| world.domain(DOMAIN).mx(2).policy(mode).dane().add().unwrap())
}

fn without_policy(build: impl FnOnce(&mut World)) -> Stage {
    Stage::new(|world| {
        world.domain(DOMAIN).mx(2).no_policy().dane().add().unwrap();
        build(world);
    })
}

fn tlsa(host: u8) -> String {
    format!("_25._tcp.mx{host}.alpha.test")
}

/// Takes the TLSA records of an MX host away.
fn bare(world: &mut World, host: u8) {
    world.node(&tlsa(host)).set(RecordKind::Tlsa, Vec::new());
}

/// Gives an MX host TLSA records that no mail server can use.
fn unusable(world: &mut World, host: u8) {
    let record = RecordData::Tlsa { usage: 1, selector: 1, matching: 1, data: vec![7; 32] };
    world.node(&tlsa(host)).set(RecordKind::Tlsa, vec![record]);
}

/// Proves: E1, K1
#[test]
fn usable_tlsa_records_come_before_an_enforced_policy() {
    let mut stage = stage(Mode::Enforce);
    let answer = stage.ask(DOMAIN);
    assert_eq!(told(&answer), "dane-only");
    assert!(answer.why.text().contains("2 of 2 MX hosts have usable TLSA records"), "{}", answer.why.text());
}

/// Of mixed MX hosts those without TLSA records are passed over: one that has some is never accepted on its certificate
/// alone, and `dane` would let the others fall to clear text.
///
/// Proves: E1
#[test]
fn of_mixed_mx_hosts_under_enforce_those_with_tlsa_records_get_the_mail() {
    let mut stage = stage(Mode::Enforce);
    stage.edit(|world| bare(world, 1));
    let answer = stage.ask(DOMAIN);
    assert_eq!(told(&answer), "dane-only");
    assert!(answer.why.text().contains("1 of 2 MX hosts"), "{}", answer.why.text());
}

/// Proves: E1, E7
#[test]
fn tlsa_records_of_a_host_outside_the_policy_do_not_count() {
    let mut stage = stage(Mode::Enforce);
    stage.edit(|world| bare(world, 1));
    stage.publish("other", Mode::Enforce, &["mx1.alpha.test"]);
    assert_eq!(told(&stage.ask(DOMAIN)), "secure mx1.alpha.test");
}

/// Proves: E1
#[test]
fn without_tlsa_records_a_signed_domain_has_its_policy() {
    let mut stage = Stage::new(|world| {
        world.domain(DOMAIN).mx(2).policy(Mode::Enforce).signed().add().unwrap();
    });
    let answer = stage.ask(DOMAIN);
    assert_eq!(told(&answer), SECURE);
    assert!(answer.why.text().contains("DANE does not apply"), "{}", answer.why.text());
}

/// Proves: K1
#[test]
fn tlsa_records_that_are_not_signed_count_for_nothing_and_are_not_asked_for() {
    let mut stage = Stage::new(|world| {
        world.domain(DOMAIN).mx(2).policy(Mode::Enforce).add().unwrap();
        let record = RecordData::Tlsa { usage: 3, selector: 1, matching: 1, data: vec![7; 32] };
        world.node(&tlsa(1)).set(RecordKind::Tlsa, vec![record]);
        // RFC 7672 §2.2.2: name servers of unsigned zones choke on such questions.
        world.disturb(&tlsa(2), None, DnsTrouble::Silent);
    });
    assert_eq!(told(&stage.ask(DOMAIN)), SECURE);
    assert_eq!(stage.network.questions(&tlsa(1), RecordKind::Tlsa), 0);
}

/// Where signed TLSA records are there and none can be used, MTA-STS still applies; without it, encryption is mandatory
/// at those hosts.
///
/// Proves: E1, K1
#[test]
fn unusable_tlsa_records_leave_the_policy_in_force() {
    let mut enforced = stage(Mode::Enforce);
    enforced.edit(|world| {
        unusable(world, 1);
        unusable(world, 2);
    });
    assert_eq!(told(&enforced.ask(DOMAIN)), SECURE);
    let mut none = without_policy(|world| {
        unusable(world, 1);
        bare(world, 2);
    });
    assert_eq!(told(&none.ask(DOMAIN)), "dane");
}

/// A failed look-up of TLSA records is never taken for "there are none": neither for clear text, nor for MTA-STS in
/// place of DANE.
///
/// Proves: K1
#[test]
fn a_tlsa_look_up_that_fails_makes_mail_wait() {
    for trouble in [DnsTrouble::ServFail, DnsTrouble::Bogus, DnsTrouble::Refused] {
        for mode in [Some(Mode::Enforce), Some(Mode::Testing), None] {
            let mut stage = match mode {
                Some(mode) => stage(mode),
                None => without_policy(|_| {}),
            };
            stage.disturb(&tlsa(1), RecordKind::Tlsa, trouble);
            stage.disturb(&tlsa(2), RecordKind::Tlsa, trouble);
            let answer = stage.ask(DOMAIN);
            assert_eq!(told(&answer), "try-later", "{trouble:?} {mode:?}");
            let MtaPolicy::TryLater(text) = &answer.policy else { panic!("{answer:?}") };
            assert!(text.contains("mx1.alpha.test: the TLSA lookup failed"), "{text}");
            stage.calm();
            stage.wait(31);
            let expected = if mode == Some(Mode::Enforce) { "dane-only" } else { "dane" };
            assert_eq!(told(&stage.ask(DOMAIN)), expected, "{trouble:?} {mode:?}");
        }
    }
}

/// The other host can be used, and what becomes of the one whose look-up failed is the MTA's own look-up's affair.
///
/// Proves: K1
#[test]
fn a_tlsa_look_up_that_fails_at_one_host_leaves_the_other() {
    let mut stage = stage(Mode::Enforce);
    stage.disturb(&tlsa(2), RecordKind::Tlsa, DnsTrouble::ServFail);
    assert_eq!(told(&stage.ask(DOMAIN)), "dane-only");
}

/// Once DANE was seen to apply, trouble does not make it go away.
///
/// Proves: K1, E1
#[test]
fn dane_that_was_known_to_apply_outlives_trouble_of_dns() {
    let mut stage = stage(Mode::Enforce);
    stage.ask(DOMAIN);
    stage.disturb(DOMAIN, RecordKind::Mx, DnsTrouble::ServFail);
    for _ in 0..20 {
        stage.wait(AFTER_TTL);
        assert_eq!(told(&stage.ask(DOMAIN)), "dane-only");
    }
    stage.calm();
    stage.edit(|world| {
        bare(world, 1);
        bare(world, 2);
    });
    stage.wait(AFTER_TTL);
    assert_eq!(told(&stage.ask(DOMAIN)), SECURE, "signed word that there is none counts");
}

/// Where the MX records cannot be looked up, no mail can go; an enforced policy is told as it stands.
///
/// Proves: C2, K1
#[test]
fn mx_records_that_cannot_be_looked_up_leave_a_policy_in_force_and_else_make_mail_wait() {
    for (mode, expected) in
        [(Some(Mode::Enforce), SECURE), (Some(Mode::Testing), "try-later"), (None, "try-later")]
    {
        let mut stage = match mode {
            Some(mode) => stage(mode),
            None => without_policy(|_| {}),
        };
        stage.disturb(DOMAIN, RecordKind::Mx, DnsTrouble::ServFail);
        let answer = stage.ask(DOMAIN);
        assert_eq!(told(&answer), expected);
        let text = answer.why.text();
        assert!(
            text.contains("MX records could not be looked up: DNS answered SERVFAIL")
                || text.contains("(DNS answered SERVFAIL)"),
            "{text}"
        );
    }
}

/// Proves: E1, E8
#[test]
fn without_an_enforced_policy_dane_is_told_where_it_applies() {
    let mut testing = stage(Mode::Testing);
    let answer = testing.ask(DOMAIN);
    assert_eq!(told(&answer), "dane");
    assert_eq!(quoted(&answer).unwrap().policy_domain, DOMAIN);
    let mut none = without_policy(|_| {});
    let answer = none.ask(DOMAIN);
    assert_eq!((told(&answer), quoted(&answer)), ("dane".to_owned(), None));
}

#[test]
fn where_dnssec_or_the_mta_s_dane_is_out_of_use_mta_sts_alone_decides() {
    let unusable = Dnssec::Unusable("AD is stripped".to_owned());
    for (dnssec, mta_does_dane) in [(Dnssec::Off, true), (unusable, true), (Dnssec::Validated, false)] {
        for (mode, expected) in
            [(Some(Mode::Enforce), SECURE), (Some(Mode::Testing), "may"), (None, "not-found")]
        {
            let build = |world: &mut World| {
                let plan = world.domain(DOMAIN).mx(2).dane();
                match mode {
                    Some(mode) => plan.policy(mode),
                    None => plan.no_policy(),
                }
                .add()
                .unwrap();
            };
            let mut stage = Stage::with_options(build, Options { mta_does_dane, ..Options::default() });
            stage.network.set_dnssec(dnssec.clone());
            assert_eq!(told(&stage.ask(DOMAIN)), expected, "{dnssec:?} {mta_does_dane} {mode:?}");
            assert_eq!(stage.network.questions(&tlsa(1), RecordKind::Tlsa), 0);
        }
    }
}

/// A relay in brackets is the host itself: its own TLSA records at its own port, and no MX records.
///
/// Proves: S4, K1
#[test]
fn a_relay_in_brackets_is_asked_for_its_own_tlsa_records_at_its_port() {
    let mut stage = stage(Mode::Enforce);
    stage.edit(|world| {
        let records = world.node(&tlsa(1)).sets[&RecordKind::Tlsa].records.clone();
        world.node("_587._tcp.mx1.alpha.test").set(RecordKind::Tlsa, records);
    });
    let answer = stage.ask("[mx1.alpha.test]:587");
    assert_eq!(told(&answer), "dane");
    assert!(matches!(answer.why, Why::NoPolicy { .. }));
    assert_eq!(stage.network.questions("mx1.alpha.test", RecordKind::Mx), 0);
    assert_eq!(stage.network.questions("_mta-sts.mx1.alpha.test", RecordKind::Txt), 1);
}
