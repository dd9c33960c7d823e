//! Made-up sessions, told as Postfix tells them.

mod counting;
mod fetching;
mod stretches;
mod verdicts;

use std::collections::BTreeMap;

use bytes::Bytes;
use mta_sts::policy::Mode;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use sha2::{Digest as _, Sha256};
use smtp_dane::pkix::TrustRoots;
use tls_rpt::{PolicyType, Text};

use super::*;
use crate::ports::{LoggedSession, LoggedTrust, SessionPeer, SessionPolicy};
use crate::report::Session;

/// 15 January 2027.
pub(super) const NOW: i64 = 1_800_000_000;
pub(super) const DOMAIN: &str = "a.test";
pub(super) const MX: &str = "mx.a.test";
pub(super) const MX2: &str = "mx2.a.test";
pub(super) const STRANGER: &str = "mx.elsewhere.test";

/// A root that is trusted, and one that is not.
pub(super) struct Pki {
    pub(super) roots: TrustRoots,
    trusted: Issuer<'static, KeyPair>,
    other: Issuer<'static, KeyPair>,
}

impl Pki {
    pub(super) fn new() -> Self {
        let (trusted, root) = authority("Trusted");
        let (other, _) = authority("Other");
        Self { roots: TrustRoots::from_der(&[root]).unwrap(), trusted, other }
    }

    pub(super) fn chain(&self, name: &str, last_year: i32) -> Vec<Bytes> {
        vec![leaf(name, last_year, &self.trusted)]
    }

    pub(super) fn untrusted(&self, name: &str) -> Vec<Bytes> {
        vec![leaf(name, 2030, &self.other)]
    }
}

fn authority(name: &str) -> (Issuer<'static, KeyPair>, Bytes) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2040, 1, 1);
    let key = KeyPair::generate().unwrap();
    let root = Bytes::from(params.self_signed(&key).unwrap().der().to_vec());
    (Issuer::new(params, key), root)
}

fn leaf(name: &str, last_year: i32, issuer: &Issuer<'_, KeyPair>) -> Bytes {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.not_before = date_time_ymd(2021, 1, 1);
    params.not_after = date_time_ymd(last_year, 1, 1);
    let key = KeyPair::generate().unwrap();
    Bytes::from(params.signed_by(&key, issuer).unwrap().der().to_vec())
}

pub(super) fn print_of(chain: &[Bytes]) -> [u8; 32] {
    Sha256::digest(&chain[0]).into()
}

pub(super) fn sts(mode: &str, mx: &[&str]) -> SessionPolicy {
    let mut strings = vec![Text::from("version: STSv1"), format!("mode: {mode}").into()];
    strings.extend(mx.iter().map(|host| Text::from(format!("mx: {host}"))));
    SessionPolicy {
        policy_type: PolicyType::Sts,
        domain: Some(DOMAIN.into()),
        strings,
        mx_hosts: mx.iter().map(|host| Text::from(*host)).collect(),
        failed: false,
        failures: Vec::new(),
    }
}

pub(super) fn no_policy() -> SessionPolicy {
    SessionPolicy {
        policy_type: PolicyType::NoPolicyFound,
        domain: None,
        strings: Vec::new(),
        mx_hosts: Vec::new(),
        failed: false,
        failures: Vec::new(),
    }
}

pub(super) fn event(policy: SessionPolicy) -> SessionEvent {
    SessionEvent {
        at: None,
        domain: DOMAIN.into(),
        tlsrpt_record: Some("v=TLSRPTv1; rua=mailto:r@a.test".into()),
        policies: vec![policy],
        count: 1,
        peer: SessionPeer::default(),
    }
}

pub(super) fn datagram(at: i64, policy: SessionPolicy) -> Told {
    Told { at, what: What::Datagram(event(policy)) }
}

pub(super) fn line(at: i64, host: &str, fingerprint: Option<[u8; 32]>, trust: Option<LoggedTrust>) -> Told {
    let peer = SessionPeer { mx_host: Some(host.into()), address: Some([192, 0, 2, 1].into()), fingerprint };
    let session =
        LoggedSession { at: None, domain: DOMAIN.into(), peer, trust, failed: false, failure_type: None };
    Told { at, what: What::Log(MtaLogEvent::Session(session)) }
}

pub(super) fn trusted(at: i64, host: &str, fingerprint: [u8; 32]) -> Told {
    line(at, host, Some(fingerprint), Some(LoggedTrust::Trusted))
}

/// What a table says.
#[derive(Default)]
pub(super) struct Table(pub(super) BTreeMap<String, Standing>);

impl PolicyHosts for Table {
    fn standing(&self, domain: &str, _: UnixTime) -> Option<Standing> {
        self.0.get(domain).cloned()
    }
}

pub(super) fn in_force(mode: Mode, mx: &[&str]) -> InForce {
    let policy = sts(mode.as_wire(), mx);
    InForce { mode, lines: policy.strings, mx: policy.mx_hosts }
}

/// Successes, failures and unjudged sessions.
pub(super) fn counts<'s>(heard: impl IntoIterator<Item = &'s Session>) -> (u64, u64, u64) {
    let mut counts = (0, 0, 0);
    for session in heard {
        match session.met {
            Some(true) => counts.0 += session.count,
            Some(false) => counts.1 += session.count,
            None => counts.2 += session.count,
        }
    }
    counts
}

/// Result types with their reasons.
pub(super) fn failures(heard: &[Session]) -> Vec<(&str, Option<&str>)> {
    let all = heard.iter().flat_map(|session| &session.failures);
    all.map(|failure| (failure.result.as_wire(), failure.reason.as_deref())).collect()
}
