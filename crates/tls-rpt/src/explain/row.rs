//! What a failure row proves by itself, without asking anybody.
//!
//! A row names the MX host, and its policy the patterns that were applied: that a host matches none of them is a
//! deduction from the report alone, and turns a vague `validation-failure` into an exact finding. Pure; host
//! names and patterns are a stranger's and are only compared.

use crate::result_type::{PolicyType, ResultType};

/// What is looked at.
#[derive(Clone, Copy, Debug)]
pub struct RowFacts<'a, S> {
    /// The row's result.
    pub result: &'a ResultType,
    /// Its policy's type.
    pub policy_type: &'a PolicyType,
    /// `receiving-mx-hostname`.
    pub mx: Option<&'a str>,
    /// `mx-host`: the patterns of the policy that was applied.
    pub mx_patterns: &'a [S],
    /// `policy-string`: its lines, for the patterns of reporters that leave `mx-host` out.
    pub policy_lines: &'a [S],
}

/// What follows from the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deduction {
    /// The MX host matches no pattern of the policy that the sender applied.
    MxOutsidePolicy,
}

impl Deduction {
    /// The deduction as a sentence.
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::MxOutsidePolicy => {
                "The report itself shows the reason: this mail server matches no mx: line of the policy that the sender \
                 applied. If it is yours, add it to the policy and then change the id in the _mta-sts record; if you \
                 did so since, the sender still held the policy from before."
            }
        }
    }
}

/// So many patterns are compared; a policy with more has none that a person wrote.
const MAX_PATTERNS: usize = 1_000;

/// What follows from a row, if anything does. Only for MTA-STS, and only where patterns are known.
#[must_use]
pub fn deduce<S: AsRef<str>>(row: &RowFacts<'_, S>) -> Option<Deduction> {
    let about_the_mx = matches!(
        row.result,
        ResultType::ValidationFailure | ResultType::CertificateHostMismatch | ResultType::Unknown(_)
    );
    if *row.policy_type != PolicyType::Sts || !about_the_mx {
        return None;
    }
    let mx = row.mx.filter(|mx| !mx.is_empty() && mx.is_ascii())?;
    let mx = mx.strip_suffix('.').unwrap_or(mx);
    let lines =
        row.policy_lines.iter().filter_map(|line| line.as_ref().trim().strip_prefix("mx:").map(str::trim));
    let patterns = row.mx_patterns.iter().map(|pattern| pattern.as_ref().trim()).chain(lines);
    let mut any = false;
    for (index, pattern) in patterns.filter(|pattern| !pattern.is_empty()).enumerate() {
        // Too many to compare, or one in another script: then nothing follows.
        if index == MAX_PATTERNS || !pattern.is_ascii() || matches(mx, pattern) {
            return None;
        }
        any = true;
    }
    any.then_some(Deduction::MxOutsidePolicy)
}

/// RFC 8461 §4.1: the names are equal, or `*.` stands for exactly one label in front.
fn matches(mx: &str, pattern: &str) -> bool {
    let pattern = pattern.strip_suffix('.').unwrap_or(pattern);
    match pattern.strip_prefix("*.") {
        Some(parent) => mx
            .split_once('.')
            .is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(parent)),
        None => mx.eq_ignore_ascii_case(pattern),
    }
}
