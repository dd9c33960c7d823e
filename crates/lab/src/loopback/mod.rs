//! The world on real sockets of this machine: each host has an address of its own in 127.0.0.0/8, and all of them
//! share one port for HTTPS and one for SMTP. DNS answers for every zone from one socket, as the resolver that the
//! clients are told to ask. Mail that is sent to an SMTP server, and reports that are posted, are kept. Nothing
//! listens beyond loopback.
//!
//! What each server does is looked up when a client comes, so that an edit of the world is in force at once.
//! Everything ends when [`Running`] is dropped.

mod dns;
mod dnssec;
mod http_server;
mod listen;
mod old_tls;
mod reply;
mod smtp_server;
mod tls;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use self::dnssec::Signer;
use self::listen::{Listener, Service};
use crate::pki::PkiError;
use crate::world::{UnixTime, World};

/// How many reports are kept for those who look.
const POSTED_MAX: usize = 10_000;

/// How many mails are.
const MAILS_MAX: usize = 10_000;

/// Why the world could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address that is not this machine's own: loopback alone is listened on.
    #[error("{0} is not a loopback address: build the world with World::loopback")]
    NotLoopback(IpAddr),
    /// No socket.
    #[error("{address} cannot be listened on: {source}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// No port, or not the one that was asked for, is free at every address.
    #[error("no port is free at all {0} addresses of the world")]
    NoPort(usize),
    /// A certificate or key could not be made.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The key of the zones could not be made.
    #[error("the key of the zones cannot be made: {0}")]
    ZoneKey(String),
}

/// A report that was posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// `Host` of the request.
    pub host: String,
    /// Path of the request.
    pub path: String,
    /// `Content-Type` of the request.
    pub content_type: Option<String>,
    /// As it came.
    pub body: Bytes,
}

/// A mail that a server took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// What the server calls itself.
    pub mx: String,
    /// Where it stands.
    pub address: IpAddr,
    /// Whether it came over TLS.
    pub tls: bool,
    /// `MAIL FROM`.
    pub from: String,
    /// `RCPT TO`.
    pub to: Vec<String>,
    /// As it came.
    pub message: Bytes,
}

/// What the servers share.
#[derive(Debug)]
struct Shared {
    world: RwLock<World>,
    signer: Signer,
    begun: Instant,
    began_at: UnixTime,
    posted: Mutex<Vec<Posted>>,
    mails: Mutex<Vec<Mail>>,
    mail_came: Notify,
}

impl Shared {
    fn now(&self) -> UnixTime {
        self.began_at + i64::try_from(self.begun.elapsed().as_secs()).unwrap_or(i64::MAX / 2)
    }

    fn read<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        look(&self.world.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A world that runs. Dropping it ends every server and every connection.
#[derive(Debug)]
pub struct Running {
    /// Where DNS answers, over UDP and TCP.
    pub dns: SocketAddr,
    /// The port of every HTTPS server.
    pub https_port: u16,
    /// The port of every SMTP server.
    pub smtp_port: u16,
    /// The root that everybody in the world trusts, in PEM.
    pub roots_pem: String,
    /// The key of the root zone, as a line of a zone file: for those who validate themselves.
    pub trust_anchor: String,
    shared: Arc<Shared>,
    listeners: BTreeMap<(IpAddr, Service), Listener>,
    dns_tasks: Vec<JoinHandle<()>>,
}

/// Which ports are listened on; 0 is any that is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ports {
    /// DNS, at 127.0.0.1.
    pub dns: u16,
    /// HTTPS, at every policy host.
    pub https: u16,
    /// SMTP, at every MX host.
    pub smtp: u16,
}

impl Ports {
    /// Those of the real internet, for programs that cannot be told others: in a network namespace of one's own.
    pub const USUAL: Self = Self { dns: 53, https: 443, smtp: 25 };
}

/// Starts every server of the world on ports that are free. Must be called within a tokio runtime.
///
/// # Errors
/// When an address is not loopback, or cannot be listened on.
pub async fn start(world: &World) -> Result<Running, StartError> {
    start_at(world, Ports::default()).await
}

/// Starts every server of the world. Must be called within a tokio runtime.
///
/// # Errors
/// When an address is not loopback, or cannot be listened on.
pub async fn start_at(world: &World, ports: Ports) -> Result<Running, StartError> {
    let roots_pem = world.pki.trusted_root_pem()?;
    let signer = Signer::new().map_err(StartError::ZoneKey)?;
    let trust_anchor = signer.trust_anchor();
    let shared = Arc::new(Shared {
        began_at: world.now,
        world: RwLock::new(world.clone()),
        signer,
        begun: Instant::now(),
        posted: Mutex::new(Vec::new()),
        mails: Mutex::new(Vec::new()),
        mail_came: Notify::new(),
    });
    let (dns, dns_tasks) = dns::start(&shared, ports.dns).await?;
    let mut running = Running {
        dns,
        https_port: 0,
        smtp_port: 0,
        roots_pem,
        trust_anchor,
        shared,
        listeners: BTreeMap::new(),
        dns_tasks,
    };
    running.https_port = running.choose_port(Service::Https, ports.https).await?;
    running.smtp_port = running.choose_port(Service::Smtp, ports.smtp).await?;
    Ok(running)
}

impl Running {
    /// Edits the world while it runs. Servers at new addresses begin to listen, those that are gone or refuse stop.
    ///
    /// # Errors
    /// When a new address cannot be listened on.
    pub async fn edit(&mut self, edit: impl FnOnce(&mut World)) -> Result<(), StartError> {
        edit(&mut self.shared.world.write().unwrap_or_else(PoisonError::into_inner));
        for (service, port) in [(Service::Https, self.https_port), (Service::Smtp, self.smtp_port)] {
            let wanted = self.shared.read(|world| listen::wanted(world, service));
            self.listeners.retain(|(address, of), listener| {
                *of != service || wanted.get(address).is_some_and(|silent| *silent == listener.is_silent())
            });
            for (address, silent) in wanted {
                if !self.listeners.contains_key(&(address, service)) {
                    let socket = listen::bind(address, port, silent)?;
                    self.listen(address, service, socket, silent).await?;
                }
            }
        }
        Ok(())
    }

