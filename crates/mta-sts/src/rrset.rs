//! Which of the TXT records at `_mta-sts.<domain>` counts: RFC 8461 §3.1, the paragraph on several records.
//!
//! With one TXT record, that record is judged by the grammar. With several, those that do not begin with
//! the literal `v=STSv1;` are dropped *first*; exactly one must be left, and only then is it parsed. So a
//! malformed record beside a good one takes the domain's policy away, and so does a second good one. What
//! is already cached stays untouched by any of this.

use crate::freshness::RecordOutcome;
use crate::record::{self, ParsedRecord, Record, VERSION};

/// The outcome of [`choose`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// Exactly one record is a candidate. It may still be malformed.
    One(ParsedRecord),
    /// No record can be told apart as the domain's.
    None(NoRecord),
}

/// Why a domain has no available policy by its TXT records. The sender goes on with what it has cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoRecord {
    /// No TXT record there, or only unrelated ones. Nothing to fix: the domain does not take part.
    #[error("no MTA-STS record")]
    Absent,
    /// Several begin with `v=STSv1;`. The owner removes all but one.
    #[error("{count} MTA-STS records where exactly one may be")]
    Multiple {
        /// How many begin with `v=STSv1;`.
        count: usize,
    },
    /// Among several TXT records only ones with white space before the first semicolon. The owner removes it.
    #[error("no record begins with v=STSv1; among several TXT records")]
    SpacedVersionOnly,
    /// The only candidate is malformed. The owner fixes it.
    #[error("malformed MTA-STS record: {0}")]
    Malformed(record::Error),
}

/// Joins the strings of one TXT record. RFC 8461 §3.1: without anything between them, wherever they were
/// split.
#[must_use]
pub fn join<T: AsRef<[u8]>>(strings: &[T]) -> Vec<u8> {
    strings.iter().flat_map(|string| string.as_ref().iter().copied()).collect()
}

/// Picks the record that counts. `rrset` has one element for each TXT record, its strings joined by
/// [`join`].
#[must_use]
pub fn choose<T: AsRef<[u8]>>(rrset: &[T]) -> Choice {
    if let [only] = rrset {
        let parsed = record::parse(only.as_ref());
        // A lone record of another kind or version is no broken MTA-STS record: it is none.
        return match parsed.usable() {
            Err(record::Error::Version) => Choice::None(NoRecord::Absent),
            _ => Choice::One(parsed),
        };
    }
    // RFC 8461 §3.1: the literal decides among several, white space before the semicolon does not pass.
    let mut survivors = rrset.iter().map(AsRef::as_ref).filter(|txt| begins_literally(txt));
    match (survivors.next(), survivors.count()) {
        (Some(only), 0) => Choice::One(record::parse(only)),
        (Some(_), others) => Choice::None(NoRecord::Multiple { count: others + 1 }),
        (None, _) if rrset.iter().any(|txt| is_spaced(txt.as_ref())) => {
            Choice::None(NoRecord::SpacedVersionOnly)
        }
        (None, _) => Choice::None(NoRecord::Absent),
    }
}

impl Choice {
    /// The record that a sender acts on.
    ///
    /// # Errors
    /// Why there is none.
    pub fn usable(&self) -> Result<&Record, NoRecord> {
        match self {
            Self::One(parsed) => parsed.usable().map_err(|error| NoRecord::Malformed(*error)),
            Self::None(reason) => Err(*reason),
        }
    }

    /// Whether the RRset announces a policy by the RFC's own rules.
    #[must_use]
    pub fn is_strict(&self) -> bool {
        match self {
            Self::One(parsed) => parsed.strict().is_ok(),
            Self::None(_) => false,
        }
    }

    /// The only candidate and all that was noticed about it.
    #[must_use]
    pub fn candidate(&self) -> Option<&ParsedRecord> {
        match self {
            Self::One(parsed) => Some(parsed),
            Self::None(_) => None,
        }
    }

    /// What [`crate::freshness`] needs to know of it.
    #[must_use]
    pub fn outcome(&self) -> RecordOutcome {
        match self.usable() {
            Ok(record) => RecordOutcome::Found(record.id().clone()),
            Err(NoRecord::Absent) => RecordOutcome::Absent,
            Err(_) => RecordOutcome::Malformed,
        }
    }
}

fn begins_literally(txt: &[u8]) -> bool {
    txt.strip_prefix(VERSION.as_bytes()).is_some_and(|rest| rest.starts_with(b";"))
}

fn is_spaced(txt: &[u8]) -> bool {
    let rest = txt.strip_prefix(VERSION.as_bytes()).map(record::trim_wsp);
    rest.is_some_and(|rest| rest.starts_with(b";"))
}
