//! The domains, and what befalls each of them over eight weeks.

use super::calendar::is_weekend;
use super::draw::Draw;
use super::reporters::{COMCAST, GOOGLE, KONTOR, MAIL_RU, MICROSOFT, RELAY, Reporter};
use super::seen::{Dane, Policy, Seen, Trouble};

/// What is the matter with a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Story {
    /// Nothing: enforced and healthy.
    Healthy,
    /// The certificate of the second MX host expired.
    Expired,
    /// A third MX host came, and nobody put it into the policy.
    Forgotten,
    /// To one reporter alone no STARTTLS was offered, for three days.
    Stripped,
    /// In testing for weeks without a failure.
    Ready,
    /// The policy's host answers with an error.
    Unfetched,
    /// The policy's host has a certificate for another name.
    WrongName,
    /// The MX host has a new key, its TLSA record the old one.
    OldTlsa,
    /// No policy was ever published.
    Bare,
    /// Mode none since three weeks: MTA-STS is being left.
    Leaving,
    /// One reporter uses a result type that nobody has registered.
    UnknownWord,
    /// A handful of sessions in a week.
    Quiet,
    /// From testing to enforce three weeks ago, after a certificate was mended; its name has an umlaut.
    Mended,
}

/// A policy domain of the demonstration.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) domain: &'static str,
    pub(super) story: Story,
    pub(super) mx: &'static [&'static str],
    pub(super) patterns: &'static [&'static str],
    /// Sessions a day from an average reporter.
    pub(super) sessions: u64,
    pub(super) reporters: &'static [usize],
}

/// Days ago since when the certificate of [`Story::Expired`] is out of date.
pub(super) const EXPIRED_SINCE: i64 = 11;
/// Days ago when the MX host of [`Story::Forgotten`] came.
pub(super) const FORGOTTEN_SINCE: i64 = 20;
/// First and last day, in days ago, of [`Story::Stripped`].
pub(super) const STRIPPED: (i64, i64) = (18, 16);
/// Days ago since when the policy of [`Story::Unfetched`] cannot be had.
pub(super) const UNFETCHED_SINCE: i64 = 4;
/// As above, for [`Story::WrongName`].
pub(super) const WRONG_NAME_SINCE: i64 = 6;
/// As above, for [`Story::OldTlsa`].
pub(super) const OLD_TLSA_SINCE: i64 = 5;
/// As above, for [`Story::Leaving`] and [`Story::Mended`].
pub(super) const CHANGED_SINCE: i64 = 21;
/// As above, for the certificate of [`Story::Mended`].
pub(super) const BADLY_NAMED_UNTIL: i64 = 36;

macro_rules! member {
    ($domain:literal, $story:ident, [$($mx:literal),*], [$($pattern:literal),*], $sessions:literal, [$($reporter:ident),*]) => {
        Member {
            domain: $domain,
            story: Story::$story,
            mx: &[$(concat!($mx, ".", $domain)),*],
            patterns: &[$(concat!($pattern, ".", $domain)),*],
            sessions: $sessions,
            reporters: &[$($reporter),*],
        }
    };
}

/// Everybody.
pub(super) const CAST: [Member; 13] = [
    member!(
        "harbor.example",
        Healthy,
        ["mx1", "mx2"],
        ["mx1", "mx2"],
        900,
        [GOOGLE, MICROSOFT, MAIL_RU, COMCAST, KONTOR]
    ),
    member!(
        "bakery.example",
        Expired,
        ["mx1", "mx2"],
        ["mx1", "mx2"],
        240,
        [GOOGLE, MICROSOFT, COMCAST, RELAY]
    ),
    member!(
        "orchard.example",
        Forgotten,
        ["mx1", "mx2", "mx3"],
        ["mx1", "mx2"],
        150,
        [GOOGLE, MICROSOFT, MAIL_RU]
    ),
    member!("ferry.example", Stripped, ["mx1", "mx2"], ["*"], 320, [GOOGLE, MICROSOFT, COMCAST, KONTOR]),
    member!("meadow.example", Ready, ["mail"], ["mail"], 120, [GOOGLE, MICROSOFT, COMCAST]),
    member!("tower.example", Unfetched, ["mx1"], ["mx1"], 180, [GOOGLE, MICROSOFT, MAIL_RU, RELAY]),
    member!("candle.example", WrongName, ["mail"], ["mail"], 90, [GOOGLE, MICROSOFT, KONTOR]),
    member!("anchor.example", OldTlsa, ["mx1"], ["mx1"], 210, [MICROSOFT, GOOGLE, KONTOR]),
    member!("pebble.example", Bare, ["mx"], [], 60, [GOOGLE, KONTOR, MICROSOFT]),
    member!("willow.example", Leaving, ["mx1"], ["mx1"], 75, [GOOGLE, COMCAST]),
    member!("comet.example", UnknownWord, ["mx1", "mx2"], ["mx1", "mx2"], 130, [GOOGLE, RELAY, COMCAST]),
    member!("attic.example", Quiet, ["mail"], ["mail"], 1, [GOOGLE, KONTOR]),
    member!(
        "xn--mhle-0ra.example",
        Mended,
        ["mx1", "mx2"],
        ["mx1", "mx2"],
        110,
        [GOOGLE, MICROSOFT, COMCAST]
    ),
];

