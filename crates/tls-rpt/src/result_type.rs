//! Result types and policy types: the closed words of RFC 8460, read with slack and written exactly.
//!
//! What: the eleven "STARTTLS Validation Result Types" of the IANA registry (RFC 8460 §4.3, §6.6), the three
//! policy types (§4.4), and the numbers by which libtlsrpt names the result types in its datagrams.
//! Why: reporters write `STS`, `Dane` or `starttls_not_supported`, and one unknown word must not cost the report.
//! What can fail: nothing; a word that is not known is kept as its own text.

use crate::text::Text;

/// Why a TLS session, or the policy for it, failed (RFC 8460 §4.3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResultType {
    /// The MX did not offer STARTTLS.
    StarttlsNotSupported,
    /// The certificate is not for the MX host.
    CertificateHostMismatch,
    /// The certificate has run out.
    CertificateExpired,
    /// The certificate's chain does not end in a root that the sender trusts.
    CertificateNotTrusted,
    /// Any other failure to validate.
    ValidationFailure,
    /// The TLSA records cannot be used, or no certificate matches them.
    TlsaInvalid,
    /// DNSSEC gave no valid answer.
    DnssecInvalid,
    /// The sender demands DANE and the domain has no usable TLSA record.
    DaneRequired,
    /// The MTA-STS policy could not be fetched.
    StsPolicyFetchError,
    /// The MTA-STS policy was fetched and is not valid.
    StsPolicyInvalid,
    /// The policy host's HTTPS certificate did not validate.
    StsWebpkiInvalid,
    /// A word that the registry did not have when this was written, as the reporter wrote it.
    Unknown(Text),
}

impl ResultType {
    /// The registered types in the order of RFC 8460 §4.3.
    pub const REGISTERED: [Self; 11] = [
        Self::StarttlsNotSupported,
        Self::CertificateHostMismatch,
        Self::CertificateExpired,
        Self::CertificateNotTrusted,
        Self::ValidationFailure,
        Self::TlsaInvalid,
        Self::DnssecInvalid,
        Self::DaneRequired,
        Self::StsPolicyFetchError,
        Self::StsPolicyInvalid,
        Self::StsWebpkiInvalid,
    ];

    /// The word as the registry spells it; for `Unknown` the reporter's own.
    #[must_use]
    pub fn as_wire(&self) -> &str {
        match self {
            Self::StarttlsNotSupported => "starttls-not-supported",
            Self::CertificateHostMismatch => "certificate-host-mismatch",
            Self::CertificateExpired => "certificate-expired",
            Self::CertificateNotTrusted => "certificate-not-trusted",
            Self::ValidationFailure => "validation-failure",
            Self::TlsaInvalid => "tlsa-invalid",
            Self::DnssecInvalid => "dnssec-invalid",
            Self::DaneRequired => "dane-required",
            Self::StsPolicyFetchError => "sts-policy-fetch-error",
            Self::StsPolicyInvalid => "sts-policy-invalid",
            Self::StsWebpkiInvalid => "sts-webpki-invalid",
            Self::Unknown(text) => text,
        }
    }

    /// Reads the exact spelling of the registry; everything else is `Unknown` with the text as it stands.
    #[must_use]
    pub fn from_wire(word: &str) -> Self {
        match Self::candidate(word.as_bytes()) {
            Some(found) if found.as_wire() == word => found,
            _ => Self::Unknown(Text::new(word)),
        }
    }

    /// Reads a word with the slack that real reporters need: any case, `_` for `-`, white space around it.
    /// Everything else is `Unknown` with the text as it stands. Registered words cost no allocation.
    #[must_use]
    pub fn recognise(word: &str) -> Self {
        let bare = word.trim_ascii().as_bytes();
        match Self::candidate(bare) {
            Some(found) if same_word(bare, found.as_wire().as_bytes()) => found,
            _ => Self::Unknown(Text::new(word)),
        }
    }

    /// Whether the word is one of the registry.
    #[must_use]
    pub fn is_registered(&self) -> bool {
        !matches!(self, Self::Unknown(_))
    }

