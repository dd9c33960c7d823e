//! A small world round one domain: what is kept, what the host gives out, what is seen outside, what name servers show, and
//! what a sender may hold. It is an oracle: it knows nothing of the state machine but its inputs and actions.

use std::collections::BTreeMap;

use mta_sts::mx::MxPattern;
use mta_sts::policy::{MaxAge, Mode};
use mta_sts::policy_domain::PolicyDomain;
use tlsward_engine::ports::publish::{Applied, RecordsFailure};
use tlsward_engine::publish::ledger::{Entry, Ledger};
use tlsward_engine::publish::{
    Action, At, BodySeen, Command, Desired, DesiredText, Hold, Observation, Phase, Publication, RecordLook,
    RecordSeen, Saw, Stage, Wish, command, mend, step,
};

/// The quantum of time, in seconds: max_ages are one or two of it, margins and TTLs less than one.
pub(crate) const UNIT: i64 = 1_000;
pub(crate) const TTL: u32 = 60;
/// What is further ahead than this is as far as a year.
const LONG: i64 = 3;

pub(crate) fn domain() -> PolicyDomain {
    PolicyDomain::parse("example.org").unwrap()
}

pub(crate) fn wish(stage: Stage, mx: &str) -> Wish {
    let units = if stage == Stage::Enforce { 2 } else { 1 };
    let max_age = MaxAge::from_secs(units * 1_000).unwrap();
    let mx = vec![MxPattern::parse(mx).unwrap()];
    let rua = vec!["mailto:t@example.org".to_owned()];
    Wish { stage, mx, rua, max_age: Some(max_age) }
}

/// A rule taken out, to see that the walk would notice.
#[allow(dead_code, reason = "what the walk does not see taken out is not taken out")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Without {
    Nothing,
    /// A body that is not seen everywhere counts as seen.
    SeeingTheBody,
    /// An observation of an earlier version counts for the one that is served.
    NumbersInObservations,
    /// The max_age of a body that was replaced and may still be served somewhere is not counted.
    OldBodiesThatAreServed,
    /// The time until which a policy may be held is not kept.
    CachedUntil,
    /// The time that ids are made of is the clock's alone.
    IdClock,
    /// Numbers begin again with each version.
    Numbers,
    /// A record is taken to be gone before it is.
    SeeingTheRecordGone,
    /// Nothing is held.
    Holds,
    /// What the ledger says is not looked at.
    TheLedger,
    /// A repaired record gets a new id.
    KeepingTheId,
    /// Removing is not refused.
    Refusing,
    /// A served body is given another mode by what is seen.
    OwnersAlone,
}

/// A body somewhere outside: number (0: not ours) and for how long it binds who fetches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Outside {
    pub(crate) number: u32,
    pub(crate) binding: i64,
}

#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) without: Without,
    pub(crate) now: i64,
    pub(crate) kept: Option<Publication>,
    pub(crate) backup: Option<Publication>,
    pub(crate) ledger: Ledger,
    pub(crate) queue: Vec<Action>,
    /// A look outside that is done and was not told of yet.
    pub(crate) looked: Option<(u32, BodySeen)>,
    /// What this node's host gives out.
    pub(crate) host: Option<Outside>,
    /// What some address still gives out instead.
    pub(crate) lagging: Option<Outside>,
    /// What two name servers show.
    pub(crate) dns: [Option<String>; 2],
    /// Whether the domain was removed.
    pub(crate) is_ended: bool,
    /// Until when a sender may hold a policy.
    pub(crate) held_until: i64,
    /// Of each id given: the number it was first announced for.
    pub(crate) given: BTreeMap<String, u32>,
    pub(crate) highest_number: u32,
    /// Whether the owner asked for a new id since the last one.
    pub(crate) may_reannounce: bool,
    pub(crate) faults: u32,
    /// Whether addresses of the host may lag, and the second name server.
    pub(crate) is_slow: bool,
    pub(crate) has_slow_dns: bool,
    /// Orders since the backup.
    pub(crate) since_backup: u32,
}

pub(crate) type Broken = String;

