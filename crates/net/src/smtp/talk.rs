//! Commands and replies over a stream, each bounded in time and size.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use super::reply::{Assembly, NotSmtp, Reply};
use crate::limits::SmtpLimits;

/// Why there was no reply.
#[derive(Debug)]
pub(crate) enum TalkFailure {
    Closed,
    TimedOut,
    Io(io::Error),
    NotSmtp(NotSmtp),
}

/// A conversation.
#[derive(Debug)]
pub(crate) struct Talk<'a, S> {
    stream: S,
    limits: &'a SmtpLimits,
    /// The end of everything, whatever a single reply is allowed.
    deadline: Instant,
    /// What was read and not yet taken.
    buffer: Vec<u8>,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Talk<'a, S> {
    pub(crate) fn new(stream: S, limits: &'a SmtpLimits, deadline: Instant) -> Self {
        Self { stream, limits, deadline, buffer: Vec::new() }
    }

    /// Lets everything end so much later.
    pub(crate) fn extend(&mut self, more: Duration) {
        self.deadline += more;
    }

    /// Sends a command and waits for its reply; both in that time.
    pub(crate) async fn ask(&mut self, command: &str, limit: Duration) -> Result<Reply, TalkFailure> {
        let until = self.deadline.min(Instant::now() + limit);
        self.within(until, Some(command)).await
    }

    /// Waits for a reply that was not asked for: the greeting.
    pub(crate) async fn reply(&mut self, limit: Duration) -> Result<Reply, TalkFailure> {
        let until = self.deadline.min(Instant::now() + limit);
        self.within(until, None).await
    }

    /// Takes leave. Its reply changes nothing; it is waited for so that the server need not log a lost connection.
    pub(crate) async fn quit(&mut self, limit: Duration) {
        let _ = self.ask("QUIT\r\n", limit).await;
    }

    /// The stream, if nothing came behind the last reply; else the number of bytes that did.
    pub(crate) fn into_silent_stream(self) -> Result<S, usize> {
        if self.buffer.is_empty() { Ok(self.stream) } else { Err(self.buffer.len()) }
    }

    async fn within(&mut self, until: Instant, command: Option<&str>) -> Result<Reply, TalkFailure> {
        let exchange = async {
            if let Some(command) = command {
                self.stream.write_all(command.as_bytes()).await.map_err(TalkFailure::Io)?;
                self.stream.flush().await.map_err(TalkFailure::Io)?;
            }
            self.read_reply().await
        };
        timeout_at(until, exchange).await.unwrap_or(Err(TalkFailure::TimedOut))
    }

    async fn read_reply(&mut self) -> Result<Reply, TalkFailure> {
        let mut assembly = Assembly::new(self.limits.lines);
        loop {
            let line = self.read_line().await?;
            if let Some(reply) = assembly.line(&line).map_err(TalkFailure::NotSmtp)? {
                return Ok(reply);
            }
        }
    }

    async fn read_line(&mut self) -> Result<Vec<u8>, TalkFailure> {
        let at_most = self.limits.line_bytes;
        let mut searched = 0;
        loop {
            let end = self.buffer[searched..].iter().position(|octet| *octet == b'\n');
            let length = end.map_or(self.buffer.len(), |end| searched + end + 1);
            if length > at_most {
                return Err(TalkFailure::NotSmtp(NotSmtp::LongLine(at_most)));
            }
            if end.is_some() {
                return Ok(self.buffer.drain(..length).collect());
            }
            searched = length;
            let mut chunk = [0; 1024];
            match self.stream.read(&mut chunk).await {
                Ok(0) => return Err(TalkFailure::Closed),
                Ok(read) => self.buffer.extend_from_slice(&chunk[..read]),
                // A TLS session without close_notify is closed like any other.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(TalkFailure::Closed);
                }
                Err(error) => return Err(TalkFailure::Io(error)),
            }
        }
    }
}
