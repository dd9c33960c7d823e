//! Where the mail server asks: ports, unix sockets, and those of either kind that the service manager opened.

use std::os::fd::OwnedFd;

use anyhow::{Context as _, bail};
use tlsward_mta::socketmap::{Listener, ListenerError};

use super::super::bind::remedy;
use super::super::shown;
use super::super::systemd::{Inherited, Kind};
use crate::config::{Enforce, Listen};

/// The name of our sockets, and of our table.
const TABLE: &str = "enforce";

/// A listener, and where it is, for people.
pub(in super::super) struct Bound {
    pub(super) listener: Listener,
    pub(in super::super) place: String,
}

/// Binds everything. Sockets by our name that were handed over stand in for all of `listen`; one that was handed over
/// under another name, for the place that it is at.
pub(in super::super) fn bind(enforce: &Enforce, inherited: &mut Inherited) -> anyhow::Result<Vec<Bound>> {
    let named = inherited.named(TABLE);
    let mut bound = Vec::new();
    if named.is_empty() {
        for listen in &enforce.listen {
            let is_there = |kind: &Kind| match (kind, listen) {
                (Kind::Tcp(_, address), Listen::Tcp(wanted)) => address == wanted,
                (Kind::Unix(_, path), Listen::Unix(wanted)) => path == wanted,
                _ => false,
            };
            bound.push(match inherited.at(is_there) {
                Some(kind) => taken(kind)?,
                None => opened(listen, enforce.socket_mode)?,
            });
        }
    } else {
        for kind in named {
            bound.push(taken(kind)?);
        }
    }
    if bound.is_empty() {
        bail!("[enforce] listen is empty and no socket was handed over, so the mail server cannot ask");
    }
    for Bound { listener, place } in &bound {
        if listener.local_addr().is_some_and(|address| !address.ip().is_loopback()) {
            tracing::warn!(
                place,
                "answers are given beyond this machine, and nothing guards them: whoever can change them on their way \
                 decides how mail is secured"
            );
        }
    }
    Ok(bound)
}

fn taken(kind: Kind) -> anyhow::Result<Bound> {
    let (fd, path): (OwnedFd, _) = match kind {
        Kind::Tcp(socket, _) => (socket.into(), None),
        Kind::Unix(socket, path) => (socket.into(), Some(path)),
        Kind::Datagram(socket, path) => (socket.into(), Some(path)),
    };
    let listener = Listener::from_fd(fd).context("[enforce]")?;
    let place = match (listener.local_addr(), path) {
        (Some(address), _) => address.to_string(),
        (None, Some(path)) => format!("unix:{}", shown(&path)),
        (None, None) => String::new(),
    };
    Ok(Bound { listener, place })
}

fn opened(listen: &Listen, mode: u32) -> anyhow::Result<Bound> {
    match listen {
        Listen::Tcp(address) => {
            let listener = Listener::tcp(*address).map_err(|error| match error {
                ListenerError::Tcp { address, error } => anyhow::anyhow!(
                    "cannot listen on {address} for the mail server: {}",
                    remedy(&error, address, TABLE)
                ),
                other => other.into(),
            })?;
            let place =
                listener.local_addr().map_or_else(|| address.to_string(), |address| address.to_string());
            Ok(Bound { listener, place })
        }
        Listen::Unix(path) => {
            let listener = Listener::unix(path, mode).with_context(|| {
                format!(
                    "cannot listen on {} for the mail server; its folder must be there, and be ours to write",
                    shown(path)
                )
            })?;
            Ok(Bound { listener, place: format!("unix:{}", shown(path)) })
        }
    }
}
