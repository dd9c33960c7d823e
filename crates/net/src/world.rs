//! The three adapters as one world.

use std::time::Duration;

use bytes::Bytes;
use tlsward_engine::ports::{
    Admit, Dns, DnsReply, Dnssec, Https, HttpsExchange, HttpsTarget, RecordKind, Smtp, SmtpOutcome,
    SmtpTarget, Timer,
};

use crate::https::HttpsClient;
use crate::smtp::SmtpClient;

/// The world through this machine's network, for whatever asks DNS as `D` does.
#[derive(Debug, Clone)]
pub struct NetWorld<D> {
    /// DNS.
    pub dns: D,
    /// HTTPS.
    pub https: HttpsClient,
    /// SMTP.
    pub smtp: SmtpClient,
}

impl<D: Dns> Dns for NetWorld<D> {
    async fn look_up(&self, name: &str, kind: RecordKind) -> DnsReply {
        self.dns.look_up(name, kind).await
    }

    fn dnssec(&self) -> Dnssec {
        self.dns.dnssec()
    }
}

impl<D: Dns> Https for NetWorld<D> {
    async fn get(&self, target: HttpsTarget<'_>, admit: Admit<'_>) -> HttpsExchange {
        self.https.get(target, admit).await
    }

    async fn post(
        &self,
        target: HttpsTarget<'_>,
        content_type: &str,
        body: Bytes,
        admit: Admit<'_>,
    ) -> HttpsExchange {
        self.https.post(target, content_type, body, admit).await
    }
}

impl<D: Dns> Smtp for NetWorld<D> {
    async fn probe(&self, target: SmtpTarget<'_>) -> SmtpOutcome {
        self.smtp.probe(target).await
    }
}

impl<D: Dns> Timer for NetWorld<D> {
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
