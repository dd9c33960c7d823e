//! The decision: what the MTA is told, from the policy in force and from what DANE asks. Pure.
//!
//! | policy | hosts with usable TLSA | a look-up that DANE rests on failed | else |
//! |---|---|---|---|
//! | enforce | `dane-only` | try later | `secure` with the policy's patterns |
//! | testing | `dane`, quoted as `sts` | try later | `may`, quoted as `sts` |
//! | none, or no policy | `dane` | try later | not found: the MTA's own default |
//!
//! **Under enforce never `dane`**: the MTA lets it fall to `encrypt` or `may` where TLSA records are missing. `dane-only`
//! passes over hosts without usable TLSA records, so that a host with some is never accepted on PKIX alone (RFC 8461 §2);
//! it is answered only where a host that the policy names has usable records. The price: the MTA cannot hold
//! `dane-only` against the policy's patterns, so a host outside of them that signed MX records name and that its TLSA
//! records authenticate gets mail.
//!
//! **A failed look-up is never taken for "no TLSA"** (RFC 7672 §2.1.2). Where the MX records themselves cannot be looked
//! up, nothing can be delivered by them; an enforced policy is then told as it stands, and everything else waits.

use mta_sts::mx::matches_any;
use mta_sts::policy::{Mode, Policy};
use mta_sts::policy_domain::PolicyDomain;
use mta_sts::record::PolicyId;

use super::answer::{DaneWhy, NoPolicyWhy, Why};
use super::mail_facts::{DaneSeen, SpecialHost, Terms};
use crate::ports::{DaneLine, Level, MtaPolicy, PolicyReply, StsAttributes};

/// What there is of MTA-STS.
#[derive(Debug, Clone)]
pub(super) enum Sts<'a> {
    /// A policy is in force; its mode is not none.
    Policy(&'a Policy, &'a PolicyId),
    /// None is.
    None(NoPolicyWhy),
}

/// What the MTA is told.
pub(super) fn decide(domain: &PolicyDomain, sts: Sts<'_>, seen: &DaneSeen) -> (MtaPolicy, Why) {
    let enforced = match &sts {
        Sts::Policy(policy, _) if policy.mode() == Mode::Enforce => Some(*policy),
        _ => None,
    };
    // RFC 8461 §4.1: under enforce only hosts that the policy names get mail, so only their TLSA records count.
    let counts = |host: &&SpecialHost| enforced.is_none_or(|policy| matches_any(policy.mx(), &host.host));
    let dane = dane_of(seen, counts);
    let may_be_dane = match (&dane, enforced) {
        (DaneWhy::Unknown(_), _) | (DaneWhy::MxUnknown(_), None) => None,
        (DaneWhy::Usable { .. }, _) => Some(true),
        // `dane` asks for encryption where none is usable; under enforce MTA-STS asks for more.
        (DaneWhy::NoneUsable, None) => Some(true),
        _ => Some(false),
    };
    let (why, attributes) = match sts {
        Sts::Policy(policy, id) => {
            let id = id.as_wire().to_owned();
            let why = match enforced {
                Some(_) => Why::Enforce { id, dane },
                None => Why::Testing { id, dane },
            };
            (why, Some((policy, domain)))
        }
        Sts::None(reason) => (Why::NoPolicy { policy: reason, dane }, None),
    };
    let Some(is_dane) = may_be_dane else { return (MtaPolicy::TryLater(why.text()), why) };
    let quoted = || attributes.map(|(policy, domain)| quote(policy, domain));
    let reply = match (enforced, attributes, is_dane) {
        (Some(_), _, true) => PolicyReply { level: Level::DaneOnly, send_server_name: false, sts: None },
        (Some(policy), _, false) => PolicyReply {
            level: Level::Secure(policy.mx().to_vec()),
            // RFC 8461 §7.1.
            send_server_name: true,
            sts: quoted(),
        },
        (None, Some(_), true) => PolicyReply { level: Level::Dane, send_server_name: true, sts: quoted() },
        (None, Some(_), false) => PolicyReply { level: Level::May, send_server_name: true, sts: quoted() },
        (None, None, true) => PolicyReply { level: Level::Dane, send_server_name: false, sts: None },
        (None, None, false) => return (MtaPolicy::NotFound, why),
    };
    (MtaPolicy::Apply(reply), why)
}

/// What DANE asks of a domain's hosts, whatever its policy.
pub(super) fn dane_line(seen: &DaneSeen) -> Option<DaneLine> {
    let DaneSeen::Hosts { special, plain } = seen else { return None };
    let usable = match dane_of(seen, |_| true) {
        DaneWhy::Usable { hosts, .. } => hosts,
        DaneWhy::NoneUsable => 0,
        _ => return None,
    };
    Some(DaneLine { usable, hosts: special.len() + usize::from(*plain) })
}

fn dane_of(seen: &DaneSeen, counts: impl Fn(&&SpecialHost) -> bool) -> DaneWhy {
    let (special, plain) = match seen {
        DaneSeen::Off => return DaneWhy::Off,
        DaneSeen::Unusable(what) => return DaneWhy::Unusable(what.to_string()),
        DaneSeen::NotDone => return DaneWhy::NotDone,
        DaneSeen::MxUnknown(reason) => return DaneWhy::MxUnknown(reason.to_string()),
        DaneSeen::Hosts { special, plain } => (special, usize::from(*plain)),
    };
    let counted = || special.iter().filter(&counts);
    let usable = counted().filter(|host| host.terms == Terms::Usable).count();
    if usable > 0 {
        // What the MTA makes of a host whose look-up failed is right by itself: it looks again.
        return DaneWhy::Usable { hosts: usable, of: special.len() + plain };
    }
    let unknown = counted().find_map(|host| match &host.terms {
        Terms::Unknown(reason) => Some(reason),
        Terms::Usable | Terms::NoneUsable => None,
    });
    match unknown {
        Some(reason) => DaneWhy::Unknown(reason.to_string()),
        None if counted().any(|host| host.terms == Terms::NoneUsable) => DaneWhy::NoneUsable,
        None => DaneWhy::Nothing,
    }
}

