//! The demonstration: a server over made-up mail, in a folder of its own that goes when it ends.
//!
//! What `lab::demo` makes up is taken in as real input is: examined, then accepted by the store. Nothing is listened to
//! but the pages, so that no real report can end up in a folder that is thrown away; nothing is asked of the network, and
//! the data folder of the configuration is not touched. What can fail: the temporary folder, the store.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::try_join_all;
use tempfile::TempDir;
use tlsward_engine::facts::{RawInput, Receipt, Verdict};
use tlsward_engine::ports::{Checks, Intake, Outbox, StoreError};
use tlsward_engine::receive::{CurrentRules, Rules, examine};
use tlsward_lab::demo::{self, Arrival};
use tlsward_web::metrics::Metrics;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::demo_outbound;
use crate::config::{Receive, Settings};
use crate::edge;

/// What every page says.
pub(super) const NOTICE: &str =
    "Demonstration: all of this is made up. A report arrives every few seconds; load a page again to see it.";
/// Everybody sees the same demonstration.
pub(super) const SEED: u64 = 8460;
/// Inputs that the store is given at once: they share a commit.
const BATCH: usize = 256;
/// Between two reports that arrive live.
const LIVE_EVERY: Duration = Duration::from_secs(4);

/// A demonstration's folder; removed when dropped.
pub(crate) struct Demo {
    folder: TempDir,
}

impl Demo {
    /// Makes the folder.
    pub(crate) fn new() -> io::Result<Self> {
        let folder = tempfile::Builder::new().prefix("tlsward-demo-").tempdir()?;
        Ok(Self { folder })
    }

    /// The folder, for whoever ends the process without dropping anything.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What a demonstration goes by: of what was asked for, where the pages are, and nothing else.
    pub(crate) fn settings(&self, asked: &Settings) -> Settings {
        let folder = self.folder.path();
        Settings {
            data_dir: folder.to_owned(),
            database: folder.join("tlsward.db"),
            net: asked.net.clone(),
            web: Some(asked.web.clone().unwrap_or_default()),
            check: None,
            enforce: None,
            report: None,
            publish: None,
            receive: Receive::default(),
            https: None,
            smtp: None,
        }
    }

    /// Takes in everything that came until now.
    pub(super) async fn fill<S: Intake + Checks + Outbox>(
        &self,
        store: &S,
        rules: &CurrentRules,
    ) -> anyhow::Result<()> {
        let now = edge::now();
        let making = tokio::task::spawn_blocking(move || demo::history(SEED, now));
        let mut history = making.await?.into_iter();
        loop {
            let batch: Vec<_> = history.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                break;
            }
            let rules = rules.get();
            let examined = tokio::task::spawn_blocking(move || {
                batch.into_iter().map(|arrival| examined(arrival, &rules)).collect::<Vec<_>>()
            });
            let accepted = examined.await?.into_iter().map(|(raw, verdict)| store.accept(raw, verdict));
            try_join_all(accepted).await.context("the demonstration could not be kept")?;
        }
        for audit in demo::audits(now) {
            store.note(audit).await.context("the checks of the demonstration could not be kept")?;
        }
        demo_outbound::fill(store, now).await
    }
}

/// Lets a report arrive every few seconds, until `shutdown` says stop.
pub(super) async fn live<S: Intake>(
    store: Arc<S>,
    rules: CurrentRules,
    metrics: Metrics,
    mut shutdown: watch::Receiver<bool>,
) {
    let mut ticks = tokio::time::interval(LIVE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0.. {
        tokio::select! {
            _ = shutdown.wait_for(|stop| *stop) => return,
            _ = ticks.tick() => {}
        }
        let arrival = demo::live(SEED, number, edge::now());
        let road = arrival.road;
        match take_in(arrival, store.as_ref(), &rules.get()).await {
            Ok(receipt) => metrics.receipt(road, &receipt),
            Err(error) => tracing::error!(%error, "a report of the demonstration could not be kept"),
        }
    }
}

async fn take_in<S: Intake>(arrival: Arrival, store: &S, rules: &Rules) -> Result<Receipt, StoreError> {
    let (raw, verdict) = examined(arrival, rules);
    store.accept(raw, verdict).await
}

fn examined(arrival: Arrival, rules: &Rules) -> (RawInput, Verdict) {
    let Arrival { received_at, road, label, bytes } = arrival;
    let raw = RawInput { road, received_at, peer: None, label, bytes };
    let verdict = examine(&raw, rules);
    (raw, verdict)
}

#[cfg(test)]
mod tests {
    use mta_sts::policy_domain::PolicyDomain;

    use super::*;
    use crate::config::{Check, Https};

    #[test]
    fn of_a_configuration_only_the_place_of_the_pages_is_taken() {
        let mut asked = Settings::load(None).unwrap();
        asked.https = Some(Https::default());
        asked.check = Some(Check { domains: [PolicyDomain::parse("example.com").unwrap()].into() });
        if let Some(web) = &mut asked.web {
            web.names.push("demo.example.org".to_owned());
        }
        let demo = Demo::new().unwrap();
        let settings = demo.settings(&asked);
        assert_eq!(settings.web, asked.web);
        assert!(settings.https.is_none() && settings.smtp.is_none() && settings.check.is_none());
        let folder = settings.data_dir.clone();
        assert!(settings.database.starts_with(&folder) && folder.is_dir());
        drop(demo);
        assert!(!folder.exists());
    }
}
