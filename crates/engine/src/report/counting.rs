//! Adding sessions up, until they are written.
//!
//! What goes in: sessions, in the order of the journal. What comes out: a [`Delta`] with the counts of each UTC day and
//! policy domain, and the stretch of the journal that they came from. Memory is bounded by [`Counter::is_full`]: whoever
//! counts writes the delta then.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};
use tls_rpt::Text;
use tls_rpt::tally::{PolicyTally, Tally};

use super::DAY_SECONDS;
use super::session::Session;
use super::settings::Settings;
use crate::facts::UnixTime;
use crate::ports::{Delta, GroupDelta, JournalPlace};

/// Groups and failure rows after which counts are to be written.
const MAX_ROWS: usize = 20_000;
/// Over so many seconds reports are spread (RFC 8460 §4.1: at most four hours).
const SPREAD_SECONDS: u64 = 14_400;
/// The longest TLSRPT record that is kept.
const MAX_RECORD_BYTES: usize = 4_096;

/// The UTC day of a time, in days since 1970.
#[must_use]
pub fn day_of(at: UnixTime) -> i64 {
    at.div_euclid(DAY_SECONDS)
}

/// When the report of a day and domain goes out: at a moment of the first four hours of the next day that the seed
/// picks (RFC 8460 §4.1), the same on each call.
#[must_use]
pub fn due_at(seed: u64, day: i64, domain: &str) -> UnixTime {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(day.to_le_bytes());
    hash.update(domain.as_bytes());
    let digest = hash.finalize();
    let number = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let spread = i64::try_from(number % SPREAD_SECONDS).unwrap_or(0);
    (day + 1) * DAY_SECONDS + 1 + spread
}

#[derive(Debug, Default)]
struct Group {
    record: Option<(UnixTime, Text)>,
    tally: Tally,
    unjudged: u64,
}

/// Adds sessions up.
#[derive(Debug)]
pub struct Counter<'s> {
    settings: &'s Settings,
    groups: BTreeMap<(i64, Text), Group>,
    rows: usize,
    left_out: u64,
}

impl<'s> Counter<'s> {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(settings: &'s Settings) -> Self {
        Self { settings, groups: BTreeMap::new(), rows: 0, left_out: 0 }
    }

    /// Adds a session. One with a domain that is opted out is not counted.
    pub fn count(&mut self, session: Session) {
        if self.settings.is_opted_out(&session.domain) || session.domain.is_empty() {
            self.left_out = self.left_out.saturating_add(session.count);
            return;
        }
        let group = self.groups.entry((day_of(session.at), session.domain)).or_insert_with(|| {
            self.rows += 1;
            Group::default()
        });
        if let Some(record) = session.record.filter(|record| record.len() <= MAX_RECORD_BYTES)
            && group.record.as_ref().is_none_or(|(at, _)| *at <= session.at)
        {
            group.record = Some((session.at, record));
        }
        let Some(met) = session.met else {
            group.unjudged = group.unjudged.saturating_add(session.count);
            return;
        };
        self.rows += session.failures.len();
        let mut counts = PolicyTally::default();
        *(if met { &mut counts.successful } else { &mut counts.failed }) = session.count;
        for failure in session.failures {
            let times: &mut u64 = counts.failures.entry(failure).or_default();
            *times = times.saturating_add(session.count);
        }
        group.tally.add(session.policy, counts);
    }

    /// Whether it is time to write.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.rows >= MAX_ROWS
    }

    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Sessions that were not counted, because their domain is opted out.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Hands out what was counted, and starts anew. `from` and `to`: the stretch of the journal that it came from.
    pub fn take(&mut self, journal: &str, from: JournalPlace, to: JournalPlace) -> Delta {
        let seed = self.settings.spread_seed;
        let groups = std::mem::take(&mut self.groups).into_iter().map(|((day, domain), group)| GroupDelta {
            due_at: due_at(seed, day, &domain),
            day,
            domain,
            record: group.record,
            tally: group.tally,
            unjudged: group.unjudged,
        });
        self.rows = 0;
        Delta { journal: journal.to_owned(), from, to, groups: groups.collect() }
    }
}
