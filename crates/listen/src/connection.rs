//! One connection: hyper's machine for HTTP/1 or 2, the socket under it, and the one timer over both.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::Request;
use hyper::body::{Body, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, sleep_until};

use crate::watch::Watch;
use crate::{ConnectionLimits, Protocol, Serve, Shutdown};

/// hyper reads at most this much ahead of a slow handler; also the largest piece of a body.
const READ_BUFFER_BYTES: usize = 16 * 1024;
/// The timer looks again at least this often while there is no deadline.
const FAR: Duration = Duration::from_secs(3600);
/// Requests at once on an HTTP/2 connection. Each costs the peer a header block and us an answer.
const STREAMS: u32 = 32;
/// Streams that a peer may open and reset before we saw them ("rapid reset"), or that we reset for its errors, before
/// the connection is closed.
const RESETS: usize = 16;
/// Bytes of answers that wait for a peer's window, for each stream.
const SEND_BUFFER_BYTES: usize = 64 * 1024;
/// HTTP/2's smallest windows and frames are enough for requests without bodies; the defaults would let a peer send
/// megabytes that nobody reads.
const WINDOW_BYTES: u32 = 65_535;
/// Bytes of an unread body that are thrown away at most after an early answer.
const LINGER_BYTES: u64 = 64 * 1024 * 1024;

/// Serves a connection to its end.
pub async fn drive<I, H>(
    io: I,
    protocol: Protocol,
    peer: IpAddr,
    handler: Arc<H>,
    limits: &ConnectionLimits,
    shutdown: Shutdown,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send,
    H: Serve,
{
    let watch = Arc::new(Watch::new(protocol, limits, Instant::now()));
    let service_watch = Arc::clone(&watch);
    let service = service_fn(move |request: Request<Incoming>| {
        let handler = Arc::clone(&handler);
        let watch = Arc::clone(&service_watch);
        async move {
            watch.request_began();
            if request.body().is_end_stream() {
                watch.request_complete();
            }
            let answer = handler.serve(request, peer, Arc::clone(&watch)).await;
            watch.answered();
            Ok::<_, Infallible>(answer)
        }
    });
    let io = TokioIo::new(Socket { io, watch: Arc::clone(&watch), thrown_away: 0 });
    match protocol {
        Protocol::Http1 => {
            let connection = http1::Builder::new()
                // A peer that closes its sending side after the request still gets its answer.
                .half_close(true)
                .header_read_timeout(None)
                .max_header_size(limits.head_bytes)
                .max_buf_size(READ_BUFFER_BYTES)
                // hyper would then not flush an answer while unread input remains, so that refusals of garbled input get lost.
                .pipeline_flush(false)
                .serve_connection(io, service);
            watched(pin!(connection), http1::Connection::graceful_shutdown, peer, &watch, shutdown).await;
        }
        Protocol::Http2 => {
            let connection = http2::Builder::new(TokioExecutor::new())
                .max_concurrent_streams(STREAMS)
                .max_pending_accept_reset_streams(RESETS)
                .max_local_error_reset_streams(RESETS)
                .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
                .max_send_buf_size(SEND_BUFFER_BYTES)
                .initial_stream_window_size(WINDOW_BYTES)
                .initial_connection_window_size(WINDOW_BYTES)
                .serve_connection(io, service);
            watched(pin!(connection), http2::Connection::graceful_shutdown, peer, &watch, shutdown).await;
        }
    }
}

/// Lets the machine run until its end, until nothing happens in time, or, after a shutdown was asked for, until it has
/// finished what was under way.
async fn watched<M: Future<Output = hyper::Result<()>>>(
    mut connection: Pin<&mut M>,
    finish: impl Fn(Pin<&mut M>),
    peer: IpAddr,
    watch: &Watch,
    mut shutdown: Shutdown,
) {
    let now = Instant::now();
    let mut timer = pin!(sleep_until(watch.deadline().unwrap_or(now + FAR)));
    let mut stop = pin!(shutdown.wait_for(|stop| *stop));
    let mut stopping = false;

    poll_fn(|cx| {
        if !stopping && stop.as_mut().poll(cx).is_ready() {
            stopping = true;
            finish(connection.as_mut());
            watch.asked_to_end();
        }
        loop {
            if let Poll::Ready(end) = connection.as_mut().poll(cx) {
                if let Err(error) = end {
                    tracing::debug!(%peer, %error, "connection failed");
                }
                return Poll::Ready(());
            }
            // Later deadlines are found when the timer fires; only an earlier one must be set at once.
            if watch.deadline().is_some_and(|deadline| deadline < timer.deadline()) {
                timer.as_mut().reset(watch.deadline().unwrap_or(now + FAR));
            }
            loop {
                ready!(timer.as_mut().poll(cx));
                let now = Instant::now();
                match watch.deadline() {
                    Some(deadline) if deadline <= now => break,
                    Some(deadline) => timer.as_mut().reset(deadline),
                    None => timer.as_mut().reset(now + FAR),
                }
            }
            if !watch.give_up_on_body() {
                tracing::debug!(%peer, waited_for = ?watch.step(), "connection closed: nothing happened in time");
                return Poll::Ready(());
            }
        }
    })
    .await;
}

/// The socket, telling the watch what comes in, and closing without losing an early answer.
struct Socket<I> {
    io: I,
    watch: Arc<Watch>,
    thrown_away: u64,
}

impl<I: AsyncRead + Unpin> AsyncRead for Socket<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.io).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.watch.bytes_arrived();
        }
        result
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Socket<I> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// Closes our side. If the peer may still be sending, reads on for a moment: closing a socket with unread input
    /// resets it, and the reset overtakes the answer.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.io).poll_shutdown(cx))?;
        let mut scratch = [0; 8192];
        while self.watch.is_lingering() && self.thrown_away < LINGER_BYTES {
            let mut buffer = ReadBuf::new(&mut scratch);
            if ready!(Pin::new(&mut self.io).poll_read(cx, &mut buffer)).is_err()
                || buffer.filled().is_empty()
            {
                break;
            }
            self.thrown_away += buffer.filled().len() as u64;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