    /// The number by which libtlsrpt (datagram version 1) names this type; none for `Unknown`.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::StarttlsNotSupported => Some(201),
            Self::CertificateHostMismatch => Some(202),
            Self::CertificateNotTrusted => Some(203),
            Self::CertificateExpired => Some(204),
            Self::ValidationFailure => Some(205),
            Self::StsPolicyFetchError => Some(301),
            Self::StsPolicyInvalid => Some(302),
            Self::StsWebpkiInvalid => Some(303),
            Self::TlsaInvalid => Some(304),
            Self::DnssecInvalid => Some(305),
            Self::DaneRequired => Some(306),
            Self::Unknown(_) => None,
        }
    }

    /// The type that libtlsrpt means by this number; none for numbers that it does not use for results.
    #[must_use]
    pub fn from_code(code: u16) -> Option<Self> {
        Some(match code {
            201 => Self::StarttlsNotSupported,
            202 => Self::CertificateHostMismatch,
            203 => Self::CertificateNotTrusted,
            204 => Self::CertificateExpired,
            205 => Self::ValidationFailure,
            301 => Self::StsPolicyFetchError,
            302 => Self::StsPolicyInvalid,
            303 => Self::StsWebpkiInvalid,
            304 => Self::TlsaInvalid,
            305 => Self::DnssecInvalid,
            306 => Self::DaneRequired,
            _ => return None,
        })
    }

    /// The one registered word that this may be, told by length (and by a byte where lengths collide), so that
    /// one comparison decides. Called for every failure row of every report.
    fn candidate(word: &[u8]) -> Option<Self> {
        let found = match word.len() {
            12 => Self::TlsaInvalid,
            13 => Self::DaneRequired,
            14 => Self::DnssecInvalid,
            // `sts-policy-invalid`, `sts-webpki-invalid` and `validation-failure` have one length.
            18 => match (word[0] | 0x20, word[4] | 0x20) {
                (b's', b'p') => Self::StsPolicyInvalid,
                (b's', _) => Self::StsWebpkiInvalid,
                _ => Self::ValidationFailure,
            },
            19 => Self::CertificateExpired,
            22 if word[1] | 0x20 == b't' && word[2] | 0x20 == b's' => Self::StsPolicyFetchError,
            22 => Self::StarttlsNotSupported,
            23 => Self::CertificateNotTrusted,
            25 => Self::CertificateHostMismatch,
            _ => return None,
        };
        Some(found)
    }
}

/// The kind of policy that a row of a report is about (RFC 8460 §4.4).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyType {
    /// DANE: TLSA records in signed DNS.
    Tlsa,
    /// MTA-STS.
    Sts,
    /// Neither was found.
    NoPolicyFound,
    /// A word outside RFC 8460, as the reporter wrote it.
    Unknown(Text),
}

impl PolicyType {
    /// The policy types of RFC 8460.
    pub const REGISTERED: [Self; 3] = [Self::Tlsa, Self::Sts, Self::NoPolicyFound];

    /// The word as RFC 8460 §4.4 spells it; for `Unknown` the reporter's own.
    #[must_use]
    pub fn as_wire(&self) -> &str {
        match self {
            Self::Tlsa => "tlsa",
            Self::Sts => "sts",
            Self::NoPolicyFound => "no-policy-found",
            Self::Unknown(text) => text,
        }
    }

    /// Reads the exact spelling of RFC 8460; everything else is `Unknown` with the text as it stands.
    #[must_use]
    pub fn from_wire(word: &str) -> Self {
        match word {
            "tlsa" => Self::Tlsa,
            "sts" => Self::Sts,
            "no-policy-found" => Self::NoPolicyFound,
            _ => Self::Unknown(Text::new(word)),
        }
    }

    /// Reads a word with the slack that real reporters need: any case, `_` for `-`, white space around it, and
    /// `dane` for `tlsa`. `dane-only` is some sender's configuration level and no policy type: it stays unknown.
    #[must_use]
    pub fn recognise(word: &str) -> Self {
        let bare = word.trim_ascii().as_bytes();
        match bare.len() {
            3 if same_word(bare, b"sts") => Self::Sts,
            4 if same_word(bare, b"tlsa") || same_word(bare, b"dane") => Self::Tlsa,
            15 if same_word(bare, b"no-policy-found") => Self::NoPolicyFound,
            _ => Self::Unknown(Text::new(word)),
        }
    }

