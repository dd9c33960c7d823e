//! What went wrong with a certificate: which kind it is, what it means in plain words, and what the owner does about it.
//!
//! The kinds decide when it is tried again ([`super::backoff`]) and whether another authority may do better. Types of
//! problems are those of RFC 8555 §6.7, RFC 8657 and RFC 9773.

use crate::ports::StoreError;
use crate::ports::certificates::{AuthorityFailure, Problem, RetryAfter};

/// Which kind of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureKind {
    /// The authority does not answer, or is out of order. It is theirs to mend.
    AuthorityDown,
    /// The authority has had enough of us for now.
    RateLimited,
    /// CAA records forbid it.
    Caa,
    /// The name has no address of ours, as far as we see.
    Address,
    /// The authority could not look up the name.
    Dns,
    /// The authority could not connect to the name.
    Connection,
    /// The authority got another answer to its challenge than ours.
    WrongAnswer,
    /// None of the challenges that the authority offers can be answered.
    NoChallenge,
    /// A record for dns-01 could not be written.
    Record,
    /// The authority does not issue for such a name.
    Rejected,
    /// The account: new terms, an external account, an account that is closed.
    Account,
    /// The order came to nothing: it expired, or was revoked. A new one is made.
    OrderLost,
    /// The authority answers what makes no sense.
    Unusable,
    /// Our own store takes nothing.
    Store,
}

impl FailureKind {
    /// Every kind.
    pub const ALL: [Self; 14] = [
        Self::AuthorityDown,
        Self::RateLimited,
        Self::Caa,
        Self::Address,
        Self::Dns,
        Self::Connection,
        Self::WrongAnswer,
        Self::NoChallenge,
        Self::Record,
        Self::Rejected,
        Self::Account,
        Self::OrderLost,
        Self::Unusable,
        Self::Store,
    ];

    /// The token that is stored and shown.
    #[must_use]
    pub fn as_wire(self) -> &'static str {
        match self {
            Self::AuthorityDown => "authority-down",
            Self::RateLimited => "rate-limited",
            Self::Caa => "caa",
            Self::Address => "address",
            Self::Dns => "dns",
            Self::Connection => "connection",
            Self::WrongAnswer => "wrong-answer",
            Self::NoChallenge => "no-challenge",
            Self::Record => "record",
            Self::Rejected => "rejected",
            Self::Account => "account",
            Self::OrderLost => "order-lost",
            Self::Unusable => "unusable",
            Self::Store => "store",
        }
    }

    /// The kind with this token.
    #[must_use]
    pub fn from_wire(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_wire() == token)
    }

    /// Whether another authority may do better.
    #[must_use]
    pub fn is_of_the_authority(self) -> bool {
        match self {
            Self::AuthorityDown
            | Self::RateLimited
            | Self::Rejected
            | Self::Account
            | Self::Unusable
            | Self::Caa => true,
            // Some have more methods than others.
            Self::NoChallenge => true,
            Self::Address
            | Self::Dns
            | Self::Connection
            | Self::WrongAnswer
            | Self::Record
            | Self::OrderLost
            | Self::Store => false,
        }
    }

    /// What it means, and what the owner does.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::AuthorityDown => {
                "the certificate authority does not answer or is out of order; nothing is to be done here unless this \
                 machine cannot reach it (a firewall, a proxy): it is tried again, and the certificate that there is goes on \
                 being served"
            }
            Self::RateLimited => {
                "the certificate authority takes no more from this account or for this domain for now; it is tried again \
                 when it says; a second directory under [publish] would take over meanwhile"
            }
            Self::Caa => "change the CAA records of the domain so that they name the certificate authority",
            Self::Address => {
                "let the name lead to this server: a CNAME, or A and AAAA records with this server's addresses and no others"
            }
            Self::Dns => {
                "the certificate authority could not look up the name: see that every name server of the domain answers, \
                 and that DNSSEC, if it is signed, validates"
            }
            Self::Connection => {
                "the certificate authority could not connect: open port 80 (http-01) or 443 (tls-alpn-01) of every \
                 address of the name, IPv6 too, to the whole Internet"
            }
            Self::WrongAnswer => {
                "the certificate authority reached something that answered otherwise: an old address, another web server \
                 or a proxy in front that does not pass /.well-known/acme-challenge/ on"
            }
            Self::NoChallenge => {
                "no way to prove control over the name is left: allow another method under [publish], or in the \
                 validationmethods of the CAA record"
            }
            Self::Record => {
                "the record for the proof could not be written into the domain's DNS: see the DNS driver's error"
            }
            Self::Rejected => "the certificate authority issues nothing for this name; another directory may",
            Self::Account => {
                "the account with the certificate authority is refused: agree to its terms, and give contact and external \
                 account under [publish] as it asks for them"
            }
            Self::OrderLost => {
                "the order expired or was revoked at the certificate authority; a new one is made"
            }
            Self::Unusable => {
                "what answers at the directory's URL is no certificate authority that follows RFC 8555: see the URL under \
                 [publish]"
            }
            Self::Store => {
                "the database takes nothing now (a full disk?): no certificate is ordered whose key could be lost"
            }
        }
    }
}

