//! Numbers, shares and days in words.

use tls_rpt::count::Bounds;
pub(crate) use tls_rpt::explain::grouped as number;
use tls_rpt::report::{DateRange, Timestamp};

const DAY: i64 = 86_400;

/// A count that may be known only within bounds: `12`, or `10 to 12`.
pub(crate) fn bounds(value: Bounds) -> String {
    match value.exact() {
        Some(exact) => number(exact),
        None => format!("{} to {}", number(value.low), number(value.high)),
    }
}

/// `1 session`, `2 sessions`.
pub(crate) fn counted(value: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(value), if value == 1 { one } else { many })
}

/// `1 session`, `10 to 12 sessions`.
pub(crate) fn bounded(value: Bounds, one: &str, many: &str) -> String {
    format!("{} {}", bounds(value), if value.exact() == Some(1) { one } else { many })
}

/// What share `part` is of the whole: `1.0 %`. `None` where either is known only within bounds.
fn share(successful: Bounds, failed: Bounds) -> Option<String> {
    let part = failed.exact()?;
    let whole = successful.exact()?.checked_add(part).filter(|whole| *whole > 0)?;
    Some(if part == whole {
        "all of them".to_owned()
    } else if u128::from(part) * 1000 < u128::from(whole) {
        "under 0.1 %".to_owned()
    } else {
        // Rounded down: 99.96 % failed is not 100 %.
        let permille = u128::from(part) * 1000 / u128::from(whole);
        format!("{}.{} %", permille / 10, permille % 10)
    })
}

/// `1,203 sessions, 12 failed (0.9 %)`.
pub(crate) fn sessions(successful: Bounds, failed: Bounds) -> String {
    let all = successful.plus(failed);
    if all == Bounds::default() {
        return "no sessions".to_owned();
    }
    let all = bounded(all, "session", "sessions");
    if failed == Bounds::default() {
        return format!("{all}, none failed");
    }
    match share(successful, failed) {
        Some(share) => format!("{all}, {} failed ({share})", bounds(failed)),
        None => format!("{all}, {} failed", bounds(failed)),
    }
}

/// The days that a range covers (UTC): `2026-10-01`, `2026-10-01 to 2026-10-07`.
pub(crate) fn days(range: Option<&DateRange>) -> String {
    match range.map(|range| (range.start, range.end)) {
        None | Some((None, None)) => "days not stated".to_owned(),
        Some((Some(start), None)) => format!("from {}, end not stated", date(start.as_unix())),
        Some((None, Some(end))) => format!("up to {}, begin not stated", date(end.as_unix())),
        Some((Some(start), Some(end))) if end < start => {
            format!("from {start} to {end}, which is before its begin")
        }
        Some((Some(start), Some(end))) => span(start.as_unix(), end.as_unix()),
    }
}

/// The days from one moment to another, both Unix seconds.
pub(crate) fn span(start: i64, end: i64) -> String {
    // L12: 24:00 of a day is the same end as 23:59:59.
    let last = if end > start { end - 1 } else { end };
    if start.div_euclid(DAY) == last.div_euclid(DAY) {
        date(start)
    } else {
        format!("{} to {}", date(start), date(last))
    }
}

fn date(unix: i64) -> String {
    let mut text = Timestamp::from_unix(unix).map(|time| time.to_string()).unwrap_or_default();
    text.truncate(10);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_never_overstated() {
        let line = |successful, failed| sessions(Bounds::exactly(successful), Bounds::exactly(failed));
        assert_eq!(line(0, 0), "no sessions");
        assert_eq!(line(1, 0), "1 session, none failed");
        assert_eq!(line(1191, 12), "1,203 sessions, 12 failed (0.9 %)");
        assert_eq!(line(0, 2), "2 sessions, 2 failed (all of them)");
        assert_eq!(line(1, 99_999), "100,000 sessions, 99,999 failed (99.9 %)");
        assert_eq!(line(99_999, 1), "100,000 sessions, 1 failed (under 0.1 %)");
        let unsure = Bounds { low: 3, high: 5 };
        assert_eq!(sessions(Bounds::exactly(7), unsure), "10 to 12 sessions, 3 to 5 failed");
    }

    /// Proves: H8, L12
    #[test]
    fn both_spellings_of_a_days_end_are_that_day() {
        let at = |unix| Timestamp::from_unix(unix);
        let start = 1_790_812_800;
        let days_of = |start, end| days(Some(&DateRange { start, end, ..DateRange::default() }));
        assert_eq!(days_of(at(start), at(start + DAY - 1)), "2026-10-01");
        assert_eq!(days_of(at(start), at(start + DAY)), "2026-10-01");
        assert_eq!(days_of(at(start), at(start)), "2026-10-01");
        assert_eq!(days_of(at(start), at(start + 7 * DAY - 1)), "2026-10-01 to 2026-10-07");
        assert!(days_of(at(start), at(start - 5)).contains("before its begin"));
        assert_eq!(days_of(at(start), None), "from 2026-10-01, end not stated");
        assert_eq!(days(None), "days not stated");
    }
}
