//! The mail server's (MTA's) side: what a sending MTA asks, and what it tells.
//!
//! [`socketmap`] answers Postfix's TLS policy look-ups. [`session`] takes in what MTAs say of their TLS sessions, as
//! libtlsrpt datagrams or as JSON lines, and [`journal`] keeps that on disk before anything is counted.
//! [`postfix_log`] reads from Postfix's log what the datagrams leave out: which MX host a session went to, and which
//! certificate it showed.
//!
//! Codecs stand apart from loops: a codec does no I/O and takes time as an argument. What the answers are, and what
//! is counted, is the engine's business.

pub mod journal;
pub mod postfix_log;
pub mod session;
pub mod socketmap;

mod text;
mod unix_path;

pub use unix_path::BindError;

/// Says when to stop: `true` is to drain, and so is a sender that went away.
pub type Shutdown = tokio::sync::watch::Receiver<bool>;

/// Resolves once it is time to stop.
pub(crate) async fn told_to_stop(shutdown: &mut Shutdown) {
    // An error is a sender that went away: whoever would have told us is gone.
    let _ = shutdown.wait_for(|stop| *stop).await;
}
