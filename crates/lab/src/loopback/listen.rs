//! Listening sockets: which addresses, on one port, and what becomes of a connection.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::{Shared, StartError, http_server, smtp_server};
use crate::world::{Reach, World};

/// Connections at one address at a time; more wait.
const CONNECTIONS_MAX: usize = 512;

/// What is listened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Service {
    Https,
    Smtp,
}

/// The addresses where something must listen, and whether it is a black hole.
pub(super) fn wanted(world: &World, service: Service) -> BTreeMap<IpAddr, bool> {
    let reaches = reaches(world, service);
    reaches
        .filter(|(_, reach)| *reach != Reach::Refused)
        .map(|(at, reach)| (at, reach == Reach::Silent))
        .collect()
}

/// The addresses where nothing may.
pub(super) fn refusing(world: &World, service: Service) -> Vec<IpAddr> {
    reaches(world, service).filter(|(_, reach)| *reach == Reach::Refused).map(|(at, _)| at).collect()
}

fn reaches(world: &World, service: Service) -> impl Iterator<Item = (IpAddr, Reach)> {
    world.machines.iter().filter_map(move |(address, machine)| {
        let reach = match service {
            Service::Https => machine.https.as_ref()?.reach,
            Service::Smtp => machine.smtp.as_ref()?.reach,
        };
        Some((*address, reach))
    })
}

/// A listening socket.
pub(super) fn bind(address: IpAddr, port: u16, silent: bool) -> Result<TcpListener, StartError> {
    let address = SocketAddr::new(address, port);
    let bound = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // A port of an earlier run may still be winding down.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        // A queue of none takes one connection that nobody accepts, and then packets vanish.
        socket.listen(if silent { 0 } else { 1024 })
    };
    bound().map_err(|source| StartError::Bind { address, source })
}

pub(super) fn port_of(listener: &TcpListener) -> Result<u16, StartError> {
    local(listener).map(|address| address.port())
}

fn local(listener: &TcpListener) -> Result<SocketAddr, StartError> {
    let nowhere = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
    listener.local_addr().map_err(|source| StartError::Bind { address: nowhere, source })
}

/// A socket and what serves it; dropping it ends both, and every connection.
#[derive(Debug)]
pub(super) enum Listener {
    Open(JoinHandle<()>),
    Silent { _socket: TcpListener, _fills_the_queue: TcpStream },
}

impl Listener {
    /// Serves whoever comes.
    pub(super) fn open(shared: Arc<Shared>, address: IpAddr, service: Service, socket: TcpListener) -> Self {
        Self::Open(tokio::spawn(serve(shared, address, service, socket)))
    }

    /// Answers nobody.
    pub(super) async fn silent(socket: TcpListener) -> Result<Self, StartError> {
        let address = local(&socket)?;
        let filled = TcpStream::connect(address).await;
        let filled = filled.map_err(|source| StartError::Bind { address, source })?;
        Ok(Self::Silent { _socket: socket, _fills_the_queue: filled })
    }

    pub(super) fn is_silent(&self) -> bool {
        matches!(self, Self::Silent { .. })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Open(task) = self {
            task.abort();
        }
    }
}

async fn serve(shared: Arc<Shared>, address: IpAddr, service: Service, socket: TcpListener) {
    // Dropped with this task, and all connections with it.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        if connections.len() >= CONNECTIONS_MAX {
            connections.join_next().await;
        }
        match socket.accept().await {
            Ok((stream, _)) => {
                let _ = stream.set_nodelay(true);
                let shared = Arc::clone(&shared);
                connections.spawn(async move {
                    let ended: io::Result<()> = match service {
                        Service::Https => http_server::serve(&shared, address, stream).await,
                        Service::Smtp => smtp_server::serve(&shared, address, stream).await,
                    };
                    if let Err(error) = ended {
                        tracing::trace!(%address, %error, "a connection in the lab ended");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%address, %error, "the lab cannot accept a connection");
                tokio::task::yield_now().await;
            }
        }
    }
}
