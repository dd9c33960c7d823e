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

    /// Whether what is posted there is cut off by somebody who hides the reports about a domain.
    #[must_use]
    pub fn cuts_post(&self, host: &str, path: &str, now: UnixTime, viewer: Option<&str>) -> bool {
        let place = format!("https://{host}{path}");
        self.hides_reports_to(&place, now, viewer)
    }

    /// Whether mail to this place of a TLSRPT record (`mailto:…`) is lost to somebody who hides the reports about a
    /// domain. Who carries mail through the world asks.
    #[must_use]
    pub fn loses_mail(&self, rua: &str, now: UnixTime, viewer: Option<&str>) -> bool {
        self.hides_reports_to(rua, now, viewer)
    }

    fn hides_reports_to(&self, place: &str, now: UnixTime, viewer: Option<&str>) -> bool {
        self.attacks.iter().filter(|attack| attack.is_in_force(now, viewer)).any(|attack| {
            let AttackKind::HideReports { domain } = &attack.kind else { return false };
            self.domains.get(domain).is_some_and(|entry| entry.rua.iter().any(|rua| rua == place))
        })
    }
}
