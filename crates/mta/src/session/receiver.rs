//! The datagram socket, and the thread that empties it.
//!
//! libtlsrpt sends without waiting: what does not fit into the socket's queue is lost, and only the sender's log says
//! so. The queue is short (`net.unix.max_dgram_qlen`, 10 by default, set when the socket is made), so the thread does
//! nothing but take datagrams out and hand them to a [`DatagramSink`] that must not block.

use std::io;
use std::io::Read as _;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::{socket_domain, socket_type};
use rustix::net::{AddressFamily, RecvFlags, SocketType, recv};
use rustix::process::setpriority_process;
use rustix::thread::gettid;

use crate::unix_path::{self, BindError};

/// Longest datagram that is kept whole. (The kernel's own limit is 212,960 bytes unless it was raised.)
pub const MAX_DATAGRAM_BYTES: usize = 256 * 1024;
/// Where the kernel says how many datagrams a new socket holds.
pub const DEFAULT_QUEUE_PATH: &str = "/proc/sys/net/unix/max_dgram_qlen";
/// A queue below this loses datagrams in ordinary bursts (2 % at 2,000 a second with 10).
const GOOD_QUEUE: u64 = 512;

/// The nice value of the threads that must keep up with the socket, where it may be set.
const PRIORITY: i32 = -15;

/// So many datagrams at one go are a flood.
const FLOOD_BATCH: u32 = 32;
/// For how long datagrams gather then: at 200,000 a second, a tenth of a queue of 512.
const GATHER: Timespec = Timespec { tv_sec: 0, tv_nsec: 200_000 };

/// What becomes of datagrams. Called on the receiving thread.
pub trait DatagramSink: Send + 'static {
    /// Takes one. Must not block for longer than the socket's queue lasts.
    fn take(&mut self, datagram: &[u8]);

    /// The socket is empty for now.
    fn pause(&mut self) {}
}

/// A bound socket.
#[derive(Debug)]
pub struct SessionSocket(OwnedFd);

impl SessionSocket {
    /// Binds `path` with `mode`: every process that sends TLS results (Postfix's user) needs to write to it, so 0666,
    /// or 0660 with a group.
    ///
    /// # Errors
    /// [`BindError`].
    pub fn bind(path: &Path, mode: u32) -> Result<Self, BindError> {
        let bind = |path: &Path| UnixDatagram::bind(path);
        let is_alive = |path: &Path| UnixDatagram::unbound().and_then(|socket| socket.connect(path)).is_ok();
        let socket = unix_path::bind(path, mode, bind, is_alive)?;
        Ok(Self(socket.into()))
    }

    /// Takes a socket that was handed over (systemd's `ListenDatagram=`): what is queued in it survives a restart.
    ///
    /// # Errors
    /// `InvalidInput` for any other kind of socket.
    pub fn from_fd(fd: OwnedFd) -> io::Result<Self> {
        let fits = socket_type(&fd)? == SocketType::DGRAM && socket_domain(&fd)? == AddressFamily::UNIX;
        if !fits {
            let error = "the socket that was handed over for sessions is no unix datagram socket";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, error));
        }
        Ok(Self(fd))
    }
}

/// Counts of a receiver, for metrics.
#[derive(Debug, Default)]
pub struct ReceiverStats {
    received: AtomicU64,
    cut: AtomicU64,
}

impl ReceiverStats {
    /// Datagrams taken.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Datagrams that were longer than [`MAX_DATAGRAM_BYTES`] and of which the rest was lost.
    pub fn cut(&self) -> u64 {
        self.cut.load(Ordering::Relaxed)
    }
}

/// A running thread. Dropping it stops it as well.
#[derive(Debug)]
pub struct Receiver {
    stop: Option<UnixStream>,
    thread: Option<JoinHandle<io::Result<()>>>,
    stats: Arc<ReceiverStats>,
}

impl Receiver {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the system has no thread or descriptor left.
    pub fn start(socket: SessionSocket, sink: impl DatagramSink) -> io::Result<Self> {
        let (stop, stopped) = UnixStream::pair()?;
        let stats = Arc::new(ReceiverStats::default());
        let counts = Arc::clone(&stats);
        let thread = thread::Builder::new()
            .name("sessions".to_owned())
            .spawn(move || receive(&socket.0, &stopped, sink, &counts))?;
        Ok(Self { stop: Some(stop), thread: Some(thread), stats })
    }

    /// Its counts.
    #[must_use]
    pub fn stats(&self) -> Arc<ReceiverStats> {
        Arc::clone(&self.stats)
    }

    /// Whether the thread is at work. It is until [`Receiver::stop`], unless the socket broke.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Takes what is queued, and ends.
    ///
    /// # Errors
    /// What ended the thread before.
    pub fn stop(mut self) -> io::Result<()> {
        self.end()
    }

    fn end(&mut self) -> io::Result<()> {
        self.stop = None;
        match self.thread.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(result)) => result,
            Some(Err(_)) => Err(io::Error::other("the thread that receives sessions panicked")),
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // Whoever wants to know how it ended calls `stop`.
        let _ = self.end();
    }
}

