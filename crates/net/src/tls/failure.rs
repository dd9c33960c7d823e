//! What the TLS library and the socket say, in the words of the port.

use std::io;

use rustls::{AlertDescription, Error, PeerIncompatible};
use tlsward_engine::ports::TlsFailure;

/// A failure in the handshake.
pub(crate) fn early_failure(error: &io::Error) -> TlsFailure {
    if let Some(failure) = of_tls(error) {
        return failure;
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => TlsFailure::Closed,
        io::ErrorKind::TimedOut => TlsFailure::TimedOut,
        _ => TlsFailure::Protocol(error.to_string()),
    }
}

/// A failure of TLS that shows only after our half of the handshake: in TLS 1.3 a server that wants a certificate from
/// us says so in answer to it (RFC 8446 §4.4.2.4). `None` for anything that is not the handshake's.
pub(crate) fn late_failure(error: &(dyn std::error::Error + 'static)) -> Option<TlsFailure> {
    let mut error = Some(error);
    while let Some(current) = error {
        let io = current.downcast_ref::<io::Error>();
        if let Some(TlsFailure::Alert(alert)) = io.and_then(of_tls) {
            return Some(TlsFailure::Alert(alert));
        }
        error = current.source();
    }
    None
}

fn of_tls(error: &io::Error) -> Option<TlsFailure> {
    let error = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>())?;
    Some(match error {
        Error::AlertReceived(alert) => TlsFailure::Alert(alert_name(*alert)),
        Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::NoCipherSuitesInCommon
            | PeerIncompatible::NoKxGroupsInCommon
            | PeerIncompatible::NoSignatureSchemesInCommon,
        ) => TlsFailure::NothingInCommon { offered: None },
        Error::General(text) => TlsFailure::Protocol(text.clone()),
        other => TlsFailure::Protocol(other.to_string()),
    })
}

/// The name of an alert as RFC 8446 §6 and the registry write it.
fn alert_name(alert: AlertDescription) -> String {
    let name = match alert {
        AlertDescription::CloseNotify => "close_notify",
        AlertDescription::UnexpectedMessage => "unexpected_message",
        AlertDescription::BadRecordMac => "bad_record_mac",
        AlertDescription::DecryptionFailed => "decryption_failed",
        AlertDescription::RecordOverflow => "record_overflow",
        AlertDescription::DecompressionFailure => "decompression_failure",
        AlertDescription::HandshakeFailure => "handshake_failure",
        AlertDescription::NoCertificate => "no_certificate",
        AlertDescription::BadCertificate => "bad_certificate",
        AlertDescription::UnsupportedCertificate => "unsupported_certificate",
        AlertDescription::CertificateRevoked => "certificate_revoked",
        AlertDescription::CertificateExpired => "certificate_expired",
        AlertDescription::CertificateUnknown => "certificate_unknown",
        AlertDescription::IllegalParameter => "illegal_parameter",
        AlertDescription::UnknownCA => "unknown_ca",
        AlertDescription::AccessDenied => "access_denied",
        AlertDescription::DecodeError => "decode_error",
        AlertDescription::DecryptError => "decrypt_error",
        AlertDescription::ExportRestriction => "export_restriction",
        AlertDescription::ProtocolVersion => "protocol_version",
        AlertDescription::InsufficientSecurity => "insufficient_security",
        AlertDescription::InternalError => "internal_error",
        AlertDescription::InappropriateFallback => "inappropriate_fallback",
        AlertDescription::UserCanceled => "user_canceled",
        AlertDescription::NoRenegotiation => "no_renegotiation",
        AlertDescription::MissingExtension => "missing_extension",
        AlertDescription::UnsupportedExtension => "unsupported_extension",
        AlertDescription::CertificateUnobtainable => "certificate_unobtainable",
        AlertDescription::UnrecognisedName => "unrecognized_name",
        AlertDescription::BadCertificateStatusResponse => "bad_certificate_status_response",
        AlertDescription::BadCertificateHashValue => "bad_certificate_hash_value",
        AlertDescription::UnknownPSKIdentity => "unknown_psk_identity",
        AlertDescription::CertificateRequired => "certificate_required",
        AlertDescription::NoApplicationProtocol => "no_application_protocol",
        AlertDescription::EncryptedClientHelloRequired => "ech_required",
        other => return format!("{}", u8::from(other)),
    };
    name.to_owned()
}
