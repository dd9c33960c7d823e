//! TLS as a host presents it: a certificate by the name that is asked for, and the versions it speaks.

use std::io;
use std::sync::{Arc, LazyLock};

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, SupportedProtocolVersion};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::old_tls;
use crate::pki::Pki;
use crate::world::{Presented, Versions};

static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));

static BOTH: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS13, &rustls::version::TLS12];
static TLS12: [&SupportedProtocolVersion; 1] = [&rustls::version::TLS12];
static TLS13: [&SupportedProtocolVersion; 1] = [&rustls::version::TLS13];

/// The handshake. `None`: there was none, and the connection is over.
pub(super) async fn accept(
    pki: Arc<Pki>,
    presented: Presented,
    alpn: &[&[u8]],
    stream: TcpStream,
) -> io::Result<Option<TlsStream<TcpStream>>> {
    let versions: &'static [&'static SupportedProtocolVersion] = match presented.versions {
        Versions::Modern => &BOTH,
        Versions::Tls12 => &TLS12,
        Versions::Tls13 => &TLS13,
        Versions::Old(version, suite) => {
            old_tls::answer(stream, version, suite).await?;
            return Ok(None);
        }
    };
    let mut config = ServerConfig::builder_with_provider(Arc::clone(&PROVIDER))
        .with_protocol_versions(versions)
        .map_err(io::Error::other)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(ByName { pki, presented }));
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    TlsAcceptor::from(Arc::new(config)).accept(stream).await.map(Some)
}

#[derive(Debug)]
struct ByName {
    pki: Arc<Pki>,
    presented: Presented,
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let spec = self.presented.to(hello.server_name())?;
        match self.pki.issue(spec) {
            Ok(issued) => issued.certified(),
            Err(error) => {
                tracing::warn!(%error, "the lab has nothing to present");
                None
            }
        }
    }
}
