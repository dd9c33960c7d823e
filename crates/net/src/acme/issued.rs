//! The request for a certificate, and what came of it: it must be for the one name and for our key.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PublicKeyData as _};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use smtp_dane::certificate::Certificate;
use tlsward_engine::ports::certificates::{AuthorityFailure, IssuedChain, PrivateKey};
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::AuthorityKeyIdentifier;

/// Certificates of a chain.
const MOST_CERTIFICATES: usize = 10;

fn unusable(text: impl Into<String>) -> AuthorityFailure {
    AuthorityFailure::Unusable(text.into())
}

fn pair(key: &PrivateKey) -> Result<KeyPair, AuthorityFailure> {
    KeyPair::try_from(&PrivatePkcs8KeyDer::from(key.pkcs8()))
        .map_err(|error| unusable(format!("our own key cannot be used: {error}")))
}

/// The request (RFC 2986) in DER: the name alone, and nothing about whose it is.
pub(super) fn request(name: &str, key: &PrivateKey) -> Result<Vec<u8>, AuthorityFailure> {
    let no_request = |error: rcgen::Error| unusable(format!("no request can be made for {name}: {error}"));
    let mut params = CertificateParams::new(vec![name.to_owned()]).map_err(no_request)?;
    params.distinguished_name = DistinguishedName::new();
    let request = params.serialize_request(&pair(key)?).map_err(no_request)?;
    Ok(request.der().to_vec())
}

/// Reads a chain in PEM.
pub(super) fn read(pem: &str, name: &str, key: &PrivateKey) -> Result<IssuedChain, AuthorityFailure> {
    let mut chain = Vec::new();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|error| unusable(format!("the chain is no PEM: {error}")))?;
        if chain.len() == MOST_CERTIFICATES {
            return Err(unusable(format!("the chain has more than {MOST_CERTIFICATES} certificates")));
        }
        chain.push(certificate.to_vec());
    }
    let leaf = chain.first().ok_or_else(|| unusable("the chain has no certificate"))?;
    let read = Certificate::parse(leaf).map_err(|error| unusable(error.to_string()))?;
    if !read.dns_names.iter().any(|of| of == name) {
        return Err(unusable(format!("the certificate is not for {name}")));
    }
    if read.spki_sha256 != sha256(&pair(key)?.subject_public_key_info()) {
        return Err(unusable("the certificate is not for our key"));
    }
    if read.not_after <= read.not_before {
        return Err(unusable("the certificate is never valid"));
    }
    let ari_id = ari_id(leaf);
    Ok(IssuedChain { not_before: read.not_before, not_after: read.not_after, ari_id, chain })
}

/// RFC 9773 §4.1: the key identifier of the issuer and the serial number, as they stand in the DER.
fn ari_id(leaf: &[u8]) -> Option<String> {
    let certificate = x509_cert::Certificate::from_der(leaf).ok()?;
    let tbs = certificate.tbs_certificate();
    let (_, identifier) = tbs.get_extension::<AuthorityKeyIdentifier>().ok()??;
    let identifier = identifier.key_identifier?;
    Some(format!("{}.{}", base64url(identifier.as_bytes()), base64url(tbs.serial_number().as_bytes())))
}

pub(super) fn base64url(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut sum = [0; 32];
    sum.copy_from_slice(digest(&SHA256, bytes).as_ref());
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, IsCa, Issuer, KeyIdMethod, SerialNumber};

    fn key() -> (KeyPair, PrivateKey) {
        let pair = KeyPair::generate().unwrap();
        let key = PrivateKey::from_pkcs8(pair.serialize_der());
        (pair, key)
    }

    fn issue(pair: &KeyPair, name: &str, serial: &[u8]) -> String {
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_identifier_method = KeyIdMethod::PreSpecified(vec![0x69, 0x88, 0x5b]);
        let issuer = Issuer::new(ca, KeyPair::generate().unwrap());
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.serial_number = Some(SerialNumber::from_slice(serial));
        params.use_authority_key_identifier_extension = true;
        params.signed_by(pair, &issuer).unwrap().pem()
    }

    /// Proves: K7
    #[test]
    fn what_was_issued_must_be_for_the_name_and_the_key() {
        let (pair, ours) = key();
        let pem = issue(&pair, "mta-sts.a.test", &[0x00, 0x87, 0x65, 0x43, 0x21]);
        let chain = read(&pem, "mta-sts.a.test", &ours).unwrap();
        assert_eq!(chain.chain.len(), 1);
        // The serial's leading zero keeps it positive in DER, and belongs to the id (RFC 9773 §4.1).
        assert_eq!(chain.ari_id.as_deref(), Some("aYhb.AIdlQyE"));
        let refused = |name, key| read(&pem, name, key).unwrap_err().to_string();
        assert!(refused("mta-sts.b.test", &ours).contains("is not for mta-sts.b.test"));
        assert!(refused("mta-sts.a.test", &key().1).contains("not for our key"));
        assert!(read("", "mta-sts.a.test", &ours).is_err());
        assert!(read(&pem.repeat(11), "mta-sts.a.test", &ours).is_err());
    }

    #[test]
    fn a_request_is_made_for_any_policy_host() {
        let (_, ours) = key();
        assert!(request("mta-sts.xn--bcher-kva.example", &ours).is_ok());
        assert!(request("not a name \u{fc}", &ours).is_err());
    }
}
