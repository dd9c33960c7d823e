//! To whom a report is offered, when again, and when it is given up (RFC 8460 §3, §5.5). Performs no I/O.
//!
//! A round offers it to the record's places in their order, ten at most, until one accepts. If none does, the next round
//! comes after five minutes, then twice as long each time, for 24 hours from the first attempt; the last one is at
//! their end. An outage of ours that outlasts them costs the report nothing: one more round is always made.

use serde::{Deserialize, Serialize};
use tls_rpt::record::{Record, Rua};

use super::DAY_SECONDS;
use crate::facts::UnixTime;

/// Places that are tried.
const MAX_RUAS: usize = 10;
/// Before the second round.
const FIRST_WAIT_SECONDS: i64 = 300;
/// Between two rounds at most.
const LONGEST_WAIT_SECONDS: i64 = 6 * 3600;
/// From the first attempt to giving up.
const GIVE_UP_AFTER_SECONDS: i64 = DAY_SECONDS;
/// Failed attempts that are remembered.
const MAX_ATTEMPTS: usize = 20;
/// Characters of a reason that are kept.
const MAX_REASON: usize = 300;

/// What was tried so far; kept beside the report.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// When the first round began.
    pub first: Option<UnixTime>,
    /// Rounds begun.
    pub rounds: u32,
    /// Attempts in all.
    pub attempts: u32,
    /// The URI that accepted it.
    pub accepted: Option<String>,
    /// URIs that accepted it and bounced later.
    pub bounced: Vec<String>,
    /// The last failures, oldest first.
    pub failures: Vec<Attempt>,
}

/// A failed attempt.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attempt {
    /// Where to.
    pub uri: String,
    /// When.
    pub at: UnixTime,
    /// What happened; may hold text of a stranger.
    pub error: String,
}

/// The name under which it is noted how a place takes reports about a domain.
///
/// A mailbox may take those about one domain and send those about another back, which only the mail server behind it
/// decides: what comes back of one says nothing of the others. Else whoever names a mailbox that does not know them could
/// have it left alone by all who do. A web server that takes a report says so itself, and is forgiven at once.
#[must_use]
pub fn noted_as(uri: &str, domain: &str) -> String {
    if is_mail(uri) { format!("{uri} for {domain}") } else { uri.to_owned() }
}

/// Whether reports are mailed there.
pub(super) fn is_mail(uri: &str) -> bool {
    // RFC 3986 §3.1: schemes are case-insensitive.
    uri.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("mailto:"))
}

impl Progress {
    /// Reads what [`Progress::to_text`] wrote; what cannot be read is a report that was never tried.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// As text, to be kept.
    #[must_use]
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// When it is given up.
    #[must_use]
    pub fn deadline(&self, now: UnixTime) -> UnixTime {
        self.first.unwrap_or(now).saturating_add(GIVE_UP_AFTER_SECONDS)
    }

    fn note(&mut self, uri: &str, at: UnixTime, error: &str) {
        if self.failures.len() >= MAX_ATTEMPTS {
            self.failures.remove(0);
        }
        let error = error.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
        self.failures.push(Attempt { uri: uri.to_owned(), at, error: error.take(MAX_REASON).collect() });
    }
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next<'d> {
    /// Offer it there; then [`Delivery::accepted`], [`Delivery::failed`] or [`Delivery::passed_over`].
    Try(&'d Rua),
    /// Begin another round then.
    Again {
        /// When.
        at: UnixTime,
        /// Why it waits.
        reason: String,
    },
    /// Nothing more.
    Over(Ended),
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Accepted by that URI.
    Sent(String),
    /// Accepted by nobody; why.
    GivenUp(String),
}

/// The delivery of one report, in one round.
#[derive(Debug, Clone)]
pub struct Delivery {
    progress: Progress,
    ruas: Vec<Rua>,
    next: usize,
    /// Places that may accept it in a later round.
    hopeful: usize,
    seed: u64,
}

impl Delivery {
    /// Begins a round. `record` may be `None` where it could not be looked up; `seed` is of this report.
    #[must_use]
    pub fn begin(mut progress: Progress, record: Option<&Record>, now: UnixTime, seed: u64) -> Self {
        // A first attempt of a time that has not come was made before the clock was set back.
        progress.first = Some(progress.first.map_or(now, |first| first.min(now)));
        progress.rounds = progress.rounds.saturating_add(1);
        let mut ruas: Vec<Rua> = Vec::new();
        for rua in record.into_iter().flat_map(Record::usable_ruas) {
            if ruas.len() < MAX_RUAS && !ruas.iter().any(|known| known.uri() == rua.uri()) {
                ruas.push(rua.clone());
            }
        }
        ruas.retain(|rua| !progress.bounced.iter().any(|uri| uri == rua.uri()));
        // Without a record nothing is known: that may be better later.
        let hopeful = usize::from(record.is_none());
        Self { progress, ruas, next: 0, hopeful, seed }
    }

