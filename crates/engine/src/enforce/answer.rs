//! What the MTA is told, and why in words.

use mta_sts::response::FetchFailure;

use crate::check::text::tame;
use crate::facts::UnixTime;
use crate::ports::MtaPolicy;

/// What the MTA is told for a next hop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What it must do.
    pub policy: MtaPolicy,
    /// Until when that may be told again without asking. A time that has passed already: it may be told while asking.
    pub good_until: UnixTime,
    /// Why.
    pub why: Why,
}

/// Why the MTA is told what it is told. [`Why::text`] says it in a sentence or two, for the log and the pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// A policy of mode enforce is in force.
    Enforce {
        /// Its id.
        id: String,
        /// What DANE has to say.
        dane: DaneWhy,
    },
    /// A policy of mode testing is in force.
    Testing {
        /// Its id.
        id: String,
        /// What DANE has to say.
        dane: DaneWhy,
    },
    /// No policy is in force.
    NoPolicy {
        /// Why not.
        policy: NoPolicyWhy,
        /// What DANE has to say.
        dane: DaneWhy,
    },
    /// The look-ups have not come to an end in time. They go on.
    Pending,
    /// Too many next hops wait to be looked up.
    Busy,
    /// The server is about to stop.
    Stopping,
}

/// Why no policy is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoPolicyWhy {
    /// The domain has none.
    NoRecord,
    /// Its record cannot be used; why.
    BadRecord(String),
    /// The record could not be looked up; why.
    RecordUnknown(String),
    /// A record is there, and the policy could not be fetched.
    NotFetched(FetchFailure),
    /// Its policy says so: mode none.
    Withdrawn,
}

/// What DANE has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DaneWhy {
    /// So many of the MX hosts have usable TLSA records.
    Usable {
        /// Those with usable records.
        hosts: usize,
        /// All that count.
        of: usize,
    },
    /// Hosts have signed TLSA records, and none of those can be used.
    NoneUsable,
    /// Nothing: there are no signed TLSA records.
    Nothing,
    /// Not asked: DNSSEC is switched off here.
    Off,
    /// DNSSEC does not work here; what was seen.
    Unusable(String),
    /// The MTA does not look up TLSA records.
    NotDone,
    /// The MX records could not be looked up; why.
    MxUnknown(String),
    /// A look-up that it rests on failed at a host; why. The host counts as one that cannot be reached, so the mail waits.
    Unknown(String),
    /// Not yet known: the look-ups go on.
    Pending,
}

impl Why {
    /// A token for metrics and filters.
    #[must_use]
    pub fn as_wire(&self) -> &'static str {
        match self {
            Self::Enforce { .. } => "enforce",
            Self::Testing { .. } => "testing",
            Self::NoPolicy { policy, .. } => match policy {
                NoPolicyWhy::NoRecord => "no-record",
                NoPolicyWhy::BadRecord(_) => "bad-record",
                NoPolicyWhy::RecordUnknown(_) => "record-unknown",
                NoPolicyWhy::NotFetched(_) => "not-fetched",
                NoPolicyWhy::Withdrawn => "withdrawn",
            },
            Self::Pending => "pending",
            Self::Busy => "busy",
            Self::Stopping => "stopping",
        }
    }

    /// In words.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Enforce { id, dane } => {
                format!("The domain's MTA-STS policy {id} is enforced. {}", dane.under_enforce())
            }
            Self::Testing { id, dane } => format!(
                "The domain's MTA-STS policy {id} is in testing mode: mail is delivered as without it. {}",
                dane.without_policy()
            ),
            Self::NoPolicy { policy, dane } => format!("{} {}", policy.text(), dane.without_policy()),
            Self::Pending => "The look-ups of the next hop have not come to an end in time and go on; \
                 the mail is tried again later."
                .to_owned(),
            Self::Busy => {
                "Too many next hops are being looked up at once; the mail is tried again later.".to_owned()
            }
            Self::Stopping => "Tlsward is stopping; the mail is tried again later.".to_owned(),
        }
    }
}

impl NoPolicyWhy {
    fn text(&self) -> String {
        match self {
            Self::NoRecord => "The domain has no MTA-STS record.".to_owned(),
            Self::BadRecord(reason) => {
                format!("The domain's MTA-STS record cannot be used ({}): as without one.", tame(reason))
            }
            Self::RecordUnknown(reason) => format!(
                "The domain's MTA-STS record could not be looked up ({}), and no policy is held: as without one \
                 (RFC 8461 §3.3).",
                tame(reason)
            ),
            Self::NotFetched(failure) => format!(
                "The domain announces an MTA-STS policy that could not be fetched ({failure}), and none is held: as \
                 without one (RFC 8461 §3.3)."
            ),
            Self::Withdrawn => "The domain's MTA-STS policy has mode none: as without one.".to_owned(),
        }
    }
}

impl DaneWhy {
    fn under_enforce(&self) -> String {
        match self {
            Self::Usable { hosts, of } => {
                let others = if hosts == of { "" } else { "; the others are passed over" };
                format!("{hosts} of {of} MX hosts have usable TLSA records, which decide first{others}.")
            }
            Self::MxUnknown(reason) => {
                format!("Its MX records could not be looked up: {}.", tame(reason))
            }
            other => other.without_policy(),
        }
    }

    fn without_policy(&self) -> String {
        match self {
            Self::Usable { hosts, of } => format!("{hosts} of {of} MX hosts have usable TLSA records."),
            Self::NoneUsable => {
                "MX hosts have signed TLSA records of which none can be used: encryption is mandatory there."
                    .to_owned()
            }
            Self::Nothing => "DANE does not apply.".to_owned(),
            Self::Off => "DNSSEC is switched off here, so DANE is not used.".to_owned(),
            Self::Unusable(seen) => {
                format!("DNSSEC does not work here, so DANE is out of use: {}.", tame(seen))
            }
            Self::NotDone => "The MTA does not use DANE.".to_owned(),
            Self::MxUnknown(reason) => {
                format!("Its MX records could not be looked up ({}), so the mail waits.", tame(reason))
            }
            Self::Pending => "Whether DANE applies is being looked up.".to_owned(),
            Self::Unknown(reason) => format!(
                "Whether DANE applies could not be looked up ({}), so the mail waits (RFC 7672 §2.1.2).",
                tame(reason)
            ),
        }
    }
}
