//! Sessions as JSON lines, for MTAs that do not speak libtlsrpt: one object a line, keys as in a report (RFC 8460
//! §4.4), read strictly, because whoever writes them can mend them.
//!
//! ```json
//! {"domain": "example.org", "result": "success", "policy-type": "sts", "receiving-mx-hostname": "mx.example.org"}
//! {"domain": "example.org", "result": "certificate-expired", "policy-type": "no-policy-found", "session-count": 3}
//! ```
//!
//! | key | |
//! |---|---|
//! | `domain` | required: the recipient's domain, or the smart host |
//! | `result` | required: `success`, or a result type of RFC 8460 §4.3 |
//! | `policy-type` | required: `sts`, `tlsa` or `no-policy-found` |
//! | `policy-domain` | if it is not `domain` (for `tlsa`, the TLSA base domain) |
//! | `policy-string`, `mx-host` | lists of text |
//! | `receiving-mx-hostname`, `receiving-mx-helo`, `receiving-ip`, `sending-mta-ip` | |
//! | `certificate-sha256` | of the MX host's certificate in DER, hexadecimal |
//! | `additional-information`, `failure-reason-code` | for failures |
//! | `tlsrpt-record` | as found in DNS; without it, it is looked up |
//! | `session-count` | so many like sessions; 1 if absent |
//! | `time` | RFC 3339, or seconds since 1970; when the line came in if absent |
//!
//! Unknown keys are refused: a misspelt `result` must not turn failures into successes.

use serde::Deserialize;
use tls_rpt::{PolicyType, ResultType, Text};
use tlsward_engine::facts::UnixTime;
use tlsward_engine::ports::{SessionEvent, SessionFailure, SessionPeer, SessionPolicy};

use super::{MAX_RECORD_BYTES, MAX_STRINGS, MAX_TEXT_BYTES, address, fingerprint, helo_host};
use crate::text;

/// Longest line.
pub const MAX_LINE_BYTES: usize = 64 * 1024;
/// Most sessions that one line may stand for.
pub const MAX_COUNT: u64 = 1_000_000;

