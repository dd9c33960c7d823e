//! What MTAs tell of their TLS sessions.
//!
//! [`datagram`] reads what libtlsrpt sends, [`line`] what any other MTA can write; both give the same
//! [`SessionEvent`](tlsward_engine::ports::SessionEvent). [`Receiver`] is the
//! socket with its thread, [`Intake`] the way from there into the [journal](crate::journal).

pub mod datagram;
mod fields;
mod intake;
pub mod line;
mod receiver;

pub use intake::{Appended, Inlet, Intake, IntakeOptions, IntakeStats, OnAppended};
pub use receiver::{
    DEFAULT_QUEUE_PATH, DatagramSink, MAX_DATAGRAM_BYTES, Receiver, ReceiverStats, SessionSocket,
    queue_advice,
};

use std::net::IpAddr;

use tls_rpt::Text;

use crate::text;

/// Policies in one event.
pub(crate) const MAX_POLICIES: usize = 8;
/// Failures of one policy.
pub(crate) const MAX_FAILURES: usize = 32;
/// Policy strings, and MX patterns, of one policy.
pub(crate) const MAX_STRINGS: usize = 256;
/// A policy string, a reason, additional information.
pub(crate) const MAX_TEXT_BYTES: usize = 1024;
/// A TLSRPT record.
pub(crate) const MAX_RECORD_BYTES: usize = 4096;

/// The server's name out of the answer to EHLO, which Postfix hands on whole: with an own start time, session number
/// or load in it, every session would be a kind of failure of its own. Lower case; `None` if nothing is left.
#[must_use]
pub fn helo_host(answer: &str) -> Option<Text> {
    let line = answer.trim_start().lines().next()?;
    let line = match line.as_bytes() {
        [b'2', b'5', b'0', b'-' | b' ', ..] => &line[4..],
        _ => line,
    };
    let word = line.split_ascii_whitespace().next()?;
    text::name(word).or_else(|| {
        let word = text::bounded(&word.to_ascii_lowercase(), 255);
        (!word.is_empty()).then_some(word)
    })
}

/// An address as MTAs write it, also in brackets or with `IPv6:` before it.
pub(crate) fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_start_matches('[').trim_end_matches(']');
    let text = text.strip_prefix("IPv6:").unwrap_or(text);
    text.parse().ok()
}

/// A SHA-256 in hexadecimal, with or without colons.
pub(crate) fn fingerprint(text: &str) -> Option<[u8; 32]> {
    let mut digits = text.bytes().filter(|byte| *byte != b':').map(|byte| char::from(byte).to_digit(16));
    let mut print = [0; 32];
    for byte in &mut print {
        let (high, low) = (digits.next()??, digits.next()??);
        *byte = u8::try_from(high << 4 | low).ok()?;
    }
    digits.next().is_none().then_some(print)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_ehlo_answer_only_the_host_is_kept() {
        for (answer, expected) in [
            ("mx.example.org", Some("mx.example.org")),
            ("MX.Example.org at your service, [192.0.2.1]\r\nPIPELINING\r\nSIZE", Some("mx.example.org")),
            ("250-mx.example.org Hello\r\n250 SIZE", Some("mx.example.org")),
            ("  [192.0.2.1] load 3.14", Some("[192.0.2.1]")),
            ("\r\n", None),
            ("", None),
            ("\u{1}\u{2}", None),
        ] {
            assert_eq!(helo_host(answer).as_deref(), expected, "{answer:?}");
        }
    }

    #[test]
    fn a_fingerprint_is_64_digits_with_or_without_colons() {
        let plain = "00ff".repeat(16);
        let colons: Vec<&str> =
            plain.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap()).collect();
        assert_eq!(fingerprint(&plain), fingerprint(&colons.join(":")));
        assert_eq!(fingerprint(&plain).unwrap()[..4], [0, 255, 0, 255]);
        for wrong in ["", "00", &plain[1..], &format!("{plain}0"), &plain.replace('f', "g")] {
            assert_eq!(fingerprint(wrong), None, "{wrong}");
        }
    }
}
