//! The zone on UDP and TCP.
//!
//! Every address is served by two tasks for datagrams and one that accepts connections. Bounded: octets of a question,
//! connections in all and from one network, the time and the questions of one connection; answers over UDP by
//! [`Rate`]. Addresses should be those that the name servers have: on `0.0.0.0` or `[::]` an answer may leave from
//! another address than it was asked at.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tlsward_engine::ports::Clock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::rate::network;
use super::{Outcome, Over, Rate, Verdict, Zone};

/// Longest question. A name has 255 octets; the rest is for options.
const MAX_QUESTION: usize = 2048;

/// Tasks that read one UDP socket.
const READERS: usize = 2;

/// The bounds of connections.
#[derive(Debug, Clone)]
pub struct ServerLimits {
    /// At once, on all addresses.
    pub connections: usize,
    /// At once, from one network (/24, /56).
    pub connections_from_one: usize,
    /// A connection that says nothing for so long is closed (RFC 7766 §6.2.3).
    pub idle: Duration,
    /// No connection is older.
    pub lifetime: Duration,
    /// Questions on one connection.
    pub questions: u32,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections: 1000,
            connections_from_one: 50,
            idle: Duration::from_secs(10),
            lifetime: Duration::from_secs(120),
            questions: 10_000,
        }
    }
}

/// What was counted since the start.
#[derive(Debug, Default)]
pub struct Counts {
    /// Packets over UDP.
    pub udp: AtomicU64,
    /// Questions over TCP.
    pub tcp: AtomicU64,
    /// Answers with records.
    pub answers: AtomicU64,
    /// That the name has no such records.
    pub no_data: AtomicU64,
    /// That there is no such name.
    pub no_name: AtomicU64,
    /// Refused, unreadable or failed.
    pub refused: AtomicU64,
    /// Cut to "ask over TCP" by the limit.
    pub limited_cut: AtomicU64,
    /// Not sent by the limit.
    pub limited_dropped: AtomicU64,
    /// Connections closed at once, because there were too many.
    pub connections_refused: AtomicU64,
}

impl Counts {
    fn outcome(&self, outcome: Outcome) {
        let counter = match outcome {
            Outcome::Answer(_) => &self.answers,
            Outcome::NoData => &self.no_data,
            Outcome::NoName => &self.no_name,
            Outcome::Refused | Outcome::Malformed | Outcome::Failed => &self.refused,
        };
        add(counter);
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Sockets that are bound and not served yet.
#[derive(Debug)]
pub struct Bound {
    sockets: Vec<(Arc<UdpSocket>, TcpListener)>,
}

impl Bound {
    /// Binds UDP and TCP on each address. Port 0 takes one that is free for both.
    ///
    /// # Errors
    ///
    /// An address cannot be bound; the text names it.
    pub async fn bind(addresses: &[SocketAddr]) -> io::Result<Self> {
        let mut sockets = Vec::new();
        for address in addresses {
            let named = |error: io::Error| io::Error::new(error.kind(), format!("DNS on {address}: {error}"));
            sockets.push(bind(*address).await.map_err(named)?);
        }
        Ok(Self { sockets })
    }

    /// Where it listens, in the order in which it was asked for.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().filter_map(|(udp, _)| udp.local_addr().ok()).collect()
    }

    /// Serves until `stop` resolves; what is being answered then is cut off.
    pub async fn serve(
        self,
        zone: Arc<Zone>,
        clock: Arc<dyn Clock>,
        rate: Rate,
        limits: ServerLimits,
        counts: Arc<Counts>,
        stop: impl Future<Output = ()>,
    ) {
        let serving = Arc::new(Serving { zone, clock, rate, limits, counts, connected: Mutex::default() });
        let mut tasks = JoinSet::new();
        for (udp, tcp) in self.sockets {
            for _ in 0..READERS {
                tasks.spawn(over_udp(Arc::clone(&serving), Arc::clone(&udp)));
            }
            tasks.spawn(over_tcp(Arc::clone(&serving), tcp));
        }
        stop.await;
        tasks.shutdown().await;
    }
}

async fn bind(address: SocketAddr) -> io::Result<(Arc<UdpSocket>, TcpListener)> {
    let mut tries = 0;
    loop {
        let udp = UdpSocket::bind(address).await?;
        match TcpListener::bind(udp.local_addr()?).await {
            Ok(tcp) => return Ok((Arc::new(udp), tcp)),
            // A port that is free by UDP may be taken by TCP.
            Err(_) if address.port() == 0 && tries < 50 => tries += 1,
            Err(error) => return Err(error),
        }
    }
}

struct Serving {
    zone: Arc<Zone>,
    clock: Arc<dyn Clock>,
    rate: Rate,
    limits: ServerLimits,
    counts: Arc<Counts>,
    /// Connections by network. Entries end with their last connection.
    connected: Mutex<BTreeMap<(u8, u64), usize>>,
}

#[expect(
    clippy::disallowed_methods,
    reason = "the edge: answers are counted by the time at which they are sent"
)]
fn instant() -> Instant {
    Instant::now()
}

