//! A domain in one line: the builder makes it healthy, and notes which hosts and addresses are its own, so that a
//! fault knows where to strike.

use std::net::IpAddr;

use tlsward_engine::ports::{RecordData, RecordKind};

use super::certificate::CertificateSpec;
use super::machine::{HttpsService, Page, Site, SmtpService};
use super::zone::Signing;
use super::{UnixTime, World};
use crate::pki::PkiError;

/// The path of every policy.
pub const POLICY_PATH: &str = "/.well-known/mta-sts.txt";

/// What the world knows of a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain {
    /// Its name.
    pub name: String,
    /// Its MX hosts, as built: the best one first.
    pub mx: Vec<MxHost>,
    /// Its policy host, if it has one.
    pub policy_host: Option<PolicyHost>,
    /// The id in its record.
    pub policy_id: String,
    /// The policy it serves, if any.
    pub policy: Option<Policy>,
    /// Where reports about it go.
    pub rua: Vec<String>,
}

impl Domain {
    /// Whether one of its MX hosts stands at this address.
    #[must_use]
    pub fn has_mx_at(&self, address: IpAddr) -> bool {
        self.mx.iter().any(|mx| mx.addresses.contains(&address))
    }
}

/// An MX host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MxHost {
    /// Its name.
    pub host: String,
    /// Of its MX record.
    pub preference: u16,
    /// Where it stands.
    pub addresses: Vec<IpAddr>,
}

/// The host of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyHost {
    /// Its name.
    pub host: String,
    /// Where it stands.
    pub addresses: Vec<IpAddr>,
}

/// A policy, before it is text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its mode.
    pub mode: Mode,
    /// Its patterns.
    pub mx: Vec<String>,
    /// In seconds.
    pub max_age: u64,
}

/// Mode of a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `enforce`
    Enforce,
    /// `testing`
    Testing,
    /// `none`
    None,
}

impl Mode {
    /// As written in a policy.
    #[must_use]
    pub fn as_wire(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Testing => "testing",
            Self::None => "none",
        }
    }
}

impl Policy {
    /// As served.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("version: STSv1\r\nmode: {}\r\n", self.mode.as_wire());
        for pattern in &self.mx {
            text.push_str("mx: ");
            text.push_str(pattern);
            text.push_str("\r\n");
        }
        text.push_str(&format!("max_age: {}\r\n", self.max_age));
        text
    }
}

/// What kind of DANE a domain has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dane {
    None,
    Ee,
    Ta,
}

/// A domain on its way into the world. Unless told otherwise it has one MX host with one IPv4 address (and an
/// IPv6 one where the world has them), an `enforce` policy of four weeks that lists its MX hosts, reports by mail
/// to itself, and a zone that is not signed.
#[derive(Debug)]
pub struct DomainPlan<'a> {
    world: &'a mut World,
    name: String,
    mx_hosts: Vec<String>,
    borrowed_mx: Vec<MxHost>,
    v4_per_host: usize,
    mode: Option<Mode>,
    max_age: u64,
    policy_id: String,
    rua: Option<Vec<String>>,
    signing: Signing,
    dane: Dane,
    policy_address: Vec<IpAddr>,
}

impl<'a> DomainPlan<'a> {
    pub(super) fn new(world: &'a mut World, name: &str) -> Self {
        Self {
            world,
            name: name.to_owned(),
            mx_hosts: vec![format!("mx1.{name}")],
            borrowed_mx: Vec::new(),
            v4_per_host: 1,
            mode: Some(Mode::Enforce),
            max_age: 28 * 86_400,
            policy_id: "20260101000000".to_owned(),
            rua: None,
            signing: Signing::Unsigned,
            dane: Dane::None,
            policy_address: Vec::new(),
        }
    }

    /// So many MX hosts: `mx1.` and up, under the domain.
    #[must_use]
    pub fn mx(mut self, count: usize) -> Self {
        self.mx_hosts = (1..=count).map(|index| format!("mx{index}.{}", self.name)).collect();
        self
    }

    /// MX hosts that are in the world already, of another domain: hosted mail.
    #[must_use]
    pub fn hosted_by(mut self, provider: &str) -> Self {
        self.mx_hosts.clear();
        if let Some(provider) = self.world.domains.get(provider) {
            self.borrowed_mx.clone_from(&provider.mx);
        }
        self
    }

    /// So many IPv4 addresses for each host.
    #[must_use]
    pub fn addresses(mut self, v4_per_host: usize) -> Self {
        self.v4_per_host = v4_per_host;
        self
    }

