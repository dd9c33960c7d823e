//! The outbox in memory.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::future::ready;
use std::sync::{MutexGuard, PoisonError};

use tls_rpt::Text;
use tls_rpt::tally::Tally;
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::{
    Added, DayRange, Delta, JournalPlace, LeaseAsk, Outbox, Outgoing, OutgoingLine, OutgoingQuery,
    OutgoingState, OutgoingSum, ReportKey, RuaHealth, Settlement, StoreError,
};

use super::{LONGEST_WAIT_SECONDS, Sums, forgotten_before, held_against, sums, when_due};
use crate::{MAX_PAGE, MemoryStore};

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Held {
    rows: BTreeMap<ReportKey, Row>,
    places: BTreeMap<String, JournalPlace>,
    quotas: BTreeMap<String, (i64, u64)>,
    health: BTreeMap<String, RuaHealth>,
}

#[derive(Debug)]
struct Row {
    state: OutgoingState,
    at: UnixTime,
    reason: String,
    progress: String,
    token: Option<String>,
    begun: bool,
    lease: Option<(String, UnixTime)>,
    record: Option<(UnixTime, Text)>,
    tally: Tally,
    /// Of what was counted, also after the counts are retired.
    sums: (u64, u64),
    unjudged: u64,
}

impl Row {
    fn new(at: UnixTime) -> Self {
        Self {
            state: OutgoingState::Waiting,
            at,
            reason: String::new(),
            progress: String::new(),
            token: None,
            begun: false,
            lease: None,
            record: None,
            tally: Tally::default(),
            sums: (0, 0),
            unjudged: 0,
        }
    }

    fn is_free(&self, node: &str, now: UnixTime) -> bool {
        self.lease.as_ref().is_none_or(|(holder, until)| holder == node || *until <= now)
    }

    fn line(&self, key: &ReportKey) -> OutgoingLine {
        OutgoingLine {
            key: key.clone(),
            state: self.state,
            at: self.at,
            reason: self.reason.clone(),
            successful: self.sums.0,
            failed: self.sums.1,
            unjudged: self.unjudged,
        }
    }

    fn whole(&self, key: &ReportKey) -> Outgoing {
        Outgoing {
            line: self.line(key),
            record: self.record.as_ref().map(|(_, text)| text.clone()),
            tally: self.tally.clone(),
            progress: self.progress.clone(),
        }
    }
}

impl Held {
    fn add(&mut self, delta: Delta) -> Added {
        let place = self.places.get(&delta.journal).copied().unwrap_or_default();
        if place != delta.from {
            return Added::Elsewhere(place);
        }
        self.places.insert(delta.journal, delta.to);
        for group in delta.groups {
            let key = |part| ReportKey { day: group.day, domain: group.domain.clone(), part };
            let newest = self.rows.range(key(0)..=key(u32::MAX)).next_back();
            let part = match newest {
                None => 1,
                Some((key, row)) if row.begun => key.part.saturating_add(1),
                Some((key, _)) => key.part,
            };
            let due_at = when_due(group.due_at, part);
            let row = self.rows.entry(key(part)).or_insert_with(|| Row::new(due_at));
            row.tally.merge(group.tally);
            row.sums = sums(&row.tally);
            row.unjudged = row.unjudged.saturating_add(group.unjudged);
            let is_newer =
                |(at, _): &(UnixTime, Text)| group.record.as_ref().is_some_and(|(newer, _)| newer >= at);
            if row.record.as_ref().is_none_or(is_newer) {
                row.record = group.record.or_else(|| row.record.take());
            }
        }
        Added::Counted
    }

    fn lease(&mut self, ask: &LeaseAsk) -> Vec<Outgoing> {
        let is_due = |key: &ReportKey, row: &Row| {
            row.state == OutgoingState::Waiting
                && (row.at <= ask.now || row.begun && row.at > ask.now.saturating_add(LONGEST_WAIT_SECONDS))
                && key.day < ask.before_day
                && row.is_free(&ask.node, ask.now)
        };
        let mut due: Vec<_> = self.rows.iter_mut().filter(|(key, row)| is_due(key, row)).collect();
        due.sort_by(|(key, row), (other_key, other)| (row.at, *key).cmp(&(other.at, *other_key)));
        due.truncate(ask.limit.min(MAX_PAGE));
        let lease = |(key, row): (&ReportKey, &mut Row)| {
            row.begun = true;
            row.lease = Some((ask.node.clone(), ask.until));
            row.whole(key)
        };
        due.into_iter().map(lease).collect()
    }

