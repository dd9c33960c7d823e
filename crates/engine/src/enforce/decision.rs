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
use crate::ports::{Level, MtaPolicy, PolicyReply, StsAttributes};

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
