//! What comes to a report address and cannot be filed: broken reports, and what was never one.

use tlsward_engine::facts::{Road, UnixTime};

use super::Arrival;
use super::carried::{arrival, gzip};

/// How many kinds there are.
pub(super) const KINDS: u64 = 6;

/// Something that cannot be filed, of the `kind`-th sort.
pub(super) fn input(kind: u64, received_at: UnixTime) -> Arrival {
    let text = "{\"organization-name\":\"Half Done\",\"date-range\":{\"start-datetime\":\"2026-01-01T00:00:00Z\",\
                \"end-datetime\":\"2026-01-01T23:59:59Z\"},\"report-id\":\"half\",\"policies\":[{\"policy\":{\"policy-ty";
    match kind % KINDS {
        0 => arrival(Road::Https, received_at, "application/tlsrpt+json", text.as_bytes().to_vec()),
        1 => {
            let mut bytes = gzip(text.repeat(9).as_bytes());
            bytes.truncate(60);
            arrival(Road::Https, received_at, "application/tlsrpt+gzip", bytes)
        }
        2 => {
            let mail = "From: deals@offers.example\r\nTo: tlsrpt@harbor.example\r\nSubject: Your certificate is about to expire\r\n\
                        MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nClick here to renew it for only 9 a month.\r\n";
            arrival(Road::Smtp, received_at, "deals@offers.example -> tlsrpt@harbor.example", mail.into())
        }
        3 => {
            let mail = "From: MAILER-DAEMON@dover.example\r\nTo: tlsrpt@ferry.example\r\nSubject: Undelivered Mail Returned to Sender\r\n\
                        MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nHost not found: mx.dover.example\r\n";
            arrival(Road::Smtp, received_at, "<> -> tlsrpt@ferry.example", mail.into())
        }
        4 => arrival(
            Road::Https,
            received_at,
            "application/tlsrpt+json",
            b"{\"organization-name\":\"Comma Mail\",\"report-id\":\"c-1\",\"policies\":[],}".to_vec(),
        ),
        _ => {
            let nested = format!("{{\"policies\":{}{}}}", "[".repeat(200), "]".repeat(200));
            arrival(Road::Https, received_at, "application/tlsrpt+json", nested.into_bytes())
        }
    }
}
