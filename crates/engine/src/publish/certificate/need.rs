//! Which names need a certificate, and what is to be done about one of them now.

use super::renewal::renew_at;
use crate::facts::UnixTime;
use crate::ports::certificates::{CertificateLine, KeptAttempts};

/// A managed domain, as far as certificates are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Managed<'d> {
    /// The policy domain.
    pub domain: &'d str,
    /// Whether it has a policy to be served, here.
    pub serves_policy: bool,
    /// Whether the owner gave a certificate for its policy host in a file.
    pub has_own_file: bool,
}

/// A name that is to be certified.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// The policy host.
    pub name: String,
    /// The managed domain.
    pub domain: String,
}

/// The name of it that is to be certified, if there is one: one name for each domain, and none without need.
#[must_use]
pub fn wanted(managed: Managed<'_>) -> Option<Wanted> {
    let Managed { domain, serves_policy, has_own_file } = managed;
    (serves_policy && !has_own_file)
        .then(|| Wanted { name: format!("mta-sts.{domain}"), domain: domain.to_owned() })
}

/// What is to be done about a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing before then.
    At(UnixTime),
    /// The authority is asked when it wants the certificate to be renewed.
    AskRenewal,
    /// It is certified. `renews`: there is one that is still of use.
    Certify {
        /// Whether it takes the place of one that is still of use.
        renews: bool,
    },
}

/// What is known of a name.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Its certificate.
    pub line: Option<&'a CertificateLine>,
    /// How it goes.
    pub attempts: Option<&'a KeptAttempts>,
    /// Whether an order was begun.
    pub has_order: bool,
    /// The authority is not asked about renewal before.
    pub ask_from: UnixTime,
}

/// What is to be done about it now.
#[must_use]
pub fn next(known: Known<'_>, now: UnixTime) -> Next {
    let held_until = known.attempts.map_or(now, |attempts| attempts.next_at);
    let Some(line) = known.line.filter(|line| line.has_key && line.not_after > now) else {
        return if held_until > now { Next::At(held_until) } else { Next::Certify { renews: false } };
    };
    let ask_at = match (&line.ari_id, &line.renewal) {
        (None, _) => UnixTime::MAX,
        (Some(_), None) => known.ask_from,
        (Some(_), Some(window)) => window.ask_again_at.max(known.ask_from),
    };
    if ask_at <= now {
        return Next::AskRenewal;
    }
    let certify_at = if known.has_order { held_until } else { renew_at(line).max(held_until) };
    if certify_at <= now { Next::Certify { renews: true } } else { Next::At(certify_at.min(ask_at)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::certificates::RenewalWindow;

    const DAY: i64 = 86_400;

    fn line() -> CertificateLine {
        CertificateLine {
            name: "mta-sts.a.test".to_owned(),
            directory: String::new(),
            not_before: 0,
            not_after: 90 * DAY,
            issued_at: 0,
            ari_id: None,
            renewal: None,
            has_key: true,
        }
    }

    fn known<'a>(line: Option<&'a CertificateLine>, attempts: Option<&'a KeptAttempts>) -> Known<'a> {
        Known { line, attempts, has_order: false, ask_from: 0 }
    }

    fn attempts(next_at: UnixTime) -> KeptAttempts {
        KeptAttempts {
            name: "mta-sts.a.test".to_owned(),
            failures: 1,
            with_first: 0,
            since: 0,
            last_at: 0,
            next_at,
            kind: String::new(),
            text: String::new(),
        }
    }

    /// Proves: K7
    #[test]
    fn only_a_policy_that_is_served_here_without_an_own_file_needs_one() {
        let managed = Managed { domain: "a.test", serves_policy: true, has_own_file: false };
        assert_eq!(wanted(managed).map(|wanted| wanted.name).as_deref(), Some("mta-sts.a.test"));
        assert_eq!(wanted(Managed { serves_policy: false, ..managed }), None);
        assert_eq!(wanted(Managed { has_own_file: true, ..managed }), None);
    }

    /// Proves: K7
    #[test]
    fn what_is_not_there_has_run_out_or_lost_its_key_is_certified_unless_it_failed_just_now() {
        let certify = Next::Certify { renews: false };
        assert_eq!(next(known(None, None), 5), certify);
        assert_eq!(next(known(None, Some(&attempts(9))), 5), Next::At(9));
        assert_eq!(next(known(None, Some(&attempts(9))), 9), certify);
        assert_eq!(next(known(Some(&line()), None), 90 * DAY), certify);
        let lost = CertificateLine { has_key: false, ..line() };
        assert_eq!(next(known(Some(&lost), None), 5), certify);
    }

    /// Proves: K7
    #[test]
    fn a_good_one_is_renewed_in_time_and_a_begun_order_ended_at_once() {
        let line = line();
        let Next::At(renew) = next(known(Some(&line), None), 5) else { panic!() };
        assert!((54 * DAY..=60 * DAY).contains(&renew));
        assert_eq!(next(known(Some(&line), None), renew), Next::Certify { renews: true });
        assert_eq!(next(known(Some(&line), Some(&attempts(renew + 5))), renew), Next::At(renew + 5));
        let begun = Known { has_order: true, ..known(Some(&line), None) };
        assert_eq!(next(begun, 5), Next::Certify { renews: true });
    }

    /// Proves: K7
    #[test]
    fn the_authority_is_asked_about_renewal_and_heard() {
        let mut line = CertificateLine { ari_id: Some("a.b".to_owned()), ..line() };
        assert_eq!(next(known(Some(&line), None), 5), Next::AskRenewal);
        let later = Known { ask_from: 100, ..known(Some(&line), None) };
        assert_eq!(next(later, 5), Next::At(100), "it did not answer just now");
        let window = |start, end| RenewalWindow { start, end, explanation: None, ask_again_at: 1_000 };
        line.renewal = Some(window(2 * DAY, 3 * DAY));
        assert_eq!(next(known(Some(&line), None), 5), Next::At(1_000));
        line.renewal = Some(window(-3 * DAY, -2 * DAY));
        assert_eq!(next(known(Some(&line), None), 5), Next::Certify { renews: true }, "it is to be revoked");
    }
}
