//! An attacker on the path, after the first contact.

use bytes::Bytes;
use tlsward_engine::ports::RecordKind;
use tlsward_lab::world::{AttackKind, DnsTrouble, Mode};

use crate::stage::{DAY, DOMAIN, SECURE, Stage, domain, told};

fn everything() -> Vec<AttackKind> {
    let domain = || DOMAIN.to_owned();
    let body = Bytes::from_static(b"version: STSv1\r\nmode: none\r\nmax_age: 31557600\r\n");
    vec![
        AttackKind::HideRecord { domain: domain() },
        AttackKind::ForgePolicy { domain: domain(), body },
        AttackKind::BlockPolicy { domain: domain() },
        AttackKind::ForgeMx { domain: domain(), exchange: "evil.test".to_owned() },
        AttackKind::StripStartTls { domain: domain() },
    ]
}

/// Neither one of its deeds nor all together ever change what the MTA is told, nor does a restart meanwhile.
///
/// Proves: C2, E7, S7
#[test]
fn an_attacker_who_comes_after_the_first_contact_changes_nothing() {
    let all = everything();
    let mut cases: Vec<Vec<AttackKind>> = all.iter().map(|kind| vec![kind.clone()]).collect();
    cases.push(all);
    for case in cases {
        let mut stage = Stage::with(Mode::Enforce);
        assert_eq!(told(&stage.ask(DOMAIN)), SECURE);
        for kind in &case {
            stage.attack(27, kind.clone());
        }
        for day in 0..26 {
            stage.wait(DAY);
            assert_eq!(told(&stage.ask(DOMAIN)), SECURE, "day {day} of {case:?}");
            if day % 5 == 0 {
                stage.restart();
                assert_eq!(told(&stage.ask(DOMAIN)), SECURE, "restarted on day {day} of {case:?}");
            }
        }
        stage.wait(3 * DAY);
        assert_eq!(told(&stage.ask(DOMAIN)), SECURE, "after {case:?}");
        assert!(stage.resolver.status(&domain(DOMAIN)).unwrap().last_failure.is_none());
    }
}

/// A forged record with another id costs fetches, and those fail over the certificate.
///
/// Proves: C2, C9, S7, S15
#[test]
fn a_forged_record_that_changes_all_the_time_neither_wins_nor_makes_a_flood() {
    let mut stage = Stage::with(Mode::Enforce);
    stage.ask(DOMAIN);
    stage.attack(
        20,
        AttackKind::ForgePolicy { domain: DOMAIN.to_owned(), body: Bytes::from_static(b"mode: none") },
    );
    for number in 0..1_000 {
        stage.edit(|world| world.announce(DOMAIN, &format!("forged{number}")));
        stage.wait(301);
        assert_eq!(told(&stage.ask(DOMAIN)), SECURE);
    }
    assert!(stage.network.fetches(DOMAIN) < 1_100, "{}", stage.network.fetches(DOMAIN));
}

/// Proves: C2, S2
#[test]
fn a_cached_policy_outlives_every_trouble_of_dns() {
    let mut stage = Stage::with(Mode::Enforce);
    stage.ask(DOMAIN);
    for trouble in [DnsTrouble::ServFail, DnsTrouble::Refused, DnsTrouble::Silent] {
        stage.disturb("_mta-sts.alpha.test", RecordKind::Txt, trouble);
        stage.wait(2 * DAY);
        assert_eq!(told(&stage.ask(DOMAIN)), SECURE, "{trouble:?}");
    }
    stage.calm();
    let texts: [&[&str]; 4] =
        [&[], &["v=STSv1; id="], &["v=STSv1; id=a;", "v=STSv1; id=b;"], &["something else"]];
    for texts in texts {
        stage.edit(|world| world.set_txt("_mta-sts.alpha.test", texts));
        stage.wait(2 * DAY);
        assert_eq!(told(&stage.ask(DOMAIN)), SECURE, "{texts:?}");
    }
}
