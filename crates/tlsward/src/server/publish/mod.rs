//! Publishing: the policies of one's own domains served, their records written and their certificates kept.
//!
//! The engine's [`Publisher`] decides; here its ports become a policy host, a writer of records, a store and a file. What is kept
//! is served before anything is asked of the network. What can fail: an address that is taken, a key or certificate file, the store;
//! each with what to do about it.

mod book;
mod desk;
mod gauges;
mod groups;
mod identities;
mod ledger;
mod own_files;
mod writer;

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use mta_sts::name::DnsName;
use mta_sts::policy_domain::PolicyDomain;
use prometheus_client::registry::Registry;
use smtp_dane::pkix::TrustRoots;
use tlsward_engine::alert::{Board, Feed, News};
use tlsward_engine::ports::certificates::{ChallengeKind, Registration};
use tlsward_engine::ports::publish::{Hosts, RecordSet};
use tlsward_engine::publish::certificate::driver::{Driver as CertificateDriver, Ears, Wishes};
use tlsward_engine::publish::certificate::issue::Desk as Issuing;
use tlsward_engine::publish::certificate::need::{Managed, wanted};
use tlsward_engine::publish::certificate::pace;
use tlsward_engine::publish::certificate::preflight::OurAddresses;
use tlsward_engine::publish::certificate::settings::{AuthoritySettings, Settings as Certifying};
use tlsward_engine::publish::{Desired, Driver, Options, Parts as Ports, Publication, Publisher, records};
use tlsward_net::acme::{AcmeClient, AcmeConfig};
use tlsward_net::dns::{self, NameServers};
use tlsward_net::dns_update::{ByHand, KeyHints, Rfc2136, Rfc2136Config, TsigKey};
use tlsward_net::guard::Guard;
use tlsward_net::limits::AcmeLimits;
use tlsward_net::polite::PerAddress;
use tlsward_net::world::NetWorld;
use tlsward_policy_host::zone::{
    self, HostAddresses, Rate, RateLimit, ServerLimits, Zone, ZoneConfig, ZoneKey, ZoneRecords,
};
use tlsward_policy_host::{Hosted, PolicyHost, Sources};
use tlsward_store::{KeyFileNews, SealingKey, SqliteStore};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};

use self::identities::Identities;
use self::ledger::LedgerFile;
use self::own_files::OwnFiles;
use self::writer::Writer;
use super::systemd::Inherited;
use super::{Parts, alerts, bind, named};
use crate::config::{self, Publish};
use crate::control;
use crate::edge::{self, SystemClock};
use crate::world::Open;

pub(super) use book::Book;

type World = NetWorld<dns::Resolver>;
type TheDomains = Publisher<World, NameServers, Writer, Serving, SqliteStore, LedgerFile, SystemClock>;
type TheDriver = Driver<World, NameServers, Writer, Serving, SqliteStore, LedgerFile, SystemClock>;
type Host = PolicyHost<Identities<SqliteStore>>;

/// Listeners of this room.
pub(super) struct Bound {
    https: Option<TcpListener>,
    http: Option<TcpListener>,
    zone: Option<zone::Bound>,
    /// Where, for a person.
    pub(super) places: Vec<String>,
}

/// Binds what is asked for.
pub(super) async fn bind(publish: &Publish, inherited: &mut Inherited) -> anyhow::Result<Bound> {
    let mut places = Vec::new();
    let mut listener = async |listen: Option<SocketAddr>, what: &str, scheme: &str| match listen {
        None => anyhow::Ok(None),
        Some(listen) => {
            let bound = bind::tcp(listen, "publish", what, inherited).await?;
            places.push(format!("{scheme}://{}", bound.address));
            Ok(Some(bound.socket))
        }
    };
    let https = listener(publish.listen_https, "policies", "https").await?;
    let http = listener(publish.listen_http, "challenges", "http").await?;
    let zone = match &publish.dns {
        config::Dns::Embedded(embedded) => {
            let bound = zone::Bound::bind(&embedded.listen).await.context("[publish.embedded] listen")?;
            places.extend(bound.addresses().iter().map(|address| format!("dns://{address}")));
            Some(bound)
        }
        config::Dns::Manual | config::Dns::Rfc2136(_) => None,
    };
    Ok(Bound { https, http, zone, places })
}

/// What commands and pages share.
pub(super) struct Shared {
    store: Arc<SqliteStore>,
    world: World,
    roots: Arc<TrustRoots>,
    place: records::Place,
    writer: Writer,
    own: Arc<OwnFiles>,
    zone: Option<Arc<Zone>>,
    rua: Vec<String>,
    /// Of the authorities.
    directories: Vec<String>,
    /// Told when a group's definition changed.
    groups: Notify,
}

