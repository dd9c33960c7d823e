//! Tokens in plain words.

use tls_rpt::explain::{explain, explain_policy_type};
use tls_rpt::{PolicyType, ResultType};
use tlsward_engine::facts::{Road, SetAsideReason, Trust};

use super::shown::Shown;

/// How far a report can be believed.
pub(super) struct TrustWords {
    /// Two or three words for a table.
    pub(super) short: &'static str,
    /// What it rests on.
    pub(super) long: &'static str,
}

pub(super) fn trust(trust: Trust) -> TrustWords {
    let (short, long) = match trust {
        Trust::Verified => (
            "verified",
            "The mail carried a DKIM signature of the submitter's own domain, and it verified: the report comes from whom it \
             says it does. That alone does not make the submitter somebody you know.",
        ),
        Trust::Unaligned => (
            "other signer",
            "The mail carried a DKIM signature that verified, but of another domain than the submitter's. RFC 8460 asks for \
             the submitter's own.",
        ),
        Trust::Failed => (
            "signature failed",
            "The mail carried a DKIM signature that did not verify: it was changed on its way, or is forged. RFC 8460 would have \
             it ignored.",
        ),
        Trust::Unsigned => (
            "unsigned",
            "The mail carried no DKIM signature, so anyone may have written it. RFC 8460 would have it ignored.",
        ),
        Trust::Https => (
            "by HTTPS",
            "It was posted to the report end point. RFC 8460 has no authentication on this road, so anyone may have sent it.",
        ),
        Trust::Unchecked => ("not checked", "The signature of the mail has not been looked at yet."),
    };
    TrustWords { short, long }
}

pub(super) fn road(road: Road) -> &'static str {
    match road {
        Road::Https => "HTTPS",
        Road::Smtp => "mail (SMTP)",
        Road::Pipe => "mail (pipe)",
    }
}

/// Why something was set aside, and what may follow from it.
pub(super) fn reason(reason: SetAsideReason) -> (&'static str, &'static str) {
    match reason {
        SetAsideReason::Unreadable => (
            "Unreadable",
            "Something in it should have been a report and could not be read. The detail says where reading \
             stopped.",
        ),
        SetAsideReason::NoReport => (
            "No report",
            "Nothing in it is a TLS report: other mail to the same address, most often, or spam.",
        ),
        SetAsideReason::UnmanagedDomain => (
            "Not your domain",
            "It speaks of no domain that this server manages: a report that went astray, or a forged one.",
        ),
        SetAsideReason::OverLimit => (
            "Over a limit",
            "It is larger, deeper or longer than the limits allow; reports of honest senders are far below them.",
        ),
    }
}

/// A result type for a table: its title if it is registered, else the reporter's own word.
pub(super) fn result_title(token: &str) -> Shown {
    let result = ResultType::recognise(token);
    if result.is_registered() { Shown::line(explain(&result).title) } else { Shown::line(token) }
}

/// What failed in a session of our own, in few words. [`result_title`] speaks to the receiving side.
pub(super) fn failed(result: &ResultType) -> Shown {
    Shown::line(match result {
        ResultType::StarttlsNotSupported => "STARTTLS not offered",
        ResultType::CertificateHostMismatch => "certificate for another name",
        ResultType::CertificateExpired => "certificate expired",
        ResultType::CertificateNotTrusted => "certificate not trusted",
        ResultType::ValidationFailure => "other failure",
        ResultType::TlsaInvalid => "no TLSA record fits",
        ResultType::DnssecInvalid => "DNSSEC not valid",
        ResultType::DaneRequired => "DANE wanted here, none there",
        ResultType::StsPolicyFetchError => "policy not fetched",
        ResultType::StsPolicyInvalid => "policy not valid",
        ResultType::StsWebpkiInvalid => "policy host's certificate not valid",
        ResultType::Unknown(text) => text,
    })
}

pub(super) fn policy_title(token: &str) -> Shown {
    let policy = PolicyType::recognise(token);
    if policy.is_registered() { Shown::line(explain_policy_type(&policy).title) } else { Shown::line(token) }
}
