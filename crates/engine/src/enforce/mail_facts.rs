//! What DANE asks of the hosts of a next hop, as small as it can be remembered.

use mta_sts::policy_domain::PolicyDomain;
use smtp_dane::applicability::{Applicability, InsecureMx, Unreachable};

use super::next_hop::NextHop;
use crate::check::dane_terms;
use crate::check::gather::Mail;
use crate::check::observations::{HostReplies, MxHost};
use crate::ports::{DnsReply, Dnssec};

/// What is known of DANE at a next hop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DaneSeen {
    /// DNSSEC is switched off here.
    Off,
    /// DNSSEC does not work here; what was seen.
    Unusable(Box<str>),
    /// The MTA does not do DANE.
    NotDone,
    /// The MX records could not be looked up; why.
    MxUnknown(Box<str>),
    /// The hosts are known.
    Hosts {
        /// Those of which DANE asks something, or may.
        special: Box<[SpecialHost]>,
        /// How many others there are.
        plain: u16,
    },
}

/// A host of which DANE asks something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SpecialHost {
    pub(super) host: Box<str>,
    pub(super) terms: Terms,
}

/// What DANE asks of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Terms {
    /// A certificate that its TLSA records name.
    Usable,
    /// Encryption: it has signed TLSA records, and none can be used.
    NoneUsable,
    /// It could not be told; why. RFC 7672 §2.1.2: then the host counts as one that cannot be reached.
    Unknown(Box<str>),
}

impl DaneSeen {
    /// What holds wherever DNSSEC is out of use.
    pub(super) fn without(dnssec: &Dnssec, mta_does_dane: bool) -> Option<Self> {
        match dnssec {
            _ if !mta_does_dane => Some(Self::NotDone),
            Dnssec::Off => Some(Self::Off),
            Dnssec::Unusable(seen) => Some(Self::Unusable(seen.as_str().into())),
            Dnssec::TrustedResolver | Dnssec::Validated => None,
        }
    }

    /// What the look-ups say.
    pub(super) fn of(hop: &NextHop, mail: &Mail) -> Self {
        if let DnsReply::Failed(failure) = &mail.mx {
            return Self::MxUnknown(failure.to_string().into());
        }
        let mut plain = 0_u16;
        let mut special = Vec::new();
        for host in &mail.hosts {
            let Some(terms) = terms(&hop.domain, mail, host, hop.port) else { continue };
            match terms {
                None => plain = plain.saturating_add(1),
                Some(terms) => special.push(SpecialHost { host: host.host.as_str().into(), terms }),
            }
        }
        Self::Hosts { special: special.into(), plain }
    }

    /// Whether something could not be told.
    pub(super) fn is_unknown(&self) -> bool {
        match self {
            Self::MxUnknown(_) => true,
            Self::Hosts { special, .. } => special.iter().any(|host| matches!(host.terms, Terms::Unknown(_))),
            Self::Off | Self::Unusable(_) | Self::NotDone => false,
        }
    }

    /// Whether a host has usable TLSA records.
    pub(super) fn has_usable(&self) -> bool {
        match self {
            Self::Hosts { special, .. } => special.iter().any(|host| host.terms == Terms::Usable),
            _ => false,
        }
    }
}

/// The outer `None`: no mail can go to this host anyway.
fn terms(domain: &PolicyDomain, mail: &Mail, host: &MxHost, port: u16) -> Option<Option<Terms>> {
    match dane_terms::applicability(domain.as_str(), &mail.mx, host, port, InsecureMx::Skip)? {
        Applicability::NotApplicable(_) => Some(None),
        Applicability::Usable { .. } => Some(Some(Terms::Usable)),
        Applicability::SecureButNoneUsable { .. } => Some(Some(Terms::NoneUsable)),
        Applicability::Unreachable(Unreachable::NoAddress) => None,
        Applicability::Unreachable(unknown @ Unreachable::LookupFailed { .. }) => {
            Some(Some(Terms::Unknown(format!("{}: {unknown}", host.host).into())))
        }
    }
}

/// The smallest TTL among what was looked up, in seconds; `None` where something failed.
pub(super) fn ttl_of(hop: &NextHop, mail: &Mail) -> Option<u32> {
    let mut least = u32::MAX;
    let mut count = |reply: &DnsReply| {
        match reply {
            DnsReply::Found(answer) => least = least.min(answer.ttl),
            DnsReply::Absent(absence) => least = least.min(absence.ttl),
            DnsReply::Failed(_) => return false,
        }
        true
    };
    let both = |replies: &HostReplies, count: &mut dyn FnMut(&DnsReply) -> bool| {
        let (a, aaaa) = (count(&replies.a), count(&replies.aaaa));
        // One family that fails beside one that is known changes nothing.
        a || aaaa
    };
    let mut known = hop.is_host || count(&mail.mx);
    if let Some(apex) = &mail.apex {
        known &= both(apex, &mut count);
    }
    for host in &mail.hosts {
        if let Some(replies) = &host.replies {
            known &= both(replies, &mut count);
        }
        for (_, reply) in &host.tlsa {
            known &= count(reply);
        }
    }
    known.then_some(least)
}
