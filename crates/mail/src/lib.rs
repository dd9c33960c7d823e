//! The mail roads by which reports arrive (RFC 8460 §5.3), and the queue that gives kept mail its verdict.
//!
//! [`listener`] takes mail by SMTP or LMTP and keeps it, synced, before it answers 250. [`pipe`] is the road of
//! `tlsward receive`: one mail on standard input, put into a spool folder that the server empties. Both hand on what
//! they kept to [`queue`], which reads it afterwards and settles it in the store; after a crash it takes up what was
//! left. [`session`] is the protocol itself, without a socket or a clock. [`bounce`] is what else comes to the listener: news
//! of reports that were sent from here.
//!
//! Nothing here ever sends or forwards mail: an address is only a reason to take a mail in. ([`dkim`] signs the reports
//! that others send.) A mail is kept exactly as
//! it came, because a DKIM signature covers its bytes: no `Received` field is put in front; who sent it, from where
//! and when stands beside it, in [`RawInput`].
//!
//! [`RawInput`]: tlsward_engine::facts::RawInput

pub mod bounce;
pub mod dkim;
mod limits;
pub mod listener;
pub mod pipe;
pub mod queue;
pub mod session;

#[cfg(test)]
mod fake;

pub use limits::{Limits, QueueLimits};

/// Says when to stop: `true` is to drain, and so is a sender that went away.
pub type Shutdown = tokio::sync::watch::Receiver<bool>;

/// Resolves once it is time to stop.
pub(crate) async fn told_to_stop(shutdown: &mut Shutdown) {
    // An error is a sender that went away: whoever would have told us is gone.
    let _ = shutdown.wait_for(|stop| *stop).await;
}