impl World {
    pub(crate) fn new(without: Without) -> Self {
        let wish = Wish { stage: Stage::Reporting, ..wish(Stage::Testing, "a.example") };
        let kept = Publication { revision: 1, ..Publication::new(domain(), wish, 0) };
        Self {
            without,
            now: 1_800_000_000,
            kept: Some(kept),
            backup: None,
            ledger: Ledger::default(),
            queue: Vec::new(),
            looked: None,
            host: None,
            lagging: None,
            dns: [None, None],
            is_ended: false,
            held_until: 0,
            given: BTreeMap::new(),
            highest_number: 0,
            may_reannounce: false,
            faults: 0,
            is_slow: false,
            has_slow_dns: false,
            since_backup: 0,
        }
    }

    /// Senders fetch at every moment, from every address.
    fn fetch(&mut self) {
        for body in self.host.into_iter().chain(self.lagging) {
            if body.binding > 0 {
                self.held_until = self.held_until.max(self.now + body.binding);
            }
        }
    }

    pub(crate) fn pass(&mut self, secs: i64) {
        self.fetch();
        self.now += secs;
        self.fetch();
    }

    /// The owner orders. What follows at once is done up to `killed_after` actions.
    pub(crate) fn order(&mut self, order: &Command, killed_after: usize) -> Result<bool, Broken> {
        let Some(before) = self.kept.clone() else { return Ok(false) };
        let mut before_as_seen = before.clone();
        if self.without == Without::Refusing && *order == Command::Remove {
            before_as_seen.served = None;
            before_as_seen.cached_until = 0;
            before_as_seen.serving_secs = 0;
        }
        let Ok((after, actions)) = command(&before_as_seen, order.clone(), self.now) else {
            return Ok(false);
        };
        self.may_reannounce |= matches!(order, Command::Reannounce | Command::Adopt(_));
        if let Command::Adopt(adoption) = order
            && let Some(id) = &adoption.live_id
        {
            self.given.entry(id.as_wire().to_owned()).or_insert(0);
        }
        self.keep(&before, after, true)?;
        for action in actions.iter().take(killed_after) {
            self.act_at_once(action)?;
        }
        if killed_after < actions.len() {
            self.restart()?;
        }
        Ok(true)
    }

    /// A process ends and another begins: what is kept is all that is known.
    pub(crate) fn restart(&mut self) -> Result<(), Broken> {
        self.queue.clear();
        self.looked = None;
        let newest = self.ledger.domains.get("example.org").cloned().unwrap_or_default();
        if self.without != Without::TheLedger {
            let mended = mend(&domain(), self.kept.as_ref(), &newest, self.now);
            if let Some((after, _)) = mended {
                self.highest_number = self.highest_number.max(after.last_number);
                self.kept = Some(after);
            }
        }
        if let Some(kept) = self.kept.clone()
            && let Some(served) = &kept.served
            && newest.number < served.number
        {
            // What was kept and not yet written to the ledger.
            self.ledger.take(entry(&kept));
        }
        self.serve()
    }

    fn keep(&mut self, before: &Publication, mut after: Publication, by_owner: bool) -> Result<(), Broken> {
        match self.without {
            Without::OldBodiesThatAreServed => {
                after.serving_secs =
                    after.served.as_ref().map_or(0, tlsward_engine::publish::Version::binding_secs);
            }
            Without::CachedUntil => after.cached_until = 0,
            Without::IdClock => (after.id_clock, after.ids) = (0, Vec::new()),
            Without::Numbers => after.last_number = 0,
            Without::Holds => {
                after.hold = None;
                if matches!(after.seen.record, RecordSeen::Other(_)) {
                    after.seen.record = RecordSeen::Absent;
                }
            }
            Without::OwnersAlone if !by_owner && after.seen.body == BodySeen::Unknown(String::new()) => {
                after.wish.stage = Stage::Testing;
            }
            _ => {}
        }
        if !by_owner {
            let is_end = before.wish.stage == Stage::WindingDown && after.wish.stage == Stage::Reporting;
            if !is_end && (before.wish != after.wish) {
                return Err("what was seen changed what the owner wants".to_owned());
            }
            let bodies =
                [before, &after].map(|state| state.served.as_ref().map(|served| served.body.clone()));
            if !is_end && bodies[0] != bodies[1] {
                return Err("what was seen changed what is served".to_owned());
            }
        }
        if after.revision != before.revision + 1 {
            return Err("a step that is not one revision".to_owned());
        }
        // cached_until never falls, and covers all that was fetched.
        if after.cached_until < before.cached_until {
            return Err("cached_until fell".to_owned());
        }
        if after.cached_until(self.now) < self.held_until {
            return Err(format!(
                "senders hold it {}s longer than is known",
                self.held_until - after.cached_until(self.now)
            ));
        }
        if let (Some(new), old) = (&after.served, &before.served)
            && old.as_ref().is_none_or(|old| old.number != new.number)
        {
            if new.number <= self.highest_number {
                return Err("a number was used again".to_owned());
            }
            self.highest_number = new.number;
        }
        if after.id != before.id
            && let Some(id) = &after.id
            && !by_owner
        {
            self.new_id(before, &after, id.as_wire())?;
        }
        self.kept = Some(after);
        Ok(())
    }

