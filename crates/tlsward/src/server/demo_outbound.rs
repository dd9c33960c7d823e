//! The outbound half of the demonstration: counts and reports go into the store through its own port, and policies are
//! shown from a book of made-up ones. Nothing is sent and nothing is looked up.

use std::sync::Arc;

use anyhow::Context as _;
use futures_util::future::try_join_all;
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::{
    AlertLine, Delta, JournalPlace, LeaseAsk, Outbox, PolicyBook, PolicyLine, Settlement, StoreError,
};
use tlsward_engine::report::{BounceSecret, Identity, Settings, day_of};
use tlsward_lab::demo::outbound;
use tlsward_web::pages::Outbound;

use super::demo::SEED;
use super::outbound::Book;
use crate::edge;

/// Whose journal, and who settles.
const NODE: &str = "demonstration";
/// More than there are.
const REPORTS: usize = 1_000;

/// Puts the sessions of the last weeks and what became of their reports into the store.
pub(super) async fn fill<S: Outbox>(store: &S, now: UnixTime) -> anyhow::Result<()> {
    let delta = Delta {
        journal: NODE.to_owned(),
        from: JournalPlace::default(),
        to: JournalPlace { segment: 1, offset: 1 },
        groups: outbound::sessions(SEED, now),
    };
    let kept = async {
        store.add(delta).await?;
        let ask = LeaseAsk {
            node: NODE.to_owned(),
            now,
            until: now + 3_600,
            before_day: day_of(now),
            limit: REPORTS,
        };
        let due = store.lease(ask).await?;
        let settled = due.into_iter().map(|report| {
            let outbound::Fate { state, at, reason, progress } =
                outbound::fate(&report.line.key, report.line.at, now);
            store.settle(Settlement {
                key: report.line.key,
                node: NODE.to_owned(),
                state,
                at,
                reason,
                progress: progress.to_text(),
                token: None,
                notes: Vec::new(),
            })
        });
        try_join_all(settled).await.map(drop)
    };
    kept.await.context("the outgoing reports of the demonstration could not be kept")
}

/// What the pages show of it.
pub(super) fn shown() -> anyhow::Result<Outbound<Book>> {
    let identity = Identity::new("Demonstration", "postmaster@sender.example")?;
    let now = edge::now();
    Ok(Outbound {
        policies: Some(Arc::new(Book::Demo(DemoBook {
            policies: outbound::policies(now),
            alerts: outbound::alerts(now),
        }))),
        // Nothing is sent, so nothing bounces.
        reporting: Some(Arc::new(Settings::new(identity, SEED, BounceSecret::new([0; 32])))),
        ..Outbound::default()
    })
}

/// Policies as they were when the demonstration began.
#[derive(Debug)]
pub(super) struct DemoBook {
    policies: Vec<PolicyLine>,
    alerts: Vec<AlertLine>,
}

impl PolicyBook for DemoBook {
    async fn policies(&self, after: Option<&str>, limit: usize) -> Result<Vec<PolicyLine>, StoreError> {
        let rest = self.policies.iter().filter(|line| after.is_none_or(|after| line.domain.as_str() > after));
        Ok(rest.take(limit).cloned().collect())
    }

    async fn policy(&self, domain: &str) -> Result<Option<PolicyLine>, StoreError> {
        Ok(self.policies.iter().find(|line| line.domain == domain).cloned())
    }

    async fn alerts(&self, domain: Option<&str>, limit: usize) -> Result<Vec<AlertLine>, StoreError> {
        let fit = self.alerts.iter().filter(|alert| domain.is_none_or(|domain| alert.domain == domain));
        Ok(fit.take(limit).cloned().collect())
    }
}
