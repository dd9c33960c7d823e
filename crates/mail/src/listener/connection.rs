//! One connection: moves bytes between a socket and a [`Session`], within the time limits.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tlsward_engine::facts::{RawInput, Road};
use tlsward_engine::ports::{Clock, Intake, StoreError};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};

use super::Shared;
use crate::session::{Envelope, HangUp, Mail, Session, Want};
use crate::{Limits, Shutdown, bounce, told_to_stop};

/// Room for input while commands are read, and while a mail is.
const COMMAND_BYTES: usize = 4 * 1024;
const MAIL_PIECE_BYTES: usize = 32 * 1024;
/// What is still read, and thrown away, after the last word.
const LINGER_BYTES: usize = 256 * 1024;

/// How talking over one transport ended.
enum Ended {
    /// For good.
    Closed,
    /// With STARTTLS.
    Upgrade,
}

/// Serves one connection to its end.
pub(super) async fn serve<S: Intake, C: Clock>(
    mut tcp: TcpStream,
    peer: IpAddr,
    shared: Arc<Shared<S, C>>,
    shutdown: Shutdown,
) {
    let session = Session::new(Arc::clone(&shared.terms), shared.budget.clone());
    let mut out = Vec::new();
    session.greet(&mut out);
    let mut talk = Talk { session, out, peer, shared: &shared, shutdown };
    if let Ended::Closed = talk.over(&mut tcp).await {
        return;
    }
    let Some(tls) = &shared.tls else { return };
    match timeout(shared.terms.limits.handshake, tls.accept(tcp)).await {
        Ok(Ok(mut tls)) => {
            talk.session.secured();
            talk.over(&mut tls).await;
        }
        Ok(Err(error)) => tracing::debug!(%peer, %error, "the TLS handshake failed"),
        Err(_) => tracing::debug!(%peer, "the TLS handshake took too long"),
    }
}

struct Talk<'a, S, C> {
    session: Session,
    out: Vec<u8>,
    peer: IpAddr,
    shared: &'a Shared<S, C>,
    shutdown: Shutdown,
}

