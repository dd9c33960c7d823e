//! libtlsrpt's datagram (version 1): one delivery attempt as one JSON object.
//!
//! Read with patience, because whatever comes was sent by somebody's mail server and cannot be asked again: bytes that
//! are no UTF-8 are replaced, keys may come twice or be of the wrong kind, the version may be missing (Postfix 3.10 on
//! Debian sends none) or be another. What is no JSON object, names no domain or no policy cannot be counted and is an
//! [`DatagramError`]; the journal still has its bytes.

use std::borrow::Cow;

use serde::de::{Deserialize, MapAccess};
use tls_rpt::{PolicyType, ResultType, Text};
use tlsward_engine::ports::{SessionEvent, SessionFailure, SessionPeer, SessionPolicy};

use super::fields::{Fields, List, Object, Scalar};
use super::{MAX_FAILURES, MAX_POLICIES, MAX_RECORD_BYTES, MAX_STRINGS, MAX_TEXT_BYTES, address, helo_host};
use crate::text;

/// Why a datagram cannot be counted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatagramError {
    /// Nothing in it.
    #[error("the datagram is empty")]
    Empty,
    /// No JSON, or nested too deep.
    #[error("the datagram is no JSON: {0}")]
    NotJson(String),
    /// It names no domain that could have a TLSRPT record.
    #[error("the datagram's \"d\" names no domain")]
    NoDomain,
    /// No policy was applied, so there is nothing to count under.
    #[error("the datagram's \"policies\" is empty")]
    NoPolicy,
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datagram {
    /// The event.
    pub event: SessionEvent,
    /// Whether its version is one that is not known here (`dpv`; missing counts as 1).
    pub other_version: bool,
}

/// Reads a datagram.
///
/// # Errors
/// [`DatagramError`].
pub fn read(bytes: &[u8]) -> Result<Datagram, DatagramError> {
    if bytes.is_empty() {
        return Err(DatagramError::Empty);
    }
    let text = String::from_utf8_lossy(bytes);
    // What follows the object is not looked at.
    let mut deserializer = serde_json::Deserializer::from_str(&text);
    let Object(wire) = Object::<WireEvent<'_>>::deserialize(&mut deserializer)
        .map_err(|error| DatagramError::NotJson(error.to_string()))?;
    event(&wire)
}

fn event(wire: &WireEvent<'_>) -> Result<Datagram, DatagramError> {
    let domain = wire.domain.text().and_then(|text| text::name(&text)).ok_or(DatagramError::NoDomain)?;
    let policies: Vec<SessionPolicy> =
        wire.policies.0.iter().map(|Object(policy)| session_policy(policy)).collect();
    if policies.is_empty() {
        return Err(DatagramError::NoPolicy);
    }
    let mut peer = SessionPeer::default();
    if let Some(failure) = policies.iter().find_map(|policy| policy.failures.first()) {
        peer.mx_host.clone_from(&failure.mx_host);
        peer.address = failure.receiving_ip;
    }
    let event = SessionEvent {
        at: None,
        domain,
        tlsrpt_record: wire.record.text().map(|text| text::bounded(&text, MAX_RECORD_BYTES)),
        policies,
        count: 1,
        peer,
    };
    Ok(Datagram { event, other_version: wire.version.integer().unwrap_or(1) != 1 })
}

fn session_policy(wire: &WirePolicy<'_>) -> SessionPolicy {
    let failures: Vec<SessionFailure> =
        wire.failures.0.iter().map(|Object(failure)| session_failure(failure)).collect();
    let failed = match wire.failed.integer() {
        Some(failed) => failed != 0,
        // Without a final result, what was told of failures decides.
        None => !failures.is_empty() || wire.told.integer().is_some_and(|count| count > 0),
    };
    SessionPolicy {
        policy_type: policy_type(&wire.policy_type),
        domain: wire.domain.text().and_then(|text| text::name(&text)),
        strings: texts(&wire.strings.0, MAX_TEXT_BYTES),
        mx_hosts: texts(&wire.mx_hosts.0, 255),
        failed,
        failures,
    }
}

