//! Accepts every chain, and no handshake that its key did not sign.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::{DigitallySignedStruct, Error, PeerMisbehaved, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::spki::{PublicKey, public_key};

/// The verifier. The chain itself is taken from the session afterwards.
#[derive(Debug)]
pub(crate) struct RecordsOnly {
    algorithms: WebPkiSupportedAlgorithms,
}

impl RecordsOnly {
    pub(crate) fn new(provider: &CryptoProvider) -> Self {
        Self { algorithms: provider.signature_verification_algorithms }
    }

    /// As the TLS library would with a certificate that it can read; `first_only` where a scheme names the curve
    /// (TLS 1.3, RFC 8446 §4.2.3).
    fn verify(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
        first_only: bool,
    ) -> Result<HandshakeSignatureValid, Error> {
        let unasked = || Error::PeerMisbehaved(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme);
        let mapping = self.algorithms.mapping.iter().find(|(scheme, _)| *scheme == signed.scheme);
        let (_, algorithms) = mapping.ok_or_else(unasked)?;
        let algorithms = if first_only { algorithms.get(..1).unwrap_or_default() } else { algorithms };
        let key = public_key(certificate)
            .ok_or_else(|| Error::General("the key in the certificate cannot be read".to_owned()))?;
        let fitting = algorithms.iter().find(|algorithm| *algorithm.public_key_alg_id() == *key.algorithm);
        let algorithm = fitting.ok_or_else(|| {
            Error::General(
                "the handshake is signed in another way than the key in the certificate could".to_owned(),
            )
        })?;
        match algorithm.verify_signature(key.key, message, signed.signature()) {
            Ok(()) => Ok(HandshakeSignatureValid::assertion()),
            Err(_) => Err(Error::General(refusal(&key))),
        }
    }
}

/// RSA keys under 2048 bits verify nothing in the library; told apart, because it is a fault that an owner can mend.
fn refusal(key: &PublicKey<'_>) -> String {
    // SEQUENCE { INTEGER modulus, INTEGER exponent }: a key of 2048 bits has 266 octets and more, one under it twelve
    // beside its modulus, with the usual exponent.
    let rsa = *key.algorithm == *rustls_pki_types::alg_id::RSA_ENCRYPTION;
    if rsa && key.key.len() < 266 {
        let bits = key.key.len().saturating_sub(12) * 8;
        format!(
            "the RSA key in the certificate has about {bits} bits, and under 2048 are not accepted any more"
        )
    } else {
        "the handshake is not signed by the key in the certificate".to_owned()
    }
}

impl ServerCertVerifier for RecordsOnly {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify(message, certificate, signed, false)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        // RFC 8446 §4.4.3: no PKCS #1 v1.5 and no SHA-1 here.
        let forbidden = matches!(
            signed.scheme,
            SignatureScheme::RSA_PKCS1_SHA256
                | SignatureScheme::RSA_PKCS1_SHA384
                | SignatureScheme::RSA_PKCS1_SHA512
        );
        if forbidden {
            return Err(Error::PeerMisbehaved(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme));
        }
        self.verify(message, certificate, signed, true)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_rsa_key_that_is_too_short_is_named_as_such() {
        let rsa = |octets: usize| {
            let key = vec![0; octets];
            refusal(&PublicKey { algorithm: &rustls_pki_types::alg_id::RSA_ENCRYPTION, key: &key })
        };
        assert!(rsa(140).contains("about 1024 bits"), "{}", rsa(140));
        assert!(rsa(270).contains("not signed by the key"), "{}", rsa(270));
        let ecdsa = PublicKey { algorithm: &rustls_pki_types::alg_id::ECDSA_P256, key: &[4; 65] };
        assert!(refusal(&ecdsa).contains("not signed by the key"));
    }
}