    fn new_id(&mut self, before: &Publication, after: &Publication, id: &str) -> Result<(), Broken> {
        if before.hold.is_some() && after.hold.is_some() {
            return Err("an id was given while the domain is held".to_owned());
        }
        let number = after.served.as_ref().map_or(0, |served| served.number);
        let last = self.given.values().copied().max();
        let is_same_body = last.is_some_and(|last| last >= number);
        if is_same_body && !std::mem::take(&mut self.may_reannounce) {
            return Err("the id changed without cause".to_owned());
        }
        if self.given.keys().filter(|given| !given.starts_with('f')).any(|given| given.as_str() >= id) {
            return Err("an id was given again, or is no later".to_owned());
        }
        self.given.insert(id.to_owned(), number);
        self.may_reannounce = false;
        Ok(())
    }

    fn act_at_once(&mut self, action: &Action) -> Result<(), Broken> {
        match action {
            Action::Write(entry) => self.ledger.take(entry.clone()),
            Action::Serve => self.serve()?,
            Action::Note(_) | Action::Raise(..) | Action::Resolve(..) => {}
            Action::Apply(_) | Action::LookAtRecords | Action::LookOutside { .. } | Action::Forget => {
                return Err(format!("an order acts by itself: {action:?}"));
            }
        }
        Ok(())
    }

    /// The host gives out what the state says. Some address may go on with what was before.
    fn serve(&mut self) -> Result<(), Broken> {
        self.fetch();
        let served = self.kept.as_ref().and_then(|kept| kept.served.as_ref());
        let new =
            served.map(|served| Outside { number: served.number, binding: i64::from(served.binding_secs()) });
        if new == self.host {
            return Ok(());
        }
        if new.is_none() && self.held_until > self.now {
            let held = self.kept.as_ref().is_some_and(|kept| kept.hold.is_some());
            if !held {
                return Err("the host took a policy away that a sender may hold".to_owned());
            }
        }
        if new.is_none()
            && self.dns.iter().any(Option::is_some)
            && self.kept.as_ref().is_some_and(|kept| kept.hold.is_none())
        {
            return Err("the host went before the record".to_owned());
        }
        // The worst of what is still given out.
        self.lagging = self.lagging.into_iter().chain(self.host).max_by_key(|body| body.binding);
        self.host = new;
        if new.is_none() || !self.is_slow {
            self.lagging = None;
        }
        self.fetch();
        Ok(())
    }

    fn see(&mut self, observation: Observation) -> Result<(), Broken> {
        let Some(before) = self.kept.clone() else { return Ok(()) };
        let mut observation = observation;
        if let Observation::Body { number, seen } = &mut observation {
            let current = before.served.as_ref().map_or(0, |served| served.number);
            match self.without {
                Without::SeeingTheBody if matches!(seen, BodySeen::NotYet(_)) => *seen = BodySeen::Everywhere,
                Without::NumbersInObservations => *number = current,
                _ => {}
            }
        }
        if let Observation::Records(look) = &mut observation
            && self.without == Without::SeeingTheRecordGone
            && matches!(before.phase, Phase::Ending { .. })
        {
            look.mta_sts = vec![("one".to_owned(), Saw::Absent)];
        }
        let (mut after, actions) = step(&before, observation, At { now: self.now, spread: 0 });
        if self.without == Without::KeepingTheId
            && before.phase == Phase::Quiet
            && matches!(after.phase, Phase::Announcing { .. })
        {
            after.phase = Phase::Showing { since: self.now, keeps_id: false };
        }
        self.keep(&before, after, false)?;
        // What follows an observation comes before what is left.
        self.queue.splice(0..0, actions);
        Ok(())
    }

