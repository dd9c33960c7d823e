//! Sockets, and what to do when one cannot be had.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::net::{TcpListener, UnixListener};

use super::systemd::Inherited;
use super::{only_for_owner, shown};

/// A socket that listens.
pub(super) struct Bound {
    pub(super) socket: TcpListener,
    /// Where it really listens: the port is known even if any was asked for.
    pub(super) address: SocketAddr,
}

/// Listens on `listen`, which `table` names, for `what`; on a socket that was handed over for it, if there is one.
pub(super) async fn tcp(
    listen: SocketAddr,
    table: &str,
    what: &str,
    inherited: &mut Inherited,
) -> anyhow::Result<Bound> {
    if let Some(socket) = inherited.tcp(table, listen)? {
        let address = socket.local_addr()?;
        return Ok(Bound { socket: TcpListener::from_std(socket)?, address });
    }
    let bound = match TcpListener::bind(listen).await {
        Ok(socket) => socket.local_addr().map(|address| Bound { socket, address }),
        Err(error) => Err(error),
    };
    bound.map_err(|error| {
        anyhow::anyhow!("cannot listen on {listen} for {what}: {}", remedy(&error, listen, table))
    })
}

/// What to do about an address that cannot be had.
pub(super) fn remedy(error: &io::Error, listen: SocketAddr, table: &str) -> String {
    let port = listen.port();
    match error.kind() {
        ErrorKind::AddrInUse => {
            let other = SocketAddr::new(listen.ip(), port.checked_add(10).unwrap_or(8460));
            format!(
                "another program has this address. Stop that program (`ss -ltnp 'sport = :{port}'` shows which it \
                 is; it may be another tlsward), or give this one another address in a configuration:\n  [{table}]\n  \
                 listen = \"{other}\""
            )
        }
        ErrorKind::PermissionDenied => format!(
            "{error}. Ports below 1024 need the capability CAP_NET_BIND_SERVICE (under systemd: \
             AmbientCapabilities=CAP_NET_BIND_SERVICE), or take another port in [{table}] listen"
        ),
        ErrorKind::AddrNotAvailable => format!(
            "this machine does not have that address (`ip address` lists those it has). Correct [{table}] listen"
        ),
        _ => error.to_string(),
    }
}

/// The socket for commands. Without it the server still runs: mail that is piped in goes through the spool folder.
pub(super) fn control(path: &Path) -> Option<UnixListener> {
    match control_socket(path) {
        Ok(listener) => Some(listener),
        Err(error) => {
            tracing::warn!(path = shown(path), %error, "no control socket; `tlsward receive` uses the spool folder");
            None
        }
    }
}

fn control_socket(path: &Path) -> io::Result<UnixListener> {
    // The database is locked by us, so a socket that is there was left behind by a server that is gone.
    if let Ok(about) = std::fs::symlink_metadata(path) {
        if !about.file_type().is_socket() {
            return Err(io::Error::new(ErrorKind::AlreadyExists, "something else is in its place"));
        }
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    only_for_owner(path)?;
    Ok(listener)
}

/// Every connection is a file descriptor, and the usual 1,024 are soon gone.
pub(super) fn raise_descriptor_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current < limit.maximum || limit.maximum.is_none() {
        limit.current = Some(limit.maximum.unwrap_or(65_536).min(65_536).max(limit.current.unwrap_or(0)));
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::debug!(%error, "the limit of open files stays as it is");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_address_is_named_with_what_to_do() {
        let error = io::Error::from(ErrorKind::AddrInUse);
        let text = remedy(&error, "127.0.0.1:8460".parse().unwrap(), "web");
        assert!(
            text.contains("sport = :8460") && text.contains("[web]\n  listen = \"127.0.0.1:8470\""),
            "{text}"
        );
        let text = remedy(
            &io::Error::from(ErrorKind::PermissionDenied),
            "0.0.0.0:25".parse().unwrap(),
            "receive.smtp",
        );
        assert!(text.contains("CAP_NET_BIND_SERVICE"), "{text}");
    }
}
