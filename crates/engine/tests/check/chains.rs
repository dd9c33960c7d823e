//! Certificates for the hosts of a made-up domain, and for those who get theirs wrong.

use bytes::Bytes;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use smtp_dane::pkix::TrustRoots;

/// 15 January 2027.
pub(crate) const NOW: i64 = 1_800_000_000;

/// An authority with a root and an intermediate.
pub(crate) struct Authority {
    root: Bytes,
    intermediate: Bytes,
    issuer: Issuer<'static, KeyPair>,
}

/// From when until when, as year, month, day.
pub(crate) type Period = ((i32, u8, u8), (i32, u8, u8));

/// Long around now.
pub(crate) const LONG: Period = ((2026, 1, 1), (2028, 1, 1));

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let ca = |name: String| {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.distinguished_name.push(DnType::CommonName, name);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2040, 1, 1);
            params
        };
        let root_key = KeyPair::generate().unwrap();
        let root_params = ca(format!("{name} Root"));
        let root = root_params.self_signed(&root_key).unwrap();
        let root_issuer = Issuer::new(root_params, root_key);
        let key = KeyPair::generate().unwrap();
        let params = ca(format!("{name} Issuing"));
        let intermediate = params.signed_by(&key, &root_issuer).unwrap();
        Self {
            root: Bytes::from(root.der().to_vec()),
            intermediate: Bytes::from(intermediate.der().to_vec()),
            issuer: Issuer::new(params, key),
        }
    }

    pub(crate) fn roots(&self) -> TrustRoots {
        TrustRoots::from_der(std::slice::from_ref(&self.root)).unwrap()
    }

    /// Leaf and intermediate.
    pub(crate) fn chain(&self, names: &[&str], period: Period) -> Vec<Bytes> {
        let key = KeyPair::generate().unwrap();
        let leaf = leaf(names, period).signed_by(&key, &self.issuer).unwrap();
        vec![Bytes::from(leaf.der().to_vec()), self.intermediate.clone()]
    }

    /// The root's own certificate behind the chain, as some servers send it.
    pub(crate) fn with_root(&self, mut chain: Vec<Bytes>) -> Vec<Bytes> {
        chain.push(self.root.clone());
        chain
    }
}

/// Signed by itself.
pub(crate) fn self_signed(names: &[&str]) -> Vec<Bytes> {
    let key = KeyPair::generate().unwrap();
    let leaf = leaf(names, LONG).self_signed(&key).unwrap();
    vec![Bytes::from(leaf.der().to_vec())]
}

fn leaf(names: &[&str], (from, until): Period) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name.push(DnType::CommonName, "a server");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.not_before = date_time_ymd(from.0, from.1, from.2);
    params.not_after = date_time_ymd(until.0, until.1, until.2);
    params
}
