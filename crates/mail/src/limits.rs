//! Every bound of the mail roads, in one place. Times are spans on the runtime's timer, sizes are bytes.

use std::time::Duration;

use tlsward_engine::receive::MAX_INPUT_BYTES;

/// What one listener bears.
#[derive(Debug, Clone)]
pub struct Limits {
    /// A command line with its end. RFC 5321 §4.5.3.1.4 asks for 512; extensions need more, some clients too.
    pub line_bytes: usize,
    /// A mail, after dot-unstuffing.
    pub mail_bytes: usize,
    /// Bytes of a mail that was refused already which are still read, so that the answer is heard.
    pub discard_bytes: usize,
    /// Recipients of a mail, refused ones included.
    pub recipients: usize,
    /// Commands that fail by syntax or order; the last of them closes the connection.
    pub bad_commands: u32,
    /// Commands in a row of which no mail comes.
    pub commands_without_mail: u32,
    /// Mails on one connection.
    pub mails: u32,
    /// Connections in all.
    pub connections: usize,
    /// Connections of one source: an IPv4 address, or an IPv6 network of 64 bits. Loopback is exempt.
    pub connections_per_source: usize,
    /// From one command to the end of the next; also for the peer to take an answer (RFC 5321 §4.5.3.2.7).
    pub command: Duration,
    /// Between two pieces of a mail.
    pub data_progress: Duration,
    /// For a whole mail.
    pub data_whole: Duration,
    /// From here on a mail must have come in at [`Self::data_rate`] on average: bytes that wait for the rest of a mail
    /// are memory that others cannot use.
    pub data_grace: Duration,
    /// Bytes a second after the grace.
    pub data_rate: u64,
    /// A mail of at most this many bytes may use all of the memory budget.
    pub small_bytes: usize,
    /// What larger ones leave of it, so that a few of them do not lock everyone out.
    pub small_reserve_bytes: usize,
    /// For the TLS handshake.
    pub handshake: Duration,
    /// For the peer to hear the last answer before the connection is cut.
    pub linger: Duration,
    /// For mail in transfer, when told to stop.
    pub drain: Duration,
    /// Before accepting again when the system had no descriptor or memory left for a connection.
    pub accept_pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            line_bytes: 4096,
            mail_bytes: MAX_INPUT_BYTES,
            discard_bytes: 2 * MAX_INPUT_BYTES,
            recipients: 100,
            bad_commands: 10,
            commands_without_mail: 400,
            mails: 100,
            connections: 512,
            connections_per_source: 32,
            command: Duration::from_secs(300),
            data_progress: Duration::from_secs(30),
            data_whole: Duration::from_secs(600),
            data_grace: Duration::from_secs(60),
            data_rate: 256 * 1024,
            small_bytes: 256 * 1024,
            small_reserve_bytes: 4 * 1024 * 1024,
            handshake: Duration::from_secs(30),
            linger: Duration::from_secs(2),
            drain: Duration::from_secs(30),
            accept_pause: Duration::from_millis(200),
        }
    }
}

/// What the queue bears.
#[derive(Debug, Clone)]
pub struct QueueLimits {
    /// A mail of more bytes is read on a blocking thread, and only one such at a time.
    pub large_bytes: usize,
    /// A mail of at most this many bytes is handed to the queue from memory; others come from the store.
    pub hand_over_bytes: usize,
    /// Mails that wait in memory to be read.
    pub waiting: usize,
    /// Mails that are being read or settled.
    pub at_work: usize,
    /// Their bytes, but for a large one and the last one begun.
    pub at_work_bytes: usize,
    /// The first pause after the store could not do it; each further one is twice as long.
    pub pause_first: Duration,
    /// The longest pause.
    pub pause_longest: Duration,
    /// For mails being read, when told to stop. What is not done by then is done after the next start.
    pub drain: Duration,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self {
            large_bytes: 256 * 1024,
            hand_over_bytes: 64 * 1024,
            waiting: 128,
            at_work: 64,
            at_work_bytes: 4 * 1024 * 1024,
            pause_first: Duration::from_millis(250),
            pause_longest: Duration::from_secs(60),
            drain: Duration::from_secs(30),
        }
    }
}
