//! What comes back of reports that a relay took: the next place is tried.

use std::fmt;
use std::sync::Arc;

use tlsward_engine::ports::Outbox;
use tlsward_engine::report::{bounced, token_of};
use tlsward_mail::bounce::{Bounces, Noted};

use super::figures::Figures;
use crate::edge;

/// Knows the addresses that reports are sent from.
pub(super) struct Returned<O> {
    pub(super) outbox: Arc<O>,
    pub(super) node: String,
    /// `local@domain`, each a stem of addresses with a token.
    pub(super) addresses: Vec<String>,
    pub(super) figures: Arc<Figures>,
}

impl<O> fmt::Debug for Returned<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Returned").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

impl<O> Returned<O> {
    fn token<'r>(&self, recipient: &'r str) -> Option<&'r str> {
        self.addresses.iter().find_map(|address| token_of(address, recipient))
    }
}

impl<O: Outbox> Bounces for Returned<O> {
    fn is_ours(&self, recipient: &str) -> bool {
        self.token(recipient).is_some()
    }

    fn came_back<'a>(&'a self, recipient: &'a str, failure: Option<&'a str>) -> Noted<'a> {
        Box::pin(async move {
            let Some(token) = self.token(recipient) else { return Ok(()) };
            let Some(reason) = failure else {
                // An automatic answer, or news of a delay.
                tracing::info!(
                    recipient,
                    "mail that tells of no failed delivery came to an address of bounces"
                );
                return Ok(());
            };
            if bounced(self.outbox.as_ref(), &self.node, token, edge::now(), reason).await? {
                self.figures.bounces.add(1);
                tracing::warn!(token, reason, "a report came back; the next place is tried");
            } else {
                tracing::info!(
                    token,
                    "a bounce is of no report that is known, or of one that came back before"
                );
            }
            Ok(())
        })
    }
}
