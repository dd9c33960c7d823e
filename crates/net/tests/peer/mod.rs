//! Servers of the tests: each on a free port of a loopback address, ended with the runtime of its test.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{CertificateParams, KeyPair, PublicKeyData};
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub(crate) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A chain and the key that signs handshakes for it.
pub(crate) struct Identity {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: KeyPair,
}

/// Self-signed.
pub(crate) fn identity(host: &str) -> Identity {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![host.to_owned()]).unwrap().self_signed(&key).unwrap();
    Identity { chain: vec![certificate.der().clone()], key }
}

/// Presents that chain whatever is asked for.
#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesServerCert for Always {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn certified(identity: &Identity) -> Arc<CertifiedKey> {
    let key = PrivatePkcs8KeyDer::from(identity.key.serialize_der());
    let key = aws_lc_rs::sign::any_supported_type(&key.into()).unwrap();
    Arc::new(CertifiedKey::new(identity.chain.clone(), key))
}

/// TLS of one version, or of both.
pub(crate) fn tls(
    identity: &Identity,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> ServerConfig {
    ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Always(certified(identity))))
}

/// TLS that wants a certificate from the client.
pub(crate) fn tls_for_known_clients(identity: &Identity) -> ServerConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(identity.chain[0].clone()).unwrap();
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .unwrap();
    ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(Always(certified(identity))))
}

pub(crate) fn both() -> Vec<&'static rustls::SupportedProtocolVersion> {
    vec![&rustls::version::TLS12, &rustls::version::TLS13]
}

/// A server, and what it saw.
pub(crate) struct Server {
    pub(crate) end_point: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Server {
    /// Connections that were accepted so far.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Hands each connection, with its number from 0, to `serve`.
pub(crate) async fn server<F, S>(serve: F) -> Server
where
    F: Fn(usize, TcpStream) -> S + Send + 'static,
    S: Future<Output = ()> + Send + 'static,
{
    server_at(SocketAddr::new(LOOPBACK, 0), serve).await
}

pub(crate) async fn server_at<F, S>(end_point: SocketAddr, serve: F) -> Server
where
    F: Fn(usize, TcpStream) -> S + Send + 'static,
    S: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind(end_point).await.unwrap();
    let end_point = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(counter.fetch_add(1, Ordering::SeqCst), stream));
        }
    });
    Server { end_point, connections }
}

pub(crate) async fn accept(
    config: &Arc<ServerConfig>,
    stream: TcpStream,
) -> std::io::Result<TlsStream<TcpStream>> {
    TlsAcceptor::from(Arc::clone(config)).accept(stream).await
}

/// A port on which nobody listens.
pub(crate) async fn closed_port() -> u16 {
    let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
    listener.local_addr().unwrap().port()
}

/// An address whose queue is full: attempts to connect hang. Keep what is returned.
pub(crate) async fn black_hole(address: IpAddr, port: u16) -> (SocketAddr, TcpListener, Vec<TcpStream>) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind(SocketAddr::new(address, port)).unwrap();
    let listener = socket.listen(0).unwrap();
    let end_point = listener.local_addr().unwrap();
    let mut held = Vec::new();
    let patience = std::time::Duration::from_millis(50);
    while let Ok(Ok(stream)) = tokio::time::timeout(patience, TcpStream::connect(end_point)).await {
        held.push(stream);
    }
    (end_point, listener, held)
}

/// A certificate of X.509 version 1, as old tools made them: no version field and no extensions. Its signature is
/// garbage, which nobody but a judge looks at.
pub(crate) fn version_1() -> Identity {
    let key = KeyPair::generate().unwrap();
    let ecdsa_sha256 = der(0x30, &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]);
    let name = der(0x30, &[]);
    let validity = der(0x30, &[der(0x17, b"200101000000Z"), der(0x17, b"210101000000Z")].concat());
    let tbs = der(
        0x30,
        &[der(0x02, &[1]), ecdsa_sha256.clone(), name.clone(), validity, name, key.subject_public_key_info()]
            .concat(),
    );
    let certificate = der(0x30, &[tbs, ecdsa_sha256, der(0x03, &[0, 1, 2, 3])].concat());
    Identity { chain: vec![certificate.into()], key }
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x82][..], &length, content].concat()
}
