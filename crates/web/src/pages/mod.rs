//! The pages, the JSON API, the metrics and the probes: everything that a person or a program of the owner reads.
//!
//! Rendered on the server, without script, and with a content policy that would let none run, but for the buttons that copy a
//! text on the page of a [`published`] domain. They only read: no request
//! changes anything, and every method but GET and HEAD is refused. What strangers wrote into their reports goes
//! through [`shown`] and the templates' escaping before it gets into a page. What can fail: the store; the answer is then a
//! page (or a problem document) that says so.

mod about;
mod assets;
mod checks;
mod domain;
pub(crate) mod failure;
mod front;
mod guard;
mod indent;
mod numbers;
pub(crate) mod outbound;
pub(crate) mod outgoing;
mod plot;
pub(crate) mod policies;
pub(crate) mod preview;
mod probes;
pub(crate) mod published;
mod raw;
mod report;
mod reports;
pub(crate) mod sessions;
mod set_aside;
mod shown;
mod start;
#[cfg(test)]
mod tests;
mod words;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::body::Body;
use axum::middleware;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use http::Request;
use hyper::body::Incoming;
use prometheus_client::registry::Registry;
use tlsward_engine::ports::{Checks, Clock, DayRange, Evidence, Outbox, PolicyBook, PublishedBook};
use tlsward_engine::report::Settings;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower::ServiceExt;

use crate::listen::{self, ConnectionLimits, Serve, Shutdown, TlsConfig, Watch};
use crate::metrics::Metrics;
use crate::source::Sources;
use crate::{api, times};
use failure::{Failure, PageFailure};
use outbound::MainCf;
pub use outbound::Outbound;

/// What the pages say about the server itself.
#[derive(Debug, Clone)]
pub struct Site {
    /// The address that the pages are served at; its port is the one that a `Host` header must name.
    pub listen: SocketAddr,
    /// Further host names under which the pages may be asked for, with or without a port.
    pub names: Vec<String>,
    /// Where reports can be POSTed, such as `http://127.0.0.1:8461/v1/tlsrpt`.
    pub post_url: Option<String>,
    /// Where report mail is taken, such as `127.0.0.1:8425`.
    pub mail_address: Option<String>,
    /// What every page says at its top, such as that this is a demonstration.
    pub notice: Option<&'static str>,
}

/// What the listener allows.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bounds on connections.
    pub connections: ConnectionLimits,
    /// Requests worked on at once.
    pub at_once: usize,
    /// Time that one request may take.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let connections = ConnectionLimits {
            total: 512,
            body: Duration::from_secs(10),
            head_bytes: 16 * 1024,
            ..ConnectionLimits::default()
        };
        Self { connections, at_once: 64, time: Duration::from_secs(20) }
    }
}

/// What the pages are made from.
pub struct Pages<S, C, B, P> {
    /// What reports say, what checks found, what is sent.
    pub evidence: Arc<S>,
    /// The outbound side.
    pub outbound: Outbound<B>,
    /// One's own domains; `None`: nothing is published.
    pub publishing: Option<Arc<P>>,
    /// The time of day.
    pub clock: C,
    /// What the pages say about the server itself.
    pub site: Site,
    /// Everything that is counted, for `/metrics`.
    pub registry: Arc<Registry>,
    /// What this crate counts.
    pub metrics: Metrics,
    /// True once every listener is bound, for `/readyz`.
    pub ready: Arc<AtomicBool>,
    /// What is allowed.
    pub limits: Limits,
}

/// The same, behind the router.
pub(crate) struct App<S, C> {
    pub(crate) evidence: Arc<S>,
    pub(crate) clock: C,
    pub(crate) site: Site,
    /// Who reports; `None`: nothing is sent.
    pub(crate) reporting: Option<Arc<Settings>>,
    main_cf: MainCf,
    /// Whether policies are looked up here.
    has_policies: bool,
    /// Turns to build a report that is only looked at.
    building: Arc<Semaphore>,
    registry: Arc<Registry>,
    metrics: Metrics,
    ready: Arc<AtomicBool>,
    at_once: Semaphore,
    time: Duration,
}

