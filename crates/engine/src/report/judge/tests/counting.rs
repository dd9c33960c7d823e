//! No success is made up, nothing counts twice: whatever is lost, late or mixed.

use proptest::prelude::*;

use super::*;
use crate::report::Session;

/// One real session.
#[derive(Debug, Clone)]
struct Real {
    policy: usize,
    host: usize,
    certificate: usize,
    has_datagram: bool,
    has_line: bool,
    delay: i64,
}

const HOSTS: [&str; 3] = [MX, MX2, STRANGER];
const GOOD: usize = 0;
const WRONG_NAME: usize = 1;

fn policies() -> [SessionPolicy; 4] {
    [sts("testing", &[MX, MX2]), sts("testing", &[MX]), sts("enforce", &[MX]), no_policy()]
}

/// The truth, worked out without the code under test: `None`, nobody can know.
fn meets(policy: usize, real: &Real) -> Option<bool> {
    let listed: &[usize] = if policy == 0 { &[0, 1] } else { &[0] };
    match real.certificate {
        _ if !listed.contains(&real.host) => Some(false),
        GOOD => Some(true),
        WRONG_NAME => Some(false),
        _ => None,
    }
}

struct Stage {
    pki: Pki,
    certificates: Certificates,
    prints: [[[u8; 32]; 3]; 3],
}

impl Stage {
    fn new() -> Self {
        let (pki, certificates) = (Pki::new(), Certificates::new());
        let prints = HOSTS.map(|host| {
            let keep = |name| certificates.keep(&host.into(), pki.chain(name, 2030)).unwrap();
            let unseen = print_of(&pki.chain(host, 2030));
            [keep(host), keep("wrong.test"), unseen]
        });
        Self { pki, certificates, prints }
    }

    fn told(&self, reals: &[Real]) -> Vec<Told> {
        let mut told = Vec::new();
        for (place, real) in reals.iter().enumerate() {
            let place = i64::try_from(place).unwrap();
            if real.has_datagram {
                told.push((3 * place, datagram(NOW + place, policies()[real.policy].clone())));
            }
            if real.has_line {
                let print = self.prints[real.host][real.certificate];
                told.push((3 * place + real.delay, trusted(NOW + place, HOSTS[real.host], print)));
            }
        }
        told.sort_by_key(|(order, _)| *order);
        told.into_iter().map(|(_, told)| told).collect()
    }

    fn hear(&self, told: &[Told]) -> Vec<Session> {
        let grounds =
            Grounds { certificates: &self.certificates, roots: &self.pki.roots, policies: &NoPolicies };
        sessions(told, &grounds)
    }
}

/// Of one policy: successes, failures, unjudged.
fn of(heard: &[Session], policy: usize) -> (u64, u64, u64) {
    let wanted = &policies()[policy];
    counts(heard.iter().filter(|session| {
        session.policy.policy_type == wanted.policy_type && session.policy.strings == wanted.strings
    }))
}

fn many(count: usize) -> u64 {
    u64::try_from(count).unwrap()
}

prop_compose! {
    fn real(losses: bool)(
        policy in prop_oneof![4 => Just(0_usize), 2 => Just(1), 1 => Just(2), 1 => Just(3)],
        host in prop_oneof![5 => Just(0_usize), 2 => Just(1), 1 => Just(2)],
        certificate in prop_oneof![5 => Just(0_usize), 1 => Just(1), 1 => Just(2)],
        has_datagram in prop::bool::weighted(if losses { 0.8 } else { 1.0 }),
        has_line in prop::bool::weighted(if losses { 0.8 } else { 1.0 }),
        delay in -4_i64..9,
    ) -> Real {
        Real { policy, host, certificate, has_datagram, has_line, delay }
    }
}

fn check_always(reals: &[Real], heard: &[Session]) -> Result<(), TestCaseError> {
    let (met, failed, unjudged) = counts(heard);
    let datagrams = reals.iter().filter(|real| real.has_datagram).count();
    prop_assert_eq!(met + failed + unjudged, many(datagrams), "each datagram is one session");
    let mut either = 0;
    for policy in [0, 1] {
        let (met, failed, unjudged) = of(heard, policy);
        let applied = reals.iter().filter(|real| real.policy == policy && real.has_datagram).count();
        prop_assert_eq!(met + failed + unjudged, many(applied));
        // With a line: of the others nothing is known.
        let good = reals.iter().filter(|real| real.has_line && meets(policy, real) == Some(true)).count();
        let bad = reals.iter().filter(|real| real.has_line && meets(policy, real) == Some(false)).count();
        prop_assert!(
            met <= many(good),
            "{} successes of policy {}, {} sessions satisfy it",
            met,
            policy,
            good
        );
        prop_assert!(failed <= many(bad));
        either += met;
    }
    let good = |real: &&Real| real.has_line && [0, 1].iter().any(|policy| meets(*policy, real) == Some(true));
    prop_assert!(either <= many(reals.iter().filter(good).count()), "a line counts once");
    Ok(())
}