/// Publishing, ready to be started.
pub(super) struct Publishing {
    domains: TheDomains,
    driver: TheDriver,
    host: Arc<Host>,
    hosted: Arc<Hosted>,
    shared: Arc<Shared>,
    alerts: Arc<Board>,
    news: Feed<News>,
    certifying: Option<(CertificateDriver, Wishes, Certifying)>,
    guard: Guard,
}

/// What others may do with it while it runs.
#[derive(Clone)]
pub(super) struct Handle {
    own: Arc<OwnFiles>,
    host: Arc<Host>,
}

impl Handle {
    /// Reads the owner's certificates again.
    pub(super) fn reload(&self, publish: &Publish) {
        match self.own.reload(&publish.certificates) {
            Ok(()) => {
                self.host.forget_all();
                if !publish.certificates.is_empty() {
                    tracing::info!(table = "publish.certificates", "certificates read again");
                }
            }
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(table = "publish.certificates", error, "the certificates stay as they were");
            }
        }
    }
}

/// Serves policies, and has those who have one certified.
pub(super) struct Serving {
    hosted: Arc<Hosted>,
    own: Arc<OwnFiles>,
    wishes: Option<Wishes>,
}

impl Hosts for Serving {
    fn serve(&self, domain: &str, body: Option<Bytes>) {
        let managed = Managed {
            domain,
            serves_policy: body.is_some(),
            has_own_file: self.own.covers(&format!("mta-sts.{domain}")),
        };
        self.hosted.serve(domain, body);
        let Some(wishes) = &self.wishes else { return };
        match wanted(managed) {
            Some(wanted) => wishes.add(wanted),
            None => wishes.remove(format!("mta-sts.{domain}")),
        }
    }
}

impl Publishing {
    /// Takes up what is kept: when it returns every policy can be served, with the network down too.
    pub(super) async fn open(
        publish: &Publish,
        settings: &config::Settings,
        world: &Open,
        store: Arc<SqliteStore>,
        registry: &mut Registry,
    ) -> anyhow::Result<Self> {
        let own = Arc::new(OwnFiles::load(&publish.certificates)?);
        seal(&store, &settings.data_dir.join("secret.key"))?;
        let place = place(publish)?;
        let zone = match &publish.dns {
            config::Dns::Embedded(embedded) => Some(Arc::new(zone_of(embedded, publish, settings)?)),
            config::Dns::Manual | config::Dns::Rfc2136(_) => None,
        };
        let writer = match (&publish.dns, &zone) {
            (config::Dns::Rfc2136(updates), _) => {
                let key = TsigKey::read(&updates.key_file, &KeyHints::default())
                    .context("[publish.rfc2136] key_file")?;
                let config =
                    Rfc2136Config { zone: updates.zone.clone(), ..Rfc2136Config::new(updates.server, key) };
                Writer::Updates(Rfc2136::new(config, SystemClock))
            }
            (config::Dns::Embedded(_), Some(zone)) => Writer::Zone(ZoneRecords::new(Arc::clone(zone))),
            _ => Writer::ByHand(ByHand),
        };
        let alerts = Arc::new(Board::default());
        // Before there can be any.
        let news = alerts.listen();
        let certifying = publish.acme.as_ref().map(|acme| {
            let (driver, wishes) = CertificateDriver::new();
            (driver, wishes, certifying(acme, publish))
        });
        let hosted = Arc::new(Hosted::new());
        let serving = Serving {
            hosted: Arc::clone(&hosted),
            own: Arc::clone(&own),
            wishes: certifying.as_ref().map(|(_, wishes, _)| wishes.clone()),
        };
        let sources = Sources { trusted_proxies: publish.trusted_proxies.clone(), exempt: Vec::new() };
        let identities = Identities { own: Arc::clone(&own), store: Arc::clone(&store) };
        let host = PolicyHost::new(Arc::clone(&hosted), identities, sources, Default::default())
            .context("TLS cannot be set up for the policy host")?;
        let host = Arc::new(host);
        let ports = Ports {
            world: Arc::new(world.net.clone()),
            authorities: Arc::new(NameServers::new(world.guard.clone()).with_port(publish.name_server_port)),
            records: Arc::new(writer.clone()),
            hosts: Arc::new(serving),
            store: Arc::clone(&store),
            ledger: Arc::new(LedgerFile::at(&settings.data_dir.join("published.log"))),
            clock: SystemClock,
        };
        let of = place.clone();
        let sets = move |publication: &Publication, desired: &Desired| -> Result<Vec<RecordSet>, String> {
            records::desired(&publication.domain, desired, &of, publication.last_number > 0)
                .map(|sets| records::to_write(&sets))
                .map_err(|error| error.to_string())
        };
        let options = Options {
            roots: Arc::clone(&world.roots),
            sets: Arc::new(sets),
            applies_at_open: zone.is_some(),
            at_once: 64,
            random: Arc::new(|| edge::random().map_or(0, |random| random as u16)),
        };
        let opened = Publisher::open(ports, options, Arc::clone(&alerts)).await;
        let (domains, driver) = opened.context("what is published cannot be read")?;
        let shared = Arc::new(Shared {
            store,
            world: world.net.clone(),
            roots: Arc::clone(&world.roots),
            place,
            writer,
            own,
            zone,
            rua: publish.rua.clone(),
            directories: publish.acme.iter().flat_map(|acme| acme.directories.clone()).collect(),
            groups: Notify::new(),
        });
        gauges::register(registry, &host, &hosted);
        let guard = world.guard.clone();
        Ok(Self { domains, driver, host, hosted, shared, alerts, news, certifying, guard })
    }

