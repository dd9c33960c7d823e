//! What a driver knows of each name, and which one comes next. No waiting, no clock.

use std::collections::{BTreeMap, BTreeSet};

use super::super::backoff::{self, Concern};
use super::super::need::{Known, Next, Wanted, next};
use super::super::pace::Leave;
use super::super::settings::Settings;
use super::health::Health;
use super::work::{Task, What};
use super::{Ears, Wish};
use crate::alert::Rule;
use crate::facts::UnixTime;
use crate::ports::StoreError;
use crate::ports::certificates::{CertificateLine, Certificates, KeptAttempts};

const HOUR: i64 = 3_600;
/// Where a name without a certificate stands among those whose certificate runs out.
const AS_IF_LEFT: i64 = 14 * 24 * HOUR;
/// How many of the ready names are looked at for one that may be begun.
const LOOKED_AT: usize = 64;
/// Of one page of the store.
const PAGE: usize = 1_000;

/// What a driver knows.
#[derive(Debug, Default)]
pub(super) struct Book {
    names: BTreeMap<String, Entry>,
    /// When a name is to be looked at.
    due: BTreeSet<(UnixTime, String)>,
    /// Names to be worked on, by when their certificate runs out.
    ready: BTreeSet<(UnixTime, String)>,
    /// Of names that may or may not be wanted.
    kept: BTreeMap<String, Kept>,
    authorities: Vec<Health>,
}

#[derive(Debug, Default)]
struct Kept {
    line: Option<CertificateLine>,
    attempts: Option<KeptAttempts>,
    has_order: bool,
    ask_from: UnixTime,
}

#[derive(Debug)]
struct Entry {
    wanted: Wanted,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In `due`, under this time.
    Due(UnixTime),
    /// In `ready`, under this number.
    Ready(UnixTime),
    /// Under way, with this authority if with one.
    Running(Option<usize>),
}

/// What is begun.
#[derive(Debug)]
pub(super) struct Picked {
    pub(super) wanted: Wanted,
    pub(super) task: Task,
}

impl Book {
    /// With what the store has.
    pub(super) async fn read(store: &impl Certificates, authorities: usize) -> Result<Self, StoreError> {
        let mut book = Self { authorities: vec![Health::default(); authorities], ..Self::default() };
        let mut after: Option<String> = None;
        loop {
            let page = store.certificate_lines(after.as_deref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.name.clone());
            for line in page {
                let name = line.name.clone();
                book.kept.entry(name).or_default().line = Some(line);
            }
        }
        after = None;
        loop {
            let page = store.all_attempts(after.as_deref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.name.clone());
            for attempts in page {
                let name = attempts.name.clone();
                book.kept.entry(name).or_default().attempts = Some(attempts);
            }
        }
        after = None;
        loop {
            let page = store.ordered(after.as_deref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.clone());
            for name in page {
                book.kept.entry(name).or_default().has_order = true;
            }
        }
        Ok(book)
    }

    pub(super) fn heed(&mut self, wish: Wish, now: UnixTime, ears: &Ears<'_>) {
        match wish {
            Wish::These(wanted) => {
                let names: BTreeSet<String> = wanted.iter().map(|wanted| wanted.name.clone()).collect();
                let gone: Vec<String> =
                    self.names.keys().filter(|name| !names.contains(*name)).cloned().collect();
                for name in gone {
                    self.remove(&name, now, ears);
                }
                for wanted in wanted {
                    self.add(wanted, now);
                }
            }
            Wish::Add(wanted) => self.add(wanted, now),
            Wish::Remove(name) => self.remove(&name, now, ears),
            Wish::TryNow(name) => {
                if let Some(attempts) = self.kept.get_mut(&name).and_then(|kept| kept.attempts.as_mut()) {
                    attempts.next_at = attempts.next_at.min(now);
                }
                if let Some(State::Due(_)) = self.names.get(&name).map(|entry| entry.state) {
                    self.set_state(&name, State::Due(now));
                }
            }
        }
    }

    fn add(&mut self, wanted: Wanted, now: UnixTime) {
        let name = wanted.name.clone();
        if let Some(entry) = self.names.get_mut(&name) {
            entry.wanted = wanted;
            return;
        }
        self.due.insert((now, name.clone()));
        self.names.insert(name, Entry { wanted, state: State::Due(now) });
    }

