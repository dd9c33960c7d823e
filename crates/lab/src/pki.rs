//! The authorities of the world, and the certificates they sign: specs in, DER out. Each certificate is made once,
//! when it is first shown, so that a world may hold as many as it likes.
//!
//! What can fail: the making of a key, and a name that no certificate can hold.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PublicKeyData, SerialNumber,
};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use sha2::{Digest, Sha256, Sha512};
use tlsward_engine::ports::RecordData;

use crate::world::{CertificateSpec, Issuer, UnixTime};

/// Why a certificate could not be made.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the certificate for {names} cannot be made: {reason}")]
pub struct PkiError {
    names: String,
    reason: String,
}

/// A certificate, ready to be shown.
#[derive(Debug)]
pub struct Issued {
    /// As presented, leaf first, in DER.
    pub chain: Vec<Bytes>,
    /// The leaf's private key, PKCS #8 in DER.
    pub key: Vec<u8>,
    certified: OnceLock<Option<Arc<rustls::sign::CertifiedKey>>>,
}

impl Issued {
    /// For a server of real TLS.
    #[must_use]
    pub fn certified(&self) -> Option<Arc<rustls::sign::CertifiedKey>> {
        let make = || {
            let key = PrivatePkcs8KeyDer::from(self.key.clone()).into();
            let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).ok()?;
            let chain = self.chain.iter().map(|der| CertificateDer::from(der.to_vec())).collect();
            Some(Arc::new(rustls::sign::CertifiedKey::new(chain, key)))
        };
        self.certified.get_or_init(make).clone()
    }
}

/// The authorities, and what they issued.
#[derive(Debug, Default)]
pub struct Pki {
    authorities: OnceLock<Result<Authorities, PkiError>>,
    keys: Mutex<BTreeMap<u8, Arc<KeyPair>>>,
    issued: Mutex<BTreeMap<CertificateSpec, Arc<Issued>>>,
}

#[derive(Debug)]
struct Authorities {
    trusted: Authority,
    untrusted: Authority,
}

/// A root, and the intermediate under it that signs.
#[derive(Debug)]
struct Authority {
    root: rcgen::Certificate,
    intermediate: rcgen::Certificate,
    intermediate_params: CertificateParams,
    intermediate_key: KeyPair,
}

