//! The first flight of a TLS server that modern libraries have nothing in common with: it reads the ClientHello, and
//! chooses its old version and cipher suite if they are offered; else it sends an alert. There it ends.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const HANDSHAKE_FAILURE: u8 = 40;
const PROTOCOL_VERSION: u8 = 70;
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers a ClientHello.
pub(super) async fn answer(mut stream: TcpStream, version: u16, suite: u16) -> io::Result<()> {
    let hello = timeout(PATIENCE, read_record(&mut stream)).await??;
    let offered = Offered::read(&hello);
    let reply = match offered {
        Some(offered) if !offered.version(version) => alert(PROTOCOL_VERSION),
        Some(offered) if offered.suites.contains(&suite) => server_hello(version, suite),
        Some(_) | None => alert(HANDSHAKE_FAILURE),
    };
    stream.write_all(&reply).await?;
    stream.shutdown().await?;
    // Until the client has read it: closing with unread input would reset the connection.
    let mut rest = [0; 512];
    while timeout(PATIENCE, stream.read(&mut rest)).await?? > 0 {}
    Ok(())
}

async fn read_record(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = [0; 5];
    stream.read_exact(&mut head).await?;
    let mut body = vec![0; usize::from(u16::from_be_bytes([head[3], head[4]]))];
    stream.read_exact(&mut body).await?;
    if head[0] == HANDSHAKE { Ok(body) } else { Err(io::Error::from(io::ErrorKind::InvalidData)) }
}

/// What a ClientHello offers (RFC 8446 §4.1.2).
struct Offered {
    legacy: u16,
    supported: Option<Vec<u16>>,
    suites: Vec<u16>,
}

impl Offered {
    fn read(hello: &[u8]) -> Option<Self> {
        // Type and length of the message, version, random.
        let mut rest = hello.get(4..)?;
        let legacy = u16::from_be_bytes(take(&mut rest, 2)?.try_into().ok()?);
        take(&mut rest, 32)?;
        let session = usize::from(*take(&mut rest, 1)?.first()?);
        take(&mut rest, session)?;
        let suites = pairs(list16(&mut rest)?);
        let methods = usize::from(*take(&mut rest, 1)?.first()?);
        take(&mut rest, methods)?;
        let mut supported = None;
        let mut extensions = list16(&mut rest).unwrap_or_default();
        while let Some(kind) = take(&mut extensions, 2) {
            let body = list16(&mut extensions)?;
            // supported_versions
            if kind == [0, 43] {
                supported = Some(pairs(body.get(1..)?));
            }
        }
        Some(Self { legacy, supported, suites })
    }

    fn version(&self, version: u16) -> bool {
        match &self.supported {
            Some(supported) => supported.contains(&version),
            None => self.legacy >= version,
        }
    }
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}

fn list16<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u16::from_be_bytes(take(rest, 2)?.try_into().ok()?);
    take(rest, usize::from(length))
}

fn pairs(bytes: &[u8]) -> Vec<u16> {
    bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect()
}

fn alert(description: u8) -> Vec<u8> {
    vec![ALERT, 3, 1, 0, 2, 2, description]
}

fn server_hello(version: u16, suite: u16) -> Vec<u8> {
    let mut body = version.to_be_bytes().to_vec();
    // A random of no consequence: no key comes of it. No session, the suite, no compression.
    body.extend_from_slice(&[0x5a; 32]);
    body.push(0);
    body.extend_from_slice(&suite.to_be_bytes());
    body.push(0);
    let length = u8::try_from(body.len()).unwrap_or(u8::MAX);
    let mut record = vec![HANDSHAKE];
    record.extend_from_slice(&version.to_be_bytes());
    record.extend_from_slice(&[0, length + 4, 2, 0, 0, length]);
    record.extend_from_slice(&body);
    record
}
