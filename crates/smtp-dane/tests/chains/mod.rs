//! Certificate authorities and chains for the tests, made on the spot.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "helpers; each test file uses its own part"
)]

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    SignatureAlgorithm, date_time_ymd,
};
use smtp_dane::pkix::TrustRoots;

/// 2026-06-01T00:00:00Z: now, in all tests.
pub const NOW: i64 = 1_780_272_000;
/// 2026-01-01T00:00:00Z and 2027-01-01T00:00:00Z.
pub const START: i64 = 1_767_225_600;
pub const END: i64 = 1_798_761_600;

pub type Der = Vec<u8>;

/// A CA with its certificate.
pub struct Ca {
    pub der: Der,
    pub spki: Der,
    params: CertificateParams,
    key: KeyPair,
}

pub fn key() -> KeyPair {
    KeyPair::generate().unwrap()
}

/// Years in which it is valid: from the first of January of one to that of the other.
pub type Years = (i32, i32);
pub const CURRENT: Years = (2026, 2027);
pub const PAST: Years = (2024, 2025);
pub const FUTURE: Years = (2028, 2029);

pub fn params(common_name: &str, names: &[&str], years: Years) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = date_time_ymd(years.0, 1, 1);
    params.not_after = date_time_ymd(years.1, 1, 1);
    params
}

pub fn ca_params(name: &str, years: Years) -> CertificateParams {
    let mut params = params(name, &[], years);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

impl Ca {
    pub fn root(name: &str) -> Self {
        Self::self_signed(ca_params(name, (2020, 2040)), key())
    }

    pub fn self_signed(params: CertificateParams, key: KeyPair) -> Self {
        let certificate = params.self_signed(&key).unwrap();
        Self::assemble(certificate.der().to_vec(), params, key)
    }

    pub fn below(&self, name: &str) -> Self {
        self.below_with(ca_params(name, (2020, 2040)), key())
    }

    pub fn below_with(&self, params: CertificateParams, key: KeyPair) -> Self {
        let der = self.sign(&params, &key);
        Self::assemble(der, params, key)
    }

    fn assemble(der: Der, params: CertificateParams, key: KeyPair) -> Self {
        use rcgen::PublicKeyData as _;

        let spki = key.subject_public_key_info();
        Self { der, spki, params, key }
    }

    pub fn sign(&self, params: &CertificateParams, key: &KeyPair) -> Der {
        let issuer = Issuer::from_params(&self.params, &self.key);
        params.signed_by(key, &issuer).unwrap().der().to_vec()
    }

    /// A leaf for `names`.
    pub fn leaf(&self, names: &[&str], years: Years) -> Der {
        self.sign(&params("leaf", names, years), &key())
    }

    pub fn leaf_with(&self, algorithm: &'static SignatureAlgorithm) -> Der {
        self.sign(&params("leaf", &[HOST], CURRENT), &KeyPair::generate_for(algorithm).unwrap())
    }

    pub fn key_again(&self) -> KeyPair {
        KeyPair::try_from(self.key.serialize_der()).unwrap()
    }
}

pub const HOST: &str = "mx.example.org";

pub fn roots(cas: &[&Ca]) -> TrustRoots {
    let ders: Vec<&Der> = cas.iter().map(|ca| &ca.der).collect();
    TrustRoots::from_der(&ders).unwrap()
}