/// Why a name has no new certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}; {}", kind.remedy())]
pub struct IssueFailure {
    /// Which kind.
    pub kind: FailureKind,
    /// What happened. May hold text of a stranger, tamed.
    pub text: String,
    /// Before this nothing is tried.
    pub retry_after: Option<RetryAfter>,
    /// Whether the authority counts it as a failed validation.
    pub counts: bool,
}

impl IssueFailure {
    /// Of our own.
    #[must_use]
    pub fn new(kind: FailureKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), retry_after: None, counts: false }
    }

    /// What an order's end says.
    #[must_use]
    pub fn of_order(problem: Option<&Problem>) -> Self {
        match problem {
            Some(problem) => {
                let kind = kind_of(problem);
                // RFC 8555 §6.7 has `unauthorized` for accounts and for answers; in an order it is the answer.
                Self { counts: is_validation(kind), ..Self::new(kind, text_of(problem)) }
            }
            None => Self::new(FailureKind::OrderLost, "the order came to nothing, and no reason was given"),
        }
    }
}

impl From<StoreError> for IssueFailure {
    fn from(error: StoreError) -> Self {
        Self::new(FailureKind::Store, error.to_string())
    }
}

impl From<AuthorityFailure> for IssueFailure {
    fn from(failure: AuthorityFailure) -> Self {
        match failure {
            AuthorityFailure::Unreachable(_) => Self::new(FailureKind::AuthorityDown, failure.to_string()),
            AuthorityFailure::Status { status, retry_after } => {
                let kind = of_status(status).unwrap_or(FailureKind::Unusable);
                Self { retry_after, ..Self::new(kind, failure.to_string()) }
            }
            AuthorityFailure::Problem { problem, retry_after } => {
                Self { retry_after, ..Self::new(kind_of(&problem), text_of(&problem)) }
            }
            AuthorityFailure::Unusable(_) => Self::new(FailureKind::Unusable, failure.to_string()),
        }
    }
}

fn is_validation(kind: FailureKind) -> bool {
    matches!(
        kind,
        FailureKind::Caa
            | FailureKind::Dns
            | FailureKind::Connection
            | FailureKind::WrongAnswer
            | FailureKind::Unusable
    )
}

fn of_status(status: u16) -> Option<FailureKind> {
    match status {
        429 => Some(FailureKind::RateLimited),
        500..=599 | 408 => Some(FailureKind::AuthorityDown),
        _ => None,
    }
}

