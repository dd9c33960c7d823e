//! Every bound on size, time and number that holds for what the network sends. A bound is an argument of the adapter,
//! so that a test can reach it; the defaults here are what a server runs with.

use std::time::Duration;

/// Of DNS.
pub mod dns {
    use std::time::Duration;

    /// One question, in all: every try, every link of its alias chain, every question that validating it needs.
    pub const TOTAL: Duration = Duration::from_secs(10);
    /// One question to one name server of a domain, in all: every try, and TCP.
    pub const AUTHORITY: Duration = Duration::from_secs(6);
    /// For how long the first try waits for its answer. Each round over the servers waits twice as long.
    pub const FIRST_TRY: Duration = Duration::from_secs(1);
    /// The longest wait of one try.
    pub const LONGEST_TRY: Duration = Duration::from_secs(4);
    /// Packets that belong to no question of ours, on the socket of one try.
    pub const STRAY_PACKETS: usize = 64;
    /// What we say that we take by UDP: no fragments (RFC 9715).
    pub const UDP_PAYLOAD_BYTES: u16 = 1232;
    /// What is taken by UDP all the same. Longer packets come cut and are unusable.
    pub const UDP_BYTES: usize = 4096;
    /// What is taken by TCP.
    pub const TCP_BYTES: usize = 65_535;
    /// Records in one message, over all sections.
    pub const RECORDS: usize = 1_000;
    /// Aliases between a name and its records. One more is an error.
    pub const ALIASES: usize = 16;
    /// Questions on the wire at once. The rest wait, within their own time.
    pub const IN_FLIGHT: usize = 200;
    /// Questions that one UDP socket to a resolver on this machine serves before it is renewed. To any other
    /// server each question has a socket, and so a port, of its own (RFC 5452 §9.2).
    pub const QUESTIONS_PER_SOCKET: u32 = 64;
    /// Unused sockets kept for each server.
    pub const IDLE_SOCKETS: usize = 32;
    /// Servers asked. The rest of the list is not read.
    pub const SERVERS: usize = 8;
    /// Questions that validating one answer may need, over its whole alias chain.
    pub const VALIDATION_QUESTIONS: u32 = 200;
    /// NSEC3s that are read of one denial of DS. A proof takes three (RFC 5155 §7.2).
    pub const NSEC3_RECORDS: usize = 8;
    /// Iterations of NSEC3 that are counted. With more, an absence is taken for insecure (RFC 9276 §3.2), and a
    /// delegation for bogus.
    pub const NSEC3_ITERATIONS: u16 = 100;
    /// Signatures that the proof of one encloser keeps as judged, until it ends.
    pub const CACHED_FOR_ONE_PROOF: usize = 32;
    /// Answers kept, and messages kept for validating.
    pub const CACHED_ANSWERS: usize = 8_192;
    /// A larger answer is not kept, so that what strangers publish cannot fill the memory.
    pub const CACHED_ANSWER_BYTES: usize = 4_096;
    /// A message with more records is not kept for validating: names are short on the wire, where they are
    /// compressed, and long in memory. Keys, delegations and their proofs are a dozen.
    pub const CACHED_MESSAGE_RECORDS: usize = 40;
    /// The longest that records are kept, whatever their TTL.
    pub const CACHED_SECONDS: u32 = 3_600;
    /// The longest that absence is kept (RFC 2308 §5 advises one to three hours at most).
    pub const CACHED_ABSENCE_SECONDS: u32 = 900;
    /// For how long a failure is kept (RFC 2308 §7: five minutes at most), so that a thousand domains with one
    /// dead MX do not wait for it a thousand times.
    pub const CACHED_FAILURE_SECONDS: u32 = 5;
    /// A probe that got no answer is repeated by the first question after this.
    pub const PROBE_AGAIN_UNANSWERED: Duration = Duration::from_secs(5);
    /// A probe that found DNSSEC unusable is repeated by the first question after this; so is one that found it
    /// working, once an answer was forged.
    pub const PROBE_AGAIN_UNUSABLE: Duration = Duration::from_secs(60);
    /// A probe that found DNSSEC working is repeated by the first question after this.
    pub const PROBE_AGAIN_WORKING: Duration = Duration::from_secs(300);
    /// What is left of the time of a probe to see whether a silent resolver answers where DNSSEC is not asked for.
    pub const PROBE_SILENCE: Duration = Duration::from_secs(3);
    /// Text that comes from a server's answer (RFC 8914 extra text), in an error.
    pub const TEXT_CHARACTERS: usize = 200;
    /// A resolv.conf or a file of trust anchors.
    pub const FILE_BYTES: u64 = 1 << 20;
}

/// Of DNS updates (RFC 2136).
pub mod dns_update {
    use std::time::Duration;

    /// Making one domain's records so, in all: the connection, the questions for zones, the update and its answer.
    pub const TOTAL: Duration = Duration::from_secs(20);
    /// The attempt to connect.
    pub const CONNECT: Duration = Duration::from_secs(5);
    /// Sets of records in one update, and values in one set.
    pub const SETS: usize = 64;
    /// A message, by TCP.
    pub const MESSAGE_BYTES: usize = 65_535;
    /// Records in an answer, over all sections. An answer to an update has one or two.
    pub const RECORDS: usize = 200;
    /// How far the clocks of both ends may differ, in seconds (RFC 8945 §10 recommends 300).
    pub const FUDGE_SECONDS: u16 = 300;
    /// A file with a key.
    pub const FILE_BYTES: u64 = 64 * 1024;
}

