//! What a client meets at an address at some time: the machine there, with an attacker on the path.

use std::net::IpAddr;

use super::attack::AttackKind;
use super::certificate::{CertificateSpec, Issuer};
use super::domain::POLICY_PATH;
use super::machine::{HttpsService, Page, Reach, Site, SmtpService, StartTls};
use super::{UnixTime, World};

impl World {
    /// The SMTP server at `address`.
    #[must_use]
    pub fn smtp_at(&self, address: IpAddr, now: UnixTime, viewer: Option<&str>) -> Option<SmtpService> {
        let mut service = self.machines.get(&address)?.smtp.clone()?;
        for attack in self.attacks.iter().filter(|attack| attack.is_in_force(now, viewer)) {
            if let AttackKind::StripStartTls { domain } = &attack.kind
                && self.domains.get(domain).is_some_and(|entry| entry.has_mx_at(address))
            {
                service.starttls = StartTls::Missing;
            }
        }
        Some(service)
    }

    /// The HTTPS server at `address`.
    #[must_use]
    pub fn https_at(&self, address: IpAddr, now: UnixTime, viewer: Option<&str>) -> Option<HttpsService> {
        let mut service = self.machines.get(&address)?.https.clone()?;
        for attack in self.attacks.iter().filter(|attack| attack.is_in_force(now, viewer)) {
            let (AttackKind::ForgePolicy { domain, .. } | AttackKind::BlockPolicy { domain }) = &attack.kind
            else {
                continue;
            };
            let host = self.domains.get(domain).and_then(|entry| entry.policy_host.as_ref());
            let Some(host) = host.filter(|host| host.addresses.contains(&address)) else { continue };
            match &attack.kind {
                AttackKind::ForgePolicy { body, .. } => {
                    let name = host.host.as_str();
                    let forged = CertificateSpec {
                        issuer: Issuer::Untrusted,
                        ..CertificateSpec::healthy(&[name], self.now)
                    };
                    service.tls.by_name.insert(name.to_owned(), forged);
                    let page = Page::text(body.clone());
                    let pages = [(POLICY_PATH.to_owned(), page)].into();
                    service.sites.insert(name.to_owned(), Site { pages, ..Site::default() });
                }
                _ => service.reach = Reach::Closes,
            }
        }
        Some(service)
    }
}
