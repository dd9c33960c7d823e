//! The start: what is kept is served before anything is asked of the network, and the ledger is read against it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use futures_channel::mpsc;
use mta_sts::policy_domain::PolicyDomain;

use super::super::action::Action;
use super::super::ledger::{self, Entry, Newest};
use super::super::publication::Publication;
use super::super::rewind::mend;
use super::{Driver, Inner, Options, Parts, Publisher};
use crate::alert::{Board, Rule};
use crate::gate::Gates;
use crate::ports::publish::{Authorities, Hosts, KeptPublication, Ledger, Publications, Put, Records};
use crate::ports::{Clock, StoreError, World};

/// Domains that are read at once.
const PAGE: usize = 1_000;

impl<W, A, R, H, S, L, C> Publisher<W, A, R, H, S, L, C>
where
    W: World + 'static,
    A: Authorities + 'static,
    R: Records,
    H: Hosts,
    S: Publications,
    L: Ledger,
    C: Clock,
{
    /// Takes up what is kept. When it returns every policy is served, with the network down too. Alerts go to `alerts`.
    ///
    /// # Errors
    /// The store's, and the ledger's if it cannot be read. A single domain that cannot be read is an alert.
    pub async fn open(
        parts: Parts<W, A, R, H, S, L, C>,
        options: Options,
        alerts: Arc<Board>,
    ) -> Result<(Self, Driver<W, A, R, H, S, L, C>), StoreError> {
        let read = parts.ledger.read().await?;
        let ledger = ledger::Ledger::read(read)
            .map_err(|error| StoreError::Unavailable(format!("the ledger cannot be read: {error}")))?;
        if ledger.unreadable > 0 {
            let text =
                format!("{} lines of the ledger of what is published cannot be read", ledger.unreadable);
            alerts.raise(Rule::PublishNotKept, "", parts.clock.now(), text);
        }
        let inner = Inner {
            parts,
            options,
            alerts,
            changing: Gates::new(1),
            unwritten: std::sync::Mutex::default(),
            retired: BTreeMap::new(),
        };
        let retired = inner.take_up(ledger.domains).await?;
        let (due, hears) = mpsc::unbounded();
        let inner = Arc::new(Inner { retired, ..inner });
        let driver = Driver::new(Arc::clone(&inner), hears);
        Ok((Self { inner, due }, driver))
    }
}

impl<W, A, R, H, S, L, C> Inner<W, A, R, H, S, L, C>
where
    W: World,
    A: Authorities,
    R: Records,
    H: Hosts,
    S: Publications,
    L: Ledger,
    C: Clock,
{
    /// Serves every domain that is kept. Gives back the numbers of those that are in the ledger alone.
    async fn take_up(
        &self,
        mut known: BTreeMap<String, Newest>,
    ) -> Result<BTreeMap<String, u32>, StoreError> {
        let mut after: Option<String> = None;
        // One body for all domains that serve the same.
        let mut bodies = BTreeSet::new();
        loop {
            let page = self.parts.store.publications(after.as_deref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.domain.clone());
            let mut missing = Vec::new();
            for row in &page {
                let newest = known.remove(&row.domain).unwrap_or_default();
                if let Some(state) = self.mended(row, &newest).await? {
                    missing.extend(unwritten(&state, &newest));
                    self.serve_shared(&state, &mut bodies);
                    if self.options.applies_at_open && state.hold.is_none() {
                        // What is not done now is asked for again when the domain is due.
                        drop(self.apply(&state, &state.desired()).await);
                    }
                }
            }
            if !missing.is_empty() {
                // Kept, and killed before it was written and served.
                self.parts.ledger.append(missing).await?;
            }
        }
        let mut retired = BTreeMap::new();
        for (name, newest) in known {
            retired.insert(name.clone(), newest.number);
            let Ok(domain) = PolicyDomain::parse(&name) else { continue };
            // In the ledger, served, and not in the store: the backup is older than the domain.
            if let Some((state, actions)) = mend(&domain, None, &newest, self.parts.clock.now())
                && self.keep(&state, &actions).await? == Put::Kept
            {
                self.tell(&state, &actions);
                self.serve_shared(&state, &mut bodies);
            }
        }
        Ok(retired)
    }

    /// The domain as it is kept, or as the ledger has it.
    async fn mended(
        &self,
        row: &KeptPublication,
        newest: &Newest,
    ) -> Result<Option<Publication>, StoreError> {
        let now = self.parts.clock.now();
        let state = match Publication::from_row(row) {
            Ok(state) => state,
            Err(error) => {
                let text = format!("what is published for {} cannot be read: {error}", row.domain);
                self.alerts.raise(Rule::PublishNotKept, &row.domain, now, text);
                return Ok(None);
            }
        };
        let Some((mended, actions)) = mend(&state.domain, Some(&state), newest, now) else {
            if let Some(hold) = &state.hold {
                self.alerts.raise(Rule::PublishHeld, &row.domain, now, hold.text(&state.domain));
            }
            return Ok(Some(state));
        };
        match self.keep(&mended, &actions).await? {
            Put::Kept => {
                self.tell(&mended, &actions);
                Ok(Some(mended))
            }
            // Another process: it serves it, and this one when the domain is due.
            Put::Conflict => Ok(None),
        }
    }

    fn tell(&self, state: &Publication, actions: &[Action]) {
        for action in actions {
            if let Action::Raise(rule, text) = action {
                self.alerts.raise(*rule, state.domain.as_str(), self.parts.clock.now(), text.clone());
            }
        }
    }

    fn serve_shared(&self, state: &Publication, bodies: &mut BTreeSet<Bytes>) {
        let Some(served) = &state.served else { return };
        let body = match bodies.get(&served.body) {
            Some(body) => body.clone(),
            None => {
                bodies.insert(served.body.clone());
                served.body.clone()
            }
        };
        self.parts.hosts.serve(state.domain.as_str(), Some(body));
    }
}

/// The lines that the ledger lacks.
fn unwritten(state: &Publication, newest: &Newest) -> Vec<String> {
    let domain = state.domain.as_str().to_owned();
    let mut lines = Vec::new();
    let Some(served) = &state.served else { return lines };
    if served.number > newest.number {
        let entry = Entry::Served {
            domain: domain.clone(),
            number: served.number,
            body: String::from_utf8_lossy(&served.body).into_owned(),
            max_age: served.policy.max_age().as_secs(),
            at: served.first_served_at,
        };
        lines.push(entry.to_line());
    }
    if let Some(id) = &state.id
        && newest.id.as_ref().is_none_or(|(_, written)| written != id.as_wire())
    {
        let entry = Entry::Announced {
            domain,
            number: served.number,
            id: id.as_wire().to_owned(),
            at: state.id_clock,
        };
        lines.push(entry.to_line());
    }
    lines
}
