//! The SMTP or LMTP listener by which report mail arrives. It only takes in; nothing is ever relayed.
//!
//! 250 means that the store has the mail, synced, whatever it may turn out to be. What can fail: the store or the
//! memory budget, for a while (452, the client comes back); the client, by time or by manners (421).

mod connection;
mod sources;

#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use tlsward_engine::ports::{Clock, Intake};
use tlsward_engine::receive::Budget;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
pub use tokio_rustls::rustls::ServerConfig as TlsConfig;

use self::sources::Sources;
use crate::bounce::Bounces;
use crate::queue::Inlet;
use crate::session::{HangUp, Session, Terms};
pub use crate::session::{Protocol, RecipientError, Recipients};
use crate::{Limits, Shutdown, told_to_stop};

/// How a listener behaves.
#[derive(Debug, Clone)]
pub struct Options {
    /// SMTP or LMTP.
    pub protocol: Protocol,
    /// Our name in the greeting.
    pub hostname: String,
    /// For whom mail is taken in; `None`: for anyone, because nothing is ever forwarded.
    pub accept_recipients: Option<Recipients>,
    /// Takes what comes back of reports that were sent; `None`: none are.
    pub bounces: Option<Arc<dyn Bounces>>,
    /// Certificate and key; `None`: STARTTLS is not offered.
    pub tls: Option<Arc<TlsConfig>>,
    /// The bounds.
    pub limits: Limits,
}

/// A bound listener that does not accept yet.
pub struct Listener<S, C> {
    socket: TcpListener,
    shared: Arc<Shared<S, C>>,
}

/// What all connections share.
struct Shared<S, C> {
    terms: Arc<Terms>,
    tls: Option<TlsAcceptor>,
    store: Arc<S>,
    clock: Arc<C>,
    budget: Budget,
    inlet: Inlet,
}

impl<S: Intake, C: Clock> Listener<S, C> {
    /// Takes mail on `socket` into `store` and announces it to `inlet`. `budget` is the one of all intake.
    pub fn new(
        socket: TcpListener,
        options: Options,
        store: Arc<S>,
        clock: Arc<C>,
        budget: Budget,
        inlet: Inlet,
    ) -> Self {
        let Options { protocol, hostname, accept_recipients, bounces, tls, limits } = options;
        // One line, whatever the configuration holds.
        let mut hostname: String = hostname.chars().filter(char::is_ascii_graphic).take(255).collect();
        if hostname.is_empty() {
            "localhost".clone_into(&mut hostname);
        }
        let recipients = accept_recipients;
        let terms = Terms { protocol, hostname, recipients, bounces, starttls: tls.is_some(), limits };
        let shared =
            Shared { terms: Arc::new(terms), tls: tls.map(TlsAcceptor::from), store, clock, budget, inlet };
        Self { socket, shared: Arc::new(shared) }
    }

    /// The address it is bound to.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Accepts until told to stop; then lets mail in transfer finish, within `Limits::drain`, and tells the others to
    /// come back later.
    pub async fn run(self, mut shutdown: Shutdown) {
        let limits = &self.shared.terms.limits;
        let sources = Sources::new(limits.connections, limits.connections_per_source);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = told_to_stop(&mut shutdown) => break,
                Some(_) = connections.join_next() => {}
                accepted = self.socket.accept() => match accepted {
                    Ok((tcp, peer)) => match sources.seat(peer.ip()) {
                        Some(seat) => {
                            let (shared, shutdown) = (Arc::clone(&self.shared), shutdown.clone());
                            // Answers are written whole: waiting for more would only hold them back.
                            let _ = tcp.set_nodelay(true);
                            let peer = peer.ip().to_canonical();
                            connections.spawn(async move {
                                connection::serve(tcp, peer, shared, shutdown).await;
                                drop(seat);
                            });
                        }
                        None => self.turn_away(tcp, peer),
                    },
                    Err(error) => {
                        // Mostly no descriptor left: accepting again at once would only spin.
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::select! {
                            () = told_to_stop(&mut shutdown) => break,
                            () = tokio::time::sleep(limits.accept_pause) => {}
                        }
                    }
                },
            }
        }
        let drain = limits.drain;
        drop(self.socket);
        let finish = async { while connections.join_next().await.is_some() {} };
        if timeout(drain, finish).await.is_err() {
            tracing::warn!(
                connections = connections.len(),
                "stopped in the middle of mails; their senders will come back"
            );
        }
    }

    /// Says why and closes, without waiting for anything.
    fn turn_away(&self, tcp: TcpStream, peer: SocketAddr) {
        tracing::debug!(%peer, "turned away: too many connections");
        let mut out = Vec::new();
        Session::new(Arc::clone(&self.shared.terms), self.shared.budget.clone())
            .hang_up(HangUp::TooMany, &mut out);
        if let Ok(mut tcp) = tcp.into_std() {
            let _ = tcp.write(&out);
        }
    }
}
