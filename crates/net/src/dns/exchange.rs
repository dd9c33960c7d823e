//! Questions to servers and their answers back: UDP, TCP where an answer is cut, tries over servers within a time.
//!
//! A question has its socket to itself while it is asked, so there is nothing to sort and no task between. Sockets
//! are connected: the kernel drops what another address sends. To a server elsewhere each question has a socket,
//! and so a source port by the kernel's choice, of its own (RFC 5452 §9.2). A resolver on this machine cannot be
//! spoken for from outside, so its sockets serve [`limits::QUESTIONS_PER_SOCKET`] questions, one after the other:
//! a socket for each would cost more time than the rest of the question. A socket is dropped after a try that
//! ended without its answer, so no answer can come late to the next question.
//! What can fail: nobody answers, or all who do say that they cannot.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use hickory_proto::op::{Message, ResponseCode};
use tlsward_engine::ports::DnsFailure;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::wire::{self, Packet, Query};
use crate::limits::dns as limits;

/// The servers, and the sockets to them.
pub(super) struct Exchange {
    servers: Vec<Server>,
    permits: Semaphore,
}

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Nobody answered.
    Silent,
    /// The servers cannot say.
    Code {
        /// As what.
        code: ResponseCode,
        /// In their own words.
        words: Option<String>,
    },
    /// They said something unusable.
    Malformed(String),
}

struct Server {
    address: SocketAddr,
    idle: Mutex<Vec<Socket>>,
}

struct Socket {
    udp: UdpSocket,
    buffer: Box<[u8]>,
    questions: u32,
}

/// How a try ended without an answer that ends the question.
enum Miss {
    /// In silence: the server may be slow, it is worth another, longer try.
    Silent,
    /// It cannot be reached: no use in waiting.
    Unreachable,
    /// It answered, and cannot say.
    Trouble(Trouble),
}

impl Exchange {
    pub(super) fn new(servers: &[SocketAddr]) -> Self {
        let server = |&address: &SocketAddr| Server { address, idle: Mutex::new(Vec::new()) };
        let servers = servers.iter().take(limits::SERVERS).map(server).collect();
        Self { servers, permits: Semaphore::new(limits::IN_FLIGHT) }
    }

    /// Asks until an answer (NOERROR or NXDOMAIN), the deadline, or until all servers said that they cannot say.
    pub(super) async fn ask(&self, mut query: Query, deadline: Instant) -> Result<Message, Trouble> {
        let Ok(Ok(_permit)) = timeout_at(deadline, self.permits.acquire()).await else {
            return Err(Trouble::Silent);
        };
        let mut last: Vec<Option<Miss>> = self.servers.iter().map(|_| None).collect();
        let mut wait = limits::FIRST_TRY;
        while last.iter().any(|miss| matches!(miss, None | Some(Miss::Silent))) {
            for (place, server) in self.servers.iter().enumerate() {
                // One that answered is not asked again: a second SERVFAIL tells no more than the first.
                if !matches!(last[place], None | Some(Miss::Silent)) {
                    continue;
                }
                let now = Instant::now();
                if now >= deadline {
                    return Err(worst(last_troubles(&last)));
                }
                query.renew_id();
                match server.ask(&query, deadline.min(now + wait), deadline).await {
                    Ok(message) => return Ok(message),
                    Err(Miss::Trouble(trouble)) if trouble.is_final(&query) => return Err(trouble),
                    Err(miss) => last[place] = Some(miss),
                }
            }
            if Instant::now() >= deadline {
                break;
            }
            wait = limits::LONGEST_TRY.min(wait * 2);
        }
        Err(worst(last_troubles(&last)))
    }
}

impl Trouble {
    /// Whether no other server is to be asked. RFC 4035 §5.5: so a validating resolver speaks of what is forged. One
    /// that does not validate would pass the forgery on, and it would look like an answer of an unsigned zone.
    fn is_final(&self, query: &Query) -> bool {
        query.asks_for_ad() && matches!(self, Self::Code { code: ResponseCode::ServFail, .. })
    }
}

fn last_troubles(misses: &[Option<Miss>]) -> impl Iterator<Item = &Trouble> {
    misses.iter().filter_map(|miss| match miss {
        Some(Miss::Trouble(trouble)) => Some(trouble),
        _ => None,
    })
}

/// What to say of several: an answer says more than silence.
fn worst<'a>(troubles: impl Iterator<Item = &'a Trouble>) -> Trouble {
    let weight = |trouble: &&Trouble| match trouble {
        Trouble::Silent => 0,
        Trouble::Malformed(_) => 1,
        Trouble::Code { .. } => 2,
    };
    troubles.max_by_key(weight).cloned().unwrap_or(Trouble::Silent)
}

