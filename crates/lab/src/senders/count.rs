//! Sessions counted, for the report of a day.

use std::collections::BTreeMap;
use std::net::IpAddr;

use tlsward_engine::ports::RecordData;

use super::policy::Held;

/// The policy that was applied.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Applied {
    /// `sts`, `tlsa` or `no-policy-found`.
    pub kind: &'static str,
    /// Its lines or records.
    pub lines: Vec<String>,
    /// Its patterns.
    pub mx: Vec<String>,
    /// The policy domain: for DANE the host.
    pub domain: String,
}

/// What failed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Failure {
    /// Of RFC 8460 §4.3.
    pub result: &'static str,
    /// The MX host, where one was chosen.
    pub host: Option<String>,
    /// Its address, where one was reached.
    pub address: Option<IpAddr>,
    /// In words.
    pub reason: Option<String>,
}

/// Sessions under one policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// Went well.
    pub successful: u64,
    /// Did not. A session that failed at two hosts counts twice.
    pub failed: u64,
    /// In detail.
    pub failures: BTreeMap<Failure, u64>,
}

impl Applied {
    pub(super) fn none(domain: &str) -> Self {
        Self { kind: "no-policy-found", lines: Vec::new(), mx: Vec::new(), domain: domain.to_owned() }
    }

    /// There is one, and it could not be had.
    pub(super) fn unknown_sts(domain: &str) -> Self {
        Self { kind: "sts", ..Self::none(domain) }
    }

    pub(super) fn sts(domain: &str, held: &Held) -> Self {
        Self { kind: "sts", lines: held.lines.clone(), mx: held.mx.clone(), domain: domain.to_owned() }
    }

    pub(super) fn tlsa(host: &str, records: &[RecordData]) -> Self {
        let line = |record: &RecordData| match record {
            RecordData::Tlsa { usage, selector, matching, data } => {
                let hex: String = data.iter().map(|byte| format!("{byte:02X}")).collect();
                Some(format!("{usage} {selector} {matching} {hex}"))
            }
            _ => None,
        };
        let lines = records.iter().filter_map(line).collect();
        Self { kind: "tlsa", lines, mx: Vec::new(), domain: host.to_owned() }
    }
}

impl Failure {
    pub(super) fn at(result: &'static str, host: &str, address: IpAddr, reason: Option<String>) -> Self {
        Self { result, host: Some(host.to_owned()), address: Some(address), reason }
    }

    pub(super) fn not_listed(host: &str) -> Self {
        let reason = Some("the MX host is not in the policy".to_owned());
        Self { result: "certificate-host-mismatch", host: Some(host.to_owned()), address: None, reason }
    }

    pub(super) fn of_policy(result: &'static str, reason: Option<String>) -> Self {
        Self { result, host: None, address: None, reason }
    }
}
