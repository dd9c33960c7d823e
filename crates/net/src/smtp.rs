//! SMTP as far as STARTTLS (RFC 3207): what a sender that is about to deliver to one address of an MX host would meet.
//!
//! Greeting, EHLO, STARTTLS, TLS, EHLO, QUIT. No mail is begun. What can fail is [`SmtpOutcome`]; a host that
//! cannot be reached is told apart from one that breaks off, and that from one that has no TLS.

pub(crate) mod reply;
pub(crate) mod talk;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustls_pki_types::ServerName;
use tlsward_engine::ports::{ConnectFailure, Smtp, SmtpOutcome, SmtpTarget, TlsFailure};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::client::TlsStream;

use self::reply::Reply;
use self::talk::{Talk, TalkFailure};
use crate::connect::connect;
use crate::guard::Guard;
use crate::limits::SmtpLimits;
use crate::polite::PerAddress;
use crate::tls::{Tls, late_failure, server_name};

/// How SMTP is spoken.
#[derive(Debug, Clone)]
pub struct SmtpConfig {
    /// The port of MX hosts.
    pub port: u16,
    /// The name in EHLO: that of this machine, or its address in brackets (RFC 5321 §4.1.4).
    pub ehlo_name: String,
    /// What may be connected to.
    pub guard: Guard,
    /// Shared with the HTTPS client: a host may be both.
    pub per_address: PerAddress,
    /// Bounds.
    pub limits: SmtpLimits,
}

impl Default for SmtpConfig {
    fn default() -> Self {
        Self {
            port: 25,
            ehlo_name: "localhost".to_owned(),
            guard: Guard::default(),
            per_address: PerAddress::default(),
            limits: SmtpLimits::default(),
        }
    }
}

/// The name for EHLO cannot be sent. Correct the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} cannot be said in EHLO: give the name of this machine, as mx.example.com, or its address, as [192.0.2.1]"
)]
pub struct BadEhloName(pub String);

/// A name that EHLO can say: nothing in it ends the word or the command.
pub(crate) fn check_ehlo_name(name: &str) -> Result<(), BadEhloName> {
    let is_one_word =
        !name.is_empty() && name.len() <= 255 && name.bytes().all(|octet| octet.is_ascii_graphic());
    if is_one_word { Ok(()) } else { Err(BadEhloName(name.to_owned())) }
}

/// The client. A clone is the same client.
#[derive(Debug, Clone)]
pub struct SmtpClient {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: SmtpConfig,
    tls: Tls,
}

impl SmtpClient {
    /// A client.
    ///
    /// # Errors
    /// [`BadEhloName`] where the name would break the command.
    pub fn new(config: SmtpConfig) -> Result<Self, BadEhloName> {
        check_ehlo_name(&config.ehlo_name)?;
        let tls = Tls::new(&[], config.limits.tls.clone());
        Ok(Self { inner: Arc::new(Inner { config, tls }) })
    }
}

impl Smtp for SmtpClient {
    async fn probe(&self, target: SmtpTarget<'_>) -> SmtpOutcome {
        self.inner.probe(&target).await.unwrap_or_else(|outcome| outcome)
    }
}

/// `Err` is an outcome too: one that ends the conversation early.
type Step<T> = Result<T, SmtpOutcome>;

impl Inner {
    async fn probe(&self, target: &SmtpTarget<'_>) -> Step<SmtpOutcome> {
        let end_point = SocketAddr::new(target.address, self.config.port);
        // Before the wait for a turn: what is not connected to is not waited for.
        self.config.guard.check(end_point).map_err(not_reached_past_the_guard)?;
        let _turn = self.config.per_address.turn(target.address).await;
        let stream = connect(end_point, &self.config.guard, self.config.limits.connect).await;
        let stream = stream.map_err(SmtpOutcome::NotReached)?;
        let deadline = Instant::now() + self.config.limits.total;
        let stream = self.until_start_tls(stream, deadline).await?;
        let name = server_name(target.sni.then_some(target.host), target.address);
        let limit = self.config.limits.handshake.min(deadline - Instant::now());
        match self.tls.handshake(stream, name.clone(), limit).await {
            Ok((stream, session)) => {
                self.over_tls(stream, deadline).await?;
                Ok(SmtpOutcome::Tls(session))
            }
            Err(failure) if Tls::may_be_old(&failure) => {
                let offered =
                    timeout_at(deadline, self.what_old_clients_get(end_point, &name, deadline)).await;
                Ok(SmtpOutcome::TlsFailed(self.tls.in_the_light_of(failure, offered.ok().flatten())))
            }
            Err(failure) => Ok(SmtpOutcome::TlsFailed(failure)),
        }
    }

