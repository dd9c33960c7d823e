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

/// The day that [`date`] writes so, and nothing else.
pub(crate) fn day_from(text: &str) -> Option<i64> {
    let digits = |part: std::ops::Range<usize>| {
        text.get(part)
            .filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|part| part.parse::<i64>().ok())
    };
    let (year, month, day) = (digits(0..4)?, digits(5..7)?, digits(8..10)?);
    // Days from civil: years begin in March, so that the leap day is the last of its year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let of_year = (153 * month + 2) / 5 + day - 1;
    let days =
        365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year - 719_468;
    // What is no day of the calendar, or is written otherwise, comes back as another text.
    (date(days) == text).then_some(days)
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
    fn a_day_is_read_as_it_is_written_and_in_no_other_way() {
        for day in [-1, 0, 59, 60, 11_016, 11_017, 20_780, 20_781, 47_541] {
            assert_eq!(day_from(&date(day)), Some(day));
        }
        assert_eq!(day_from("2026-11-24"), Some(1_795_521_600 / 86_400));
        for bad in [
            "",
            "2026",
            "2026-02-29",
            "2026-13-01",
            "2026-00-10",
            "2026-1-01",
            "2026-11-24 ",
            "2026/11/24",
            "+026-11-24",
            "9999-99-99",
            "20é6-11-2",
        ] {
            assert_eq!(day_from(bad), None, "{bad}");
        }
    }

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
