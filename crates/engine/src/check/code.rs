//! Every finding that a check can have: one code each, which never changes once it was released.
//!
//! The table is exhaustive: a code without title, explanation, remedy and clause does not compile. `docs/findings.md`
//! is generated from it. What a finding says in one case (names, addresses, the record to publish) is written where
//! it is found; here stands what is true of each case.

mod certificate;
mod dane;
mod general;
mod mx;
mod policy;
mod record;
mod reporting;

use std::fmt;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Mail is refused, goes unprotected, or will by senders that follow the RFC.
    Error,
    /// Works today; some senders stumble, or it will break.
    Warning,
    /// Worth knowing.
    Info,
}

impl Level {
    /// As written in JSON.
    #[must_use]
    pub fn as_wire(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// The classic ways to get MTA-STS wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pitfall {
    /// Enforced before a time of testing with reports has shown that nothing breaks.
    EnforcedTooEarly,
    /// An MX that the policy forgot.
    ForgottenMx,
    /// Reports are asked for and reach nobody.
    UnreadReports,
    /// `max_age` so short that the policy is never held when it is needed.
    ShortMaxAge,
}

/// What is true of a code in every case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// The code as written: kebab-case, stable.
    pub token: &'static str,
    /// The level unless the case makes it another: see `explanation`.
    pub level: Level,
    /// A heading.
    pub title: &'static str,
    /// What it means, for somebody who has never heard of MTA-STS.
    pub explanation: &'static str,
    /// What to do, in general. A finding has the exact record or file in `fix`.
    pub remedy: &'static str,
    /// The clause it rests on.
    pub rfc: &'static str,
    /// Which pitfall it is, if it is one.
    pub pitfall: Option<Pitfall>,
}

impl About {
    const fn new(
        token: &'static str,
        level: Level,
        rfc: &'static str,
        title: &'static str,
        explanation: &'static str,
        remedy: &'static str,
    ) -> Self {
        Self { token, level, title, explanation, remedy, rfc, pitfall: None }
    }

    const fn pitfall(mut self, pitfall: Pitfall) -> Self {
        self.pitfall = Some(pitfall);
        self
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident => $about:path,)+) => {
        /// What a check can find.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[$doc])* $variant,)+
        }

        impl Code {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// What is true of it in every case.
            #[must_use]
            pub const fn about(self) -> &'static About {
                match self {
                    $(Self::$variant => &$about,)+
                }
            }
        }
    };
}