fn receive(
    socket: &OwnedFd,
    stopped: &UnixStream,
    mut sink: impl DatagramSink,
    stats: &ReceiverStats,
) -> io::Result<()> {
    hurry();
    // One byte more than is kept tells that there was more.
    let mut buffer = vec![0; MAX_DATAGRAM_BYTES + 1];
    let mut batch = 0_u32;
    loop {
        match recv(socket, &mut buffer[..], RecvFlags::DONTWAIT) {
            Ok((length, _)) => {
                batch = batch.saturating_add(1);
                stats.received.fetch_add(1, Ordering::Relaxed);
                if length > MAX_DATAGRAM_BYTES {
                    stats.cut.fetch_add(1, Ordering::Relaxed);
                }
                sink.take(&buffer[..length.min(MAX_DATAGRAM_BYTES)]);
            }
            Err(error) if error == rustix::io::Errno::AGAIN => {
                // In a flood, sleeping and being woken for each datagram would cost the senders and us more than the
                // datagrams do: they gather for a moment, as long as the queue has room for far more.
                if std::mem::take(&mut batch) >= FLOOD_BATCH {
                    let mut fds = [PollFd::new(stopped, PollFlags::IN)];
                    // Whatever comes of it, the socket is looked at next.
                    let _ = poll(&mut fds, Some(&GATHER));
                    continue;
                }
                sink.pause();
                if !wait(socket, stopped)? {
                    return Ok(());
                }
            }
            Err(error) if error == rustix::io::Errno::INTR => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Puts this thread before those that send: they may take all processors for longer than the queue lasts. Linux gives each
/// thread a priority of its own. Without the right to raise it (CAP_SYS_NICE, or LimitNICE), all works as well, only not
/// under such load.
pub(super) fn hurry() {
    let _ = setpriority_process(Some(gettid()), PRIORITY);
}

/// Waits for a datagram; `false` when told to stop and none is there.
fn wait(socket: &OwnedFd, stopped: &UnixStream) -> io::Result<bool> {
    loop {
        let mut fds =
            [PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::IN), PollFd::new(stopped, PollFlags::IN)];
        match poll(&mut fds, None) {
            Ok(_) if fds[0].revents().contains(PollFlags::IN) => return Ok(true),
            Ok(_) if !fds[0].revents().is_empty() => {
                return Err(io::Error::other("the session socket is broken"));
            }
            Ok(_) if !fds[1].revents().is_empty() => return Ok(false),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// What an administrator should be told at the start, if the kernel's queue is short: the text says what to do. `path`
/// is [`DEFAULT_QUEUE_PATH`]. The kernel sets a socket's queue when it is made: a socket that systemd made has
/// systemd's.
#[must_use]
pub fn queue_advice(path: &Path) -> Option<String> {
    let mut text = String::new();
    std::fs::File::open(path).ok()?.take(32).read_to_string(&mut text).ok()?;
    let queue: u64 = text.trim().parse().ok()?;
    (queue < GOOD_QUEUE).then(|| {
        format!(
            "the kernel queues only {queue} datagrams for the session socket, and loses what comes faster: set \
             net.unix.max_dgram_qlen={GOOD_QUEUE} (sysctl, in this network namespace) and start again"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::sync::mpsc;

    struct Keep(mpsc::Sender<Vec<u8>>);

    impl DatagramSink for Keep {
        fn take(&mut self, datagram: &[u8]) {
            self.0.send(datagram.to_vec()).unwrap();
        }
    }

    #[test]
    fn every_datagram_comes_through_also_an_empty_and_the_largest_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tlsrpt.sock");
        let socket = SessionSocket::bind(&path, 0o666).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o666);
        assert!(matches!(SessionSocket::bind(&path, 0o666), Err(BindError::InUse(_))));
        let (sender, kept) = mpsc::channel();
        let receiver = Receiver::start(socket, Keep(sender)).unwrap();
        let client = UnixDatagram::unbound().unwrap();
        let sent: [&[u8]; 4] = [b"", b"{}", &[0xff; 3], &[b'x'; 212_000]];
        for datagram in sent {
            client.send_to(datagram, &path).unwrap();
            assert_eq!(kept.recv().unwrap(), datagram);
        }
        assert_eq!((receiver.stats().received(), receiver.stats().cut()), (4, 0));
        receiver.stop().unwrap();
        assert!(kept.recv().is_err(), "the sink went with the thread");
        SessionSocket::bind(&path, 0o660).unwrap();
    }

    #[test]
    fn what_is_queued_in_a_socket_that_was_handed_over_is_taken_before_the_end() {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        for n in 0..5_u8 {
            theirs.send(&[n]).unwrap();
        }
        let (sender, kept) = mpsc::channel();
        Receiver::start(SessionSocket::from_fd(ours.into()).unwrap(), Keep(sender)).unwrap().stop().unwrap();
        assert_eq!(kept.iter().collect::<Vec<_>>(), [[0], [1], [2], [3], [4]]);
        let stream = UnixStream::pair().unwrap().0;
        assert!(SessionSocket::from_fd(stream.into()).is_err());
    }

    #[test]
    fn a_short_queue_is_told_with_what_to_set() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("max_dgram_qlen");
        for (content, is_short) in [("10\n", true), ("511", true), ("512\n", false), ("x", false)] {
            fs::write(&path, content).unwrap();
            assert_eq!(queue_advice(&path).is_some(), is_short, "{content}");
        }
        fs::write(&path, "10\n").unwrap();
        let advice = queue_advice(&path).unwrap();
        assert!(advice.contains("only 10 ") && advice.contains("net.unix.max_dgram_qlen=512"), "{advice}");
        assert_eq!(queue_advice(&folder.path().join("none")), None);
    }
}
