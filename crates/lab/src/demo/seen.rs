//! What a reporter saw of a domain on one day, before any shape of report.

/// What a reporter saw of a domain on one day.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// Counted from 1970.
    pub(super) day: i64,
    pub(super) domain: &'static str,
    pub(super) policy: Policy,
    /// Sessions that went well.
    pub(super) good: u64,
    pub(super) troubles: Vec<Trouble>,
    /// The same sessions as DANE judged them.
    pub(super) dane: Option<Dane>,
}

/// The MTA-STS policy that the reporter went by.
#[derive(Debug, Clone)]
pub(super) enum Policy {
    /// None was published.
    Missing,
    /// One is announced and could not be had, or not be trusted.
    Unusable,
    /// One was in use.
    Used { mode: &'static str, max_age: u32, mx: &'static [&'static str] },
}

impl Policy {
    /// Its lines as served (RFC 8461 §3.2).
    pub(super) fn lines(&self) -> Vec<String> {
        let Self::Used { mode, max_age, mx } = self else { return Vec::new() };
        let mut lines = vec!["version: STSv1".to_owned(), format!("mode: {mode}")];
        lines.extend(mx.iter().map(|pattern| format!("mx: {pattern}")));
        lines.push(format!("max_age: {max_age}"));
        lines
    }

    pub(super) fn patterns(&self) -> &'static [&'static str] {
        match self {
            Self::Used { mx, .. } => mx,
            Self::Missing | Self::Unusable => &[],
        }
    }
}

/// Sessions that failed alike.
#[derive(Debug, Clone)]
pub(super) struct Trouble {
    pub(super) result: &'static str,
    /// The MX host; none where the policy itself was the trouble.
    pub(super) mx: Option<&'static str>,
    pub(super) receiving_ip: Option<&'static str>,
    pub(super) sending_ip: String,
    pub(super) reason: Option<&'static str>,
    pub(super) count: u64,
}

/// What DANE came to.
#[derive(Debug, Clone)]
pub(super) struct Dane {
    pub(super) mx: &'static str,
    pub(super) records: Vec<String>,
    pub(super) good: u64,
    pub(super) troubles: Vec<Trouble>,
}

/// Sessions that failed.
pub(super) fn failed(troubles: &[Trouble]) -> u64 {
    troubles.iter().map(|trouble| trouble.count).sum()
}
