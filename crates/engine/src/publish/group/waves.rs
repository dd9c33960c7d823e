//! A change of a group's definition, domain by domain.

use std::fmt::Write as _;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::GroupDefinition;
use crate::check::text::{list, tame};

/// Sizes of the waves; the last one is that of all further ones.
pub const WAVES: [usize; 5] = [1, 10, 100, 1_000, 5_000];

/// A domain of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Follower {
    /// Which.
    pub domain: String,
    /// The revision of the definition that it was given last.
    pub revision: u64,
    /// How it is.
    pub state: FollowState,
}

/// How a domain of a group is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FollowState {
    /// All it was given is live.
    Quiet,
    /// A change is under way.
    Busy,
    /// Something is wrong, in words: its change does not come to an end, or what is published differs.
    Failing(String),
}

/// How far a change has come, and what is to be done now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rollout {
    /// Of which group.
    pub group: String,
    /// Which revision.
    pub revision: u64,
    /// The waves, in order.
    pub waves: Vec<Wave>,
    /// Domains that are to be given the definition now, in order.
    #[serde(skip)]
    pub begin: Vec<String>,
    /// Domains that stop the roll-out: nothing begins until they are quiet or leave the group.
    pub blocked: Vec<Blocked>,
}

/// One wave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Wave {
    /// Domains in it.
    pub domains: usize,
    /// Of them, those that were given the definition.
    pub begun: usize,
    /// Of them, those where it is live.
    pub done: usize,
}

/// A domain that stops a roll-out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Blocked {
    /// Which.
    pub domain: String,
    /// Why.
    pub why: String,
}

/// Where the roll-out of a definition stands, by the domains of the group, in any order.
#[must_use]
pub fn rollout(definition: &GroupDefinition, followers: &[Follower]) -> Rollout {
    let mut order: Vec<(&Follower, [u8; 32])> =
        followers.iter().map(|follower| (follower, place(definition, &follower.domain))).collect();
    order.sort_by(|(one, one_place), (other, other_place)| {
        (one_place, &one.domain).cmp(&(other_place, &other.domain))
    });
    let mut order = order.into_iter().map(|(follower, _)| follower);

    let mut rollout = Rollout {
        group: definition.name.to_string(),
        revision: definition.revision,
        waves: Vec::new(),
        begin: Vec::new(),
        blocked: Vec::new(),
    };
    let mut is_open = true;
    for index in 0.. {
        let size = WAVES[index.min(WAVES.len() - 1)];
        let members: Vec<&Follower> = order.by_ref().take(size).collect();
        if members.is_empty() {
            break;
        }
        let wave = rollout.take(definition, &members, is_open);
        // The next one waits until every domain of this one is quiet.
        is_open &= wave.done == wave.domains;
        rollout.waves.push(wave);
    }
    if !rollout.blocked.is_empty() {
        rollout.begin.clear();
    }
    rollout
}

/// The order of domains: without pattern, so that the first is not always the same owner's, and the same each time it is asked for.
fn place(definition: &GroupDefinition, domain: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(definition.name.as_str());
    hash.update(definition.revision.to_be_bytes());
    hash.update(domain);
    hash.finalize().into()
}

impl Rollout {
    fn take(&mut self, definition: &GroupDefinition, members: &[&Follower], is_open: bool) -> Wave {
        let mut wave = Wave { domains: members.len(), begun: 0, done: 0 };
        for member in members {
            if member.revision < definition.revision {
                if is_open {
                    self.begin.push(member.domain.clone());
                }
                continue;
            }
            wave.begun += 1;
            match &member.state {
                FollowState::Quiet => wave.done += 1,
                FollowState::Busy => {}
                FollowState::Failing(why) => {
                    self.blocked.push(Blocked { domain: member.domain.clone(), why: tame(why).into_owned() });
                }
            }
        }
        wave
    }

    /// Whether the definition is live for every domain.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.waves.iter().all(|wave| wave.done == wave.domains)
    }

    /// Domains of the group, those that were given the definition, and those where it is live.
    #[must_use]
    pub fn totals(&self) -> (usize, usize, usize) {
        self.waves.iter().fold((0, 0, 0), |(domains, begun, done), wave| {
            (domains + wave.domains, begun + wave.begun, done + wave.done)
        })
    }

    /// For a terminal.
    #[must_use]
    pub fn to_text(&self) -> String {
        let (domains, begun, done) = self.totals();
        let mut text = format!(
            "{}, revision {}: live for {done} of {domains} domains, under way for {}\n",
            self.group,
            self.revision,
            begun - done
        );
        for (index, wave) in self.waves.iter().enumerate() {
            let state = match wave {
                wave if wave.done == wave.domains => "done",
                wave if wave.begun > 0 => "under way",
                _ => "later",
            };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  wave {}: {} of {} [{state}]", index + 1, wave.done, wave.domains);
        }
        if !self.blocked.is_empty() {
            let named = self.blocked.iter().map(|blocked| format!("{} ({})", blocked.domain, blocked.why));
            let _ = writeln!(
                text,
                "\nStopped: no further domain begins until this is mended, or the domain leaves the group: {}",
                list(named)
            );
        }
        text
    }
}
