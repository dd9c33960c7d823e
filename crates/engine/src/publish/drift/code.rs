//! Codes of differences, which never change.

use serde::{Serialize, Serializer};

use crate::check::Code;

/// What can differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DriftCode {
    /// The record that announces the policy is not there.
    RecordMissing,
    /// It has an id that is not the one it should have.
    RecordOtherId,
    /// A policy is served that is not the one that should be.
    PolicyDiffers,
    /// No policy can be had where one should be.
    PolicyMissing,
    /// The policy host leads elsewhere.
    HostElsewhere,
    /// The record that asks for reports is not there.
    ReportingMissing,
    /// A destination for reports is not in it.
    RuaMissing,
    /// It has a destination that the owner did not name.
    RuaForeign,
    /// Senders that hold to the policy deliver to no MX host that DNS names.
    NoMxInPolicy,
    /// A fault that a check finds on its own.
    Check(Code),
}

impl DriftCode {
    /// As written in JSON: kebab-case, stable. Those of a check are its own.
    #[must_use]
    pub fn as_wire(self) -> &'static str {
        match self {
            Self::RecordMissing => "record-missing",
            Self::RecordOtherId => "record-other-id",
            Self::PolicyDiffers => "policy-differs",
            Self::PolicyMissing => "policy-missing",
            Self::HostElsewhere => "policy-host-elsewhere",
            Self::ReportingMissing => "reporting-missing",
            Self::RuaMissing => "rua-missing",
            Self::RuaForeign => "rua-foreign",
            Self::NoMxInPolicy => "no-mx-in-policy",
            Self::Check(code) => code.as_wire(),
        }
    }
}

impl Serialize for DriftCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_wire())
    }
}

/// Faults that a check finds on its own and that concern what is published here. What it says of MX hosts and of the
/// owner's choices (mode, max_age, wildcards) is not drift.
pub(super) fn is_ours(code: Code) -> bool {
    use Code as C;
    matches!(
        code,
        C::DnsFailed
            | C::DnsBogus
            | C::StsRecordAtWrongName
            | C::StsRecordMultiple
            | C::StsRecordMalformed
            | C::StsRecordIdInvalid
            | C::StsRecordSpacedVersion
            | C::StsRecordSpaceAtEnd
            | C::StsRecordDuplicateField
            | C::StsRecordDanglingAlias
            | C::PolicyHostMissing
            | C::PolicyHostDanglingAlias
            | C::PolicyHostPrivateAddress
            | C::PolicyHostUnreachable
            | C::PolicyHostSlow
            | C::PolicyHostTlsFailed
            | C::PolicyHttpBroken
            | C::PolicyHttpStatus
            | C::PolicyRedirect
            | C::PolicyHtml
            | C::PolicyMediaType
            | C::PolicyCompressed
            | C::PolicyTooLarge
            | C::PolicyAddressesDiffer
            | C::PolicyCertificateExpired
            | C::PolicyCertificateExpiresSoon
            | C::PolicyCertificateNotYetValid
            | C::PolicyCertificateNameMismatch
            | C::PolicyCertificateSelfSigned
            | C::PolicyCertificateChainIncomplete
            | C::PolicyCertificateNotTrusted
            | C::PolicyCertificateInvalid
            | C::TlsrptAtWrongName
            | C::TlsrptMultiple
            | C::TlsrptMalformed
            | C::TlsrptNotStrict
            | C::TlsrptSpacedVersion
            | C::TlsrptDanglingAlias
    )
}
