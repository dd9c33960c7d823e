//! Which records a domain should have, as sets of records.
//!
//! Pure: nothing is looked up or written here. When the record that announces the policy (`_mta-sts`) changes is decided
//! by [`Desired`], after its body was seen from outside (RFC 8461 §8.1). **What is not named is left alone**; a set without
//! values takes records away. MX records are the owner's alone.
//! What can fail: a name longer than DNS allows, a policy host that leads nowhere.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use mta_sts::name::{DnsName, MAX_NAME_BYTES};
use mta_sts::policy_domain::PolicyDomain;
use mta_sts::record::Record;

use super::{Desired, DesiredText, Sets};
use crate::ports::publish::{RecordSet, RecordType, RecordValue};

/// Where the records of domains live, and where they lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The zone they are written in.
    pub zone: Zone,
    /// Where policies are served.
    pub host: HostAt,
    /// The authorities that may issue certificates for policy hosts, such as `letsencrypt.org`, with parameters where
    /// wanted (RFC 8657). Empty: nothing is said.
    pub issuers: Vec<String>,
    /// For how long resolvers may remember them.
    pub ttls: Ttls,
}

/// The zone that records are written in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Zone {
    /// The domain's own.
    Own,
    /// Ours, with this name: aliases in the domain's own zone lead there, written once ([`delegation`]).
    Embedded(DnsName),
}

/// Where policies are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostAt {
    /// At another name, whose addresses are looked after elsewhere.
    Alias(DnsName),
    /// At these addresses; at least one.
    Addresses {
        /// IPv4.
        v4: Vec<Ipv4Addr>,
        /// IPv6.
        v6: Vec<Ipv6Addr>,
    },
}

/// Seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ttls {
    /// Of the record that announces the policy. Until it has passed, senders act on the policy before (RFC 8461 §8.1).
    pub announcement: u32,
    /// Of the record that asks for reports. RFC 8460 §7: long, so that it is not suppressed easily.
    pub reporting: u32,
    /// Of the policy host's, and of aliases.
    pub host: u32,
}

impl Default for Ttls {
    fn default() -> Self {
        Self { announcement: 300, reporting: 86_400, host: 3_600 }
    }
}

/// Why there are no records for a wish.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DesiredError {
    /// A shorter zone, or the records in the domain's own zone.
    #[error("the name {name} would be {bytes} bytes long, and DNS allows {MAX_NAME_BYTES}")]
    NameTooLong {
        /// Which.
        name: String,
        /// How long.
        bytes: usize,
    },
    /// The configuration names an address, or another host.
    #[error("the policy host has neither an alias nor an address to lead to")]
    NoHost,
    /// The configuration names authorities by their domain, `letsencrypt.org` for instance.
    #[error(
        "'{0}' is no certificate authority's domain with parameters as CAA records have them (RFC 8659 §4.2)"
    )]
    Issuer(String),
}

/// The names of a domain's records. All are checked: none is longer than DNS allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// Of the record that announces the policy.
    pub announcement: String,
    /// Of the policy host.
    pub host: String,
    /// Of the record that asks for reports.
    pub reporting: String,
}

impl Names {
    /// Where senders look: in the domain's own zone.
    ///
    /// # Errors
    /// [`DesiredError::NameTooLong`].
    pub fn asked(domain: &PolicyDomain) -> Result<Self, DesiredError> {
        Self::below(domain, None)
    }

    /// Where the records are written.
    ///
    /// # Errors
    /// [`DesiredError::NameTooLong`].
    pub fn written(domain: &PolicyDomain, zone: &Zone) -> Result<Self, DesiredError> {
        match zone {
            Zone::Own => Self::below(domain, None),
            Zone::Embedded(zone) => Self::below(domain, Some(zone)),
        }
    }

    fn below(domain: &PolicyDomain, zone: Option<&DnsName>) -> Result<Self, DesiredError> {
        let in_zone = |name: String| {
            let name = match zone {
                Some(zone) => format!("{name}.{zone}"),
                None => name,
            };
            let bytes = name.len();
            if bytes > MAX_NAME_BYTES { Err(DesiredError::NameTooLong { name, bytes }) } else { Ok(name) }
        };
        Ok(Self {
            announcement: in_zone(domain.record_name())?,
            host: in_zone(domain.policy_host())?,
            reporting: in_zone(format!("{}.{domain}", tls_rpt::record::LABEL))?,
        })
    }
}

/// The records that are to be written for a domain, in the order in which they are: what asks for reports, then where the
/// policy host is, and what announces the policy at last. A set without values is one that there should not be.
///
/// `had_host`: whether the policy host's records were ever written from here. They are taken away only then, when
/// `wanted` has no use for them any more: what else stands at that name is not ours.
///
/// # Errors
/// [`DesiredError`].
pub fn desired(
    domain: &PolicyDomain,
    wanted: &Desired,
    place: &Place,
    had_host: bool,
) -> Result<Vec<RecordSet>, DesiredError> {
    let names = Names::written(domain, &place.zone)?;
    let mut sets = text(names.reporting, place.ttls.reporting, &wanted.reporting, String::clone);
    let announcement =
        text(names.announcement, place.ttls.announcement, &wanted.id, |id| Record::new(id.clone()).to_wire());
    // As long as an id is announced, senders come for its policy.
    if wanted.host || matches!(wanted.id, DesiredText::Is(_)) {
        sets.extend(host(&names.host, place)?);
        sets.extend(announcement);
    } else {
        // RFC 8461 §8.3: at the end of the way out the record goes first.
        sets.extend(announcement);
        if had_host {
            sets.extend(empty(&names.host, &HOST_KINDS));
        }
    }
    Ok(sets)
}

