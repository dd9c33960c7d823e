//! Moments and spans as people and programs read them: UTC, always.

use serde::Serializer;

use crate::facts::UnixTime;

/// A minute, an hour and a day in seconds.
pub(super) const MINUTE: i64 = 60;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;

/// A moment to the minute, rounded up: `2026-11-24 16:23 UTC`. Whoever waits until then has waited long enough.
pub(super) fn moment(at: UnixTime) -> String {
    let up = at.saturating_add(MINUTE - 1);
    match jiff::Timestamp::from_second(up) {
        Ok(time) => {
            let text = time.to_string();
            // RFC 3339: `2026-11-24T16:23:00Z`.
            match (text.get(..10), text.get(11..16)) {
                (Some(day), Some(clock)) => format!("{day} {clock} UTC"),
                _ => text,
            }
        }
        Err(_) => "a time beyond every calendar".to_owned(),
    }
}

/// How long, in the two largest units: `3 days 4 hours`, `5 minutes`, `no time`.
pub(super) fn span(seconds: i64) -> String {
    let units = [("day", DAY), ("hour", HOUR), ("minute", MINUTE), ("second", 1)];
    let mut left = seconds.max(0);
    let mut words = Vec::new();
    for (name, size) in units {
        let count = left / size;
        left %= size;
        if count > 0 {
            words.push(format!("{count} {name}{}", if count == 1 { "" } else { "s" }));
        }
        // `1 day 5 minutes` leaves no doubt that hours were looked at.
        if words.len() == 2 {
            break;
        }
    }
    if words.is_empty() { "no time".to_owned() } else { words.join(" ") }
}

/// For serde: RFC 3339.
pub(super) fn rfc3339<S: Serializer>(time: &UnixTime, serializer: S) -> Result<S::Ok, S::Error> {
    match jiff::Timestamp::from_second(*time) {
        Ok(time) => serializer.collect_str(&time),
        Err(_) => serializer.serialize_none(),
    }
}

/// For serde: RFC 3339, or null.
pub(super) fn rfc3339_or_null<S: Serializer>(
    time: &Option<UnixTime>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => rfc3339(time, serializer),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Also the edges of what can be counted do no harm.
    #[test]
    fn a_moment_is_rounded_up_to_the_minute_and_a_span_has_two_units() {
        assert_eq!(moment(1_800_000_000), "2027-01-15 08:00 UTC");
        assert_eq!(moment(1_800_000_001), "2027-01-15 08:01 UTC");
        assert_eq!(moment(i64::MAX), "a time beyond every calendar");
        assert_eq!(span(0), "no time");
        assert_eq!(span(-5), "no time");
        assert_eq!(span(61), "1 minute 1 second");
        assert_eq!(span(300), "5 minutes");
        assert_eq!(span(DAY + 5 * MINUTE), "1 day 5 minutes");
        assert_eq!(span(31_557_600), "365 days 6 hours");
    }
}