/// The documentation address of the `index`-th MX host.
pub(super) fn receiving(index: usize) -> &'static str {
    ["192.0.2.25", "198.51.100.25", "203.0.113.25"][index % 3]
}

impl Member {
    /// What `reporter`, the `index`-th of all, saw on the day that is `ago` days before today; `None`: it sent no mail here.
    pub(super) fn seen(
        &self,
        (index, reporter): (usize, &Reporter),
        day: i64,
        ago: i64,
        draw: &mut Draw,
    ) -> Option<Seen> {
        let mut sessions = self.sessions * reporter.weight / 100;
        if is_weekend(day) {
            sessions = sessions * 2 / 5;
        }
        let sessions = if self.story == Story::Quiet {
            if !draw.once_in(4) {
                return None;
            }
            1 + draw.below(2)
        } else {
            draw.about(sessions.max(2)).max(1)
        };
        let troubles = self.troubles(index, reporter, ago, sessions, draw);
        let good = sessions.saturating_sub(super::seen::failed(&troubles));
        let mut seen =
            Seen { day, domain: self.domain, policy: self.policy(ago), good, troubles, dane: None };
        if self.story == Story::OldTlsa {
            seen.dane = Some(self.dane(reporter, ago, sessions, draw));
        }
        Some(seen)
    }

    /// The policy in use that many days ago.
    pub(super) fn policy(&self, ago: i64) -> Policy {
        let (mode, max_age) = match self.story {
            Story::Bare => return Policy::Missing,
            Story::Unfetched if ago <= UNFETCHED_SINCE => return Policy::Unusable,
            Story::WrongName if ago <= WRONG_NAME_SINCE => return Policy::Unusable,
            Story::Leaving if ago <= CHANGED_SINCE => ("none", 86_400),
            Story::Mended if ago > CHANGED_SINCE => ("testing", 86_400),
            Story::Ready | Story::UnknownWord => ("testing", 86_400),
            Story::Healthy => ("enforce", 2_419_200),
            _ => ("enforce", 604_800),
        };
        Policy::Used { mode, max_age, mx: self.patterns }
    }

    fn troubles(
        &self,
        index: usize,
        reporter: &Reporter,
        ago: i64,
        sessions: u64,
        draw: &mut Draw,
    ) -> Vec<Trouble> {
        let share = |part: u64| (sessions * part / 100).max(1);
        let mut at = |host: usize, result, reason, count| Trouble {
            result,
            mx: self.mx.get(host).copied(),
            receiving_ip: Some(receiving(host)),
            sending_ip: reporter.address(draw),
            reason,
            count,
        };
        match self.story {
            Story::Expired if ago <= EXPIRED_SINCE => {
                let (first, second) = (share(27), share(14));
                vec![
                    at(1, "certificate-expired", Some("CERT_HAS_EXPIRED"), first),
                    at(1, "certificate-expired", None, second),
                ]
            }
            Story::Forgotten if ago <= FORGOTTEN_SINCE => {
                vec![at(2, "validation-failure", Some("MX-MISMATCH"), share(31))]
            }
            Story::Stripped if index == COMCAST && (STRIPPED.1..=STRIPPED.0).contains(&ago) => {
                vec![
                    at(0, "starttls-not-supported", None, share(62)),
                    at(1, "starttls-not-supported", None, share(30)),
                ]
            }
            Story::Unfetched if ago <= UNFETCHED_SINCE => {
                vec![policy_trouble("sts-policy-fetch-error", "HTTP 503", share(100))]
            }
            Story::WrongName if ago <= WRONG_NAME_SINCE => {
                vec![policy_trouble(
                    "sts-webpki-invalid",
                    "certificate is for www.candle.example",
                    share(100),
                )]
            }
            Story::UnknownWord if index == RELAY => {
                vec![at(1, "hybrid-key-exchange-refused", Some("relayworks: profile 7"), share(9))]
            }
            Story::Mended if ago > BADLY_NAMED_UNTIL => {
                vec![at(1, "certificate-host-mismatch", None, share(22))]
            }
            // Even where all is well a session breaks off now and then.
            Story::Healthy if ago % 17 == 3 && index == GOOGLE => {
                vec![at(0, "validation-failure", Some("timeout during handshake"), 1)]
            }
            _ => Vec::new(),
        }
    }

    /// The same sessions by DANE: since the key change, to all that know DANE, none is good.
    fn dane(&self, reporter: &Reporter, ago: i64, sessions: u64, draw: &mut Draw) -> Dane {
        let mx = self.mx[0];
        // The record stayed as it was: that is the trouble.
        let records = vec![format!("3 1 1 {}", Draw::new(7, &[]).hex(32))];
        if ago > OLD_TLSA_SINCE {
            return Dane { mx, records, good: sessions, troubles: Vec::new() };
        }
        let trouble = Trouble {
            result: "tlsa-invalid",
            mx: Some(mx),
            receiving_ip: Some(receiving(0)),
            sending_ip: reporter.address(draw),
            reason: Some("no TLSA record matches the certificate"),
            count: sessions,
        };
        Dane { mx, records, good: 0, troubles: vec![trouble] }
    }
}

/// A trouble of the policy, at no MX host.
fn policy_trouble(result: &'static str, reason: &'static str, count: u64) -> Trouble {
    Trouble { result, mx: None, receiving_ip: None, sending_ip: String::new(), reason: Some(reason), count }
}
