//! An event of the log as it stands in the journal: one JSON object, read back by this program alone.
//!
//! The journal keeps what was understood of the log, not its lines: who counts again after a kill sees the same events,
//! whatever became of the log meanwhile.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use tls_rpt::Text;
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::{LoggedSession, LoggedTrust, MtaLogEvent, SessionPeer};

/// Why a record is not an event. It was written by another version, or damaged in a way that its checksum did not catch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the journal's record of a log event cannot be read: {0}")]
pub struct RecordError(String);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Wire {
    Session(WireSession),
    MxNotInPolicy { mx_host: String, domain: String },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct WireSession {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<UnixTime>,
    domain: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mx_host: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    certificate_sha256: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trust: Option<WireTrust>,
    failed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure_type: Option<String>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum WireTrust {
    Anonymous,
    Untrusted,
    Trusted,
    Verified,
}

/// The bytes of the record.
#[must_use]
pub fn write(event: &MtaLogEvent) -> Vec<u8> {
    let text = |text: &Option<Text>| text.as_ref().map(ToString::to_string);
    let wire = match event {
        MtaLogEvent::Session(session) => Wire::Session(WireSession {
            at: session.at,
            domain: session.domain.to_string(),
            mx_host: text(&session.peer.mx_host),
            address: session.peer.address,
            certificate_sha256: session.peer.fingerprint.map(hexadecimal),
            trust: session.trust.map(|trust| match trust {
                LoggedTrust::Anonymous => WireTrust::Anonymous,
                LoggedTrust::Untrusted => WireTrust::Untrusted,
                LoggedTrust::Trusted => WireTrust::Trusted,
                LoggedTrust::Verified => WireTrust::Verified,
            }),
            failed: session.failed,
            failure_type: text(&session.failure_type),
        }),
        MtaLogEvent::MxNotInPolicy { mx_host, domain } => {
            Wire::MxNotInPolicy { mx_host: mx_host.to_string(), domain: domain.to_string() }
        }
    };
    // Plain values with string keys: it does not fail, says the documentation. An empty record would be refused by `read`.
    serde_json::to_vec(&wire).unwrap_or_default()
}

/// Reads a record back.
///
/// # Errors
/// [`RecordError`].
pub fn read(bytes: &[u8]) -> Result<MtaLogEvent, RecordError> {
    let wire: Wire = serde_json::from_slice(bytes).map_err(|error| RecordError(error.to_string()))?;
    let session = match wire {
        Wire::Session(session) => session,
        Wire::MxNotInPolicy { mx_host, domain } => {
            return Ok(MtaLogEvent::MxNotInPolicy { mx_host: mx_host.into(), domain: domain.into() });
        }
    };
    let fingerprint = match session.certificate_sha256.as_deref() {
        None => None,
        Some(text) => {
            let print = crate::session::fingerprint(text);
            Some(print.ok_or_else(|| RecordError("the fingerprint is no SHA-256".to_owned()))?)
        }
    };
    Ok(MtaLogEvent::Session(LoggedSession {
        at: session.at,
        domain: session.domain.into(),
        peer: SessionPeer { mx_host: session.mx_host.map(Text::from), address: session.address, fingerprint },
        trust: session.trust.map(|trust| match trust {
            WireTrust::Anonymous => LoggedTrust::Anonymous,
            WireTrust::Untrusted => LoggedTrust::Untrusted,
            WireTrust::Trusted => LoggedTrust::Trusted,
            WireTrust::Verified => LoggedTrust::Verified,
        }),
        failed: session.failed,
        failure_type: session.failure_type.map(Text::from),
    }))
}

fn hexadecimal(bytes: [u8; 32]) -> String {
    let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, prop, prop_assert_eq, proptest};

    #[test]
    fn every_event_comes_back_as_it_was() {
        let bare = LoggedSession {
            at: None,
            domain: "a.test".into(),
            peer: SessionPeer::default(),
            trust: None,
            failed: true,
            failure_type: Some("certificate_expired".into()),
        };
        let mut events = vec![
            MtaLogEvent::Session(bare.clone()),
            MtaLogEvent::MxNotInPolicy { mx_host: "mx.evil.test".into(), domain: "a.test".into() },
        ];
        for trust in
            [LoggedTrust::Anonymous, LoggedTrust::Untrusted, LoggedTrust::Trusted, LoggedTrust::Verified]
        {
            let peer = SessionPeer {
                mx_host: Some("mx.a.test".into()),
                address: Some("2001:db8::1".parse().unwrap()),
                fingerprint: Some(std::array::from_fn(|place| u8::try_from(place * 8).unwrap())),
            };
            let session =
                LoggedSession { at: Some(-5), peer, trust: Some(trust), failed: false, ..bare.clone() };
            events.push(MtaLogEvent::Session(session));
        }
        for event in events {
            assert_eq!(read(&write(&event)), Ok(event));
        }
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for bytes in [
            "",
            "{}",
            "[]",
            r#"{"session":{}}"#,
            r#"{"other":1}"#,
            r#"{"session":{"domain":"a","failed":false,"certificate-sha256":"00"}}"#,
        ] {
            assert!(read(bytes.as_bytes()).is_err(), "{bytes}");
        }
    }

    proptest! {
        #[test]
        fn any_fingerprint_comes_back_and_no_bytes_make_it_panic(
            print in any::<[u8; 32]>(), noise in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            prop_assert_eq!(crate::session::fingerprint(&hexadecimal(print)), Some(print));
            let _ = read(&noise);
        }
    }
}
