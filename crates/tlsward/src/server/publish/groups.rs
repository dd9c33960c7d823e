//! A change of a group's definition, rolled out domain by domain: in waves, each once the one before is live.

use std::sync::Arc;
use std::time::Duration;

use mta_sts::policy_domain::PolicyDomain;
use tlsward_engine::alert::{Board, Rule};
use tlsward_engine::ports::Clock as _;
use tlsward_engine::ports::StoreError;
use tlsward_engine::ports::publish::Publications as _;
use tlsward_engine::publish::group::{FollowState, Follower, GroupDefinition, rollout};
use tlsward_engine::publish::{Command, Member, Phase, Publication};
use tokio::sync::watch;

use super::{Shared, TheDomains};
use crate::control::told_to_stop;
use crate::edge::SystemClock;

/// Between looks while something is under way.
const LOOK: Duration = Duration::from_secs(10);
/// After a domain refused its group's definition: the owner has to do something about that.
const REST: Duration = Duration::from_secs(600);
/// Domains that are read at once.
const PAGE: usize = 1_000;
/// Rounds without progress after which a domain stops its group.
const FAILURES: u32 = 5;

/// Rolls out until told to stop.
pub(super) async fn run(
    domains: TheDomains,
    shared: Arc<Shared>,
    alerts: Arc<Board>,
    mut shutdown: watch::Receiver<bool>,
) {
    loop {
        let wait = match round(&domains, &shared, &alerts).await {
            Ok(wait) => wait,
            Err(error) => {
                tracing::error!(%error, "groups cannot be rolled out now; trying again");
                Some(REST)
            }
        };
        tokio::select! {
            () = told_to_stop(&mut shutdown) => return,
            () = shared.groups.notified() => {}
            () = tokio::time::sleep(wait.unwrap_or(REST)), if wait.is_some() => {}
        }
    }
}

/// Gives the definition to those whose turn it is; when to look again, if anything is under way.
async fn round(
    domains: &TheDomains,
    shared: &Shared,
    alerts: &Board,
) -> Result<Option<Duration>, StoreError> {
    let definitions: Vec<GroupDefinition> =
        shared.store.groups().await?.iter().map(GroupDefinition::from_row).collect::<Result<_, _>>()?;
    if definitions.is_empty() {
        return Ok(None);
    }
    let mut followers: Vec<Vec<Follower>> = definitions.iter().map(|_| Vec::new()).collect();
    let mut after: Option<String> = None;
    loop {
        let page = domains.list(after.as_deref(), PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.domain.to_string());
        for publication in &page {
            let Some(member) = &publication.member else { continue };
            if let Some(at) = definitions.iter().position(|one| one.name.as_str() == member.group) {
                followers[at].push(follower(publication, member));
            }
        }
    }
    let mut wait: Option<Duration> = None;
    for (definition, followers) in definitions.iter().zip(&followers) {
        let name = definition.name.as_str();
        let rollout = rollout(definition, followers);
        let mut stopped = (!rollout.blocked.is_empty()).then(|| rollout.to_text());
        let mut look = LOOK;
        for domain in &rollout.begin {
            let Ok(domain) = PolicyDomain::parse(domain) else { continue };
            let member = Member { group: name.to_owned(), revision: definition.revision };
            let order =
                Command::Change { wish: definition.wish.clone(), member: Some(member), i_know: false };
            if let Err(error) = domains.order(&domain, order).await {
                stopped = Some(format!("{domain} cannot be given the policy of the group {name}: {error}"));
                look = REST;
                break;
            }
        }
        if !rollout.is_complete() {
            wait = Some(wait.map_or(look, |wait| wait.min(look)));
        }
        match stopped {
            Some(text) => alerts.raise(Rule::GroupStopped, name, SystemClock.now(), text),
            None => alerts.resolve(Rule::GroupStopped, name, SystemClock.now(), "It goes on."),
        }
    }
    Ok(wait)
}

fn follower(publication: &Publication, member: &Member) -> Follower {
    let state = match (&publication.hold, publication.phase) {
        (Some(hold), _) => FollowState::Failing(hold.text(&publication.domain)),
        (None, Phase::Quiet) => FollowState::Quiet,
        (None, _) if publication.trouble.failures >= FAILURES => {
            FollowState::Failing(publication.trouble.text.clone())
        }
        (None, _) => FollowState::Busy,
    };
    Follower { domain: publication.domain.to_string(), revision: member.revision, state }
}