/// The policy as reports quote it (RFC 8460 §4.4).
fn quote(policy: &Policy, domain: &PolicyDomain) -> StsAttributes {
    StsAttributes {
        policy_domain: domain.as_str().to_owned(),
        policy_strings: policy.lines().map(str::to_owned).collect(),
        mx_patterns: policy.mx().to_vec(),
        failure: None,
    }
}

#[cfg(test)]
mod tests {
    use mta_sts::policy;

    use super::*;

    const HOSTS: [&str; 3] = ["mx1.example", "mx2.example", "outside.test"];

    fn policy(mode: &str) -> Policy {
        let body = format!("version: STSv1\nmode: {mode}\nmx: *.example\nmax_age: 9\n");
        policy::parse(body.as_bytes()).into_usable().unwrap()
    }

    /// Everything that can be seen of three hosts, and of DNS as a whole.
    fn every_sight() -> Vec<DaneSeen> {
        let terms =
            [None, Some(Terms::Usable), Some(Terms::NoneUsable), Some(Terms::Unknown("SERVFAIL".into()))];
        let mut all = vec![
            DaneSeen::Off,
            DaneSeen::Unusable("AD is stripped".into()),
            DaneSeen::NotDone,
            DaneSeen::MxUnknown("SERVFAIL".into()),
        ];
        for number in 0..terms.len().pow(3) {
            let of = |place: u32| terms[number / terms.len().pow(place) % terms.len()].clone();
            let special = HOSTS.iter().zip(0..).filter_map(|(host, place)| {
                of(place).map(|terms| SpecialHost { host: (*host).into(), terms })
            });
            all.push(DaneSeen::Hosts { special: special.collect(), plain: 1 });
        }
        all
    }

    fn has(seen: &DaneSeen, hosts: &[&str], wanted: fn(&Terms) -> bool) -> bool {
        match seen {
            DaneSeen::Hosts { special, .. } => {
                special.iter().any(|host| hosts.contains(&&*host.host) && wanted(&host.terms))
            }
            _ => false,
        }
    }

    const fn usable(terms: &Terms) -> bool {
        matches!(terms, Terms::Usable)
    }

    const fn unknown(terms: &Terms) -> bool {
        matches!(terms, Terms::Unknown(_))
    }

    /// Whatever is seen of DANE, an enforced policy is never told as anything that a stranger's certificate satisfies.
    ///
    /// Proves: E1, E7, K1
    #[test]
    fn an_enforced_policy_is_never_told_as_less() {
        let domain = PolicyDomain::parse("example").unwrap();
        let id = PolicyId::parse("a").unwrap();
        let enforce = policy("enforce");
        let named = &HOSTS[..2];
        for seen in every_sight() {
            let (told, why) = decide(&domain, Sts::Policy(&enforce, &id), &seen);
            match told {
                MtaPolicy::Apply(PolicyReply { level: Level::DaneOnly, .. }) => {
                    assert!(has(&seen, named, usable), "{seen:?}");
                }
                MtaPolicy::Apply(PolicyReply { level: Level::Secure(patterns), sts, send_server_name }) => {
                    assert_eq!(patterns, enforce.mx());
                    assert!(sts.is_some_and(|sts| sts.failure.is_none()) && send_server_name);
                    assert!(!has(&seen, named, usable) && !has(&seen, named, unknown), "{seen:?}");
                }
                MtaPolicy::TryLater(_) => assert!(has(&seen, named, unknown), "{seen:?}"),
                other => panic!("{other:?} for {seen:?}"),
            }
            assert!(!why.text().contains("  ") && why.text().ends_with('.'), "{}", why.text());
        }
    }

    /// Without an enforced policy, what DANE rests on and cannot be looked up makes mail wait, and nothing else does.
    ///
    /// Proves: E8, E9, K1
    #[test]
    fn without_an_enforced_policy_mail_waits_for_dane_alone() {
        let domain = PolicyDomain::parse("example").unwrap();
        let id = PolicyId::parse("a").unwrap();
        let testing = policy("testing");
        for seen in every_sight() {
            let cases = [Sts::Policy(&testing, &id), Sts::None(NoPolicyWhy::NoRecord)];
            for (sts, is_testing) in cases.into_iter().zip([true, false]) {
                let (told, _) = decide(&domain, sts, &seen);
                let waits = matches!(told, MtaPolicy::TryLater(_));
                let is_in_doubt = matches!(seen, DaneSeen::MxUnknown(_))
                    || has(&seen, &HOSTS, unknown) && !has(&seen, &HOSTS, usable);
                assert_eq!(waits, is_in_doubt, "{seen:?}");
                match told {
                    MtaPolicy::NotFound => assert!(!is_testing),
                    MtaPolicy::TryLater(_) => {}
                    MtaPolicy::Apply(reply) => {
                        let is_dane = has(&seen, &HOSTS, |_| true);
                        assert_eq!(reply.level, if is_dane { Level::Dane } else { Level::May }, "{seen:?}");
                        assert_eq!(reply.sts.is_some(), is_testing, "{seen:?}");
                    }
                }
            }
        }
    }
}
