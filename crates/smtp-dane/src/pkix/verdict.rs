//! The verdict on a chain, in three parts and as one word.

use std::fmt;

/// What a chain is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whether it leads to a trusted root, apart from the time.
    pub chain: Chain,
    /// Whether its certificates are valid now.
    pub time: Time,
    /// Whether the leaf is for the host.
    pub name: Name,
}

/// Whether a chain leads to a trusted root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chain {
    /// It does, at some moment at which its certificates are or were valid: see [`Time`] for whether that is now.
    Trusted,
    /// The leaf is signed by nobody else.
    SelfSigned,
    /// It is complete, and ends at a root that is not trusted here.
    UntrustedRoot {
        /// Subject of that root.
        root: String,
    },
    /// The issuer of the leaf was not sent, and is no trusted root: an intermediate certificate is missing, or the
    /// CA is a private one.
    Incomplete {
        /// Subject of the certificate that is missing.
        missing: String,
    },
    /// The chain goes on from the leaf and ends at a CA whose issuer was not sent and is no trusted root.
    IssuerUnknown {
        /// Subject of the certificate that is missing or not trusted.
        issuer: String,
    },
    /// A signature was not made by the key of the issuer that was sent.
    BadSignature {
        /// The certificate that bears it.
        which: Which,
    },
    /// A signature algorithm or key that nobody should use any more.
    Weak {
        /// The certificate that bears it.
        which: Which,
        /// The algorithm or key, in words.
        what: String,
    },
    /// Something in a certificate that is not supported here, though it may be sound.
    Unsupported {
        /// What.
        what: String,
    },
    /// The leaf is a CA certificate.
    CaAsLeaf,
    /// The extended key usage of the leaf, or of a CA above it, leaves out servers.
    NotForServers,
    /// A CA above forbids the names of the leaf.
    NameConstraints,
    /// A certificate issued others without the right to: it is no CA, or the path below it is too long.
    NotAllowedToIssue,
    /// A key that is known to be in wrong hands.
    Distrusted,
    /// Every link holds, and at no moment were all certificates valid together.
    NeverValidTogether,
    /// Its certificates cross over so often that looking for a path would never end.
    TooComplex,
    /// No certificate was sent.
    Empty,
    /// The leaf is not a certificate.
    Malformed {
        /// What is wrong.
        what: String,
    },
}

/// Which certificate of the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// The server's own.
    Leaf,
    /// A CA's, by its subject.
    Issuer(String),
}

/// Whether certificates are valid now. The certificates are those of the path that was found; strangers that are
/// sent beside it do not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Time {
    /// All are.
    Valid,
    /// One is not any more. The leaf comes first.
    Expired {
        /// Which.
        which: Which,
        /// Last second of its validity, Unix.
        not_after: i64,
    },
    /// One is not yet. The leaf comes first.
    NotYetValid {
        /// Which.
        which: Which,
        /// First second of its validity, Unix.
        not_before: i64,
    },
    /// It cannot be read.
    Unknown,
}

/// Whether the leaf is for the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// It is.
    Matches,
    /// It is for these DNS names; none, if it has only a common name or addresses.
    Differs {
        /// At most a hundred, as they stand, lower case.
        names: Vec<String>,
    },
    /// There is no leaf to look at.
    Unknown,
}

/// The verdict as one word, for the result types of RFC 8460 §4.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Nothing is wrong.
    Trusted,
    /// `certificate-host-mismatch`: trusted and valid, for another name.
    HostMismatch,
    /// `certificate-expired`: trusted, but for its time.
    Expired,
    /// `certificate-not-trusted`.
    NotTrusted,
    /// `validation-failure`: nothing that could be judged.
    Other,
}

impl Verdict {
    /// The gravest of what is wrong. Precedence: what cannot be judged; the chain; the time; the name. A
    /// self-signed, expired certificate for another name is not trusted: its date and its names are only its own
    /// word. Not yet valid counts as not trusted, since `certificate-expired` would lead astray.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match (&self.chain, &self.time, &self.name) {
            (Chain::Empty | Chain::Malformed { .. } | Chain::TooComplex, _, _) => Outcome::Other,
            (Chain::Trusted | Chain::NeverValidTogether, Time::Expired { .. }, _) => Outcome::Expired,
            (Chain::Trusted, Time::Valid, Name::Matches) => Outcome::Trusted,
            (Chain::Trusted, Time::Valid, _) => Outcome::HostMismatch,
            _ => Outcome::NotTrusted,
        }
    }

    /// Whether MTA-STS is content.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        self.outcome() == Outcome::Trusted
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leaf => f.write_str("the server's certificate"),
            Self::Issuer(subject) => write!(f, "the CA certificate of {subject}"),
        }
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trusted => f.write_str("the chain leads to a trusted root"),
            Self::SelfSigned => f.write_str("the certificate is self-signed"),
            Self::UntrustedRoot { root } => {
                write!(f, "the chain ends at {root}, which is not a trusted root")
            }
            Self::Incomplete { missing } => {
                write!(f, "the certificate of the issuer, {missing}, was not sent, and is not a trusted root")
            }
            Self::IssuerUnknown { issuer } => {
                write!(f, "the chain ends below {issuer}, which was not sent, and is not a trusted root")
            }
            Self::BadSignature { which } => write!(f, "the signature on {which} is not its issuer's"),
            Self::Weak { which, what } => {
                write!(f, "{which} rests on {what}, which is too weak to be trusted")
            }
            Self::Unsupported { what } => write!(f, "the chain has {what}, which is not supported"),
            Self::CaAsLeaf => f.write_str("a CA certificate is used as the server's"),
            Self::NotForServers => f.write_str("the certificate is not for use by a server"),
            Self::NameConstraints => f.write_str("a CA of the chain may not issue for this name"),
            Self::NotAllowedToIssue => {
                f.write_str("a certificate of the chain was not allowed to issue the next")
            }
            Self::Distrusted => f.write_str("a key of the chain is known to be in wrong hands"),
            Self::NeverValidTogether => {
                f.write_str("the certificates of the chain were never valid at one time")
            }
            Self::TooComplex => f.write_str("the chain has too many ways through its certificates"),
            Self::Empty => f.write_str("no certificate was sent"),
            Self::Malformed { what } => write!(f, "the server's certificate cannot be read: {what}"),
        }
    }
}