async fn over_udp(serving: Arc<Serving>, socket: Arc<UdpSocket>) {
    let mut packet = [0; MAX_QUESTION];
    loop {
        let Ok((length, from)) = socket.recv_from(&mut packet).await else {
            // An error of one earlier answer (unreachable), or a lack that may pass.
            tokio::task::yield_now().await;
            continue;
        };
        add(&serving.counts.udp);
        if let Some(answer) = serving.datagram(&packet[..length], from) {
            // Who cannot be reached asks again, or does not.
            let _ = socket.send_to(&answer, from).await;
        }
    }
}

async fn over_tcp(serving: Arc<Serving>, listener: TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((stream, from)) = listener.accept().await else {
            // Out of files, for example: one that ends makes room.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let Some(place) = Place::take(&serving, from.ip()) else {
            add(&serving.counts.connections_refused);
            continue;
        };
        connections.spawn(async move {
            let mut stream = stream;
            let lifetime = place.serving.limits.lifetime;
            // However it ends, it ends alone.
            let _ = timeout(lifetime, connection(&place.serving, &mut stream)).await;
            // Who sees that it is closed finds its place free.
            drop(place);
            drop(stream);
        });
    }
}

/// One of the connections that may be open.
struct Place {
    serving: Arc<Serving>,
    network: (u8, u64),
}

impl Place {
    fn take(serving: &Arc<Serving>, from: IpAddr) -> Option<Self> {
        let network = network(from);
        let mut connected = serving.connected.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = connected.values().sum();
        let of_network = connected.get(&network).copied().unwrap_or_default();
        let is_room = all < serving.limits.connections
            && (from.is_loopback() || of_network < serving.limits.connections_from_one);
        is_room.then(|| {
            *connected.entry(network).or_default() += 1;
            Self { serving: Arc::clone(serving), network }
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut connected = self.serving.connected.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = connected.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                connected.remove(&self.network);
            }
        }
    }
}

async fn connection(serving: &Serving, stream: &mut TcpStream) -> io::Result<()> {
    let idle = serving.limits.idle;
    for _ in 0..serving.limits.questions {
        let length = usize::from(timeout(idle, stream.read_u16()).await??);
        if length > MAX_QUESTION {
            return Ok(());
        }
        let mut packet = vec![0; length];
        timeout(idle, stream.read_exact(&mut packet)).await??;
        add(&serving.counts.tcp);
        let Some(reply) = serving.zone.answer(&packet, Over::Tcp, serving.clock.now()) else { return Ok(()) };
        serving.counts.outcome(reply.outcome);
        let length = u16::try_from(reply.packet.len()).map_err(io::Error::other)?;
        let framed = [&length.to_be_bytes(), reply.packet.as_slice()].concat();
        timeout(idle, stream.write_all(&framed)).await??;
    }
    Ok(())
}

impl Serving {
    fn datagram(&self, packet: &[u8], from: SocketAddr) -> Option<Vec<u8>> {
        // Nobody asks from port 0: who would be answered there?
        if from.port() == 0 {
            return None;
        }
        let reply = self.zone.answer(packet, Over::Udp, self.clock.now())?;
        self.counts.outcome(reply.outcome);
        match self.rate.count(from.ip(), reply.outcome, instant()) {
            Verdict::Send => Some(reply.packet),
            Verdict::Truncate => {
                add(&self.counts.limited_cut);
                Zone::truncated(packet)
            }
            Verdict::Drop => {
                add(&self.counts.limited_dropped);
                None
            }
        }
    }
}