/// Connections to one IP address at once, over all probes: servers are asked politely.
pub const CONNECTIONS_PER_ADDRESS: usize = 8;

/// Bounds of HTTPS.
#[derive(Debug, Clone)]
pub struct HttpsLimits {
    /// One attempt to connect to one address.
    pub connect: Duration,
    /// How long an attempt runs alone before the next address is tried beside it (RFC 8305 §5).
    pub head_start: Duration,
    /// Addresses that are tried for one request; further ones are left out.
    pub addresses: usize,
    /// The TLS handshake.
    pub handshake: Duration,
    /// A GET in all, from the first attempt to connect to the last byte of the body (RFC 8461 §3.3).
    pub get: Duration,
    /// A POST in all. A report may have many megabytes to push through a thin line.
    pub post: Duration,
    /// Status line and header fields of an answer, in bytes.
    pub head_bytes: usize,
    /// Header fields of an answer.
    pub fields: usize,
    /// The body of an answer, in bytes (RFC 8461 §3.3). A longer one is refused, never cut.
    pub body_bytes: usize,
    /// TLS.
    pub tls: TlsLimits,
}

impl Default for HttpsLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            head_start: Duration::from_millis(250),
            addresses: 16,
            handshake: Duration::from_secs(20),
            get: Duration::from_secs(60),
            post: Duration::from_secs(300),
            head_bytes: 16 * 1024,
            fields: 100,
            body_bytes: 64 * 1024,
            tls: TlsLimits::default(),
        }
    }
}

/// Bounds of ACME, with those of HTTPS for each connection.
#[derive(Debug, Clone)]
pub struct AcmeLimits {
    /// A request and its answer, with the connection that it may need. Authorities take their time to issue.
    pub request: Duration,
    /// An answer, in bytes: a directory, an order, a chain.
    pub answer_bytes: usize,
    /// How long an unused connection is kept.
    pub idle: Duration,
    /// How many of them for one host.
    pub idle_connections: usize,
    /// For how long a directory is not asked for again.
    pub directory_kept: Duration,
    /// Orders that are held between two steps. One that is not held costs a request more.
    pub live_orders: usize,
    /// Of a connection.
    pub https: HttpsLimits,
}

impl Default for AcmeLimits {
    fn default() -> Self {
        Self {
            request: Duration::from_secs(60),
            answer_bytes: 1 << 20,
            idle: Duration::from_secs(60),
            idle_connections: 8,
            directory_kept: Duration::from_secs(3_600),
            live_orders: 256,
            https: HttpsLimits::default(),
        }
    }
}

/// Bounds of SMTP.
#[derive(Debug, Clone)]
pub struct SmtpLimits {
    /// The attempt to connect to one address. The look-up of the relay's name has as long.
    pub connect: Duration,
    /// Addresses of the relay that are tried for one mail.
    pub addresses: usize,
    /// The greeting. Some servers make strangers wait for half a minute.
    pub greeting: Duration,
    /// A reply to EHLO or STARTTLS.
    pub reply: Duration,
    /// The TLS handshake.
    pub handshake: Duration,
    /// The reply to the second EHLO: the session is known by then.
    pub second_ehlo: Duration,
    /// The reply to QUIT, which is asked for out of politeness alone.
    pub quit: Duration,
    /// The conversation in all, without the attempt to connect, and without `mail`.
    pub total: Duration,
    /// Sending a mail and the reply to its end (RFC 5321 §4.5.3.2.6).
    pub mail: Duration,
    /// A line of a reply with its end, in bytes. RFC 5321 §4.5.3.1.5 has 512; servers are not held to it.
    pub line_bytes: usize,
    /// Lines of a reply.
    pub lines: usize,
    /// What is kept of the text of a refusal, in characters.
    pub text_chars: usize,
    /// TLS.
    pub tls: TlsLimits,
}

impl Default for SmtpLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(30),
            addresses: 8,
            greeting: Duration::from_secs(60),
            reply: Duration::from_secs(60),
            handshake: Duration::from_secs(30),
            second_ehlo: Duration::from_secs(10),
            quit: Duration::from_secs(1),
            total: Duration::from_secs(180),
            mail: Duration::from_secs(600),
            line_bytes: 2048,
            lines: 100,
            text_chars: 200,
            tls: TlsLimits::default(),
        }
    }
}

/// Bounds of TLS, beside the library's own for every handshake message: 64 KiB, and a longer one ends the handshake.
#[derive(Debug, Clone)]
pub struct TlsLimits {
    /// Certificates of a chain.
    pub chain_certificates: usize,
    /// How long a server may take to answer the greeting of an old client.
    pub old_hello: Duration,
    /// What is read of that answer, in bytes.
    pub old_hello_bytes: usize,
}

impl Default for TlsLimits {
    fn default() -> Self {
        Self { chain_certificates: 32, old_hello: Duration::from_secs(10), old_hello_bytes: 16 * 1024 }
    }
}