    /// Whether the word is one of RFC 8460.
    #[must_use]
    pub fn is_registered(&self) -> bool {
        !matches!(self, Self::Unknown(_))
    }

    /// The number by which libtlsrpt names this type in its datagrams; none for `Unknown`.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Tlsa => Some(1),
            Self::Sts => Some(2),
            Self::NoPolicyFound => Some(9),
            Self::Unknown(_) => None,
        }
    }

    /// The type that libtlsrpt means by this number.
    #[must_use]
    pub fn from_code(code: u16) -> Option<Self> {
        Some(match code {
            1 => Self::Tlsa,
            2 => Self::Sts,
            9 => Self::NoPolicyFound,
            _ => return None,
        })
    }
}

/// Compares a reporter's word with a registered one (lower case, `-`): case and `_` make no difference.
fn same_word(word: &[u8], wire: &[u8]) -> bool {
    word.len() == wire.len()
        && word.iter().zip(wire).all(|(&have, &want)| {
            have == want || have.to_ascii_lowercase() == want || (want == b'-' && have == b'_')
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Proves: H4, H12
    #[test]
    fn every_registered_result_type_survives_the_wire() {
        for kind in ResultType::REGISTERED {
            assert_eq!(ResultType::from_wire(kind.as_wire()), kind);
            assert_eq!(ResultType::recognise(kind.as_wire()), kind);
            assert_eq!(ResultType::from_code(kind.code().unwrap()), Some(kind.clone()));
            assert!(kind.is_registered());
        }
        for kind in PolicyType::REGISTERED {
            assert_eq!(PolicyType::from_wire(kind.as_wire()), kind);
            assert_eq!(PolicyType::recognise(kind.as_wire()), kind);
            assert_eq!(PolicyType::from_code(kind.code().unwrap()), Some(kind.clone()));
        }
    }

    /// Proves: H13
    #[test]
    fn sloppy_spellings_are_recognised_and_near_misses_are_kept_as_text() {
        let rows = [
            (" STARTTLS_Not_Supported\t", Some(ResultType::StarttlsNotSupported)),
            ("Certificate-Expired", Some(ResultType::CertificateExpired)),
            ("STS-POLICY-FETCH-ERROR", Some(ResultType::StsPolicyFetchError)),
            ("sts_webpki_invalid", Some(ResultType::StsWebpkiInvalid)),
            ("sts-policy-fetch", None),
            ("certificate--expired", None),
            ("certificate expired", None),
            ("tlsa-invalis", None),
            ("", None),
            ("ſts-policy-invalid", None),
        ];
        for (word, expected) in rows {
            let expected = expected.unwrap_or_else(|| ResultType::Unknown(word.into()));
            assert_eq!(ResultType::recognise(word), expected, "{word:?}");
        }
        // The exact reader takes none of the slack.
        assert!(!ResultType::from_wire("Certificate-Expired").is_registered());
    }

    #[test]
    fn policy_types_are_recognised_by_their_common_names() {
        let rows = [
            ("STS", PolicyType::Sts),
            ("dane", PolicyType::Tlsa),
            ("DANE", PolicyType::Tlsa),
            ("no_policy_found", PolicyType::NoPolicyFound),
            ("No-Policy-Found ", PolicyType::NoPolicyFound),
            ("dane-only", PolicyType::Unknown("dane-only".into())),
            ("", PolicyType::Unknown("".into())),
        ];
        for (word, expected) in rows {
            assert_eq!(PolicyType::recognise(word), expected, "{word:?}");
        }
    }

    #[test]
    fn numbers_outside_the_table_name_no_result() {
        for code in [0, 200, 206, 300, 307, 901, u16::MAX] {
            assert_eq!(ResultType::from_code(code), None);
        }
        assert_eq!(ResultType::Unknown("x".into()).code(), None);
    }

    proptest! {
        #[test]
        fn any_text_is_recognised_or_kept(word in ".*") {
            let kind = ResultType::recognise(&word);
            prop_assert!(kind.is_registered() || kind.as_wire() == word);
            let kind = PolicyType::recognise(&word);
            prop_assert!(kind.is_registered() || kind.as_wire() == word);
        }
    }
}