    pub(crate) fn tick(&mut self) -> Result<(), Broken> {
        self.queue.clear();
        self.see(Observation::Tick)
    }

    /// Does the first action that waits. `luck`: 0 as it should be; 1 and 2: it goes wrong.
    pub(crate) fn act(&mut self, luck: u8) -> Result<(), Broken> {
        if self.queue.is_empty() {
            return Ok(());
        }
        let action = self.queue.remove(0);
        match action {
            Action::LookOutside { number } => {
                let seen = match (luck, self.host, self.lagging) {
                    (1, ..) => BodySeen::Unknown(String::new()),
                    (_, Some(host), None) if host.number == number => BodySeen::Everywhere,
                    _ => BodySeen::NotYet(String::new()),
                };
                if luck == 2 {
                    // Time passes before anybody hears of it.
                    self.looked = Some((number, seen));
                    return Ok(());
                }
                self.see(Observation::Body { number, seen })
            }
            Action::LookAtRecords => {
                let said = |shown: &Option<String>| match shown {
                    _ if luck > 0 => Saw::Unknown(String::new()),
                    Some(id) => Saw::Text { text: id.clone(), ttl_secs: TTL },
                    None => Saw::Absent,
                };
                let mta_sts = ["one", "two"]
                    .iter()
                    .zip(&self.dns)
                    .map(|(server, dns)| ((*server).to_owned(), said(dns)))
                    .collect();
                let reporting = vec![("one".to_owned(), Saw::Unknown(String::new()))];
                self.see(Observation::Records(RecordLook { mta_sts, reporting }))
            }
            Action::Apply(desired) => {
                if self.kept.as_ref().is_some_and(|kept| kept.desired() != desired) {
                    // An order came between.
                    self.queue.clear();
                    return Ok(());
                }
                // Luck 1: it was not done. Luck 2: it was done, and nobody heard so.
                if luck != 1 {
                    self.apply(&desired)?;
                }
                let result = match luck {
                    0 => Ok(Applied::Written),
                    _ => Err(RecordsFailure::Later(String::new())),
                };
                self.see(Observation::Applied { desired, result })
            }
            Action::Forget => {
                if self.held_until > self.now {
                    return Err("a domain was forgotten whose policy a sender may hold".to_owned());
                }
                self.kept = None;
                self.queue.clear();
                self.is_ended = true;
                Ok(())
            }
            action => self.act_at_once(&action),
        }
    }

    /// What was seen a while ago is told.
    pub(crate) fn hear(&mut self) -> Result<(), Broken> {
        match self.looked.take() {
            Some((number, seen)) => self.see(Observation::Body { number, seen }),
            None => Ok(()),
        }
    }

    fn apply(&mut self, desired: &Desired) -> Result<(), Broken> {
        let new = match &desired.id {
            DesiredText::Leave => return Ok(()),
            DesiredText::Absent => None,
            DesiredText::Is(id) => Some(id.as_wire().to_owned()),
        };
        if self.dns[0] == new {
            return Ok(());
        }
        if self.dns[0].as_deref().is_some_and(|id| id.starts_with('f') && !self.given.contains_key(id)) {
            return Err("a record that somebody else wrote was overwritten".to_owned());
        }
        match &new {
            None if self.held_until > self.now => {
                return Err("the record was taken away while a sender may hold a policy".to_owned());
            }
            None => {}
            Some(id) => {
                let Some(number) = self.given.get(id) else { return Err(format!("id {id} was never given")) };
                let is_live = self.host.is_some_and(|host| host.number >= *number)
                    && self.lagging.is_none_or(|lagging| lagging.number >= *number);
                if !is_live {
                    return Err("an id was announced before its body was live everywhere".to_owned());
                }
            }
        }
        self.dns[0] = new;
        if !self.is_slow || !self.has_slow_dns {
            self.dns[1] = self.dns[0].clone();
        }
        Ok(())
    }

