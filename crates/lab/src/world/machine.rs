//! What stands at an address: an SMTP server, an HTTPS server, both or neither.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::certificate::CertificateSpec;

/// The machine at one address.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    /// On the SMTP port.
    pub smtp: Option<SmtpService>,
    /// On the HTTPS port.
    pub https: Option<HttpsService>,
}

/// Whether a connection comes to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// Yes.
    #[default]
    Open,
    /// It is refused at once.
    Refused,
    /// Packets vanish.
    Silent,
    /// It comes to be, and is closed at once.
    Closes,
}

/// How TLS is spoken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented {
    /// By the name that the client asks for (SNI).
    pub by_name: BTreeMap<String, CertificateSpec>,
    /// For a client that asks for another name, or for none. Without it such a client gets the alert
    /// `access_denied`.
    pub otherwise: Option<CertificateSpec>,
    /// Which versions.
    pub versions: Versions,
}

/// TLS versions a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Versions {
    /// 1.2 and 1.3.
    #[default]
    Modern,
    /// 1.2.
    Tls12,
    /// 1.3.
    Tls13,
    /// Version and cipher suite as on the wire, which no modern library speaks any more: chosen from a client that
    /// offers both, refused to others (alert `protocol_version`).
    Old(u16, u16),
}

/// TLS 1.0 with RSA key exchange and AES-128-CBC.
pub const TLS10: Versions = Versions::Old(0x0301, 0x002f);

/// TLS 1.2 with RSA key exchange and AES-128-CBC: a version in common, and no cipher suite.
pub const TLS12_RSA_ONLY: Versions = Versions::Old(0x0303, 0x002f);

impl Presented {
    /// This certificate to everybody.
    #[must_use]
    pub fn always(certificate: CertificateSpec) -> Self {
        Self { by_name: BTreeMap::new(), otherwise: Some(certificate), versions: Versions::Modern }
    }

    /// What a client that asks for `name` is shown.
    #[must_use]
    pub fn to(&self, name: Option<&str>) -> Option<&CertificateSpec> {
        name.and_then(|name| self.by_name.get(name)).or(self.otherwise.as_ref())
    }
}

/// An SMTP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmtpService {
    /// Whether it can be reached.
    pub reach: Reach,
    /// What it calls itself.
    pub hello_name: String,
    /// How it greets.
    pub greeting: Greeting,
    /// Whether it offers TLS.
    pub starttls: StartTls,
    /// How it speaks TLS.
    pub tls: Presented,
}

/// How an SMTP server begins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Greeting {
    /// 220.
    #[default]
    Welcome,
    /// A refusal, and the end.
    Refusal(u16, String),
    /// It says nothing.
    Silent,
    /// It hangs up.
    Closes,
    /// It speaks something that is not SMTP, and hangs up.
    Noise,
}

/// What comes of STARTTLS.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum StartTls {
    /// Offered, and done.
    #[default]
    Works,
    /// Not in the answer to EHLO; asked for nevertheless it is an unknown command.
    Missing,
    /// Offered, and refused.
    Refused(u16, String),
    /// Offered, accepted, and then the connection is closed.
    Closes,
    /// Offered, accepted, and then what comes is not TLS.
    Noise,
    /// Offered, accepted, and then nothing comes.
    Silent,
}

impl SmtpService {
    /// A server that does everything right.
    #[must_use]
    pub fn healthy(host: &str, certificate: CertificateSpec) -> Self {
        Self {
            reach: Reach::Open,
            hello_name: host.to_owned(),
            greeting: Greeting::Welcome,
            starttls: StartTls::Works,
            tls: Presented::always(certificate),
        }
    }
}

/// An HTTPS server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpsService {
    /// Whether it can be reached.
    pub reach: Reach,
    /// How it speaks TLS.
    pub tls: Presented,
    /// By `Host`. Any other gets a 404.
    pub sites: BTreeMap<String, Site>,
}

/// What a server has for one host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Site {
    /// By path, to GET. Any other is a 404.
    pub pages: BTreeMap<String, Page>,
    /// By path, to POST: where reports are taken in. Any other is a 405.
    pub desks: BTreeMap<String, ReportDesk>,
}

/// Where reports are posted to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportDesk {
    /// What is answered. With 2xx the report is kept for those who look.
    pub status: u16,
}

/// A page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Content-Encoding`, whatever the body is.
    pub content_encoding: Option<String>,
    /// `Location`.
    pub location: Option<String>,
    /// The body.
    pub body: Bytes,
    /// For how long nothing comes before the head.
    pub delay: Duration,
    /// The body stops after so many bytes, and the connection stays open: a fetch that never ends.
    pub stalls_after: Option<usize>,
}

impl Page {
    /// A 200 with plain text.
    #[must_use]
    pub fn text(body: impl Into<Bytes>) -> Self {
        Self {
            status: 200,
            content_type: Some("text/plain".to_owned()),
            content_encoding: None,
            location: None,
            body: body.into(),
            delay: Duration::ZERO,
            stalls_after: None,
        }
    }

    /// A status and nothing else to say.
    #[must_use]
    pub fn status(status: u16) -> Self {
        let body = format!("<!DOCTYPE html><title>{status}</title>\n");
        Self { status, content_type: Some("text/html".to_owned()), ..Self::text(body) }
    }
}

impl HttpsService {
    /// A server with one certificate and no sites yet.
    #[must_use]
    pub fn healthy(certificate: CertificateSpec) -> Self {
        Self { reach: Reach::Open, tls: Presented::always(certificate), sites: BTreeMap::new() }
    }
}
