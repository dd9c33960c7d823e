//! Is the policy host's answer a policy? RFC 8461 §3.3.
//!
//! The outside world fetches and hands over what came back; this says what it is worth. Fails with
//! [`FetchFailure`], which also names what can go wrong before there is an answer, so that everything a
//! fetch may end in is one type for the cache, the alerts and the reports.

use crate::content_type;
use crate::parsed::{Deviates as _, Parsed};
use crate::policy::{self, Deviation, Policy};

/// What the policy host answered.
#[derive(Debug, Clone, Copy)]
pub struct Response<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The value of `Content-Type`, if there was one.
    pub content_type: Option<&'a [u8]>,
    /// The whole body, never a part of it.
    pub body: &'a [u8],
}

/// Why there is no policy after a fetch. The sender goes on with what it has cached, and tries again no
/// sooner than five minutes later for the same id; who looks after the domain fixes what is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FetchFailure {
    /// The policy host has no address, takes no connection, or broke it.
    #[error("policy host cannot be reached")]
    Unreachable,
    /// No complete answer in time.
    #[error("policy host did not answer in time")]
    TimedOut,
    /// The TLS handshake failed for another reason than the certificate.
    #[error("TLS handshake with the policy host failed")]
    TlsHandshake,
    /// RFC 8461 §3.3: the certificate is expired, not trusted, or not for the policy host.
    #[error("certificate of the policy host is not valid for it")]
    Certificate,
    /// Another status than 200. RFC 8461 §3.3: redirects, too, are not followed.
    #[error("policy host answered with status {0}")]
    Status(u16),
    /// A body above the limit.
    #[error("policy body is larger than 64 kib")]
    TooLarge,
    /// Not plain text, and not strictly a policy either.
    #[error("policy is not served as text/plain")]
    MediaType,
    /// A body that is no usable policy.
    #[error("policy is malformed: {0}")]
    Malformed(policy::Error),
    /// The outcome of the fetch was never reported.
    #[error("fetch of the policy came to no end")]
    Lost,
}

impl From<policy::Error> for FetchFailure {
    fn from(error: policy::Error) -> Self {
        match error {
            policy::Error::TooLarge => Self::TooLarge,
            other => Self::Malformed(other),
        }
    }
}

/// Judges a complete answer.
#[must_use]
pub fn judge(response: &Response<'_>) -> Parsed<Policy, Deviation, FetchFailure> {
    // RFC 8461 §3.3: only 200 will do, no other 2xx and no 3xx.
    if response.status != 200 {
        return Parsed::new(Err(FetchFailure::Status(response.status)), Vec::new());
    }
    let (usable, mut deviations) = policy::parse(response.body).into_parts();
    let mut usable = usable.map_err(FetchFailure::from);
    if content_type::check(response.content_type).is_err() {
        // RFC 8461 §3.2: the check guards against files of strangers. It is only waived for a body that
        // follows the grammar to the letter, which no page or picture does by chance.
        if usable.is_ok() && deviations.iter().any(Deviation::is_invalid_strictly) {
            usable = Err(FetchFailure::MediaType);
        }
        deviations.insert(0, Deviation::MediaType);
    }
    Parsed::new(usable, deviations)
}