    /// To the point where TLS begins.
    async fn until_start_tls(&self, stream: TcpStream, deadline: Instant) -> Step<TcpStream> {
        let limits = &self.config.limits;
        let mut talk = Talk::new(stream, limits, deadline);
        let greeting = talk.reply(limits.greeting).await.map_err(|why| broken("the greeting", &why))?;
        self.expect(greeting, 220, "the greeting", &mut talk).await?;

        let ehlo = format!("EHLO {}\r\n", self.config.ehlo_name);
        let reply = talk.ask(&ehlo, limits.reply).await.map_err(|why| broken("the reply to EHLO", &why))?;
        let reply = self.expect(reply, 250, "the reply to EHLO", &mut talk).await?;
        if !reply.offers(b"STARTTLS") {
            talk.quit(limits.quit).await;
            return Err(SmtpOutcome::NoStartTls);
        }

        let reply = talk.ask("STARTTLS\r\n", limits.reply).await;
        let reply = reply.map_err(|why| broken("the reply to STARTTLS", &why))?;
        if reply.is_refusal() {
            talk.quit(limits.quit).await;
            let text = reply.text(limits.text_chars);
            return Err(SmtpOutcome::StartTlsRefused { code: reply.code, text });
        }
        self.expect(reply, 220, "the reply to STARTTLS", &mut talk).await?;
        // RFC 3207 §6: nothing that was said in the clear may count behind this point. A sender drops it; who put it there
        // may be an attacker, so that it is not passed over here.
        talk.into_silent_stream().map_err(|octets| {
            SmtpOutcome::TlsFailed(TlsFailure::Protocol(format!(
                "{octets} bytes in the clear came with the reply to STARTTLS (RFC 3207 §6)"
            )))
        })
    }

    async fn expect(
        &self,
        reply: Reply,
        code: u16,
        what: &str,
        talk: &mut Talk<'_, TcpStream>,
    ) -> Step<Reply> {
        if reply.code == code {
            return Ok(reply);
        }
        let limits = &self.config.limits;
        talk.quit(limits.quit).await;
        if reply.is_refusal() {
            Err(SmtpOutcome::Refused { code: reply.code, text: reply.text(limits.text_chars) })
        } else {
            Err(SmtpOutcome::Broken(format!("{what} has the code {} where {code} belongs", reply.code)))
        }
    }

    /// What a sender would say next. The session came to be whatever is answered, unless the server takes it back: in
    /// TLS 1.3 it can refuse our half of the handshake only now.
    async fn over_tls(&self, stream: TlsStream<TcpStream>, deadline: Instant) -> Step<()> {
        let limits = &self.config.limits;
        let mut talk = Talk::new(stream, limits, deadline);
        let ehlo = format!("EHLO {}\r\n", self.config.ehlo_name);
        match talk.ask(&ehlo, limits.second_ehlo).await {
            Ok(_) => {
                talk.quit(limits.quit).await;
                Ok(())
            }
            Err(TalkFailure::Io(error)) => match late_failure(&error) {
                Some(failure) => Err(SmtpOutcome::TlsFailed(failure)),
                None => Ok(()),
            },
            Err(_) => Ok(()),
        }
    }

    async fn what_old_clients_get(
        &self,
        end_point: SocketAddr,
        name: &ServerName<'_>,
        deadline: Instant,
    ) -> Option<(u16, u16)> {
        let stream = connect(end_point, &self.config.guard, self.config.limits.connect).await.ok()?;
        let stream = self.until_start_tls(stream, deadline).await.ok()?;
        self.tls.greet_as_old_client(stream, name).await
    }
}

fn not_reached_past_the_guard(address: IpAddr) -> SmtpOutcome {
    SmtpOutcome::NotReached(ConnectFailure::Guarded(address))
}

fn broken(what: &str, why: &TalkFailure) -> SmtpOutcome {
    SmtpOutcome::Broken(match why {
        TalkFailure::Closed => format!("the connection was closed before {what} was there"),
        TalkFailure::TimedOut => format!("{what} did not come in time"),
        TalkFailure::Io(error) => format!("the connection broke before {what} was there: {error}"),
        TalkFailure::NotSmtp(reason) => format!("{what} is not SMTP: {reason}"),
    })
}
