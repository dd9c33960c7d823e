//! A client of the tests' own: it records what real sockets carry, in the words of the ports.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// What came of an attempt, without the words in which a client puts a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    /// No connection.
    Refused,
    /// SMTP: another greeting than 220.
    Turned(u16),
    /// The connection broke before TLS.
    Broken,
    /// SMTP: no STARTTLS.
    NoStartTls,
    /// SMTP: STARTTLS refused.
    StartTlsRefused(u16),
    /// No TLS session.
    NoTls,
    /// A session with this chain, over which this answer came (HTTPS).
    Tls(Vec<Bytes>, Option<Reply>),
}

/// An HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub status: u16,
    pub content_type: Option<String>,
    pub body: Bytes,
}

/// SMTP as far as TLS.
pub(crate) async fn smtp(address: IpAddr, port: u16, sni: Option<&str>) -> Seen {
    let Ok(stream) = TcpStream::connect(SocketAddr::new(address, port)).await else { return Seen::Refused };
    let mut stream = BufReader::new(stream);
    let Some((code, _)) = reply(&mut stream).await else { return Seen::Broken };
    if code != 220 {
        return Seen::Turned(code);
    }
    stream.write_all(b"EHLO client.test\r\n").await.unwrap();
    let Some((_, text)) = reply(&mut stream).await else { return Seen::Broken };
    if !text.contains("STARTTLS") {
        return Seen::NoStartTls;
    }
    stream.write_all(b"STARTTLS\r\n").await.unwrap();
    match reply(&mut stream).await {
        Some((220, _)) => {}
        Some((code, _)) => return Seen::StartTlsRefused(code),
        None => return Seen::Broken,
    }
    match handshake(stream.into_inner(), address, sni).await {
        Some((_, chain)) => Seen::Tls(chain, None),
        None => Seen::NoTls,
    }
}

async fn reply(stream: &mut BufReader<TcpStream>) -> Option<(u16, String)> {
    let mut text = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        text.push_str(&line);
        let code: u16 = line.get(..3)?.parse().ok()?;
        if line.as_bytes().get(3) != Some(&b'-') {
            return Some((code, text));
        }
    }
}

/// One GET.
pub(crate) async fn https(address: IpAddr, port: u16, host: &str, path: &str) -> Seen {
    let Ok(stream) = TcpStream::connect(SocketAddr::new(address, port)).await else { return Seen::Refused };
    let Some((mut stream, chain)) = handshake(stream, address, Some(host)).await else { return Seen::NoTls };
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let content_type = head.lines().find_map(|line| line.strip_prefix("Content-Type: ")).map(str::to_owned);
    Seen::Tls(chain, Some(Reply { status, content_type, body: Bytes::copy_from_slice(&answer[end + 4..]) }))
}

type Session = (tokio_rustls::client::TlsStream<TcpStream>, Vec<Bytes>);

async fn handshake(stream: TcpStream, address: IpAddr, sni: Option<&str>) -> Option<Session> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Records(Arc::clone(&seen))))
        .with_no_client_auth();
    config.enable_sni = sni.is_some();
    let name = match sni {
        Some(name) => ServerName::try_from(name.to_owned()).unwrap(),
        None => ServerName::from(address),
    };
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.ok()?;
    let chain = seen.lock().unwrap().clone();
    Some((stream, chain))
}

#[derive(Debug)]
struct Records(Arc<Mutex<Vec<Bytes>>>);

impl ServerCertVerifier for Records {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = std::iter::once(leaf).chain(rest).map(|der| Bytes::copy_from_slice(der));
        *self.0.lock().unwrap() = chain.collect();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
