//! The running server: one store, the roads into it, the pages out of it, and what starts, reloads and stops them.
//!
//! The only place that names concrete adapters. What can fail: the folder, the store, an address that is taken, a
//! certificate; each with what to do about it. Once it runs, a part that ends by itself stops the whole, because half a
//! server that looks whole is worse than none.

mod alerts;
mod announce;
mod audits;
mod bind;
mod demo;
mod demo_outbound;
mod enforce;
mod log;
mod outbound;
mod publish;
mod reload;
pub(crate) mod report;
mod shelf;
mod systemd;
mod tls;

use std::fs::{DirBuilder, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use prometheus_client::registry::Registry;
use tlsward_engine::facts::Receipt;
use tlsward_engine::receive::{Budget, CurrentRules, INTAKE_BUDGET_BYTES, Rules};
use tlsward_mail::QueueLimits;
use tlsward_mail::bounce::Bounces;
use tlsward_mail::listener::{self, Protocol, Recipients};
use tlsward_mail::pipe::Drain;
use tlsward_mail::queue::{Inlet, queue};
use tlsward_store::{Quotas, SqliteStore};
use tlsward_web::metrics::Metrics;
use tlsward_web::pages::{self, Outbound, Pages, Site};
use tlsward_web::report_endpoint::{self, Endpoint};
use tlsward_web::source::Sources;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::config::{Https, MailProtocol, Settings, Smtp, Web};
use crate::control;
use crate::edge::SystemClock;
use crate::present::visible::visible;
use crate::world;
use bind::Bound;
pub(crate) use demo::Demo;
use enforce::Enforcement;
pub(crate) use log::start as start_log;
use publish::Publishing;
use reload::{Reload, Signals};
use systemd::Inherited;
use tls::Certificate;

/// How often the spool folder is looked into when nobody says that something is there.
const SPOOL_INTERVAL: Duration = Duration::from_secs(30);

/// Runs until told to stop. `config` is the file that the settings came from; with `demo`, over made-up mail.
pub(crate) fn run(settings: Settings, config: Option<PathBuf>, demo: Option<&Demo>) -> anyhow::Result<()> {
    // Before anything starts a thread.
    let inherited = Inherited::take()?;
    bind::raise_descriptor_limit();
    make_folder(&settings.data_dir)?;
    let store = open_store(&settings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the threads of the server")?;
    let outcome = runtime.block_on(serve(settings, config, demo, Arc::clone(&store), inherited));
    // What still runs is past its time to drain.
    runtime.shutdown_timeout(Duration::from_secs(1));
    let closed = store.close().context("the database did not close cleanly");
    outcome.and(closed)
}

/// Makes the data folder. Reports say who sends mail to whom: that is nobody else's business.
pub(crate) fn make_folder(folder: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("cannot make the data folder {}", shown(folder)))
}

fn open_store(settings: &Settings) -> anyhow::Result<Arc<SqliteStore>> {
    let quotas = Quotas {
        set_aside_bytes: settings.receive.set_aside_quota,
        open_bytes: settings.receive.unauthenticated_quota,
        ..Quotas::default()
    };
    let store = SqliteStore::open(&settings.database, quotas)
        .with_context(|| format!("cannot open the database {}", shown(&settings.database)))?;
    Ok(Arc::new(store))
}

/// Everything that the parts share.
struct Common {
    store: Arc<SqliteStore>,
    rules: CurrentRules,
    budget: Budget,
    metrics: Metrics,
    inlet: Inlet,
    shutdown: watch::Receiver<bool>,
}

/// The parts at work, by name.
type Parts = JoinSet<&'static str>;

async fn serve(
    settings: Settings,
    config: Option<PathBuf>,
    demo: Option<&Demo>,
    store: Arc<SqliteStore>,
    mut inherited: Inherited,
) -> anyhow::Result<()> {
    let signals = Signals::new()?;
    // Everything that can fail comes before anything is started.
    let mut bound = async |listen: Option<SocketAddr>, table: &str, what: &str| match listen {
        Some(listen) => bind::tcp(listen, table, what, &mut inherited).await.map(Some),
        None => Ok(None),
    };
    let web = bound(settings.web.as_ref().map(|web| web.listen), "web", "the pages").await?;
    let https =
        bound(settings.https.as_ref().map(|https| https.listen), "receive.https", "reports by POST").await?;
    let smtp =
        bound(settings.smtp.as_ref().map(|smtp| smtp.listen), "receive.smtp", "reports by mail").await?;
    guarded(&settings, web.as_ref(), https.as_ref())?;
    let asked =
        settings.enforce.as_ref().map(|enforce| enforce::bind(enforce, &mut inherited)).transpose()?;
    let publishing = match &settings.publish {
        Some(publish) => Some(publish::bind(publish, &mut inherited).await?),
        None => None,
    };
    let handed = match &settings.report {
        Some(report) => inherited.datagram("report", report.socket.as_deref().unwrap_or(Path::new("")))?,
        None => None,
    };
    inherited.close();
    let https_certificate = certificate(settings.https.as_ref().and_then(|https| https.tls.as_ref()))?;
    let smtp_certificate = certificate(settings.smtp.as_ref().and_then(|smtp| smtp.tls.as_ref()))?;
    let control = bind::control(&settings.control_socket());
    let audited = settings.check.as_ref().filter(|check| !check.domains.is_empty());
    let asks = [settings.enforce.is_some(), settings.report.is_some(), settings.publish.is_some()];
    let world = match audited.is_some() || asks.contains(&true) {
        true => Some(Arc::new(world::open_soon(&settings.net).await?)),
        false => None,
    };
    let mut room = match (&settings.report, &world) {
        (Some(report), Some(world)) => {
            Some(report::Room::open(report, &settings, handed, &store, world).await?)
        }
        _ => None,
    };
    let sessions = room.as_ref().map(report::Room::sessions).transpose()?.flatten();
    let bounces = room.as_ref().and_then(report::Room::bounces);
    let reporting = room.as_ref().map(report::Room::settings);

    let (stop, shutdown) = watch::channel(false);
    let mut registry = Registry::default();
    let rules = CurrentRules::new(rules(&settings));
    let metrics = Metrics::register(&mut registry);
    let told = {
        let metrics = metrics.clone();
        Arc::new(move |road, receipt: &Receipt| metrics.receipt(road, receipt))
    };
    let (worker, inlet) = queue(Arc::clone(&store), rules.clone(), told, QueueLimits::default());
    let common = Common {
        store: Arc::clone(&store),
        rules: rules.clone(),
        budget: Budget::new(INTAKE_BUDGET_BYTES),
        metrics,
        inlet,
        shutdown: shutdown.clone(),
    };
    let ready = Arc::new(AtomicBool::new(false));
    let place = announce::Places {
        web: web.as_ref().map(|bound| bound.address),
        https: https.as_ref().map(|bound| (bound.address, https_certificate.is_some())),
        smtp: smtp.as_ref().zip(settings.smtp.as_ref()).map(|(bound, smtp)| (bound.address, smtp.protocol)),
        enforce: asked.iter().flatten().map(|bound| bound.place.clone()).collect(),
        publish: publishing.iter().flat_map(|bound| bound.places.clone()).collect(),
        sessions: settings.report.as_ref().and_then(|report| report.socket.clone()),
        database: settings.database.clone(),
        is_demo: demo.is_some(),
    };
    if let Some(demo) = demo {
        demo.fill(store.as_ref(), &rules).await?;
    }

    let enforcement = match (&settings.enforce, &world) {
        (Some(enforce), Some(world)) => {
            Some(Enforcement::open(enforce, world, Arc::clone(&store), &mut registry).await?)
        }
        _ => None,
    };
    let enforcing = enforcement.as_ref().map(Enforcement::handle);
    let published = match (&settings.publish, &world) {
        (Some(publish), Some(world)) => {
            Some(Publishing::open(publish, &settings, world, Arc::clone(&store), &mut registry).await?)
        }
        _ => None,
    };
    let boards = enforcement.iter().map(Enforcement::alerts).chain(published.iter().map(Publishing::alerts));
    alerts::register(&mut registry, boards.collect());
    let (desk, book) = (published.as_ref().map(Publishing::desk), published.as_ref().map(Publishing::book));
    let hosting = published.as_ref().map(Publishing::handle);
    if let (Some(room), Some(enforcement)) = (&mut room, &enforcement) {
        room.judge_by(enforcement.policies());
        room.tell_held_back(enforcement.held_back());
    }

    let mut parts = Parts::new();
    parts.spawn(named("watchdog", systemd::live(shutdown.clone())));
    parts.spawn(named("queue", worker.run(shutdown)));
    let again = shelf::examine_again(Arc::clone(&store), rules.clone(), common.shutdown.clone());
    parts.spawn(named("shelf", again));
    start_control(&mut parts, &common, &settings, control, enforcing.clone(), desk);
    if let (Some(enforcement), Some(asked)) = (enforcement, asked) {
        enforcement.start(&mut parts, asked, &common.shutdown)?;
    }
    if let (Some(published), Some(bound)) = (published, publishing) {
        published.start(&mut parts, bound, &common.shutdown)?;
    }
    if let (Some(bound), Some(smtp)) = (smtp, &settings.smtp) {
        start_smtp(&mut parts, &common, bound.socket, smtp, smtp_certificate.as_ref(), bounces)?;
    }
    if let (Some(bound), Some(https)) = (https, &settings.https) {
        start_https(&mut parts, &common, bound.socket, https, https_certificate.as_ref(), sessions)?;
    }
    if let Some(room) = room {
        room.start(&mut parts, &mut registry, settings.smtp.is_some(), &common.shutdown)?;
    }
    if let (Some(world), Some(check)) = (world, audited) {
        let gauges = audits::Gauges::register(&mut registry);
        let auditing = audits::run(
            check.domains.clone(),
            world,
            Arc::clone(&common.store),
            gauges,
            common.shutdown.clone(),
        );
        parts.spawn(named("audits", auditing));
    }
    if demo.is_some() {
        let (store, rules) = (Arc::clone(&common.store), rules.clone());
        let living = demo::live(store, rules, common.metrics.clone(), common.shutdown.clone());
        parts.spawn(named("demonstration", living));
    }
    if let (Some(bound), Some(web)) = (web, &settings.web) {
        let outbound = match demo {
            Some(_) => demo_outbound::shown()?,
            None => outbound::shown(enforcing.clone(), reporting, &place),
        };
        start_web(&mut parts, &common, bound, (web, &place, outbound, book), registry, Arc::clone(&ready));
    }
    ready.store(true, Ordering::Release);
    announce::print(&place);
    systemd::ready();

    let reload = Reload {
        config,
        settings,
        rules,
        demo,
        https: https_certificate,
        smtp: smtp_certificate,
        enforcing,
        hosting,
    };
    let outcome = reload::watch(signals, &reload, &mut parts).await;
    systemd::stopping();
    // Nobody listens only if every part has ended.
    let _ = stop.send(true);
    drop(common);
    drain(parts).await;
    let _ = std::fs::remove_file(reload.settings.control_socket());
    outcome
}

/// What intake goes by, as the settings say.
fn rules(settings: &Settings) -> Rules {
    Rules { managed: settings.receive.domains.clone() }
}

/// A part that says its name when it ends.
async fn named(name: &'static str, part: impl Future<Output = ()>) -> &'static str {
    part.await;
    name
}

/// What the configuration may not ask for, a socket that was handed over may not bring either.
fn guarded(settings: &Settings, web: Option<&Bound>, https: Option<&Bound>) -> anyhow::Result<()> {
    if let Some(bound) = web.filter(|bound| !bound.address.ip().is_loopback()) {
        bail!(
            "the socket that was handed over for [web] is at {}: the pages have no accounts yet, and are served on a \
             loopback address only",
            bound.address
        );
    }
    let plain =
        settings.https.as_ref().is_some_and(|https| https.tls.is_none() && https.trusted_proxies.is_empty());
    if let Some(bound) = https.filter(|bound| plain && !bound.address.ip().is_loopback()) {
        bail!(
            "the socket that was handed over for [receive.https] is at {}: plain HTTP there would carry reports in the \
             clear; set 'certificate' and 'key', or name the proxy in 'trusted_proxies'",
            bound.address
        );
    }
    Ok(())
}

fn certificate(files: Option<&crate::config::KeyPair>) -> anyhow::Result<Option<Arc<Certificate>>> {
    files.map(|files| Certificate::load(files).map(Arc::new)).transpose()
}

fn start_control(
    parts: &mut Parts,
    common: &Common,
    settings: &Settings,
    control: Option<UnixListener>,
    enforcing: Option<enforce::Handle>,
    publishing: Option<Arc<dyn control::domains::Domains>>,
) {
    let wake = Arc::new(Notify::new());
    let drain = Drain::new(
        settings.spool(),
        Arc::clone(&common.store),
        Arc::new(SystemClock),
        common.budget.clone(),
        common.inlet.clone(),
    );
    parts.spawn(named("spool", drain.run(wake, SPOOL_INTERVAL, common.shutdown.clone())));
    if let Some(listener) = control {
        let desk = control::Desk {
            store: Arc::clone(&common.store),
            clock: SystemClock,
            budget: common.budget.clone(),
            inlet: common.inlet.clone(),
            policies: enforcing.map(|handle| Arc::new(handle) as Arc<dyn control::Policies>),
            domains: publishing,
        };
        parts.spawn(named("control", control::serve(listener, desk, common.shutdown.clone())));
    }
}

fn start_smtp(
    parts: &mut Parts,
    common: &Common,
    socket: TcpListener,
    smtp: &Smtp,
    certificate: Option<&Arc<Certificate>>,
    bounces: Option<Arc<dyn Bounces>>,
) -> anyhow::Result<()> {
    let recipients = match smtp.recipients.as_slice() {
        [] => None,
        listed => Some(Recipients::new(listed)?),
    };
    let options = listener::Options {
        protocol: match smtp.protocol {
            MailProtocol::Smtp => Protocol::Smtp,
            MailProtocol::Lmtp => Protocol::Lmtp,
        },
        hostname: smtp.hostname.clone(),
        accept_recipients: recipients,
        bounces,
        tls: certificate.map(Certificate::for_mail).transpose()?,
        limits: tlsward_mail::Limits::default(),
    };
    let listener = listener::Listener::new(
        socket,
        options,
        Arc::clone(&common.store),
        Arc::new(SystemClock),
        common.budget.clone(),
        common.inlet.clone(),
    );
    parts.spawn(named("mail listener", listener.run(common.shutdown.clone())));
    Ok(())
}

fn start_https(
    parts: &mut Parts,
    common: &Common,
    socket: TcpListener,
    https: &Https,
    certificate: Option<&Arc<Certificate>>,
    sessions: Option<report_endpoint::Sessions>,
) -> anyhow::Result<()> {
    let endpoint = Endpoint {
        intake: Arc::clone(&common.store),
        clock: SystemClock,
        rules: common.rules.clone(),
        budget: common.budget.clone(),
        sources: Sources { trusted_proxies: https.trusted_proxies.clone(), exempt: https.exempt.clone() },
        metrics: common.metrics.clone(),
        sessions,
        tls: certificate.map(Certificate::for_web).transpose()?,
    };
    let limits = report_endpoint::Limits::default();
    let serving = report_endpoint::serve(socket, endpoint, limits, common.shutdown.clone());
    parts.spawn(named("report listener", serving));
    Ok(())
}

fn start_web(
    parts: &mut Parts,
    common: &Common,
    bound: Bound,
    (web, place, outbound, publishing): (
        &Web,
        &announce::Places,
        Outbound<outbound::Book>,
        Option<Arc<publish::Book>>,
    ),
    registry: Registry,
    ready: Arc<AtomicBool>,
) {
    let pages = Pages {
        evidence: Arc::clone(&common.store),
        outbound,
        publishing,
        clock: SystemClock,
        site: Site {
            listen: bound.address,
            names: web.names.clone(),
            post_url: place.post_url(),
            mail_address: place.mail_address(),
            notice: place.is_demo.then_some(demo::NOTICE),
        },
        registry: Arc::new(registry),
        metrics: common.metrics.clone(),
        ready,
        limits: pages::Limits::default(),
    };
    let serving = pages::serve(bound.socket, pages, Sources::default(), None, common.shutdown.clone());
    parts.spawn(named("pages", serving));
}

/// Waits for the parts to finish what is under way. Each has its own time to do so.
async fn drain(mut parts: Parts) {
    while let Some(ended) = parts.join_next().await {
        if let Err(error) = ended
            && error.is_panic()
        {
            tracing::error!(%error, "a part of the server broke while it stopped");
        }
    }
}

/// A path for a person.
fn shown(path: &Path) -> String {
    visible(&path.to_string_lossy()).into_owned()
}

/// Only its owner may reach what is at this path.
fn only_for_owner(path: &Path) -> std::io::Result<()> {
    std::fs::set_permissions(path, Permissions::from_mode(0o600))
}
