//! The world through the engine's ports, in memory: the wire data that real sockets would carry, and the time that
//! they would take, on a [virtual clock](crate::executor::Clock). No TLS is spoken; what would come of a handshake
//! is read off the world, and the chain is the one that would be presented.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::{
    Absence, Admit, Answer, ConnectFailure, Dns, DnsFailure, DnsReply, Dnssec, HttpAnswer, Https,
    HttpsExchange, HttpsFailure, HttpsTarget, RecordKind, Security, Smtp, SmtpOutcome, SmtpTarget, Timer,
    TlsFailure, TlsSession,
};

use crate::executor::Clock;
use crate::resolve::{End, Resolution, Status};
use crate::world::{
    DnsTrouble, Greeting, HttpsService, Page, Presented, Reach, ResolverKind, StartTls, Versions, World,
};

/// How long things take, and after what time a client gives up.
#[derive(Debug, Clone)]
pub struct Pace {
    /// One way there and back.
    pub round_trip: Duration,
    /// A question to DNS that nobody answers.
    pub dns_patience: Duration,
    /// A connection that does not come to be.
    pub connect_patience: Duration,
    /// A server that says nothing.
    pub reply_patience: Duration,
    /// A handshake in which nothing comes.
    pub handshake_patience: Duration,
    /// A fetch in all (RFC 8461 §3.3: a minute).
    pub fetch_patience: Duration,
    /// Largest body (RFC 8461 §3.3: 64 KiB).
    pub body_bytes: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            round_trip: Duration::from_millis(20),
            dns_patience: Duration::from_secs(10),
            connect_patience: Duration::from_secs(10),
            reply_patience: Duration::from_secs(60),
            handshake_patience: Duration::from_secs(30),
            fetch_patience: Duration::from_secs(60),
            body_bytes: 64 * 1024,
        }
    }
}

/// A report that was posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// Who posted it.
    pub by: Option<String>,
    /// When.
    pub at: UnixTime,
    /// To which host.
    pub host: String,
    /// To which path.
    pub path: String,
    /// `Content-Type` of the request.
    pub content_type: String,
    /// As it came.
    pub body: Bytes,
}

/// The world as one client sees it. Clones share the world.
#[derive(Debug, Clone)]
pub struct MemoryWorld {
    world: Arc<RwLock<World>>,
    posted: Arc<Mutex<Vec<Posted>>>,
    clock: Clock,
    viewer: Option<Arc<str>>,
    pace: Pace,
    dnssec: Dnssec,
}

impl MemoryWorld {
    /// Wraps a world. The client validates DNSSEC.
    #[must_use]
    pub fn new(world: World, clock: Clock) -> Self {
        Self {
            world: Arc::new(RwLock::new(world)),
            posted: Arc::default(),
            clock,
            viewer: None,
            pace: Pace::default(),
            dnssec: Dnssec::Validated,
        }
    }

    /// The same world as another client sees it: attacks may be against it alone.
    #[must_use]
    pub fn seen_by(&self, viewer: &str) -> Self {
        Self { viewer: Some(viewer.into()), ..self.clone() }
    }

    /// The same world for a client that treats DNSSEC otherwise.
    #[must_use]
    pub fn with_dnssec(&self, dnssec: Dnssec) -> Self {
        Self { dnssec, ..self.clone() }
    }

    /// The same world for a client with other patience.
    #[must_use]
    pub fn at_pace(&self, pace: Pace) -> Self {
        Self { pace, ..self.clone() }
    }

