//! Points in time: read as senders write them, written as RFC 3339 in UTC.
//!
//! Reads what RFC 3339 §5.6 has, and beside it what is met in the wild: no zone (taken as UTC), a space
//! for the `T`, an offset without colon, 24:00:00, seconds since 1970 as a number or as digits.

use std::fmt;

use jiff::civil::Date;
use jiff::tz::Offset;

/// Seconds since 1970-01-01T00:00:00Z, between the years 0000 and 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// 0000-01-01T00:00:00Z.
const FIRST: i64 = -62_167_219_200;
/// 9999-12-31T23:59:59Z.
const LAST: i64 = 253_402_300_799;

impl Timestamp {
    /// `seconds` since 1970, if RFC 3339's four-digit years can say it.
    pub fn from_unix(seconds: i64) -> Option<Self> {
        (FIRST..=LAST).contains(&seconds).then_some(Self(seconds))
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    pub fn as_unix(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with `Z`: this is also the wire form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_second(self.0) {
            Ok(time) => {
                let civil = Offset::UTC.to_datetime(time);
                let mut text = *b"0000-00-00T00:00:00Z";
                // Years outside of 0 to 9999 are outside of the bounds above.
                let year = civil.year().unsigned_abs();
                text[..2].copy_from_slice(&two_digits(year / 100));
                text[2..4].copy_from_slice(&two_digits(year % 100));
                let rest = [civil.month(), civil.day(), civil.hour(), civil.minute(), civil.second()];
                for (place, value) in text[5..].chunks_mut(3).zip(rest) {
                    place[..2].copy_from_slice(&two_digits(u16::from(value.unsigned_abs())));
                }
                f.write_str(str::from_utf8(&text).unwrap_or_default())
            }
            // Out of the calendar library's range by a day's offset at most; the bounds above keep us inside.
            Err(_) => f.write_str("9999-12-31T23:59:59Z"),
        }
    }
}

fn two_digits(value: u16) -> [u8; 2] {
    let digit = |value: u16| b'0' + (value % 10) as u8;
    [digit(value / 10), digit(value)]
}

/// How a time was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Already normal form: `2026-10-01T00:00:00Z`.
    Normal,
    /// Another form that was understood.
    Converted,
}

/// Reads a time; `None` if it cannot be read as one.
pub(crate) fn read(text: &str) -> Option<(Timestamp, Form)> {
    let trimmed = text.trim();
    let bytes = trimmed.as_bytes();
    if bytes.len() >= 19 && bytes.iter().take(4).all(u8::is_ascii_digit) && bytes[4] == b'-' {
        let (time, rest) = date_and_time(bytes)?;
        let (offset, plain) = zone(rest)?;
        let moment = Timestamp::from_unix(time.seconds.checked_sub(offset)?)?;
        let normal = plain && time.plain && trimmed.len() == text.len();
        return Some((moment, if normal { Form::Normal } else { Form::Converted }));
    }
    // Seconds since 1970 as text. Twelve digits at most: beyond it, milliseconds or nonsense.
    if !bytes.is_empty() && bytes.len() <= 12 && bytes.iter().all(u8::is_ascii_digit) {
        return Some((Timestamp::from_unix(trimmed.parse().ok()?)?, Form::Converted));
    }
    None
}

struct Civil {
    seconds: i64,
    plain: bool,
}

fn date_and_time(bytes: &[u8]) -> Option<(Civil, &[u8])> {
    let (stamp, mut rest) = bytes.split_at_checked(19)?;
    let punctuation = [(4, b"-"), (7, b"-"), (13, b":"), (16, b":")];
    if punctuation.iter().any(|(at, mark)| stamp[*at] != mark[0]) {
        return None;
    }
    // RFC 3339 §5.6 allows a lower-case t, and a space for readability.
    let mut plain = stamp[10] == b'T';
    if !matches!(stamp[10], b'T' | b't' | b' ' | b'_') {
        return None;
    }
    let year = digits(&stamp[0..4])?;
    let month = digits(&stamp[5..7])?;
    let day = digits(&stamp[8..10])?;
    let hour = digits(&stamp[11..13])?;
    let minute = digits(&stamp[14..16])?;
    let mut second = digits(&stamp[17..19])?;
    if hour > 24 || minute > 59 || second > 60 || (hour == 24 && (minute > 0 || second > 0)) {
        return None;
    }
    if second == 60 {
        // RFC 3339 §5.7: a leap second; Unix time has no name for it.
        second = 59;
        plain = false;
    }
    plain &= hour < 24;
    if let Some((b'.' | b',', fraction)) = rest.split_first() {
        let length = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if length == 0 {
            return None;
        }
        plain = false;
        rest = &fraction[length..];
    }
    let date = Date::new(year as i16, month as i8, day as i8).ok()?;
    let midnight = Offset::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()?.as_second();
    Some((Civil { seconds: midnight + hour * 3600 + minute * 60 + second, plain }, rest))
}

