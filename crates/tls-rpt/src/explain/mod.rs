//! What a failure means to the person who runs the domain, in plain words.
//!
//! What goes in: a result type, a policy type, or what else a failure row says. What comes out: a title, the meaning,
//! candidate causes with the likeliest first, each with the way to verify it and the fix. Why: a report says
//! `certificate-host-mismatch` and stops there. A report is an observation; what is said here of causes is a conclusion
//! and is worded as one ([`Cause`]). What can fail: nothing. Values of a report get into a command only as proven host names
//! and addresses ([`Context`]).

mod context;
mod figures;
mod mx_failures;
mod policy_failures;
mod policy_types;
mod reason;
mod row;

pub use context::{Context, Filled, FilledCause};
pub use figures::grouped;
pub use policy_types::{PolicyExplanation, explain_policy_type};
pub use reason::{Hint, hint};
pub use row::{Deduction, RowFacts, deduce};

use crate::result_type::{PolicyType, ResultType};

/// What one result type means. The texts may hold placeholders: see [`Context`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The failure in one line.
    pub title: &'static str,
    /// What the sender saw, and what became of the mail.
    pub meaning: &'static str,
    /// What a sender that enforces the policy would have done.
    pub enforcement: Enforcement,
    /// Candidate causes, the likeliest first; at least one.
    pub causes: &'static [Cause],
}

/// A candidate cause: a conclusion to be verified, never a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Who would have to act.
    pub side: Side,
    /// What may be wrong.
    pub what: &'static str,
    /// How to tell whether it is so.
    pub verify: &'static str,
    /// Commands that show it, for a POSIX shell.
    pub commands: &'static [&'static str],
    /// What to do if it is so.
    pub fix: &'static str,
}

/// Where a cause lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The domain's mail servers.
    Mx,
    /// The web server that serves the MTA-STS policy, or the policy itself.
    PolicyHost,
    /// The domain's DNS.
    Dns,
    /// The mail server that sent.
    Sender,
    /// The network between.
    Path,
    /// Not to be told from the report.
    Unclear,
}

impl Side {
    /// The side as words after "Look at".
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Mx => "your mail server",
            Self::PolicyHost => "your MTA-STS policy and the web server it is on",
            Self::Dns => "your DNS",
            Self::Sender => "the sender",
            Self::Path => "the network between the sender and you",
            Self::Unclear => "what else the report says",
        }
    }
}

/// What becomes of mail when the sender does not only report but insists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Enforcement {
    /// Not delivered to this mail server: the sender tries the others, then later, and gives up after days.
    Refused,
    /// The mail server counts as unreachable until the sender's question is answered.
    Delayed,
    /// Delivered, unless the sender still holds an earlier policy; then that one applies.
    Delivered,
    /// No policy was found, so there was nothing to insist on.
    NothingToEnforce,
    /// The failure is not one whose effect is known.
    Unknown,
}

impl Enforcement {
    /// Whether mail would have been held back; none where that cannot be told.
    #[must_use]
    pub fn holds_mail_back(self) -> Option<bool> {
        match self {
            Self::Refused | Self::Delayed => Some(true),
            Self::Delivered | Self::NothingToEnforce => Some(false),
            Self::Unknown => None,
        }
    }

    /// The effect as a sentence.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Refused => {
                "A sender that enforces the policy would not have delivered to this mail server. It would have tried \
                 your other mail servers, then again later, and after some days would have returned the mail."
            }
            Self::Delayed => {
                "A sender that checks DANE treats this mail server as unreachable while this lasts: mail waits, and is \
                 returned after some days."
            }
            Self::Delivered => {
                "No mail is lost by this alone. A sender that still remembers an earlier policy of yours goes on using \
                 that one; any other delivers as if you had no policy, so the mail is not protected."
            }
            Self::NothingToEnforce => {
                "The sender found no policy of yours, so nothing was enforced and the mail was most likely delivered."
            }
            Self::Unknown => "Whether a sender that enforces the policy would have delivered cannot be told.",
        }
    }
}

impl Explanation {
    /// Who would have to act, if the likeliest cause is the one.
    #[must_use]
    pub fn side(&self) -> Side {
        self.causes.first().map_or(Side::Unclear, |cause| cause.side)
    }

    /// The texts with the values of one failure in the place of the placeholders.
    #[must_use]
    pub fn fill(&self, context: &Context<'_>) -> Filled {
        context.fill_explanation(self)
    }
}

/// The explanation of a result type.
#[must_use]
pub fn explain(result: &ResultType) -> &'static Explanation {
    match result {
        ResultType::StarttlsNotSupported => &mx_failures::STARTTLS_NOT_SUPPORTED,
        ResultType::CertificateHostMismatch => &mx_failures::CERTIFICATE_HOST_MISMATCH,
        ResultType::CertificateExpired => &mx_failures::CERTIFICATE_EXPIRED,
        ResultType::CertificateNotTrusted => &mx_failures::CERTIFICATE_NOT_TRUSTED,
        ResultType::ValidationFailure => &mx_failures::VALIDATION_FAILURE,
        ResultType::TlsaInvalid => &policy_failures::TLSA_INVALID,
        ResultType::DnssecInvalid => &policy_failures::DNSSEC_INVALID,
        ResultType::DaneRequired => &policy_failures::DANE_REQUIRED,
        ResultType::StsPolicyFetchError => &policy_failures::STS_POLICY_FETCH_ERROR,
        ResultType::StsPolicyInvalid => &policy_failures::STS_POLICY_INVALID,
        ResultType::StsWebpkiInvalid => &policy_failures::STS_WEBPKI_INVALID,
        ResultType::Unknown(_) => &mx_failures::UNKNOWN,
    }
}

/// What enforcement would have done to the sessions of a failure row: its result under its policy.
#[must_use]
pub fn enforcement(result: &ResultType, policy: &PolicyType) -> Enforcement {
    match (policy, explain(result).enforcement) {
        // Mandatory DANE is the sender's own rule and needs no policy of the domain (RFC 7672 §6).
        (PolicyType::NoPolicyFound, _) if *result == ResultType::DaneRequired => Enforcement::Refused,
        (PolicyType::NoPolicyFound, Enforcement::Refused) => Enforcement::NothingToEnforce,
        (_, of_result) => of_result,
    }
}

#[cfg(test)]
mod tests;
