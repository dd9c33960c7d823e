//! The service manager: sockets that it opened for us and keeps open while we restart, so that nobody is turned away
//! meanwhile, and what it is told of how we do.
//!
//! A socket is for the part of the configuration whose name it has (`FileDescriptorName=enforce`), and takes the place
//! of that part's own `listen`; one without such a name is for the part that would listen on its address. What can
//! fail: a socket of another kind than the part needs. One that no part wants is named in the log and closed.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::net::sockopt::socket_acceptconn;
use sd_notify::NotifyState;
use tokio::sync::watch;

use super::shown;
use crate::edge;

/// The sockets that were handed over and that no part has taken yet.
#[derive(Debug, Default)]
pub(super) struct Inherited {
    sockets: Vec<Socket>,
}

/// A socket that was handed over.
#[derive(Debug)]
struct Socket {
    name: String,
    kind: Kind,
}

/// What it is.
#[derive(Debug)]
pub(super) enum Kind {
    /// Listens on a port.
    Tcp(TcpListener, SocketAddr),
    /// Listens on a path.
    Unix(UnixListener, PathBuf),
    /// Takes datagrams at a path.
    Datagram(UnixDatagram, PathBuf),
}

impl Inherited {
    /// Takes them. To be called before there are threads.
    pub(super) fn take() -> anyhow::Result<Self> {
        let (mut found, names) = edge::inherited();
        let mut sockets = Vec::new();
        for index in 0..found.len() {
            let name = names.get(index).cloned().unwrap_or_default();
            let kind = if let Ok(Some(socket)) = found.take_tcp_listener(index) {
                let address = socket.local_addr();
                address.map(|address| Kind::Tcp(socket, address))
            } else if let Ok(Some(socket)) = found.take_unix_listener(index) {
                let path = path_of(socket.local_addr());
                Ok(Kind::Unix(socket, path))
            } else if let Ok(Some(socket)) = found.take_unix_datagram(index) {
                let path = path_of(socket.local_addr());
                Ok(Kind::Datagram(socket, path))
            } else {
                bail!(
                    "the service manager handed over '{name}', which is neither a TCP socket nor a unix stream or \
                     datagram socket: correct the socket unit"
                );
            };
            let kind =
                kind.with_context(|| format!("cannot use the socket '{name}' that was handed over"))?;
            let listens = match &kind {
                Kind::Tcp(socket, _) => is_listening(socket),
                Kind::Unix(socket, _) => is_listening(socket),
                Kind::Datagram(..) => true,
            };
            if !listens {
                bail!(
                    "the socket '{name}' that was handed over does not listen: in its socket unit, Accept= must be no"
                );
            }
            sockets.push(Socket { name, kind });
        }
        Ok(Self { sockets })
    }

    /// The socket for a part that listens on one port.
    pub(super) fn tcp(&mut self, table: &str, listen: SocketAddr) -> anyhow::Result<Option<TcpListener>> {
        let is_there = |kind: &Kind| matches!(kind, Kind::Tcp(_, address) if *address == listen);
        match self.one(table, is_there)? {
            None => Ok(None),
            Some(Kind::Tcp(socket, _)) => {
                socket.set_nonblocking(true).context("cannot use the socket that was handed over")?;
                Ok(Some(socket))
            }
            Some(Kind::Unix(..) | Kind::Datagram(..)) => {
                Err(unfit(table, "a TCP socket (ListenStream= with a port)"))
            }
        }
    }

    /// The socket for a part that takes datagrams at a path.
    pub(super) fn datagram(&mut self, table: &str, path: &Path) -> anyhow::Result<Option<UnixDatagram>> {
        let is_there = |kind: &Kind| matches!(kind, Kind::Datagram(_, at) if at == path);
        match self.one(table, is_there)? {
            None => Ok(None),
            Some(Kind::Datagram(socket, _)) => Ok(Some(socket)),
            Some(Kind::Tcp(..) | Kind::Unix(..)) => {
                Err(unfit(table, "a unix datagram socket (ListenDatagram= with a path)"))
            }
        }
    }

    /// Every socket with the name of a part that may have several.
    pub(super) fn named(&mut self, table: &str) -> Vec<Kind> {
        let of_it = self.sockets.extract_if(.., |socket| socket.name == table);
        of_it.map(|socket| socket.kind).collect()
    }