    /// A policy of this mode.
    #[must_use]
    pub fn policy(mut self, mode: Mode) -> Self {
        self.mode = Some(mode);
        self
    }

    /// No policy, no record, no policy host.
    #[must_use]
    pub fn no_policy(mut self) -> Self {
        self.mode = None;
        self
    }

    /// In seconds.
    #[must_use]
    pub fn max_age(mut self, seconds: u64) -> Self {
        self.max_age = seconds;
        self
    }

    /// The id in the record.
    #[must_use]
    pub fn policy_id(mut self, id: &str) -> Self {
        id.clone_into(&mut self.policy_id);
        self
    }

    /// Reports go here; nowhere if empty.
    #[must_use]
    pub fn rua(mut self, rua: &[&str]) -> Self {
        self.rua = Some(rua.iter().map(|uri| (*uri).to_owned()).collect());
        self
    }

    /// A signed zone.
    #[must_use]
    pub fn signed(mut self) -> Self {
        self.signing = Signing::Signed;
        self
    }

    /// A signed zone with TLSA records for every MX host of its own: 3 1 1, the host's key.
    #[must_use]
    pub fn dane(mut self) -> Self {
        self.dane = Dane::Ee;
        self.signed()
    }

    /// As [`DomainPlan::dane`], with 2 1 1: the key of the authority that signed the host's certificate.
    #[must_use]
    pub fn dane_ta(mut self) -> Self {
        self.dane = Dane::Ta;
        self.signed()
    }

    /// The policy host stands at these addresses, with others.
    #[must_use]
    pub fn policy_at(mut self, addresses: &[IpAddr]) -> Self {
        self.policy_address = addresses.to_vec();
        self
    }

    /// Puts it into the world.
    ///
    /// # Errors
    /// Only with DANE: when a certificate cannot be made of the names.
    pub fn add(self) -> Result<(), PkiError> {
        let Self { world, name, v4_per_host, .. } = self;
        world.ensure_zone(&name, self.signing);
        let now = world.now;

        let mut mx = self.borrowed_mx;
        for (index, host) in self.mx_hosts.iter().enumerate() {
            let addresses = world.add_host(host, v4_per_host);
            let certificate = CertificateSpec::healthy(&[host], now);
            add_tlsa(world, host, &certificate, self.dane)?;
            for address in &addresses {
                world.machine(*address).smtp = Some(SmtpService::healthy(host, certificate.clone()));
            }
            let preference = u16::try_from(index + 1).unwrap_or(u16::MAX).saturating_mul(10);
            mx.push(MxHost { host: host.clone(), preference, addresses });
        }
        let records: Vec<(u16, &str)> = mx.iter().map(|mx| (mx.preference, mx.host.as_str())).collect();
        world.node(&name).set_mx(&records);

        let rua = self.rua.unwrap_or_else(|| vec![format!("mailto:tlsrpt@{name}")]);
        let report_record = format!("v=TLSRPTv1; rua={}", rua.join(","));
        if !rua.is_empty() {
            world.set_txt(&format!("_smtp._tls.{name}"), &[&report_record]);
            if self.dane != Dane::None {
                // RFC 8460 §1.1: about DANE is reported under the TLSA base domain.
                for host in &self.mx_hosts {
                    world.set_txt(&format!("_smtp._tls.{host}"), &[&report_record]);
                }
            }
        }

        let policy = self.mode.map(|mode| Policy {
            mode,
            mx: mx.iter().map(|mx| mx.host.clone()).collect(),
            max_age: self.max_age,
        });
        let domain = Domain {
            name: name.clone(),
            mx,
            policy_host: None,
            policy_id: self.policy_id.clone(),
            policy: None,
            rua,
        };
        world.domains.insert(name.clone(), domain);
        if let Some(policy) = policy {
            world.host_policy(&name, &self.policy_address, v4_per_host);
            world.publish(&name, &self.policy_id, policy);
        }
        Ok(())
    }
}

fn add_tlsa(
    world: &mut World,
    host: &str,
    certificate: &CertificateSpec,
    dane: Dane,
) -> Result<(), PkiError> {
    let usage = match dane {
        Dane::None => return Ok(()),
        Dane::Ee => 3,
        Dane::Ta => 2,
    };
    let record = world.pki.tlsa(certificate, usage, 1, 1)?;
    world.node(&format!("_25._tcp.{host}")).set(RecordKind::Tlsa, vec![record]);
    Ok(())
}

