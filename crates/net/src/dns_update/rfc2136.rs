//! Records by dynamic update, signed (RFC 2136, RFC 8945), over TCP: updates of several sets outgrow UDP, and a
//! connection tells a server that is away from one that is slow.
//!
//! Sets of one zone go in one message, so all of them are made or none. If they lie in several zones, one zone after
//! the other. When an answer is lost nobody knows whether it was done; doing it again then changes nothing
//! ([`super::message`]).
//! What can fail: see [`RecordsFailure`]; the server's refusals come with their remedy.

use std::io;
use std::net::SocketAddr;

use hickory_proto::rr::{Name, RecordType as Type};
use tlsward_engine::ports::Clock;
use tlsward_engine::ports::publish::{Applied, RecordSet, Records, RecordsFailure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Duration, timeout};

use super::key::TsigKey;
use super::message::{self, Checked};
use super::verdict::Sent;
use super::zone_of::{Told, told};
use crate::dns::name;
use crate::dns::wire::{Flags, Packet, Query};
use crate::limits::dns_update as limits;

/// Where updates go.
#[derive(Debug, Clone)]
pub struct Config {
    /// The zone's primary server.
    pub server: SocketAddr,
    /// The key that the server knows too.
    pub key: TsigKey,
    /// The zone. `None`: the server is asked in which zone each name is.
    pub zone: Option<String>,
    /// For one domain's records in all.
    pub total: Duration,
}

impl Config {
    /// With the zone looked up, and the usual bound on time.
    #[must_use]
    pub fn new(server: SocketAddr, key: TsigKey) -> Self {
        Self { server, key, zone: None, total: limits::TOTAL }
    }
}

/// Sends updates.
#[derive(Debug, Clone)]
pub struct Rfc2136<C> {
    config: Config,
    clock: C,
}

impl<C: Clock> Rfc2136<C> {
    /// Nothing is sent yet. The clock is what signatures are dated by.
    pub fn new(config: Config, clock: C) -> Self {
        Self { config, clock }
    }

    async fn send(&self, sets: Vec<Checked>) -> Result<(), RecordsFailure> {
        let mut server = Connection::open(self.config.server).await?;
        let mut zones: Vec<(Name, Vec<&Checked>)> = Vec::new();
        for set in &sets {
            let zone = self.zone(&mut server, &set.name).await?;
            match zones.iter_mut().find(|(known, _)| *known == zone) {
                Some((_, sets)) => sets.push(set),
                None => zones.push((zone, vec![set])),
            }
        }
        for (zone, sets) in &zones {
            self.update(&mut server, zone, sets).await?;
        }
        Ok(())
    }

    async fn zone(&self, server: &mut Connection, owner: &Name) -> Result<Name, RecordsFailure> {
        if let Some(text) = &self.config.zone {
            let zone = name::parse(text).filter(|zone| zone.zone_of(owner));
            return zone.ok_or_else(|| {
                RecordsFailure::Refused(format!(
                    "{} is not in the configured zone {text}",
                    name::write(owner)
                ))
            });
        }
        let mut asked = owner.clone();
        // A name has at most 127 labels.
        while !asked.is_root() {
            let query = Query::new(&asked, Type::SOA, Flags::default()).without_recursion();
            let answer = server.exchange(query.packet()).await?;
            let message = match query.read(&answer) {
                Packet::Answer(message) => message,
                Packet::Stray | Packet::Truncated | Packet::Unreadable(_) => {
                    let text =
                        format!("the server's answer about the zone of {} is unusable", name::write(owner));
                    return Err(RecordsFailure::Later(text));
                }
            };
            match told(&message, &asked)? {
                Told::Zone(zone) => return Ok(zone),
                Told::AskAbove => asked = asked.base_name(),
            }
        }
        Err(RecordsFailure::Refused(format!("the server tells no zone of {}", name::write(owner))))
    }

    async fn update(
        &self,
        server: &mut Connection,
        zone: &Name,
        sets: &[&Checked],
    ) -> Result<(), RecordsFailure> {
        let unwritable =
            |text: String| RecordsFailure::Refused(format!("the update cannot be written: {text}"));
        let mut message = message::update(zone, sets);
        let at = self.clock.now();
        let signed = message.finalize(self.config.key.signer(), u64::try_from(at).unwrap_or(0));
        let verifier = signed.map_err(|error| unwritable(error.to_string()))?;
        let verifier = verifier.ok_or_else(|| unwritable("it has no signature".to_owned()))?;
        let packet = message.to_vec().map_err(|error| unwritable(error.to_string()))?;
        let named = |set: &&Checked| format!("{} {}", name::write(&set.name), message::wire_type(set.kind));
        let names = sets.iter().map(named).collect::<Vec<_>>().join(", ");
        tracing::debug!(server = %server.address, zone = %zone, update_bytes = packet.len(), names, "update sent");
        let sent = Sent { id: message.metadata.id, verifier, key: &self.config.key, zone, names, at };
        let answer = server.exchange(&packet).await?;
        sent.judge(&answer)
    }
}

impl<C: Clock> Records for Rfc2136<C> {
    async fn apply(&self, _domain: &str, sets: Vec<RecordSet>) -> Result<Applied, RecordsFailure> {
        let server = self.config.server;
        let sets = message::check(&sets).map_err(RecordsFailure::Refused)?;
        if sets.is_empty() {
            return Ok(Applied::Written);
        }
        match timeout(self.config.total, self.send(sets)).await {
            Ok(Ok(())) => Ok(Applied::Written),
            Ok(Err(RecordsFailure::Refused(text))) => {
                Err(RecordsFailure::Refused(format!("{server}: {text}")))
            }
            Ok(Err(RecordsFailure::Later(text))) => Err(RecordsFailure::Later(format!("{server}: {text}"))),
            Err(_) => Err(RecordsFailure::Later(format!(
                "{server}: no answer within {} seconds. Whether the update was made is not known; making it again \
                 changes nothing",
                self.config.total.as_secs()
            ))),
        }
    }
}

/// A connection to the server.
struct Connection {
    address: SocketAddr,
    stream: TcpStream,
}

impl Connection {
    async fn open(address: SocketAddr) -> Result<Self, RecordsFailure> {
        let failed = |text: &str| Err(RecordsFailure::Later(format!("no connection by TCP: {text}")));
        match timeout(limits::CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => Ok(Self { address, stream }),
            Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => failed(
                "connection refused. Is the name server running, and listening on that address and port?",
            ),
            Ok(Err(error)) => failed(&error.to_string()),
            Err(_) => failed("no answer in time. Does a firewall let TCP through?"),
        }
    }

    /// One message there, one back. (RFC 1035 §4.2.2: two bytes of length, then the message.)
    async fn exchange(&mut self, packet: &[u8]) -> Result<Vec<u8>, RecordsFailure> {
        let Ok(length) = u16::try_from(packet.len()) else {
            let text =
                format!("an update of {} bytes is more than DNS carries: make fewer changes", packet.len());
            return Err(RecordsFailure::Refused(text));
        };
        let framed = [&length.to_be_bytes(), packet].concat();
        let talk = async {
            self.stream.write_all(&framed).await?;
            let length = self.stream.read_u16().await?;
            let mut answer = vec![0; usize::from(length)];
            self.stream.read_exact(&mut answer).await?;
            Ok(answer)
        };
        talk.await.map_err(|error: io::Error| {
            let text = match error.kind() {
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                    "the server ended the connection before its answer".to_owned()
                }
                _ => format!("the connection broke: {error}"),
            };
            RecordsFailure::Later(text)
        })
    }
}
