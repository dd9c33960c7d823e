//! The greeting of an old client, written by hand: TLS 1.0 to 1.2 with key exchange by RSA and DHE, CBC and 3DES.
//!
//! Where we find nothing in common with a server, this tells whether some sender would. Only the ServerHello is read;
//! no session comes of it.

use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What old libraries offer, newest first, and what we offer too: a server may lack nothing but a curve.
const SUITES: &[u16] = &[
    0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, // ECDHE with AEAD
    0xc023, 0xc027, 0xc024, 0xc028, 0xc009, 0xc013, 0xc00a, 0xc014, // ECDHE with CBC
    0x009e, 0x009f, 0x0067, 0x006b, 0x0033, 0x0039, 0x0032, 0x0038, // DHE
    0x009c, 0x009d, 0x003c, 0x003d, 0x002f, 0x0035, 0x0041, 0x0084, // RSA
    0xc012, 0xc008, 0x0016, 0x000a, // 3DES
    0xc011, 0xc007, 0x0005, 0x0004, // RC4
    0x00ff, // no renegotiation, RFC 5746 §3.3
];

/// x25519, P-256, P-384, P-521, ffdhe2048, ffdhe3072.
const GROUPS: &[u16] = &[0x001d, 0x0017, 0x0018, 0x0019, 0x0100, 0x0101];

/// ECDSA, RSA-PSS, RSA; SHA-256 to SHA-1; DSA.
const SIGNATURES: &[u16] =
    &[0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0301, 0x0203, 0x0201, 0x0202];

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const SERVER_HELLO: u8 = 2;