/// What [`super::Publisher`] needs to write records.
#[must_use]
pub fn sets(place: Place) -> Sets {
    Arc::new(move |publication, wanted| {
        let sets = desired(&publication.domain, wanted, &place, publication.last_number > 0);
        sets.map(|sets| to_write(&sets)).map_err(|error| error.to_string())
    })
}

fn text<T>(
    name: String,
    ttl: u32,
    wanted: &DesiredText<T>,
    to_text: impl Fn(&T) -> String,
) -> Vec<RecordSet> {
    let values = match wanted {
        DesiredText::Leave => return Vec::new(),
        DesiredText::Absent => Vec::new(),
        DesiredText::Is(value) => vec![RecordValue::Txt(to_text(value))],
    };
    vec![RecordSet { name, kind: RecordType::Txt, ttl, values }]
}

/// These sets, and before them, as sets without values, what has no room beside them: an alias stands alone at its name
/// (RFC 1034 §3.6.2). A domain that is taken over may have either from before.
#[must_use]
pub fn to_write(sets: &[RecordSet]) -> Vec<RecordSet> {
    let is_set = |name: &str, kind| sets.iter().any(|set| set.name == name && set.kind == kind);
    let mut all: Vec<RecordSet> = Vec::new();
    for set in sets.iter().filter(|set| !set.values.is_empty()) {
        let others: &[RecordType] = match set.kind {
            RecordType::Cname => &[RecordType::A, RecordType::Aaaa, RecordType::Caa, RecordType::Txt],
            _ => &[RecordType::Cname],
        };
        for other in empty(&set.name, others) {
            if !is_set(&other.name, other.kind) && !all.contains(&other) {
                all.push(other);
            }
        }
    }
    all.extend(sets.iter().cloned());
    all
}

const HOST_KINDS: [RecordType; 4] = [RecordType::Cname, RecordType::A, RecordType::Aaaa, RecordType::Caa];

fn empty(name: &str, kinds: &[RecordType]) -> Vec<RecordSet> {
    let none =
        |kind: &RecordType| RecordSet { name: name.to_owned(), kind: *kind, ttl: 0, values: Vec::new() };
    kinds.iter().map(none).collect()
}

fn host(name: &str, place: &Place) -> Result<Vec<RecordSet>, DesiredError> {
    let set = |kind, values: Vec<RecordValue>| RecordSet {
        name: name.to_owned(),
        kind,
        ttl: place.ttls.host,
        values: distinct(values),
    };
    let (v4, v6) = match &place.host {
        HostAt::Alias(target) => {
            // RFC 1034 §3.6.2: nothing stands beside an alias, so who may issue is said at its target (RFC 8659 §3).
            return Ok(vec![set(RecordType::Cname, vec![RecordValue::Cname(target.as_str().to_owned())])]);
        }
        HostAt::Addresses { v4, v6 } if v4.is_empty() && v6.is_empty() => return Err(DesiredError::NoHost),
        HostAt::Addresses { v4, v6 } => (v4, v6),
    };
    let mut sets = Vec::new();
    if !v4.is_empty() {
        sets.push(set(RecordType::A, v4.iter().copied().map(RecordValue::A).collect()));
    }
    if !v6.is_empty() {
        sets.push(set(RecordType::Aaaa, v6.iter().copied().map(RecordValue::Aaaa).collect()));
    }
    if !place.issuers.is_empty() {
        let may_issue = place.issuers.iter().map(|issuer| issue(issuer));
        sets.push(set(RecordType::Caa, may_issue.collect::<Result<_, _>>()?));
    }
    Ok(sets)
}

/// RFC 8659 §4.2: a domain, then parameters behind semicolons; printable ASCII.
fn issue(issuer: &str) -> Result<RecordValue, DesiredError> {
    let refused = || DesiredError::Issuer(issuer.to_owned());
    let authority = issuer.split(';').next().unwrap_or_default().trim();
    DnsName::parse(authority).map_err(|_| refused())?;
    if !issuer.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) || issuer.len() > 255 {
        return Err(refused());
    }
    Ok(RecordValue::Caa { flags: 0, tag: "issue".to_owned(), value: issuer.trim().to_owned() })
}

fn distinct(values: Vec<RecordValue>) -> Vec<RecordValue> {
    let mut kept: Vec<RecordValue> = Vec::with_capacity(values.len());
    for value in values {
        if !kept.contains(&value) {
            kept.push(value);
        }
    }
    kept
}

/// The aliases that the owner writes once so that our zone answers for the domain; none where the records are in the
/// domain's own zone.
///
/// # Errors
/// [`DesiredError::NameTooLong`].
pub fn delegation(domain: &PolicyDomain, place: &Place) -> Result<Vec<RecordSet>, DesiredError> {
    if place.zone == Zone::Own {
        return Ok(Vec::new());
    }
    let (from, to) = (Names::asked(domain)?, Names::written(domain, &place.zone)?);
    let alias = |name, target| RecordSet {
        name,
        kind: RecordType::Cname,
        ttl: place.ttls.host,
        values: vec![RecordValue::Cname(target)],
    };
    Ok(vec![
        alias(from.reporting, to.reporting),
        alias(from.host, to.host),
        alias(from.announcement, to.announcement),
    ])
}

#[cfg(test)]
mod tests;
