//! What rooms tell each other, as plain values. Times are Unix seconds UTC; counts are sessions.

use std::fmt;
use std::net::IpAddr;

use tls_rpt::count::Bounds;
use tls_rpt::report::{FailureDetails, Repair, Report};

/// Unix seconds UTC.
pub type UnixTime = i64;

/// The road by which an input reached us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Road {
    /// POST to the report end point (RFC 8460 §5.4).
    Https,
    /// Mail, by SMTP (RFC 8460 §5.3).
    Smtp,
    /// Mail, handed over by `tlsward receive`.
    Pipe,
}

impl Road {
    /// The token that is stored and shown.
    pub fn as_wire(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Smtp => "smtp",
            Self::Pipe => "pipe",
        }
    }

    /// The road with this token.
    pub fn from_wire(token: &str) -> Option<Self> {
        [Self::Https, Self::Smtp, Self::Pipe].into_iter().find(|road| road.as_wire() == token)
    }
}

/// How far a report's origin is known. Ordered: a later one is better, and replaces a worse copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trust {
    /// A DKIM signature was there and did not verify.
    Failed,
    /// Mail without DKIM signature: RFC 8460 §3 would have it ignored.
    Unsigned,
    /// By HTTPS, where no authentication exists (R8).
    Https,
    /// Not looked into (yet).
    Unchecked,
    /// A signature verified, of a domain that is not the submitter's.
    Unaligned,
    /// A signature of the submitter's domain verified.
    Verified,
}

impl Trust {
    /// Every grade, worst first.
    pub const ALL: [Self; 6] =
        [Self::Failed, Self::Unsigned, Self::Https, Self::Unchecked, Self::Unaligned, Self::Verified];

    /// The token that is stored and shown.
    pub fn as_wire(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Unsigned => "unsigned",
            Self::Https => "https",
            Self::Unchecked => "unchecked",
            Self::Unaligned => "unaligned",
            Self::Verified => "verified",
        }
    }

    /// The grade with this token.
    pub fn from_wire(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|trust| trust.as_wire() == token)
    }
}

/// Why an input was kept but not filed as a report. A closed list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SetAsideReason {
    /// Something in it should have been a report and could not be read.
    Unreadable,
    /// Nothing in it is a report.
    NoReport,
    /// It speaks of no domain that is managed here.
    UnmanagedDomain,
    /// It is larger, deeper or longer than the limits allow.
    OverLimit,
}

impl SetAsideReason {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::Unreadable, Self::NoReport, Self::UnmanagedDomain, Self::OverLimit];

    /// The token that is stored and shown.
    pub fn as_wire(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::NoReport => "no-report",
            Self::UnmanagedDomain => "unmanaged-domain",
            Self::OverLimit => "over-limit",
        }
    }

    /// The reason with this token.
    pub fn from_wire(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_wire() == token)
    }
}

/// An input exactly as it came in.
#[derive(Clone, PartialEq, Eq)]
pub struct RawInput {
    /// How it came.
    pub road: Road,
    /// When it was complete.
    pub received_at: UnixTime,
    /// Who connected, where a connection brought it.
    pub peer: Option<IpAddr>,
    /// The declared media type (HTTPS), or the envelope `from -> to` (mail); text of a stranger.
    pub label: String,
    /// The bytes: a whole mail, or an HTTP body still compressed.
    pub bytes: bytes::Bytes,
}

impl fmt::Debug for RawInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawInput")
            .field("road", &self.road)
            .field("received_at", &self.received_at)
            .field("peer", &self.peer)
            .field("label", &self.label)
            .field("bytes", &self.bytes.len())
            .finish()
    }
}

/// What reading an input came to.
#[derive(Debug)]
pub enum Verdict {
    /// At least one report was read.
    Filed {
        /// The reports, in order.
        reports: Vec<Filed>,
        /// What else stood in the input and could not be read: place and reason, for a person.
        complaints: Vec<String>,
    },
    /// None was; the input is kept, visible, with the reason.
    SetAside {
        /// Which of the closed list.
        reason: SetAsideReason,
        /// Place and cause, for a person; may hold text of the input.
        detail: String,
    },
}

/// One report read from an input.
#[derive(Debug)]
pub struct Filed {
    /// Where in the input it stood, such as `mail!report.json.gz`.
    pub member: String,
    /// SHA-256 over the normal form: equal digests are duplicates.
    pub digest: [u8; 32],
    /// How far its origin is known.
    pub trust: Trust,
    /// The report. For a large one its head and sums, and `policies` is `None`: the rows come from [`Rows`].
    pub report: Report,
    /// What was mended to read it.
    pub repairs: Vec<Repair>,
    /// How many policies it has, also where `report.policies` is `None`.
    pub policy_count: u64,
    /// How many failure rows it has.
    pub failure_count: u64,
    /// Sum over all policies, each session once where that is known (design: receive).
    pub successful: Bounds,
    /// Sum over all policies of failed sessions.
    pub failed: Bounds,
    /// Where the rows are, if they are too many to be held in `report`.
    pub rows: Rows,
}

/// Where a filed report's rows are.
pub enum Rows {
    /// In `Filed::report`.
    Held,
    /// To be read again from the input, in pieces: the store calls it once, on a thread of its own choice.
    Streamed(Box<dyn RowSource>),
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Held => "Held",
            Self::Streamed(_) => "Streamed",
        })
    }
}

/// Rows of a large report, read again from its raw input.
pub trait RowSource: Send {
    /// Feeds every row, in order, in pieces of bounded size; stops early when `take` returns false.
    fn read(&self, take: &mut dyn FnMut(RowPiece) -> bool);
}

/// Some rows of a large report.
#[derive(Debug, Default)]
pub struct RowPiece {
    /// Policies that ended in this piece: index in the report, and the policy without its failure rows.
    pub policies: Vec<(u64, tls_rpt::report::PolicyResult)>,
    /// Failure rows: index of their policy (which may end in a later piece), index of the row, the row.
    pub failures: Vec<(u64, u64, FailureDetails)>,
}

/// What the store did with an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Receipt {
    /// At least one report is new.
    Stored {
        /// Ids of the new reports.
        ids: Vec<i64>,
    },
    /// Every report was there already. Where this copy is better trusted, it has taken the other's place.
    Duplicate {
        /// Ids of the reports that it repeats.
        ids: Vec<i64>,
    },
    /// Kept, but not filed.
    SetAside {
        /// Id among what was set aside.
        id: i64,
        /// Which of the closed list.
        reason: SetAsideReason,
    },
}