/// The offset from UTC in seconds, and whether it was written `Z`.
fn zone(rest: &[u8]) -> Option<(i64, bool)> {
    match rest {
        b"Z" => Some((0, true)),
        // No zone means UTC: Microsoft's reports of years.
        b"" | b"z" | b" UTC" | b" GMT" | b" Z" | b"UTC" | b"GMT" => Some((0, false)),
        [sign @ (b'+' | b'-'), offset @ ..] => {
            let (hours, minutes) = match offset.len() {
                2 => (digits(offset)?, 0),
                4 => (digits(&offset[..2])?, digits(&offset[2..])?),
                5 if offset[2] == b':' => (digits(&offset[..2])?, digits(&offset[3..])?),
                _ => return None,
            };
            if hours > 23 || minutes > 59 {
                return None;
            }
            let seconds = hours * 3600 + minutes * 60;
            Some((if *sign == b'-' { -seconds } else { seconds }, false))
        }
        // `2026-10-01 00:00:00 +0200`
        [b' ', offset @ ..] if matches!(offset.first(), Some(b'+' | b'-')) => zone(offset),
        _ => None,
    }
}

fn digits(bytes: &[u8]) -> Option<i64> {
    bytes.iter().try_fold(0, |value, byte| byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_senders_write_them() {
        let table = [
            ("2026-10-01T00:00:00Z", Some("2026-10-01T00:00:00Z")),
            ("2026-10-01T00:00:00", Some("2026-10-01T00:00:00Z")),
            ("2026-10-01 00:00:00", Some("2026-10-01T00:00:00Z")),
            ("2026-10-01t00:00:00z", Some("2026-10-01T00:00:00Z")),
            ("2026-10-01T02:00:00+02:00", Some("2026-10-01T00:00:00Z")),
            ("2026-10-02T01:59:59+0200", Some("2026-10-01T23:59:59Z")),
            ("2026-10-01T23:59:59.999999Z", Some("2026-10-01T23:59:59Z")),
            ("2026-10-01T24:00:00Z", Some("2026-10-02T00:00:00Z")),
            ("2026-12-31T24:00:00", Some("2027-01-01T00:00:00Z")),
            ("2026-10-01T23:59:60Z", Some("2026-10-01T23:59:59Z")),
            ("2026-10-01 00:00:00 UTC", Some("2026-10-01T00:00:00Z")),
            ("2026-10-01 00:00:00 -0130", Some("2026-10-01T01:30:00Z")),
            ("1790812800", Some("2026-10-01T00:00:00Z")),
            (" 2026-10-01T00:00:00Z ", Some("2026-10-01T00:00:00Z")),
            ("2024-02-29T00:00:00Z", Some("2024-02-29T00:00:00Z")),
            ("2026-02-29T00:00:00Z", None),
            ("2026-13-01T00:00:00Z", None),
            ("2026-10-01T24:00:01Z", None),
            ("2026-10-01T25:00:00Z", None),
            ("2026-10-01", None),
            ("2026-10-01T00:00:00.Z", None),
            ("2026-10-01T00:00:00+99:00", None),
            ("1790812800000", None),
            ("yesterday", None),
            ("", None),
            ("2026-10-01T00:00:00Zé", None),
            ("9999-12-31T23:59:59-01:00", None),
        ];
        for (text, expected) in table {
            let found = read(text).map(|(time, _)| time.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn only_the_normal_form_needs_no_repair() {
        assert_eq!(read("2026-10-01T00:00:00Z").map(|found| found.1), Some(Form::Normal));
        assert_eq!(read("2026-10-01T00:00:00").map(|found| found.1), Some(Form::Converted));
        assert_eq!(
            read("0000-01-01T00:00:00Z").map(|found| found.0.to_string()).as_deref(),
            Some("0000-01-01T00:00:00Z")
        );
    }
}
