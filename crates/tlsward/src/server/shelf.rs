//! What was set aside is read again after an upgrade.
//!
//! Every item on the shelf remembers the reader that put it there ([`READER`]). At start, those of another one are read
//! once more, one at a time and beside everything else: what is read now is filed and leaves the shelf in one commit,
//! what is not stays with the reason of today. Killed in between, it is there as before.
//!
//! What can fail: the store, for a while: then it is asked again later. The reading of one item: then it stays.

use std::sync::Arc;
use std::time::Duration;

use tlsward_engine::facts::{RawInput, Receipt, SetAsideReason, Verdict};
use tlsward_engine::ports::{Intake, StoreError, Unread};
use tlsward_engine::receive::{CurrentRules, READER, READING_ATTEMPTS, Rules, examine};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::control::told_to_stop;

/// Before the store is asked again.
const PAUSE: Duration = Duration::from_secs(60);

/// Reads everything again that another reader set aside, then waits to be told to stop.
pub(super) async fn examine_again<S: Intake>(
    store: Arc<S>,
    rules: CurrentRules,
    mut shutdown: watch::Receiver<bool>,
) {
    tokio::select! {
        () = told_to_stop(&mut shutdown) => return,
        Tally { filed, kept } = walk(&*store, READER, &rules) => {
            if filed + kept > 0 {
                tracing::info!(filed, kept, "what an earlier version had set aside was read again");
            }
        }
    }
    told_to_stop(&mut shutdown).await;
}

/// What came of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Tally {
    /// Items whose reports are filed now, or were there already.
    filed: u64,
    /// Items that stay.
    kept: u64,
}

async fn walk<S: Intake>(store: &S, reader: &str, rules: &CurrentRules) -> Tally {
    let (mut tally, mut after) = (Tally::default(), i64::MIN);
    loop {
        // One at a time: it may be as large as an input can be.
        let step = match store.set_aside_by_others(reader, after, 1).await {
            Ok(items) => match items.into_iter().next() {
                None => return tally,
                Some(item) => {
                    let id = item.id;
                    let rules = rules.get();
                    again(store, item, rules).await.map(|receipt| (id, receipt))
                }
            },
            Err(error) => Err(error),
        };
        match step {
            Ok((id, Receipt::SetAside { .. })) => (after, tally.kept) = (id, tally.kept + 1),
            Ok((id, _)) => (after, tally.filed) = (id, tally.filed + 1),
            Err(StoreError::Unavailable(error)) => {
                tracing::warn!(error, "what was set aside has to wait to be read again");
                sleep(PAUSE).await;
            }
            Err(error) => {
                tracing::error!(%error, "what was set aside is not read again");
                return tally;
            }
        }
    }
}

async fn again<S: Intake>(store: &S, item: Unread, rules: Arc<Rules>) -> Result<Receipt, StoreError> {
    let Unread { id, attempts, raw } = item;
    let verdict = if attempts >= READING_ATTEMPTS {
        failed(&format!("{attempts} times the server ended while it read this input again"))
    } else {
        store.begin(id).await?;
        read(raw, rules).await
    };
    let receipt = store.reconsider(id, verdict).await?;
    tracing::debug!(id, ?receipt, "read again");
    Ok(receipt)
}

async fn read(raw: RawInput, rules: Arc<Rules>) -> Verdict {
    // Its panic, caught by the runtime, is its own.
    spawn_blocking(move || examine(&raw, &rules))
        .await
        .unwrap_or_else(|_| failed("the reader failed on this input"))
}

fn failed(what: &str) -> Verdict {
    tracing::error!(what, "set aside as unreadable");
    Verdict::SetAside {
        reason: SetAsideReason::Unreadable,
        detail: format!("{what}, which is a fault in Tlsward; it is read again after an upgrade"),
    }
}

#[cfg(test)]
mod tests {
    use tlsward_engine::facts::Road;
    use tlsward_engine::ports::Evidence as _;
    use tlsward_store::MemoryStore;

    use super::*;

    const REPORT: &str = r#"{"organization-name":"Example","date-range":{"start-datetime":"2026-10-01T00:00:00Z",
        "end-datetime":"2026-10-01T23:59:59Z"},"report-id":"r","policies":[{"policy":{"policy-type":"sts",
        "policy-domain":"a.example"},"summary":{"total-successful-session-count":1,"total-failure-session-count":0}}]}"#;

    async fn shelved(store: &MemoryStore, text: &'static str) -> i64 {
        let bytes = text.as_bytes().into();
        let raw = RawInput { road: Road::Https, received_at: 1, peer: None, label: String::new(), bytes };
        let verdict =
            Verdict::SetAside { reason: SetAsideReason::Unreadable, detail: "by another reader".to_owned() };
        match store.accept(raw, verdict).await.unwrap() {
            Receipt::SetAside { id, .. } => id,
            other => panic!("{other:?}"),
        }
    }

    /// Proves: R4
    #[tokio::test]
    async fn what_this_reader_reads_is_filed_and_the_rest_stays_with_the_reason_of_today() {
        let store = MemoryStore::default();
        let broken = shelved(&store, "{\"policies\": [").await;
        shelved(&store, REPORT).await;
        shelved(&store, REPORT).await;
        let deadly = shelved(&store, "{\"policies\": [{}]}").await;
        for _ in 0..READING_ATTEMPTS {
            store.begin(deadly).await.unwrap();
        }
        let rules = CurrentRules::default();
        assert_eq!(walk(&store, READER, &rules).await, Tally::default(), "all are of this reader");
        assert_eq!(walk(&store, "an older one", &rules).await, Tally { filed: 2, kept: 2 });
        let shelf = store.set_aside(None, 9).await.unwrap().items;
        let shelf: Vec<_> = shelf.iter().map(|item| (item.id, item.detail.as_str())).collect();
        assert_eq!((shelf.len(), shelf[0].0, shelf[1].0), (2, deadly, broken));
        assert!(shelf[0].1.starts_with("3 times the server ended"), "{shelf:?}");
        assert!(shelf[1].1.starts_with("post: "), "{shelf:?}");
        let totals = store.totals().await.unwrap();
        assert_eq!((totals.reports, totals.duplicates, totals.set_aside), (1, 1, 2));
    }
}