    /// The first socket at a place, whatever it is called.
    pub(super) fn at(&mut self, is_there: impl Fn(&Kind) -> bool) -> Option<Kind> {
        let index = self.sockets.iter().position(|socket| is_there(&socket.kind))?;
        Some(self.sockets.remove(index).kind)
    }

    fn one(&mut self, table: &str, is_there: impl Fn(&Kind) -> bool) -> anyhow::Result<Option<Kind>> {
        let mut named = self.named(table);
        if named.len() > 1 {
            bail!(
                "{} sockets named '{table}' were handed over, and [{table}] takes one: remove the others from the \
                 socket unit",
                named.len()
            );
        }
        Ok(named.pop().or_else(|| self.at(is_there)))
    }

    /// Names what is left over, and closes it.
    pub(super) fn close(self) {
        for Socket { name, kind } in self.sockets {
            let place = match &kind {
                Kind::Tcp(_, address) => address.to_string(),
                Kind::Unix(_, path) | Kind::Datagram(_, path) => shown(path),
            };
            tracing::warn!(
                name,
                place,
                "the service manager handed over a socket that no part of the configuration takes; \
                 FileDescriptorName= in its unit must be the name of a table, such as enforce"
            );
        }
    }
}

fn unfit(table: &str, needed: &str) -> anyhow::Error {
    anyhow::anyhow!(
        "the socket that was handed over for [{table}] is of another kind than it needs: {needed}"
    )
}

fn path_of(address: std::io::Result<std::os::unix::net::SocketAddr>) -> PathBuf {
    let path = address.ok().and_then(|address| address.as_pathname().map(Path::to_owned));
    path.unwrap_or_default()
}

fn is_listening(socket: impl AsFd) -> bool {
    socket_acceptconn(socket).unwrap_or(false)
}

/// Everything is bound and runs.
pub(super) fn ready() {
    edge::notify(&[NotifyState::Ready]);
}

/// The configuration is read again; [`ready`] follows. The time is what `Type=notify-reload` wants beside it.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => edge::notify(&[NotifyState::Reloading, now]),
        Err(error) => tracing::warn!(%error, "the service manager is not told of the reload"),
    }
}

/// It is time to stop.
pub(super) fn stopping() {
    edge::notify(&[NotifyState::Stopping]);
}

/// Gives signs of life, twice in the time after which the service manager would take us for dead, if it wants any.
pub(super) async fn live(mut shutdown: watch::Receiver<bool>) {
    let Some(patience) = edge::watchdog() else {
        return crate::control::told_to_stop(&mut shutdown).await;
    };
    let mut beats = tokio::time::interval((patience / 2).max(Duration::from_millis(1)));
    loop {
        tokio::select! {
            () = crate::control::told_to_stop(&mut shutdown) => return,
            _ = beats.tick() => edge::notify(&[NotifyState::Watchdog]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(name: &str) -> (Socket, SocketAddr) {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        (Socket { name: name.to_owned(), kind: Kind::Tcp(socket, address) }, address)
    }

    #[test]
    fn a_socket_goes_by_its_name_and_else_by_its_address() {
        let ((named, first), (unnamed, second)) = (tcp("web"), tcp("tlsward.socket"));
        let mut inherited = Inherited { sockets: vec![named, unnamed] };
        let elsewhere = SocketAddr::from(([127, 0, 0, 1], 1));
        let found = inherited.tcp("web", elsewhere).unwrap().unwrap();
        assert_eq!(found.local_addr().unwrap(), first);
        assert!(inherited.tcp("receive.smtp", elsewhere).unwrap().is_none());
        let found = inherited.tcp("receive.smtp", second).unwrap().unwrap();
        assert_eq!(found.local_addr().unwrap(), second);
        assert!(inherited.sockets.is_empty());
    }

    #[test]
    fn a_socket_of_another_kind_and_a_second_one_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let kind = Kind::Unix(UnixListener::bind(&path).unwrap(), path);
        let mut inherited = Inherited { sockets: vec![Socket { name: "web".to_owned(), kind }] };
        let listen = SocketAddr::from(([127, 0, 0, 1], 1));
        let error = inherited.tcp("web", listen).unwrap_err().to_string();
        assert!(error.contains("[web]") && error.contains("a TCP socket"), "{error}");
        let mut inherited = Inherited { sockets: vec![tcp("web").0, tcp("web").0] };
        let error = inherited.tcp("web", listen).unwrap_err().to_string();
        assert!(error.contains("2 sockets named 'web'"), "{error}");
    }
}
