//! What is done to one kept mail.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tlsward_engine::facts::{RawInput, Receipt, Road, SetAsideReason, Verdict};
use tlsward_engine::ports::{Intake, StoreError};
use tlsward_engine::receive::Rules;
use tokio::task::spawn_blocking;

use super::Examine;

/// What came of one mail.
pub(super) struct Done {
    pub(super) id: i64,
    pub(super) road: Road,
    pub(super) bytes: usize,
    pub(super) large: bool,
    /// Whether the store noted that it was begun, where it was asked to.
    pub(super) noted: bool,
    pub(super) outcome: Result<Receipt, StoreError>,
}

/// What is to be done.
#[derive(Debug, Clone, Copy)]
pub(super) enum Task {
    /// Read it.
    Read,
    /// Note in the store that it is begun, then read it: if the process ends of it, the next one knows.
    NoteAndRead,
    /// Do not read it: so many processes ended while they did.
    GiveUp { attempts: u32 },
}

/// Reads a mail to its verdict and settles it; a large one on a thread that may be blocked.
pub(super) async fn judge<S: Intake>(
    store: Arc<S>,
    id: i64,
    raw: RawInput,
    large: bool,
    task: Task,
    rules: Arc<Rules>,
    examine: Examine,
) -> Done {
    let (bytes, road) = (raw.bytes.len(), raw.road);
    if let Task::NoteAndRead = task
        && let Err(error) = store.begin(id).await
    {
        return Done { id, road, bytes, large, noted: false, outcome: Err(error) };
    }
    let verdict = if let Task::GiveUp { attempts } = task {
        given_up(attempts)
    } else if large {
        spawn_blocking(move || guarded(&raw, &rules, &examine)).await.unwrap_or_else(|_| unreadable())
    } else {
        guarded(&raw, &rules, &examine)
    };
    let outcome = store.settle(id, verdict).await;
    Done { id, road, bytes, large, noted: true, outcome }
}

/// The one edge where a panic is caught: a mail that finds a fault in the reader must not keep the others waiting,
/// nor come back after every start.
fn guarded(raw: &RawInput, rules: &Rules, examine: &Examine) -> Verdict {
    catch_unwind(AssertUnwindSafe(|| examine(raw, rules))).unwrap_or_else(|_| unreadable())
}

fn unreadable() -> Verdict {
    tracing::error!("the reader failed on a mail; it is set aside as unreadable");
    Verdict::SetAside {
        reason: SetAsideReason::Unreadable,
        detail: "the reader failed on this mail, which is a fault in Tlsward".to_owned(),
    }
}

fn given_up(attempts: u32) -> Verdict {
    tracing::error!(attempts, "a mail ended the server while it was read; it is set aside as unreadable");
    Verdict::SetAside {
        reason: SetAsideReason::Unreadable,
        detail: format!(
            "{attempts} times the server ended while it read this mail, which is a fault in Tlsward; it is read again \
             after an upgrade"
        ),
    }
}