codes! {
    // DNS and the check itself.
    /// DNS gave no answer for a name that matters.
    DnsFailed => general::DNS_FAILED,
    /// An answer's DNSSEC signature does not validate.
    DnsBogus => general::DNS_BOGUS,
    /// The resolver in use cannot do DNSSEC, so DANE was not looked at.
    DnssecUnusable => general::DNSSEC_UNUSABLE,
    /// This machine has no IPv6, so addresses of that family were not tried.
    Ipv6NotTestable => general::IPV6_NOT_TESTABLE,
    /// More hosts, addresses or report addresses than are looked at.
    LimitReached => general::LIMIT_REACHED,
    /// The check ran out of time.
    TimeLimitReached => general::TIME_LIMIT_REACHED,

    // The record at `_mta-sts`.
    /// No trace of MTA-STS.
    StsNotPublished => record::NOT_PUBLISHED,
    /// A policy is served, and no record announces it.
    StsRecordMissing => record::MISSING,
    /// The record stands at a name where nobody looks.
    StsRecordAtWrongName => record::AT_WRONG_NAME,
    /// Several records count.
    StsRecordMultiple => record::MULTIPLE,
    /// The record does not follow the grammar.
    StsRecordMalformed => record::MALFORMED,
    /// The id is not 1 to 32 letters and digits.
    StsRecordIdInvalid => record::ID_INVALID,
    /// A space before the first semicolon.
    StsRecordSpacedVersion => record::SPACED_VERSION,
    /// White space at the end.
    StsRecordSpaceAtEnd => record::SPACE_AT_END,
    /// A field stands there twice.
    StsRecordDuplicateField => record::DUPLICATE_FIELD,
    /// The record is an alias into another domain.
    StsRecordDelegated => record::DELEGATED,
    /// The alias leads to nothing.
    StsRecordDanglingAlias => record::DANGLING_ALIAS,
    /// The policy changed and the id did not.
    StsIdNotChanged => record::ID_NOT_CHANGED,
    /// The id changed and the policy did not.
    StsIdChangedAlone => record::ID_CHANGED_ALONE,

    // The policy host and its answer.
    /// The policy host has no address.
    PolicyHostMissing => policy::HOST_MISSING,
    /// The policy host is an alias that leads to nothing.
    PolicyHostDanglingAlias => policy::HOST_DANGLING_ALIAS,
    /// The policy host has an address that is not public.
    PolicyHostPrivateAddress => policy::HOST_PRIVATE_ADDRESS,
    /// An address of the policy host takes no connection.
    PolicyHostUnreachable => policy::HOST_UNREACHABLE,
    /// The policy host answers too slowly.
    PolicyHostSlow => policy::HOST_SLOW,
    /// No TLS session with the policy host, for another reason than its certificate.
    PolicyHostTlsFailed => policy::HOST_TLS_FAILED,
    /// What the policy host speaks is not HTTP.
    PolicyHttpBroken => policy::HTTP_BROKEN,
    /// Another status than 200.
    PolicyHttpStatus => policy::HTTP_STATUS,
    /// A redirect.
    PolicyRedirect => policy::REDIRECT,
    /// A web page instead of a policy.
    PolicyHtml => policy::HTML,
    /// Not declared as text/plain.
    PolicyMediaType => policy::MEDIA_TYPE,
    /// Compressed though nobody asked.
    PolicyCompressed => policy::COMPRESSED,
    /// Larger than 64 KiB.
    PolicyTooLarge => policy::TOO_LARGE,
    /// The addresses of the policy host serve different policies.
    PolicyAddressesDiffer => policy::ADDRESSES_DIFFER,

    // The certificate of the policy host.
    /// Expired.
    PolicyCertificateExpired => certificate::POLICY_EXPIRED,
    /// Not valid yet.
    PolicyCertificateNotYetValid => certificate::POLICY_NOT_YET_VALID,
    /// Expires within days.
    PolicyCertificateExpiresSoon => certificate::POLICY_EXPIRES_SOON,
    /// For other names.
    PolicyCertificateNameMismatch => certificate::POLICY_NAME_MISMATCH,
    /// Signed by itself.
    PolicyCertificateSelfSigned => certificate::POLICY_SELF_SIGNED,
    /// An intermediate certificate is not sent.
    PolicyCertificateChainIncomplete => certificate::POLICY_CHAIN_INCOMPLETE,
    /// From an authority that is not trusted.
    PolicyCertificateNotTrusted => certificate::POLICY_NOT_TRUSTED,
    /// Cannot be used at all.
    PolicyCertificateInvalid => certificate::POLICY_INVALID,

    // The policy.
    /// A line is no field.
    PolicyMalformed => policy::MALFORMED,
    /// A required field is missing.
    PolicyFieldMissing => policy::FIELD_MISSING,
    /// The version is not STSv1.
    PolicyVersionInvalid => policy::VERSION_INVALID,
    /// The mode is none of the three.
    PolicyModeInvalid => policy::MODE_INVALID,
    /// `max_age` is no number.
    PolicyMaxAgeInvalid => policy::MAX_AGE_INVALID,
    /// An mx pattern is malformed.
    PolicyMxInvalid => policy::MX_INVALID,
    /// An mx pattern is written in other letters than ASCII.
    PolicyMxNotALabel => policy::MX_NOT_A_LABEL,
    /// A byte order mark.
    PolicyByteOrderMark => policy::BYTE_ORDER_MARK,
    /// A blank line.
    PolicyBlankLine => policy::BLANK_LINE,
    /// A carriage return too many.
    PolicyStrayCarriageReturn => policy::STRAY_CARRIAGE_RETURN,
    /// A dot at the end of an mx pattern.
    PolicyMxDotAtEnd => policy::MX_DOT_AT_END,
    /// A field stands there twice.
    PolicyDuplicateField => policy::DUPLICATE_FIELD,
    /// `max_age` above a year.
    PolicyMaxAgeOverMaximum => policy::MAX_AGE_OVER_MAXIMUM,
    /// `max_age` under a day.
    PolicyMaxAgeTooShort => policy::MAX_AGE_TOO_SHORT,
    /// `max_age` under a week, enforced.
    PolicyMaxAgeShort => policy::MAX_AGE_SHORT,
    /// The policy only tests.
    PolicyModeTesting => policy::MODE_TESTING,
    /// The policy says that there is none.
    PolicyModeNone => policy::MODE_NONE,
    /// A pattern under which strangers can have hosts.
    PolicyPatternTooBroad => policy::PATTERN_TOO_BROAD,
    /// A wildcard where names would do.
    PolicyPatternWildcard => policy::PATTERN_WILDCARD,
    /// A pattern that no MX matches.
    PolicyPatternUnused => policy::PATTERN_UNUSED,

    // Mail exchangers.
    /// An MX that no pattern of the policy covers.
    MxNotInPolicy => mx::NOT_IN_POLICY,
    /// No MX record: the domain itself takes its mail.
    MxImplicit => mx::IMPLICIT,
    /// Neither MX nor address.
    MxNone => mx::NONE,
    /// The domain takes no mail.
    MxNull => mx::NULL,
    /// The domain takes no mail and has a policy for it.
    MxNullWithPolicy => mx::NULL_WITH_POLICY,
    /// The null MX beside others.
    MxNullAmongOthers => mx::NULL_AMONG_OTHERS,
    /// An IP address where a name must be.
    MxAddressLiteral => mx::ADDRESS_LITERAL,
    /// No name of a host.
    MxNameInvalid => mx::NAME_INVALID,
    /// The MX is an alias.
    MxAlias => mx::ALIAS,
    /// The MX has no address.
    MxNoAddress => mx::NO_ADDRESS,
    /// The MX has an address that is not public.
    MxPrivateAddress => mx::PRIVATE_ADDRESS,
    /// No connection to an address.
    MxUnreachable => mx::UNREACHABLE,
    /// The server turned the check away.
    MxRefusesConnection => mx::REFUSES_CONNECTION,
    /// The connection broke before STARTTLS.
    MxBroken => mx::BROKEN,
    /// No STARTTLS.
    MxNoStartTls => mx::NO_STARTTLS,
    /// STARTTLS offered and refused.
    MxStartTlsRefused => mx::STARTTLS_REFUSED,
    /// No TLS session, for another reason than the certificate.
    MxTlsFailed => mx::TLS_FAILED,
    /// Only TLS versions that must not be used.
    MxTlsTooOld => mx::TLS_TOO_OLD,
    /// TLS that others can negotiate and this program cannot.
    MxTlsNotTestable => mx::TLS_NOT_TESTABLE,
    /// Works with a host name in the handshake only.
    MxNeedsSni => mx::NEEDS_SNI,
    /// Works without a host name in the handshake only.
    MxFailsWithSni => mx::FAILS_WITH_SNI,

    // Certificates of mail exchangers.
    /// Expired.
    MxCertificateExpired => certificate::MX_EXPIRED,
    /// Not valid yet.
    MxCertificateNotYetValid => certificate::MX_NOT_YET_VALID,
    /// Expires within days.
    MxCertificateExpiresSoon => certificate::MX_EXPIRES_SOON,
    /// For other names.
    MxCertificateNameMismatch => certificate::MX_NAME_MISMATCH,
    /// Signed by itself.
    MxCertificateSelfSigned => certificate::MX_SELF_SIGNED,
    /// An intermediate certificate is not sent.
    MxCertificateChainIncomplete => certificate::MX_CHAIN_INCOMPLETE,
    /// From an authority that is not trusted.
    MxCertificateNotTrusted => certificate::MX_NOT_TRUSTED,
    /// Cannot be used at all.
    MxCertificateInvalid => certificate::MX_INVALID,

    // DANE.
    /// No TLSA record matches.
    DaneMismatch => dane::MISMATCH,
    /// TLSA records, none of which can be used.
    DaneUnusable => dane::UNUSABLE,
    /// TLSA records in a zone that is not signed.
    DaneUnsigned => dane::UNSIGNED,
    /// TLSA records at the MX; the domain's own MX records are not signed.
    DaneMxUnsigned => dane::MX_UNSIGNED,
    /// The TLSA records cannot be looked up.
    DaneLookupFailed => dane::LOOKUP_FAILED,
    /// Some MXs have DANE, others not.
    DanePartial => dane::PARTIAL,

    // Reports.
    /// No TLSRPT record.
    TlsrptMissing => reporting::MISSING,
    /// Enforced, and nobody is told what fails.
    EnforcedWithoutReports => reporting::ENFORCED_WITHOUT,
    /// Testing, and nobody is told what fails.
    TestingWithoutReports => reporting::TESTING_WITHOUT,
    /// The record stands at a name where nobody looks.
    TlsrptAtWrongName => reporting::AT_WRONG_NAME,
    /// Several records count.
    TlsrptMultiple => reporting::MULTIPLE,
    /// The record does not follow the grammar and cannot be used.
    TlsrptMalformed => reporting::MALFORMED,
    /// The record does not follow the grammar, and what it means is clear.
    TlsrptNotStrict => reporting::NOT_STRICT,
    /// A space before the first semicolon.
    TlsrptSpacedVersion => reporting::SPACED_VERSION,
    /// The alias leads to nothing.
    TlsrptDanglingAlias => reporting::DANGLING_ALIAS,
    /// No address to which a report can go.
    TlsrptNoUsableRua => reporting::NO_USABLE_RUA,
    /// An address of a kind that nobody knows.
    TlsrptUnknownScheme => reporting::UNKNOWN_SCHEME,
    /// An address that is malformed.
    TlsrptRuaInvalid => reporting::RUA_INVALID,
    /// The mail address is in a domain that takes no mail.
    TlsrptRuaTakesNoMail => reporting::RUA_TAKES_NO_MAIL,
    /// The HTTPS end point does not answer.
    TlsrptRuaUnreachable => reporting::RUA_UNREACHABLE,
    /// The HTTPS end point's certificate is not valid.
    TlsrptRuaCertificate => reporting::RUA_CERTIFICATE,
    /// An MX with TLSA and no TLSRPT record of its own.
    TlsrptMissingAtMx => reporting::MISSING_AT_MX,

    // Sub-domains.
    /// A sub-domain takes mail and has no policy.
    SubdomainWithoutPolicy => general::SUBDOMAIN_WITHOUT_POLICY,
    /// Every sub-domain takes mail.
    SubdomainWildcardMx => general::SUBDOMAIN_WILDCARD_MX,
}