fn kind_of(problem: &Problem) -> FailureKind {
    let of_token = |token: &str| match token {
        "rateLimited" => Some(FailureKind::RateLimited),
        "caa" => Some(FailureKind::Caa),
        "dns" => Some(FailureKind::Dns),
        "connection" | "tls" => Some(FailureKind::Connection),
        "unauthorized" | "incorrectResponse" => Some(FailureKind::WrongAnswer),
        "rejectedIdentifier" | "unsupportedIdentifier" => Some(FailureKind::Rejected),
        "accountDoesNotExist"
        | "externalAccountRequired"
        | "userActionRequired"
        | "invalidContact"
        | "unsupportedContact"
        | "badPublicKey"
        | "badSignatureAlgorithm" => Some(FailureKind::Account),
        "orderNotReady" | "alreadyReplaced" => Some(FailureKind::OrderLost),
        // A nonce that is not taken after several tries; §6.5: the client should try again.
        "serverInternal" | "badNonce" => Some(FailureKind::AuthorityDown),
        _ => None,
    };
    // RFC 8555 §6.7.1: the reasons stand in the parts of a compound problem.
    let parts = || problem.parts.iter().find_map(|(kind, _)| of_token(kind));
    of_token(&problem.kind)
        .or_else(parts)
        .or_else(|| of_status(problem.status))
        .unwrap_or(FailureKind::Unusable)
}

/// In its own words.
fn text_of(problem: &Problem) -> String {
    let mut text = format!("the certificate authority says: {}", tame(&problem.detail));
    for (_, detail) in
        problem.parts.iter().take(5).filter(|(_, detail)| !problem.detail.contains(detail.as_str()))
    {
        text.push_str("; ");
        text.push_str(&tame(detail));
    }
    if !problem.kind.is_empty() {
        text.push_str(&format!(" ({})", tame(&problem.kind)));
    }
    text
}

/// A stranger's text, as it may stand in a sentence.
fn tame(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect();
    text.trim().trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(kind: &str, status: u16) -> Problem {
        Problem { kind: kind.to_owned(), detail: "Such things happen.".to_owned(), status, parts: Vec::new() }
    }

    #[test]
    fn every_registered_problem_has_its_kind() {
        let table = [
            ("rateLimited", FailureKind::RateLimited),
            ("caa", FailureKind::Caa),
            ("dns", FailureKind::Dns),
            ("connection", FailureKind::Connection),
            ("tls", FailureKind::Connection),
            ("unauthorized", FailureKind::WrongAnswer),
            ("incorrectResponse", FailureKind::WrongAnswer),
            ("rejectedIdentifier", FailureKind::Rejected),
            ("unsupportedIdentifier", FailureKind::Rejected),
            ("userActionRequired", FailureKind::Account),
            ("externalAccountRequired", FailureKind::Account),
            ("accountDoesNotExist", FailureKind::Account),
            ("orderNotReady", FailureKind::OrderLost),
            ("serverInternal", FailureKind::AuthorityDown),
            ("badNonce", FailureKind::AuthorityDown),
            ("malformed", FailureKind::Unusable),
        ];
        for (kind, expected) in table {
            assert_eq!(kind_of(&problem(kind, 400)), expected, "{kind}");
        }
        assert_eq!(kind_of(&problem("", 503)), FailureKind::AuthorityDown);
        assert_eq!(kind_of(&problem("invented", 429)), FailureKind::RateLimited);
        let compound =
            Problem { parts: vec![("caa".to_owned(), "No.".to_owned())], ..problem("compound", 403) };
        assert_eq!(kind_of(&compound), FailureKind::Caa);
    }

    #[test]
    fn a_failure_says_what_happened_and_what_to_do() {
        let failure = IssueFailure::of_order(Some(&problem("connection", 400)));
        assert!(failure.counts);
        let text = failure.to_string();
        assert!(
            text.starts_with("the certificate authority says: Such things happen (connection); the certificate authority could"),
            "{text}"
        );
        assert!(text.contains("open port 80"), "{text}");
        for kind in FailureKind::ALL {
            assert_eq!(FailureKind::from_wire(kind.as_wire()), Some(kind));
            assert!(!kind.remedy().ends_with('.'), "{kind:?}");
        }
    }

    #[test]
    fn what_a_stranger_says_is_tamed() {
        let hostile =
            Problem { detail: format!("a\u{1b}[31m\r\n{}", "x".repeat(9_000)), ..problem("dns", 400) };
        let text = IssueFailure::of_order(Some(&hostile)).text;
        assert!(text.len() < 700 && !text.chars().any(char::is_control), "{text}");
    }
}