    /// What states have in common that go on alike: times as distances, numbers and ids as relations.
    pub(crate) fn key(&self) -> String {
        let behind = |number: u32| (self.highest_number - number).min(2);
        let span = |at: i64| {
            let left = at - self.now;
            if left <= 0 { 0 } else { (left / 100).clamp(1, LONG * UNIT / 100) }
        };
        let mut key = format!(
            "{:?}|{:?}|{}|{}|{}",
            self.host.map(|host| (behind(host.number), host.binding)),
            self.lagging.map(|lagging| (behind(lagging.number), lagging.binding)),
            span(self.held_until),
            self.is_ended,
            self.may_reannounce,
        );
        let id = |id: &Option<String>| match id {
            None => "-".to_owned(),
            Some(id) => match &self.kept {
                Some(kept) if kept.id.as_ref().is_some_and(|kept| kept.as_wire() == id) => "=".to_owned(),
                Some(kept) if kept.ids.iter().any(|kept| kept.as_wire() == id) => "<".to_owned(),
                _ if id.starts_with('f') => "f".to_owned(),
                _ => "?".to_owned(),
            },
        };
        key += &format!("|{:?}", self.looked.as_ref().map(|(number, seen)| (behind(*number), seen)));
        key += &format!("|{}{}{}|", id(&self.dns[0]), id(&self.dns[1]), self.faults);
        key += &self.since_backup.to_string();
        for state in [&self.kept, &self.backup].into_iter().flatten() {
            key += &self.state_key(state);
        }
        for action in &self.queue {
            key += match action {
                Action::Note(_) | Action::Raise(..) | Action::Resolve(..) => "",
                Action::Write(_) => "w",
                Action::Serve => "s",
                Action::Apply(desired) => match &desired.id {
                    DesiredText::Leave => "al",
                    DesiredText::Absent => "aa",
                    DesiredText::Is(_) => "ai",
                },
                Action::LookAtRecords => "r",
                Action::LookOutside { .. } => "o",
                Action::Forget => "f",
            };
        }
        let newest = self.ledger.domains.get("example.org");
        key += &format!("|{:?}", newest.map(|newest| (behind(newest.number), newest.body.is_some())));
        key
    }

    fn state_key(&self, state: &Publication) -> String {
        let behind = |number: u32| (self.highest_number - number).min(2);
        let span = |at: i64| ((at - self.now).max(0) / 100).min(LONG * UNIT / 100);
        let phase = match state.phase {
            Phase::Quiet => "q".to_owned(),
            Phase::Showing { keeps_id, .. } => format!("s{keeps_id}"),
            Phase::Announcing { .. } => "a".to_owned(),
            Phase::Ending { gone_at, .. } => {
                format!("e{:?}", gone_at.map(|at| (self.now - at).min(UNIT)))
            }
            Phase::Leaving => "l".to_owned(),
        };
        let hold = state.hold.as_ref().map(|hold| matches!(hold, Hold::Rewound { .. }));
        let served = state.served.as_ref().map(|served| {
            let mx = served.policy.mx().first().map(|mx| mx.as_wire().into_owned());
            (behind(served.number), served.policy.mode(), mx, served.announced_at.is_some())
        });
        let record = match state.seen.record {
            RecordSeen::NotLooked | RecordSeen::Unknown(_) | RecordSeen::Other(_) => 0,
            RecordSeen::Live { .. } => 1,
            _ => 2,
        };
        let given = state.id.as_ref().map(|id| {
            self.given
                .get(id.as_wire())
                .map(|number| (behind(*number), self.lagging.map(|lagging| lagging.number.cmp(number))))
        });
        format!(
            "[{phase}{hold:?}{:?}{:?}{served:?}{given:?}{}{}{}{}{}{record}{:?}]",
            state.wish.stage,
            state.wish.mx.first().map(|mx| mx.as_wire().into_owned()),
            span(state.cached_until),
            state.serving_secs,
            state.tested.len(),
            state.is_unwritten,
            behind(state.last_number),
            (state.id_clock > self.now, state.trouble.failures > 0),
        )
    }
}

/// The line for what is served.
fn entry(kept: &Publication) -> Entry {
    let served = kept.served.as_ref().unwrap();
    Entry::Served {
        domain: "example.org".to_owned(),
        number: served.number,
        body: String::from_utf8_lossy(&served.body).into_owned(),
        max_age: served.policy.max_age().as_secs(),
        at: served.first_served_at,
    }
}

pub(crate) fn mode(world: &World) -> Option<Mode> {
    world.kept.as_ref()?.served.as_ref().map(|served| served.policy.mode())
}
