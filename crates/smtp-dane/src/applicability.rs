//! Does DANE apply to this MX host, which names are to be asked for TLSA, and what follows? RFC 7672 §2.2.
//!
//! Addresses are looked up first (§2.2.2: the name servers that choke on TLSA queries serve unsigned zones), then
//! TLSA at one or two base domains. [`begin`] takes what is known; a [`Question`] says what to ask next; its
//! answer leads to the next question or to the end. Nothing is asked here.
//!
//! Two things never happen: a failed lookup never counts as "no TLSA" (§2.1.2, that would be a downgrade), and
//! insecure records never count at all.

use crate::tlsa::{Tlsa, Usable, usable};

/// DNSSEC status of an answer that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Security {
    /// Validated.
    Secure,
    /// Proved to be unsigned, or not validated.
    Insecure,
}

/// How the host became one to deliver to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mx {
    /// It stands in an MX RRset with this status, the CNAMEs before it included.
    Listed(Security),
    /// There is no MX: the host is the next hop itself (an implicit MX, or a smart host).
    None,
    /// MX could not be told: bogus, or no answer.
    Failed(String),
}

/// What came of the address lookups for the host, A and AAAA together (see [`Addresses::and`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Addresses {
    /// There are some.
    Found {
        /// Of the first link alone: the host's own CNAME, or its addresses if it has none.
        first: Security,
        /// Of the whole chain.
        whole: Security,
        /// The name at the end of the CNAME chain, if the host is an alias.
        expanded: Option<String>,
    },
    /// There are none.
    Absent,
    /// It could not be told: bogus, or no answer.
    Failed(String),
}

/// What came of a TLSA lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsaAnswer {
    /// Records, with the status of the whole chain of CNAMEs.
    Found(Security, Vec<Tlsa>),
    /// There are none, whatever the status of that.
    Absent,
    /// It could not be told: bogus, or no answer.
    Failed(String),
}

/// Whether TLSA counts for hosts that an insecure MX RRset names. RFC 7672 §2.2.1 leaves it to the sender.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum InsecureMx {
    /// DANE does not apply.
    #[default]
    Skip,
    /// TLSA counts, against those who only meddle with the connection.
    Use,
}

/// Where mail is to go.
#[derive(Debug, Clone, Copy)]
pub struct Destination<'a> {
    /// The next-hop domain.
    pub next_hop: &'a str,
    /// The end of its CNAME chain, if it is an alias: the name whose MX records were found.
    pub next_hop_expanded: Option<&'a str>,
    /// The host, as the MX record names it.
    pub host: &'a str,
    /// The port; 25 for an MX.
    pub port: u16,
}

/// What follows for the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applicability {
    /// DANE has nothing to say here.
    NotApplicable(NotApplicable),
    /// The host is to be treated as one that cannot be reached (RFC 7672 §2.1.2, §2.2.1).
    Unreachable(Unreachable),
    /// There are secure records, none of them usable: STARTTLS is mandatory (§2.2.3), and nothing is asked of the
    /// certificate. MTA-STS still applies.
    SecureButNoneUsable {
        /// The TLSA base domain.
        base: String,
        /// The RRset.
        rrset: Vec<Tlsa>,
        /// Why none can be used.
        told: Usable,
    },
    /// The records decide: [`crate::dane::judge`] with this RRset and these names.
    Usable {
        /// The TLSA base domain.
        base: String,
        /// The RRset, the unusable included.
        rrset: Vec<Tlsa>,
        /// Which of them count.
        told: Usable,
        /// Reference identifiers (§3.2.2), the base domain first.
        references: Vec<String>,
    },
}

/// Why DANE has nothing to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotApplicable {
    /// The MX RRset is not secure.
    #[error("the MX records are not signed")]
    InsecureMx,
    /// The host's addresses are not secure.
    #[error("the addresses of the MX host are not signed")]
    InsecureAddresses,
    /// There are no secure TLSA records.
    #[error("there are no signed TLSA records")]
    NoSecureTlsa,
}

/// Why a host counts as one that cannot be reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreachable {
    /// It has no address.
    #[error("the host has no address")]
    NoAddress,
    /// A lookup failed.
    #[error("the {what} lookup failed: {reason}")]
    LookupFailed {
        /// Which: `MX`, `address`, `TLSA`.
        what: &'static str,
        /// Why, as it was reported.
        reason: String,
    },
}