/// Why a line is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Longer than the bound.
    #[error("the line is longer than {MAX_LINE_BYTES} bytes")]
    TooLong,
    /// No JSON object of the documented keys.
    #[error("{0}")]
    Json(String),
    /// A value that does not fit its key.
    #[error("\"{key}\" is {needed}")]
    Value {
        /// The key.
        key: &'static str,
        /// What it must be.
        needed: &'static str,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Line {
    domain: String,
    result: String,
    policy_type: String,
    policy_domain: Option<String>,
    #[serde(default)]
    policy_string: Vec<String>,
    #[serde(default)]
    mx_host: Vec<String>,
    receiving_mx_hostname: Option<String>,
    receiving_mx_helo: Option<String>,
    receiving_ip: Option<String>,
    sending_mta_ip: Option<String>,
    certificate_sha256: Option<String>,
    additional_information: Option<String>,
    failure_reason_code: Option<String>,
    tlsrpt_record: Option<String>,
    session_count: Option<u64>,
    time: Option<Time>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Time {
    Seconds(i64),
    Text(String),
}

/// Reads one line, with or without its end.
///
/// # Errors
/// [`LineError`], which names the key.
pub fn read(line: &[u8]) -> Result<SessionEvent, LineError> {
    if line.len() > MAX_LINE_BYTES {
        return Err(LineError::TooLong);
    }
    let line: Line = serde_json::from_slice(line).map_err(|error| LineError::Json(error.to_string()))?;
    let name =
        |key, value: &str| text::name(value).ok_or(LineError::Value { key, needed: "the name of a domain" });
    let optional_name =
        |key, value: &Option<String>| value.as_deref().map(|text| name(key, text)).transpose();
    let optional_address = |key, value: &Option<String>| {
        let read = |text: &str| address(text).ok_or(LineError::Value { key, needed: "an IP address" });
        value.as_deref().map(read).transpose()
    };
    let optional_text =
        |value: &Option<String>| value.as_deref().map(|text| text::bounded(text, MAX_TEXT_BYTES));

    let domain = name("domain", &line.domain)?;
    let policy_type = PolicyType::from_wire(&line.policy_type);
    if !policy_type.is_registered() {
        return Err(LineError::Value { key: "policy-type", needed: "sts, tlsa or no-policy-found" });
    }
    let mx_host = optional_name("receiving-mx-hostname", &line.receiving_mx_hostname)?;
    let receiving_ip = optional_address("receiving-ip", &line.receiving_ip)?;
    let sending_mta_ip = optional_address("sending-mta-ip", &line.sending_mta_ip)?;
    let fingerprint = match line.certificate_sha256.as_deref() {
        None => None,
        Some(text) => {
            let needed = "a SHA-256 in 64 hexadecimal digits";
            Some(fingerprint(text).ok_or(LineError::Value { key: "certificate-sha256", needed })?)
        }
    };
    let failure = match line.result.as_str() {
        "success" => None,
        result => {
            let result_type = ResultType::from_wire(result);
            if !result_type.is_registered() {
                let needed = "success or a result type of RFC 8460 §4.3";
                return Err(LineError::Value { key: "result", needed });
            }
            Some(SessionFailure {
                result_type,
                sending_mta_ip,
                mx_host: mx_host.clone(),
                helo: line.receiving_mx_helo.as_deref().and_then(helo_host),
                receiving_ip,
                additional_information: optional_text(&line.additional_information),
                reason_code: optional_text(&line.failure_reason_code),
            })
        }
    };
    let policy = SessionPolicy {
        policy_type,
        domain: optional_name("policy-domain", &line.policy_domain)?,
        strings: texts(&line.policy_string),
        mx_hosts: texts(&line.mx_host),
        failed: failure.is_some(),
        failures: failure.into_iter().collect(),
    };
    let count = line.session_count.unwrap_or(1);
    if count == 0 || count > MAX_COUNT {
        return Err(LineError::Value { key: "session-count", needed: "a number from 1 to 1000000" });
    }
    Ok(SessionEvent {
        at: line.time.as_ref().map(unix_time).transpose()?,
        domain,
        tlsrpt_record: line.tlsrpt_record.as_deref().map(|text| text::bounded(text, MAX_RECORD_BYTES)),
        policies: vec![policy],
        count,
        peer: SessionPeer { mx_host, address: receiving_ip, fingerprint },
    })
}

fn texts(values: &[String]) -> Vec<Text> {
    values.iter().take(MAX_STRINGS).map(|text| text::bounded(text, MAX_TEXT_BYTES)).collect()
}

fn unix_time(time: &Time) -> Result<UnixTime, LineError> {
    let wrong = LineError::Value { key: "time", needed: "an RFC 3339 time, or seconds since 1970" };
    match time {
        Time::Seconds(seconds) if *seconds >= 0 => Ok(*seconds),
        Time::Seconds(_) => Err(wrong),
        Time::Text(text) => {
            text.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_second).map_err(|_| wrong)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_a_datagram_says_and_the_peer_too() {
        let event = read(
            br#"{"domain":"B\u00fccher.example","result":"certificate-expired","policy-type":"sts","policy-domain":"p.example",
              "policy-string":["version: STSv1"],"mx-host":["mx.example"],"receiving-mx-hostname":"MX.example.","receiving-ip":"2001:db8::1",
              "receiving-mx-helo":"mx.example hello","sending-mta-ip":"192.0.2.1","failure-reason-code":"x","session-count":3,
              "time":"2026-11-24T00:00:01Z","tlsrpt-record":"v=TLSRPTv1; rua=mailto:a@b.example",
              "certificate-sha256":"00000000000000000000000000000000000000000000000000000000000000ff"}"#,
        )
        .unwrap();
        assert_eq!(
            (event.domain.as_str(), event.count, event.at),
            ("xn--bcher-kva.example", 3, Some(1_795_478_401))
        );
        assert_eq!(event.peer.mx_host.as_deref(), Some("mx.example"));
        assert_eq!(event.peer.fingerprint.unwrap()[31], 255);
        let policy = &event.policies[0];
        assert!(policy.failed && policy.failures[0].result_type == ResultType::CertificateExpired);
        assert_eq!(policy.failures[0].helo.as_deref(), Some("mx.example"));

        let event = read(
            b"{\"domain\":\"a.example\",\"result\":\"success\",\"policy-type\":\"tlsa\",\"time\":5}\r\n",
        )
        .unwrap();
        assert!(!event.policies[0].failed && event.policies[0].failures.is_empty() && event.at == Some(5));
    }

    #[test]
    fn a_line_that_cannot_be_meant_is_refused_by_key() {
        let with = |domain: &str, result: &str, rest: &str| {
            let line = format!(r#"{{"domain":"{domain}","result":"{result}","policy-type":"sts"{rest}}}"#);
            read(line.as_bytes()).unwrap_err().to_string()
        };
        assert_eq!(with("a b", "success", ""), "\"domain\" is the name of a domain");
        assert_eq!(with("a.b", "sucess", ""), "\"result\" is success or a result type of RFC 8460 §4.3");
        assert!(with("a.b", "success", r#","reslt":1"#).contains("unknown field `reslt`"));
        assert!(with("a.b", "success", r#","domain":"c.d""#).contains("duplicate field"));
        for rest in [
            r#","session-count":0"#,
            r#","session-count":1000001"#,
            r#","receiving-ip":"x""#,
            r#","time":"yesterday""#,
            r#","time":-1"#,
            r#","certificate-sha256":"00""#,
            r#","policy-domain":"""#,
        ] {
            assert!(with("a.b", "success", rest).starts_with('"'), "{rest}");
        }
        assert!(
            read(br#"{"domain":"a.b","result":"success"}"#).unwrap_err().to_string().contains("policy-type")
        );
        assert_eq!(read(&[b' '; MAX_LINE_BYTES + 1]), Err(LineError::TooLong));
        assert!(matches!(read(b"\xff"), Err(LineError::Json(_))));
    }
}