fn check_where_one_kind_is_lost(reals: &[Real], heard: &[Session]) -> Result<(), TestCaseError> {
    for policy in [0, 1] {
        let applied = || reals.iter().filter(|real| real.policy == policy);
        let (met, failed, _) = of(heard, policy);
        prop_assert!(met <= many(applied().filter(|real| meets(policy, real) == Some(true)).count()));
        prop_assert!(failed <= many(applied().filter(|real| meets(policy, real) == Some(false)).count()));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Proves: H9
    #[test]
    fn whatever_is_lost_no_success_is_counted_that_was_none(reals in prop::collection::vec(real(true), 0..24)) {
        let stage = Stage::shared();
        let heard = stage.hear(&stage.told(&reals));
        check_always(&reals, &heard)?;
    }

    #[test]
    fn where_only_lines_or_only_datagrams_are_lost_each_success_is_one_of_its_own_policy(
        mut reals in prop::collection::vec(real(true), 0..24), keeps_datagrams in any::<bool>(),
    ) {
        for real in &mut reals {
            *(if keeps_datagrams { &mut real.has_datagram } else { &mut real.has_line }) = true;
        }
        let stage = Stage::shared();
        let heard = stage.hear(&stage.told(&reals));
        check_always(&reals, &heard)?;
        check_where_one_kind_is_lost(&reals, &heard)?;
    }

    #[test]
    fn a_stretch_that_is_torn_makes_nothing_up(
        reals in prop::collection::vec(real(true), 0..24), cuts in prop::collection::vec(0_usize..48, 0..4),
    ) {
        let stage = Stage::shared();
        let told = stage.told(&reals);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(told.len())).collect();
        cuts.sort_unstable();
        let mut heard = Vec::new();
        let mut from = 0;
        for cut in cuts.into_iter().chain([told.len()]) {
            heard.extend(stage.hear(&told[from..cut]));
            from = cut;
        }
        check_always(&reals, &heard)?;
    }

    #[test]
    fn where_nothing_is_lost_and_one_policy_holds_every_session_is_judged_rightly(
        mut reals in prop::collection::vec(real(false), 0..24),
    ) {
        for real in &mut reals {
            real.policy = 0;
        }
        let stage = Stage::shared();
        let heard = stage.hear(&stage.told(&reals));
        let truth = |wanted| many(reals.iter().filter(|real| meets(0, real) == wanted).count());
        prop_assert_eq!(of(&heard, 0), (truth(Some(true)), truth(Some(false)), truth(None)));
    }

    /// A policy that changes under way: what both would say holds.
    #[test]
    fn where_nothing_is_lost_and_all_sessions_are_good_a_change_of_policy_costs_nothing(
        mut reals in prop::collection::vec(real(false), 0..24),
    ) {
        for real in &mut reals {
            (real.host, real.certificate) = (0, GOOD);
        }
        let stage = Stage::shared();
        let heard = stage.hear(&stage.told(&reals));
        prop_assert_eq!(counts(&heard), (many(reals.len()), 0, 0));
    }
}

impl Stage {
    /// Keys are made once.
    fn shared() -> &'static Self {
        static STAGE: std::sync::LazyLock<Stage> = std::sync::LazyLock::new(Stage::new);
        &STAGE
    }
}

#[test]
fn a_line_from_before_the_first_datagram_belongs_to_none() {
    let stage = Stage::shared();
    let mut old = trusted(NOW, MX, stage.prints[0][GOOD]);
    if let What::Log(MtaLogEvent::Session(session)) = &mut old.what {
        session.at = Some(NOW - 3600);
    }
    let told = [datagram(NOW, policies()[0].clone()), old];
    assert_eq!(counts(&stage.hear(&told)), (0, 0, 1), "read late, from a log of an hour ago");
}
