//! What the ledger knows and the store does not: a backup was restored.
//!
//! Such a domain is held. It goes on with the newest body that the ledger has, so that neither mode nor MX patterns go back;
//! numbers, ids and the time until which a policy may be held go on from the ledger's; and no id is announced until the owner
//! adopts it.

use bytes::Bytes;
use mta_sts::policy::{self, MaxAge, Policy};
use mta_sts::policy_domain::PolicyDomain;
use mta_sts::record::PolicyId;

use super::action::Action;
use super::ids;
use super::ledger::Newest;
use super::publication::{Hold, MARGIN_SECS, Phase, Publication, Version};
use super::{Stage, Wish};
use crate::alert::Rule;
use crate::facts::UnixTime;

/// Compares a domain as it is kept with what the ledger says of it. `None`: there is nothing to mend.
#[must_use]
pub fn mend(
    domain: &PolicyDomain,
    kept: Option<&Publication>,
    newest: &Newest,
    now: UnixTime,
) -> Option<(Publication, Vec<Action>)> {
    let known = kept.map_or(0, |kept| kept.last_number);
    let policy = newest.body.as_ref().and_then(|body| {
        let body = Bytes::from(body.clone());
        let policy = policy::parse(&body).strict().ok()?.clone();
        Some((policy, body))
    });
    let mut state = match (kept, &policy) {
        (Some(kept), _) => kept.clone(),
        // It was removed in order, or never served.
        (None, None) => return None,
        (None, Some((policy, _))) => Publication::new(domain.clone(), wish_of(policy), now),
    };
    let is_rewound = newest.number > known;
    let mut is_changed = is_rewound;
    if let Some((number, id)) = &newest.id {
        is_changed |= learn_id(&mut state, *number, id);
    }
    if !is_changed {
        return None;
    }
    let mut actions = Vec::new();
    if is_rewound {
        // Each of them may have been served until a moment ago.
        let unknown = newest.max_age.range(known.saturating_add(1)..);
        let longest = unknown.map(|(_, secs)| *secs).max().unwrap_or(MaxAge::MAX.as_secs());
        let longest = longest.max(state.serving_secs);
        state.cached_until = state.cached_until(now).max(now + i64::from(longest) + MARGIN_SECS);
        actions.extend(Action::note(&state, Some(now)));
        state.last_number = newest.number;
        // Without a body nothing is served: senders go on with what they hold, which is better than what was before.
        state.served = policy.map(|(policy, body)| Version {
            number: newest.number,
            body,
            policy,
            first_served_at: newest.at,
            announced_at: None,
        });
        state.serving_secs = state.served.as_ref().map_or(0, Version::binding_secs).max(longest);
        state.phase = Phase::Quiet;
        let hold = Hold::Rewound { number: newest.number };
        actions.extend(Action::note(&state, None));
        actions.push(Action::Raise(Rule::PublishHeld, hold.text(domain)));
        state.hold = Some(hold);
    }
    state.revision += 1;
    state.due_at = now;
    Some((state, actions))
}

/// An id that was announced: it is never given again. Whether it was new.
fn learn_id(state: &mut Publication, number: u32, id: &str) -> bool {
    let Ok(id) = PolicyId::parse(id) else { return false };
    let at = ids::time_of(&id).unwrap_or(0);
    if state.ids.contains(&id) || at < state.id_clock {
        return false;
    }
    state.id_clock = at;
    state.remember(&id);
    // The state is from before the announcement of what it serves, or from before that version.
    if number >= state.last_number {
        state.id = Some(id);
        if let Phase::Showing { keeps_id, .. } = &mut state.phase {
            // It has its id.
            *keeps_id = true;
        }
    }
    true
}

fn wish_of(policy: &Policy) -> Wish {
    let stage = Stage::ALL.into_iter().find(|stage| stage.mode() == Some(policy.mode()));
    Wish {
        stage: stage.unwrap_or(Stage::Testing),
        mx: policy.mx().to_vec(),
        rua: Vec::new(),
        max_age: Some(policy.max_age()),
    }
}