impl<S: Intake, C: Clock> Talk<'_, S, C> {
    async fn over<T: AsyncRead + AsyncWrite + Unpin>(&mut self, io: &mut T) -> Ended {
        let limits = &self.shared.terms.limits;
        // It lives and dies with the transport: what came in clear behind STARTTLS is never read (RFC 3207 §5).
        let mut input = BytesMut::new();
        let mut deadline = Deadline::new();
        loop {
            match self.session.advance(&mut input, &mut self.out) {
                Want::Keep(mail) => {
                    self.keep(mail).await;
                    if *self.shutdown.borrow() {
                        self.session.hang_up(HangUp::Stopping, &mut self.out);
                    }
                }
                Want::Tls => {
                    return if self.flush(io).await { Ended::Upgrade } else { Ended::Closed };
                }
                Want::Close => {
                    if self.flush(io).await {
                        let _ = timeout(limits.linger, linger(io)).await;
                    }
                    return Ended::Closed;
                }
                Want::Input => {
                    if !self.flush(io).await {
                        return Ended::Closed;
                    }
                    let in_mail = self.session.in_mail();
                    input.reserve(if in_mail { MAIL_PIECE_BYTES } else { COMMAND_BYTES });
                    let at = deadline.next(self.session.steps(), in_mail, limits);
                    tokio::select! {
                        biased;
                        () = told_to_stop(&mut self.shutdown), if !in_mail => {
                            self.session.hang_up(HangUp::Stopping, &mut self.out);
                        }
                        read = timeout_at(at, io.read_buf(&mut input)) => match read {
                            Ok(Ok(bytes @ 1..)) => deadline.arrived(bytes),
                            Ok(Ok(0) | Err(_)) => {
                                if in_mail {
                                    tracing::info!(peer = %self.peer, "the client left in the middle of a mail");
                                }
                                return Ended::Closed;
                            }
                            Err(_) => {
                                tracing::debug!(peer = %self.peer, in_mail, "hung up: nothing came in time");
                                self.session.hang_up(HangUp::TimedOut, &mut self.out);
                            }
                        },
                    }
                }
            }
        }
    }

    /// Keeps a mail, synced, and has the session say what came of it.
    async fn keep(&mut self, mail: Mail) {
        let Mail { mut envelope, bytes, share } = mail;
        let size = bytes.len();
        if let Err(error) = self.hear_bounces(&mut envelope, &bytes).await {
            return self.session.kept(Err(&error), &mut self.out);
        }
        if envelope.to.is_empty() {
            return self.session.heard(Ok(()), &mut self.out);
        }
        let raw = RawInput {
            road: Road::Smtp,
            received_at: self.shared.clock.now(),
            peer: Some(self.peer),
            label: envelope.label(),
            bytes,
        };
        let copy = self.shared.inlet.copy_of(&raw);
        let outcome = self.shared.store.keep(raw).await;
        drop(share);
        let peer = self.peer;
        let (helo, from, tls) = (&envelope.helo, &envelope.from, envelope.secure);
        match &outcome {
            Ok(id) => {
                self.shared.inlet.kept(*id, copy);
                tracing::info!(id, bytes = size, %peer, helo, from, recipients = envelope.to.len(), tls, "mail kept");
            }
            Err(error) => {
                tracing::warn!(bytes = size, %peer, helo, from, %error, "mail not kept; the client was told to come back");
            }
        }
        self.session.kept(outcome.as_ref().copied(), &mut self.out);
    }

    /// Tells of mail to addresses that reports were sent from, and takes these out of the envelope.
    async fn hear_bounces(&self, envelope: &mut Envelope, mail: &[u8]) -> Result<(), StoreError> {
        let Some(bounces) = &self.shared.terms.bounces else { return Ok(()) };
        let recipients = envelope.take_bounced(bounces.as_ref());
        if recipients.is_empty() {
            return Ok(());
        }
        let failure = bounce::failure(mail);
        for recipient in recipients {
            if let Err(error) = bounces.came_back(&recipient, failure.as_deref()).await {
                tracing::warn!(peer = %self.peer, %error, "a bounce was not taken; the client was told to come back");
                return Err(error);
            }
        }
        Ok(())
    }

    /// Sends what was said; false if the client is gone or does not listen.
    async fn flush<T: AsyncWrite + Unpin>(&mut self, io: &mut T) -> bool {
        if self.out.is_empty() {
            return true;
        }
        let send = async {
            io.write_all(&self.out).await?;
            io.flush().await
        };
        let sent = matches!(timeout(self.shared.terms.limits.command, send).await, Ok(Ok(())));
        self.out.clear();
        sent
    }
}

/// Ends our side and reads on for a moment: closing on unread input would throw away the last answer on its way.
async fn linger<T: AsyncRead + AsyncWrite + Unpin>(io: &mut T) {
    if io.shutdown().await.is_err() {
        return;
    }
    let mut waste = [0; 4096];
    let mut read = 0;
    while read < LINGER_BYTES {
        match io.read(&mut waste).await {
            Ok(bytes @ 1..) => read += bytes,
            Ok(0) | Err(_) => return,
        }
    }
}

/// By when the client has to have said something. A command has one span from its predecessor to its own end, so
/// that single bytes do not buy time; a mail has one for each piece and one in all, which is shorter the less has come.
struct Deadline {
    step: Option<(u64, bool)>,
    began: Instant,
    /// Bytes since it began.
    bytes: u64,
}

impl Deadline {
    fn new() -> Self {
        Self { step: None, began: Instant::now(), bytes: 0 }
    }

    fn arrived(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }

    fn next(&mut self, steps: u64, in_mail: bool, limits: &Limits) -> Instant {
        let now = Instant::now();
        if self.step != Some((steps, in_mail)) {
            self.step = Some((steps, in_mail));
            self.began = now;
            self.bytes = 0;
        }
        let after = |from: Instant, span: Duration| from.checked_add(span).unwrap_or(from);
        if in_mail {
            let earned = Duration::from_secs(self.bytes / limits.data_rate.max(1));
            let whole = limits.data_grace.saturating_add(earned).min(limits.data_whole);
            after(now, limits.data_progress).min(after(self.began, whole))
        } else {
            after(self.began, limits.command)
        }
    }
}