    fn remove(&mut self, name: &str, now: UnixTime, ears: &Ears<'_>) {
        if let Some(entry) = self.names.remove(name) {
            self.leave(name, entry.state);
            tell(ears, name, None, None, now, "The name is no longer wanted.");
        }
    }

    /// Takes the name out of where its state has it.
    fn leave(&mut self, name: &str, state: State) {
        match state {
            State::Due(at) => {
                self.due.remove(&(at, name.to_owned()));
            }
            State::Ready(at) => {
                self.ready.remove(&(at, name.to_owned()));
            }
            State::Running(authority) => {
                if let Some(health) = authority.and_then(|authority| self.authorities.get_mut(authority)) {
                    health.running = health.running.saturating_sub(1);
                }
            }
        }
    }

    fn set_state(&mut self, name: &str, state: State) {
        let Some(entry) = self.names.get_mut(name) else { return };
        let before = std::mem::replace(&mut entry.state, state);
        self.leave(name, before);
        match state {
            State::Due(at) => {
                self.due.insert((at, name.to_owned()));
            }
            State::Ready(at) => {
                self.ready.insert((at, name.to_owned()));
            }
            State::Running(authority) => {
                if let Some(health) = authority.and_then(|authority| self.authorities.get_mut(authority)) {
                    health.running += 1;
                }
            }
        }
    }

    fn next(&self, name: &str, now: UnixTime) -> Next {
        let nothing = Kept::default();
        let kept = self.kept.get(name).unwrap_or(&nothing);
        let Kept { line, attempts, has_order, ask_from } = kept;
        let (line, attempts) = (line.as_ref(), attempts.as_ref());
        next(Known { line, attempts, has_order: *has_order, ask_from: *ask_from }, now)
    }

    /// The next name to be worked on, if one may be begun now.
    pub(super) fn pick(&mut self, now: UnixTime, settings: &Settings, ears: &Ears<'_>) -> Option<Picked> {
        while let Some((_, name)) = self.due.first().filter(|(at, _)| *at <= now).cloned() {
            self.look_at(&name, now, ears);
        }
        let candidates: Vec<String> =
            self.ready.iter().take(LOOKED_AT).map(|(_, name)| name.clone()).collect();
        candidates.into_iter().find_map(|name| self.begin(&name, now, settings))
    }

    /// Decides whether the name is to be worked on, and when it is to be looked at again if not.
    fn look_at(&mut self, name: &str, now: UnixTime, ears: &Ears<'_>) {
        let kept = self.kept.get(name);
        let line = kept.and_then(|kept| kept.line.as_ref());
        let attempts = kept.and_then(|kept| kept.attempts.as_ref());
        tell(ears, name, line, attempts, now, "The certificate is good.");
        let state = match self.next(name, now) {
            // Alerts come with time alone.
            Next::At(at) if attempts.is_some() => State::Due(at.min(now.saturating_add(HOUR)).max(now + 1)),
            Next::At(at) => State::Due(at.max(now + 1)),
            // These count towards no limit.
            Next::AskRenewal => State::Ready(now),
            Next::Certify { .. } if line.is_some_and(|line| line.ari_id.is_some()) => State::Ready(now),
            Next::Certify { .. } => {
                let runs_out = line.map(|line| line.not_after).filter(|at| *at > now);
                State::Ready(runs_out.unwrap_or_else(|| now.saturating_add(AS_IF_LEFT)))
            }
        };
        self.set_state(name, state);
    }

    fn begin(&mut self, name: &str, now: UnixTime, settings: &Settings) -> Option<Picked> {
        let wanted = self.names.get(name)?.wanted.clone();
        let kept = self.kept.get(name);
        let line = kept.and_then(|kept| kept.line.as_ref());
        let task = match self.next(name, now) {
            Next::At(at) => {
                self.set_state(name, State::Due(at.max(now + 1)));
                return None;
            }
            Next::AskRenewal => {
                let line = line?;
                Task::AskRenewal { directory: line.directory.clone(), ari_id: line.ari_id.clone()? }
            }
            Next::Certify { .. } => {
                let attempts = kept.and_then(|kept| kept.attempts.clone());
                let count = settings.authorities.len();
                let mut authority = backoff::authority(attempts.as_ref(), count);
                if authority == 0 && count > 1 && self.authorities.first().is_some_and(Health::is_given_up) {
                    // Of names, the first one goes back to it when it is free, to find out.
                    let first = self.authorities.first().and_then(|first| first.free_at(false, now));
                    authority = usize::from(first != Some(now));
                }
                let directory =
                    settings.authorities.get(authority).map(|settings| settings.directory.as_str());
                let same = line.filter(|line| Some(line.directory.as_str()) == directory && line.has_key);
                let replaces = same.and_then(|line| line.ari_id.clone());
                let is_exempt = replaces.is_some();
                let free = self.authorities.get(authority).and_then(|health| health.free_at(is_exempt, now));
                if free.is_none_or(|at| at > now) {
                    return None;
                }
                Task::Certify { authority, replaces, attempts }
            }
        };
        let authority = match &task {
            Task::Certify { authority, .. } => Some(*authority),
            Task::AskRenewal { .. } => None,
        };
        self.set_state(name, State::Running(authority));
        Some(Picked { wanted, task })
    }

