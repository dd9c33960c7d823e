//! A store and a clock for tests: in memory, told when to fail, and awaited instead of slept for.

use std::collections::BTreeMap;
use std::time::Duration;

use tlsward_engine::facts::{RawInput, Receipt, SetAsideReason, UnixTime, Verdict};
use tlsward_engine::ports::{Clock, Intake, StoreError, Unread};
use tokio::sync::watch;

/// A clock that stands still.
pub(crate) const NOW: UnixTime = 1_700_000_000;

pub(crate) struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> UnixTime {
        NOW
    }
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) raw: BTreeMap<i64, RawInput>,
    /// Settled ids with the reason and detail they were set aside for.
    pub(crate) settled: BTreeMap<i64, (SetAsideReason, String)>,
    /// How often the store was asked to settle.
    pub(crate) asked: u32,
    /// How often each mail was begun, and in which order.
    pub(crate) attempts: BTreeMap<i64, u32>,
    pub(crate) begun: Vec<i64>,
    /// How often it still refuses to settle.
    pub(crate) refuses_to_settle: u32,
    pub(crate) failing: Option<StoreError>,
    pub(crate) damaged: Option<i64>,
}

pub(crate) struct FakeStore {
    state: watch::Sender<State>,
}

impl FakeStore {
    pub(crate) fn new() -> Self {
        Self { state: watch::Sender::new(State::default()) }
    }

    /// A store that an earlier run left with these mails.
    pub(crate) fn with(mails: impl IntoIterator<Item = RawInput>) -> Self {
        let store = Self::new();
        store.change(|state| state.raw = (1..).zip(mails).collect());
        store
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut State)) {
        self.state.send_modify(change);
    }

    pub(crate) fn see<T>(&self, see: impl FnOnce(&State) -> T) -> T {
        see(&self.state.borrow())
    }

    /// Waits until it is so, within bounds.
    pub(crate) async fn until(&self, so: impl FnMut(&State) -> bool) {
        let mut seen = self.state.subscribe();
        let waited = tokio::time::timeout(Duration::from_secs(600), seen.wait_for(so)).await;
        waited.expect("the store never got there").expect("the store lives");
    }

    fn failure(&self) -> Result<(), StoreError> {
        self.see(|state| state.failing.clone()).map_or(Ok(()), Err)
    }
}

impl Intake for FakeStore {
    async fn accept(&self, raw: RawInput, verdict: Verdict) -> Result<Receipt, StoreError> {
        let id = self.keep(raw).await?;
        self.settle(id, verdict).await
    }

    async fn keep(&self, raw: RawInput) -> Result<i64, StoreError> {
        self.failure()?;
        let mut id = 1;
        self.change(|state| {
            id = state.raw.last_key_value().map_or(1, |(last, _)| last + 1);
            state.raw.insert(id, raw);
        });
        Ok(id)
    }

    async fn pending(&self, after: i64, limit: usize) -> Result<Vec<Unread>, StoreError> {
        self.failure()?;
        Ok(self.see(|state| {
            let waiting = state.raw.iter().filter(|(id, _)| **id > after && !state.settled.contains_key(id));
            let unread = |(id, raw): (&i64, &RawInput)| {
                let attempts = state.attempts.get(id).copied().unwrap_or(0);
                Unread { id: *id, attempts, raw: raw.clone() }
            };
            waiting.take(limit).map(unread).collect()
        }))
    }

    async fn begin(&self, id: i64) -> Result<(), StoreError> {
        self.failure()?;
        self.change(|state| {
            *state.attempts.entry(id).or_default() += 1;
            state.begun.push(id);
        });
        Ok(())
    }

    async fn set_aside_by_others(&self, _: &str, _: i64, _: usize) -> Result<Vec<Unread>, StoreError> {
        Err(unavailable())
    }

    async fn reconsider(&self, _: i64, _: Verdict) -> Result<Receipt, StoreError> {
        Err(unavailable())
    }

    async fn settle(&self, id: i64, verdict: Verdict) -> Result<Receipt, StoreError> {
        self.change(|state| state.asked += 1);
        self.failure()?;
        if self.see(|state| state.refuses_to_settle > 0) {
            self.change(|state| state.refuses_to_settle -= 1);
            return Err(unavailable());
        }
        if self.see(|state| state.damaged == Some(id)) {
            return Err(StoreError::Damaged("row".to_owned()));
        }
        let Verdict::SetAside { reason, detail } = verdict else {
            return Ok(Receipt::Stored { ids: vec![id] });
        };
        self.change(|state| {
            state.settled.entry(id).or_insert((reason, detail));
        });
        Ok(Receipt::SetAside { id, reason })
    }
}

pub(crate) fn mail_of(bytes: impl Into<bytes::Bytes>) -> RawInput {
    RawInput {
        road: tlsward_engine::facts::Road::Smtp,
        received_at: NOW,
        peer: None,
        label: String::new(),
        bytes: bytes.into(),
    }
}

pub(crate) fn unavailable() -> StoreError {
    StoreError::Unavailable("disk full".to_owned())
}
