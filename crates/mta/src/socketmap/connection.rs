//! One client's connection.
//!
//! On the way that almost every question takes (it came whole, and its answer is there) nothing is allocated, no
//! timer is touched and two system calls are made: a read that knows from its length that no more is there, and a
//! write. What came in pieces, or several questions at once, goes through `rest`.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::netstring;
use super::reply::{Encoded, Reply};
use super::request::Request;
use super::server::{Answer, Answers, Server};

/// What one read takes. The largest question and some: an edge, not a bound, since `rest` takes what is cut.
const READ_BYTES: usize = 1152;

/// Serves a connection to its end.
pub(super) async fn serve<A: Answers, S: AsyncRead + AsyncWrite + Unpin>(stream: S, server: &Server<A>) {
    let idle = std::pin::pin!(sleep(server.limits.idle));
    let mut connection = Connection { stream, server, rest: Vec::new(), was_used: false };
    // Why it ended is of no use to anyone: the client went away, or was told.
    let _ = connection.run(idle).await;
}

struct Connection<'a, A, S> {
    stream: S,
    server: &'a Server<A>,
    /// What came and was not yet answered.
    rest: Vec<u8>,
    /// Whether a question came since the idle timer was set.
    was_used: bool,
}

/// What a look at the input gave.
enum Next {
    /// An answer to send.
    Send(Encoded),
    /// An answer to wait for.
    Wait(Pin<Box<dyn Future<Output = Encoded> + Send>>),
    /// An answer to send, after which nothing more can be understood.
    Last(Encoded),
    /// No whole question is there.
    Nothing,
    /// The other side closed, or has been silent for too long.
    End,
}

impl<A: Answers, S: AsyncRead + AsyncWrite + Unpin> Connection<'_, A, S> {
    async fn run(&mut self, mut idle: Pin<&mut Sleep>) -> io::Result<()> {
        loop {
            let next = match self.take_from_rest() {
                Next::Nothing => poll_fn(|context| self.poll_next(context, idle.as_mut())).await?,
                next => next,
            };
            match next {
                Next::Send(answer) => self.send(&answer).await?,
                Next::Wait(answer) => {
                    let waits = self.server.waiting.begin();
                    let answer = answer.await;
                    self.send(&answer).await?;
                    drop(waits);
                }
                Next::Last(answer) => {
                    self.send(&answer).await?;
                    return self.stream.shutdown().await;
                }
                Next::Nothing => {}
                Next::End => return Ok(()),
            }
        }
    }

    /// Reads once, and looks at what came where it lies.
    fn poll_next(&mut self, context: &mut Context<'_>, mut idle: Pin<&mut Sleep>) -> Poll<io::Result<Next>> {
        let mut space = [std::mem::MaybeUninit::uninit(); READ_BYTES];
        let mut read = ReadBuf::uninit(&mut space);
        match Pin::new(&mut self.stream).poll_read(context, &mut read) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) => {
                let came = read.filled();
                if came.is_empty() {
                    return Poll::Ready(Ok(Next::End));
                }
                if !self.rest.is_empty() {
                    self.rest.extend_from_slice(came);
                    return Poll::Ready(Ok(self.take_from_rest()));
                }
                let (next, length) = self.look(came);
                self.rest.extend_from_slice(&came[length..]);
                Poll::Ready(Ok(next))
            }
            Poll::Pending => {
                while idle.as_mut().poll(context).is_ready() {
                    if !std::mem::take(&mut self.was_used) {
                        return Poll::Ready(Ok(Next::End));
                    }
                    let deadline = later(idle.deadline(), self.server.limits.idle);
                    idle.as_mut().reset(deadline);
                }
                Poll::Pending
            }
        }
    }

    fn take_from_rest(&mut self) -> Next {
        if self.rest.is_empty() {
            return Next::Nothing;
        }
        let rest = std::mem::take(&mut self.rest);
        let (next, length) = self.look(&rest);
        if length < rest.len() {
            self.rest = rest;
            self.rest.drain(..length);
        }
        next
    }

    /// Looks for a question at the front of `input`, and how many bytes it has.
    fn look(&mut self, input: &[u8]) -> (Next, usize) {
        let taken = match netstring::take(input, self.server.limits.query_bytes) {
            Ok(Some(taken)) => taken,
            Ok(None) => return (Next::Nothing, 0),
            Err(error) => return (Next::Last(Reply::Perm(&error.to_string()).encode()), input.len()),
        };
        self.was_used = true;
        let next = match Request::parse(&input[taken.payload]) {
            Ok(request) => match self.server.answers.answer(request.map, request.key) {
                Answer::Ready(answer) => Next::Send(answer),
                Answer::Pending(answer) => Next::Wait(answer),
            },
            Err(error) => Next::Send(Reply::Perm(&error.to_string()).encode()),
        };
        (next, taken.length)
    }

    async fn send(&mut self, answer: &Encoded) -> io::Result<()> {
        let mut bytes = answer.as_bytes();
        // At most once pending: an answer almost always fits into the socket's buffer.
        let first = poll_fn(|context| match Pin::new(&mut self.stream).poll_write(context, bytes) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending => Poll::Ready(None),
        });
        if let Some(written) = first.await {
            bytes = &bytes[written?..];
        }
        if bytes.is_empty() {
            return Ok(());
        }
        timeout(self.server.limits.write, self.stream.write_all(bytes)).await?
    }
}

/// A deadline that far away may not be representable; then it is never.
fn later(deadline: Instant, by: std::time::Duration) -> Instant {
    deadline.checked_add(by).unwrap_or(deadline)
}