    /// Looks at the world as it is.
    pub fn world<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        self.shared.read(look)
    }

    /// Takes the reports that were posted since the last time.
    #[must_use]
    pub fn take_posted(&self) -> Vec<Posted> {
        std::mem::take(&mut *self.shared.posted.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes the mails that came since the last time.
    #[must_use]
    pub fn take_mails(&self) -> Vec<Mail> {
        std::mem::take(&mut *self.shared.mails.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until there are mails, and takes them: at least one.
    pub async fn next_mails(&self) -> Vec<Mail> {
        loop {
            let came = self.shared.mail_came.notified();
            let mails = self.take_mails();
            if !mails.is_empty() {
                return mails;
            }
            came.await;
        }
    }

    /// Finds a port that is free at every address, and listens there. Where nobody shall listen the port is seen
    /// to be free too.
    async fn choose_port(&mut self, service: Service, asked: u16) -> Result<u16, StartError> {
        let wanted = self.shared.read(|world| listen::wanted(world, service));
        let refusing = self.shared.read(|world| listen::refusing(world, service));
        if let Some(address) = wanted.keys().find(|address| !address.is_loopback()) {
            return Err(StartError::NotLoopback(*address));
        }
        for _ in 0..if asked == 0 { 50 } else { 1 } {
            let port = if asked == 0 {
                listen::port_of(&listen::bind(IpAddr::V4(Ipv4Addr::LOCALHOST), 0, false)?)?
            } else {
                asked
            };
            let all_free = refusing.iter().all(|address| listen::bind(*address, port, false).is_ok());
            let sockets: Result<Vec<_>, _> = wanted
                .iter()
                .map(|(address, silent)| Ok((*address, *silent, listen::bind(*address, port, *silent)?)))
                .collect();
            match sockets {
                Ok(sockets) if all_free => {
                    for (address, silent, socket) in sockets {
                        self.listen(address, service, socket, silent).await?;
                    }
                    return Ok(port);
                }
                Err(StartError::Bind { source, .. }) if source.kind() == std::io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(error),
                Ok(_) => {}
            }
        }
        Err(StartError::NoPort(wanted.len()))
    }

    async fn listen(
        &mut self,
        address: IpAddr,
        service: Service,
        socket: TcpListener,
        silent: bool,
    ) -> Result<(), StartError> {
        let listener = if silent {
            Listener::silent(socket).await?
        } else {
            Listener::open(Arc::clone(&self.shared), address, service, socket)
        };
        self.listeners.insert((address, service), listener);
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for task in &self.dns_tasks {
            task.abort();
        }
    }
}

impl Shared {
    fn take_in(&self, mail: Mail) {
        let mut mails = self.mails.lock().unwrap_or_else(PoisonError::into_inner);
        if mails.len() < MAILS_MAX {
            mails.push(mail);
        }
        drop(mails);
        // One waiter's permit is kept where nobody waits yet.
        self.mail_came.notify_one();
    }

    fn keep(&self, posted: Posted) {
        let mut kept = self.posted.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < POSTED_MAX {
            kept.push(posted);
        }
    }
}
