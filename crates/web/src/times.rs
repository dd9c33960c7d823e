//! Times as programs read them and as people do. All of them UTC, all of them total: an absurd time is shown at the end
//! of the calendar.

use tls_rpt::report::Timestamp;
use tlsward_engine::facts::UnixTime;

const DAY_SECONDS: i64 = 86_400;

/// RFC 3339 in UTC.
pub(crate) fn rfc3339(time: UnixTime) -> String {
    let end = if time < 0 { "0000-01-01T00:00:00Z" } else { "9999-12-31T23:59:59Z" };
    Timestamp::from_unix(time).map_or_else(|| end.to_owned(), |time| time.to_string())
}

/// `2026-10-01 14:03`, for people.
pub(crate) fn minute(time: UnixTime) -> String {
    let full = rfc3339(time);
    match (full.get(..10), full.get(11..16)) {
        (Some(date), Some(clock)) => format!("{date} {clock}"),
        _ => full,
    }
}

/// The day of a time, in days since 1970-01-01 UTC.
pub(crate) fn day_of(time: UnixTime) -> i64 {
    time.div_euclid(DAY_SECONDS)
}

/// The start of a day.
pub(crate) fn start_of(day: i64) -> UnixTime {
    day.saturating_mul(DAY_SECONDS)
}

/// `2026-10-01`.
pub(crate) fn date(day: i64) -> String {
    let mut text = rfc3339(start_of(day));
    text.truncate(10);
    text
}

/// `1 Oct`, for axes.
pub(crate) fn short_date(day: i64) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let date = date(day);
    let month = date.get(5..7).and_then(|month| month.parse::<usize>().ok());
    let name = month.and_then(|month| MONTHS.get(month.wrapping_sub(1)));
    match (date.get(8..10), name) {
        (Some(day), Some(name)) => format!("{} {name}", day.trim_start_matches('0')),
        _ => date,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_utc_and_never_fail() {
        assert_eq!(rfc3339(1_790_812_800), "2026-10-01T00:00:00Z");
        assert_eq!(minute(1_790_812_800 + 3661), "2026-10-01 01:01");
        assert_eq!(date(day_of(1_790_812_800)), "2026-10-01");
        assert_eq!(short_date(day_of(1_790_812_800)), "1 Oct");
        assert_eq!(day_of(-1), -1);
        assert_eq!(rfc3339(i64::MAX), "9999-12-31T23:59:59Z");
        assert_eq!(date(i64::MIN), "0000-01-01");
    }
}