fn session_failure(wire: &WireFailure<'_>) -> SessionFailure {
    let name = |value: &Scalar<'_>| {
        let text = value.text()?;
        text::name(&text).or_else(|| filled(&text.to_lowercase(), 255))
    };
    SessionFailure {
        result_type: result_type(&wire.code),
        sending_mta_ip: wire.sending_ip.text().and_then(|text| address(&text)),
        mx_host: name(&wire.mx_host),
        helo: wire.helo.text().and_then(|text| helo_host(&text)),
        receiving_ip: wire.receiving_ip.text().and_then(|text| address(&text)),
        additional_information: wire.additional.text().and_then(|text| filled(&text, MAX_TEXT_BYTES)),
        reason_code: wire.reason.text().and_then(|text| filled(&text, MAX_TEXT_BYTES)),
    }
}

/// `Unknown` with the number for one that libtlsrpt does not name, also its internal 901: a report shows it as
/// `validation-failure`, for want of a better word (RFC 8460 §4.3.4).
fn result_type(code: &Scalar<'_>) -> ResultType {
    let number = code.integer();
    let known = number.and_then(|number| u16::try_from(number).ok()).and_then(ResultType::from_code);
    known.unwrap_or_else(|| ResultType::Unknown(word(code)))
}

fn policy_type(code: &Scalar<'_>) -> PolicyType {
    let number = code.integer();
    let known = number.and_then(|number| u16::try_from(number).ok()).and_then(PolicyType::from_code);
    known.unwrap_or_else(|| PolicyType::recognise(&word(code)))
}

fn word(value: &Scalar<'_>) -> Text {
    text::bounded(&value.text().unwrap_or(Cow::Borrowed("")), 64)
}

fn filled(text: &str, longest: usize) -> Option<Text> {
    let text = text::bounded(text, longest);
    (!text.is_empty()).then_some(text)
}

fn texts(values: &[Scalar<'_>], longest: usize) -> Vec<Text> {
    values.iter().filter_map(|value| filled(&value.text()?, longest)).collect()
}

#[derive(Default)]
struct WireEvent<'a> {
    version: Scalar<'a>,
    domain: Scalar<'a>,
    record: Scalar<'a>,
    policies: List<Object<WirePolicy<'a>>, MAX_POLICIES>,
}

impl<'de: 'a, 'a> Fields<'de> for WireEvent<'a> {
    fn take<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "dpv" => self.version = map.next_value()?,
            "d" => self.domain = map.next_value()?,
            "pr" => self.record = map.next_value()?,
            "policies" => self.policies = map.next_value()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

#[derive(Default)]
struct WirePolicy<'a> {
    policy_type: Scalar<'a>,
    domain: Scalar<'a>,
    strings: List<Scalar<'a>, MAX_STRINGS>,
    mx_hosts: List<Scalar<'a>, MAX_STRINGS>,
    failures: List<Object<WireFailure<'a>>, MAX_FAILURES>,
    told: Scalar<'a>,
    failed: Scalar<'a>,
}

impl<'de: 'a, 'a> Fields<'de> for WirePolicy<'a> {
    fn take<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "policy-type" => self.policy_type = map.next_value()?,
            "policy-domain" => self.domain = map.next_value()?,
            "policy-string" => self.strings = map.next_value()?,
            "mx-host" => self.mx_hosts = map.next_value()?,
            "failure-details" => self.failures = map.next_value()?,
            "t" => self.told = map.next_value()?,
            "f" => self.failed = map.next_value()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

#[derive(Default)]
struct WireFailure<'a> {
    code: Scalar<'a>,
    sending_ip: Scalar<'a>,
    mx_host: Scalar<'a>,
    helo: Scalar<'a>,
    receiving_ip: Scalar<'a>,
    additional: Scalar<'a>,
    reason: Scalar<'a>,
}

impl<'de: 'a, 'a> Fields<'de> for WireFailure<'a> {
    fn take<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<bool, A::Error> {
        match key {
            "c" => self.code = map.next_value()?,
            "s" => self.sending_ip = map.next_value()?,
            "n" => self.mx_host = map.next_value()?,
            "h" => self.helo = map.next_value()?,
            "r" => self.receiving_ip = map.next_value()?,
            "a" => self.additional = map.next_value()?,
            "f" => self.reason = map.next_value()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

#[cfg(test)]
#[path = "datagram_tests.rs"]
mod tests;
