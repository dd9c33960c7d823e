//! The world, opened as the configuration says: resolver, HTTPS and SMTP clients, trust roots.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use smtp_dane::pkix::TrustRoots;
use tlsward_engine::ports::{Dns as _, Dnssec};

use tlsward_net::dns::{self, Resolver, Trust, TrustAnchor};
use tlsward_net::guard::Guard;
use tlsward_net::https::{HttpsClient, HttpsConfig};
use tlsward_net::polite::PerAddress;
use tlsward_net::roots::Roots;
use tlsward_net::smtp::{SmtpClient, SmtpConfig};
use tlsward_net::world::NetWorld;

use crate::config::{DnssecMode, Net};
use crate::edge;

/// Where the system says which resolvers there are.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// The world, and what is trusted in it.
pub(crate) struct Open {
    /// DNS, HTTPS and SMTP.
    pub(crate) net: NetWorld<Resolver>,
    /// Which addresses names may lead to.
    pub(crate) guard: Guard,
    /// What certificates are judged by.
    pub(crate) roots: Arc<TrustRoots>,
}

/// For a server that starts to see whether DNSSEC works; where nobody answers, mail should not wait for that.
const STARTING: Duration = Duration::from_secs(2);

/// Opens it, and looks whether DNSSEC works. That it does not is no error: `dnssec` says so.
pub(crate) async fn open(settings: &Net) -> anyhow::Result<Open> {
    let world = prepare(settings)?;
    world.net.dns.probe().await;
    Ok(world)
}

/// As [`open`], for a server: soon, and what could not be seen in that time is looked at with the first question.
pub(crate) async fn open_soon(settings: &Net) -> anyhow::Result<Open> {
    let world = prepare(settings)?;
    let _ = tokio::time::timeout(STARTING, world.net.dns.probe()).await;
    Ok(world)
}

fn prepare(settings: &Net) -> anyhow::Result<Open> {
    let servers = servers(settings)?;
    let trust = match settings.dnssec {
        DnssecMode::Off => Trust::Off,
        DnssecMode::TrustAd => Trust::AuthenticData,
        DnssecMode::Validate => Trust::Validate(match &settings.trust_anchor {
            Some(file) => TrustAnchor::read(file)?,
            None => TrustAnchor::iana(),
        }),
    };
    let resolver = Resolver::new(&dns::Config::new(servers, trust)).context("[net] dns_servers")?;
    let guard = Guard { allow_private: settings.allow_private_addresses, allowed: settings.allowed.clone() };
    let per_address = PerAddress::default();
    let https = HttpsClient::new(HttpsConfig {
        port: settings.https_port,
        guard: guard.clone(),
        per_address: per_address.clone(),
        ..HttpsConfig::default()
    });
    let ehlo_name = settings.hostname.clone().unwrap_or_else(edge::host_name);
    let smtp = SmtpClient::new(SmtpConfig {
        port: settings.smtp_port,
        ehlo_name,
        guard: guard.clone(),
        per_address,
        ..SmtpConfig::default()
    })
    .context("[net] hostname")?;
    let roots = Roots::load(settings.trust_roots.as_deref()).context("[net] trust_roots")?;
    Ok(Open {
        net: NetWorld { dns: resolver, https, smtp },
        guard,
        roots: Arc::new(TrustRoots::from_readable(&roots.certificates)),
    })
}

impl Open {
    /// What an administrator must know about DNSSEC, if it was asked for and cannot be had.
    pub(crate) fn dnssec_trouble(&self) -> Option<String> {
        match self.net.dnssec() {
            Dnssec::Unusable(why) => Some(why),
            Dnssec::TrustedResolver | Dnssec::Validated | Dnssec::Off => None,
        }
    }
}

fn servers(settings: &Net) -> anyhow::Result<Vec<SocketAddr>> {
    if settings.dns_servers.is_empty() {
        let servers = dns::system_servers(Path::new(RESOLV_CONF));
        return servers.context("the system names no resolver; name one in [net] dns_servers");
    }
    Ok(settings.dns_servers.clone())
}