    /// Its clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Edits the world, for everybody, from now on.
    pub fn edit<T>(&self, edit: impl FnOnce(&mut World) -> T) -> T {
        edit(&mut self.world.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Looks at the world.
    pub fn look<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        look(&self.world.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes the reports that were posted since the last time.
    #[must_use]
    pub fn take_posted(&self) -> Vec<Posted> {
        std::mem::take(&mut *self.posted.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn viewer(&self) -> Option<&str> {
        self.viewer.as_deref()
    }

    async fn round_trips(&self, count: u32) {
        self.clock.sleep(self.pace.round_trip * count).await;
    }

    /// What would come of a handshake.
    fn handshake(&self, presented: &Presented, name: Option<&str>) -> Result<TlsSession, TlsFailure> {
        let (version, suite) = match presented.versions {
            Versions::Modern | Versions::Tls13 => (0x0304, "TLS_AES_256_GCM_SHA384"),
            Versions::Tls12 => (0x0303, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
            Versions::Old(version, suite) => {
                return Err(TlsFailure::NothingInCommon { offered: Some((version, suite)) });
            }
        };
        let issued = presented.to(name).and_then(|spec| self.look(|world| world.pki.issue(spec)).ok());
        let issued = issued.ok_or_else(|| TlsFailure::Alert("access_denied".to_owned()))?;
        Ok(TlsSession { version, suite: suite.to_owned(), chain: issued.chain.clone() })
    }

    async fn https(&self, target: &HttpsTarget<'_>, admit: Admit<'_>, ask: Ask<'_>) -> HttpsExchange {
        let mut exchange =
            HttpsExchange { address: None, tls: None, outcome: Err(ConnectFailure::NoAddress.into()) };
        let Some((address, service)) = self.connect_https(target.addresses, &mut exchange).await else {
            return exchange;
        };
        exchange.address = Some(address);
        let cut = matches!(ask, Ask::Post { .. })
            && self.look(|world| world.cuts_post(target.host, target.path, self.clock.now(), self.viewer()));
        if cut || service.reach == Reach::Closes {
            exchange.outcome = Err(TlsFailure::Closed.into());
            return exchange;
        }
        self.round_trips(2).await;
        match self.handshake(&service.tls, Some(target.host)) {
            Err(failure) => exchange.outcome = Err(failure.into()),
            Ok(session) if !admit(&session) => {
                exchange.tls = Some(session);
                exchange.outcome = Err(HttpsFailure::NotAdmitted);
            }
            Ok(session) => {
                exchange.tls = Some(session);
                let page = self.answer(&service, target, &ask);
                exchange.outcome = self.read(&page, matches!(ask, Ask::Get)).await;
            }
        }
        exchange
    }

    /// Connects to the first address that answers; the failure that says most is left in `exchange`.
    async fn connect_https(
        &self,
        addresses: &[IpAddr],
        exchange: &mut HttpsExchange,
    ) -> Option<(IpAddr, HttpsService)> {
        let mut failure = ConnectFailure::NoAddress;
        let mut silent = false;
        for address in addresses {
            let service = self.look(|world| world.https_at(*address, self.clock.now(), self.viewer()));
            match service {
                Some(service) if matches!(service.reach, Reach::Open | Reach::Closes) => {
                    self.round_trips(1).await;
                    return Some((*address, service));
                }
                Some(service) if service.reach == Reach::Silent => {
                    silent = true;
                    if failure != ConnectFailure::Refused {
                        failure = ConnectFailure::TimedOut;
                    }
                }
                Some(_) | None => failure = ConnectFailure::Refused,
            }
        }
        self.clock.sleep(if silent { self.pace.connect_patience } else { self.pace.round_trip }).await;
        exchange.outcome = Err(failure.into());
        None
    }

    fn answer(&self, service: &HttpsService, target: &HttpsTarget<'_>, ask: &Ask<'_>) -> Page {
        let Some(site) = service.sites.get(target.host) else { return Page::status(404) };
        let desk = site.desks.get(target.path);
        match ask {
            Ask::Get => match site.pages.get(target.path) {
                Some(page) => page.clone(),
                None => Page::status(if desk.is_some() { 405 } else { 404 }),
            },
            Ask::Post { content_type, body } => {
                let Some(desk) = desk else { return Page::status(405) };
                if (200..300).contains(&desk.status) {
                    self.posted.lock().unwrap_or_else(PoisonError::into_inner).push(Posted {
                        by: self.viewer().map(str::to_owned),
                        at: self.clock.now(),
                        host: target.host.to_owned(),
                        path: target.path.to_owned(),
                        content_type: (*content_type).to_owned(),
                        body: body.clone(),
                    });
                }
                Page::status(desk.status)
            }
        }
    }

    async fn read(&self, page: &Page, body_too: bool) -> Result<HttpAnswer, HttpsFailure> {
        let patience = self.pace.fetch_patience;
        let reads_body = body_too && page.status == 200;
        let stalls = reads_body && page.stalls_after.is_some_and(|after| after <= self.pace.body_bytes);
        if page.delay >= patience || stalls {
            self.clock.sleep(patience).await;
            return Err(HttpsFailure::TimedOut);
        }
        self.clock.sleep(page.delay + self.pace.round_trip).await;
        if reads_body && page.body.len() > self.pace.body_bytes {
            return Err(HttpsFailure::TooLarge { limit_bytes: self.pace.body_bytes });
        }
        let field = |field: &Option<String>| field.as_ref().map(|text| text.as_bytes().to_vec());
        Ok(HttpAnswer {
            status: page.status,
            content_type: field(&page.content_type),
            content_encoding: field(&page.content_encoding),
            location: field(&page.location),
            body: if reads_body { page.body.clone() } else { Bytes::new() },
        })
    }

    fn reply(&self, resolution: Resolution) -> DnsReply {
        if let Some(Status::Bogus(_)) = resolution.status() {
            match self.dnssec {
                Dnssec::Validated | Dnssec::TrustedResolver => {
                    return DnsReply::Failed(DnsFailure::Bogus("it does not verify".to_owned()));
                }
                // The resolver validates for a client that does not ask.
                Dnssec::Off | Dnssec::Unusable(_) => {
                    if self.look(|world| world.resolver) == ResolverKind::Validating {
                        return DnsReply::Failed(DnsFailure::Server("SERVFAIL".to_owned()));
                    }
                }
            }
        }
        let working = self.dnssec.is_working();
        let secure = |status: Status| {
            if working && status == Status::Secure { Security::Secure } else { Security::Insecure }
        };
        let whole = resolution.status().map_or(Security::Insecure, secure);
        let first = resolution.aliases.first().map_or(whole, |link| secure(link.status));
        let aliases: Vec<String> = resolution.aliases.iter().map(|link| link.target.clone()).collect();
        let alias_ttl = resolution.aliases.iter().map(|link| link.ttl).min().unwrap_or(u32::MAX);
        match resolution.end {
            End::Records { ttl, records, .. } => {
                let ttl = ttl.min(alias_ttl);
                DnsReply::Found(Answer { aliases, security: whole, first_security: first, ttl, records })
            }
            End::Nothing { name_exists, ttl, .. } => {
                let ttl = ttl.min(alias_ttl);
                DnsReply::Absent(Absence { aliases, name_exists, security: whole, ttl })
            }
            End::Trouble(DnsTrouble::Silent) => DnsReply::Failed(DnsFailure::TimedOut),
            End::Trouble(DnsTrouble::Refused) => DnsReply::Failed(DnsFailure::Server("REFUSED".to_owned())),
            End::Trouble(DnsTrouble::ServFail | DnsTrouble::Bogus) | End::Endless => {
                DnsReply::Failed(DnsFailure::Server("SERVFAIL".to_owned()))
            }
        }
    }
}

#[derive(Debug)]
enum Ask<'a> {
    Get,
    Post { content_type: &'a str, body: Bytes },
}

impl Dns for MemoryWorld {
    async fn look_up(&self, name: &str, kind: RecordKind) -> DnsReply {
        let resolution = self.look(|world| world.resolve(name, kind, self.clock.now(), self.viewer()));
        let silent = resolution.end == End::Trouble(DnsTrouble::Silent);
        self.clock.sleep(if silent { self.pace.dns_patience } else { self.pace.round_trip }).await;
        self.reply(resolution)
    }

    fn dnssec(&self) -> Dnssec {
        self.dnssec.clone()
    }
}

impl Https for MemoryWorld {
    async fn get(&self, target: HttpsTarget<'_>, admit: Admit<'_>) -> HttpsExchange {
        self.https(&target, admit, Ask::Get).await
    }

    async fn post(
        &self,
        target: HttpsTarget<'_>,
        content_type: &str,
        body: Bytes,
        admit: Admit<'_>,
    ) -> HttpsExchange {
        self.https(&target, admit, Ask::Post { content_type, body }).await
    }
}

impl Smtp for MemoryWorld {
    async fn probe(&self, target: SmtpTarget<'_>) -> SmtpOutcome {
        let service = self.look(|world| world.smtp_at(target.address, self.clock.now(), self.viewer()));
        let reach = service.as_ref().map_or(Reach::Refused, |service| service.reach);
        let Some(service) = service.filter(|_| matches!(reach, Reach::Open | Reach::Closes)) else {
            let silent = reach == Reach::Silent;
            self.clock.sleep(if silent { self.pace.connect_patience } else { self.pace.round_trip }).await;
            let failure = if silent { ConnectFailure::TimedOut } else { ConnectFailure::Refused };
            return SmtpOutcome::NotReached(failure);
        };
        self.round_trips(2).await;
        let greeting = if reach == Reach::Closes { Greeting::Closes } else { service.greeting };
        match greeting {
            Greeting::Welcome => {}
            Greeting::Refusal(code, text) => return SmtpOutcome::Refused { code, text },
            Greeting::Silent => {
                self.clock.sleep(self.pace.reply_patience).await;
                return SmtpOutcome::Broken("the greeting did not come in time".to_owned());
            }
            Greeting::Closes => {
                return SmtpOutcome::Broken(
                    "the connection was closed before the greeting was there".to_owned(),
                );
            }
            Greeting::Noise => return SmtpOutcome::Broken("the greeting is not SMTP".to_owned()),
        }
        self.round_trips(2).await;
        match service.starttls {
            StartTls::Works => {}
            StartTls::Missing => return SmtpOutcome::NoStartTls,
            StartTls::Refused(code, text) => return SmtpOutcome::StartTlsRefused { code, text },
            StartTls::Closes => return SmtpOutcome::TlsFailed(TlsFailure::Closed),
            StartTls::Noise => {
                return SmtpOutcome::TlsFailed(TlsFailure::Protocol("what came is not TLS".to_owned()));
            }
            StartTls::Silent => {
                self.clock.sleep(self.pace.handshake_patience).await;
                return SmtpOutcome::TlsFailed(TlsFailure::TimedOut);
            }
        }
        self.round_trips(2).await;
        match self.handshake(&service.tls, target.sni.then_some(target.host)) {
            Ok(session) => SmtpOutcome::Tls(session),
            Err(failure) => SmtpOutcome::TlsFailed(failure),
        }
    }
}

impl Timer for MemoryWorld {
    async fn sleep(&self, duration: Duration) {
        self.clock.sleep(duration).await;
    }
}
