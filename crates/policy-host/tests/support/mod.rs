//! A policy host on loopback with an authority of its own, and a client that says what it is told to.

#![allow(dead_code, reason = "not every test binary needs all of it")]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tlsward_engine::ports::publish::Hosts as _;
use tlsward_policy_host::{CertificateSource, Hosted, Identity, Limits, PolicyHost, PrivateKeyDer, Sources};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

/// A policy as it is published.
pub(crate) const POLICY: &str =
    "version: STSv1\r\nmode: enforce\r\nmx: mx1.example.org\r\nmx: mx2.example.org\r\nmax_age: 604800\r\n";
/// A GET for it.
pub(crate) const GET: &str =
    "GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: mta-sts.example.org\r\nConnection: close\r\n\r\n";

/// An authority that issues to every name but those it is told not to.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pub(crate) loads: AtomicUsize,
    pub(crate) without: Mutex<BTreeSet<String>>,
}

impl Authority {
    pub(crate) fn new() -> Arc<Self> {
        let mut params = CertificateParams::new([]).unwrap();
        // Of the same name as what it issues, it would pass for its own subject.
        params.distinguished_name.push(DnType::CommonName, "test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Arc::new(Self { issuer, loads: AtomicUsize::new(0), without: Mutex::default() })
    }

    /// The root, for clients.
    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    pub(crate) fn issue(&self, name: &str) -> (String, String, Identity) {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let identity = Identity {
            chain: vec![certificate.der().clone()],
            key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        };
        (certificate.pem(), key.serialize_pem(), identity)
    }

    pub(crate) fn client(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        protocols: &[&str],
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        config
    }
}

/// The authority as a source of certificates.
pub(crate) struct Shelf(pub(crate) Arc<Authority>);

impl CertificateSource for Shelf {
    async fn load(&self, name: &str) -> Option<Identity> {
        self.0.loads.fetch_add(1, SeqCst);
        if self.0.without.lock().unwrap().contains(name) {
            return None;
        }
        Some(self.0.issue(name).2)
    }
}

/// A policy host that runs.
pub(crate) struct Running {
    pub(crate) authority: Arc<Authority>,
    pub(crate) hosted: Arc<Hosted>,
    pub(crate) host: Arc<PolicyHost<Shelf>>,
    pub(crate) https: SocketAddr,
    pub(crate) http: SocketAddr,
    stop: tokio::sync::watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// Limits under which nothing in a test has to wait long.
pub(crate) fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.connections.drain = Duration::from_secs(5);
    limits
}

impl Running {
    /// With a policy for example.org.
    pub(crate) async fn start(limits: Limits, sources: Sources) -> Self {
        let authority = Authority::new();
        let hosted = Arc::new(Hosted::new());
        hosted.serve("example.org", Some(Bytes::from_static(POLICY.as_bytes())));
        let shelf = Shelf(Arc::clone(&authority));
        let host = Arc::new(PolicyHost::new(Arc::clone(&hosted), shelf, sources, limits).unwrap());
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let secure = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let clear = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (https, http) = (secure.local_addr().unwrap(), clear.local_addr().unwrap());
        let tasks = vec![
            tokio::spawn(Arc::clone(&host).serve_https(secure, stopped.clone())),
            tokio::spawn(Arc::clone(&host).serve_http(clear, stopped)),
        ];
        Self { authority, hosted, host, https, http, stop, tasks }
    }

    pub(crate) async fn ordinary() -> Self {
        Self::start(limits(), Sources::default()).await
    }

    /// Asks it to end, and waits until it did.
    pub(crate) async fn end(self) {
        self.ask_to_end();
        for task in self.tasks {
            task.await.unwrap();
        }
    }

    pub(crate) fn ask_to_end(&self) {
        // It may have ended already.
        let _ = self.stop.send(true);
    }

    /// A connection over TLS for a name.
    pub(crate) async fn connect(
        &self,
        name: &str,
        protocols: &[&str],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        self.connect_with(name, self.authority.client(&[&TLS13, &TLS12], protocols)).await
    }

    pub(crate) async fn connect_with(
        &self,
        name: &str,
        config: ClientConfig,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(self.https).await?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    /// Sends bytes over HTTP/1.1 under TLS for example.org; all that comes back until the end.
    pub(crate) async fn say(&self, request: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect("mta-sts.example.org", &["http/1.1"]).await.unwrap();
        stream.write_all(request.as_ref()).await.unwrap();
        read_all(&mut stream).await
    }

    /// The same without TLS.
    pub(crate) async fn say_in_clear(&self, request: impl AsRef<[u8]>) -> String {
        let mut stream = TcpStream::connect(self.http).await.unwrap();
        stream.write_all(request.as_ref()).await.unwrap();
        read_all(&mut stream).await
    }
}

/// Everything until the end, within bounds.
pub(crate) async fn read_all(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut heard = Vec::new();
    tokio::time::timeout(Duration::from_secs(20), stream.take(1 << 20).read_to_end(&mut heard))
        .await
        .expect("an end")
        .ok();
    String::from_utf8_lossy(&heard).into_owned()
}

/// The status of an answer.
pub(crate) fn status(answer: &str) -> u16 {
    answer.strip_prefix("HTTP/1.1 ").or_else(|| answer.strip_prefix("HTTP/1.0 ")).expect(answer)[..3]
        .parse()
        .unwrap()
}

/// A field of an answer, its name in lower case.
pub(crate) fn field<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let (head, _) = answer.split_once("\r\n\r\n")?;
    head.lines().skip(1).find_map(|line| {
        let (key, value) = line.split_once(": ")?;
        key.eq_ignore_ascii_case(name).then_some(value)
    })
}

/// An answer's body.
pub(crate) fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").expect("a head").1
}