    /// What others may do with it.
    pub(super) fn handle(&self) -> Handle {
        Handle { own: Arc::clone(&self.shared.own), host: Arc::clone(&self.host) }
    }

    /// What there is to tell of it.
    pub(super) fn alerts(&self) -> Arc<Board> {
        Arc::clone(&self.alerts)
    }

    /// What carries out commands.
    pub(super) fn desk(&self) -> Arc<dyn control::domains::Domains> {
        Arc::new(desk::Desk { domains: self.domains.clone(), shared: Arc::clone(&self.shared) })
    }

    /// What pages show.
    pub(super) fn book(&self) -> Arc<Book> {
        let (domains, shared) = (self.domains.clone(), Arc::clone(&self.shared));
        Arc::new(Book { domains, shared, alerts: Arc::clone(&self.alerts) })
    }

    /// Starts serving and looking after the domains.
    pub(super) fn start(
        self,
        parts: &mut Parts,
        bound: Bound,
        shutdown: &watch::Receiver<bool>,
    ) -> anyhow::Result<()> {
        let Self { domains, driver, host, hosted, shared, alerts, news, certifying, guard } = self;
        tracing::info!(policies = hosted.len(), "publishing; policies are served from before");
        parts.spawn(named("publishing alerts", alerts::follow(news, shutdown.clone())));
        if let Some(listener) = bound.https {
            let serving = Arc::clone(&host).serve_https(listener, shutdown.clone());
            parts.spawn(named("policy host", serving));
        }
        if let Some(listener) = bound.http {
            let serving = Arc::clone(&host).serve_http(listener, shutdown.clone());
            parts.spawn(named("policy host over HTTP", serving));
        }
        if let (Some(bound), Some(zone)) = (bound.zone, &shared.zone) {
            let seed = edge::random().map_or(0, |random| random as u64);
            let rate = Rate::new(RateLimit::default(), seed, started());
            let mut stop = shutdown.clone();
            let serving = bound.serve(
                Arc::clone(zone),
                Arc::new(SystemClock),
                rate,
                ServerLimits::default(),
                Arc::default(),
                async move { control::told_to_stop(&mut stop).await },
            );
            parts.spawn(named("zone", serving));
        }
        if let Some((certificates, wishes, certifying)) = certifying {
            let authority = AcmeClient::new(
                AcmeConfig {
                    directories: shared.directories.clone(),
                    guard,
                    roots: (*shared.roots).clone(),
                    per_address: PerAddress::default(),
                    limits: AcmeLimits::default(),
                },
                shared.world.dns.clone(),
                SystemClock,
            );
            let certifier = Certifier {
                driver: certificates,
                _wishes: wishes,
                desk: Issuing::new(
                    shared.world.clone(),
                    authority,
                    Arc::clone(&shared.store),
                    Arc::clone(&hosted),
                    (!shared.writer.is_by_hand()).then(|| shared.writer.clone()),
                    SystemClock,
                    certifying,
                ),
                alerts: Arc::clone(&alerts),
                host: Arc::clone(&host),
                domains: domains.clone(),
            };
            parts.spawn(named("certificates", certifier.run(shutdown.clone())));
        }
        let rolling = groups::run(domains, shared, alerts, shutdown.clone());
        parts.spawn(named("groups", rolling));
        let mut stop = shutdown.clone();
        let driving = driver.run(async move { control::told_to_stop(&mut stop).await });
        parts.spawn(named("domains", driving));
        Ok(())
    }
}

/// Has private keys sealed before they are written.
fn seal(store: &SqliteStore, path: &Path) -> anyhow::Result<()> {
    let (key, news) = SealingKey::load_or_make(path)?;
    match news {
        KeyFileNews::Used | KeyFileNews::Made => {}
        KeyFileNews::Shut => tracing::warn!(
            file = %path.display(),
            "others could read the file that seals private keys; its mode is 0600 now"
        ),
        KeyFileNews::SetAside(aside) => tracing::error!(
            file = %path.display(),
            aside = %aside.display(),
            "the file that seals private keys holds no key: it was put aside, and certificates are issued anew unless the right \
             file is put back"
        ),
    }
    store.seal_with(key);
    Ok(())
}

