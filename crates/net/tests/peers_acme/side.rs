//! Our side of the proof: what answers http-01, tls-alpn-01 and dns-01 to the authority.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, RecordType};
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tlsward_engine::ports::publish::{
    Applied, Challenge, Challenges, RecordSet, RecordValue, Records, RecordsFailure,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::pebble::Ports;
use crate::server::{self, Server};

/// What is answered, shared by the three servers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Side {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<String, String>,
    certificates: BTreeMap<String, [u8; 32]>,
    texts: BTreeMap<String, Vec<String>>,
    answers_wrongly: bool,
}

/// Ends with the runtime.
pub(crate) struct Servers {
    pub(crate) ports: Ports,
    _dns: Server,
}

impl Side {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Something else answers from now on, or no longer.
    pub(crate) fn answer_wrongly(&self, wrongly: bool) {
        self.state().answers_wrongly = wrongly;
    }

    /// What is presented, in number.
    pub(crate) fn presented(&self) -> usize {
        let state = self.state();
        state.files.len() + state.certificates.len()
    }

    /// The texts at a name.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        self.state().texts.get(name).cloned().unwrap_or_default()
    }

    pub(crate) async fn serve(&self) -> Servers {
        let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tls = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let side = self.clone();
        let dns = Server::start(move |asked| {
            let name = asked.name();
            match asked.kind() {
                RecordType::A => {
                    let data = RData::A(A::new(127, 0, 0, 1));
                    asked.records(vec![server::record(&name, 1, data)])
                }
                RecordType::TXT => {
                    let texts = side.texts(&name);
                    asked
                        .records(texts.iter().map(|text| server::txt(&name, 1, &[text.as_bytes()])).collect())
                }
                _ => asked.records(Vec::new()),
            }
        })
        .await;
        let ports = Ports {
            http: http.local_addr().unwrap().port(),
            tls: tls.local_addr().unwrap().port(),
            dns: dns.address,
        };
        let side = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = http.accept().await {
                tokio::spawn(side.clone().answer_http(stream));
            }
        });
        let acceptor = TlsAcceptor::from(Arc::new(self.tls()));
        tokio::spawn(async move {
            while let Ok((stream, _)) = tls.accept().await {
                let acceptor = acceptor.clone();
                // The handshake is all that is looked at.
                tokio::spawn(async move { acceptor.accept(stream).await.map(|_| ()) });
            }
        });
        Servers { ports, _dns: dns }
    }

    async fn answer_http(self, mut stream: TcpStream) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") && head.len() < 10_000 {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return,
            }
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let path = head.split(' ').nth(1).unwrap_or_default();
        let token = path.strip_prefix("/.well-known/acme-challenge/").unwrap_or_default();
        let (status, body) = {
            let state = self.state();
            match state.files.get(token) {
                Some(_) if state.answers_wrongly => ("200 OK", "somebody else's page".to_owned()),
                Some(body) => ("200 OK", body.clone()),
                None => ("404 Not Found", String::new()),
            }
        };
        let length = body.len();
        let answer =
            format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
        let _ = stream.write_all(answer.as_bytes()).await;
    }

    fn tls(&self) -> ServerConfig {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(self.clone()));
        config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
        config
    }
}

impl ResolvesServerCert for Side {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name()?;
        let digest = *self.state().certificates.get(name)?;
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(&digest)];
        let pair = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&pair).unwrap();
        let key = PrivatePkcs8KeyDer::from(pair.serialize_der());
        let key = aws_lc_rs::sign::any_supported_type(&key.into()).unwrap();
        Some(Arc::new(CertifiedKey::new(vec![certificate.der().clone()], key)))
    }
}

impl Challenges for Side {
    fn present(&self, challenge: &Challenge) {
        let mut state = self.state();
        match challenge {
            Challenge::Http01 { token, key_authorization, .. } => {
                state.files.insert(token.clone(), key_authorization.clone());
            }
            Challenge::TlsAlpn01 { name, digest } => {
                state.certificates.insert(name.clone(), *digest);
            }
        }
    }

    fn withdraw(&self, challenge: &Challenge) {
        let mut state = self.state();
        match challenge {
            Challenge::Http01 { token, .. } => state.files.remove(token).map(|_| ()),
            Challenge::TlsAlpn01 { name, .. } => state.certificates.remove(name).map(|_| ()),
        };
    }
}

impl Records for Side {
    async fn apply(&self, _: &str, sets: Vec<RecordSet>) -> Result<Applied, RecordsFailure> {
        let mut state = self.state();
        for set in sets {
            let texts = set.values.into_iter().filter_map(|value| match value {
                RecordValue::Txt(text) => Some(text),
                _ => None,
            });
            state.texts.insert(set.name, texts.collect());
        }
        Ok(Applied::Written)
    }
}
