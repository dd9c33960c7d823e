//! What a sender would apply to a next hop now, and why: a value for the command line and the pages.

use serde::{Serialize, Serializer};

use crate::check::PolicyFacts;

/// The answer with its reasons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The next hop as it was asked for.
    pub next_hop: String,
    /// The policy domain; `None` where the next hop has none.
    pub domain: Option<String>,
    /// What is applied.
    pub result: Applied,
    /// The steps in the order of a sender; the last one taken decides.
    pub steps: Vec<Step>,
    /// The policy that was fetched, also one of mode none.
    pub policy: Option<PolicyFacts>,
    /// What holds for each MX host, in the order in which they are tried.
    pub hosts: Vec<HostRule>,
}

impl Explanation {
    /// As one line of JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Nothing in it can fail to serialise.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// What is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Applied {
    /// An MTA-STS policy, enforced or testing.
    Policy,
    /// No policy.
    None,
    /// It could not be told: a sender goes on with what it holds, and without anything as if there were none.
    CouldNotTell,
}

impl Applied {
    /// As written in JSON.
    #[must_use]
    pub fn as_wire(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::None => "none",
            Self::CouldNotTell => "could-not-tell",
        }
    }
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Which.
    pub step: StepName,
    /// How it ended.
    pub outcome: StepOutcome,
    /// What was looked at.
    pub subject: String,
    /// What was seen and what follows.
    pub text: String,
    /// The clause that says so.
    pub rfc: &'static str,
}

/// The steps of a sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StepName {
    /// Whose policy counts.
    NextHop,
    /// The TXT look-up.
    Record,
    /// Which of the records counts.
    Choice,
    /// The policy host's addresses.
    PolicyHost,
    /// The policy host's certificate.
    Certificate,
    /// The answer to the request.
    Fetch,
    /// What the body says.
    Policy,
    /// What the mode asks for.
    Mode,
    /// The MX look-up.
    Mx,
    /// One MX host beside the patterns.
    Match,
    /// DANE at one MX host.
    Dane,
}

impl StepName {
    /// As written in JSON.
    #[must_use]
    pub fn as_wire(self) -> &'static str {
        match self {
            Self::NextHop => "next-hop",
            Self::Record => "record",
            Self::Choice => "choice",
            Self::PolicyHost => "policy-host",
            Self::Certificate => "certificate",
            Self::Fetch => "fetch",
            Self::Policy => "policy",
            Self::Mode => "mode",
            Self::Mx => "mx",
            Self::Match => "match",
            Self::Dane => "dane",
        }
    }
}

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StepOutcome {
    /// The next step follows.
    Passed,
    /// It ends here: no policy, or no delivery to this host.
    Ended,
    /// It could not be told.
    Unknown,
}

impl StepOutcome {
    /// As written in JSON.
    #[must_use]
    pub fn as_wire(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Ended => "ended",
            Self::Unknown => "unknown",
        }
    }
}

/// What holds for one MX host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostRule {
    /// Its name in the MX record.
    pub host: String,
    /// Its preference; `None` where the domain itself is meant for want of an MX record.
    pub preference: Option<u16>,
    /// What a sender asks of it.
    pub rule: Rule,
    /// Why.
    pub why: String,
}

/// What a sender asks of an MX host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// A certificate that the TLSA records name.
    Dane,
    /// A certificate that is valid for the host.
    Sts,
    /// The same, and a failure is only reported.
    StsTesting,
    /// Encryption, to whomever.
    Encrypt,
    /// Encryption if it is offered.
    Opportunistic,
    /// It is not used.
    Refused,
    /// It could not be told.
    Unknown,
}

impl Rule {
    /// As written in JSON.
    #[must_use]
    pub fn as_wire(self) -> &'static str {
        match self {
            Self::Dane => "dane",
            Self::Sts => "sts",
            Self::StsTesting => "sts-testing",
            Self::Encrypt => "encrypt",
            Self::Opportunistic => "opportunistic",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
        }
    }
}

macro_rules! serialize_as_wire {
    ($($name:ty),+) => {
        $(impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_wire())
            }
        })+
    };
}

serialize_as_wire!(Applied, StepName, StepOutcome, Rule);