/// Greets; the version and suite of the ServerHello, or `None` if something else came.
pub(crate) async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    name: &ServerName<'_>,
    random: [u8; 32],
    limit_bytes: usize,
) -> Option<(u16, u16)> {
    stream.write_all(&client_hello(name, random)).await.ok()?;
    stream.flush().await.ok()?;
    let mut handshake = Vec::new();
    let mut read_bytes = 0;
    loop {
        let mut header = [0; 5];
        stream.read_exact(&mut header).await.ok()?;
        let [kind, _, _, high, low] = header;
        let length = usize::from(u16::from_be_bytes([high, low]));
        read_bytes += header.len() + length;
        // An alert of the level `warning` (unrecognized_name) may come before the ServerHello.
        if read_bytes > limit_bytes || length == 0 || !matches!(kind, HANDSHAKE | ALERT) {
            return None;
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.ok()?;
        if kind == ALERT {
            if body.first() != Some(&1) {
                return None;
            }
            continue;
        }
        handshake.extend_from_slice(&body);
        match server_hello(&handshake) {
            Progress::Chosen(version, suite) => {
                // close_notify, so that the server need not wait for more.
                let _ = stream.write_all(&[ALERT, 3, 1, 0, 2, 1, 0]).await;
                return Some((version, suite));
            }
            Progress::More => {}
            Progress::No => return None,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Progress {
    Chosen(u16, u16),
    More,
    No,
}

/// RFC 5246 §7.4.1.3: type, length (3), version (2), random (32), session id (1 + n), cipher suite (2).
fn server_hello(octets: &[u8]) -> Progress {
    if octets.first().is_some_and(|kind| *kind != SERVER_HELLO) {
        return Progress::No;
    }
    let Some(session_id) = octets.get(38) else { return Progress::More };
    let at = 39 + usize::from(*session_id);
    match (octets.get(4..6), octets.get(at..at + 2)) {
        (Some(&[a, b]), Some(&[c, d])) => {
            Progress::Chosen(u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
        }
        _ => Progress::More,
    }
}

/// RFC 5246 §7.4.1.2, in a record of TLS 1.0, as old servers want it.
fn client_hello(name: &ServerName<'_>, random: [u8; 32]) -> Vec<u8> {
    let mut extensions = Vec::new();
    if let ServerName::DnsName(name) = name {
        // RFC 6066 §3: a list of one name of the type host_name.
        let host = name.as_ref().as_bytes();
        let entry = [&[0][..], &sized(host)].concat();
        extension(&mut extensions, 0, &sized(&entry));
    }
    extension(&mut extensions, 10, &sized(&numbers(GROUPS)));
    // Uncompressed points only, RFC 8422 §5.1.2.
    extension(&mut extensions, 11, &[1, 0]);
    extension(&mut extensions, 13, &sized(&numbers(SIGNATURES)));

    let mut hello = vec![3, 3];
    hello.extend(random);
    // No session, and after the suites the null compression alone.
    hello.push(0);
    hello.extend(sized(&numbers(SUITES)));
    hello.extend([1, 0]);
    hello.extend(sized(&extensions));

    let mut handshake = vec![1, 0];
    handshake.extend(sized(&hello));
    let mut record = vec![HANDSHAKE, 3, 1];
    record.extend(sized(&handshake));
    record
}

fn extension(extensions: &mut Vec<u8>, kind: u16, body: &[u8]) {
    extensions.extend(kind.to_be_bytes());
    extensions.extend(sized(body));
}

fn numbers(list: &[u16]) -> Vec<u8> {
    list.iter().flat_map(|number| number.to_be_bytes()).collect()
}

/// The octets behind their number in two octets; what is sent here is far shorter than that allows.
fn sized(octets: &[u8]) -> Vec<u8> {
    let length = u16::try_from(octets.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes()[..], octets].concat()
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn name() -> ServerName<'static> {
        ServerName::from(IpAddr::from([192, 0, 2, 1]))
    }

    async fn answered(answer: &[u8], limit_bytes: usize) -> Option<(u16, u16)> {
        let (mut ours, mut theirs) = tokio::io::duplex(1 << 20);
        theirs.write_all(answer).await.unwrap();
        theirs.shutdown().await.unwrap();
        ask(&mut ours, &name(), [7; 32], limit_bytes).await
    }

    fn hello_body(version: [u8; 2], suite: [u8; 2]) -> Vec<u8> {
        let mut body = vec![SERVER_HELLO, 0, 0, 70];
        body.extend(version);
        body.extend([9; 32]);
        body.push(32);
        body.extend([8; 32]);
        body.extend(suite);
        body.push(0);
        body
    }

    fn record(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut record = vec![kind, 3, 1];
        record.extend(sized(body));
        record
    }

    #[tokio::test]
    async fn the_choice_of_the_server_is_read_also_in_pieces_and_behind_a_warning() {
        let hello = hello_body([3, 1], [0, 10]);
        assert_eq!(answered(&record(HANDSHAKE, &hello), 1000).await, Some((0x0301, 0x000a)));
        let mut pieces = record(ALERT, &[1, 112]);
        for piece in hello.chunks(7) {
            pieces.extend(record(HANDSHAKE, piece));
        }
        assert_eq!(answered(&pieces, 1000).await, Some((0x0301, 0x000a)));
    }

    #[tokio::test]
    async fn an_alert_garbage_silence_and_endless_warnings_choose_nothing() {
        assert_eq!(answered(&record(ALERT, &[2, 40]), 1000).await, None);
        assert_eq!(answered(b"220 mx.example.com ESMTP\r\n", 1000).await, None);
        assert_eq!(answered(b"", 1000).await, None);
        assert_eq!(answered(&record(ALERT, &[1, 112]).repeat(1000), 1000).await, None);
        assert_eq!(answered(&record(HANDSHAKE, &[11, 0, 0, 0]), 1000).await, None);
    }

    #[tokio::test]
    async fn what_is_read_of_the_answer_is_bounded() {
        let hello = record(HANDSHAKE, &hello_body([3, 3], [0, 47]));
        assert_eq!(answered(&hello, hello.len()).await, Some((0x0303, 0x002f)));
        assert_eq!(answered(&hello, hello.len() - 1).await, None);
    }
}
