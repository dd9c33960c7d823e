//! The demonstration: weeks of made-up mail for a dozen domains, each with a trouble of its own.
//!
//! [`history`] is what came in until now, [`live`] what comes in from now on, [`audits`] what looking at the
//! domains would have found, [`outbound`] what went out to others. Pure: the same seed and the same `now` give the same bytes. Written apart from what reads
//! it, so nothing of the parsers is in here; all names are reserved ones (RFC 2606) but those of well-known reporters,
//! whose habits are imitated and whose reports are not. Nothing can fail.

mod audits;
mod broken;
mod calendar;
mod carried;
mod cast;
mod draw;
pub mod outbound;
mod reporters;
mod seen;
mod shapes;

use bytes::Bytes;
use tlsward_engine::facts::{Road, UnixTime};

pub use audits::audits;
use calendar::DAY;
use cast::CAST;
use draw::Draw;

/// Days that the history goes back.
pub const DAYS: i64 = 56;
/// Days between two inputs of the history that cannot be filed.
const BROKEN_EVERY: i64 = 4;
/// Of so many inputs that arrive live, one cannot be filed.
const LIVE_BROKEN_EVERY: u64 = 12;

/// Something that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// When it was complete.
    pub received_at: UnixTime,
    /// How it came.
    pub road: Road,
    /// The media type of a POST, or the envelope of a mail.
    pub label: String,
    /// A whole mail, or the body of a POST.
    pub bytes: Bytes,
}

/// The domains that the demonstration is about, as lower-case A-labels.
pub fn domains() -> impl Iterator<Item = &'static str> {
    CAST.iter().map(|member| member.domain)
}

/// Everything that came in over the weeks before `now`, oldest first.
#[must_use]
pub fn history(seed: u64, now: UnixTime) -> Vec<Arrival> {
    let today = now.div_euclid(DAY);
    let regulars = reporters::regulars();
    let mut arrivals = Vec::new();
    for (who, member) in CAST.iter().enumerate() {
        for &index in member.reporters {
            let reporter = &regulars[index];
            for ago in 1..=DAYS {
                let day = today - ago;
                let place = [who as u64, index as u64, day.unsigned_abs()];
                let mut draw = Draw::new(seed, &place);
                let Some(seen) = member.seen((index, reporter), day, ago, &mut draw) else { continue };
                let late = i64::try_from(draw.below(3_000)).unwrap_or(0);
                let received_at = (day + 1) * DAY + reporter.sends_at + late;
                let (json, id) = shapes::report(reporter, &seen, &mut draw);
                let arrival = carried::carry(reporter, &seen, (&json, &id), received_at, &mut draw);
                // A sender that did not hear the answer sends its report again.
                if draw.once_in(80) {
                    arrivals.push(Arrival { received_at: received_at + 1_800, ..arrival.clone() });
                }
                arrivals.push(arrival);
            }
        }
    }
    for ago in (1..DAYS).step_by(BROKEN_EVERY.unsigned_abs() as usize) {
        let kind = (ago / BROKEN_EVERY).unsigned_abs();
        arrivals.push(broken::input(kind, (today - ago) * DAY + 47_000));
    }
    arrivals.retain(|arrival| arrival.received_at <= now);
    arrivals.sort_by_key(|arrival| arrival.received_at);
    arrivals
}

/// The `number`-th input, from 0, that comes in after the history: at `now`, about yesterday.
#[must_use]
pub fn live(seed: u64, number: u64, now: UnixTime) -> Arrival {
    if number % LIVE_BROKEN_EVERY == LIVE_BROKEN_EVERY - 1 {
        return broken::input(number / LIVE_BROKEN_EVERY, now);
    }
    let day = now.div_euclid(DAY) - 1;
    let mut draw = Draw::new(seed, &[u64::MAX, number]);
    // Not in their order, so that neighbours on the pages come to life in turn.
    let member = &CAST[usize::try_from(number * 5 % CAST.len() as u64).unwrap_or(0)];
    let reporter = reporters::passing(number);
    loop {
        // They are none of the regulars, so nothing that befalls one of those alone befalls them.
        let Some(mut seen) = member.seen((usize::MAX, &reporter), day, 1, &mut draw) else { continue };
        seen.good = seen.good.min(40);
        let (json, id) = shapes::report(&reporter, &seen, &mut draw);
        let id_again = format!("{id}.{number}");
        let json = json.replacen(&id, &id_again, 1);
        return carried::carry(&reporter, &seen, (&json, &id_again), now, &mut draw);
    }
}

#[cfg(test)]
mod tests;