    fn settle(&mut self, settlement: Settlement) -> bool {
        let Some(row) = self.rows.get_mut(&settlement.key) else { return false };
        if row.lease.as_ref().is_none_or(|(holder, _)| *holder != settlement.node) {
            return false;
        }
        row.lease = None;
        row.state = settlement.state;
        row.at = settlement.at;
        row.reason = settlement.reason;
        row.progress = settlement.progress;
        row.token = settlement.token.or_else(|| row.token.take());
        for note in settlement.notes {
            let before = self.health.remove(&note.uri);
            if let Some(held) = held_against(before, &note) {
                self.health.insert(note.uri, held);
            }
        }
        true
    }
}

impl MemoryStore {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.reports_out.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outbox for MemoryStore {
    fn add(&self, delta: Delta) -> impl Future<Output = Result<Added, StoreError>> + Send {
        ready(Ok(self.held().add(delta)))
    }

    fn place(&self, journal: &str) -> impl Future<Output = Result<JournalPlace, StoreError>> + Send {
        ready(Ok(self.held().places.get(journal).copied().unwrap_or_default()))
    }

    fn lease(&self, ask: LeaseAsk) -> impl Future<Output = Result<Vec<Outgoing>, StoreError>> + Send {
        ready(Ok(self.held().lease(&ask)))
    }

    fn lease_token(
        &self,
        token: &str,
        node: &str,
        now: UnixTime,
        until: UnixTime,
    ) -> impl Future<Output = Result<Option<Outgoing>, StoreError>> + Send {
        let mut held = self.held();
        let found = held.rows.iter_mut().find(|(_, row)| row.token.as_deref() == Some(token));
        ready(Ok(found.filter(|(_, row)| row.is_free(node, now)).map(|(key, row)| {
            row.lease = Some((node.to_owned(), until));
            row.whole(key)
        })))
    }

    fn settle(&self, settlement: Settlement) -> impl Future<Output = Result<bool, StoreError>> + Send {
        ready(Ok(self.held().settle(settlement)))
    }

    fn reserve(
        &self,
        destination: &str,
        day: i64,
        limit: u64,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send {
        let mut held = self.held();
        let (of_day, used) = held.quotas.entry(destination.to_owned()).or_insert((day, 0));
        if *of_day != day {
            (*of_day, *used) = (day, 0);
        }
        let is_free = *used < limit;
        *used += u64::from(is_free);
        ready(Ok(is_free))
    }

    fn health(
        &self,
        uris: Vec<String>,
    ) -> impl Future<Output = Result<Vec<Option<RuaHealth>>, StoreError>> + Send {
        let held = self.held();
        ready(Ok(uris.iter().map(|uri| held.health.get(uri).cloned()).collect()))
    }

    fn outgoing(
        &self,
        query: OutgoingQuery,
    ) -> impl Future<Output = Result<Vec<OutgoingLine>, StoreError>> + Send {
        let OutgoingQuery { domain, day, state, after, limit } = query;
        let held = self.held();
        let order = |key: &ReportKey| (Reverse(key.day), key.domain.clone(), key.part);
        let mut rows: Vec<_> = held
            .rows
            .iter()
            .filter(|(key, _)| domain.as_deref().is_none_or(|domain| key.domain == domain))
            .filter(|(key, _)| day.is_none_or(|day| key.day == day))
            .filter(|(_, row)| state.is_none_or(|state| row.state == state))
            .filter(|(key, _)| after.as_ref().is_none_or(|after| order(key) > order(after)))
            .collect();
        rows.sort_by_key(|(key, _)| order(key));
        ready(Ok(rows.into_iter().take(limit.min(MAX_PAGE)).map(|(key, row)| row.line(key)).collect()))
    }

    fn outgoing_days(
        &self,
        days: DayRange,
    ) -> impl Future<Output = Result<Vec<OutgoingSum>, StoreError>> + Send {
        let mut sums = Sums::default();
        for (key, row) in &self.held().rows {
            if (days.first..=days.last).contains(&key.day) {
                sums.add(&row.line(key));
            }
        }
        ready(Ok(sums.listed()))
    }

    fn outgoing_report(
        &self,
        key: &ReportKey,
    ) -> impl Future<Output = Result<Option<Outgoing>, StoreError>> + Send {
        ready(Ok(self.held().rows.get(key).map(|row| row.whole(key))))
    }

    fn retire(
        &self,
        counts_before: i64,
        traces_before: i64,
    ) -> impl Future<Output = Result<u64, StoreError>> + Send {
        let mut held = self.held();
        let before = held.rows.len();
        held.rows.retain(|key, row| row.state == OutgoingState::Waiting || key.day >= traces_before);
        held.quotas.retain(|_, (day, _)| *day >= traces_before);
        held.health.retain(|_, health| health.last >= forgotten_before(traces_before));
        for (key, row) in &mut held.rows {
            if row.state != OutgoingState::Waiting && key.day < counts_before {
                row.tally = Tally::default();
            }
        }
        ready(Ok((before - held.rows.len()) as u64))
    }
}
