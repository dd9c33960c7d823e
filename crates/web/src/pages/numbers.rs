//! Numbers as people read them: sessions, which may be known only between two bounds, shares and sizes.

use std::fmt;

use tls_rpt::count::Bounds;
pub(crate) use tls_rpt::explain::grouped;

/// A number of sessions; where it is known only between two bounds, both are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count(pub(crate) Bounds);

impl Count {
    /// True if the number is not known exactly.
    pub(crate) fn is_range(&self) -> bool {
        self.0.exact().is_none()
    }

    /// True if there is certainly none.
    pub(crate) fn is_zero(&self) -> bool {
        self.0.high == 0
    }

    /// Why there are two numbers, in words.
    pub(crate) fn note(&self) -> String {
        format!(
            "between {} and {} sessions: two rows may describe the same ones",
            grouped(self.0.low),
            grouped(self.0.high)
        )
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.exact() {
            Some(count) => f.write_str(&grouped(count)),
            None => write!(f, "{}–{}", grouped(self.0.low), grouped(self.0.high)),
        }
    }
}

/// What share of sessions failed, as text; a dash where there were none.
pub(crate) fn share(successful: Bounds, failed: Bounds) -> String {
    if successful.high == 0 && failed.high == 0 {
        return "–".to_owned();
    }
    let least = percent(failed.low, successful.high);
    let most = percent(failed.high, successful.low);
    if least == most { least } else { format!("{}–{most}", least.trim_end_matches(" %")) }
}

/// Two digits that count, and never 0 % or 100 % unless it is exactly that.
fn percent(failed: u64, successful: u64) -> String {
    if failed == 0 {
        return "0 %".to_owned();
    }
    if successful == 0 {
        return "100 %".to_owned();
    }
    #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
    let share = failed as f64 * 100.0 / (failed as f64 + successful as f64);
    if share < 0.01 {
        "<0.01 %".to_owned()
    } else if share < 1.0 {
        format!("{share:.2} %")
    } else if share < 10.0 {
        format!("{share:.1} %")
    } else if share < 99.0 {
        format!("{share:.0} %")
    } else {
        format!("{:.1} %", share.min(99.9))
    }
}

/// Bytes as `12.3 KiB`.
pub(crate) fn size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "one digit after the point is shown")]
    let number = bytes as f64;
    if bytes < 1024 {
        format!("{bytes} bytes")
    } else if bytes < 1024 * 1024 {
        format!("{:.1} KiB", number / 1024.0)
    } else {
        format!("{:.1} MiB", number / (1024.0 * 1024.0))
    }
}

/// `1 report`, `2 reports`.
pub(crate) fn plural(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_shows_both_its_ends() {
        let range = Count(Bounds { low: 7, high: 1400 });
        assert_eq!(range.to_string(), "7–1,400");
        assert!(range.is_range());
        assert_eq!(range.note(), "between 7 and 1,400 sessions: two rows may describe the same ones");
    }

    #[test]
    fn a_share_is_never_rounded_to_none_or_all() {
        let rows = [
            ((0, 0), "–"),
            ((5000, 0), "0 %"),
            ((0, 3), "100 %"),
            ((5000, 3), "0.06 %"),
            ((10_000_000, 1), "<0.01 %"),
            ((1, 10_000_000), "99.9 %"),
            ((97, 3), "3.0 %"),
            ((50, 50), "50 %"),
        ];
        for ((successful, failed), text) in rows {
            assert_eq!(share(Bounds::exactly(successful), Bounds::exactly(failed)), text);
        }
        assert_eq!(share(Bounds::exactly(93), Bounds { low: 7, high: 14 }), "7.0–13 %");
        assert_eq!(share(Bounds::exactly(u64::MAX), Bounds::exactly(u64::MAX)), "50 %");
    }
}
