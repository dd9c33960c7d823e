//! When a certificate is renewed: where the authority says when, within that window (RFC 9773); else at two thirds of its
//! lifetime, be that ninety days or six.
//!
//! The point within a window is drawn once for each certificate, so that it stays where it is over restarts and the
//! renewals of many names spread.

use crate::facts::UnixTime;
use crate::ports::certificates::{CertificateLine, RenewalWindow};

const MINUTE: i64 = 60;
const DAY: i64 = 86_400;

/// A window that says nothing usable is asked for again after this.
pub const ASK_AGAIN: i64 = 6 * 3_600;

/// Between which times an authority is asked again, whatever it says (RFC 9773 §4.3.2): not within a minute, and daily.
#[must_use]
pub fn ask_again_at(said: UnixTime, now: UnixTime) -> UnixTime {
    said.clamp(now.saturating_add(MINUTE), now.saturating_add(DAY))
}

/// What is made of a window that an authority gave: RFC 9773 §4.2, one that does not end after it begins is none. Nor is
/// one that begins when the certificate has run out.
#[must_use]
pub fn usable<'w>(window: &'w RenewalWindow, line: &CertificateLine) -> Option<&'w RenewalWindow> {
    (window.end > window.start && window.start < line.not_after).then_some(window)
}

/// When it is to be renewed.
#[must_use]
pub fn renew_at(line: &CertificateLine) -> UnixTime {
    let lifetime = line.not_after.saturating_sub(line.not_before).max(0);
    let roll = roll(&[&line.name, &line.not_after.to_string()]);
    // In 128 bits: windows are a stranger's numbers.
    let within = |from: UnixTime, until: UnixTime| {
        let width = u128::try_from(i128::from(until) - i128::from(from)).unwrap_or(0);
        let into = (u128::from(roll) * width) >> 64;
        from.saturating_add(i64::try_from(into).unwrap_or(0))
    };
    // Never in the last tenth: there must be time to fail.
    let latest = line.not_after.saturating_sub(lifetime / 10);
    match line.renewal.as_ref().and_then(|window| usable(window, line)) {
        Some(window) => within(window.start, window.end.min(latest).max(window.start)).min(latest),
        None => {
            let two_thirds = line.not_before.saturating_add(lifetime / 3 * 2);
            within(two_thirds.saturating_sub(lifetime / 20), two_thirds)
        }
    }
}

/// A number that is drawn once for this text. It spreads, no more.
#[must_use]
pub fn roll(parts: &[&str]) -> u64 {
    // FNV-1a, then the finaliser of SplitMix64: the first alone leaves the high bits of like texts alike.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in parts.iter().flat_map(|part| part.bytes().chain([0])) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};

    fn line(name: &str, lifetime: i64) -> CertificateLine {
        CertificateLine {
            name: name.to_owned(),
            directory: String::new(),
            not_before: 0,
            not_after: lifetime,
            issued_at: 0,
            ari_id: None,
            renewal: None,
            has_key: true,
        }
    }

    fn window(start: i64, end: i64) -> RenewalWindow {
        RenewalWindow { start, end, explanation: None, ask_again_at: 0 }
    }

    /// Proves: K7
    #[test]
    fn without_a_window_two_thirds_of_any_lifetime_are_used_and_many_names_spread() {
        for days in [90, 6, 1] {
            let lifetime = days * DAY;
            let times: Vec<i64> = (0..100).map(|n| renew_at(&line(&format!("{n}.test"), lifetime))).collect();
            let (earliest, latest) = (times.iter().min().unwrap(), times.iter().max().unwrap());
            assert!(*latest <= lifetime / 3 * 2 && *earliest >= lifetime * 60 / 100, "{days} days");
            assert!(latest - earliest > lifetime / 30, "{days} days: they spread");
        }
        assert_eq!(renew_at(&line("a.test", 90 * DAY)), renew_at(&line("a.test", 90 * DAY)));
    }

    /// Proves: K7
    #[test]
    fn a_window_is_kept_to_and_a_past_one_means_now() {
        let with = |start, end| {
            let line = CertificateLine { renewal: Some(window(start, end)), ..line("a.test", 90 * DAY) };
            renew_at(&line)
        };
        let at = with(20 * DAY, 21 * DAY);
        assert!((20 * DAY..21 * DAY).contains(&at));
        assert!(with(-2 * DAY, -DAY) < 0, "an authority that revokes moves the window into the past");
        let two_thirds = renew_at(&line("a.test", 90 * DAY));
        assert_eq!(with(5, 5), two_thirds, "no window at all");
        assert_eq!(with(91 * DAY, 92 * DAY), two_thirds, "it would have run out");
        assert!(with(80 * DAY, 1000 * DAY) <= 81 * DAY, "there must be time to fail");
    }

    proptest! {
        #[test]
        fn no_window_makes_it_run_out(start in any::<i64>(), end in any::<i64>(), not_after in any::<i64>()) {
            let mut line = line("a.test", not_after);
            line.renewal = Some(window(start, end));
            assert!(renew_at(&line) <= line.not_after.max(0));
        }
    }

    #[test]
    fn the_authority_is_asked_neither_at_once_nor_never() {
        assert_eq!(ask_again_at(0, 1_000), 1_060);
        assert_eq!(ask_again_at(i64::MAX, 1_000), 1_000 + DAY);
        assert_eq!(ask_again_at(5_000, 1_000), 5_000);
    }
}
