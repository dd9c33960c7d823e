//! Weeks of whatever comes, drawn from a seed: the promises hold through all of it.

use tlsward_engine::alert::Rule;
use tlsward_engine::enforce::Options;
use tlsward_engine::ports::{Dnssec, RecordKind};
use tlsward_lab::world::{AttackKind, DnsTrouble, Mode, Page, Reach, World};

use crate::stage::{DAY, DOMAIN, NOW, SECURE, Stage, domain, told};

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut drawn = self.0;
        drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        drawn = (drawn ^ (drawn >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (drawn ^ (drawn >> 31)) % sides
    }
}

/// Something happens that is not the domain's will.
fn mischief(stage: &mut Stage, dice: &mut Dice, number: u64) {
    let names =
        [DOMAIN, "_mta-sts.alpha.test", "mta-sts.alpha.test", "mx1.alpha.test", "_25._tcp.mx1.alpha.test"];
    let kinds = [RecordKind::Txt, RecordKind::Mx, RecordKind::A, RecordKind::Aaaa, RecordKind::Tlsa];
    let troubles = [DnsTrouble::ServFail, DnsTrouble::Refused, DnsTrouble::Silent, DnsTrouble::Bogus];
    let pick = |dice: &mut Dice, count: usize| usize::try_from(dice.roll(count as u64)).unwrap();
    match dice.roll(12) {
        0 | 1 => {
            let (name, kind) = (names[pick(dice, names.len())], kinds[pick(dice, kinds.len())]);
            stage.disturb(name, kind, troubles[pick(dice, troubles.len())]);
        }
        2 => stage.calm(),
        3 => stage.network.set_down(true),
        4 => stage.network.set_down(false),
        5 => stage.restart(),
        6 => stage.edit(|world| world.announce(DOMAIN, &format!("id{number}"))),
        7 => stage.edit(|world| world.set_txt("_mta-sts.alpha.test", &[])),
        8 => {
            let body: Vec<u8> = (0..dice.roll(300)).map(|at| (at * 37 + number).to_le_bytes()[0]).collect();
            stage.edit(|world| world.serve(DOMAIN, &Page::text(body)));
        }
        9 => stage.edit(|world| world.edit_policy_hosts(DOMAIN, |service, _| service.reach = Reach::Silent)),
        10 => stage.edit(|world| world.edit_policy_hosts(DOMAIN, |service, _| service.reach = Reach::Open)),
        _ => {
            let body = "version: STSv1\nmode: none\nmax_age: 31557600\n".into();
            stage.attack(3, AttackKind::ForgePolicy { domain: DOMAIN.to_owned(), body });
        }
    }
}

/// From the first contact to the end of max_age, for a domain with DANE and one without.
///
/// Proves: C1, C2, C9, E1, E7, K1
#[test]
fn whatever_comes_mail_is_never_sent_with_less_than_was_promised() {
    for seed in 0..40 {
        let is_signed = seed % 2 == 1;
        let build = |world: &mut World| {
            let plan = world.domain(DOMAIN).mx(2).policy(Mode::Enforce);
            if is_signed { plan.dane() } else { plan }.add().unwrap();
        };
        let mut stage = Stage::with_options(build, Options { seed, ..Options::default() });
        let first = if is_signed { "dane-only" } else { SECURE };
        assert_eq!(told(&stage.ask(DOMAIN)), first);
        let mut dice = Dice(seed);
        for number in 0..300 {
            mischief(&mut stage, &mut dice, number);
            stage.wait(dice.roll(DAY / 8));
            if stage.now() > NOW + 27 * 86_400 {
                break;
            }
            let answer = stage.ask(DOMAIN);
            let told = told(&answer);
            let holds = told == SECURE || told == "dane-only" || is_signed && told == "try-later";
            assert!(holds, "seed {seed}, {number}: {told}\n{answer:?}");
            if let Some(known) = stage.known(DOMAIN) {
                assert!(
                    ["secure", "dane-o", "try-la"].contains(&&crate::stage::told(&known)[..6]),
                    "{known:?}"
                );
            }
        }
        assert_eq!(stage.resolver.remembered().policies, 1);
    }
}

/// The clock was a year ahead and is put right: nothing is believed for a year, and what is held is looked after.
#[test]
fn a_clock_that_is_set_back_keeps_nobody_from_looking_again() {
    let mut stage = Stage::with(Mode::Enforce);
    stage.edit(|world| world.domain("none.test").no_policy().add().unwrap());
    let year = 365 * 86_400;
    stage.ahead(year);
    stage.edit(|world| {
        // Valid in both times.
        world.edit_policy_certificate(DOMAIN, |spec, now| spec.not_after = now + 800 * 86_400);
    });
    assert_eq!(told(&stage.ask(DOMAIN)), SECURE);
    stage.ask("none.test");
    stage.ahead(0);
    stage.publish("second", Mode::Enforce, &["*.alpha.test"]);
    stage.wait(AFTER_A_WHILE);
    assert_eq!(told(&stage.ask(DOMAIN)), "secure *.alpha.test");
    stage.ask("none.test");
    assert_eq!(stage.network.questions("_mta-sts.none.test", RecordKind::Txt), 2);
    let policy = stage.resolver.status(&domain(DOMAIN)).unwrap().policy.unwrap();
    assert!(policy.expires_at <= stage.now() + 28 * 86_400);
    stage.restart();
    assert_eq!(told(&stage.ask(DOMAIN)), "secure *.alpha.test", "also the store has the newer one");
}

const AFTER_A_WHILE: u64 = 61;

/// DNSSEC comes and goes; what is told follows it, and it is said each time.
#[test]
fn dnssec_that_comes_and_goes_takes_dane_with_it() {
    let mut stage = Stage::new(|world| world.domain(DOMAIN).mx(2).dane().add().unwrap());
    for _ in 0..3 {
        stage.network.set_dnssec(Dnssec::Validated);
        stage.wait(3_601);
        assert_eq!(told(&stage.ask(DOMAIN)), "dane-only");
        stage.network.set_dnssec(Dnssec::Unusable("AD is stripped".to_owned()));
        stage.wait(3_601);
        assert_eq!(told(&stage.ask(DOMAIN)), SECURE);
    }
    let signs: String = stage
        .told()
        .iter()
        .map(|(sign, rule, _)| {
            assert_eq!(*rule, Rule::DnssecUnusable);
            *sign
        })
        .collect();
    assert_eq!(signs, "+-+-+");
}