impl Code {
    /// As written: kebab-case, stable.
    #[must_use]
    pub const fn as_wire(self) -> &'static str {
        self.about().token
    }

    /// The code with this token.
    #[must_use]
    pub fn from_wire(token: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_wire() == token)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_wire())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table is what scripts rely on: each token is kebab-case and stands there once.
    #[test]
    fn each_code_has_a_token_of_its_own_and_every_text() {
        let mut seen = std::collections::BTreeSet::new();
        for code in Code::ALL {
            let about = code.about();
            assert!(seen.insert(about.token), "{} stands there twice", about.token);
            let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            assert!(about.token.bytes().all(fits), "{}", about.token);
            assert!(about.rfc.starts_with("RFC ") || about.rfc.is_empty(), "{}", about.token);
            for text in [about.title, about.explanation, about.remedy] {
                assert!(text.len() > 10, "{} lacks a text", about.token);
            }
            assert_eq!(Code::from_wire(about.token), Some(*code));
        }
        assert_eq!(Code::from_wire("no-such-code"), None);
    }

    /// The issue asks for the pitfalls by name.
    #[test]
    fn each_pitfall_has_a_code() {
        for pitfall in
            [Pitfall::EnforcedTooEarly, Pitfall::ForgottenMx, Pitfall::UnreadReports, Pitfall::ShortMaxAge]
        {
            assert!(Code::ALL.iter().any(|code| code.about().pitfall == Some(pitfall)), "{pitfall:?}");
        }
    }
}
