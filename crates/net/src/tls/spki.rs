//! The public key in a certificate, found without a look at anything else: a probe must come through where a
//! certificate is old (X.509 version 1), odd or wrong, because the engine is to say what is wrong with it.

/// A public key as signatures are verified with it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PublicKey<'a> {
    /// The content of the AlgorithmIdentifier, as `rustls-pki-types` has it.
    pub(crate) algorithm: &'a [u8],
    /// The content of the bit string.
    pub(crate) key: &'a [u8],
}

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// RFC 5280 §4.1: Certificate { TBSCertificate { [0] version?, serialNumber, signature, issuer, validity, subject,
/// subjectPublicKeyInfo { algorithm, subjectPublicKey }, … }, … }. `None` if that shape is not there.
pub(crate) fn public_key(certificate: &[u8]) -> Option<PublicKey<'_>> {
    let mut certificate = Der(Der(certificate).take(SEQUENCE)?);
    let mut tbs = Der(certificate.take(SEQUENCE)?);
    if tbs.0.first() == Some(&VERSION) {
        tbs.take(VERSION)?;
    }
    tbs.take(INTEGER)?;
    for _ in ["signature", "issuer", "validity", "subject"] {
        tbs.take(SEQUENCE)?;
    }
    let mut info = Der(tbs.take(SEQUENCE)?);
    let algorithm = info.take(SEQUENCE)?;
    // The first octet counts the bits that are missing from the last one: none, in a key.
    let key = info.take(BIT_STRING)?.strip_prefix(&[0])?;
    Some(PublicKey { algorithm, key })
}

struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The content of the next element, if it has that tag and is all there.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&found, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            // A certificate message has less than 2^24 octets.
            0x81..=0x83 => {
                let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (octets.iter().fold(0, |length, octet| length << 8 | usize::from(*octet)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        (found == tag).then_some(content)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_key_of_a_certificate_is_found() {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::new(vec!["mx.example.com".to_owned()]).unwrap();
        let certificate = certificate.self_signed(&key).unwrap();
        let found = public_key(certificate.der()).unwrap();
        assert_eq!(found.key, rcgen::PublicKeyData::der_bytes(&key));
        assert_eq!(found.algorithm, &rustls_pki_types::alg_id::ECDSA_P256[..]);
    }

    proptest! {
        /// Nothing that a server presents makes the reader panic or read beyond the end.
        #[test]
        fn garbage_and_cut_certificates_have_no_key(cut in 0_usize..200, noise in any::<Vec<u8>>()) {
            let key = rcgen::KeyPair::generate().unwrap();
            let certificate = rcgen::CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap();
            let der = certificate.der();
            prop_assert!(public_key(&der[..cut.min(der.len() - 1)]).is_none());
            let _ = public_key(&noise);
        }
    }
}