    /// Writes down what came of a task.
    pub(super) fn done(
        &mut self,
        name: &str,
        what: What,
        now: UnixTime,
        settings: &Settings,
        ears: &Ears<'_>,
    ) {
        let kept = self.kept.entry(name.to_owned()).or_default();
        let mut again_at = now;
        match what {
            What::Renewal(window) => {
                if let Some(line) = &mut kept.line {
                    line.renewal = Some(window);
                }
            }
            What::NoRenewal(at) => kept.ask_from = at,
            What::Issued(line) => {
                if let Some(index) =
                    settings.authorities.iter().position(|authority| authority.directory == line.directory)
                    && let Some(health) = self.authorities.get_mut(index)
                {
                    health.answered();
                }
                *kept = Kept { line: Some(line), ..Kept::default() };
            }
            What::Later { leave: Leave::NameAt(at), .. } => again_at = at,
            What::Later { authority, leave: Leave::AccountAt(at) } => {
                if let Some(health) = self.authorities.get_mut(authority) {
                    health.pause(at);
                }
            }
            What::Later { .. } => {}
            What::Failed { authority, kind, attempts } => {
                if let Some(health) = self.authorities.get_mut(authority) {
                    health.failed(Some(kind), now);
                }
                kept.attempts = Some(attempts);
                // What is left of an order is gone on with when its time comes; the store knows.
                kept.has_order = true;
            }
        }
        if self.names.contains_key(name) {
            self.set_state(name, State::Due(again_at));
            if again_at <= now {
                self.look_at(name, now, ears);
            }
        }
    }

    /// When there is something to look at, as far as it is known now.
    pub(super) fn wake_at(&self, now: UnixTime) -> UnixTime {
        let due = self.due.first().map_or(UnixTime::MAX, |(at, _)| *at);
        if self.ready.is_empty() {
            return due;
        }
        let free = self
            .authorities
            .iter()
            .filter_map(|health| health.free_at(false, now))
            .filter(|at| *at > now)
            .min();
        due.min(free.unwrap_or(UnixTime::MAX))
    }
}

/// Raises and resolves what the owner must know of a name.
fn tell(
    ears: &Ears<'_>,
    name: &str,
    line: Option<&CertificateLine>,
    attempts: Option<&KeptAttempts>,
    now: UnixTime,
    over: &str,
) {
    let concern = backoff::concern(line, attempts, now);
    let why = attempts.map_or_else(String::new, |attempts| {
        format!(": {} attempts failed, the last because {}", attempts.failures, attempts.text)
    });
    let days = line.map_or(0, |line| (line.not_after - now).max(0) / (24 * HOUR));
    match concern {
        Some(Concern::Expired) => {
            let text = format!("the certificate of {name} has run out: senders cannot fetch the policy{why}");
            ears.board.raise(Rule::CertificateExpired, name, now, text);
        }
        _ => ears.board.resolve(Rule::CertificateExpired, name, now, over),
    }
    match concern {
        Some(Concern::Expiring) => {
            let text = format!("the certificate of {name} runs out in {days} days and is not renewed{why}");
            ears.board.raise(Rule::CertificateFailing, name, now, text);
        }
        Some(Concern::Failing) => {
            let text = format!("{name} gets no new certificate since more than a day{why}");
            ears.board.raise(Rule::CertificateFailing, name, now, text);
        }
        _ => ears.board.resolve(Rule::CertificateFailing, name, now, over),
    }
}
