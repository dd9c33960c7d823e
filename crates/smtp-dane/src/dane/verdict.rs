//! What came of it: which record matched, or why each did not.

use std::fmt;

use crate::pkix::{Chain, Time};
use crate::tlsa::PassedOver;

/// The verdict of [`super::judge`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The server is the one that DNS means.
    Authenticated(Match),
    /// No usable record matches: there is a reason for each. Mail must not go this way (RFC 7672 §3.2).
    Refused(Vec<Refusal>),
    /// There is no usable record, and the chain was not looked at: DANE asks for STARTTLS and no more
    /// (RFC 7672 §2.2.3).
    NoneUsable(Vec<(usize, PassedOver)>),
    /// There is no chain that could be judged.
    NotJudged(Chain),
}

/// The record that matched, by its place in the RRset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match {
    /// Place in the RRset, from 0.
    pub record: usize,
    /// Which certificate of the chain it names: 0 is the leaf. Copies and unreadable certificates do not count.
    pub depth: usize,
}

/// A record that did not match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Place in the RRset, from 0.
    pub record: usize,
    /// Why.
    pub why: Why,
}

/// Why a usable record does not match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// DANE-EE: the leaf, or its key, is another.
    LeafDiffers,
    /// DANE-TA: no CA certificate that was sent is the one of the record.
    AnchorNotSent,
    /// DANE-TA: the anchor is there, and the chain does not hold below it.
    Chain(Chain),
    /// DANE-TA: the chain holds, and is not valid now.
    Time(Time),
    /// DANE-TA: the chain holds, and the leaf is for none of the names.
    Name {
        /// The DNS names that it is for, at most a hundred.
        names: Vec<String>,
    },
}

/// The verdict as one word, for the result types of RFC 8460 §4.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// A record matches.
    Authenticated,
    /// Nothing was asked of the chain.
    NoneUsable,
    /// `certificate-host-mismatch`: an anchor matches, for another name.
    HostMismatch,
    /// `certificate-expired`: an anchor matches, but for the time.
    Expired,
    /// `certificate-not-trusted`: an anchor matches, and the chain does not hold.
    NotTrusted,
    /// `tlsa-invalid`, as RFC 8460 §4.3.2.1 has it for an RRset of which no record matches.
    NoMatch,
    /// `validation-failure`: nothing that could be judged.
    Other,
}

impl Verdict {
    /// Of several refusals the one that came furthest: the domain's owner has least to mend there.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Authenticated(_) => Outcome::Authenticated,
            Self::NoneUsable(_) => Outcome::NoneUsable,
            Self::NotJudged(_) => Outcome::Other,
            Self::Refused(refusals) => {
                refusals.iter().map(|refusal| refusal.why.outcome()).min().unwrap_or(Outcome::NoMatch)
            }
        }
    }

    /// Whether a record matches.
    #[must_use]
    pub fn is_authenticated(&self) -> bool {
        matches!(self, Self::Authenticated(_))
    }
}

impl Why {
    fn outcome(&self) -> Outcome {
        match self {
            Self::Name { .. } => Outcome::HostMismatch,
            Self::Time(Time::Expired { .. }) => Outcome::Expired,
            Self::Time(_) | Self::Chain(_) => Outcome::NotTrusted,
            Self::LeafDiffers | Self::AnchorNotSent => Outcome::NoMatch,
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LeafDiffers => f.write_str("the server's certificate or key is another one"),
            Self::AnchorNotSent => f.write_str("no CA certificate that was sent is the one of the record"),
            Self::Chain(chain) => chain.fmt(f),
            Self::Time(Time::NotYetValid { which, .. }) => write!(f, "{which} is not yet valid"),
            Self::Time(Time::Expired { which, .. }) => write!(f, "{which} has expired"),
            Self::Time(_) => f.write_str("the validity of a certificate cannot be read"),
            Self::Name { .. } => f.write_str("the server's certificate is for none of the names"),
        }
    }
}
