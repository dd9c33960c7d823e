//! How a report travels: as a mail (RFC 8460 §5.3) or as the body of a POST (§5.4).

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use tlsward_engine::facts::{Road, UnixTime};

use super::Arrival;
use super::calendar::{DAY, mail_date};
use super::draw::Draw;
use super::reporters::{Reporter, Shape};
use super::seen::Seen;

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The report on its way, as it comes in.
pub(super) fn carry(
    reporter: &Reporter,
    seen: &Seen,
    (json, id): (&str, &str),
    received_at: UnixTime,
    draw: &mut Draw,
) -> Arrival {
    let road = reporter.road;
    if road == Road::Https {
        return match reporter.shape {
            Shape::Plain => arrival(road, received_at, "application/tlsrpt+json", json.as_bytes().to_vec()),
            _ => arrival(road, received_at, "application/tlsrpt+gzip", gzip(json.as_bytes())),
        };
    }
    let label = format!("noreply@{} -> tlsrpt@{}", reporter.domain, seen.domain);
    let mail = mail(reporter, seen, (json, id), received_at, draw);
    arrival(road, received_at, &label, mail.into_bytes())
}

pub(super) fn arrival(road: Road, received_at: UnixTime, label: &str, bytes: Vec<u8>) -> Arrival {
    Arrival { received_at, road, label: label.to_owned(), bytes: Bytes::from(bytes) }
}

/// Compressed as reporters do.
pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // A vector takes everything.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

fn mail(
    reporter: &Reporter,
    seen: &Seen,
    (json, id): (&str, &str),
    received_at: UnixTime,
    draw: &mut Draw,
) -> String {
    let (from, domain) = (&reporter.domain, seen.domain);
    let (start, end) = (seen.day * DAY, (seen.day + 1) * DAY - 1);
    let boundary = format!("=_{}", draw.hex(12));
    let kind = if reporter.shape == Shape::Sloppy { "application/gzip" } else { "application/tlsrpt+gzip" };
    let date = mail_date(received_at);
    // A signature that no key was ever made for: it has the form and vouches for nothing.
    let signature = base64(draw.hex(64).as_bytes()).replace("\r\n", "\r\n ");
    format!(
        "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={from}; s=demo; t={received_at};\r\n \
         h=from:to:subject:date:tls-report-domain:tls-report-submitter; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\r\n \
         b={signature}\r\n\
         From: noreply@{from}\r\nTo: tlsrpt@{domain}\r\nDate: {date}\r\n\
         Subject: Report Domain: {domain} Submitter: {from} Report-ID: <{id}>\r\n\
         Message-ID: <{}@{from}>\r\nTLS-Report-Domain: {domain}\r\nTLS-Report-Submitter: {from}\r\nTLS-Required: No\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=\"tlsrpt\";\r\n boundary=\"{boundary}\"\r\n\r\n\
         --{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
         This is an aggregate TLS report from {from} about {domain}. It is made up.\r\n\
         --{boundary}\r\nContent-Type: {kind}\r\nContent-Transfer-Encoding: base64\r\n\
         Content-Disposition: attachment;\r\n filename=\"{from}!{domain}!{start}!{end}!001.json.gz\"\r\n\r\n\
         {}\r\n--{boundary}--\r\n",
        draw.hex(10),
        base64(&gzip(json.as_bytes())),
    )
}

/// In lines of 76 characters (RFC 2045 §6.8).
fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 3 / 2 + 4);
    for (index, three) in bytes.chunks(3).enumerate() {
        if index > 0 && index % 19 == 0 {
            text.push_str("\r\n");
        }
        let joined =
            three.iter().fold(0u32, |joined, byte| joined << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let sextet = usize::try_from(joined >> (18 - 6 * place) & 63).unwrap_or(0);
            text.push(if place > three.len() { '=' } else { char::from(BASE64[sextet]) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (plain, coded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(plain.as_bytes()), coded, "RFC 4648 §10");
        }
        assert_eq!(base64(&[0; 58]).find("\r\n"), Some(76));
    }
}
