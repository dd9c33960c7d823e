//! What a check comes to, as plain values: the verdict, the findings, and the facts they rest on.
//!
//! Every text that came from the network is cut and has its control characters escaped (`check::text`), so a
//! terminal or a page that escapes HTML can show it. The field names are those of `check --json` and stay put.

use mta_sts::policy::Policy;
use mta_sts::policy_domain::PolicyDomain;
use serde::{Serialize, Serializer};

use super::code::{Code, Level};
use super::text::tame;
use crate::facts::UnixTime;

/// Records of one RRset that a report shows.
pub(super) const MAX_VALUES: usize = 30;
/// Lines and patterns of a policy that a report shows.
const MAX_LINES: usize = 200;

/// What becomes of mail from a sender that enforces and holds no older policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Every MX would be used.
    Delivers,
    /// Delivered today, but not to every MX, or not once the testing policy is enforced.
    AtRisk,
    /// No MX would do.
    Refused,
    /// MTA-STS is published and cannot be used: for this sender mail flows as if there were none.
    Broken,
    /// Nothing published, or mode none, or the domain takes no mail.
    None,
    /// It could not be told.
    Unknown,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Self; 6] =
        [Self::Delivers, Self::AtRisk, Self::Refused, Self::Broken, Self::None, Self::Unknown];

    /// As written in JSON.
    #[must_use]
    pub fn as_wire(self) -> &'static str {
        match self {
            Self::Delivers => "delivers",
            Self::AtRisk => "at-risk",
            Self::Refused => "refused",
            Self::Broken => "broken",
            Self::None => "none",
            Self::Unknown => "unknown",
        }
    }

    /// What it means for mail, in a sentence.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Delivers => "A sender that enforces MTA-STS delivers here today, to every MX host.",
            Self::AtRisk => {
                "A sender that enforces MTA-STS delivers today, but not to every MX host, or would not once the policy \
                 is enforced."
            }
            Self::Refused => "A sender that enforces MTA-STS delivers no mail here: no MX host would do.",
            Self::Broken => {
                "MTA-STS is published and cannot be used. To a sender that holds no older policy it is as if there \
                 were none: mail arrives without protection."
            }
            Self::None => {
                "MTA-STS is not in use here: where mail is taken, it arrives without that protection, and whoever sits \
                 in between can read it."
            }
            Self::Unknown => "It could not be told what becomes of mail; the findings say why.",
        }
    }

    /// The verdict with this token.
    #[must_use]
    pub fn from_wire(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.as_wire() == token)
    }
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which.
    pub code: Code,
    /// How much it matters in this case.
    pub level: Level,
    /// What it is about: a domain, a host, a record's name, a URI.
    pub subject: String,
    /// What was found and what it means, for somebody who has never heard of MTA-STS.
    pub text: String,
    /// What to do: the record or file to publish where there is one, ready to copy.
    pub fix: String,
    /// The clause it rests on; empty where none does.
    pub rfc: &'static str,
}

/// A check of one domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The domain: lower-case A-labels.
    pub domain: String,
    /// When, in Unix seconds.
    #[serde(serialize_with = "rfc3339")]
    pub checked_at: UnixTime,
    /// What becomes of mail.
    pub verdict: Verdict,
    /// The findings, errors first; of one level in the order of [`Code::ALL`].
    pub findings: Vec<Finding>,
    /// The records that were looked at and found.
    pub records: Vec<RecordFacts>,
    /// The policy in use, if there is one.
    pub policy: Option<PolicyFacts>,
    /// The MX hosts, in the order in which a sender tries them.
    pub mx: Vec<MxFacts>,
    /// Where reports go; empty without a usable TLSRPT record.
    pub tlsrpt: Vec<RuaFacts>,
    /// What DNSSEC statuses rest on: `trusted-resolver`, `validated`, `off` or `unusable`.
    pub dnssec: &'static str,
}

impl Report {
    /// The report as one line of JSON: what `check --json` prints.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Nothing in it can fail to serialise: no map with keys that are no text, no writer.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The worst level among the findings.
    #[must_use]
    pub fn worst(&self) -> Option<Level> {
        self.findings.iter().map(|finding| finding.level).min()
    }
}

/// One RRset that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordFacts {
    /// The name that was asked for.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The names behind it, if it is an alias.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// The records, as in a zone file.
    pub values: Vec<String>,
    /// Whether DNSSEC vouches for it.
    pub secure: bool,
}

/// The policy in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyFacts {
    /// Where it was fetched.
    pub url: String,
    /// The id that announces it.
    pub id: Option<String>,
    /// `enforce`, `testing` or `none`.
    pub mode: &'static str,
    /// Seconds.
    pub max_age: u32,
    /// Its patterns.
    pub mx: Vec<String>,
    /// Its lines as served.
    pub lines: Vec<String>,
}

impl PolicyFacts {
    /// Of the policy of `domain`, which `id` announces.
    #[must_use]
    pub fn of(domain: &PolicyDomain, policy: &Policy, id: Option<String>) -> Self {
        let mx = policy.mx().iter().take(MAX_LINES);
        Self {
            url: domain.policy_url(),
            id,
            mode: policy.mode().as_wire(),
            max_age: policy.max_age().as_secs(),
            mx: mx.map(|pattern| tame(&pattern.as_wire()).into_owned()).collect(),
            lines: policy.lines().take(MAX_LINES).map(|line| tame(line).into_owned()).collect(),
        }
    }
}

/// One MX host, and whether it would be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MxFacts {
    /// Its name in the MX record.
    pub host: String,
    /// Its preference; `None` where the domain itself is meant for want of an MX record.
    pub preference: Option<u16>,
    /// Whether a sender that enforces would deliver to it: `None` if that could not be told.
    pub used: Option<bool>,
    /// Why not, or why it could not be told; in one line.
    pub why: Option<String>,
    /// Whether the policy covers it: `None` without a policy in use.
    pub in_policy: Option<bool>,
    /// What DANE says: `none`, `pass`, `fail`, `unusable`, `unsigned` or `unknown`.
    pub dane: &'static str,
    /// Its addresses, one by one.
    pub addresses: Vec<AddressFacts>,
}

/// One address of an MX host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AddressFacts {
    /// The address.
    pub address: String,
    /// `good`, or what is wrong in one line.
    pub outcome: String,
    /// The TLS version, such as `TLS 1.3`, if there was a session.
    pub tls: Option<&'static str>,
    /// Days until the leaf certificate expires, rounded down; negative when it has.
    pub expires_in_days: Option<i64>,
}

/// One place to which reports go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuaFacts {
    /// As in the record.
    pub uri: String,
    /// Whether it would take a report: `None` if that could not be told.
    pub works: Option<bool>,
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_wire())
    }
}

impl Serialize for Level {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_wire())
    }
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_wire())
    }
}

// serde's `serialize_with` hands over a reference.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn rfc3339<S: Serializer>(time: &UnixTime, serializer: S) -> Result<S::Ok, S::Error> {
    match jiff::Timestamp::from_second(*time) {
        Ok(time) => serializer.collect_str(&time),
        Err(_) => serializer.serialize_none(),
    }
}
