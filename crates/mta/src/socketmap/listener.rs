//! Where Postfix connects to: a TCP port, a unix socket, or one of either kind that was handed over (systemd's socket
//! activation), so that a restart closes nothing.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::net::sockopt::{socket_acceptconn, socket_domain, socket_type};
use rustix::net::{AddressFamily, SocketType};

use crate::unix_path::{self, BindError};

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
pub enum ListenerError {
    /// A path could not be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// An address could not be bound.
    #[error("cannot listen on {address}: {error}")]
    Tcp {
        /// Where.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// A socket that was handed over is of the wrong kind.
    #[error(
        "the socket that was handed over for socketmap is {0}: it must be a listening TCP or unix stream socket"
    )]
    WrongKind(&'static str),
    /// The system refused.
    #[error("cannot use the socket: {0}")]
    Io(#[from] io::Error),
}

/// A bound listener, not yet of any runtime.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(std::net::TcpListener),
    /// A unix stream socket.
    Unix(std::os::unix::net::UnixListener),
}

impl Listener {
    /// Listens on a TCP address; port 0 takes a free one.
    ///
    /// # Errors
    /// [`ListenerError::Tcp`].
    pub fn tcp(address: SocketAddr) -> Result<Self, ListenerError> {
        let socket =
            std::net::TcpListener::bind(address).map_err(|error| ListenerError::Tcp { address, error })?;
        Self::Tcp(socket).ready()
    }

    /// Listens on a unix socket with `mode`: Postfix's user needs to write.
    ///
    /// # Errors
    /// [`ListenerError::Bind`].
    pub fn unix(path: &Path, mode: u32) -> Result<Self, ListenerError> {
        let bind = |path: &Path| std::os::unix::net::UnixListener::bind(path);
        let is_alive = |path: &Path| UnixStream::connect(path).is_ok();
        Self::Unix(unix_path::bind(path, mode, bind, is_alive)?).ready()
    }

    /// Takes a socket that listens already.
    ///
    /// # Errors
    /// [`ListenerError::WrongKind`] for any other socket.
    pub fn from_fd(fd: OwnedFd) -> Result<Self, ListenerError> {
        let kind = socket_type(&fd).map_err(|_| ListenerError::WrongKind("no socket"))?;
        if kind != SocketType::STREAM {
            return Err(ListenerError::WrongKind("no stream socket"));
        }
        if !socket_acceptconn(&fd).map_err(io::Error::from)? {
            return Err(ListenerError::WrongKind("not listening"));
        }
        match socket_domain(&fd).map_err(io::Error::from)? {
            AddressFamily::UNIX => Self::Unix(fd.into()).ready(),
            AddressFamily::INET | AddressFamily::INET6 => Self::Tcp(fd.into()).ready(),
            _ => Err(ListenerError::WrongKind("of another family")),
        }
    }

    /// The TCP address, if it is one.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(socket) => socket.local_addr().ok(),
            Self::Unix(_) => None,
        }
    }

    fn ready(self) -> Result<Self, ListenerError> {
        // The kernel cuts the queue to net.core.somaxconn. All of Postfix's processes connect at once after a restart,
        // and a unix socket whose queue is full refuses them.
        match &self {
            Self::Tcp(socket) => {
                rustix::net::listen(socket, BACKLOG).map_err(io::Error::from)?;
                socket.set_nonblocking(true)?;
            }
            Self::Unix(socket) => {
                rustix::net::listen(socket, BACKLOG).map_err(io::Error::from)?;
                socket.set_nonblocking(true)?;
            }
        }
        Ok(self)
    }
}

const BACKLOG: i32 = 4096;