/// Where the search stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Search {
    /// This is to be asked.
    Ask(Question),
    /// That is the end.
    Done(Applicability),
}

/// A TLSA lookup to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    base: String,
    port: u16,
    /// The host as it is written, where the base is what it is an alias of.
    then: Option<String>,
    /// Reference identifiers besides the base domain.
    others: Vec<String>,
}

impl Addresses {
    /// A and AAAA together. Addresses that were found stand, though the other lookup fails: they can be reached,
    /// and the status of both decides.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (
                Self::Found { first: a, whole: b, expanded },
                Self::Found { first: c, whole: d, expanded: other },
            ) => Self::Found { first: a.max(c), whole: b.max(d), expanded: expanded.or(other) },
            (found @ Self::Found { .. }, _) | (_, found @ Self::Found { .. }) => found,
            (failed @ Self::Failed(_), _) | (_, failed @ Self::Failed(_)) => failed,
            (Self::Absent, Self::Absent) => Self::Absent,
        }
    }
}

/// What to ask first, if anything.
#[must_use]
pub fn begin(destination: Destination<'_>, mx: Mx, addresses: Addresses, insecure_mx: InsecureMx) -> Search {
    let Destination { next_hop, next_hop_expanded, host, port } = destination;
    let others = match mx {
        Mx::Failed(reason) => return unreachable("MX", reason),
        Mx::Listed(Security::Insecure) if insecure_mx == InsecureMx::Skip => {
            return Search::Done(Applicability::NotApplicable(NotApplicable::InsecureMx));
        }
        // RFC 7672 §3.2.2: then the host is the only name.
        Mx::Listed(Security::Insecure) => Vec::new(),
        Mx::Listed(Security::Secure) => {
            std::iter::once(next_hop).chain(next_hop_expanded).map(plain).collect()
        }
        Mx::None => vec![plain(next_hop)],
    };
    let host = plain(host);
    let (base, then) = match addresses {
        Addresses::Failed(reason) => return unreachable("address", reason),
        Addresses::Absent => return Search::Done(Applicability::Unreachable(Unreachable::NoAddress)),
        // RFC 7672 §2.2.2: a secure expansion first, then the name as written; an insecure one behind a secure
        // CNAME leaves the name as written.
        Addresses::Found { whole: Security::Secure, expanded: Some(expanded), .. }
            if plain(&expanded) != host =>
        {
            (plain(&expanded), Some(host))
        }
        Addresses::Found { whole: Security::Secure, .. }
        | Addresses::Found { first: Security::Secure, .. } => (host, None),
        Addresses::Found { .. } => {
            return Search::Done(Applicability::NotApplicable(NotApplicable::InsecureAddresses));
        }
    };
    Search::Ask(Question { base, port, then, others })
}

impl Question {
    /// The TLSA base domain that is asked about.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The name to look TLSA up at: `_25._tcp.mx.example.org`.
    #[must_use]
    pub fn owner(&self) -> String {
        format!("_{}._tcp.{}", self.port, self.base)
    }

    /// What the answer leads to.
    #[must_use]
    pub fn answer(self, answer: TlsaAnswer) -> Search {
        let Self { base, port, then, others } = self;
        match answer {
            // RFC 7672 §2.1.2: never a reason to try the next name, let alone to go on without.
            TlsaAnswer::Failed(reason) => unreachable("TLSA", reason),
            TlsaAnswer::Found(Security::Secure, rrset) if !rrset.is_empty() => {
                Search::Done(found(base, rrset, others))
            }
            TlsaAnswer::Found(..) | TlsaAnswer::Absent => match then {
                Some(host) => Search::Ask(Self { base: host, port, then: None, others }),
                None => Search::Done(Applicability::NotApplicable(NotApplicable::NoSecureTlsa)),
            },
        }
    }
}

fn found(base: String, rrset: Vec<Tlsa>, others: Vec<String>) -> Applicability {
    let told = usable(&rrset);
    if told.is_empty() {
        return Applicability::SecureButNoneUsable { base, rrset, told };
    }
    let mut references = vec![base.clone()];
    for name in others {
        if !references.contains(&name) {
            references.push(name);
        }
    }
    Applicability::Usable { base, rrset, told, references }
}

fn unreachable(what: &'static str, reason: String) -> Search {
    Search::Done(Applicability::Unreachable(Unreachable::LookupFailed { what, reason }))
}

/// Lower case, no dot at the end.
fn plain(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}