/// Where the policy hosts are, and in which zone their records.
fn place(publish: &Publish) -> anyhow::Result<records::Place> {
    let name = |text: &str| DnsName::parse(text).map_err(|error| anyhow!("[publish]: {text}: {error}"));
    let host = match &publish.place {
        config::Place::Host(host) => records::HostAt::Alias(name(host)?),
        config::Place::Addresses(addresses) => {
            let mut v4 = Vec::new();
            let mut v6 = Vec::new();
            for address in addresses {
                match address {
                    IpAddr::V4(address) => v4.push(*address),
                    IpAddr::V6(address) => v6.push(*address),
                }
            }
            records::HostAt::Addresses { v4, v6 }
        }
    };
    let zone = match &publish.dns {
        config::Dns::Embedded(embedded) => records::Zone::Embedded(name(&embedded.zone)?),
        config::Dns::Manual | config::Dns::Rfc2136(_) => records::Zone::Own,
    };
    Ok(records::Place { zone, host, issuers: Vec::new(), ttls: records::Ttls::default() })
}

/// The zone of `[publish.embedded]`, with its key if it is signed.
fn zone_of(
    embedded: &config::Embedded,
    publish: &Publish,
    settings: &config::Settings,
) -> anyhow::Result<Zone> {
    let server = |(name, addresses): &(String, Vec<IpAddr>)| HostAddresses {
        name: name.clone(),
        addresses: addresses.clone(),
    };
    let contact = publish.acme.as_ref().and_then(|acme| acme.contact.clone());
    let contact = contact.unwrap_or_else(|| format!("hostmaster@{}", embedded.zone));
    let config =
        ZoneConfig::new(&embedded.zone, embedded.name_servers.iter().map(server).collect(), &contact);
    let key = match embedded.dnssec {
        false => None,
        true => {
            let path = settings.data_dir.join("zone.key");
            let key = ZoneKey::open(&path);
            Some(key.with_context(|| format!("the key of the zone, {}", super::shown(&path)))?)
        }
    };
    Zone::open(&config, key, Box::new(SystemClock), &settings.data_dir.join("zone.log"))
        .context("[publish.embedded]")
}

fn certifying(acme: &config::Acme, publish: &Publish) -> Certifying {
    let contact = acme.contact.iter().map(|address| format!("mailto:{address}")).collect();
    let registration = Registration { contact, external: None };
    let authority = |directory: &String| AuthoritySettings {
        directory: directory.clone(),
        terms_agreed: true,
        registration: registration.clone(),
        caa_identities: Vec::new(),
        limits: pace::Limits::default(),
    };
    let ours = match &publish.place {
        config::Place::Addresses(addresses) => addresses.clone(),
        config::Place::Host(_) => Vec::new(),
    };
    // An authority of the owner's own may well reach private addresses: what it cannot reach it says.
    let addresses = OurAddresses { ours, is_public: |_| true };
    let kind = |kind: &config::ChallengeKind| match kind {
        config::ChallengeKind::Http01 => ChallengeKind::Http01,
        config::ChallengeKind::TlsAlpn01 => ChallengeKind::TlsAlpn01,
        config::ChallengeKind::Dns01 => ChallengeKind::Dns01,
    };
    Certifying {
        methods: acme.challenges.iter().map(kind).collect(),
        ..Certifying::new(acme.directories.iter().map(authority).collect(), addresses)
    }
}

/// Keeps policy hosts certified.
struct Certifier<A> {
    driver: CertificateDriver,
    /// While it is held the driver runs.
    _wishes: Wishes,
    desk: Issuing<World, A, Arc<SqliteStore>, Arc<Hosted>, Writer, SystemClock>,
    alerts: Arc<Board>,
    host: Arc<Host>,
    domains: TheDomains,
}

impl<A: tlsward_engine::ports::certificates::Authority> Certifier<A> {
    async fn run(self, mut shutdown: watch::Receiver<bool>) {
        let Self { driver, _wishes, desk, alerts, host, domains } = self;
        let renewed = move |name: &str| {
            host.forget(name);
            // Its policy can be seen from outside now.
            if let Some(domain) =
                name.strip_prefix("mta-sts.").and_then(|name| PolicyDomain::parse(name).ok())
            {
                domains.look_now(&domain);
            }
        };
        let random = || edge::random().map_or(0, |random| random as u64);
        let ears = Ears { board: &alerts, renewed: &renewed, random: &random };
        tokio::select! {
            () = control::told_to_stop(&mut shutdown) => {}
            ended = driver.run(&desk, &ears) => {
                if let Err(error) = ended {
                    tracing::error!(%error, "certificates cannot be kept");
                }
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the edge reads the clock")]
fn started() -> Instant {
    Instant::now()
}
