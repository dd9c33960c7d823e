use std::collections::BTreeMap;

use mta_sts::mx::MxPattern;
use proptest::prelude::{any, prop, prop_assert, prop_assert_eq, proptest};

use super::*;
use crate::publish::Stage;

fn definition(revision: u64) -> GroupDefinition {
    let wish = Wish {
        stage: Stage::Enforce,
        mx: vec![MxPattern::parse("mx.hosting.example").unwrap()],
        rua: vec!["mailto:tlsrpt@hosting.example".to_owned()],
        max_age: None,
    };
    GroupDefinition { name: GroupName::parse("hosting").unwrap(), revision, wish }
}

fn followers(count: usize, revision: u64) -> Vec<Follower> {
    let domain = |index| format!("d{index}.example");
    (0..count).map(|index| Follower { domain: domain(index), revision, state: FollowState::Quiet }).collect()
}

#[test]
fn a_groups_name_is_no_domain_path_or_option() {
    for good in ["a", "hosting", "group-7", "0", &"x".repeat(63)] {
        assert!(GroupName::parse(good).is_ok(), "{good}");
    }
    for bad in ["", "-a", "a-", "A", "a.b", "a/b", "..", "a b", "ä", "a\n", "_a", &"x".repeat(64)] {
        assert_eq!(GroupName::parse(bad), Err(GroupNameError), "{bad:?}");
    }
}

#[test]
fn a_definition_reads_back_and_damage_names_the_group() {
    let definition = definition(3);
    let row = definition.to_row();
    assert_eq!(GroupDefinition::from_row(&row).unwrap(), definition);
    let text = String::from_utf8(row.state.to_vec()).unwrap();
    for broken in
        ["{}".to_owned(), text.replacen("\"v\":1", "\"v\":2", 1), text.replacen("mx.hosting", "mx..", 1)]
    {
        let row = KeptGroup { state: broken.into(), ..row.clone() };
        let error = GroupDefinition::from_row(&row).unwrap_err().to_string();
        assert!(error.contains("hosting"), "{error}");
    }
}

#[test]
fn what_cannot_be_published_becomes_no_definition() {
    let definition = definition(1);
    let without = Wish { mx: Vec::new(), ..definition.wish.clone() };
    assert!(matches!(definition.changed(without), Err(WishError::Policy(_))));
    assert_eq!(definition.changed(definition.wish.clone()).unwrap().revision, 2);
    assert_eq!(GroupDefinition::new(definition.name.clone(), definition.wish).unwrap().revision, 1);
}

/// Drives a roll-out as a server would, and counts the rounds.
#[test]
fn ten_thousand_domains_are_reached_in_six_waves_and_none_begins_before_the_others_are_quiet() {
    let definition = definition(2);
    let mut domains: BTreeMap<String, Follower> =
        followers(10_000, 1).into_iter().map(|follower| (follower.domain.clone(), follower)).collect();
    let mut begun = Vec::new();
    loop {
        let all: Vec<Follower> = domains.values().cloned().collect();
        let now = rollout(&definition, &all);
        if now.begin.is_empty() {
            assert!(now.is_complete());
            break;
        }
        begun.push(now.begin.len());
        for domain in &now.begin {
            let follower = domains.get_mut(domain).unwrap();
            follower.revision = 2;
            follower.state = FollowState::Busy;
        }
        // While they are under way nothing else begins.
        let all: Vec<Follower> = domains.values().cloned().collect();
        assert_eq!(rollout(&definition, &all).begin, [""; 0]);
        for domain in &now.begin {
            domains.get_mut(domain).unwrap().state = FollowState::Quiet;
        }
    }
    assert_eq!(begun, [1, 10, 100, 1_000, 5_000, 3_889]);
}

#[test]
fn a_domain_that_fails_stops_the_rollout_and_is_named() {
    let definition = definition(2);
    let mut all = followers(200, 1);
    let first = rollout(&definition, &all).begin;
    let victim = all.iter_mut().find(|follower| follower.domain == first[0]).unwrap();
    victim.revision = 2;
    victim.state = FollowState::Failing("the certificate was refused\u{1b}[2J".to_owned());
    let stopped = rollout(&definition, &all);
    assert_eq!(stopped.begin, [""; 0]);
    assert_eq!(stopped.blocked.len(), 1);
    assert_eq!(stopped.blocked[0].domain, first[0]);
    let text = stopped.to_text();
    assert!(text.contains(&first[0]) && !text.contains('\u{1b}'), "{text}");
    assert!(text.contains("live for 0 of 200 domains, under way for 1"), "{text}");

    // Trouble from before the change is not of its making: that domain waits for its wave.
    let mut all = followers(200, 1);
    all.iter_mut().find(|follower| follower.domain != first[0]).unwrap().state =
        FollowState::Failing("old".to_owned());
    assert_eq!(rollout(&definition, &all).begin, first);
}

#[test]
fn another_change_begins_with_another_domain() {
    let all = followers(1_000, 0);
    let first: std::collections::BTreeSet<String> =
        (1..=20).map(|revision| rollout(&definition(revision), &all).begin[0].clone()).collect();
    assert!(first.len() > 10, "{first:?}");
}

#[test]
fn a_group_without_domains_is_complete() {
    let empty = rollout(&definition(1), &[]);
    assert!(empty.is_complete() && empty.begin.is_empty() && empty.waves.is_empty());
}

proptest! {
    /// Whatever the domains are doing: waves are a partition of them, only one wave is under way, and the order they come in
    /// changes nothing.
    #[test]
    fn waves_partition_the_members_and_only_one_is_open(
        states in prop::collection::vec((any::<bool>(), 0..3u8), 0..1_500),
        turn in any::<prop::sample::Index>(),
    ) {
        let definition = definition(5);
        let mut all: Vec<Follower> = states.iter().enumerate().map(|(index, (is_given, state))| Follower {
            domain: format!("d{index}.example"),
            revision: if *is_given { 5 } else { 4 },
            state: match state {
                0 => FollowState::Quiet,
                1 => FollowState::Busy,
                _ => FollowState::Failing("why".to_owned()),
            },
        }).collect();
        let one = rollout(&definition, &all);
        prop_assert_eq!(one.waves.iter().map(|wave| wave.domains).sum::<usize>(), all.len());
        for (wave, size) in one.waves.iter().zip(WAVES) {
            prop_assert!(wave.domains <= size && wave.done <= wave.begun && wave.begun <= wave.domains);
        }
        // What begins was not given it yet, each once, and belongs to the first wave that is not done.
        let mut begin = one.begin.clone();
        begin.sort();
        begin.dedup();
        prop_assert_eq!(begin.len(), one.begin.len());
        let first_open = one.waves.iter().find(|wave| wave.done < wave.domains);
        prop_assert!(one.begin.len() <= first_open.map_or(0, |wave| wave.domains - wave.begun));
        prop_assert!(one.blocked.is_empty() || one.begin.is_empty());
        for domain in &one.begin {
            prop_assert!(all.iter().any(|follower| follower.domain == *domain && follower.revision == 4));
        }
        if !all.is_empty() {
            let at = turn.index(all.len());
            all.rotate_left(at);
        }
        prop_assert_eq!(rollout(&definition, &all), one);
    }
}