    /// What to do now.
    #[must_use]
    pub fn next(&self, now: UnixTime) -> Next<'_> {
        if let Some(uri) = &self.progress.accepted {
            return Next::Over(Ended::Sent(uri.clone()));
        }
        if let Some(rua) = self.ruas.get(self.next) {
            return Next::Try(rua);
        }
        let reason = self.reason();
        let deadline = self.progress.deadline(now);
        if self.hopeful == 0 || now >= deadline {
            return Next::Over(Ended::GivenUp(reason));
        }
        Next::Again { at: now.saturating_add(self.wait()).min(deadline), reason }
    }

    /// It was accepted.
    pub fn accepted(&mut self) {
        self.progress.attempts = self.progress.attempts.saturating_add(1);
        self.progress.accepted = self.ruas.get(self.next).map(|rua| rua.uri().to_owned());
    }

    /// It was not.
    pub fn failed(&mut self, now: UnixTime, error: &str) {
        self.progress.attempts = self.progress.attempts.saturating_add(1);
        self.not_now(now, error);
    }

    /// It was not offered there, and perhaps will be later.
    pub fn not_now(&mut self, now: UnixTime, reason: &str) {
        self.hopeful += 1;
        self.passed_over(now, reason);
    }

    /// It was not offered there, and will not be.
    pub fn passed_over(&mut self, now: UnixTime, reason: &str) {
        let uri = self.ruas.get(self.next).map(|rua| rua.uri().to_owned()).unwrap_or_default();
        self.progress.note(&uri, now, reason);
        self.next += 1;
    }

    /// What is to be kept.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// The URIs of the round, in order.
    pub fn uris(&self) -> impl Iterator<Item = &str> {
        self.ruas.iter().map(Rua::uri)
    }

    fn reason(&self) -> String {
        match self.progress.failures.last() {
            Some(Attempt { uri, error, .. }) if uri.is_empty() => error.clone(),
            Some(Attempt { uri, error, .. }) => format!("{uri}: {error}"),
            None => "nobody is left to send it to".to_owned(),
        }
    }

    /// Exponential, with up to an eighth more, so that reports that failed together are not tried together.
    fn wait(&self) -> i64 {
        let doublings = self.progress.rounds.saturating_sub(1).min(16);
        let wait = (FIRST_WAIT_SECONDS << doublings).min(LONGEST_WAIT_SECONDS);
        let eighth = (wait / 8).max(1);
        let mixed = self.seed.rotate_left(self.progress.rounds).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
        wait + i64::try_from(mixed).unwrap_or(0) % eighth
    }
}

#[cfg(test)]
mod tests {
    use tls_rpt::record::parse;

    use super::*;

    fn record(text: &str) -> Record {
        parse(text.as_bytes()).usable.unwrap().record
    }

    /// Fails every attempt until it is over; the times at which rounds began, and how it ended.
    fn never_accepted(record: &Record) -> (Vec<UnixTime>, Ended) {
        let (mut now, mut rounds, mut progress) = (1_000_000, Vec::new(), Progress::default());
        loop {
            rounds.push(now);
            let mut delivery = Delivery::begin(progress, Some(record), now, 7);
            while let Next::Try(_) = delivery.next(now) {
                delivery.failed(now, "refused");
            }
            match delivery.next(now) {
                Next::Again { at, .. } => now = at,
                Next::Over(ended) => return (rounds, ended),
                Next::Try(_) => unreachable!(),
            }
            progress = Progress::from_text(&delivery.progress().to_text());
            assert_eq!(&progress, delivery.progress());
        }
    }