/// Every page and end point, guarded: for [`serve`], and for tests without a socket.
pub fn router<S, C, B, P>(pages: Pages<S, C, B, P>) -> Router
where
    S: Evidence + Checks + Outbox,
    C: Clock,
    B: PolicyBook,
    P: PublishedBook,
{
    let main_cf = MainCf::new(&pages.outbound);
    let app = Arc::new(App {
        evidence: pages.evidence,
        clock: pages.clock,
        site: pages.site,
        reporting: pages.outbound.reporting,
        main_cf,
        has_policies: pages.outbound.policies.is_some(),
        building: Arc::new(Semaphore::new(preview::BUILT_AT_ONCE)),
        registry: pages.registry,
        metrics: pages.metrics,
        ready: pages.ready,
        at_once: Semaphore::new(pages.limits.at_once),
        time: pages.limits.time,
    });
    let desk = Arc::new(policies::Desk { app: Arc::clone(&app), book: pages.outbound.policies });
    let published = Arc::new(published::Desk { app: Arc::clone(&app), book: pages.publishing });
    let api = api::routes::<S, C>()
        .merge(api::policy_routes(Arc::clone(&desk)))
        .merge(api::published_routes(Arc::clone(&published)));
    Router::new()
        .route("/", get(front::show::<S, C>))
        .route("/start", get(start::show::<S, C>))
        .route("/domains/{domain}", get(domain::show::<S, C>))
        .route("/reports", get(reports::show::<S, C>))
        .route("/reports/{id}", get(report::show::<S, C>))
        .route("/reports/{id}/raw", get(raw::of_report::<S, C>))
        .route("/set-aside", get(set_aside::show::<S, C>))
        .route("/set-aside/{id}/raw", get(raw::of_set_aside::<S, C>))
        .route("/checks", get(checks::list::<S, C>))
        .route("/checks/{domain}", get(checks::show::<S, C>))
        .route("/outgoing", get(outgoing::list::<S, C>))
        .route("/outgoing/{id}", get(outgoing::show::<S, C>))
        .route("/outgoing/{id}/json", get(outgoing::download::<S, C>))
        .route("/sessions", get(sessions::show::<S, C>))
        .merge(policies::routes(desk))
        .merge(published::routes(published))
        .route("/about", get(about::show))
        .route("/assets/{name}", get(assets::serve))
        .route("/favicon.ico", get(assets::icon))
        .route("/metrics", get(probes::metrics::<S, C>))
        .route("/healthz", get(probes::healthz))
        .route("/readyz", get(probes::readyz::<S, C>))
        .nest("/api/v1", api)
        .fallback(failure::no_such_page)
        .layer(middleware::from_fn_with_state(Arc::clone(&app), guard::guard::<S, C>))
        .with_state(app)
}

/// Serves the pages on `listener` until `shutdown` says stop.
pub async fn serve<S, C, B, P>(
    listener: TcpListener,
    pages: Pages<S, C, B, P>,
    sources: Sources,
    tls: Option<Arc<TlsConfig>>,
    shutdown: Shutdown,
) where
    S: Evidence + Checks + Outbox,
    C: Clock,
    B: PolicyBook,
    P: PublishedBook,
{
    let connections = pages.limits.connections.clone();
    let desk = Arc::new(Desk(router(pages)));
    listen::run(listener, tls, desk, &sources, connections, shutdown).await;
}

struct Desk(Router);

impl Serve for Desk {
    type Body = Body;

    async fn serve(
        self: Arc<Self>,
        request: Request<Incoming>,
        _peer: IpAddr,
        _watch: Arc<Watch>,
    ) -> Response {
        let answer = self.0.clone().oneshot(request.map(Body::new)).await;
        match answer {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// What every page has around its own part.
pub(crate) struct Frame {
    /// The page's own title.
    title: String,
    /// Which entry of the navigation it belongs to.
    place: Place,
    css: &'static str,
    version: &'static str,
    notice: Option<&'static str>,
}

tokio::task_local! {
    /// [`Site::notice`] while a request is worked on: pages of failures are made where no [`App`] is at hand.
    static NOTICE: Option<&'static str>;
}

/// The entries of the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Domains,
    Reports,
    SetAside,
    Checks,
    Published,
    Policies,
    Sessions,
    Outgoing,
    Start,
    About,
    Nowhere,
}

impl Frame {
    pub(crate) fn new(title: impl Into<String>, place: Place) -> Self {
        Self {
            title: title.into(),
            place,
            css: assets::css_path(),
            version: env!("CARGO_PKG_VERSION"),
            notice: NOTICE.try_with(|notice| *notice).unwrap_or_default(),
        }
    }

    fn is_at(&self, place: Place) -> bool {
        self.place == place
    }
}

/// A rendered page, or the reason why there is none.
pub(crate) type PageResult = Result<Response, PageFailure>;

fn render(template: &impl Template) -> PageResult {
    match template.render() {
        Ok(html) => Ok(Html(html).into_response()),
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            Err(Failure::Broken.into())
        }
    }
}

/// Days that a page can look back.
const RANGES: [i64; 3] = [7, 28, 90];
const DEFAULT_DAYS: i64 = 28;
const MOST_DAYS: i64 = 366;

/// The last `days` days, today included. A number that makes no sense is the default.
pub(crate) fn range(now: i64, days: Option<&str>) -> (i64, DayRange) {
    let days = days
        .and_then(|days| days.parse::<i64>().ok())
        .filter(|days| (1..=MOST_DAYS).contains(days))
        .unwrap_or(DEFAULT_DAYS);
    let last = times::day_of(now);
    (days, DayRange { first: last - (days - 1), last })
}

/// A link to the same page over another number of days.
struct RangeLink {
    days: i64,
    is_current: bool,
}

fn range_links(current: i64) -> Vec<RangeLink> {
    RANGES.into_iter().map(|days| RangeLink { days, is_current: days == current }).collect()
}
