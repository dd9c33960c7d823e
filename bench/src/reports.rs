//! Reports of the kinds that large senders write: as JSON, as mail, and the one that is a bomb.

use std::fmt::Write as _;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

/// A day's report as a large sender writes it: one `sts` policy, `failures` failure rows.
pub fn report(number: usize, failures: usize) -> String {
    let mut rows = String::new();
    for row in 0..failures {
        let _ = write!(
            rows,
            "{}{{\"result-type\":\"certificate-expired\",\"sending-mta-ip\":\"192.0.2.{row}\",\
             \"receiving-ip\":\"203.0.113.5\",\"receiving-mx-hostname\":\"mx1.recv.example\",\
             \"failed-session-count\":{}}}",
            if row > 0 { "," } else { "" },
            row + 1
        );
    }
    let details = if failures > 0 { format!(",\"failure-details\":[{rows}]") } else { String::new() };
    format!(
        "{{\"organization-name\":\"Example Mail Inc.\",\"date-range\":{{\"start-datetime\":\"2026-10-01T00:00:00Z\",\
         \"end-datetime\":\"2026-10-01T23:59:59Z\"}},\"contact-info\":\"smtp-tls-reporting@sender.example\",\
         \"report-id\":\"2026-10-01T00:00:00Z_recv{number}.example\",\"policies\":[{{\"policy\":{{\"policy-type\":\"sts\",\
         \"policy-string\":[\"version: STSv1\",\"mode: enforce\",\"mx: mx1.recv.example\",\"mx: mx2.recv.example\",\
         \"max_age: 604800\"],\"policy-domain\":\"recv{number}.example\",\"mx-host\":[\"mx1.recv.example\",\
         \"mx2.recv.example\"]}},\"summary\":{{\"total-successful-session-count\":{},\
         \"total-failure-session-count\":{failures}}}{details}}}]}}",
        90 + number
    )
}

/// gzip, as a sender compresses.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Writing to memory cannot fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// The report as the mail that carries it (RFC 8460 §5.3).
pub fn mail(json: &str) -> Vec<u8> {
    let mut encoded = String::new();
    for line in base64(&gzip(json.as_bytes())).as_bytes().chunks(76) {
        encoded.push_str(str::from_utf8(line).unwrap_or_default());
        encoded.push_str("\r\n");
    }
    format!(
        "Return-Path: <noreply-smtp-tls-reporting@sender.example>\r\n\
         Received: from mail.sender.example (mail.sender.example [192.0.2.1])\r\n\
         \tby mx.recv.example with ESMTPS id 1234567890\r\n\tfor <tlsrpt@recv.example>; Fri, 02 Oct 2026 01:00:00 +0000\r\n\
         DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=sender.example; s=20230601; t=1790000000;\r\n\
         \th=tls-report-submitter:tls-report-domain:mime-version:message-id:subject:from:to:date;\r\n\
         \tbh=MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=; b=c2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXJl\r\n\
         \tc2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXJl\r\n\
         From: noreply-smtp-tls-reporting@sender.example\r\nTo: tlsrpt@recv.example\r\n\
         Date: Fri, 02 Oct 2026 01:00:00 +0000\r\nMessage-ID: <1@sender.example>\r\n\
         Subject: Report Domain: recv.example Submitter: sender.example Report-ID: <1@sender.example>\r\n\
         TLS-Report-Domain: recv.example\r\nTLS-Report-Submitter: sender.example\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=tlsrpt; boundary=\"000000000000b1\"\r\n\r\n\
         --000000000000b1\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\nThis is an aggregate TLS report.\r\n\r\n\
         --000000000000b1\r\nContent-Type: application/tlsrpt+gzip; name=\"sender.example!recv.example!1!2!001.json.gz\"\r\n\
         Content-Disposition: attachment; filename=\"sender.example!recv.example!1!2!001.json.gz\"\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{encoded}\r\n--000000000000b1--\r\n"
    )
    .into_bytes()
}

/// 91 MB of valid JSON in some 350 KB: 650,000 policies.
pub fn bomb() -> Vec<u8> {
    let policy = "{\"policy\":{\"policy-type\":\"sts\",\"policy-domain\":\"recv.example\"},\"summary\":\
                  {\"total-successful-session-count\":1,\"total-failure-session-count\":0}}";
    let head = "{\"organization-name\":\"Example\",\"date-range\":{\"start-datetime\":\"2026-10-01T00:00:00Z\",\
                \"end-datetime\":\"2026-10-01T23:59:59Z\"},\"report-id\":\"bomb\",\"policies\":[";
    let mut json = String::with_capacity(92 << 20);
    json.push_str(head);
    for number in 0..650_000 {
        if number > 0 {
            json.push(',');
        }
        json.push_str(policy);
    }
    json.push_str("]}");
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let _ = encoder.write_all(json.as_bytes());
    encoder.finish().unwrap_or_default()
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let word =
            group.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            if place <= group.len() {
                out.push(char::from(ALPHABET[(word >> (18 - 6 * place) & 63) as usize]));
            } else {
                out.push('=');
            }
        }
    }
    out
}