impl World {
    /// Sets up the policy host of `domain`: at these addresses, or at fresh ones.
    pub fn host_policy(&mut self, domain: &str, at: &[IpAddr], v4_count: usize) {
        let host = format!("mta-sts.{domain}");
        let addresses = if at.is_empty() { self.add_host(&host, v4_count) } else { at.to_vec() };
        self.set_addresses(&host, &addresses);
        let certificate = CertificateSpec::healthy(&[&host], self.now);
        for address in &addresses {
            let service = self
                .machine(*address)
                .https
                .get_or_insert_with(|| HttpsService::healthy(certificate.clone()));
            service.tls.by_name.insert(host.clone(), certificate.clone());
        }
        if let Some(entry) = self.domains.get_mut(domain) {
            entry.policy_host = Some(PolicyHost { host, addresses });
        }
    }

    /// Serves `policy` for `domain` and announces it under `id`.
    pub fn publish(&mut self, domain: &str, id: &str, policy: Policy) {
        self.serve(domain, &Page::text(policy.text()));
        self.announce(domain, id);
        if let Some(entry) = self.domains.get_mut(domain) {
            entry.policy = Some(policy);
        }
    }

    /// Serves this page in place of the policy of `domain`, at every address of its policy host.
    pub fn serve(&mut self, domain: &str, page: &Page) {
        self.edit_sites(domain, |site| {
            site.pages.insert(POLICY_PATH.to_owned(), page.clone());
        });
    }

    /// Edits what the policy host of `domain` has, at each of its addresses.
    pub fn edit_sites(&mut self, domain: &str, edit: impl Fn(&mut Site)) {
        self.edit_policy_hosts(domain, |service, host| {
            edit(service.sites.entry(host.to_owned()).or_default());
        });
    }

    /// Edits the policy host of `domain`, at each of its addresses.
    pub fn edit_policy_hosts(&mut self, domain: &str, edit: impl Fn(&mut HttpsService, &str)) {
        let Some(PolicyHost { host, addresses }) =
            self.domains.get(domain).and_then(|entry| entry.policy_host.clone())
        else {
            return;
        };
        for address in addresses {
            if let Some(service) = self.machine(address).https.as_mut() {
                edit(service, &host);
            }
        }
    }

    /// Edits one MX host of `domain` (counted from 0), at each of its addresses.
    pub fn edit_mx(&mut self, domain: &str, index: usize, edit: impl Fn(&mut SmtpService)) {
        let Some(mx) = self.domains.get(domain).and_then(|entry| entry.mx.get(index)).cloned() else {
            return;
        };
        for address in mx.addresses {
            if let Some(service) = self.machine(address).smtp.as_mut() {
                edit(service);
            }
        }
    }

    /// Edits the certificate of one MX host of `domain`, at each of its addresses.
    pub fn edit_mx_certificate(
        &mut self,
        domain: &str,
        index: usize,
        edit: impl Fn(&mut CertificateSpec, UnixTime),
    ) {
        let now = self.now;
        self.edit_mx(domain, index, |service| {
            if let Some(certificate) = service.tls.otherwise.as_mut() {
                edit(certificate, now);
            }
        });
    }

    /// Edits the certificate of the policy host of `domain`, at each of its addresses.
    pub fn edit_policy_certificate(&mut self, domain: &str, edit: impl Fn(&mut CertificateSpec, UnixTime)) {
        let now = self.now;
        self.edit_policy_hosts(domain, |service, host| {
            if let Some(certificate) = service.tls.by_name.get_mut(host) {
                edit(certificate, now);
            }
        });
    }

    /// Adds a healthy MX host to `domain`, with one IPv4 address; the policy stays as it is.
    pub fn add_mx(&mut self, domain: &str, host: &str, preference: u16) {
        let addresses = self.add_host(host, 1);
        let certificate = CertificateSpec::healthy(&[host], self.now);
        for address in &addresses {
            self.machine(*address).smtp = Some(SmtpService::healthy(host, certificate.clone()));
        }
        let record = RecordData::Mx { preference, exchange: host.to_owned() };
        let node = self.node(domain);
        let mut records = node.sets.get(&RecordKind::Mx).map(|set| set.records.clone()).unwrap_or_default();
        records.push(record);
        node.set(RecordKind::Mx, records);
        if let Some(entry) = self.domains.get_mut(domain) {
            entry.mx.push(MxHost { host: host.to_owned(), preference, addresses });
        }
    }

    /// Puts the `_mta-sts` record of `domain` in DNS, with this id.
    pub fn announce(&mut self, domain: &str, id: &str) {
        self.set_txt(&format!("_mta-sts.{domain}"), &[&format!("v=STSv1; id={id};")]);
        if let Some(entry) = self.domains.get_mut(domain) {
            id.clone_into(&mut entry.policy_id);
        }
    }
}