    /// Proves: I12, J5
    #[test]
    fn rounds_come_ever_later_for_24_hours_and_then_it_is_given_up_with_the_reason() {
        let record = record("v=TLSRPTv1; rua=mailto:a@example.com");
        let (rounds, ended) = never_accepted(&record);
        let waits: Vec<i64> = rounds.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!((300..338).contains(&waits[0]), "{waits:?}");
        assert!(waits[..waits.len() - 1].is_sorted(), "{waits:?}");
        assert!(waits[1] >= 2 * 300 && waits[2] >= 4 * 300);
        assert_eq!(rounds[rounds.len() - 1] - rounds[0], 86_400, "the last round is at the end");
        assert_eq!(ended, Ended::GivenUp("mailto:a@example.com: refused".to_owned()));
    }

    /// Proves: G7
    #[test]
    fn the_first_place_that_accepts_ends_it() {
        let record = record("v=TLSRPTv1; rua=mailto:a@example.com,https://b.example/x,mailto:c@example.com");
        let mut delivery = Delivery::begin(Progress::default(), Some(&record), 10, 7);
        assert!(matches!(delivery.next(10), Next::Try(rua) if rua.uri() == "mailto:a@example.com"));
        delivery.failed(10, "451 later");
        assert!(matches!(delivery.next(11), Next::Try(rua) if rua.uri() == "https://b.example/x"));
        delivery.accepted();
        assert_eq!(delivery.next(11), Next::Over(Ended::Sent("https://b.example/x".to_owned())));
        assert_eq!(delivery.progress().attempts, 2);
    }

    #[test]
    fn ten_places_are_tried_and_each_once() {
        let many: Vec<String> = (0..30).map(|n| format!("mailto:r{}@example.com", n / 2)).collect();
        let record = record(&format!("v=TLSRPTv1; rua={}", many.join(",")));
        let mut delivery = Delivery::begin(Progress::default(), Some(&record), 10, 7);
        assert_eq!(delivery.uris().collect::<Vec<_>>().len(), 10);
        while let Next::Try(_) = delivery.next(10) {
            delivery.failed(10, "no\r\n\u{1b}");
        }
        assert_eq!(delivery.progress().failures.len(), 10);
        assert_eq!(delivery.progress().failures[0].error, "no   ");
    }

    #[test]
    fn a_place_that_bounced_is_left_out_and_when_all_did_it_is_over() {
        let record = record("v=TLSRPTv1; rua=mailto:a@example.com,mailto:b@example.com");
        let mut progress =
            Progress { bounced: vec!["mailto:a@example.com".to_owned()], ..Progress::default() };
        let delivery = Delivery::begin(progress.clone(), Some(&record), 10, 7);
        assert_eq!(delivery.uris().collect::<Vec<_>>(), ["mailto:b@example.com"]);
        progress.bounced.push("mailto:b@example.com".to_owned());
        let delivery = Delivery::begin(progress, Some(&record), 10, 7);
        assert!(matches!(delivery.next(10), Next::Over(Ended::GivenUp(_))));
    }

    #[test]
    fn a_place_that_is_full_today_is_tried_again_and_a_dead_one_is_not() {
        let record = record("v=TLSRPTv1; rua=mailto:a@example.com");
        let mut delivery = Delivery::begin(Progress::default(), Some(&record), 10, 7);
        delivery.not_now(10, "quota");
        assert!(matches!(delivery.next(10), Next::Again { .. }));
        let mut delivery = Delivery::begin(Progress::default(), Some(&record), 10, 7);
        delivery.passed_over(10, "dead");
        assert!(matches!(delivery.next(10), Next::Over(Ended::GivenUp(_))));
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_make_the_24_hours_a_year() {
        let record = record("v=TLSRPTv1; rua=mailto:a@example.com");
        let progress = Progress { first: Some(31_536_000), rounds: 3, ..Progress::default() };
        let delivery = Delivery::begin(progress, Some(&record), 10, 7);
        assert_eq!(delivery.progress().deadline(10), 10 + GIVE_UP_AFTER_SECONDS);
    }

    #[test]
    fn after_an_outage_that_outlasts_the_day_one_more_round_is_made() {
        let record = record("v=TLSRPTv1; rua=mailto:a@example.com");
        let progress = Progress { first: Some(10), rounds: 3, ..Progress::default() };
        let mut delivery = Delivery::begin(progress, Some(&record), 500_000, 7);
        assert!(matches!(delivery.next(500_000), Next::Try(_)));
        delivery.failed(500_000, "x");
        assert!(matches!(delivery.next(500_000), Next::Over(Ended::GivenUp(_))));
    }
}
