//! Days and times of day as reports and mails write them. Seconds and days count from 1970, UTC.

pub(super) const DAY: i64 = 86_400;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// Year, month and day of the month.
fn civil(day: i64) -> (i64, usize, i64) {
    // Days from the first of March of a year that begins an era of 400 years.
    let shifted = day + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day_of_month = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, usize::try_from(month).unwrap_or(1), day_of_month)
}

/// `2026-11-24`.
pub(super) fn date(day: i64) -> String {
    let (year, month, day) = civil(day);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `2026-11-24T08:09:10`, without a zone.
pub(super) fn local(time: i64) -> String {
    let of_day = time.rem_euclid(DAY);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{}T{hour:02}:{minute:02}:{second:02}", date(time.div_euclid(DAY)))
}

/// `2026-11-24T08:09:10Z`.
pub(super) fn utc(time: i64) -> String {
    format!("{}Z", local(time))
}

/// `Tue, 24 Nov 2026 08:09:10 +0000`, for mails.
pub(super) fn mail_date(time: i64) -> String {
    let day = time.div_euclid(DAY);
    let (year, month, of_month) = civil(day);
    let clock = local(time);
    let weekday = WEEKDAYS[usize::try_from(day.rem_euclid(7)).unwrap_or(0)];
    format!("{weekday}, {of_month} {} {year} {} +0000", MONTHS[month - 1], &clock[clock.len() - 8..])
}

/// True on Saturday and Sunday.
pub(super) fn is_weekend(day: i64) -> bool {
    matches!(day.rem_euclid(7), 2 | 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_times_are_written_as_mails_and_reports_do() {
        assert_eq!(utc(1_795_521_605), "2026-11-24T12:00:05Z");
        assert_eq!(mail_date(1_795_521_605), "Tue, 24 Nov 2026 12:00:05 +0000");
        assert_eq!(
            (date(0), date(11_016), date(20_512)),
            ("1970-01-01".into(), "2000-02-29".into(), "2026-02-28".into())
        );
        assert!(is_weekend(20_785) && !is_weekend(20_783));
    }
}
