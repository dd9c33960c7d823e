//! The domains of `[check]`, audited every hour, and what that came to remembered.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use mta_sts::policy_domain::PolicyDomain;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tlsward_engine::check::{self, Level, Report, Snapshot};
use tlsward_engine::ports::{Audit, Checks};
use tokio::sync::watch;

use crate::edge;
use crate::world::Open;

/// Between the beginnings of two rounds.
const INTERVAL: Duration = Duration::from_secs(3600);
/// Domains that are looked at side by side: there is no hurry.
const AT_ONCE: usize = 4;

type Labels = Vec<(&'static str, String)>;

/// What the audits came to, for `/metrics`.
#[derive(Debug, Clone, Default)]
pub(super) struct Gauges {
    findings: Family<Labels, Gauge>,
    checked: Family<Labels, Gauge>,
}

impl Gauges {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let gauges = Self::default();
        let text = "Findings of the last check of a domain, by level";
        registry.register("tlsward_check_findings", text, gauges.findings.clone());
        let text = "When a domain was last checked";
        registry.register("tlsward_check_timestamp_seconds", text, gauges.checked.clone());
        gauges
    }

    fn set(&self, report: &Report) {
        for level in [Level::Error, Level::Warning, Level::Info] {
            let count = report.findings.iter().filter(|finding| finding.level == level).count();
            let labels = vec![("domain", report.domain.clone()), ("level", level.as_wire().to_owned())];
            self.findings.get_or_create(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        self.checked.get_or_create(&vec![("domain", report.domain.clone())]).set(report.checked_at);
    }
}

/// Audits `domains`, now and then every hour, until `shutdown` says stop.
pub(super) async fn run<S: Checks>(
    domains: BTreeSet<PolicyDomain>,
    world: Arc<Open>,
    store: Arc<S>,
    gauges: Gauges,
    mut shutdown: watch::Receiver<bool>,
) {
    let mut rounds = tokio::time::interval(INTERVAL);
    // A round that took long does not bring the next ones nearer.
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = shutdown.wait_for(|stop| *stop) => return,
            _ = rounds.tick() => {}
        }
        let round = stream::iter(&domains)
            .for_each_concurrent(AT_ONCE, |domain| audit(domain, &world, store.as_ref(), &gauges));
        tokio::select! {
            _ = shutdown.wait_for(|stop| *stop) => return,
            () = round => {}
        }
    }
}

async fn audit<S: Checks>(domain: &PolicyDomain, world: &Open, store: &S, gauges: &Gauges) {
    let options = check::Options { unused_label: edge::unused_label().ok(), ..Default::default() };
    let now = edge::now();
    let report = check::check(&world.net, &world.roots, domain, &options, now).await;
    gauges.set(&report);
    tracing::info!(
        domain = domain.as_str(),
        verdict = report.verdict.as_wire(),
        findings = report.findings.len(),
        "checked"
    );
    let audit = Audit {
        domain: report.domain.clone(),
        at: now,
        verdict: report.verdict.as_wire().to_owned(),
        snapshot: Snapshot::of(&report).to_json(),
        report: report.to_json(),
    };
    if let Err(error) = store.note(audit).await {
        tracing::error!(domain = domain.as_str(), %error, "what a check came to could not be kept");
    }
}