impl Server {
    /// One try: UDP until `until`, and TCP until `deadline` where the answer is cut.
    async fn ask(&self, query: &Query, until: Instant, deadline: Instant) -> Result<Message, Miss> {
        let message = match self.ask_by_udp(query, until).await? {
            Some(message) => message,
            None => self.ask_by_tcp(query, deadline).await?,
        };
        match message.metadata.response_code {
            ResponseCode::NoError | ResponseCode::NXDomain => Ok(message),
            code => Err(Miss::Trouble(Trouble::Code { code, words: wire::extended_error(&message) })),
        }
    }

    /// `None`: the answer is cut.
    async fn ask_by_udp(&self, query: &Query, until: Instant) -> Result<Option<Message>, Miss> {
        let mut socket = match self.idle_socket() {
            Some(socket) => socket,
            None => Socket::open(self.address).await.map_err(|_| Miss::Unreachable)?,
        };
        socket.questions += 1;
        let answer = match timeout_at(until, socket.ask(query)).await {
            Ok(answer) => answer?,
            Err(_) => return Err(Miss::Silent),
        };
        self.keep(socket);
        match answer {
            Packet::Answer(message) => Ok(Some(*message)),
            Packet::Unreadable(text) => Err(Miss::Trouble(Trouble::Malformed(text))),
            Packet::Truncated | Packet::Stray => Ok(None),
        }
    }

    async fn ask_by_tcp(&self, query: &Query, deadline: Instant) -> Result<Message, Miss> {
        let unreadable = |text: &str| Miss::Trouble(Trouble::Malformed(text.to_owned()));
        match timeout_at(deadline, exchange_by_tcp(self.address, query)).await {
            Err(_) => Err(Miss::Silent),
            Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(unreadable("the server ended the TCP connection before its answer"))
            }
            Ok(Err(_)) => Err(Miss::Unreachable),
            Ok(Ok(Packet::Answer(message))) => Ok(*message),
            Ok(Ok(Packet::Unreadable(text))) => Err(unreadable(&text)),
            Ok(Ok(Packet::Truncated)) => Err(unreadable("the answer is cut by TCP too")),
            Ok(Ok(Packet::Stray)) => Err(unreadable("the answer by TCP is to another question")),
        }
    }

    fn idle_socket(&self) -> Option<Socket> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn keep(&self, socket: Socket) {
        if !self.address.ip().to_canonical().is_loopback() || socket.questions >= limits::QUESTIONS_PER_SOCKET
        {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < limits::IDLE_SOCKETS {
            idle.push(socket);
        }
    }
}

impl Socket {
    async fn open(server: SocketAddr) -> io::Result<Self> {
        let any = match server {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let udp = UdpSocket::bind((any, 0)).await?;
        udp.connect(server).await?;
        Ok(Self { udp, buffer: vec![0; limits::UDP_BYTES].into_boxed_slice(), questions: 0 })
    }

    /// Sends, and reads until the answer.
    async fn ask(&mut self, query: &Query) -> Result<Packet, Miss> {
        let unreachable = |_: io::Error| Miss::Unreachable;
        self.udp.send(query.packet()).await.map_err(unreachable)?;
        for _ in 0..limits::STRAY_PACKETS {
            let bytes = self.udp.recv(&mut self.buffer).await.map_err(unreachable)?;
            match query.read(&self.buffer[..bytes]) {
                Packet::Stray => {}
                packet => return Ok(packet),
            }
        }
        Err(Miss::Trouble(Trouble::Malformed("too many packets that answer no question".to_owned())))
    }
}

async fn exchange_by_tcp(server: SocketAddr, query: &Query) -> io::Result<Packet> {
    let mut stream = TcpStream::connect(server).await?;
    let packet = query.packet();
    let mut framed = Vec::with_capacity(packet.len() + 2);
    framed.extend_from_slice(&u16::try_from(packet.len()).unwrap_or(0).to_be_bytes()); // below 300 bytes
    framed.extend_from_slice(packet);
    stream.write_all(&framed).await?;
    let bytes = usize::from(stream.read_u16().await?).min(limits::TCP_BYTES);
    let mut answer = Vec::new();
    (&mut stream).take(bytes as u64).read_to_end(&mut answer).await?;
    if answer.len() < bytes {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(query.read(&answer))
}

impl From<Trouble> for DnsFailure {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Silent => Self::TimedOut,
            Trouble::Code { code, words: None } => Self::Server(wire::code_text(code)),
            Trouble::Code { code, words: Some(words) } => {
                Self::Server(format!("{} ({words})", wire::code_text(code)))
            }
            Trouble::Malformed(text) => Self::Malformed(text),
        }
    }
}