impl Pki {
    /// None has been issued yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The root that everybody in the world trusts, in DER.
    ///
    /// # Errors
    /// When no key could be made.
    pub fn trusted_root(&self) -> Result<CertificateDer<'static>, PkiError> {
        Ok(self.authorities()?.trusted.root.der().clone())
    }

    /// The same in PEM, as a file of trust roots.
    ///
    /// # Errors
    /// When no key could be made.
    pub fn trusted_root_pem(&self) -> Result<String, PkiError> {
        Ok(self.authorities()?.trusted.root.pem())
    }

    /// The certificate with its chain and key, made now if it was not yet.
    ///
    /// # Errors
    /// When it cannot be made of its names.
    pub fn issue(&self, spec: &CertificateSpec) -> Result<Arc<Issued>, PkiError> {
        if let Some(issued) = lock(&self.issued).get(spec) {
            return Ok(Arc::clone(issued));
        }
        let issued = Arc::new(self.make(spec).map_err(|error| PkiError::new(&spec.names, &error))?);
        lock(&self.issued).insert(spec.clone(), Arc::clone(&issued));
        Ok(issued)
    }

    /// A TLSA record for a server that shows this certificate. Usages 0 and 2 are about the intermediate that
    /// signed it, 1 and 3 about itself; selector 0 is the certificate, 1 its key; matching type 0 is in full, 1
    /// SHA-256, 2 SHA-512 (RFC 6698 §2.1).
    ///
    /// # Errors
    /// When the certificate cannot be made.
    pub fn tlsa(
        &self,
        spec: &CertificateSpec,
        usage: u8,
        selector: u8,
        matching: u8,
    ) -> Result<RecordData, PkiError> {
        let of_authority = matches!(usage, 0 | 2) && spec.issuer != Issuer::SelfSigned;
        let subject = match (selector, of_authority) {
            (0, false) => self.issue(spec)?.chain[0].to_vec(),
            (0, true) => self.authority(spec.issuer)?.intermediate.der().to_vec(),
            (_, false) => self.key(spec.key)?.subject_public_key_info(),
            (_, true) => self.authority(spec.issuer)?.intermediate_key.subject_public_key_info(),
        };
        let data = match matching {
            1 => Sha256::digest(&subject).to_vec(),
            2 => Sha512::digest(&subject).to_vec(),
            _ => subject,
        };
        Ok(RecordData::Tlsa { usage, selector, matching, data })
    }

    fn make(&self, spec: &CertificateSpec) -> Result<Issued, rcgen::Error> {
        let key = self.key(spec.key).map_err(|_| rcgen::Error::KeyGenerationUnavailable)?;
        let mut params = CertificateParams::new(spec.names.clone())?;
        params.not_before = rcgen::date_time_ymd(1970, 1, 1) + since_1970(spec.not_before);
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + since_1970(spec.not_after);
        params.distinguished_name = DistinguishedName::new();
        if let Some(name) = &spec.common_name {
            params.distinguished_name.push(DnType::CommonName, name.as_str());
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.serial_number = Some(serial(spec));
        params.use_authority_key_identifier_extension = true;

        let mut chain = Vec::new();
        if spec.issuer == Issuer::SelfSigned {
            chain.push(bytes_of(&params.self_signed(&*key)?));
        } else {
            let authority =
                self.authority(spec.issuer).map_err(|_| rcgen::Error::KeyGenerationUnavailable)?;
            let issuer =
                rcgen::Issuer::from_params(&authority.intermediate_params, &authority.intermediate_key);
            chain.push(bytes_of(&params.signed_by(&*key, &issuer)?));
            if spec.with_intermediate {
                chain.push(bytes_of(&authority.intermediate));
            }
        }
        Ok(Issued { chain, key: key.serialize_der(), certified: OnceLock::new() })
    }

    fn authority(&self, issuer: Issuer) -> Result<&Authority, PkiError> {
        let authorities = self.authorities()?;
        Ok(if issuer == Issuer::Trusted { &authorities.trusted } else { &authorities.untrusted })
    }

    fn authorities(&self) -> Result<&Authorities, PkiError> {
        let make = || {
            let trusted = Authority::new("Lab")?;
            let untrusted = Authority::new("Nobody's")?;
            Ok(Authorities { trusted, untrusted })
        };
        let failed = |error: rcgen::Error| PkiError::new(&[], &error);
        self.authorities.get_or_init(|| make().map_err(failed)).as_ref().map_err(Clone::clone)
    }

    fn key(&self, number: u8) -> Result<Arc<KeyPair>, PkiError> {
        let mut keys = lock(&self.keys);
        if let Some(key) = keys.get(&number) {
            return Ok(Arc::clone(key));
        }
        let key = Arc::new(KeyPair::generate().map_err(|error| PkiError::new(&[], &error))?);
        keys.insert(number, Arc::clone(&key));
        Ok(key)
    }
}

impl PkiError {
    fn new(names: &[String], error: &rcgen::Error) -> Self {
        let names = if names.is_empty() { "an authority".to_owned() } else { names.join(", ") };
        Self { names, reason: error.to_string() }
    }
}

impl Authority {
    fn new(name: &str) -> Result<Self, rcgen::Error> {
        let root_key = KeyPair::generate()?;
        let root_params = authority_params(&format!("{name} Root"), BasicConstraints::Constrained(1));
        let root = root_params.self_signed(&root_key)?;
        let intermediate_key = KeyPair::generate()?;
        let intermediate_params =
            authority_params(&format!("{name} Intermediate"), BasicConstraints::Constrained(0));
        let issuer = rcgen::Issuer::from_params(&root_params, &root_key);
        let intermediate = intermediate_params.signed_by(&intermediate_key, &issuer)?;
        Ok(Self { root, intermediate, intermediate_params, intermediate_key })
    }
}

fn authority_params(name: &str, constraints: BasicConstraints) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(constraints);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    params.not_after = rcgen::date_time_ymd(2099, 1, 1);
    params
}

fn bytes_of(certificate: &rcgen::Certificate) -> Bytes {
    Bytes::copy_from_slice(certificate.der())
}

/// Equal specs, equal serial numbers.
fn serial(spec: &CertificateSpec) -> SerialNumber {
    let digest = Sha256::digest(format!("{spec:?}").as_bytes());
    let mut serial = digest[..16].to_vec();
    // Positive, and no leading zero (RFC 5280 §4.1.2.2).
    serial[0] = serial[0] & 0x7f | 0x01;
    SerialNumber::from(serial)
}

/// Times before 1970 are 1970.
fn since_1970(at: UnixTime) -> Duration {
    Duration::from_secs(at.max(0).unsigned_abs())
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
